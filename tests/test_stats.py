"""Intervals and tests against published values, against statsmodels and scipy, and against a truth that is simulated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats import proportion

from helpers import stats

SIMULATIONS = 2_000


def two_binomials():
    """Counts of two groups: nobody, everybody and a single person among them."""
    n = st.integers(1, 400)
    return st.tuples(n, n).flatmap(
        lambda sizes: st.tuples(
            st.integers(0, sizes[0]), st.just(sizes[0]), st.integers(0, sizes[1]), st.just(sizes[1])
        )
    )


def test_wilson_3_of_10_is_the_published_interval():
    """Wilson (1927), as in tests/reference/analytics.json."""
    assert stats.wilson(3, 10) == pytest.approx((0.1078, 0.6032), abs=5e-5)


@given(
    st.lists(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=12)
)
@settings(deadline=None)
def test_wilson_is_statsmodels_and_lies_within_0_and_1(counts):
    k, n = np.array(counts).T
    low, high = stats.wilson(k, n)
    for at, (successes, trials) in enumerate(counts):
        expected = proportion.proportion_confint(successes, trials, method="wilson")
        assert (low[at], high[at]) == pytest.approx(expected, abs=1e-12)
    assert (low >= 0).all() and (high <= 1).all() and (low <= k / n + 1e-12).all() and (k / n <= high + 1e-12).all()


def test_wilson_of_nobody_is_unknown_and_of_0_successes_is_not():
    low, high = stats.wilson([0, 0], [0, 12])
    assert np.isnan([low[0], high[0]]).all()
    assert low[1] == pytest.approx(0, abs=1e-12) and 0.2 < high[1] < 0.3


@pytest.mark.parametrize("n, share", [(20, 0.3), (100, 0.05), (1000, 0.5)])
def test_wilson_covers_the_truth_19_times_in_20(n, share):
    draws = scipy_stats.binom(n, share)
    low, high = stats.wilson(np.arange(n + 1), n)
    coverage = draws.pmf(np.arange(n + 1))[(low <= share) & (share <= high)].sum()
    assert 0.93 <= coverage <= 0.98


def test_mee_interval_of_newcombe_1998_table_2_case_a():
    """Newcombe, Statistics in Medicine 17 (1998), table II (a): Mee 0.0533 to 0.3377."""
    found = stats.compare_shares(48, 80, 56, 70)
    assert (found.low, found.high) == pytest.approx((0.053333849280825636, 0.33772946377341473), abs=1e-9)


@given(two_binomials())
@settings(max_examples=60, deadline=None)
def test_p_is_below_5_percent_exactly_when_the_interval_leaves_out_0(counts):
    found = stats.compare_shares(*counts)
    assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
    assert -1 <= found.low <= found.estimate <= found.high <= 1


def test_p_and_interval_agree_for_every_outcome_of_two_small_groups():
    for n_first, n_second in ((1, 1), (5, 9), (12, 12), (3, 40)):
        first, second = np.meshgrid(np.arange(n_first + 1), np.arange(n_second + 1))
        low, high = stats.score_interval(first, n_first, second, n_second)
        pooled = (first + second) / (n_first + n_second)
        error = np.sqrt(pooled * (1 - pooled) * (1 / n_first + 1 / n_second))
        with np.errstate(invalid="ignore"):
            z = np.abs(second / n_second - first / n_first) / error
        significant = np.nan_to_num(z) > scipy_stats.norm.ppf(0.975)
        assert (significant == ((low > 0) | (high < 0))).all()


@given(two_binomials())
@settings(max_examples=40, deadline=None)
def test_shares_swapped_give_the_same_with_the_other_sign(counts):
    one, other = stats.compare_shares(*counts), stats.compare_shares(*counts[2:], *counts[:2])
    assert (one.estimate, one.low, one.high, one.p) == pytest.approx(
        (-other.estimate, -other.high, -other.low, other.p), abs=1e-9
    )


@given(two_binomials())
@settings(max_examples=60, deadline=None)
def test_p_of_two_shares_is_the_pooled_z_of_statsmodels(counts):
    k_first, n_first, k_second, n_second = counts
    p = stats.compare_shares(*counts).p
    if 0 < k_first + k_second < n_first + n_second:
        assert p == pytest.approx(proportion.proportions_ztest([k_second, k_first], [n_second, n_first])[1], rel=1e-9)
    else:
        assert p == 1


@pytest.mark.parametrize("counts", [(48, 80, 56, 70), (1, 30, 4, 25), (0, 20, 3, 9)])
def test_ends_of_the_interval_are_what_the_score_test_just_rejects(counts):
    """The constrained likelihood is maximised by search here, not in closed form."""
    k_first, n_first, k_second, n_second = counts
    found = stats.compare_shares(*counts)
    for end in (found.low, found.high):
        first = np.linspace(max(0, -end), min(1, 1 - end), 400_001)[1:-1]
        likelihood = scipy_stats.binom.logpmf(k_first, n_first, first) + scipy_stats.binom.logpmf(
            k_second, n_second, first + end
        )
        best = first[np.argmax(likelihood)]
        variance = best * (1 - best) / n_first + (best + end) * (1 - best - end) / n_second
        assert abs(found.estimate - end) / math.sqrt(variance) == pytest.approx(1.959964, abs=1e-4)


@pytest.mark.parametrize("n, first, second", [(20, 0.5, 0.6), (100, 0.1, 0.1), (60, 0.05, 0.2), (5000, 0.02, 0.03)])
def test_score_interval_covers_the_true_difference(n, first, second):
    rng = np.random.default_rng(2026)
    low, high = stats.score_interval(rng.binomial(n, first, SIMULATIONS), n, rng.binomial(n, second, SIMULATIONS), n)
    assert 0.935 <= ((low <= second - first) & (second - first <= high)).mean() <= 0.975


def test_two_shares_without_people_are_unknown_and_without_successes_are_alike():
    assert np.isnan(stats.compare_shares(0, 0, 3, 9)).all()
    for k in (0, 10):
        found = stats.compare_shares(k, 10, k, 10)
        assert (found.estimate, found.p) == (0, 1)
        assert (found.low, found.high) == pytest.approx((-0.27753, 0.27753), abs=1e-5)


ARM = st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=2, max_size=30)


def moments(values) -> tuple[int, float, float]:
    return len(values), float(np.mean(values)), float(np.var(values, ddof=1))


@given(ARM, ARM)
@settings(deadline=None)
def test_means_are_compared_as_by_scipy(first, second):
    if len(set(first)) == 1 or len(set(second)) == 1:
        return
    found = stats.compare_means(moments(first), moments(second))
    expected = scipy_stats.ttest_ind(second, first, equal_var=False)
    interval = expected.confidence_interval(0.95)
    scale = max(map(abs, first + second))
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-7, abs=1e-7 * scale)
    assert (found.p < 0.05) == (found.low > 0 or found.high < 0)


def test_welch_on_the_sleep_data_is_that_of_r():
    """R: t.test(extra ~ group, data = sleep)."""
    control = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    treatment = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    found = stats.compare_means(moments(control), moments(treatment))
    assert (found.p, found.low, found.high) == pytest.approx((0.07939414, -3.3654832, 0.2054832), abs=1e-6)


def test_arms_that_do_not_vary_have_a_difference_and_no_verdict():
    for variance in (0.0, 1e-33):  # the second is the rounding of a constant 0.1
        found = stats.compare_means((50, 0.1, variance), (50, 0.1 + 1e-17, variance))
        assert found.estimate == pytest.approx(0) and np.isnan([found.low, found.high, found.p]).all()
    assert np.isnan(stats.compare_means((0, math.nan, math.nan), (9, 1.0, 1.0))).all()
    assert np.isnan(stats.compare_means((1, 3.0, math.nan), (9, 1.0, 1.0))[1:4]).all()


def test_relative_change_of_a_negative_baseline_keeps_its_direction():
    """GrowthBook, test_relative_negative_baseline_keeps_direction: 0.5."""
    assert stats.compare_means((100, -10.0, 4.0), (100, -5.0, 4.0)).relative == 0.5
    assert math.isnan(stats.compare_means((100, 0.0, 4.0), (100, 5.0, 4.0)).relative)


@pytest.mark.hard
def test_2000_aa_splits_of_shares_and_of_revenue_alarm_5_times_in_100():
    """The acceptance rule `aa_calibration` of tests/reference/experiments.json: 4 to 6 in 100."""
    rng = np.random.default_rng(0)
    revenue = np.where(rng.random((SIMULATIONS, 2, 5000)) < 0.1, rng.lognormal(3, 1.2, (SIMULATIONS, 2, 5000)), 0.0)
    mean, variance = revenue.mean(axis=2), revenue.var(axis=2, ddof=1)
    p = [
        stats.compare_means(*[(5000, mean[at, arm], variance[at, arm]) for arm in (0, 1)]).p
        for at in range(SIMULATIONS)
    ]
    assert 0.04 <= np.mean(np.array(p) < 0.05) <= 0.06
    assert scipy_stats.kstest(p, "uniform").pvalue > 0.001
    low, high = stats.score_interval(
        rng.binomial(5000, 0.2, SIMULATIONS), 5000, rng.binomial(5000, 0.2, SIMULATIONS), 5000
    )
    assert 0.04 <= ((low > 0) | (high < 0)).mean() <= 0.06


@pytest.mark.parametrize("before, now", [(2, 2), (5, 9), (30, 30), (300, 340)])
def test_interval_of_the_change_of_a_count_covers_the_truth(before, now):
    rng = np.random.default_rng(7)
    draws = zip(rng.poisson(before, SIMULATIONS), rng.poisson(now, SIMULATIONS), strict=True)
    found = np.array([stats.compare_counts(*pair)[1:3] for pair in draws])
    covered = (found[:, 0] <= now - before) & (now - before <= found[:, 1])
    assert 0.935 <= covered[~np.isnan(found[:, 0])].mean() <= 0.975


def test_interval_of_the_change_of_an_amount_covers_the_truth():
    rng = np.random.default_rng(8)
    size = 200 * np.exp(0.5)  # 200 payments of mean exp(1/2) expected in the first week, 240 in the second
    covered = []
    for _ in range(SIMULATIONS):
        first, second = rng.lognormal(0, 1, rng.poisson(200)), rng.lognormal(0, 1, rng.poisson(240))
        found = stats.compare_totals((first.sum(), (first**2).sum()), (second.sum(), (second**2).sum()))
        covered.append(found.low <= 0.2 * size <= found.high)
    assert 0.935 <= np.mean(covered) <= 0.97


def test_change_between_nothing_and_nothing_has_no_interval():
    found = stats.compare_counts(0, 0)
    assert found.estimate == 0 and np.isnan(found[1:]).all()
    assert stats.compare_counts(3, 0).relative == -1 and math.isnan(stats.compare_counts(0, 3).relative)


def test_mean_has_students_interval():
    values = [3.1, 2.0, 5.5, 4.2]
    n, mean, variance = moments(values)
    expected = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert stats.mean_interval(mean, variance, n) == pytest.approx((expected.low, expected.high))
    assert np.isnan(stats.mean_interval(3.0, math.nan, 1)).all()


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=5), st.lists(st.floats(0.01, 1), min_size=5, max_size=5))
@settings(deadline=None)
def test_sample_ratio_is_the_chi_square_of_scipy(observed, planned):
    planned = planned[: len(observed)]
    expected = np.array(planned) / sum(planned) * sum(observed)
    if sum(observed):
        assert stats.sample_ratio(observed, planned) == pytest.approx(scipy_stats.chisquare(observed, expected).pvalue)


def test_sample_ratio_of_kohavis_book_and_of_cookie_cats():
    """Kohavi, Tang, Xu (2020), chapter 3: p = 1.8e-6; Cookie Cats: chi-square 6.902."""
    assert stats.sample_ratio([821588, 815482], [0.5, 0.5]) == pytest.approx(1.8217928726191858e-06, rel=1e-6)
    assert stats.sample_ratio([44700, 45489], [0.5, 0.5]) == pytest.approx(0.008607987810836262, rel=1e-6)
    assert stats.sample_ratio([510000, 490000], [0.5, 0.5]) == pytest.approx(5.507248237212379e-89, rel=1e-6)


def test_sample_ratio_that_cannot_be_tested_is_unknown():
    for observed, planned in (([9], [1.0]), ([0, 0], [0.5, 0.5]), ([3, 4], [1.0, 0.0]), ([], [])):
        assert math.isnan(stats.sample_ratio(observed, planned))
