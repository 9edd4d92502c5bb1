"""What tiers are worth, arranged for reading: one row a tier, its numbers side by side."""

from __future__ import annotations

import pandas as pd

SHARES = ("people", "activity", "content", "net")
TIER = ["dimension", "tier"]


def tier_shares(worth: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """The rows of one dimension that are parts of a whole, whole by whole: of people, activity, contents, net amount.

    Args:
        worth: Contract `tier_worth`.
    """
    own = worth[(worth["dimension"] == dimension) & worth["measure"].isin(SHARES)]
    order = own["measure"].map({name: at for at, name in enumerate(SHARES)})
    return own.assign(_at=order).sort_values("_at", kind="stable", ignore_index=True).drop(columns="_at")


def worth_beside(worth: pd.DataFrame) -> pd.DataFrame:
    """One row a tier of every dimension: its size, and its parts of everything, this week and a week before.

    Args:
        worth: Contract `tier_worth`.

    Returns:
        `dimension`, `tier`, `size` (people), and for people, activity, content and net the share, `<name>_low`,
        `<name>_high` and `<name>_before`; NaN where the dataset has none.
    """
    tiers = worth[(worth["measure"] == "people") & (worth["dimension"] != "all")]
    found = tiers[[*TIER, "n"]].rename(columns={"n": "size"})
    for name in SHARES:
        own = worth.loc[worth["measure"] == name, [*TIER, "value", "low", "high", "before"]]
        own = own.set_axis([*TIER, name, f"{name}_low", f"{name}_high", f"{name}_before"], axis=1)
        found = found.merge(own, on=TIER, how="left")
    return found


def opinions(worth: pd.DataFrame) -> pd.DataFrame:
    """Of each question and tier: who answered and what they say.

    Args:
        worth: Contract `tier_worth`.

    Returns:
        `dimension`, `tier`, `question`, `people` (of the tier), `answers` (people of it who answered), `response` (share) with
        `response_low`, `response_high`; `score` (mean) with `low`, `high`, and `before` (a week ago);
        `whole` (the same in rows whose answers add up).
    """
    keys = [*TIER, "question"]
    asked = worth.loc[worth["measure"] == "response", [*keys, "n", "value", "low", "high"]]
    asked = asked.set_axis([*keys, "people", "response", "response_low", "response_high"], axis=1)
    said = worth.loc[worth["measure"] == "score", [*keys, "n", "value", "low", "high", "before"]]
    found = asked.merge(said.rename(columns={"n": "answers", "value": "score"}), on=keys)
    found = found.assign(whole=found["question"] + " " + found["dimension"])
    return found.sort_values("question", kind="stable", ignore_index=True)
