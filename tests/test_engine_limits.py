"""What dataset.toml says of the engine is checked, followed, and left tidy: processors, memory, the folder for what spills."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pyarrow.parquet as pq
import pytest
import tiny

from helpers import paths
from helpers.errors import EnvironmentFault, InputError
from helpers.runs import doctor, steps
from helpers.sources import choice, dataset, engine, spark
from helpers.sources.choice import Engine

GROUPED = """
from helpers.sources import engine
texts = "SELECT repeat(md5(CAST(range % 3000000 AS VARCHAR)), 5) AS event FROM range(3000500)"
held = engine.view(run.engine, f"SELECT event, event AS user_id FROM ({texts}) GROUP BY event HAVING count(*) > 1")
run.write("days", held)
"""  # three million texts of 160 bytes are held with their counts: over 600 MB


def said(folder: Path, asked: str) -> str:
    """What is said of an engine in dataset.toml."""
    data, _ = tiny.write_project(folder)
    (data / "dataset.toml").write_text(f"engine = {asked}\n{tiny.TOML}")
    with pytest.raises(InputError) as refused:
        dataset.load(data)
    return " ".join(str(refused.value).split())


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ('"sparc"', 'Did you mean "spark"?'),
        ('{ duckbd = { threads = 2 } }', 'Did you mean "duckdb"?'),
        ('{ duckdb = { thread = 2 } }', 'There is no such key. Did you mean "threads"? Allowed: threads, memory, spill.'),
        ('{ duckdb = { threads = 0 } }', "A number of processors is a whole number, 1 or more."),
        ('{ duckdb = { threads = true } }', "A number of processors is a whole number, 1 or more."),
        ('{ duckdb = { memory = 4 } }', 'Memory is a text such as "4GB" or "800MB".'),
        ('{ duckdb = { memory = "4 gigs" } }', 'Memory is a text such as "4GB" or "800MB".'),
        ('{ duckdb = { memory = "1MB" } }', 'That is too little to work with; "64MB" is the least.'),
        ('{ duckdb = { spill = "spill" } }', 'Give the whole path of a folder, such as "/big/disk".'),
        ('{ duckdb = { spill = "/nowhere/at/all" } }', "There is no such folder. Make it, or name another."),
        ('{ spark = "host:7077" }', 'An address of Spark is written "spark://host:7077"'),
        ('{ spark = "local[2]", duckdb = {} }', 'Allowed: "duckdb", or { spark = "spark://host:7077" }, or { duckdb ='),
    ],
)  # fmt: skip
def test_a_mistake_in_engine_is_told_with_what_is_allowed(tmp_path, asked, told):
    assert told in said(tmp_path, asked)


def test_an_engine_is_read_with_its_limits(tmp_path):
    data, _ = tiny.write_project(tmp_path)
    asked = f'engine = {{ duckdb = {{ threads = 1, memory = "1.5GB", spill = "{tmp_path}" }} }}\n'
    (data / "dataset.toml").write_text(asked + tiny.TOML)
    assert dataset.load(data).engine == Engine(threads=1, memory="1.5GB", spill=str(tmp_path))
    assert choice.size("1.5GB") == 3 * 2**29


def test_limits_are_duckdbs_own_and_shared_by_the_steps_that_run_at_once(tmp_path, built_root, monkeypatch):
    data, _ = tiny.write_project(tmp_path)
    asked = f'engine = {{ duckdb = {{ threads = 1, memory = "512MB", spill = "{tmp_path}" }} }}\n'
    (data / "dataset.toml").write_text(asked + tiny.TOML)
    loaded = dataset.load(data)
    con = engine.of(loaded).con
    assert con.execute("SELECT current_setting('threads')").fetchone() == (1,)
    assert con.execute("SELECT current_setting('memory_limit')").fetchone() == ("488.2 MiB",)  # of 512 million bytes
    assert Path(con.execute("SELECT current_setting('temp_directory')").fetchone()[0]).parent == tmp_path / "growth-rings-tiny"
    assert [steps.memory(loaded.engine, beside) for beside in (0, 1, 9)] == ["512MB", "256MB", f"{512 // steps.AT_ONCE}MB"]
    assert steps.at_once(Engine(spark="local[2]"), 9) == 1
    assert [steps.at_once(loaded.engine, events) for events in (0, steps.MANY_EVENTS, steps.MANY_EVENTS + 1)] == [4, 4, 1]


@contextmanager
def watched(folder: Path) -> Iterator[list[int]]:
    """Bytes that lay in a folder, looked at all the time."""
    seen, over = [], Event()

    def look() -> None:
        while not over.wait(0.05):
            sizes = [0]
            for file in paths.below(folder):
                with suppress(OSError):  # it is gone by now
                    sizes.append(file.lstat().st_size if file.is_file() else 0)
            seen.append(sum(sizes))

    watcher = Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


@pytest.mark.hard
def test_a_run_with_a_tenth_of_the_memory_it_needs_spills_where_it_was_told_to_and_leaves_nothing(project, built_root, tmp_path):
    spill = tmp_path / "disk"
    spill.mkdir()
    cells = [("parameters", tiny.PARAMETERS), ("setup", tiny.SETUP), ("days", GROUPED)]
    tiny.write_notebook(project.books / "01_first.ipynb", cells)
    text, found = (project.data / "dataset.toml").read_text(), []
    for limits in ("threads = 1", f'threads = 1, memory = "{64 * steps.AT_ONCE}MB", spill = "{spill}"'):
        (project.data / "dataset.toml").write_text(f"engine = {{ duckdb = {{ {limits} }} }}\n{text}")
        with watched(spill) as seen:
            project.report()
        found.append((max(seen), pq.read_table(project.built / "days.parquet").sort_by("event")))
    (unlimited, here), (limited, there) = found
    assert here.num_rows == 500 and here.equals(there)
    assert unlimited == 0 and limited > 64 * 10**6  # more than all the memory, at one of the moments that were looked at
    assert not [path for path in spill.rglob("*") if path.is_file()]


@pytest.mark.hard
def test_without_java_a_run_ends_with_its_remedy_before_any_kernel_starts(tmp_path):
    data, _ = tiny.write_project(tmp_path)
    (data / "dataset.toml").write_text(f'engine = {{ spark = "local[2]" }}\n{tiny.TOML}')
    env = {"PATH": "", paths.BUILT_ROOT_VARIABLE: str(tmp_path / "built"), "PYTHONPATH": str(paths.PROJECT)}
    command = [sys.executable, "-m", "helpers", "report", str(data)]
    report = subprocess.run(command, env=env, capture_output=True, text=True)
    assert report.returncode == 4, report.stderr
    assert "Spark" in report.stderr and "apt install openjdk-17-jre-headless" in report.stderr
    assert not list((tmp_path / "built").rglob("steps"))


def test_without_pyspark_or_with_another_one_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(spark, "check", lambda master: None)
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "3.5.1")
    with pytest.raises(EnvironmentFault, match=r"pyspark 3\.5\.1 does not work here: >=4\.0\.5,<4\.1 is needed\. Run .*spark"):
        doctor.check_engine(Engine(spark="local[2]"))
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(EnvironmentFault, match="Spark is not installed"):
        doctor.check_engine(Engine(spark="local[2]"))
    doctor.check_engine(Engine())
