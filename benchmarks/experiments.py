"""Moments of an experiment on units in Parquet: this toolkit, the same plain sums in one query by hand, and tea-tasting.

    python -m benchmarks.experiments ours PARQUET TARGET     everybody
    python -m benchmarks.experiments cuts PARQUET TARGET     everybody, by 10 slices, by 28 days
    python -m benchmarks.experiments hundred PARQUET TARGET  a hundred experiments on a million people, everybody and 28 days
    python -m benchmarks.experiments by_hand PARQUET TARGET
    python -m benchmarks.experiments tea PARQUET TARGET      the same metrics by tea-tasting, on ibis
"""

from __future__ import annotations

import importlib
import json
import sys
from functools import partial
from pathlib import Path

import duckdb
import ibis

from benchmarks import measure
from helpers.experiments.counted import counting
from helpers.experiments.counted.cube import ALL, PER, VALUE
from helpers.experiments.counted.valued import Asked, Gathered
from helpers.sources import engine

LOADED = ibis.duckdb  # before the clock runs, as other imports
NAME = "trial"
METRICS = {
    "converted": ("proportion", {VALUE: "converted"}),
    "minutes": ("mean", {VALUE: "minutes"}),
    "posts": ("mean", {VALUE: "posts"}),
    "click_rate": ("ratio", {VALUE: "clicks", PER: "views"}),
    "revenue": ("mean", {VALUE: "revenue", "before": "before"}),
}
COLUMNS = ("converted", "minutes", "posts", "clicks", "views", "revenue", "before")
PRODUCTS = ("minutes * minutes", "posts * posts", "clicks * clicks", "clicks * views", "views * views", "revenue * revenue",
            "revenue * before", "before * before")  # fmt: skip
SUMS = ["sum(CAST(converted AS INTEGER))", *(f"sum({name})" for name in (*COLUMNS[1:], *PRODUCTS))]
BY_HAND = "SELECT variant, count(*), " + ", ".join(SUMS) + " FROM '{path}' GROUP BY variant ORDER BY variant"


def write(path: Path, n: int, experiments: int = 1) -> None:
    """Units with a yes or no, two means, two counts and an amount with a very heavy tail, and the same before."""
    normal = "sqrt(-2 * ln(1 - random())) * cos(6.283185307 * random())"
    duckdb.connect().execute("SELECT setseed(0.26)").execute(
        f"""COPY (SELECT '{NAME}' || CAST(i % {experiments} AS VARCHAR) AS experiment,
          CASE WHEN hash(i) % 2 = 0 THEN 'control' ELSE 'treatment' END AS variant,
          's' || CAST(hash(7 * i) % 10 AS VARCHAR) AS slice, DATE '2026-01-01' + CAST(hash(11 * i) % 28 AS INTEGER) AS day,
          hash(3 * i) % 10 = 0 AS converted, 10 * random() AS minutes, CAST(floor(20 * random()) AS INTEGER) AS posts,
          CAST(floor(5 * random()) AS INTEGER) AS clicks, 1 + CAST(floor(30 * random()) AS INTEGER) AS views,
          round(exp(3 * {normal}), 2) AS revenue, round(exp(2.5 * {normal}), 2) AS before
        FROM range({n}) AS t (i)) TO '{path}' (FORMAT parquet)"""
    )


def ours(path: Path, target: Path, *, slices: list[str], dated: bool) -> None:
    """The cube, and of its cells of everybody what the query by hand gives."""
    backend = engine.connect([path.parent], spill=target.parent / "spill")
    table = engine.read(backend, path)
    table = table if dated else table.drop("day").mutate(day=ibis.null("string"))
    names = [f"{NAME}{at}" for at in range(100)] if path.name.startswith("hundred") else [f"{NAME}0"]
    asked = [Asked(name, metric, kind, columns) for name in names for metric, (kind, columns) in METRICS.items()]
    cube = counting.count(Gathered(table, asked, dict.fromkeys(names, slices)))
    found = {
        metric: {
            variant: {"n": cell.moments.n, "mean": cell.moments.mean.tolist(), "cross": cell.moments.cross.tolist()}
            for variant, cell in sorted(cube.arms(names[0], metric, ALL, ALL).items())
        }
        for metric in METRICS
    }
    target.write_text(json.dumps({"cells": len(cube.cells), "moments": found}), encoding="utf-8")


def by_hand(path: Path, target: Path) -> None:
    found = duckdb.connect(config={"threads": 2}).execute(BY_HAND.format(path=path)).fetchall()
    target.write_text(json.dumps([[float(one) if at else one for at, one in enumerate(row)] for row in found]), encoding="utf-8")


def tea(path: Path, target: Path) -> None:
    """The same metrics: what it needs is asked of the engine, too."""
    table = ibis.duckdb.connect(threads=2).read_parquet(path)
    table = table.mutate(converted=table.converted.cast("int64"))
    tea_tasting = importlib.import_module("tea_tasting")
    experiment = tea_tasting.Experiment(
        converted=tea_tasting.Mean("converted"), minutes=tea_tasting.Mean("minutes"), posts=tea_tasting.Mean("posts"),
        click_rate=tea_tasting.RatioOfMeans("clicks", "views"), revenue=tea_tasting.Mean("revenue", "before"),
    )  # fmt: skip
    result = experiment.analyze(table)
    target.write_text(json.dumps({name: float(result[name].pvalue) for name in METRICS}), encoding="utf-8")


WORKS = {
    "ours": partial(ours, slices=[], dated=False),
    "cuts": partial(ours, slices=["slice"], dated=True),
    "hundred": partial(ours, slices=[], dated=True),
    "by_hand": by_hand,
    "tea": tea,
}

if __name__ == "__main__":
    work, *where = sys.argv[1:]
    if work == "tea":
        importlib.import_module("tea_tasting")
    measure.tell(partial(WORKS[work], *map(Path, where)))
