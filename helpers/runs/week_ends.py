"""What was worked out for the ends of earlier weeks is kept, so that a new week costs one or two of them.

    built/week_ends/<name>/index.json    by what it follows from: the week's last day, and the file that it lies in
    built/week_ends/<name>/*.parquet
    built/week_ends/sums.json            by the hash of a file: the sums of its rows, by day

What a week end follows from is looked up in the tables themselves: the sums of their rows' hashes, up to its day. So it does
not matter which run made them, whether a day came late, or whether a person was forgotten. The last day of a week is seen
again when the next one has come, since sessions go on after midnight: of a new week two ends are worked out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis

from helpers import paths
from helpers.runs import artefacts, keys
from helpers.sources import engine

if TYPE_CHECKING:
    from helpers.runs.store import Run

    Made = Callable[[date, int], ibis.Table]
    Sums = list[tuple[str, int, int]]

DAYS = ("day", "first_day", "registered_day")  # by which a table's rows belong to a day; those without one belong to all
PEOPLE_AT_ONCE = 400_000  # people times week ends that are worked on at a time, in some 2 GB
TIMES_KEPT = 3  # as many week ends as are asked for: for runs of earlier weeks
EVENTS = "events"  # which are no artefact
INDEX, SUMS, SUMS_KEPT = "index.json", "sums.json", 2_000


def table(
    run: Run, name: str, make: Made, *, of: Sequence[str], given: Any, weeks: int,
    people: ibis.Table | None = None, newest: ibis.Table | None = None, at_hand: int = 1, last_day: date | None = None,
    days: int = 7,
) -> ibis.Table:
    """The rows of the last week ends: `weeks_ago` and what `make` gives.

    Args:
        make: The same as of a day for so many week ends up to it, worked out from `of`; nothing after an end counts for it.
        of: The artefacts that must be as they were up to an end, for its rows to be. Not those that follow from these.
        given: Everything else that decides what the rows are.
        people: A row a person, where many week ends of many people are to be made a few at a time; None: all at once.
        newest: The rows of the last week end, `weeks_ago` 0, where they are at hand; or of the last `at_hand` ones.
        last_day, days: Of other periods the end of the last one, and how long each is; `weeks_ago` then counts these.
    """
    folder = place(run, name)
    last_day = last_day or run.last_day
    ends = [last_day - timedelta(days=days * ago) for ago in range(weeks)]
    wanted_marks = marks(run, ends, of, given)
    known = before = load(folder)
    lacking = [ago for ago, mark in enumerate(wanted_marks) if mark not in known]
    wanted = ends[: lacking[-1] + 1] if lacking else []
    told = wanted[:at_hand] if newest is not None and {*lacking} & {*range(at_hand)} else []
    for own in filter(None, [told, *reversed(_batches(wanted[len(told) :], people))]):  # later totals come from earlier ones
        made = newest.filter(newest.weeks_ago < len(own)) if own == told else make(own[0], len(own))
        file = f"{paths.token()}.parquet"
        day = ibis.cases(*((made.weeks_ago == ago, ibis.literal(end)) for ago, end in enumerate(own)))
        engine.write(run.engine, made.mutate(week_end=day).drop("weeks_ago"), folder / file, sort=[])
        known = {wanted_marks[ends.index(end)]: (end, file) for end in own} | known
    if known is not before:
        known = save(folder, before, known, TIMES_KEPT * weeks, like=wanted_marks[0])
    every = _read(run, folder, [known[mark] for mark in wanted_marks])
    ago = (ibis.literal(last_day).epoch_days() - every.week_end.epoch_days()).cast("int64") // days
    return every.mutate(weeks_ago=ago).drop("week_end")


def place(run: Run, name: str) -> Path:
    """The folder of what is kept by one name: its own, so that nobody sweeps away what another keeps."""
    folder = paths.built(run.dataset.name) / "week_ends" / name
    paths.make_private(folder.parent)
    paths.make_private(folder)
    return folder


def marks(run: Run, ends: list[date], of: Sequence[str], given: Any) -> list[str]:
    """What each end follows from: the rows of the artefacts, or of the kept events, up to it, and all that is given besides."""
    there = [own for own in of if own != EVENTS and artefacts.place(run, own).exists()]
    sums = _sums(run, paths.built(run.dataset.name) / "week_ends" / SUMS, there)
    if EVENTS in of:
        sums[EVENTS] = [(str(day), mark) for day, mark in run.marks_of_events.items()]
    return _marks(ends, sums, keys.digest([sorted(of), given, keys.source_hash(paths.PROJECT / "helpers")]))


def _batches(ends: list[date], people: ibis.Table | None) -> list[list[date]]:
    size = max(1, len(ends)) if people is None else max(1, PEOPLE_AT_ONCE // max(1, int(people.count().to_pandas())))
    return [ends[first : first + size] for first in range(0, len(ends), size)]


def _marks(ends: list[date], sums: dict[str, Sums], made_by: str) -> list[str]:
    """What each week end is made by and what it follows from; its day too, since nothing may have happened since the last one."""
    upto = {end: {label: [day for day in own if day[0] <= str(end)] for label, own in sums.items()} for end in ends}
    return [f"{made_by} {keys.digest([str(end), own])}" for end, own in upto.items()]


def _sums(run: Run, place: Path, names: list[str]) -> dict[str, Sums]:
    """Of each artefact and day the rows and the sum of their hashes, in order; each file is counted once and for all."""
    known, used, found = _load_sums(place), {}, {}
    for name in names:
        total: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for file in engine.files(artefacts.place(run, name)):
            mark = _hash(file, *keys.look(file))
            used[mark] = known[mark] if mark in known else _sums_of(run, file)
            for day, rows, says in used[mark]:
                total[day] = [total[day][0] + rows, total[day][1] + says]
        found[name] = [(day, *own) for day, own in sorted(total.items())]
    if used.keys() - known.keys():
        kept = {mark: own for mark, own in known.items() if mark not in used} | used
        with paths.whole(place) as fresh:
            fresh.write_text(json.dumps(dict(list(kept.items())[-SUMS_KEPT:])), encoding="utf-8")
    return found


@lru_cache(maxsize=SUMS_KEPT)
def _hash(file: Path, size: int, changed: int) -> str:
    """The hash of a file, worked out once for all week ends of a run."""
    return keys.file_hash(file)


def _sums_of(run: Run, file: Path) -> Sums:
    own = engine.read(run.engine, file)
    day = next(name for name in DAYS if name in own.columns)
    return engine.sums(run.engine, own.mutate(day_of_row=own[day].cast("string").fill_null("")), by="day_of_row")


def _load_sums(place: Path) -> dict[str, Sums]:
    """What is known of files; nothing where that is damaged."""
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        return {mark: [(str(day), int(rows), int(says)) for day, rows, says in own] for mark, own in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _read(run: Run, folder: Path, wanted: list[tuple[date, str]]) -> ibis.Table:
    parts = []
    for file in dict.fromkeys(file for _, file in wanted):
        own, ends = engine.read(run.engine, folder / file), [end for end, its in wanted if its == file]
        parts.append(own.filter(own.week_end.isin(ends)))
    return engine.united([part.select(parts[0].columns) for part in parts])


def load(folder: Path) -> dict[str, tuple[date, str]]:
    """Week ends that are kept; none where the index is damaged, and none whose file is gone."""
    try:
        found = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        found = {mark: (date.fromisoformat(end), file) for mark, (end, file) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    there = {file for _, file in found.values() if (folder / file).exists()}
    return {mark: own for mark, own in found.items() if own[1] in there}


def save(
    folder: Path, before: dict[str, tuple[date, str]], known: dict[str, tuple[date, str]], most: int, *, like: str = ""
) -> dict[str, tuple[date, str]]:
    """Keep the newest week ends, first those that are made like that of a mark; gives all there are until the next time."""
    generation = like.split(" ")[0]
    kept = dict(sorted(known.items(), key=lambda own: (own[0].startswith(generation), own[1][0]), reverse=True)[:most])
    with paths.whole(folder / INDEX, relied_on=True) as fresh:
        fresh.write_text(json.dumps(kept, default=str), encoding="utf-8")
    paths.sweep_unnamed(folder, {file for _, file in kept.values()}, {file for _, file in before.values()})
    return known
