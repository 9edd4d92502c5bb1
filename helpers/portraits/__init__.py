"""Portraits: one row per user, as of the end of a local day, and the tags that follow from it by rule.

Ages count whole local days: what happened on the last day is 0 days old.

    attributes   the portrait itself
    families     what it is made of, by source
    topics       decayed interests, which portraits read
    totals       what the days of a whole history add up to, which a run can keep
    drift        whether interests moved within four weeks, for each person and for the community
    diaries      what drift compares: the topics of each day
    reshuffling  what chance alone would move: the days in random orders
    next_interest  the topics that people will take up, and how far that can be believed
    uptake       how such a forecast is made
    earlier      the portraits of the last weeks at once
    tag_states   who carries which tag since when, by rules with hysteresis
    tagging      tags by rule, their strength and how many carry them
    reasons      their reasons in words
    overview     small tables of all portraits, and all of one
    distinct     a portrait of a group: what distinguishes it from everybody else
    apart        the same of many groups at once, to choose from
    pain         groups with lower scores or falling behaviour
    evidence     a group against the rest: intervals and tests, for both
"""

from __future__ import annotations

from helpers.portraits.apart import apart, beside, distinctive_of
from helpers.portraits.attributes import portraits
from helpers.portraits.distinct import MADE_OF, distinctive, group_names, memberships
from helpers.portraits.drift import drifts
from helpers.portraits.earlier import earlier
from helpers.portraits.next_interest import next_interest, next_interest_score, next_topics, watched
from helpers.portraits.overview import composition, habits, one_user, summary, topic_fans
from helpers.portraits.pain import answers, falling, groups, low_scores, pain_points
from helpers.portraits.tag_states import tag_conditions, tag_states
from helpers.portraits.tagging import tag_sizes, tags
from helpers.portraits.topics import interests

__all__ = [
    "MADE_OF", "answers", "apart", "beside", "composition", "distinctive", "distinctive_of", "drifts", "earlier", "falling",
    "group_names", "groups", "habits", "interests", "low_scores", "memberships", "next_interest", "next_interest_score",
    "next_topics", "one_user", "pain_points", "portraits", "summary", "tag_conditions", "tag_sizes", "tag_states", "tags",
    "topic_fans", "watched",
]  # fmt: skip
