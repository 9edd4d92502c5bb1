"""Drift worked out person by person in plain Python, every order of a diary tried, sharing nothing with the project's own way."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import permutations

SPAN = 28


def diaries(rows: Sequence[Mapping], today: date) -> dict[str, dict[int, Counter]]:
    """By person and age in days, the weights by topic; of who had a topic in both of the last spans."""
    found: dict[str, dict[int, Counter]] = defaultdict(lambda: defaultdict(Counter))
    for row in rows:
        if row["day"] <= today:
            found[row["user_id"]][(today - row["day"]).days][row["topic"]] += float(row["weight"])
    spans = {user: Counter(age // SPAN for age in diary) for user, diary in found.items()}
    return {user: found[user] for user in found if spans[user][0] and spans[user][1]}


def interest(diary: Mapping[int, Counter], half_life: float, ago: int) -> dict[str, float]:
    """Share of each topic, so many days ago."""
    sums: Counter = Counter()
    for age, page in diary.items():
        if age >= ago:
            for topic, weight in page.items():
                sums[topic] += weight * 0.5 ** ((age - ago) / half_life)
    whole = math.fsum(sums.values())
    return {topic: weight / whole for topic, weight in sums.items()}


def distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Jensen-Shannon, from the definition by Kullback and Leibler."""
    total = 0.0
    for shares in (one, other):
        for topic, share in shares.items():
            middle = (one.get(topic, 0.0) + other.get(topic, 0.0)) / 2
            total += share * math.log2(share / middle) / 2 if share else 0.0
    return math.sqrt(max(total, 0.0))


def moved(diary: Mapping[int, Counter], half_life: float) -> tuple[dict[str, float], dict[str, float], float]:
    """The interest now, four weeks before, and the distance of the two."""
    now, before = interest(diary, half_life, 0), interest(diary, half_life, SPAN)
    return now, before, distance(now, before)


def orders(diary: Mapping[int, Counter]) -> Iterator[dict[int, Counter]]:
    """The diary with the pages of the last two spans in every order."""
    ages = [age for age in diary if age < 2 * SPAN]
    older = {age: page for age, page in diary.items() if age >= 2 * SPAN}
    for order in permutations(ages):
        yield older | {age: diary[other] for age, other in zip(ages, order, strict=True)}


def fan_of(shares: Mapping[str, float]) -> str:
    """The strongest topic, the first by name among equals."""
    return min(shares, key=lambda topic: (-round(shares[topic], 9), topic))
