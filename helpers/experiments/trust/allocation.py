"""Did the split do what was planned: sizes of the arms in all, by slice and by day, and whether the shares moved on the way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats as distributions

from helpers import stats
from helpers.experiments.counted.cube import ALL, DAY, PER, VALUE, Cube
from helpers.experiments.counted.moments import Moments
from helpers.experiments.effect.compared import unit
from helpers.experiments.methods import adjusted, estimates
from helpers.experiments.methods.estimates import UNKNOWN, Estimate, Level
from helpers.experiments.peeking import sequential

LEAST_EXPECTED = 5  # people in an arm: with fewer, chi-square says nothing (Cochran 1954)
MOST_COUNTED = 1_000_000  # outcomes of a split up to which they are counted out
OK, WATCH, ALARM, UNTOLD = "ok", "watch", "alarm", "unknown"


class Check(NamedTuple):
    """One check of one experiment, with what its sentence (`said`) is filled with.

    `p` is the one that the verdict is told by; `value` and `other` are the numbers that the sentence sets beside each other;
    `where` names the arm, the level of a slice or the day; `unit` is that of `value` and `other`.
    """

    check: str
    verdict: str
    said: str
    p: float = UNKNOWN
    value: float = UNKNOWN
    other: float = UNKNOWN
    where: str = ""
    metric: str = ""
    people: int = 0
    unit: str = "share"


def told(p: float, *, most: str = ALARM) -> str:
    """The verdict of a p: alarm below 0.001, watch below 0.05 (the limits of Fabijan and others 2019); at most `most`."""
    if math.isnan(p):
        return UNTOLD
    return (most if p < stats.SAMPLE_RATIO_ALARM else WATCH) if p < stats.SAMPLE_RATIO_WATCH else OK


def tested(people: Sequence[int], planned: Sequence[float]) -> float:
    """p of the arms' sizes against the planned shares: chi-square, or counted out where few are expected; NaN where neither goes.

    Arms with a planned share of 0 are left out.
    """
    pairs = [(int(count), share) for count, share in zip(people, planned, strict=True) if share > 0]
    n = sum(count for count, _ in pairs)
    if len(pairs) < 2 or not n:
        return UNKNOWN
    sizes, shares = [count for count, _ in pairs], np.array([share for _, share in pairs])
    shares = shares / shares.sum()
    if n * shares.min() >= LEAST_EXPECTED:
        return stats.sample_ratio_test(sizes, shares.tolist()).p
    return _counted_out(sizes, shares) if (n + 1) ** (len(sizes) - 1) <= MOST_COUNTED else UNKNOWN


def _counted_out(sizes: list[int], shares: np.ndarray) -> float:
    """Chance of all splits that are no likelier than this one (the exact multinomial test)."""
    n, last = sum(sizes), len(sizes) - 1
    ways = np.indices((n + 1,) * last).reshape(last, -1)
    ways = np.vstack([ways, n - ways.sum(axis=0)]).T
    ways = ways[ways[:, -1] >= 0]
    likely = distributions.multinomial.logpmf(ways, n, shares)
    own = distributions.multinomial.logpmf(sizes, n, shares)
    return float(min(np.exp(likely[likely <= own + 1e-9]).sum(), 1.0))


def checks(cube: Cube, plan: dict, sizes: Mapping[str, int]) -> list[Check]:
    """Sample ratio in all, by slice, by day of exposure, where an imbalance sits, and changed allocation.

    Args:
        sizes: People of each planned arm.
    """
    whole = _whole(plan, sizes)
    slices = _by_slice(cube, plan)
    days = _by_day(cube, plan)
    is_off = any(found.verdict in (WATCH, ALARM) for found in (whole, slices, days))
    return [whole, slices, days, _imbalance(cube, plan, sizes, is_off=is_off), _changed(cube, plan)]


def _whole(plan: dict, sizes: Mapping[str, int]) -> Check:
    people, planned = _of_arms(plan, sizes)
    n, p = sum(people), tested(people, planned)
    verdict = told(p)
    if not n or not sum(planned):
        return Check("sample_ratio", UNTOLD, "sample_ratio_unknown")
    residuals = _residuals(people, planned)
    at = int(np.argmax(np.abs(residuals)))
    share, arm = planned[at] / sum(planned), list(plan["variants"])[at]
    return Check("sample_ratio", verdict, f"sample_ratio_{verdict}", p, people[at] / n, share, arm, people=n)


def _by_slice(cube: Cube, plan: dict) -> Check:
    """Every level of every slice, corrected over all of them (Holm); one that is off only narrows what may be read."""
    found = [
        (tested(*_of_arms(plan, people)), f"{cut} = {level or '?'}", sum(_of_arms(plan, people)[0]))
        for cut, level, people in _levels(cube, plan, _slices(plan))
    ]
    p = stats.holm([one for one, _, _ in found]) if found else np.array([])
    if not found or np.isnan(p).all():
        return Check("by_slice", UNTOLD, "by_slice_unknown")
    worst = int(np.nanargmin([one for one, _, _ in found]))
    _, where, people = found[worst]
    verdict, levels = told(float(p[worst]), most=WATCH), float((~np.isnan(p)).sum())
    return Check("by_slice", verdict, f"by_slice_{verdict}", float(p[worst]), levels, UNKNOWN, where, "", people, "count")


def _by_day(cube: Cube, plan: dict) -> Check:
    """In the form that holds at every look (Lindon and Malek 2022); `where` is the first day below the limit."""
    days, table, planned = _table(cube, plan)
    if len(planned) < 2 or not len(days) or not table.sum():
        return Check("by_day", UNTOLD, "by_day_unknown")
    p = sequential.sample_ratio(table, planned)
    verdict = told(float(p[-1]))
    limit = stats.SAMPLE_RATIO_ALARM if verdict == ALARM else stats.SAMPLE_RATIO_WATCH
    first = days[int(np.argmax(p < limit))] if verdict != OK else ""
    return Check("by_day", verdict, f"by_day_{verdict}", float(p[-1]), len(days), UNKNOWN, first, "", int(table.sum()), "days")


def _imbalance(cube: Cube, plan: dict, sizes: Mapping[str, int], *, is_off: bool) -> Check:
    """The arm and the level that lie farthest from the plan, in standard deviations: of everybody, by slice and by day."""
    if not is_off:
        return Check("imbalance", OK, "imbalance_ok")
    arms, farthest, found = list(plan["variants"]), 0.0, None
    for cut, level, people in [(ALL, ALL, dict(sizes)), *_levels(cube, plan, [*_slices(plan), DAY])]:
        seen, planned = _of_arms(plan, people)
        residuals = _residuals(seen, planned)
        at = int(np.argmax(np.abs(residuals)))
        if abs(residuals[at]) > farthest:
            farthest = abs(residuals[at])
            name = arms[at] if cut == ALL else f"{cut} = {level or '?'}, {arms[at]}"
            found = (name, seen[at], sum(seen) * planned[at] / sum(planned), sum(seen))
    if found is None:
        return Check("imbalance", OK, "imbalance_ok")
    where, seen, expected, n = found
    return Check("imbalance", WATCH, "imbalance_watch", value=seen, other=expected, where=where, people=n, unit="people")


def _changed(cube: Cube, plan: dict) -> Check:
    """Do the arms have the same shares on all days? If not, days mix differently in the arms (Simpson's paradox).

    The pooled effect on the first primary metric stands beside the one that compares people of the same day.
    """
    days, table, planned = _table(cube, plan)
    if len(planned) < 2:
        return Check("changed", UNTOLD, "changed_unknown")
    days, table = _thick(days, table[:, table.sum(axis=0) > 0])
    if min(table.shape) < 2:
        return Check("changed", UNTOLD, "changed_unknown")
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    parts = (table - expected) ** 2 / expected
    p = float(distributions.chi2.sf(parts.sum(), (table.shape[0] - 1) * (table.shape[1] - 1)))
    verdict = told(p)
    pooled, stratified = simpson(cube, plan)
    where = days[int(parts.sum(axis=1).argmax())] if verdict in (WATCH, ALARM) else ""
    key = f"changed_{verdict}" if verdict != ALARM or not math.isnan(stratified) else "changed_alarm_untold"
    metric = metric_of(plan, plan["primary"][0])
    at = {"where": where, "metric": metric["name"], "people": int(table.sum()), "unit": unit(metric)}
    return Check("changed", verdict, key, p, pooled, stratified, **at)


def _thick(days: list[str], table: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Days with so many people that enough are expected in each arm; days of few are taken together with those after them."""
    if not table.size or not table.sum():
        return [], table[:0]
    shares = table.sum(axis=0) / table.sum()
    names: list[str] = []
    rows: list[np.ndarray] = []
    for day, row in zip(days, table, strict=True):
        if rows and rows[-1].sum() * shares.min() < LEAST_EXPECTED:
            rows[-1] = rows[-1] + row
        else:
            names.append(day)
            rows.append(row)
    if len(rows) > 1 and rows[-1].sum() * shares.min() < LEAST_EXPECTED:
        rows[-2:], names = [rows[-2] + rows[-1]], names[:-1]
    return names, np.array(rows)


def simpson(cube: Cube, plan: dict) -> tuple[float, float]:
    """The effect on the first primary metric pooled, and of people of the same day, where the two lie farthest apart.

    NaN where the metric is a quantile, or there are no days.
    """
    metric = metric_of(plan, plan["primary"][0])
    name, control = plan["name"], plan["control"]
    pooled, found = cube.arms(name, metric["name"]), (UNKNOWN, UNKNOWN)
    if metric["kind"] == "quantile" or control not in pooled:
        return found
    outcome = outcome_of(metric)
    columns = [outcome] if isinstance(outcome, str) else list(outcome)
    days = [cube.arms(name, metric["name"], DAY, day) for day in cube.levels(name, metric["name"], DAY)]
    for arm in pooled:
        pairs = [(day[control].moments.only(columns), day[arm].moments.only(columns)) for day in days
                 if {arm, control} <= set(day)]  # fmt: skip
        if arm == control or not pairs:
            continue
        both = (effect(metric, pooled[control].moments, pooled[arm].moments).value,
                adjusted.post_stratified(pairs, outcome).difference().value)  # fmt: skip
        if math.isnan(found[0]) or abs(both[0] - both[1]) > abs(found[0] - found[1]):
            found = both
    return found


def metric_of(plan: dict, name: str) -> dict:
    """The plan's metric of a name."""
    return next(metric for metric in plan["metric"] if metric["name"] == name)


def outcome_of(metric: dict) -> str | tuple[str, str]:
    """The quantity, or the two of a ratio."""
    return (VALUE, PER) if metric["kind"] == "ratio" else VALUE


def level(metric: dict, moments: Moments) -> Level:
    """What an arm comes to."""
    return estimates.ratio(moments, VALUE, PER) if metric["kind"] == "ratio" else estimates.mean(moments, VALUE)


def effect(metric: dict, control: Moments, arm: Moments) -> Estimate:
    """Arm less control, plain and unadjusted: enough to see whether a rule moves it."""
    return estimates.difference(level(metric, control), level(metric, arm))


def _of_arms(plan: dict, people: Mapping[str, int]) -> tuple[list[int], list[float]]:
    return [int(people.get(arm, 0)) for arm in plan["variants"]], [float(share) for share in plan["variants"].values()]


def _residuals(people: Sequence[int], planned: Sequence[float]) -> np.ndarray:
    """How far each arm lies from the plan, in standard deviations of its own number; 0 where that is planned to be 0."""
    shares = np.array(planned) / (sum(planned) or 1)
    expected = sum(people) * shares
    spread = np.sqrt(np.where(expected * (1 - shares) > 0, expected * (1 - shares), np.inf))
    return (np.array(people) - expected) / spread


def _slices(plan: dict) -> list[str]:
    return list(dict.fromkeys([*plan["slices"], *plan["strata"]]))


def _levels(cube: Cube, plan: dict, cuts: Iterable[str]) -> Iterable[tuple[str, str, dict[str, int]]]:
    """Every level that somebody is in; a day without a name is none."""
    for cut in cuts:
        for one in cube.levels(plan["name"], cut=cut):
            people = cube.people(plan["name"], cut, one)
            if sum(people.get(arm, 0) for arm in plan["variants"]) and (one or cut != DAY):
                yield cut, one, people


def _table(cube: Cube, plan: dict) -> tuple[list[str], np.ndarray, list[float]]:
    """Days, people by day and arm, and the planned shares, without arms that nobody is planned to be in."""
    planned = {arm: float(share) for arm, share in plan["variants"].items() if share > 0}
    found = [(day, [people.get(arm, 0) for arm in planned]) for _, day, people in _levels(cube, plan, [DAY])]
    table = np.array([row for _, row in found], dtype=float).reshape(-1, len(planned))
    return [day for day, _ in found], table, list(planned.values())
