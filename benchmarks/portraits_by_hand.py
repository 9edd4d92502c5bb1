"""Portraits with interests by SQL written by hand, with DuckDB alone.

    python -m benchmarks.portraits_by_hand FACTS TARGET

The same columns as the toolkit's own, in the same roundings; it knows that every table is there and that no day comes after the
last.
"""

from __future__ import annotations

import sys
from datetime import date
from functools import partial
from pathlib import Path

import duckdb

from benchmarks import measure
from benchmarks.people import HALF_LIFE, LAST_DAY

LEAST = 0.01
NOW = f"DATE '{LAST_DAY}'"
ERA = 60 * HALF_LIFE  # days; weights grow from the first day of one, whose number since 1970 it divides
AGE = (LAST_DAY - date(1970, 1, 1)).days % ERA
LATELY, BEFORE = f"day > {NOW} - 28", f"day <= {NOW} - 28 AND day > {NOW} - 56"
HOURS = [f"coalesce(sum(events) FILTER (hour = {at}), 0)" for at in range(24)]
WEEKDAYS = [f"coalesce(sum(events) FILTER (weekday = {at}), 0)" for at in range(7)]
EXACT = "CAST(sum(CAST(round({0}, 12) AS DECIMAL(38, 12))) AS DOUBLE)"
GROWN = f"weight::DOUBLE * power(2.0, ({AGE} - date_diff('day', day, {NOW})) / {HALF_LIFE}.0)"
INTERESTS = f"""
CREATE TEMP TABLE interests AS
WITH decayed AS (
  SELECT user_id, topic, round({EXACT.format(GROWN)} * power(2.0, -{AGE} / {HALF_LIFE}.0), 12) AS weight
  FROM user_topic_day GROUP BY ALL
), fans AS (SELECT topic, count(*) AS fans FROM decayed GROUP BY topic
), people AS (SELECT count(DISTINCT user_id) AS n FROM decayed)
SELECT user_id, topic, round(weight * (1 + ln(n / fans)), 9) AS weight
FROM decayed JOIN fans USING (topic), people
"""
RANKED = """
CREATE TEMP TABLE ranked AS SELECT user_id, topic, weight,
  coalesce(weight / nullif(CAST(sum(CAST(weight AS DECIMAL(38, 9))) OVER (PARTITION BY user_id) AS DOUBLE), 0), 0) AS share,
  row_number() OVER (PARTITION BY user_id ORDER BY weight DESC, topic) AS rank FROM interests
"""
PARTS = ("days", "hours", "kinds", "joined", "replies", "invited", "tastes")
PORTRAITS = f"""
CREATE TEMP TABLE portraits AS
WITH days AS (
  SELECT user_id, max(day) FILTER (active > 0) AS last_active_day, max(day) FILTER (pay > 0) AS last_pay_day,
    count(*) FILTER (pay > 0) AS pay_days, sum(pay) AS orders, sum(gross) AS gross, sum(net) AS net, sum(discount) AS discount,
    count(*) FILTER (active > 0 AND {LATELY}) AS active_days_28, count(*) FILTER (active > 0 AND {BEFORE}) AS active_days_before,
    sum(active) FILTER ({LATELY}) AS events_28, sum(active) FILTER ({BEFORE}) AS events_before,
    sum(sessions) FILTER ({LATELY}) AS sessions_28, sum(bounces) FILTER ({LATELY}) AS bounces_28,
    sum("create") FILTER ({LATELY}) AS create_28, sum(comment) FILTER ({LATELY}) AS comment_28,
    sum(share) FILTER ({LATELY}) AS share_28, sum(react) FILTER ({LATELY}) AS react_28,
    sum(dwell_s) FILTER ({LATELY}) / 60 AS dwell_minutes_28, sum(dwell_s) FILTER ({BEFORE}) / 60 AS dwell_minutes_before
  FROM user_day GROUP BY user_id
), hours AS (
  SELECT user_id, coalesce(sum(events) FILTER (hour >= 22 OR hour < 5), 0) / sum(events) AS night_share,
    coalesce(sum(events) FILTER (weekday >= 5), 0) / sum(events) AS weekend_share,
    [{", ".join(HOURS)}] AS h, [{", ".join(WEEKDAYS)}] AS w
  FROM (SELECT user_id, weekday, hour, sum(events) AS events FROM user_hour GROUP BY ALL) GROUP BY user_id
), kinds AS (
  SELECT user_id, count(*) AS content_kinds_28, min(content_kind) FILTER (n = most) AS top_kind
  FROM (SELECT *, max(n) OVER (PARTITION BY user_id) AS most FROM (
    SELECT user_id, content_kind, sum(events) AS n FROM user_kind_day WHERE {LATELY} GROUP BY ALL)) GROUP BY user_id
), joined AS (SELECT user_id, count(DISTINCT campaign) AS campaigns FROM user_campaign_day GROUP BY user_id
), replies AS (
  SELECT user_id, sum(given) FILTER ({LATELY}) AS replies_given_28, sum(received) FILTER ({LATELY}) AS replies_received_28,
    sum(received) FILTER ({BEFORE}) AS replies_received_before, count(DISTINCT other) FILTER ({LATELY}) AS contacts_28
  FROM (SELECT from_user AS user_id, to_user AS other, day, replies AS given, 0 AS received FROM reply_day WHERE day > {NOW} - 56
    UNION ALL SELECT to_user, from_user, day, 0, replies FROM reply_day WHERE day > {NOW} - 56) GROUP BY user_id
), invited AS (
  SELECT referrer_id AS user_id, count(*) AS referrals, count(first_active_day) AS referrals_active
  FROM users LEFT JOIN first_seen USING (user_id) WHERE referrer_id <> '' AND referrer_id <> user_id GROUP BY referrer_id
), tastes AS (
  SELECT *, CASE WHEN topics > 1 THEN (ln(interest_weight) - surprise / interest_weight) / ln(topics) ELSE 0 END AS breadth
  FROM (SELECT user_id, count(*) AS topics, {EXACT.format("weight")} AS interest_weight,
    max(topic) FILTER (rank = 1) AS top_topic, max(topic) FILTER (rank = 2) AS second_topic,
    max(topic) FILTER (rank = 3) AS third_topic, max(share) AS top_share,
    {EXACT.format("weight * ln(weight)")} AS surprise
  FROM ranked WHERE weight >= {LEAST} GROUP BY user_id)
), people AS (
  SELECT coalesce(users.user_id, seen.user_id) AS user_id, registered_day, first_day, first_active_day, first_pay_day,
    date_diff('day', least(registered_day, first_day), {NOW}) AS tenure_days, channel, city, gender,
    {LAST_DAY.year} - birth_year AS age
  FROM users FULL JOIN first_seen AS seen USING (user_id)
)
SELECT user_id, registered_day, first_day, first_active_day, last_active_day, first_pay_day, last_pay_day, tenure_days, channel,
  city, gender, CASE WHEN age < 18 THEN 'under 18' WHEN age < 25 THEN '18-24' WHEN age < 35 THEN '25-34'
    WHEN age < 45 THEN '35-44' WHEN age < 55 THEN '45-54' WHEN age <= 110 THEN '55 and over' END AS age_band,
  {", ".join(f"coalesce({name}, 0) AS {name}" for name in (
    "active_days_28", "active_days_before", "events_28", "events_before", "sessions_28", "create_28", "comment_28", "share_28",
    "react_28", "content_kinds_28", "campaigns", "replies_given_28", "replies_received_28", "replies_received_before",
    "contacts_28", "referrals", "referrals_active", "orders", "pay_days", "topics", "gross", "net",
  ))},
  round(coalesce(sessions_28 / 4, 0), 9) AS visits_a_week, round(coalesce(dwell_minutes_28, 0), 9) AS dwell_minutes_28,
  round(coalesce(dwell_minutes_before, 0), 9) AS dwell_minutes_before,
  list_position(h, list_max(h)) - 1 AS preferred_hour, list_position(w, list_max(w)) - 1 AS preferred_weekday, top_kind,
  round(CAST(gross AS DOUBLE) / nullif(orders, 0), 9) AS average_order, coalesce(pay_days >= 2, false) AS repurchased,
  date_diff('day', last_pay_day, {NOW}) AS days_since_pay, round(coalesce(interest_weight, 0), 9) AS interest_weight,
  top_topic, second_topic, third_topic, round(bounces_28 / nullif(sessions_28, 0), 9) AS bounce_share,
  round(night_share, 9) AS night_share, round(weekend_share, 9) AS weekend_share,
  round(CAST(discount AS DOUBLE) / nullif(CAST(gross + discount AS DOUBLE), 0), 9) AS discount_share,
  round(top_share, 9) AS top_share, round(breadth, 9) AS breadth
FROM people {" ".join(f"LEFT JOIN {part} USING (user_id)" for part in PARTS)}
"""


def portraits(facts: str, target: str) -> None:
    """Write interests and portraits below the target's folder."""
    Path(target).mkdir(parents=True, exist_ok=True)
    backend = duckdb.connect()
    backend.execute(f"SET temp_directory = '{target}/spill'")
    for path in Path(facts).glob("*.parquet"):
        backend.execute(f"CREATE VIEW {path.stem} AS SELECT * FROM '{path}'")
    for sql in (INTERESTS, RANKED, PORTRAITS):
        backend.execute(sql)
    for name, order in (("ranked", "user_id, topic"), ("portraits", "user_id")):
        file = f"{target}/{'interests' if name == 'ranked' else name}.parquet"
        backend.execute(f"COPY (FROM {name} ORDER BY {order}) TO '{file}' (FORMAT parquet)")


if __name__ == "__main__":
    measure.tell(partial(portraits, *sys.argv[1:]))
