"""The walk: one `make report` from raw files to pages, against the same notebooks by papermill commands in a row."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from helpers import paths
from helpers.runs import keys, opening, planning
from helpers.runs.planning import Plan
from helpers.sources import dataset as datasets

MOST_OVERHEAD = 6.0
MOST_SHARE = 1 / 3


def main() -> int:
    """Print the measures; 1 when one is out of bounds."""
    with tempfile.TemporaryDirectory(prefix="growth-rings-bench-") as folder:
        ours, theirs = Path(folder) / "ours", Path(folder) / "theirs"
        _use(ours)
        opening.prepare(datasets.load("sample"))
        shutil.copytree(ours, theirs)
        walk = _timed([sys.executable, "-m", "helpers", "report"], paths.PROJECT)
        again = _timed([sys.executable, "-m", "helpers", "report"], paths.PROJECT)
        plan = planning.plan(planning.check(planning.Request()))
        chain, total = _cells(plan)
        _use(theirs)
        commands = sum(_by_command(step.name, plan.run.week, Path(folder)) for step in plan.steps)
    overhead, share = walk - chain, walk / commands
    print(f"the walk                        {walk:6.1f} s   {len(plan.steps)} notebooks, pages published")
    print(f"its cells, longest chain        {chain:6.1f} s   all cells {total:.1f} s")
    print(f"its overhead                    {overhead:6.1f} s   at most {MOST_OVERHEAD:.0f} s")
    print(f"papermill commands in a row     {commands:6.1f} s")
    print(f"the walk's share of it          {share:6.0%}     at most {MOST_SHARE:.0%}")
    print(f"a second walk, all reused       {again:6.1f} s")
    return int(overhead > MOST_OVERHEAD or share > MOST_SHARE)


def _use(root: Path) -> None:
    os.environ[paths.BUILT_ROOT_VARIABLE] = str(root)


def _timed(command: list[str], folder: Path) -> float:
    began = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def _by_command(name: str, week: str, folder: Path) -> float:
    words = ["-m", "papermill", f"{name}.ipynb", str(folder / f"{name}.out.ipynb"), "-p", "week", week]
    return _timed([sys.executable, *words], paths.NOTEBOOKS)


def _cells(plan: Plan) -> tuple[float, float]:
    """Seconds of the longest chain of notebooks that wait for each other, and of all cells."""
    own = {step.name: record.seconds for step in plan.steps if (record := keys.read_record(plan.folder, step.name))}
    ends: dict[str, float] = {}
    for step in plan.steps:
        ends[step.name] = own.get(step.name, 0.0) + max((ends[name] for name in step.after), default=0.0)
    return max(ends.values()), sum(own.values())


if __name__ == "__main__":
    sys.exit(main())
