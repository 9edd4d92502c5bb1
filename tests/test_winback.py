"""Win-back: against statsmodels, sets counted in plain Python and the planted truth; no holdout, no figure."""

from __future__ import annotations

import math
import random
from datetime import date
from decimal import Decimal

import ibis
import made
import numpy as np
import pandas as pd
import pytest
import raw_sample
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportions_ztest

from helpers import contracts, retention
from helpers.errors import InputError
from helpers.runs import checks
from helpers.show.said import warning as said

COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
LAST = made.day(40)
CONTACTS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["spring", "autumn"]), st.integers(0, 45),
              st.sampled_from(["touched", "holdout"])),
    max_size=16, unique_by=lambda row: row[:2],
)  # fmt: skip
VISITS = st.sets(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 45)), max_size=30)


def contacts(rows) -> ibis.Table:
    """Of user, campaign, day and arm, each contact at a cost of 2."""
    rows = [{"user_id": user, "campaign": name, "day": made.day(at), "arm": arm} for user, name, at, arm in rows]
    return made.table("touches", [row | {"cost": Decimal(2)} for row in rows])


def visited(visits) -> ibis.Table:
    return made.table("user_day", [{"user_id": user, "day": made.day(at), "active": 1} for user, at in visits])


def crowd(share: float, base: float, *, people: int = 400, campaign: str = "spring", first: int = 10) -> tuple[list, set]:
    """Contacts and visits of two arms of which so many come back on the fifth day."""
    rows, visits = [], set()
    for arm, chance in (("touched", share), ("holdout", base)):
        for at in range(people):
            user = f"{campaign}-{arm}-{at}"
            rows.append((user, campaign, first, arm))
            visits |= {(user, first + 5)} if at < chance * people else set()
    return rows, visits


@given(COUNTS, COUNTS, st.integers(0, 500))
def test_z_is_that_of_statsmodels_and_p_interval_and_cost_say_the_same(touched, holdout, cost):
    (n, k), (n_held, k_held) = touched, holdout
    found = retention.incremental(n, k, n_held, k_held, cost=cost)
    if 0 < k + k_held < n + n_held:
        assert found.z == pytest.approx(proportions_ztest([k, k_held], [n, n_held])[0], abs=1e-6)
    assert found.lift == pytest.approx(k / n - k_held / n_held) and found.incremental == pytest.approx(found.lift * n)
    assert found.low - 1e-9 <= found.lift <= found.high + 1e-9
    if abs(found.p - 0.05) > 1e-9:
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)
    assert math.isnan(found.cost_incremental) == (k * n_held <= k_held * n) and math.isnan(found.cost_naive) == (k == 0)
    assert math.isnan(found.cost_high) == (not found.low > 0)
    if found.low > 0:
        assert found.cost_low <= found.cost_incremental <= found.cost_high and found.cost_naive <= found.cost_incremental + 1e-9


def test_an_empty_arm_leaves_everything_undefined_but_the_naive_figure():
    found = retention.incremental(50, 5, 0, 0, cost=100)
    assert (found.share, found.cost_naive) == (0.1, 20)
    assert all(math.isnan(value) for name, value in found._asdict().items() if name not in ("share", "cost_naive"))


@given(CONTACTS, VISITS)
@settings(made.AS_FOUND, max_examples=6)
def test_returns_are_those_that_plain_python_counts(rows, visits):
    found = retention.winback(contacts(rows), visited(visits), last_day=LAST, days=7).set_index("campaign").to_dict("index")
    known = [row for row in rows if row[2] <= 40]
    assert set(found) == {campaign for _, campaign, _, _ in known}
    for name, own in found.items():
        mine = [row for row in known if row[1] == name]
        closed = [row for row in mine if row[2] + 7 <= 40]
        assert own["open"] == len(mine) - len(closed)
        for arm, people, back in (("touched", "touched", "returned"), ("holdout", "holdout", "returned_holdout")):
            chosen = [(user, at) for user, _, at, side in closed if side == arm]
            assert own[people] == len(chosen)
            assert own[back] == sum(any((user, at + after) in visits for after in range(1, 8)) for user, at in chosen)
        asked = sum(row[3] == "touched" for row in closed)
        assert (own["cost"] or 0) == 2 * asked
        silence = [min((at - day for who, day in visits if who == user and day < at), default=None)
                   for user, _, at, side in closed if side == "touched"]  # fmt: skip
        silence = [days for days in silence if days is not None]
        assert own["away"] == pytest.approx(np.mean(silence), nan_ok=True) if silence else math.isnan(own["away"])


def test_a_source_may_call_its_arms_in_several_ways_and_whoever_is_in_both_is_neither():
    rows = [
        ("a", "spring", " Holdout", 3.0), ("b", "spring", "control", None), ("c", "spring", "sms", 2.5),
        ("d", "spring", None, 1.0), ("e", "spring", "sms", 2.0), ("e", "spring", "HOLDOUT", 9.0), ("f", "spring", "sms", 1.0),
        ("f", "spring", "mail", 1.5), ("f", "autumn", "holdout", None),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["user_id", "campaign", "arm", "cost"]).assign(touched_day=made.day(3))
    frame.loc[7, "touched_day"] = made.day(1)
    table = made.backend().create_table("sent", frame.astype({"arm": "string", "cost": "float64"}), overwrite=True)
    found = retention.touches(table.mutate(touched_day=table.touched_day.cast("date"), cost=table.cost.cast("decimal(28, 4)")))
    checks.check_rows(contracts.find("touches"), checks.conform(contracts.find("touches"), found))
    got = {(row["user_id"], row["campaign"]): row for row in found.to_pyarrow().to_pylist()}
    arms = {user: got[user, "spring"]["arm"] for user in "abcdef"}
    assert arms == {"a": "holdout", "b": "holdout", "c": "touched", "d": "touched", "e": "both", "f": "touched"}
    assert [got[user, "spring"]["cost"] for user in "acef"] == [None, Decimal("2.5"), Decimal(2), Decimal("2.5")]
    assert got["f", "spring"]["day"] == made.day(1) and got["f", "autumn"]["arm"] == "holdout"


def test_without_a_holdout_only_the_naive_figure_is_there_and_the_words_say_so():
    rows, visits = crowd(0.2, 0.1)
    found = retention.winback(contacts([row for row in rows if row[3] == "touched"]), visited(visits), last_day=LAST)
    one = found.iloc[0]
    assert one["refused"] == "no_holdout" and one["share"] == 0.2 and math.isnan(one["lift"])
    assert "nobody was held out" in said.brought(found) and "20.0 %" in said.brought(found)
    assert said.alike(found).startswith("Whether the arms were alike")
    assert said.cost(found).startswith("No campaign")


def test_contacts_of_which_the_days_are_not_over_are_not_judged():
    rows, visits = crowd(0.2, 0.1, first=30)
    found = retention.winback(contacts(rows), visited(visits), last_day=LAST)
    assert found["refused"].tolist() == ["open"] and found["open"].tolist() == [800] and "are not over" in said.brought(found)


def test_words_follow_the_interval():
    for share, base, start in ((0.2, 0.1, "+10.0 points"), (0.1, 0.2, "kept people away"), (0.2, 0.2, "no clear change")):
        rows, visits = crowd(share, base)
        found = retention.winback(contacts(rows), visited(visits), last_day=LAST)
        assert start in said.brought(found)
        assert ("by those who would not have" in said.cost(found)) == (share > base)


def test_arms_that_were_not_alike_before_are_told():
    rows, visits = crowd(0.2, 0.2)
    visits |= {(user, 5 + at % 5 if arm == "touched" else at % 5) for at, (user, _, _, arm) in enumerate(rows)}
    even = {(user, 1 + at % 8) for at, (user, *_) in enumerate(rows)}
    assert "spring" in said.alike(retention.winback(contacts(rows), visited(visits), last_day=LAST))
    assert said.alike(retention.winback(contacts(rows), visited(even), last_day=LAST)).startswith("Before the contact both")


def test_order_pseudonyms_and_later_days_change_nothing():
    rows, visits = crowd(0.3, 0.1, people=60)
    more = crowd(0.2, 0.1, people=60, campaign="autumn")
    rows, visits = rows + more[0], visits | more[1]
    whole = retention.winback(contacts(rows), visited(visits), last_day=LAST)
    names = sorted({row[0] for row in rows})
    rng = random.Random(4)
    other = dict(zip(names, rng.sample(range(10_000), len(names)), strict=True))
    changed = [(f"x{other[user]}", *rest) for user, *rest in rows]
    rng.shuffle(changed)
    later = {(f"x{other[user]}", at) for user, at in visits} | {(f"x{other[name]}", 44) for name in names}
    again = retention.winback(contacts([*changed, ("new", "summer", 44, "touched")]), visited(later), last_day=LAST)
    pd.testing.assert_frame_equal(whole, again, check_exact=True)
    assert whole["campaign"].tolist() == ["autumn", "spring"]
    assert len(checks.to_arrow(contracts.find("winback"), whole)) == 2


def test_nobody_contacted_is_an_empty_table_and_a_return_needs_a_day():
    nothing = retention.winback(contacts([]), visited({("a", 1)}), last_day=LAST)
    assert nothing.empty and said.brought(nothing).startswith("no campaign")
    assert len(checks.to_arrow(contracts.find("winback"), nothing)) == 0
    with pytest.raises(InputError, match="days is 0"):
        retention.winback(contacts([]), visited({("a", 1)}), last_day=LAST, days=0)


@pytest.mark.parametrize("null", [False, pytest.param(True, marks=pytest.mark.hard)])
def test_the_planted_win_back_is_recovered(tmp_path, null):
    from helpers.sources import sample

    told = sample.build(tmp_path / "raw", null=null)["winback"]
    sent = pd.read_csv(tmp_path / "raw" / "touches.csv", dtype=str)
    rows = [(u, c, (date.fromisoformat(t[:10]) - made.MONDAY).days, a) for u, c, t, a in
            zip(sent["uid"], sent["campaign"], sent["touched_at"], sent["arm"], strict=True)]  # fmt: skip
    asked, visits = set(sent["uid"]), set()
    for month in ("2026-02", "2026-03"):
        for line in (tmp_path / "raw" / "events" / f"{month}.csv").read_text("utf-8").splitlines()[1:]:
            user, when, kind, *_ = line.split(",") + [""] * 2
            if user in asked and kind in raw_sample.ACTIVE and raw_sample.fault(line) is None:
                visits.add((user, (date.fromisoformat(when[:10]) - made.MONDAY).days))
    found = retention.winback(contacts(rows), visited(visits), last_day=date(2026, 3, 8), days=told["window_days"]).iloc[0]
    arms = {"touched": {"members": found["touched"], "returned": found["returned"]},
            "holdout": {"members": found["holdout"], "returned": found["returned_holdout"]}}  # fmt: skip
    assert arms == told["arms"]
    assert found["low"] <= told["effect"] <= found["high"] and (found["low"] > 0) == (not null)
