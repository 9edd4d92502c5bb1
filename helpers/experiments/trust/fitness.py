"""Are the values of the arms fit to be compared: missing alike, alike before, varying, and not made by a few large users."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import stats
from helpers.experiments.counted.cube import PER, UNCAPPED, VALUE, Cube
from helpers.experiments.effect import compared
from helpers.experiments.methods import estimates
from helpers.experiments.methods.estimates import UNKNOWN
from helpers.experiments.trust import allocation
from helpers.experiments.trust.allocation import OK, UNTOLD, WATCH, Check, told

TOP = 0.01  # of people: the largest users
PER_SKEWNESS = 355  # people an arm for each square of the skewness, for a normal mean (Kohavi and others 2014)


def checks(cube: Cube, plan: dict, values: pd.DataFrame | None) -> list[Check]:
    """Missing by arm, the time before, constant metrics, and the largest users.

    Args:
        values: Contract `experiment_values`.
    """
    return [_missing(cube, plan), _before(cube, plan), _constant(cube, plan), _largest(plan, values)]


def _missing(cube: Cube, plan: dict) -> Check:
    """Is a value missing in one arm more often than in another? The metric of the smallest p, corrected for all (Holm)."""
    found = []
    for metric in plan["metric"]:
        cells = {arm: cell for arm, cell in cube.arms(plan["name"], metric["name"]).items() if cell.moments.n + cell.missing}
        if len(cells) < 2:
            continue
        missing = np.array([cell.missing for cell in cells.values()])
        there = np.array([cell.moments.n for cell in cells.values()])
        shares = missing / (missing + there)
        at = int(np.argmax(shares))
        found.append((_homogeneous(missing, there), metric["name"], shares[at], missing.sum() / (missing + there).sum(),
                      list(cells)[at], int(missing.sum())))  # fmt: skip
    p = stats.holm([one[0] for one in found]) if found else np.array([])
    if not found or np.isnan(p).all():
        return Check("missing", UNTOLD, "missing_unknown")
    at = int(np.nanargmin([one[0] for one in found]))
    verdict = told(float(p[at]))
    _, metric, share, overall, arm, n = found[at]
    said = f"missing_{verdict}" if any(one[-1] for one in found) else "missing_none"
    return Check("missing", verdict, said, float(p[at]), share, overall, arm, metric, n)


def _homogeneous(first: np.ndarray, second: np.ndarray) -> float:
    """p of the same share in all arms: chi-square, or where few are expected, by how the rarer of the two split over the arms."""
    sizes = first + second
    rarer = first if first.sum() <= second.sum() else second
    if not rarer.sum():
        return 1.0
    if rarer.sum() * sizes.min() / sizes.sum() < allocation.LEAST_EXPECTED:
        return allocation.tested(rarer.tolist(), sizes.tolist())
    return float(distributions.chi2_contingency(np.array([first, second]), correction=False).pvalue)


def _before(cube: Cube, plan: dict) -> Check:
    """Did the arms differ before anything was shown? Welch, each covariate and arm against control, corrected (Holm)."""
    found = []
    for name, metric in _covariates(cube, plan).items():
        cells = cube.arms(plan["name"], metric)
        if plan["control"] not in cells:
            continue
        control = estimates.mean(cells[plan["control"]].moments, name)
        for arm in sorted(set(cells) - {plan["control"]}):
            seen = estimates.difference(control, estimates.mean(cells[arm].moments, name))
            if not math.isnan(seen.p):
                n = min(cells[arm].moments.n, cells[plan["control"]].moments.n)
                found.append((seen.p, seen.value + control.value, control.value, f"{name}, {arm}", n))
    if not found:
        return Check("before", UNTOLD, "before_unknown")
    p = stats.holm([one[0] for one in found])
    at = int(np.argmin([one[0] for one in found]))
    verdict = told(float(p[at]))
    _, value, control_value, where, n = found[at]
    return Check("before", verdict, f"before_{verdict}", float(p[at]), value, control_value, where, people=n, unit="number")


def _covariates(cube: Cube, plan: dict) -> dict[str, str]:
    """Each quantity of before, with the metric of most people that has it."""
    found: dict[str, tuple[int, str]] = {}
    for metric in plan["metric"]:
        for cell in cube.arms(plan["name"], metric["name"]).values():
            for name in set(cell.moments.names) - {VALUE, PER, UNCAPPED}:
                if cell.moments.n > found.get(name, (0, ""))[0]:
                    found[name] = (cell.moments.n, metric["name"])
    return {name: metric for name, (_, metric) in sorted(found.items())}


def _constant(cube: Cube, plan: dict) -> Check:
    """Metrics that vary in no arm, on which nothing can be tested."""
    found, read = [], 0
    for metric in plan["metric"]:
        levels = [allocation.level(metric, cell.moments) for cell in cube.arms(plan["name"], metric["name"]).values()
                  if cell.moments.n > 1]  # fmt: skip
        read += bool(levels)
        if levels and not any(one.variance > 0 for one in levels):
            found.append(metric["name"])
    if not read:
        return Check("constant", UNTOLD, "constant_nobody")
    return Check("constant", UNTOLD if found else OK, "constant_unknown" if found else "constant_ok", where=", ".join(found))


def _largest(plan: dict, values: pd.DataFrame | None) -> Check:
    """How much of a metric the largest users hold, whether the effect's sign hangs on one of them, and whether there are so few
    people for so long a tail that the mean is not yet normal. The metric in which it is worst.
    """
    own = values[values["experiment"] == plan["name"]] if values is not None else pd.DataFrame()
    names = [metric["name"] for metric in plan["metric"] if len(own) and (own["metric"] == metric["name"]).any()]
    found = [one for one in (_tail(plan, name, own[own["metric"] == name]) for name in names) if one is not None]
    if not found:
        return Check("largest", UNTOLD, "largest_unknown")
    order = ["largest_sign", "largest_skew", "largest_ok"]
    return min(found, key=lambda one: (order.index(one.said), names.index(one.metric)))


def _tail(plan: dict, name: str, own: pd.DataFrame) -> Check | None:
    arms = {arm: (rows["value"].to_numpy(dtype=float), rows["people"].to_numpy(dtype=float))
            for arm, rows in own.groupby("variant", sort=True)}  # fmt: skip
    total = float((own["value"].abs() * own["people"]).sum())
    if plan["control"] not in arms or len(arms) < 2 or not total:
        return None
    n = int(own["people"].sum())
    at, unit = {"metric": name, "people": n}, compared.unit(allocation.metric_of(plan, name))
    for arm in sorted(set(arms) - {plan["control"]}):
        seen, without = (_apart(arms[plan["control"]], arms[arm], without=one) for one in (False, True))
        if seen * without < 0:
            return Check("largest", WATCH, "largest_sign", value=seen, other=without, where=arm, unit=unit, **at)
    held = _top(own["value"].abs().to_numpy(dtype=float), own["people"].to_numpy(dtype=float)) / total
    needed = {arm: PER_SKEWNESS * _skewness(*one) ** 2 for arm, one in arms.items()}
    short = [arm for arm, one in arms.items() if needed[arm] > max(one[1].sum(), PER_SKEWNESS)]
    if short:
        worst = max(short, key=lambda arm: needed[arm] / arms[arm][1].sum())
        return Check("largest", WATCH, "largest_skew", value=held, other=needed[worst], where=worst, **at)
    return Check("largest", OK, "largest_ok", value=held, **at)


def _apart(control: tuple[np.ndarray, np.ndarray], arm: tuple[np.ndarray, np.ndarray], *, without: bool) -> float:
    """Arm less control; without the one user of both who lies farthest out."""
    sums = [[float(values @ people), float(people.sum())] for values, people in (control, arm)]
    if without:
        sizes = [float(np.abs(values).max()) for values, _ in (control, arm)]
        side = int(sizes[1] > sizes[0])
        values = (control, arm)[side][0]
        sums[side][0] -= float(values[np.abs(values).argmax()])
        sums[side][1] -= 1
    (first, n_first), (second, n_second) = sums
    return second / n_second - first / n_first if min(n_first, n_second) > 0 else UNKNOWN


def _top(sizes: np.ndarray, people: np.ndarray) -> float:
    """The sum that the largest users hold."""
    order = np.argsort(-sizes, kind="stable")
    sizes, people = sizes[order], people[order]
    wanted = math.ceil(TOP * people.sum())
    taken = np.clip(wanted - (people.cumsum() - people), 0, people)
    return float(sizes @ taken)


def _skewness(values: np.ndarray, people: np.ndarray) -> float:
    n = people.sum()
    away = values - float(values @ people) / n
    spread = float(people @ away**2) / n
    return float(people @ away**3) / n / spread**1.5 if spread > 0 else 0.0
