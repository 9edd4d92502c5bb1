"""Days and hours that fall out of the usual rhythm of their weekday, against medians taken in plain Python."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import plain_suspicions as plain
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import cleaning
from helpers.cleaning import rhythm

MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)
MONDAY = MIDNIGHT.date()
BLOCK = st.sampled_from([0, 0, 20, 25, 30, 200])
DAYS = st.integers(45, 120).flatmap(lambda days: st.lists(st.tuples(BLOCK, BLOCK, BLOCK, BLOCK), min_size=days, max_size=days))


@settings(deadline=None, max_examples=60)
@given(DAYS, st.sampled_from([1.0, 5.0]))
def test_days_and_hours_out_of_rhythm_are_as_defined(blocks, band):
    """Each day has four blocks of six hours, all hours of a block alike."""
    hours = {MONDAY + timedelta(days=n): [count for count in day for _ in range(6)] for n, day in enumerate(blocks)}
    rows = [(day, hour, count) for day, own in hours.items() for hour, count in enumerate(own) if count]
    days, counts = rhythm.by_hour(pd.DataFrame(rows, columns=["day", "hour", "events"]), MONDAY, max(hours))
    odd = rhythm.unusual_days(days, counts, band=band)
    assert dict(zip(odd["day"], odd["events"], strict=True)) == plain.unusual({day: sum(own) for day, own in hours.items()}, band)
    gaps = rhythm.missing_hours(days, counts, least=4, unusual=set(odd["day"]))
    assert set(gaps[["day", "start", "end"]].itertuples(index=False, name=None)) == plain.gaps(hours, 4, band)


def log(counts: dict[int, int], *, hours: int = 4) -> list[dict]:
    """So many events on each day by its number, spread evenly over the first hours of the day, of a dozen people."""
    return [
        {"user_id": f"p{n % 12}", "ts": MIDNIGHT + timedelta(days=day, hours=n % hours, seconds=n), "event": "view"}
        for day, count in counts.items()
        for n in range(count)
    ]


def found_in(rows: list[dict], limits: dict = plain.CALM, **options) -> pd.DataFrame:
    return cleaning.suspicions({"events": plain.judged("events", rows)}, roles={}, limits=limits, **options)


def test_a_day_without_events_and_one_with_too_many_are_found_between_the_first_and_the_last_day_alone():
    rows = log(dict.fromkeys(range(60), 100) | {50: 0, 55: 150})
    found = found_in(rows)
    assert found[["rule", "subject", "rows", "people", "line"]].to_numpy().tolist() == [
        ["volume", "2026-02-24", 0, 0, 0],
        ["volume", "2026-03-01", 150, 12, 5402],
    ]
    assert found["said"][0] == "Tuesday 2026-02-24 has 0 events; usual are 63 to 137."
    assert found_in(rows, first_day=date(2026, 1, 20), data_until=date(2026, 2, 28)).empty
    assert found_in(rows, data_until=date(2026, 2, 28))["subject"].tolist() == ["2026-02-24"]


def test_small_numbers_have_no_rhythm():
    assert found_in(log(dict.fromkeys(range(60), 15) | {50: 0, 55: 34})).empty
    assert found_in(log(dict.fromkeys(range(60), 15) | {55: 35}))["subject"].tolist() == ["2026-03-01"]


def test_hours_without_events_are_told_with_what_is_usual():
    rows = log(dict.fromkeys(range(52), 120), hours=6)
    cut = [row for row in rows if row["ts"].date() != date(2026, 2, 24) or row["ts"].hour not in (2, 3, 4)]
    wide = plain.CALM | {"volume_band": 20.0}
    assert found_in(cut, wide)["said"].tolist() == ["No event on Tuesday 2026-02-24 from 02:00 to 05:00, where 60 are usual."]
    assert found_in(cut, wide | {"missing_hours": 4}).empty
    assert found_in(cut)["rule"].tolist() == ["volume"], "the whole day is unusual"


def test_old_data_are_told_with_both_dates():
    rows, said = log({0: 3, 4: 2}), "The newest event is of 2026-01-09, 3 days before the week's end on 2026-01-12."
    found = found_in(rows, as_of_day=date(2026, 1, 12))
    assert found[["rule", "subject", "rows", "people", "line", "said"]].to_numpy().tolist() == [
        ["freshness", "2026-01-09", 2, 2, 5, said]
    ]
    assert found_in(rows, as_of_day=date(2026, 1, 11)).empty and found_in(rows).empty
