"""A made community of any size: its log as dirty weekly CSV files with every fault counted, and as clean events in Parquet.

Rows are drawn in SQL by whole-number arithmetic alone (a linear congruence, raised to the fifth power), so that a size and a
seed give the same rows with any version of the engine. Half a year of 26 weeks; few members do most, and come in visits of
several events; every row has a time of its own, so that no row repeats another but where that is planted.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import duckdb

ZONE = "Asia/Shanghai"
MONDAY, WEEKS = date(2025, 9, 8), 26
START_MS = (MONDAY - date(1970, 1, 1)).days * 86_400_000
SPAN_MS = WEEKS * 7 * 86_400_000
PRIME = 2**31 - 1
CYCLE = 1000  # the places of what is planted, the same in every thousand rows
NEAR, FAR = 99, 98  # places of repetitions: of the row BACK rows before; of one as far before, and a week besides
BACK = 37
PLANTED = {
    "blank_user_id": (11, 211, 411, 611, 811),
    "bad_time": (31, 231, 431, 631, 831),
    "future_time": (41, 541),
    "ragged": (21, 321, 621),
    "nul": (71, 571),
    "bad_amount": (81,),
    "exact_duplicate": (*range(NEAR, CYCLE, 100), FAR),
}
HEADER = "uid,time,type,channel,content,parent,seconds,fee,rebate,remark"
ROLES = {
    "active": ["view", "like", "post", "comment", "share", "checkin", "pay"],
    "create": ["post"],
    "comment": ["comment"],
    "share": ["share"],
    "react": ["like"],
    "pay": ["pay"],
    "refund": ["refund"],
}
TOML = """
title = "A made community"
timezone = "{zone}"
currency = "CNY"
data_until = {until}

[[events]]
file = "events/*.csv"
user_id = "uid"
ts = "time"
event = "type"
topic = "channel"
content_id = "content"
parent_id = "parent"
duration_s = "seconds"
amount = "fee"
discount = "rebate"

[roles]
"""

# Each row n: what is planted there, and the row m whose cells it holds.
ROWS = """
SELECT n, planted,
  n - CASE WHEN planted <> 'exact_duplicate' THEN 0 WHEN n % {cycle} = {far} THEN {week_back} ELSE {back} END AS m
FROM (SELECT n, CASE {cases} ELSE '' END AS planted FROM range({first}, {last}) AS t(n))
"""
# Who: of every four rows three belong to a visit of up to eight, the others to passers-by.
DRAWN = """
SELECT n, m, planted, drawn(m, 1) AS d1, drawn(m, 2) AS d2, drawn(m, 3) AS d3, drawn(m, 4) AS d4, drawn(m, 5) % 1000 AS kind,
  drawn(CASE WHEN drawn(m, 6) % 4 = 0 THEN -1 - m ELSE m % {visits} + {visits} * (m // (8 * {visits})) END, 7) / {prime} AS whom
FROM ({rows_of})
"""
FIELDS = """
SELECT * EXCLUDE (topic), 'member-' || lpad(CAST(member AS VARCHAR), {digits}, '0') AS uid,
  CASE topic WHEN 0 THEN 'Food, drink' WHEN 1 THEN '"Noir" films' ELSE 'Channel ' || topic END AS topic
FROM (SELECT *, {taste} AS topic FROM (SELECT n, planted, d1, d2, d3, d4, CAST({member} AS BIGINT) AS member,
  make_timestamp(1000 * ({start} + {span} * m // {rows} + d1 % ({span} // {rows}))) AS local,
  CASE WHEN m % 50 = 7 THEN 'post' WHEN planted = 'bad_amount' OR kind < 20 THEN 'pay' WHEN kind < 22 THEN 'refund'
    WHEN kind < 110 THEN 'comment' WHEN kind < 290 THEN 'like' WHEN kind < 320 THEN 'share' WHEN kind < 370 THEN 'checkin'
    ELSE 'view' END AS event,
  'c' || m AS own, CASE WHEN m >= 50 THEN 'c' || (7 + 50 * (m // 50 - 1 - d3 % least(m // 50, 2000))) END AS earlier
FROM ({drawn})))
"""
EVENTS = """
SELECT n, planted, d2, d3, uid, local, event, topic,
  CASE WHEN event IN ('post', 'comment') THEN own WHEN event IN ('view', 'like', 'share') THEN earlier END AS content,
  CASE WHEN event = 'comment' THEN earlier END AS parent, CASE WHEN event = 'view' THEN d4 % 900 END AS seconds,
  CASE WHEN event IN ('pay', 'refund') THEN CAST(100 + d4 % 40000 AS DECIMAL(18, 2)) / 100 END AS fee,
  CASE WHEN event = 'pay' AND d1 % 10 = 0 THEN 5 END AS rebate
FROM ({fields})
"""
LINES = """
SELECT concat_ws(',',
  CASE WHEN planted <> 'blank_user_id' THEN uid WHEN d2 % 2 = 0 THEN '' ELSE '  ' END,
  CASE planted
    WHEN 'bad_time' THEN ['2025-13-45 10:00:00', '2026-02-30 10:00:00', '2025-10-01 25:61:00', 'yesterday', ''][1 + d2 % 5]
    WHEN 'future_time' THEN CAST(local + to_days(CAST(1500 + d2 % 9000 AS INTEGER)) AS VARCHAR) ELSE CAST(local AS VARCHAR) END,
  event,
  CASE WHEN planted = 'nul' THEN 'Chan' || chr(0) || 'nel' WHEN d2 % 40 < 2 THEN '"' || replace(topic, '"', '""') || '"'
    ELSE topic END,
  coalesce(content, ''), coalesce(parent, ''), coalesce(CAST(seconds AS VARCHAR), ''),
  CASE WHEN planted = 'bad_amount' THEN '"1,000.00"' ELSE coalesce(CAST(fee AS VARCHAR), '') END,
  coalesce(CAST(rebate AS VARCHAR), ''),
  CASE WHEN planted = 'ragged' THEN CASE d2 % 2 WHEN 0 THEN 'one,more' END WHEN d3 % 50 <> 0 THEN ''
    ELSE '"wrote: ""well, well""' || chr(10) || 'and left, at once"' END
) AS "{header}" FROM ({events})
"""
KEPT = """
SELECT left(md5(uid), 24) AS user_id, timezone('{zone}', local) AS ts, event, topic, content AS content_id, parent AS parent_id,
  CAST(seconds AS DOUBLE) AS duration_s, NULL::VARCHAR AS session_id, CAST(fee AS DECIMAL(18, 4)) AS amount,
  CAST(rebate AS DECIMAL(18, 4)) AS discount, CAST(local AS DATE) AS day, hour(local) AS hour,
  epoch_us(timezone('{zone}', local)) AS moment
FROM ({events}) WHERE planted = ''
"""


@dataclass(frozen=True)
class Community:
    """A size and a seed.

    Attributes:
        rows: Of the log, faults among them; whole thousands.
    """

    rows: int
    seed: int = 2026
    planted: ClassVar[dict[str, tuple[int, ...]]] = PLANTED
    digits: ClassVar[int] = 7  # of a member's name
    taste: ClassVar[str] = "d2 % 40"  # the topic's number

    def __post_init__(self) -> None:
        if self.rows < WEEKS * CYCLE or self.rows % CYCLE:
            raise ValueError(f"rows = {self.rows}: whole thousands, at least {WEEKS * CYCLE}, are needed")

    def write_csv(self, folder: Path, first: int = 0, last: int = WEEKS) -> dict[tuple[str, str], int]:
        """Write dataset.toml and the files of some weeks; returns rows by file and what is planted in them ("" = nothing).

        Args:
            first, last: The first of the weeks, and the one after the last; a log may go on after its last week.
        """
        (folder / "events").mkdir(parents=True, exist_ok=True)
        self.write_toml(folder, last)
        connection = self._connect()

        def write(name: str, bounds: tuple[int, int]) -> list[tuple[str, int]]:
            cursor = connection.cursor()  # one writer uses one processor
            lines = LINES.format(events=self._events(*bounds), header=HEADER)
            cursor.execute(f"COPY ({lines}) TO '{folder / name}' (FORMAT csv, QUOTE '', ESCAPE '', DELIMITER E'\\x01')")
            return cursor.execute(f"SELECT planted, count(*) FROM ({self._rows(*bounds)}) GROUP BY 1").fetchall()

        weeks = self._weeks(first, last)
        with ThreadPoolExecutor(2) as pool:
            written = zip(weeks, pool.map(write, weeks, weeks.values()), strict=True)
            return {(name, what): rows for name, planted in written for what, rows in planted}

    def write_toml(self, folder: Path, weeks: int = WEEKS) -> None:
        """Write the dataset.toml of a log of so many weeks."""
        roles = "\n".join(f"{role} = {json.dumps(events)}" for role, events in ROLES.items())
        top = TOML.format(zone=ZONE, until=MONDAY + timedelta(weeks=weeks, days=-1))
        (folder / "dataset.toml").write_text(f"{top}{roles}\n", encoding="utf-8")

    def write_parquet(self, path: Path) -> int:
        """Write the sound rows as they would leave the cleaning, of pseudonyms, in order of time; returns their number."""
        kept = KEPT.format(events=self._events(0, self.rows), zone=ZONE)
        return self._connect().execute(f"COPY ({kept}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)").fetchone()[0]

    def _weeks(self, first: int, last: int) -> dict[str, tuple[int, int]]:
        """Each weekly file with its first row and the one after its last."""
        ends = [number * self.rows // WEEKS for number in range(first, last + 1)]
        labels = [(MONDAY + timedelta(weeks=number)).strftime("%G-W%V") for number in range(first, last)]
        return {f"events/{label}.csv": bounds for label, bounds in zip(labels, pairwise(ends), strict=True)}

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(":memory:")
        connection.execute("SET TimeZone = 'UTC'")
        congruence = f"(n * 48271 + salt * 16807 + {self.seed} * 69621) % {PRIME}"
        connection.execute(f"CREATE MACRO fifth(x) AS x * x % {PRIME} * (x * x % {PRIME}) % {PRIME} * x % {PRIME}")
        connection.execute(f"CREATE MACRO drawn(n, salt) AS fifth(({congruence} + {PRIME}) % {PRIME})")
        return connection

    def _rows(self, first: int, last: int) -> str:
        """SQL of the rows from `first` to before `last`."""
        week_back = CYCLE * (self.rows // (WEEKS * CYCLE)) + BACK
        cases = f"WHEN n < {week_back} AND n % {CYCLE} = {FAR} THEN '' "
        cases += " ".join(f"WHEN n % {CYCLE} = {place} THEN '{what}'" for what, own in self.planted.items() for place in own)
        return ROWS.format(first=first, last=last, cycle=CYCLE, cases=cases, far=FAR, back=BACK, week_back=week_back)

    def _events(self, first: int, last: int) -> str:
        drawn = DRAWN.format(rows_of=self._rows(first, last), visits=self.visits, prime=PRIME)
        fields = FIELDS.format(
            drawn=drawn, member=self._member(), digits=self.digits, taste=self.taste, start=START_MS, span=SPAN_MS, rows=self.rows
        )
        return EVENTS.format(fields=fields)

    @property
    def visits(self) -> int:
        """How many go on at a time."""
        return self.rows // 20_000 + 1

    def _member(self) -> str:
        """SQL of who does it, from `whom`, which is spread evenly from 0 to 1."""
        return f"floor({self.rows // 50} * whom * whom * whom)"
