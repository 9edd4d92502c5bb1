"""Active days as bits: a row a person and eight weeks, so that what follows from who came when need not read every day again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date

import ibis
import numpy as np
import pandas as pd

EPOCH = date(1970, 1, 1)
WEEK, PERIODS = 7, 60
BLOCK = 56  # days; a whole number holds them, and weeks, spans of four weeks and this many days before the end begin with one
HALF, NEAR = 28, 1e-9  # the logarithm of a number of so many bits, and this much, stays below that of the next power of two


def blocks(user_day: ibis.Table, *, last_day: date) -> ibis.Table:
    """Everybody's active days up to `last_day`, in blocks of 56 days that are counted back from it.

    Returns:
        One row per user and block with an active day: `user_id`; `block` (0 ends with `last_day`); `begins` (its first day);
        `bits` (its active days, the lowest one being its first day); `times` (how many); `first` and `last` of them; and of the
        other blocks `before` (the active day before `first`) and `after` (the one after `last`), empty where there is none. All
        days are numbers since 1970.
    """
    active = user_day.filter(user_day.active > 0, user_day.day <= last_day)
    day, end = active.day.epoch_days().cast("int64"), (last_day - EPOCH).days
    rows = active.select("user_id", day=day, block=((end - day) / BLOCK).floor().cast("int64"))
    found = rows.group_by(["user_id", "block"]).agg(
        bits=bit(rows.day - begin(rows.block, end)).sum(), times=rows.count(), first=rows.day.min(), last=rows.day.max()
    )
    own = ibis.window(group_by="user_id", order_by=ibis.desc("block"))
    beside = {"before": found["last"].lag().over(own), "after": found["first"].lead().over(own)}
    return found.mutate(begins=begin(found.block, end), **beside)


def begin(block: ibis.Value, end: int) -> ibis.Value:
    """The first day of a block, the last of them ending with the day `end`."""
    return end - BLOCK + 1 - BLOCK * block


def parts(most: int, end: int, periods: Callable[[pd.DatetimeIndex], np.ndarray]) -> pd.DataFrame:
    """Which days of each block belong to which period.

    Args:
        most: The largest number of a block.
        end: The first day of block 0, as a number since 1970.
        periods: The numbers of the periods of some days; those of the data are 0 to 60.

    Returns:
        One row a `block`: for each period that meets it, `bit_0`, `bit_1` and so on with the bit of the period's number and
        `mask_0`, ... with the bits of its days; 0 where a block meets fewer.
    """
    rows = []
    for block in range(most + 1):
        dates = pd.to_datetime(np.arange(BLOCK) + end - BLOCK * block, unit="D")
        masks: dict[int, int] = {}
        for place, number in enumerate(periods(dates)):
            masks[int(number)] = masks.get(int(number), 0) | 1 << place
        known = {number: mask for number, mask in masks.items() if 0 <= number <= PERIODS}
        told = {f"bit_{nth}": 1 << number for nth, number in enumerate(known)}
        rows.append({"block": block} | told | {f"mask_{nth}": mask for nth, mask in enumerate(known.values())})
    return pd.DataFrame(rows).fillna(0).astype("int64")


def until(blocks: ibis.Table, last_day: date) -> ibis.Table:
    """The same as of an earlier day, so many whole blocks before their own."""
    end = (last_day - EPOCH).days
    known = blocks.filter(blocks["last"] <= end)
    return known.mutate(after=ibis.ifelse(known.after <= end, known.after, ibis.null("int64")))


def silences(blocks: ibis.Table, *, longer: int) -> ibis.Table:
    """Silences of more days than so many, at most 54: `user_id`, `begun` (the active day before it) and `silence` (days).

    Of everybody there is the one at the end besides, whose days are empty, since nobody knows how many they will be.
    """
    width = longer + 1  # two such silences begin further apart
    alone = blocks.bits - (blocks.bits & _soon(blocks.bits, width)) - bit(blocks["last"] - blocks.begins)
    inside = blocks.select("user_id", "begins", "bits", alone=alone).filter(ibis._.alone > 0)
    inside = inside.mutate(at=places(range(0, BLOCK, width)))
    inside = inside.mutate(own=(inside.alone >> inside["at"]) & (2**width - 1)).filter(ibis._.own > 0)
    inside = inside.mutate(place=inside["at"] + lowest(inside.own))
    silence = lowest(inside.bits >> (inside.place + 1).cast("int32"))
    across = blocks.select("user_id", begun="last", silence=blocks.after - blocks["last"] - 1)
    return ibis.union(
        inside.select("user_id", begun=inside.begins + inside.place, silence=silence),
        across.filter((across.silence > longer) | across.silence.isnull()),
    )


def bit(place: ibis.Value) -> ibis.Value:
    """The bit at a place of a block; from above, since engines take a plain 1 for a short number."""
    return ibis.literal(2**BLOCK, "int64") >> (BLOCK - place).cast("int32")


def weeks(blocks: ibis.Table) -> ibis.Table:
    """Each seven days of a block with an active one among them: `at` is the place of their first day, `came` are their bits."""
    rows = blocks.mutate(at=places(range(0, BLOCK, WEEK)))
    rows = rows.mutate(came=(rows.bits >> rows["at"]) & (2**WEEK - 1))
    return rows.filter(rows.came > 0)


def each(weeks: ibis.Table) -> ibis.Table:
    """Each active day of some seven days by their bits `came`: `nth` is its place among them."""
    rows = weeks.mutate(nth=places(range(WEEK)))
    return rows.filter((rows.came >> rows.nth) & 1 == 1)


def places(numbers: Iterable[int]) -> ibis.Value:
    """One row for each of some places of bits."""
    return ibis.array([ibis.literal(number, "int32") for number in numbers]).unnest()


def lowest(bits: ibis.Value) -> ibis.Value:
    """The place of the lowest of some bits, of which there is one at least."""
    return _log2(bits & -bits)


def highest(bits: ibis.Value) -> ibis.Value:
    """The place of the highest of some bits, of which there is one at least, within a block."""
    return ibis.ifelse(bits < 2**HALF, _log2(bits), HALF + _log2(bits >> HALF))


def day_of(number: ibis.Value) -> ibis.Value:
    """The day of a number; through a time, since that is what an engine makes of a date and an interval."""
    return (ibis.literal(EPOCH).cast("timestamp") + number.as_interval("D")).cast("date")


def _soon(bits: ibis.Value, days: int) -> ibis.Value:
    """The days with an active one among so many days after them."""
    later, reach = bits >> 1, 1
    while reach < days:
        step = min(reach, days - reach)
        later, reach = later | (later >> step), reach + step
    return later


def _log2(bits: ibis.Value) -> ibis.Value:
    return (bits.cast("float64").log2() + NEAR).floor().cast("int64")
