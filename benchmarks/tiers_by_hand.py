"""The other side of tiers: everybody's tiers at each of fourteen week ends by SQL written by hand, and who went where.

DuckDB alone: one pass over all days for a week end, tiers as enumerations. The models of paying, which SQL cannot fit, are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import duckdb

from benchmarks.people import LAST_DAY
from helpers.segments.likelihood import PayModel
from helpers.segments.pay_windows import FEATURES, SUMS

WEEKS = 13
TIERS = {
    "activity": "'high', 'medium', 'low', 'none'",
    "contribution": "'creator', 'commenter', 'sharer', 'reactor', 'reader', 'none'",
    "payment": "'high payer', 'payer', 'potential payer', 'non-payer'",
    "value": "'high', 'mid', 'low'",
    "lifecycle": "'prospect', 'lost', 'silent', 'first purchase', 'new', 'active'",
}
FACTS = """
SELECT user_id, count(*) FILTER (active > 0 AND day > {end} - 28) AS active_days,
  max(CASE WHEN "create" > 0 THEN 5 WHEN comment > 0 THEN 4 WHEN share > 0 THEN 3 WHEN react > 0 THEN 2
    WHEN active > 0 THEN 1 END) FILTER (day > {end} - 28) AS act,
  coalesce(bool_or(refunded > 0) FILTER (day > {end} - 7), false) AS refunded, max(day) FILTER (active > 0) AS last_active,
  max(day) FILTER (pay > 0) AS last_pay, count(*) FILTER (pay > 0 AND day > {end} - 180) AS frequency,
  coalesce(sum(net) FILTER (day > {end} - 180), 0) AS monetary, coalesce(sum(net) FILTER (day > {end} - 90), 0) AS net_90,
  count(*) FILTER (pay > 0) AS pay_days, coalesce(sum(dwell_s) FILTER (day > {end} - 28), 0) / 60 AS dwell_minutes,
  {sums}
FROM user_day WHERE day <= {end} GROUP BY user_id
"""
PEOPLE = """
SELECT coalesce(seen.user_id, signed.user_id) AS user_id, first_day, first_active_day, first_pay_day
FROM (FROM first_seen WHERE first_day <= {end}) AS seen
  FULL JOIN (SELECT user_id FROM users WHERE coalesce(registered_day <= {end}, true)) AS signed USING (user_id)
"""
SCORED = """
CREATE TABLE scored AS SELECT user_id, coalesce(active_days, 0) AS active_days, coalesce(act, 0) AS act,
  coalesce(refunded, false) AS refunded, coalesce(net_90, 0) AS net_90, {end} - last_active AS away_days,
  CASE WHEN first_pay_day <= {end} THEN {end} - first_pay_day END AS first_pay_days,
  CASE WHEN first_active_day <= {end} THEN {end} - first_active_day END AS age,
  1 + coalesce(({end} - last_pay <= 60)::INT + ({end} - last_pay <= 30)::INT + ({end} - last_pay <= 14)::INT
    + ({end} - last_pay <= 7)::INT, 0) AS recency_score,
  1 + coalesce((frequency >= 2)::INT + (frequency >= 3)::INT + (frequency >= 5)::INT + (frequency >= 8)::INT, 0)
    AS frequency_score,
  1 + coalesce((monetary >= 20)::INT + (monetary >= 50)::INT + (monetary >= 100)::INT + (monetary >= 300)::INT, 0)
    AS monetary_score,
  CASE WHEN first_day IS NOT NULL AND coalesce(net_90, 0) <= 0 THEN {chance} END AS chance
FROM ({people}) LEFT JOIN ({facts}) AS facts USING (user_id)
"""
CHANCE = "round(1 / (1 + exp(-least(greatest({odds}, -30.0), 30.0))), 9)"
DESCRIBED = {"away": "coalesce({end} - last_active, {end} - first_day)", "tenure": "least({end} - first_day, 28)"}
MADE = """
CREATE TABLE tiers_{nth} AS SELECT user_id, active_days, refunded, net_90, away_days, first_pay_days, recency_score,
  frequency_score, monetary_score, coalesce(chance, 0) AS chance, recency_score + frequency_score + monetary_score AS total,
  (CASE WHEN active_days >= 12 THEN 'high' WHEN active_days >= 4 THEN 'medium' WHEN active_days >= 1 THEN 'low' ELSE 'none' END)
    ::activity AS activity,
  (['none', 'reader', 'reactor', 'sharer', 'commenter', 'creator'][1 + act])::contribution AS contribution,
  (CASE WHEN net_90 > 0 AND net_90 >= bound THEN 'high payer' WHEN net_90 > 0 THEN 'payer'
    WHEN chance >= likely THEN 'potential payer' ELSE 'non-payer' END)::payment AS payment,
  (CASE WHEN total >= 12 THEN 'high' WHEN total >= 8 THEN 'mid' ELSE 'low' END)::"value" AS value,
  (CASE WHEN away_days IS NULL THEN 'prospect' WHEN away_days > 42 THEN 'lost' WHEN away_days > 14 THEN 'silent'
    WHEN first_pay_days < 28 THEN 'first purchase' WHEN age < 14 THEN 'new' ELSE 'active' END)::lifecycle AS lifecycle
FROM scored, (SELECT quantile_cont(net_90::DOUBLE, 0.8) AS bound FROM scored WHERE net_90 > 0),
  (SELECT min(chance) AS likely FROM (SELECT chance, cume_dist() OVER (ORDER BY -chance) AS ahead FROM scored
    WHERE chance IS NOT NULL) WHERE ahead <= 0.1)
"""
PARTS = """
CREATE TABLE parts (dimension VARCHAR, week DATE, "from" VARCHAR, "to" VARCHAR, reason VARCHAR, people BIGINT, net DECIMAL(38, 4),
  "before" DECIMAL(38, 4), before_of BIGINT, now DECIMAL(38, 4), now_of BIGINT)
"""
SIZES = """
INSERT INTO sizes SELECT '{dimension}', {dimension}::VARCHAR, {week}, count(*), sum(net_90) FROM tiers_{nth} GROUP BY ALL
"""
ALL_SIZES = """
SELECT dimension, tier, week, coalesce(people, 0) AS people, coalesce(net, 0) AS net
FROM ({named}) CROSS JOIN (SELECT DISTINCT week FROM sizes) LEFT JOIN sizes USING (dimension, tier, week)
"""
FLOWS = """
INSERT INTO parts SELECT '{dimension}' AS dimension, {week}, coalesce(was.{dimension}::VARCHAR, 'outside'),
  now.{dimension}::VARCHAR,
  CASE WHEN was.user_id IS NULL THEN 'newly known' WHEN was.{dimension} <> now.{dimension} THEN {why} END,
  count(*), sum(now.net_90), sum({was}), count({was}), sum({now}), count({now})
FROM tiers_{nth} AS now LEFT JOIN tiers_{before} AS was USING (user_id) GROUP BY ALL
"""
MEASURES = {
    "activity": "{at}.active_days", "contribution": "NULL::INT", "payment": "{at}.net_90", "value": "{at}.total",
    "lifecycle": "{at}.away_days",
}  # fmt: skip
STEPS = [f"sign * (now.{name}_score - was.{name}_score)" for name in ("recency", "frequency", "monetary")]
MOST = f"greatest({', '.join(STEPS)})".replace("sign", "(CASE WHEN now.value < was.value THEN 1 ELSE -1 END)")
SCORE = " ".join(
    f"WHEN {step.replace('sign', '(CASE WHEN now.value < was.value THEN 1 ELSE -1 END)')} = {MOST} THEN '{name}'"
    for step, name in zip(STEPS, ("recency", "frequency", "monetary"), strict=True)
)
WHY = {
    "activity": """CASE WHEN now.activity < was.activity AND now.active_days > was.active_days THEN 'more active days'
      WHEN now.activity > was.activity AND now.active_days < was.active_days THEN 'fewer active days' ELSE 'limit moved' END""",
    "contribution": """CASE WHEN now.contribution < was.contribution THEN now.contribution::VARCHAR || ' came'
      ELSE was.contribution::VARCHAR || ' gone' END""",
    "payment": """CASE WHEN now.payment < was.payment THEN CASE
        WHEN now.net_90 > 0 AND was.net_90 <= 0 AND now.first_pay_days < 7 THEN 'first payment'
        WHEN now.net_90 > 0 AND was.net_90 <= 0 THEN 'paid again' WHEN now.net_90 > was.net_90 THEN 'paid more'
        WHEN now.net_90 <= 0 AND now.chance > was.chance THEN 'likelier to pay' ELSE 'limit moved' END
      WHEN now.net_90 < was.net_90 THEN CASE WHEN now.refunded THEN 'refund' ELSE 'payments too old' END
      WHEN now.net_90 <= 0 AND now.chance < was.chance THEN 'less likely to pay' ELSE 'limit moved' END""",
    "value": f"""CASE WHEN {MOST} <= 0 THEN 'limit moved' ELSE (CASE {SCORE} END)
      || CASE WHEN now.value < was.value THEN ' up' ELSE ' down' END END""",
    "lifecycle": """CASE WHEN now.lifecycle IN ('silent', 'lost') THEN 'no visit'
      WHEN was.lifecycle = 'prospect' THEN 'first visit'
      WHEN now.lifecycle = 'first purchase' THEN 'first payment' WHEN was.lifecycle IN ('silent', 'lost') THEN 'came back'
      WHEN was.lifecycle = 'first purchase' THEN 'first payment over' WHEN was.lifecycle = 'new' THEN 'no longer new'
      ELSE 'limit moved' END""",
}
MOVES = """
SELECT dimension, week, "from", "to", CASE WHEN "from" = "to" THEN 'stayed' WHEN "from" = 'outside' THEN 'entered'
    WHEN dimension = 'lifecycle' THEN 'changed' WHEN {up} THEN 'upgraded' ELSE 'fell' END AS kind,
  sum(parts.people)::BIGINT AS people, sum(parts.net) AS net, arg_min(parts.reason, (-parts.people, parts.reason)) AS reason,
  CASE WHEN count(parts.reason) > 0 THEN max(parts.people) ELSE 0 END AS reason_people,
  sum("before")::DOUBLE / nullif(sum(before_of), 0) AS measure_before, sum(now)::DOUBLE / nullif(sum(now_of), 0) AS measure_now
FROM parts GROUP BY dimension, week, "from", "to"
"""


def tiers(facts: str, target: str, models: Mapping[date, PayModel]) -> None:
    """Write moves and sizes by week below the target's folder."""
    Path(target).mkdir(parents=True, exist_ok=True)
    backend = duckdb.connect()
    backend.execute(f"SET temp_directory = '{target}/spill'")
    for name in ("first_seen", "user_day", "users"):
        backend.execute(f"CREATE VIEW {name} AS SELECT * FROM '{facts}/{name}.parquet'")
    for dimension, names in TIERS.items():
        backend.execute(f'CREATE TYPE "{dimension}" AS ENUM ({names})')
    backend.execute("CREATE TABLE sizes (dimension VARCHAR, tier VARCHAR, week DATE, people BIGINT, net DECIMAL(38, 4))")
    backend.execute(PARTS)
    for nth, end in enumerate(week_ends()):
        _week_end(backend, nth, end, models[end])
    backend.execute(f"COPY ({MOVES.format(up=_up())}) TO '{target}/moves.parquet' (FORMAT parquet)")
    named = " UNION ALL ".join(f"SELECT '{name}' AS dimension, unnest([{names}]) AS tier" for name, names in TIERS.items())
    backend.execute(f"COPY ({ALL_SIZES.format(named=named)}) TO '{target}/tier_weeks.parquet' (FORMAT parquet)")


def week_ends() -> list[date]:
    """The fourteen instants, the first one first."""
    return [LAST_DAY - timedelta(weeks=back) for back in range(WEEKS, -1, -1)]


def _week_end(backend: duckdb.DuckDBPyConnection, nth: int, end: date, model: PayModel) -> None:
    """Tiers at the end of a week, their sizes, and the flows from the tiers a week before, which are let go of."""
    day, week = f"DATE '{end}'", f"DATE '{end - timedelta(days=6)}'"
    sums = ", ".join(f"coalesce(sum(\"{name}\") FILTER (day > {day} - 28), 0) AS \"{name}\"" for name in SUMS)
    backend.execute(SCORED.format(
        end=day, facts=FACTS.format(end=day, sums=sums), people=PEOPLE.format(end=day), chance=_chance(model, day)
    ))  # fmt: skip
    backend.execute(MADE.format(nth=nth))
    backend.execute("DROP TABLE scored")
    for dimension in TIERS:
        backend.execute(SIZES.format(dimension=dimension, nth=nth, week=week))
        measures = [MEASURES[dimension].format(at=at) for at in ("was", "now")]
        if nth:
            backend.execute(FLOWS.format(dimension=dimension, nth=nth, before=nth - 1, week=week, why=WHY[dimension],
                                         was=measures[0], now=measures[1]))  # fmt: skip
    if nth:
        backend.execute(f"DROP TABLE tiers_{nth - 1}")


def _chance(model: PayModel, day: str) -> str:
    """The probability of paying, in the order in which the toolkit adds up, so that both round alike."""
    if model.refused:
        return "NULL::DOUBLE"
    odds = repr(model.intercept)
    for name in FEATURES:
        value = DESCRIBED.get(name, f"coalesce(\"{name}\", 0)").format(end=day)
        odds = f"({odds} + ln({value}::DOUBLE + 1) * {model.weights[name]!r}::DOUBLE)"
    return CHANCE.format(odds=odds)


def _up() -> str:
    place = "list_position([{names}], \"{end}\")"
    cases = [
        f"WHEN '{name}' THEN {place.format(names=names, end='to')} < {place.format(names=names, end='from')}"
        for name, names in TIERS.items()
    ]
    return f"CASE dimension {' '.join(cases)} END"
