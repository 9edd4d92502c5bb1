"""An arm against control on one metric: by the one method that the plan gives it, and by the others that it leaves aside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.experiments.counted.cube import ALL, PER, VALUE, Cell, Cube
from helpers.experiments.counted.moments import Moments
from helpers.experiments.methods import adjusted, estimates, shares, spread
from helpers.experiments.methods.estimates import ENDLESS, NOBODY, UNKNOWN, Estimate, Level

SHARES = ("proportion", "retention")
NOBODY_THERE, TOO_FEW, CONSTANT, NO_DENOMINATOR, NOT_COUNTED = "nobody", "too_few", "constant", "no_denominator", "not_counted"


class Compared(NamedTuple):
    """What both arms come to, and all that a difference between them, absolute or relative, needs.

    `n`, `control_n`: people with a value. `left`: the variance that an adjustment leaves, over that without. `counts`: of
    control and arm (successes, people), where the score test of shares compares them.
    """

    control: Level
    arm: Level
    control_n: int
    n: int
    method: str
    covariance: float = 0.0
    df: float | None = None
    left: float = UNKNOWN
    counts: tuple[tuple[int, int], tuple[int, int]] | None = None

    def difference(self, confidence: float) -> Estimate:
        """Arm less control, with the interval that agrees with its p."""
        if self.counts:
            return shares.compare(*self.counts, confidence=confidence)
        how = {"covariance": self.covariance, "confidence": confidence, "df": self.df}
        return estimates.difference(self.control, self.arm, method=self.method, **how)

    def relative(self, confidence: float, form: str = "fieller") -> Estimate:
        """The same over the size of control."""
        if self.counts and form == "fieller":
            return shares.relative(*self.counts, confidence=confidence)
        how = {"covariance": self.covariance, "confidence": confidence, "df": self.df}
        return estimates.relative(self.control, self.arm, form=form, **how)

    def normal(self) -> tuple[float, float]:
        """The difference and its standard error, for rules that are about normal ones; NaN where there is none above 0."""
        variance = self.control.variance + self.arm.variance - 2 * self.covariance
        return self.arm.value - self.control.value, math.sqrt(variance) if variance > 0 else UNKNOWN

    def relative_within(self, below: float, above: float) -> tuple[float, float]:
        """Fieller's ends of the relative effect so many standard errors below and above; NaN where there is no bound.

        A number below 0 is of an interval that lies all on one side of the value.
        """
        value, se = self.normal()
        size = abs(self.control.value)
        if not (size > 0 and se > 0):
            return UNKNOWN, UNKNOWN
        with_control = math.copysign(1.0, self.control.value) * (self.covariance - self.control.variance)
        ends = []
        for limit, is_low in ((below, True), (above, False)):
            low, high, hole = estimates.fieller((value, se**2), (size, self.control.variance), with_control, limit)
            end = low if is_low == (limit >= 0) else high
            ends.append(end if hole is None and math.isfinite(low) and math.isfinite(high) else UNKNOWN)
        return ends[0], ends[1]

    def reason(self, *, is_normal: bool = False) -> str:
        """Why nothing can be told, as a key; empty where something can.

        Args:
            is_normal: By a rule that takes the difference for normal, which two shares of nobody are not.
        """
        if min(self.n, self.control_n) < 1:
            return NOBODY_THERE
        if math.isnan(self.arm.value - self.control.value):
            return NO_DENOMINATOR
        if (self.counts and not is_normal) or self.normal()[1] > 0:
            return ""
        varies = self.control.variance >= 0 and self.arm.variance >= 0
        return CONSTANT if varies and min(self.n, self.control_n) > 1 else TOO_FEW


def pair(cells: dict[str, Cell], plan: dict, variant: str) -> tuple[Moments, Moments]:
    """The moments of control and of an arm; of nobody where the cube has none."""
    known = [cells[name].moments.names for name in (plan["control"], variant) if name in cells]
    nobody = Cell(Moments.empty(known[0] if known else (VALUE, PER)))
    return cells.get(plan["control"], nobody).moments, cells.get(variant, nobody).moments


def planned(
    cube: Cube, plan: dict, metric: dict, variant: str, *, quantiles: pd.DataFrame | None = None, value: str = VALUE
) -> Compared:
    """By the plan's method: that of `directly`; or post-stratified, where the plan names strata and no covariate serves.

    A plan with looks has no strata: the cube does not know them by day.

    Args:
        quantiles: Contract `experiment_quantiles`, for metrics that are quantiles.
        value: The quantity, where it is not the metric's own ("uncapped").
    """
    if metric["kind"] == "quantile":
        return of_quantile(quantiles, plan, metric, variant, metric["quantile"])
    found = directly(plan, metric, *pair(cube.arms(plan["name"], metric["name"]), plan, variant), value=value)
    if plan["looks"] == "fixed-horizon" and not covariates(plan, metric):
        for name in plan["strata"]:
            return stratified(cube, plan, metric, variant, name, value=value) or found
    return found


def directly(plan: dict, metric: dict, control: Moments, arm: Moments, *, value: str = VALUE) -> Compared:
    """From the moments of two arms: CUPED where covariates serve, else `plain`."""
    chosen = covariates(plan, metric)
    return cuped(metric, control, arm, chosen, value=value) if chosen else plain(metric, control, arm, value=value)


def covariates(plan: dict, metric: dict) -> list[str]:
    """Those that adjust a metric by the plan: shares keep the score test unless the plan itself names covariates."""
    return [] if metric["kind"] in SHARES and not plan["covariates"] else list(metric["covariates"])


def plain(metric: dict, control: Moments, arm: Moments, *, value: str = VALUE) -> Compared:
    """Without any adjustment: the score test of shares, ratios by the delta method, otherwise Welch."""
    sizes = (control.n, arm.n)
    if metric["kind"] in SHARES:
        counts = tuple((round(one.mean_of(value) * one.n), one.n) if one.n else (0, 0) for one in (control, arm))
        return Compared(*(shares.share(*own) for own in counts), *sizes, "score", df=ENDLESS, counts=counts)
    if metric["kind"] == "ratio":
        return Compared(*(_ratio(one, value) for one in (control, arm)), *sizes, "delta method")
    return Compared(*(estimates.mean(one, value) for one in (control, arm)), *sizes, "Welch")


def _ratio(moments: Moments, value: str) -> Level:
    """NaN of nobody."""
    return estimates.ratio(moments, value, PER) if moments.n else NOBODY


def cuped(metric: dict, control: Moments, arm: Moments, names: Sequence[str], *, value: str = VALUE) -> Compared:
    """Adjusted by these quantities of before the exposure; plainly where people are too few for that or nothing varies."""
    there = [name for name in names if name in control.names and _varies(control, arm, name)]
    outcome = (value, PER) if metric["kind"] == "ratio" else value
    found = adjusted.cuped(control, arm, outcome, there) if there and min(control.n, arm.n) > 1 else None
    made = found and _adjusted(found, control, arm, "CUPED")
    return made if made and made.normal()[1] > 0 else plain(metric, control, arm, value=value)


def _varies(control: Moments, arm: Moments, name: str) -> bool:
    """A covariate that is the same for everybody, as of people who have just come, adjusts nothing."""
    at = control.names.index(name)
    return bool(control.cross[at, at] + arm.cross[at, at] > 0)


def stratified(
    cube: Cube, plan: dict, metric: dict, variant: str, stratum: str, *, value: str = VALUE
) -> Compared | None:
    """As if both arms were made up of the levels of a stratum in the same shares; None where the cube does not know it."""
    levels = cube.levels(plan["name"], metric["name"], stratum)
    pairs = [pair(cube.arms(plan["name"], metric["name"], stratum, level), plan, variant) for level in levels]
    if not pairs:
        return None
    outcome = (value, PER) if metric["kind"] == "ratio" else value
    found = adjusted.post_stratified(pairs, outcome, binary=metric["kind"] in SHARES)
    together = [Moments.total(own[side] for own in pairs) for side in (0, 1)]
    made = _adjusted(found, *together, f"post-stratified by {stratum}")
    return made if made.normal()[1] > 0 else plain(metric, *together, value=value)


def _adjusted(found: adjusted.Adjusted, control: Moments, arm: Moments, method: str) -> Compared:
    return Compared(found.control, found.arm, control.n, arm.n, method, found.covariance, found.df, found.left)


def of_quantile(quantiles: pd.DataFrame | None, plan: dict, metric: dict, variant: str, share: float) -> Compared:
    """Two quantiles, of which the engine has counted the order statistics around (contract `experiment_quantiles`)."""
    sides = [quantile_of(quantiles, plan, metric, name, share) for name in (plan["control"], variant)]
    return Compared(sides[0][0], sides[1][0], sides[0][1], sides[1][1], f"quantile {share:g}", df=ENDLESS)


def quantile_of(
    quantiles: pd.DataFrame | None, plan: dict, metric: dict, variant: str, share: float
) -> tuple[Level, int]:
    """A quantile of one arm, and of how many people."""
    if quantiles is None or quantiles.empty:
        return NOBODY, 0
    own = quantiles[
        (quantiles["experiment"] == plan["name"]) & (quantiles["metric"] == metric["name"])
        & (quantiles["variant"] == variant) & np.isclose(quantiles["share"], share)
    ]  # fmt: skip
    if own.empty or not own["n"].iloc[0]:
        return NOBODY, 0
    row = own.iloc[0]
    return spread.of_bounds(row["value"], row["low"], row["high"], int(row["n"])), int(row["n"])


def of_all(cube: Cube, plan: dict, metric: dict, variant: str) -> tuple[Moments, Moments]:
    """Control and arm of everybody."""
    return pair(cube.arms(plan["name"], metric["name"], ALL, ALL), plan, variant)


def unit(metric: dict) -> str:
    """Of a difference of the metric: "points" of shares, "money", or a plain "number"."""
    if metric["kind"] in SHARES:
        return "points"
    return "money" if metric["kind"] == "revenue" or metric.get("of") == "net" else "number"


def smaller(n: int, control_n: int) -> int:
    """People of the smaller arm; of the other where one has nobody, as an empty arm must not hide a small one."""
    return min(n, control_n) or max(n, control_n)
