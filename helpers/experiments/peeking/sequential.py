"""Tests that may be read at every look: intervals and p that hold however often one looks, and a sample ratio likewise.

Both the asymptotic confidence sequence and the mixture sequential probability ratio test weigh a normal mixture of effects
against none; they differ in how the width of the mixture is chosen. None of them ends: reading on costs nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, xlogy

from helpers.errors import InputError
from helpers.experiments.peeking import walks
from helpers.experiments.peeking.group_sequential import Boundaries
from helpers.experiments.planning import checks

CONCENTRATION = 100.0  # of the sample ratio: imbalances of about 5 points of a half are found soonest


class Reading(NamedTuple):
    """An effect with the interval and p that hold at every look; numbers, or arrays of one entry a look."""

    value: float | np.ndarray
    low: float | np.ndarray
    high: float | np.ndarray
    p: float | np.ndarray


class Mixture(NamedTuple):
    """What the mixture test says: `ratio` of likelihoods, its always valid `p`, and `half` the width of the interval."""

    ratio: float | np.ndarray
    p: float | np.ndarray
    half: float | np.ndarray


def mixture(difference, variance, mixing, *, alpha: float = 0.05) -> Mixture:
    """The mixture sequential probability ratio test of no difference (Johari, Koomen, Pekelis and Walsh 2022).

    p is that of this look alone; `lowest_yet` gives the running minimum, which is valid too. p < alpha exactly where the
    interval (difference less and plus `half`) leaves out zero. A ratio beyond the largest number is cut there.

    Args:
        difference: The effect at each look, or at one.
        variance: Its variance (squared standard error); NaN answers where it is 0 or unknown.
        mixing: Variance of the effects that are looked for, chosen before the data.
    """
    alpha = checks.number(alpha, "alpha", above=0, below=1)
    difference, variance, mixing = np.broadcast_arrays(*(np.asarray(one, float) for one in (difference, variance, mixing)))
    if (mixing <= 0).any() or not np.isfinite(mixing).all():
        raise InputError("The mixing variance must be a number above 0.")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        known = (variance > 0) & np.isfinite(variance) & np.isfinite(difference)
        variance = np.where(known, variance, np.nan)
        both = variance + mixing
        logarithm = 0.5 * np.log(variance / both) + 0.5 * (difference / variance) * difference * (mixing / both)
        half = np.sqrt(2 * variance * (both / mixing) * (0.5 * np.log(both / variance) - np.log(alpha)))
    most = np.log(np.finfo(float).max)
    ratio = np.exp(np.minimum(logarithm, most))
    return Mixture(*(found[()] for found in (ratio, np.exp(-np.maximum(logarithm, 0)), half)))


def confidence_sequence(value, error, n, *, tuned_for: float, alpha: float = 0.05) -> Reading:
    """The asymptotic confidence sequence of any effect with a standard error (Waudby-Smith, Arbour, Sinha and others 2024).

    It holds at all looks together once an arm has some hundred users; narrowest at `tuned_for`. p < alpha exactly where
    the interval leaves out zero. NaN where the error is 0 or unknown, or nobody is there.

    Args:
        value: The effect at each look, or at one.
        error: Its standard error.
        n: Users of both arms together.
        tuned_for: Users of both arms at which the plan ends; chosen before the data.
    """
    value, n = np.asarray(value, dtype=float)[()], np.asarray(n, dtype=float)
    rho_squared = _rho_squared(tuned_for, alpha)
    with np.errstate(invalid="ignore"):
        variance = np.where(n > 0, np.square(np.asarray(error, dtype=float)), np.nan)
    safe = np.where(np.isfinite(variance) & (variance > 0), variance * np.where(n > 0, n, 1), 1.0)
    found = mixture(value, variance, rho_squared * safe, alpha=alpha)
    return Reading(value, value - found.half, value + found.half, found.p)


def multiplier(n, *, tuned_for: float, alpha: float = 0.05):
    """What replaces 1.96 standard errors, so that the interval holds at every look.

    With it any interval that inverts a normal test becomes a sequence, such as that of Fieller for a relative effect.
    """
    n = checks.numbers(n, "n")
    if (n <= 0).any():
        raise InputError("n must be above 0.")
    grown = n * _rho_squared(tuned_for, alpha)
    return np.sqrt((1 + 1 / grown) * (np.log1p(grown) - 2 * np.log(alpha)))[()]


def _rho_squared(tuned_for: float, alpha: float) -> float:
    """The width of the mixture, in variances of one user, that is about best at the planned number of users."""
    twice = -2 * np.log(checks.number(alpha, "alpha", above=0, below=1))
    return (twice + np.log1p(twice)) / checks.number(tuned_for, "tuned_for", above=0)


def boundaries(times, *, alpha: float = 0.05) -> Boundaries:
    """The confidence sequence, tuned for the planned end, as a boundary at planned looks.

    So `group_sequential.power_at` and `inflation` say what reading at every look costs. At a finite number of looks less
    than alpha is spent.
    """
    times = checks.rising(times, "The times of the looks")
    z = np.atleast_1d(multiplier(times, tuned_for=1, alpha=alpha))
    crossed = walks.crossings(z, times / times[-1])
    return Boundaries(times, times, z, (crossed.up + crossed.down).cumsum(), alpha, 2)


def lowest_yet(p) -> np.ndarray:
    """The running minimum of p by look; looks that say nothing keep the one before them, and 1 holds before any."""
    return np.fmin.accumulate(np.append(1.0, np.asarray(p, dtype=float)))[1:]


def relative(control: tuple[int, float, float], arm: tuple[int, float, float]) -> tuple[float, float]:
    """The relative effect and its standard error by the delta method, each arm given as (n, mean, variance with n - 1).

    Over the size of the control's mean, so the sign is that of the difference. NaN where that is 0 or an arm has not 2 users.
    """
    (n, mean, variance), (n_arm, mean_arm, variance_arm) = control, arm
    if min(n, n_arm) < 2 or not mean:
        return np.nan, np.nan
    over = mean_arm / mean
    error = np.sqrt(variance_arm / n_arm + over**2 * variance / n) / abs(mean)
    return float((mean_arm - mean) / abs(mean)), float(error)


def sample_ratio(people, planned, *, concentration: float = CONCENTRATION) -> np.ndarray:
    """p of the split after each day, valid at all of them together (Lindon and Malek 2022).

    The likelihood of the arms' sizes under a Dirichlet mixture around the planned shares, over that under the plan itself;
    p is the smallest inverse so far. So under the plan p ever falls below any alpha with a chance of at most alpha.

    Args:
        people: One row a day, one column an arm: people who came that day for the first time.
        planned: The share of each arm, above 0; they need not add to 1.
        concentration: How close to the plan the imbalances are that are looked for; a standard deviation of a share of a
            half is about 1 over twice its root.

    Returns:
        p, one a day; 1 as long as nobody came.
    """
    people, planned = checks.numbers(people, "People by day"), checks.numbers(planned, "The planned shares")
    concentration = checks.number(concentration, "concentration", above=0)
    if planned.ndim != 1 or len(planned) < 2 or (planned <= 0).any():
        raise InputError("The planned shares must be those of at least two arms, each above 0.")
    if people.ndim != 2 or people.shape[1] != len(planned):
        raise InputError(f"People by day must be one row a day with {len(planned)} columns, one for each planned arm.")
    if (people < 0).any() or (people != np.floor(people)).any():
        raise InputError("People by day must be whole numbers from 0 on.")
    shares = planned / planned.sum()
    prior, seen = concentration * shares, people.cumsum(axis=0)
    total = gammaln(concentration) - gammaln(concentration + seen.sum(axis=1))
    logarithm = total + (gammaln(prior + seen) - gammaln(prior) - xlogy(seen, shares)).sum(axis=1)
    return lowest_yet(np.exp(-np.maximum(logarithm, 0)))
