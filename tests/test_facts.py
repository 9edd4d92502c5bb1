"""The facts against their definitions in plain Python, on logs made by hypothesis; and their order, their zone, their truth."""

from __future__ import annotations

import hmac
import json
import secrets
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import ibis
import logs
import made
import plain_facts as plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import cleaning, contracts, facts, open_run
from helpers.sources import privacy

ROLES = {
    "community": {
        "active": ["view", "post", "comment", "pay"], "create": ["post"], "comment": ["comment"], "share": ["share"],
        "react": ["like"], "pay": ["pay"], "refund": ["refund"],
    },
    "shop": {"active": ["pay", "both"], "pay": ["pay", "both"], "refund": ["refund", "both"]},
    "reader": {"active": ["view"], "comment": []},
}  # fmt: skip
WEIGHTS = {"create": 3.0, "comment": 2.0, "pay": 0.1, "active": 0.5, "react": 0.0}
MINUTES = st.sampled_from([0, 1, 29, 30, 31, 200, 24 * 60, 3 * 24 * 60])
MICROSECONDS = st.sampled_from([0, 1, -1, 500_000])
MONEY = st.none() | st.decimals(-1000, 1000, places=4)
CONTENT = st.sampled_from([None, "c1", "c2", "c3"])


@st.composite
def event_logs(draw) -> list[dict]:
    """Events of a few people, close enough in time that gaps are of all lengths, some of one instant."""
    now, rows = datetime(2026, 3, 7, 15, 0, tzinfo=UTC), []
    for _ in range(draw(st.integers(0, 25))):
        marathon = draw(st.sampled_from([0, 0, 0, 0, 0, 0, 0, 60]))
        rows += [{"user_id": "a", "ts": now + timedelta(minutes=29 * n), "event": "view"} for n in range(marathon)]
        now += timedelta(minutes=draw(MINUTES) + 29 * marathon, microseconds=draw(MICROSECONDS))
        rows.append({
            "user_id": draw(st.sampled_from(["a", "b", "c"])), "ts": now,
            "event": draw(st.sampled_from(["view", "post", "comment", "like", "share", "pay", "refund", "both", "other"])),
            "topic": draw(st.sampled_from([None, "茶", "山"])), "content_id": draw(CONTENT), "parent_id": draw(CONTENT),
            "duration_s": draw(st.sampled_from([None, 0.0, 2.5, -3.0, 1e6])), "amount": draw(MONEY), "discount": draw(MONEY),
            "session_id": draw(st.sampled_from([None, None, "s1"])), "campaign": draw(st.sampled_from([None, "春", "sale"])),
            "content_kind": draw(st.sampled_from([None, "图文", "video"])),
        })  # fmt: skip
    return rows


class Fact:
    """A fact of a log of events, compiled once."""

    def __init__(self, make) -> None:
        self.con, self.label = made.backend().con, f"log_{secrets.token_hex(6)}"
        table = made.backend().create_table(self.label, plain.log([]))
        self.sql = made.backend().compile(make(facts.timed(table)))

    def __call__(self, rows: list[dict], *key: str) -> dict[tuple, dict]:
        self.con.execute(f"DELETE FROM {self.label}")
        self.con.register("incoming", plain.log(rows))
        self.con.execute(f"INSERT INTO {self.label} SELECT * FROM incoming")
        self.con.unregister("incoming")
        found = self.con.execute(self.sql).to_arrow_table().to_pylist()
        by_key = {tuple(row[column] for column in key): row for row in found}
        assert len(by_key) == len(found), "the key is unique"
        return {own: {name: value for name, value in row.items() if name not in key} for own, row in by_key.items()}


@pytest.fixture(scope="module", params=ROLES)
def roles(request) -> dict[str, list[str]]:
    return ROLES[request.param]


@pytest.fixture(scope="module")
def built(roles) -> dict[str, Fact]:
    return {
        "user_day": Fact(lambda log: facts.user_day(log, roles)),
        "first_seen": Fact(lambda log: facts.first_seen(facts.user_day(log, roles))),
        "user_topic_day": Fact(lambda log: facts.user_topic_day(log, roles, WEIGHTS)),
        "user_kind_day": Fact(lambda log: facts.user_kind_day(log, roles)),
        "user_campaign_day": Fact(facts.user_campaign_day),
        "user_hour": Fact(lambda log: facts.user_hour(log, roles)),
        "reply_day": Fact(lambda log: facts.reply_day(log, roles)),
    }


@settings(deadline=None, max_examples=12)
@given(event_logs())
def test_counts_amounts_sessions_and_dwell_of_a_day_are_those_of_the_definitions(built, roles, rows):
    assert built["user_day"](rows, "user_id", "day") == plain.user_day(rows, roles)


@settings(deadline=None, max_examples=8)
@given(event_logs())
def test_first_days_weights_kinds_campaigns_hours_and_replies_are_those_of_the_definitions(built, roles, rows):
    assert built["first_seen"](rows, "user_id") == plain.first_seen(rows, roles)
    topics = plain.user_topic_day(rows, roles, WEIGHTS)
    assert built["user_topic_day"](rows, "user_id", "topic", "day") == topics
    assert built["user_kind_day"](rows, "user_id", "content_kind", "day") == plain.user_kind_day(rows, roles)
    assert built["user_campaign_day"](rows, "user_id", "campaign", "day") == plain.user_campaign_day(rows)
    assert built["user_hour"](rows, "user_id", "day", "hour") == plain.user_hour(rows, roles)
    assert built["reply_day"](rows, "from_user", "to_user", "day") == plain.reply_day(rows, roles)


@settings(deadline=None, max_examples=5)
@given(event_logs(), st.randoms(use_true_random=False))
def test_no_fact_depends_on_the_order_of_the_rows(built, rows, random):
    shuffled = random.sample(rows, len(rows))
    for name, fact in built.items():
        key = contracts.find(name).key
        assert fact(rows, *key) == fact(shuffled, *key)


def at(clock: str, **row) -> dict:
    """An active event of one person on or after Saturday 2026-03-07, local time."""
    day, _, time = clock.rpartition(" ")
    local = datetime.fromisoformat(f"2026-03-{int(day or 7):02d} {time}").replace(tzinfo=plain.SHANGHAI)
    return {"user_id": "a", "event": "view", "ts": local, **row}


@pytest.fixture(scope="module")
def visits() -> Fact:
    return Fact(lambda log: facts.user_day(log, ROLES["reader"]))


def told(visits: Fact, *rows: dict) -> list[tuple[int, int, int, int]]:
    """Day of the month, sessions, dwell and bounces."""
    found = visits(list(rows), "user_id", "day")
    return [(day.day, row["sessions"], row["dwell_s"], row["bounces"]) for (_, day), row in sorted(found.items())]


def test_a_gap_of_just_the_timeout_does_not_end_a_session_and_a_microsecond_more_does(visits):
    assert told(visits, at("10:00:00"), at("10:30:00")) == [(7, 1, 1800, 0)]
    assert told(visits, at("10:00:00"), at("10:30:00.000001")) == [(7, 2, 0, 2)]


def test_midnight_neither_breaks_a_session_nor_loses_a_second(visits):
    rows = [at("23:50:00"), at("23:59:00"), at("8 00:10:00"), at("8 00:20:00")]
    assert told(visits, *rows) == [(7, 1, 20 * 60, 0), (8, 0, 10 * 60, 0)]


def test_a_session_ends_after_24_hours(visits):
    rows = [at(f"{7 + hour // 24} {hour % 24:02d}:{minute}:00") for hour in range(50) for minute in ("00", "25", "50")]
    assert sum(row[1] for row in told(visits, *rows)) == 3
    gaps = sum((after["ts"] - before["ts"]).seconds for before, after in pairwise(rows))
    lost = 2 * 10 * 60  # the gaps between 23:50 and 24:00 of the session's own day, at which it is cut twice
    assert sum(row[2] for row in told(visits, *rows)) == gaps - lost
    assert told(visits, *rows[: 24 * 3])[0][1:] == (1, 24 * 3600 - 600, 0)


def test_a_duration_counts_for_the_last_event_alone(visits):
    rows = [at("10:00:00", duration_s=500.0), at("10:01:00", duration_s=20.0)]
    assert told(visits, *rows) == [(7, 1, 80, 0)]
    assert told(visits, at("10:00:00", duration_s=1e9)) == [(7, 1, 24 * 3600, 1)]
    assert told(visits, at("10:00:00", duration_s=-5.0)) == [(7, 1, 0, 1)]
    same = [at("10:00:00", duration_s=20.0), at("10:00:00"), at("10:00:00", duration_s=3.0)]
    assert told(visits, *same) == told(visits, *same[::-1]) == [(7, 1, 20, 0)]


def test_sessions_that_the_source_names_are_told_apart(visits):
    rows = [at("10:00:00", session_id="x"), at("10:01:00", session_id="y"), at("10:02:00", session_id="x")]
    assert told(visits, *rows) == [(7, 2, 120, 1)]


def test_an_event_that_makes_nobody_active_belongs_to_no_session(visits):
    rows = [at("10:00:00"), at("10:20:00", event="like"), at("10:40:00"), at("8 10:00:00", event="like")]
    assert told(visits, *rows) == [(7, 2, 0, 2), (8, 0, 0, 0)]


def test_content_made_by_two_in_one_instant_is_nobodys():
    replies = Fact(lambda log: facts.reply_day(log, ROLES["community"]))
    both = [at("10:00:00", event="post", content_id="c", user_id=user) for user in "ab"]
    reply = at("11:00:00", event="comment", parent_id="c", user_id="d")
    earlier = at("09:00:00", event="post", content_id="c", user_id="b")
    assert replies([*both, reply], "from_user", "to_user") == {}
    assert list(replies([*both, reply, earlier], "from_user", "to_user")) == [("d", "b")]


def test_amounts_add_up_exactly_however_many_there_are():
    days = Fact(lambda log: facts.user_day(log, ROLES["shop"]))
    cents = [at("10:00:00", event="pay", amount=Decimal("0.1")) for _ in range(1000)]
    back = [at("10:00:00", event="refund", amount=Decimal("-0.3")), at("10:00:00", event="pay", amount=Decimal("-0.2"))]
    [row] = days(cents + back, "user_id", "day").values()
    assert (row["gross"], row["refunded"], row["net"]) == (Decimal(100), Decimal("0.5"), Decimal("99.5"))


def test_how_a_source_is_split_into_files_changes_no_fact(tmp_path):
    shops = logs.Shops(tmp_path)
    header, kinds = ["uid", "time", "type"], ["view", "like", "view", "post"]
    rows = [[f"u{n % 7}", str(datetime(2026, 3, 7, 20) + timedelta(minutes=n * 13)), kinds[n % 4]] for n in range(200)]
    parts = {f"e__{n}_csv": logs.as_csv(header, rows[n::3][::-1]) for n in range(3)}
    found = []
    for files in ({"e__all_csv": logs.as_csv(header, rows)}, parts):
        kept = cleaning.kept(shops(logs.toml(file="e"), **files).judged())
        table = facts.user_day(facts.timed(kept), ROLES["community"]).order_by(["user_id", "day"])
        found.append(table.to_pyarrow().to_pylist())
    assert found[0] == found[1]
    assert sum(row["events"] for row in found[0]) == 200


def test_every_fact_has_the_columns_of_its_contract(built):
    for name, fact in built.items():
        assert set(ibis.memtable(fact.con.execute(fact.sql).to_arrow_table()).columns) == set(
            contracts.find(name).columns
        )


def test_a_summary_of_no_days_counts_nothing():
    nothing = made.table("user_day", [])
    counted = {"user days": 0, "people": (0, "people"), "active days": 0, "sessions": 0}
    assert facts.summary(nothing, facts.lives(nothing)) == counted


def test_the_days_of_the_built_in_community_are_the_planted_truth(sample):
    run = open_run("sample")
    truth = json.loads((sample.root / "data" / "sample" / "raw" / "truth.json").read_text("utf-8"))
    days = run.read("user_day")
    bot = hmac.new(privacy.SAMPLE_KEY, truth["users"]["bot"]["uid"].encode(), "sha256").hexdigest()[:24]
    members = days.filter(days.user_id != bot)
    assert (members.active > 0).sum().to_pyarrow().as_py() == truth["rows"]["active_member_days"]
    assert days.events.sum().to_pyarrow().as_py() == truth["rows"]["kept"]
    assert days.filter(days.user_id == bot).events.sum().to_pyarrow().as_py() == truth["users"]["bot"]["events"]
    assert days.pay.sum().to_pyarrow().as_py() == truth["rows"]["kept_by_event"]["pay"]
    assert run.read("user_campaign_day").events.sum().to_pyarrow().as_py() == truth["payments"]["in_campaigns"]
