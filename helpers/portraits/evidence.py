"""A group against the rest: ratios and differences of shares and of means, each with an interval and a p that agree.

Everything is vectorised: arrays of counts, means and variances go in, one row of the frame comes out for each.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import stats

CONFIDENCE = 0.95
EXPECTED = 5  # people that a share must let expect, with and without, in the group and in the rest (Cochran 1954)
HALVINGS = 60
COMPARED = ("value", "others", "difference", "low", "high", "lift", "lift_low", "lift_high", "p")


def compare_shares(k, n, k_rest, n_rest) -> pd.DataFrame:
    """Shares of a group and of the rest: the score test, and the intervals of difference and ratio that invert it.

    The difference as in Mee (1984), the ratio as in Koopman (1984): both leave out "no difference" exactly where
    p < 0.05. Where fewer than 5 people would be expected on either side, nothing is judged.

    Returns:
        COMPARED: `value` and `others` (shares), `difference` (value - others) with `low`, `high`, `lift` (value / others)
        with `lift_low`, `lift_high`, and `p`; NaN where undefined.
    """
    k, n, k_rest, n_rest = (np.asarray(count, dtype=float) for count in (k, n, k_rest, n_rest))
    with np.errstate(divide="ignore", invalid="ignore"):
        value, others, pooled = k / n, k_rest / n_rest, (k + k_rest) / (n + n_rest)
        error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / n_rest))
        p = 2 * distributions.norm.sf(np.abs(value - others) / error)
        rarest = np.minimum(n, n_rest) * np.minimum(pooled, 1 - pooled)
        judged = rarest >= EXPECTED
        lift = np.where(k_rest > 0, value / others, np.nan)
    sizes = [np.where(judged, count, 10.0) for count in (k_rest, n_rest, k, n)]  # what is not judged is blanked below
    low, high = stats.score_interval(*sizes, confidence=CONFIDENCE)
    lift_low, lift_high = ratio_interval(*(sizes[at] for at in (2, 3, 0, 1)))
    judgement = {"low": low, "high": high, "lift_low": lift_low, "lift_high": lift_high, "p": p}
    frame = pd.DataFrame({"value": value, "others": others, "difference": value - others, "lift": lift, **judgement})
    return _settled(frame, judged)


def ratio_interval(k, n, k_rest, n_rest) -> stats.Interval:
    """The ratios of two shares (k / n over k_rest / n_rest) that the score test does not reject, n and n_rest above 0.

    Koopman (1984), which is Miettinen and Nurminen (1985) without their n / (n - 1): the variance is taken at the
    likeliest shares with just that ratio. The upper end is infinite where nobody of the rest succeeded.
    """
    counts = [np.asarray(count, dtype=float) for count in (k, n, k_rest, n_rest)]
    first, second = counts[0] / counts[1], counts[2] / counts[3]
    limit = distributions.norm.ppf(0.5 + CONFIDENCE / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.where(first + second > 0, first / (first + second), 0.5)  # of ratio / (1 + ratio), 0 to 1
        outer = np.stack([np.zeros_like(estimate), np.ones_like(estimate)])
        inner = np.broadcast_to(estimate, outer.shape)
        for _ in range(HALVINGS):
            middle = (inner + outer) / 2
            inside = np.abs(_score(counts, middle)) <= limit
            inner, outer = np.where(inside, middle, inner), np.where(inside, outer, middle)
        ends = (inner + outer) / 2
        ends = ends / (1 - ends)
    return stats.Interval(np.where(first > 0, ends[0], 0.0), np.where(second > 0, ends[1], np.inf))


def _score(counts: list[np.ndarray], part: np.ndarray) -> np.ndarray:
    """z of the shares where the truth is the ratio part / (1 - part), which is multiplied away."""
    k, n, k_rest, n_rest = counts
    rest = 1 - part
    b = n * part + k * rest + n_rest * rest + k_rest * part
    c = k + k_rest
    root = b + np.sqrt(np.maximum(b**2 - 4 * (n + n_rest) * part * c * rest, 0))
    likely, likely_rest = 2 * part * c / root, 2 * rest * c / root
    spread = rest**2 * likely * (1 - likely) / n + part**2 * likely_rest * (1 - likely_rest) / n_rest
    return (rest * k / n - part * k_rest / n_rest) / np.sqrt(spread)


def compare_means(n, mean, variance, n_rest, mean_rest, variance_rest) -> pd.DataFrame:
    """Means of a group and of the rest: Welch's test (1947) and his interval of the difference, Fieller's (1954) of the
    ratio with Welch's degrees of freedom, so that all three agree.

    A variance counts as at least that of both together: twenty people without a single payment do not show that people
    like them never pay. Where one side has fewer than 2 people nothing is judged; a ratio needs means of at least 0.

    Returns:
        COMPARED, as `compare_shares`.
    """
    n, mean, variance = (np.asarray(given, dtype=float) for given in (n, mean, variance))
    n_rest, mean_rest, variance_rest = (np.asarray(given, dtype=float) for given in (n_rest, mean_rest, variance_rest))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = n * n_rest / (n + n_rest) * (mean - mean_rest) ** 2
        within = (n - 1) * variance + (n_rest - 1) * variance_rest
        together = (within + between) / (n + n_rest - 1)
        a, b = np.maximum(variance, together) / n, np.maximum(variance_rest, together) / n_rest
        degrees = (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (n_rest - 1))
        t = distributions.t.ppf(0.5 + CONFIDENCE / 2, degrees)
        difference, half = mean - mean_rest, t * np.sqrt(a + b)
        p = 2 * distributions.t.sf(np.abs(difference) / np.sqrt(a + b), degrees)
        lift = np.where((mean_rest > 0) & (mean >= 0), mean / mean_rest, np.nan)
        ends = _fieller(mean, mean_rest, t**2 * a, t**2 * b)
    judgement = {"low": difference - half, "high": difference + half, "lift_low": ends.low, "lift_high": ends.high, "p": p}
    frame = pd.DataFrame({"value": mean, "others": mean_rest, "difference": difference, "lift": lift, **judgement})
    return _settled(frame, np.minimum(n, n_rest) >= 2)


def _fieller(mean, mean_rest, spread, spread_rest) -> stats.Interval:
    """The ratios r with (mean - r x mean_rest)^2 <= spread + r^2 x spread_rest, none below 0.

    Without an upper end where the rest's mean could itself be 0.
    """
    a, b, c = mean_rest**2 - spread_rest, mean * mean_rest, mean**2 - spread
    root = np.sqrt(np.maximum(b**2 - a * c, 0))
    bounded = a > 0
    low, high = (b - root) / a, np.where(bounded, (b + root) / a, np.inf)
    return stats.Interval(np.maximum(np.where(bounded, low, np.where(c > 0, c / (b + root), 0.0)), 0.0), high)


def _settled(frame: pd.DataFrame, judged: np.ndarray) -> pd.DataFrame:
    """Nothing infinite, and no judgement where there is too little to judge by."""
    frame = frame.replace([np.inf, -np.inf], np.nan)
    frame.loc[frame["lift"].isna(), ["lift_low", "lift_high"]] = np.nan
    frame.loc[~judged, ["low", "high", "lift_low", "lift_high", "p"]] = np.nan
    return frame[list(COMPARED)]


def moments(n, total, squares) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances (n - 1) from counts, sums and sums of squares, which are exact decimals; NaN for too few."""
    rows = list(zip((int(count) for count in n), total, squares, strict=True))
    means = [float(one / count) if count else np.nan for count, one, _ in rows]
    spread = [max(square - one * one / count, 0) if count > 1 else None for count, one, square in rows]
    variances = [np.nan if left is None else float(left) / (count - 1) for left, (count, _, _) in zip(spread, rows, strict=True)]
    return np.array(means, dtype=float), np.array(variances, dtype=float)


def discoveries(p) -> np.ndarray:
    """q of each p by Benjamini and Hochberg (1995): calling all with q <= 0.05 is wrong in 5 % of the calls on average.

    An unknown p stays unknown and does not count.
    """
    p = np.asarray(p, dtype=float)
    q, known = np.full(p.shape, np.nan), ~np.isnan(p)
    if known.any():
        q[known] = distributions.false_discovery_control(p[known], method="bh")
    return q
