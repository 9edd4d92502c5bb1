"""A whole run: what is run again and why, what is kept when it fails, what a person reads."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny

from helpers import paths
from helpers.errors import EnvironmentFault, InputError, RunFailed
from helpers.runs import graph, kernels, locking, planning, publish

ALL = ["01_first", "02_second", "03_third", "weekly"]


def pages(project, week="2026-W10"):
    return {path.name: path.read_bytes() for path in (project.reports / week).iterdir() if path.suffix == ".html"}


def test_a_run_publishes_one_page_a_notebook_and_ends_with_the_sentence(project):
    outcome = project.report()
    assert outcome.sentence == "2 kinds of events."
    assert outcome.front == project.reports / "2026-W10" / "index.html"
    assert set(pages(project)) == {"index.html", "01_first.html", "02_second.html", "03_third.html"}
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
    before = pages(reported)
    reported.change("03_third", "## About kinds", "## Of kinds")
    assert reported.ran() == []
    changed = [name for name, html in pages(reported).items() if html != before[name]]
    assert "03_third.html" in changed
    assert b"Of kinds" in pages(reported)["03_third.html"]


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
    first = pages(reported)
    assert reported.ran(force=True) == ALL
    assert pages(reported) == first


def test_artefacts_and_executed_notebooks_are_their_owners_alone(reported):
    assert (paths.built("tiny").stat().st_mode & 0o777) == 0o700
    assert {path.stat().st_mode & 0o777 for path in reported.built.glob("*.parquet")} == {0o600}


def test_pages_name_no_place_of_this_machine(reported):
    folder = reported.reports / "2026-W10"
    for path in folder.iterdir():
        assert str(Path.home()) not in path.read_text("utf-8")
        assert str(reported.data) not in path.read_text("utf-8")
        assert str(paths.PROJECT) not in path.read_text("utf-8")


def test_a_failing_cell_is_told_in_ten_lines_and_keeps_the_last_report(reported):
    before = pages(reported)
    reported.change("02_second", 'limits = run.rules["activity"]', 'limits = {}["high"]')
    with pytest.raises(RunFailed) as failed:
        reported.report()
    said = str(failed.value)
    assert len(said.splitlines()) <= 10
    assert '02_second failed in cell "sizes", under "About sizes".' in said
    assert "KeyError: 'high'" in said
    assert "02_second.failed.ipynb" in said
    assert "Not built: weekly." in said
    assert "The last good report was kept: " in said
    assert pages(reported) == before
    assert failed.value.exit_code == 1


def test_an_error_of_ours_in_a_cell_keeps_its_words_and_its_exit_code(project):
    project.change(
        "02_second", 'limits = run.rules["activity"]',
        'from helpers.errors import InputError\nraise InputError("The column is empty.\\n  Fill it.")',
    )  # fmt: skip
    with pytest.raises(InputError) as failed:
        project.report()
    assert "The column is empty." in str(failed.value)
    assert failed.value.exit_code == 2


def test_a_step_that_does_not_write_what_it_names_fails(project):
    project.change("02_second", 'run.write("sizes", sizes)', 'run.write("sizes", sizes) if False else None')
    with pytest.raises(RunFailed, match="has not written sizes"):
        project.report()


def test_a_failed_step_is_run_again_and_what_ran_before_it_is_reused(project):
    project.change("02_second", 'limits = run.rules["activity"]', "limits = 1 / 0")
    with pytest.raises(RunFailed, match="No report of this week was published before"):
        project.report()
    project.change("02_second", "limits = 1 / 0", 'limits = run.rules["activity"]')
    assert project.ran() == ["02_second", "weekly"]


def test_a_kernel_that_is_killed_is_told_as_a_fault_of_the_machine(project):
    project.change("02_second", 'limits = run.rules["activity"]', "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(EnvironmentFault, match="its kernel ended in the middle"):
        project.report()
    assert not (project.built / "steps" / "02_second.json").exists()


def test_the_week_can_be_given_as_a_parameter_too(reported):
    made = planning.plan(planning.check(reported.request(given=("week=2026-W10",))))
    assert made.run.week == "2026-W10"
    with pytest.raises(InputError, match="no data in that week"):
        planning.plan(planning.check(reported.request(given=("week=2026-W12",))))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"given": ("wek=2026-W09",)}, 'Did you mean "week"?'),
        ({"given": ("half_life_days=abc",)}, '"abc" is not'),
        ({"week": "2026-10"}, 'Did you mean "2026-W10"?'),
        ({"week": "2027-W10"}, "no data in that week"),
        ({"only": "02_secnd"}, 'Did you mean "02_second"?'),
    ],
)
def test_bad_input_stops_before_any_kernel_and_writes_nothing(project, monkeypatch, options, said):
    monkeypatch.setattr(kernels, "execute", lambda *_, **__: pytest.fail("a kernel was started"))
    with pytest.raises(InputError) as refused:
        project.report(**options)
    assert said in str(refused.value)
    assert not paths.built("tiny").exists()
    assert not project.reports.exists()


@pytest.mark.parametrize("fault", ["missing", "empty", "role"])
def test_bad_sources_write_nothing_either(project, fault):
    events = project.data / "events.csv"
    if fault == "missing":
        events.unlink()
    if fault == "empty":
        events.write_text("", "utf-8")
    if fault == "role":
        toml = project.data / "dataset.toml"
        toml.write_text(toml.read_text("utf-8").replace('["view"]', '["veiw"]'), "utf-8")
    with pytest.raises(InputError, match=r"events\.csv|veiw"):
        project.report()
    assert not paths.built("tiny").exists()
    assert not project.reports.exists()


def test_a_second_run_waits_for_the_first_and_gives_up_with_its_process(project):
    said = []
    with (
        locking.held(paths.built("tiny"), said.append),
        pytest.raises(EnvironmentFault, match=str(os.getpid())) as refused,
        locking.held(paths.built("tiny"), said.append, wait=0.3),
    ):
        pytest.fail("two runs hold one lock")
    assert refused.value.exit_code == 4
    assert said == [f"Waiting for another run of this dataset (process {os.getpid()}) ..."]


def test_the_lock_of_a_run_that_is_gone_is_free(project):
    code = "from helpers.runs import locking; from pathlib import Path; import os\n"
    code += f"with locking.held(Path({str(paths.built('tiny'))!r}), print): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], cwd=paths.PROJECT)
    with locking.held(paths.built("tiny"), pytest.fail, wait=0):
        pass


def processes_of(marker: str) -> list[int]:
    """Processes whose environment holds the marker."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_kill_9_leaves_the_last_report_and_no_kernel_and_the_next_run_finishes(reported, built_root, tmp_path):
    before = pages(reported)
    flag = tmp_path / "running"
    rules = 'limits = run.rules["activity"]'
    slow = f"import time, pathlib\npathlib.Path({str(flag)!r}).touch()\ntime.sleep(60)"
    reported.change("02_second", rules, f"{rules}\n{slow}")
    code = (
        "from pathlib import Path; from helpers.runs import pipeline, planning\n"
        f"pipeline.report(planning.Request(dataset={str(reported.data)!r}, notebooks=Path({str(reported.books)!r})))"
    )
    marker = f"GROWTH_RINGS_TEST={tmp_path}"
    env = {**os.environ, "GROWTH_RINGS_TEST": str(tmp_path)}
    runner = subprocess.Popen([sys.executable, "-c", code], cwd=paths.PROJECT, env=env)
    end = time.monotonic() + 90
    while not flag.exists() and time.monotonic() < end and runner.poll() is None:
        time.sleep(0.1)
    assert flag.exists()
    assert len(processes_of(marker)) >= 3
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    end = time.monotonic() + 10
    while processes_of(marker) and time.monotonic() < end:
        time.sleep(0.1)
    assert processes_of(marker) == []
    assert pages(reported) == before
    reported.change("02_second", "time.sleep(60)", "time.sleep(0)")
    assert "02_second" in reported.ran()


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
    assert set(pages(project, "undated")) == {"index.html", "01_first.html"}
    assert "no [[events]]" in pages(project, "undated")["index.html"].decode()


def test_the_commands_exit_codes(project, tmp_path):
    def run(*words):
        return subprocess.run([sys.executable, "-m", "helpers", *words], cwd=paths.PROJECT, capture_output=True, text=True)

    wrong = run("report", str(project.data), "-p", "wek=2026-W09")
    assert (wrong.returncode, 'Did you mean "week"?' in wrong.stderr) == (2, True)
    assert "Traceback" not in wrong.stderr
    missing = run("report", str(tmp_path / "nowhere"))
    assert missing.returncode == 2
    assert run("report", "--wek").returncode == 2
    helped = run("report", "--help")
    assert helped.returncode == 0
    for name in ("half_life_days", "--week", "--root", "--only", "--force"):
        assert name in helped.stdout


def test_a_full_disk_is_told_as_a_fault_of_the_machine_and_keeps_the_last_report(reported, monkeypatch):
    before = pages(reported)
    reported.change("03_third", "## About kinds", "## Of kinds")

    def full(path, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(publish, "_write", full)
        with pytest.raises(EnvironmentFault, match=r"No space left on device\. Free some space") as failed:
            reported.report()
    assert failed.value.exit_code == 4
    assert pages(reported) == before
    reported.report()
    assert pages(reported) != before


def test_run_json_is_written_last_and_says_what_was_done(reported):
    record = json.loads((reported.reports / "2026-W10" / "run.json").read_text("utf-8"))
    assert record["steps"]["02_second"]["action"] == "run"
    assert record["parameters"]["02_second"] == {"half_life_days": 14}
    assert record["headline"] == "2 kinds of events."
    assert set(record["pages"]) == {"index.html", "01_first.html", "02_second.html", "03_third.html"}


def test_killed_between_run_json_and_the_links_the_next_call_finishes(project, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(publish, "show", lambda *_: None)
        project.report()
    assert not (project.reports / "2026-W10").exists()
    outcome = project.report()
    assert outcome.front.exists()
    assert (project.reports / "published.csv").read_text("utf-8").count("\n") == 2
