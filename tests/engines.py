"""The same question put to DuckDB and to Spark, over the same files: their answers must be the same."""

from __future__ import annotations

import math
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.sources import engine
from helpers.sources import spark as sparks

TOLERANCE = 1e-9
SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # half the processor time, in a process of a minute

# Spark compiles Java for every query, which takes longer than a query over few rows.
FEW_ROWS = {"codegen.wholeStage": "false", "codegen.factoryMode": "NO_CODEGEN", "shuffle.partitions": "2"}


@dataclass(frozen=True)
class Engines:
    """Both engines, and a folder that both read."""

    folder: Path
    duckdb: Any
    spark: Any

    def given(self, rows: pa.Table) -> tuple[ibis.Table, ibis.Table]:
        """The rows as a table of each engine, for `agree`."""
        path = self.folder / f"{secrets.token_hex(6)}.parquet"
        pq.write_table(rows, path)
        return engine.read(self.duckdb, path), engine.read(self.spark, path)

    def agree(self, question: Callable[..., ibis.Table], *given: tuple[ibis.Table, ibis.Table]) -> list[dict]:
        """The rows that answer the question, in an order of their own.

        Raises:
            AssertionError: The engines differ in a column, its type, the number of rows, or in a value.
        """
        ours, theirs = (question(*tables).to_pyarrow() for tables in zip(*given, strict=True))
        assert ours.schema == theirs.schema, f"{ours.schema} is not {theirs.schema}"
        pairs = list(zip_longest(sorted_rows(ours), sorted_rows(theirs)))
        apart = [pair for pair in pairs if None in pair or not same(*pair)]
        assert not apart, f"{len(apart)} of {len(pairs)} rows differ, such as {apart[0]}"
        return [row for row, _ in pairs]

    def agree_in_order(self, question: Callable[..., pd.DataFrame], *given: tuple[ibis.Table, ibis.Table]) -> pd.DataFrame:
        """The small table that answers the question; its rows have an order.

        Raises:
            AssertionError: The engines differ in a column, its type, the number or order of rows, or in a value.
        """
        ours, theirs = (question(*tables) for tables in zip(*given, strict=True))
        assert ours.dtypes.equals(theirs.dtypes), f"{ours.dtypes} is not {theirs.dtypes}"
        pairs = list(zip_longest(ours.to_dict("records"), theirs.to_dict("records")))
        apart = [pair for pair in pairs if None in pair or not same(*pair)]
        assert not apart, f"{len(apart)} of {len(pairs)} rows differ, such as {apart[0]}"
        return ours


def sorted_rows(table: pa.Table) -> list[dict]:
    """The rows, sorted by what is exact before what is not."""
    exact = [field.name for field in table.schema if not pa.types.is_floating(field.type)]
    columns = [*exact, *(name for name in table.column_names if name not in exact)]
    return sorted(table.to_pylist(), key=lambda row: [_order(row[name]) for name in columns])


def _order(value: Any) -> tuple:
    return () if value is None else (value,)


def same(ours: dict, theirs: dict) -> bool:
    """Whether two rows are equal, numbers with a fraction to nine digits."""
    return all(_equal(value, theirs[name]) for name, value in ours.items())


def _equal(ours: Any, theirs: Any) -> bool:
    if ours is pd.NaT or theirs is pd.NaT:
        return ours is theirs
    if isinstance(ours, float) and isinstance(theirs, float):
        unknown = math.isnan(ours) and math.isnan(theirs)
        return unknown or math.isclose(ours, theirs, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return ours == theirs


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """One Spark for all tests: its start takes ten seconds.

    Its parser never forgets (until Spark 4.1): after some thousand queries half of Java's usual 1 GB is in use for good.
    """
    if not shutil.which("java"):
        said = "no java: install Debian's openjdk-17-jre-headless"
        pytest.fail(said) if os.environ.get("GROWTH_RINGS_FORBID_SKIPS") else pytest.skip(said)
    folder = tmp_path_factory.mktemp("engines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", SHORT_LIVED)
        spark = sparks.connect("local[2]", folder=folder / "spark", memory="2GB")
    for setting, value in FEW_ROWS.items():
        spark._session.conf.set(f"spark.sql.{setting}", value)
    yield Engines(folder, engine.connect([folder], spill=folder / "spill", threads=2), spark)
    sparks.leave()
