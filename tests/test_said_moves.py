"""What is said of moves: words that agree with the numbers, and nothing from which a small group could be worked out."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pytest

from helpers.segments import between, reasons
from helpers.segments.tables import TIERS
from helpers.segments.value import SCORES
from helpers.show import words
from helpers.show.said import moves as said

WEEKS = pd.to_datetime(["2026-02-23", "2026-03-02"])
KEYS = (
    reasons.NEW, reasons.LIMIT, "more active days", "fewer active days", "first payment", "paid again", "paid more",
    "likelier to pay", "refund", "payments too old", "less likely to pay", "no visit", "first visit", "came back",
    "first payment over", "no longer new", *(f"{name.removesuffix('_score')} {way}" for name in SCORES for way in ("up", "down")),
    *(f"{tier} {way}" for tier in TIERS["contribution"][:-1] for way in ("came", "gone")),
)  # fmt: skip


def flows(*rows: tuple, dimension: str = "activity", week: pd.Timestamp = WEEKS[1]) -> pd.DataFrame:
    columns = ["from", "to", "kind", "people", "reason"]
    made = pd.DataFrame([(*row, None)[:5] for row in rows], columns=columns)
    return made.assign(dimension=dimension, week=week, net=Decimal(1), reason_people=made["people"])


STAYED = [("high", "high", "stayed", 500), ("low", "low", "stayed", 700), ("none", "none", "stayed", 900)]


@pytest.mark.parametrize(
    "up, down, told",
    [(200, 100, "clearly more up than down"), (100, 200, "clearly more down than up"), (101, 100, "no clear difference")],
)
def test_whether_more_rose_than_fell_is_told_from_the_interval(up, down, told):
    own = flows(*STAYED, ("low", "high", "upgraded", up, "more active days"), ("high", "low", "fell", down, "fewer active days"))
    assert told in said.moves(own, "activity")


def test_of_few_people_and_of_no_moves_no_direction_is_told():
    few = flows(*STAYED, ("low", "high", "upgraded", 3, "more active days"), ("high", "low", "fell", 90, "fewer active days"))
    assert said.moves(few, "activity") == words.word("finding.too_few")
    assert "nobody moved" in said.moves(flows(*STAYED), "activity")


def test_a_move_of_few_people_is_left_out_and_so_is_one_that_would_give_it_away():
    own = flows(
        *STAYED, ("low", "high", "upgraded", 4, "more active days"), ("none", "high", "upgraded", 60, "more active days"),
        ("high", "low", "fell", 80, "fewer active days"), ("none", "low", "upgraded", 70, "more active days"),
    )  # fmt: skip
    shown = said.shown(own, "activity")
    assert 4 not in set(shown["people"]) and len(shown) < 3
    assert "4 " not in said.reasons(own, "activity")


def test_the_largest_move_is_told_with_its_reason_and_newcomers_are_no_move():
    own = flows(
        *STAYED, ("outside", "low", "entered", 400, "newly known"), ("high", "low", "fell", 80, "fewer active days"),
        ("low", "none", "fell", 90, "fewer active days"), ("none", "high", "upgraded", 70, "more active days"),
    )  # fmt: skip
    told = said.reasons(own, "activity")
    assert "90 people from low to none" in told and "fewer days" in told
    assert list(said.shown(own, "activity")["people"]) == [400, 90, 80, 70]
    assert said.shown(own, "activity")["step"].iloc[0] == "not known before to low"


def test_only_the_last_week_is_told_and_the_figure_has_every_week():
    own = pd.concat([
        flows(("low", "high", "upgraded", 50, "more active days"), week=WEEKS[0]),
        flows(*STAYED, ("high", "low", "fell", 60, "fewer active days")),
    ])  # fmt: skip
    assert list(said.shown(own, "activity")["people"]) == [60]
    weeks = said.balance(own, "activity")
    assert weeks[["upgraded", "fell", "entered"]].values.tolist() == [[50, 0, 0], [0, 60, 0]]
    found = between(own, "activity").set_index(["from", "to"])["people"]
    assert (found["high", "low"], found["low", "high"], found.sum()) == (60, 0, 2160)


@pytest.mark.parametrize("key", KEYS)
def test_every_reason_has_words(key):
    assert said.reason(key) and "_" not in said.reason(key)


def test_who_stayed_has_no_reason():
    assert said.reason(None) == said.reason(float("nan")) == ""


def test_every_class_has_its_chinese_name():
    names = [words.tier(name)[:4] for name in TIERS["rfm_class"][:-1]]
    assert names == ["重要价值", "重要发展", "重要保持", "重要挽留", "一般价值", "一般发展", "一般保持", "一般挽留"]


def classes(people: list[int], net: list[int]) -> pd.DataFrame:
    names = TIERS["rfm_class"][: len(people)]
    made = pd.DataFrame({"what": "rfm_class", "level": names, "people": people, "net": list(map(Decimal, net))})
    return made.assign(share=made["people"] / (made["people"].sum() or 1))


def test_the_class_of_most_people_and_that_of_most_money_are_told():
    told = said.classes(classes([20, 80], [300, 100]))
    assert "一般" not in told and "重要发展" in told and "80.0 %" in told and "重要价值" in told and "75.0 %" in told
    assert "net amount" not in said.classes(classes([20, 80], [0, 0]))
    assert "net amount" not in said.classes(classes([4, 80], [300, 100]))
    assert said.classes(classes([0, 0], [0, 0])) == words.word("finding.too_few")


def test_the_largest_named_segment_is_told_against_the_week_before():
    sizes = pd.DataFrame({"segment": ["core", "gone"], "people": [40, 6], "before": [50, 6], "share": [0.1, 0.01]})
    assert said.named(sizes).startswith("core: 40 people (10.0 %), 10 fewer")
    assert said.named(sizes.iloc[1:]) == words.word("finding.too_few")
