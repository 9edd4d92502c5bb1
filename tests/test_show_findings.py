"""Findings say what the numbers of their figure say, and nothing about a handful of people."""

import pandas as pd
import pytest

from helpers.show import findings, gate


@pytest.fixture(autouse=True)
def members():
    gate.configure(10, "en", "CNY", "members")
    yield
    gate.configure()


def sizes(now: int, before: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"dimension": "lifecycle", "tier": ["active", "lost"], "people": [now, 500], "before": [before, 500]}
    )


@pytest.mark.parametrize(("now", "before", "word"), [(120, 100, "20 more"), (100, 120, "20 fewer"), (100, 100, "as many")])
def test_a_tier_that_grew_is_said_to_have_grown(now, before, word):
    said = findings.tiers(sizes(now, before), "lifecycle", ["active"])
    assert said.startswith(f"Active: {now} members") and word in said


def test_a_small_tier_is_not_talked_about():
    assert "7" not in findings.tiers(sizes(7, 20), "lifecycle", ["active"])


def test_the_ledger_is_summed_over_its_files():
    ledger = pd.DataFrame({"rows_in": [1000, 500], "kept": [900, 500], "quarantined": [60, 0]})
    said = findings.cleaning(ledger)
    assert "1,400 of 1,500" in said and "93.3 %" in said and "60" in said
    assert findings.quality(ledger, complete=True) == "amber"
    assert findings.quality(ledger, complete=False) == "red"
    assert findings.quality(ledger.assign(quarantined=0), complete=True) == "good"


def test_growth_is_the_sum_of_what_came_less_what_left():
    weeks = pd.DataFrame({"new": [30, 30], "resurrected": [10, 20], "churned": [0, 35]})
    assert findings.growth(weeks) == "50 came or came back, 35 left: 15 more active than a week ago"
    assert "fewer" in findings.growth(weeks.assign(churned=[0, 70]))
    assert "as many" in findings.growth(weeks.assign(churned=[0, 50]))


def kpis(**changes) -> pd.DataFrame:
    row = {"metric": "weekly_actives", "value": 500.0, "before": 400.0, "low": 60.0, "high": 140.0, "n": 500, "clear": True}
    return pd.DataFrame([row | changes])


def test_the_headline_names_a_clear_change_and_no_other():
    nothing = pd.DataFrame(columns=["experiment", "verdict", "primary"])
    assert "rose by 100" in findings.headline(kpis(), nothing, nothing)
    assert "quiet" in findings.headline(kpis(clear=False), nothing, nothing)
    assert "rose" not in findings.headline(kpis(low=-10.0, clear=False), nothing, nothing)
    assert findings.headline(kpis(value=4.0, n=4), nothing, nothing) == "Too few people to say anything about them"


def test_what_changed_and_what_did_not_share_the_numbers_out():
    both = pd.concat([kpis(), kpis(metric="payers", clear=False)], ignore_index=True)
    assert len(findings.changes(both)) == 1 and "Weekly actives" in findings.changes(both)[0]
    assert "Payers" in findings.unchanged(both) and "Weekly actives" not in findings.unchanged(both)
    assert findings.changes(kpis(clear=False)) == ["No number moved clearly against the week before, beyond its usual range"]
