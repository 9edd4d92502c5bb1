"""A large community as a warehouse gives it: weekly Parquet files in order of time, its people, who is in an experiment.

    python -m benchmarks.large FOLDER EVENTS PEOPLE [WEEKS]

Events and people by parameter; half a year of 26 weeks, and a log that goes on after them. Three in five people were there before
it begins, the others come one after another; few do most; each has topics that he returns to. One row in a thousand stands twice.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmarks.community import CYCLE, NEAR, SPAN_MS, START_MS, WEEKS, Community

MEMORY = "4GB"  # of the engine, for all notebooks that run at once
BEFORE = 0.6  # of the people, when the log begins
SPREAD = 0.1  # the busiest are some forty times as busy as the mean
WHOM = f"(power(whom + {SPREAD}, 3) - {SPREAD**3}) / ({(1 + SPREAD) ** 3 - SPREAD**3})"
TABLES = """[users]
file = "users.parquet"
user_id = "uid"
registered_at = "registered_at"
channel = "channel"
referrer_id = "inviter"
city = "city"
gender = "gender"
birth_year = "birth_year"

[assignments]
file = "assignments.parquet"
user_id = "uid"
experiment = "experiment"
variant = "variant"
assigned_at = "assigned_at"

"""
EXPERIMENTS = """
[[metric]]
name = "day7_return"
kind = "retention"
day = 7

[[metric]]
name = "active_days_14"
kind = "mean"
of = "active_days"
days = 14

[[metric]]
name = "paid_28"
kind = "proportion"
of = "pay_days"
days = 28

[[metric]]
name = "net_28"
kind = "revenue"
of = "net"
days = 28
cap_quantile = 0.99

[[experiment]]
name = "tour"
hypothesis = "Newcomers who are shown around come back a week later."
control = "control"
variants = { control = 0.5, treatment = 0.5 }
start = 2025-11-03
end = 2026-01-25
primary = "day7_return"
secondary = ["active_days_14", "paid_28", "net_28"]
"""
RAW = """
SELECT uid, local AS time, event AS type, topic AS channel, content, parent, seconds, CAST(fee AS DECIMAL(18, 2)) AS fee,
  CAST(rebate AS DECIMAL(18, 2)) AS rebate
FROM ({events}) ORDER BY n
"""
USERS = """
SELECT 'member-' || lpad(CAST(n AS VARCHAR), 8, '0') AS uid,
  make_timestamp(1000 * ({start} + CASE WHEN n < {there} THEN -(86400000 * (1 + drawn(n, 11) % 365))
    ELSE CAST(floor({span} * ((n - {there}) / {coming})) AS BIGINT) END)) AS registered_at,
  ['organic', 'referral', 'search', 'ads'][1 + drawn(n, 12) % 4] AS channel,
  CASE WHEN drawn(n, 12) % 4 = 1 AND n > 0 THEN 'member-' || lpad(CAST(drawn(n, 13) % n AS VARCHAR), 8, '0') END AS inviter,
  'City ' || drawn(n, 14) % 30 AS city, ['f', 'm', NULL][1 + drawn(n, 15) % 3] AS gender,
  CAST(1950 + drawn(n, 16) % 60 AS INTEGER) AS birth_year
FROM range({people}) AS t(n) ORDER BY n
"""
ASSIGNED = """
SELECT uid, 'tour' AS experiment, ['control', 'treatment'][1 + drawn(CAST(right(uid, 8) AS BIGINT), 17) % 2] AS variant,
  registered_at AS assigned_at
FROM '{users}' WHERE registered_at >= DATE '2025-11-03' AND registered_at < DATE '2026-01-26'
"""


@dataclass(frozen=True)
class Large(Community):
    """Attributes:
    rows: Whole thousands a week, so that a row which stands twice does so in one file; what is asked for is rounded up.
    people: Of whom the last ones come in the log's last week.
    """

    people: int = 0
    planted: ClassVar[dict[str, tuple[int, ...]]] = {"exact_duplicate": (NEAR,)}
    digits: ClassVar[int] = 8
    taste: ClassVar[str] = "(member * 7 + [0, 0, 0, 1, 1, 2, 5, 11][1 + d2 % 8]) % 40"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", -(-self.rows // (WEEKS * CYCLE)) * WEEKS * CYCLE)

    def write_sources(self, folder: Path, last: int = WEEKS, first: int = 0) -> None:
        """Write dataset.toml and all sources up to the end of some week; of the events the weeks from `first` on."""
        (folder / "events").mkdir(parents=True, exist_ok=True)
        self.write_toml(folder)
        (folder / "experiments.toml").write_text(EXPERIMENTS, encoding="utf-8")
        connection = self._connect()
        connection.execute("SET threads = 1")
        connection.execute("SET memory_limit = '2GB'")
        connection.execute(f"SET temp_directory = '{folder / 'spill'}'")
        there = int(BEFORE * self.people)
        users = folder / "users.parquet"
        made = USERS.format(start=START_MS, there=there, span=SPAN_MS, coming=self.people - there, people=self._members_at(last))
        self._copy(connection, made, users)
        self._copy(connection, ASSIGNED.format(users=users), folder / "assignments.parquet")

        def write(name: str, bounds: tuple[int, int]) -> None:
            self._copy(connection.cursor(), RAW.format(events=self._events(*bounds)), folder / name)

        weeks = {name.replace(".csv", ".parquet"): bounds for name, bounds in self._weeks(first, last).items()}
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(write, weeks, weeks.values()))

    def write_toml(self, folder: Path, weeks: int = WEEKS) -> None:
        """The same for any number of weeks: up to when the data reach is seen in them."""
        super().write_toml(folder)
        path = folder / "dataset.toml"
        told = path.read_text(encoding="utf-8").replace("*.csv", "*.parquet").replace("[roles]", f"{TABLES}[roles]")
        kept = "".join(line for line in told.splitlines(True) if not line.startswith("data_until"))
        path.write_text(f'engine = {{ duckdb = {{ memory = "{MEMORY}" }} }}\n{kept}', encoding="utf-8")

    @staticmethod
    def _copy(connection, sql: str, path: Path) -> None:
        connection.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")

    def _members_at(self, week: int) -> int:
        return int(self.people * (BEFORE + (1 - BEFORE) * week / WEEKS))

    def _member(self) -> str:
        begun = f"8 * {self.visits} * (m // (8 * {self.visits}))"  # of the visit: who comes in it has come by then
        return f"floor({self.people} * ({BEFORE} + {1 - BEFORE} * ({begun}) / {self.rows}) * {WHOM})"


if __name__ == "__main__":
    where, *numbers = sys.argv[1:]
    events, people, *more = map(int, numbers)
    Large(events, people=people).write_sources(Path(where), *more)
