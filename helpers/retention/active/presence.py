"""Who came after how long an absence, day by day: the one small table that windows and growth accounting are sums of."""

from __future__ import annotations

from datetime import date

import ibis
import pandas as pd

from helpers import contracts
from helpers.retention.cohort.cube import ALL, UNKNOWN
from helpers.segments import days

FAR = 62  # days: who was away so long was away for a whole calendar month at least
NEVER = 0
NOBODYS = ibis.null("string")
PRESENCE_DAY = contracts.declare(
    "presence_day",
    grain="one row per slice, local day and gap between active days",
    key=["dimension", "slice", "day", "gap"],
    needs="events",
    small=True,
    columns={
        "dimension": ("string", "", '"all", or the attribute that slices'),
        "slice": ("string", "", "value of the attribute"),
        "day": ("date", "", "local day"),
        "gap": ("int64", "days", f"to another active day of theirs: 1 to {FAR - 1}, {FAR} for more, 0 where there is none"),
        "came": ("int64", "people", "active on the day, their last active day before it being so far back"),
        "went": ("int64", "people", "active on the day, their next active day up to the last day being so far ahead"),
    },
)


def presence_day(
    user_day: ibis.Table,
    slices: dict[str, ibis.Table] | None = None,
    *,
    last_day: date,
    blocks: ibis.Table | None = None,
) -> pd.DataFrame:
    """People by active day and the gaps before and after it, of all and by slice (contract `presence_day`), in one pass.

    The sum of `came` over the gaps of a day is its number of active people, and so is that of `went`.

    Args:
        user_day: Contract `user_day`; rows after `last_day` change nothing.
        slices: For each attribute a table of `user_id` and the attribute's `value`, one row a user; users it lacks are "unknown".
        blocks: The same days as `segments.blocks` gives them, where they are at hand.
    """
    blocks = days.blocks(user_day, last_day=last_day) if blocks is None else blocks
    if not slices:
        with _exact(blocks.mutate(mix=ibis.literal(0))).cache() as exact:
            found = _rolled(_both_ways(exact), ALL, ibis.literal(ALL)).to_pandas()
    else:
        with _mixed(slices).cache() as people, _known(blocks, people).cache() as exact:
            found = _sliced(_both_ways(exact), people, list(slices)).to_pandas()
    found["day"] = pd.to_datetime(found["day"], unit="D").astype("datetime64[us]")
    found = found.astype({"gap": "int64", "came": "int64", "went": "int64"})
    found = found[(found["came"] > 0) | (found["went"] > 0)]
    return found.sort_values(list(PRESENCE_DAY.key), ignore_index=True)


def slices_of(presence: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """What can be chosen from: everybody, then each slice, by a name to read, as (dimension, slice)."""
    pairs = presence[["dimension", "slice"]].drop_duplicates().itertuples(index=False, name=None)
    known = sorted(pairs, key=lambda pair: (pair[0] != ALL, pair))
    return {name if name == ALL else f"{name}: {value}": (name, value) for name, value in known}


def _known(blocks: ibis.Table, people: ibis.Table) -> ibis.Table:
    """Counted once for all mixes of the attributes' values, which are few."""
    known = blocks.left_join(people.select("user_id", "mix"), "user_id").drop("user_id_right")
    return _exact(known.mutate(mix=known.mix.fill_null(-1)))


def _sliced(counted: ibis.Table, people: ibis.Table, names: list[str]) -> ibis.Table:
    """Summed by each attribute."""
    told = counted.left_join(people.select("mix", *map(_at, names)).distinct(), "mix").drop("mix_right")
    parts = [_rolled(told, name, told[_at(name)].fill_null(UNKNOWN)) for name in names]
    return ibis.union(_rolled(told, ALL, ibis.literal(ALL)), *parts)


def _at(dimension: str) -> str:
    return f"slice_{dimension}"


def _mixed(slices: dict[str, ibis.Table]) -> ibis.Table:
    """One row a user with the value of each attribute, and the number of the mix of them (`mix`)."""
    parts = [
        table.select("user_id", **{_at(name): table.value.cast("string") if name == own else NOBODYS for name in slices})
        for own, table in slices.items()
    ]
    stacked = ibis.union(*parts) if len(parts) > 1 else parts[0]
    wide = stacked.group_by("user_id").agg(**{_at(name): stacked[_at(name)].max().fill_null(UNKNOWN) for name in slices})
    return wide.mutate(mix=ibis.dense_rank().over(order_by=[_at(name) for name in slices]).cast("int64"))


def _exact(blocks: ibis.Table) -> ibis.Table:
    """People by day, days since the active day before (empty where there is none) and mix.

    Weeks in which people came on the same days, after the same absence, are counted together before they fall into days.
    """
    weeks = days.weeks(blocks)
    earlier, begins = weeks.bits & (days.bit(weeks["at"]) - 1), weeks.begins + weeks["at"]
    before = ibis.ifelse(earlier > 0, weeks.begins + days.highest(earlier), weeks.before)
    weeks = weeks.select("came", "mix", begins=begins, away=begins - before)
    alike = weeks.group_by(["begins", "came", "away", "mix"]).agg(people=weeks.count())
    each = days.each(alike)
    earlier = each.came & (days.bit(each.nth) - 1)
    since = ibis.ifelse(earlier > 0, each.nth - days.highest(earlier), each.nth + each.away)
    dated = each.select("mix", "people", day=(each.begins + each.nth).cast("int32"), since=since.cast("int32"))
    return dated.group_by(["day", "since", "mix"]).agg(people=dated.people.sum())


def _both_ways(exact: ibis.Table) -> ibis.Table:
    """The same by gap, also as seen from the day before: whoever came after a gap went for it then, and all others for good."""
    nobody = ibis.literal(0, "int64")
    gap = ibis.ifelse(exact.since > FAR, FAR, exact.since).fill_null(NEVER).cast("int32")
    named = exact.select("day", "mix", "since", "people", gap=gap, never=ibis.literal(NEVER, "int32"))
    back = named.filter(named.since.notnull())
    then = (back.day - back.since).cast("int32")
    return ibis.union(
        named.select("day", "mix", "gap", came="people", went=nobody),
        back.select("mix", "gap", day=then, came=nobody, went="people").select("day", "mix", "gap", "came", "went"),
        named.select("day", "mix", gap="never", came=nobody, went="people"),
        back.select("mix", gap="never", day=then, came=nobody, went=-back.people).select("day", "mix", "gap", "came", "went"),
    )


def _rolled(counted: ibis.Table, dimension: str, value: ibis.Value) -> ibis.Table:
    named = counted.select("day", "gap", "came", "went", dimension=ibis.literal(dimension), slice=value)
    key = ["dimension", "slice", "day", "gap"]
    return named.group_by(key).agg(came=named.came.sum().cast("int64"), went=named.went.sum().cast("int64"))
