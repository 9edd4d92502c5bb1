"""A complete plan of an experiment, as `helpers.sources.plans` gives it, for tests that build their own."""

from __future__ import annotations

from datetime import date
from typing import Any

METRIC = {
    "name": "back",
    "kind": "proportion",
    "of": "active_days",
    "days": 7,
    "horizon": 7,
    "better": "more",
    "role": "primary",
    "covariates": ["active_days"],
}
PLAN = {
    "name": "tour",
    "hypothesis": "A tour of the circle brings more people back.",
    "units": None,
    "control": "a",
    "variants": {"a": 0.5, "b": 0.5},
    "start": date(2026, 1, 5),
    "end": date(2026, 1, 18),
    "users": None,
    "exposure": None,
    "primary": ["back"],
    "secondary": [],
    "guardrails": [],
    "matters": 0.02,
    "matters_relative": None,
    "alpha": 0.05,
    "power": 0.8,
    "looks": "fixed-horizon",
    "look_times": [1.0],
    "spending": "obrien-fleming",
    "covariates": ["active_days"],
    "covariate_days": 28,
    "strata": [],
    "slices": [],
    "absent": [],
    "several_arms": "left_out",
    "correction": "holm",
}


def metric(**changes: Any) -> dict[str, Any]:
    """A complete metric; without changes the plan's own, the proportion `back` within 7 days."""
    return {**METRIC, "covariates": list(METRIC["covariates"]), **changes}


def plan(**changes: Any) -> dict[str, Any]:
    """A complete valid plan: "tour", control a, arms a and b, the one metric `back`; a keyword replaces its key."""
    made = {key: value.copy() if isinstance(value, list | dict) else value for key, value in PLAN.items()}
    return {**made, "metric": [metric()], **changes}
