"""From the files that dataset.toml names to typed rows: expressions applied, casts made and counted, nothing dropped.

A cast that fails leaves an empty value and a mark; what follows from it is for `helpers.cleaning` to judge.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from helpers.errors import InputError
from helpers.sources import engine, privacy, staging

if TYPE_CHECKING:
    import ibis

    from helpers.sources.dataset import Dataset, Source
    from helpers.sources.profile import Part

IDS = {"user_id", "referrer_id", "unit_id"}
INSTANTS = {"ts", "registered_at", "assigned_at", "touched_at", "answered_at"}
LOCAL_DAYS = {instant: instant.removesuffix("_at") + "_day" for instant in INSTANTS} | {"ts": "day"}
DAYS = {"day"}
MONEY = {"amount", "discount", "cost"}
NUMBERS = {"duration_s", "score", "birth_year"}
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
DECIMAL = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)"


def rows(backend, dataset: Dataset, parts: list[Part], kind: str, built: Path) -> ibis.Table:
    """All rows of the sources of one kind, typed; no rows, but all columns, when the dataset has none.

    Columns: `source`, `file`, `line`, `byte` (where the row stands); `fault` (None, or "ragged" / "nul"); `selected` (what
    `where` says); `duplicate` (an earlier row of the source has the same text in every column); `excluded` (its user is
    set aside by dataset.toml, the reason); `bad` (names of columns whose text could not be read, joined by a comma);
    then the mapped columns: ids as pseudonyms ("" when blank), instants with zone, amounts as exact decimals, text
    trimmed and null when blank; beside each instant its local day (`day` of `ts`, else `registered_day` and so on), and for
    events the local `hour`. For "units" further `units`, the unit table's name.
    """
    wanted = [part for part in parts if part.source.kind == kind]
    sources = {part.source.name: part.source for part in wanted}
    queries = [_nothing(kind)]
    for source in sources.values():
        own = [part for part in wanted if part.source.name == source.name]
        queries.append(_source_query(backend, dataset, source, own, built))
    united = " UNION ALL BY NAME ".join(f"({query})" for query in queries)
    return engine.view(backend, f"SELECT *{_local(kind, dataset.timezone)} FROM ({united})")


def _local(kind: str, zone: str) -> str:
    """The local day of each instant, and the hour of events: what differs between engines is settled at the door."""
    made = ""
    for instant in (column for column in COLUMNS[kind] if column in INSTANTS):
        local = f"timezone({engine.quote(zone)}, {instant})"
        made += f", CAST({local} AS DATE) AS {LOCAL_DAYS[instant]}"
        made += f", hour({local}) AS hour" if kind == "events" else ""
    return made


def _nothing(kind: str) -> str:
    """The columns of a kind, without rows: what every source of the kind is united with."""
    ours = {
        "source": "VARCHAR", "file": "VARCHAR", "line": "BIGINT", "byte": "BIGINT", "fault": "VARCHAR",
        "selected": "BOOLEAN", "duplicate": "BOOLEAN", "excluded": "VARCHAR", "bad": "VARCHAR",
    }  # fmt: skip
    columns = ours | {column: _sql_type(column) for column in COLUMNS[kind]}
    return f"SELECT {', '.join(f'NULL::{dtype} AS {column}' for column, dtype in columns.items())} WHERE false"


def _sql_type(column: str) -> str:
    if column in INSTANTS:
        return "TIMESTAMPTZ"
    if column in DAYS:
        return "DATE"
    if column in MONEY:
        return "DECIMAL(18, 4)"
    return "DOUBLE" if column in NUMBERS else "VARCHAR"


def _source_query(backend, dataset: Dataset, source: Source, parts: list[Part], built: Path) -> str:
    raw = " UNION ALL BY NAME ".join(f"(SELECT * FROM {_relation(part, built)})" for part in parts)
    label = engine.view(backend, raw).get_name()
    own = [column for column in backend.table(label).columns if column not in (*staging.OUR_COLUMNS, "_file")]
    types = {column: str(dtype) for column, dtype in backend.table(label).schema().items()}
    try:
        where = source.where.bind(own).sql() if source.where else "true"
        mapped = {column: expression.bind(own) for column, expression in source.columns.items()}
    except InputError as fault:
        raise InputError(f"{parts[0].label}: {fault}") from None
    columns = {column: _typed(column, text, source, dataset, types) for column, text in mapped.items()}
    if source.kind == "units" and "unit_id" not in mapped:
        columns["unit_id"] = ("CAST(_line AS VARCHAR)", "false")
    lacking = [column for column in MANDATORY[source.kind] if column not in columns]
    if lacking:
        raise InputError(f"[{source.name}]: {', '.join(lacking)} must be given; say which column or expression it is.")
    return _select(dataset, source, label, where, columns, own, mapped)


def row_count(part: Part, built: Path) -> int:
    """Records of one file, as its staged form (or the Parquet file itself) states them."""
    import pyarrow.parquet

    return pyarrow.parquet.read_metadata(_parquet(part, built)).num_rows


def _parquet(part: Part, built: Path) -> Path:
    if part.path.suffix == ".parquet":
        return part.path
    return staging.stage(part.path, part.label, built / "staged", sha256=part.sha256, delimiter=part.source.delimiter)


def _relation(part: Part, built: Path) -> str:
    """The part as text columns with `_line`, `_byte`, `_fault` and `_file`."""
    scanned = engine.quote(str(_parquet(part, built)))
    label = f"{engine.quote(part.label)} AS _file"
    if part.path.suffix == ".parquet":
        places = "file_row_number + 1 AS _line, NULL::BIGINT AS _byte, NULL::VARCHAR AS _fault"
        return f"(SELECT * EXCLUDE (file_row_number), {places}, {label} FROM read_parquet({scanned}, file_row_number = true))"
    return f"(SELECT *, {label} FROM read_parquet({scanned}))"


def _select(dataset, source, label: str, where: str, columns: dict, own: list[str], mapped: dict) -> str:
    bad = ", ".join(f"CASE WHEN {wrong} THEN {engine.quote(column)} END" for column, (_, wrong) in columns.items())
    excluded = "NULL::VARCHAR"
    if "user_id" in mapped and dataset.cleaning.exclude_users:
        cases = " ".join(
            f"WHEN {engine.quote(user)} THEN {engine.quote(reason)}"
            for user, reason in dataset.cleaning.exclude_users.items()
        )
        excluded = f"CASE {_text(mapped['user_id'])} {cases} END"
    drop = source.drop_exact_duplicates
    again = drop if drop is not None else dataset.cleaning.drop_exact_duplicates
    joins = [
        f"LEFT JOIN ({_duplicates(label, own)}) AS again ON again._file = r._file AND again._line = r._line"
    ] * again
    if dataset.privacy.pseudonymise:
        key = privacy.key(dataset)
        joins += [
            _pseudonyms(column, _text(mapped[column]), label, key) for column in columns if column in IDS & set(mapped)
        ]
    chosen = ", ".join(f"{sql} AS {engine.name(column)}" for column, (sql, _) in columns.items())
    units = f"{engine.quote(source.name.partition('.')[2])} AS units, " if source.kind == "units" else ""
    return (
        f"SELECT {engine.quote(source.name)} AS source, r._file AS file, r._line AS line, r._byte AS byte, "
        f"_fault AS fault, coalesce({where}, false) AS selected, {'again._line IS NOT NULL' if again else 'false'} AS "
        f"duplicate, {excluded} AS excluded, nullif(concat_ws(',', {bad}), '') AS bad, {units}{chosen} "
        f"FROM {label} AS r {' '.join(joins)}"
    )


def _pseudonyms(column: str, text: str, label: str, key: bytes) -> str:
    """A join that gives each distinct id its pseudonym: hashing a person once, not once a row."""
    made = privacy.pseudonym_sql(f"_raw_{column}", key)
    distinct = f"SELECT DISTINCT {text} AS _raw_{column} FROM {label} AS r"
    return (
        f"LEFT JOIN (SELECT _raw_{column}, {made} AS _pseudonym_{column} FROM ({distinct})) ON _raw_{column} = {text}"
    )


def _duplicates(label: str, own: list[str]) -> str:
    """Places of the rows whose every column repeats an earlier row: found by hash, then compared in full."""
    every = ", ".join(f"r.{engine.name(column)}" for column in own)
    return (
        f"SELECT _file, _line FROM (SELECT r._file, r._line, row_number() OVER (PARTITION BY {every} "
        f"ORDER BY r._file, r._line) AS nth FROM {label} AS r SEMI JOIN (SELECT hash({every}) AS h FROM {label} AS r "
        f"WHERE _fault IS NULL GROUP BY 1 HAVING count(*) > 1) AS twice ON twice.h = hash({every}) "
        "WHERE r._fault IS NULL) WHERE nth > 1"
    )


def _text(expression) -> str:
    return f"trim(coalesce(CAST({expression.sql()} AS VARCHAR), ''))"


def _typed(column: str, expression, source: Source, dataset: Dataset, types: dict[str, str]) -> tuple[str, str]:
    """SQL for a mapped column's value, and for whether its text could not be read."""
    text = _text(expression)
    if column in IDS:
        return (f"_pseudonym_{column}" if dataset.privacy.pseudonymise else text), "false"
    if column in INSTANTS or column in DAYS:
        only = expression.columns[0] if len(expression.columns) == 1 else ""
        if types.get(only, "").startswith("timestamp"):
            instant = _from_timestamp(expression.sql(), types[only], dataset.timezone)
        else:
            instant = _instant(text, dataset.timezone, source.ts_format)
        value = f"CAST(timezone({engine.quote(dataset.timezone)}, {instant}) AS DATE)" if column in DAYS else instant
        return value, f"{text} <> '' AND {value} IS NULL"
    if column in MONEY:
        if expression.numeric_columns:
            return f"TRY_CAST({expression.sql()} AS DECIMAL(18, 4))", expression.bad_cast_sql()
        value = f"TRY_CAST({text} AS DECIMAL(18, 4))"
        return value, f"{text} <> '' AND ({value} IS NULL OR NOT regexp_full_match({text}, '{DECIMAL}'))"
    if column in NUMBERS:
        value = f"TRY_CAST({text} AS DOUBLE)"
        finite = f"CASE WHEN isfinite({value}) THEN {value} END"
        return finite, "false"
    return f"nullif({text}, '')", "false"


def _from_timestamp(sql: str, dtype: str, zone: str) -> str:
    aware = "'" in dtype
    return f"CAST({sql} AS TIMESTAMPTZ)" if aware else f"timezone({engine.quote(zone)}, CAST({sql} AS TIMESTAMP))"


def _instant(text: str, zone: str, ts_format: str | None) -> str:
    """A text as an instant; text without an offset is in the dataset's zone."""
    if ts_format:
        return f"timezone({engine.quote(zone)}, try_strptime({text}, {engine.quote(ts_format)}))"
    day, clock = "[0-9]{4}-[0-9]{2}-[0-9]{2}", "[ T]([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}([.][0-9]+)?"
    local = f"timezone({engine.quote(zone)}, TRY_CAST({text} AS TIMESTAMP))"
    return (
        f"CASE WHEN {text} LIKE '____-__-__ __:__:__' AND {text}[12:13] < '24' THEN {local} "
        f"WHEN regexp_full_match({text}, '{day}({clock})?') THEN {local} "
        f"WHEN regexp_full_match({text}, '{day}{clock}(Z|[+-][0-9]{{2}}:?[0-9]{{2}})') "
        f"THEN TRY_CAST({text} AS TIMESTAMPTZ) END"
    )
