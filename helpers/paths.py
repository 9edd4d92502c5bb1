"""Where things lie: the project's own folders, and the one environment variable that moves what is built."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from helpers.errors import EnvironmentFault, of_disk

PROJECT = Path(__file__).resolve().parent.parent
NOTEBOOKS = PROJECT / "notebooks"
DEFAULTS = PROJECT / "helpers" / "defaults"
BUILT_ROOT_VARIABLE = "GROWTH_RINGS_BUILT"
UNFINISHED = ".part"
LEFT_SECONDS = 3600  # an unfinished file this old is nobody's any more


def built_root() -> Path:
    """The folder below which `data/<name>/built`, the simulated raw files and `reports/` are written."""
    return Path(os.environ.get(BUILT_ROOT_VARIABLE) or PROJECT).resolve()


def built(dataset: str) -> Path:
    """User-level artefacts of a dataset; readable by their owner alone."""
    return built_root() / "data" / dataset / "built"


def reports(dataset: str) -> Path:
    """What may be passed around."""
    return built_root() / "reports" / dataset


def at_home(text: Path | str) -> Path:
    """A path whose `~` is somebody's home; as it is written where that home is not known."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def beside(path: Path) -> Path:
    """A hidden name beside a file, of nobody else's; it says which process makes it."""
    return path.with_name(f".{path.name}.{token()}{UNFINISHED}")


def token() -> str:
    """What a name ends with that is nobody else's: which process makes the file, and some letters."""
    return f"{os.getpid()}-{secrets.token_hex(6)}"


def sweep(folder: Path) -> None:
    """Remove below a folder what processes that are gone have left unfinished."""
    for left in [path for path in below(folder) if is_unfinished(path.name)]:
        with suppress(OSError):
            if is_nobodys(left):
                remove(left)


def is_unfinished(name: str) -> bool:
    """Whether this is the name of a file or folder that is being made, or was when its process died."""
    return name.startswith(".") and name.endswith(UNFINISHED)


def below(folder: Path) -> Iterator[Path]:
    """Files and folders below a folder; a folder that somebody removes meanwhile is passed over."""
    for place, folders, files in os.walk(folder):
        yield from (Path(place, name) for name in (*folders, *files))


def sweep_unnamed(folder: Path, named: set[str], before: Iterable[str] = ()) -> None:
    """Remove Parquet files that a folder's index does not name: those that it named before, and what a killed process made."""
    for path in folder.glob("*.parquet"):
        if path.name not in named and (path.name in before or is_nobodys(path)):
            remove(path)


def is_nobodys(path: Path) -> bool:
    """Whether the process that made a file is gone; of one that does not say which process that is, whether it is old."""
    maker = re.search(r"\b([0-9]+)-[0-9a-f]{12}\.[a-z]+$", path.name)
    return bool(maker and not is_running(int(maker[1]))) or time.time() - path.lstat().st_mtime > LEFT_SECONDS


def is_running(process: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def whole(path: Path, *, relied_on: bool = False) -> Iterator[Path]:
    """Write a file or a folder whole or not at all: what is made at the place yielded takes the path's when all went well.

    Its content is on the disk before it has its name, so that not even a power failure leaves a name without content.

    Args:
        relied_on: Whether it says that other files are there, as an index does: then what its folder holds is on the disk
            before it has its name, and so is its name before the block ends.

    Raises:
        EnvironmentFault: The disk is full, not writable or broken.
    """
    fresh, gone = beside(path), beside(path)
    try:
        yield fresh
        flush_all(fresh)
        if relied_on:
            flush(path.parent)
        if path.exists() and (_is_folder(path) or _is_folder(fresh)):
            path.replace(gone)
        fresh.replace(path)
        if relied_on:
            flush(path.parent)
    except OSError as fault:
        raise of_disk(path, fault) from fault
    except EnvironmentFault as fault:  # of what was made at the place yielded, which nobody knows
        raise EnvironmentFault(str(fault).replace(str(fresh), str(path))) from None
    finally:
        _discard(fresh)
        _discard(gone)


@contextmanager
def whole_folder(path: Path, mode: int = 0o700) -> Iterator[Path]:
    """The same for a folder, which is made."""
    with whole(path, relied_on=True) as fresh:
        fresh.mkdir(mode=mode)
        yield fresh


def flush_all(path: Path) -> None:
    """The same as `flush`, and for all that is in a folder."""
    for file in path.rglob("*") if _is_folder(path) else ():
        flush(file)
    flush(path)


def flush(path: Path) -> None:
    """See to it that what a file says, or which names a folder holds, outlives a power failure."""
    if path.is_symlink():  # its folder holds all of it
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as fault:
        if not path.is_dir() or fault.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network disks flush no folder
            raise
    finally:
        os.close(descriptor)


def _discard(path: Path) -> None:
    """Remove what is not needed; what cannot be removed is swept away by a later run, and is no reason to fail."""
    with suppress(OSError):
        remove(path)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def make_private(folder: Path) -> None:
    """Make a folder and those above it, readable by their owner alone.

    Raises:
        EnvironmentFault: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as fault:
        raise of_disk(folder, fault) from None
