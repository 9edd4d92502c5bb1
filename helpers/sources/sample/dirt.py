"""Planted faults: copies of clean rows, each with exactly one thing wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.sources.sample.plan import DAY, VIEW, Plan

FAULTS = ("clean", "duplicate", "blank_user", "bad_time", "future_time", "ragged")
BAD_TIMES = (
    "2025-13-05 10:00:00",
    "2026-02-30 08:30:00",
    "2025-11-11 25:61:00",
    "0000-00-00 00:00:00",
    "昨天 12:00",
)


def plant_dirt(plan: Plan, events: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Events with faulty copies beside their originals, and the fault of each row (a code into FAULTS).

    No copy is an exact duplicate by accident: blank ids come from rows of different seconds, impossible times and
    ragged rows from different members, and each future time is a day of its own (so that no such day looks like a day
    of data).

    Args:
        plan: The community's parameters.
        events: Clean events in order of time; no two are alike in member, time and type.
    """
    draw = plan.draws("dirt")
    n = len(events)
    human = np.flatnonzero((events["member"] < plan.members).to_numpy())
    seen = human[(events["type"].to_numpy()[human]) == VIEW]
    pools = {
        "duplicate": human,
        "blank_user": _different(draw, seen, events["t"].to_numpy()),
        "bad_time": _different(draw, seen, events["member"].to_numpy()),
        "future_time": human,
        "ragged": _different(draw, seen, events["member"].to_numpy()),
    }
    rows, faults = [np.arange(n)], [np.zeros(n, dtype=np.int8)]
    for code, name in enumerate(FAULTS[1:], start=1):
        count = max(4, round(plan.members * plan.dirt_shares[name]))
        rows.append(draw.choice(pools[name], count, replace=False))
        faults.append(np.full(count, code, dtype=np.int8))
    row, fault = np.concatenate(rows), np.concatenate(faults)
    order = np.argsort(row, kind="stable")
    return events.iloc[row[order]].reset_index(drop=True), fault[order]


def _different(draw: np.random.Generator, rows: np.ndarray, value: np.ndarray) -> np.ndarray:
    """One row of these for each different value, by chance."""
    shuffled = draw.permutation(rows)
    return np.sort(shuffled[np.unique(value[shuffled], return_index=True)[1]])


def future_seconds(plan: Plan, t: np.ndarray) -> np.ndarray:
    """Times at the same hour, from 12 days after the last day on, 37 days apart."""
    return t % DAY + (plan.days + 11 + 37 * np.arange(len(t))) * DAY


def ragged_line(cells: list[str], number: int) -> str:
    """The row with its topic lost (10 cells) or split by an unquoted comma (12 cells), in turn."""
    wrong = cells[:3] + cells[4:] if number % 2 == 0 else [*cells[:4], "器材", *cells[4:]]
    return ",".join(wrong) + "\n"
