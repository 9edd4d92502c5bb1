"""Tiers against the same rules worked out user by user in plain Python, at their very limits; scores, classes, summaries."""

from __future__ import annotations

import copy
import random
import sys
import tomllib
from datetime import timedelta
from decimal import Decimal
from functools import cache

import ibis
import made
import pandas as pd
import plain_segments
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import paths, segments
from helpers.segments import likelihood, pay_windows, value

MODULE = sys.modules["helpers.segments.tiers"]  # by its name the package has the function
TODAY = made.day(230)
EDGES = [-9, -1, 0, 6, 7, 13, 14, 15, 27, 28, 29, 41, 42, 43, 49, 50, 56, 89, 90, 91, 118, 179, 180]
AMOUNTS = [Decimal(text) for text in ("0", "0", "19.99", "20", "50", "50.1", "100", "300", "-20", "-300")]
SEEDS = settings(deadline=None, max_examples=2, suppress_health_check=[HealthCheck.too_slow])
COLUMNS = (
    "activity", "contribution", "lifecycle", "resurrected", "value", "rfm_class", "payment", "active_days", "away_days",
    "first_pay_days", "recency_days", "frequency", "monetary", "net_90", "refunded",
)  # fmt: skip


@cache
def shipped() -> dict:
    return tomllib.loads((paths.DEFAULTS / "rules.toml").read_text(encoding="utf-8"))


def rules(**sections) -> dict:
    """The limits as shipped, but for what is given."""
    made = copy.deepcopy(shipped())
    for section, own in sections.items():
        made[section] |= own
    return made


def tiers(rows: list[dict], signed_up: dict | None = None, own: dict | None = None) -> dict[str, dict]:
    found = segments.tiers(*tables(rows, signed_up), last_day=TODAY, rules=own or rules()).to_pyarrow().to_pylist()
    assert len({row["user_id"] for row in found}) == len(found)
    return {row["user_id"]: row for row in found}


def tables(rows: list[dict], signed_up: dict | None = None) -> tuple:
    users = [{"user_id": user, "registered_day": day} for user, day in (signed_up or {}).items()]
    return made.first_seen(rows), made.table("user_day", rows), made.table("users", users)


def days(ages, user: str = "u0", **what) -> list[dict]:
    return [{"user_id": user, "day": TODAY - timedelta(days=age), **what} for age in ages]


def crowd(seed: int, people: int = 60, pays: bool = True) -> tuple[list[dict], dict]:
    """A log with every kind of life in it, often at the very limits; and who signed up, some of them never seen."""
    rng = random.Random(seed)
    rows = []
    for number in range(people):
        first, last, often = rng.randint(0, 220), rng.choice([-9, 0, 3, 20, 60]), rng.choice([1, 3, 8, 30])
        ages = {rng.randint(min(first, last), max(first, last)) for _ in range(often)}
        for age in ages | set(rng.sample(EDGES, rng.randint(0, 3))):
            act = {name: rng.randint(1, 2) for name in ("create", "comment", "share", "react") if rng.random() < 0.15}
            money = rng.random() if pays else 1
            act |= {"pay": 1, "gross": abs(net := rng.choice(AMOUNTS)), "net": net} if money < 0.2 else {}
            act |= {"refunded": Decimal(5), "net": Decimal(-5)} if 0.2 <= money < 0.23 else {}
            rows += days([age], f"u{number}", active=rng.choice([0, 1, 1, 4]), **act)
    signed = {f"u{rng.randrange(people * 2)}": rng.choice([None, *EDGES]) for _ in range(people // 3)}
    return rows, {user: None if age is None else TODAY - timedelta(days=age) for user, age in signed.items()}


SETTINGS = {
    "as shipped": {},
    "held": {name: {"hold_weeks": 3} for name in ("activity", "contribution", "payment", "value")},
    "quantiles": {"activity": {"quantiles": [0.75, 0.5]}, "value": {"quantiles": [0.125, 0.25, 0.5, 0.75]}},
    "other spans": {"activity": {"days": 14}, "contribution": {"days": 40}, "value": {"days": 60, "class_high": 4}},
}


@pytest.mark.parametrize("name", SETTINGS)
@given(st.integers(0, 10**6), st.booleans())
@SEEDS
def test_tiers_are_those_of_a_recount_in_plain_python(name, seed, pays):
    own = rules(**SETTINGS[name])
    rows, signed_up = crowd(seed, pays=pays)
    found, expected = tiers(rows, signed_up, own), plain_segments.tiers(rows, signed_up, TODAY, own)
    assert set(found) == set(expected)
    for user, person in expected.items():
        assert {name: found[user][name] for name in COLUMNS} == {name: person[name] for name in COLUMNS}, user
        assert tuple(found[user][f"{what}_score"] for what in ("recency", "frequency", "monetary")) == person["scores"]


@given(st.integers(0, 10**6))
@SEEDS
def test_what_happens_later_changes_no_tier(seed):
    rows, signed_up = crowd(seed)
    past = [row for row in rows if row["day"] <= TODAY]
    known = {user: day for user, day in signed_up.items() if day is None or day <= TODAY}
    assert tiers(rows, signed_up) == tiers(past, known)


def test_an_instant_has_the_same_tiers_alone_and_among_others():
    given = tables(*crowd(5))
    ends = [TODAY - timedelta(days=back) for back in (3, 70, 7)]
    together = segments.history(*given, last_days=ends, rules=rules(**SETTINGS["held"])).to_pandas()
    for end in ends:
        alone = segments.tiers(*given, last_day=end, rules=rules(**SETTINGS["held"])).to_pandas()
        among = together[together["last_day"] == pd.Timestamp(end)].drop(columns="last_day")
        pd.testing.assert_frame_equal(*(one.sort_values("user_id", ignore_index=True) for one in (alone, among)))


def test_attributes_are_those_of_the_users_table_once_somebody_has_signed_up():
    users = [
        {"user_id": "a", "registered_day": TODAY, "channel": "ads", "city": "X", "gender": "f", "birth_year": 1996.0},
        {"user_id": "b", "registered_day": TODAY + timedelta(days=1), "channel": "ads", "birth_year": 1996.0},
        {"user_id": "c", "channel": "ads", "birth_year": 1800.0},
    ]
    rows = [*days([1], "a", active=1), *days([1], "b", active=1)]
    given = made.first_seen(rows), made.table("user_day", rows), made.table("users", users)
    found = made.records(segments.tiers(*given, last_day=TODAY, rules=rules()))
    said = {user: tuple(row[name] for name in ("channel", "city", "gender", "age_band")) for user, row in found.items()}
    assert said == {"a": ("ads", "X", "f", "25-34"), "b": (None,) * 4, "c": ("ads", None, None, None)}


def test_without_a_users_table_nobody_has_attributes():
    rows = days([1], "a", active=1)
    found = made.records(segments.tiers(made.first_seen(rows), made.table("user_day", rows), None, last_day=TODAY, rules=rules()))
    assert found["a"]["channel"] is None and found["a"]["activity"] == "low"


STAGES = [
    ((100, 42), "silent"), ((100, 43), "lost"), ((100, 14), "active"), ((100, 15), "silent"),
    ((13,), "new"), ((14,), "active"), ((14, 13), "active"), ((), "prospect"),
]  # fmt: skip
FIRST = [(27, "first purchase"), (28, "active")]
BACK = [
    ((43, 0), True), ((42, 0), False), ((49, 6), True), ((50, 7), False), ((50, 7, 0), False), ((3, 0), False), ((60,), False),
]  # fmt: skip


@cache
def of_lives() -> dict[str, dict]:
    """The tiers of all these people, who have nothing to do with each other, by what they did."""
    lives = {ages for ages, _ in [*STAGES, *BACK]}
    rows = [row for ages in lives for row in days(ages, str(ages), active=1)]
    for age, _ in FIRST:
        rows += [*days([100, 0], str(age), active=1), *days([age], str(age), pay=1, net=Decimal(9))]
    return tiers(rows, dict.fromkeys(map(str, lives), TODAY))


@pytest.mark.parametrize("ages, stage", STAGES)
def test_stages_change_at_14_and_42_days(ages, stage):
    assert of_lives()[str(ages)]["lifecycle"] == stage


@pytest.mark.parametrize("age, stage", FIRST)
def test_a_purchase_is_the_first_for_28_days(age, stage):
    assert of_lives()[str(age)]["lifecycle"] == stage


@pytest.mark.parametrize("ages, flag", BACK)
def test_resurrected_is_who_came_back_in_7_days_after_a_gap_of_over_42(ages, flag):
    assert of_lives()[str(ages)]["resurrected"] is flag


def test_activity_counts_days_and_not_events():
    rows = [*days(range(12), "a", active=1), *days(range(17, 28), "b", active=9), *days(range(28, 60), "c", active=1)]
    found = tiers(rows)
    seen = [(found[name]["activity"], found[name]["active_days"]) for name in "abc"]
    assert seen == [
        ("high", 12),
        ("medium", 11),
        ("none", 0),
    ]


def test_equal_payers_at_the_quantile_are_kept_together():
    amounts = {"a": 10, "b": 20, "c": 20, "d": 20, "e": 20}
    rows = [row for name, net in amounts.items() for row in days([5], name, pay=1, net=Decimal(net))]
    found = {name: row["payment"] for name, row in tiers(rows).items()}
    assert found == {"a": "payer", **dict.fromkeys("bcde", "high payer")}


@pytest.mark.parametrize("likely, potential", [(3, 3), (4, 0)])
def test_potential_payers_are_at_most_a_tenth_of_the_non_payers_and_stay_together(monkeypatch, likely, potential):
    rows = [row for number in range(30) for row in days([3], f"u{number}", active=1)]
    chances = {f"u{number}": 0.5 if number < likely else 0.1 for number in range(30)}
    found = {name: row["payment"] for name, row in with_chances(monkeypatch, rows, chances).items()}
    assert found == {name: row["payment"] for name, row in plain_segments.tiers(rows, {}, TODAY, rules(), chances).items()}
    assert [name for name, tier in found.items() if tier == "potential payer"] == [f"u{at}" for at in range(potential)]


def test_who_pays_is_no_potential_payer_and_who_has_no_chance_neither(monkeypatch):
    rows = [row for name in ("q", *map(str, range(9))) for row in days([3], name, active=1)]
    rows += days([3], "p", pay=1, net=Decimal(9))
    found = with_chances(monkeypatch, rows, {str(number): 0.2 if number else 0.9 for number in range(9)} | {"x": 1.0})
    tier = {name: row["payment"] for name, row in found.items()}
    assert (tier["p"], tier["q"], tier["0"], tier["1"]) == ("high payer", "non-payer", "non-payer", "non-payer")


def test_chances_follow_from_what_the_model_describes_people_by(monkeypatch):
    """A model that learns from people as `non_payers` describes them serves people whom the panel describes alike."""
    rows, signed_up = crowd(6, people=90)
    weights = {name: 0.3 - 0.1 * at for at, name in enumerate(pay_windows.FEATURES)}
    nothing = pd.DataFrame()
    ends = [TODAY - timedelta(days=back) for back in (28, 7, 0)]
    refused = ["", "alike", ""]
    models = {
        end: likelihood.PayModel(why, at - 2.0, weights, nothing, nothing)
        for at, (end, why) in enumerate(zip(ends, refused, strict=True))
    }
    given = tables(rows, signed_up)
    found = segments.history(*given, last_days=ends, rules=rules(activity={"days": 14}), models=models).to_pandas()
    people = pay_windows.non_payers(given[1], ends, rules())
    expected = people.select("user_id", "nth", chance=likelihood.likelihood(people, list(models.values()))).to_pandas()
    known = {(user, ends[nth]): chance for user, nth, chance in expected.itertuples(index=False) if chance == chance}
    chances = found.dropna(subset="pay_probability")
    assert {(user, end.date()): chance for user, end, chance in zip(
        chances["user_id"], chances["last_day"], chances["pay_probability"], strict=True
    )} == known and len(known) > 60 and {end for _, end in known} == {ends[0], ends[2]}  # fmt: skip


def with_chances(monkeypatch, rows: list[dict], chances: dict[str, float]) -> dict[str, dict]:
    """Tiers where a model has given these chances of paying."""

    def likely(people, models):
        cases = [((people.user_id == user) & (people.net_90 <= 0), chance) for user, chance in chances.items()]
        return people.mutate(pay_probability=ibis.cases(*cases, else_=ibis.null("float64")))

    monkeypatch.setattr(MODULE, "_likely", likely)
    return tiers(rows)


def test_who_was_paid_back_in_full_is_no_payer():
    rows = [*days([9], pay=1, net=Decimal("49.90")), *days([8], net=Decimal("-49.90"))]
    assert tiers(rows)["u0"]["payment"] == "non-payer"
    assert tiers(rows)["u0"]["net_90"] == 0


def test_amounts_that_just_reach_a_limit_together_score_as_the_limit():
    """Ten times 0.1 and 19 are 20, which sums of binary fractions miss."""
    rows = [*days(range(10), pay=1, net=Decimal("0.1")), *days([20], pay=1, net=Decimal(19))]
    assert tiers(rows)["u0"]["monetary_score"] == 2


def test_equal_values_score_alike_whoever_has_them():
    rows = [row for name in map(str, range(30)) for row in days([7, 30], name, pay=1, net=Decimal(25))]
    scores = {
        tuple(row[f"{what}_score"] for what in ("recency", "frequency", "monetary")) for row in tiers(rows).values()
    }
    assert scores == {(5, 2, 3)}


def test_without_payments_value_rests_on_activity_and_contributions():
    found = tiers(days([0, 1, 2], active=1, create=2, comment=1))["u0"]
    assert (found["recency_score"], found["frequency_score"], found["monetary_score"]) == (5, 3, 3)
    assert found["payment"] == "non-payer"


def test_an_empty_log_has_no_users():
    assert tiers([]) == {}


def test_a_tier_falls_only_after_so_many_weeks_below_and_rises_at_once():
    """Twelve active days until 21 days ago: a week ago all were in the window, now seven are, in a week none."""
    rows = days(range(21, 33), active=1)
    given, ends = tables(rows), [TODAY - timedelta(days=back) for back in (14, 7, 0, -7)]
    tier = {}
    for weeks in (1, 2, 3):
        found = segments.history(*given, last_days=ends, rules=rules(activity={"hold_weeks": weeks})).to_pandas()
        tier[weeks] = list(found.sort_values("last_day")["activity"])
    assert tier == {1: ["high", "high", "medium", "none"], 2: ["high", "high", "high", "medium"], 3: ["high"] * 4}


def test_quantile_scores_never_split_equal_values_and_do_not_depend_on_the_order_of_rows():
    """The rule of the reference vector rfm-ties: score by value; the realised sizes are 3, 3, 0, 2 and 2."""
    values = [0, 0, 0, 1, 1, 1, 2, 3, 4, 5]
    scores = {}
    for seed in range(3):
        rows = [{"user_id": f"u{at}", "frequency": number} for at, number in enumerate(values)]
        random.Random(seed).shuffle(rows)
        people = made.backend().create_table(f"ties_{seed}", pd.DataFrame(rows)).mutate(nth=0)
        shares = [0.2, 0.4, 0.6, 0.8]
        found = value.by_quantiles(people, {"score": people.frequency}, shares, among=people.frequency.notnull()).to_pandas()
        scores[seed] = dict(zip(found["user_id"], found["score"], strict=True))
    assert scores[0] == scores[1] == scores[2]
    assert [scores[0][f"u{at}"] for at in range(10)] == [1, 1, 1, 2, 2, 2, 4, 4, 5, 5]


def test_where_all_buy_alike_nobody_scores_high_by_quantiles():
    rows = [row for name in map(str, range(12)) for row in days([7, 30], name, pay=1, net=Decimal(25))]
    found = tiers(rows, own=rules(value={"quantiles": [0.2, 0.4, 0.6, 0.8]}))
    assert {(row["recency_score"], row["frequency_score"], row["monetary_score"]) for row in found.values()} == {(1, 1, 1)}


CLASSES = [
    ((0, 40, 41), "90", "important, keep close"), ((0,), "60", "important, to develop"),
    ((61, 62, 63), "90", "important, to keep"), ((61,), "60", "important, to win back"),
    ((0, 40, 41), "0.3", "general, keep close"), ((0,), "0.1", "general, to develop"),
    ((61, 62, 63), "0.3", "general, to keep"), ((61,), "0.1", "general, to win back"),
]  # fmt: skip


@cache
def of_buyers() -> dict[str, dict]:
    rows = [row for ages, net, name in CLASSES for row in days(ages, name, pay=1, net=Decimal(net) / len(ages))]
    return tiers([*rows, *days([1], "u1", active=1)])


@pytest.mark.parametrize("ages, net, name", CLASSES)
def test_eight_classes_follow_from_which_scores_are_high(ages, net, name):
    assert (of_buyers()[name]["rfm_class"], of_buyers()["u1"]["rfm_class"]) == (name, "no purchase")


def test_realised_sizes_of_scores_and_classes_add_up_to_the_buyers():
    rows, signed_up = crowd(11)
    found = segments.tiers(*tables(rows, signed_up), last_day=TODAY, rules=rules())
    sizes = segments.rfm_sizes(found)
    expected = [one for one in plain_segments.tiers(rows, signed_up, TODAY, rules()).values() if one["recency_days"] is not None]
    assert sizes.groupby("what")["people"].sum().to_dict() == dict.fromkeys(
        ("recency", "frequency", "monetary", "rfm_class"), len(expected)
    )
    for what, level, people, share, net in sizes.itertuples(index=False):
        at = {"recency": 0, "frequency": 1, "monetary": 2}.get(what)
        own = [one for one in expected if (one["rfm_class"] if at is None else str(one["scores"][at])) == level]
        assert (people, share, net) == (len(own), pytest.approx(len(own) / len(expected)), sum(one["net_90"] for one in own))


def test_every_pair_of_tiers_is_in_the_cross_table_and_everybody_once():
    rows = [*days(range(14), "a", active=1, create=1), *days([3], "b", active=1), *days([90], "c", active=1)]
    found = segments.cross(segments.tiers(*tables(rows), last_day=TODAY, rules=rules()), "activity", "contribution")
    assert len(found) == 4 * 6 and found["people"].sum() == 3
    cell = found.set_index(["activity", "contribution"])["people"]
    wanted = [("high", "creator"), ("low", "reader"), ("none", "none"), ("medium", "creator")]
    assert [cell[pair] for pair in wanted] == [1, 1, 1, 0]


def test_tiers_are_crossed_with_attributes_and_who_has_none_is_unknown():
    users = [{"user_id": name, "channel": channel} for name, channel in (("a", "ads"), ("b", None))]
    rows = [*days([3], "a", active=1), *days([3], "b", active=1)]
    given = made.first_seen(rows), made.table("user_day", rows), made.table("users", users)
    found = segments.cross(segments.tiers(*given, last_day=TODAY, rules=rules()), "channel", "activity")
    assert found[found["people"] > 0].values.tolist() == [["ads", "low", 1], ["unknown", "low", 1]]


@given(st.integers(0, 10**6))
@SEEDS
def test_a_purchase_summary_is_that_of_a_recount(seed):
    rows, _ = crowd(seed)
    found = made.records(segments.purchase_summary(made.table("user_day", rows), last_day=TODAY))
    bought: dict[str, list[dict]] = {}
    for row in sorted((row for row in rows if row.get("pay") and row["day"] <= TODAY), key=lambda row: row["day"]):
        bought.setdefault(row["user_id"], []).append(row)
    assert set(found) == set(bought)
    for user, own in bought.items():
        again = [float(row["gross"]) for row in own[1:]]
        expected = {
            "user_id": user, "frequency": len(again), "recency": (own[-1]["day"] - own[0]["day"]).days,
            "T": (TODAY - own[0]["day"]).days, "monetary": pytest.approx(sum(again) / len(again) if again else 0.0),
        }  # fmt: skip
        assert found[user] == expected
