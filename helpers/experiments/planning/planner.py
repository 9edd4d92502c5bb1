"""A coming test: users, days and traffic for a wanted effect, from this dataset's own variance and arrivals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import contracts
from helpers.errors import InputError, nearest
from helpers.experiments.counted.cube import DAY, Cube
from helpers.experiments.effect.compared import SHARES, plain, unit
from helpers.experiments.effect.slices import against_control, smallest
from helpers.experiments.methods.estimates import UNKNOWN
from helpers.experiments.plan import EXPERIMENT, KIND, METRIC, UNIT, frame
from helpers.experiments.planning import arrival, power
from helpers.experiments.planning.detectable import ADJUSTED, comparisons, part_left, unit_variance

EFFECTS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3)  # relative
LONGEST = 366  # days that a curve shows
STEPS = 60  # points of a curve
MOST_DAYS = 122  # rows of a curve
TINY = 1e-6  # standard deviations of a person: no number of users finds less

NEEDED = contracts.declare(
    "experiment_needed",
    grain="one row per experiment, primary metric, wanted relative effect, with and without covariates",
    key=["experiment", "metric", "relative", "adjusted"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "metric": METRIC,
        "kind": KIND,
        "unit": UNIT,
        "relative": ("float64", "share", "wanted effect over the size of control"),
        "effect": ("float64", "", "the same in the metric's unit"),
        "base": ("float64", "", "value of control"),
        "base_n": ("int64", "people", "of control, from whom the variance is known"),
        "adjusted": ADJUSTED,
        "control_users": ("float64", "people", "needed in control"),
        "arm_users": ("float64", "people", "needed in the smallest other arm"),
        "users": ("float64", "people", "needed in all arms"),
        "days": ("float64", "days", "until they have come and had the metric's days, as people came"),
        "traffic": ("float64", "share", "of those who came that is needed to be done in the time of the plan"),
    },
    nullable=("effect", "base", "control_users", "arm_users", "users", "days", "traffic"),
)


class Needed(NamedTuple):
    """What a test needs: users of control, of the smallest other arm and of all; days (NaN: they never come, or nobody knows when
    people come); and the share of the traffic with which it is done in time (NaN: all are not enough)."""

    control: float
    arm: float
    users: float
    days: float
    traffic: float


NOTHING = Needed(*[UNKNOWN] * 5)


class Person(NamedTuple):
    """A person of control in a metric: how many are known, the value, its variance, and the part of it that covariates leave."""

    n: int
    base: float
    variance: float
    left: float


def find(plan: dict, metric: str) -> dict:
    """A metric of the plan by name.

    Raises:
        InputError: There is none; says which is nearest.
    """
    known = {one["name"]: one for one in plan["metric"]}
    if metric not in known:
        raise InputError(f'{plan["name"]} has no metric "{metric}".{nearest(metric, known)}')
    return known[metric]


def person(cube: Cube, plan: dict, metric: str) -> Person:
    """What a coming test can know of its people before it begins, from those of control."""
    spec = find(plan, metric)
    control = next((own for _, own, _ in against_control(cube, plan, metric)), None)
    if control is None or spec["kind"] == "quantile":
        return Person(0, UNKNOWN, UNKNOWN, UNKNOWN)
    lefts = [part_left(spec, own, arm) for _, own, arm in against_control(cube, plan, metric)]
    lefts = [left for left in lefts if not math.isnan(left)]
    base = plain(spec, control, control).control.value
    return Person(control.n, base, unit_variance(spec, control), lefts[0] if lefts else UNKNOWN)


def needed(
    cube: Cube, plan: dict, metric: str, effect: float, *,
    relative: bool = True, chance: float | None = None, traffic: float = 1.0, adjusted: bool = False,
) -> Needed:  # fmt: skip
    """Users, days and traffic of a test that finds an effect.

    Args:
        effect: Above 0; for the better by the metric's direction. With `relative` over the size of control.
        chance: Power; that of the plan by default.
        traffic: Share of those who come that takes part.
        adjusted: With the covariates of the plan.
    """
    found = person(cube, plan, metric)
    return _needed(cube, plan, find(plan, metric), found, _absolute(found, effect, relative), chance, traffic, adjusted)


def _absolute(found: Person, effect: float, relative: bool) -> float:
    return effect * abs(found.base) if relative else effect


def _needed(
    cube: Cube, plan: dict, metric: dict, found: Person, effect: float, chance: float | None, traffic: float, adjusted: bool
) -> Needed:
    arms, asked = smallest(plan), plan["power"] if chance is None else chance
    variance, left = found.variance, found.left if adjusted else 1.0
    if arms is None or not variance * left > 0 or not effect > TINY * math.sqrt(variance):
        return NOTHING
    _, *parts = arms
    told = {"ratio": parts[1] / parts[0], "alpha": plan["alpha"], "power": asked, "comparisons": comparisons(plan, metric)}
    if metric["kind"] in SHARES:
        moved = -effect if metric["better"] == "less" else effect
        if not 0 <= found.base + moved <= 1:
            return NOTHING
        control = left * power.users_for_shares(found.base, moved, pooled=True, **told)
    else:
        control = power.users_for_means(effect, (variance * left, variance * left), **told)
    users = control / parts[0]
    come = people_by_day(cube, plan)
    days = arrival.days_needed(users, come, traffic=traffic, wait=metric["horizon"]) if len(come) else None
    within = max(_planned_days(plan, come), metric["horizon"] + 1)
    share = arrival.traffic_needed(users, come, days=within, wait=metric["horizon"]) if len(come) else None
    return Needed(*(float(math.ceil(one - 1e-9)) for one in (control, users * parts[1], users)),
                  UNKNOWN if days is None else float(days), UNKNOWN if share is None else share)  # fmt: skip


def people_by_day(cube: Cube, plan: dict) -> np.ndarray:
    """People of all arms by day of their exposure, from the first day to the last, days without anybody being 0."""
    days = cube.levels(plan["name"], cut=DAY)
    if not days:
        return np.array([])
    first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    span = [(first + timedelta(days=step)).isoformat() for step in range((last - first).days + 1)]
    return np.array([sum(cube.people(plan["name"], DAY, day).values()) for day in span], dtype=float)


def _planned_days(plan: dict, come: np.ndarray) -> int:
    """Of exposure and of waiting, as planned; as it was, where the plan has no dates."""
    horizon = max((metric["horizon"] for metric in plan["metric"] if metric["name"] in plan["primary"]), default=0)
    if plan["start"] is None or plan["end"] is None:
        return len(come) + horizon
    return (plan["end"] - plan["start"]).days + 1 + horizon


def needed_table(cube: Cube, plans: list[dict], *, effects: Sequence[float] = EFFECTS) -> pd.DataFrame:
    """What tests like these need for effects of several sizes (contract `experiment_needed`)."""
    rows = [
        row for plan in plans for metric in plan["metric"]
        if metric["name"] in plan["primary"] and metric["kind"] != "quantile"
        for row in _rows(cube, plan, metric, effects)
    ]  # fmt: skip
    return frame(rows, NEEDED)


def _rows(cube: Cube, plan: dict, metric: dict, effects: Sequence[float]) -> Iterator[tuple]:
    found = person(cube, plan, metric["name"])
    for is_adjusted in (False, True) if not math.isnan(found.left) else (False,):
        for wanted in effects:
            effect = _absolute(found, wanted, relative=True)
            told = _needed(cube, plan, metric, found, effect, None, 1.0, is_adjusted)
            yield (plan["name"], metric["name"], metric["kind"], unit(metric), wanted, effect, found.base, found.n, is_adjusted,
                   *told)  # fmt: skip


def power_curve(
    cube: Cube, plan: dict, metric: str, *, relative: float, traffic: float = 1.0, adjusted: bool = False
) -> pd.DataFrame:
    """How the chance to find an effect rises with the days, or where nobody knows when people come, with the users.

    Returns:
        `day` (after which all who take part have had the metric's days; 0 without arrivals), `users` (of all arms), `power`;
        beyond four months not every day has a row, but that on which there are enough users has one; there is none where the
        metric does not vary or the effect is not possible.
    """
    spec, found, arms = find(plan, metric), person(cube, plan, metric), smallest(plan)
    effect = _absolute(found, relative, relative=True)
    enough = _needed(cube, plan, spec, found, effect, None, traffic, adjusted)
    if not enough.users > 0 or arms is None:
        return pd.DataFrame({"day": [], "users": [], "power": []})
    come = people_by_day(cube, plan)
    if len(come):
        span = int(min(max(1.5 * (enough.days - spec["horizon"]) if not math.isnan(enough.days) else LONGEST, 14), LONGEST))
        turn = [int(enough.days) - spec["horizon"] - 1] if enough.days <= span + spec["horizon"] else []
        at = np.unique(np.r_[np.linspace(0, span - 1, min(span, MOST_DAYS)), turn].astype(int))
        users = traffic * np.asarray(arrival.extended(come, span), dtype=float)[at]
        days = at + 1 + spec["horizon"]
    else:
        users, days = np.linspace(0, 1.5 * enough.users, STEPS + 1)[1:], np.zeros(STEPS, dtype=int)
    chances = [_chance(plan, spec, found, effect, (one * arms[1], one * arms[2]), adjusted) for one in users]
    return pd.DataFrame({"day": days, "users": users, "power": chances})


def _chance(plan: dict, metric: dict, found: Person, effect: float, users: tuple[float, float], adjusted: bool) -> float:
    if min(users) < power.LEAST_USERS:
        return UNKNOWN
    told, left = {"alpha": plan["alpha"], "comparisons": comparisons(plan, metric)}, found.left if adjusted else 1.0
    if metric["kind"] in SHARES:
        moved, worth = -effect if metric["better"] == "less" else effect, (users[0] / left, users[1] / left)
        return power.power_of_shares(found.base, moved, worth, pooled=True, **told)
    return power.power_of_means(effect, (found.variance * left, found.variance * left), users, **told)


def choices(plans: list[dict]) -> dict[str, tuple[dict, str]]:
    """Each metric that can be planned for, by its words, as plan and name."""
    return {
        f"{plan['name']}: {metric['name']}": (plan, metric["name"])
        for plan in plans for metric in plan["metric"] if metric["kind"] != "quantile"
    }  # fmt: skip
