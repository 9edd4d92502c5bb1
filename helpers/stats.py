"""Intervals and tests, thin on statsmodels and scipy; each states its source.

Shares lie between 0 and 1, intervals are at 95 % unless `confidence` says otherwise, an undefined number is NaN here and
"-" on the page.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats as distributions
from statsmodels.stats.proportion import proportion_confint

SAMPLE_RATIO_ALARM = 0.001
SAMPLE_RATIO_WATCH = 0.05


class Interval(NamedTuple):
    """`low` and `high` end of a confidence interval, in the unit of the estimate."""

    low: float | np.ndarray
    high: float | np.ndarray


class Difference(NamedTuple):
    """A difference (second less first), its interval, its two-sided p-value, and the relative change (NaN where undefined)."""

    estimate: float
    low: float
    high: float
    p: float
    relative: float


def wilson(k, n, *, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of k successes in n trials; arrays or numbers; NaN where n is 0 (Wilson 1927)."""
    k, n = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = proportion_confint(k, np.where(n > 0, n, np.nan), alpha=1 - confidence, method="wilson")
    return Interval(low, high)


def compare_shares(k_first: int, n_first: int, k_second: int, n_second: int, *, confidence: float = 0.95) -> Difference:
    """Two independent shares: the score test without correction, and the interval that inverts it (Miettinen, Nurminen
    1985, without their n/(n-1)), so that p < 1 - confidence exactly when the interval leaves out zero.
    """
    if min(n_first, n_second) == 0:
        return Difference(*[float("nan")] * 5)
    from statsmodels.stats.proportion import confint_proportions_2indep, test_proportions_2indep

    first, second = k_first / n_first, k_second / n_second
    pooled = (k_first + k_second) / (n_first + n_second)
    if pooled in (0.0, 1.0):
        return Difference(0.0, float("nan"), float("nan"), float("nan"), float("nan"))
    test = test_proportions_2indep(
        k_second, n_second, k_first, n_first, compare="diff", method="score", correction=False, return_results=True
    )
    low, high = confint_proportions_2indep(
        k_second, n_second, k_first, n_first, compare="diff", method="score", correction=False, alpha=1 - confidence
    )
    return Difference(second - first, low, high, float(test.pvalue), second / first - 1 if first else float("nan"))


def compare_means(first: tuple[int, float, float], second: tuple[int, float, float], *, confidence: float = 0.95):
    """Two independent means by Welch (1947), each given as (n, mean, variance with n - 1).

    Returns:
        Difference: NaN interval and p where an arm has fewer than 2 people or neither varies.
    """
    (n1, mean1, var1), (n2, mean2, var2) = first, second
    undefined = float("nan")
    if min(n1, n2) < 1:
        return Difference(undefined, undefined, undefined, undefined, undefined)
    relative = mean2 / mean1 - 1 if mean1 else undefined
    if min(n1, n2) < 2 or var1 + var2 <= 0:
        return Difference(mean2 - mean1, undefined, undefined, undefined, relative)
    a, b = var1 / n1, var2 / n2
    degrees = (a + b) ** 2 / (a**2 / (n1 - 1) + b**2 / (n2 - 1))
    error, difference = np.sqrt(a + b), mean2 - mean1
    half = distributions.t.ppf(0.5 + confidence / 2, degrees) * error
    p = 2 * distributions.t.sf(abs(difference) / error, degrees)
    return Difference(difference, difference - half, difference + half, float(p), relative)


def compare_counts(before: float, now: float, *, confidence: float = 0.95) -> Difference:
    """Two counts of independent events, as Poisson: normal interval of the difference, two-sided score test."""
    error = np.sqrt(before + now)
    if error == 0:
        return Difference(0.0, float("nan"), float("nan"), float("nan"), float("nan"))
    half = distributions.norm.ppf(0.5 + confidence / 2) * error
    difference = now - before
    p = 2 * distributions.norm.sf(abs(difference) / error)
    return Difference(
        difference, difference - half, difference + half, float(p), now / before - 1 if before else np.nan
    )


def sample_ratio(observed: list[int], planned: list[float]) -> float:
    """p of Pearson's chi-square of the arms' sizes against the planned shares (which need not add to 1)."""
    if len(observed) < 2 or sum(observed) == 0 or min(planned) <= 0:
        return float("nan")
    expected = np.array(planned) / sum(planned) * sum(observed)
    return float(distributions.chisquare(observed, expected).pvalue)


def paired_share_change(now: int, before: int, both: int, *, confidence: float = 0.95) -> Interval:
    """Interval of the change of a head count when people of both weeks overlap: only who came or left varies.

    With `now` - `both` who came and `before` - `both` who left, the change is the difference of two counts (McNemar).
    """
    came, left = now - both, before - both
    change = compare_counts(left, came, confidence=confidence)
    return Interval(change.low, change.high)
