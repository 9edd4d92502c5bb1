"""Facts made of a few rows, for tests: only what a row says differs from nothing."""

from __future__ import annotations

import atexit
import secrets
import tempfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from pathlib import Path

import ibis
import pyarrow as pa
from hypothesis import Phase, settings

from helpers import contracts

MONDAY = date(2026, 1, 5)
# For laws whose every example compiles a query anew: making a counterexample small would take minutes.
AS_FOUND = settings(deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
TYPES = {
    "string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "decimal": pa.decimal128(28, 4),
    "boolean": pa.bool_(), "date": pa.date32(), "timestamp": pa.timestamp("us", "UTC"),
}  # fmt: skip
EVENTS = {
    "user_id": pa.string(), "ts": pa.timestamp("us", "UTC"), "event": pa.string(), "topic": pa.string(),
    "content_id": pa.string(), "content_kind": pa.string(), "parent_id": pa.string(), "duration_s": pa.float64(),
    "session_id": pa.string(), "amount": pa.decimal128(28, 4), "discount": pa.decimal128(18, 4), "campaign": pa.string(),
    "day": pa.date32(), "hour": pa.int64(), "moment": pa.int64(),
}  # fmt: skip
NOTHING = {"int64": 0, "float64": 0.0, "decimal": Decimal(0), "boolean": False}


def day(number: int) -> date:
    """The local day so many days after the first Monday."""
    return MONDAY + timedelta(days=number)


def arrow(name: str, rows: Iterable[Mapping], extra: Mapping[str, str] | None = None) -> pa.Table:
    """An artefact of the given rows; a number that a row leaves out is 0, anything else is empty.

    Args:
        extra: Further columns of an open contract, with their types.
    """
    spec = {column: declared.dtype for column, declared in contracts.find(name).columns.items()} | dict(extra or {})
    rows = list(rows)
    unknown = {key for row in rows for key in row} - set(spec)
    assert not unknown, f"{name} has no {unknown}"
    nullable = contracts.find(name).nullable
    empty = {column: None if column in nullable else NOTHING.get(dtype) for column, dtype in spec.items()}
    columns = {
        column: pa.array([row.get(column, empty[column]) for row in rows], TYPES[dtype])
        for column, dtype in spec.items()
    }
    return pa.table(columns)


def table(name: str, rows: Iterable[Mapping], extra: Mapping[str, str] | None = None) -> ibis.Table:
    """The same as an ibis table on the project's engine."""
    return backend().create_table(f"t_{secrets.token_hex(4)}", arrow(name, rows, extra))


def events(rows: Iterable[Mapping], zone: tzinfo = UTC) -> ibis.Table:
    """Kept events as the door gives them: `user_id`, `ts` (an instant) and `event`, and what a row says beside."""
    made = []
    for row in rows:
        local = row["ts"].astimezone(zone)
        since = (row["ts"] - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        made.append({**row, "day": local.date(), "hour": local.hour, "moment": since})
    columns = {name: pa.array([row.get(name) for row in made], dtype) for name, dtype in EVENTS.items()}
    return backend().create_table(f"t_{secrets.token_hex(4)}", pa.table(columns))


def first_seen_rows(days: Iterable[Mapping]) -> list[dict]:
    """The rows of the fact `first_seen` that go with rows of `user_day`, counted in plain Python."""
    found: dict[str, dict] = {}
    for row in sorted(days, key=lambda row: row["day"]):
        own = found.setdefault(row["user_id"], {"user_id": row["user_id"], "first_day": row["day"]})
        if row.get("active"):
            own.setdefault("first_active_day", row["day"])
            own["last_active_day"] = row["day"]
        if row.get("pay"):
            own.setdefault("first_pay_day", row["day"])
    return list(found.values())


def first_seen(days: Iterable[Mapping]) -> ibis.Table:
    """The same as an ibis table."""
    return table("first_seen", first_seen_rows(days))


def records(found: ibis.Table, key: str = "user_id") -> dict:
    """The rows of an ibis table by key, as plain Python values."""
    return {row[key]: row for row in found.to_pyarrow().to_pylist()}


@cache
def backend():
    """The project's own engine, one for all tables made here."""
    from helpers.sources import engine

    folder = tempfile.TemporaryDirectory(prefix="gr-made-")
    atexit.register(folder.cleanup)
    return engine.connect([], spill=Path(folder.name), threads=1)


class Prepared:
    """An expression over artefacts, compiled once, so that hypothesis can try many contents in little time.

    Args:
        make: Gives the table to compute; takes an ibis table for each name.
        names: The artefacts by the name that `make` knows; two may have the same contract.
    """

    def __init__(self, make: Callable[..., ibis.Table], **names: str) -> None:
        self.names, self.con = names, backend().con
        self.labels = {name: f"p_{secrets.token_hex(4)}" for name in names}
        given = {}
        for name, contract in names.items():
            given[name] = backend().create_table(self.labels[name], arrow(contract, []))
        self.sql = backend().compile(make(**given))

    def __call__(self, **rows: Iterable[Mapping]) -> list[dict]:
        """The result for these rows, as plain Python values."""
        for name, label in self.labels.items():
            self.con.execute(f"DELETE FROM {label}")
            self.con.register("incoming", arrow(self.names[name], rows[name]))
            self.con.execute(f"INSERT INTO {label} SELECT * FROM incoming")
            self.con.unregister("incoming")
        return self.con.execute(self.sql).to_arrow_table().to_pylist()
