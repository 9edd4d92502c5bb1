"""How likely a non-payer is to pay."""

from __future__ import annotations

from datetime import date, timedelta

import ibis

from helpers.segments.spans import payments

POTENTIAL_DAYS = 28
ACTIVITY_STEPS = (1, 2, 4, 8, 12, 16)


def likelihood(people: ibis.Table, past: ibis.Table, last_day: date, rules: dict) -> ibis.Table:
    """How often people like each non-payer paid in the 28 days that have just gone by.

    Alike means: as many active days in the 28 days before (in steps), and paid before or not. Empty where nobody was
    alike 28 days ago.
    """
    then = last_day - timedelta(days=POTENTIAL_DAYS)
    earlier = past.filter(past.day <= then)
    known = payments(earlier, then, rules).join(_active_before(earlier, then, rules), "user_id")
    paid = past.filter((past.day > then) & (past.pay > 0)).select("user_id").distinct().mutate(did=True)
    open_then = known.filter(known.net_90 <= 0).left_join(paid, "user_id")
    open_then = open_then.mutate(step=_step(open_then.active_days), did=open_then.did.fill_null(False))
    rates = open_then.group_by(["step", "ever_paid"]).agg(pay_probability=open_then.did.mean())
    cells = people.mutate(step=_step(people.active_days))
    met = cells.left_join(rates, ["step", "ever_paid"]).drop("step_right", "ever_paid_right")
    return met.mutate(pay_probability=ibis.ifelse(met.paying, ibis.null("float64"), met.pay_probability.round(9)))


def _active_before(earlier: ibis.Table, then: date, rules: dict) -> ibis.Table:
    since = then - timedelta(days=rules["activity"]["days"])
    return earlier.group_by("user_id").agg(active_days=((earlier.active > 0) & (earlier.day > since)).sum())


def _step(active_days: ibis.Value) -> ibis.Value:
    return ibis.cases(*[(active_days >= step, step) for step in reversed(ACTIVITY_STEPS)], else_=0)
