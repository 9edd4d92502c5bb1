"""A first look at all sources: what stops a run before a row is judged, and what is to be said of the files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.errors import InputError
from helpers.problems import ERROR, FaultyData, Problem, problem
from helpers.sources import engine, parquet, privacy, reading, staging

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset, Source
    from helpers.sources.profile import Part

LOOKED_AT = 10_000  # rows


@dataclass
class Survey:
    """Attributes:
    problems: Errors, warnings and notes, file by file.
    parts: The files that can be read.
    rows: Records of each of them, by its label.
    queries: SQL of the rows of each kind, the pseudonyms left out, for `reading.rows`; of kinds that can be read.
    absent: Optional columns that dataset.toml names and no file has: "events[1].amount".
    columns: Names of the columns that the files of a source have, by the source's name.
    """

    problems: list[Problem] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    queries: dict[str, str] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=dict)

    @property
    def errors(self) -> list[Problem]:
        return [found for found in self.problems if found.severity == ERROR]


def survey(connection, dataset: Dataset, parts: list[Part], built: Path) -> Survey:
    """Stage every file and bind every source; nothing is raised for what is wrong with one of them."""
    found = Survey()
    _stage_two_at_a_time(parts, built)
    columns: dict[str, list[str]] = {}
    for part in parts:
        try:
            columns[part.label] = _columns(part, built)
            found.rows[part.label] = reading.row_count(part, built)
        except FaultyData as fault:
            found.problems += fault.problems
            continue
        found.parts.append(part)
        if not (part.is_parquet or part.is_table):
            said = staging.notes(reading.staged(part, built))
            found.problems += [problem(name, part.label, text) for name, text in said]
    for source in dataset.sources():
        own = [part for part in found.parts if part.source.name == source.name]
        whole = len(own) == sum(part.source.name == source.name for part in parts)
        _look_at_parts(found, own, columns, whole)
        found.columns[source.name] = sorted({name for part in own for name in columns[part.label]})
        for column in _contact(connection, dataset, source, own, built) if own else ():
            found.absent.append(f"{source.name}.{column}")
            said = f"{column} looks like contact data and was dropped. [privacy] allow_columns names it if it may stay."
            found.problems.append(problem("contact_dropped", own[0].label, said, column=column))
    for kind in {source.kind: None for source in dataset.sources()}:
        try:
            found.queries[kind] = reading.query(connection, dataset.without(found.absent), found.parts, kind, built, whole=False)
        except FaultyData as fault:
            found.problems += fault.problems
        except InputError as fault:
            found.problems.append(problem("dataset_toml", "", str(fault)))
    return found


def _contact(connection, dataset: Dataset, source: Source, parts: list[Part], built: Path) -> list[str]:
    """Attributes that look like contact data: by their names, or because more than half of their values do."""
    found = [column for column, own in source.columns.items() if privacy.is_contact(column, own, dataset)]
    asked = {
        column: own for column, own in source.columns.items()
        if column not in found and privacy.may_be_contact(column, own, dataset)
    }  # fmt: skip
    if not asked:
        return found
    label = engine.named(connection, reading.united(parts, built))
    own, counts = list(engine.types(connection, label)), {}
    for column, expression in asked.items():
        with suppress(InputError):  # a column that is not there is told elsewhere
            text = f"CAST({expression.bind(own).sql()} AS VARCHAR)"
            counts[column] = f"2 * count_if({privacy.contact_sql(text)}) > count(nullif(trim({text}), ''))"
    if counts:
        sql = f"SELECT {', '.join(counts.values())} FROM (SELECT * FROM {label} LIMIT {LOOKED_AT})"
        looks = connection.execute(sql).fetchone()
        found += [column for column, is_one in zip(counts, looks, strict=True) if is_one]
    return found


def _stage_two_at_a_time(parts: list[Part], built: Path) -> None:
    """Copies of files are made beside each other; what is wrong with one is raised again, and told, where it is looked at."""

    def stage(part: Part) -> None:
        with suppress(InputError):
            reading.staged(part, built)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(stage, {part.sha256: part for part in parts if not part.is_table}.values()))


def _columns(part: Part, built: Path) -> list[str]:
    """The columns of one file that matter, by name."""
    if part.is_parquet or part.is_table:
        return parquet.columns(part)
    import pyarrow.parquet

    names = pyarrow.parquet.read_schema(reading.staged(part, built)).names
    return [name for name in names if name not in (*staging.OUR_COLUMNS, staging.ROW)]


def _look_at_parts(found: Survey, parts: list[Part], columns: dict[str, list[str]], whole: bool) -> None:
    """Parts without rows, parts with other columns, columns that no part has."""
    if not parts:
        return
    empty = [part for part in parts if not found.rows[part.label]]
    if len(empty) == len(parts) and whole:
        found.problems += [problem("no_rows", part.label) for part in parts]
        found.parts = [part for part in found.parts if part not in parts]
        return
    found.problems += [problem("empty_part", part.label) for part in empty]
    source = parts[0].source
    every = {column.strip().casefold() for part in parts for column in columns[part.label]}
    for part in parts:
        own = {column.strip().casefold() for column in columns[part.label]}
        lacking = sorted(
            column for column, expression in source.columns.items()
            if not all(name.strip().casefold() in own for name in expression.columns)
            and all(name.strip().casefold() in every for name in expression.columns)
        )  # fmt: skip
        must = [column for column in lacking if column in reading.MANDATORY[source.kind]]
        if must:
            said = f"this part has no {', '.join(must)}, as the others have. Its columns: {', '.join(columns[part.label][:30])}."
            found.problems.append(problem("missing_column", part.label, said, column=must[0]))
        elif lacking:
            said = f"this part has no {', '.join(lacking)}, as the others have: empty there. Export all parts alike."
            found.problems.append(problem("odd_part", part.label, said, column=lacking[0]))
    for column, expression in source.columns.items():
        there = all(name.strip().casefold() in every for name in expression.columns)
        if not there and expression.text.strip().casefold() not in every and reading.is_optional(source, column):
            found.absent.append(f"{source.name}.{column}")
            said = f'the file has no column "{expression.text}": what needs {column} is skipped. Its columns: '
            said += f"{', '.join(columns[parts[0].label][:30])}."
            found.problems.append(problem("missing_optional", parts[0].label, said, column=column))
