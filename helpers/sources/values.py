"""SQL for one mapped column: from the source's text to its typed value, and whether its text could not be read.

It is computed in two steps, so that nothing is computed twice: `taken` from the source's own columns (`_t_` and the column's
name), then `value` and `wrong` from what was taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.sources import blocks, clocks
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
UNITS = {"s": "1000000", "ms": "1000", "us": "1", "ns": "0.001"}
LATEST = 10**17  # microseconds: the year 5138
BLANK = r"[\s\p{Z}\x{200B}\x{FEFF}]*"
DECIMAL = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,3})?"
NARROW_MONEY = "DECIMAL(18, 4)"  # a machine word: text is read many times faster than into a wider one
WIDE_MONEY = "DECIMAL(28, 4)"  # 10^24; and a sum of 10^10 of them is still exact
DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
CLOCK = "[ T]([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}([.][0-9]+)?"
OFFSET = "(Z|[+-](0[0-9]|1[0-7])(:?[0-5][0-9])?)"  # no place on earth is further ahead, and Spark reads no more


@dataclass(frozen=True)
class Value:
    """SQL of a mapped column.

    taken: Over the source's columns.
    value: Over what was taken.
    wrong: A condition over what was taken and the value; "" when no text is wrong for it.
    wrong_at_source: The same over the source's columns.
    odd: Branches of a CASE over what was taken and the value, which name what is odd about it; "" when nothing can be.
    """

    taken: str
    value: str
    wrong: str = ""
    wrong_at_source: str = ""
    odd: str = ""


def sql_type(column: str) -> str:
    """The engine's type of a column."""
    if column in INSTANTS:
        return "TIMESTAMPTZ"
    if column in DAYS:
        return "DATE"
    if column in MONEY:
        return WIDE_MONEY
    return "DOUBLE" if column in NUMBERS else "VARCHAR"


def taken(column: str) -> str:
    """The name of what was taken from the source for a column."""
    return name(f"_t_{column}")


def id_of(text: str) -> str:
    """The id in a text, as it stands: "" when it is nothing but white space."""
    return f"CASE WHEN regexp_full_match({text}, '{BLANK}') THEN '' ELSE {text} END"


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
        return _time(column, expression.sql(), text, bare, dataset.timezone, source)
    if column in MONEY:
        return _money(column, expression, text, bare)
    if column in NUMBERS:
        own = f"TRY_CAST({taken(column)} AS DOUBLE)"
        wrong = f"{taken(column)} <> '' AND {name(column)} IS NULL"
        return Value(f"trim({text})", f"CASE WHEN isfinite({own}) THEN {own} END", wrong)
    return Value(f"nullif(trim({text}), '')", taken(column))


def _money(column: str, expression: Expression, text: str, bare: str) -> Value:
    if expression.numeric_columns:
        made = _exact(expression.sql())
        return Value(made, taken(column), wrong_at_source=expression.bad_cast_sql())
    if bare.startswith(NUMERIC):
        made = _exact(expression.sql())
        return Value(made, taken(column), wrong_at_source=f"{expression.sql()} IS NOT NULL AND {made} IS NULL")
    own = taken(column)
    made = f"CASE WHEN regexp_full_match({own}, '{DECIMAL}') THEN {_exact(own)} END"
    return Value(f"trim({text})", made, f"{own} <> '' AND {name(column)} IS NULL")


def _exact(sql: str) -> str:
    return f"coalesce(CAST(TRY_CAST({sql} AS {NARROW_MONEY}) AS {WIDE_MONEY}), TRY_CAST({sql} AS {WIDE_MONEY}))"


def _time(column: str, sql: str, text: str, bare: str, zone: str, source: Source) -> Value:
    """An instant, or its local day; text without an offset is in the dataset's zone.

    An hour that the clock strikes twice is taken for the second one; one that it leaves out is read on the clock before.
    """
    own, wrong, odd = taken(column), "", ""
    if bare.startswith("TIMESTAMP"):
        aware = bare == "TIMESTAMP WITH TIME ZONE"
        text = f"CAST({sql} AS TIMESTAMPTZ)" if aware else f"timezone({quote(zone)}, CAST({sql} AS TIMESTAMP))"
        made = f"CAST({own} AS TIMESTAMPTZ)"
    else:
        text, made = f"trim({text})", _instant(own, zone, source.ts_format, source.ts_unit)
        wrong = f"{own} <> '' AND {name(column)} IS NULL"
        odd = _odd(own, name(column), zone) if column in INSTANTS and not (source.ts_format or source.ts_unit) else ""
    return Value(text, f"CAST(timezone({quote(zone)}, {made}) AS DATE)" if column in DAYS else made, wrong, odd=odd)


def _odd(text: str, instant: str, zone: str) -> str:
    """Branches of CASE: a date alone; a time without an offset that the zone's clock leaves out or strikes twice."""
    odd = f"WHEN length({text}) = 10 AND {instant} IS NOT NULL THEN 'date_only' "
    changes = clocks.changes(zone)
    if changes:
        days = ", ".join(quote(day) for day in sorted({turn.date().isoformat() for both in changes for turn in both}))
        local = f"TRY_CAST({text} AS TIMESTAMP)"
        spans = " OR ".join(f"{local} >= '{start}' AND {local} < '{end}'" for start, end in changes)
        naive = f"{instant} IS NOT NULL AND NOT regexp_matches({text}[11:], '[Z+-]')"
        odd += f"WHEN left({text}, 10) IN ({days}) THEN CASE WHEN {naive} AND ({spans}) THEN 'clock_change' END "
    return odd


def _instant(text: str, zone: str, ts_format: str | None, ts_unit: str | None) -> str:
    if ts_unit:
        micros = f"floor(TRY_CAST({text} AS DECIMAL(30, 9)) * {UNITS[ts_unit]})"
        known = f"TRY_CAST(CASE WHEN {micros} BETWEEN 0 AND {LATEST} THEN {micros} END AS BIGINT)"
        return f"timezone('UTC', make_timestamp({known}))"
    if ts_format:
        read = f"try_strptime({text}, {quote(ts_format)})"
        return read if "%z" in ts_format else f"timezone({quote(zone)}, {read})"
    return (
        f"CASE WHEN regexp_full_match({text}, '{DAY}({CLOCK})?') "
        f"THEN timezone({quote(zone)}, TRY_CAST({text} AS TIMESTAMP)) "
        f"WHEN regexp_full_match({text}, '{DAY}{CLOCK}{OFFSET}') THEN TRY_CAST({text} AS TIMESTAMPTZ) END"
    )
