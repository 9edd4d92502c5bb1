"""Tiers: what each user is on each dimension, as of the end of a local day.

The same function serves this week and any week before it, so that a move between tiers is a fact.

    tiers        every user's tiers
    value        the RFM scores
    likelihood   who is likely to pay
    sizes        sizes of tiers, and two dimensions crossed
"""

from __future__ import annotations

from helpers.segments.sizes import cross, summary, tier_sizes
from helpers.segments.tables import DIMENSIONS, TIERS
from helpers.segments.tiers import tiers

__all__ = ["DIMENSIONS", "TIERS", "cross", "summary", "tier_sizes", "tiers"]
