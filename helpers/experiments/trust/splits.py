"""Many random splits of the same people at once: the moments of both arms of every split, and the p of each method.

The sums of an arm come out of one product: the matrix of who is in it in which split, times the people's values and their
products. From there on it is the arithmetic of `shares`, `estimates`, `adjusted` and `spread`, for all splits together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import stats
from helpers.experiments.methods.adjusted import REDUNDANT
from helpers.experiments.methods.estimates import UNKNOWN

BLOCK = 2_048  # people of a block; memory is that of splits by people of one block
PARTS = 2**16  # a share is known to this part
QUIET = np.errstate(divide="ignore", invalid="ignore")  # a split may leave an arm empty: its p is NaN


@dataclass(frozen=True)
class Stack:
    """The moments of one arm in many splits: `n` (splits), `mean` (splits by columns), `cross` (splits by columns by columns)."""

    n: np.ndarray
    mean: np.ndarray
    cross: np.ndarray

    @property
    def covariances(self) -> np.ndarray:
        """With n - 1, as those of `Moments`."""
        return self.cross / (self.n - 1)[:, None, None]


def stacks(
    people: pd.DataFrame, asked: dict[str, list[str]], parts: tuple[float, float], *, seed: int, splits: int
) -> dict[str, tuple[Stack, Stack]]:
    """For each name the moments of control and of the arm in every split, of people who have a value in all of its columns.

    Args:
        people: One row a person; neither the order of its rows nor that of its columns plays a part.
        asked: Columns by name.
        parts: Shares of control and of the arm; the rest is in other arms.
    """
    if not asked:
        return {}
    prepared = {name: _prepared(people[columns].to_numpy(dtype=float)) for name, columns in asked.items()}
    matrix = np.concatenate([columns for columns, _ in prepared.values()], axis=1)[order(people)]
    totals, found, at = _products(matrix, parts, seed, splits), {}, 0
    for name, (columns, shift) in prepared.items():
        own = totals[:, :, at : at + columns.shape[1]]
        found[name] = (_stack(own[0], shift), _stack(own[1], shift))
        at += columns.shape[1]
    return found


def order(people: pd.DataFrame) -> np.ndarray:
    """By the values themselves, so that the splits do not depend on the order in which the rows came."""
    names = sorted(people.columns)
    return np.lexsort([people[name].to_numpy(dtype=float) for name in reversed(names)])


def _prepared(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One, the values near their means, and their products, of rows without a gap; zeros for others. And the means."""
    there = ~np.isnan(values).any(axis=1)
    shift = values[there].mean(axis=0) if there.any() else np.zeros(values.shape[1])
    near = np.where(there[:, None], values - shift, 0.0)
    near[:, np.abs(near).max(axis=0, initial=0.0) <= stats.ROUNDING * np.abs(shift)] = 0.0  # the rounding of a constant
    pairs = [near[:, a] * near[:, b] for a in range(len(shift)) for b in range(a + 1)]
    return np.column_stack([there.astype(float), near, *pairs]), shift


def _products(matrix: np.ndarray, parts: tuple[float, float], seed: int, splits: int) -> np.ndarray:
    """Sums of the columns in both arms (2 by splits by columns): the matrix of who is in it, times the people's."""
    random, totals = np.random.default_rng(seed), np.zeros((2, splits, matrix.shape[1]))
    for start in range(0, len(matrix), BLOCK):
        block = matrix[start : start + BLOCK]
        for side, inside in enumerate(drawn(random, (splits, len(block)), parts)):
            totals[side] += inside.astype(float) @ block
    return totals


def drawn(random: np.random.Generator, shape: tuple[int, int], parts: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Who is in control and who in the arm; the rest is in other arms."""
    tickets = random.integers(0, PARTS, shape, dtype=np.uint16)
    ends = np.round(np.cumsum(parts) * PARTS)
    return tickets < ends[0], (tickets >= ends[0]) & (tickets < ends[1])


@QUIET
def _stack(sums: np.ndarray, shift: np.ndarray) -> Stack:
    k = len(shift)
    n = sums[:, 0]
    near = sums[:, 1 : 1 + k] / n[:, None]
    cross = np.empty((len(n), k, k))
    pairs = iter(range(1 + k, sums.shape[1]))
    for a in range(k):
        for b in range(a + 1):
            cross[:, a, b] = cross[:, b, a] = sums[:, next(pairs)] - n * near[:, a] * near[:, b]
    return Stack(n, near + shift, cross)


@QUIET
def of_shares(control: Stack, arm: Stack) -> np.ndarray:
    """p of the score test, as `shares.compare` has it."""
    pooled = (control.n * control.mean[:, 0] + arm.n * arm.mean[:, 0]) / (control.n + arm.n)
    se = np.sqrt(np.maximum(pooled * (1 - pooled), 0.0) * (1 / control.n + 1 / arm.n))
    z = (arm.mean[:, 0] - control.mean[:, 0]) / se
    p = np.where(se > 1e-12, 2 * distributions.norm.sf(np.abs(z)), 1.0)
    return np.where(np.minimum(control.n, arm.n) < 1, UNKNOWN, p)


@QUIET
def of_levels(control: Stack, arm: Stack, outcome: int) -> np.ndarray:
    """p of Welch, of a mean (`outcome` 1: the first column) or of a ratio by the delta method (2: the first over the second)."""
    levels = [_level(one, _weights(one, outcome)) for one in (control, arm)]
    steps = [_value(one, outcome) for one in (control, arm)]
    variance, df = _welch(levels, (control.n - 1, arm.n - 1))
    return _p(steps[1] - steps[0], variance, df)


@QUIET
def of_cuped(control: Stack, arm: Stack, outcome: int) -> np.ndarray:
    """p of `adjusted.cuped` with common coefficients of all columns after the outcome."""
    both, at = (control, arm), slice(outcome, None)
    weights = [_weights(one, outcome) for one in both]
    inner = control.cross[:, at, at] + arm.cross[:, at, at]
    outer = sum(np.einsum("sij,sj->si", one.cross[:, at], own) for one, own in zip(both, weights, strict=True))
    theta = _solve(inner, outer)
    people = control.n + arm.n
    common = (control.n[:, None] * control.mean[:, at] + arm.n[:, None] * arm.mean[:, at]) / people[:, None]
    step = arm.mean[:, at] - control.mean[:, at]
    reach = np.einsum("si,si->s", step, _solve(inner, step)) / (1 / control.n + 1 / arm.n)
    free = people - 2 - np.count_nonzero(theta, axis=1)
    levels, shared, values, degrees = [], [], [], []
    for one, own in zip(both, weights, strict=True):
        rest = own.copy()
        rest[:, at] -= theta
        values.append(_value(one, outcome) - np.einsum("si,si->s", theta, one.mean[:, at] - common))
        levels.append(_level(one, rest) * (people - 2) / free * (1 + reach))
        shared.append(np.einsum("sij,sj->si", one.covariances[:, at], rest) / people[:, None])
        degrees.append((one.n - 1) * free / (people - 2))
    _, df = _welch(levels, degrees)
    variance = _around(both, levels, shared, theta, at)
    return np.where(free < 1, UNKNOWN, _p(values[1] - values[0], variance, df))


def _around(both: tuple[Stack, Stack], levels: list, shared: list, theta: np.ndarray, at: slice) -> np.ndarray:
    """Of the difference: as both arms are adjusted to one common mean, which is random, their values are not independent."""
    people = both[0].n + both[1].n
    of_mean = sum(one.covariances[:, at, at] * one.n[:, None, None] for one in both) / (people**2)[:, None, None]
    spread = np.einsum("si,sij,sj->s", theta, of_mean, theta)
    with_mean = [np.einsum("si,si->s", theta, one) for one in shared]
    variances = [level + 2 * one + spread for level, one in zip(levels, with_mean, strict=True)]
    return variances[0] + variances[1] - 2 * (spread + with_mean[0] + with_mean[1])


def _value(one: Stack, outcome: int) -> np.ndarray:
    return one.mean[:, 0] if outcome == 1 else one.mean[:, 0] / one.mean[:, 1]


def _weights(one: Stack, outcome: int) -> np.ndarray:
    """By which a value moves with the columns' means."""
    weights = np.zeros_like(one.mean)
    weights[:, 0] = 1.0
    if outcome == 2:
        weights[:, 0] = 1 / one.mean[:, 1]
        weights[:, 1] = -one.mean[:, 0] / one.mean[:, 1] ** 2
    return weights


def _level(one: Stack, weights: np.ndarray) -> np.ndarray:
    """Variance of a value in each split."""
    return np.einsum("si,sij,sj->s", weights, one.covariances, weights) / one.n


def _welch(levels: list[np.ndarray], degrees) -> tuple[np.ndarray, np.ndarray]:
    return levels[0] + levels[1], stats.welch_degrees(levels[0], degrees[0], levels[1], degrees[1])


def _solve(inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Coefficients of those covariates that are not told by the others, as in `adjusted`."""
    scale = np.sqrt(np.maximum(np.diagonal(inner, axis1=1, axis2=2), 0.0))
    safe = np.where(scale > 0, scale, 1.0)
    standard = np.nan_to_num(inner / (safe[:, :, None] * safe[:, None, :]))
    found = np.einsum("sij,sj->si", np.linalg.pinv(standard, rcond=REDUNDANT, hermitian=True), outer / safe)
    return np.where(scale > 0, found / safe, 0.0)


def _p(step: np.ndarray, variance: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Two-sided by Student's t; NaN where nothing varies."""
    return np.where(variance > 0, 2 * distributions.t.sf(np.abs(step) / np.sqrt(variance), df), UNKNOWN)


def of_quantile(values: np.ndarray, share: float, parts: tuple[float, float], *, seed: int, splits: int) -> np.ndarray:
    """p of the difference of two quantiles in random splits, as `spread.quantiles` has it."""
    ordered = np.sort(values[~np.isnan(values)])
    random = np.random.default_rng(seed)
    return np.array([_of_quantiles(ordered, share, drawn(random, (1, len(ordered)), parts)) for _ in range(splits)])


def _of_quantiles(ordered: np.ndarray, share: float, inside: tuple[np.ndarray, np.ndarray]) -> float:
    levels = [_quantile(ordered[one[0]], share) for one in inside]
    variance = levels[0][1] + levels[1][1]
    return float(2 * distributions.norm.sf(abs(levels[1][0] - levels[0][0]) / np.sqrt(variance))) if variance > 0 else UNKNOWN


def _quantile(own: np.ndarray, share: float) -> tuple[float, float]:
    """A quantile of ordered values, with its variance by the order statistics at the ends of a normal interval."""
    n = len(own)
    reach = distributions.norm.ppf(0.975) * np.sqrt(n * share * (1 - share))
    ranks = (n - 1) * share + np.array([0.0, -reach, reach])
    if n < 1 or ranks[1] < 0 or ranks[2] > n - 1:
        return UNKNOWN, UNKNOWN
    value, low, high = np.interp(ranks, np.arange(n), own)
    return value, ((high - low) / (2 * distributions.norm.ppf(0.975))) ** 2 * (n - 1) / n
