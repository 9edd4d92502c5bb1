"""CUPED and post-stratification from moments: against regressions on the rows, and against a truth that is simulated."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.experiments.counted.moments import Moments
from helpers.experiments.methods import adjusted, estimates

NAMES = ("y", "x", "z", "d")


def people(seed: int, n: int = 300, effect: float = 0.5, offset: float = 0.0):
    """Two unequal arms of rows: an outcome, two covariates of before, a denominator."""
    random = np.random.default_rng(seed)
    arms = []
    for size, step in ((n, 0.0), (2 * n, effect)):
        x, z = random.gamma(2, 2, size), random.integers(0, 3, size)
        y = step + 0.8 * x + 0.5 * z + random.normal(0, 2, size)
        arms.append(np.c_[y, x, z, random.poisson(2, size) + 1.0] + np.array([offset, offset, 0, 0]))
    return arms


def moments(arms) -> list[Moments]:
    return [Moments.of_rows(one, NAMES) for one in arms]


def design(arms, columns):
    rows = np.concatenate(arms)
    treated = np.r_[np.zeros(len(arms[0])), np.ones(len(arms[1]))]
    return rows[:, 0], treated, rows[:, columns] - rows[:, columns].mean(axis=0)


@pytest.mark.parametrize("seed, offset", [(1, 0.0), (2, 0.0), (3, 1e6)])
@pytest.mark.parametrize("covariates", [["x"], ["x", "z"]])
def test_theta_from_within_arms_is_that_of_the_analysis_of_covariance(seed, offset, covariates):
    arms = people(seed, offset=offset)
    y, treated, rest = design(arms, [NAMES.index(name) for name in covariates])
    fitted = sm.OLS(y, np.c_[np.ones(len(y)), treated, rest]).fit()
    found = adjusted.cuped(*moments(arms), "y", covariates)
    told = found.difference()
    assert told.value == pytest.approx(fitted.params[1], rel=1e-6) and found.theta == pytest.approx(fitted.params[2:], rel=1e-6)
    robust = sm.OLS(y, np.c_[np.ones(len(y)), treated, rest]).fit(cov_type="HC3")
    assert told.se == pytest.approx(robust.bse[1], rel=0.02)
    assert told.value == pytest.approx(estimates.difference(found.control, found.arm).value)


@pytest.mark.parametrize("seed", [4, 5])
def test_theta_of_each_arm_is_the_regression_with_interactions(seed):
    """Lin (2013)."""
    arms = people(seed)
    y, treated, rest = design(arms, [1, 2])
    fitted = sm.OLS(y, np.c_[np.ones(len(y)), treated, rest, treated[:, None] * rest]).fit(cov_type="HC2")
    found = adjusted.cuped(*moments(arms), "y", ["x", "z"], theta="arm")
    assert found.difference().value == pytest.approx(fitted.params[1])
    assert found.difference().se == pytest.approx(fitted.bse[1], rel=0.02)


def test_the_variance_falls_by_what_the_covariate_tells():
    """Deng, Xu, Kohavi and Walker (2013): to 1 - the square of the correlation."""
    arms = people(6, n=4000)
    for theta in adjusted.THETAS:
        found = adjusted.cuped(*moments(arms), "y", ["x"], theta=theta)
        pooled = np.concatenate([one[:, :2] - one[:, :2].mean(axis=0) for one in arms])
        assert found.left == pytest.approx(1 - np.corrcoef(pooled.T)[0, 1] ** 2, abs=0.02)
    both = adjusted.cuped(*moments(arms), "y", ["x", "z"])
    assert both.left < found.left < 1


def test_a_ratio_is_adjusted_as_the_units_that_it_is_linearised_to():
    arms = people(7)
    ratios = [one[:, 0].sum() / one[:, 3].sum() for one in arms]
    units = [(one[:, 0] - ratio * one[:, 3]) / one[:, 3].mean() for one, ratio in zip(arms, ratios, strict=True)]
    linear = [
        Moments.of_rows(np.c_[own + ratio, one[:, 1:3]], ["u", "x", "z"])
        for own, ratio, one in zip(units, ratios, arms, strict=True)
    ]
    for theta in ("within", "arm"):
        found = adjusted.cuped(*moments(arms), ("y", "d"), ["x", "z"], theta=theta).difference()
        expected = adjusted.cuped(*linear, "u", ["x", "z"], theta=theta).difference()
        assert (found.value, found.se, found.df) == pytest.approx((expected.value, expected.se, expected.df))
    plain = estimates.difference(*(estimates.ratio(one, "y", "d") for one in moments(arms)))
    assert found.se < 0.95 * plain.se


def test_covariates_that_tell_nothing_new_change_nothing():
    arms = people(8)
    doubled = [np.c_[one, 2 * one[:, 1] + 3, np.full(len(one), 7.0)] for one in arms]
    wide = [Moments.of_rows(one, [*NAMES, "twice", "constant"]) for one in doubled]
    plain = adjusted.cuped(*moments(arms), "y", ["x"]).difference()
    told = adjusted.cuped(*wide, "y", ["x", "twice", "constant"]).difference()
    assert told.value == pytest.approx(plain.value) and told.se == pytest.approx(plain.se, rel=2e-3)
    none = adjusted.cuped(*wide, "y", ["constant"]).difference()
    unadjusted = estimates.difference(*(estimates.mean(one, "y") for one in moments(arms)))
    assert (none.value, none.se) == pytest.approx((unadjusted.value, unadjusted.se))


def test_the_relative_effect_agrees_with_the_absolute_one():
    for seed in range(20):
        found = adjusted.cuped(*moments(people(seed, n=40, effect=0.6)), "y", ["x", "z"])
        absolute, relative = found.difference(), found.relative()
        assert relative.p == pytest.approx(absolute.p) and relative.covers(0) == absolute.covers(0)


@pytest.mark.filterwarnings("error")
def test_few_people_and_constants_are_no_reason_to_fall():
    empty, one = np.empty((0, 4)), np.array([[1.0, 2, 0, 1]])
    constant, plain = np.ones((5, 4)), people(9, n=5)[0]
    exact = plain.copy()
    exact[:, 0] = 3 * exact[:, 1]  # all is told by the covariate
    for control in (empty, one, constant, plain, exact, plain[:3]):
        for arm in (empty, one, constant, plain, exact, plain[:3]):
            for outcome in ("y", ("y", "d"), ("y", "z")):
                for theta in adjusted.THETAS:
                    found = adjusted.cuped(*moments([control, arm]), outcome, ["x", "z"], theta=theta)
                    for told in (found.difference(), found.relative()):
                        assert math.isnan(told.p) or 0 <= told.p <= 1
                        assert not math.isinf(told.value) and not math.isinf(told.se)
                strata = [tuple(moments([control, arm])), tuple(moments([plain[:1], plain[:1]]))]
                told = adjusted.post_stratified(strata, outcome).difference()
                assert math.isnan(told.p) or 0 <= told.p <= 1
    assert math.isnan(adjusted.post_stratified([], "y").difference().value)


def test_an_unknown_theta_is_refused():
    with pytest.raises(ValueError, match='not "best"'):
        adjusted.cuped(*moments(people(1)), "y", ["x"], theta="best")


def in_strata(arms):
    return [tuple(moments([one[one[:, 2] == at] for one in arms])) for at in (0, 1, 2)]


def test_post_stratification_weighs_strata_by_all_their_people():
    arms = people(10)
    rows = np.concatenate(arms)
    expected = sum(
        (rows[:, 2] == at).mean() * (arms[1][arms[1][:, 2] == at, 0].mean() - arms[0][arms[0][:, 2] == at, 0].mean())
        for at in (0, 1, 2)
    )
    found = adjusted.post_stratified(in_strata(arms), "y")
    assert found.difference().value == pytest.approx(expected) and found.left < 1
    assert found.theta.sum() == pytest.approx(1)


def test_one_stratum_is_no_stratification():
    arms = moments(people(11))
    for outcome in ("y", ("y", "d")):
        found = adjusted.post_stratified([tuple(arms)], outcome).difference()
        weigh = (lambda one: estimates.mean(one, "y")) if outcome == "y" else (lambda one: estimates.ratio(one, "y", "d"))
        plain = estimates.difference(*map(weigh, arms))
        assert (found.value, found.se) == pytest.approx((plain.value, plain.se))


def test_strata_without_two_people_in_each_arm_are_taken_together():
    arms = people(12, n=50)
    strata = in_strata(arms)
    extra = np.array([[5.0, 1.0, 9, 1.0]])
    thin = [tuple(moments([extra, np.empty((0, 4))])), tuple(moments([np.empty((0, 4)), extra]))]
    found = adjusted.post_stratified([*strata, *thin], "y")
    assert len(found.theta) == 3 and found.difference().p >= 0
    smallest = min(range(3), key=lambda at: strata[at][0].n + strata[at][1].n)
    merged = [pair if at != smallest else (pair[0] + thin[0][0], pair[1] + thin[1][1]) for at, pair in enumerate(strata)]
    assert found.difference().value == pytest.approx(adjusted.post_stratified(merged, "y").difference().value)


@given(st.permutations(range(3)), st.integers(0, 5))
@settings(deadline=None, max_examples=20)
def test_the_order_of_the_strata_does_not_matter(order, seed):
    strata = in_strata(people(seed, n=30))
    found, turned = (adjusted.post_stratified(one, "y").difference() for one in (strata, [strata[at] for at in order]))
    assert (found.value, found.se, found.p) == pytest.approx((turned.value, turned.se, turned.p))


@pytest.mark.hard
@pytest.mark.parametrize("n, effect", [(12, 0.0), (60, 0.0), (60, 1.0)])
def test_adjusted_intervals_hold_the_truth_19_times_in_20(n, effect):
    rounds, held = 1500, {}
    for seed in range(rounds):
        arms = people(1000 * n + seed, n=n, effect=effect)
        pair, truth = moments(arms), effect
        level = 0.8 * 4 + 0.5
        ways = {theta: adjusted.cuped(*pair, "y", ["x", "z"], theta=theta) for theta in adjusted.THETAS}
        if n < 20:
            del ways["total"]  # does not count what its theta costs
        ways["strata"] = adjusted.post_stratified(in_strata(arms), "y")
        for name, found in ways.items():
            held[name] = held.get(name, 0) + found.difference().covers(truth)
            held[name, "relative"] = held.get((name, "relative"), 0) + found.relative().covers(truth / level)
    for name, count in held.items():
        assert 0.93 <= count / rounds <= 0.975, name


@pytest.mark.hard
def test_post_stratified_effects_that_differ_by_stratum_vary_as_told():
    """The strata's shares are random: what they add to the variance is seen where effects differ much."""
    random = np.random.default_rng(3)
    values, told = [], []
    for _ in range(1500):
        arms = []
        for treated in (0, 1):
            at = random.integers(0, 3, 60)
            arms.append(np.c_[random.normal(0, 1, 60) + at * (1 + 3 * treated), at, at, at])
        found = adjusted.post_stratified(in_strata(arms), "y").difference()
        values.append(found.value)
        told.append(found.se**2)
    assert np.mean(told) == pytest.approx(np.var(values), rel=0.12)
    assert np.mean(values) == pytest.approx(3, abs=0.05)
