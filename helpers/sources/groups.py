"""What is kept of events past the door: groups of source files, each in one file of ours, and which rows stand twice."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from helpers import paths

INDEX = "index.json"


@dataclass(frozen=True)
class Group:
    """Some files of one source, kept in one file of ours.

    Attributes:
        path: Its name below `built/events`.
        files: SHA-256 of each source file by its label.
        days: Of each local day the rows, a sum over them that is another when any of them is another or stands elsewhere, and
            one that is another when any sound row says something else.
    """

    path: str
    files: dict[str, str]
    days: dict[str, tuple[int, int, int]]


@dataclass
class Index:
    """What is kept.

    Attributes:
        keys: What decides how the rows of a source are read, by its name.
        groups: By the name of the source.
        again: The file that lists rows which repeat an earlier one; "" where nothing was kept yet.
        repeated: By source and local day, their number and the sum of what they say.
    """

    keys: dict[str, str] = field(default_factory=dict)
    groups: dict[str, list[Group]] = field(default_factory=dict)
    again: str = ""
    repeated: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)

    def days(self, source: str) -> dict[str, tuple[int, int, int]]:
        """Rows and sums of a source's days, over all groups."""
        found: dict[str, tuple[int, int, int]] = {}
        for group in self.groups.get(source, ()):
            for day, own in group.days.items():
                found[day] = tuple(map(sum, zip(found.get(day, (0, 0, 0)), own, strict=True)))
        return found


def load(folder: Path) -> Index:
    """What is kept; nothing where the index is damaged."""
    try:
        known = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        groups = {
            name: [Group(own["path"], own["files"], {day: tuple(mark) for day, mark in own["days"].items()}) for own in groups]
            for name, groups in known["groups"].items()
        }
        repeated = {name: {day: tuple(own) for day, own in days.items()} for name, days in known["repeated"].items()}
        return Index(known["keys"], groups, known["again"], repeated) if (folder / known["again"]).exists() else Index()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Index()


def save(folder: Path, made: Index) -> None:
    """Write the index, whole or not at all."""
    groups = {name: [vars(group) for group in own] for name, own in made.groups.items()}
    content = {"keys": made.keys, "groups": groups, "again": made.again, "repeated": made.repeated}
    with paths.whole(folder / INDEX, relied_on=True) as fresh:
        fresh.write_text(json.dumps(content), encoding="utf-8")


def sweep(folder: Path, known: Index, made: Index) -> None:
    """Remove the files that were kept and are no longer."""
    for path in files(known) - files(made):
        (folder / path).unlink(missing_ok=True)


def files(index: Index) -> set[str]:
    """Names of all files."""
    return {group.path for groups in index.groups.values() for group in groups} | ({index.again} - {""})
