"""The usual band of a series: made of its past alone, as wide as its weeks usually are off, and calm about a single wild one."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.robust.scale import qn_scale

from helpers.retention import bands
from helpers.retention.change import band

SERIES = st.lists(st.integers(-500, 500), min_size=10, max_size=30)


def one(values, **how) -> tuple[pd.Series, pd.Series, pd.Series]:
    found = bands(pd.DataFrame({"x": np.asarray(values, dtype=float)}), **{"confidence": 0.98} | how)
    return found.low["x"], found.high["x"], found.p["x"]


def plain_spread(mistakes: list[float]) -> float:
    n, middle = len(mistakes), statistics.median(mistakes)
    apart = sorted(abs(a - b) for at, a in enumerate(mistakes) for b in mistakes[:at])
    h = n // 2 + 1
    return math.hypot(2.2219 * n / (n + (1.4 if n % 2 else 3.8)) * apart[h * (h - 1) // 2 - 1], middle)


def plain_band(values: list[float], confidence: float) -> list[tuple[float, float] | None]:
    """The same, value by value: ten smoothings side by side, of which the one that was least off so far foretells."""
    pairs = [(level, trend) for trend in (0.0, 0.3) for level in (0.1, 0.2, 0.4, 0.7, 1.0)]
    state, off, mistakes, found = [(values[0], 0.0)] * 10, [0.0] * 10, [], [None]
    for at, value in enumerate(values[1:], start=1):
        ahead = [level + 0.9 * trend for level, trend in state]
        best = off.index(min(off))
        spread = plain_spread(mistakes[-26:]) if len(mistakes) >= 5 else None
        if at >= 8:
            half = stats.t.ppf(0.5 + confidence / 2, 0.8 * len(mistakes[-26:])) * spread
            found.append((ahead[best] - half, ahead[best] + half))
        else:
            found.append(None)
        if at >= 3:
            mistakes.append(value - ahead[best])
        for which, (gain, share) in enumerate(pairs):
            most = 2 * spread if spread else math.inf
            kept = max(-most, min(most, value - ahead[which]))
            off[which] += abs(kept)
            state[which] = (ahead[which] + max(gain, 1 / (at + 1)) * kept, 0.9 * state[which][1] + gain * share * kept)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_bands_are_those_of_a_plain_recomputation(seed):
    rng = np.random.default_rng(seed)
    values = np.cumsum(rng.normal(seed, 5, 45)) + rng.normal(0, 10, 45)
    values[20] += 200 * (seed % 2)
    low, high, _ = one(values, confidence=0.9)
    for at, plain in enumerate(plain_band(list(values), 0.9)):
        ends = (low[at], high[at])
        assert np.isnan(ends).all() if plain is None else ends == pytest.approx(plain, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("n", [5, 6, 11, 26])
def test_the_spread_is_qn_as_statsmodels_has_it_but_for_the_factor_of_few_values(n):
    mistakes = np.random.default_rng(n).normal(0, 3, n)
    found, count = band._spread(mistakes[:, None])
    few = n / (n + 1.4) if n % 2 else n / (n + 3.8)
    assert count[0] == n
    assert found[0] == pytest.approx(math.hypot(few * qn_scale(mistakes), np.median(mistakes)), rel=2e-3)


@given(SERIES, st.data())
@settings(deadline=None, max_examples=25)
def test_no_value_and_nothing_after_it_is_in_its_own_band(values, data):
    at = data.draw(st.integers(0, len(values) - 1))
    changed = [*values[:at], *data.draw(st.lists(st.integers(-5000, 5000), min_size=len(values) - at, max_size=len(values) - at))]
    for before, after in zip(one(values)[:2], one(changed)[:2], strict=True):
        pd.testing.assert_series_equal(before[: at + 1], after[: at + 1])


@given(SERIES, st.integers(-1000, 1000), st.sampled_from([0.25, 2.0, 64.0]))
@settings(deadline=None, max_examples=25)
def test_the_band_moves_and_stretches_with_the_series(values, step, factor):
    low, high, _ = one(values)
    other_low, other_high, _ = one([step + factor * value for value in values])
    for found, expected in ((other_low, step + factor * low), (other_high, step + factor * high)):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)


@given(st.lists(st.lists(st.integers(0, 50), min_size=15, max_size=15), min_size=2, max_size=4))
@settings(deadline=None, max_examples=20)
def test_a_series_has_the_same_band_whatever_stands_beside_it(columns):
    table = pd.DataFrame(dict(enumerate(np.array(columns, dtype=float))))
    together, turned = (bands(frame, confidence=0.98) for frame in (table, table[table.columns[::-1]]))
    for name in table:
        low, _, _ = one(table[name])
        pd.testing.assert_series_equal(together.low[name], low, check_names=False)
        pd.testing.assert_series_equal(together.low[name], turned.low[name])


KINDS = {
    "level": lambda rng: rng.normal(100, 10, (60, 300)),
    "walk": lambda rng: np.cumsum(rng.normal(0, 10, (60, 300)), axis=0),
    "drift": lambda rng: np.cumsum(rng.normal(8, 4, (60, 300)), axis=0) + rng.normal(0, 5, (60, 300)),
    "long tails": lambda rng: 100 + 10 * rng.standard_t(3, (60, 300)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_about_as_many_usual_values_lie_outside_as_are_meant_to(kind, confidence):
    table = pd.DataFrame(KINDS[kind](np.random.default_rng(3)))
    found = bands(table, confidence=confidence)
    outside = ((table < found.low) | (table > found.high))[found.low.notna()].iloc[8:].to_numpy().mean()
    assert 0.5 * (1 - confidence) < outside < 1.5 * (1 - confidence)
    assert ((found.p < 1 - confidence) == ((table < found.low) | (table > found.high))).to_numpy().all()


@pytest.mark.parametrize("watched", [3, 6])
def test_of_numbers_watched_together_one_leaves_its_band_in_about_one_usual_week_of_twenty(watched):
    """300 communities of one kind each, quiet for 60 weeks; whatever is more than a third off would be a wrong correction."""
    for kind, rng in zip(("level", "walk"), map(np.random.default_rng, (11, 12)), strict=True):
        numbers = [KINDS[kind](rng) for _ in range(watched)]
        outside = np.zeros((60, 300), dtype=bool)
        for values in numbers:
            found = bands(pd.DataFrame(values), confidence=band.confidence_of(watched))
            outside |= ((values < found.low) | (values > found.high)).to_numpy()
        assert 0.035 < outside[20:].mean() < 0.065, kind


def test_a_share_of_few_people_has_a_band_no_narrower_than_chance():
    """Each value has a size of its own: 40 people in most weeks, 400 in the last but one."""
    sizes, share = np.full(20, 40.0), 0.5
    sizes[-2] = 400
    values = pd.DataFrame({"x": np.full(20, share)})
    found = bands(values, noise=pd.DataFrame({"x": np.sqrt(share * (1 - share) / sizes)}), confidence=0.95)
    half = (found.high["x"] - found.low["x"]) / 2
    assert half.iloc[-1] == pytest.approx(stats.t.ppf(0.975, 0.8 * 16) * np.sqrt(0.25 / 40))
    assert half.iloc[-2] == pytest.approx(stats.t.ppf(0.975, 0.8 * 15) * np.sqrt(0.25 / 400))
    assert one(values["x"])[1].iloc[-1] == share


def test_one_wild_week_is_outside_and_leaves_the_next_band_nearly_as_it_was():
    values = np.random.default_rng(5).normal(100, 5, 30)
    wild = values.copy()
    wild[25] = 500
    low, high, p = one(wild)
    assert wild[25] > high[25] and p[25] < 1e-6
    calm_low, calm_high, _ = one(values)
    assert calm_low[26] - 12 < low[26] < 100 < high[26] < calm_high[26] + 12


def test_a_lasting_fall_becomes_usual_in_time():
    rng = np.random.default_rng(6)
    values = np.r_[rng.normal(100, 3, 20), rng.normal(70, 3, 25)]
    low, high, _ = one(values)
    assert values[20] < low[20]
    assert low.iloc[-1] < 70 < high.iloc[-1] < 90


def test_what_is_too_short_has_no_band_and_says_how_many_values_are_missing():
    table = pd.DataFrame({"short": [np.nan] * 5 + [1.0, 2, 3, 4, 5], "long": np.arange(10.0)})
    found = bands(table, confidence=0.98)
    assert found.missing.to_dict() == {"short": 3, "long": 0}
    assert found.low["short"].isna().all() and found.low["long"].notna().tolist() == [False] * 8 + [True] * 2
    assert bands(table.iloc[:0], confidence=0.98).missing.to_dict() == {"short": 8, "long": 8}


def test_an_unknown_week_has_a_band_and_moves_nothing():
    values = np.random.default_rng(8).normal(100, 5, 20)
    gap = values.copy()
    gap[12] = np.nan
    low, high, p = one(gap)
    assert low[12] < 100 < high[12] and np.isnan(p[12])
    assert low[13] == pytest.approx(low[12], abs=2) and np.isfinite(low[13:]).all()


def daily(weeks: int, seed: int = 1) -> np.ndarray:
    rhythm = np.array([0, 0, 0, 5, 20, 60, 40])
    return 200 + np.tile(rhythm, weeks) + np.random.default_rng(seed).normal(0, 4, 7 * weeks)


def test_days_are_measured_by_their_weekday():
    values = daily(12)
    low, high, _ = one(values, every="day", confidence=0.95)
    flat_low, flat_high, _ = one(values, confidence=0.95)
    known = low.notna()
    assert known.tolist() == [False] * 29 + [True] * (84 - 29)
    inside = (values >= low) & (values <= high)
    assert inside[known].mean() > 0.85
    assert (high - low)[known].median() < 0.5 * (flat_high - flat_low)[known].median()
    sunday_like_monday = values.copy()
    sunday_like_monday[-1] = 215
    assert sunday_like_monday[-1] < low.iloc[-1] and sunday_like_monday[-1] > flat_low.iloc[-1]


def test_a_year_counts_only_after_two_of_them():
    weeks = np.arange(52 * 3)
    values = 1000 + 300 * np.cos(2 * np.pi * weeks / 52) * (weeks % 52 < 60) + np.random.default_rng(2).normal(0, 10, len(weeks))
    values[weeks % 52 == 40] += 400
    low, high, _ = one(values, every="week")
    plain_low, plain_high, _ = one(values)
    pd.testing.assert_series_equal(low[:104], plain_low[:104])
    feast = 104 + 40
    assert values[feast] > plain_high[feast] and low[feast] < values[feast] < high[feast]


def test_the_weekdays_of_three_years_have_a_yearly_season_too():
    days = np.arange(7 * 52 * 3)
    feast = 300 * (days // 7 % 52 == 40)
    values = 500 + feast + np.tile([0, 0, 0, 0, 10, 60, 50], 156) + np.random.default_rng(4).normal(0, 5, len(days))
    low, high, _ = one(values, every="day", confidence=0.95)
    begun = 7 * (104 + 40)
    assert values[begun] > 700 and low[begun] < values[begun] < high[begun]
    assert values[begun - 7 * 52] > high[begun - 7 * 52]
