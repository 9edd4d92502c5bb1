"""One row per user: who they are, how they behave, what they spend, when they come, whom they answer."""

from __future__ import annotations

from datetime import date, timedelta

import ibis

from helpers import contracts
from helpers.portraits.topics import exact_sum

WINDOW = 28
NIGHT_HOURS = (22, 23, 0, 1, 2, 3, 4)
AGE_BANDS = ((0, "under 18"), (18, "18-24"), (25, "25-34"), (35, "35-44"), (45, "45-54"), (55, "55 and over"))
OLDEST = 110
LEAST_WEIGHT = 0.01
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
    "active_days_28": ("active days", "local days with an active event in the last 28"),
    "events_28": ("events", "active events in the last 28 days"),
    "sessions_28": ("sessions", "sessions in the last 28 days"),
    "create_28": ("events", "contents created in the last 28 days"),
    "comment_28": ("events", "comments in the last 28 days"),
    "share_28": ("events", "shares in the last 28 days"),
    "react_28": ("events", "reactions in the last 28 days"),
    "pay_days": ("days", "days with a payment, whole history"),
    "replies_given_28": ("replies", "replies given in the last 28 days"),
    "replies_received_28": ("replies", "replies received in the last 28 days"),
    "referrals": ("people", "people whom the user invited"),
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
        "channel", "city", "gender", "age_band", "preferred_hour", "preferred_weekday", "top_topic", *_SHARES,
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
        "dwell_minutes_28": ("float64", "minutes", "dwell in the last 28 days"),
        "gross": ("decimal", "currency", "payments, whole history"),
        "net": ("decimal", "currency", "payments less refunds, whole history"),
        "interest_weight": ("float64", "weight", "the whole decayed interest"),
        "preferred_hour": ("int64", "", "local hour with most active events"),
        "preferred_weekday": ("int64", "", "local weekday with most active events, 0 = Monday"),
        "top_topic": ("string", "", "strongest topic"),
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
    last_day: date,
) -> ibis.Table:
    """All portraits as of the end of `last_day` (contract `portraits`): everybody seen or signed up by then.

    What a dataset lacks stays empty: no users table, no attributes; no replies, none given or received. Days after
    `last_day` change nothing; `user_hour` has no days and must have been cut with its facts.

    Args:
        interests: As of the same day, as `interests` gives them.
    """
    users = None if users is None else users.filter((users.registered_day <= last_day).fill_null(True))
    past = user_day.filter(user_day.day <= last_day)
    people = _everyone(first_seen, users, last_day=last_day)
    parts = [_behaviour(past, last_day), _history(past), _rhythm(user_hour)]
    parts += [] if reply_day is None else _replies(reply_day, last_day)
    parts += [] if users is None else [_referrals(users)]
    parts += [] if interests is None else [_tastes(interests)]
    for part in parts:
        people = people.left_join(part, "user_id").drop("user_id_right")
    return _complete(people)


def _everyone(first_seen: ibis.Table, users: ibis.Table | None, *, last_day: date) -> ibis.Table:
    known_by_then = first_seen.filter(first_seen.first_day <= last_day)
    seen = known_by_then.select(
        "user_id",
        "first_day",
        **{day: _not_after(last_day, known_by_then[day]) for day in ("first_active_day", "first_pay_day")},
    )
    if users is None:
        nothing = {name: ibis.null("string") for name in ("channel", "city", "gender", "age_band")}
        people = seen.mutate(registered_day=ibis.null("date"), **nothing)
    else:
        known = users.select(
            "user_id", "registered_day", "channel", "city", "gender",
            age_band=_age_band(last_day.year - users.birth_year),
        )  # fmt: skip
        joined = known.outer_join(seen, "user_id")
        people = joined.mutate(user_id=ibis.coalesce(joined.user_id, joined.user_id_right)).drop("user_id_right")
    begun = ibis.least(
        ibis.coalesce(people.registered_day, people.first_day), ibis.coalesce(people.first_day, people.registered_day)
    )
    return people.mutate(tenure_days=(ibis.literal(last_day).epoch_days() - begun.epoch_days()).cast("int64"))


def _not_after(last_day: date, day: ibis.Value) -> ibis.Value:
    return ibis.ifelse(day <= last_day, day, ibis.null("date"))


def _age_band(age: ibis.Value) -> ibis.Value:
    bounds = [floor for floor, _ in AGE_BANDS[1:]] + [OLDEST + 1]
    branches = [((age >= low) & (age < high), label) for (low, label), high in zip(AGE_BANDS, bounds, strict=True)]
    return ibis.cases(*branches, else_=ibis.null("string"))


def _behaviour(past: ibis.Table, last_day: date) -> ibis.Table:
    recent = past.filter(past.day > last_day - timedelta(days=WINDOW))
    return recent.group_by("user_id").agg(
        active_days_28=(recent.active > 0).sum(),
        events_28=recent.active.sum(),
        sessions_28=recent.sessions.sum(),
        create_28=recent.create.sum(),
        comment_28=recent.comment.sum(),
        share_28=recent.share.sum(),
        react_28=recent.react.sum(),
        dwell_minutes_28=recent.dwell_s.sum() / 60,
        bounce_share=recent.bounces.sum() / recent.sessions.sum().nullif(0),
    )


def _history(past: ibis.Table) -> ibis.Table:
    return past.group_by("user_id").agg(
        last_active_day=past.day.max(where=past.active > 0),
        pay_days=(past.pay > 0).sum(),
        last_pay_day=past.day.max(where=past.pay > 0),
        gross=past.gross.sum(),
        net=past.net.sum(),
        discount_share=past.discount.sum().cast("float64")
        / (past.gross.sum() + past.discount.sum()).cast("float64").nullif(0),
    )


def _rhythm(user_hour: ibis.Table) -> ibis.Table:
    hours = user_hour.mutate(
        night=ibis.ifelse(user_hour.hour.isin(NIGHT_HOURS), user_hour.events, 0),
        weekend=ibis.ifelse(user_hour.weekday >= 5, user_hour.events, 0),
    )
    whole = hours.group_by("user_id").agg(
        night_share=hours.night.sum() / hours.events.sum(), weekend_share=hours.weekend.sum() / hours.events.sum()
    )
    return whole.join(_most(user_hour, "hour"), "user_id").join(_most(user_hour, "weekday"), "user_id")


def _most(user_hour: ibis.Table, what: str) -> ibis.Table:
    """The hour or weekday with most events, the earlier one among equals."""
    counts = user_hour.group_by(["user_id", what]).agg(events=user_hour.events.sum())
    order = ibis.window(group_by="user_id", order_by=[ibis.desc("events"), what])
    first = counts.mutate(nth=ibis.row_number().over(order))
    return first.filter(first.nth == 0).select("user_id", **{f"preferred_{what}": first[what]})


def _replies(reply_day: ibis.Table, last_day: date) -> list[ibis.Table]:
    recent = reply_day.filter(reply_day.day <= last_day, reply_day.day > last_day - timedelta(days=WINDOW))
    given = recent.group_by(user_id=recent.from_user).agg(replies_given_28=recent.replies.sum())
    received = recent.group_by(user_id=recent.to_user).agg(replies_received_28=recent.replies.sum())
    return [given, received]


def _referrals(users: ibis.Table) -> ibis.Table:
    named = users.referrer_id.notnull() & (users.referrer_id != "") & (users.referrer_id != users.user_id)
    invited = users.filter(named)
    return invited.group_by(user_id=invited.referrer_id).agg(referrals=invited.count())


def _tastes(interests: ibis.Table) -> ibis.Table:
    """Of the topics that still count; shares that do not add up to 1 would make the evenness exceed it."""
    felt = interests.filter(interests.weight >= LEAST_WEIGHT)
    whole = exact_sum(felt.weight)
    entropy = whole.ln() - exact_sum(felt.weight * felt.weight.ln()) / whole
    return felt.group_by("user_id").agg(
        topics=felt.count(),
        interest_weight=whole,
        top_topic=felt.topic.max(where=felt["rank"] == 1),
        top_share=felt.share.max(),
        breadth=ibis.ifelse(felt.count() > 1, entropy / felt.count().cast("float64").ln().nullif(0), 0.0),
    )


def _complete(people: ibis.Table) -> ibis.Table:
    """Every column of the contract: counts that are missing are 0, shares that are missing stay unknown."""
    made = {}
    for column, spec in PORTRAITS.columns.items():
        dtype = {"decimal": "decimal(38, 4)"}.get(spec.dtype, spec.dtype)
        value = people[column] if column in people.columns else ibis.null(dtype)
        if column not in PORTRAITS.nullable and column != "user_id":
            value = ibis.coalesce(value, ibis.literal(0))
        rounded = value.cast(dtype).round(9) if spec.dtype == "float64" else value.cast(dtype)
        made[column] = rounded
    return people.select(**made)
