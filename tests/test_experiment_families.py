"""Many effects at once: against statsmodels, published examples, and a truth that is simulated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats import meta_analysis
from statsmodels.stats.multitest import multipletests

from helpers.experiments.methods import families

ERRORS = [15, 10, 16, 11, 9, 11, 10, 18]
SCHOOLS = [28, 8, -3, 7, -1, 1, 18, 12]  # Rubin (1981)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.sampled_from(families.CORRECTIONS))
@settings(deadline=None)
def test_corrections_are_those_of_statsmodels_and_unknown_ones_do_not_count(p, method):
    with np.errstate(divide="ignore"):
        expected = multipletests(p, method=method)[1]
    found = families.corrected([math.nan, *p, math.nan], method)
    np.testing.assert_allclose(found[1:-1], expected, rtol=1e-9, atol=1e-15)
    assert np.isnan(found[[0, -1]]).all()


@pytest.mark.parametrize("method", families.CORRECTIONS)
def test_a_family_of_none_is_empty(method):
    assert len(families.corrected([], method)) == 0 and np.isnan(families.corrected([math.nan], method)).all()


def test_an_unknown_correction_is_refused():
    with pytest.raises(ValueError, match='not "tukey"'):
        families.corrected([0.1], "tukey")


def test_simultaneous_intervals_of_five_are_at_99_per_cent():
    assert families.simultaneous(5) == pytest.approx(0.99) and families.simultaneous(0) == pytest.approx(0.95)


@given(
    st.lists(st.tuples(st.floats(-10, 10), st.floats(0.1, 5)), min_size=2, max_size=12),
)
@settings(deadline=None, max_examples=25)
def test_the_interaction_is_cochrans_q_and_what_lies_between_is_of_paule_and_mandel(slices):
    """Q as statsmodels has it; its own iteration stops at 0 between (0, 1) and (5, 1.75), where 10.5 is right."""
    values, errors = np.array(slices).T
    found = families.interaction(values, errors)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = meta_analysis.combine_effects(values, errors**2, method_re="chi2")
    assert found.q == pytest.approx(expected.q, abs=1e-9) and found.df == len(slices) - 1 and 0 <= found.p <= 1
    weights = 1 / (errors**2 + found.between)
    left = weights @ (values - np.average(values, weights=weights)) ** 2
    assert left == pytest.approx(found.df, rel=1e-6) if found.between else found.q <= found.df
    assert (found.share > 0) == (found.between > 0) or found.between < 1e-9


def test_two_slices_interact_as_the_difference_of_their_effects_is_tested():
    found = families.interaction([1.0, 3.0], [0.6, 0.8])
    assert found.q == pytest.approx(4.0) and found.p == pytest.approx(0.0455, abs=1e-4)


def test_eight_schools_are_all_one_by_paule_and_mandel_and_their_effects_drawn_together():
    """Rubin (1981): Q below its degrees of freedom; the pooled effect is 7.7."""
    assert families.interaction(SCHOOLS, ERRORS).between == 0
    found = families.shrunk(SCHOOLS, ERRORS, family=1)
    values = np.array([one.value for one in found])
    assert np.ptp(values) == pytest.approx(np.ptp(SCHOOLS) - (np.array(SCHOOLS) - values)[[0, 2]] @ [1, -1])
    assert values.min() > -3 and values.max() < 28 * 0.6
    assert all(one.se < error for one, error in zip(found, ERRORS, strict=True))


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(0.1, 5)), min_size=4, max_size=12))
@settings(deadline=None, max_examples=25)
def test_a_shrunk_effect_lies_between_its_own_and_the_common_one_and_p_agrees(slices):
    values, errors = np.array(slices).T
    weights = 1 / (errors**2 + families.interaction(values, errors).between)
    middle = weights @ values / weights.sum()
    for value, found in zip(values, families.shrunk(values, errors, family=1), strict=True):
        assert min(value, middle) - 1e-9 <= found.value <= max(value, middle) + 1e-9
        if abs(found.p - 0.05) > 1e-9:
            assert (found.p < 0.05) == (not found.covers(0))


@pytest.mark.filterwarnings("error")
def test_few_slices_stay_as_they_are_and_unknown_ones_do_not_spoil_the_rest():
    found = families.shrunk([1.0, 4.0, math.nan], [0.5, 0.5, math.nan])
    assert [one.value for one in found[:2]] == [1.0, 4.0] and math.isnan(found[2].p)
    assert found[0].method == "not shrunk" and (found[0].high - 1) / 0.5 == pytest.approx(2.2414, abs=1e-4)
    for values, errors in (([], []), ([1.0], [0.0]), ([2.0, 2.0, 2.0, 2.0], [0.0, 0.0, 1.0, math.nan])):
        told = families.interaction(values, errors)
        assert math.isnan(told.p)
        assert len(families.shrunk(values, errors)) == len(values)
    alike = families.interaction([2.0] * 5, [1.0] * 5)
    assert (alike.q, alike.p, alike.between, alike.share) == (0, 1, 0, 0)
    assert all(one.value == pytest.approx(2) for one in families.shrunk([2.0] * 5, [1.0] * 5))


@pytest.mark.parametrize("between", [0.0, 0.5, 2.0])
def test_shrunk_intervals_hold_the_truth_and_are_nearer_to_it_than_the_raw_effects(between):
    random, rounds, k = np.random.default_rng(int(10 * between)), 400, 8
    errors = np.linspace(0.6, 1.5, k)
    held, near, far, together = 0, 0.0, 0.0, 0
    for _ in range(rounds):
        truth = 1 + random.normal(0, between, k)
        values = random.normal(truth, errors)
        found = families.shrunk(values, errors, family=1)
        held += sum(one.covers(t) for one, t in zip(found, truth, strict=True))
        together += all(one.covers(t) for one, t in zip(families.shrunk(values, errors), truth, strict=True))
        near += sum((one.value - t) ** 2 for one, t in zip(found, truth, strict=True))
        far += float(((values - truth) ** 2).sum())
    assert 0.935 <= held / rounds / k <= 0.998 and near < far and together / rounds >= 0.92


@pytest.mark.parametrize("k", [2, 6])
def test_the_interaction_of_alike_slices_alarms_5_times_in_100(k):
    random = np.random.default_rng(k)
    errors = np.linspace(0.5, 2, k)
    alarms = sum(families.interaction(random.normal(3, errors), errors).p < 0.05 for _ in range(1500))
    assert 0.035 < alarms / 1500 < 0.066
