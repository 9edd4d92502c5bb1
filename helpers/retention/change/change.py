"""What changed, and whether it is people or behaviour: the change of a number in parts that add up, slice by slice.

A share (week-1 retention) changes by mix (who its people are) and rate (what they do). A total is people times an amount each and
changes by size besides (how many they are): weekly actives = people known x the share of them that is active; net amount =
people present (active or paying) x the net amount of each.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import contracts, stats
from helpers.errors import RunFailed
from helpers.retention.change.band import confidence_of
from helpers.retention.change.kitagawa import errors, parts
from helpers.retention.change.slices_by_week import BASES
from helpers.retention.change.two_spans import SHARE, Compared, compared, panels, told
from helpers.retention.change.usual import WATCHED, Usual, usual_now

PARTS = ("size", "mix", "rate")
CHANGES = contracts.declare(
    "changes",
    grain="one row per number, base, slice and part of its change",
    key=["metric", "base", "dimension", "slice", "part"],
    needs="events",
    small=True,
    nullable=("low", "high", "band_low", "band_high"),
    columns={
        "metric": ("string", "", "key of metrics.toml"),
        "base": ("string", "", "what the last week is compared with: week_before, or past_mean (of up to 13 weeks before)"),
        "dimension": ("string", "", '"all", "tenure", or the attribute that slices'),
        "slice": ("string", "", "value of the attribute"),
        "part": ("string", "", '"change" of the whole; or of a slice its size, mix or rate'),
        "value": ("float64", "", "the part, in the unit of the metric; the parts of a dimension add up to the change"),
        "low": ("float64", "", "end of its 95 % interval; empty where there is none"),
        "high": ("float64", "", "end of its 95 % interval; empty where there is none"),
        "p": ("float64", "", "of no change or a usual week, whichever is likelier; of parts by Holm over all of the number"),
        "before": ("float64", "of what moved", "whole in the base; of a slice its people, their part of all, or what each does"),
        "now": ("float64", "of what moved", "the same in the last week"),
        "band_low": ("float64", "", "where it usually lies, from its own past; empty while that is too short"),
        "band_high": ("float64", "", "end of it"),
        "clear": ("boolean", "", "p is as small as all numbers watched together allow (Šidák): a change, and no usual one"),
        "n": ("int64", "people", "people whom it describes, in the smaller of the two spans"),
        "weeks": ("int64", "weeks", "weeks of the base"),
        "missing": ("int64", "weeks", "further weeks until there is a usual band"),
    },
)


def changes(weeks: pd.DataFrame, steps: pd.DataFrame, *, paid: bool, watched: int = WATCHED) -> pd.DataFrame:
    """The change of weekly actives, week-1 retention and net amount in the last week, whole and in parts (contract `changes`).

    Each is compared with the week before and with the mean of the up to 13 weeks before (pooled, of the cohorts, for retention,
    without the data's first, whose people are of unknown past). Intervals are at 95 %. Totals vary as a compound Poisson sum
    over people, each person's base and now together, so that who did the same as before adds nothing; where people move between
    slices (tenure) the weeks count as independent, which is wider. Shares of cohorts are binomial. Parts follow by the
    delta method.

    Args:
        weeks: Contract `slice_weeks`; its last week is the one that changed.
        steps: As the function gives them.
        paid: Whether the dataset has payments.
        watched: How many numbers are watched together: the more, the smaller the p of a clear one.

    Raises:
        RunFailed: The parts of a dimension do not add up to the change.
    """
    found, confidence = [], confidence_of(watched)
    for metric in told(weeks, paid=paid):
        people, amounts = panels(weeks, metric)
        usual = usual_now(people, amounts, metric, confidence=confidence)
        for base, most in BASES.items():
            rows: list[dict] = []
            for dimension, spans in compared(people, amounts, weeks, steps, (metric, base, most)):
                _assert_sum(spans, metric, dimension)
                rows += _rows(spans, usual, (metric, base, dimension))
            found += _judged(rows, 1 - confidence)
    return _typed(pd.DataFrame(found, columns=list(CHANGES.columns)))


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """As the contract has it, also without any row."""
    types = {"float64": "float64", "int64": "int64", "boolean": "bool"}
    return table.astype({name: types[spec.dtype] for name, spec in CHANGES.columns.items() if spec.dtype in types})


def _assert_sum(spans: Compared, metric: str, dimension: str) -> None:
    whole = spans.four.sum(axis=0)
    if min(whole[[0, 2]]) <= 0:
        return
    change = whole[3] / whole[2] - whole[1] / whole[0] if metric == SHARE else whole[3] - whole[1]
    found = parts(spans.four, total=metric != SHARE).sum()
    if abs(found - change) > 1e-9 * max(1.0, np.abs(spans.four).sum()):
        raise RunFailed(f"The parts of {metric} by {dimension} do not add up to its change. This is a fault of the toolkit.")


def _rows(spans: Compared, usual: dict[tuple, Usual], what: tuple[str, str, str]) -> list[dict]:
    """The rows of one dimension; `p` is still of the part by itself: of no change or of a usual week, whichever is likelier."""
    metric, base, dimension = what
    found = []
    for row in _whole(spans, metric) if dimension == "all" else _slices(spans, metric):
        band = usual[row["part"], dimension, row["slice"]]
        p = max(row["p"], 1.0 if np.isnan(band.p) else band.p)
        found.append({
            "metric": metric, "base": base, "dimension": dimension, **row, "p": p, "band_low": band.low, "band_high": band.high,
            "weeks": spans.weeks, "missing": band.missing,
        })  # fmt: skip
    return found


def _judged(rows: list[dict], limit: float) -> list[dict]:
    """With `clear`; where there are parts, their p by Holm (1979) over all of them, in all dimensions."""
    tests = sorted((row for row in rows if row["part"] != "change"), key=lambda row: row["p"])
    largest = 0.0
    for at, row in enumerate(tests):
        largest = row["p"] = max(largest, min(1.0, row["p"] * (len(tests) - at)))
    return [{**row, "clear": row["p"] <= limit} for row in rows]


def _whole(spans: Compared, metric: str) -> list[dict]:
    four, moments = spans.four[0], spans.moments[0]
    if metric == SHARE:
        counts = np.rint(four * (spans.weeks, spans.weeks, 1, 1)).astype(int)
        moved = stats.compare_shares(*(int(count) for count in counts[[1, 0, 3, 2]]))
        before, now = (four[at + 1] / four[at] if four[at] else np.nan for at in (0, 2))
        people = four[[0, 2]]
    else:
        before, now = four[1], four[3]
        error = np.sqrt(max(moments[1, 1] + moments[3, 3] - 2 * moments[1, 3], 0))
        moved = _normal(now - before, error)
        people = four[[1, 3]] if metric == "weekly_actives" else four[[0, 2]]
    if np.isnan(before) or np.isnan(now):
        return []
    return [{"slice": "all", "part": "change", "value": now - before, "low": moved.low, "high": moved.high, "p": moved.p,
             "before": before, "now": now, "n": _least(people)}]  # fmt: skip


def _least(people: np.ndarray) -> int:
    """The people of the smaller span; of the larger one where the smaller has nobody."""
    return int(np.ceil(people[people > 0].min())) if people.max() > 0 else 0


def _normal(estimate: float, error: float) -> stats.Difference:
    if not error > 0:
        return stats.Difference(estimate, estimate, estimate, 1.0, stats.UNKNOWN)
    half = distributions.norm.ppf(0.975) * error
    p = 2 * distributions.norm.sf(abs(estimate) / error)
    return stats.Difference(estimate, estimate - half, estimate + half, float(p), stats.UNKNOWN)


def _slices(spans: Compared, metric: str) -> list[dict]:
    """Every part of every slice."""
    total, four = metric != SHARE, spans.four
    whole = four.sum(axis=0)
    if min(whole[[0, 2]]) <= 0:
        return []
    found, error = parts(four, total=total), errors(four, spans.moments, total=total)
    people = four[:, [0, 2]]
    each = np.divide(four[:, [1, 3]], people, out=np.full_like(people, np.nan), where=people > 0)
    each = np.where(np.isnan(each), each[:, ::-1], each)
    moved = {"size": people, "mix": people / whole[[0, 2]], "rate": np.nan_to_num(each)}
    rows = []
    for at, part in enumerate(PARTS):
        for row, name in enumerate(spans.slices) if total or part != "size" else ():
            known = _normal(found[row, at], error[row, at])
            rows.append({
                "slice": name, "part": part, "value": known.estimate, "low": known.low, "high": known.high, "p": known.p,
                "before": moved[part][row, 0], "now": moved[part][row, 1], "n": _least(people[row]),
            })  # fmt: skip
    return rows
