"""Moves between tiers: facts of two recounts a week apart, whose flows make up every change of a size."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise

import pandas as pd
import plain_segments
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_segments import SEEDS, SETTINGS, TODAY, crowd, days, rules, tables

from helpers import segments
from helpers.segments import tables as declared

MODULE = sys.modules["helpers.segments.moves"]  # by its name the package has the function
WEEK = timedelta(days=7)
MONDAY = pd.Timestamp(TODAY - timedelta(days=TODAY.weekday()))


def moves(rows: list[dict], signed_up: dict | None = None, own: dict | None = None, **options) -> segments.moves:
    return segments.moves(*tables(rows, signed_up), last_day=TODAY, rules=own or rules(), **options)


def last(found, dimension: str) -> dict[tuple[str, str], dict]:
    """The flows of the last week by both tiers."""
    own = found.flows[(found.flows["dimension"] == dimension) & (found.flows["week"] == MONDAY)]
    return {(row["from"], row["to"]): row for row in own.to_dict("records")}


def reason(before: list[dict], dimension: str, **options) -> tuple[str, str, str, str]:
    """Of the one person who moved in the last week: both tiers, kind, reason."""
    found = [row for row in last(moves(before, weeks=1, **options), dimension).values() if row["kind"] != "stayed"]
    [row] = found
    return row["from"], row["to"], row["kind"], row["reason"]


@pytest.mark.parametrize("name", ["as shipped", "held"])
@given(st.integers(0, 10**6))
@settings(SEEDS, max_examples=2)
def test_flows_and_sizes_are_those_of_recounts_a_week_apart(name, seed):
    own = rules(**SETTINGS[name])
    rows, signed_up = crowd(seed)
    found = moves(rows, signed_up, own, weeks=3)
    ends = [plain_segments.tiers(rows, signed_up, TODAY - WEEK * back, own) for back in range(3, -1, -1)]
    assert sorted(found.flows["week"].unique()) == [MONDAY - WEEK * back for back in (2, 1, 0)]
    for dimension in declared.DIMENSIONS:
        for back, (before, now) in zip((2, 1, 0), pairwise(ends), strict=True):
            went = {user: (before.get(user, {}).get(dimension, "outside"), one[dimension]) for user, one in now.items()}
            flows = found.flows[(found.flows["dimension"] == dimension) & (found.flows["week"] == MONDAY - WEEK * back)]
            told = {(row["from"], row["to"]): row for row in flows.to_dict("records")}
            assert {pair: row["people"] for pair, row in told.items()} == Counter(went.values())
            for pair, row in told.items():
                assert row["net"] == sum(one["net_90"] for user, one in now.items() if went[user] == pair)
        for back, week in zip((3, 2, 1, 0), ends, strict=True):
            sizes = found.sizes[(found.sizes["dimension"] == dimension) & (found.sizes["week"] == MONDAY - WEEK * back)]
            assert dict(zip(sizes["tier"], sizes["people"], strict=True)) == {
                tier: sum(one[dimension] == tier for one in week.values()) for tier in declared.TIERS[dimension]
            }
            assert sizes["net"].sum() == sum(one["net_90"] for one in week.values())
            assert sizes["share"].sum() == pytest.approx(1)


@pytest.mark.hard
def test_the_flows_are_the_same_however_many_instants_are_held_at_a_time(monkeypatch):
    rows, signed_up = crowd(8)
    whole = moves(rows, signed_up, weeks=5)
    for most in (1, 130):
        monkeypatch.setattr(MODULE, "MOST_ROWS", most)
        parts = moves(rows, signed_up, weeks=5)
        for one, other in zip(whole, parts, strict=True):
            pd.testing.assert_frame_equal(one, other)


def test_what_happens_later_moves_nobody():
    rows, signed_up = crowd(9)
    past = [row for row in rows if row["day"] <= TODAY]
    known = {user: day for user, day in signed_up.items() if day is None or day <= TODAY}
    for one, other in zip(moves(rows, signed_up, weeks=2), moves(past, known, weeks=2), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_flows_that_do_not_add_up_are_noticed(monkeypatch):
    told = MODULE._told
    monkeypatch.setattr(MODULE, "_told", lambda parts: told(parts).iloc[1:])
    with pytest.raises(AssertionError, match="do not add up"):
        moves(crowd(3)[0], weeks=2)


def test_sizes_of_the_week_come_from_the_flows():
    rows, signed_up = crowd(2)
    sizes = segments.tier_sizes(moves(rows, signed_up)).set_index(["dimension", "tier"])
    now, before = (plain_segments.tiers(rows, signed_up, TODAY - WEEK * back, rules()) for back in (0, 1))
    for (dimension, tier), row in sizes.iterrows():
        people, earlier = ({name for name, own in week.items() if own[dimension] == tier} for week in (now, before))
        assert (row["people"], row["before"]) == (len(people), len(earlier))
        assert (row["came"], row["left"]) == (len(people - earlier), len(earlier - people))
        assert row["share"] == pytest.approx(len(people) / len(now))


def test_of_nobody_there_are_no_flows_and_no_shares():
    found = moves([])
    sizes = segments.tier_sizes(found)
    assert found.flows.empty and sizes["people"].eq(0).all() and sizes["share"].isna().all()
    assert segments.summary(sizes) == {"people": 0, "a week ago": 0}


def test_weeks_before_the_data_are_left_out_but_not_the_last_one():
    found = moves([*days([20], active=1), *days([1], "u1", active=1)])
    assert len(found.sizes["week"].unique()) == 3
    assert len(moves(days([2], active=1)).sizes["week"].unique()) == 2


OLD = days(range(30, 60), active=1)
PAID = days([50], pay=1, net=Decimal(30))


WHY = [
    (days([3], active=1), "activity", ("outside", "low", "entered", "newly known")),
    ([*days([80], active=1), *days([3], active=1)], "activity", ("none", "low", "upgraded", "more active days")),
    (days([30, 60], active=1), "activity", ("low", "none", "fell", "fewer active days")),
    ([*days([60], active=1), *days([3], active=1, create=1)], "contribution",
     ("none", "creator", "upgraded", "creator came")),
    (days([31], active=1, comment=1), "contribution", ("commenter", "none", "fell", "commenter gone")),
    ([*OLD, *days([3], pay=1, net=Decimal(9))], "payment", ("non-payer", "high payer", "upgraded", "first payment")),
    ([*days([200], pay=1, net=Decimal(9)), *days([3], pay=1, net=Decimal(9))], "payment",
     ("non-payer", "high payer", "upgraded", "paid again")),
    (days([93], pay=1, net=Decimal(9)), "payment", ("high payer", "non-payer", "fell", "payments too old")),
    ([*PAID, *days([2], net=Decimal(-30), refunded=Decimal(30))], "payment", ("high payer", "non-payer", "fell", "refund")),
    ([*days([1, 2, 3, 70, 71], pay=1, net=Decimal(60))], "value", ("low", "high", "upgraded", "recency up")),
    (days([20, 40, 41], pay=1, net=Decimal(60)), "value", ("mid", "mid", "stayed", "")),
    ([*OLD, *days([3], active=1)], "lifecycle", ("silent", "active", "changed", "came back")),
    (days([45], active=1), "lifecycle", ("silent", "lost", "changed", "no visit")),
    (days([18, 5], active=1), "lifecycle", ("new", "active", "changed", "no longer new")),
    ([*OLD, *days([3], active=1, pay=1)], "lifecycle", ("silent", "first purchase", "changed", "first payment")),
    ([*OLD, *days([30], active=1, pay=1), *days([3, 8], active=1)][1:], "lifecycle",
     ("first purchase", "active", "changed", "first payment over")),
]  # fmt: skip


@cache
def of_others(dimension: str) -> dict[tuple[str, str], dict]:
    """The last moves on a dimension where nobody's limit depends on others, of all its cases at once."""
    own = [rows for rows, where, _ in WHY if where == dimension]
    return last(moves([row | {"user_id": f"u{at}"} for at, rows in enumerate(own) for row in rows], weeks=1), dimension)


@pytest.mark.parametrize("rows, dimension, told", WHY)
def test_a_move_says_why(rows, dimension, told):
    if dimension == "payment":
        assert reason(rows, dimension) == told
        return
    row = of_others(dimension)[told[:2]]
    assert (row["people"], row["kind"], row["reason_people"]) == (1, told[2], told[2] != "stayed")
    assert pd.isna(row["reason"]) if told[2] == "stayed" else row["reason"] == told[3]


def test_who_signed_up_before_coming_makes_a_first_visit():
    told = reason(days([2], active=1), "lifecycle", signed_up={"u0": TODAY - timedelta(days=30)})
    assert told == ("prospect", "new", "changed", "first visit")


def test_a_payer_whom_others_have_overtaken_moved_because_the_limit_did():
    """The quantile of the payers rises as others pay; the amount of the one has not changed."""
    rows = days([20], "a", pay=1, net=Decimal(50))
    rows += [row for at in range(6) for row in days([3], f"b{at}", pay=1, net=Decimal(80))]
    found = last(moves(rows), "payment")["high payer", "payer"]
    assert (found["kind"], found["reason"], found["people"]) == ("fell", "limit moved", 1)


def test_of_several_reasons_the_most_common_is_told_with_its_people_and_the_mean_measure():
    rows = [row for at in range(3) for row in days([93, 120], f"old{at}", pay=1, net=Decimal(9))]
    rows += [row for at in range(2) for row in [*days([50], f"back{at}", pay=1, net=Decimal(9)),
                                                *days([2], f"back{at}", net=Decimal(-9), refunded=Decimal(9))]]  # fmt: skip
    found = last(moves(rows), "payment")["high payer", "non-payer"]
    assert (found["people"], found["reason"], found["reason_people"]) == (5, "payments too old", 3)
    assert (found["measure_before"], found["measure_now"]) == (9.0, 0.0)


def test_moves_do_not_depend_on_pseudonyms():
    rows, signed_up = crowd(12)
    turned = [row | {"user_id": row["user_id"][::-1] + "x"} for row in reversed(rows)]
    other = {user[::-1] + "x": day for user, day in signed_up.items()}
    for one, two in zip(moves(rows, signed_up, weeks=1), moves(turned, other, weeks=1), strict=True):
        pd.testing.assert_frame_equal(one, two)


def test_the_artefacts_keep_their_contracts():
    from helpers.runs import checks

    found = moves(*crowd(1))
    for contract, frame in ((declared.MOVES, found.flows), (declared.TIER_WEEKS, found.sizes)):
        checks.to_arrow(contract, frame)
