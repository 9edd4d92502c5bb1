"""What holds at every look: sequences, the mixture test and the sample ratio; published, recomputed, simulated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from scipy import stats as scipy_stats

from helpers.errors import InputError
from helpers.experiments.peeking import group_sequential, sequential

LOOKS = 20
small = st.floats(0.01, 100)


def at_most(alarms: np.ndarray, alpha: float) -> bool:
    """No more alarms than alpha, but for what chance does to so many runs."""
    return alarms.mean() <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / len(alarms))


def paths(runs: int, *, seed: int) -> np.ndarray:
    """z of a difference that is not there, at equal looks."""
    steps = np.random.default_rng(seed).normal(size=(runs, LOOKS))
    return steps.cumsum(axis=1) / np.sqrt(np.arange(1, LOOKS + 1))


def test_the_mixture_test_is_that_of_johari_and_others_2022():
    """tests/reference/experiments.json, msprt_normal."""
    found = sequential.mixture(0.05, 0.0004, 0.0009)
    assert found == pytest.approx((4.826560201233601, 0.2071868905197565, 0.06436408731750447), rel=1e-9)


@given(difference=st.floats(-3, 3), variance=small, mixing=small)
@settings(max_examples=20, deadline=None)
def test_the_mixture_is_the_integral_over_its_effects(difference, variance, mixing):
    normal, error, width = scipy_stats.norm.pdf, math.sqrt(variance), math.sqrt(mixing)
    under_none = normal(difference, 0, error)

    def weighed(effect: float) -> float:
        return normal(difference, effect, error) * normal(effect, 0, width) / under_none

    centre, spread = difference * mixing / (mixing + variance), math.sqrt(mixing * variance / (mixing + variance))
    whole = integrate.quad(weighed, centre - 12 * spread, centre + 12 * spread)[0]
    assert sequential.mixture(difference, variance, mixing).ratio == pytest.approx(whole, rel=1e-6)


def test_the_sequence_is_that_of_a_published_test():
    """tests/reference/experiments.json, asymp_cs_mean: 0.50336, -0.55844 to 1.56516, p 1."""
    error = 0.3334122146400735
    found = sequential.confidence_sequence(0.5033610858562358, error, 6461, tuned_for=1000)
    assert found[1:] == pytest.approx((-0.5584405051077315, 1.5651626768202032, 1.0), rel=1e-9)


@given(value=st.floats(-5, 5), error=small, n=st.integers(2, 10**7), tuned=st.integers(10, 10**7), alpha=st.floats(0.001, 0.5))
@settings(max_examples=80)
def test_p_and_interval_of_a_sequence_never_disagree(value, error, n, tuned, alpha):
    found = sequential.confidence_sequence(value, error, n, tuned_for=tuned, alpha=alpha)
    if abs(found.p / alpha - 1) > 1e-9:
        assert (found.p < alpha) == (found.low > 0 or found.high < 0)
    assert found.high - value == pytest.approx(error * sequential.multiplier(n, tuned_for=tuned, alpha=alpha))


def test_a_sequence_is_about_narrowest_where_it_is_tuned():
    """In standard errors, over the plans of all sizes, read at 10,000 users."""
    tuned = np.geomspace(100, 1e6, 400)
    widths = [sequential.multiplier(10_000, tuned_for=one) for one in tuned]
    assert tuned[int(np.argmin(widths))] == pytest.approx(10_000, rel=0.25)
    assert min(widths) == pytest.approx(sequential.multiplier(10_000, tuned_for=10_000), rel=0.002)


def test_looks_come_as_arrays_and_unknown_ones_stay_unknown():
    found = sequential.confidence_sequence([0.1, 0.2, np.nan, 0.4], [0.0, 0.1, 0.1, 0.1], [100, 200, 300, 0], tuned_for=500)
    assert np.isnan(found.p).tolist() == np.isnan(found.low).tolist() == [True, False, True, True]
    one = sequential.confidence_sequence(0.2, 0.1, 200, tuned_for=500)
    assert (found.low[1], found.high[1], found.p[1]) == tuple(one[1:])


def test_an_enormous_effect_has_a_small_p_and_no_infinity():
    found = sequential.mixture([1e200, 30.0], [1e-8, 1.0], 1.0)
    assert np.isfinite(found.ratio).all()
    assert 0 < found.p[1] < 1e-90


def test_the_running_minimum_passes_over_looks_that_say_nothing():
    assert sequential.lowest_yet([np.nan, 0.5, 0.7, np.nan, 0.2, 0.9]).tolist() == [1, 0.5, 0.5, 0.5, 0.2, 0.2]
    assert sequential.lowest_yet([]).tolist() == []


def test_peeking_daily_at_a_sequence_alarms_at_most_alpha():
    """20 looks at a difference that is not there; the ordinary test is wrong in a quarter of them."""
    z, users = paths(20_000, seed=3), np.arange(1, LOOKS + 1) * 500
    alarms = []
    for tuned_for in (500, 10_000, 100_000):
        alarmed = (sequential.confidence_sequence(z, 1.0, users, tuned_for=tuned_for).p < 0.05).any(axis=1)
        assert at_most(alarmed, 0.05)
        alarms.append(alarmed.mean())
    assert max(alarms) > 0.01  # a rule that never speaks would pass too
    assert (np.abs(z) > 1.96).any(axis=1).mean() > 0.2


def test_peeking_daily_at_the_mixture_test_alarms_at_most_alpha():
    z, variance = paths(20_000, seed=5), 1 / np.arange(1, LOOKS + 1)
    for mixing in (0.01, 0.3, 10.0):
        assert at_most((sequential.mixture(z * np.sqrt(variance), variance, mixing).p < 0.05).any(axis=1), 0.05)


def test_a_sequence_of_real_skewed_amounts_alarms_at_most_alpha():
    """Amounts of which nine tenths are 0, 300 people an arm and day, compared by their own estimated errors."""
    runs, people = 600, 300
    rng = np.random.default_rng(17)

    def so_far():
        sums = np.zeros((2, runs, LOOKS))
        for day in range(LOOKS):
            amounts = rng.lognormal(size=(runs, people)) * (rng.random((runs, people)) < 0.1)
            sums[:, :, day] = amounts.sum(axis=1), np.square(amounts).sum(axis=1)
        n = people * np.arange(1, LOOKS + 1)
        total, squares = sums.cumsum(axis=2)
        return total / n, (squares - total**2 / n) / (n - 1) / n, n

    (first, first_error, n), (second, second_error, _) = so_far(), so_far()
    found = sequential.confidence_sequence(
        second - first, np.sqrt(first_error + second_error), 2 * n, tuned_for=2 * people * LOOKS
    )
    assert at_most((found.p < 0.05).any(axis=1), 0.05)


def test_reading_at_every_look_costs_users_yet_not_twice_as_many():
    """Exactly, at 20 looks, of which less than alpha is spent; against a fixed horizon of the same power."""
    plan = sequential.boundaries(np.arange(1, LOOKS + 1) / LOOKS)
    assert plan.z[-1] == pytest.approx(sequential.multiplier(5000, tuned_for=5000))
    assert plan.spent[-1] == pytest.approx(2 * group_sequential.power_at(plan, 0.0))
    assert 0.01 < plan.spent[-1] < 0.05
    assert 1.3 < group_sequential.inflation(plan) < 2


def test_a_relative_effect_is_that_of_the_delta_method():
    rng = np.random.default_rng(23)
    control, arm = rng.gamma(2, size=4000), rng.gamma(2, 1.1, size=3000)
    value, error = sequential.relative(*[(len(one), one.mean(), one.var(ddof=1)) for one in (control, arm)])
    assert value == pytest.approx(arm.mean() / control.mean() - 1)
    draws = [rng.normal(one.mean(), one.std(ddof=1) / math.sqrt(len(one)), 100_000) for one in (control, arm)]
    assert error == pytest.approx((draws[1] / draws[0]).std(), rel=0.02)


def test_a_relative_effect_has_the_sign_of_the_difference():
    assert sequential.relative((100, -2.0, 1.0), (100, -1.0, 1.0))[0] == 0.5
    for control in ((100, 0.0, 1.0), (1, 2.0, 1.0)):
        assert np.isnan(sequential.relative(control, (100, 1.0, 1.0))).all()


def plain_sample_ratio(people, planned, concentration):
    """User by user: the next one's arm under the mixture so far, over the planned share."""
    seen, ratio, lowest, found = [0] * len(planned), 1.0, 1.0, []
    for day in people:
        for arm, count in enumerate(day):
            for _ in range(count):
                ratio *= (concentration * planned[arm] + seen[arm]) / (concentration + sum(seen)) / planned[arm]
                seen[arm] += 1
        lowest = min(lowest, 1 / ratio)
        found.append(lowest)
    return found


@given(
    people=st.lists(st.tuples(*[st.integers(0, 15)] * 3), min_size=1, max_size=6),
    planned=st.sampled_from([(1 / 3, 1 / 3, 1 / 3), (0.8, 0.1, 0.1)]), concentration=st.sampled_from([1.0, 100.0]),
)  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_the_sample_ratio_by_day_is_what_counting_user_by_user_gives(people, planned, concentration):
    found = sequential.sample_ratio(people, planned, concentration=concentration)
    assert found == pytest.approx(plain_sample_ratio(people, planned, concentration), rel=1e-9)
    assert (np.diff(found) <= 0).all()


def test_shares_that_do_not_add_to_one_are_parts():
    people = [[40, 21], [38, 22]]
    assert sequential.sample_ratio(people, [2, 1]) == pytest.approx(sequential.sample_ratio(people, [2 / 3, 1 / 3]))


@pytest.mark.parametrize("planned", [(0.5, 0.5), (0.9, 0.1), (0.25, 0.25, 0.25, 0.25)])
def test_a_split_as_planned_alarms_at_most_alpha_of_the_time_by_day(planned):
    """1,000 tests of 60 days; chi-square by day would alarm several times as often."""
    runs, days, alpha = 1000, 60, 0.05
    people = np.random.default_rng(29).multinomial(100, planned, size=(runs, days))
    lowest = np.array([sequential.sample_ratio(one, planned)[-1] for one in people])
    assert at_most(lowest < alpha, alpha)
    seen, expected = people.cumsum(axis=1), 100 * np.arange(1, days + 1)[:, None] * np.array(planned)
    naive = scipy_stats.chi2.sf(((seen - expected) ** 2 / expected).sum(axis=2), len(planned) - 1)
    assert (naive < alpha).any(axis=1).mean() > 3 * alpha


def test_a_broken_split_is_found_within_days_of_its_break():
    """Half of one arm is lost from day 10 on, 1,000 people a day."""
    people = np.array([[500, 500]] * 10 + [[500, 250]] * 10)
    found = sequential.sample_ratio(people, [0.5, 0.5])
    assert (found[:10] == 1).all()
    assert found[13] < 0.001


def test_many_people_do_not_overflow():
    found = sequential.sample_ratio([[0, 0], [10**9, 10**9], [10**9, 0]], [0.5, 0.5])
    assert found[:2].tolist() == [1, 1]
    assert 0 <= found[2] < 1e-300


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: sequential.mixture(1, 1, 0), "mixing variance"),
        (lambda: sequential.mixture(1, 1, 1, alpha=1.0), "alpha is 1"),
        (lambda: sequential.confidence_sequence(1, 1, 10, tuned_for=0), "tuned_for is 0"),
        (lambda: sequential.confidence_sequence(1, 1, 10, tuned_for=10, alpha=0), "alpha is 0"),
        (lambda: sequential.multiplier(0, tuned_for=10), "above 0"),
        (lambda: sequential.boundaries([2, 1]), "must increase"),
        (lambda: sequential.sample_ratio([[1, 2]], [1, 0]), "above 0"),
        (lambda: sequential.sample_ratio([[1, 2]], [1]), "at least two arms"),
        (lambda: sequential.sample_ratio([[1, 2, 3]], [1, 1]), "2 columns"),
        (lambda: sequential.sample_ratio([[1, -2]], [1, 1]), "whole numbers"),
        (lambda: sequential.sample_ratio([[1, 0.5]], [1, 1]), "whole numbers"),
        (lambda: sequential.sample_ratio([[1, 2]], [1, 1], concentration=-1), "concentration is -1"),
    ],
)
def test_odd_input_is_refused_in_plain_words(call, said):
    with pytest.raises(InputError, match=said):
        call()
