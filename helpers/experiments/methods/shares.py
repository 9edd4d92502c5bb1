"""Shares of people: the score test with the intervals that invert it, and other published intervals beside it.

Counts are (successes, people). Effects are arm less control, relative ones the difference over control.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy import stats as distributions

from helpers import stats
from helpers.experiments.methods.estimates import ENDLESS, NOBODY, UNKNOWN, Estimate, Level, difference

FARTHEST = 45.0  # standard errors: what lies beyond has a p below the smallest float


def share(successes: float, n: float) -> Level:
    """A share and its binomial variance, to be compared as any level."""
    if not n > 0:
        return NOBODY
    found = successes / n
    return Level(found, found * (1 - found) / n, ENDLESS)


def compare(control: tuple[int, int], arm: tuple[int, int], *, confidence: float = 0.95, method: str = "score") -> Estimate:
    """The difference of two shares; p is always that of the test which the interval inverts.

    Args:
        method: "score": Pearson's chi-square test (1900) and Mee's interval (1984). "miettinen-nurminen" (1985): the same with
            n / (n - 1). "newcombe": his tenth method (1998), of the two Wilson intervals. "wald", "agresti-caffo" (2000).
    """
    if min(control[1], arm[1]) < 1:
        return Estimate(UNKNOWN, method=method)
    value = arm[0] / arm[1] - control[0] / control[1]
    if method == "wald":
        return difference(share(*control), share(*arm), confidence=confidence, method=method)
    if method == "agresti-caffo":
        near = [share(successes + 1, n + 2) for successes, n in (control, arm)]
        return replace(difference(*near, confidence=confidence, method=method), value=value)
    if method == "newcombe":
        low, high = _newcombe(control, arm, distributions.norm.ppf(0.5 + confidence / 2))
        z = _touching(control, arm) if value else 0.0
        return Estimate(value, low, high, _two_sided(z), abs(value) / z if z else UNKNOWN, ENDLESS, method)
    if method not in ("score", "miettinen-nurminen"):
        raise ValueError(f'two shares cannot be compared by the method "{method}"')
    people = control[1] + arm[1]
    stretch = math.sqrt(people / (people - 1)) if method == "miettinen-nurminen" else 1.0
    if stretch > 1:
        confidence = 1 - 2 * distributions.norm.sf(stretch * distributions.norm.ppf(0.5 + confidence / 2))
    found = stats.compare_shares(*control, *arm, confidence=confidence)
    se = stretch * math.sqrt(_pooled_variance(control, arm))
    p = _two_sided(value / se) if se > 0 else 1.0
    return Estimate(value, found.low, found.high, p, se, ENDLESS, method)


def relative(control: tuple[int, int], arm: tuple[int, int], *, confidence: float = 0.95) -> Estimate:
    """The ratio of two shares less 1, by the score interval of Koopman (1984), with the p of the score test, which it inverts.

    Where nobody of control succeeded, there is no relative effect, but what it is at least, if anybody did in the arm.
    """
    if min(control[1], arm[1]) < 1 or not control[0] + arm[0]:
        return Estimate(UNKNOWN, method="Koopman")
    tested = compare(control, arm, confidence=confidence)
    limit = distributions.norm.ppf(0.5 + confidence / 2)
    value = arm[0] * control[1] / (control[0] * arm[1]) - 1 if control[0] else UNKNOWN
    low = _ratio_end(control, arm, limit, -1.0) if arm[0] else 0.0
    high = _ratio_end(control, arm, limit, 1.0) if control[0] else ENDLESS
    se = tested.se * control[1] / control[0] if control[0] else UNKNOWN
    return Estimate(value, low - 1, high - 1, tested.p, se, ENDLESS, "Koopman" if control[0] else "Koopman, unbounded")


def _ratio_end(control: tuple[int, int], arm: tuple[int, int], limit: float, side: float) -> float:
    """The ratio on one side of the observed one where the score is at the limit, found on the logarithm's scale."""
    start = math.log(arm[0] * control[1] / (control[0] * arm[1])) if arm[0] and control[0] else -side * FARTHEST
    inner, outer = start, start + side * 2 * FARTHEST
    for _ in range(2 * stats.HALVINGS):
        middle = (inner + outer) / 2
        inside = abs(ratio_score(control, arm, math.exp(middle))) <= limit
        inner, outer = (middle, outer) if inside else (inner, middle)
    return math.exp((inner + outer) / 2)


def ratio_score(control: tuple[int, int], arm: tuple[int, int], ratio: float) -> float:
    """z where the truth is this ratio, the variance taken at the likeliest shares of which that is true."""
    (few, n_control), (some, n_arm) = control, arm
    middle = ratio * (n_arm + few) + some + n_control
    root = math.sqrt(max(middle**2 - 4 * ratio * (n_arm + n_control) * (few + some), 0.0))
    own = min(2 * (few + some) / (middle + root), 1.0, 1 / ratio)
    variance = ratio * own * (1 - ratio * own) / n_arm + ratio**2 * own * (1 - own) / n_control
    step = some / n_arm - ratio * few / n_control
    return step / math.sqrt(variance) if variance > 0 else math.copysign(ENDLESS, step) if step else 0.0


def _newcombe(control: tuple[int, int], arm: tuple[int, int], limit: float) -> tuple[float, float]:
    """Wilson's limits of each share at z = `limit`, put together."""
    p, q = arm[0] / arm[1], control[0] / control[1]
    (low_p, high_p), (low_q, high_q) = _wilson(*arm, limit), _wilson(*control, limit)
    return (p - q - math.hypot(p - low_p, high_q - q), p - q + math.hypot(high_p - p, q - low_q))


def _wilson(successes: int, n: int, limit: float) -> tuple[float, float]:
    """By z and not by confidence, which is 1 in floats where z is large."""
    share, square = successes / n, limit**2
    middle = (successes + square / 2) / (n + square)
    half = limit / (n + square) * math.sqrt(n * share * (1 - share) + square / 4)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _touching(control: tuple[int, int], arm: tuple[int, int]) -> float:
    """The z at which Newcombe's interval just touches 0."""
    inner, outer = 0.0, FARTHEST
    for _ in range(2 * stats.HALVINGS):
        middle = (inner + outer) / 2
        low, high = _newcombe(control, arm, middle)
        inner, outer = (inner, middle) if low <= 0 <= high else (middle, outer)
    return (inner + outer) / 2


def _pooled_variance(control: tuple[int, int], arm: tuple[int, int]) -> float:
    pooled = (control[0] + arm[0]) / (control[1] + arm[1])
    return pooled * (1 - pooled) * (1 / control[1] + 1 / arm[1])


def _two_sided(z: float) -> float:
    return float(2 * distributions.norm.sf(np.abs(z)))
