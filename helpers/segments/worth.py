"""What each tier is worth and thinks: its shares, how concentrated they are, whether newcomers are answered, survey answers."""

from __future__ import annotations

from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd

from helpers import contracts, stats
from helpers.portraits.topics import exact, exact_sum
from helpers.segments.concentration import DIGITS, concentration, share_interval
from helpers.segments.tables import DIMENSIONS, TIERS

WINDOW = 28
REPLY_DAYS = 7
ALL = "all"
SHARES = ("activity", "content", "net")
MEASURED = tuple(f"of_{name}" for name in SHARES)
MEASURES = ("people", *SHARES, "content_gini", "content_top", "net_gini", "net_top", "replied", "response", "score")
NOW, BEFORE = "now", "before"
GROUP = ["instant", "dimension", "tier"]

TIER_WORTH = contracts.declare(
    "tier_worth",
    grain="one row per dimension, tier, measure and question",
    key=["dimension", "tier", "measure", "question"],
    needs="events",
    small=True,
    nullable=("value", "low", "high", "before", "before_low", "before_high"),
    columns={
        "dimension": ("string", "", "a dimension of the tiers, or all for everybody together"),
        "tier": ("string", "", "tier of the dimension"),
        "measure": ("string", "", "people, activity, content, net: shares; content_gini, net_gini: 0 to 1; content_top, "
                   "net_top: share of the most active 1 %; replied, response: shares; score: mean"),
        "question": ("string", "", "the survey's question for response and score, else empty"),
        "value": ("float64", "", "the measure over the last 28 days"),
        "low": ("float64", "", "lower end of its 95 % interval"),
        "high": ("float64", "", "upper end of its 95 % interval"),
        "n": ("int64", "people", "people whom the value describes: of the tier, of its top 1 %, newcomers or answering"),
        "before": ("float64", "of the measure", "the value a week before"),
        "before_low": ("float64", "of the measure", "lower end of its interval"),
        "before_high": ("float64", "of the measure", "upper end of its interval"),
        "n_before": ("int64", "people", "people whom the value a week before describes"),
    },
)  # fmt: skip


def worth(
    now: ibis.Table,
    before: ibis.Table,
    first_seen: ibis.Table,
    user_day: ibis.Table,
    *,
    last_day: date,
    reply_day: ibis.Table | None = None,
    feedback: ibis.Table | None = None,
    dimensions: tuple[str, ...] = DIMENSIONS,
) -> pd.DataFrame:
    """What every tier is worth and thinks, this week and the week before (contract `tier_worth`).

    All of it is about the 28 days up to the end of the week, of the people who are in the tier at its end:

    - `people`: share of everybody known; Wilson's interval.
    - `activity`, `content`, `net`: share of all active events, of all contents made, of the net amount. The interval is
      the delta method's for a ratio of two totals, on the logit scale; none where the tier has nothing or everything.
    - `content_gini`, `net_gini`: Gini's index among the people of the tier, those with nothing among them; who was paid
      back more than was paid counts as 0. `content_top`, `net_top`: what the first 1 % of them hold (rounded up to whole
      people). Both with the delta method's interval, on the logit scale.
    - `replied`: of the people whose first active day lies in the 28 days that ended 7 days ago, and who wrote something
      by then, the share who were answered within 7 days of the first day on which they wrote; Wilson's interval. Who was
      there in the first week of the data has an unknown past and is no newcomer.
    - `response`, `score`: share of the tier who answered the question, and the mean over them of each one's own mean
      score; Wilson's and Student's interval.

    What the data do not have (contents, amounts, replies, answers) has no rows.

    Args:
        now, before: As `tiers` gives them at the end of `last_day` and of the day a week before.
        feedback: Contract `feedback`; None where the dataset asks nothing.
        dimensions: Columns of `now` and `before`.
    """
    instants = {NOW: (now, last_day), BEFORE: (before, last_day - timedelta(days=7))}
    facts = (first_seen, user_day, reply_day)
    known = {name: _people(tiers, *facts, day, dimensions) for name, (tiers, day) in instants.items()}
    parts = [people.mutate(instant=ibis.literal(name)) for name, people in known.items()]
    with ibis.union(*parts, distinct=False).cache() as people:
        stacked = _stacked(people, dimensions, ["instant", "user_id", *MEASURED])
        sums = _sums(people, dimensions)
        if sums.empty:
            return pd.DataFrame({name: pd.Series(dtype=spec.dtype) for name, spec in TIER_WORTH.columns.items()})
        found = [_sizes(sums), *_shares(sums), *_concentrated(stacked)]
        if reply_day is not None:
            found.append(_replied(sums))
        if feedback is not None:
            answers = [_answered(feedback, day).mutate(instant=ibis.literal(name)) for name, (_, day) in instants.items()]
            found += _answers(ibis.union(*answers, distinct=False), stacked, sums)
    return _beside(pd.concat([part for part in found if len(part)] or found[:1], ignore_index=True), dimensions)


def _people(tiers: ibis.Table, first_seen, user_day, reply_day, last_day: date, dimensions: tuple[str, ...]) -> ibis.Table:
    """Everybody with their tiers, and what they did over what people do on average; newcomers and who was answered."""
    recent = user_day.filter(user_day.day <= last_day, user_day.day > last_day - timedelta(days=WINDOW))
    did = recent.group_by("user_id").agg(of_activity=recent.active.sum(), of_content=recent.create.sum(), of_net=recent.net.sum())
    known = tiers.select("user_id", *dimensions).left_join(did, "user_id").drop("user_id_right")
    nobody = {"wrote": ibis.literal(False), "answered": ibis.literal(False)}
    if reply_day is not None:
        newcomers = _newcomers(first_seen, user_day, reply_day, last_day).mutate(wrote=True)
        known = known.left_join(newcomers, "user_id").drop("user_id_right")
        nobody = {name: known[name].fill_null(False) for name in nobody}
    known = known.select(
        "user_id",
        **{name: ibis.coalesce(known[name].cast("string"), "unknown") for name in dimensions},
        **{name: known[name].cast("decimal(38, 4)").fill_null(0) for name in MEASURED},
        **nobody,
    )
    total = known.aggregate(everyone=known.count(), **{f"all_{name}": known[name].sum() for name in MEASURED})
    wide = known.cross_join(total)
    relative = {name: wide[name].cast("float64") / _above_zero(wide[f"all_{name}"]) * wide.everyone for name in MEASURED}
    return wide.select("user_id", *dimensions, *nobody, **relative)


def _above_zero(total: ibis.Value) -> ibis.Value:
    """The total, or nothing where no share can be taken of it."""
    return ibis.ifelse(total > 0, total.cast("float64"), ibis.null("float64"))


def _newcomers(first_seen: ibis.Table, user_day: ibis.Table, reply_day: ibis.Table, last_day: date) -> ibis.Table:
    """Newcomers who wrote, and whether they were answered in time."""
    closed = last_day - timedelta(days=REPLY_DAYS)
    since = closed - timedelta(days=WINDOW)
    known = first_seen.filter(first_seen.first_day <= last_day)
    opened = known.aggregate(day=known.first_day.min()).as_scalar()
    came = known.filter(
        known.first_active_day > since,
        known.first_active_day <= closed,
        known.first_active_day.epoch_days() >= opened.epoch_days() + 7,
    )
    wrote = user_day.filter(user_day.day > since, user_day.day <= closed, user_day.create + user_day.comment > 0)
    wrote = wrote.semi_join(came, "user_id").group_by("user_id").agg(first=wrote.day.min())
    replies = reply_day.filter(reply_day.day > since, reply_day.day <= last_day).select(user_id="to_user", day="day")
    met = wrote.left_join(replies, "user_id")
    after = met.day.epoch_days() - met["first"].epoch_days()
    return met.group_by("user_id").agg(answered=((after >= 0) & (after <= REPLY_DAYS)).fill_null(False).any())


def _stacked(people: ibis.Table, dimensions: tuple[str, ...], kept: list[str]) -> ibis.Table:
    """Each row once for each dimension, and once among all."""
    tiers = {name: people[name] for name in dimensions} | {ALL: ibis.literal(ALL)}
    return ibis.union(
        *[people.select(*kept, dimension=ibis.literal(name), tier=tier) for name, tier in tiers.items()], distinct=False
    )


def _sums(people: ibis.Table, dimensions: tuple[str, ...]) -> pd.DataFrame:
    """People, sums and sums of squares of the relative measures of each tier, beside those of everybody.

    Added up over those alike in all dimensions first, who are few; sums of decimals are the same in any order.
    """
    measures = {f"{name}_sum": exact(people[f"of_{name}"]).sum() for name in SHARES}
    measures |= {f"{name}_squares": exact(people[f"of_{name}"] * people[f"of_{name}"]).sum() for name in SHARES}
    measures |= {"people": people.count(), "wrote": people.wrote.sum(), "answered": people.answered.sum()}
    alike = people.group_by(["instant", *dimensions]).agg(**measures)
    stacked = _stacked(alike, dimensions, ["instant", *measures])
    found = stacked.group_by(GROUP).agg(**{name: stacked[name].sum().cast("float64") for name in measures})
    found = found.to_pandas().set_index(GROUP).astype("float64")
    if found.empty:
        return found
    everybody = found[found.index.get_level_values("dimension") == ALL].droplevel(["dimension", "tier"])
    return found.join(everybody.add_suffix("_all"), on="instant")


def _sizes(sums: pd.DataFrame) -> pd.DataFrame:
    low, high = stats.wilson(sums["people"], sums["people_all"])
    return _rows(sums, "people", sums["people"] / sums["people_all"], low, high, sums["people"])


def _shares(sums: pd.DataFrame) -> list[pd.DataFrame]:
    """The tier's part of a total; its variance is that of the residuals of a ratio (Cochran 1977, 2.12)."""
    parts, tiers = [], sums[sums.index.get_level_values("dimension") != ALL]
    for name in SHARES:
        share = (tiers[f"{name}_sum"] / tiers["people_all"]).round(DIGITS)
        own, others = tiers[f"{name}_squares"], tiers[f"{name}_squares_all"] - tiers[f"{name}_squares"]
        residuals = (1 - share) ** 2 * own + share**2 * others
        low, high = share_interval(share, np.sqrt(residuals) / tiers["people_all"])
        parts.append(_rows(tiers, name, share, low, high, tiers["people"]).dropna(subset="value"))
    return parts


def _concentrated(stacked: ibis.Table) -> list[pd.DataFrame]:
    parts = []
    found = concentration(stacked, by=GROUP, values=["of_content", "of_net"])
    for name, own in found.groupby("what"):
        own, name = own.set_index(GROUP), name.removeprefix("of_")
        parts.append(_rows(own, f"{name}_gini", own["gini"], own["gini_low"], own["gini_high"], own["people"]))
        parts.append(_rows(own, f"{name}_top", own["top"], own["top_low"], own["top_high"], own["top_people"]))
    return parts


def _replied(sums: pd.DataFrame) -> pd.DataFrame:
    new = sums[sums["wrote"] > 0]
    low, high = stats.wilson(new["answered"], new["wrote"])
    return _rows(new, "replied", new["answered"] / new["wrote"], low, high, new["wrote"])


def _answered(feedback: ibis.Table, last_day: date) -> ibis.Table:
    """The mean score of each one's own answers."""
    recent = feedback.filter(feedback.day <= last_day, feedback.day > last_day - timedelta(days=WINDOW))
    recent = recent.filter(recent.score.notnull(), recent.question.notnull())
    return recent.group_by(["user_id", "question"]).agg(score=exact_sum(recent.score.cast("float64")) / recent.count())


def _answers(answers: ibis.Table, stacked: ibis.Table, sums: pd.DataFrame) -> list[pd.DataFrame]:
    joined = stacked.select("user_id", *GROUP).join(answers, ["instant", "user_id"])
    measures = {"n": joined.count(), "total": exact_sum(joined.score), "squares": exact_sum(joined.score * joined.score)}
    found = joined.group_by([*GROUP, "question"]).agg(**measures).to_pandas()
    if found.empty:
        return []
    questions = pd.DataFrame({"question": sorted(set(found["question"]))})
    every = sums["people"].reset_index().merge(questions, how="cross")
    found = every.merge(found, on=[*GROUP, "question"], how="left").fillna({"n": 0, "total": 0, "squares": 0})
    found = found.set_index(GROUP)
    n = found["n"].where(found["n"] > 0)
    mean = found["total"] / n
    variance = ((found["squares"] - found["total"] * mean) / (n - 1).where(n > 1)).clip(lower=0)
    ends = [stats.mean_interval(*own) for own in zip(mean, variance, found["n"], strict=True)]
    score = _rows(found, "score", mean, [end.low for end in ends], [end.high for end in ends], found["n"])
    low, high = stats.wilson(found["n"], found["people"])
    response = _rows(found, "response", found["n"] / found["people"], low, high, found["people"])
    return [part.assign(question=found["question"].to_numpy()) for part in (response, score)]


def _rows(frame: pd.DataFrame, measure: str, value, low, high, n) -> pd.DataFrame:
    """One row an instant and tier in the form of the contract."""
    given = {"value": value, "low": low, "high": high, "n": n}
    numbers = {name: np.asarray(own, dtype=float) for name, own in given.items()}
    return frame.index.to_frame(index=False)[GROUP].assign(measure=measure, question="", **numbers)


def _beside(found: pd.DataFrame, dimensions: tuple[str, ...]) -> pd.DataFrame:
    """Both instants in one row; tiers in the order in which they are declared, else by name, and all people first."""
    keys, values = list(TIER_WORTH.key), ["value", "low", "high", "n"]
    now, before = (found[found["instant"] == name][[*keys, *values]] for name in (NOW, BEFORE))
    before = before.set_axis([*keys, "before", "before_low", "before_high", "n_before"], axis=1)
    found = now.merge(before, on=keys, how="outer")
    found = found.fillna({"n": 0, "n_before": 0}).astype({"n": "int64", "n_before": "int64"})
    declared = [(name, tier) for name in dimensions for tier in TIERS.get(name, ())]
    places = {(ALL, ALL): -1} | {pair: at for at, pair in enumerate(declared)}
    dimension = found["dimension"].map({ALL: -1} | {name: at for at, name in enumerate(dimensions)})
    pairs = zip(found["dimension"], found["tier"], strict=True)
    found = found.assign(_dimension=dimension, _tier=[places.get(pair, len(places)) for pair in pairs])
    found["_nth"] = found["measure"].map({name: at for at, name in enumerate(MEASURES)})
    order = ["_dimension", "_tier", "tier", "_nth", "question"]
    return found.sort_values(order, ignore_index=True).drop(columns=["_dimension", "_tier", "_nth"])
