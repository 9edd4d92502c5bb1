"""What is said of survival: words that agree with the numbers and with their intervals, and nothing of few people."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from helpers.retention.lives.cohorts_compared import COHORTS_COMPARED
from helpers.retention.lives.projection import PROJECTION_CHECKS, PROJECTIONS
from helpers.retention.lives.rhythm import LOSSES
from helpers.retention.lives.spells import SPELLS, Watch
from helpers.retention.lives.survival import survival
from helpers.show import words
from helpers.show.said import survival as said

WATCH = Watch({"own": 10, "fixed": 42}, pd.Timestamp("2026-01-05").date())


def spells(people: int, ended: list[int], rule: str = "own") -> pd.DataFrame:
    """One slice with everybody, nobody censored."""
    left = people - np.cumsum([0, *ended[:-1]])
    rows = pd.DataFrame({"week": range(1, len(ended) + 1), "at_risk": left, "ended": ended, "censored": 0})
    first = pd.DataFrame({"week": [0], "at_risk": people, "ended": 0, "censored": 0})
    return pd.concat([first, rows]).assign(rule=rule, dimension="all", slice="all")[list(SPELLS.columns)]


def pair(**more) -> pd.DataFrame:
    row = {"measure": "survival", "dimension": "channel", "slice": "ads", "against": "the rest", "people": 300, "others": 900,
           "smaller": 300, "weeks": 9, "value": 4.0, "other": 5.0, "difference": -1.0, "low": -1.5, "high": -0.5,
           "statistic": 9.0, "p": 0.001, "p_holm": 0.004, "verdict": "less"}  # fmt: skip
    return pd.DataFrame([row | more])[list(COHORTS_COMPARED.columns)]


def check(**more) -> pd.DataFrame:
    row = {"rule": "own", "dimension": "all", "slice": "all", "refused": "", "people": 900, "periods": 12, "ended": 300,
           "alpha": 0.6, "beta": 1.4, "log_likelihood": -900.0, "error": 0.01, "naive_error": 0.03, "gain": 0.02,
           "gain_low": 0.01, "gain_high": 0.03, "inside": 4}  # fmt: skip
    return pd.DataFrame([row | more])[list(PROJECTION_CHECKS.columns)]


def curve() -> pd.DataFrame:
    """Two weeks seen, the second of them held out, and one to come."""
    frame = pd.DataFrame(
        {"week": [1, 2, 3], "held_out": [False, True, False], "survival": [0.7, 0.6, np.nan], "projected": [0.7, 0.6, 0.5]}
    )
    frame = frame.assign(rule="own", dimension="all", slice="all", people=900, at_risk=[900.0, 630.0, np.nan], low=0.4, high=0.9)
    return frame.reindex(columns=list(PROJECTIONS.columns))


def test_when_a_loss_is_known_and_who_is_followed_or_left_out_is_said():
    left = pd.DataFrame([{"rule": "own", "dimension": "left out", "slice": "first week of the data", "week": 0, "at_risk": n,
                          "ended": 0, "censored": n} for n in (40, 4)])  # fmt: skip
    told = said.known(WATCH, pd.concat([spells(500, [100]), left]))
    assert "2 weeks" in told[0] and "7 weeks" in told[0] and "500" in told[1]
    assert told[2].startswith("40 ") and told[3].startswith("<10 ")
    assert said.known(None, spells(0, [0])) == [words.word("said.survival.nobody")]


def test_the_share_still_there_and_the_half_are_those_of_the_curve():
    told = said.curve(survival(spells(1000, [300, 100, 50, 50, 100], "fixed")))
    assert "After 4 weeks 50.0 %" in told and "half have left after week 4" in told
    told = said.curve(survival(spells(1000, [10, 10, 10, 10], "fixed")))
    assert "half have not left" in told
    assert said.curve(survival(spells(9, [1, 1, 1, 1], "fixed"))) == words.word("finding.too_few")


@pytest.mark.parametrize(
    "ended, told",
    [([400, *[1] * 6, 20], "ever less"), ([10, *[1] * 6, 400], "ever more"), ([100, *[1] * 6, 90], "No clear change")],
)
def test_who_leaves_changes_only_where_the_intervals_lie_apart(ended, told):
    assert told in said.hazard(survival(spells(1000, ended, "fixed")))


def test_few_people_and_short_lives_tell_no_hazard():
    assert said.hazard(survival(spells(1000, [100], "fixed"))) == words.word("finding.too_few")
    assert said.hazard(survival(spells(12, [3, 0, 0, 0, 0, 0, 0, 0], "fixed"))) == words.word("finding.too_few")


def test_of_losses_each_rule_is_told_unless_its_people_are_few():
    own = {"rule": "own", "days": 10.0, "people": 900, "lost": 500, "lost_before": 400, "back": 40, "share_back": 0.1}
    fixed = {"rule": "fixed", "days": 42.0, "people": 900, "lost": 5, "lost_before": 4, "back": 1, "share_back": 0.25}
    rows = [own | {"low": 0.07, "high": 0.13}, fixed | {"low": 0.05, "high": 0.7}]
    told = said.back(pd.DataFrame(rows)[list(LOSSES.columns)])
    assert "10.0 % of the 400 by the own rhythm" in told and "fixed" not in told
    assert said.back(pd.DataFrame(rows[1:])) == words.word("finding.too_few")


@pytest.mark.parametrize(
    "more, told",
    [({}, "1.00 weeks shorter"), ({"verdict": "more", "difference": 1.0, "low": 0.5, "high": 1.5}, "1.00 weeks longer")],
)
def test_clear_differences_are_told_with_their_size(more, told):
    assert told in said.apart(pair(**more), "channel")


def test_a_difference_that_is_not_sure_is_none_and_few_people_are_not_told_of():
    unsure = pair(low=-2.0, high=0.1, verdict="unclear")
    assert said.apart(unsure, "channel").startswith("No clear difference")
    assert "no clear difference" in said.newest(unsure.assign(dimension="cohort", slice="2026-02-02"))[0]
    few = pair(smaller=4, verdict="few", value=math.nan, difference=math.nan)
    assert said.apart(few, "channel") == words.word("finding.too_few")
    assert "too few" in said.newest(few.assign(dimension="cohort", slice="2026-02-02"))[0]
    assert said.newest(pair()) == [words.word("said.survival.no_pair")]


def test_retention_is_told_in_shares_and_points():
    found = pair(measure="retention", dimension="cohort", slice="2026-02-02", weeks=1, value=0.5, other=0.6, difference=-0.1)
    told = said.newest(found.assign(low=-0.15, high=-0.05))
    assert "50.0 %" in told[0] and "10.0 points fewer" in told[0]


def test_comparisons_are_counted_and_their_verdicts_are_words():
    both = pd.concat([pair(), pair(slice="search", verdict="unclear"), pair(slice="tv", verdict="few")])
    assert said.comparisons(both).startswith("1 of 2")
    assert said.comparisons(both.iloc[:0]) == words.word("finding.too_few")
    assert said.pairs(both)["verdict"].tolist() == ["shorter", "no clear difference", "too few people"]
    assert set(said.COMPARED) - {"low..high"} <= set(said.pairs(both).columns)


@pytest.mark.parametrize(
    "low, high, told",
    [(0.01, 0.03, "the model is better"), (-0.03, -0.01, "the model is worse"), (-0.01, 0.03, "no clear difference")],
)
def test_whether_the_model_is_better_comes_from_the_interval(low, high, told):
    sentence = said.projected(check(gain_low=low, gain_high=high), curve())
    assert told in sentence and "After 3 weeks 50.0 %" in sentence and "1 weeks held out" in sentence
    short = {"the model is better": "the model is better", "the model is worse": "the last rate is better"}
    assert said.tested(check(gain_low=low, gain_high=high))["says"].tolist() == [short.get(told, told)]


@pytest.mark.parametrize("reason, told", [("short", "only 12 weeks"), ("few_people", "only 900"), ("few_ended", "only 300")])
def test_a_refusal_says_its_numbers(reason, told):
    refused = check(refused=reason, error=math.nan, gain_low=math.nan, gain_high=math.nan)
    assert told in said.projected(refused, curve().iloc[:0]) and told in said.tested(refused)["says"].iloc[0]
    assert said.projected(check().iloc[:0], curve().iloc[:0]) == words.word("said.survival.nobody_followed")


def test_lines_are_the_observed_and_the_projected_and_the_observed_ends_where_it_is_known():
    found = said.lines(curve())
    assert found.groupby("line")["week"].max().to_dict() == {"observed": 2, "projected": 3} and said.lines(curve().iloc[:0]).empty


def test_what_slices_stay_is_told_from_the_least_to_the_most():
    frame = pd.DataFrame({"slice": ["ads", "tv", "search"], "people": [300, 4, 500], "weeks": 9, "mean": [4.0, 1.0, 5.04]})
    assert "4.0 (ads) to 5.0 (search)" in said.stay(frame)
    assert said.stay(frame.assign(mean=math.nan)) == words.word("finding.too_few")


def test_tests_of_projections_are_counted_by_what_their_intervals_say():
    rows = [check(), check(gain_low=-0.03, gain_high=-0.01), check(gain_low=-0.03), check(refused="short")]
    told = said.worth(pd.concat(rows))
    assert told == "Of 3 projections tested 1 were clearly better than the last rate going on, and 1 clearly worse"
    assert said.worth(check(refused="short")) == words.word("said.survival.untested")


def test_rules_are_told_in_words():
    both = pd.concat([spells(20, [1]), spells(20, [1], "fixed")])
    assert set(said.shown(both)["rule"]) == {"own rhythm", "fixed rule"}
