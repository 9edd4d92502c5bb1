"""Totals of days are kept, so that a new week costs the days since.

    built/week_ends/totals-<name>/index.json    as of week ends: by what they follow from, the day that they reach and the file
    built/week_ends/totals-<name>/*.parquet

They are kept up to the day before a week's last one, which is seen again when the next week has come. As long as there are
some that reach near enough, no others are made.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import ibis

from helpers import paths
from helpers.runs import week_ends
from helpers.sources import engine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from helpers.runs.store import Run

KEPT = 3  # days that they are kept up to, the last ones
NEAR = timedelta(weeks=3)


def table(
    run: Run, name: str, rows: ibis.Table, make: Callable[[ibis.Table], ibis.Table], *,
    of: str, by: Sequence[str], last_day: date, given: Any = None, how: Mapping[str, str] | None = None,
) -> ibis.Table:  # fmt: skip
    """The totals of an artefact's rows up to a day, as `helpers.portraits.totals.of_rows` gives them.

    Args:
        how: Of columns of which the least or the largest counts "min" or "max"; of the others days count by their last, and
            numbers add up.
    """
    folder = week_ends.place(run, f"totals-{name}")
    known = before = week_ends.load(folder)
    until = last_day - timedelta(days=1)
    ends = sorted({end for end, _ in known.values() if end <= until} | {until}, reverse=True)
    marks = dict(zip(ends, week_ends.marks(run, ends, [of], [*by, given]), strict=True))
    newest = next((end for end in ends if marks[end] in known), None)
    if newest is None or until - newest > NEAR:
        made = make(rows.filter(rows.day <= until))
        if newest is not None:
            made = _added(engine.read(run.engine, folder / known[marks[newest]][1]), make(_between(rows, newest, until)), by, how)
        newest, file = until, f"{paths.token()}.parquet"
        engine.write(run.engine, made, folder / file, sort=[])
        known = week_ends.save(folder, before, {marks[until]: (until, file)} | known, KEPT, like=marks[until])
    kept = engine.read(run.engine, folder / known[marks[newest]][1])
    return _added(kept, make(_between(rows, newest, last_day)), by, how)


def _between(rows: ibis.Table, after: date, until: date) -> ibis.Table:
    return rows.filter(rows.day > after, rows.day <= until)


def _added(kept: ibis.Table, fresh: ibis.Table, by: Sequence[str], how: Mapping[str, str] | None) -> ibis.Table:
    """Both have a row for each of what they are by, so that they are met; grouping them takes twice as long."""
    both = kept.outer_join(fresh.select(kept.columns).cast(kept.schema()), list(by), rname="{name}_fresh")
    made = {name: ibis.coalesce(both[name], both[f"{name}_fresh"]) for name in by}
    for name, dtype in kept.schema().items():
        if name not in by:
            old, new = both[name], both[f"{name}_fresh"]
            way = (how or {}).get(name, "max" if dtype.is_date() else "sum")
            of_two = {"min": ibis.least, "max": ibis.greatest}.get(way, operator.add)(old, new)
            made[name] = ibis.coalesce(of_two, old, new).cast(dtype)
    return both.select(**made)
