"""How likely a non-payer is to pay: a logistic model that learns from windows that are over and is tested on a later one.

The data are cut into windows of 28 days, counted from their first day. Of the windows that are over the last is the test; the
model learns from the two before it (from one, where there is one). What is tested is what serves, until the next window is
over: so chances change with what people do, and not with the model, but for once in four weeks. People are described by what
they did before a window, most of it in the 28 days before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd

from helpers.segments import pay_windows, proof
from helpers.segments.pay_windows import FEATURES, WINDOW, Keep, Window

DAY = timedelta(days=1)
LEAST_DAYS = 84  # 28 to describe people by, 28 to learn from, 28 to test on
FEWEST_PAID = 30  # to learn from
FEWEST_TESTED = 15
PENALTY = 1.0
DIGITS = 6  # of a weight: so few that the rounding of sums never shows
FARTHEST = 30.0  # log odds



@dataclass(frozen=True)
class PayModel:
    """What a model says and how far it can be believed.

    Attributes:
        refused: Empty where the model serves; else why there is none: "no_payments", "short_history", "few_paid", "alike",
            "few_tested" or "chance" (in the test it did no better than chance).
        intercept, weights: The log odds are the intercept and the sum over FEATURES of weight x ln(1 + feature).
        verdict: One row (contract `pay_model`).
        tenths: What was promised in the test and what came of it (contract `pay_tenths`).
    """

    refused: str
    intercept: float
    weights: Mapping[str, float]
    verdict: pd.DataFrame
    tenths: pd.DataFrame


def likelihood(people: ibis.Table, models: Sequence[PayModel]) -> ibis.Value:
    """The probability that a person pays in the 28 days to come; empty where there is no model.

    Args:
        people: FEATURES of non-payers, and `nth`, the place of their day.
        models: Of each of the days.
    """
    odds = _own(people, [model.intercept for model in models])
    for name in FEATURES:
        weight = _own(people, [model.weights.get(name, 0.0) for model in models])
        odds = odds + (people[name].cast("float64") + 1).ln() * weight
    odds = ibis.least(ibis.greatest(odds, -FARTHEST), FARTHEST)
    chance = (1 / (1 + (-odds).exp())).round(9)
    return ibis.ifelse(_own(people, [not model.refused for model in models]), chance, ibis.null("float64"))


def _own(people: ibis.Table, values: list) -> ibis.Value:
    """The value that belongs to the day of a row."""
    return ibis.array(values)[people.nth] if len(set(values)) > 1 else ibis.literal(values[0])


def pay_model(user_day: ibis.Table, *, last_day: date, rules: dict) -> PayModel:
    """The model as of the end of `last_day`; later rows change nothing.

    Args:
        user_day: Contract `user_day`.
        rules: The section `payment` says who is a payer, and how large a share of the others may stand out.
    """
    return pay_models(user_day, [last_day], rules=rules)[last_day]


def pay_models(
    user_day: ibis.Table, days: Iterable[date], *, rules: dict, keep: Keep | None = None
) -> dict[date, PayModel]:
    """The same for several days, each from what lies before its end; windows and models that they share are made once.

    Args:
        keep: Gives what a function of a day and a number makes of so many windows, the last of which ends with the day, as it
            is kept; so that windows that are over are looked at once and for all. None: they are made.
    """
    days = sorted(days)
    begins, pays = _beginnings(user_day)
    befores = {day: _befores(begins, day) for day in days}
    windows = pay_windows.windows(user_day, sorted({before for some in befores.values() for before in some}), rules, keep)
    made, models = {}, {}
    for day in days:
        facts = {"last_day": day, "history_days": max((day - (begins or date.max)).days + 1, 0)}
        if pays is None or pays > day:
            made[day] = _refused("no_payments", facts)
        elif not befores[day]:
            made[day] = _refused("short_history", facts)
        else:
            known = tuple(befores[day])
            if known not in models:
                models[known] = _model(known, [windows[before] for before in known], rules)
            made[day] = replace(models[known], verdict=models[known].verdict.assign(**facts))
    return made


def _beginnings(user_day: ibis.Table) -> tuple[date | None, date | None]:
    """The first day of the data, and the first with a payment."""
    found = user_day.aggregate(begins=user_day.day.min(), pays=user_day.day.min(where=user_day.pay > 0)).to_pyarrow()
    return tuple(found.to_pylist()[0].values())


def _befores(begins: date | None, day: date) -> list[date]:
    """The days before the windows to learn from and to be tested on, in this order; none where the history is too short."""
    over = 0 if begins is None else ((day - begins).days + 1) // WINDOW.days
    least = LEAST_DAYS // WINDOW.days
    return [begins + WINDOW * at - DAY for at in range(max(over - least, 1), over)] if over >= least else []


def _model(befores: tuple[date, ...], windows: list[Window], rules: dict) -> PayModel:
    """The model that all windows but the last make, if it passes the test of the last."""
    learned, seen = windows[:-1], windows[-1]
    features, paid, weight = (
        np.concatenate([getattr(window, what) for window in learned]) for what in ("features", "paid", "weight")
    )
    facts = {"learned_people": round(float(weight.sum())), "learned_paid": round(float(weight[paid].sum()))}
    facts |= {"tested_from": befores[-1] + DAY, "tested_until": befores[-1] + WINDOW}
    facts |= {"people": round(float(seen.weight.sum())), "paid": round(float(seen.weight[seen.paid].sum()))}
    if paid.sum() < FEWEST_PAID:
        return _refused("few_paid", facts)
    if paid.all() or np.ptp(features, axis=0).max() == 0:
        return _refused("alike", facts)
    if seen.paid.sum() < FEWEST_TESTED:
        return _refused("few_tested", facts)
    weights, intercept = calibrated(features, paid, weight, turns([window.paid for window in learned]))
    odds = np.clip(seen.features @ weights + intercept, -FARTHEST, FARTHEST)
    given = (np.round(1 / (1 + np.exp(-odds)), 9), seen.paid, seen.weight)
    base, top = facts["learned_paid"] / facts["learned_people"], rules["payment"]["potential_share"]
    facts |= proof.tested(*given, base=base, top=top)
    refused = "" if facts["auc_low"] > 0.5 else "chance"
    named = dict(zip(FEATURES, map(float, weights), strict=True))
    return PayModel(refused, intercept, named, _verdict(refused, facts), proof.tenths(*given))


def turns(outcomes: list[np.ndarray]) -> np.ndarray:
    """Which of two parts each row belongs to: the windows, or the halves of what was done where one has too few of either kind.

    Args:
        outcomes: Of each window, whether each row did what is to be told.
    """
    if len(outcomes) == 2 and all(did.sum() >= FEWEST_TESTED and not did.all() for did in outcomes):
        return np.repeat([0, 1], [len(did) for did in outcomes])
    did = np.concatenate(outcomes)
    halves = np.empty(len(did), dtype=int)
    halves[np.argsort(did, kind="stable")] = np.arange(len(did)) % 2
    return halves


def calibrated(features, paid, weight, turns) -> tuple[np.ndarray, float]:
    """Weights and intercept, stretched so that the odds of either part, as the other part teaches them, fit what came of it.

    The scaling of Platt (1999), on people whom the scaled model has not seen. `turns` as the function of that name gives them.
    """
    foreign = np.empty(len(paid))
    for turn in (0, 1):
        there = turns == turn
        weights, intercept = _fit(features[~there], paid[~there], weight[~there])
        foreign[there] = features[there] @ weights + intercept
    slope, shift = _fit(foreign[:, None], paid, weight)
    weights, intercept = _fit(features, paid, weight)
    return np.round(weights * slope[0], DIGITS), round(float(intercept * slope[0] + shift), DIGITS)


def _fit(features: np.ndarray, paid: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and intercept on features as they are; what does not vary weighs nothing.

    Newton's method, since it ends at one and the same point whatever the order of the sums.
    """
    from sklearn.linear_model import LogisticRegression

    middle = np.average(features, axis=0, weights=weight)
    spread = np.sqrt(np.average((features - middle) ** 2, axis=0, weights=weight))
    varies = spread > 1e-9
    scaled = (features - middle)[:, varies] / spread[varies]
    found = LogisticRegression(C=1 / PENALTY, solver="newton-cholesky", tol=1e-10, max_iter=100)
    found.fit(scaled, paid, sample_weight=weight)
    weights = np.zeros(len(spread))
    weights[varies] = found.coef_[0] / spread[varies]
    return weights, float(found.intercept_[0] - weights @ middle)


def _refused(why: str, facts: dict) -> PayModel:
    nobody = dict.fromkeys(proof.PAY_TENTHS.columns, 0) | dict.fromkeys(proof.PAY_TENTHS.nullable)
    return PayModel(why, 0.0, {}, _verdict(why, facts), pd.DataFrame([nobody]))


def _verdict(refused: str, facts: dict) -> pd.DataFrame:
    unknown = dict.fromkeys(proof.PAY_MODEL.columns, 0) | dict.fromkeys(proof.PAY_MODEL.nullable)
    return pd.DataFrame([unknown | {"refused": refused} | facts])
