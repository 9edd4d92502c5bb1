"""The difference of each arm to control, with its interval."""

from __future__ import annotations

import pandas as pd

from helpers import contracts, stats
from helpers.experiments.cube import KINDS
from helpers.experiments.plan import EXPERIMENT, VARIANT, frame

EFFECTS = contracts.declare(
    "effects",
    grain="one row per experiment, metric and arm against control",
    key=["experiment", "metric", "variant"],
    small=True,
    nullable=("difference", "low", "high", "p", "relative", "value", "control_value"),
    columns={
        "experiment": EXPERIMENT,
        "metric": ("string", "", "name of the metric"),
        "kind": ("string", "", "proportion, mean or retention"),
        "primary": ("boolean", "", "the metric that decides"),
        "variant": VARIANT,
        "control": ("string", "", "arm that it is compared with"),
        "n": ("int64", "people", "people of the arm with a value"),
        "control_n": ("int64", "people", "people of the control with a value"),
        "value": ("float64", "", "mean or share of the arm"),
        "control_value": ("float64", "", "mean or share of the control"),
        "difference": ("float64", "", "value less control_value"),
        "low": ("float64", "", "95 % interval of the difference"),
        "high": ("float64", "", "95 % interval of the difference"),
        "p": ("float64", "", "two-sided"),
        "relative": ("float64", "share", "difference over the size of control_value"),
    },
)


def effects(moments: pd.DataFrame, plans: list[dict]) -> pd.DataFrame:
    """Each arm against control on each metric (contract `effects`): score test for shares, Welch for means.

    What cannot be told (an arm without people, a metric that does not vary) is NaN, its interval and p with it.

    Args:
        moments: Contract `moments`; experiments and metrics that it lacks have no rows.
        plans: As for `moments`.
    """
    rows = []
    for plan in plans:
        own = moments[moments["experiment"] == plan["name"]]
        for metric in plan["metric"]:
            cells = own[own["metric"] == metric["name"]].set_index("variant")
            if plan["control"] not in cells.index:
                continue
            control = cells.loc[plan["control"]]
            for variant in cells.index.drop(plan["control"]):
                arm = cells.loc[variant]
                difference = _compare(metric["kind"], control, arm)
                rows.append(
                    (
                        plan["name"], metric["name"], metric["kind"], metric["name"] == plan["primary"], variant,
                        plan["control"], int(arm["n"]), int(control["n"]), _mean(arm), _mean(control),
                        difference.estimate, difference.low, difference.high, difference.p, difference.relative,
                    )
                )  # fmt: skip
    return frame(rows, EFFECTS)


def labelled(effects: pd.DataFrame, health: pd.DataFrame, kinds: tuple[str, ...] = KINDS) -> pd.DataFrame:
    """The effects that may be read: those under an alarm of the sample ratio are left out.

    Args:
        kinds: Kinds of metrics to keep: "proportion", "mean", "retention".

    Returns:
        The rows of `effects` with `label` (experiment, metric, arm) and `smaller` (people of the smaller arm;
        of the other where one has nobody).
    """
    alarmed = set(health.loc[health["verdict"] == "alarm", "experiment"])
    chosen = effects[effects["kind"].isin(kinds) & ~effects["experiment"].isin(alarmed)]
    label = chosen["experiment"] + ", " + chosen["metric"] + ", " + chosen["variant"]
    sizes = chosen[["n", "control_n"]]
    smaller = sizes.where(sizes > 0).min(axis=1).fillna(0).astype("int64")  # an empty arm must not hide a small one
    return chosen.assign(label=label, smaller=smaller).reset_index(drop=True)


def _compare(kind: str, control: pd.Series, arm: pd.Series) -> stats.Difference:
    if kind in ("proportion", "retention"):
        return stats.compare_shares(round(control["total"]), int(control["n"]), round(arm["total"]), int(arm["n"]))
    return stats.compare_means(*[(int(one["n"]), _mean(one), _variance(one)) for one in (control, arm)])


def _mean(arm: pd.Series) -> float:
    return arm["total"] / arm["n"] if arm["n"] else float("nan")


def _variance(arm: pd.Series) -> float:
    return arm["squares"] / (arm["n"] - 1) if arm["n"] > 1 else float("nan")
