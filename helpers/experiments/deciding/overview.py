"""All experiments at a glance: where each stands and what it says, and which published effects are no longer what they were."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pandas as pd

from helpers import contracts
from helpers.errors import InputError, nearest
from helpers.experiments.counted.cube import DAY, Cube
from helpers.experiments.peeking import rules
from helpers.experiments.plan import EXPERIMENT, METRIC, VARIANT, frame
from helpers.experiments.planning import further
from helpers.experiments.trust.allocation import ALARM

ALL = "all"
PLANNED, RUNNING, ENDED, UNDATED = "planned", "running", "ended", "undated"
WITHHELD = "withheld"  # the verdict under a red gate
LATE, MORE = "data", "people"
EQUAL = 1e-9
UNIT_OR_NONE = ("string", "", "points, money or number: the unit of the effect; empty: there is none")

OVERVIEW = contracts.declare(
    "experiment_overview",
    grain="one row per experiment of the plan file",
    key=["experiment"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "status": ("string", "", "planned, running, ended (all days of what decides are over) or undated"),
        "verdict": ("string", "", "ship, extend, stop, unreadable; withheld under a red gate; empty: no people yet"),
        "variant": VARIANT,
        "metric": ("string", "", "primary metric that the verdict rests on"),
        "unit": UNIT_OR_NONE,
        "final": ("boolean", "", "the plan lets the effect be read today"),
        "people": ("int64", "people", "people of all arms"),
        "smaller": ("int64", "people", "people of the smaller of the two arms that the effect is of"),
        "difference": ("float64", "", "primary effect; empty under a red gate, and as long as it may not be read"),
        "low": ("float64", "", "end of its interval"),
        "high": ("float64", "", "other end"),
        "days": ("float64", "days", "days of exposure so far"),
        "planned_days": ("float64", "days", "days of exposure that are planned"),
        "days_left": ("float64", "days", "until the last exposed have had the days of all that decides"),
    },
    nullable=("difference", "low", "high", "days", "planned_days", "days_left"),
)
RESTATED = contracts.declare(
    "effects_restated",
    grain="one row per experiment, metric and arm whose published effect is no longer what it was",
    key=["experiment", "metric", "variant"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "metric": METRIC,
        "variant": VARIANT,
        "unit": UNIT_OR_NONE,
        "because": ("string", "", "data: what lay in the past has changed; people: the experiment was still running"),
        "week": ("string", "", "week in which it was first published; of those that were over, the first after the end"),
        "smaller": ("int64", "people", "people of the smaller arm, now or then, whichever is less"),
        "old": ("float64", "", "effect as it was published"),
        "old_low": ("float64", "", "end of its interval"),
        "old_high": ("float64", "", "other end"),
        "new": ("float64", "", "effect as it is known now"),
        "low": ("float64", "", "end of its interval"),
        "high": ("float64", "", "other end"),
        "step": ("float64", "", "new less old"),
    },
    nullable=("old_low", "old_high", "low", "high"),
)


def chosen(plans: list[dict], experiment: str) -> list[dict]:
    """The plans that a page is about: all, or the one of this name.

    Raises:
        InputError: No experiment has that name; says which is nearest and which there are.
    """
    if experiment == ALL:
        return list(plans)
    found = [plan for plan in plans if plan["name"] == experiment]
    if not found:
        names = [plan["name"] for plan in plans]
        listed = f' There are: {", ".join(names)}.' if names else " There are none."
        raise InputError(f'experiment={experiment}: no experiment has that name.{nearest(experiment, names)}{listed}')
    return found


def overview(
    decisions: pd.DataFrame, effects: pd.DataFrame, health: pd.DataFrame, cube: Cube, plans: list[dict], *,
    last_day: date | None,
) -> pd.DataFrame:  # fmt: skip
    """Where each experiment stands (contract `experiment_overview`), in the order of the plan file.

    Args:
        decisions: Contract `experiment_decisions`; of several arms the best one counts.
        effects: Contract `effects`; of its readings the planned one counts.
        health: Contract `experiment_gate`: under an alarm nothing is said of effects.
        cube: For the people, and for the first day of exposure where the plan names none.
        last_day: Last local day of the data; None when undated.
    """
    red = set(health.loc[health["verdict"] == ALARM, "experiment"])
    planned = effects[effects["reading"] == "planned"]
    rows = []
    for plan in plans:
        name = plan["name"]
        row = _leading(plan, decisions[decisions["experiment"] == name], planned[planned["experiment"] == name])
        shown = row["final"] and name not in red
        told = [row[column] if shown else math.nan for column in ("difference", "low", "high")]
        people = sum(cube.people(name).values())
        status, *days = _dated(plan, cube.levels(name, cut=DAY), people, last_day)
        verdict = WITHHELD if name in red else row["decision"]
        at = (row["variant"], row["metric"], row["unit"], bool(row["final"]))
        rows.append((name, status, verdict, *at, people, int(row["smaller"]), *told, *days))
    return frame(rows, OVERVIEW)


def _leading(plan: dict, decisions: pd.DataFrame, effects: pd.DataFrame) -> dict:
    """The primary effect that a verdict rests on, or the first one of the best arm where a guardrail decided."""
    best = next(iter(decisions[decisions["best"]].to_dict("records")), {"decision": "", "variant": "", "metric": ""})
    metric = best["metric"] if best["metric"] in plan["primary"] else plan["primary"][0]
    own = effects[(effects["metric"] == metric) & (effects["variant"] == best["variant"])]
    nothing = {"unit": "", "final": False, "smaller": 0, "difference": math.nan, "low": math.nan, "high": math.nan}
    row = next(iter(own.to_dict("records")), nothing)
    return {name: row[name] for name in nothing} | {name: best[name] for name in ("decision", "variant")} | {"metric": metric}


def _dated(plan: dict, exposed: list[str], people: int, last_day: date | None) -> tuple[str, float, float, float]:
    """Status, days of exposure so far, days planned, days until it can be read whole.

    Args:
        exposed: Days of exposure in ascending order.
    """
    first = plan["start"] or (date.fromisoformat(exposed[0]) if exposed else None)
    end, planned, left = plan["end"], math.nan, math.nan
    if first is not None and end is not None:
        planned = float((end - first).days + 1)
    if last_day is None or (first is None and people):
        return UNDATED, math.nan, planned, math.nan
    if end is not None:
        left = float(max((_closes(plan) - last_day).days, 0))
    if first is None or first > last_day:
        return PLANNED, 0.0, planned, left
    until = last_day if end is None else min(last_day, end)
    return (ENDED if left == 0 else RUNNING), float((until - first).days + 1), planned, left


def _closes(plan: dict) -> date:
    """The day with which the last exposed have had the days of all that decides."""
    deciding = [*plan["primary"], *(guard["metric"] for guard in plan["guardrails"])]
    return plan["end"] + timedelta(days=further.horizon(plan, deciding))


def restated(
    effects: pd.DataFrame, published: pd.DataFrame, plans: list[dict], health: pd.DataFrame, *, week: str
) -> pd.DataFrame:
    """The published effects that are no longer what they were (contract `effects_restated`).

    An effect is expected to move while an experiment runs. It is restated when it was published after all its days were over, or
    in this very week, and is another one now.

    Args:
        effects: Contract `effects`: the planned readings that may be read; experiments under a red gate are left out.
        published: As first published: `week`, `metric` ("experiment: metric"), `slice` (the arm), `value`, `low`, `high`, `n`.
        health: Contract `experiment_gate`.
        week: The label of this week.
    """
    red = set(health.loc[health["verdict"] == ALARM, "experiment"])
    now = effects[(effects["reading"] == "planned") & effects["final"] & effects["difference"].notna()]
    now = now[~now["experiment"].isin(red)]
    now = now.assign(key=now["experiment"] + ": " + now["metric"])
    told = published.dropna(subset=["value", "n"]).rename(columns={"metric": "key", "slice": "variant"})
    numbers = ["value", "low", "high", "n"]
    told = told.astype(dict.fromkeys(numbers, "float64")).rename(columns={name: f"{name}_old" for name in numbers})
    both = now.merge(told, on=["key", "variant"])
    ends = {(plan["name"], one["name"]): rules.planned_end(plan, one) for plan in plans for one in plan["metric"]}
    over = [_is_over(ends.get((row.experiment, row.metric)), row.week, week) for row in both.itertuples()]
    moved = ~np.isclose(both["difference"], both["value_old"], rtol=EQUAL, atol=EQUAL)
    both = both.assign(running=~np.array(over, dtype=bool), moved=moved)
    both = both[both["moved"] | (both["week"] != week)]  # what this week has said already is no news
    # The first publication after the end is what must stand; while it ran, the very first shows how far it has moved.
    first = both.sort_values([*RESTATED.key, "running", "week"], kind="stable").drop_duplicates(list(RESTATED.key))
    kept = first[first["moved"]]
    rows = [
        (row.experiment, row.metric, row.variant, row.unit, MORE if row.running else LATE, row.week,
         int(min(row.smaller, row.n_old)), row.value_old, row.low_old, row.high_old, row.difference, row.low, row.high,
         row.difference - row.value_old)
        for row in kept.itertuples()
    ]  # fmt: skip
    return frame(rows, RESTATED)


def _is_over(end: date | None, week: str, this_week: str) -> bool:
    """Was all that an effect rests on over when it was published? What is published again in the same week was, too."""
    if week == this_week:
        return True
    sunday = date.fromisocalendar(int(week[:4]), int(week[6:]), 7)
    return end is not None and sunday >= end
