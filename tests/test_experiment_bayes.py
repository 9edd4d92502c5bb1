"""The Bayesian reading against brute force, and what it says where nothing is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from scipy import stats as scipy_stats

from helpers.experiments.methods import bayes
from helpers.experiments.methods.estimates import Estimate


@given(
    st.floats(-3, 3), st.floats(0.2, 2), st.one_of(st.none(), st.tuples(st.floats(-1, 1), st.floats(0.3, 3))), st.booleans()
)
@settings(deadline=None, max_examples=25)
def test_the_posterior_is_likelihood_times_prior_on_a_grid(value, se, prior, is_more):
    grid = np.linspace(-20, 20, 8_001)
    weights = scipy_stats.norm.pdf(value, grid, se) * (scipy_stats.norm.pdf(grid, *prior) if prior else 1.0)
    weights /= weights.sum()
    found = bayes.read((value, se), prior=prior, higher_is_better=is_more)
    better = grid if is_more else -grid
    assert found.value == pytest.approx(weights @ grid, abs=1e-4)
    assert found.sd == pytest.approx(math.sqrt(weights @ (grid - found.value) ** 2), abs=1e-4)
    assert found.chance == pytest.approx(weights[better > 0].sum(), abs=8e-3)
    assert found.loss == pytest.approx(weights @ np.maximum(-better, 0), abs=1e-4)
    assert found.loss_control == pytest.approx(weights @ np.maximum(better, 0), abs=1e-4)


@given(st.floats(-5, 5), st.floats(0.1, 5))
@settings(deadline=None)
def test_what_shipping_may_lose_less_what_keeping_may_lose_is_the_effect(value, se):
    found = bayes.read((value, se))
    assert found.loss_control - found.loss == pytest.approx(value, abs=1e-9)


def test_a_flat_prior_leaves_the_interval_of_the_estimate():
    estimate = Estimate(0.4, se=0.2)
    found = bayes.read(estimate, confidence=0.9)
    assert (found.low, found.high) == pytest.approx(scipy_stats.norm.interval(0.9, 0.4, 0.2))
    assert bayes.read(estimate, prior=(5.0, math.inf)) == bayes.read(estimate)
    assert bayes.read(estimate, prior=(0.0, 1e-6)).value == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("z", [3, 13, 30])
def test_the_loss_in_the_far_tail_is_that_of_its_integral(z):
    expected = integrate.quad(lambda x: x * math.exp(-x * x / 2 - x * z), 0, math.inf, epsabs=0)[0]
    expected *= math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    assert bayes.read((float(z), 1.0)).loss == pytest.approx(expected, rel=1e-7, abs=0) and expected > 0


@pytest.mark.filterwarnings("error")
def test_an_effect_without_an_error_tells_nothing():
    for effect in (Estimate(1.0), (math.nan, 1.0), (1.0, 0.0), (1.0, math.inf)):
        assert math.isnan(bayes.read(effect).chance)
    assert bayes.read((1.0, 1e-9)).chance == 1 and bayes.read((1.0, 1e-9)).loss == 0
    with pytest.raises(ValueError, match="above 0"):
        bayes.read((1.0, 1.0), prior=(0.0, 0.0))
