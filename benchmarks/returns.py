"""Who comes back, who is active, who came and left, what was bought: this toolkit's side.

    python -m benchmarks.returns facts PARQUET TARGET    clean events -> what the questions read of user_day, in parts
    python -m benchmarks.returns ours FACTS TARGET       these facts -> four answers
    python -m benchmarks.returns sliced FACTS TARGET     these facts -> the cube of cohorts by slices
"""

from __future__ import annotations

import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import measure
from benchmarks.community import MONDAY, ROLES, WEEKS
from helpers import facts, retention, segments
from helpers.facts.days import has_role, money, of_visits
from helpers.retention.cohort.cube import slice_of
from helpers.sources import engine

LAST_DAY = (pd.Timestamp(MONDAY) + pd.Timedelta(weeks=WEEKS, days=-1)).date()
READ_ROLES = ("active", "pay")
READ = ("user_id", "day", *READ_ROLES, "gross", "net")
DAYS_AT_ONCE = 28
SLICES = ("channel", "city", "gender")  # made attributes: digits of a pseudonym


def made(events: Path, target: Path) -> None:
    """What is read of user_day, and no more: no sessions, which are what costs most. Four weeks at a time, as days come."""
    target.mkdir(parents=True)
    backend = engine.connect([events.parent, target], spill=target / "spill")
    whole = engine.read(backend, events)
    for first in range(0, 7 * WEEKS, DAYS_AT_ONCE):
        since, until = (MONDAY + timedelta(days=first + at) for at in (0, DAYS_AT_ONCE))
        own = whole.filter(whole.day >= since, whole.day < until)
        roles = {role: has_role(own, ROLES, role) for role in READ_ROLES}
        none = {role: ibis.literal(False) for role in facts.ROLES if role not in roles}
        seen = own.select("user_id", "day", **roles, **none, starts=False, single=False, dwell=ibis.literal(0, "int64"))
        days = of_visits(seen, money(own, ROLES))
        engine.write(backend, days.select(*READ), target / f"{first:03d}.parquet", sort=["user_id", "day"])


def ours(days: Path, target: Path) -> None:
    """Cohorts by week, active people by day, growth by week, and purchases by person."""
    backend, user_day = _opened(days, target)
    presence = retention.presence_day(user_day, last_day=LAST_DAY)
    tables = {
        "cohorts": retention.cohort_cube(user_day, last_day=LAST_DAY)[["cohort", "age", "size", "active"]],
        "actives": retention.actives_day(presence, last_day=LAST_DAY)[["day", "dau", "wau", "mau"]],
        "growth": retention.growth(presence, last_day=LAST_DAY)[["week", "active", "new", "retained", "resurrected", "churned"]],
    }
    for name, table in tables.items():
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), target / f"{name}.parquet")
    bought = segments.purchase_summary(user_day, last_day=LAST_DAY)
    engine.write(backend, bought, target / "purchases.parquet", sort=["user_id"])


def sliced(days: Path, target: Path) -> None:
    """The cube by attributes singly and by a pair of them, by weeks."""
    _, user_day = _opened(days, target)
    people = user_day.select("user_id").distinct()
    digits = {name: people.user_id.right(at).left(1) for at, name in enumerate(SLICES, start=1)}
    users = people.mutate(**digits)
    slices = {name: slice_of(users, name) for name in SLICES}
    cube = retention.cohort_cube(user_day, slices, last_day=LAST_DAY, pair=("channel", "gender"))
    pq.write_table(pa.Table.from_pandas(cube, preserve_index=False), target / "cube.parquet")


def _opened(days: Path, target: Path) -> tuple[ibis.BaseBackend, ibis.Table]:
    target.mkdir(parents=True, exist_ok=True)
    backend = engine.connect([days.parent, target], spill=target / "spill")
    return backend, engine.read(backend, days)


if __name__ == "__main__":
    work, *where = sys.argv[1:]
    measure.tell(partial({"facts": made, "ours": ours, "sliced": sliced}[work], *map(Path, where)))
