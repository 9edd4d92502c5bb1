"""Small event logs for tests: files written below a folder, read through the project's own door with one engine for all."""

from __future__ import annotations

import csv
import hmac
import io
import itertools
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import ibis
import pyarrow as pa

from helpers import cleaning
from helpers.sources import dataset, engine, privacy, profile, reading

HEADER = """
timezone = "{zone}"
{top}
"""
EVENTS = """
[[events]]
file = "{file}"
user_id = "uid"
ts = "time"
event = "type"
{more}
"""
ROLES = """
[roles]
active = ["view"]
"""
JUDGEMENT = list(reading.OURS)


def toml(
    more: str = "", *, file: str = "events.csv", zone: str = "Asia/Shanghai", top: str = "", after: str = ""
) -> str:
    """A dataset.toml with one block of events; `more` are further lines of that block, `after` further sections."""
    return HEADER.format(zone=zone, top=top) + EVENTS.format(file=file, more=more) + ROLES + after


def as_csv(header: list[str], rows: list[list[str]], **options) -> bytes:
    """Rows as Python's csv module writes them."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", **options).writerows([header, *rows])
    return text.getvalue().encode()


@dataclass
class Shop:
    """A folder of sources with its dataset.toml."""

    folder: Path
    backend: object
    text: str
    key: bytes = b""
    found: dataset.Dataset = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "dataset.toml").write_text(self.text, "utf-8")
        self.found = dataset.load(self.folder, self.folder)

    @property
    def built(self) -> Path:
        return self.folder / "built"

    @property
    def parts(self) -> list[profile.Part]:
        return profile.parts(self.found)

    def rows(self, kind: str = "events", **options) -> ibis.Table:
        return reading.rows(self.backend, self.found, self.parts, kind, self.built, **options)

    def judged(self, kind: str = "events", *, as_of: datetime | None = None, future_from: datetime | None = None):
        """Computed once, since compiling is what takes time in tests."""
        return engine.keep(self.backend, cleaning.judge(self.rows(kind), kind, as_of=as_of, future_from=future_from))

    def records(self, kind: str = "events", **options) -> list[dict]:
        """Rows as plain Python values, in the order of files and lines."""
        return plain(self.rows(kind, **options))

    def ledger(self, *judged: ibis.Table):
        """The row ledger, against records counted as the staged files hold them."""
        counted: dict[tuple[str, str], int] = {}
        for part in self.parts:
            key = (part.source.kind, part.label)
            counted[key] = counted.get(key, 0) + reading.row_count(part, self.built)
        return cleaning.ledger(cleaning.reasons(*judged), counted)

    def pseudonym(self, user: str) -> str:
        """As Python makes it."""
        return hmac.new(privacy.key(self.found), user.encode(), "sha256").hexdigest()[:24] if user else ""


class Shops:
    """Makes shops below one folder, for one engine."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.numbers = folder, itertools.count()
        self.backend = engine.connect([folder], spill=folder / "spill", threads=1)

    def __call__(self, text: str = "", /, **files: bytes | str) -> Shop:
        """A shop; `files` by name, `__` standing for `/` and the last `_` for the dot before a suffix."""
        folder = self.folder / f"shop{next(self.numbers)}"
        folder.mkdir()
        for name, content in files.items():
            self.add(folder, name, content)
        return Shop(folder, self.backend, text or toml())

    def add(self, folder: Path, name: str, content: bytes | str) -> Path:
        for suffix in ("csv", "csv_gz", "csv_zst", "parquet"):
            if name.endswith(f"_{suffix}"):
                name = name.removesuffix(f"_{suffix}") + "." + suffix.replace("_", ".")
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


def plain(table: ibis.Table) -> list[dict]:
    """Rows as plain Python values, in the order of files and lines."""
    rows = table.to_pyarrow().to_pylist()
    return sorted(rows, key=lambda row: (row["_source"], row["_file"], row["_line"]))


def zoned(text: str, zone) -> datetime:
    """A local time as an instant: the second of two equal ones; one that the clock leaves out is read on the clock before."""
    local = datetime.fromisoformat(text).replace(tzinfo=zone)
    late = local.replace(fold=1)
    return late if local.utcoffset() > late.utcoffset() else local


def arrow(rows: list[dict]) -> pa.Table:
    """Rows of a Parquet source."""
    return pa.Table.from_pylist(rows)
