"""Quantiles, ranks and the bootstrap: against numpy and scipy on the rows, and against a truth that is simulated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from helpers.experiments.methods import spread

TIED = st.lists(st.integers(-3, 6).map(float), min_size=1, max_size=40)
FEW = st.lists(st.floats(-100, 100), min_size=1, max_size=9, unique=True)


@given(TIED, st.sampled_from([0.1, 0.5, 0.9, 0.99]))
@settings(deadline=None)
def test_quantiles_of_counted_values_are_those_of_the_rows(values, share):
    found = spread.quantile(spread.counted([*values, math.nan]), share)
    assert found.value == pytest.approx(np.quantile(values, share))


def test_counting_adds_up_and_leaves_out_what_is_missing():
    values, counts = spread.counted([3.0, math.nan, 1.0, 3.0, 5.0], [2, 9, 1, 4, 0])
    assert values.tolist() == [1.0, 3.0] and counts.tolist() == [1, 6]


@given(TIED, TIED)
@settings(deadline=None)
def test_ranks_with_ties_are_those_of_scipy(control, arm):
    expected = scipy_stats.mannwhitneyu(arm, control, method="asymptotic") if len({*control, *arm}) > 1 else None
    found = spread.mann_whitney(spread.counted(control), spread.counted(arm), method="normal")
    if expected is None:
        assert (found.value, found.p) == (0, 1)
        return
    assert spread.u_statistic(spread.counted(control), spread.counted(arm)) == expected.statistic
    assert found.value == pytest.approx(expected.statistic / len(control) / len(arm) - 0.5)
    assert found.p == pytest.approx(expected.pvalue)


@given(FEW, FEW)
@settings(deadline=None)
def test_tiny_samples_without_ties_are_counted_out_as_in_scipy(control, arm):
    if set(control) & set(arm):
        return
    found = spread.mann_whitney(spread.counted(control), spread.counted(arm))
    assert found.p == pytest.approx(scipy_stats.mannwhitneyu(arm, control).pvalue)
    assert ("exact" in found.method) == (min(len(control), len(arm)) <= 8)


def test_ranks_of_many_people_need_only_their_distinct_values():
    counts = np.array([9_000_000, 600_000, 300_000, 100_000])
    found = spread.mann_whitney((np.arange(4.0), counts), (np.arange(4.0), counts[[0, 2, 1, 3]]))
    assert 0 < found.p < 1e-10 and 0 < found.value < 0.1 and math.isnan(found.low)
    assert spread.mann_whitney((np.arange(4.0), counts), (np.arange(4.0), counts)).p == 1


def test_the_error_of_a_quantile_is_that_of_its_order_statistics():
    """Of a normal sample it nears sqrt(q (1 - q) / n) over the density there."""
    values = scipy_stats.norm.ppf((np.arange(10_000) + 0.5) / 10_000)
    for share in (0.5, 0.9):
        density = scipy_stats.norm.pdf(scipy_stats.norm.ppf(share))
        found = spread.quantile(spread.counted(values), share)
        assert math.sqrt(found.variance) == pytest.approx(math.sqrt(share * (1 - share) / 10_000) / density, rel=0.02)


def test_the_bootstrap_is_the_same_for_a_seed_and_near_welch_for_many_people():
    random = np.random.default_rng(1)
    control, arm = random.gamma(2, 1, 800), random.gamma(2, 1.1, 900)
    found = spread.poisson_bootstrap(spread.counted(control), spread.counted(arm), seed=4, draws=1000)
    assert found == spread.poisson_bootstrap(spread.counted(control[::-1]), spread.counted(arm), seed=4, draws=1000)
    assert found != spread.poisson_bootstrap(spread.counted(control), spread.counted(arm), seed=5, draws=1000)
    expected = scipy_stats.ttest_ind(arm, control, equal_var=False).confidence_interval()
    assert found.value == pytest.approx(arm.mean() - control.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_the_bootstrap_does_not_depend_on_an_offset():
    control, arm = np.array([1.0, 2, 2, 7, 9, 4]), np.array([3.0, 3, 8, 8, 1])
    near, far = (
        spread.poisson_bootstrap(spread.counted(control + step), spread.counted(arm + step), seed=1) for step in (0, 1e9)
    )
    assert (far.value, far.low, far.high, far.p) == pytest.approx((near.value, near.low, near.high, near.p), abs=1e-5)


@given(TIED, TIED, st.sampled_from([0.8, 0.95]), st.integers(0, 9))
@settings(deadline=None, max_examples=60)
def test_interval_and_p_of_the_bootstrap_agree_to_the_draw(control, arm, confidence, seed):
    found = spread.poisson_bootstrap(spread.counted(control), spread.counted(arm), seed=seed, draws=200, confidence=confidence)
    if not math.isnan(found.p):
        assert (found.p < 1 - confidence - 1e-12) == (not found.covers(0))


def test_the_bootstrap_caps_and_takes_other_statistics():
    control, arm = spread.counted([1.0, 2, 3, 4, 400]), spread.counted([1.0, 2, 3, 9, 9])
    assert spread.poisson_bootstrap(control, arm, seed=1, cap=9).value == pytest.approx(24 / 5 - 19 / 5)

    def ever(weights, values):
        return (weights @ (values > 2)) / np.maximum(weights.sum(axis=1), 1)

    assert spread.poisson_bootstrap(control, arm, seed=1, statistic=ever).value == 0
    few = spread.poisson_bootstrap(control, arm, seed=1, draws=20)
    assert "too few" in few.method and math.isnan(few.p)


@pytest.mark.filterwarnings("error")
def test_nobody_one_person_and_constants_are_unknown_and_raise_nothing():
    cells = [[], [3.0], [2.0] * 6, [math.nan], [1.0, 2.0], [0.0] * 50 + [5.0]]
    for control in map(spread.counted, cells):
        for arm in map(spread.counted, cells):
            found = [spread.quantiles(control, arm, share) for share in (0.01, 0.5, 0.99)]
            found += [spread.mann_whitney(control, arm), spread.poisson_bootstrap(control, arm, seed=1, draws=50)]
            for one in found:
                assert math.isnan(one.p) or 0 < one.p <= 1
                assert not any(math.isinf(number) for number in (one.value, one.low, one.high))
    constant = spread.counted([2.0] * 6)
    assert math.isnan(spread.quantiles(constant, constant, 0.5).p)
    assert math.isnan(spread.poisson_bootstrap(constant, constant, seed=1).p)


@pytest.mark.hard
@pytest.mark.parametrize("share, n", [(0.5, 100), (0.9, 300)])
def test_intervals_of_quantiles_hold_the_truth_19_times_in_20(share, n):
    random, rounds, held = np.random.default_rng(n), 2000, 0
    truth = scipy_stats.lognorm.ppf(share, 1)
    for _ in range(rounds):
        control, arm = random.lognormal(0, 1, n), random.lognormal(0, 1, n) * 1.5
        held += spread.quantiles(spread.counted(control), spread.counted(arm), share).covers(0.5 * truth)
    assert 0.93 <= held / rounds <= 0.975


@pytest.mark.hard
def test_false_alarms_of_ranks_and_of_the_bootstrap_are_5_in_100():
    random, rounds = np.random.default_rng(8), 1000
    ranks = boots = 0
    for _ in range(rounds):
        control, arm = (spread.counted(np.floor(random.gamma(2, 2, 80))) for _ in range(2))
        ranks += spread.mann_whitney(control, arm).p < 0.05
        boots += spread.poisson_bootstrap(control, arm, seed=3, draws=400).p < 0.05
    assert 0.03 < ranks / rounds < 0.07 and 0.03 < boots / rounds < 0.075
