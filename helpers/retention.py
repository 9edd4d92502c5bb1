"""Retention, active users and growth accounting by ISO week, from the facts.

A cohort is the ISO week of a user's first activity ever. A cell of the cohort table exists only when its whole week lies
before as_of; otherwise it is blank and has the date on which it will close. An observed nobody is 0.
"""

from __future__ import annotations

from datetime import date

import ibis
import numpy as np
import pandas as pd

from helpers import contracts, stats
from helpers.errors import RunFailed

COHORT_CUBE = contracts.declare(
    "cohort_cube",
    grain="one row per slice, cohort week and age in weeks",
    key=["dimension", "slice", "cohort", "age"],
    needs="events",
    small=True,
    columns={
        "dimension": ("string", "", '"all", or the attribute that slices'),
        "slice": ("string", "", "value of the attribute"),
        "cohort": ("date", "", "Monday of the week of the first activity"),
        "age": ("int64", "weeks", "whole weeks since"),
        "size": ("int64", "people", "people of the cohort"),
        "active": ("int64", "people", "of them, active in the week of this age"),
    },
)
ACTIVES_DAY = contracts.declare(
    "actives_day",
    grain="one row per local day",
    key=["day"],
    needs="events",
    small=True,
    columns={
        "day": ("date", "", "local day"),
        "dau": ("int64", "people", "distinct people active on the day"),
        "wau": ("int64", "people", "distinct people active in the 7 days that end on it"),
        "mau": ("int64", "people", "distinct people active in the 30 days that end on it"),
        "partial": ("boolean", "", "the 30 days reach before the data"),
        "partial_week": ("boolean", "", "the 7 days reach before the data"),
    },
)
GROWTH = contracts.declare(
    "growth",
    grain="one row per closed ISO week",
    key=["week"],
    needs="events",
    small=True,
    columns={
        "week": ("date", "", "Monday"),
        "active": ("int64", "people", "active in the week"),
        "new": ("int64", "people", "active for the first time ever"),
        "retained": ("int64", "people", "active in the week before, too"),
        "resurrected": ("int64", "people", "active before, but not in the week before"),
        "churned": ("int64", "people", "active in the week before and not in this one"),
        "first": ("boolean", "", "first week of the data: users of unknown past are not new"),
    },
)


def cohort_cube(
    first_seen: ibis.Table, user_day: ibis.Table, slices: dict[str, ibis.Table] | None = None
) -> pd.DataFrame:
    """Cohort sizes and actives by age (contract `cohort_cube`): what all cohort tables are sums of.

    Args:
        slices: For each attribute a table of `user_id` and the attribute's `value`; users it lacks are "unknown".
    """
    started = first_seen.filter(first_seen.first_active_day.notnull())
    members = started.select("user_id", cohort=started.first_active_day.truncate("W"))
    weeks = _user_weeks(user_day)
    parts = [_cube_of(members.mutate(slice=ibis.literal("all")), weeks, "all")]
    for dimension, values in (slices or {}).items():
        sliced = members.left_join(values, "user_id").drop("user_id_right")
        parts.append(
            _cube_of(sliced.mutate(slice=ibis.coalesce(sliced.value, "unknown")).drop("value"), weeks, dimension)
        )
    cube = pd.concat(parts, ignore_index=True)
    return cube.sort_values(["dimension", "slice", "cohort", "age"], ignore_index=True)


def _user_weeks(user_day: ibis.Table) -> ibis.Table:
    active = user_day.filter(user_day.active > 0)
    return active.select("user_id", week=active.day.truncate("W")).distinct()


def _cube_of(members: ibis.Table, weeks: ibis.Table, dimension: str) -> pd.DataFrame:
    sizes = members.group_by(["slice", "cohort"]).agg(size=members.count()).to_pandas()
    met = weeks.join(members, "user_id")
    age = ((met.week.epoch_days() - met.cohort.epoch_days()) // 7).cast("int64")
    counted = met.mutate(age=age).group_by(["slice", "cohort", "age"]).agg(active=ibis._.count()).to_pandas()
    last = counted["age"].mul(7) + _days(counted["cohort"]) if len(counted) else pd.Series(dtype="int64")
    newest = int(last.max()) if len(last) else 0
    sizes["ages"] = (newest - _days(sizes["cohort"])) // 7 + 1
    full = sizes.loc[sizes.index.repeat(sizes["ages"])].drop(columns="ages")
    full["age"] = full.groupby(["slice", "cohort"]).cumcount()
    cube = full.merge(counted, on=["slice", "cohort", "age"], how="left")
    cube["active"] = cube["active"].fillna(0).astype("int64")
    cube["cohort"] = pd.to_datetime(cube["cohort"])
    return cube.assign(dimension=dimension)[list(COHORT_CUBE.columns)]


def _days(values: pd.Series) -> pd.Series:
    return (pd.to_datetime(values) - pd.Timestamp("1970-01-01")).dt.days


def cohorts(
    cube: pd.DataFrame, *, last_day: date, dimension: str = "all", slice: str | None = None, ages: int = 26
) -> pd.DataFrame:
    """The cohort table: one row per cohort and age up to `ages`, open cells with their closing date.

    Returns:
        `cohort` (Monday), `age` (weeks), `size`, `active` (people; NaN where open), `rate`, `low`, `high` (share, Wilson
        95 %), `closes` (the day on which an open cell closes, NaT where closed), `first` (the data's first week).
    """
    chosen = cube[(cube["dimension"] == dimension) & ((cube["slice"] == slice) if slice else True)]
    summed = chosen.groupby(["cohort", "age"], as_index=False)["active"].sum()
    sizes = chosen[chosen["age"] == 0].groupby("cohort")["size"].sum()
    index = pd.MultiIndex.from_product([sizes.index, range(ages)], names=["cohort", "age"])
    table = summed.set_index(["cohort", "age"]).reindex(index).reset_index()
    table["size"] = table["cohort"].map(sizes)
    closes = pd.to_datetime(table["cohort"]) + pd.to_timedelta(7 * (table["age"] + 1), unit="D")
    is_open = closes > pd.Timestamp(last_day) + pd.Timedelta(days=1)
    table["active"] = table["active"].fillna(0).where(~is_open)
    table["closes"] = closes.where(is_open)
    table["rate"] = table["active"] / table["size"]
    table["low"], table["high"] = stats.wilson(table["active"], table["size"])
    table["first"] = table["cohort"] == sizes.index.min() if len(sizes) else False
    return table


def average(cohort_table: pd.DataFrame) -> pd.DataFrame:
    """The pooled retention curve: over the cohorts that are mature at each age, sum of retained over sum of sizes.

    The first period of the data is left out, its users' past being unknown.

    Returns:
        `age`, `cohorts` (how many), `size`, `active` (people), `rate`, `low`, `high` (share).
    """
    mature = cohort_table[cohort_table["closes"].isna() & ~cohort_table["first"]]
    pooled = mature.groupby("age", as_index=False).agg(
        cohorts=("cohort", "nunique"), size=("size", "sum"), active=("active", "sum")
    )
    pooled["rate"] = pooled["active"] / pooled["size"]
    pooled["low"], pooled["high"] = stats.wilson(pooled["active"], pooled["size"])
    return pooled


def average_by(cube: pd.DataFrame, dimension: str, *, last_day: date, ages: int = 13) -> pd.DataFrame:
    """The pooled curve of each slice of a dimension: as `average`, with `slice`."""
    slices = sorted(cube.loc[cube["dimension"] == dimension, "slice"].unique())
    curves = [
        average(cohorts(cube, last_day=last_day, dimension=dimension, slice=name, ages=ages)).assign(slice=name)
        for name in slices
    ]
    return pd.concat(curves, ignore_index=True)


def recent(cohort_table: pd.DataFrame, *, most: int = 26) -> pd.DataFrame:
    """The newest cohorts of a table."""
    return cohort_table[cohort_table["cohort"].isin(sorted(cohort_table["cohort"].unique())[-most:])]


def slice_of(users: ibis.Table, attribute: str) -> ibis.Table:
    """`user_id` and the `value` of an attribute, as `cohort_cube` slices by."""
    return users.select("user_id", value=users[attribute])


def actives_day(user_day: ibis.Table, *, last_day: date) -> pd.DataFrame:
    """DAU, WAU and MAU of each local day on trailing windows (contract `actives_day`).

    A user who is active on a day counts in the window of each day until the window has passed or the user is active
    again; sums of those comings and goings give the distinct users without counting any set twice.
    """
    days = user_day.filter((user_day.active > 0) & (user_day.day <= last_day)).select("user_id", "day")
    after = days.day.lead().over(ibis.window(group_by="user_id", order_by="day"))
    stays = days.mutate(gap=(after.epoch_days() - days.day.epoch_days()).cast("int64"))
    found = stays.group_by(["day", "gap"]).agg(people=stays.count()).to_pandas()
    if found.empty:
        return pd.DataFrame({column: [] for column in ACTIVES_DAY.columns})
    found["day"] = pd.to_datetime(found["day"])
    every = pd.date_range(found["day"].min(), pd.Timestamp(last_day))
    table = pd.DataFrame({"day": every})
    for name, window in {"dau": 1, "wau": 7, "mau": 30}.items():
        stay = found["gap"].fillna(window).clip(upper=window).astype("int64")
        ends = found["day"] + pd.to_timedelta(stay, unit="D")
        come = found.groupby("day")["people"].sum().reindex(every, fill_value=0)
        go = found.groupby(ends)["people"].sum().reindex(every, fill_value=0)
        table[name] = (come - go).cumsum().to_numpy().astype("int64")
    table["partial"] = np.arange(len(every)) < 29
    table["partial_week"] = np.arange(len(every)) < 6
    return table


def long_actives(actives: pd.DataFrame) -> pd.DataFrame:
    """One row per day and window, days in order: `day`, `window` ("dau", "wau", "mau"), `people`, `partial`."""
    long = actives.melt(id_vars="day", value_vars=["dau", "wau", "mau"], var_name="window", value_name="people")
    marks = {"mau": actives.set_index("day")["partial"], "wau": actives.set_index("day")["partial_week"]}
    long["partial"] = [
        bool(marks[window][day]) if window in marks else False
        for day, window in zip(long["day"], long["window"], strict=True)
    ]
    return long.sort_values(["day", "window"], kind="stable", ignore_index=True)


def stickiness(actives: pd.DataFrame, *, window: int = 30) -> pd.DataFrame:
    """Mean daily actives of the window over the distinct actives of it: `day`, `stickiness` (share), whole windows only."""
    mean = actives["dau"].rolling(window).mean()
    found = pd.DataFrame({"day": actives["day"], "stickiness": mean / actives["mau"].where(actives["mau"] > 0)})
    return found[~actives["partial"]].reset_index(drop=True)


def growth(user_day: ibis.Table) -> pd.DataFrame:
    """Growth accounting by ISO week (contract `growth`); the identity is asserted.

    Raises:
        RunFailed: active[t] is not active[t-1] + new + resurrected - churned.
    """
    weeks = _user_weeks(user_day)
    order = ibis.window(group_by="user_id", order_by="week")
    seen = weeks.mutate(before=weeks.week.lag().over(order), after=weeks.week.lead().over(order))
    since = seen.week.epoch_days() - seen.before.epoch_days()
    until = (seen.after.epoch_days() - seen.week.epoch_days()).fill_null(0)
    counted = seen.group_by("week").agg(
        active=seen.count(),
        new=seen.before.isnull().sum(),
        retained=(since == 7).fill_null(False).sum(),
        resurrected=(since > 7).fill_null(False).sum(),
        leaving=(until != 7).sum(),
    )
    found = counted.to_pandas()
    found["week"] = pd.to_datetime(found["week"])
    if len(found):
        every = pd.date_range(found["week"].min(), found["week"].max(), freq="7D", name="week")
        found = found.set_index("week").reindex(every, fill_value=0).reset_index()
    found["churned"] = found["leaving"].shift(fill_value=0)
    found["first"] = np.arange(len(found)) == 0
    found = found.astype(dict.fromkeys(("active", "new", "retained", "resurrected", "churned"), "int64"))
    _assert_identity(found)
    return found[list(GROWTH.columns)]


def _assert_identity(found: pd.DataFrame) -> None:
    left = found["active"]
    right = left.shift(fill_value=0) + found["new"] + found["resurrected"] - found["churned"]
    if not left.equals(right):
        week = found.loc[left != right, "week"].iloc[0].date()
        raise RunFailed(f"Growth accounting does not add up in the week of {week}. This is a fault of the toolkit.")
