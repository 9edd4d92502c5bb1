"""User ids as they stand in the sources: damaged by a spreadsheet, alike but not the same, or of another kind than the users'."""

from __future__ import annotations

from helpers.problems import Problem, masked, problem

EXCEL = r"[0-9]([.][0-9]+)?[Ee][+][0-9]+"
INVISIBLE = r"[\s\p{Z}\x{200B}-\x{200F}\x{2060}\x{FEFF}]+"
LEAST = 5


def look_at(connection, queries: dict[str, str], files: dict[str, str]) -> list[Problem]:
    """What is to be said of the ids of a dataset.

    Args:
        queries: SQL of the rows of each kind, ids not yet pseudonyms.
        files: The name of a file of each kind, for messages.
    """
    found: list[Problem] = []
    for kind, query in queries.items():
        if kind in ("units", "spend"):
            continue
        ids = f"SELECT DISTINCT user_id AS id FROM ({query}) WHERE _fault IS NULL AND _selected AND user_id <> ''"
        label = connection.execute(f"CREATE OR REPLACE TEMP TABLE ids_{kind} AS {ids}") and f"ids_{kind}"
        found += _excel(connection, label, files[kind])
        found += _look_alikes(connection, label, files[kind])
    if {"events", "users"} <= set(queries):
        found += _strangers(connection, files["events"], files["users"])
    return found


def _excel(connection, ids: str, file: str) -> list[Problem]:
    count, first = connection.execute(
        f"SELECT count(*), min(id) FROM {ids} WHERE regexp_full_match(id, '{EXCEL}')"
    ).fetchone()
    if not count:
        return []
    said = f"{count:,} ids look like {masked(first)}, as a spreadsheet shortens long numbers: people may be merged. "
    said += "Export the ids as text."
    return [problem("excel_ids", file, said, column="user_id")]


def _look_alikes(connection, ids: str, file: str) -> list[Problem]:
    folded = f"lower(nfc_normalize(regexp_replace(id, '{INVISIBLE}', '', 'g')))"
    groups, people = connection.execute(
        f"SELECT count(*), sum(n) FROM (SELECT count(*) AS n FROM {ids} GROUP BY {folded} HAVING count(*) > 1)"
    ).fetchone()
    if not groups:
        return []
    said = (
        f"{people:,} ids differ from another in case, blanks, invisible letters or accents alone ({groups:,} groups). They are "
        "taken for different people: nothing is merged. Make them one at the source if they are one."
    )
    return [problem("look_alike_ids", file, said, column="user_id")]


def _strangers(connection, events: str, users: str) -> list[Problem]:
    count, known, others = connection.execute(
        "SELECT (SELECT count(*) FROM ids_events), (SELECT count(*) FROM ids_events SEMI JOIN ids_users USING (id)), "
        "(SELECT count(*) FROM ids_users)"
    ).fetchone()
    if known or min(count, others) < LEAST:
        return []
    first, second = (connection.execute(f"SELECT min(id) FROM ids_{kind}").fetchone()[0] for kind in ("events", "users"))
    said = (
        f"0 of {count:,} ids match the users table {users}; here they look like {_shape(first)}, there like {_shape(second)}. "
        "Export both with the same ids."
    )
    return [problem("ids_do_not_match", events, said, column="user_id")]


def _shape(value: str) -> str:
    """What an id looks like, without the id: `9.9` for 1.0, `a99` for u17."""
    return "".join("9" if letter.isdigit() else "a" if letter.isalpha() else letter for letter in value[:20])
