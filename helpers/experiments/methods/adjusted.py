"""Effects made more precise by what was known before: CUPED of means and ratios, and post-stratification; from moments alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers import stats
from helpers.experiments.counted.moments import Moments
from helpers.experiments.methods.estimates import (
    NOBODY,
    UNKNOWN,
    Estimate,
    Level,
    contrast,
    degrees,
    difference,
    mean_weights,
    ratio_weights,
    relative,
)

THETAS = ("within", "total", "arm")
REDUNDANT = 1e-10  # a covariate of which less than this part is its own is told by the others


@dataclass(frozen=True)
class Adjusted:
    """Both arms after the adjustment, the covariance of the two values, and by how much the variance fell.

    `theta`: the coefficients of the covariates (of control and arm, where each has its own), or the shares of the strata.
    `left`: the variance of the difference over that without adjustment: this part of the people would have been enough.
    """

    control: Level
    arm: Level
    covariance: float
    df: float
    left: float
    theta: np.ndarray
    method: str

    def difference(self, *, confidence: float = 0.95) -> Estimate:
        """As `estimates.difference`."""
        how = {"covariance": self.covariance, "confidence": confidence, "df": self.df}
        return difference(self.control, self.arm, method=self.method, **how)

    def relative(self, *, confidence: float = 0.95, form: str = "fieller") -> Estimate:
        """As `estimates.relative`."""
        return relative(self.control, self.arm, covariance=self.covariance, confidence=confidence, form=form, df=self.df)


def cuped(
    control: Moments, arm: Moments, outcome: str | tuple[str, str], covariates: Sequence[str], *, theta: str = "within"
) -> Adjusted:
    """Means less what the arms' difference in covariates of before the exposure foretells (Deng, Xu, Kohavi and Walker 2013).

    A ratio is adjusted by what each unit moves it (delta method; Deng, Knoblich and Lu 2018); give a ratio of before as its two
    columns. Covariates that do not vary or that others tell are left out. `left` is NaN where an arm does not vary.

    Args:
        outcome: A column; or two, numerator and denominator.
        theta: How the coefficients are found. "within": from both arms' deviations from their own means, as the analysis of
            covariance; its variance counts that they were estimated. "total": from deviations from the common means, as in the
            paper. "arm": for each arm its own (Lin 2013), which holds where the arms vary differently.
    """
    if theta not in THETAS:
        raise ValueError(f'theta is one of {", ".join(THETAS)}, not "{theta}"')
    at = control.at(covariates)
    weighted = [_weights(one, outcome) for one in (control, arm)]
    plain = [contrast(one, *found) for one, found in zip((control, arm), weighted, strict=True)]
    if min(control.n, arm.n) < 2 or any(math.isnan(level.value) for level in plain):
        return Adjusted(NOBODY, NOBODY, 0.0, UNKNOWN, UNKNOWN, np.full(len(at), UNKNOWN), "CUPED")
    thetas = _thetas(control, arm, [found[0] for found in weighted], at, theta)
    common = (control + arm).mean[at]
    levels, shared = [], []
    for moments, (weights, value), own in zip((control, arm), weighted, thetas, strict=True):
        rest = weights.copy()
        rest[at] -= own
        levels.append(contrast(moments, rest, value - float(own @ (moments.mean[at] - common))))
        shared.append(moments.covariances[at] @ rest / (control.n + arm.n))
    if theta != "total":
        levels = _estimated(levels, control, arm, at, thetas, theta)
    df = degrees(*levels) if levels[0].variance + levels[1].variance > 0 else UNKNOWN
    levels, covariance = _around_the_common(levels, shared, control, arm, at, thetas)
    before, after = plain[0].variance + plain[1].variance, levels[0].variance + levels[1].variance - 2 * covariance
    told = np.array(thetas) if theta == "arm" else thetas[0]
    return Adjusted(*levels, covariance, df, after / before if before > 0 else UNKNOWN, told, f"CUPED, {theta}")


def _around_the_common(
    levels: list[Level], shared: list[np.ndarray], control: Moments, arm: Moments, at: list[int], thetas: list[np.ndarray]
) -> tuple[list[Level], float]:
    """The arms' variances and their covariance, as both are adjusted to the covariates' common mean, which is random, too.

    Args:
        shared: For control and arm, the covariance of what the covariates leave with that common mean.
    """
    inner = np.ix_(at, at)
    of_mean = sum(one.covariances[inner] * one.n for one in (control, arm)) / (control.n + arm.n) ** 2
    made = [
        level._replace(variance=level.variance + float(2 * own @ with_mean + own @ of_mean @ own))
        for level, own, with_mean in zip(levels, thetas, shared, strict=True)
    ]
    return made, float(thetas[0] @ of_mean @ thetas[1] + shared[0] @ thetas[1] + shared[1] @ thetas[0])


def _weights(moments: Moments, outcome: str | tuple[str, str]) -> tuple[np.ndarray, float]:
    return mean_weights(moments, outcome) if isinstance(outcome, str) else ratio_weights(moments, *outcome)


def _thetas(control: Moments, arm: Moments, weights: list[np.ndarray], at: list[int], how: str) -> list[np.ndarray]:
    """Of control and of the arm."""
    pairs = list(zip((control.cross, arm.cross), weights, strict=True))
    if how == "arm":
        return [_solve(cross[np.ix_(at, at)], cross[at] @ own) for cross, own in pairs]
    inner = sum(cross[np.ix_(at, at)] for cross, _ in pairs)
    outer = sum(cross[at] @ own for cross, own in pairs)
    if how == "total":
        total = (control + arm).cross
        between = total - control.cross - arm.cross
        inner = total[np.ix_(at, at)]
        share = arm.n / (control.n + arm.n)
        outer = outer + between[at] @ ((1 - share) * weights[0] + share * weights[1])
    found = _solve(inner, outer)
    return [found, found]


def _solve(inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Coefficients of those covariates that are not told by the others; 0 for the rest."""
    scale = np.sqrt(np.diag(inner))
    safe = np.where(scale > 0, scale, 1.0)
    found = np.linalg.pinv(inner / np.outer(safe, safe), rcond=REDUNDANT, hermitian=True) @ (outer / safe)
    return np.where(scale > 0, found / safe, 0.0)


def _estimated(
    levels: list[Level], control: Moments, arm: Moments, at: list[int], thetas: list[np.ndarray], how: str
) -> list[Level]:
    """Their variances, larger by what the estimated coefficients add: the usual ones of least squares."""
    counted = [int(np.count_nonzero(own)) for own in thetas]
    made = []
    for moments, level, k in zip((control, arm), levels, counted, strict=True):
        if how == "arm":
            step, cross = moments.mean[at] - (control + arm).mean[at], moments.cross
            free, own = moments.n - 1 - k, moments.n - 1
            reach = moments.n * float(step @ _solve(cross[np.ix_(at, at)], step))
        else:
            step, cross = arm.mean[at] - control.mean[at], control.cross + arm.cross
            own = control.n + arm.n - 2
            free, reach = own - k, float(step @ _solve(cross[np.ix_(at, at)], step)) / (1 / control.n + 1 / arm.n)
        if free < 1:
            return [NOBODY._replace(value=one.value) for one in levels]
        made.append(Level(level.value, level.variance * own / free * (1 + reach), level.df * free / own))
    return made


def post_stratified(
    strata: Sequence[tuple[Moments, Moments]], outcome: str | tuple[str, str], *, binary: bool = False
) -> Adjusted:
    """Arms as if both were made up of the strata in the same shares, those of all units (Miratrix, Sekhon and Yu 2013).

    The shares are random, too: the strata's differences vary among themselves, and that is counted in. Strata in which an arm has
    fewer than 2 units are taken together, with the smallest other if need be.

    Args:
        strata: Of each stratum control and arm.
        binary: The variance of a share, p (1 - p) / n.
    """
    strata = _thick([pair for pair in strata if pair[0].n + pair[1].n])
    if not strata:
        return Adjusted(NOBODY, NOBODY, 0.0, UNKNOWN, UNKNOWN, np.array([]), "post-stratified")
    sizes = np.array([control.n + arm.n for control, arm in strata], dtype=float)
    shares = sizes / sizes.sum()
    means = [np.array([pair[side].mean for pair in strata]) for side in (0, 1)]
    sides = [shares @ one for one in means]
    weighted = [_weights(_at(strata[0][side], sides[side]), outcome) for side in (0, 1)]
    if any(math.isnan(value) for _, value in weighted):
        return Adjusted(NOBODY, NOBODY, 0.0, UNKNOWN, UNKNOWN, shares, "post-stratified")
    moved = [one @ weights for one, (weights, _) in zip(means, weighted, strict=True)]  # what each stratum adds
    between = np.cov(np.array(moved), aweights=shares, ddof=0).reshape(2, 2) / sizes.sum()
    levels = []
    for side, (weights, value) in enumerate(weighted):
        within = [weights @ pair[side].cross @ weights / (pair[side].n - (not binary)) / pair[side].n for pair in strata]
        variance = float(shares**2 @ np.array(within))
        rough = (stats.ROUNDING * float(np.abs(weights) @ np.abs(sides[side]))) ** 2
        free = math.inf if binary else sum(pair[side].n - 1 for pair in strata)
        variance = variance + float(between[side, side]) if variance > rough else 0.0
        levels.append(Level(value, variance, free))
    covariance = float(between[0, 1]) if min(level.variance for level in levels) > 0 else 0.0
    together = [contrast(one, *_weights(one, outcome)) for one in _both(strata)]
    before, after = together[0].variance + together[1].variance, levels[0].variance + levels[1].variance - 2 * covariance
    left = after / before if before > 0 else UNKNOWN
    df = degrees(*levels) if after > 0 else UNKNOWN
    return Adjusted(*levels, covariance, df, left, shares, "post-stratified")


def _at(moments: Moments, mean: np.ndarray) -> Moments:
    return Moments(moments.names, moments.n, mean, moments.cross)


def _thick(strata: list[tuple[Moments, Moments]]) -> list[tuple[Moments, Moments]]:
    """Strata with at least two units an arm; none where that cannot be had."""
    thick = [pair for pair in strata if min(pair[0].n, pair[1].n) > 1]
    thin = [pair for pair in strata if min(pair[0].n, pair[1].n) < 2]
    if not thin:
        return thick
    rest = _both(thin)
    if min(rest[0].n, rest[1].n) > 1:
        return [*thick, rest]
    if not thick:
        return []
    thick.sort(key=lambda pair: pair[0].n + pair[1].n)
    return [_both([thick[0], rest]), *thick[1:]]


def _both(pairs: list[tuple[Moments, Moments]]) -> tuple[Moments, Moments]:
    return Moments.total(control for control, _ in pairs), Moments.total(arm for _, arm in pairs)
