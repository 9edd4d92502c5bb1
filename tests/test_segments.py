"""Tiers against the same rules worked out user by user in plain Python, at their very limits, and moves that add up."""

from __future__ import annotations

import random
import tomllib
from datetime import timedelta
from decimal import Decimal
from functools import cache

import made
import pandas as pd
import plain_segments
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import paths, segments

TODAY = made.day(230)
AGES = st.one_of(
    st.sampled_from([-9, -1, 0, 6, 7, 13, 14, 15, 27, 28, 29, 41, 42, 43, 49, 50, 56, 89, 90, 91, 118, 179, 180]),
    st.integers(-10, 225),
)
AMOUNTS = st.sampled_from(
    [Decimal(text) for text in ("0", "0", "19.99", "20", "50", "50.1", "100", "300", "-20", "-300")]
)
USERS = st.sampled_from([f"u{number}" for number in range(12)])
FEW = st.integers(0, 2)
DAYS = st.fixed_dictionaries(
    {"user_id": USERS, "day": AGES.map(lambda age: TODAY - timedelta(days=age)), "active": FEW},
    optional={"create": FEW, "comment": FEW, "share": FEW, "react": FEW, "pay": st.integers(1, 2), "net": AMOUNTS},
)
TABLES = st.lists(DAYS, max_size=45, unique_by=lambda row: (row["user_id"], row["day"]))
SIGNED_UP = st.dictionaries(
    st.sampled_from([f"u{number}" for number in range(15)]),
    st.none() | AGES.map(lambda age: TODAY - timedelta(days=age)),
)


@cache
def rules() -> dict:
    """The limits as shipped."""
    return tomllib.loads((paths.DEFAULTS / "rules.toml").read_text(encoding="utf-8"))


@cache
def prepared() -> made.Prepared:
    def tiers(first_seen, user_day, users):
        return segments.tiers(first_seen, user_day, users, last_day=TODAY, rules=rules())

    return made.Prepared(tiers, first_seen="first_seen", user_day="user_day", users="users")


def tiers(rows: list[dict], signed_up: dict | None = None) -> dict[str, dict]:
    users = [{"user_id": user, "registered_day": day} for user, day in (signed_up or {}).items()]
    found = prepared()(first_seen=made.first_seen_rows(rows), user_day=rows, users=users)
    assert len({row["user_id"] for row in found}) == len(found)
    return {row["user_id"]: row for row in found}


def days(ages, user: str = "u0", **what) -> list[dict]:
    return [{"user_id": user, "day": TODAY - timedelta(days=age), **what} for age in ages]


@given(TABLES, SIGNED_UP)
@settings(deadline=None, max_examples=35)
def test_tiers_are_those_of_a_recount_in_plain_python(rows, signed_up):
    found, expected = tiers(rows, signed_up), plain_segments.tiers(rows, signed_up, TODAY, rules())
    assert set(found) == set(expected)
    for name, own in expected.items():
        made_of = found[name]
        for column in (
            "activity",
            "contribution",
            "lifecycle",
            "resurrected",
            "value",
            "payment",
            "active_days",
            "net_90",
        ):
            assert made_of[column] == own[column], f"{name}: {column}"
        assert tuple(made_of[f"{what}_score"] for what in ("recency", "frequency", "monetary")) == own["scores"]
        assert made_of["pay_probability"] == (None if own["chance"] is None else pytest.approx(float(own["chance"])))


@given(TABLES, SIGNED_UP)
@settings(deadline=None, max_examples=8)
def test_what_happens_later_changes_no_tier(rows, signed_up):
    past = [row for row in rows if row["day"] <= TODAY]
    known = {user: day for user, day in signed_up.items() if day is None or day <= TODAY}
    assert tiers(rows, signed_up) == tiers(past, known)


@pytest.mark.parametrize(
    "ages, stage",
    [
        ([100, 42], "silent"), ([100, 43], "lost"), ([100, 14], "active"), ([100, 15], "silent"),
        ([13], "new"), ([14], "active"), ([14, 13], "active"), ([], "prospect"),
    ],
)  # fmt: skip
def test_stages_change_at_14_and_42_days(ages, stage):
    assert tiers(days(ages, active=1), {"u0": TODAY})["u0"]["lifecycle"] == stage


@pytest.mark.parametrize("age, stage", [(27, "first purchase"), (28, "active")])
def test_a_purchase_is_the_first_for_28_days(age, stage):
    rows = [*days([100, 0], active=1), *days([age], pay=1, net=Decimal(9))]
    assert tiers(rows)["u0"]["lifecycle"] == stage


@pytest.mark.parametrize(
    "ages, flag",
    [
        ([43, 0], True),
        ([42, 0], False),
        ([49, 6], True),
        ([50, 7], False),
        ([50, 7, 0], False),
        ([3, 0], False),
        ([60], False),
    ],
)
def test_resurrected_is_who_came_back_in_7_days_after_a_gap_of_over_42(ages, flag):
    assert tiers(days(ages, active=1))["u0"]["resurrected"] is flag


def test_activity_counts_days_and_not_events():
    rows = [*days(range(12), "a", active=1), *days(range(17, 28), "b", active=9), *days(range(28, 60), "c", active=1)]
    found = tiers(rows)
    seen = [(found[name]["activity"], found[name]["active_days"]) for name in "abc"]
    assert seen == [
        ("high", 12),
        ("medium", 11),
        ("none", 0),
    ]


def test_equal_payers_at_the_quantile_are_kept_together():
    amounts = {"a": 10, "b": 20, "c": 20, "d": 20, "e": 20}
    rows = [row for name, net in amounts.items() for row in days([5], name, pay=1, net=Decimal(net))]
    found = {name: row["payment"] for name, row in tiers(rows).items()}
    assert found == {"a": "payer", **dict.fromkeys("bcde", "high payer")}


@pytest.mark.parametrize("busy, potential", [(3, 3), (4, 0)])
def test_potential_payers_are_at_most_a_tenth_of_the_non_payers_and_stay_together(busy, potential):
    """Of four who had 12 active days 28 days ago two have paid since, of thirty who had one day nobody has."""
    rows = [row for name in ("p", "q", "x", "y") for row in days(range(28, 40), name, active=1)]
    rows += [row for name in ("p", "q") for row in days([5], name, pay=1, net=Decimal(9))]
    for number in range(30):
        rows += days([30, *(range(12) if number < busy else [3])], f"u{number}", active=1)
    found = tiers(rows)
    assert {row["pay_probability"] for row in found.values()} == {None, 0.0, 0.5}
    assert [name for name, row in found.items() if row["payment"] == "potential payer"] == [
        f"u{at}" for at in range(potential)
    ]


def test_who_was_paid_back_in_full_is_no_payer():
    rows = [*days([9], pay=1, net=Decimal("49.90")), *days([8], net=Decimal("-49.90"))]
    assert tiers(rows)["u0"]["payment"] == "non-payer"
    assert tiers(rows)["u0"]["net_90"] == 0


def test_amounts_that_just_reach_a_limit_together_score_as_the_limit():
    """Ten times 0.1 and 19 are 20, which sums of binary fractions miss."""
    rows = [*days(range(10), pay=1, net=Decimal("0.1")), *days([20], pay=1, net=Decimal(19))]
    assert tiers(rows)["u0"]["monetary_score"] == 2


def test_equal_values_score_alike_whoever_has_them():
    rows = [row for name in map(str, range(30)) for row in days([7, 30], name, pay=1, net=Decimal(25))]
    scores = {
        tuple(row[f"{what}_score"] for what in ("recency", "frequency", "monetary")) for row in tiers(rows).values()
    }
    assert scores == {(5, 2, 3)}


def test_without_payments_value_rests_on_activity_and_contributions():
    found = tiers(days([0, 1, 2], active=1, create=2, comment=1))["u0"]
    assert (found["recency_score"], found["frequency_score"], found["monetary_score"]) == (5, 3, 3)
    assert found["payment"] == "non-payer"


def test_an_empty_log_has_no_users():
    assert tiers([]) == {}


def sizes(rows: list[dict]) -> pd.DataFrame:
    given = (made.first_seen(rows), made.table("user_day", rows), None)
    return segments.tier_sizes(
        segments.tiers(*given, last_day=TODAY, rules=rules()),
        segments.tiers(*given, last_day=TODAY - timedelta(days=7), rules=rules()),
    )


def crowd(people: int) -> list[dict]:
    """A log with every kind of life in it: some come often, some stop, some pay, some come again."""
    rng = random.Random(2026)
    rows = []
    for number in range(people):
        first, last, often = rng.randint(0, 200), rng.choice([-9, 0, 3, 20, 60]), rng.choice([1, 4, 20])
        for age in {rng.randint(min(first, last), max(first, last)) for _ in range(often)}:
            act = rng.choice(
                [{}, {"create": 1}, {"comment": 2}, {"share": 1}, {"react": 1}, {"pay": 1, "net": Decimal(25)}]
            )
            rows += days([age], f"u{number}", active=1, **act)
    return rows


def test_sizes_and_moves_are_those_of_two_recounts_a_week_apart():
    rows = crowd(150)
    found = sizes(rows).set_index(["dimension", "tier"])
    now, before = (plain_segments.tiers(rows, {}, TODAY - timedelta(days=back), rules()) for back in (0, 7))
    assert found["came"].gt(0).sum() > 12 and found["left"].gt(0).sum() > 8
    for (dimension, tier), row in found.iterrows():
        people, earlier = ({name for name, own in week.items() if own[dimension] == tier} for week in (now, before))
        assert (row["people"], row["before"]) == (len(people), len(earlier))
        assert (row["came"], row["left"]) == (len(people - earlier), len(earlier - people))
        assert row["people"] - row["before"] == row["came"] - row["left"]
        assert row["share"] == pytest.approx(len(people) / len(now))


def test_every_pair_of_tiers_is_in_the_cross_table_and_everybody_once():
    rows = [*days(range(14), "a", active=1, create=1), *days([3], "b", active=1), *days([90], "c", active=1)]
    given = (made.first_seen(rows), made.table("user_day", rows), None)
    found = segments.cross(segments.tiers(*given, last_day=TODAY, rules=rules()), "activity", "contribution")
    assert len(found) == 4 * 6 and found["people"].sum() == 3
    cell = found.set_index(["activity", "contribution"])["people"]
    assert (cell["high", "creator"], cell["low", "reader"], cell["none", "none"], cell["medium", "creator"]) == (
        1,
        1,
        1,
        0,
    )


def test_tiers_of_nobody_have_unknown_shares():
    found = sizes([])
    assert found["people"].eq(0).all() and found["share"].isna().all()
    assert segments.summary(found) == {"people": 0, "a week ago": 0}
