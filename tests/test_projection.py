"""The shifted beta-geometric model against published and independent numbers, and projections against what came of them."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import betaln

from helpers import contracts
from helpers.errors import InputError
from helpers.retention.lives import beta_geometric
from helpers.retention.lives.projection import projections

HIGH_END = [100.0, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1, 46.8, 44.5, 42.7, 40.9, 39.4]
GRID = [
    (people, *spread, leaving)
    for people in (200, 1000)
    for spread in ((0.6, 1.4), (0.668, 3.806), (2.0, 8.0))
    for leaving in (0.0, 0.08)
]


def table(at_risk: list[float], ended: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"week": np.arange(1, len(at_risk) + 1), "at_risk": at_risk, "ended": ended})


def drawn(alpha: float, beta: float, people: int, periods: int, leaving: float, seed: int) -> pd.DataFrame:
    """A table of lives of the model; in each period the share `leaving` of those who go on is censored."""
    rng, rows = np.random.default_rng(seed), []
    for hazard in 1 - beta_geometric.retention_rates(alpha, beta, periods):
        ended = rng.binomial(people, hazard)
        rows.append((people, ended))
        people = rng.binomial(people - ended, 1 - leaving)
    return table(*zip(*rows, strict=True))


def spells(lives: pd.DataFrame, name: str = "all", dimension: str = "all") -> pd.DataFrame:
    told = lives.assign(rule="own", dimension=dimension, slice=name)
    first = told.iloc[:1].assign(week=0, ended=0)
    return pd.concat([first, told], ignore_index=True)


def test_high_end_of_fader_and_hardie_2007_is_found_again():
    """Table 1 of How to project customer retention: fitted on 7 years, alpha 0.668, beta 3.806, LL -1611.2; year 12 at 37.8 %."""
    found = beta_geometric.fit(beta_geometric.from_shares(HIGH_END[:8], 1000))
    assert (found.alpha, found.beta) == pytest.approx((0.668, 3.806), abs=5e-4)
    assert found.log_likelihood == pytest.approx(-1611.16, abs=0.01)
    assert beta_geometric.survivors(found.alpha, found.beta, 12)[-1] == pytest.approx(0.378, abs=5e-4)


def likelihood(alpha: float, beta: float, lives: pd.DataFrame) -> float:
    """The same from the chances of each length of life, written with beta functions as in the paper."""
    t = lives["week"].to_numpy(dtype=float)
    censored = lives["at_risk"] - lives["ended"] - lives["at_risk"].shift(-1, fill_value=0)
    ends = betaln(alpha + 1, beta + t - 1) - betaln(alpha, beta)
    goes_on = betaln(alpha, beta + t) - betaln(alpha, beta)
    return float((lives["ended"] * ends + censored * goes_on).sum())


@given(
    st.integers(0, 10**6),
    st.integers(2, 14),
    st.integers(5, 3000),
    st.floats(0.1, 8),
    st.floats(0.1, 8),
    st.sampled_from([0, 0.1]),
)
@settings(max_examples=10, deadline=None)
def test_no_other_model_is_likelier_and_the_likelihood_is_the_papers(seed, periods, people, alpha, beta, leaving):
    lives = drawn(alpha, beta, people, periods, leaving, seed)
    found = beta_geometric.fit(lives)
    assert found.log_likelihood == pytest.approx(likelihood(found.alpha, found.beta, lives), abs=1e-5, rel=1e-8)
    border = [(beta_geometric.LEAST, beta_geometric.MOST)] * 2
    theirs = minimize(lambda place: -likelihood(*np.exp(place), lives), np.log([alpha, beta]), bounds=border, method="L-BFGS-B")
    assert found.log_likelihood >= -theirs.fun - 1e-5


@pytest.mark.parametrize(
    "at_risk, ended, expected",
    [
        ([100, 80, 64, 51], [20, 16, 13, 10], [0.8] * 4),  # level: everybody's chance is alike
        ([50, 40, 25, 5], [10, 15, 20, 5], [70 / 120] * 4),  # rising, which no spread of chances gives
        ([9, 9], [0, 0], [1, 1]),
        ([9], [9], [0]),
        ([9, 1, 1], [8, 0, 0], [1 / 9, 1, 1]),  # chances of 0 and 1
    ],
)
def test_tables_without_a_likeliest_model_give_one_on_the_border(at_risk, ended, expected):
    found = beta_geometric.fit(table(at_risk, ended))
    rates = beta_geometric.retention_rates(found.alpha, found.beta, len(at_risk))
    assert np.isfinite(found.log_likelihood) and rates == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize("shares", [[100, 40, 45], [1.0], [0, 0], [1, 0.5, -0.1]])
def test_a_curve_that_is_no_survival_is_refused_and_says_what_to_take(shares):
    with pytest.raises(InputError, match=r"never rises.*on or after"):
        beta_geometric.from_shares(shares, 100)


def test_many_tables_at_once_are_fitted_as_each_alone():
    lives = [drawn(0.6, 1.4, 500, 9, 0.05, seed) for seed in range(6)]
    both = [np.stack([one[name].to_numpy(dtype=float) for one in lives]) for name in ("at_risk", "ended")]
    together = beta_geometric.fits(*both)
    for at, one in enumerate(lives):
        alone = beta_geometric.fit(one)
        assert (together.alpha[at], together.beta[at]) == pytest.approx((alone.alpha, alone.beta), rel=1e-6)


def test_people_drawn_again_are_as_many_and_as_watched_as_they_were():
    lives = drawn(0.6, 1.4, 400, 8, 0.1, 3)
    at_risk, ended = beta_geometric.resampled(lives, draws=300)
    assert (at_risk[:, 0] == 400).all() and (ended <= at_risk).all() and (np.diff(at_risk, axis=1) <= 0).all()
    assert at_risk.mean(axis=0) == pytest.approx(lives["at_risk"], abs=6)
    assert ended.mean(axis=0) == pytest.approx(lives["ended"], abs=6)


def test_the_test_knows_nothing_of_the_weeks_held_out():
    lives = drawn(0.6, 1.4, 2000, 14, 0.03, 1)
    doomed = lives.copy()
    doomed.loc[10:, "ended"] = (lives.loc[10:, "at_risk"] * 0.01).round()
    doomed.loc[11:, "at_risk"] = [int(lives.loc[10, "at_risk"] * 0.9**step) for step in (1, 2, 3)]
    (_, first), (_, second) = (projections(spells(own), rule="own") for own in (lives, doomed))
    held = first["held_out"]
    assert first.loc[held, "week"].tolist() == [11, 12, 13, 14]
    assert first.loc[held, ["tested", "naive"]].equals(second.loc[held, ["tested", "naive"]])
    assert not first["projected"].equals(second["projected"])
    expected = beta_geometric.fit(lives.iloc[:10])
    tested = beta_geometric.survivors(expected.alpha, expected.beta, 14)[11:]
    assert first.loc[held, "tested"].to_numpy() == pytest.approx(tested, rel=1e-6)


def test_naive_is_the_last_retention_rate_going_on_and_both_errors_are_printed():
    lives = drawn(0.6, 1.4, 3000, 12, 0.03, 2)
    checks, curve = projections(spells(lives), rule="own")
    observed = np.cumprod(1 - lives["ended"] / lives["at_risk"]).to_numpy()
    rate = 1 - lives["ended"].iloc[7] / lives["at_risk"].iloc[7]
    held = curve[curve["held_out"]]
    assert held["naive"].to_numpy() == pytest.approx(observed[7] * rate ** np.arange(1, 5))
    one = checks.iloc[0]
    assert one["naive_error"] == pytest.approx(np.abs(held["naive"] - observed[8:]).mean())
    assert one["error"] == pytest.approx(np.abs(held["tested"] - observed[8:]).mean())
    assert one["gain_low"] <= one["gain"] <= one["gain_high"] and one["inside"] <= 4
    assert held["survival"].to_numpy() == pytest.approx(observed[8:])


def test_a_model_that_is_right_beats_the_last_rate_where_there_are_many_people():
    checks, _ = projections(spells(drawn(0.6, 1.4, 200_000, 10, 0.0, 4)), rule="own")
    assert checks["gain_low"].iloc[0] > 0


@pytest.mark.parametrize(
    "lives, reason",
    [
        (drawn(0.6, 1.4, 2000, 7, 0.0, 1), "short"),
        (drawn(0.6, 1.4, 2000, 30, 0.4, 1).query("at_risk > 20"), "short"),
        (drawn(0.3, 9.0, 90, 12, 0.0, 1), "few_people"),
        (drawn(0.1, 30.0, 400, 12, 0.0, 1), "few_ended"),
    ],
)
def test_too_little_is_refused_with_its_reason(lives, reason):
    checks, curve = projections(spells(lives), rule="own")
    assert checks["refused"].tolist() == [reason] and curve.empty
    assert checks["people"].iloc[0] == lives["at_risk"].iloc[0] and checks["error"].isna().all()


def test_no_people_no_projection():
    checks, curve = projections(spells(drawn(0.6, 1.4, 500, 9, 0.0, 1)).iloc[:0], rule="own")
    assert checks.empty and curve.empty and list(checks.columns) == list(contracts.find("projection_checks").columns)


def test_slices_are_projected_as_they_would_be_alone_in_any_order_of_rows():
    parts = [spells(drawn(*spread, 900, 12, 0.05, seed), name, "channel") for seed, (name, spread) in
             enumerate({"ads": (1.1, 0.9), "friend": (0.6, 1.4)}.items())]  # fmt: skip
    both = pd.concat(parts, ignore_index=True)
    checks, curves = projections(both, rule="own", dimensions=["channel"])
    for name, part in zip(("ads", "friend"), parts, strict=True):
        alone, curve = projections(part, rule="own", dimensions=["channel"])
        pd.testing.assert_frame_equal(checks[checks["slice"] == name].reset_index(drop=True), alone)
        pd.testing.assert_frame_equal(curves[curves["slice"] == name].reset_index(drop=True), curve)
    assert (curves["low"] <= curves["projected"]).all() and (curves["projected"] <= curves["high"]).all()
    assert list(curves.columns) == list(contracts.find("projections").columns)


@pytest.mark.hard
def test_bootstrap_bands_cover_the_truth_of_a_grid(capsys):
    """Over 200 and 1,000 people, three spreads of chances, none or 8 % censored a week; 12 weeks watched, read after 4 to 25."""
    runs, draws, weeks, covered = 120, 200, (4, 12, 16, 25), {}
    for number, (people, alpha, beta, leaving) in enumerate(GRID):
        tables = [drawn(alpha, beta, people, 12, leaving, 10_000 * number + run) for run in range(runs)]
        again = [beta_geometric.resampled(lives, draws=draws, seed=run) for run, lives in enumerate(tables)]
        found = beta_geometric.fits(*(np.concatenate(parts) for parts in zip(*again, strict=True)))
        curves = beta_geometric.survivors(found.alpha, found.beta, 25).reshape(runs, draws, 26)
        low, high = beta_geometric.band(curves.transpose(1, 0, 2))
        truth = beta_geometric.survivors(alpha, beta, 25)
        covered |= {(people, alpha, beta, leaving, week): ((low <= truth) & (truth <= high))[:, week].mean() for week in weeks}
    lowest = min(covered, key=covered.get)
    with capsys.disabled():
        sys.stdout.write(
            f"\nbootstrap bands: {np.mean(list(covered.values())):.1%} on average, lowest {covered[lowest]:.1%} at {lowest}\n"
        )
    assert 0.94 <= np.mean(list(covered.values())) <= 0.97 and covered[lowest] >= 0.88
