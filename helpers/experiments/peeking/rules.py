"""What a plan's rule says of an effect at a look: group-sequential boundaries, or a sequence that holds at every look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from helpers.experiments.counted.cube import DAY, PEOPLE, VALUE, Cell, Cube
from helpers.experiments.effect import compared as comparing
from helpers.experiments.effect.compared import Compared
from helpers.experiments.methods.estimates import UNKNOWN
from helpers.experiments.peeking import group_sequential, sequential

FIXED, STAGED, ALWAYS = "fixed-horizon", "group-sequential", "always-valid"
NO_LOOK = "no_look"
UNPLANNED = 10_000  # people of both arms that a sequence is tuned for where nobody planned any; never those so far, since a
# sequence that is tuned anew at every look holds at none
CLOSEST = 2e-4  # share that a look must add to the people before it
LEAST, MOST = 1e-15, 0.99  # between which p of a planned look is sought


class Point(NamedTuple):
    """An arm against control with those who had had their time by a day.

    `people`: of all arms, whatever their values; `share`: how much of the plan that is; `is_end`: it has run to its end.
    """

    day: date | None
    people: int
    share: float
    is_end: bool
    compared: Compared


class Said(NamedTuple):
    """What the rule says at a point.

    `value` with its interval and `p`; `boundary` in standard errors; `time` of the look as a share of the plan; `crossed`: the
    effect is told from none, then or before. `reach`: the interval's ends in standard errors below and above the estimate.
    """

    point: Point
    value: float = UNKNOWN
    low: float = UNKNOWN
    high: float = UNKNOWN
    p: float = UNKNOWN
    boundary: float = UNKNOWN
    time: float = UNKNOWN
    crossed: bool = False
    is_last: bool = False
    reach: tuple[float, float] = (UNKNOWN, UNKNOWN)


def points(cube: Cube, plan: dict, metric: dict, variant: str, *, last_day: date | None, value: str = VALUE) -> list[Point]:
    """By day on which they have had the days that the metric looks ahead, up to the last day of the data.

    None where the cube knows no days (a table of units without any), or where the metric is a quantile, which no sums give.
    """
    name, ahead = plan["name"], timedelta(days=metric["horizon"])
    levels = [date.fromisoformat(level) for level in cube.levels(name, PEOPLE, DAY)]
    if not levels or metric["kind"] == "quantile" or last_day is None:
        return []
    first, end = levels[0], planned_end(plan, metric)
    last = min(last_day, max(levels[-1] + ahead, end or date.min))
    cells: dict[str, Cell] = {}
    people, found, made = 0, [], None
    for step in range((last - first - ahead).days + 1):
        exposed = first + timedelta(days=step)
        people += sum(cube.people(name, DAY, exposed.isoformat()).values())
        come = cube.arms(name, metric["name"], DAY, exposed.isoformat())
        cells |= {arm: cells[arm] + cell if arm in cells else cell for arm, cell in come.items()}
        if come or made is None:
            made = comparing.directly(plan, metric, *comparing.pair(cells, plan, variant), value=value)
        found.append(Point(exposed + ahead, people, *_progress(plan, people, exposed, first), made))
    return found


def planned_end(plan: dict, metric: dict) -> date | None:
    """The day on which those exposed on the last planned day have had the days that the metric looks ahead."""
    return plan["end"] + timedelta(days=metric["horizon"]) if plan["end"] else None


def _progress(plan: dict, people: int, exposed: date, first: date) -> tuple[float, bool]:
    """The share of the plan, of people if it has a number of them, else of days; and whether it has run to its end."""
    share, begun = UNKNOWN, plan["start"] or first
    if plan["users"]:
        share = people / plan["users"]
    elif plan["end"]:
        share = ((exposed - begun).days + 1) / ((plan["end"] - begun).days + 1)
    ended = plan["end"] is not None and exposed >= plan["end"]
    return share, bool(ended or (share >= 1 and (plan["looks"] != FIXED or not plan["end"])))


def undated(plan: dict, metric: dict, people: int, made: Compared, last_day: date | None) -> Point:
    """Everybody at once, where nobody knows who came when."""
    end = planned_end(plan, metric)
    is_over = end is not None and last_day is not None and last_day >= end
    share = people / plan["users"] if plan["users"] else 1.0
    return Point(None, people, share, bool(share >= 1 or is_over), made)


def sequence(plan: dict, variant: str, along: Sequence[Point], *, comparisons: int = 1) -> list[Said]:
    """The asymptotic confidence sequence at each point, tuned for the planned people of both arms."""
    values, errors, n = _numbers(along)
    alpha, tuned = plan["alpha"] / comparisons, tuned_for(plan, variant)
    found = sequential.confidence_sequence(values, errors, n, tuned_for=tuned, alpha=alpha)
    limits = np.full(len(n), UNKNOWN)
    limits[n > 0] = sequential.multiplier(n[n > 0], tuned_for=tuned, alpha=alpha) if (n > 0).any() else UNKNOWN
    crossed = np.logical_or.accumulate(np.nan_to_num(np.asarray(found.p), nan=1.0) < alpha)
    return [
        _possible(Said(point, *map(float, told), float(limit), UNKNOWN, bool(past), point.is_end, (float(limit),) * 2))
        for point, *told, limit, past in zip(along, *found, limits, crossed, strict=True)
    ]


def tuned_for(plan: dict, variant: str) -> float:
    """Planned people of an arm and control together."""
    both = plan["variants"].get(plan["control"], 0.0) + plan["variants"].get(variant, 0.0)
    return max(plan["users"] * both, 2.0) if plan["users"] and both else float(UNPLANNED)


def staged(plan: dict, along: Sequence[Point], *, comparisons: int = 1) -> list[Said]:
    """The looks that took place: on the first day on which a planned time is reached, the last one when the plan has ended.

    None follows the one that crossed its boundary: there the test has stopped, with the value, interval and p of that
    (Tsiatis, Rosner and Mehta 1984); before it stand repeated intervals, with the p at which each would just leave out zero.
    """
    looks = _taken(plan, along)
    if not looks:
        return []
    alpha = plan["alpha"] / comparisons
    times, information = tuple(time for _, time in looks), tuple(_size(point.compared) for point, _ in looks)
    bounds = _bounds(times, information, alpha, plan["spending"])
    found = []
    for at, (point, time) in enumerate(looks):
        value, se = point.compared.normal()
        z = abs(value) / se if se > 0 else 0.0
        limit = float(bounds.z[at])
        is_last = z >= limit or time == 1.0
        so_far = group_sequential.Boundaries(
            bounds.times[: at + 1], bounds.information[: at + 1], bounds.z[: at + 1], bounds.spent[: at + 1], alpha, 2
        )
        found.append(_look(so_far, point, (value, se), plan["spending"], is_last and comparisons == 1))
        if is_last:
            break
    return found


def assumed(plan: dict, point: Point, *, comparisons: int = 1) -> list[Said]:
    """The one look at data without days, as if those planned before it had taken place and found nothing."""
    times = [time for time in plan["look_times"] if time < min(point.share, 1.0) - CLOSEST]
    last = 1.0 if point.is_end else min(point.share, 1.0)
    if not point.is_end and not any(time <= last for time in plan["look_times"]):
        return []
    alpha, times = plan["alpha"] / comparisons, (*times, last)
    bounds = _bounds(times, times, alpha, plan["spending"])
    value, se = point.compared.normal()
    z = abs(value) / se if se > 0 else 0.0
    is_last = z >= bounds.z[-1] or last == 1.0
    return [_look(bounds, point, (value, se), plan["spending"], is_last and comparisons == 1)]


def _taken(plan: dict, along: Sequence[Point]) -> list[tuple[Point, float]]:
    """Points that are looks, with their times; one that adds nobody takes the place of the one before it."""
    found: list[tuple[Point, float]] = []
    waiting = sorted(plan["look_times"])
    for point in along:
        reached = [time for time in waiting if time <= point.share + 1e-9]
        if not (reached or point.is_end) or _size(point.compared) < 1:
            continue
        waiting = waiting[len(reached) :]
        time = 1.0 if point.is_end else min(point.share, 1.0)
        if found and _size(point.compared) <= _size(found[-1][0].compared) * (1 + CLOSEST):
            found.pop()
        found.append((point, time))
        if point.is_end:
            break
    return found


def _size(made: Compared) -> int:
    return made.n + made.control_n


@lru_cache(maxsize=4096)
def _bounds(times: tuple, information: tuple, alpha: float, shape: str) -> group_sequential.Boundaries:
    return group_sequential.boundaries(times, information=information, alpha=alpha, shape=shape)


def _look(
    bounds: group_sequential.Boundaries, point: Point, effect: tuple[float, float], shape: str, is_last: bool
) -> Said:
    value, se = effect
    limit, time = float(bounds.z[-1]), float(bounds.times[-1])
    if not se > 0:
        return Said(point, value, boundary=limit, time=time, is_last=is_last)
    crossed = abs(value) / se >= limit
    if is_last:
        told = group_sequential.at_stop(bounds, value, se)
        reach = ((value - told.low) / se, (told.high - value) / se)
        return _possible(Said(point, *told, limit, time, crossed, True, reach))
    low, high, p = value - limit * se, value + limit * se, repeated_p(bounds, value / se, shape)
    return _possible(Said(point, value, low, high, p, limit, time, crossed, False, (limit, limit)))


def _possible(said: Said) -> Said:
    """Shares differ by one at most: what an interval reaches beyond that cannot be, and is cut off."""
    if said.point.compared.counts is None or math.isnan(said.low):
        return said
    return said._replace(low=max(said.low, -1.0), high=min(said.high, 1.0))


def repeated_p(bounds: group_sequential.Boundaries, z: float, shape: str) -> float:
    """The alpha at which the last look would lie just on its boundary (Jennison and Turnbull 2000, chapter 9)."""

    def lacking(logarithm: float) -> float:
        made = group_sequential.boundaries(bounds.times, information=bounds.information, alpha=math.exp(logarithm), shape=shape)
        return float(made.z[-1]) - abs(z)

    if lacking(math.log(MOST)) >= 0:
        return 1.0
    least = max(float(2 * norm.sf(abs(z))), LEAST)  # that of an ordinary test: no look is easier to cross
    if lacking(math.log(least)) <= 0:
        return least
    return math.exp(brentq(lacking, math.log(least), math.log(MOST), xtol=1e-8))


def _numbers(along: Sequence[Point]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pairs = [point.compared.normal() for point in along]
    values, errors = (np.array([own[at] for own in pairs], dtype=float) for at in (0, 1))
    return values, errors, np.array([_size(point.compared) for point in along], dtype=float)


def latest(
    plan: dict, variant: str, along: Sequence[Point], alone: Point | None = None, *, comparisons: int = 1
) -> Said | None:
    """What the rule of a plan with looks says now: at the latest look, or at the one that stopped it; None before any look.

    Args:
        alone: Everybody at once, where there are no days.
    """
    if plan["looks"] == STAGED:
        said = assumed(plan, alone, comparisons=comparisons) if alone else staged(plan, along, comparisons=comparisons)
    else:
        said = sequence(plan, variant, [alone] if alone else along[-1:], comparisons=comparisons)
    return said[-1] if said else None
