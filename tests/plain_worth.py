"""What tiers are worth, worked out person by person in plain Python, sharing nothing with the project's own way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from statistics import NormalDist, mean, stdev

Z = NormalDist().inv_cdf(0.975)


def worth(
    tiers: Mapping[str, Mapping[str, str]],
    days: Sequence[Mapping],
    replies: Sequence[Mapping],
    answers: Sequence[Mapping],
    today: date,
    questions: set[str],
) -> dict[tuple[str, str, str, str], tuple]:
    """(value, low, high, n) by dimension, tier, measure and question; None for an undefined number.

    Args:
        tiers: The tier of each person by dimension.
        days: Rows of `user_day`, also later ones.
        questions: What is asked at all.
    """
    did = {name: amounts(tiers, days, column, today) for name, column in
           (("activity", "active"), ("content", "create"), ("net", "net"))}  # fmt: skip
    new = newcomers(days, replies, today)
    found = {}
    for key, people in groups(tiers).items():
        own = [("people", "", len(people) / len(tiers), wilson(len(people), len(tiers)), len(people))]
        own += [row for name, amount in did.items() for row in done(name, amount, people, whole=key[0] == "all")]
        asked = [new[person] for person in people if person in new]
        own += [("replied", "", sum(asked) / len(asked), wilson(sum(asked), len(asked)), len(asked))] if asked else []
        own += [row for question in questions for row in thinks(question, answers, people, today)]
        found |= {(*key, measure, question): (value, *ends, n) for measure, question, value, ends, n in own}
    return found


def groups(tiers: Mapping[str, Mapping[str, str]]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for person, own in tiers.items():
        for pair in [*own.items(), ("all", "all")]:
            found.setdefault(pair, []).append(person)
    return found


def done(name: str, amount: Mapping[str, float], people: Sequence[str], *, whole: bool) -> list[tuple]:
    total, found = sum(amount.values()), []
    if total > 0 and not whole:
        share = sum(amount[person] for person in people) / total
        residuals = [amount[person] * ((person in people) - share) / total for person in amount]
        found.append((name, "", share, logit(share, math.sqrt(sum(r * r for r in residuals))), len(people)))
    if total > 0 and name != "activity":
        values = [max(amount[person], 0) for person in people]
        found.append((f"{name}_gini", "", *gini(values), len(people)))
        found.append((f"{name}_top", "", *top(values), first(len(people))))
    return found


def thinks(question: str, answers: Sequence[Mapping], people: Sequence[str], today: date) -> list[tuple]:
    scores: dict[str, list[float]] = {}
    for row in lately(answers, today):
        if row["question"] == question and row["user_id"] in people:
            scores.setdefault(row["user_id"], []).append(row["score"])
    own = [mean(values) for values in scores.values()]
    response = ("response", question, len(own) / len(people), wilson(len(own), len(people)), len(people))
    return [response, ("score", question, mean(own) if own else None, student(own), len(own))]


def lately(rows: Sequence[Mapping], today: date) -> list[Mapping]:
    return [row for row in rows if 0 <= (today - row["day"]).days < 28]


def amounts(tiers: Mapping, days: Sequence[Mapping], column: str, today: date) -> dict[str, float]:
    own = dict.fromkeys(tiers, 0.0)
    for row in lately(days, today):
        if row["user_id"] in own:
            own[row["user_id"]] += float(row.get(column, 0))
    return own


def newcomers(days: Sequence[Mapping], replies: Sequence[Mapping], today: date) -> dict[str, bool]:
    """Who came in the 28 days up to a week ago and wrote by then, and whether they were answered within 7 days."""
    past = [row for row in days if row["day"] <= today]
    closed = today - timedelta(days=7)
    found = {}
    for person in {row["user_id"] for row in past}:
        own = [row for row in past if row["user_id"] == person]
        active = [row["day"] for row in own if row.get("active", 0)]
        wrote = [row["day"] for row in own if row.get("create", 0) + row.get("comment", 0) > 0 and row["day"] <= closed]
        wrote = [day for day in wrote if day > closed - timedelta(days=28)]
        came = active and 0 <= (closed - min(active)).days < 28
        if came and wrote and (min(active) - min(row["day"] for row in past)).days >= 7:
            waits = [(row["day"] - min(wrote)).days for row in replies if row["to_user"] == person and row["day"] <= today]
            found[person] = any(0 <= wait <= 7 for wait in waits)
    return found


def first(people: int) -> int:
    return -(-people // 100)


def gini(values: Sequence[float]) -> tuple:
    """By its definition: the mean difference of all pairs over twice the mean; Davidson's (2009) error of it."""
    n, total = len(values), sum(values)
    if total <= 0:
        return None, (None, None)
    index = sum(abs(a - b) for a in values for b in values) / (2 * n * total)
    ordered, parts, below = sorted(values), [], 0.0
    for at, value in enumerate(ordered, 1):
        below += value
        parts.append(-(index + 1) * value + (2 * at - 1) / n * value - 2 / n * below)
    middle = mean(parts)
    return index, logit(index, math.sqrt(sum((part - middle) ** 2 for part in parts)) / total)


def top(values: Sequence[float]) -> tuple:
    """What the first 1 % hold; the error by Beach and Davidson (1983)."""
    n, total, k = len(values), sum(values), first(len(values))
    if total <= 0:
        return None, (None, None)
    ordered = sorted(values, reverse=True)
    share, bound, average = sum(ordered[:k]) / total, ordered[k - 1], total / n
    parts = [(max(value - bound, 0) + bound * k / n - share * value) / average for value in values]
    return share, logit(share, math.sqrt(sum(part * part for part in parts)) / n)


def logit(share: float, error: float) -> tuple:
    if not 0 < share < 1 or error < 1e-9:
        return None, None
    middle, half = math.log(share / (1 - share)), Z * error / (share * (1 - share))
    return tuple(1 / (1 + math.exp(-(middle + sign * half))) for sign in (-1, 1))


def wilson(k: int, n: int) -> tuple[float, float]:
    centre, half = (k + Z * Z / 2) / (n + Z * Z), Z / (n + Z * Z) * math.sqrt(k * (n - k) / n + Z * Z / 4)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def student(values: Sequence[float]) -> tuple:
    from scipy.stats import t

    if len(values) < 2:
        return None, None
    half = t.ppf(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return mean(values) - half, mean(values) + half
