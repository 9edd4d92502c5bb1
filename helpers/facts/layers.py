"""All facts of some local days at a time: what is stored by day, and what a day must know of the days around it.

A day's rows follow from its own events, from what went on at the end of the day before and from whether the day after begins
within the same session. Replies look content up that was made on the same day or before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import or_

import ibis

from helpers.facts.days import (
    money,
    of_visits,
    same_moment,
    user_campaign_day,
    user_hour,
    user_kind_day,
    user_topic_day,
    visits,
)
from helpers.facts.replies import answered, contents, replies
from helpers.facts.sessions import going_on

KEYS = {
    "user_day": ["user_id", "day"],
    "user_topic_day": ["user_id", "topic", "day"],
    "user_kind_day": ["user_id", "content_kind", "day"],
    "user_campaign_day": ["user_id", "campaign", "day"],
    "user_hour": ["user_id", "day", "hour"],
    "going_on": ["user_id", "named", "day"],
    "same_moment": ["user_id", "day", "moment"],
    "contents": ["content_id", "user_id", "day"],
    "replies": ["from_user", "parent_id", "day"],
    "reply_day": ["from_user", "to_user", "day"],
}
NEEDED = ("user_id", "event", "session_id", "duration_s", "amount", "discount", "day", "weekday", "hour", "moment")
OPTIONAL = {  # a part that a dataset may lack: the tables that come of it, the columns of events that they need
    "topics": (("user_topic_day",), ("topic",)),
    "kinds": (("user_kind_day",), ("content_kind",)),
    "campaigns": (("user_campaign_day",), ("campaign",)),
    "replies": (("contents", "replies", "reply_day"), ("content_id", "parent_id")),
}
Span = tuple[date, date]


@dataclass(frozen=True)
class Layers:
    """How a dataset's events become facts.

    Attributes:
        roles: Names of the events of each role.
        weights: Of a role, for `user_topic_day`.
        parts: Of OPTIONAL what the dataset has.
    """

    roles: dict[str, list[str]]
    weights: dict[str, float]
    parts: Sequence[str]

    @property
    def names(self) -> list[str]:
        """The tables that are stored, contents before what looks them up."""
        left_out = {name for part, (tables, _) in OPTIONAL.items() if part not in self.parts for name in tables}
        return [name for name in KEYS if name not in left_out]

    @property
    def needed(self) -> list[str]:
        """The columns of events that they are made of."""
        return [*NEEDED, *(column for part, (_, columns) in OPTIONAL.items() if part in self.parts for column in columns)]

    @property
    def replies(self) -> bool:
        """Whether it is known who replied to whom."""
        return "replies" in self.parts

    def visits(self, events: ibis.Table, before: ibis.Table | None) -> ibis.Table:
        """What `of_days` counts; to be computed once.

        Args:
            events: Kept events as `timed` gives them, of the wanted days and of each day that follows one.
            before: Rows of `going_on` of each day before a wanted one.
        """
        return visits(events, self.roles, before)

    def of_days(self, events: ibis.Table, found: ibis.Table, days: list[Span]) -> dict[str, ibis.Table]:
        """The stored tables of the wanted days, but for `reply_day`.

        Args:
            events: As for `visits`.
            found: As `visits` gives it.
        """
        own, seen = within(events, days), within(found, days)
        made = {
            "user_day": lambda: of_visits(seen, money(own, self.roles)),
            "going_on": lambda: going_on(seen.filter(seen.active)),
            "same_moment": lambda: same_moment(own),
            "user_hour": lambda: user_hour(own, self.roles),
            "user_topic_day": lambda: user_topic_day(own, self.roles, self.weights),
            "user_kind_day": lambda: user_kind_day(own, self.roles),
            "user_campaign_day": lambda: user_campaign_day(own),
            "contents": lambda: contents(own, self.roles),
            "replies": lambda: replies(own),
        }
        return {name: make() for name, make in made.items() if name in self.names}

    def answered(self, given: ibis.Table, made: ibis.Table) -> ibis.Table:
        """`reply_day` of rows of `replies`, with the `contents` of all days up to theirs."""
        return answered(given, made)


def within(table: ibis.Table, spans: list[Span]) -> ibis.Table:
    """Rows of the days of some spans, first and last among them."""
    return table.filter(_inside(table, spans))


def without(table: ibis.Table, spans: list[Span]) -> ibis.Table:
    """The other rows."""
    return table.filter(~_inside(table, spans))


def _inside(table: ibis.Table, spans: list[Span]) -> ibis.BooleanValue:
    return reduce(or_, (table.day.between(first, last) for first, last in spans), ibis.literal(False))

