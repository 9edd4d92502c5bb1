"""What a notebook holds in its hand: one dataset as of the end of one week, and the artefacts built for it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import contracts, paths
from helpers.errors import InputError, RunFailed
from helpers.runs import weeks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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

        paths.make_private(self.folder)
        memory = os.environ.get(MEMORY_VARIABLE)
        if memory and not re.fullmatch(r"[0-9]+ ?[KMGT]i?B", memory):
            raise InputError(f"{MEMORY_VARIABLE}={memory}: write it as 500MB or 4GB.")
        return engine.of(self.dataset, memory=memory)

    def read(self, name: str) -> ibis.Table | pd.DataFrame:
        """An artefact: an ibis table, or a pandas frame where its contract says small.

        Raises:
            InputError: It is not built yet, or this dataset cannot have it; says which notebook makes it and how.
        """
        from helpers.runs import artefacts

        contract = contracts.find(name)
        if lacking(self.dataset, contract.needs):
            raise InputError(f'run.read("{name}"): {cannot_have(self.dataset, contract.needs)}')
        if not artefacts.place(self, name).exists():
            from helpers.runs import live

            raise live.NotBuilt(self.not_built(name), self)
        return artefacts.load(self, contract)

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
        from helpers.runs import artefacts

        contract = contracts.find(name)
        if table is None:
            if lacking(self.dataset, contract.needs):
                return None
            raise RunFailed(f'run.write("{name}", None): this dataset has what {name} needs, so give a table.')
        artefacts.write(self, contract, table)
        return artefacts.load(self, contract)

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
        return appending.append(
            self.engine, paths.built(self.dataset.name) / "facts", kept, layers,
            key=keys.digest([code, vars(layers)]),
            marks=self.marks_of_events, rows=self.events.rows_of_days, last_day=self.last_day,
        )  # fmt: skip

    @property
    def marks_of_events(self) -> dict[date, str]:
        """A text for each local day that has events: another when any of them says something else, or is judged otherwise."""
        future = self.future_from.date() if self.future_from else date.max
        return {day: f"{mark}{day >= future}" for day, mark in self.events.marks.items()}

    def week_ends(
        self, name: str, make: Callable[[date, int], ibis.Table], *,
        of: Sequence[str], given: Any, weeks: int, people: ibis.Table | None = None, newest: ibis.Table | None = None,
        at_hand: int = 1, last_day: date | None = None, days: int = 7,
    ) -> ibis.Table:
        """Rows of the last week ends, with `weeks_ago`: made for those that are new or changed, the others as they are kept.

        Args:
            make: The same as of a day, of so many week ends up to it, from the artefacts in `of`; nothing after an end counts.
            of: Names of the artefacts that they follow from; those that this dataset cannot have are left out.
            given: Everything else that decides what they are, such as rules.
            people: A row a person, where many week ends of many people are to be made a few at a time; None: all at once.
            newest: The rows of the last week end, where they are at hand; or of the last `at_hand` ones.
            last_day, days: Of other periods the end of the last one, and how long each is; `weeks_ago` then counts these.
        """
        from helpers.runs import week_ends

        of = [label for label in of if not lacking(self.dataset, contracts.find(label).needs)]
        return week_ends.table(
            self, name, make, of=of, given=given, weeks=weeks, people=people, newest=newest, at_hand=at_hand,
            last_day=last_day, days=days,
        )  # fmt: skip

    def totals(
        self, name: str, rows: ibis.Table, make: Callable[[ibis.Table], ibis.Table], *,
        of: str, by: Sequence[str], last_day: date | None, given: Any = None, how: Mapping[str, str] | None = None,
    ) -> ibis.Table:  # fmt: skip
        """Totals of an artefact's rows up to a day, as `helpers.portraits.totals.of_rows` gives them: those of earlier days
        are kept. `how` says of which columns the least or the largest counts; `of` may be "events", too, those that are kept.
        """
        from helpers.runs import totals

        if last_day is None or lacking(self.dataset, of if of == "events" else contracts.find(of).needs):
            return make(rows)
        return totals.table(self, name, rows, make, of=of, by=by, last_day=last_day, given=given, how=how)

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

    def rows(self, kind: str) -> int:
        """Rows that came in of one kind of source."""
        return sum(count for (own, _), count in self.rows_in.items() if own == kind)

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

    def keep(self, table: ibis.Table, kind: str = "") -> ibis.Table:
        """The same table, computed once and held by the engine for the cells that follow.

        Of judged events that might not fit into DuckDB's memory only those that do not simply count are held; they stay a query
        where that is too much as well. Spark holds tables on disk.

        Args:
            kind: The kind of source of which these are all rows, judged; "" of any other table.
        """
        from helpers.cleaning import judging
        from helpers.sources import engine

        rows = self.rows(kind)
        if rows <= MOST_HELD or self.dataset.engine.spark:
            return engine.keep(self.engine, table)
        if kind != "events":
            return table
        odd = engine.keep(self.engine, self.of_files("odd", table, judging.odd))
        if odd.count().to_pandas() <= MOST_HELD:
            met = judging.met(engine.view(self.engine, self.events.rows()), odd)
            return engine.view(self.engine, self.engine.compile(met))
        engine.drop(self.engine, odd)
        return table

    def of_files(self, name: str, events: ibis.Table, make: Callable[[ibis.Table], ibis.Table]) -> ibis.Table:
        """What `make` gives of all judged events, each row of it from one file alone: of many, those of old files are kept."""
        from helpers.runs import of_files

        few = self.last_day is None or self.rows("events") <= MOST_HELD or self.dataset.engine.spark
        return make(events) if few else of_files.table(self, name, events, make)

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


def _stamps(name: str) -> dict[str, list] | None:
    try:
        return json.loads((paths.built(name) / "profile.json").read_text(encoding="utf-8"))["stamps"]
    except (OSError, ValueError, KeyError):
        return None

