"""Conditions in a form, written as SQL: which column, how compared, with what; joined by AND and OR, AND binding first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any, NamedTuple

from helpers.show.words import word

AND, OR = "AND", "OR"
NUMBERS = ("int64", "float64", "decimal")
# By kind of column: the key of each comparison's words, and its SQL.
COMPARISONS = {
    "text": {"is": "{c} = {v}", "is_not": "{c} <> {v}", "known": "{c} IS NOT NULL", "unknown": "{c} IS NULL"},
    "number": {
        "at_least": "{c} >= {v}", "at_most": "{c} <= {v}", "equals": "{c} = {v}", "more": "{c} > {v}", "less": "{c} < {v}",
        "known": "{c} IS NOT NULL", "unknown": "{c} IS NULL",
    },
    "date": {"since": "{c} >= {v}", "before": "{c} < {v}", "known": "{c} IS NOT NULL", "unknown": "{c} IS NULL"},
    "boolean": {"true": "{c}", "false": "NOT {c}"},
}  # fmt: skip
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d{1,6})?|\.\d{1,6})")


class Column(NamedTuple):
    """What can be asked of a column: its type as contracts name it, and the values it has, where they are known."""

    dtype: str
    values: Sequence[str] = ()


class Row(NamedTuple):
    """One condition; `join` says how it goes with those before it."""

    column: str
    comparison: str
    value: str = ""
    join: str = AND


class Conditions(NamedTuple):
    """A choice that is a form; the function is given the SQL.

    Attributes:
        columns: By name, as Column or as its parts (type, values).
        save: Takes a name and the SQL, keeps them, and gives where: `file`, `line`, `text`; None: nothing can be saved.
        drop: Takes the name and undoes that, likewise.
    """

    columns: Mapping[str, Any]
    save: Any = None
    drop: Any = None

    def column(self, name: str) -> Column:
        """What can be asked of a column."""
        return Column(*self.columns[name])

    def first_row(self) -> Row:
        """The condition that a fresh line holds."""
        name = next(iter(self.columns))
        column = self.column(name)
        comparison = next(iter(COMPARISONS[kind(column.dtype)]))
        return Row(name, comparison, column.values[0] if column.values else "0" if kind(column.dtype) == "number" else "")

    def first(self) -> str:
        """The SQL of the form as it opens."""
        return sql([self.first_row()], self)


def kind(dtype: str) -> str:
    """What sort of comparison suits a type."""
    return "number" if dtype in NUMBERS else dtype if dtype in ("boolean", "date") else "text"


def needs_value(row: Row) -> bool:
    """Whether a comparison compares with something."""
    return row.comparison not in ("known", "unknown", "true", "false")


def sql(rows: Sequence[Row], form: Conditions) -> str:
    """The condition of all rows.

    Raises:
        ValueError: A row is incomplete or cannot be read; says which and what is wanted.
    """
    parts = [(row.join, _sql(row, form, number)) for number, row in enumerate(rows, start=1)]
    if not parts:
        raise ValueError(word("conditions.none"))
    at = 0
    marked = []
    for place, (join, text) in enumerate(parts):
        at += place > 0 and join == OR
        marked.append((at, text))
    groups = [[text for _, text in members] for _, members in groupby(marked, key=lambda pair: pair[0])]
    joined = [f" {AND} ".join(members) for members in groups]
    if len(joined) > 1:
        joined = [f"({text})" if len(members) > 1 else text for text, members in zip(joined, groups, strict=True)]
    return f" {OR} ".join(joined)


def _sql(row: Row, form: Conditions, number: int) -> str:
    if row.column not in form.columns or not _NAME.fullmatch(row.column):
        raise ValueError(word("conditions.no_column", n=number, column=row.column))
    sort = kind(form.column(row.column).dtype)
    template = COMPARISONS[sort].get(row.comparison)
    if template is None:
        raise ValueError(word("conditions.no_comparison", n=number, comparison=row.comparison))
    value = _value(sort, row.value.strip(), number) if needs_value(row) else ""
    return template.replace("{c}", row.column).replace("{v}", value)


def _value(sort: str, text: str, number: int) -> str:
    if not text:
        raise ValueError(word("conditions.no_value", n=number))
    if sort == "number":
        if not _NUMBER.fullmatch(text):
            raise ValueError(word("conditions.no_number", n=number, text=text))
        return text
    if sort == "date":
        try:
            return f"DATE '{date.fromisoformat(text)}'"
        except ValueError:
            raise ValueError(word("conditions.no_date", n=number, text=text)) from None
    if any(ord(character) < 32 for character in text):
        raise ValueError(word("conditions.no_value", n=number))
    return "'" + text.replace("'", "''") + "'"
