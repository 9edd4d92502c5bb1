"""What is said about what tiers are worth and think."""

from __future__ import annotations

import pandas as pd

from helpers.show import format, gate, sentences, words
from helpers.show.words import subject, tier, word


def shown(worth: pd.DataFrame) -> pd.DataFrame:
    """The rows with `what`, the measure in words, and without what was said a week before about too few people.

    Args:
        worth: Contract `tier_worth`.
    """
    small = gate.are_small(worth["n_before"])
    whole = worth["dimension"].astype(str) + " " + worth["measure"].astype(str)
    earlier = {name: worth[name].mask(small) for name in ("before", "before_low", "before_high")}
    return worth.assign(what=[word(f"said.worth.of_{name}") for name in worth["measure"]], whole=whole, **earlier)


def measured(worth: pd.DataFrame, *measures: str) -> pd.DataFrame:
    """The rows of some measures, every tier of each, so that a tier that is too small takes another with it; none where the
    dataset has nothing of them.
    """
    own = worth[worth["measure"].isin(measures)]
    return own[own.groupby("measure")["value"].transform("count") > 0]


def part(worth: pd.DataFrame, dimension: str, measure: str = "net") -> str:
    """The tier of a dimension with the largest part of a whole, beside its part of the people and a week ago.

    Args:
        worth: Contract `tier_worth`.
        measure: activity, content or net.
    """
    own = worth[(worth["dimension"] == dimension) & (worth["measure"] == measure) & worth["value"].notna()]
    own = own[own["tier"].isin(_told(worth, dimension))]
    if own.empty:
        return word("finding.too_few")
    top = own.loc[own["value"].idxmax()]
    size = worth[(worth["dimension"] == dimension) & (worth["tier"] == top["tier"]) & (worth["measure"] == "people")]
    parts = {"tier": word("join.tier", dimension=words.dimension(dimension), tier=tier(top["tier"])), "people": subject(),
             "size": format.value(size["value"].iloc[0], "share"), "share": format.value(top["value"], "share"),
             "interval": format.interval(top["low"], top["high"], "share"),
             "before": format.value(top["before"], "share")}  # fmt: skip
    known = "" if parts["interval"] == format.UNDEFINED else word("said.worth.interval", interval=parts["interval"])
    earlier = "" if parts["before"] == format.UNDEFINED or gate.is_small(top["n_before"]) else word("said.worth.earlier", **parts)
    return word(f"said.worth.{measure}", known=known + earlier, **parts)


def _told(worth: pd.DataFrame, dimension: str) -> set[str]:
    """The tiers of a dimension whose sizes are neither withheld nor would give one away."""
    sizes = worth[(worth["dimension"] == dimension) & (worth["measure"] == "people")]
    safe = gate.withhold(sizes, "n", parts=True)
    return set(safe.loc[safe["withheld"] == "", "tier"])


def concentrated(worth: pd.DataFrame) -> str:
    """What the first 1 % of all people hold of the contents and of the net amount.

    Args:
        worth: Contract `tier_worth`.
    """
    own = worth[(worth["dimension"] == "all") & worth["measure"].isin(["content_top", "net_top"]) & worth["value"].notna()]
    shown = own[~gate.are_small(own["n"])].to_dict("records")
    if not shown:
        return word("finding.too_few")
    told = [
        word(f"said.worth.{row['measure']}", share=format.value(row["value"], "share"),
             interval=format.interval(row["low"], row["high"], "share"))
        for row in shown
    ]  # fmt: skip
    return word("said.worth.top", people=subject(), parts=sentences.listed(told))


def replied(worth: pd.DataFrame) -> str:
    """How many newcomers who wrote were answered.

    Args:
        worth: Contract `tier_worth`.
    """
    own = worth[(worth["dimension"] == "all") & (worth["measure"] == "replied")]
    if own.empty or not own["n"].iloc[0]:
        return word("said.worth.no_newcomers")
    row = own.iloc[0]
    return sentences.share(word("said.worth.replied"), round(row["value"] * row["n"]), row["n"], row["low"], row["high"])


def opinion(worth: pd.DataFrame, dimension: str) -> str:
    """Of the question with most answers: the mean score, and which tiers are clearly apart, their intervals not meeting.

    Args:
        worth: Contract `tier_worth`.
    """
    own = worth[(worth["measure"] == "score") & ~gate.are_small(worth["n"])]
    everybody = own[(own["dimension"] == "all") & own["value"].notna()]
    if everybody.empty:
        return word("finding.too_few")
    row = everybody.loc[everybody["n"].idxmax()]
    own = own[own["question"] == row["question"]]
    parts = {"question": gate.name(row["question"]), "n": format.value(row["n"], "count"),
             "mean": format.value(row["value"], "number", digits=2),
             "interval": format.interval(row["low"], row["high"], "number", digits=2)}  # fmt: skip
    tiers = own[(own["dimension"] == dimension) & own["low"].notna()]
    apart = len(tiers) and tiers["high"].min() < tiers["low"].max()
    if not apart:
        return word("said.worth.alike", **parts)
    ends = {name: tier(tiers.loc[at, "tier"]) for name, at in (("low", tiers["high"].idxmin()), ("high", tiers["low"].idxmax()))}
    return word("said.worth.apart", **parts, **ends)
