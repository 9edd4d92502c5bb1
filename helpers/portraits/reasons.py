"""Reasons in words: a rule's sentence with the values of a portrait in it, written by the engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter

import ibis

from helpers.portraits.topics import rounded

FORMAT = re.compile(r"\.(\d)([f%])")
UNKNOWN = "-"
Piece = tuple[str, str, str]  # text, then a column and its format, both empty at the end


class UnknownColumn(ValueError):
    """A sentence names a column that there is not; the text is its name."""


def pieces(template: str, columns: Mapping[str, str]) -> list[Piece]:
    """A sentence with `{column}`, `{column:.1f}` and `{column:.0%}` in it, taken apart.

    Args:
        columns: The columns that may stand in it, with their types as contracts name them.

    Raises:
        UnknownColumn: There is no such column.
        ValueError: It cannot be filled; the text says why.
    """
    try:
        found = [(text, column or "", form or "") for text, column, form, _ in Formatter().parse(template)]
    except ValueError as fault:
        raise ValueError(f"Its brackets do not match ({fault}); a bracket of its own is written twice.") from None
    for _, column, form in found:
        if column and column not in columns:
            raise UnknownColumn(column)
        dtype = columns.get(column, "")
        if form and not (FORMAT.fullmatch(form) and dtype in ("int64", "float64", "decimal")):
            raise ValueError(f"{{{column}:{form}}}: a number may be written as {{x:.1f}} or {{x:.0%}}, nothing else.")
        if dtype in ("float64", "decimal") and not form:
            raise ValueError(f"{{{column}}} has a fraction; say how it is written, as {{{column}:.1f}} or {{{column}:.0%}}.")
    return found


def filled(template: str, table: ibis.Table, columns: Mapping[str, str]) -> ibis.Value:
    """The sentence with the values of each row; what is unknown is a dash."""
    parts = [part for text, column, form in pieces(template, columns) for part in _part(table, text, column, form)]
    whole = parts[0] if parts else ibis.literal("")
    for part in parts[1:]:
        whole = whole + part
    return whole


def _part(table: ibis.Table, text: str, column: str, form: str) -> list[ibis.Value]:
    said = [ibis.literal(text)] if text else []
    if not column:
        return said
    value = table[column]
    if form:
        digits, kind = FORMAT.fullmatch(form).groups()
        number = value.cast("float64") * (100 if kind == "%" else 1)
        value = rounded(number, int(digits)).cast(f"decimal(38, {digits})").cast("string") + (" %" if kind == "%" else "")
    return [*said, ibis.coalesce(value.cast("string"), ibis.literal(UNKNOWN))]
