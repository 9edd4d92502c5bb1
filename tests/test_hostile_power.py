"""Power that fails: by the calls of a run, nothing has a lasting name, and nothing is relied upon, before it is on the disk."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import growing
import hostile
import processes
import pytest

from helpers import paths

WRITES = ("write", "writev", "pwrite64", "pwritev", "ftruncate", "copy_file_range", "sendfile")
NAMES = ("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat")
FLUSHES = ("fsync", "fdatasync")
RELIED_ON = {"published.csv": ".runs", "index.json": ".", "made_of.jsonl": "."}  # and what it says is there, beside it
NOBODY_RELIES_ON = ("spill", ".lock")


class Disk:
    """What of a root would outlive a power failure, call by call.

    Attributes:
        faults: What had a lasting name, or was relied upon, too early.
        calls: How many calls of each kind there were.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.faults, self.calls = root, [], defaultdict(int)
        self.content: set[Path] = set()  # files with bytes that a failure may take away
        self.names: dict[Path, set[str]] = defaultdict(set)  # by folder, names that it may take away

    def read(self, log: Path) -> Disk:
        """The same after the calls that strace has written down; one that another thread cut in two counts when it began."""
        for line in log.read_text("utf-8").splitlines():
            if call := re.match(r"\d+ +(\w+)\((.*)", line):
                told = [Path(path) for path in re.findall(r'<(/[^>]*)>|"(/[^"]*)"', call[2]) for path in path if path]
                self._call(call[1], [path for path in told if self._counts(path)])
        return self

    def _counts(self, path: Path) -> bool:
        return path.is_relative_to(self.root) and not {*NOBODY_RELIES_ON} & {*path.relative_to(self.root).parts}

    def _call(self, kind: str, told: list[Path]) -> None:
        if not told:
            return
        self.calls[kind] += 1
        if kind in WRITES:
            self.content.add(told[0])
            if not any(part.startswith(".") and part != ".runs" for part in told[0].relative_to(self.root).parts):
                self._fault("written under its lasting name", told[0])
        elif kind in FLUSHES:
            self.content.discard(told[0])
            self.names.pop(told[0], None)
        else:
            self._name(told[0], told[-1])

    def _name(self, old: Path, new: Path) -> None:
        if any(path.is_relative_to(old) for path in self.content) and not new.name.startswith("."):
            self._fault("named before its content was flushed", new)
        for path in [path for path in self.content if path.is_relative_to(old)]:
            self.content.remove(path)
            self.content.add(new / path.relative_to(old))
        self.names[new.parent].discard(old.name)
        if new.name in RELIED_ON and (before := self.names[new.parent / RELIED_ON[new.name]]):
            self._fault(f"said before {', '.join(sorted(before))} was there for good", new)
        if not new.name.startswith("."):
            self.names[new.parent].add(new.name)

    def _fault(self, said: str, path: Path) -> None:
        self.faults.append(f"{path.relative_to(self.root)}: {said}")


def strace(log: Path) -> tuple[str, ...]:
    """What to put before a command so that the calls of all its processes that change a disk are written down."""
    if not shutil.which("strace"):
        hostile.lack("no strace: install it")
    kinds = ",".join((*WRITES, *NAMES, *FLUSHES))
    return ("strace", "-f", "-y", "-qqq", "-s0", "--seccomp-bpf", "-e", "signal=none", "-o", str(log), f"--trace={kinds}")


def test_calls_of_a_careless_program_are_faults(tmp_path):
    calls = [
        '7 write(3</r/.a.part>, ""..., 9) = 9',
        '7 rename("/r/.a.part", "/r/a") = 0',
        '7 write(3</r/b>, ""..., 9) = 9',
        "7 fsync(3</r/b>) = 0",
        '7 rename("/r/.i.part", "/r/index.json") = 0',
    ]
    (tmp_path / "calls").write_text("\n".join(calls), "utf-8")
    assert Disk(Path("/r")).read(tmp_path / "calls").faults == [
        "a: named before its content was flushed", "b: written under its lasting name",
        "index.json: said before a was there for good",
    ]  # fmt: skip


@pytest.mark.hard
def test_what_a_run_names_and_relies_on_outlives_a_power_failure(tmp_path):
    log = tmp_path / "calls"
    with processes.machine(tmp_path / "machine") as machine:
        assert machine.run(before=strace(log))[0] == 0
        disk = Disk(machine.root).read(log)
    assert disk.faults == []
    assert disk.calls["fsync"] > 30 and disk.calls["rename"] > 20 and disk.calls["write"] > 10
    assert not disk.content and not disk.names[machine.reports]  # at the end there is nothing left to lose of a report


@pytest.mark.hard
def test_what_is_stored_of_facts_outlives_a_power_failure(tmp_path):
    log, folder, root = tmp_path / "calls", tmp_path / "club", tmp_path / "root"
    growing.write(folder, {"events.csv": sorted(growing.rows(random.Random(5), 60), key=growing.day_of)})
    work = f"import hostile_work; hostile_work.append_facts({str(root)!r}, {str(folder)!r}, 'latest')"
    environment = {**os.environ, "PYTHONPATH": f"{Path(__file__).parent}:{paths.PROJECT}"}
    subprocess.run([*strace(log), sys.executable, "-c", work], env=environment, check=True)
    disk = Disk(root).read(log)
    assert disk.faults == []
    assert disk.calls["fsync"] > 50 and disk.calls["link"] > 5
    assert not disk.content and not disk.names[root / "data" / "club" / "built" / "facts"]
