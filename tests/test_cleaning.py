"""Each row is kept or set aside for one stated reason, and the parts of a file add up: on dirt of all kinds, in any order."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from itertools import chain
from zoneinfo import ZoneInfo

import logs
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import cleaning, facts

SHANGHAI = ZoneInfo("Asia/Shanghai")
AS_OF = datetime(2026, 3, 9, tzinfo=SHANGHAI)
FUTURE = datetime(2026, 3, 12, tzinfo=SHANGHAI)
HEADER = ["uid", "time", "type", "fee"]
TOML = logs.toml(
    'where = "type <> \'ping\'"\namount = "fee"',
    after='[cleaning]\nexclude_users = { "-1" = "the bot" }\n',
    file="events",
)
CELLS = [
    st.sampled_from(["u1", "u2", "u2 ", "", " ", "-1"]),
    st.sampled_from(
        ["2026-03-08 23:59:59", "2026-03-09 00:00:00", "2026-03-12", "1999-12-31", "soon", "", "2026-03-08T15:59:59Z"]
    ),
    st.sampled_from(["view", "ping", "", " "]),
    st.sampled_from(["1", "1.0", "", "x"]),
]
ROWS = st.lists(
    st.tuples(*CELLS).map(list)
    | st.sampled_from([["u1"], ["u1", "2026-03-08", "view", "1", "5"], ["u1", "\0", "", ""]])
)


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    return logs.Shops(tmp_path_factory.mktemp("cleaning"))


def verdict(row: list[str], seen: set[tuple[str, ...]]) -> tuple[str, str]:
    """Status and reason of a row, by the rules as they are told in prose; `seen` are the rows before it."""
    if len(row) != 4 or "\0" in "".join(row):
        return "quarantined", "nul" if "\0" in "".join(row) else "ragged"
    again = tuple(row) in seen
    seen.add(tuple(row))
    user, time, event, fee = (cell.strip() for cell in row)
    instant = parsed(time)
    wrong = [
        ("blank_user_id", not user), ("blank_event", not event), ("bad_time", instant is None),
        ("ancient_time", instant is not None and instant < datetime(2000, 1, 1, tzinfo=UTC)),
        ("future_time", instant is not None and instant >= FUTURE), ("bad_amount", fee == "x"),
    ]  # fmt: skip
    found = next((reason for reason, holds in wrong if holds), None)
    if again and not found:
        return "duplicates", "exact_duplicate"
    if user == "-1":
        return "not_selected", "the bot"
    if row[2] == "ping":
        return "not_selected", "where"
    if found:
        return "quarantined", found
    return ("after_as_of", "after_as_of") if instant >= AS_OF else ("kept", "")


def parsed(time: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(time)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=SHANGHAI)


def judged(shop, kind: str = "events"):
    return shop.judged(kind, as_of=AS_OF, future_from=FUTURE)


def verdicts(shop, kind: str = "events") -> list[tuple[str, str]]:
    return [(row["_status"], row["_reason"]) for row in logs.plain(judged(shop, kind))]


@settings(deadline=None, max_examples=10)
@given(st.lists(ROWS.filter(len), min_size=1, max_size=3))
def test_every_row_has_the_one_verdict_of_the_rules_and_all_add_up(shops, parts):
    shop = shops(TOML, **{f"events__{n}_csv": logs.as_csv(HEADER, rows) for n, rows in enumerate(parts)})
    seen: set[tuple[str, ...]] = set()
    expected = {f"events/{n}.csv": [verdict(row, seen) for row in rows] for n, rows in enumerate(parts)}
    found = judged(shop)
    assert [(row["_status"], row["_reason"]) for row in logs.plain(found)] == list(chain(*expected.values()))
    ledger = shop.ledger(found).set_index("file")
    for file, given_verdicts in expected.items():
        statuses = Counter(status for status, _ in given_verdicts)
        assert ledger.loc[file, list(cleaning.STATUSES)].to_dict() == {s: statuses[s] for s in cleaning.STATUSES}
        assert ledger.loc[file, "rows_in"] == len(given_verdicts) == sum(statuses.values())
    assert cleaning.kept(found).count().to_pyarrow().as_py() == ledger["kept"].sum()


KEPT, AGAIN, LEFT, LATE = (
    ("kept", ""),
    ("duplicates", "exact_duplicate"),
    ("not_selected", "where"),
    ("after_as_of",) * 2,
)


def bad(reason: str) -> tuple[str, str]:
    return "quarantined", reason


def one(shops, *rows: list[str], more: str = "", after: str = "") -> list[tuple[str, str]]:
    return verdicts(
        shops(logs.toml(f'amount = "fee"\n{more}', after=after), events_csv=logs.as_csv(HEADER, list(rows)))
    )


GOOD = ["u1", "2026-03-08 10:00:00", "view", "1"]


def test_the_first_of_equal_rows_is_kept_and_equal_means_the_same_text(shops):
    others = [
        ["u1", "2026-03-08 10:00:00", "view", "1.0"],
        ["u1 ", *GOOD[1:]],
        ["U1", *GOOD[1:]],
        ["u1", "2026-03-08T10:00:00", *GOOD[2:]],
    ]
    assert one(shops, GOOD, *others, GOOD, others[0]) == [KEPT] * 5 + [AGAIN] * 2


def test_quoting_is_no_difference_in_text(shops):
    shop = shops(
        logs.toml(), events_csv='uid,time,type\nu1,2026-03-08,view\n"u1","2026-03-08","view"\nu1,2026-03-08,"view\n"\n'
    )
    assert [status for status, _ in verdicts(shop)] == ["kept", "duplicates", "kept"]


def test_a_repetition_is_one_whatever_where_says_and_a_faulty_row_is_never_one(shops):
    ping, blank = ["u1", "2026-03-08", "ping", ""], ["", "2026-03-08", "view", ""]
    both = ["", "2026-03-08", "ping", ""]
    found = one(shops, ping, ping, blank, blank, both, both, ["u1"], ["u1"], more="where = \"type <> 'ping'\"")
    assert found == [
        LEFT, AGAIN, bad("blank_user_id"), bad("blank_user_id"),
        LEFT, LEFT, bad("ragged"), bad("ragged"),
    ]  # fmt: skip


def test_repetitions_stay_where_dataset_toml_wants_them(shops):
    off = "drop_exact_duplicates = false"
    assert one(shops, GOOD, GOOD, after=f"[cleaning]\n{off}\n") == [KEPT] * 2
    assert one(shops, GOOD, GOOD, more=off) == [KEPT] * 2
    on = one(shops, GOOD, GOOD, more="drop_exact_duplicates = true", after=f"[cleaning]\n{off}\n")
    assert [status for status, _ in on] == ["kept", "duplicates"]


def test_a_row_of_two_faults_has_the_first_reason_of_a_fixed_order(shops):
    more = 'discount = "type"'
    assert one(shops, ["", "soon", "", "x"], ["u", "soon", "view", "x"], ["u", "2026-03-08", "view", "x"], GOOD, more=more) == [
        bad("blank_user_id"), bad("bad_time"), bad("bad_amount"), bad("bad_discount"),
    ]  # fmt: skip


def test_as_of_is_exclusive_to_the_microsecond(shops):
    times = [
        "2026-03-08 23:59:59.999999",
        "2026-03-09 00:00:00",
        "2026-03-09 00:00:00.000001",
        "2026-03-08T16:00:00Z",
        "2026-03-08 23:59:59.9999999",
    ]
    found = one(shops, *(["u1", time, "view", ""] for time in times))
    assert [status for status, _ in found] == ["kept", "after_as_of", "after_as_of", "after_as_of", "kept"]


def test_the_range_of_times_begins_with_2000_and_ends_where_the_future_begins(shops):
    times = ["1999-12-31T23:59:59.999999Z", "2000-01-01T00:00:00Z", "2026-03-11 23:59:59.999999", "2026-03-12"]
    assert [reason for _, reason in one(shops, *(["u1", time, "view", ""] for time in times))] == [
        "ancient_time", "", "after_as_of", "future_time",
    ]  # fmt: skip


USERS = """
[users]
file = "users.csv"
user_id = "id"
registered_at = "at"
level = "level"
[spend]
file = "spend.csv"
day = "at"
channel = "id"
cost = "level"
[units.trial]
file = "units.csv"
unit_id = "id"
variant = "level"
"""


FILES = {
    "events_csv": "uid,time,type,fee\nu1,2026-03-08 10:00:00,view,1\n",
    "users_csv": """id,at,level
u1,2026-03-08,1\nu1,2026-03-07,2\nu2,,3\n,2026-03-08,4\nu3,soon,5\nu4,2026-03-09,6\nu1,2026-03-08,1\nu5,1970-01-01,7\nu6,2027-01-01,8""",
    "spend_csv": "id,at,level\na,2026-03-08,1.5\na,2026-03-09,1\n,2026-03-08,1\na,soon,1\na,2026-03-08,x\n",
    "units_csv": "id,level\n1,a\n1,b\n,a\n2,\n3,a\n3,a\n",
}


@pytest.fixture
def tables(shops):
    return shops(logs.toml(after=USERS), **FILES)


def test_of_two_rows_for_one_person_the_first_holds(tables):
    assert verdicts(tables, "users") == [
        KEPT, bad("repeated_user"), KEPT, bad("blank_user_id"),
        KEPT, LATE, AGAIN, KEPT, KEPT,
    ]  # fmt: skip


def test_a_sign_up_that_cannot_be_is_emptied_and_its_person_kept(tables):
    users = judged(tables, "users")
    emptied = users.filter(users["_emptied"].notnull()).order_by("_line").to_pandas()
    assert emptied["_status"].tolist() == ["kept"] * 3
    assert emptied["_emptied"].tolist() == ["registered_at"] * 3
    assert emptied[["registered_at", "registered_day"]].isna().all(axis=None)
    assert cleaning.reasons(users).set_index("reason").loc["", "changed"] == 3


def test_spend_and_units_are_judged_by_what_they_must_have(tables):
    assert verdicts(tables, "spend") == [
        KEPT, LATE, bad("blank_channel"), bad("bad_time"),
        bad("bad_cost"),
    ]  # fmt: skip
    assert verdicts(tables, "units") == [
        KEPT, bad("repeated_unit"), bad("blank_unit_id"), bad("blank_variant"),
        KEPT, AGAIN,
    ]  # fmt: skip


def test_a_kind_that_the_dataset_lacks_is_an_empty_table(tables):
    assert verdicts(tables, "feedback") == []
    assert cleaning.reasons(judged(tables, "feedback")).empty


def test_coverage_counts_what_arrived_up_to_the_end_of_the_week(tables):
    found = cleaning.coverage([judged(tables, kind) for kind in ("events", "users", "spend", "units")]).set_index(
        "table"
    )
    assert found.loc["users", ["kind", "rows", "set_aside", "kept", "users"]].tolist() == ["users", 7, 2, 5, 5]
    assert found.loc["spend", ["rows", "set_aside", "kept", "users"]].tolist() == [4, 3, 1, 0]
    assert found.loc["units", ["rows", "set_aside", "kept"]].tolist() == [5, 3, 2]
    assert pd.Timestamp(found.loc["spend", "first_day"]).date() == date(2026, 3, 8)
    assert pd.isna(found.loc["units", "first_day"])
    assert (found["rows"] == found["set_aside"] + found["kept"]).all()


def test_volume_counts_kept_events_and_people_by_local_day(shops):
    times = ["2026-03-07T15:59:59Z", "2026-03-07T16:00:00Z", "2026-03-08 12:00:00", "2026-03-09"]
    rows = [[user, time, "view", ""] for time in times for user in ("u1", "u2")] + [
        ["u1", "2026-03-08 13:00:00", "view", ""]
    ]
    kept = facts.timed(cleaning.kept(judged(shops(events_csv=logs.as_csv(HEADER, rows)))))
    found = cleaning.volume(facts.user_day(kept, {"active": ["view"]}))
    assert [(pd.Timestamp(row.day).date().day, row.events, row.users) for row in found.itertuples()] == [
        (7, 2, 2),
        (8, 5, 2),
    ]
