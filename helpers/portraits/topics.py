"""Decayed interests: what each user cares for, as of the end of a local day."""

from __future__ import annotations

from datetime import date

import ibis

from helpers import contracts
from helpers.errors import InputError

INTERESTS = contracts.declare(
    "interests",
    grain="one row per user and topic",
    key=["user_id", "topic"],
    needs="topics",
    columns={
        "user_id": ("string", "", "pseudonym of the user"),
        "topic": ("string", "", "topic as the source spells it"),
        "weight": ("float64", "weight", "decayed role weights, times the topic's rarity"),
        "share": ("float64", "share", "of the user's whole interest"),
        "rank": ("int64", "", "1 = strongest"),
    },
)


def interests(user_topic_day: ibis.Table, *, last_day: date, half_life_days: float, rarity: bool = True) -> ibis.Table:
    """Decayed interest of each user in each topic (contract `interests`).

    weight = sum over days of (role weight) x 2^(-age / half-life), age in whole local days, times the topic's rarity,
    1 + ln(people with an interest / people with this one), from the same days. `rank` is by weight, and by the topic's
    name among equals.

    Args:
        user_topic_day: Contract `user_topic_day`; rows after `last_day` do not count.
        half_life_days: Days after which an event weighs half.

    Raises:
        InputError: The half-life is not above 0.
    """
    if half_life_days <= 0:
        raise InputError(f"half_life_days is {half_life_days}, but an interest needs more than 0 days to weigh half.")
    past = user_topic_day.filter(user_topic_day.day <= last_day)
    age = ibis.literal(last_day).epoch_days() - past.day.epoch_days()
    decayed = past.weight.cast("float64") * (ibis.literal(2.0) ** (-age / float(half_life_days)))
    weights = past.mutate(decayed=decayed).group_by(["user_id", "topic"]).agg(weight=exact_sum(ibis._.decayed))
    if rarity:
        people = past.select("user_id").distinct().aggregate(everyone=ibis._.count()).as_scalar()
        fans = weights.group_by("topic").agg(fans=ibis._.count())
        joined = weights.join(fans, "topic")
        weights = joined.mutate(weight=joined.weight * (1 + (people / joined.fans).ln())).drop("fans")
    weights = weights.mutate(weight=weights.weight.round(9))
    total = weights.weight.cast("decimal(38, 9)").sum().over(ibis.window(group_by="user_id")).cast("float64")
    order = ibis.window(group_by="user_id", order_by=[ibis.desc("weight"), "topic"])
    return weights.mutate(
        share=weights.weight / total.nullif(0), rank=(ibis.row_number().over(order) + 1).cast("int64")
    ).mutate(share=ibis._.share.fill_null(0.0))


def exact_sum(value: ibis.Value) -> ibis.Value:
    """The sum of a floating point column to 12 decimal places, which is the same in any order of its rows."""
    return value.round(12).cast("decimal(38, 12)").sum().cast("float64")
