"""SQL for one mapped column: from the source's text to its typed value, and whether its text could not be read.

It is computed in two steps, so that nothing is computed twice: `taken` from the source's own columns (`_t_` and the column's
name), then `value` and `wrong` from what was taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.sources import blocks
from helpers.sources.engine import name, quote

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset, Source
    from helpers.sources.expressions import Expression

IDS = {"user_id", "referrer_id", "unit_id"}
INSTANTS = {"ts", "registered_at", "assigned_at", "touched_at", "answered_at"}
DAYS = {"day"}
MONEY = {"amount", "discount", "cost"}
NUMBERS = {"duration_s", "score", "birth_year"}
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
NUMERIC = ("DECIMAL", "DOUBLE", "FLOAT", *INTEGERS, *(f"U{name}" for name in INTEGERS))
BLANK = r"[\s\p{Z}\x{200B}\x{FEFF}]*"
DECIMAL = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)"
DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
CLOCK = "[ T]([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}([.][0-9]+)?"
OFFSET = "(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)"


@dataclass(frozen=True)
class Value:
    """SQL of a mapped column.

    taken: Over the source's columns.
    value: Over what was taken.
    wrong: A condition over what was taken and the value; "" when no text is wrong for it.
    wrong_at_source: The same over the source's columns.
    """

    taken: str
    value: str
    wrong: str = ""
    wrong_at_source: str = ""


def sql_type(column: str) -> str:
    """The engine's type of a column."""
    if column in INSTANTS:
        return "TIMESTAMPTZ"
    if column in DAYS:
        return "DATE"
    if column in MONEY:
        return "DECIMAL(18, 4)"
    return "DOUBLE" if column in NUMBERS else "VARCHAR"


def taken(column: str) -> str:
    """The name of what was taken from the source for a column."""
    return name(f"_t_{column}")


def id_of(text: str) -> str:
    """The id in a text: "" when nothing but white space stands there."""
    return f"CASE WHEN regexp_full_match({text}, '{BLANK}') THEN '' ELSE trim({text}) END"


def of(column: str, expression: Expression, source: Source, dataset: Dataset, types: dict[str, str]) -> Value:
    """How a column is read; an attribute of the dataset's own is text.

    Args:
        expression: Bound to the source's columns.
        types: Of each of the source's columns, as the engine calls it.
    """
    text = f"CAST({expression.sql()} AS VARCHAR)"
    bare = types.get(expression.columns[0], "") if expression.typed is None else ""
    if column in IDS:
        return Value(f"coalesce({text}, '')", id_of(taken(column)))
    if column not in (*blocks.KINDS[source.kind].required, *blocks.KINDS[source.kind].optional):
        return Value(f"nullif(trim({text}), '')", taken(column))
    if column in INSTANTS or column in DAYS:
        return _time(column, expression.sql(), text, bare, dataset.timezone, source.ts_format)
    if column in MONEY:
        return _money(column, expression, text, bare)
    if column in NUMBERS:
        return Value(f"TRY_CAST(trim({text}) AS DOUBLE)", f"CASE WHEN isfinite({taken(column)}) THEN {taken(column)} END")
    return Value(f"nullif(trim({text}), '')", taken(column))


def _money(column: str, expression: Expression, text: str, bare: str) -> Value:
    if expression.numeric_columns:
        made = f"TRY_CAST({expression.sql()} AS DECIMAL(18, 4))"
        return Value(made, taken(column), wrong_at_source=expression.bad_cast_sql())
    if bare.startswith(NUMERIC):
        made = f"TRY_CAST({expression.sql()} AS DECIMAL(18, 4))"
        return Value(made, taken(column), wrong_at_source=f"{expression.sql()} IS NOT NULL AND {made} IS NULL")
    own = taken(column)
    made = f"CASE WHEN regexp_full_match({own}, '{DECIMAL}') THEN TRY_CAST({own} AS DECIMAL(18, 4)) END"
    return Value(f"trim({text})", made, f"{own} <> '' AND {name(column)} IS NULL")


def _time(column: str, sql: str, text: str, bare: str, zone: str, ts_format: str | None) -> Value:
    """An instant, or its local day; text without an offset is in the dataset's zone.

    An hour that the clock strikes twice is taken for the second one; one that it leaves out is read on the clock before.
    """
    own, wrong = taken(column), ""
    if bare.startswith("TIMESTAMP"):
        aware = bare == "TIMESTAMP WITH TIME ZONE"
        text = f"CAST({sql} AS TIMESTAMPTZ)" if aware else f"timezone({quote(zone)}, CAST({sql} AS TIMESTAMP))"
        made = own
    else:
        text, made = f"trim({text})", _instant(own, zone, ts_format)
        wrong = f"{own} <> '' AND {name(column)} IS NULL"
    return Value(text, f"CAST(timezone({quote(zone)}, {made}) AS DATE)" if column in DAYS else made, wrong)


def _instant(text: str, zone: str, ts_format: str | None) -> str:
    if ts_format:
        read = f"try_strptime({text}, {quote(ts_format)})"
        return read if "%z" in ts_format else f"timezone({quote(zone)}, {read})"
    return (
        f"CASE WHEN regexp_full_match({text}, '{DAY}({CLOCK})?') "
        f"THEN timezone({quote(zone)}, TRY_CAST({text} AS TIMESTAMP)) "
        f"WHEN regexp_full_match({text}, '{DAY}{CLOCK}{OFFSET}') THEN TRY_CAST({text} AS TIMESTAMPTZ) END"
    )
