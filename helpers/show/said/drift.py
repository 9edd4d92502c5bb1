"""What is said about the drift of interests."""

from __future__ import annotations

import pandas as pd

from helpers.show import format, gate, sentences
from helpers.show.words import subject, word

SURE = 0.05


def community(found: pd.DataFrame) -> str:
    """How far everybody's interests moved together, against what is usual without any drift.

    Args:
        found: Contract `community_drift`.
    """
    row = found.iloc[0]
    if not row["people"]:
        return word("said.drift.nobody")
    if gate.is_small(row["people"]):
        return word("finding.too_few")
    numbers = {name: format.value(row[name], "number", digits=3) for name in ("distance", "expected", "usual_most")}
    key = "moved" if row["p"] <= SURE else "still"
    people = format.value(row["people"], "count")
    return word(f"said.drift.{key}", n=people, people=subject(), p=format.value(row["p"], "p"), **numbers)


def people(found: pd.DataFrame) -> str:
    """How many people's own interests drifted.

    Args:
        found: Contract `community_drift`.
    """
    row = found.iloc[0]
    if not row["tested"]:
        return word("said.drift.nobody_tested")
    if gate.is_small(row["tested"]):
        return word("finding.too_few")
    parts = {"of": format.value(row["tested"], "count"), "people": subject()}
    if not row["drifted"]:
        return word("said.drift.nobody_drifted", **parts)
    if gate.is_small(row["drifted"]):
        return word("said.drift.few_drifted", k=gate.settings().min_group, **parts)
    share = format.value(row["drifted"] / row["tested"], "share")
    return word("said.drift.drifted", n=format.value(row["drifted"], "count"), share=share, **parts)


def topics(found: pd.DataFrame, most: int = 3) -> str:
    """The topics that won and lost interest for sure, the largest change first.

    Args:
        found: Contract `topic_drift`.
    """
    shown = found[~gate.are_small(found["people"])]
    if shown.empty:
        return word("said.drift.nobody" if found.empty else "finding.too_few")
    sure = shown[is_sure(shown)]
    sides = [("won", sure[sure["low"] > 0]), ("lost", sure[sure["high"] < 0])]
    said = [
        word(f"said.drift.{side}", topics=sentences.listed([_change(row) for row in rows.head(most).to_dict("records")], most))
        for side, rows in sides
        if len(rows)
    ]
    return format.joined(said, "clauses") or word("said.drift.no_topic", n=len(shown))


def is_sure(found: pd.DataFrame) -> pd.Series:
    """Whether a topic's change is one when the number of topics is allowed for: what the title names and the figure accents."""
    return found["q"] <= SURE


def _change(row: dict) -> str:
    size = format.value(row["beyond"], "points", digits=1, bare=True)
    around = format.interval(row["low"], row["high"], "points", digits=1)
    return word("said.drift.change", topic=gate.name(row["topic"]), size=size, interval=around)


def large(found: pd.DataFrame) -> pd.DataFrame:
    """The flows of enough people to be shown, the largest first.

    Args:
        found: Contract `topic_moves`.
    """
    shown = found[~gate.are_small(found["people"])]
    return shown.sort_values(["people", "q"], ascending=[False, True], kind="stable", ignore_index=True)


def moves(found: pd.DataFrame, most: int = 3) -> str:
    """The flows of people between strongest topics that are larger than chance would have them, the surest first.

    Args:
        found: Contract `topic_moves`.
    """
    sure = found[(found["q"] <= SURE) & ~gate.are_small(found["people"])].head(most).to_dict("records")
    if not sure:
        return word("said.drift.no_move")
    first, *others = [{"before": gate.name(row["from_topic"]), "now": gate.name(row["to_topic"])} for row in sure]
    numbers = {"n": format.value(sure[0]["people"], "count"), "expected": format.value(sure[0]["expected"], "number", digits=0)}
    rest = sentences.listed([word("said.drift.move", **other) for other in others])
    return word("said.drift.moves_more" if rest else "said.drift.moves", people=subject(), rest=rest, **first, **numbers)
