"""Portraits: one row per user, as of the end of a local day, and the tags that follow from it by rule.

Ages count whole local days: what happened on the last day is 0 days old.

    attributes   the portrait itself
    topics       decayed interests, which portraits read
    tagging      tags by rule
    overview     small tables of all portraits
"""

from __future__ import annotations

from helpers.portraits.attributes import portraits
from helpers.portraits.overview import composition, habits, summary, topic_fans
from helpers.portraits.tagging import tag_sizes, tags
from helpers.portraits.topics import interests

__all__ = ["composition", "habits", "interests", "portraits", "summary", "tag_sizes", "tags", "topic_fans"]
