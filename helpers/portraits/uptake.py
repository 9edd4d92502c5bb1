"""Uptake: what those with an interest in one topic are busy with in the four weeks after it, and who is ranked by it.

An interest here is a share: the role weights of a person's days, each halved after so many days (the memory), of the sum
over the person's topics. A topic's rarity does not count, since it says what sets people apart and not what they do next.

    chance(source, topic) = (sum of the shares that `source` had with the people busy with `topic` in the four weeks
                             + PRIOR x the share of all busy people who were) / (the same sum over all busy people + PRIOR)
    score(topic)          = sum over a person's own topics of share x chance(own topic, topic)
                             + own x the person's share of the topic + TRACE x the share of all busy people

The last part decides where nothing else does. A person is busy with a topic on a day on which it has a weight. All of it is
worked out as of the end of several days at once: a cut is such a day, as the number of days since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import ibis
import numpy as np
import pandas as pd

from helpers.portraits.topics import EPOCH, decayed, exact_sum
from helpers.portraits.totals import Totals, of_rows

WINDOW = 28
NAMED = 3  # topics that are named to each person
MOST_TOPICS = 300
LEAST_SHARE = 0.05  # of the interest; what a smaller one leads to is left out
MOST_NEXT = 10  # topics that an own topic can lead to: its likeliest
PRIOR = 5.0
TRACE = 0.001
MOST_PEOPLE = 20_000  # learned from and tested on
DIGESTS = 1_000_003
BY_PERSON = ["cut", "memory", "user_id"]
BY_SOURCE = ["cut", "memory", "source"]


def days_since_1970(day: date) -> int:
    """The cut at the end of a day."""
    return (day - EPOCH).days


def busy(user_topic_day: ibis.Table, *, cuts: list[int]) -> ibis.Table:
    """Who was busy with what in the 28 days after each cut.

    Returns:
        One row per `cut`, `user_id` and `topic`: `digest`, a number that follows from when and how much.
    """
    ahead = _within(user_topic_day, cuts)
    weight = (ahead.weight.cast("float64") * 10_000).round().cast("int64")  # a wide decimal becomes none in a tenth of the time
    mixed = ahead.number * 7919 + weight * 104_729
    return ahead.group_by(["cut", "user_id", "topic"]).agg(digest=(mixed % DIGESTS).sum())


def popular(busy: ibis.Table) -> pd.DataFrame:
    """The topics that can be named: those with most people busy in the 28 days before a cut, by name among equals.

    Args:
        busy: As the function of that name gives it; its cuts are 28 days before those of the topics.

    Returns:
        `cut`, `topic`, `place` (1 = most people), `fame` (share of all busy people, 0 to 1) and `left_out` (how many more
        topics somebody was busy with).
    """
    recent = busy.mutate(cut=busy.cut + WINDOW)
    whole = recent.group_by("cut").agg(busy=recent.user_id.nunique(), topics=recent.topic.nunique())
    counted = recent.group_by(["cut", "topic"]).agg(people=recent.count())
    order = ibis.window(group_by="cut", order_by=[ibis.desc("people"), "topic"])
    ranked = counted.mutate(place=(ibis.row_number().over(order) + 1).cast("int64"))
    found = ranked.filter(ranked.place <= MOST_TOPICS).join(whole, "cut").to_pandas()
    found = found.sort_values(["cut", "topic"], ignore_index=True).astype({"topic": "str", "cut": "int64"})
    left_out = (found["topics"] - MOST_TOPICS).clip(lower=0).astype("int64")
    return found[["cut", "topic", "place"]].assign(fame=found["people"] / found["busy"], left_out=left_out)


def _within(user_topic_day: ibis.Table, cuts: list[int]) -> ibis.Table:
    """The rows of the 28 days after each cut, with the `cut`."""
    rows = user_topic_day.mutate(number=user_topic_day.day.epoch_days().cast("int64"))
    parts = [
        rows.filter(rows.number > cut, rows.number <= cut + WINDOW).mutate(cut=ibis.literal(cut, "int64")) for cut in cuts
    ]
    return _together(parts)


def _together(parts: list[ibis.Table]) -> ibis.Table:
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def panel(user_topic_day: ibis.Table, busy: ibis.Table, *, memories: Iterable[int]) -> ibis.Table:
    """What people were busy with before each cut, and in the 28 days after it.

    The people are those who were busy with something in the 28 days, some 20,000 of them at most, chosen by a digest of what
    they did.

    Args:
        busy: As the function of that name gives it of the same days.

    Returns:
        One row per cut, person and topic: `last` (number of the day of the last weight before the cut, empty if there was
        none), `later` (whether busy with it in the 28 days), and for each memory `weight_<days>`.
    """
    people = busy.group_by(["cut", "user_id"]).agg(digest=busy.digest.sum())
    there = people.group_by("cut").agg(there=people.count())
    people = people.join(there, "cut")
    people = people.filter(is_taken(people.digest, people.there, MOST_PEOPLE))
    rows = user_topic_day.mutate(number=user_topic_day.day.epoch_days().cast("int64"))
    rows = rows.join(people.select("cut", "user_id"), "user_id")
    return _weighed(rows.filter(rows.number <= rows.cut + WINDOW), memories)


def is_taken(digest: ibis.Value, there: ibis.Value | int, most: int) -> ibis.Value:
    """Whether somebody is among some `most` people of those who are there, by a digest (0 to DIGESTS - 1) of what they did.

    It is no lot, so that nothing depends on names or on the order of rows.
    """
    return ((digest * 31 + 17) % DIGESTS) * there < DIGESTS * most


def past(user_topic_day: ibis.Table, *, last_day: date, memory: int, totals: Totals = of_rows) -> ibis.Table:
    """The same of everybody without looking ahead: nothing after the last day, which is the cut, is read."""
    by = ["user_id", "topic"]
    found = decayed(user_topic_day, by=by, last_day=last_day, half_life_days=memory, totals=totals)
    cut = ibis.literal(days_since_1970(last_day), "int64")
    return found.select(*by, cut=cut, last=found["last"].epoch_days().cast("int64"), **{f"weight_{memory}": found.weight})


def _weighed(rows: ibis.Table, memories: Iterable[int]) -> ibis.Table:
    before, weight = rows.number <= rows.cut, rows.weight.cast("float64")
    age = (rows.cut - rows.number).cast("float64")  # Spark divides whole numbers to six digits only
    decayed = {
        f"weight_{days}": ibis.ifelse(before, weight * ibis.literal(2.0) ** (-age / float(days)), 0.0) for days in memories
    }
    marked = rows.mutate(before=before, **decayed)
    return marked.group_by(["cut", "user_id", "topic"]).agg(
        last=marked.number.max(where=marked.before), later=(~marked.before).sum() > 0,
        **{name: exact_sum(marked[name]) for name in decayed},
    )  # fmt: skip


def interests(panel: ibis.Table, memories: Iterable[int]) -> ibis.Table:
    """One row per cut, memory, person and own topic: `share` of the whole interest (0 where all has faded), and `last`."""
    own = panel.filter(panel["last"].notnull())
    parts = [
        own.select("cut", "user_id", "topic", "last", memory=ibis.literal(days, "int64"), weight=own[f"weight_{days}"])
        for days in memories
    ]
    rows = _together(parts)
    whole = rows.weight.cast("decimal(38, 12)").sum().over(ibis.window(group_by=BY_PERSON)).cast("float64")
    share = (rows.weight / whole.nullif(0)).fill_null(0.0)
    return rows.select(*BY_PERSON, "topic", "last", share=share)


def chances(panel: ibis.Table, memories: Iterable[int], popular: pd.DataFrame) -> pd.DataFrame:
    """The `chance` that people go from an interest in `source` to being busy with `topic`, for each cut and memory.

    Args:
        panel: Its cuts are 28 days before those of the chances, so that nothing after a cut is learned from.
        popular: Only these topics are sources, and only these can be named.
    """
    own = interests(panel, memories).rename(source="topic")
    then = panel.filter(panel.later).select("cut", "user_id", named="topic")
    met = own.join(then, ["cut", "user_id"])
    sums = met.group_by([*BY_SOURCE, "named"]).agg(sum=exact_sum(met.share)).to_pandas()
    whole = own.group_by(BY_SOURCE).agg(sum=exact_sum(own.share)).to_pandas().set_index(BY_SOURCE)["sum"]
    parts = []
    for cut, topics in popular.groupby("cut", sort=True):
        sources = pd.MultiIndex.from_product([[cut - WINDOW], list(memories), topics["topic"]], names=BY_SOURCE)
        matrix = np.zeros((len(sources), len(topics)))
        row = sources.get_indexer(pd.MultiIndex.from_frame(sums[BY_SOURCE]))
        column = pd.Index(topics["topic"]).get_indexer(sums["named"])
        known = (row >= 0) & (column >= 0)
        matrix[row[known], column[known]] = sums["sum"].to_numpy()[known]
        totals = whole.reindex(sources, fill_value=0.0).to_numpy()
        chance = (matrix + PRIOR * topics["fame"].to_numpy()) / (totals + PRIOR)[:, None]
        parts.append(_likeliest(chance, sources, topics["topic"].to_numpy(dtype=object)).assign(cut=cut))
    empty = {"cut": "int64", "memory": "int64", "source": "str", "topic": "str", "chance": "float64"}
    return pd.concat(parts, ignore_index=True)[list(empty)] if parts else pd.DataFrame(columns=list(empty)).astype(empty)


def _likeliest(chance: np.ndarray, sources: pd.MultiIndex, topics: np.ndarray) -> pd.DataFrame:
    """The topics that each source is likeliest to lead to, the first names among equals."""
    first = np.argsort(-chance, axis=1, kind="stable")[:, :MOST_NEXT]
    rows = np.repeat(np.arange(len(sources)), first.shape[1])
    frame = sources.to_frame(index=False).iloc[rows].reset_index(drop=True)
    return frame.assign(topic=pd.Series(topics[first.ravel()], dtype="str"), chance=chance[rows, first.ravel()])


def candidates(own: ibis.Table, chances: pd.DataFrame, popular: pd.DataFrame) -> ibis.Table:
    """The topics that can be named to each person: own ones, those that they lead to, and enough of the popular ones.

    Args:
        own: As `interests` gives it.

    Returns:
        One row per cut, memory, person and topic: `led` (sum of share x chance), `share`, `fame`, `new` (whether the person
        never was busy with it) and `last`, the number of the day of the last weight.
    """
    taught, famous = ibis.memtable(chances), ibis.memtable(popular)
    felt = own.filter(own.share >= LEAST_SHARE)
    led = felt.join(taught, [felt.cut == taught.cut, felt.memory == taught.memory, felt.topic == taught.source])
    led = led.select(*BY_PERSON, topic=led.topic_right, led=led.share * led.chance)
    number = own.group_by(BY_PERSON).agg(topics=own.count())
    # So many that three of them are new, whatever the person knows.
    others = number.join(famous, [number.cut == famous.cut, famous.place <= number.topics + NAMED])
    rows = ibis.union(_row(led, led=led.led), _row(own, share=own.share, last=own["last"]), _row(others))
    found = rows.group_by([*BY_PERSON, "topic"]).agg(
        led=exact_sum(rows.led), share=rows.share.max(), last=rows["last"].max(), new=rows["last"].count() == 0
    )
    known = found.left_join(famous, ["cut", "topic"])
    return known.select(*found.columns, fame=known.fame.fill_null(0.0))


def _row(table: ibis.Table, **known: ibis.Value) -> ibis.Table:
    empty = {"led": ibis.literal(0.0), "share": ibis.literal(0.0), "last": ibis.null("int64")}
    return table.select(*BY_PERSON, "topic", **(empty | known))


def score(candidates: ibis.Table, own: float | ibis.Value) -> ibis.Value:
    """The model's score, to nine digits, so that the rounding of sums decides nothing."""
    return (candidates.led + own * candidates.share + TRACE * candidates.fame).round(9)
