"""Where each record of a CSV file begins, and what is wrong with its shape: found on the bytes, before anything parses them.

Counting separators, quotes and line ends on whole blocks of bytes is faster than parsing, holds memory to a few blocks whatever
the file's size, and gives every later complaint its line and byte.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from helpers.errors import InputError

BLOCK = 8 * 2**20
LONGEST_RECORD = 64 * 2**20
NEWLINE, RETURN, QUOTE, NUL = b'\n\r"\0'
BOM = b"\xef\xbb\xbf"
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
DELIMITERS = ",;\t|"


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
    delimiter: str
    columns: tuple[str, ...]
    header_bytes: int
    header_lines: int


def unpacked(path: Path) -> pa.NativeFile:
    """The file's bytes, unpacked when its name ends in .gz or .zst."""
    raw = pa.OSFile(str(path), "rb")
    compression = COMPRESSIONS.get(path.suffix.lower())
    return pa.CompressedInputStream(raw, compression) if compression else raw


def shape(path: Path, label: str, delimiter: str | None = None) -> Shape:
    """Read the header: separator and column names.

    Raises:
        InputError: The file is empty, is not UTF-8 text, or its header repeats or leaves out a name.
    """
    with unpacked(path) as stream:
        head = _read(stream, 256 * 1024, label)
    marked = len(BOM) if head.startswith(BOM) else 0
    if not head[marked:].strip():
        raise InputError(f"{label}: the file is empty. Export it again, or take it out of dataset.toml.")
    end = _first_record_end(head, marked)
    try:
        line = head[marked:end].rstrip(b"\r").decode("utf-8")
    except UnicodeDecodeError as fault:
        raise InputError(
            f"{label} line 1, byte {marked + fault.start}: not UTF-8 text. Save the file as UTF-8 and run again."
        ) from None
    found = delimiter or max(DELIMITERS, key=line.count)
    columns = next(csv.reader(io.StringIO(line), delimiter=found))
    _check_header(columns, label)
    return Shape(path, found, tuple(columns), min(end + 1, len(head)), 1 + head[marked:end].count(b"\n"))


def _first_record_end(head: bytes, start: int) -> int:
    position, quoted = start, False
    while position < len(head):
        if head[position] == QUOTE:
            quoted = not quoted
        elif head[position] == NEWLINE and not quoted:
            return position
        position += 1
    return len(head)


def _check_header(columns: list[str], label: str) -> None:
    blank = [str(number) for number, column in enumerate(columns, 1) if not column.strip()]
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if blank:
        raise InputError(f"{label} line 1: column {', '.join(blank)} has no name. Give every column a name.")
    if repeated:
        raise InputError(f"{label} line 1: the column name {repeated[0]!r} stands there twice. Rename one of the two.")


def records(found: Shape, label: str) -> Iterator[Records]:
    """The file's records after the header, block by block; a record is never cut.

    Raises:
        InputError: A quote is opened and never closed; names the line.
    """
    with unpacked(found.path) as stream:
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
    except OSError as fault:
        raise InputError(f"{label}: cannot be unpacked ({fault}). The file may be cut off; fetch it again.") from None


def _split(data: bytes, delimiter: str, line: int, offset: int, last: bool, label: str):
    """Records of a block, the number of bytes used and of the line ends in them."""
    array = np.frombuffer(data, dtype=np.uint8)
    quotes = np.flatnonzero(array == QUOTE)
    newlines = np.flatnonzero(array == NEWLINE)
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
    stops = ends - ((ends > starts) & (array[np.maximum(ends - 1, 0)] == RETURN))
    separators = _outside(np.flatnonzero(array[:used] == ord(delimiter)), quotes)
    cells = 1 + np.searchsorted(separators, stops) - np.searchsorted(separators, starts)
    damaged = np.zeros(len(starts), dtype=bool)
    damaged[np.searchsorted(ends, np.flatnonzero(array[:used] == NUL))] = True
    full = stops > starts
    block = Records(data[:used], starts[full], stops[full], lines[full], offset, cells[full], damaged[full])
    return block, used, int(np.searchsorted(newlines, used))


def _unclosed(label: str, line: int, newlines: np.ndarray, ends: np.ndarray) -> InputError:
    start = int(ends[-1]) + 1 if len(ends) else 0
    opened = line + int(np.searchsorted(newlines, start))
    return InputError(
        f'{label} line {opened}: a quote (") is opened and never closed. Close it, or double a quote that is meant.'
    )


def _outside(positions: np.ndarray, quotes: np.ndarray) -> np.ndarray:
    """Those positions that do not stand between quotes."""
    return positions if not len(quotes) else positions[np.searchsorted(quotes, positions) % 2 == 0]
