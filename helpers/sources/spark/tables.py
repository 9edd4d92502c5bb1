"""Tables on Spark: held for a while, read from Parquet, written as Parquet.

What is held lies as Parquet in the folder that all workers see, so that a lost worker takes nothing along.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import paths
from helpers.errors import EnvironmentFault

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

ONE_FILE = 1_000_000  # rows: as many are one file, as DuckDB writes it
ROW_GROUP = 122_880
SPECIAL = str.maketrans({sign: f"\\{sign}" for sign in "\\{}[]*?,"})  # what Spark reads is named by patterns
NO_SPACE = ("No space left on device", "Disk quota exceeded", "Permission denied", "Read-only file system")


def keep(backend, table: ibis.Table) -> ibis.Table:
    """The same table, computed once."""
    return cache(backend, f"t_{secrets.token_hex(6)}", table)


def cache(backend, label: str, table: ibis.Table) -> ibis.Table:
    """The same, called so. What Spark 4.0 caches itself it works out anew for its plans, wherever it is named: minutes of it."""
    _write(frame(backend, table), _place(backend, label))
    return _named(backend, label, [_place(backend, label)])


def held(connection, label: str, frame):
    """A data frame computed once, as `cache` does."""
    _write(frame, _place(connection, label))
    return connection._session.read.parquet(str(_place(connection, label)).translate(SPECIAL))


def take(backend, table: pa.Table) -> ibis.Table:
    """An Arrow table as a table of Spark."""
    import pyarrow.parquet as pq

    label = f"t_{secrets.token_hex(6)}"
    pq.write_table(table, _place(backend, label))
    return _named(backend, label, [_place(backend, label)])


def told(backend, memtable) -> None:
    """A table of this process, shown to Spark by its own name: ibis 12.0 takes it by way of pandas, whose empty text is "NaN"."""
    from ibis.backends.pyspark.datatypes import PySparkSchema

    rows = memtable.data.to_pyarrow(memtable.schema)
    backend._session.createDataFrame(rows, schema=PySparkSchema.from_ibis(memtable.schema)).createOrReplaceTempView(memtable.name)


def asked(backend, expr, **how):
    """What an expression is, as Arrow: ibis 12.0 goes by way of pandas, where an empty decimal and the year 1 are errors."""
    from ibis.formats.pyarrow import PyArrowData

    table = expr.as_table()
    backend._run_pre_execute_hooks(table)
    rows = backend._session.sql(backend.compile(table, **how)).toArrow()
    return expr.__pyarrow_result__(PyArrowData.convert_table(rows, table.schema()))


def drop(backend, table: ibis.Table) -> None:
    """Let go of a table that `keep` or `take` made."""
    forget(backend, table.get_name())


def forget(backend, label: str) -> None:
    """The same, by its name."""
    backend._session.catalog.dropTempView(label)
    paths.remove(_place(backend, label))


def read(backend, files: list[Path]) -> ibis.Table:
    """Parquet files, with the columns of the first, as an ibis table."""
    return _named(backend, f"v_{secrets.token_hex(6)}", [shown(backend, file) for file in files])


def _named(backend, label: str, files: list[Path]) -> ibis.Table:
    backend._session.read.parquet(*(str(file).translate(SPECIAL) for file in files)).createOrReplaceTempView(label)
    return backend.table(label)


def place(session) -> Path:
    """The folder of the tables that are held."""
    return Path(session.conf.get("spark.sql.warehouse.dir").removeprefix("file:"))


def _place(backend, label: str) -> Path:
    return place(backend._session) / f"{label}.parquet"


def shown(backend, file: Path) -> Path:
    """Spark 4.0 passes over files whose name begins with a dot, as of those that are being written, and cannot read a colon in
    one: they get another name."""
    if file.is_dir() or not (file.name.startswith((".", "_")) or ":" in file.name):
        return file
    shown = _place(backend, f"v_{secrets.token_hex(6)}")
    shown.symlink_to(file)
    return shown


def frame(backend, table: ibis.Table):
    """A table as Spark's own data frame, its numbers as wide as ibis says: those of Spark 4.0 are as wide as it thinks needed."""
    from pyspark.sql.functions import col

    backend._run_pre_execute_hooks(table)
    found = backend._session.sql(backend.compile(table))
    wanted = {name: _number(dtype) for name, dtype in table.schema().items()}
    other = {name: wanted[name] for name, have in found.dtypes if wanted[name] not in (None, have)}
    return found.withColumns({name: col(f"`{name}`").cast(kind) for name, kind in other.items()}) if other else found


def _number(dtype) -> str | None:
    """What Spark calls a kind of numbers of which there are several widths."""
    if dtype.is_decimal():
        return None if dtype.precision is None else f"decimal({dtype.precision},{dtype.scale})"
    return "bigint" if dtype.is_int64() else "double" if dtype.is_float64() else None


def write(frame, path: Path, *, sort: list[str]) -> int:
    """Write a data frame as one Parquet file, or above a million rows as a folder of them; gives the number of rows.

    Equal rows with a key to sort by give equal files, however Spark has cut its work: what it writes is cut by hash.

    Raises:
        EnvironmentFault: The disk is full or not writable; names the path.
    """
    import pyarrow.parquet as pq

    if sort:
        frame = frame.repartition(int(frame.sparkSession.conf.get("spark.sql.shuffle.partitions")), *sort)
        frame = frame.sortWithinPartitions(*sort)
    written = paths.beside(path)
    try:
        parts = _write(frame, written)
        rows = sum(pq.read_metadata(part).num_rows for part in parts)
        with paths.whole(path) as fresh:
            if rows <= ONE_FILE:
                _write_one(parts, fresh, sort)
            else:
                fresh.mkdir(mode=0o700)
                for n, part in enumerate(parts):
                    part.chmod(0o600)
                    part.rename(fresh / f"part-{n:05d}.parquet")
    except OSError as fault:
        raise unwritable(path, fault) from None
    finally:
        paths.remove(written)
    return rows


def _write(frame, folder: Path) -> list[Path]:
    """Write a data frame into a new folder; gives the files."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    folder.mkdir(mode=0o700)
    try:
        frame.write.mode("append").parquet(str(folder), compression="zstd")
    except (Py4JJavaError, PySparkException) as fault:
        said = next((line for line in str(fault).splitlines() if any(sign in line for sign in NO_SPACE)), None)
        if said is None:
            raise
        raise OSError(said.strip()) from None
    return sorted(folder.glob("part-*.parquet"))


def _write_one(parts: list[Path], path: Path, sort: list[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = pa.concat_tables([pq.ParquetFile(part).read().replace_schema_metadata(None) for part in parts])
    if sort:
        whole = whole.sort_by([(column, "ascending") for column in sort])
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as stream:
        pq.write_table(whole, stream, compression="zstd", row_group_size=ROW_GROUP)


def unwritable(path: Path, fault: object) -> EnvironmentFault:
    """What is said where a table cannot be written."""
    return EnvironmentFault(f"{path}: cannot be written ({fault}). Free some space or make the folder writable, then run again.")
