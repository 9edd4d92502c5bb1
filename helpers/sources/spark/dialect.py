"""DuckDB's SQL in Spark's words: what differs between the two is written here, in casts.py, times.py, formats.py and patterns.py.

DuckDB 1.5, Spark 4.0 in ANSI mode, the session's zone UTC on both. Not carried over, and NULL or another text on Spark: years
before 1 and above 9999, times called 'infinity' or '24:00', hours of three digits, offsets beyond 18 hours, _ and 0x in numbers,
case of the few letters that become two, letters of two code points turned round by `reverse`, and what is `Unspoken`.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.spark import Spark

from helpers.sources.spark import casts, formats, patterns, times
from helpers.sources.spark.patterns import Unspoken

TRIMMED = " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"  # by DuckDB
LARGEST = "1.7976931348623157E308D"


def in_words_of_spark(query: str, *, dialect: str | None = None) -> str:
    """What `table.sql` is given, such as the conditions of rules.toml, in Spark's dialect."""
    return query if dialect is None else translated(query)


def translated(sql: str) -> str:
    """A query or an expression of DuckDB as Spark's.

    Raises:
        Unspoken: It holds what has no counterpart.
    """
    import sqlglot

    return words(sqlglot.parse_one(sql, read="duckdb"))


def words(tree: exp.Expression) -> str:
    """The same of a tree, which is left as it is."""
    return tree.sql(dialect=_Words)


def _by_name(self, node: exp.Anonymous) -> str:
    name, given = node.name.lower(), node.expressions
    if name == "timezone":
        return times.zoned(self, *given)
    of = [self.sql(own) for own in given]
    if name == "epoch_us":
        return f"UNIX_MICROS(CAST({of[0]} AS TIMESTAMP))"
    if name == "try_strptime":
        return formats.read(of[0], _said(given[1], "A format"))
    if name == "hash":  # one of Spark's passes over NULL
        return f"XXHASH64({', '.join(f'{own}, {own} IS NULL' for own in of)})"
    if name == "isfinite":
        return f"ABS({of[0]}) <= {LARGEST}"
    return self.func(node.name, *given)


def _said(node: exp.Expression | None, what: str) -> str:
    if not isinstance(node, exp.Literal) or not node.is_string:
        raise Unspoken(f"{what} must be written out on Spark; it cannot come from a column.")
    return node.name


def _pattern(self, node: exp.Expression, key: str) -> str:
    flags = node.args.get(key)
    return patterns.java(_said(node.expression, "A regular expression"), flags.name if flags else "")


def _whole(self, node: exp.Expression) -> str:
    pattern = rf"\A(?:{_pattern(self, node, 'options')})\z"
    return f"{self.sql(node, 'this')} RLIKE {casts.literal(self, pattern)}"


def _matches(self, node: exp.RegexpLike) -> str:
    return f"{self.sql(node, 'this')} RLIKE {casts.literal(self, _pattern(self, node, 'flag'))}"


def _extracted(self, node: exp.RegexpExtract) -> str:
    group = self.sql(node, "group") or "0"
    return f"REGEXP_EXTRACT({self.sql(node, 'this')}, {casts.literal(self, _pattern(self, node, 'parameters'))}, {group})"


def _replaced(self, node: exp.RegexpReplace) -> str:
    """DuckDB replaces the first match, unless it is told to replace all; Spark replaces all."""
    pattern, put = _pattern(self, node, "modifiers"), _said(node.args["replacement"], "What stands in for a match")
    flags = node.args.get("modifiers")
    every = "g" in (flags.name if flags else "")
    pattern = pattern if every else rf"\A([\s\S]*?)({pattern})"
    put = patterns.replacement(put) if every else "$1" + patterns.replacement(put, before=2)
    return f"REGEXP_REPLACE({self.sql(node, 'this')}, {casts.literal(self, pattern)}, {casts.literal(self, put)})"


def _like(self, node: exp.Like | exp.ILike) -> str:
    """A backslash is a letter for DuckDB."""
    word = "ILIKE" if isinstance(node, exp.ILike) else "LIKE"
    escape = "" if isinstance(node.parent, exp.Escape) else f" ESCAPE {casts.literal(self, chr(1))}"
    return f"{self.sql(node, 'this')} {word} {self.sql(node, 'expression')}{escape}"


def _trim(self, node: exp.Trim) -> str:
    letters = self.sql(node, "expression") or casts.literal(self, TRIMMED)
    return f"TRIM({node.args.get('position') or 'BOTH'} {letters} FROM {self.sql(node, 'this')})"


def _cut(self, node: exp.Left | exp.Right) -> str:
    """A negative number leaves out as many letters at the other end."""
    of, number = self.sql(node, "this"), node.expression
    if not isinstance(number, exp.Neg):
        return self.func("LEFT" if isinstance(node, exp.Left) else "RIGHT", node.this, number)
    less = self.sql(number, "this")
    if isinstance(node, exp.Right):
        return f"SUBSTRING({of}, {less} + 1)"
    return f"SUBSTRING({of}, 1, GREATEST(LENGTH({of}) - {less}, 0))"


def _substring(self, node: exp.Substring) -> str:
    """DuckDB counts a place before the first letter, called 0."""
    start, length = node.args["start"], node.args.get("length")
    if start.name == "0" and length is not None:
        return f"SUBSTRING({self.sql(node, 'this')}, 1, {self.sql(length)} - 1)"
    return self.func("SUBSTRING", node.this, start, length)


def _bracket(self, node: exp.Bracket) -> str:
    inner = node.expressions[0]
    if isinstance(inner, exp.Slice):
        return self.func("SUBSTRING", node.this, inner.this, inner.args.get("expression"))
    return self.bracket_sql(node)


def _star(self, node: exp.Star) -> str:
    """Spark has no REPLACE: what is replaced is left out, and follows."""
    put = node.args.get("replace") or []
    out = [*(node.args.get("except_") or []), *(exp.column(own.alias) for own in put)]
    gone = f" EXCEPT ({', '.join(self.sql(own) for own in out)})" if out else ""
    return "".join(["*", gone, *(f", {self.sql(own)}" for own in put)])


def _formatted(self, node: exp.TimeToStr) -> str:
    return formats.written(f"CAST({self.sql(node, 'this')} AS TIMESTAMP)", _said(node.args["format"], "A format"))


def _joined(self, node: exp.Concat) -> str:
    parts = [f"COALESCE({casts.text_of(self, own)}, '')" for own in node.expressions]
    return f"CONCAT({', '.join(parts)})"


class _Words(Spark):
    class Generator(Spark.Generator):
        TRANSFORMS = {  # noqa: RUF012
            **Spark.Generator.TRANSFORMS,
            **dict.fromkeys((exp.Cast, exp.TryCast), casts.cast),
            **dict.fromkeys((exp.RegexpFullMatch, exp.SimilarTo), _whole),
            **dict.fromkeys((exp.Like, exp.ILike), _like),
            **dict.fromkeys((exp.Left, exp.Right), _cut),
            **dict.fromkeys((exp.Add, exp.Sub), times.plus),
            **dict.fromkeys((exp.TimestampTrunc, exp.DateTrunc), times.truncated),
            exp.Anonymous: _by_name,
            exp.AtTimeZone: lambda self, node: times.zoned(self, node.args["zone"], node.this),
            exp.UnixToTime: times.since_1970,
            exp.TimeToUnix: lambda self, node: times.epoch(self, node.this),
            exp.TimeToStr: _formatted,
            exp.Extract: times.extract,
            exp.DateDiff: times.apart,
            exp.RegexpLike: _matches,
            exp.RegexpExtract: _extracted,
            exp.RegexpReplace: _replaced,
            exp.Trim: _trim,
            exp.Substring: _substring,
            exp.Bracket: _bracket,
            exp.Star: _star,
            exp.Concat: _joined,
            exp.ConcatWs: lambda self, node: f"CONCAT_WS({', '.join(casts.text_of(self, own) for own in node.expressions)})",
            exp.DPipe: lambda self, node: f"{casts.text_of(self, node.this)} || {casts.text_of(self, node.expression)}",
            exp.Div: lambda self, node: " / ".join(f"CAST({self.sql(node, key)} AS DOUBLE)" for key in ("this", "expression")),
            exp.Mod: lambda self, node: f"{self.sql(node, 'this')} % NULLIF({self.sql(node, 'expression')}, 0)",
            exp.Sign: lambda self, node: f"CAST(SIGN({self.sql(node, 'this')}) AS TINYINT)",
            exp.Trunc: lambda self, node: "IF({0} < 0, CEIL({0}), FLOOR({0}))".format(self.sql(node, "this")),
        }


# Spark takes \a, \f and \v within a text for the letters
_Words.ESCAPED_SEQUENCES = {sign: said for sign, said in Spark.ESCAPED_SEQUENCES.items() if said not in ("\\a", "\\f", "\\v")}
