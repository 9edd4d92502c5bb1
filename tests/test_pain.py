"""Pain points against a recount in plain Python; what is planted in the built-in community is found, and nothing else."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from datetime import date, timedelta

import made
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from helpers import contracts, portraits
from helpers.errors import InputError
from helpers.portraits import pain
from helpers.runs import checks
from helpers.show.said import pain as said

TODAY = date(2026, 3, 8)
LIMITS = {"days": 28, "low_score": 2, "low_scores": {"recommend": 6}}


def people(rows: list[dict], by=pain.BY):
    return portraits.groups(made.table("portraits", rows), by=by)


def answered(rows: list[tuple]):
    """Rows (user, days ago, question, score)."""
    named = [{"user_id": u, "day": TODAY - timedelta(days=ago), "question": q, "score": s} for u, ago, q, s in rows]
    return made.table("feedback", named)


def scores(rows: list[tuple], who: list[dict], by=("city",), limits=LIMITS) -> dict:
    found = portraits.low_scores(answered(rows), people(who), last_day=TODAY, limits=limits, by=by)
    return {(one["measure"], one["attribute"], one["level"]): one for one in found.to_dict("records")}


def test_answers_of_a_day_are_one_and_those_without_a_usable_score_are_none():
    rows = [("a", 4.0), ("a", 1.0), ("b", None), ("c", 1e300), ("c", math.inf), ("d", -2.5)]
    day = pa.array([TODAY] * len(rows), pa.date32())
    columns = {"user_id": [u for u, _ in rows], "answered_day": day, "question": ["q"] * len(rows)}
    table = pa.table(columns | {"score": pa.array([s for _, s in rows], pa.float64())})
    found = portraits.answers(made.backend().create_table("survey_rows", table)).to_pyarrow().to_pylist()
    expected = [("a", TODAY, "q", 2.5), ("d", TODAY, "q", -2.5)]
    assert sorted(tuple(one[name] for name in ("user_id", "day", "question", "score")) for one in found) == expected


def test_each_person_counts_once_with_the_last_answer_of_the_days_and_later_ones_change_nothing():
    who = [{"user_id": u, "city": "x" if u in "ab" else "y"} for u in "abcd"]
    rows = [("a", 27, "q", 5), ("a", 3, "q", 1), ("b", 28, "q", 5), ("c", 0, "q", 4), ("d", 5, "q", 2), ("stranger", 1, "q", 1)]
    found = scores(rows, who)
    assert [found["q", "city", level]["people"] for level in "xy"] == [1, 2]
    assert [found["q", "city", level]["value"] for level in "xy"] == [1, 3]
    assert [found["q", "city", level]["share"] for level in "xy"] == [1, 0.5]
    later = [("a", -1, "q", 5), ("b", -3, "q", 5), ("c", -1, "other", 1)]
    pd.testing.assert_frame_equal(pd.DataFrame(found), pd.DataFrame(scores([*rows, *later], who)))


def test_a_score_is_low_up_to_the_limit_of_its_question():
    who = [{"user_id": f"u{at}", "city": "xy"[at % 2]} for at in range(8)]
    rows = [(f"u{at}", 0, question, at) for at in range(8) for question in ("recommend", "satisfaction")]
    found = scores(rows, who)
    assert [found[q, "city", "x"]["share"] for q in ("recommend", "satisfaction")] == [1, 0.5]


def test_a_limit_that_is_no_number_is_told():
    with pytest.raises(InputError, match=r"\[pain.low_scores\] recommend"):
        scores([], [], limits=LIMITS | {"low_scores": {"recommend": "six"}})


ANSWERS = st.lists(
    st.tuples(st.integers(0, 25).map("u{}".format), st.integers(-3, 40), st.sampled_from(["q", "r"]), st.integers(1, 5)),
    max_size=60, unique_by=lambda one: one[:3],
)  # fmt: skip
CITY = [{"user_id": f"u{at}", "city": [None, "x", "y", "z"][at % 4]} for at in range(26)]


def recounted(rows: list[tuple]) -> dict[tuple[str, str], tuple]:
    """Score of each person by question, of the last answer in time; then by city."""
    last: dict = {}
    for user, ago, question, score in sorted(rows, key=lambda one: -one[1]):
        if 0 <= ago < LIMITS["days"]:
            last[question, user] = score
    city = {one["user_id"]: one["city"] for one in CITY}
    found = {}
    for question in {question for question, _ in last}:
        groups = defaultdict(list)
        for (asked, user), score in last.items():
            if asked == question and city[user]:
                groups[city[user]].append(score)
        for level, own in groups.items():
            others = [score for other, scores in groups.items() if other != level for score in scores]
            if others:
                low = sum(score <= LIMITS["low_score"] for score in own)
                found[question, level] = (len(own), len(others), statistics.mean(own), statistics.mean(others), low / len(own))
    return found


@given(ANSWERS)
@settings(made.AS_FOUND, max_examples=6)
def test_scores_are_those_of_a_recount_in_plain_python(rows):
    found, expected = scores(rows, CITY), recounted(rows)
    assert {(question, level) for question, _, level in found} == set(expected)
    for (question, level), own in expected.items():
        one = found[question, "city", level]
        names = ("people", "rest", "value", "others", "share")
        assert [one[name] for name in names] == pytest.approx(list(own))
        assert one["difference"] == pytest.approx(own[2] - own[3])
        assert math.isnan(one["p"]) == (min(own[:2]) < pain.LEAST) or one["value"] == one["others"]


def habits(now: int, before: int, **more) -> dict:
    return {"active_days_28": now, "active_days_before": before, "tenure_days": 100, "channel": "ads", **more}


def test_a_change_is_that_of_people_who_were_there_and_active_in_both_spans():
    rows = [
        habits(4, 10, city="x"), habits(6, 8, city="x"), habits(5, 5, city="y"),
        habits(0, 9, city="x"), habits(9, 0, city="x"), habits(1, 9, city="x", tenure_days=55),
    ]  # fmt: skip
    rows = [one | {"user_id": f"u{at}", "replies_received_before": at} for at, one in enumerate(rows)]
    found = portraits.falling(people(rows)).set_index(["measure", "attribute", "level"])
    x, y = found.loc[("active_days", "city", "x")], found.loc[("active_days", "city", "y")]
    assert (x["people"], x["rest"], x["value"], x["before"], x["share"]) == (2, 1, -4, 9, 0.5)
    assert (y["people"], y["value"], y["others"], y["share"]) == (1, 0, -4, 0)
    everybody = found.loc[("active_days", "all", "all")]
    low, high = scipy_stats.t.interval(0.95, 2, np.mean([-6, -2, 0]), scipy_stats.sem([-6, -2, 0]))
    assert (everybody["people"], everybody["value"]) == (3, pytest.approx(-8 / 3))
    assert (everybody["low"], everybody["high"]) == pytest.approx((low, high))
    assert found.loc[("replies_received", "all", "all"), "share"] == 1, "of the two who had any before"
    assert "channel" not in found.index.get_level_values("attribute"), "everybody is of one channel"


def random_habits(seed: int, size: int = 600) -> list[dict]:
    rng = np.random.default_rng(seed)
    busy = rng.gamma(2, 4, size)
    days = [(int(rng.poisson(mean)), int(rng.poisson(mean))) for mean in busy]
    who = [{"user_id": f"u{at}", "city": f"c{at % 6}", "gender": "fm"[at // 6 % 2]} for at in range(size)]
    return [habits(*own, **one) for own, one in zip(days, who, strict=True)]


def test_a_city_in_which_people_come_less_is_found_and_no_other():
    rows = random_habits(1)
    for one in rows[::6]:
        one["active_days_28"] = -(-one["active_days_28"] // 2)
    found = portraits.pain_points(portraits.falling(people(rows)))
    clear = said.clear(found)
    assert [(one["measure"], one["level"]) for one in clear.to_dict("records")] == [("active_days", "c0")]
    assert "c0 (City)" in said.title(found) and found.iloc[0]["level"] == "c0"


def test_that_everybody_comes_less_is_said_with_its_interval_and_of_no_single_group():
    rows = [one | {"active_days_28": -(-one["active_days_28"] // 2)} for one in random_habits(1)]
    found = portraits.pain_points(portraits.falling(people(rows)))
    assert said.everybody(found)[0].startswith("Active days, 28 days less the 28 before: -3.") and said.clear(found).empty


def test_where_nobody_comes_less_nothing_is_found():
    found = [portraits.pain_points(portraits.falling(people(random_habits(seed)))) for seed in range(2, 8)]
    assert sum(not said.clear(one).empty for one in found) <= 1
    assert any("no clear difference" in said.everybody(one)[0] for one in found)
    assert any("No group is clearly worse off" in said.title(one) for one in found)


def test_groups_are_of_tenure_and_of_channel_by_tenure_and_of_tiers_where_they_are_given():
    rows = [{"user_id": f"u{days}", "channel": "ads", "tenure_days": days} for days in (0, 27, 28, 90, 91)]
    rows.append({"user_id": "unknown", "channel": "ads"})
    segments = made.table("segments", [{"user_id": "u27", "activity": "high"}])
    by = ("joined", "channel_and_joined", "activity")
    found = made.records(portraits.groups(made.table("portraits", rows), segments, by=by))
    joined = [found[f"u{days}"]["joined"] for days in (0, 27, 28, 90, 91)]
    assert joined == ["in the last 4 weeks"] * 2 + ["5 to 13 weeks ago"] * 2 + ["earlier"]
    assert found["u27"]["channel_and_joined"] == "ads, in the last 4 weeks" and found["u27"]["activity"] == "high"
    assert [found["unknown"][name] for name in by] == [None, None, None]


def test_pain_comes_first_then_what_is_better_then_what_is_not_judged():
    part = {"source": "survey", "measure": "q", "attribute": "city"}
    rows = [("better", 1.0, 1e-9), ("unknown", -5.0, math.nan), ("worse", -1.0, 0.04), ("worst", -1.0, 0.01)]
    frame = pd.DataFrame([part | {"level": level, "difference": step, "p": p} for level, step, p in rows])
    found = portraits.pain_points(frame.reindex(columns=pain.ROWS))
    assert found["level"].tolist() == ["worst", "worse", "better", "unknown"]
    assert found["q"].tolist()[:3] == pytest.approx([0.015, 0.04, 3e-9])


def test_without_surveys_there_is_behaviour_alone_and_without_people_a_frame_that_can_be_written():
    nobody = people([])
    assert portraits.low_scores(None, nobody, last_day=TODAY, limits=LIMITS).empty
    empty = portraits.pain_points(portraits.low_scores(None, nobody, last_day=TODAY, limits=LIMITS), portraits.falling(nobody))
    assert checks.to_arrow(contracts.find("pain_points"), empty).num_rows == 0
    assert "No group" in said.title(empty) and said.everybody(empty) == ["Too few people were there for both spans of 28 days"]
    some = portraits.pain_points(portraits.low_scores(None, nobody, last_day=TODAY, limits=LIMITS),
                                 portraits.falling(people(random_habits(1, 30))))  # fmt: skip
    assert set(some["source"]) == {"behaviour"} and checks.to_arrow(contracts.find("pain_points"), some).num_rows == len(some)


def community(folder, *, null: bool):
    """The survey and the members of the built-in community, read by plain means."""
    from helpers.sources import sample

    told = sample.build(folder, null=null)
    users = pd.read_csv(folder / "users.csv", dtype=str, keep_default_na=False)
    since = (pd.Timestamp(TODAY) - pd.to_datetime(users["registered_at"].str[:10])).dt.days
    rows = [
        {"user_id": uid, "channel": channel or None, "city": city or None, "gender": gender or None, "tenure_days": days}
        for uid, channel, city, gender, days in zip(
            users["uid"], users["channel"], users["city"], users["gender"], since, strict=True
        )
    ]
    survey = pd.read_csv(folder / "feedback.csv", dtype=str, keep_default_na=False)
    days = [(pd.Timestamp(TODAY) - pd.Timestamp(text[:10])).days for text in survey["answered_at"]]
    answers = zip(survey["uid"], days, survey["question"], survey["score"].astype(float), strict=True)
    limits = LIMITS | {"days": 91}
    return told, portraits.pain_points(portraits.low_scores(answered(list(answers)), people(rows), last_day=TODAY, limits=limits))


def test_the_low_city_and_the_channel_that_joined_low_are_found_in_the_built_in_community(tmp_path):
    told, found = community(tmp_path / "raw", null=False)
    planted = told["feedback"]
    city, channel = planted["low_city"], planted["low_channel"]["channel"]
    clear = said.clear(found)
    named = {(one["measure"], one["level"]) for one in clear.to_dict("records")}
    assert {("satisfaction", city), ("satisfaction", channel), ("satisfaction", f"{channel}, in the last 4 weeks")} <= named
    assert all(city in level or channel in level for _, level in named)
    assert f"{channel}, earlier" not in {level for _, level in named}, "who joined before its week is as content as others"
    low = clear[(clear["measure"] == "satisfaction") & (clear["level"] == city)].iloc[0]
    gap = planted["mean_satisfaction_low"] - planted["mean_satisfaction"]
    assert low["low"] - 0.2 < gap < low["high"] + 0.2, "others hold the low channel, too"


def test_nothing_is_found_where_nothing_is_planted(tmp_path):
    _, found = community(tmp_path / "raw", null=True)
    assert len(found) > 50 and said.clear(found).empty
    assert said.title(found).startswith("No group is clearly worse off")
