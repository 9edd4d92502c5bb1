"""One mapped column: which texts are times, amounts, numbers and ids, and what they are taken for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import logs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ZONES = [
    "UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe",
    "Africa/Casablanca", "Pacific/Apia", "Asia/Beirut",
]  # fmt: skip
OFFSETS = st.sampled_from(["", "Z", "+00", "+0530", "-03:00", "+14:00", "-09:30"])
TIMES = st.datetimes(
    datetime(2001, 1, 1), datetime(2025, 1, 1)
)  # what is to come, each zone database foretells in its own way


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    return logs.Shops(tmp_path_factory.mktemp("values"))


def times(shops, texts: list[str], zone: str = "UTC", more: str = "") -> list[dict]:
    content = logs.as_csv(["uid", "time", "type"], [["u", text, "view"] for text in texts])
    return shops(logs.toml(more, zone=zone), events_csv=content).records()


def changes(zone: ZoneInfo) -> list[datetime]:
    """Local times around the changes of a zone's clock, 2010 to 2015: what it leaves out and what it strikes twice."""
    found, before = [], None
    for hour in range(24 * 366 * 6):
        instant = datetime(2010, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
        offset = instant.astimezone(zone).utcoffset()
        if before is not None and offset != before:
            local = instant.replace(tzinfo=None) + before
            found += [local + timedelta(minutes=minutes) for minutes in (-61, -60, -30, -1, 0, 1, 29, 30, 59, 60, 61)]
        before = offset
    return found


@pytest.mark.parametrize("name", ZONES)
def test_local_times_are_the_instants_and_days_of_zoneinfo_however_the_clock_is_changed(shops, name):
    zone = ZoneInfo(name)
    texts = [str(local) for local in changes(zone)] or ["2026-03-01 00:00:00"]
    rows = times(shops, texts, name)
    expected = [logs.zoned(text, zone).astimezone(UTC) for text in texts]
    assert [row["ts"].astimezone(UTC) for row in rows] == expected
    assert [(row["day"], row["hour"]) for row in rows] == [
        (local.date(), local.hour) for local in (instant.astimezone(zone) for instant in expected)
    ]
    assert [row["moment"] for row in rows] == [
        (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for instant in expected
    ]


@settings(deadline=None, max_examples=12)
@given(st.lists(st.tuples(TIMES, OFFSETS, st.sampled_from(" T")), min_size=5, max_size=30), st.sampled_from(ZONES))
def test_a_time_with_an_offset_is_one_instant_in_any_zone(shops, given_times, name):
    zone = ZoneInfo(name)
    texts = [time.isoformat(sep=sep) + offset for time, offset, sep in given_times]
    rows = times(shops, texts, name)
    expected = [
        (datetime.fromisoformat(text) if offset else logs.zoned(text, zone)).astimezone(UTC)
        for text, (_, offset, _) in zip(texts, given_times, strict=True)
    ]
    assert [row["ts"].astimezone(UTC) for row in rows] == expected
    assert [row["day"] for row in rows] == [instant.astimezone(zone).date() for instant in expected]


def test_what_is_no_date_time_is_bad_and_a_blank_is_only_missing(shops):
    wrong = [
        "13/02/2025 10:00", "2025-02-30", "2025-02-29 10:00:00", "2025-03-01 24:00:00", "2025-03-01 10:60:00", "0000-00-00",
        "2025-03-01 10:00:60", "25-03-01 10:00:00", "1740823200", "45717", "now", "today", "infinity", "epoch", "20250301",
        "2025-03-01 10:00:00 UTC", "2025-03-01 10:00:00+99:00", "2025-03-01 10:00:00+0", "2025-03-01 1:00:00", "2025-3-1",
        "2025-03-01 10", "2025-03-01 10:00", "２０２５-03-01", "2025-03-01 10:00:00.", "null", "2025-03-01T10:00:00 Z",
    ]  # fmt: skip
    rows = times(shops, [*wrong, "", "  "])
    assert [(row["ts"], row["_bad"]) for row in rows] == [(None, "ts")] * len(wrong) + [(None, None)] * 2


def test_a_form_of_times_that_is_declared_is_the_only_one_read(shops):
    rows = times(
        shops,
        ["01.03.2026 10:05", "2026-03-01 10:05:00", "31.02.2026 10:05"],
        "Asia/Shanghai",
        'ts_format = "%d.%m.%Y %H:%M"',
    )
    assert [row["ts"] for row in rows] == [datetime(2026, 3, 1, 2, 5, tzinfo=UTC), None, None]
    assert [row["_bad"] for row in rows] == [None, "ts", "ts"]
    rows = times(shops, ["01.03.2026 10:05 +0100"], "Asia/Shanghai", 'ts_format = "%d.%m.%Y %H:%M %z"')
    assert rows[0]["ts"] == datetime(2026, 3, 1, 9, 5, tzinfo=UTC)


def test_an_instant_from_an_expression_is_that_instant(shops):
    content = logs.as_csv(["uid", "ms", "type"], [["u", "1772330700000", "view"], ["u", "x", "view"]])
    shop = shops(logs.toml().replace('ts = "time"', 'ts = "to_timestamp(ms / 1000)"'), events_csv=content)
    assert [row["ts"] for row in shop.records()] == [datetime(2026, 3, 1, 2, 5, tzinfo=UTC), None]


def amounts(shops, texts: list[str], expression: str = "fee") -> list[dict]:
    content = logs.as_csv(["uid", "time", "type", "fee"], [["u", "2026-03-01", "view", text] for text in texts])
    return shops(logs.toml(f'amount = "{expression}"'), events_csv=content).records()


@settings(deadline=None, max_examples=10)
@given(st.lists(st.decimals(-(10**9), 10**9, places=4), min_size=1, max_size=30))
def test_amounts_are_exact_decimals(shops, numbers):
    rows = amounts(shops, [format(number, "f") for number in numbers])
    assert [row["amount"] for row in rows] == numbers


@pytest.mark.parametrize("expression", ["fee", "fee * 1"])
def test_what_is_no_finite_decimal_is_a_bad_amount_and_a_blank_is_none(shops, expression):
    wrong = [
        "￥5", "$5", "1,000", "(5.00)", "NaN", "inf", "-inf", "1e400", "５", "5 0", "--5", "0x10", "null", "9" * 26, "e5", "1e",
    ]  # fmt: skip
    wrong += ["1_000"] * (expression == "fee")
    rows = amounts(shops, [*wrong, "", "  ", "5.", ".5", "+5", " 7 ", "-0"], expression)
    read = [Decimal(5), Decimal("0.5"), Decimal(5), Decimal(7), Decimal(0)]
    assert [row["amount"] for row in rows] == [None] * (len(wrong) + 2) + read
    assert [row["_bad"] for row in rows] == ["amount"] * len(wrong) + [None] * 7


def test_an_amount_may_be_enormous_and_written_with_an_exponent(shops):
    rows = amounts(shops, ["1000000000000000", "1e15", "1.5E+3", "25e-2", "99999999999999999999.9999"])
    read = [Decimal(10) ** 15, Decimal(10) ** 15, Decimal(1500), Decimal("0.25"), Decimal("99999999999999999999.9999")]
    assert [(row["amount"], row["_bad"]) for row in rows] == [(amount, None) for amount in read]


def test_a_duration_that_is_no_number_is_only_missing(shops):
    texts = ["3", "2.5", "-1", "", "NaN", "inf", "x"]
    content = logs.as_csv(["uid", "time", "type", "d"], [["u", "2026-03-01", "view", text] for text in texts])
    rows = shops(logs.toml('duration_s = "d"'), events_csv=content).records()
    assert [row["duration_s"] for row in rows] == [3.0, 2.5, -1.0, None, None, None, None]
    assert [row["_bad"] for row in rows] == [None] * 4 + ["duration_s"] * 3


@pytest.mark.parametrize("hidden", ["true", "false"])
def test_ids_are_opaque_text_and_white_space_is_none(shops, hidden):
    ids = [
        "007",
        "7",
        "7.0",
        "NA",
        "null",
        "None",
        "true",
        "inf",
        "9007199254740993",
        "9007199254740992",
        "1e3",
        "用户",
        "U1",
        "u1",
        "'; --",
    ]
    blank = ["", " ", "\t", "　", "\u00a0", "\u200b", " \n"]
    content = logs.as_csv(["uid", "time", "type"], [[user, "2026-03-01", "view"] for user in ids + blank])
    shop = shops(logs.toml(after=f"[privacy]\npseudonymise = {hidden}\n"), events_csv=content)
    expected = [shop.pseudonym(user) if hidden == "true" else user for user in ids]
    assert [row["user_id"] for row in shop.records()] == expected + [""] * len(blank)


@pytest.mark.parametrize("unit", ["s", "ns"])
def test_a_count_since_1970_of_very_many_digits_is_bad_and_stops_nothing(shops, unit):
    rows = times(shops, ["9" * 29, "9" * 40, "1700000000"], more=f'ts_unit = "{unit}"')
    assert [row["_bad"] for row in rows] == ["ts", "ts", None]
