"""One row per user: who they are, how they behave, what they spend, when they come, whom they answer."""

from __future__ import annotations

from datetime import date

import ibis

from helpers import contracts
from helpers.portraits import families
from helpers.portraits.families import LEAST_WEIGHT
from helpers.portraits.totals import Totals, of_rows

USER = ("string", "", "pseudonym of the user")

USERS = contracts.declare(
    "users",
    grain="one row per user of the users table",
    key=["user_id"],
    needs="users",
    open_columns=True,
    nullable=("registered_at", "registered_day", "channel", "referrer_id", "city", "gender", "birth_year"),
    columns={
        "user_id": USER,
        "registered_at": ("timestamp", "", "sign-up"),
        "registered_day": ("date", "", "local day of sign-up"),
        "channel": ("string", "", "channel of acquisition"),
        "referrer_id": ("string", "", "pseudonym of who invited the user"),
        "city": ("string", "", "city or region"),
        "gender": ("string", "", "as the source says"),
        "birth_year": ("float64", "year", "as the source says"),
    },
)
_COUNTS = {
    "active_days_28": ("days", "local days with an active event in the last 28"),
    "active_days_before": ("days", "the same in the 28 days before"),
    "events_28": ("events", "active events in the last 28 days"),
    "events_before": ("events", "the same in the 28 days before"),
    "sessions_28": ("sessions", "sessions in the last 28 days"),
    "create_28": ("events", "contents created in the last 28 days"),
    "comment_28": ("events", "comments in the last 28 days"),
    "share_28": ("events", "shares in the last 28 days"),
    "react_28": ("events", "reactions in the last 28 days"),
    "content_kinds_28": ("kinds", "kinds of content with an active event in the last 28 days"),
    "campaigns": ("campaigns", "campaigns that an event of the user names, whole history"),
    "replies_given_28": ("replies", "replies given in the last 28 days"),
    "replies_received_28": ("replies", "replies received in the last 28 days"),
    "replies_received_before": ("replies", "the same in the 28 days before"),
    "contacts_28": ("people", "people replied to, or replying, in the last 28 days"),
    "referrals": ("people", "people whom the user invited"),
    "referrals_active": ("people", "of them those who were ever active"),
    "orders": ("payments", "payments, whole history"),
    "pay_days": ("days", "days with a payment, whole history"),
    "topics": ("topics", f"topics with a decayed weight of at least {LEAST_WEIGHT}"),
}
_SHARES = {
    "bounce_share": "sessions of one event, of the sessions in the last 28 days",
    "night_share": "active events between 22:00 and 05:00, whole history",
    "weekend_share": "active events on Saturday and Sunday, whole history",
    "discount_share": "discount, of gross payments before it, whole history",
    "top_share": "the strongest topic's share of the interest",
    "breadth": "evenness of the interest over its topics (entropy over its maximum)",
}
PORTRAITS = contracts.declare(
    "portraits",
    grain="one row per user, whether ever active or only signed up",
    key=["user_id"],
    needs="events",
    nullable=(
        "registered_day", "first_day", "first_active_day", "last_active_day", "first_pay_day", "last_pay_day", "tenure_days",
        "channel", "city", "gender", "age_band", "preferred_hour", "preferred_weekday", "top_kind", "average_order",
        "days_since_pay", "top_topic", "second_topic", "third_topic", *_SHARES,
    ),
    columns={
        "user_id": USER,
        "registered_day": ("date", "", "local day of sign-up"),
        "first_day": ("date", "", "local day of the first event"),
        "first_active_day": ("date", "", "local day of the first active event"),
        "last_active_day": ("date", "", "local day of the last active event"),
        "first_pay_day": ("date", "", "local day of the first payment"),
        "last_pay_day": ("date", "", "local day of the last payment"),
        "tenure_days": ("int64", "days", "since sign-up or the first event, whichever came first"),
        "channel": ("string", "", "channel of acquisition"),
        "city": ("string", "", "city or region"),
        "gender": ("string", "", "as the source says"),
        "age_band": ("string", "", "by year of birth; impossible years are left out"),
        **{name: ("int64", unit, meaning) for name, (unit, meaning) in _COUNTS.items()},
        "visits_a_week": ("float64", "sessions", "sessions a week in the last 28 days"),
        "dwell_minutes_28": ("float64", "minutes", "dwell in the last 28 days"),
        "dwell_minutes_before": ("float64", "minutes", "the same in the 28 days before"),
        "preferred_hour": ("int64", "", "local hour with most active events, whole history"),
        "preferred_weekday": ("int64", "", "local weekday with most active events, 0 = Monday, whole history"),
        "top_kind": ("string", "", "kind of content with most active events in the last 28 days"),
        "gross": ("decimal", "currency", "payments, whole history"),
        "net": ("decimal", "currency", "payments less refunds, whole history"),
        "average_order": ("float64", "currency", "gross payments by their number, whole history"),
        "repurchased": ("boolean", "", "paid on two days or more"),
        "days_since_pay": ("int64", "days", "since the last payment"),
        "interest_weight": ("float64", "weight", "the whole decayed interest"),
        "top_topic": ("string", "", "strongest topic"),
        "second_topic": ("string", "", "second strongest topic"),
        "third_topic": ("string", "", "third strongest topic"),
        **{name: ("float64", "share", meaning) for name, meaning in _SHARES.items()},
    },
)  # fmt: skip


def portraits(
    *,
    first_seen: ibis.Table,
    user_day: ibis.Table,
    user_hour: ibis.Table,
    users: ibis.Table | None,
    reply_day: ibis.Table | None,
    interests: ibis.Table | None,
    user_kind_day: ibis.Table | None = None,
    user_campaign_day: ibis.Table | None = None,
    last_day: date,
    totals: Totals = of_rows,
) -> ibis.Table:
    """All portraits as of the end of `last_day` (contract `portraits`): everybody seen or signed up by then.

    What a dataset lacks stays empty: no users table, no attributes; no replies, none given or received. Days after
    `last_day` change nothing.

    Args:
        interests: As of the same day, as `interests` gives them.
        totals: How the days of a whole history are added up.
    """
    return portrayed(
        days=families.counted(user_day), first_seen=first_seen, user_hour=user_hour, users=users, reply_day=reply_day,
        interests=interests, user_kind_day=user_kind_day, user_campaign_day=user_campaign_day, last_day=last_day,
        totals=totals,
    )  # fmt: skip


def portrayed(
    *,
    first_seen: ibis.Table,
    days: ibis.Table,
    user_hour: ibis.Table,
    users: ibis.Table | None,
    reply_day: ibis.Table | None,
    interests: ibis.Table | None,
    user_kind_day: ibis.Table | None = None,
    user_campaign_day: ibis.Table | None = None,
    last_day: date,
    totals: Totals = of_rows,
) -> ibis.Table:
    """The same from `days` as `families.counted` gives them, of single days or of several taken together."""
    parts = [
        families.behaviour(days, last_day),
        families.spending(days, last_day, totals),
        families.rhythm(user_hour, last_day, totals),
    ]
    if user_kind_day is not None:
        parts.append(families.kinds(user_kind_day, last_day))
    if user_campaign_day is not None:
        parts.append(families.campaigns(user_campaign_day, last_day))
    if reply_day is not None:
        parts.append(families.replies(reply_day, last_day))
    if users is not None:
        users = users.filter((users.registered_day <= last_day).fill_null(True))
        parts.append(families.referrals(users, first_seen, last_day))
    if interests is not None:
        parts.append(families.tastes(interests))
    people = families.everyone(first_seen, users, last_day=last_day)
    for number, part in enumerate(parts):
        people = people.left_join(part, "user_id", rname=f"{{name}}_{number}")
    return _complete(people)


def _complete(people: ibis.Table) -> ibis.Table:
    """Every column of the contract: counts that are missing are 0, shares that are missing stay unknown."""
    made = {}
    for column, spec in PORTRAITS.columns.items():
        dtype = {"decimal": "decimal(38, 4)"}.get(spec.dtype, spec.dtype)
        value = people[column] if column in people.columns else ibis.null(dtype)
        if column not in PORTRAITS.nullable and column != "user_id":
            value = ibis.coalesce(value, ibis.literal(False if spec.dtype == "boolean" else 0))
        rounded = value.cast(dtype).round(9) if spec.dtype == "float64" else value.cast(dtype)
        made[column] = rounded
    return people.select(**made)
