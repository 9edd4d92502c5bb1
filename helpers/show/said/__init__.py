"""Findings in words, by the part of a notebook that they belong to; each made from an estimate with its interval."""

from __future__ import annotations

from helpers.show.said import clusters, distinct, drift, likelihood, moves, next_interest, pain, review, tags, worth

__all__ = ["clusters", "distinct", "drift", "likelihood", "moves", "next_interest", "pain", "review", "tags", "worth"]
