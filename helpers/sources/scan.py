"""Where each record of a CSV file begins, and what is wrong with its shape: found on the bytes, before anything parses them.

Counting separators, quotes and line ends on whole blocks of bytes is faster than parsing, holds memory to a few blocks whatever
the file's size, and gives every later complaint its line and byte.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from helpers.errors import InputError

BLOCK = 8 * 2**20
LONGEST_RECORD = 64 * 2**20
NEWLINE, RETURN, QUOTE, NUL = b'\n\r"\0'
LONGEST_HEADER = 256 * 1024
BOM = b"\xef\xbb\xbf"
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
DELIMITERS = ",;\t|"
OURS = ("_line", "_byte", "_fault", "_file", "_part", "file_row_number", "file_index")


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
    """

    data: bytes
    starts: np.ndarray
    ends: np.ndarray
    lines: np.ndarray
    offset: int
    cells: np.ndarray
    damaged: np.ndarray


@dataclass(frozen=True)
class Shape:
    """What was found out about a file before reading it."""

    path: Path
    encoding: str | None
    delimiter: str
    columns: tuple[str, ...]
    header_bytes: int
    header_lines: int


def unpacked(path: Path, encoding: str | None = None) -> pa.NativeFile:
    """The file's bytes, unpacked when its name ends in .gz or .zst, and as UTF-8 when they are in another encoding."""
    stream: pa.NativeFile = pa.OSFile(str(path), "rb")
    if compression := COMPRESSIONS.get(path.suffix.lower()):
        stream = pa.CompressedInputStream(stream, compression)
    return pa.transcoding_input_stream(stream, encoding, "utf-8") if encoding else stream


def shape(path: Path, label: str, delimiter: str | None = None, encoding: str | None = None) -> Shape:
    """Read the header: separator and column names.

    Raises:
        InputError: The file is empty, is not UTF-8 text, or its header cannot be read, or repeats or leaves out a name.
    """
    _check_reading(delimiter, encoding, label)
    with unpacked(path, encoding) as stream:
        head = _read(stream, LONGEST_HEADER, label)
    text = head.removeprefix(BOM).lstrip(b"\r\n")
    if not text.strip():
        raise InputError(f"{label}: the file is empty. Export it again, or take it out of dataset.toml.")
    first = len(head) - len(text)
    number = 1 + head[:first].count(b"\n")
    end = first + _first_end(text, delimiter or DELIMITERS, label, number)
    try:
        line = head[first:end].rstrip(b"\r").decode("utf-8")
    except UnicodeDecodeError as fault:
        raise InputError(
            f"{label} line {number}, byte {first + fault.start}: not UTF-8 text. Save the file as UTF-8, or name its "
            "encoding in dataset.toml."
        ) from None
    found = delimiter or max(DELIMITERS, key=line.count)
    columns = _names(line, found, f"{label} line {number}")
    return Shape(path, encoding, found, columns, min(end + 1, len(head)), number + head[first:end].count(b"\n"))


def _check_reading(delimiter: str | None, encoding: str | None, label: str) -> None:
    if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0'):
        raise InputError(f'{label}: delimiter = {delimiter!r} cannot part cells. It is one character such as ";".')
    try:
        codecs.lookup(encoding or "utf-8")
    except LookupError:
        raise InputError(f'{label}: no encoding is called "{encoding}". Allowed are names such as gb18030.') from None


def _first_end(text: bytes, delimiters: str, label: str, line: int) -> int:
    array = np.frombuffer(text, dtype=np.uint8)
    newlines = np.flatnonzero(array == NEWLINE)
    ends = _outside(newlines, _fences(array, delimiters, lambda at: _place(label, line, newlines, at)))
    if not len(ends) and len(text) >= LONGEST_HEADER // 2:
        raise InputError(f"{label} line {line}: no end of the header in sight. Is a quote opened and never closed?")
    return int(ends[0]) if len(ends) else len(text)


def _place(label: str, line: int, newlines: np.ndarray, at: int) -> str:
    return f"{label} line {line + int(np.searchsorted(newlines, at))}"


def _names(line: str, delimiter: str, place: str) -> tuple[str, ...]:
    try:
        columns = next(csv.reader(io.StringIO(line, newline="\n"), delimiter=delimiter, strict=True))
    except csv.Error as fault:
        raise InputError(f"{place}: the header cannot be read ({fault}). Lines must end with a line feed.") from None
    blank = [str(number) for number, column in enumerate(columns, 1) if not column.strip()]
    if blank:
        raise InputError(f"{place}: column {', '.join(blank)} has no name. Give every column a name.")
    check_names(columns, place)
    return tuple(columns)


def check_names(columns: list[str], place: str) -> None:
    """The engine tells no upper from lower case in names, and some names are ours.

    Raises:
        InputError: A name stands twice or is taken.
    """
    seen: dict[str, str] = {}
    for column in columns:
        if column.lower() in seen:
            both = dict.fromkeys((seen[column.lower()], column))
            raise InputError(f"{place}: two columns are called {' and '.join(map(repr, both))}. Rename one of the two.")
        if column.lower() in OURS or "\0" in column:
            raise InputError(f"{place}: no column may be called {column!r}. Rename it.")
        seen[column.lower()] = column


def records(found: Shape, label: str) -> Iterator[Records]:
    """The file's records after the header, block by block; a record is never cut.

    Raises:
        InputError: A quote is opened and never closed; names the line.
    """
    with unpacked(found.path, found.encoding) as stream:
        _read(stream, found.header_bytes, label)
        carried, line, offset = b"", 1 + found.header_lines, found.header_bytes
        while True:
            fresh = _read(stream, BLOCK, label)
            data, last = carried + fresh, not fresh
            if not data:
                return
            block, used, newlines = _split(data, found.delimiter, line, offset, last, label)
            if block is not None:
                yield block
            carried, line, offset = data[used:], line + newlines, offset + used
            if last:
                return


def _read(stream: pa.NativeFile, size: int, label: str) -> bytes:
    try:
        parts, wanted = [], size
        while wanted and (part := stream.read(wanted)):
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)
    except UnicodeDecodeError as fault:
        raise InputError(
            f"{label}: byte {fault.object[fault.start]:#04x} is none of the encoding {fault.encoding}. Name the file's own."
        ) from None
    except OSError as fault:
        raise InputError(f"{label}: cannot be unpacked ({fault}). The file may be cut off; fetch it again.") from None


def _split(data: bytes, delimiter: str, line: int, offset: int, last: bool, label: str):
    """Records of a block, the number of bytes used and of the line ends in them."""
    array = np.frombuffer(data, dtype=np.uint8)
    newlines = np.flatnonzero(array == NEWLINE)
    quotes = _fences(array, delimiter, lambda at: _place(label, line, newlines, at))
    ends = _outside(newlines, quotes)
    if last and (not len(ends) or ends[-1] != len(data) - 1):
        if len(quotes) % 2:
            raise _unclosed(label, line, newlines, ends)
        ends = np.append(ends, len(data))
    if not len(ends):
        if len(data) > LONGEST_RECORD:
            raise _unclosed(label, line, newlines, ends)
        return None, 0, 0
    used = min(int(ends[-1]) + 1, len(data))
    starts = np.concatenate(([0], ends[:-1] + 1))
    lines = line + np.searchsorted(newlines, starts)
    returns = _outside(np.flatnonzero(array[:used] == RETURN), quotes)
    _check_returns(array, returns, lambda at: _place(label, line, newlines, at))
    stops = ends - (np.searchsorted(returns, ends) - np.searchsorted(returns, starts))
    separators = _outside(np.flatnonzero(array[:used] == ord(delimiter)), quotes)
    cells = 1 + np.searchsorted(separators, stops) - np.searchsorted(separators, starts)
    damaged = np.zeros(len(starts), dtype=bool)
    damaged[np.searchsorted(ends, np.flatnonzero(array[:used] == NUL))] = True
    full = stops > starts
    block = Records(data[:used], starts[full], stops[full], lines[full], offset, cells[full], damaged[full])
    return block, used, int(np.searchsorted(newlines, used))


def _check_returns(array: np.ndarray, returns: np.ndarray, place: Callable[[int], str]) -> None:
    """A carriage return that ends no line would cut a row in two for some readers and not for others."""
    after = array[np.minimum(returns + 1, len(array) - 1)]
    alone = returns[(after != NEWLINE) & (after != RETURN)]
    if len(alone):
        raise InputError(
            f"{place(int(alone[0]))}: a carriage return ends no line. Put its cell in quotes, or save the file with one kind "
            "of line end."
        )


def _unclosed(label: str, line: int, newlines: np.ndarray, ends: np.ndarray) -> InputError:
    start = int(ends[-1]) + 1 if len(ends) else 0
    opened = line + int(np.searchsorted(newlines, start))
    return InputError(
        f'{label} line {opened}: a quote (") is opened and never closed. Close it, or double a quote that is meant.'
    )


def _fences(array: np.ndarray, delimiters: str, place: Callable[[int], str]) -> np.ndarray:
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
            raise InputError(
                f'{place(fences[-1])}: a quote (") opens a cell here and closes within another one, at '
                f"{place(at)}. Close it, or double a quote that is meant."
            )
        fences.append(at)
    return np.array(fences, dtype=quotes.dtype)


def _outside(positions: np.ndarray, quotes: np.ndarray) -> np.ndarray:
    """Those positions that do not stand between quotes."""
    return positions if not len(quotes) else positions[np.searchsorted(quotes, positions) % 2 == 0]
