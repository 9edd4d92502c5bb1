"""Portraits and interests against the same worked out user by user in plain Python."""

from __future__ import annotations

import math
import random
from datetime import timedelta
from decimal import Decimal
from functools import cache

import made
import plain_portraits
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import contracts, portraits
from helpers.errors import InputError

TODAY = made.day(120)
TOPICS = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from("abcde"),
        "topic": st.sampled_from(["art", "cats", "tech", "音乐"]),
        "day": st.integers(-5, 60).map(lambda age: TODAY - timedelta(days=age)),
        "weight": st.sampled_from([Decimal("0.5"), Decimal(1), Decimal(3)]),
    }
)
TOPIC_DAYS = st.lists(TOPICS, max_size=25, unique_by=lambda row: (row["user_id"], row["topic"], row["day"]))


def ago(age: int):
    return TODAY - timedelta(days=age)


@cache
def prepared_interests(rarity: bool) -> made.Prepared:
    def found(user_topic_day):
        return portraits.interests(user_topic_day, last_day=TODAY, half_life_days=14, rarity=rarity)

    return made.Prepared(found, user_topic_day="user_topic_day")


def interests(rows: list[dict], *, rarity: bool = True) -> dict[tuple[str, str], dict]:
    found = prepared_interests(rarity)(user_topic_day=rows)
    return {(row.pop("user_id"), row.pop("topic")): row for row in found}


@given(TOPIC_DAYS, st.booleans())
@settings(deadline=None, max_examples=15)
def test_interests_are_those_of_a_recount_in_plain_python(rows, rarity):
    found = interests(rows, rarity=rarity)
    expected = plain_portraits.interests(rows, TODAY, 14, rarity)
    assert set(found) == set(expected)
    for key, own in expected.items():
        assert found[key] == {
            "weight": pytest.approx(own["weight"]),
            "share": pytest.approx(own["share"]),
            "rank": own["rank"],
        }
    for user in {user for user, _ in found}:
        assert sum(row["share"] for (name, _), row in found.items() if name == user) == pytest.approx(1)


def topic(user: str, name: str, age: int, weight: str = "1") -> dict:
    return {"user_id": user, "topic": name, "day": ago(age), "weight": Decimal(weight)}


def test_interests_are_the_same_to_the_last_bit_in_any_order_of_rows():
    rng = random.Random(4)
    rows = [topic(rng.choice("abc"), rng.choice(["art", "cats"]), age, rng.choice(["0.5", "3"])) for age in range(400)]
    assert interests(rows) == interests(rows[::-1]) == interests(rng.sample(rows, len(rows)))


def test_an_event_weighs_half_after_its_half_life_and_nothing_before_it_happens():
    found = interests([topic("a", "art", 14), topic("b", "art", 0), topic("b", "art", -1, "9")], rarity=False)
    assert (found["a", "art"]["weight"], found["b", "art"]["weight"]) == (0.5, 1.0)


def test_a_rare_topic_weighs_more_by_the_logarithm_of_its_rarity():
    rows = [topic(user, "art", 0) for user in "abcd"] + [topic("a", "cats", 0)]
    found = interests(rows)
    assert found["a", "art"]["weight"] == 1
    assert found["a", "cats"]["weight"] == pytest.approx(1 + math.log(4))


def test_topics_of_equal_weight_are_ranked_by_name():
    found = interests([topic("a", name, 3) for name in ("tech", "art", "音乐", "cats")])
    assert sorted(found, key=lambda key: found[key]["rank"]) == [
        ("a", name) for name in ("art", "cats", "tech", "音乐")
    ]


@pytest.mark.parametrize("half_life", [0, -3])
def test_a_half_life_that_is_not_above_0_is_refused(half_life):
    with pytest.raises(InputError, match=f"half_life_days is {half_life}"):
        portraits.interests(made.table("user_topic_day", []), last_day=TODAY, half_life_days=half_life)


TABLES = ("user_day", "user_hour", "user_kind_day", "user_campaign_day", "user_topic_day", "users", "reply_day")


def crowd(rng: random.Random, people: int) -> dict[str, list[dict]]:
    """Facts of people of every kind, with days after today and sign-ups after today among them."""
    names = [f"u{number}" for number in range(people)]
    facts: dict[str, list[dict]] = {name: [] for name in TABLES}
    for name in names[: people * 3 // 4]:
        for age in rng.sample(range(-6, 110), rng.choice([1, 4, 15])):
            facts["user_day"].append({"user_id": name, "day": ago(age), "events": 9, **counts(rng)})
        for age, hour in {(rng.randint(-6, 90), rng.randrange(24)) for _ in range(3)}:
            own = {"weekday": ago(age).weekday(), "hour": hour, "events": rng.choice([2, 4])}
            facts["user_hour"].append({"user_id": name, "day": ago(age), **own})
        for column, fact in (("content_kind", "user_kind_day"), ("campaign", "user_campaign_day"), ("topic", "user_topic_day")):
            more = {"weight": Decimal(rng.choice([1, 3]))} if column == "topic" else {}
            seen = {(rng.choice(["art", "cats", "音乐", "tech"]), rng.choice([-3, 0, 2, 27, 28, 70])) for _ in range(4)}
            facts[fact] += [{"user_id": name, column: what, "day": ago(age), "events": 2, **more} for what, age in sorted(seen)]
    for name in names[people // 4 :]:
        born = rng.choice([None, 1800, 1971, 2001, 2008, 2031])
        user = {"user_id": name, "registered_day": rng.choice([None, ago(rng.randint(-9, 300))]), "birth_year": born}
        told = {"channel": rng.choice([None, "ads"]), "city": rng.choice([None, "C"]), "gender": rng.choice([None, "f"])}
        facts["users"].append({**user, **told, "referrer_id": rng.choice([None, "", *names])})
    pairs = {(rng.choice(names), rng.choice(names), ago(rng.randint(-4, 60))) for _ in range(people * 4)}
    facts["reply_day"] = [
        {"from_user": one, "to_user": other, "day": day, "replies": 2} for one, other, day in sorted(pairs) if one != other
    ]
    return facts


def counts(rng: random.Random) -> dict:
    """What somebody did on a day."""
    made = {what: rng.choice([0, 0, 1, 5]) for what in ("active", "create", "comment", "share", "react", "pay")}
    if made["pay"]:
        made |= {what: Decimal(rng.choice([0, 10, 25])) for what in ("gross", "net", "discount")}
    if made["active"]:
        made |= {"sessions": 2, "bounces": rng.choice([0, 1]), "dwell_s": rng.randint(0, 500)}
    return made


@cache
def prepared_portraits() -> made.Prepared:
    def found(user_topic_day, **tables):
        tastes = portraits.interests(user_topic_day, last_day=TODAY, half_life_days=14)
        return portraits.portraits(interests=tastes, last_day=TODAY, **tables)

    return made.Prepared(found, **{name: name for name in (*TABLES, "first_seen")})


def of(facts: dict[str, list[dict]]) -> dict[str, dict]:
    """The portraits of some facts, by user; a table that is left out is empty."""
    tables = {name: facts.get(name, []) for name in TABLES}
    found = prepared_portraits()(first_seen=made.first_seen_rows(tables["user_day"]), **tables)
    assert len({row["user_id"] for row in found}) == len(found)
    return {row["user_id"]: row for row in found}


@given(st.randoms(use_true_random=False), st.sampled_from([4, 9, 30]))
@settings(deadline=None, max_examples=10)
def test_portraits_are_those_of_a_recount_in_plain_python(chance, people):
    facts = crowd(chance, people)
    tastes = plain_portraits.interests(facts["user_topic_day"], TODAY, 14, True)
    found, expected = of(facts), plain_portraits.portraits(facts, TODAY, tastes)
    assert set(found) == set(expected)
    for name, own in expected.items():
        assert set(own) == set(contracts.find("portraits").columns), "every column is counted again"
        for column, value in own.items():
            close = pytest.approx(value, abs=1e-8) if isinstance(value, float) else value
            assert found[name][column] == close, f"{name}: {column}"


def test_what_happens_later_changes_no_portrait():
    facts = crowd(random.Random(7), 40)
    known = {name: [row for row in rows if row.get("day", TODAY) <= TODAY] for name, rows in facts.items()}
    known["users"] = [row for row in facts["users"] if row["registered_day"] is None or row["registered_day"] <= TODAY]
    assert of(facts) == of(known)
    assert all(len(known[name]) < len(rows) for name, rows in facts.items())


def test_first_days_that_are_still_to_come_are_unknown():
    rows = [{"user_id": "a", "day": ago(3), "events": 1}, {"user_id": "a", "day": ago(-1), "active": 1, "pay": 1}]
    found = of({"user_day": rows})["a"]
    assert (found["first_day"], found["first_active_day"], found["first_pay_day"]) == (ago(3), None, None)


def test_nobody_invites_himself():
    users = [{"user_id": "a", "referrer_id": "a"}, {"user_id": "b", "referrer_id": "a"}]
    assert of({"users": users})["a"]["referrals"] == 1


def test_an_invited_person_counts_as_active_from_the_first_active_day_on():
    users = [{"user_id": name, "referrer_id": "host"} for name in ("active", "later", "reader", "silent")]
    days = [{"user_id": "active", "day": ago(0), "active": 1}, {"user_id": "later", "day": ago(-1), "active": 1}]
    found = of({"users": [{"user_id": "host"}, *users], "user_day": [*days, {"user_id": "reader", "day": ago(9)}]})
    assert (found["host"]["referrals"], found["host"]["referrals_active"]) == (4, 1)


@pytest.mark.parametrize("age, now, before", [(0, 3, 0), (27, 3, 0), (28, 0, 3), (55, 0, 3), (56, 0, 0)])
def test_the_last_28_days_end_today_and_those_before_them_are_28_as_well(age, now, before):
    days = [{"user_id": "a", "day": ago(age), "active": 3, "dwell_s": 180}]
    answers = [{"from_user": "b", "to_user": "a", "day": ago(age), "replies": 3}]
    found = of({"user_day": days, "reply_day": answers})["a"]
    for column in ("events", "dwell_minutes", "replies_received"):
        assert (found[f"{column}_28"], found[f"{column}_before"]) == (now, before), column
    assert (found["active_days_28"], found["active_days_before"]) == (now // 3, before // 3)
    assert found["contacts_28"] == now // 3


def test_one_met_twice_is_one_contact():
    answers = [("a", "b", 0), ("a", "b", 4), ("b", "a", 9), ("c", "a", 9)]
    rows = [{"from_user": one, "to_user": other, "day": ago(age), "replies": 2} for one, other, age in answers]
    found = of({"user_day": [{"user_id": name, "day": ago(90)} for name in "abc"], "reply_day": rows})
    assert {name: row["contacts_28"] for name, row in found.items()} == {"a": 2, "b": 1, "c": 1}


def test_two_payments_on_one_day_are_two_orders_and_no_repurchase():
    same = [{"user_id": "same", "day": ago(3), "pay": 2, "gross": Decimal("15")}]
    again = [{"user_id": "again", "day": ago(age), "pay": 1, "gross": Decimal(gross)} for age, gross in ((3, 5), (9, 10))]
    found = of({"user_day": [*same, *again, {"user_id": "none", "day": ago(1), "active": 1}]})
    columns = ("orders", "average_order", "repurchased", "days_since_pay")
    assert {name: tuple(row[column] for column in columns) for name, row in found.items()} == {
        "same": (2, 7.5, False, 3), "again": (2, 7.5, True, 3), "none": (0, None, False, None),
    }  # fmt: skip


@pytest.mark.parametrize(
    "born, band", [(2027, None), (2009, "under 18"), (2008, "18-24"), (1916, "55 and over"), (1915, None)]
)
def test_age_bands_end_where_they_say_and_impossible_years_are_left_out(born, band):
    users = [{"user_id": "a", "birth_year": born}]
    assert of({"users": users})["a"]["age_band"] == band


def portrait_of_tastes(rows: list[dict]) -> dict[str, dict]:
    days = [{"user_id": user, "day": ago(0), "active": 1} for user in "ab"]
    found = portraits.portraits(
        first_seen=made.first_seen(days), user_day=made.table("user_day", days), user_hour=made.table("user_hour", []),
        users=None, reply_day=None, interests=made.table("interests", rows), last_day=TODAY,
    )  # fmt: skip
    return made.records(found)


def taste(name: str, weight: float, share: float, rank: int) -> dict:
    return {"user_id": "a", "topic": name, "weight": weight, "share": share, "rank": rank}


def test_breadth_is_the_evenness_over_the_topics_that_still_count():
    """Topics that have faded must not make an even interest more than even."""
    faded = [taste(f"old{number}", 0.009, 0.1, number) for number in range(3, 8)]
    found = portrait_of_tastes([taste("art", 0.02, 0.25, 1), taste("cats", 0.02, 0.25, 2), *faded])
    assert (found["a"]["topics"], found["a"]["breadth"], found["a"]["top_topic"]) == (2, 1.0, "art")
    uneven = portrait_of_tastes([taste("art", 3.0, 0.75, 1), taste("cats", 1.0, 0.25, 2)])["a"]
    assert uneven["breadth"] == pytest.approx(-(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25)), abs=1e-8)
    assert portrait_of_tastes([taste("art", 3.0, 1.0, 1)])["a"]["breadth"] == 0


def test_who_has_no_interest_has_none_and_what_a_dataset_lacks_stays_empty():
    found = portrait_of_tastes([])["b"]
    assert (found["topics"], found["interest_weight"], found["breadth"], found["top_topic"]) == (0, 0, None, None)
    assert (found["channel"], found["replies_given_28"], found["night_share"], found["referrals"]) == (None, 0, None, 0)


def channels(*names: str | None):
    return made.table("portraits", [{"user_id": str(at), "channel": name} for at, name in enumerate(names)])


def test_a_composition_covers_everybody_and_has_one_row_a_value():
    found = portraits.composition(channels("b", "b", "other", "other", "other", None, "z"), "channel", top=2)
    assert dict(zip(found["value"], found["people"], strict=True)) == {"other": 5, "b": 2}
    assert found["people"].sum() == 7 and found["of"].eq(7).all()
    everything = portraits.composition(channels("b", "a", "b", None), "channel")
    assert everything["value"].tolist() == ["b", "a", "unknown"]
    assert (everything["low"] < everything["share"]).all() and (everything["share"] < everything["high"]).all()
    assert len(portraits.composition(channels(), "channel")) == 0


def test_fans_are_counted_by_their_strongest_topic():
    rows = [{"user_id": user, "topic": name, "rank": rank} for user, name, rank in
            [("a", "art", 1), ("a", "cats", 2), ("b", "cats", 1), ("c", "art", 1)]]  # fmt: skip
    found = portraits.topic_fans(made.table("interests", rows))
    assert found[["topic", "fans", "of"]].to_numpy().tolist() == [["art", 2, 3], ["cats", 1, 3]]
    assert portraits.topic_fans(None) is None and len(portraits.topic_fans(made.table("interests", []))) == 0


def test_habits_are_means_of_the_active_and_unknown_without_them():
    active = [{"user_id": str(days), "active_days_28": days, "events_28": 2 * days} for days in (1, 2, 6)]
    found = portraits.habits(made.table("portraits", [*active, {"user_id": "silent"}])).set_index("habit")
    row = found.loc["active days, 28 days"]
    assert (row["mean"], row["people"]) == (3, 3) and row["low"] < 3 < row["high"]
    for people in ([], [{"user_id": "silent"}]):
        nobody = portraits.habits(made.table("portraits", people))
        assert nobody["people"].eq(0).all() and nobody[["mean", "low", "high"]].isna().all(axis=None)
    alone = portraits.habits(made.table("portraits", active[:1]))
    assert alone["mean"].notna().all() and alone[["low", "high"]].isna().all(axis=None)


def test_a_summary_counts_each_person_once():
    rows = [
        {"user_id": "a", "first_active_day": ago(9), "active_days_28": 2, "first_pay_day": ago(3)},
        {"user_id": "b"},
    ]
    expected = {"people": 2, "ever active": 1, "active in 28 days": 1, "ever paid": 1}
    assert portraits.summary(made.table("portraits", rows)) == expected
    assert portraits.summary(made.table("portraits", [])) == dict.fromkeys(expected, 0)
