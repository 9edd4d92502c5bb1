"""Peeking: what a plan's rule says of its primary metrics day by day, beside the ordinary interval that must not be read so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import contracts, stats
from helpers.experiments.counted.cube import Cube
from helpers.experiments.effect import compared
from helpers.experiments.methods.estimates import UNKNOWN, Estimate
from helpers.experiments.peeking import group_sequential, rules
from helpers.experiments.peeking.rules import FIXED, STAGED, Point, Said
from helpers.experiments.plan import EXPERIMENT, KIND, METRIC, SMALLER, UNIT, VARIANT

RULE = ("string", "", '"fixed-horizon", "group-sequential" or "always-valid", as planned')

LOOKS = contracts.declare(
    "experiment_looks",
    grain="one row per experiment, primary metric, arm against control and day",
    key=["experiment", "metric", "variant", "day"],
    small=True,
    nullable=(
        "share", "difference", "se", "low", "high", "p", "naive_low", "naive_high", "naive_p", "boundary", "time",
    ),
    columns={
        "experiment": EXPERIMENT,
        "metric": METRIC,
        "kind": KIND,
        "variant": VARIANT,
        "rule": RULE,
        "unit": UNIT,
        "alpha": ("float64", "", "false alarms that the plan allows; the intervals leave out so much"),
        "day": ("date", "", "local day with the end of which the people had had the days that the metric looks ahead"),
        "people": ("int64", "people", "of all arms up to then"),
        "n": ("int64", "people", "of the arm and control with a value"),
        "smaller": SMALLER,
        "share": ("float64", "share", "how much of the plan that is, of its people or else its days"),
        "difference": ("float64", "", "arm less control; at the look that stopped a test, median unbiased"),
        "se": ("float64", "", "standard error of the plain difference"),
        "low": ("float64", "", "interval that holds at all looks; of group-sequential plans on days with a look"),
        "high": ("float64", "", "its other end"),
        "p": ("float64", "", "of the same"),
        "naive_low": ("float64", "", "ordinary interval, right once, at the planned end; empty after it"),
        "naive_high": ("float64", "", "its other end"),
        "naive_p": ("float64", "", "of the same"),
        "boundary": ("float64", "", "standard errors beyond which the effect is told from none"),
        "time": ("float64", "share", "of a planned look: its share of the plan; 1 when that has ended"),
        "crossed": ("boolean", "", "told from none by the plan's rule, then or before"),
        "is_end": ("boolean", "", "the plan has run to its end"),
    },
)  # fmt: skip
LEDGER = contracts.declare(
    "looks_ledger",
    grain="one row per experiment, primary metric and arm: how it stood when it was looked at",
    key=["experiment", "metric", "variant", "day"],
    small=True,
    nullable=("value", "low", "high", "p"),
    columns={
        "experiment": EXPERIMENT,
        "metric": METRIC,
        "variant": VARIANT,
        "rule": RULE,
        "day": ("date", "", "up to which the data were looked at"),
        "n": ("int64", "people", "of the arm and control with a value"),
        "value": ("float64", "", "arm less control"),
        "low": ("float64", "", "interval by the plan's rule"),
        "high": ("float64", "", "its other end"),
        "p": ("float64", "", "of the same"),
        "decision": ("string", "", "what was decided; empty: nothing"),
    },
)
LOOKED = contracts.declare(
    "experiment_looked",
    grain="one row per experiment, primary metric and arm",
    key=["experiment", "metric", "variant"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "metric": METRIC,
        "variant": VARIANT,
        "taken": ("int64", "", "looks so far, this one included"),
        "first": ("date", "", "up to which the data were looked at first"),
        "last": ("date", "", "and last"),
        "false_alarms": ("float64", "share", "chance that an ordinary test were wrong at one of so many equal looks"),
    },
)


def looks(cube: Cube, plans: Sequence[dict], *, last_day: date | None) -> pd.DataFrame:
    """Effects on the primary metrics by day, with the intervals of the plan's rule (contract `experiment_looks`).

    A day's row is of the people who by its end had had the days that the metric looks ahead. Of a fixed horizon the confidence
    sequence is given, which holds at every look, but what decides is the ordinary test at the planned end, and `crossed` is
    false before it. Tables of units without days and quantiles have no rows; nor has a plan with looks strata, by day.

    Args:
        last_day: Last local day of the data; None when undated.
    """
    rows = [row for plan in plans for metric in plan["metric"] if metric["role"] == "primary"
            for row in _of_metric(cube, plan, metric, last_day)]  # fmt: skip
    made = pd.DataFrame(rows, columns=list(LOOKS.columns))
    return _typed(made, LOOKS)


def _typed(made: pd.DataFrame, contract: contracts.Contract) -> pd.DataFrame:
    types = {"string": "str", "int64": "int64", "float64": "float64", "boolean": "bool", "date": "datetime64[us]"}
    return made.astype({column: types[spec.dtype] for column, spec in contract.columns.items()})


def _of_metric(cube: Cube, plan: dict, metric: dict, last_day: date | None) -> Iterator[dict]:
    for variant in plan["variants"]:
        if variant == plan["control"]:
            continue
        along = rules.points(cube, plan, metric, variant, last_day=last_day)
        by_day = {said.point.day: said for said in _by_rule(plan, variant, along)}
        crossed = False
        for point, plain, is_past in zip(along, naive(plan, along), _past(along), strict=True):
            said = by_day.get(point.day, Said(point, point.compared.normal()[0]))
            crossed = crossed or (said.crossed if plan["looks"] != FIXED else point.is_end and plain.p < plan["alpha"])
            yield _row(plan, metric, variant, said, Estimate(plain.value) if is_past else plain, crossed)


def _by_rule(plan: dict, variant: str, along: Sequence[Point]) -> list[Said]:
    return rules.staged(plan, along) if plan["looks"] == STAGED else rules.sequence(plan, variant, along)


def _past(along: Sequence[Point]) -> list[bool]:
    """Is the planned end over? The day on which the plan ends is not."""
    ended = [point.is_end for point in along]
    return [False, *ended[:-1]] if ended else []


def naive(plan: dict, along: Sequence[Point]) -> list[Estimate]:
    """The ordinary interval and p at each point by the metric's method, as if nobody had looked before."""
    confidence = 1 - plan["alpha"]
    if not along or any(point.compared.counts is None for point in along):
        return [point.compared.difference(confidence) for point in along]
    counts = np.array([[*own[0], *own[1]] for own in (point.compared.counts for point in along)], dtype=float)
    there = (counts[:, 1] > 0) & (counts[:, 3] > 0)
    found = np.full((4, len(along)), UNKNOWN)
    k, n, k_arm, n_arm = counts[there].T
    pooled = (k + k_arm) / (n + n_arm)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / n_arm))
    value = k_arm / n_arm - k / n
    z = np.divide(np.abs(value), error, out=np.zeros_like(value), where=error > 0)
    found[:, there] = value, *stats.score_interval(k, n, k_arm, n_arm, confidence=confidence), 2 * distributions.norm.sf(z)
    return [Estimate(*(float(one) for one in own)) for own in found.T]


def _row(plan: dict, metric: dict, variant: str, said: Said, plain: Estimate, crossed: bool) -> dict:
    point, made = said.point, said.point.compared
    return {
        "experiment": plan["name"], "metric": metric["name"], "kind": metric["kind"], "variant": variant, "rule": plan["looks"],
        "unit": compared.unit(metric), "alpha": plan["alpha"], "day": point.day, "people": point.people,
        "n": made.n + made.control_n, "smaller": compared.smaller(made.n, made.control_n), "share": point.share,
        "difference": said.value, "se": made.normal()[1], "low": said.low, "high": said.high, "p": said.p,
        "naive_low": plain.low, "naive_high": plain.high, "naive_p": plain.p, "boundary": said.boundary, "time": said.time,
        "crossed": crossed, "is_end": point.is_end,
    }  # fmt: skip


def ledger(found: pd.DataFrame, decisions: pd.DataFrame | None = None) -> pd.DataFrame:
    """This run's rows for the record of looks (contract `looks_ledger`): how each primary effect stands on its latest day.

    Args:
        found: Contract `experiment_looks`.
        decisions: Contract `experiment_decisions`, whose words go with them.
    """
    last = found.sort_values("day").groupby(["experiment", "metric", "variant"], sort=True).tail(1)
    said = last.rename(columns={"difference": "value"}).assign(decision="")
    if decisions is not None and len(decisions):
        made = decisions.set_index(["experiment", "variant"])["decision"].to_dict()
        keys = zip(said["experiment"], said["variant"], strict=True)
        said["decision"] = [made.get(key, "") for key in keys]
    return _typed(said[list(LEDGER.columns)].sort_values(list(LEDGER.key), ignore_index=True), LEDGER)


def looked_before(published: pd.DataFrame, plans: Sequence[dict]) -> pd.DataFrame:
    """The looks that were published, as rows for `looked`: every week in which a primary effect was sent out.

    Args:
        published: `week`, `metric` ("experiment: metric"), `slice` (the arm).
    """
    rows = []
    for plan in plans:
        for name in plan["primary"]:
            own = published[(published["metric"] == f"{plan['name']}: {name}") & published["week"].str.contains("-W")]
            days = [date.fromisocalendar(int(week[:4]), int(week[6:]), 7) for week in own["week"]]
            rows += [(plan["name"], name, variant, day) for variant, day in zip(own["slice"], days, strict=True)]
    return pd.DataFrame(rows, columns=["experiment", "metric", "variant", "day"])


def looked(found: pd.DataFrame, published: pd.DataFrame | None = None) -> pd.DataFrame:
    """How often each primary effect has been looked at, this run included (contract `experiment_looked`).

    Args:
        found: Contract `experiment_looks`.
        published: The looks of runs before, as `looked_before` or `ledger` give them; a day that was looked at twice counts once.
    """
    both = [frame for frame in (published, ledger(found)) if frame is not None and len(frame)]
    taken = pd.concat(both, ignore_index=True) if both else ledger(found)
    taken = taken.assign(day=pd.to_datetime(taken["day"])).drop_duplicates(["experiment", "metric", "variant", "day"])
    groups = taken.groupby(["experiment", "metric", "variant"], sort=True)["day"]
    counted = groups.agg(taken="count", first="min", last="max").reset_index()
    counted["false_alarms"] = [alarms(int(n)) for n in counted["taken"]]
    return _typed(counted, LOOKED)


@lru_cache(maxsize=256)
def alarms(n: int) -> float:
    """Chance that the ordinary test is wrong at one of so many looks, at 5 % each."""
    return group_sequential.false_alarms(n)
