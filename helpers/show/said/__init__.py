"""Findings in words, by the part of a notebook that they belong to; each made from an estimate with its interval."""

from __future__ import annotations

from helpers.show.said import (
    change,
    clusters,
    cohorts,
    decisions,
    distinct,
    drift,
    effects,
    experiments,
    front,
    growth,
    likelihood,
    moves,
    next_interest,
    overview,
    pain,
    review,
    rules,
    survival,
    tags,
    warning,
    worth,
)

__all__ = [
    "change", "clusters", "cohorts", "decisions", "distinct", "drift", "effects", "experiments", "front", "growth", "likelihood",
    "moves", "next_interest", "overview", "pain", "review", "rules", "survival", "tags", "warning", "worth",
]  # fmt: skip
