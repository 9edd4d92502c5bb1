"""What is decided on experiments and whether they may be read: one sentence each, made from the same numbers as the decision."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import pandas as pd

from helpers.show import format, gate, sentences, words
from helpers.show.said import experiments
from helpers.show.words import subject, word

MOST = 3  # checks that are named in one sentence
FINEST = 6  # decimals
WHOLE = 0.5  # people: where all ends are as many, a gain is told in whole ones
CLEAR = ("higher", "lower")
TOP, OF_TOP = 0.99, ("largest_ok", "largest_skew")  # told of the largest hundredth
OF_FEW = ("several", "rule", "unplanned")  # whose numbers are those of the people that they count
FREE = ("count", "days")  # what is not about people
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
CUT = re.compile(r"^(\w+) = (.*)$", re.DOTALL)  # a slice and its level
NUMBERLESS = ("gate", "nothing", "running", "waiting", "guardrail_untold")
GUARDED = ("violated", "guardrail_open", "guardrail_too_long")
COLUMNS = {
    "arm_told": ("Arm", "text"), "act": ("Decision", "text"), "effect_told": ("Effect", "text"),
    "interval_told": ("Interval", "text"), "gain_told": ("Gain", "text"), "gain_interval_told": ("Its interval", "text"),
    "days": ("Days to go", "days"), "status_told": ("Status", "text"),
}  # fmt: skip
CHECKS = {
    "experiment": ("Experiment", "text"), "what": ("Check", "text"), "verdict_told": ("Verdict", "text"),
    "found": ("Found", "text"), "p": ("p", "p"),
}  # fmt: skip


def lines(decisions: pd.DataFrame, health: pd.DataFrame) -> list[str]:
    """The decision of each experiment in a sentence.

    Args:
        decisions: Contract `experiment_decisions`.
        health: Contract `experiment_health`.
    """
    return [decision(own, health) for _, own in decisions.groupby("experiment", sort=False)]


def decision(rows: pd.DataFrame, health: pd.DataFrame) -> str:
    """What to do with one experiment, why, how much it brings, and what would change it.

    Of several arms the best is named. Under a red gate: why, and what to do.

    Args:
        rows: Of one experiment, contract `experiment_decisions`.
        health: Contract `experiment_health`.
    """
    best = rows[rows["best"]].iloc[0].to_dict()
    if best["reason"] == "gate":
        own = health[health["experiment"] == best["experiment"]]
        return _line("because", best, word("said.decisions.gate", why=_alarms(own), todo=_todo(best["because"])))
    if gate.is_small(best["people"]):
        return word("change.withheld", metric=gate.name(best["experiment"]), k=gate.settings().min_group)
    has_numbers = best["reason"] not in NUMBERLESS
    parts = [_line("line" if has_numbers else "because", best, _why(best)), _further(best), _change(best)]
    parts += [word("said.decisions.best_of", n=len(rows))] if len(rows) > 1 and has_numbers else []
    parts += [word("said.decisions.lacks_dates")] if best["status"] == "open" else []
    return format.joined(parts, "clauses")


def headline(decisions: pd.DataFrame, health: pd.DataFrame) -> str:
    """The decision of the first experiment in at most 25 words; of the reason only the effect."""
    first = decisions[decisions["experiment"] == decisions["experiment"].iloc[0]]
    best = first[first["best"]].iloc[0].to_dict()
    experiment = gate.name(best["experiment"])
    if best["reason"] == "gate":
        return word("said.decisions.headline_blocked", experiment=experiment)
    if gate.is_small(best["people"]) or best["reason"] in NUMBERLESS:
        return word("said.decisions.headline_plain", experiment=experiment, act=_act(best))
    return _line("line", best, _effect(best))


def title(decisions: pd.DataFrame) -> str:
    """How many experiments are to be shipped, and how many cannot be read."""
    best = decisions[decisions["best"]]
    ship, red = int((best["decision"] == "ship").sum()), int((best["reason"] == "gate").sum())
    return word("said.decisions.title_red" if red else "said.decisions.title", ship=ship, n=len(best), red=red)


def shown(decisions: pd.DataFrame) -> pd.DataFrame:
    """Every arm with its decision, effect and gain in words; numbers of few people are withheld."""
    records = decisions.to_dict("records")
    hidden = [gate.is_small(row["people"]) for row in records]
    made = {
        "effect_told": [format.value(row["difference"], row["unit"], sign=True) for row in records],
        "interval_told": [_interval(row["low"], row["high"], row["unit"]) for row in records],
        "gain_told": [_amount(row["gain"], row, sign=True) for row in records],
        "gain_interval_told": [_amounts(row, row["gain_low"], row["gain_high"]) for row in records],
    }
    for name, texts in made.items():
        made[name] = [gate.small_mark() if gone else text for gone, text in zip(hidden, texts, strict=True)]
    return decisions.assign(
        arm_told=[format.joined([gate.name(row["experiment"]), gate.name(row["variant"])], "commas") for row in records],
        act=[_act(row) for row in records],
        status_told=[word(f"said.decisions.status_{row['status']}") for row in records],
        **made,
    )


def gates(found: pd.DataFrame, health: pd.DataFrame) -> list[str]:
    """Whether each experiment may be read, and what speaks against it.

    Args:
        found: Contract `experiment_gate`.
        health: Contract `experiment_health`.
    """
    keys = {"alarm": "blocked", "watch": "watched", "ok": "readable", "unknown": "untested"}
    said = []
    for row in found.to_dict("records"):
        own = health[health["experiment"] == row["experiment"]]
        own = own[own["check"] == row["because"]] if row["verdict"] == "unknown" else own
        seen = _alarms(own) if row["verdict"] == "alarm" else _listed(own[own["verdict"] == row["verdict"]])
        todo = _todo(row["because"]) if row["verdict"] == "alarm" else ""
        told = {"experiment": gate.name(row["experiment"]), "found": seen, "todo": todo}
        said.append(word(f"said.decisions.{keys[row['verdict']]}", **told))
    return said


def gates_title(found: pd.DataFrame) -> str:
    """How many experiments are red, and how many are to be watched."""
    counts = {name: int((found["verdict"] == verdict).sum()) for name, verdict in (("red", "alarm"), ("watched", "watch"))}
    return word("said.decisions.gates_title", n=len(found), **counts)


def checks(health: pd.DataFrame) -> pd.DataFrame:
    """Every check with its name, its verdict and what was found, in words."""
    records = health.to_dict("records")
    return health.assign(
        what=[word(f"said.decisions.checks.{row['check']}") for row in records],
        verdict_told=[word(f"said.decisions.{row['verdict']}") for row in records],
        found=[check(row) for row in records],
        p=[None if gate.is_small(row["people"]) else row["p"] for row in records],
    )


def alarming(health: pd.DataFrame) -> pd.DataFrame:
    """The checks that are not fine, in words, the alarms first."""
    own = health[health["verdict"].isin(["alarm", "watch"])]
    return checks(own.sort_values("verdict", kind="stable"))


def check(row: Mapping) -> str:
    """What one check found. Numbers from which those of a few people would follow are withheld."""
    is_small = gate.is_small(row["people"])
    is_hidden = is_small and row["unit"] not in FREE
    units = {"value": row["unit"], "other": "count" if row["said"] == "largest_skew" else row["unit"]}
    told = {name: gate.small_mark() if is_hidden else _number(row[name], unit) for name, unit in units.items()}
    if row["said"] in OF_TOP and not gate.enough_for(row["people"], TOP):
        told["value"] = word("gate.withheld")  # a hundredth of so few is one person
    told |= {"p": word("gate.withheld") if is_small else format.value(row["p"], "p"), "where": _where(row),
             "metric": gate.name(row["metric"]), "people": format.value(row["people"], "people"), "who": subject()}  # fmt: skip
    is_of_few = is_hidden and row["check"] in OF_FEW and row["said"] != "unplanned_weightless"
    key = f"{row['check']}_few" if is_of_few else row["said"]
    return word(f"said.decisions.found.{key}", **told)


def _where(row: Mapping) -> str:
    """Days as dates."""
    where = gate.name(row["where"])
    if row["check"] in ("by_slice", "imbalance"):
        where = CUT.sub(lambda found: f"{words.dimension(found[1]).lower()} = {experiments.level(found[1], found[2])}", where)
    return DAY.sub(lambda found: format.day(found[0]), where) if row["check"] in ("by_day", "changed", "imbalance") else where


def _line(key: str, row: Mapping, why: str) -> str:
    return word(f"said.decisions.{key}", experiment=gate.name(row["experiment"]), act=_act(row), why=why)


def _act(row: Mapping) -> str:
    key = row["decision"] if row["reason"] not in ("running", "waiting") else f"act_{row['reason']}"
    if key == "extend" and math.isnan(row["days"]):
        key = "extend_untold" if math.isnan(row["users"]) else "extend_users"
    users = word("said.decisions.of_people", n=format.value(row["users"], "count"), people=subject())
    days = format.value(row["days"], "days", digits=0)
    return word(f"said.decisions.{key}", arm=gate.name(row["variant"]), days=days, users=users)


def _why(row: Mapping) -> str:
    """The reason: the effect in the words of its interval, and what the rule makes of it."""
    reason, unit = row["reason"], row["unit"]
    told = {
        "limit": _size(row["limit"], unit), "until": format.value(row["until"], "date"), "people": subject(),
        "metric": gate.name(row["metric"]), "arm": gate.name(row["variant"]), "p": format.value(row["p"], "p"),
        "needed": _needed(row),
    }  # fmt: skip
    if reason in NUMBERLESS:
        return word(f"said.decisions.{reason}", **told)
    found = _found(row)
    said = _effect(row, gain=_gain(row))
    if found in CLEAR and reason in ("too_small", "unclear", "possible", "too_long"):
        said += word("said.decisions.no_longer_clear", **told)
    return said + word(f"said.decisions.{reason}", **told)


def _effect(row: Mapping, gain: str = "") -> str:
    """What the interval says, and with what numbers."""
    return word(
        f"said.decisions.{_found(row)}", metric=gate.name(row["metric"]), control=gate.name(row["control"]),
        size=_size(row["difference"], row["unit"], row["low"], row["high"]), level=_level(row["confidence"]), gain=gain,
        interval=_interval(row["low"], row["high"], row["unit"]),
    )  # fmt: skip


def _found(row: Mapping) -> str:
    """What the interval says: higher, lower, or no clear change."""
    return {"up": "higher", "down": "lower"}.get(sentences.verdict(row["low"], row["high"]), "no_clear")


def _gain(row: Mapping) -> str:
    """What the effect comes to in a week; only its interval where that is not what decides."""
    if math.isnan(row["gain_low"]) or not row["gain_unit"] or row["reason"] in GUARDED:
        return ""
    kind = _found(row) if row["reason"] in ("better", "better_safe", "worse") else "no_clear"
    ends = ("more_of_people", "less_of_people") if row["gain_unit"] == "people" else ("more", "less")
    more, less = (word(f"said.decisions.{name}", people=subject()) for name in ends)
    low, high = (row["gain_low"], row["gain_high"]) if kind != "lower" else (-row["gain_high"], -row["gain_low"])
    interval = _amounts(row, low, high)
    if kind == "no_clear" and row["gain_unit"] == "people":
        interval = word("said.decisions.of_people", n=interval, people=subject())
    per = word(f"said.decisions.per_{row['gain_per']}")
    told = {"size": _amount(abs(row["gain"]), row), "interval": interval, "more": more, "less": less, "per": per}
    return word(f"said.decisions.gain_{kind}", **told)


def _further(row: Mapping) -> str:
    """How many people are still needed, where they come by days."""
    if row["decision"] != "extend" or math.isnan(row["users"]) or math.isnan(row["days"]):
        return ""
    return word("said.decisions.more_people", users=format.value(row["users"], "count"), people=subject())


def _change(row: Mapping) -> str:
    """What would change the decision; nothing where the number in it says nothing."""
    if not row["change"] or (not math.isnan(row["change_at"]) and row["change_at"] <= 0):
        return ""
    at = _size(row["change_at"], row["unit"])
    return word(f"said.decisions.change_{row['change']}", at=at, people=subject())


def _alarms(own: pd.DataFrame) -> str:
    """What the alarms found, and where an imbalance sits."""
    alarms = own[own["verdict"] == "alarm"]
    sits = own[(own["check"] == "imbalance") & (own["verdict"] == "watch")]
    is_split = alarms["check"].isin(["sample_ratio", "by_day"]).any()
    return _listed(pd.concat([alarms, sits]) if is_split else alarms)


def _listed(rows: pd.DataFrame) -> str:
    """What these checks found, the first few in full."""
    found = [check(row) for row in rows.to_dict("records")]
    more = [word("said.decisions.further", n=len(found) - MOST)] if len(found) > MOST else []
    return format.joined([*found[:MOST], *more], "clauses")


def _todo(because: str) -> str:
    return word(f"said.decisions.todo.{because}")


def _needed(row: Mapping) -> str:
    """How long, or else how many, it would take."""
    if not math.isnan(row["days"]):
        return format.value(row["days"], "days", digits=0)
    return word("said.decisions.of_people", n=format.value(row["users"], "count"), people=subject())


def _size(number: float, unit: str, *ends: float) -> str:
    """An amount without a sign, fine enough that what is not 0 does not read so."""
    return format.value(abs(number), unit, digits=_digits(unit, number, *ends)).lstrip("+")


def _interval(low: float, high: float, unit: str) -> str:
    """Both ends with their signs; what is not 0 does not read so."""
    return format.interval(low, high, unit, digits=_digits(unit, low, high))


def _number(number: float, unit: str) -> str:
    return format.value(number, unit, digits=0 if unit == "days" else None, bare=unit == "days")


def _digits(unit: str, *numbers: float) -> int | None:
    known = [float(number) for number in numbers if not math.isnan(number) and number]
    if unit in ("count", "people", "days") or not known:
        return None
    digits = format.decimals(max(map(abs, known)), unit)
    while digits < FINEST and any(not re.search("[1-9]", format.value(number, unit, digits=digits)) for number in known):
        digits += 1
    return digits


def _amount(gain: float, row: Mapping, *, sign: bool = False) -> str:
    unit, digits = _of_gain(row)
    return format.value(gain, unit, sign=sign, digits=digits)


def _amounts(row: Mapping, low: float, high: float) -> str:
    unit, digits = _of_gain(row)
    return format.interval(low, high, unit, digits=digits)


def _of_gain(row: Mapping) -> tuple[str, int | None]:
    """People as whole numbers, unless that would make nothing of them; money in its own way."""
    if row["gain_unit"] == "money":
        return "money", None
    known = [abs(row[name]) for name in ("gain", "gain_low", "gain_high") if not math.isnan(row[name])]
    is_large = row["gain_unit"] == "people" and min(known, default=0.0) >= WHOLE
    return ("count", None) if is_large else ("number", _digits("number", *known))


def _level(confidence: float) -> str:
    return format.value(confidence, "share", digits=0 if round(confidence * 100, 6).is_integer() else 1)
