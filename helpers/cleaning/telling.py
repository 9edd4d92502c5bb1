"""How a finding is counted and told: rows, people and the place of the first of them, in one query for all rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import ibis
import pandas as pd

from helpers.cleaning import spelling


@dataclass(frozen=True)
class Wrong:
    """Rows of a finding, or of one for each value of the column `about`; `said` tells of `{rows}`, `{people}`, `{about}`."""

    rule: str
    table: str
    column: str
    rows: ibis.Table
    said: str
    row: str = "event"
    about: str = ""


def told(wrong: list[Wrong]) -> Iterator[dict]:
    """The findings of all these rules, counted in one query; none where there are no rows."""
    if not wrong:
        return
    parts = []
    for number, one in enumerate(wrong):
        about = one.rows[one.about].cast("string") if one.about else ibis.literal("")
        parts.append(one.rows.select("user_id", "_file", "_line", number=ibis.literal(number), about=about))
    found = counted(ibis.union(*parts), "number", "about").order_by(["number", "about"])
    for own in found.to_pandas().itertuples(index=False):
        one, about = wrong[own.number], spelling.shown(own.about)
        words = {"rows": plural(own.rows, one.row), "people": plural(own.people, "person", "people"), "about": about}
        yield finding(one.rule, one.table, one.column, own, one.said.format(**words), about)


def counted(rows: ibis.Table, *by: str) -> ibis.Table:
    """`rows`, distinct `people`, and `file` and `line` of the first row, for each value of some columns."""
    own = rows.group_by(list(dict.fromkeys([*by, "user_id", "_file"]))).agg(rows=rows.count(), line=rows["_line"].min())
    own = own.mutate(file=own["_file"].min().over(group_by=by))
    return own.group_by([*by, "file"]).agg(
        rows=own.rows.sum().cast("int64"), people=own.user_id.nunique(), line=own.line.min(where=own["_file"] == own.file)
    )


def nowhere(rows: int = 0, people: int = 0) -> pd.Series:
    """Counts of a finding that has no place."""
    return pd.Series({"rows": rows, "people": people, "file": "", "line": 0})


def finding(rule: str, table: str, column: str, own, said: str, subject: str = "") -> dict:
    """A row of the contract; `own` has its counts and its place."""
    place = {"rows": own.rows, "people": own.people, "file": own.file, "line": own.line}
    return {"rule": rule, "table": table, "column": column, "subject": subject, **place, "said": said}


def plural(count: int, one: str, many: str | None = None) -> str:
    """ "1 event", "1,200 events"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def percent(share: float) -> str:
    """ "12.5 %" of 0.125."""
    return f"{100 * share:.1f} %"
