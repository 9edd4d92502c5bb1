"""The limits of the tiers against what people do here: their quantiles, and what another limit would change."""

from __future__ import annotations

import ibis
import pandas as pd

from helpers import contracts

QUANTILES = {"median": 0.5, "80 %": 0.8, "90 %": 0.9, "95 %": 0.95}
CHANGES = {"as set": 1.0, "lower": 0.75, "higher": 1.25}
DIMENSION = {
    "active_days": "activity", "net": "payment", "recency": "value", "frequency": "value", "monetary": "value",
    "score": "value", "silence": "lifecycle",
}  # fmt: skip
RFM = ("recency", "frequency", "monetary")
KEY = ["measure", "limit", "setting"]
AT_MOST, OVER = ("recency",), ("silence",)  # which side of the limit is meant; of the others: at least

LIMIT_REVIEW = contracts.declare(
    "limit_review",
    grain="one row per measure, limit and setting of the limit; quantiles have no limit's name",
    key=["measure", "limit", "setting"],
    needs="events",
    small=True,
    nullable=("net_share",),
    columns={
        "dimension": ("string", "", "activity, payment, value or lifecycle"),
        "measure": ("string", "", "active_days, net, recency, frequency, monetary, score (their sum) or silence"),
        "limit": ("string", "", "the tier or score that begins at the limit; empty for a quantile"),
        "setting": ("string", "", "as set, lower (three quarters), higher (five quarters), median, 80 %, 90 % or 95 %"),
        "value": ("float64", "of the measure", "the limit, or the quantile"),
        "of": ("int64", "people", "people who have the measure: active, paying or ever active"),
        "reached": ("int64", "people", "of them, those who reach it: at least; of recency at most; of silence over it"),
        "people": ("int64", "people", "of them, those who reach no stricter limit as set: the tier's size"),
        "net_share": ("float64", "share", "of the net amount of all, over the days of the payment tier: the part of `people`"),
        "below": ("float64", "share", "of people with the measure, those below the value"),
        "at": ("float64", "share", "of people with the measure, those at the very value"),
    },
)


def limit_review(segments: ibis.Table, *, rules: dict) -> pd.DataFrame:
    """Where this dataset's own quantiles lie against the limits, and what another limit would do (contract `limit_review`).

    One limit is moved at a time, the others stay, and no tier is held over weeks. A quantile lies between two values where
    none is at its place. Limits that are quantiles themselves (`quantiles` in the rules) are not moved.

    Args:
        segments: Contract `segments`.
        rules: The limits, by section (`activity`, `payment`, `value`, `lifecycle`).
    """
    people = _measured(segments)
    own = _quantiles(people, rules["payment"]["high_quantile"])
    settings = _settings(own, rules)
    total = segments.aggregate(net=segments.net_90.sum()).to_pandas()["net"].astype("float64").iloc[0]
    return _finished(settings.merge(_counted(_long(people), settings), on=KEY), total)


def limits_beside(review: pd.DataFrame) -> pd.DataFrame:
    """One row a limit: as it is set, three quarters and five quarters of it, and the quantiles of its measure.

    Returns:
        `dimension`, `measure`, `limit`, `below`; `value`, `people`, `net_share`, and each of them with `_lower` and
        `_higher`; `of`, and the quantiles by the names that they have in `setting`.
    """
    shown = review.loc[(review["limit"] != "") & (review["setting"] == "as set")].copy()
    for name in ("lower", "higher"):
        own = review.loc[review["setting"] == name, ["measure", "limit", "value", "people", "net_share"]]
        shown = shown.merge(own, on=["measure", "limit"], suffixes=("", f"_{name}"))
    quantiles = review[review["limit"] == ""].pivot(index="measure", columns="setting", values="value")
    return shown.drop(columns=["setting", "reached", "at"]).join(quantiles.reindex(columns=list(QUANTILES)), on="measure")


def _measured(segments: ibis.Table) -> ibis.Table:
    """Everybody's measures that have limits; what a person does not have is empty."""
    values = {
        "active_days": _above_zero(segments.active_days),
        "net": _above_zero(segments.net_90),
        "recency": segments.recency_days,
        "frequency": _above_zero(segments.frequency),
        "monetary": _above_zero(segments.monetary),
        "score": segments.recency_score + segments.frequency_score + segments.monetary_score,
        "silence": segments.away_days,
    }
    return segments.select(carried=segments.net_90, **{name: value.cast("float64") for name, value in values.items()})


def _above_zero(value: ibis.Value) -> ibis.Value:
    return ibis.ifelse(value > 0, value, ibis.null(value.type()))


def _long(people: ibis.Table) -> ibis.Table:
    """Each value of each measure, with how many have it and the net amount that they carry."""
    parts = [people.select("carried", measure=ibis.literal(name), value=people[name]) for name in DIMENSION]
    known = ibis.union(*parts, distinct=False).filter(ibis._.value.notnull())
    return known.group_by(["measure", "value"]).agg(people=known.count(), net=known.carried.sum())


def _quantiles(people: ibis.Table, high: float) -> pd.DataFrame:
    """By measure: how many have it (`of`), its quantiles, and the one that parts high payers from the others."""
    asked = QUANTILES | {"high": high}
    names = {f"{name}|{key}": (name, key, share) for name in DIMENSION for key, share in asked.items()}
    found = people.aggregate(
        **{f"{name}|of": people[name].count() for name in DIMENSION},
        **{label: people[name].quantile(share) for label, (name, _, share) in names.items()},
    ).to_pandas()
    table = found.T[0].astype("float64")
    table.index = pd.MultiIndex.from_tuples([tuple(label.split("|")) for label in table.index])
    return table.unstack()


def _settings(own: pd.DataFrame, rules: dict) -> pd.DataFrame:
    """Every limit at every setting, the weaker limits of a measure first, and the quantiles of each measure."""
    scores = {name: {str(at + 2): limit for at, limit in enumerate(rules["value"][name])} for name in RFM}
    days = ("low",) if rules["activity"]["quantiles"] else ("low", "medium", "high")
    limits = {
        "active_days": {tier: rules["activity"][tier] for tier in days},
        "net": {"high payer": own.loc["net", "high"]},
        **({name: {} for name in RFM} if rules["value"]["quantiles"] else scores),
        "score": {tier: rules["value"][tier] for tier in ("mid", "high")},
        "silence": {tier: rules["lifecycle"][tier] for tier in ("silent", "lost")},
    }
    rows = []
    for measure, by_name in limits.items():
        for limit, value in by_name.items():
            rows += [(measure, limit, setting, value * factor) for setting, factor in CHANGES.items()]
        rows += [(measure, "", name, own.loc[measure, name]) for name in QUANTILES]
    settings = pd.DataFrame(rows, columns=[*KEY, "value"]).astype({"value": "float64"})
    settings = settings.assign(dimension=settings["measure"].map(DIMENSION), of=settings["measure"].map(own["of"]))
    return settings[settings["of"] > 0].reset_index(drop=True)


def _counted(long: ibis.Table, settings: pd.DataFrame) -> pd.DataFrame:
    """Of each setting: the people who reach its value and the net amount that they carry, and who lies below and at it."""
    if settings.empty:
        return settings[KEY].assign(reached=0, net=0.0, fewer=0, same=0)
    sides = ["at most" if name in AT_MOST else "over" if name in OVER else "at least" for name in settings["measure"]]
    asked = ibis.memtable(settings[[*KEY, "value"]].rename(columns={"value": "bound"}).assign(side=sides))
    met = asked.join(long, "measure")
    reaches = ibis.cases(
        (met.side == "at least", met.value >= met.bound), (met.side == "at most", met.value <= met.bound),
        else_=met.value > met.bound,
    )  # fmt: skip
    found = met.group_by(KEY).agg(
        reached=met.people.sum(where=reaches).fill_null(0),
        net=met.net.sum(where=reaches).fill_null(0),
        fewer=met.people.sum(where=met.value < met.bound).fill_null(0),
        same=met.people.sum(where=met.value == met.bound).fill_null(0),
    )
    return found.to_pandas().astype({"reached": "float64", "net": "float64", "fewer": "float64", "same": "float64"})


def _finished(rows: pd.DataFrame, total: float) -> pd.DataFrame:
    """What reaches a limit less what reaches the next stricter one as set: the size of a tier."""
    stricter = _stricter(rows)
    people = rows["reached"] - stricter["reached"]
    net = (rows["net"] - stricter["net"]).where(people > 0, 0.0)
    rows = rows.assign(
        people=people.clip(lower=0),
        net_share=net / total if total > 0 else float("nan"),
        below=rows["fewer"] / rows["of"],
        at=rows["same"] / rows["of"],
    )
    return rows.astype({"of": "int64", "reached": "int64", "people": "int64"})[list(LIMIT_REVIEW.columns)]


def _stricter(rows: pd.DataFrame) -> pd.DataFrame:
    """What reaches the next stricter limit as set, 0 beyond the strictest and for quantiles."""
    named = rows[(rows["limit"] != "") & (rows["setting"] == "as set")]
    after = named.groupby("measure", sort=False)[["reached", "net"]].shift(-1)
    after = named[["measure", "limit"]].join(after)
    return rows[["measure", "limit"]].merge(after, on=["measure", "limit"], how="left")[["reached", "net"]].fillna(0)
