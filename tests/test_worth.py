"""What tiers are worth and think, against a recount person by person; concentration against published and simulated truths."""

from __future__ import annotations

import math
import random
import secrets
from datetime import timedelta
from decimal import Decimal
from statistics import NormalDist

import ibis
import made
import numpy as np
import pandas as pd
import plain_worth
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import segments
from helpers.segments.concentration import concentration
from helpers.show.said import worth as said

TODAY, WEEK = made.day(230), timedelta(days=7)
DIMENSIONS = ("activity", "lifecycle")
PEOPLE = [f"u{number}" for number in range(14)]
RECENT = st.one_of(st.sampled_from([-1, 0, 6, 7, 8, 14, 27, 28, 34, 35, 42]), st.integers(-9, 60)).map(
    lambda age: TODAY - timedelta(days=age)
)
FEW = st.integers(0, 2)
AMOUNTS = st.sampled_from([Decimal(text) for text in ("0", "0", "9.90", "9.90", "120", "-20", "-500.5")])
DAYS = st.fixed_dictionaries(
    {"user_id": st.sampled_from(PEOPLE), "day": RECENT, "active": FEW},
    optional={"create": FEW, "comment": FEW, "pay": FEW, "net": AMOUNTS},
)
LOGS = st.lists(DAYS, max_size=60, unique_by=lambda row: (row["user_id"], row["day"]))
PAIRS = st.fixed_dictionaries({"from_user": st.sampled_from(PEOPLE), "to_user": st.sampled_from(PEOPLE), "day": RECENT})
REPLIES = st.lists(PAIRS, max_size=20, unique_by=lambda row: tuple(row.values()))
ANSWER = st.fixed_dictionaries(
    {"user_id": st.sampled_from(PEOPLE), "day": RECENT, "question": st.sampled_from(["ease", "price"]),
     "score": st.integers(1, 5).map(float)},
)  # fmt: skip
ANSWERS = st.lists(ANSWER, max_size=25, unique_by=lambda row: (row["user_id"], row["day"], row["question"]))
TIERS = st.dictionaries(
    st.sampled_from(PEOPLE),
    st.tuples(st.sampled_from(["high", "low"]), st.sampled_from(["new", "active", "lost"])),
    min_size=1,
)


def tiers(by_person: dict) -> ibis.Table:
    return made.table("segments", [{"user_id": who, "activity": a, "lifecycle": b} for who, (a, b) in by_person.items()])


def worth(now: dict, before: dict, days: list[dict], replies=None, answers=None) -> pd.DataFrame:
    return segments.worth(
        tiers(now), tiers(before), made.first_seen(days), made.table("user_day", days), last_day=TODAY,
        reply_day=None if replies is None else made.table("reply_day", replies),
        feedback=None if answers is None else made.table("feedback", answers), dimensions=DIMENSIONS,
    )  # fmt: skip


def rows(found: pd.DataFrame, columns: list[str]) -> dict:
    keyed = found.set_index(["dimension", "tier", "measure", "question"])[columns]
    return {key: tuple(None if math.isnan(x) else x for x in own) for key, own in zip(keyed.index, keyed.to_numpy(), strict=True)}


@given(TIERS, TIERS, LOGS, REPLIES, ANSWERS)
@settings(made.AS_FOUND, max_examples=4)
def test_worth_is_that_of_a_recount_in_plain_python(now, before, days, replies, answers):
    found = worth(now, before, days, replies, answers)
    asked = {row["question"] for who, day in ((now, TODAY), (before, TODAY - WEEK))
             for row in plain_worth.lately(answers, day) if row["user_id"] in who}  # fmt: skip
    instants = ((now, TODAY, ["value", "low", "high", "n"]),
                (before, TODAY - WEEK, ["before", "before_low", "before_high", "n_before"]))  # fmt: skip
    for own, today, columns in instants:
        named = {who: dict(zip(DIMENSIONS, pair, strict=True)) for who, pair in own.items()}
        expected = plain_worth.worth(named, days, replies, answers, today, asked)
        told = rows(found, columns)
        assert set(expected) <= set(told)
        for key, numbers in told.items():
            assert numbers == pytest.approx(expected.get(key, (None, None, None, 0)), abs=1e-7), key


def test_what_happens_later_changes_nothing():
    chance = random.Random(3)
    log = crowd(chance, 40)
    now = {f"u{at}": (chance.choice(["high", "low"]), "active") for at in range(40)}
    replies = [{"from_user": "u1", "to_user": f"u{at}", "day": TODAY - timedelta(days=at)} for at in range(-9, 30)]
    answers = [{"user_id": f"u{at}", "day": TODAY - timedelta(days=at), "question": "q", "score": 3.0} for at in range(-9, 30)]
    whole = worth(now, now, log, replies, answers)
    cut = [[row for row in table if row["day"] <= TODAY] for table in (log, replies, answers)]
    assert len(cut[0]) < len(log)
    pd.testing.assert_frame_equal(whole, worth(now, now, *cut), check_exact=True)
    chance.shuffle(log)
    pd.testing.assert_frame_equal(whole, worth(now, now, log, replies, answers), check_exact=True)


def crowd(chance: random.Random, people: int) -> list[dict]:
    """A log in which a few do and pay much."""
    log = []
    for at in range(people):
        for age in range(-7, 36):
            if chance.random() < 0.9 / (1 + at % 9):
                net = Decimal(chance.choice([0, 0, 5, 50])) if at % 3 == 0 else Decimal(0)
                log.append({"user_id": f"u{at}", "day": TODAY - timedelta(days=age), "active": 1 + at % 4,
                            "create": chance.choice([0, 0, 1]), "net": net})  # fmt: skip
    return log


@pytest.mark.parametrize(
    "came, wrote, reply, share",
    [
        (20, 20, 13, 1.0), (20, 20, 12, 0.0), (20, 20, 21, 0.0), (20, 15, 8, 1.0), (20, 15, 16, 0.0),
        (7, 7, 0, 1.0), (6, 6, 0, None), (34, 34, 30, 1.0), (35, 30, 30, None), (20, None, 13, None),
    ],
)  # fmt: skip
def test_a_newcomer_who_wrote_is_answered_within_seven_days_or_is_not(came, wrote, reply, share):
    """Ages in days: first active day, first text, the reply; the window is that of 28 days that closed 7 days ago."""
    def ago(age):
        return TODAY - timedelta(days=age)

    days = [{"user_id": "old", "day": ago(200), "active": 1}, {"user_id": "u0", "day": ago(came), "active": 1}]
    if wrote is not None:
        days = [row for row in days if row["day"] != ago(wrote)]
        days.append({"user_id": "u0", "day": ago(wrote), "active": 1, "comment": 1})
    found = worth({"u0": ("high", "new")}, {}, days, [{"from_user": "old", "to_user": "u0", "day": ago(reply)}])
    replied = found[(found["measure"] == "replied") & (found["dimension"] == "all")]
    assert replied["value"].tolist() == ([] if share is None else [share])


def test_who_was_there_in_the_first_week_of_the_data_is_no_newcomer():
    ages = {"a": 20, "b": 14, "c": 13}
    days = [{"user_id": who, "day": TODAY - timedelta(days=age), "active": 1, "create": 1} for who, age in ages.items()]
    replies = [{"from_user": "a", "to_user": "c", "day": TODAY - timedelta(days=9)}]
    found = worth(dict.fromkeys("abc", ("high", "new")), {}, days, replies)
    replied = found[(found["measure"] == "replied") & (found["dimension"] == "all")]
    assert replied["n"].tolist() == [1] and replied["value"].tolist() == [1.0]


def test_shares_of_a_total_add_up_to_one_over_the_tiers_of_a_dimension():
    chance = random.Random(5)
    now = {f"u{at}": (chance.choice(["high", "medium", "low"]), chance.choice(["new", "lost"])) for at in range(60)}
    found = worth(now, now, crowd(chance, 60))
    assert found["measure"].isin(["people", "activity", "content", "net"]).sum() > 15
    for measure in ("people", "activity", "content", "net"):
        own = found[(found["measure"] == measure) & (found["dimension"] != "all")]
        assert own.groupby("dimension")["value"].sum().tolist() == pytest.approx([1.0, 1.0], abs=1e-9)


def test_a_dataset_without_amounts_replies_and_answers_has_no_rows_of_them():
    found = worth({"a": ("high", "new")}, {}, [{"user_id": "a", "day": TODAY, "active": 3}])
    assert set(found["measure"]) == {"people", "activity"}


def test_a_community_of_nobody_is_worth_nothing():
    found = worth({}, {}, [], [], [])
    assert found.empty and segments.worth_beside(found).empty and segments.opinions(found).empty


def test_the_interval_of_a_share_is_as_wide_as_resampling_people_makes_it():
    chance, draws = random.Random(11), np.random.default_rng(11)
    log = crowd(chance, 400)
    now = {f"u{at}": ("high" if at % 4 == 0 else "low", "active") for at in range(400)}
    found = worth(now, now, log)
    own = found[(found["measure"] == "activity") & (found["tier"] == "high")].iloc[0]
    done = np.zeros(400)
    for row in log:
        done[int(row["user_id"][1:])] += row["active"] if 0 <= (TODAY - row["day"]).days < 28 else 0
    high = np.arange(400) % 4 == 0
    picks = draws.integers(0, 400, (4000, 400))
    shares = (done * high)[picks].sum(axis=1) / done[picks].sum(axis=1)
    assert own["value"] == pytest.approx((done * high).sum() / done.sum())
    assert (own["low"], own["high"]) == pytest.approx(tuple(np.quantile(shares, [0.025, 0.975])), abs=0.006)


def held(groups: dict[str, list[float]]) -> pd.DataFrame:
    """Concentration of the values of each group."""
    frame = pd.DataFrame([(name, float(value)) for name, values in groups.items() for value in values], columns=["who", "x"])
    table = made.backend().create_table(f"c_{secrets.token_hex(6)}", frame)
    return concentration(table, by=["who"], values=["x"]).set_index("who")


def test_gini_and_the_first_of_a_hundred_are_those_of_the_textbook():
    """Gini of 1, 2, 3, 4 is 1/4; of equal values 0; where one of n has everything 1 - 1/n."""
    found = held({"steps": [1, 2, 3, 4], "equal": [7] * 5, "one": [0] * 9 + [3], "none": [0, 0], "owed": [-5, 0, 1, 1],
                  "hundred": [1] * 99 + [101], "and one": [1] * 99 + [51, 50]})  # fmt: skip
    assert found["gini"].drop("none").to_dict() == pytest.approx(
        {"steps": 0.25, "equal": 0.0, "one": 0.9, "owed": 0.5, "hundred": 0.495,
         "and one": plain_worth.gini([1] * 99 + [51, 50])[0]}
    )  # fmt: skip
    assert np.isnan(found.loc["none", "gini"]) and np.isnan(found.loc["none", "top"])
    assert found["top_people"].to_dict() == {name: 2 if name == "and one" else 1 for name in found.index}
    assert found["top"].drop("none").to_dict() == pytest.approx(
        {"steps": 0.4, "equal": 0.2, "one": 1.0, "owed": 0.5, "hundred": 101 / 200, "and one": 101 / 200}
    )


@given(st.lists(st.integers(0, 9), min_size=2, max_size=40).filter(any), st.integers(2, 5))
@settings(made.AS_FOUND, max_examples=5)
def test_gini_does_not_change_with_the_unit_nor_when_everybody_is_there_twice(values, factor):
    found = held({"own": values, "unit": [value * factor for value in values], "twice": values * 2})
    assert found["gini"].tolist() == pytest.approx([plain_worth.gini(values)[0]] * 3, abs=1e-9)
    assert 0 <= found.loc["own", "gini"] <= 1 - 1 / len(values) + 1e-9
    assert (found["top"] >= 1 / len(values) / 2 - 1e-9).all()


def test_the_error_of_gini_is_that_of_the_jackknife():
    values = np.sort(np.random.default_rng(2).lognormal(0, 0.8, 1000))
    ranks = 2 * np.arange(1, 1000) - 1000
    left_out = [(ranks * one).sum() / one.sum() / 999 for one in (np.delete(values, at) for at in range(1000))]
    jackknife = math.sqrt(999 / 1000 * sum((one - np.mean(left_out)) ** 2 for one in left_out))
    found = held({"a": list(values)}).loc["a"]
    width = math.log(found["gini_high"] / (1 - found["gini_high"])) - math.log(found["gini_low"] / (1 - found["gini_low"]))
    error = width / 2 / plain_worth.Z * found["gini"] * (1 - found["gini"])
    assert error == pytest.approx(jackknife, rel=0.03)


def test_intervals_of_concentration_hold_the_truth_as_often_as_they_say():
    """Of lognormal values with spread s, Gini's index is 2 N(s / sqrt 2) - 1, and the first 1 % hold 1 - N(z - s)."""
    draws, normal = np.random.default_rng(7), NormalDist()
    found = held({f"g{at}": list(draws.lognormal(0, 0.6, 3000).round(6)) for at in range(120)})
    truth = {"gini": 2 * normal.cdf(0.6 / math.sqrt(2)) - 1, "top": 1 - normal.cdf(normal.inv_cdf(0.99) - 0.6)}
    for name, value in truth.items():
        covered = found[f"{name}_low"].le(value) & found[f"{name}_high"].ge(value)
        assert 105 <= covered.sum() <= 120, name


def row(tier: str, measure: str, value: float, **more) -> dict:
    usual = {"dimension": "activity", "question": "", "low": value - 0.1, "high": value + 0.1, "n": 50, "before": value,
             "before_low": value - 0.1, "before_high": value + 0.1, "n_before": 50}  # fmt: skip
    return usual | {"tier": tier, "measure": measure, "value": value} | more


def test_numbers_of_a_tier_stand_side_by_side():
    found = pd.DataFrame([
        row("all", "people", 1.0, dimension="all"), row("high", "people", 0.2, n=20), row("high", "net", 0.7, before=0.6),
        row("low", "people", 0.8, n=80), row("low", "net", 0.3), row("high", "response", 0.5, question="ease", n=20),
        row("high", "score", 4.0, question="ease", n=10, before=3.5),
    ])  # fmt: skip
    beside = segments.worth_beside(found).set_index("tier")
    assert beside.index.tolist() == ["high", "low"] and beside["size"].tolist() == [20, 80]
    assert beside.loc["high", ["people", "net", "net_before"]].tolist() == [0.2, 0.7, 0.6]
    assert beside["content"].isna().all()
    assert segments.tier_shares(found, "activity")["measure"].tolist() == ["people", "people", "net", "net"]
    opinion = segments.opinions(found).iloc[0]
    assert (opinion["people"], opinion["answers"], opinion["response"], opinion["score"]) == (20, 10, 0.5, 4.0)


def test_what_is_said_of_a_tier_names_its_part_its_interval_and_the_week_before():
    found = pd.DataFrame([row("high", "people", 0.2), row("high", "net", 0.7, before=0.6), row("low", "net", 0.3)])
    text = said.part(found, "activity", "net")
    assert all(part in text for part in ("Activity high", "20.0 %", "70.0 %", "60.0 to 80.0 %", "60.0 % the week before"))
    assert "70" not in said.part(found.assign(n=9), "activity", "net")
    assert "the week before" not in said.part(found.assign(n_before=9), "activity", "net")
    assert said.shown(found.assign(n_before=9))["before"].isna().all() and said.shown(found)["before"].notna().all()


def test_what_is_said_of_the_first_hundredth_needs_enough_people_in_it():
    found = pd.DataFrame([row("all", "net_top", 0.5, dimension="all", n=10)])
    assert "50.0 % of the net amount (95 % interval 40.0 to 60.0 %)" in said.concentrated(found)
    assert "50" not in said.concentrated(found.assign(n=9))


def test_tiers_are_said_to_differ_only_where_their_intervals_do_not_meet():
    def scores(apart: float) -> pd.DataFrame:
        return pd.DataFrame([
            row("all", "score", 3.0, question="ease", dimension="all"), row("high", "score", 3.0 + apart, question="ease"),
            row("low", "score", 3.0, question="ease"),
        ])  # fmt: skip

    assert "no clear difference" in said.opinion(scores(0.19), "activity")
    assert "low is clearly below high" in said.opinion(scores(0.21), "activity")
    few = scores(0.21)
    assert "clearly" not in said.opinion(few.assign(n=few["n"].where(few["tier"] != "low", 9)), "activity")


def test_tiers_that_think_alike_are_said_to_differ_at_most_once_in_twenty():
    draws, alarms = np.random.default_rng(9), 0
    for _ in range(400):
        found = [row("all", "score", 3.0, question="ease", dimension="all")]
        for tier in segments.TIERS["activity"]:
            own = draws.integers(1, 6, 60)
            low, high = plain_worth.student(own.astype(float).tolist())
            found.append(row(tier, "score", own.mean(), question="ease", low=low, high=high, n=60))
        alarms += "clearly" in said.opinion(pd.DataFrame(found), "activity")
    assert alarms <= 20


def test_newcomers_who_were_answered_are_counted_in_words():
    found = pd.DataFrame([row("all", "replied", 0.6, dimension="all", n=50)])
    assert "60.0 % (30 of 50" in said.replied(found)
    assert "%" not in said.replied(found.assign(n=0)) and "%" not in said.replied(found.assign(n=9))
