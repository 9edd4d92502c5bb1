"""Facts of a made community of any size, drawn in SQL: what portraits and tiers are built from, without the events behind them.

Half a year; few people do most; each has topics that he returns to. Three events to a row of a day, on average: a million people
have some 17 million days and 50 million events.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb

DAYS = 182
HALF_LIFE = 14
FIRST_DAY = date(2025, 9, 8)
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)
PRIME = 2**31 - 1
DRAWS = 17  # for each person
MEMORY = "8GB"  # while they are made
WHOM = "CAST(floor({people} * power(a / {prime}.0, 3)) AS BIGINT)"
DRAWN = """
CREATE TEMP TABLE drawn AS SELECT who, c, d,
  CAST(DATE '{first}' + CAST(joined + (({days} - 1 - joined) * power(b / {prime}.0, 1.3)) AS INTEGER) AS DATE) AS day
FROM (SELECT *, drawn(who, 9) % 120 AS joined FROM (SELECT {whom} AS who, b, c, d FROM (
  SELECT drawn(n, 1) AS a, drawn(n, 2) AS b, drawn(n, 3) AS c, drawn(n, 4) AS d FROM range({people} * {draws}) AS t(n))))
"""
ID = "'p' || lpad(CAST({who} AS VARCHAR), 9, '0')"
TABLES = {
    "user_day": """
SELECT {id} AS user_id, day, CAST(sum(events) AS BIGINT) AS events, CAST(sum(events) AS BIGINT) AS active,
  sum(CAST(c % 50 = 0 AS BIGINT))::BIGINT AS "create", sum(CAST(c % 12 = 1 AS BIGINT))::BIGINT AS comment,
  sum(CAST(c % 40 = 2 AS BIGINT))::BIGINT AS share, sum(CAST(c % 6 = 3 AS BIGINT))::BIGINT AS react,
  sum(CAST(c % 60 = 4 AS BIGINT))::BIGINT AS pay, sum(CAST(c % 1200 = 5 AS BIGINT))::BIGINT AS refund,
  sum(CASE WHEN c % 60 = 4 THEN CAST(5 + d % 40000 AS DECIMAL(38, 4)) / 100 ELSE 0 END)::DECIMAL(38, 4) AS gross,
  sum(CASE WHEN c % 1200 = 5 THEN CAST(5 + d % 4000 AS DECIMAL(38, 4)) / 100 ELSE 0 END)::DECIMAL(38, 4) AS refunded,
  CAST(gross - refunded AS DECIMAL(38, 4)) AS net,
  sum(CASE WHEN c % 600 = 4 THEN 3 ELSE 0 END)::DECIMAL(38, 4) AS discount,
  count(*) AS sessions, sum(d % 900)::BIGINT AS dwell_s, count(*) FILTER (events = 1) AS bounces
FROM (SELECT *, 1 + d % 5 AS events FROM drawn) GROUP BY who, day ORDER BY day, user_id
""",
    "user_topic_day": """
SELECT {id} AS user_id, 'Topic ' || topic AS topic, day, count(*) AS events,
  sum([0.5, 1, 2, 3][1 + c % 4])::DECIMAL(38, 4) AS weight
FROM (SELECT *, (who * 7 + [0, 0, 0, 1, 1, 2, 5, 11][1 + d % 8]) % 50 AS topic FROM drawn)
GROUP BY who, topic, day ORDER BY day, user_id
""",
    "user_hour": """
SELECT {id} AS user_id, day, CAST(isodow(day) - 1 AS BIGINT) AS weekday, CAST(hour AS BIGINT) AS hour,
  sum(1 + d % 5)::BIGINT AS events
FROM (SELECT *, [8, 12, 13, 18, 19, 20, 21, 22, 23, 1][1 + (who + c % 4) % 10] AS hour FROM drawn)
GROUP BY who, day, hour ORDER BY day, user_id
""",
    "user_kind_day": """
SELECT {id} AS user_id, ['article', 'photo', 'video', 'question'][1 + (who + c % 3) % 4] AS content_kind, day, count(*) AS events
FROM drawn GROUP BY ALL ORDER BY day, user_id
""",
    "user_campaign_day": """
SELECT {id} AS user_id, ['double11', 'new_year', 'spring'][1 + c % 3] AS campaign, day, count(*) AS events
FROM drawn WHERE d % 40 = 0 GROUP BY ALL ORDER BY day, user_id
""",
    "reply_day": """
SELECT {id} AS from_user, {other} AS to_user, day, count(*) AS replies
FROM (SELECT *, (who * 3 + d % 1000) % {people} AS other FROM drawn WHERE c % 12 = 1)
WHERE other <> who GROUP BY ALL ORDER BY day, from_user
""",
    "users": """
SELECT {id} AS user_id, CAST(DATE '{first}' + CAST(drawn(who, 9) % 120 AS INTEGER) AS DATE) AS registered_day,
  CAST(registered_day AS TIMESTAMPTZ) AS registered_at,
  ['organic', 'referral', 'search', 'ads'][1 + drawn(who, 5) % 4] AS channel,
  CASE WHEN drawn(who, 5) % 4 = 1 THEN {other} ELSE '' END AS referrer_id, 'City ' || drawn(who, 6) % 30 AS city,
  ['f', 'm', NULL][1 + drawn(who, 7) % 3] AS gender, CAST(1950 + drawn(who, 8) % 60 AS DOUBLE) AS birth_year
FROM (SELECT n AS who, drawn(n, 10) % {people} AS other FROM range({people}) AS t(n)) ORDER BY user_id
""",
}
FIRST_SEEN = """
SELECT user_id, min(day) AS first_day, min(day) FILTER (active > 0) AS first_active_day,
  max(day) FILTER (active > 0) AS last_active_day, min(day) FILTER (pay > 0) AS first_pay_day
FROM '{folder}/user_day.parquet' GROUP BY user_id ORDER BY user_id
"""


def write(folder: Path, people: int, draws: int = DRAWS) -> int:
    """Write all tables of facts into a folder; returns the events behind them.

    Args:
        draws: How many days are drawn for each person, on average.
    """
    folder.mkdir(parents=True, exist_ok=True)
    backend = duckdb.connect()
    backend.execute(f"SET memory_limit = '{MEMORY}'")
    backend.execute(f"SET temp_directory = '{folder / 'spill'}'")
    backend.execute(f"CREATE MACRO fifth(x) AS x * x % {PRIME} * (x * x % {PRIME}) % {PRIME} * x % {PRIME}")
    backend.execute(f"CREATE MACRO drawn(n, salt) AS fifth((n * 48271 + salt * 69621 + 7) % {PRIME})")
    given = {
        "people": people, "prime": PRIME, "first": FIRST_DAY, "days": DAYS, "draws": draws, "folder": folder,
        "whom": WHOM.format(people=people, prime=PRIME), "id": ID.format(who="who"), "other": ID.format(who="other"),
    }  # fmt: skip
    backend.execute(DRAWN.format(**given))
    for name, sql in {**TABLES, "first_seen": FIRST_SEEN}.items():
        backend.execute(f"COPY ({sql.format(**given)}) TO '{folder / name}.parquet' (FORMAT parquet, COMPRESSION lz4)")
    return backend.execute(f"SELECT sum(events) FROM '{folder / 'user_day.parquet'}'").fetchone()[0]
