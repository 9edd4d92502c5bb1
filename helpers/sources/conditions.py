"""SQL over a table whose columns have types, as rules.toml holds it: read, and held against the columns and their types.

What may be written is what dataset.toml allows (`allowed.py`). Columns are typed here, so nothing is cast: a condition that
compares a text with a number is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from helpers.errors import nearest

if TYPE_CHECKING:
    from sqlglot import exp

SQL_TYPES = {
    "string": "TEXT", "int64": "BIGINT", "float64": "DOUBLE", "decimal": "DECIMAL(38, 4)", "boolean": "BOOLEAN",
    "date": "DATE", "timestamp": "TIMESTAMPTZ",
}  # fmt: skip
COLUMN = "column"
NUMBER, TEXT, TRUTH, TIME = "a number", "a text", "true or false", "a date"
WANTED = {
    TRUTH: 'It must be true or false, such as "create_28 >= 8".',
    NUMBER: 'It must be a number, such as "create_28 / 8.0".',
}


def fault(sql: str, columns: Mapping[str, str], *, of: str, wanted: str = TRUTH) -> str | None:
    """What is wrong with an expression, in words; None when nothing is.

    Args:
        columns: The columns that it may name, with their types as contracts name them.
        of: What the columns are of, for the message: "a portrait".
        wanted: TRUTH or NUMBER.
    """
    from helpers.sources import allowed, expressions

    if not sql.strip():
        return f"It is empty. {WANTED[wanted]}"
    try:
        tree = allowed.check(expressions.one_tree(sql.strip()))
    except ValueError as wrong:
        return str(wrong)
    return _unknown(tree, columns, of) or _unfit(tree, columns, wanted)


def unknown(column: str, columns: Mapping[str, str], of: str) -> str:
    """What is said of a column that there is not."""
    near = nearest(column, columns)
    return f'{of[:1].upper()}{of[1:]} has no column "{column}".{near} Its columns: {", ".join(columns)}.'


def no_such_value(sql: str, values: Mapping[str, Sequence[str]]) -> str | None:
    """What is said of a text that a column is compared with and never has; None when there is none.

    Args:
        sql: An expression in which `fault` finds nothing wrong.
        values: What a column can be, by its name; other columns can be anything.
    """
    from sqlglot import exp

    from helpers.sources import expressions

    for node in expressions.one_tree(sql.strip()).find_all(exp.EQ, exp.NEQ, exp.In):
        parts = _operands(node)
        named = [part.name for part in parts if isinstance(part, exp.Column) and part.name in values]
        texts = [part.name for part in parts if isinstance(part, exp.Literal) and part.is_string]
        for text in texts if named else ():
            known = values[named[0]]
            if text not in known:
                return f'{named[0]} is never "{text}".{nearest(text, known)} It is one of: {", ".join(known)}.'
    return None


def _unknown(tree: exp.Expression, columns: Mapping[str, str], of: str) -> str | None:
    from sqlglot import exp

    named = [column.name for column in tree.find_all(exp.Column, bfs=False)]
    return next((unknown(name, columns, of) for name in named if name not in columns), None)


def _unfit(tree: exp.Expression, columns: Mapping[str, str], wanted: str) -> str | None:
    """What does not fit together in its types, or may divide by zero, which engines answer differently."""
    from sqlglot.optimizer.annotate_types import annotate_types

    typed = annotate_types(tree.transform(lambda node: _typed(node, columns)), dialect="duckdb")
    for node in typed.walk():
        found = _mixed(node)
        if found:
            return found
    family = _family(typed)
    return WANTED[wanted] if family not in (wanted, None) else None


def _typed(node: exp.Expression, columns: Mapping[str, str]) -> exp.Expression:
    """A column as an empty value of its type that still knows its name."""
    from sqlglot import exp

    if not isinstance(node, exp.Column):
        return node
    empty = exp.Cast(this=exp.Null(), to=exp.DataType.build(SQL_TYPES[columns[node.name]], dialect="duckdb"))
    empty.meta[COLUMN] = node.name
    return empty


def _mixed(node: exp.Expression) -> str | None:
    from sqlglot import exp

    parts = [part for part in _operands(node) if not isinstance(part, exp.Null)]
    families = list(dict.fromkeys(filter(None, map(_family, parts))))
    if isinstance(node, exp.And | exp.Or | exp.Not) and families not in ([], [TRUTH]):
        return f"{_shown(node)} joins what is not true or false."
    if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Mod) and {TEXT, TRUTH} & set(families):
        return f"{_shown(node)} computes with what is not a number."
    if isinstance(node, exp.Div | exp.Mod) and not _never_zero(node.expression):
        return f"{_shown(node)} may divide by 0; write NULLIF({_shown(node.expression)}, 0)."
    compared = isinstance(node, exp.Predicate) and not isinstance(node, exp.And | exp.Or | exp.Like | exp.ILike)
    if compared and len(families) > 1:
        return f"{_shown(node)} compares {families[0]} with {families[1]}."
    return None


def _operands(node: exp.Expression) -> list[exp.Expression]:
    from sqlglot import exp

    if isinstance(node, exp.Between):
        return [node.this, node.args["low"], node.args["high"]]
    if isinstance(node, exp.In):
        return [node.this, *node.expressions]
    if isinstance(node, exp.Binary):
        return [node.this, node.expression]
    return [node.this] if isinstance(node, exp.Not) else []


def _never_zero(node: exp.Expression) -> bool:
    from sqlglot import exp

    node = node.unnest()
    if isinstance(node, exp.Literal):
        return not node.is_string and float(node.name) != 0
    return isinstance(node, exp.Nullif)


def _family(node: exp.Expression) -> str | None:
    from sqlglot import exp

    kind = node.type.this if node.type is not None else None
    if kind in exp.DataType.NUMERIC_TYPES:
        return NUMBER
    if kind in exp.DataType.TEXT_TYPES:
        return TEXT
    if kind in exp.DataType.TEMPORAL_TYPES:
        return TIME
    return TRUTH if kind == exp.DataType.Type.BOOLEAN else None


def _shown(node: exp.Expression) -> str:
    """The part as it was written: columns by their names."""
    from sqlglot import exp

    def named(part: exp.Expression) -> exp.Expression:
        return exp.column(part.meta[COLUMN]) if COLUMN in part.meta else part

    return node.unnest().transform(named).sql(dialect="duckdb")
