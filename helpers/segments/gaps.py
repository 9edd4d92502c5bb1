"""How long people stay: in a tier, week by week, and away, which the limits of silent and lost rest on."""

from __future__ import annotations

from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd

from helpers import contracts, stats
from helpers.segments import days
from helpers.segments.concentration import share_interval
from helpers.segments.tables import TIERS

SPAN = 364
WITHIN = 28
MANY = 2**10  # more gaps than a person can have in the span
DAYS = (1, 2, 3, 5, 7, 10, 14, 21, 28, 35, 42, 56, 70, 91)

GAPS = contracts.declare(
    "gaps",
    grain="one row per length of silence",
    key=["silence"],
    needs="events",
    small=True,
    nullable=("share_longer", "share_back", "low", "high"),
    columns={
        "silence": ("int64", "days", "days in a row without activity"),
        "began": ("int64", "", "active days after which silence and return could be watched to the end"),
        "longer": ("int64", "", "of them those followed by a longer silence than this"),
        "share_longer": ("float64", "share", "longer over began"),
        "back": ("int64", "", "of the longer ones those that ended within 28 further days"),
        "people": ("int64", "people", "people with a longer one"),
        "share_back": ("float64", "share", "back over longer"),
        "low": ("float64", "share", "lower end of the 95 % interval of share_back"),
        "high": ("float64", "share", "upper end of the 95 % interval of share_back"),
    },
)


def gaps(user_day: ibis.Table, *, last_day: date, limits: dict) -> pd.DataFrame:
    """How often people stay away for longer than so many days, and how many of them come back (contract `gaps`).

    A gap begins with each active day of the last 52 weeks; its silence is the number of days up to the next active day, so
    that somebody is silent by the rule when the silence is longer than the limit. For each length only those gaps count
    that began so early that the silence and 28 further days are over by the end of `last_day`: who may still come back in
    time is not taken for one who did not. A person has many gaps, so the interval is that of a ratio of sums over
    people, on the logit scale, and Wilson's over people where none of them came back or all.

    Args:
        limits: The section `lifecycle` of the rules; its `silent` and `lost` get a row besides the lengths of `DAYS`.
    """
    lengths = sorted({*DAYS, limits["silent"], limits["lost"]})
    active = user_day.filter(user_day.active > 0, user_day.day <= last_day, user_day.day > last_day - timedelta(days=SPAN))
    begun = active.group_by(age=ibis.literal(last_day).epoch_days() - active.day.epoch_days()).agg(gaps=active.count())
    begun = begun.to_pandas().astype("int64")
    silences = days.silences(days.blocks(active, last_day=last_day), longer=min(lengths))
    silences = silences.mutate(age=(last_day - days.EPOCH).days - silences.begun)
    counts = _counted(silences, lengths)
    watched = [int(begun.loc[begun["age"] > length + WITHIN, "gaps"].sum()) for length in lengths]
    return _shares(counts.assign(began=watched))


def stays(moves: pd.DataFrame) -> pd.DataFrame:
    """How long people stay in a tier, by how many of it were in it a week later.

    Args:
        moves: Contract `moves`: the flows of some weeks, those who stayed among them.

    Returns:
        `dimension`, `tier`, `weeks` (with somebody in it at the beginning), `people` (on average at the beginning of a
        week), `stay` (share of them who were in it at the end), `low`, `high` (its 95 % interval over weeks, on the logit
        scale, Student's; NaN for fewer than 3 weeks), `lasts` (weeks in a row that follow from it if every week is like
        these, 1 / (1 - stay)), `lasts_low`, `lasts_high`. NaN where nobody ever left.
    """
    inside = moves[[tier in TIERS[name] for name, tier in zip(moves["dimension"], moves["from"], strict=True)]]
    stayed = inside["people"].where(inside["from"] == inside["to"], 0)
    weekly = inside.assign(tier=inside["from"], stayed=stayed).groupby(["dimension", "tier", "week"])[["people", "stayed"]].sum()
    weekly = weekly.join(weekly.groupby(["dimension", "tier"]).sum().add_suffix("_all"))
    weekly["stay"] = weekly["stayed_all"] / weekly["people_all"]
    weekly["square"] = (weekly["stayed"] - weekly["stay"] * weekly["people"]) ** 2
    found = weekly.groupby(["dimension", "tier"]).agg(
        weeks=("people", "size"), people=("people", "mean"), total=("people", "sum"), stay=("stay", "first"),
        squares=("square", "sum"),
    )  # fmt: skip
    weeks = found["weeks"].where(found["weeks"] > 2)
    low, high = share_interval(found["stay"], np.sqrt(found["squares"] * weeks / (weeks - 1)) / found["total"], degrees=weeks - 1)
    found = found.assign(people=found["people"].round().astype("int64"), low=low, high=high)
    lasts = {name: 1 / (1 - found[own]).where(found[own] < 1) for own, name in
             (("stay", "lasts"), ("low", "lasts_low"), ("high", "lasts_high"))}  # fmt: skip
    order = [(name, tier) for name, tiers in TIERS.items() for tier in tiers if (name, tier) in found.index]
    columns = ["weeks", "people", "stay", "low", "high", *lasts]
    return found.assign(**lasts).loc[order, columns].rename_axis(["dimension", "tier"]).reset_index()


def _counted(silences: ibis.Table, lengths: list[int]) -> pd.DataFrame:
    """Gaps longer than each length and those of them that ended in time, with the sums over people of their squares."""
    told = {}
    for length in lengths:
        longer = (silences.age > length + WITHIN) & (silences.silence.isnull() | (silences.silence > length))
        back = (silences.silence <= length + WITHIN).fill_null(False)
        told[f"told_{length}"] = ibis.ifelse(longer, ibis.ifelse(back, 1 + MANY, 1), 0).sum().cast("int64")
    own = silences.group_by("user_id").agg(**told)  # both counts in one sum, since each sum takes its time
    sums = {}
    for length in lengths:
        n, k = own[f"told_{length}"] % MANY, own[f"told_{length}"] >> MANY.bit_length() - 1
        sums |= {("people", length): (n > 0).sum(), ("longer", length): n.sum(), ("back", length): k.sum()}
        sums |= {("nn", length): (n * n).sum(), ("nk", length): (n * k).sum(), ("kk", length): (k * k).sum()}
    found = own.aggregate(**{f"{name}_{length}": value for (name, length), value in sums.items()}).to_pandas().iloc[0]
    counts = pd.Series({key: found["_".join(map(str, key))] for key in sums}).fillna(0).astype("int64")
    return counts.unstack(0).rename_axis("silence").reset_index()


def _shares(counts: pd.DataFrame) -> pd.DataFrame:
    longer, people = counts["longer"].where(counts["longer"] > 0), counts["people"].astype(float)
    share = counts["back"] / longer
    residuals = counts["kk"] - 2 * share * counts["nk"] + share**2 * counts["nn"]
    error = np.sqrt(residuals.clip(lower=0) * people / (people - 1).where(people > 1)) / longer
    low, high = share_interval(share, error.fillna(0))
    alike = stats.wilson(share * people, people)  # where nobody or everybody came back, people are what is counted
    low, high = (np.where(np.isnan(end), other, end) for end, other in zip((low, high), alike, strict=True))
    found = counts.assign(share_longer=counts["longer"] / counts["began"].where(counts["began"] > 0), share_back=share)
    return found.assign(low=low, high=high)[list(GAPS.columns)]
