"""Does the machinery tell the truth here? This dataset's own people, split at random again and again: nothing was changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import contracts, stats
from helpers.experiments.counted.cube import PER, VALUE
from helpers.experiments.effect.compared import SHARES, covariates
from helpers.experiments.effect.slices import smallest
from helpers.experiments.methods import families
from helpers.experiments.methods.estimates import UNKNOWN
from helpers.experiments.plan import EXPERIMENT, KIND, METRIC, VARIANT, frame
from helpers.experiments.trust.splits import Stack, of_cuped, of_levels, of_quantile, of_shares, stacks

SPLITS = 1_000
QUANTILE_SPLITS = 200  # for quantiles, whose arms must be put in order each time
TOLERANCE = 0.2  # of alpha: a share of alarms between 4 and 6 % is no fault
OK, OFF, UNTOLD = "ok", "off", "unknown"
MANY, FEW = "many", "few"

CALIBRATION = contracts.declare(
    "experiment_calibration",
    grain="one row per experiment, metric, with and without covariates",
    key=["experiment", "metric", "adjusted"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "metric": METRIC,
        "kind": KIND,
        "adjusted": ("boolean", "", "with what is known of people from before the exposure (CUPED)"),
        "planned": ("boolean", "", "the plan decides by this method"),
        "method": ("string", "", "what the p is told by"),
        "variant": VARIANT,
        "people": ("int64", "people", "with a value, in the sample"),
        "splits": ("int64", "", "random splits in the planned shares whose p can be told"),
        "alarms": ("int64", "", "of them with p below alpha, though nothing was changed"),
        "alpha": ("float64", "share", "of the plan: the share of alarms that there should be"),
        "share": ("float64", "share", "of alarms"),
        "low": ("float64", "share", "end of its 95 % interval (Wilson 1927)"),
        "high": ("float64", "share", "its other end"),
        "uniform": ("float64", "", "p of the test of Kolmogorov that all p are equally frequent; none of p that repeat"),
        "verdict": ("string", "", '"ok", "off" or "unknown"'),
        "side": ("string", "", 'where it is off: too "many" false alarms, or too "few", so that effects are missed'),
    },
    nullable=("share", "low", "high", "uniform"),
)


def calibration(rows: Mapping[str, pd.DataFrame], plans: list[dict], *, seed: int, splits: int = SPLITS) -> pd.DataFrame:
    """How often each metric's test alarms where there is nothing (contract `experiment_calibration`).

    A metric is "off" where the share of alarms differs from alpha by more than a fifth of it, and more than chance explains with
    all metrics tested at once.

    Args:
        rows: Of each experiment one row a person, with a column a quantity, named "<metric>:<quantity>"; NaN where it is missing.
        seed: Of the splits, which depend on nothing else: neither on the order of the rows nor on that of the columns.
    """
    made = [row for plan in plans if plan["name"] in rows for row in _of_plan(rows[plan["name"]], plan, seed, splits)]
    found = frame(made, CALIBRATION)
    tested = int(found["share"].notna().sum())
    wide = stats.wilson(found["alarms"], found["splits"], confidence=families.simultaneous(tested))
    apart = (found["share"] - found["alpha"]).abs() > TOLERANCE * found["alpha"]
    off = apart & ((wide.low > found["alpha"]) | (wide.high < found["alpha"]))
    found["verdict"] = np.where(found["share"].isna(), UNTOLD, np.where(off, OFF, OK))
    found["side"] = np.where(off, np.where(found["share"] > found["alpha"], MANY, FEW), "")
    return found.astype({"verdict": "str", "side": "str"})


def marked(effects: pd.DataFrame, calibration: pd.DataFrame) -> pd.DataFrame:
    """Effects with a column `calibrated`: "ok", "off" or "unknown", as the metric's test does on people where there is nothing.

    Args:
        effects: With `experiment`, `metric` and, where there are adjusted ones, `method`.
    """
    adjusted = effects["method"].str.startswith("CUPED") if "method" in effects else pd.Series(False, index=effects.index)
    known = {
        (one["experiment"], one["metric"], bool(one["adjusted"])): one["verdict"] for one in calibration.to_dict("records")
    }
    keys = zip(effects["experiment"], effects["metric"], adjusted, strict=True)
    return effects.assign(calibrated=pd.Series([known.get(key, UNTOLD) for key in keys], index=effects.index, dtype="str"))


def _of_plan(people: pd.DataFrame, plan: dict, seed: int, splits: int) -> Iterator[tuple]:
    arms = smallest(plan)
    if arms is None:
        return
    variant, *parts = arms
    asked = [(metric, columns) for metric in plan["metric"] if (columns := _columns(people, metric))]
    drawn = stacks(people, {metric["name"]: columns for metric, columns in asked if metric["kind"] != "quantile"}, parts,
                   seed=seed, splits=splits)  # fmt: skip
    for metric, columns in asked:
        n = int(people[columns].notna().all(axis=1).sum())
        if metric["kind"] == "quantile":
            values, fewer = people[columns[0]].to_numpy(dtype=float), min(splits, QUANTILE_SPLITS)
            found = [(False, of_quantile(values, metric["quantile"], parts, seed=seed, splits=fewer))]
        else:
            found = list(_tested(metric, columns, drawn[metric["name"]]))
        by_plan = bool(covariates(plan, metric)) and len(found) > 1
        for is_adjusted, p in found:
            yield (plan["name"], metric["name"], metric["kind"], is_adjusted, is_adjusted == by_plan,
                   _method(metric, is_adjusted), variant, n, *_told(p, plan["alpha"]), "", "")  # fmt: skip


def _method(metric: dict, is_adjusted: bool) -> str:
    """As `compared` names them."""
    if is_adjusted:
        return "CUPED"
    if metric["kind"] == "quantile":
        return f"quantile {metric['quantile']:g}"
    return "score" if metric["kind"] in SHARES else "delta method" if metric["kind"] == "ratio" else "Welch"


def _columns(people: pd.DataFrame, metric: dict) -> list[str]:
    """Of the quantities that the metric's test needs, in a fixed order; none where the sample lacks them."""
    needed = [VALUE, PER] if metric["kind"] == "ratio" else [VALUE]
    given = [] if metric["kind"] == "quantile" else sorted(metric["covariates"])
    named = [f"{metric['name']}:{name}" for name in [*needed, *given]]
    missing = [name for name in named[: len(needed)] if name not in people]
    return [] if missing else [name for name in named if name in people]


def _tested(metric: dict, columns: list[str], arms: tuple[Stack, Stack]) -> Iterator[tuple[bool, np.ndarray]]:
    outcome = 2 if metric["kind"] == "ratio" else 1
    if metric["kind"] in SHARES:
        yield False, of_shares(*arms)
    else:
        yield False, of_levels(*arms, outcome)
    if len(columns) > outcome:
        yield True, of_cuped(*arms, outcome)


def _told(p: np.ndarray, alpha: float) -> tuple:
    """Splits that can be told, alarms, alpha, their share with its interval, and the p of uniformity."""
    known = np.round(p[~np.isnan(p)], 12)  # so that the number of threads does not decide
    alarms = int((known < alpha).sum())
    if (known == 1).all():  # nothing varies
        return 0, 0, alpha, *[UNKNOWN] * 4
    around = stats.wilson(alarms, len(known))
    is_fine = len(np.unique(known)) > len(known) / 2
    uniform = float(distributions.kstest(known, "uniform").pvalue) if is_fine else UNKNOWN
    return len(known), alarms, alpha, alarms / len(known), float(around.low), float(around.high), uniform
