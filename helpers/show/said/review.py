"""What is said about limits, stays and gaps."""

from __future__ import annotations

import pandas as pd

from helpers.show import format, gate, words
from helpers.show.words import subject, tier, word

SIZES = ("of", "people", "people_lower", "people_higher")
QUANTILES = {"median": 0.5, "80 %": 0.8, "90 %": 0.9, "95 %": 0.95}


def limit(beside: pd.DataFrame, measure: str, name: str) -> str:
    """What another limit would make of a tier.

    Args:
        beside: As `segments.limits_beside` gives it.
        measure, name: Which limit.
    """
    own = beside[(beside["measure"] == measure) & (beside["limit"] == name)]
    if own.empty or own[list(SIZES)].iloc[0].map(gate.is_small).any():
        return word("finding.too_few")
    row = own.iloc[0]
    values = {key: _limit(row[key]) for key in ("value", "value_lower", "value_higher")}
    people = {key: format.value(row[key], "count") for key in ("people_lower", "people_higher")}
    said = {"measure": word(f"said.review.of_{measure}"), "tier": tier(name), "people": subject()}
    return word("said.review.limit", n=format.value(row["people"], "count"), **said, **values, **people)


def rows(beside: pd.DataFrame) -> pd.DataFrame:
    """The rows with `what`, the measure in words, `at`, the same with what begins at the limit, and `smallest`: the smallest
    group that a row tells of, which withholds it.
    """
    pairs = zip(beside["measure"], beside["limit"], strict=True)
    named = [(word(f"said.review.of_{measure}"), word(f"said.review.at_{measure}", tier=tier(name))) for measure, name in pairs]
    sizes = beside[list(SIZES)].astype(float)
    apart = sizes[["people_lower", "people_higher"]].sub(sizes["people"], axis=0).abs()  # who lies between two limits
    groups = sizes.join(apart, suffixes=("", "_apart"))
    few = {name: ~beside["of"].map(lambda n, at=at: gate.enough_for(n, at)).astype(bool) for name, at in QUANTILES.items()}
    return beside.assign(
        what=[name for name, _ in named], at=[name for _, name in named], smallest=groups.where(groups > 0).min(axis=1).fillna(0),
        **{name: gate.without(beside[name], few[name]) for name in QUANTILES},
    )


def back(gaps: pd.DataFrame, limits: dict) -> str:
    """How many silences end after all, at the limits of silent and lost.

    Args:
        gaps: Contract `gaps`.
        limits: The section `lifecycle` of the rules.
    """
    told = []
    for name in ("silent", "lost"):
        row = gaps[gaps["silence"] == limits[name]].iloc[0]
        if gate.is_small(row["people"]) or not row["longer"]:
            continue
        interval = format.interval(row["low"], row["high"], "share")
        known = "" if interval == format.UNDEFINED else word("said.review.known", interval=interval)
        share = format.value(row["share_back"], "share")
        told.append(word("said.review.back", days=format.value(row["silence"], "days"), share=share, known=known))
    return word("said.review.after", parts=word("said.review.then").join(told)) if told else word("finding.too_few")


def stay(stays: pd.DataFrame, dimension: str, name: str) -> str:
    """How long people stay in a tier.

    Args:
        stays: As `segments.stays` gives it.
    """
    own = stays[(stays["dimension"] == dimension) & (stays["tier"] == name)]
    if own.empty or gate.is_small(own["people"].iloc[0]):
        return word("finding.too_few")
    row = own.iloc[0]
    interval = format.interval(row["low"], row["high"], "share")
    parts = {"tier": word("join.tier", dimension=words.dimension(dimension), tier=tier(name)), "people": subject(),
             "share": format.value(row["stay"], "share"),
             "known": "" if interval == format.UNDEFINED else word("said.review.known", interval=interval)}  # fmt: skip
    if row["lasts"] != row["lasts"]:
        return word("said.review.for_good", **parts)
    return word("said.review.stay", weeks=format.value(row["lasts"], "number", digits=1), **parts)


def _limit(value: float) -> str:
    return format.value(value, "number", digits=0 if float(value).is_integer() else None)
