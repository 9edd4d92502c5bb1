"""Signals that ask the process to end, Ctrl-C among them, as an exception that passes through every `finally`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from helpers.errors import Stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def by_signals() -> Iterator[list[Stopped]]:
    """Within the block, the first such signal raises `Stopped`; further ones do not disturb what is being put in order.

    One that the caller ignores stays ignored, as SIGHUP under nohup. The list that is yielded holds the exception, too: a
    library in which the signal arrived may have made another one of it.
    """
    asked: list[Stopped] = []
    before = {number: signal.getsignal(number) for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN}

    def stop(number: int, _frame: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        asked.append(Stopped(number))
        raise asked[0]

    for number in before:
        signal.signal(number, stop)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if asked else handler)
