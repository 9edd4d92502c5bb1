"""A whole run: from a request to the path of a published page."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from helpers import paths
from helpers.errors import InputError, Stopped, without_passwords
from helpers.runs import failures, graph, keys, locking, opening, origins, pieces, planning, publish, steps, store
from helpers.runs.planning import Checked, Plan, Request
from helpers.runs.progress import Plain, Silent
from helpers.sources import engine, groups, spark

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset

LARGE_REPORT = 10_000_000  # bytes; mail servers refuse more
Records = dict[str, keys.Record | None]


@dataclass(frozen=True)
class Outcome:
    """What a run left: the page to open, its sentence, what was decided of each step, and the run under reports/."""

    front: Path
    sentence: str
    decisions: dict[str, keys.Decision]
    records: Records
    published: publish.Published | None


def report(request: Request, progress: Plain | None = None, kernels: Kernels | None = None) -> Outcome:
    """Run what must be run, publish the report, and say one line a step.

    Args:
        kernels: The warm process of a caller who makes several reports; it stays when this one is made.

    Raises:
        GrowthRingsError: What went wrong, for a person to read; `exit_code` says of which kind it is.
    """
    progress = progress or Silent()
    asked = planning.ask(request)
    name = Path(asked.request.dataset).resolve().name
    built = paths.built(name)
    fresh = not built.exists()
    try:
        with ExitStack() as stack:
            kernels = kernels or stack.enter_context(closing(Kernels()))
            if fresh or request.force:
                kernels.start()
            checked = planning.with_dataset(asked)
            stack.enter_context(locking.held(built, progress.say))
            stack.enter_context(_nothing_left_of_bad_input(built, fresh))
            _sweep(checked.dataset)  # what a killed run has left may be what fills the disk
            stack.callback(_sweep, checked.dataset)
            return _carry_out(checked, kernels, progress)
    except BrokenPipeError:
        raise  # nobody reads our lines any more; not a matter of the disk
    except OSError as fault:
        raise failures.of_system(fault) from fault


class Kernels:
    """The warm process, started when it is first known to be needed; ended with the run."""

    def __init__(self) -> None:
        self._warm = None

    def start(self):
        """The warm process; while it imports its libraries, this one imports its own beside the main thread."""
        from helpers.runs import kernels

        if self._warm is None:
            self._warm = kernels.Warm()
            Thread(target=_import_driver, daemon=True).start()
        return self._warm

    def close(self) -> None:
        if self._warm is not None:
            self._warm.close()


def _import_driver() -> None:
    """Ahead of time: what goes wrong here goes wrong again, and is said, where it is needed."""
    with suppress(Exception):
        from helpers.runs import kernels

        kernels.load_driver()


def _import_page() -> None:
    """While the kernels work, the exporter's import and its templates; after the driver's, which it shares much with."""
    _import_driver()
    with suppress(Exception):
        from helpers.show import histories

        histories.history("", [])


@contextmanager
def _nothing_left_of_bad_input(built: Path, fresh: bool) -> Iterator[None]:
    """A dataset's folder that this run made goes again when the input is bad."""
    try:
        yield
    except InputError:
        if fresh and not any(built.glob("*/steps")):
            shutil.rmtree(built, ignore_errors=True)
            with suppress(OSError):  # the folder above is not empty where dataset.toml or the sources lie in it
                built.parent.rmdir()
        raise


def _carry_out(checked: Checked, kernels: Kernels, progress: Plain) -> Outcome:
    began = time.monotonic()
    plan = planning.plan(checked)
    name, week = plan.run.dataset.name, plan.run.week
    opening.configure_gate(plan.run.dataset)
    publish.finish(name)
    shown = publish.current(name, week)
    if plan.is_idle and not plan.request.only and shown and shown.record["key"] == plan.key():
        publish.show(name, plan.run.dataset.title, shown)
        progress.say(f"{plan.title()}: nothing has changed, the report stands")
        return Outcome(shown.front, shown.record["headline"], plan.decisions, {}, shown)
    progress.say(plan.title())
    for said in plan.inputs.profile.problems:
        progress.say(f"  {said}")
    paths.make_private(plan.folder)
    opening.remember_root(plan.run.dataset)
    exporter = Thread(target=_import_page, daemon=True)
    exporter.start()
    decisions, records = _run_steps(plan, kernels, progress, _kept(shown))
    exporter.join()
    if plan.request.only:
        return _preview(plan, decisions, records)
    from helpers.runs import pages

    made = pages.render(plan)
    record = _record(plan, decisions, records, time.monotonic() - began)
    published = publish.publish(name, plan.run.dataset.title, made, record, pages.numbers(plan.run))
    size = sum(len(text.encode()) for text in made.values())
    if size > LARGE_REPORT:
        progress.say(f"  The report has {size / 1e6:.0f} MB: too much to be mailed. Send its address, or its front page alone.")
    return Outcome(published.front, record["headline"], decisions, records, published)


def _sweep(dataset: Dataset) -> None:
    """Kernels are ended without ceremony and runs may be killed: what they left half done on disk is removed here.

    The lock is held, so that no other run is writing an executed notebook.
    """
    built = paths.built(dataset.name)
    with suppress(OSError):
        for left in built.glob(f"*/steps/{steps.unfinished('*')}"):
            left.unlink(missing_ok=True)
        for folder in (*engine.spilled(dataset, built).glob("[0-9]*"), *(built / "verifying").glob("[0-9]*")):
            if not (folder.name.isdecimal() and paths.is_running(int(folder.name))):
                shutil.rmtree(folder, ignore_errors=True)
        for folder in (built, paths.reports(dataset.name)):
            paths.sweep(folder)
        paths.sweep_unnamed(built / "events", groups.files(groups.load(built / "events")))
        paths.sweep_unnamed(built / "facts", pieces.files(pieces.load(built / "facts")))


def _run_steps(plan: Plan, kernels: Kernels, progress: Plain, kept: str) -> tuple[dict[str, keys.Decision], Records]:
    """Decide on each step when those before it are done, and run those that must, a few at a time.

    A step that fails stops the run when those that are running have ended: they are worth keeping.
    """
    done: Records = {}
    decisions: dict[str, keys.Decision] = {}
    waiting = list(plan.steps)
    running: dict[Future, graph.Step] = {}
    if plan.run.dataset.engine.spark:
        spark.leave()  # with which the sources were looked at
    at_once = steps.at_once(plan.run.dataset.engine, plan.run.rows("events"))
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="step")
    try:
        while waiting or running:
            for step in [step for step in waiting if step.after <= set(done)]:
                decision, record = keys.decide(step, plan.inputs, plan.folder, done, force=plan.request.force)
                if decision.action != keys.RUN:
                    done[step.name] = record
                elif len(running) < at_once:
                    running[_submit(pool, step, plan, kernels, dict(done), at_once - 1)] = step
                else:
                    continue
                decisions[step.name] = decision
                waiting.remove(step)
                if step.name in done:
                    progress.say(_line(step, decision))
            progress.working([step.name for step in running.values()])
            for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                step = running.pop(future)
                if future.exception():
                    wait(running)
                    built = [other.name for ended, other in running.items() if not ended.exception()]
                    raise _failure(step, future.exception(), plan, [*done, *built], kept) from future.exception()
                done[step.name] = future.result()
                progress.say(_line(step, decisions[step.name], done[step.name].seconds))
    except (KeyboardInterrupt, Stopped):
        kernels.close()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return decisions, done


def _submit(pool: ThreadPoolExecutor, step: graph.Step, plan: Plan, kernels: Kernels, done: Records, others: int) -> Future:
    place = steps.Place(plan.inputs, plan.request.notebooks, min(graph.beside(step, plan.steps), others))
    return pool.submit(steps.run, step, place, kernels.start(), done)


def _failure(step: graph.Step, fault: BaseException, plan: Plan, built: list[str], kept: str) -> BaseException:
    unbuilt = [other.name for other in plan.steps if other.name not in built and other is not step and not other.skip]
    return failures.explained(fault, step.notebook, steps.failed(plan.folder, step.name), kept, unbuilt)


def _line(step: graph.Step, decision: keys.Decision, seconds: float | None = None) -> str:
    if decision.action == keys.SKIP:
        return f"  {step.name}: {decision.why}"
    took = f"ran {seconds:.1f} s" if seconds is not None else "reused"
    return f"  {step.name:<16} {took:<11} {without_passwords(decision.why)}"


def _kept(shown: publish.Published | None) -> str:
    if shown is None:
        return "No report of this week was published before."
    return f"The last good report was kept: {failures.short(shown.front)}"


def _preview(plan: Plan, decisions: dict[str, keys.Decision], records: Records) -> Outcome:
    """The one page that --only asks for, beside the artefacts: nothing is published."""
    from helpers.runs import pages

    step = plan.steps[-1]
    if step.skip:
        raise InputError(f"{step.name}: {step.skip}.")
    path = plan.run.folder / "preview" / publish.page_name(step.name)
    paths.make_private(path.parent)
    publish.write_whole(path, pages.render_one(step, plan))
    sentence = f"{step.name} and what it needs are up to date; nothing was published."
    return Outcome(path, sentence, decisions, records, None)


def _record(plan: Plan, decisions: dict[str, keys.Decision], records: Records, seconds: float) -> dict[str, Any]:
    """What run.json says."""
    from helpers.runs import pages

    run, summary = plan.run, pages.headline(plan.run)
    return {
        "key": plan.key(),
        "dataset": run.dataset.name,
        "title": run.dataset.title,
        "language": run.dataset.language,
        "week": run.week,
        "as_of": run.as_of,
        "timezone": run.dataset.timezone,
        "data_until": run.data_until,
        "complete": run.complete,
        "headline": summary["sentence"],
        "status": summary["status"],
        "quality": summary["quality"],
        "built_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "parameters": {step.name: step.values for step in plan.steps},
        "steps": {step.name: _step_record(decisions[step.name], records[step.name]) for step in plan.steps},
        "purpose": run.dataset.privacy.purpose,
        "pseudonym_key": plan.inputs.pseudonyms,
        "files": plan.inputs.profile.files,
        "rows": pages.row_ledger(run),
        "restated": [asdict(own) for own in pages.restated(plan)],
        "helpers": plan.inputs.code,
        "lock": plan.inputs.lock_hash,
        "made_of": made_of(plan),
        "repeat": store.command(run.dataset, run.week, shown=True),
    }


def made_of(plan: Plan) -> dict[str, Any]:
    """Hashes and versions of everything that the numbers come from, so that it can be said later what has changed."""
    from helpers.runs import records

    run, inputs = plan.run, plan.inputs
    return {
        "files": inputs.profile.files,
        "sources": origins.of_sources(run.dataset, inputs.profile.files),
        "dataset.toml": run.dataset.sha256,
        "rules.toml": {section: keys.digest(limits) for section, limits in run.rules.items()},
        "experiments.toml": keys.digest(run.experiments),
        "notebooks": {step.name: keys.code_hash(step) for step in plan.steps},
        "parameters": {name: value for step in plan.steps for name, value in step.values.items()},
        "requirements.lock": inputs.lock_hash,
        "pseudonym key": inputs.pseudonyms,
        "who is forgotten": inputs.forgotten,
        "engine": str(run.dataset.engine),
        "versions": records.versions(),
    }


def _step_record(decision: keys.Decision, record: keys.Record | None) -> dict[str, Any]:
    found: dict[str, Any] = {"action": decision.action, "why": decision.why}
    if record is not None:
        artefacts = {name: made[0] for name, made in record.artefacts.items()}
        found |= {"key": record.key, "seconds": record.seconds, "artefacts": artefacts}
    return found
