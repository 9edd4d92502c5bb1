"""What sets a group apart, in words, and its rows as a table shows them."""

from __future__ import annotations

import pandas as pd

from helpers.show import format, gate, sentences
from helpers.show.words import label, text, tier, word

MEAN = "mean"
CLEAR = 0.05  # of the calls, at most so many are wrong on average


def title(found: pd.DataFrame, most: int = 3) -> str:
    """The clearest of what sets a group apart, or that nothing does; rows about few people say nothing."""
    name = gate.name(text(found["segment"].iloc[0])) if len(found) else ""
    known = found[(found["q"] <= CLEAR) & ~gate.are_small(found["smallest"])]
    told = [_lifted(row) for row in known.to_dict("records")]
    if not told:
        return word("said.distinct.nothing", segment=name)
    return word("said.distinct.found", segment=name, names=sentences.listed(told[:most]), n=len(known), total=len(found))


def rows(found: pd.DataFrame) -> pd.DataFrame:
    """The rows with `what` in words, and `here` and `there`: shares in percent, means as they are."""
    is_share = found["level"] != MEAN
    percent = is_share.map({True: 100.0, False: 1.0})
    what = [named(row["attribute"], row["level"]) for row in found.to_dict("records")]
    what = [word("said.distinct.percent", name=name) if share else name for name, share in zip(what, is_share, strict=True)]
    return found.assign(what=what, here=found["value"] * percent, there=found["others"] * percent)


def named(attribute: str, level: str) -> str:
    """A column of the portraits and one of its values in words: `City: 上海`; of a mean or of a yes the column alone."""
    name = label(attribute)
    if level in (MEAN, "true"):
        return name
    return word("said.distinct.level", name=name, level=_level(attribute, gate.name(level)))


def _level(attribute: str, level: str) -> str:
    if attribute == "preferred_weekday" and level.isdecimal():
        return word("said.distinct.weekdays").split()[int(level)]
    return f"{level}:00" if attribute == "preferred_hour" and level.isdecimal() else tier(level)


def _lifted(row: dict) -> str:
    name = named(row["attribute"], row["level"])
    if row["lift"] != row["lift"]:
        return name
    return word("said.distinct.lift", name=name, lift=format.value(row["lift"], "number", digits=1))
