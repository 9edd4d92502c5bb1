"""What is said of cohort tables: the whole rule, words that never go beyond the intervals, and why there is nothing to show."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from helpers import retention
from helpers.show import gate
from helpers.show.said import cohorts as said

SUNDAY = date(2026, 3, 8)
RULE = retention.Rule(horizon=8, brackets=((1, 4), (5, 8)), zone="Asia/Shanghai")
PAY = replace(RULE, start="pay", returns="pay")


def average(*rows: tuple[int, int, int], **more) -> pd.DataFrame:
    """Rows of (age, size, active)."""
    return pd.DataFrame(
        [{"age": age, "cohorts": 3, "size": n, "active": k, "rate": k / n, "low": k / n - 0.05, "high": k / n + 0.05, **more}
         for age, n, k in rows], columns=["age", "cohorts", "size", "active", "rate", "low", "high", *more],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({}, ["Cohorts by the week of the first activity ever.", "A return is activity in the week of that age.",
              "Calendar weeks from Monday, Asia/Shanghai; data until 8 Mar 2026."]),
        ({"first_time": False, "start": "create", "returns": "react", "times": 2},
         ["Cohorts by every week with content made, so that people are in several.", "reaction at least 2 times in the week"]),
        ({"criterion": "on_or_after"}, ["in the week of that age or later, up to week 8, the same time for every cohort."]),
        ({"criterion": "on_or_after", "horizon": None}, ["or later, up to the end of the data."]),
        ({"criterion": "bracket"}, ["in any week of those taken together"]),
        ({"unit": "day"}, ["on the day of that age", "Calendar days, Asia/Shanghai"]),
        ({"unit": "month", "week_start": "sunday"}, ["Calendar months, Asia/Shanghai"]),
        ({"week_start": "sunday"}, ["Calendar weeks from Sunday"]),
    ],
)  # fmt: skip
def test_the_caption_states_the_whole_rule(change, parts):
    text = said.rule(replace(RULE, **change), last_day=SUNDAY, what="pooled")
    assert all(part in text for part in parts) and text.startswith("Pooled over all cohorts"), text


def test_ages_that_nobody_has_had_yet_are_left_out_of_the_sentence():
    text = said.on(average((0, 100, 100), (1, 100, 60), (7, 5, 3)), replace(RULE, unit="day"), ages=(1, 7, 30))
    assert text == "people who came back: 60.0 % on day 1 (95 % interval 55.0 to 65.0 %)"
    assert said.on(average((0, 100, 100)), RULE) == "No cohort of known past and of enough people has had its first weeks yet"
    assert said.within(average(), RULE) == said.nobody_yet(RULE)


def test_the_horizon_and_the_brackets_are_said_with_their_weeks():
    assert "60.0 % of the people who began came back at least once up to week 8" in said.within(average((1, 100, 60)), RULE)
    table = pd.DataFrame({"age": [1, 5, 1, 5], "until": [4, 8, 4, 8]})
    text = said.brackets(table, average((1, 100, 60), (5, 100, 20)), RULE)
    assert "60.0 % in weeks 1 to 4 (95 %" in text and "20.0 % in weeks 5 to 8 (95 %" in text
    assert said.brackets(table, average((1, 4, 2)), RULE) == said.nobody_yet(RULE)
    assert said.spans(table)["span"].tolist() == ["1 to 4", "5 to 8"] * 2


def test_slices_that_chance_could_have_parted_are_said_to_be_alike():
    curves = pd.concat([average((1, 100, k), slice=name) for name, k in (("ads", 40), ("friend", 60), ("x", 50))])
    text = said.apart(retention.spread(curves), "entry_activity", RULE)
    assert text.startswith("Activity in the first week: friend keeps most of its people in week 1, 60.0 %")
    assert "ads fewest, 40.0 %" in text
    level = pd.concat([average((1, 100, k), slice=name) for name, k in (("ads", 50), ("friend", 55))])
    assert "no clear difference" in said.apart(retention.spread(level), "channel", RULE)
    assert said.apart(None, "channel", RULE) == "Channel: fewer than two groups of people enough to be compared"


def test_money_is_said_beside_the_people_or_that_there_is_none():
    kept = pd.concat([average((1, 100, k), measure=name) for name, k in (("people", 40), ("net", 30))])
    kept = kept.rename(columns={"size": "n"})
    text = said.money(kept, PAY)
    assert "bring 30.0 % in week 1 (95 % interval 25.0 to 35.0 %); of their people 40.0 % pay again (35.0 to 45.0 %)" in text
    for gone in (kept.iloc[:0], kept.assign(n=4), kept.assign(rate=float("nan"))):
        assert said.money(gone, PAY) == "No money to compare in week 1"
    assert said.measures(kept)["measure"].tolist() == ["people", "net amount"]


def cube(*rows: tuple[str, str, str, int]) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["dimension", "slice", "cohort", "size"])
    return found.assign(age=0, cohort=pd.to_datetime(found["cohort"]))


def test_what_cannot_be_shown_says_why():
    some = cube(("all", "all", "2026-02-02", 41), ("channel", "ads", "2026-02-02", 40), ("channel", "one", "2026-02-02", 1))
    given = {"last_day": SUNDAY, "dimension": "channel"}
    assert said.why(some, last_day=SUNDAY) == said.why(some, **given) == said.why(some, **given, slice="ads") == ""
    assert said.why(some, **given, slice="one") == f"fewer than {gate.settings().min_group} people"
    assert said.why(some, **given, slice="two") == "nobody is two by Channel"
    assert said.why(some, last_day=date(2026, 2, 1)) == "the first cohort begins on 2 Feb 2026, after the data end on 1 Feb 2026"
    assert said.why(some, last_day=SUNDAY, dimension="city") == "cohorts are not told apart by City, but by All, Channel"
    assert said.why(cube(), last_day=SUNDAY) == "nobody has begun in the data yet"


def test_a_pair_of_dimensions_is_called_by_both_names():
    assert said.named("channel × entry_activity") == "Channel × Activity in the first week"
