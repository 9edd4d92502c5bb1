"""The cohort cube: who came back by cohort, age and slice, of which all cohort tables are sums; one pass over the facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import ibis
import numpy as np
import pandas as pd

from helpers import contracts
from helpers.errors import InputError, nearest
from helpers.retention import periods
from helpers.retention.cohort import members
from helpers.retention.cohort.at_hand import AtHand
from helpers.retention.rule import Rule

ALL, UNKNOWN = "all", members.UNKNOWN
PAIRED = " × "
NOTHING = Decimal("0.0000")
KEYS = {
    "dimension": ("string", "", '"all", the attribute or tier at entry that slices, or a pair of them'),
    "slice": ("string", "", "value of the attribute"),
    "cohort": ("date", "", "first day of the period of the start"),
}
COUNTS = {
    "size": ("int64", "people", "people of the cohort"),
    "active": ("int64", "people", "of them, with a return in the period of this age"),
    "returned": ("int64", "people", "of them, with a return in it or in a later one, up to the end of the data"),
    "payers": ("int64", "people", "of them, with a payment in the period"),
    "net": ("decimal", "currency", "payments less refunds of the period"),
}


def _declared(unit: str) -> dict:
    """What the contracts of the cubes by several units have in common."""
    return {
        "grain": f"one row per slice, cohort {unit} and age in {unit}s",
        "key": ["dimension", "slice", "cohort", "age"],
        "columns": {**KEYS, "age": ("int64", f"{unit}s", "since the period of the start"), **COUNTS},
    }


COHORT_CUBE = contracts.declare("cohort_cube", needs="events", small=True, **_declared("week"))
COHORT_DAYS = contracts.declare("cohort_days", needs="events", small=True, **_declared("day"))
COHORT_MONTHS = contracts.declare("cohort_months", needs="events", small=True, **_declared("month"))
COHORT_SPANS = contracts.declare(
    "cohort_spans",
    grain="one row per slice, cohort week and span of ages",
    key=["dimension", "slice", "cohort", "age", "until"],
    needs="events",
    small=True,
    columns={
        **KEYS,
        "age": ("int64", "weeks", "first age of the span"),
        "until": ("int64", "weeks", "last age of the span"),
        "size": COUNTS["size"],
        "active": ("int64", "people", "of them, with a return in any period of the span"),
    },
)


def cohort_cube(
    user_day: ibis.Table,
    slices: Mapping[str, ibis.Table] | None = None,
    *,
    rule: Rule | None = None,
    last_day: date | None = None,
    entry: Mapping | None = None,
    pair: Sequence[str] = (),
    ages: int | None = None,
    hand: AtHand | None = None,
) -> pd.DataFrame:
    """Cohorts by age and slice (contract `cohort_cube`; `cohort_days` and `cohort_months` by other units).

    Each cohort has a row for every age up to the last period of the data, also where nobody came.

    Args:
        user_day: Contract `user_day`; rows after `last_day` change nothing.
        slices: For each attribute a table of `user_id` and the attribute's `value`; users it lacks are "unknown".
        rule: What starts a cohort, what is a return, and by which unit; by default weeks of the first activity.
        last_day: The end of the data; by default the last day of anybody.
        entry: Active days in the week of the start from which on a member is `high` or `medium`: then also sliced by
            `entry_activity` and `entry_contribution`, what was done in that week, which is over before any later age; weeks only.
        pair: Two of the dimensions that are crossed, too; a dimension that there is not is left out.
        ages: So many ages are kept; by default all.
        hand: What is at hand of it.

    Raises:
        InputError: `pair` does not name two dimensions.
    """
    rule = rule or Rule()
    given = members.asked(user_day, slices, rule=rule, last_day=last_day, entry=entry, hand=hand)
    with members.by_age(given).cache() as crossed:
        counted = _rolled(crossed, given.names, pair, ["cohort", "age"], members.SUMS)
    return _dense(counted, _newest(counted, rule, last_day), rule, ages)


def slice_of(users: ibis.Table, attribute: str) -> ibis.Table:
    """`user_id` and the `value` of an attribute, one row a user, as `cohort_cube` slices by."""
    return users.select("user_id", value=users[attribute])


def sliced_by(users: ibis.Table | None, names: Sequence[str]) -> dict[str, ibis.Table]:
    """The same of each attribute named; none where there is no users table.

    Raises:
        InputError: The users table has no such column; names the nearest.
    """
    if users is None:
        return {}
    unknown = next((name for name in names if name not in users.columns), None)
    if unknown is not None:
        known = [name for name in users.columns if name != "user_id"]
        raise InputError(
            f'rules.toml: [retention] slices = "{unknown}"\n  The users table has no such column.{nearest(unknown, known)} '
            f"It has: {', '.join(known)}."
        )
    return {name: slice_of(users, name) for name in names}


def cohort_spans(
    user_day: ibis.Table,
    slices: Mapping[str, ibis.Table] | None = None,
    *,
    rule: Rule,
    last_day: date | None = None,
    entry: Mapping | None = None,
    pair: Sequence[str] = (),
    hand: AtHand | None = None,
) -> pd.DataFrame:
    """Who came back within spans of ages, which the ages of the cube do not add up to (contract `cohort_spans`).

    The spans are the rule's brackets and, where it has a horizon, from each age to the horizon. A cohort has a row for each,
    also where the span is not over yet.

    Args:
        user_day, slices, last_day, entry, pair, hand: As for `cohort_cube`.

    Raises:
        InputError: The rule has no spans, or `pair` does not name two dimensions.
    """
    if not rule.spans:
        raise InputError("The rule has neither brackets nor a horizon, so there are no spans of ages to count.")
    given = members.asked(user_day, slices, rule=rule, last_day=last_day, entry=entry, hand=hand)
    with members.by_span(given).cache() as crossed:
        columns = ("size", *(members.span(*ages) for ages in rule.spans))
        counted = _rolled(crossed, given.names, pair, ["cohort"], dict.fromkeys(columns, "int64"))
    spans = [counted.assign(age=age, until=until, active=counted[members.span(age, until)]) for age, until in rule.spans]
    table = pd.concat(spans, ignore_index=True)[list(COHORT_SPANS.columns)]
    table["cohort"] = periods.begins(table["cohort"], rule.unit, rule.week_start)
    return table.sort_values(list(COHORT_SPANS.key), ignore_index=True)


def _rolled(crossed: ibis.Table, names: list[str], pair: Sequence[str], key: list[str], sums: Mapping[str, str]) -> pd.DataFrame:
    """Sums by nothing, by each dimension, and by the pair where both of its dimensions are there."""
    if pair and (len(pair) != 2 or pair[0] == pair[1]):
        raise InputError(f"pair is {list(pair)}, but it needs two different dimensions, or none.")
    slices = {ALL: ibis.literal(ALL), **{name: crossed[members.at(name)] for name in names}}
    if pair and set(pair) <= set(names):
        first, second = (crossed[members.at(name)] for name in pair)
        slices[PAIRED.join(pair)] = first + ibis.literal(PAIRED) + second
    parts = []
    for name, value in slices.items():
        told = crossed.select(*key, *sums, dimension=ibis.literal(name), slice=value)
        made = {column: told[column].sum().cast(dtype) for column, dtype in sums.items()}
        parts.append(told.group_by(["dimension", "slice", *key]).agg(**made))
    return (ibis.union(*parts) if len(parts) > 1 else parts[0]).to_pyarrow().to_pandas()


def _newest(counted: pd.DataFrame, rule: Rule, last_day: date | None) -> int:
    """The number of the last period of the data."""
    if last_day is not None:
        return periods.number(last_day, rule.unit, rule.week_start)
    return int((counted["cohort"] + counted["age"]).max()) if len(counted) else 0


def _dense(counted: pd.DataFrame, newest: int, rule: Rule, ages: int | None) -> pd.DataFrame:
    """A row for every age of every cohort, what nobody did being 0."""
    key = ["dimension", "slice", "cohort"]
    whole = counted[counted["size"] > 0][[*key, "size"]].sort_values(key, ignore_index=True)
    known = np.maximum(newest - whole["cohort"].to_numpy(dtype="int64") + 1, 1)
    slots = (known if ages is None else np.minimum(known, ages)) + 1  # the last one holds what lies beyond the ages kept
    whole["at"] = np.cumsum(slots) - slots
    found = counted.merge(whole[[*key, "at"]], on=key)
    place = (found["at"] + np.minimum(found["age"], slots[whole["at"].searchsorted(found["at"])] - 1)).to_numpy(dtype="int64")
    table = whole.loc[whole.index.repeat(slots)].reset_index(drop=True)
    table["age"] = np.arange(len(table)) - table["at"].to_numpy()
    kept = np.repeat(slots, slots) - 1 > table["age"].to_numpy()
    for name in ("active", "last", "payers"):
        table[name] = np.bincount(place, found[name], len(table)).astype("int64")
    net = np.full(len(table), NOTHING, dtype=object)
    net[place] = found["net"].to_numpy()
    later = np.append(table["last"].to_numpy()[::-1].cumsum()[::-1], 0)
    table["returned"] = later[:-1] - later[np.repeat(np.cumsum(slots), slots)]
    table["cohort"] = periods.begins(table["cohort"], rule.unit, rule.week_start)
    return table.assign(net=net)[kept][list(COHORT_CUBE.columns)].reset_index(drop=True)
