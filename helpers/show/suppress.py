"""Complementary suppression: a withheld number must not be the difference of numbers that are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

# Beyond this many hidden entries the margins confine next to nothing, and solving would take seconds.
LARGEST_SOLVED = 400


def one_way(sizes: Sequence[float | None], small: Sequence[bool], wholes: Sequence[object], least: int) -> list[bool]:
    """Which further parts of each whole must go, so that the hidden ones are two or more and hold `least` people.

    Args:
        sizes: People of each part; None where unknown.
        small: Which parts are withheld already.
        wholes: For each part, the whole that it belongs to.
        least: The smallest group that may be shown (people).

    Returns:
        For each part, whether it goes as well. Of equal sizes the earlier goes first.
    """
    extra = [False] * len(sizes)
    for whole in dict.fromkeys(wholes):
        rows = [i for i, other in enumerate(wholes) if other == whole]
        hidden = [i for i in rows if small[i]]
        spare = sorted((i for i in rows if not small[i] and (sizes[i] or 0) > 0), key=lambda i: (sizes[i], i))
        while hidden and spare and (len(hidden) < 2 or sum(sizes[i] for i in hidden) < least):
            extra[spare[0]] = True
            hidden.append(spare.pop(0))
    return extra


def with_margins(counts: np.ndarray) -> np.ndarray:
    """The counts with one more column and one more row: their totals."""
    wide = np.hstack([counts, counts.sum(axis=1, keepdims=True)])
    return np.vstack([wide, wide.sum(axis=0, keepdims=True)])


def two_way(counts: np.ndarray, least: int) -> np.ndarray:
    """Which entries of a two-way table and its totals must be hidden: 1 too small, 2 complementary, 0 shown.

    A reader knows the entries shown, that rows and columns add up, and that no count is negative. After this, every
    entry that is too small could be anything within a range of at least `least` people.

    Args:
        counts: People, two-dimensional, no gaps.
        least: The smallest group that may be shown (people).

    Returns:
        An array of the shape of `with_margins(counts)`.
    """
    table = with_margins(np.asarray(counts, dtype=float))
    small = (table > 0) & (table < least)
    hidden = np.ones_like(small) if small[-1, -1] else small.copy()
    # Hiding more only widens what an entry could be, so one that is safe stays safe.
    waiting = [(int(i), int(j)) for i, j in zip(*np.nonzero(small), strict=True)]
    while True:
        entry = _lonely(table, hidden)
        if entry is None and hidden.sum() <= LARGEST_SOLVED:
            while waiting and _is_wide(table, hidden, waiting[-1], least):
                waiting.pop()
            entry = _beside(table, hidden, waiting[-1]) if waiting else None
        if entry is None:
            return np.where(small, 1, np.where(hidden, 2, 0))
        hidden[entry] = True


def _cheapest(table: np.ndarray, hidden: np.ndarray, entries: Iterable[tuple[int, int]]) -> tuple[int, int] | None:
    """The shown entry that costs readers least: no total, no zero, few people; the grand total never."""
    end = (table.shape[0] - 1, table.shape[1] - 1)
    spare = [(i, j) for i, j in entries if not hidden[i, j] and (i, j) != end]
    return min(spare, key=lambda e: (e[0] == end[0] or e[1] == end[1], table[e] == 0, table[e], e), default=None)


def _lines(table: np.ndarray) -> list[list[tuple[int, int]]]:
    """The entries of every row and every column, each ending in its total."""
    rows, columns = table.shape
    return [[(i, j) for j in range(columns)] for i in range(rows)] + [
        [(i, j) for i in range(rows)] for j in range(columns)
    ]


def _lonely(table: np.ndarray, hidden: np.ndarray) -> tuple[int, int] | None:
    """The next entry to hide in a line that hides just one, which is then the difference of all others."""
    for line in _lines(table):
        if sum(hidden[entry] for entry in line) == 1:
            found = _cheapest(table, hidden, line)
            if found:
                return found
    return None


def _is_wide(table: np.ndarray, hidden: np.ndarray, entry: tuple[int, int], least: int) -> bool:
    low, high = bounds(table, hidden, entry)
    return high - low >= least


def _beside(table: np.ndarray, hidden: np.ndarray, entry: tuple[int, int]) -> tuple[int, int] | None:
    """The next entry to hide for the sake of one that the others confine: in its row or column, else anywhere."""
    everything = [other for line in _lines(table) for other in line]
    near = [other for other in everything if other[0] == entry[0] or other[1] == entry[1]]
    return _cheapest(table, hidden, near) or _cheapest(table, hidden, everything)


def bounds(table: np.ndarray, hidden: np.ndarray, entry: tuple[int, int]) -> tuple[float, float]:
    """The least and the greatest value that a hidden entry can have, given the shown ones; `table` has its totals."""
    from scipy.optimize import linprog

    at = {(int(i), int(j)): k for k, (i, j) in enumerate(zip(*np.nonzero(hidden), strict=True))}
    left, right = [], []
    for line in _lines(table):
        row, known = np.zeros(len(at)), 0.0
        for place, e in enumerate(line):
            sign = -1.0 if place == len(line) - 1 else 1.0
            if hidden[e]:
                row[at[e]] = sign
            else:
                known -= sign * table[e]
        if row.any():
            left.append(row)
            right.append(known)
    aim = np.zeros(len(at))
    aim[at[entry]] = 1
    ends = [linprog(sign * aim, A_eq=np.array(left), b_eq=np.array(right), method="highs") for sign in (1, -1)]
    low, high = (end.fun if end.status == 0 else -np.inf for end in ends)
    return float(low), float(-high)
