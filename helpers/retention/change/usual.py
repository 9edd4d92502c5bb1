"""Where the numbers of a week usually lie, and what each slice is and does: their series, each in its band."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import contracts
from helpers.retention.change.band import bands, confidence_of
from helpers.retention.change.slices_by_week import PAST, TENURE
from helpers.retention.change.two_spans import SHARE, panels, told

WATCHED = 3  # numbers: those of `usual_weeks` alone
USUAL_WEEKS = contracts.declare(
    "usual_weeks",
    grain="one row per number and ISO week",
    key=["metric", "week"],
    needs="events",
    small=True,
    nullable=("value", "band_low", "band_high"),
    columns={
        "metric": ("string", "", "key of metrics.toml"),
        "week": ("date", "", "Monday; of week-1 retention the week that closes the cohort of the week before"),
        "value": ("float64", "", "the number, in the unit of the metric"),
        "band_low": ("float64", "", "where it usually lies, from the weeks before alone; empty while these are too few"),
        "band_high": ("float64", "", "end of it"),
        "outside": ("boolean", "", "it lies outside its usual band"),
        "n": ("int64", "people", "people whom it describes"),
    },
)


class Usual(NamedTuple):
    """Of one thing that moves in the last week: ends of its usual band, how likely a usual week lies as far off, and how many
    further weeks there must be for a band.
    """

    low: float
    high: float
    p: float
    missing: int


def usual_weeks(weeks: pd.DataFrame, *, paid: bool, watched: int = WATCHED) -> pd.DataFrame:
    """Weekly actives, week-1 retention and net amount of each week, in the usual band of each (contract `usual_weeks`).

    Args:
        weeks: Contract `slice_weeks`.
        paid: Whether the dataset has payments.
        watched: How many numbers are watched together: the more, the wider each band.
    """
    nobody = {"value": "float64", "band_low": "float64", "band_high": "float64", "outside": "bool", "n": "int64"}
    parts = [pd.DataFrame(columns=list(USUAL_WEEKS.columns)).astype(nobody)] if weeks.empty else []
    for metric in told(weeks, paid=paid):
        people, amounts = (panel[["all"]] for panel in panels(weeks, metric))
        moving, least = _moving(people, amounts, metric)
        value = pd.DataFrame(moving["change"], people.index)
        noise = pd.DataFrame(least["change"], people.index) if "change" in least else None
        count = (amounts if metric == "weekly_actives" else people).iloc[:, 0].fillna(0).astype("int64")
        found = _in_band(value, noise, _possible("change", metric), confidence_of(watched)).rename_axis("week").reset_index()
        parts.append(found.assign(metric=metric, n=count.to_numpy()))
    return pd.concat(parts, ignore_index=True)[list(USUAL_WEEKS.columns)]


def usual_days(days: pd.Series) -> pd.DataFrame:
    """A daily count, such as daily actives, in its usual band, which knows the weekdays.

    Args:
        days: The number by day, without gaps.

    Returns:
        `day`, `value`, `band_low`, `band_high` (NaN in the first weeks), `outside`.
    """
    confidence = confidence_of(WATCHED)
    return _in_band(days.astype(float).to_frame(), None, (0.0, np.inf), confidence, every="day").rename_axis("day").reset_index()


def _in_band(
    value: pd.DataFrame, noise: pd.DataFrame | None, possible: tuple[float, float], confidence: float, every: str = "week"
) -> pd.DataFrame:
    found = bands(value, confidence=confidence, noise=noise, every=every)
    known, low, high = value.iloc[:, 0], *(frame.iloc[:, 0].clip(*possible) for frame in (found.low, found.high))
    return pd.DataFrame({"value": known, "band_low": low, "band_high": high, "outside": (known < low) | (known > high)})


def usual_now(
    people: pd.DataFrame, amounts: pd.DataFrame, metric: str, *, confidence: float
) -> dict[tuple[str, str, str], Usual]:
    """Where each thing that moves usually lies in the last week, by part, dimension and slice.

    Args:
        people, amounts: As `panels` gives them.
        confidence: Of each band.
    """
    moving, least = _moving(people, amounts, metric)
    keys = [(part, *place) for part in moving for place in people.columns]
    values = pd.DataFrame(np.hstack(list(moving.values())))
    at = np.arange(values.shape[1]).reshape(len(moving), -1)
    told = np.hstack([at[list(moving).index(part)] for part in least])
    noise = pd.DataFrame(np.hstack(list(least.values())), columns=told)
    found = bands(values, confidence=confidence, noise=noise, every="week")
    last = zip(keys, *(frame.iloc[-1] for frame in found[:3]), found.missing, strict=True)
    return {
        key: Usual(*np.clip((low, high), *_possible(key[0], metric)).tolist(), float(p), int(missing))
        for key, low, high, p, missing in last
    }


def _possible(part: str, metric: str) -> tuple[float, float]:
    """Where what moves can lie at all: a share, people, or an amount, which may be below nothing."""
    if part == "mix" or (part in ("change", "rate") and metric == SHARE) or (part == "rate" and metric == "weekly_actives"):
        return 0.0, 1.0
    return (0.0, np.inf) if part == "size" or metric == "weekly_actives" else (-np.inf, np.inf)


def _moving(people: pd.DataFrame, amounts: pd.DataFrame, metric: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What moves, by part: a whole itself, and of a slice its people, their part of all, and what each does; and the least by
    which chance alone moves it, where that is known. Weeks are rows, slices columns.
    """
    n, k = people.to_numpy().copy(), amounts.to_numpy().copy()
    young = people.columns.get_level_values("dimension") == TENURE
    n[:PAST, young] = k[:PAST, young] = np.nan  # while tenures fill one after another, no week is like the one before
    whole = people.T.groupby(level="dimension").transform("sum").T.to_numpy()
    before, all_before = (_nobody_is_nan(np.vstack([stock[:1] * np.nan, stock[:-1]])) for stock in (n, whole))
    mix, rate = n / _nobody_is_nan(whole), k / _nobody_is_nan(n)
    if metric == SHARE:
        chance = _binomial_noise(k, n, n)
        least = {"change": chance, "size": np.sqrt(np.maximum(n, 1)), "mix": _binomial_noise(n, whole, whole), "rate": chance}
    else:
        least = {"size": _flow_noise(n), "mix": _flow_noise(n) / all_before}
    if metric == "weekly_actives":
        least |= {"change": _flow_noise(k), "rate": _flow_noise(k) / before}
    return {"change": rate if metric == SHARE else k, "size": n, "mix": mix, "rate": rate}, least


def _nobody_is_nan(stock: np.ndarray) -> np.ndarray:
    return np.where(stock > 0, stock, np.nan)


def _binomial_noise(k: np.ndarray, n: np.ndarray, now: np.ndarray) -> np.ndarray:
    """The standard error of a share among `now` people, the share being that of all weeks before."""
    k, n = (np.vstack([np.zeros_like(whole[:1]), np.nancumsum(whole, axis=0)[:-1]]) for whole in (k, n))
    share = (k + 1) / (n + 2)
    return np.sqrt(share * (1 - share) / np.maximum(now, 1))


def _flow_noise(stock: np.ndarray) -> np.ndarray:
    """The least by which a stock of people varies: as many as lately came or went by the week, by Poisson."""
    flow = pd.DataFrame(stock).diff().abs().rolling(PAST, min_periods=1).mean().shift(1)
    return np.sqrt(flow.clip(lower=1).fillna(1).to_numpy())
