"""Tags in words: how many are carried, who came to them and who left."""

from __future__ import annotations

import pandas as pd

from helpers.show import format, gate
from helpers.show.said import rules
from helpers.show.words import subject, text, word


def rows(sizes: pd.DataFrame) -> pd.DataFrame:
    """The sizes with `change` (people now less people a week ago) and `smallest`, the smaller of the two groups told of; the
    rule in words."""
    both = sizes[["people", "before"]].where(sizes[["people", "before"]] > 0)
    told = [rules.condition(when) for when in sizes["when"]]
    return sizes.assign(change=sizes["people"] - sizes["before"], smallest=both.min(axis=1).fillna(0), when=told)


def carried(sizes: pd.DataFrame) -> str:
    """How many tags are carried by somebody, and the most common one."""
    held = sizes[(sizes["people"] > 0) & ~gate.are_small(sizes["people"])]
    if held.empty:
        return word("finding.too_few")
    top = held.loc[held["people"].idxmax()]
    return word(
        "said.tags.carried",
        n=len(held),
        total=len(sizes),
        name=gate.name(text(top["tag"])),
        share=format.value(top["share"], "share"),
        people=subject(),
    )


def moved(sizes: pd.DataFrame) -> pd.DataFrame:
    """Tags that enough people came to and left for both to be told, those with most of them first."""
    told = sizes[~gate.are_small(sizes["came"]) & ~gate.are_small(sizes["left"]) & (sizes["came"] + sizes["left"] > 0)]
    told = told.assign(change=told["came"] - told["left"], all=told["came"] + told["left"])
    return told.sort_values(["all", "tag"], ascending=[False, True], ignore_index=True)


def changes(sizes: pd.DataFrame) -> str:
    """The tags that gained and lost most in the week."""
    told = moved(sizes)
    gained, lost = told[told["change"] > 0], told[told["change"] < 0]
    parts = [
        word(f"said.tags.{name}", tag=gate.name(text(row["tag"])), came=format.value(row["came"], "count"),
             left=format.value(row["left"], "count"))
        for name, row in (("gained", _first(gained, "max")), ("lost", _first(lost, "min"))) if row is not None
    ]  # fmt: skip
    return format.joined(parts, "clauses") or word("said.tags.quiet")


def _first(told: pd.DataFrame, most: str) -> pd.Series | None:
    return None if told.empty else told.loc[told["change"].idxmax() if most == "max" else told["change"].idxmin()]
