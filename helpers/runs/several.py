"""Several reports in one go: the weeks up to a week, oldest first, or every dataset.

One line a report; what fails is named and stops no other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from helpers import paths
from helpers.errors import EnvironmentFault, GrowthRingsError, InputError
from helpers.runs import failures, history, keys, locking, opening, pipeline, planning, weeks
from helpers.runs.pipeline import Kernels, Outcome
from helpers.runs.planning import Request
from helpers.runs.progress import Plain
from helpers.runs.weeks import UNDATED, Week

MOST = 520  # weeks: ten years


@dataclass(frozen=True)
class Reported:
    """What came of the reports: the page to open, and the worst of their exit codes."""

    front: Path
    exit_code: int


def weeks_up_to(request: Request, count: int, progress: Plain) -> Reported:
    """The reports of the last weeks up to the one that is asked for.

    Args:
        count: How many weeks; those before the data begin are named and passed over.

    Raises:
        GrowthRingsError: The request is wrong, or nothing can be built at all; nothing has been published.
    """
    with closing(Kernels()) as kernels:
        return Reported(paths.reports(_name(request)) / "index.html", _weeks(request, count, progress, kernels))


def all_datasets(request: Request, count: int, progress: Plain) -> Reported:
    """The reports of every dataset under data/ whose sources are there, and one page over all that is published.

    Args:
        request: As for one dataset; sources lie where `root` says, else where the last report found them.
    """
    from helpers.sources import dataset as datasets

    _not_one_notebook(request)
    codes = [0]
    with closing(Kernels()) as kernels:
        for name in datasets.names():
            try:
                code = _dataset(replace(request, dataset=name), count, progress, kernels)
            except GrowthRingsError as fault:
                progress.say(_failed(name, fault))
                code = fault.exit_code
            codes.append(code)
    return Reported(history.write_overview(paths.built_root() / "reports"), max(codes))


def _dataset(request: Request, count: int, progress: Plain, kernels: Kernels) -> int:
    from helpers.sources import dataset as datasets

    name = request.dataset
    request = replace(request, root=request.root or opening.remembered_root(name))
    found = datasets.load(name, request.root)
    if not _has_sources(found):
        progress.say(f"{name}: passed over, its sources are not in {failures.short(found.root)}")
        return 0
    if count > 1:
        return _weeks(request, count, progress, kernels)
    progress.say(_one(request, progress, kernels))
    return 0


def _has_sources(dataset) -> bool:
    """Whether any source is there: one of several that is missing is a fault, which the run tells."""
    if dataset.simulate is not None:
        return True
    for source in dataset.sources():
        try:
            if source.table or dataset.files(source):
                return True
        except InputError:
            continue
    return False


def _weeks(request: Request, count: int, progress: Plain, kernels: Kernels) -> int:
    """Exit code 1 if a week failed; a machine that is in the way would be so in the next week, too."""
    _not_one_notebook(request)
    if not 1 <= count <= MOST:
        raise InputError(f"--weeks {count}: write how many weeks, 1 to {MOST}.")
    code = 0
    for week, begun in _asked(request, count, progress):
        if not begun:
            progress.say(f"{_name(request)}, {week.label}: before the data begin")
            continue
        own = replace(request, week=week.label, given=_without_week(request.given))
        try:
            progress.say(_one(own, progress, kernels))
        except EnvironmentFault:
            raise
        except GrowthRingsError as fault:
            progress.say(_failed(f"{_name(request)}, {week.label}", fault))
            code = 1
    return code


def _asked(request: Request, count: int, progress: Plain) -> Iterator[tuple[Week, bool]]:
    """The weeks, oldest first, and whether the data had begun by then."""
    from helpers.sources import profile

    asked = planning.ask(request)
    checked = planning.with_dataset(asked)
    with locking.held(paths.built(_name(request)), progress.say):
        opening.prepare(checked.dataset)
        held = profile.profile(checked.dataset)
    newest = weeks.resolve(asked.request.week, held.first_day, held.data_until)
    if newest == UNDATED:
        return iter([(newest, True)])
    found = [newest.earlier(ago) for ago in reversed(range(count))]
    return iter([(week, week.sunday >= held.first_day) for week in found])


def _one(request: Request, progress: Plain, kernels: Kernels) -> str:
    """Build one report; what is said of it: the week, what was done, the sentence."""
    began = time.monotonic()
    outcome = pipeline.report(request, _Quiet(progress), kernels)
    done = f"built in {time.monotonic() - began:.1f} s" if _ran(outcome) else "stands"
    week = outcome.published.record["week"] if outcome.published else request.week
    return f"{_name(request)}, {week}: {done}. {outcome.sentence}"


def _ran(outcome: Outcome) -> bool:
    return bool(outcome.records) and any(decision.action == keys.RUN for decision in outcome.decisions.values())


def _failed(what: str, fault: GrowthRingsError) -> str:
    first, *others = str(fault).splitlines() or [type(fault).__name__]
    return "\n".join([f"{what}: FAILED. {first}", *others])


def _name(request: Request) -> str:
    return Path(request.dataset).resolve().name


def _without_week(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(own for own in given if own.partition("=")[0] != "week")


def _not_one_notebook(request: Request) -> None:
    if request.only:
        raise InputError("--only shows one notebook of one week: leave --weeks and --all away.")


class _Quiet(Plain):
    """What is being worked on shows, the lines of the steps do not."""

    def __init__(self, outer: Plain) -> None:
        self._outer = outer

    def say(self, line: str) -> None:
        pass

    def working(self, names: list[str]) -> None:
        self._outer.working(names)
