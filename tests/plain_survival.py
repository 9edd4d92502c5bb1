"""Rhythms, spells and survival recounted person by person in plain Python."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

Days = dict[str, set[date]]
WEEK = timedelta(days=7)


def quantile(gaps: list[int]) -> int:
    """The shortest length that at least 95 % of the gaps do not exceed."""
    return next(gap for gap in sorted(gaps) if Fraction(sum(other <= gap for other in gaps), len(gaps)) >= Fraction(95, 100))


def rhythms(days: Days, last_day: date, lost: int) -> dict[str, tuple]:
    """First and last active day, number of silences, limit, whether it is pooled, and the ends by both rules, of everybody."""
    seen = {user: sorted(day for day in own if day <= last_day) for user, own in days.items()}
    seen = {user: own for user, own in seen.items() if own}
    silences = {user: [(b - a).days - 1 for a, b in pairwise(own)] for user, own in seen.items()}
    few = [silence for own in silences.values() if len(own) < 20 for silence in own]
    pool = quantile(few) if len(few) >= 20 else lost
    found = {}
    for user, own in seen.items():
        limit = max(quantile(silences[user]) if len(silences[user]) >= 20 else pool, 7)
        ends = [first_loss(own, last_day, longest) for longest in (limit, lost)]
        found[user] = (own[0], own[-1], len(silences[user]), limit, len(silences[user]) < 20, *ends)
    return found


def first_loss(own: list[date], last_day: date, longest: int) -> date | None:
    """The active day that is followed by more silent days than the limit, walking day by day."""
    for day in own:
        later = [other for other in own if other > day]
        silent = ((later[0] - day).days - 1) if later else (last_day - day).days
        if silent > longest:
            return day
    return None


def losses(days: Days, last_day: date, lost: int) -> dict[str, tuple[int, int, int]]:
    """By rule: lost now, lost 56 days ago, and of those active since."""
    before = last_day - timedelta(days=56)
    now, then = rhythms(days, last_day, lost), rhythms(days, before, lost)
    found = {}
    for rule in ("own", "fixed"):

        def gone(known, day, rule=rule):
            return {user for user, own in known.items() if (day - own[1]).days > (own[3] if rule == "own" else lost)}

        called = gone(then, before)
        found[rule] = (len(gone(now, last_day)), len(called), sum(now[user][1] > before for user in called))
    return found


def known_after(days: Days, last_day: date, lost: int) -> dict[str, int]:
    """The days of silence after which nearly all losses are known, by rule."""
    limits = sorted(own[3] for own in rhythms(days, last_day, lost).values())
    enough = next(
        limit for limit in limits if Fraction(sum(other <= limit for other in limits), len(limits)) >= Fraction(95, 100)
    )
    return {"own": enough, "fixed": lost}


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def lives(days: Days, last_day: date, lost: int, signed: dict[str, date]) -> list[tuple[str, str, str | None, int, bool]]:
    """Of each person and rule: why left out if so, the last week of life watched whole, and whether life ended in it."""
    known, after = rhythms(days, last_day, lost), known_after(days, last_day, lost)
    begins = monday(min(own[0] for own in known.values()))
    found = []
    for user, (first, _, _, limit, _, *ends) in known.items():
        why = None
        if first < begins + WEEK:
            why = "first week of the data"
        elif user in signed and signed[user] < begins:
            why = "signed up before the data"
        for rule, end in zip(("own", "fixed"), ends, strict=True):
            silence = max(limit, after["own"]) if rule == "own" else lost
            week, ended = 0, False
            while not ended:
                sunday = monday(first) + (week + 1) * WEEK - timedelta(days=1)
                if (last_day - sunday).days <= silence:  # whoever was active last on that Sunday is not known to be lost
                    break
                week, ended = week + 1, end is not None and end <= sunday
            found.append((user, rule, why, week, ended))
    return found


def spells(days: Days, last_day: date, lost: int, signed: dict[str, date], slices: dict[str, dict[str, str]]) -> dict:
    """(rule, dimension, slice, week) -> (at risk, ended, censored)."""
    if not any(day <= last_day for own in days.values() for day in own):
        return {}
    firsts = {user: own[0] for user, own in rhythms(days, last_day, lost).items()}
    groups: dict[tuple, list[tuple[int, bool]]] = {}
    for user, rule, why, week, ended in lives(days, last_day, lost, signed):
        if why:
            groups.setdefault((rule, "left out", why), []).append((0, False))
            continue
        told = {"all": "all", "cohort": monday(firsts[user]).isoformat()}
        told |= {name: values.get(user, "unknown") for name, values in slices.items()}
        for dimension, value in told.items():
            groups.setdefault((rule, dimension, value), []).append((week, ended))
    found = {}
    for key, own in groups.items():
        for week in range(max(week for week, _ in own) + 1):
            at_risk = sum(last >= week for last, _ in own)
            found[(*key, week)] = (at_risk, own.count((week, True)), own.count((week, False)))
    return found


def kaplan_meier(times: list[int], ended: list[bool]) -> dict[int, Fraction]:
    """The survival after each time, as exact fractions."""
    share, found = Fraction(1), {}
    deaths = Counter(time for time, is_end in zip(times, ended, strict=True) if is_end)
    for time in sorted(set(times)):
        share *= 1 - Fraction(deaths[time], sum(other >= time for other in times))
        found[time] = share
    return found


def restricted_mean(times: list[int], ended: list[bool], until: int) -> tuple[Fraction, Fraction]:
    """The area under the survival up to `until`, and its variance by Greenwood, week by week."""
    survival = kaplan_meier(times, ended)

    def after(week: int) -> Fraction:
        return next((survival[time] for time in sorted(survival, reverse=True) if time <= week), Fraction(1))

    area = {week: after(week) for week in range(until)}  # a step of one week each
    variance = Fraction(0)
    for time in sorted(set(times)):
        if time > until:
            continue
        n = sum(other >= time for other in times)
        d = sum(other == time and is_end for other, is_end in zip(times, ended, strict=True))
        if n > d:
            variance += sum(share for week, share in area.items() if week >= time) ** 2 * Fraction(d, n * (n - d))
    return sum(area.values()), variance
