"""Parquet files as they come: whether they can be read, and whether the parts of a source agree on what their times mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.problems import faulty
from helpers.sources import scan

if TYPE_CHECKING:
    import pyarrow as pa

    from helpers.sources.profile import Part


def check(parts: list[Part]) -> None:
    """Look at the Parquet files among the parts of one source.

    Raises:
        FaultyData: One cannot be read, has a name twice, or its times have a zone where those of another have none.
    """
    first: dict[str, tuple[bool, str]] = {}
    for part in parts:
        if not part.is_parquet:
            continue
        for column, aware in _times(_schema(part)).items():
            known, label = first.setdefault(column, (aware, part.label))
            if known != aware:
                with_zone, without = (label, part.label) if known else (part.label, label)
                said = f"the times in {column} have a zone in {with_zone} and none in {without}. Write all parts alike, or "
                raise faulty("times_differ", part.label, said + "give them a block each.", column=column)


def columns(part: Part) -> list[str]:
    """The names of a file's columns, or of a table's.

    Raises:
        FaultyData: It cannot be read.
    """
    if part.is_table:
        from helpers.sources.spark import catalogue

        scan.check_names(catalogue.columns(part.label), part.label)
        return catalogue.columns(part.label)
    return _schema(part).names


def _schema(part: Part) -> pa.Schema:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        found = pyarrow.parquet.read_schema(part.path)
    except (OSError, pa.ArrowException) as fault:
        said = str(fault).splitlines()[0].rstrip(".")
        said = f"not a Parquet file that can be read ({said}). It may be cut off; fetch it again."
        raise faulty("unreadable", part.label, said) from None
    scan.check_names(found.names, part.label)
    return found


def _times(schema: pa.Schema) -> dict[str, bool]:
    import pyarrow.types

    return {field.name: field.type.tz is not None for field in schema if pyarrow.types.is_timestamp(field.type)}
