"""What can go wrong, said to people: each error says what, where, why and what to do, and knows its exit code."""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

_PASSWORD = re.compile(r"""(?<=://)([^\s"'<>:/@]*):[^\s"'<>]+@""")
CURES = {
    errno.ENOSPC: "Free some space (`df -h`; if there are too many files, `df -i`)",
    errno.EDQUOT: "Free some of your space or have your quota raised",
    errno.EFBIG: "Allow larger files (`ulimit -f unlimited`)",
    errno.EROFS: "Mount that place writable",
    errno.EACCES: "Make the place writable",
    errno.EIO: "The disk itself fails (`dmesg` may say more): see to it",
}
ELSEWHERE = "GROWTH_RINGS_BUILT=/path/to/folder names another place."


def without_passwords(text: str) -> str:
    """The text with the password of every address in it masked: `postgres://reader:***@host/db`."""
    return _PASSWORD.sub(r"\1:***@", text)


class GrowthRingsError(Exception):
    """The base of all errors that a person is meant to read; its text is shown without a traceback or a password."""

    exit_code = 1

    def __init__(self, text: object = "") -> None:
        super().__init__(without_passwords(str(text)))

    def worded(self, text: str) -> GrowthRingsError:
        """An error of the same exit code in other words."""
        return next(kind for kind in (RunFailed, InputError, EnvironmentFault, GrowthRingsError) if isinstance(self, kind))(text)


class RunFailed(GrowthRingsError):
    """The run itself failed: a cell raised, a contract was broken, a kernel died."""


class InputError(GrowthRingsError):
    """Bad input or a bad parameter: nothing has been written."""

    exit_code = 2


class EnvironmentFault(GrowthRingsError):
    """The machine is in the way: disk, memory, a lock, a library of an unsuitable version."""

    exit_code = 4


class Stopped(BaseException):
    """A signal asks this process to end; no `except Exception` takes it for a fault."""

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        who = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        super().__init__(f"Stopped by {who}. What was finished is kept; the same command goes on from there.")


def of_disk(path: Path | str, fault: Exception) -> EnvironmentFault:
    """What is said when a file cannot be written.

    Args:
        fault: Of the system, or of a library that repeats in its text what the system said.
    """
    number = getattr(fault, "errno", None) or number_in(str(fault))
    why = os.strerror(number) if number else str(fault)
    return EnvironmentFault(f"{path}: cannot be written ({why}). {cure(number)}")


def number_in(text: str) -> int | None:
    """The number, as in `errno`, of what a text repeats that the system said of a disk; None if nothing."""
    return next((own for own in CURES if os.strerror(own) in text), None)


def cure(number: int | None) -> str:
    """What to do about a disk that is in the way; `number` is what the system says, as in `errno`."""
    what = CURES.get(number, "Make the place writable")
    return f"{what}, then run the same command again: finished steps are kept. {ELSEWHERE}"


def nearest(wrong: str, allowed: Iterable[str]) -> str:
    """` Did you mean "x"?` for the allowed name that is most like the wrong one, or nothing."""
    found = get_close_matches(str(wrong).lower(), {name.lower(): name for name in allowed}, n=1, cutoff=0.6)
    originals = {name.lower(): name for name in allowed}
    return f' Did you mean "{originals[found[0]]}"?' if found else ""
