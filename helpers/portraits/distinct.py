"""A portrait of a group: what distinguishes its members from everybody else, by evidence."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby

import ibis
import numpy as np
import pandas as pd

from helpers import contracts
from helpers.portraits import evidence
from helpers.portraits.attributes import PORTRAITS

OTHER, MEAN = "other", "mean"
SAID_ONCE = ("second_topic", "third_topic", "visits_a_week")  # by the strongest topic, by the sessions
LEVELS = ("preferred_hour", "preferred_weekday")  # numbers that name something
# The columns that a dimension of the tiers is made of; of them nobody needs to be told that they distinguish its tiers.
MADE_OF = {
    "activity": ("active_days_28",),
    "contribution": ("create_28", "comment_28", "share_28", "react_28", "events_28"),
    "payment": ("gross", "net", "average_order", "orders", "pay_days", "days_since_pay", "repurchased", "discount_share"),
    "value": ("gross", "net", "average_order", "orders", "pay_days", "days_since_pay", "repurchased", "discount_share"),
    "lifecycle": ("active_days_28", "events_28", "sessions_28", "tenure_days", "dwell_minutes_28"),
}

DISTINCTIVE = contracts.declare(
    "distinctive",
    grain="one row per attribute and value of it that a group has oftener or less often than the rest, best evidence first",
    key=["segment", "attribute", "level"],
    needs="events",
    small=True,
    nullable=(*evidence.COMPARED, "q"),
    columns={
        "segment": ("string", "", "the group described"),
        "attribute": ("string", "", "column of the portraits"),
        "level": ("string", "", f'one of its values; "{OTHER}" for the rarer ones together, "{MEAN}" for a measure'),
        "people": ("int64", "people", "members of the group whose value is known"),
        "rest": ("int64", "people", "others whose value is known"),
        "smallest": ("int64", "people", "the smallest group that the row describes: members or others, with it or without"),
        "value": ("float64", "", "share of the members, or their mean"),
        "others": ("float64", "share or the measure's unit", "the same of the others"),
        "difference": ("float64", "", "value less others"),
        "low": ("float64", "", "lower end of its 95 % interval"),
        "high": ("float64", "", "upper end of its 95 % interval"),
        "lift": ("float64", "times", "value by others"),
        "lift_low": ("float64", "times", "lower end of its 95 % interval"),
        "lift_high": ("float64", "times", "upper end of its 95 % interval"),
        "p": ("float64", "", "of no difference: score test of shares, Welch's of means"),
        "q": ("float64", "share", "p by Benjamini and Hochberg over all rows"),
    },
)


def distinctive(
    portraits: ibis.Table, members: ibis.Table, *, segment: str, without: tuple[str, ...] = (), top: int = 8
) -> pd.DataFrame:
    """What distinguishes the members of a group from everybody else (contract `distinctive`), best evidence first.

    A text or a yes or no is compared by the share of people who have each value, a number by its mean; who has no value
    is left out. An attribute in which all people are alike distinguishes nobody and has no row; nor has what says the
    same as another, or tells of the weeks before.

    Args:
        portraits: Of everybody.
        members: `user_id` of the group; who has no portrait does not count.
        segment: What the group is called.
        without: Columns left out, such as those that the group is made of (`MADE_OF`).
        top: Values of an attribute told by name, the most common; the rarer ones are taken together.
    """
    chosen = members.select("user_id").distinct().mutate(is_member=ibis.literal(True))
    marked = portraits.left_join(chosen, "user_id").drop("user_id_right")
    levels_of, numbers_of = attributes(without)
    marked = marked.select(*levels_of, *numbers_of, is_member=marked.is_member.fill_null(False)).cache()
    found = pd.concat([_levels(marked, levels_of, top), _numbers(marked, numbers_of)], ignore_index=True)
    return ranked(found, segment)


def ranked(found: pd.DataFrame, segment: str) -> pd.DataFrame:
    """Comparisons of one group in order (contract `distinctive`), with the share of wrong calls among them."""
    found = found.assign(segment=segment, q=evidence.discoveries(found["p"]))
    with np.errstate(divide="ignore"):
        found["size"] = -np.abs(np.log(found["lift"].astype(float)))
    found = found.sort_values(["p", "size", "attribute", "level"], ignore_index=True, na_position="last")
    return found[list(DISTINCTIVE.columns)]


def memberships(segments: ibis.Table, tags: ibis.Table | None = None) -> ibis.Table:
    """Who is in which tier and has which tag: `user_id`, `group` ("activity: high", "tag: night owl")."""
    tiers = [name for name, dtype in segments.schema().items() if dtype.is_string() and name != "user_id"]
    parts = [segments.select("user_id", group=ibis.literal(f"{tier}: ") + segments[tier]) for tier in tiers]
    parts += [] if tags is None else [tags.select("user_id", group=ibis.literal("tag: ") + tags.tag)]
    return ibis.union(*parts).filter(ibis._.group.notnull()) if len(parts) > 1 else parts[0]


def group_names(memberships: ibis.Table) -> dict[str, list[str]]:
    """The groups that anybody is in, by their dimension, in the order of the alphabet."""
    found = sorted(memberships.select("group").distinct().to_pandas()["group"])
    return {dimension: list(names) for dimension, names in groupby(found, key=lambda name: name.split(": ")[0])}


def attributes(without: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The columns that are compared by their values, and those that are compared by their mean."""
    left_out = {*PORTRAITS.key, *SAID_ONCE, *without}
    told = {name: spec.dtype for name, spec in PORTRAITS.columns.items() if name not in left_out}
    told = {name: dtype for name, dtype in told.items() if not name.endswith("_before")}
    levels = [name for name, dtype in told.items() if dtype in ("string", "boolean") or name in LEVELS]
    numbers = [name for name, dtype in told.items() if dtype in ("int64", "float64", "decimal") and name not in LEVELS]
    return levels, numbers


def _levels(marked: ibis.Table, names: list[str], top: int) -> pd.DataFrame:
    """Shares of people with each value of an attribute, the most common values by name."""
    counts = []
    for name in names:
        known = marked.filter(marked[name].notnull()).group_by(level=marked[name].cast("string"), inside=marked.is_member)
        counts.append(known.agg(people=ibis._.count()).mutate(attribute=ibis.literal(name)))
    found = ibis.union(*counts).to_pandas() if len(counts) > 1 else counts[0].to_pandas()
    wide = found.pivot_table(
        index=["attribute", "level"], columns="inside", values="people", aggfunc="sum", fill_value=0
    ).reindex(columns=[True, False], fill_value=0)  # fmt: skip
    return levels(wide.set_axis(["k", "k_rest"], axis=1).reset_index(), top)


def levels(wide: pd.DataFrame, top: int) -> pd.DataFrame:
    """Shares compared.

    Args:
        wide: `attribute`, `level`, and the people with it in the group (`k`) and in the rest (`k_rest`).
        top: Values of an attribute told by name.
    """
    wide = _folded(wide, top)
    whole = wide.groupby("attribute")[["k", "k_rest"]].transform("sum")
    wide = wide.assign(people=whole["k"], rest=whole["k_rest"])
    wide = wide[(wide["k"] + wide["k_rest"] < wide["people"] + wide["rest"]) & (wide["level"] != "false")]
    parts = [wide["k"], wide["people"] - wide["k"], wide["k_rest"], wide["rest"] - wide["k_rest"]]
    compared = evidence.compare_shares(wide["k"], wide["people"], wide["k_rest"], wide["rest"])
    wide = wide.assign(smallest=_smallest(parts)).reset_index(drop=True)
    return pd.concat([wide[["attribute", "level", "people", "rest", "smallest"]], compared], axis=1)


def _folded(wide: pd.DataFrame, top: int) -> pd.DataFrame:
    """The most common values of each attribute by name, the others added up."""
    total = wide["k"] + wide["k_rest"]
    wide = wide.assign(total=total).sort_values(["attribute", "total", "level"], ascending=[True, False, True])
    rank = wide.groupby("attribute").cumcount()
    wide["level"] = wide["level"].where(rank < top, OTHER)
    return wide.groupby(["attribute", "level"], as_index=False)[["k", "k_rest"]].sum()


def _numbers(marked: ibis.Table, names: list[str]) -> pd.DataFrame:
    """Means of each measure, from sums that no order of people changes."""
    power = powers(marked, names)
    added = {f"{name}__{what}": value for name in power for what, value in sums(marked[name], power[name]).items()}
    wide = marked.group_by("is_member").agg(is_any=ibis._.count(), **added).to_pandas()
    wide = wide.set_index("is_member").reindex([True, False])
    return numbers(wide.loc[True], wide.loc[False], power)


def numbers(inside: pd.Series, rest: pd.Series, power: dict[str, int]) -> pd.DataFrame:
    """Means compared.

    Args:
        inside, rest: Of the group and of the rest: the sums of each measure, as `sums` names them.
        power: As `powers` gives it.
    """
    sides = [*_side(inside, power), *_side(rest, power)]
    frame = pd.DataFrame({"attribute": list(power), "level": MEAN, "people": sides[0], "rest": sides[3]})
    frame["smallest"] = _smallest([frame["people"], frame["rest"]])
    return pd.concat([frame, evidence.compare_means(*sides)], axis=1)


def powers(people: ibis.Table, names: list[str]) -> dict[str, int]:
    """Of each measure in which people differ the power of ten that is at least as large as all its values."""
    ends = people.aggregate(
        **{f"{name}__low": people[name].min().cast("float64") for name in names},
        **{f"{name}__high": people[name].max().cast("float64") for name in names},
    )  # fmt: skip
    ends = ends.to_pandas().iloc[0]
    varying = [name for name in names if ends[f"{name}__low"] < ends[f"{name}__high"]]
    return {name: _power(people[name], ends[f"{name}__low"], ends[f"{name}__high"]) for name in varying}


def sums(value: ibis.Value, power: int) -> dict[str, ibis.Value]:
    """How many, their sum, and the sum of their squares by 100 to the power: of whole numbers or of decimals, so exact."""
    if value.type().is_integer():
        return {"n": value.count(), "sum": value.sum(), "squares": (value * value).sum()}
    part = value.cast("float64") / 10.0**power
    total = value if value.type().is_decimal() else value.cast("decimal(38, 12)")
    return {"n": value.count(), "sum": total.sum(), "squares": (part * part).cast("decimal(38, 18)").sum()}


def _side(sums: pd.Series, power: dict[str, int]) -> tuple[pd.Series, np.ndarray, np.ndarray]:
    """People with a value of each measure, their means and variances."""
    n = pd.Series([sums[f"{name}__n"] for name in power], dtype="float64").fillna(0).astype("int64")
    known = {name: count > 0 for name, count in zip(power, n, strict=True)}
    total = [Decimal(str(sums[f"{name}__sum"])) if known[name] else None for name in power]
    squares = [Decimal(str(sums[f"{name}__squares"])) * Decimal(100) ** power[name] if known[name] else None for name in power]
    return n, *evidence.moments(n, total, squares)


def _power(value: ibis.Value, low: float, high: float) -> int:
    """The power of ten that is at least as large as all of them; 0 for whole numbers, whose squares stay small."""
    return 0 if value.type().is_integer() else int(np.ceil(np.log10(max(abs(low), abs(high)))))


def _smallest(parts: list[pd.Series]) -> pd.Series:
    """The smallest of them that is not empty."""
    return pd.concat(parts, axis=1).replace(0, np.nan).min(axis=1).fillna(0).astype("int64")
