"""Bad disks: runs are killed at each rename, disks are full, read-only, broken; what is read is whole, the next run mends all."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import re
import shutil
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import growing
import hostile
import hostile_work
import processes
import pyarrow.parquet
import pytest

from helpers import paths
from helpers.runs import pieces
from helpers.runs.keys import file_hash
from helpers.sources import groups

pytestmark = pytest.mark.hard
KILL = dict.fromkeys(("rename", "fsync", "symlink"), "signal=KILL")
FAIL = {"write": "error=ENOSPC", "fsync": "error=EIO", "rename": "error=EIO", "symlink": "error=EROFS"}
NEXT = "then run the same command again: finished steps are kept."
CURES = {
    "No space left on device": "Free some space", "Input/output error": "The disk itself fails",
    "Read-only file system": "Mount that place writable", "File too large": "Allow larger files (`ulimit -f unlimited`)",
}  # fmt: skip


def copied(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    return Path(shutil.copytree(folder, to, symlinks=True))


def strays(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in root.rglob(".*") if path.name not in (".runs", ".lock")]


def unsaid(root: Path) -> list[str]:
    """Runs beside those whose numbers were published."""
    lines = (root / "reports" / "shop" / "published.csv").read_text("utf-8")
    runs = [record.parent for record in root.rglob(".runs/*/run.json")]
    return [run.name for run in runs if not run.is_symlink() and run.name not in lines]


def assert_says_the_cure(said: str, root: Path) -> None:
    """One line: which path, why, what to do."""
    path, _, rest = said.strip().partition(": ")
    why = next(why for why in CURES if why in rest)
    assert root in [Path(path).resolve(), *Path(path).resolve().parents], said
    assert CURES[why] in rest and NEXT in rest and "\n" not in said.strip() and ".part" not in said, said


# A publication


def shown(root: Path) -> dict[str, object]:
    """What a reader of the reports sees, by where it is read; whole, whatever it is. Names of runs are left out."""
    top = root / "reports" / "shop"
    seen: dict[str, object] = {}
    for link in sorted(path for path in top.iterdir() if path.is_symlink() and path.name[0] != "."):
        record = json.loads((link / "run.json").read_text("utf-8"))
        assert {name: file_hash(link / name) for name in record["pages"]} == record["pages"] != {}
        seen[link.name] = {name: value for name, value in record.items() if name != "run"}
    lines = (top / "published.csv").read_text("utf-8")
    assert lines.endswith("\n")
    seen["published.csv"] = [{**row, "run": ""} for row in csv.DictReader(lines.splitlines())]
    lines = (top / "made_of.jsonl").read_text("utf-8").splitlines()
    seen["made_of.jsonl"] = [{**json.loads(line), "run": ""} for line in lines]
    for path in [top / "index.html", *(top / "near").iterdir()]:
        if not path.name.startswith("."):
            seen[path.name] = path.read_text("utf-8")
    return seen


def assert_old_or_new(root: Path, old: dict, new: dict) -> None:
    now = shown(root)
    assert set(old) <= set(now) <= set(new)
    for name, value in now.items():
        assert value in (old.get(name), new[name]), name
    for week in (name for name in now if name[0] == "2"):  # no number is shown that is not written down
        assert now[week] == old.get(week) or now["published.csv"] == new["published.csv"]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root where two weeks were published."""
    root = tmp_path_factory.mktemp("published") / "root"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.BUILT_ROOT_VARIABLE, "")
        for week in ("2026-W09", "2026-W10"):
            hostile_work.publish_week(str(root), week, "1")
    return root


WEEKS = [("2026-W10", "2"), ("2026-W11", "1")]  # another version of a week, a new week


@pytest.mark.parametrize("what", WEEKS)
def test_a_publication_killed_at_any_call_shows_the_old_or_the_new_and_the_next_run_ends_it(tmp_path, published, what):
    old = shown(published)
    with hostile.harmed(hostile_work.publish_week, KILL) as trial:
        assert trial("rename", 0, copied(published, tmp_path / "undisturbed"), *what).code == 0
        new = shown(tmp_path / "undisturbed")
        for kind in KILL:
            for n in count(1):
                root = copied(published, tmp_path / "root")
                said = trial(kind, n, root, *what)
                assert_old_or_new(root, old, new)
                assert trial(kind, 0, root, *what) == hostile.Said(False), (kind, n)
                assert shown(root) == new and strays(root) == [], (kind, n)
                if not said.killed:
                    break
            assert said.code == 0 and n > 1, kind


def test_a_publication_whose_disk_fails_says_so_and_leaves_nothing_half_done(tmp_path, published):
    old, what = shown(published), WEEKS[1]
    with hostile.harmed(hostile_work.publish_week, FAIL) as trial:
        assert trial("write", 0, copied(published, tmp_path / "undisturbed"), *what).code == 0
        new = shown(tmp_path / "undisturbed")
        for kind in FAIL:
            for n in count(1):
                root = copied(published, tmp_path / "root")
                said = trial(kind, n, root, *what)
                assert_old_or_new(root, old, new)
                assert strays(root) == unsaid(root) == [], (kind, n)
                if said.code == 0:
                    break
                assert said.code == 4, said
                assert_says_the_cure(said.text, root)
                assert trial(kind, 0, root, *what).code == 0 and shown(root) == new, (kind, n)
            assert n > 1, kind


# Facts


def content(root: Path, week: str) -> dict[str, str]:
    """A hash of each table's rows."""
    found = {}
    for path in sorted((root / "data" / "club" / "built" / week).glob("*.parquet")):
        rows = pyarrow.parquet.read_table(path).to_pylist()
        found[path.stem] = hashlib.sha256("\n".join(sorted(str(sorted(row.items())) for row in rows)).encode()).hexdigest()
    assert "reply_day" in found
    return found


def kept(root: Path) -> tuple[pieces.Index, groups.Index]:
    """What is stored of facts and of events."""
    built = root / "data" / "club" / "built"
    return pieces.load(built / "facts"), groups.load(built / "events")


def files(root: Path) -> tuple[set[str], set[str]]:
    """Files of events and facts: those that an index names, and those that are there."""
    built = root / "data" / "club" / "built"
    named = [json.loads((built / folder / "index.json").read_text("utf-8")) for folder in ("events", "facts")]
    there = {path.name for folder in ("events", "facts") for path in (built / folder).glob("*.parquet")}
    return set(re.findall(r"[\w-]+\.parquet", json.dumps(named))), there


@pytest.fixture(scope="module")
def club(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder to which a week was added, and a root where the facts up to the week before are stored."""
    folder, old = tmp_path_factory.mktemp("club") / "club", tmp_path_factory.mktemp("old")
    lines = sorted(growing.rows(random.Random(3), 60), key=growing.day_of)
    before = [line for line in lines if growing.day_of(line) < "2026-03-02"]
    with pytest.MonkeyPatch.context() as patch:
        less = ("content_kind", "campaign", "duration_s")
        patch.setattr(growing, "TOML", "".join(line for line in growing.TOML.splitlines(True) if not line.startswith(less)))
        growing.write(folder, {"w0.csv": before})
        with hostile.harmed(hostile_work.append_facts, FAIL) as trial:
            assert trial("write", 0, old, folder, "2026-W09").code == 0
        growing.write(folder, {"w0.csv": before, "w1.csv": lines[len(before) :]})
    return folder, old


def finished(root: Path) -> set[int]:
    """What the next run will not do again: files that took their place before the facts are made."""
    built = root / "data" / "club" / "built"
    return {path.stat().st_ino for path in [*built.glob("staged/*"), built / "profile.json", built / "events" / "index.json"]}


# Each call of a kind, or each so manieth: counted from what the run before has finished.
@pytest.mark.parametrize(
    ("harms", "kind", "every"),
    [(KILL, "rename", 1), (KILL, "fsync", 1), (FAIL, "write", 2), (FAIL, "fsync", 3), (FAIL, "rename", 2)],
)
def test_facts_harmed_at_any_call_are_the_old_and_the_next_run_makes_those_of_an_undisturbed_one(
    tmp_path, club, harms, kind, every
):
    folder, before = club
    old, known, read = content(before, "2026-W09"), *kept(before)
    with hostile.harmed(hostile_work.append_facts, harms) as trial:
        assert trial(kind, 0, copied(before, tmp_path / "undisturbed"), folder, "latest").code == 0
        new, (facts, events) = content(tmp_path / "undisturbed", "2026-W10"), kept(tmp_path / "undisturbed")
        root = copied(before, tmp_path / "root")
        n, again, done = 1, 0, finished(root)
        while (said := trial(kind, n, root, folder, "latest")) != hostile.Said(False):
            assert content(root, "2026-W09") == old
            assert set.difference(*files(root)) == set()
            index, now = kept(root)
            assert index == known or index.marks == facts.marks
            assert now == read or now.days("events") == events.days("events")
            if not said.killed:
                assert said.code == 4, said
                assert_says_the_cure(said.text, root)
                assert strays(root) == []
            n += every
            if finished(root) != done:
                n, again, done = 1, again + 1, finished(root)
        assert content(root, "2026-W10") == new
        assert strays(root) == [] and set.symmetric_difference(*files(root)) == set()
        assert n > 15 and again > 1


# A whole run


def add_a_week(machine: processes.Machine) -> None:
    with (machine.project.data / "events.csv").open("a") as stream:
        stream.writelines(f"u{user},2026-03-{day:02d} 10:00:00,view\n" for user in range(20) for day in range(9, 16))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A tiny project's root with one report, and what a run that nothing happens to publishes of a week that is added then."""
    with processes.machine(tmp_path_factory.mktemp("undisturbed")) as made:
        assert made.run()[0] == 0
        before = copied(made.root, made.folder / "before")
        add_a_week(made)
        assert made.run()[0] == 0
        return before, made.content()


@pytest.fixture
def machine(tmp_path: Path, undisturbed: tuple[Path, dict]) -> Iterator[processes.Machine]:
    """A tiny project with that report on a small disk of its own; a week was added since."""
    with processes.machine(tmp_path) as made, hostile.own_mounts(), hostile.disk(made.root, "size=20m"):
        shutil.copytree(undisturbed[0], made.root, symlinks=True, dirs_exist_ok=True)
        add_a_week(made)
        yield made


def assert_fails(machine: processes.Machine, **options) -> str:
    """A run that fails for its disk's sake says so once, leaves the old report whole, and nothing half made; gives the path."""
    before = machine.content("2026-W10")
    code, _, err = machine.run(**options)
    assert code == 4, err
    said = [line for line in err.splitlines() if NEXT in line]
    assert len(said) == 1 and "Traceback" not in err, err
    why = next(why for why in CURES if why in said[0])
    assert CURES[why] in said[0] and str(machine.folder.name) in said[0] and ".part" not in said[0]
    assert machine.content("2026-W10") == machine.content() == before
    assert machine.strays() == []
    for path in machine.root.rglob("*.ipynb"):
        assert json.loads(path.read_text("utf-8"))["cells"]
    return said[0]


def assert_recovers(machine: processes.Machine, undisturbed: tuple[Path, dict]) -> None:
    code, _, err = machine.run()
    assert (code, err) == (0, "")
    assert machine.content() == undisturbed[1]
    assert machine.strays() == []


def remounted(machine: processes.Machine, options: str) -> None:
    hostile.subprocess.run(["mount", "-o", f"remount,{options}", str(machine.root)], check=True)


def used(machine: processes.Machine, what: str) -> int:
    found = os.statvfs(machine.root)
    return (found.f_blocks - found.f_bfree) * found.f_bsize if what == "size" else found.f_files - found.f_ffree


@pytest.mark.parametrize(("what", "points"), [("size", [0, 8192, 40960, 90000]), ("nr_inodes", [0, 7, 24])])
def test_a_disk_that_is_full_sooner_or_later_is_told_and_with_more_space_the_run_goes_on(machine, undisturbed, what, points):
    places = []
    begun = used(machine, what)
    for more in points:
        remounted(machine, f"{what}={max(begun + more, used(machine, what))}")
        places.append(assert_fails(machine))
    remounted(machine, "size=20m,nr_inodes=10000")
    assert_recovers(machine, undisturbed)
    assert "/staged/" in places[0] or "profile.json" in places[0]
    assert "/reports/tiny/" in places[-1], places


def test_files_that_may_not_be_so_large_are_told_with_what_to_allow(machine, undisturbed):
    said = [assert_fails(machine, before=("prlimit", f"--fsize={size}")) for size in (1000, 12000)]
    assert "/staged/" in said[0] and machine.root.name in said[1]
    assert_recovers(machine, undisturbed)


@pytest.mark.parametrize(("size", "written"), [("1000", False), ("unlimited", True)])
def test_bytecode_is_written_only_where_all_of_it_fits(tmp_path, size, written):
    """Python 3.11 keeps what was cut short, and the next start ends with an EOFError."""
    environment = {**os.environ, "PYTHONPATH": str(paths.PROJECT), "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = ["prlimit", f"--fsize={size}", sys.executable, "-S", "-c", "import helpers; from helpers import paths"]
    hostile.subprocess.run(command, env=environment, check=True)
    assert any(tmp_path.rglob("helpers/paths.*.pyc")) == written


def test_a_place_that_nobody_may_write_to_is_told(machine, undisturbed):
    for name, place in {"data/tiny/built": "/.lock: Read-only", "reports/tiny": "/reports/tiny/.runs/"}.items():
        with hostile.read_only(machine.root / name):
            assert place in assert_fails(machine)
    assert_recovers(machine, undisturbed)


def test_a_disk_that_fails_is_told_and_once_it_is_well_the_run_goes_on(machine, undisturbed):
    places = {"data/tiny/built/events": "index.json", "reports/tiny/.runs": "2026-W11-", "reports/tiny": "published.csv"}
    assert "/built/staged/" in assert_fails(machine, before=hostile.strace({"rename": "error=EIO"}))
    for flushed, said in places.items():
        broken = hostile.strace({"fsync": "error=EIO"}, place=machine.root / flushed)
        assert f"/{flushed}/{said}" in assert_fails(machine, before=broken)
    assert_recovers(machine, undisturbed)


def test_memory_that_is_held_back_too_far_is_told_before_anything_is_done(machine):
    """Else a library that nobody asked for an error ends the process, with nothing said."""
    for size in (800_000_000, 1_500_000_000):
        code, _, err = machine.run(before=("prlimit", f"--as={size}"))
        assert code == 4 and "Traceback" not in err
        assert f"Memory is held to {size / 1e9:.1f} GB here (`ulimit -v`)" in err and "`ulimit -v unlimited`" in err
    assert machine.strays() == []
