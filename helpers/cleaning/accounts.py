"""What became of the rows: the row ledger with its law of conservation, the reasons, the limits, what arrived and when."""

from __future__ import annotations

import ibis
import pandas as pd

from helpers import contracts
from helpers.cleaning.judging import STATUSES
from helpers.errors import InputError, RunFailed

LOCAL_DAYS = ("registered_day", "assigned_day", "touched_day", "answered_day", "day")

LEDGER = contracts.declare(
    "ledger",
    grain="one row per source file",
    key=["table", "file"],
    small=True,
    columns={
        "table": ("string", "", "part of dataset.toml that the file belongs to"),
        "file": ("string", "", "file, relative to the folder of the sources"),
        "rows_in": ("int64", "rows", "records after the header"),
        "kept": ("int64", "rows", "rows that the numbers rest on"),
        "not_selected": ("int64", "rows", "left out by `where`, or of a user who is set aside"),
        "after_as_of": ("int64", "rows", "later than the week of the report"),
        "duplicates": ("int64", "rows", "the same text in every column as an earlier row"),
        "quarantined": ("int64", "rows", "cannot be used as they are"),
        "changed": ("int64", "rows", "of the kept, rows with a cell that cannot be and was emptied"),
    },
)
REASONS = contracts.declare(
    "reasons",
    grain="one row per source file and reason",
    key=["table", "file", "status", "reason"],
    small=True,
    nullable=("first_byte",),
    columns={
        "table": ("string", "", "part of dataset.toml that the file belongs to"),
        "file": ("string", "", "file, relative to the folder of the sources"),
        "status": ("string", "", "where such rows are counted in the ledger"),
        "reason": ("string", "", "why the row was set aside"),
        "rows": ("int64", "rows", "rows set aside for this reason"),
        "changed": ("int64", "rows", "of them, kept with a cell emptied"),
        "first_line": ("int64", "", "line of the first such row"),
        "first_byte": ("float64", "bytes", "its place in the unpacked file; empty for Parquet"),
    },
)
QUARANTINE = contracts.declare(
    "quarantine",
    grain="one row per row of a file that is set aside because it cannot be used",
    key=["source_file", "line", "column", "reason"],
    nullable=("byte_offset",),
    columns={
        "source_file": ("string", "", "file, relative to the folder of the sources"),
        "source_sha256": ("string", "", "hash of the file's bytes"),
        "line": ("int64", "", "line on which the row begins; of Parquet its number, of a table any"),
        "byte_offset": ("int64", "bytes", "where it begins in the unpacked file; empty for Parquet"),
        "column": ("string", "", "column that cannot be used; empty where it is the whole row"),
        "code": ("string", "", "code of the problem"),
        "reason": ("string", "", "its name"),
        "raw_line": ("string", "", "the row as it stands"),
        "run_id": ("string", "", "what was judged: dataset.toml, the week and the files"),
    },
)
COVERAGE = contracts.declare(
    "coverage",
    grain="one row per table and kind of event",
    key=["table", "kind"],
    small=True,
    nullable=("first_day", "last_day"),
    columns={
        "table": ("string", "", "part of dataset.toml"),
        "kind": ("string", "", "name of the event; for other tables the table itself"),
        "rows": ("int64", "rows", "rows that `where` selects, up to the end of the week, duplicates left out"),
        "set_aside": ("int64", "rows", "of these, quarantined or of a user who is set aside"),
        "kept": ("int64", "rows", "of these, kept"),
        "users": ("int64", "people", "distinct people among the kept"),
        "first_day": ("date", "", "local day of the first kept row"),
        "last_day": ("date", "", "local day of the last kept row"),
    },
)
VOLUME = contracts.declare(
    "volume",
    grain="one row per local day",
    key=["day"],
    needs="events",
    small=True,
    columns={
        "day": ("date", "", "local day"),
        "events": ("int64", "rows", "kept events"),
        "users": ("int64", "people", "distinct people with a kept event"),
    },
)


def counts(judged: ibis.Table) -> ibis.Table:
    """How many rows of a file there are of each kind and day, and what became of them: few rows, to be asked instead of all.

    Returns:
        `_source`, `_file`, `_table`, `_status`, `_reason`, `_selected`, `kind` (name of the event; for other tables the table
        itself), `day` (local, where the table has one) and of events the `hour`; `rows`, `changed` (of the kept, with a cell
        emptied), `line` and `byte` of the first.
    """
    there = {"ts", "event"} <= set(judged.columns)
    days = [judged[column] for column in LOCAL_DAYS if column in judged.columns and judged[column].type().is_date()]
    keys = ["_source", "_file", "_table", "_status", "_reason", "_selected"]
    own = judged.mutate(
        kind=ibis.coalesce(judged.event if there else judged["_table"], ""), day=days[0] if days else ibis.null("date"),
        hour=judged.hour.cast("int64") if there else ibis.null("int64"),
    )  # fmt: skip
    return own.group_by([*keys, "kind", "day", "hour"]).agg(
        rows=own.count(), changed=((own["_status"] == "kept") & own["_emptied"].notnull()).sum().cast("int64"),
        line=own["_line"].min(), byte=own["_byte"].min(),
    )


def reasons(*judged: ibis.Table) -> pd.DataFrame:
    """Why rows were set aside: one row per table, file, status and reason, kept rows among them (contract `reasons`).

    Args:
        judged: Rows as `judge` gives them, or the `counts` of them.
    """
    counted = [
        table.group_by(table=table["_table"], file=table["_file"], status=table["_status"], reason=table["_reason"]).agg(
            rows=table.rows.sum().cast("int64"),
            changed=table.changed.sum().cast("int64"),
            first_line=table.line.min(),
            first_byte=table.byte.min().cast("float64"),
        )
        for table in map(_counted, judged)
    ]
    found = pd.concat([table.to_pandas() for table in counted], ignore_index=True)
    return found.sort_values(["table", "file", "status", "reason"], ignore_index=True).astype(
        {"rows": "int64", "changed": "int64", "first_line": "int64", "first_byte": "float64"}
    )


def quarantined(judged: ibis.Table) -> ibis.Table:
    """Where the quarantined rows of a judged table stand: table, source, file, line, byte, size, reason."""
    aside = judged.filter(judged["_status"] == "quarantined")
    return aside.select(
        table=aside["_table"], source=aside["_source"], file=aside["_file"], line=aside["_line"], byte=aside["_byte"],
        size=aside["_size"], reason=aside["_reason"],
    )  # fmt: skip


def by_reason(found: pd.DataFrame) -> pd.DataFrame:
    """Reasons over all files of a table: `table`, `status`, `reason`, `rows`, `files`; `file` and `line` of the first of them."""
    aside = found[found["status"] != "kept"]
    keys = ["table", "status", "reason"]
    first = {"file": ("file", "first"), "line": ("first_line", "first")}
    grouped = aside.groupby(keys, as_index=False).agg(rows=("rows", "sum"), files=("file", "nunique"), **first)
    return grouped.sort_values(["table", "status", "rows"], ascending=[True, True, False], ignore_index=True)


def by_rule(suspicions: pd.DataFrame) -> pd.DataFrame:
    """Suspicions by rule and table: `rule`, `table`, `findings`, `rows`, `people`, in the order of the rules."""
    keys = ["rule", "table"]
    grouped = suspicions.groupby(keys, as_index=False, sort=False)
    return grouped.agg(findings=("said", "size"), rows=("rows", "sum"), people=("people", "sum"))


def ledger(found: pd.DataFrame, rows_in: dict[tuple[str, str], int]) -> pd.DataFrame:
    """The row ledger (contract `ledger`), with the law of conservation asserted for each file.

    Args:
        found: As `reasons` gives it.
        rows_in: Records of each table and file, counted when it was read.

    Raises:
        RunFailed: The parts of a file do not add up to the rows that came in.
    """
    wide = found.pivot_table(index=["table", "file"], columns="status", values="rows", aggfunc="sum", fill_value=0)
    wide = wide.reindex(columns=list(STATUSES), fill_value=0)
    wide["changed"] = found.groupby(["table", "file"])["changed"].sum()
    wide = wide.reset_index()
    wide.insert(2, "rows_in", [rows_in.get(key, 0) for key in zip(wide["table"], wide["file"], strict=True)])
    off = wide[wide[list(STATUSES)].sum(axis=1) != wide["rows_in"]]
    if len(off):
        row = off.iloc[0]
        raise RunFailed(
            f"{row['file']}: {row['rows_in']} rows came in, {row[list(STATUSES)].sum()} are accounted for. "
            "This is a fault of the toolkit, not of the data."
        )
    return wide.astype(dict.fromkeys(("rows_in", *STATUSES, "changed"), "int64"))


def check_limits(found: pd.DataFrame, ledger: pd.DataFrame, *, quarantined: float, mandatory: float) -> pd.DataFrame:
    """The share of each file that is quarantined, and of its rows without a usable user, time or event.

    Raises:
        InputError: A share is over its limit; names the file, the share, the reasons and the setting.
    """
    over = over_limits(found, ledger, quarantined=quarantined, mandatory=mandatory)
    if over:
        _, file, said = over[0]
        raise InputError(f"{file}: {said}")
    aside = found[found["status"] == "quarantined"].groupby(["table", "file"])["rows"].sum()
    return (aside / ledger.set_index(["table", "file"])["rows_in"]).fillna(0.0).rename("share").reset_index()


def over_limits(found: pd.DataFrame, ledger: pd.DataFrame, *, quarantined: float, mandatory: float) -> list[tuple[str, str, str]]:
    """Files of which too much was set aside: the name of the problem's code, the file, and what is to be said."""
    over = []
    where = ["table", "file"]
    rows = ledger.set_index(where)["rows_in"]
    aside = found[found["status"] == "quarantined"]
    shares = (aside.groupby(where)["rows"].sum() / rows).fillna(0.0)
    for (table, file), share in shares[shares > quarantined].items():
        why = aside[(aside["table"] == table) & (aside["file"] == file)].sort_values("rows", ascending=False)
        named = ", ".join(f"{reason} {count:,}" for reason, count in zip(why["reason"], why["rows"], strict=True))
        said = (
            f"{share:.1%} of its {rows[table, file]:,} rows cannot be used ({named}; first at line {why['first_line'].min()}), "
            f"over the limit of {quarantined:.1%}. Mend the export, or raise [cleaning] max_quarantined_share with a reason."
        )
        over.append(("over_limit", file, said))
    columns = aside[aside["reason"].str.startswith(("blank_", "bad_time"))]
    worst = columns.set_index([*where, "reason"])["rows"]
    worst = worst / rows.reindex(worst.index.droplevel("reason")).to_numpy()
    for (_, file, reason), share in worst[worst > mandatory].items():
        said = (
            f"{share:.1%} of its rows are set aside for {reason}, over the limit of {mandatory:.1%}. Mend the export, or raise "
            "[cleaning] max_bad_mandatory_share with a reason."
        )
        over.append(("over_mandatory_limit", file, said))
    return over


def _counted(judged: ibis.Table) -> ibis.Table:
    return judged if "rows" in judged.columns else counts(judged)


def kinds(kept: ibis.Table) -> ibis.Table:
    """Who has events of which kind: a row for each `user_id` and `kind` (name of the event), with the number of `rows` and the
    time of the `first`.
    """
    kind = ibis.coalesce(kept.event, "")
    return kept.group_by("user_id", kind=kind).agg(rows=kept.count(), first=kept.ts.min())


KINDS = {"first": "min"}  # of kinds in several spans


def names(judged: ibis.Table) -> ibis.Table:
    """Which topics and names of events the kept events of a file have, and the amounts that came with them.

    Returns:
        `_source`, `_file`, `topic`, `event`; `rows`, of them those with an amount (`amounts`), the sum of the sizes of these
        (`total`) and the `largest`.
    """
    kept = judged.filter(judged["_status"] == "kept")
    size = kept.amount.abs()
    return kept.group_by(["_source", "_file", "topic", "event"]).agg(
        rows=kept.count(), amounts=kept.amount.count(), total=size.sum(), largest=size.max()
    )


def coverage(judged: list[ibis.Table], counted: ibis.Table | None = None, who: ibis.Table | None = None) -> pd.DataFrame:
    """What arrived up to the end of the week, by table and kind of event (contract `coverage`).

    Args:
        judged: Rows as `judge` gives them, of events first.
        counted, who: The `counts` and `kinds` of the events, where they are at hand.
    """
    parts = []
    for number, table in enumerate(judged):
        seen, people = _counted(table), table.filter(table["_status"] == "kept")
        seen = counted if number == 0 and counted is not None else seen
        seen = seen.filter(seen["_selected"] & ~seen["_status"].isin(["after_as_of", "duplicates"]) & (seen.kind != ""))
        is_kept = seen["_status"] == "kept"
        part = seen.group_by(table=seen["_table"], kind=seen.kind).agg(
            rows=seen.rows.sum(), set_aside=seen.rows.sum(where=~is_kept).fill_null(0),
            kept=seen.rows.sum(where=is_kept).fill_null(0),
            first_day=seen.day.min(where=is_kept), last_day=seen.day.max(where=is_kept),
        ).to_pandas()  # fmt: skip
        if number == 0 and who is not None:
            people = who.group_by("kind").agg(users=who.count())
        elif "user_id" in table.columns:
            kind = ibis.coalesce(people.event, "") if {"ts", "event"} <= set(table.columns) else people["_table"]
            people = people.group_by(kind=kind).agg(users=people.user_id.nunique())
        else:
            people = None
        users = {} if people is None else people.to_pandas().set_index("kind")["users"]
        parts.append(part.assign(users=part["kind"].map(users).fillna(0)))
    found = pd.concat(parts, ignore_index=True)[list(COVERAGE.columns)]
    found = found.astype(dict.fromkeys(("rows", "set_aside", "kept", "users"), "int64"))
    return found.sort_values(["table", "rows", "kind"], ascending=[True, False, True], ignore_index=True)


def volume(user_day: ibis.Table) -> pd.DataFrame:
    """Kept events and people a local day (contract `volume`), from the facts of the same name."""
    found = user_day.group_by("day").agg(events=user_day.events.sum(), users=user_day.count())
    return found.order_by("day").to_pandas().astype({"events": "int64", "users": "int64"})
