"""Cohort tables once more, by their definitions with sets in plain Python: what the cube is checked against."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Event(NamedTuple):
    """One event: who, when (an instant), with which roles, and what it brought."""

    user: str
    ts: datetime
    roles: tuple[str, ...] = ("active",)
    amount: Decimal = Decimal(0)


class Cell(NamedTuple):
    """A cell of a cohort table: people of the cohort, of them those who came back, those who paid, and the net amount."""

    size: int
    active: int
    payers: int
    net: Decimal


def begins(day: date, unit: str, week_start: str) -> date:
    """The first day of the period in which a day lies."""
    if unit == "month":
        return day.replace(day=1)
    if unit == "day":
        return day
    return day - timedelta(days=(day.weekday() + (week_start == "sunday")) % 7)


def following(begun: date, unit: str, ages: int = 1) -> date:
    """The first day of the period so many later."""
    if unit == "month":
        months = begun.year * 12 + begun.month - 1 + ages
        return date(months // 12, months % 12 + 1, 1)
    return begun + timedelta(days=ages * (7 if unit == "week" else 1))


class Log:
    """The events of everybody up to the end of a local day, by person and period."""

    def __init__(self, events: Iterable[Event], rule, zone: ZoneInfo, last_day: date) -> None:
        self.rule, self.last_day = rule, last_day
        self.days: dict[tuple[str, date], list[Event]] = {}
        for event in events:
            day = event.ts.astimezone(zone).date()
            if day <= last_day:
                self.days.setdefault((event.user, begins(day, rule.unit, rule.week_start)), []).append(event)

    def having(self, role: str, times: int = 1) -> set[tuple[str, date]]:
        """Who in which period has so many events of a role."""
        return {key for key, own in self.days.items() if sum(role in event.roles for event in own) >= times}

    def cohorts(self) -> dict[date, set[str]]:
        """The members of each cohort."""
        started = sorted(self.having(self.rule.start), key=lambda pair: pair[1])
        found: dict[date, set[str]] = {}
        seen: set[str] = set()
        for user, begun in started:
            if not self.rule.first_time or user not in seen:
                found.setdefault(begun, set()).add(user)
            seen.add(user)
        return found

    def cell(self, begun: date, members: set[str], first: int, last: int | None) -> Cell:
        """Of some members of a cohort: who came back between two ages; without a last one, up to the end of the data."""
        came = self.having(self.rule.returns, self.rule.times)
        ages = range(first, (last if last is not None else 400) + 1)
        spans = [following(begun, self.rule.unit, age) for age in ages]
        own = [event for at in spans[:1] for user in members for event in self.days.get((user, at), [])]
        return Cell(
            len(members),
            sum(any((user, at) in came for at in spans) for user in members),
            len({event.user for event in own if "pay" in event.roles}),
            sum((event.amount for event in own), Decimal(0)),
        )

    def closes(self, begun: date, age: int) -> date:
        """The day with the beginning of which the period of an age is over."""
        return following(begun, self.rule.unit, age + 1)

    def is_open(self, begun: date, age: int) -> bool:
        return self.closes(begun, age) > self.last_day + timedelta(days=1)


def entry_tiers(log: Log, begun: date, user: str, zone: ZoneInfo, limits: dict[str, int]) -> tuple[str, str]:
    """Activity and contribution of a member in the week of the start."""
    own = log.days[user, begun]
    days = len({event.ts.astimezone(zone).date() for event in own if "active" in event.roles})
    acts = {"creator": "create", "commenter": "comment", "sharer": "share", "reactor": "react", "reader": "active"}
    done = [tier for tier, role in acts.items() if any(role in event.roles for event in own)]
    activity = "high" if days >= limits["high"] else "medium" if days >= limits["medium"] else "low"
    return activity, done[0] if done else "none"
