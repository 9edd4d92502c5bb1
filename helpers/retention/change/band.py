"""The usual band of a series, from its own past: where its next value would lie if nothing out of the ordinary happened.

Robust exponential smoothing with a damped trend (Gelper, Fried and Croux 2010) foretells each value from those before it; the
band is as wide as its earlier mistakes, measured by Qn (Rousseeuw and Croux 1993). A week is never in its own band.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats as distributions

FAMILY = 0.95  # of usual weeks, in which none of all the numbers that are watched together leaves its band
LEAST_VALUES = 8  # before a value, for it to have a band
WARMING_UP = 3  # the first values, whose mistakes tell nothing
LEAST_MISTAKES = LEAST_VALUES - WARMING_UP
MISTAKES = 26  # the last that count
DAMPING = 0.9  # of the trend, from a period to the next
CLIPPED = 2.0  # spreads: a mistake beyond them moves the smoothing no further
# What of a new value enters the level, and of that the trend: the pair with the least mistakes so far is taken.
LEVEL, TREND = (grid.ravel() for grid in np.meshgrid([0.1, 0.2, 0.4, 0.7, 1.0], [0.0, 0.3]))
QN = 2.2219  # makes Qn the standard deviation of what is normal
EFFICIENCY = 0.8  # of Qn: so much of a mistake counts as a degree of freedom

WEEKDAYS, WEEKS_OF_YEAR = 7, 52
LEAST_CYCLES = {WEEKDAYS: 3, WEEKS_OF_YEAR: 2}
HALF_YEAR = 26  # weeks after which the year is learnt anew
YEARS = 4 * WEEKS_OF_YEAR  # weeks from which it is learnt
ITERATIONS = {"inner_iter": 1, "outer_iter": 5}  # of STL; further ones hardly move a season
REMEMBERED = 8  # weeks from which weekdays are learnt


class Bands(NamedTuple):
    """`low` and `high` ends and `p`, how likely a usual value lies as far off (all shaped as the series; NaN where there is no
    band), and `missing`: how many more values each series needs for its next value to have a band.
    """

    low: pd.DataFrame
    high: pd.DataFrame
    p: pd.DataFrame
    missing: pd.Series


def confidence_of(watched: int) -> float:
    """Of the band of each of so many numbers that are watched together (Šidák 1967): by chance alone at least one leaves its
    band in one usual week of twenty."""
    return FAMILY ** (1 / watched)


def bands(
    values: pd.DataFrame, *, confidence: float, noise: pd.DataFrame | None = None, every: str = ""
) -> Bands:
    """The usual band of each value of some series, each from its earlier values alone.

    Args:
        values: A row a period, in order and without gaps; a column a series. NaN where a value is unknown.
        confidence: Of the band: the share of usual values that lie in it.
        noise: The standard error that sampling alone gives each value, known before it (of a share, from the size of its
            group); of some of the columns. Their bands are never narrower. Without it the series alone decides.
        every: "day": the weekday counts, once there are 3 weeks; "week"; both have a yearly season once there are two
            years (STL, Cleveland and others 1990). "": no season.
    """
    season = np.column_stack([_season(column, every) for column in values.to_numpy(float).T]) if every else 0.0
    given = values.to_numpy(float) - season
    unit, told = np.ones_like(given), np.zeros(given.shape[1])
    if noise is not None:
        at = values.columns.get_indexer(noise.columns)
        unit[:, at], told[at] = noise.to_numpy(float), 1.0
    foretold, spread, degrees = _foretold(given, unit, floor=told)
    half = distributions.t.ppf(0.5 + confidence / 2, degrees) * spread
    away = np.divide(np.abs(given - foretold), spread, out=np.where(given == foretold, 0.0, np.inf), where=spread > 0)
    p = np.where(np.isfinite(half) & np.isfinite(given), 2 * distributions.t.sf(away, degrees), np.nan)
    shaped = [pd.DataFrame(found, values.index, values.columns)
              for found in (foretold - half + season, foretold + half + season, p)]  # fmt: skip
    seen = pd.Series(np.isfinite(given).sum(axis=0), values.columns)
    return Bands(*shaped, (LEAST_VALUES - seen).clip(lower=0))


def _foretold(given: np.ndarray, unit: np.ndarray, *, floor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each value what was foretold, how far off that usually is (NaN where too little is known), and degrees of freedom."""
    periods, series = given.shape
    level, trend = (np.full((series, len(LEVEL)), start) for start in (np.nan, 0.0))
    loss, seen, each = np.zeros_like(level), np.zeros(series), np.arange(series)
    mistakes, foretold, spread, degrees = (np.full_like(given, np.nan) for _ in range(4))
    for at in range(periods):
        ahead = level + DAMPING * trend
        usual, count = _spread(mistakes[max(0, at - MISTAKES) : at])
        usual = np.maximum(usual, floor)
        enough = (seen >= LEAST_VALUES) & (count >= LEAST_MISTAKES)
        foretold[at] = ahead[each, loss.argmin(axis=1)]
        spread[at], degrees[at] = np.where(enough, usual * unit[at], np.nan), EFFICIENCY * count
        now, per = given[at][:, None], unit[at][:, None]
        missed = (now - ahead) / per
        mistakes[at] = np.where(seen >= WARMING_UP, missed[each, loss.argmin(axis=1)], np.nan)
        most = np.where((count >= LEAST_MISTAKES) & (usual > 0), CLIPPED * usual, np.inf)[:, None]
        kept, known = np.clip(missed, -most, most), np.isfinite(missed)
        loss = loss + np.where(known, np.abs(kept), 0.0)
        trend = DAMPING * trend + np.where(known, LEVEL * TREND * kept * per, 0.0)
        gain = np.maximum(LEVEL, 1 / (seen[:, None] + 1))  # at first the level is the mean of all
        level = np.where(known, ahead + gain * kept * per, np.where(np.isnan(level), now, ahead))
        seen = seen + np.isfinite(given[at])
    return foretold, spread, degrees


def _spread(mistakes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far mistakes usually lie from 0, of each series, and how many there are; NaN of fewer than two."""
    known = np.isfinite(mistakes)
    count = known.sum(axis=0)
    if len(mistakes) < 2:
        return np.full(count.shape, np.nan), count
    one, other = np.triu_indices(len(mistakes), 1)
    apart = np.sort(np.abs(mistakes[one] - mistakes[other]), axis=0)  # NaN last
    half = count // 2 + 1
    chosen = np.clip(half * (half - 1) // 2 - 1, 0, len(apart) - 1)
    small = np.where(count % 2, count / (count + 1.4), count / (count + 3.8))  # Croux and Rousseeuw 1992, for few values
    scale = QN * small * apart[chosen, np.arange(apart.shape[1])]
    ordered = np.sort(mistakes, axis=0)
    ends = [ordered[np.clip(at, 0, len(ordered) - 1), np.arange(ordered.shape[1])] for at in ((count - 1) // 2, count // 2)]
    return np.where(count > 1, np.hypot(scale, (ends[0] + ends[1]) / 2), np.nan), count


def _season(values: np.ndarray, every: str) -> np.ndarray:
    """What the season adds to each value, learnt from those before; NaN (no value) while the weekdays are not yet known."""
    if every == "week":
        return _learnt(values, WEEKS_OF_YEAR, HALF_YEAR, most=YEARS)
    year = np.zeros(len(values))
    if len(values) > LEAST_CYCLES[WEEKS_OF_YEAR] * WEEKS_OF_YEAR * WEEKDAYS:  # learnt from whole weeks, held for their days
        whole = len(values) // WEEKDAYS * WEEKDAYS
        weeks = pd.DataFrame(values[:whole].reshape(-1, WEEKDAYS)).mean(axis=1).to_numpy()
        found = _learnt(np.r_[weeks, np.nan], WEEKS_OF_YEAR, HALF_YEAR, most=YEARS)
        year = np.repeat(found, WEEKDAYS)[: len(values)]
    found = year + _learnt(values - year, WEEKDAYS, WEEKDAYS, most=REMEMBERED * WEEKDAYS)
    found[: LEAST_CYCLES[WEEKDAYS] * WEEKDAYS] = np.nan
    return found


def _learnt(values: np.ndarray, period: int, length: int, most: int | None = None) -> np.ndarray:
    """What a season adds to each value: learnt anew after so many values, from at most so many before; 0 until it can be."""
    from statsmodels.tsa.seasonal import STL

    found = np.zeros(len(values))
    for first in range(LEAST_CYCLES[period] * period, len(values), length):
        past = pd.Series(values[first - most if most and first > most else 0 : first]).interpolate(limit_direction="both")
        if not past.isna().any():
            cycle = np.asarray(STL(past.to_numpy(), period=period, robust=True).fit(**ITERATIONS).seasonal)[-period:]
            found[first : first + length] = cycle[: min(length, len(values) - first)]
    return found
