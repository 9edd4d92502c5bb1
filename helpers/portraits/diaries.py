"""Diaries: which topics each person was busy with on each day, as arrays, for resampling.

A person's diary has one page a local day of the last eight weeks on which there was a topic; what is older is summed up.
People stand in an order that follows from their diaries alone, and so do their random numbers: neither a pseudonym nor
the order of rows nor other people change what is found for one.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple
from zlib import crc32

import ibis
import numpy as np
import pandas as pd

from helpers.portraits.topics import exact_sum

SPAN = 28  # days between the two instants; the diary covers two spans
OLDER = 2 * SPAN  # the age at which everything older is summed up
MOST_PEOPLE = 50_000
DIGESTS = 1_000_003


class Diaries(NamedTuple):
    """One entry a row in the first four (sorted by person, page, topic), one a person in the others.

    Attributes:
        person: Number of the person.
        page: Number of the page in the person's diary, the oldest day first; -1 for what is older than the diary.
        topic: Number of the topic among the person's own, in order of their names.
        weight: Role weights on the topic; for what is older as it weighs at the age of 56 days.
        users: The person's pseudonym.
        pages: How many pages the diary has.
        pages_now: How many of them are of the last 28 days.
        topics: How many topics the person has.
        keys: A number that follows from the diary's content, to draw random numbers from.
        ages: For each person the age of each page in days, in a row as wide as the longest diary.
        names: For each person the number of each own topic among `all_topics`; -1 behind the last one.
        all_topics: The names of all topics, sorted.
    """

    person: np.ndarray
    page: np.ndarray
    topic: np.ndarray
    weight: np.ndarray
    users: np.ndarray
    pages: np.ndarray
    pages_now: np.ndarray
    topics: np.ndarray
    keys: np.ndarray
    ages: np.ndarray
    names: np.ndarray
    all_topics: np.ndarray


def diaries(user_topic_day: ibis.Table, *, last_day: date, half_life_days: float) -> Diaries:
    """The diaries of everybody with a topic in each of the two last spans of 28 days; of some 50,000 people at most.

    Args:
        user_topic_day: Contract `user_topic_day`; rows after `last_day` do not count.
    """
    found = pages(user_topic_day, last_day=last_day, half_life_days=half_life_days)
    return _arranged(found.to_pandas().astype({"age": "int64", "weight": "float64"}))


def pages(user_topic_day: ibis.Table, *, last_day: date, half_life_days: float) -> ibis.Table:
    """The same as rows, on the engine: `user_id`, `topic`, `age` in days (56: what is older, decayed to that) and `weight`."""
    past = user_topic_day.filter(user_topic_day.day <= last_day)
    past = past.mutate(age=ibis.literal(last_day).epoch_days() - past.day.epoch_days())
    people = _steady(past.filter(past.day > last_day - timedelta(days=OLDER))).cache()
    there = people.count().to_pandas()
    if there > MOST_PEOPLE:
        people = people.filter(people.digest < int(DIGESTS * 0.99 * MOST_PEOPLE / there))
    own = past.join(people.select("user_id"), "user_id")
    until = ibis.least(own.age, OLDER)
    decayed = own.weight.cast("float64") * ibis.literal(2.0) ** ((until - own.age).cast("float64") / float(half_life_days))
    by = own.mutate(age=until.cast("int64"), decayed=decayed).group_by(["user_id", "topic", "age"])
    return by.agg(weight=exact_sum(ibis._.decayed))


def _steady(recent: ibis.Table) -> ibis.Table:
    """Who had a topic in both spans, each with a digest of the days and weights in them."""
    weight = (recent.weight.cast("float64") * 10_000).round().cast("int64")  # a wide decimal becomes none in a tenth of the time
    mixed = recent.day.epoch_days().cast("int64") * 7919 + weight * 104_729
    found = recent.group_by("user_id").agg(
        now=(recent.age < SPAN).sum(), before=(recent.age >= SPAN).sum(), digest=(mixed % DIGESTS).sum()
    )
    return found.filter(found.now > 0, found.before > 0).select("user_id", digest=(found.digest * 31 + 17) % DIGESTS)


def _arranged(frame: pd.DataFrame) -> Diaries:
    """The arrays of rows with `user_id`, `topic`, `age` (56 for what is older) and `weight`."""
    frame["person"], users = pd.factorize(frame.pop("user_id"), sort=True)
    frame["topic"], topics = pd.factorize(frame["topic"], sort=True)
    users, all_topics = (names.to_numpy(dtype=object) for names in (users, topics))
    own_topics = _numbered(frame, "topic", "own")
    frame["written"] = np.where(frame["age"] < OLDER, -frame["age"], 0)
    kept = frame[frame["age"] < OLDER].copy()
    pages = _numbered(kept, "written", "page")
    frame["page"] = kept["page"].reindex(frame.index, fill_value=-1)
    names = np.array([crc32(str(name).encode()) for name in all_topics], dtype="uint64")
    keys = _content_keys(frame, names, len(users))
    sizes = [np.bincount(numbers["person"], minlength=len(users)) for numbers in (pages, own_topics)]
    now = np.bincount(pages["person"], weights=pages["written"] > -SPAN, minlength=len(users)).astype("int64")
    order = np.lexsort((keys, sizes[1], sizes[0]))
    place = np.empty(len(users), dtype="int64")
    place[order] = np.arange(len(users))
    frame = frame.assign(person=place[frame["person"]]).sort_values(["person", "page", "own"], ignore_index=True)
    ages = _matrix(place[pages["person"]], pages["page"], -pages["written"], 0)
    names = _matrix(place[own_topics["person"]], own_topics["own"], own_topics["topic"], -1)
    columns = [frame[name].to_numpy() for name in ("person", "page", "own", "weight")]
    people = [column[order] for column in (users, sizes[0], now, sizes[1], keys)]
    return Diaries(*columns, *people, ages, names, all_topics)


def _numbered(frame: pd.DataFrame, what: str, as_: str) -> pd.DataFrame:
    """Number each person's different values of a column from 0 in their order, in a new column.

    Returns:
        One row a person and value.
    """
    found = frame[["person", what]].drop_duplicates().sort_values(["person", what], ignore_index=True)
    found[as_] = found.groupby("person").cumcount()
    frame[as_] = frame[["person", what]].merge(found, on=["person", what], how="left")[as_].to_numpy()
    return found


def _matrix(rows, columns, values, empty: int) -> np.ndarray:
    rows, columns, values = (np.asarray(given) for given in (rows, columns, values))
    found = np.full((rows.max(initial=-1) + 1, columns.max(initial=0) + 1), empty, dtype="int64")
    found[rows, columns] = values
    return found


def _content_keys(frame: pd.DataFrame, names: np.ndarray, people: int) -> np.ndarray:
    """One number a person from the ages, topics and weights of all rows, whatever their order."""
    mixed = scrambled(names[frame["topic"]])
    for part in (frame["age"], np.rint(frame["weight"] * 1e6)):
        mixed = scrambled(mixed + part.to_numpy().astype("uint64"))
    keys = np.zeros(people, dtype="uint64")
    np.add.at(keys, frame["person"].to_numpy(), mixed)
    return scrambled(keys)


def scrambled(numbers: np.ndarray) -> np.ndarray:
    """Each number's image under SplitMix64 (Steele, Lea and Flood 2014): neighbours become as if drawn at random."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
