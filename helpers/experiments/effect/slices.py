"""For whom: effects by slices that were known before the exposure. A slice is named only where its levels clearly differ."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from helpers import contracts
from helpers.experiments.counted.cube import ALL, Cube
from helpers.experiments.counted.moments import Moments
from helpers.experiments.effect.compared import Compared, pair, plain, smaller, unit
from helpers.experiments.methods import families, shares
from helpers.experiments.methods.estimates import UNKNOWN
from helpers.experiments.plan import CONTROL, EXPERIMENT, KIND, METRIC, SMALLER, UNIT, VARIANT, frame

LEAST = 30  # people of the smaller arm from which a level takes part in the test: fewer tell too little of how much they vary

SLICES = contracts.declare(
    "effect_slices",
    grain="one row per experiment, primary metric, arm against control, slice and level",
    key=["experiment", "metric", "variant", "slice", "level"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "metric": METRIC,
        "kind": KIND,
        "unit": UNIT,
        "variant": VARIANT,
        "control": CONTROL,
        "slice": ("string", "", "what people are told apart by"),
        "level": ("string", "", "its value; empty: unknown"),
        "n": ("int64", "people", "of the arm, with a value"),
        "control_n": ("int64", "people", "of control, with a value"),
        "smaller": SMALLER,
        "value": ("float64", "", "of the arm"),
        "control_value": ("float64", "", "of control"),
        "difference": ("float64", "", "arm less control, by the metric's plain method"),
        "low": ("float64", "", "end of the interval of the difference, at the plan's alpha"),
        "high": ("float64", "", "its other end"),
        "se": ("float64", "", "standard error of the difference by which levels are compared"),
        "p": ("float64", "", "of the difference, by itself"),
        "tested": ("boolean", "", "takes part in the test whether the levels differ"),
        "interaction": ("float64", "", "p of the test whether the effects of the slice's levels differ"),
        "interaction_corrected": ("float64", "", "the same, corrected over metrics, arms and slices of the experiment"),
        "named": ("boolean", "", "the levels clearly differ, so that the slice may be named"),
        "shrunk": ("float64", "", "the difference, drawn to that of the other levels as far as chance makes them differ"),
        "shrunk_low": ("float64", "", "end of its interval; all levels of the slice hold together"),
        "shrunk_high": ("float64", "", "its other end"),
        "shrunk_p": ("float64", "", "p of the shrunk difference, corrected over the levels of the slice"),
    },
    nullable=(
        "value", "control_value", "difference", "low", "high", "se", "p", "interaction", "interaction_corrected", "shrunk",
        "shrunk_low", "shrunk_high", "shrunk_p",
    ),
)  # fmt: skip


def decisive(plan: dict) -> list[dict]:
    """The primary metrics that means are enough for: all but quantiles."""
    return [metric for metric in plan["metric"] if metric["name"] in plan["primary"] and metric["kind"] != "quantile"]


def against_control(
    cube: Cube, plan: dict, metric: str, cut: str = ALL, level: str = ALL
) -> Iterator[tuple[str, Moments, Moments]]:
    """Each other arm of the plan with the moments of control and its own; none where the cube has nobody at all."""
    arms = cube.arms(plan["name"], metric, cut, level)
    for variant in plan["variants"] if arms else ():
        if variant != plan["control"]:
            yield variant, *pair(arms, plan, variant)


def smallest(plan: dict) -> tuple[str, float, float] | None:
    """The smallest arm beside control, the planned shares of control and of it; None where there are not two arms."""
    total = sum(plan["variants"].values())
    others = {name: share for name, share in plan["variants"].items() if name != plan["control"] and share > 0}
    own = plan["variants"].get(plan["control"], 0.0)
    if not others or not own > 0:
        return None
    name = min(others, key=lambda variant: others[variant])
    return name, own / total, others[name] / total


def slices(cube: Cube, plans: list[dict]) -> pd.DataFrame:
    """Effects on the primary metrics by the plan's slices (contract `effect_slices`).

    Whether the effects of a slice's levels differ is told by Cochran's Q over the levels with enough people, its p corrected by
    Benjamini and Hochberg over the metrics, arms and slices of the experiment.
    """
    return pd.concat([frame([], SLICES), *(_of_plan(cube, plan) for plan in plans)], ignore_index=True)


def _of_plan(cube: Cube, plan: dict) -> pd.DataFrame:
    rows = [
        row
        for metric in decisive(plan)
        for name in plan["slices"]
        for own in cube.levels(plan["name"], metric["name"], name)
        for row in _of_level(cube, plan, metric, name, own)
    ]
    made = frame(rows, SLICES)
    if made.empty:
        return made
    groups = made.groupby(["metric", "variant", "slice"], sort=False)
    made = pd.concat([_compared(own, plan["alpha"]) for _, own in groups])
    first = ~made.duplicated(["metric", "variant", "slice"])
    corrected = pd.Series(families.corrected(made.loc[first, "interaction"], "fdr_bh"), index=made.index[first])
    made["interaction_corrected"] = corrected.reindex(made.index).groupby(
        [made["metric"], made["variant"], made["slice"]]
    ).transform("first")  # fmt: skip
    made["named"] = (made["interaction_corrected"] < plan["alpha"]).astype(bool)
    return made.sort_index()


def _of_level(cube: Cube, plan: dict, metric: dict, name: str, own: str) -> Iterator[tuple]:
    for variant, control, arm in against_control(cube, plan, metric["name"], name, own):
        both = plain(metric, control, arm)
        found, se = both.difference(1 - plan["alpha"]), _error(both)
        is_tested = min(control.n, arm.n) >= LEAST and se > 0
        yield (plan["name"], metric["name"], metric["kind"], unit(metric), variant, plan["control"], name, own, arm.n, control.n,
               smaller(arm.n, control.n), both.arm.value, both.control.value, found.value, found.low, found.high, se, found.p,
               is_tested, UNKNOWN, UNKNOWN, False, *[UNKNOWN] * 4)  # fmt: skip


def _error(both: Compared) -> float:
    """Of shares that of Agresti and Caffo (2000), which does not take the arms for equal, and is above 0 even where all or
    none succeeded."""
    return shares.compare(*both.counts, method="agresti-caffo").se if both.counts else both.normal()[1]


def _compared(own: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """The levels of one slice with the test whether they differ, and drawn to each other."""
    made, told = own.copy(), own["tested"].to_numpy()
    values, errors = own.loc[told, "difference"], own.loc[told, "se"]
    made["interaction"] = families.interaction(values, errors).p
    drawn = families.shrunk(values, errors, confidence=1 - alpha)
    made.loc[told, "shrunk"] = [one.value for one in drawn]
    made.loc[told, "shrunk_low"] = [one.low for one in drawn]
    made.loc[told, "shrunk_high"] = [one.high for one in drawn]
    made.loc[told, "shrunk_p"] = families.corrected([one.p for one in drawn], "bonferroni")
    return made
