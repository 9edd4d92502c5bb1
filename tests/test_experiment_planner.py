"""What could be found and what is needed: against statsmodels, against a count of days by hand, and against each other."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import TTestIndPower

from helpers.errors import InputError
from helpers.experiments.counted.cube import Cube
from helpers.experiments.planning import detectable as found_by
from helpers.experiments.planning import planner, power
from helpers.runs import checks
from tests import cubes
from tests.plans import metric, plan

MEAN = metric(name="mean", kind="mean", horizon=7, covariates=["before"])
RATIO = metric(name="ratio", kind="ratio", covariates=["before"], role="secondary")
OWN = {"primary": ["mean"], "metric": [MEAN, RATIO, metric(role="secondary", covariates=[])], "matters": 0.3}
QUANTITIES = {
    "mean": {"value": "x", "before": "before"}, "ratio": {"value": "x", "per": "per", "before": "before"}, "back": "back",
}  # fmt: skip
FIRST = date(2026, 1, 5)


def rows(n: int = 4_000, seed: int = 0, arms: str = "ab") -> pd.DataFrame:
    """Fewer come day by day, over two weeks, and nobody on the fourth day."""
    random = np.random.default_rng(seed)
    step = random.choice([day for day in range(14) if day != 3], n, p=np.array([3.0, *[1.0] * 12]) / 15)
    before = random.normal(0, 1, n)
    return pd.DataFrame({
        "variant": random.choice(list(arms), n), "day": [(FIRST + timedelta(days=int(one))).isoformat() for one in step],
        "before": before, "x": 5 + before + random.normal(0, 1, n), "per": random.poisson(3, n) + 1.0,
        "back": (random.random(n) < 0.2) * 1.0,
    })  # fmt: skip


def cube(made: pd.DataFrame, days: bool = True) -> Cube:
    return cubes.cube(made, QUANTITIES, cuts={"day": "day"} if days else {})


def told(frame: pd.DataFrame, name: str, adjusted: bool) -> pd.Series:
    return frame[(frame["metric"] == name) & (frame["adjusted"] == adjusted)].iloc[0]


def test_what_could_be_found_is_what_statsmodels_finds():
    made = rows()
    found = found_by.detectable(cube(made), [plan(**OWN)])
    checks.to_arrow(found_by.POWER, found)
    row, a = told(found, "mean", False), made[made["variant"] == "a"]
    spread = math.sqrt(made["x"].groupby(made["variant"]).var().mean())
    sizes = made["variant"].value_counts()
    expected = TTestIndPower().solve_power(nobs1=sizes["a"], ratio=sizes["b"] / sizes["a"], alpha=0.05, power=0.8) * spread
    assert row["detectable"] == pytest.approx(expected, rel=1e-3)
    assert row["base"] == pytest.approx(a["x"].mean()) and row["relative"] == pytest.approx(row["detectable"] / a["x"].mean())
    share = told(found, "back", False)
    users = (int(share["control_n"]), int(share["n"]))
    assert power.power_of_shares(share["base"], share["detectable"], users, pooled=True) == pytest.approx(0.8)


def test_covariates_make_smaller_effects_visible_by_the_root_of_what_they_leave():
    made = rows()
    found = found_by.detectable(cube(made), [plan(**OWN)])
    within = made[["x", "before"]] - made.groupby("variant")[["x", "before"]].transform("mean")
    left = math.sqrt(1 - within.corr().iloc[0, 1] ** 2)
    assert told(found, "mean", True)["detectable"] / told(found, "mean", False)["detectable"] == pytest.approx(left, rel=1e-3)
    assert told(found, "ratio", True)["detectable"] < told(found, "ratio", False)["detectable"]
    assert len(found[found["metric"] == "back"]) == 1


def test_a_ratio_varies_as_what_each_person_moves_it():
    made = rows()
    row = told(found_by.detectable(cube(made), [plan(**OWN)]), "ratio", False)
    pieces = []
    for arm in "ab":
        own = made[made["variant"] == arm]
        moved = (own["x"] - own["x"].sum() / own["per"].sum() * own["per"]) / own["per"].mean()
        pieces.append((moved.var(), len(own)))
    expected = power.detectable_mean(tuple(one[0] for one in pieces), tuple(one[1] for one in pieces))
    assert row["detectable"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"matters": 0.3}, "enough"), ({"matters": 0.01}, "too_few"), ({"matters": None}, "no_aim"),
        ({"matters": None, "matters_relative": 0.1}, "enough"), ({"matters": None, "matters_relative": 0.001}, "too_few"),
    ],
)  # fmt: skip
def test_what_could_be_found_is_held_against_what_matters_in_the_primary_metrics(changes, verdict):
    found = found_by.detectable(cube(rows()), [plan(**{**OWN, **changes})])
    assert told(found, "mean", False)["verdict"] == verdict and told(found, "back", False)["verdict"] == "no_aim"


def test_the_family_shares_alpha():
    own, one = plan(**OWN), rows()
    both = plan(**{**OWN, "primary": ["mean", "ratio"]})
    free = plan(**{**OWN, "primary": ["mean", "ratio"], "correction": "none"})
    sizes = [told(found_by.detectable(cube(one), [given]), "mean", False)["detectable"] for given in (own, free, both)]
    assert sizes[0] == sizes[1] < sizes[2]


def test_quantiles_come_from_their_order_statistics():
    late = metric(name="late", kind="quantile", quantile=0.9, covariates=[])
    own = plan(primary=["late"], metric=[late])
    made = pd.DataFrame({"experiment": "tour", "metric": "late", "variant": ["a", "b"], "share": 0.9, "value": [9.0, 9.5],
                         "low": [8.0, 8.5], "high": [10.0, 10.5], "n": [500, 500]})  # fmt: skip
    both = cubes.cube(rows(), {"late": "x"})
    row = found_by.detectable(both, [own], made).iloc[0]
    assert row["detectable"] == pytest.approx(2.8 * math.sqrt(2) * 2 / (2 * 1.96), rel=0.01) and row["base"] == 9.0
    assert found_by.detectable(both, [own])["verdict"].iloc[0] == "unknown"


def test_days_are_counted_on_the_curve_on_which_people_came():
    made = rows()
    new = [int((made["day"] == (FIRST + timedelta(days=step)).isoformat()).sum()) for step in range(14)]
    given = cube(made)
    assert list(planner.people_by_day(given, plan())) == new and new[3] == 0
    for effect, traffic in ((0.02, 1.0), (0.05, 0.3), (0.005, 1.0)):
        needed = planner.needed(given, plan(**OWN), "mean", effect, traffic=traffic)
        come, day = 0.0, 0
        while come < needed.users - 1:
            come += traffic * (new[day] if day < 14 else new[-7 + (day - 14) % 7])
            day += 1
        assert needed.days == day + 7
    assert needed.users == pytest.approx(needed.control + needed.arm, abs=2)


def test_the_traffic_is_what_is_needed_within_the_time_of_the_plan():
    needed = planner.needed(cube(rows()), plan(**OWN), "mean", 0.03)
    assert needed.traffic == pytest.approx(needed.users / 4_000, rel=1e-3)  # fourteen days of exposure, as they were
    assert math.isnan(planner.needed(cube(rows()), plan(**OWN), "mean", 0.005).traffic)


@given(st.integers(0, 50), st.sampled_from(["mean", "ratio", "back"]), st.booleans())
@settings(deadline=None, max_examples=20)
def test_what_could_just_be_found_needs_the_users_that_there_were(seed, name, adjusted):
    made = rows(2_000, seed).assign(variant=np.where(np.arange(2_000) < 1_000, "a", "b"))
    given = cube(made)
    own = plan(**{**OWN, "primary": [name]})
    found = found_by.detectable(given, [own])
    known = found[(found["metric"] == name) & (found["adjusted"] == adjusted)]
    if len(known):
        needed = planner.needed(given, own, name, known["detectable"].iloc[0], relative=False, adjusted=adjusted)
        assert needed.users == pytest.approx(2_000, rel=0.1)  # the arms vary a little differently, control stands for both


def test_unequal_arms_share_the_users_as_planned():
    own = plan(**{**OWN, "variants": {"a": 0.5, "b": 0.3, "c": 0.2}})
    needed = planner.needed(cube(rows(arms="abc")), own, "mean", 0.05)
    assert needed.control / needed.users == pytest.approx(0.5, abs=0.01)
    assert needed.arm / needed.users == pytest.approx(0.2, abs=0.01)


def test_the_table_falls_with_the_effect_and_with_covariates():
    given = cube(rows())
    found = planner.needed_table(given, [plan(**OWN)])
    checks.to_arrow(planner.NEEDED, found)
    assert set(found["metric"]) == {"mean"} and len(found) == 2 * len(planner.EFFECTS)
    plain, adjusted = (found[found["adjusted"] == one]["users"].to_numpy() for one in (False, True))
    assert (np.diff(plain) < 0).all() and (adjusted < plain).all()


@pytest.mark.parametrize("days", [True, False])
@pytest.mark.parametrize(("name", "adjusted"), [("mean", False), ("mean", True), ("back", False), ("ratio", False)])
def test_the_curve_rises_and_reaches_the_power_when_the_users_are_there(name, adjusted, days):
    given, own = cube(rows(), days), plan(**OWN)
    curve = planner.power_curve(given, own, name, relative=0.04, adjusted=adjusted)
    needed = planner.needed(given, own, name, 0.04, adjusted=adjusted)
    assert (np.diff(curve["power"].dropna()) >= 0).all()
    reached = curve[curve["power"] >= 0.8 - 1e-9].iloc[0]
    assert reached["users"] >= needed.users - 1
    assert reached["day"] == needed.days if days else (curve["day"] == 0).all() and math.isnan(needed.days)


def test_covariates_save_the_same_part_of_the_users_of_a_share():
    made = rows()
    made["back"] = (made["before"] + np.random.default_rng(5).normal(0, 1, len(made)) > 1) * 1.0
    given = cubes.cube(made, {"back": {"value": "back", "before": "before"}}, cuts={"day": "day"})
    own = plan(primary=["back"], metric=[metric(covariates=["before"])])
    left = 1 - np.mean([made.loc[made["variant"] == arm, ["back", "before"]].corr().iloc[0, 1] for arm in "ab"]) ** 2
    plain, adjusted = (planner.needed(given, own, "back", 0.1, adjusted=one) for one in (False, True))
    assert adjusted.users / plain.users == pytest.approx(left, rel=0.01)
    curve = planner.power_curve(given, own, "back", relative=0.1, adjusted=True)
    assert curve[curve["power"] >= 0.8]["users"].iloc[0] >= adjusted.users - 1
    found = found_by.detectable(given, [own])
    assert told(found, "back", True)["detectable"] < told(found, "back", False)["detectable"]


def test_what_is_better_when_less_falls():
    given = cube(rows())
    more, less = (plan(primary=["back"], metric=[metric(better=one, covariates=[])]) for one in ("more", "less"))
    assert planner.needed(given, less, "back", 0.2).users < planner.needed(given, more, "back", 0.2).users
    assert found_by.detectable(given, [less])["detectable"].iloc[0] < found_by.detectable(given, [more])["detectable"].iloc[0]
    assert math.isnan(planner.needed(given, more, "back", 10.0).users)  # a share beyond 1


def test_nothing_to_plan_with_is_no_fault():
    flat = cube(rows().assign(x=1.0, back=0.0))
    alone = cube(rows().assign(variant="a"))
    for one, own in ((flat, plan(**OWN)), (alone, plan(**OWN)), (Cube(), plan(**OWN)), (alone, plan(variants={"a": 1.0}))):
        checks.to_arrow(found_by.POWER, found_by.detectable(one, [own]))
        checks.to_arrow(planner.NEEDED, planner.needed_table(one, [own]))
        curves = [planner.power_curve(one, own, each["name"], relative=0.05) for each in own["metric"]]
        assert all(not np.isinf(curve.to_numpy(dtype=float)).any() for curve in curves)
    assert math.isnan(planner.needed(flat, plan(**OWN), "mean", 0.05).users)
    assert planner.power_curve(flat, plan(**OWN), "mean", relative=0.05).empty
    assert math.isnan(planner.needed(cube(rows()), plan(**OWN), "mean", 1e-9, relative=False).users)
    with pytest.raises(InputError, match=r'no metric "maen".*mean'):
        planner.needed(flat, plan(**OWN), "maen", 0.05)


def test_every_metric_but_quantiles_can_be_chosen():
    late = metric(name="late", kind="quantile", quantile=0.9)
    assert list(planner.choices([plan(metric=[MEAN, late])])) == ["tour: mean"]
