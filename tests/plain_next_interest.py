"""The next interest worked out user by user in plain Python, sharing nothing with the project's own way but its constants."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

MONTH = timedelta(days=28)
SETTINGS = [(memory, own) for memory in (224, 28) for own in (1.0, 0.25, 0.0)]
LIMITS = {"MOST_TOPICS": 300, "MOST_NEXT": 10}
PRIOR, TRACE, LEAST = 5.0, 0.001, 0.05


def busy(rows: Sequence[Mapping], after: date) -> dict[str, set[str]]:
    """The topics of each user in the 28 days after a day."""
    found = defaultdict(set)
    for row in rows:
        if after < row["day"] <= after + MONTH:
            found[row["user_id"]].add(row["topic"])
    return found


def shares(rows: Sequence[Mapping], cut: date, memory: int) -> dict[str, dict[str, float]]:
    """The share of each user's topics by the end of a day."""
    weights: dict = defaultdict(lambda: defaultdict(float))
    for row in rows:
        if row["day"] <= cut:
            weights[row["user_id"]][row["topic"]] += float(row["weight"]) * 0.5 ** ((cut - row["day"]).days / memory)
    return {user: {name: own[name] / sum(own.values()) for name in own} for user, own in weights.items()}


def fame(rows: Sequence[Mapping], cut: date, limits: Mapping) -> tuple[dict[str, float], int]:
    """The share of the busy people of the last 28 days for each topic that can be named, and how many others there are."""
    then = busy(rows, cut - MONTH)
    people = defaultdict(int)
    for topics in then.values():
        for name in topics:
            people[name] += 1
    first = sorted(people, key=lambda name: (-people[name], name))[: limits["MOST_TOPICS"]]
    return {name: people[name] / len(then) for name in first}, len(people) - len(first)


def chances(rows: Sequence[Mapping], cut: date, memory: int, limits: Mapping) -> dict[str, dict[str, float]]:
    """From each topic to its likeliest next ones, as the 28 days before the cut teach."""
    then, before, known = busy(rows, cut - MONTH), shares(rows, cut - MONTH, memory), fame(rows, cut, limits)[0]
    found = {}
    for source in known:
        held = {user: before.get(user, {}).get(source, 0.0) for user in then}
        chance = {
            name: (sum(held[user] for user in then if name in then[user]) + PRIOR * known[name]) / (sum(held.values()) + PRIOR)
            for name in known
        }
        first = sorted(known, key=lambda name: (-round(chance[name], 12), name))[: limits["MOST_NEXT"]]
        found[source] = {name: chance[name] for name in first}
    return found


def ranked(rows: Sequence[Mapping], cut: date, setting: tuple[int, float], limits: Mapping) -> dict[str, dict[str, list[str]]]:
    """For each user and rule all topics that can be named, the first one first; `new` says who never had which."""
    memory, weight = setting
    led, (known, _) = chances(rows, cut, memory, limits), fame(rows, cut, limits)
    last = {}
    for row in rows:
        if row["day"] <= cut:
            key = row["user_id"], row["topic"]
            last[key] = max(last.get(key, row["day"]), row["day"])
    found = {}
    for user, own in shares(rows, cut, memory).items():
        score = {name: weight * own.get(name, 0.0) + TRACE * known.get(name, 0.0) for name in {*own, *known}}
        for source, share in own.items():
            for name, chance in led.get(source, {}).items() if share >= LEAST else ():
                score[name] += share * chance
        famous = sorted(score, key=lambda name: (-known.get(name, 0.0), name))
        days = {name: last[user, name].toordinal() for name in own}
        recent = sorted(own, key=lambda name: (-days[name], -own[name], -known.get(name, 0.0), name))
        found[user] = {
            "model": sorted(score, key=lambda name: (-round(score[name], 9), name)),
            "own last topics": recent + [name for name in famous if name not in own],
            "most popular": famous,
            "scores": score,
            "own": set(own),
        }
    return found


def hits(rows: Sequence[Mapping], cut: date, setting: tuple[int, float], limits: Mapping) -> dict[str, dict[str, dict]]:
    """For each question and rule, whether it hit by user."""
    then, found = busy(rows, cut), {"any topic": defaultdict(dict), "new topics": defaultdict(dict)}
    for user, own in ranked(rows, cut, setting, limits).items():
        for rule in ("model", "own last topics", "most popular"):
            new = [name for name in own[rule] if name not in own["own"]]
            if then.get(user):
                found["any topic"][rule][user] = bool(set(own[rule][:3]) & then[user])
            if then.get(user, set()) - own["own"]:
                found["new topics"][rule][user] = bool(set(new[:3]) & then[user])
    return found


def best(rows: Sequence[Mapping], today: date, limits: Mapping) -> tuple[int, float]:
    """The setting with most hits four weeks earlier."""
    tried = {one: hits(rows, today - 2 * MONTH, one, limits) for one in SETTINGS}
    return max(
        SETTINGS, key=lambda one: [sum(tried[one][question]["model"].values()) for question in ("any topic", "new topics")]
    )
