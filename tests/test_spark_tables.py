"""Tables on Spark: what is written is whole, private and equal byte by byte; what is held is let go of; no Java outlives us."""

from __future__ import annotations

import math
import os
import random
import signal
import threading
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import clusters
import ibis
import pyarrow as pa
import pytest
import tiny
from engines import SHORT_LIVED

from helpers import paths
from helpers.runs import artefacts, kernels, keys
from helpers.sources import engine
from helpers.sources.spark import tables

pytestmark = pytest.mark.hard
pytest_plugins = ["engines"]
INSTANT = pa.timestamp("us", "UTC")


def rows(seed: int) -> pa.Table:
    """The same thousand rows, in another order for each seed."""
    numbers = list(range(1000))
    random.Random(seed).shuffle(numbers)
    return pa.table({"user_id": [f"u{n:04d}" for n in numbers], "day": numbers, "x": [n / 7 for n in numbers]})


def written(engines, path: Path, seed: int) -> int:
    given = engine.take(engines.spark, rows(seed)).order_by("x" if seed % 2 else "day")
    return engine.write(engines.spark, given, path, sort=["user_id", "day"])


@pytest.mark.parametrize("most", [1000, 999])
def test_equal_rows_are_equal_bytes_in_one_file_or_in_parts(engines, tmp_path, monkeypatch, most):
    monkeypatch.setattr(tables, "ONE_FILE", most)
    places = [tmp_path / f"{seed}.parquet" for seed in (1, 2)]
    assert [written(engines, path, seed) for seed, path in enumerate(places)] == [1000, 1000]
    assert [path.is_dir() for path in places] == [most < 1000] * 2
    assert keys.file_hash(places[0]) == keys.file_hash(places[1])
    both = (engine.connect([tmp_path], spill=tmp_path / "spill"), engines.spark)
    for found in (engine.read(backend, places[0]) for backend in both):
        assert found.order_by("day").to_pyarrow().equals(rows(1).sort_by("day"))
    for path in places:
        modes = {own.stat().st_mode & 0o777 for own in [path, *path.rglob("*")]}
        assert modes == ({0o700, 0o600} if most < 1000 else {0o600})
    assert sorted(own.name for own in tmp_path.iterdir()) == ["1.parquet", "2.parquet", "spill"]


def test_a_table_of_this_process_keeps_its_kinds_and_what_is_empty_in_it(engines):
    own = pa.table({
        "text": [None, "NaN", "a"], "n": pa.array([1, None, 3], "int8"), "x": [0.5, None, math.nan],
        "net": pa.array([Decimal("1.25"), None, Decimal(0)], pa.decimal128(38, 9)),
        "day": [date(2026, 3, 8), None, date(1969, 12, 31)],
        "at": pa.array([datetime(2026, 3, 8, 23, 59, 59, 999_999, UTC), None, datetime(1, 1, 1, tzinfo=UTC)], INSTANT),
    })  # fmt: skip
    for given in (own, own.slice(0, 0)):
        assert str(engines.spark.to_pyarrow(ibis.memtable(given)).to_pylist()) == str(given.to_pylist())


def test_a_folder_of_parts_takes_the_place_of_a_file_and_the_other_way_round(engines, tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    for most in (1000, 999, 999, 1000):
        monkeypatch.setattr(tables, "ONE_FILE", most)
        written(engines, path, 1)
        assert path.is_dir() is (most < 1000)
        assert engine.read(engines.spark, path).count().to_pyarrow().as_py() == 1000


def test_a_piece_in_parts_is_linked_file_by_file(engines, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ONE_FILE", 999)
    written(engines, tmp_path / "piece.parquet", 1)
    (tmp_path / "linked").mkdir()
    artefacts.link_piece(tmp_path / "piece.parquet", tmp_path / "linked" / "2026-03-02.parquet")
    parts = engine.files(tmp_path / "piece.parquet")
    assert [own.name for own in engine.files(tmp_path / "linked")] == [f"2026-03-02.{part.name}" for part in parts]
    assert len(parts) > 1
    assert engine.read(engines.spark, tmp_path / "linked").count().to_pyarrow().as_py() == 1000


def test_what_is_held_is_let_go_of(engines):
    place = tables.place(engines.spark._session)
    before = set(place.iterdir())
    taken = engine.take(engines.spark, rows(1))
    kept = engine.keep(engines.spark, taken.filter(taken.day < 10))
    with kept.mutate(twice=kept.x * 2).cache() as cached:
        assert cached.count().to_pyarrow().as_py() == 10
        assert len(set(place.iterdir()) - before) == 3
    engine.drop(engines.spark, taken, kept)
    assert set(place.iterdir()) == before


def test_names_that_look_like_patterns_are_names(engines, tmp_path):
    for name in (".hidden.parquet", "a[b]{c}*?,\\.parquet"):
        written(engines, tmp_path / name, 1)
        assert engine.read(engines.spark, tmp_path / name).count().to_pyarrow().as_py() == 1000
    assert not (tmp_path / "a").exists()


def test_a_place_that_cannot_be_written_is_a_fault_of_the_machine(engines, tmp_path):
    from helpers.errors import EnvironmentFault

    with pytest.raises(EnvironmentFault, match=r"nowhere/x\.parquet: cannot be written .* run again"):
        written(engines, tmp_path / "nowhere" / "x.parquet", 1)


LONG = """
import os
from pathlib import Path
from helpers.sources import spark
place = Path(os.environ["PLACE"])
(place / "kernel").write_text(str(os.getpid()))
backend = spark.connect("local[1]", folder=place / "spark")
(place / "works").touch()
backend._session.range(10**12).selectExpr("sum(sqrt(id))").collect()
"""


@pytest.mark.parametrize("when", ["starts", "works"])
def test_a_killed_kernel_leaves_no_java(tmp_path, warm, when):
    tiny.write_notebook(tmp_path / "long.ipynb", [("parameters", tiny.PARAMETERS), ("long", LONG)])
    env = os.environ | {"PLACE": str(tmp_path), "JAVA_TOOL_OPTIONS": SHORT_LIVED}
    given = (tmp_path / "long.ipynb", tmp_path / "out.ipynb", {})

    def run() -> None:
        with suppress(Exception):  # the kernel dies, which is what is asked for
            kernels.execute(*given, warm=warm, cwd=paths.NOTEBOOKS, env=env)

    running = threading.Thread(target=run)
    running.start()
    clusters.until(lambda: (tmp_path / "kernel").exists() and (tmp_path / "kernel").read_text(), "the kernel works")
    kernel = int((tmp_path / "kernel").read_text())
    if when == "works":
        clusters.until((tmp_path / "works").exists, "Spark works")
    clusters.until(lambda: javas(tmp_path), "Java is there")
    os.kill(kernel, signal.SIGKILL)
    clusters.until(lambda: not javas(tmp_path), "its Java is gone")
    running.join()


def javas(place: Path) -> list[int]:
    """Processes, other than this one, that were told of a place."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().decode(errors="replace")
            found += [int(process.name)] if str(place / "spark") in words else []
    return found
