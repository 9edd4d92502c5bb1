"""Clusters in words: how many there are, what sets each apart, or why there are none."""

from __future__ import annotations

import pandas as pd

from helpers.show import format, gate, sentences
from helpers.show.words import subject, word

MEAN = "mean_"


def why(stopped: str, constant: tuple[str, ...] = ()) -> str:
    """Why there are no clusters; columns in which nobody differs are named."""
    told = word(f"said.clusters.{stopped}", people=subject())
    return format.joined([told, _left_out(constant)], "clauses") if constant else told


def title(groups: pd.DataFrame) -> str:
    """How many clusters there are, and what the largest is like."""
    told = rows(groups)
    first = told.iloc[0]
    if gate.is_small(first["people"]):
        return word("finding.too_few")
    share = format.value(first["share"], "share")
    return word("said.clusters.found", n=len(told), people=subject(), name=first["name"], share=share)


def rows(groups: pd.DataFrame) -> pd.DataFrame:
    """The clusters, the largest first, with `name` from what sets each apart most, and means under the names of their columns."""
    pairs = (("first", "first_more"), ("second", "second_more"))
    names = [
        sentences.listed(_told(row[what], row[more]) for what, more in pairs if row[what]) for row in groups.to_dict("records")
    ]
    return groups.assign(name=names)


def columns(groups: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """The columns of a table of clusters: the name, people, share, and the means that anybody has."""
    means = [name for name in groups.columns if name.startswith(MEAN) and groups[name].gt(0).any()]
    shown = {name: (word(f"said.clusters.{name.removeprefix(MEAN)}"), "number") for name in means}
    return {"name": (word("said.clusters.name"), "text"), "people": "people", "share": "share"} | shown


def note(constant: tuple[str, ...]) -> str | None:
    """Which columns were left out."""
    return _left_out(constant) if constant else None


def chosen(checks: pd.DataFrame) -> str:
    """Which number of clusters was chosen and why, or that none is stable enough."""
    tried = checks[checks["stability"].notna()]
    if tried.empty:
        return word("said.clusters.untried")
    taken = tried[tried["chosen"]]
    row = taken.iloc[0] if len(taken) else tried.loc[tried["stability"].idxmax()]
    return word(
        f"said.clusters.{'chosen' if len(taken) else 'unchosen'}",
        n=int(row["clusters"]),
        stability=format.value(row["stability"], "number"),
        interval=format.interval(row["low"], row["high"], "number"),
    )


def _told(column: str, more: bool) -> str:
    return word(f"said.clusters.{'many' if more else 'few'}", what=word(f"said.clusters.{column}"))


def _left_out(constant: tuple[str, ...]) -> str:
    return word("said.clusters.constant", names=sentences.listed((word(f"said.clusters.{name}") for name in constant), most=9))
