"""Active people by day: trailing windows, and how sticky they are."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from helpers import contracts

WEEK, MONTH = 7, 30
WINDOWS = {"dau": 1, "wau": WEEK, "mau": MONTH}
OF = ["dimension", "slice"]
ACTIVES_DAY = contracts.declare(
    "actives_day",
    grain="one row per slice and local day",
    key=["dimension", "slice", "day"],
    needs="events",
    small=True,
    columns={
        "dimension": ("string", "", '"all", or the attribute that slices'),
        "slice": ("string", "", "value of the attribute"),
        "day": ("date", "", "local day"),
        "dau": ("int64", "people", "distinct people active on the day"),
        "wau": ("int64", "people", "distinct people active in the 7 days that end on it"),
        "mau": ("int64", "people", "distinct people active in the 30 days that end on it"),
        "partial": ("boolean", "", "the 30 days reach before the data"),
        "partial_week": ("boolean", "", "the 7 days reach before the data"),
    },
)


def actives_day(presence: pd.DataFrame, *, last_day: date) -> pd.DataFrame:
    """DAU, WAU and MAU on trailing windows of 1, 7 and 30 days, of all and by slice (contract `actives_day`).

    Each slice has one row for each local day from the first with anybody active to `last_day`. Who is active on a day counts
    in the windows of so many days as they are long, or until active again; the sums of these comings and goings are the distinct
    people, none counted twice.

    Args:
        presence: Contract `presence_day`, up to `last_day` at least.
    """
    known = presence[presence["day"] <= pd.Timestamp(last_day)]
    if known.empty:
        return pd.DataFrame({column: [] for column in ACTIVES_DAY.columns})
    every = pd.date_range(known["day"].min(), pd.Timestamp(last_day))
    slices = known[OF].drop_duplicates(ignore_index=True)
    shape = (len(slices), len(every))
    row = slices.assign(row=slices.index).merge(known[OF], on=OF, how="right")["row"].to_numpy()
    column = (known["day"] - every[0]).dt.days.to_numpy()
    gap = known["gap"].to_numpy()
    table = slices.loc[slices.index.repeat(len(every))].reset_index(drop=True)
    table["day"] = np.tile(every.to_numpy(), len(slices))
    for name, window in WINDOWS.items():
        apart = (gap == 0) | (gap >= window)
        come = _placed(row, column, known["came"].to_numpy() * apart, shape)
        go = _placed(row, column + window, known["went"].to_numpy() * apart, shape)
        table[name] = (come - go).cumsum(axis=1).ravel()
    table["partial"] = np.tile(np.arange(len(every)) < MONTH - 1, len(slices))
    table["partial_week"] = np.tile(np.arange(len(every)) < WEEK - 1, len(slices))
    return table


def _placed(row: np.ndarray, column: np.ndarray, people: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The people summed at their places; those beyond the last day are left out."""
    found = np.zeros(shape, dtype="int64")
    inside = column < shape[1]
    np.add.at(found, (row[inside], column[inside]), people[inside])
    return found


def long_actives(actives: pd.DataFrame) -> pd.DataFrame:
    """One row per slice, day and window, days in order: `window` ("dau", "wau", "mau"), `people`, `partial`.

    Args:
        actives: Contract `actives_day`.
    """
    marks = {"dau": pd.Series(False, actives.index), "wau": actives["partial_week"], "mau": actives["partial"]}
    parts = [
        actives[[*OF, "day"]].assign(window=name, people=actives[name], partial=mark.astype(bool)) for name, mark in marks.items()
    ]
    return pd.concat(parts).sort_values([*OF, "day", "window"], kind="stable", ignore_index=True)


def stickiness(actives: pd.DataFrame) -> pd.DataFrame:
    """How often those who come do come: mean DAU over MAU, and WAU over MAU.

    Args:
        actives: Contract `actives_day`.

    Returns:
        One row per slice and day whose 30 days lie within the data: `dimension`, `slice`, `day`, `stickiness` (mean DAU of the
        30 days over the MAU at their end: the share of the days on which a monthly active came), `weekly` (WAU over MAU, both
        at the day's end: the share of the monthly actives who came in the last 7 days), `mau` (people whom both describe). Shares
        are NaN where nobody was active.
    """
    mean = actives.groupby(OF, sort=False)["dau"].rolling(MONTH).mean().droplevel(OF)
    monthly = actives["mau"].where(actives["mau"] > 0)
    found = actives[[*OF, "day", "mau"]].assign(stickiness=mean / monthly, weekly=actives["wau"] / monthly)
    return found[~actives["partial"].astype(bool)].reset_index(drop=True)
