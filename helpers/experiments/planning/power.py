"""What a test of so many users can tell: power, the smallest effect it would find, the users that an effect needs.

Means go by the noncentral t of Welch. Shares go by the normal formula; without an effect both arms vary as the control does
(the calculator of Evan Miller), or `pooled` as all users together (Fleiss 1981), which is what our test of shares does:
for a rise from 10 to 13 % the first promises a power of 0.80 and the second 0.77, which is also what comes.
A ratio metric is a mean with the variance that `ratio_variance` gives; CUPED makes it `left_variance`. The arm may be `ratio`
times as large as the control. An effect has a sign where its size matters (a share that falls varies otherwise than one that
rises).
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, nct, norm, t

from helpers.errors import InputError
from helpers.experiments.planning import checks

NORMAL_FROM = 1e8  # degrees of freedom: the noncentral t is then normal to 8 digits
FAR = 1e3  # standard errors; the noncentral t is not computed beyond
MOST_USERS = 1e15
LEAST_USERS = 2.0


def power_of_means(
    effect: float, variances: tuple[float, float], users: tuple[float, float], *,
    alpha: float = 0.05, sides: int = 2, comparisons: int = 1,
) -> float:  # fmt: skip
    """Chance that Welch's test (1947) finds the effect.

    Args:
        effect: Arm less control.
        variances, users: Of the control, of the arm.
        comparisons: Tests that share alpha (Bonferroni).
    """
    level = checks.level(alpha, sides, comparisons)
    effect, variances = checks.number(effect, "The effect"), _variances(variances)
    return _power_of_means(effect, variances, _users(users), level, sides)


def _power_of_means(effect: float, variances: tuple, users: tuple, level: float, sides: int) -> float:
    a, b = (variance / n for variance, n in zip(variances, users, strict=True))
    degrees = (a + b) ** 2 / (a**2 / (users[0] - 1) + b**2 / (users[1] - 1))
    away = effect / np.sqrt(a + b)
    found = _tail(away, level, degrees) + (_tail(-away, level, degrees) if sides == 2 else 0.0)
    return float(min(max(found, 0.0), 1.0))


def _tail(away: float, level: float, degrees: float) -> float:
    """Chance of the noncentral t beyond the limit of this level."""
    limit = t.isf(level, degrees)
    if degrees > NORMAL_FROM:
        return norm.sf(limit - away)
    if abs(away) > FAR:  # the mean is sure against its error, only the estimated variance is not
        return chi2.cdf(degrees * (away / limit) ** 2, degrees) if away > 0 else 0.0
    return nct.sf(limit, degrees, away)


def users_for_means(
    effect: float, variances: tuple[float, float], *,
    ratio: float = 1.0, alpha: float = 0.05, power: float = 0.8, sides: int = 2, comparisons: int = 1,
) -> float:  # fmt: skip
    """Users of the control, not rounded, with which Welch's test has the power; the arm has `ratio` times as many."""
    level, power = _asked(alpha, power, sides, comparisons)
    effect, variances = _effect(effect, sides), _variances(variances)
    ratio = checks.number(ratio, "ratio", above=0)
    least = LEAST_USERS * max(1.0, 1 / ratio)

    def lacking(logarithm: float) -> float:
        n = np.exp(logarithm)
        return _power_of_means(effect, variances, (n, ratio * n), level, sides) - power

    if lacking(np.log(least)) >= 0:
        return least
    if lacking(np.log(MOST_USERS)) < 0:
        raise InputError(f"An effect of {effect:g} needs more than {MOST_USERS:g} users. Ask for a larger one.")
    return float(np.exp(brentq(lacking, np.log(least), np.log(MOST_USERS), xtol=1e-12)))


def detectable_mean(
    variances: tuple[float, float], users: tuple[float, float], *,
    alpha: float = 0.05, power: float = 0.8, sides: int = 2, comparisons: int = 1,
) -> float:  # fmt: skip
    """The smallest effect, in the metric's unit, that Welch's test would have found with the power."""
    level, power = _asked(alpha, power, sides, comparisons)
    variances, users = _variances(variances), _users(users)
    error = np.sqrt(sum(variance / n for variance, n in zip(variances, users, strict=True)))

    def lacking(effect: float) -> float:
        return _power_of_means(effect * error, variances, users, level, sides) - power

    far = 4.0
    while lacking(far) < 0:
        far *= 2
    return float(error * brentq(lacking, 0.0, far, xtol=1e-12))


def power_of_shares(
    base: float, effect: float, users: tuple[float, float], *,
    alpha: float = 0.05, sides: int = 2, comparisons: int = 1, pooled: bool = False,
) -> float:  # fmt: skip
    """Chance that the test of two shares finds the effect: control at `base`, arm at `base + effect`."""
    level = checks.level(alpha, sides, comparisons)
    quiet, moved = _share_errors(base, effect, *_users(users), pooled)
    limit = norm.isf(level) * quiet
    return float(norm.sf((limit - abs(effect)) / moved))


def users_for_shares(
    base: float, effect: float, *,
    ratio: float = 1.0, alpha: float = 0.05, power: float = 0.8, sides: int = 2, comparisons: int = 1,
    pooled: bool = False,
) -> float:  # fmt: skip
    """Users of the control, not rounded, with which the test of two shares has the power; the arm has `ratio` times as many."""
    level, power = _asked(alpha, power, sides, comparisons)
    effect = checks.number(effect, "The effect")
    if effect == 0:
        raise InputError("The effect is 0, and no number of users finds that. Ask for the smallest one that matters.")
    quiet, moved = _share_errors(base, effect, 1.0, checks.number(ratio, "ratio", above=0), pooled)
    return float(((norm.isf(level) * quiet + norm.isf(1 - power) * moved) / effect) ** 2)


def detectable_share(
    base: float, users: tuple[float, float], *,
    falls: bool = False, alpha: float = 0.05, power: float = 0.8, sides: int = 2, comparisons: int = 1,
    pooled: bool = False,
) -> float:  # fmt: skip
    """The smallest rise of a share (with `falls`, the smallest fall, below 0) that would have been found.

    NaN where even a share of 1 (or 0) would not have been.
    """
    _, power = _asked(alpha, power, sides, comparisons)
    base, users = checks.number(base, "The base rate", above=0, below=1), _users(users)
    most, how = -base if falls else 1 - base, {"alpha": alpha, "sides": sides, "comparisons": comparisons, "pooled": pooled}

    def lacking(part: float) -> float:
        return power_of_shares(base, part * most, users, **how) - power

    if lacking(1.0) < 0:
        return np.nan
    return float(most * brentq(lacking, 0.0, 1.0, xtol=1e-14))


def absolute(relative: float, base: float) -> float:
    """A relative effect in the metric's unit, given the control's mean or share: over the size of it, so the sign stays."""
    base = checks.number(base, "The control's mean")
    if base == 0:
        raise InputError("The control's mean is 0, so no effect is relative to it. Give the wanted effect in the metric's unit.")
    return checks.number(relative, "The relative effect") * abs(base)


def ratio_variance(means: tuple[float, float], variances: tuple[float, float], covariance: float) -> float:
    """Variance of one user in a ratio metric, sum over sum, by the delta method (Deng, Knoblich and Lu 2018).

    Args:
        means, variances: Of the upper and of the lower quantity of a user.
        covariance: Between the two.
    """
    upper, lower = (checks.number(mean, "A mean") for mean in means)
    if lower == 0:
        raise InputError("The lower quantity of the ratio is 0 on average, so the ratio has no value.")
    above, below = (checks.number(variance, "A variance") for variance in variances)
    over = upper / lower
    found = (above - 2 * over * checks.number(covariance, "The covariance") + over**2 * below) / lower**2
    if min(above, below) < 0 or found < -1e-9 * (above + over**2 * below) / lower**2:
        raise InputError("These variances and this covariance cannot belong together.")
    return max(found, 0.0)


def left_variance(variance: float, correlation: float) -> float:
    """Variance that CUPED leaves: 1 less the squared correlation with the covariates (Deng, Xu, Kohavi and Walker 2013)."""
    correlation = checks.number(correlation, "The correlation")
    if abs(correlation) > 1:
        raise InputError(f"The correlation is {correlation:g}, must lie between -1 and 1.")
    return checks.number(variance, "The variance") * (1 - correlation**2)


def _asked(alpha: float, power: float, sides: int, comparisons: int) -> tuple[float, float]:
    level = checks.level(alpha, sides, comparisons)
    return level, checks.number(power, "power", above=sides * level, below=1)


def _effect(effect: float, sides: int) -> float:
    """Of one side only a rise is looked for; of two sides only the size matters."""
    effect = checks.number(effect, "The effect")
    if effect == 0 or (sides == 1 and effect < 0):
        raise InputError(f"The effect is {effect:g}. Ask for the smallest one that matters; of one side, above 0.")
    return abs(effect)


def _variances(given: tuple[float, float]) -> tuple[float, float]:
    control, arm = _two(given, "The variances")
    if min(control, arm) < 0 or max(control, arm) == 0:
        raise InputError("The variances must be 0 or more, one of them above 0: a metric that is constant tells nothing.")
    return control, arm


def _users(given: tuple[float, float]) -> tuple[float, float]:
    control, arm = _two(given, "The users")
    if min(control, arm) < LEAST_USERS:
        raise InputError(f"There are {control:g} and {arm:g} users; each arm needs at least 2.")
    return control, arm


def _two(given: tuple[float, float], name: str) -> tuple[float, float]:
    told = checks.numbers(given, name)
    if told.shape != (2,):
        raise InputError(f"{name} must be two numbers: of the control, of the arm.")
    return float(told[0]), float(told[1])


def _share_errors(base: float, effect: float, n: float, n_arm: float, pooled: bool) -> tuple[float, float]:
    """Standard error of the difference of shares without and with the effect."""
    base = checks.number(base, "The base rate", above=0, below=1)
    arm = base + checks.number(effect, "The effect")
    if not -1e-12 <= arm <= 1 + 1e-12:
        raise InputError(f"An effect of {effect:g} on a base rate of {base:g} gives a share of {arm:g}, beyond 0 to 1.")
    alike = (n * base + n_arm * arm) / (n + n_arm) if pooled else base
    own, other, none = base * (1 - base), max(arm * (1 - arm), 0.0), alike * (1 - alike)
    return np.sqrt(none / n + none / n_arm), np.sqrt(own / n + other / n_arm)
