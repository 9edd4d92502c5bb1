"""Two shares of the same people: published intervals, the test that they invert, and how often they hold the truth."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multinomial
from statsmodels.stats.contingency_tables import mcnemar

from helpers import stats

PAIRS = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 60)).filter(lambda found: sum(found) > 0)


def test_tangos_interval_is_that_of_fagerland_lydersen_and_laake_2014():
    """Airway hyper-responsiveness before and after a transplantation (Bentur and others 2009): 1, 1, 7, 12 of 21."""
    found = stats.compare_pairs(7, 1, 21)
    assert (round(found.low, 3), round(found.high, 3)) == (-0.517, -0.026)
    assert found.estimate == pytest.approx(-6 / 21)


def test_tangos_interval_is_that_of_the_r_package_propcis():
    """scoreci.mp(25, 28, 618, 0.90), as published with the package's results."""
    found = stats.compare_pairs(25, 28, 618, confidence=0.90)
    assert (round(found.low, 4), round(found.high, 4)) == (-0.0148, 0.0247)


@given(PAIRS)
def test_the_interval_leaves_out_zero_just_where_mcnemars_test_rejects(counts):
    first, second, both = counts
    found = stats.compare_pairs(first, second, sum(counts))
    expected = mcnemar([[both, first], [second, 0]], exact=False, correction=False).pvalue if first + second else 1.0
    assert found.p == pytest.approx(expected)
    if abs(found.p - 0.05) > 1e-9:
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
    assert -1 <= found.low <= found.estimate <= found.high <= 1
    turned = stats.compare_pairs(second, first, sum(counts))
    assert (turned.low, turned.high) == (pytest.approx(-found.high), pytest.approx(-found.low))


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    n, first, second = 24, 0.12, 0.22
    held = 0.0
    for one in range(n + 1):
        for two in range(n + 1 - one):
            found = stats.compare_pairs(one, two, n)
            if found.low <= second - first <= found.high:
                held += multinomial.pmf([one, two, n - one - two], n, [first, second, 1 - first - second])
    assert 0.935 < held < 0.965


def test_nobody_has_no_difference():
    assert all(math.isnan(value) for value in stats.compare_pairs(0, 0, 0))
    alike = stats.compare_pairs(0, 0, 50)
    assert alike.p == 1 and alike.low < 0 < alike.high
