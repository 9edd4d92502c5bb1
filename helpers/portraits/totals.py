"""What days add up to over a whole history. A run can keep it, so that a new week costs the days since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import ibis

Totals = Callable[..., ibis.Table]  # as `of_rows`


def of_rows(
    name: str, rows: ibis.Table, make: Callable[[ibis.Table], ibis.Table], *,
    of: str, by: Sequence[str], last_day: date, given: Any = None,
) -> ibis.Table:  # fmt: skip
    """The totals of all rows up to a day, worked out anew.

    Args:
        name: What they are called where they are kept.
        of: The artefact that the rows come from, each from a row of the same day.
        make: The totals of any rows: a row each of what they are `by`, and columns that add up, or days of which the last counts.
        given: What else decides what `make` gives.
    """
    return make(rows.filter(rows.day <= last_day))
