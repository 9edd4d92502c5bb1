"""Who is in which experiment: first exposure decides, and people seen in several arms can be told."""

from __future__ import annotations

import ibis
import pandas as pd

from helpers import contracts

EXPERIMENT = ("string", "", "name of the experiment")
VARIANT = ("string", "", "arm")

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


def members(plan: dict, assignments: ibis.Table | None, units: ibis.Table | None) -> ibis.Table | None:
    """Who is in an experiment, one row a person or unit; None where the dataset does not hold it.

    Returns:
        `variant` (the first seen), `arms_seen` (how many), and `user_id` and `day` of the first exposure, or for a unit
        table its own columns.
    """
    if "units" in plan:
        if units is None:
            return None
        own = units.filter(units.units == plan["units"])
        return own.mutate(arms_seen=ibis.literal(1))
    if assignments is None:
        return None
    own = assignments.filter(assignments.experiment == plan["name"])
    return own.group_by("user_id").agg(
        variant=own.variant.argmin(own.assigned_at), arms_seen=own.variant.nunique(), day=own.assigned_day.min()
    )


def frame(rows: list[tuple], contract: contracts.Contract) -> pd.DataFrame:
    """Rows as a frame of the contract's columns and types, also when there are none."""
    types = {"string": "str", "int64": "int64", "float64": "float64", "boolean": "bool"}
    made = pd.DataFrame(rows, columns=list(contract.columns))
    return made.astype({column: types[spec.dtype] for column, spec in contract.columns.items()})
