"""Who is behind a pseudonym: told to those alone who hold the key and the sources, to a file of their own, and logged.

How a person is removed is in `forgetting.py`.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import paths
from helpers.errors import InputError
from helpers.runs import failures, opening, store
from helpers.spreadsheets import disarmed

if TYPE_CHECKING:
    import ibis

    from helpers.sources.dataset import Dataset
    from helpers.sources.profile import Part

LOG = "identities.log"
COLUMN = "user_id"
ID_COLUMNS = ("user_id", "referrer_id", "unit_id")
DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Opened:
    """A dataset whose sources are at hand: where its artefacts lie, and an engine that sees both."""

    dataset: Dataset
    built: Path
    backend: object

    def parts(self) -> list[Part]:
        """The source files."""
        from helpers.sources import profile

        return profile.parts(self.dataset)

    def people(self, parts: list[Part]) -> ibis.Table:
        """Every id that stands in the sources, as often as it stands there: `source_id`, `file`, `line`."""
        import ibis

        from helpers.sources import reading

        plain = self.dataset.privacy.model_copy(update={"pseudonymise": False})
        dataset = self.dataset.model_copy(update={"privacy": plain})
        # A unit without an id goes by its line number, which is nobody's.
        named = [part for part in parts if set(ID_COLUMNS) & set(part.source.columns)]
        found = [ibis.memtable({"source_id": [""], "file": [""], "line": [0]})]
        for kind in sorted({part.source.kind for part in named}):
            rows = reading.rows(self.backend, dataset, named, kind, self.built, whole=False)
            for column in set(ID_COLUMNS) & set(rows.columns):
                found.append(rows.select(source_id=rows[column], file=rows["_file"], line=rows["_line"]))
        return ibis.union(*found).filter(lambda ids: ids.source_id != "")

    def named(self, ids: ibis.Table) -> ibis.Table:
        """The ids of a column `source_id`, each once, with their pseudonyms: `source_id`, `pseudonym`."""
        from helpers.sources import engine, privacy

        once = engine.keep(self.backend, ids.select("source_id").distinct())
        made = privacy.pseudonym_sql("source_id", privacy.key(self.dataset))
        return engine.view(self.backend, f"SELECT source_id, {made} AS pseudonym FROM {once.get_name()}")


@contextmanager
def opened(dataset: str, root: str | None) -> Iterator[Opened]:
    """Open a dataset and an engine for its sources, without looking at any of them yet.

    Raises:
        InputError: dataset.toml is wrong.
    """
    from helpers.sources import dataset as datasets
    from helpers.sources import engine

    if root is None and not os.environ.get(store.SOURCES_VARIABLE):
        root = opening.remembered_root(Path(dataset).name)
    loaded = datasets.load(dataset, root)
    opening.prepare(loaded)
    built = paths.built(loaded.name)
    paths.make_private(built)
    spill = engine.spilled(loaded, built) / str(os.getpid())
    backend = engine.of(loaded)
    try:
        yield Opened(loaded, built, backend)
    finally:
        backend.disconnect()
        shutil.rmtree(spill, ignore_errors=True)


def join_back(
    source: str, *, dataset: str = "sample", root: str | None = None, out: str | None = None, force: bool = False
) -> list[str]:
    """Join a list of pseudonyms back to source ids, write them to a file, log it, and say what was done.

    The file has the columns `user_id` (as in the list, in its order) and `source_id` (empty where it is unknown, or of a
    person who was forgotten); mode 0600. A cell that a spreadsheet would take for a formula, or that begins with an
    apostrophe, gets an apostrophe in front: whoever takes one away from each cell that has one has the ids again.

    Args:
        source: A file with a pseudonym a line, or a CSV with a column `user_id`; "-" is standard input.
        out: The file to write; by default beside the list, its name ending in `.ids.csv`.
        force: Whether a file that is there already may be written over.

    Raises:
        InputError: The list or the place of the file will not do; nothing has been written.
        EnvironmentFault: A file cannot be read or written.
    """
    from helpers.sources import dataset as datasets
    from helpers.sources import mistakes

    loaded = datasets.load(dataset, root)
    if not loaded.privacy.pseudonymise:
        place = mistakes.label(loaded.path)
        return [f"{place}: [privacy] pseudonymise = false, so the ids of {loaded.name} are source ids already."]
    place = checked_place(_place(source, out), loaded, force=force)
    try:
        asked = pseudonyms_of(source)
        with opened(dataset, root) as at:
            found = _joined(at, asked)
            key = log(at, "ids", len(asked), sum(map(found.__contains__, asked)))
        write_private(place, as_csv(("user_id", "source_id"), ((name, found.get(name, "")) for name in asked)))
    except OSError as fault:
        raise failures.of_system(fault) from fault
    return _said(asked, found, key, place)


def _said(asked: list[str], found: dict[str, str], key: str, place: Path) -> list[str]:
    unknown = sum(name not in found for name in asked)
    lines = [f"{len(asked)} asked for, {len(asked) - unknown} found, {unknown} unknown (their source_id is empty)."]
    if not found:
        lines.append(f"None is known under the key {key}. What was made under another key cannot be joined back with it.")
    return [*lines, f"Written for your eyes alone: {failures.short(place)}"]


def _joined(at: Opened, asked: list[str]) -> dict[str, str]:
    """Pseudonym -> source id, of those that the sources know; who was forgotten is not told."""
    import pyarrow as pa

    from helpers.sources import engine, privacy

    wanted = sorted(set(asked) - privacy.forgotten(at.built))
    names = engine.take(at.backend, pa.table({"pseudonym": pa.array(wanted, pa.string())}))
    known = at.named(at.people(at.parts()))
    rows = known.semi_join(names, "pseudonym").to_pyarrow().to_pylist()
    return {row["pseudonym"]: row["source_id"] for row in rows}


def pseudonyms_of(source: str) -> list[str]:
    """The pseudonyms of a list, in its order, as often as they stand there.

    Raises:
        InputError: It is not text, is empty, or has several columns of which none is called user_id; no cell is repeated.
    """
    label = "standard input" if source == "-" else source
    try:
        content = sys.stdin.buffer.read() if source == "-" else paths.at_home(source).read_bytes()
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{label}: not UTF-8 text. Save it as a CSV in UTF-8, or as text with a pseudonym a line.") from None
    except OSError as fault:
        raise InputError(f"{label}: cannot be read ({fault.strerror}). Name a file with a pseudonym a line.") from None
    head = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(DELIMITERS, key=head.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(map(str.strip, row))]
    except csv.Error as fault:
        raise InputError(f"{label}: cannot be read as a CSV ({fault}). Write a pseudonym a line.") from None
    first = [cell.strip() for cell in rows[0]] if rows else []
    if COLUMN not in first and len(first) > 1:
        raise InputError(
            f"{label}: {len(first)} columns, and none is called {COLUMN}. Call that of the pseudonyms so, in the first line."
        )
    at, body = (first.index(COLUMN), rows[1:]) if COLUMN in first else (0, rows)
    asked = [row[at].strip() for row in body if len(row) > at and row[at].strip()]
    if not asked:
        raise InputError(f"{label}: there is no pseudonym in it. Write one a line.")
    return asked


def _place(source: str, out: str | None) -> Path:
    if out is None and source == "-":
        raise InputError("--out: a list from standard input has no place of its own. Name the file to write.")
    return paths.at_home(out) if out is not None else paths.at_home(source).with_suffix(".ids.csv")


def checked_place(path: Path, dataset: Dataset, *, force: bool) -> Path:
    """Where a file with source ids is to lie, if it may lie there: not where it would be committed or passed around.

    Raises:
        InputError: It may not, its folder is missing, or a file is there already.
    """
    path = path.resolve()
    own, top = paths.built(dataset.name), paths.built_root()
    moved = not paths.PROJECT.is_relative_to(top)
    private = path.is_relative_to(own) or (moved and path.is_relative_to(top) and not path.is_relative_to(top / "reports"))
    shared = path.is_relative_to(paths.PROJECT) or path.is_relative_to(top / "reports")
    if shared and not private:
        raise InputError(
            f"--out {failures.short(path)}: a file with source ids does not belong into the project, where it could be committed "
            f"or passed around. Name a place outside it, or below {failures.short(own)}."
        )
    if not path.parent.is_dir():
        raise InputError(f"--out {failures.short(path)}: there is no such folder. Make it, or name another file.")
    if path.is_dir():
        raise InputError(f"--out {failures.short(path)}: that is a folder. Name a file in it.")
    if path.exists() and not force:
        raise InputError(f"--out {failures.short(path)}: the file is there already. Name another one, or give --force.")
    return path


def log(at: Opened, command: str, asked: int, found: int) -> str:
    """Note a use of the key, without any id: when, what for, how many; returns the key's own id.

    No number depends on this line, which is why it alone may read the clock.
    """
    from helpers.sources import privacy

    key = privacy.key_id(privacy.key(at.dataset))
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    with os.fdopen(os.open(at.built / LOG, flags, 0o600), "a", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), 0o600)
        stream.write(f"{moment} {command} asked={asked} found={found} key={key}\n")
    return key


def as_csv(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A CSV in which no cell is a formula; a lone carriage return is quoted too, which Python's writer forgets."""
    lines = (",".join(_quoted(disarmed(cell)) for cell in row) for row in (header, *rows))
    return "".join(f"{line}\n" for line in lines)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in ',"\r\n') else cell


def write_private(path: Path, text: str) -> None:
    """Write a text whole or not at all, for its owner alone."""
    with paths.whole(path) as fresh:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(fresh, flags, 0o600), "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
