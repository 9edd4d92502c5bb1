"""What is said of a change: no clear change inside the usual band, and else the slice with mix, rate or size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers import contracts
from helpers.show import format, gate
from helpers.show.said import change as said

COLUMNS = list(contracts.find("changes").columns)


@pytest.fixture(autouse=True)
def ten_people():
    gate.configure(10, "en", "CNY", "members")
    yield
    gate.configure()


def row(part: str = "change", name: str = "all", dimension: str = "all", base: str = "past_mean", **what) -> dict:
    usual = {"metric": "week1_retention", "value": -0.05, "low": -0.09, "high": -0.01, "p": 0.5, "before": 0.7, "now": 0.65,
             "band_low": 0.6, "band_high": 0.8, "clear": False, "n": 200, "weeks": 13, "missing": 0}  # fmt: skip
    return {"base": base, "dimension": dimension, "slice": name, "part": part} | usual | what


def table(*rows: dict) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


WORSE = row(
    "rate", "ads", "channel", value=-0.077, low=-0.11, high=-0.045, p=0.002, before=0.72, now=0.34, clear=True, n=41
)


@pytest.mark.parametrize(
    "what, told",
    [
        ({}, "no clear change; 65.0 % lies within the usual 60.0 to 80.0 %"),
        ({"now": 0.55, "value": -0.15}, "no clear change, though 55.0 % lies outside the usual"),
        ({"now": 0.55, "value": -0.15, "clear": True}, "55.0 %, below the usual 60.0 to 80.0 %"),
        ({"now": 0.85, "value": 0.15, "clear": True}, "85.0 %, above the usual"),
        ({"band_low": np.nan, "band_high": np.nan, "missing": 3}, "too short to know what is usual, 3 more weeks"),
    ],
)
def test_a_change_is_called_one_only_outside_of_its_usual_band(what, told):
    sentence = said.whole(table(row(**what)), "week1_retention")
    assert told in sentence and ("no clear change" in sentence) == ("no clear change" in told)
    assert "against the mean of 13 weeks before (95 % interval -9.0 to -1.0 points)" in sentence


def test_the_slice_is_named_with_its_kind_and_no_slice_is_named_without_being_clear():
    sentence = said.why(table(row(), WORSE), "week1_retention")
    assert "moved by ads (channel), by rate" in sentence and "34.0 %, usually 60.0 to 80.0 %, before 72.0 %" in sentence
    assert "-7.7 points against the mean of 13 weeks before (95 % interval -11.0 to -4.5 points)" in sentence
    assert "by mix: these people are 34.0 % of all" in said.why(
        table(row(), WORSE | {"part": "mix"}), "week1_retention"
    )
    assert "no slice clearly moved it" in said.why(table(row(), WORSE | {"clear": False}), "week1_retention")
    assert "nothing to compare" in said.why(table(row()), "week1_retention")


def test_the_surest_part_is_named_and_among_equals_that_against_the_mean():
    other = WORSE | {"slice": "search", "p": 0.01}
    week = WORSE | {"base": "week_before", "value": -0.2}
    assert "moved by ads" in said.why(table(other, week, WORSE), "week1_retention")
    assert "against the mean" in said.why(table(other, week, WORSE), "week1_retention")


def test_of_a_slice_of_few_people_nothing_is_said():
    few = table(row(), WORSE | {"n": 9})
    assert "ads" not in said.why(few, "week1_retention")
    assert "not shown" in said.whole(table(row(n=9)), "week1_retention")


def test_what_moved_is_told_in_its_own_unit():
    net = WORSE | {"metric": "net_amount", "value": -500.0, "low": -700.0, "high": -300.0, "before": 4.5, "now": 2.25}
    assert "CNY 2.25" in said.why(table(net), "net_amount") and "-CNY 500" in said.why(table(net), "net_amount")
    size = net | {"part": "size", "before": 300.2, "now": 120.0, "band_low": 250.0, "band_high": 350.0}
    assert "these people are 120, usually 250 to 350, before 300" in said.why(table(size), "net_amount")


def test_all_numbers_are_told_and_then_what_moved_those_that_moved():
    lines = said.lines(table(row(), WORSE, row(metric="net_amount", value=1.0, low=-1.0, high=3.0)))
    assert [line.split(":")[0] for line in lines[:2]] == ["Week-1 retention", "Net amount"]
    assert len(lines) == 3 and "moved by ads" in lines[2]
    assert said.lines(table()) == ["There is nothing to compare this week with yet"]


def test_the_figure_accents_the_parts_that_the_title_may_name():
    found = said.parts(table(row(), WORSE, row("rate", "search", "channel")), "week1_retention", "channel")
    assert found.set_index("slice")["clear"].to_dict() == {"all": False, "ads": True, "search": False}


def test_beyond_eight_slices_the_rest_stands_together_and_nothing_is_lost():
    names = [f"city {at}" for at in range(12)]
    rows = [
        row(part, name, "city", value=0.001 * at, n=100 - at)
        for part in ("rate", "mix")
        for at, name in enumerate(names)
    ]
    found = said.parts(table(row(), *rows), "week1_retention", "city")
    assert found["part"].unique().tolist() == ["Change in all", "Rate: what they do", "Mix: who they are"]
    rate = found[found["part"] == "Rate: what they do"]
    assert rate["slice"].tolist() == [*names[:8], "other"]
    assert rate["value"].sum() == pytest.approx(sum(0.001 * at for at in range(12))) and rate[
        "low"
    ].isna().tolist() == [False] * 8 + [True]
    assert (
        said.parts(table(), "week1_retention", "city").empty and format.check(said.unit("week1_retention")) == "points"
    )


def weeks(last: float, low: float = 60, n: int = 90) -> pd.DataFrame:
    known = {
        "metric": "weekly_actives",
        "value": [70.0, 90.0, last],
        "band_low": [np.nan, low, low],
        "band_high": [np.nan, 80, 80],
    }
    found = pd.DataFrame(known).assign(week=pd.date_range("2026-01-05", periods=3, freq="7D"), n=n)
    return found.assign(outside=(found["value"] < found["band_low"]) | (found["value"] > found["band_high"]))


def test_a_series_says_whether_it_lies_in_its_band_and_how_often_it_did_not():
    assert (
        said.usual(weeks(75), "weekly_actives")
        == "Weekly actives: 75, within the usual 60 to 80; 1 of 2 weeks were outside"
    )
    assert (
        said.usual(weeks(95), "weekly_actives")
        == "Weekly actives: 95, outside the usual 60 to 80; 2 of 2 weeks were outside"
    )
    assert "too short" in said.usual(weeks(75, np.nan), "weekly_actives") and "too short" in said.usual(
        weeks(75), "net_amount"
    )
    assert "75" not in said.usual(weeks(75, n=5), "weekly_actives")


def test_days_outside_are_counted_among_the_last_four_weeks():
    found = pd.DataFrame(
        {"value": 5.0, "band_low": [np.nan] * 4 + [1.0] * 30, "outside": [False] * 4 + [True] * 5 + [False] * 25}
    )
    assert said.days(found, "dau") == "DAU: 3 of the last 28 days lay outside what is usual for their weekday"
    assert "too short" in said.days(found.head(4), "dau")
