"""Tiers: what each user is on each dimension, as of the end of a local day, by limits; the first that holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import ibis

from helpers.segments import spans
from helpers.segments.likelihood import PayModel, likelihood, pay_models
from helpers.segments.tables import ORDERED, SEGMENTS, TIERS
from helpers.segments.value import by_quantiles, levelled, scored

WEEK = timedelta(days=7)


def tiers(
    first_seen: ibis.Table, user_day: ibis.Table, users: ibis.Table | None, *, last_day: date, rules: Mapping
) -> ibis.Table:
    """Every user's tiers as of the end of `last_day` (contract `segments`); later rows change nothing.

    Args:
        users: Adds those who have only signed up, and what is known of people; None where there is no users table.
        rules: The limits, by section (`activity`, `contribution`, `payment`, `value`, `lifecycle`).
    """
    return history(first_seen, user_day, users, last_days=[last_day], rules=rules).drop("last_day")


def history(
    first_seen: ibis.Table,
    user_day: ibis.Table,
    users: ibis.Table | None,
    *,
    last_days: Sequence[date],
    rules: Mapping,
    models: Mapping[date, PayModel] | None = None,
) -> ibis.Table:
    """The same as of the ends of several days in one table, which has `last_day` besides.

    Where a section says `hold_weeks`, a tier is the best of so many weeks: who falls, falls when all of them are below.

    Args:
        models: As `pay_models` gives them for `instants(last_days, rules)`; None: they are made.
    """
    models = pay_models(user_day, instants(last_days, rules), rules=rules) if models is None else models
    return panel(spans.everybody(first_seen, users), user_day, last_days=last_days, rules=rules, models=models)


def panel(
    people: ibis.Table, user_day: ibis.Table, *, last_days: Sequence[date], rules: Mapping, models: Mapping[date, PayModel]
) -> ibis.Table:
    """The same for people as `spans.everybody` gives them."""
    days = instants(last_days, rules)
    people = spans.measures(people, user_day, last_days=days, rules=rules)
    people = _scored(_likely(people, [models[day] for day in days]), rules).cache()
    people = people.mutate(payment=_payment(people, rules["payment"]), **levelled(people, rules["value"]))
    if len(days) > len(set(last_days)):
        people = _held(people, rules).filter(ibis._.last_day.isin(list(last_days)))
    return people.select("last_day", **{name: _as(people[name], spec.dtype) for name, spec in SEGMENTS.columns.items()})


def _likely(people: ibis.Table, models: Sequence[PayModel]) -> ibis.Table:
    """The panel with the probability of paying, of non-payers of whom an event is known."""
    if all(model.refused for model in models):
        return people.mutate(pay_probability=ibis.null("float64"))
    known = people.first_day.notnull() & (people.net_90 <= 0)
    people = spans.described(people.mutate(known=known, own_days=people.active_days))
    chance = ibis.ifelse(people.known, likelihood(people, models), ibis.null("float64"))
    return people.mutate(active_days=people.own_days, pay_probability=chance)


def _scored(people: ibis.Table, rules: Mapping) -> ibis.Table:
    """The panel with all tiers that need nobody but the person, and with what the others are made of."""
    people = people.mutate(
        away=(people.until - people.recency_day.epoch_days()).cast("int64"),
        away_days=(people.until - people.last_active.epoch_days()).cast("int64"),
    )
    people = scored(_activity(people, rules["activity"]), rules["value"])
    made = {
        "contribution": ibis.array([*reversed(TIERS["contribution"])])[people.act],
        "lifecycle": _lifecycle(people, rules["lifecycle"]),
        "resurrected": (people.back - people.gone > rules["lifecycle"]["lost"]).fill_null(False),
        "first_pay_days": people.until - people.first_pay.epoch_days(),
        "recency_days": people.away,
    }
    held = [name for name in SEGMENTS.columns if name in people.columns and name not in made]
    return people.select("nth", "until", "last_day", *held, **made)


def instants(last_days: Sequence[date], rules: Mapping) -> list[date]:
    """The days as of whose ends tiers are measured: the given ones, and the weeks before them for which a tier is held."""
    held = max(rules[dimension]["hold_weeks"] for dimension in ORDERED)
    return sorted({day - WEEK * back for day in last_days for back in range(held)})


def _as(value: ibis.Value, dtype: str) -> ibis.Value:
    return value if dtype == "string" else value.cast({"decimal": "decimal(38, 4)"}.get(dtype, dtype))


def _activity(people: ibis.Table, limits: Mapping) -> ibis.Table:
    named = ("high", "medium", "low")
    if limits["quantiles"]:
        steps = by_quantiles(people, {"step": people.active_days}, limits["quantiles"], among=people.active_days > 0)
        conditions = [steps.step == 3, steps.step == 2, steps.active_days >= limits["low"]]
        return steps.mutate(activity=ibis.cases(*zip(conditions, named, strict=True), else_="none")).drop("step")
    branches = [(people.active_days >= limits[tier], tier) for tier in named]
    return people.mutate(activity=ibis.cases(*branches, else_="none"))


def _lifecycle(people: ibis.Table, limits: Mapping) -> ibis.Value:
    def since(day: ibis.Value) -> ibis.Value:
        return people.until - day.epoch_days()

    return ibis.cases(
        (people.last_active.isnull(), "prospect"),
        (people.away_days > limits["lost"], "lost"),
        (people.away_days > limits["silent"], "silent"),
        ((since(people.first_pay) < limits["first_purchase"]).fill_null(False), "first purchase"),
        (since(people.first_active) < limits["new"], "new"),
        else_="active",
    )


def _payment(people: ibis.Table, limits: Mapping) -> ibis.Value:
    """Payers by the quantile of the payers; among the others, the most likely to pay.

    Who is as likely as another stays together: a group that does not fit into the top share whole does not stand out.
    """
    payers = people.filter(people.net_90 > 0)
    bounds = payers.group_by("nth").agg(bound=payers.net_90.cast("float64").quantile(limits["high_quantile"]))
    known = people.filter(people.pay_probability.notnull()).select("nth", "pay_probability")
    as_likely = (-known.pay_probability).cume_dist().over(ibis.window(group_by="nth"))  # share of those at least as likely
    first = known.mutate(as_likely=as_likely).filter(ibis._.as_likely <= limits["potential_share"])
    bound = _own(people, bounds)
    likely = _own(people, first.group_by("nth").agg(bound=first.pay_probability.min()))
    return ibis.cases(
        ((people.net_90 > 0) & (people.net_90.cast("float64") >= bound), "high payer"),
        (people.net_90 > 0, "payer"),
        ((people.pay_probability >= likely).fill_null(False), "potential payer"),
        else_="non-payer",
    )


def _own(people: ibis.Table, bounds: ibis.Table) -> ibis.Value:
    """The bound of the instant of each row; where an instant has none nobody reaches it."""
    found = {row["nth"]: row["bound"] for row in bounds.to_pyarrow().to_pylist()}
    return ibis.array([found.get(nth, math.inf) for nth in range(max(found, default=0) + 1)])[people.nth].fill_null(math.inf)


def _held(people: ibis.Table, rules: Mapping) -> ibis.Table:
    """Each ordered tier as the best of the weeks for which it is held; the tiers before it stay as they were measured."""
    ranks = {}
    for dimension in ORDERED:
        back = 7 * (rules[dimension]["hold_weeks"] - 1)
        if back:
            names = TIERS[dimension]
            rank = ibis.cases(*[(people[dimension] == name, at) for at, name in enumerate(names)])
            weeks = ibis.range_window(group_by=["user_id", people.until % 7], order_by="until", preceding=back, following=0)
            ranks[dimension] = ibis.array(list(names))[rank.min().over(weeks)]
    return people.mutate(**ranks)
