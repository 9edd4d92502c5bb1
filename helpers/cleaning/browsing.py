"""Rows that were set aside, to browse through: by day, and as examples that show the form of a row and none of its values."""

from __future__ import annotations

import re
from datetime import date

import ibis
import pandas as pd

LONGEST = 120
_DIGIT, _LARGE, _SMALL, _OTHER = re.compile(r"\d"), re.compile(r"[A-Z]"), re.compile(r"[a-z]"), re.compile(r"[^\W\d_a-zA-Z]")


def by_day(judged: ibis.Table, day: str = "day", *, until: date) -> pd.DataFrame:
    """Rows of a judged table by local day and what became of them; rows without a day or of a later one are left out.

    Args:
        judged: As `judge` gives it, or `counts` of it.

    Returns:
        `day`, `reason` (kept, or why a row was set aside) and `rows`, one row a day and reason, every pair.
    """
    told = judged.filter(judged[day].cast("date") <= until)
    rows = told.rows.sum().cast("int64") if "rows" in told.columns else told.count()
    reason = ibis.ifelse(told["_status"] == "kept", "kept", told["_reason"])
    counted = told.group_by(day=told[day].cast("date"), reason=reason).agg(rows=rows).to_pandas()
    if counted.empty:
        return pd.DataFrame({"day": pd.to_datetime([]), "reason": pd.Series(dtype="str"), "rows": pd.Series(dtype="int64")})
    wide = counted.assign(day=pd.to_datetime(counted["day"]))
    wide = wide.pivot_table(index="day", columns="reason", values="rows", aggfunc="sum", fill_value=0)
    return wide.sort_index().melt(ignore_index=False, value_name="rows").reset_index().astype({"rows": "int64"})


def examples(quarantine: ibis.Table, file: str, reason: str, *, most: int = 8) -> pd.DataFrame:
    """The first rows of a file that were quarantined for a reason (of a reason of another kind there are none).

    Returns:
        `file`, `line`, `column` (empty where it is the whole row), `code`, and `form`: the row with 9 for every digit,
        a or A for every letter, 文 for a letter of another script.
    """
    own = quarantine.filter(quarantine.source_file == file, quarantine.reason == reason).order_by("line").limit(most)
    found = own.select("line", "column", "code", "raw_line", file="source_file").to_pandas()
    return found.assign(form=[form(text) for text in found["raw_line"]])[["file", "line", "column", "code", "form"]]


def form(text: str) -> str:
    """The form of a text: no letter and no digit of it is left."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:LONGEST])
    shown = _OTHER.sub("文", _DIGIT.sub("9", _SMALL.sub("a", _LARGE.sub("A", shown))))
    return shown + (" ..." if len(text) > LONGEST else "")
