"""Boundaries, p and intervals of planned looks: published, against the multivariate normal, and by simulation."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from helpers.errors import InputError
from helpers.experiments.peeking import group_sequential, walks

SHAPES = ("obrien-fleming", "pocock", "hwang-shih-decani")
FIFTHS = [0.2, 0.4, 0.6, 0.8, 1.0]
look_times = st.lists(st.integers(1, 100), min_size=1, max_size=6, unique=True).map(lambda at: np.sort(at) / 100)


def covariance(shares) -> np.ndarray:
    """Of the standardised statistics of looks: root of the earlier over the later."""
    shares = np.asarray(shares)
    return np.sqrt(np.minimum.outer(shares, shares) / np.maximum.outer(shares, shares))


def chance_inside(z, shares, *, sides: int, drift: float = 0.0) -> float:
    """By the multivariate normal of scipy, another method than ours."""
    mean = drift * np.sqrt(np.asarray(shares))
    low = -np.asarray(z) if sides == 2 else np.full(len(z), -np.inf)
    normal = scipy_stats.multivariate_normal(mean, covariance(shares), abseps=1e-8, releps=1e-8, maxpts=200_000)
    return float(normal.cdf(np.asarray(z), lower_limit=low, rng=np.random.default_rng(1)))


@pytest.mark.parametrize(
    ("shape", "published"),
    [
        ("obrien-fleming", [4.8769, 3.3570, 2.6803, 2.2898, 2.0310]),
        ("pocock", [2.4380, 2.4268, 2.4102, 2.3966, 2.3860]),
    ],
)
def test_five_equal_looks_are_those_of_ldbounds(shape, published):
    """Documentation of the R package ldbounds, two sides, alpha 0.05."""
    assert group_sequential.boundaries(FIFTHS, shape=shape).z == pytest.approx(published, abs=1e-4)


@pytest.mark.parametrize(
    ("shape", "published"),
    [
        ("hwang-shih-decani", [3.0107, 2.5465, 1.9992]),
        ("obrien-fleming", [3.7103, 2.5114, 1.9930]),
        ("pocock", [2.2794, 2.2949, 2.2959]),
    ],
)
def test_three_looks_of_one_side_are_those_of_gsdesign(shape, published):
    """R package gsDesign, alpha 0.025 of one side; sfHSD(-4), sfLDOF, sfLDPocock."""
    found = group_sequential.boundaries([1 / 3, 2 / 3, 1], alpha=0.025, sides=1, shape=shape)
    assert found.z == pytest.approx(published, abs=1e-4)


@pytest.mark.parametrize(("looks", "constant"), [(2, 2.178), (3, 2.289), (5, 2.413), (10, 2.555), (20, 2.672)])
def test_pococks_constants_spend_alpha(looks, constant):
    """Pocock (1977); Jennison and Turnbull (2000), table 2.1."""
    assert group_sequential.false_alarms(looks, z=constant) == pytest.approx(0.05, abs=1.5e-4)


@pytest.mark.parametrize(("looks", "constant"), [(2, 1.977), (3, 2.004), (5, 2.040), (10, 2.087)])
def test_obrien_and_flemings_constants_spend_alpha(looks, constant):
    """O'Brien and Fleming (1979); Jennison and Turnbull (2000), table 2.3."""
    shares = np.arange(1, looks + 1) / looks
    found = walks.crossings(constant / np.sqrt(shares), shares)
    assert found.up.sum() + found.down.sum() == pytest.approx(0.05, abs=1.5e-4)


def test_an_ordinary_test_read_often_is_wrong_as_often_as_armitage_mcpherson_and_rowe_1969_say():
    found = [group_sequential.false_alarms(looks) for looks in (1, 5, 10, 20)]
    assert found == pytest.approx([0.05, 0.1417, 0.1934, 0.2479], abs=1e-4)


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("times", [[0.3, 0.35, 1.0], [0.1, 0.7], [0.5, 0.8, 0.9]])
def test_boundaries_spend_what_they_may_by_the_multivariate_normal(times, shape, sides):
    found = group_sequential.boundaries(times, alpha=0.1, sides=sides, shape=shape)
    for looks in range(1, len(times) + 1):
        out = 1 - chance_inside(found.z[:looks], times[:looks], sides=sides)
        assert out == pytest.approx(found.spent[looks - 1], abs=2e-5)


@pytest.mark.parametrize("drift", [-1.0, 0.7, 3.0])
def test_crossings_under_an_effect_are_those_of_the_multivariate_normal(drift):
    shares, z = [0.3, 0.5, 1.0], [2.5, 2.2, 2.0]
    for sides in (1, 2):
        found = walks.crossings(np.array(z), np.array(shares), sides=sides, drift=drift)
        inside = chance_inside(z, shares, sides=sides, drift=drift)
        assert 1 - found.up.sum() - found.down.sum() == pytest.approx(inside, abs=2e-5)


@given(times=look_times, sides=st.sampled_from([1, 2]), shape=st.sampled_from(SHAPES), alpha=st.sampled_from([1e-6, 0.05, 0.4]))
@settings(max_examples=25, deadline=None)
def test_what_is_crossed_is_what_is_spent_at_any_times(times, sides, shape, alpha):
    found = group_sequential.boundaries(times, alpha=alpha, sides=sides, shape=shape)
    crossed = walks.crossings(found.z, times / times[-1], sides=sides)
    out = (crossed.up + crossed.down).cumsum()
    told = found.spent > 1e-15  # less drowns in rounding
    assert np.isfinite(found.z).all()
    assert out[told] == pytest.approx(found.spent[told], rel=1e-6)


def test_a_look_that_comes_later_changes_no_earlier_boundary():
    all_looks = group_sequential.boundaries(FIFTHS)
    for looks in range(1, 5):
        assert group_sequential.boundaries(FIFTHS[:looks]).z == pytest.approx(all_looks.z[:looks], abs=1e-7)
    skipped = group_sequential.boundaries([0.2, 0.6, 1.0])
    assert skipped.z[0] == pytest.approx(all_looks.z[0], abs=1e-7)
    assert skipped.z[-1] < all_looks.z[-1]  # what the skipped looks did not spend is left for the end


def test_boundaries_of_thirty_looks_take_no_time():
    """0.01 s measured; of the processor, so that a busy machine does not matter."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        group_sequential.boundaries(np.arange(1, 31) / 30)
        taken.append(time.process_time() - began)
    assert min(taken) < 0.1


def test_one_look_at_the_end_is_the_ordinary_test():
    for shape in SHAPES:
        assert group_sequential.boundaries([1.0], shape=shape).z == pytest.approx([1.959964], abs=1e-6)


def test_users_that_differ_from_the_plan_go_to_the_information():
    """ldbounds has two time scales likewise; alpha is spent in full at the time 1, with the correlations of the real users."""
    found = group_sequential.boundaries([0.3, 0.6, 1.0], information=[3000, 6500, 14000])
    assert found.spent[-1] == pytest.approx(0.05)
    inside = chance_inside(found.z, np.array([3000, 6500, 14000]) / 14000, sides=2)
    assert 1 - inside == pytest.approx(0.05, abs=2e-5)


def test_an_early_look_that_may_spend_nothing_has_a_boundary_nobody_crosses():
    found = group_sequential.boundaries([0.001, 0.5, 1.0])
    assert found.z[0] == group_sequential.FARTHEST
    assert found.z[1:] == pytest.approx(group_sequential.boundaries([0.5, 1.0]).z, abs=1e-7)


def test_p_at_the_first_look_and_of_one_look_is_the_ordinary_one():
    found = group_sequential.at_stop(group_sequential.boundaries([1.0]), 0.3, 0.2)
    assert found.p == pytest.approx(2 * scipy_stats.norm.sf(1.5), rel=1e-9)
    assert found[:3] == pytest.approx([0.3, 0.3 - 0.2 * 1.959964, 0.3 + 0.2 * 1.959964], abs=1e-6)


def test_p_at_a_stop_is_the_chance_of_having_crossed_before_or_lying_beyond():
    plan = group_sequential.boundaries([0.4, 0.7], shape="pocock")
    found = group_sequential.at_stop(plan, 2.6, 1.0)
    beyond = scipy_stats.norm.sf(plan.z[0]) + (
        chance_inside([plan.z[0], 50], [0.4, 0.7], sides=2) - chance_inside([plan.z[0], 2.6], [0.4, 0.7], sides=2)
    ) / 2
    assert found.p == pytest.approx(2 * beyond, abs=2e-5)


@given(
    times=look_times, shape=st.sampled_from(SHAPES), sides=st.sampled_from([1, 2]), beyond=st.floats(-5, 5), down=st.booleans()
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_p_interval_and_boundary_never_disagree(times, shape, sides, beyond, down):
    plan = group_sequential.boundaries(np.append(times[times < 1], 1.0), shape=shape, sides=sides)
    z = max(plan.z[-1] + beyond, 0) * (-1 if down and sides == 2 else 1)
    crossed = abs(z) >= plan.z[-1]
    if abs(abs(z) - plan.z[-1]) < 1e-6:
        return
    found = group_sequential.at_stop(plan, z * 2.5, 2.5)
    assert found.low < found.value < found.high
    assert (found.p < 0.05) == crossed == (found.low > 0 or found.high < 0)
    assert (found.value > 0) == (z > 0) or abs(z) < 1e-6
    low, high = group_sequential.repeated(plan, np.full(len(plan.z), z * 2.5), np.full(len(plan.z), 2.5))
    assert (low[-1] > 0 or high[-1] < 0) == crossed


def test_signs_turn_with_the_effect():
    plan = group_sequential.boundaries(FIFTHS[:3])
    up, down = (group_sequential.at_stop(plan, sign * 2.8, 1.0) for sign in (1, -1))
    assert (down.value, down.low, down.high, down.p) == (-up.value, -up.high, -up.low, up.p)


def test_a_test_that_neither_crossed_nor_ended_has_no_p():
    with pytest.raises(InputError, match="neither crossed its boundary"):
        group_sequential.at_stop(group_sequential.boundaries(FIFTHS[:2]), 2.1, 1.0)


@pytest.mark.parametrize(("z", "inflation"), [(np.full(5, 2.413), 1.229), (2.040 / np.sqrt(FIFTHS), 1.028)])
def test_inflation_of_five_looks_is_that_of_jennison_and_turnbull_2000(z, inflation):
    """Tables 2.2 (Pocock) and 2.4 (O'Brien and Fleming), power 0.8."""
    plan = group_sequential.Boundaries(np.array(FIFTHS), np.array(FIFTHS), z, np.full(5, np.nan), 0.05, 2)
    assert group_sequential.inflation(plan, power=0.8) == pytest.approx(inflation, abs=1e-3)


def test_inflation_of_one_look_is_none():
    assert group_sequential.inflation(group_sequential.boundaries([1.0]), power=0.9) == pytest.approx(1, abs=1e-4)


def test_peeking_daily_at_planned_boundaries_alarms_at_most_alpha():
    """20 looks, nothing there: 20,000 sums of normal steps."""
    runs, looks = 20_000, 20
    rng = np.random.default_rng(7)
    z = rng.normal(size=(runs, looks)).cumsum(axis=1) / np.sqrt(np.arange(1, looks + 1))
    for shape in SHAPES:
        limits = group_sequential.boundaries(np.arange(1, looks + 1) / looks, shape=shape).z
        alarms = (np.abs(z) >= limits).any(axis=1).mean()
        assert abs(alarms - 0.05) < 4 * np.sqrt(0.05 * 0.95 / runs)
    assert (np.abs(z) >= 1.96).any(axis=1).mean() > 0.2  # the naive line, which is why


def test_intervals_at_the_stop_cover_a_true_effect():
    """150 tests of 3 looks; the value lies above the truth in half of them."""
    rng, drift = np.random.default_rng(11), 2.0
    shares = np.array([0.4, 0.7, 1.0])
    plans = [group_sequential.boundaries(shares[:looks], shape="pocock") for looks in (1, 2, 3)]
    covered, above, runs = 0, 0, 150
    for _ in range(runs):
        sums = (rng.normal(size=3) * np.sqrt(np.diff(shares, prepend=0))).cumsum() + drift * shares
        crossed = np.flatnonzero(np.abs(sums / np.sqrt(shares)) >= plans[-1].z)
        at = crossed[0] if crossed.size else 2
        found = group_sequential.at_stop(plans[at], sums[at] / shares[at], 1 / np.sqrt(shares[at]))
        covered += found.low <= drift <= found.high
        above += found.value > drift
    assert abs(covered / runs - 0.95) < 4 * np.sqrt(0.05 * 0.95 / runs)
    assert abs(above / runs - 0.5) < 4 * np.sqrt(0.25 / runs)


@pytest.mark.parametrize(
    ("times", "options", "said"),
    [
        ([0.5, 0.4, 1], {}, "must increase; 0.4 follows 0.5"),
        ([0.5, 0.5], {}, "must increase"),
        ([0.5, 1.2], {}, "times end at 1"),
        ([0, 1], {}, "must be above 0"),
        ([], {}, "at least one"),
        ([0.5, float("nan")], {}, "finite"),
        (["half"], {}, "must be numbers"),
        ([0.5, 0.50000001], {}, "too close"),
        ([1], {"alpha": 0}, "alpha is 0"),
        ([1], {"alpha": 1}, "alpha is 1"),
        ([1], {"alpha": 0.6, "sides": 1}, "less than 0.5"),
        ([1], {"alpha": float("nan")}, "finite"),
        ([1], {"sides": 3}, "must be 1 or 2"),
        ([1], {"shape": "obrien-flemming"}, 'Did you mean "obrien-fleming"'),
        ([1], {"shape": "hwang-shih-decani", "gamma": 1e9}, "gamma"),
        ([0.5, 1], {"information": [1]}, "2 times but 1"),
    ],
)
def test_an_odd_plan_is_refused_in_plain_words(times, options, said):
    with pytest.raises(InputError, match=said):
        group_sequential.boundaries(times, **options)


def test_odd_estimates_are_refused_in_plain_words():
    plan = group_sequential.boundaries([0.5, 1])
    for call in (
        lambda: group_sequential.at_stop(plan, float("nan"), 1),
        lambda: group_sequential.at_stop(plan, 1, 0),
        lambda: group_sequential.repeated(plan, [1, 1], [1, 0]),
        lambda: group_sequential.repeated(plan, [1], [1]),
        lambda: group_sequential.false_alarms(0),
        lambda: group_sequential.false_alarms(5, z=-1),
        lambda: group_sequential.inflation(plan, power=0.01),
    ):
        with pytest.raises(InputError):
            call()
