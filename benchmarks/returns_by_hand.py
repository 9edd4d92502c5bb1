"""The other side: four questions to the events themselves, each a query by hand, with DuckDB alone.

    python -m benchmarks.returns_by_hand PARQUET TARGET
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import duckdb

from benchmarks import measure
from benchmarks.by_hand import IS
from benchmarks.community import MONDAY, WEEKS

DAYS = WEEKS * 7
COHORTS = f"""
WITH weeks AS (SELECT DISTINCT user_id, (day - DATE '{MONDAY}') // 7 AS week FROM events WHERE {IS["active"]}),
  aged AS (SELECT *, min(week) OVER (PARTITION BY user_id) AS began FROM weeks),
  counted AS (SELECT began, week - began AS age, count(*) AS active FROM aged GROUP BY ALL),
  sizes AS (SELECT began, active AS size FROM counted WHERE age = 0),
  cells AS (SELECT began, size, unnest(range({WEEKS} - began)) AS age FROM sizes)
SELECT CAST(DATE '{MONDAY}' + CAST(7 * began AS INTEGER) AS TIMESTAMP) AS cohort, age, size, coalesce(active, 0) AS active
FROM cells LEFT JOIN counted USING (began, age)
"""
# whoever is active on a day counts for the window's length, or up to the next active day
STAYED = "CAST(least(coalesce(next - day, {window}), {window}) AS INTEGER)"
ACTIVES = f"""
WITH days AS (SELECT DISTINCT user_id, day FROM events WHERE {IS["active"]}),
  stays AS (SELECT day, lead(day) OVER (PARTITION BY user_id ORDER BY day) AS next FROM days),
  steps AS (
    SELECT day, 1 AS d, 1 AS w, 1 AS m FROM stays
    UNION ALL SELECT day + {STAYED.format(window=1)}, -1, 0, 0 FROM stays
    UNION ALL SELECT day + {STAYED.format(window=7)}, 0, -1, 0 FROM stays
    UNION ALL SELECT day + {STAYED.format(window=30)}, 0, 0, -1 FROM stays),
  summed AS (SELECT day, sum(d) AS d, sum(w) AS w, sum(m) AS m FROM steps GROUP BY day)
SELECT CAST(day AS TIMESTAMP) AS day, CAST(sum(d) OVER (ORDER BY day) AS BIGINT) AS dau,
  CAST(sum(w) OVER (ORDER BY day) AS BIGINT) AS wau, CAST(sum(m) OVER (ORDER BY day) AS BIGINT) AS mau
FROM summed QUALIFY day < DATE '{MONDAY}' + {DAYS}
"""
GROWTH = f"""
WITH weeks AS (SELECT DISTINCT user_id, (day - DATE '{MONDAY}') // 7 AS week FROM events WHERE {IS["active"]}),
  beside AS (SELECT week, lag(week) OVER own AS before, lead(week) OVER own AS after FROM weeks
    WINDOW own AS (PARTITION BY user_id ORDER BY week)),
  counted AS (SELECT week, count(*) AS active, count(*) FILTER (before IS NULL) AS new,
    count(*) FILTER (before = week - 1) AS retained, count(*) FILTER (before < week - 1) AS resurrected,
    count(*) FILTER (after IS NULL OR after > week + 1) AS leaving FROM beside GROUP BY week)
SELECT CAST(DATE '{MONDAY}' + CAST(7 * week AS INTEGER) AS TIMESTAMP) AS week, active, new, retained, resurrected,
  coalesce(lag(leaving) OVER (ORDER BY week), 0) AS churned FROM counted
"""
PURCHASES = f"""
WITH days AS (SELECT user_id, day, coalesce(sum(amount) FILTER (amount > 0), 0) AS gross FROM events WHERE {IS["pay"]}
    GROUP BY ALL),
  firsts AS (SELECT *, min(day) OVER (PARTITION BY user_id) AS first_day FROM days)
SELECT user_id, count(*) - 1 AS frequency, CAST(max(day) - min(day) AS BIGINT) AS recency,
  CAST(DATE '{MONDAY}' + {DAYS - 1} - min(day) AS BIGINT) AS "T",
  coalesce(CAST(sum(gross) FILTER (day > first_day) AS DOUBLE) / nullif(count(*) - 1, 0), 0) AS monetary
FROM firsts GROUP BY user_id
"""
TABLES = {"cohorts": COHORTS, "actives": ACTIVES, "growth": GROWTH, "purchases": PURCHASES}


def answers(events: str, target: str) -> None:
    """Write the four answers below the target's folder, each from the events anew."""
    Path(target).mkdir(parents=True, exist_ok=True)
    for name, sql in TABLES.items():
        with duckdb.connect() as connection:
            connection.execute(f"SET temp_directory = '{target}/spill'")
            connection.execute(f"CREATE VIEW events AS SELECT * FROM '{events}'")
            connection.execute(f"COPY ({sql}) TO '{target}/{name}.parquet' (FORMAT parquet)")


if __name__ == "__main__":
    measure.tell(partial(answers, *sys.argv[1:]))
