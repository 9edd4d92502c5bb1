"""What sets apart each of many groups, from one additive cube of all of them: for cells in which groups are chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import ibis
import pandas as pd

from helpers.portraits import distinct
from helpers.portraits.distinct import DISTINCTIVE

EVERYBODY = ""
MEANS = {"active_days": "active_days_28", "contents": "create_28", "net": "net"}


@dataclass(frozen=True)
class Apart:
    """Counts and sums of everybody and of each group.

    Attributes:
        levels: `group`, `attribute`, `level`, `people`.
        sums: One row a group: `people`, and of each measure how many, their sum and the sum of their squares.
        power: The power of ten by which a measure was divided before it was squared.
    """

    levels: pd.DataFrame
    sums: pd.DataFrame
    power: dict[str, int]


def apart(portraits: ibis.Table, memberships: ibis.Table, groups: list[str]) -> Apart:
    """The cube of some groups, in two passes over the people.

    Args:
        portraits: Of everybody.
        memberships: `user_id`, `group`, each pair once, as `memberships` gives them.
        groups: Those that are wanted.
    """
    levels, numbers = distinct.attributes(())
    own = portraits.select("user_id", *dict.fromkeys([*levels, *numbers, *MEANS.values()]))
    power = distinct.powers(own, numbers)
    inside = own.inner_join(memberships.filter(memberships.group.isin(groups)).select("user_id", "group"), "user_id").cache()
    both = {EVERYBODY: own.mutate(group=ibis.literal(EVERYBODY)), "groups": inside}
    counts = [
        table.filter(table[name].notnull()).group_by("group", level=table[name].cast("string"))
        .agg(people=ibis._.count()).mutate(attribute=ibis.literal(name))
        for table in both.values() for name in levels
    ]  # fmt: skip
    parts = []
    for table in both.values():
        sums = {f"{name}__{what}": value for name in power for what, value in distinct.sums(table[name], power[name]).items()}
        means = {name: table[column].cast("float64").sum() for name, column in MEANS.items()}
        parts.append(table.group_by("group").agg(people=ibis._.count(), **means, **sums).to_pandas())
    return Apart(ibis.union(*counts).to_pandas(), pd.concat(parts, ignore_index=True).set_index("group"), power)


def distinctive_of(cube: Apart, group: str, *, top: int = 8) -> pd.DataFrame:
    """What `distinctive` says of one group of the cube (contract `distinctive`).

    Raises:
        KeyError: The cube has no such group.
    """
    names = ["attribute", "level"]
    wide = cube.levels[cube.levels["group"].isin([group, EVERYBODY])]
    wide = wide.pivot_table(index=names, columns="group", values="people", aggfunc="sum", fill_value=0)
    wide = wide.reindex(columns=[group, EVERYBODY], fill_value=0)
    wide = pd.DataFrame({"k": wide[group], "k_rest": wide[EVERYBODY] - wide[group]}).reset_index()
    inside, everybody = cube.sums.loc[group], cube.sums.loc[EVERYBODY]
    measured = [name for name in cube.sums.columns if "__" in name]
    rest = pd.Series({name: _less(everybody[name], inside[name]) for name in measured}, dtype="object")
    found = pd.concat([distinct.levels(wide, top), distinct.numbers(inside[measured], rest, cube.power)], ignore_index=True)
    return distinct.ranked(found, group)[list(DISTINCTIVE.columns)]


def beside(cube: Apart, group: str) -> pd.DataFrame:
    """The members of a group beside everybody else.

    Returns:
        Two rows, `who` being "group" and "others": `people`, `share` (of all), and means a person: `active_days` and
        `contents` (of the last 28 days), `net` (whole history).

    Raises:
        KeyError: The cube has no such group.
    """
    columns = ["people", *MEANS]
    inside, everybody = (cube.sums.loc[name, columns].fillna(0).astype("float64") for name in (group, EVERYBODY))
    rows = pd.DataFrame([inside, everybody - inside]).assign(who=["group", "others"]).reset_index(drop=True)
    means = {name: rows[name] / rows["people"].where(rows["people"] > 0) for name in MEANS}
    share = rows["people"] / (everybody["people"] or math.nan)
    return rows.assign(**means, share=share, people=rows["people"].astype("int64"))[["who", "people", "share", *MEANS]]


def _less(whole: object, part: object) -> object:
    return whole if pd.isna(part) else whole - part
