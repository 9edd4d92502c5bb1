"""Each rule that warns against its definition in plain Python: what it finds, how much of it, and where it is first."""

from __future__ import annotations

import importlib
import secrets
import tomllib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import made
import pandas as pd
import plain_suspicions as plain
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import cleaning, contracts, facts, paths
from helpers.cleaning import spelling
from helpers.cleaning.influence import RANGES
from helpers.errors import InputError
from helpers.runs import checks

ROLES = {"active": ["view"], "pay": ["pay"], "refund": ["back"]}
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
PEOPLE = [f"{letter}{number:023d}" for letter in "abcdef" for number in range(2)]
NAMES = st.sampled_from([None, "Food", "food", "Ｆｏｏｄ ", "fo\u200bod", "road trip", "road\xa0 Trip", "山"])
STATUS = st.sampled_from(["kept"] * 5 + ["quarantined", "not_selected", "after_as_of", "duplicates"])
FILES = st.sampled_from(["a.csv", "b.csv", "c/a.csv"])


def some(**columns) -> st.SearchStrategy:
    fixed = {"user_id": st.sampled_from(PEOPLE[:6]), "_status": STATUS, "_file": FILES}
    return st.lists(st.fixed_dictionaries(fixed | columns), max_size=30)


def of_nobody(rows: list[dict]) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "user_id"} for row in rows]


LOGS = st.fixed_dictionaries({
    "events": some(
        user_id=st.sampled_from(PEOPLE[:3]), ts=st.sampled_from([START, START + timedelta(hours=1)]),
        event=st.sampled_from(["view", "pay", "Pay"]), topic=NAMES, content_id=st.sampled_from([None, "c"]),
        amount=st.sampled_from([None, Decimal(1)]),
    ),
    "users": some(
        registered_at=st.sampled_from([None, START, START + timedelta(hours=2)]), city=NAMES,
        gender=st.sampled_from(["f", "F", None]), birth_year=st.sampled_from([None, 1899.0, 1900.0, 2023.0, 2024.0]),
    ).map(lambda rows: list({row["user_id"]: row for row in rows}.values())),
    "assignments": some(experiment=st.sampled_from(["one", "two"]), variant=st.sampled_from(["a", "A", "b"])),
    "units": some(
        units=st.sampled_from(["u", "v"]), unit_id=st.sampled_from("xyz"), variant=st.sampled_from(["a", "A"])
    ).map(of_nobody),
    "touches": some(), "feedback": some(), "spend": some(channel=NAMES).map(of_nobody),
})  # fmt: skip


def found_in(log: dict[str, list[dict]], **options) -> pd.DataFrame:
    given_options = {"roles": ROLES, "limits": plain.LIMITS} | options
    found = cleaning.suspicions({kind: plain.judged(kind, rows) for kind, rows in log.items()}, **given_options)
    checks.to_arrow(contracts.find("suspicions"), found)
    return found


def keyed(found: pd.DataFrame) -> dict[tuple, tuple]:
    return {row[:4]: row[4:8] for row in found.itertuples(index=False, name=None)}


@settings(made.AS_FOUND, max_examples=4)
@given(LOGS, st.booleans())
def test_rows_people_and_places_are_those_of_the_definitions(log, exact_dropped):
    found = found_in(log, as_of_day=date(2026, 1, 6), exact_dropped=exact_dropped)
    rules = ("payment_without_amount", "near_duplicate", "unknown_user", "before_sign_up", "impossible_age", "several_arms")
    expected = plain.on_rows(log, ["pay"], 2026, exact_dropped)
    assert keyed(found[found["rule"].isin(rules)]) == expected
    spelled = found[found["rule"] == "spelling"]
    groups = plain.spelled(log, spelling.fold)
    assert sorted((row[1], row[2], *row[4:8]) for row in spelled.itertuples(index=False, name=None)) == sorted(
        (*key[:2], *counts) for key, counts in groups.items()
    )
    for kind, column, of, spellings in groups:
        listed = spelled[(spelled["table"] == kind) & (spelled["column"] == column)]["subject"]
        wanted = [of, *(f"{spelling.shown(value)} ({rows})" for value, rows in spellings)]
        assert any(all(one in subject for one in wanted) for subject in listed)
    texts = " ".join(found["subject"] + found["said"])
    assert not any(person in texts for person in PEOPLE) and found["said"].str.endswith(".").all()


@settings(made.AS_FOUND, max_examples=2)
@given(LOGS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(log, random):
    placed = {kind: [row | {"_line": number} for number, row in enumerate(rows)] for kind, rows in log.items()}
    shuffled = {kind: random.sample(rows, len(rows)) for kind, rows in placed.items()}
    pd.testing.assert_frame_equal(found_in(placed), found_in(shuffled))


def test_nothing_wrong_is_no_row_and_no_table_is_no_fault():
    user = {"user_id": PEOPLE[0], "registered_at": START, "birth_year": 2000.0, "city": "山"}
    event = {"user_id": PEOPLE[0], "ts": START, "event": "view"}
    assert found_in({"events": [event], "users": [user]}).empty
    assert list(found_in({}).columns) == list(contracts.find("suspicions").columns)
    assert found_in({kind: [] for kind in plain.COLUMNS}, as_of_day=date(2026, 1, 11)).empty


def test_near_duplicates_are_equal_in_what_matters_and_repetitions_that_are_wanted_are_none():
    view = {"user_id": PEOPLE[0], "ts": START, "event": "view", "content_id": "c", "amount": Decimal(1)}
    assert found_in({"events": [view, view | {"topic": "tea"}]})["said"].tolist() == [
        "2 events of 1 person repeat another in person, time, name, content and amount, though not exactly."
    ]
    others = {"ts": START + timedelta(microseconds=1)}, {"event": "x"}, {"content_id": None}, {"amount": Decimal(2)}
    pairs = [[view | own, view | own | other] for other, user in zip(others, PEOPLE, strict=False) for own in [{"user_id": user}]]
    assert found_in({"events": [row for pair in pairs for row in pair]}, limits=plain.CALM).empty
    assert found_in({"events": [view, view]})["rows"].tolist() == [2], "they differ in a column that is not mapped"
    assert found_in({"events": [view, view]}, exact_dropped=False).empty
    unequal = [view, view, view | {"topic": "tea"}, view | {"content_id": None}, view | {"content_id": None}]
    found = found_in({"events": unequal}, exact_dropped=False, limits=plain.CALM)
    assert found[["column", "rows"]].to_numpy().tolist() == [["", 3]]


def test_a_mapped_amount_that_no_event_has_is_missing_in_all_payments():
    log = {"events": [{"user_id": PEOPLE[0], "ts": START, "event": "pay"}]}
    assert found_in(log).empty
    assert found_in(log, has_amounts=True)["said"].tolist() == ["1 payment of 1 person came without an amount."]


def test_with_the_facts_at_hand_the_findings_are_the_same():
    first = {"user_id": PEOPLE[0], "ts": START, "event": "pay", "content_id": "c", "amount": Decimal(1)}
    rows = [first, first | {"topic": "tea"}, first | {"topic": "Tea", "user_id": PEOPLE[1]}]
    rows += [first | {"user_id": PEOPLE[2], "ts": START + timedelta(minutes=n), "content_id": str(n)} for n in range(5)]
    rows += [first | {"_status": "duplicates"}, first | {"user_id": PEOPLE[1], "_status": "quarantined"}]
    log = {"events": rows, "users": [{"user_id": user, "registered_at": START + timedelta(hours=1)} for user in PEOPLE[:2]]}
    judged = {kind: plain.judged(kind, own) for kind, own in log.items()}
    kept = facts.timed(cleaning.kept(judged["events"]))
    days = facts.user_day(kept, ROLES)
    lives, long = facts.lives(days), cleaning.long_days(kept, days, many=plain.LIMITS["bot_hours"])
    given_facts = lives, facts.same_moment(kept), cleaning.suspect_users(lives, long, plain.LIMITS)
    events = judged["events"]
    counted = {"names": cleaning.names(events), "kinds": cleaning.kinds(cleaning.kept(events))}
    found = cleaning.suspicions(judged, *given_facts, **counted, roles=ROLES, limits=plain.LIMITS)
    assert set(found["rule"]) >= {"bot", "near_duplicate", "before_sign_up", "unknown_user"}
    pd.testing.assert_frame_equal(found, found_in(log))


class Suspects:
    """`suspect_users` of a log of events, compiled once."""

    def __init__(self, limits: dict) -> None:
        self.con, self.label = made.backend().con, f"log_{secrets.token_hex(6)}"
        table = made.backend().create_table(self.label, self.arrow([]))
        days = table.group_by(["user_id", "day"]).agg(events=table.count(), active=table.count(), pay=table.count())
        long = cleaning.long_days(table, days, many=limits["bot_hours"])
        found = cleaning.suspect_users(facts.lives(days), long, limits)
        self.sql = made.backend().compile(found.select("user_id", "why"))

    def arrow(self, rows: list[dict]) -> pa.Table:
        columns = {"user_id": pa.string(), "day": pa.date32(), "hour": pa.int64()}
        return pa.table({name: pa.array([row[name] for row in rows], dtype) for name, dtype in columns.items()})

    def __call__(self, rows: list[dict]) -> dict[str, str]:
        self.con.execute(f"DELETE FROM {self.label}")
        self.con.register("incoming", self.arrow(rows))
        self.con.execute(f"INSERT INTO {self.label} SELECT * FROM incoming")
        self.con.unregister("incoming")
        return dict(self.con.execute(self.sql).fetchall())


@st.composite
def crowds(draw) -> list[dict]:
    """Around 20 people of one event each, and a few with more, on several days and hours."""
    rows = [{"user_id": f"p{number}", "day": date(2026, 1, 5), "hour": 9} for number in range(draw(st.integers(16, 22)))]
    busy = st.tuples(st.sampled_from(["p0", "p1", "x", "y"]), st.integers(1, 3), st.integers(0, 4), st.integers(1, 4))
    for user, days, hours, times in draw(st.lists(busy, max_size=4)):
        rows += [
            {"user_id": user, "day": date(2026, 1, 5 + day), "hour": hour}
            for day in range(days) for hour in range(hours) for _ in range(times)
        ]  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def suspects() -> Suspects:
    return Suspects(plain.LIMITS)


@settings(deadline=None, max_examples=150)
@given(crowds())
def test_who_may_be_a_bot_is_as_defined(suspects, rows):
    assert suspects(rows) == plain.bots(rows, plain.LIMITS)


def test_limits_of_a_bot_are_met_at_the_limit_and_not_below(suspects):
    day, crowd = date(2026, 1, 5), [{"user_id": f"p{n}", "day": date(2026, 1, 5), "hour": n} for n in range(19)]
    assert not suspects([{"user_id": "x", "day": day, "hour": 1}] * 4)
    assert suspects([{"user_id": "x", "day": day, "hour": 1}] * 5) == {"x": "too many events on a day"}
    spread = [{"user_id": "x", "day": day + timedelta(days=n), "hour": 1} for n in range(5)]
    assert suspects([*crowd, *spread]) == {"x": "too large a share of all events"}
    assert not suspects([*crowd, *spread[:4]]) and not suspects([*crowd[:18], *spread])


def test_bots_are_named_by_a_mask_the_busiest_first_and_many_are_summed_up(monkeypatch):
    monkeypatch.setattr(importlib.import_module("helpers.cleaning.suspicions"), "MOST", 2)
    busy = [(n, k) for n in range(4) for k in range(5 + n % 2)]
    rows = [{"user_id": PEOPLE[n], "ts": START, "event": "view", "content_id": f"{n}{k}"} for n, k in busy]
    found = found_in({"events": rows})
    assert found[["subject", "rows", "people", "line"]].to_numpy().tolist() == [
        ["a000***", 6, 1, 7], ["b000***", 6, 1, 18], ["all others", 10, 2, 0],
    ]  # fmt: skip
    assert found["said"][0] == "a000*** made 6 events, 27.3 % of all, up to 6 on a day: too many events on a day."
    assert found["said"][2] == "2 others made 10 events in the way of a machine."
    twins = [row | {"user_id": PEOPLE[k % 2]} for k, row in enumerate(rows[:10])]
    assert found_in({"events": twins})["subject"].tolist() == ["a000***", "a000*** (2)"]
    assert found_in({"events": [row | {"user_id": "12345678"} for row in rows]})["subject"].tolist() == ["1***"]


PAID = st.lists(
    st.tuples(st.sampled_from(["pay", "pay", "pay", "back", "view"]), st.sampled_from([None, "0", "1", "2.5", "-3", "40"])),
    min_size=8, max_size=24,
)  # fmt: skip


@settings(made.AS_FOUND, max_examples=4)
@given(PAID)
def test_an_amount_that_is_a_large_part_of_the_total_is_told_with_its_share(paid):
    rows = [
        {"user_id": PEOPLE[n % 12], "ts": START + timedelta(days=n % 3), "event": event, "content_id": str(n),
         "amount": amount and Decimal(amount)}
        for n, (event, amount) in enumerate(paid)
    ]  # fmt: skip
    large = plain.outliers(plain.kept("events", rows), ["pay"], ["back"], "0.2")
    found = found_in({"events": rows}).query("rule == 'outlier'")
    assert found["line"].tolist() == [row["_line"] for row in large]
    total = sum(abs(row["amount"]) for row in rows if row["event"] != "view" and row["amount"] is not None)
    for row, said in zip(large, found["said"], strict=True):
        assert f" is {100 * abs(row['amount']) / total:.1f} % of the total" in said


def test_the_names_of_experiments_toml_are_spellings_too():
    units = {"name": "x", "units": "u", "variants": {"Gate": 1}}
    plans = {"experiment": [{"name": "One", "variants": {"A": 0.5, "b": 0.5}}, units]}
    log = {
        "assignments": [
            {"user_id": PEOPLE[0], "experiment": "One", "variant": "a"},
            {"user_id": PEOPLE[1], "experiment": "one", "variant": "A"},
        ],
        "units": [{"units": "u", "unit_id": "1", "variant": "gate"}, {"units": "v", "unit_id": "1", "variant": "GATE"}],
    }
    found = found_in(log, experiments=plans)
    assert found[["table", "column", "subject", "rows"]].to_numpy().tolist() == [
        ["assignments", "experiment", "One (1, planned), one (1)", 2],
        ["assignments", "variant", "One: a (1), A (0, planned)", 1],
        ["units", "variant", "u: gate (1), Gate (0, planned)", 1],
    ]


def test_too_many_values_are_not_looked_at_and_too_many_names_are_summed_up(monkeypatch):
    rows = [
        {"user_id": PEOPLE[n % 3], "ts": START + timedelta(hours=n), "event": "view", "topic": "tT"[n % 2] + str(n // 2)}
        for n in range(10)
    ]
    monkeypatch.setattr(importlib.import_module("helpers.cleaning.suspicions"), "MOST", 3)
    found = found_in({"events": rows}, limits=plain.CALM)
    assert found["subject"].tolist() == ["T0 (1), t0 (1)", "T1 (1), t1 (1)", "T2 (1), t2 (1)", "all others"]
    assert found["said"][3] == "2 more names of topic came in several spellings, which count apart."
    assert (found["rows"][3], found["people"][3]) == (4, 3)
    monkeypatch.setattr("helpers.cleaning.spelling.TOO_MANY_VALUES", 10)
    assert found_in({"events": rows}, limits=plain.CALM)["said"].tolist() == [
        "The spelling of topic was not looked at: it has 10 different values."
    ]


def test_the_shipped_limits_are_those_that_are_checked_and_lie_in_their_ranges():
    shipped = tomllib.loads((paths.DEFAULTS / "rules.toml").read_text(encoding="utf-8"))["suspicions"]
    assert set(shipped) == set(RANGES)
    assert found_in({}, limits=shipped).empty


@pytest.mark.parametrize(
    ("name", "value"), [("bot_events_a_day", 0), ("bot_share", 0.0), ("outlier_share", 1.1), ("missing_hours", 25)]
)
def test_a_limit_out_of_its_range_is_refused(name, value):
    with pytest.raises(InputError, match=rf"rules.toml: \[suspicions\] {name} = {value}\n  It must be"):
        found_in({}, limits=plain.LIMITS | {name: value})
