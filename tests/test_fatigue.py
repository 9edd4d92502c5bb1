"""Fatigue: the test of a fall against plain Python, and in communities in which nobody tires or some do."""

from __future__ import annotations

import math
import random
from collections import Counter

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers import contracts
from helpers.portraits import evidence
from helpers.retention.leaving.fatigue import CLEAR, falls, fatigue
from helpers.runs import checks

LAST = made.day(139)
VISITS = st.sets(st.tuples(st.sampled_from("abcd"), st.integers(0, 145)), max_size=60)


def members(visits) -> dict[str, dict]:
    days = [{"user_id": user, "day": made.day(at), "active": 1} for user, at in visits]
    return made.records(fatigue(made.first_seen(days), made.table("user_day", days), last_day=LAST))


def spread(counts: dict[str, list[int]], own: list[int], length: int, like: int) -> float:
    """How much the counts of spans of so many days vary, over what independent days would give; own and everybody's."""

    def chi(values: list[int]) -> tuple[float, int]:
        mean = sum(values) / len(values)
        expected = mean * (1 - mean / length)
        return (sum((one - mean) ** 2 for one in values) / expected, len(values) - 1) if expected > 0 else (0.0, 0)

    all_of_them = [chi(values) for values in counts.values()]
    everybody = max(sum(one for one, _ in all_of_them) / max(sum(degrees for _, degrees in all_of_them), 1), 1.0)
    mine, degrees = chi(own)
    return max((mine + like * everybody) / (degrees + like), 1.0)


def plain(visits) -> dict[str, dict]:
    """The test in plain Python, member by member."""
    ages = {user: sorted(139 - at for who, at in visits if who == user and at <= 139) for user, _ in visits}
    found, weeks, spans = {}, {}, {}
    for user, own in ages.items():
        if not own or own[0] >= 28:
            continue
        number = min(max(own) // 28 - 1, 3) if max(own) >= 28 else 0
        past = [age for age in own if 28 <= age < 28 * (number + 1)]
        found[user] = {"days": sum(age < 28 for age in own), "spans": number, "usual": len(past) / number if number else None}
        if number >= 2:
            by_week, by_span = Counter(age // 7 for age in past), Counter(age // 28 for age in past)
            weeks[user] = [by_week[at] for at in range(4, 4 * (number + 1))]
            spans[user] = [by_span[at] for at in range(1, number + 1)]
    judged = {}
    for user in weeks:
        own = found[user]
        total, length = own["days"] + sum(spans[user]), 28 * (own["spans"] + 1)
        if stats.hypergeom.cdf(0, length, total, 28) > CLEAR:
            continue
        part = 28 / length
        wide = max(spread(weeks, weeks[user], 7, 12), spread(spans, spans[user], 28, 4))
        variance = total * part * (1 - part) * (length - total) / (length - 1) * wide
        t = (own["days"] - total * part) / math.sqrt(variance) if variance > 0 else 0.0
        exact = stats.hypergeom.cdf(own["days"], length, total, 28)
        judged[user] = max(exact, stats.t.cdf(t, len(weeks[user]) - 1 + 12))
    q = dict(zip(judged, evidence.discoveries(list(judged.values())), strict=True))
    return {user: own | {"p": judged.get(user), "q": q.get(user)} for user, own in found.items()}


@given(VISITS, st.sampled_from([(), range(0, 112, 2), range(20, 125, 1), range(10, 139, 5)]))
@settings(made.AS_FOUND, max_examples=6)
def test_every_number_is_that_of_plain_python(visits, regular):
    visits = visits | {("regular", at) for at in regular} | {("steady", at) for at in range(1, 140, 3)}
    found, expected = members(visits), plain(visits)
    assert set(found) == set(expected)
    for user, own in expected.items():
        for name, value in own.items():
            assert found[user][name] == (None if value is None else pytest.approx(value, abs=1e-9)), (user, name)
        assert found[user]["tired"] == (own["q"] is not None and own["q"] <= CLEAR)


def community(kind: str, rng: np.random.Generator, people: int = 500) -> np.ndarray:
    """Active days of members by week, 16 weeks, in which nobody's habit changes."""
    rate = rng.beta(1.2, 2.0, people)[:, None] * 0.9 + 0.03
    if kind == "bursts":
        awake = rng.random((people, 16)) < 0.5
        return np.where(awake, rng.binomial(7, np.minimum(rate * 1.5, 0.95), (people, 16)), 0)
    if kind == "moods":
        return rng.binomial(7, rng.beta(rate * 4, (1 - rate) * 4, (people, 16)))
    if kind == "spells":
        awake = np.empty((people, 16), bool)
        awake[:, 0] = rng.random(people) < 0.6
        for week in range(1, 16):
            fresh = rng.random(people) < 0.25
            awake[:, week] = np.where(fresh, rng.random(people) < 0.6, awake[:, week - 1])
        return np.where(awake, rng.binomial(7, np.minimum(rate * 1.3, 0.95), (people, 16)), 0)
    return rng.binomial(7, rate, (people, 16))


def called(weeks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Who is called tired of members still active, and who by Fisher's test alone."""
    days, before, past = weeks[:, 12:].sum(axis=1), weeks[:, :12].sum(axis=1), weeks[:, :12]
    one, threes = np.ones(len(weeks), int), np.full(len(weeks), 3)
    squares = (past**2).sum(axis=1), (past.reshape(-1, 3, 4).sum(axis=2) ** 2).sum(axis=1)
    p, least = falls(threes, days, before, *squares, people=one)
    fisher = stats.hypergeom.cdf(days, 112, days + before, 28)
    judged = (days > 0) & (least <= CLEAR)
    found = []
    for values in (p, fisher):
        q = np.ones(len(weeks))
        q[judged] = evidence.discoveries(values[judged])
        found.append(q <= CLEAR)
    return found[0], found[1]


@pytest.mark.parametrize("kind", ["days", "bursts", "moods", "spells"])
def test_where_nobody_tires_hardly_ever_anybody_is_called_tired(kind):
    """With a fall nowhere every call is wrong: at most 5 % of communities may have one, and two standard errors more."""
    rng, of = np.random.default_rng(11), 60
    alarms = np.array([[found.any() for found in called(community(kind, rng))] for _ in range(of)])
    assert alarms[:, 0].mean() <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / of)
    if kind in ("bursts", "spells"):
        assert alarms[:, 1].mean() > 0.9, "days taken one by one would raise an alarm nearly always"


def test_those_who_tire_are_found_and_hardly_anybody_else():
    rng, right, wrong = np.random.default_rng(12), [], []
    for _ in range(20):
        weeks = community("days", rng)
        tired = np.arange(len(weeks)) < 75
        weeks[tired, 12:] = rng.binomial(weeks[tired, 12:], 0.2)
        often = weeks[:, :12].sum(axis=1) >= 36
        found, _ = called(weeks)
        right.append(found[tired & often & (weeks[:, 12:].sum(axis=1) > 0)].mean())
        wrong.append((found & ~tired).sum() / max(found.sum(), 1))
    assert np.mean(right) > 0.6 and np.mean(wrong) <= 0.05


def test_a_member_who_falls_is_called_and_one_without_a_past_is_not_judged():
    steady = {(f"s{number}", at) for number in range(8) for at in range(number, 140, 2)}
    falling = {("falling", at) for at in range(0, 112, 2)} | {("falling", 120)}
    young = {("young", at) for at in range(75, 112)} | {("young", 130)}
    gone = {("gone", at) for at in range(0, 110, 2)}
    found = members(steady | falling | young | gone)
    assert [user for user, own in found.items() if own["tired"]] == ["falling"]
    assert found["falling"]["usual"] == 14 and found["falling"]["days"] == 1
    assert found["young"]["p"] is None and "gone" not in found


def test_order_pseudonyms_and_later_days_change_nothing():
    rng = random.Random(3)
    visits = {(f"u{user}", at) for user in range(30) for at in range(140) if rng.random() < user / 40}
    other = {f"u{user}": f"x{name}" for user, name in enumerate(rng.sample(range(900), 30))}
    changed = [(other[user], at) for user, at in visits] + [(other["u1"], at) for at in range(140, 146)]
    rng.shuffle(changed)
    first, second = members(visits), members(changed)
    names = {name: user for user, name in other.items()}
    assert {names[user]: own | {"user_id": names[user]} for user, own in second.items()} == first


def test_the_contract_is_kept_and_an_empty_log_has_no_member():
    days = [{"user_id": "a", "day": made.day(at), "active": 1} for at in (1, 100, 139)]
    contract = contracts.find("fatigue")
    for rows in (days, []):
        found = fatigue(made.first_seen(rows), made.table("user_day", rows), last_day=LAST)
        checks.check_rows(contract, checks.conform(contract, found))
        assert found.count().to_pandas() == bool(rows)
