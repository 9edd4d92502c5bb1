"""One run of a dataset at a time: a lock that the system lets go of when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers import paths
from helpers.errors import EnvironmentFault

WAIT_SECONDS = 60.0


@contextmanager
def held(folder: Path, say: Callable[[str], None], wait: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock of a dataset's built folder.

    Raises:
        EnvironmentFault: Another run has held it for longer than `wait` seconds; names its process.
    """
    stream = _take(folder / ".lock", say, wait)
    try:
        stream.seek(0)
        stream.truncate()
        stream.write(str(os.getpid()))
        stream.flush()
        yield
    finally:
        stream.close()


def _take(path: Path, say: Callable[[str], None], wait: float):
    end, told = time.monotonic() + wait, False
    while True:
        paths.make_private(path.parent)  # each time: its last holder may have removed the folder with everything in it
        try:
            stream = path.open("a+", encoding="utf-8")
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(path.stat(), os.fstat(stream.fileno())):
                return stream
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            if time.monotonic() > end:
                stream.close()
                raise EnvironmentFault(
                    f"Another run of this dataset (process {holder}) is still at work. Wait for it, or stop it, and run again."
                ) from None
            if not told:
                say(f"Waiting for another run of this dataset (process {holder}) ...")
                told = True
        stream.close()
        time.sleep(0.1)
