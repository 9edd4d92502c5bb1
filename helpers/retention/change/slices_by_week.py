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
from helpers.retention.change.user_weeks import UserWeeks, monday
from helpers.segments import days

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


def _joined(first_seen: ibis.Table, last_day: date) -> ibis.Table:
    """Everybody who was active by then, with the Monday of the first active week as a number of days."""
    known = first_seen.filter((first_seen.first_active_day <= last_day).fill_null(False))
    return known.select("user_id", joined=monday(known.first_active_day))


def slice_weeks(
    first_seen: ibis.Table, user_weeks: UserWeeks, slices: Mapping[str, ibis.Table] | None = None, *, last_day: date
) -> pd.DataFrame:
    """Every slice week by week (contract `slice_weeks`), weeks without anybody included.

    Args:
        first_seen: The fact; who came after `last_day` changes nothing.
        user_weeks: As the function of this name gives them, up to `last_day` or a later Sunday.
        slices: As for `cohort_cube`.
        last_day: A Sunday.
    """
    joined = _joined(first_seen, last_day)
    with _alike(user_weeks, joined, slices or {}, last_day).cache() as alike:
        begun = alike.week.min().to_pyarrow().as_py()
        sums = _typed(_sums(alike, list(slices or {}), begun).to_pandas())
    joined = joined.mutate(week=joined.joined)
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


def _by_tenure(table: ibis.Table, begun: int | None) -> ibis.Table:
    """The rows of the table, sliced by weeks since the first."""
    old = table.week - table.joined
    names = [((old >= least * WEEK).fill_null(False), name) for name, least in reversed(TENURES.items())]
    if begun is not None:
        names.insert(0, (((table.joined == begun) & (old >= 0)).fill_null(False), EARLIER))
    return table.mutate(dimension=ibis.literal(TENURE), slice=ibis.cases(*names, else_=NEVER))


def _alike(user_weeks: UserWeeks, joined: ibis.Table, slices: Mapping[str, ibis.Table], last_day: date) -> ibis.Table:
    """Sums over people who are alike: by `week`, `joined` and all attributes at once."""
    names = [_at(name) for name in slices]
    weeks = days.weeks(_told(user_weeks.blocks.select("user_id", "begins", "bits"), joined, slices))
    active = weeks.select("joined", *names, week=weeks.begins + weeks["at"])
    active = active.group_by(["week", "joined", *names]).agg(active=active.count())
    deeds = _told(user_weeks.deeds, joined, slices)
    amount = deeds.net.cast("float64").clip(-LARGEST, LARGEST).cast(AMOUNT)
    dealt = deeds.group_by(["week", "joined", *names]).agg(
        dealt=(deeds.dealt & ~deeds.active).sum(), net=deeds.net.sum(), net_squares=(amount.cast(WIDER) * amount).sum()
    )
    types = {name: dealt[name].type() for name in ("net", "net_squares")}
    nothing = {name: ibis.literal(0).cast(dtype) for name, dtype in types.items()}
    key, none = ["week", "joined", *names], ibis.literal(0, "int64")
    found = ibis.union(
        active.select(*key, "active", present="active", **nothing),
        dealt.select(*key, active=none, present=dealt.dealt, **{name: dealt[name] for name in types}),
    )
    return found.filter(found.week <= (last_day - days.EPOCH).days)


def _told(table: ibis.Table, joined: ibis.Table, slices: Mapping[str, ibis.Table]) -> ibis.Table:
    """Rows with `joined` of their user, empty where unknown, and a column for each attribute."""
    table = table.left_join(joined, "user_id").drop("user_id_right")
    for name, values in slices.items():
        table = table.left_join(values.select("user_id", **{_at(name): values.value.cast("string")}), "user_id")
        table = table.drop("user_id_right").mutate(**{_at(name): ibis._[_at(name)].fill_null("unknown")})
    return table


def _at(dimension: str) -> str:
    return f"slice_{dimension}"


def _sums(alike: ibis.Table, names: list[str], begun: int | None) -> ibis.Table:
    back = ibis.ifelse((alike.week - alike.joined == WEEK).fill_null(False), alike.active, 0)
    told = {name: alike.mutate(returned=back, dimension=ibis.literal(name), slice=alike[_at(name)]) for name in names}
    whole = alike.mutate(returned=back, dimension=ibis.literal("all"), slice=ibis.literal("all"))
    tables = [whole, *told.values(), _by_tenure(alike, begun).mutate(returned=ibis.literal(0, "int64"))]
    counts = ("returned", "active", "present")
    weeks = ibis.union(*(own.select(*SLICE_WEEKS.key, *counts, "net", "net_squares") for own in tables))
    return weeks.group_by(list(SLICE_WEEKS.key)).agg(
        **{name: weeks[name].sum() for name in counts}, net=weeks.net.sum(), net_squares=weeks.net_squares.sum().cast("float64")
    )


def _counted(*tables: ibis.Table) -> ibis.Table:
    joined = ibis.union(*tables)
    return joined.group_by(list(SLICE_WEEKS.key)).agg(joined=joined.count())


def _typed(found: pd.DataFrame) -> pd.DataFrame:
    """With keys that can be joined, also where there are none."""
    return found.astype({"dimension": object, "slice": object}).assign(week=pd.to_datetime(found["week"], unit="D"))


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
    first_seen: ibis.Table, user_weeks: UserWeeks, slices: Mapping[str, ibis.Table] | None = None, *, last_day: date
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


def _people(first_seen: ibis.Table, user_weeks: UserWeeks, last_day: date) -> ibis.Table:
    """One row a person who is known or was present: the four numbers of each metric and base."""
    now = (last_day - days.EPOCH).days - last_day.weekday()
    done = ibis.union(_came(user_weeks.blocks, now), _dealt(user_weeks.deeds, now))
    done = done.group_by("user_id").agg(**{name: done[name].sum() for name in done.columns if name != "user_id"})
    joined = _joined(first_seen, last_day)
    old = ((now - joined.joined) / WEEK).floor()
    known = joined.select("user_id", **{"known now": ibis.literal(1, "int64")} | {
        f"known {base}": ibis.least(old, most).cast("int64") for base, most in BASES.items()
    })  # fmt: skip
    met = known.outer_join(done, "user_id")
    types = {name: AMOUNT if name.startswith("net") else "int64" for name in met.columns if not name.startswith("user_id")}
    told = {name: met[name].fill_null(0).cast(dtype) for name, dtype in types.items()}
    return met.select(user_id=ibis.coalesce(met.user_id, met.user_id_right), **told)


def _spans(week: ibis.Value, now: int) -> dict[str, ibis.BooleanValue]:
    """Whether a week is the last one, or belongs to a base."""
    return {"now": week == now, **{base: week.between(now - WEEK * most, now - WEEK) for base, most in BASES.items()}}


def _came(blocks: ibis.Table, now: int) -> ibis.Table:
    """The active weeks of each user and block in each span."""
    own = blocks.filter(blocks.begins > now - WEEK * PAST - days.BLOCK)
    counts = dict.fromkeys(("now", *BASES), ibis.literal(0, "int64"))
    for at in range(0, days.BLOCK, WEEK):
        came = (own.bits >> at) & (2**WEEK - 1) > 0
        counts = {span: counts[span] + (came & held).cast("int64") for span, held in _spans(own.begins + at, now).items()}
    told = {f"{name} {span}": number for name in ("active", "present") for span, number in counts.items()}
    return own.select("user_id", **told, **{f"net {span}": ibis.literal(0).cast(AMOUNT) for span in counts})


def _dealt(deeds: ibis.Table, now: int) -> ibis.Table:
    """Weeks in which there was a payment, refund or amount and no activity, and all amounts."""
    amount = deeds.net.cast("float64").clip(-LARGEST, LARGEST).cast(AMOUNT)
    spans, nothing = _spans(deeds.week, now), ibis.literal(0).cast(AMOUNT)
    active = {f"active {span}": ibis.literal(0, "int64") for span in spans}
    present = {f"present {span}": (deeds.dealt & ~deeds.active & held).cast("int64") for span, held in spans.items()}
    net = {f"net {span}": ibis.ifelse(held, amount, nothing) for span, held in spans.items()}
    return deeds.select("user_id", **active, **present, **net)
