"""The next interest against the same worked out user by user, and on communities whose next topics are known."""

from __future__ import annotations

import math
import random
import sys
from datetime import date, timedelta
from decimal import Decimal

import made
import pandas as pd
import plain_next_interest as plain
import pytest

from helpers import contracts
from helpers.portraits import uptake
from helpers.portraits.next_interest import next_interest, next_interest_score, next_topics
from helpers.show.said import next_interest as said

pytest_plugins = ["engines"]
MODULE = sys.modules["helpers.portraits.next_interest"]  # by its name the package has the function
TODAY = made.day(160)
NAMES = ["art", "cats", "food", "maths", "tech", "旅行", "音乐"]
FEW = {"MOST_TOPICS": 5, "MOST_NEXT": 2}


def ago(age: int) -> date:
    return TODAY - timedelta(days=age)


def row(user: str, topic: str, age: int, weight: str = "1") -> dict:
    return {"user_id": user, "topic": topic, "day": ago(age), "weight": Decimal(weight), "events": 1}


def unique(rows: list[dict]) -> list[dict]:
    return list({(one["user_id"], one["topic"], one["day"]): one for one in rows}.values())


def crowd(seed: int, people: int = 40) -> list[dict]:
    """People with favourites who come now and then over five months, some of them only once."""
    rng = random.Random(seed)
    rows = []
    for number in range(people):
        favourites = rng.sample(NAMES, 2)
        for age in rng.sample(range(-10, 150), rng.choice([1, 4, 12])):
            name = rng.choice([*favourites, rng.choice(NAMES)])
            rows.append(row(f"u{number}", name, age, rng.choice(["0.5", "1", "3"])))
    return unique(rows)


def scored(rows: list[dict]) -> pd.DataFrame:
    return next_interest_score(made.table("user_topic_day", rows), last_day=TODAY)


def named(rows: list[dict], score: pd.DataFrame) -> dict[tuple[str, str], list[tuple[str, float]]]:
    found = next_interest(made.table("user_topic_day", rows), score, last_day=TODAY).to_pyarrow().to_pylist()
    lists: dict = {}
    for one in sorted(found, key=lambda one: one["rank"]):
        lists.setdefault((one["user_id"], one["question"]), []).append((one["topic"], one["score"]))
        assert one["rank"] == len(lists[one["user_id"], one["question"]])
    return lists


@pytest.fixture
def limits(request, monkeypatch) -> dict:
    for name, value in request.param.items():
        monkeypatch.setattr(uptake, name, value)
    return request.param


@pytest.mark.parametrize("limits", [plain.LIMITS, FEW], ids=["all topics", "few topics"], indirect=True)
@pytest.mark.parametrize("seed", [1, 2])
def test_hits_and_named_topics_are_those_of_a_recount_in_plain_python(seed, limits):
    rows = crowd(seed)
    score, past = scored(rows), [one for one in rows if one["day"] <= TODAY]
    setting = plain.best(past, TODAY, limits)
    assert (score["memory_days"].iloc[0], score["own"].iloc[0]) == setting
    known, left_out = plain.fame(past, ago(28), limits)
    assert (score["topics"].iloc[0], score["left_out"].iloc[0]) == (len(known), left_out)
    expected = plain.hits(past, ago(28), setting, limits)
    for one in score.to_dict("records"):
        own = expected[one["question"]]
        mine, model = own[one["predictor"]], own["model"]
        assert (one["hits"], one["of"]) == (sum(mine.values()), len(mine))
        if one["predictor"] != "model":
            assert one["ahead"] == pytest.approx((sum(model.values()) - sum(mine.values())) / len(mine))
    lists = named(rows, score)
    for user, own in plain.ranked(past, TODAY, setting, limits).items():
        new = [name for name in own["model"] if name not in own["own"]]
        for question, topics in (("any topic", own["model"]), ("new topics", new)):
            assert [name for name, _ in lists.get((user, question), [])] == topics[:3]
            for name, value in lists.get((user, question), []):
                assert value == pytest.approx(own["scores"][name], abs=1e-8)


def test_later_rows_the_order_of_rows_and_pseudonyms_change_nothing():
    rows = [one for one in crowd(3) if one["day"] <= TODAY]
    score, lists = scored(rows), named(rows, scored(rows))
    later = [row(f"u{number}", "new fashion", -1 - number) for number in range(20)]
    other = random.Random(5).sample(rows + later, len(rows) + 20)
    pd.testing.assert_frame_equal(scored(other), score, check_exact=True)
    assert named(other, score) == lists
    renamed = [{**one, "user_id": f"x{99 - int(one['user_id'][1:])}"} for one in rows]
    pd.testing.assert_frame_equal(scored(renamed), score, check_exact=True)


def test_of_many_people_some_are_asked_whatever_they_are_called(monkeypatch):
    rows = [one for one in crowd(4, people=120) if one["day"] <= TODAY]
    everybody = scored(rows)
    monkeypatch.setattr(uptake, "MOST_PEOPLE", 20)
    score = scored(rows)
    assert 0 < score["of"].iloc[0] < everybody["of"].iloc[0]
    renamed = [{**one, "user_id": f"x{199 - int(one['user_id'][1:])}"} for one in rows]
    pd.testing.assert_frame_equal(scored(renamed), score, check_exact=True)


def steps(people: int, leads_to: dict[str, str], seed: int) -> list[dict]:
    """Everybody begins with one topic and four weeks later turns to the next one, most of them; a third wave is the last.

    Others are busy with popular topics that nobody of them turns to.
    """
    rng, rows = random.Random(seed), []
    for wave, start in enumerate((130, 80, 50)):
        for number in range(people):
            user, first = f"w{wave}u{number}", rng.choice(list(leads_to))
            rows += [row(user, first, start + age) for age in rng.sample(range(8), 3)]
            goes = leads_to[first] if rng.random() < 0.8 else rng.choice(list(leads_to.values()))
            rows += [row(user, goes, start - 28 - age) for age in rng.sample(range(8), 2)]
    rows += [row(f"other{number}", name, age) for number in range(2 * people) for name in ("news", "weather", "sport")
             for age in (number % 40, 60 + number % 40)]  # fmt: skip
    return unique(rows)


LEADS = {"bikes": "repair", "books": "writing", "cooking": "gardens", "films": "acting", "games": "coding", "trains": "maps"}


def test_topics_that_lead_to_others_are_learned_and_the_model_wins():
    score = scored(steps(60, LEADS, 1)).set_index(["question", "predictor"])
    new = score.loc["new topics"]
    assert new.loc["model", "rate"] > 0.75 and new.loc["most popular", "rate"] < 0.3
    assert new.loc["most popular", "ahead_low"] > 0
    assert "the model wins" in said.finding(score.reset_index(), "new topics")


def test_who_begins_with_a_topic_is_named_what_it_led_others_to():
    rows = [*steps(60, LEADS, 2), row("fresh", "books", 2)]
    assert named(rows, scored(rows))["fresh", "new topics"][0][0] == "writing"


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_won_where_topics_are_drawn_by_lot(seed):
    rng = random.Random(seed)
    names = [*NAMES, "news", "news", "sport", "sport", "weather", "law", "music", "cars"]
    rows = unique([row(f"u{rng.randrange(250)}", rng.choice(names), rng.randrange(150)) for _ in range(1500)])
    score = scored(rows)
    assert (score["of"] > 60).all()
    for question in ("any topic", "new topics"):
        assert "the model does not win" in said.finding(score, question)


def test_a_history_that_is_too_short_has_no_rate():
    for rows in ([], [row("a", "art", 3), row("b", "cats", 1)]):
        score = scored(rows)
        assert (score["of"] == 0).all() and score["rate"].isna().all() and score["ahead_low"].isna().all()
        assert "Nobody" in said.finding(score, "any topic") and "Nobody" in said.finding(score, "new topics")
    assert named([], score) == {}
    assert [name for name, _ in named([row("a", "art", 3)], score)["a", "any topic"]] == ["art"]


def test_who_has_not_come_for_years_is_named_what_is_popular():
    rows = [*crowd(6), row("gone", "chess", 20_000)]
    lists, (known, _) = named(rows, scored(rows)), plain.fame(rows, TODAY, plain.LIMITS)
    assert [name for name, _ in lists["gone", "new topics"]] == sorted(known, key=lambda name: (-known[name], name))[:3]


def test_the_artefacts_keep_their_contracts():
    rows = crowd(7)
    score = scored(rows)
    found = next_interest(made.table("user_topic_day", rows), score, last_day=TODAY)
    assert list(score.columns) == list(contracts.find("next_interest_score").columns)
    assert not score.duplicated(["question", "predictor"]).any()
    assert tuple(found.columns) == tuple(contracts.find("next_interest").columns)
    frame = found.to_pandas()
    assert not frame.duplicated(["user_id", "question", "topic"]).any() and frame.notna().all(axis=None)
    held = {one["user_id"] for one in rows if 0 <= (TODAY - one["day"]).days < 28}
    assert set(frame.loc[frame["lately"], "user_id"]) == held


def test_who_is_named_what_does_not_depend_on_how_many_are_worked_on_at_a_time(monkeypatch):
    rows = crowd(9)
    score = scored(rows)
    whole = named(rows, score)
    monkeypatch.setattr(MODULE, "PEOPLE_AT_ONCE", 7)
    assert named(rows, score) == whole and len(whole) > 50


def test_topics_are_counted_by_the_people_of_late_to_whom_they_are_named_first():
    rows = steps(60, LEADS, 3)
    found = next_interest(made.table("user_topic_day", rows), scored(rows), last_day=TODAY)
    frame = found.to_pandas()
    first = frame[(frame["question"] == "new topics") & (frame["rank"] == 1) & frame["lately"]]
    counted = next_topics(found)
    assert counted.set_index("topic")["people"].to_dict() == first["topic"].value_counts().to_dict()
    assert counted["share"].sum() == pytest.approx(1) and (counted["of"] == len(first)).all()
    top = counted.iloc[0]["topic"]
    assert said.topics(counted).startswith(f"{top} is the new topic")


def told(low: float, high: float, of: int = 100) -> str:
    """What is said where the model is ahead by so much."""
    rates = {"question": "any topic", "of": of, "low": 0.4, "high": 0.6, "rate": 0.5}
    rows = [
        {**rates, "predictor": "model", "hits": 50, "ahead": math.nan, "ahead_low": math.nan, "ahead_high": math.nan},
        {**rates, "predictor": "own last topics", "hits": 45, "ahead": (low + high) / 2, "ahead_low": low, "ahead_high": high},
        {**rates, "predictor": "most popular", "hits": 20, "ahead": 0.3, "ahead_low": 0.2, "ahead_high": 0.4},
    ]
    return said.finding(pd.DataFrame(rows), "any topic")


def test_the_model_wins_only_where_the_better_simple_rule_is_clearly_behind():
    assert "the model wins, +5.0 points (95 % interval +1.0 to +9.0 points)" in told(0.01, 0.09)
    assert "the model does not win, no clear difference" in told(-0.01, 0.11)
    assert "the model does not win, -5.0 points" in told(-0.09, -0.01)
    assert "the model wins, +2.02 points (95 % interval +0.03 to +4.00 points)" in told(0.0003, 0.04)
    assert "own last topics for 50.0 % (40.0 to 60.0 %)" in told(0.01, 0.09)
    assert "points" not in told(0.01, 0.09, of=5)


@pytest.mark.hard
def test_both_engines_name_the_same_topics(engines, monkeypatch):
    given = engines.given(made.arrow("user_topic_day", crowd(8)))
    ours, theirs = (next_interest_score(table, last_day=TODAY) for table in given)
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    found = engines.agree(lambda table: next_interest(table, ours, last_day=TODAY), given)
    assert len(found) > 100
    monkeypatch.setattr(MODULE, "PEOPLE_AT_ONCE", 30)
    assert engines.agree(lambda table: next_interest(table, ours, last_day=TODAY), given) == found
