"""The large size of `make bench`: a made community whose people and events fit, two sides that make the same facts of it."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest

from benchmarks import agreement, growth, measure, ours, walk_by_hand
from benchmarks.by_hand import all_facts
from benchmarks.large import Large
from helpers.errors import RunFailed
from helpers.sources import privacy

COMMUNITY = Large(26_000, people=600)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large") / "large"
    COMMUNITY.write_sources(folder)
    return folder


def asked(sql: str, log: Path) -> list[tuple]:
    return duckdb.sql(sql.format(events=f"'{log}/events/*.parquet'", users=f"'{log}/users.parquet'")).fetchall()


def test_nobody_of_the_large_community_acts_before_the_sign_up_or_without_one(log):
    early = "SELECT count(*) FROM {events} AS e LEFT JOIN {users} AS u USING (uid) WHERE coalesce(e.time < u.registered_at, true)"
    assert asked(early, log) == [(0,)]
    assert asked("SELECT count(*) > 500, max(registered_at) < '2026-03-09' FROM {users}", log) == [(True, True)]


def test_one_row_in_a_thousand_stands_twice_and_files_are_in_order_of_time(log):
    repeated = "SELECT count(*) - (SELECT count(*) FROM (SELECT DISTINCT * FROM {events})) FROM {events}"
    assert asked(repeated, log) == [(26,)]
    first, second = sorted((log / "events").iterdir())[:2]
    spans = [duckdb.sql(f"SELECT min(time)::DATE, max(time)::DATE FROM '{path}'").fetchone() for path in (first, second)]
    assert spans == [(date(2025, 9, 8), date(2025, 9, 14)), (date(2025, 9, 15), date(2025, 9, 21))]


def test_the_log_goes_on_after_its_last_week_and_leaves_the_weeks_before_as_they_are(log, tmp_path):
    COMMUNITY.write_sources(tmp_path / "large", 27, first=26)
    assert [path.name for path in (tmp_path / "large" / "events").iterdir()] == ["2026-W11.parquet"]
    before, after = (duckdb.sql(f"SELECT * FROM '{folder}/users.parquet'") for folder in (log, tmp_path / "large"))
    assert len(before.except_(after).fetchall()) == 0 < len(after) - len(before)


@pytest.mark.hard
def test_both_sides_make_the_same_facts_of_clean_events_and_a_changed_row_is_seen(tmp_path):
    events, made, other = (tmp_path / name for name in ("events.parquet", "made", "other"))
    COMMUNITY.write_parquet(events)
    made.mkdir()
    ours.all_facts(events, made)
    all_facts(events, other)
    agreement.check_alike(made, other)
    changed = f"SELECT * REPLACE (events + CAST(row_number() OVER () = 1 AS INTEGER) AS events) FROM '{other}/user_day.parquet'"
    duckdb.execute(f"CREATE TABLE changed AS {changed}")
    duckdb.execute(f"COPY changed TO '{other}/user_day.parquet' (FORMAT parquet)")
    with pytest.raises(RunFailed, match="user_day"):
        agreement.check_alike(made, other)


@pytest.mark.hard
def test_sql_by_hand_of_the_walk_makes_the_facts_that_the_walk_makes(log, built_root, tmp_path, monkeypatch):
    monkeypatch.setenv(privacy.KEY_VARIABLE, measure.KEY)
    ours.facts_alone(str(log))
    walk_by_hand.clean(log, tmp_path / "clean")
    agreement.check_alike(next(built_root.glob("data/large/built/*-W*")), tmp_path / "clean" / "facts")
    walk_by_hand.weeks(tmp_path / "clean" / "facts", tmp_path / "weeks")
    [(people,)] = duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/weeks/asked_0.parquet' WHERE hold_0 IS NOT NULL").fetchall()
    assert people > 500


def test_the_memory_of_a_program_is_that_of_all_its_processes(tmp_path):
    child = "x = bytearray(80 * 2**20); import time; time.sleep(1)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    cost = measure.watch([sys.executable, "-c", parent], built=tmp_path)
    assert cost.memory > 80 / 1024
    assert cost.seconds > 1


def test_growth_is_told_where_it_is_more_than_in_proportion():
    assert growth.too_steep({1: 2.0, 10: 21.0, 100: 232.0}) == [100]
    assert growth.too_steep({1: 2.0, 10: 3.0, 100: 33.0}) == []


@pytest.mark.hard
def test_the_figure_of_growth_is_small_and_says_what_is_drawn(tmp_path):
    costs = {work: {10_000: 1.0, 100_000: 9.0} for works in growth.OF.values() for work in works}
    growth.draw(costs, tmp_path / "growth.svg")
    text = (tmp_path / "growth.svg").read_text(encoding="utf-8")
    assert all(work in text for work in costs)
    assert len(text) < 200_000


def test_rows_are_whole_thousands_a_week_so_that_no_row_stands_twice_in_two_files(tmp_path):
    community = Large(30_000, people=600)
    assert community.rows == 52_000
    community.write_sources(tmp_path / "large")
    files = sorted((tmp_path / "large" / "events").iterdir())
    apart = sum(duckdb.sql(f"SELECT count(*) FROM (SELECT DISTINCT * FROM '{file}')").fetchone()[0] for file in files)
    assert asked("SELECT count(*) FROM (SELECT DISTINCT * FROM {events})", tmp_path / "large") == [(apart,)]
