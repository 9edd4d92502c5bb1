"""Moments: exact from sums, the same however the rows are split, and those of numpy."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.experiments.counted.moments import Moments

NAMES = ("x", "y")
WHOLE = st.tuples(st.integers(-1000, 1000), st.integers(-5, 5))
ROWS = st.lists(WHOLE, max_size=30)


def of_rows(rows, offset: float = 0.0) -> Moments:
    return Moments.of_rows(np.array(rows, dtype=float).reshape(-1, 2) + offset, NAMES)


def of_sums(rows, shift=0) -> Moments:
    """As a query gives them: sums of what is left of each value."""
    left = [[value - shift for value in row] for row in rows]
    sums = [sum(row[at] for row in left) for at in (0, 1)]
    products = [[sum(row[a] * row[b] for row in left) for b in (0, 1)] for a in (0, 1)]
    return Moments.of_sums(NAMES, len(rows), sums, products, shift)


def assert_same(found: Moments, expected: Moments, within: float = 1e-9) -> None:
    assert (found.names, found.n) == (expected.names, expected.n)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=within, atol=within)
    np.testing.assert_allclose(found.cross, expected.cross, rtol=within, atol=within * 1e6 * max(found.n, 1))


@given(ROWS, st.integers(0, 30), st.integers(0, 30))
@settings(deadline=None)
def test_the_sum_of_any_three_parts_is_the_whole(rows, first, second):
    first, second = sorted((first, second))
    whole = of_rows(rows)
    parts = [of_rows(part) for part in (rows[:first], rows[first:second], rows[second:])]
    assert_same(parts[0] + parts[1] + parts[2], whole)
    assert_same(parts[2] + (parts[1] + parts[0]), whole)
    assert_same(Moments.total(parts), whole)


@given(st.lists(WHOLE, min_size=2, max_size=30), st.sampled_from([0, 10**9, -(10**12)]))
@settings(deadline=None)
def test_moments_of_whole_sums_are_exact_at_any_offset(rows, offset):
    far = [(x + offset, y + offset) for x, y in rows]
    found = of_sums(far)
    n = len(rows)
    mean = [Fraction(sum(row[at] for row in rows), n) for at in (0, 1)]
    for a in (0, 1):
        assert found.mean[a] == float(mean[a] + offset)
        for b in (0, 1):
            assert found.cross[a, b] == float(sum((row[a] - mean[a]) * (row[b] - mean[b]) for row in rows))


def test_the_classic_variance_at_a_billion_is_30():
    """1e9 + 4, 7, 13, 16: sums of squares in floats give -170.67."""
    values = [10**9 + step for step in (4, 7, 13, 16)]
    exact = Moments.of_sums(["x"], 4, [sum(values)], [[sum(one * one for one in values)]])
    shifted = Moments.of_sums(["x"], 4, [40.0], [[490.0]], shift=1e9)
    halves = Moments.of_rows(values[:2], ["x"]) + Moments.of_rows(values[2:], ["x"])
    for found in (exact, shifted, halves, Moments.of_rows(values, ["x"])):
        assert found.variance("x") == 30.0 and found.mean_of("x") == 1_000_000_010.0


def test_decimals_are_reckoned_with_as_they_are():
    values = [Decimal("0.1"), Decimal("0.2"), Decimal("1000000000.3")]
    found = Moments.of_sums(["x"], 3, [sum(values)], [[sum(one * one for one in values)]])
    exact = [Fraction(one) for one in values]
    mean = sum(exact) / 3
    assert found.cross[0, 0] == float(sum((one - mean) ** 2 for one in exact))


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=3, max_size=40), st.sampled_from([0.0, 1e9]))
@settings(deadline=None)
def test_covariances_are_those_of_numpy(rows, offset):
    found = of_rows(rows, offset)
    expected = np.cov((np.array(rows) + offset).T)
    np.testing.assert_allclose(found.covariances, expected, rtol=1e-6, atol=1e-4)
    assert found.variance("x") == found.covariances[0, 0] and found.covariance("y", "x") == found.covariances[1, 0]


def test_rows_with_anything_missing_are_left_out():
    rows = [[1.0, 2.0], [np.nan, 3.0], [4.0, np.nan], [5.0, 7.0]]
    assert_same(of_rows(rows), of_rows([rows[0], rows[3]]))


@pytest.mark.filterwarnings("error")
def test_nobody_and_one_row_have_no_variance():
    nobody, one = of_rows([]), of_rows([(3, 4)])
    assert nobody.n == 0 and np.isnan(nobody.mean).all() and np.isnan(nobody.covariances).all()
    assert one.mean.tolist() == [3, 4] and np.isnan(one.covariances).all()
    assert_same(nobody + one, one)
    assert_same(one + nobody, one)
    assert Moments.of_sums(NAMES, 0, [0, 0], [[0, 0], [0, 0]]).n == 0 and (nobody + nobody).n == 0


def test_a_constant_of_rounded_sums_does_not_vary():
    """0.1 added a thousand times is not 100, and its squares not 10: the difference is no variance."""
    total, square = 0.0, 0.0
    for _ in range(1000):
        total, square = total + 0.1, square + 0.1 * 0.1
    assert square - total**2 / 1000 != 0
    assert Moments.of_sums(["x"], 1000, [total], [[square]]).variance("x") == 0


def test_columns_are_chosen_in_any_order_and_others_are_no_sum():
    found = of_rows([(1, 2), (3, 5), (8, 1)])
    turned = found.only(["y", "x"])
    assert turned.variance("x") == found.variance("x") and turned.mean_of("y") == found.mean_of("y")
    assert turned.covariance("x", "y") == found.covariance("x", "y")
    with pytest.raises(ValueError, match="no sum"):
        found + turned


def test_each_column_may_have_its_own_shift():
    rows = [(10**9 + x, x * x) for x in range(10)]
    left = [[x, x * x - 20] for x in range(10)]
    sums = [sum(row[at] for row in left) for at in (0, 1)]
    products = [[sum(row[a] * row[b] for row in left) for b in (0, 1)] for a in (0, 1)]
    assert_same(Moments.of_sums(NAMES, 10, sums, products, [10**9, 20]), of_sums(rows), 1e-15)
