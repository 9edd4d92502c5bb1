"""The cohort cube against sets counted in plain Python, over all rules, zones and units; and what it says of little data."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import ibis
import made
import numpy as np
import pandas as pd
import plain_retention as plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import contracts, facts, retention, segments
from helpers.errors import InputError
from helpers.retention import periods
from helpers.retention.cohort import members as counting
from helpers.retention.cohort.at_hand import AtHand

NAMES = {"view": ("active",), "post": ("active", "create"), "buy": ("active", "pay"), "back": ("refund",)}
ROLES = {role: [name for name, roles in NAMES.items() if role in roles] for role in ("active", "create", "pay", "refund")}
WORTH = {"buy": 1, "back": -1}
LIMITS = {"high": 3, "medium": 2}
ZONES = ["Asia/Shanghai", "Europe/London", "America/Santiago", "UTC"]
# around the nights in which clocks change, and the turn of the year
BEGINS = [datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC), datetime(2025, 12, 28, tzinfo=UTC)]
WEEK = retention.Rule()


@st.composite
def logs(draw) -> list[plain.Event]:
    """Events of a few people, many of them at midnight or next to it, some long after the others; so periods stay empty."""
    begun = draw(st.sampled_from(BEGINS))
    hours = st.integers(0, 40 * 24) | st.sampled_from([0, 24, 7 * 24, 100 * 24])
    made_of = st.tuples(
        st.sampled_from("abcd"), hours, st.sampled_from([0, 0, 1, -1, 1800]),
        st.sampled_from(["view", "view", "view", "post", "buy", "back"]), st.decimals(0, 99, places=2),
    )  # fmt: skip
    return [
        plain.Event(user, begun + timedelta(hours=hour, seconds=second), NAMES[name], amount * WORTH.get(name, 0))
        for user, hour, second, name, amount in draw(st.lists(made_of, max_size=25))
    ]


RULES = st.builds(
    retention.Rule,
    unit=st.sampled_from(["day", "week", "month"]), start=st.sampled_from(["active", "create", "pay"]),
    returns=st.sampled_from(["active", "create", "pay"]), times=st.sampled_from([1, 1, 2]), first_time=st.booleans(),
    horizon=st.sampled_from([None, 0, 3]), brackets=st.sampled_from([((1, 2), (3, 5)), ((0, 4),)]),
    week_start=st.sampled_from(["monday", "sunday"]),
)  # fmt: skip


def user_day(log: list[plain.Event], zone: ZoneInfo):
    """The fact, of days that plain Python has cut."""
    rows: dict[tuple, dict] = {}
    for event in log:
        key = event.user, event.ts.astimezone(zone).date()
        row = rows.setdefault(key, {"user_id": key[0], "day": key[1], "net": Decimal(0)})
        row["net"] += event.amount
        for role in event.roles:
            row[role] = row.get(role, 0) + 1
    return made.table("user_day", list(rows.values()))


def last_day_of(log: list[plain.Event], after: int) -> date:
    return min((event.ts for event in log), default=BEGINS[0]).date() + timedelta(days=after)


def expect_cube(cube: pd.DataFrame, log: plain.Log) -> None:
    """Every row of the cube, and no other, is what sets say."""
    rule, newest = log.rule, plain.begins(log.last_day, log.rule.unit, log.rule.week_start)
    found = {(row["cohort"].date(), row["age"]): row for row in cube.to_dict("records")}
    expected = {}
    for begun, members in log.cohorts().items():
        age = 0
        while plain.following(begun, rule.unit, age) <= newest:
            row, cell = found[begun, age], log.cell(begun, members, age, age)
            assert (row["size"], row["active"], row["payers"], row["net"]) == cell
            assert row["returned"] == log.cell(begun, members, age, None).active
            expected[begun, age] = cell
            age += 1
    assert set(found) == set(expected)


@given(logs(), RULES, st.sampled_from(ZONES), st.integers(0, 70))
@settings(made.AS_FOUND, max_examples=7)
def test_the_cube_and_its_spans_count_what_sets_count(log, rule, zone, after):
    zone, last_day = ZoneInfo(zone), last_day_of(log, after)
    days, expected = user_day(log, zone), plain.Log(log, rule, zone, last_day)
    cube = retention.cohort_cube(days, rule=rule, last_day=last_day)
    assert list(cube.columns) == list(contracts.find("cohort_cube").columns) and cube["dimension"].eq("all").all()
    expect_cube(cube, expected)
    spans = retention.cohort_spans(days, rule=rule, last_day=last_day)
    assert list(spans.columns) == list(contracts.find("cohort_spans").columns)
    rows = spans.to_dict("records")
    found = {(row["cohort"].date(), row["age"], row["until"]): (row["size"], row["active"]) for row in rows}
    within = [] if rule.horizon is None else [(age, rule.horizon) for age in range(rule.horizon + 1)]
    assert found == {
        (begun, *span): expected.cell(begun, members, *span)[:2]
        for begun, members in expected.cohorts().items() for span in {*within, *rule.brackets}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "units"), [(ZONES[0], ["day", "week"]), (ZONES[1], ["week", "month"]), (ZONES[2], ["week"]), (ZONES[3], ["month"])]
)
def test_events_of_both_sides_of_midnight_and_of_changed_clocks_fall_into_the_periods_of_their_zone(zone, units):
    """The whole way from events to the cube: one second decides about the day, week and month of a return."""
    zone = ZoneInfo(zone)
    nights = ((3, 1), (3, 30), (4, 6), (9, 7), (10, 26))
    midnights = [datetime(2026, month, day, tzinfo=zone).astimezone(UTC) for month, day in nights]
    moments = [midnight + timedelta(seconds=second) for midnight in midnights for second in (-1, 0, 1)]
    log = [plain.Event(f"u{number}", moment) for number, moment in enumerate(moments)]
    log += [plain.Event(f"u{number}", later) for number in range(len(moments)) for later in moments[number + 1 :: 2]]
    rows = [{"user_id": event.user, "ts": event.ts, "event": "view"} for event in log]
    found = facts.user_day(facts.timed(made.events(rows, zone)), ROLES).to_pyarrow()
    days, last_day = made.backend().create_table("whole_way", found, overwrite=True), date(2026, 10, 31)
    for unit in units:
        rule = retention.Rule(unit=unit, week_start="sunday" if zone.key == "America/Santiago" else "monday")
        expect_cube(retention.cohort_cube(days, rule=rule, last_day=last_day), plain.Log(log, rule, zone, last_day))


@given(logs(), st.booleans(), st.integers(0, 45))
@settings(made.AS_FOUND, max_examples=3)
def test_slices_and_tiers_at_entry_are_those_of_sets_and_add_up(log, first_time, after):
    zone, last_day = ZoneInfo("Asia/Shanghai"), last_day_of(log, after)
    rule = retention.Rule(first_time=first_time, brackets=((1, 3),))
    channel = {"a": "ads", "b": "friend", "c": None}
    users = made.table("users", [{"user_id": user, "channel": value} for user, value in channel.items()])
    given_ = {"slices": retention.sliced_by(users, ["channel"]), "rule": rule, "last_day": last_day, "entry": LIMITS}
    cube = retention.cohort_cube(user_day(log, zone), **given_, pair=("channel", "entry_activity"))
    expected = plain.Log(log, rule, zone, last_day)
    sizes: dict[tuple, int] = {}
    for begun, members in expected.cohorts().items():
        for user in members:
            activity, contribution = plain.entry_tiers(expected, begun, user, zone, LIMITS)
            own = {"channel": channel.get(user) or "unknown", "entry_activity": activity, "entry_contribution": contribution}
            own["channel × entry_activity"] = f"{own['channel']} × {activity}"
            for key in own.items():
                sizes[*key, begun] = sizes.get((*key, begun), 0) + 1
    told = cube[(cube["age"] == 0) & (cube["dimension"] != "all")]
    rows = told[["dimension", "slice", "cohort", "size"]].to_numpy().tolist()
    assert {(*row[:2], row[2].date()): row[3] for row in rows} == sizes
    counts = ["size", "active", "returned", "payers", "net"]
    whole = cube[cube["dimension"] == "all"].set_index(["cohort", "age"])[counts].astype(float)
    for _, own in cube.groupby("dimension"):
        pd.testing.assert_frame_equal(own.groupby(["cohort", "age"])[counts].sum().astype(float), whole)
    spans = retention.cohort_spans(user_day(log, zone), **given_)
    for dimension, own in spans.groupby("dimension"):
        assert own["active"].sum() == spans.loc[spans["dimension"] == "all", "active"].sum(), dimension


@given(logs(), st.sampled_from(["day", "week", "month"]), st.sampled_from(["active", "create", "pay"]), st.integers(0, 20))
@settings(made.AS_FOUND, max_examples=8)
def test_by_bits_and_by_a_join_as_on_spark_the_numbers_are_the_same(log, unit, start, after):
    rule = retention.Rule(unit=unit, start=start, horizon=3, brackets=((1, 2), (0, 70)))
    days, users = user_day(log, ZoneInfo("UTC")), [{"user_id": "a", "channel": "ads"}, {"user_id": "b", "channel": "friend"}]
    how = {"slices": retention.sliced_by(made.table("users", users), ["channel"]), "rule": rule, "entry": LIMITS}
    how |= {"last_day": last_day_of(log, after), "pair": ("channel", "entry_activity")}
    for counted in (retention.cohort_cube, retention.cohort_spans):
        by_bits = counted(days, **how)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(counting, "BITS", 0)
            pd.testing.assert_frame_equal(counted(days, **how), by_bits)


@given(logs(), st.sampled_from(["day", "week", "month"]), st.integers(0, 20), st.booleans())
@settings(made.AS_FOUND, max_examples=8)
def test_what_is_at_hand_tells_the_same_as_all_days(log, unit, after, by_bits):
    rule = retention.Rule(unit=unit, horizon=3, brackets=((1, 2), (0, 70)))
    days, users = user_day(log, ZoneInfo("UTC")), [{"user_id": "a", "channel": "ads"}, {"user_id": "b", "channel": "friend"}]
    last_day = last_day_of(log, after)
    last_day += timedelta(days=6 - last_day.weekday())
    how = {"slices": retention.sliced_by(made.table("users", users), ["channel"]), "rule": rule, "entry": LIMITS}
    how |= {"last_day": last_day}
    first_seen = facts.first_seen(days.mutate(refund=ibis.literal(0, "int64"), refunded=ibis.literal(0, "decimal(38, 4)")))
    hand = AtHand(
        segments.blocks(days, last_day=last_day), retention.bought(days, last_day=last_day),
        retention.entries(first_seen, days, last_day=last_day, weeks=60),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "BITS", 60 if by_bits else 0)
        hand = retention.members_at_hand(days, **how, hand=hand)
        for counted in (retention.cohort_cube, retention.cohort_spans):
            expected = counted(days, **how, pair=("channel", "entry_activity"))
            pd.testing.assert_frame_equal(counted(days, **how, pair=("channel", "entry_activity"), hand=hand), expected)


def test_a_log_of_few_periods_is_counted_by_bits_and_one_of_many_by_a_join():
    """So the two ways of the test above are two."""
    rows = [{"user_id": "a", "day": made.day(at), "active": 1} for at in (0, 59, 60)]
    for many, base in ((2, True), (3, False)):
        days = made.table("user_day", rows[:many])
        asked = counting.asked(days, None, rule=retention.Rule(unit="day"), last_day=None, entry=None)
        assert (asked.base is not None) == base


def test_rows_after_the_last_day_change_nothing_and_the_order_of_rows_neither():
    rows = [
        {"user_id": user, "day": made.day(at), "active": 1, "pay": at % 2, "net": Decimal(at)}
        for user in "abc" for at in range(0, 40, 3)
    ]  # fmt: skip
    cut, last_day = [row for row in rows if row["day"] <= made.day(20)], made.day(20)
    then = retention.cohort_cube(made.table("user_day", cut), last_day=last_day)
    pd.testing.assert_frame_equal(retention.cohort_cube(made.table("user_day", rows[::-1]), last_day=last_day), then)


def test_ages_that_are_not_kept_still_count_as_a_later_return():
    rows = [{"user_id": user, "day": made.day(at), "active": 1} for user, at in (("a", 0), ("b", 0), ("a", 30), ("b", 3))]
    whole = retention.cohort_cube(made.table("user_day", rows))
    short = retention.cohort_cube(made.table("user_day", rows), ages=3)
    pd.testing.assert_frame_equal(short, whole[whole["age"] < 3])
    assert whole["returned"].tolist() == [2, 1, 1, 1, 1] and whole["active"].tolist() == [2, 0, 0, 0, 1]


def test_without_rows_or_before_the_data_there_is_no_cohort():
    rows = [{"user_id": "a", "day": made.day(3), "active": 1}]
    for days, last_day in ((made.table("user_day", []), None), (made.table("user_day", rows), made.day(-3))):
        cube = retention.cohort_cube(days, retention.sliced_by(None, ["channel"]), last_day=last_day, entry=LIMITS)
        spans = retention.cohort_spans(days, rule=retention.Rule(horizon=2), last_day=last_day)
        assert cube.empty and spans.empty and list(cube.columns) == list(contracts.find("cohort_cube").columns)
        table = retention.cohorts(cube, last_day=made.day(-3))
        assert table.empty and retention.average(table).empty and retention.money(table).empty


def test_a_single_member_is_a_cohort_and_a_slice_of_one():
    users = made.table("users", [{"user_id": "a", "channel": "ads"}])
    cube = retention.cohort_cube(
        made.table("user_day", [{"user_id": "a", "day": made.day(0), "active": 1}]), retention.sliced_by(users, ["channel"]),
        last_day=made.day(13), pair=("channel", "entry_activity"),
    )  # fmt: skip
    assert cube[["dimension", "slice", "age", "size", "active"]].to_numpy().tolist() == [
        ["all", "all", 0, 1, 1], ["all", "all", 1, 1, 0], ["channel", "ads", 0, 1, 1], ["channel", "ads", 1, 1, 0],
    ]  # fmt: skip


def test_a_column_that_users_lack_is_named_with_the_nearest():
    users = made.table("users", [{"user_id": "a"}])
    with pytest.raises(InputError, match=r'slices = "chanel"\n.*Did you mean "channel"\?'):
        retention.sliced_by(users, ["city", "chanel"])
    assert retention.sliced_by(None, ["chanel"]) == {}


@pytest.mark.parametrize("pair", [("channel",), ("channel", "channel")])
def test_a_pair_is_two_different_dimensions(pair):
    with pytest.raises(InputError, match="two different dimensions"):
        retention.cohort_cube(made.table("user_day", []), pair=pair)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"unit": "weeks"}, 'unit is "weeks"; it can be day, week, month. Did you mean "week"?'),
        ({"start": "created"}, 'Did you mean "create"?'),
        ({"criterion": "after"}, "on, on_or_after, bracket"),
        ({"week_start": "tuesday"}, "monday, sunday"),
        ({"times": 0}, "times is 0"),
        ({"horizon": -1}, "never below 0"),
        ({"brackets": ((3, 1),)}, "A bracket is (3, 1)"),
        ({"brackets": ((1,),)}, "A bracket is (1,)"),
        ({"criterion": "bracket"}, "there are no brackets"),
    ],
)
def test_a_rule_that_no_table_could_follow_is_refused_in_words(wrong, said):
    with pytest.raises(InputError) as caught:
        retention.Rule(**wrong)
    assert said in str(caught.value)
    with pytest.raises(InputError, match="neither brackets nor a horizon"):
        retention.cohort_spans(made.table("user_day", []), rule=WEEK)


def test_the_rule_of_every_table_can_be_read_by_machines():
    brackets = retention.Rule(first_time=False, criterion="bracket", brackets=((1, 3), (4, 8)), zone="UTC")
    found = retention.rule_table({"by week": WEEK, "brackets": brackets}, last_day=made.day(6)).set_index("table")
    assert [found.index.name, *found.columns] == list(contracts.find("retention_rule").columns)
    assert found.loc["brackets", ["cohort", "brackets", "zone", "horizon"]].tolist() == ["recurring", "1-3 4-8", "UTC", -1]
    assert found.loc["by week", ["start", "returns", "unit", "week_start"]].tolist() == ["active", "active", "week", "monday"]


@given(st.dates(date(1999, 1, 1), date(2040, 1, 1)), st.sampled_from(periods.UNITS), st.sampled_from(["monday", "sunday"]))
def test_a_period_holds_its_days_and_the_next_one_has_the_next_number(day, unit, week_start):
    number = periods.number(day, unit, week_start)
    stamps = periods.begins(np.array([number, number + 1]), unit, week_start)
    begun, after = (stamp.astype("datetime64[D]").item() for stamp in stamps)
    assert begun == plain.begins(day, unit, week_start) <= day < after == plain.following(begun, unit)
    assert periods.number(after, unit, week_start) == number + 1
