"""The order of the notebooks, read from their own cells: what one writes and another reads. No other place lists it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.errors import InputError, RunFailed, nearest
from helpers.runs import parameters
from helpers.runs.notebooks import Cell, Notebook

VERBS = {"read": "reads", "find": "finds", "write": "writes", "source": "sources"}
TABLES = ("rules", "experiments")
EVERYTHING = "*"


@dataclass
class Names:
    """The literals that a notebook's cells hand to `run`.

    `rules` and `experiments` hold the sections named, or "*" where the whole is used; `facts` the run's other attributes.
    """

    reads: list[str] = field(default_factory=list)
    finds: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    experiments: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """One notebook in its place.

    Attributes:
        names: What it hands to `run`.
        values: Its parameters, those given and the defaults of the others, but for dataset and week.
        after: Names of the steps whose artefacts it reads or finds.
        makers: Artefact -> the step that makes it, for what it reads or finds.
        skip: Why this dataset cannot have it ("" when it can).
        lacks: The part that the dataset would need for it ("" when it has all).
    """

    notebook: Notebook
    names: Names
    values: dict[str, Any]
    after: frozenset[str]
    makers: dict[str, str]
    skip: str
    lacks: str = ""

    @property
    def name(self) -> str:
        return self.notebook.name


def beside(step: Step, steps: Sequence[Step]) -> int:
    """How many of the steps may run while this one does: those that neither lead to it nor follow from it."""
    known = {own.name: own for own in steps}
    before = {name: _upstream(name, known) for name in known}
    return sum(step.name not in before[name] and name not in before[step.name] for name in known)


def names(notebook: Notebook) -> Names:
    """What a notebook hands to `run`.

    Raises:
        RunFailed: A cell does not parse, names something other than by a literal, or passes `run` itself on, which
            would hide what it reads; says which cell.
    """
    found = Names()
    for cell in notebook.code:
        try:
            tree = ast.parse(cell.source)
        except SyntaxError as fault:
            raise RunFailed(f"{_place(notebook, cell)}, line {fault.lineno}: {fault.msg}.") from None
        _Reader(notebook, cell, found).visit(tree)
    return found


def _place(notebook: Notebook, cell: Cell) -> str:
    return f'{notebook.name}, cell "{cell.id}"'


class _Reader(ast.NodeVisitor):
    """Collects the names of one cell."""

    def __init__(self, notebook: Notebook, cell: Cell, found: Names) -> None:
        self.place = _place(notebook, cell)
        self.found = found

    def visit_Call(self, node: ast.Call) -> None:
        verb = node.func.attr if _of_run(node.func) else None
        if verb in VERBS:
            self._add(VERBS[verb], node.args[0] if node.args else None, f"run.{verb}(...)")
            for argument in [*node.args[1:], *(keyword.value for keyword in node.keywords)]:
                self.visit(argument)
        else:
            self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if _of_run(node.value) and node.value.attr in TABLES:
            self._add(node.value.attr, node.slice, f"run.{node.value.attr}[...]")
        else:
            self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if not _of_run(node):
            self.generic_visit(node)
        elif node.attr in VERBS:
            raise RunFailed(f"{self.place}: call run.{node.attr} in place, so that what it names can be read.")
        else:
            kind = node.attr if node.attr in TABLES else "facts"
            self._keep(kind, EVERYTHING if node.attr in TABLES else node.attr)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id == "run" and isinstance(node.ctx, ast.Load):
            raise RunFailed(
                f"{self.place}: `run` is passed on as a whole, which hides what is read. Pass run.read(...), "
                "run.rules[...] or another of its values."
            )

    def _add(self, kind: str, argument: ast.expr | None, form: str) -> None:
        if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
            raise RunFailed(f"{self.place}: {form} needs a literal name: the order of the notebooks is read from it.")
        self._keep(kind, argument.value)

    def _keep(self, kind: str, name: str) -> None:
        held = getattr(self.found, kind)
        if name not in held:
            held.append(name)


def _of_run(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "run"


def build(
    notebooks: list[Notebook],
    *,
    given: dict[str, Any],
    has: Any,
    needs: dict[str, str],
    cannot_have: Any,
    only: str | None = None,
) -> list[Step]:
    """The steps in an order in which each comes after what it needs.

    Args:
        given: Parameters given for this run, by name.
        has: Tells whether the dataset has a part ("events", "users", ...).
        needs: Artefact -> the part of dataset.toml without which it does not exist.
        cannot_have: The sentence for a part that the dataset lacks.
        only: One notebook; it and what it needs are kept.

    Raises:
        RunFailed: Two notebooks write one artefact, none writes one that is read, or they wait for each other.
        InputError: `only` names no notebook.
    """
    every = {notebook.name: names(notebook) for notebook in notebooks}
    makers = _makers(every)
    steps: dict[str, Step] = {}
    by_name = {notebook.name: notebook for notebook in notebooks}
    for name in _order(every, makers):
        held = every[name]
        used = {artefact: makers[artefact] for artefact in [*held.reads, *held.finds] if makers[artefact] != name}
        values = {key: given.get(key, known.default) for key, known in parameters.of_notebook(by_name[name]).items()}
        lacks = _lacks(held, used, steps, has, needs)
        steps[name] = Step(
            notebook=by_name[name],
            names=held,
            values={key: value for key, value in values.items() if key not in parameters.RESERVED},
            after=frozenset(used.values()),
            makers=used,
            skip=cannot_have(lacks) if lacks else "",
            lacks=lacks,
        )
    if only is not None and only not in steps:
        listed = ", ".join(steps)
        raise InputError(f'--only {only}: no notebook has that name.{nearest(only, steps)} There are: {listed}.')
    kept = _upstream(only, steps) if only else set(steps)
    return [step for name, step in steps.items() if name in kept]


def _lacks(held: Names, used: dict[str, str], steps: dict[str, Step], has, needs) -> str:
    for artefact in held.reads:
        part = needs.get(artefact, "")
        if part and not has(part):
            return part
        if artefact in used and steps[used[artefact]].lacks:
            return steps[used[artefact]].lacks
    return ""


def _makers(every: dict[str, Names]) -> dict[str, str]:
    makers: dict[str, str] = {}
    for name, held in every.items():
        for artefact in held.writes:
            if artefact in makers:
                raise RunFailed(f'Both {makers[artefact]} and {name} write "{artefact}"; one artefact has one maker.')
            makers[artefact] = name
    for name, held in every.items():
        for artefact in [*held.reads, *held.finds]:
            if artefact not in makers:
                raise RunFailed(f'{name} reads "{artefact}", which no notebook writes.{nearest(artefact, makers)}')
    return makers


def _order(every: dict[str, Names], makers: dict[str, str]) -> list[str]:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, held in every.items():
        sorter.add(name, *sorted({makers[artefact] for artefact in [*held.reads, *held.finds]} - {name}))
    try:
        sorter.prepare()
    except CycleError as fault:
        raise RunFailed(f"These notebooks wait for each other: {' -> '.join(fault.args[1])}.") from None
    places = {name: number for number, name in enumerate(every)}
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=places.__getitem__)
        order += ready
        sorter.done(*ready)
    return order


def _upstream(name: str, steps: dict[str, Step]) -> set[str]:
    found = {name}
    for above in steps[name].after:
        found |= _upstream(above, steps)
    return found


@cache
def needs(folder: Path = paths.PROJECT / "helpers") -> dict[str, str]:
    """Artefact -> the part of dataset.toml that it needs, read from the `contracts.declare(...)` calls of the sources.

    Read and not imported: this stands on the way of a run that has nothing to do. A test holds it against the registry.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "contracts.declare(" not in text or path.name == "contracts.py":
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "contracts.declare" and node.args:
                wanted = {keyword.arg: keyword.value for keyword in node.keywords}.get("needs")
                found[ast.literal_eval(node.args[0])] = ast.literal_eval(wanted) if wanted else ""
    return found
