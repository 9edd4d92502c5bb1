"""What of a user's days falls within a span before an instant."""

from __future__ import annotations

from datetime import date, timedelta

import ibis


def payments(past: ibis.Table, last_day: date, rules: dict) -> ibis.Table:
    """Net amount of the span of the payment tier by user, `net_90`; and whether there was ever a payment, `ever_paid`."""
    since = last_day - timedelta(days=rules["payment"]["days"])
    return (
        past.group_by("user_id")
        .agg(net_90=past.net.sum(where=past.day > since), ever_paid=(past.pay > 0).any())
        .mutate(net_90=ibis._.net_90.fill_null(0))
    )


def days_since(day: ibis.Value, last_day: date) -> ibis.Value:
    """Whole local days from a day to the last."""
    return ibis.literal(last_day).epoch_days() - day.epoch_days()
