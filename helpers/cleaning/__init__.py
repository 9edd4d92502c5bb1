"""Cleaning: each row is kept, or set aside for one stated reason; none disappears.

    judging      which rows count
    accounts     the row ledger and its law of conservation, the reasons, the limits, what arrived and when
"""

from __future__ import annotations

from helpers.cleaning.accounts import by_reason, check_limits, coverage, ledger, reasons, volume
from helpers.cleaning.judging import STATUSES, judge, kept

__all__ = ["STATUSES", "by_reason", "check_limits", "coverage", "judge", "kept", "ledger", "reasons", "volume"]
