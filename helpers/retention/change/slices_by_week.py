"""What two spans are compared by: each slice week by week, and how far its people moved between them.

Slices are as the cube has them, one value a person; besides, `tenure` is how long ago a person came first, which changes as the
weeks go by.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations_with_replacement

import ibis
import pandas as pd

from helpers import contracts

WEEK = 7
PAST = 13  # weeks before, whose mean is compared with
TENURES = {"first week": 0, "weeks 2 to 4": 1, "weeks 5 to 12": 4, "after week 12": 12}  # from so many weeks after the first
EARLIER = "from the beginning"  # those of the data's first week, of whom nobody knows how long they have been there
NEVER = "never active yet"
TENURE = "tenure"
LARGEST = 10.0**12  # amounts beyond it are mistakes, whose squares no decimal holds: they vary as this one does
# Their product keeps all digits: of two of 18 digits DuckDB 1.5 keeps 18, of two of 19 Spark 4.0 keeps 7 after the point.
AMOUNT, WIDER = "decimal(18, 4)", "decimal(19, 4)"
SLICE_WEEKS = contracts.declare(
    "slice_weeks",
    grain="one row per slice and ISO week",
    key=["dimension", "slice", "week"],
    needs="events",
    small=True,
    columns={
        "dimension": ("string", "", '"all", "tenure" (how long ago they came first), or the attribute that slices'),
        "slice": ("string", "", "value of the attribute"),
        "week": ("date", "", "Monday"),
        "known": ("int64", "people", "active in the week or before"),
        "joined": ("int64", "people", "active for the first time ever"),
        "returned": ("int64", "people", "of those who joined in the week before, active in this one"),
        "active": ("int64", "people", "active in the week"),
        "present": ("int64", "people", "active in the week, or with a payment or refund"),
        "net": ("decimal", "currency", "net amount"),
        "net_squares": ("float64", "currency squared", "sum over people of the squared net amount"),
    },
)
COUNTS = ("known", "joined", "returned", "active", "present")
BASES = {"week_before": 1, "past_mean": PAST}  # weeks before that one is compared with
TOTALS = {"weekly_actives": ("known", "active"), "net_amount": ("present", "net")}  # of so many people, so much
CORNERS = tuple(combinations_with_replacement(range(4), 2))  # of a symmetric 4 x 4 table


def user_weeks(first_seen: ibis.Table, user_day: ibis.Table) -> ibis.Table:
    """What each user did in each week: one row where there was anything, from which totals, slices and steps follow.

    Args:
        first_seen, user_day: The facts, up to the end of a week.

    Returns:
        `user_id`, `week` (Monday), `joined` (Monday of the first active week, empty where there is none), `active`, `present`
        (0 or 1: active, or with a payment or refund), `created` (contents), `pays` (payments) and `net` (decimal).
    """
    days = user_day
    active = (days.active > 0).any()
    found = days.group_by(["user_id", _monday(days.day).name("week")]).agg(
        active=active.cast("int64"),
        present=(active | ((days.pay > 0) | (days.refund > 0) | (days.net != 0)).any()).cast("int64"),
        created=days.create.sum().cast("int64"),
        pays=days.pay.sum().cast("int64"),
        net=days.net.sum(),
    )
    joined = first_seen.select("user_id", joined=_monday(first_seen.first_active_day))
    return found.left_join(joined, "user_id").drop("user_id_right")


def _joined(first_seen: ibis.Table, last_day: date) -> ibis.Table:
    known = first_seen.filter((first_seen.first_active_day <= last_day).fill_null(False))
    return known.select("user_id", joined=_monday(known.first_active_day))


def _monday(day: ibis.Value) -> ibis.Value:
    """The Monday of a day's week."""
    return day.truncate("W").cast("timestamp").cast("date")  # since ibis 12.0 a truncated date is a time on Spark, unsaid


def slice_weeks(
    first_seen: ibis.Table, user_weeks: ibis.Table, slices: Mapping[str, ibis.Table] | None = None, *, last_day: date
) -> pd.DataFrame:
    """Every slice week by week (contract `slice_weeks`), weeks without anybody included.

    Args:
        first_seen: The fact; who came after `last_day` changes nothing.
        user_weeks: As the function of this name gives them; weeks after `last_day` change nothing.
        slices: As for `cohort_cube`.
        last_day: A Sunday.
    """
    joined = _joined(first_seen, last_day).mutate(week=ibis._.joined)
    weeks = user_weeks.filter(user_weeks.week <= last_day)
    weeks = weeks.mutate(joined=ibis.ifelse(weeks.joined <= last_day, weeks.joined, ibis.null("date")))
    begun = weeks.week.min().to_pandas()
    sums = _sums(_sliced(weeks, slices), _by_tenure(weeks, begun))
    came = _typed(_counted(_sliced(joined, slices), _by_tenure(joined, begun)).to_pandas())
    parts = sums.merge(came, on=list(SLICE_WEEKS.key), how="outer")
    every = [_every_week(part, last_day) for _, part in parts.groupby("dimension")]
    found = pd.concat(every, ignore_index=True) if every else parts.assign(known=0)
    return found[list(SLICE_WEEKS.columns)].sort_values(list(SLICE_WEEKS.key), ignore_index=True)


def _sliced(table: ibis.Table, slices: Mapping[str, ibis.Table] | None) -> ibis.Table:
    """The rows of the table once a dimension, with `dimension` and the `slice` of each user."""
    parts = [table.mutate(dimension=ibis.literal("all"), slice=ibis.literal("all"))]
    for dimension, values in (slices or {}).items():
        own = table.left_join(values.select("user_id", slice=values.value.cast("string")), "user_id").drop("user_id_right")
        found = own.mutate(dimension=ibis.literal(dimension), slice=ibis.coalesce(own.slice, "unknown"))
        parts.append(found.select(parts[0].columns))
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def _by_tenure(table: ibis.Table, begun: date | None) -> ibis.Table:
    """The rows of the table, sliced by weeks since the first."""
    old = (table.week.epoch_days() - table.joined.epoch_days()) // WEEK
    names = [((old >= least).fill_null(False), name) for name, least in reversed(TENURES.items())]
    if not pd.isna(begun):
        names.insert(0, (((table.joined == begun) & (old >= 0)).fill_null(False), EARLIER))
    return table.mutate(dimension=ibis.literal(TENURE), slice=ibis.cases(*names, else_=NEVER))


def _sums(*tables: ibis.Table) -> pd.DataFrame:
    weeks = ibis.union(*tables)
    amount = weeks.net.cast("float64").clip(-LARGEST, LARGEST).cast(AMOUNT)
    again = (weeks.active > 0) & ((weeks.week.epoch_days() - weeks.joined.epoch_days()) == WEEK).fill_null(False)
    found = weeks.group_by(list(SLICE_WEEKS.key)).agg(
        returned=(again & (weeks.dimension != TENURE)).sum(), active=weeks.active.sum(), present=weeks.present.sum(),
        net=weeks.net.sum(), net_squares=(amount.cast(WIDER) * amount).sum().cast("float64"),
    )  # fmt: skip
    return _typed(found.to_pandas())


def _counted(*tables: ibis.Table) -> ibis.Table:
    joined = ibis.union(*tables)
    return joined.group_by(list(SLICE_WEEKS.key)).agg(joined=joined.count())


def _typed(found: pd.DataFrame) -> pd.DataFrame:
    """With keys that can be joined, also where there are none."""
    return found.astype({"dimension": object, "slice": object}).assign(week=pd.to_datetime(found["week"]))


def _every_week(part: pd.DataFrame, last_day: date) -> pd.DataFrame:
    """One row a slice and week from the dimension's first to the last, what is missing being nothing."""
    last = pd.Timestamp(last_day - timedelta(days=last_day.weekday()))
    dimension, every = part["dimension"].iloc[0], pd.date_range(part["week"].min(), last, freq="7D")
    slices = {*part["slice"], *((EARLIER, *TENURES) if dimension == TENURE else ())}
    index = pd.MultiIndex.from_product([sorted(slices), every], names=["slice", "week"])
    full = part.drop(columns="dimension").set_index(["slice", "week"]).reindex(index)
    full["net"] = full["net"].astype(object).where(full["net"].notna(), Decimal(0))
    full = full.fillna(0).reset_index().assign(dimension=dimension)
    known = _tenured(full) if dimension == TENURE else full.groupby("slice")["joined"].cumsum()
    return full.assign(known=known).astype(dict.fromkeys(COUNTS, "int64") | {"net_squares": "float64"})


def _tenured(full: pd.DataFrame) -> pd.Series:
    """People known in each week, of the tenure of the row."""
    everyone = full[full["slice"] != EARLIER].groupby("week")["joined"].sum()
    ends = [*list(TENURES.values())[1:], len(everyone)]
    total, found = everyone.cumsum(), full.groupby("slice")["joined"].cumsum().where(full["slice"] == EARLIER, 0)
    for (name, least), end in zip(TENURES.items(), ends, strict=True):
        now = total.shift(least, fill_value=0) - total.shift(max(end, least), fill_value=0)
        own = full["slice"] == name
        found[own] = full.loc[own, "week"].map(now).astype("int64")
    return found


def steps(
    first_seen: ibis.Table, user_weeks: ibis.Table, slices: Mapping[str, ibis.Table] | None = None, *, last_day: date
) -> pd.DataFrame:
    """How far the people of each slice moved from the weeks before to the last: sums over people of products of what they had.

    Each person has four numbers: people and amount of the weeks before (summed), people and amount now. For actives these are
    whether the person was known and whether active, for the net amount whether present and how much. A person that did the same
    as before adds nothing to what a change can be off by.

    Args:
        first_seen, user_weeks, slices, last_day: As for `slice_weeks`.

    Returns:
        One row per `dimension` and `slice`, and for each metric and base a column for each pair of the four,
        `weekly_actives week_before 0 3` (float64). Tenures are left out: people move between them.
    """
    people = _people(first_seen, user_weeks, last_day).cache()
    products = {
        f"{metric} {base} {one} {other}": (_wider(four[one]) * ibis._[four[other]]).sum().cast("float64")
        for metric, (size, amount) in TOTALS.items() for base in BASES
        for four in [[f"{size} {base}", f"{amount} {base}", f"{size} now", f"{amount} now"]]
        for one, other in CORNERS
    }  # fmt: skip
    found = _sliced(people, slices).group_by(["dimension", "slice"]).agg(**products).to_pandas()
    return found.sort_values(["dimension", "slice"], ignore_index=True)


def _wider(name: str) -> ibis.Deferred:
    """A number by which another can be multiplied."""
    return ibis._[name].cast(WIDER) if name.startswith("net") else ibis._[name]


def _people(first_seen: ibis.Table, user_weeks: ibis.Table, last_day: date) -> ibis.Table:
    """One row a person who is known or was present: the four numbers of each metric and base."""
    monday = last_day - timedelta(days=last_day.weekday())
    weeks = user_weeks.filter(user_weeks.week >= monday - timedelta(days=WEEK * PAST), user_weeks.week <= monday)
    amount = weeks.net.cast("float64").clip(-LARGEST, LARGEST).cast(AMOUNT)
    given = {"active": weeks.active, "present": weeks.present, "net": amount}
    back = (ibis.literal(monday).epoch_days() - weeks.week.epoch_days()) // WEEK
    when = {"now": back == 0, "week_before": back == 1, "past_mean": back >= 1}
    types = dict.fromkeys(given, "int64") | {"net": AMOUNT}
    sums = {f"{name} {span}": values.sum(where=held).fill_null(0).cast(types[name])
            for name, values in given.items() for span, held in when.items()}  # fmt: skip
    done = weeks.group_by("user_id").agg(**sums)
    joined = _joined(first_seen, last_day)
    old = (ibis.literal(monday).epoch_days() - joined.joined.epoch_days()) // WEEK
    known = joined.select("user_id", **{"known now": ibis.literal(1, "int64")} | {
        f"known {base}": ibis.least(old, most).cast("int64") for base, most in BASES.items()
    })  # fmt: skip
    met = known.outer_join(done, "user_id")
    named = [*(f"known {span}" for span in when), *sums]
    return met.select(user_id=ibis.coalesce(met.user_id, met.user_id_right), **{name: met[name].fill_null(0) for name in named})
