"""Facts by local day, and what follows from them. One pass each over the kept events, on the engine."""

from __future__ import annotations

from decimal import Decimal

import ibis

from helpers.facts.sessions import LAST_HOUR, SECOND, cut
from helpers.facts.tables import ROLES


def timed(events: ibis.Table) -> ibis.Table:
    """Kept events with `weekday` (of the local day, 0 = Monday); `hour` as a whole number."""
    since_monday = events.day.epoch_days() - events.day.truncate("W").epoch_days()
    return events.mutate(weekday=since_monday.cast("int64"), hour=events.hour.cast("int64"))


def first_seen(user_day: ibis.Table) -> ibis.Table:
    """First days of each user (contract `first_seen`)."""
    return lives(user_day).drop("events", "most")


def lives(user_day: ibis.Table) -> ibis.Table:
    """What all days of each user come to: a row a user as in `first_seen`, with `events` (their number) and `most` (on a day)."""
    active, pays = user_day.active > 0, user_day.pay > 0
    return user_day.group_by("user_id").agg(
        first_day=user_day.day.min(),
        first_active_day=user_day.day.min(where=active),
        last_active_day=user_day.day.max(where=active),
        first_pay_day=user_day.day.min(where=pays),
        events=user_day.events.sum().cast("int64"),
        most=user_day.events.max(),
    )


LIVES = {"first_day": "min", "first_active_day": "min", "first_pay_day": "min", "most": "max"}  # of lives in several spans


def visits(events: ibis.Table, roles: dict[str, list[str]], before: ibis.Table | None = None) -> ibis.Table:
    """Events with their roles and, for the active ones, what `sessions` says: in one pass.

    Args:
        before: Sessions that went on at the end of the day before the first, as `sessions.going_on` gives them; their rows are
            among the result, under the day on which they went on.
    """
    counted = events.select(
        "user_id", "day", "hour", "moment",
        named=ibis.coalesce(events.session_id, ""), lasts=ibis.coalesce(events.duration_s, 0.0),
        **{role: has_role(events, roles, role) for role in ROLES},
    )  # fmt: skip
    if before is not None:
        other = {role: ibis.literal(role == "active") for role in ROLES}
        gone = before.mutate(hour=ibis.literal(LAST_HOUR).cast("int64"), lasts=ibis.literal(0.0), **other)
        counted = counted.mutate(since=ibis.null("int64"))
        counted = counted.union(gone.select(counted.columns))
    found = cut(counted, ["user_id", "named", "active"])
    return found.select(*counted.drop("lasts").columns, "starts", "single", "dwell", "first")


def user_day(events: ibis.Table, roles: dict[str, list[str]]) -> ibis.Table:
    """Counts, amounts and sessions by user and local day (contract `user_day`); `events` as `timed` gives them."""
    return of_visits(visits(events, roles), money(events, roles))


def money(events: ibis.Table, roles: dict[str, list[str]]) -> ibis.Table:
    """Exact amounts by user and local day, where there are any: `gross`, `refunded`, `discount`."""
    pay, refund = has_role(events, roles, "pay"), has_role(events, roles, "refund")
    paid = events.filter(pay | refund)
    pay, refund = has_role(paid, roles, "pay"), has_role(paid, roles, "refund")
    amount = ibis.coalesce(paid.amount, _nothing())
    return paid.group_by(["user_id", "day"]).agg(
        gross=ibis.ifelse(pay & (amount > 0), amount, _nothing()).sum(),
        refunded=ibis.ifelse(refund | (pay & (amount < 0)), amount.abs(), _nothing()).sum(),
        discount=ibis.ifelse(pay, ibis.coalesce(paid.discount, _nothing()), _nothing()).sum(),
    )


def _nothing() -> ibis.DecimalValue:
    return ibis.literal(Decimal(0)).cast("decimal(28, 4)")


def of_visits(found: ibis.Table, paid: ibis.Table) -> ibis.Table:
    """The same, from what `visits` and `money` give."""
    counts = found.group_by(["user_id", "day"]).agg(
        events=found.count(),
        **{role: found[role].sum().cast("int64") for role in ROLES},
        sessions=(found.active & found.starts).sum().cast("int64"),
        dwell_s=ibis.coalesce(found.dwell.sum(where=found.active), 0).cast("int64") // SECOND,
        bounces=(found.active & found.single).sum().cast("int64"),
    )
    met = counts.left_join(paid, ["user_id", "day"])
    gross, refunded, discount = (ibis.coalesce(met[name], _nothing()) for name in ("gross", "refunded", "discount"))
    order = ["user_id", "day", "events", *ROLES]
    return met.select(
        *order, gross=gross, refunded=refunded, net=gross - refunded, discount=discount, sessions=met.sessions,
        dwell_s=met.dwell_s, bounces=met.bounces,
    )  # fmt: skip


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


def user_kind_day(events: ibis.Table, roles: dict[str, list[str]]) -> ibis.Table:
    """Active events by user, kind of content and local day (contract `user_kind_day`)."""
    seen = events.filter(has_role(events, roles, "active") & events.content_kind.notnull())
    return seen.group_by(["user_id", "content_kind", "day"]).agg(events=seen.count())


def user_campaign_day(events: ibis.Table) -> ibis.Table:
    """Events by user, campaign that they name and local day (contract `user_campaign_day`)."""
    named = events.filter(events.campaign.notnull())
    return named.group_by(["user_id", "campaign", "day"]).agg(events=named.count())


def user_hour(events: ibis.Table, roles: dict[str, list[str]]) -> ibis.Table:
    """Active events by user, local day and hour (contract `user_hour`)."""
    active = events.filter(has_role(events, roles, "active"))
    return active.group_by(["user_id", "day", "weekday", "hour"]).agg(events=active.count())


def same_moment(events: ibis.Table) -> ibis.Table:
    """Instants at which somebody has several events: user, local day, `moment` and their number."""
    counted = events.group_by(["user_id", "day", "moment"]).agg(events=events.count())
    return counted.filter(counted.events > 1)


def summary(user_day: ibis.Table, people: ibis.Table) -> dict[str, int | tuple[int, str]]:
    """The size of the facts in numbers, people with their unit: rows, people, active days and sessions.

    Args:
        people: A row a person.
    """
    everybody = int(people.count().to_pandas())
    found = user_day.aggregate(
        user_days=user_day.count(),
        active_days=(user_day.active > 0).sum().fill_null(0),
        sessions=user_day.sessions.sum().fill_null(0),
    )
    sizes = {name.replace("_", " "): int(value) for name, value in found.to_pandas().iloc[0].items()}
    rows = sizes.pop("user days")
    return {"user days": rows, "people": (everybody, "people")} | sizes


def has_role(events: ibis.Table, roles: dict[str, list[str]], role: str) -> ibis.BooleanValue:
    """Whether an event has a role."""
    names = roles.get(role, [])
    return events.event.isin(names) if names else events.event.isnull()
