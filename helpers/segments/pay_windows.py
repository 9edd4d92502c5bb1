"""Non-payers as the model of paying sees them: what they did before windows of 28 days, and who paid in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd

EPOCH = date(1970, 1, 1)
WINDOW_DAYS = 28
WINDOW = timedelta(days=WINDOW_DAYS)
MOST_PEOPLE = 25_000  # of a window that leave the engine: of those who paid, and of the others
SUMS = ("sessions", "create", "comment", "share", "react")
FEATURES = ("active_days", "dwell_minutes", *SUMS, "away", "tenure", "pay_days")
Made = Callable[[date, int], ibis.Table]
Keep = Callable[[Made, date, int], ibis.Table]


@dataclass(frozen=True)
class Window:
    """Non-payers before a window, sorted by content: features, who paid in it, and how many people each row stands for."""

    features: np.ndarray
    paid: np.ndarray
    weight: np.ndarray


def non_payers(user_day: ibis.Table, days: list[date], rules: dict) -> ibis.Table:
    """FEATURES of each non-payer seen by the end of each of some days, and whether they `paid` in the window after it.

    `nth` is the place of the day, `until` the day as a number. `tenure` ends at 28 days: beyond that it would tell windows
    apart where all joined together, and a model that has learned to tell windows apart does not know the next.
    """
    return _described(_parts(user_day, days), user_day, days, rules)


def _parts(user_day: ibis.Table, days: list[date]) -> ibis.Table:
    """What each did before, between and after the days and the windows around them: few rows, from one pass over all days."""
    edges = sorted({number(day) + at for day in days for at in (-WINDOW.days, 0, WINDOW.days)})
    rows = user_day.mutate(at=user_day.day.epoch_days())
    rows = rows.filter(rows["at"] <= edges[-1])
    counts = {name: rows[name].sum() for name in ("dwell_s", *SUMS)}
    counts |= {"active_days": (rows.active > 0).sum(), "pay_days": (rows.pay > 0).sum()}
    return rows.group_by("user_id", part=ibis.cases(*[(rows["at"] <= edge, edge) for edge in edges])).agg(
        first_day=rows["at"].min(),
        last_active=rows["at"].max(where=rows.active > 0),
        **{name: count.cast("int64") for name, count in counts.items()},  # sums of such sums would be wider than numbers need
    )


def _described(parts: ibis.Table, user_day: ibis.Table, days: list[date], rules: dict) -> ibis.Table:
    paid = user_day.filter(user_day.net != 0).select("user_id", "net", at=user_day.day.epoch_days())
    return ibis.union(*[_of_day(parts, paid, nth, number(day), rules) for nth, day in enumerate(days)])


def _of_day(parts: ibis.Table, paid: ibis.Table, nth: int, end: int, rules: dict) -> ibis.Table:
    """The non-payers of one day, from parts of which none goes across it or across an edge of the windows around it."""
    rows = parts.filter(parts.part <= end + WINDOW.days)
    old = rows.part <= end
    recent = old & (rows.part > end - WINDOW.days)
    people = rows.group_by("user_id").agg(
        tenure=end - rows.first_day.min(),
        away=end - ibis.ifelse(old, rows.last_active, ibis.null("int64")).max(),
        pay_days=ibis.ifelse(old, rows.pay_days, 0).sum(),
        paid=(~old & (rows.pay_days > 0)).any(),
        **{name: ibis.ifelse(recent, rows[name], 0).sum() for name in ("active_days", "dwell_s", *SUMS)},
    )
    lately = paid.filter(paid["at"] <= end, paid["at"] > end - rules["payment"]["days"])
    payers = lately.group_by("user_id").agg(net=lately.net.sum()).filter(ibis._.net > 0)
    people = people.filter(people.tenure >= 0).anti_join(payers, "user_id")
    return people.select(
        "user_id", "paid", "active_days", "pay_days", *SUMS,
        nth=ibis.literal(nth), until=ibis.literal(end, "int64"),
        dwell_minutes=people.dwell_s / 60,
        away=ibis.coalesce(people.away, people.tenure),
        tenure=ibis.least(people.tenure, WINDOW.days),
    )  # fmt: skip


def number(day: date) -> int:
    """Days since 1970."""
    return (day - EPOCH).days


def windows(user_day: ibis.Table, befores: list[date], rules: dict, keep: Keep | None = None) -> dict[date, Window]:
    """The window after each of some days; where there are too many people, every so manyth of them, ordered by what they did."""
    if not befores:
        return {}

    def make(last_day: date, number: int) -> ibis.Table:
        days = [last_day - WINDOW * (1 + at) for at in range(number)]
        # held, since all days read it
        people = _described(_parts(user_day, days).cache(), user_day, days, rules).drop("user_id", "until")
        return _chosen(people, "paid", FEATURES, most=MOST_PEOPLE).rename(weeks_ago="nth")

    number = (befores[-1] - befores[0]).days // WINDOW.days + 1
    rows = _weighed((keep or _now)(make, befores[-1] + WINDOW, number).rename(nth="weeks_ago"), "paid", FEATURES)
    return {before: _read(rows[rows["nth"] == (befores[-1] - before).days // WINDOW.days]) for before in befores}


def _now(make: Made, last_day: date, number: int) -> ibis.Table:
    return make(last_day, number)


def taken(people: ibis.Table, outcome: str, features: Sequence[str], *, most: int) -> pd.DataFrame:
    """Those of each window who leave the engine; of too many every so manyth, in the order of what they did.

    Args:
        people: `nth`, `outcome` and features.
        most: Of a window, of those with the outcome, and of those without.

    Returns:
        The same with `weight`, how many people each row stands for; sorted by window, outcome and features.
    """
    return _weighed(_chosen(people, outcome, features, most=most), outcome, features)


def _chosen(people: ibis.Table, outcome: str, features: Sequence[str], *, most: int) -> ibis.Table:
    """Those who are taken, with `alike`: of how many."""
    kind = ["nth", outcome]
    alike = ibis.window(group_by=kind, order_by=list(features))
    rows = people.select(*kind, *features).mutate(place=ibis.row_number().over(alike), alike=ibis._.count().over(group_by=kind))
    step = ((rows.alike + most - 1) / most).floor().cast("int64")
    return rows.filter(rows.place % step == 0).drop("place")


def _weighed(chosen: ibis.Table, outcome: str, features: Sequence[str]) -> pd.DataFrame:
    kind = ["nth", outcome]
    found = chosen.to_pandas().sort_values([*kind, *features], ignore_index=True)
    return found.assign(weight=found["alike"] / found.groupby(kind)["alike"].transform("size"))


def _read(taken: pd.DataFrame) -> Window:
    features = np.log(taken[list(FEATURES)].to_numpy(dtype=float) + 1)
    return Window(features, taken["paid"].to_numpy(dtype=bool), taken["weight"].to_numpy(dtype=float))
