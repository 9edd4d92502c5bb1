"""Since when: the trend is the slope of the days' differences, what fades is found, and what stays is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as distributions

from helpers import stats
from helpers.experiments.counted.cube import AGE, SLOPE, VALUE, Cell, Cube
from helpers.experiments.counted.moments import Moments
from helpers.experiments.effect.novelty import AGES, TRENDS, novelty
from helpers.runs import checks
from tests.plans import metric, plan

DAYS = 14
MEAN = metric(name="mean", kind="mean")
OWN = {"primary": ["mean"], "metric": [MEAN]}


def cells(days: dict[str, np.ndarray], *, name: str = "tour", of: str = "mean") -> Cube:
    """From people by days of each arm: a cell a day, and that of the slopes of each person by least squares."""
    made = {}
    for arm, own in days.items():
        span = own.shape[1]
        weights = np.polyfit(np.arange(1, span + 1), np.eye(span), 1)[0]
        for age in range(1, span + 1):
            made[(name, of, AGE, str(age), arm)] = Cell(Moments.of_rows(own[:, [age - 1]], (VALUE,)))
        made[(name, of, AGE, SLOPE, arm)] = Cell(Moments.of_rows(own @ weights[:, None], (VALUE,)))
    return Cube(made)


def drawn(effect, n: int = 600, seed: int = 1) -> dict[str, np.ndarray]:
    """People who are more or less busy all the time, and an effect by day in arm b."""
    random = np.random.default_rng(seed)
    made = {arm: random.normal(0, 1, (n, 1)) + random.normal(2, 1, (n, DAYS)) for arm in "ab"}
    return {"a": made["a"], "b": made["b"] + np.asarray(effect)}


FADING, GROWING = np.linspace(1.0, 0.1, DAYS), np.linspace(0.1, 1.0, DAYS)


def test_the_trend_is_the_slope_of_the_differences_and_its_test_that_of_the_persons_slopes():
    days = drawn(FADING)
    ages, trends = novelty(cells(days), [plan(**OWN)])
    checks.to_arrow(AGES, ages)
    checks.to_arrow(TRENDS, trends)
    row = trends.iloc[0]
    differences = days["b"].mean(axis=0) - days["a"].mean(axis=0)
    np.testing.assert_allclose(ages["difference"], differences)
    slope, start = np.polyfit(np.arange(1, DAYS + 1), differences, 1)
    assert (row["slope"], row["first"]) == pytest.approx((slope, start + slope))
    slopes = [np.polyfit(np.arange(1, DAYS + 1), own.T, 1)[0] for own in (days["b"], days["a"])]
    assert row["p"] == pytest.approx(distributions.ttest_ind(*slopes, equal_var=False).pvalue)
    assert row["last"] == pytest.approx(row["first"] + (DAYS - 1) * row["slope"]) and row["days"] == DAYS and row["n"] == 600


@pytest.mark.parametrize(
    ("effect", "trend"),
    [
        (FADING, "fades"), (GROWING, "grows"), (-FADING, "fades"), (-GROWING, "grows"), (np.full(DAYS, 0.5), "unclear"),
        (np.linspace(0.2, -1.0, DAYS), "turns"), (np.linspace(0.9, -0.7, DAYS), "turns"), (np.linspace(1.0, -0.1, DAYS), "fades"),
    ],
)  # fmt: skip
def test_planted_trends_are_found_whichever_way_the_effect_points(effect, trend):
    assert novelty(cells(drawn(effect)), [plan(**OWN)])[1]["trend"].iloc[0] == trend


@pytest.mark.hard
def test_an_effect_that_stays_is_said_to_move_one_time_in_twenty():
    count, own, plans = 300, {}, []
    for at in range(count):
        days = drawn(np.full(DAYS, 0.5), n=60, seed=at)
        own |= cells(days, name=f"e{at}").cells
        plans.append(plan(name=f"e{at}", **OWN))
    trends = novelty(Cube(own), plans)[1]
    assert distributions.binomtest(int((trends["trend"] != "unclear").sum()), count, 0.05).pvalue > 1e-3


def test_several_metrics_are_corrected_together_and_an_unclear_one_says_no_more():
    own = {**cells(drawn(FADING)).cells, **cells(drawn(np.full(DAYS, 0.3), seed=2), of="other").cells}
    both = plan(primary=["mean", "other"], metric=[MEAN, metric(name="other", kind="mean")])
    trends = novelty(Cube(own), [both])[1]
    np.testing.assert_allclose(trends["p_corrected"], stats.benjamini_hochberg(trends["p"]))
    assert list(trends["trend"]) == ["fades", "unclear"]


def test_shares_of_a_day_are_compared_by_the_score_test():
    random = np.random.default_rng(3)
    days = {arm: (random.random((800, DAYS)) < 0.2 + (FADING / 4 if arm == "b" else 0)) * 1.0 for arm in "ab"}
    ages, trends = novelty(cells(days), [plan(primary=["mean"], metric=[metric(name="mean")])])
    counts = [(int(days[arm][:, 4].sum()), 800) for arm in "ab"]
    told = stats.compare_shares(*counts[0], *counts[1])
    assert (ages["low"].iloc[4], ages["high"].iloc[4]) == pytest.approx((told.low, told.high))
    assert trends["trend"].iloc[0] == "fades"


def test_without_days_or_people_or_variation_there_is_no_trend():
    nothing = novelty(Cube(), [plan(**OWN)])
    flat = novelty(cells({"a": np.ones((50, 5)), "b": np.ones((50, 5))}), [plan(**OWN)])
    alone = novelty(cells({"a": drawn(0.0)["a"]}), [plan(**OWN)])
    single = novelty(cells({"a": np.ones((1, 5)), "b": np.ones((1, 5))}), [plan(**OWN)])
    for ages, trends in (nothing, flat, alone, single):
        checks.to_arrow(AGES, ages)
        checks.to_arrow(TRENDS, trends)
        assert set(trends["trend"]) <= {"unknown"}
    assert nothing[0].empty and len(flat[0]) == 5
