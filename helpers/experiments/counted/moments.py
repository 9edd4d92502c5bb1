"""Moments of one arm: all that means, shares, ratios and their adjustment need of it, and additive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

EXACT = 2**53  # whole numbers up to here are exact as floats
EPSILON = 2.0**-52


@dataclass(frozen=True)
class Moments:
    """Count, means and centred cross products of some columns; a sum of moments is that of all the rows.

    `names` (k columns), `n` (rows), `mean` (k; NaN without rows), `cross` (k by k: the sums of the products of two columns'
    deviations from their means).
    """

    names: tuple[str, ...]
    n: int
    mean: np.ndarray
    cross: np.ndarray

    @classmethod
    def empty(cls, names: Sequence[str]) -> Moments:
        """Of no rows."""
        return cls(tuple(names), 0, np.full(len(names), np.nan), np.zeros((len(names), len(names))))

    @classmethod
    def of_rows(cls, rows, names: Sequence[str]) -> Moments:
        """Of an array with one row a unit and one column a name; rows with anything missing (NaN) are left out."""
        rows = np.asarray(rows, dtype=float).reshape(-1, len(names))
        rows = rows[~np.isnan(rows).any(axis=1)]
        if not len(rows):
            return cls.empty(names)
        start = rows[0]
        near = rows - start
        mean = near.mean(axis=0)
        centred = near - mean
        centred -= centred.mean(axis=0)  # what rounding has left of the mean
        return cls(tuple(names), len(rows), start + mean, centred.T @ centred)

    @classmethod
    def of_sums(cls, names: Sequence[str], n: int, sums, products, shift=0) -> Moments:
        """Of the sums of (value - shift) and of the products of any two columns of them (k by k, symmetric).

        Whole numbers, decimals and fractions are reckoned with exactly. Of sums that were rounded, a variance within their
        rounding is 0: such sums must be taken near the mean, which `shift` (a number, or one a column) is for.
        """
        names, n = tuple(names), int(n)
        if n <= 0:
            return cls.empty(names)
        given = [list(row) for row in products]
        exact = [_fraction(total) for total in sums]
        shifts = [_fraction(one) for one in np.broadcast_to(np.asarray(shift, dtype=object), len(names))]
        mean = np.array([float(own + total / n) for own, total in zip(shifts, exact, strict=True)])
        cross = np.zeros((len(names), len(names)))
        for a in range(len(names)):
            for b in range(a + 1):
                cross[a, b] = cross[b, a] = float(_fraction(given[a][b]) - exact[a] * exact[b] / n)
        flat = [_is_flat(n, cross[a, a], sums[a], given[a][a]) for a in range(len(names))]
        cross[flat, :], cross[:, flat] = 0.0, 0.0
        return cls(names, n, mean, cross)

    def __add__(self, other: Moments) -> Moments:
        """Of the rows of both, exactly as if taken together (Chan, Golub and LeVeque 1983)."""
        if self.names != other.names:
            raise ValueError(f"moments of {self.names} and of {other.names} are no sum")
        if not other.n or not self.n:
            return other if other.n else self
        n, step = self.n + other.n, other.mean - self.mean
        mean = self.mean + step * (other.n / n) if self.n >= other.n else other.mean - step * (self.n / n)
        return Moments(self.names, n, mean, self.cross + other.cross + np.outer(step, step) * (self.n / n * other.n))

    @staticmethod
    def total(parts: Iterable[Moments]) -> Moments:
        """The sum of at least one."""
        first, *rest = parts
        for part in rest:
            first = first + part
        return first

    def at(self, names: str | Sequence[str]) -> list[int]:
        """Where these columns are."""
        return [self.names.index(name) for name in ([names] if isinstance(names, str) else names)]

    def only(self, names: Sequence[str]) -> Moments:
        """Of these columns alone, in this order."""
        chosen = self.at(names)
        return Moments(tuple(names), self.n, self.mean[chosen], self.cross[np.ix_(chosen, chosen)])

    @property
    def covariances(self) -> np.ndarray:
        """k by k, with n - 1; NaN for fewer than 2 rows."""
        return self.cross / (self.n - 1) if self.n > 1 else np.full(self.cross.shape, np.nan)

    def covariance(self, a: str, b: str) -> float:
        """With n - 1; NaN for fewer than 2 rows."""
        return float(self.covariances[self.names.index(a), self.names.index(b)])

    def variance(self, name: str) -> float:
        """With n - 1; NaN for fewer than 2 rows."""
        return self.covariance(name, name)

    def mean_of(self, name: str) -> float:
        """NaN without rows."""
        return float(self.mean[self.names.index(name)])


def _fraction(number) -> Fraction:
    return Fraction(number.item() if isinstance(number, np.generic) else number)


def _is_flat(n: int, cross: float, total, product) -> bool:
    """Is this sum of squared deviations nothing but the rounding of floats?"""
    if cross <= 0:
        return True
    rounded = any(isinstance(one, float | np.floating) and not (one == int(one) and abs(one) < EXACT) for one in (total, product))
    return rounded and cross <= n * EPSILON * float(product)
