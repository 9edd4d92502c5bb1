"""The other side: the same tables by SQL written by hand for this one log, with DuckDB alone.

    python -m benchmarks.by_hand clean LOG TARGET            weekly CSV files -> all facts, reasons, quarantine and what arrived
    python -m benchmarks.by_hand user_day PARQUET TARGET     clean events -> user_day
    python -m benchmarks.by_hand all_facts PARQUET TARGET    clean events -> all facts

It knows its data: the columns, the week of the report, that the zone has no summer time. Of the ledger it leaves out the
lines of rows that it can read, which the engine's own reader does not tell.
"""

from __future__ import annotations

import hashlib
import os
import sys
from functools import partial
from pathlib import Path

import duckdb

from benchmarks import measure
from benchmarks.agreement import FACTS
from benchmarks.community import HEADER, MONDAY, ROLES, WEEKS
from helpers.sources.privacy import KEY_VARIABLE

CELLS = ", ".join(HEADER.split(","))
COLUMNS = "{" + ", ".join(f"'{cell}': 'VARCHAR'" for cell in HEADER.split(",")) + "}"
END = f"(DATE '{MONDAY}' + {WEEKS * 7})"
IS = {role: f"event IN {(*events, '')}" for role, events in ROLES.items()}
PLACES = "CASE WHEN event = 'post' THEN 3.0 WHEN event IN ('comment', 'share', 'pay') THEN 2.0 WHEN event = 'like' THEN 1.0 "
WEIGHT = f"CAST({PLACES} ELSE 0.5 END AS DECIMAL(9, 4))"

READ = f"""
CREATE TABLE raw AS SELECT *, hash({CELLS}) AS h FROM read_csv('{{log}}/events/*.csv', columns = {{columns}}, header = true,
  auto_detect = false, delim = ',', quote = '"', escape = '"', store_rejects = true, rejects_limit = 0, filename = true)
"""
AGAIN = f"""
CREATE TABLE again AS SELECT id FROM (
  SELECT raw.rowid AS id, row_number() OVER (PARTITION BY {CELLS} ORDER BY filename, raw.rowid) AS nth
  FROM raw SEMI JOIN (SELECT h FROM raw GROUP BY h HAVING count(*) > 1) AS twice ON raw.h = twice.h
) WHERE nth > 1
"""
WHO = """
CREATE TABLE who AS SELECT uid, left(sha256(from_hex('{outer}') || from_hex(sha256(from_hex('{inner}') || encode(trim(uid))))),
  24) AS user_id FROM (SELECT DISTINCT uid FROM raw)
"""
JUDGED = f"""
CREATE TABLE judged AS SELECT filename, user_id, type AS event, nullif(channel, '') AS topic, nullif(content, '') AS content_id,
  nullif(parent, '') AS parent_id, '' AS session_id, TRY_CAST(seconds AS DOUBLE) AS duration_s, amount, discount,
  CAST(ts AS DATE) AS day, hour(ts) AS hour, epoch_us(ts) AS moment,
  CASE WHEN contains(concat({CELLS}), chr(0)) THEN 'nul' WHEN wrong IS NOT NULL THEN wrong
    WHEN again.id IS NOT NULL THEN 'exact_duplicate' WHEN ts >= {END} THEN 'after_as_of' ELSE '' END AS reason,
  CASE WHEN reason NOT IN ('', 'exact_duplicate', 'after_as_of') THEN concat_ws(',', {CELLS}) END AS raw_line
FROM (SELECT *, rowid AS id, CASE WHEN coalesce(trim(uid), '') = '' THEN 'blank_user_id'
    WHEN coalesce(type, '') = '' THEN 'blank_event' WHEN ts IS NULL THEN 'bad_time' WHEN ts < '2000-01-01' THEN 'ancient_time'
    WHEN ts >= {END} + 1 THEN 'future_time' WHEN amount IS NULL AND fee <> '' THEN 'bad_amount'
    WHEN discount IS NULL AND rebate <> '' THEN 'bad_discount' END AS wrong
  FROM (SELECT *, rowid, TRY_CAST(time AS TIMESTAMP) AS ts, TRY_CAST(fee AS DECIMAL(18, 4)) AS amount,
    TRY_CAST(rebate AS DECIMAL(18, 4)) AS discount FROM raw)) AS typed
  LEFT JOIN who USING (uid) LEFT JOIN again USING (id)
"""
KEPT = "CREATE TABLE events AS SELECT * EXCLUDE (filename, reason, raw_line) FROM judged WHERE reason = ''"
REASONS = """
SELECT 'events' AS "table", 'events/' || parse_filename(file) AS file, reason, sum(rows) AS rows FROM (
  SELECT filename AS file, reason, count(*) AS rows FROM judged GROUP BY ALL UNION ALL
  SELECT file_path, 'ragged', count(DISTINCT line) FROM reject_errors JOIN reject_scans USING (scan_id, file_id) GROUP BY ALL
) GROUP BY ALL ORDER BY ALL
"""
QUARANTINE = """
SELECT filename AS source_file, reason, raw_line FROM judged WHERE raw_line IS NOT NULL UNION ALL
SELECT DISTINCT ON (scan_id, file_id, line) file_path, 'ragged', csv_line
FROM reject_errors JOIN reject_scans USING (scan_id, file_id)
"""
COVERAGE = """
SELECT 'events' AS "table", event AS kind, count(*) AS kept, count(DISTINCT user_id) AS users, min(day) AS first_day,
  max(day) AS last_day
FROM events GROUP BY ALL ORDER BY kept DESC, kind
"""
VOLUME = "SELECT day, count(*) AS events, count(DISTINCT user_id) AS users FROM events GROUP BY day ORDER BY day"
FIRST_SEEN = f"""
SELECT user_id, min(day) AS first_day, min(day) FILTER ({IS["active"]}) AS first_active_day,
  max(day) FILTER ({IS["active"]}) AS last_active_day, min(day) FILTER ({IS["pay"]}) AS first_pay_day
FROM events GROUP BY user_id ORDER BY user_id
"""
USER_HOUR = f"""
SELECT user_id, day, isodow(day) - 1 AS weekday, hour, count(*) AS events FROM events WHERE {IS["active"]}
GROUP BY ALL ORDER BY ALL
"""
USER_TOPIC_DAY = f"""
SELECT user_id, topic, day, count(*) AS events, sum({WEIGHT}) AS weight
FROM events WHERE topic IS NOT NULL AND event <> 'refund' GROUP BY ALL ORDER BY user_id, topic, day
"""
REPLY_DAY = """
WITH made AS (SELECT content_id, user_id, moment, min(moment) OVER (PARTITION BY content_id) AS first
    FROM events WHERE event IN ('post', 'comment')),
  authors AS (SELECT content_id, min(user_id) AS to_user FROM made WHERE moment = first
    GROUP BY content_id HAVING count(DISTINCT user_id) = 1)
SELECT user_id AS from_user, to_user, day, count(*) AS replies
FROM events JOIN authors ON parent_id = authors.content_id WHERE user_id <> to_user GROUP BY ALL ORDER BY ALL
"""
# One pass over all events: visits of active events and the rest part in the window, and one aggregate counts both.
USER_DAY = f"""
WITH seen AS (SELECT *, {IS["active"]} AS awake, coalesce(duration_s, 0) AS lasts, coalesce(session_id, '') AS named
    FROM {{events}}),
  gaps AS (SELECT *, moment - lag(moment) OVER own AS before, lead(moment) OVER own - moment AS after
    FROM seen WINDOW own AS (PARTITION BY user_id, named, awake ORDER BY moment, lasts)),
  runs AS (SELECT *, moment - max(moment) FILTER (before IS NULL OR before > 1800000000)
    OVER (PARTITION BY user_id, named, awake ORDER BY moment, lasts ROWS UNBOUNDED PRECEDING) AS since FROM gaps),
  visits AS (SELECT *, awake AND (since = 0 OR since // 86400000000 <> (since - before) // 86400000000) AS opens,
    coalesce(after > 1800000000, true) OR since // 86400000000 <> (since + after) // 86400000000 AS closes FROM runs)
SELECT user_id, day, count(*) AS events, {", ".join(f'count(*) FILTER ({sql}) AS "{role}"' for role, sql in IS.items())},
  coalesce(sum(amount) FILTER ({IS["pay"]} AND amount > 0), 0) AS gross,
  coalesce(sum(abs(amount)) FILTER ({IS["refund"]} OR ({IS["pay"]} AND amount < 0)), 0) AS refunded, gross - refunded AS net,
  coalesce(sum(discount) FILTER ({IS["pay"]}), 0) AS discount, count(*) FILTER (opens) AS sessions,
  coalesce(sum(CASE WHEN closes THEN CAST(1000000 * least(greatest(lasts, 0), 86400) AS BIGINT) ELSE after END) FILTER (awake), 0)
    // 1000000 AS dwell_s, count(*) FILTER (opens AND closes) AS bounces
FROM visits GROUP BY ALL ORDER BY user_id, day
"""
TABLES = {
    "reasons": REASONS, "quarantine": QUARANTINE, "coverage": COVERAGE, "volume": VOLUME, "first_seen": FIRST_SEEN,
    "user_day": USER_DAY.format(events="events"), "user_hour": USER_HOUR, "user_topic_day": USER_TOPIC_DAY,
    "reply_day": REPLY_DAY,
}  # fmt: skip


def clean(log: Path, target: Path) -> None:
    """Everything that our side writes, but for tables that this log leaves empty."""
    target.mkdir(parents=True)
    connection = _connect(target)
    key = hashlib.sha256(os.environ[KEY_VARIABLE].encode()).digest().ljust(64, b"\0")
    inner, outer = (bytes(byte ^ mark for byte in key).hex() for mark in (0x36, 0x5C))
    read, who = READ.format(log=log, columns=COLUMNS), WHO.format(inner=inner, outer=outer)
    for statement in (read, AGAIN, who, JUDGED, "DROP TABLE raw", KEPT):
        connection.execute(statement)
    for name, sql in TABLES.items():
        _write(connection, sql, target / f"{name}.parquet")


def user_day(events: Path, target: Path) -> None:
    """The one table of facts, from events as they leave the cleaning."""
    _write(_connect(target.parent), USER_DAY.format(events=f"'{events}'"), target)


def all_facts(events: Path, target: Path) -> None:
    """All facts, each a query to the events."""
    target.mkdir(parents=True, exist_ok=True)
    connection = _connect(target)
    connection.execute(f"SET memory_limit = '{measure.MEMORY}'")
    connection.execute(f"CREATE VIEW events AS SELECT * FROM '{events}'")
    for name in FACTS:
        _write(connection, TABLES[name], target / f"{name}.parquet")


def _connect(folder: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    connection.execute(f"SET temp_directory = '{folder / 'spill'}'")
    return connection


def _write(connection: duckdb.DuckDBPyConnection, sql: str, path: Path) -> None:
    connection.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")


if __name__ == "__main__":
    work, *where = sys.argv[1:]
    measure.tell(partial({"clean": clean, "user_day": user_day, "all_facts": all_facts}[work], *map(Path, where)))
