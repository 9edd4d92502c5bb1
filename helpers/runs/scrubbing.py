"""A person's traces in the files below `built`: counted, and taken out, each file written whole or not at all."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import paths
from helpers.errors import InputError
from helpers.runs import failures

if TYPE_CHECKING:
    import pyarrow as pa

PEOPLE = ("user_id", "from_user", "to_user", "unit_id")
REFERRER = "referrer_id"
RAW_LINE, PLACE = "raw_line", ("source_sha256", "line")
BATCH = 122_880
SHORT = 6  # an id of fewer characters stands in a text by chance
WORD = b"[0-9A-Za-z_]"
# What may stand before an id though it ends in a letter: an escaped line end or tab, a colour of a terminal.
BEFORE = rb"(?:(?<!" + WORD + rb")|(?<=\\[nrt])|(?<=[0-9]m))"


@dataclass(frozen=True)
class Wanted:
    """What is looked for.

    Attributes:
        names: What tables call the person: the pseudonym, and the id in the sources where it is known.
        source_id: The id in the sources; "" where it is not known.
        delimiters: What parts cells in the source files.
        places: Rows of the sources that name the person: hash of the file, a colon, the line.
    """

    names: tuple[str, ...]
    source_id: str
    delimiters: str
    places: frozenset[str] = frozenset()


def rows_in(path: Path, wanted: Wanted) -> int:
    """Rows of a Parquet file of ours that name the person.

    Raises:
        InputError: It cannot be read, so that nobody knows whom it names.
    """
    file = _opened(path)
    own = [column for column in file.schema_arrow.names if column in (*PEOPLE, REFERRER, RAW_LINE, *PLACE)]
    if not {*PEOPLE, REFERRER, RAW_LINE} & set(own):
        return 0
    return sum(_judged(table, wanted)[1] for table in _tables(file, own))


def rewrite(path: Path, wanted: Wanted) -> None:
    """The file without the rows that name the person; who was invited by the person was invited by nobody."""
    import pyarrow.parquet

    file = _opened(path)
    with paths.whole(path) as fresh:
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with pyarrow.parquet.ParquetWriter(fresh, file.schema_arrow, compression="zstd") as writer:
            for table in _tables(file, None):
                writer.write_table(_judged(table, wanted)[0])


def _opened(path: Path):
    import pyarrow as pa
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as fault:
        said = str(fault).splitlines()[0].rstrip(".")
        raise InputError(
            f"{failures.short(path)}: cannot be read ({said}), so nobody knows whom it names. Delete it, then run again; what "
            "was built is made again from the sources."
        ) from None


def _tables(file, columns: list[str] | None):
    import pyarrow as pa

    for batch in file.iter_batches(batch_size=BATCH, columns=columns):
        yield pa.Table.from_batches([batch], schema=batch.schema)


def _judged(table: pa.Table, wanted: Wanted) -> tuple[pa.Table, int]:
    """The table without the person, and how many of its rows named the person."""
    import pyarrow as pa
    import pyarrow.compute as pc

    nobody = pa.chunked_array([pa.repeat(False, len(table))])
    names = pa.array(wanted.names, pa.string())
    own = set(table.column_names)
    found = [pc.is_in(pc.cast(table[column], pa.string()), value_set=names) for column in PEOPLE if column in own]
    if RAW_LINE in own:
        found.append(_in_raw_lines(table, wanted))
    gone, invited = reduce(pc.or_, found, nobody), nobody
    if REFERRER in own:
        invited = pc.is_in(pc.cast(table[REFERRER], pa.string()), value_set=names)
        at = table.column_names.index(REFERRER)
        emptied = pc.if_else(invited, pa.scalar(None, table[REFERRER].type), table[REFERRER])
        table = table.set_column(at, table.schema.field(at), emptied)
    return table.filter(pc.invert(gone)), pc.sum(pc.or_(gone, invited)).as_py() or 0


def _in_raw_lines(table: pa.Table, wanted: Wanted) -> pa.ChunkedArray:
    """Rows set aside whose text holds the id as a cell, or that stand where the sources name the person."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pa.chunked_array([pa.repeat(False, len(table))])
    if wanted.source_id:
        cells = pc.match_substring_regex(pc.cast(table[RAW_LINE], pa.string()), _cell(wanted))
        found = pc.or_(found, pc.fill_null(cells, False))
    if wanted.places and set(PLACE) <= set(table.column_names):
        sha256, line = (pc.cast(table[column], pa.string()) for column in PLACE)
        places = pc.binary_join_element_wise(sha256, line, ":")
        found = pc.or_(found, pc.is_in(places, value_set=pa.array(sorted(wanted.places), pa.string())))
    return found


def _cell(wanted: Wanted) -> str:
    """A pattern of the id as a whole cell, quoted or not, disarmed or not."""
    edge = "".join(re.escape(letter) for letter in dict.fromkeys(f'{wanted.delimiters}"\r\n'))
    spelt = "|".join(re.escape(text) for text in dict.fromkeys((wanted.source_id, wanted.source_id.replace('"', '""'))))
    return rf"(?:^|[{edge}])\s*'?(?:{spelt})\s*(?:$|[{edge}])"


def holds_cell(path: Path, wanted: Wanted) -> int:
    """Rows of a staged file, all text, of which some cell is the id."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not wanted.source_id:
        return 0
    rows = 0
    for table in _tables(_opened(path), None):
        cells = [
            pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), wanted.source_id), False)
            for column in table.columns
            if pa.types.is_string(column.type)
        ]
        rows += pc.sum(reduce(pc.or_, cells)).as_py() or 0 if cells else 0
    return rows


def holds_text(path: Path, wanted: Wanted, names: Iterable[str]) -> bool:
    """Whether a notebook, a page or another text holds one of the names, as it is, as JSON or as HTML writes it.

    In a CSV moreover a cell that is the id, however short.
    """
    if path.suffix == ".csv" and wanted.source_id:
        text = path.read_text(encoding="utf-8", errors="replace")
        if re.search(_cell(wanted), text):
            return True
    spelt = {spelling.encode() for name in names for spelling in _spellings(name)}
    pattern = BEFORE + b"(?:" + b"|".join(map(re.escape, sorted(spelt))) + b")(?!" + WORD + b")"
    return re.search(pattern, path.read_bytes()) is not None


def _spellings(name: str) -> set[str]:
    marked = {name, html.escape(name), html.escape(name, quote=False)}
    return marked | {json.dumps(text, ensure_ascii=flag)[1:-1] for text in marked for flag in (True, False)}
