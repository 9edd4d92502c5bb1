"""rules.toml and experiments.toml: own values over the shipped ones, and plans that fit the dataset."""

from __future__ import annotations

import pytest
import shops

from helpers.errors import InputError
from helpers.sources import dataset, rules

DEFAULTS = {"activity": {"days": 28, "high": 12}, "share": {"top": 0.8}, "weights": {}, "limits": {"steps": [1, 2]},
            "tag": [{"name": "a", "when": "x > 1", "version": 1}, {"name": "b", "when": "y", "version": 1}]}  # fmt: skip


@pytest.fixture
def shop(tmp_path):
    return shops.maker(tmp_path)


def test_own_rules_change_what_they_name_and_leave_the_rest():
    wrong = []
    own = {"activity": {"high": 10}, "weights": {"post": 3}, "share": {"top": 1}, "limits": {"steps": [5]},
           "tag": [{"name": "b", "version": 2}, {"name": "c", "when": "z"}]}  # fmt: skip
    made = rules.merge(DEFAULTS, own, wrong)
    assert wrong == []
    assert made["activity"] == {"days": 28, "high": 10}
    assert made["weights"] == {"post": 3}
    assert made["limits"]["steps"] == [5]
    assert made["tag"] == [DEFAULTS["tag"][0], {"name": "b", "when": "y", "version": 2}, {"name": "c", "when": "z"}]
    assert DEFAULTS["activity"]["high"] == 12


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"activty": {}}, 'Did you mean "activity"?'),
        ({"activity": {"hihg": 1}}, '[activity] hihg = 1\n  There is no such key. Did you mean "high"?'),
        ({"activity": {"high": "ten"}}, "It must be a number, such as 12"),
        ({"activity": {"high": 1.5}}, "whole number"),
        ({"activity": {"high": True}}, "a number"),
        ({"activity": 5}, "a section"),
        ({"limits": {"steps": 5}}, "a list"),
        ({"limits": {"steps": ["x"]}}, "In the list: It must be a number, such as 1"),
        ({"tag": [{"when": "x"}]}, "[[tag]] block 1: name\n  It must be given"),
        ({"tag": [{"name": "c", "whenn": "x"}]}, 'Did you mean "when"?'),
        ({"tag": [{"name": "a", "version": "two"}]}, "[tag.a] version"),
    ],
)
def test_a_mistake_in_rules_is_told_with_its_place(own, said):
    wrong = []
    rules.merge(DEFAULTS, own, wrong)
    assert len(wrong) == 1
    assert said in str(wrong[0])


def test_rules_of_a_dataset_are_checked_against_the_shipped_ones(shop):
    assert rules.rules(shop())
    made = shop(rules="[nosuchsection]\nx = 1\n[alsonot]\ny = 2\n")
    with pytest.raises(InputError) as caught:
        dataset.rules(made)
    assert str(caught.value).count("rules.toml: ") == 2


UNITS = 'timezone = "UTC"\n[units.trial]\nfile = "t.csv"\nvariant = "arm"\nvisit = "v"\n'
PLAN = """
[[experiment]]
name = "trial"
units = "trial"
control = "a"
variants = { a = 0.5, b = 0.5 }
primary = "visit"
[[experiment.metric]]
name = "visit"
kind = "proportion"
"""


def test_an_experiment_on_units_is_read(shop):
    made = dataset.experiments(shop(UNITS, experiments=PLAN))
    assert [plan["name"] for plan in made["experiment"]] == ["trial"]
    assert dataset.experiments(shop(UNITS, experiments=""))["experiment"] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('units = "trial"', 'units = "trail"'), 'Did you mean "trial"?'),
        (('control = "a"', 'control = "c"'), "one of the variants: a, b"),
        (("b = 0.5", "b = 0.4"), "adding up to 1"),
        (("a = 0.5, b = 0.5", "a = 1.0"), "two or more"),
        (('primary = "visit"', 'primary = "visits"'), 'Did you mean "visit"?'),
        (('name = "visit"', 'name = "visitt"'), "maps no such column"),
        (('"proportion"', '"share"'), "Allowed: proportion, mean"),
        (('name = "trial"\n', ""), "name"),
        (("primary", "guard = 1\nprimary"), "guard = 1\n  There is no such key"),
        (('units = "trial"\n', ""), "dataset.toml has no [assignments]; it has [units.trial]"),
        (('kind = "proportion"', 'kind = "retention"\nday = 7'), "Allowed: proportion, mean"),
        (('kind = "proportion"', 'kind = "proportion"\ncolum = "v"'), 'Did you mean "column"?'),
        (('kind = "proportion"', 'kind = "proportion"\ncolumn = "w"'), "column = "),
    ],
)
def test_a_mistake_in_an_experiment_is_told_with_its_place(shop, change, said):
    made = shop(UNITS, experiments=PLAN.replace(*change, 1))
    with pytest.raises(InputError) as caught:
        dataset.experiments(made)
    assert said in str(caught.value)
    assert "experiments.toml: [[experiment]]" in str(caught.value)


def test_an_experiment_on_events_says_how_far_its_metrics_look_ahead(shop):
    assigned = (
        shops.GOOD
        + '[assignments]\nfile = "a.csv"\nuser_id = "u"\nexperiment = "e"\nvariant = "v"\nassigned_at = "t"\n'
    )
    plan = PLAN.replace('units = "trial"\n', "")
    kinds = {
        'kind = "retention"': "day",
        'kind = "proportion"\nday = 7': "days",
        'kind = "mean"\ndays = 0\nof = "net"': "days = 0",
        'kind = "mean"\ndays = 14': "of",
    }
    for wrong, said in kinds.items():
        with pytest.raises(InputError, match=rf"metric visit: {said}"):
            dataset.experiments(shop(assigned, experiments=plan.replace('kind = "proportion"', wrong)))
    for right in ('kind = "retention"\nday = 7', 'kind = "mean"\ndays = 14\nof = "net"'):
        assert dataset.experiments(shop(assigned, experiments=plan.replace('kind = "proportion"', right)))
