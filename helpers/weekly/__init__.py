"""The week against its past: the front page, from the artefacts of the other notebooks.

    numbers   the main numbers, their changes, their usual range
    parts     the change of week-1 retention in parts that add up
    sending   what is published, and what was
"""

from __future__ import annotations

from helpers.weekly import tables
from helpers.weekly.numbers import changed, kpis, weeks
from helpers.weekly.parts import retention_change
from helpers.weekly.sending import headline, past_numbers, published

__all__ = ["changed", "headline", "kpis", "past_numbers", "published", "retention_change", "tables", "weeks"]
