"""dataset.toml: the one file that a user writes, read into typed and checked values.

`load` finds it, reads it and tells every mistake in it at once. What its right-hand sides may say is in `expressions.py`;
its companions rules.toml and experiments.toml are in `rules.py` and `plans.py`. data/README.md is the reference for
those who write one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, ValidationError

from helpers import paths
from helpers.errors import InputError, nearest
from helpers.sources import blocks, checks, finding, mistakes
from helpers.sources.choice import Engine
from helpers.sources.expressions import Expression
from helpers.sources.rules import experiments, rules

__all__ = ["Dataset", "Source", "experiments", "folder_of", "load", "names", "rules"]

SOURCES_VARIABLE = "GROWTH_RINGS_SOURCES"
Text = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class Source(_Part):
    """One source: a file, a folder of parts or a table, and what its columns are called here.

    name: "events[1]", "users", "units.cookie_cats"; kind: "events", "users", "units".
    columns: canonical column -> expression; for users every other key is an attribute, for units every other key is a
        metric or an attribute.
    drop_exact_duplicates: overrides [cleaning]; None where the source does not say.
    """

    name: str
    kind: str
    file: Text | None = None
    table: Text | None = None
    where: InstanceOf[Expression] | None = None
    columns: dict[str, InstanceOf[Expression]]
    delimiter: Text | None = None
    encoding: Text | None = None
    ts_format: Text | None = None
    ts_unit: Literal["s", "ms", "us", "ns"] | None = None
    drop_exact_duplicates: bool | None = None

    def needed(self) -> set[str]:
        """The names of all columns that the source reads, as they are written."""
        read = [*self.columns.values(), *([self.where] if self.where else [])]
        return {name for expression in read for name in (*expression.columns, expression.text.strip())}


class Simulate(_Part):
    """The built-in community: its files are made when they are missing."""

    seed: Annotated[int, Field(ge=0)]
    null: bool = False


class Privacy(_Part):
    """How people are protected; see data/README.md."""

    pseudonymise: bool = True
    key: Text | None = None
    allow_columns: list[str] = []
    min_group: Annotated[int, Field(ge=1)] = 10
    purpose: str = ""
    minimum_age: Annotated[int, Field(ge=0)] | None = None


class Cleaning(_Part):
    """Limits of the cleaning; one that is raised above its default has a reason, which the page shows."""

    max_quarantined_share: Share = 0.05
    max_bad_mandatory_share: Share = 0.20
    drop_exact_duplicates: bool = True
    exclude_users: dict[str, Text] = {}
    reasons: dict[Literal["max_quarantined_share", "max_bad_mandatory_share"], Text] = {}


class Dataset(_Part):
    """What dataset.toml says, and where the files lie."""

    name: str
    folder: Path
    root: Path
    sha256: str
    timezone: Text
    title: Text
    currency: str | None = None
    people: Text | None = None
    language: Literal["en", "zh"] = "en"
    engine: InstanceOf[Engine] = Engine()
    data_until: date | None = None
    simulate: Simulate | None = None
    events: list[Source] = []
    users: Source | None = None
    assignments: Source | None = None
    units: dict[str, Source] = {}
    spend: Source | None = None
    touches: Source | None = None
    feedback: Source | None = None
    roles: dict[str, list[str]] = {}
    privacy: Privacy = Privacy()
    cleaning: Cleaning = Cleaning()

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone in which local days and weeks are cut."""
        return ZoneInfo(self.timezone)

    @property
    def path(self) -> Path:
        """The dataset.toml itself."""
        return self.folder / "dataset.toml"

    def sources(self) -> list[Source]:
        """All sources, events first, in the order of the file."""
        single = [self.users, self.assignments, *self.units.values(), self.spend, self.touches, self.feedback]
        return [*self.events, *(source for source in single if source is not None)]

    def files(self, source: Source) -> list[Path]:
        """The source's files below `root`, in natural order (part-2 before part-10).

        Raises:
            InputError: There are none; names the pattern, the folder, and what lies there. Or Spark cannot read them.
        """
        found = finding.files(self.root, source.file or "", self.place(source))
        other = [path.name for path in found if path.suffix.lower() != ".parquet"]
        if self.engine.spark and other:
            raise InputError(
                f"{self.place(source)}\n  On Spark a source is Parquet files or a table, and {other[0]} is neither. Write it as "
                'Parquet (in DuckDB: COPY (FROM \'it.csv\') TO \'it.parquet\'), name a table = "...", or take engine = "duckdb".'
            )
        return found

    def has(self, part: str) -> bool:
        """Whether the dataset has a part: a kind of source, a role (`pay`), a mapped column (`users.city`), or one of
        topics, kinds, campaigns, amounts, replies, channels, registrations, referrals, experiments."""
        if part in PARTS:
            return any(self._maps(column) for column in PARTS[part])
        if part in blocks.KINDS:
            return bool(getattr(self, part))
        if part in checks.ROLES:
            return bool(self.roles.get(part))
        if part == "replies":
            return self._maps("events.parent_id") and self._maps("events.content_id")
        if part == "experiments":
            return bool(self.units) or self.assignments is not None
        if "." in part:
            return self._maps(part)
        allowed = [*PARTS, *blocks.KINDS, *checks.ROLES, "replies", "experiments"]
        raise ValueError(f'A dataset has no part "{part}".{nearest(part, allowed)}')

    def without(self, absent: Iterable[str]) -> Dataset:
        """The same without mapped columns that no file has; `absent` as in `profile.Profile`."""
        gone = set(absent)
        if not gone:
            return self

        def thinned(source: Source | None) -> Source | None:
            kept = source and {column: made for column, made in source.columns.items() if f"{source.name}.{column}" not in gone}
            return source and source.model_copy(update={"columns": kept})

        single = {kind: thinned(getattr(self, kind)) for kind in ("users", "assignments", "spend", "touches", "feedback")}
        units = {name: thinned(source) for name, source in self.units.items()}
        return self.model_copy(update={"events": [thinned(source) for source in self.events], "units": units, **single})

    def check_roles(self, seen: list[str], rows: int) -> None:
        """Every event that a role names was seen in the data.

        Args:
            seen: The event names that occur.
            rows: The number of rows that were looked at.

        Raises:
            InputError: A role names an event that never occurs; says which do, and the nearest.
        """
        checks.roles_seen(self.path, self.roles, seen, rows)

    def _maps(self, column: str) -> bool:
        kind, _, name = column.partition(".")
        return any(source.kind == kind and name in source.columns for source in self.sources())

    def place(self, source: Source) -> str:
        """Where dataset.toml names a source's files or table, for messages."""
        said = f"file = {mistakes.show(source.file)}" if source.file else f"table = {mistakes.show(source.table)}"
        return f"{mistakes.label(self.path)}: {blocks.heading(source.name)} {said}"


PARTS = {
    "topics": ["events.topic"],
    "kinds": ["events.content_kind"],
    "campaigns": ["events.campaign"],
    "amounts": ["events.amount"],
    "channels": ["users.channel"],
    "registrations": ["users.registered_at"],
    "referrals": ["users.referrer_id"],
}


def load(dataset: str | Path, root: str | Path | None = None) -> Dataset:
    """Read and check a dataset.

    Args:
        dataset: A name under data/, or the path of a folder that holds a dataset.toml.
        root: Where the source files lie. Otherwise the environment variable GROWTH_RINGS_SOURCES, else `raw/` in the
            dataset's folder, else that folder. A simulated dataset without `root` lies below the built root.

    Raises:
        InputError: There is no such dataset, or its dataset.toml has mistakes: all of them, each with its place, its
            value, what is allowed and the nearest match.
    """
    folder = folder_of(dataset)
    path = folder / "dataset.toml"
    raw, content = mistakes.read_toml(path)
    found, wrong = checks.read(folder.name, raw, mistakes.label(path))
    given = {
        "title": folder.name,
        **found,
        "name": folder.name,
        "folder": folder,
        "root": _root(folder, "simulate" in raw, root),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    given.setdefault("timezone", "UTC")  # what is wrong with the zone has been said
    try:
        made = Dataset.model_validate(given)
    except ValidationError as fault:
        models = {"privacy": Privacy, "cleaning": Cleaning, "simulate": Simulate}
        known = {section: list(model.model_fields) for section, model in models.items()} | {"": list(blocks.TOP)}
        wrong += mistakes.from_pydantic(fault, raw, known)
    if wrong:
        raise mistakes.tell(path, wrong)
    return made


def names() -> list[str]:
    """The datasets under data/."""
    return sorted(path.parent.name for path in (paths.PROJECT / "data").glob("*/dataset.toml"))


def folder_of(dataset: str | Path) -> Path:
    """The folder of a dataset by its name or path.

    Raises:
        InputError: There is none; names those that there are.
    """
    text = str(dataset).strip()
    if text and "/" not in text and (paths.PROJECT / "data" / text / "dataset.toml").is_file():
        return paths.PROJECT / "data" / text
    path = paths.at_home(text or ".")
    folder = path.parent if path.name == "dataset.toml" else path
    if text and (folder / "dataset.toml").is_file():
        return folder.resolve()
    there = names()
    if text and folder.is_dir():
        raise InputError(
            f"{mistakes.label(folder)}: no dataset.toml lies there. data/README.md shows how to write one."
        )
    raise InputError(
        f'No dataset is called "{mistakes.show(text)[1:-1]}".{nearest(text, there)} Under data/ there are: '
        f"{', '.join(there)}. A path to a folder with a dataset.toml does as well."
    )


def _root(folder: Path, simulated: bool, root: str | Path | None) -> Path:
    """Simulated files are written, so they never go where the environment says that someone's own files lie."""
    if root is not None and str(root):
        return paths.at_home(root).resolve()
    if simulated:
        return paths.built_root() / "data" / folder.name / "raw"
    if os.environ.get(SOURCES_VARIABLE):
        return paths.at_home(os.environ[SOURCES_VARIABLE]).resolve()
    return folder / "raw" if (folder / "raw").is_dir() else folder
