"""`check`: what a dataset's files are worth, judged without building anything."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.errors import InputError
from helpers.problems import ERROR, NOTE, WARN, FaultyData, Problem, problem

if TYPE_CHECKING:
    import pandas as pd

    from helpers.sources.dataset import Dataset
    from helpers.sources.profile import Part
    from helpers.sources.survey import Survey

SEVERITIES = {ERROR: 0, WARN: 1}
WORDS = ((ERROR, "error"), (WARN, "warning"), (NOTE, "note"))


@dataclass
class Verdict:
    """What was found: the row ledger of each file that could be read, and everything that is to be said."""

    dataset: str
    as_of: str = ""
    data_until: str = ""
    files: list[dict[str, Any]] = field(default_factory=list)
    messages: list[Problem] = field(default_factory=list)

    @property
    def status(self) -> str:
        """The worst found: "error", "warn" or "ok"."""
        found = {message.severity for message in self.messages}
        return ERROR if ERROR in found else WARN if WARN in found else "ok"

    def lines(self) -> list[str]:
        """As `check` prints it: the ledger, what was found, and the verdict."""
        found = []
        for row in self.files:
            aside = sum(row["quarantined"].values())
            parts = {"kept": row["kept"], "not selected": row["not_selected"], "after as_of": row["after_as_of"]}
            parts |= {"duplicates": row["duplicates"], "set aside": aside}
            counted = ", ".join(f"{rows:,} {name}" for name, rows in parts.items() if rows or name == "kept")
            found.append(f"{row['file']} ({row['table']}): {row['rows_in']:,} rows = {counted}")
        counted = Counter(message.severity for message in self.messages)
        said = ", ".join(f"{counted[kind]} {word}{'s' * (counted[kind] != 1)}" for kind, word in WORDS if counted[kind])
        verdict = {"ok": "Everything is as it should be.", WARN: f"Usable, with {said}.", ERROR: f"Not usable: {said}."}
        found += ["", *map(str, self.messages)] if self.messages else []
        return [*found, "", verdict[self.status]]

    def exit_code(self, *, strict: bool) -> int:
        return 2 if self.status == ERROR else 3 if strict and self.status == WARN else 0

    def as_json(self) -> dict[str, Any]:
        """As `check --json` prints it."""
        head = {"dataset": self.dataset, "status": self.status, "as_of": self.as_of, "data_until": self.data_until}
        messages = [{**asdict(message), "text": str(message)} for message in self.messages]
        return {**head, "files": self.files, "messages": messages}


def check(name: str, root: str | None = None, as_of: date | None = None) -> Verdict:
    """Judge a dataset: nothing is raised for what is wrong with it, and nothing is written.

    Args:
        as_of: Rows after this local day wait, and no day after it counts as reached by the data.
    """
    from helpers.runs import opening, ruling
    from helpers.sources import dataset as datasets

    verdict = Verdict(Path(name).resolve().name, as_of.isoformat() if as_of else "")
    try:
        found = datasets.load(name, root)
    except InputError as fault:
        verdict.messages.append(problem("dataset_toml", "dataset.toml", str(fault)))
        return verdict
    try:
        ruling.check(found)
    except InputError as fault:
        verdict.messages.append(problem("rules_toml", "rules.toml", str(fault)))
        return verdict
    opening.prepare(found)
    with tempfile.TemporaryDirectory(prefix="growth-rings-check-") as folder:
        _judge(verdict, found, Path(folder), as_of)
    order = {message: number for number, message in enumerate(verdict.messages)}
    verdict.messages.sort(key=lambda message: (SEVERITIES.get(message.severity, 2), order[message]))
    return verdict


def _parts(verdict: Verdict, dataset: Dataset) -> list[Part]:
    from helpers.sources import profile

    found = []
    for source in dataset.sources():
        try:
            found += profile.parts_of(dataset, source, {})
        except InputError as fault:
            verdict.messages.append(problem("missing_file", source.file or "", str(fault)))
    return found


def _judge(verdict: Verdict, dataset: Dataset, folder: Path, as_of: date | None) -> None:
    from helpers.sources import engine, ids, profile, survey

    # Ids stay as they are: they are compared with each other, masked wherever they are named, and written nowhere.
    plain = dataset.model_copy(update={"privacy": dataset.privacy.model_copy(update={"pseudonymise": False})})
    parts = _parts(verdict, plain)
    backend = engine.of(dataset, folder)
    first = survey.survey(backend.con, plain, parts, folder)
    verdict.messages += first.problems
    dataset = plain.without(first.absent)
    names, days = profile.seen(backend.con, first.queries.get("events"))
    try:
        dataset.check_roles(list(names), sum(names.values()))
    except InputError as fault:
        if "events" in first.queries and names:
            verdict.messages.append(problem("unseen_event", "", str(fault)))
    full = profile.full_days(days)
    until = dataset.data_until or max(full, default=None)
    until = min(until, as_of) if until and as_of else until
    verdict.data_until = until.isoformat() if until else ""
    files = {kind: next((part.label for part in first.parts if part.source.kind == kind), "") for kind in first.queries}
    verdict.messages += ids.look_at(backend.con, first.queries, files)
    _judge_rows(verdict, dataset, backend, first, folder, (min(full, default=None), until, as_of))


def _judge_rows(
    verdict: Verdict, dataset: Dataset, backend, first: Survey, folder: Path, days: tuple[date | None, date | None, date | None]
) -> None:
    from helpers import cleaning
    from helpers.runs import saying
    from helpers.sources import engine, reading
    from helpers.sources.dataset import rules

    first_day, until, as_of = days
    ends = {"as_of": _end(as_of, dataset, 1), "future_from": _end(until, dataset, 2)}
    judged = {
        kind: engine.keep(backend, cleaning.judge(reading.rows(backend, dataset, first.parts, kind, folder), kind, **ends))
        for kind in first.queries
    }
    if not judged:
        return
    reasons = cleaning.reasons(*judged.values())
    rows_in = Counter()
    for part in first.parts:
        if part.source.kind in judged:
            rows_in[part.source.kind, part.label] += first.rows[part.label]
    ledger = cleaning.ledger(reasons, dict(rows_in))
    verdict.files = _files(ledger, reasons)
    verdict.messages += saying.set_aside(reasons, ledger, first.parts, judged)
    verdict.messages += saying.odd(judged)
    verdict.messages += saying.limits(reasons, ledger, dataset)
    found = cleaning.suspicions(
        judged, roles=dataset.roles, limits=rules(dataset)["suspicions"], first_day=first_day, as_of_day=as_of, data_until=until,
        has_amounts=dataset.has("amounts"), exact_dropped=dataset.cleaning.drop_exact_duplicates,
    )  # fmt: skip
    verdict.messages += saying.suspicions(found)


def _end(day: date | None, dataset: Dataset, days: int) -> datetime | None:
    """The instant at which the day ends that lies so many days less one after this one."""
    return None if day is None else datetime.combine(day + timedelta(days=days), datetime.min.time(), tzinfo=dataset.zone)


def _files(ledger: pd.DataFrame, reasons: pd.DataFrame) -> list[dict[str, Any]]:
    aside = reasons[reasons["status"] == "quarantined"]
    found = []
    for row in ledger.to_dict("records"):
        own = aside[(aside["table"] == row["table"]) & (aside["file"] == row["file"])]
        by_reason = {reason: int(rows) for reason, rows in zip(own["reason"], own["rows"], strict=True)}
        found.append({**row, "quarantined": by_reason})
    return found


def must_be_sound(verdict: Verdict) -> None:
    """Raise what was found, if anything of it stops a run."""
    errors = [message for message in verdict.messages if message.severity == ERROR]
    if errors:
        raise FaultyData(errors)
