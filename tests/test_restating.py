"""A number that has moved since it was sent out is said to be restated: what it was, and what it is."""

import json

import pytest
from test_publish import made, row

from helpers import paths
from helpers.runs import graph, notebooks, origins
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
    assert lines(found) == ["Numbers of tiers of 2026-W10 that have moved: 2"]


HASHES = {"dataset.toml": "a", "helpers": "b", "notebook 04_retention": "c", "rules.toml roles": "d", "parameter ages": "e",
          "requirements.lock": "f", "engine": "g", "who is forgotten": "h", "pseudonym key": "i"}  # fmt: skip


def published_from(rows, **hashes):
    """The line of the run that is first in published.csv."""
    table = (paths.reports("shop") / "published.csv").read_text("utf-8").splitlines()
    run = table[1].rsplit(",", 1)[1]
    origins.append(paths.reports("shop"), {"run": run, "week": "2026-W09", "hashes": HASHES | hashes, "rows": rows})


def why(monkeypatch, then, now, names=frozenset(HASHES), **hashes):
    published_from(then, **hashes)
    monkeypatch.setattr(origins, "rows", lambda *_: now)
    return lines(restated("shop", "2026-W10", [], [past()], (HASHES, {"main": set(names)})))[1:]


SAME = {"week": [100, "x"], "before": [900, "y"]}


@pytest.mark.parametrize(("then", "says"), [
    ({"week": [63, "w"], "before": [900, "y"]}, "rows of that week that came late: 37"),
    ({"week": [101, "w"], "before": [890, "z"]},
     "rows of that week that are gone: 1; rows of the weeks before it that came late: 10"),
    ({"week": [100, "w"], "before": [900, "y"]}, "rows of that week were changed at the source"),
    (SAME, "nothing that is recorded has changed, so the reason is unknown"),
])  # fmt: skip
def test_why_a_number_has_moved_is_said_from_the_rows_of_its_week(last_week, monkeypatch, then, says):
    assert why(monkeypatch, then, SAME) == [f"Since 2026-W09 was first published: {says}"]


def test_every_reason_is_named_and_what_the_numbers_do_not_read_is_none(last_week, monkeypatch):
    changed = {name: "other" for name in HASHES if name != "pseudonym key"}
    (told,) = why(monkeypatch, {"week": [99, "w"], "before": [900, "y"]}, SAME, names=set(HASHES) - {"engine"}, **changed)
    for said in ("rows of that week that came late: 1", "dataset.toml changed", "the code changed", "rules.toml [roles] changed",
                 "the parameter ages changed", "the libraries changed", "people asked to be forgotten"):  # fmt: skip
        assert told.count(said) == 1, said
    assert "engine" not in told


def test_other_pseudonyms_are_no_change_of_the_rows(last_week, monkeypatch):
    then, names = {"week": [100, "w"], "before": [900, "z"]}, set(HASHES) - {"pseudonym key"}
    (told,) = why(monkeypatch, then, SAME, names=names, **{"pseudonym key": "other"})
    assert told.endswith("the reason is unknown")


def test_of_what_was_published_before_reasons_were_kept_none_is_given(last_week):
    told = lines(restated("shop", "2026-W10", [], [past()], (HASHES, {"main": set(HASHES)})))
    assert told[1] == (
        "Since 2026-W09 was first published: the reason is unknown, as what it was made from was not recorded then"
    )


def test_numbers_of_tiers_and_experiments_have_reasons_of_their_own(monkeypatch):
    first = [row(metric="lifecycle", slice="new", value=20), row(metric="lifecycle", slice="lost", value=30),
             row(metric="tour: return", slice="b", value=0.1), row(metric="weekly_actives", value=90)]  # fmt: skip
    made("2026-W09", 1, first)
    published_from(SAME, **{"rules.toml lifecycle": "x", "experiments.toml": "y", "source units.tour": "z"})
    monkeypatch.setattr(origins, "rows", lambda *_: SAME)
    now = HASHES | {"rules.toml lifecycle": "l", "experiments.toml": "e", "source units.tour": "u"}
    names = {"main": {"rules.toml roles"}, "tiers": {"rules.toml lifecycle"}, "effects": {"experiments.toml", "source units"}}
    moved = [own | {"value": own["value"] + 1} for own in first]
    assert lines(restated("shop", "2026-W09", moved, [], (now, names))) == [
        "Weekly actives of 2026-W09: first published as 90, now 91",
        "Since 2026-W09 was first published: nothing that is recorded has changed, so the reason is unknown",
        "Numbers of tiers of 2026-W09 that have moved: 2",
        "Since 2026-W09 was first published: rules.toml [lifecycle] changed",
        "Effects of experiments of 2026-W09 that have moved: 1",
        "Since 2026-W09 was first published: experiments.toml changed; the rows of [units.tour] changed",
    ]


def test_what_counts_for_a_kind_of_number_is_what_the_steps_that_lead_to_it_read():
    made = notebooks.read_all(paths.NOTEBOOKS)
    steps = graph.build(made, given={}, has=lambda _: True, needs={}, cannot_have=str)
    main, tiers, effects = (origins.counting(steps, kind) for kind in origins.KINDS)
    assert "experiments.toml" in effects and "experiments.toml" not in main | tiers
    assert {"notebook 03_segments", "rules.toml lifecycle", "source users"} <= tiers
    assert "notebook 05_experiments" not in main | tiers
    assert {"notebook 05_experiments", "source assignments", "source units"} <= effects and "source users" not in main
    assert all("notebook 01_cleaning" in names for names in (main, tiers, effects))


def test_what_a_run_was_made_from_is_appended_once_and_a_broken_line_is_passed_over(last_week):
    top = paths.reports("shop")
    for _ in range(2):
        origins.append(top, {"run": "r1", "week": "2026-W09", "hashes": {}, "rows": {}})
    (top / origins.NAME).write_text((top / origins.NAME).read_text("utf-8") + "{broken\n[1]\n", "utf-8")
    origins.append(top, {"run": "r2", "week": "2026-W10", "hashes": {}, "rows": {}})
    assert list(origins.read(top)) == ["r1", "r2"]


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
        assert "Since 2026-W10 was first published: rows of that week that came late: 1" in page
        assert "Restated" not in project.pages()["03_third.html"].decode()
        (told,) = json.loads((project.reports / "2026-W10" / "run.json").read_text("utf-8"))["restated"]
        assert (told["old"], told["new"]) == (2.0, 3.0)
