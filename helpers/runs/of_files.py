"""What is worked out of judged events file by file is kept, so that a new file costs itself alone.

    built/week_ends/files-<name>/index.json    of groups of files: by what it follows from, and the file that it lies in
    built/week_ends/files-<name>/*.parquet

How a row is judged follows from its file, from whether it repeats another, and from whether its day is over or yet to come. A
file of which some rows wait for a later week is looked at each time.
"""

from __future__ import annotations

from datetime import date
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import ibis

from helpers import paths
from helpers.runs import keys, week_ends
from helpers.sources import engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from helpers.runs.store import Run

    Files = tuple[str, tuple[str, ...]]  # the name of a source, and files of it

MOST_ROWS = 2_000_000  # more than that of one time are not kept
TIMES_KEPT = 3  # as many groups as there are: for runs of earlier weeks


def table(run: Run, name: str, events: ibis.Table, make: Callable[[ibis.Table], ibis.Table]) -> ibis.Table:
    """What `make` gives of all events.

    Args:
        events: All events of the run, as `cleaning.judge` gives them.
        make: Rows that each follow from the rows of one file alone.
    """
    settled, waiting = _groups(run)
    folder = week_ends.place(run, f"files-{name}")
    known = before = week_ends.load(folder)
    fresh = {mark: own for mark, own in settled.items() if mark not in known}
    if fresh:
        file = f"{paths.token()}.parquet"
        some = events if len(fresh) == len(settled) and not waiting else _within(events, fresh.values())
        if engine.write(run.engine, make(some), folder / file, sort=[]) > MOST_ROWS:
            (folder / file).unlink()
            return make(events)
        known = dict.fromkeys(fresh, (run.last_day, file)) | known
        known = week_ends.save(folder, before, known, TIMES_KEPT * len(settled))
    parts = [make(_within(events, waiting))] if waiting else []
    for file in dict.fromkeys(known[mark][1] for mark in settled):
        own = engine.read(run.engine, folder / file)
        parts.append(_within(own, [files for mark, files in settled.items() if known[mark][1] == file]))
    return engine.united([part.select(parts[0].columns) for part in parts])


def _groups(run: Run) -> tuple[dict[str, Files], list[Files]]:
    """Groups of files by what their judged rows follow from, and those of which some rows wait for a later week."""
    index, code = run.events.index, keys.source_hash(paths.PROJECT / "helpers")
    repeated = run.events.lines_repeated(run.engine.con)
    future = str(run.future_from.date() if run.future_from else date.max)
    settled, waiting = {}, []
    for source in run.events.sources:
        for group in index.groups[source]:
            files, to_come = (source, tuple(sorted(group.files))), [day for day in group.days if day > str(run.last_day)]
            if any(day < future for day in to_come):
                waiting.append(files)
            else:
                twice = [repeated.get((source, file)) for file in files[1]]
                settled[keys.digest([code, *files, group.path, index.keys[source], twice, sorted(to_come)])] = files
    return settled, waiting


def _within(rows: ibis.Table, files: Iterable[Files]) -> ibis.Table:
    wanted: dict[str, list[str]] = {}
    for source, own in files:
        wanted.setdefault(source, []).extend(own)
    return rows.filter(reduce(or_, ((rows["_source"] == source) & rows["_file"].isin(own) for source, own in wanted.items())))
