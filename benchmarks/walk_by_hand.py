"""The other side of the walk on a large community: SQL by hand for its tables of events and people, with DuckDB alone.

    python -m benchmarks.walk_by_hand clean LOG TARGET     raw events, users -> clean events, ledger, what warns, all facts
    python -m benchmarks.walk_by_hand weeks FACTS TARGET   facts -> portraits of thirteen week ends, held against the tags' rules

Interests and portraits, tiers with their moves, and who comes back are those of the other benchmarks. What it leaves out is in
its favour: whatever is resampled, fitted, tested or drawn; the spells of tags; experiments; pages. It knows its data: rows that
repeat another stand in the same weekly file.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tomllib
from datetime import timedelta
from functools import partial
from pathlib import Path

import duckdb

from benchmarks import by_hand, measure, portraits_by_hand
from benchmarks.agreement import FACTS
from benchmarks.by_hand import END, IS
from benchmarks.people import LAST_DAY
from helpers import paths
from helpers.sources.privacy import KEY_VARIABLE

WEEKS = 13
CELLS = "uid, time, type, channel, content, parent, seconds, fee, rebate"
READ = f"CREATE OR REPLACE TABLE raw AS SELECT *, hash({CELLS}) AS h FROM '{{file}}'"
AGAIN = f"""
CREATE OR REPLACE TABLE again AS SELECT id FROM (
  SELECT raw.rowid AS id, row_number() OVER (PARTITION BY {CELLS} ORDER BY raw.rowid) AS nth
  FROM raw SEMI JOIN (SELECT h FROM raw GROUP BY h HAVING count(*) > 1) AS twice ON raw.h = twice.h
) WHERE nth > 1
"""
WHO = """
CREATE TABLE who AS SELECT uid, left(sha256({outer} || from_hex(sha256({inner} || encode(trim(uid))))), 24) AS user_id FROM ({of})
"""
JUDGED = f"""
SELECT user_id, timezone('Asia/Shanghai', time) AS ts, type AS event, nullif(trim(channel), '') AS topic,
  nullif(trim(content), '') AS content_id, nullif(trim(parent), '') AS parent_id, '' AS session_id,
  CAST(seconds AS DOUBLE) AS duration_s, CAST(fee AS DECIMAL(18, 4)) AS amount, CAST(rebate AS DECIMAL(18, 4)) AS discount,
  CAST(time AS DATE) AS day, hour(time) AS hour, epoch_us(timezone('Asia/Shanghai', time)) AS moment,
  CASE WHEN coalesce(trim(uid), '') = '' THEN 'blank_user_id' WHEN coalesce(type, '') = '' THEN 'blank_event'
    WHEN time IS NULL THEN 'bad_time' WHEN time < '2000-01-01' THEN 'ancient_time' WHEN time >= {END} + 1 THEN 'future_time'
    WHEN again.id IS NOT NULL THEN 'exact_duplicate' WHEN time >= {END} THEN 'after_as_of' ELSE '' END AS reason
FROM (SELECT *, rowid AS id FROM raw) LEFT JOIN who USING (uid) LEFT JOIN again USING (id)
"""
USERS = """
SELECT who.user_id, timezone('Asia/Shanghai', registered_at) AS registered_at, CAST(registered_at AS DATE) AS registered_day,
  channel, other.user_id AS referrer_id, city, gender, CAST(birth_year AS DOUBLE) AS birth_year
FROM '{log}/users.parquet' AS users JOIN who USING (uid) LEFT JOIN who AS other ON other.uid = inviter
WHERE registered_at < {end} ORDER BY user_id
"""
NOTHING = {
    "user_kind_day": "SELECT '' AS user_id, '' AS content_kind, DATE '2000-01-01' AS day, 0 AS events WHERE false",
    "user_campaign_day": "SELECT '' AS user_id, '' AS campaign, DATE '2000-01-01' AS day, 0 AS events WHERE false",
}
WARNS = {
    "reasons": "SELECT file, reason, count(*) AS rows FROM judged GROUP BY ALL",
    "coverage": by_hand.COVERAGE,
    "volume": by_hand.VOLUME,
    "bots": """
SELECT user_id, sum(events) AS events, max(events) AS most, count(*) FILTER (hours >= 18) AS long
FROM (SELECT user_id, day, count(*) AS events, count(DISTINCT hour) AS hours FROM events GROUP BY ALL) GROUP BY user_id
HAVING most >= 1000 OR long >= 14""",
    "near_duplicates": """
SELECT user_id, moment, event, content_id, amount, count(*) AS n
FROM events SEMI JOIN (SELECT user_id, moment FROM events GROUP BY ALL HAVING count(*) > 1) USING (user_id, moment)
GROUP BY ALL HAVING n > 1""",
    "hours": "SELECT day, hour, count(*) AS events FROM events GROUP BY ALL",
    "outliers": f"SELECT * FROM events WHERE abs(amount) > 0.2 * (SELECT sum(abs(amount)) FROM events WHERE {IS['pay']})",
    "strangers": "SELECT user_id, count(*) FROM events ANTI JOIN users USING (user_id) GROUP BY user_id",
    "too_early": "SELECT user_id, count(*) FROM events JOIN users USING (user_id) WHERE ts < registered_at GROUP BY user_id",
    "influence": f"""
SELECT count(*) FILTER (active), count(*) FILTER (active_too), count(*) FILTER (first >= {END} - 7),
  count(*) FILTER (first_too >= {END} - 7), sum(net), sum(net_too)
FROM (SELECT user_id, bool_or({IS['active']} AND kept AND day >= {END} - 7) AS active,
    bool_or({IS['active']} AND day >= {END} - 7) AS active_too, min(day) FILTER ({IS['active']} AND kept) AS first,
    min(day) FILTER ({IS['active']}) AS first_too, sum(paid) FILTER (kept AND day >= {END} - 7) AS net,
    sum(paid) FILTER (day >= {END} - 7) AS net_too
  FROM (SELECT *, reason = '' AS kept, CASE event WHEN 'refund' THEN -amount WHEN 'pay' THEN amount END AS paid FROM judged)
  GROUP BY user_id)""",
}


def clean(log: Path, target: Path) -> None:
    """From the raw files to clean events, one file a week, and all tables of them."""
    connection = _connect(target)
    files = sorted((log / "events").iterdir())
    _name_people(connection, f"SELECT DISTINCT uid FROM '{log}/events/*.parquet' UNION SELECT uid FROM '{log}/users.parquet'")
    (target / "events").mkdir()
    for file in files:
        for statement in (READ.format(file=file), AGAIN):
            connection.execute(statement)
        by_hand._write(connection, JUDGED, target / "events" / file.name)
    connection.execute("DROP TABLE raw")
    connection.execute(f"CREATE VIEW judged AS SELECT *, filename AS file FROM read_parquet('{target}/events/*', filename = 1)")
    connection.execute("CREATE VIEW events AS SELECT * FROM judged WHERE reason = ''")
    facts = target / "facts"
    facts.mkdir()
    by_hand._write(connection, USERS.format(log=log, end=END), facts / "users.parquet")
    connection.execute(f"CREATE VIEW users AS SELECT * FROM '{facts}/users.parquet'")
    for name, sql in WARNS.items():
        by_hand._write(connection, sql, target / f"{name}.parquet")
    for name in FACTS:
        by_hand._write(connection, by_hand.TABLES[name], facts / f"{name}.parquet")
    for name, sql in NOTHING.items():
        by_hand._write(connection, sql, facts / f"{name}.parquet")


def weeks(facts: Path, target: Path) -> None:
    """The portraits of this week end and of twelve before it, and whether the conditions of the tags hold for them."""
    connection = _connect(target)
    rules = tomllib.loads((paths.DEFAULTS / "rules.toml").read_text(encoding="utf-8"))["tag"]
    asked = ", ".join(f"coalesce({rule['when']}, false) AS hold_{at}" for at, rule in enumerate(rules))
    until = {at: rule["keep_until"] for at, rule in enumerate(rules) if "keep_until" in rule}
    asked += "".join(f", coalesce({sql}, true) AS drop_{at}" for at, sql in until.items())
    for ago in range(WEEKS):
        end = LAST_DAY - timedelta(weeks=ago)
        for path in facts.glob("*.parquet"):
            day = {"users": "registered_day", "first_seen": "first_day"}.get(path.stem, "day")
            connection.execute(f"CREATE OR REPLACE VIEW {path.stem} AS SELECT * FROM '{path}' WHERE {day} <= DATE '{end}'")
        for sql in (portraits_by_hand.INTERESTS, portraits_by_hand.RANKED, portraits_by_hand.PORTRAITS):
            connection.execute(sql.replace(str(LAST_DAY), str(end)).replace("CREATE TEMP", "CREATE OR REPLACE TEMP"))
        by_hand._write(connection, f"SELECT user_id, {ago} AS week, {asked} FROM portraits", target / f"asked_{ago}.parquet")


def _name_people(connection: duckdb.DuckDBPyConnection, of: str) -> None:
    key = hashlib.sha256(os.environ[KEY_VARIABLE].encode()).digest().ljust(64, b"\0")
    inner, outer = (f"from_hex('{bytes(byte ^ mark for byte in key).hex()}')" for mark in (0x36, 0x5C))
    connection.execute(WHO.format(inner=inner, outer=outer, of=of))


def _connect(target: Path) -> duckdb.DuckDBPyConnection:
    target.mkdir(parents=True, exist_ok=True)
    connection = by_hand._connect(target)
    connection.execute(f"SET memory_limit = '{measure.MEMORY}'")
    return connection


if __name__ == "__main__":
    work, *where = sys.argv[1:]
    measure.tell(partial({"clean": clean, "weeks": weeks}[work], *map(Path, where)))
