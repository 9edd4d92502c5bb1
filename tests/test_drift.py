"""Drift of interests against a recount in plain Python, every order of small diaries, and communities with a known truth."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from functools import cache

import made
import numpy as np
import pandas as pd
import plain_drift
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from scipy import stats as distributions

from helpers import contracts
from helpers.errors import InputError
from helpers.portraits import diaries, drift
from helpers.runs import checks
from helpers.show import gate
from helpers.show.said import drift as said
from helpers.sources.sample import community
from helpers.sources.sample.plan import COMMENT, LIKE, POST, SHARE, TOPICS, VIEW, make_plan

pytest_plugins = ["engines"]
TODAY = made.day(140)
HALF_LIFE = 14
TOPIC_NAMES = ["art", "cats", "tech", "音乐"]
WEIGHTS = {VIEW: "0.5", LIKE: "1", COMMENT: "2", POST: "3", SHARE: "2"}


def row(user: str, topic: str, age: int, weight: str = "1") -> dict:
    return {"user_id": user, "topic": topic, "day": TODAY - timedelta(days=age), "weight": Decimal(weight)}


def found(rows: list[dict], today: date = TODAY) -> drift.Drift:
    return drift.drifts(made.table("user_topic_day", rows), last_day=today, half_life_days=HALF_LIFE)


def people(rows: list[dict], today: date = TODAY) -> dict[str, dict]:
    return {record["user_id"]: record for record in found(rows, today).people.to_dict("records")}


def crowd(names: str, seed: int, *, pages: int = 5, topics: list[str] = TOPIC_NAMES) -> list[dict]:
    """People with so many pages in either span and some older days, on any topics with equal chances."""
    rng = random.Random(seed)
    rows = []
    for name in names:
        ages = rng.sample(range(28), pages) + rng.sample(range(28, 56), pages) + rng.sample(range(56, 100), 3)
        for age in ages:
            for topic in rng.sample(topics, rng.choice([1, 1, 2])):
                rows.append(row(name, topic, age, rng.choice(["0.5", "1", "3"])))
    return rows


def turncoat(name: str, before: str = "art", now: str = "cats", pages: int = 8) -> list[dict]:
    return [row(name, now if age < 28 else before, age) for age in [*range(1, 1 + pages), *range(30, 30 + pages)]]


ROWS = st.lists(
    st.builds(
        row, st.sampled_from("abcd"), st.sampled_from(TOPIC_NAMES), st.integers(-3, 90), st.sampled_from(["0.5", "1", "3"])
    ),
    max_size=60,
    unique_by=lambda given: (given["user_id"], given["topic"], given["day"]),
)


@given(ROWS)
@settings(made.AS_FOUND, max_examples=10)
def test_distances_shares_and_fans_are_those_of_a_recount_in_plain_python(rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift, "LEAST_DAYS", 1)
        result = found(rows)
    moved = {user: plain_drift.moved(diary, HALF_LIFE) for user, diary in plain_drift.diaries(rows, TODAY).items()}
    assert result.community["people"].item() == len(moved) == len(result.people)
    for record in result.people.to_dict("records"):
        now, before, distance = moved[record["user_id"]]
        assert record["distance"] == pytest.approx(distance, abs=2e-7)
        changes = {topic: round(now.get(topic, 0) - before.get(topic, 0), 9) for topic in now}
        largest, smallest = max(changes.values()), min(changes.values())
        assert (record["gained"], -record["lost"]) == pytest.approx((largest, smallest), abs=1e-8)
        if largest > 1e-8:
            assert changes[record["to_topic"]] == pytest.approx(largest, abs=1e-8)
            assert changes[record["from_topic"]] == pytest.approx(smallest, abs=1e-8)
        else:
            assert pd.isna(record["to_topic"]) and pd.isna(record["from_topic"])
    for record in result.topics.to_dict("records"):
        topic = record["topic"]
        for at, share, fans in ((0, "share", "fans"), (1, "before", "fans_before")):
            assert record[share] == pytest.approx(np.mean([own[at].get(topic, 0.0) for own in moved.values()]), abs=1e-8)
            assert record[fans] == sum(plain_drift.fan_of(own[at]) == topic for own in moved.values())
    flows = Counter((plain_drift.fan_of(before), plain_drift.fan_of(now)) for now, before, _ in moved.values())
    given_flows = result.moves.set_index(["from_topic", "to_topic"])["people"].to_dict()
    assert given_flows == {pair: count for pair, count in flows.items() if pair[0] != pair[1]}


@pytest.mark.parametrize("seed", range(3))
def test_p_and_the_expected_distance_are_those_of_all_orders_of_the_days(seed):
    rows = crowd("abc", seed, pages=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift, "LEAST_DAYS", 3)
        drawn = people(rows)
    for user, diary in plain_drift.diaries(rows, TODAY).items():
        observed = plain_drift.moved(diary, HALF_LIFE)[2]
        every = np.array([plain_drift.moved(order, HALF_LIFE)[2] for order in plain_drift.orders(diary)])
        p = np.mean(every >= observed - 1e-9)
        spread = max(p / np.sqrt(10), np.sqrt(p / 1999))  # ten hits, or all orders drawn
        assert abs(drawn[user]["p"] - p) < 4 * spread
        assert abs(drawn[user]["expected"] - every.mean()) < 4.5 * every.std() / np.sqrt(199)


def test_the_distance_is_that_of_scipy():
    from scipy.spatial.distance import jensenshannon

    from helpers.portraits.reshuffling import distances

    shares = np.random.default_rng(3).dirichlet([0.5] * 6, size=(40, 2))
    assert distances(shares) == pytest.approx(jensenshannon(shares[:, 0], shares[:, 1], axis=1, base=2))
    assert distances(np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.3, 0.7], [0.3, 0.7]]])).tolist() == [1.0, 0.0]


def test_a_person_turns_to_another_topic_and_nobody_else_does():
    rows = crowd("abcdefgh", 1) + turncoat("x") + turncoat("y", "tech", "音乐")
    own = people(rows)
    assert {user for user, record in own.items() if record["drifted"]} == {"x", "y"}
    assert (own["x"]["from_topic"], own["x"]["to_topic"]) == ("art", "cats")
    assert (own["y"]["from_topic"], own["y"]["to_topic"]) == ("tech", "音乐")
    assert own["x"]["distance"] > 2 * own["x"]["expected"]


def test_what_is_found_for_one_follows_from_the_own_days_alone():
    """Not from the name, other people, the order of rows, or what comes later."""
    rows, compared = crowd("ab", 5), ["days", "distance", "expected", "p", "from_topic", "to_topic", "lost", "gained"]
    alone = people(rows)
    later = [row(user, "tech", -age, "3") for user in "ab" for age in range(1, 9)]
    others = crowd("cdefg", 6, topics=["a new one", *TOPIC_NAMES])
    renamed = [{**given, "user_id": {"a": "zz", "b": "b"}[given["user_id"]]} for given in rows]
    together, elsewhere = people([*others, *rows[::-1], *later]), people(renamed)
    for name in compared:
        assert alone["a"][name] == together["a"][name] == elsewhere["zz"][name], name
        assert alone["b"][name] == together["b"][name] == elsewhere["b"][name], name


def test_everything_is_the_same_in_any_order_of_rows_and_under_other_pseudonyms():
    rows = crowd("abcdefghijkl", 8) + turncoat("m")
    names = dict(zip("abcdefghijklm", random.Random(1).sample("abcdefghijklm", 13), strict=True))
    ours, theirs = found(rows), found([{**given, "user_id": names[given["user_id"]]} for given in rows[::-1]])
    back = {new: old for old, new in names.items()}
    renamed = theirs.people.assign(user_id=theirs.people["user_id"].map(back)).sort_values("user_id", ignore_index=True)
    assert_frame_equal(ours.people, renamed, check_exact=True)
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        assert_frame_equal(one, other, check_exact=True)


def test_new_people_with_other_tastes_are_no_drift():
    old = crowd("abcdefghijkl", 2)
    new = [row(f"new{number}", "a fashion", age) for number in range(50) for age in range(0, 20, 2)]
    gone = [row(f"gone{number}", "art", age) for number in range(50) for age in range(30, 50, 2)]
    ours, theirs = found(old), found([*old, *new, *gone])
    assert_frame_equal(ours.community, theirs.community)
    assert_frame_equal(ours.people, theirs.people)
    assert_frame_equal(ours.topics, theirs.topics)


def test_who_has_a_topic_on_few_days_is_not_tested_but_counts_in_the_community():
    rows = crowd("abcdefgh", 3) + [row("few", topic, age) for topic, age in (("art", 1), ("art", 2), ("cats", 40))]
    result = found(rows)
    assert "few" not in set(result.people["user_id"]) and len(result.people) == 8
    assert result.community[["people", "tested"]].iloc[0].tolist() == [9, 8]
    assert result.topics["of"].eq(9).all()


def test_people_with_one_topic_cannot_drift():
    own = people([row(user, "art", age) for user in "ab" for age in [*range(6), *range(30, 36)]])["a"]
    assert (own["distance"], own["p"], own["drifted"]) == (0, 1, False) and pd.isna(own["to_topic"])


def test_what_faded_from_before_the_diary_is_no_drift_any_more():
    """All were fans of art until nine weeks ago, and of cats ever since: the decayed interest still moves."""
    rng = random.Random(11)
    rows = []
    for number in range(60):
        ages = rng.sample(range(28), 6) + rng.sample(range(28, 56), 6) + rng.sample(range(63, 90), 8)
        for age in ages:
            main, other = ("art", "cats") if age > 60 else ("cats", "art")
            rows.append(row(f"u{number}", main if rng.random() < 0.8 else other, age, "2"))
    result = found(rows)
    cats = result.topics.set_index("topic").loc["cats"]
    assert cats["change"] > 0.02 and cats["expected"] > 0.02
    assert cats["low"] < 0 < cats["high"] and result.community["p"].item() > 0.05 and not result.people["drifted"].any()


def test_a_topic_s_interval_is_student_s_and_agrees_with_its_p():
    result = found(crowd("abcdefghijklmnopqrst", 4))
    topics = result.topics
    assert topics["beyond"].to_numpy() == pytest.approx((topics["change"] - topics["expected"]).to_numpy(), abs=1e-8)
    assert topics["change"].sum() == pytest.approx(0, abs=1e-7)
    half = (topics["high"] - topics["low"]) / 2
    error = half / distributions.t.ppf(0.975, 19)
    assert topics["p"].to_numpy() == pytest.approx(2 * distributions.t.sf(topics["beyond"].abs() / error, 19), abs=1e-6)
    assert ((topics["p"] < 0.05) == ((topics["low"] > 0) | (topics["high"] < 0))).all()


def test_a_topic_of_a_few_people_is_not_judged():
    rows = crowd("abcdefghijkl", 4) + [row("a", "rare", age) for age in range(20)]
    rare = found(rows).topics.set_index("topic").loc["rare"]
    assert rare["people"] == 1 and rare[["low", "high", "p", "q"]].isna().all() and rare["change"] > 0


def test_most_people_are_a_part_that_their_days_decide(monkeypatch):
    monkeypatch.setattr(diaries, "MOST_PEOPLE", 20)
    names = [f"u{number}" for number in range(60)]
    rows = [
        {**given, "user_id": name} for number, name in enumerate(names) for given in crowd("a", 100 + number)
    ]
    chosen = set(found(rows).people["user_id"])
    assert 5 <= len(chosen) <= 40
    others = found([{**given, "user_id": "x" + given["user_id"]} for given in rows[::-1]])
    assert set(others.people["user_id"]) == {"x" + name for name in chosen}


def test_without_rows_or_topics_there_is_nothing_to_say():
    assert drift.drifts(None, last_day=TODAY, half_life_days=HALF_LIFE) == (None, None, None, None)
    for rows in ([], [row("a", "art", 3)], [row("a", "art", -3)]):
        result = found(rows)
        assert [len(frame) for frame in result] == [0, 1, 0, 0] and result.community["people"].item() == 0


@pytest.mark.parametrize("half_life", [0, -3])
def test_a_half_life_that_is_not_above_0_is_refused(half_life):
    with pytest.raises(InputError, match=f"half_life_days is {half_life}"):
        drift.drifts(made.table("user_topic_day", []), last_day=TODAY, half_life_days=half_life)


def test_a_short_half_life_leaves_no_number_undefined():
    result = drift.drifts(made.table("user_topic_day", crowd("abc", 1)), last_day=TODAY, half_life_days=0.01)
    assert result.people[["distance", "expected", "p", "q"]].notna().all(axis=None)


@pytest.mark.parametrize("rows", [[], crowd("abcdefghijkl", 1) + turncoat("m")], ids=["nobody", "some"])
def test_every_part_keeps_its_contract(rows):
    for name, frame in zip(("drift", "community_drift", "topic_drift", "topic_moves"), found(rows), strict=True):
        assert checks.to_arrow(contracts.find(name), frame).num_rows == len(frame)


SIMULATED = pytest.mark.xdist_group("drift of the community")  # which takes its time


@cache
def simulated(*, null: bool, seed: int = 2026, members: int = 6000):
    """The built-in community's `user_topic_day`, straight from its draws, and the numbers of the fading topic's fans."""
    drawn = community.draw_community(make_plan(seed, null, members, 26))
    events = drawn.events[(drawn.events["topic"] >= 0) & (drawn.events["member"] < members)]
    rows = pd.DataFrame(
        {
            "user_id": "u" + events["member"].astype(str),
            "topic": np.array(TOPICS, dtype=object)[events["topic"]],
            "day": pd.Timestamp(drawn.plan.first_day) + pd.to_timedelta(events["t"] // 86_400, unit="D"),
            "weight": events["type"].map(WEIGHTS).astype(float),
        }
    ).dropna()
    rows = rows.groupby(["user_id", "topic", "day"], as_index=False)["weight"].sum()
    given = made.backend().create_table(f"simulated_{seed}_{null}", rows, overwrite=True)
    return given.mutate(day=given.day.cast("date"), weight=given.weight.cast("decimal(38, 4)")), drawn


@cache
def of_week(label: str, **community_of) -> drift.Drift:
    year, week = label.split("-W")
    sunday = date.fromisocalendar(int(year), int(week), 7)
    return drift.drifts(simulated(**community_of)[0], last_day=sunday, half_life_days=HALF_LIFE)


def sure(topics: pd.DataFrame) -> set[str]:
    return set(topics[topics["q"] <= 0.05]["topic"])


@SIMULATED
@pytest.mark.parametrize("week", ["2025-W50", "2026-W01"])
def test_before_the_planted_week_nothing_drifts(week):
    result = of_week(week, null=False)
    assert result.community["p"].item() > 0.05 and result.community["drifted"].item() == 0
    assert not sure(result.topics) and (result.moves["q"] > 0.05).all()


@SIMULATED
def test_the_planted_drift_is_found_in_its_week():
    drawn = simulated(null=False)[1]
    fading, rising = drawn.plan.fading_topic, drawn.plan.rising_topic
    result = of_week(drawn.plan.label(drawn.plan.drift_week), null=False)
    assert result.community["p"].item() == 0.005 and result.community["distance"].item() > 4 * result.community["expected"].item()
    topics = result.topics.set_index("topic")
    assert topics.loc[rising, "low"] > 0.01 and topics.loc[fading, "high"] < -0.01 and {rising, fading} <= sure(result.topics)
    assert set(result.topics["topic"].head(2)) == {rising, fading}
    first = result.moves.iloc[0]
    assert (first["from_topic"], first["to_topic"]) == (fading, rising) and first["q"] < 0.001
    assert (result.moves["q"].iloc[1:] > 0.05).all()


@SIMULATED
def test_four_weeks_later_most_fans_are_known_by_name_and_few_others_are_called():
    drawn = simulated(null=False)[1]
    fans = {f"u{number}" for number in np.flatnonzero(drawn.members.favourite == TOPICS.index(drawn.plan.fading_topic))}
    result = of_week("2026-W05", null=False).people
    called = result[result["drifted"]]
    right = called["user_id"].isin(fans)
    assert right.sum() > 0.75 * result["user_id"].isin(fans).sum()
    assert (~right).mean() < 0.10
    assert called[right]["from_topic"].eq("摄影").mean() > 0.98 and called[right]["to_topic"].eq("短视频").mean() > 0.98


@SIMULATED
def test_when_the_drift_is_long_past_nothing_drifts_any_more():
    result = of_week("2026-W10", null=False)
    assert result.community["p"].item() > 0.05 and result.community["drifted"].item() == 0
    assert not sure(result.topics) and (result.moves["q"] > 0.05).all()


NULL_WEEKS = ("2025-W48", "2026-W05", "2026-W10")


@pytest.mark.hard
def test_in_the_null_community_no_more_alarm_than_stated():
    """Of several thousand people 5 % and 1 % have a p of at most that; hardly any week calls anybody drifted."""
    weeks = [of_week(week, null=True, seed=seed) for seed in (1, 2) for week in NULL_WEEKS]
    p = np.concatenate([week.people["p"] for week in weeks])
    for level in (0.01, 0.05, 0.2):
        assert abs(np.mean(p <= level) - level) < 4 * np.sqrt(level * (1 - level) / len(p))
    topics = np.concatenate([week.topics["p"] for week in weeks])
    assert np.mean(topics <= 0.05) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / len(topics))
    alarms = {
        "people": sum(week.people["drifted"].any() for week in weeks),
        "topics": sum(bool(sure(week.topics)) for week in weeks),
        "moves": sum((week.moves["q"] <= 0.05).any() for week in weeks),
        "community": sum(week.community["p"].item() <= 0.05 for week in weeks),
    }
    assert max(alarms.values()) <= distributions.binom.ppf(0.999, len(weeks), 0.05), alarms


@pytest.mark.hard
def test_the_pages_of_the_diaries_are_the_same_on_both_engines(engines):
    rows = [*crowd("abcdefgh", 1), *turncoat("m"), row("old", "art", 3), row("new", "cats", -2)]
    found = engines.agree(
        lambda given: diaries.pages(given, last_day=TODAY, half_life_days=HALF_LIFE),
        engines.given(made.arrow("user_topic_day", rows)),
    )
    assert {record["user_id"] for record in found} == set("abcdefghm")


@pytest.fixture
def members():
    gate.configure(10, "en", "CNY", "members")
    yield
    gate.configure()


@SIMULATED
def test_the_words_follow_the_numbers(members):
    quiet, moved = of_week("2026-W10", null=False), of_week("2026-W05", null=False)
    assert said.community(quiet.community).startswith("No clear change of the interests of")
    assert said.people(quiet.community).endswith("nobody's interests drifted clearly")
    assert said.topics(quiet.topics).startswith("No clear change in any of 10 topics")
    assert said.moves(quiet.moves).startswith("No flow of people")
    assert "moved by 0.1" in said.community(moved.community) and "p 0.005" in said.community(moved.community)
    assert "短视频 +" in said.topics(moved.topics) and "摄影 -" in said.topics(moved.topics)
    assert said.moves(moved.moves).startswith("From 摄影 to 短视频: ")
    flows = said.large(moved.moves)
    assert flows["people"].tolist() == sorted(moved.moves.query("people >= 10")["people"], reverse=True)
    drifted = moved.community["drifted"].item()
    assert f"{drifted:,} of {len(moved.people):,} members drifted" in said.people(moved.community)


@SIMULATED
def test_a_topic_whose_interval_covers_no_change_is_not_said_to_have_won(members):
    topics = of_week("2026-W05", null=False).topics
    assert "短视频" not in said.topics(topics.assign(low=-0.001))
    assert said.topics(topics.assign(q=0.06)).startswith("No clear change")
    assert said.is_sure(topics).any() and not said.is_sure(topics.assign(q=0.06)).any()


@SIMULATED
def test_nothing_is_said_of_a_handful(members):
    one = of_week("2026-W05", null=False)
    assert said.moves(one.moves.assign(people=9)).startswith("No flow")
    assert "fewer than 10" in said.people(one.community.assign(drifted=3))
    for few in ({"people": 9}, {"tested": 9}):
        frame = one.community.assign(**few)
        assert "too few people" in (said.community(frame) if "people" in few else said.people(frame))
    assert said.topics(one.topics.assign(people=5)) == "No finding is told: a group in it has too few people"
    nobody = found([])
    assert said.community(nobody.community) == said.topics(nobody.topics) and "Nobody had a topic" in said.topics(nobody.topics)
    assert said.people(nobody.community) == "Nobody had topics on enough days to be tested"
