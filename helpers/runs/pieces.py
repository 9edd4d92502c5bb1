"""The stored facts: an index of pieces, each some days with a Parquet file a table."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from helpers import paths

INDEX = "index.json"


@dataclass
class Piece:
    """Facts of some days, one after the other but for days without any: a file for each table."""

    first: date
    last: date
    files: dict[str, str]


@dataclass
class Index:
    """What is stored.

    Attributes:
        key: What decides how events become facts.
        marks: Of each stored day, what it and the days around it were made of.
        own: Of each stored day, what it was made of itself.
        pieces: In the order of their days.
        tails: Of last days of weeks: what each was made of, and its files.
    """

    key: str = ""
    marks: dict[date, str] = field(default_factory=dict)
    own: dict[date, str] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)
    tails: dict[date, tuple[str, dict[str, str]]] = field(default_factory=dict)


def files(index: Index) -> set[str]:
    """Names of all files."""
    own = [*(piece.files for piece in index.pieces), *(files for _, files in index.tails.values())]
    return {name for files in own for name in files.values()}


def load(folder: Path) -> Index:
    """What is stored; nothing where the index is damaged or names a file that is not there."""
    day = date.fromisoformat
    try:
        known = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        index = Index(
            known["key"],
            {day(name): mark for name, mark in known["marks"].items()},
            {day(name): mark for name, mark in known["own"].items()},
            [Piece(day(own["first"]), day(own["last"]), own["files"]) for own in known["pieces"]],
            {day(name): (mark, files) for name, (mark, files) in known["tails"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Index()
    return index if all((folder / name).exists() for name in files(index)) else Index()


def save(folder: Path, index: Index, before: Index) -> None:
    """Write the index, then remove the files that were stored before and are no longer."""
    by_day = {name: {str(day): own for day, own in sorted(getattr(index, name).items())} for name in ("marks", "own", "tails")}
    content = {"key": index.key, **by_day, "pieces": [vars(piece) for piece in index.pieces]}
    with paths.whole(folder / INDEX, relied_on=True) as fresh:
        fresh.write_text(json.dumps(content, default=str), encoding="utf-8")
    paths.sweep_unnamed(folder, files(index), files(before))
