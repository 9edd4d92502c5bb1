"""Experiments: moments by arm, the health of the split, and the difference with its interval.

First exposure decides; people seen in several arms are left out and counted; only whole local days after exposure count; a
metric that looks n days ahead counts only people who have had them.
"""

from __future__ import annotations

from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd

from helpers import contracts, stats
from helpers.errors import InputError, nearest

KINDS = ("proportion", "mean", "retention")
DAY_MEASURES = {"active_days": "active", "events": "active", "net": "net", "create": "create", "pay_days": "pay"}
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
MOMENTS = contracts.declare(
    "moments",
    grain="one row per experiment, metric and arm",
    key=["experiment", "metric", "variant"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "metric": ("string", "", "name of the metric"),
        "kind": ("string", "", "proportion, mean or retention"),
        "variant": VARIANT,
        "n": ("int64", "people", "people with a value"),
        "total": ("float64", "", "sum of the values"),
        "squares": ("float64", "", "sum of squared deviations from the mean"),
        "missing": (
            "int64",
            "people",
            "people without a value: left blank, or without the time that the metric looks ahead",
        ),
    },
)
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
        "relative": ("float64", "share", "difference over control_value"),
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


def exposures(assignments: ibis.Table) -> ibis.Table:
    """First assignment of each user to each arm of each experiment (contract `assignments`)."""
    return assignments.group_by(["user_id", "experiment", "variant"]).agg(
        assigned_at=assignments.assigned_at.min(), assigned_day=assignments.assigned_day.min()
    )


def _members(plan: dict, assignments: ibis.Table | None, units: ibis.Table | None) -> ibis.Table | None:
    """One row a person: `user_id`, `variant`, `arms` (how many the person was seen in), and the day or the metrics."""
    if "units" in plan:
        if units is None:
            return None
        own = units.filter(units.units == plan["units"])
        return own.mutate(arms=ibis.literal(1))
    if assignments is None:
        return None
    own = assignments.filter(assignments.experiment == plan["name"])
    return own.group_by("user_id").agg(
        variant=own.variant.argmin(own.assigned_at), arms=own.variant.nunique(), day=own.assigned_day.min()
    )


def arms(plans: list[dict], assignments: ibis.Table | None, units: ibis.Table | None) -> pd.DataFrame:
    """Sizes of all arms against the plan (contract `arms`); an arm that the plan names and nobody is in has 0."""
    rows = []
    for plan in plans:
        members = _members(plan, assignments, units)
        if members is None:
            continue
        counted = (
            members.group_by("variant")
            .agg(people=(members.arms == 1).sum(), several=(members.arms > 1).sum())
            .to_pandas()
            .set_index("variant")
        )
        several = int(counted["several"].sum())
        unplanned = int(counted.loc[~counted.index.isin(plan["variants"]), "people"].sum())
        for variant, share in plan["variants"].items():
            people = int(counted["people"].get(variant, 0))
            rows.append((plan["name"], variant, people, float(share), several, unplanned))
    return _frame(rows, ARMS)


def moments(
    plans: list[dict],
    assignments: ibis.Table | None,
    units: ibis.Table | None,
    user_day: ibis.Table | None,
    *,
    last_day: date | None,
) -> pd.DataFrame:
    """Counts, sums and squared deviations of every metric by arm (contract `moments`): what all effects are computed on.

    A metric is a `proportion` or `mean` of a unit table's column, a `retention` (active on local day `day` after
    exposure), or a `mean` `of` a day's measure over the `days` after exposure; people without a row there count as 0.

    Raises:
        InputError: A plan names a metric, kind or column that does not exist; names the nearest.
    """
    found = []
    for plan in plans:
        members = _members(plan, assignments, units)
        if members is None:
            continue
        members = members.filter((members.arms == 1) & members.variant.isin(list(plan["variants"])))
        for metric in plan["metric"]:
            valued = _valued(members, metric, plan, user_day, last_day)
            found.append(_moments(valued).assign(experiment=plan["name"], metric=metric["name"], kind=metric["kind"]))
    columns = list(MOMENTS.columns)
    made = pd.concat(found, ignore_index=True)[columns] if found else _frame([], MOMENTS)
    return made.sort_values(["experiment", "metric", "variant"], ignore_index=True)


def _moments(valued: ibis.Table) -> pd.DataFrame:
    there = valued.value.notnull()
    counted = valued.group_by("variant").agg(
        n=there.sum(),
        total=valued.value.sum().fill_null(0.0),
        variance=valued.value.var(how="pop").fill_null(0.0),
        missing=(~there).sum(),
    )
    frame = counted.to_pandas()
    frame["squares"] = frame.pop("variance") * frame["n"]
    return frame.astype({"n": "int64", "missing": "int64", "total": "float64", "squares": "float64"})


def _valued(members, metric: dict, plan: dict, user_day, last_day: date | None) -> ibis.Table:
    """`variant` and `value` (float, null where there is none) of each member."""
    kind = metric["kind"]
    if kind not in KINDS:
        raise InputError(f'experiment {plan["name"]}: metric kind "{kind}" is not one of {", ".join(KINDS)}.')
    if "units" in plan:
        return members.select("variant", value=_number(_column(members, metric, plan)))
    if kind == "retention":
        ahead, first = metric["day"], metric["day"]
    else:
        ahead, first = metric["days"], 1
    measure = "active_days" if kind in ("retention", "proportion") else metric["of"]
    if measure not in DAY_MEASURES:
        raise InputError(
            f'experiment {plan["name"]}: metric {metric["name"]} of "{measure}"; allowed: {", ".join(DAY_MEASURES)}.'
            + nearest(measure, DAY_MEASURES)
        )
    days = user_day.select("user_id", on="day", amount=_amount(user_day, measure))
    met = members.join(days, "user_id")
    age = met.on.epoch_days() - met.day.epoch_days()
    inside = met.filter((age >= first) & (age <= ahead))
    totals = inside.group_by("user_id").agg(total=inside.amount.sum())
    everyone = members.left_join(totals, "user_id")
    had_time = everyone.day <= last_day - timedelta(days=ahead)
    value = everyone.total.fill_null(0.0)
    value = (value > 0).cast("float64") if kind in ("retention", "proportion") else value
    return everyone.select("variant", value=ibis.ifelse(had_time, value, ibis.null("float64")))


def _amount(user_day: ibis.Table, measure: str) -> ibis.Value:
    value = user_day[DAY_MEASURES[measure]]
    return (value > 0).cast("float64") if measure.endswith("_days") else value.cast("float64")


def _column(members: ibis.Table, metric: dict, plan: dict) -> ibis.Value:
    name = metric.get("column", metric["name"])
    if name not in members.columns:
        raise InputError(
            f'experiment {plan["name"]}: [units.{plan["units"]}] has no column "{name}".{nearest(name, members.columns)}'
        )
    return members[name]


def _number(text: ibis.Value) -> ibis.Value:
    """A metric's text as a number; yes and no in their usual spellings as 1 and 0."""
    lower = text.cast("string").lower()
    return ibis.cases(
        (lower.isin(["true", "yes", "t"]), 1.0), (lower.isin(["false", "no", "f"]), 0.0), else_=text.try_cast("float64")
    )


def health(arms: pd.DataFrame) -> pd.DataFrame:
    """The sample ratio of each experiment (contract `health`): alarm below 0.001, watch below 0.05."""
    rows = []
    for experiment, own in arms.groupby("experiment", sort=True):
        p = stats.sample_ratio(own["people"].tolist(), own["planned"].tolist())
        verdict = (
            "unknown" if np.isnan(p)
            else "alarm" if p < stats.SAMPLE_RATIO_ALARM
            else "watch" if p < stats.SAMPLE_RATIO_WATCH
            else "ok"
        )  # fmt: skip
        rows.append((experiment, p, verdict))
    return _frame(rows, HEALTH)


def effects(moments: pd.DataFrame, plans: list[dict]) -> pd.DataFrame:
    """Each arm against control on each metric (contract `effects`): score test for shares, Welch for means."""
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
    return _frame(rows, EFFECTS)


def labelled(effects: pd.DataFrame, health: pd.DataFrame, kinds: tuple[str, ...] = KINDS) -> pd.DataFrame:
    """The effects that may be read (no alarm of the sample ratio), with `label` and `smaller`, the smaller arm's people."""
    alarmed = set(health.loc[health["verdict"] == "alarm", "experiment"])
    chosen = effects[effects["kind"].isin(kinds) & ~effects["experiment"].isin(alarmed)]
    label = chosen["experiment"] + ", " + chosen["metric"] + ", " + chosen["variant"]
    return chosen.assign(label=label, smaller=chosen[["n", "control_n"]].min(axis=1)).reset_index(drop=True)


def _compare(kind: str, control: pd.Series, arm: pd.Series) -> stats.Difference:
    if kind in ("proportion", "retention"):
        return stats.compare_shares(round(control["total"]), int(control["n"]), round(arm["total"]), int(arm["n"]))
    return stats.compare_means(*[(int(one["n"]), _mean(one), _variance(one)) for one in (control, arm)])


def _mean(arm: pd.Series) -> float:
    return arm["total"] / arm["n"] if arm["n"] else float("nan")


def _variance(arm: pd.Series) -> float:
    return arm["squares"] / (arm["n"] - 1) if arm["n"] > 1 else float("nan")


def _frame(rows: list[tuple], contract: contracts.Contract) -> pd.DataFrame:
    """Rows as a frame of the contract's columns and types, also when there are none."""
    types = {"string": "str", "int64": "int64", "float64": "float64", "boolean": "bool"}
    frame = pd.DataFrame(rows, columns=list(contract.columns))
    return frame.astype({column: types[spec.dtype] for column, spec in contract.columns.items()})
