"""What moments do not tell: ranks, quantiles and distinct values of a metric, by the engine; rows leave it only as a sample."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import ibis
import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import contracts
from helpers.experiments.counted import counting
from helpers.experiments.counted.cube import UNCAPPED, VALUE
from helpers.experiments.counted.valued import SHARES, Gathered
from helpers.experiments.plan import CONTROL, EXPERIMENT, METRIC, VARIANT, frame

SHOWN = (0.1, 0.5, 0.9, 0.99)  # quantiles that every metric has
MOST_VALUES = 20_000  # distinct values of a metric and arm; beyond, neighbours together
MOST_ROWS = 200_000  # people of an experiment that leave the engine

SPREAD = contracts.declare(
    "experiment_spread",
    grain="one row per experiment, metric and arm against control",
    key=["experiment", "metric", "variant"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "metric": METRIC,
        "variant": VARIANT,
        "control": CONTROL,
        "n": ("int64", "people", "people of the arm with a value"),
        "control_n": ("int64", "people", "people of the control with a value"),
        "more": ("float64", "pairs", "pairs in which the arm's person has more, ties counting half"),
        "ties": ("float64", "people cubed", "sum of t^3 - t over the groups of t people of both arms with the same value"),
    },
)
QUANTILES = contracts.declare(
    "experiment_quantiles",
    grain="one row per experiment, metric, arm and quantile",
    key=["experiment", "metric", "variant", "share"],
    small=True,
    nullable=("low", "high"),
    columns={
        "experiment": EXPERIMENT,
        "metric": METRIC,
        "variant": VARIANT,
        "share": ("float64", "share", "part of the people at or below it"),
        "value": ("float64", "", "the quantile, between two people by the straight line"),
        "low": ("float64", "", "order statistic at the lower end of a normal interval of the rank; empty beyond the sample"),
        "high": ("float64", "", "order statistic at its upper end; empty beyond the sample"),
        "n": ("int64", "people", "people of the arm with a value"),
    },
)
VALUES = contracts.declare(
    "experiment_values",
    grain="one row per experiment, metric, arm and distinct value",
    key=["experiment", "metric", "variant", "value"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "metric": METRIC,
        "variant": VARIANT,
        "value": ("float64", "", "the value; where there are very many, the mean of neighbours"),
        "people": ("int64", "people", "people with it"),
    },
)


def distinct(gathered: Gathered) -> ibis.Table | None:
    """Distinct values with their people by experiment, metric (not of shares) and arm; of revenue the uncapped ones."""
    table, parts = gathered.table, []
    for column, asked in _columns(gathered).items():
        for name, experiments in asked.items():
            own = table.filter(table[column].notnull() & table.experiment.isin(sorted(experiments)))
            named = own.select("experiment", "variant", metric=ibis.literal(name), value=own[column].cast("float64"))
            parts.append(named.group_by(["experiment", "metric", "variant", "value"]).agg(people=named.count()))
    return (ibis.union(*parts) if len(parts) > 1 else parts[0]).cache() if parts else None


def _columns(gathered: Gathered) -> dict[str, dict[str, set[str]]]:
    """Column -> name of the metric -> experiments."""
    found: dict[str, dict[str, set[str]]] = {}
    for own in gathered.asked:
        if own.kind not in (*SHARES, "ratio"):
            column = own.columns.get(UNCAPPED, own.columns[VALUE])
            found.setdefault(column, {}).setdefault(own.metric, set()).add(own.experiment)
    return found


def spread(gathered: Iterable[Gathered], plans: Sequence[dict]) -> pd.DataFrame:
    """What the test of Mann and Whitney needs (contract `experiment_spread`), counted by the engine from distinct values."""
    controls, rows = {plan["name"]: plan["control"] for plan in plans}, []
    for own in gathered:
        values = distinct(own)
        if values is not None:
            found = _pairs(values, plans).to_pandas()
            found.insert(3, "control", [controls[experiment] for experiment in found["experiment"]])
            rows += found.itertuples(index=False, name=None)
    return frame(sorted(rows), SPREAD)


def _pairs(values: ibis.Table, plans: Sequence[dict]) -> ibis.Table:
    """Each arm with its control, value by value in ascending order; all experiments at once."""
    is_planned, is_control = ibis.literal(False), ibis.literal(False)
    for plan in plans:
        here = values.experiment == plan["name"]
        is_planned = is_planned | (here & values.variant.isin(list(plan["variants"])))
        is_control = is_control | (here & (values.variant == plan["control"]))
    by = ["experiment", "metric", "variant"]
    arms = values.filter(is_planned & ~is_control).select(*by, "value", own="people", other=ibis.literal(0, "int64"))
    control = values.filter(is_control).select("experiment", "metric", "value", other="people")
    beside = arms.select(*by).distinct().join(control, ["experiment", "metric"])
    beside = beside.select(*by, "value", own=ibis.literal(0, "int64"), other="other")
    both = ibis.union(arms, beside)
    every = both.group_by([*by, "value"]).agg(own=both.own.sum().cast("int64"), other=both.other.sum().cast("int64"))
    order = ibis.window(group_by=by, order_by="value", preceding=None, following=0)
    every = every.mutate(up_to=every.other.sum().over(order).cast("int64"))
    tied = (every.own + every.other).cast("decimal(12, 0)")
    found = every.group_by(by).agg(
        n=every.own.sum().cast("int64"), control_n=every.other.sum().cast("int64"),
        twice=(every.own * (2 * every.up_to - every.other)).sum().cast("float64"),
        ties=(tied * tied * tied - tied).cast("decimal(38, 0)").sum().cast("float64"),
    )  # fmt: skip
    return found.select(*by, "n", "control_n", more=found.twice / 2, ties=found.ties)


def quantiles(gathered: Iterable[Gathered], plans: Sequence[dict]) -> pd.DataFrame:
    """Quantiles of every arm with the order statistics beside them (contract `experiment_quantiles`)."""
    asked = {(plan["name"], metric["name"]): metric["quantile"] for plan in plans for metric in plan["metric"]
             if metric["kind"] == "quantile"}  # fmt: skip
    shares = sorted({*SHOWN, *asked.values()})
    rows = []
    for own in gathered:
        values = distinct(own)
        if values is not None:
            wanted = _at_ranks(values, shares)
            rows += [row for row in wanted if row[3] in SHOWN or asked.get(row[:2]) == row[3]]
    return frame(sorted(rows), QUANTILES)


def _at_ranks(values: ibis.Table, shares: Sequence[float]) -> list[tuple]:
    """The values at each rank that is asked for: the first up to which more people have come."""
    by = ["experiment", "metric", "variant"]
    order = ibis.window(group_by=by, order_by="value", preceding=None, following=0)
    ranked = values.mutate(ends=values.people.sum().over(order), all=values.people.sum().over(ibis.window(group_by=by)))
    reach = float(distributions.norm.ppf(0.975))
    sides = {"value": 0.0, "low": -reach, "high": reach}
    asked = {"n": ranked["all"].max().cast("int64")}
    for at, share in enumerate(shares):
        for side, step in sides.items():
            rank = (ranked["all"] - 1) * share + step * (ranked["all"] * (share * (1 - share))).sqrt()
            for end in ("floor", "ceil"):
                asked[f"{side}_{end}_{at}"] = ranked.value.min(where=ranked.ends > getattr(rank, end)())
    found = ranked.group_by(by).agg(**asked).to_pandas()
    rows = []
    for row in found.to_dict("records"):
        n = int(row["n"])
        for at, share in enumerate(shares):
            told = []
            for side, step in sides.items():
                rank = (n - 1) * share + step * math.sqrt(n * share * (1 - share))
                below, above = row[f"{side}_floor_{at}"], row[f"{side}_ceil_{at}"]
                told.append(below + (above - below) * (rank - math.floor(rank)) if 0 <= rank <= n - 1 else np.nan)
            rows.append((row["experiment"], row["metric"], row["variant"], share, *told, n))
    return rows


def values(gathered: Iterable[Gathered]) -> pd.DataFrame:
    """Distinct values with their people (contract `experiment_values`); of very many, the means of neighbours."""
    by = ["experiment", "metric", "variant"]
    parts = [_neighbours(table, by) for own in gathered if (table := distinct(own)) is not None]
    found = pd.concat(parts, ignore_index=True) if parts else frame([], VALUES)
    return found.sort_values([*by, "value"], ignore_index=True)[list(VALUES.columns)]


def _neighbours(values: ibis.Table, by: list[str]) -> pd.DataFrame:
    """Each value by itself, or where an arm has too many, those of so many neighbouring people together."""
    everyone = ibis.window(group_by=by)
    order = ibis.window(group_by=by, order_by="value", preceding=None, following=0)
    told = values.mutate(many=values.value.count().over(everyone), all=values.people.sum().over(everyone),
                         at=values.people.sum().over(order) - values.people, place=values.value.rank().over(order))  # fmt: skip
    bucket = ibis.ifelse(told.many > MOST_VALUES, (told["at"] * MOST_VALUES / told["all"]).floor(), told.place)
    told = told.mutate(bucket=bucket.cast("int64"))
    whole = told.value * told.people
    size = float(told.aggregate(size=whole.abs().sum().fill_null(0.0)).to_pandas().iloc[0]["size"])
    summed = told.group_by([*by, "bucket"]).agg(
        total=counting.on_grid(whole, size).sum(), people=told.people.sum().cast("int64"),
        low=told.value.min(), high=told.value.max(),
    )  # fmt: skip
    found = summed.to_pandas()
    found["value"] = np.where(found["low"] == found["high"], found["low"], found["total"] / found["people"])
    return found.groupby([*by, "value"], as_index=False)["people"].sum()


def rows(gathered: Iterable[Gathered]) -> dict[str, pd.DataFrame]:
    """People of each experiment without their arm: a column a quantity of a metric ("metric:quantity"), empty where missing.

    All of them, or of more than 200,000 every so-manieth in the order of their numbers, so that who is taken depends on nothing
    but these.
    """
    found = {}
    for own in gathered:
        for experiment in own.cuts:
            named = {f"{asked.metric}:{quantity}": column for asked in own.asked if asked.experiment == experiment
                     for quantity, column in asked.columns.items()}  # fmt: skip
            distinct_columns = sorted(set(named.values()))
            table = own.table.filter(own.table.experiment == experiment).select(distinct_columns)
            n = int(table.count().to_pandas())
            step = -(-n // MOST_ROWS)
            if step > 1:
                place = ibis.row_number().over(ibis.window(order_by=distinct_columns))
                table = table.mutate(place=place).filter(lambda told, step=step: told.place % step == step // 2).drop("place")
            taken = table.to_pandas().astype("float64").sort_values(distinct_columns, ignore_index=True)
            found[experiment] = pd.DataFrame({name: taken[column] for name, column in named.items()})
    return found
