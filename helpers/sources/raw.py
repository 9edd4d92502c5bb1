"""The raw text of single rows, fetched again from the files in which they stand."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

from helpers.sources import kinds, scan
from helpers.sources.kinds import Unpacked

if TYPE_CHECKING:
    from helpers.sources.profile import Part

AT_ONCE = 2**23
LONGEST = 2**16


def records(part: Part, places: list[tuple[int, int | None, int | None]]) -> list[str]:
    """The raw text of rows of one file.

    Args:
        places: Line (from 1), byte and size of each, as `reading.rows` gives them; of Parquet the line alone, of a table the
            byte, and the row is given as JSON.
    """
    if part.is_table:
        from helpers.sources.spark import catalogue

        return catalogue.texts(part.label, [place for _, place, _ in places])
    if part.is_parquet:
        return _parquet_rows(part, [line for line, *_ in places])
    encoding = kinds.encoding_of(part.path, part.label, part.source.encoding)
    found: list[str] = [""] * len(places)
    with Unpacked(part.path, part.label, encoding) as stream:
        data, offset = b"", 0
        for i in sorted(range(len(places)), key=lambda i: places[i][1]):
            _, start, size = places[i]
            while start + size > offset + len(data):
                data, offset = data[start - offset :], offset + min(start - offset, len(data))
                fresh = stream.read(AT_ONCE)
                if not fresh:
                    break
                data += fresh
            found[i] = data[start - offset : start - offset + size].decode("utf-8", errors="backslashreplace")
    return found


def _parquet_rows(part: Part, lines: list[int]) -> list[str]:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(part.path).take([line - 1 for line in lines])
    return [json.dumps(row, ensure_ascii=False, default=str) for row in table.to_pylist()]


def record_at(part: Part, line: int, byte: int | None) -> str:
    """The raw text of the row that begins at a byte."""
    if part.is_table:
        return records(part, [(line, byte, None)])[0]
    if part.is_parquet or byte is None:
        return _parquet_rows(part, [line])[0]
    text = records(part, [(line, byte, LONGEST)])[0]
    try:
        next(csv.reader(lines := io.StringIO(text, newline="")), None)
    except csv.Error:
        return text.split("\n", 1)[0].rstrip("\r")
    return text[: lines.tell()].rstrip("\r\n")


def count_cells(part: Part, text: str) -> int:
    """The number of cells of a raw row."""
    shape = scan.shape(part.path, part.label, part.source.delimiter, part.source.encoding)
    return len(next(csv.reader(io.StringIO(text, newline="\n"), delimiter=shape.delimiter), []))


def cells(part: Part, text: str) -> dict[str, str]:
    """The cells of a raw row by the names of their columns, as far as they can be told apart."""
    return cells_of(part, [text])[0]


def cells_of(part: Part, texts: list[str]) -> list[dict[str, str]]:
    """The same of several rows of a file."""
    if part.is_parquet or part.is_table:
        rows = [json.loads(text) for text in texts]
        return [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    shape = scan.shape(part.path, part.label, part.source.delimiter, part.source.encoding)
    csv.field_size_limit(LONGEST * 1024)
    found = []
    for text in texts:
        try:
            row = next(csv.reader(io.StringIO(text, newline="\n"), delimiter=shape.delimiter), [])
        except csv.Error:
            row = []
        found.append(dict(zip(shape.columns, row, strict=False)))
    return found
