"""Everyone's own rhythm and the losses that follow from it, against a recount person by person."""

from __future__ import annotations

from datetime import date

import made
import plain_survival
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import contracts
from helpers.retention.lives.rhythm import losses, rhythms

LAST, LIMITS = made.day(139), {"lost": 42}
VISITS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.sets(st.integers(0, 150), max_size=45).map(lambda days: {made.day(at) for at in days}),
    max_size=6,
)


def rows(days: plain_survival.Days) -> list[dict]:
    """Active days, and a payment of somebody who is never active, which must count for nothing."""
    known = [{"user_id": user, "day": day, "active": 1} for user, own in days.items() for day in own]
    return [*known, {"user_id": "only pays", "day": made.day(3), "pay": 1}]


def rhythms_of(days: plain_survival.Days, last_day: date = LAST):
    return rhythms(made.table("user_day", rows(days)), last_day=last_day, limits=LIMITS)


def losses_of(days: plain_survival.Days):
    return losses(rhythms_of(days), made.table("user_day", rows(days)), last_day=LAST, limits=LIMITS).set_index("rule")


@pytest.fixture(scope="module")
def prepared():
    return made.Prepared(lambda user_day: rhythms(user_day, last_day=LAST, limits=LIMITS), user_day="user_day")


@given(VISITS)
@settings(made.AS_FOUND, max_examples=25)
def test_rhythms_are_those_of_a_recount(prepared, days):
    found = {row["user_id"]: tuple(row.values())[1:] for row in prepared(user_day=rows(days))}
    assert found == plain_survival.rhythms(days, LAST, 42)


def every(step: int, times: int, start: int = 0) -> set[date]:
    return {made.day(start + step * at) for at in range(times)}


def test_who_comes_often_is_lost_sooner_and_of_few_silences_all_are_taken_together():
    days = {"daily": every(1, 60), "fortnightly": every(14, 7), "weekly": every(7, 15), "once": {made.day(5)}}
    found = made.records(rhythms_of(days))
    assert {user: row["limit_days"] for user, row in found.items()} == {"daily": 7, "fortnightly": 13, "weekly": 13, "once": 13}
    assert [user for user, row in found.items() if not row["pooled"]] == ["daily"]


def test_an_own_silence_in_twenty_does_not_make_the_limit_and_two_do():
    one = every(1, 19) | {made.day(18 + 31), made.day(18 + 32)}  # 20 silences, one of them of 30 days
    two = every(1, 18) | {made.day(17 + 31), made.day(17 + 62), made.day(17 + 63)}  # two of them
    found = made.records(rhythms_of({"one": one, "two": two}))
    assert (found["one"]["silences"], found["one"]["limit_days"], found["one"]["own_end"]) == (20, 7, made.day(18))
    assert (found["two"]["silences"], found["two"]["limit_days"], found["two"]["own_end"]) == (20, 30, made.day(80))


@pytest.mark.parametrize("silent, is_lost", [(42, False), (43, True)])
def test_a_loss_begins_with_one_silent_day_more_than_the_limit_and_is_not_taken_back(silent, is_lost):
    back = {made.day(3), made.day(3 + silent + 1)}  # active again after so many silent days
    end = made.records(rhythms_of({"u": back}))["u"]["fixed_end"]
    assert end == (made.day(3) if is_lost else made.day(3 + silent + 1))
    waiting = made.records(rhythms_of({"u": {made.day(3)}}, made.day(3 + silent)))["u"]["fixed_end"]
    assert waiting == (made.day(3) if is_lost else None)


def test_where_hardly_any_silence_is_known_the_fixed_rule_serves():
    assert made.records(rhythms_of({"a": every(3, 5), "b": {made.day(1)}}))["a"]["limit_days"] == 42


def test_the_silence_at_the_end_is_none_yet_and_later_days_change_nothing():
    days = {"a": every(2, 30), "b": every(5, 25)}
    then = made.records(rhythms_of(days, made.day(58)))
    later = made.records(rhythms_of({user: {*own, made.day(130)} for user, own in days.items()}, made.day(58)))
    assert then == later and then["a"]["silences"] == 29


@given(VISITS)
@settings(made.AS_FOUND, max_examples=5)
def test_losses_are_those_of_a_recount(days):
    found = losses_of(days)
    expected = plain_survival.losses(days, LAST, 42)
    for rule in ("own", "fixed"):
        assert tuple(found.loc[rule, ["lost", "lost_before", "back"]]) == expected[rule]
    assert found["people"].eq(len(plain_survival.rhythms(days, LAST, 42))).all()


def test_who_comes_back_after_a_loss_is_told_with_an_interval_that_holds_the_share():
    days = {f"u{at}": every(3, 10) | ({made.day(120)} if at < 6 else set()) for at in range(40)}
    found = losses_of(days)
    assert (found.loc["fixed", "lost_before"], found.loc["fixed", "back"]) == (40, 6)
    assert found.loc["fixed", "low"] < 0.15 < found.loc["fixed", "high"]
    assert list(contracts.find("losses").columns) == ["rule", *found.columns]
