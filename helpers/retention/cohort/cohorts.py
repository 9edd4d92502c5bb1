"""Cohort tables and their averages, from the cube.

A cell exists only when its whole time lies before the end of the data; otherwise it is blank and has the date on which it will
close. An observed nobody is 0.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import stats
from helpers.errors import InputError
from helpers.retention import periods
from helpers.retention.cohort.cube import ALL
from helpers.retention.rule import Rule

SHOWN = 26


def cohorts(
    cube: pd.DataFrame, *, last_day: date, rule: Rule | None = None, dimension: str = ALL, slice: str | None = None,
    ages: int = 26,
) -> pd.DataFrame:  # fmt: skip
    """The cohort table: one row per cohort and age below `ages` (or bracket), open cells with their closing date.

    With a horizon all cohorts have the same time: the cell of an age counts who came back from that age up to the horizon, and
    is open until the cohort has had the horizon. Without one a cell counts up to the end of the data.

    Args:
        cube: As `cohort_cube` gives it; for brackets and a horizon as `cohort_spans` does. Later cohorts do not count.
        last_day: Cells whose time ends after it are open.
        rule: The rule by which the cube was counted, with the criterion wanted; by default weeks, on the age.
        dimension, slice: One slice of a dimension, or all of its slices together.

    Returns:
        `cohort` (first day of its period), `age` and `until` (first and last age of the cell), `size`, `active` (people; NaN
        where open), `rate`, `low`, `high` (share, Wilson 95 %), `closes` (the day on which an open cell closes, NaT where
        closed), `first` (the data's first period, whose people are of unknown past); of the criterion "on" also `payers`
        (people) and `net` (currency) of the period.

    Raises:
        InputError: `ages` is below 1, the table does not hold the spans of the rule, or it reaches beyond `last_day`
            although the rule counts to the end of the data.
    """
    chosen = cube["dimension"] == dimension
    return _table(cube, chosen if slice is None else chosen & (cube["slice"] == slice), last_day, rule or Rule(), ages)


def _table(
    cube: pd.DataFrame, chosen: pd.Series, last_day: date, rule: Rule, ages: int, by: tuple[str, ...] = ()
) -> pd.DataFrame:
    """The cohort table of the rows chosen, `by` a column if wanted."""
    if ages < 1:
        raise InputError(f"ages is {ages}, but a cohort table needs at least 1 period of life.")
    begun = pd.Series(periods.numbers(cube["cohort"], rule.unit, rule.week_start), cube.index)
    today = periods.number(last_day, rule.unit, rule.week_start)
    cells = _cells(rule, ages)
    _check(cube, begun, cells, today, rule)
    chosen = chosen & (begun <= today)
    table = _summed(cube[chosen].assign(begun=begun[chosen]), cells, rule, [*by, "begun"])
    if rule.to_the_end:
        table["until"] = np.maximum(today - table["begun"], table["age"])
    table["first"] = (table["begun"] == begun.min()) & rule.first_time
    return _closed(table, last_day, rule)


def _cells(rule: Rule, ages: int) -> list[tuple[int, int]]:
    """First and last age of each cell of a row."""
    if rule.criterion == "bracket":
        return sorted({tuple(bracket) for bracket in rule.brackets})
    most = ages if rule.criterion == "on" or rule.to_the_end else min(ages, rule.horizon + 1)
    return [(age, rule.horizon if rule.by_span else age) for age in range(most)]


def _check(cube: pd.DataFrame, begun: pd.Series, cells: list[tuple[int, int]], today: int, rule: Rule) -> None:
    """The table given must hold what the rule asks for."""
    if rule.by_span != ("until" in cube) or (rule.by_span and len(cube) and not _held(cube, cells)):
        wanted = "cohort_spans, with the same brackets and horizon" if rule.by_span else "cohort_cube"
        raise InputError(f'The table does not hold what the criterion "{rule.criterion}" needs: make it with {wanted}.')
    if rule.to_the_end and len(cube) and int((begun + cube["age"]).max()) != today:
        raise InputError(
            "Without a horizon on_or_after counts to the end of the cube, and that is another period than that of last_day. Make "
            "the cube with this last_day and for all ages, or give the rule a horizon."
        )


def _held(cube: pd.DataFrame, cells: list[tuple[int, int]]) -> bool:
    spans = cube[["age", "until"]].drop_duplicates()
    return set(cells) <= set(spans.itertuples(index=False, name=None))


def _summed(chosen: pd.DataFrame, cells: list[tuple[int, int]], rule: Rule, by: list[str]) -> pd.DataFrame:
    """One row per cohort and cell, summed over the slices; nobody where there is no row."""
    own = chosen.assign(active=chosen["returned"]) if rule.to_the_end else chosen
    own = own if rule.by_span else own.assign(until=own["age"])
    own = own[own["age"] <= max(age for age, _ in cells)]
    counted = ["active", "payers", "net"] if rule.criterion == "on" and "net" in own else ["active"]
    key = ["age", "until"]
    sizes = own.drop_duplicates(["slice", "begun"]).groupby(by)["size"].sum().rename("size").reset_index()
    table = sizes.merge(pd.DataFrame(cells, columns=key), how="cross")
    summed = own.groupby([*by, *key])[counted].sum()
    found = summed.reindex(pd.MultiIndex.from_frame(table[[*by, *key]]), fill_value=0)
    table[counted] = found.to_numpy()
    table[counted] = table[counted].astype({"active": "int64"})
    table.insert(0, "cohort", periods.begins(table["begun"], rule.unit, rule.week_start))
    return table


def _closed(table: pd.DataFrame, last_day: date, rule: Rule) -> pd.DataFrame:
    """What is open blanked, and the rates with their intervals."""
    after = table["begun"] + table["age" if rule.to_the_end else "until"] + 1
    closes = pd.Series(periods.begins(after, rule.unit, rule.week_start), table.index)
    is_open = closes > pd.Timestamp(last_day) + pd.Timedelta(days=1)
    counted = [name for name in ("active", "payers", "net") if name in table]
    table[counted] = table[counted].where(~is_open)
    table["closes"] = closes.where(is_open)
    table["rate"] = table["active"] / table["size"]
    table["low"], table["high"] = stats.wilson(table["active"], table["size"])
    return table.drop(columns="begun")


def average(cohort_table: pd.DataFrame, *, least: int = 0) -> pd.DataFrame:
    """The pooled retention curve: over the cohorts that are mature at each age, sum of retained over sum of sizes.

    The first period of the data is left out, its users' past being unknown.

    Args:
        least: The sizes of two ages differ by at least so many people, or not at all: else their difference would tell of
            the few of a single cohort. Neighbouring cohorts of fewer people come in together, once all of them are mature.

    Returns:
        `age`, `cohorts` (how many), `size`, `active` (people), `rate`, `low`, `high` (share, Wilson 95 %).
    """
    return _pooled(cohort_table, [], least)


def average_by(
    cube: pd.DataFrame, dimension: str, *, last_day: date, rule: Rule | None = None, ages: int = 13,
    between: tuple[date, date] | None = None, most: int | None = None, least: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """The pooled curve of each slice of a dimension: as `average`, with `slice`; no rows for an unknown dimension.

    Args:
        between: The first and the last day on which a cohort may begin that counts; by default all do.
        most: Only so many slices, those of most people.
        least: As for `average`, of each slice.
    """
    chosen = cube["dimension"] == dimension
    if most is not None:
        sizes = cube[chosen].drop_duplicates(["slice", "cohort"]).groupby("slice")["size"].sum()
        chosen &= cube["slice"].isin(sizes.sort_values(ascending=False, kind="stable").index[:most])
    if between is not None:
        chosen &= cube["cohort"].between(*map(pd.Timestamp, between))
    table = _table(cube, chosen, last_day, rule or Rule(), ages, ("slice",))
    return _pooled(table, ["slice"], least)


def _pooled(cohort_table: pd.DataFrame, by: list[str], least: int) -> pd.DataFrame:
    pooled = in_blocks(mature(cohort_table), by, least).groupby([*by, "age"], as_index=False).agg(
        cohorts=("cohort", "nunique"), size=("size", "sum"), active=("active", "sum")
    )  # fmt: skip
    pooled["rate"] = pooled["active"] / pooled["size"]
    pooled["low"], pooled["high"] = stats.wilson(pooled["active"], pooled["size"])
    return pooled


def in_blocks(cells: pd.DataFrame, by: list[str], least: int) -> pd.DataFrame:
    """The cells of which, at their age, all of the block is there: the fewest neighbouring cohorts with `least` people."""
    if cells.empty or not least:
        return cells
    ends: dict[tuple, pd.Timestamp] = {}
    sizes = cells.drop_duplicates([*by, "cohort"]).sort_values([*by, "cohort"])
    for name, own in sizes.groupby(by) if by else [((), sizes)]:
        waiting, people = [], 0
        for cohort, size in zip(own["cohort"], own["size"], strict=True):
            waiting, people = [*waiting, cohort], people + size
            if people >= least:
                ends |= {(*name, one): cohort for one in waiting}
                waiting, people = [], 0
    end = [ends.get(key, pd.NaT) for key in cells[[*by, "cohort"]].itertuples(index=False, name=None)]
    newest = cells.groupby([*by, "age"])["cohort"].transform("max")
    return cells[pd.Series(end, cells.index, dtype=cells["cohort"].dtype) <= newest]


def mature(cohort_table: pd.DataFrame) -> pd.DataFrame:
    """The closed cells of cohorts of known past."""
    return cohort_table[cohort_table["closes"].isna() & ~cohort_table["first"]]


def recent(cohort_table: pd.DataFrame, *, most: int = SHOWN) -> pd.DataFrame:
    """The newest cohorts of a table: as `cohorts`, at most so many of them, up to the first age that none has reached."""
    newest = cohort_table[cohort_table["cohort"].isin(sorted(cohort_table["cohort"].unique())[-most:])]
    return newest[newest["age"] <= newest.loc[newest["rate"].notna(), "age"].max() + 1]


def listed(cohort_table: pd.DataFrame, *, ages: tuple[int, ...]) -> pd.DataFrame:
    """The table with one row a cohort: `cohort`, `size`, and `age_1` and so on, the rates at some ages (NaN where open)."""
    wide = cohort_table.pivot(index=["cohort", "size"], columns="age", values="rate")
    return wide.reindex(columns=list(ages)).add_prefix("age_").reset_index().rename_axis(columns=None)


class Spread(NamedTuple):
    """The slices that keep most and least people at an age, with their rows, and p of the chi-square test that all keep alike."""

    most: dict
    least: dict
    p: float


def spread(curves: pd.DataFrame, *, age: int = 1, at_least: int = 1) -> Spread | None:
    """How far apart slices are at an age; None where fewer than two have people enough.

    Args:
        curves: As `average_by` gives it.
        at_least: Slices of fewer people are left out.
    """
    own = curves[(curves["age"] == age) & (curves["size"] >= at_least)].reset_index(drop=True)
    if len(own) < 2:
        return None
    counts = np.array([own["active"], own["size"] - own["active"]], dtype=float)
    alike = (counts.sum(axis=1) == 0).any()
    p = 1.0 if alike else float(distributions.chi2_contingency(counts, correction=False).pvalue)
    return Spread(own.loc[own["rate"].idxmax()].to_dict(), own.loc[own["rate"].idxmin()].to_dict(), p)
