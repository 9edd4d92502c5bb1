"""Facts: what everything after cleaning reads instead of events. One pass each over the kept events, on the engine.

A local day is cut in the dataset's zone. A session is made of active events. It ends with a gap of over 30 minutes (an equal gap
does not end it) or after 24 hours. It is counted on the day on which it starts, and the dwell of a gap on the day on which the
gap begins, so that midnight neither breaks a session nor loses a second. A bounce is a session of one event.
"""

from __future__ import annotations

from decimal import Decimal

import ibis

from helpers import contracts

TIMEOUT_S = 30 * 60
LONGEST_SESSION_S = 24 * 60 * 60
SECOND = 1_000_000
ROLES = ("active", "create", "comment", "share", "react", "pay", "refund")
USER = ("string", "", "pseudonym of the user")
DAY = ("date", "", "local day")

FIRST_SEEN = contracts.declare(
    "first_seen",
    grain="one row per user with an event",
    key=["user_id"],
    needs="events",
    nullable=("first_active_day", "first_pay_day", "last_active_day"),
    columns={
        "user_id": USER,
        "first_day": ("date", "", "local day of the first event of any kind"),
        "first_active_day": ("date", "", "local day of the first event with role active"),
        "last_active_day": ("date", "", "local day of the last event with role active"),
        "first_pay_day": ("date", "", "local day of the first event with role pay"),
    },
)
USER_DAY = contracts.declare(
    "user_day",
    grain="one row per user and local day with an event",
    key=["user_id", "day"],
    needs="events",
    columns={
        "user_id": USER,
        "day": DAY,
        "events": ("int64", "events", "events of any kind"),
        **{role: ("int64", "events", f"events with role {role}") for role in ROLES},
        "gross": ("decimal", "currency", "amounts above zero of events with role pay"),
        "refunded": ("decimal", "currency", "refunds: amounts of events with role refund, and negative payments"),
        "net": ("decimal", "currency", "gross less refunded"),
        "discount": ("decimal", "currency", "discounts of payments"),
        "sessions": ("int64", "sessions", "sessions that start on this day"),
        "dwell_s": ("int64", "s", "time between the events of a session"),
        "bounces": ("int64", "sessions", "sessions of one event that start on this day"),
    },
)
USER_TOPIC_DAY = contracts.declare(
    "user_topic_day",
    grain="one row per user, topic and local day",
    key=["user_id", "topic", "day"],
    needs="topics",
    columns={
        "user_id": USER,
        "topic": ("string", "", "topic as the source spells it"),
        "day": DAY,
        "events": ("int64", "events", "events on the topic"),
        "weight": ("decimal", "weight", "sum over its events of the weight of the event's strongest role"),
    },
)
USER_HOUR = contracts.declare(
    "user_hour",
    grain="one row per user, weekday and hour",
    key=["user_id", "weekday", "hour"],
    needs="events",
    columns={
        "user_id": USER,
        "weekday": ("int64", "", "local weekday, 0 = Monday"),
        "hour": ("int64", "", "local hour, 0 to 23"),
        "events": ("int64", "events", "events with role active"),
    },
)
REPLY_DAY = contracts.declare(
    "reply_day",
    grain="one row per replier, author and local day",
    key=["from_user", "to_user", "day"],
    needs="replies",
    columns={
        "from_user": ("string", "", "pseudonym of who replied"),
        "to_user": ("string", "", "pseudonym of who wrote what was replied to"),
        "day": DAY,
        "replies": ("int64", "replies", "replies; to oneself does not count"),
    },
)


def timed(events: ibis.Table) -> ibis.Table:
    """Kept events with `weekday` (of the local day, 0 = Monday); `hour` as a whole number."""
    since_monday = events.day.epoch_days() - events.day.truncate("W").epoch_days()
    return events.mutate(weekday=since_monday.cast("int64"), hour=events.hour.cast("int64"))


def first_seen(events: ibis.Table, roles: dict[str, list[str]]) -> ibis.Table:
    """First days of each user (contract `first_seen`); `events` as `timed` gives them."""
    active, pay = _has(events, roles, "active"), _has(events, roles, "pay")
    return events.group_by("user_id").agg(
        first_day=events.day.min(),
        first_active_day=events.day.min(where=active),
        last_active_day=events.day.max(where=active),
        first_pay_day=events.day.min(where=pay),
    )


def sessions(events: ibis.Table, *, timeout_s: int = TIMEOUT_S) -> ibis.Table:
    """Events with `starts` (this event opens a session), `single` (and is alone in it) and `dwell` (microseconds that follow it).

    Sessions that the source names (`session_id`) are told apart, and the same rules hold within each.
    """
    named = events.mutate(named=ibis.coalesce(events.session_id, ""), lasts=ibis.coalesce(events.duration_s, 0.0))
    order = {"group_by": ["user_id", "named"], "order_by": ["moment", "lasts"]}
    window = ibis.window(**order)
    near = named.mutate(before=named.moment.lag().over(window), after=named.moment.lead().over(window))
    cut = near.mutate(
        opens=near.before.isnull() | (near.moment - near.before > timeout_s * SECOND),
        closes=near.after.isnull() | (near.after - near.moment > timeout_s * SECOND),
    )
    first = ibis.ifelse(cut.opens, cut.moment, ibis.null("int64")).max().over(ibis.window(**order, rows=(None, 0)))
    return _cut_after_a_day(cut.mutate(first=first))


def _cut_after_a_day(cut: ibis.Table) -> ibis.Table:
    """End what has run for 24 hours since its first event, and again after each further 24 hours."""
    long = LONGEST_SESSION_S * SECOND
    part = (cut.moment - cut["first"]) // long
    starts = cut.opens | (part != (cut.before - cut["first"]) // long)
    ends = cut.closes | (part != (cut.after - cut["first"]) // long)
    last = (cut.lasts.clip(lower=0, upper=LONGEST_SESSION_S) * SECOND).floor().cast("int64")
    return cut.mutate(starts=starts, single=starts & ends, dwell=ibis.ifelse(ends, last, cut.after - cut.moment))


def user_day(events: ibis.Table, roles: dict[str, list[str]]) -> ibis.Table:
    """Counts, amounts and sessions by user and local day (contract `user_day`); `events` as `timed` gives them."""
    counts, visits = _counts(events, roles), sessions(events.filter(_has(events, roles, "active")))
    made = visits.group_by(["user_id", "day"]).agg(
        sessions=visits.starts.sum(), dwell_s=visits.dwell.sum() // SECOND, bounces=visits.single.sum()
    )
    found = counts.left_join(made, ["user_id", "day"])
    filled = {name: ibis.coalesce(found[name], 0).cast("int64") for name in ("sessions", "dwell_s", "bounces")}
    return found.select(*counts.columns, **filled)


def _counts(events: ibis.Table, roles: dict[str, list[str]]) -> ibis.Table:
    """Events by role and exact amounts, by user and local day."""
    pay, refund = _has(events, roles, "pay"), _has(events, roles, "refund")
    nothing = ibis.literal(Decimal(0)).cast("decimal(18, 4)")
    amount = ibis.coalesce(events.amount, nothing)
    days = events.mutate(
        gross=ibis.ifelse(pay & (amount > 0), amount, nothing),
        back=ibis.ifelse(refund | (pay & (amount < 0)), amount.abs(), nothing),
        cut=ibis.ifelse(pay, ibis.coalesce(events.discount, nothing), nothing),
    )
    return days.group_by(["user_id", "day"]).agg(
        events=days.count(),
        **{role: _has(days, roles, role).sum().cast("int64") for role in ROLES},
        gross=days.gross.sum(),
        refunded=days.back.sum(),
        net=days.gross.sum() - days.back.sum(),
        discount=days.cut.sum(),
    )


def user_topic_day(events: ibis.Table, roles: dict[str, list[str]], weights: dict[str, float]) -> ibis.Table:
    """Weight by user, topic and local day (contract `user_topic_day`).

    Args:
        weights: Weight of a role; an event with several roles counts with its strongest, one without any not at all.
    """
    strongest: dict[str, float] = {}
    for role, weight in weights.items():
        for event in roles.get(role, []):
            strongest[event] = max(weight, strongest.get(event, 0.0))
    worth = [(event, Decimal(str(weight))) for event, weight in sorted(strongest.items()) if weight > 0]
    nothing = ibis.literal(Decimal(0)).cast("decimal(9, 4)")
    branches = [(events.event == event, ibis.literal(weight).cast("decimal(9, 4)")) for event, weight in worth]
    weight = ibis.cases(*branches, else_=nothing) if branches else nothing
    seen = events.mutate(weight=weight).filter(events.topic.notnull())
    seen = seen.filter(seen.weight > 0)
    return seen.group_by(["user_id", "topic", "day"]).agg(events=seen.count(), weight=seen.weight.sum())


def user_hour(events: ibis.Table, roles: dict[str, list[str]]) -> ibis.Table:
    """Active events by user, local weekday and hour (contract `user_hour`)."""
    active = events.filter(_has(events, roles, "active"))
    return active.group_by(["user_id", "weekday", "hour"]).agg(events=active.count())


def reply_day(events: ibis.Table, roles: dict[str, list[str]]) -> ibis.Table:
    """Who replied to whom on which day (contract `reply_day`): `parent_id` is looked up among the content that was made.

    Content is its first maker's; where two made it in the same instant it is nobody's, since no order of theirs means anything.
    """
    made = events.filter(events.content_id.notnull() & (_has(events, roles, "create") | _has(events, roles, "comment")))
    firsts = made.group_by(["content_id", "user_id"]).agg(made=made.moment.min())
    firsts = firsts.mutate(first=firsts.made.min().over(group_by="content_id"))
    firsts = firsts.filter(firsts.made == firsts["first"])
    authors = firsts.group_by("content_id").agg(to_user=firsts.user_id.min(), makers=firsts.count())
    authors = authors.filter(authors.makers == 1)
    replies = events.filter(events.parent_id.notnull())
    met = replies.join(authors, replies.parent_id == authors.content_id)
    met = met.filter(met.user_id != met.to_user)
    return met.group_by(from_user=met.user_id, to_user=met.to_user, day=met.day).agg(replies=met.count())


def summary(user_day: ibis.Table) -> dict[str, int]:
    """The size of the facts in numbers: rows, people, active days and sessions."""
    found = user_day.aggregate(
        user_days=user_day.count(),
        people=user_day.user_id.nunique(),
        active_days=(user_day.active > 0).sum().fill_null(0),
        sessions=user_day.sessions.sum().fill_null(0),
    )
    return {name.replace("_", " "): int(value) for name, value in found.to_pandas().iloc[0].items()}


def _has(events: ibis.Table, roles: dict[str, list[str]], role: str) -> ibis.BooleanValue:
    names = roles.get(role, [])
    return events.event.isin(names) if names else events.event.isnull()
