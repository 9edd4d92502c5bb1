"""Many effects at once: corrections of p, simultaneous intervals, whether slices differ, and slices shrunk to each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize
from scipy import stats as distributions
from statsmodels.stats.multitest import multipletests

from helpers import stats
from helpers.experiments.methods.estimates import ENDLESS, UNKNOWN, Estimate

OTHERS = ("holm-sidak", "simes-hochberg", "hommel", "fdr_by")
CORRECTIONS = ("bonferroni", "holm", "fdr_bh", *OTHERS)
LEAST_SHRUNK = 4  # slices


def corrected(p, method: str = "holm") -> np.ndarray:
    """p corrected for the family; NaN ones are no part of it.

    Args:
        method: "holm" (1979) for what decides, "fdr_bh" (Benjamini and Hochberg 1995) for what is explored, "bonferroni", or
            one of those that only statsmodels has.
    """
    p = np.asarray(p, dtype=float)
    known = ~np.isnan(p)
    if method == "holm":
        return stats.holm(p)
    if method == "fdr_bh":
        return stats.benjamini_hochberg(p)
    if method == "bonferroni":
        return np.minimum(p * known.sum(), 1.0)
    if method not in OTHERS:
        raise ValueError(f'a family is corrected by {", ".join(CORRECTIONS)}, not "{method}"')
    found = np.full(p.shape, UNKNOWN)
    if known.any():
        with np.errstate(divide="ignore"):  # it takes the logarithm of 0 where p is 1
            found[known] = multipletests(p[known], method=method)[1]
    return found


def simultaneous(size: int, *, confidence: float = 0.95) -> float:
    """The confidence of each of so many intervals at which all hold together (Bonferroni)."""
    return 1 - (1 - confidence) / max(size, 1)


@dataclass(frozen=True)
class Interaction:
    """Cochran's Q (1954) of k effects, on k - 1 degrees of freedom, with its p; `between`, the variance of the true effects by
    Paule and Mandel (1982); `share`, how much of what is seen between them is not chance (Higgins and Thompson 2002).
    """

    q: float
    df: int
    p: float
    between: float
    share: float


def interaction(values, errors) -> Interaction:
    """Do effects of separate slices differ more than by chance? NaN with fewer than two that are known.

    Args:
        values: Effects.
        errors: Their standard errors; effects without one are left out.
    """
    values, errors = _known(values, errors)
    if len(values) < 2:
        return Interaction(UNKNOWN, max(len(values) - 1, 0), UNKNOWN, UNKNOWN, UNKNOWN)
    q, df = _q(values, errors, 0.0), len(values) - 1
    return Interaction(q, df, float(distributions.chi2.sf(q, df)), _between(values, errors), max(1 - df / q, 0.0) if q else 0.0)


def shrunk(values, errors, *, confidence: float = 0.95, family: int | None = None) -> list[Estimate]:
    """Effects of slices drawn to their common mean as far as chance makes them differ (empirical Bayes, Morris 1983).

    The intervals count that the mean and the variance between slices are estimated. With fewer than four slices nothing can be
    learnt of that variance, and the effects stay as they are; without a standard error all is NaN.

    Args:
        values: Effects of separate slices.
        errors: Their standard errors.
        family: How many intervals shall hold together (Bonferroni); 1 for each by itself. By default, all the slices.
    """
    values, errors = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
    known = _are_known(values, errors)
    limit = distributions.norm.ppf(0.5 + simultaneous(family or int(known.sum()), confidence=confidence) / 2)
    drawn, spread = values.copy(), errors**2
    name = "not shrunk"
    if known.sum() >= LEAST_SHRUNK:
        drawn[known], spread[known] = _morris(values[known], errors[known])
        name = "shrunk"
    found = []
    for value, variance, is_known in zip(drawn, spread, known, strict=True):
        if not is_known:
            found.append(Estimate(float(value), method="not shrunk"))
            continue
        se = math.sqrt(variance)
        p = float(2 * distributions.norm.sf(abs(value) / se))
        found.append(Estimate(float(value), float(value - limit * se), float(value + limit * se), p, se, ENDLESS, name))
    return found


def _morris(values: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shrunk effects and their variances (Morris 1983, with one mean for all)."""
    k, between = len(values), _between(values, errors)
    weights = 1 / (errors**2 + between)
    middle = float(weights @ values / weights.sum())
    pull = (k - 3) / (k - 1) * errors**2 * weights
    average = float(weights @ errors**2 / weights.sum())
    doubt = 2 / (k - 3) * pull**2 * (average + between) * weights
    own = 1 - weights / weights.sum()  # a slice is itself a part of the mean
    return values - pull * (values - middle), errors**2 * (1 - own * pull) + doubt * (values - middle) ** 2


def _between(values: np.ndarray, errors: np.ndarray) -> float:
    """The variance between true effects at which Q is what it should be (Paule and Mandel 1982); 0 where chance is enough."""
    df = len(values) - 1
    if _q(values, errors, 0.0) <= df:
        return 0.0
    top = float(values.max() - values.min()) ** 2
    return float(optimize.brentq(lambda between: _q(values, errors, between) - df, 0.0, top, xtol=1e-14 * top))


def _q(values: np.ndarray, errors: np.ndarray, between: float) -> float:
    weights = 1 / (errors**2 + between)
    return float(weights @ (values - weights @ values / weights.sum()) ** 2)


def _known(values: Sequence[float], errors: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    values, errors = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
    known = _are_known(values, errors)
    return values[known], errors[known]


def _are_known(values: np.ndarray, errors: np.ndarray) -> np.ndarray:
    return np.isfinite(values) & np.isfinite(errors) & (np.nan_to_num(errors) > 0)
