"""How people use what is offered: on how many days they come, and at which hours of the week."""

from __future__ import annotations

from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd

from helpers import contracts, stats
from helpers.errors import InputError
from helpers.retention import periods
from helpers.retention.active.accounting import check
from helpers.retention.cohort.cube import ALL, UNKNOWN

DAYS = 28
WEEKS = 4
OF = ["dimension", "slice"]
ACTIVE_DAYS = contracts.declare(
    "active_days",
    grain="one row per slice and number of active days",
    key=["dimension", "slice", "days"],
    needs="events",
    small=True,
    columns={
        "dimension": ("string", "", '"all", or the attribute that slices'),
        "slice": ("string", "", "value of the attribute"),
        "days": ("int64", "days", "active days of the last 28, 1 to 28"),
        "exactly": ("int64", "people", "active on exactly so many days"),
        "at_least": ("int64", "people", "active on so many days or more"),
        "of": ("int64", "people", "the denominator: active on at least one of the days"),
        "share": ("float64", "share", "exactly, of the denominator"),
        "reached": ("float64", "share", "at least, of the denominator"),
        "low": ("float64", "share", "lower end of the 95 % interval (Wilson) of reached"),
        "high": ("float64", "share", "upper end of it"),
        "partial": ("boolean", "", "the 28 days reach before the data"),
    },
)
ACTIVE_HOURS = contracts.declare(
    "active_hours",
    grain="one row per weekday and hour",
    key=["weekday", "hour"],
    needs="events",
    small=True,
    nullable=("mean",),
    columns={
        "weekday": ("int64", "", "local weekday, 0 = Monday"),
        "hour": ("int64", "", "local hour, 0 to 23"),
        "people": ("int64", "people", "distinct people active in this hour of the week within the last four weeks"),
        "events": ("int64", "events", "active events in it"),
        "days": ("int64", "days", "days of this weekday within the four weeks and the data"),
        "mean": ("float64", "people", "people active in this hour, on average over these days"),
    },
)


def active_days(
    user_day: ibis.Table,
    slices: dict[str, ibis.Table] | None = None,
    *,
    last_day: date,
    window: int = DAYS,
    unit: str = "day",
    week_start: str = "monday",
) -> pd.DataFrame:
    """On how many of the last days people were active: exactly so many, and at least (contract `active_days` for 28 days).

    The denominator is who was active at least once within the window, of the slice. Nobody active: no rows.

    Args:
        user_day: Contract `user_day`; rows after `last_day` change nothing.
        slices: As for `presence_day`.
        last_day: The last day of the window; of weeks and months, the last one is that in which it lies.
        window: So many units.
        unit: day, week or month; the column that counts them is called `days`, `weeks` or `months`.
        week_start: monday or sunday.

    Raises:
        InputError: Unknown `unit` or `week_start`, or a window of less than 1.
    """
    check(unit, week_start)
    if window < 1:
        raise InputError(f"window is {window}, but active {unit}s are counted over 1 {unit} at least.")
    first = pd.Timestamp(periods.begins([periods.number(last_day, unit, week_start) - window + 1], unit, week_start)[0])
    past = user_day.filter(user_day.active > 0, user_day.day <= last_day)
    recent = past.filter(past.day >= first.date())
    active = recent.select("user_id", period=periods.on_engine(recent.day, unit, week_start))
    counted = active.group_by("user_id").agg(times=active.period.nunique())
    parts = [counted.select(dimension=ibis.literal(ALL), slice=ibis.literal(ALL), times=counted.times)]
    for name, values in (slices or {}).items():
        met = counted.left_join(values.select("user_id", value=values.value.cast("string")), "user_id")
        parts.append(met.select(dimension=ibis.literal(name), slice=met.value.fill_null(UNKNOWN), times=met.times))
    stacked = ibis.union(*parts)
    found = stacked.group_by([*OF, "times"]).agg(exactly=stacked.count()).to_pandas()
    partial = bool(len(found)) and pd.Timestamp(past.day.min().to_pandas()) > first
    return _distributed(found, window).rename(columns={"times": f"{unit}s"}).assign(partial=partial)


def _distributed(found: pd.DataFrame, window: int) -> pd.DataFrame:
    """All numbers of times from 1 to the window, with sums from above and shares."""
    slices = found[OF].drop_duplicates().sort_values(OF)
    full = slices.merge(pd.DataFrame({"times": range(1, window + 1)}), how="cross")
    full = full.merge(found, on=[*OF, "times"], how="left")
    full["exactly"] = full["exactly"].fillna(0).astype("int64")
    full["at_least"] = full[::-1].groupby(OF)["exactly"].cumsum()
    full["of"] = full.groupby(OF)["exactly"].transform("sum")
    full["share"], full["reached"] = full["exactly"] / full["of"], full["at_least"] / full["of"]
    full["low"], full["high"] = stats.wilson(full["at_least"], full["of"])
    return full.astype({"times": "int64", "share": "float64", "reached": "float64", "low": "float64", "high": "float64"})


def active_hours(user_hour: ibis.Table, *, last_day: date) -> pd.DataFrame:
    """People active by weekday and hour of the last four weeks, in local time (contract `active_hours`), all 168 hours.

    An hour that summer time leaves out has nobody, and one that it repeats counts once.

    Args:
        user_hour: Contract `user_hour`; rows after `last_day` change nothing.
    """
    first = last_day - timedelta(days=7 * WEEKS - 1)
    past = user_hour.filter(user_hour.day <= last_day)
    recent = past.filter(past.day >= first)
    counted = recent.group_by(["weekday", "hour"]).agg(
        people=recent.user_id.nunique(), events=recent.events.sum().cast("int64"), visits=recent.count()
    )
    begun = past.day.min().to_pandas()
    every = pd.MultiIndex.from_product([range(7), range(24)], names=["weekday", "hour"])
    found = counted.to_pandas().set_index(["weekday", "hour"]).reindex(every, fill_value=0).reset_index()
    since = last_day if pd.isna(begun) else max(first, pd.Timestamp(begun).date())
    covered = pd.date_range(since, last_day).day_of_week if not pd.isna(begun) else []
    days = np.bincount(np.asarray(covered, dtype="int64"), minlength=7)
    found["days"] = days[found["weekday"].to_numpy()]
    found["mean"] = found["visits"] / found["days"].where(found["days"] > 0)
    whole = dict.fromkeys(("weekday", "hour", "people", "events", "days"), "int64")
    return found.astype(whole | {"mean": "float64"})[list(ACTIVE_HOURS.columns)]
