"""A condition that somebody puts together: what can be asked, and who meets it."""

from __future__ import annotations

import math

import ibis
import pandas as pd

from helpers.segments.named import named_sizes
from helpers.segments.tables import SEGMENTS, TIERS

ATTRIBUTES = ("channel", "city", "gender", "age_band")
MOST_VALUES = 60
MEETS, OTHERS = "meets it", "others"


def askable(segments: ibis.Table) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The columns of segments that a condition may name: their type, and the values of texts, tiers in their order.

    Of an attribute the 60 most common values are told; a column without any value is left out.
    """
    found = {}
    for name, spec in SEGMENTS.columns.items():
        if name == "user_id" or name not in segments.columns:
            continue
        values = TIERS.get(name, ())
        if name in ATTRIBUTES:
            counted = segments.filter(segments[name].notnull()).group_by(value=segments[name]).agg(people=ibis._.count())
            counted = counted.order_by(ibis.desc("people"), "value").limit(MOST_VALUES)
            values = tuple(counted.to_pandas()["value"])
            if not values:
                continue
        found[name] = (spec.dtype, tuple(values))
    return found


def built(now: ibis.Table, before: ibis.Table, condition: str) -> pd.DataFrame:
    """Who meets a condition, and who does not.

    Args:
        now, before: As `tiers` gives them for two days, a week apart.
        condition: SQL on their columns; where it is unknown it is not met.

    Returns:
        Two rows, `who` being "meets it" and "others": `people`, `share` (of all), `before` (people a week ago), `came`,
        `left` (people since then), `net` (of the last 90 days) and `net_each` (net amount a person).
    """
    both = {MEETS: f"({condition})", OTHERS: f"NOT COALESCE(({condition}), FALSE)"}
    found = named_sizes(now, before, both).rename(columns={"segment": "who"})
    each = [float(net) / people if people else math.nan for net, people in zip(found["net"], found["people"], strict=True)]
    return found.assign(net_each=each)[["who", "people", "share", "before", "came", "left", "net", "net_each"]]
