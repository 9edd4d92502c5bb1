"""Casts in Spark's words: texts as numbers and times, numbers and times as texts.

Each function that takes `self` is a method of the generator in dialect.py.
"""

from __future__ import annotations

from sqlglot import exp

from helpers.sources.spark.kinds import BINARY, DATE, FLOATS, INSTANT, KINDS, LOCAL, REAL, TEXT, Kind, kind
from helpers.sources.spark.patterns import Unspoken

NAMES = {LOCAL: "TIMESTAMP_NTZ", INSTANT: "TIMESTAMP", DATE: "DATE"}
WHOLE = {Kind.TINYINT: "TINYINT", Kind.SMALLINT: "SMALLINT", Kind.INT: "INT", Kind.BIGINT: "BIGINT"}
DAY = r"^[ \t\n\f\r]*([0-9]{1,6})([-/ \\])([0-9]{1,2})\2([0-9]{1,2})"
OFFSET = r"Z|[+-][0-9]{2}(?::?[0-9]{2}(?::[0-9]{2})?)?| UTC"
CLOCK = rf"(?:(?:T| +)([0-9]{{1,2}}:[0-9]{{1,2}})(?:(:[0-9]{{1,2}})([.][0-9]*)?({OFFSET}%s)?)?)?$"
FORMS = {DATE: f"{DAY}(?![0-9])[\\s\\S]*", LOCAL: DAY + CLOCK % "", INSTANT: DAY + CLOCK % r"| [A-Za-z][\w/+-]+"}
SHORT_YEAR = r"^[ \t\n\f\r]*([0-9]{1,3})(?=[-/ \\])"


def text(sql: str, own: str | None) -> str:
    """A value in Spark's words as the text that DuckDB makes of it; `own` is its kind."""
    if own in (TEXT, BINARY):
        return sql
    plain = f"CAST({sql} AS STRING)"
    return f"({_float_text(plain)})" if own in FLOATS else f"({plain} || '+00')" if own == INSTANT else plain


def text_of(self, node: exp.Expression) -> str:
    """A part of a query as a text."""
    return text(self.sql(node), kind(node))


def literal(self, text: str) -> str:
    """A text as an SQL literal."""
    return self.sql(exp.Literal.string(text))


def cast(self, node: exp.Cast) -> str:
    to, own, of = node.to.this, kind(node.this), self.sql(node, "this")
    attempt = "TRY_CAST" if isinstance(node, exp.TryCast) else "CAST"
    plain = isinstance(node.this, exp.Column | exp.Null | exp.Literal)
    if KINDS.get(to) == TEXT:
        return text_of(self, node.this)
    if KINDS.get(to) in NAMES:
        timely = plain or own in NAMES  # a column of text was looked at by the door
        return f"{attempt}({of} AS {NAMES[KINDS[to]]})" if timely else _time_in(self, text_of(self, node.this), KINDS[to])
    if to == Kind.DECIMAL:
        return _decimal(self, node, own, attempt)
    if to in WHOLE and not plain and not isinstance(node.this, exp.Predicate | exp.Connector | exp.Not | exp.Boolean):
        if own == TEXT:
            of = f"TRY_CAST({_ascii(of)} AS DECIMAL(38, 10))"
        return f"{attempt}({'RINT' if own in FLOATS else 'ROUND'}({of}) AS {WHOLE[to]})"
    if to == Kind.DOUBLE and (own == TEXT or (own is None and isinstance(node.this, exp.Column))):
        return _double(self, of, attempt)
    if to == Kind.TIME:
        raise Unspoken("Spark 4.0 has no type for the time of a day; take hour(...), minute(...) and second(...).")
    other = {Kind.INT128: "DECIMAL(38, 0)", Kind.UBIGINT: "BIGINT"}.get(to) or self.sql(node, "to")
    return f"{attempt}({of} AS {other})"


def _time_in(self, text: str, wanted: str) -> str:
    """Spark reads '2024' and '2024-01' as times as well, and neither '2024/01/05' nor '24-01-05'."""
    form = literal(self, FORMS[wanted])
    whole = f"REGEXP_REPLACE({text}, {literal(self, SHORT_YEAR)}, '000$1')"
    said = "'$1-$3-$4'" if wanted == DATE else "'$1-$3-$4 $5$6$7$8'"
    return f"TRY_CAST(CASE WHEN {text} RLIKE {form} THEN REGEXP_REPLACE({whole}, {form}, {said}) END AS {NAMES[wanted]})"


def _ascii(text: str) -> str:
    """Java takes digits of all scripts for digits."""
    return f"CASE WHEN OCTET_LENGTH({text}) = CHAR_LENGTH({text}) THEN {text} END"


def _decimal(self, node: exp.Cast, own: str | None, attempt: str) -> str:
    of, to = self.sql(node, "this"), self.sql(node, "to")
    if own in FLOATS:
        return _decimal_of_float(of, to, int(node.to.expressions[1].name), own)
    if own == TEXT or (own is None and isinstance(node.this, exp.Column)):
        of = _ascii(f"CAST({of} AS STRING)")
    return f"{attempt}({of} AS {to})"


def _decimal_of_float(of: str, to: str, scale: int, own: str) -> str:
    """DuckDB rounds the number times a power of ten, Spark the number as it is written."""
    made = f"TRY_CAST(ROUND({of} * 1E{scale}{'F' if own == REAL else 'D'}) AS BIGINT)"
    exact = f"{made} * CAST('1E-{scale}' AS DECIMAL({scale}, {scale}))" if scale else made
    return f"COALESCE(TRY_CAST({exact} AS {to}), TRY_CAST({of} AS {to}))"


def _double(self, of: str, attempt: str) -> str:
    """Java takes 1d, 1f and 0x1p3 for numbers."""
    odd = literal(self, r"[xX]|[0-9.][dDfF]\s*$")
    return f"{attempt}(CASE WHEN NOT CAST({of} AS STRING) RLIKE {odd} THEN {of} END AS DOUBLE)"


def _float_text(own: str) -> str:
    """1.0E10 as 10000000000.0, 1.5E-7 as 1.5e-07; Java 17 writes a few numbers with one digit too many."""
    power = f"CAST(SUBSTRING_INDEX({own}, 'E', -1) AS INT)"
    plain = f"TRIM(TRAILING '0' FROM CAST(TRY_CAST({own} AS DECIMAL(38, 21)) AS STRING))"
    short = f"REGEXP_REPLACE(SUBSTRING_INDEX({own}, 'E', 1), '[.]0$', '')"
    digits = f"LPAD(CAST(ABS({power}) AS STRING), GREATEST(2, LENGTH(ABS({power}))), '0')"
    signed = f"CASE WHEN {power} < 0 THEN 'e-' ELSE 'e+' END || {digits}"
    return (
        f"CASE WHEN {own} = 'NaN' THEN 'nan' WHEN {own} LIKE '%Infinity' THEN REPLACE({own}, 'Infinity', 'inf') "
        f"WHEN {own} NOT LIKE '%E%' THEN {own} WHEN {power} BETWEEN -4 AND 15 THEN REGEXP_REPLACE({plain}, '[.]$', '.0') "
        f"ELSE {short} || {signed} END"
    )
