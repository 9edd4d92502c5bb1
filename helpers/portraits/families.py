"""What a portrait is made of: a table for each source of facts, one row per user that it knows.

Everything is as of the end of a local day. "Lately" is the last 28 days, "before" the 28 days before them.
"""

from __future__ import annotations

from datetime import date, timedelta

import ibis

from helpers.portraits.topics import exact_sum
from helpers.portraits.totals import Totals, of_rows

WINDOW = 28
WEEKS = WINDOW // 7
NIGHT_HOURS = (22, 23, 0, 1, 2, 3, 4)
HOURS, WEEKDAYS, SATURDAY = 24, 7, 5
AGE_BANDS = ((0, "under 18"), (18, "18-24"), (25, "25-34"), (35, "35-44"), (45, "45-54"), (55, "55 and over"))
OLDEST = 110
LEAST_WEIGHT = 0.01
SUMS = (
    "active", "create", "comment", "share", "react", "sessions", "bounces", "dwell_s", "pay", "gross", "net", "discount",
)  # fmt: skip


def everyone(first_seen: ibis.Table, users: ibis.Table | None, *, last_day: date) -> ibis.Table:
    """Everybody seen or signed up by then, with first days, tenure and what the users table says."""
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
    return people.mutate(tenure_days=_days_since(begun, last_day))


def _not_after(last_day: date, day: ibis.Value) -> ibis.Value:
    return ibis.ifelse(day <= last_day, day, ibis.null("date"))


def _days_since(day: ibis.Value, last_day: date) -> ibis.Value:
    return (ibis.literal(last_day).epoch_days() - day.epoch_days()).cast("int64")


def _age_band(age: ibis.Value) -> ibis.Value:
    bounds = [floor for floor, _ in AGE_BANDS[1:]] + [OLDEST + 1]
    branches = [((age >= low) & (age < high), label) for (low, label), high in zip(AGE_BANDS, bounds, strict=True)]
    return ibis.cases(*branches, else_=ibis.null("string"))


def since(table: ibis.Table, last_day: date, *, days: int = WINDOW) -> ibis.Table:
    """Rows of so many days up to the last."""
    return table.filter(table.day <= last_day, table.day > last_day - timedelta(days=days))


def counted(user_day: ibis.Table) -> ibis.Table:
    """What `behaviour` and `spending` read, in columns that add up over days: sums, and the latest of the last days."""
    active, pays = user_day.active > 0, user_day.pay > 0
    return user_day.select(
        "user_id", "day", *SUMS,
        active_days=active.cast("int64"),
        pay_days=pays.cast("int64"),
        last_active_day=ibis.ifelse(active, user_day.day, ibis.null("date")),
        last_pay_day=ibis.ifelse(pays, user_day.day, ibis.null("date")),
    )  # fmt: skip


def behaviour(days: ibis.Table, last_day: date) -> ibis.Table:
    """What was done lately, and some of it before; `days` as `counted` gives them."""
    near = since(days, last_day, days=2 * WINDOW)
    lately = near.day > last_day - timedelta(days=WINDOW)
    sums = {f"{role}_28": near[role].sum(where=lately) for role in ("create", "comment", "share", "react")}
    sessions = near.sessions.sum(where=lately)
    return near.group_by("user_id").agg(
        active_days_28=near.active_days.sum(where=lately),
        active_days_before=near.active_days.sum(where=~lately),
        events_28=near.active.sum(where=lately),
        events_before=near.active.sum(where=~lately),
        sessions_28=sessions,
        visits_a_week=sessions / WEEKS,
        dwell_minutes_28=near.dwell_s.sum(where=lately) / 60,
        dwell_minutes_before=near.dwell_s.sum(where=~lately) / 60,
        bounce_share=near.bounces.sum(where=lately) / sessions.nullif(0),
        **sums,
    )


def spending(days: ibis.Table, last_day: date, totals: Totals = of_rows) -> ibis.Table:
    """What was paid, and the last day of activity; whole history."""
    past = totals("spending", days, _spent, of="user_day", by=["user_id"], last_day=last_day)
    return past.select(
        "user_id", "last_active_day", "pay_days", "last_pay_day", "gross", "net",
        days_since_pay=_days_since(past.last_pay_day, last_day),
        orders=past.pay,
        average_order=past.gross.cast("float64") / past.pay.nullif(0),
        repurchased=past.pay_days >= 2,
        discount_share=past.discount.cast("float64") / (past.gross + past.discount).cast("float64").nullif(0),
    )  # fmt: skip


def _spent(days: ibis.Table) -> ibis.Table:
    sums = {name: days[name].sum() for name in ("pay", "pay_days", "gross", "net", "discount")}
    last = {name: days[name].max() for name in ("last_active_day", "last_pay_day")}
    return days.group_by("user_id").agg(**sums, **last)


def rhythm(user_hour: ibis.Table, last_day: date, totals: Totals = of_rows) -> ibis.Table:
    """When people come: the hour and weekday with most active events, and the shares of nights and weekends; whole history."""
    counts = totals("hours", user_hour, _by_hour, of="user_hour", by=["user_id"], last_day=last_day)
    night = sum((counts[f"hour_{hour}"] for hour in NIGHT_HOURS), ibis.literal(0))
    weekend = sum((counts[f"weekday_{day}"] for day in range(SATURDAY, WEEKDAYS)), ibis.literal(0))
    return counts.select(
        "user_id", preferred_hour=_most(counts, "hour", HOURS), night_share=night / counts.events,
        preferred_weekday=_most(counts, "weekday", WEEKDAYS), weekend_share=weekend / counts.events,
    )  # fmt: skip


def _most(counts: ibis.Table, what: str, places: int) -> ibis.Value:
    """The place with most events, the first one among equals: place and events are told apart in one number."""
    largest = ibis.greatest(*(counts[f"{what}_{at}"] * places + (places - 1 - at) for at in range(places)))
    return (places - 1 - largest % places).cast("int32")


def _by_hour(user_hour: ibis.Table) -> ibis.Table:
    """Active events of each hour and weekday; a column each, since people are few beside people's hours."""
    asked = {"hour": range(HOURS), "weekday": range(WEEKDAYS)}
    counts = {
        f"{what}_{at}": ibis.ifelse(user_hour[what] == at, user_hour.events, 0).sum().cast("int64")
        for what, values in asked.items() for at in values
    }  # fmt: skip
    return user_hour.group_by("user_id").agg(events=user_hour.events.sum(), **counts)


def kinds(user_kind_day: ibis.Table, last_day: date) -> ibis.Table:
    """Kinds of content that people were active on lately; of equals the first by name."""
    recent = since(user_kind_day, last_day)
    counts = recent.group_by(["user_id", "content_kind"]).agg(events=recent.events.sum())
    most = counts.mutate(most=counts.events.max().over(group_by="user_id"))
    return most.group_by("user_id").agg(
        content_kinds_28=most.count(), top_kind=most.content_kind.min(where=most.events == most.most)
    )


def campaigns(user_campaign_day: ibis.Table, last_day: date) -> ibis.Table:
    """Campaigns that people took part in; whole history."""
    past = user_campaign_day.filter(user_campaign_day.day <= last_day)
    return past.group_by("user_id").agg(campaigns=past.campaign.nunique())


def replies(reply_day: ibis.Table, last_day: date) -> ibis.Table:
    """Replies given and received lately, received before, and the people that they came from or went to lately."""
    near = since(reply_day, last_day, days=2 * WINDOW)
    number, none = near.replies, ibis.literal(0, "int64")
    given = near.select("day", user_id=near.from_user, other=near.to_user, given=number, received=none)
    received = near.select("day", user_id=near.to_user, other=near.from_user, given=none, received=number)
    both = given.union(received)
    lately = both.day > last_day - timedelta(days=WINDOW)
    return both.group_by("user_id").agg(
        replies_given_28=both.given.sum(where=lately),
        replies_received_28=both.received.sum(where=lately),
        replies_received_before=both.received.sum(where=~lately),
        contacts_28=both.other.nunique(where=lately),
    )


def referrals(users: ibis.Table, first_seen: ibis.Table, last_day: date) -> ibis.Table:
    """People that a user invited, and how many of them were ever active by then."""
    named = users.referrer_id.notnull() & (users.referrer_id != "") & (users.referrer_id != users.user_id)
    active = first_seen.filter(first_seen.first_active_day <= last_day).select("user_id", active=True)
    invited = users.filter(named).select("user_id", "referrer_id").left_join(active, "user_id")
    return invited.group_by(user_id=invited.referrer_id).agg(
        referrals=invited.count(), referrals_active=invited.active.notnull().sum()
    )


def tastes(interests: ibis.Table) -> ibis.Table:
    """Of the topics that still count; shares that do not add up to 1 would make the evenness exceed it."""
    felt = interests.filter(interests.weight >= LEAST_WEIGHT)
    whole = exact_sum(felt.weight)
    entropy = whole.ln() - exact_sum(felt.weight * felt.weight.ln()) / whole
    strongest = {f"{nth}_topic": felt.topic.max(where=felt["rank"] == at) for at, nth in enumerate(("top", "second", "third"), 1)}
    return felt.group_by("user_id").agg(
        topics=felt.count(),
        interest_weight=whole,
        **strongest,
        top_share=felt.share.max(),
        breadth=ibis.ifelse(felt.count() > 1, entropy / felt.count().cast("float64").ln().nullif(0), 0.0),
    )
