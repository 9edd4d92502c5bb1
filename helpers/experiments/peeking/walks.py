"""Chances that a test statistic crosses its boundary at a look, by recursive numerical integration.

Armitage, McPherson and Rowe (1969): what has not crossed at one look is carried to the next by the normal density of what
is learnt between them. The statistic is followed as a sum, whose variance at a look is its share of the information.
Between two edges it is integrated on panels of Gauss and Legendre, narrow against the step, so looks may lie anywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from helpers.errors import InputError

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(16)  # of a panel
PANEL = 8.0  # standard deviations of the smaller step before and after; boundaries are then right to 8 digits
REACH = 10.0  # standard deviations beyond which the normal distribution is left out, 1e-23
CLOSEST = 1e-4  # share that a look must add to the information before it


class Walk(NamedTuple):
    """Where the sum may be after a look: `places`, and the `mass` that each stands for."""

    places: np.ndarray
    mass: np.ndarray

    def above(self, edge: float, step: float, drift: float = 0.0) -> float:
        """Chance to lie above the edge after a further step of this variance."""
        return float(self.mass @ ndtr((self.places + drift * step - edge) / np.sqrt(step)))

    def below(self, edge: float, step: float, drift: float = 0.0) -> float:
        return float(self.mass @ ndtr((edge - self.places - drift * step) / np.sqrt(step)))

    def carried(self, low: float, high: float, step: float, following: float, drift: float = 0.0) -> Walk:
        """What lies between the edges after a step; `following` is the step that comes next."""
        if not low < high:
            return NOWHERE
        panels = int(np.ceil((high - low) / (PANEL * np.sqrt(min(step, following)))))
        half = (high - low) / panels / 2
        middles = low + half * (2 * np.arange(panels) + 1)
        places = (middles[:, None] + half * POINTS).ravel()
        apart = (places[:, None] - self.places - drift * step) / np.sqrt(step)
        density = np.exp(-0.5 * apart * apart) @ self.mass / np.sqrt(2 * np.pi * step)
        return Walk(places, density * np.tile(half * WEIGHTS, panels))


START = Walk(np.zeros(1), np.ones(1))
NOWHERE = Walk(np.zeros(0), np.zeros(0))


class Crossings(NamedTuple):
    """Chances of each look: to cross `up` there first, to cross `down` there first."""

    up: np.ndarray
    down: np.ndarray


def steps(shares: np.ndarray) -> np.ndarray:
    """What each look adds to the information; looks too close to be told apart are refused."""
    added = np.diff(shares, prepend=0.0)
    near = np.flatnonzero(added < CLOSEST * shares)
    if near.size:
        at = near[0]
        raise InputError(
            f"Looks at {shares[at - 1]:g} and {shares[at]:g} of the information are too close. Leave one of them out."
        )
    return added


def edges(z: float, share: float, sides: int, drift: float = 0.0) -> tuple[float, float]:
    """Within which sums a look goes on, cut where the normal distribution ends; a test of one side has no lower edge."""
    spread, centre = np.sqrt(share), drift * share
    high = min(z * spread, centre + REACH * spread)
    low = centre - REACH * spread
    return (max(low, -z * spread) if sides == 2 else low), high


def crossings(z: np.ndarray, shares: np.ndarray, *, sides: int = 2, drift: float = 0.0) -> Crossings:
    """Chances to cross the boundary first at each look.

    Args:
        z: The boundary at each look, in standard errors; of two sides the lower one is -z.
        shares: Information at each look, as a share of a whole; at the whole the statistic has mean `drift` in standard errors.
    """
    added = steps(shares)
    following = np.append(added[1:], added[-1])
    up, down, walk = [], [], START
    for at, (limit, share) in enumerate(zip(z, shares, strict=True)):
        edge = limit * np.sqrt(share)
        up.append(walk.above(edge, added[at], drift))
        down.append(walk.below(-edge, added[at], drift) if sides == 2 else 0.0)
        if at + 1 < len(shares):
            walk = walk.carried(*edges(limit, share, sides, drift), added[at], following[at], drift)
    return Crossings(np.array(up), np.array(down))
