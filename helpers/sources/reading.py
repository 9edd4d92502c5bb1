"""From the files that dataset.toml names to typed rows: expressions applied, casts made and counted, nothing dropped.

A cast that fails leaves an empty value and a mark; what follows from it is for `helpers.cleaning` to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.errors import InputError
from helpers.problems import ERROR, FaultyData, Problem, problem
from helpers.sources import engine, joins, parquet, privacy, staging, values

if TYPE_CHECKING:
    import ibis

    from helpers.sources.dataset import Dataset, Source
    from helpers.sources.expressions import Expression
    from helpers.sources.profile import Part

LOCAL_DAYS = {instant: instant.removesuffix("_at") + "_day" for instant in values.INSTANTS} | {"ts": "day"}
MANDATORY = {
    "events": ("user_id", "ts", "event"),
    "users": ("user_id",),
    "assignments": ("user_id", "experiment", "variant", "assigned_at"),
    "units": ("variant",),
    "spend": ("day", "channel", "cost"),
    "touches": ("user_id", "campaign", "touched_at"),
    "feedback": ("user_id", "answered_at", "question", "score"),
}
COLUMNS = {
    "events": (
        "user_id", "ts", "event", "topic", "content_id", "content_kind", "parent_id", "duration_s", "session_id",
        "amount", "discount", "campaign",
    ),
    "users": ("user_id", "registered_at", "channel", "referrer_id", "city", "gender", "birth_year"),
    "assignments": ("user_id", "experiment", "variant", "assigned_at"),
    "units": ("units", "unit_id", "variant"),
    "spend": ("day", "channel", "cost"),
    "touches": ("user_id", "campaign", "touched_at", "arm", "cost"),
    "feedback": ("user_id", "answered_at", "question", "score"),
}  # fmt: skip
OURS = {
    "_source": "VARCHAR", "_file": "VARCHAR", "_line": "BIGINT", "_byte": "BIGINT", "_size": "BIGINT", "_fault": "VARCHAR",
    "_selected": "BOOLEAN", "_duplicate": "BOOLEAN", "_excluded": "VARCHAR", "_bad": "VARCHAR", "_odd": "VARCHAR",
}  # fmt: skip
PLAIN_PLACES = "file_row_number + 1 AS _line, NULL::BIGINT AS _byte, NULL::BIGINT AS _size, NULL::VARCHAR AS _fault, "
TABLE_PLACES = "0::BIGINT AS _line, row_hash AS _byte, NULL::BIGINT AS _size, NULL::VARCHAR AS _fault, "
PLACES = (*staging.OUR_COLUMNS, "_file", "_part")


@dataclass(frozen=True)
class Bound:
    """A source whose expressions are bound to the columns of its files, which the view `label` unites."""

    source: Source
    label: str
    types: dict[str, str]
    where: str
    columns: dict[str, values.Value]


def rows(backend, dataset: Dataset, parts: list[Part], kind: str, built: Path, *, whole: bool = True) -> ibis.Table:
    """All rows of the sources of one kind, typed; no rows, but all columns, when the dataset has none.

    Columns: `_source`, `_file`, `_line`, `_byte`, `_size` (where the row stands; of a table the line is 0, and the byte tells one
    row from another); `_fault` (None, or a name of `staging.FAULTS`); `_selected` (what `where` says); `_duplicate` (an earlier
    row of the source has the same text in every column); `_excluded` (its user is set aside by dataset.toml, the reason); `_bad`
    (names of columns whose text could not be read, joined by a comma); `_odd` (what is odd about a time that was read:
    "date_only" or "clock_change"); then the mapped columns: ids as pseudonyms ("" when blank), instants with zone, amounts as
    exact decimals, text trimmed and null when blank; beside each instant its local day (`day` of `ts`, else `registered_day` and
    so on), and for events the local `hour` and the `moment`, microseconds since 1970. For "units" further `units`, the unit
    table's name.

    Args:
        whole: False leaves out what takes long: the pseudonyms are null and `_duplicate` is false.
    """
    return engine.view(backend, query(backend.con, dataset, parts, kind, built, whole=whole))


def query(connection, dataset: Dataset, parts: list[Part], kind: str, built: Path, *, whole: bool = True) -> str:
    """What `rows` returns, as the engine's own SQL."""
    wanted = [part for part in parts if part.source.kind == kind]
    sources = {part.source.name: part.source for part in wanted}
    queries = [_nothing(kind)]
    for source in sources.values():
        own = [part for part in wanted if part.source.name == source.name]
        bound = bind(connection, dataset, source, own, built)
        once = whole and drops_duplicates(source, dataset)
        queries.append(select(dataset, bound, whole=whole, once=once, forgotten=names_forgotten(dataset, built)))
    return _localised(kind, dataset, queries)


def typed(dataset: Dataset, bound: Bound, forgotten: set[str]) -> str:
    """The rows of one source of events as SQL, each with `_hash`, of the text of all columns; of files `_duplicate` is false."""
    source = bound.source
    every = ", ".join(engine.name(column) for column in sorted(bound.types))
    once = bool(source.table) and drops_duplicates(source, dataset)
    rows = select(dataset, bound, whole=True, once=once, forgotten=forgotten, more=f"hash({every}) AS _hash")
    return _localised("events", dataset, [_nothing("events"), rows])


def _localised(kind: str, dataset: Dataset, queries: list[str]) -> str:
    united = " UNION ALL BY NAME ".join(f"({query})" for query in queries)
    return f"SELECT *{_local(kind, dataset.timezone)} FROM ({united})"


def drops_duplicates(source: Source, dataset: Dataset) -> bool:
    """Whether a row that repeats an earlier one in every column is a duplicate."""
    own = source.drop_exact_duplicates
    return dataset.cleaning.drop_exact_duplicates if own is None else own


def names_forgotten(dataset: Dataset, built: Path) -> set[str]:
    """The list is looked at under the dataset's own key, and no key is made where there is no list."""
    return privacy.forgotten(built, privacy.key(dataset)) if privacy.forgotten(built) else set()


def row_count(part: Part, built: Path) -> int:
    """Records of one file, as its staged form (or the Parquet file itself) states them; rows of a table."""
    if part.is_table:
        from helpers.sources.spark import catalogue

        return catalogue.count(part.label)
    import pyarrow.parquet

    return pyarrow.parquet.read_metadata(staged(part, built)).num_rows


def _local(kind: str, zone: str) -> str:
    """The local day of each instant, and the hour of events: what differs between engines is settled at the door."""
    made = ""
    for instant in (column for column in COLUMNS[kind] if column in values.INSTANTS):
        local = f"timezone({engine.quote(zone)}, CAST({instant} AS TIMESTAMPTZ))"
        made += f", CAST({local} AS DATE) AS {LOCAL_DAYS[instant]}"
        made += f", hour({local}) AS hour, epoch_us({instant}) AS moment" if kind == "events" else ""
    return made


def _nothing(kind: str) -> str:
    """The columns of a kind, without rows: what every source of the kind is united with."""
    columns = OURS | {column: values.sql_type(column) for column in COLUMNS[kind]}
    return f"SELECT {', '.join(f'NULL::{dtype} AS {column}' for column, dtype in columns.items())} WHERE false"


def bind(connection, dataset: Dataset, source: Source, parts: list[Part], built: Path) -> Bound:
    """A source's expressions over the columns of all its files.

    Raises:
        InputError: Columns are missing, or hold what no rule turns into a value.
    """
    parquet.check(parts)
    label = engine.named(connection, united(parts, built))
    types = {column: dtype for column, dtype in engine.types(connection, label).items() if column not in PLACES}
    where, mapped = _mapped(source, list(types), parts[0].label)
    _check_types(source, mapped, types, parts[0].label)
    mapped = {column: expression for column, expression in mapped.items() if not privacy.is_contact(column, expression, dataset)}
    columns = {column: values.of(column, expression, source, dataset, types) for column, expression in mapped.items()}
    if source.kind == "units" and "unit_id" not in mapped:
        line = "CAST(_line AS VARCHAR)" if len(parts) == 1 else "_file || ' ' || _line"
        if parts[0].is_table:
            line = "_byte || '-' || row_number() OVER (PARTITION BY _byte ORDER BY _part)"
        columns["unit_id"] = values.Value(line, values.taken("unit_id"))
    _check(source, columns)
    return Bound(source, label, types, where, columns)


def _mapped(source: Source, own: list[str], label: str) -> tuple[str, dict[str, Expression]]:
    """The condition and the expressions bound to the file's columns; an optional column that is not there is left out.

    Raises:
        FaultyData: Columns are missing; all of them.
    """
    wrong, mapped, where = [], {}, "true"
    try:
        where = source.where.bind(own).sql() if source.where else "true"
    except InputError as fault:
        wrong.append(problem("missing_column", label, str(fault), column="where", severity=ERROR))
    for column, expression in source.columns.items():
        try:
            mapped[column] = expression.bind(own)
        except InputError as fault:
            if not is_optional(source, column):
                wrong.append(_missing(own, label, column, str(fault)))
    if wrong:
        raise FaultyData(wrong)
    return where, mapped


def _check_types(source: Source, mapped: dict[str, Expression], types: dict[str, str], label: str) -> None:
    """Columns of Parquet that no rule of ours turns into a value."""
    wrong = []
    for column, expression in mapped.items():
        dtype = types.get(expression.columns[0], "") if expression.typed is None and expression.columns else ""
        if dtype.startswith(("STRUCT", "MAP", "UNION")) or dtype.endswith("]"):
            said = f"the column {expression.columns[0]} holds lists or records ({dtype[:40]}). Map a column of plain values."
            wrong.append(problem("nested", label, said, column=column))
        elif column in values.INSTANTS and dtype.startswith(values.NUMERIC) and not source.ts_unit:
            said = f'the column {expression.columns[0]} holds numbers ({dtype}). Set ts_unit = "s", "ms", "us" or "ns".'
            wrong.append(problem("epoch", label, said, column=column))
    if wrong:
        raise FaultyData(wrong)


def is_optional(source: Source, column: str) -> bool:
    """Whether a dataset is read without a column that its dataset.toml names plainly and its files do not have."""
    return source.columns[column].typed is None and column not in MANDATORY[source.kind]


def _missing(own: list[str], label: str, column: str, said: str) -> Problem:
    data = [re.fullmatch(r"\s*[+-]?\d[\d.,:/ -]*|\s*", name) for name in own]
    if sum(map(bool, data)) * 2 >= len(own):
        meaning = "the first line looks like data. Put a line with the columns' names above it."
        return problem("no_header", label, meaning, line=1, severity=ERROR)
    return problem("missing_column", label, said, column=column, severity=ERROR)


def _check(source: Source, columns: dict[str, values.Value]) -> None:
    lacking = [column for column in MANDATORY[source.kind] if column not in columns]
    if lacking:
        raise InputError(f"[{source.name}]: {', '.join(lacking)} must be given; say which column or expression it is.")
    made = {LOCAL_DAYS[column] for column in COLUMNS[source.kind] if column in LOCAL_DAYS} | {"units"}
    taken = [column for column in columns if column.lower() in made]
    if taken:
        raise InputError(f"[{source.name}] {taken[0]}: a column of that name is made here already. Give yours another name.")


def staged(part: Part, built: Path) -> Path:
    """The Parquet file in which a part's rows stand: its own, or what was made of a CSV file."""
    if part.is_parquet:
        return part.path
    return staging.stage(
        part.path, part.label, built / "staged", sha256=part.sha256, delimiter=part.source.delimiter,
        encoding=part.source.encoding, needed=part.source.needed(), check=part.check_unchanged,
    )  # fmt: skip


def united(parts: list[Part], built: Path) -> str:
    """The parts' own columns with `_line`, `_byte`, `_fault`, `_file` and `_part`, a part's number among the source's files."""
    if parts[0].is_table:
        label = engine.quote(parts[0].label)
        return f"SELECT *, {TABLE_PLACES}{label} AS _file, 0 AS _part FROM read_table({label})"
    queries = []
    for plain in (False, True):
        own = [(number, part) for number, part in enumerate(parts) if part.is_parquet is plain]
        if own:
            paths = ", ".join(engine.quote(str(staged(part, built))) for _, part in own)
            places = PLAIN_PLACES if plain else ""
            file = _by_file(engine.quote(part.label) for _, part in own)
            number = _by_file(str(number) for number, _ in own)
            scanned = f"read_parquet([{paths}], union_by_name = true)"
            queries.append(f"(SELECT *, {places}{file} AS _file, {number} AS _part FROM {scanned})")
    return " UNION ALL BY NAME ".join(queries)


def _by_file(values: Iterable[str]) -> str:
    """SQL that gives each row the value of its file."""
    return f"([{', '.join(values)}])[file_index::BIGINT + 1]"


def select(dataset: Dataset, bound: Bound, *, whole: bool, once: bool, forgotten: set[str], more: str = "") -> str:
    """The rows of a source in three steps, so that nothing is computed twice: texts are taken, read, looked at for what is wrong.

    Args:
        once: Look for rows that stand twice.
        forgotten: Pseudonyms of those whose rows are set aside.
        more: One more expression over the source's columns, with its name.
    """
    source, columns = bound.source, bound.columns
    taken = [f"coalesce({bound.where}, false) AS _selected"]
    wrong = {}
    for column, value in columns.items():
        taken.append(f"{value.taken} AS {values.taken(column)}")
        if value.wrong_at_source:
            wrong[column] = engine.name(f"_w_{column}")
            taken.append(f"{value.wrong_at_source} AS {wrong[column]}")
        elif value.wrong:
            wrong[column] = value.wrong
    hidden = values.IDS & set(source.columns) & set(columns) if dataset.privacy.pseudonymise else set()
    read = [f"{value.value} AS {engine.name(column)}" for column, value in columns.items() if column not in hidden]
    marks = ", ".join(f"CASE WHEN {sql} THEN {engine.quote(column)} END" for column, sql in wrong.items())
    gone = sorted(values.IDS & set(source.columns) & set(columns)) if whole and forgotten else []
    chosen = [engine.name(column) if column not in hidden else _hidden(column, whole) for column in columns]
    if "referrer_id" in gone:
        inviter = "_pseudonym_referrer_id" if "referrer_id" in hidden else "referrer_id"
        chosen[list(columns).index("referrer_id")] = f"CASE WHEN _gone_referrer_id IS NULL THEN {inviter} END AS referrer_id"
    if source.kind == "units":
        chosen.append(f"{engine.quote(source.name.partition('.')[2])} AS units")
    if more:
        taken.append(more)
        chosen.append(more.rpartition(" AS ")[2])
    again = "_again IS NOT NULL"
    if source.table and once:  # its rows have no places by which they could be met
        every = ", ".join(engine.name(column) for column in bound.types)
        taken.append(f"row_number() OVER (PARTITION BY {every} ORDER BY _part) > 1 AS _again")
        again = "_again"
    met = [joins.duplicates(bound.label, list(bound.types))] * (once and not source.table)
    hiding = sorted(hidden) if whole else []
    met += [joins.pseudonyms(column, columns[column].taken, bound.label, privacy.key(dataset)) for column in hiding]
    met += [joins.gone(column, columns[column].taken, bound.label, privacy.key(dataset), forgotten) for column in gone]
    return (
        f"SELECT {engine.quote(source.name)} AS _source, _file, _line, _byte, _size, _fault, _selected, "
        f"{again if once else 'false'} AS _duplicate, {_excluded(dataset, columns, gone)} AS _excluded, "
        f"{_joined(marks)} AS _bad, {_odd(columns)} AS _odd, {', '.join(chosen)} FROM (SELECT *, {', '.join(read)} FROM "
        f"(SELECT _file, _part, _line, _byte, _size, _fault, {', '.join(taken)} FROM {bound.label})) AS r {' '.join(met)}"
    )


def _odd(columns: dict[str, values.Value]) -> str:
    """The first thing that is odd about a row's times, in the order of its columns."""
    cases = " ".join(value.odd for value in columns.values() if value.odd)
    return f"CASE {cases} END" if cases else "NULL::VARCHAR"


def _joined(marks: str) -> str:
    return f"nullif(concat_ws(',', {marks}), '')" if marks else "NULL::VARCHAR"


def _hidden(column: str, whole: bool) -> str:
    return f"{engine.name(f'_pseudonym_{column}') if whole else 'NULL::VARCHAR'} AS {engine.name(column)}"


def _excluded(dataset: Dataset, columns: dict[str, values.Value], gone: list[str]) -> str:
    """Why a person's rows are left out: who wants to be forgotten, then whom dataset.toml names."""
    forgotten = [f"WHEN _gone_{column} IS NOT NULL THEN 'forgotten'" for column in gone if column != "referrer_id"]
    named = _named(dataset, columns)
    return f"CASE {' '.join(forgotten)} ELSE {named} END" if forgotten else named


def _named(dataset: Dataset, columns: dict[str, values.Value]) -> str:
    users = dataset.cleaning.exclude_users
    if not users or "user_id" not in columns:
        return "NULL::VARCHAR"
    cases = " ".join(f"WHEN {engine.quote(user)} THEN {engine.quote(reason)}" for user, reason in users.items())
    return f"CASE trim({values.taken('user_id')}) {cases} END"
