"""A whole run: what it publishes, what a second one runs again and why, what a dataset cannot have."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from helpers import paths
from helpers.errors import InputError
from helpers.runs import graph, planning

ALL = ["01_first", "02_second", "03_third", "weekly"]


def test_a_run_publishes_one_page_a_notebook_and_ends_with_the_sentence(project):
    outcome = project.report()
    assert outcome.sentence == "2 kinds of events."
    assert outcome.front == project.reports / "2026-W10" / "index.html"
    assert set(project.pages()) == {"index.html", "01_first.html", "02_second.html", "03_third.html", "email.html"}
    assert sorted(line.split()[0] for line in project.lines[1:]) == ALL
    assert all("never run for this week" in line for line in project.lines[1:])


def test_a_second_run_does_nothing_and_imports_nothing_heavy(reported):
    before = (reported.reports / "2026-W10").resolve()
    assert reported.ran() == []
    assert (reported.reports / "2026-W10").resolve() == before
    assert reported.lines == ["tiny, 2026-W10 (2026-03-02 to 2026-03-08): nothing has changed, the report stands"]
    code = (
        "import sys; from pathlib import Path; from helpers.runs import pipeline, planning;"
        f"pipeline.report(planning.Request(dataset={str(reported.data)!r}, notebooks=Path({str(reported.books)!r})));"
        "print([name for name in ('pandas', 'ibis', 'duckdb', 'papermill', 'nbconvert', 'pyarrow') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=paths.PROJECT)
    assert said.stdout.strip() == "[]", said.stderr


def test_a_step_whose_inputs_came_out_the_same_is_not_run(reported):
    assert reported.ran(given=("half_life_days=7",)) == ["02_second"]
    assert any("half_life_days is 7, was 14" in line for line in reported.lines)


def test_touching_code_reruns_what_depends_on_it(reported):
    reported.change("02_second", "n=days.count()", "n=2 * days.count()")
    assert reported.ran() == ["02_second", "weekly"]
    assert any(line.startswith("  02_second") and "its code changed" in line for line in reported.lines)
    assert any(line.startswith("  weekly") and "artefact sizes changed" in line for line in reported.lines)


def test_touching_prose_changes_the_page_and_runs_nothing(reported):
    before = reported.pages()
    reported.change("03_third", "## About kinds", "## Of kinds")
    assert reported.ran() == []
    changed = [name for name, html in reported.pages().items() if html != before[name]]
    assert "03_third.html" in changed
    assert b"Of kinds" in reported.pages()["03_third.html"]


def test_a_limit_in_rules_toml_reruns_only_what_names_its_section(reported):
    (reported.data / "rules.toml").write_text("[activity]\nhigh = 13\n", "utf-8")
    assert reported.ran() == ["02_second"]
    assert any("rules.toml [activity] changed" in line for line in reported.lines)


def test_a_new_source_file_reruns_what_reads_sources(reported):
    with (reported.data / "events.csv").open("a", encoding="utf-8") as stream:
        stream.write("u1,2026-03-08 23:00:00,share\n")
    assert reported.ran() == ALL
    assert any(line.startswith("  01_first") and "the source files changed" in line for line in reported.lines)


def test_an_artefact_changed_from_outside_is_made_again(reported):
    shutil.copy(reported.built / "headline.parquet", reported.built / "sizes.parquet")
    assert reported.ran() == ["02_second"]
    (reported.built / "days.parquet").unlink()
    assert reported.ran() == ["01_first"]


@pytest.mark.parametrize("left", [b"", b'{"cells": []}'])
def test_an_executed_notebook_cut_short_or_changed_from_outside_is_made_again(reported, left):
    before = reported.pages()
    (reported.built / "steps" / "02_second.ipynb").write_bytes(left)
    assert reported.ran() == ["02_second"]
    assert reported.pages() == before


def test_plan_says_what_a_run_would_do_and_does_nothing(reported):
    reported.change("02_second", "n=days.count()", "n=3 * days.count()")
    made = planning.plan(planning.check(reported.request()))
    assert {name: decision.action for name, decision in made.decisions.items()} == {
        "01_first": "reuse", "02_second": "run", "03_third": "reuse", "weekly": "wait",
    }  # fmt: skip
    assert "depends on what 02_second will make" in made.decisions["weekly"].why


def test_only_runs_one_notebook_with_what_it_needs_and_publishes_nothing(project):
    outcome = project.report(only="02_second")
    assert sorted(outcome.decisions) == ["01_first", "02_second"]
    assert outcome.front.name == "02_second.html"
    assert outcome.front.exists()
    assert not project.reports.exists()


def test_forced_and_same_gives_the_same_bytes(reported):
    first = reported.pages()
    assert reported.ran(force=True) == ALL
    assert reported.pages() == first


def test_artefacts_and_executed_notebooks_are_their_owners_alone(reported):
    assert (paths.built("tiny").stat().st_mode & 0o777) == 0o700
    assert {path.stat().st_mode & 0o777 for path in reported.built.glob("*.parquet")} == {0o600}


def test_pages_name_no_place_of_this_machine(reported):
    folder = reported.reports / "2026-W10"
    for path in folder.iterdir():
        assert str(Path.home()) not in path.read_text("utf-8")
        assert str(reported.data) not in path.read_text("utf-8")
        assert str(paths.PROJECT) not in path.read_text("utf-8")


def test_the_week_can_be_given_as_a_parameter_too(reported):
    made = planning.plan(planning.check(reported.request(given=("week=2026-W10",))))
    assert made.run.week == "2026-W10"
    with pytest.raises(InputError, match="no data in that week"):
        planning.plan(planning.check(reported.request(given=("week=2026-W12",))))


UNITS = """
timezone = "UTC"
[units.trial]
file = "trial.csv"
variant = "arm"
sold = "sold"
[privacy]
pseudonymise = false
"""
FACTS = """events = run.source("events")
run.write("days", None if events is None else events.select("user_id", "event"))"""
FRONT = """import pandas as pd
days = run.find("days")
run.write("published", pd.DataFrame({"metric": ["x"], "slice": ["all"], "value": [1.0], "low": [0.5], "high": [1.5], "n": [80]}))
run.write("headline", pd.DataFrame({"sentence": ["One trial."], "status": ["undated"], "quality": ["good"]}))"""


def test_what_a_dataset_cannot_have_is_said_in_one_line_and_the_rest_is_built(project, monkeypatch):
    (project.data / "dataset.toml").write_text(UNITS, "utf-8")
    (project.data / "trial.csv").write_text("arm,sold\n" + "a,1\nb,0\n" * 40, "utf-8")
    monkeypatch.setattr(graph, "needs", lambda: {"days": "events"})
    head = [("parameters", tiny.PARAMETERS), ("setup", tiny.SETUP)]
    tiny.write_notebook(project.books / "weekly.ipynb", [*head, ("headline", FRONT)])
    tiny.write_notebook(project.books / "01_first.ipynb", [*head, ("days", FACTS)])
    outcome = project.report()
    assert outcome.front == project.reports / "undated" / "index.html"
    assert outcome.sentence == "One trial."
    assert [line for line in project.lines if "not for this dataset, which has no [[events]]" in line] == [
        "  02_second: not for this dataset, which has no [[events]]",
        "  03_third: not for this dataset, which has no [[events]]",
    ]
    assert set(project.pages("undated")) == {"index.html", "01_first.html", "email.html"}
    assert "no [[events]]" in project.pages("undated")["index.html"].decode()


def test_run_json_is_written_last_and_says_what_was_done(reported):
    record = json.loads((reported.reports / "2026-W10" / "run.json").read_text("utf-8"))
    assert record["steps"]["02_second"]["action"] == "run"
    assert record["parameters"]["02_second"] == {"half_life_days": 14}
    assert record["headline"] == "2 kinds of events."
    pages = {"index.html", "01_first.html", "02_second.html", "03_third.html"}
    assert set(record["pages"]) == pages | {"email.html", "email.txt"}
