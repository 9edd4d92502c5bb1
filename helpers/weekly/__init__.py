"""The week against its past: the front page, from the artefacts of the other notebooks.

    numbers   the main numbers, their changes, their usual range
    sending   what is published, and what was
"""

from __future__ import annotations

from helpers.weekly import tables
from helpers.weekly.numbers import changed, kpis, weeks
from helpers.weekly.sending import headline, past_numbers, published

__all__ = ["changed", "headline", "kpis", "past_numbers", "published", "tables", "weeks"]
