"""The shifted beta-geometric model of how long people stay.

Fader and Hardie, How to project customer retention (2007). Each person ends life with a chance of their own in every period;
the chances are spread like a beta distribution. Who is likely to leave leaves first, so the retention rate of those left
rises although nobody changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.errors import InputError

LEAST, MOST = np.log(1e-4), np.log(1e4)  # of alpha and beta: beyond, the curve changes no more
STEPS, CLOSE = 60, 1e-9
DRAWS, SEED = 500, 2007


class Fit(NamedTuple):
    """alpha and beta of the chance to leave in a period, and the log-likelihood at them; numbers or arrays."""

    alpha: float | np.ndarray
    beta: float | np.ndarray
    log_likelihood: float | np.ndarray


def from_shares(shares: Sequence[float], people: float) -> pd.DataFrame:
    """The table of lives behind a published survival curve.

    Args:
        shares: Shares of `people` alive after each period, the first being 1 (or the same in per cent).
        people: At the beginning.

    Raises:
        InputError: The curve rises or begins at nothing: then it is no survival (as when who left comes back, which
            retention "on" a week counts and "on or after" does not).
    """
    curve = np.asarray(shares, dtype=float)
    if len(curve) < 2 or not curve[0] > 0 or (curve < 0).any() or (np.diff(curve) > 0).any():
        raise InputError(
            f"A survival curve begins above 0 and never rises, but this one is {', '.join(f'{share:g}' for share in curve[:8])}. "
            "Take retention on or after a period, or survival from spells."
        )
    alive = curve / curve[0] * people
    return pd.DataFrame({"week": np.arange(1, len(alive)), "at_risk": alive[:-1], "ended": alive[:-1] - alive[1:]})


def fit(table: pd.DataFrame) -> Fit:
    """The likeliest shifted beta-geometric model of a table of lives, censored ones counting as long as they are watched.

    Args:
        table: One row per period from the first on, without gaps: `at_risk`, `ended`.
    """
    found = fits(table["at_risk"].to_numpy(dtype=float)[None], table["ended"].to_numpy(dtype=float)[None])
    return Fit(*(float(values[0]) for values in found))


def survivors(alpha: float | np.ndarray, beta: float | np.ndarray, periods: int) -> np.ndarray:
    """Shares alive after 0, 1, ... `periods` by the model; of arrays of alpha and beta one row each."""
    rates = retention_rates(alpha, beta, periods)
    return np.concatenate([np.ones_like(rates[..., :1]), np.cumprod(rates, axis=-1)], axis=-1)


def retention_rates(alpha: float | np.ndarray, beta: float | np.ndarray, periods: int) -> np.ndarray:
    """Of those alive after a period the share alive after the next, by the model: (beta + t - 1) / (alpha + beta + t - 1)."""
    alpha, beta = (np.asarray(values, dtype=float)[..., None] for values in (alpha, beta))
    gone = np.arange(periods)
    return (beta + gone) / (alpha + beta + gone)


def fits(at_risk: np.ndarray, ended: np.ndarray) -> Fit:
    """The likeliest models of many tables at once: a row each, a column a period.

    A person in period t ends with the chance alpha / (alpha + beta + t - 1), so the likelihood needs the counts alone.
    Newton's method on the logarithms of alpha and beta, damped until it rises, within 1e-4 and 1e4.
    """
    gone = np.arange(at_risk.shape[1], dtype=float)
    place, value = np.zeros((2, len(at_risk))), np.full(len(at_risk), -np.inf)
    rows, damping = np.arange(len(at_risk)), np.full(len(at_risk), 1e-3)
    here, known = place, _likelihood(place, at_risk, ended, gone)
    for _ in range(STEPS):
        trial = np.clip(here + _step(here, *known[1:], damping), LEAST, MOST)
        new = _likelihood(trial, at_risk[rows], ended[rows], gone)
        better = new[0] >= known[0]
        moved = np.abs(trial - here).max(axis=0)
        here = np.where(better, trial, here)
        known = tuple(np.where(better, after, before) for after, before in zip(new, known, strict=True))
        damping = np.where(better, damping / 10, damping * 10)
        place[:, rows], value[rows] = here, known[0]
        moving = moved > CLOSE
        rows, here, damping = rows[moving], here[:, moving], damping[moving]
        known = tuple(values[..., moving] for values in known)
        if not len(rows):
            break
    return Fit(np.exp(place[0]), np.exp(place[1]), value)


def resampled(table: pd.DataFrame, *, draws: int = DRAWS, seed: int = SEED) -> tuple[np.ndarray, np.ndarray]:
    """`at_risk` and `ended` of as many people drawn with replacement, a row a draw; from counts, so no order matters."""
    at_risk, ended = (table[name].to_numpy(dtype=float) for name in ("at_risk", "ended"))
    censored = np.round(at_risk - ended - np.append(at_risk[1:], 0.0), 9)
    people = at_risk[0]
    chances = np.concatenate([ended, censored]) / people
    drawn = np.random.default_rng(seed).multinomial(round(people), chances / chances.sum(), size=draws).astype(float)
    ends, leaves = drawn[:, : len(ended)], drawn[:, len(ended) :]
    gone = ends + leaves
    return gone[:, ::-1].cumsum(axis=1)[:, ::-1], ends


def band(drawn: np.ndarray, *, confidence: float = 0.95) -> np.ndarray:
    """Lower and upper end of the bootstrap interval of each column: the values that another draw would leave out 1 time in 20."""
    tail = 50 * (1 - confidence)
    return np.percentile(drawn, (tail, 100 - tail), axis=0, method="weibull")


def _likelihood(place: np.ndarray, at_risk: np.ndarray, ended: np.ndarray, gone: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of each row the log-likelihood, its slope (2 x rows) and its second derivatives (aa, ab, bb) by the logarithms."""
    alpha, beta = np.exp(place)
    stay, both = beta[:, None] + gone, (alpha + beta)[:, None] + gone
    going_on, losses = at_risk - ended, ended.sum(axis=1)
    value = losses * place[0] + (going_on * np.log(stay) - at_risk * np.log(both)).sum(axis=1)
    among, squares = (at_risk / both).sum(axis=1), (at_risk / both**2).sum(axis=1)
    by_alpha = losses - alpha * among
    by_beta = beta * ((going_on / stay).sum(axis=1) - among)
    bend = np.stack([
        alpha**2 * squares - alpha * among,
        alpha * beta * squares,
        beta**2 * (squares - (going_on / stay**2).sum(axis=1)) + by_beta,
    ])  # fmt: skip
    return value, np.stack([by_alpha, by_beta]), bend


def _step(place: np.ndarray, slope: np.ndarray, bend: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """Newton's step, damped; what lies on the border and would go beyond stays."""
    fixed = ((place >= MOST) & (slope > 0)) | ((place <= LEAST) & (slope < 0))
    size = np.abs(bend).max(axis=0) + 1e-12
    aa, ab, bb = bend
    low = -(aa + bb) / 2 - np.sqrt((aa - bb) ** 2 / 4 + ab**2)  # the smaller eigenvalue of the curvature
    lift = np.maximum(damping * size, damping * size - low)
    aa, bb = lift - aa, lift - bb
    ab = np.where(fixed.any(axis=0), 0.0, -ab)
    slope = np.where(fixed, 0.0, slope)
    whole = aa * bb - ab**2
    return np.clip(np.stack([bb * slope[0] - ab * slope[1], aa * slope[1] - ab * slope[0]]) / whole, -3, 3)
