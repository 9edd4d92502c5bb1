"""What a test can tell and how long it takes: published, against statsmodels, and by simulation."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from helpers.errors import InputError
from helpers.experiments.planning import arrival, power

CASES = json.loads((Path(__file__).parent / "reference" / "experiments.json").read_text(encoding="utf-8"))["cases"]
OWN = [case for case in CASES if case["topic"] in ("power", "sequential", "group-sequential") and case["adapter"]]
WEEK = [120, 100, 100, 100, 90, 40, 50]


@pytest.mark.parametrize("case", OWN, ids=lambda case: case["id"])
def test_the_published_cases_are_answered(case):
    found = reference.answer({"topic": case["topic"], "input": case["input"]})
    within = {"rel": 0, "abs": 0} | case["tolerance"]
    assert set(found) == set(case["expected"])
    for name, expected in case["expected"].items():
        assert found[name] == pytest.approx(expected, **within)


def test_further_cases_of_the_same_form_are_answered():
    """Other looks, sides, levels, effects and powers, by what the textbooks and the other helpers say."""

    def told(topic: str, **given) -> dict:
        return reference.answer({"topic": topic, "input": given})

    shapes = "Pocock type; Hwang-Shih-DeCani"
    looks = told("group-sequential", t=[1 / 3, 2 / 3, 1], alpha=0.025, sides=1, spending=shapes)
    assert looks["hsd_type"] == pytest.approx([3.0107, 2.5465, 1.9992], abs=1e-4)
    assert looks["pocock_type"] == pytest.approx([2.2794, 2.2949, 2.2959], abs=1e-4)
    assert told("group-sequential", nominal_z=2.576, looks=[1, 2])["looks_1_at_2.58"] == pytest.approx(0.01, abs=1e-4)
    arms = {"control": {"n": 500, "sum": 100}, "treatment": {"n": 400, "sum": 90}}
    difference = told("sequential", **arms, tuning=900, alpha=0.1, effect="difference")
    assert difference["difference"] == pytest.approx(0.025)
    assert difference["ci"][0] < 0 < difference["ci"][1]
    assert told("power", alpha=0.01, power=0.9, cases=[{"base": 0.3, "abs": -0.05}])["n_per_arm"][0] > 1500
    assert told("power", effect_size=0.2, alpha=0.05, power=0.8)["power_n394"] == pytest.approx(0.8, abs=1e-3)
    for topic in ("sequential", "group-sequential", "power"):
        with pytest.raises(reference.NotCovered):
            told(topic, spending="a straight line", rule="in words")


def test_users_for_shares_are_those_of_evan_millers_calculator():
    """Its first answer: a base of 20 % and an effect of 5 points, 1,030 users an arm."""
    assert int(power.users_for_shares(0.2, 0.05)) == 1030


@pytest.mark.parametrize(("mean", "variance", "rule"), [(0.05, 0.0475, 121_600), (3.75, 900, 409_600)])
def test_the_rule_of_sixteen_is_a_little_more_than_what_is_needed(mean, variance, rule):
    """Kohavi, Longbotham, Sommerfield and Henne (2009): 16 variances over the squared effect, here of 5 % of the mean."""
    effect = power.absolute(0.05, mean)
    assert 16 * variance / effect**2 == pytest.approx(rule)
    assert power.users_for_means(effect, (variance, variance)) == pytest.approx(rule * 15.7 / 16, rel=1e-3)


@given(
    effect=st.floats(0.05, 2), spread=st.floats(0.1, 50), n=st.integers(3, 3000), ratio=st.sampled_from([1.0, 0.25, 3.0]),
    alpha=st.sampled_from([0.01, 0.05, 0.2]), comparisons=st.integers(1, 3),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_power_of_means_is_that_of_statsmodels(effect, spread, n, ratio, alpha, comparisons):
    """Equal variances and, where the arms differ, so many people that Welch's degrees of freedom do not matter."""
    n = n if ratio == 1 else n + 3000
    found = power.power_of_means(
        effect * spread, (spread**2, spread**2), (n, ratio * n), alpha=alpha, comparisons=comparisons
    )
    expected = TTestIndPower().power(effect, n, alpha / comparisons, ratio=ratio)
    if math.isnan(expected):  # its other tail of a large effect
        assert found > 0.99
        return
    assert found == pytest.approx(expected, abs=1e-6 if ratio == 1 else 5e-3)


def test_power_of_one_side_is_that_of_statsmodels():
    found = power.power_of_means(0.3, (1, 1), (80, 80), sides=1)
    assert found == pytest.approx(TTestIndPower().power(0.3, 80, 0.05, alternative="larger"), abs=1e-10)


@given(
    effect=st.floats(0.01, 3), variances=st.tuples(st.floats(0.1, 9), st.floats(0, 9)), ratio=st.sampled_from([1.0, 0.2, 4.0]),
    wanted=st.floats(0.3, 0.99), sides=st.sampled_from([1, 2]), comparisons=st.integers(1, 4),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_users_effect_and_power_of_means_are_three_views_of_one_thing(effect, variances, ratio, wanted, sides, comparisons):
    how = {"sides": sides, "comparisons": comparisons}
    n = power.users_for_means(effect, variances, ratio=ratio, power=wanted, **how)
    reached = power.power_of_means(effect, variances, (n, ratio * n), **how)
    least = 2 * max(1, 1 / ratio)
    assert reached == pytest.approx(wanted, abs=1e-6) or (n == least and reached > wanted)
    if n > least:
        assert power.detectable_mean(variances, (n, ratio * n), power=wanted, **how) == pytest.approx(effect, rel=1e-6)


@given(
    base=st.floats(0.01, 0.99), part=st.floats(0.05, 0.9), falls=st.booleans(), ratio=st.sampled_from([1.0, 0.2, 4.0]),
    wanted=st.floats(0.3, 0.99), how=st.builds(dict, sides=st.sampled_from([1, 2]), pooled=st.booleans()),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_users_effect_and_power_of_shares_are_three_views_of_one_thing(base, part, falls, ratio, wanted, how):
    effect = part * (-base if falls else 1 - base)
    n = power.users_for_shares(base, effect, ratio=ratio, power=wanted, **how)
    if n < 2 or ratio * n < 2:
        return
    users = (n, ratio * n)
    assert power.power_of_shares(base, effect, users, **how) == pytest.approx(wanted, abs=1e-9)
    assert power.detectable_share(base, users, falls=falls, power=wanted, **how) == pytest.approx(effect, rel=1e-9)


def test_small_effects_on_shares_need_what_statsmodels_says():
    """Its effect size, the difference of arcsines, is nearly the same for a small effect."""
    n = power.users_for_shares(0.3, 0.001)
    size = 2 * (math.asin(math.sqrt(0.301)) - math.asin(math.sqrt(0.3)))
    assert n == pytest.approx(NormalIndPower().solve_power(size, alpha=0.05, power=0.8), rel=2e-3)


def test_planned_power_is_the_share_of_tests_that_find_the_effect():
    """4,000 tests each, simulated from counts and from means and variances of small normal arms."""
    rng, runs = np.random.default_rng(31), 4000
    n = math.ceil(power.users_for_shares(0.1, 0.03, pooled=True))
    first, second = rng.binomial(n, 0.1, runs) / n, rng.binomial(n, 0.13, runs) / n
    pooled = (first + second) / 2
    z = (second - first) / np.sqrt(2 * pooled * (1 - pooled) / n)
    assert (np.abs(z) > 1.959964).mean() == pytest.approx(0.8, abs=0.025)
    n, n_arm = 15, 30
    control, arm = rng.normal(size=(runs, n)), rng.normal(1.0, 2.0, size=(runs, n_arm))
    found = scipy_stats.ttest_ind(arm, control, axis=1, equal_var=False).pvalue
    assert (found < 0.05).mean() == pytest.approx(power.power_of_means(1.0, (1, 4), (n, n_arm)), abs=0.025)


def test_the_calculators_formula_promises_a_little_more_than_the_pooled_test_keeps():
    n = power.users_for_shares(0.1, 0.03)
    assert power.power_of_shares(0.1, 0.03, (n, n)) == pytest.approx(0.8)
    assert power.power_of_shares(0.1, 0.03, (n, n), pooled=True) == pytest.approx(0.77, abs=0.005)


def test_more_comparisons_need_the_users_of_a_smaller_alpha():
    assert power.users_for_shares(0.1, 0.01, comparisons=4) == power.users_for_shares(0.1, 0.01, alpha=0.0125)
    assert power.detectable_mean((1, 1), (90, 90), comparisons=3) > power.detectable_mean((1, 1), (90, 90))


def test_a_share_that_cannot_rise_so_far_has_no_detectable_effect():
    assert math.isnan(power.detectable_share(0.9, (10, 10)))
    assert math.isnan(power.detectable_share(0.01, (10, 10), falls=True))


def test_a_relative_effect_keeps_its_sign_on_a_negative_mean():
    assert power.absolute(0.1, -5.0) == 0.5


def test_the_variance_of_a_ratio_is_what_its_estimates_show():
    """Amounts over orders of 500 users, 4,000 times."""
    rng = np.random.default_rng(37)
    orders = 1 + rng.poisson(2, size=(4000, 500))
    amounts = orders * 3.0 + rng.normal(size=orders.shape) * orders
    ratios = amounts.sum(axis=1) / orders.sum(axis=1)
    both = np.cov(amounts.ravel(), orders.ravel())
    found = power.ratio_variance((amounts.mean(), orders.mean()), (both[0, 0], both[1, 1]), both[0, 1])
    assert found / 500 == pytest.approx(ratios.var(), rel=0.08)
    assert power.ratio_variance((6.0, 2.0), (9.0, 1.0), 3.0) == 0  # always three times as much: nothing varies


def test_cuped_leaves_one_less_the_squared_correlation():
    rng = np.random.default_rng(41)
    before = rng.normal(size=20_000)
    after = 0.6 * before + 0.8 * rng.normal(size=20_000)
    rho = np.corrcoef(before, after)[0, 1]
    slope = np.cov(before, after)[0, 1] / before.var(ddof=1)
    assert power.left_variance(after.var(ddof=1), rho) == pytest.approx((after - slope * before).var(ddof=1))
    saved = power.users_for_means(0.1, (power.left_variance(1, 0.6),) * 2) / power.users_for_means(0.1, (1, 1))
    assert saved == pytest.approx(0.64, abs=1e-3)


def test_the_curve_goes_on_as_its_last_week_did():
    found = arrival.extended([900, *WEEK, *WEEK], 29)
    assert found.tolist() == np.cumsum([900, *WEEK, *WEEK, *WEEK, *WEEK]).tolist()
    assert arrival.extended([900, 80], 4).tolist() == [900, 980, 1060, 1140]  # the first day is not a rate
    assert arrival.extended([900], 3).tolist() == [900, 1800, 2700]
    assert arrival.extended([900, 80, 70], 2).tolist() == [900, 980]


@given(
    new=st.lists(st.integers(0, 50), min_size=1, max_size=20), users=st.integers(1, 3000),
    traffic=st.sampled_from([1.0, 0.3]), wait=st.integers(0, 9),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_days_are_those_on_which_enough_have_come_and_not_a_day_more(new, users, traffic, wait):
    days = arrival.days_needed(users, new, traffic=traffic, wait=wait)
    if days is None:
        assert traffic * arrival.extended(new, arrival.NEVER)[-1] < users
        return
    come = traffic * arrival.extended(new, days - wait)
    assert come[-1] >= users * (1 - 1e-9)
    assert len(come) == 1 or come[-2] < users
    needed = arrival.traffic_needed(users, new, days=days, wait=wait)
    assert needed <= traffic * (1 + 1e-9)


def test_a_straight_line_from_the_first_day_would_promise_too_much():
    """On the first day everybody is new: 1,000 come, then 100 a day."""
    assert arrival.days_needed(5000, [1000, 100, 100]) == 41
    assert arrival.days_needed(5000, [1000, 100, 100], wait=7) == 48


def test_a_test_that_nobody_joins_never_ends():
    assert arrival.days_needed(10, [5, 0, 0]) is None
    assert arrival.traffic_needed(10, [5, 0, 0], days=30) is None
    assert arrival.traffic_needed(5, [10, 0], days=30) == 0.5


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: power.users_for_shares(0, 0.1), "base rate is 0"),
        (lambda: power.users_for_shares(0.5, 0.6), "beyond 0 to 1"),
        (lambda: power.users_for_shares(0.5, 0), "effect is 0"),
        (lambda: power.users_for_shares(0.5, 0.1, alpha=2), "alpha is 2"),
        (lambda: power.users_for_shares(0.5, 0.1, power=1), "power is 1"),
        (lambda: power.users_for_shares(0.5, 0.1, power=0.01), "power is 0.01, must be more than 0.05"),
        (lambda: power.users_for_shares(0.5, 0.1, comparisons=0), "comparisons is 0"),
        (lambda: power.users_for_shares(0.5, 0.1, ratio=0), "ratio is 0"),
        (lambda: power.users_for_shares(0.5, float("inf")), "finite"),
        (lambda: power.users_for_means(0, (1, 1)), "smallest one that matters"),
        (lambda: power.users_for_means(-1, (1, 1), sides=1), "of one side, above 0"),
        (lambda: power.users_for_means(1e-9, (1, 1)), "more than 1e\\+15"),
        (lambda: power.users_for_means(1, (0, 0)), "constant tells nothing"),
        (lambda: power.users_for_means(1, (1, float("nan"))), "finite"),
        (lambda: power.users_for_means(1, 1), "two numbers"),
        (lambda: power.detectable_mean((1, 1), (1, 9)), "at least 2"),
        (lambda: power.absolute(0.1, 0), "mean is 0"),
        (lambda: power.ratio_variance((1, 0), (1, 1), 0), "no value"),
        (lambda: power.ratio_variance((1, 1), (1, 1), 5), "belong together"),
        (lambda: power.left_variance(1, 1.5), "between -1 and 1"),
        (lambda: arrival.days_needed(0, [1]), "users is 0"),
        (lambda: arrival.days_needed(9, []), "at least one"),
        (lambda: arrival.days_needed(9, [-1]), "none below 0"),
        (lambda: arrival.days_needed(9, [1], traffic=1.5), "at most 1"),
        (lambda: arrival.traffic_needed(9, [1], days=3, wait=3), "only 3"),
        (lambda: arrival.extended([1], 2, recent=0), "recent is 0"),
    ],
)
def test_odd_input_is_refused_in_plain_words(call, said):
    with pytest.raises(InputError, match=said):
        call()
