"""What members did in spans of four weeks up to a day: the risk and fatigue of that day and of a span before follow from it."""

from __future__ import annotations

from datetime import date

import ibis

from helpers.segments import days

WEEK, SPAN = 7, 28
MOST = 5  # spans of the past
PAID = 2**SPAN  # above the bits of the days of a span, the newest being the lowest one
SUMS = ("sessions", "create", "comment", "share", "react")


def by_span(user_day: ibis.Table, *, last_day: date) -> ibis.Table:
    """One row per user and 28 days of the last 140, and of the 28 after `last_day` as far as the data go.

    Returns:
        `user_id`; `span`, counted back from 0, the 28 days up to `last_day` (-1: those after it); `active_days`; `last_week`
        (of them, in the last seven days); `squares` (summed over its weeks, of the active days of a week); `away` (days from
        the last active day to `last_day`, empty without one); `pay_days`; sums of `dwell_s` and of SUMS.
    """
    rows = user_day.mutate(age=(ibis.literal(last_day).epoch_days() - user_day.day.epoch_days()).cast("int64"))
    rows = rows.filter(rows.age >= -SPAN, rows.age < SPAN * MOST)
    rows = rows.mutate(span=((rows.age + SPAN) // SPAN - 1).cast("int64"), day_of_span=(rows.age + SPAN) % SPAN)
    came = ibis.ifelse(rows.active > 0, days.bit(rows.day_of_span), 0)  # all days in one sum, since each sum takes its time
    found = rows.group_by(["user_id", "span"]).agg(
        told=(came + ibis.ifelse(rows.pay > 0, PAID, 0)).sum(), dwell_s=rows.dwell_s.sum(),
        **{name: rows[name].sum() for name in SUMS},
    )  # fmt: skip
    bits = found.told & (PAID - 1)
    found = found.mutate(
        **{f"week_{at}": sum((bits >> place) & 1 for place in range(at * WEEK, at * WEEK + WEEK)) for at in range(SPAN // WEEK)},
        away=ibis.ifelse(bits > 0, SPAN * found.span + days.lowest(bits), None), pay_days=found.told >> SPAN,
    )  # fmt: skip
    weeks = [f"week_{at}" for at in range(SPAN // WEEK)]
    own = [found[name] for name in weeks]
    found = found.mutate(active_days=sum(own), last_week=own[0], squares=sum(each * each for each in own))
    return found.drop("told", *weeks)
