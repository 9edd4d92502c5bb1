"""What a piece of work costs: each in a process of its own, two sides in turn, the least of each side counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from helpers import paths
from helpers.sources import privacy

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


def in_turn(sides: list[Callable[[], Cost]], rounds: int) -> list[Cost]:
    """Of each side the least time and the largest memory; in every round all run, so that a slow minute meets all."""
    found: list[list[Cost]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, costs in zip(sides, found, strict=True):
            costs.append(side())
    return [Cost(min(cost.seconds for cost in own), max(cost.memory for cost in own)) for own in found]
