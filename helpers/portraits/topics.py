"""Decayed interests: what each user cares for, as of the end of a local day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import ibis

from helpers import contracts
from helpers.errors import InputError
from helpers.portraits.totals import Totals, of_rows

EPOCH = date(1970, 1, 1)
ERA = 60  # half-lives

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


def interests(
    user_topic_day: ibis.Table, *, last_day: date, half_life_days: float, rarity: bool = True, within: str | None = None,
    totals: Totals = of_rows,
) -> ibis.Table:  # fmt: skip
    """Decayed interest of each user in each topic (contract `interests`).

    weight = sum over days of (role weight) x 2^(-age / half-life), age in whole local days, times the topic's rarity,
    1 + ln(people with an interest / people with this one), from the same days. `rank` is by weight, and by the topic's
    name among equals.

    Args:
        user_topic_day: Contract `user_topic_day`; rows after `last_day` do not count.
        half_life_days: Days after which an event weighs half.
        within: A further column of theirs, which parts the users into crowds with a rarity of their own.
        totals: How the days of a whole history are added up.

    Raises:
        InputError: The half-life is not above 0.
    """
    if half_life_days <= 0:
        raise InputError(f"half_life_days is {half_life_days}, but an interest needs more than 0 days to weigh half.")
    crowd = [within] if within else []
    by = [*crowd, "user_id", "topic"]
    weights = decayed(user_topic_day, by=by, last_day=last_day, half_life_days=half_life_days, totals=totals).drop("last")
    weights = _with_rarity(weights, crowd) if rarity else weights
    weights = weights.select("user_id", "topic", weight=weights.weight.round(9))
    total = weights.weight.cast("decimal(38, 9)").sum().over(ibis.window(group_by="user_id")).cast("float64")
    order = ibis.window(group_by="user_id", order_by=[ibis.desc("weight"), "topic"])
    return weights.mutate(
        share=weights.weight / total.nullif(0), rank=(ibis.row_number().over(order) + 1).cast("int64")
    ).mutate(share=ibis._.share.fill_null(0.0))


def decayed(
    user_topic_day: ibis.Table, *, by: Sequence[str], last_day: date, half_life_days: float, totals: Totals = of_rows
) -> ibis.Table:
    """The sum of weights as they have decayed by the end of a day: `weight`, to 12 digits, and `last`, the last day with one.

    Weights are added up as if they had grown since a day that stays the same for many half-lives. So what was added up once
    is good for later days, and a sum is the same to the last digit whenever its days were added to it.
    """
    era = max(1, int(ERA * half_life_days))
    start = (last_day - EPOCH).days // era * era
    fade = 2.0 ** ((start - (last_day - EPOCH).days) / half_life_days)

    def grown(rows: ibis.Table) -> ibis.Table:
        age = (rows.day.epoch_days() - start).cast("float64")  # else Spark divides to six places
        weight = rows.weight.cast("float64") * ibis.literal(2.0) ** (age / float(half_life_days))
        rows = rows.mutate(grown=exact(weight))
        return rows.group_by(list(by)).agg(grown=rows.grown.sum(), last=rows.day.max())

    name, given = f"topics-{float(half_life_days)}", [start, float(half_life_days)]
    found = totals(name, user_topic_day, grown, of="user_topic_day", by=by, last_day=last_day, given=given)
    return found.select(*by, "last", weight=(found.grown.cast("float64") * fade).round(12))


def _with_rarity(weights: ibis.Table, crowd: list[str]) -> ibis.Table:
    """Times 1 + ln(people of the crowd with an interest / people of the crowd with this one)."""
    everyone = weights.user_id.nunique()
    people = weights.group_by(crowd).agg(everyone=everyone) if crowd else weights.aggregate(everyone=everyone)
    fans = weights.group_by([*crowd, "topic"]).agg(fans=weights.count())
    joined = weights.join(fans, [*crowd, "topic"])
    joined = joined.join(people, crowd) if crowd else joined.cross_join(people)
    return joined.mutate(weight=joined.weight * (1 + (joined.everyone / joined.fans).ln()))


def exact_sum(value: ibis.Value) -> ibis.Value:
    """The sum of a floating point column to 12 decimal places, which is the same in any order of its rows."""
    return exact(value).sum().cast("float64")


def exact(value: ibis.Value) -> ibis.Value:
    """A floating point column as decimals of 12 places."""
    return value.round(12).cast("decimal(38, 12)")


def rounded(value: ibis.Value, digits: int) -> ibis.Value:
    """A floating point column to so many digits, as its numbers are: 1.005, which is a little less, becomes 1.00.

    DuckDB 1.5 rounds so; Spark 4.0 rounds what it would print, and gives 1.01. Of whole numbers both think the same.
    """
    return (value * 10.0**digits).round(0) / 10.0**digits
