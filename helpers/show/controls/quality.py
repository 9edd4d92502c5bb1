"""Rows that were set aside, in a table: where they stand, what is wrong, what to do, and their form without their values."""

from __future__ import annotations

import pandas as pd

from helpers.problems import BY_NAME
from helpers.show import tables, words
from helpers.show.gate import Shown
from helpers.show.words import word


def examples(found: pd.DataFrame, counted: pd.DataFrame, file: str, reason: str) -> Shown:
    """Examples of one reason in one file.

    Args:
        found: As `cleaning.examples` gives them.
        counted: Contract `reasons`.
    """
    own = counted[(counted["file"] == file) & (counted["reason"] == reason)]
    code = BY_NAME.get(reason)
    said = f"{code.meaning}. {code.remedy}" if code else reason
    first = own["first_line"].min() if len(own) else 0
    return tables.table(
        found, title=word("quality.title", reason=words.tier(reason), file=file, n=f"{own['rows'].sum():,}", line=first),
        subtitle=said, note=word("quality.note"), keep="first",
        columns={"line": (word("quality.line"), "count"), "column": "text", "code": "text",
                 "form": (word("quality.form"), "text")},
    )  # fmt: skip


def findings(suspicions: pd.DataFrame, rule: str, subject: str) -> Shown:
    """What one rule that warns has found, of everything or of one day, spelling or masked pseudonym.

    Args:
        suspicions: Contract `suspicions`.
        subject: Its subject, or "" for all.
    """
    own = suspicions[suspicions["rule"] == rule]
    own = own[own["subject"] == subject] if subject else own
    place = own["file"] + " " + own["line"].where(own["line"] > 0, "").astype("str")
    return tables.table(
        own.assign(place=place), title=words.label(rule), n="people", keep="first",
        columns={"said": (word("quality.said"), "text"), "rows": "count", "place": (word("quality.place"), "text")},
    )  # fmt: skip
