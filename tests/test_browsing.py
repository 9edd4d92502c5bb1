"""What cells that explore are made of: cubes that say the same as the analysis itself, and examples that give nothing away."""

from __future__ import annotations

import made
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_distinct import crowd

from helpers import cleaning, portraits, segments
from helpers.cleaning import browsing


def test_the_cube_of_all_groups_says_what_each_group_says_alone():
    people = made.table("portraits", crowd(90, seed=4))
    ids = [row["user_id"] for row in crowd(90, seed=4)]
    rows = [{"user_id": name, "group": group} for group, every in (("a", 2), ("b", 5)) for name in ids[::every]]
    import ibis

    groups = ibis.memtable(pd.DataFrame(rows))
    cube = portraits.apart(people, groups, ["a", "b"])
    for name in ("a", "b"):
        alone = portraits.distinctive(people, groups.filter(groups.group == name), segment=name)
        pd.testing.assert_frame_equal(portraits.distinctive_of(cube, name), alone, check_dtype=False)
        beside = portraits.beside(cube, name)
        assert beside["people"].tolist() == [len(ids[:: {"a": 2, "b": 5}[name]]), 90 - len(ids[:: {"a": 2, "b": 5}[name]])]
        assert beside["share"].sum() == pytest.approx(1)


def test_who_meets_a_condition_and_who_does_not_are_everybody():
    tiers = [{"user_id": f"u{at}", "activity": "high" if at < 3 else "none", "active_days": at} for at in range(10)]
    now = made.table("segments", tiers)
    before = made.table("segments", [row | {"activity": "high"} for row in tiers[:5]])
    found = segments.built(now, before, "activity = 'high' OR away_days > 3").set_index("who")
    assert found["people"].tolist() == [3, 7] and found["before"].tolist() == [5, 0]
    assert found["came"].tolist() == [0, 7] and found["left"].tolist() == [2, 0]


@settings(deadline=None)
@given(st.text(max_size=200))
def test_the_form_of_a_row_gives_none_of_its_letters_and_digits_away(text):
    shown = browsing.form(text)
    assert {letter for letter in shown if letter.isalnum()} <= set("aA9文") and shown.isprintable()


def test_examples_tell_the_place_and_the_form_of_the_first_rows_of_a_reason():
    rows = [
        {"source_file": "e.csv", "line": at, "column": "ts", "code": "E1203", "reason": reason,
         "raw_line": f"u{at},2026-13-0{at}"}
        for at, reason in enumerate(["bad_time", "ragged", "bad_time", "bad_time"], start=2)
    ]
    found = cleaning.examples(made.table("quarantine", rows), "e.csv", "bad_time", most=2)
    assert found["line"].tolist() == [2, 4] and found["form"].tolist() == ["a9,9999-99-99"] * 2
