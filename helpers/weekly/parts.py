"""The change of a share in parts that add up."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from helpers.weekly.numbers import first_weeks


def decompose(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Split the change of a share into rate and mix, by slice; the parts sum exactly (Kitagawa 1955, midpoint).

    Args:
        before, now: Indexed by slice: `size` and `active` (people). A slice that only one of them has is all mix.

    Returns:
        One row per slice: `slice`, `rate`, `mix` (share; their total is the change of the pooled share, and NaN where
        one of the two has nobody).
    """
    both = before.join(now, how="outer", suffixes=("_before", "_now")).fillna(0).astype(float)
    weight = [both[f"size_{when}"] / (both[f"size_{when}"].sum() or np.nan) for when in ("before", "now")]
    people = [both[f"size_{when}"].where(both[f"size_{when}"] > 0) for when in ("before", "now")]
    known = [both["active_before"] / people[0], both["active_now"] / people[1]]
    rates = [known[0].fillna(known[1]).fillna(0), known[1].fillna(known[0]).fillna(0)]
    overall = sum((weight[i] * rates[i]).sum() for i in (0, 1)) / 2
    rate = (weight[0] + weight[1]) / 2 * (rates[1] - rates[0])
    mix = (weight[1] - weight[0]) * ((rates[0] + rates[1]) / 2 - overall)
    return pd.DataFrame({"slice": both.index, "rate": rate.to_numpy(), "mix": mix.to_numpy()})


def retention_change(cube: pd.DataFrame, *, last_day: date, dimension: str) -> pd.DataFrame | None:
    """The change of week-1 retention that `kpis` shows, by slice; None where it shows none.

    Args:
        cube: Contract `cohort_cube`.
        dimension: One of its dimensions.

    Returns:
        `slice`, `rate`, `mix` (share), as `decompose`.
    """
    if first_weeks(cube, last_day)["size"].iloc[-2:].notna().sum() < 2:
        return None
    chosen = cube[cube["dimension"] == dimension].set_index(["cohort", "slice"])
    sizes = chosen.loc[chosen["age"] == 0, "size"]
    active = chosen.loc[chosen["age"] == 1, "active"].reindex(sizes.index, fill_value=0)
    table = pd.DataFrame({"size": sizes, "active": active})
    newest = pd.Timestamp(last_day) - pd.Timedelta(days=13)
    return decompose(table.xs(newest - pd.Timedelta(days=7)), table.xs(newest))
