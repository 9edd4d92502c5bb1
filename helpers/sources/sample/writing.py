"""The community as the CSV files that a platform exports."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from helpers.sources.sample.dirt import BAD_TIMES, FAULTS, future_seconds, ragged_line
from helpers.sources.sample.plan import CAMPAIGNS, CONTENT_KINDS, EVENTS, TOPICS, Plan

HEADER = "uid,time,type,channel_name,content_id,content_kind,parent_id,duration_s,fee,discount,campaign\n"
BOT = "u999999"


def uids(count: int) -> np.ndarray:
    """Ids of members, numbered from 1, with leading zeros."""
    return np.array([f"u{number:06d}" for number in range(1, count + 1)], dtype=object)


def texts(plan: Plan, t: np.ndarray) -> pa.Array:
    """Local times as YYYY-MM-DD HH:MM:SS from seconds since the first midnight."""
    moments = np.datetime64(plan.first_day, "s") + t.astype("timedelta64[s]")
    return pa.array(moments).cast(pa.string())


def write_events(folder: Path, plan: Plan, events: pd.DataFrame, fault: np.ndarray) -> dict[str, dict[str, int]]:
    """Write monthly parts; counts by file: `rows_in` and one for each fault.

    Args:
        folder: Where the parts go.
        plan: The community's parameters.
        events: Events with their faulty copies, in order of time.
        fault: The fault of each row, a code into FAULTS.
    """
    folder.mkdir(parents=True)
    table = _event_table(plan, events, fault)
    t = events["t"].to_numpy()
    month = (np.datetime64(plan.first_day, "s") + t.astype("timedelta64[s]")).astype("datetime64[M]")
    edges = [*np.flatnonzero(np.diff(month.astype(int), prepend=-1)), len(t)]
    counts = {}
    ragged = 0
    for low, high in pairwise(edges):
        name = f"{month[low]}.csv"
        bent = low + np.flatnonzero(fault[low:high] == FAULTS.index("ragged"))
        _write_part(folder / name, table, low, high, bent, ragged)
        ragged += len(bent)
        by_fault = np.bincount(fault[low:high], minlength=len(FAULTS))
        counts[f"{folder.name}/{name}"] = {
            "rows_in": int(high - low),
            **{reason: int(by_fault[code]) for code, reason in enumerate(FAULTS) if code},
        }
    return counts


def _event_table(plan: Plan, events: pd.DataFrame, fault: np.ndarray) -> pa.Table:
    """All columns as text or numbers, nulls for empty cells, the faults but the ragged ones applied."""
    t = events["t"].to_numpy().copy()
    future = fault == FAULTS.index("future_time")
    t[future] = future_seconds(plan, t[future])
    bad = np.flatnonzero(fault == FAULTS.index("bad_time"))
    time = texts(plan, t)
    wrong = pa.array([BAD_TIMES[number % len(BAD_TIMES)] for number in range(len(bad))], pa.string())
    if len(bad):
        mask = np.zeros(len(t), dtype=bool)
        mask[bad] = True
        time = pa.compute.replace_with_mask(time, pa.array(mask), wrong)
    member = np.where(fault == FAULTS.index("blank_user"), -1, events["member"].to_numpy())
    made = int(events["content"].max()) + 1
    content = [f"c{number:07d}" for number in range(1, made + 1)]
    columns = {
        "uid": _words(member, [*uids(plan.members), BOT]),
        "time": time,
        "type": _words(events["type"].to_numpy(), EVENTS),
        "channel_name": _words(events["topic"].to_numpy(), TOPICS),
        "content_id": _words(events["content"].to_numpy(), content),
        "content_kind": _words(events["kind"].to_numpy(), CONTENT_KINDS),
        "parent_id": _words(events["parent"].to_numpy(), content),
        **{column: _numbers(events[name]) for column, name in (("duration_s", "duration"), ("fee", "fee"))},
        "discount": _numbers(events["discount"]),
        "campaign": _words(events["campaign"].to_numpy(), CAMPAIGNS),
    }
    return pa.table(columns)


def _words(codes: np.ndarray, words: list[str] | tuple[str, ...]) -> pa.Array:
    """The word of each code, null for -1."""
    return pa.array(words, pa.string()).take(pa.array(codes, pa.int32(), mask=codes < 0))


def _numbers(values: pd.Series) -> pa.Array:
    """Whole numbers, null for -1."""
    numbers = values.to_numpy()
    return pa.array(numbers, mask=numbers < 0)


def _write_part(path: Path, table: pa.Table, low: int, high: int, bent: np.ndarray, number: int) -> None:
    """Rows low to high; the ragged ones are written by hand, since no writer would make them."""
    options = csv.WriteOptions(include_header=False, quoting_style="none", batch_size=65_536)
    with path.open("wb") as out:
        out.write(HEADER.encode())
        start = low
        for offset, row in enumerate([*bent, high]):
            csv.write_csv(table.slice(start, row - start), out, options)
            if row < high:
                values = table.slice(row, 1).to_pylist()[0].values()
                cells = ["" if value is None else str(value) for value in values]
                out.write(ragged_line(cells, number + offset).encode())
            start = row + 1


def write_frame(path: Path, frame: pd.DataFrame) -> int:
    """A small table as CSV; empty cells for missing values; the number of rows."""
    frame.to_csv(path, index=False, lineterminator="\n")
    return len(frame)
