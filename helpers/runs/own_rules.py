"""A named segment written into a dataset's rules.toml, and taken out again; everything else in the file stays as it is."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from helpers import paths
from helpers.errors import InputError
from helpers.runs import failures, ruling
from helpers.sources import mistakes
from helpers.sources.mistakes import Mistake

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset

SECTION = "segments"
LONGEST_NAME = 60
_HEADER = re.compile(r"\s*\[\s*segments\s*\]\s*(#.*)?")
_ANY_HEADER = re.compile(r"\s*\[")
_written: dict[Path, tuple[str, str | None]] = {}  # what this process wrote last, and what stood there before


class Kept(NamedTuple):
    """What was written or taken out: the file, the number of the line, and its text."""

    file: str
    line: int
    text: str


def save(dataset: Dataset, known: dict[str, Any], name: str, condition: str) -> Kept:
    """Add a named segment to the dataset's own rules.

    Args:
        known: The segments that there are, shipped ones too.

    Raises:
        InputError: The name or the condition cannot be; nothing was written.
    """
    path = (dataset.folder / "rules.toml").resolve()
    before = _text(path) if path.is_file() else None
    wrong = _of_name(name, {*known, *_own(before or "", path).get(SECTION, {})}) or ruling.of_segment(name, condition)
    if not condition.strip():
        wrong = [Mistake(f"[{SECTION}] {name}", "Its condition is empty.", condition)]
    if wrong:
        raise mistakes.tell(path, wrong)
    line = f"{_quoted(name)} = {_quoted(condition)}"
    after, at = _added(before or "", line)
    _expect(path, before or "", after, {name: condition}, line)
    _replace(path, after)
    _written[path] = (after, before)
    return Kept(failures.short(path), at, line)


def drop(dataset: Dataset, name: str) -> Kept:
    """Take a named segment out of the dataset's own rules; right after `save` the file is as it was before.

    Raises:
        InputError: It is not there, or does not stand on one line.
    """
    path = (dataset.folder / "rules.toml").resolve()
    now = _text(path) if path.is_file() else ""
    own = _own(now, path).get(SECTION, {})
    if name not in own:
        raise InputError(f'{failures.short(path)}: [segments] has no "{name}".')
    line = f"{_quoted(name)} = {_quoted(own[name])}"
    lines = now.splitlines(keepends=True)
    at = next((number for number, text in enumerate(lines) if text.strip() == line), None)
    if at is None:
        raise InputError(f'{failures.short(path)}: "{name}" was written by hand; take it out by hand, too.')
    after, before = _written.pop(path, (None, None))
    if after == now and before is None:
        path.unlink()
    else:
        _replace(path, before if after == now and before is not None else "".join(lines[:at] + lines[at + 1 :]))
    return Kept(failures.short(path), at + 1, line)


def _of_name(name: str, known: set[str]) -> list[Mistake]:
    """What is wrong with a name."""
    said = ""
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        said = f"Give it a name of 1 to {LONGEST_NAME} characters."
    elif name in known:
        said = "There is a segment of this name already; choose another."
    return [Mistake(f"[{SECTION}]", said, name)] if said else []


def _quoted(text: str) -> str:
    """A text as TOML has it in one line."""
    return json.dumps(text, ensure_ascii=False)


def _text(path: Path) -> str:
    """The file's text with its own ends of lines."""
    return path.read_bytes().decode("utf-8")


def _own(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise InputError(f"{failures.short(path)}: {fault}. Mend it first.") from None


def _added(text: str, line: str) -> tuple[str, int]:
    """The text with the line at the end of its section, which is made where there is none; and the line's number."""
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines()
    header = next((at for at, own in enumerate(lines) if _HEADER.fullmatch(own)), None)
    if header is None:
        lines += [*([""] if lines and lines[-1].strip() else []), f"[{SECTION}]", line]
        return ending.join(lines) + ending, len(lines)
    rest = lines[header + 1 :]
    length = next((at for at, own in enumerate(rest) if _ANY_HEADER.match(own)), len(rest))
    last = max((at for at in range(length) if rest[at].strip() and not rest[at].lstrip().startswith("#")), default=-1)
    at = header + 2 + last
    return ending.join([*lines[:at], line, *lines[at:]]) + ending, at + 1


def _expect(path: Path, before: str, after: str, added: dict[str, str], line: str) -> None:
    """Nothing but the segment may have changed; where the file is written in another way, that is for a person."""
    wanted = _own(before, path)
    wanted[SECTION] = {**wanted.get(SECTION, {}), **added}
    try:
        made = tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        made = None
    if made != wanted:
        raise InputError(f"{failures.short(path)}: its [segments] is written in a way of its own. Add this line by hand: {line}")


def _replace(path: Path, text: str) -> None:
    with paths.whole(path) as fresh:
        fresh.write_bytes(text.encode("utf-8"))
        if path.exists():
            fresh.chmod(path.stat().st_mode & 0o777)
