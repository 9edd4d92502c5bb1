"""What was worked out for the ends of earlier weeks is kept, so that a new week costs one or two of them.

    built/week_ends/<name>.json          by what it follows from: the week's last day, and the file that it lies in
    built/week_ends/<name>-*.parquet

What a week end follows from is looked up in the tables themselves: the sums of their rows' hashes, up to its day. So it does
not matter which run made them, whether a day came late, or whether a person was forgotten. The last day of a week is seen
again when the next one has come, since sessions go on after midnight: of a new week two ends are worked out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis

from helpers import paths
from helpers.runs import keys
from helpers.sources import engine

if TYPE_CHECKING:
    from helpers.runs.store import Run

    Made = Callable[[date, int], ibis.Table]

DAYS = ("day", "first_day", "registered_day")  # by which a table's rows belong to a day; those without one belong to all
PEOPLE_AT_ONCE = 400_000  # people times week ends that are worked on at a time, in some 2 GB
TIMES_KEPT = 3  # as many week ends as are asked for: for runs of earlier weeks


def table(
    run: Run, name: str, make: Made, *, of: Mapping[str, ibis.Table | None], given: Any, weeks: int,
    people: ibis.Table | None = None, newest: ibis.Table | None = None,
) -> ibis.Table:
    """The rows of the last week ends: `weeks_ago` and what `make` gives.

    Args:
        make: The same as of a day for so many week ends up to it, worked out from `of`; nothing after an end counts for it.
        of: What must be as it was up to an end, for its rows to be. Not what follows from these tables itself.
        given: Everything else that decides what the rows are.
        people: A row a person, where many week ends of many people are to be made a few at a time; None: all at once.
        newest: The rows of the last week end, `weeks_ago` 0, where they are at hand.
    """
    folder = paths.built(run.dataset.name) / "week_ends"
    paths.make_private(folder)
    ends = [run.last_day - timedelta(weeks=ago) for ago in range(weeks)]
    sums = {label: _sums(run, own) for label, own in of.items() if own is not None}
    marks = _marks(ends, sums, [sorted(of), given, keys.source_hash(paths.PROJECT / "helpers")])
    known = before = _load(folder, name)
    lacking = [ago for ago, mark in enumerate(marks) if mark not in known]
    wanted = ends[: lacking[-1] + 1] if lacking else []
    at_hand = wanted[: newest is not None and 0 in lacking]
    for own in filter(None, [at_hand, *_batches(wanted[len(at_hand) :], people)]):
        made = newest if own == at_hand else make(own[0], len(own))
        file = f"{name}-{paths.token()}.parquet"
        day = ibis.cases(*((made.weeks_ago == ago, ibis.literal(end)) for ago, end in enumerate(own)))
        engine.write(run.engine, made.mutate(week_end=day).drop("weeks_ago"), folder / file, sort=[])
        known = {marks[ends.index(end)]: (end, file) for end in own} | known
    if known is not before:
        known = _save(folder, name, before, known, TIMES_KEPT * weeks)
    return _read(run, folder, [known[mark] for mark in marks])


def _batches(ends: list[date], people: ibis.Table | None) -> list[list[date]]:
    size = max(1, len(ends)) if people is None else max(1, PEOPLE_AT_ONCE // max(1, int(people.count().to_pandas())))
    return [ends[first : first + size] for first in range(0, len(ends), size)]


def _marks(ends: list[date], sums: dict[str, list[tuple]], given: Any) -> list[str]:
    """What each week end follows from; its day too, since nothing may have happened since the one before."""
    return [
        keys.digest([given, str(end), {label: [day for day in own if day[0] <= str(end)] for label, own in sums.items()}])
        for end in ends
    ]


def _sums(run: Run, own: ibis.Table) -> list[tuple[str, int, int]]:
    """Of each day its rows and the sum of their hashes, in order."""
    day = next(name for name in DAYS if name in own.columns)
    return engine.sums(run.engine, own.mutate(day_of_row=own[day].cast("string").fill_null("")), by="day_of_row")


def _read(run: Run, folder: Path, wanted: list[tuple[date, str]]) -> ibis.Table:
    parts = []
    for file in dict.fromkeys(file for _, file in wanted):
        own, ends = engine.read(run.engine, folder / file), [end for end, its in wanted if its == file]
        parts.append(own.filter(own.week_end.isin(ends)))
    every = engine.united([part.select(parts[0].columns) for part in parts])
    ago = (ibis.literal(run.last_day).epoch_days() - every.week_end.epoch_days()).cast("int64") // 7
    return every.mutate(weeks_ago=ago).drop("week_end")


def _load(folder: Path, name: str) -> dict[str, tuple[date, str]]:
    """Week ends that are kept; none where the index is damaged, and none whose file is gone."""
    try:
        found = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        found = {mark: (date.fromisoformat(end), file) for mark, (end, file) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    there = {file for _, file in found.values() if (folder / file).exists()}
    return {mark: own for mark, own in found.items() if own[1] in there}


def _save(
    folder: Path, name: str, before: dict[str, tuple[date, str]], known: dict[str, tuple[date, str]], most: int
) -> dict[str, tuple[date, str]]:
    """Keep the newest week ends, of one those that were made last; gives all there are until the next time."""
    kept = dict(sorted(known.items(), key=lambda own: own[1][0], reverse=True)[:most])
    with paths.whole(folder / f"{name}.json", relied_on=True) as fresh:
        fresh.write_text(json.dumps(kept, default=str), encoding="utf-8")
    paths.sweep_unnamed(folder, {file for _, file in kept.values()}, {file for _, file in before.values()})
    return known
