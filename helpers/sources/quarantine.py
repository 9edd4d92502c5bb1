"""Rows that were set aside, with their raw text: for the person who can mend the source, and for nobody else."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.problems import BY_NAME
from helpers.sources import raw
from helpers.sources.privacy import PSEUDONYM_LENGTH
from helpers.spreadsheets import disarmed

if TYPE_CHECKING:
    import pyarrow as pa

    from helpers.sources.profile import Part

COLUMNS = ("source_file", "source_sha256", "line", "byte_offset", "column", "code", "reason", "raw_line", "run_id")


def table(parts: list[Part], aside: pa.Table, run_id: str, column_of: Callable[[str, str], str]) -> pa.Table:
    """The quarantine: one row per row that was set aside, in the order of files and lines.

    Args:
        aside: Columns table, source, file, line, byte, size, reason.
        column_of: The column that a reason is about, by table and reason.
        run_id: Of the run that set them aside.
    """
    import pyarrow as pa

    rows: dict[str, list] = {column: [] for column in COLUMNS}
    by_file: dict[tuple[str, str], list[dict]] = {}
    for row in aside.to_pylist():
        by_file.setdefault((row["source"], row["file"]), []).append(row)
    for part in parts:
        own = sorted(by_file.get((part.source.name, part.label), ()), key=lambda row: row["byte" if part.is_table else "line"])
        texts = raw.records(part, [(row["line"], row["byte"], row["size"]) for row in own]) if own else []
        for number, (row, text) in enumerate(zip(own, texts, strict=True), 1):
            code = BY_NAME[row["reason"]].code if row["reason"] in BY_NAME else ""
            about = column_of(row["table"], row["reason"])
            place = (number, None) if part.is_table else (row["line"], row["byte"])
            made = (part.label, part.sha256, *place, about, code, row["reason"], text, run_id)
            for column, value in zip(COLUMNS, made, strict=True):
                rows[column].append(value)
    seen = dict.fromkeys(zip(*rows.values(), strict=True))  # a file that two sources read is quarantined once
    rows = dict(zip(COLUMNS, map(list, zip(*seen, strict=True)), strict=True)) if seen else rows
    types = {"line": pa.int64(), "byte_offset": pa.int64()}
    return pa.table({column: pa.array(values, types.get(column, pa.string())) for column, values in rows.items()})


def without(found: pa.Table, parts: list[Part], forgotten: set[str], key: bytes) -> pa.Table:
    """The same without rows of which a cell is the id of somebody who wants to be forgotten."""
    by_label = {part.label: part for part in parts}
    rows = found.to_pylist()
    kept = []
    for number, row in enumerate(rows):
        cells = raw.cells(by_label[row["source_file"]], row["raw_line"]).values()
        if not any(hmac.new(key, cell.encode(), "sha256").hexdigest()[:PSEUDONYM_LENGTH] in forgotten for cell in cells):
            kept.append(number)
    return found.take(kept)


def fix_list(found: pa.Table, path: Path) -> int:
    """Write what to send back to the data's owner as a CSV, readable by its owner alone; gives the number of rows.

    Cells that a spreadsheet would take for a formula begin with an apostrophe; take it away to have the cell as it stood.
    """
    import csv
    import io
    import os

    from helpers import paths

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["file", "line", "column", "code", "what is wrong", "what to do", "the row as it stands"])
    for row in found.to_pylist():
        code = BY_NAME.get(row["reason"])
        said = (code.meaning, code.remedy) if code else (row["reason"], "")
        cells = (row["source_file"], row["line"], row["column"], row["code"], *said, row["raw_line"])
        writer.writerow([disarmed(cell) if isinstance(cell, str) else cell for cell in cells])
    with paths.whole(path) as fresh:
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        fresh.write_text(text.getvalue(), encoding="utf-8")
    return found.num_rows
