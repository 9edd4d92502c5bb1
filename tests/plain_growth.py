"""Active people and growth accounting counted again with sets in plain Python."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

Visits = Iterable[tuple[str, date]]
DAY = timedelta(days=1)


def begin(day: date, unit: str, week_start: str = "monday") -> date:
    """The first day of the period in which a day lies."""
    if unit == "month":
        return day.replace(day=1)
    if unit == "day":
        return day
    return day - (day.weekday() if week_start == "monday" else day.isoweekday() % 7) * DAY


def after(first: date, unit: str) -> date:
    """The first day of the next period."""
    if unit == "month":
        return (first + 31 * DAY).replace(day=1)
    return first + (DAY if unit == "day" else 7 * DAY)


def growth(visits: Visits, *, since: date, last_day: date, unit: str, week_start: str = "monday") -> list[dict]:
    """Every closed period from that of `since` on."""
    found, at, before, ever = [], begin(since, unit, week_start), set(), set()
    while after(at, unit) <= last_day + DAY:
        now = {user for user, day in visits if at <= day < after(at, unit)}
        flows = {"new": now - ever, "retained": now & before, "resurrected": (now & ever) - before, "churned": before - now}
        ever = ever | now
        counts = {name: len(people) for name, people in {"active": now, **flows, "ever": ever}.items()}
        found.append({unit: at, **counts, "first": not found})
        at, before = after(at, unit), now
    return found


def actives(visits: Visits, day: date) -> dict[str, int]:
    """Distinct people of the 1, 7 and 30 days that end on a day."""
    windows = {"dau": 1, "wau": 7, "mau": 30}
    return {name: len({user for user, at in visits if 0 <= (day - at).days < size}) for name, size in windows.items()}


def times(visits: Visits, *, last_day: date, window: int, unit: str, week_start: str = "monday") -> dict[str, int]:
    """In how many of the last periods each user was active."""
    held, at = [], begin(last_day, unit, week_start)
    for _ in range(window):
        held.append(at)
        at = begin(at - DAY, unit, week_start)
    met = {(user, begin(day, unit, week_start)) for user, day in visits if day <= last_day}
    people = {user for user, _ in met}
    counts = {user: sum((user, period) in met for period in held) for user in people}
    return {user: count for user, count in counts.items() if count}
