"""What a piece of work costs: each in a process of its own, two sides in turn, the least of each side counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from helpers import paths
from helpers.sources import privacy

MEMORY = "3GB"  # of the engine, on both sides, where there is more data than memory
LOOK_SECONDS = 0.2
KEY = "what the benchmark makes is nobody's secret"


@dataclass(frozen=True)
class Cost:
    """Attributes:
    seconds: Wall time of the work, the interpreter's start and its imports left out.
    memory: Peak resident memory of its process, in GB.
    """

    seconds: float
    memory: float


def tell(work: Callable[[], object]) -> None:
    """Do a piece of work in this process and print its cost, for the process that started this one."""
    began = time.monotonic()
    work()
    print(json.dumps({"seconds": time.monotonic() - began, "memory": _peak()}))


def _peak() -> float:
    """Of this program alone: what `getrusage` tells may be the peak of the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20


def ask(module: str, *words: object, built: Path) -> Cost:
    """The cost that a module tells when it is run as a program; what it builds goes below a folder."""
    command = [sys.executable, "-m", module, *map(str, words)]
    environment = os.environ | {paths.BUILT_ROOT_VARIABLE: str(built), privacy.KEY_VARIABLE: KEY}
    done = subprocess.run(command, cwd=paths.PROJECT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def watch(command: list[str], *, built: Path) -> Cost:
    """The cost of a program with all processes that it starts: wall time from its start, and the peak of their memory together.

    Memory that several share counts once; it is looked at a few times a second.
    """
    environment = os.environ | {paths.BUILT_ROOT_VARIABLE: str(built), privacy.KEY_VARIABLE: KEY}
    began, peak = time.monotonic(), 0
    with subprocess.Popen(command, cwd=paths.PROJECT, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(_share, _family(process.pid))))
            time.sleep(LOOK_SECONDS)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(time.monotonic() - began, peak / 2**20)


def _family(process: int) -> list[int]:
    """A process and all that descend from it."""
    found = [process]
    with suppress(OSError):
        for path in Path(f"/proc/{process}/task").glob("*/children"):
            found += [own for child in path.read_text(encoding="ascii").split() for own in _family(int(child))]
    return found


def _share(process: int) -> int:
    """The kibibytes of a process, of what it shares its part."""
    with suppress(OSError):
        status = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
        return int(status.partition("\nPss:")[2].split()[0])
    return 0


def in_turn(sides: list[Callable[[], Cost]], rounds: int) -> list[Cost]:
    """Of each side the least time and the largest memory; in every round all run, so that a slow minute meets all."""
    found: list[list[Cost]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, costs in zip(sides, found, strict=True):
            costs.append(side())
    return [Cost(min(cost.seconds for cost in own), max(cost.memory for cost in own)) for own in found]


def is_missed(unit: str, value: float, most: float) -> bool:
    """Say where a value stands; whether it is out of bounds."""
    missed = value > most
    print(f"  {value:.2f} {unit}, at most {most:g}{': MISSED' if missed else ''}", flush=True)
    return missed
