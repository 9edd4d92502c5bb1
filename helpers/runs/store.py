"""What a notebook holds in its hand: one dataset as of the end of one week, and the artefacts built for it."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import contracts, paths
from helpers.errors import InputError, RunFailed
from helpers.runs import checks, weeks

if TYPE_CHECKING:
    import ibis
    import pandas as pd

    from helpers.facts import Layers
    from helpers.runs import own_rules
    from helpers.runs.appending import Appended, Stored
    from helpers.sources.dataset import Dataset
    from helpers.sources.events import Events

SOURCES_VARIABLE = "GROWTH_RINGS_SOURCES"
MEMORY_VARIABLE = "GROWTH_RINGS_MEMORY"
RECORDS = "records"  # the folder of experiments' records
MOST_HELD = 2_000_000  # rows
PARTS = {
    "events": "[[events]]",
    "topics": "topic column in its [[events]]",
    "kinds": "content_kind in its [[events]]",
    "campaigns": "campaign in its [[events]]",
    "amounts": "amount in its [[events]]",
}


@dataclass(frozen=True)
class Run:
    """One dataset as of the end of one week.

    Attributes:
        dataset: The validated dataset.toml.
        week: ISO week such as "2026-W10", or "undated".
        as_of: The exclusive instant at which the week ends in the dataset's zone; None when undated.
        first_day, last_day: The week's Monday and Sunday; None when undated.
        data_until: Last local day that the data reach; None when undated.
        complete: Whether the data reach the week's end.
        rules, experiments: The defaults with the dataset's own laid over them.
    """

    dataset: Dataset
    week: str
    as_of: datetime | None
    first_day: date | None
    last_day: date | None
    data_until: date | None
    complete: bool
    rules: dict[str, Any]
    experiments: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Where this week's artefacts lie; readable by their owner alone."""
        return paths.built(self.dataset.name) / self.week

    @cached_property
    def engine(self):
        """The ibis backend; connected on first use."""
        from helpers.sources import engine

        built = paths.built(self.dataset.name)
        paths.make_private(self.folder)
        spill, memory = built / "spill" / str(os.getpid()), os.environ.get(MEMORY_VARIABLE)
        if memory and not re.fullmatch(r"[0-9]+ ?[KMGT]i?B", memory):
            raise InputError(f"{MEMORY_VARIABLE}={memory}: write it as 500MB or 4GB.")
        return engine.connect([built, self.dataset.root], spill=spill, memory=memory)

    def read(self, name: str) -> ibis.Table | pd.DataFrame:
        """An artefact: an ibis table, or a pandas frame where its contract says small.

        Raises:
            InputError: It is not built yet, or this dataset cannot have it; says which notebook makes it and how.
        """
        contract = contracts.find(name)
        path = self.folder / f"{name}.parquet"
        if lacking(self.dataset, contract.needs):
            raise InputError(f'run.read("{name}"): {cannot_have(self.dataset, contract.needs)}')
        if not path.exists():
            from helpers.runs import live

            raise live.NotBuilt(self.not_built(name), self)
        return self._load(contract)

    def _load(self, contract: contracts.Contract) -> ibis.Table | pd.DataFrame:
        path = self.folder / f"{contract.name}.parquet"
        return read_small(path) if contract.small else self._table(path)

    def find(self, name: str) -> ibis.Table | pd.DataFrame | None:
        """The same, or None when this dataset cannot have it."""
        return None if lacking(self.dataset, contracts.find(name).needs) else self.read(name)

    def write(self, name: str, table: ibis.Table | pd.DataFrame | Stored | None) -> ibis.Table | pd.DataFrame | None:
        """Check a table against its contract, write it for this week, and return it as `read` would.

        None is accepted, and nothing written, where the dataset lacks what the artefact needs.

        Raises:
            RunFailed: A breach of the contract: column, count, likely cause, remedy.
            EnvironmentFault: The disk is full or not writable.
        """
        contract = contracts.find(name)
        if table is None:
            if lacking(self.dataset, contract.needs):
                return None
            raise RunFailed(f'run.write("{name}", None): this dataset has what {name} needs, so give a table.')
        paths.make_private(self.folder)
        path = self.folder / f"{name}.parquet"
        if hasattr(table, "before_last_day"):
            self._link(contract, table, path)
            return self._load(contract)
        with paths.whole(path) as fresh:
            if hasattr(table, "iloc"):
                _write_frame(checks.to_arrow(contract, table), fresh)
            else:
                self._write_table(contract, table, fresh)
        return self._load(contract)

    def _write_table(self, contract: contracts.Contract, table: ibis.Table, path: Path) -> None:
        from helpers.sources import engine

        engine.write(self.engine, checks.conform(contract, table), path, sort=list(contract.key))
        path.chmod(0o600)  # the engine may have put a file of its own in the place of the one that was made for it
        checks.check_rows(contract, engine.read(self.engine, path))

    def _link(self, contract: contracts.Contract, stored: Stored, path: Path) -> None:
        """A folder of links to the files of the facts, which are checked as they are made."""
        from helpers.sources import engine

        with paths.whole_folder(path) as fresh:
            for first, last, piece in stored.pieces:
                target = fresh / f"{first}.parquet"
                if last < stored.last_day:
                    link(piece, target)
                else:
                    engine.write(self.engine, stored.before_last_day(piece), target, sort=list(contract.key))
            link(stored.tail, fresh / f"{stored.last_day}.parquet")

    def append(self, kept: ibis.Table, layers: Layers) -> Appended:
        """The facts up to the end of the week: made for days that are new or changed, the others as they are stored.

        Args:
            kept: Kept events as `facts.timed` gives them.
            layers: How events become facts.
        """
        from helpers.runs import appending, keys

        if self.events is None or self.last_day is None:
            return appending.nothing(self.engine, kept, layers)
        code = keys.source_hash(paths.PROJECT / "helpers")
        future = self.future_from.date() if self.future_from else date.max
        return appending.append(
            self.engine, paths.built(self.dataset.name) / "facts", kept, layers,
            key=keys.digest([code, vars(layers)]),
            marks={day: f"{mark}{day >= future}" for day, mark in self.events.marks.items()},
            rows=self.events.rows_of_days, last_day=self.last_day,
        )  # fmt: skip

    def _table(self, path: Path) -> ibis.Table:
        from helpers.sources import engine

        return engine.read(self.engine, path)

    def source(self, kind: str) -> ibis.Table | None:
        """The raw rows of one kind of source ("events", "users", ...), typed; None when the dataset has none."""
        from helpers.sources import engine, profile, reading

        if kind == "events" and self.events:
            return engine.view(self.engine, self.events.query())
        parts = profile.parts(self.dataset, _stamps(self.dataset.name))
        return reading.rows(self.engine, self.dataset, parts, kind, paths.built(self.dataset.name))

    @cached_property
    def events(self) -> Events | None:
        """The events as they passed the door; None for a dataset without any."""
        from helpers.sources import events, profile

        parts = profile.parts(self.dataset, _stamps(self.dataset.name))
        return events.admit(self.engine.con, self.dataset, parts, paths.built(self.dataset.name))

    def quarantine(self, judged: list[ibis.Table]) -> ibis.Table:
        """The quarantined rows of judged tables with their raw text (contract `quarantine`): for whoever mends the source."""
        import pyarrow as pa

        from helpers import cleaning
        from helpers.sources import engine, privacy, profile, quarantine

        aside = [cleaning.quarantined(table).to_pyarrow() for table in judged]
        parts = profile.parts(self.dataset, _stamps(self.dataset.name))
        made = quarantine.table(parts, pa.concat_tables(aside), self.id, cleaning.column_of)
        built = paths.built(self.dataset.name)
        if privacy.forgotten(built):
            made = quarantine.without(made, parts, privacy.forgotten(built), privacy.key(self.dataset))
        return engine.take(self.engine, made)

    def record(self, records: dict[str, dict[str, Any]]) -> pd.DataFrame:
        """Leave the records of experiments beside this week's artefacts; returns which experiment's lies where.

        Args:
            records: As `helpers.experiments.records` makes them.
        """
        from helpers.runs import records as files

        return files.write(self, records)

    def save_segment(self, name: str, condition: str) -> own_rules.Kept:
        """Write a named segment into the dataset's rules.toml; the next report has it.

        Raises:
            InputError: The name or the condition cannot be; nothing was written.
        """
        from helpers.runs import own_rules

        return own_rules.save(self.dataset, self.rules["segments"], name, condition)

    def drop_segment(self, name: str) -> own_rules.Kept:
        """Take a named segment out of the dataset's rules.toml again."""
        from helpers.runs import own_rules

        return own_rules.drop(self.dataset, name)

    def published(self) -> pd.DataFrame:
        """The effects of experiments as they were first published, in this week and in those before it.

        Returns:
            `week`, `metric` ("experiment: metric"), `slice` (the arm), `value`, `low`, `high`, `n`.
        """
        from helpers.runs import restating

        return restating.effects(self.dataset.name, self.week)

    @property
    def id(self) -> str:
        """What is judged, in twelve letters: dataset.toml, the week and the files."""
        from helpers.runs import keys
        from helpers.sources import profile

        return keys.digest([self.dataset.sha256, self.week, profile.profile(self.dataset).files])[:12]

    def keep(self, table: ibis.Table) -> ibis.Table:
        """The same table, computed once and held by the engine for the cells that follow.

        Where so many rows came in that they might not fit into memory it stays a query, which is computed where it is used.
        """
        from helpers.sources import engine

        return table if sum(self.rows_in.values()) > MOST_HELD else engine.keep(self.engine, table)

    @property
    def future_from(self) -> datetime | None:
        """The instant from which on a time is taken for a mistake: the end of the day after `data_until`."""
        if self.data_until is None:
            return None
        return datetime.combine(self.data_until + timedelta(days=2), datetime.min.time(), tzinfo=self.dataset.zone)

    @cached_property
    def rows_in(self) -> dict[tuple[str, str], int]:
        """Records of each (kind of source, file), as counted when the file was read."""
        from helpers.sources import profile

        rows = profile.profile(self.dataset).rows
        found: dict[tuple[str, str], int] = {}
        for part in profile.parts(self.dataset, _stamps(self.dataset.name)):
            key = (part.source.kind, part.label)
            found[key] = found.get(key, 0) + rows[part.label]
        return found

    def not_built(self, name: str) -> str:
        """What is said of an artefact that is not there: which notebook makes it, and which command."""
        from helpers.runs import graph, notebooks

        makers = [
            notebook.name for notebook in notebooks.read_all(paths.NOTEBOOKS) if name in graph.names(notebook).writes
        ]
        maker = f"{makers[0]} makes it: r" if makers else "R"
        return (
            f'run.read("{name}"): not built yet for {self.dataset.name}, {self.week}. '
            f"{maker}un `{command(self.dataset, self.week)}` first."
        )


def lacking(dataset: Dataset, needs: str) -> bool:
    return bool(needs) and not dataset.has(needs)


def cannot_have(dataset: Dataset, needs: str) -> str:
    """ "not for this dataset, which has no [[events]]": the one sentence for what a dataset lacks."""
    return f"not for this dataset, which has no {PARTS.get(needs, f'[{needs}]')}"


def command(dataset: Dataset, week: str, *, shown: bool = False) -> str:
    """The command that builds this week; `shown` on a page, it names no place of this machine."""
    default = Path(dataset.folder).parent == paths.PROJECT / "data"
    words = ["make report", f"DATASET={dataset.name if default or shown else dataset.folder}", f"WEEK={week}"]
    if week == weeks.UNDATED.label:
        words.pop()
    if os.environ.get(SOURCES_VARIABLE) and dataset.simulate is None:
        words.append("ROOT=..." if shown else f"ROOT={dataset.root}")
    return " ".join(words)


def link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the place knows no links."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def read_small(path: Path) -> pd.DataFrame:
    """A small artefact as a pandas frame; days are datetime64, as everywhere in pandas."""
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path).to_pandas(date_as_object=False)


def _stamps(name: str) -> dict[str, list] | None:
    try:
        return json.loads((paths.built(name) / "profile.json").read_text(encoding="utf-8"))["stamps"]
    except (OSError, ValueError, KeyError):
        return None


def _write_frame(table, path: Path) -> None:
    import pyarrow.parquet

    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as stream:
        pyarrow.parquet.write_table(table, stream, compression="zstd")
