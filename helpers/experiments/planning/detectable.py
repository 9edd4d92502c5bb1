"""What could have been found: the smallest effects that each metric would have shown with the plan's power."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from helpers import contracts
from helpers.experiments.counted.cube import PER, VALUE, Cube
from helpers.experiments.counted.moments import Moments
from helpers.experiments.effect.compared import SHARES, covariates, plain, quantile_of, smaller, unit
from helpers.experiments.effect.slices import against_control
from helpers.experiments.methods import adjusted
from helpers.experiments.methods.estimates import UNKNOWN
from helpers.experiments.plan import CONTROL, EXPERIMENT, KIND, METRIC, ROLE, SMALLER, UNIT, VARIANT, frame
from helpers.experiments.planning import power

ENOUGH, TOO_FEW, NO_AIM, UNTOLD = "enough", "too_few", "no_aim", "unknown"
ADJUSTED = ("boolean", "", "with what is known of people from before the exposure (CUPED)")

POWER = contracts.declare(
    "experiment_power",
    grain="one row per experiment, metric, arm against control, with and without covariates",
    key=["experiment", "metric", "variant", "adjusted"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "metric": METRIC,
        "kind": KIND,
        "unit": UNIT,
        "role": ROLE,
        "variant": VARIANT,
        "control": CONTROL,
        "adjusted": ADJUSTED,
        "planned": ("boolean", "", "the plan decides by this method"),
        "n": ("int64", "people", "of the arm, with a value"),
        "control_n": ("int64", "people", "of control, with a value"),
        "smaller": SMALLER,
        "base": ("float64", "", "value of control"),
        "detectable": ("float64", "", "smallest effect that would have been found with the plan's power, above 0"),
        "relative": ("float64", "share", "the same over the size of control"),
        "matters": ("float64", "", "smallest effect that matters, by the plan, in the metric's unit"),
        "verdict": ("string", "", '"enough" people for what matters, "too_few", "no_aim" (the plan names none), "unknown"'),
    },
    nullable=("base", "detectable", "relative", "matters"),
)


def detectable(cube: Cube, plans: list[dict], quantiles: pd.DataFrame | None = None) -> pd.DataFrame:
    """The smallest effects that would have been found with the plan's power (contract `experiment_power`).

    Args:
        quantiles: Contract `experiment_quantiles`, for the metrics that are quantiles.
    """
    rows = [row for plan in plans for metric in plan["metric"] for row in _detectable(cube, plan, metric, quantiles)]
    return frame(rows, POWER)


def _detectable(cube: Cube, plan: dict, metric: dict, quantiles: pd.DataFrame | None) -> Iterator[tuple]:
    told = {"alpha": plan["alpha"], "power": plan["power"], "comparisons": comparisons(plan, metric)}
    for variant, control, arm in against_control(cube, plan, metric["name"]):
        base, variances, left = _arms(plan, metric, variant, (control, arm), quantiles)
        users, by_plan = (control.n, arm.n), bool(covariates(plan, metric)) and not math.isnan(left)
        for is_adjusted in (False, True) if not math.isnan(left) else (False,):
            part = left if is_adjusted else 1.0
            if metric["kind"] in SHARES:
                size = _of_share(base, users, metric["better"] == "less", told, part)
            else:
                size = _of_mean(variances, users, told, part)
            relative = size / abs(base) if base else UNKNOWN
            matters = _matters(plan, metric, base)
            yield (plan["name"], metric["name"], metric["kind"], unit(metric), metric["role"], variant, plan["control"],
                   is_adjusted, is_adjusted == by_plan, arm.n, control.n, smaller(arm.n, control.n), base, size, relative,
                   matters, _verdict(size, matters))  # fmt: skip


def _arms(
    plan: dict, metric: dict, variant: str, arms: tuple[Moments, Moments], quantiles: pd.DataFrame | None
) -> tuple[float, tuple[float, float], float]:
    """Control's value, the variance of a person of control and of the arm, and the part of it that covariates leave."""
    if metric["kind"] == "quantile":
        found = [quantile_of(quantiles, plan, metric, own, metric["quantile"])[0] for own in (plan["control"], variant)]
        return found[0].value, tuple(one.variance * own.n for one, own in zip(found, arms, strict=True)), UNKNOWN
    variances = tuple(unit_variance(metric, moments) for moments in arms)
    return plain(metric, *arms).control.value, variances, part_left(metric, *arms)


def unit_variance(metric: dict, moments: Moments) -> float:
    """Of one person, in a ratio by the delta method; NaN where it is not known."""
    if moments.n < 2:
        return UNKNOWN
    if metric["kind"] != "ratio":
        return moments.variance(VALUE)
    if not moments.mean_of(PER):
        return UNKNOWN
    means, variances = ((ask(VALUE), ask(PER)) for ask in (moments.mean_of, moments.variance))
    return power.ratio_variance(means, variances, moments.covariance(VALUE, PER))


def part_left(metric: dict, control: Moments, arm: Moments) -> float:
    """The part of the variance that the plan's covariates leave (CUPED); NaN without covariates."""
    known = [name for name in metric["covariates"] if name in control.names]
    if not known or min(control.n, arm.n) < 2:
        return UNKNOWN
    left = adjusted.cuped(control, arm, (VALUE, PER) if metric["kind"] == "ratio" else VALUE, known).left
    return UNKNOWN if math.isnan(left) else power.left_variance(1.0, math.sqrt(max(1.0 - left, 0.0)))


def _of_share(base: float, users: tuple[int, int], falls: bool, told: dict, left: float) -> float:
    """Less variance is as good as more users, and so a share stays one."""
    if not 0 < base < 1 or min(users) < power.LEAST_USERS or not left > 0:
        return UNKNOWN
    worth = (users[0] / left, users[1] / left)
    return abs(power.detectable_share(base, worth, falls=falls, pooled=True, **told))


def _of_mean(variances: tuple[float, float], users: tuple[int, int], told: dict, left: float) -> float:
    variances = tuple(variance * left for variance in variances)
    if min(users) < power.LEAST_USERS or not sum(variances) > 0:
        return UNKNOWN
    return power.detectable_mean(variances, users, **told)


def comparisons(plan: dict, metric: dict) -> int:
    """Tests that share the plan's alpha with this one: the primary metrics in all arms, at the strictest step."""
    family = metric["name"] in plan["primary"] and plan["correction"] != "none"
    return max(len(plan["primary"]) * (len(plan["variants"]) - 1), 1) if family else 1


def _matters(plan: dict, metric: dict, base: float) -> float:
    if metric["name"] not in plan["primary"]:
        return UNKNOWN
    if plan["matters"] is not None:
        return float(plan["matters"])
    return UNKNOWN if plan["matters_relative"] is None else plan["matters_relative"] * abs(base)


def _verdict(size: float, matters: float) -> str:
    if math.isnan(size):
        return UNTOLD
    return NO_AIM if math.isnan(matters) else ENOUGH if size <= matters else TOO_FEW
