"""What distinguishes a group: intervals against published and other people's numbers, the whole against a recount in plain
Python, and random groups, which nothing distinguishes."""

from __future__ import annotations

import math
import statistics
from decimal import Decimal

import made
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats import proportion

from helpers import contracts, portraits
from helpers.portraits import evidence
from helpers.runs import checks
from helpers.show.said import distinct as said

COUNTS = st.integers(10, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
SAMPLES = st.lists(st.integers(0, 9), min_size=2, max_size=30)


def row(frame: pd.DataFrame) -> dict:
    return frame.iloc[0].to_dict()


def test_the_ratio_of_36_of_40_to_16_of_80_has_the_published_interval():
    """Koopman (1984), Biometrics 40: 2.939 to 7.152."""
    assert evidence.ratio_interval([36], [40], [16], [80]) == pytest.approx(np.array([[2.939], [7.152]]), abs=1e-3)


@given(COUNTS, COUNTS)
@settings(deadline=None)
def test_the_ratio_is_that_of_statsmodels(here, there):
    (k, n), (k_rest, n_rest) = here, there
    if not (0 < k < n and 0 < k_rest < n_rest):
        return  # where statsmodels finds no ends
    expected = proportion.confint_proportions_2indep(k, n, k_rest, n_rest, compare="ratio", method="score", correction=False)
    found = evidence.ratio_interval([k], [n], [k_rest], [n_rest])
    assert [found.low[0], found.high[0]] == pytest.approx(expected, rel=1e-4)


@given(COUNTS, COUNTS)
@settings(deadline=None)
def test_of_shares_p_and_both_intervals_say_the_same_and_swapping_turns_them_over(here, there):
    found = row(evidence.compare_shares(*([count] for count in (*here, *there))))
    other = row(evidence.compare_shares(*([count] for count in (*there, *here))))
    if math.isnan(found["p"]):
        return
    if abs(found["p"] - 0.05) > 1e-9:
        assert (found["p"] < 0.05) == (not found["low"] <= 0 <= found["high"])
        if not math.isnan(found["lift_low"]) and not math.isnan(found["lift_high"]):
            assert (found["p"] < 0.05) == (not found["lift_low"] <= 1 <= found["lift_high"])
    assert other["p"] == pytest.approx(found["p"])
    assert (other["low"], other["high"]) == pytest.approx((-found["high"], -found["low"]), abs=1e-9)
    if found["lift"] > 0 and other["lift"] > 0:
        ends = (1 / other["lift_high"], 1 / other["lift"], 1 / other["lift_low"])
        assert ends == pytest.approx((found["lift_low"], found["lift"], found["lift_high"]), rel=1e-6)


def means(first: list[float], second: list[float]) -> dict:
    given = [[one] for values in (first, second) for one in (len(values), np.mean(values), np.var(values, ddof=1))]
    return row(evidence.compare_means(*given))


@given(SAMPLES, SAMPLES)
@settings(deadline=None)
def test_of_means_p_and_both_intervals_say_the_same_and_swapping_turns_them_over(here, there):
    found, other = means(here, there), means(there, here)
    if math.isnan(found["p"]):
        return
    if abs(found["p"] - 0.05) > 1e-9:
        assert (found["p"] < 0.05) == (not found["low"] <= 0 <= found["high"])
        if not math.isnan(found["lift_low"]) and not math.isnan(found["lift_high"]):
            assert (found["p"] < 0.05) == (not found["lift_low"] <= 1 <= found["lift_high"])
    assert (other["p"], other["difference"]) == pytest.approx((found["p"], -found["difference"]))
    if not any(math.isnan(one[name]) for one in (found, other) for name in ("lift", "lift_high")) and found["lift_low"] > 0:
        assert 1 / other["lift_high"] == pytest.approx(found["lift_low"], rel=1e-6)


def test_means_of_equal_spread_are_welchs():
    """Where each variance is above that of both together taken as one, which here they are all but."""
    first, second = [1.0, 5.0, 9.0, 1.0, 9.0], [2.0, 5.0, 8.0, 1.0, 9.0, 5.0]
    together = np.var([*first, *second], ddof=1)
    given = [[5], [np.mean(first)], [together], [6], [np.mean(second)], [together]]
    expected = scipy_stats.ttest_ind_from_stats(np.mean(first), together**0.5, 5, np.mean(second), together**0.5, 6, False)
    assert row(evidence.compare_means(*given))["p"] == pytest.approx(expected.pvalue)


def test_twenty_people_without_a_payment_do_not_show_that_people_like_them_never_pay():
    """One person in ten has paid, so twenty without a payment are no wonder; Welch's own variance of them would be 0."""
    rest = [0.0] * 4500 + [30.0] * 500
    assert means([0.0] * 20, rest)["p"] > 0.1


def test_too_few_to_be_expected_are_not_judged():
    found = evidence.compare_shares([1, 12], [15, 15], [2, 600], [1000, 1000])
    assert found.loc[0, ["low", "high", "lift_low", "lift_high", "p"]].isna().all() and found.loc[0, "lift"] > 30
    assert found.loc[1, ["low", "high", "lift_low", "lift_high", "p"]].notna().all()


@given(st.lists(st.floats(0, 1) | st.just(math.nan), max_size=30))
def test_q_is_the_least_share_of_wrong_calls_at_which_a_row_is_called(p):
    """Benjamini and Hochberg (1995) by their definition: call the k smallest, k the last with p(k) <= k q / m."""
    found, known = evidence.discoveries(p), sorted(one for one in p if one == one)
    for one, q in zip(p, found, strict=True):
        if one != one:
            assert math.isnan(q)
        else:
            at = [k for k, other in enumerate(known, 1) if other >= one]
            assert q == pytest.approx(min(1.0, *(known[k - 1] * len(known) / k for k in at), 1.0))


def test_moments_are_those_of_the_statistics_module():
    values = [Decimal("0.1"), Decimal("5.25"), Decimal(7), Decimal(-3)]
    sums = [len(values), 1, 0], [sum(values), Decimal(4), None], [sum(one * one for one in values), Decimal(16), None]
    mean, variance = evidence.moments(*sums)
    assert mean[0] == pytest.approx(float(statistics.mean(values)))
    assert variance[0] == pytest.approx(float(statistics.variance(values)))
    assert mean[1] == 4 and np.isnan([variance[1], mean[2], variance[2]]).all()


PEOPLE = st.lists(
    st.fixed_dictionaries(
        {
            "channel": st.sampled_from(["ads", "search", "friends", None]),
            "repurchased": st.booleans(),
            "preferred_weekday": st.none() | st.integers(0, 2),
            "active_days_28": st.integers(0, 28),
            "net": st.sampled_from([Decimal(0), Decimal("12.5"), Decimal("-3.1"), Decimal("100000000000000000000")]),
            "night_share": st.none() | st.sampled_from([0.0, 0.25, 1.0]),
        }
    ),
    min_size=3, max_size=40,
)  # fmt: skip


def members(names: list[str]):
    return made.table("segments", [{"user_id": name} for name in names]).select("user_id")


def recount(people: list[dict], inside: set[str]) -> dict[tuple[str, str], tuple]:
    """(people, rest, value, others) of each attribute and level, person by person."""
    found = {}
    for name in ("channel", "repurchased", "preferred_weekday"):
        known = [one for one in people if one[name] is not None]
        for level in {one[name] for one in known}:
            sides = [[one[name] == level for one in known if (one["user_id"] in inside) is side] for side in (True, False)]
            if level is not False and not all(sides[0] + sides[1]):
                shares = [sum(side) / len(side) if side else None for side in sides]
                found[name, str(level).lower()] = (len(sides[0]), len(sides[1]), *shares)
    for name in ("active_days_28", "net", "night_share"):
        known = [one for one in people if one[name] is not None]
        if len({one[name] for one in known}) > 1:
            sides = [[float(one[name]) for one in known if (one["user_id"] in inside) is side] for side in (True, False)]
            found[name, "mean"] = (*map(len, sides), *(math.fsum(side) / len(side) if side else None for side in sides))
    return found


@given(PEOPLE, st.integers(1, 39))
@settings(made.AS_FOUND, max_examples=6)
def test_shares_and_means_are_those_of_a_recount_person_by_person(people, cut):
    people = [one | {"user_id": f"u{at}"} for at, one in enumerate(people)]
    inside = {one["user_id"] for one in people[:cut]}
    found = portraits.distinctive(made.table("portraits", people), members([*inside, "stranger"]), segment="some")
    expected = recount(people, inside)
    assert len(found) == len(expected) and set(found["segment"]) <= {"some"}
    for one in found.to_dict("records"):
        n, rest, value, others = expected[one["attribute"], one["level"]]
        assert (one["people"], one["rest"]) == (n, rest)
        assert one["value"] == pytest.approx(value, nan_ok=True) if value is not None else math.isnan(one["value"])
        assert one["others"] == pytest.approx(others, nan_ok=True) if others is not None else math.isnan(one["others"])


def crowd(size: int, seed: int) -> list[dict]:
    """People whose measures are skewed, mostly empty, and depend on one another."""
    rng = np.random.default_rng(seed)
    busy, paid = rng.poisson(rng.gamma(0.5, 8, size)), rng.random(size) < 0.1
    channel = rng.choice(["ads", "search", "friends", "partner"], size, p=[0.5, 0.3, 0.15, 0.05])
    return [
        {
            "user_id": f"u{at:05d}", "channel": str(channel[at]), "city": f"city {at % 12}",
            "active_days_28": int(min(busy[at], 28)), "events_28": int(busy[at] * 3), "pay_days": int(paid[at]),
            "net": Decimal(int(paid[at] * rng.pareto(1.8) * 100)),
            "repurchased": bool(paid[at] and at % 3 == 0), "referrals": int(rng.random() < 0.05),
        }
        for at in range(size)
    ]  # fmt: skip


@pytest.mark.parametrize("size", [12, 40, 300])
def test_a_random_group_is_told_apart_no_more_often_than_stated(size):
    """Of 400 random groups out of 1,500 people at most 5 % have any call, give or take three errors."""
    frame, rng, groups = pd.DataFrame(crowd(1500, seed=5)), np.random.default_rng(size), 400
    sizes = [np.full(groups, size), np.full(groups, 1500 - size)]
    inside = np.argsort(rng.random((groups, 1500)), axis=1) < size
    found = []
    for name in ("active_days_28", "events_28", "pay_days", "net", "referrals"):
        values = frame[name].astype(float).to_numpy()
        sides = [np.where(side, values, np.nan) for side in (inside, ~inside)]
        given = [(n, np.nanmean(one, 1), np.nanvar(one, 1, ddof=1)) for n, one in zip(sizes, sides, strict=True)]
        found.append(evidence.compare_means(*given[0], *given[1])["p"])
    levels = pd.get_dummies(frame[["channel", "city", "repurchased"]].astype(str)).to_numpy(float)
    for has in levels.T:
        k, k_rest = inside @ has, ~inside @ has
        found.append(evidence.compare_shares(k, sizes[0], k_rest, sizes[1])["p"])
    wrong = sum((evidence.discoveries(p) <= 0.05).any() for p in np.array(found).T)
    assert wrong <= groups * 0.05 + 3 * math.sqrt(groups * 0.05 * 0.95)


def test_what_is_planted_comes_first_and_what_the_group_is_made_of_can_be_left_out():
    people = crowd(800, seed=7)
    inside = [one["user_id"] for at, one in enumerate(people) if one["active_days_28"] > 5 or at % 9 == 0]
    for name in inside[::2]:
        people[int(name[1:])]["city"] = "city 3"
    table = made.table("portraits", people)
    found = portraits.distinctive(table, members(inside), segment="busy", without=("active_days_28", "events_28"))
    first = found.iloc[0]
    assert (first["attribute"], first["level"]) == ("city", "city 3") and first["lift_low"] > 3 and first["q"] < 1e-6
    assert not {"active_days_28", "events_28"} & set(found["attribute"])
    assert found["p"].dropna().is_monotonic_increasing


def test_rare_values_are_taken_together_and_the_smallest_group_of_a_row_is_known():
    people = [{"user_id": f"u{at}", "city": f"c{at % 4}" if at < 80 else f"rare {at}"} for at in range(100)]
    inside = [f"u{at}" for at in range(0, 100, 2)]
    found = portraits.distinctive(made.table("portraits", people), members(inside), segment="even", top=4)
    cities = found.set_index("level")
    assert set(cities.index) == {"c0", "c1", "c2", "c3", "other"}
    assert cities.loc["other", ["people", "rest", "value", "others", "smallest"]].tolist() == [50, 50, 0.2, 0.2, 10]
    assert cities.loc["c0", ["value", "others", "smallest"]].tolist() == [0.4, 0.0, 20]


def test_a_group_without_members_and_people_who_are_all_alike_have_nothing_to_tell():
    alike = made.table("portraits", [{"user_id": f"u{at}", "channel": "ads"} for at in range(12)])
    assert portraits.distinctive(alike, members(["u1"]), segment="one").empty
    differ = made.table("portraits", [{"user_id": f"u{at}", "channel": "ab"[at % 2]} for at in range(12)])
    found = portraits.distinctive(differ, members(["stranger"]), segment="none")
    assert found["p"].isna().all() and (found["people"] == 0).all()
    assert "Nothing clearly sets none apart" in said.title(found)


def test_no_order_of_rows_changes_a_bit():
    people = crowd(300, seed=8)
    inside = [one["user_id"] for one in people[::3]]
    found = [
        portraits.distinctive(made.table("portraits", rows), members(names), segment="some")
        for rows, names in ((people, inside), (people[::-1], inside[::-1]))
    ]
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_the_title_names_what_is_clear_and_keeps_small_groups_out():
    frame = pd.DataFrame(
        [
            ("few", "city", "a", 4, 0.5, 0.1, 5.0, 1e-9), ("few", "active_days_28", "mean", 60, 8.0, 2.0, 4.0, 0.001),
            ("few", "repurchased", "true", 60, 0.5, 0.0, math.nan, 0.01), ("few", "city", "b", 60, 0.3, 0.2, 1.5, 0.4),
        ],
        columns=["segment", "attribute", "level", "smallest", "value", "others", "lift", "q"],
    )  # fmt: skip
    text = said.title(frame)
    assert "Active days in 28 days (4.0 times)" in text and "Repurchased" in text and "2 of 4" in text and "City" not in text
    shown = said.rows(frame)
    assert shown["what"].tolist() == ["City: a, %", "Active days in 28 days", "Repurchased, %", "City: b, %"]
    assert shown["here"].tolist() == pytest.approx([50, 8, 50, 30]) and shown["there"].tolist() == pytest.approx([10, 2, 0, 20])


def test_hours_and_weekdays_are_named():
    assert said.named("preferred_weekday", "6") == "Preferred weekday: Sunday"
    assert said.named("preferred_hour", "21") == "Preferred hour: 21:00"
    assert said.named("preferred_hour", "other") == "Preferred hour: other"


def test_groups_are_named_by_tier_and_by_tag():
    segments = made.table("segments", [{"user_id": "a", "activity": "high", "value": "low"}, {"user_id": "b", "activity": "low"}])
    tags = made.table("tags", [{"user_id": "b", "tag": "owl"}])
    found = portraits.memberships(segments.select("user_id", "activity", "value"), tags)
    assert portraits.group_names(found) == {
        "activity": ["activity: high", "activity: low"], "tag": ["tag: owl"], "value": ["value: low"],
    }  # fmt: skip
    assert found.filter(found.group == "tag: owl").user_id.to_pandas().tolist() == ["b"]


def test_one_person_is_told_with_tiers_interests_and_tags_and_nothing_that_is_unknown():
    rows = [{"user_id": "a", "city": "上海", "active_days_28": 3, "net": Decimal("9.5")}, {"user_id": "b"}]
    people = made.table("portraits", rows)
    tastes = [{"user_id": "a", "topic": f"t{at}", "share": 0.25, "rank": at} for at in range(1, 8)]
    segments = made.table("segments", [{"user_id": "a", "activity": "low"}, {"user_id": "b", "activity": "none"}])
    tags = made.table("tags", [{"user_id": "a", "tag": "owl"}, {"user_id": "b", "tag": "bee"}])
    found = portraits.one_user(people, made.table("interests", tastes), tags, segments, " a ")
    told = dict(found.to_numpy().tolist())
    assert {"pseudonym": "a", "city": "上海", "net": "9.50", "activity": "low"}.items() <= told.items()
    assert told["active_days_28"] == "3" and told["repurchased"] == "no" and "tag owl" in told and "tag bee" not in told
    assert told["interest 1"] == "t1 (25%)" and "interest 5" in told and "interest 6" not in told and "channel" not in told


def test_of_an_unknown_pseudonym_nothing_is_told():
    nobody = [made.table(name, []) for name in ("portraits", "tags", "segments")]
    found = portraits.one_user(nobody[0], None, nobody[1], nobody[2], "x' OR '1'='1")
    assert found.to_numpy().tolist() == [["pseudonym", "x' OR '1'='1"]]


def test_nobody_at_all_gives_a_frame_that_can_be_written():
    found = portraits.distinctive(made.table("portraits", []), members([]), segment="none")
    assert checks.to_arrow(contracts.find("distinctive"), found).num_rows == 0
    some = portraits.distinctive(made.table("portraits", crowd(60, seed=9)), members(["u00001"]), segment="one")
    assert checks.to_arrow(contracts.find("distinctive"), some).num_rows == len(some) > 5
