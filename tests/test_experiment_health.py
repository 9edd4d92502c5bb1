"""The health gate: what is wrong with a split or with the values is found and named, and what is right raises no alarm."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from helpers import stats
from helpers.experiments.counted.cube import Cube
from helpers.experiments.peeking import sequential
from helpers.experiments.trust import allocation
from helpers.experiments.trust.health import gate, health, spelled_as
from tests.judged import DAYS, checked, made, people, sizes
from tests.plans import metric, plan


def verdict(found: pd.DataFrame) -> str:
    return gate(found.reset_index())["verdict"].iloc[0]


def test_a_sound_experiment_raises_no_alarm():
    found = checked(people(), duplicates={"tour": 0})
    assert set(found["verdict"]) <= {"ok", "unknown"} and verdict(found) == "ok"
    assert list(found.index[found["verdict"] == "unknown"]) == ["largest"]


@pytest.mark.hard
def test_fifty_sound_experiments_are_stopped_as_seldom_as_the_limits_promise():
    """Five checks may each be wrong once in a thousand."""
    alarms = [verdict(checked(people(600, seed=seed))) == "alarm" for seed in range(50)]
    assert sum(alarms) <= 2


@given(st.lists(st.integers(0, 3000), min_size=2, max_size=4), st.data())
@settings(max_examples=20, deadline=None)
def test_the_sample_ratio_is_that_of_scipy_where_enough_are_expected(counts, data):
    weights = data.draw(st.lists(st.sampled_from([1, 2, 5]), min_size=len(counts), max_size=len(counts)))
    expected = np.array(weights) / sum(weights) * sum(counts)
    if expected.min() < 5:
        return
    assert allocation.tested(counts, weights) == pytest.approx(scipy_stats.chisquare(counts, expected).pvalue, rel=1e-9)


@pytest.mark.parametrize("counts, weights", [((1, 8), (1, 1)), ((0, 3, 4), (1, 2, 1)), ((2, 6), (1, 2)), ((0, 0, 5), (1, 1, 1))])
def test_few_people_are_counted_out(counts, weights):
    """Beside every outcome written out; of two arms it is the binomial test."""
    n, shares = sum(counts), np.array(weights) / sum(weights)
    likely = {way: math.exp(scipy_stats.multinomial.logpmf(way, n, shares))
              for way in product(range(n + 1), repeat=len(counts)) if sum(way) == n}  # fmt: skip
    expected = sum(chance for chance in likely.values() if chance <= likely[counts] * (1 + 1e-9))
    assert allocation.tested(counts, weights) == pytest.approx(expected)
    if len(counts) == 2:
        assert allocation.tested(counts, weights) == pytest.approx(scipy_stats.binomtest(counts[0], n, shares[0]).pvalue)


def test_a_split_too_large_to_be_counted_out_is_unknown():
    assert math.isnan(allocation.tested([1, 4000, 4000, 4000], [0.0001, 1, 1, 1]))


@pytest.mark.parametrize(
    "p, expected", [(0.0009, "alarm"), (0.001, "watch"), (0.0499, "watch"), (0.05, "ok"), (math.nan, "unknown")]
)
def test_below_one_in_a_thousand_is_an_alarm_and_below_one_in_twenty_a_watch(p, expected):
    assert allocation.told(p) == expected


def test_the_split_of_cookie_cats_is_watched_and_not_blocked():
    asked = plan(slices=[])
    rows = pd.DataFrame({"variant": ["a"] * 44_700 + ["b"] * 45_489})
    arms = sizes(rows, asked)
    found = health(Cube({}), [asked], arms).set_index("check")
    assert found.loc["sample_ratio", "verdict"] == "watch" and found.loc["sample_ratio", "p"] == pytest.approx(0.0086, abs=5e-5)
    assert verdict(found) == "watch"


def test_an_imbalance_is_found_in_all_and_by_day_and_traced_to_its_slice():
    rows = people(8000)
    lost = (rows["channel"] == "ads") & (rows["variant"] == "b") & (np.arange(len(rows)) % 4 == 0)
    found = checked(rows[~lost])
    assert found.loc[["sample_ratio", "by_day", "by_slice"], "verdict"].tolist() == ["alarm", "alarm", "watch"]
    assert found.loc["by_slice", "where"] == "channel = ads"
    assert found.loc["imbalance", "where"] in ("channel = ads, a", "channel = ads, b")
    assert verdict(found) == "alarm"


def test_an_imbalance_of_everybody_sits_nowhere_in_particular():
    found = checked(people(8000, shares=(0.56, 0.44)))
    assert found.loc["imbalance", "where"] in ("a", "b")


def test_the_levels_of_all_slices_are_one_family():
    rows = people(3000)
    found = checked(rows)
    both = [allocation.tested([int(((rows["variant"] == arm) & (rows["channel"] == level)).sum()) for arm in "ab"], [1, 1])
            for level in ("ads", "friend")]  # fmt: skip
    assert found.loc["by_slice", "p"] == pytest.approx(stats.holm(both).min())
    assert found.loc["by_slice", "value"] == 2


def test_by_day_it_is_the_test_that_holds_at_every_look_and_names_the_first_day():
    rows = people(6000)
    rows = rows[~((rows["day"] >= DAYS[7]) & (rows["variant"] == "b") & (np.arange(len(rows)) % 2 == 0))]
    table = np.array([[((rows["day"] == day) & (rows["variant"] == arm)).sum() for arm in "ab"] for day in DAYS])
    p = sequential.sample_ratio(table, [0.5, 0.5])
    found = checked(rows)
    assert found.loc["by_day", "p"] == pytest.approx(p[-1])
    assert found.loc["by_day", "where"] == DAYS[int(np.flatnonzero(p < 0.001)[0])] and found.loc["by_day", "where"] > DAYS[7]


def test_a_changed_allocation_is_an_alarm_and_shows_what_mixing_days_did():
    """Simpson: no day differs, but b has more of the days on which everybody comes back."""
    random = np.random.default_rng(3)
    parts = []
    for days, share, back in ((DAYS[:7], 0.1, 0.2), (DAYS[7:], 0.9, 0.8)):
        n = 3000
        parts.append(pd.DataFrame({
            "variant": np.where(random.random(n) < share, "b", "a"), "day": random.choice(days, n), "channel": "ads",
            "back": (random.random(n) < back).astype(float), "before": 1.0,
        }))  # fmt: skip
    rows = pd.concat(parts, ignore_index=True)
    found = checked(rows).loc["changed"]
    means = rows.groupby("variant")["back"].mean()
    by_day = rows.groupby(["day", "variant"])["back"].mean().unstack()
    weights = rows.groupby("day").size() / len(rows)
    assert found["verdict"] == "alarm" and found["value"] == pytest.approx(means["b"] - means["a"])
    assert found["other"] == pytest.approx(float(((by_day["b"] - by_day["a"]) * weights).sum()))
    assert found["value"] > 0.3 and abs(found["other"]) < 0.05


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=2, max_size=30))
@settings(max_examples=20, deadline=None)
def test_days_taken_together_keep_everybody_and_have_enough(counts):
    table = np.array(counts, dtype=float)
    days = [f"2026-03-{at:02d}" for at in range(len(table))]
    names, thick = allocation._thick(days, table)
    assert len(names) == len(thick) and np.array_equal(thick.sum(axis=0), table.sum(axis=0)) and bool(names) == bool(table.any())
    if len(thick) > 1 and table.sum(axis=0).min() > 0:
        assert (np.outer(thick.sum(axis=1), thick.sum(axis=0)) / thick.sum()).min() >= allocation.LEAST_EXPECTED - 1e-9


@pytest.mark.parametrize("several, expected", [(0, "ok"), (9, "ok"), (12, "watch"), (60, "alarm")])
def test_people_in_several_arms_are_counted_against_everybody_seen(several, expected):
    found = checked(people(), left_out={"several": several})
    assert found.loc["several", "verdict"] == expected
    assert found.loc["several", "value"] == pytest.approx(several / (4000 + several))


def test_the_rule_for_several_arms_is_watched_only_where_it_makes_the_verdict():
    rows = people(4000)
    moved = rows.copy()
    moved.loc[(moved["variant"] == "b") & (np.arange(len(moved)) % 3 == 0), "back"] = 1.0
    alike = checked(rows, left_out={"several": 20}, other=made(rows))
    made_by_rule = checked(rows, left_out={"several": 20}, other=made(moved))
    assert alike.loc["rule", "verdict"] == "ok" and alike.loc["rule", "value"] == alike.loc["rule", "other"]
    assert made_by_rule.loc["rule", "verdict"] == "watch" and made_by_rule.loc["rule", "other"] > 0.1
    assert checked(rows, left_out={"several": 20}).loc["rule", "verdict"] == "unknown"


def test_eight_spellings_of_two_arms_are_told_to_be_spellings():
    asked = plan(variants={"control": 0.5, "treatment": 0.5}, control="control", slices=[])
    rows = people().assign(variant=lambda own: own["variant"].map({"a": "control", "b": "treatment"}))
    names = "Control, CONTROL, control , Treatment, TREATMENT, treatment_, treatmnt, con-trol"
    found = checked(rows, asked, left_out={"unplanned": 80, "names": names}).loc["unplanned"]
    assert found["said"] == "unplanned_spelled" and found["verdict"] == "watch" and found["where"] == names
    strange = checked(rows, asked, left_out={"unplanned": 80, "names": "Control, blue"}).loc["unplanned"]
    assert strange["said"] == "unplanned_watch" and "blue" in strange["where"]


@given(st.sampled_from(["control", "treatment", "No E-Mail"]), st.booleans(), st.sampled_from(["", " ", "_", "-"]))
def test_case_and_separators_make_no_other_arm(arm, upper, mark):
    assert spelled_as(mark + (arm.upper() if upper else arm.lower()) + mark, ["control", "treatment", "No E-Mail"]) == arm


def test_values_missing_in_one_arm_are_an_alarm_with_the_shares_of_scipy():
    rows = people(4000)
    rows.loc[(rows["variant"] == "b") & (np.arange(len(rows)) % 20 == 0), "back"] = np.nan
    found = checked(rows).loc["missing"]
    table = pd.crosstab(rows["variant"], rows["back"].isna())
    assert found["verdict"] == "alarm" and found["metric"] == "back" and found["where"] in ("a", "b")
    assert found["p"] == pytest.approx(scipy_stats.chi2_contingency(table, correction=False).pvalue)
    assert checked(people(4000)).loc["missing", "said"] == "missing_none"


def test_arms_that_differed_before_are_an_alarm_by_welch():
    rows = people(4000)
    rows.loc[rows["variant"] == "b", "before"] += 0.4
    found = checked(rows).loc["before"]
    values = [rows.loc[rows["variant"] == arm, "before"] for arm in "ba"]
    assert found["p"] == pytest.approx(scipy_stats.ttest_ind(*values, equal_var=False).pvalue)
    assert found["verdict"] == "alarm" and found["where"] == "active_days, b"
    assert found["value"] == pytest.approx(values[0].mean()) and found["other"] == pytest.approx(values[1].mean())


def test_a_constant_metric_is_named_and_stops_nothing():
    found = checked(people().assign(back=1.0))
    assert found.loc["constant", ["verdict", "where"]].tolist() == ["unknown", "back"] and verdict(found) == "ok"


@pytest.mark.parametrize(
    "n, said", [((0, 0), "few_nobody"), ((50, 0), "few_one"), ((60, 70), "few_watch"), ((300, 300), "few_ok")]
)
def test_too_few_are_told(n, said):
    asked = plan(slices=["channel"])
    rows = pd.DataFrame({"variant": ["a"] * n[0] + ["b"] * n[1], "day": DAYS[0], "channel": "ads", "back": 1.0, "before": 1.0})
    found = checked(rows, asked)
    assert found.loc["few", "said"] == said
    assert verdict(found) == {"few_nobody": "unknown", "few_one": "alarm", "few_watch": "watch", "few_ok": "ok"}[said]


def test_an_arm_without_weight_is_left_out_of_the_split_and_named():
    asked = plan(variants={"a": 0.5, "b": 0.5, "c": 0.0}, slices=["channel"])
    rows = people(4000)
    rows.loc[:5, "variant"] = "c"
    found = checked(rows, asked)
    assert found.loc["unplanned", ["said", "where", "people"]].tolist() == ["unplanned_weightless", "c", 6]
    assert found.loc["sample_ratio", "verdict"] == "ok"


def tail(control: list[float], arm: list[float]) -> pd.DataFrame:
    """Contract `experiment_values`."""
    rows = pd.DataFrame({"variant": ["a"] * len(control) + ["b"] * len(arm), "value": [*control, *arm]})
    counted = rows.groupby(["variant", "value"]).size().rename("people").reset_index()
    return counted.assign(experiment="tour", metric="back")


def test_the_largest_users_are_told_by_their_share_and_by_what_hangs_on_them():
    random = np.random.default_rng(5)
    even = tail(random.normal(10, 1, 2000).tolist(), random.normal(10.2, 1, 2000).tolist())
    assert checked(people(), values=even).loc["largest", "said"] == "largest_ok"
    long = tail(random.lognormal(0, 2.5, 2000).tolist(), random.lognormal(0.2, 2.5, 2000).tolist())
    found = checked(people(), values=long).loc["largest"]
    every = long.loc[long.index.repeat(long["people"]), "value"].sort_values(ascending=False)
    assert found["said"] in ("largest_skew", "largest_sign") and found["verdict"] == "watch"
    if found["said"] == "largest_skew":
        assert found["value"] == pytest.approx(every.iloc[:40].sum() / every.sum())


def test_an_effect_that_hangs_on_one_user_is_watched():
    found = checked(people(), values=tail([1.0] * 500, [0.9] * 499 + [1000.0])).loc["largest"]
    assert found["said"] == "largest_sign" and found["value"] > 0 > found["other"]
    assert found["other"] == pytest.approx(-0.1)


def test_people_outside_the_planned_days_and_equal_rows_are_said():
    found = checked(people(), left_out={"outside": 30}, duplicates={"tour": 6562})
    assert found.loc[["outside", "duplicates"], "verdict"].tolist() == ["watch", "watch"] and verdict(found) == "watch"


@given(seed=st.integers(0, 50))
@settings(max_examples=8, deadline=None)
def test_the_order_of_rows_and_arms_changes_nothing(seed):
    rows, asked = people(800, seed=seed), plan(slices=["channel"])
    turned = plan(slices=["channel"], variants={"b": 0.5, "a": 0.5})
    one = checked(rows, asked)
    two = checked(rows.sample(frac=1, random_state=seed), turned)
    assert one["verdict"].equals(two["verdict"]) and np.allclose(one["p"], two["p"], equal_nan=True)


def test_no_number_is_infinite_whatever_comes():
    asked = plan(metric=[metric(), metric(name="spent", kind="ratio", per="events", role="secondary")], secondary=["spent"],
                 slices=["channel"])  # fmt: skip
    for n in (0, 1, 2, 3, 12):
        found = checked(people(n, seed=n), asked)
        assert not np.isinf(found[["p", "value", "other"]].to_numpy(dtype=float)).any()
    assert health(Cube({}), [asked], sizes(people(0), asked).iloc[:0]).empty
