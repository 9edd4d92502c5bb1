"""Growth accounting against sets counted in plain Python: days, weeks and months, of all and by slice."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

import made
import pandas as pd
import plain_growth as plain
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from test_actives import CHANNEL, VISITS, presence, regulars

from helpers import contracts, retention, stats
from helpers.errors import InputError, RunFailed

COUNTS = ["active", "new", "retained", "resurrected", "churned", "ever", "first"]
HOW = [("day", "monday"), ("week", "monday"), ("week", "sunday"), ("month", "monday")]
VECTORS = json.loads((Path(__file__).parent / "reference" / "analytics.json").read_text(encoding="utf-8"))["vectors"]


def told(found: pd.DataFrame, unit: str) -> list[dict]:
    return [{**row, unit: row[unit].date()} for row in found[[unit, *COUNTS]].to_dict("records")]


@given(VISITS, st.integers(0, 170), st.sampled_from(HOW))
@settings(made.AS_FOUND, max_examples=6)
def test_growth_accounting_is_that_of_sets_by_any_unit_and_slice(visits, last, how):
    last_day, how = made.day(last), dict(zip(("unit", "week_start"), how, strict=True))
    table, unit = presence(visits, last_day), how["unit"]
    known = {(user, day) for user, day in visits if day <= last_day}
    since = min((day for _, day in known), default=last_day + timedelta(days=1))
    found = retention.growth(table, last_day=last_day, **how)
    assert told(found, unit) == (plain.growth(known, since=since, last_day=last_day, **how) if known else [])
    sliced = retention.growth(table, last_day=last_day, dimension="channel", **how)
    for name, rows in sliced.groupby("slice"):
        own = {(user, day) for user, day in known if CHANNEL.get(user, "unknown") == name}
        assert told(rows, unit) == plain.growth(own, since=since, last_day=last_day, **how)


def test_a_week_that_is_not_over_is_never_shown_and_weeks_without_anybody_are():
    visits = {("a", made.day(0)), ("b", made.day(2)), ("a", made.day(28))}
    for last, actives, churned in (
        (44, [2, 0, 0, 0, 1, 0], [0, 2, 0, 0, 0, 1]), (33, [2, 0, 0, 0], [0, 2, 0, 0]), (34, [2, 0, 0, 0, 1], [0, 2, 0, 0, 0]),
        (5, [], []),
    ):  # fmt: skip
        found = retention.growth(presence(visits, made.day(last)), last_day=made.day(last))
        assert (found["active"].tolist(), found["churned"].tolist()) == (actives, churned)
        assert list(found.columns) == list(contracts.find("growth").columns)


@pytest.mark.parametrize("gap", [60, 61, 62, 63])
def test_who_was_away_two_long_months_is_retained_up_to_the_day_and_back_after_it(gap):
    """July and August are the longest pair: only from the first to the last day of theirs are 61 days one month's step."""
    last = date(2026, 8, 31)
    visits = {("a", last), ("a", last - timedelta(days=gap)), ("b", date(2026, 5, 1))}
    found = retention.growth(presence(visits, last), last_day=last, unit="month").iloc[-1]
    assert (found["retained"], found["resurrected"]) == ((1, 0) if gap <= 61 else (0, 1))


def test_growth_as_of_an_earlier_day_needs_no_other_presence():
    table, earlier = presence(regulars(1, 6, 11, 40, 70)), made.day(90)
    for unit in ("day", "week", "month"):
        then = retention.growth(presence(regulars(1, 6, 11, 40, 70), earlier), last_day=earlier, unit=unit)
        pd.testing.assert_frame_equal(retention.growth(table, last_day=earlier, unit=unit), then)


def test_a_slice_that_begins_later_has_nobody_before_and_knows_who_is_new():
    visits = {("d", made.day(0)), ("a", made.day(15)), ("b", made.day(22))}
    found = retention.growth(presence(visits, made.day(27)), last_day=made.day(27), dimension="channel")
    ads = found[found["slice"] == "ads"]
    assert ads["new"].tolist() == [0, 0, 1, 1] and ads["first"].tolist() == [True, False, False, False]
    assert retention.growth(presence(visits), last_day=made.day(27), dimension="city").empty


def test_the_quick_ratio_is_undefined_with_its_reason_where_nobody_left_or_the_past_is_unknown():
    visits = {(user, made.day(at)) for user, at in (("a", 0), ("b", 1), ("a", 8), ("c", 9), ("a", 15), ("c", 15))}
    found = retention.growth(presence(visits, made.day(20)), last_day=made.day(20))
    assert found["reason"].tolist() == [
        "the first period of the data: who was there before is not known", "", "nobody left",
    ]  # fmt: skip
    assert found["quick_ratio"].isna().tolist() == [True, False, True] and found["quick_ratio"][1] == 1
    assert found[["quick_low", "quick_high"]].isna().all(axis=1).tolist() == [True, False, True]


@pytest.mark.parametrize(("came", "left"), [*product([0, 1, 7, 40, 400], [1, 8, 40, 390])])
def test_the_interval_of_the_quick_ratio_leaves_out_1_when_that_of_the_share_leaves_out_a_half(came, left):
    series = [pd.Series([float(count)]) for count in (came, 0, left)]
    found = retention.quick_ratio(*series).iloc[0]
    low, high = stats.wilson(came, came + left)
    assert found["quick_ratio"] == came / left and found["quick_low"] <= came / left <= found["quick_high"]
    assert (found["quick_low"] > 1, found["quick_high"] < 1) == (low > 0.5, high < 0.5)
    other = retention.quick_ratio(series[2], series[1], series[0]).iloc[0]
    if came:
        assert other["quick_low"] == pytest.approx(1 / found["quick_high"])


def test_accounts_that_do_not_add_up_stop_the_run():
    table = presence(regulars(1, 9))
    table.loc[(table["day"] == pd.Timestamp(made.day(18))) & (table["gap"] == 9), "came"] += 1
    with pytest.raises(RunFailed, match="does not add up in the week of 2026-01-19"):
        retention.growth(table, last_day=made.day(149))


def test_an_unknown_unit_or_first_day_of_the_week_is_refused():
    table = presence(regulars(1))
    with pytest.raises(InputError, match='unit is "weeks"; it can be day, week, month'):
        retention.growth(table, last_day=made.day(20), unit="weeks")
    with pytest.raises(InputError, match="week_start is"):
        retention.growth(table, last_day=made.day(20), week_start="tuesday")


def test_new_is_who_is_active_for_the_first_time_and_not_who_was_recorded_then():
    """A filter or a late record makes nobody new (reference vector lifecycle-new-trap)."""
    case = next(case for case in VECTORS if case["id"] == "lifecycle-new-trap")
    first, last = (date.fromisoformat(case["input"][end]) for end in ("from_", "to"))
    named = case["input"]["active_days_after_property_filter"]
    visits = {(user, first.replace(day=number)) for user, days in named.items() for number in days}
    found = retention.growth(presence(visits, last), last_day=last, unit="day")
    shown = found[found["day"] >= pd.Timestamp(first)]
    names = {"new": "new", "returning": "retained", "resurrecting": "resurrected", "dormant": "churned"}
    assert {name: shown[column].tolist() for name, column in names.items()} == case["expected"]


@pytest.mark.parametrize("unit, week_start", HOW)
def test_a_case_of_the_vectors_form_is_answered_by_any_unit_in_its_own_zone(unit, week_start):
    """Events of the last and first minutes of local days, on both sides of the change to summer time."""
    zone = ZoneInfo("America/New_York")
    moments = {
        "p1": "02-27 23:59, 03-01 00:00, 03-08 01:59, 03-08 03:00, 03-15 00:00, 04-30 23:59",
        "p2": "03-07 23:59, 04-01 00:00",
    }
    local = [
        (user, datetime.strptime(f"2026-{moment}", "%Y-%m-%d %H:%M").replace(tzinfo=zone))
        for user, told_of in moments.items() for moment in told_of.split(", ")
    ]  # fmt: skip
    events = [[user, "view", moment.astimezone(UTC).isoformat()] for user, moment in local]
    case = {"events": events, "timezone": zone.key, "unit": unit, "week_start": week_start}
    case |= {"from_": "2026-03-01", "to": "2026-04-28"}
    found = reference.answer({"topic": "growth accounting", "input": case})
    visits = {(user, moment.date()) for user, moment in local}
    last = plain.after(plain.begin(date(2026, 4, 28), unit, week_start), unit) - timedelta(days=1)
    expected = plain.growth(visits, since=date(2026, 2, 27), last_day=last, unit=unit, week_start=week_start)
    shown = [row for row in expected if row[unit] >= plain.begin(date(2026, 3, 1), unit, week_start)]
    names = {"new": "new", "returning": "retained", "resurrecting": "resurrected", "dormant": "churned"}
    assert found == {name: [row[column] for row in shown] for name, column in names.items()}
