"""The decision by the plan's own rule: ship, stop, extend by so many days, or cannot be read.

1. Under a red gate nothing is read; nor is anything where nobody has a value, or nothing varies.
2. While the plan runs it goes on, and its numbers are not shown, unless its own sequential rule says that it may be read now.
   It runs until everybody exposed up to the planned end has had the days that the primary metrics look ahead.
3. A primary metric that is clearly worse, or a guardrail whose whole interval lies beyond its margin, stops it.
4. A primary metric that is clearly better after the correction of its family, with every guardrail shown to lose less than its
   margin, ships it, once the guardrails have had their days, too. A guardrail that is not shown then needs more people.
5. Otherwise nothing is clear. Where the intervals of all primary metrics leave out an effect as large as the one that matters, it
   stops: whatever there is, is smaller. Else it is extended by the days that the missing people take to come, or stops where that
   is more than four times the plan. Without an effect that matters in the plan, what is not clear stops.

Clearly worse is told by the plain interval and clearly better by the corrected p as well: harm is believed sooner than gain.
Guardrails are told by the two-sided interval of the plan, which is a one-sided test at half its alpha.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import pandas as pd

from helpers import contracts
from helpers.experiments.methods.estimates import UNKNOWN
from helpers.experiments.plan import CONTROL, EXPERIMENT, VARIANT, frame
from helpers.experiments.planning import further
from helpers.experiments.planning.further import Further
from helpers.experiments.trust.allocation import ALARM, metric_of
from helpers.experiments.trust.health import gate

SHIP, EXTEND, STOP, UNREADABLE = "ship", "extend", "stop", "unreadable"
ORDER = (SHIP, EXTEND, STOP, UNREADABLE)  # which arm is named first
FIXED = "fixed-horizon"

DECISIONS = contracts.declare(
    "experiment_decisions",
    grain="one row per experiment and arm against control",
    key=["experiment", "variant"],
    small=True,
    nullable=("difference", "low", "high", "p", "limit", "days", "users", "gain", "gain_low", "gain_high", "change_at"),
    columns={
        "experiment": EXPERIMENT,
        "variant": VARIANT,
        "control": CONTROL,
        "best": ("boolean", "", "the arm that is named"),
        "decision": ("string", "", "ship, stop, extend, or unreadable"),
        "reason": ("string", "", "key of the sentence"),
        "status": ("string", "", "waiting, running, complete, or open where the plan has no end"),
        "metric": ("string", "", "the metric that decides, or the guardrail"),
        "better": ("string", "", "more or less"),
        "unit": ("string", "", '"points", "money" or "number"; "share" of control where the margin is one'),
        "confidence": ("float64", "share", "of the interval"),
        "difference": ("float64", "", "arm less control"),
        "low": ("float64", "", "its interval"),
        "high": ("float64", "", "its interval"),
        "p": ("float64", "", "corrected for the family"),
        "limit": ("float64", "", "what it is held against: the effect that matters, or the margin of the guardrail"),
        "people": ("int64", "people", "people of the smaller arm with a value"),
        "days": ("float64", "days", "to go on for"),
        "users": ("float64", "people", "of all arms, still to come"),
        "until": ("string", "", "last day of these days; empty if not known"),
        "gain": ("float64", "", "effect times the people who enter in a week, or times 1,000 units"),
        "gain_low": ("float64", "", "its interval"),
        "gain_high": ("float64", "", "its interval"),
        "gain_unit": ("string", "", "people, money or number"),
        "gain_per": ("string", "", "week, thousand, or empty where effects do not add up over people"),
        "change": ("string", "", "key of what would change the decision"),
        "change_at": ("float64", "", "the number in it"),
        "lacks": ("string", "", "what the plan does not say: dates, matters, or both"),
        "because": ("string", "", "check of the health gate that withholds the verdict"),
    },
)
EMPTY = {"metric": "", "better": "more", "unit": "number", "difference": UNKNOWN, "low": UNKNOWN, "high": UNKNOWN,
         "p": UNKNOWN, "limit": UNKNOWN, "people": 0, "days": UNKNOWN, "users": UNKNOWN, "gain": UNKNOWN,
         "gain_low": UNKNOWN, "gain_high": UNKNOWN, "gain_unit": "", "gain_per": "", "change": "", "change_at": UNKNOWN,
         "because": ""}  # fmt: skip


GAINS = {"points": "people"}  # of a share; money is money and a number a number


class Turned(NamedTuple):
    """An effect turned so that more is better, in the unit in which it is held against a limit."""

    row: dict
    value: float
    low: float
    high: float
    limit: float
    is_better: bool = False  # clearly, after the family's correction
    is_worse: bool = False  # clearly
    is_relative: bool = False


class State(NamedTuple):
    """How far the plan is: days that are left until the primary metrics, and until the guardrails, are known of everybody."""

    status: str
    left: float = 0.0
    guards_left: float = 0.0


def decisions(
    effects: pd.DataFrame, health: pd.DataFrame, plans: Sequence[dict], looks: pd.DataFrame | None, arrivals: pd.DataFrame, *,
    last_day: date | None,
) -> pd.DataFrame:  # fmt: skip
    """The decision on each arm of each experiment (contract `experiment_decisions`).

    Args:
        effects: Contract `effects`; of its readings only "planned" counts, which is by the plan's rule of looks.
        health: Contract `experiment_health`; experiments that it lacks have no rows.
        looks: Contract `experiment_looks`: whether the rule of a plan that may be read before its end has told something.
        arrivals: Contract `experiment_arrivals`.
        last_day: Of the data; None where they hold no days.
    """
    gates = gate(health).set_index("experiment")
    planned = effects[effects["reading"] == "planned"]
    rows = []
    for plan in plans:
        if plan["name"] not in gates.index:
            continue
        own = planned[planned["experiment"] == plan["name"]]
        state, new = _state(plan, last_day), further.by_day(arrivals, plan["name"])
        readings = _readings(plan, own, looks, last_day)
        arms = [arm for arm in sorted(plan["variants"]) if arm != plan["control"]]
        found = []
        for arm in arms:
            if gates.loc[plan["name"], "verdict"] == ALARM:
                decided = {"decision": UNREADABLE, "reason": "gate", "because": gates.loc[plan["name"], "because"]}
            else:
                decided = _decide(plan, arm, readings.get(arm, []), _guards(plan, own, arm), state, new)
            found.append({**_named(plan, arm, state), **EMPTY, **decided, "until": _until(last_day, decided)})
        best = min(range(len(found)), key=lambda at: _rank(found[at], readings), default=None)
        rows += [tuple({**one, "best": at == best}[name] for name in DECISIONS.columns) for at, one in enumerate(found)]
    return frame(rows, DECISIONS)


def _state(plan: dict, last_day: date | None) -> State:
    if plan["units"]:
        return State("complete")
    if plan["end"] is None or last_day is None:
        return State("open")
    guards = [one["metric"] for one in plan["guardrails"]]
    left, guards_left = (
        float(max((plan["end"] - last_day).days + further.horizon(plan, names), 0)) for names in (plan["primary"], guards)
    )
    begun = plan["start"] is None or last_day >= plan["start"]
    return State("complete" if not left else "running" if begun else "waiting", left, guards_left if guards else 0.0)


def _readings(plan: dict, own: pd.DataFrame, looks: pd.DataFrame | None, last_day: date | None) -> dict[str, list[Turned]]:
    """Of each arm the primary metrics, in the order of the plan."""
    rows = [row for row in own.to_dict("records") if row["metric"] in plan["primary"]]
    found: dict[str, list[Turned]] = {}
    for row in sorted(rows, key=lambda one: plan["primary"].index(one["metric"])):
        turned = _turned(row, _matters(plan, row))
        crossed = _has_crossed(plan, row, looks, last_day)
        found.setdefault(row["variant"], []).append(turned._replace(
            is_better=crossed and turned.low > 0 and _corrected(row) < plan["alpha"], is_worse=crossed and turned.high < 0
        ))  # fmt: skip
    return found


def _has_crossed(plan: dict, row: dict, looks: pd.DataFrame | None, last_day: date | None) -> bool:
    """Whether a sequential rule has told the effect from none; what has no looks is told by its interval alone."""
    if plan["looks"] == FIXED or looks is None or looks.empty:
        return True
    own = looks[(looks["experiment"] == plan["name"]) & (looks["metric"] == row["metric"]) & (looks["variant"] == row["variant"])]
    own = own if last_day is None else own[pd.to_datetime(own["day"]) <= pd.Timestamp(last_day)]
    return bool(own.loc[pd.to_datetime(own["day"]).idxmax(), "crossed"]) if len(own) else True


def _corrected(row: dict) -> float:
    """p after the family's correction, where there is one."""
    return float(row["p"] if math.isnan(row["p_corrected"]) else row["p_corrected"])


def _guards(plan: dict, own: pd.DataFrame, arm: str) -> list[Turned]:
    found = []
    for guard in plan["guardrails"]:
        rows = own[(own["metric"] == guard["metric"]) & (own["variant"] == arm)]
        row = rows.iloc[0].to_dict() if len(rows) else {"metric": guard["metric"], "variant": arm}
        found.append(_turned(row, float(guard["margin"]), is_relative=bool(guard["relative"])))
    return found


def _turned(row: dict, limit: float, *, is_relative: bool = False) -> Turned:
    names = ("relative", "relative_low", "relative_high") if is_relative else ("difference", "low", "high")
    value, low, high = (float(row.get(name, UNKNOWN)) for name in names)
    if row.get("better") == "less":
        value, low, high = -value, -high, -low
    return Turned(row, value, low, high, limit, is_relative=is_relative)


def _matters(plan: dict, row: dict) -> float:
    """The smallest effect that matters, in the metric's unit; NaN where the plan does not say it."""
    if plan["matters"] is not None:
        return float(plan["matters"])
    if plan["matters_relative"] is not None and row["control_value"]:
        return float(plan["matters_relative"]) * abs(float(row["control_value"]))
    return UNKNOWN


def _decide(plan: dict, arm: str, readings: list[Turned], guards: list[Turned], state: State, new: Sequence[int]) -> dict:
    runs = state.status in ("waiting", "running")
    known = [one for one in readings if not math.isnan(one.low)]
    worse, better = [one for one in known if one.is_worse], [one for one in known if one.is_better]
    if runs and (plan["looks"] == FIXED or not (worse or better)):
        return {"decision": EXTEND, "reason": state.status, "days": state.left, "change": state.status}
    if not known:
        return {"decision": UNREADABLE, "reason": "nothing", "change": "nothing"}
    violated = [one for one in guards if one.high < -one.limit]
    if worse:
        return _said(plan, min(worse, key=_p), STOP, "worse", new, change_at=-min(worse, key=_p).high)
    if violated:
        return _said(plan, violated[0], STOP, "violated", new, change_at=-violated[0].high)
    if better:
        return _better(plan, min(better, key=_p), guards, state, new)
    return _unclear(plan, known, new)


def _better(plan: dict, best: Turned, guards: list[Turned], state: State, new: Sequence[int]) -> dict:
    """Clearly better: are the guardrails?"""
    unsafe = [one for one in guards if not one.row.get("is_safe", False)]
    if state.guards_left and (unsafe or plan["looks"] == FIXED):
        return _said(plan, best, EXTEND, "guardrail_waits", new, days=state.guards_left)
    if not unsafe:
        return _said(plan, best, SHIP, "better_safe" if guards else "better", new, change_at=best.low)
    untold = [one for one in unsafe if math.isnan(one.low)]
    if untold:
        named = {"metric": untold[0].row["metric"], "change": "guardrail_untold"}
        return {"decision": UNREADABLE, "reason": "guardrail_untold", **named}
    margin = unsafe[0].limit * (abs(float(unsafe[0].row["control_value"])) if unsafe[0].is_relative else 1.0)
    missing = further.needed({**plan, "alpha": plan["alpha"] / 2}, unsafe[0].row, margin, new, sides=1)
    return _later(plan, unsafe[0], missing, "guardrail_open", "guardrail_too_long", new)


def _unclear(plan: dict, known: list[Turned], new: Sequence[int]) -> dict:
    """Nothing is clear: is an effect that matters still possible?"""
    if all(math.isnan(one.limit) for one in known):
        return _said(plan, known[0], STOP, "unclear", new)
    possible = [one for one in known if one.high >= one.limit]
    if not possible:
        return _said(plan, known[0], STOP, "too_small", new, change_at=known[0].high)
    arms = sum(share > 0 for share in plan["variants"].values())
    comparisons = 1 if plan["correction"] == "none" else max(len(plan["primary"]) * (arms - 1), 1)
    missing = further.needed(plan, possible[0].row, possible[0].limit, new, comparisons=comparisons)
    return _later(plan, possible[0], missing, "possible", "too_long", new)


def _later(plan: dict, one: Turned, missing: Further, reason: str, too_long: str, new: Sequence[int]) -> dict:
    have = float(one.row["n"]) + float(one.row["control_n"])
    if further.is_too_long(plan, missing, new, have):
        days, users = (number if math.isfinite(number) else UNKNOWN for number in (missing.days, missing.users))
        return _said(plan, one, STOP, too_long, new, days=days, users=users, change_at=one.limit)
    return _said(plan, one, EXTEND, reason, new, days=missing.days, users=missing.users, change_at=one.limit)


def _said(plan: dict, one: Turned, decision: str, reason: str, new: Sequence[int], **more) -> dict:
    """With the effect that decides, and its gain."""
    row, sign = one.row, -1.0 if one.row["better"] == "less" else 1.0
    low, high = sorted((sign * one.low, sign * one.high))
    times, per = further.times(plan, metric_of(plan, row["metric"]), new)
    gain, gain_low, gain_high = (float(row[name]) * times for name in ("difference", "low", "high"))
    return {
        "decision": decision, "reason": reason, "metric": row["metric"], "better": row["better"],
        "unit": "share" if one.is_relative else row["unit"], "difference": sign * one.value, "low": low, "high": high,
        "limit": one.limit, "p": _corrected(row), "people": int(min(row["n"], row["control_n"])), "gain": gain,
        "gain_low": gain_low, "gain_high": gain_high, "gain_unit": GAINS.get(row["unit"], row["unit"]) if per else "",
        "gain_per": per, "change": reason, **more,
    }  # fmt: skip


def _named(plan: dict, arm: str, state: State) -> dict:
    lacks = [] if plan["units"] or (plan["start"] and plan["end"]) else ["dates"]
    lacks += [] if plan["matters"] is not None or plan["matters_relative"] is not None else ["matters"]
    return {"experiment": plan["name"], "variant": arm, "control": plan["control"], "status": state.status,
            "confidence": 1 - plan["alpha"], "lacks": ", ".join(lacks)}  # fmt: skip


def _until(last_day: date | None, decided: dict) -> str:
    """The last of the days that it goes on for."""
    days = decided.get("days", UNKNOWN)
    if decided["decision"] != EXTEND or math.isnan(days) or last_day is None:
        return ""
    return (last_day + timedelta(days=int(days))).isoformat()


def _p(one: Turned) -> float:
    return float(one.row["p"])


def _rank(row: dict, readings: dict[str, list[Turned]]) -> tuple:
    """The arm that comes first: by its decision, by its effect on the first primary metric where it may be read, and by name."""
    first = readings.get(row["variant"], [])
    effect = first[0].value if row["metric"] and first and not math.isnan(first[0].value) else -math.inf
    return ORDER.index(row["decision"]), -effect, row["variant"]
