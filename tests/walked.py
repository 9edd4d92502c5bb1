"""What a walk through all notebooks left, against what another left: artefact by artefact, row by row."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import engines
import pyarrow as pa
import pyarrow.parquet as pq

from helpers import contracts
from helpers.sources.engine import files

OF_THE_RUN = ["run_id"]  # a hash of dataset.toml, which names the engine


def artefacts(week: Path) -> dict[str, pa.Table]:
    """All artefacts of a week's folder."""
    return {path.stem: pa.concat_tables(map(pq.read_table, files(path))) for path in sorted(week.glob("*.parquet"))}


def differences(ours: Path, theirs: Path) -> list[str]:
    """In what the artefacts of two weeks differ; counts and decimals are equal, fractions to nine digits, small ones in order."""
    here, there = artefacts(ours), artefacts(theirs)
    found = [f"{name} is in one of the two alone" for name in sorted(set(here) ^ set(there))]
    both = {name: _difference(name, here[name], there[name]) for name in sorted(set(here) & set(there))}
    return found + [f"{name}: {said}" for name, said in both.items() if said]


def _difference(name: str, ours: pa.Table, theirs: pa.Table) -> str:
    ours, theirs = (table.drop_columns([own for own in OF_THE_RUN if own in table.column_names]) for table in (ours, theirs))
    own, other = ({field.name: field.type for field in table.schema} for table in (ours, theirs))
    if own != other:
        return f"columns {sorted(set(own.items()) ^ set(other.items()), key=str)}"
    rows = [table.to_pylist() if contracts.find(name).small else engines.sorted_rows(table) for table in (ours, theirs)]
    apart = [pair for pair in zip_longest(*rows) if None in pair or not engines.same(*pair)]
    if not apart:
        return ""
    left, right = ({} if row is None else row for row in apart[0])
    cells = {column: (left.get(column), right.get(column)) for column in own if left.get(column) != right.get(column)}
    return f"{len(apart)} of {len(rows[0])} and {len(rows[1])} rows differ, such as {str(cells)[:500]}"
