"""`user_day` on Spark, two processors of this machine: this toolkit's table and the same by hand.

    python -m benchmarks.on_spark ours PARQUET TARGET
    python -m benchmarks.on_spark by_hand PARQUET TARGET

The clock runs when Spark has started; both sides have the same settings.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from benchmarks import measure
from benchmarks.by_hand import IS
from benchmarks.community import ROLES
from helpers import facts
from helpers.sources import engine, spark

MASTER = "local[2]"
SESSIONS = """
WITH seen AS (SELECT *, {active} AS awake, coalesce(duration_s, 0) AS lasts, coalesce(session_id, '') AS named FROM events),
  gaps AS (SELECT *, moment - lag(moment) OVER own AS before, (lead(moment) OVER own) - moment AS after
    FROM seen WINDOW own AS (PARTITION BY user_id, named, awake ORDER BY moment, lasts)),
  runs AS (SELECT *, moment - max(CASE WHEN before IS NULL OR before > 1800000000 THEN moment END)
    OVER (PARTITION BY user_id, named, awake ORDER BY moment, lasts ROWS UNBOUNDED PRECEDING) AS since FROM gaps),
  visits AS (SELECT *, awake AND (since = 0 OR since div 86400000000 <> (since - before) div 86400000000) AS opens,
    coalesce(after > 1800000000, true) OR since div 86400000000 <> (since + after) div 86400000000 AS closes FROM runs),
  counted AS (SELECT user_id, day, count(*) AS events, {roles},
    coalesce(sum(amount) FILTER (WHERE {pay} AND amount > 0), 0) AS gross,
    coalesce(sum(abs(amount)) FILTER (WHERE {refund} OR ({pay} AND amount < 0)), 0) AS refunded,
    coalesce(sum(discount) FILTER (WHERE {pay}), 0) AS discount, count(*) FILTER (WHERE opens) AS sessions,
    coalesce(sum(CASE WHEN closes THEN CAST(1000000 * least(greatest(lasts, 0), 86400) AS BIGINT) ELSE after END)
      FILTER (WHERE awake), 0) div 1000000 AS dwell_s, count(*) FILTER (WHERE opens AND closes) AS bounces
    FROM visits GROUP BY user_id, day)
SELECT *, gross - refunded AS net FROM counted
"""


def ours(backend, events: Path, target: Path) -> None:
    """As the facts of a dataset on Spark are made."""
    made = facts.user_day(facts.timed(engine.read(backend, events)), ROLES)
    _write(backend._session.sql(backend.compile(made)), target)


def by_hand(backend, events: Path, target: Path) -> None:
    """The same by one query."""
    session = backend._session
    session.read.parquet(str(events)).createOrReplaceTempView("events")
    roles = ", ".join(f"count(*) FILTER (WHERE {sql}) AS `{role}`" for role, sql in IS.items())
    _write(session.sql(SESSIONS.format(**IS, roles=roles)), target)


def _write(frame, target: Path) -> None:
    frame.write.mode("overwrite").option("compression", "zstd").parquet(str(target))


if __name__ == "__main__":
    side, *where = sys.argv[1:]
    given, made = map(Path, where)
    backend = spark.connect(MASTER, folder=made.parent / "spark")
    backend._session.range(1).count()
    measure.tell(partial({"ours": ours, "by_hand": by_hand}[side], backend, given, made))
