"""One line a step while a run works; on a terminal also what it is working on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from helpers.show import gate


class Plain:
    """Lines, as they come."""

    def say(self, line: str) -> None:
        print(gate.plain(line), flush=True)  # noqa: T201

    def working(self, names: list[str]) -> None:
        """What is being run now; nothing is shown of it here."""

    def stop(self) -> None:
        """Nothing to take away."""


class Silent(Plain):
    """For a caller that wants the outcome alone."""

    def say(self, line: str) -> None:
        pass


class Live(Plain):
    """Lines above a spinner that names what is being run; rich is imported when the first step runs."""

    def __init__(self) -> None:
        self._status = None

    def say(self, line: str) -> None:
        if self._status is None:
            super().say(line)
        else:
            self._status.console.print(gate.plain(line), markup=False, highlight=False, soft_wrap=True)

    def working(self, names: list[str]) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        if self._status is None:
            columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
            self._status = Progress(*columns, console=Console(), transient=True)
            self._status.add_task("")
            self._status.start()
        self._status.update(self._status.task_ids[0], description=", ".join(names) or "pages")

    def stop(self) -> None:
        if self._status is not None:
            self._status.stop()


@contextmanager
def shown() -> Iterator[Plain]:
    """What suits standard output: a terminal that can take a line back gets a spinner."""
    made = Live() if sys.stdout.isatty() and os.environ.get("TERM") != "dumb" else Plain()
    try:
        yield made
    finally:
        made.stop()
