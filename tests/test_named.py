"""Named segments: who meets a condition over tiers and attributes, and what is said of a condition that cannot be."""

from __future__ import annotations

import tomllib
from datetime import timedelta

import plain_segments
import pytest
import shops
from test_segments import TODAY, crowd, days, rules, tables

from helpers import paths, segments
from helpers.errors import InputError
from helpers.runs import ruling
from helpers.sources import rules as sources


def test_named_segments_are_the_people_whose_tiers_meet_the_condition():
    rows, signed_up = crowd(4)
    found = segments.tiers(*tables(rows, signed_up), last_day=TODAY, rules=rules())
    before = segments.tiers(*tables(rows, signed_up), last_day=TODAY - timedelta(days=7), rules=rules())
    own = {"busy": "activity IN ('high', 'medium') AND net_90 > 0", "gone": "", "ads": "channel = 'ads'",
           "away": "away_days > 42"}  # fmt: skip
    named = segments.named(found, own).to_pandas().groupby("segment")["user_id"].apply(set).to_dict()
    now, then = (plain_segments.tiers(rows, signed_up, TODAY - timedelta(days=back), rules()) for back in (0, 7))
    fits = {"busy": lambda one: one["activity"] in ("high", "medium") and one["net_90"] > 0,
            "away": lambda one: (one["away_days"] or 0) > 42}  # fmt: skip
    expected, earlier = (
        {what: {user for user, one in week.items() if fit(one)} for what, fit in fits.items()} for week in (now, then)
    )
    assert named == expected
    sizes = segments.named_sizes(found, before, own).set_index("segment")
    assert list(sizes.index) == ["busy", "ads", "away"]
    assert sizes.loc["ads", ["people", "before", "came", "left"]].tolist() == [0, 0, 0, 0]
    for what in fits:
        parts = expected[what], earlier[what], expected[what] - earlier[what], earlier[what] - expected[what]
        assert sizes.loc[what, ["people", "before", "came", "left"]].tolist() == [len(part) for part in parts]
        assert sizes.loc[what, "net"] == sum(now[user]["net_90"] for user in expected[what])
        assert sizes.loc[what, "share"] == pytest.approx(len(named[what]) / len(now))


def test_without_conditions_nobody_is_in_a_named_segment():
    found = segments.tiers(*tables(days([1], active=1)), last_day=TODAY, rules=rules())
    assert segments.named(found, {}).to_pandas().empty
    assert segments.named_sizes(found, found, {}).empty


SHIPPED = tomllib.loads((paths.DEFAULTS / "rules.toml").read_text(encoding="utf-8"))["segments"]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_segments_can_be_and_have_people_in_a_crowd(name):
    assert ruling.of_segment(name, SHIPPED[name]) == []
    found = segments.tiers(*tables(*crowd(21, people=400)), last_day=TODAY, rules=rules())
    assert name in set(segments.named(found, SHIPPED).to_pandas()["segment"])


@pytest.mark.parametrize(
    "condition, said",
    [
        ("activity = 'hihg'", 'activity is never "hihg". Did you mean "high"?'),
        ("lifecycle IN ('silent', 'sleeping')", 'lifecycle is never "sleeping"'),
        ("activty = 'high'", 'no column "activty". Did you mean "activity"?'),
        ("active_days >= 'a'", "compares a number with a text"),
        ("activity", "must be true or false"),
        ("user_id IN (SELECT user_id FROM people)", "sub-query"),
        ("activity = 'high' AND", "not SQL"),
    ],
)
def test_a_condition_that_cannot_be_says_why(condition, said):
    [mistake] = ruling.of_segment("core", condition)
    assert mistake.place == "[segments] core" and said in mistake.text


def test_a_condition_on_an_attribute_may_compare_it_with_any_text():
    assert ruling.of_segment("ads", "channel = 'whatever' AND net_90 > 5") == []


@pytest.mark.parametrize(
    "own, said",
    [
        ("[segments]\ncore = \"activity = 'hihg'\"\n", r"\[segments\] core"),
        ("[segments]\ncore = 5\n", "a text in quotes"),
        ("[segments]\nanother = 5\n", "no such key"),
        ("[activity]\nquantiles = [0.9]\n", "2 shares between 0 and 1"),
        ("[value]\nquantiles = [1, 2, 3, 4]\n", "4 shares between 0 and 1"),
        ("[payment]\nhold_weeks = 0\n", "at least 1"),
    ],
)
def test_rules_of_segments_are_checked_before_anything_runs(tmp_path, own, said):
    with pytest.raises(InputError, match=said):
        ruling.check(shops.maker(tmp_path)(rules=own))


def test_a_dataset_adds_changes_and_takes_away_segments(tmp_path):
    own = "[segments]\ncore = \"value = 'high'\"\n\"going silent\" = \"\"\nads = \"channel = 'ads'\"\n"
    dataset = shops.maker(tmp_path)(rules=own)
    ruling.check(dataset)
    made = sources.rules(dataset)["segments"]
    assert made == SHIPPED | {"core": "value = 'high'", "going silent": "", "ads": "channel = 'ads'"}
