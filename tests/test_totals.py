"""Portraits and interests from totals that are kept are those of a build from nothing, whatever came since."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
import test_week_ends as week_ends
from test_week_ends import NEWEST, WEEK

from helpers import facts as made_facts
from helpers import paths, portraits
from helpers.portraits import uptake
from helpers.runs import totals


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.BUILT_ROOT_VARIABLE, str(tmp_path))
    return tmp_path


def told(facts, last_day, *, half_life: float = 14, kept: bool = True):
    """Portraits, interests, what forecasts are made of and what all days come to, in order; from kept totals or anew."""
    run, tables = week_ends.opened(facts, last_day)
    topics = tables.pop("user_topic_day")
    by = {"last_day": last_day} | ({"totals": partial(totals.table, run)} if kept else {})
    interests = portraits.interests(topics, half_life_days=half_life, **by)
    people = portraits.portraits(**tables, interests=interests, **by)
    days, lives = tables["user_day"], made_facts.lives
    given = {"of": "user_day", "by": ["user_id"], "last_day": last_day, "how": made_facts.LIVES}
    lives = totals.table(run, "lives", days, lives, **given) if kept else lives(days)
    every = [people, interests, uptake.past(topics, memory=224, **by), lives]
    return [sorted(table.to_pyarrow().to_pylist(), key=lambda row: (row["user_id"], row.get("topic"))) for table in every]


def ends(name: str) -> list[str]:
    """The days that totals of a name reach."""
    known = totals.week_ends.load(paths.built("club") / "week_ends" / f"totals-{name}")
    return sorted({str(end) for end, _ in known.values()})


def test_portraits_from_kept_totals_are_those_of_a_build_from_nothing():
    facts = week_ends.crowd()
    for ago in (5, 4, 0):
        assert told(facts, NEWEST - ago * WEEK) == told(facts, NEWEST - ago * WEEK, kept=False)
    until = [str(NEWEST - ago * WEEK - timedelta(days=1)) for ago in (5, 0)]
    assert [ends(name) for name in ("hours", "spending", "topics-14.0", "topics-224.0")] == [until] * 4


def test_what_comes_later_on_the_last_day_of_a_week_costs_no_totals():
    facts = week_ends.crowd()
    told(facts, NEWEST)
    files = {*(paths.built("club") / "week_ends").rglob("totals-*/*.parquet")}
    again = {name: [*rows, dict(rows[0], user_id="late", day=NEWEST)] for name, rows in facts.items()
             if name in ("user_day", "user_hour", "user_topic_day")}  # fmt: skip
    assert told(facts | again, NEWEST) == told(facts | again, NEWEST, kept=False)
    assert {*(paths.built("club") / "week_ends").rglob("totals-*/*.parquet")} == files


@pytest.mark.parametrize("name", ["user_day", "user_hour", "user_topic_day"])
def test_a_late_row_of_an_old_day_is_added_to_the_totals(name):
    facts = week_ends.crowd()
    told(facts, NEWEST)
    late = dict(facts[name][0], user_id="late comer", day=NEWEST - 2 * WEEK)
    other = facts | {name: [*facts[name], late]}
    assert told(other, NEWEST) == told(other, NEWEST, kept=False)


@pytest.mark.parametrize("half_life", [0.5, 3, 28])
def test_another_half_life_has_totals_of_its_own(half_life):
    facts = week_ends.crowd()
    told(facts, NEWEST - WEEK)
    for ago in (1, 0):
        found = told(facts, NEWEST - ago * WEEK, half_life=half_life)
        assert found == told(facts, NEWEST - ago * WEEK, half_life=half_life, kept=False)


def test_somebody_who_was_forgotten_is_in_no_total():
    facts = week_ends.crowd()
    told(facts, NEWEST)
    gone = facts["user_day"][0]["user_id"]
    other = {name: [row for row in rows if gone not in row.values()] for name, rows in facts.items()}
    found = told(other, NEWEST)
    assert found == told(other, NEWEST, kept=False) and gone not in {row["user_id"] for table in found for row in table}


def test_totals_of_other_code_do_not_take_the_place_of_those_at_work(monkeypatch):
    monkeypatch.setattr(totals, "KEPT", 1)
    facts = week_ends.crowd()
    told(facts, NEWEST)
    monkeypatch.setattr(totals.week_ends.keys, "source_hash", lambda folder: "other code")
    told(facts, NEWEST - 8 * WEEK)
    assert ends("hours") == [str(NEWEST - 8 * WEEK - timedelta(days=1))]


def test_few_totals_stay_on_the_disk():
    facts = week_ends.crowd()
    for ago in (16, 12, 8, 4, 0):
        told(facts, NEWEST - ago * WEEK)
    assert len(ends("hours")) == totals.KEPT
