"""Parquet files of others as Spark reads them: with the columns of all, and with the place of each row."""

from __future__ import annotations

import re
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from helpers.errors import InputError
from helpers.sources.spark import casts, kinds, tables

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

NAMES = {
    "string": "VARCHAR", "tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER", "bigint": "BIGINT", "float": "FLOAT",
    "double": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMP WITH TIME ZONE",
    "timestamp_ntz": "TIMESTAMP", "binary": "BLOB",
}  # fmt: skip
PLACES = ("file_row_number", "file_index")  # what DuckDB calls them


def frame(connection, paths: list[str], *, by_name: bool) -> DataFrame:
    """The rows of Parquet files.

    Args:
        by_name: The files may have other columns, or the same of other types; then the rows have `PLACES` as well.
    """
    if not by_name:
        return connection._session.read.parquet(*(path.translate(tables.SPECIAL) for path in paths))
    alike: dict[str, list[int]] = {}
    schemas = [_readable(path) for path in paths]
    for number, schema in enumerate(schemas):
        alike.setdefault(str(schema), []).append(number)
    frames = [_alike(connection, {number: paths[number] for number in own}, schemas[own[0]]) for own in alike.values()]
    united = reduce(lambda a, b: a.unionByName(b, allowMissingColumns=True), _same_types(frames))
    return united.withColumns({name: _of_folder(values) for name, values in _folders(paths).items()})


def _folders(paths: list[str]) -> dict[str, list[str]]:
    """What folders called day=2026-03-02 say of each file; nothing where not all files lie in such."""
    found = [dict(part.split("=", 1) for part in Path(path).parent.parts if "=" in part) for path in paths]
    alike = all(own.keys() == found[0].keys() for own in found)
    return {name: [own[name] for own in found] for name in found[0]} if alike else {}


def _of_folder(values: list[str]) -> Column:
    """The column that DuckDB makes of it: whole numbers, days or text."""
    from pyspark.sql import functions as f

    forms = {r"0|-?[1-9]\d{0,17}": "bigint", r"\d{4}-\d\d-\d\d": "date"}
    kind = next((kind for form, kind in forms.items() if all(re.fullmatch(form, value) for value in values)), "string")
    listed = f.array(*(f.lit(unquote(value)) for value in values))
    return f.get(listed, f.col("file_index")).cast(kind)


def _readable(path: str) -> pa.Schema:
    """The columns of a file.

    Raises:
        InputError: One of them is the time of a day, which Spark 4.0 has no type for: it reads no column of such a file.
    """
    import pyarrow as pa
    import pyarrow.parquet

    schema = pyarrow.parquet.read_schema(path).remove_metadata()
    if odd := [field.name for field in schema if pa.types.is_time(field.type)]:
        raise InputError(
            f"{path}: Spark cannot read a file with times of a day ({', '.join(odd)}). Write the file without them or with "
            'them as text, or let dataset.toml say engine = "duckdb".'
        )
    return schema


def _alike(connection, paths: dict[int, str], schema: pa.Schema) -> DataFrame:
    """Files with the same columns, by number."""
    from pyspark.sql import functions as f

    shown = {str(tables.shown(connection, Path(path))): number for number, path in paths.items()}
    read = connection._session.read.parquet(*(path.translate(tables.SPECIAL) for path in shown))
    numbers = {uri.replace("file:///", "file:/", 1): shown[unquote(urlsplit(uri).path)] for uri in read.inputFiles()}
    places = f.create_map(*(f.lit(own) for pair in numbers.items() for own in pair))
    return read.select(
        *(_as_duckdb_has_it(schema.field(name), dict(read.dtypes)[name]).alias(name) for name in read.columns),
        f.col("_metadata.row_index").alias("file_row_number"),
        places[f.col("_metadata.file_path")].alias("file_index"),
    )


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _as_duckdb_has_it(field: pa.Field, kind: str) -> Column:
    """Times to the nanosecond come as whole numbers, old ones without a zone as instants; maps cannot be compared."""
    import pyarrow as pa
    from pyspark.sql import functions as f

    own = f.col(_quoted(field.name))
    if pa.types.is_timestamp(field.type):
        own = f.timestamp_micros(f.expr(f"{_quoted(field.name)} DIV 1000")) if kind == "bigint" else own
        return own if field.type.tz else own.cast("timestamp_ntz")
    return f.map_entries(own) if kind.startswith("map<") else own


def _same_types(frames: list[DataFrame]) -> list[DataFrame]:
    """Where a column is text in one of them, it is text in all; Spark would make it a number."""
    from pyspark.sql import functions as f

    texts = {name.lower() for own in frames for name, kind in own.dtypes if kind == "string"}
    made = []
    for own in frames:
        odd = {name: kind for name, kind in types(own).items() if kind != "VARCHAR" and name.lower() in texts}
        said = {name: f.expr(casts.text(_quoted(name), kinds.kind_of_type(kind))) for name, kind in odd.items()}
        made.append(own.withColumns(said) if said else own)
    return made


def types(frame: DataFrame) -> dict[str, str]:
    """The type of each column as DuckDB calls it."""
    return {field.name: duckdb_type(field.dataType) for field in frame.schema}


def duckdb_type(kind: DataType) -> str:
    """A type as DuckDB calls it."""
    own = kind.simpleString()
    outer = own.partition("<")[0]
    if outer == "array":
        return f"{duckdb_type(kind.elementType)}[]"
    return {"struct": "STRUCT", "map": "MAP"}.get(outer) or NAMES.get(own) or own.upper()
