"""Which engine a dataset asks for, and how much of the machine it may use: `engine = ...` of dataset.toml."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.errors import nearest
from helpers.sources.mistakes import Mistake

ALLOWED = (
    'Allowed: "duckdb", or { spark = "spark://host:7077" }, or { duckdb = { threads = 2, memory = "4GB", spill = "/big/disk" } } '
    "with any of these three."
)
MASTER = re.compile(r"local(\[(\d+|\*)\])?|(spark|k8s)://\S+|yarn")
MEMORY = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT])B")
SIZES = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
LEAST_MEMORY = 64 * 2**20  # with less DuckDB cannot sort


@dataclass(frozen=True)
class Engine:
    """An engine; what is None follows from the machine.

    Attributes:
        spark: The address of Spark; None for DuckDB.
        threads: Processors that each notebook's DuckDB uses.
        memory: What the notebooks that run at once may take together, such as "4GB".
        spill: The folder for what does not fit into memory.
    """

    spark: str | None = None
    threads: int | None = None
    memory: str | None = None
    spill: str | None = None

    def __str__(self) -> str:
        return f"spark {self.spark}" if self.spark else "duckdb"


def size(memory: str) -> int:
    """Bytes of such as "4GB"."""
    number, unit = MEMORY.fullmatch(memory).groups()
    return int(float(number) * SIZES[unit])


def read(value: Any) -> tuple[Engine, Mistake | None]:
    """The engine that is asked for, and what is wrong with it."""
    if value == "duckdb":
        return Engine(), None
    name, own = next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else ("", None)
    if name == "spark" and isinstance(own, str):
        if MASTER.fullmatch(own):
            return Engine(spark=own), None
        told = 'An address of Spark is written "spark://host:7077", "k8s://https://host:port", "yarn" or, here, "local[2]".'
        return Engine(), Mistake("engine", told, own)
    if name == "duckdb" and isinstance(own, dict):
        wrong = next((fault for key, given in own.items() if (fault := _fault(key, given))), None)
        return (Engine(), wrong) if wrong else (Engine(**own), None)
    hint = nearest(name or str(value), ("duckdb", "spark")) if name not in ("duckdb", "spark") else ""
    return Engine(), Mistake("engine", f"{ALLOWED}{hint}", value)


def _fault(key: str, given: Any) -> Mistake | None:
    checks = {"threads": _threads, "memory": _memory, "spill": _spill}
    if key in checks:
        told = checks[key](given)
        return Mistake(f"engine duckdb {key}", told, given) if told else None
    told = f"There is no such key.{nearest(key, checks)} Allowed: {', '.join(checks)}."
    return Mistake(f"engine duckdb {key}", told, given)


def _threads(given: Any) -> str:
    fits = isinstance(given, int) and not isinstance(given, bool) and given >= 1
    return "" if fits else "A number of processors is a whole number, 1 or more."


def _memory(given: Any) -> str:
    if not isinstance(given, str) or not MEMORY.fullmatch(given):
        return 'Memory is a text such as "4GB" or "800MB".'
    return "" if size(given) >= LEAST_MEMORY else f'That is too little to work with; "{LEAST_MEMORY // 2**20}MB" is the least.'


def _spill(given: Any) -> str:
    if not isinstance(given, str) or not Path(given).is_absolute():
        return 'Give the whole path of a folder, such as "/big/disk".'
    if not Path(given).is_dir():
        return "There is no such folder. Make it, or name another."
    return "" if os.access(given, os.W_OK | os.X_OK) else "Nothing can be written there. Make it writable, or name another."
