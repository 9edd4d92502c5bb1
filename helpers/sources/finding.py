"""Finding the files of a source: a file, a pattern, or a folder of parts."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from helpers.errors import InputError

SUFFIXES = (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz", ".tsv.zst", ".txt", ".txt.gz", ".txt.zst", ".parquet")


def files(root: Path, pattern: str, place: str) -> list[Path]:
    """The files below `root` that `pattern` means, in natural order.

    A name that exists is taken as it is, brackets and stars included. In folders and patterns, hidden files and files
    that begin with `_` (`_SUCCESS`) are skipped, and of a folder only tables are taken.

    Raises:
        InputError: There is none; names the pattern, the folder, and what lies there.
    """
    if not root.is_dir():
        raise InputError(f"{place}\n  The folder {root} does not exist. Say where the files lie: --root DIR.")
    named = root / pattern
    if named.is_file():
        return [named]
    found = _below(named) if named.is_dir() else _matching(root, pattern)
    if not found:
        raise InputError(f"{place}\n  {_nothing(root, pattern)}")
    return sorted(set(found), key=lambda path: natural(path.relative_to(root).as_posix()))


def natural(text: str) -> list[tuple[int, int, str]]:
    """A sort key in which part-2 comes before part-10."""
    return [(0, int(run), run) if run.isdecimal() else (1, 0, run) for run in re.findall(r"\d+|\D+", text)]


def _below(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*")
        if path.is_file() and path.name.lower().endswith(SUFFIXES) and _seen(path.relative_to(folder))
    ]  # fmt: skip


def _matching(root: Path, pattern: str) -> list[Path]:
    """Brackets are read as letters when, read as a choice of letters, they match nothing."""
    for tried in dict.fromkeys((pattern, pattern.replace("[", "[[]"))):
        try:
            matches = [path for path in root.glob(tried) if _seen(path.relative_to(root))]
        except (ValueError, NotImplementedError, re.error):
            matches = []
        found = [path for path in matches if path.is_file()]
        found += [inner for path in matches if path.is_dir() for inner in _below(path)]
        if found:
            return found
    return []


def _seen(path: Path) -> bool:
    return not any(part.startswith((".", "_")) for part in path.parts)


def _nothing(root: Path, pattern: str) -> str:
    asked = Path(pattern)
    folder = next((root / parent for parent in (asked.parent, *asked.parent.parents) if (root / parent).is_dir()), root)
    there = sorted(path.name for path in folder.iterdir() if _seen(Path(path.name)))
    close = get_close_matches(asked.name, there, n=1, cutoff=0.5)
    hint = f' Did you mean "{(folder / close[0]).relative_to(root).as_posix()}"?' if close else ""
    listed = ", ".join(there[:10]) + (f" and {len(there) - 10} more" if len(there) > 10 else "")
    held = f"It holds: {listed}." if there else "It is empty."
    return f'No file fits "{pattern}" below {root}. Looked in {folder}. {held}{hint} Is --root right?'
