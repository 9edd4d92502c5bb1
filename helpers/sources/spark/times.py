"""Times in Spark's words: zones, parts, differences.

DuckDB's TIMESTAMPTZ is Spark's TIMESTAMP, its TIMESTAMP is TIMESTAMP_NTZ. Each function that takes `self` is a method of the
generator in dialect.py.
"""

from __future__ import annotations

from sqlglot import exp

from helpers.sources.spark.casts import NAMES
from helpers.sources.spark.kinds import DATE, INSTANT, LOCAL, kind
from helpers.sources.spark.patterns import Unspoken

SIZES = {"HOUR": 3_600_000_000, "MINUTE": 60_000_000, "SECOND": 1_000_000, "MILLISECOND": 1000, "MICROSECOND": 1}
NUMBERED = {
    "DAY": "UNIX_DATE({0})", "MONTH": "(YEAR({0}) * 12 + MONTH({0}))", "QUARTER": "(YEAR({0}) * 4 + QUARTER({0}))",
    "YEAR": "YEAR({0})",
}  # fmt: skip
SAME_PART = {"DAYOFWEEK": "DOW", "DAYOFYEAR": "DOY"}
PARTS = {
    "DOW": "(DAYOFWEEK({0}) - 1)", "ISODOW": "(WEEKDAY({0}) + 1)", "DOY": "DAYOFYEAR({0})", "WEEK": "WEEKOFYEAR({0})",
    "ISOYEAR": "EXTRACT(YEAROFWEEK FROM {0})", "SECOND": "SECOND({0})", "MILLISECOND": "FLOOR(EXTRACT(SECOND FROM {0}) * 1000)",
    "MICROSECOND": "CAST(EXTRACT(SECOND FROM {0}) * 1000000 AS BIGINT)",
}  # fmt: skip


def zoned(self, zone: exp.Expression, time: exp.Expression) -> str:
    """The instant of a local time or the local time of an instant, in a zone.

    Of an hour that the clock strikes twice DuckDB takes the second one, Spark the first: a day later the clock's new offset is
    known, and the instant with that offset is the second one where its local time is the one that was asked for.
    """
    place, own, of = self.sql(zone), kind(time), self.sql(time)
    if own == INSTANT:
        return f"CAST(FROM_UTC_TIMESTAMP({of}, {place}) AS TIMESTAMP_NTZ)"
    if own not in (LOCAL, DATE):
        raise Unspoken("On Spark AT TIME ZONE needs CAST(... AS TIMESTAMP) or CAST(... AS TIMESTAMPTZ) about its time.")
    if zone.name.upper() == "UTC":
        return f"CAST({of} AS TIMESTAMP)"
    first = f"TO_UTC_TIMESTAMP(t, {place})"
    offset = f"UNIX_MICROS(FROM_UTC_TIMESTAMP({first} + INTERVAL '1' DAY, {place})) - UNIX_MICROS({first} + INTERVAL '1' DAY)"
    second = f"TIMESTAMP_MICROS(UNIX_MICROS(t) - ({offset}))"
    either = f"CASE WHEN FROM_UTC_TIMESTAMP({second}, {place}) = t THEN {second} ELSE {first} END"
    return f"TRANSFORM(ARRAY(CAST({of} AS TIMESTAMP)), t -> {either})[0]"


def since_1970(self, node: exp.UnixToTime) -> str:
    if node.args.get("scale"):
        return f"CAST(TIMESTAMP_MICROS({self.sql(node, 'this')}) AS TIMESTAMP_NTZ)"
    return f"TIMESTAMP_MICROS(CAST(ROUND(CAST({self.sql(node, 'this')} AS DOUBLE) * 1E6D) AS BIGINT))"


def plus(self, node: exp.Add | exp.Sub) -> str:
    """A day and an interval are a time."""
    sign = "+" if isinstance(node, exp.Add) else "-"
    if sign == "-" and _is_time(node.this) and _is_time(node.expression):
        if kind(node.this) == kind(node.expression) == DATE:
            return self.func("DATEDIFF", node.this, node.expression)
        raise Unspoken("The difference of two times is written date_diff('second', a, b) or epoch(a - b) on Spark.")
    pair = (node.this, node.expression)
    said = (f"CAST({self.sql(own)} AS TIMESTAMP_NTZ)" if kind(own) == DATE else self.sql(own) for own in pair)
    return f" {sign} ".join(said)


def epoch(self, node: exp.Expression) -> str:
    inner = node.unnest()
    if isinstance(inner, exp.Sub) and _is_time(inner.this) and _is_time(inner.expression):
        return f"(({_micros(self, inner.this)} - {_micros(self, inner.expression)}) / 1E6D)"
    return f"({_micros(self, node)} / 1E6D)"


def extract(self, node: exp.Extract) -> str:
    part = SAME_PART.get(node.name.upper(), node.name.upper().removesuffix("S"))
    if part == "EPOCH":
        return epoch(self, node.expression)
    of = self.sql(node, "expression")
    return PARTS[part].format(of) if part in PARTS else f"EXTRACT({part} FROM {of})"


def truncated(self, node: exp.TimestampTrunc | exp.DateTrunc) -> str:
    made = f"DATE_TRUNC('{node.args['unit'].name}', {self.sql(node, 'this')})"
    return f"CAST({made} AS TIMESTAMP_NTZ)" if kind(node) == LOCAL else made


def apart(self, node: exp.DateDiff) -> str:
    """DuckDB counts the days, hours and so on that begin in between, and for weeks sevens of days; Spark those that are over."""
    unit = node.args["unit"].name.upper() if node.args.get("unit") else "DAY"
    if unit in SIZES:
        ends = [f"FLOOR({_micros(self, own)} / {SIZES[unit]})" for own in (node.this, node.expression)]
        return f"CAST({' - '.join(ends)} AS BIGINT)"
    later, sooner = (f"CAST({self.sql(own)} AS DATE)" for own in (node.this, node.expression))
    if unit == "WEEK":
        return f"(DATEDIFF({later}, {sooner}) DIV 7)"
    return f"CAST({NUMBERED[unit].format(later)} - {NUMBERED[unit].format(sooner)} AS BIGINT)"


def _is_time(node: exp.Expression) -> bool:
    return kind(node) in NAMES


def _micros(self, node: exp.Expression) -> str:
    return f"UNIX_MICROS(CAST({self.sql(node)} AS TIMESTAMP))"
