"""Facts are stored by local day, so that a new week costs a week: days whose events are as they were stay as they are.

    built/facts/index.json          the pieces: some days each, a file a table; and of each day what it was made of
    built/facts/<table>-*.parquet

A day is made again when its own events, those of the day before or those of the day after are others. The last day of a week is
a piece of its own, as the end of the week saw it: what happens after midnight is not known then. Files are written once and
never changed; a week's artefacts link to them.
"""

from __future__ import annotations

import copy
import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import contracts, paths
from helpers.facts.layers import KEYS, Layers, Span, within, without
from helpers.runs import checks, pieces
from helpers.runs.pieces import Piece
from helpers.sources import engine

if TYPE_CHECKING:
    import ibis

ENOUGH_ROWS = 4_000_000  # events that are worked on at a time, in some 2 GB; the day after them is read besides
ENOUGH_ON_SPARK = 50_000_000  # its memory is larger, and each time costs it many seconds
DAY = timedelta(days=1)
TAILS_KEPT = 3
MOST_NAMED = 20
ARTEFACTS = {"user_day", "user_topic_day", "user_kind_day", "user_campaign_day", "user_hour", "reply_day"}  # have a contract
BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class Stored:
    """One table up to the end of a week.

    Attributes:
        pieces: First day, last day and file; of each only the days before the last day of the week count.
        tail: The file of that last day.
    """

    backend: object
    pieces: list[tuple[date, date, Path]]
    last_day: date
    tail: Path

    def table(self) -> ibis.Table:
        """All its rows."""
        tail = engine.read(self.backend, self.tail)
        whole = [path for _, last, path in self.pieces if last < self.last_day]
        found = [engine.read(self.backend, whole)] if whole else []
        found += [self.before_last_day(path) for _, last, path in self.pieces if last >= self.last_day]
        return engine.united([*(table.select(tail.columns) for table in found), tail])

    def before_last_day(self, path: Path) -> ibis.Table:
        """Of one piece the days that count."""
        own = engine.read(self.backend, path)
        return own.filter(own.day < self.last_day)


@dataclass(frozen=True)
class Appended:
    """The facts up to the end of a week.

    Attributes:
        tables: By name; of a dataset without events they are empty.
        days: Days that were made now.
        late: Of them, days that were stored before and whose own events are others now.
    """

    tables: dict[str, Stored | ibis.Table]
    days: list[date]
    late: list[date]

    def told(self) -> dict[str, object]:
        """What was done, as `tables.facts` shows it."""
        named = [*map(str, self.late[:MOST_NAMED]), *(["and others"] if len(self.late) > MOST_NAMED else [])]
        return {"days made now": len(self.days), "days that late rows came for": ", ".join(named) or "none"}

    def stored(self, name: str) -> Stored | ibis.Table | None:
        """What is to be written of a table; None where the dataset cannot have it."""
        return self.tables.get(name)

    def table(self, name: str) -> ibis.Table:
        """All rows of a table."""
        own = self.tables[name]
        return own.table() if isinstance(own, Stored) else own


def nothing(backend, kept: ibis.Table, layers: Layers) -> Appended:
    """The facts of a dataset without events."""
    made = layers.of_days(kept, layers.visits(kept, None), [])
    if "replies" in made:
        made["reply_day"] = layers.answered(made["replies"], made["contents"])
    return Appended({name: engine.keep(backend, table) for name, table in made.items()}, [], [])


def append(
    backend,
    folder: Path,
    kept: ibis.Table,
    layers: Layers,
    *,
    key: str,
    marks: Mapping[date, str],
    rows: Mapping[date, int],
    last_day: date,
) -> Appended:
    """Bring the facts up to the end of a week.

    Args:
        folder: Where they are stored.
        kept: Kept events as `facts.timed` gives them, of all days up to the last.
        key: Everything but the events that decides what the facts are.
        marks: A text for each day with events, which is another when any of them is another.
        rows: Events of each day.

    Raises:
        EnvironmentFault: The disk is full or not writable.
    """
    return _Work(backend, folder, kept, layers, key, marks, rows, last_day).done()


class _Work:
    """One append, from the index as it was to the index as it will be."""

    def __init__(self, backend, folder: Path, kept, layers: Layers, key: str, marks, rows, last_day: date) -> None:
        self.backend, self.folder, self.kept, self.layers, self.rows = backend, folder, kept, layers, rows
        self.last_day = last_day
        self.enough = ENOUGH_ON_SPARK if engine.is_spark(backend) else ENOUGH_ROWS
        self.now = {day: mark for day, mark in marks.items() if day <= last_day}
        paths.make_private(folder)
        self.known = pieces.load(folder)
        self.index = copy.deepcopy(self.known) if self.known.key == key else pieces.Index(key)
        self.made: set[date] = set()
        self.held: list[ibis.Table] = []
        self.newest: date | None = None

    def done(self) -> Appended:
        pending = self._changed()
        newest = max(self.index.own, default=None)
        late = sorted(day for day in pending if newest and day <= newest and self.index.own.get(day) != self.now.get(day))
        while pending:
            goes_on: set[date] = set()
            for days in self._batches(pending):
                goes_on |= self._make(days)
            pending = goes_on - self.made
        tail = self.index.tails.get(self.last_day)
        if self.made or tail is None or tail[0] != self._mark(self.last_day):
            self._make_tail()
        self._save()
        return Appended({name: self._stored(name) for name in self.layers.names}, sorted(self.made), late)

    def _stored(self, name: str) -> Stored:
        own = [piece for piece in self.index.pieces if piece.first < self.last_day]
        places = [(piece.first, piece.last, self.folder / piece.files[name]) for piece in own]
        return Stored(self.backend, places, self.last_day, self.folder / self.index.tails[self.last_day][1][name])

    def _changed(self) -> set[date]:
        """Days before the last whose facts are to be made."""
        known = {day: mark for day, mark in self.index.marks.items() if day < self.last_day}
        wanted = {day for day in {*self.now, *known} if day < self.last_day}
        return {day for day in wanted if known.get(day) != self._mark(day)}

    def _mark(self, day: date) -> str:
        after = self.now.get(day + DAY) if day < self.last_day else None
        return _digest([self.now.get(day - DAY), self.now.get(day), after])

    def _batches(self, days: Iterable[date]) -> Iterator[list[date]]:
        """Days in their order, those of one piece together and not too many rows at a time."""
        held: list[date] = []
        rows, place = 0, None
        for day in sorted(days):
            here = self._place(day)
            if held and (here is not place or rows >= self.enough):
                yield held
                held, rows = [], 0
            held.append(day)
            rows, place = rows + self.rows.get(day, 0), here
        if held:
            yield held

    def _place(self, day: date) -> Piece | str:
        """The piece that a day belongs to; BEFORE or AFTER all where it begins one."""
        there = self.index.pieces
        at = bisect_right([piece.first for piece in there], day) - 1
        if at < 0:
            return BEFORE if there else AFTER
        return there[at] if day <= there[at].last or at + 1 < len(there) else AFTER

    def _make(self, days: list[date]) -> set[date]:
        """Make the facts of some days; gives the days after them that must be made as well."""
        engine.drop(self.backend, *self.held)
        self.held = held = self._hold(days)
        tables = self.layers.of_days(*held, self._spans(days))
        goes_on, changed = self._going_otherwise(days, tables["going_on"]), None
        piece = self._place(days[0])
        if isinstance(piece, str):
            piece = Piece(days[0], days[-1], {})
            self.index.pieces = sorted([*self.index.pieces, piece], key=lambda other: other.first)
        if "contents" in piece.files:
            changed = self._changed_contents(piece, tables["contents"], days)
        piece.files.update(self._write(tables, days, piece.files))
        if self.layers.replies:
            given = within(engine.read(self.backend, self.folder / piece.files["replies"]), self._spans(days))
            answers = self.layers.answered(given, self._read("contents"))
            piece.files.update(self._write({"reply_day": answers}, days, piece.files))
        piece.first, piece.last = min(piece.first, days[0]), max(piece.last, days[-1])
        self.made |= set(days)
        self._note(days)
        if changed is not None:
            self._answer_again(changed)
            engine.drop(self.backend, changed)
        return goes_on

    def _hold(self, days: list[date]) -> list[ibis.Table]:
        """Events and visits of some days and of each that follows one; held by the engine."""
        near = self._spans([*days, *(day + DAY for day in days)])
        events = engine.keep(self.backend, within(self.kept, near).select(self.layers.needed))
        going = self._read("going_on")
        going = None if going is None else within(going, self._spans({day - DAY for day in days} - set(days)))
        found = engine.keep(self.backend, self.layers.visits(events, going))
        self.newest = days[-1]
        return [events, found]

    def _spans(self, days: Iterable[date]) -> list[Span]:
        """Days as first and last days of spans, between which there is no other day with events."""
        wanted, spans = set(days), []
        open_span = False
        for day in sorted(wanted | set(self.now)):
            if day in wanted and open_span:
                spans[-1] = (spans[-1][0], day)
            elif day in wanted:
                spans.append((day, day))
            open_span = day in wanted
        return spans

    def _going_otherwise(self, days: list[date], going: ibis.Table) -> set[date]:
        """Stored days after some days, not among them, that begin within sessions which are others than they were."""
        ends = [day for day in days if day + DAY not in days and day + DAY in self.index.marks and day + DAY < self.last_day]
        before = self._read("going_on")
        if not ends or before is None:
            return set()
        columns = ["user_id", "named", "day", "moment", "since"]
        now, was = (within(table, self._spans(ends)).select(columns) for table in (going, before))
        other = now.difference(was).union(was.difference(now)).select("day").distinct()
        return {day + DAY for day in other.to_pyarrow()["day"].to_pylist()}

    def _changed_contents(self, piece: Piece, fresh: ibis.Table, days: list[date]) -> ibis.Table:
        """Contents of some days that came, went or are others: their ids and days."""
        old = engine.read(self.backend, self.folder / piece.files["contents"])
        old = within(old, self._spans(days)).select(fresh.columns)
        both = old.difference(fresh).union(fresh.difference(old))
        return engine.keep(self.backend, both.select("content_id", "day").distinct())

    def _answer_again(self, changed: ibis.Table) -> None:
        """Replies to content that is other than it was, on later days that were not made now."""
        since = changed.group_by("content_id").agg(since=changed.day.min())
        given = self._read("replies")
        met = given.join(since, given.parent_id == since.content_id)
        days = set(met.filter(met.day >= met.since).select("day").distinct().to_pyarrow()["day"].to_pylist()) - self.made
        for piece in self.index.pieces:
            own = sorted(day for day in days if piece.first <= day <= piece.last)
            if own:
                answers = self.layers.answered(within(given, self._spans(own)), self._read("contents"))
                piece.files.update(self._write({"reply_day": answers}, own, piece.files))

    def _make_tail(self) -> None:
        if not self.held or self.newest + DAY != self.last_day:
            engine.drop(self.backend, *self.held)
            self.held = self._hold([self.last_day])
        tables = self.layers.of_days(*self.held, self._spans([self.last_day]))
        files = self._write(tables, [self.last_day], {})
        if self.layers.replies:
            stored = self._read("contents")
            made = engine.read(self.backend, self.folder / files["contents"])
            if stored is not None:
                made = made.union(stored.filter(stored.day < self.last_day).select(made.columns))
            given = engine.read(self.backend, self.folder / files["replies"])
            files |= self._write({"reply_day": self.layers.answered(given, made)}, [self.last_day], {})
        self.index.tails[self.last_day] = (self._mark(self.last_day), files)
        self.made.add(self.last_day)
        engine.drop(self.backend, *self.held)

    def _read(self, name: str) -> ibis.Table | None:
        """One table as it is stored up to now, without last days of weeks; None where nothing is."""
        files = [self.folder / piece.files[name] for piece in self.index.pieces if name in piece.files]
        return engine.read(self.backend, files) if files else None

    def _write(self, tables: dict[str, ibis.Table], days: list[date], old: dict[str, str]) -> dict[str, str]:
        """Write some days of tables, with the other days of the files that they belong to; gives the new files' names."""
        named = {}
        for name, table in tables.items():
            fresh = checks.conform(contracts.find(name), table) if name in ARTEFACTS else table
            if name in old:
                there = engine.read(self.backend, self.folder / old[name])
                there = without(there, self._spans(days))
                fresh = there.union(fresh.select(there.columns).cast(there.schema()))
            named[name] = f"{name}-{paths.token()}.parquet"
            engine.write(self.backend, fresh, self.folder / named[name], sort=KEYS[name])
            if name in ARTEFACTS:
                checks.check_rows(contracts.find(name), engine.read(self.backend, self.folder / named[name]), keyed=True)
        return named

    def _note(self, days: Iterable[date]) -> None:
        for day in days:
            if day in self.now:
                self.index.marks[day], self.index.own[day] = self._mark(day), self.now[day]
            else:
                self.index.marks.pop(day, None)
                self.index.own.pop(day, None)

    def _save(self) -> None:
        newest = sorted({*sorted(self.index.tails)[-TAILS_KEPT:], self.last_day})
        self.index.tails = {day: self.index.tails[day] for day in newest}
        pieces.save(self.folder, self.index, self.known)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
