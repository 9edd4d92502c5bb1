"""The record of an analysis: it keeps every number exactly, and from it alone they can be computed again."""

import json
import math
from datetime import date
from functools import cache

import cubes
import numpy as np
import pandas as pd
import plans
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.experiments.counted.cube import Cube
from helpers.experiments.deciding.record import (
    ACROSS_VERSIONS,
    altered,
    compare,
    frozen,
    not_recomputed,
    recompute,
    record,
    records,
    thawed,
)
from helpers.experiments.deciding.steps import STEPS, Held, computed

LAST_DAY = date(2026, 2, 1)
CALIBRATION = pd.DataFrame({"experiment": ["tour"], "metric": ["back"], "splits": [1000], "share": [0.051], "low": [0.039]})


def people(seed: int, n: int = 900) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({
        "variant": random.choice(["a", "b"], n), "back": (random.random(n) < 0.4) * 1.0, "paid": random.lognormal(1, 1, n),
        "before": random.poisson(2, n) * 1.0, "channel": random.choice(["web", "shop"], n),
        "day": [f"2026-01-{5 + day:02d}" for day in random.integers(0, 14, n)],
    })  # fmt: skip


def plan(name: str = "tour") -> dict:
    paid = plans.metric(name="paid", kind="mean", of="net", role="secondary")
    return plans.plan(name=name, slices=["channel"], secondary=["paid"], metric=[plans.metric(), paid])


def cube(rows: pd.DataFrame, name: str = "tour") -> Cube:
    metrics = {"back": {"value": "back", "active_days": "before"}, "paid": {"value": "paid", "active_days": "before"}}
    return cubes.cube(rows, metrics, experiment=name, cuts={"day": "day", "channel": "channel"})


def frames(rows: pd.DataFrame, name: str = "tour") -> dict[str, pd.DataFrame]:
    sizes = rows["variant"].value_counts()
    arms = {"experiment": name, "variant": ["a", "b"], "people": [int(sizes["a"]), int(sizes["b"])], "planned": 0.5,
            "several": 0, "unplanned": 0}  # fmt: skip
    counted = rows.groupby("variant")["paid"].value_counts().rename("people").reset_index()
    values = counted.rename(columns={"paid": "value"}).assign(experiment=name, metric="paid")
    return {"arms": pd.DataFrame(arms), "values": values[["experiment", "metric", "variant", "value", "people"]]}


@cache
def made(seed: int = 1) -> str:
    """The record of an analysis of random people, as JSON."""
    rows = people(seed)
    results = computed(Held([plan()], cube(rows), frames(rows), 7, LAST_DAY))
    found = record(plan(), cube(rows), frames(rows), results | {"calibration": CALIBRATION}, seed=7, last_day=LAST_DAY)
    return json.dumps(found, allow_nan=False)


@pytest.fixture
def kept() -> dict:
    return json.loads(made())


def compared(found: dict, **told) -> pd.DataFrame:
    return compare(found, recompute(found), **told)


def differences(found: dict, **told) -> list[tuple]:
    rows = compared(found, **told)
    return list(rows.loc[~rows["equal"], ["step", "at", "column"]].itertuples(index=False, name=None))


def column(found: dict, step: str, name: str) -> list:
    return found["parts"][f"result {step}"][name]["values"]


@pytest.mark.parametrize("seed", range(1, 4))
def test_every_number_is_computed_again_to_the_last_digit(seed):
    found = json.loads(made(seed))
    rows = compared(found)
    assert rows["equal"].all() and set(rows["step"]) >= set(STEPS) - {"ages", "trends"}
    assert rows["is_number"].sum() > 500
    assert altered(found) == []


def test_the_order_of_the_cubes_cells_and_of_recorded_rows_changes_nothing():
    rows = people(1)
    cells = list(cube(rows).cells.items())
    turned = {key: cell for key, cell in reversed(cells) if key[-1] == "a"}  # days and slices backwards, arms by name
    turned |= {key: cell for key, cell in reversed(cells) if key[-1] == "b"}
    results = computed(Held([plan()], Cube(turned), frames(rows), 7, LAST_DAY))
    backwards = {name: frame.iloc[::-1] for name, frame in results.items()}
    found = record(plan(), Cube(dict(cells)), frames(rows), backwards, seed=7, last_day=LAST_DAY)
    assert differences(found) == []


def test_a_changed_number_is_found_and_named(kept):
    place = column(kept, "readings", "reading").index("bootstrap")
    column(kept, "readings", "difference")[place] *= 1 + 1e-9
    assert differences(kept) == [("readings", "paid, b, bootstrap", "difference")]
    assert altered(kept) == ["result readings"]


def test_a_changed_word_a_lost_number_and_an_added_number_are_found(kept):
    column(kept, "decisions", "decision")[0] = "ship anyway"
    column(kept, "effects", "low")[0] = None
    empty = column(kept, "effects", "margin").index(None)
    column(kept, "effects", "margin")[empty] = 0.0
    assert differences(kept) == [
        ("effects", "back, b, planned", "low"),
        ("effects", f"{column(kept, 'effects', 'metric')[empty]}, b, planned", "margin"),
        ("decisions", "b", "decision"),
    ]


def test_a_lost_row_and_a_row_too_many_are_found(kept):
    for values in kept["parts"]["result power"].values():
        del values["values"][0]
    found = {at for step, at, _ in differences(kept) if step == "power"}
    assert found == {"back, b, False"}
    column(kept, "effects", "variant")[0] = "c"
    assert {at for step, at, _ in differences(kept) if step == "effects"} == {"back, c, planned", "back, b, planned"}


def test_a_changed_cube_changes_the_numbers_and_is_named(kept):
    cells = kept["parts"]["input cube"]
    mean = next(at for at, own in enumerate(cells["first"]["values"]) if own == "value" and not cells["second"]["values"][at])
    cells["number"]["values"][mean] += 0.01
    assert altered(kept) == ["input cube"]
    assert differences(kept)


def test_a_changed_plan_is_named_and_the_order_of_its_entries_is_no_change(kept):
    turned = dict(reversed(kept["parts"]["plan"].items()))
    assert altered(kept | {"parts": {**kept["parts"], "plan": turned}}) == []
    kept["parts"]["plan"]["alpha"] = 0.01
    assert altered(kept) == ["plan"]
    assert ("effects", "back, b, planned", "low") in differences(kept)


def test_a_part_that_was_taken_away_or_put_in_is_named(kept):
    del kept["parts"]["input values"]
    kept["parts"]["result luck"] = {}
    assert altered(kept) == ["input values", "result luck"]


def test_the_cube_under_the_other_rule_and_equal_rows_are_recorded_too():
    rows = people(1)
    given = frames(rows) | {"arms": frames(rows)["arms"].assign(several=40)}
    other, equal = cube(people(2)), {"tour": 12, "feed": 3}
    held = Held([plan()], cube(rows), given | {"other": other.frame(), "duplicates": frame_of(equal)}, 7, LAST_DAY)
    results = computed(held, ("health",))
    assert {"rule_watch", "rule_ok"} & set(results["health"]["said"]) and 12.0 in set(results["health"]["value"])
    counted = given | {"other": other, "duplicates": equal, "spread": None}
    found = record(plan(), cube(rows), counted, results, seed=7, last_day=LAST_DAY)
    assert differences(json.loads(json.dumps(found))) == []
    assert "input spread" not in found["parts"] and found["parts"]["input duplicates"]["number"]["values"] == [12]
    without = record(plan(), cube(rows), counted | {"other": None}, results, seed=7, last_day=LAST_DAY)
    assert ("health", "rule", "said") in differences(without)


def frame_of(equal: dict[str, int]) -> pd.DataFrame:
    return pd.DataFrame({"experiment": list(equal), "number": list(equal.values())})


def test_what_needs_the_people_is_recorded_and_not_computed_again(kept):
    assert not_recomputed(kept) == {"calibration": 3}
    assert "calibration" not in recompute(kept)


def test_a_record_holds_its_own_experiment_and_no_other():
    both, rows = [plan(), plan("feed")], people(1)
    cells = Cube({**cube(rows).cells, **cube(rows, "feed").cells})
    counted = {name: pd.concat([frame, frames(rows, "feed")[name]]) for name, frame in frames(rows).items()}
    results = computed(Held(both, cells, counted, 7, LAST_DAY))
    found = records(both, cells, counted, results, seed=7, last_day=LAST_DAY)
    assert list(found) == ["tour", "feed"]
    for name, own in found.items():
        columns = [part["experiment"]["values"] for key, part in own["parts"].items() if " " in key and "experiment" in part]
        assert {one for values in columns for one in values} == {name} == {own["parts"]["about"]["experiment"]}
        assert own["parts"]["plan"]["name"] == name
        assert differences(own) == []


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(width=64), min_size=1), st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=5))
def test_floats_and_texts_come_back_exactly(floats, texts):
    frame = pd.DataFrame({"value": floats}), pd.DataFrame({"text": texts, "whole": range(len(texts)), "yes": True})
    for own in frame:
        again = thawed(json.loads(json.dumps(frozen(own), allow_nan=False)))
        assert list(again.columns) == list(own.columns)
        for name in own.columns:
            assert again[name].dtype.kind == own[name].dtype.kind
            for old, new in zip(own[name], again[name], strict=True):
                assert old == new or (isinstance(old, float) and math.isnan(old) and math.isnan(new))
                assert not isinstance(old, float) or math.copysign(1, old) == math.copysign(1, new) or math.isnan(old)


def test_days_come_back_as_days():
    frame = pd.DataFrame({"day": pd.to_datetime(["2026-03-08", None])})
    again = thawed(json.loads(json.dumps(frozen(frame))))
    assert again["day"].iloc[0] == pd.Timestamp("2026-03-08") and pd.isna(again["day"].iloc[1])


def test_under_other_versions_the_last_digits_may_differ_and_no_others(kept):
    values = column(kept, "effects", "difference")
    values[0] *= 1 + 1e-13
    assert differences(kept) == [("effects", "back, b, planned", "difference")]
    assert differences(kept, within=ACROSS_VERSIONS) == []
    values[0] *= 1 + 1e-11
    assert differences(kept, within=ACROSS_VERSIONS) == [("effects", "back, b, planned", "difference")]
