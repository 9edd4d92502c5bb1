"""What is said about the next interest: whether the forecast is better than simple rules, and what it names."""

from __future__ import annotations

import pandas as pd

from helpers.show import format, gate, sentences
from helpers.show.words import subject, text, word

MODEL = "model"
QUESTIONS = {"any topic": "any", "new topics": "new"}


def finding(score: pd.DataFrame, question: str) -> str:
    """How often the model named a right topic, against the better of the simple rules on the same people.

    Args:
        score: Contract `next_interest_score`.
        question: One of its questions.
    """
    rows, key = score[score["question"] == question], QUESTIONS[question]
    own, others = rows[rows["predictor"] == MODEL].iloc[0], rows[rows["predictor"] != MODEL]
    if not own["of"]:
        return word(f"said.next_interest.nobody_{key}", people=subject())
    if gate.is_small(own["of"]):
        return word("finding.too_few")
    best = others.loc[others["hits"].idxmax()]
    found = {"up": "wins", "down": "behind"}.get(sentences.verdict(best["ahead_low"], best["ahead_high"]), "level")
    # An end next to 0 must not look like 0, which would deny the verdict.
    digits = 1 if min(abs(best["ahead_low"]), abs(best["ahead_high"])) >= 0.0005 else 2
    verdict = word(
        f"said.next_interest.{found}",
        size=format.value(best["ahead"], "points", digits=digits),
        interval=format.interval(best["ahead_low"], best["ahead_high"], "points", digits=digits),
    )
    return word(
        f"said.next_interest.{key}",
        model=_rate(own), other=_rate(best), rule=gate.name(text(best["predictor"])), n=format.value(own["of"], "count"),
        people=subject(), verdict=verdict,
    )  # fmt: skip


def _rate(row: pd.Series) -> str:
    around = format.interval(row["low"], row["high"], "share", digits=1)
    return word("said.next_interest.rate", rate=format.value(row["rate"], "share", digits=1), interval=around)


def method(score: pd.DataFrame) -> str:
    """What was chosen on earlier data, and between how many topics."""
    first = score.iloc[0]
    key = "left_out" if first["left_out"] else "method"
    return word(
        f"said.next_interest.{key}",
        days=format.value(first["memory_days"], "days", digits=0),
        topics=format.value(first["topics"], "count"),
        rest=format.value(first["left_out"], "count"),
        first=format.value(first["held_out_from"], "date"),
    )


def topics(found: pd.DataFrame) -> str:
    """The topic that is named first to most people.

    Args:
        found: As `next_topics` gives it.
    """
    if found.empty:
        return word("said.next_interest.no_topic")
    top = found.iloc[0]
    if gate.is_small(top["people"]):
        return word("finding.too_few")
    return word(
        "said.next_interest.topics",
        topic=gate.name(top["topic"]),
        share=format.value(top["share"], "share"),
        n=format.value(top["of"], "count"),
        people=subject(),
    )
