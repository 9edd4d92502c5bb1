"""The tables of facts: what each row is, and what its columns mean."""

from __future__ import annotations

from helpers import contracts

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
USER_KIND_DAY = contracts.declare(
    "user_kind_day",
    grain="one row per user, kind of content and local day",
    key=["user_id", "content_kind", "day"],
    needs="kinds",
    columns={
        "user_id": USER,
        "content_kind": ("string", "", "kind of content as the source spells it"),
        "day": DAY,
        "events": ("int64", "events", "events with role active on content of the kind"),
    },
)
USER_CAMPAIGN_DAY = contracts.declare(
    "user_campaign_day",
    grain="one row per user, campaign and local day",
    key=["user_id", "campaign", "day"],
    needs="campaigns",
    columns={
        "user_id": USER,
        "campaign": ("string", "", "campaign as the source spells it"),
        "day": DAY,
        "events": ("int64", "events", "events of any kind that name the campaign"),
    },
)
USER_HOUR = contracts.declare(
    "user_hour",
    grain="one row per user, local day and hour",
    key=["user_id", "day", "hour"],
    needs="events",
    columns={
        "user_id": USER,
        "day": DAY,
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
