"""When a step may be reused: a key of everything that can change what it says, kept beside what it made."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.errors import InputError
from helpers.runs import notebooks, restating, store
from helpers.runs.graph import EVERYTHING, Step
from helpers.runs.store import Run, lacking
from helpers.sources.profile import Profile

RUN, REUSE, SKIP, WAIT = "run", "reuse", "skip", "wait"
WORDS = {
    "code": "its code changed",
    "sources": "the source files changed",
    "forgotten": "who is forgotten changed",
    "dataset.toml": "dataset.toml changed",
    "experiments.toml": "experiments.toml changed",
    "engine": "another engine",
    "pseudonyms": "another pseudonym key",
    "helpers": "helpers/ changed",
    "lock": "requirements.lock changed",
    "as of": "the week ends at another instant",
    "published.csv": "weeks before this one were published",
}


@dataclass(frozen=True)
class Inputs:
    """What all steps of one run have in common."""

    run: Run
    profile: Profile
    folder: Path = field(default=paths.PROJECT / "helpers")
    lock: Path = field(default=paths.PROJECT / "requirements.lock")

    @cached_property
    def code(self) -> str:
        return source_hash(self.folder)

    @cached_property
    def lock_hash(self) -> str:
        return _sha(self.lock.read_bytes()) if self.lock.exists() else "none"

    @cached_property
    def pseudonyms(self) -> str:
        from helpers.sources import privacy

        wanted = self.run.dataset.privacy.pseudonymise
        return privacy.key_id(privacy.key(self.run.dataset)) if wanted else "none"

    @cached_property
    def forgotten(self) -> str:
        from helpers.sources import privacy

        return digest(sorted(privacy.forgotten(paths.built(self.run.dataset.name))))

    @cached_property
    def sources(self) -> str:
        return digest(self.profile.files)

    def check_unchanged(self, step: Step) -> None:
        """See to it that what a step has read is what its key is made of.

        Raises:
            InputError: A source, a file of settings or the notebook was changed meanwhile; names it.
        """
        from helpers.sources import dataset as datasets

        dataset = self.run.dataset
        self.profile.check_unchanged(dataset)
        for path, same in (
            (dataset.path, lambda: _sha(dataset.path.read_bytes()) == dataset.sha256),
            (dataset.folder / "rules.toml", lambda: datasets.rules(dataset) == self.run.rules),
            (dataset.folder / "experiments.toml", lambda: datasets.experiments(dataset) == self.run.experiments),
            (step.notebook.path, lambda: notebooks.read(step.notebook.path).cells == step.notebook.cells),
        ):
            with suppress(OSError):
                if same():
                    continue
            raise InputError(f"{path.name}: it was changed while the report was built. Run the same command again.")


@dataclass(frozen=True)
class Record:
    """What is known of a step that ran: its key in parts, what it made and its executed notebook (hash, size, time each), and how
    long its cells took.
    """

    parts: dict[str, Any]
    artefacts: dict[str, list]
    notebook: list
    seconds: float
    cells: dict[str, float]

    @property
    def key(self) -> str:
        return digest(self.parts)


@dataclass(frozen=True)
class Decision:
    """What to do with a step ("run", "reuse", "skip", or "wait": only known once those before it have run), and why."""

    action: str
    why: str


def source_hash(folder: Path) -> str:
    """The hash of all source files of a package; the defaults are left out, since rules count section by section."""
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.parent != folder / "defaults"
    )
    digest = hashlib.sha256()
    for path in found:
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def code_hash(step: Step) -> str:
    """The hash of a notebook's code cells; its parameters count by their values."""
    return digest([[cell.id, cell.source] for cell in step.notebook.code if "parameters" not in cell.tags])


def look(path: Path) -> list[int]:
    """Size and time of a file, or of the files in a folder."""
    found = [file.stat() for file in sorted(path.iterdir())] if path.is_dir() else [path.stat()]
    return [sum(own.st_size for own in found), max((own.st_mtime_ns for own in found), default=0)]


def file_hash(path: Path) -> str:
    """The hash of a file's bytes, or of the names and bytes of the files in a folder."""
    if path.is_dir():
        return digest([[file.name, file_hash(file)] for file in sorted(path.iterdir())])
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def parts(step: Step, inputs: Inputs, artefacts: dict[str, str]) -> dict[str, Any]:
    """Everything that a step's outcome depends on, by a name that a person understands.

    Args:
        artefacts: Artefact -> hash, for those that exist; one that the dataset cannot have is absent.
    """
    run, names = inputs.run, step.names
    found: dict[str, Any] = {
        "code": code_hash(step),
        "as of": [run.week, run.as_of.isoformat() if run.as_of else None],
        "dataset.toml": run.dataset.sha256,
        "engine": digest(str(run.dataset.engine)),
        "helpers": inputs.code,
        "lock": inputs.lock_hash,
    }
    found |= {f"parameter {name}": value for name, value in step.values.items()}
    found |= {f"artefact {name}": artefacts.get(name) for name in step.makers}
    if names.sources:
        found |= {"sources": inputs.sources, "pseudonyms": inputs.pseudonyms, "forgotten": inputs.forgotten}
    for section in list(run.rules) if EVERYTHING in names.rules else names.rules:
        found[f"rules.toml [{section}]"] = digest(run.rules.get(section))
    if names.experiments:
        found["experiments.toml"] = digest(run.experiments)
    for fact in sorted({"data_until", "complete", "future_from"} & set(names.facts)):
        found[f"the data's {fact}"] = str(getattr(run, fact))
    if "published" in names.facts:
        found["published.csv"] = digest(restating.of_experiments(run.dataset.name, run.week, own=False))
    return found


def decide(
    step: Step, inputs: Inputs, folder: Path, done: dict[str, Record | None], *, force: bool = False
) -> tuple[Decision, Record | None]:
    """What to do with a step whose predecessors are in `done` (with None for those that were skipped).

    Returns:
        The decision, and the record of the step where it is reused.
    """
    if step.skip:
        return Decision(SKIP, step.skip), None
    waits = sorted(step.after - set(done))
    if force:
        return Decision(RUN, "asked by --force"), None
    record = read_record(folder, step.name)
    if record is None or not executed(folder, step.name).exists():
        return Decision(RUN, "never run for this week"), None
    if waits:
        return Decision(WAIT, f"depends on what {' and '.join(waits)} will make"), record
    current = parts(step, inputs, hashes(done))
    why = _difference(record.parts, json.loads(json.dumps(current, default=str)))
    why = why or _tampered(step, inputs.run, folder.parent, record)
    return (Decision(RUN, why), None) if why else (Decision(REUSE, "nothing changed"), record)


def hashes(done: dict[str, Record | None]) -> dict[str, str]:
    """Artefact -> hash over all finished steps."""
    return {name: made[0] for record in done.values() if record for name, made in record.artefacts.items()}


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The first things that differ, as a reason."""
    changed = [name for name in {**now, **before} if before.get(name) != now.get(name) or (name in before) != (name in now)]
    reasons = []
    for name in changed:
        kind, _, rest = name.partition(" ")
        if kind == "parameter":
            reasons.append(f"{rest} is {now.get(name)}, was {before.get(name)}")
        else:
            reasons.append(WORDS.get(name, f"{name} changed"))
    return ", ".join(reasons[:2]) + (f" and {len(reasons) - 2} more" if len(reasons) > 2 else "")


def _tampered(step: Step, run: Run, folder: Path, record: Record) -> str:
    for name, known in record.artefacts.items():
        path = folder / f"{name}.parquet"
        if not path.exists():
            return f"its {name} is missing"
        if _is_other(path, *known):
            return f"its {name} was changed since"
    if _is_other(executed(folder / "steps", step.name), *record.notebook):
        return "its executed notebook was changed since"
    if "record" in step.names.facts and not (folder / store.RECORDS).is_dir():
        return f"its {store.RECORDS} are missing"
    missing = [name for name in expected(step, run) if name not in record.artefacts]
    return f"its {missing[0]} is missing" if missing else ""


def _is_other(path: Path, known: str, size: int, stamp: int) -> bool:
    return look(path) != [size, stamp] and file_hash(path) != known


def as_it_is(path: Path) -> list:
    """Hash, size and time of a file or folder of files, as a record keeps them."""
    return [file_hash(path), *look(path)]


def expected(step: Step, run: Run) -> list[str]:
    """The artefacts that a step must make for this dataset."""
    from helpers.runs import graph

    needs = graph.needs()
    return [name for name in step.names.writes if not lacking(run.dataset, needs.get(name, ""))]


def made(names: list[str], folder: Path) -> dict[str, list]:
    """Artefacts as they are, as a record keeps them."""
    return {name: as_it_is(folder / f"{name}.parquet") for name in names}


def executed(folder: Path, name: str) -> Path:
    """The executed notebook of a step."""
    return folder / f"{name}.ipynb"


def record_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def read_record(folder: Path, name: str) -> Record | None:
    try:
        return Record(**json.loads(record_path(folder, name).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_record(folder: Path, name: str, record: Record) -> None:
    with paths.whole(record_path(folder, name)) as fresh:
        fresh.write_text(json.dumps(vars(record), ensure_ascii=False, default=str), encoding="utf-8")


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digest(value: Any) -> str:
    """The hash of a plain value, whatever the order of its keys."""
    return _sha(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode())
