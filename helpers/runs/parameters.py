"""Parameters of the notebooks: read from their one parameters cell, and checked before any kernel starts."""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from dataclasses import dataclass, replace
from typing import Any

from helpers.errors import InputError, RunFailed, nearest
from helpers.runs.notebooks import Cell, Notebook

Value = Any
WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list[str]": "texts with commas between",
    "list[int]": "whole numbers with commas between",
    "list[float]": "numbers with commas between",
}
RESERVED = ("dataset", "week")


@dataclass(frozen=True)
class Parameter:
    """One line `name: kind = default  # help` of a parameters cell, and the notebooks that have it."""

    name: str
    kind: str
    default: Value
    help: str
    notebooks: tuple[str, ...]

    @property
    def optional(self) -> bool:
        return self.kind.endswith(" | None")

    @property
    def base(self) -> str:
        return self.kind.removesuffix(" | None")


def of_notebook(notebook: Notebook) -> dict[str, Parameter]:
    """A notebook's parameters by name, in the order written.

    Raises:
        RunFailed: More than one parameters cell, or a line in it that is not `name: kind = literal  # help`.
    """
    cells = [cell for cell in notebook.code if "parameters" in cell.tags]
    if len(cells) > 1:
        raise RunFailed(f'{notebook.name}: {len(cells)} cells are tagged "parameters"; keep one.')
    found: dict[str, Parameter] = {}
    for cell in cells:
        for parameter in _parse_cell(notebook, cell):
            found[parameter.name] = parameter
    return found


def _parse_cell(notebook: Notebook, cell: Cell) -> list[Parameter]:
    where = f'{notebook.name}, cell "{cell.id}"'
    form = "Write one parameter a line: name: kind = literal  # help"
    try:
        body = ast.parse(cell.source).body
    except SyntaxError as fault:
        raise RunFailed(f"{where}, line {fault.lineno}: {fault.msg}. {form}") from None
    comments = _comments(cell.source)
    found = []
    for node in body:
        line = f"{where}, line {node.lineno}"
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.value is None:
            raise RunFailed(f"{line}: not a parameter. {form}")
        kind = ast.unparse(node.annotation)
        if kind.removesuffix(" | None") not in WORDS:
            raise RunFailed(f"{line}: the kind {kind} is not one of {', '.join(WORDS)}, nor one of them with `| None`.")
        try:
            default = ast.literal_eval(node.value)
        except ValueError:
            raise RunFailed(f"{line}: the default of {node.target.id} is not a literal. {form}") from None
        parameter = Parameter(node.target.id, kind, default, comments.get(node.end_lineno, ""), (notebook.name,))
        if not _fits(parameter, default):
            raise RunFailed(f"{line}: the default {default!r} of {parameter.name} is not {WORDS[parameter.base]}.")
        found.append(parameter)
    return found


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ").strip() for token in tokens if token.type == tokenize.COMMENT}


def _fits(parameter: Parameter, value: Value) -> bool:
    if value is None:
        return parameter.optional
    if parameter.base.startswith("list["):
        item = replace(parameter, kind=parameter.base[5:-1])
        return isinstance(value, list) and all(_fits(item, each) for each in value)
    if isinstance(value, bool) or parameter.base == "bool":
        return isinstance(value, bool) and parameter.base == "bool"
    return isinstance(value, {"str": str, "int": int, "float": (int, float)}[parameter.base])


def collect(notebooks: list[Notebook]) -> dict[str, Parameter]:
    """Every parameter of the project by name.

    Raises:
        RunFailed: Two notebooks give one name two meanings.
    """
    found: dict[str, Parameter] = {}
    for notebook in notebooks:
        for name, parameter in of_notebook(notebook).items():
            known = found.get(name)
            if known and replace(known, notebooks=()) != replace(parameter, notebooks=()):
                raise RunFailed(
                    f"The parameter {name} differs between {known.notebooks[-1]} and {notebook.name}: same name, same "
                    "kind, default and help everywhere. Rename one of them or make them equal."
                )
            found[name] = replace(parameter, notebooks=(*(known.notebooks if known else ()), notebook.name))
    return found


def parse(pairs: list[str], known: dict[str, Parameter]) -> dict[str, Value]:
    """Typed values of `name=value` texts, as given on the command line.

    Raises:
        InputError: Not of that form, given twice, an unknown name, or a value of another kind. All faults at once.
    """
    values: dict[str, Value] = {}
    faults: list[str] = []
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            faults.append(f"-p {pair}: write -p name=value.")
        elif name not in known:
            names = ", ".join(sorted(known))
            faults.append(f'-p {pair}: no notebook has a parameter "{name}".{nearest(name, known)} There are: {names}.')
        elif name in values:
            faults.append(f"-p {pair}: {name} is given twice.")
        else:
            try:
                values[name] = _convert(text, known[name].base, known[name].optional)
            except ValueError:
                faults.append(f"-p {pair}: {_expected(known[name], text)}")
    if faults:
        raise InputError("\n".join(faults))
    return values


def _expected(parameter: Parameter, text: str) -> str:
    meaning = f" ({parameter.help})" if parameter.help else ""
    none = ", or none" if parameter.optional else ""
    wanted = f"{parameter.name} is {WORDS[parameter.base]}{none}{meaning}"
    return f'{wanted}; "{text}" is not. Its default is {shown(parameter.default)}.'


def _convert(text: str, kind: str, optional: bool = False) -> Value:
    if optional and text.lower() in ("", "none"):
        return None
    if kind.startswith("list["):
        return [_convert(part.strip(), kind[5:-1]) for part in text.split(",")] if text else []
    if kind == "str":
        if any(ord(character) < 32 for character in text):
            raise ValueError("control characters")
        return text
    if kind == "bool":
        return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else _refuse()
    if kind == "int":
        return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else _refuse()
    number = float(text) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text) else _refuse()
    return number if math.isfinite(number) else _refuse()


def _refuse() -> Value:
    raise ValueError("not of that kind")


def shown(value: Value) -> str:
    """A value as one would type it after `-p name=`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(shown(each) for each in value)
    return "none" if value is None else str(value)
