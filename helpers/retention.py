"""Retention, active users and growth accounting by ISO week, from the facts.

A cohort is the ISO week of a user's first activity ever. A cell of the cohort table exists only when its whole week lies
before as_of; otherwise it is blank and has the date on which it will close. An observed nobody is 0.
"""

from __future__ import annotations

from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd

from helpers import contracts, stats
from helpers.errors import InputError, RunFailed

WEEK, MONTH = 7, 30
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

    Start is the first active event ever, return any active event in the ISO week of the age ("on", not "on or after").

    Args:
        first_seen, user_day: The facts, cut at the end of a week.
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
    """The cohort table: one row per cohort and age below `ages`, open cells with their closing date.

    Args:
        cube: Contract `cohort_cube`; cohorts after `last_day` do not count.
        last_day: A Sunday; cells whose week ends after it are open.
        dimension, slice: One slice of a dimension, or all of its slices together.

    Returns:
        `cohort` (Monday), `age` (weeks), `size`, `active` (people; NaN where open), `rate`, `low`, `high` (share, Wilson
        95 %), `closes` (the day on which an open cell closes, NaT where closed), `first` (the data's first week).

    Raises:
        InputError: `ages` is below 1.
    """
    if ages < 1:
        raise InputError(f"ages is {ages}, but a cohort table needs at least 1 week of life.")
    wanted = (cube["dimension"] == dimension) & (cube["cohort"] <= pd.Timestamp(last_day))
    chosen = cube[wanted if slice is None else wanted & (cube["slice"] == slice)]
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
    table["first"] = table["cohort"] == cube["cohort"].min()
    return table


def average(cohort_table: pd.DataFrame) -> pd.DataFrame:
    """The pooled retention curve: over the cohorts that are mature at each age, sum of retained over sum of sizes.

    The first period of the data is left out, its users' past being unknown.

    Returns:
        `age` (weeks), `cohorts` (how many), `size`, `active` (people), `rate`, `low`, `high` (share, Wilson 95 %).
    """
    mature = cohort_table[cohort_table["closes"].isna() & ~cohort_table["first"]]
    pooled = mature.groupby("age", as_index=False).agg(
        cohorts=("cohort", "nunique"), size=("size", "sum"), active=("active", "sum")
    )
    pooled["rate"] = pooled["active"] / pooled["size"]
    pooled["low"], pooled["high"] = stats.wilson(pooled["active"], pooled["size"])
    return pooled


def average_by(cube: pd.DataFrame, dimension: str, *, last_day: date, ages: int = 13) -> pd.DataFrame:
    """The pooled curve of each slice of a dimension: as `average`, with `slice`; no rows for an unknown dimension."""
    slices = sorted(cube.loc[cube["dimension"] == dimension, "slice"].unique())
    curves = [
        average(cohorts(cube, last_day=last_day, dimension=dimension, slice=name, ages=ages)).assign(slice=name)
        for name in slices
    ]
    nobody = average(cohorts(cube.iloc[:0], last_day=last_day, ages=ages)).assign(slice="")
    return pd.concat(curves, ignore_index=True) if curves else nobody


def recent(cohort_table: pd.DataFrame, *, most: int = 26) -> pd.DataFrame:
    """The newest cohorts of a table: as `cohorts`, at most so many of them."""
    return cohort_table[cohort_table["cohort"].isin(sorted(cohort_table["cohort"].unique())[-most:])]


def slice_of(users: ibis.Table, attribute: str) -> ibis.Table:
    """`user_id` and the `value` of an attribute, one row a user, as `cohort_cube` slices by."""
    return users.select("user_id", value=users[attribute])


def actives_day(user_day: ibis.Table, *, last_day: date) -> pd.DataFrame:
    """DAU, WAU and MAU on trailing windows of 1, 7 and 30 days (contract `actives_day`).

    One row for each local day from the first with anybody active to `last_day`, later rows change nothing.
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
    for name, window in {"dau": 1, "wau": WEEK, "mau": MONTH}.items():
        stay = found["gap"].fillna(window).clip(upper=window).astype("int64")
        ends = found["day"] + pd.to_timedelta(stay, unit="D")
        come = found.groupby("day")["people"].sum().reindex(every, fill_value=0)
        go = found.groupby(ends)["people"].sum().reindex(every, fill_value=0)
        table[name] = (come - go).cumsum().to_numpy().astype("int64")
    table["partial"] = np.arange(len(every)) < MONTH - 1
    table["partial_week"] = np.arange(len(every)) < WEEK - 1
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


def stickiness(actives: pd.DataFrame) -> pd.DataFrame:
    """Mean daily actives of 30 days over the distinct actives of the same 30 days.

    Args:
        actives: Contract `actives_day`.

    Returns:
        One row a day whose 30 days lie within the data: `day`, `stickiness` (share; NaN where nobody was active), `mau`
        (people whom it describes).
    """
    mean = actives["dau"].rolling(MONTH).mean()
    found = actives[["day", "mau"]].assign(stickiness=mean / actives["mau"].where(actives["mau"] > 0))
    return found[~actives["partial"].astype(bool)].reset_index(drop=True)


def growth(user_day: ibis.Table, *, last_day: date | None = None) -> pd.DataFrame:
    """Growth accounting by ISO week (contract `growth`); the identity is asserted.

    Args:
        last_day: Weeks that end by it are accounted for, also the last ones without anybody; by default all up to the
            last with anybody active.

    Raises:
        RunFailed: active[t] is not active[t-1] + new + resurrected - churned.
    """
    end = None if last_day is None else pd.Timestamp(last_day - timedelta(days=(last_day.weekday() + 1) % WEEK))
    weeks = _user_weeks(user_day if end is None else user_day.filter(user_day.day <= end.date()))
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
        newest = found["week"].max() if end is None else end - pd.Timedelta(days=WEEK - 1)
        every = pd.date_range(found["week"].min(), newest, freq="7D", name="week")
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
