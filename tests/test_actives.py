"""Who came after how long, active people on trailing windows, and stickiness, against sets counted in plain Python."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import made
import pandas as pd
import plain_growth as plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import contracts, retention

LAST = made.day(149)
CHANNEL = {"a": "ads", "b": "ads", "c": "", "d": "friend", "e": "friend"}  # of f, g, h nothing is known
VISITS = st.sets(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 170).map(made.day)), max_size=40)


def user_day(visits):
    """Active days, and a day without activity of somebody else, which must count for nothing."""
    rows = [{"user_id": user, "day": day, "active": 1} for user, day in sorted(visits)]
    return made.table("user_day", [*rows, {"user_id": "only pays", "day": made.day(3), "pay": 1}])


def channels():
    return {"channel": made.table("users", [{"user_id": user, "channel": name} for user, name in CHANNEL.items()])}


def presence(visits, last_day=LAST, *, sliced: bool = True) -> pd.DataFrame:
    slices = {name: retention.slice_of(table, name) for name, table in channels().items()}
    return retention.presence_day(user_day(visits), slices if sliced else None, last_day=last_day)


def parts(visits) -> dict[tuple[str, str], set]:
    """The visits of all, and of each slice that has any, up to the last day."""
    found = {}
    for user, day in visits:
        if day <= LAST:
            found.setdefault(("all", "all"), set()).add((user, day))
            found.setdefault(("channel", CHANNEL.get(user, "unknown")), set()).add((user, day))
    return found


def regulars(*steps: int) -> set:
    """One user a step, who comes every so many days up to the last day."""
    return {(f"u{step}", made.day(at)) for step in steps for at in range(0, 150, step)}


@given(VISITS)
@settings(made.AS_FOUND, max_examples=5)
def test_presence_counts_each_active_day_by_the_gaps_before_and_after_it(visits):
    found = presence(visits)
    assert list(found.columns) == list(contracts.find("presence_day").columns)
    expected = Counter()
    for pair, own in parts(visits).items():
        for user in {user for user, _ in own}:
            days = sorted(day for name, day in own if name == user)
            gaps = [min((later - day).days, 62) for day, later in pairwise(days)]
            for day, back, ahead in zip(days, [0, *gaps], [*gaps, 0], strict=True):
                expected[*pair, day, back, "came"] += 1
                expected[*pair, day, ahead, "went"] += 1
    told = {
        (row["dimension"], row["slice"], row["day"].date(), row["gap"], way): row[way]
        for row in found.to_dict("records") for way in ("came", "went") if row[way]
    }  # fmt: skip
    assert told == expected and (found["came"] + found["went"] > 0).all()


@given(VISITS)
@settings(made.AS_FOUND, max_examples=5)
def test_dau_wau_and_mau_are_the_sizes_of_unions_of_sets(visits):
    found = retention.actives_day(presence(visits), last_day=LAST)
    assert list(found.columns) == list(contracts.find("actives_day").columns)
    own = parts(visits)
    begun = min((day for _, day in own.get(("all", "all"), ())), default=LAST + timedelta(days=1))
    assert set(zip(found["dimension"], found["slice"], strict=True)) == set(own)
    assert len(found) == len(own) * ((LAST - begun).days + 1)
    for row in found.to_dict("records"):
        day = row["day"].date()
        expected = plain.actives(own[row["dimension"], row["slice"]], day)
        assert {name: row[name] for name in expected} == expected
        assert (row["partial"], row["partial_week"]) == ((day - begun).days < 29, (day - begun).days < 6)


def test_slices_add_up_to_everybody_on_every_day():
    visits = {(user, made.day(at)) for at in range(60) for user in "abcdefgh" if at % (ord(user) - 96) == 0}
    found = retention.actives_day(presence(visits), last_day=LAST)
    names = ["dau", "wau", "mau"]
    added = found[found["dimension"] == "channel"].groupby("day")[names].sum()
    assert added.equals(found[found["dimension"] == "all"].set_index("day")[names]) and added["mau"].max() == 8


def test_several_attributes_slice_each_by_itself():
    tables = {name: made.table("users", [{"user_id": "a", "channel": "x"}, {"user_id": "b", "channel": None}]) for name in "pq"}
    slices = {name: retention.slice_of(table, "channel") for name, table in tables.items()}
    visits = {("a", made.day(0)), ("b", made.day(0)), ("c", made.day(0))}
    found = retention.presence_day(user_day(visits), slices, last_day=LAST)
    counted = {(row.dimension, row.slice): row.came for row in found.itertuples()}
    assert counted == {("all", "all"): 3, ("p", "x"): 1, ("p", "unknown"): 2, ("q", "x"): 1, ("q", "unknown"): 2}
    assert retention.slices_of(found) == {
        "all": ("all", "all"), "p: unknown": ("p", "unknown"), "p: x": ("p", "x"), "q: unknown": ("q", "unknown"),
        "q: x": ("q", "x"),
    }  # fmt: skip


def test_an_earlier_day_is_as_it_was_then_though_later_rows_are_known():
    visits = regulars(1, 5, 20, 90)
    earlier = made.day(80)
    then = retention.actives_day(presence(visits, earlier), last_day=earlier)
    now = retention.actives_day(presence(visits), last_day=earlier)
    pd.testing.assert_frame_equal(then, now)


def test_without_anybody_active_there_are_no_rows():
    found = presence(set())
    assert found.empty and retention.slices_of(found) == {}
    actives = retention.actives_day(found, last_day=LAST)
    assert actives.empty and retention.long_actives(actives).empty and retention.stickiness(actives).empty


def test_stickiness_is_mean_dau_over_mau_and_wau_over_mau_of_whole_windows():
    actives = retention.actives_day(presence({*regulars(1, 3, 40), ("a", made.day(0)), ("d", made.day(70))}), last_day=LAST)
    found = retention.stickiness(actives).set_index(["dimension", "slice", "day"])
    for pair, own in actives.groupby(["dimension", "slice"]):
        own = own.reset_index(drop=True)
        for at in range(29, len(own)):
            row, window = found.loc[(*pair, own["day"][at])], own.iloc[at - 29 : at + 1]
            monthly = own["mau"][at]
            assert row["mau"] == monthly
            if monthly:
                assert row["stickiness"] == pytest.approx(window["dau"].mean() / monthly) and 0 < row["stickiness"] <= 1
                assert row["weekly"] == own["wau"][at] / monthly
            else:
                assert pd.isna(row["stickiness"]) and pd.isna(row["weekly"])
    assert len(found) == len(actives) - 29 * actives.groupby(["dimension", "slice"]).ngroups
    assert found["mau"].eq(0).any()


def test_stickiness_is_the_mean_number_of_active_days_of_a_monthly_active():
    visits = regulars(1, 2, 5, 9, 33)
    sticky = retention.stickiness(retention.actives_day(presence(visits, sliced=False), last_day=LAST)).iloc[-1]
    days = retention.active_days(user_day(visits), last_day=LAST, window=30)
    assert days["of"].eq(sticky["mau"]).all()
    assert sticky["stickiness"] == pytest.approx((days["days"] * days["share"]).sum() / 30)


def test_windows_in_long_form_keep_their_marks():
    actives = retention.actives_day(presence(regulars(1, 4)), last_day=LAST)
    long = retention.long_actives(actives[actives["dimension"] == "all"])
    assert len(long) == 3 * 150 and long["day"].is_monotonic_increasing
    assert long.groupby("window")["partial"].sum().to_dict() == {"dau": 0, "wau": 6, "mau": 29}
    last = long[long["day"] == pd.Timestamp(LAST)].set_index("window")["people"]
    assert last.to_dict() == actives.loc[actives["dimension"] == "all", ["dau", "wau", "mau"]].iloc[-1].to_dict()
