"""What several cohort tables have in common, so that it is counted once for all of them."""

from __future__ import annotations

from typing import NamedTuple

import ibis

from helpers.retention import periods
from helpers.retention.rule import Rule
from helpers.segments import days


class AtHand(NamedTuple):
    """What was counted before, so that the days of everybody need not be read again; without it they are.

    Attributes:
        blocks: The active days up to the last day, as `segments.blocks` gives them.
        bought: The days with a payment or an amount, as `bought` gives them.
        entries: What people did in the week of their first activity, as `entries` gives it.
        people: The members that one rule and its dimensions ask for, as `members_at_hand` adds them.
    """

    blocks: ibis.Table | None = None
    bought: ibis.Table | None = None
    entries: ibis.Table | None = None
    people: ibis.Table | None = None


def tells(hand: AtHand, rule: Rule) -> bool:
    """Whether the active days at hand are all that a rule asks for, but for money."""
    return hand.blocks is not None and rule.start == rule.returns == "active" and rule.first_time and rule.times == 1


def bits(blocks: ibis.Table, rule: Rule, base: int) -> ibis.Table:
    """One row per active person: `cohort` and `last`, the first and last period, and all of them as `bits`, from `base` on."""
    ends = blocks.aggregate(most=blocks.block.max(), end=(blocks.begins + days.BLOCK * blocks.block).max())
    most, end = ends.to_pyarrow().to_pylist()[0].values()
    parts = days.parts(most or 0, end or 0, lambda every: periods.numbers(every, rule.unit, rule.week_start) - base)
    met = blocks.join(ibis.memtable(parts), "block")
    came = [ibis.ifelse(met.bits & met[f"mask_{nth}"] != 0, met[f"bit_{nth}"], 0) for nth in range(len(parts.columns) // 2)]
    rows = met.select("user_id", "first", "last", bits=sum(came))
    people = rows.group_by("user_id").agg(first=rows["first"].min(), last=rows["last"].max(), bits=rows.bits.bit_or())
    first, last = (periods.on_engine(days.day_of(people[name]), rule.unit, rule.week_start) for name in ("first", "last"))
    return people.select("user_id", cohort=first, last=last, bits=people.bits)
