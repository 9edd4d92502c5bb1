"""Clusters: planted ones are found, a single cloud has none, and what cannot be clustered says why."""

from __future__ import annotations

import importlib
import random

import made
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from helpers import contracts, segments
from helpers.runs import checks
from helpers.show import words
from helpers.show.said import clusters as said

MODULE = importlib.import_module("helpers.segments.clusters")  # the package shows the function of that name
FEATURES = tuple(name.removeprefix("mean_") for name in contracts.find("clusters").columns if name.startswith("mean_"))
MEANS = {  # of three kinds of people
    "reader": (14, 90, 80, 0.1, 0.1, 0.1, 3, 0.1, 0.2),
    "guest": (2, 5, 3, 0.1, 0.1, 0.1, 0.3, 0.1, 0.1),
    "writer": (15, 110, 60, 12, 20, 3, 9, 25, 0.5),
}


def people(each: int = 150, seed: int = 4) -> list[dict]:
    """Portraits of people of three kinds, whose numbers scatter about those of their kind."""
    rng, rows = np.random.default_rng(seed), []
    for kind, means in MEANS.items():
        for number in range(each):
            counts = rng.poisson(means)
            row = dict(zip(FEATURES, map(int, counts), strict=True)) | {"user_id": f"{kind}{number}"}
            rows.append(row | {"active_days_28": max(int(counts[0]), 1), "dwell_minutes_28": float(counts[2]) + 0.5})
    return rows


def cloud(size: int, seed: int) -> np.ndarray:
    """Points of one normal distribution, long in one direction, as numbers of events are."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(size, 1)) + rng.uniform(0.3, 1.2) * rng.normal(size=(size, 5))
    points = (points - points.mean(axis=0)) / points.std(axis=0)
    return points[np.lexsort(points.T)]


def crowd(size: int = 300) -> list[dict]:
    """Portraits of people of one kind, some of whom do more of everything; most acts are rare."""
    rng = np.random.default_rng(11)
    counts = rng.poisson(np.outer(np.exp(rng.normal(size=size)), (6, 40, 30, 0.3, 0.8, 0.4, 3, 1, 0.3)))
    rows = [dict(zip(FEATURES, map(int, row), strict=True)) | {"user_id": f"u{at}"} for at, row in enumerate(counts)]
    return [row | {"active_days_28": row["active_days_28"] + 1} for row in rows]


def clustered(rows: list[dict]):
    return segments.clusters(made.table("portraits", rows))


@pytest.fixture(scope="module")
def found():
    return clustered(people())


def test_three_planted_groups_are_found_with_their_sizes_and_means(found):
    rows = people()
    assert found.stopped == "" and found.constant == ()
    assert found.checks.loc[found.checks["chosen"], "clusters"].tolist() == [3]
    assert sorted(found.groups["people"]) == [150, 150, 150] and found.groups["share"].sum() == pytest.approx(1)
    for kind in MEANS:
        own = {name: np.mean([row[name] for row in rows if row["user_id"].startswith(kind)]) for name in FEATURES}
        near = (found.groups["mean_events_28"] - own["events_28"]).abs().idxmin()
        assert found.groups.loc[near, [f"mean_{name}" for name in FEATURES]].tolist() == pytest.approx(list(own.values()))


def test_a_cluster_is_named_by_what_sets_it_apart(found):
    told = said.rows(found.groups).set_index("mean_create_28")["name"]
    assert {"posts", "comments", "replies received"} & set(told[told.index.max()].replace("many ", "").split(" and "))
    assert told[told.index.max()].count("many") == 2
    guest = found.groups["mean_events_28"].idxmin()
    assert said.rows(found.groups).loc[guest, "name"].count("few") == 2


def tell(seeds: range) -> int:
    return sum(MODULE.choose(cloud(300, seed))[0] == "" for seed in seeds)


def test_one_long_cloud_has_no_clusters():
    assert tell(range(3)) == 0


@pytest.mark.hard
def test_a_cloud_raises_no_more_false_alarms_than_one_in_twenty():
    assert tell(range(100, 140)) <= 4


def test_one_cloud_is_stably_cut_and_yet_no_cluster():
    """Why stability alone is not enough."""
    stopped, tried = MODULE.choose(cloud(600, 3))
    assert stopped == "unstable" and tried["low"].max() > MODULE.STABLE
    row = tried.loc[tried["low"].idxmax()]
    assert row["within"] > 0.95 * row["cloud"]


def test_order_and_pseudonyms_change_no_cluster(found):
    rows = people()
    random.Random(3).shuffle(rows)
    other = clustered([row | {"user_id": f"x{at}"} for at, row in enumerate(rows)])
    assert other.groups.equals(found.groups) and other.checks.equals(found.checks)


def test_of_too_many_people_some_find_the_centres_for_all(found, monkeypatch):
    monkeypatch.setattr(MODULE, "MOST_PEOPLE", 160)
    fewer = clustered(people())
    assert fewer.groups["people"].sum() == 450 and fewer.groups["people"].tolist() == [150, 150, 150]


def test_who_was_not_active_is_in_no_cluster(found):
    away = [{"user_id": f"away{number}", "pay_days": number % 7} for number in range(200)]
    assert clustered(people() + away).groups.equals(found.groups)


def test_a_column_that_never_varies_is_left_out_and_named():
    rows = [row | {"share_28": 2} for row in people()]
    found = clustered(rows)
    assert found.constant == ("share_28",) and found.stopped == "" and (found.groups["mean_share_28"] == 2).all()
    assert said.note(found.constant) == "the same for everybody and left out: shares"


STOPPED = {
    "few_people": lambda: people(20),
    "alike": lambda: [row | dict.fromkeys(FEATURES, 3) for row in people(40)],
    "unstable": crowd,
}


@pytest.mark.parametrize("why", STOPPED)
def test_what_cannot_be_clustered_says_why_and_is_one_group(why):
    rows = STOPPED[why]()
    found = clustered(rows)
    assert found.stopped == why and found.groups["people"].tolist() == [len(rows)]
    assert not found.checks["chosen"].any() and not said.why(found.stopped, found.constant).startswith("said")


def test_nobody_is_no_cluster():
    found = clustered([])
    assert found.stopped == "few_people" and found.groups.empty


def test_more_clusters_than_different_people_are_not_tried():
    rows = [row | dict.fromkeys(FEATURES, 5 * (at % 3) + 1) for at, row in enumerate(people(60))]
    found = clustered(rows)
    assert found.checks["stability"].isna().all() and found.stopped == "unstable"


def test_whatever_is_found_keeps_its_contracts(found):
    for one in (found, clustered(people(20)), clustered([])):
        for name, frame in (("clusters", one.groups), ("cluster_checks", one.checks)):
            assert len(checks.to_arrow(contracts.find(name), frame)) == len(frame)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40))
def test_agreement_is_that_of_scikit_learn(pairs):
    first, second = (np.array(part) for part in zip(*pairs, strict=True))
    assert MODULE.adjusted_rand(first, second) == pytest.approx(adjusted_rand_score(first, second))


def test_words_say_what_was_found_and_what_is_needed(found):
    assert said.title(found.groups).startswith("3 stable clusters of the active people")
    assert said.chosen(found.checks).startswith("3 clusters: two halves agree by")
    assert said.chosen(found.checks.assign(chosen=False)).startswith("No stable clusters")
    assert said.chosen(clustered(people(20)).checks) == words.word("said.clusters.untried")
    assert str(MODULE.FEWEST) in said.why("few_people") and "no stable clusters" in said.why("unstable")
    assert list(said.columns(found.groups))[:3] == ["name", "people", "share"]
