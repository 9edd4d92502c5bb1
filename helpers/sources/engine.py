"""The engine that does all work which grows with events or users: DuckDB, embedded, or Spark; both reached through ibis.

Everything that is an engine's alone stands in this folder; the rest of the project sees ibis tables.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import paths
from helpers.errors import of_disk
from helpers.sources import spark
from helpers.sources.spark import tables

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

    from helpers.sources.dataset import Dataset

STORED = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880"
LOCK = "SET lock_configuration = true"


def of(dataset: Dataset, built: Path | None = None, *, memory: str | None = None):
    """The ibis backend that a dataset.toml asks for; it sees what is built and where the sources lie.

    Args:
        built: The folder of what is built, where it is not the dataset's own.
        memory: What it may take, such as "4GB", where less is left than dataset.toml allows.

    Raises:
        EnvironmentFault: Spark or Java is not installed.
    """
    built = built or paths.built(dataset.name)
    spill = spilled(dataset, built) / str(os.getpid())
    memory = memory or dataset.engine.memory
    if dataset.engine.spark:
        return spark.connect(dataset.engine.spark, folder=spill, memory=memory)
    return connect([built, dataset.root], spill=spill, threads=dataset.engine.threads, memory=memory)


def plain(dataset: Dataset):
    """The same, but the engine's own connection: for the few questions that come before any notebook."""
    if dataset.engine.spark:
        return of(dataset).con
    built, own = paths.built(dataset.name), dataset.engine
    return connect_plainly([dataset.root, built], spill=spilled(dataset, built), threads=own.threads, memory=own.memory)


def spilled(dataset: Dataset, built: Path) -> Path:
    """The folder for what does not fit into memory: in it each process has one, called by its number."""
    return Path(dataset.engine.spill) / f"growth-rings-{dataset.name}" if dataset.engine.spill else built / "spill"


def connect(folders: list[Path], *, spill: Path, threads: int | None = None, memory: str | None = None):
    """An ibis backend on an embedded DuckDB that sees the given folders and nothing else.

    Args:
        folders: The only folders that may be read or written.
        spill: Where it may put what does not fit into memory (made when needed).
        threads: Processors to use; all of this machine's by default.
        memory: Such as "4GB"; by default half of this machine's.
    """
    import ibis

    from helpers.sources.inlining import Compiler

    connection = _connection(folders, spill, threads, memory)
    backend = ibis.duckdb.from_connection(connection)
    backend.compiler = Compiler()
    connection.execute(LOCK)  # not before: ibis sets the time zone itself while it takes over
    return backend


def connect_plainly(folders: list[Path], *, spill: Path, threads: int | None = None, memory: str | None = None):
    """As `connect`, but the engine's own connection."""
    connection = _connection(folders, spill, threads, memory)
    connection.execute(LOCK)
    return connection


def _connection(folders: list[Path], spill: Path, threads: int | None, memory: str | None):
    import duckdb

    spill.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = duckdb.connect(":memory:")
    allowed = ", ".join(quote(str(folder.resolve())) for folder in [*folders, spill])
    for setting in (
        "TimeZone = 'UTC'",
        f"threads = {int(threads or os.cpu_count() or 2)}",
        f"memory_limit = {quote(memory or f'{_half_the_memory()}MB')}",
        f"temp_directory = {quote(str(spill))}",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "preserve_insertion_order = true",
        "enable_progress_bar = false",
        f"allowed_directories = [{allowed}]",
        "enable_external_access = false",
    ):
        connection.execute(f"SET {setting}")
    return connection


def _half_the_memory() -> int:
    try:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 2048
    return max(512, pages // 2 // 2**20)


def is_spark(backend) -> bool:
    return backend.name == "pyspark"


def quote(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def name(identifier: str) -> str:
    """A column's name as an SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def version(connection) -> str:
    """Which engine answers, and which one of it."""
    import duckdb

    return connection.version if hasattr(connection, "version") else duckdb.__version__


def view(backend, sql: str) -> ibis.Table:
    """The ibis table that a query in the engine's own dialect describes; nothing is computed yet."""
    return backend.table(named(backend.con, sql))


def named(connection, sql: str) -> str:
    """The name of a view of a query."""
    label = f"v_{secrets.token_hex(6)}"
    connection.execute(f"CREATE VIEW {label} AS {sql}")
    return label


def types(connection, label: str) -> dict[str, str]:
    """The engine's type of each column of a view."""
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE {label}").fetchall()}


def keep(backend, table: ibis.Table) -> ibis.Table:
    """The same table, computed once and held by the engine (spilling when it does not fit)."""
    if is_spark(backend):
        return tables.keep(backend, table)
    label = f"t_{secrets.token_hex(6)}"
    backend.con.execute(f"CREATE TABLE {label} AS {_query(backend, table)}")
    return backend.table(label)


def _query(backend, table: ibis.Table) -> str:
    """SQL of a table; frames within it are made known to the engine, which ibis does for a view and not when it compiles."""
    from ibis.expr import operations

    if not table.op().find(operations.InMemoryTable):
        return backend.compile(table)
    label = f"v_{secrets.token_hex(6)}"
    backend.create_view(label, table)
    return f"SELECT * FROM {label}"


def take(backend, table: pa.Table) -> ibis.Table:
    """An Arrow table as a table of the engine."""
    return tables.take(backend, table) if is_spark(backend) else backend.create_table(f"t_{secrets.token_hex(6)}", table)


def drop(backend, *held: ibis.Table) -> None:
    """Let go of tables that `keep` or `take` made."""
    for table in held:
        if is_spark(backend):
            tables.drop(backend, table)
        else:
            backend.con.execute(f"DROP TABLE IF EXISTS {table.get_name()}")


def sums(backend, table: ibis.Table, *, by: str) -> list[tuple[str, int, int]]:
    """Of each value of a text column its rows and a sum over them, which is another when any row says something else."""
    label = f"v_{secrets.token_hex(6)}"
    backend.create_view(label, table)
    row = ", ".join(name(column) for column in table.columns)
    asked = f"SELECT {name(by)}, count(*), sum(CAST(hash({row}) AS HUGEINT)) FROM {label} GROUP BY 1 ORDER BY 1"
    found = backend.con.execute(asked).fetchall()
    backend.drop_view(label)
    return [(value, int(rows), int(total)) for value, rows, total in found]


def united(parts: list[ibis.Table]) -> ibis.Table:
    """All rows of tables with the same columns."""
    import ibis

    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def files(path: Path) -> list[Path]:
    """The files of a table of ours: itself, or those in the folder that it is."""
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path]


def read(backend, path: Path | list[Path]) -> ibis.Table:
    """Parquet files of ours, or folders of them, as an ibis table."""
    found = [file for own in (path if isinstance(path, list) else [path]) for file in files(own)]
    if is_spark(backend):
        return tables.read(backend, found)
    return view(backend, f"SELECT * FROM read_parquet([{', '.join(quote(str(file)) for file in found)}])")


def write(backend, table: ibis.Table, path: Path, *, sort: list[str]) -> int:
    """Write a table as Parquet, whole or not at all, readable by its owner alone; returns the number of rows.

    Spark leaves a folder of files where there are more than a million rows.

    Raises:
        EnvironmentFault: The disk is full or not writable; names the path.
    """
    if is_spark(backend):
        return tables.write(tables.frame(backend, table), path, sort=sort)
    # a sum of whole numbers is wider than ibis knows, and Parquet would keep it as a fraction
    whole = [name(column) for column, dtype in table.schema().items() if dtype.is_int64()]
    exact = f" REPLACE ({', '.join(f'CAST({column} AS BIGINT) AS {column}' for column in whole)})" if whole else ""
    order = f" ORDER BY {', '.join(name(column) for column in sort)}" if sort else ""
    return copy(backend.con, f"SELECT *{exact} FROM ({_query(backend, table)}){order}", path, STORED)


def copy(connection, sql: str, path: Path, options: str) -> int:
    """Write what a query gives as a file, whole or not at all, readable by its owner alone; returns the number of rows.

    Raises:
        EnvironmentFault: The disk is full or not writable; names the path.
    """
    if hasattr(connection, "frame"):
        return tables.write(connection.frame(sql), path, sort=[])
    import duckdb

    try:
        with paths.whole(path) as fresh:
            os.close(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
            return connection.execute(f"COPY ({sql}) TO {quote(str(fresh))} ({options}, USE_TMP_FILE false)").fetchone()[0]
    except duckdb.IOException as fault:
        raise of_disk(path, fault) from None
