"""The change of week-1 retention in parts that add up."""

from __future__ import annotations

from datetime import date

import pandas as pd

from helpers import retention
from helpers.weekly.numbers import first_weeks


def retention_change(cube: pd.DataFrame, *, last_day: date, dimension: str) -> pd.DataFrame | None:
    """The change of week-1 retention that `kpis` shows, by slice; None where it shows none.

    Args:
        cube: Contract `cohort_cube`.
        dimension: One of its dimensions.

    Returns:
        `slice`, `rate`, `mix` (share), as `retention.decompose`.
    """
    if first_weeks(cube, last_day)["size"].iloc[-2:].notna().sum() < 2:
        return None
    chosen = cube[cube["dimension"] == dimension].set_index(["cohort", "slice"])
    sizes = chosen.loc[chosen["age"] == 0, "size"]
    active = chosen.loc[chosen["age"] == 1, "active"].reindex(sizes.index, fill_value=0)
    table = pd.DataFrame({"size": sizes, "active": active})
    newest = pd.Timestamp(last_day) - pd.Timedelta(days=13)
    return retention.decompose(table.xs(newest - pd.Timedelta(days=7)), table.xs(newest))
