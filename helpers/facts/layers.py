"""All facts of some local days at a time: what is stored by day, and what a day must know of the days around it.

A day's rows follow from its own events, from what went on at the end of the day before and from whether the day after begins
within the same session. Replies look content up that was made on the same day or before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import or_

import ibis

from helpers.facts.days import money, of_visits, user_hour, user_topic_day, visits
from helpers.facts.replies import answered, contents, replies
from helpers.facts.sessions import going_on

KEYS = {
    "user_day": ["user_id", "day"],
    "user_topic_day": ["user_id", "topic", "day"],
    "user_hour": ["user_id", "day", "hour"],
    "going_on": ["user_id", "named", "day"],
    "contents": ["content_id", "user_id", "day"],
    "replies": ["from_user", "parent_id", "day"],
    "reply_day": ["from_user", "to_user", "day"],
}
NEEDED = (
    "user_id", "event", "topic", "content_id", "parent_id", "session_id", "duration_s", "amount", "discount", "day", "weekday",
    "hour", "moment",
)  # fmt: skip
Span = tuple[date, date]
WITH_TOPICS, WITH_REPLIES = ("user_topic_day",), ("contents", "replies", "reply_day")


@dataclass(frozen=True)
class Layers:
    """How a dataset's events become facts.

    Attributes:
        roles: Names of the events of each role.
        weights: Of a role, for `user_topic_day`.
        topics, replies: Whether the dataset has them.
    """

    roles: dict[str, list[str]]
    weights: dict[str, float]
    topics: bool
    replies: bool

    @property
    def names(self) -> list[str]:
        """The tables that are stored, contents before what looks them up."""
        left_out = (*(() if self.topics else WITH_TOPICS), *(() if self.replies else WITH_REPLIES))
        return [name for name in KEYS if name not in left_out]

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
            "user_day": of_visits(seen, money(own, self.roles)),
            "going_on": going_on(seen.filter(seen.active)),
            "user_hour": user_hour(own, self.roles),
            "user_topic_day": user_topic_day(own, self.roles, self.weights),
            "contents": contents(own, self.roles),
            "replies": replies(own),
        }
        return {name: table for name, table in made.items() if name in self.names}

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

