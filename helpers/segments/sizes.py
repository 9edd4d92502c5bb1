"""Sizes of tiers, and who came and left."""

from __future__ import annotations

from decimal import Decimal

import ibis
import pandas as pd

from helpers.segments.moves import Moves
from helpers.segments.tables import DIMENSIONS, TIER_SIZES, TIERS
from helpers.segments.value import SCORES


def tier_sizes(moves: Moves) -> pd.DataFrame:
    """Sizes of all tiers at the end of the last week and of the week before, and who came and left (contract `tier_sizes`)."""
    sizes = moves.sizes.sort_values("week", kind="stable")
    key = ["dimension", "tier"]
    ends = [sizes.groupby(key, sort=False).nth(at).set_index(key) for at in (-1, -2)]
    last = moves.flows[(moves.flows["week"] == sizes["week"].max()) & (moves.flows["kind"] != "stayed")]
    came, left = (last.rename(columns={end: "tier"}).groupby(key)["people"].sum() for end in ("to", "from"))
    named = pd.MultiIndex.from_tuples([(name, tier) for name in DIMENSIONS for tier in TIERS[name]], names=key)
    made = pd.DataFrame(index=named).assign(
        people=ends[0]["people"], before=ends[1]["people"], came=came, left=left, share=ends[0]["share"]
    )
    counts = dict.fromkeys(("people", "before", "came", "left"), 0)
    return made.fillna(counts).astype(dict.fromkeys(counts, "int64")).reset_index()[list(TIER_SIZES.columns)]


def between(flows: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """People of the last week by the tier they came from and the tier they are in: `from`, `to`, `people`, every pair."""
    own = flows[(flows["dimension"] == dimension) & (flows["week"] == flows["week"].max())]
    ends = [list(dict.fromkeys([*TIERS[dimension], *own[end]])) for end in ("from", "to")]
    full = pd.MultiIndex.from_product(ends, names=["from", "to"])
    return own.set_index(["from", "to"])["people"].reindex(full, fill_value=0).reset_index()


def rfm_sizes(segments: ibis.Table) -> pd.DataFrame:
    """How many people have each RFM score and class: the realised sizes, which limits or quantiles have led to.

    Returns:
        `what` (recency, frequency, monetary or rfm_class), `level` (1 to 5, or the class), `people`, `share` (of all who
        ever bought, or were ever active where nobody has paid), `net` (of the last 90 days).
    """
    known = segments.filter(segments.recency_days.notnull())
    names = {name.removesuffix("_score"): known[name].cast("string") for name in SCORES}
    names["rfm_class"] = known.rfm_class
    parts = [
        known.group_by(level=value).agg(people=known.count(), net=known.net_90.sum()).mutate(what=ibis.literal(what))
        for what, value in names.items()
    ]
    found = ibis.union(*parts).to_pandas().set_index(["what", "level"])
    levels = [(what, str(score)) for what in list(names)[:3] for score in range(5, 0, -1)]
    levels += [("rfm_class", name) for name in TIERS["rfm_class"][:-1]]
    made = found.reindex(pd.MultiIndex.from_tuples(levels, names=["what", "level"])).reset_index()
    made["people"] = made["people"].fillna(0).astype("int64")
    made["net"] = [net if isinstance(net, Decimal) else Decimal(0) for net in made["net"]]
    everyone = made.groupby("what")["people"].transform("sum")
    return made.assign(share=made["people"] / everyone.where(everyone > 0))[["what", "level", "people", "share", "net"]]


def cross(segments: ibis.Table, row: str, column: str) -> pd.DataFrame:
    """People by two dimensions or attributes: `row`, `column`, `people`; every pair of tiers, the empty ones too.

    Of an attribute people without a value are "unknown".
    """
    named = segments.select(**{name: segments[name].fill_null("unknown") for name in (row, column)})
    counted = named.group_by([row, column]).agg(people=named.count()).to_pandas()
    levels = [TIERS[name] if name in TIERS else sorted(counted[name].unique()) for name in (row, column)]
    full = pd.MultiIndex.from_product(levels, names=[row, column])
    return counted.set_index([row, column])["people"].reindex(full, fill_value=0).rename("people").reset_index()


def summary(sizes: pd.DataFrame) -> dict[str, int]:
    """People in all, now and a week ago."""
    own = sizes[sizes["dimension"] == DIMENSIONS[0]]
    return {"people": int(own["people"].sum()), "a week ago": int(own["before"].sum())}
