"""The whole walk on Spark, on this machine and on a cluster that loses a worker, leaves what it leaves on DuckDB."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import clusters
import duckdb
import pytest
import walked
from engines import FEW_ROWS, SHORT_LIVED, TOLERANCE

from helpers import paths
from helpers.sources import sample

pytestmark = pytest.mark.hard
WEEKS = ["2026-W09", "2026-W10"]
LIGHT = " ".join(f"-Dspark.sql.{name}={value}" for name, value in (FEW_ROWS | {"adaptive.enabled": "false"}).items())
JAVA = f"{SHORT_LIVED} -XX:ReservedCodeCacheSize=240m {LIGHT}"
ONCE = """
import sys
from pathlib import Path
from helpers.sources import engine, spark
backend = spark.connect("local[1]", folder=Path(sys.argv[1]))
engine.view(backend, "SELECT count(*) AS rows FROM range(9)").to_pyarrow()
spark.leave()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A small community as Parquet files, and Java's archive of Spark's classes, which halves the start of each Java."""
    if not shutil.which("java"):
        said = "no java: install Debian's openjdk-17-jre-headless"
        pytest.fail(said) if os.environ.get("GROWTH_RINGS_FORBID_SKIPS") else pytest.skip(said)
    folder = tmp_path_factory.mktemp("walk")
    sample.build(folder / "csv", members=200, weeks=13)
    for path in (folder / "csv").rglob("*.csv"):
        whole = folder / "raw" / path.relative_to(folder / "csv").with_suffix(".parquet")
        whole.parent.mkdir(parents=True, exist_ok=True)
        rows = f"SELECT * FROM read_csv('{path}', all_varchar = true, null_padding = true, strict_mode = false)"
        duckdb.execute(f"COPY ({rows}) TO '{whole}' (FORMAT parquet)")
    env = os.environ | {"JAVA_TOOL_OPTIONS": f"{JAVA} -XX:ArchiveClassesAtExit={folder / 'classes.jsa'}"}
    subprocess.run([sys.executable, "-c", ONCE, str(folder / "once")], env=env, check=True, capture_output=True)
    return folder


def java(folder: Path) -> dict[str, str]:
    """The environment of each Java: it works on few rows, and not for long."""
    return {"JAVA_TOOL_OPTIONS": f"{JAVA} -XX:SharedArchiveFile={folder / 'classes.jsa'}"}


def asked(folder: Path, engine: str) -> Path:
    """The dataset's folder, with the engine that its dataset.toml asks for now."""
    own = folder / engine.split()[0] / "circle"
    own.mkdir(parents=True, exist_ok=True)
    given = paths.PROJECT / "data" / "sample"
    for path in given.glob("*.toml"):
        shutil.copy(path, own)
    text = (given / "dataset.toml").read_text().replace('.csv"', '.parquet"')
    (own / "dataset.toml").write_text(text.replace("simulate = { seed = 2026 }", f"engine = {{ {engine} }}"))
    return own


def started(folder: Path, engine: str, week: str) -> subprocess.Popen:
    own = asked(folder, engine)
    env = os.environ | java(folder) | {
        paths.BUILT_ROOT_VARIABLE: str(folder / "built" / own.parent.name),
        "GROWTH_RINGS_KEY": "the key of all walks through this community",
        "SPARK_LOCAL_IP": clusters.HERE,
        "PYSPARK_PYTHON": sys.executable,
    }
    command = [sys.executable, "-m", "helpers", "report", str(own), "--root", str(folder / "raw"), "--week", week]
    return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def ended(report: subprocess.Popen) -> None:
    said, _ = report.communicate()
    assert report.returncode == 0, said


def week_of(folder: Path, engine: str, week: str) -> Path:
    return folder / "built" / engine / "data" / "circle" / "built" / week


def published(folder: Path, engine: str) -> list[dict]:
    with (folder / "built" / engine / "reports" / "circle" / "published.csv").open() as stream:
        return [{name: cell for name, cell in row.items() if name != "run"} for row in csv.DictReader(stream)]


@pytest.fixture(scope="module")
def on_duckdb(folder) -> Path:
    for week in WEEKS:
        ended(started(folder, "duckdb = { threads = 2 }", week))
    return folder


def assert_same(folder: Path, week: str) -> None:
    assert walked.differences(week_of(folder, "duckdb", week), week_of(folder, "spark", week)) == []
    ours, theirs = ([row for row in published(folder, engine) if row["week"] == week] for engine in ("duckdb", "spark"))
    assert ours and len(ours) == len(theirs)
    for row, other in zip(ours, theirs, strict=True):
        for name, cell in row.items():
            assert cell == other[name] or float(cell) == pytest.approx(float(other[name]), rel=TOLERANCE), (name, row)


def test_a_walk_on_spark_and_one_on_a_cluster_that_loses_a_worker_leave_what_duckdb_leaves(on_duckdb):
    folder = on_duckdb
    ended(started(folder, 'spark = "local[2]"', WEEKS[0]))
    assert_same(folder, WEEKS[0])
    with clusters.standalone(folder / "cluster", workers=2, env=java(folder)) as cluster:
        report = started(folder, f'spark = "{cluster.address}"', WEEKS[1])  # which appends a week to the same facts
        record = week_of(folder, "spark", WEEKS[1]) / "steps" / "01_cleaning.json"
        clusters.until(lambda: record.exists() or report.poll() is not None, "the first step is done")
        before = cluster.shuffled(1)
        clusters.until(lambda: cluster.shuffled(1) - before or report.poll() is not None, "the second needs what a worker holds")
        cluster.kill(1)
        assert report.poll() is None, report.communicate()[0]
        ended(report)
    assert_same(folder, WEEKS[1])
    assert not list((folder / "built" / "spark").rglob("spill/*/*"))
