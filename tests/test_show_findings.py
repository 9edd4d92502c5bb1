"""Findings say what the numbers of their figure say, and nothing about a handful of people."""

from datetime import date

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


def quality(quarantined: int, complete: bool = True, **suspicion: str) -> str:
    ledger = pd.DataFrame({"rows_in": [1000, 500], "quarantined": [quarantined, 0]})
    found = pd.DataFrame([suspicion] if suspicion else [], columns=["rule", "subject"])
    return findings.quality(ledger, found, complete=complete, last_day=date(2026, 3, 8))


def test_the_quality_is_red_for_a_week_that_is_not_whole_and_amber_for_what_it_may_lack():
    assert (quality(0), quality(10), quality(11), quality(0, complete=False)) == ("good", "good", "amber", "red")
    hours = " 04:00 to 09:00"
    assert quality(0, rule="missing_hours", subject="2026-03-02" + hours) == "amber"
    assert quality(0, rule="missing_hours", subject="2026-03-01" + hours) == "good"
    assert quality(0, rule="freshness", subject="2026-02-20") == "amber"
    assert quality(0, rule="spelling", subject="Food") == "good"


def test_a_sum_from_which_a_hidden_tier_would_follow_is_not_told():
    """Three of the first purchase are hidden, and with them the 60 new: their sum with the active would tell of the two alone."""
    tiers = pd.DataFrame({"dimension": "lifecycle", "tier": ["active", "new", "first purchase", "lost"],
                          "people": [200, 60, 3, 500], "before": [200, 60, 30, 500]})  # fmt: skip
    assert findings.tiers(tiers, "lifecycle", ["new", "first purchase"]).startswith("New and first purchase: 63 members")
    assert "too few" in findings.tiers(tiers, "lifecycle", ["active", "first purchase"])
    turned = tiers.rename(columns={"people": "before", "before": "people"})
    assert "too few" in findings.tiers(turned, "lifecycle", ["active", "new"])


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
    assert findings.headline(kpis(clear=False), nothing, nothing).startswith("Within the usual: Weekly actives rose by 100")
    assert "rose" not in findings.headline(kpis(low=-10.0, clear=False), nothing, nothing)
    assert findings.headline(kpis(value=4.0, n=4), nothing, nothing) == "No finding is told: a group in it has too few people"
