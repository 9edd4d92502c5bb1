"""From files to typed rows: what dataset.toml maps comes out as it stands in the files, whatever form they have."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import logs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.errors import InputError
from helpers.problems import FaultyData
from helpers.sources import engine

ROWS = [
    ["u01", "2026-03-01 10:00:00", "view", "茶", "3", ""],
    ["u02", "2026-03-01 23:59:59.5", "pay", "", "", "12.50"],
    ["", "2026-03-02", "view", "NA", "x", "0"],
    ["u01", "13/02/2025", "", " 山 ", "1e400", "1,000"],
]
HEADER = ["uid", "time", "type", "topic", "dur", "fee"]
MORE = 'topic = "topic"\nduration_s = "dur"\namount = "fee"'


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    return logs.Shops(tmp_path_factory.mktemp("reading"))


def facts_of(records: list[dict], *without: str) -> list[dict]:
    left_out = {"_file", "_byte", "_size", *without}
    return [{key: value for key, value in row.items() if key not in left_out} for row in records]


def test_columns_come_out_typed_and_what_cannot_be_read_is_named(shops):
    shop = shops(logs.toml(MORE), events_csv=logs.as_csv(HEADER, ROWS))
    rows = shop.records()
    shanghai = ZoneInfo("Asia/Shanghai")
    assert [row["user_id"] for row in rows] == [shop.pseudonym(user) for user in ("u01", "u02", "", "u01")]
    assert [row["ts"] and row["ts"].astimezone(shanghai) for row in rows] == [
        datetime(2026, 3, 1, 10, tzinfo=shanghai),
        datetime(2026, 3, 1, 23, 59, 59, 500_000, tzinfo=shanghai),
        datetime(2026, 3, 2, tzinfo=shanghai),
        None,
    ]
    assert [row["event"] for row in rows] == ["view", "pay", "view", None]
    assert [row["topic"] for row in rows] == ["茶", None, "NA", "山"]
    assert [row["duration_s"] for row in rows] == [3.0, None, None, None]
    assert [row["amount"] for row in rows] == [None, Decimal("12.5000"), Decimal(0), None]
    assert [row["_bad"] for row in rows] == [None, None, "duration_s", "ts,duration_s,amount"]
    assert [(row["day"], row["hour"]) for row in rows] == [
        (date(2026, 3, 1), 10), (date(2026, 3, 1), 23), (date(2026, 3, 2), 0), (None, None),
    ]  # fmt: skip
    assert [(row["_source"], row["_file"], row["_line"]) for row in rows] == [
        ("events[1]", "events.csv", line) for line in (2, 3, 4, 5)
    ]


@pytest.mark.parametrize("suffix", ["csv_gz", "csv_zst"])
def test_a_packed_file_gives_the_rows_of_the_plain_one(shops, suffix):
    raw = logs.as_csv(HEADER, ROWS)
    plain = shops(logs.toml(MORE), events_csv=raw).records()
    packed = pa.compress(
        raw, codec=suffix.removeprefix("csv_").replace("gz", "gzip").replace("zst", "zstd"), asbytes=True
    )
    name = "events." + suffix.replace("_", ".")
    assert facts_of(shops(logs.toml(MORE, file=name), **{f"events_{suffix}": packed}).records()) == facts_of(plain)


def test_parts_may_have_their_columns_in_another_order_or_lack_some(shops):
    swapped = [[row[i] for i in (3, 0, 2, 1)] for row in ROWS[:2]]
    shop = shops(
        logs.toml(MORE, file="events"),
        events__part_10_csv=logs.as_csv(["topic", "uid", "type", "time"], swapped),
        events__part_2_csv=logs.as_csv(HEADER, ROWS[:2]),
        events___SUCCESS="",
    )
    rows = shop.records()
    assert [row["_file"] for row in rows] == ["events/part_10.csv"] * 2 + ["events/part_2.csv"] * 2
    assert facts_of(rows[:2], "_duplicate", "duration_s", "amount") == facts_of(
        rows[2:], "_duplicate", "duration_s", "amount"
    )
    assert [row["amount"] for row in rows[:2]] == [None, None]
    assert not any(row["_duplicate"] for row in rows), "a part without the column has another text"


def test_an_earlier_row_is_one_of_an_earlier_part_in_natural_order(shops):
    same = logs.as_csv(HEADER, ROWS[:1])
    shop = shops(logs.toml(file="events"), events__part_10_csv=same, events__part_2_csv=same)
    assert {row["_file"]: row["_duplicate"] for row in shop.records()} == {
        "events/part_10.csv": True,
        "events/part_2.csv": False,
    }


def parquet(columns: dict[str, pa.Array]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("aware", [False, True])
def test_parquet_of_other_types_gives_the_facts_of_the_csv_of_the_same_rows(shops, aware):
    berlin = ZoneInfo("Europe/Berlin")
    times = ["2026-03-29 01:59:59", "2026-03-29 03:00:00", "2026-10-25 02:30:00", "2026-12-31 23:59:59"]
    fees = ["0.1", "12.50", "-3", ""]
    users = ["9007199254740993", "12", "12", "7"]
    text = logs.as_csv(
        ["uid", "time", "type", "fee"], [list(row) for row in zip(users, times, ["view"] * 4, fees, strict=True)]
    )
    plain = shops(logs.toml('amount = "fee"', zone="Europe/Berlin"), events_csv=text)
    instants = [logs.zoned(time, berlin) if aware else datetime.fromisoformat(time) for time in times]
    for fee in (pa.decimal128(9, 2), pa.float64()):
        columns = {
            "uid": pa.array([int(user) for user in users], pa.int64()),
            "time": pa.array(instants, pa.timestamp("ms", "America/New_York" if aware else None)),
            "type": pa.array(["view"] * 4),
            "fee": pa.array([Decimal(fee) if fee else None for fee in fees]).cast(fee),
        }
        shop = shops(logs.toml('amount = "fee"', zone="Europe/Berlin", file="e.parquet"), e_parquet=parquet(columns))
        assert facts_of(shop.records(), "_line", "_odd") == facts_of(plain.records(), "_line", "_odd")
        assert [row["_line"] for row in shop.records()] == [1, 2, 3, 4]


def test_parts_of_parquet_and_csv_together_are_read_alike(shops):
    times = pa.array([datetime(2026, 3, 1, 2, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    columns = {"uid": pa.array([7]), "time": times, "type": pa.array(["view"])}
    row = ["7", "2026-03-01 10:00:00", "view"]
    shop = shops(logs.toml(file="e"), e__a_parquet=parquet(columns), e__b_csv=logs.as_csv(HEADER[:3], [row]))
    first, second = facts_of(shop.records(), "_line")
    assert first == second


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"x" * 100 + b"PAR1", b"a,b\n1,2\n"])
def test_a_parquet_file_that_is_none_is_told_with_its_name(shops, content):
    shop = shops(logs.toml(file="e.parquet"), e_parquet=content)
    with pytest.raises(InputError, match=r"e.parquet: .*Parquet"):
        shop.records()


def test_parquet_parts_that_differ_in_whether_times_have_a_zone_are_refused(shops):
    def part(kind):
        instant = pa.array([datetime(2026, 3, 1)], pa.timestamp("us")).cast(kind)
        return parquet({"uid": pa.array(["a"]), "time": instant, "type": pa.array(["view"])})

    shop = shops(
        logs.toml(file="e"), e__1_parquet=part(pa.timestamp("us")), e__2_parquet=part(pa.timestamp("us", "UTC"))
    )
    with pytest.raises(InputError, match=r"e/2.parquet column time: .* zone"):
        shop.records()


def test_names_that_differ_in_case_alone_are_refused_in_parquet_too(shops):
    shop = shops(logs.toml(file="e.parquet"), e_parquet=parquet({"uid": pa.array(["a"]), "UID": pa.array(["b"])}))
    with pytest.raises(InputError, match="two columns are called 'uid' and 'UID'"):
        shop.records()


def test_two_blocks_may_read_one_file(shops):
    text = logs.toml("where = \"type = 'view'\"", after=logs.EVENTS.format(file="events.csv", more='topic = "topic"'))
    rows = shops(text, events_csv=logs.as_csv(HEADER, ROWS)).records()
    assert [(row["_source"], row["_selected"]) for row in rows] == [
        *[("events[1]", event == "view") for event in ("view", "pay", "view", "")],
        *[("events[2]", True)] * 4,
    ]
    assert not any(row["_duplicate"] for row in rows)


def test_all_missing_columns_are_told_with_the_file_and_the_nearest_name(shops):
    text = logs.toml().replace('"time"', '"tim"').replace('"type"', '"typ"')
    shop = shops(text, events_csv=logs.as_csv(HEADER, ROWS))
    with pytest.raises(FaultyData) as caught:
        shop.records()
    assert [(found.file, found.column) for found in caught.value.problems] == [("events.csv", "ts"), ("events.csv", "event")]
    assert 'Did you mean "time"?' in str(caught.value)
    assert 'Did you mean "type"?' in str(caught.value)


def test_an_optional_column_that_is_not_there_is_left_out(shops):
    shop = shops(logs.toml('topic = "topics"'), events_csv=logs.as_csv(HEADER, ROWS))
    assert [row["topic"] for row in shop.records()] == [None] * len(ROWS)


def test_a_first_line_of_data_is_told_as_such(shops):
    for first in (["u1", "2026-03-01 10:00:00", "view"], ["17", "20260301", "view", "3"]):
        shop = shops(logs.toml(), events_csv=logs.as_csv(first, [first, first]))
        with pytest.raises(FaultyData, match="first line looks like data") as caught:
            shop.records()
        assert {found.code for found in caught.value.problems} == {"E1103"}


USERS = """
[users]
file = "users.csv"
user_id = "uid"
referrer_id = "inviter"
"""


def test_attributes_keep_their_names_whatever_the_judgement_calls_its_own(shops):
    names = [
        "source",
        "line",
        "fault",
        "status",
        "reason",
        "kind",
        "day",
        "event",
        "label",
        "nth",
        "h",
        "amount",
        "score",
    ]
    more = "".join(f'{name} = "{name}"\n' for name in names)
    content = logs.as_csv(["uid", "inviter", *names], [["u1", "", *names]])
    shop = shops(logs.toml(after=USERS + more), events_csv=logs.as_csv(HEADER, ROWS), users_csv=content)
    [row] = shop.records("users")
    assert {name: row[name] for name in names} == {name: name for name in names}
    shop = shops(logs.toml(after=USERS + 'registered_day = "inviter"'), users_csv=content, events_csv=content)
    with pytest.raises(InputError, match=r"\[users\] registered_day: a column of that name is made here"):
        shop.records("users")


def test_contact_data_goes_no_further_than_the_door_unless_it_is_allowed(shops):
    names = ["email", "phone_number", "nickName", "level", "手机号", "team"]
    more = 'a1 = "email"\nphone = "phone_number"\nlabel = "nickName"\nlevel = "level"\na2 = "手机号"\nmail = "team"\n'
    content = logs.as_csv(["uid", "inviter", *names], [["u1", "", *names]])
    for allowed, kept in (("[]", {"level"}), ('["email", "label", "mail"]', {"a1", "label", "mail", "level"})):
        text = logs.toml(after=f"{USERS}{more}[privacy]\nallow_columns = {allowed}\n")
        found = shops(text, events_csv=logs.as_csv(HEADER, ROWS), users_csv=content).rows("users")
        assert {"a1", "phone", "label", "level", "a2", "mail"} & set(found.columns) == kept


def test_units_without_an_id_are_told_apart_by_line_and_part(shops):
    toml = 'timezone = "UTC"\n[units.trial]\nfile = "{}"\nvariant = "arm"\nwon = "won"\n'
    part = logs.as_csv(["arm", "won"], [["a", "1"], ["a", "1"]])
    rows = shops(toml.format("u.csv"), u_csv=part).records("units")
    assert [(row["unit_id"], row["units"], row["_duplicate"]) for row in rows] == [
        ("2", "trial", False),
        ("3", "trial", False),
    ]
    rows = shops(toml.format("u"), u__1_csv=part, u__2_csv=part).records("units")
    assert len({row["unit_id"] for row in rows}) == 4


@pytest.mark.parametrize("name", ["用户 ID", 'a"b', "sel ect", "it's", "$1; --", "a.b", "{x}", "%s"])
def test_files_and_columns_may_have_any_name(shops, name):
    label = name.replace('"', "") + " [2025].csv"
    text = logs.toml(file=label).replace('"uid"', json.dumps(engine.name(name)))
    rows = shops(text, **{label: logs.as_csv([name, "time", "type"], [row[:3] for row in ROWS])}).records()
    assert [row["event"] for row in rows] == ["view", "pay", "view", None]
    assert len({row["user_id"] for row in rows}) == 3
    assert {row["_file"] for row in rows} == {label}
