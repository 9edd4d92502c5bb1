"""What members did week by week up to a day: the risk and fatigue of that day and of four weeks before follow from it."""

from __future__ import annotations

from datetime import date

import ibis

WEEK, SPAN = 7, 28
WEEKS_OF_SPAN = SPAN // WEEK
MOST = 5 * WEEKS_OF_SPAN  # weeks of the past
SUMS = ("sessions", "create", "comment", "share", "react")


def by_week(user_day: ibis.Table, *, last_day: date) -> ibis.Table:
    """One row per user and week of the last 20, and of the 4 after `last_day` as far as the data go.

    Returns:
        `user_id`; `week`, counted back from 0, the 7 days up to `last_day` (-1: the 7 after it); `active_days`; `away` (days
        from the last active day to `last_day`, empty without one); `pay_days`; sums of `dwell_s` and of SUMS.
    """
    rows = user_day.mutate(age=(ibis.literal(last_day).epoch_days() - user_day.day.epoch_days()).cast("int64"))
    rows = rows.filter(rows.age >= -SPAN, rows.age < WEEK * MOST)
    rows = rows.mutate(week=((rows.age + SPAN) // WEEK - WEEKS_OF_SPAN).cast("int64"))
    active = rows.active > 0
    return rows.group_by(["user_id", "week"]).agg(
        active_days=active.sum(), away=ibis.ifelse(active, rows.age, ibis.null("int64")).min(), pay_days=(rows.pay > 0).sum(),
        dwell_s=rows.dwell_s.sum(), **{name: rows[name].sum() for name in SUMS},
    )  # fmt: skip
