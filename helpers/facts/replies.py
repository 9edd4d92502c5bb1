"""Replies: who replied to whom. `parent_id` is looked up among the content that was made by the end of the reply's day.

Content is its first maker's; where two made it in the same instant it is nobody's, since no order of theirs means anything.
"""

from __future__ import annotations

import ibis

from helpers.facts.days import has_role


def contents(events: ibis.Table, roles: dict[str, list[str]]) -> ibis.Table:
    """What was made, by whom and when: one row per content, user and local day, with the first instant (`made`)."""
    made = events.filter(events.content_id.notnull() & (has_role(events, roles, "create") | has_role(events, roles, "comment")))
    return made.group_by(["content_id", "user_id", "day"]).agg(made=made.moment.min())


def replies(events: ibis.Table) -> ibis.Table:
    """Replies by user, what they answer and local day: `from_user`, `parent_id`, `day`, `replies`."""
    found = events.filter(events.parent_id.notnull())
    return found.group_by(from_user=found.user_id, parent_id=found.parent_id, day=found.day).agg(replies=found.count())


def answered(given: ibis.Table, made: ibis.Table) -> ibis.Table:
    """Who replied to whom on which day (contract `reply_day`).

    Args:
        given: As `replies` gives it.
        made: As `contents` gives it; content of later days changes nothing.
    """
    asked = made.semi_join(given, made.content_id == given.parent_id)
    asked = asked.mutate(first=asked.made.min().over(group_by="content_id"))
    firsts = asked.filter(asked.made == asked["first"])
    authors = firsts.group_by("content_id").agg(
        to_user=firsts.user_id.min(), makers=firsts.user_id.nunique(), since=firsts.day.min()
    )
    authors = authors.filter(authors.makers == 1)
    met = given.join(authors, given.parent_id == authors.content_id)
    met = met.filter((met.from_user != met.to_user) & (met.since <= met.day))
    return met.group_by(["from_user", "to_user", "day"]).agg(replies=met.replies.sum().cast("int64"))


def reply_day(events: ibis.Table, roles: dict[str, list[str]]) -> ibis.Table:
    """The same, from kept events."""
    return answered(replies(events), contents(events, roles))
