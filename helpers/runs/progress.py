"""One line a step while a run works; on a terminal also what is being waited for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def lines() -> Iterator[Callable[[str], None]]:
    """Gives `say(line)`. Rich's spinner is imported only where there is a terminal and something takes time."""
    if not sys.stdout.isatty():
        yield lambda line: print(line, flush=True)  # noqa: T201
        return
    shown = _Spinner()
    try:
        yield shown.say
    finally:
        shown.stop()


class _Spinner:
    """Prints lines above a spinner that starts with the second line: a run with one line has nothing to wait for."""

    def __init__(self) -> None:
        self._status = None
        self._began = time.monotonic()

    def say(self, line: str) -> None:
        from rich.console import Console

        if self._status is None:
            console = Console(highlight=False)
            console.print(line, markup=False)
            self._status = console.status("working ...")
            self._status.start()
        else:
            self._status.console.print(line, markup=False)
        self._status.update(f"working, {time.monotonic() - self._began:.0f} s")

    def stop(self) -> None:
        if self._status is not None:
            self._status.stop()
