"""Moments by arm: the one additive table that all effects are computed on."""

from __future__ import annotations

import math
from datetime import date, timedelta
from fractions import Fraction

import ibis
import pandas as pd

from helpers import contracts
from helpers.errors import InputError, nearest
from helpers.experiments.plan import EXPERIMENT, VARIANT, frame, members

KINDS = ("proportion", "mean", "retention")
STEP_BITS = 40
LARGEST = 1e100  # what is larger (NaN and infinity, too) is no measurement, and its square would stop the query
DAY_MEASURES = {"active_days": "active", "events": "active", "net": "net", "create": "create", "pay_days": "pay"}

MOMENTS = contracts.declare(
    "moments",
    grain="one row per experiment, metric and arm",
    key=["experiment", "metric", "variant"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "metric": ("string", "", "name of the metric"),
        "kind": ("string", "", "proportion, mean or retention"),
        "variant": VARIANT,
        "n": ("int64", "people", "people with a value"),
        "total": ("float64", "", "sum of the values"),
        "squares": ("float64", "", "sum of squared deviations from the mean"),
        "missing": (
            "int64",
            "people",
            "people without a value: left blank, or without the time that the metric looks ahead",
        ),
    },
)


def moments(
    plans: list[dict],
    assignments: ibis.Table | None,
    units: ibis.Table | None,
    user_day: ibis.Table | None,
    *,
    last_day: date | None,
) -> pd.DataFrame:
    """Counts, sums and squared deviations of every metric by arm (contract `moments`): what all effects are computed on.

    A metric is a `proportion` or `mean` of a unit table's column, a `retention` (active on local day `day` after
    exposure), or a `mean` `of` a day's measure over the `days` after exposure (`proportion`: of people active on any of
    them); people without a row there count as 0. An arm that nobody is in has n = 0.

    Args:
        plans: As for `arms`; each metric with `name`, `kind`, and `column`, `day` or `days` and `of`.
        user_day: Contract `user_day`; without it, experiments on assignments have no metrics.
        last_day: People whose time ahead reaches beyond it have no value.

    Raises:
        InputError: A plan names a metric, kind or column that does not exist (says which is nearest), or calls a
            proportion what is not 0 or 1.
    """
    found = []
    for plan in plans:
        seen = members(plan, assignments, units)
        if seen is None or ("units" not in plan and user_day is None):
            continue
        seen = seen.filter((seen.arms_seen == 1) & seen.variant.isin(list(plan["variants"])))
        for metric in plan["metric"]:
            made = _moments(_valued(seen, metric, plan, user_day, last_day), plan, metric)
            found.append(made.assign(experiment=plan["name"], metric=metric["name"], kind=metric["kind"]))
    columns = list(MOMENTS.columns)
    made = pd.concat(found, ignore_index=True)[columns] if found else frame([], MOMENTS)
    return made.sort_values(["experiment", "metric", "variant"], ignore_index=True)


def _moments(valued: ibis.Table, plan: dict, metric: dict) -> pd.DataFrame:
    """Sums of whole steps from the middle of all values: exact, so that they are the same in any order and on any engine."""
    middle, step = _scale(valued)
    there = valued.value.notnull()
    steps = ((valued.value - middle) / step).round().cast("decimal(19, 0)")
    counted = valued.group_by("variant").agg(
        n=there.sum(),
        missing=(~there).sum(),
        odd=((valued.value != 0) & (valued.value != 1)).fill_null(False).sum(),
        first=steps.sum().fill_null(0),
        second=(steps * steps).sum().fill_null(0),
    )
    made = counted.to_pandas().set_index("variant").reindex(list(plan["variants"]), fill_value=0).reset_index()
    odd = int(made.pop("odd").sum())
    if metric["kind"] == "proportion" and odd:
        raise InputError(
            f"experiment {plan['name']}: metric {metric['name']} is a proportion, but {odd:,} values are not 0 or 1. "
            'Call it kind = "mean".'
        )
    sums = [[int(sum_) for sum_ in row] for row in zip(made["n"], made.pop("first"), made.pop("second"), strict=True)]
    made["total"] = [float(n * Fraction(middle) + first * Fraction(step)) for n, first, _ in sums]
    made["squares"] = [
        float((second - Fraction(first**2, max(n, 1))) * Fraction(step) ** 2) for n, first, second in sums
    ]
    return made.astype({"n": "int64", "missing": "int64", "total": "float64", "squares": "float64"})


def _scale(valued: ibis.Table) -> tuple[float, float]:
    """The middle of all values, and a step, a power of two, so that none lies more than 2^40 steps from it."""
    ends = valued.aggregate(low=valued.value.min().fill_null(0.0), high=valued.value.max().fill_null(0.0)).to_pandas()
    low, high = (float(ends[end].iloc[0]) for end in ("low", "high"))
    middle = low / 2 + high / 2
    return middle, 2.0 ** (math.frexp(high - middle)[1] - STEP_BITS) if high > middle else 1.0


def _valued(seen: ibis.Table, metric: dict, plan: dict, user_day, last_day: date | None) -> ibis.Table:
    """`variant` and `value` (float, null where there is none) of each person."""
    kind = metric["kind"]
    if kind not in KINDS:
        raise InputError(f'experiment {plan["name"]}: metric kind "{kind}" is not one of {", ".join(KINDS)}.')
    if "units" in plan:
        return seen.select("variant", value=_number(_column(seen, metric, plan)))
    if kind == "retention":
        ahead, first = metric["day"], metric["day"]
    else:
        ahead, first = metric["days"], 1
    measure = "active_days" if kind in ("retention", "proportion") else metric["of"]
    if measure not in DAY_MEASURES:
        raise InputError(
            f'experiment {plan["name"]}: metric {metric["name"]} of "{measure}"; allowed: {", ".join(DAY_MEASURES)}.'
            + nearest(measure, DAY_MEASURES)
        )
    days = user_day.select("user_id", on="day", amount=_amount(user_day, measure))
    met = seen.join(days, "user_id")
    age = met.on.epoch_days() - met.day.epoch_days()
    inside = met.filter((age >= first) & (age <= ahead))
    totals = inside.group_by("user_id").agg(total=inside.amount.sum())
    everyone = seen.left_join(totals, "user_id")
    had_time = everyone.day <= last_day - timedelta(days=ahead)
    value = everyone.total.fill_null(0.0)
    value = (value > 0).cast("float64") if kind in ("retention", "proportion") else value
    return everyone.select("variant", value=ibis.ifelse(had_time, value, ibis.null("float64")))


def _amount(user_day: ibis.Table, measure: str) -> ibis.Value:
    value = user_day[DAY_MEASURES[measure]]
    return (value > 0).cast("float64") if measure.endswith("_days") else value.cast("float64")


def _column(seen: ibis.Table, metric: dict, plan: dict) -> ibis.Value:
    name = metric.get("column", metric["name"])
    if name not in seen.columns:
        raise InputError(
            f'experiment {plan["name"]}: [units.{plan["units"]}] has no column "{name}".{nearest(name, seen.columns)}'
        )
    return seen[name]


def _number(text: ibis.Value) -> ibis.Value:
    """A metric's text as a number, yes and no in their usual spellings as 1 and 0; null where it is none or endless."""
    lower = text.cast("string").strip().lower()
    number = lower.try_cast("float64")
    finite = ibis.ifelse(number.abs() <= LARGEST, number, ibis.null("float64"))
    return ibis.cases((lower.isin(["true", "yes", "t"]), 1.0), (lower.isin(["false", "no", "f"]), 0.0), else_=finite)
