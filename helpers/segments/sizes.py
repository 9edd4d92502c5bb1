"""Sizes of tiers, and who came and left."""

from __future__ import annotations

import ibis
import pandas as pd

from helpers.segments.tables import DIMENSIONS, TIERS


def tier_sizes(now: ibis.Table, before: ibis.Table) -> pd.DataFrame:
    """Sizes of all tiers, this week and the week before, and who came and left (contract `tier_sizes`).

    Args:
        now, before: As `tiers` gives them for two days.
    """
    both = now.outer_join(before, "user_id")
    ends = {f"{dimension}_{when}": both[f"{dimension}{suffix}"]
            for dimension in DIMENSIONS for when, suffix in (("now", ""), ("before", "_right"))}  # fmt: skip
    joint = both.select(**ends).group_by(list(ends)).agg(people=ibis._.count()).to_pandas()
    parts = []
    for dimension in DIMENSIONS:
        pairs = joint[[f"{dimension}_now", f"{dimension}_before", "people"]].set_axis(["tier", "was", "people"], axis=1)
        everyone = pairs.loc[pairs["tier"].notna(), "people"].sum()
        for tier in TIERS[dimension]:
            inside, was = pairs["tier"] == tier, pairs["was"] == tier
            people = pairs.loc[inside, "people"].sum()
            parts.append(
                {
                    "dimension": dimension,
                    "tier": tier,
                    "people": people,
                    "before": pairs.loc[was, "people"].sum(),
                    "came": pairs.loc[inside & ~was, "people"].sum(),
                    "left": pairs.loc[was & ~inside, "people"].sum(),
                    "share": people / everyone if everyone else float("nan"),
                }
            )
    frame = pd.DataFrame(parts).astype(dict.fromkeys(("people", "before", "came", "left"), "int64"))
    assert (frame["people"] == frame["before"] + frame["came"] - frame["left"]).all()
    return frame


def cross(segments: ibis.Table, row: str, column: str) -> pd.DataFrame:
    """People by two dimensions: `row`, `column`, `people`; every pair of tiers, the empty ones too."""
    counted = segments.group_by([row, column]).agg(people=segments.count()).to_pandas()
    full = pd.MultiIndex.from_product([TIERS[row], TIERS[column]], names=[row, column])
    return counted.set_index([row, column])["people"].reindex(full, fill_value=0).rename("people").reset_index()


def summary(sizes: pd.DataFrame) -> dict[str, int]:
    """People in all, now and a week ago."""
    own = sizes[sizes["dimension"] == DIMENSIONS[0]]
    return {"people": int(own["people"].sum()), "a week ago": int(own["before"].sum())}
