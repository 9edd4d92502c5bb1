"""What is sent out: the numbers of the week, those of the weeks before, and the first lines of the page."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from helpers.weekly.tables import PAST_NUMBERS, PUBLISHED


def past_numbers(kpis: pd.DataFrame | None, last_day: date | None) -> pd.DataFrame:
    """The main numbers of the weeks before, as they are known now (contract `past_numbers`).

    Args:
        kpis: As the function gives them; None where the dataset has none.
        last_day: A Sunday.
    """
    rows = [
        {"week": f"{last_day - timedelta(days=7 * ago):%G-W%V}", "metric": own["metric"], "value": value, "n": n}
        for own in (kpis.to_dict("records") if kpis is not None else ())
        for ago, value, n in zip(range(len(own["series"]) - 1, 0, -1), own["series"], own["series_n"], strict=False)
        if not np.isnan(value)
    ]
    return pd.DataFrame(rows, columns=list(PAST_NUMBERS.columns)).astype({"value": "float64", "n": "int64"})


def published(kpis: pd.DataFrame | None, tier_sizes: pd.DataFrame | None, effects: pd.DataFrame | None) -> pd.DataFrame:
    """All numbers of the week that are sent out (contract `published`).

    Args:
        kpis: As the function gives them; `tier_sizes`, `effects`: the artefacts; None where the dataset has none.
    """
    parts = []
    if kpis is not None:
        parts.append(kpis.assign(slice="all", low=np.nan, high=np.nan)[list(PUBLISHED.columns)])
    if tier_sizes is not None:
        sizes = tier_sizes.rename(columns={"dimension": "metric", "tier": "slice", "people": "value"})
        parts.append(sizes.assign(low=np.nan, high=np.nan, n=tier_sizes["people"])[list(PUBLISHED.columns)])
    if effects is not None and len(effects):
        named = effects.assign(
            metric=effects["experiment"] + ": " + effects["metric"],
            slice=effects["variant"],
            value=effects["difference"],
            n=effects["smaller"],  # a difference tells of both arms
        )
        parts.append(named[list(PUBLISHED.columns)])
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(PUBLISHED.columns))
    return found.astype({"value": "float64", "low": "float64", "high": "float64", "n": "int64"})


def headline(sentence: str, status: str, quality: str, doubts: str) -> pd.DataFrame:
    """The front page's first lines, and those of the other pages (contract `headline`), one row."""
    return pd.DataFrame([{"sentence": sentence, "status": status, "quality": quality, "doubts": doubts}])
