"""Events past the door: every file is read once, typed and under pseudonyms, and kept as Parquet below `built/events/`.

What a file's rows are depends on that file alone, so a new file leaves the others as they are. Only that a row repeats an
earlier one is a matter of several files; but rows that are equal have equal times, so it is one local day's matter, and of the
days only those are looked at again whose rows are not what they were.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import paths
from helpers.sources import engine, groups, reading
from helpers.sources.groups import Group, Index

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset, Source
    from helpers.sources.profile import Part

VERSION = 2
FOLDER = "events"
ENOUGH_ROWS = 500_000  # small files are kept together until there are so many
NOTHING = (
    "SELECT NULL::VARCHAR AS source, NULL::VARCHAR AS file, NULL::BIGINT AS line, NULL::DATE AS day, NULL::UBIGINT AS says "
    "WHERE false"
)
STORED = "FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE 122880"


@dataclass(frozen=True)
class Events:
    """All events of a dataset as they passed the door.

    Attributes:
        folder: Where they are kept.
        index: What is kept.
        sources: Names of the sources, in the order of dataset.toml.
    """

    folder: Path
    index: Index
    sources: tuple[str, ...]

    def query(self) -> str:
        """SQL of all rows, as `reading.rows` describes them."""
        again = f"read_parquet({engine.quote(str(self.folder / self.index.again))})"
        met = "LEFT JOIN again ON again.source = e._source AND again.file = e._file AND again.line = e._line"
        return (
            f"WITH again AS (SELECT source, file, line FROM {again}) SELECT e.* EXCLUDE (_hash) "
            f"REPLACE (_duplicate OR again.line IS NOT NULL AS _duplicate) FROM ({self.rows()}) AS e {met}"
        )

    def rows(self, *sources: str) -> str:
        """The same of some sources or all, the rows that stand twice not marked."""
        files = [self.folder / group.path for name in sources or self.sources for group in self.index.groups[name]]
        return f"SELECT * FROM read_parquet([{', '.join(engine.quote(str(path)) for path in files)}])"

    @cached_property
    def marks(self) -> dict[date, str]:
        """A text for each local day that has rows: another when any of them says something else, whatever repeats it and
        wherever it stands."""
        found: dict[str, list] = {}
        for name in self.sources:
            repeated = self.index.repeated.get(name, {})
            for day, (rows, _, says) in self.index.days(name).items():
                less, less_says = repeated.get(day, (0, 0))
                found.setdefault(day, []).append([name, self.index.keys[name][:12], rows - less, says - less_says])
        return {date.fromisoformat(day): json.dumps(own) for day, own in sorted(found.items())}

    @cached_property
    def rows_of_days(self) -> Counter[date]:
        """Rows of each local day."""
        counted: Counter[date] = Counter()
        for name in self.sources:
            counted.update({date.fromisoformat(day): own[0] for day, own in self.index.days(name).items()})
        return counted

    def lines_repeated(self, connection) -> dict[tuple[str, str], tuple[int, str]]:
        """By source and file, how many rows repeat an earlier one, and a text that is another when these are other ones."""
        again = f"read_parquet({engine.quote(str(self.folder / self.index.again))})"
        asked = f"SELECT source, file, count(*), CAST(sum(CAST(hash(line) AS HUGEINT)) AS VARCHAR) FROM {again} GROUP BY ALL"
        return {(source, file): (rows, says) for source, file, rows, says in connection.execute(asked).fetchall()}


def admit(connection, dataset: Dataset, parts: list[Part], built: Path) -> Events | None:
    """Read what is new or changed among the files of events; None for a dataset without events.

    Args:
        parts: Files of the dataset; all of its events' files must be among them.

    Raises:
        InputError: A source cannot be read, or changes meanwhile.
        EnvironmentFault: The disk is full or not writable.
    """
    sources = {part.source.name: part.source for part in parts if part.source.kind == "events"}
    if not sources:
        return None
    folder = built / FOLDER
    paths.make_private(folder)
    known = groups.load(folder)
    made = Index(again=known.again, repeated=known.repeated)
    for name, source in sources.items():
        own = [part for part in parts if part.source.name == name]
        bound = reading.bind(connection, dataset, source, own, built)
        made.keys[name] = _key(connection, dataset, source, bound, built)
        kept = _still_good(known, made.keys[name], own, folder)
        fresh = _new_groups(connection, dataset, bound, _left(own, kept), built)
        made.groups[name] = [*kept, *fresh]
    if made != known:
        made.again = _again(connection, dataset, Events(folder, made, tuple(sources)), known, parts)
        made.repeated = _repeated(connection, folder / made.again)
        for part in parts:
            part.check_unchanged()
        groups.save(folder, made)
        groups.sweep(folder, known, made)
    return Events(folder, made, tuple(sources))


def _key(connection, dataset: Dataset, source: Source, bound: reading.Bound, built: Path) -> str:
    """Everything but the files that decides what the rows of a source are."""
    sql = reading.typed(dataset, replace(bound, label="source"), reading.names_forgotten(dataset, built))
    once = reading.drops_duplicates(source, dataset)
    how = [VERSION, engine.version(connection), sorted(bound.types.items()), source.encoding, source.delimiter, once, sql]
    return hashlib.sha256(json.dumps(how).encode()).hexdigest()


def _still_good(known: Index, key: str, parts: list[Part], folder: Path) -> list[Group]:
    """The groups of which every file is as it was."""
    name = parts[0].source.name
    if known.keys.get(name) != key:
        return []
    now = {part.label: part.sha256 for part in parts}
    return [
        group for group in known.groups[name]
        if all(now.get(label) == sha for label, sha in group.files.items()) and (folder / group.path).exists()
    ]  # fmt: skip


def _left(parts: list[Part], kept: list[Group]) -> list[Part]:
    there = {label for group in kept for label in group.files}
    return [part for part in parts if part.label not in there]


def _new_groups(connection, dataset: Dataset, bound: reading.Bound, parts: list[Part], built: Path) -> list[Group]:
    forgotten = reading.names_forgotten(dataset, built)
    return [_kept(connection, dataset, bound, group, built, forgotten) for group in _together(parts, built)]


def _together(parts: list[Part], built: Path) -> Iterator[list[Part]]:
    """Files in their order, small ones together."""
    held: list[Part] = []
    rows = 0
    for part in parts:
        held.append(part)
        rows += reading.row_count(part, built)
        if rows >= ENOUGH_ROWS:
            yield held
            held, rows = [], 0
    if held:
        yield held


def _kept(connection, dataset: Dataset, bound: reading.Bound, parts: list[Part], built: Path, forgotten: set[str]) -> Group:
    """Read some files and keep their rows."""
    label = engine.named(connection, _like(connection, bound, reading.united(parts, built)))
    target = built / FOLDER / f"{paths.token()}.parquet"
    engine.copy(connection, reading.typed(dataset, replace(bound, label=label), forgotten), target, STORED)
    days = connection.execute(
        "SELECT CAST(day AS VARCHAR), count(*), sum(hash(_file, _line, _hash)::HUGEINT), "
        "coalesce(sum(_hash::HUGEINT) FILTER (_fault IS NULL), 0) "
        f"FROM read_parquet({engine.quote(str(target))}) WHERE day IS NOT NULL GROUP BY ALL"
    ).fetchall()
    return Group(target.name, {part.label: part.sha256 for part in parts}, {day: tuple(map(int, own)) for day, *own in days})


def _like(connection, bound: reading.Bound, united: str) -> str:
    """Some files with the columns that all files of the source have together."""
    own = engine.types(connection, engine.named(connection, united))
    columns = [
        f"CAST({engine.name(name) if name in own else 'NULL'} AS {dtype}) AS {engine.name(name)}"
        for name, dtype in bound.types.items()
        if own.get(name) != dtype
    ]
    if not columns:
        return united
    same = [engine.name(name) for name in own if name not in bound.types or own[name] == bound.types[name]]
    return f"SELECT {', '.join([*same, *columns])} FROM ({united})"


def _again(connection, dataset: Dataset, events: Events, known: Index, parts: list[Part]) -> str:
    """List the rows that repeat an earlier one: of days that are as they were as before, of the others anew."""
    files = [own for own in dataset.events if own.name in events.sources and not own.table]
    once = [own.name for own in files if reading.drops_duplicates(own, dataset)]
    changed = {name: _changed(events.index, known, name) for name in once}
    numbers = {(part.source.name, part.label): number for number, part in enumerate(parts)}
    queries = [NOTHING]
    for name, days in changed.items():
        if known.again and known.keys.get(name) == events.index.keys[name]:
            queries.append(
                f"SELECT * FROM read_parquet({engine.quote(str(events.folder / known.again))}) "
                f"WHERE source = {engine.quote(name)} AND NOT {_among('day', days)}"
            )
        if days:
            queries.append(_repetitions(_rows_of(connection, events, name, days), name, numbers))
    target = events.folder / f"again-{paths.token()}.parquet"
    engine.copy(connection, " UNION ALL ".join(f"({query})" for query in queries), target, STORED)
    return target.name


def _repeated(connection, again: Path) -> dict[str, dict[str, tuple[int, int]]]:
    found: dict[str, dict[str, tuple[int, int]]] = {}
    listed = f"read_parquet({engine.quote(str(again))})"
    counts = f"SELECT source, CAST(day AS VARCHAR), count(*), sum(says::HUGEINT) FROM {listed} GROUP BY ALL"
    for source, day, rows, says in connection.execute(counts).fetchall():
        found.setdefault(source, {})[day] = (rows, int(says))
    return found


def _changed(now: Index, known: Index, name: str) -> set[str]:
    """Days of a source of which rows came, went or are others."""
    before = known.days(name) if known.keys.get(name) == now.keys[name] else {}
    after = now.days(name)
    return {day for day in {*before, *after} if before.get(day) != after.get(day)}


def _among(column: str, days: Iterable[str]) -> str:
    listed = ", ".join(f"DATE {engine.quote(day)}" for day in sorted(days))
    return f"{column} IN ({listed})" if listed else "false"


def _rows_of(connection, events: Events, name: str, days: set[str]) -> str:
    """Sound rows of some days of a source, to be looked at twice: SQL of them where it is all days, else a table of them."""
    rows = f"SELECT * FROM ({events.rows(name)}) WHERE _fault IS NULL AND day IS NOT NULL"
    if days == set(events.index.days(name)):
        return f"({rows})"
    label = f"t_{secrets.token_hex(6)}"
    connection.execute(
        f"CREATE TEMP TABLE {label} AS SELECT _hash, _file, _line, day, moment FROM ({rows}) "
        f"WHERE {_among('day', days)}"
    )
    return label


def _repetitions(rows: str, name: str, numbers: dict[tuple[str, str], int]) -> str:
    """Rows that repeat an earlier one, files and lines in their order.

    Rows are alike when their time is, and the hash of the text of all their columns.
    """
    files = ", ".join(f"({engine.quote(label)}, {number})" for (source, label), number in numbers.items() if source == name)
    return (
        f"SELECT {engine.quote(name)} AS source, file, line, day, says FROM "
        "(SELECT _file AS file, _line AS line, day, _hash AS says, "
        f"row_number() OVER (PARTITION BY _hash, moment ORDER BY place.number, _line) AS nth FROM {rows} AS e "
        f"SEMI JOIN (SELECT _hash FROM {rows} GROUP BY _hash HAVING count(*) > 1) AS twice ON twice._hash = e._hash "
        f"JOIN (VALUES {files}) AS place(label, number) ON place.label = e._file) WHERE nth > 1"
    )
