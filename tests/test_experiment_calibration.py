"""The p of all splits at once are those of the real methods, and a test that is wrong on the data is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats as distributions

from helpers.experiments.counted.moments import Moments
from helpers.experiments.methods import adjusted, estimates, shares, spread
from helpers.experiments.trust import calibration, splits
from helpers.runs import checks
from tests.plans import metric, plan

N = 1_200  # below a block of people, so that the draws can be repeated here
MEAN, RATIO = metric(name="mean", kind="mean"), metric(name="ratio", kind="ratio", covariates=["a", "b"])
QUANTILE = metric(name="late", kind="quantile", quantile=0.9, covariates=[])


def people(n: int = N, seed: int = 4) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    before, per = random.gamma(1.0, 3.0, n), random.poisson(3, n) + 1.0
    value = before + random.poisson(2, n) + 1e6
    value[random.random(n) < 0.05] = np.nan
    return pd.DataFrame({
        "back:value": (random.random(n) < 0.2) * 1.0, "back:active_days": before,
        "mean:value": value, "mean:active_days": before,
        "ratio:value": per * random.gamma(2.0, 1.0, n), "ratio:per": per, "ratio:a": before, "ratio:b": before * 2 + 1,
        "late:value": random.lognormal(0, 1, n),
    })  # fmt: skip


def split(rows: pd.DataFrame, parts: tuple[float, float], count: int, seed: int) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Control and arm of each split, drawn as `splits` does."""
    ordered = rows.iloc[splits.order(rows)]
    inside = splits.drawn(np.random.default_rng(seed), (count, len(rows)), parts)
    return [(ordered[inside[0][at]], ordered[inside[1][at]]) for at in range(count)]


@pytest.mark.parametrize("parts", [(0.5, 0.5), (0.3, 0.1)])
@pytest.mark.parametrize(
    ("columns", "ask", "real"),
    [
        (["back:value"], splits.of_shares,
         lambda *arms: shares.compare(*((round(one.mean[0] * one.n), one.n) for one in arms)).p),
        (["mean:value"], lambda *arms: splits.of_levels(*arms, 1),
         lambda *arms: estimates.difference(*(estimates.mean(one, one.names[0]) for one in arms)).p),
        (["mean:value", "mean:active_days"], lambda *arms: splits.of_cuped(*arms, 1),
         lambda *arms: adjusted.cuped(*arms, "mean:value", ["mean:active_days"]).difference().p),
        (["ratio:value", "ratio:per"], lambda *arms: splits.of_levels(*arms, 2),
         lambda *arms: estimates.difference(*(estimates.ratio(one, *one.names) for one in arms)).p),
        (["ratio:value", "ratio:per", "ratio:a", "ratio:b"], lambda *arms: splits.of_cuped(*arms, 2),
         lambda *arms: adjusted.cuped(*arms, arms[0].names[:2], arms[0].names[2:]).difference().p),
    ],
)  # fmt: skip
def test_the_p_of_all_splits_at_once_are_those_of_the_real_functions(parts, columns, ask, real):
    rows, count = people(), 8
    found = ask(*splits.stacks(rows, {"x": columns}, parts, seed=11, splits=count)["x"])
    expected = []
    for arms in split(rows, parts, count, 11):
        moments = [Moments.of_rows(arm[columns].to_numpy(), tuple(columns)) for arm in arms]
        expected.append(real(*moments))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)


def test_the_p_of_quantiles_are_those_of_the_real_function():
    values = people()["late:value"].to_numpy()
    found = splits.of_quantile(values, 0.9, (0.5, 0.5), seed=3, splits=5)
    random, ordered = np.random.default_rng(3), np.sort(values)
    expected = []
    for _ in range(5):
        inside = splits.drawn(random, (1, len(ordered)), (0.5, 0.5))
        expected.append(spread.quantiles(*(spread.counted(ordered[one[0]]) for one in inside), 0.9).p)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_neither_the_order_of_rows_nor_that_of_columns_matters():
    rows, own = people(3_000), plan(metric=[metric(), MEAN, RATIO, QUANTILE])
    found = calibration.calibration({"tour": rows}, [own], seed=5, splits=60)
    shuffled = rows.sample(frac=1.0, random_state=1)[list(rows.columns[::-1])]
    pd.testing.assert_frame_equal(found, calibration.calibration({"tour": shuffled}, [own], seed=5, splits=60))


def test_well_behaved_metrics_are_ok_and_their_p_equally_frequent():
    own = plan(metric=[metric(), MEAN, RATIO, QUANTILE])
    found = calibration.calibration({"tour": people(3_000)}, [own], seed=1)
    checks.to_arrow(calibration.CALIBRATION, found)
    assert set(found["verdict"]) == {"ok"} and set(found["side"]) == {""}
    assert found["share"].between(0.03, 0.07).sum() >= 6
    assert (found.loc[found["kind"].isin(["mean", "ratio"]), "uniform"] > 1e-3).all()
    assert list(found.loc[found["planned"], "method"]) == ["CUPED", "CUPED", "CUPED", "quantile 0.9"]


def test_a_metric_whose_sum_one_person_holds_is_off_because_it_never_alarms():
    rows = pd.DataFrame({"mean:value": np.r_[1e9, np.random.default_rng(0).random(2_000)]})
    found = calibration.calibration({"tour": rows}, [plan(metric=[{**MEAN, "covariates": []}])], seed=1).iloc[0]
    assert (found["verdict"], found["side"], found["alarms"]) == ("off", "few", 0)


def test_a_skewed_metric_in_a_small_arm_is_off_because_it_alarms_too_often():
    rows = pd.DataFrame({"mean:value": np.random.default_rng(0).lognormal(0, 2.5, 3_000)})
    own = plan(variants={"a": 0.97, "b": 0.03}, metric=[{**MEAN, "covariates": []}])
    found = calibration.calibration({"tour": rows}, [own], seed=1).iloc[0]
    assert (found["verdict"], found["side"]) == ("off", "many") and found["low"] > 0.05


def test_a_true_test_is_seldom_called_off():
    """Its shares are binomial around alpha; all metrics are tested at once, so that one page in twenty at most is wrong."""
    random = np.random.default_rng(2)
    names = [f"m{at}" for at in range(40)]
    rows = pd.DataFrame({f"{name}:value": random.normal(size=400) for name in names})
    own = plan(metric=[metric(name=name, kind="mean", covariates=[]) for name in names])
    found = calibration.calibration({"tour": rows}, [own], seed=8)
    assert set(found["verdict"]) == {"ok"}
    assert distributions.binomtest(int(found["alarms"].sum()), 40 * 1_000, 0.05).pvalue > 1e-3


def test_what_does_not_vary_or_is_not_there_cannot_be_told():
    rows = pd.DataFrame({"back:value": np.zeros(500), "mean:value": np.full(500, 0.1), "ratio:value": np.ones(500)})
    found = calibration.calibration({"tour": rows}, [plan(metric=[metric(), MEAN, RATIO])], seed=1, splits=20)
    assert list(found["metric"]) == ["back", "mean"] and set(found["verdict"]) == {"unknown"}
    alone = calibration.calibration({"tour": rows}, [plan(variants={"a": 1.0, "b": 0.0})], seed=1, splits=20)
    empty = calibration.calibration({"tour": rows.iloc[:0]}, [plan()], seed=1, splits=20)
    nobody = calibration.calibration({}, [plan()], seed=1)
    assert alone.empty and nobody.empty and set(empty["verdict"]) == {"unknown"}
    for frame in (found, alone, empty, nobody):
        checks.to_arrow(calibration.CALIBRATION, frame)


def test_a_person_or_two_stop_nothing():
    rows = people(3)
    found = calibration.calibration({"tour": rows}, [plan(metric=[metric(), MEAN, RATIO, QUANTILE])], seed=1, splits=50)
    checks.to_arrow(calibration.CALIBRATION, found)


def test_effects_of_a_metric_that_is_off_are_marked_by_the_method_that_they_come_from():
    told = pd.DataFrame({
        "experiment": "tour", "metric": ["a", "a", "b"], "adjusted": [False, True, False], "verdict": ["off", "ok", "ok"],
    })  # fmt: skip
    effects = pd.DataFrame({
        "experiment": ["tour", "tour", "tour", "else"], "metric": ["a", "a", "b", "a"],
        "method": ["Welch", "CUPED", "post-stratified by city", "Welch"],
    })  # fmt: skip
    assert list(calibration.marked(effects, told)["calibrated"]) == ["off", "ok", "ok", "unknown"]
    assert list(calibration.marked(effects.drop(columns="method"), told)["calibrated"]) == ["off", "off", "ok", "unknown"]
