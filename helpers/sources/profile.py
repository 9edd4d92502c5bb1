"""What the sources hold, before anything is built: their hashes, the days they cover, the events they name.

Kept in `built/profile.json`, so that a run over unchanged files need not read them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from helpers import paths
from helpers.problems import FaultyData

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset, Source
    from helpers.sources.survey import Survey

VERSION = 4
ENOUGH_OF_A_DAY = 0.01
LONGEST_GAP = timedelta(days=60)


@dataclass(frozen=True)
class Part:
    """One file of a source: where it lies, how messages call it, and its content's hash."""

    source: Source
    path: Path
    label: str
    sha256: str

    @property
    def is_parquet(self) -> bool:
        return self.path.suffix.lower() == ".parquet"


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
    """

    data_until: date | None
    first_day: date | None
    files: dict[str, str]
    rows: dict[str, int]
    events_seen: tuple[str, ...]
    absent: tuple[str, ...] = ()
    said: tuple[tuple, ...] = ()


def parts(dataset: Dataset, known: dict[str, list] | None = None) -> list[Part]:
    """All source files; the hash of a file whose size and time have not changed is taken from `known`."""
    return [part for source in dataset.sources() for part in parts_of(dataset, source, known or {})]


def parts_of(dataset: Dataset, source: Source, known: dict[str, list]) -> list[Part]:
    """The same, of one source."""
    found = []
    for path in dataset.files(source):
        label, stamp = label_of(path, dataset.root), _stamp(path)
        seen = known.get(label)
        digest = seen[2] if seen and seen[:2] == stamp else file_hash(path)
        found.append(Part(source, path, label, digest))
    return found


def file_hash(path: Path) -> str:
    """SHA-256 of the file's bytes as they lie on disk."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def label_of(path: Path, root: Path) -> str:
    """The file's name as messages and ledgers call it: relative to the folder of the sources."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def profile(dataset: Dataset) -> Profile:
    """The dataset's profile, computed when a file or dataset.toml has changed.

    Raises:
        InputError: A file is missing, empty or damaged, or a role names an event that never occurs.
    """
    cache = paths.built(dataset.name) / "profile.json"
    known = _load(cache)
    found = parts(dataset, known.get("stamps"))
    key = [VERSION, dataset.sha256, sorted((part.source.name, part.label, part.sha256) for part in found)]
    key = json.loads(json.dumps(key))
    if known.get("key") != key:
        known = {"key": key, "profile": _compute(dataset, found)}
    known["stamps"] = {part.label: [*_stamp(part.path), part.sha256] for part in found}
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


def _compute(dataset: Dataset, found: list[Part]) -> dict:
    from helpers.sources import engine
    from helpers.sources import survey as surveying

    built = paths.built(dataset.name)
    built.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = engine.connect_plainly([dataset.root, built], spill=built / "spill")
    first = surveying.survey(connection, dataset, found, built)
    if first.errors:
        raise FaultyData(first.errors)
    names, days = seen(connection, first)
    dataset.check_roles(list(names), sum(names.values()))
    full = full_days(days)
    until = dataset.data_until or max(full, default=None)
    files = {part.label: part.sha256 for part in found}
    said = tuple(tuple(asdict(problem).values()) for problem in first.problems)
    made = Profile(until, min(full, default=None), files, first.rows, tuple(names)[:1000], tuple(first.absent), said)
    return json.loads(json.dumps(asdict(made), default=str))


def seen(connection, first: Survey) -> tuple[dict[str, int], dict[date, int]]:
    """Selected rows by name of the event, most frequent first, and by local day."""
    if "events" not in first.queries:
        return {}, {}
    usable = "WHERE _selected AND _fault IS NULL GROUP BY ALL"
    named, days = Counter(), Counter()
    for event, day, rows in connection.execute(
        f"SELECT event, day, count(*) FROM ({first.queries['events']}) {usable}"
    ).fetchall():
        named[event] += rows
        days[day] += rows
    return {name: named[name] for name in sorted(filter(None, named), key=lambda name: (-named[name], name))}, days


def full_days(days: dict[date, int]) -> list[date]:
    """Days since 2000 with at least 1 % of the median day's rows, oldest first.

    Where days have few rows, each row is a full day: what follows a gap of 60 days and is under 1 % of all rows is no day
    that the data reach, but a slip of the clock.
    """
    busy = {day: rows for day, rows in days.items() if day and day >= date(2000, 1, 1)}
    full = sorted(day for day, rows in busy.items() if rows >= ENOUGH_OF_A_DAY * median(busy.values()))
    for last, day in reversed(list(pairwise(full))):
        far = day - last > LONGEST_GAP
        if far and sum(busy[later] for later in full if later >= day) < ENOUGH_OF_A_DAY * sum(busy.values()):
            full = full[: full.index(day)]
    return full
