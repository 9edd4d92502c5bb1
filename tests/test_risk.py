"""The risk of being lost and the list of the warned: against plain Python and a truth that is known; refused where it must be."""

from __future__ import annotations

import math
import random
from datetime import timedelta
from decimal import Decimal

import ibis
import made
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import contracts, retention
from helpers.retention.leaving import risk
from helpers.retention.leaving.past import by_span
from helpers.runs import checks
from helpers.segments.tables import DIMENSIONS
from helpers.show.said import warning as said

LAST = made.day(5 * 28 - 1)
ENDS = [LAST, LAST - timedelta(days=28), LAST - timedelta(days=56), LAST - timedelta(days=84)]
FEW = st.integers(0, 3)
DAYS = st.fixed_dictionaries(
    {"user_id": st.sampled_from("abcdef"), "day": st.integers(0, 150).map(made.day), "active": FEW},
    optional={"dwell_s": st.integers(0, 900)} | dict.fromkeys(["sessions", "create", "comment", "share", "react", "pay"], FEW),
)  # fmt: skip
TABLES = st.lists(DAYS, max_size=50, unique_by=lambda row: (row["user_id"], row["day"]))


def crowd(people: int, *, seed: int = 1, leaving: float = 0.15, blocks: int = 5) -> list[dict]:
    """Members who come on some days of each 28 and leave for good after a block, the likelier the more seldom they come."""
    rng, rows = random.Random(seed), []
    for number in range(people):
        often, stays = rng.choice([2, 6, 14]), True
        for block in range(rng.randrange(blocks) if number % 3 else 0, blocks):
            chosen = rng.sample(range(28), often) if stays else []
            rows += [{"user_id": f"u{number:04d}", "day": made.day(28 * block + at), "active": 1, "sessions": 1, "react": at % 2}
                     for at in chosen]  # fmt: skip
            stays = stays and rng.random() > leaving * 6 / often
    return [*rows, {"user_id": "first", "day": made.day(0), "active": 1}]


def tiers(rows: list[dict]) -> ibis.Table:
    users = sorted({row["user_id"] for row in rows})
    named = [{name: "high" if name in ("activity", "value") else "payer" for name in DIMENSIONS} for _ in users]
    return made.table("segments", [
        {"user_id": user, "net_90": Decimal(user[1:] if user[1:].isdecimal() else 0), "rfm_class": "x"} | tier | (
            {"contribution": "reader", "lifecycle": "active"}) for user, tier in zip(users, named, strict=True)
    ])  # fmt: skip


def warned(rows: list[dict], last_day=LAST) -> retention.warning.Warnings:
    return retention.warnings(made.first_seen(rows), made.table("user_day", rows), tiers(rows), last_day=last_day)


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return crowd(700)


@pytest.fixture(scope="module")
def found(rows):
    return warned(rows)


def plain(rows: list[dict], day) -> dict[str, dict]:
    """Who was active in the 28 days up to a day, with the features and what came of it."""
    known = {}
    for name in {row["user_id"] for row in rows}:
        own = [row | {"age": (day - row["day"]).days} for row in rows if row["user_id"] == name]
        past = [row for row in own if 0 <= row["age"] < 56]
        recent = [row for row in past if row["age"] < 28]
        active = [row["age"] for row in past if row["active"]]
        if not any(age < 28 for age in active):
            continue
        first = max(row["age"] for row in own if row["active"])
        week = sum(age < 7 for age in active)
        known[name] = {
            "active_days": sum(age < 28 for age in active), "active_days_before": sum(age >= 28 for age in active),
            "last_week": week, "missed": int(week == 0), "dwell_minutes": sum(row.get("dwell_s", 0) for row in recent) / 60,
            **{what: sum(row.get(what, 0) for row in recent) for what in risk.SUMS}, "away": min(active),
            "tenure": min(first, 55), "tenure_days": first, "pay_days": sum(row.get("pay", 0) > 0 for row in past),
            "acts": sum(row.get(what, 0) for row in recent for what in risk.SUMS[1:]),
            "lost": not any(row["active"] for row in own if -28 <= row["age"] < 0),
        }  # fmt: skip
    return known


@given(TABLES)
@settings(made.AS_FOUND, max_examples=5)
def test_members_are_described_as_plain_python_does(rows):
    spans = by_span(made.table("user_day", rows), last_day=LAST)
    got = risk.described(made.first_seen(rows), spans, ENDS[:2]).to_pyarrow().to_pylist()
    for nth, day in enumerate(ENDS[:2]):
        own = {row["user_id"]: row for row in got if row["nth"] == nth}
        expected = plain(rows, day)
        assert set(own) == set(expected)
        for name, known in expected.items():
            assert {what: own[name][what] for what in known} == pytest.approx(known)


def test_the_risk_is_the_logistic_of_the_weights_and_half_of_it_or_more_is_warned_of(rows, found):
    listed, known, model = made.records(found.people), plain(rows, LAST), found.model
    chances = {}
    for name, own in known.items():
        odds = model.intercept + sum(model.weights[what] * math.log(1 + own[what]) for what in risk.FEATURES)
        chances[name] = 1 / (1 + math.exp(-odds))
    tired = set(found.fatigue.filter(ibis._.tired).to_pandas()["user_id"])
    assert set(listed) == {name for name, chance in chances.items() if chance >= 0.5} | tired and listed
    for name, row in listed.items():
        assert row["chance"] == pytest.approx(chances[name], abs=2e-9)
    whole = found.tiers.set_index(["dimension", "tier"]).loc[("all", "all")]
    assert (whole["people"], whole["warned"]) == (len(known), len(listed))
    assert whole["expected"] == pytest.approx(sum(chances.values()), abs=1e-6)
    assert whole["net"] == sum(row["net_90"] for row in listed.values())


def test_every_dimension_adds_up_to_all(found):
    sums = found.tiers.groupby("dimension")[["people", "warned"]].sum()
    assert (sums == sums.loc["all"]).all(axis=None) and set(sums.index) == {"all", *DIMENSIONS}
    assert found.reasons["people"].sum() == sums.loc["all", "warned"] and found.reasons["share"].sum() == pytest.approx(1)


@pytest.mark.hard
def test_what_is_promised_is_kept_on_a_window_that_the_model_has_not_seen(rows, found):
    verdict, known = found.model.verdict.iloc[0], plain(rows, ENDS[1])
    assert (verdict["people"], verdict["lost"]) == (len(known), sum(own["lost"] for own in known.values()))
    assert (verdict["tested_from"], verdict["tested_until"]) == (ENDS[1] + timedelta(days=1), LAST)
    learned = [own for day in ENDS[2:] for own in plain(rows, day).values()]
    assert (verdict["learned_people"], verdict["learned_lost"]) == (len(learned), sum(own["lost"] for own in learned))
    assert found.model.refused == "" and verdict["low"] <= verdict["promised"] <= verdict["high"] and verdict["auc_low"] > 0.6
    assert verdict["brier"] < verdict["brier_base"]


def test_last_months_warned_are_counted_by_what_they_did_since(rows, found):
    kept, known = found.kept.set_index("group"), plain(rows, ENDS[1])
    assert (kept.loc["all", "people"], kept.loc["all", "lost"]) == (len(known), sum(own["lost"] for own in known.values()))
    assert (kept.loc["warned"] + kept.loc["others"])[["people", "lost"]].tolist() == kept.loc["all", ["people", "lost"]].tolist()
    model = found.model
    likely = {name for name, own in known.items()
              if model.intercept + sum(model.weights[what] * math.log(1 + own[what]) for what in risk.FEATURES) >= 0}  # fmt: skip
    assert kept.loc["likely", ["people", "lost"]].tolist() == [len(likely), sum(known[name]["lost"] for name in likely)]
    assert kept.loc["warned", "low"] > kept.loc["others", "high"] and "did not come again" in said.kept(found.kept)


def test_reasons_are_words_with_the_members_own_values(rows, found):
    known = plain(rows, LAST)
    for name, row in made.records(found.people).items():
        own = known[name]
        start = f"active on {own['active_days']} of the last 28 days, on {own['active_days_before']} of the 28 before, "
        assert row["reasons"].startswith(start + f"last {own['away']} day")
        assert "None" not in row["reasons"] and " 1 days" not in row["reasons"]
        if row["leading"] == "silent":
            assert own["away"] >= 7
        if "first here" in row["reasons"]:
            assert f"first here {own['tenure_days']} day" in row["reasons"]


def test_a_member_who_tires_is_warned_of_whatever_the_risk():
    steady = [{"user_id": f"s{n}", "day": made.day(at), "active": 1} for n in range(8) for at in range(n, 140, 2)]
    falling = [{"user_id": "falling", "day": made.day(at), "active": 1} for at in [*range(0, 112, 2), 120, 138]]
    found = warned(steady + falling)
    listed = made.records(found.people)
    assert found.model.refused == "few_lost" and set(listed) == {"falling"}
    assert listed["falling"]["chance"] is None and listed["falling"]["leading"] == "tired"
    assert listed["falling"]["reasons"].endswith("; 14.0 active days in 28 were usual")


def same(first, second) -> None:
    assert (first.model.refused, first.model.weights, first.model.intercept) == (
        second.model.refused, second.model.weights, second.model.intercept)  # fmt: skip
    worth = ["net", "net_all", "net_share"]  # the tests' own amounts follow from names
    for name in ("kept", "reasons", "tiers"):
        frames = [getattr(one, name).drop(columns=worth, errors="ignore") for one in (first, second)]
        pd.testing.assert_frame_equal(*frames, check_exact=True)
    pd.testing.assert_frame_equal(first.model.verdict, second.model.verdict, check_exact=True)


@pytest.mark.parametrize("most", [risk.MOST_PEOPLE, 60])
def test_order_pseudonyms_and_later_days_change_nothing(rows, found, most, monkeypatch):
    monkeypatch.setattr(risk, "MOST_PEOPLE", most)
    rng = random.Random(9)
    names = sorted({row["user_id"] for row in rows})
    other = dict(zip(names, rng.sample([f"x{number}" for number in range(9999)], len(names)), strict=True))
    changed = [row | {"user_id": other[row["user_id"]]} for row in rows]
    changed += [row | {"day": row["day"] + timedelta(days=140)} for row in changed[:300]]
    rng.shuffle(changed)
    same(warned(changed), warned(rows) if most == 60 else found)


def test_of_too_many_members_some_stand_for_all(rows, found, monkeypatch):
    monkeypatch.setattr(risk, "MOST_PEOPLE", 60)
    fewer, whole = warned(rows).model.verdict.iloc[0], found.model.verdict.iloc[0]
    counts = ["people", "lost", "learned_people", "learned_lost"]
    assert fewer[counts].tolist() == whole[counts].tolist() and abs(fewer["promised"] - whole["promised"]) < 0.06




REFUSED = {
    "short_history": lambda: [row for row in crowd(60) if row["day"] >= made.day(29)],
    "few_lost": lambda: crowd(100, leaving=0.0),
    "few_stayed": lambda: [{"user_id": f"{block}-{n}", "day": made.day(28 * block + n % 28), "active": 1}
                           for block in range(5) for n in range(40)],
    "few_tested": lambda: [*crowd(300), *({"user_id": f"u{n:04d}", "day": made.day(139), "active": 1} for n in range(300))],
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_a_model_that_cannot_be_believed_is_refused_with_its_reason(why):
    found = warned(REFUSED[why]())
    assert found.model.refused == found.model.verdict["refused"].iloc[0] == why
    assert "{" not in said.calibrated(found.model.verdict) and said.calibrated(found.model.verdict)
    assert found.people.filter(ibis._.chance.notnull()).count().to_pandas() == 0
    assert found.tiers["expected"].isna().all()


def test_everything_said_keeps_its_contract_also_of_an_empty_log(found):
    for one in (found, warned([])):
        small = {"at_risk_tiers": one.tiers, "at_risk_kept": one.kept, "at_risk_reasons": one.reasons,
                 "risk_model": one.model.verdict, "risk_tenths": one.model.tenths}  # fmt: skip
        for name, frame in small.items():
            assert len(checks.to_arrow(contracts.find(name), frame)) == len(frame)
        for name, table in {"at_risk": one.people, "fatigue": one.fatigue}.items():
            checks.check_rows(contracts.find(name), checks.conform(contracts.find(name), table))


def test_words_follow_the_intervals_and_small_groups_are_not_told(found):
    assert "are about to be lost" in said.title(found.tiers) and "no clear difference" in said.calibrated(found.model.verdict)
    few = found.tiers.assign(smallest=np.where(found.tiers["dimension"] == "all", 4, found.tiers["smallest"]))
    assert "about to be lost" not in said.title(few)
    vague = found.kept.assign(low=0.0, high=1.0)
    assert said.kept(vague).startswith("No clear difference")
    promised = found.model.verdict
    assert "too much" in said.calibrated(promised.assign(promised=promised["high"] + 0.1))
    lone = pd.DataFrame({"leading": ["silent", "young"], "people": [500, 8], "share": [0.98, 0.02]})
    assert "500" not in said.commonest(lone) and "500" in said.commonest(lone.assign(people=[500, 80]))
