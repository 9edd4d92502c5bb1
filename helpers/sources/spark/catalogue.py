"""Tables of Spark's catalogue as sources: whether they are what they were, and single rows of them.

A table has no lines: its rows are known by a hash of what they say, which is kept where a file's rows have their byte.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from helpers.errors import InputError, nearest

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

ROW_HASH = "row_hash"
EXACT = 2**53 - 1  # a hash that is one as a floating point number as well
OF_FILES = ("parquet", "orc", "csv", "json", "avro", "hive")


def check(table: str, place: str) -> None:
    """Whether there is such a table.

    Raises:
        InputError: There is none; says where it was asked for, and which there are.
    """
    from pyspark.errors import PySparkException

    session = _session()
    if session.catalog.tableExists(table):
        return
    folder, dot, _ = table.rpartition(".")
    try:
        listed = session.sql(f"SHOW TABLES IN {folder}" if folder else "SHOW TABLES").collect()
        there = [f"{folder}{dot}{own.tableName}" for own in listed if not own.isTemporary]
    except PySparkException:
        there = []
    said = f"There are: {', '.join(sorted(there)[:20])}." if there else "Is the catalogue that has it among Spark's settings?"
    raise InputError(f'{place}\n  Spark\'s catalogue has no table "{table}".{nearest(table, there)} {said}')


def stamp(table: str) -> list:
    """What tells cheaply that a table is as it was: the files that it lies in, their sizes and times; [] where nothing does."""
    from pyspark.sql import functions as f

    session = _session()
    said = {row[0]: row[1] for row in session.sql(f"DESCRIBE TABLE EXTENDED {table}").collect()}
    if str(said.get("Provider", "")).lower() not in OF_FILES:
        return []
    own = [f.col(f"_metadata.{name}") for name in ("file_path", "file_size", "file_modification_time")]
    files = session.table(table).select(own).distinct()
    count, total = files.select(f.count("*"), f.sum(f.xxhash64(*files.columns).cast("decimal(38, 0)"))).first()
    return [count, str(total)]


def fingerprint(table: str) -> str:
    """A hash of everything that a table says, in whatever order."""
    from pyspark.sql import functions as f

    rows = _session().table(table).select(f.xxhash64(_json()).cast("decimal(38, 0)").alias("own"))
    return hashlib.sha256(str(tuple(rows.select(f.count("*"), f.sum("own")).first())).encode()).hexdigest()


def count(table: str) -> int:
    """Its rows."""
    return _session().table(table).count()


def columns(table: str) -> list[str]:
    """The names of its columns."""
    return _session().table(table).columns


def frame(session: SparkSession, table: str) -> DataFrame:
    """A table with `row_hash`; maps, which cannot be compared, as lists of their entries."""
    from pyspark.sql import functions as f

    found = session.table(table)
    maps = {name: f.map_entries(f.col(f"`{name}`")) for name, kind in found.dtypes if kind.startswith("map<")}
    return found.withColumn(ROW_HASH, _place()).withColumns(maps)


def texts(table: str, places: list[int]) -> list[str]:
    """Rows of a table as JSON, by their hashes."""
    from pyspark.sql import functions as f

    own = _session().table(table).select(_place().alias("place"), _json().alias("said"))
    said = dict(own.filter(f.col("place").isin(list(set(places)))).distinct().toArrow().to_pandas().itertuples(index=False))
    return [said.get(place, "") for place in places]


def _json() -> Column:
    from pyspark.sql import functions as f

    return f.to_json(f.struct("*"))


def _place() -> Column:
    from pyspark.sql import functions as f

    return f.xxhash64(_json()).bitwiseAND(EXACT)  # of the columns themselves it would pass over those without a value


def _session() -> SparkSession:
    """The one that this process has."""
    from pyspark.sql import SparkSession

    return SparkSession.builder.getOrCreate()
