"""Effects of means and ratios: against scipy, against each other, on ugly data, and against a truth that is simulated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from helpers import stats
from helpers.experiments.counted.moments import Moments
from helpers.experiments.methods import estimates
from helpers.experiments.methods.estimates import ENDLESS, Level

NUMBERS = st.lists(st.integers(-40, 60).map(lambda one: one / 4), min_size=2, max_size=30)


def mean(values) -> Level:
    return estimates.mean(Moments.of_rows(values, ["v"]), "v")


def is_nan(*numbers: float) -> bool:
    return all(math.isnan(one) for one in numbers)


@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")  # scipy's, of values at 1e9
@given(NUMBERS, NUMBERS, st.sampled_from([0.0, 1e9]))
@settings(deadline=None)
def test_welch_is_that_of_scipy_with_ties_missing_values_and_offsets(control, arm, offset):
    control, arm = np.array([*control, np.nan]) + offset, np.array([np.nan, *arm]) + offset
    assume(np.nanstd(control) + np.nanstd(arm) > 0)
    found = estimates.difference(mean(control), mean(arm), confidence=0.9)
    expected = scipy_stats.ttest_ind(arm, control, equal_var=False, nan_policy="omit")
    ends = expected.confidence_interval(0.9)
    assert (found.p, found.df) == pytest.approx((expected.pvalue, expected.df), rel=1e-6)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), rel=1e-6, abs=1e-7)


def test_welch_here_and_in_the_statistics_of_the_weekly_pages_are_one():
    control, arm = [1.0, 2.0, 4.5, 9.0], [3.0, 3.0, 8.0]
    found = estimates.difference(mean(control), mean(arm))
    other = stats.compare_means(*((len(one), np.mean(one), np.var(one, ddof=1)) for one in (control, arm)))
    assert (found.value, found.low, found.high, found.p) == pytest.approx(other[:4])


@given(
    st.floats(-50, 50), st.floats(0.01, 100), st.floats(-50, 50), st.floats(0.01, 100), st.sampled_from([0.8, 0.95, 0.99]),
    st.sampled_from([3.0, 40.0, ENDLESS]), st.floats(-0.9, 0.9),
)  # fmt: skip
@settings(deadline=None)
def test_fiellers_interval_leaves_out_zero_just_when_p_is_small_and_ends_where_its_test_does(
    one, variance, other, spread, confidence, df, correlation
):
    assume(abs(one) > 1e-3)
    control, arm = Level(one, variance, df), Level(other, spread, df)
    how = {"covariance": correlation * math.sqrt(variance * spread), "confidence": confidence}
    found, plain = estimates.relative(control, arm, **how), estimates.difference(control, arm, **how)
    assert found.p == plain.p
    if abs(found.p - (1 - confidence)) > 1e-9:
        assert found.covers(0.0) == (found.p > 1 - confidence) == plain.covers(0.0)
    assert found.covers(found.value)
    limit, size = scipy_stats.t.ppf(0.5 + confidence / 2, found.df), abs(one)

    def statistic(ratio: float) -> float:
        """Of the hypothesis that arm - control is this ratio of the size of control."""
        sign = math.copysign(1.0, one)
        weight = 1 + sign * ratio
        variances = spread + weight**2 * variance - 2 * weight * how["covariance"]
        return (other - one - ratio * size) / math.sqrt(variances)

    for end in (found.low, found.high, *(found.hole or ())):
        if math.isfinite(end) and abs(end) < 1e6:
            assert abs(statistic(end)) == pytest.approx(limit, rel=1e-6)
    for ratio in (-3.0, -1.0, -0.1, 0.0, 0.2, 1.0, 30.0):
        if abs(abs(statistic(ratio)) - limit) > 1e-6:
            assert found.covers(ratio) == (abs(statistic(ratio)) < limit)


def test_an_effect_over_a_control_that_may_be_zero_is_said_to_be_unbounded():
    nothing = estimates.relative(Level(0.5, 1.0, 50), Level(0.8, 1.0, 50))
    assert "unbounded" in nothing.method and (nothing.low, nothing.high, nothing.hole) == (-ENDLESS, ENDLESS, None)
    clear = estimates.relative(Level(0.5, 1.0, 50), Level(9.0, 1.0, 50))
    assert "unbounded" in clear.method and clear.p < 0.05 and clear.hole[0] < 0 < clear.hole[1] and not clear.covers(0)
    bounded = estimates.relative(Level(10.0, 1.0, 50), Level(11.0, 1.0, 50))
    assert "unbounded" not in bounded.method and -1 < bounded.low < 0.1 < bounded.high < 1


@pytest.mark.parametrize("form", ["fieller", "delta", "log"])
def test_more_is_positive_also_where_control_is_negative(form):
    """A loss of 10 that becomes one of 5 is half of it gained."""
    found = estimates.relative(Level(-10.0, 0.04, 99), Level(-5.0, 0.04, 99), form=form)
    assert found.value == pytest.approx(0.5) and 0.4 < found.low < 0.5 < found.high < 0.6 and found.p < 1e-9
    mirrored = estimates.relative(Level(10.0, 0.04, 99), Level(5.0, 0.04, 99), form=form)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_a_sign_that_changes_has_no_logarithm_and_keeps_its_order():
    control, arm = Level(-2.0, 0.01, 99), Level(3.0, 0.01, 99)
    assert is_nan(estimates.relative(control, arm, form="log").low)
    found = estimates.relative(control, arm)
    assert found.value == pytest.approx(2.5) and found.low < 2.5 < found.high


@pytest.mark.parametrize("seed", range(3))
def test_ratios_by_the_delta_method_vary_as_linearised_units_do(seed):
    """Deng, Knoblich and Lu (2018): the ratio is a mean of numerator - ratio * denominator over the mean denominator."""
    random = np.random.default_rng(seed)
    below = random.poisson(3, 400).astype(float)
    above = below * random.gamma(2, 2, 400)
    found = estimates.ratio(Moments.of_rows(np.c_[above, below] + 0.0, ["a", "b"]), "a", "b")
    ratio = above.sum() / below.sum()
    units = (above - ratio * below) / below.mean()
    assert found.value == pytest.approx(ratio) and found.variance == pytest.approx(units.var(ddof=1) / 400)


def test_a_ratio_over_ones_is_a_mean_and_one_of_equal_columns_does_not_vary():
    values = np.array([1.0, 5.0, 2.0, 9.0])
    moments = Moments.of_rows(np.c_[values, np.ones(4), 3 * values], ["v", "one", "thrice"])
    assert estimates.ratio(moments, "v", "one") == pytest.approx(estimates.mean(moments, "v"))
    constant = estimates.ratio(moments, "thrice", "v")
    assert constant.value == pytest.approx(3) and constant.variance == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("offset", [0.0, 0.1, 1e9])
def test_what_cannot_be_told_is_unknown_and_nothing_is_infinite(offset):
    cells = {"nobody": [], "one": [3.0], "constant": [2.0] * 5, "zeros": [0.0] * 4, "plain": [1.0, 2.0, 4.0]}
    levels = {name: mean(np.array(values) + offset) for name, values in cells.items()}
    for first in levels.values():
        for second in levels.values():
            ways = [estimates.difference(first, second), estimates.not_worse(first, second, 0.1)]
            ways += [estimates.relative(first, second, form=form) for form in ("fieller", "delta", "log")]
            ways.append(estimates.not_worse(first, second, 0.1, relative_margin=True))
            for found in ways[:1] + ways[3:5]:
                assert not any(math.isinf(one) for one in (found.value, found.low, found.high, found.p, found.se))
            for found in ways:
                assert is_nan(found.p) or 0 <= found.p <= 1
                assert not math.isinf(found.value)
    for name in ("nobody", "one"):
        assert is_nan(estimates.difference(levels[name], levels["plain"]).p)
    assert is_nan(estimates.difference(levels["constant"], levels["zeros"]).p)
    assert estimates.difference(levels["constant"], levels["plain"]).p > 0
    ratio = Moments.of_rows([[1.0, 0.0], [2.0, 0.0]], ["a", "b"])
    assert is_nan(*estimates.ratio(ratio, "a", "b"))
    assert is_nan(estimates.relative(mean([-1.0, 1.0]), mean([1.0, 2.0])).value)


def test_p_is_never_zero_in_the_far_tail():
    found = estimates.difference(Level(0.0, 1.0, ENDLESS), Level(30.0, 1.0, ENDLESS))
    assert found.p == pytest.approx(2 * scipy_stats.norm.sf(30 / math.sqrt(2))) and 0 < found.p < 1e-90


@given(
    st.floats(1, 50), st.floats(0.01, 4), st.floats(-5, 5), st.floats(0.01, 4), st.floats(0.01, 0.5), st.booleans(),
    st.booleans(), st.booleans(),
)  # fmt: skip
@settings(deadline=None)
def test_not_worse_is_told_by_the_bound_and_by_p_alike(value, spread, step, other, margin, is_relative, is_more, is_loss):
    control = Level(-value if is_loss else value, spread, 60.0)
    arm = Level(control.value + step, other, 80.0)
    found = estimates.not_worse(control, arm, margin, higher_is_better=is_more, relative_margin=is_relative)
    if is_nan(found.p):
        assert is_relative and "unbounded" in found.method
        return
    within = found.low > -margin if is_more else found.high < margin
    if abs(found.p - 0.05) > 1e-9:
        assert within == (found.p < 0.05)
    assert math.isinf(found.high if is_more else found.low)


def test_a_guardrail_of_an_absolute_margin_is_the_one_sided_test_of_scipy():
    random = np.random.default_rng(5)
    control, arm = random.normal(10, 2, 80), random.normal(9.9, 3, 90)
    found = estimates.not_worse(mean(control), mean(arm), 0.5)
    expected = scipy_stats.ttest_ind(arm + 0.5, control, equal_var=False, alternative="greater")
    assert found.p == pytest.approx(expected.pvalue)
    assert found.low == pytest.approx(expected.confidence_interval(0.95).low - 0.5)


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match='not "cubic"'):
        estimates.relative(Level(1, 1, 9), Level(1, 1, 9), form="cubic")


@pytest.mark.hard
@pytest.mark.parametrize("n, true_lift", [(60, 0.0), (60, 0.3), (400, 0.1)])
def test_intervals_of_relative_effects_and_ratios_hold_the_truth_19_times_in_20(n, true_lift):
    random = np.random.default_rng(n + int(10 * true_lift))
    rounds, held = 1500, {"mean": 0, "ratio": 0, "difference": 0}
    for _ in range(rounds):
        below = [random.poisson(4, n) + 1.0 for _ in range(2)]
        above = [one * random.gamma(4, 0.25, n) * scale for one, scale in zip(below, (1, 1 + true_lift), strict=True)]
        moments = [Moments.of_rows(np.c_[a, b], ["a", "b"]) for a, b in zip(above, below, strict=True)]
        means = [estimates.mean(one, "a") for one in moments]
        held["mean"] += estimates.relative(*means).covers(true_lift)
        held["ratio"] += estimates.relative(*(estimates.ratio(one, "a", "b") for one in moments)).covers(true_lift)
        held["difference"] += estimates.difference(*means).covers(5 * true_lift)
    for count in held.values():
        assert 0.93 <= count / rounds <= 0.97
