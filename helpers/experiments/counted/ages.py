"""Cells by day since the exposure, of people of equal age: what came on each day, and what had come up to it.

A person's running total makes the second additive, too: with what came on a day, x, its square grows by x^2 + 2 x times what came
before. So each day adds its own part, and sums of parts are the moments of the totals.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import ibis
import pandas as pd

from helpers.experiments.counted.counting import on_grid
from helpers.experiments.counted.cube import AGE, PER, SLOPE, UNTIL, VALUE, Cell, Cube
from helpers.experiments.counted.moments import Moments
from helpers.experiments.counted.valued import SHARES, Gathered, Window, measured, windows

LONGEST = 60  # days since the exposure that are looked at
LEAST = 3  # days, for a trend


ARM = ["experiment", "variant"]


def ages(gathered: Gathered, plans: Sequence[dict], user_day: ibis.Table, *, last_day: date) -> Cube:
    """The cells "age" and "until" of the primary metrics on events, of people who have had all their days (as `Cube` says).

    Shares are of people active on the day, and on any day up to it. Level "slope" of "age": the slope of each person's days
    over the days, whose mean is that of the daily means.

    Args:
        gathered: As `valued.gather` gives it for experiments on assignments.
        last_day: As there.
    """
    cells = {}
    known = {own.experiment for own in gathered.asked}
    groups: dict[tuple, list[tuple[str, dict]]] = {}
    for plan in (plan for plan in plans if plan["name"] in known):
        for metric in (own for own in plan["metric"] if own["role"] == "primary" and own["kind"] != "quantile"):
            key = (_measures(metric, plan), min(metric["horizon"], LONGEST), metric["kind"] in SHARES)
            groups.setdefault(key, []).append((plan["name"], metric["name"]))
    for (measures, span, of_shares), metrics in groups.items():
        experiments = sorted({experiment for experiment, _ in metrics})
        people = gathered.table.filter(gathered.table.experiment.isin(experiments))
        had = people.filter(people.day <= last_day - timedelta(days=span)).select("experiment", "user_id", "variant", "day")
        sizes = had.group_by(ARM).agg(n=had.count()).to_pandas().set_index(ARM)["n"]
        days = _days(had, user_day, measures, span).cache()  # read several times
        found = _shares(days, sizes, span) if of_shares else _sums(days, sizes, measures, span)
        cells |= {
            (experiment, metric, cut, level, arm[1]): cell
            for (cut, level, arm), cell in found.items()
            for own, metric in metrics
            if (experiment := arm[0]) == own
        }
    return Cube(cells)


def _measures(metric: dict, plan: dict) -> tuple[str, ...]:
    found: dict[str, Window] = windows(metric, plan)
    return tuple(found[quantity].measure for quantity in (VALUE, PER) if quantity in found)


def _days(people: ibis.Table, user_day: ibis.Table, measures: tuple[str, ...], span: int) -> ibis.Table:
    """A row a person and day since the exposure on which there was something: `age`, and `x` (and `y`)."""
    named = dict(zip("xy", measures, strict=False))
    days = user_day.select("user_id", on="day", **{name: measured(user_day, own) for name, own in named.items()})
    met = people.join(days, "user_id")
    met = met.mutate(age=(met.on.epoch_days() - met.day.epoch_days()).cast("int64"))
    return met.filter(met.age.between(1, span)).select("experiment", "user_id", "variant", "age", *named)


def _shares(days: ibis.Table, sizes: pd.Series, span: int) -> dict:
    """Of people active on the day, and for the first time since the exposure on it."""
    active = days.filter(days.x > 0)
    first = active.group_by([*ARM, "user_id"]).agg(age=active.age.min())
    on, new = (_by_age(one) for one in (active, first))
    slopes = _slopes(active.mutate(x=ibis.literal(1)), span)
    cells = {}
    for arm, n in sizes.items():
        come = 0
        for age in range(1, span + 1):
            come += int(new.get((*arm, age), 0))
            cells[(AGE, str(age), arm)] = _of_shares(int(on.get((*arm, age), 0)), int(n))
            cells[(UNTIL, str(age), arm)] = _of_shares(come, int(n))
        cells |= _slope_cell(slopes, arm, int(n), span)
    return cells


def _by_age(rows: ibis.Table) -> pd.Series:
    return rows.group_by([*ARM, "age"]).agg(n=rows.count()).to_pandas().set_index([*ARM, "age"])["n"]


def _of_shares(successes: int, n: int) -> Cell:
    return Cell(Moments.of_sums((VALUE,), n, [successes], [[successes]]))


def _sums(days: ibis.Table, sizes: pd.Series, measures: tuple[str, ...], span: int) -> dict:
    names = (VALUE, PER)[: len(measures)]
    letters = "xy"[: len(measures)]
    order = ibis.window(group_by=["experiment", "user_id"], order_by="age", preceding=None, following=0)
    told = days.mutate(**{f"{one}_up_to": days[one].sum().over(order) for one in letters})
    pairs = [(a, b) for at, a in enumerate(letters) for b in letters[: at + 1]]
    parts = {f"on_{a}{b}": told[a].cast("float64") * told[b].cast("float64") for a, b in pairs}
    parts |= {
        f"grown_{a}{b}": told[f"{a}_up_to"].cast("float64") * told[f"{b}_up_to"].cast("float64")
        - (told[f"{a}_up_to"] - told[a]).cast("float64") * (told[f"{b}_up_to"] - told[b]).cast("float64")
        for a, b in pairs
    }
    told = told.mutate(**parts)
    large = told.aggregate(**{name: told[name].abs().sum().fill_null(0.0) for name in parts}).to_pandas().iloc[0]
    added = {name: on_grid(told[name], float(large[name])).sum() for name in parts}
    sums = told.group_by([*ARM, "age"]).agg(**added, **{one: told[one].sum() for one in letters}).to_pandas()
    sums = sums.set_index([*ARM, "age"]).to_dict("index")
    slopes = _slopes(days, span) if len(letters) == 1 else {}
    cells = {}
    for arm, n in sizes.items():
        so_far = {name: Fraction(0) for name in (*letters, *(f"grown_{a}{b}" for a, b in pairs))}
        for age in range(1, span + 1):
            own = sums.get((*arm, age), {})
            so_far = {name: number + _whole(own.get(name, 0)) for name, number in so_far.items()}
            cells[(AGE, str(age), arm)] = _cell(names, letters, int(n), own, "on")
            cells[(UNTIL, str(age), arm)] = _cell(names, letters, int(n), so_far, "grown")
        cells |= _slope_cell(slopes, arm, int(n), span) if len(letters) == 1 else {}
    return cells


def _cell(names: tuple[str, ...], letters: str, n: int, own: dict, kind: str) -> Cell:
    products = [[own.get(f"{kind}_{max(a, b)}{min(a, b)}", 0) for b in letters] for a in letters]
    return Cell(Moments.of_sums(names, n, [_whole(own.get(one, 0)) for one in letters], products))


def _whole(number) -> Fraction:
    return Fraction(number) if isinstance(number, Decimal | Fraction | int) else Fraction(float(number))


def _slopes(days: ibis.Table, span: int) -> dict:
    """Sum and sum of squares over the people of twice the weighted sum of their days, by arm; weights are whole numbers."""
    weight = 2 * days.age - (span + 1)
    own = days.group_by([*ARM, "user_id"]).agg(total=(weight * days.x).sum())
    own = own.mutate(total=own.total.cast("float64"))
    own = own.mutate(squares=own.total * own.total)
    size = own.aggregate(total=own.total.abs().sum(), squares=own.squares.sum()).to_pandas().fillna(0.0).iloc[0]
    found = own.group_by(ARM).agg(**{name: on_grid(own[name], float(size[name])).sum() for name in ("total", "squares")})
    return found.to_pandas().set_index(ARM).to_dict("index")


def _slope_cell(slopes: dict, arm: tuple[str, str], n: int, span: int) -> dict:
    if span < LEAST:
        return {}
    scale = Fraction(6, span * (span * span - 1))  # one over twice the sum of squared deviations of the days
    own = slopes.get(arm, {"total": 0.0, "squares": 0.0})
    total, squares = (Fraction(float(own[name])) for name in ("total", "squares"))
    return {(AGE, SLOPE, arm): Cell(Moments.of_sums((VALUE,), n, [total * scale], [[squares * scale**2]]))}
