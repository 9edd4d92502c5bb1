"""Removing a person from everything built: tables, copies of sources, quarantine, executed notebooks.

The sources are their owner's, and are only counted. That no later run brings the person back from them is the doing of
`built/forgotten.csv`, which is read at the door (`helpers.sources.privacy`).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import paths
from helpers.errors import InputError
from helpers.runs import failures, identities, keys, locking, publish, scrubbing, store
from helpers.runs.identities import Opened
from helpers.runs.traces import PSEUDONYM, STAGED, Person, Traces, look
from helpers.sources import engine

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset


def forget(
    user: str,
    *,
    dataset: str = "sample",
    root: str | None = None,
    is_pseudonym: bool = False,
    confirm: Callable[[str], bool] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Remove a person from everything built for a dataset, and say what was done and what is left to do.

    Args:
        user: The id as the sources spell it, or the pseudonym.
        confirm: Asks the person at the terminal; None asks nobody.
        say: Told when another run is waited for.

    Raises:
        InputError: No terminal to ask at, no such dataset, or tables that were made under another key; nothing was changed.
        EnvironmentFault: A file cannot be written, or another run does not end. Run again: what is done is not done twice.
    """
    from helpers.sources import dataset as datasets

    if confirm is not None and not sys.stdin.isatty():
        raise InputError("forget: there is no terminal to ask at, and this cannot be undone. Add --yes to do it unasked.")
    loaded = datasets.load(dataset, root)
    name = _checked(user, loaded, is_pseudonym)
    built = paths.built(loaded.name)
    try:
        with _no_new_copies(built) as copies, locking.held(built, say), identities.opened(dataset, root) as at:
            _check_keys(at)
            person, wanted, traces = look(at, name, is_pseudonym=is_pseudonym, copies=copies)
            if not (traces.in_built or traces.sources):
                return _nowhere(at, person, traces)
            if traces.again and not traces.in_built:
                return [_done(at, person, traces), *_left(at, person, traces, [])]
            if confirm is not None and not confirm(_question(at, person, traces)):
                return ["Nothing was changed."]
            rebuild = _remove(at, person, wanted, traces)
            return [_done(at, person, traces), *_left(at, person, traces, rebuild)]
    except OSError as fault:
        raise failures.of_system(fault) from fault


def _checked(user: str, dataset: Dataset, is_pseudonym: bool) -> str:
    name = user.strip(" ")
    if not name.strip():
        raise InputError("forget: the id is blank. Give it as the sources spell it.")
    if is_pseudonym and not dataset.privacy.pseudonymise:
        raise InputError(f"forget --pseudonym: the ids of {dataset.name} are source ids. Leave --pseudonym away.")
    if is_pseudonym and not PSEUDONYM.fullmatch(name):
        raise InputError("forget --pseudonym: a pseudonym has 24 digits, 0 to 9 and a to f. Leave --pseudonym away for an id.")
    return name


@contextmanager
def _no_new_copies(built: Path) -> Iterator[set[Path]]:
    """What looking at the sources leaves behind goes again, and a folder that was not there before with it."""
    fresh, before = not built.exists(), set((built / STAGED).glob("*"))
    try:
        yield before
    finally:
        for copy in set((built / STAGED).glob("*")) - before:
            copy.unlink(missing_ok=True)
        if fresh and not any(path.is_file() for path in built.rglob("*") if path.name != ".lock"):
            shutil.rmtree(built, ignore_errors=True)
            with suppress(OSError):  # the folder above is not empty where dataset.toml or the sources lie in it
                built.parent.rmdir()


def _check_keys(at: Opened) -> None:
    """Under another key the person has another name, and would be overlooked."""
    from helpers.sources import privacy

    own = {None, "none", privacy.key_id(privacy.key(at.dataset))}
    for week, _, record in _records(at.built):
        key = record.parts.get("pseudonyms")
        if key not in own:
            folder = failures.short(at.built / week)
            raise InputError(
                f"{folder}: was built under the pseudonym key {key}, under which this person cannot be found. Give that key "
                f"({privacy.KEY_VARIABLE}, or [privacy] key), or delete the folder; then run again."
            )


def _records(built: Path) -> Iterator[tuple[str, str, keys.Record]]:
    """The week, the name and the record of every step that counts as done."""
    for path in sorted(built.glob("*/steps/*.json")):
        record = keys.read_record(path.parent, path.stem)
        if record is not None:
            yield path.parent.parent.name, path.stem, record


def _remove(at: Opened, person: Person, wanted: scrubbing.Wanted, traces: Traces) -> list[str]:
    """First what keeps the person from coming back, then what would pass for up to date, then the rest; weeks to rebuild."""
    from helpers.sources import privacy

    key = identities.log(at, "forget", 1, 1)
    if not traces.again:
        path = at.built / privacy.FORGOTTEN
        before = path.read_text(encoding="utf-8") if path.exists() else "pseudonym,key\n"
        identities.write_private(path, f"{before}{person.pseudonym},{key}\n")
    weeks = _outdate(at.built, traces)
    for path in traces.texts:
        path.unlink(missing_ok=True)
    for path in traces.tables:
        scrubbing.rewrite(path, wanted)
    unfinished = [path for path in paths.below(at.built) if paths.is_unfinished(path.name)]
    for path in (*traces.staged, *traces.stale, *unfinished):
        paths.remove(path)
    for folder in engine.spilled(at.dataset, at.built).glob("*"):
        if not _is_alive(folder.name):
            shutil.rmtree(folder, ignore_errors=True)
    return weeks


def _outdate(built: Path, traces: Traces) -> list[str]:
    """Take away the records of steps whose artefacts or notebooks hold the person, or whose sources do; returns their weeks."""
    tables = {path.parent if path.parent.suffix == ".parquet" else path for path in traces.tables}  # some are folders of files
    touched = {path.parent for path in traces.texts if path.parent.name == "steps"} | {path.parent for path in tables}
    weeks = {folder.parent.name if folder.name == "steps" else folder.name for folder in touched}
    for week, step, record in _records(built):
        made = {built / week / f"{name}.parquet" for name in record.artefacts}
        folder = built / week / "steps"
        reads = bool(traces.sources) and not traces.again and "sources" in record.parts
        if reads or made & tables or keys.executed(folder, step) in traces.texts:
            keys.record_path(folder, step).unlink(missing_ok=True)
            weeks.add(week)
    return sorted(week for week in weeks if (built / week / "steps").is_dir())


def _is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True


def _nowhere(at: Opened, person: Person, traces: Traces) -> list[str]:
    if traces.unread:
        raise InputError(f"{person.shown} is in nothing built, and the sources cannot be looked at:\n{traces.unread}")
    if traces.again:
        return [f"{person.shown} was forgotten before, and nothing is left: nothing was changed."]
    unsaid = PSEUDONYM.fullmatch(person.given) and person.source_id == person.given
    hint = " If that is a pseudonym, add --pseudonym." if unsaid else ""
    said = f"{person.shown} is nowhere, neither in the sources of {at.dataset.name} nor in what was built: nothing was changed."
    return [said + hint]


def _counted(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def _found(at: Opened, traces: Traces) -> str:
    rows = sum(traces.tables.values())
    weeks = sorted({path.relative_to(at.built).parts[0] for path in traces.tables})
    where = f" ({', '.join(weeks)})" if weeks else ""
    return (
        f"{_counted(rows, 'row')} of {_counted(len(traces.tables), 'table')}{where}, "
        f"{_counted(len(traces.texts), 'executed notebook or page', 'executed notebooks or pages')}, "
        f"{_counted(len(traces.staged) + len(traces.stale), 'copy of a source', 'copies of sources')}"
    )


def _question(at: Opened, person: Person, traces: Traces) -> str:
    return f"{person.shown} in {at.dataset.name}: {_found(at, traces)}. Remove all of it, for good?"


def _done(at: Opened, person: Person, traces: Traces) -> str:
    if traces.in_built:
        return f"{person.shown} was removed from what was built for {at.dataset.name}: {_found(at, traces)}."
    before = "was forgotten before" if traces.again else "will be left out of what is built from now on"
    return f"{person.shown} {before}; nothing built for {at.dataset.name} holds this person."


def _left(at: Opened, person: Person, traces: Traces, rebuild: list[str]) -> list[str]:
    """What is still to be done, and by whom; and what need not be."""
    from helpers.sources import mistakes

    lines = []
    if traces.unread:
        lines += ["The sources could not be looked at, and may hold this person still:", f"  {traces.unread}"]
    if traces.sources:
        lines += [
            "The sources hold this person still, and must be mended where they are kept. Until then every run sets these rows",
            "aside, but copies them below built/staged; when they are mended, run this command once more:",
        ]
        lines += [f"  {_hidden(label, person)}: {_counted(rows, 'row')}" for label, rows in sorted(traces.sources.items())]
    if person.source_id in at.dataset.cleaning.exclude_users:
        lines.append(f"{mistakes.label(at.dataset.path)}: [cleaning] exclude_users names this person. Take the line out.")
    if rebuild:
        lines.append("Build these weeks again:")
        lines += [f"  {_command(at.dataset, week)}" for week in rebuild]
    reports = paths.reports(at.dataset.name)
    if pages := publish.weeks_of(reports) if reports.is_dir() else []:
        lines.append(f"The published pages ({', '.join(pages)}) are as they were: they name no person.")
    return lines


def _hidden(label: str, person: Person) -> str:
    """A file's name as a terminal may show it: it may be named after the person."""
    from helpers.sources import mistakes

    told = len(person.source_id) >= scrubbing.SHORT
    return mistakes.printable(label.replace(person.source_id, person.shown) if told else label)


def _command(dataset: Dataset, week: str) -> str:
    """The command that builds a week, with the place of the sources where it is not the usual one."""
    from helpers.sources import dataset as datasets

    said = store.command(dataset, week)
    usual = " ROOT=" in said or datasets.load(dataset.folder).root == dataset.root
    return said if usual else f"{said} ROOT={dataset.root}"
