"""Moves: who went from which tier to which in each of the last weeks, with what money, and why.

The tiers of a week before are what the same function gives for its end, so that a move is a fact; what has changed of the
person's measures is its reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import ibis
import pandas as pd

from helpers.segments import reasons, spans
from helpers.segments.likelihood import PayModel, pay_models
from helpers.segments.pay_windows import SUMS, Keep
from helpers.segments.tables import DIMENSIONS, MOVES, ORDERED, OUTSIDE, TIER_WEEKS, TIERS
from helpers.segments.tiers import WEEK, instants, panel

WEEKS = 13
PLACES = tuple(dict.fromkeys(tier for dimension in DIMENSIONS for tier in TIERS[dimension]))
MOST_ROWS = 1_000_000  # people times instants that are held at a time
COUNTS = (*SUMS, "active", "pay", "dwell_s")
AMOUNT = "decimal(38, 4)"


class Moves(NamedTuple):
    """Attributes:
    flows: Contract `moves`.
    sizes: Contract `tier_weeks`.
    """

    flows: pd.DataFrame
    sizes: pd.DataFrame


def moves(
    first_seen: ibis.Table,
    user_day: ibis.Table,
    users: ibis.Table | None,
    *,
    last_day: date,
    rules: Mapping,
    weeks: int = WEEKS,
) -> Moves:
    """The flows of the last weeks and the sizes at their ends; in each week the flows make up every change of a size.

    Weeks before the data are left out, but not the last one. Nobody leaves the table: who stays away is lost.

    Args:
        last_day: The last day of the last week; later rows change nothing.
        rules: The limits, by section.
        weeks: So many at most.
    """
    flows = week_flows(first_seen, user_day, users, last_day=last_day, rules=rules, weeks=weeks)
    return moves_of(flows, user_day, last_day=last_day, weeks=weeks)


def week_flows(
    first_seen: ibis.Table,
    user_day: ibis.Table,
    users: ibis.Table | None,
    *,
    last_day: date,
    rules: Mapping,
    weeks: int = WEEKS,
) -> ibis.Table:
    """People by week, dimension, tiers and reason, with the sums of the measure; everybody known by its end once a dimension.

    Returns:
        `weeks_ago` (0: the week that ends on `last_day`), `dimension`, `was` (OUTSIDE for who is newly known), `tier`, `reason`
        (empty for who stayed), `people`, `net_before` and `net`, and of the measure a week before and now its sum and of how
        many people. Weeks before the data may lack.
    """
    people, user_day = _at_hand(spans.everybody(first_seen, users), user_day)
    begins, count = people.aggregate(begins=people.first_day.min(), people=people.count()).to_pyarrow().to_pylist()[0].values()
    ends, size = _ends(begins, last_day, weeks), max(1, MOST_ROWS // max(count, 1))
    models = week_models(user_day, last_day=last_day, rules=rules, weeks=weeks)
    made, before = [], None
    for part in (ends[at : at + size] for at in range(0, len(ends), size)):
        now = panel(people, user_day, last_days=part, rules=rules, models=models)
        now = now.select("user_id", "last_day", *DIMENSIONS, *reasons.MEASURES)
        made.append(ibis.memtable(_flows(now, before, part).to_pyarrow()))
        before = now.filter(now.last_day == part[-1])
    return _numbered(ibis.union(*made) if len(made) > 1 else made[0], last_day)


def flows_between(tiers: ibis.Table, *, last_day: date, weeks: int) -> ibis.Table:
    """The same of the last weeks, where their tiers are at hand.

    Args:
        tiers: As `history` gives them for the ends of these weeks and of the one before them.
    """
    tiers = tiers.select("user_id", "last_day", *DIMENSIONS, *reasons.MEASURES)
    return _numbered(_flows(tiers, None, [last_day - WEEK * back for back in range(weeks, -1, -1)]), last_day)


def _numbered(flows: ibis.Table, last_day: date) -> ibis.Table:
    ago = (ibis.literal(last_day).epoch_days() - flows.last_day.epoch_days()) // WEEK.days
    return flows.mutate(weeks_ago=ago.cast("int64")).drop("last_day")


def week_models(
    user_day: ibis.Table, *, last_day: date, rules: Mapping, weeks: int = WEEKS, keep: Keep | None = None
) -> dict[date, PayModel]:
    """The models of paying of all instants that the flows of so many weeks ask for, by day; `history` takes them, too.

    Args:
        keep: As for `pay_models`.
    """
    ends = [last_day - WEEK * back for back in range(weeks + 1)]
    return pay_models(user_day, instants(ends, rules), rules=rules, keep=keep)


def moves_of(flows: ibis.Table, user_day: ibis.Table, *, last_day: date, weeks: int = WEEKS) -> Moves:
    """The moves that the flows of week ends tell of.

    Args:
        flows: As `week_flows` gives them.
    """
    begins = user_day.filter(user_day.day <= last_day).day.min().to_pyarrow().as_py()
    ends, parts = _ends(begins, last_day, weeks), flows.to_pandas()
    parts["last_day"] = pd.Timestamp(last_day) - pd.to_timedelta(parts.pop("weeks_ago") * WEEK.days, unit="D")
    parts = parts[parts["last_day"] > pd.Timestamp(ends[0])]
    made = Moves(_told(parts), _complete(_sizes(parts, ends), ends))
    _check(made)
    return made


def _ends(begins: date | None, last_day: date, weeks: int) -> list[date]:
    """The ends of the weeks in order, that before the first of them first; those before the data only of the last week."""
    ends = [last_day - WEEK * back for back in range(weeks, -1, -1)]
    return [end for end in ends if begins is not None and end >= begins and end < last_day - WEEK] + ends[-2:]


def _sizes(flows: pd.DataFrame, ends: Sequence[date]) -> pd.DataFrame:
    """People and net amount by tier: at the first end of those who go on from there, at the others of those who came."""
    key = ["dimension", "tier", "last_day"]
    first = flows[(flows["last_day"] == pd.Timestamp(ends[1])) & (flows["was"] != OUTSIDE)].drop(columns=["tier", "net"])
    first = first.rename(columns={"was": "tier", "net_before": "net"}).assign(last_day=pd.Timestamp(ends[0]))
    return pd.concat([first, flows])[[*key, "people", "net"]].groupby(key, as_index=False).sum()


def _at_hand(people: ibis.Table, user_day: ibis.Table) -> tuple[ibis.Table, ibis.Table]:
    """The same tables with what moves read, held by the engine, people as numbers and their days side by side.

    Every instant goes through all days once: so that takes half the time. No result says which number is whose.
    """
    unread = {name: ibis.null(dtype) for name, dtype in spans.KNOWN.items() if name != "registered_day"}
    people = people.rename(known="user_id").mutate(**unread)
    people = people.mutate(user_id=ibis.row_number().over(order_by=people.known).cast("int32")).cache()
    counts = {name: user_day[name].cast("int32") for name in COUNTS}
    days = user_day.select("day", "net", known="user_id", refunded=(user_day.refunded > 0).cast("int8"), **counts)
    days = days.join(people.select("known", "user_id"), "known").drop("known").order_by("user_id").cache()
    return people.drop("known"), days


def _flows(now: ibis.Table, before: ibis.Table | None, ends: Sequence[date]) -> ibis.Table:
    """People by week, dimension, both tiers and reason, with the sums of the measure.

    Args:
        now: The panel of some ends of weeks.
        before: That of the end of the week before them; None: the first of them is only where flows come from.
    """
    earlier = now if before is None else before if len(ends) == 1 else now.union(before)
    now = now.filter(now.last_day > ends[0]) if before is None else now
    earlier = earlier.mutate(next_end=earlier.last_day.epoch_days() + WEEK.days).drop("last_day")
    earlier = earlier.rename({f"{name}_then": name for name in earlier.columns})
    same = (now.user_id == earlier.user_id_then, now.last_day.epoch_days() == earlier.next_end_then)
    pairs = now.left_join(earlier, same)
    parts = []
    for dimension in DIMENSIONS:
        was = pairs[f"{dimension}_then"].fill_null(OUTSIDE)
        measure_then, measure = reasons.measure(pairs, dimension)
        parts.append(
            pairs.group_by("last_day", was=was, tier=pairs[dimension], reason=reasons.reason(pairs, dimension))
            .agg(
                people=pairs.count(),
                net_before=pairs.net_90_then.sum().cast(AMOUNT).fill_null(0),
                net=pairs.net_90.sum().cast(AMOUNT),
                before=measure_then.sum().cast(AMOUNT).fill_null(0),
                before_of=measure_then.count(),
                now=measure.sum().cast(AMOUNT).fill_null(0),
                now_of=measure.count(),
            )
            .mutate(dimension=ibis.literal(dimension))
        )
    return ibis.union(*parts)


def _told(parts: pd.DataFrame) -> pd.DataFrame:
    """One row a flow, with its most common reason."""
    key = ["dimension", "last_day", "was", "tier"]
    totals = parts.groupby(key)[["people", "net", "before", "before_of", "now", "now_of"]].sum()
    ranked = parts.sort_values(["people", "reason"], ascending=[False, True], na_position="last")
    first = ranked.drop_duplicates(key).set_index(key)
    told = totals.assign(reason=first["reason"], reason_people=first["people"].where(first["reason"].notna(), 0)).reset_index()
    told["measure_before"], told["measure_now"] = (
        told[end].astype("float64") / told[f"{end}_of"].where(told[f"{end}_of"] > 0) for end in ("before", "now")
    )
    told["kind"] = [_kind(*row) for row in told[["dimension", "was", "tier"]].itertuples(index=False)]
    told["week"] = _mondays(told["last_day"])
    told = told.rename(columns={"was": "from", "tier": "to"}).astype({"people": "int64", "reason_people": "int64"})
    return told.sort_values(["dimension", "week", "from", "to"], key=_place, ignore_index=True)[list(MOVES.columns)]


def _place(column: pd.Series) -> pd.Series:
    """Dimensions and tiers in their own order; a tier's place is the same in every dimension that has it."""
    if column.name == "week":
        return column
    return column.map({name: at for at, name in enumerate((*DIMENSIONS, *PLACES, OUTSIDE))})


def _kind(dimension: str, was: str, tier: str) -> str:
    if was == tier:
        return "stayed"
    if was == OUTSIDE:
        return "entered"
    if dimension not in ORDERED:
        return "changed"
    return "upgraded" if TIERS[dimension].index(tier) < TIERS[dimension].index(was) else "fell"


def _complete(parts: pd.DataFrame, ends: Sequence[date]) -> pd.DataFrame:
    """Sizes of all tiers at all ends, the empty ones too."""
    wanted = [(dimension, tier, pd.Timestamp(end)) for dimension in DIMENSIONS for tier in TIERS[dimension] for end in ends]
    index = pd.MultiIndex.from_tuples(wanted, names=["dimension", "tier", "last_day"])
    parts["last_day"] = pd.to_datetime(parts["last_day"])
    sizes = parts.set_index(list(index.names)).reindex(index).reset_index()
    sizes["people"] = sizes["people"].fillna(0).astype("int64")
    sizes["net"] = [net if isinstance(net, Decimal) else Decimal(0) for net in sizes["net"]]
    everyone = sizes.groupby(["dimension", "last_day"])["people"].transform("sum")
    sizes["share"] = sizes["people"] / everyone.where(everyone > 0)
    return sizes.assign(week=_mondays(sizes["last_day"]))[list(TIER_WEEKS.columns)]


def _mondays(days: pd.Series) -> pd.Series:
    days = pd.to_datetime(days)
    return days - pd.to_timedelta(days.dt.day_of_week, unit="D")


def _check(made: Moves) -> None:
    """The flows of a week make up every change of a size, counted apart."""
    sizes = made.sizes.set_index(["dimension", "tier", "week"])["people"]
    change = sizes.groupby(level=["dimension", "tier"]).diff().dropna()
    came, went = (
        made.flows.groupby(["dimension", end, "week"])["people"].sum().reindex(change.index, fill_value=0)
        for end in ("to", "from")
    )
    assert (change == came - went).all(), "the flows between tiers do not add up to the changes of their sizes"
