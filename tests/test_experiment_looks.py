"""Looks: by day as if the data had ended there, by the plan's rule, and with false alarms at most alpha under daily peeking."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from cubes import cube
from plans import metric, plan
from scipy import stats as scipy_stats

from helpers.experiments.counted.cube import DAY, PEOPLE, Cell, Cube
from helpers.experiments.counted.moments import Moments
from helpers.experiments.effect import compared
from helpers.experiments.peeking import group_sequential, looks, rules, sequential

START = date(2026, 1, 5)
SPEND = metric(name="spend", kind="mean", of="events", days=2, horizon=2, covariates=[])
DAYS = 14
END = START + timedelta(days=DAYS - 1 + 2)  # the last planned day with the days that the metric looks ahead


def people(n: int, seed: int, gain: float = 0.0, days: int = DAYS) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    arm = random.choice(["a", "b"], n)
    day = np.sort(random.integers(0, days, n))
    return pd.DataFrame({
        "variant": arm, "spend": random.exponential(2, n) + gain * (arm == "b"), "back": random.integers(0, 2, n) * 1.0,
        "day": [(START + timedelta(days=int(step))).isoformat() for step in day],
    })  # fmt: skip


def planned(**changes) -> dict:
    return plan(**{"metric": [SPEND], "primary": ["spend"], "covariates": [], **changes})


def by_day(rows: pd.DataFrame, last_day: date = END, column: str = "spend", **changes) -> pd.DataFrame:
    made = planned(**changes)
    name = made["metric"][0]["name"]
    return looks.looks(cube(rows, {name: column}, cuts={"day": "day"}), [made], last_day=last_day)


def test_each_day_is_the_test_of_those_who_had_had_their_time():
    rows = people(900, 1)
    made = by_day(rows)
    assert made["day"].tolist() == [pd.Timestamp(START + timedelta(days=2 + step)) for step in range(DAYS)]
    for row in made.iloc[[0, 4, 13]].to_dict("records"):
        come = rows[rows["day"] <= (row["day"] - pd.Timedelta(days=2)).date().isoformat()]
        arms = [come.loc[come["variant"] == arm, "spend"] for arm in "ab"]
        expected = scipy_stats.ttest_ind(arms[1], arms[0], equal_var=False)
        assert row["naive_p"] == pytest.approx(expected.pvalue) and row["n"] == len(come) == row["people"]
        assert (row["naive_low"], row["naive_high"]) == pytest.approx(tuple(expected.confidence_interval(0.95)))
        assert row["smaller"] == min(map(len, arms))


def test_shares_have_the_score_test_each_day():
    rows = people(400, 2)
    made = by_day(rows, column="back", metric=[metric(covariates=[], horizon=2)], primary=["back"])
    one = made.iloc[5]
    come = rows[rows["day"] <= (one["day"] - pd.Timedelta(days=2)).date().isoformat()]
    table = pd.crosstab(come["variant"], come["back"])
    assert one["naive_p"] == pytest.approx(scipy_stats.chi2_contingency(table, correction=False).pvalue)
    assert ((made["naive_low"] > 0) | (made["naive_high"] < 0)).eq(made["naive_p"] < 0.05).all()


def test_the_ordinary_line_ends_at_the_planned_end_and_the_sequence_goes_on():
    rows = people(600, 3, days=20)
    made = by_day(rows, last_day=END + timedelta(days=6), looks="always-valid", users=600)
    after = made["day"] > pd.Timestamp(END)
    assert after.sum() == 6 and made.loc[after, "naive_p"].isna().all() and made.loc[~after, "naive_p"].notna().all()
    assert made["p"].notna().all() and made["low"].notna().all()


def test_nothing_is_read_after_the_last_day_of_the_data_or_before_anybody_has_had_the_days():
    assert by_day(people(500, 4), last_day=START + timedelta(days=1)).empty
    assert by_day(people(500, 4), last_day=START + timedelta(days=4))["day"].nunique() == 3


def test_a_fixed_horizon_decides_at_its_end_alone():
    made = by_day(people(3000, 5, gain=1.0))
    assert (made["p"] < 0.05).sum() > 3 and made["crossed"].tolist() == [False] * (DAYS - 1) + [True]
    assert made["is_end"].tolist() == [False] * (DAYS - 1) + [True]
    assert not by_day(people(3000, 5, gain=1.0), last_day=END - timedelta(days=1))["crossed"].any()


def test_the_sequence_is_that_of_the_plan_and_is_not_tuned_by_what_came():
    rows = people(800, 6)
    made = by_day(rows, looks="always-valid", users=1000)
    row = made.iloc[-1]
    expected = sequential.confidence_sequence(row["difference"], row["se"], row["n"], tuned_for=1000)
    assert (row["low"], row["high"], row["p"]) == pytest.approx((expected.low, expected.high, expected.p))
    assert row["boundary"] == pytest.approx(sequential.multiplier(row["n"], tuned_for=1000))
    early = by_day(rows, last_day=END - timedelta(days=7), looks="always-valid")
    late = by_day(rows, looks="always-valid")
    pd.testing.assert_frame_equal(late.head(len(early)), early)


@pytest.mark.parametrize("looks", [{"looks": "always-valid"}, {"looks": "group-sequential", "look_times": [0.5, 1.0]}])
def test_the_interval_of_a_difference_of_shares_stays_between_minus_and_plus_one(looks):
    made = by_day(people(12, 3), column="back", metric=[metric(covariates=[], horizon=2)], primary=["back"], users=12, **looks)
    told = made[made["low"].notna()]
    assert (told["low"] == -1).any() and told["low"].ge(-1).all() and told["high"].le(1).all()


def test_planned_looks_come_on_the_first_day_that_reaches_them_and_have_real_boundaries():
    rows = people(1000, 7)
    made = by_day(rows, looks="group-sequential", look_times=[0.25, 0.5, 0.75, 1.0], users=1000)
    own = made[made["time"].notna()]
    for planned_time, row in zip((0.25, 0.5, 0.75, 1.0), own.to_dict("records"), strict=True):
        assert made.loc[made["share"] >= planned_time - 1e-9, "day"].iloc[0] == row["day"]
    expected = group_sequential.boundaries(own["time"].tolist(), information=own["n"].tolist())
    assert own["boundary"].tolist() == pytest.approx(expected.z.tolist())
    before = own.iloc[:-1]
    assert (before["low"] + before["boundary"] * before["se"]).tolist() == pytest.approx(before["difference"].tolist())
    last = own.iloc[-1]
    raw = np.mean([last["naive_low"], last["naive_high"]])
    stopped = group_sequential.at_stop(expected, raw, last["se"])
    assert (last["difference"], last["low"], last["p"]) == pytest.approx((stopped.value, stopped.low, stopped.p))


def test_the_last_look_has_time_1_when_the_plan_has_ended_with_too_few_people():
    made = by_day(people(500, 8), looks="group-sequential", look_times=[0.5, 1.0], users=700)
    own = made[made["time"].notna()]
    assert own["time"].tolist()[1] == 1.0 and 0.5 <= own["time"].iloc[0] < 0.6 and own["is_end"].tolist() == [False, True]
    before = END - timedelta(days=1)
    open_yet = by_day(people(500, 8), last_day=before, looks="group-sequential", look_times=[0.5, 1.0], users=700)
    assert open_yet["time"].notna().sum() == 1


def test_no_look_follows_the_one_that_crossed():
    made = by_day(people(3000, 9, gain=2.0), looks="group-sequential", look_times=[0.25, 0.5, 0.75, 1.0], users=3000)
    assert made["time"].notna().sum() == 1 and made["crossed"].iloc[-1] and not made["crossed"].iloc[0]


@pytest.mark.parametrize("shape", ["obrien-fleming", "pocock"])
def test_p_of_a_planned_look_is_below_alpha_just_where_it_crosses(shape):
    bounds = group_sequential.boundaries([0.3, 0.6], shape=shape)
    for away in (-1e-6, 1e-6):
        p = rules.repeated_p(bounds, float(bounds.z[-1]) + away, shape)
        assert (p < 0.05) == (away > 0) and p == pytest.approx(0.05, rel=1e-3)
    assert rules.repeated_p(bounds, 0.0, shape) == 1.0 and 0 < rules.repeated_p(bounds, 60.0, shape) <= 1e-15


def test_a_table_of_units_without_days_has_no_rows_and_its_look_counts_those_planned_before():
    counted = cube(people(900, 10, gain=1.0), {"spend": "spend"})
    changes = {"looks": "group-sequential", "look_times": [0.5, 1.0], "units": "shops", "start": None, "end": None}
    assert looks.looks(counted, [planned(**changes, users=900)], last_day=None).empty
    plain = compared.plain(SPEND, *compared.of_all(counted, planned(), SPEND, "b"))
    own, larger = (planned(**changes, users=users) for users in (900, 9000))
    (said,) = rules.assumed(own, rules.undated(own, SPEND, 900, plain, None))
    assert said.boundary == pytest.approx(group_sequential.boundaries([0.5, 1.0]).z[-1]) and said.crossed
    assert rules.assumed(larger, rules.undated(larger, SPEND, 900, plain, None)) == []


def test_every_run_leaves_its_rows_and_looks_are_counted_by_day():
    rows = people(600, 11)
    first, second = (by_day(rows, last_day=END - timedelta(days=back)) for back in (7, 0))
    logged = looks.ledger(first)
    assert len(logged) == 1 and logged["decision"].tolist() == [""] and logged["day"].iloc[0] == first["day"].iloc[-1]
    decided = looks.ledger(first, pd.DataFrame({"experiment": ["tour"], "variant": ["b"], "decision": ["extend"]}))
    assert decided["decision"].tolist() == ["extend"]
    assert looks.looked(first)["taken"].tolist() == [1]
    again = looks.looked(second, pd.concat([logged, logged]))
    assert again["taken"].tolist() == [2] and again["first"].iloc[0] == logged["day"].iloc[0]
    assert again["false_alarms"].iloc[0] == pytest.approx(group_sequential.false_alarms(2))
    assert looks.looked(by_day(rows, last_day=START)).empty


RUNS, EACH = 200, 30  # experiments under no effect, people a day and arm


def without_effect(seed: int) -> Cube:
    """Many experiments of one plan's length, as cells by day; values are skewed."""
    random = np.random.default_rng(seed)
    cells = {}
    for run in range(RUNS):
        for arm in ("a", "b"):
            values = random.exponential(1, (DAYS, EACH))
            for step, own in enumerate(values):
                at = (START + timedelta(days=step)).isoformat()
                cells[(f"run{run}", "spend", DAY, at, arm)] = Cell(Moments.of_rows(own, ("value",)))
                cells[(f"run{run}", PEOPLE, DAY, at, arm)] = Cell(Moments((), EACH, np.zeros(0), np.zeros((0, 0))))
    return Cube(cells)


@pytest.mark.hard
@pytest.mark.parametrize(
    ("changes", "least"),
    [
        ({"looks": "always-valid", "users": 2 * EACH * DAYS}, 0.0),
        ({"looks": "group-sequential", "look_times": [0.25, 0.5, 0.75, 1.0]}, 0.02),
        ({"looks": "group-sequential", "look_times": [0.2, 0.6, 1.0], "spending": "pocock", "users": 2 * EACH * DAYS}, 0.02),
        ({"looks": "fixed-horizon"}, 0.02),
    ],
)
def test_daily_peeking_raises_no_more_false_alarms_than_alpha(changes, least):
    plans = [planned(name=f"run{run}", **changes) for run in range(RUNS)]
    made = looks.looks(without_effect(17), plans, last_day=END)
    alarms = made.groupby("experiment")["crossed"].any()
    most = 0.05 + 3 * math.sqrt(0.05 * 0.95 / RUNS)
    assert len(alarms) == RUNS and least <= alarms.mean() <= most
    peeked = (made["naive_p"] < 0.05).groupby(made["experiment"]).any()
    assert peeked.mean() > 0.12  # what the ordinary test would have done
