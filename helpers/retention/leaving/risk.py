"""How likely an active member is not to come back within 28 days: a logistic model, learned and tested on a time split.

It learns from the windows of 28 days that were over four weeks ago, and is tested on the last one, which it has not seen: on what
it would have said four weeks ago. What is tested is what serves. Members are described by what they did in the 56 days before a
window, most of it in the last 28.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd

from helpers import contracts
from helpers.retention.leaving.past import SPAN, SUMS
from helpers.segments import proof
from helpers.segments.likelihood import (
    DIGITS,
    FARTHEST,
    FEWEST_PAID,
    FEWEST_TESTED,
    calibrated,
    turns,
)
from helpers.segments.pay_windows import MOST_PEOPLE, taken

WINDOW = timedelta(days=SPAN)
PAST = 2 * WINDOW.days  # that members are described by
LEAST_DAYS = PAST + 2 * WINDOW.days  # to describe, to learn and to be tested
TOP = 0.1  # of the members of the test, who stand out
FEATURES = ("active_days", "active_days_before", "last_week", "missed", "dwell_minutes", *SUMS, "away", "tenure", "pay_days")
COUNTED = {"paid": "lost", "learned_paid": "learned_lost", "top_paid": "top_lost"}  # what `proof` calls by another name

RISK_MODEL = contracts.declare(
    "risk_model",
    grain="one row: the model of who will be lost, and its test",
    key=["last_day"],
    needs="events",
    small=True,
    nullable=proof.UNTESTED,
    columns=proof.of_model(whom="active members", outcome="lost", did="were not active", one="a lost member"),
)
RISK_TENTHS = contracts.declare(
    "risk_tenths",
    grain="one row per tenth of the members of the test, and one for all of them",
    key=["tenth"],
    needs="events",
    small=True,
    nullable=("promised", "observed", "low", "high", "lift"),
    columns=proof.of_tenths(outcome="lost", did="were not active"),
)


@dataclass(frozen=True)
class RiskModel:
    """What a model says and how far it can be believed.

    Attributes:
        refused: Empty where the model serves; else why there is none: "short_history", "few_lost", "few_stayed", "alike",
            "few_tested" or "chance" (in the test it did no better than chance).
        intercept, weights: The log odds are the intercept and the sum over FEATURES of weight x ln(1 + feature).
        middle: Mean of ln(1 + feature) of those learned from: what reasons are measured from.
        verdict: One row (contract `risk_model`).
        tenths: What was promised in the test and what came of it (contract `risk_tenths`).
    """

    refused: str
    intercept: float
    weights: Mapping[str, float]
    middle: Mapping[str, float]
    verdict: pd.DataFrame
    tenths: pd.DataFrame


def described(first_seen: ibis.Table, spans: ibis.Table, days: list[date]) -> ibis.Table:
    """FEATURES of everybody who was active in the 28 days up to each of some days, and whether they were `lost` after it.

    Args:
        spans: As `by_span` gives them for the first of the days.
        days: Each 28 days before the one before it.

    Returns:
        One row a member and day: `user_id`, `nth` (place of the day), FEATURES, `acts` (contents, comments, shares and
        reactions), `tenure_days` (since the first active day; `tenure` ends after 56 days, so that it tells no window from
        another), `lost` (not active in the 28 days after the day, as far as the data go).
    """
    met = spans.filter(spans.active_days > 0, spans.span.between(0, len(days) - 1)).rename(nth="span")
    before = spans.select("user_id", nth=spans.span - 1, active_days_before="active_days", pay_days_before="pay_days")
    after = spans.filter(spans.active_days > 0).select("user_id", nth=spans.span + 1, back=True)
    met = met.left_join(before, ["user_id", "nth"]).drop("user_id_right", "nth_right")
    met = met.left_join(after, ["user_id", "nth"]).drop("user_id_right", "nth_right")
    met = met.join(first_seen.select("user_id", "first_active_day"), "user_id")
    end = ibis.array([ibis.literal(day).epoch_days() for day in days])[met.nth.cast("int32")]  # as Spark 4.0 counts places
    since = (end - met.first_active_day.epoch_days()).cast("int64")
    return met.select(
        "user_id", "nth", "active_days", *SUMS, active_days_before=met.active_days_before.fill_null(0),
        away=met.away - SPAN * met.nth, pay_days=met.pay_days + met.pay_days_before.fill_null(0),
        dwell_minutes=met.dwell_s / 60, tenure=ibis.least(since, PAST - 1), tenure_days=since,
        last_week=met.last_week, missed=(met.last_week == 0).cast("int64"),
        acts=met.create + met.comment + met.share + met.react, lost=met.back.isnull(),
    )  # fmt: skip


def windows(first_day: date | None, last_day: date) -> list[date]:
    """The days before the windows: of the test, and then of those to learn from; none where the history is too short."""
    known = [] if first_day is None else [last_day - WINDOW * back for back in (1, 2, 3)]
    known = [day for day in known if (day - first_day).days + 1 >= PAST]
    return known if len(known) > 1 else []


def deviations(people: ibis.Table, model: RiskModel) -> dict[str, ibis.Value]:
    """By feature, ln(1 + feature) of a member less the mean of those learned from."""
    return {name: (people[name].cast("float64") + 1).ln() - model.middle[name] for name in FEATURES}


def contributions(people: ibis.Table, model: RiskModel) -> dict[str, ibis.Value]:
    """By feature, how much it adds to the log odds of a member beyond those of the mean member learned from."""
    return {name: apart * model.weights[name] for name, apart in deviations(people, model).items()}


def chance(people: ibis.Table, model: RiskModel) -> ibis.Value:
    """The probability of not being active in the 28 days to come; empty where there is no model."""
    if model.refused:
        return ibis.null("float64")
    middle = model.intercept + sum(model.weights[name] * model.middle[name] for name in FEATURES)
    odds = sum(contributions(people, model).values(), ibis.literal(middle))
    odds = ibis.least(ibis.greatest(odds, -FARTHEST), FARTHEST)
    return (1 / (1 + (-odds).exp())).round(9)


def risk_model(people: ibis.Table, *, first_day: date | None, last_day: date) -> RiskModel:
    """The model as of the end of `last_day`.

    Args:
        people: As `described` gives them for `windows(first_day, last_day)`, `nth` counting these.
        first_day: Of the data; None where there are none.
    """
    befores = windows(first_day, last_day)
    facts = {"last_day": last_day, "history_days": 0 if first_day is None else max((last_day - first_day).days + 1, 0)}
    if not befores:
        return _refused("short_history", facts)
    rows = taken(people, "lost", FEATURES, most=MOST_PEOPLE)
    test, *learned = [rows[rows["nth"] == nth] for nth in range(len(befores))]
    learned = [window for window in learned if len(window)]
    facts |= {"tested_from": befores[0] + timedelta(days=1), "tested_until": last_day}
    facts |= {"people": _sum(test), "lost": _sum(test[test["lost"]])}
    facts |= {"learned_people": sum(map(_sum, learned)), "learned_lost": sum(_sum(window[window["lost"]]) for window in learned)}
    why = _why_not(learned, test)
    return _refused(why, facts) if why else _tested(learned, test, facts)


def _why_not(learned: list[pd.DataFrame], test: pd.DataFrame) -> str:
    """Why nothing can be learned or tested, or nothing."""
    rows = pd.concat(learned) if learned else test.iloc[:0]
    for why, number in (("few_lost", rows["lost"].sum()), ("few_stayed", (~rows["lost"]).sum())):
        if number < FEWEST_PAID:
            return why
    if np.ptp(rows[list(FEATURES)].to_numpy(dtype=float), axis=0).max() == 0:
        return "alike"
    return "few_tested" if min(test["lost"].sum(), (~test["lost"]).sum()) < FEWEST_TESTED else ""


def _tested(learned: list[pd.DataFrame], test: pd.DataFrame, facts: dict) -> RiskModel:
    rows = pd.concat(learned)
    features, lost, weight = _features(rows), rows["lost"].to_numpy(dtype=bool), rows["weight"].to_numpy(dtype=float)
    weights, intercept = calibrated(features, lost, weight, turns([window["lost"].to_numpy(dtype=bool) for window in learned]))
    odds = np.clip(_features(test) @ weights + intercept, -FARTHEST, FARTHEST)
    given = (np.round(1 / (1 + np.exp(-odds)), 9), test["lost"].to_numpy(dtype=bool), test["weight"].to_numpy(dtype=float))
    facts |= proof.tested(*given, base=facts["learned_lost"] / facts["learned_people"], top=TOP)
    refused = "" if facts["auc_low"] > 0.5 else "chance"
    middle = np.round(np.average(features, axis=0, weights=weight), DIGITS)
    named = [dict(zip(FEATURES, map(float, numbers), strict=True)) for numbers in (weights, middle)]
    return RiskModel(refused, intercept, *named, _verdict(refused, facts), proof.tenths(*given).rename(columns=COUNTED))


def _features(rows: pd.DataFrame) -> np.ndarray:
    return np.log(rows[list(FEATURES)].to_numpy(dtype=float) + 1)


def _sum(rows: pd.DataFrame) -> int:
    return round(float(rows["weight"].sum()))


def _refused(why: str, facts: dict) -> RiskModel:
    nobody = dict.fromkeys(RISK_TENTHS.columns, 0) | dict.fromkeys(RISK_TENTHS.nullable)
    none = dict.fromkeys(FEATURES, 0.0)
    return RiskModel(why, 0.0, none, none, _verdict(why, facts), pd.DataFrame([nobody]))


def _verdict(refused: str, facts: dict) -> pd.DataFrame:
    unknown = dict.fromkeys(RISK_MODEL.columns, 0) | dict.fromkeys(RISK_MODEL.nullable)
    named = {COUNTED.get(name, name): value for name, value in facts.items()}
    return pd.DataFrame([unknown | {"refused": refused} | named])
