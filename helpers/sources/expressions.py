"""The right-hand sides of dataset.toml: one scalar SQL expression over a file's columns, read, checked and made typed.

Source columns are text. Where a column takes part in arithmetic, or is compared with a number, the typed tree casts it
to an exact decimal, and `bad_cast_sql` finds the rows in which something stood that is no number. Nothing that reads a
file, a setting, a clock or another row can be written: only what `allowed.py` lists.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from helpers.errors import InputError, nearest

if TYPE_CHECKING:
    from sqlglot import exp

LONGEST = 4000
WORD = re.compile(r"[^\W\d]\w*")
NAME_LIKE = re.compile(r"\w+(?:[ .:#-]\w+)*")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
FOREIGN_MARKS = "‘’“”，（）；＝＜＞"


@dataclass(frozen=True)
class Expression:
    """A checked expression.

    text: As it was written.
    columns: The source columns that it reads.
    numeric_columns: Those of them that are cast, and so may hold something that does not cast.
    condition: It must give true or false.
    where: The place in dataset.toml, for messages.
    typed: The sqlglot tree with its casts; None while the text is a column's bare name.
    doubt: Why the text is no SQL, when it can only be the name of a column (`bind` decides).
    """

    text: str
    columns: tuple[str, ...]
    numeric_columns: tuple[str, ...] = ()
    condition: bool = False
    where: str = field(default="", compare=False)
    typed: exp.Expression | None = field(default=None, compare=False, repr=False)
    doubt: str = field(default="", compare=False, repr=False)

    def sql(self, dialect: str = "duckdb") -> str:
        """The typed expression as SQL, every identifier quoted."""
        if self.typed is None and dialect == "duckdb":
            return '"' + self.columns[0].replace('"', '""') + '"'
        return _tree(self).sql(dialect=dialect, identify=True, comments=False)

    def bad_cast_sql(self, dialect: str = "duckdb") -> str:
        """A boolean: something cast is not blank and yet does not cast. A branch of CASE counts where it is taken."""
        from helpers.sources import typed

        bad = typed.bad(self.typed) if self.typed is not None else None
        return bad.sql(dialect=dialect, identify=True) if bad is not None else "FALSE"

    def bind(self, available: list[str]) -> Expression:
        """The same expression with its columns named as the file names them.

        A text that is, whole, the name of a column means that column, whatever it would mean as SQL. Names may differ
        in case and in outer blanks as long as one column only fits.

        Raises:
            InputError: A column is missing or ambiguous; names those that there are, and the nearest.
        """
        whole = _find(self.text.strip(), available)
        if len(whole) == 1:
            return _bare(whole[0], self)
        found = {column: _find(column, available) for column in self.columns}
        for column, matches in found.items():
            if len(matches) != 1:
                raise InputError(_complaint(self.where, self.text, self._unbound(column, matches, available)))
        names = {column: matches[0] for column, matches in found.items()}
        return replace(
            self,
            columns=tuple(names.values()),
            numeric_columns=tuple(names[column] for column in self.numeric_columns),
            typed=_renamed(self.typed, names),
        )

    def _unbound(self, column: str, matches: list[str], available: list[str]) -> str:
        if matches:
            return f'Several columns answer to "{column}": {_listed(matches)}. Write one exactly, in double quotes.'
        hint = nearest(column, available)
        if not hint and WORD.fullmatch(column):
            hint = f" If you mean the text {column} itself, put it in single quotes: \"'{column}'\"."
        if foreign := _foreign(column):
            hint += f" SQL does not know {foreign}: write plain quotes, commas and brackets."
        doubt = f" (As SQL it cannot be read: {self.doubt})" if self.doubt else ""
        return f'The file has no column "{column}".{hint} Its columns: {_listed(available)}.{doubt}'


def parse(sql: str, where: str = "", *, condition: bool = False) -> Expression:
    """Read and check one right-hand side.

    Args:
        sql: Such as `uid`, `fee / 100.0`, `CASE WHEN kind = 1 THEN 'ask' ELSE 'answer' END` or a column's bare name.
        where: The place, for messages: `data/shop/dataset.toml: [[events]] block 1: amount`.
        condition: It must be true or false, as `where` is.

    Raises:
        InputError: It is not exactly one scalar expression of allowed parts; says which part, and what there is.
    """
    try:
        return replace(read(sql, condition=condition), where=where)
    except ValueError as fault:
        raise InputError(_complaint(where, sql, str(fault))) from None


def read(sql: str, *, condition: bool = False) -> Expression:
    """`parse` without a place: raises a ValueError whose text is the complaint alone."""
    text = sql.strip()
    if not text:
        raise ValueError('It is empty. Write a column of the file, or an expression such as "fee / 100.0".')
    if len(text) > LONGEST:
        raise ValueError(f"It has {len(text):,} characters; at most {LONGEST:,} are read.")
    if WORD.fullmatch(text) and not condition:
        return Expression(text, (text,))
    from helpers.sources import allowed, typed

    try:
        tree = typed.typed(allowed.check(one_tree(text)), condition=condition)
    except ValueError as fault:
        if NAME_LIKE.fullmatch(text):
            return Expression(text, (text,), condition=condition, doubt=str(fault))
        raise
    return Expression(text, typed.columns(tree), typed.cast_columns(tree), condition, typed=tree)


def _bare(column: str, expression: Expression) -> Expression:
    """The expression when it is a column and no more."""
    if not expression.condition:
        return replace(expression, columns=(column,), numeric_columns=(), typed=None, doubt="")
    from sqlglot import exp

    from helpers.sources import typed

    tree = typed.typed(exp.column(column, quoted=True), condition=True)
    return replace(expression, columns=(column,), numeric_columns=(column,), typed=tree, doubt="")


def one_tree(text: str) -> exp.Expression:
    """The one expression of a text, without its comments.

    Raises:
        ValueError: It is no SQL, or more than one expression; says near which place.
    """
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        trees = sqlglot.parse(text, read="duckdb")
    except (SqlglotError, RecursionError, ValueError) as fault:
        raise ValueError(_syntax(text, fault)) from None
    if len(trees) != 1 or trees[0] is None or ";" in QUOTED.sub("", text):
        raise ValueError("It must be one expression, without a semicolon.")
    for node in trees[0].walk():
        node.pop_comments()
    return trees[0]


def _syntax(text: str, fault: Exception) -> str:
    if foreign := _foreign(text):
        return f"It holds {foreign}, which SQL does not know: write plain quotes, commas and brackets."
    found = (getattr(fault, "errors", None) or [{}])[0]
    near, column = found.get("highlight"), found.get("col")
    at = f' near "{near}" (character {column})' if near and column else ""
    return f"It is not SQL{at}: check its quotes, brackets and commas. A column with an odd name takes double quotes."


def _foreign(text: str) -> str | None:
    return next((mark for mark in text if mark in FOREIGN_MARKS), None)


def _tree(expression: Expression) -> exp.Expression:
    from sqlglot import exp

    return expression.typed if expression.typed is not None else exp.column(expression.columns[0], quoted=True)


def _renamed(tree: exp.Expression | None, names: dict[str, str]) -> exp.Expression | None:
    if tree is None:
        return None
    from sqlglot import exp

    tree = tree.copy()
    for column in list(tree.find_all(exp.Column)):
        column.set("this", exp.to_identifier(names[column.name], quoted=True))
    return tree


def _find(name: str, available: list[str]) -> list[str]:
    """The columns that a name may mean: the one spelt alike, or all that differ in case or outer blanks only."""
    if name in available:
        return [name]
    return [column for column in available if column.strip().casefold() == name.casefold()]


def _listed(columns: list[str], most: int = 30) -> str:
    shown = ", ".join(json.dumps(column, ensure_ascii=False)[1:-1] for column in columns[:most])
    return shown + (f" and {len(columns) - most} more" if len(columns) > most else "")


def _complaint(where: str, sql: str, text: str) -> str:
    quoted = json.dumps(sql if len(sql) <= 200 else sql[:197] + "...", ensure_ascii=False)
    return f"{where} = {quoted}\n  {text}" if where else f"{quoted}: {text}"
