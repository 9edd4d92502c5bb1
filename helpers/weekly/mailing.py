"""The numbers of the mail: exact here, with all that show/mail.py needs to round them, to check them and to keep them back."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from helpers import contracts

DIMENSION = "lifecycle"  # whose tiers the mail tells
HALF = 0.5
MAILED = contracts.declare(
    "mailed",
    grain="one row per number of the mail, before it is rounded",
    key=["part", "metric", "slice"],
    small=True,
    nullable=("value", "before", "over", "over_before", "low", "high", "differ"),
    columns={
        "part": ("string", "", "number, tier or warning"),
        "metric": ("string", "", "key of metrics.toml, a dimension of tiers, or what is warned of"),
        "slice": ("string", "", '"all", or a tier'),
        "value": ("float64", "", "the number; of a rate what is divided"),
        "before": ("float64", "", "the same a week before"),
        "over": ("float64", "people", "what a rate is divided by; empty for other numbers"),
        "over_before": ("float64", "people", "the same a week before"),
        "low": ("float64", "", "interval of the change of the number, or of the rate"),
        "high": ("float64", "", "interval of the change of the number, or of the rate"),
        "clear": ("boolean", "", "changed beyond the usual, and its interval leaves out no change"),
        "n": ("int64", "people", "whom it describes"),
        "n_before": ("int64", "people", "whom the number of the week before describes; 0 where there is none"),
        "differ": ("float64", "people", "who stand behind one of the two numbers alone; empty where it is not known"),
        "dominated": ("boolean", "", "one person may make half of the amount or more"),
    },
)
RATES = ("week1_retention", "content_per_active")


def mailed(
    kpis: pd.DataFrame | None,
    weeks: pd.DataFrame | None,
    growth: pd.DataFrame | None,
    tier_sizes: pd.DataFrame | None,
    at_risk_tiers: pd.DataFrame | None,
    *,
    last_day: date | None,
) -> pd.DataFrame:
    """Every number that the mail may tell (contract `mailed`).

    Args:
        kpis: As `weekly.kpis` gives them.
        weeks, growth, tier_sizes, at_risk_tiers: The artefacts; None where the dataset has none.
        last_day: A Sunday.
    """
    rows = []
    if kpis is not None:
        week, flows = _of(weeks, last_day), _of(growth, last_day)
        rows = [_number(own, week, flows) for own in kpis.to_dict("records")]
    rows += [] if tier_sizes is None else _tiers(tier_sizes)
    rows += [] if at_risk_tiers is None else _warnings(at_risk_tiers)
    found = pd.DataFrame(rows, columns=list(MAILED.columns))
    numbers = [name for name, column in MAILED.columns.items() if column.dtype == "float64"]
    whole = {"n": "int64", "n_before": "int64", "clear": "bool", "dominated": "bool"}
    return found.astype(dict.fromkeys(numbers, "float64") | whole)


def _row(part: str, metric: str, slice_: str, **told) -> dict:
    unknown = dict.fromkeys(("value", "before", "over", "over_before", "low", "high", "differ"), np.nan)
    names = {"part": part, "metric": metric, "slice": slice_}
    return {**names, **unknown, "clear": False, "dominated": False, "n": 0, "n_before": 0, **told}


def _of(by_week: pd.DataFrame, last_day: date) -> dict:
    """The row of the week that ends on a day; zeros where it has none."""
    own = by_week[by_week["week"] == pd.Timestamp(last_day) - pd.Timedelta(days=6)].to_dict("records")
    return own[0] if own else dict.fromkeys(by_week.columns, 0)


def _number(own: dict, week: dict, flows: dict) -> dict:
    """One main number. Of a rate both parts are told, so that it can be taken from rounded counts."""
    metric, n = own["metric"], int(own["n"])
    n_before = int(own["series_n"][-2]) if len(own["series_n"]) > 1 and not np.isnan(own["before"]) else 0
    told = {"value": own["value"], "before": own["before"], "n": n, "n_before": n_before}
    if metric in RATES:
        told |= {"value": own["value"] * n, "before": own["before"] * n_before, "over": n, "over_before": n_before}
    return _row(
        "number", metric, "all", **told, low=own["low"], high=own["high"], clear=bool(own["clear"]),
        differ=_differ(metric, n, n_before, week, flows), dominated=metric == "net_amount" and is_dominated(week),
    )  # fmt: skip


def _differ(metric: str, n: int, n_before: int, week: dict, flows: dict) -> float:
    """At least so many people stand behind this week's number and not behind the one before, or the other way round."""
    if metric in ("weekly_actives", "content_per_active"):
        return float(flows["new"] + flows["resurrected"] + flows["churned"])
    if metric in ("payers", "net_amount"):
        return float(n + n_before - 2 * int(week["payers_again"]))
    return float(n + n_before)  # two cohorts have nobody in common


def is_dominated(week: dict) -> bool:
    """Whether one person may make most of a week's net amount.

    By the sum of squared shares (Herfindahl): over a half, somebody makes at least half; whoever makes over 71 % is found.

    Args:
        week: A row of the contract `weeks`.
    """
    return float(week["net_squares"]) > HALF * float(week["net"]) ** 2


def _tiers(sizes: pd.DataFrame) -> list[dict]:
    own = sizes[sizes["dimension"] == DIMENSION]
    return [
        _row("tier", DIMENSION, row["tier"], value=row["people"], before=row["before"], n=row["people"],
             n_before=row["before"], differ=row["came"] + row["left"])
        for row in own.to_dict("records")
    ]  # fmt: skip


def _warnings(at_risk: pd.DataFrame) -> list[dict]:
    """Of how many is warned; who was warned of a week ago is not known."""
    whole = at_risk[at_risk["dimension"] == "all"]
    return [_row("warning", "warned", "all", value=row["warned"], n=row["smallest"]) for row in whole.to_dict("records")]
