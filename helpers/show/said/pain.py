"""Pain points in words, and their rows as a table shows them."""

from __future__ import annotations

import pandas as pd

from helpers.show import format, gate, sentences
from helpers.show.said.distinct import CLEAR
from helpers.show.words import label, text, tier, word

EVERYBODY = "all"
CROSSED = ", "  # stands between the two levels of a crossed group


def clear(found: pd.DataFrame) -> pd.DataFrame:
    """The groups that are clearly worse off than the others, best evidence first, with `what` and `group` in words."""
    worse = found[(found["q"] <= CLEAR) & (found["high"] < 0)]
    rows = worse.to_dict("records")
    return worse.assign(what=[_measure(row) for row in rows], group=[_group(row) for row in rows])


def title(found: pd.DataFrame) -> str:
    """How many groups are worse off, and the clearest of them; or that there is none."""
    rows = [row for row in clear(found).to_dict("records") if not gate.is_small(row["smallest"])]
    if not rows:
        return word("said.pain.nothing", n=int(found["p"].notna().sum()))
    first = rows[0]
    size, ends = (format.value(first["difference"], "number"), format.interval(first["low"], first["high"], "number"))
    return word("said.pain.found", n=len(rows), group=_group(first, "named"), what=_measure(first), size=size, interval=ends)


def everybody(found: pd.DataFrame) -> list[str]:
    """How much what people do changed, a sentence for each measure."""
    rows = found[found["attribute"] == EVERYBODY].sort_values("measure").to_dict("records")
    said = [
        sentences.difference(_measure(row), row["value"], row["low"], row["high"], unit="number", n=row["people"])
        + word("said.pain.before", before=format.value(row["before"], "number"))
        for row in rows
        if not gate.is_small(row["people"])
    ]
    return said or [word("said.pain.nobody")]


def _measure(row: dict) -> str:
    name = gate.name(row["measure"])
    return word("said.pain.survey", name=name) if row["source"] == "survey" else word("said.pain.change", name=label(name))


def _group(row: dict, form: str = "group") -> str:
    level = format.joined([tier(text(part)) for part in str(row["level"]).split(CROSSED)], "commas")
    return word(f"said.pain.{form}", attribute=label(row["attribute"]), level=gate.name(level))
