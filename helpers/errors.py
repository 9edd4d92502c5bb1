"""What can go wrong, said to people: each error says what, where, why and what to do, and knows its exit code."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_PASSWORD = re.compile(r"""(?<=://)([^\s"'<>:/@]*):[^\s"'<>]+@""")


def without_passwords(text: str) -> str:
    """The text with the password of every address in it masked: `postgres://reader:***@host/db`."""
    return _PASSWORD.sub(r"\1:***@", text)


class GrowthRingsError(Exception):
    """The base of all errors that a person is meant to read; its text is shown without a traceback or a password."""

    exit_code = 1

    def __init__(self, text: object = "") -> None:
        super().__init__(without_passwords(str(text)))


class RunFailed(GrowthRingsError):
    """The run itself failed: a cell raised, a contract was broken, a kernel died."""


class InputError(GrowthRingsError):
    """Bad input or a bad parameter: nothing has been written."""

    exit_code = 2


class EnvironmentFault(GrowthRingsError):
    """The machine is in the way: disk, memory, a lock, a library of an unsuitable version."""

    exit_code = 4


def nearest(wrong: str, allowed: Iterable[str]) -> str:
    """` Did you mean "x"?` for the allowed name that is most like the wrong one, or nothing."""
    found = get_close_matches(str(wrong).lower(), {name.lower(): name for name in allowed}, n=1, cutoff=0.6)
    originals = {name.lower(): name for name in allowed}
    return f' Did you mean "{originals[found[0]]}"?' if found else ""
