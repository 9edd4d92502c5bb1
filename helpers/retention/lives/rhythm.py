"""Everyone's own rhythm: after how many silent days a person counts as lost, and how often such a loss was none.

A silence is the number of days without activity between two active days. The silence at the end is none yet, since nobody knows
how long it will be.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import ibis
import pandas as pd

from helpers import contracts, stats
from helpers.segments import days

ENOUGH = 20  # silences; of fewer the 95 % quantile is the longest one
NINETEEN, TWENTIETHS = 19, 20  # 95 % in whole numbers, so that no rounding decides
LEAST = 7  # days; a shorter silence is no loss for anybody, since people have weekly habits
LATER = days.BLOCK  # in which a loss can turn out to be none
OWN, FIXED = "own", "fixed"
RULES = (OWN, FIXED)

RHYTHMS = contracts.declare(
    "rhythms",
    grain="one row per user who has ever been active",
    key=["user_id"],
    needs="events",
    nullable=("own_end", "fixed_end"),
    columns={
        "user_id": ("string", "", "pseudonym"),
        "first_active_day": ("date", "", "local day of the first activity"),
        "last_active_day": ("date", "", "local day of the last activity"),
        "silences": ("int64", "", "silences between active days, those of no day among them"),
        "limit_days": ("int64", "days", "lost by the own rhythm after more silent days than this"),
        "pooled": ("boolean", "", "the limit is that of everybody with fewer than 20 silences"),
        "own_end": ("date", "", "last active day before the first silence longer than the limit; empty while there is none"),
        "fixed_end": ("date", "", "the same by the fixed rule"),
    },
)
LOSSES = contracts.declare(
    "losses",
    grain='one row per rule: "own" rhythm or "fixed" days',
    key=["rule"],
    needs="events",
    small=True,
    nullable=("days", "share_back", "low", "high"),
    columns={
        "rule": ("string", "", '"own" or "fixed"'),
        "days": ("float64", "days", "median number of silent days after which the rule speaks of a loss"),
        "people": ("int64", "people", "people who have ever been active"),
        "lost": ("int64", "people", "of them lost by the rule"),
        "lost_before": ("int64", "people", "people who were lost by the rule 56 days ago"),
        "back": ("int64", "people", "of those, active since"),
        "share_back": ("float64", "share", "back over lost_before"),
        "low": ("float64", "share", "lower end of its 95 % interval"),
        "high": ("float64", "share", "upper end of its 95 % interval"),
    },
)


def rhythms(user_day: ibis.Table, *, last_day: date, limits: Mapping, blocks: ibis.Table | None = None) -> ibis.Table:
    """After how many silent days each person counts as lost by the own rhythm, and when that came about (contract `rhythms`).

    The limit is the shortest length that at least 95 % of the own silences do not exceed, and 7 days at least. Of people with
    fewer than 20 silences all are taken together; where those are fewer than 20 as well, the fixed rule serves. So of those who
    stay, too, one silence in twenty is called a loss, which the fixed rule hardly ever does.

    Args:
        user_day: The fact; days after `last_day` do not count.
        limits: The section `lifecycle` of the rules, for its `lost`.
        blocks: The same days as `segments.blocks` gives them, where they are at hand.
    """
    return _of_blocks(days.blocks(user_day, last_day=last_day) if blocks is None else blocks, last_day, limits)


def _of_blocks(blocks: ibis.Table, last_day: date, limits: Mapping) -> ibis.Table:
    """The silences that are no longer than any limit are only counted."""
    people = blocks.group_by("user_id").agg(
        first=blocks["first"].min(), last=blocks["last"].max(), silences=blocks.times.sum() - 1
    )
    silences = days.silences(blocks, longer=min(LEAST, limits["lost"]))
    known = silences.filter(silences.silence.notnull()).join(people.select("user_id", of="silences"), "user_id")
    people = people.left_join(_own(known), "user_id").drop("user_id_right").cross_join(_pool(people, known))
    limit = ibis.ifelse(people.silences < ENOUGH, people.pool, people.own.fill_null(LEAST))
    people = people.mutate(limit_days=ibis.greatest(ibis.coalesce(limit, limits["lost"]), LEAST).cast("int64"))
    met = known.join(people.select("user_id", "limit_days"), "user_id")
    ends = met.group_by("user_id").agg(
        own_end=met.begun.min(where=met.silence > met.limit_days), fixed_end=met.begun.min(where=met.silence > limits["lost"])
    )
    people = people.left_join(ends, "user_id").drop("user_id_right")
    silent = (last_day - days.EPOCH).days - people["last"]
    open_end = {OWN: silent > people.limit_days, FIXED: silent > limits["lost"]}
    ends = {rule: ibis.coalesce(people[f"{rule}_end"], ibis.ifelse(open_end[rule], people["last"], None)) for rule in RULES}
    return people.select(
        "user_id", first_active_day=days.day_of(people["first"]), last_active_day=days.day_of(people["last"]),
        silences=people.silences, limit_days=people.limit_days, pooled=people.silences < ENOUGH,
        **{f"{rule}_end": days.day_of(end) for rule, end in ends.items()},
    )  # fmt: skip


def losses(
    rhythms_now: ibis.Table, user_day: ibis.Table, *, last_day: date, limits: Mapping, blocks: ibis.Table | None = None
) -> pd.DataFrame:
    """Who is lost by either rule, and of those who were 56 days ago, who has come back since (contract `losses`).

    What was known then is counted as of then, rhythms too.

    Args:
        rhythms_now: Contract `rhythms`, at `last_day`.
        user_day: The fact.
        limits: The section `lifecycle` of the rules, for its `lost`.
        blocks: As for `rhythms`, up to `last_day`.
    """
    before = last_day - timedelta(days=LATER)
    now = rhythms_now.mutate(**_called(rhythms_now, last_day, limits))
    today = now.aggregate(people=now.count(), days=now.limit_days.quantile(0.5), **{rule: now[rule].sum() for rule in RULES})
    known = None if blocks is None else days.until(blocks, before)
    then = rhythms(user_day, last_day=before, limits=limits, blocks=known)
    then = then.join(now.select("user_id", seen="last_active_day"), "user_id")
    then = then.mutate(**_called(then, before, limits), is_back=then.seen > then.last_active_day)
    past = then.aggregate(
        **{f"{rule}_before": then[rule].sum() for rule in RULES},
        **{f"{rule}_back": (then[rule] & then.is_back).sum() for rule in RULES},
    )  # fmt: skip
    counts = today.cross_join(past).to_pandas().iloc[0]
    found = pd.DataFrame({"rule": RULES, "days": [float(counts["days"]), float(limits["lost"])]})
    wanted = {"people": ["people"] * 2, "lost": RULES, "lost_before": [f"{rule}_before" for rule in RULES],
              "back": [f"{rule}_back" for rule in RULES]}  # fmt: skip
    for name, sources in wanted.items():
        found[name] = [0 if pd.isna(counts[source]) else int(counts[source]) for source in sources]
    found["share_back"] = found["back"] / found["lost_before"].where(found["lost_before"] > 0)
    found["low"], found["high"] = stats.wilson(found["back"], found["lost_before"])
    return found[list(LOSSES.columns)]


def _called(people: ibis.Table, day: date, limits: Mapping) -> dict[str, ibis.BooleanValue]:
    """Who is lost on a day, by each rule."""
    silent = ibis.literal(day).epoch_days() - people.last_active_day.epoch_days()
    return {OWN: silent > people.limit_days, FIXED: silent > limits["lost"]}


def _own(known: ibis.Table) -> ibis.Table:
    """The 95 % quantile of the silences of people with enough of them, where it is one of those that are known.

    It is the longest one when as many longer ones are left out as a twentieth of all makes.
    """
    longest = ibis.window(group_by="user_id", order_by=ibis.desc("silence"))
    placed = known.filter(known["of"] >= ENOUGH).mutate(place=ibis.row_number().over(longest))
    found = placed.filter(placed.place * TWENTIETHS <= placed["of"], (placed.place + 1) * TWENTIETHS > placed["of"])
    return found.select("user_id", own="silence")


def _pool(people: ibis.Table, known: ibis.Table) -> ibis.Table:
    """One row: the 95 % quantile of all silences of people with few, or LEAST below that; empty where those are few as well."""
    few = known.filter(known["of"] < ENOUGH)
    counted = few.group_by("silence").agg(times=few.count())
    longer = counted.times.sum().over(ibis.window(order_by=ibis.desc("silence"), preceding=None, following=0)) - counted.times
    counted = counted.select("silence", "times", longer=longer)
    whole = people.aggregate(every=people.silences.sum(where=people.silences < ENOUGH).fill_null(0))
    met = whole.left_join(counted, counted.longer * TWENTIETHS <= whole.every)
    found = met.group_by("every").agg(last=met.silence.min(), above=(met.longer + met.times).max().fill_null(0))
    quantile = ibis.ifelse(found.above * TWENTIETHS <= found.every, LEAST, found["last"])
    return found.select(pool=ibis.ifelse(found.every >= ENOUGH, quantile, None))
