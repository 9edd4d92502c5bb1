"""All tiers with thirteen weeks of moves, from facts: this toolkit's side, and the program that measures either.

    python -m benchmarks.tiers ours FACTS TARGET
    python -m benchmarks.tiers by_hand FACTS TARGET     the same by SQL
"""

from __future__ import annotations

import sys
import tomllib
from datetime import date
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import measure, tiers_by_hand
from benchmarks.people import LAST_DAY
from helpers import paths, segments
from helpers.segments.likelihood import PayModel
from helpers.sources import engine


def rules() -> dict:
    """The limits as shipped."""
    return tomllib.loads((paths.DEFAULTS / "rules.toml").read_text(encoding="utf-8"))


def ours(facts: str, target: str) -> None:
    """Write moves and sizes by week below the target's folder."""
    given, made = Path(facts), Path(target)
    made.mkdir(parents=True, exist_ok=True)
    backend = engine.connect([given], spill=made / "spill")
    tables = [engine.read(backend, given / f"{name}.parquet") for name in ("first_seen", "user_day", "users")]
    found = segments.moves(*tables, last_day=LAST_DAY, rules=rules())
    for name, frame in (("moves", found.flows), ("tier_weeks", found.sizes)):
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), made / f"{name}.parquet")


def given_models(facts: str, target: str) -> dict[date, PayModel]:
    """The models of paying at all week ends, which SQL cannot fit: the other side is given them before its clock runs."""
    backend = engine.connect([Path(facts)], spill=Path(target) / "spill")
    user_day = engine.read(backend, Path(facts) / "user_day.parquet")
    return segments.week_models(user_day, last_day=LAST_DAY, rules=rules())


if __name__ == "__main__":
    side, *where = sys.argv[1:]
    measure.tell(partial(ours, *where) if side == "ours" else partial(tiers_by_hand.tiers, *where, given_models(*where)))
