"""What facts, portraits and cleaning compute is the same on both engines: counts and decimals equal, fractions to nine digits."""

from __future__ import annotations

import random
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import logs
import made
import plain_facts as plain
import plain_portraits
import plain_suspicions
import pyarrow as pa
import pytest
import test_cleaning
import test_facts
import test_portraits
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from helpers import cleaning, contracts, facts, portraits
from helpers.errors import EnvironmentFault
from helpers.sources import engine, spark

pytestmark = pytest.mark.hard
pytest_plugins = ["engines"]
COMMUNITY = test_facts.ROLES["community"]
FACTS = {
    "first_seen": lambda log, roles: facts.first_seen(facts.user_day(log, roles)),
    "user_day": facts.user_day,
    "user_topic_day": lambda log, roles: facts.user_topic_day(log, roles, test_facts.WEIGHTS),
    "user_kind_day": facts.user_kind_day,
    "user_campaign_day": lambda log, _: facts.user_campaign_day(log),
    "user_hour": facts.user_hour,
    "reply_day": facts.reply_day,
}
DEFINITIONS = {
    "first_seen": plain.first_seen,
    "user_day": plain.user_day,
    "user_topic_day": lambda rows, roles: plain.user_topic_day(rows, roles, test_facts.WEIGHTS),
    "user_kind_day": plain.user_kind_day,
    "user_campaign_day": lambda rows, _: plain.user_campaign_day(rows),
    "user_hour": plain.user_hour,
    "reply_day": plain.reply_day,
}


def gathered(strategy: st.SearchStrategy, count: int) -> list:
    """Examples, the same ones each time: Spark takes many in one table far sooner than one at a time."""
    found = []

    @settings(max_examples=count, phases=[Phase.generate], database=None, deadline=None, derandomize=True)
    @given(strategy)
    def gather(example) -> None:
        found.append(example)

    gather()
    return found


def in_one(event_logs: list[list[dict]]) -> list[dict]:
    """Many logs as one, each with its number in its users and its content."""
    return [
        row | {name: f"{n:03d} {row[name]}" for name in ("user_id", "content_id", "parent_id") if row.get(name) is not None}
        for n, rows in enumerate(event_logs)
        for row in rows
    ]


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return in_one(gathered(test_facts.event_logs(), 60))


@pytest.fixture(scope="module")
def log(engines, rows):
    return engines.given(plain.log(rows))


def by_key(name: str, found: list[dict]) -> dict[tuple, dict]:
    key = contracts.find(name).key
    return {tuple(row[column] for column in key): {c: v for c, v in row.items() if c not in key} for row in found}


@pytest.mark.parametrize("kind", test_facts.ROLES)
@pytest.mark.parametrize("name", FACTS)
def test_a_fact_is_the_same_on_both_and_as_it_is_defined(engines, rows, log, name, kind):
    roles = test_facts.ROLES[kind]
    found = engines.agree(lambda log: FACTS[name](facts.timed(log), roles), log)
    assert by_key(name, found) == DEFINITIONS[name](rows, roles)


def test_weekdays_and_hours_are_the_same_on_both(engines, rows, log):
    found = engines.agree(facts.timed, log)
    local = [row["ts"].astimezone(plain.SHANGHAI) for row in rows]
    assert sorted((row["weekday"], row["hour"]) for row in found) == sorted((time.weekday(), time.hour) for time in local)


def test_sessions_begin_last_and_end_alike_on_both(engines, log):
    kept = ["user_id", "named", "moment", "lasts", "starts", "single", "dwell"]  # which of two equal moments is first is open
    found = engines.agree(lambda log: facts.sessions(facts.timed(log)).select(kept), log)
    assert {(row["starts"], row["single"]) for row in found} == {(True, True), (True, False), (False, False)}


@settings(made.AS_FOUND, max_examples=2, suppress_health_check=list(HealthCheck))
@given(st.lists(test_facts.event_logs(), max_size=8), st.sampled_from(sorted(test_facts.ROLES)))
def test_facts_of_any_logs_are_the_same_on_both(engines, event_logs, kind):
    log = engines.given(plain.log(in_one(event_logs)))
    for fact in FACTS.values():
        engines.agree(lambda log, fact=fact: fact(facts.timed(log), test_facts.ROLES[kind]), log)


def test_portraits_are_the_same_on_both_and_as_recounted(engines):
    rows, today = test_portraits.crowd(random.Random(5), 60), test_portraits.TODAY
    rows["first_seen"] = made.first_seen_rows(rows["user_day"])

    def found(*tables):
        own = dict(zip(rows, tables, strict=True))
        tastes = portraits.interests(own.pop("user_topic_day"), last_day=today, half_life_days=14)
        return portraits.portraits(interests=tastes, last_day=today, **own)

    people = engines.agree(found, *(engines.given(made.arrow(name, own)) for name, own in rows.items()))
    tastes = plain_portraits.interests(rows["user_topic_day"], today, 14, True)
    expected = plain_portraits.portraits(rows, today, tastes)
    assert {row["user_id"] for row in people} == set(expected)
    for row in people:
        for column, value in expected[row["user_id"]].items():
            assert row[column] == (pytest.approx(value, abs=1e-8) if isinstance(value, float) else value), column


def test_the_largest_amounts_add_up_exactly_on_both(engines):
    largest = Decimal("99999999999999.9999")
    signs = {"pay": 1, "refund": -1}
    events = [test_facts.at("10:00:00", event=event, amount=sign * largest) for event, sign in signs.items() for _ in range(500)]
    events += [test_facts.at("11:00:00", event="pay", amount=Decimal("0.0001"))]
    [row] = engines.agree(lambda log: facts.user_day(facts.timed(log), COMMUNITY), engines.given(plain.log(events)))
    assert (row["gross"], row["refunded"], row["net"]) == (500 * largest + Decimal("0.0001"), 500 * largest, Decimal("0.0001"))


@pytest.fixture(scope="module")
def shops(tmp_path_factory) -> logs.Shops:
    return logs.Shops(tmp_path_factory.mktemp("cleaning"))


def judge(kind: str):
    return lambda rows: cleaning.judge(rows, kind, as_of=test_cleaning.AS_OF, future_from=test_cleaning.FUTURE)


def test_events_are_judged_and_accounted_for_alike_on_both(engines, shops):
    good, late = test_cleaning.GOOD, ["u1", "2026-03-09", "view", "1"]
    near = [*good[:3], "1.00"]
    parts = [[good, near, good, late, ["u1"], ["u1", "2026-03-08", "ping", ""]], *gathered(test_cleaning.ROWS.filter(len), 60)]
    texts = {f"events__{n}_csv": logs.as_csv(test_cleaning.HEADER, rows) for n, rows in enumerate(parts)}
    shop = shops(test_cleaning.TOML, **texts)
    given = engines.given(shop.rows("events").to_pyarrow())
    found = engines.agree(judge("events"), given)
    assert {row["_status"] for row in found} == set(cleaning.STATUSES)
    ours, theirs = map(judge("events"), given)
    assert_frame_equal(cleaning.reasons(ours), cleaning.reasons(theirs))
    assert cleaning.reasons(ours)["rows"].sum() == len(found)
    assert_frame_equal(cleaning.coverage([ours]), cleaning.coverage([theirs]))
    (warned, influence), others = warned_of(ours), warned_of(theirs)
    assert {"bot", "near_duplicate"} <= set(warned["rule"]) and len(influence) > 5
    assert_frame_equal(warned, others[0])
    assert_frame_equal(influence, others[1])


def warned_of(judged):
    """What the rules that warn find, and what each rule does to the numbers."""
    kept, roles, week = facts.timed(cleaning.kept(judged)), {"active": ["view"]}, (date(2026, 3, 2), date(2026, 3, 8))
    days, limits = facts.user_day(kept, roles), plain_suspicions.LIMITS | {"bot_events_a_day": 2}
    lives, long = facts.lives(days), cleaning.long_days(kept, days, many=limits["bot_hours"])
    suspects, moments = cleaning.suspect_users(lives, long, limits), facts.same_moment(kept)
    given = {"roles": roles, "suspects": suspects, "week": week}
    found = cleaning.influence(judged, None, days, lives, **given, future_from=test_cleaning.FUTURE)
    return cleaning.suspicions({"events": judged}, lives, moments, suspects, roles=roles, limits=limits), found


@pytest.mark.parametrize("kind", ["users", "spend", "units"])
def test_other_kinds_are_judged_alike_on_both(engines, shops, kind):
    shop = shops(logs.toml(after=test_cleaning.USERS), **test_cleaning.FILES)
    given = engines.given(shop.rows(kind).to_pyarrow())
    found = engines.agree(judge(kind), given)
    assert {row["_status"] for row in found} >= {"kept", "quarantined"}
    assert_frame_equal(*(cleaning.reasons(judge(kind)(rows)) for rows in given))


def test_what_duckdb_writes_both_read_alike(engines, rows, log):
    days = facts.user_day(facts.timed(log[0]), COMMUNITY).mutate(first=log[0].ts.min().as_scalar())
    path = engines.folder / "user_day.parquet"
    written = engine.write(engines.duckdb, days, path, sort=["user_id", "day"])
    found = engines.agree(lambda days: days, (engine.read(engines.duckdb, path), engine.read(engines.spark, path)))
    assert len(found) == written
    assert {row["first"] for row in found} == {min(row["ts"] for row in rows)}


def test_where_the_engines_differ_it_is_noticed(engines):
    """Hours between two times: DuckDB counts full hours on the clock, Spark those gone by."""
    times = [test_facts.at(clock)["ts"] for clock in ("10:59:00", "11:01:00")]
    given = engines.given(pa.table({"early": pa.array(times[:1], made.TYPES["timestamp"]), "late": times[1:]}))
    with pytest.raises(AssertionError, match="hours"):
        engines.agree(lambda rows: rows.select(hours=rows.late.delta(rows.early, unit="hour")), given)
    with pytest.raises(AssertionError, match="timestamp"):
        engines.agree(lambda rows: rows, (given[0].cast({"late": "date"}), given[1]))


def test_fractions_may_differ_in_the_tenth_digit_and_nothing_else_may():
    from engines import same

    assert same({"a": 0.1 + 0.2, "b": 1e12}, {"a": 0.3, "b": 1e12 + 1})
    assert not same({"a": 1.0}, {"a": 1.0 + 1e-8})
    assert not same({"a": Decimal("0.3000")}, {"a": Decimal("0.3001")})
    assert not same({"a": None}, {"a": 0.0})
    assert not same({"a": 10**10}, {"a": 10**10 + 1})


def test_spark_listens_to_this_machine_alone(engines):
    number = engines.spark._session.sparkContext._jvm.java.lang.ProcessHandle.current().pid()
    proc = Path(f"/proc/{number}")
    own = {str(place.readlink()) for place in (proc / "fd").iterdir() if place.is_symlink()}
    lines = [line.split() for name in ("tcp", "tcp6") for line in (proc / "net" / name).read_text().splitlines()[1:]]
    listening = {line[1].partition(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in own}
    assert listening
    assert listening <= {"0100007F", "0000000000000000FFFF00000100007F"}


def test_spark_keeps_its_tables_in_its_own_folder(engines, log):
    before = set(Path.cwd().iterdir())
    held = engines.spark.create_table("held", log[1])
    assert held.count().to_pyarrow() == log[0].count().to_pyarrow()
    own = engines.folder / "spark"
    assert list((own / "tables" / "held").glob("*.parquet"))
    assert own.stat().st_mode & 0o077 == 0
    assert set(Path.cwd().iterdir()) == before


def test_without_spark_or_java_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(EnvironmentFault, match="apt install openjdk"):
        spark.connect("local[2]", folder=tmp_path / "spark")
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(EnvironmentFault, match="pip install"):
        spark.connect("local[2]", folder=tmp_path / "spark")
    assert not (tmp_path / "spark").exists()
