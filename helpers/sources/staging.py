"""Bytes to text: each CSV file becomes, once, a Parquet file of text columns, every record with its line and byte.

Nothing is interpreted here. A record of the wrong shape stays a row, its columns empty and its fault named, so that the
rows of a staged file are the rows that came in.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from helpers import paths
from helpers.problems import faulty
from helpers.sources import scan

VERSION = 2
LINE, BYTE, SIZE, FAULT = "_line", "_byte", "_size", "_fault"
OUR_COLUMNS = (LINE, BYTE, SIZE, FAULT)
ROW, NOTES = "_row", "notes"
RAGGED, NUL, HEADER, CUT_OFF, BAD_BYTES = range(1, 6)
WIDE = 256


def stage(
    path: Path, label: str, folder: Path, *, sha256: str, delimiter: str | None = None, encoding: str | None = None,
    needed: Iterable[str] = (), check: Callable[[], None] = lambda: None,
) -> Path:
    """The staged form of one CSV file, made when it is not there yet.

    Columns: the file's own as text ("" for an empty cell), `_line` (from 1; the header is line 1), `_byte` and `_size`
    (place and length of the record in the unpacked file, its line end not counted), `_fault` (None, or one of FAULTS: the
    row's own columns are then null). Of a file with more than WIDE columns only the needed ones, and `_row`, a hash of the
    record. What is to be said of the file (`notes`) stands in the metadata.

    Args:
        needed: Columns that are read, spelt as dataset.toml does.
        check: Raises when the file is no longer that of the hash; nothing is kept then.

    Raises:
        FaultyData: The file is empty, or is not a CSV of UTF-8 text; names file, line and byte.
    """  # fmt: skip
    asked = sorted({column.strip().casefold() for column in needed})
    told = "".join(f"-{said.encode().hex()}" for said in (delimiter or "", encoding or "") if delimiter or encoding)
    found, narrow = None, folder / f"{sha256[:32]}-{VERSION}{told}.parquet"
    target = narrow
    if not target.exists():
        found = scan.shape(path, label, delimiter, encoding)
        if len(found.columns) > WIDE:
            target = narrow.with_suffix(f".{hashlib.sha256(repr(asked).encode()).hexdigest()[:12]}.parquet")
    if target.exists():
        return target
    kept = [column for column in found.columns if len(found.columns) <= WIDE or column.strip().casefold() in asked]
    made = [pa.field(column, pa.string()) for column in (*kept, *([ROW] if len(kept) < len(found.columns) else []))]
    places = [pa.field(name, pa.int64()) for name in (LINE, BYTE, SIZE)]
    schema = pa.schema([*made, *places, pa.field(FAULT, pa.string())], {NOTES: json.dumps(_said(found, delimiter, encoding))})
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with paths.whole(target) as fresh:
        _write(found, label, schema, fresh)
        check()
    return target


def notes(staged: Path) -> list[list[str]]:
    """What is to be said of a staged file: pairs of a code's name and a sentence."""
    return json.loads((pa.parquet.read_schema(staged).metadata or {}).get(NOTES.encode(), b"[]"))


def _said(found: scan.Shape, delimiter: str | None, encoding: str | None) -> list[list[str]]:
    said = []
    if found.delimiter != "," and not delimiter:
        said.append(["delimiter", f"cells are parted by {found.delimiter!r}, not by a comma."])
    if found.encoding and not encoding:
        said.append(["recoded", f"the file is {found.encoding.upper()}, and was read as such."])
    return said


def _write(found: scan.Shape, label: str, schema: pa.Schema, path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
    with pa.parquet.ParquetWriter(path, schema, compression="lz4", use_dictionary=False) as writer:
        for block in scan.records(found, label):
            for table in _tables(block, found, label, schema):
                writer.write_table(table)


def _tables(block: scan.Records, found: scan.Shape, label: str, schema: pa.Schema) -> Iterator[pa.Table]:
    """The block's sound rows, then its faulty ones."""
    own = [name for name in schema.names if name not in (*OUR_COLUMNS, ROW)]
    faults = _faults(block, found)
    try:
        parsed = _parse(_cut(block, faults == 0), found, own) if not faults.all() else None
    except pa.ArrowInvalid as fault:
        faults[_bad_bytes(block) & (faults == 0)] = BAD_BYTES
        try:
            parsed = _parse(_cut(block, faults == 0), found, own) if not faults.all() else None
        except pa.ArrowInvalid:
            raise faulty("unreadable", label, str(fault), line=int(block.lines[0])) from None
    sound = faults == 0
    if parsed is not None:
        if parsed.num_rows != sound.sum():
            said = (
                f"up to line {int(block.lines[-1])}: {sound.sum()} records but {parsed.num_rows} rows. Put cells that hold a "
                "quote or a line end in quotes, and double the quotes in them."
            )
            raise faulty("unreadable", label, said, line=int(block.lines[sound][0]))
        yield _with_places(parsed, block, sound, pa.nulls(parsed.num_rows, pa.string()), schema)
    if not sound.all():
        named = FAULTS.take(_numbers(faults[~sound]))
        empty = pa.Table.from_arrays([pa.nulls(len(named), pa.string())] * len(own), own)
        yield _with_places(empty, block, ~sound, named, schema)


def _faults(block: scan.Records, found: scan.Shape) -> np.ndarray:
    """What is wrong with the shape of each record: a place in FAULTS, 0 where nothing is."""
    faults = np.where(block.cells != len(found.columns), RAGGED, 0)
    faults[_headers(block, found.header)] = HEADER
    faults[block.damaged] = NUL
    if block.cut_off and faults[-1] == RAGGED:
        faults[-1] = CUT_OFF
    return faults


def _headers(block: scan.Records, header: bytes) -> np.ndarray:
    """Records that are the header once more, byte by byte."""
    alike = np.flatnonzero(block.ends - block.starts == len(header))
    bytes_ = np.frombuffer(block.data, dtype=np.uint8)
    for at in range(0, len(header), max(1, len(header) // 8)):
        alike = alike[bytes_[block.starts[alike] + at] == header[at]]
    return alike[[block.data[block.starts[i] : block.ends[i]] == header for i in alike]] if len(alike) else alike


def _cut(block: scan.Records, wanted: np.ndarray) -> bytes:
    """The bytes of the wanted records alone."""
    if wanted.all():
        return block.data
    lengths = np.diff(np.append(block.starts, len(block.data)))
    inside = np.repeat(wanted, lengths)
    return np.frombuffer(block.data, dtype=np.uint8)[block.starts[0] :][inside].tobytes()


def _parse(data: bytes, found: scan.Shape, own: list[str]) -> pa.Table:
    return pa.csv.read_csv(
        pa.BufferReader(data),
        read_options=pa.csv.ReadOptions(column_names=list(found.columns), block_size=len(data)),
        parse_options=pa.csv.ParseOptions(delimiter=found.delimiter, newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(own, pa.string()), strings_can_be_null=False, include_columns=own
        ),
    )


def _bad_bytes(block: scan.Records) -> np.ndarray:
    """Records with bytes that are no UTF-8."""
    bad = np.zeros(len(block.starts), dtype=bool)
    at = 0
    while True:
        try:
            block.data[at:].decode("utf-8")
            return bad
        except UnicodeDecodeError as fault:
            record = max(int(np.searchsorted(block.starts, at + fault.start, side="right")) - 1, 0)
            bad[record] = True
            if record + 1 == len(block.starts):
                return bad
            at = int(block.starts[record + 1])


def _with_places(
    table: pa.Table, block: scan.Records, which: np.ndarray, faults: pa.Array, schema: pa.Schema
) -> pa.Table:
    places = (block.lines, block.offset + block.starts, block.ends - block.starts)
    columns = [*table.columns, *(_numbers(column[which]) for column in places), faults]
    if ROW in schema.names:
        pairs = zip(block.starts[which].tolist(), block.ends[which].tolist(), strict=True)
        hashes = [hashlib.blake2b(block.data[start:end], digest_size=16).hexdigest() for start, end in pairs]
        columns.insert(table.num_columns, pa.array(hashes, pa.string()))
    return pa.Table.from_arrays(columns, schema=schema)


def _numbers(values: np.ndarray) -> pa.Array:
    """As `pa.array`, which would import pandas for it."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values, np.int64))])


def _texts(*texts: str) -> pa.Array:
    """The same, of texts."""
    ends = np.cumsum([0, *(len(text) for text in texts)]).astype(np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer("".join(texts).encode()))


FAULTS = _texts("", "ragged", "nul", "header_repeated", "cut_off", "bad_bytes")
