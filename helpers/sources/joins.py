"""SQL of the joins by which rows are read: pseudonyms, those who want to be forgotten, rows that stand twice."""

from __future__ import annotations

from helpers.sources import engine, privacy, values


def pseudonyms(column: str, text: str, label: str, key: bytes) -> str:
    """A join that gives each distinct id its pseudonym: hashing a person once, not once a row."""
    made, raw = privacy.pseudonym_sql("_id", key), engine.name(f"_raw_{column}")
    distinct = f"SELECT _raw, {values.id_of('_raw')} AS _id FROM (SELECT DISTINCT {text} AS _raw FROM {label})"
    return (
        f"LEFT JOIN (SELECT _raw AS {raw}, {made} AS {engine.name(f'_pseudonym_{column}')} FROM ({distinct})) "
        f"ON {raw} = {values.taken(column)}"
    )


def gone(column: str, text: str, label: str, key: bytes, forgotten: set[str]) -> str:
    """A join that finds the rows of those who want to be forgotten."""
    distinct = f"SELECT _raw, {values.id_of('_raw')} AS _id FROM (SELECT DISTINCT {text} AS _raw FROM {label})"
    listed = ", ".join(engine.quote(name) for name in sorted(forgotten))
    named = f"SELECT _raw AS _gone_{column} FROM ({distinct}) WHERE {privacy.pseudonym_sql('_id', key)} IN ({listed})"
    return f"LEFT JOIN ({named}) ON _gone_{column} = {values.taken(column)}"


def duplicates(label: str, own: list[str]) -> str:
    """A join that finds the rows whose every column repeats an earlier row: found by hash, then compared in full."""
    every = ", ".join(f"r.{engine.name(column)}" for column in own)
    twice = f"SELECT hash({every}) AS h FROM {label} AS r WHERE _fault IS NULL GROUP BY 1 HAVING count(*) > 1"
    nth = f"row_number() OVER (PARTITION BY {every} ORDER BY r._part, r._line)"
    return (
        f"LEFT JOIN (SELECT _part AS _again, _line AS _again_line FROM (SELECT r._part, r._line, {nth} AS nth FROM {label} "
        f"AS r SEMI JOIN ({twice}) AS twice ON twice.h = hash({every}) WHERE r._fault IS NULL) WHERE nth > 1) AS again "
        "ON _again = r._part AND _again_line = r._line"
    )
