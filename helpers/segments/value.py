"""RFM: recency, frequency and monetary scores, each 1 to 5; equal values always score alike."""

from __future__ import annotations

from datetime import date, timedelta

import ibis

from helpers.segments.spans import days_since


def worth(past: ibis.Table, last_day: date, rules: dict) -> ibis.Table:
    """What RFM is scored on: payments, or activity and contributions where nothing at all is paid."""
    since = last_day - timedelta(days=rules["value"]["days"])
    recent = past.day > since
    pays = past.aggregate(pays=(past.pay > 0).any()).as_scalar().fill_null(False)
    scored = past.mutate(pays=pays, made=past.create * 10 + past.comment * 5, recent=recent)
    scored = scored.mutate(counts=ibis.ifelse(scored.pays, scored.pay > 0, scored.active > 0))
    sums = scored.group_by("user_id").agg(
        recency_day=scored.day.max(where=scored.counts),
        frequency=(scored.counts & scored.recent).sum(),
        pays=scored.pays.any(),
        net=scored.net.sum(where=scored.recent),
        made=scored.made.sum(where=scored.recent),
    )  # amounts are added as decimals, so that a sum meets its limit in any order
    monetary = ibis.ifelse(sums.pays, sums.net.cast("float64"), sums.made.cast("float64"))
    return sums.select("user_id", "recency_day", "frequency", monetary=monetary)


def scores(people: ibis.Table, last_day: date, limits: dict) -> dict[str, ibis.Value]:
    """1 plus the number of limits reached: equal values always score alike."""
    away = days_since(people.recency_day, last_day)

    def reached(conditions) -> ibis.Value:
        found = ibis.literal(1)
        for condition in conditions:
            found = found + condition.fill_null(False).cast("int64")
        return found

    return {
        "recency_score": reached(away <= limit for limit in limits["recency"]),
        "frequency_score": reached(people.frequency >= limit for limit in limits["frequency"]),
        "monetary_score": reached(people.monetary >= limit for limit in limits["monetary"]),
    }
