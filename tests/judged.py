"""Experiments judged, for tests: people who went into one and its checks, and effects with the decision on them."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from helpers.experiments.counted.cube import Cube
from helpers.experiments.counted.members import ARMS
from helpers.experiments.deciding.verdict import DECISIONS, decisions
from helpers.experiments.planning.further import ARRIVALS
from helpers.experiments.trust.health import HEALTH, health
from tests.cubes import cube
from tests.plans import metric, plan

END = date(2026, 1, 18)
DUE = END + timedelta(days=7)
Z = scipy_stats.norm.ppf(0.975)
effects_and_errors = st.tuples(st.floats(-0.2, 0.2), st.floats(0.001, 0.1))
DAYS = [f"2026-01-{day:02d}" for day in range(5, 19)]


def people(n: int = 4000, *, seed: int = 1, arms: tuple[str, ...] = ("a", "b"), shares=None) -> pd.DataFrame:
    """A sound experiment: arms, days and channels by chance alone."""
    random = np.random.default_rng(seed)
    return pd.DataFrame({
        "variant": random.choice(arms, n, p=shares), "day": random.choice(DAYS, n),
        "channel": random.choice(["ads", "friend"], n), "back": random.integers(0, 2, n).astype(float),
        "before": random.poisson(5, n).astype(float),
    })  # fmt: skip


def made(rows: pd.DataFrame, *, arms: list[str] | None = None) -> Cube:
    quantities = {"back": {"value": "back", "active_days": "before"}}
    return cube(rows, quantities, cuts={"day": "day", "channel": "channel"}, arms=arms)


def sizes(rows: pd.DataFrame, plan: dict, **more) -> pd.DataFrame:
    """Contract `arms`."""
    known = {"experiment": plan["name"], "several": 0, "unplanned": 0, "names": "", "outside": 0, "unexposed": 0} | more
    found = [{**known, "variant": arm, "people": int((rows["variant"] == arm).sum()), "planned": share}
             for arm, share in plan["variants"].items()]  # fmt: skip
    return pd.DataFrame(found)[list(ARMS.columns)]


def checked(rows: pd.DataFrame, asked: dict | None = None, *, left_out: dict | None = None, **more) -> pd.DataFrame:
    """The checks of one experiment, by name."""
    asked = asked or plan(slices=["channel"])
    found = health(made(rows, arms=list(asked["variants"])), [asked], sizes(rows, asked, **(left_out or {})), **more)
    assert list(found.columns) == list(HEALTH.columns) and found["check"].is_unique
    return found.set_index("check")


def effect(difference: float, se: float, **more) -> dict:
    """A row of the effects, by the normal distribution."""
    n, control_n, base = more.pop("n", 1000), more.pop("control_n", 1000), more.pop("control_value", 0.4)
    low, high = difference - Z * se, difference + Z * se
    p = 2 * scipy_stats.norm.sf(abs(difference) / se) if se > 0 else math.nan
    row = {"experiment": "tour", "metric": "back", "kind": "proportion", "role": "primary", "primary": True, "variant": "b",
           "control": "a", "reading": "planned", "n": n, "control_n": control_n, "value": base + difference,
           "control_value": base, "difference": difference, "low": low, "high": high, "p": p, "se": se,
           "relative": difference / base, "relative_low": low / base, "relative_high": high / base, "p_corrected": p,
           "better": "more", "unit": "points"}  # fmt: skip
    return row | more


def sound(verdict: str = "ok", check: str = "sample_ratio") -> pd.DataFrame:
    row = {"experiment": "tour", "check": check, "verdict": verdict, "said": f"{check}_{verdict}", "where": "", "metric": "",
           "people": 2000}  # fmt: skip
    return pd.DataFrame([row]).reindex(columns=list(HEALTH.columns))


def came(people: int = 140, days: int = 14) -> pd.DataFrame:
    rows = [("tour", (date(2026, 1, 5) + timedelta(days=at)).isoformat(), people) for at in range(days)]
    return pd.DataFrame(rows, columns=list(ARRIVALS.columns))


def decided(rows: list[dict], asked: dict | None = None, *, last_day: date | None = DUE, **more) -> pd.DataFrame:
    how = {"health": sound(), "looks": None, "arrivals": came()} | more
    found = decisions(pd.DataFrame(rows), how["health"], [asked or plan()], how["looks"], how["arrivals"], last_day=last_day)
    assert list(found.columns) == list(DECISIONS.columns) and not np.isinf(found.select_dtypes("number").to_numpy()).any()
    return found


def guarded(margin: float = 0.02, *, relative: bool = False) -> dict:
    kept = metric(name="paid", role="guardrail", of="pay_days")
    return plan(metric=[metric(), kept], guardrails=[{"metric": "paid", "margin": margin, "relative": relative}])


def on_guard(difference: float, se: float, *, margin: float = 0.02, relative: bool = False) -> dict:
    row = effect(difference, se, metric="paid", role="guardrail", primary=False, p_corrected=math.nan)
    return row | {"is_safe": row["relative_low" if relative else "low"] > -margin}
