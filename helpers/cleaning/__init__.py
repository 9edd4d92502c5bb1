"""Cleaning: each row is kept, or set aside for one stated reason; none disappears.

    judging      which rows count
    accounts     the row ledger and its law of conservation, the reasons, the limits, what arrived and when
    suspicions   rules that warn: bots, spellings, strange days (with rhythm, spelling and telling)
    browsing     rows that were set aside, to browse through
    influence    what each rule does to the main numbers
"""

from __future__ import annotations

from helpers.cleaning.accounts import (
    KINDS,
    by_reason,
    by_rule,
    check_limits,
    counts,
    coverage,
    kinds,
    ledger,
    names,
    over_limits,
    quarantined,
    reasons,
    volume,
)
from helpers.cleaning.browsing import by_day, examples
from helpers.cleaning.influence import influence, long_days, suspect_users
from helpers.cleaning.judging import STATUSES, column_of, judge, kept
from helpers.cleaning.suspicions import suspicions

__all__ = [
    "KINDS", "STATUSES", "by_day", "by_reason", "by_rule", "check_limits", "column_of", "counts", "coverage", "examples",
    "influence", "judge", "kept", "kinds", "ledger", "long_days", "names", "over_limits", "quarantined", "reasons",
    "suspect_users", "suspicions", "volume",
]  # fmt: skip
