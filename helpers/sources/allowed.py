"""What an expression of dataset.toml may be made of. Everything that is not listed here is refused."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from helpers.errors import nearest

if TYPE_CHECKING:
    from sqlglot import exp

# What a reader writes, and the sqlglot class that it becomes; several names may share a class.
FUNCTIONS = {
    "lower": "Lower", "upper": "Upper", "trim": "Trim", "ltrim": "Trim", "rtrim": "Trim", "length": "Length",
    "substring": "Substring", "substr": "Substring", "left": "Left", "right": "Right", "replace": "Replace",
    "translate": "Translate", "concat": "Concat", "concat_ws": "ConcatWs", "split_part": "SplitPart",
    "strpos": "StrPosition", "contains": "Contains", "starts_with": "StartsWith", "ends_with": "EndsWith",
    "lpad": "Pad", "rpad": "Pad", "reverse": "Reverse", "md5": "MD5", "sha256": "SHA2",
    "regexp_matches": "RegexpLike", "regexp_full_match": "RegexpFullMatch", "regexp_extract": "RegexpExtract",
    "regexp_replace": "RegexpReplace", "json_extract_string": "JSONExtractScalar",
    "abs": "Abs", "round": "Round", "floor": "Floor", "ceil": "Ceil", "trunc": "Trunc", "sign": "Sign",
    "greatest": "Greatest", "least": "Least", "coalesce": "Coalesce", "ifnull": "Coalesce", "nullif": "Nullif",
    "if": "If", "cast": "Cast", "try_cast": "TryCast",
    "strptime": "StrToTime", "strftime": "TimeToStr", "to_timestamp": "UnixToTime", "date_trunc": "TimestampTrunc",
    "date_diff": "DateDiff", "extract": "Extract", "epoch": "TimeToUnix", "year": "Year", "month": "Month",
    "day": "Day", "hour": "Hour", "minute": "Minute", "second": "Second",
}  # fmt: skip
# Functions that sqlglot does not know by class.
BY_NAME = {"try_strptime"}
OPERATORS = {
    "Column", "Identifier", "Literal", "Null", "Boolean", "Paren", "Neg", "Not", "And", "Or", "Add", "Sub", "Mul",
    "Div", "Mod", "DPipe", "EQ", "NEQ", "GT", "GTE", "LT", "LTE", "NullSafeEQ", "NullSafeNEQ", "Is", "In", "Between", "Like",
    "ILike", "SimilarTo", "Escape", "Case", "Interval", "Var", "DataType", "DataTypeParam", "DateTrunc", "AtTimeZone",
    "JSONPath", "JSONPathRoot", "JSONPathKey", "JSONPathSubscript",
}  # fmt: skip
CLASSES = OPERATORS | set(FUNCTIONS.values())
TYPES = {
    "TEXT", "VARCHAR", "CHAR", "TINYINT", "SMALLINT", "INT", "BIGINT", "INT128", "FLOAT", "DOUBLE", "DECIMAL",
    "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMPNTZ", "TIMESTAMPTZ", "TIME",
}  # fmt: skip
UNITS = {
    "MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR",
    "DOW", "ISODOW", "DOY", "ISOYEAR", "EPOCH",
}  # fmt: skip


def check(tree: exp.Expression) -> exp.Expression:
    """The tree itself, when it is one scalar expression of allowed parts.

    Raises:
        ValueError: A part is not allowed; the text says which.
    """
    for node in tree.walk():
        if fault := _fault(node):
            raise ValueError(fault)
    return tree


def _fault(node: exp.Expression) -> str | None:
    from sqlglot import exp

    kind = type(node).__name__
    if isinstance(node, exp.Column) and node.args.get("table"):
        return f'"{node.sql()}" names a table; write the column alone, an odd name in double quotes.'
    if isinstance(node, exp.DataType):
        plain = not node.args.get("nested") and getattr(node.this, "name", "") in TYPES
        return None if plain else f"It casts to {node.sql('duckdb')}; allowed are text, numbers, booleans, times."
    if isinstance(node, exp.Var):
        return None if node.name.upper().removesuffix("S") in UNITS else f'"{node.name}" is no unit of time.'
    if isinstance(node, exp.Anonymous):
        return None if node.name.lower() in BY_NAME else _no_function(node.name)
    if kind not in CLASSES:
        return _refusal(node)
    written = isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and node.to.is_type("date", "timestamp")
    return _no_such_time(node) if written else None


def _refusal(node: exp.Expression) -> str:
    from sqlglot import exp

    sql = node.sql("duckdb")
    if isinstance(node, exp.Query | exp.Exists | exp.Subquery):
        return "A sub-query is not allowed: an expression sees one row of one file."
    if isinstance(node, exp.AggFunc | exp.Window):
        return f"{sql} looks at many rows; an expression sees one row of one file."
    if isinstance(node, exp.Star | exp.Columns):
        return "A star stands for many columns; name one."
    if isinstance(node, exp.Placeholder | exp.Parameter | exp.PositionalColumn):
        return f"{sql} is a parameter, and nothing would fill it."
    if isinstance(node, exp.Alias):
        return "It gives a second name (a word too many?). A column with an odd name takes double quotes."
    if isinstance(node, exp.Func) and sql.split("(")[0].isidentifier():
        return _no_function(sql.split("(")[0])
    return f"{sql[:80]} is not a scalar expression of the kind that is allowed here."


def _no_function(name: str) -> str:
    known = sorted({*FUNCTIONS, *BY_NAME})
    hint = nearest(name, known)
    return f"{name.lower()} is not among the functions that may be used here.{hint} They are {', '.join(known)}."


def _no_such_time(node: exp.Cast) -> str | None:
    """A literal date is checked here, since the engine would stop at it in the middle of a file."""
    try:
        datetime.fromisoformat(node.this.name)
    except ValueError:
        return f"'{node.this.name}' is no date or time; write it as '2026-03-08' or '2026-03-08 10:00:00'."
    return None
