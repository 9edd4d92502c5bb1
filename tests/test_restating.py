"""A number that has moved since it was sent out is said to be restated: what it was, and what it is."""

import json

import pytest
from test_publish import made, row

from helpers.runs.restating import lines, restated


def past(**changed):
    return {"week": "2026-W09", "metric": "weekly_actives", "value": 1384.0, "n": 1384} | changed


@pytest.fixture
def last_week():
    """Week 9, as it was sent out: and sent out again with another number before week 10 was."""
    made("2026-W09", 1, [row(metric="weekly_actives", value=1380, n=1380)])
    made("2026-W09", 2, [row(metric="weekly_actives", value=1382, n=1382)])


def test_a_number_of_an_earlier_week_is_compared_with_what_was_sent_out_first(last_week):
    (found,) = restated("shop", "2026-W10", [], [past()])
    assert (found.week, found.metric, found.slice, found.old, found.new) == ("2026-W09", "weekly_actives", "all", 1380, 1384)
    assert found.run.startswith("2026-W09-20260302")
    assert lines([found]) == ["Weekly actives of 2026-W09: first published as 1,380, now 1,384"]


def test_what_is_as_it_was_is_not_mentioned(last_week):
    assert restated("shop", "2026-W10", [row(value=3)], [past(value=1380.0), past(metric="payers"), past(week="2026-W08")]) == []


def test_a_group_that_is_small_now_is_passed_over(last_week):
    assert restated("shop", "2026-W10", [], [past(value=8.0, n=8)]) == []
    assert restated("shop", "2026-W09", [row(metric="weekly_actives", value=None)], []) == []


def test_two_numbers_that_look_alike_are_shown_with_the_decimals_that_tell_them_apart():
    made("2026-W09", 1, [row(metric="content_per_active", value=1.23456)])
    found = restated("shop", "2026-W10", [], [past(metric="content_per_active", value=1.23467)])
    assert lines(found) == ["Content per active of 2026-W09: first published as 1.2346, now 1.2347"]


def test_numbers_that_have_no_name_of_their_own_are_counted():
    made("2026-W10", 1, [row(metric="lifecycle", slice=slice, value=20) for slice in ("new", "lost")])
    found = restated("shop", "2026-W10", [row(metric="lifecycle", slice=slice, value=21) for slice in ("new", "lost")], [])
    assert lines(found) == ["Other numbers that have moved, of tiers and experiments too: 2"]


def test_late_rows_restate_a_published_week_on_its_front_page_and_in_run_json(project):
    project.change("weekly", '"metric": ["events"]', '"metric": ["content_per_active"]')
    project.report()
    assert b"Restated" not in project.pages()["index.html"]
    with (project.data / "events.csv").open("a", encoding="utf-8") as stream:
        stream.write("u1,2026-03-08 23:00:00,share\n")
    for force in (False, True):
        project.report(force=force)
        page = project.pages()["index.html"].decode()
        assert "Content per active of 2026-W10: first published as 2.00, now 3.00" in page
        assert "Restated" not in project.pages()["03_third.html"].decode()
        (told,) = json.loads((project.reports / "2026-W10" / "run.json").read_text("utf-8"))["restated"]
        assert (told["old"], told["new"]) == (2.0, 3.0)
