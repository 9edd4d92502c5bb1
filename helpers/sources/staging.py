"""Bytes to text: each CSV file becomes, once, a Parquet file of text columns, every record with its line and byte.

Nothing is interpreted here. A record of the wrong shape stays a row, its columns empty and its fault named, so that the
rows of a staged file are the rows that came in.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from helpers import paths
from helpers.errors import EnvironmentFault, InputError
from helpers.sources import scan

VERSION = 2
LINE, BYTE, FAULT = "_line", "_byte", "_fault"
OUR_COLUMNS = (LINE, BYTE, FAULT)
FAULTS = pa.StringArray.from_buffers(2, pa.py_buffer(np.array([0, 6, 9], np.int32)), pa.py_buffer(b"raggednul"))


def stage(
    path: Path, label: str, folder: Path, *, sha256: str, delimiter: str | None = None, encoding: str | None = None
) -> Path:
    """The staged form of one CSV file, made when it is not there yet.

    Columns: the file's own as text ("" for an empty cell), `_line` (from 1; the header is line 1), `_byte` (position in
    the unpacked file), `_fault` (None, or "ragged" / "nul": the row's own columns are then null).

    Raises:
        InputError: The file is empty, has no rows, or is not a CSV of UTF-8 text; names file, line and byte.
    """
    told = "".join(f"-{said.encode().hex()}" for said in (delimiter or "", encoding or "") if delimiter or encoding)
    target = folder / f"{sha256[:32]}-{VERSION}{told}.parquet"
    if target.exists():
        return target
    found = scan.shape(path, label, delimiter, encoding)
    schema = pa.schema(
        [(column, pa.string()) for column in found.columns]
        + [(LINE, pa.int64()), (BYTE, pa.int64()), (FAULT, pa.string())]
    )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with paths.whole(target) as fresh:
            if not _write(found, label, schema, fresh):
                raise InputError(f"{label}: a header and no rows. Export it again, or take it out of dataset.toml.")
    except OSError as fault:
        raise EnvironmentFault(f"{folder}: cannot be written ({fault}). Free some space, then run again.") from None
    return target


def _write(found: scan.Shape, label: str, schema: pa.Schema, path: Path) -> int:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
    rows = 0
    with pa.parquet.ParquetWriter(path, schema, compression="lz4", use_dictionary=False) as writer:
        for block in scan.records(found, label):
            for table in _tables(block, found, label, schema):
                rows += table.num_rows
                writer.write_table(table)
    return rows


def _tables(block: scan.Records, found: scan.Shape, label: str, schema: pa.Schema):
    """The block's sound rows, then its faulty ones."""
    ragged = block.cells != len(found.columns)
    sound = ~(ragged | block.damaged)
    if sound.any():
        parsed = _parse(_cut(block, sound), found, label, block)
        if parsed.num_rows != sound.sum():
            first = int(block.lines[sound][0])
            raise InputError(
                f"{label}, between line {first} and {int(block.lines[-1])}: {sound.sum()} records but {parsed.num_rows} "
                "rows. Put cells that hold a quote or a line end in quotes, and double the quotes in them."
            )
        yield _with_places(parsed, block, sound, pa.nulls(parsed.num_rows, pa.string()), schema)
    faulty = ~sound
    if faulty.any():
        faults = FAULTS.take(_numbers(block.damaged[faulty]))
        empty = pa.Table.from_arrays([pa.nulls(len(faults), pa.string())] * len(found.columns), found.columns)
        yield _with_places(empty, block, faulty, faults, schema)


def _cut(block: scan.Records, wanted: np.ndarray) -> bytes:
    """The bytes of the wanted records alone."""
    if wanted.all():
        return block.data
    lengths = np.diff(np.append(block.starts, len(block.data)))
    inside = np.repeat(wanted, lengths)
    return np.frombuffer(block.data, dtype=np.uint8)[block.starts[0] :][inside].tobytes()


def _parse(data: bytes, found: scan.Shape, label: str, block: scan.Records) -> pa.Table:
    try:
        return pa.csv.read_csv(
            pa.BufferReader(data),
            read_options=pa.csv.ReadOptions(column_names=list(found.columns), block_size=len(data)),
            parse_options=pa.csv.ParseOptions(delimiter=found.delimiter, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                column_types={column: pa.string() for column in found.columns}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as fault:
        line, place = _bad_bytes(block)
        if line:
            raise InputError(
                f"{label} line {line}, byte {place}: not UTF-8 text. Save the file as UTF-8, or name its encoding in "
                "dataset.toml."
            ) from None
        raise InputError(f"{label}, near line {int(block.lines[0])}: {fault}") from None


def _bad_bytes(block: scan.Records) -> tuple[int, int]:
    try:
        block.data.decode("utf-8")
    except UnicodeDecodeError as fault:
        record = int(np.searchsorted(block.starts, fault.start, side="right")) - 1
        return int(block.lines[max(record, 0)]), block.offset + fault.start
    return 0, 0


def _with_places(
    table: pa.Table, block: scan.Records, which: np.ndarray, faults: pa.Array, schema: pa.Schema
) -> pa.Table:
    lines, places = (_numbers(column[which]) for column in (block.lines, block.offset + block.starts))
    return pa.Table.from_arrays([*table.columns, lines, places, faults], schema=schema)


def _numbers(values: np.ndarray) -> pa.Array:
    """As `pa.array`, which would import pandas for it."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values, np.int64))])
