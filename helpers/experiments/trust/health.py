"""The health gate: may an experiment be read at all? An alarm withholds its verdict; a watch is said beside it.

Only what makes the verdict wrong is an alarm: a split that is not as planned (in all, or by day), shares of the arms that moved,
values missing in one arm more than in another, arms that differed before, and many people in several arms.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence

import pandas as pd

from helpers import contracts
from helpers.experiments.counted.cube import Cube
from helpers.experiments.effect import compared
from helpers.experiments.methods import estimates
from helpers.experiments.plan import EXPERIMENT, frame
from helpers.experiments.trust import allocation, fitness
from helpers.experiments.trust.allocation import ALARM, OK, UNTOLD, WATCH, Check

SEVERAL_WATCH, SEVERAL_ALARM = 0.001, 0.01  # share of people in several arms: GrowthBook's limits of warning and danger
LEAST_SEVERAL = 10  # people; fewer are never too many
LEAST_PEOPLE = 100  # an arm
MANY_EQUAL = 0.01  # share of rows that are equal to another

HEALTH = contracts.declare(
    "experiment_health",
    grain="one row per experiment and check",
    key=["experiment", "check"],
    small=True,
    nullable=("p", "value", "other"),
    columns={
        "experiment": EXPERIMENT,
        "check": ("string", "", "what is checked"),
        "verdict": ("string", "", "ok, watch, alarm, or unknown where it cannot be told"),
        "said": ("string", "", "key of the sentence"),
        "p": ("float64", "", "that the verdict is told by, corrected for all that the check looks at"),
        "value": ("float64", "", "the number that the sentence names first"),
        "other": ("float64", "", "the number that it is set beside"),
        "where": ("string", "", "arm, level of a slice, day, covariate or names that it sits in"),
        "metric": ("string", "", "metric that it is about"),
        "people": ("int64", "people", "people that it is about"),
        "unit": ("string", "", '"share", "people", "count", "days", "points", "money" or "number": of value and other'),
    },
)
GATE = contracts.declare(
    "experiment_gate",
    grain="one row per experiment",
    key=["experiment"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "verdict": ("string", "", "the worst of its checks: alarm (no verdict), watch, ok, or unknown without a split to test"),
        "because": ("string", "", "the first check of that verdict"),
    },
)


def health(
    cube: Cube, plans: Sequence[dict], arms: pd.DataFrame, *, other: Cube | None = None,
    values: pd.DataFrame | None = None, duplicates: Mapping[str, int] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """All checks of all experiments that the dataset holds (contract `experiment_health`).

    Args:
        arms: Contract `arms`; experiments that it lacks have no rows.
        other: The cube under the other rule for people in several arms.
        values: Contract `experiment_values`.
        duplicates: Rows of each experiment that are equal to another one.
    """
    rows = []
    for plan in plans:
        own = arms[arms["experiment"] == plan["name"]]
        if own.empty:
            continue
        sizes = dict(zip(own["variant"], own["people"].astype(int), strict=True))
        found = [
            _few(plan, sizes), *allocation.checks(cube, plan, sizes), *_several(cube, plan, own, other), _unplanned(plan, own),
            _outside(own), _duplicates(plan, own, duplicates), *fitness.checks(cube, plan, values),
        ]  # fmt: skip
        rows += [(plan["name"], one.check, one.verdict, one.said, one.p, one.value, one.other, one.where, one.metric, one.people,
                  one.unit) for one in found]  # fmt: skip
    return frame(rows, HEALTH)


def gate(health: pd.DataFrame) -> pd.DataFrame:
    """The worst verdict of each experiment (contract `experiment_gate`). What cannot be told is no fault by itself.

    Where the split itself cannot be tested, the gate is unknown unless something else is wrong.
    """
    rows = []
    for experiment, own in health.groupby("experiment", sort=False):
        verdicts = dict(zip(own["check"], own["verdict"], strict=True))
        for verdict in (ALARM, WATCH):
            found = [check for check, one in verdicts.items() if one == verdict]
            if found:
                rows.append((experiment, verdict, found[0]))
                break
        else:
            untold = [check for check in ("few", "sample_ratio") if verdicts.get(check) == UNTOLD]
            rows.append((experiment, UNTOLD if untold else OK, untold[0] if untold else ""))
    return frame(rows, GATE)


def _few(plan: dict, sizes: Mapping[str, int]) -> Check:
    wanted = {arm: sizes.get(arm, 0) for arm, share in plan["variants"].items() if share > 0}
    there = {arm: n for arm, n in wanted.items() if n}
    if len(there) < 2:
        return Check("few", UNTOLD, "few_one" if there else "few_nobody", where=next(iter(there), ""), people=sum(there.values()))
    least = min(sorted(wanted), key=wanted.get)
    verdict = WATCH if wanted[least] < LEAST_PEOPLE else OK
    return Check("few", verdict, f"few_{verdict}", where=least, people=wanted[least])


def _several(cube: Cube, plan: dict, own: pd.DataFrame, other: Cube | None) -> list[Check]:
    """How many were seen in several arms, and whether the rule for them makes the verdict."""
    several, seen = int(own["several"].max()), _seen(plan, own)
    share = several / seen if seen else 0.0
    verdict = OK if several < LEAST_SEVERAL or share < SEVERAL_WATCH else WATCH if share < SEVERAL_ALARM else ALARM
    said = f"several_{verdict}" if several else "several_none"
    counted = Check("several", verdict, said, value=share, where=plan["several_arms"], people=several)
    if not several or other is None:
        return [counted, Check("rule", UNTOLD if several else OK, "rule_unknown" if several else "rule_none")]
    return [counted, _rule(cube, other, plan, several)]


def _rule(cube: Cube, other: Cube, plan: dict, several: int) -> Check:
    """The effect on the first primary metric under both rules: of the arm where they lie farthest apart."""
    metric = allocation.metric_of(plan, plan["primary"][0])
    here, there = (one.arms(plan["name"], metric["name"]) for one in (cube, other))
    both = []
    is_told = metric["kind"] != "quantile" and plan["control"] in here and plan["control"] in there
    for arm in set(here) & set(there) - {plan["control"]} if is_told else ():
        found = [allocation.effect(metric, one[plan["control"]].moments, one[arm].moments) for one in (here, there)]
        if not any(math.isnan(one.low) for one in found):
            both.append((arm, *found))
    if not both:
        return Check("rule", UNTOLD, "rule_unknown", people=several)
    differing = [one for one in both if _direction(one[1]) != _direction(one[2])]
    arm, first, second = max(differing or both, key=lambda one: (abs(one[1].value - one[2].value), one[0]))
    verdict = WATCH if differing else OK
    at = {"where": arm, "metric": metric["name"], "people": several, "unit": compared.unit(metric)}
    return Check("rule", verdict, f"rule_{verdict}", value=first.value, other=second.value, **at)


def _direction(found: estimates.Estimate) -> int:
    """1 or -1 of an effect that is clear, else 0."""
    return 0 if found.covers(0.0) else int(math.copysign(1, found.value))


def _seen(plan: dict, own: pd.DataFrame) -> int:
    """Everybody who was seen in the experiment."""
    left_out = [name for name in ("unplanned", "outside", "several") if name in own]
    if plan["several_arms"] != "left_out":
        left_out.remove("several")
    return int(own["people"].sum() + sum(own[name].max() for name in left_out))


def _unplanned(plan: dict, own: pd.DataFrame) -> Check:
    """People in arms that the plan does not name; whether they are only spelled otherwise."""
    n, names = int(own["unplanned"].max()), str(own["names"].iloc[0]) if "names" in own else ""
    weightless = [arm for arm, share in plan["variants"].items() if not share]
    n_weightless = int(own.loc[own["variant"].isin(weightless), "people"].sum())
    if n_weightless and not n:
        return Check("unplanned", WATCH, "unplanned_weightless", where=", ".join(weightless), people=n_weightless)
    if not n:
        return Check("unplanned", OK, "unplanned_ok")
    meant = {spelled_as(name, list(plan["variants"])) for name in names.split(", ")}
    said = "unplanned_spelled" if meant and "" not in meant else "unplanned_watch"
    return Check("unplanned", WATCH, said, value=n / max(_seen(plan, own), 1), where=names, people=n)


def spelled_as(name: str, arms: Sequence[str]) -> str:
    """The arm that a name looks like a spelling of ("Control ", "CONTROL", "controll"), or nothing."""
    plain = {re.sub(r"[\W_]+", "", arm.casefold()): arm for arm in arms}
    found = difflib.get_close_matches(re.sub(r"[\W_]+", "", name.casefold()), plain, n=1, cutoff=0.8)
    return plain[found[0]] if found else ""


def _outside(own: pd.DataFrame) -> Check:
    n = int(own["outside"].max()) if "outside" in own else 0
    verdict = WATCH if n else OK
    return Check("outside", verdict, f"outside_{verdict}", people=n)


def _duplicates(plan: dict, own: pd.DataFrame, duplicates: Mapping[str, int] | None) -> Check:
    if duplicates is None or plan["name"] not in duplicates:
        return Check("duplicates", UNTOLD, "duplicates_unknown")
    n, people = int(duplicates[plan["name"]]), int(own["people"].sum())
    share = n / people if people else 0.0
    verdict = WATCH if share > MANY_EQUAL else OK
    return Check("duplicates", verdict, f"duplicates_{verdict}", value=n, people=people, unit="count")
