"""Limits against what people do, stays in tiers and gaps between active days: each against a recount in plain Python."""

from __future__ import annotations

import math
import random
import tomllib
from datetime import timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise

import made
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_segments import quantile

from helpers import paths, segments
from helpers.show.said import review as said

TODAY = made.day(400)
LIMITS = {"silent": 14, "lost": 42}
QUANTILES = {"median": 0.5, "80 %": 0.8, "90 %": 0.9, "95 %": 0.95}
FACTORS = {"as set": 1.0, "lower": 0.75, "higher": 1.25}
SCORE = st.integers(1, 5)
PERSON = st.fixed_dictionaries(
    {
        "active_days": st.integers(0, 28),
        "net_90": st.sampled_from([Decimal(x) for x in ("0", "0", "9.9", "40", "40", "-3", "800")]),
        "recency_score": SCORE, "frequency_score": SCORE, "monetary_score": SCORE, "frequency": st.integers(0, 12),
        "monetary": st.sampled_from([Decimal(x) for x in ("0", "20", "50", "75", "100.5", "301", "-9")]),
        "recency_days": st.none() | st.integers(0, 90), "away_days": st.none() | st.integers(0, 90),
    }
)  # fmt: skip


@cache
def rules() -> dict:
    """The limits as shipped."""
    return tomllib.loads((paths.DEFAULTS / "rules.toml").read_text(encoding="utf-8"))


def review(people: list[dict], own_rules: dict | None = None) -> pd.DataFrame:
    rows = [{"user_id": f"u{at}", **person} for at, person in enumerate(people)]
    return segments.limit_review(made.table("segments", rows), rules=own_rules or rules())


def values(people: list[dict], measure: str) -> list[tuple[float, Decimal]]:
    """Of everybody who has the measure: the measure, and the net amount."""
    column = {"net": "net_90", "recency": "recency_days", "silence": "away_days"}.get(measure, measure)
    scores = ("recency_score", "frequency_score", "monetary_score")
    found = [(sum(p[s] for s in scores) if measure == "score" else p[column], p["net_90"]) for p in people]
    keep_zero = measure in ("recency", "silence", "score")
    return [(float(value), net) for value, net in found if value is not None and (keep_zero or value > 0)]


def reaches(measure: str, value: float, limit: float) -> bool:
    return value <= limit if measure == "recency" else value > limit if measure == "silence" else value >= limit


def steps(people: list[dict], measure: str) -> dict[str, float]:
    """The limits of a measure, each stricter than the one before."""
    if measure == "net":
        paying = [net for _, net in values(people, "net")]
        return {"high payer": float(quantile(paying, 0.8))} if paying else {}
    known = {
        "active_days": (rules()["activity"], ("low", "medium", "high")), "score": (rules()["value"], ("mid", "high")),
        "silence": (rules()["lifecycle"], ("silent", "lost")),
    }  # fmt: skip
    if measure in known:
        section, names = known[measure]
        return {name: section[name] for name in names}
    return {str(at + 2): limit for at, limit in enumerate(rules()["value"][measure])}


@given(st.lists(PERSON, min_size=1, max_size=30))
@settings(made.AS_FOUND, max_examples=5)
def test_the_review_is_that_of_a_recount_in_plain_python(people):
    found = review(people)
    total = sum(person["net_90"] for person in people)
    for row in found.to_dict("records"):
        own = values(people, row["measure"])
        limits = steps(people, row["measure"])
        value = row["value"]
        if row["limit"]:
            assert value == pytest.approx(limits[row["limit"]] * FACTORS[row["setting"]])
        else:
            assert value == pytest.approx(float(quantile([one for one, _ in own], QUANTILES[row["setting"]])))
        stricter = list(limits)[list(limits).index(row["limit"]) + 1 :] if row["limit"] else []
        beyond = [limits[stricter[0]]] if stricter else []
        inside = [(one, net) for one, net in own if reaches(row["measure"], one, value)]
        band = [net for one, net in inside if not any(reaches(row["measure"], one, limit) for limit in beyond)]
        assert (row["of"], row["reached"], row["people"]) == (len(own), len(inside), len(band)), row
        share = float(sum(band) / total) if total > 0 else math.nan
        assert row["net_share"] == pytest.approx(share, nan_ok=True, abs=1e-9)
        assert row["below"] == pytest.approx(sum(one < value for one, _ in own) / len(own))
        assert row["at"] == pytest.approx(sum(one == value for one, _ in own) / len(own))
    measures = ("active_days", "net", "recency", "frequency", "monetary", "score", "silence")
    assert set(found["measure"]) == {name for name in measures if values(people, name)}


def test_limits_stand_beside_their_settings_and_quantiles():
    people = [dict(zip(("active_days", "net_90"), (at % 28 + 1, Decimal(at)), strict=True)) for at in range(56)]
    found = review(people)
    beside = segments.limits_beside(found).set_index(["measure", "limit"])
    high = beside.loc[("active_days", "high")]
    assert (high["value_lower"], high["value"], high["value_higher"]) == (9, 12, 15)
    assert (high["people_lower"], high["people"], high["people_higher"]) == (40, 34, 28)
    assert (high["of"], high["median"], high["95 %"]) == (56, 14.5, 27)
    assert len(beside) == (found["setting"] == "as set").sum()


def test_limits_that_are_quantiles_already_are_not_moved():
    asked = {"activity": [0.9, 0.6], "value": [0.5]}
    own = rules() | {name: rules()[name] | {"quantiles": shares} for name, shares in asked.items()}
    found = review([{"active_days": at, "recency_days": at, "monetary": Decimal(9), "frequency": at} for at in range(1, 9)], own)
    named = found[found["limit"] != ""].groupby("measure")["limit"].agg(set).to_dict()
    assert named == {"active_days": {"low"}, "score": {"mid", "high"}}


def test_a_community_of_nobody_has_no_limits_to_review():
    found = review([])
    assert found.empty and segments.limits_beside(found).empty


def gaps(days: dict[str, list[int]], limits: dict | None = None) -> pd.DataFrame:
    """Of each person the ages of the active days."""
    rows = [{"user_id": who, "day": TODAY - timedelta(days=age), "active": 1} for who, ages in days.items() for age in ages]
    return segments.gaps(made.table("user_day", rows), last_day=TODAY, limits=limits or LIMITS).set_index("silence")


def recount(days: dict[str, list[int]], length: int) -> tuple:
    """Active days long enough ago, those followed by a longer silence, those of them that ended in 28 days, people."""
    began = longer = back = 0
    people = set()
    for who, ages in days.items():
        past = sorted((age for age in ages if 0 <= age < 364), reverse=True)
        for age, later in pairwise([*past, None]):
            if age <= length + 28:
                continue
            began += 1
            silence = math.inf if later is None else age - later - 1
            if silence > length:
                longer, back = longer + 1, back + (silence <= length + 28)
                people.add(who)
    return began, longer, back, len(people)


@given(
    st.dictionaries(
        st.sampled_from("abcdefgh"),
        st.lists(st.one_of(st.integers(-5, 120), st.sampled_from([0, 29, 43, 44, 57, 58, 71, 72, 363, 364])), unique=True),
    )
)
@settings(made.AS_FOUND, max_examples=5)
def test_gaps_are_those_of_a_recount_in_plain_python(days):
    found = gaps(days)
    assert found.index.tolist() == [1, 2, 3, 5, 7, 10, 14, 21, 28, 35, 42, 56, 70, 91]
    for length, row in found.iterrows():
        began, longer, back, people = recount(days, length)
        assert tuple(row[["began", "longer", "back", "people"]]) == (began, longer, back, people)
        assert row["share_longer"] == pytest.approx(longer / began if began else math.nan, nan_ok=True)
        assert row["share_back"] == pytest.approx(back / longer if longer else math.nan, nan_ok=True)


def test_who_may_still_come_back_is_not_taken_for_one_who_did_not():
    """The last visit 42 days ago cannot be judged for 14 days of silence and 28 further ones; that of 43 days ago can."""
    assert gaps({"a": [42]}).loc[14, "longer"] == 0
    assert tuple(gaps({"a": [43]}).loc[14, ["longer", "back"]]) == (1, 0)
    assert tuple(gaps({"a": [43, 0]}).loc[14, ["longer", "back"]]) == (1, 1)


def test_somebody_is_silent_by_the_rule_when_the_silence_is_longer_than_the_limit():
    """Away for 15 days at the end of the day before the return: silent; for 14 days: not."""
    found = gaps({"a": [100, 100 - 16], "b": [100, 100 - 15]})
    assert found.loc[14, "back"] == 1 and found.loc[14, "longer"] == 3 and found.loc[10, "longer"] == 4


def test_own_limits_get_a_row_of_their_own():
    assert {9, 33} < set(gaps({"a": [100]}, {"silent": 9, "lost": 33}).index)


def test_later_days_change_no_gap():
    chance = random.Random(4)
    days = {f"u{at}": sorted({chance.randint(-30, 300) for _ in range(20)}) for at in range(30)}
    past = {who: [age for age in ages if age >= 0] for who, ages in days.items()}
    pd.testing.assert_frame_equal(gaps(days), gaps(past), check_exact=True)


def test_the_interval_of_who_comes_back_allows_for_people_with_many_gaps():
    """Some people come back ten times, the others never: it is people who are drawn, with all of their gaps."""
    ages = [29 + 20 * n for n in range(1, 12)]
    days = {f"b{at}": ages for at in range(60)} | {f"n{at}": [ages[at % 11]] for at in range(600)}
    row = gaps(days).loc[14]
    draws = np.random.default_rng(1)
    counts = np.array([recount({who: own}, 14)[1:3] for who, own in days.items()])
    sums = [counts[draws.integers(0, len(counts), len(counts))].sum(axis=0) for _ in range(3000)]
    resampled = np.quantile([back / longer for longer, back in sums], [0.025, 0.975])
    assert (row["low"], row["high"]) == pytest.approx(tuple(resampled), abs=0.015)
    assert row["high"] - row["low"] > 1.5 * 2 * 1.96 * math.sqrt(row["share_back"] * (1 - row["share_back"]) / row["longer"])


def flows(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["dimension", "week", "from", "to", "people"])


def test_stays_are_pooled_over_weeks_and_newcomers_are_no_stay():
    found = segments.stays(
        flows(
            ("activity", "w1", "high", "high", 30), ("activity", "w1", "high", "low", 10),
            ("activity", "w1", "outside", "high", 99), ("activity", "w2", "high", "high", 45),
            ("activity", "w2", "high", "none", 15), ("activity", "w2", "low", "high", 7),
            ("activity", "w3", "high", "high", 15), ("activity", "w3", "high", "none", 5), ("value", "w1", "low", "low", 8),
        )
    ).set_index(["dimension", "tier"])  # fmt: skip
    high = found.loc[("activity", "high")]
    assert (high["weeks"], high["people"], high["stay"], high["lasts"]) == (3, 40, 0.75, 4.0)
    assert math.isnan(high["low"])  # three quarters stay in each week: nothing varies
    assert found.loc[("activity", "low"), "stay"] == 0 and found.loc[("activity", "low"), "lasts"] == 1
    low = found.loc[("value", "low")]
    assert low["stay"] == 1 and math.isnan(low["lasts"])
    assert found.index.tolist() == [("activity", "high"), ("activity", "low"), ("value", "low")]


def test_the_interval_of_a_stay_holds_the_truth_as_often_as_it_says():
    """Each week's chance to stay is itself drawn around 0.8, as weeks differ."""
    draws, told = np.random.default_rng(6), []
    tiers = [(name, tier) for name in segments.DIMENSIONS for tier in segments.TIERS[name]]
    for _ in range(14):
        rows = []
        for name, tier in tiers:
            weekly = draws.binomial(200, draws.beta(0.8 * 60, 0.2 * 60, 13))
            other = next(one for one in segments.TIERS[name] if one != tier)
            rows += [(name, f"{tier} {w}", tier, to, n) for w, k in enumerate(weekly) for to, n in ((tier, k), (other, 200 - k))]
        told.append(segments.stays(flows(*rows)))
    found = pd.concat(told)
    assert len(found) == 14 * len(tiers) and found["weeks"].eq(13).all()
    held = found["low"].le(0.8) & found["high"].ge(0.8) & found["lasts_low"].le(5) & found["lasts_high"].ge(5)
    assert 0.92 <= held.mean() <= 0.98


def test_what_is_said_of_a_limit_gives_the_sizes_that_others_would_make():
    people = [{"active_days": at % 28 + 1} for at in range(56)]
    beside = segments.limits_beside(review(people))
    text = said.limit(beside, "active_days", "high")
    assert all(f" {part}" in text for part in ("12 makes 34", "9 would make 40", "15 would make 28"))
    assert "34" not in said.limit(beside.assign(people_higher=9), "active_days", "high")
    assert said.rows(beside.assign(people_lower=1))["smallest"].eq(1).all() and said.rows(beside)["smallest"].max() > 1


def test_what_is_said_of_silences_has_an_interval_at_both_limits():
    many = {f"b{at}": [100, 80] for at in range(20)} | {f"n{at}": [100] for at in range(20)}
    found = gaps(many).reset_index()
    text = said.back(found, LIMITS)
    assert text.count("95 % interval") == 2 and "14 days 33.3 %" in text and "42 days 0.0 %" in text
    assert "%" not in said.back(found.assign(people=9), LIMITS)


def test_what_is_said_of_a_stay_says_how_long_it_lasts_or_that_nobody_left():
    found = segments.stays(flows(("activity", "w1", "high", "high", 30), ("activity", "w1", "high", "low", 10),
                                 ("value", "w1", "low", "low", 12)))  # fmt: skip
    assert "75.0 %" in said.stay(found, "activity", "high") and "4.0 weeks" in said.stay(found, "activity", "high")
    assert "nobody left" in said.stay(found, "value", "low")
    assert "%" not in said.stay(found.assign(people=9), "activity", "high")
