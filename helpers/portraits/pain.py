"""Pain points: groups whose answers to surveys are lower than others', or whose behaviour falls more."""

from __future__ import annotations

from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd

from helpers import contracts, stats
from helpers.errors import InputError
from helpers.portraits import evidence

LEAST = 10  # people, of a group and of the others, below which nothing is judged
SPAN = 56  # days that somebody must have been there for, so that both spans of 28 days are whole
RECENT, YOUNG = 28, 91
BY = ("channel", "city", "gender", "age_band", "joined", "channel_and_joined")
MEASURES = {
    "active_days": ("active_days_28", "active_days_before"),
    "dwell_minutes": ("dwell_minutes_28", "dwell_minutes_before"),
    "replies_received": ("replies_received_28", "replies_received_before"),
}
SURVEY, BEHAVIOUR, ALL = "survey", "behaviour", "all"
HIGHEST_SCORE = 1e9
EXACT = "decimal(38, 9)"

FEEDBACK = contracts.declare(
    "feedback",
    grain="one row per user, local day and question",
    key=["user_id", "day", "question"],
    needs="feedback",
    columns={
        "user_id": ("string", "", "pseudonym of the user"),
        "day": ("date", "", "local day of the answer"),
        "question": ("string", "", "as the source calls it"),
        "score": ("float64", "points", "the answer; the mean of several on a day"),
    },
)
PAIN_POINTS = contracts.declare(
    "pain_points",
    grain="one row per measure and group; groups that are worse than the others first, best evidence first",
    key=["source", "measure", "attribute", "level"],
    needs="events",
    small=True,
    nullable=("before", "others", "difference", "low", "high", "share", "share_low", "share_high", "p", "q"),
    columns={
        "source": ("string", "", f'"{SURVEY}": scores of answers; "{BEHAVIOUR}": the last 28 days less the 28 before'),
        "measure": ("string", "", "question of the survey, or what people did"),
        "attribute": ("string", "", f'what the groups are made by; "{ALL}" for everybody'),
        "level": ("string", "", "the group"),
        "people": ("int64", "people", "of the group, with an answer or active in both spans"),
        "rest": ("int64", "people", "the others"),
        "smallest": ("int64", "people", "the smaller of the two"),
        "before": ("float64", "the measure's unit", "mean of the group in the 28 days before; empty for answers"),
        "value": ("float64", "", "mean score of the group, or its mean change"),
        "others": ("float64", "the measure's unit", "the same of the others"),
        "difference": ("float64", "", "value less others"),
        "low": ("float64", "", "lower end of its 95 % interval; of the value itself for everybody"),
        "high": ("float64", "", "upper end of its 95 % interval; of the value itself for everybody"),
        "share": ("float64", "share", "low scores, of the answers; or people who fell by half or more, of those above 0 before"),
        "share_low": ("float64", "share", "lower end of its 95 % interval"),
        "share_high": ("float64", "share", "upper end of its 95 % interval"),
        "p": ("float64", "", "of no difference from the others, by Welch's test"),
        "q": ("float64", "share", "p by Benjamini and Hochberg over all rows"),
    },
)  # fmt: skip


ROWS = [name for name in PAIN_POINTS.columns if name != "q"]


def answers(rows: ibis.Table) -> ibis.Table:
    """Answers to surveys, one per person, day and question (contract `feedback`). Comments are left behind, and so are
    answers without a score or with one beyond a billion.

    Args:
        rows: Kept rows of the source `feedback`: `user_id`, `answered_day`, `question`, `score`.
    """
    scored = rows.filter(rows.score.abs() <= HIGHEST_SCORE)
    total = scored.score.cast(EXACT).sum().cast("float64")
    return scored.group_by("user_id", day=scored.answered_day, question=scored.question).agg(score=total / scored.count())


def groups(portraits: ibis.Table, segments: ibis.Table | None = None, *, by: tuple[str, ...] = BY) -> ibis.Table:
    """Everybody with the groups that pain is looked for in: `user_id`, a text column each of `by`, and what behaviour needs.

    `joined` is how long ago, by tenure: in the last 4 weeks, 5 to 13 weeks ago, earlier. A group that is unknown is empty.

    Args:
        segments: Adds the tiers that `by` names.
    """
    joined = ibis.cases(
        (portraits.tenure_days.isnull(), ibis.null("string")),
        (portraits.tenure_days < RECENT, "in the last 4 weeks"),
        (portraits.tenure_days < YOUNG, "5 to 13 weeks ago"),
        else_="earlier",
    )
    people = portraits.mutate(joined=joined, channel_and_joined=portraits.channel + ", " + joined)
    if segments is not None:
        tiers = [name for name in by if name not in people.columns]
        people = people.left_join(segments.select("user_id", *tiers), "user_id").drop("user_id_right")
    measured = [column for pair in MEASURES.values() for column in pair]
    return people.select("user_id", "tenure_days", *dict.fromkeys([*measured, *by]))


def low_scores(
    feedback: ibis.Table | None, people: ibis.Table, *, last_day: date, limits: dict, by: tuple[str, ...] = BY
) -> pd.DataFrame:
    """Scores of each group against all others, as rows of the contract `pain_points` without `q`.

    Each person counts once a question, with the last answer of the `days` that end on `last_day`; later ones change
    nothing. None of it without surveys.

    Args:
        feedback: As `answers` gives them.
        people: As `groups` gives them.
        limits: Section `pain` of rules.toml: `days`; `low_score`, up to which a score is low, and `low_scores`, the same
            by question.

    Raises:
        InputError: A limit of `low_scores` is not a number.
    """
    wrong = [question for question, limit in limits["low_scores"].items() if isinstance(limit, bool | str | list | dict)]
    if wrong:
        raise InputError(f"rules.toml: [pain.low_scores] {wrong[0]}\n  It must be a number, such as {limits['low_score']}.")
    if feedback is None:
        return pd.DataFrame(columns=ROWS)
    since = last_day - timedelta(days=limits["days"])
    lately = feedback.filter(feedback.day <= last_day, feedback.day > since)
    newest = ibis.window(group_by=["user_id", "question"], order_by=ibis.desc("day"))
    last = lately.mutate(nth=ibis.row_number().over(newest)).filter(ibis._.nth == 0)
    own = [(last.question == question, float(limit)) for question, limit in limits["low_scores"].items()]
    limit = ibis.cases(*own, else_=float(limits["low_score"])) if own else ibis.literal(float(limits["low_score"]))
    told = {"is_bad": last.score <= limit, "can_be_bad": ibis.literal(True), "before": ibis.null("float64")}
    scored = last.select("user_id", measure=last.question, value=last.score, **told)
    rows = scored.join(people, "user_id").select(*by, "measure", "value", *told)
    return _joined(_compared(_counted(rows, by))).assign(source=SURVEY)


def falling(people: ibis.Table, *, by: tuple[str, ...] = BY) -> pd.DataFrame:
    """How what people did changed from the 28 days before to the last 28, each group against all others, as rows of the
    contract `pain_points` without `q`; one row per measure is about everybody.

    It is about people who are there for 56 days and were active in both spans, so that coming, leaving and the choice
    of people do not look like a change.

    Args:
        people: As `groups` gives them.
    """
    there = people.filter(people.tenure_days >= SPAN, people.active_days_28 > 0, people.active_days_before > 0)
    rows = there.mutate(measure=_each(MEASURES), all=ibis.literal(ALL))
    now, past = (
        _by_name(rows.measure, {name: rows[pair[at]].cast("float64") for name, pair in MEASURES.items()}) for at in (0, 1)
    )
    changed = rows.mutate(value=now - past, before=past, is_bad=(past > 0) & (now <= past / 2), can_be_bad=past > 0)
    found = _counted(changed, (ALL, *by))
    whole = found[found["attribute"] == ALL]
    ends = [stats.mean_interval(*one) for one in zip(whole["mean"], whole["variance"], whole["n"], strict=True)]
    whole = whole.assign(value=whole["mean"], people=whole["n"], rest=0, smallest=whole["n"])
    whole = whole.assign(low=[end.low for end in ends], high=[end.high for end in ends])
    return _joined(whole, _compared(found[found["attribute"] != ALL])).assign(source=BEHAVIOUR)


def pain_points(*found: pd.DataFrame) -> pd.DataFrame:
    """What `low_scores` and `falling` found, in one order (contract `pain_points`): groups that are worse than the others
    before those that are not, best evidence first, and what is not judged at the end.
    """
    rows = pd.concat(found, ignore_index=True)
    rows["q"] = evidence.discoveries(rows["p"])
    is_better = rows["p"].notna() & (rows["difference"] >= 0)
    order = rows.assign(rank=is_better.astype(int) + 2 * rows["p"].isna(), size=-rows["difference"].abs())
    keys = ["rank", "p", "size", *PAIN_POINTS.key]
    return order.sort_values(keys, ignore_index=True)[list(PAIN_POINTS.columns)]


def _joined(*frames: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True).reindex(columns=ROWS)


def _compared(found: pd.DataFrame) -> pd.DataFrame:
    """Each group against all others whose group is known; a group that has no others says nothing."""
    found = found.reset_index(drop=True)
    whole = found.groupby(["measure", "attribute"])[["n", "total", "squares"]].transform("sum")
    rest = (whole["n"] - found["n"]).astype("int64")
    mean, variance = evidence.moments(rest, whole["total"] - found["total"], whole["squares"] - found["squares"])
    compared = evidence.compare_means(found["n"], found["mean"], found["variance"], rest, mean, variance)
    smallest = found["n"].where(found["n"] < rest, rest)
    compared.loc[smallest < LEAST, ["low", "high", "p"]] = np.nan
    found = found.assign(people=found["n"], rest=rest, smallest=smallest)
    return pd.concat([found, compared], axis=1)[rest > 0]


def _counted(rows: ibis.Table, by: tuple[str, ...]) -> pd.DataFrame:
    """People, mean and variance of each measure in each group, the mean before, and the share that is low or fell."""
    each = rows.mutate(attribute=_each(by))
    each = each.mutate(level=_by_name(each.attribute, {name: each[name] for name in by}))
    grouped = each.filter(each.level.notnull()).group_by("measure", "attribute", "level")
    found = grouped.agg(
        n=ibis._.count(),
        total=ibis._.value.cast(EXACT).sum(),
        squares=(ibis._.value * ibis._.value).cast(EXACT).sum(),
        past=ibis._.before.cast(EXACT).sum(),
        bad=ibis._.is_bad.sum(),
        could=ibis._.can_be_bad.sum(),
    ).to_pandas()
    found = found.sort_values(["measure", "attribute", "level"], ignore_index=True)
    mean, variance = evidence.moments(found["n"], found["total"], found["squares"])
    low, high = stats.wilson(found["bad"], found["could"])
    before = found["past"].astype("float64") / found["n"]
    share = found["bad"] / found["could"].where(found["could"] > 0)
    return found.assign(mean=mean, variance=variance, before=before, share=share, share_low=low, share_high=high)


def _each(names) -> ibis.Value:
    """A row once for each name."""
    return ibis.array([ibis.literal(name) for name in names]).unnest()


def _by_name(name: ibis.Value, values: dict[str, ibis.Value]) -> ibis.Value:
    return ibis.cases(*((name == own, value) for own, value in values.items()))
