"""The other readings of an effect: for those who ask whether it hangs on the planned method, never to pick from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd

from helpers import contracts
from helpers.experiments.counted.cube import Cube
from helpers.experiments.effect import compared as comparing
from helpers.experiments.effect.compared import SHARES, Compared
from helpers.experiments.effect.effects import COLUMNS, NULLABLE, Told, described, made_of
from helpers.experiments.methods import bayes, shares, spread
from helpers.experiments.methods.estimates import ENDLESS, UNKNOWN, Estimate
from helpers.experiments.peeking import rules, sequential

PLAIN, CUPED, NEWCOMBE, DELTA, RANKS, BOOTSTRAP, BAYES = "plain", "cuped", "newcombe", "delta", "ranks", "bootstrap", "bayes"
SEQUENCE, MIXTURE, STRATIFIED, QUANTILE = "sequence", "mixture", "post_stratified", "quantile"
QUANTILES = (0.5, 0.9, 0.99)
HEAVY = ("mean", "revenue")  # kinds whose tails may rule the mean

READINGS = contracts.declare(
    "effect_readings",
    grain="one row per experiment, metric, arm against control and reading that is not the planned one",
    key=["experiment", "metric", "variant", "reading"],
    small=True,
    nullable=(*NULLABLE, "chance", "loss"),
    columns={
        **COLUMNS,
        "chance": ("float64", "share", "Bayes: that the arm is better; ranks: that one of the arm has more than one of control"),
        "loss": ("float64", "", "Bayes: lost on average if the arm is shipped, in the effect's unit"),
    },
)


def readings(
    cube: Cube, plans: Sequence[dict], *,
    spread: pd.DataFrame | None = None, quantiles: pd.DataFrame | None = None, values: pd.DataFrame | None = None, seed: int,
) -> pd.DataFrame:  # fmt: skip
    """All readings but the planned one, of all the data, none corrected (contract `effect_readings`).

    Without adjustment ("plain"), adjusted where the plan does not ("cuped", "post_stratified by ..."), Newcombe's interval
    ("newcombe"), the relative effect by the delta method ("delta"), ranks, the Poisson bootstrap, Bayes with a flat prior,
    quantiles, the confidence sequence ("sequence") and the mixture test ("mixture", of the effect that matters) where they are
    not the plan's rule.

    Args:
        spread: Contract `experiment_spread`, for ranks.
        quantiles: Contract `experiment_quantiles`.
        values: Contract `experiment_values`, for the bootstrap.
        seed: Of the bootstrap.
    """
    frames = {"spread": spread, "quantiles": quantiles, "values": values}
    rows = []
    for plan in plans:
        own = {name: _own(given, plan) for name, given in frames.items()}
        for metric, variant in product(plan["metric"], plan["variants"]):
            if variant != plan["control"]:
                rows += list(_of_arm(cube, plan, metric, variant, own, seed))
    return made_of(rows, READINGS)


def _own(given: pd.DataFrame | None, plan: dict) -> pd.DataFrame | None:
    return None if given is None else given[given["experiment"] == plan["name"]]


def _of_arm(cube: Cube, plan: dict, metric: dict, variant: str, frames: dict, seed: int) -> Iterator[dict]:
    confidence, made = 1 - plan["alpha"], comparing.planned(cube, plan, metric, variant, quantiles=frames["quantiles"])
    found: dict[str, tuple] = {}
    if metric["kind"] != "quantile":
        found |= _adjusted(cube, plan, metric, variant, made)
        effect = Estimate(made.arm.value - made.control.value, method="delta")
        found[DELTA] = (made, effect, made.relative(confidence, form="delta"))
    if metric["kind"] in SHARES:
        found |= _newcombe(comparing.plain(metric, *comparing.of_all(cube, plan, metric, variant)), confidence)
    found |= _looked(plan, metric, variant, made)
    found |= _by_quantile(plan, metric, variant, frames["quantiles"])
    found |= _ranked(plan, metric, variant, frames["spread"])
    if metric["kind"] in HEAVY:
        plain = comparing.plain(metric, *comparing.of_all(cube, plan, metric, variant))
        found |= _drawn(plan, metric, variant, frames["values"], plain, seed)
    for reading, (own, effect, relative) in found.items():
        row = described(plan, metric, variant, reading, Told(own, effect, relative))
        row |= {"rule": plan["looks"] if reading in (SEQUENCE, MIXTURE) else rules.FIXED, "chance": UNKNOWN, "loss": UNKNOWN}
        if reading == DELTA:
            row["p"] = relative.p
        if reading == RANKS:
            row |= {"chance": effect.value + 0.5, "difference": UNKNOWN, "se": UNKNOWN}  # it is in no metric's unit
        reason = own.reason() if reading != RANKS or math.isnan(effect.p) else ""
        yield row | {"final": True, "reason": reason}
    yield _believed(plan, metric, variant, made)


def _told(made: Compared, confidence: float) -> tuple[Compared, Estimate, Estimate]:
    return made, made.difference(confidence), made.relative(confidence)


def _adjusted(cube: Cube, plan: dict, metric: dict, variant: str, made: Compared) -> dict:
    """The adjustments that the plan leaves aside, or none where it adjusts or looks more than once."""
    confidence, pair = 1 - plan["alpha"], comparing.of_all(cube, plan, metric, variant)
    found = {}
    if plan["looks"] != rules.FIXED or not math.isnan(made.left):
        found[PLAIN] = _told(comparing.plain(metric, *pair), confidence)
    if metric["covariates"] and not comparing.covariates(plan, metric):
        found[CUPED] = _told(comparing.cuped(metric, *pair, metric["covariates"]), confidence)
    for name in plan["strata"]:
        stratified = comparing.stratified(cube, plan, metric, variant, name)
        if stratified is not None and stratified.method != made.method:
            found[f"{STRATIFIED} by {name}"] = _told(stratified, confidence)
    return found


def _newcombe(made: Compared, confidence: float) -> dict:
    effect = shares.compare(*made.counts, confidence=confidence, method="newcombe")
    return {NEWCOMBE: (made, effect, Estimate(UNKNOWN))}


def _looked(plan: dict, metric: dict, variant: str, made: Compared) -> dict:
    """The rules for looking again and again that are not the plan's."""
    value, se = made.normal()
    n, tuned = made.n + made.control_n, rules.tuned_for(plan, variant)
    if not (se > 0 and n > 0):
        return {}
    found = {}
    if plan["looks"] != rules.ALWAYS:
        limit = float(sequential.multiplier(n, tuned_for=tuned, alpha=plan["alpha"]))
        told = sequential.confidence_sequence(value, se, n, tuned_for=tuned, alpha=plan["alpha"])
        effect = Estimate(value, float(told.low), float(told.high), float(told.p), se, ENDLESS, "confidence sequence")
        found[SEQUENCE] = (made, effect, _around(made, limit))
    matters = plan["matters"] or (plan["matters_relative"] or 0.0) * abs(made.control.value)
    if matters > 0 and metric["role"] == "primary":
        test = sequential.mixture(value, se**2, matters**2, alpha=plan["alpha"])
        half = float(test.half)
        effect = Estimate(value, value - half, value + half, float(test.p), se, ENDLESS, "mixture SPRT")
        found[MIXTURE] = (made, effect, _around(made, half / se))
    return found


def _around(made: Compared, limit: float) -> Estimate:
    size = abs(made.control.value)
    value = (made.arm.value - made.control.value) / size if size > 0 else UNKNOWN
    return Estimate(value, *made.relative_within(limit, limit))


def _by_quantile(plan: dict, metric: dict, variant: str, quantiles: pd.DataFrame | None) -> dict:
    """Of sums and means, as the frame has them; of a quantile the others."""
    if quantiles is None or metric["kind"] not in (*HEAVY, "quantile"):
        return {}
    found = {}
    for share in QUANTILES:
        made = comparing.of_quantile(quantiles, plan, metric, variant, share)
        is_planned = metric["kind"] == "quantile" and np.isclose(share, metric["quantile"])
        if made.n and made.control_n and not is_planned:
            found[f"{QUANTILE} {100 * share:g}"] = _told(made, 1 - plan["alpha"])
    return found


def _ranked(plan: dict, metric: dict, variant: str, given: pd.DataFrame | None) -> dict:
    if given is None or metric["kind"] in SHARES:
        return {}
    own = given[(given["metric"] == metric["name"]) & (given["variant"] == variant)]
    if own.empty:
        return {}
    row = own.iloc[0]
    n, control_n = int(row["n"]), int(row["control_n"])
    effect = spread.ranks(control_n, n, float(row["more"]), float(row["ties"]))
    nowhere = Compared(*[comparing.NOBODY] * 2, control_n, n, effect.method)
    return {RANKS: (nowhere, effect, Estimate(UNKNOWN))}


def _drawn(plan: dict, metric: dict, variant: str, given: pd.DataFrame | None, plain: Compared, seed: int) -> dict:
    """The Poisson bootstrap of a mean without adjustment."""
    if given is None:
        return {}
    own = given[given["metric"] == metric["name"]]
    arms = [own[own["variant"] == name] for name in (plan["control"], variant)]
    if any(arm.empty for arm in arms):
        return {}
    counted = [(arm["value"].to_numpy(dtype=float), arm["people"].to_numpy()) for arm in arms]
    effect = spread.poisson_bootstrap(*counted, seed=seed, confidence=1 - plan["alpha"])
    return {BOOTSTRAP: (plain, effect, Estimate(UNKNOWN))}


def _believed(plan: dict, metric: dict, variant: str, made: Compared) -> dict:
    """With a flat prior: as wide as the interval, it says how likely the arm is better, and what is lost on average if not."""
    found = bayes.read(made.normal(), confidence=1 - plan["alpha"], higher_is_better=metric["better"] == "more")
    effect = Estimate(found.value, found.low, found.high, UNKNOWN, found.sd, ENDLESS, "Bayes, flat prior")
    row = described(plan, metric, variant, BAYES, Told(made, effect, Estimate(UNKNOWN)))
    return row | {
        "rule": rules.FIXED, "chance": found.chance, "loss": found.loss, "final": True, "reason": made.reason(),
    }  # fmt: skip
