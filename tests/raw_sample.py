"""The built-in community's files read by plain means, apart from the project's own reader: what the truth is checked against."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, time
from functools import cache
from io import StringIO
from pathlib import Path

import pandas as pd

HEADER = "uid,time,type,channel_name,content_id,content_kind,parent_id,duration_s,fee,discount,campaign"
ACTIVE = {"view", "post", "comment", "like", "share", "pay", "checkin"}
FIRST_MONDAY = pd.Timestamp("2025-09-08")
BOT = "u999999"


@dataclass(frozen=True)
class Raw:
    """Clean events, without the bot, with `day` and `week` numbered from 0; the other tables; members by uid with `week`."""

    truth: dict
    events: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    members: pd.DataFrame
    visits: set[tuple[str, int]]


def lines(folder: Path) -> dict[str, list[str]]:
    """The rows of each monthly part as they stand, by name."""
    found = {}
    for path in sorted((folder / "events").glob("*.csv")):
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        assert header == HEADER
        found[f"events/{path.name}"] = rows
    return found


def fault(row: str) -> str | None:
    """What is wrong with one row, taken by itself."""
    cells = row.split(",")
    if len(cells) != 11:
        return "ragged"
    if not cells[0].strip():
        return "blank_user"
    day, _, clock = cells[1].partition(" ")
    if not (is_day(day) and is_clock(clock)):
        return "bad_time"
    return "future_time" if day >= "2026-03-10" else None


@cache
def is_day(text: str) -> bool:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date().isoformat() == text
    except ValueError:
        return False


@cache
def is_clock(text: str) -> bool:
    try:
        return time.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def recount(folder: Path) -> dict[str, Counter]:
    """Rows by file and fault, exact duplicates of earlier rows counted first."""
    counts = {}
    for name, rows in lines(folder).items():
        distinct = set(rows)
        counts[name] = Counter(fault(row) or "kept" for row in distinct)
        counts[name].update(rows_in=len(rows), duplicate=len(rows) - len(distinct))
    return counts


def read(folder: Path, truth: dict) -> Raw:
    """The clean rows and the other tables, as text but for the columns that the tests count with."""
    rows = [row for part in lines(folder).values() for row in dict.fromkeys(part) if fault(row) is None]
    text = StringIO("\n".join([HEADER, *rows]))
    events = pd.read_csv(text, dtype=object, keep_default_na=False)  # object: isin on pandas' text type takes seconds
    events["time"] = pd.to_datetime(events["time"], format="%Y-%m-%d %H:%M:%S")
    events["day"] = (events["time"] - FIRST_MONDAY).dt.days
    events["week"] = events["day"] // 7
    events = events[events["uid"] != BOT].reset_index(drop=True)
    names = ("users", "assignments", "touches", "spend", "feedback")
    tables = {name: pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False) for name in names}
    acts = events[events["type"].isin(ACTIVE)]
    members = tables["users"].set_index("uid")
    members = members[members.index.isin(acts["uid"].unique())].assign(week=acts.groupby("uid")["week"].min())
    return Raw(truth, events, tables, members, set(zip(acts["uid"], acts["day"], strict=True)))


def week(truth: dict, label: str) -> int:
    """The number of an ISO week of the data."""
    return list(truth["weekly_actives"]).index(label)
