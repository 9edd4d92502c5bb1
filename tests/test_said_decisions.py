"""What is said of decisions and of the health gate: the words follow the numbers, and a red gate or a running plan shows none."""

from __future__ import annotations

import math
import re
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.experiments.deciding.verdict import decisions
from helpers.experiments.trust.health import gate
from helpers.show import tables, words
from helpers.show.said import decisions as said
from tests.judged import DUE, came, checked, decided, effect, effects_and_errors, guarded, made, on_guard, people, sound
from tests.plans import metric, plan

INTERVAL = re.compile(r"interval ([-+]?[\d.]+) to ([-+]?[\d.]+) points")
NOT_CLEAR = "no clear change"


def spoken(rows: list[dict], asked: dict | None = None, **more) -> tuple[pd.Series, str]:
    found = decided(rows, asked, **more)
    return found[found["best"]].iloc[0], said.decision(found, more.get("health", sound()))


@given(primary=effects_and_errors, guard=effects_and_errors, better=st.sampled_from(["more", "less"]), p=st.floats(0.5, 4))
@settings(max_examples=40, deadline=None)
def test_the_words_follow_the_interval_and_the_numbers_are_those_of_the_decision(primary, guard, better, p):
    first = effect(*primary, better=better)
    first["p_corrected"] = min(first["p"] * p, 1.0)
    row, text = spoken([first, on_guard(*guard)], guarded())
    covers = row["low"] <= 0 <= row["high"]
    assert [NOT_CLEAR in text, "higher than a" in text, "lower than a" in text] == [covers, row["low"] > 0, row["high"] < 0]
    assert f"tour: {row['decision']} b" in text and not re.search(r"nan|inf|None|\{", text)
    low, high = (float(end) / 100 for end in INTERVAL.search(text).groups())
    assert (low, high) == (pytest.approx(row["low"], abs=6e-4), pytest.approx(row["high"], abs=6e-4))
    assert np.sign([low, high]).tolist() == np.sign([row["low"], row["high"]]).tolist()
    if row["decision"] == "ship":
        good = "higher" if better == "more" else "lower"
        assert f"{good} than a" in text and row["p"] < 0.05
    if row["decision"] == "extend":
        assert f"by {row['days']:,.0f} day" in text and f"{row['users']:,.0f} more people" in text


def test_a_gain_is_told_with_its_range_in_people_and_in_money():
    assert "49 more people a week, 30 to 68" in spoken([effect(0.05, 0.01)], arrivals=came(people=140))[1]
    assert "49 fewer people a week, 30 to 68" in spoken([effect(-0.05, 0.01, better="less")])[1]
    money = plan(metric=[metric(kind="revenue")], matters=1.0)
    assert "4,900.00 more a week, 2,979" in spoken([effect(5.0, 1.0, unit="money", kind="revenue")], money)[1]
    assert "-29 to 48 people a week" in spoken([effect(0.01, 0.02)], plan(matters=0.04))[1]


def test_what_would_change_the_decision_is_said_with_its_number():
    assert "were the effect 3.0 points smaller" in spoken([effect(0.05, 0.01)])[1]
    assert "an effect of 0.88 points or less" in spoken([effect(0.001, 0.004)])[1]
    assert "a margin over 6.1 points" in spoken([effect(0.05, 0.01), on_guard(-0.1, 0.02)], guarded())[1]


def test_what_is_clear_only_by_itself_is_said_to_be_so():
    text = spoken([effect(0.05, 0.02, p_corrected=0.08)], plan(matters=0.09, alpha=0.05))[1]
    assert "higher than a" in text and "not clear when corrected" in text and "0.080" in text


@given(primary=effects_and_errors, ahead=st.integers(1, 20))
@settings(max_examples=20, deadline=None)
def test_a_plan_that_runs_says_the_same_whatever_the_effect(primary, ahead):
    last = DUE - timedelta(days=ahead)
    _, text = spoken([effect(*primary)], last_day=last)
    assert text == spoken([effect(0.01, 0.01)], last_day=last)[1] and "25 Jan 2026" in text and f"{ahead} day" in text


def test_a_red_gate_says_why_and_what_to_do_and_no_effect():
    rows = people(4000)
    health = checked(rows[~((rows["variant"] == "b") & (np.arange(len(rows)) % 4 == 0))]).reset_index()
    found = decided([effect(0.0777, 0.001)], health=health)
    text = said.decision(found, health)
    assert "cannot be read" in text and "and not the planned 50.0 %" in text and "run it anew" in text
    assert "7.8" not in text and "7.77" not in text
    odd = said.alarming(health)
    assert set(odd["verdict"]) == {"alarm", "watch"} and odd["verdict"].is_monotonic_increasing
    shown = said.shown(found).iloc[0]
    assert shown[["effect_told", "interval_told", "gain_told"]].tolist() == ["-", "-", "-"]
    assert said.gates(gate(health), health)[0].startswith("tour: no verdict") and said.title(found).endswith("1 not to be read")


def test_a_few_people_are_withheld():
    _, text = spoken([effect(0.5, 0.01, n=6)])
    assert "50" not in text and "fewer than 10 people" in text
    assert said.shown(decided([effect(0.5, 0.01, n=6)]))["effect_told"].tolist() == ["<10"]


@pytest.mark.parametrize("low, high", [(1e-6, 0.1), (-0.1, -1e-5), (-1e-6, 0.2)])
def test_an_end_that_is_not_zero_does_not_read_as_zero(low, high):
    ends = said._interval(low, high, "points").removesuffix(" points").split(" to ")
    assert np.sign([float(end) for end in ends]).tolist() == np.sign([low, high]).tolist()


def test_every_sentence_of_a_check_can_be_said_and_hides_few_people():
    keys = words._toml("words.toml")["en"]["said"]["decisions"]["found"]
    row = {"check": "few", "p": 0.5, "value": 0.123, "other": 0.345, "where": "there", "metric": "back", "unit": "share"}
    for key in keys:
        assert not re.search(r"nan|\{", said.check({**row, "said": key, "people": 500}))
        hidden = said.check({**row, "said": key, "people": 7})
        assert "12.3" not in hidden and "34.5" not in hidden and "0.5" not in hidden


@pytest.mark.parametrize("n", [0, 1, 7, 40, 900])
def test_whatever_the_checks_find_is_said_without_nan(n):
    rows = people(n, seed=n)
    health = checked(rows, left_out={"several": n // 4, "unplanned": n // 9, "names": "A, B ", "outside": 3}, other=made(rows),
                     duplicates={"tour": n}).reset_index()  # fmt: skip
    table = said.checks(health)
    assert not table["found"].str.contains("nan|inf|{", regex=True).any() and len(said.gates(gate(health), health)) == 1
    assert tables.table(table, title="Checks", columns=said.CHECKS, keep="first").text


@pytest.mark.parametrize("reason, rows, asked, more", [
    ("nothing", [effect(0.0, math.nan)], None, {}),
    ("guardrail_untold", [effect(0.05, 0.01), on_guard(0.0, math.nan)], guarded(), {}),
    ("too_long", [effect(0.001, 0.02)], plan(matters=0.004), {}),
    ("guardrail_too_long", [effect(0.05, 0.01), on_guard(0.0, 0.03)], guarded(), {}),
    ("unclear", [effect(0.01, 0.02)], plan(matters=None), {}),
    ("waiting", [effect(0.01, 0.02)], None, {"last_day": date(2026, 1, 1)}),
    ("possible", [effect(0.01, 0.02)], plan(units="u", start=None, end=None, metric=[metric(horizon=0)], matters=0.04),
     {"last_day": None, "arrivals": came(days=0)}),
])  # fmt: skip
def test_every_reason_has_its_sentence(reason, rows, asked, more):
    row, text = spoken(rows, asked, **more)
    assert row["reason"] == reason and text.startswith("tour: ") and not re.search(r"nan|\{| -,", text)


def test_several_experiments_have_a_sentence_each_and_the_best_arm_is_named():
    rows = [effect(0.05, 0.01), effect(0.08, 0.01, variant="c"), effect(0.01, 0.004, experiment="other")]
    health = pd.concat([sound(), sound().assign(experiment="other")])
    both = [plan(variants=dict.fromkeys("abc", 1 / 3)), plan(name="other")]
    found = decisions(pd.DataFrame(rows), health, both, None, came(), last_day=DUE)
    assert [text.split(",")[0] for text in said.lines(found, health)] == ["tour: ship c", "other: ship b"]
    assert said.title(found) == "2 of 2 experiments to ship"
    table = tables.table(said.shown(found), title=said.title(found), columns=said.COLUMNS, n="people", keep="first")
    assert "tour, c" in table.text and "+8.0 points" in table.text
