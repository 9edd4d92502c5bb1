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

ENOUGH = 20  # silences; of fewer the 95 % quantile is the longest one
NINETEEN, TWENTIETHS = 19, 20  # 95 % in whole numbers, so that no rounding decides
LEAST = 7  # days; a shorter silence is no loss for anybody, since people have weekly habits
LATER = 56  # days in which a loss can turn out to be none
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


def rhythms(user_day: ibis.Table, *, last_day: date, limits: Mapping) -> ibis.Table:
    """After how many silent days each person counts as lost by the own rhythm, and when that came about (contract `rhythms`).

    The limit is the shortest length that at least 95 % of the own silences do not exceed, and 7 days at least. Of people with
    fewer than 20 silences all are taken together; where those are fewer than 20 as well, the fixed rule serves. So of those who
    stay, too, one silence in twenty is called a loss, which the fixed rule hardly ever does.

    Args:
        user_day: The fact; days after `last_day` do not count.
        limits: The section `lifecycle` of the rules, for its `lost`.
    """
    lengths = _lengths(user_day.filter(user_day.active > 0, user_day.day <= last_day))
    lengths = lengths.cross_join(_pool(lengths))
    limit = ibis.coalesce(ibis.ifelse(lengths.of < ENOUGH, lengths.pool, lengths.own), limits["lost"])
    lengths = lengths.mutate(allowed=ibis.greatest(limit, LEAST).cast("int64"))
    people = lengths.group_by("user_id").agg(
        first_active_day=lengths.first.min(),
        last_active_day=lengths.last.max(),
        silences=lengths.of.max(),
        limit_days=lengths.allowed.max(),
        own_end=lengths.begun.min(where=lengths.silence > lengths.allowed),
        fixed_end=lengths.begun.min(where=lengths.silence > limits["lost"]),
    )
    open_end = {rule: is_lost.ifelse(people.last_active_day, None) for rule, is_lost in _called(people, last_day, limits).items()}
    return people.select(
        "user_id", "first_active_day", "last_active_day", "silences", "limit_days", pooled=people.silences < ENOUGH,
        **{f"{rule}_end": ibis.coalesce(people[f"{rule}_end"], open_end[rule]) for rule in RULES},
    )  # fmt: skip


def losses(rhythms_now: ibis.Table, user_day: ibis.Table, *, last_day: date, limits: Mapping) -> pd.DataFrame:
    """Who is lost by either rule, and of those who were 56 days ago, who has come back since (contract `losses`).

    What was known then is counted as of then, rhythms too.

    Args:
        rhythms_now: Contract `rhythms`, at `last_day`.
        user_day: The fact.
        limits: The section `lifecycle` of the rules, for its `lost`.
    """
    before = last_day - timedelta(days=LATER)
    now = rhythms_now.mutate(**_called(rhythms_now, last_day, limits))
    today = now.aggregate(people=now.count(), days=now.limit_days.quantile(0.5), **{rule: now[rule].sum() for rule in RULES})
    then = rhythms(user_day, last_day=before, limits=limits)
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


def _lengths(active: ibis.Table) -> ibis.Table:
    """Of each user and length of silence: when it began first (`begun`), how often it was (`times`), and of all the user's
    silences how many there are (`of`) and their 95 % quantile (`own`).

    Before the first active day there is no silence: its row has no length and counts 0 times.
    """
    before = active.day.lag().over(ibis.window(group_by="user_id", order_by="day"))
    days = active.select("user_id", "day", before=before, silence=active.day.epoch_days() - before.epoch_days() - 1)
    each = days.group_by("user_id", "silence").agg(
        times=days.silence.count(), begun=days.before.min(), first=days.day.min(), last=days.day.max()
    )
    whole = ibis.window(group_by="user_id")
    rising = ibis.window(group_by="user_id", order_by="silence", preceding=None, following=0)
    each = each.mutate(of=each.times.sum().over(whole).cast("int64"), upto=each.times.sum().over(rising))
    reached = ibis.ifelse(_reaches(each.upto, each.of), each.silence, None)
    return each.mutate(own=reached.min().over(whole))


def _pool(lengths: ibis.Table) -> ibis.Table:
    """One row: the 95 % quantile of all silences of people with few, empty where those are few as well."""
    few = lengths.filter(lengths.of < ENOUGH, lengths.silence.notnull())
    counted = few.group_by("silence").agg(times=few.times.sum())
    rising = ibis.window(order_by="silence", preceding=None, following=0)
    counted = counted.mutate(of=counted.times.sum().over(ibis.window()), upto=counted.times.sum().over(rising))
    return counted.aggregate(pool=counted.silence.min(where=_reaches(counted.upto, counted.of) & (counted.of >= ENOUGH)))


def _reaches(upto: ibis.Value, of: ibis.Value) -> ibis.BooleanValue:
    """Whether so many of all are 95 % of them."""
    return (upto > 0) & (upto * TWENTIETHS >= of * NINETEEN)
