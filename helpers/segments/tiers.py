"""Tiers: what each user is on each dimension, as of the end of a local day, by fixed limits; the first that holds."""

from __future__ import annotations

from datetime import date, timedelta

import ibis

from helpers.segments.likelihood import likelihood
from helpers.segments.spans import days_since, payments
from helpers.segments.tables import SEGMENTS
from helpers.segments.value import scores, worth


def tiers(
    first_seen: ibis.Table, user_day: ibis.Table, users: ibis.Table | None, *, last_day: date, rules: dict
) -> ibis.Table:
    """Every user's tiers as of the end of `last_day` (contract `segments`); later rows change nothing.

    Args:
        users: Adds those who have only signed up; None where the dataset has no users table.
        rules: The limits, by section (`activity`, `contribution`, `payment`, `value`, `lifecycle`).
    """
    people = _people(first_seen, users, last_day)
    past = user_day.filter(user_day.day <= last_day)
    for part in (_recent(past, last_day, rules), payments(past, last_day, rules), worth(past, last_day, rules)):
        people = people.left_join(part, "user_id").drop("user_id_right")
    people = people.mutate(
        active_days=people.active_days.fill_null(0),
        net_90=people.net_90.fill_null(0),
        ever_paid=people.ever_paid.fill_null(False),
    )
    people = people.mutate(
        activity=_activity(people, rules["activity"]),
        contribution=_contribution(people),
        lifecycle=_lifecycle(people, last_day, rules["lifecycle"]),
        resurrected=_resurrected(people, rules["lifecycle"]),
        **scores(people, last_day, rules["value"]),
    )
    total = people.recency_score + people.frequency_score + people.monetary_score
    limits = rules["value"]
    people = people.mutate(
        value=ibis.cases((total >= limits["high"], "high"), (total >= limits["mid"], "mid"), else_="low")
    )
    people = _payment(people, past, last_day, rules)
    return people.select(**{name: _as(people[name], spec.dtype) for name, spec in SEGMENTS.columns.items()})


def _as(value: ibis.Value, dtype: str) -> ibis.Value:
    return value.cast({"decimal": "decimal(38, 4)"}.get(dtype, dtype))


def _people(first_seen: ibis.Table, users: ibis.Table | None, last_day: date) -> ibis.Table:
    """Everyone known by then: first active day and first payment, empty for who only signed up."""
    seen = first_seen.filter(first_seen.first_day <= last_day).select("user_id")
    if users is None:
        return seen
    signed = users.filter(ibis.coalesce(users.registered_day <= last_day, True))
    return seen.union(signed.select("user_id"), distinct=True)


def _recent(past: ibis.Table, last_day: date, rules: dict) -> ibis.Table:
    """Activity: counts over the window of the limits, first and last active day, and the days around the last week."""
    since = last_day - timedelta(days=rules["activity"]["days"])
    done = last_day - timedelta(days=rules["contribution"]["days"])
    week = last_day - timedelta(days=rules["lifecycle"]["resurrected"])
    active = past.active > 0
    return past.group_by("user_id").agg(
        active_days=(active & (past.day > since)).sum(),
        last_active=past.day.max(where=active),
        first_active=past.day.min(where=active),
        first_pay=past.day.min(where=past.pay > 0),
        back=past.day.min(where=active & (past.day > week)),
        gone=past.day.max(where=active & (past.day <= week)),
        **{f"did_{role}": (past[role] * (past.day > done).cast("int64")).sum() > 0
           for role in ("create", "comment", "share", "react", "active")},
    )  # fmt: skip


def _activity(people: ibis.Table, limits: dict) -> ibis.Value:
    branches = [(people.active_days >= limits[tier], tier) for tier in ("high", "medium", "low")]
    return ibis.cases(*branches, else_="none")


def _contribution(people: ibis.Table) -> ibis.Value:
    named = {"create": "creator", "comment": "commenter", "share": "sharer", "react": "reactor", "active": "reader"}
    branches = [(people[f"did_{role}"].fill_null(False), tier) for role, tier in named.items()]
    return ibis.cases(*branches, else_="none")


def _lifecycle(people: ibis.Table, last_day: date, limits: dict) -> ibis.Value:
    away = days_since(people.last_active, last_day)
    return ibis.cases(
        (people.last_active.isnull(), "prospect"),
        (away > limits["lost"], "lost"),
        (away > limits["silent"], "silent"),
        ((days_since(people.first_pay, last_day) < limits["first_purchase"]).fill_null(False), "first purchase"),
        (days_since(people.first_active, last_day) < limits["new"], "new"),
        else_="active",
    )


def _resurrected(people: ibis.Table, limits: dict) -> ibis.Value:
    gap = people.back.epoch_days() - people.gone.epoch_days()
    return (gap > limits["lost"]).fill_null(False)


def _payment(people: ibis.Table, past: ibis.Table, last_day: date, rules: dict) -> ibis.Table:
    """Payers by the quantile of the payers; among the others, the most likely to pay.

    Who is as likely as another stays together: a group that does not fit into the top share whole does not stand out.
    """
    limits = rules["payment"]
    paying = people.net_90 > 0
    amount = people.filter(paying).net_90.cast("float64")
    bound = amount.quantile(limits["high_quantile"]).as_scalar()
    likely = likelihood(people.mutate(paying=paying), past, last_day, rules)
    known = likely.pay_probability.notnull()
    as_likely = (
        (-likely.pay_probability).cume_dist().over(ibis.window(group_by=known))
    )  # share of those at least as likely
    stands_out = known & (as_likely <= limits["potential_share"])
    high = likely.paying & (likely.net_90.cast("float64") >= bound)
    branches = [(high, "high payer"), (likely.paying, "payer"), (stands_out, "potential payer")]
    return likely.mutate(payment=ibis.cases(*branches, else_="non-payer"))
