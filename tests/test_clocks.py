"""When clocks change: the spans are those local times that Python's own zones call ambiguous or imaginary."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.sources import clocks

ZONES = [
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Sao_Paulo", "Asia/Shanghai", "UTC",
]  # fmt: skip


def is_odd(local: datetime, zone: ZoneInfo) -> bool:
    """Whether the clock strikes this time twice, or never."""
    first, second = local.replace(tzinfo=zone), local.replace(tzinfo=zone, fold=1)
    never = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local
    return never or first.utcoffset() != second.utcoffset()


@pytest.mark.parametrize("name", ZONES)
def test_the_edges_of_each_span_are_odd_inside_and_plain_outside(name):
    zone = ZoneInfo(name)
    for start, end in clocks.changes(name):
        assert [is_odd(at, zone) for at in (start, end - clocks.MINUTE)] == [True, True]
        assert [is_odd(at, zone) for at in (start - clocks.MINUTE, end)] == [False, False]


@given(st.sampled_from(ZONES), st.datetimes(datetime(2000, 1, 8), datetime(2035, 1, 1)))
def test_a_time_is_odd_where_a_span_holds_it_and_nowhere_else(name, at):
    assert is_odd(at, ZoneInfo(name)) == any(start <= at < end for start, end in clocks.changes(name))


def test_zones_that_never_change_have_no_spans():
    assert clocks.changes("UTC") == clocks.changes("Asia/Shanghai") == ()
    assert all(end - start <= timedelta(hours=1) for start, end in clocks.changes("Europe/Berlin"))
