"""What can be wrong with data, under one list of codes: what follows from it, what it means, what to do.

A problem is said as `E1203 events.csv line 17, column ts: ...`. The letter tells what follows: E for what stops a run or sets a
row aside, W for a warning, N for a note. The list is printed in data/README.md, and a test compares the two.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from helpers import paths
from helpers.errors import InputError, without_passwords

ERROR, WARN, NOTE = "error", "warn", "note"
STOPS, ASIDE, ONCE, WARNS, NOTES = "error", "quarantine", "duplicate", "warning", "note"
FOLLOWS = {
    STOPS: "the run stops", ASIDE: "the row is set aside", ONCE: "the row is dropped", WARNS: "a warning", NOTES: "a note",
}  # fmt: skip


class Code(NamedTuple):
    """A code: its name (the reason in ledgers), what follows (one of the five above), what it means, what to do."""

    code: str
    name: str
    follows: str
    meaning: str
    remedy: str


def _codes() -> list[Code]:
    listed = tomllib.loads((paths.DEFAULTS / "codes.toml").read_text(encoding="utf-8"))
    return [Code(code, **said) for code, said in listed.items()]


CODES = _codes()
BY_NAME = {code.name: code for code in CODES}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where. `line` is physical, from 1; 0 where it is of the whole file."""

    code: str
    severity: str
    file: str
    line: int
    column: str
    text: str

    def __str__(self) -> str:
        place = f" line {self.line}" if self.line else ""
        if self.column:
            place += f"{',' if self.line else ''} column {self.column}"
        return f"{self.code} {self.file}{place}: {self.text}" if self.file else f"{self.code} {self.text}"


def problem(name: str, file: str, said: str = "", *, line: int = 0, column: str = "", severity: str = "") -> Problem:
    """A problem by the name of its code; `said` replaces the code's meaning, the remedy is added where it is missing."""
    code = BY_NAME[name]
    follows = {STOPS: ERROR, ASIDE: WARN, WARNS: WARN}.get(code.follows, NOTE)
    text = without_passwords(said or f"{code.meaning}. {code.remedy}")
    return Problem(code.code, severity or follows, without_passwords(file), line, column, text)


class FaultyData(InputError):
    """Input that cannot be used, with its problems as they are listed for a machine."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(found) for found in self.problems))


def faulty(name: str, file: str, said: str = "", *, line: int = 0, column: str = "") -> FaultyData:
    """The error of one problem."""
    return FaultyData([problem(name, file, said, line=line, column=column, severity=ERROR)])


def masked(value: str) -> str:
    """An id as messages show it: `155***0007`; of a short one, its first letter alone."""
    return f"{value[:3]}***{value[-4:]}" if len(value) >= 9 else f"{value[:1]}***"


def told(value: str, longest: int = 40) -> str:
    """A cell that is no id, as messages show it: in one line, without what acts on a terminal; long text as its length."""
    if len(value) > longest:
        return f"<{len(value):,} characters>"
    shown = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in value)
    return f'"{shown}"'
