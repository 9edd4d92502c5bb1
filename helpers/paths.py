"""Where things lie: the project's own folders, and the one environment variable that moves what is built."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.errors import EnvironmentFault

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


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """The same for a folder, which is made; it may take the place of a file."""
    fresh = beside(path)
    fresh.mkdir(mode=0o700)
    try:
        yield fresh
        if path.exists():
            gone = beside(path)
            path.replace(gone)
            fresh.replace(path)
            remove(gone)
        else:
            fresh.replace(path)
    finally:
        remove(fresh)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_private(folder: Path) -> None:
    """Make a folder and those above it, readable by their owner alone.

    Raises:
        EnvironmentFault: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as fault:
        raise EnvironmentFault(f"{folder}: cannot be made ({fault.strerror}). Make the place writable.") from None
