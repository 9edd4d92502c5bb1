"""Facts: what everything after cleaning reads instead of events.

    tables       the contracts
    sessions     visits of a user
    days         counts, amounts and sessions by user and day, and what follows from them
    replies      who replied to whom
    layers       all of them for some days at a time, so that a new week costs a week

A local day is cut in the dataset's zone.
"""

from __future__ import annotations

from helpers.facts.days import (
    LIVES,
    first_seen,
    lives,
    same_moment,
    summary,
    timed,
    user_campaign_day,
    user_day,
    user_hour,
    user_kind_day,
    user_topic_day,
)
from helpers.facts.layers import OPTIONAL, Layers
from helpers.facts.replies import reply_day
from helpers.facts.sessions import sessions
from helpers.facts.tables import ROLES

__all__ = ["LIVES", "OPTIONAL", "ROLES", "Layers", "first_seen", "lives", "reply_day", "same_moment", "sessions", "summary",
           "timed", "user_campaign_day", "user_day", "user_hour", "user_kind_day", "user_topic_day"]  # fmt: skip
