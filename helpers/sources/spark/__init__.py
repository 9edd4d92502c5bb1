"""Spark, for those who outgrow one machine: everything that is its own stands in this folder.

`connect` starts it; tables.py reads, writes and holds tables on it; dialect.py says DuckDB's SQL in its words.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

from helpers.errors import EnvironmentFault
from helpers.sources import choice
from helpers.sources.spark import tables

THIS_MACHINE = "127.0.0.1"
OLDEST_JAVA = 17
ANSWER_SECONDS = 5
REMEDY = 'Run `.venv/bin/pip install -e ".[spark]"`, or let dataset.toml say engine = "duckdb".'
PARTS = 32  # tasks of a shuffle on a cluster, and files of a large table
PARTS_HERE = 4
PARTS_ASKED = "spark.sql.shuffle.partitions"
KEPT_FOR_A_PAGE = [("sql.ui", "Executions"), ("ui", "Jobs"), ("ui", "Stages"), ("ui", "Tasks")]  # and ours is off


def check(master: str) -> None:
    """Whether Spark can be started from this machine.

    Raises:
        EnvironmentFault: Spark or a Java that is new enough is not installed, or nothing answers at the address.
    """
    if importlib.util.find_spec("pyspark") is None:
        raise EnvironmentFault(f"Spark is not installed. {REMEDY}")
    remedy = "On Debian: apt install openjdk-17-jre-headless; JAVA_HOME names another one's folder."
    java = _java()
    if java is None:
        raise EnvironmentFault(f"Spark needs Java {OLDEST_JAVA}, and there is no java. {remedy}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < OLDEST_JAVA:
        have = f"is {found[1]}" if found else "does not start"
        raise EnvironmentFault(f"Spark needs Java {OLDEST_JAVA}, and {java} {have}. {remedy}")
    if master.startswith("spark://") and not any(map(_answers, master.removeprefix("spark://").split(","))):
        raise EnvironmentFault(f"{master}: nothing answers there. Start the cluster, or mend the address in dataset.toml.")


def _answers(place: str) -> bool:
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def _java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")


def connect(master: str, *, folder: Path, memory: str | None = None):
    """An ibis backend on Spark; a process has one, and a further call for the same address gives the same.

    Its zone is UTC. What cannot be cast and what overflows is an error, as with DuckDB. Its Java ends with this process,
    however that ends: it reads the pipe that pyspark holds, and leaves when the other end is closed.

    Args:
        master: Such as "local[2]", which keeps to this machine and to its own address, or "spark://host:7077".
        folder: Where it puts its tables and what does not fit into memory (made when needed); all workers must see it.
        memory: Of "local" the most that it may take, such as "4GB".

    Raises:
        EnvironmentFault: Spark or Java is not installed, or nothing answers at the address.
    """
    check(master)
    import ibis
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    if running and running.sparkContext.master != master:
        leave()
    conf = SparkConf().setMaster(master).setAppName("growth-rings")
    for setting, value in _settings(master, folder.resolve(), memory).items():
        conf.set(f"spark.{setting}", value)
    if SparkContext._gateway is None:
        SparkContext._gateway = _java_started(conf, folder / "log")
        SparkContext._jvm = SparkContext._gateway.jvm
    _take_times_for_instants()
    session = SparkSession.builder.config(conf=conf).getOrCreate()
    if not session.sparkContext.getConf().contains(PARTS_ASKED):  # by spark-defaults.conf
        session.conf.set(PARTS_ASKED, PARTS_HERE if master.startswith("local") else PARTS)
    backend = ibis.pyspark.connect(session)
    from helpers.sources.spark.connection import Connection
    from helpers.sources.spark.dialect import in_words_of_spark

    backend.con = Connection(backend._session)
    backend._transpile_sql = in_words_of_spark  # ibis 12 has no door for it
    backend._register_in_memory_table = partial(tables.told, backend)
    backend.to_pyarrow = partial(tables.asked, backend)
    backend._create_cached_table = partial(tables.cache, backend)
    backend._drop_cached_table = partial(tables.forget, backend)
    return backend


def _java_started(conf, log: Path):
    """Spark's Java; what it says on its way goes into a file."""
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    with log.open("wb") as stream:
        try:
            return launch_gateway(conf, {"stdout": stream, "stderr": stream})
        except PySparkRuntimeError:
            said = " ".join(log.read_text(encoding="utf-8", errors="replace").split("\n")[-3:])
            raise EnvironmentFault(f"Spark's Java does not start: {said}") from None


def leave() -> None:
    """End Spark and its Java, if they run: on a cluster others wait for the processors."""
    if "pyspark" not in sys.modules:
        return
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    if session := SparkSession.getActiveSession():
        folder = tables.place(session).parent
        session.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if gateway := SparkContext._gateway:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait()
        SparkContext._gateway = SparkContext._jvm = None


def _take_times_for_instants() -> None:
    """What Spark calls TIMESTAMP is an instant; ibis 12.0 takes it for a time without a zone."""
    from ibis.backends.pyspark import datatypes
    from ibis.expr.datatypes import Timestamp
    from pyspark.sql.types import TimestampType

    datatypes._from_pyspark_dtypes[TimestampType] = partial(Timestamp, timezone="UTC")


def _settings(master: str, folder: Path, memory: str | None) -> dict[str, str]:
    spill, tables = folder / "spill", folder / "tables"
    for place in (folder, spill, tables):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = {
        "sql.session.timeZone": "UTC",
        "sql.ansi.enabled": "true",
        "sql.warehouse.dir": str(tables),
        "sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "sql.execution.arrow.pyspark.enabled": "true",
        "hadoop.fs.permissions.umask-mode": "077",
        "local.dir": str(spill),
        "driver.extraJavaOptions": f'"-Djava.io.tmpdir={spill}"',
        "ui.enabled": "false",
        "ui.showConsoleProgress": "false",
        **{f"{of}.retained{what}": "1" for of, what in KEPT_FOR_A_PAGE},
        "log.level": "ERROR",
    }
    if master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", THIS_MACHINE)  # else it looks up the machine's name
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        settings |= {"driver.host": THIS_MACHINE, "driver.bindAddress": THIS_MACHINE}
        settings |= {"driver.memory": f"{choice.size(memory) // 2**20}m"} if memory else {}
    return settings

