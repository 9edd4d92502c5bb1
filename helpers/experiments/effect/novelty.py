"""Since when: effects by days since the exposure, on people of equal age, and whether they fade or grow."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from helpers import contracts
from helpers.experiments.counted.cube import AGE, SLOPE, VALUE, Cube
from helpers.experiments.effect.compared import plain, smaller, unit
from helpers.experiments.effect.slices import against_control, decisive
from helpers.experiments.methods import estimates, families
from helpers.experiments.methods.estimates import UNKNOWN
from helpers.experiments.plan import CONTROL, EXPERIMENT, KIND, METRIC, SMALLER, UNIT, VARIANT, frame

LEFT = 0.25  # of the first day's effect: what lies on the other side in the end is no more than faded
FADES, GROWS, TURNS, UNCLEAR, UNTOLD = "fades", "grows", "turns", "unclear", "unknown"

AGES = contracts.declare(
    "effect_ages",
    grain="one row per experiment, primary metric, arm against control and day since the exposure",
    key=["experiment", "metric", "variant", "age"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "metric": METRIC,
        "kind": KIND,
        "unit": UNIT,
        "variant": VARIANT,
        "control": CONTROL,
        "age": ("int64", "days", "local days since that of the exposure"),
        "difference": ("float64", "", "arm less control in what came on that day, by the metric's plain method"),
        "low": ("float64", "", "end of its interval, at the plan's alpha"),
        "high": ("float64", "", "its other end"),
        "n": SMALLER,
    },
    nullable=("difference", "low", "high"),
)
TRENDS = contracts.declare(
    "effect_trends",
    grain="one row per experiment, primary metric (ratios have no slope by person) and arm against control",
    key=["experiment", "metric", "variant"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "metric": METRIC,
        "kind": KIND,
        "unit": UNIT,
        "variant": VARIANT,
        "control": CONTROL,
        "days": ("int64", "days", "since the exposure that everybody here has had"),
        "n": SMALLER,
        "slope": ("float64", "", "by how much the effect of a day changes from one day to the next"),
        "low": ("float64", "", "end of its interval, at the plan's alpha"),
        "high": ("float64", "", "its other end"),
        "p": ("float64", "", "of a slope of 0"),
        "p_corrected": ("float64", "", "the same, corrected over metrics and arms of the experiment"),
        "first": ("float64", "", "effect of the first day on the straight line"),
        "last": ("float64", "", "effect of the last day on it"),
        "trend": ("string", "", '"fades", "grows", "turns" (to the other side), "unclear", or "unknown"'),
    },
    nullable=("slope", "low", "high", "p", "p_corrected", "first", "last"),
)


def novelty(cube: Cube, plans: list[dict]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Effects by day since the exposure, and their trends (contracts `effect_ages` and `effect_trends`).

    Every day describes the same people, those who have had all the days, so that no trend comes from who is old enough. The
    trend is tested person by person: what the days of one person have in common is in the standard error.
    """
    ages = pd.concat([frame([], AGES), *(frame(list(_ages(cube, plan)), AGES) for plan in plans)], ignore_index=True)
    trends = pd.concat([frame([], TRENDS), *(_trends(cube, plan, ages) for plan in plans)], ignore_index=True)
    return ages, trends


def _ages(cube: Cube, plan: dict) -> Iterator[tuple]:
    for metric in decisive(plan):
        for age in _days(cube, plan, metric):
            for variant, control, arm in against_control(cube, plan, metric["name"], AGE, str(age)):
                found = plain(metric, control, arm).difference(1 - plan["alpha"])
                yield (plan["name"], metric["name"], metric["kind"], unit(metric), variant, plan["control"], age,
                       found.value, found.low, found.high, smaller(arm.n, control.n))  # fmt: skip


def _days(cube: Cube, plan: dict, metric: dict) -> list[int]:
    return [int(found) for found in cube.levels(plan["name"], metric["name"], AGE) if found != SLOPE]


def _trends(cube: Cube, plan: dict, ages: pd.DataFrame) -> pd.DataFrame:
    rows = [row for metric in decisive(plan) for row in _of_metric(cube, plan, metric, ages)]
    made = frame(rows, TRENDS)
    made["p_corrected"] = families.corrected(made["p"], "fdr_bh")
    made["trend"] = [_trend(row, plan["alpha"]) for row in made.to_dict("records")]
    return made.astype({"trend": "str"})


def _of_metric(cube: Cube, plan: dict, metric: dict, ages: pd.DataFrame) -> Iterator[tuple]:
    own = ages[(ages["experiment"] == plan["name"]) & (ages["metric"] == metric["name"])]
    days = _days(cube, plan, metric)
    for variant, control, arm in against_control(cube, plan, metric["name"], AGE, SLOPE):
        found = estimates.difference(*(estimates.mean(one, VALUE) for one in (control, arm)), confidence=1 - plan["alpha"])
        middle = own.loc[own["variant"] == variant, "difference"].mean()
        reach = found.value * (len(days) - 1) / 2
        yield (plan["name"], metric["name"], metric["kind"], unit(metric), variant, plan["control"], len(days),
               smaller(arm.n, control.n), found.value, found.low, found.high, found.p, UNKNOWN, middle - reach, middle + reach,
               "")  # fmt: skip


def _trend(row: dict, alpha: float) -> str:
    """In a word; the effect is measured by its size, so that a harm fades, too."""
    first, last = row["first"], row["last"]
    if np.isnan([row["p"], first, last]).any():
        return UNTOLD
    if not row["p_corrected"] < alpha:
        return UNCLEAR
    if first * last < 0 and abs(last) > LEFT * abs(first):
        return TURNS
    return FADES if abs(last) < abs(first) else GROWS
