"""Clusters: the groups that the active people fall into by what they did, or the word that there are none.

Counts are taken as logarithms and scaled. For each number of clusters, two halves of a sample are clustered apart, again and
again: where the clusters are real, both say of everybody much the same (adjusted Rand, Hubert and Arabie 1985). Since a single
long cloud is also cut in the same way each time, clusters must in addition lie closer together than those of clouds without
any groups that are as long and as wide (the question of Liu and others 2008).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import ibis
import numpy as np
import pandas as pd
from scipy.cluster.vq import kmeans2

from helpers import contracts, stats
from helpers.portraits.topics import exact_sum

FEATURES = {
    "active_days_28": "days", "events_28": "events", "dwell_minutes_28": "minutes", "create_28": "events",
    "comment_28": "events", "share_28": "events", "react_28": "events", "replies_received_28": "replies", "pay_days": "days",
}  # fmt: skip
NUMBERS = range(2, 9)
FEWEST = 100
MOST_PEOPLE = 20_000
MOST_HALVED = 4_000
HALVINGS = 8
CLOUDS = 19  # clusters that are closer than those of all: a false alarm in 20
STARTS = 4
ROUNDS = 12
STABLE = 0.75
CLOSER = 0.95  # of what a cloud leaves, since numbers of events are no normal distribution either
DIGITS = 6
ONE_EVENT = np.log(2)  # between nobody's and one; a column of few such events must not part people by itself
SEED = 2026
NAMING = ["first", "first_more", "second", "second_more"]

CLUSTERS = contracts.declare(
    "clusters",
    grain="one row per cluster of the active people, or one for all where there are none",
    key=["cluster"],
    needs="events",
    small=True,
    columns={
        "cluster": ("int64", "", "1 = the largest"),
        "people": ("int64", "people", "active people whose nearest centre it is"),
        "share": ("float64", "share", "of the active people"),
        "first": ("string", "", "the column that sets it apart most; empty where there are no clusters"),
        "first_more": ("boolean", "", "whether it lies above the others there"),
        "second": ("string", "", "the next such column; empty where there is none"),
        "second_more": ("boolean", "", "whether it lies above the others there"),
        **{f"mean_{name}": ("float64", unit, f"mean of {name}") for name, unit in FEATURES.items()},
    },
)
CLUSTER_CHECKS = contracts.declare(
    "cluster_checks",
    grain="one row per number of clusters",
    key=["clusters"],
    needs="events",
    small=True,
    nullable=("stability", "low", "high", "within", "cloud"),
    columns={
        "clusters": ("int64", "", "how many"),
        "stability": ("float64", "adjusted Rand", "mean agreement of the clusters of two halves; 1 = the same, 0 = by chance"),
        "low": ("float64", "adjusted Rand", "95 % interval of the mean"),
        "high": ("float64", "adjusted Rand", "95 % interval of the mean"),
        "within": ("float64", "share", "of the variance that is left within the clusters; only where they are stable"),
        "cloud": ("float64", "share", "the least that clouds without groups leave; only where they are stable"),
        "chosen": ("boolean", "", "whether these are the clusters"),
    },
)


@dataclass(frozen=True)
class Clusters:
    """What `clusters` finds.

    Attributes:
        stopped: Empty where there are clusters; else why not: "few_people", "alike" (nobody differs) or "unstable".
        constant: Columns that are the same for everybody and were left out.
        groups: Contract `clusters`.
        checks: Contract `cluster_checks`.
    """

    stopped: str
    constant: tuple[str, ...]
    groups: pd.DataFrame
    checks: pd.DataFrame


def clusters(portraits: ibis.Table) -> Clusters:
    """The clusters of the people who were active in the last 28 days, or why there are none.

    Args:
        portraits: Contract `portraits`. Where too many people are active, every so manyth of them is taken, ordered by what
            they did; the centres found then serve for all.
    """
    active = portraits.filter(portraits.active_days_28 > 0)
    taken = _taken(active)
    scales = _scales(taken)
    constant = tuple(name for name in FEATURES if name not in scales)
    if len(taken) < FEWEST or not scales:
        stopped, checks = "few_people" if len(taken) < FEWEST else "alike", _unchecked()
    else:
        points = _points(taken, scales)
        stopped, checks = choose(points)
    if stopped:
        return Clusters(stopped, constant, _described(active, scales, np.zeros((1, len(scales)))), checks)
    number = int(checks.loc[checks["chosen"], "clusters"].iloc[0])
    centres = _centres(points, number, np.random.default_rng([SEED, number]))
    return Clusters("", constant, _described(active, scales, np.round(centres, DIGITS)), checks)


def _taken(active: ibis.Table) -> pd.DataFrame:
    """FEATURES of the active people, in the order of these; of very many every so manyth."""
    people = active.select(*FEATURES)
    order = ibis.window(order_by=list(FEATURES))
    people = people.mutate(place=ibis.row_number().over(order), all=people.count())
    step = ((people["all"] + MOST_PEOPLE - 1) / MOST_PEOPLE).floor().cast("int64")
    return people.filter(people.place % step == 0).to_pandas().sort_values("place")[list(FEATURES)].astype(float)


def _scales(taken: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Of the logarithm of each column that varies: mean, and deviation, which is not stretched where it is small."""
    logs = np.log(taken + 1)
    found = {name: (logs[name].mean(), logs[name].std(ddof=0)) for name in FEATURES}
    return {
        name: (round(mean, DIGITS), round(max(spread, ONE_EVENT), DIGITS))
        for name, (mean, spread) in found.items()
        if spread > 1e-9
    }


def _points(taken: pd.DataFrame, scales: dict[str, tuple[float, float]]) -> np.ndarray:
    return np.column_stack([(np.log(taken[name] + 1) - mean) / spread for name, (mean, spread) in scales.items()])


def choose(points: np.ndarray) -> tuple[str, pd.DataFrame]:
    """Why there are no clusters ("" or "unstable"), and what was found for each number of them (contract `cluster_checks`).

    Of the numbers that are stable and lie closer together than clouds do, the largest is chosen that is as stable as the most
    stable of them, within the interval of that.

    Args:
        points: One row a person, one column a feature of mean 0 and deviation 1, in an order that follows from the numbers.
    """
    few = points[:: -(-len(points) // MOST_HALVED)]
    distinct = len(np.unique(few, axis=0))
    checks = _unchecked()
    for at in range(len(checks)):
        number = int(checks.at[at, "clusters"])
        if number < distinct / 2:
            checks.loc[at, ["stability", "low", "high"]] = stability(few, number)
    for at in checks.index[checks["low"] >= STABLE]:
        rng = np.random.default_rng([SEED, at, 1])
        checks.loc[at, ["within", "cloud"]] = closeness(few, int(checks.at[at, "clusters"]), rng)
    real = checks[checks["within"] <= CLOSER * checks["cloud"]]
    if len(real):
        least = real.loc[real["stability"].idxmax(), "low"]
        checks.loc[real.index[real["stability"] >= least][-1], "chosen"] = True
        return "", checks
    return "unstable", checks


def _unchecked() -> pd.DataFrame:
    unknown = dict.fromkeys(("stability", "low", "high", "within", "cloud"), np.nan)
    return pd.DataFrame([{"clusters": number, **unknown, "chosen": False} for number in NUMBERS])


def stability(points: np.ndarray, number: int) -> tuple[float, float, float]:
    """Mean adjusted Rand of the clusters of two halves, and its 95 % interval over HALVINGS.

    Args:
        points: One row a person, in an order that follows from their numbers.
        number: Of clusters.
    """
    rng = np.random.default_rng([SEED, number])
    found = []
    for _ in range(HALVINGS):
        order = rng.permutation(len(points))
        halves = np.array_split(order, 2)
        found.append(adjusted_rand(*(_nearest(points, _centres(points[half], number, rng))[0] for half in halves)))
    around = stats.mean_interval(float(np.mean(found)), float(np.var(found, ddof=1)), HALVINGS)
    return float(np.mean(found)), float(around.low), min(float(around.high), 1.0)


def closeness(points: np.ndarray, number: int, rng: np.random.Generator) -> tuple[float, float]:
    """The share of the variance left within clusters, and the least that is left in CLOUDS clouds of one normal distribution
    with the same variances and correlations.
    """
    shape = np.linalg.cholesky(np.cov(points.T) + 1e-9 * np.eye(points.shape[1]))
    left = []
    for _ in range(CLOUDS):
        cloud = rng.normal(size=points.shape) @ shape.T
        left.append(_within(cloud - cloud.mean(axis=0), number, rng))
    return _within(points - points.mean(axis=0), number, rng), min(left)


def adjusted_rand(first: np.ndarray, second: np.ndarray) -> float:
    """How far two groupings of the same people agree, beyond chance; 1 where they are the same."""
    table = np.zeros((first.max() + 1, second.max() + 1))
    np.add.at(table, (first, second), 1)
    both, one, other = (_pairs(counts) for counts in (table, table.sum(axis=1), table.sum(axis=0)))
    chance, most = one * other / _pairs(np.array(len(first))), (one + other) / 2
    return 1.0 if most == chance else float((both - chance) / (most - chance))


def _pairs(counts: np.ndarray) -> float:
    return float((counts * (counts - 1) / 2).sum())


def _within(points: np.ndarray, number: int, rng: np.random.Generator) -> float:
    return float(_nearest(points, _centres(points, number, rng))[1] / (points**2).sum())


def _centres(points: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """The best of STARTS runs of k-means, each begun as k-means++ does (Arthur and Vassilvitskii 2007)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a centre that nobody is near to stays where it is
        found = [kmeans2(points, number, iter=ROUNDS, minit="++", check_finite=False, rng=rng)[0] for _ in range(STARTS)]
    return min(found, key=lambda centres: _nearest(points, centres)[1])


def _nearest(points: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, float]:
    """The nearest centre of each point, and the sum of the squared distances."""
    squares = (points**2).sum(axis=1)[:, None] - 2 * points @ centres.T + (centres**2).sum(axis=1)
    return squares.argmin(axis=1), float(np.maximum(squares.min(axis=1), 0).sum())


def _described(active: ibis.Table, scales: dict[str, tuple[float, float]], centres: np.ndarray) -> pd.DataFrame:
    """Every active person goes to the nearest centre, on the engine (contract `clusters`)."""
    scaled = {name: ((active[name].cast("float64") + 1).ln() - mean) / spread for name, (mean, spread) in scales.items()}
    squares = [
        sum(((scaled[name] - float(at)) ** 2 for name, at in zip(scales, centre, strict=True)), ibis.literal(0.0)).round(9)
        for centre in centres
    ]
    least = ibis.least(*squares) if len(squares) > 1 else squares[0]
    near = ibis.cases(*[(square == least, at) for at, square in enumerate(squares)], else_=0)
    near = active.mutate(near=near)
    means = {f"mean_{name}": exact_sum(near[name].cast("float64")) / near.count() for name in FEATURES}
    counted = near.group_by("near").agg(people=near.count(), **means)
    found = counted.to_pandas()
    found = found.sort_values(["people", *means], ascending=False, ignore_index=True)
    found["cluster"], found["share"] = range(1, len(found) + 1), found["people"] / found["people"].sum()
    apart = [_apart(centres[near] if len(centres) > 1 else None, list(scales)) for near in found["near"]]
    return found.join(pd.DataFrame(apart, index=found.index, columns=NAMING))[list(CLUSTERS.columns)]


def _apart(centre: np.ndarray | None, names: list[str]) -> list[object]:
    """The two columns in which a centre lies farthest from the mean of all, and whether it lies above."""
    if centre is None:
        return ["", False, "", False]
    farthest = sorted(range(len(names)), key=lambda at: -abs(centre[at]))[:2]
    told = [part for at in farthest for part in (names[at], bool(centre[at] > 0))]
    return [*told, "", False][:4]
