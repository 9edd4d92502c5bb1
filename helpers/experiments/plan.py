"""Who was seen in which arm of which experiment, and what the columns mean that most tables of experiments have."""

from __future__ import annotations

import ibis
import pandas as pd

from helpers import contracts

EXPERIMENT = ("string", "", "name of the experiment")
VARIANT = ("string", "", "arm")
CONTROL = ("string", "", "arm that it is compared with")
METRIC = ("string", "", "name of the metric")
KIND = ("string", "", "mean, proportion, retention, ratio, quantile or revenue")
ROLE = ("string", "", "primary, secondary, guardrail or exploratory")
UNIT = ("string", "", '"points", "money" or "number": the unit of a difference')
SMALLER = ("int64", "people", "of the smaller of the two arms")

ASSIGNMENTS = contracts.declare(
    "assignments",
    grain="one row per user, experiment and arm in which the user was seen",
    key=["user_id", "experiment", "variant"],
    needs="assignments",
    columns={
        "user_id": ("string", "", "pseudonym of the user"),
        "experiment": EXPERIMENT,
        "variant": VARIANT,
        "assigned_at": ("timestamp", "", "first assignment to the arm"),
        "assigned_day": ("date", "", "its local day"),
    },
)
UNITS = contracts.declare(
    "units",
    grain="one row per unit of an experiment that is given as a table of units",
    key=["units", "unit_id"],
    needs="units",
    open_columns=True,
    columns={
        "units": ("string", "", "name of the unit table"),
        "unit_id": ("string", "", "pseudonym of the unit, or its line in the file"),
        "variant": VARIANT,
    },
)


def exposures(assignments: ibis.Table) -> ibis.Table:
    """First assignment of each user to each arm of each experiment (contract `assignments`).

    Args:
        assignments: `user_id`, `experiment`, `variant`, `assigned_at` (instant), `assigned_day` (local day).
    """
    return assignments.group_by(["user_id", "experiment", "variant"]).agg(
        assigned_at=assignments.assigned_at.min(), assigned_day=assignments.assigned_day.min()
    )


def frame(rows: list[tuple], contract: contracts.Contract) -> pd.DataFrame:
    """Rows as a frame of the contract's columns and types, also when there are none."""
    types = {"string": "str", "int64": "int64", "float64": "float64", "boolean": "bool"}
    made = pd.DataFrame(rows, columns=list(contract.columns))
    return made.astype({column: types[spec.dtype] for column, spec in contract.columns.items()})
