"""The week's main numbers with and without each rule, against a count in plain Python that leaves the rule out."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import ibis
import logs
import made
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import cleaning, contracts, facts, open_run
from helpers.cleaning.influence import NO_AMOUNT
from helpers.runs import checks

SHANGHAI = ZoneInfo("Asia/Shanghai")
WEEK = (date(2026, 3, 2), date(2026, 3, 8))
AS_OF = datetime(2026, 3, 9, tzinfo=SHANGHAI)
FUTURE = datetime(2026, 3, 8, tzinfo=SHANGHAI)  # data that end within the week
LATER = datetime(2026, 3, 12, tzinfo=SHANGHAI)
ROLES = {"active": ["view", "pay"], "pay": ["pay", "both", "ping"], "refund": ["back", "both"]}
HEADER = ["uid", "time", "type", "fee", "off"]
TIMES = ("2026-02-20", "2026-03-01 23:59:59", "2026-03-02", "2026-03-05", "2026-03-07T16:00:00Z", "2026-03-09", "2026-04-01")
TOML = logs.toml(
    'where = "type <> \'ping\'"\namount = "fee"\ndiscount = "off"',
    after='[cleaning]\nexclude_users = { "-1" = "the bot", "-2" = "a test" }\n[users]\nfile = "users.csv"\nuser_id = "uid"\n',
)
ROW = st.tuples(
    st.sampled_from(["u1", "u2", "u3", "u4", "-1", "-2", " "]),
    st.sampled_from([*TIMES, "1999-01-01", "?"]),
    st.sampled_from(["view", "pay", "both", "back", "ping", "other", ""]),
    st.sampled_from(["", "3", "3", "-2.5", "x"]),
    st.sampled_from(["", "", "", "x"]),
).map(list)
AGAIN = st.sampled_from([
    ["u1"], ["u3", "2026-03-05", "pay", "3", "x"], ["u4", "2026-03-05", "pay", "3", ""], ["u4", "2026-03-05", "ping", "3", ""],
    ["-1", "2026-03-05", "pay", "3", ""],
])  # fmt: skip
LOGS = st.lists(st.one_of(ROW, ROW, AGAIN), min_size=20, max_size=80)
KNOWN = st.lists(st.sampled_from(["u1", "u2", "u3", ""]), min_size=1, max_size=3, unique=True)


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    return logs.Shops(tmp_path_factory.mktemp("influence"))


NO_RULE = ("", "")


def verdict(row: list[str], again: bool, future: datetime, without: tuple[str, str]) -> tuple[str, str]:
    """What becomes of a row when one rule does not hold: as told in prose."""
    if len(row) != len(HEADER):
        return "quarantined", "ragged"
    user, time, event, fee, off = (cell.strip() for cell in row)
    instant = parsed(time)
    wrong = [
        ("blank_user_id", not user), ("blank_event", not event), ("bad_time", instant is None),
        ("ancient_time", instant is not None and instant < datetime(2000, 1, 1, tzinfo=UTC)),
        ("future_time", instant is not None and instant >= future), ("bad_amount", fee == "x"),
        ("bad_discount", off == "x"),
    ]  # fmt: skip
    found = next((reason for reason, holds in wrong if holds and ("quarantined", reason) != without), None)
    if again and not found and without[0] != "exact_duplicate":
        return "exact_duplicate", ""
    reason = {"-1": "the bot", "-2": "a test"}.get(user)
    if reason and without != ("set_aside", reason):
        return "set_aside", reason
    if event == "ping" and without[0] != "where":
        return "where", ""
    return ("quarantined", found) if found else ("kept", "")


def parsed(time: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(time)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=SHANGHAI)


def verdicts(rows: list[list[str]], future: datetime, without: tuple[str, str] = NO_RULE) -> list[tuple[str, str]]:
    return [verdict(row, row in rows[:number], future, without) for number, row in enumerate(rows)]


def persons(kept: list[list[str]], nobody: set[str] = frozenset()) -> dict[str, tuple[bool, bool, Decimal]]:
    """Of each person whether active in the week, whether for the first time, and the week's net amount."""
    first: dict[str, date] = {}
    actives, net = set(), defaultdict(Decimal)
    for user, time, event, fee, _ in kept:
        user, day = user.strip(), parsed(time).astimezone(SHANGHAI).date()
        amount = Decimal(fee) if fee not in ("", "x") else Decimal(0)
        if day > WEEK[1] or user in nobody:
            continue
        if event in ROLES["active"]:
            first[user] = min(day, first.get(user, day))
            actives |= {user} if day >= WEEK[0] else set()
        if day >= WEEK[0]:
            net[user] += max(amount, Decimal(0)) if event in ROLES["pay"] else 0
            net[user] -= abs(amount) if event in ROLES["refund"] or (event in ROLES["pay"] and amount < 0) else 0
    people = {*first, *net}
    return {user: (user in actives, first.get(user, date.min) >= WEEK[0], net[user]) for user in people}


def numbers(people: dict[str, tuple[bool, bool, Decimal]]) -> list:
    """Actives, new actives and the net amount."""
    return [sum(own[measure] for own in people.values()) for measure in range(3)]


def apart(people: dict[str, tuple], others: dict[str, tuple]) -> int:
    """People of whom something differs."""
    nothing = (False, False, Decimal(0))
    return sum(people.get(user, nothing) != others.get(user, nothing) for user in {*people, *others})


def days_of(judged: ibis.Table, roles: dict[str, list[str]]) -> ibis.Table:
    return facts.user_day(facts.timed(cleaning.kept(judged)), roles)


def of(shop, suspects: ibis.Table | None = None, future: datetime = FUTURE) -> pd.DataFrame:
    judged = [shop.judged(kind, as_of=AS_OF, future_from=future) for kind in ("events", "users")]
    days = days_of(judged[0], ROLES)
    found = cleaning.influence(*judged, days, facts.lives(days), roles=ROLES, suspects=suspects, week=WEEK, future_from=future)
    checks.to_arrow(contracts.find("influence"), found)
    return found


def side(row, name: str) -> list:
    return [None if pd.isna(row[column]) else row[column] for column in (f"{m}_{name}" for m in ("active", "new", "net"))]


def kept_of(rows: list[list[str]], future: datetime, without: tuple[str, str] = NO_RULE) -> list[list[str]]:
    found = zip(rows, verdicts(rows, future, without), strict=True)
    return [row for row, (status, _) in found if status == "kept"]


def expected(rows: list[list[str]], future: datetime, known: set[str], suspect: str) -> dict[tuple[str, str], list]:
    """Each rule with its rows and people and the numbers without it; None where they cannot be counted."""
    seen, made = [own for own in verdicts(rows, future) if own[0] != "kept"], {}
    kept = [row for row in kept_of(rows, future) if parsed(row[1]) < AS_OF]
    reported, people = persons(kept), [row[0].strip() for row in kept]
    for rule in set(seen):
        own, other = [0, *[None] * 3], reported
        if rule[0] != "quarantined" or rule[1] in ("bad_amount", "bad_discount"):
            other = persons(kept_of(rows, future, rule))
            own = [apart(reported, other), *numbers(other)]
        made[rule] = [seen.count(rule), *own[:3], None if rule[1] == "bad_amount" else own[3]]
    for rule, users in (("unknown_user", set(people) - known), ("bot", {suspect})):
        other = persons(kept, users)
        made[rule, ""] = [sum(user in users for user in people), apart(reported, other), *numbers(other)]
    return made


@settings(made.AS_FOUND, max_examples=5)
@given(LOGS, KNOWN, st.sampled_from([FUTURE, LATER]))
def test_the_numbers_without_a_rule_are_those_of_a_cleaning_that_does_not_have_it(shops, rows, known, future):
    users = logs.as_csv(["uid"], [[user] for user in [*known, "u9"]])
    shop = shops(TOML, events_csv=logs.as_csv(HEADER, rows), users_csv=users)
    suspects = ibis.memtable({"user_id": [shop.pseudonym("u2")], "why": ["too busy"]})
    found, reported = of(shop, suspects, future), numbers(persons(kept_of(rows, future)))
    without = {
        (row["rule"], row["subject"]): [row["rows"], row["people"], *side(row, "without_the_rule")]
        for _, row in found.iterrows()
    }
    assert without == expected(rows, future, set(known), "u2")
    for _, row in found.iterrows():
        assert side(row, "as_reported") == reported
        then = side(row, "without_the_rule")
        assert side(row, "difference") == [None if t is None else t - n for t, n in zip(then, reported, strict=True)]
        assert (None in then) == bool(row["reason"])


def one(shops, *rows: list[str]) -> dict[tuple[str, str], pd.Series]:
    found = of(shops(TOML, events_csv=logs.as_csv(HEADER, list(rows)), users_csv="uid\nu1\n"))
    return {(row["rule"], row["subject"]): row for _, row in found.iterrows()}


def test_what_cannot_be_counted_says_what_it_lacks(shops):
    found = one(
        shops, ["u1", "2026-03-03", "pay", "1", ""], ["", "2026-03-03", "pay", "1", ""], ["u1", "soon", "pay", "1", ""], ["u1"],
        ["u1", "2026-03-08", "view", "", ""], ["u1", "1999-03-08", "view", "", ""],
        ["u1", "2026-03-03", "", "", ""], ["u2", "2026-03-03", "pay", "x", ""],
    )  # fmt: skip
    assert {subject: row["reason"] for (rule, subject), row in found.items() if rule == "quarantined"} == {
        "blank_user_id": "no user",
        "bad_time": "no time",
        "future_time": "no time",
        "ancient_time": "no time",
        "blank_event": "no event",
        "ragged": "no user, time, event",
        "bad_amount": NO_AMOUNT,
    }
    assert found["quarantined", "bad_amount"]["active_difference"] == 1


def test_somebody_whose_first_day_a_rule_hides_is_new_with_it_and_not_without(shops):
    before, now = ["u1", "2026-02-20", "ping", "", ""], ["u1", "2026-03-03", "view", "", ""]
    row = one(shops, before, now)["where", ""]
    assert (row["new_as_reported"], row["new_without_the_rule"]) == (1, 1), "a ping makes nobody active"
    rows = [["u1", "2026-02-20", "view", "7", ""], now]
    shop = shops(TOML.replace("type <> 'ping'", "fee <> '7'"), events_csv=logs.as_csv(HEADER, rows), users_csv="uid\nu1\n")
    [row] = of(shop).query("rule == 'where'").to_dict("records")
    assert (row["new_as_reported"], row["new_without_the_rule"], row["active_difference"]) == (1, 0, 0)
    assert row["people"] == 1
    rows = [[f"u{n}", "2026-03-03", "pay", "1", ""] for n in (1, 1, 1, 2, 2, 3)] + [["u4", "2026-02-03", "pay", "1", ""]] * 2
    again = one(shops, *rows)["exact_duplicate", ""]
    assert (again["rows"], again["people"], again["net_difference"]) == (4, 2, 3), "u1 and u2 in the week, u4 before it"


def test_rules_stand_in_the_order_in_which_rows_are_judged(shops):
    good, late = ["u1", "2026-03-03", "view", "1", ""], ["u1", "2026-03-09", "view", "1", ""]
    others = [["-1", *good[1:]], ["-2", *good[1:]], ["u1", "2026-03-03", "ping", "", ""], ["", *good[1:]]]
    assert list(one(shops, good, good, *others, late, late)) == [
        ("exact_duplicate", ""),
        ("set_aside", "a test"),
        ("set_aside", "the bot"),
        ("where", ""),
        ("quarantined", "blank_user_id"),
        ("quarantined", "future_time"),
        ("unknown_user", ""),
    ]


def test_without_users_and_suspects_there_is_no_row_on_them(shops):
    shop = shops(logs.toml('amount = "fee"'), events_csv=logs.as_csv(HEADER, [["u1", "2026-03-03", "view", "1", ""]]))
    judged = shop.judged(as_of=AS_OF, future_from=FUTURE)
    for users in (None, shop.judged("users")):
        days = days_of(judged, ROLES)
        found = cleaning.influence(judged, users, days, facts.lives(days), roles=ROLES, suspects=None, week=WEEK)
        assert found.empty and list(found.columns) == list(contracts.find("influence").columns)
        checks.to_arrow(contracts.find("influence"), found)


def test_the_bot_of_the_built_in_community_is_found_and_no_member_and_without_it_one_is_active_less(sample):
    run = open_run("sample")
    limits, roles = run.rules["suspicions"], run.dataset.roles
    when = {"as_of": run.as_of, "future_from": run.future_from}
    events, users = (run.keep(cleaning.judge(run.source(kind), kind, **when)) for kind in ("events", "users"))
    truth = json.loads((sample.root / "data" / "sample" / "raw" / "truth.json").read_text("utf-8"))
    told = cleaning.suspicions({"events": events}, roles=roles, limits=limits, as_of_day=run.last_day)
    assert told[told["rule"] == "bot"]["rows"].tolist() == [truth["users"]["bot"]["events"]]
    assert set(told["rule"]) == {"bot", "volume"}, "its views are what makes days unusual"
    days = cleaning.kept(events).group_by(["user_id", "day"]).agg(hours=events.hour.nunique()).to_pandas()
    assert sorted(days.groupby("user_id")["hours"].max())[-2] < limits["bot_hours"] / 2

    user_day, week = run.read("user_day"), (run.first_day, run.last_day)
    lives, long = facts.lives(user_day), cleaning.long_days(cleaning.kept(events), user_day, many=limits["bot_hours"])
    given = {"roles": roles, "suspects": cleaning.suspect_users(lives, long, limits), "week": week}
    found = cleaning.influence(events, users, user_day, lives, **given, future_from=run.future_from)
    found, last = found.set_index(["rule", "subject"]), run.read("weeks").iloc[-1]
    reported = found[["active_as_reported", "net_as_reported"]].drop_duplicates().to_numpy().tolist()
    assert reported == [[last["active"], last["net"]]]
    for rule in ("bot", "unknown_user"):
        numbers = ["people", "active_difference", "new_difference", "net_difference"]
        assert found.loc[(rule, ""), numbers].tolist() == [1, -1, 0, 0]
    assert found.loc[("exact_duplicate", ""), ["rows", "active_difference"]].tolist() == [truth["rows"]["duplicates"], 0]
