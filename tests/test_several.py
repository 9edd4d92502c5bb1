"""Several reports in one go: weeks back-filled, all datasets; and a run whose output goes into a log."""

import os
import re
import subprocess
import sys

import pytest
import tiny

from helpers import __main__ as command
from helpers import paths
from helpers.errors import InputError
from helpers.runs import opening, pipeline, progress, several
from helpers.sources import dataset as datasets


@pytest.fixture
def said():
    """What a run says, line by line, and the progress that takes it down."""
    lines = []
    taken = progress.Plain()
    taken.say = lines.append
    return lines, taken


def weeks(project, count, said, **options):
    return several.weeks_up_to(project.request(**options), count, said[1])


@pytest.fixture
def three_weeks(project):
    """The tiny project with data of three weeks: 2026-W08 to 2026-W10."""
    path = project.data / "events.csv"
    early = [f"u{user},2026-02-{day:02d} 10:00:00,view" for user in range(20) for day in range(16, 29)]
    head, rows = path.read_text("utf-8").split("\n", 1)
    path.write_text("\n".join([head, *early, rows]), "utf-8")
    return project


@pytest.mark.hard
def test_weeks_are_built_oldest_first_with_a_line_each_and_those_before_the_data_are_said(three_weeks, said):
    made = weeks(three_weeks, 4, said)
    lines = [re.sub(r"\d+\.\d s", "1.0 s", line) for line in said[0]]
    assert lines == [
        "tiny, 2026-W07: before the data begin",
        "tiny, 2026-W08: built in 1.0 s. 2 kinds of events.",
        "tiny, 2026-W09: built in 1.0 s. 2 kinds of events.",
        "tiny, 2026-W10: built in 1.0 s. 2 kinds of events.",
    ]
    assert made.exit_code == 0 and made.front == three_weeks.reports / "index.html"
    assert str((three_weeks.reports / "latest").readlink()) == "2026-W10"
    said[0].clear()
    weeks(three_weeks, 3, said)
    assert [line.split(". ")[0] for line in said[0]] == [f"tiny, 2026-W{number}: stands" for number in ("08", "09", "10")]


@pytest.mark.hard
def test_a_week_that_fails_is_named_the_others_are_built_and_latest_stays_the_newest(three_weeks, said):
    three_weeks.report()
    three_weeks.change("02_second", 'limits = run.rules["activity"]', 'assert run.week != "2026-W09", "no such luck"')
    made = weeks(three_weeks, 2, said, week="2026-W09")
    assert made.exit_code == 1
    assert said[0][0].startswith("tiny, 2026-W08: built in ")
    assert said[0][1].startswith("tiny, 2026-W09: FAILED. 02_second failed")
    assert "no such luck" in said[0][1] and "No report of this week was published before." in said[0][1]
    assert sorted(path.name for path in three_weeks.reports.glob("2026-*")) == ["2026-W08", "2026-W10"]
    assert str((three_weeks.reports / "latest").readlink()) == "2026-W10"


@pytest.mark.parametrize("options, words", [({"only": "01_first"}, "--only"), ({"week": "2026-W99"}, "has no week 99")])
def test_what_cannot_be_back_filled_is_refused_before_anything_is_built(project, said, options, words):
    with pytest.raises(InputError, match=words):
        weeks(project, 3, said, **options)
    assert not project.reports.exists() and said[0] == []


@pytest.mark.parametrize("count", [0, -1, 521])
def test_so_many_weeks_are_refused(project, said, count):
    with pytest.raises(InputError, match="--weeks"):
        weeks(project, count, said)


@pytest.fixture
def some_datasets(project, monkeypatch, tmp_path):
    """Datasets under data/: without sources, with a mistake, with sources where its last report found them."""
    data, elsewhere = tmp_path / "made" / "data", tmp_path / "elsewhere"
    for name in ("absent", "broken", "shop"):
        (data / name).mkdir(parents=True)
        (data / name / "dataset.toml").write_text(tiny.TOML, "utf-8")
    elsewhere.mkdir()
    (data / "broken" / "dataset.toml").write_text(tiny.TOML.replace("Europe", "Europa"), "utf-8")
    (elsewhere / "events.csv").write_bytes((project.data / "events.csv").read_bytes())
    monkeypatch.setattr(datasets, "names", lambda: ["absent", "broken", "shop"])
    monkeypatch.setattr(datasets, "folder_of", lambda name: data / str(name).rsplit("/", 1)[-1])
    paths.make_private(paths.built("shop"))
    opening.remember_root(datasets.load("shop", elsewhere))
    return project


@pytest.mark.hard
def test_every_dataset_with_sources_is_built_and_the_others_are_named(some_datasets, said):
    made = several.all_datasets(some_datasets.request(), 1, said[1])
    first, second, third = (line.splitlines()[0] for line in said[0])
    assert first.startswith("absent: passed over, its sources are not in ")
    assert second.startswith("broken: FAILED. ") and "Europa/Berlin" in said[0][1]
    assert third.startswith("shop, 2026-W10: built in ")
    assert made.exit_code == 2 and made.front == paths.built_root() / "reports" / "index.html"
    html = made.front.read_text("utf-8")
    assert 'href="shop/latest/index.html"' in html and "absent" not in html


@pytest.mark.hard
def test_a_report_too_large_to_be_mailed_is_warned_of(reported, monkeypatch):
    monkeypatch.setattr(pipeline, "LARGE_REPORT", 1000)
    reported.report(force=True)
    assert "too much to be mailed" in reported.lines[-1]


def test_the_command_line_gives_the_worst_exit_code(monkeypatch, capsys):
    monkeypatch.setattr(several, "all_datasets", lambda *_: several.Reported(paths.built_root() / "reports" / "index.html", 2))
    monkeypatch.setattr(sys, "argv", ["helpers", "report", "--all"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2 and capsys.readouterr().out.endswith("reports/index.html\n")


def into_log(*words, **environment):
    """A run as cron starts it: no terminal, a poor environment; its exit code and what it wrote, as bytes."""
    known = {name: os.environ[name] for name in (paths.BUILT_ROOT_VARIABLE, "XDG_CONFIG_HOME")}
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, stdin=subprocess.DEVNULL, cwd=paths.PROJECT,
        env={"PATH": "/usr/bin:/bin", "HOME": known["XDG_CONFIG_HOME"], "TERM": "dumb", **known, **environment},
    )  # fmt: skip
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", done.stdout + done.stderr)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.hard
def test_without_a_terminal_a_run_writes_a_line_a_step(project):
    project.change("weekly", " kinds of events.", " 种事件。")
    code = (
        "from pathlib import Path\nfrom helpers.runs import pipeline, planning, progress\nwith progress.shown() as shown:\n"
        f"  pipeline.report(planning.Request(dataset={str(project.data)!r}, notebooks=Path({str(project.books)!r})), shown)"
    )
    code, out, err = into_log("-c", code, LANG="C")
    title, *steps = out.decode("ascii").splitlines()
    assert code == 0 and err == b"" and title == "tiny, 2026-W10 (2026-03-02 to 2026-03-08)"
    assert sorted(line.split()[0] for line in steps) == ["01_first", "02_second", "03_third", "weekly"]


@pytest.mark.hard
def test_without_a_terminal_what_is_wrong_is_plain_text_with_its_exit_code(project):
    toml = project.data / "dataset.toml"
    toml.write_text(toml.read_text("utf-8").replace('"view"', '"浏览\\u001b[2J"'), "utf-8")
    code, _, err = into_log("-m", "helpers", "report", str(project.data), LC_ALL="POSIX", PYTHONIOENCODING="ascii")
    assert code == 2 and b"No event is called" in err


def test_lines_hold_no_control_characters(capsys):
    progress.Plain().say("topic \x1b[2Jrain\r\u202e")
    assert capsys.readouterr().out == "topic \\x1b[2Jrain\\r\\u202e\n"


@pytest.mark.parametrize("term, kind", [("xterm", progress.Live), ("dumb", progress.Plain)])
def test_a_terminal_that_cannot_take_a_line_back_gets_plain_lines(monkeypatch, term, kind):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", term)
    with progress.shown() as shown:
        assert type(shown) is kind
