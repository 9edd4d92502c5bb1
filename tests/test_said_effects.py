"""Words about effects: they follow the interval, its correction and the plan, and tell of no handful of people."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from cubes import cube
from hypothesis import given
from hypothesis import strategies as st
from plans import metric, plan

from helpers.experiments.effect import as_planned, compared, effects, readings
from helpers.experiments.peeking import looks, rules
from helpers.show import tables
from helpers.show.said import effects as said

ROW = {
    "label": "tour, back, b", "smaller": 400, "reason": "", "low": 0.01, "high": 0.05, "difference": 0.03, "p": 0.002,
    "p_corrected": 0.004, "unit": "points", "alpha": 0.05, "method": "CUPED", "rule": "fixed-horizon", "final": True,
}  # fmt: skip


def test_one_effect_in_one_sentence():
    expected = "tour, back, b: 3.0 points more (95 % interval +1.0 to +5.0 points), p = 0.0020, CUPED"
    assert said.one(ROW) == expected
    assert "3.0 points less" in said.one({**ROW, "low": -0.05, "high": -0.01, "difference": -0.03})


@given(st.floats(-1, 1), st.floats(0.001, 1), st.floats(0, 1))
def test_words_follow_the_interval(middle, half, p):
    line = said.one({**ROW, "low": middle - half, "high": middle + half, "difference": middle, "p": p, "p_corrected": p})
    assert ("no clear change" in line) == (middle - half <= 0 <= middle + half)
    assert ("more" in line) == (middle - half > 0) and ("less" in line) == (middle + half < 0)


def test_what_the_correction_takes_away_and_what_has_not_ended_is_said():
    assert "no longer clear" in said.one({**ROW, "p_corrected": 0.07}) and "no longer" not in said.one(ROW)
    unclear = {**ROW, "low": -0.01, "p": 0.3, "p_corrected": 0.6}
    assert "no longer" not in said.one(unclear)
    assert "no verdict yet" in said.one({**ROW, "final": False})


def test_a_handful_of_people_and_what_cannot_be_told_are_said_without_a_number():
    assert "0.03" not in said.one({**ROW, "smaller": 4}) and "fewer than 10" in said.one({**ROW, "smaller": 4})
    reasons = (compared.NOBODY_THERE, compared.TOO_FEW, compared.CONSTANT, compared.NO_DENOMINATOR, compared.NOT_COUNTED)
    for reason in (*reasons, rules.NO_LOOK):
        line = said.one({**ROW, "reason": reason, "low": math.nan, "high": math.nan})
        assert line.startswith("tour, back, b: nothing can be told, ") and not set("0123456789") & set(line)


def made(n: int, rule: str = "fixed-horizon", seed: int = 1):
    random = np.random.default_rng(seed)
    rows = pd.DataFrame({"variant": random.choice(["a", "b"], n), "x": random.gamma(2, 2, n)})
    rows["k"] = random.integers(0, 2, n) * 1.0
    rows["day"] = [f"2026-01-{5 + int(step):02d}" for step in random.integers(0, 14, n)]
    rows["city"] = random.choice(["north", "south"], n)
    own = [
        metric(covariates=[]), metric(name="money", kind="revenue", of="net", role="secondary", covariates=["net"]),
        metric(name="speed", kind="mean", of="events", role="guardrail", covariates=[]),
    ]  # fmt: skip
    asked = plan(metric=own, secondary=["money"], covariates=[], looks=rule, look_times=[0.5, 1.0], users=n, strata=["city"],
                 guardrails=[{"metric": "speed", "margin": 0.5, "relative": True}])  # fmt: skip
    columns = {"back": "k", "money": {"value": "x", "uncapped": "x", "net": "x"}, "speed": "x"}
    counted = cube(rows, columns, cuts={"day": "day", "city": "city"})
    last = asked["end"].replace(day=25)
    return asked, counted, effects.effects(counted, [asked], last_day=last), looks.looks(counted, [asked], last_day=last)


GREEN = pd.DataFrame({"experiment": ["tour"], "verdict": ["ok"]})


@pytest.mark.parametrize("rule", ["fixed-horizon", "always-valid", "group-sequential"])
def test_every_table_and_figure_can_be_drawn_and_all_has_words(rule):
    asked, counted, found, by_day = made(900, rule)
    told = effects.readable(found, GREEN)
    read = effects.readable(readings.readings(counted, [asked], seed=1), GREEN)
    agreed = as_planned.planned_and_analysed([asked], found, counted, looked=looks.looked(by_day), last_day=None)
    shown = [
        tables.table(said.shown(said.planned(told)), title=said.forest(told), n="smaller", columns=said.TABLE),
        tables.table(said.shown(said.planned(told)), title=said.forest(told), n="smaller", columns=said.FURTHER),
        tables.table(said.beside(told), title="sums", n="smaller", columns=said.SUMS),
        tables.table(said.guarded(told), title=said.guards(told), n="smaller", columns=said.GUARDS),
        tables.table(said.shown(read), title="readings", n="smaller", columns=said.READINGS),
        tables.table(said.compared(agreed), title=said.differing(agreed), n="people", columns=said.PLAN),
        said.look_figures(effects.readable(by_day, GREEN)),
    ]  # fmt: skip
    for one in shown:
        assert not {"nan", "inf", "None"} & set(one.text.replace(",", " ").split())
    assert len(said.lines(told)) == 1 and said.looked(looks.looked(by_day))


def test_no_number_of_a_few_people_is_in_any_table():
    _, _, found, by_day = made(14)
    told = effects.readable(found, GREEN)
    for columns in (said.TABLE, said.FURTHER):
        text = tables.table(said.shown(said.planned(told)), title="t", n="smaller", columns=columns).text
        assert "points" not in text and "%" not in text.split("\n", 2)[2]
    guards = said.guarded(told)
    assert set(guards["bound_told"]) == {"<10"} and "points" not in said.look_figures(by_day).text


def test_the_figure_of_effects_accents_those_that_its_title_counts():
    planned = {**ROW, "reading": "planned", "primary": True, "relative": 0.1, "relative_low": 0.02, "relative_high": 0.18}
    rows = pd.DataFrame([planned, {**planned, "p_corrected": 0.07}, {**planned, "relative_low": -0.01},
                         {**planned, "p_corrected": math.nan}])  # fmt: skip
    assert said.drawn(rows)["clear"].tolist() == [True, False, False, True]
    assert said.forest(rows).startswith("2 of 4 effects are clear of no change when corrected")
    assert said.forest(rows[1:3]).startswith("No clear change in any of 2")


def test_titles_of_looks_say_when_the_rule_spoke():
    by_day = pd.DataFrame({
        "metric": "back", "variant": "b", "day": pd.date_range("2026-01-05", periods=4), "rule": "always-valid", "smaller": 500,
        "crossed": [False, False, True, True], "is_end": False, "low": [-1, -1, 0.1, 0.1], "high": 2.0, "time": np.nan,
    })  # fmt: skip
    assert said.looks(by_day) == "back, b: told from no change since 7 Jan 2026, at whatever day one looks"
    assert "no clear change on the last day" in said.looks(by_day.assign(low=-1.0))
    assert said.looks(by_day.assign(crossed=False, low=-1.0)).startswith("back, b: no clear change on any of 4 days")
    fixed = by_day.assign(rule="fixed-horizon", crossed=False)
    assert "no day decides" in said.looks(fixed) and "at the planned end" in said.looks(fixed.assign(is_end=[False] * 3 + [True]))
    staged = by_day.assign(rule="group-sequential", time=[np.nan, 0.5, 1.0, np.nan])
    assert "7 Jan 2026 stopped the test" in said.looks(staged)
    assert said.looks(by_day.assign(smaller=4)) == "No finding is told: a group in it has too few people"
