"""Where things lie: the project's own folders, and the one environment variable that moves what is built."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
NOTEBOOKS = PROJECT / "notebooks"
DEFAULTS = PROJECT / "helpers" / "defaults"
BUILT_ROOT_VARIABLE = "GROWTH_RINGS_BUILT"
UNFINISHED = ".part"


def built_root() -> Path:
    """The folder below which `data/<name>/built`, the simulated raw files and `reports/` are written."""
    return Path(os.environ.get(BUILT_ROOT_VARIABLE) or PROJECT).resolve()


def built(dataset: str) -> Path:
    """User-level artefacts of a dataset; readable by their owner alone."""
    return built_root() / "data" / dataset / "built"


def reports(dataset: str) -> Path:
    """What may be passed around."""
    return built_root() / "reports" / dataset


def beside(path: Path) -> Path:
    """A hidden name beside a file, of nobody else's."""
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}{UNFINISHED}")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all: the file yielded takes the path's place when the block ends well."""
    fresh = beside(path)
    try:
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
