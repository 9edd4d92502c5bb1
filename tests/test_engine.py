"""The engine: it sees the folders that it was given and nothing else, and what it writes is whole and its owner's alone."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from datetime import UTC, datetime

import ibis
import pyarrow
import pytest

from helpers import paths
from helpers.errors import EnvironmentFault
from helpers.sources import engine


@pytest.fixture
def backend(tmp_path):
    (tmp_path / "own").mkdir()
    return engine.connect([tmp_path / "own"], spill=tmp_path / "spill", threads=2)


def numbers(backend, count: int = 10) -> ibis.Table:
    return engine.view(backend, f"SELECT range AS n, 'v' || range AS text FROM range({count})")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('{outside}')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '{outside}'",
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '{outside}.copy'",
        "ATTACH '{outside}.db'",
        "INSTALL httpfs",
        "LOAD '{outside}'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET TimeZone = 'Asia/Shanghai'",
        "RESET lock_configuration",
        "SELECT * FROM read_csv('{own}/../outside.csv')",
        "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
    ],
)
def test_nothing_outside_its_folders_can_be_reached_nor_its_settings_changed(backend, tmp_path, statement):
    outside = tmp_path / "outside.csv"
    outside.write_text("a,b\n1,2\n")
    with pytest.raises(Exception, match=r"(?i)permission|locked|disabled|cannot|not allowed|no files|IO Error"):
        backend.con.execute(statement.format(outside=outside, own=tmp_path / "own")).fetchall()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside.csv", "own", "spill"]


def test_its_own_folders_can_be_read(backend, tmp_path):
    (tmp_path / "own" / "a.csv").write_text("a,b\n1,2\n")
    assert backend.con.execute(f"SELECT * FROM read_csv('{tmp_path}/own/a.csv')").fetchall() == [(1, 2)]


def test_its_zone_is_utc_wherever_the_machine_stands():
    code = (
        "from pathlib import Path; import sys; from helpers.sources import engine;"
        "backend = engine.connect([], spill=Path(sys.argv[1]), threads=1);"
        "asked = \"SELECT current_setting('TimeZone'), hour(TIMESTAMPTZ '2026-03-01 10:00:00+00')\";"
        "print(backend.con.execute(asked).fetchone())"
    )
    environment = {**os.environ, "TZ": "Asia/Shanghai"}
    said = subprocess.run(
        [sys.executable, "-c", code, str(paths.built_root() / "spill")], capture_output=True, text=True, env=environment
    )
    assert said.stdout.strip() == "('UTC', 10)", said.stderr


def test_what_is_written_is_read_back_sorted(backend, tmp_path):
    path = tmp_path / "own" / "numbers's.parquet"
    table = numbers(backend, 1000)
    assert engine.write(backend, table.order_by(ibis.desc("n")), path, sort=["n"]) == 1000
    assert [row["n"] for row in engine.read(backend, path).to_pyarrow().to_pylist()] == list(range(1000))
    assert engine.write(backend, table.limit(0), path, sort=[]) == 0


def test_a_written_file_is_its_owners_alone_also_over_an_older_one(backend, tmp_path):
    path = tmp_path / "own" / "numbers.parquet"
    path.write_text("older")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        engine.write(backend, numbers(backend), path, sort=["n"])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [left.name for left in path.parent.iterdir()] == ["numbers.parquet"]


def test_a_file_that_cannot_be_finished_leaves_the_older_one(backend, tmp_path):
    path = tmp_path / "own" / "numbers.parquet"
    engine.write(backend, numbers(backend), path, sort=["n"])
    before = path.read_bytes()
    broken = numbers(backend).mutate(bad=ibis.literal("x").cast("int64"))
    with pytest.raises(Exception, match=r"(?i)conver"):
        engine.write(backend, broken, path, sort=["n"])
    assert path.read_bytes() == before
    assert [left.name for left in path.parent.iterdir()] == ["numbers.parquet"]


def test_a_place_that_cannot_be_written_is_told(backend, tmp_path):
    with pytest.raises(EnvironmentFault, match=r"nowhere/numbers.parquet: cannot be written"):
        engine.write(backend, numbers(backend), tmp_path / "own" / "nowhere" / "numbers.parquet", sort=[])


def test_the_same_table_is_written_as_the_same_bytes_whatever_the_order_of_its_rows(backend, tmp_path):
    path = tmp_path / "own" / "numbers.parquet"
    written = set()
    for order in ("n", ibis.desc("n"), (ibis._.n * 7919) % 1000):
        engine.write(backend, engine.keep(backend, numbers(backend, 1000).order_by(order)), path, sort=["n"])
        written.add(path.read_bytes())
    assert len(written) == 1


def test_a_kept_table_stays_as_it_was(backend):
    backend.con.execute("CREATE TABLE source AS SELECT 1 AS n")
    kept = engine.keep(backend, engine.view(backend, "SELECT n, now() AS at FROM source"))
    first = kept.to_pyarrow().to_pylist()
    backend.con.execute("INSERT INTO source VALUES (2)")
    assert kept.to_pyarrow().to_pylist() == first


@pytest.mark.parametrize("text", ["plain", "it's", "''", "a\\b", '"; DROP TABLE x; --', "\n", "年轮", ""])
def test_any_text_can_stand_in_a_literal_and_in_a_name(backend, text):
    assert backend.con.execute(f"SELECT {engine.quote(text)}").fetchone() == (text,)
    if text:
        assert engine.view(backend, f"SELECT 1 AS {engine.name(text)}").columns == (text,)


def test_an_instant_keeps_its_microseconds(backend):
    at = datetime(2026, 3, 8, 23, 59, 59, 999_999, tzinfo=UTC)
    table = engine.view(backend, "SELECT TIMESTAMPTZ '2026-03-08 23:59:59.999999+00' AS at")
    assert table.filter(table["at"] < ibis.literal(at)).count().to_pyarrow().as_py() == 0
    assert table.filter(table["at"] <= ibis.literal(at)).count().to_pyarrow().as_py() == 1


def test_a_table_that_holds_a_frame_can_be_kept_and_written(tmp_path):
    backend = engine.connect([tmp_path], spill=tmp_path / "spill")
    own = engine.take(backend, pyarrow.table({"key": [1, 2]}))
    joined = own.join(ibis.memtable({"key": [2, 3], "value": ["b", "c"]}), "key")
    assert engine.keep(backend, joined).to_pandas().to_dict("records") == [{"key": 2, "value": "b"}]
    assert engine.write(backend, joined, tmp_path / "t.parquet", sort=["key"]) == 1


def copied(backend, table: ibis.Table) -> bool:
    """Whether DuckDB makes a table of its own of what this one names twice."""
    return "CTE" in backend.con.execute(f"EXPLAIN {backend.compile(table)}").fetchall()[0][1]


def test_what_is_picked_from_a_table_is_read_again_and_what_is_worked_out_is_not(backend):
    picked = numbers(backend, 1000).filter(ibis._.n > 3).mutate(twice=ibis._.n * 2)
    worked = picked.group_by(half=picked.n // 2).agg(sum=picked.twice.sum())
    for own, key, is_copied in ((picked, "n", False), (worked, "half", True)):
        both = own.join(own.view(), key).union(own.join(own.view(), key))
        assert both.count().to_pyarrow().as_py() == 2 * own.count().to_pyarrow().as_py()
        assert copied(backend, own.join(own.select(key, other=own[key] + 1), key)) == is_copied


def test_a_sum_of_whole_numbers_is_held_as_the_whole_number_that_it_is_promised_to_be(backend):
    table = numbers(backend, 6).mutate(half=ibis._.n % 2, tenth=ibis.literal("0.1").cast("decimal(9, 1)"))
    summed = table.group_by("half").agg(n=table.n.sum(), odd=table.n.sum(where=table.n % 2 == 1), tenths=table.tenth.sum())
    running = table.mutate(n=table.n.sum().over(ibis.window(order_by="n", preceding=1, following=0)))
    for own in (summed, running.select("n", "half")):
        kept = engine.keep(backend, own)
        assert {str(dtype) for name, dtype in kept.schema().items() if name != "tenths"} == {"int64"}
        assert kept.order_by("half", "n").to_pyarrow() == own.order_by("half", "n").to_pyarrow().cast(kept.schema().to_pyarrow())
    assert summed.order_by("half").n.to_pyarrow().to_pylist() == [6, 9]
    assert sorted(running.n.to_pyarrow().to_pylist()) == [0, 1, 3, 5, 7, 9]
