"""The call that makes what a cell shows, with the present choices in it: the source of its lambda, values for names."""

from __future__ import annotations

import ast
import copy
import linecache
import textwrap
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

SCOPES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Unwritable(ValueError):
    """There is no source, or a value cannot be written as code; the text says which."""


def of(function: Callable[..., Any], values: Mapping[str, Any], keys: Mapping[str, Any] | None = None) -> str:
    """Code that gives what `function(**values)` gives, to be run where the function was written.

    Args:
        keys: By name, where a value stands in what can be chosen: a label or a number. A value that cannot be written is
            then taken from there.

    Raises:
        Unwritable: The function's source is not at hand, or a value cannot be written.
    """
    literals = {name: _literal(name, value, function, (keys or {}).get(name)) for name, value in values.items()}
    if getattr(function, "__name__", "") != "<lambda>":
        given = ", ".join(f"{name}={_text(node)}" for name, node in literals.items())
        text = f"{getattr(function, '__qualname__', function)}({given})"
    else:
        source, node = _found(function)
        text = _filled(source, node.body, literals)
    needed = any(isinstance(part, ast.Call) and getattr(part.func, "id", "") == "date"
                 for node in literals.values() for part in ast.walk(node))  # fmt: skip
    return f"from datetime import date\n\n{text}" if needed else text


def _literal(name: str, value: Any, function: Callable[..., Any], key: Any) -> ast.expr:
    """A value as a piece of code."""
    try:
        return _plain(value)
    except ValueError:
        if key is None:
            raise Unwritable(name) from None
        return ast.Subscript(_choice(function, name), ast.Constant(key), ast.Load())


def _plain(value: Any) -> ast.expr:
    if hasattr(value, "item") and not isinstance(value, str):  # a number of numpy
        value = value.item()
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date):
        return ast.parse(f"date({value.year}, {value.month}, {value.day})", mode="eval").body
    if isinstance(value, tuple | list):
        kind = ast.Tuple if isinstance(value, tuple) else ast.List
        return kind([_plain(each) for each in value], ast.Load())
    if value is None or isinstance(value, bool | int | float | str):
        return ast.Constant(str(value) if isinstance(value, str) else value)
    raise ValueError(f"{type(value).__name__} is no literal")


def _choice(function: Callable[..., Any], name: str) -> ast.expr:
    """What a choice is chosen from, as the cell has it."""
    source, found = _found(function)
    for call in ast.walk(ast.parse(source)):
        same = isinstance(call, ast.Call) and call.args and ast.dump(call.args[0]) == ast.dump(found)
        given = next((keyword.value for keyword in call.keywords if keyword.arg == name), None) if same else None
        if given is not None:
            is_linked = isinstance(given, ast.Call) and ast.unparse(given.func).endswith("linked")
            return given.args[1] if is_linked else given
    raise Unwritable(name)


def _found(function: Callable[..., Any]) -> tuple[str, ast.Lambda]:
    """The source of the cell that a lambda stands in, and the lambda in it."""
    own = function.__code__
    source = "".join(linecache.getlines(own.co_filename))
    try:
        nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Lambda)]
    except SyntaxError:
        nodes = []
    names = own.co_varnames[: own.co_argcount + own.co_kwonlyargcount]
    here = [node for node in nodes if node.lineno == own.co_firstlineno and _names(node) == names]
    same = [node for node in here if _compiled(node).co_code == own.co_code and _compiled(node).co_names == own.co_names]
    if not (same or here):
        raise Unwritable("source")
    return source, (same or here)[0]


def _names(node: ast.Lambda) -> tuple[str, ...]:
    return tuple(argument.arg for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs])


def _compiled(node: ast.Lambda) -> Any:
    made = compile(ast.fix_missing_locations(ast.Expression(copy.deepcopy(node))), "lambda", "eval")
    return next(part for part in made.co_consts if hasattr(part, "co_code"))


class _Filler(ast.NodeTransformer):
    """Puts values for names, and works out what then is plain: an element, a branch, a text."""

    def __init__(self, literals: Mapping[str, ast.expr]) -> None:
        self.literals = literals

    def visit_Name(self, node: ast.Name) -> ast.expr:
        known = node.id in self.literals and isinstance(node.ctx, ast.Load)
        return copy.deepcopy(self.literals[node.id]) if known else node

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, SCOPES):
            _Filler(_seen(node, self.literals)).generic_visit(node)
            return node
        return super().visit(node)


    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.value, ast.Tuple) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, int):
            return node.value.elts[node.slice.value]
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        self.generic_visit(node)
        return (node.body if node.test.value else node.orelse) if isinstance(node.test, ast.Constant) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        self.generic_visit(node)
        texts = [_said(part) for part in node.values]
        return ast.Constant("".join(texts)) if None not in texts else node


def _seen(node: ast.expr, literals: Mapping[str, ast.expr]) -> dict[str, ast.expr]:
    """The names that a function or a comprehension inside does not give another meaning."""
    stored = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    hidden = stored | set(_names(node) if isinstance(node, ast.Lambda) else ())
    return {name: literal for name, literal in literals.items() if name not in hidden}


def _said(part: ast.expr) -> str | None:
    """What a piece of a formatted text says, where that is plain."""
    if isinstance(part, ast.FormattedValue):
        is_plain = part.conversion == -1 and part.format_spec is None
        part = part.value if is_plain else part
    return str(part.value) if isinstance(part, ast.Constant) else None


def _filled(source: str, body: ast.expr, literals: Mapping[str, ast.expr]) -> str:
    """The body as it was written, with its lines, and values where the names stood."""
    lines = source.encode().splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]

    def ends(node: ast.expr) -> tuple[int, int]:
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    begin, end = ends(body)
    text = source.encode()
    for node, made in sorted(_edits(body, literals), key=lambda pair: -ends(pair[0])[0]):
        low, high = ends(node)
        text = text[:low] + made.encode() + text[high:]
        end += len(made.encode()) - (high - low)
    cut = textwrap.dedent(" " * body.col_offset + text[begin:end].decode())
    cut = textwrap.dedent(_margin(cut))
    for attempt in (cut, f"(\n{cut}\n)"):
        try:
            ast.parse(attempt)
        except SyntaxError:
            continue
        return attempt
    return ast.unparse(_Filler(literals).visit(copy.deepcopy(body)))


def _margin(text: str) -> str:
    """The lines after the first moved so that the last one, which closes the call, stands where the first begins."""
    first, _, rest = text.strip().partition("\n")
    if not rest:
        return first
    last = rest.rstrip().splitlines()[-1]
    deep = len(last) - len(last.lstrip())
    return "\n".join([first, *(line[min(deep, len(line) - len(line.lstrip())) :] for line in rest.splitlines())])


def _edits(node: ast.AST, literals: Mapping[str, ast.expr]) -> list[tuple[ast.expr, str]]:
    """The smallest pieces that change, with what stands there then."""
    made = _Filler(literals).visit(copy.deepcopy(node))
    if ast.dump(made) == ast.dump(node):
        return []
    if isinstance(node, ast.Starred) and isinstance(made.value, ast.Tuple) and made.value.elts:
        return [(node, ", ".join(map(_text, made.value.elts)))]
    if isinstance(node, SCOPES):
        literals = _seen(node, literals)
    if isinstance(node, ast.Name | ast.JoinedStr) or type(made) is not type(node):
        return [(node, _text(made))]
    return [edit for child in ast.iter_child_nodes(node) for edit in _edits(child, literals)]


def _text(node: ast.expr) -> str:
    """Code, texts in the quotes that the notebooks use."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        simple = node.value.isprintable() and not set(node.value) & set("\"'\\")
        return f'"{node.value}"' if simple else repr(node.value)
    if isinstance(node, ast.Tuple | ast.List):
        opens, closes = "()" if isinstance(node, ast.Tuple) else "[]"
        comma = "," if isinstance(node, ast.Tuple) and len(node.elts) == 1 else ""
        return opens + ", ".join(map(_text, node.elts)) + comma + closes
    return ast.unparse(node)
