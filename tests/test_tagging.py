"""Tags by rule: who carries them since when, against a state machine in plain Python; their strength and reasons."""

from __future__ import annotations

import importlib
import random
import tomllib
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from functools import cache

import made
import pandas as pd
import plain_tags
import pytest
import test_portraits
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import paths, portraits
from helpers.errors import InputError
from helpers.portraits import reasons
from helpers.runs import ruling
from helpers.show.said import tags as said
from helpers.sources import rules

LAST_DAY = date(2026, 3, 8)
VALUES = [None, 0.1, 0.5, 0.6, 0.8, 0.9]


@cache
def shipped() -> list[dict]:
    return tomllib.loads((paths.DEFAULTS / "rules.toml").read_text(encoding="utf-8"))["tag"]


def rule(name: str, when: str, **more) -> dict:
    return {"name": name, "group": "social", "version": 1, "when": when, "reason": "so", **more}


def panel(people: dict[str, list]):
    """`earlier` of people given as their portraits by week, the oldest first, None before there is one."""
    rows = [
        {"user_id": user, "weeks_ago": len(weeks) - 1 - week, **portrait}
        for user, weeks in people.items() for week, portrait in enumerate(weeks) if portrait is not None
    ]  # fmt: skip
    return made.table("portraits", rows, {"weeks_ago": "int64"})


def held(earlier, own: list[dict], *, weeks: int):
    return portraits.tag_states(portraits.tag_conditions(earlier, own), own, last_day=LAST_DAY, weeks=weeks)


def states(people: dict[str, list], own: list[dict], weeks: int) -> dict[tuple[str, str], dict]:
    found = held(panel(people), own, weeks=weeks).to_pyarrow().to_pylist()
    assert len({(row["user_id"], row["tag"]) for row in found}) == len(found)
    return {(row.pop("user_id"), row.pop("tag")): row for row in found}


def crowd(seed: int, weeks: int, people: int = 400) -> dict[str, list]:
    """People whose two numbers go up and down, some of them here from the beginning, others later."""
    rng = random.Random(seed)
    found = {}
    for number in range(people):
        here = rng.choice([0, 0, rng.randrange(weeks)])
        calm = rng.choice([[0.1, 0.6], [0.6, 0.6, 0.6, 0.8], VALUES, [0.8, 0.9]])
        found[f"u{number}"] = [
            None if week < here else {"breadth": rng.choice(calm), "top_share": rng.choice(VALUES), "create_28": rng.randrange(3)}
            for week in range(weeks)
        ]
    return found


def over(name: str, limit: float):
    return lambda portrait: portrait[name] is not None and portrait[name] >= limit


def under(name: str, limit: float):
    return lambda portrait: portrait[name] is None or portrait[name] < limit


@given(st.integers(3, 9), st.integers(1, 4), st.integers(0, 99))
@settings(made.AS_FOUND, max_examples=3)
def test_tags_are_carried_as_a_state_machine_carries_them(weeks, min_weeks, seed):
    own = [
        rule("first", "breadth >= 0.8", keep_until="breadth < 0.5", min_weeks=min_weeks, exclusive=1),
        rule("third", "create_28 >= 1", exclusive=3),
        rule("second", "top_share >= 0.8", min_weeks=min_weeks, exclusive=2),
        rule("free", "top_share >= 0.8", keep_until="top_share < 0.6"),
        rule("other group", "create_28 >= 1", group="basic", exclusive=1),
    ]
    tests = [
        (over("breadth", 0.8), under("breadth", 0.5)),
        (over("create_28", 1), under("create_28", 1)),
        (over("top_share", 0.8), under("top_share", 0.8)),
        (over("top_share", 0.8), under("top_share", 0.6)),
        (over("create_28", 1), under("create_28", 1)),
    ]
    people = crowd(seed, weeks)
    found = states(people, own, weeks)
    expected = {
        (user, tag): state for user, seen in people.items() for tag, state in plain_tags.states(seen, own, tests).items()
    }
    assert set(found) == set(expected)
    for key, state in expected.items():
        began = state.pop("began")
        monday = None if began is None else LAST_DAY - timedelta(days=6 + 7 * (weeks - 1 - began))
        assert found[key] == {**state, "since": monday}, key
    assert len({tuple(state.values()) for state in expected.values()}) > 3


@given(st.integers(3, 8), st.integers(0, 99))
@settings(made.AS_FOUND, max_examples=2)
def test_who_carried_a_tag_a_week_ago_is_who_carried_it_then(weeks, seed):
    own = [
        rule("first", "breadth >= 0.8", keep_until="breadth < 0.5", min_weeks=2, exclusive=1),
        rule("second", "top_share >= 0.8", keep_until="top_share < 0.6", exclusive=2),
    ]
    people = crowd(seed, weeks + 1)
    now = states({user: seen[1:] for user, seen in people.items()}, own, weeks)
    then = states({user: seen[:-1] for user, seen in people.items()}, own, weeks)
    assert {key for key, state in now.items() if state["before"]} == {key for key, state in then.items() if state["now"]}


def test_a_tag_of_a_single_look_is_what_its_condition_says():
    found = states({"a": [{"create_28": 8}], "b": [{"create_28": 7}], "c": [{}]}, [rule("x", "create_28 >= 8")], 1)
    assert found == {
        ("a", "x"): {"now": True, "before": False, "kept": False, "since": date(2026, 3, 2), "at_least": True}
    }


def test_a_condition_on_an_unknown_value_does_not_hold_and_ends_what_is_kept():
    own = [rule("x", "breadth >= 0.8", keep_until="breadth < 0.5"), rule("y", "NOT (breadth >= 0.8)")]
    found = states({"a": [None, {"breadth": 0.9}, {}], "b": [None, {"breadth": 0.9}, {"breadth": 0.6}]}, own, 3)
    assert {(key, state["now"]) for key, state in found.items()} == {
        (("a", "x"), False), (("b", "x"), True), (("b", "y"), True),
    }  # fmt: skip


def test_the_portraits_of_earlier_weeks_are_those_that_were_made_then():
    facts = test_portraits.crowd(random.Random(3), 60)
    tables = {name: made.table(name, rows) for name, rows in facts.items()}
    topics, first = tables.pop("user_topic_day"), made.first_seen(facts["user_day"])
    last_day, weeks = made.day(120), 20
    found = portraits.earlier(
        first_seen=first, **tables, user_topic_day=topics, last_day=last_day, weeks=weeks, half_life_days=14
    ).cache()
    for ago in (0, 3, weeks - 1):
        day = last_day - timedelta(weeks=ago)
        tastes = portraits.interests(topics, last_day=day, half_life_days=14)
        then = made.records(portraits.portraits(first_seen=first, **tables, interests=tastes, last_day=day))
        assert made.records(found.filter(found.weeks_ago == ago).drop("weeks_ago")) == then and len(then) > 20
    assert day.year < last_day.year


def test_earlier_portraits_for_rules_are_those_of_all_columns_in_the_columns_that_the_rules_name():
    facts = test_portraits.crowd(random.Random(5), 60)
    tables = {name: made.table(name, rows) for name, rows in facts.items()}
    given = {"first_seen": made.first_seen(facts["user_day"]), **tables, "last_day": made.day(120), "weeks": 6}
    whole = portraits.earlier(**given, half_life_days=14)
    own = [rule("x", "night_share >= 0.5 AND pay_days > 1", keep_until="weekend_share < 0.1"), rule("y", "active_days_28 > 3")]
    narrow = portraits.earlier(**given, half_life_days=14, rules=own)
    assert set(narrow.columns[2:]) == {"night_share", "weekend_share", "pay_days", "active_days_28"}
    assert made.records(narrow) == made.records(whole.select(narrow.columns))
    assert narrow.filter(narrow.night_share > 0, narrow.weekend_share > 0).count().to_pandas() > 50


@pytest.mark.parametrize("lacking", ["users", "reply_day", "user_topic_day", "user_kind_day"])
def test_earlier_portraits_lack_what_a_dataset_lacks(lacking):
    facts = test_portraits.crowd(random.Random(3), 12)
    tables = {name: None if name == lacking else made.table(name, rows) for name, rows in facts.items()}
    first = made.first_seen(facts["user_day"])
    found = portraits.earlier(first_seen=first, **tables, last_day=made.day(120), weeks=2, half_life_days=14)
    assert found.count().to_pandas() > 12


PEOPLE = {
    "poster": {"create_28": 9},
    "owl": {"night_share": 0.5, "events_28": 10},
    "early owl": {"night_share": 0.5, "events_28": 9},
    "payer": {"pay_days": 3, "days_since_pay": 4, "discount_share": 0.125, "average_order": 99.5, "orders": 3},
    "once": {"pay_days": 1, "days_since_pay": 60, "discount_share": 0.9},
    "lapsed": {"pay_days": 5, "days_since_pay": 61, "discount_share": 0.0},
    "focused": {"top_share": 0.7, "interest_weight": 3.0, "top_topic": "摄影", "breadth": 0.1, "topics": 2},
    "never came": {"tenure_days": 20},
    "nobody": {},
}


def carried(people: dict[str, dict], own: list[dict]) -> dict[tuple[str, str], dict]:
    now = {user: [{"first_active_day": date(2026, 1, 1), **more}] for user, more in people.items()}
    now["never came"] = [people.get("never came", {})]
    whole = panel(now)
    found = portraits.tags(whole, own, held(whole, own, weeks=1))
    return {(row["user_id"], row["tag"]): row for row in found.to_pyarrow().to_pylist()}


def test_shipped_tags_say_why_in_words():
    found = {key: (row["reason"], row["strength"]) for key, row in carried(PEOPLE, shipped()).items()}
    assert found == {
        ("poster", "frequent poster"): ("9 posts in 28 days, limit 8", 1.125),
        ("poster", "unanswered"): ("9 posts and 0 comments in 28 days, limit 4, and 0 replies received", 2.25),
        ("owl", "night owl"): ("50 % of events between 22:00 and 05:00, limit 50 %, 10 events in 28 days, limit 10", 1.0),
        ("payer", "repeat payer"): ("payments on 3 days, limit 2", 1.5),
        ("payer", "bargain hunter"): ("13 % discount on payments, limit 10 %", 1.25),
        ("once", "first-time payer"): ("payments on 1 day, 60 days ago", None),
        ("lapsed", "lapsed payer"): ("last payment 61 days ago, limit 60", 1.0167),
        ("focused", "focused"): ("70 % of the interest on 摄影, limit 70 %", 1.0),
        ("never came", "signed up only"): ("signed up 20 days ago and never active, limit 7", 2.8571),
    }


def test_a_sentence_is_filled_with_values_of_every_type():
    people = {"a": {"create_28": 3, "net": Decimal("12.5"), "night_share": 0.255, "last_pay_day": date(2026, 2, 1)}, "b": {}}
    own = [rule("it's", "TRUE", reason="{{x}} {create_28} {net:.2f} {night_share:.1%} {repurchased} {last_pay_day} {city}")]
    found = carried(people, own)
    assert found["a", "it's"]["reason"] == "{x} 3 12.50 25.5 % false 2026-02-01 -"
    assert found["b", "it's"]["reason"] == "{x} 0 0.00 - false - -"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{creat_28}", "creat_28"),
        ("{net}", r"\{net\} has a fraction; say how it is written, as \{net:.1f\}"),
        ("{create_28:>9}", "may be written as"),
        ("{city:.1f}", "may be written as"),
        ("{create_28", "brackets do not match"),
        ("{create_28.real}", "create_28.real"),
    ],
)
def test_a_sentence_that_cannot_be_filled_is_refused(template, said):
    columns = {"create_28": "int64", "net": "decimal", "city": "string"}
    with pytest.raises(ValueError, match=said):
        reasons.pieces(template, columns)


def test_sizes_count_who_came_and_who_left():
    own = [rule("x", "create_28 >= 1"), rule("y", "create_28 >= 100")]
    weeks = {"stays": [1, 1], "came": [0, 1], "left": [2, 0], "gone": [3, 0], "never": [0, 0]}
    people = {user: [{"create_28": number} for number in seen] for user, seen in weeks.items()}
    whole = panel(people)
    found = held(whole, own, weeks=2)
    sizes = portraits.tag_sizes(found, own, whole.filter(whole.weeks_ago == 0)).set_index("tag")
    assert sizes.loc["x", ["people", "before", "came", "left", "of"]].tolist() == [2, 3, 1, 2, 5]
    assert sizes.loc["y", ["people", "before", "came", "left", "share"]].tolist() == [0, 0, 0, 0, 0.0]
    assert (sizes["people"] - sizes["before"] == sizes["came"] - sizes["left"]).all()


def test_without_rules_or_people_there_are_no_tags():
    for people, own in (({"a": [{}]}, []), ({}, shipped()[:2])):
        whole = panel(people)
        found = held(whole, own, weeks=1)
        assert found.count().to_pandas() == portraits.tags(whole, own, found).count().to_pandas() == 0
        sizes = portraits.tag_sizes(found, own, whole)
        assert sizes["people"].tolist() == [0] * len(own)
        assert sizes["share"].isna().all() or people


@pytest.mark.parametrize("when", ["nights >= 2", "night_share >=", "night_share > 'x' AND"])
def test_a_rule_that_cannot_be_read_is_named(when):
    with pytest.raises(InputError, match=r"\[\[tag\]\] odd: when = "):
        states({"a": [{}]}, [rule("good", "create_28 > 1"), rule("odd", when)], 1)


def test_no_rule_is_blamed_where_the_engine_can_read_none(monkeypatch):
    module = importlib.import_module("helpers.portraits.tag_states")  # the package has a function of that name
    monkeypatch.setattr(module, "_is_read", lambda narrow, condition: False)
    with pytest.raises(Exception, match="nights") as caught:
        states({"a": [{}]}, [rule("odd", "nights >= 2")], 1)
    assert not isinstance(caught.value, InputError)


def test_the_shipped_tags_are_sound_and_of_five_groups():
    assert [mistake for tag in shipped() for mistake in ruling.of_tag(tag)] == []
    assert [mistake for tag in shipped() for mistake in rules._tag(tag)] == []
    groups = Counter(tag["group"] for tag in shipped())
    assert set(groups) == set(rules.GROUPS) and min(groups.values()) >= 3 and 25 <= sum(groups.values()) <= 30
    assert len({tag["name"] for tag in shipped()}) == len(shipped())


def test_the_guide_lists_the_shipped_tags():
    guide = (paths.PROJECT / "data" / "README.md").read_text(encoding="utf-8")
    for tag in shipped():
        ends = f"`{tag['keep_until']}`" if "keep_until" in tag else ""
        assert f"| {tag['group']} | {tag['name']} | {tag['meaning']} | `{tag['when']}` | {ends} |\n" in guide


def sizes(*rows: tuple) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["tag", "people", "before", "came", "left"])
    return found.assign(of=1000, share=found["people"] / 1000, when="carried")


def test_a_tag_is_told_of_by_the_smaller_of_this_week_and_the_last():
    found = said.rows(sizes(("a", 40, 5, 36, 1), ("b", 0, 30, 0, 30), ("c", 0, 0, 0, 0)))
    assert found[["change", "smallest"]].to_numpy().tolist() == [[35, 5], [-30, 30], [0, 0]]
    assert said.carried(found) == "1 of 3 tags are carried by somebody; a comes first, with 4.0 % of all people"
    assert said.carried(sizes(("a", 9, 9, 0, 0))) == "No finding is told: a group in it has too few people"


def test_who_came_and_left_is_told_only_where_both_are_enough():
    """From one of them and the change the other could be worked out."""
    found = sizes(("few left", 40, 30, 15, 5), ("more", 50, 40, 30, 20), ("less", 20, 30, 0, 10), ("still", 20, 20, 0, 0))
    assert said.moved(found)["tag"].tolist() == ["more", "less"]
    assert said.changes(found) == "more gained most: 30 came, 20 left; less lost most: 0 came, 10 left"
    assert said.changes(found.iloc[[0, 3]]) == "No tag has moved by enough people to tell of"
