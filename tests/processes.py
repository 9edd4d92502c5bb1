"""A tiny project, run as a person runs it: processes of their own, with an environment and a folder for temporary files."""

from __future__ import annotations

import json
import os
import py_compile
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tiny

from helpers import paths
from helpers.runs.keys import file_hash

MARK = "GROWTH_RINGS_TEST"
# `python -m helpers` runs the notebooks of the project; here it runs those of the tiny one, and may lack a library.
CUSTOMIZE = """
import importlib.metadata, os, sys
from pathlib import Path
from helpers import paths
paths.NOTEBOOKS = Path(os.environ["TINY_NOTEBOOKS"])
without, _, had = os.environ.get("TINY_WITHOUT", "").partition("=")
if without:
    sys.prefix = "/nowhere"  # nobody's environment is made again
    class Missing:
        @staticmethod
        def find_spec(name, *_):
            if name.partition(".")[0] == without and not had:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    sys.meta_path.insert(0, Missing)
    version = importlib.metadata.version
    def stated(name):
        if name == without and not had:
            raise importlib.metadata.PackageNotFoundError(name)
        return had if name == without else version(name)
    importlib.metadata.version = stated
"""


@dataclass
class Machine:
    """A tiny project in a folder, a built root beside it, and a folder for temporary files that is short enough for sockets."""

    folder: Path
    temporary: Path

    @property
    def project(self) -> tiny.Project:
        return tiny.Project(self.folder / "project" / "tiny", self.folder / "project" / "notebooks")

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def reports(self) -> Path:
        return self.root / "reports" / "tiny"

    def environment(self, **changed: str | None) -> dict[str, str]:
        own = {
            MARK: str(self.folder), "TINY_NOTEBOOKS": str(self.project.books), "TMPDIR": str(self.temporary),
            "PYTHONPATH": f"{self.folder / 'site'}:{paths.PROJECT}", paths.BUILT_ROOT_VARIABLE: str(self.root),
            "PYTHONDONTWRITEBYTECODE": None, **changed,
        }  # fmt: skip
        return {name: value for name, value in {**os.environ, **own}.items() if value is not None}

    def start(self, *words: str, before: tuple[str, ...] = (), **changed: str | None) -> subprocess.Popen:
        """`python -m helpers report` of the project, in a group of its own as at a terminal."""
        return subprocess.Popen(
            [*before, sys.executable, "-m", "helpers", "report", str(self.project.data), *words], cwd=paths.PROJECT, text=True,
            env=self.environment(**changed), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, preexec_fn=hang_up_counts,
        )  # fmt: skip

    def run(self, *words: str, before: tuple[str, ...] = (), **changed: str | None) -> tuple[int, str, str]:
        return ended(self.start(*words, before=before, **changed))

    def slow(self, name: str, before: str) -> Path:
        """Let a cell wait, once, until it is told to go on; gives the file that it makes when it has begun."""
        flag = self.folder / f"{name}.begun"
        wait = (
            f"import pathlib, time\nflag = pathlib.Path({str(flag)!r})\nif not flag.exists():\n    flag.touch()\n"
            "    end = time.monotonic() + 60\n    while flag.exists() and time.monotonic() < end:\n        time.sleep(0.05)\n"
        )
        self.project.change(name, before, wait + before)
        return flag

    def processes(self) -> list[int]:
        """All that run for this machine: runner, warm process, kernels."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"{MARK}={self.folder}\0".encode() in path.read_bytes():
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found

    def strays(self) -> list[str]:
        """Processes, temporary files and half-made files that are left."""
        until(lambda: not self.processes())
        hidden = [path.relative_to(self.root) for path in self.root.rglob(".*") if path.name not in (".runs", ".lock")]
        return [*map(str, self.processes()), *(path.name for path in self.temporary.iterdir()), *map(str, hidden)]

    def content(self, week: str = "latest") -> dict | None:
        """What a published run holds, that does not depend on when it was made; None where none is. It must be whole."""
        link = self.reports / week
        if not link.is_symlink():
            return None
        folder = link.resolve(strict=True)
        record = json.loads((folder / "run.json").read_text("utf-8"))
        assert {name: file_hash(folder / name) for name in record["pages"]} == record["pages"]
        return {name: record[name] for name in ("week", "numbers", "pages", "files", "rows", "headline")}

    def records(self) -> list[str]:
        """The steps that are finished."""
        return sorted(path.stem for path in self.root.glob("data/tiny/built/*/steps/*.json"))


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """A new one; whatever still runs of it is ended, and its temporary files go."""
    tiny.write_project(folder / "project")
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(CUSTOMIZE, "utf-8")
    py_compile.compile(str(folder / "site" / "sitecustomize.py"))  # read before helpers can see whether bytecode fits
    temporary = Path(tempfile.mkdtemp(prefix="h-", dir="/tmp"))
    made = Machine(folder, temporary)
    try:
        yield made
    finally:
        for process in made.processes():
            os.kill(process, signal.SIGKILL)
        shutil.rmtree(temporary, ignore_errors=True)


def hang_up_counts() -> None:
    """The tests may run under nohup, of which a program that they start shall know nothing."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def ended(process: subprocess.Popen, seconds: float = 120) -> tuple[int, str, str]:
    """How a process ended: its exit code, what it wrote, what it complained of."""
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def until(holds: Callable[[], object], seconds: float = 60) -> bool:
    """Wait until something holds; whether it came to hold."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
