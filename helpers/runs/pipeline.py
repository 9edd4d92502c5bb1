"""A whole run: from a dataset's name to the path of a published page."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.errors import InputError
from helpers.runs import failures, graph, keys, locking, notebooks, parameters, publish, store, weeks

AT_ONCE = 2
Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What was asked for; every field but the first is an option of the command line."""

    dataset: str = "sample"
    week: str = weeks.LATEST
    root: str | None = None
    given: tuple[str, ...] = ()
    only: str | None = None
    force: bool = False
    notebooks: Path = paths.NOTEBOOKS


@dataclass(frozen=True)
class Plan:
    """The steps of a run in order, with what is known of each before anything runs."""

    inputs: keys.Inputs
    steps: list[graph.Step]
    decisions: dict[str, keys.Decision]
    place: Path

    @property
    def key(self) -> str:
        """The key of the run as its records stand now."""
        from helpers.runs.keys import _digest, read_record

        records = {step.name: getattr(read_record(self.place, step.name), "key", None) for step in self.steps}
        texts = {step.name: [[c.id, c.kind, sorted(c.tags), c.source] for c in step.notebook.cells] for step in self.steps}
        return _digest([self.inputs.run.week, self.inputs.run.dataset.name, records, texts, self.inputs.code])


@dataclass(frozen=True)
class Outcome:
    """What a run left: the page to open, its sentence, and the decision and seconds of each step."""

    front: Path
    sentence: str
    decisions: dict[str, keys.Decision]
    seconds: dict[str, float]
    published: publish.Published | None


def plan(request: Request) -> Plan:
    """What a run would do, and why; runs nothing but what is needed to know the week.

    Raises:
        InputError: A parameter, the dataset, its files or the week is wrong.
    """
    return _plan(request, *_checked(request))


def _checked(request: Request):
    """Everything that can be found wrong without reading a row: parameters first, then dataset.toml and the week's form."""
    books = notebooks.read_all(request.notebooks)
    known = parameters.collect(books)
    given = parameters.parse(list(request.given), known)
    if request.week != weeks.LATEST:
        weeks.parse(request.week)
    from helpers.sources import dataset as datasets

    return books, given, datasets.load(request.dataset, request.root)


def _plan(request: Request, books, given, dataset) -> Plan:
    from helpers.sources import profile

    store.prepare(dataset)
    held = profile.profile(dataset)
    week = weeks.resolve(request.week, held.first_day, held.data_until)
    run = store.make_run(dataset, week, held.data_until)
    steps = graph.build(
        books,
        given=given,
        has=dataset.has,
        needs=graph.needs(),
        cannot_have=lambda part: store.cannot_have(dataset, part),
        only=request.only,
    )
    inputs = keys.Inputs(run, held)
    folder = run.folder / "steps"
    done: dict[str, keys.Record | None] = {}
    decisions = {}
    for step in steps:
        decisions[step.name], record = keys.decide(step, inputs, folder, done, force=request.force)
        if decisions[step.name].action in ("reuse", "skip"):
            done[step.name] = record
    return Plan(inputs, steps, decisions, folder)


def report(request: Request, say: Say = lambda line: None) -> Outcome:
    """Run what must be run, publish the report, and say one line a step.

    Raises:
        GrowthRingsError: What went wrong, for a person to read; `exit_code` says of which kind it is.
    """
    books, given, dataset = _checked(request)
    built = paths.built(dataset.name)
    fresh = not built.exists()
    with ExitStack() as stack:
        stack.enter_context(_rolled_back(built, fresh))
        stack.enter_context(locking.held(built, say))
        warm = _Warmth(stack)
        if fresh or request.force:
            warm.start()
        try:
            made = _plan(request, books, given, dataset)
            return _carry_out(request, made, warm, say)
        except OSError as fault:
            raise failures.of_system(fault) from fault


class _Warmth:
    """The warm process, started when it is first known to be needed."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._process = None

    def start(self):
        from helpers.runs import kernels

        if self._process is None:
            self._process = kernels.Warm()
            self._stack.callback(self._process.close)
        return self._process


@contextmanager
def _rolled_back(built: Path, fresh: bool):
    """Bad input leaves nothing behind: a dataset's folder that this call made goes again."""
    try:
        yield
    except InputError:
        if fresh and not any(built.glob("*/steps/*.json")):
            shutil.rmtree(built, ignore_errors=True)
        raise


def _carry_out(request: Request, made: Plan, warm: _Warmth, say: Say) -> Outcome:
    run = made.inputs.run
    began = time.monotonic()
    shown = publish.current(run.dataset.name, run.week)
    idle = not any(decision.action in ("run", "wait") for decision in made.decisions.values())
    if idle and request.only is None and shown and shown.record["key"] == made.key:
        if not publish.is_shown(run.dataset.name, shown):
            publish.show(run.dataset.name, shown)
        say(f"{title(run)}: nothing changed, the published report stands")
        return _outcome(shown, made.decisions, {})
    say(title(run))
    store.make_private(made.place)
    store.remember_root(run.dataset)
    decisions, records = _run_steps(request, made, warm, say, _kept(shown))
    seconds = {name: record.seconds for name, record in records.items() if record and decisions[name].runs}
    if request.only is not None:
        return _preview(request, made, decisions, seconds)
    from helpers.runs import pages

    html = pages.render(made.steps, made.inputs, made.place, made.key)
    record = _record(request, made, decisions, records, time.monotonic() - began)
    return _outcome(publish.publish(run.dataset.name, html, record, pages.numbers(run)), decisions, seconds)


def _run_steps(request: Request, made: Plan, warm: _Warmth, say: Say, kept: str):
    """Run what must run, two at a time, each as soon as those before it are done."""
    done: dict[str, keys.Record | None] = {}
    decisions: dict[str, keys.Decision] = {}
    waiting = list(made.steps)
    running: dict[Future, graph.Step] = {}
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="step")
    try:
        while waiting or running:
            for step in [step for step in waiting if step.after <= set(done)]:
                decision, record = keys.decide(step, made.inputs, made.place, done, force=request.force)
                decisions[step.name] = decision
                if not decision.runs:
                    done[step.name] = record
                    say(_line(step, decision, None))
                    waiting.remove(step)
                elif len(running) < AT_ONCE:
                    waiting.remove(step)
                    unbuilt = [other.name for other in made.steps if other in waiting]
                    running[_submit(pool, step, made, warm, dict(done), unbuilt, request, kept)] = step
            if running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    step = running.pop(future)
                    done[step.name] = future.result()
                    say(_line(step, decisions[step.name], done[step.name].seconds))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return decisions, done


def _submit(pool, step, made, warm, done, unbuilt, request, kept) -> Future:
    from helpers.runs import kernels, steps

    process = warm.start()
    kernels.load_driver()
    place = steps.Place(made.inputs, request.notebooks, kept)
    return pool.submit(steps.run, step, place, process, done, unbuilt)


def _line(step: graph.Step, decision: keys.Decision, seconds: float | None) -> str:
    if decision.action == "skip":
        return f"  {step.name}: {decision.why}"
    took = f"ran {seconds:.1f} s" if seconds is not None else "reused"
    return f"  {step.name:<16} {took:<10} {decision.why}"


def title(run: store.Run) -> str:
    days = f" ({run.first_day} to {run.last_day})" if run.first_day else ""
    return f"{run.dataset.title}, {run.week}{days}"


def _kept(shown: publish.Published | None) -> str:
    if shown is None:
        return "No report of this week was published before."
    return f"The last good report was kept: {failures.short(shown.front)}"


def _outcome(shown: publish.Published, decisions, seconds) -> Outcome:
    return Outcome(shown.front, shown.record["headline"], decisions, seconds, shown)


def _preview(request: Request, made: Plan, decisions, seconds) -> Outcome:
    """The one page that --only asks for, not published."""
    from helpers.runs import pages

    store.configure_gate(made.inputs.run.dataset)
    step = made.steps[-1]
    if step.skip:
        raise InputError(f"{step.name}: {step.skip}.")
    path = made.inputs.run.folder / "preview" / publish.page_name(step.name)
    store.make_private(path.parent)
    path.write_text(pages.render_one(step, made.steps, made.inputs, made.place, made.key), encoding="utf-8")
    sentence = f"{step.name} and what it needs is up to date; the published report was not touched."
    return Outcome(path, sentence, decisions, seconds, None)


def _record(request: Request, made: Plan, decisions, records, seconds: float) -> dict[str, Any]:
    """What run.json says."""
    from helpers.runs import pages

    run, summary = made.inputs.run, pages.headline(made.inputs.run)
    return {
        "key": made.key,
        "dataset": run.dataset.name,
        "week": run.week,
        "as_of": run.as_of.isoformat() if run.as_of else None,
        "timezone": run.dataset.timezone,
        "data_until": run.data_until,
        "complete": run.complete,
        "headline": summary["sentence"],
        "status": summary["status"],
        "quality": summary["quality"],
        "built_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "files": made.inputs.profile.files,
        "parameters": {step.name: step.values for step in made.steps},
        "steps": {
            step.name: {
                "action": decisions[step.name].action,
                "why": decisions[step.name].why,
                "key": records[step.name].key if records[step.name] else None,
                "seconds": records[step.name].seconds if records[step.name] else None,
                "artefacts": {name: made[0] for name, made in records[step.name].artefacts.items()}
                if records[step.name]
                else {},
            }
            for step in made.steps
        },
        "repeat": store.command(run.dataset, run.week, shown=True),
    }
