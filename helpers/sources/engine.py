"""The engine that does all work which grows with events or users: DuckDB, embedded, or Spark; both reached through ibis.

Everything that is an engine's alone stands in this folder; the rest of the project sees ibis tables.
"""

from __future__ import annotations

import os
import secrets
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import paths
from helpers.errors import EnvironmentFault, of_disk

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

STORED = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880"
LOCK = "SET lock_configuration = true"
THIS_MACHINE = "127.0.0.1"


def connect(folders: list[Path], *, spill: Path, threads: int | None = None, memory: str | None = None):
    """An ibis backend on an embedded DuckDB that sees the given folders and nothing else.

    Args:
        folders: The only folders that may be read or written.
        spill: Where it may put what does not fit into memory (made when needed).
        threads: Processors to use; all of this machine's by default.
        memory: Such as "4GB"; by default half of this machine's.
    """
    import ibis

    connection = _connection(folders, spill, threads, memory)
    backend = ibis.duckdb.from_connection(connection)
    connection.execute(LOCK)  # not before: ibis sets the time zone itself while it takes over
    return backend


def connect_plainly(folders: list[Path], *, spill: Path):
    """As `connect`, but the engine's own connection: for the few questions that come before any notebook."""
    connection = _connection(folders, spill, None, None)
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


def connect_spark(master: str, *, folder: Path):
    """An ibis backend on Spark; a process has one, and a further call gives the same.

    Its zone is UTC. What cannot be cast and what overflows is an error, as with DuckDB.

    Args:
        master: Such as "local[2]", which keeps to this machine and to its own address, or "spark://host:7077".
        folder: Where it puts its tables and what does not fit into memory (made when needed); all workers must see it.

    Raises:
        EnvironmentFault: Spark or Java is not installed.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise EnvironmentFault('Spark is not installed. Run `.venv/bin/pip install -e ".[hard]"`, or take DuckDB.') from None
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise EnvironmentFault("Spark needs Java 17, and there is no java. On Debian: apt install openjdk-17-jre-headless")
    import ibis

    builder = SparkSession.builder.master(master).appName("growth-rings")
    for setting, value in _spark_settings(master, folder.resolve()).items():
        builder = builder.config(f"spark.{setting}", value)
    backend = ibis.pyspark.connect(builder.getOrCreate())
    backend._transpile_sql = _in_words_of_spark  # ibis 12 has no door for it
    backend._create_cached_table = partial(_cached, backend)
    return backend


def _cached(backend, name: str, expression):
    """Keep a table, and give Spark first the small ones of ours that it is made of, which ibis 12.0 forgets."""
    backend._run_pre_execute_hooks(expression)
    return type(backend)._create_cached_table(backend, name, expression)


def _in_words_of_spark(query: str, *, dialect: str | None = None) -> str:
    """What `table.sql` is given, such as the conditions of rules.toml, in Spark's dialect.

    DuckDB 1.5 makes floating point numbers of all that it divides; Spark 4.0 divides decimals to six digits.
    """
    import sqlglot
    from sqlglot import exp

    if dialect is None:
        return query
    tree = sqlglot.parse_one(query, read=dialect)
    for node in list(tree.find_all(exp.Div)):
        node.set("this", exp.cast(node.this, "double"))
        node.set("expression", exp.cast(node.expression, "double"))
    return tree.sql("spark")


def _spark_settings(master: str, folder: Path) -> dict[str, str]:
    spill, tables = folder / "spill", folder / "tables"
    for place in (folder, spill, tables):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = {
        "sql.session.timeZone": "UTC",
        "sql.ansi.enabled": "true",
        "sql.warehouse.dir": str(tables),
        "sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "sql.execution.arrow.pyspark.enabled": "true",
        "local.dir": str(spill),
        "driver.extraJavaOptions": f'"-Djava.io.tmpdir={spill}"',
        "ui.enabled": "false",
        "ui.showConsoleProgress": "false",
        "log.level": "ERROR",
    }
    if master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", THIS_MACHINE)  # else it looks up the machine's name
        settings |= {"driver.host": THIS_MACHINE, "driver.bindAddress": THIS_MACHINE, "sql.shuffle.partitions": "4"}
    return settings


def quote(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def name(identifier: str) -> str:
    """A column's name as an SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


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
    label = f"t_{secrets.token_hex(6)}"
    return backend.create_table(label, table)


def drop(backend, *tables: ibis.Table) -> None:
    """Let go of tables that `keep` or `take` made."""
    for table in tables:
        backend.con.execute(f"DROP TABLE IF EXISTS {table.get_name()}")


def united(tables: list[ibis.Table]) -> ibis.Table:
    """All rows of tables with the same columns."""
    import ibis

    return ibis.union(*tables) if len(tables) > 1 else tables[0]


def read(backend, path: Path | list[Path]) -> ibis.Table:
    """Parquet files of ours, or a folder of them, as an ibis table."""
    files = path if isinstance(path, list) else sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if backend.name == "pyspark":
        return united([_instants(backend.read_parquet(str(file))) for file in files])
    return view(backend, f"SELECT * FROM read_parquet([{', '.join(quote(str(file)) for file in files)}])")


def _instants(table: ibis.Table) -> ibis.Table:
    """Times of Spark are instants; ibis takes them for times without a zone."""
    times = [column for column, dtype in table.schema().items() if dtype.is_timestamp()]
    return table.cast(dict.fromkeys(times, "timestamp('UTC')"))


def write(backend, table: ibis.Table, path: Path, *, sort: list[str]) -> int:
    """Write a table as Parquet, whole or not at all, readable by its owner alone; returns the number of rows.

    Raises:
        EnvironmentFault: The disk is full or not writable; names the path.
    """
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
    import duckdb

    try:
        with paths.whole(path) as fresh:
            os.close(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
            return connection.execute(f"COPY ({sql}) TO {quote(str(fresh))} ({options}, USE_TMP_FILE false)").fetchone()[0]
    except duckdb.IOException as fault:
        raise of_disk(path, fault) from None
