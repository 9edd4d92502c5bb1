"""Days, weeks and months as whole numbers, the next period having the next number: the same on the engine and in pandas."""

from __future__ import annotations

from datetime import date

import ibis
import numpy as np
import pandas as pd

UNITS = ("day", "week", "month")
WEEK_STARTS = {"monday": 3, "sunday": 4}  # days by which the first day of 1970 lies after the last such day


def on_engine(day: ibis.Value, unit: str, week_start: str = "monday") -> ibis.Value:
    """The number of the period in which a day lies."""
    if unit == "month":
        return (day.year().cast("int64") - 1970) * 12 + day.month().cast("int64") - 1
    number = day.epoch_days().cast("int64")
    return number if unit == "day" else ((number + WEEK_STARTS[week_start]) // 7).cast("int64")


def numbers(days, unit: str, week_start: str = "monday") -> np.ndarray:
    """The same of the days of a series, or of one day."""
    stamps = pd.to_datetime(pd.Series(days)).to_numpy()
    if unit == "month":
        return stamps.astype("datetime64[M]").astype("int64")
    found = stamps.astype("datetime64[D]").astype("int64")
    return found if unit == "day" else (found + WEEK_STARTS[week_start]) // 7


def number(day: date, unit: str, week_start: str = "monday") -> int:
    """The same of one day."""
    return int(numbers([day], unit, week_start)[0])


def begins(numbers, unit: str, week_start: str = "monday") -> np.ndarray:
    """The first days of the periods of these numbers, as times of pandas."""
    found = np.asarray(numbers, dtype="int64")
    if unit == "month":
        return found.astype("datetime64[M]").astype("datetime64[us]")
    days = found if unit == "day" else found * 7 - WEEK_STARTS[week_start]
    return days.astype("datetime64[D]").astype("datetime64[us]")
