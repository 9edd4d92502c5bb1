"""Sources and settings that change while a report is built from them: it is told, nothing mixed is published or kept."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from helpers import paths
from helpers.errors import InputError
from helpers.sources import dataset, profile, staging

pytestmark = pytest.mark.hard
ALL = "**/*"
WRITE = 'days = run.write("days", events.select("user_id", "event"))'


def with_sources(project, kind: str, several: bool) -> Path:
    """The tiny events as one file or as a folder of two parts; gives the first of them."""
    table = pd.read_csv(project.data / "events.csv")
    (project.data / "events.csv").unlink()
    name = "events" if several else f"events.{kind}"
    toml = project.data / "dataset.toml"
    toml.write_text(toml.read_text("utf-8").replace("events.csv", name), "utf-8")
    halves = [table[:80], table[80:]] if several else [table]
    files = [project.data / name / f"part-{n}.{kind}" if several else project.data / name for n in range(len(halves))]
    for path, half in zip(files, halves, strict=True):
        path.parent.mkdir(exist_ok=True)
        save(half, path)
    return files[0]


def save(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)


def longer(path: Path, aside: Path) -> Path:
    """The same file with twenty rows more, somewhere else."""
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    save(pd.concat([table, table[:20].assign(type="share")]), aside)
    return aside


def meanwhile(project, *lines: str) -> None:
    """Once, just after the first notebook has read the events: a person does something to the files."""
    once = project.data.parent / "done"
    done = f"import os, pathlib, shutil\nif not os.path.exists({str(once)!r}):\n    pathlib.Path({str(once)!r}).touch()\n"
    project.change("01_first", WRITE, WRITE + "\n" + done + "".join(f"    {line}\n" for line in lines))


def published(project) -> bytes:
    return (project.reports / "published.csv").read_bytes()


def events_counted(project) -> int:
    return int(pd.read_csv(project.reports / "published.csv").iloc[-1]["n"])


@pytest.mark.parametrize("several", [False, True], ids=["file", "folder"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_sources_replaced_while_they_are_read_stop_the_run_and_the_next_is_right(project, kind, several):
    path = with_sources(project, kind, several)
    fresh = longer(path, project.data.parent / f"fresh.{kind}")
    before = project.data.parent / f"before.{kind}"
    shutil.copy2(path, before)
    project.report()
    pages, numbers, counted = project.pages(), published(project), events_counted(project)
    meanwhile(project, f"os.replace({str(fresh)!r}, {str(path)!r})")
    with pytest.raises(InputError) as refused:
        project.report()
    said = f"E1129 {path.relative_to(project.data).as_posix()}: the file changed while it was read. Wait until the export is done"
    assert said in str(refused.value)
    assert "The last good report was kept" in str(refused.value) and refused.value.exit_code == 2
    assert (project.pages(), published(project)) == (pages, numbers)
    assert "01_first" in project.ran() and events_counted(project) == counted + 20
    before.replace(path)
    assert "01_first" in project.ran() and events_counted(project) == counted


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_part_that_comes_while_the_others_are_read_stops_the_run_and_the_next_has_it(project, kind):
    path = with_sources(project, kind, several=True)
    fresh = longer(path, project.data.parent / f"fresh.{kind}")
    meanwhile(project, f"os.replace({str(fresh)!r}, {str(path.with_stem('part-9'))!r})")
    with pytest.raises(InputError, match=rf"E1129 events/part-9\.{kind}: the file came while the others were read\. Run"):
        project.report()
    assert not project.reports.exists()
    project.report()
    assert events_counted(project) == 152 + 80 + 20


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_noticed(project):
    path = project.data / "events.csv"
    fresh = project.data.parent / "fresh.csv"
    fresh.write_text(path.read_text("utf-8").replace("like", "hate"), "utf-8")
    project.report()
    os.utime(fresh, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    meanwhile(project, f"os.replace({str(fresh)!r}, {str(path)!r})")
    with pytest.raises(InputError, match=r"E1129 events\.csv: the file changed"):
        project.report()
    assert "01_first" in project.ran()
    assert "hate" in pd.read_parquet(project.built / "days.parquet")["event"].unique()


def test_a_file_that_is_copied_or_made_readable_meanwhile_has_not_changed(project):
    meanwhile(project, f"os.chmod({str(project.data / 'events.csv')!r}, 0o640)")
    project.report()
    assert events_counted(project) == 152


@pytest.mark.parametrize("gone", ["removed", "cut"])
def test_what_a_change_does_to_a_step_is_told_as_the_change(project, gone):
    path = with_sources(project, "parquet", several=False)
    what = f"os.remove({str(path)!r})" if gone == "removed" else f"os.truncate({str(path)!r}, 100)"
    meanwhile(project, what, "1 / 0")
    with pytest.raises(InputError, match=r"E1129 events\.parquet: the file changed while it was read"):
        project.report()


@pytest.mark.parametrize(
    ("name", "change"),
    [("dataset.toml", "title = 'Tiny'\n{}"), ("rules.toml", "[activity]\nhold_weeks = 3\n"), ("01_first.ipynb", "{}")],
)
def test_settings_and_notebooks_changed_while_a_report_is_built_stop_it(project, name, change):
    path = (project.books if name.endswith("ipynb") else project.data) / name
    text = f"pathlib.Path({str(path)!r}).read_text()" if path.exists() else "''"
    text = f"{text}.replace('# 01_first', '# One')" if name.endswith("ipynb") else f"{change!r}.replace('{{}}', {text})"
    meanwhile(project, f"text = {text}", f"pathlib.Path({str(path)!r}).write_text(text)")
    with pytest.raises(InputError, match=rf"{name}: it was changed while the report was built\. Run the same"):
        project.report()
    assert not project.reports.exists()
    project.report()


def test_what_was_read_of_a_file_that_changed_meanwhile_is_not_kept_under_its_former_hash(project, monkeypatch):
    path, written = project.data / "events.csv", staging._write
    before = path.read_text("utf-8")

    def write(found, *rest):
        path.write_text(before + "u0,2026-03-08 12:00:00,share\n", "utf-8")
        written(found, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(staging, "_write", write)
        with pytest.raises(InputError, match=r"E1129 events\.csv: the file changed"):
            profile.profile(dataset.load(project.data))
    kept = [path.name for path in paths.built("tiny").glob(ALL) if path.is_file()]
    assert kept == []
    path.write_text(before, "utf-8")
    assert profile.profile(dataset.load(project.data)).events_seen == ("view", "like")
