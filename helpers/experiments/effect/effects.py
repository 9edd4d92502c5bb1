"""Effects: each arm against control on each metric, by the one method that the plan names, corrected within its family."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import product
from typing import NamedTuple

import pandas as pd
from scipy import stats as distributions

from helpers import contracts, stats
from helpers.experiments.counted.cube import DAY, PEOPLE, UNCAPPED, VALUE, Cube
from helpers.experiments.effect import compared as comparing
from helpers.experiments.effect.compared import NOT_COUNTED, Compared
from helpers.experiments.methods import estimates, families, shares
from helpers.experiments.methods.estimates import UNKNOWN, Estimate
from helpers.experiments.peeking import rules, sequential
from helpers.experiments.peeking.rules import ALWAYS, FIXED, NO_LOOK, Point, Said
from helpers.experiments.plan import CONTROL, EXPERIMENT, KIND, METRIC, ROLE, UNIT, VARIANT, frame
from helpers.experiments.planning import arrival

PLANNED = "planned"
ROLES = ("primary", "secondary", "guardrail", "exploratory")
EXPLORED = "benjamini-hochberg"
METHODS = {"holm": "holm", "bonferroni": "bonferroni", EXPLORED: "fdr_bh"}

COLUMNS = {
    "experiment": EXPERIMENT,
    "metric": METRIC,
    "kind": KIND,
    "role": ROLE,
    "primary": ("boolean", "", "a metric that decides"),
    "variant": VARIANT,
    "control": CONTROL,
    "reading": ("string", "", '"planned": by the plan\'s method; others stand beside it'),
    "method": ("string", "", "name of the method"),
    "rule": ("string", "", '"fixed-horizon", or the rule of the looks by which interval and p hold'),
    "alpha": ("float64", "", "false alarms that the plan allows; the intervals leave out so much"),
    "unit": UNIT,
    "better": ("string", "", '"more" or "less"'),
    "capped": ("boolean", "", "sums of a person are cut at the plan's quantile"),
    "n": ("int64", "people", "of the arm, with a value"),
    "control_n": ("int64", "people", "of control, with a value"),
    "smaller": ("int64", "people", "of the smaller arm; of the other where one has nobody"),
    "value": ("float64", "", "of the arm, as the method has it: adjusted where it adjusts"),
    "control_value": ("float64", "", "of control, likewise"),
    "difference": ("float64", "", "arm less control; where a planned look stopped the test, median unbiased"),
    "low": ("float64", "", "end of its interval, at the plan's alpha"),
    "high": ("float64", "", "its other end"),
    "p": ("float64", "", "two-sided; below alpha just where the interval leaves out 0"),
    "se": ("float64", "", "standard error of the difference"),
    "df": ("float64", "", "degrees of freedom; empty: normal"),
    "relative": ("float64", "share", "difference over the size of control"),
    "relative_low": ("float64", "share", "end of its interval (Fieller, Koopman), which leaves out 0 where the other does"),
    "relative_high": ("float64", "share", "its other end; both empty where there is no bound"),
    "family": ("string", "", "effects that are corrected together: those of the same role; empty: none"),
    "correction": ("string", "", '"holm", "bonferroni", "benjamini-hochberg" or "none"'),
    "p_corrected": ("float64", "", "p corrected in its family"),
    "simultaneous_low": ("float64", "", "end of the interval that holds for all primary effects together (Bonferroni)"),
    "simultaneous_high": ("float64", "", "its other end"),
    "variance_left": ("float64", "share", "variance that the adjustment leaves: so many of the people would have been enough"),
    "days_saved": ("float64", "days", "further days on which people would have to come without it"),
    "margin": ("float64", "", "of a guardrail: what may be lost"),
    "margin_relative": ("boolean", "", "the margin is a share of control"),
    "bound": ("float64", "", "what is lost at most, on the side that is worse, in the margin's unit (a loss is below 0)"),
    "noninferior_p": ("float64", "", "one-sided p of a loss as large as the margin; safe below half of alpha"),
    "is_safe": ("boolean", "", "a guardrail that is shown to lose less than its margin"),
    "final": ("boolean", "", "the plan lets it be read today: its end is reached, a look stopped it, or it may be read always"),
    "looked": ("string", "", "day of the look that interval and p are of; empty: all the data"),
    "reason": ("string", "", "key of why nothing can be told; empty: something can"),
}  # fmt: skip
NULLABLE = (
    "value", "control_value", "difference", "low", "high", "p", "se", "df", "relative", "relative_low", "relative_high",
    "p_corrected", "simultaneous_low", "simultaneous_high", "variance_left", "days_saved", "margin", "bound", "noninferior_p",
)  # fmt: skip
EFFECTS = contracts.declare(
    "effects",
    grain="one row per experiment, metric, arm against control and reading: planned, and uncapped beside a capped sum",
    key=["experiment", "metric", "variant", "reading"],
    small=True,
    nullable=NULLABLE,
    columns=COLUMNS,
)


def effects(
    cube: Cube, plans: Sequence[dict], *, last_day: date | None, quantiles: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Each planned arm against control on each metric by the plan's method (contract `effects`).

    Shares: the score test. Means, sums and ratios: Welch and the delta method, by CUPED where covariates serve, else
    post-stratified where the plan names strata. Plans with looks: what their rule says at the latest look. What cannot be told
    is NaN, with its reason. The family of a plan is its primary metrics by its arms; secondary and exploratory ones are
    corrected each in their own family by Benjamini and Hochberg; a guardrail stands for itself.

    Args:
        last_day: Last local day of the data; None when undated.
        quantiles: Contract `experiment_quantiles`, for metrics that are quantiles.
    """
    found = [_corrected(list(_of_plan(cube, plan, last_day, quantiles)), plan) for plan in plans]
    return made_of([row for rows in found for row in rows], EFFECTS)


def made_of(rows: list[dict], contract: contracts.Contract) -> pd.DataFrame:
    """Rows as a frame of the contract; what is infinite has no bound, and is empty."""
    made = frame([tuple(row[column] for column in contract.columns) for row in rows], contract)
    numbers = [name for name, spec in contract.columns.items() if spec.dtype == "float64"]
    made[numbers] = made[numbers].replace([math.inf, -math.inf], UNKNOWN)
    return made


class Told(NamedTuple):
    """An effect and the same over the size of control, what they are of, and the look at which the plan's rule tells them."""

    made: Compared
    effect: Estimate
    relative: Estimate
    said: Said | None = None


def _of_plan(cube: Cube, plan: dict, last_day: date | None, quantiles: pd.DataFrame | None) -> Iterator[dict]:
    arms = [variant for variant in plan["variants"] if variant != plan["control"]]
    comparisons = len(arms) * sum(metric["role"] == "primary" for metric in plan["metric"])
    for metric, variant in product(plan["metric"], arms):
        made = comparing.planned(cube, plan, metric, variant, quantiles=quantiles)
        told = told_by(cube, plan, metric, variant, made, last_day=last_day)
        row = described(plan, metric, variant, PLANNED, told)
        row |= _guarded(plan, metric, variant, told) | _saved(cube, plan, metric, told.made, last_day)
        row |= {"final": _is_final(cube, plan, metric, told.said, last_day), "reason": _reason(metric, told, plan, quantiles)}
        if metric["role"] == "primary":
            wide = told if comparisons == 1 else told_by(
                cube, plan, metric, variant, made, last_day=last_day, comparisons=comparisons
            )  # fmt: skip
            row |= {"simultaneous_low": wide.effect.low, "simultaneous_high": wide.effect.high}
        yield row
        if metric["kind"] == "revenue":
            whole = comparing.planned(cube, plan, metric, variant, value=UNCAPPED)
            day = told.said.point.day if told.said else None  # of the same look
            told = told_by(cube, plan, metric, variant, whole, last_day=day or last_day, value=UNCAPPED)
            beside = {"capped": False, "final": row["final"], "reason": _reason(metric, told, plan, quantiles)}
            yield described(plan, metric, variant, UNCAPPED, told) | beside


def told_by(
    cube: Cube, plan: dict, metric: dict, variant: str, made: Compared, *,
    last_day: date | None, value: str = VALUE, comparisons: int = 1,
) -> Told:  # fmt: skip
    """The effect by the plan's rule: of a fixed horizon from all the data, else as it stood at the latest look.

    Args:
        made: Of all the data.
        comparisons: Intervals that shall hold together (Bonferroni).
    """
    confidence = 1 - plan["alpha"] / comparisons
    if plan["looks"] == FIXED:
        return Told(made, made.difference(confidence), made.relative(confidence))
    along = rules.points(cube, plan, metric, variant, last_day=last_day, value=value)
    alone = None
    if not along:
        people = sum(cube.people(plan["name"]).values())
        alone = rules.undated(plan, metric, people, made, last_day)
    said = rules.latest(plan, variant, along, alone, comparisons=comparisons)
    point = said.point if said else alone or along[-1]
    return Told(point.compared, *_at(point, said, plan["looks"]), said)


def _at(point: Point, said: Said | None, rule: str) -> tuple[Estimate, Estimate]:
    """The effect and the relative one; without intervals before any look."""
    made = point.compared
    value, se = made.normal()
    size, method = abs(made.control.value), f"{made.method}, {rule}"
    if said is None:
        return Estimate(value, se=se, method=method), Estimate(value / size if size > 0 else UNKNOWN)
    effect = Estimate(said.value, said.low, said.high, said.p, se, math.inf, method)
    ends = made.relative_within(*said.reach) if not math.isnan(said.reach[0]) else (UNKNOWN, UNKNOWN)
    return effect, Estimate(said.value / size if size > 0 else UNKNOWN, *ends)


def described(plan: dict, metric: dict, variant: str, reading: str, told: Told) -> dict:
    """A row of the contract without what only a planned effect has."""
    made, effect, relative = told.made, told.effect, told.relative
    has_ends = math.isfinite(relative.low) and math.isfinite(relative.high) and relative.hole is None
    empty = dict.fromkeys(NULLABLE, UNKNOWN)
    return empty | {
        "experiment": plan["name"], "metric": metric["name"], "kind": metric["kind"], "role": metric["role"],
        "primary": metric["role"] == "primary", "variant": variant, "control": plan["control"], "reading": reading,
        "method": effect.method, "rule": plan["looks"],
        "alpha": plan["alpha"], "unit": comparing.unit(metric), "better": metric["better"],
        "capped": metric["kind"] == "revenue", "n": made.n, "control_n": made.control_n,
        "smaller": comparing.smaller(made.n, made.control_n), "value": made.arm.value, "control_value": made.control.value,
        "difference": effect.value, "low": effect.low, "high": effect.high, "p": effect.p, "se": effect.se, "df": effect.df,
        "relative": relative.value, "relative_low": relative.low if has_ends else UNKNOWN,
        "relative_high": relative.high if has_ends else UNKNOWN, "family": "", "correction": "none",
        "variance_left": made.left, "margin_relative": False, "is_safe": False, "final": False,
        "looked": told.said.point.day.isoformat() if told.said and told.said.point.day else "", "reason": "",
    }  # fmt: skip


def _reason(metric: dict, told: Told, plan: dict, quantiles: pd.DataFrame | None) -> str:
    if metric["kind"] == "quantile" and (quantiles is None or quantiles.empty):
        return NOT_COUNTED
    reason = told.made.reason(is_normal=plan["looks"] != FIXED)
    return reason or (NO_LOOK if plan["looks"] != FIXED and told.said is None else "")


def _is_final(cube: Cube, plan: dict, metric: dict, said: Said | None, last_day: date | None) -> bool:
    if plan["looks"] == ALWAYS:
        return True
    if plan["looks"] != FIXED:
        return said is not None and said.is_last
    end = rules.planned_end(plan, metric)
    if end is not None:
        return last_day is None or last_day >= end
    return not plan["users"] or sum(cube.people(plan["name"]).values()) >= plan["users"]


def _saved(cube: Cube, plan: dict, metric: dict, made: Compared, last_day: date | None) -> dict:
    """Days on which as many more people would have come as the adjustment is worth, by the curve on which they came."""
    levels = [date.fromisoformat(level) for level in cube.levels(plan["name"], PEOPLE, DAY)]
    latest = last_day and last_day - timedelta(days=metric["horizon"])
    levels = [day for day in levels if latest is None or day <= latest]
    if not (levels and made.left > 0):
        return {}
    days = [levels[0] + timedelta(days=step) for step in range((levels[-1] - levels[0]).days + 1)]
    new = [sum(cube.people(plan["name"], DAY, day.isoformat()).values()) for day in days]
    needed = arrival.days_needed(sum(new) / made.left, new)
    return {"days_saved": UNKNOWN if needed is None else float(needed - arrival.days_needed(sum(new), new))}


def _guarded(plan: dict, metric: dict, variant: str, told: Told) -> dict:
    """Of a guardrail: is it worse by less than its margin? Safe just where the interval's end on the worse side is within it."""
    own = next((guard for guard in plan["guardrails"] if guard["metric"] == metric["name"]), None)
    if own is None:
        return {}
    sign, margin, made = (1.0 if metric["better"] == "more" else -1.0), own["margin"], told.made
    of = told.relative if own["relative"] else told.effect
    bound, p = of.low if sign > 0 else of.high, UNKNOWN
    if plan["looks"] == ALWAYS and not own["relative"]:
        p = _sequential_p(plan, variant, told.made, sign, margin)
    elif plan["looks"] == FIXED and made.counts and min(made.n, made.control_n) > 0:
        z = shares.ratio_score if own["relative"] else _difference_score
        truth = max(1 - sign * margin, 1e-9) if own["relative"] else -sign * min(margin, 1.0)
        p = float(distributions.norm.sf(sign * z(*made.counts, truth)))
    elif plan["looks"] == FIXED:
        how = {"covariance": made.covariance, "df": made.df, "confidence": 1 - plan["alpha"] / 2}
        p = estimates.not_worse(
            made.control, made.arm, margin, higher_is_better=sign > 0, relative_margin=own["relative"], **how
        ).p
    safe = bool(math.isfinite(bound) and sign * bound > -margin)
    return {"margin": margin, "margin_relative": own["relative"], "bound": bound, "noninferior_p": p, "is_safe": safe}


def _difference_score(control: tuple[int, int], arm: tuple[int, int], difference: float) -> float:
    return stats.score_of(*control, *arm, difference=difference)


def _sequential_p(plan: dict, variant: str, made: Compared, sign: float, margin: float) -> float:
    value, se = made.normal()
    shifted, tuned = sign * value + margin, rules.tuned_for(plan, variant)
    found = sequential.confidence_sequence(shifted, se, made.n + made.control_n, tuned_for=tuned, alpha=plan["alpha"])
    return float(found.p) / 2 if shifted > 0 else 1.0


def _corrected(rows: list[dict], plan: dict) -> list[dict]:
    """With the p of each family corrected: planned readings of the same role."""
    for role in ROLES:
        own = [row for row in rows if row["reading"] == PLANNED and row["role"] == role]
        correction = {"primary": plan["correction"], "guardrail": "none"}.get(role, EXPLORED)
        p = [row["p"] for row in own]
        told = families.corrected(p, METHODS[correction]) if correction in METHODS else p
        for row, one in zip(own, told, strict=True):
            row |= {"family": role, "correction": correction, "p_corrected": float(one)}
    return rows


def readable(found: pd.DataFrame, gate: pd.DataFrame) -> pd.DataFrame:
    """The rows of experiments that are not under a red gate, with a `label` (experiment, metric, arm).

    Args:
        found: Effects, other readings, looks.
        gate: `experiment` and `verdict`, as `health.gate` gives it.
    """
    alarmed = set(gate.loc[gate["verdict"] == "alarm", "experiment"])
    chosen = found[~found["experiment"].isin(alarmed)].reset_index(drop=True)
    named = [chosen[name] for name in ("experiment", "metric", "variant") if name in chosen.columns]
    return chosen.assign(label=[", ".join(parts) for parts in zip(*named, strict=True)])
