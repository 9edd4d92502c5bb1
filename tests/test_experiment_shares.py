"""Shares: every interval against published values and statsmodels, and every p against its interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats import proportion

from helpers.experiments.methods import shares

METHODS = ("score", "miettinen-nurminen", "newcombe", "wald", "agresti-caffo")
NEWCOMBE = (48, 80), (56, 70)


def counts(least: int = 0):
    return st.integers(2, 300).flatmap(lambda n: st.tuples(st.integers(least, n - least), st.just(n)))


@pytest.mark.parametrize(
    "method, low, high",
    [("wald", 0.0575, 0.3425), ("score", 0.0533, 0.3377), ("miettinen-nurminen", 0.0528, 0.3382), ("newcombe", 0.0524, 0.3339)],
)
def test_56_of_70_against_48_of_80_is_as_newcombe_1998_has_it(method, low, high):
    found = shares.compare(*NEWCOMBE, method=method)
    assert found.value == pytest.approx(0.2) and (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@given(counts(), counts(), st.sampled_from(METHODS), st.sampled_from([0.8, 0.95, 0.99]))
@settings(deadline=None, max_examples=60)
def test_p_and_interval_never_disagree(control, arm, method, confidence):
    found = shares.compare(control, arm, method=method, confidence=confidence)
    if math.isnan(found.p):
        assert method == "wald" and math.isnan(found.low)
    elif abs(found.p - (1 - confidence)) > 1e-7:
        assert (found.p < 1 - confidence) == (not found.covers(0))
    swapped = shares.compare(arm, control, method=method, confidence=confidence)
    assert (swapped.low, swapped.high) == pytest.approx((-found.high, -found.low), abs=1e-9, nan_ok=True)
    assert swapped.p == pytest.approx(found.p, nan_ok=True)


@given(counts(1), counts(1), st.sampled_from(["wald", "newcombe", "agresti-caffo"]))
@settings(deadline=None)
def test_the_plain_intervals_are_those_of_statsmodels(control, arm, method):
    name = {"newcombe": "newcomb"}.get(method, method)
    expected = proportion.confint_proportions_2indep(*arm, *control, method=name, compare="diff")
    found = shares.compare(control, arm, method=method)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)


@given(counts(), counts())
@settings(deadline=None)
def test_the_score_test_is_pearsons_chi_square(control, arm):
    table = [[some, n - some] for some, n in (control, arm)]
    found = shares.compare(control, arm)
    if 0 < control[0] + arm[0] < control[1] + arm[1]:
        assert found.p == pytest.approx(scipy_stats.chi2_contingency(table, correction=False).pvalue, rel=1e-9)
    else:
        assert found.p == 1.0 and found.covers(0)


@given(counts(), counts(), st.sampled_from([0.9, 0.95]))
@settings(deadline=None)
def test_a_relative_share_has_the_p_of_the_score_test_and_its_interval_agrees(control, arm, confidence):
    assume(control[0] + arm[0])
    found = shares.relative(control, arm, confidence=confidence)
    assert found.p == shares.compare(control, arm).p
    if abs(found.p - (1 - confidence)) > 1e-7:
        assert (found.p < 1 - confidence) == (not found.covers(0))
    assert found.low >= -1
    if control[0]:
        assert found.low <= found.value <= found.high and math.isfinite(found.high)
    else:
        assert math.isnan(found.value) and math.isinf(found.high) and "unbounded" in found.method


def test_koopmans_interval_is_that_of_his_paper():
    """Koopman (1984): 36 of 40 against 16 of 80 gives 2.94 to 7.15."""
    found = shares.relative((16, 80), (36, 40))
    assert (found.low + 1, found.high + 1) == pytest.approx((2.94, 7.15), abs=0.005)


@given(counts(1), counts(1))
@settings(deadline=None, max_examples=30)
def test_the_ends_of_the_relative_interval_are_where_the_likeliest_shares_are_just_rejected(control, arm):
    """The constrained likelihood found by brute force on a grid."""
    found = shares.relative(control, arm)
    for end in (found.low + 1, found.high + 1):
        own = np.linspace(1e-9, min(1, 1 / end) - 1e-9, 50_001)
        likelihood = (
            control[0] * np.log(own) + (control[1] - control[0]) * np.log1p(-own)
            + arm[0] * np.log(end * own) + (arm[1] - arm[0]) * np.log1p(-end * own)
        )  # fmt: skip
        q = own[np.argmax(likelihood)]
        variance = end * q * (1 - end * q) / arm[1] + end**2 * q * (1 - q) / control[1]
        assert abs(arm[0] / arm[1] - end * control[0] / control[1]) / math.sqrt(variance) == pytest.approx(1.959964, rel=2e-3)


@pytest.mark.filterwarnings("error")
def test_empty_arms_and_sure_things_give_no_infinity_and_no_warning():
    cells = [(0, 0), (0, 1), (1, 1), (0, 9), (9, 9), (3, 9)]
    for control in cells:
        for arm in cells:
            for method in METHODS:
                found = shares.compare(control, arm, method=method)
                assert not any(math.isinf(one) for one in (found.value, found.low, found.high, found.p))
                assert math.isnan(found.value) == (0 in (control[1], arm[1]))
            assert not shares.relative(control, arm).p > 1
    assert shares.relative((0, 9), (3, 9)).low > -1 and math.isnan(shares.relative((0, 9), (0, 9)).p)
    assert shares.relative((9, 9), (9, 9)).covers(0) and shares.relative((3, 9), (0, 9)).low == -1


def test_newcombes_p_goes_down_to_where_floats_end():
    found = shares.compare((1000, 100_000), (3000, 100_000), method="newcombe")
    assert 0 < found.p < 1e-180 and found.low > 0


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match='method "guess"'):
        shares.compare((1, 2), (1, 2), method="guess")


@pytest.mark.hard
@pytest.mark.parametrize("n_control, n_arm, share, other", [(30, 40, 0.2, 0.3), (80, 50, 0.05, 0.05), (200, 200, 0.01, 0.02)])
def test_relative_and_absolute_intervals_hold_the_truth_often_enough_on_average(n_control, n_arm, share, other):
    """Exactly, by all outcomes that are at all likely."""
    drawn = [scipy_stats.binom(n_control, share), scipy_stats.binom(n_arm, other)]
    likely = [[k for k in range(n + 1) if one.pmf(k) > 1e-4] for one, n in zip(drawn, (n_control, n_arm), strict=True)]
    held = np.zeros(2)
    for k in likely[0]:
        for m in likely[1]:
            chance = drawn[0].pmf(k) * drawn[1].pmf(m)
            relative = shares.relative((k, n_control), (m, n_arm))
            held[0] += chance * (relative.covers(other / share - 1) or math.isnan(relative.p))
            held[1] += chance * shares.compare((k, n_control), (m, n_arm)).covers(other - share)
    assert (held > 0.93).all() and (held < 0.985).all()
