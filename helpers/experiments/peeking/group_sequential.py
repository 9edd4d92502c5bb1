"""Tests that are read at a few planned looks: boundaries, intervals and p that hold although one looked before.

Lan and DeMets (1983): a spending function says how much of alpha may be spent up to a time; looks may be added, moved or
left out, as long as the results do not decide when one looks. Times are shares of the planned information, such as users
so far over users planned. Effects, z and intervals are arm less control.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from helpers.errors import InputError, nearest
from helpers.experiments.peeking import walks
from helpers.experiments.planning import checks
from helpers.stats import Interval

FARTHEST = 38.0  # a boundary that nothing crosses: the normal distribution has 1e-316 beyond it
LEAST_SPENT = 1e-300
SURE = 1e-9  # all is spent but for rounding


@dataclass(frozen=True)
class Boundaries:
    """The boundary of each look.

    Attributes:
        times: Time of each look, a share of the plan.
        information: Information at each look, in any unit.
        z: In standard errors; of a test of two sides the lower one is -z. 38 where the look may spend nothing.
        spent: Alpha spent up to each look, of both sides together.
        alpha, sides: As planned.
    """

    times: np.ndarray
    information: np.ndarray
    z: np.ndarray
    spent: np.ndarray
    alpha: float
    sides: int


class Stopped(NamedTuple):
    """What a test says that has stopped: the median unbiased `value`, its interval and p, all of the same ordering."""

    value: float
    low: float
    high: float
    p: float


def spending(times, *, alpha: float, shape: str = "obrien-fleming", gamma: float = -4.0) -> np.ndarray:
    """Alpha of one side that may be spent up to each time, from 0 to `alpha`.

    Args:
        times: Shares of the plan, 0 to 1.
        shape: "obrien-fleming" or "pocock", as Lan and DeMets (1983) approximate these, or "hwang-shih-decani" (1990).
        gamma: Of "hwang-shih-decani" alone: about -4 is as careful early as O'Brien-Fleming, 1 is about Pocock.
    """
    times = np.clip(checks.numbers(times, "The times of the looks"), 0, 1)
    if shape == "obrien-fleming":
        with np.errstate(divide="ignore"):
            return 2 * ndtr(ndtri(alpha / 2) / np.sqrt(times))
    if shape == "pocock":
        return alpha * np.log1p(np.expm1(1) * times)
    if shape == "hwang-shih-decani":
        gamma = checks.number(gamma, "gamma", above=-100, below=100)
        return alpha * (np.expm1(-gamma * times) / np.expm1(-gamma) if abs(gamma) > SURE else times)
    shapes = ("obrien-fleming", "pocock", "hwang-shih-decani")
    raise InputError(f'No spending function is called "{shape}": {", ".join(shapes)}.{nearest(shape, shapes)}')


def boundaries(
    times, *, alpha: float = 0.05, sides: int = 2, shape: str = "obrien-fleming", gamma: float = -4.0, information=None
) -> Boundaries:
    """Boundaries of Lan and DeMets at any look times, those so far or all that are planned.

    A look that was added or left out changes nothing before it. The last look of a test that ends with more or fewer users
    than planned gets the time 1, and the users go to `information`: so all of alpha is spent.

    Args:
        times: Shares of the plan at each look, increasing, above 0 and at most 1.
        alpha: False alarms allowed, of both sides together.
        sides: 1 (only a larger arm is looked for) or 2.
        shape, gamma: As of `spending`.
        information: How much is known at each look, in any unit (users, 1 over the squared standard error); the times
            where it is not given.

    Raises:
        InputError: Times or information that do not increase, times beyond 1, alpha out of range, looks too close.
    """
    times = checks.rising(times, "The times of the looks")
    if times[-1] > 1:
        raise InputError(f"The last look is at {times[-1]:g} of the plan; times end at 1. Give its users as information.")
    information = times if information is None else checks.rising(information, "The information of the looks")
    if len(information) != len(times):
        raise InputError(f"There are {len(times)} times but {len(information)} numbers of information.")
    level = checks.level(alpha, sides)
    spent = spending(times, alpha=level, shape=shape, gamma=gamma)
    z = _solved(np.diff(spent, prepend=0.0), information / information[-1], sides)
    return Boundaries(times, information, z, sides * spent, alpha, sides)


def _solved(increments: np.ndarray, shares: np.ndarray, sides: int) -> np.ndarray:
    """The boundary at each look at which just its increment of one side is spent."""
    added = walks.steps(shares)
    walk, found = walks.START, []
    for at, (increment, share) in enumerate(zip(increments, shares, strict=True)):
        limit, spread = FARTHEST, np.sqrt(share)
        if increment > LEAST_SPENT:
            limit = _edge(walk, float(increment), spread, float(added[at]), lowest=0.0 if sides == 2 else -FARTHEST)
        found.append(limit)
        if at + 1 < len(shares):
            walk = walk.carried(*walks.edges(limit, share, sides), added[at], added[at + 1])
    return np.array(found)


def _edge(walk: walks.Walk, increment: float, spread: float, step: float, *, lowest: float) -> float:
    """By logarithms, as increments may be small beyond all rounding."""
    wanted = np.log(increment)

    def excess(z: float) -> float:
        return np.log(max(walk.above(z * spread, step), LEAST_SPENT**1.05)) - wanted

    if excess(FARTHEST) >= 0:
        return FARTHEST
    return float(brentq(excess, lowest, FARTHEST, xtol=1e-11, rtol=1e-13)) if excess(lowest) > 0 else lowest


def repeated(plan: Boundaries, estimates, errors) -> Interval:
    """Repeated intervals (Jennison and Turnbull 1989): one at each look, all hold together, whenever one stops.

    One leaves out zero exactly where its look crosses the boundary. They cover 1 - alpha; for one side each end for itself.

    Args:
        estimates, errors: The effect and its standard error at each look.
    """
    estimates, errors = (checks.numbers(given, "Estimates and standard errors") for given in (estimates, errors))
    if np.shape(estimates) != plan.z.shape or np.shape(errors) != plan.z.shape or (errors <= 0).any():
        raise InputError(f"Each of the {len(plan.z)} looks needs an estimate and a standard error above 0.")
    return Interval(estimates - plan.z * errors, estimates + plan.z * errors)


def at_stop(plan: Boundaries, estimate: float, error: float) -> Stopped:
    """Value, interval and p at the last look of the plan, at which the test stops (Tsiatis, Rosner and Mehta 1984).

    Outcomes are ordered by the look at which they crossed: the earlier, the more extreme. So p is below alpha, and the
    interval of 1 - alpha leaves out zero (of one side: its low end, each end at alpha), exactly when the boundary is crossed.

    Args:
        plan: Boundaries of the looks that took place, in `times` and `information` as they were.
        estimate, error: The effect and its standard error at the last look.

    Raises:
        InputError: The last look has not crossed and alpha is not spent: the test goes on, read its repeated interval.
    """
    estimate = checks.number(estimate, "The estimate")
    error = checks.number(error, "The standard error", above=0)
    z = estimate / error
    crossed = (abs(z) if plan.sides == 2 else z) >= plan.z[-1]
    if not crossed and plan.spent[-1] < plan.alpha * (1 - SURE):
        raise InputError(
            f"The test has neither crossed its boundary ({plan.z[-1]:.3f}; it stands at {z:.3f}) nor ended. "
            "Read its repeated interval, or give its last look the time 1."
        )
    turned = -1.0 if plan.sides == 2 and z < 0 else 1.0
    level = plan.alpha / plan.sides
    ends = [_drift_of(plan, turned * z, chance) for chance in (level, 0.5, 1 - level)]
    low, value, high = sorted(turned * error * end for end in ends)
    as_extreme = _as_extreme(plan, turned * z, 0.0)
    p = 2 * min(as_extreme, 1 - as_extreme) if plan.sides == 2 else as_extreme
    return Stopped(value, low, high, p)


def _as_extreme(plan: Boundaries, z: float, drift: float) -> float:
    """Chance of what is at least as large as z at the last look, where the mean there is `drift` standard errors.

    z is of a test that stops upwards or at its end: all that goes on further is then larger only if it crossed before.
    """
    limits = np.append(plan.z[:-1], z)
    found = walks.crossings(limits, plan.information / plan.information[-1], sides=plan.sides, drift=drift)
    return float(min(found.up.sum(), 1.0))


def _drift_of(plan: Boundaries, z: float, chance: float) -> float:
    """The drift under which something as extreme has this chance."""
    reach = 6.0
    while True:
        low, high = z - reach, z + reach
        if _as_extreme(plan, z, low) < chance < _as_extreme(plan, z, high):
            return float(brentq(lambda drift: _as_extreme(plan, z, drift) - chance, low, high, xtol=1e-9))
        reach *= 2


def false_alarms(looks: int, *, z: float = 1.959963984540054, sides: int = 2) -> float:
    """Chance that an ordinary test, read at so many equal looks against the same z, is wrong at one of them.

    Armitage, McPherson and Rowe (1969): 14 % of 5 looks, 25 % of 20.
    """
    looks = checks.whole(looks, "looks")
    found = walks.crossings(np.full(looks, checks.number(z, "z", above=0)), np.arange(1, looks + 1) / looks, sides=sides)
    return float(found.up.sum() + found.down.sum())


def power_at(plan: Boundaries, drift: float) -> float:
    """Chance to cross in the right direction at one of the looks.

    Args:
        drift: The true effect over its standard error at the last look; its sign does not matter for two sides.
    """
    drift = checks.number(drift, "drift")
    shares = plan.information / plan.information[-1]
    towards = abs(drift) if plan.sides == 2 else drift
    return float(min(walks.crossings(plan.z, shares, sides=plan.sides, drift=towards).up.sum(), 1.0))


def inflation(plan: Boundaries, *, power: float = 0.8) -> float:
    """Users that the plan needs at most, over those of a fixed horizon with the same alpha and power.

    Jennison and Turnbull (2000), chapter 2: 1.03 for 5 looks of O'Brien-Fleming, 1.23 of Pocock, at a power of 0.8.
    """
    level = plan.alpha / plan.sides
    power = checks.number(power, "power", above=level, below=1)
    fixed = norm.isf(level) - norm.isf(power)
    far = fixed + 1
    while power_at(plan, far) < power:
        far *= 2
    needed = brentq(lambda drift: power_at(plan, drift) - power, 0, far, xtol=1e-9)
    return float((needed / fixed) ** 2)
