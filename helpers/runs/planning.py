"""What a run would do and why, known before any kernel starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import paths
from helpers.runs import graph, keys, notebooks, opening, parameters, store, weeks
from helpers.runs.notebooks import Notebook

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset


@dataclass(frozen=True)
class Request:
    """What was asked for; each field is an argument or option of the command line, but for `notebooks`."""

    dataset: str = "sample"
    week: str = weeks.LATEST
    root: str | None = None
    given: tuple[str, ...] = ()
    only: str | None = None
    force: bool = False
    notebooks: Path = paths.NOTEBOOKS


@dataclass(frozen=True)
class Asked:
    """A request whose parameters and week are sound, with the notebooks that it is about."""

    request: Request
    notebooks: list[Notebook]
    values: dict[str, Any]


@dataclass(frozen=True)
class Checked:
    """A request in which nothing is wrong that can be seen without reading a row."""

    request: Request
    notebooks: list[Notebook]
    values: dict[str, Any]
    dataset: Dataset


@dataclass(frozen=True)
class Plan:
    """The steps of a run in order, with what is known of each before anything runs."""

    request: Request
    inputs: keys.Inputs
    steps: list[graph.Step]
    decisions: dict[str, keys.Decision]

    @property
    def run(self) -> store.Run:
        return self.inputs.run

    @property
    def folder(self) -> Path:
        """Where executed notebooks and records lie."""
        return self.run.folder / "steps"

    @property
    def is_idle(self) -> bool:
        return all(decision.action in (keys.REUSE, keys.SKIP) for decision in self.decisions.values())

    def key(self) -> str:
        """The key of the pages: all steps as they are recorded now, all words around them."""
        records = {step.name: getattr(keys.read_record(self.folder, step.name), "key", None) for step in self.steps}
        cells = [
            [step.name, step.skip, *([cell.id, cell.kind, sorted(cell.tags), cell.source] for cell in step.notebook.cells)]
            for step in self.steps
        ]
        run = self.run
        return keys.digest([run.dataset.name, run.week, run.complete, str(run.data_until), records, cells, self.inputs.code])

    def title(self) -> str:
        """ "sample, 2026-W10 (2026-03-02 to 2026-03-08)" """
        days = f" ({self.run.first_day} to {self.run.last_day})" if self.run.first_day else ""
        return f"{self.run.dataset.title}, {self.run.week}{days}"


def check(request: Request) -> Checked:
    """Parameters first, then the week's form, then dataset.toml and rules.toml.

    Raises:
        InputError: One of them is wrong; nothing has been written.
    """
    return with_dataset(ask(request))


def ask(request: Request) -> Asked:
    """What can be checked in milliseconds: parameters, and the week's form.

    Raises:
        InputError: One of them is wrong.
    """
    books = notebooks.read_all(request.notebooks)
    values = parameters.parse(list(request.given), parameters.collect(books))
    request = replace(request, **{name: values.pop(name) for name in parameters.RESERVED if name in values})
    if request.week != weeks.LATEST:
        weeks.parse(request.week)
    return Asked(request, books, values)


def with_dataset(asked: Asked) -> Checked:
    """The same, and the dataset with its rules.

    Raises:
        InputError: dataset.toml or rules.toml is wrong.
        EnvironmentFault: Its engine cannot run here.
    """
    from helpers.runs import doctor, ruling
    from helpers.sources import dataset as datasets

    request = asked.request
    dataset = datasets.load(request.dataset, request.root)
    ruling.check(dataset)
    doctor.check_engine(dataset.engine)
    return Checked(request, asked.notebooks, asked.values, dataset)


def plan(checked: Checked) -> Plan:
    """The steps and what to do with each; reads the sources only where they have changed since they were last read.

    Raises:
        InputError: A file is missing, empty or damaged, a role names an event that never occurs, a week without data.
    """
    from helpers.sources import profile

    request, dataset = checked.request, checked.dataset
    opening.prepare(dataset)
    held = profile.profile(dataset)
    dataset = dataset.without(held.absent)
    run = opening.make_run(dataset, weeks.resolve(request.week, held.first_day, held.data_until), held.data_until)
    steps = graph.build(
        checked.notebooks,
        given=checked.values,
        has=dataset.has,
        needs=graph.needs(),
        cannot_have=lambda part: store.cannot_have(dataset, part),
        only=request.only,
    )
    inputs = keys.Inputs(run, held)
    done: dict[str, keys.Record | None] = {}
    decisions = {}
    for step in steps:
        decisions[step.name], record = keys.decide(step, inputs, run.folder / "steps", done, force=request.force)
        if decisions[step.name].action in (keys.REUSE, keys.SKIP):
            done[step.name] = record
    return Plan(request, inputs, steps, decisions)
