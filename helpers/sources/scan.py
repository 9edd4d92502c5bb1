"""Where each record of a CSV file begins, and what is wrong with its shape: found on the bytes, before anything parses them.

Counting separators, quotes and line ends on whole blocks of bytes is faster than parsing, holds memory to a few blocks whatever
the file's size, and gives every later complaint its line and byte.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.problems import FaultyData, faulty
from helpers.sources import kinds
from helpers.sources.kinds import Unpacked

BLOCK = 8 * 2**20
LONGEST_RECORD = 64 * 2**20
NEWLINE, RETURN, QUOTE, NUL = b'\n\r"\0'
LONGEST_HEADER = 4 * 2**20
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d|\d{1,2}[./]\d{1,2}[./]\d{4}\b")
TAIL = b"\0" * 16  # what a file ends in whose last blocks never reached the disk
BOM = b"\xef\xbb\xbf"
DELIMITERS = ",;\t|"
OURS = ("_line", "_byte", "_size", "_fault", "_file", "_part", "file_row_number", "file_index")


@dataclass(frozen=True)
class Records:
    """The records of one block, blank lines left out.

    Attributes:
        data: The block's bytes, from the first record to the end of the last.
        starts, ends: Byte positions of each record in `data` (its line end is not part of it).
        lines: Physical line, from 1, on which each record starts.
        offset: Position of `data` in the unpacked file.
        cells: Number of cells of each record.
        damaged: Records that hold a NUL byte.
        cut_off: The last record is the file's last, no line end follows it, and it has fewer cells than the header.
    """

    data: bytes
    starts: np.ndarray
    ends: np.ndarray
    lines: np.ndarray
    offset: int
    cells: np.ndarray
    damaged: np.ndarray
    cut_off: bool = False


@dataclass(frozen=True)
class Shape:
    """What was found out about a file before reading it."""

    path: Path
    encoding: str | None
    delimiter: str
    columns: tuple[str, ...]
    header_bytes: int
    header_lines: int
    header: bytes = b""


def shape(path: Path, label: str, delimiter: str | None = None, encoding: str | None = None) -> Shape:
    """Read the header: separator and column names.

    Raises:
        FaultyData: The file is empty, no table, or not UTF-8 text; its header cannot be read, repeats or leaves out a name.
    """
    _check_reading(delimiter, encoding, label)
    encoding = kinds.encoding_of(path, label, encoding)
    with Unpacked(path, label, encoding) as stream:
        head = stream.read(LONGEST_HEADER)
    text = head.removeprefix(BOM).lstrip(b"\r\n")
    if not text.strip():
        raise faulty("empty", label)
    first = len(head) - len(text)
    number = 1 + head[:first].count(b"\n")
    end = first + _first_end(text, delimiter or DELIMITERS, label, number)
    try:
        line = head[first:end].rstrip(b"\r").decode("utf-8")
    except UnicodeDecodeError as fault:
        said = f"byte {first + fault.start}: not UTF-8 text. Save the file as UTF-8, or name its encoding in dataset.toml."
        raise faulty("encoding", label, said, line=number) from None
    found = delimiter or max(DELIMITERS, key=line.count)
    columns = _names(line, found, label, number)
    lines = number + head[first:end].count(b"\n")
    return Shape(path, encoding, found, columns, min(end + 1, len(head)), lines, head[first:end].rstrip(b"\r"))


def _check_reading(delimiter: str | None, encoding: str | None, label: str) -> None:
    if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0'):
        raise faulty("dataset_toml", label, f'delimiter = {delimiter!r} cannot part cells. It is one character such as ";".')
    try:
        codecs.lookup(encoding or "utf-8")
    except LookupError:
        said = f'no encoding is called "{encoding}". Allowed are names such as gb18030.'
        raise faulty("dataset_toml", label, said) from None


def _first_end(text: bytes, delimiters: str, label: str, line: int) -> int:
    array = np.frombuffer(text, dtype=np.uint8)
    newlines = np.flatnonzero(array == NEWLINE)
    ends = _outside(newlines, _fences(array, delimiters, label, line, newlines))
    if not len(ends) and len(text) >= LONGEST_HEADER // 2:
        said = "no end of the header in sight. Is a quote opened and never closed?"
        raise faulty("too_long", label, said, line=line)
    return int(ends[0]) if len(ends) else len(text)


def _line_of(line: int, newlines: np.ndarray, at: int) -> int:
    return line + int(np.searchsorted(newlines, at))


def _names(line: str, delimiter: str, label: str, number: int) -> tuple[str, ...]:
    try:
        columns = next(csv.reader(io.StringIO(line, newline="\n"), delimiter=delimiter, strict=True))
    except csv.Error as fault:
        said = f"the header cannot be read ({fault}). Lines must end with a line feed."
        raise faulty("line_ends", label, said, line=number) from None
    if any(DATE_TIME.match(column.strip()) for column in columns):
        said = "the first line looks like data, it holds a date. Put a line with the columns' names above it."
        raise faulty("no_header", label, said, line=number)
    blank = [str(number) for number, column in enumerate(columns, 1) if not column.strip()]
    if blank:
        raise faulty("bad_header", label, f"column {', '.join(blank)} has no name. Give every column a name.", line=number)
    check_names(columns, label, number)
    return tuple(columns)


def check_names(columns: list[str], label: str, number: int = 0) -> None:
    """The engine tells no upper from lower case in names, and some names are ours.

    Raises:
        FaultyData: A name stands twice or is taken.
    """
    seen: dict[str, str] = {}
    for column in columns:
        if column.lower() in seen:
            both = dict.fromkeys((seen[column.lower()], column))
            said = f"two columns are called {' and '.join(map(repr, both))}. Rename one of the two."
            raise faulty("bad_header", label, said, line=number)
        if column.lower() in OURS or "\0" in column:
            raise faulty("bad_header", label, f"no column may be called {column!r}. Rename it.", line=number)
        seen[column.lower()] = column


def records(found: Shape, label: str) -> Iterator[Records]:
    """The file's records after the header, block by block; a record is never cut.

    Raises:
        FaultyData: A quote is opened and never closed; names the line.
    """
    with Unpacked(found.path, label, found.encoding) as stream:
        stream.read(found.header_bytes)
        carried, line, offset = b"", 1 + found.header_lines, found.header_bytes
        while True:
            fresh = stream.read(BLOCK)
            data, last = carried + fresh, not fresh
            if not data:
                return
            block, used, newlines = _split(data, found, line, offset, last, label)
            if block is not None:
                yield block
            carried, line, offset = data[used:], line + newlines, offset + used
            if last:
                return


def _split(data: bytes, found: Shape, line: int, offset: int, last: bool, label: str):
    """Records of a block, the number of bytes used and of the line ends in them."""
    array = np.frombuffer(data, dtype=np.uint8)
    newlines = np.flatnonzero(array == NEWLINE)
    if last and data.endswith(TAIL):
        raise faulty("damaged", label)
    quotes = _fences(array, found.delimiter, label, line, newlines)
    ends = _outside(newlines, quotes)
    open_end = last and (not len(ends) or ends[-1] != len(data) - 1)
    if open_end:
        if len(quotes) % 2:
            raise _unclosed(label, line, newlines, ends)
        ends = np.append(ends, len(data))
    if not len(ends):
        if len(data) > LONGEST_RECORD:
            said = f"the row that begins here is longer than {LONGEST_RECORD:,} bytes. Is a quote opened and never closed?"
            raise faulty("too_long", label, said, line=line)
        return None, 0, 0
    used = min(int(ends[-1]) + 1, len(data))
    starts = np.concatenate(([0], ends[:-1] + 1))
    lines = line + np.searchsorted(newlines, starts)
    returns = _outside(np.flatnonzero(array[:used] == RETURN), quotes)
    _check_returns(array, returns, label, line, newlines)
    stops = ends - (np.searchsorted(returns, ends) - np.searchsorted(returns, starts))
    separators = _outside(np.flatnonzero(array[:used] == ord(found.delimiter)), quotes)
    cells = 1 + np.searchsorted(separators, stops) - np.searchsorted(separators, starts)
    damaged = np.zeros(len(starts), dtype=bool)
    damaged[np.searchsorted(ends, np.flatnonzero(array[:used] == NUL))] = True
    full = stops > starts
    cut_off = open_end and bool(full[-1]) and cells[-1] < len(found.columns)
    block = Records(data[:used], starts[full], stops[full], lines[full], offset, cells[full], damaged[full], cut_off)
    return block, used, int(np.searchsorted(newlines, used))


def _check_returns(array: np.ndarray, returns: np.ndarray, label: str, line: int, newlines: np.ndarray) -> None:
    """A carriage return that ends no line would cut a row in two for some readers and not for others."""
    after = array[np.minimum(returns + 1, len(array) - 1)]
    alone = returns[(after != NEWLINE) & (after != RETURN)]
    if len(alone):
        said = "a carriage return ends no line. Put its cell in quotes, or save the file with one kind of line end."
        raise faulty("line_ends", label, said, line=_line_of(line, newlines, int(alone[0])))


def _unclosed(label: str, line: int, newlines: np.ndarray, ends: np.ndarray) -> FaultyData:
    opened = _line_of(line, newlines, int(ends[-1]) + 1 if len(ends) else 0)
    said = 'a quote (") is opened and never closed. Close it, or double a quote that is meant.'
    return faulty("unclosed_quote", label, said, line=opened)


def _fences(array: np.ndarray, delimiters: str, label: str, line: int, newlines: np.ndarray) -> np.ndarray:
    """Positions of the quotes between which cells stand, an opening and a closing one in turn.

    A quote in the middle of a cell that did not begin with one is a letter. Where there are none such, every quote is
    one of a pair (a doubled one closes and opens again), which is seen on all of them at once.
    """
    quotes = np.flatnonzero(array == QUOTE)
    breaks = (*delimiters.encode(), NEWLINE, RETURN)
    before = np.where(quotes > 0, array[quotes - 1], NEWLINE)
    after = np.where(quotes + 1 < len(array), array[np.minimum(quotes + 1, len(array) - 1)], NEWLINE)
    opens, closes = np.isin(before, breaks), np.isin(after, breaks)
    if (opens | (before == QUOTE))[0::2].all() and (closes | (after == QUOTE))[1::2].all():
        return quotes
    fences, doubled = [], -1
    for at, begins, ends in zip(quotes.tolist(), opens.tolist(), closes.tolist(), strict=True):
        inside = len(fences) % 2 == 1
        if at == doubled or not (inside or begins):
            continue
        if inside and at + 1 < len(array) and array[at + 1] == QUOTE:
            doubled = at + 1
            continue
        if inside and not ends and (array[fences[-1] : at] == NEWLINE).any():
            first, second = (_line_of(line, newlines, place) for place in (fences[-1], at))
            said = (
                f'a quote (") opens a cell here and closes within another one, at {label} line {second}. Close it, or '
                "double a quote that is meant."
            )
            raise faulty("unclosed_quote", label, said, line=first)
        fences.append(at)
    return np.array(fences, dtype=quotes.dtype)


def _outside(positions: np.ndarray, quotes: np.ndarray) -> np.ndarray:
    """Those positions that do not stand between quotes."""
    return positions if not len(quotes) else positions[np.searchsorted(quotes, positions) % 2 == 0]
