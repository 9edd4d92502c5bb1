"""Spellings that may be one name: found by folding the distinct values, reported, never merged."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

import ibis
import pandas as pd

INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
MOST = 10  # spellings that a list names
SPELLED = {
    "events": ("topic", "event"), "users": ("channel", "city", "gender"), "assignments": ("experiment", "variant"),
    "units": ("variant",), "spend": ("channel",),
}  # fmt: skip
EXPERIMENT = {"assignments": "experiment", "units": "units"}
TOO_MANY_VALUES = 200_000
LONGEST = 60  # characters of a spelling that a list shows


def several(
    rows: dict[str, ibis.Table], names: ibis.Table | None, experiments: dict | None
) -> Iterator[tuple[str, str, ibis.Table, pd.DataFrame | int]]:
    """The columns in which a name comes in several spellings; all values are counted in one query.

    Args:
        names: The `names` of the events, where there are any.

    Returns:
        Table, column, its rows (`of`, `value`, `user_id`, `_file`, `_line`) and its `variants`; the number of different values
        instead where they are too many to be looked at.
    """
    columns = [(table, column) for table, own in SPELLED.items() for column in own if table in rows]
    named = [_named(rows[table], table, column) for table, column in columns]
    if not named:
        return
    counted = {table: names if table == "events" else _counted(rows[table], table) for table in dict(columns)}
    parts = [
        _named(counted[table], table, column).mutate(number=ibis.literal(at)) for at, (table, column) in enumerate(columns)
    ]
    every = ibis.union(*(part.select("number", "of", "value", "rows") for part in parts))
    grouped = every.group_by(["number", "of", "value"]).agg(rows=every.rows.sum().cast("int64"))
    nth = ibis.row_number().over(group_by="number", order_by=["of", "value"])
    grouped = grouped.mutate(values=grouped.count().over(group_by="number"), nth=nth)
    values = grouped.filter((grouped["values"] < TOO_MANY_VALUES) | (grouped.nth == 0)).to_pandas()
    for at, (table, column) in enumerate(columns):
        own = values[values["number"] == at]
        if own["values"].max() >= TOO_MANY_VALUES:
            yield table, column, named[at], int(own["values"].max())
        elif len(found := variants(own, planned(experiments, table, column))):
            yield table, column, named[at], found


def _counted(rows: ibis.Table, table: str) -> ibis.Table:
    """How many `rows` have each combination of what is spelled in a table: few, from one pass over all rows."""
    spelled = [*SPELLED[table], *([EXPERIMENT[table]] if table in EXPERIMENT else [])]
    return rows.group_by(list(dict.fromkeys(spelled))).agg(rows=rows.count())


def _named(rows: ibis.Table, table: str, column: str) -> ibis.Table:
    """The values of a column, `of` the experiment that they belong to, with what else each row has."""
    of = rows[EXPERIMENT[table]] if column == "variant" else ibis.literal("")
    person = next((rows[name] for name in ("user_id", "unit_id") if name in rows.columns), ibis.null("string"))
    kept = [name for name in ("_file", "_line", "rows") if name in rows.columns]
    return rows.select(*kept, of=of, value=rows[column], user_id=person).filter(rows[column].notnull())


def fold(text: str) -> str:
    """What two spellings of one name have in common: half width, lower case, nothing invisible, single inner blanks."""
    plain = unicodedata.normalize("NFKC", INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).lower())
    return " ".join(plain.split())


def variants(values: pd.DataFrame, planned: Iterable[tuple[str, str]] = ()) -> pd.DataFrame:
    """The values that differ only in their spelling.

    Args:
        values: One row per `of` (within which spellings are compared; "" where it is no matter) and `value`, with `rows`.
        planned: Further spellings (`of`, value) that are meant, whether or not a row has them.

    Returns:
        `of`, `value`, `group` (a number, 0 for the group with the most rows) and `label`, which lists the group's spellings,
        the most frequent first; no rows where all is well.
    """
    meant = set(planned)
    counted = dict.fromkeys(sorted(meant), 0)
    counted |= {(of, value): int(rows) for of, value, rows in values[["of", "value", "rows"]].itertuples(index=False)}
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for of, value in counted:
        groups.setdefault((of, fold(value)), []).append((of, value))
    several = [sorted(group, key=lambda own: (-counted[own], own)) for group in groups.values() if len(group) > 1]
    several.sort(key=lambda group: (-sum(counted[own] for own in group), group))
    made = [
        (*own, number, _listed(group, counted, meant)) for number, group in enumerate(several) for own in group
    ]
    return pd.DataFrame(made, columns=["of", "value", "group", "label"]).astype({"group": "int64"})


def planned(experiments: dict | None, table: str, column: str) -> list[tuple[str, str]]:
    """The names of experiments.toml that belong into a column, each with the experiment (or unit table) that it is of."""
    plans = [plan for plan in (experiments or {}).get("experiment", []) if bool(plan.get("units")) == (table == "units")]
    if column == "experiment":
        return [("", plan["name"]) for plan in plans]
    if column == "variant":
        return [(plan.get("units") or plan["name"], variant) for plan in plans for variant in plan["variants"]]
    return []


def _listed(group: list[tuple[str, str]], counted: dict[tuple[str, str], int], meant: set[tuple[str, str]]) -> str:
    named = [f"{shown(own[1])} ({counted[own]:,}{', planned' if own in meant else ''})" for own in group[:MOST]]
    more = [f"and {len(group) - MOST:,} more"] if len(group) > MOST else []
    of = f"{shown(group[0][0])}: " if group[0][0] else ""
    return of + ", ".join([*named, *more])


def shown(text: str) -> str:
    """A text in which what the eye would miss is written out, cut where it is long."""
    composed = unicodedata.is_normalized("NFC", text)
    cut = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return "".join(
        letter if _is_seen(letter, cut[number - 1] if number else " ", composed) else _escaped(letter)
        for number, letter in enumerate(cut)
    )


def _is_seen(letter: str, before: str, composed: bool) -> bool:
    if letter == " ":
        return before != " "
    return letter.isprintable() and not INVISIBLE.match(letter) and (composed or not unicodedata.combining(letter))


def _escaped(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
