"""What the sources hold, before anything is built: their hashes, the days they cover, the events they name.

Kept in `built/profile.json`, so that a run over unchanged files need not read them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from helpers import paths
from helpers.problems import FaultyData, Problem, faulty, problem

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset, Source

VERSION = 6
MOST_NAMES, MANY_ROWS = 1000, 2_000_000
ENOUGH_OF_A_DAY = 0.01
LONGEST_GAP = timedelta(days=60)


@dataclass(frozen=True)
class Part:
    """One file of a source, or the table that it is: where it lies, how messages call it, its content's hash.

    stamp: What tells cheaply whether it is as it was, taken before the hash; [] where nothing does.
    """

    source: Source
    path: Path
    label: str
    sha256: str
    stamp: list

    @property
    def is_parquet(self) -> bool:
        return self.path.suffix.lower() == ".parquet" and not self.is_table

    @property
    def is_table(self) -> bool:
        return self.source.table is not None

    def check_unchanged(self) -> None:
        """See to it that what was read of the file is what its hash was taken of.

        Raises:
            FaultyData: It was written to, replaced or removed since.
        """
        if self.is_table:
            return
        try:
            now = _stamp(self.path)
            same = now == self.stamp or (now[:2] == self.stamp[:2] and file_hash(self.path) == self.sha256)
        except OSError:
            same = False
        if not same:
            raise faulty("changed", self.label)


@dataclass(frozen=True)
class Profile:
    """Attributes:
    data_until: Newest local day with at least 1 % of the median day's rows (or as dataset.toml says); None without events.
    first_day: Oldest local day since 2000 with as many rows.
    files: SHA-256 of each source file by its label.
    rows: Records of each source file by its label, as counted when it was read.
    events_seen: Names in the event column, most frequent first.
    absent: Optional columns that dataset.toml names and no file has: "events[1].amount".
    said: Warnings and notes of the files, as the fields of `problems.Problem`.
    columns: Names of the columns that the files of a source have, by the source's name.
    parts: The files themselves.
    """

    data_until: date | None
    first_day: date | None
    files: dict[str, str]
    rows: dict[str, int]
    events_seen: tuple[str, ...]
    absent: tuple[str, ...] = ()
    said: tuple[tuple, ...] = ()
    columns: dict[str, list[str]] = field(default_factory=dict)
    parts: tuple[Part, ...] = field(default=(), compare=False)

    @property
    def problems(self) -> list[Problem]:
        """What `said` says."""
        return [Problem(*own) for own in self.said]

    def check_unchanged(self, dataset: Dataset) -> None:
        """See to it that the sources are still those of this profile.

        Raises:
            FaultyData: A file was written to, replaced or removed since, or one has come.
        """
        for part in self.parts:
            part.check_unchanged()
        there = [path for source in dataset.sources() for path in dataset.files(source)]
        come = set(there) - {part.path for part in self.parts}
        if come:
            raise faulty("changed", label_of(min(come), dataset.root), "the file came while the others were read. Run again.")


def parts(dataset: Dataset, known: dict[str, list] | None = None) -> list[Part]:
    """All source files; the hash of a file whose size and time have not changed is taken from `known`."""
    return [part for source in dataset.sources() for part in parts_of(dataset, source, known or {})]


def parts_of(dataset: Dataset, source: Source, known: dict[str, list]) -> list[Part]:
    """The same, of one source."""
    if source.table:
        return [_table(dataset, source, known)]

    def part(path: Path) -> Part:
        label, stamp = label_of(path, dataset.root), _stamp(path)
        seen = known.get(label, [])
        return Part(source, path, label, seen[-1] if seen[:-1] == stamp else file_hash(path), stamp)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(part, dataset.files(source)))


def _table(dataset: Dataset, source: Source, known: dict[str, list]) -> Part:
    from helpers.sources import engine
    from helpers.sources.spark import catalogue

    engine.plain(dataset)  # which starts Spark
    catalogue.check(source.table, dataset.place(source))
    stamp, seen = catalogue.stamp(source.table), known.get(source.table)
    same = seen and stamp and seen[:-1] == stamp
    return Part(source, Path(source.table), source.table, seen[-1] if same else catalogue.fingerprint(source.table), stamp)


def file_hash(path: Path) -> str:
    """SHA-256 of the file's bytes as they lie on disk."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def label_of(path: Path, root: Path) -> str:
    """The file's name as messages and ledgers call it: relative to the folder of the sources."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def profile(dataset: Dataset) -> Profile:
    """The dataset's profile, computed when a file or dataset.toml has changed.

    Raises:
        InputError: A file is missing, empty or damaged, or changes meanwhile, or a role names an event that never occurs.
    """
    cache = paths.built(dataset.name) / "profile.json"
    known = _load(cache)
    found = parts(dataset, known.get("stamps"))
    key = [VERSION, dataset.sha256, sorted((part.source.name, part.label, part.sha256) for part in found)]
    key = json.loads(json.dumps(key))
    try:
        if known.get("key") != key:
            known = {"key": key, "profile": _compute(dataset, found, known.get("profile", {}))}
    finally:
        for part in found:  # if one changed, that is what is said, whatever reading the rest of it came to
            part.check_unchanged()
    known["stamps"] = {part.label: [*part.stamp, part.sha256] for part in found}
    _save(cache, known)
    made = known["profile"]
    return Profile(
        data_until=date.fromisoformat(made["data_until"]) if made["data_until"] else None,
        first_day=date.fromisoformat(made["first_day"]) if made["first_day"] else None,
        files=made["files"],
        rows=made["rows"],
        events_seen=tuple(made["events_seen"]),
        absent=tuple(made["absent"]),
        said=tuple(tuple(problem) for problem in made["said"]),
        columns=made["columns"],
        parts=tuple(found),
    )


def _load(cache: Path) -> dict:
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _save(cache: Path, content: dict) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1)
    if cache.exists() and cache.read_text(encoding="utf-8") == text:
        return
    cache.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with paths.whole(cache) as fresh:
        fresh.write_text(text, encoding="utf-8")


def _compute(dataset: Dataset, found: list[Part], before: dict) -> dict:
    from helpers.sources import engine, events
    from helpers.sources import survey as surveying

    built = paths.built(dataset.name)
    built.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = engine.plain(dataset)
    first = surveying.survey(connection, dataset, found, built)
    if first.errors:
        raise FaultyData(first.errors)
    query = first.queries.get("events")
    if query and sum(first.rows.values()) > MANY_ROWS:  # few rows are soon looked at, while kernels start
        query = events.admit(connection, dataset.without(first.absent), found, built).rows()
    names, days = seen(connection, query)
    dataset.check_roles(list(names), sum(names.values()))
    full = full_days(days)
    until = dataset.data_until or max(full, default=None)
    files = {part.label: part.sha256 for part in found}
    drifted = _drift(before, first.columns, list(names), found)
    said = tuple(tuple(asdict(own).values()) for own in [*first.problems, *drifted])
    seen_names = tuple(names)[:MOST_NAMES]
    made = Profile(until, min(full, default=None), files, first.rows, seen_names, tuple(first.absent), said, first.columns)
    return json.loads(json.dumps(asdict(made), default=str))


def _drift(before: dict, columns: dict[str, list[str]], names: list[str], parts: list[Part]) -> list[Problem]:
    """Columns and names of events that came or went since the sources were last looked at."""
    found = []
    first = {part.source.name: part.label for part in reversed(parts)}
    now = {source: ("columns", "", own) for source, own in columns.items()}
    was = dict(before.get("columns") or {})
    if "events[1]" in columns and before.get("events_seen") and max(len(names), len(before["events_seen"])) < MOST_NAMES:
        now["events"], was["events"], first["events"] = ("events", "event", names), before["events_seen"], first["events[1]"]
    for source, (what, column, own) in now.items():
        came, went = (sorted(set(a) - set(b)) for a, b in ((own, was.get(source, own)), (was.get(source, own), own)))
        told = [f"{word}: {', '.join(some[:10])}" for word, some in (("new", came), ("gone", went)) if some]
        if told:
            said = f"its {what} are not those of the last time ({'; '.join(told)}). Check the export."
            found.append(problem("schema_drift", first[source], said, column=column))
    return found


def seen(connection, events: str | None) -> tuple[dict[str, int], dict[date, int]]:
    """Selected rows by name of the event, most frequent first, and by local day.

    Args:
        events: SQL of all rows of events; None where there are none.
    """
    named, days = Counter(), Counter()
    counts = f"SELECT event, day, count(*) FROM ({events}) WHERE _selected AND _fault IS NULL GROUP BY ALL"
    for event, day, rows in connection.execute(counts).fetchall() if events else ():
        named[event] += rows
        days[day] += rows
    return {name: named[name] for name in sorted(filter(None, named), key=lambda name: (-named[name], name))}, days


def full_days(days: dict[date, int]) -> list[date]:
    """Days since 2000 with at least 1 % of the median day's rows, oldest first.

    Where days have few rows, each row is a full day: what follows a gap of 60 days and is under 1 % of all rows is no day
    that the data reach, but a slip of the clock.
    """
    busy = {day: rows for day, rows in days.items() if day and day >= date(2000, 1, 1)}
    enough = ENOUGH_OF_A_DAY * median(busy.values()) if busy else 0
    full = sorted(day for day, rows in busy.items() if rows >= enough)
    for last, day in reversed(list(pairwise(full))):
        far = day - last > LONGEST_GAP
        if far and sum(busy[later] for later in full if later >= day) < ENOUGH_OF_A_DAY * sum(busy.values()):
            full = full[: full.index(day)]
    return full
