"""Why lost: everybody portrayed as of the own last day and matched with their like; what is planted is named, nothing else."""

from __future__ import annotations

import random
from datetime import date, timedelta

import made
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import contracts, portraits, retention
from helpers.retention.leaving import lost
from helpers.runs import checks
from helpers.show.said import warning as said

RULES = {
    "lifecycle": {"lost": 42}, "activity": {"medium": 4, "high": 12}, "payment": {"days": 90},
    "interests": {"half_life_days": 14},
}  # fmt: skip
LAST = made.day(160)
WATCHED = LAST - timedelta(days=49)
VISITS = st.sets(st.tuples(st.sampled_from("abcdef"), st.integers(70, 165)), max_size=30)


def facts(rows: list[dict], users: list[dict]) -> dict:
    hours = [{"user_id": row["user_id"], "day": row["day"], "weekday": row["day"].weekday(), "hour": 8 + len(row["user_id"]) % 3,
              "events": row["active"]} for row in rows]  # fmt: skip
    tables = {"first_seen": made.first_seen(rows), "user_day": made.table("user_day", rows)}
    return tables | {"user_hour": made.table("user_hour", hours), "users": made.table("users", users)}


def asked(rows: list[dict], users: list[dict], **more) -> lost.WhyLost:
    return retention.why_lost(**facts(rows, users), **more, last_day=LAST, rules=RULES)


def crowd(people: int, *, seed: int = 1, effect: float = 0.5) -> tuple[list[dict], list[dict]]:
    """Members of whom the young leave oftener, and those of the bad channel oftener still; the busy city has the young ones."""
    rng, rows, users = random.Random(seed), [], []
    for number in range(people):
        young, bad = rng.random() < 0.5, rng.random() < 0.4
        begins = rng.randrange(60, 84) if young else rng.randrange(0, 20)
        leaves = rng.random() < (0.35 if young else 0.12) + (effect if bad else 0.0) * 0.5
        ends = rng.randrange(84, 112) if leaves else 161
        user = f"u{number:04d}"
        rows += [{"user_id": user, "day": made.day(at), "active": 1 + at % 3, "sessions": 1, "react": at % 2}
                 for at in range(begins, ends) if rng.random() < 0.4]  # fmt: skip
        city = "new town" if rng.random() < (0.8 if young else 0.2) else "old town"
        users.append({"user_id": user, "registered_day": made.day(begins), "channel": "bad" if bad else "good", "city": city})
    return rows, users


@pytest.fixture(scope="module")
def found() -> lost.WhyLost:
    return asked(*crowd(900))


@given(VISITS)
@settings(made.AS_FOUND, max_examples=5)
def test_who_was_lost_is_what_plain_python_says(visits):
    rows = [{"user_id": user, "day": made.day(at), "active": 1} for user, at in visits]
    table = made.table("user_day", [row for row in rows if row["day"] <= LAST])
    got = made.records(lost._members(table, WATCHED, 42).drop("digest"))
    end = (WATCHED - made.MONDAY).days
    expected = {}
    for user in "abcdef":
        own = sorted(at for who, at in visits if who == user and at <= 160)
        before = [at for at in own if end - 28 < at <= end]
        if before:
            after = [at for at in own if at > end]
            is_lost = not after or after[0] - before[-1] > 42
            weeks = sorted({(end - at) // 7 for at in before})
            week = weeks[0] if is_lost else weeks[len(before) % len(weeks)]
            ahead = min(end - at for at in before if (end - at) // 7 == week)
            expected[user] = {"user_id": user, "ahead": ahead, "week": week, "lost": is_lost}
    assert got == expected


def test_a_portrait_moved_along_is_the_portrait_of_the_own_last_day():
    rng = random.Random(5)
    rows = [{"user_id": user, "day": made.day(at), "active": 1 + at % 4, "sessions": 1, "dwell_s": 60 * at, "react": at % 3}
            for user in "abc" for at in range(40, 112) if rng.random() < 0.5]  # fmt: skip
    replies = [{"from_user": one, "to_user": other, "day": made.day(at), "replies": 1 + at % 2}
               for at in range(60, 112, 3) for one, other in ("ab", "bc", "ca", "ba")]  # fmt: skip
    users = [{"user_id": user, "registered_day": made.day(30), "channel": user} for user in "abc"]
    given = facts(rows, users) | {"reply_day": made.table("reply_day", replies)}
    members = lost._members(given["user_day"], WATCHED, 42).cache()
    moved = {name: lost._moved(table, members) for name, table in given.items() if name != "reply_day"}
    moved["reply_day"] = lost._moved_replies(given["reply_day"], members)
    together = made.records(portraits.portraits(**moved, interests=None, last_day=WATCHED))
    for user, own in made.records(members).items():
        day = WATCHED - timedelta(days=own["ahead"])
        alone = made.records(portraits.portraits(**given, interests=None, last_day=day))[user]
        left_out = {name for name, value in alone.items() if isinstance(value, date)} | {"referrals", "referrals_active"}
        assert {k: v for k, v in together[user].items() if k not in left_out} == {
            k: v for k, v in alone.items() if k not in left_out}  # fmt: skip


SIZES = st.dictionaries(st.integers(0, 9), st.tuples(st.integers(0, 40), st.integers(0, 90)), min_size=1)


@given(SIZES)
def test_matching_takes_equally_many_stayers_for_each_of_the_lost_and_nobody_twice(sizes):
    rows = [{"stratum": at, "lost": side, "people": n}
            for at, pair in sizes.items() for side, n in zip((True, False), pair, strict=True)]  # fmt: skip
    taken = lost._taken(pd.DataFrame(rows)).pivot(index="stratum", columns="lost", values="taken")
    people = pd.DataFrame(rows).pivot(index="stratum", columns="lost", values="people")
    assert (taken <= people).all(axis=None)
    each = {stayed / one for one, stayed in zip(taken[True], taken[False], strict=True) if one}
    assert len(each) <= 1 and each <= set(range(1, lost.MOST + 1))
    most = people.min(axis=1).sum()
    assert taken[True].sum() >= lost.KEPT * most


def test_what_is_planted_is_named_and_what_only_goes_with_tenure_is_not(found):
    assert found.refused == "" and found.watched == WATCHED
    clear = found.apart[found.apart["q"].astype(float) <= 0.05]
    assert set(clear["attribute"]) == {"channel"} and "association" in said.apart(found.apart)
    bad = found.apart[found.apart["level"] == "bad"].iloc[0]
    assert bad["lift_low"] > 1.2
    young = found.apart[found.apart["level"] == "new town"].iloc[0]
    assert young["q"] > 0.05


def test_unmatched_the_young_town_would_have_been_blamed():
    """So the test above can fail: without matching, the city of the young is clearly that of the lost."""
    rows, users = crowd(900)
    members = lost._members(made.table("user_day", rows), WATCHED, 42)
    named = {row["user_id"]: row["lost"] for row in members.to_pyarrow().to_pylist()}
    towns = {row["user_id"]: row["city"] for row in users}
    share = [sum(towns[user] == "new town" for user, gone in named.items() if gone == side) / sum(
        gone == side for gone in named.values()) for side in (True, False)]  # fmt: skip
    assert share[0] > share[1] + 0.08


def test_the_matched_are_alike_in_what_they_are_matched_on(found):
    sides = found.matched.set_index("side")
    gone, stayed = sides.loc["lost"], sides.loc["stayed"]
    assert stayed["matched"] % gone["matched"] == 0 and 0 < gone["matched"] <= gone["people"]
    assert abs(gone["tenure_matched"] - stayed["tenure_matched"]) < abs(gone["tenure"] - stayed["tenure"]) / 4
    assert abs(gone["active_days_matched"] - stayed["active_days_matched"]) < 1
    assert found.apart["people"].max() == gone["matched"] and str(int(gone["matched"])) in said.matched(found.matched)


@pytest.mark.hard
def test_where_nothing_is_planted_nothing_is_named():
    named = [asked(*crowd(500, seed=seed, effect=0.0)).apart for seed in range(2, 10)]
    assert sum((frame["q"].astype(float) <= 0.05).any() for frame in named) <= 1


def test_order_pseudonyms_and_later_days_change_nothing(found):
    rows, users = crowd(900)
    rng = random.Random(9)
    other = dict(zip([row["user_id"] for row in users], rng.sample([f"x{n:05d}" for n in range(9999)], len(users)), strict=True))
    rows = [row | {"user_id": other[row["user_id"]]} for row in rows]
    rows += [row | {"day": row["day"] + timedelta(days=161)} for row in rows[:500]]
    users = [row | {"user_id": other[row["user_id"]]} for row in users]
    rng.shuffle(rows)
    rng.shuffle(users)
    again = asked(rows, users)
    pd.testing.assert_frame_equal(again.apart, found.apart, check_exact=True)
    pd.testing.assert_frame_equal(again.matched, found.matched, check_exact=True)


def test_of_too_many_some_are_looked_at_who_does_not_depend_on_names_and_all_are_counted(found, monkeypatch):
    monkeypatch.setattr(lost, "MOST_PEOPLE", 400)
    rows, users = crowd(900)
    some = asked(rows, users)
    assert some.matched["people"].tolist() == found.matched["people"].tolist() and some.matched["people"].sum() > 600
    assert 0 < some.matched["matched"].sum() < 400 and some.matched["matched"].sum() < found.matched["matched"].sum()
    own = {row["user_id"]: f"x{len(users) - at:05d}" for at, row in enumerate(users)}
    renamed = [[row | {"user_id": own[row["user_id"]]} for row in table] for table in (rows, users)]
    pd.testing.assert_frame_equal(asked(*renamed).apart, some.apart, check_exact=True)


def test_it_is_refused_where_history_or_people_are_too_few():
    rows, users = crowd(8)
    few, short, nobody = asked(rows, users), asked([row for row in rows if row["day"] > made.day(70)], users), asked([], [])
    assert [one.refused for one in (few, short, nobody)] == ["few", "short_history", "short_history"]
    for one in (few, short, nobody):
        assert one.apart.empty and "{" not in said.why_not(one.refused)


def test_contracts_are_kept(found):
    refused = asked([], [])
    for one in (found, refused):
        for name, frame in (("why_lost", one.apart), ("lost_matched", one.matched)):
            assert len(checks.to_arrow(contracts.find(name), frame)) == len(frame)
