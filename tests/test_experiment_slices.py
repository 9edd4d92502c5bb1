"""For whom: slices add up to all, equal effects raise no alarm, and only a slice whose levels clearly differ is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as distributions

from helpers import stats
from helpers.experiments.counted.cube import PEOPLE, VALUE, Cell, Cube
from helpers.experiments.counted.moments import Moments
from helpers.experiments.effect.compared import plain
from helpers.experiments.effect.slices import SLICES, slices, smallest
from helpers.experiments.methods import families
from helpers.runs import checks
from tests import cubes
from tests.plans import metric, plan

MEAN = metric(name="mean", kind="mean")
RATIO = metric(name="ratio", kind="ratio")
QUANTILE = metric(name="late", kind="quantile", quantile=0.5)
ALL = {"slices": ["city", "device"], "primary": ["back", "mean", "ratio", "late"], "metric": [metric(), MEAN, RATIO, QUANTILE]}
QUANTITIES = {"back": "back", "mean": "x", "ratio": {"value": "x", "per": "per"}, "late": "x"}


def rows(n: int = 4_000, seed: int = 0) -> pd.DataFrame:
    """The arm b adds 1 to x where the city is north, and nothing elsewhere; the device plays no part."""
    random = np.random.default_rng(seed)
    made = pd.DataFrame({
        "variant": random.choice(["a", "b"], n), "city": random.choice(["north", "south", ""], n),
        "device": random.choice(["phone", "desk"], n), "back": (random.random(n) < 0.3) * 1.0, "per": random.poisson(3, n) + 1.0,
    })  # fmt: skip
    lifted = (made["variant"] == "b") & (made["city"] == "north")
    return made.assign(x=random.normal(5, 2, n) + lifted)


def cube(given: pd.DataFrame) -> Cube:
    return cubes.cube(given, QUANTITIES, cuts={"city": "city", "device": "device"})


def test_effects_of_slices_are_those_of_their_own_people():
    given = rows()
    found = slices(cube(given), [plan(**ALL)]).set_index(["metric", "slice", "level"])
    checks.to_arrow(SLICES, found.reset_index()[list(SLICES.columns)])
    assert set(found.index.get_level_values("metric")) == {"back", "mean", "ratio"}
    for (name, cut, level), row in found.iterrows():
        a, b = (given[(given[cut] == level) & (given["variant"] == arm)] for arm in "ab")
        assert (row["control_n"], row["n"], row["smaller"]) == (len(a), len(b), min(len(a), len(b)))
        if name == "mean":
            told = distributions.ttest_ind(b["x"], a["x"], equal_var=False)
            assert row["p"] == pytest.approx(told.pvalue) and row["low"] == pytest.approx(told.confidence_interval().low)
        if name == "back":
            told = stats.compare_shares(int(a["back"].sum()), len(a), int(b["back"].sum()), len(b))
            assert (row["difference"], row["low"], row["high"]) == pytest.approx((told.estimate, told.low, told.high))
        if name == "ratio":
            assert row["difference"] == pytest.approx(b["x"].sum() / b["per"].sum() - a["x"].sum() / a["per"].sum())


@given(st.integers(0, 10_000), st.integers(1, 5))
@settings(deadline=None, max_examples=25)
def test_the_cells_of_a_slice_add_up_to_everybody(seed, levels):
    random = np.random.default_rng(seed)
    given = rows(60, seed).assign(city=random.integers(0, levels, 60).astype(str))
    own = cube(given)
    for one in (metric(), MEAN, RATIO):
        added = own.summed("tour", one["name"], "city", own.levels("tour", one["name"], "city"))
        whole = own.arms("tour", one["name"])
        found, expected = (plain(one, *(arms[name].moments for name in "ab")).difference(0.95) for arms in (added, whole))
        assert (found.value, found.low, found.p) == pytest.approx((expected.value, expected.low, expected.p))


def test_a_planted_slice_is_named_and_one_without_effect_is_not():
    found = slices(cube(rows()), [plan(**{**ALL, "primary": ["mean"]})])
    named = found.groupby("slice")["named"].first()
    assert named["city"] and not named["device"]
    north = found[found["level"] == "north"].iloc[0]
    assert north["shrunk_low"] > 0 and north["shrunk_low"] < 1 < north["shrunk_high"] and north["shrunk_p"] < 0.05
    south = found[found["level"] == "south"].iloc[0]
    assert south["shrunk_low"] < 0 < south["shrunk_high"]


def test_the_test_is_cochrans_q_and_corrected_over_metrics_arms_and_slices():
    found = slices(cube(rows()), [plan(**ALL)])
    firsts = found.groupby(["metric", "slice"], sort=False).first()
    np.testing.assert_allclose(firsts["interaction_corrected"], stats.benjamini_hochberg(firsts["interaction"]))
    own = found[(found["metric"] == "mean") & (found["slice"] == "city")]
    weights = 1 / own["se"] ** 2
    q = float((weights * (own["difference"] - np.average(own["difference"], weights=weights)) ** 2).sum())
    assert own["interaction"].iloc[0] == pytest.approx(distributions.chi2.sf(q, 2))
    assert own["interaction"].nunique() == 1 and own["interaction_corrected"].nunique() == 1


def cells(random: np.random.Generator, experiments: int, draw) -> Cube:
    """Many experiments at once, with four levels of a city and 80 people in each of their arms."""
    made = {}
    for at in range(experiments):
        for level in "nesw":
            for arm in "ab":
                own = Moments.of_rows(draw(random, arm, level), (VALUE,))
                made[(f"e{at}", "mean", "city", level, arm)] = Cell(own)
                made[(f"e{at}", PEOPLE, "city", level, arm)] = Cell(Moments.empty(()))
    return Cube(made)


@pytest.mark.hard
@pytest.mark.parametrize("kind", ["mean", "proportion"])
def test_equal_effects_are_called_different_about_one_time_in_twenty(kind):
    def draw(random, arm, level):
        lifted, base = arm == "b", {"n": 0.2, "e": 0.3, "s": 0.4, "w": 0.5}[level]
        return random.random((80, 1)) < base + 0.1 * lifted if kind == "proportion" else random.normal(base + lifted, 1, (80, 1))

    count = 400
    own = [
        plan(name=f"e{at}", slices=["city"], primary=["mean"], metric=[{**MEAN, "kind": kind}]) for at in range(count)
    ]
    found = slices(cells(np.random.default_rng(6), count, draw), own)
    alarms = int(found.groupby("experiment")["named"].first().sum())
    assert distributions.binomtest(alarms, count, 0.05).pvalue > 1e-3
    inside = (found["shrunk_low"] <= 1) & (found["shrunk_high"] >= 1) if kind == "mean" else None
    assert inside is None or inside.groupby(found["experiment"]).all().mean() > 0.93  # all levels hold together


def test_levels_with_few_people_are_kept_but_not_tested():
    given = rows(900)
    few = given["city"] == ""
    given = pd.concat([given[~few], given[few].head(1)])
    found = slices(cube(given), [plan(**{**ALL, "primary": ["back", "mean"]})])
    alone = found[(found["slice"] == "city") & (found["level"] == "")]
    assert len(alone) == 2 and not alone["tested"].any() and alone[["shrunk", "shrunk_p"]].isna().all(axis=None)
    others = found[(found["metric"] == "mean") & (found["slice"] == "city") & (found["level"] != "")]
    assert others["tested"].all()
    assert others["interaction"].iloc[0] == pytest.approx(families.interaction(others["difference"], others["se"]).p)
    checks.to_arrow(SLICES, found)


def test_nothing_to_tell_is_no_fault():
    given = rows(500).assign(x=1.0)
    flat = slices(cube(given), [plan(**{**ALL, "primary": ["mean"]})])
    assert not flat["named"].any() and flat["interaction"].isna().all()
    alone = slices(cube(given[given["variant"] == "a"]), [plan(**ALL)])
    strangers = slices(cube(given), [plan(**{**ALL, "name": "another"})])
    assert not alone["tested"].any() and alone["difference"].isna().all() and strangers.empty and slices(Cube(), []).empty
    for frame in (flat, alone, strangers, slices(Cube(), [])):
        checks.to_arrow(SLICES, frame)


def test_each_of_several_arms_is_compared_with_control():
    given = rows(3_000)
    given["variant"] = np.where(np.random.default_rng(1).random(3_000) < 0.3, "c", given["variant"])
    found = slices(cube(given), [plan(**{**ALL, "variants": {"a": 0.4, "b": 0.3, "c": 0.3, "d": 0.0}})])
    assert set(found["variant"]) == {"b", "c", "d"} and (found.loc[found["variant"] == "d", "n"] == 0).all()
    assert len(set(zip(found["metric"], found["variant"], found["slice"], found["level"], strict=True))) == len(found)


def test_the_smallest_arm_beside_control():
    assert smallest(plan(variants={"a": 0.5, "b": 0.3, "c": 0.2, "d": 0.0})) == ("c", 0.5, 0.2)
    assert smallest(plan(variants={"a": 1.0, "b": 0.0})) is None and smallest(plan(variants={"b": 1.0})) is None
