"""Where a person is found: in the sources, in their copies, in everything that was built from them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import paths
from helpers.errors import InputError
from helpers.problems import masked
from helpers.runs import identities, scrubbing
from helpers.runs.identities import Opened

if TYPE_CHECKING:
    import ibis

    from helpers.sources.profile import Part

STAGED, SPILL = "staged", "spill"
PSEUDONYM = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True)
class Person:
    """One person: the id in the sources ("" where only the pseudonym is known), and the pseudonym."""

    source_id: str
    pseudonym: str
    given: str

    @property
    def shown(self) -> str:
        """As a terminal may show it."""
        from helpers.sources import mistakes

        return mistakes.printable(masked(self.given))


@dataclass
class Traces:
    """Where the person is found.

    Attributes:
        tables: Rows that name the person, by Parquet file.
        texts: Executed notebooks, pages and the like that name the person.
        staged: Copies of source files that hold the person.
        stale: Copies of source files that are no more: they may hold the person in a form that only their source explained.
        sources: Rows that name the person, by source file.
        unread: Why the sources could not be looked at.
        again: Whether the person was forgotten before.
    """

    tables: dict[Path, int] = field(default_factory=dict)
    texts: list[Path] = field(default_factory=list)
    staged: list[Path] = field(default_factory=list)
    stale: list[Path] = field(default_factory=list)
    sources: dict[str, int] = field(default_factory=dict)
    unread: str = ""
    again: bool = False

    @property
    def in_built(self) -> bool:
        """Whether anything built holds the person, or may do so."""
        return bool(self.tables or self.texts or self.staged or (self.again and self.stale))


def look(at: Opened, name: str, *, is_pseudonym: bool, copies: set[Path]) -> tuple[Person, scrubbing.Wanted, Traces]:
    """Look for a person everywhere.

    Args:
        name: The id in the sources, or the pseudonym.
        copies: The copies of source files that there were before anybody looked.

    Raises:
        InputError: A table cannot be read.
    """
    from helpers.sources import privacy

    parts, traces, ids = [], Traces(), None
    try:
        parts = at.parts()
        ids = at.people(parts)
    except InputError as fault:
        traces.unread = str(fault)
    person = _person(at, name, ids, is_pseudonym)
    traces.again = person.pseudonym in privacy.forgotten(at.built)
    places = _in_sources(ids, parts, person, traces) if ids is not None else frozenset()
    separators = "".join(part.source.delimiter or "" for part in parts)
    wanted = scrubbing.Wanted(_names(at, person), person.source_id, identities.DELIMITERS + separators, places)
    _in_copies(at, parts, wanted, traces, copies)
    _in_built(at, wanted, traces)
    return person, wanted, traces


def _person(at: Opened, name: str, ids: ibis.Table | None, is_pseudonym: bool) -> Person:
    import ibis

    if not is_pseudonym:
        [made] = at.named(ibis.memtable({"source_id": [name]})).to_pyarrow().to_pylist()
        return Person(name, made["pseudonym"], name)
    named = at.named(ids) if ids is not None else None
    known = named.filter(named.pseudonym == name).to_pyarrow().to_pylist() if named is not None else []
    return Person(known[0]["source_id"] if known else "", name, name)


def _names(at: Opened, person: Person) -> tuple[str, ...]:
    """What the person may be called in what was built; an id that looks like a pseudonym may be somebody else's there."""
    doubtful = at.dataset.privacy.pseudonymise and PSEUDONYM.fullmatch(person.source_id)
    return (person.pseudonym,) if doubtful or not person.source_id else (person.pseudonym, person.source_id)


def _in_sources(ids: ibis.Table, parts: list[Part], person: Person, traces: Traces) -> frozenset[str]:
    """Count the person's rows by file; returns their places as the quarantine names them."""
    hashes = {part.label: part.sha256 for part in parts}
    own = ids.filter(ids.source_id == person.source_id).select("file", "line").distinct()
    found = own.order_by("file", "line").to_pyarrow().to_pylist() if person.source_id else []
    for row in found:
        traces.sources[row["file"]] = traces.sources.get(row["file"], 0) + 1
    return frozenset(f"{hashes[row['file']]}:{row['line']}" for row in found)


def _in_copies(at: Opened, parts: list[Part], wanted: scrubbing.Wanted, traces: Traces, copies: set[Path]) -> None:
    """A copy of a source holds the person where the source does, or in a column that nobody mapped."""
    labels: dict[str, list[str]] = {}
    for part in parts:
        labels.setdefault(part.sha256[:32], []).append(part.label)
    for copy in sorted((at.built / STAGED).glob("*.parquet")):
        own = labels.get(copy.name[:32], [])
        rows = scrubbing.holds_cell(copy, wanted)
        if copy in copies and (rows or any(label in traces.sources for label in own)):
            traces.staged.append(copy)
        elif copy in copies and not own:
            traces.stale.append(copy)
        for label in own:
            traces.sources |= {label: rows} if rows and label not in traces.sources else {}


def _in_built(at: Opened, wanted: scrubbing.Wanted, traces: Traces) -> None:
    from helpers.sources import privacy

    kept = {at.built / name for name in (identities.LOG, privacy.FORGOTTEN, ".lock", "root.json")}
    made = [path for path in sorted(at.built.rglob("*")) if path.is_file() and not path.is_symlink() and path not in kept]
    inside = {path: path.relative_to(at.built).parts for path in made}
    made = [path for path in made if inside[path][0] not in (STAGED, SPILL) and not any(map(paths.is_unfinished, inside[path]))]
    for path in made:
        if path.suffix == ".parquet" and (rows := scrubbing.rows_in(path, wanted)):
            traces.tables[path] = rows
    telling = at.dataset.privacy.pseudonymise or not traces.tables
    spelt = [name for name in wanted.names if len(name) >= scrubbing.SHORT or not telling]
    texts = [path for path in made if path.suffix != ".parquet"]
    traces.texts = [path for path in texts if scrubbing.holds_text(path, wanted, spelt)]
