"""The usual rhythm of the events by weekday and hour, and the days and hours that fall out of it."""

from __future__ import annotations

import warnings
from datetime import date, timedelta

import numpy as np
import pandas as pd

HISTORY = 13  # earlier days of the same weekday that say what is usual
LEAST_HISTORY = 6
LEAST_EVENTS = 20  # below it a count says nothing
TO_DEVIATION = 1.4826  # of the median absolute deviation to a standard deviation, were the counts normal
LEAST_SPREAD = 0.05  # of the median
HOURS = 24
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def by_hour(hours: pd.DataFrame, first: date, last: date) -> tuple[list[date], np.ndarray]:
    """All local days from `first` to `last`, and their events as a matrix of days by hours.

    Args:
        hours: `day`, `hour` (0 to 23) and `events`; hours without any may be missing.
    """
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    counts = np.zeros((len(days), HOURS))
    at = (pd.to_datetime(hours["day"]) - pd.Timestamp(first)).dt.days.to_numpy()
    inside = (at >= 0) & (at < len(days))
    counts[at[inside], hours["hour"].to_numpy()[inside].astype(int)] = hours["events"].to_numpy()[inside]
    return days, counts


def usual(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and median absolute deviation of the up to 13 earlier days of the same weekday, NaN where they are under 6.

    Args:
        counts: Days by anything, no day missing.
    """
    earlier = np.full((HISTORY, *counts.shape), np.nan)
    for weeks in range(1, HISTORY + 1):
        earlier[weeks - 1, 7 * weeks :] = counts[: max(len(counts) - 7 * weeks, 0)]
    earlier[:, (~np.isnan(earlier)).sum(axis=0) < LEAST_HISTORY] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of days without enough earlier ones
        median = np.nanmedian(earlier, axis=0)
        return median, np.nanmedian(np.abs(earlier - median), axis=0)


def unusual_days(days: list[date], counts: np.ndarray, *, band: float) -> pd.DataFrame:
    """Days whose events lie outside the usual band of their weekday: `day`, `events`, `low` and `high` of the band.

    The band is the median of the earlier days of the weekday, and so many deviations to both sides; a deviation is 1.4826
    times the median absolute deviation, which is at least 5 % of the median. A difference of under 20 events is none.
    """
    totals = counts.sum(axis=1)
    median, spread = usual(totals)
    width = band * TO_DEVIATION * np.maximum(spread, LEAST_SPREAD * median)
    difference = np.abs(totals - median)
    found = np.flatnonzero((difference > width) & (difference >= LEAST_EVENTS))
    return pd.DataFrame(
        {
            "day": [days[number] for number in found],
            "events": totals[found].astype(int),
            "low": np.maximum(median - width, 0)[found],
            "high": (median + width)[found],
        }
    )


def missing_hours(days: list[date], counts: np.ndarray, *, least: int, unusual: set[date]) -> pd.DataFrame:
    """Runs of hours without any event, within a day, at which this weekday usually has 20 or more.

    Returns:
        `day`, `start` and `end` (hours, the end exclusive), `usual` (events that are usual then); days among `unusual` are
        left out, being reported whole.
    """
    median, _ = usual(counts)
    is_missing = (counts == 0) & (median >= LEAST_EVENTS)
    is_missing[[day in unusual for day in days]] = False
    edges = np.diff(np.pad(is_missing.astype(int), ((0, 0), (1, 1))), axis=1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    runs = [
        (days[number], int(start), int(end), float(median[number, start:end].sum()))
        for (number, start), (_, end) in zip(starts, ends, strict=True)
        if end - start >= least
    ]
    return pd.DataFrame(runs, columns=["day", "start", "end", "usual"])


def named(day: date) -> str:
    """The day with its weekday."""
    return f"{WEEKDAYS[day.weekday()]} {day.isoformat()}"
