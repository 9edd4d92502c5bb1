"""What each user did in each ISO week, from which totals, slices and steps follow.

Most weeks of most people are nothing but active days. Those are told by their bits, and only the others have rows of their own.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import ibis

from helpers.retention import periods
from helpers.segments import days


class UserWeeks(NamedTuple):
    """What each user did in each week.

    Attributes:
        blocks: The active days, as `segments.blocks` gives them up to a Sunday.
        deeds: One row per user and week with a content, a payment, a refund or an amount, or with a day without activity:
            `user_id`, `week` (Monday, as a number of days since 1970), `active`, `dealt` (with a payment, refund or amount),
            `created` (contents), `pays` (payments) and `net` (decimal).
    """

    blocks: ibis.Table
    deeds: ibis.Table


def user_weeks(user_day: ibis.Table, *, last_day: date, blocks: ibis.Table | None = None) -> UserWeeks:
    """What each user did in each week up to `last_day`.

    Args:
        user_day: The fact.
        blocks: The active days up to it, a Sunday, where they are at hand.
    """
    past, sunday = user_day.filter(user_day.day <= last_day), last_day + timedelta(days=6 - last_day.weekday())
    blocks = days.blocks(past, last_day=sunday) if blocks is None else blocks
    rows = past.mutate(dealt=(past.pay > 0) | (past.refund > 0) | (past.net != 0))
    rows = rows.filter(rows.dealt | (rows.create > 0) | (rows.active == 0))
    found = rows.group_by(["user_id", monday(rows.day).name("week")]).agg(
        active=(rows.active > 0).any(), dealt=rows.dealt.any(), created=rows.create.sum().cast("int64"),
        pays=rows.pay.sum().cast("int64"), net=rows.net.sum(),
    )  # fmt: skip
    block = (((sunday - days.EPOCH).days - found.week) / days.BLOCK).floor().cast("int64")
    quiet = found.filter(~found.active).mutate(block=block)
    quiet = quiet.left_join(blocks.select("user_id", "block", "begins", "bits"), ["user_id", "block"])
    came = ((quiet.bits >> (quiet.week - quiet.begins).cast("int32")) & (2**days.WEEK - 1)) > 0
    quiet = quiet.mutate(active=came.fill_null(False)).select(found.columns)
    return UserWeeks(blocks, ibis.union(found.filter(found.active), quiet).cache())


def monday(day: ibis.Value) -> ibis.Value:
    """The Monday of a day's week, as a number of days since 1970."""
    return periods.on_engine(day, "week") * days.WEEK - periods.WEEK_STARTS["monday"]
