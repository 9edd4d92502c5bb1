"""The decision follows the plan's rule: recomputed plainly, the same for turned metrics and arms, right as often as promised."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from helpers.experiments.counted.cube import Cube
from helpers.experiments.deciding.verdict import decisions
from helpers.experiments.effect.effects import effects
from helpers.experiments.peeking.looks import looks as looking
from helpers.experiments.planning import further
from helpers.experiments.planning.further import arrivals
from helpers.experiments.trust.health import health
from tests.cubes import cube
from tests.judged import DUE, END, Z, came, decided, effect, effects_and_errors, guarded, on_guard, sound
from tests.plans import metric, plan

STOPS = ("worse", "violated", "too_small", "too_long", "guardrail_too_long")


def turned(row: dict) -> dict:
    """The same effect of a metric of which less is better."""
    swapped = {
        "low": -row["high"], "high": -row["low"], "relative_low": -row["relative_high"], "relative_high": -row["relative_low"],
        "difference": -row["difference"], "relative": -row["relative"],
    }  # fmt: skip
    return row | swapped | {"better": "less"}


def one(*args, **more) -> pd.Series:
    found = decided(*args, **more)
    assert len(found) == 1 and found["best"].all()
    return found.iloc[0]


@given(primary=effects_and_errors, guard=effects_and_errors, matters=st.floats(0.005, 0.1), margin=st.floats(0.005, 0.1))
@settings(max_examples=50, deadline=None)
def test_at_the_end_the_rule_is_the_one_written_down(primary, guard, matters, margin):
    asked = guarded(margin) | {"matters": matters}
    found = one([effect(*primary), on_guard(*guard, margin=margin)], asked)
    low, high = primary[0] - Z * primary[1], primary[0] + Z * primary[1]
    guard_low, guard_high = guard[0] - Z * guard[1], guard[0] + Z * guard[1]
    if high < 0 or guard_high < -margin:
        expected = {"stop"}
    elif low > 0:
        expected = {"ship"} if guard_low > -margin else {"extend", "stop"}
    else:
        expected = {"stop"} if high < matters else {"extend", "stop"}
    assert found["decision"] in expected
    assert (found["decision"] == "stop") == (found["reason"] in STOPS)
    if found["decision"] == "ship":
        assert found["low"] > 0 and found["p"] < 0.05 and guard_low > -margin
    if found["decision"] == "extend":
        assert 1 <= found["days"] <= 4 * (14 + 7) and found["users"] >= 1
        assert found["until"] == (DUE + timedelta(days=int(found["days"]))).isoformat()


@given(primary=effects_and_errors, guard=effects_and_errors, relative=st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_metric_of_which_less_is_better_is_decided_alike(primary, guard, relative):
    rows = [effect(*primary), on_guard(*guard, margin=0.05, relative=relative)]
    asked = guarded(0.05, relative=relative)
    same = one(rows, asked)
    other = one([turned(row) for row in rows], asked)
    kept = ["decision", "reason", "metric", "days", "users", "limit", "change_at"]
    assert same[kept].equals(other[kept])
    assert (same["low"], same["high"]) == pytest.approx((-other["high"], -other["low"]), nan_ok=True)


@given(arms=st.permutations(["a", "b", "c", "d"]), effects=st.lists(effects_and_errors, min_size=3, max_size=3))
@settings(max_examples=20, deadline=None)
def test_the_order_of_arms_does_not_matter(arms, effects):
    rows = [effect(*own, variant=arm) for arm, own in zip("bcd", effects, strict=True)]
    usual = decided(rows, plan(variants=dict.fromkeys("abcd", 0.25)))
    mixed = decided(sorted(rows, key=lambda row: arms.index(row["variant"])), plan(variants=dict.fromkeys(arms, 0.25)))
    assert usual.equals(mixed) and usual["best"].sum() == 1
    order = ["ship", "extend", "stop", "unreadable"]
    ranks = usual["decision"].map(order.index)
    assert ranks[usual["best"]].iloc[0] == ranks.min()


def test_of_several_arms_to_ship_the_one_of_the_largest_effect_is_named():
    rows = [effect(0.05, 0.01), effect(0.08, 0.01, variant="c"), effect(-0.05, 0.01, variant="d")]
    found = decided(rows, plan(variants=dict.fromkeys("abcd", 0.25))).set_index("variant")
    assert found["decision"].to_dict() == {"b": "ship", "c": "ship", "d": "stop"} and found.index[found["best"]].tolist() == ["c"]


@pytest.mark.parametrize("verdict, expected", [("alarm", "unreadable"), ("watch", "ship"), ("unknown", "ship"), ("ok", "ship")])
def test_only_a_red_gate_withholds_the_verdict_and_its_numbers(verdict, expected):
    found = one([effect(0.1, 0.01)], health=sound(verdict))
    assert found["decision"] == expected
    if expected == "unreadable":
        assert found["because"] == "sample_ratio" and math.isnan(found["difference"]) and math.isnan(found["gain"])


@given(primary=effects_and_errors, ahead=st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_a_fixed_plan_that_runs_tells_no_number_however_clear(primary, ahead):
    """Nor which arm leads."""
    rows = [effect(*primary), effect(primary[0] + 1, primary[1], variant="c")]
    found = decided(rows, plan(variants=dict.fromkeys("abc", 1 / 3)), last_day=DUE - timedelta(days=ahead))
    assert found["decision"].tolist() == ["extend"] * 2 and found["days"].tolist() == [ahead] * 2
    assert found["until"].tolist() == [DUE.isoformat()] * 2 and found["difference"].isna().all() and found["p"].isna().all()
    assert found["best"].tolist() == [True, False]
    assert set(found["status"]) == {"waiting" if ahead > 20 else "running"}


def test_what_is_better_ships_once_the_guardrails_have_had_their_days_too():
    asked = guarded()
    asked["metric"][1]["horizon"] = 28
    rows, last = [effect(0.1, 0.01), on_guard(0.0, 0.005)], END + timedelta(days=27)
    found = one(rows, asked, last_day=last)
    assert found[["decision", "reason", "days", "difference"]].tolist() == ["extend", "guardrail_waits", 1, 0.1]
    assert one(rows, asked, last_day=last + timedelta(days=1))["decision"] == "ship"
    assert one([effect(0.001, 0.001), rows[1]], asked, last_day=last)["reason"] == "too_small"  # which no guardrail changes


def looked(*crossed: bool) -> pd.DataFrame:
    """Looks at one arm on the days from the ninth on."""
    days = pd.to_datetime([date(2026, 1, 9) + timedelta(days=at) for at in range(len(crossed))])
    return pd.DataFrame({"experiment": "tour", "metric": "back", "variant": "b", "day": days, "crossed": crossed})


@pytest.mark.parametrize("looks", ["group-sequential", "always-valid"])
@pytest.mark.parametrize("difference, crossed, expected", [
    (0.10, True, "ship"), (-0.10, True, "stop"), (0.01, False, "extend"), (0.10, False, "extend"), (-0.10, False, "extend"),
])  # fmt: skip
def test_a_sequential_plan_may_end_before_its_end_and_only_by_its_own_rule(looks, difference, crossed, expected):
    found = one([effect(difference, 0.02)], plan(looks=looks), looks=looked(False, crossed), last_day=date(2026, 1, 12))
    assert found["decision"] == expected and found["status"] == "running"
    assert math.isnan(found["difference"]) if expected == "extend" else found["difference"] == difference


def test_looks_after_the_last_day_are_not_read():
    how = {"looks": looked(False, True), "last_day": date(2026, 1, 9)}
    assert one([effect(0.1, 0.02)], plan(looks="always-valid"), **how)["reason"] == "running"


def test_a_sequential_plan_whose_guardrail_is_still_open_goes_on_to_its_end():
    asked = guarded() | {"looks": "always-valid"}
    found = one([effect(0.1, 0.02), on_guard(-0.01, 0.02)], asked, looks=looked(True), last_day=date(2026, 1, 12))
    assert found[["decision", "reason", "days", "until"]].tolist() == ["extend", "guardrail_waits", 13, DUE.isoformat()]


def community(n: int, gain: float, *, seed: int) -> Cube:
    """People over the planned days, of whom `gain` more come back in b."""
    random = np.random.default_rng(seed)
    rows = pd.DataFrame({"variant": random.choice(["a", "b"], n), "before": random.poisson(4, n).astype(float)})
    rows["day"] = [(date(2026, 1, 5) + timedelta(days=int(at))).isoformat() for at in random.integers(0, 14, n)]
    rows["back"] = (random.random(n) < 0.4 + gain * (rows["variant"] == "b")).astype(float)
    return cube(rows, {"back": {"value": "back", "active_days": "before"}}, cuts={"day": "day"})


@pytest.mark.parametrize("looks", ["fixed-horizon", "group-sequential", "always-valid"])
@pytest.mark.parametrize("gain, expected", [(0.15, "ship"), (-0.15, "stop"), (0.0, "stop")])
def test_from_people_to_the_decision(looks, gain, expected):
    people = community(12_000, gain, seed=4)
    asked = plan(looks=looks, look_times=[0.5, 1.0], matters=0.08)
    arms = pd.DataFrame([{"experiment": "tour", "variant": arm, "people": n, "planned": 0.5, "several": 0, "unplanned": 0,
                          "names": "", "outside": 0} for arm, n in people.people("tour").items()])  # fmt: skip
    gates, came_by = health(people, [asked], arms), arrivals(people, [asked])
    seen = effects(people, [asked], last_day=DUE), looking(people, [asked], last_day=DUE)
    found = decisions(seen[0], gates, [asked], seen[1], came_by, last_day=DUE).iloc[0]
    assert found["decision"] == expected and found["status"] == "complete"
    assert found["reason"] == {0.15: "better", -0.15: "worse", 0.0: "too_small"}[gain]
    assert (found["low"] > 0, found["high"] < 0) == (gain > 0, gain < 0)


def test_what_is_clear_only_without_the_correction_does_not_ship():
    found = one([effect(0.05, 0.02, p_corrected=0.08)])
    assert found["decision"] != "ship" and found["p"] == 0.08
    assert one([effect(-0.05, 0.02, p_corrected=0.08)])["reason"] == "worse"


def test_one_primary_metric_clearly_worse_stops_what_another_would_ship():
    asked = plan(metric=[metric(), metric(name="days", kind="mean")], primary=["back", "days"])
    rows = [effect(0.1, 0.01), effect(-0.3, 0.1, metric="days", kind="mean")]
    assert one(rows, asked)[["decision", "reason", "metric"]].tolist() == ["stop", "worse", "days"]


def test_without_an_effect_that_matters_the_plan_lacks_it_and_stops():
    found = one([effect(0.01, 0.02)], plan(matters=None))
    assert found[["decision", "reason", "lacks"]].tolist() == ["stop", "unclear", "matters"]
    assert one([effect(0.05, 0.01)], plan(matters=None, start=None, end=None))["lacks"] == "dates, matters"


@given(st.floats(0.001, 0.1), st.floats(0.05, 0.9))
@settings(max_examples=30, deadline=None)
def test_an_effect_that_matters_given_as_a_share_of_control_is_the_same(matters, base):
    row = effect(0.01, 0.01, control_value=base)
    absolute = one([row], plan(matters=matters * base))
    relative = one([row], plan(matters=None, matters_relative=matters))
    assert absolute[["decision", "reason"]].equals(relative[["decision", "reason"]])
    assert absolute["limit"] == pytest.approx(relative["limit"])


def test_nothing_to_test_cannot_be_read():
    found = one([effect(0.0, math.nan)])
    assert found[["decision", "reason"]].tolist() == ["unreadable", "nothing"]
    assert decided([effect(0.1, 0.1, experiment="other")])["reason"].tolist() == ["nothing"]


def test_experiments_that_the_dataset_does_not_hold_have_no_rows():
    assert decided([effect(0.1, 0.01)], health=sound().iloc[:0]).empty


@given(n=st.integers(200, 20_000), se=st.floats(0.005, 0.03), matters=st.floats(0.01, 0.1))
@settings(max_examples=25, deadline=None)
def test_the_missing_people_give_the_power_or_an_interval_too_narrow_for_both(n, se, matters):
    row = effect(0.0, se, n=n, control_n=n)
    found = further.needed(plan(), row, matters, [])
    total = n + found.users / 2
    reached = se * math.sqrt(n / total)
    power = scipy_stats.norm.sf(Z - matters / reached)
    if scipy_stats.norm.sf(Z - matters / se) < 0.799:
        assert power == pytest.approx(0.8, abs=0.01)
    elif found.users > 1:
        assert 2 * Z * reached == pytest.approx(matters, rel=0.01)


def test_the_days_are_those_that_the_missing_people_take_and_the_horizon():
    row = effect(0.01, 0.02, n=980, control_n=980)
    missing = further.needed(plan(), row, 0.05, [140] * 14)
    assert missing.days == math.ceil(missing.users / 140) + 7
    assert math.isnan(further.needed(plan(), row, 0.05, []).days)


def test_what_would_take_more_than_four_times_the_plan_stops():
    found = one([effect(0.001, 0.02)], plan(matters=0.004))
    assert found[["decision", "reason"]].tolist() == ["stop", "too_long"] and found["days"] > 4 * 21
    assert found["high"] > 0.004


def test_units_without_days_are_told_in_units():
    asked = plan(units="visitors", start=None, end=None, metric=[metric(horizon=0)])
    found = one([effect(0.01, 0.02)], {**asked, "matters": 0.04}, arrivals=came(days=0), last_day=None)
    assert found["decision"] == "extend" and math.isnan(found["days"]) and found["users"] > 0 and found["until"] == ""
    shipped = one([effect(0.05, 0.01)], asked, arrivals=came(days=0), last_day=None)
    assert (shipped["gain"], shipped["gain_per"], shipped["gain_unit"]) == (pytest.approx(50), "thousand", "people")


@pytest.mark.parametrize("kind, unit, gain", [
    ("proportion", "points", "people"), ("retention", "points", "people"), ("mean", "money", "money"),
    ("revenue", "money", "money"), ("mean", "number", "number"), ("ratio", "money", ""), ("quantile", "money", ""),
])  # fmt: skip
def test_the_gain_is_the_effect_times_those_who_enter_in_a_week(kind, unit, gain):
    """Ratios and quantiles do not add up over people."""
    asked = plan(metric=[metric(kind=kind)])
    found = one([effect(0.05, 0.01, kind=kind, unit=unit)], asked, arrivals=came(people=30, days=14))
    assert found["gain_unit"] == gain
    expected = [end * 210 if gain else math.nan for end in (found["difference"], found["low"], found["high"])]
    assert found[["gain", "gain_low", "gain_high"]].tolist() == pytest.approx(expected, nan_ok=True)


def test_arrivals_count_the_planned_arms_and_fill_the_days_between():
    days = [f"2026-01-0{day}" for day in (5, 5, 6, 8)]
    rows = pd.DataFrame({"variant": ["a", "b", "odd", "a"], "day": days, "v": 1.0})
    found = arrivals(cube(rows, {"back": "v"}, cuts={"day": "day"}), [plan()])
    assert list(zip(found["day"].str[-2:], found["people"], strict=True)) == [("05", 2), ("06", 0), ("07", 0), ("08", 1)]


def shares_of(decision: str, truth: float, *, se: float, runs: int = 150, **more) -> float:
    seen = np.random.default_rng(11).normal(truth, se, runs)
    return np.mean([one([effect(value, se, **more)], plan(matters=0.03))["decision"] == decision for value in seen])


@pytest.mark.hard
def test_nothing_ships_more_often_than_half_of_alpha_and_what_matters_ships_with_the_power():
    """At the error at which an effect of 0.03 has a power of 0.8."""
    se = 0.03 / (Z + scipy_stats.norm.ppf(0.8))
    assert shares_of("ship", 0.0, se=se) <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 150)
    assert abs(shares_of("ship", 0.03, se=se) - 0.8) <= 3 * math.sqrt(0.8 * 0.2 / 150)
    assert shares_of("ship", -0.03, se=se) == 0
