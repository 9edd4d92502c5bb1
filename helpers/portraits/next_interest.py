"""Next interest: the topics that each person will be busy with in the next four weeks, and how far that can be believed.

How a forecast is made says `uptake`. Two questions are asked: any topic, and topics that are new to the person. Before it
is believed, the same model is made as of four weeks earlier, and what it named is compared with what people then did; its
setting is chosen on the four weeks before those. Two simple rules are scored on the same people.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import ibis
import pandas as pd

from helpers import contracts, stats
from helpers.portraits import uptake
from helpers.portraits.totals import Totals, of_rows
from helpers.portraits.uptake import NAMED, WINDOW

ANY, NEW = "any topic", "new topics"
MODEL, RECENT, POPULAR = "model", "own last topics", "most popular"
BASELINES = {ANY: (RECENT, POPULAR), NEW: (POPULAR,)}
RULES = {MODEL: "by_model", RECENT: "by_recency", POPULAR: "by_fame"}
SETTING = ["question", "cut", "memory", "own"]
_SHARE = ("float64", "share")

NEXT_INTEREST = contracts.declare(
    "next_interest",
    grain="one row per user, question and topic named to the user",
    key=["user_id", "question", "topic"],
    needs="topics",
    columns={
        "user_id": ("string", "", "pseudonym of the user"),
        "question": ("string", "", f"{ANY}, or {NEW}: those the user was never busy with"),
        "topic": ("string", "", "topic that the user is likely to be busy with in the next 28 days"),
        "rank": ("int64", "", f"1 = likeliest, at most {NAMED}"),
        "score": ("float64", "weight", "the model's score; it ranks, and is no probability"),
        "lately": ("boolean", "", "whether the user was busy with a topic in the last 28 days"),
    },
)
NEXT_INTEREST_SCORE = contracts.declare(
    "next_interest_score",
    grain="one row per question and predictor",
    key=["question", "predictor"],
    needs="topics",
    small=True,
    nullable=("rate", "low", "high", "ahead", "ahead_low", "ahead_high"),
    columns={
        "question": ("string", "", f"{ANY}, or {NEW}: those the user was never busy with"),
        "predictor": ("string", "", f"{MODEL}, or one of the simple rules: {RECENT}, {POPULAR}"),
        "hits": ("int64", "people", f"to whom one of {NAMED} topics was named that they were then busy with"),
        "of": ("int64", "people", "known by some topic before the held-out 28 days and busy in them with a topic in question"),
        "rate": (*_SHARE, "hits of these people"),
        "low": (*_SHARE, "Wilson interval of `rate`"),
        "high": (*_SHARE, "Wilson interval of `rate`"),
        "ahead": (*_SHARE, "rate of the model less that of this predictor, on the same people"),
        "ahead_low": (*_SHARE, "Tango's interval of `ahead`"),
        "ahead_high": (*_SHARE, "Tango's interval of `ahead`"),
        "held_out_from": ("date", "", "first of the 28 days held out; nothing from then on was learned from"),
        "memory_days": ("int64", "days", "half-life of an interest in the model, chosen on the 28 days before those"),
        "own": ("float64", "weight", "how much the own share counts in the model, chosen likewise"),
        "topics": ("int64", "topics", "topics that could be named to everybody: the most popular ones"),
        "left_out": ("int64", "topics", "further topics that somebody was busy with"),
    },
)


class Setting(NamedTuple):
    """What is chosen on data: half-life of the memory in days, and how much the own share counts beside the chances."""

    memory: int
    own: float


class Watched(NamedTuple):
    """What the forecasts of three spans of 28 days are learned from: `uptake.popular` and `uptake.panel`."""

    famous: pd.DataFrame
    panel: ibis.Table


PEOPLE_AT_ONCE = 250_000  # about; of whom forecasts are made in some 2 GB
UNIT, BITS = 1e9, 30  # parts of a score (at most some 2), and bits for the number of its topic, in one whole number
# The first among equals.
SETTINGS = [Setting(memory, own) for memory in (224, 28) for own in (1.0, 0.25, 0.0)]


def watched(user_topic_day: ibis.Table, *, last_day: date) -> Watched:
    """What `next_interest_score` and `next_interest` both learn from, worked out once.

    Args:
        user_topic_day: Contract `user_topic_day`; rows after `last_day` do not count.
    """
    now = uptake.days_since_1970(last_day)
    cuts = [now - 3 * WINDOW, now - 2 * WINDOW, now - WINDOW]
    with uptake.busy(user_topic_day, cuts=cuts).cache() as busy:
        return Watched(uptake.popular(busy), uptake.panel(user_topic_day, busy, memories=_memories()).cache())


def next_interest_score(user_topic_day: ibis.Table, *, last_day: date, seen: Watched | None = None) -> pd.DataFrame:
    """How often three topics named four weeks ago were right (contract `next_interest_score`).

    A hit: at least one of the three topics is among those that the person was busy with in the 28 days up to `last_day`
    (for new topics, among those of them that the person never was busy with before). All rules are scored on the same
    people. Own last topics are those of the latest days, of one day the one with the larger share, and where there are
    fewer than three the most popular ones besides; of new topics they know nothing.

    Args:
        user_topic_day: Contract `user_topic_day`; rows after `last_day` do not count.
        seen: As `watched` gives it for the same, where it is at hand.

    Returns:
        Where the history is too short, the rates are empty and `of` is 0.
    """
    held_out = uptake.days_since_1970(last_day) - WINDOW
    famous, panel = seen or watched(user_topic_day, last_day=last_day)
    famous = famous[famous["cut"] <= held_out]
    taught = uptake.chances(panel.filter(panel.cut < held_out), _memories(), famous)
    tried = _tried(panel.filter(panel.cut == held_out - WINDOW), SETTINGS, taught, famous, [MODEL])
    hits = tried.groupby(["question", "memory", "own"])[RULES[MODEL]].sum().to_dict()
    setting = max(SETTINGS, key=lambda one: [hits.get((question, *one), 0) for question in BASELINES])
    tried = _tried(panel.filter(panel.cut == held_out), [setting], taught, famous, [*RULES]).set_index("question")
    rows = [_row(tried, question, rule) for question, rules in BASELINES.items() for rule in (MODEL, *rules)]
    last = famous[famous["cut"] == held_out]
    return pd.DataFrame(rows).assign(
        held_out_from=last_day - timedelta(days=WINDOW - 1), memory_days=setting.memory, own=setting.own,
        topics=len(last), left_out=int(last["left_out"].max()) if len(last) else 0,
    )  # fmt: skip


def next_interest(
    user_topic_day: ibis.Table, score: pd.DataFrame, *, last_day: date, seen: Watched | None = None, totals: Totals = of_rows
) -> ibis.Table:
    """Three topics for each person who ever had one, for the 28 days after `last_day` (contract `next_interest`).

    For whom does not come at all, it says what they would be busy with if they did.

    Args:
        user_topic_day: Contract `user_topic_day`; rows after `last_day` do not count.
        score: Contract `next_interest_score`, of the same day: it holds the setting that was chosen.
        seen: As `watched` gives it for the same, where it is at hand.
        totals: How the days of a whole history are added up.
    """
    cut, memory, own = uptake.days_since_1970(last_day), int(score["memory_days"].iloc[0]), float(score["own"].iloc[0])
    famous, panel = seen or watched(user_topic_day, last_day=last_day)
    famous = famous[famous["cut"] == cut]
    taught = uptake.chances(panel.filter(panel.cut == cut - WINDOW), [memory], famous)
    topics = _numbered(user_topic_day, "topic").cache()
    numbers = topics.filter(topics.topic.isin([*famous["topic"], ""])).to_pandas().set_index("topic")["number"]
    taught, famous = _renamed(taught, numbers, "source", "topic"), _renamed(famous, numbers, "topic")

    past = uptake.past(user_topic_day, last_day=last_day, memory=memory, totals=totals)
    with uptake.interests(past, [memory]).cache() as every:
        people = _numbered(every, "user_id").cache()
        every = every.join(people, "user_id").join(topics.rename(number_of_topic="number"), "topic")
        every = every.select("cut", "memory", "share", "last", user_id="number", topic="number_of_topic").cache()

    def named(mine: ibis.Table) -> ibis.Table:
        keyed = _keyed(uptake.candidates(mine, taught, famous), own).cache()
        latest = mine.group_by("user_id").agg(lately=mine["last"].max() > cut - WINDOW)
        first = _first(keyed, ANY).union(_first(keyed.filter(keyed.new), NEW)).join(latest, "user_id")
        met = first.join(people.select("number", own_id="user_id"), first.user_id == people.number)
        met = met.join(topics.rename(number_of_topic="number"), met.topic_number == topics.number)
        return met.mutate(user_id=met.own_id).select(*NEXT_INTEREST.columns)

    parts = int(people.count().to_pyarrow().as_py()) // PEOPLE_AT_ONCE + 1
    if parts == 1:
        return named(every)
    return ibis.union(*[named(every.filter(every.user_id % parts == own)).cache() for own in range(parts)])


def _numbered(table: ibis.Table, column: str) -> ibis.Table:
    """The values of a column with a `number` in their order, which is worked with in a fifth of the time."""
    values = table.select(column).distinct()
    return values.mutate(number=ibis.row_number().over(ibis.window(order_by=column)).cast("int64"))


def _renamed(frame: pd.DataFrame, numbers: pd.Series, *columns: str) -> pd.DataFrame:
    """The frame with numbers for topics."""
    return frame.assign(**{name: numbers.reindex(frame[name]).to_numpy(dtype="int64") for name in columns})


def _keyed(candidates: ibis.Table, own: float) -> ibis.Table:
    """Candidates by one whole number that ranks them: the score to nine digits, and among equals the topic that comes first."""
    digits = (uptake.score(candidates, own) * UNIT).round().cast("int64")
    return candidates.select("user_id", "new", key=digits * 2**BITS + (2**BITS - 1 - candidates.topic))


def _first(keyed: ibis.Table, question: str) -> ibis.Table:
    """Of each person the topics that are named; in this form DuckDB sees that it need not sort all of them."""
    name = question.replace(" ", "_")
    text = f'SELECT user_id, key, row_number() OVER (PARTITION BY user_id ORDER BY key DESC) AS "rank" FROM {name}'
    ranked = keyed.alias(name).sql(text, dialect="duckdb")
    first = ranked.filter(ranked["rank"] <= NAMED)
    return first.select(
        "user_id", topic_number=2**BITS - 1 - first.key % 2**BITS, question=ibis.literal(question),
        rank=first["rank"].cast("int64"), score=(first.key >> BITS).cast("float64") / UNIT,
    )  # fmt: skip


def next_topics(next_interest: ibis.Table, *, question: str = NEW, top: int = 12) -> pd.DataFrame:
    """To how many of the people who were busy lately each topic is named first, the most frequent topics first.

    Args:
        next_interest: Contract `next_interest`.

    Returns:
        `topic`, `people`, `of` (people busy lately to whom a topic is named), `share`.
    """
    first = next_interest.filter(next_interest.question == question, next_interest["rank"] == 1, next_interest.lately)
    counted = first.group_by("topic").agg(people=first.count()).to_pandas()
    counted = counted.sort_values(["people", "topic"], ascending=[False, True], ignore_index=True)
    everyone = int(counted["people"].sum())
    return counted.assign(of=everyone, share=counted["people"] / (everyone or stats.UNKNOWN)).head(top)


def _memories() -> list[int]:
    return list(dict.fromkeys(setting.memory for setting in SETTINGS))


def _tried(
    panel: ibis.Table, settings: list[Setting], taught: pd.DataFrame, famous: pd.DataFrame, rules: list[str]
) -> pd.DataFrame:
    """Settings as of the one cut of the panel: `of`, hits of each rule and how many are of it or of the model alone."""
    memories = list(dict.fromkeys(setting.memory for setting in settings))
    candidates = uptake.candidates(uptake.interests(panel, memories), taught, famous)
    hits = _hits(_named(candidates, settings, rules), panel, rules)
    model, columns = hits[RULES[MODEL]], {RULES[rule]: hits[RULES[rule]].sum() for rule in rules}
    for name in (RULES[rule] for rule in rules if rule != MODEL):
        columns[f"{name}_only"] = (hits[name] & ~model).sum()
        columns[f"not_{name}"] = (model & ~hits[name]).sum()
    counted = hits.group_by(SETTING).agg(**columns)
    return counted.left_join(_people(panel), ["question", "cut"]).select(*SETTING, *columns, "of").to_pandas()


def _people(panel: ibis.Table) -> ibis.Table:
    """How many are asked about by question and cut: people known by some topic, for new ones those then busy with one."""
    found = panel.group_by(["cut", "user_id"]).agg(
        known=panel["last"].notnull().sum() > 0, any_new=(panel.later & panel["last"].isnull()).sum() > 0
    )
    known = found.filter(found.known)
    asked = known.mutate(question=ibis.literal(ANY)).union(known.filter(known.any_new).mutate(question=ibis.literal(NEW)))
    return asked.group_by(["question", "cut"]).agg(of=asked.count())


def _asked(candidates: ibis.Table) -> ibis.Table:
    """The candidates of both questions."""
    new = candidates.filter(candidates.new)
    return candidates.mutate(question=ibis.literal(ANY)).union(new.mutate(question=ibis.literal(NEW)))


def _named(candidates: ibis.Table, settings: list[Setting], rules: list[str]) -> ibis.Table:
    """The candidates with whether each rule names them, for each question and setting."""
    asked = ibis.memtable(pd.DataFrame(settings).astype({"memory": "int64", "own": "float64"}))
    found = _asked(candidates).join(asked, "memory")
    found = found.mutate(score=uptake.score(found, found.own))
    orders = {
        MODEL: [ibis.desc("score"), "topic"],
        RECENT: ["new", ibis.desc("last"), ibis.desc("share"), ibis.desc("fame"), "topic"],
        POPULAR: [ibis.desc("fame"), "topic"],
    }
    keys = [*SETTING, "user_id"]
    nth = {RULES[rule]: ibis.row_number().over(ibis.window(group_by=keys, order_by=orders[rule])) for rule in rules}
    return found.select(*keys, "topic", **{name: number < NAMED for name, number in nth.items()})


def _hits(named: ibis.Table, panel: ibis.Table, rules: list[str]) -> ibis.Table:
    """One row per question, setting and person who was busy with a candidate: which rules named one of those topics."""
    then = panel.filter(panel.later).select("cut", "user_id", "topic")
    right = named.join(then, ["cut", "user_id", "topic"])
    hit = {RULES[rule]: right[RULES[rule]].cast("int64").max() == 1 for rule in rules}
    return right.group_by([*SETTING, "user_id"]).agg(**hit)


def _row(tried: pd.DataFrame, question: str, rule: str) -> dict:
    counted = tried.loc[question] if question in tried.index else pd.Series(0, index=tried.columns)
    hits, of, ahead = int(counted[RULES[rule]]), int(counted["of"]), stats.NO_DIFFERENCE_KNOWN
    if rule != MODEL:
        ahead = stats.compare_pairs(int(counted[f"{RULES[rule]}_only"]), int(counted[f"not_{RULES[rule]}"]), of)
    ends = stats.wilson(hits, of)
    return {
        "question": question, "predictor": rule, "hits": hits, "of": of, "rate": hits / (of or stats.UNKNOWN),
        "low": float(ends.low), "high": float(ends.high),
        "ahead": ahead.estimate, "ahead_low": ahead.low, "ahead_high": ahead.high,
    }  # fmt: skip
