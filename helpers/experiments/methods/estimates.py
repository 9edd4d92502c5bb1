"""Effects with their intervals: differences of means and ratios, relative effects, and what is not worse by a margin.

Each method is a question to two levels: what an arm comes to, how much that may vary, and on how many degrees of freedom.
Effects are arm less control, relative ones over the size of control, so that more is positive where control is negative, too.
What cannot be told (nobody, one person, nothing that varies) is NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats as distributions

from helpers import stats
from helpers.experiments.counted.moments import Moments

UNKNOWN = float("nan")
ENDLESS = float("inf")
UNBOUNDED = "unbounded"


@dataclass(frozen=True)
class Estimate:
    """`value` with its interval and two-sided `p`, which never disagree: p < 1 - confidence when the interval leaves out 0.

    `se` is the standard error that the p is told by, `df` its degrees of freedom (infinite for a normal one). `method` names
    the method, and says "unbounded" where no finite interval holds the truth so often; an end without a bound is infinite.
    Then all values may be true but those strictly within `hole`, where there is one.
    """

    value: float
    low: float = UNKNOWN
    high: float = UNKNOWN
    p: float = UNKNOWN
    se: float = UNKNOWN
    df: float = UNKNOWN
    method: str = ""
    hole: tuple[float, float] | None = None

    def covers(self, truth: float) -> bool:
        """Is this value among those that are not rejected?"""
        in_hole = self.hole is not None and self.hole[0] < truth < self.hole[1]
        return bool(self.low <= truth <= self.high) and not in_hole


class Level(NamedTuple):
    """What an arm comes to: `value`, the `variance` of that number (not of its units), and its degrees of freedom."""

    value: float
    variance: float
    df: float


NOBODY = Level(UNKNOWN, UNKNOWN, UNKNOWN)


def contrast(moments: Moments, weights: np.ndarray, value: float) -> Level:
    """A value that moves with the columns' means by these weights (the delta method); variance NaN for fewer than 2 rows."""
    if moments.n < 1 or math.isnan(value):
        return NOBODY
    if moments.n < 2:
        return Level(value, UNKNOWN, UNKNOWN)
    covariances, sizes = moments.covariances, np.abs(weights)
    variance = float(weights @ covariances @ weights)
    of_means = (stats.ROUNDING * float(sizes @ np.abs(moments.mean))) ** 2
    of_products = stats.ROUNDING * float(sizes @ np.abs(covariances) @ sizes)
    rounding = max(of_means, of_products)
    return Level(value, variance / moments.n if variance > rounding else 0.0, moments.n - 1)


def mean_weights(moments: Moments, name: str) -> tuple[np.ndarray, float]:
    """For `contrast`: a mean."""
    weights = np.zeros(len(moments.names))
    weights[moments.names.index(name)] = 1.0
    return weights, moments.mean_of(name)


def ratio_weights(moments: Moments, numerator: str, denominator: str) -> tuple[np.ndarray, float]:
    """For `contrast`: a sum over a sum by the delta method (Deng, Knoblich and Lu 2018); NaN where the denominator is 0."""
    above, below = moments.mean_of(numerator), moments.mean_of(denominator)
    if not below or math.isnan(below):
        return np.full(len(moments.names), UNKNOWN), UNKNOWN
    weights = np.zeros(len(moments.names))
    weights[moments.names.index(numerator)] = 1 / below
    weights[moments.names.index(denominator)] -= above / below / below
    return weights, above / below


def mean(moments: Moments, name: str) -> Level:
    """The mean of a column."""
    return contrast(moments, *mean_weights(moments, name))


def ratio(moments: Moments, numerator: str, denominator: str) -> Level:
    """The sum of one column over that of another, of units in which both vary."""
    return contrast(moments, *ratio_weights(moments, numerator, denominator))


def difference(
    control: Level, arm: Level, *, covariance: float = 0.0, confidence: float = 0.95, method: str = "Welch",
    df: float | None = None,
) -> Estimate:  # fmt: skip
    """Arm less control, by Student's t with the degrees of freedom of Welch (1947); normal where those are infinite.

    Args:
        covariance: Of the two values, where they are not independent.
        df: Degrees of freedom instead of Welch's; infinite for normal quantiles.
    """
    value = arm.value - control.value
    variance = control.variance + arm.variance - 2 * covariance
    if not variance > 0:
        return Estimate(value, method=method)
    df = degrees(control, arm) if df is None else df
    se = math.sqrt(variance)
    half = _quantile(confidence, df) * se
    return Estimate(value, value - half, value + half, _two_sided(value / se, df), se, df, method)


def relative(
    control: Level, arm: Level, *, covariance: float = 0.0, confidence: float = 0.95, form: str = "fieller",
    df: float | None = None,
) -> Estimate:  # fmt: skip
    """The difference over the size of control.

    Args:
        covariance: Of the two values, where they are not independent.
        form: "fieller" (1954), whose interval leaves out 0 just when that of `difference` does, with the same p; where control
            itself may be 0, the interval is unbounded. "delta": normal around the value. "log": of the logarithm of the two
            values' ratio, NaN where they are not both above or both below 0.
        df: Degrees of freedom instead of Welch's; infinite for normal quantiles.
    """
    size, value = abs(control.value), arm.value - control.value
    variance = control.variance + arm.variance - 2 * covariance
    if form not in ("fieller", "delta", "log"):
        raise ValueError(f'a relative effect is of the form "fieller", "delta" or "log", not "{form}"')
    if not size > 0:
        return Estimate(UNKNOWN, method=form)
    if not variance > 0:
        return Estimate(value / size, method=form)
    if form == "log":
        return _relative_log(control, arm, covariance, confidence, df)
    df = degrees(control, arm) if df is None else df
    with_control = math.copysign(1.0, control.value) * (covariance - control.variance)
    found = _relative_delta if form == "delta" else _relative_fieller
    return found((value, variance), (size, control.variance), with_control, confidence, df)


def degrees(control: Level, arm: Level) -> float:
    """Of the difference of two independent levels (Welch 1947)."""
    return _degrees(control.variance, control.df, arm.variance, arm.df)


def _relative_fieller(
    above: tuple[float, float], below: tuple[float, float], covariance: float, confidence: float, df: float
) -> Estimate:
    low, high, hole = fieller(above, below, covariance, _quantile(confidence, df))
    method = "Fieller" if math.isfinite(low) and math.isfinite(high) else f"Fieller, {UNBOUNDED}"
    se = math.sqrt(above[1])
    return Estimate(above[0] / below[0], low, high, _two_sided(above[0] / se, df), se / below[0], df, method, hole)


def _relative_delta(
    above: tuple[float, float], below: tuple[float, float], covariance: float, confidence: float, df: float
) -> Estimate:
    value = above[0] / below[0]
    variance = above[1] - 2 * value * covariance + value**2 * below[1]
    if not variance > 0:
        return Estimate(value, method="delta")
    se = math.sqrt(variance) / below[0]
    half = _quantile(confidence, df) * se
    return Estimate(value, value - half, value + half, _two_sided(value / se, df), se, df, "delta")


def fieller(
    above: tuple[float, float], below: tuple[float, float], covariance: float, limit: float
) -> tuple[float, float, tuple[float, float] | None]:
    """Low end, high end and hole of the ratios r that (above - r below) / its standard error does not reject (Fieller 1954).

    Args:
        above: Value and variance of the numerator; `below` those of the denominator.
        limit: Quantile of the interval.
    """
    a = below[0] ** 2 - limit**2 * below[1]
    b = above[0] * below[0] - limit**2 * covariance
    c = above[0] ** 2 - limit**2 * above[1]
    inner = b * b - a * c
    if a > 0:
        ends = _roots(a, b, c, math.sqrt(max(inner, 0.0)))
        return ends[0], ends[1], None
    if a == 0 and b != 0:
        return (c / (2 * b), ENDLESS, None) if b > 0 else (-ENDLESS, c / (2 * b), None)
    if a == 0 or inner <= 0:
        return -ENDLESS, ENDLESS, None
    return -ENDLESS, ENDLESS, _roots(a, b, c, math.sqrt(inner))


def _roots(a: float, b: float, c: float, root: float) -> tuple[float, float]:
    """Of a r^2 - 2 b r + c, in ascending order; the one near 0 without cancellation."""
    far = b + math.copysign(root, b)
    one, other = far / a, c / far if far else 0.0
    return min(one, other), max(one, other)


def _relative_log(control: Level, arm: Level, covariance: float, confidence: float, df: float | None) -> Estimate:
    if not arm.value / control.value > 0:
        return Estimate((arm.value - control.value) / abs(control.value), method="log")
    parts = control.variance / control.value**2, arm.variance / arm.value**2
    df = _degrees(parts[0], control.df, parts[1], arm.df) if df is None else df
    spread = sum(parts) - 2 * covariance / control.value / arm.value
    sign, log = math.copysign(1.0, control.value), math.log(arm.value / control.value)
    if not spread > 0:
        return Estimate(sign * math.expm1(log), method="log")
    half = _quantile(confidence, df) * math.sqrt(spread)
    ends = sorted(sign * _endless_expm1(log + side * half) for side in (-1, 1))
    se = math.sqrt(spread)
    return Estimate(sign * math.expm1(log), ends[0], ends[1], _two_sided(log / se, df), se, df, "log")


def _endless_expm1(power: float) -> float:
    return math.expm1(power) if power < 700 else ENDLESS


def not_worse(
    control: Level, arm: Level, margin: float, *, higher_is_better: bool = True, relative_margin: bool = False,
    covariance: float = 0.0, confidence: float = 0.95, df: float | None = None,
) -> Estimate:  # fmt: skip
    """Is the arm worse than control by less than the margin? One-sided: p < 1 - confidence just when the bound is within it.

    Args:
        margin: What may be lost, above 0, in the metric's unit; with `relative_margin` as a share of the size of control,
            whose own uncertainty is then counted in, and the answer is a relative effect.
        covariance: Of the two values, where they are not independent.
        df: Degrees of freedom instead of Welch's; infinite for normal quantiles.

    Returns:
        The effect with its one bound; the other end is infinite. `p` is the chance to seem so good at a loss of the margin.
    """
    sign, two_sided = (1.0 if higher_is_better else -1.0), 2 * confidence - 1
    value, variance = arm.value - control.value, control.variance + arm.variance - 2 * covariance
    how = {"covariance": covariance, "confidence": two_sided, "df": df}
    if relative_margin:
        found = relative(control, arm, **how)
        value += sign * margin * abs(control.value)
        with_control = math.copysign(1.0, control.value) * (covariance - control.variance)
        variance += margin**2 * control.variance + 2 * margin * sign * with_control
    else:
        found = difference(control, arm, **how)
        value += sign * margin
    method = f"one-sided {found.method}"
    low, high = (found.low, ENDLESS) if higher_is_better else (-ENDLESS, found.high)
    if not variance > 0 or math.isnan(found.low):
        return Estimate(found.value, method=method)
    told = math.isfinite(found.low) and math.isfinite(found.high)
    p = float(distributions.t.sf(sign * value / math.sqrt(variance), found.df)) if told else UNKNOWN
    return Estimate(found.value, low, high, p, found.se, found.df, method)


def _degrees(first: float, degrees_first: float, second: float, degrees_second: float) -> float:
    if math.isinf(degrees_first) and math.isinf(degrees_second):
        return ENDLESS
    return float(stats.welch_degrees(first, degrees_first, second, degrees_second))


def _quantile(confidence: float, df: float) -> float:
    return float(distributions.t.ppf(0.5 + confidence / 2, df))


def _two_sided(statistic: float, df: float) -> float:
    return float(2 * distributions.t.sf(abs(statistic), df))
