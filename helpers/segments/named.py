"""Combined standards: segments with a name, each any cross of dimensions and attributes, written as a condition."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

import ibis
import pandas as pd

from helpers import contracts

NAMED_SEGMENTS = contracts.declare(
    "named_segments",
    grain="one row per user and named segment",
    key=["user_id", "segment"],
    needs="events",
    columns={
        "user_id": ("string", "", "pseudonym of the user"),
        "segment": ("string", "", "name in rules.toml"),
    },
)
NAMED_SIZES = contracts.declare(
    "named_sizes",
    grain="one row per named segment",
    key=["segment"],
    needs="events",
    small=True,
    nullable=("share",),
    columns={
        "segment": ("string", "", "name in rules.toml"),
        "when": ("string", "", "its condition"),
        "people": ("int64", "people", "size at the end of the week"),
        "before": ("int64", "people", "size at the end of the week before"),
        "came": ("int64", "people", "in it now and not a week ago"),
        "left": ("int64", "people", "in it a week ago and not now"),
        "of": ("int64", "people", "all people"),
        "share": ("float64", "share", "of all people"),
        "net": ("decimal", "currency", "their net amount of the last 90 days"),
    },
)


def named(segments: ibis.Table, rules: Mapping[str, str]) -> ibis.Table:
    """Who is in which named segment (contract `named_segments`); a condition on an unknown value does not hold.

    Args:
        segments: As `tiers` gives them.
        rules: Conditions in SQL on their columns, by name; an empty one names nobody.
    """
    flags = _flags(segments, _stated(rules), "segments")
    nobody = segments.filter(ibis.literal(False)).select("user_id", segment=ibis.literal(""))
    found = [
        flags.filter(flags[flag]).select("user_id", segment=ibis.literal(name))
        for flag, name in zip(_names(rules), _stated(rules), strict=True)
    ]
    return ibis.union(nobody, *found) if found else nobody


def named_sizes(now: ibis.Table, before: ibis.Table, rules: Mapping[str, str]) -> pd.DataFrame:
    """Sizes of the named segments, this week and the week before, and who came and left (contract `named_sizes`).

    Args:
        now, before: As `tiers` gives them for two days.
    """
    stated, flags = _stated(rules), _names(rules)
    then = _flags(before, stated, "before").select(then_id="user_id", **{f"{flag}_then": flag for flag in flags})
    held = _flags(now, stated, "now").left_join(then, ibis._.user_id == then.then_id)
    ends = {flag: (held[flag], held[f"{flag}_then"].fill_null(False)) for flag in flags}
    counts = {"of": held.count()}
    for flag, (is_in, was_in) in ends.items():
        counts |= {f"people {flag}": is_in.sum(), f"before {flag}": was_in.sum(), f"came {flag}": (is_in & ~was_in).sum(),
                   f"left {flag}": (was_in & ~is_in).sum(), f"net {flag}": held.net_90.sum(where=is_in)}  # fmt: skip
    found = held.aggregate(**counts).to_pandas().iloc[0].fillna(0)
    rows = [
        {"segment": name, "when": when, "of": int(found["of"]), "net": found[f"net {flag}"] or Decimal(0)}
        | {what: int(found[f"{what} {flag}"]) for what in ("people", "before", "came", "left")}
        for flag, (name, when) in zip(flags, stated.items(), strict=True)
    ]
    made = pd.DataFrame(rows, columns=[name for name in NAMED_SIZES.columns if name != "share"])
    return made.assign(share=made["people"] / made["of"].where(made["of"] > 0, math.nan))[list(NAMED_SIZES.columns)]


def _stated(rules: Mapping[str, str]) -> dict[str, str]:
    return {name: when for name, when in rules.items() if when.strip()}


def _names(rules: Mapping[str, str]) -> list[str]:
    return [f"named_{at}" for at in range(len(_stated(rules)))]


def _flags(segments: ibis.Table, stated: Mapping[str, str], alias: str) -> ibis.Table:
    """People with a column of true or false for each segment."""
    made = "".join(f", COALESCE(({when}), FALSE) AS named_{at}" for at, when in enumerate(stated.values()))
    return segments.alias(f"{alias}_people").sql(f"SELECT user_id, net_90{made} FROM {alias}_people", dialect="duckdb")
