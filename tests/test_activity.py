"""How often people come and at which hours, against a recount in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta

import made
import numpy as np
import plain_growth as plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_actives import CHANNEL, VISITS, channels, regulars, user_day

from helpers import contracts, retention, stats
from helpers.errors import InputError

HOURS = st.sets(st.tuples(st.sampled_from("abcdef"), st.integers(0, 45).map(made.day), st.integers(0, 23)), max_size=60)


@given(VISITS, st.sampled_from([("day", "monday", 28), ("week", "monday", 4), ("week", "sunday", 6), ("month", "monday", 3)]))
@settings(made.AS_FOUND, max_examples=5)
def test_active_days_are_those_of_a_recount_by_any_unit_and_slice(visits, how):
    (unit, week_start, window), last_day = how, made.day(100)
    slices = {name: retention.slice_of(table, name) for name, table in channels().items()}
    options = {"window": window, "unit": unit, "week_start": week_start}
    found = retention.active_days(user_day(visits), slices, last_day=last_day, **options)
    counts = plain.times(visits, last_day=last_day, **options)
    for (dimension, name), own in found.groupby(["dimension", "slice"]):
        told = [count for user, count in counts.items() if dimension == "all" or CHANNEL.get(user, "unknown") == name]
        exactly = Counter(told)
        assert own[f"{unit}s"].tolist() == list(range(1, window + 1)) and own["of"].eq(len(told)).all()
        assert own["exactly"].tolist() == [exactly[n] for n in range(1, window + 1)]
        assert own["at_least"].tolist() == [sum(count >= n for count in told) for n in range(1, window + 1)]
    assert set(found["slice"]) == ({CHANNEL.get(user, "unknown") for user in counts} | {"all"} if counts else set())


def test_shares_are_of_the_active_people_of_the_window_with_wilsons_interval():
    found = retention.active_days(user_day({*regulars(1, 2, 7), ("gone", made.day(0))}), last_day=made.day(149))
    assert list(found.columns) == list(contracts.find("active_days").columns)
    assert found["of"].eq(3).all() and found["share"].sum() == pytest.approx(1) and found["reached"].iloc[0] == 1
    fourteen = found[found["days"] == 14].iloc[0]
    assert (fourteen["exactly"], fourteen["at_least"], fourteen["reached"]) == (1, 2, 2 / 3)
    assert (fourteen["low"], fourteen["high"]) == pytest.approx(tuple(stats.wilson(2, 3)))


def test_a_window_that_reaches_before_the_data_is_marked():
    for last, marked in ((26, True), (27, False)):
        assert retention.active_days(user_day(regulars(1)), last_day=made.day(last))["partial"].eq(marked).all()


def test_a_window_of_nothing_or_an_unknown_unit_is_refused():
    with pytest.raises(InputError, match="window is 0, but active days are counted over 1 day at least"):
        retention.active_days(user_day(set()), last_day=made.day(9), window=0)
    with pytest.raises(InputError, match="it can be day, week, month"):
        retention.active_days(user_day(set()), last_day=made.day(9), unit="hour")
    assert retention.active_days(user_day(set()), last_day=made.day(9)).empty


def user_hour(visits):
    rows = [
        {"user_id": user, "day": day, "weekday": day.weekday(), "hour": hour, "events": 2 + (user == "a")}
        for user, day, hour in sorted(visits)
    ]
    return made.table("user_hour", rows)


@given(HOURS, st.integers(0, 45))
@settings(made.AS_FOUND, max_examples=5)
def test_active_hours_are_those_of_a_recount(visits, last):
    last_day = made.day(last)
    found = retention.active_hours(user_hour(visits), last_day=last_day)
    assert list(found.columns) == list(contracts.find("active_hours").columns)
    past = {visit for visit in visits if visit[1] <= last_day}
    begun = min((day for _, day, _ in past), default=None)
    within = [last_day - timedelta(days=ago) for ago in range(28) if begun and last_day - timedelta(days=ago) >= begun]
    met = defaultdict(list)
    for user, day, hour in past:
        if day in within:
            met[day.weekday(), hour].append((user, day))
    for row in found.to_dict("records"):
        own = met[row["weekday"], row["hour"]]
        days = sum(day.weekday() == row["weekday"] for day in within)
        assert (row["people"], row["days"]) == (len({user for user, _ in own}), days)
        assert row["events"] == sum(2 + (user == "a") for user, _ in own)
        assert row["mean"] == len(own) / days if days else np.isnan(row["mean"])
    assert [*zip(found["weekday"], found["hour"], strict=True)] == [(day, hour) for day in range(7) for hour in range(24)]
