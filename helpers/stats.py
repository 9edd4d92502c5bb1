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
ROUNDING = 1e-14  # a standard deviation below this part of the mean is the rounding of a constant
HALVINGS = 45  # of an interval that is at most 2 wide: its ends are then right to 13 digits

UNKNOWN = float("nan")


class Interval(NamedTuple):
    """`low` and `high` end of a confidence interval, in the unit of the estimate."""

    low: float | np.ndarray
    high: float | np.ndarray


class Difference(NamedTuple):
    """A difference (second less first), its interval, its two-sided p-value, and `relative`, the difference over the size
    of the first (NaN where that is 0); each NaN where it is undefined.
    """

    estimate: float
    low: float
    high: float
    p: float
    relative: float


NO_DIFFERENCE_KNOWN = Difference(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)


def wilson(k, n, *, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of k successes in n trials; arrays or numbers; NaN where n is 0 (Wilson 1927)."""
    k, n = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(n > 0, n, np.nan)
        low, high = proportion_confint(k, n, alpha=1 - confidence, method="wilson")
    return Interval(
        np.where((k == 0) & (n > 0), 0.0, low)[()], np.where(k == n, 1.0, high)[()]
    )  # exact, not all but 1e-17


def mean_interval(mean: float, variance: float, n: int, *, confidence: float = 0.95) -> Interval:
    """Student's interval of a mean (1908), given the variance with n - 1; NaN for fewer than 2 values."""
    if n < 2:
        return Interval(UNKNOWN, UNKNOWN)
    half = distributions.t.ppf(0.5 + confidence / 2, n - 1) * np.sqrt(variance / n)
    return Interval(mean - half, mean + half)


def compare_shares(k_first: int, n_first: int, k_second: int, n_second: int, *, confidence: float = 0.95) -> Difference:
    """Two independent shares: the score test without correction and the interval that inverts it.

    So p < 1 - confidence exactly when the interval leaves out zero. Where nobody or everybody succeeded, the shares are
    as alike as can be: p is 1, and the interval says how much the few trials leave open. NaN where an arm is empty.
    """
    if min(n_first, n_second) == 0:
        return NO_DIFFERENCE_KNOWN
    first, second = k_first / n_first, k_second / n_second
    pooled = (k_first + k_second) / (n_first + n_second)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n_first + 1 / n_second))
    p = 2 * distributions.norm.sf(abs(second - first) / error) if error > 0 else 1.0
    low, high = score_interval(k_first, n_first, k_second, n_second, confidence=confidence)
    relative = second / first - 1 if first else UNKNOWN
    return Difference(second - first, float(low), float(high), float(p), relative)


def score_interval(k_first, n_first, k_second, n_second, *, confidence: float = 0.95) -> Interval:
    """The differences of two shares (second less first) that the score test does not reject; arrays or numbers, n above 0.

    Mee (1984): the variance is taken at the likeliest shares that differ by just so much, found in closed form as in
    Farrington and Manning (1990). Without the n / (n - 1) of Miettinen and Nurminen (1985), as the test has none.
    statsmodels' method "score" is not used: it is not antisymmetric (its issue 10269).
    """
    counts = [np.asarray(count, dtype=float) for count in (k_first, n_first, k_second, n_second)]
    limit = distributions.norm.ppf(0.5 + confidence / 2)
    estimate = np.asarray(counts[2] / counts[3] - counts[0] / counts[1])
    outer = np.stack([np.full_like(estimate, -1.0), np.full_like(estimate, 1.0)])
    inner = np.broadcast_to(estimate, outer.shape)
    for _ in range(HALVINGS):
        middle = (inner + outer) / 2
        inside = np.abs(_score(counts, estimate, middle)) <= limit
        inner, outer = np.where(inside, middle, inner), np.where(inside, outer, middle)
    return Interval(*((inner + outer) / 2))


def score_of(k_first: int, n_first: int, k_second: int, n_second: int, *, difference: float) -> float:
    """z of the score test that the second share less the first is `difference` (Farrington and Manning 1990); n above 0."""
    counts = [np.asarray(count, dtype=float) for count in (k_first, n_first, k_second, n_second)]
    return float(_score(counts, counts[2] / counts[3] - counts[0] / counts[1], np.asarray(difference, dtype=float)))


def _score(counts: list[np.ndarray], estimate: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """z of the estimate where the truth is `difference`."""
    k_first, n_first, k_second, n_second = counts
    p, q, ratio = k_second / n_second, k_first / n_first, n_first / n_second
    a = 1 + ratio
    b = -(1 + ratio + p + ratio * q + difference * (ratio + 2))
    c = difference**2 + difference * (2 * p + ratio + 1) + p + ratio * q
    d = -p * difference * (1 + difference)
    v = b**3 / (27 * a**3) - b * c / (6 * a**2) + d / (2 * a)
    u = np.copysign(np.sqrt(np.maximum(b**2 / (9 * a**2) - c / (3 * a), 0)), v)
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = np.arccos(np.clip(np.where(u == 0, 1.0, v / u**3), -1, 1))
        second = 2 * u * np.cos((np.pi + angle) / 3) - b / (3 * a)
        second = np.clip(second, np.maximum(difference, 0), np.minimum(1 + difference, 1))
        first = np.clip(second - difference, 0, 1)
        error = np.sqrt(second * (1 - second) / n_second + first * (1 - first) / n_first)
        return np.where(estimate == difference, 0.0, (estimate - difference) / error)


def compare_means(
    first: tuple[int, float, float], second: tuple[int, float, float], *, confidence: float = 0.95
) -> Difference:
    """Two independent means by Welch (1947), each given as (n, mean, variance with n - 1).

    The interval and p are NaN where an arm has fewer than 2 people or neither varies, all is NaN where an arm is empty.
    """
    (n1, mean1, var1), (n2, mean2, var2) = first, second
    if min(n1, n2) < 1:
        return NO_DIFFERENCE_KNOWN
    difference = mean2 - mean1
    relative = difference / abs(mean1) if mean1 else UNKNOWN
    if min(n1, n2) < 2 or not (_varies(mean1, var1) or _varies(mean2, var2)):
        return Difference(difference, UNKNOWN, UNKNOWN, UNKNOWN, relative)
    a, b = var1 / n1, var2 / n2
    degrees = welch_degrees(a, n1 - 1, b, n2 - 1)
    error = np.sqrt(a + b)
    half = distributions.t.ppf(0.5 + confidence / 2, degrees) * error
    p = 2 * distributions.t.sf(abs(difference) / error, degrees)
    return Difference(*(float(found) for found in (difference, difference - half, difference + half, p, relative)))


def _varies(mean: float, variance: float) -> bool:
    return variance > (ROUNDING * abs(mean)) ** 2


def welch_degrees(first: float, degrees_first: float, second: float, degrees_second: float) -> float:
    """Degrees of freedom of the sum of two squared standard errors (Satterthwaite 1946, Welch 1947)."""
    share = first / (first + second)  # so that no square leaves the range of floats
    return 1 / (share**2 / degrees_first + (1 - share) ** 2 / degrees_second)


def compare_totals(first: tuple[float, float], second: tuple[float, float], *, confidence: float = 0.95) -> Difference:
    """Two totals of independent parts whose number is Poisson, each given as (total, sum of the parts' squares).

    A compound Poisson total varies as the sum of squares of its parts. Normal interval and test of the difference, so p
    and interval agree; NaN both where there is no part at all.
    """
    (before, squares_before), (now, squares_now) = first, second
    difference, error = now - before, np.sqrt(squares_before + squares_now)
    relative = difference / abs(before) if before else UNKNOWN
    if not error > 0:
        return Difference(difference, UNKNOWN, UNKNOWN, UNKNOWN, relative)
    half = distributions.norm.ppf(0.5 + confidence / 2) * error
    p = 2 * distributions.norm.sf(abs(difference) / error)
    return Difference(*(float(found) for found in (difference, difference - half, difference + half, p, relative)))


def compare_counts(before: float, now: float, *, confidence: float = 0.95) -> Difference:
    """Two Poisson counts: as `compare_totals`, each part counting 1; this is the score test of equal rates."""
    return compare_totals((before, before), (now, now), confidence=confidence)


def compare_pairs(first_only: int, second_only: int, n: int, *, confidence: float = 0.95) -> Difference:
    """Two shares of the same n people, of whom so many succeeded only in the first or only in the second way.

    McNemar's test (1947) without correction, and the interval of Tango (1998) that inverts it: p < 1 - confidence exactly when
    the interval leaves out zero. `relative` is NaN, since it would need those who succeeded in both ways. NaN where n is 0.
    """
    if not n:
        return NO_DIFFERENCE_KNOWN
    limit, estimate = distributions.norm.ppf(0.5 + confidence / 2), (second_only - first_only) / n
    outer, inner = np.array([-1.0, 1.0]), np.array([estimate, estimate])
    for _ in range(HALVINGS):
        middle = (inner + outer) / 2
        inside = np.abs(_paired_score(first_only, second_only, n, middle)) <= limit
        inner, outer = np.where(inside, middle, inner), np.where(inside, outer, middle)
    apart = first_only + second_only
    p = 2 * distributions.norm.sf(abs(second_only - first_only) / np.sqrt(apart)) if apart else 1.0
    low, high = (inner + outer) / 2
    return Difference(estimate, float(low), float(high), float(p), UNKNOWN)


def _paired_score(first_only: int, second_only: int, n: int, difference: np.ndarray) -> np.ndarray:
    """z of the counts where the truth is `difference`, at the likeliest share of those who succeed only in the first way."""
    b = (2 * n - second_only + first_only) * difference - second_only - first_only
    c = -first_only * difference * (1 - difference)
    share = (np.sqrt(np.maximum(b**2 - 8 * n * c, 0)) - b) / (4 * n)
    error = np.sqrt(np.maximum(n * (2 * share + difference * (1 - difference)), 0))
    step = second_only - first_only - n * difference
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(step == 0, 0.0, step / error)


def sample_ratio(observed: list[int], planned: list[float]) -> float:
    """p of Pearson's chi-square (1900) of the arms' sizes against the planned shares, which need not add to 1.

    NaN with fewer than two arms, nobody in any, or a planned share of 0.
    """
    return sample_ratio_test(observed, planned).p if len(planned) and min(planned) > 0 else UNKNOWN


class ChiSquare(NamedTuple):
    """A chi-square statistic, its degrees of freedom and its p; the statistic and p are NaN where there is nothing to test."""

    statistic: float
    degrees: int
    p: float


def sample_ratio_test(observed: list[int], planned: list[float]) -> ChiSquare:
    """Pearson's chi-square of the arms' sizes, as in `sample_ratio`; arms with a planned share of 0 are left out."""
    pairs = [(count, share) for count, share in zip(observed, planned, strict=True) if share > 0]
    counts, shares = np.array(pairs, dtype=float).reshape(-1, 2).T
    if len(pairs) < 2 or not counts.sum():
        return ChiSquare(UNKNOWN, max(len(pairs) - 1, 0), UNKNOWN)
    expected = shares / shares.sum() * counts.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return ChiSquare(statistic, len(pairs) - 1, float(distributions.chi2.sf(statistic, len(pairs) - 1)))


def holm(p) -> np.ndarray:
    """p corrected by Holm (1979): the chance of any false finding in the family stays below alpha. NaN ones are no part of it.

    statsmodels has it, too, but clears all memory up before it answers.
    """
    return _corrected(p, lambda known: np.maximum.accumulate(known * np.arange(len(known), 0, -1)))


def benjamini_hochberg(p) -> np.ndarray:
    """p corrected by Benjamini and Hochberg (1995): the expected share of false findings among all stays below alpha."""

    def step_up(known: np.ndarray) -> np.ndarray:
        raised = known * len(known) / np.arange(1, len(known) + 1)
        return np.minimum.accumulate(raised[::-1])[::-1]

    return _corrected(p, step_up)


def _corrected(p, rule) -> np.ndarray:
    """The rule on those that are known, in ascending order; at most 1."""
    p = np.asarray(p, dtype=float)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    corrected = np.full(p.shape, UNKNOWN)
    corrected[order] = np.minimum(rule(p[order]), 1.0)
    return corrected
