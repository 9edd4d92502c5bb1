"""How many more people a decision needs, how long they take to come, and what an effect comes to in a week."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import pandas as pd

from helpers import contracts
from helpers.errors import InputError
from helpers.experiments.counted.cube import DAY, Cube
from helpers.experiments.methods.estimates import ENDLESS, UNKNOWN
from helpers.experiments.plan import EXPERIMENT, frame
from helpers.experiments.planning import arrival, power

LONGEST = 4.0  # times the plan: what would take longer is not worth waiting for
PER_UNITS = 1000  # units, where there are no weeks

ARRIVALS = contracts.declare(
    "experiment_arrivals",
    grain="one row per experiment and local day, from the first to the last on which somebody came",
    key=["experiment", "day"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "day": ("string", "", "local day of the first exposure"),
        "people": ("int64", "people", "people of all planned arms"),
    },
)


class Further(NamedTuple):
    """What is still missing: `users` of all arms, and the `days` until they have come and been followed.

    Endless where they never come; NaN where it cannot be told.
    """

    users: float
    days: float


def arrivals(cube: Cube, plans: Sequence[dict]) -> pd.DataFrame:
    """People by day of exposure (contract `experiment_arrivals`); days on which nobody came have 0."""
    rows = []
    for plan in plans:
        found = {}
        for day in cube.levels(plan["name"], cut=DAY):
            people = sum(n for arm, n in cube.people(plan["name"], DAY, day).items() if arm in plan["variants"])
            if day and people:
                found[date.fromisoformat(day[:10])] = people
        if found:
            first, last = min(found), max(found)
            every = [first + timedelta(days=step) for step in range((last - first).days + 1)]
            rows += [(plan["name"], day.isoformat(), found.get(day, 0)) for day in every]
    return frame(rows, ARRIVALS)


def by_day(arrivals: pd.DataFrame, experiment: str) -> list[int]:
    """People of an experiment by day; none where it has no days."""
    own = arrivals[arrivals["experiment"] == experiment].sort_values("day")
    return own["people"].astype(int).tolist()


def needed(plan: dict, row: dict, wanted: float, new: Sequence[int], *, sides: int = 2, comparisons: int = 1) -> Further:
    """People and days that are missing to find an effect with the plan's power, from the standard error that was reached.

    So it counts what covariates have saved, and is the same for means, shares, ratios and quantiles. Where there were as many as
    that, it is those with whom an interval is too narrow to hold both no effect and the wanted one.

    Args:
        row: A row of `effects`.
        wanted: The effect, above 0, in the metric's unit.
        new: People by day, of all arms.
    """
    n, control_n, se = float(row["n"]), float(row["control_n"]), float(row["se"])
    share = plan["variants"][plan["control"]] / (sum(plan["variants"].values()) or 1)
    if not (se > 0 and min(n, control_n, wanted, share) > 0):
        return Further(UNKNOWN, UNKNOWN)
    variance = se**2 / (1 / n + 1 / control_n)
    have, come = control_n / share, float(sum(new))
    for asked in (plan["power"], 1 - plan["alpha"] / (sides * comparisons)):
        how = {"ratio": n / control_n, "alpha": plan["alpha"], "sides": sides, "comparisons": comparisons}
        try:
            total = power.users_for_means(wanted, (variance, variance), power=asked, **how) / share
        except InputError:
            return Further(ENDLESS, ENDLESS if len(new) else UNKNOWN)
        if total > have:
            break
    users = max(math.ceil(total - max(have, come)), 1)
    return Further(users, _days(users, new, horizon(plan, [row["metric"]])))


def _days(users: float, new: Sequence[int], wait: int) -> float:
    """From now on, if people go on coming as they came last."""
    if not sum(new):
        return UNKNOWN
    found = arrival.days_needed(sum(new) + users, new, wait=wait)
    return ENDLESS if found is None else float(max(found - len(new), 1))


def is_too_long(plan: dict, found: Further, new: Sequence[int], have: float) -> bool:
    """More than four times as long as planned (or as so far, without dates); of units, more than four times those there are."""
    if math.isnan(found.days):
        return found.users > LONGEST * have
    planned = (plan["end"] - plan["start"]).days + 1 if plan["start"] and plan["end"] else len(new)
    return found.days > LONGEST * (planned + horizon(plan, plan["primary"]))


def horizon(plan: dict, names: Iterable[str]) -> int:
    """Days that people must have had before all of these metrics can be read."""
    named = set(names)
    return max((int(metric["horizon"]) for metric in plan["metric"] if metric["name"] in named), default=0)


def times(plan: dict, metric: dict, new: Sequence[int]) -> tuple[float, str]:
    """What an effect is multiplied by to be a gain, and of what: people who enter in a week (as in the last one), or 1,000 units.

    Ratios and quantiles do not add up over people: NaN.
    """
    if metric["kind"] in ("ratio", "quantile"):
        return UNKNOWN, ""
    if plan["units"]:
        return float(PER_UNITS), "thousand"
    last = list(new)[-7:]
    return (sum(last) * 7 / len(last), "week") if last else (UNKNOWN, "")
