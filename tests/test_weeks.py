"""ISO weeks, cut in the dataset's zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.runs import weeks

DAYS = st.dates(min_value=date(1990, 1, 1), max_value=date(2090, 12, 31))


@given(DAYS)
def test_every_day_lies_in_its_week_and_the_label_leads_back(day):
    week = weeks.of_day(day)
    assert week.monday <= day <= week.sunday
    assert week.monday.isoweekday() == 1
    assert weeks.parse(week.label) == week


@given(DAYS)
def test_latest_is_the_last_week_that_the_data_complete(day):
    week = weeks.latest(day)
    assert week.is_complete(day)
    assert not weeks.of_day(week.monday + timedelta(days=7)).is_complete(day)


def test_a_sunday_completes_its_week():
    assert weeks.latest(date(2026, 3, 8)).label == "2026-W10"
    assert weeks.latest(date(2026, 3, 7)).label == "2026-W09"


def test_the_turn_of_the_year_follows_iso_8601():
    assert weeks.of_day(date(2027, 1, 3)).label == "2026-W53"
    assert weeks.of_day(date(2024, 12, 30)).label == "2025-W01"
    assert weeks.parse("2026-W53").sunday == date(2027, 1, 3)


def test_as_of_is_midnight_of_the_next_monday_in_the_datasets_zone():
    week = weeks.parse("2026-W10")
    shanghai = week.as_of(ZoneInfo("Asia/Shanghai"))
    assert shanghai.astimezone(UTC) == datetime(2026, 3, 8, 16, tzinfo=UTC)
    assert week.as_of(ZoneInfo("UTC")) == datetime(2026, 3, 9, tzinfo=UTC)


def test_a_week_with_a_change_of_clock_ends_at_local_midnight():
    week = weeks.parse("2026-W13")
    berlin = week.as_of(ZoneInfo("Europe/Berlin"))
    assert berlin.astimezone(UTC) == datetime(2026, 3, 29, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-10", 'Did you mean "2026-W10"?'),
        ("2026W10", 'Did you mean "2026-W10"?'),
        ("2026-w9", 'Did you mean "2026-W09"?'),
        ("2026-03-08", 'Did you mean "2026-W10"?'),
        ("last", 'Did you mean "latest"?'),
        ("2025-W53", "the year 2025 has no week 53"),
        ("2026-W00", "has no week 0"),
        ("next tuesday", "write an ISO week such as 2026-W10, or latest"),
        ("../../etc", "write an ISO week"),
    ],
)
def test_what_is_not_a_week_is_refused_with_a_guess(text, said):
    with pytest.raises(InputError, match="--week") as refused:
        weeks.parse(text)
    assert said in str(refused.value)


def test_a_week_outside_the_data_is_refused_with_what_there_is():
    with pytest.raises(InputError, match=r"no data in that week.*2025-09-08 to 2026-03-10.*latest complete week is 2026-W10"):
        weeks.resolve("2026-W12", date(2025, 9, 8), date(2026, 3, 10))


def test_an_open_week_can_be_asked_for_and_is_not_complete():
    week = weeks.resolve("2026-W11", date(2025, 9, 8), date(2026, 3, 10))
    assert week.label == "2026-W11"
    assert not week.is_complete(date(2026, 3, 10))


def test_data_that_complete_no_week_say_which_open_week_to_name():
    with pytest.raises(InputError, match="--week 2026-W10"):
        weeks.resolve("latest", date(2026, 3, 3), date(2026, 3, 6))


def test_a_dataset_without_dates_has_one_week():
    assert weeks.resolve("latest", None, None) is weeks.UNDATED
    assert weeks.UNDATED.as_of(ZoneInfo("UTC")) is None
    with pytest.raises(InputError, match="no dated events"):
        weeks.resolve("2026-W10", None, None)
    with pytest.raises(InputError, match="has dated events"):
        weeks.resolve("undated", date(2026, 3, 2), date(2026, 3, 8))
