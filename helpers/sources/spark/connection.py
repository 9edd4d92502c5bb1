"""What `backend.con` is on Spark: it takes the SQL that the door writes, in DuckDB's words, and answers as DuckDB does."""

from __future__ import annotations

import logging
import secrets
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from helpers.sources.spark import catalogue, dialect, files, kinds, tables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from sqlglot import exp

PLACES = (*files.PLACES, catalogue.ROW_HASH)


class Answer:
    """The rows of a query, which is computed when they are asked for."""

    def __init__(self, frame: DataFrame | None = None, rows: list[tuple] | None = None) -> None:
        self._frame, self._rows = frame, rows or []

    def fetchall(self) -> list[tuple]:
        """All rows; whole numbers of any width are Python's."""
        if self._frame is not None:
            columns = [map(_value, column.to_pylist()) for column in self._frame.toArrow().columns]
            self._rows, self._frame = list(zip(*columns, strict=True)), None
        return self._rows

    def fetchone(self) -> tuple | None:
        """The first row."""
        return next(iter(self.fetchall()), None)


def _value(value: Any) -> Any:
    return int(value) if isinstance(value, Decimal) and not value.as_tuple().exponent else value


class Connection:
    """A Spark session that is spoken to as DuckDB's connection is."""

    def __init__(self, session: SparkSession) -> None:
        self._session = session
        self.version = f"spark {session.version}"
        self.types: dict[str, dict[str, str]] = {}
        logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)  # it prints what is raised as well
        session.conf.set("spark.sql.variable.substitute", "false")  # a text may hold ${...}
        session.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")  # which it cannot read as times
        session.udf.register("nfc_normalize", lambda text: text and unicodedata.normalize("NFC", text))

    def execute(self, sql: str) -> Answer:
        """Do what a statement says: a query, CREATE VIEW or TABLE ... AS, DROP TABLE, DESCRIBE."""
        import sqlglot
        from sqlglot import exp

        tree = sqlglot.parse_one(sql, read="duckdb")
        if isinstance(tree, exp.Describe):
            return Answer(rows=list(files.types(self._session.table(tree.this.name)).items()))
        if isinstance(tree, exp.Drop):
            self._drop(tree.this.name)
            return Answer()
        if isinstance(tree, exp.Create):
            frame = self._frame(tree.expression)
            if tree.kind == "TABLE":
                self._drop(tree.this.name)
                frame = tables.held(self, tree.this.name, frame)
            self._name(frame, tree.this.name)
            return Answer()
        return Answer(self._frame(tree))

    def frame(self, sql: str) -> DataFrame:
        """What a query in DuckDB's words gives."""
        import sqlglot

        return self._frame(sqlglot.parse_one(sql, read="duckdb"))

    def _frame(self, tree: exp.Expression) -> DataFrame:
        from sqlglot import exp

        for select in list(tree.find_all(exp.Select)):
            self._read(select)
        kinds.know(tree, self.types)
        for union in reversed(list(tree.find_all(exp.Union))):
            if union.args.get("by_name"):
                self._by_name(union)
        return self._session.sql(dialect.words(tree))

    def _name(self, frame: DataFrame, label: str) -> None:
        frame.createOrReplaceTempView(label)
        self.types[label] = {name.lower(): kind for name, kind in files.types(frame).items()}

    def _drop(self, name: str) -> None:
        tables.forget(self, name)
        self.types.pop(name, None)

    def _read(self, select: exp.Select) -> None:
        """Put a view of files or of a table of the catalogue in the place of `read_parquet` or `read_table`.

        The places of rows are no columns of `*`.
        """
        from sqlglot import exp

        table = select.args["from_"].this if select.args.get("from_") else None
        read = table.this if isinstance(table, exp.Table) else None
        if isinstance(read, exp.ReadParquet):
            listed, *options = read.expressions
            found = [own.name for own in (listed.expressions if isinstance(listed, exp.Array) else [listed])]
            frame = files.frame(self, found, by_name=any(own.this.name == "union_by_name" for own in options))
        elif isinstance(read, exp.Anonymous) and read.name == "read_table":
            frame = catalogue.frame(self._session, read.expressions[0].name)
        else:
            return
        label = f"p_{secrets.token_hex(6)}"
        self._name(frame, label)
        table.set("this", exp.to_identifier(label))
        if set(frame.columns) & set(PLACES):
            own = [exp.column(name, quoted=True) for name in frame.columns if name not in PLACES]
            stars = [node for node in select.expressions if isinstance(node, exp.Star)]
            select.set("expressions", [*(own if stars else []), *(node for node in select.expressions if node not in stars)])

    def _by_name(self, union: exp.Union) -> None:
        """Both sides with the columns of both, which Spark's SQL asks for."""
        from sqlglot import exp

        sides = (union.this, union.expression)
        own = [self._session.sql(dialect.words(side)).columns for side in sides]
        every = list(dict.fromkeys([*own[0], *own[1]]))
        for key, side, columns in zip(("this", "expression"), sides, own, strict=True):
            there = {name.lower() for name in columns}
            chosen = [
                exp.column(name, quoted=True) if name.lower() in there else exp.alias_(exp.Null(), name, quoted=True)
                for name in every
            ]
            union.set(key, exp.select(*chosen).from_(side.copy() if isinstance(side, exp.Subquery) else side.subquery()))
        union.set("by_name", False)
