"""Whether a measured result is right: a fast wrong one is worth nothing."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from benchmarks.experiments import METRICS, PRODUCTS
from helpers.errors import RunFailed

FACTS = ("user_day", "first_seen", "user_hour", "user_topic_day", "reply_day")


def check_ledger(built: Path, planted: dict[tuple[str, str], int]) -> None:
    """The reasons, the quarantine and the ledger against what was planted, file by file.

    Args:
        planted: Rows by file and what is planted in them ("" = nothing: such rows are kept).

    Raises:
        RunFailed: A count differs; names file and reason.
    """
    found = dict(_rows(f"SELECT (file, reason), rows FROM '{built / 'reasons.parquet'}'"))
    for place in sorted(found.keys() | planted.keys()):
        if found.get(place, 0) != planted.get(place, 0):
            file, what = place
            raise RunFailed(f"{file}: {found.get(place, 0)} rows are {what or 'kept'}, {planted.get(place, 0)} were planted.")
    aside = f"SELECT (source_file, reason), count(*) FROM '{built / 'quarantine.parquet'}' GROUP BY ALL"
    if dict(_rows(aside)) != {place: rows for place, rows in planted.items() if place[1] not in ("", "exact_duplicate")}:
        raise RunFailed("The quarantine does not hold the rows that the ledger counts as quarantined.")
    came_in = dict(_rows(f"SELECT file, rows_in FROM '{built / 'ledger.parquet'}'"))
    for file, rows in came_in.items():
        made = sum(count for (own, _), count in planted.items() if own == file)
        if rows != made:
            raise RunFailed(f"{file}: the ledger says {rows} rows, {made} were written.")


def check_facts(ours: Path, other: Path) -> None:
    """All facts of both sides."""
    for name in FACTS:
        check_equal(ours / f"{name}.parquet", other / f"{name}.parquet")


def check_alike(ours: Path, other: Path) -> None:
    """All facts of both sides, by the number and the hashes of their rows: what holds for more than fits into memory."""
    for name in FACTS:
        told = [_fingerprint(folder / f"{name}.parquet", other / f"{name}.parquet") for folder in (ours, other)]
        if told[0] != told[1]:
            raise RunFailed(f"{name}: {told[0][0]} rows here and {told[1][0]} there are not the same.")


def _fingerprint(path: Path, like: Path) -> tuple:
    types = dict(row[:2] for row in _rows(f"DESCRIBE SELECT * FROM {_scanned(like)}"))
    texts = ("VARCHAR", "DATE")  # numbers may be of any type
    columns = ", ".join(f'"{name}"' if dtype in texts else f'"{name}"::DECIMAL(38, 4)' for name, dtype in types.items())
    return _rows(f"SELECT count(*), sum(hash(concat_ws('|', {columns}))) FROM {_scanned(path)}")[0]


def check_tables(ours: Path, by_hand: Path) -> None:
    """All facts of both sides, what arrived and when, and the reasons but for their lines."""
    check_facts(ours, by_hand)
    check_equal(ours / "coverage.parquet", by_hand / "coverage.parquet")
    check_equal(ours / "volume.parquet", by_hand / "volume.parquet")
    check_equal(ours / "reasons.parquet", by_hand / "reasons.parquet")


def check_equal(ours: Path, by_hand: Path) -> None:
    """The same rows in two files, in the columns that the second one has.

    Raises:
        RunFailed: Some rows stand in one of them alone; says how many.
    """
    own, other = _scanned(ours), _scanned(by_hand)
    columns = ", ".join(f'"{row[0]}"' for row in _rows(f"DESCRIBE SELECT * FROM {other}"))
    for here, there in ((own, other), (other, own)):
        alone = _rows(f"SELECT count(*) FROM (SELECT {columns} FROM {here} EXCEPT ALL SELECT {columns} FROM {there})")[0][0]
        if alone:
            raise RunFailed(f"{ours.name}: {alone} rows of {here} are not in {there}.")


def _scanned(path: Path) -> str:
    return f"'{path}/*.parquet'" if path.is_dir() else f"'{path}'"


def _rows(sql: str) -> list[tuple]:
    return duckdb.execute(sql).fetchall()


def check_moments(ours: Path, by_hand: Path) -> None:
    """Means and sums of products of an experiment against plain sums."""
    found = json.loads(ours.read_text(encoding="utf-8"))["moments"]
    for variant, n, *sums in json.loads(by_hand.read_text(encoding="utf-8")):
        told = dict(zip(("converted", "minutes", "posts", "clicks", "views", "revenue", "before", *PRODUCTS), sums, strict=True))
        told["converted * converted"] = told["converted"]
        for metric, (_, columns) in METRICS.items():
            cell, names = found[metric][variant], list(columns.values())
            _near(cell["n"], n)
            for a, first in enumerate(names):
                _near(cell["mean"][a], told[first] / n)
                for b, second in enumerate(names[: a + 1]):
                    product = told.get(f"{first} * {second}", told.get(f"{second} * {first}"))
                    _near(cell["cross"][a][b], product - told[first] * told[second] / n, product)


def _near(found: float, expected: float, scale: float | None = None) -> None:
    if not abs(found - expected) <= 1e-9 * abs(expected if scale is None else scale):
        raise RunFailed(f"The moments differ: {found} for {expected}.")
