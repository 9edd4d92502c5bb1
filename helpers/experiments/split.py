"""The sizes of the arms and the health of the split."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd

from helpers import contracts, stats
from helpers.experiments.plan import EXPERIMENT, VARIANT, frame, members

LEAST_EXPECTED = 5  # people in an arm

ARMS = contracts.declare(
    "arms",
    grain="one row per experiment and arm",
    key=["experiment", "variant"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "variant": VARIANT,
        "people": ("int64", "people", "people of the arm, those of several arms left out"),
        "planned": ("float64", "share", "planned share"),
        "several": ("int64", "people", "people of the experiment seen in several arms, left out"),
        "unplanned": ("int64", "people", "people of the experiment in arms that the plan does not name, left out"),
    },
)
HEALTH = contracts.declare(
    "health",
    grain="one row per experiment",
    key=["experiment"],
    small=True,
    nullable=("p",),
    columns={
        "experiment": EXPERIMENT,
        "p": ("float64", "", "chi-square of the arms' sizes against the plan"),
        "verdict": ("string", "", "ok, watch, alarm, or unknown where it cannot be tested"),
    },
)


def arms(plans: list[dict], assignments: ibis.Table | None, units: ibis.Table | None) -> pd.DataFrame:
    """Sizes of all arms against the plan (contract `arms`); an arm that the plan names and nobody is in has 0.

    Args:
        plans: Each with `name`, `control`, `variants` (arm -> planned share), `primary`, `metric`; with `units`, its
            people are the rows of that unit table, else those of `assignments`.
    """
    rows = []
    for plan in plans:
        seen = members(plan, assignments, units)
        if seen is None:
            continue
        counted = (
            seen.group_by("variant")
            .agg(people=(seen.arms_seen == 1).sum(), several=(seen.arms_seen > 1).sum())
            .to_pandas()
            .set_index("variant")
        )
        several = int(counted["several"].sum())
        unplanned = int(counted.loc[~counted.index.isin(plan["variants"]), "people"].sum())
        for variant, share in plan["variants"].items():
            people = int(counted["people"].get(variant, 0))
            rows.append((plan["name"], variant, people, float(share), several, unplanned))
    return frame(rows, ARMS)


def health(arms: pd.DataFrame) -> pd.DataFrame:
    """The sample ratio of each experiment by chi-square (contract `health`): alarm below 0.001, watch below 0.05.

    The limits are those of Fabijan et al. (2019). Where fewer than 5 people are expected in an arm, chi-square says nothing
    (Cochran 1954), and the verdict is unknown. People seen in several arms or in no planned one are in neither count.
    """
    rows = []
    for experiment, own in arms.groupby("experiment", sort=True):
        p = stats.sample_ratio(own["people"].tolist(), own["planned"].tolist())
        expected = own["people"].sum() * own["planned"] / own["planned"].sum()
        p = p if expected.min() >= LEAST_EXPECTED else np.nan
        verdict = (
            "unknown" if np.isnan(p)
            else "alarm" if p < stats.SAMPLE_RATIO_ALARM
            else "watch" if p < stats.SAMPLE_RATIO_WATCH
            else "ok"
        )  # fmt: skip
        rows.append((experiment, p, verdict))
    return frame(rows, HEALTH)
