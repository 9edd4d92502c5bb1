"""The week against its past: the front page, from the artefacts of the other notebooks.

    numbers   the main numbers, their changes, their usual range
    sending   what is published, and what was
    mailing   the numbers of the mail
"""

from __future__ import annotations

from helpers.weekly import tables
from helpers.weekly.mailing import is_dominated, mailed
from helpers.weekly.numbers import kpis, watched, weeks
from helpers.weekly.sending import headline, past_numbers, published

__all__ = ["headline", "is_dominated", "kpis", "mailed", "past_numbers", "published", "tables", "watched", "weeks"]
