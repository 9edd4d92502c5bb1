"""The `check` command: its exit codes, its two forms, that it writes nothing; and the list of codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from faulty import TOML, checked, rows, table
from typer.testing import CliRunner

from helpers import paths, problems
from helpers.__main__ import app

GOOD = rows()


def run(folder, *words) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "helpers", "check", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=paths.PROJECT)


def here(folder, *words):
    """The same in this process."""
    return CliRunner().invoke(app, ["check", str(folder), *words])


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "shop"
    made.mkdir()
    (made / "dataset.toml").write_text(TOML.format(file="events.csv", more="", after="", zone="Asia/Shanghai"), "utf-8")
    (made / "events.csv").write_text(table(GOOD), "utf-8")
    return made


def test_the_exit_code_says_how_bad_it_is(folder):
    codes = lambda: [here(folder, *words).exit_code for words in ((), ("--strict",))]  # noqa: E731
    assert codes() == [0, 0]
    (folder / "events.csv").write_text(table([*GOOD, "u01,soon,view,,"]), "utf-8")
    assert codes() == [0, 3]
    (folder / "events.csv").write_text("", "utf-8")
    said = here(folder)
    assert said.exit_code == 2
    assert "E1101 events.csv: the file is empty" in said.stdout
    assert said.stderr == ""


def test_json_is_all_that_is_printed_and_nothing_is_written(folder, built_root):
    (folder / "events.csv").write_text(table([*GOOD, "u01,soon,view,,"]), "utf-8")
    before = sorted(path.name for path in folder.iterdir())
    said = run(folder, "--json", "--as-of", "2026-03-19")
    made = json.loads(said.stdout)
    assert (made["status"], made["as_of"], made["data_until"]) == ("warn", "2026-03-19", "2026-03-19")
    [file] = made["files"]
    assert (file["kept"], file["after_as_of"], file["quarantined"]) == (190, 10, {"bad_time": 1})
    assert sorted(path.name for path in folder.iterdir()) == before
    assert not built_root.exists()


def test_all_problems_of_all_files_are_told_in_one_go(tmp_path):
    other = '[users]\nfile = "users.csv"\nuser_id = "id"\n[assignments]\nfile = "gone.csv"\nuser_id = "u"\nexperiment = "e"\n'
    other += 'variant = "v"\nassigned_at = "a"\n'
    lines = [*GOOD, "u01,soon,view,,", ",2026-03-02 10:00:00,view,,", "u01,2026-03-02 10:00:00,view,,$5", "a,b"]
    found = checked(tmp_path, lines, after=other, files={"users.csv": 'id\n"u1\n'})
    assert {"E1203", "E1201", "E1206", "E1108", "E1110", "E1604"} <= found.codes()


def test_a_mistake_in_dataset_toml_is_told_as_the_others_are(tmp_path):
    found = checked(tmp_path, GOOD, more="tpoic = 3")
    assert (found.status, found.codes("error"), found.verdict.files) == ("error", {"E1603"}, [])


@pytest.mark.parametrize("day", ["tomorrow", "2026-02-30", "2026-W10"])
def test_a_day_that_is_none_is_refused(folder, day):
    said = run(folder, "--as-of", day)
    assert said.returncode == 2
    assert day in said.stderr


def test_a_message_has_the_form_that_a_reader_expects(tmp_path):
    lines = [*GOOD[:15], *["u01,13/02/2026 10:00,view,food,"] * 10, *GOOD[15:]]
    found = checked(tmp_path, lines, more="drop_exact_duplicates = false")
    form = (
        r'E1203 events\.csv line 17, column ts: "13/02/2026 10:00" is not a date-time in the form YYYY-MM-DD HH:MM:SS '
        r'\(rule: ts_format\)\. 10 rows like this were set aside\. Fix the export or set ts_format="%d/%m/%Y %H:%M"\.'
    )
    assert re.fullmatch(form, found.text("E1203"))


def test_codes_are_listed_once_and_the_reference_shows_them_all():
    text = (paths.PROJECT / "data" / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| `([EWN]\d{4})` \| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)
    shown = [tuple(cell.strip() for cell in row) for row in listed]
    assert shown == [(c.code, c.name, problems.FOLLOWS[c.follows], c.meaning, c.remedy) for c in problems.CODES]
    assert len({code.name for code in problems.CODES}) == len({code.code for code in problems.CODES}) == len(problems.CODES)


