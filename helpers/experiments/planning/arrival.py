"""How long a test takes: days until enough users have come, by the curve on which they really come.

On the first day of a test all who are active that day are new to it, later only those who have not come before: the curve
rises ever more slowly. Beyond its end it goes on as in its last whole weeks, weekdays and all.
"""

from __future__ import annotations

import numpy as np

from helpers.errors import InputError
from helpers.experiments.planning import checks

RECENT = 7  # days, a whole week, so that weekdays weigh alike
NEVER = 100_000  # days: who has not come by then will not


def extended(new_by_day, days: int, *, recent: int = RECENT) -> np.ndarray:
    """Users that have come up to each of the days: as counted, then by the days before the end over and over.

    Args:
        new_by_day: People who came for the first time on each day since the first of the test, people who return not counted.
        recent: Days at the end that are repeated; fewer where the curve is short. The first day is never repeated if there
            is another: nobody has been counted before it.
    """
    new, days, recent = _checked(new_by_day), checks.whole(days, "days"), checks.whole(recent, "recent")
    again = new[1:][-recent:] if len(new) > 1 else new
    lacking = max(days - len(new), 0)
    later = np.tile(again, -(-lacking // len(again)))[:lacking]
    return np.concatenate([new, later]).cumsum()[:days]


def days_needed(users: float, new_by_day, *, traffic: float = 1.0, wait: int = 0, recent: int = RECENT) -> int | None:
    """Days from the first on until so many users of all arms have come; None where they never do.

    Args:
        users: Of all arms together.
        new_by_day, recent: As of `extended`.
        traffic: Share of the users that take part, above 0 and at most 1.
        wait: Further days that each user must have had for the metric to be read.
    """
    users, traffic = checks.number(users, "users", above=0), _share(traffic)
    wait = checks.whole(wait, "wait", least=0)
    new = _checked(new_by_day)
    span = len(new)
    while True:
        come = traffic * extended(new, span, recent=recent)
        reached = int(np.searchsorted(come, users * (1 - 1e-12)))
        if reached < span:
            return reached + 1 + wait
        if span >= NEVER:
            return None
        span = min(2 * span + recent, NEVER)


def traffic_needed(users: float, new_by_day, *, days: int, wait: int = 0, recent: int = RECENT) -> float | None:
    """Share of the users that must take part so that so many have come within the days; None where all are not enough."""
    users, days = checks.number(users, "users", above=0), checks.whole(days, "days")
    wait = checks.whole(wait, "wait", least=0)
    if wait >= days:
        raise InputError(f"Each user needs {wait} days, but the test has only {days}.")
    come = extended(new_by_day, days - wait, recent=recent)[-1]
    return float(users / come) if users <= come else None


def _checked(new_by_day) -> np.ndarray:
    new = checks.numbers(new_by_day, "New users by day")
    if new.ndim != 1 or not new.size or (new < 0).any():
        raise InputError("New users by day must be a list of at least one number, none below 0.")
    return new


def _share(traffic: float) -> float:
    traffic = checks.number(traffic, "traffic", above=0)
    if traffic > 1:
        raise InputError(f"traffic is {traffic:g}, must be at most 1.")
    return traffic
