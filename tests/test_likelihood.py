"""The model of who will pay: against plain Python, scipy and a truth that is known, and refused where it cannot be believed."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import made
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from helpers import contracts
from helpers.runs import checks
from helpers.segments import likelihood, pay_windows, proof
from helpers.show import words
from helpers.show.said import likelihood as said

RULES = {"payment": {"days": 90, "potential_share": 0.1}}
LAST = made.day(4 * 28 - 1)
EARLIER = (made.day(60), made.day(95))
FEW = st.integers(0, 3)
DAYS = st.fixed_dictionaries(
    {"user_id": st.sampled_from("abcdef"), "day": st.integers(0, 125).map(made.day), "active": FEW},
    optional={
        "dwell_s": st.integers(0, 900), "sessions": FEW, "create": FEW, "comment": FEW, "share": FEW, "react": FEW,
        "pay": st.integers(1, 2), "net": st.sampled_from([Decimal(5), Decimal("-5"), Decimal("0.1")]),
    },
)  # fmt: skip
TABLES = st.lists(DAYS, max_size=40, unique_by=lambda row: (row["user_id"], row["day"]))


def crowd(people: int, *, seed: int = 1, blocks: int = 4, slope: float = 1.2, paying: float = -4.0) -> list[dict]:
    """Days of people who come with a chance of their own, and pay in each 28 days with log odds that rise with it."""
    rng, rows = random.Random(seed), []
    for number in range(people):
        often = rng.choice([1, 3, 8, 16])
        for block in range(blocks):
            chosen = rng.sample(range(28), often)
            pays = rng.random() < 1 / (1 + math.exp(-paying - slope * math.log(often)))
            for at in chosen:
                row = {"user_id": f"u{number:05d}", "day": made.day(28 * block + at), "active": 1, "dwell_s": 60 * often}
                rows.append(row | ({"pay": 1} if pays and at == chosen[0] else {}))
    return rows


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return [*crowd(900), {"user_id": "first", "day": made.day(0), "active": 1}]


@pytest.fixture(scope="module")
def model(rows) -> likelihood.PayModel:
    return modelled(rows)


def modelled(rows: list[dict], last_day: date = LAST) -> likelihood.PayModel:
    return likelihood.pay_model(made.table("user_day", rows), last_day=last_day, rules=RULES)


def plain(rows: list[dict], day: date) -> dict[str, dict]:
    """The features of non-payers and whether they paid after, user by user."""
    found = {}
    for name in {row["user_id"] for row in rows if row["day"] <= day}:
        own = [row | {"age": (day - row["day"]).days} for row in rows if row["user_id"] == name]
        old = [row for row in own if row["age"] >= 0]
        recent = [row for row in old if row["age"] < 28]
        if sum(row.get("net", 0) for row in old if row["age"] < 90) > 0:
            continue
        tenure = max(row["age"] for row in old)
        found[name] = {
            "active_days": sum(row["active"] > 0 for row in recent),
            "dwell_minutes": sum(row.get("dwell_s", 0) for row in recent) / 60,
            **{what: sum(row.get(what, 0) for row in recent) for what in pay_windows.SUMS},
            "away": min((row["age"] for row in old if row["active"]), default=tenure),
            "tenure": min(tenure, 28),
            "pay_days": sum(row.get("pay", 0) > 0 for row in old),
            "paid": any(row.get("pay", 0) > 0 for row in own if -28 <= row["age"] < 0),
        }
    return found


PREPARED = []


def described(rows: list[dict]) -> list[dict]:
    if not PREPARED:
        PREPARED.append(
            made.Prepared(lambda user_day: pay_windows.non_payers(user_day, list(EARLIER), RULES), user_day="user_day")
        )
    return PREPARED[0](user_day=rows)


def chances(user_day, models: dict):
    """The probabilities of non-payers at the ends of some days, of those that have one."""
    people = pay_windows.non_payers(user_day, list(models), RULES)
    found = people.select("user_id", "until", pay_probability=likelihood.likelihood(people, list(models.values())))
    return found.filter(found.pay_probability.notnull())


@given(TABLES)
@settings(deadline=None, max_examples=15)
def test_people_are_described_as_plain_python_does(rows):
    found = described(rows)
    for nth, day in enumerate(EARLIER):
        expected = plain(rows, day)
        own = {row["user_id"]: row for row in found if row["nth"] == nth}
        assert set(own) == set(expected)
        for name, known in expected.items():
            assert own[name]["until"] == (day - date(1970, 1, 1)).days
            assert {what: own[name][what] for what in known} == pytest.approx(known)


def test_probabilities_are_the_logistic_of_the_weights_and_payers_have_none(rows, model):
    paid = [{"user_id": "payer", "day": LAST, "active": 1, "pay": 1, "net": Decimal(3)}]
    table = made.table("user_day", rows + paid)
    got = made.records(chances(table, {LAST: model}))
    known = plain(rows + paid, LAST)
    assert set(got) == set(known) and "payer" not in got
    for name, own in known.items():
        odds = model.intercept + sum(model.weights[what] * math.log(1 + own[what]) for what in pay_windows.FEATURES)
        assert got[name]["pay_probability"] == pytest.approx(1 / (1 + math.exp(-odds)), abs=2e-9)


def test_weights_are_those_of_the_least_penalised_loss_found_by_search():
    rng = np.random.default_rng(3)
    features, weight = rng.normal(size=(300, 3)) * [1, 5, 0] + 2, rng.integers(1, 4, 300).astype(float)
    paid = rng.random(300) < 1 / (1 + np.exp(2 - features[:, 0]))
    mean = np.average(features, axis=0, weights=weight)
    spread = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weight))
    scaled = (features - mean)[:, :2] / spread[:2]

    def loss(guess):
        odds = scaled @ guess[1:] + guess[0]
        return np.sum(weight * (np.logaddexp(0, odds) - paid * odds)) + likelihood.PENALTY * np.sum(guess[1:] ** 2) / 2

    best = optimize.minimize(loss, np.zeros(3), options={"gtol": 1e-9}).x
    weights, intercept = likelihood._fit(features, paid, weight)
    assert weights == pytest.approx([*(best[1:] / spread[:2]), 0.0], abs=1e-6)
    assert intercept == pytest.approx(best[0] - best[1:] @ (mean[:2] / spread[:2]), abs=1e-6)


def test_a_known_truth_is_found_and_what_is_promised_is_kept(rows, model):
    verdict = model.verdict.iloc[0]
    assert model.refused == "" and verdict["low"] <= verdict["promised"] <= verdict["high"]
    assert verdict["auc_low"] > 0.6 and verdict["lift"] > 1.5 and verdict["brier"] < verdict["brier_base"]
    got = made.records(chances(made.table("user_day", rows), {LAST: model}))
    often = pd.Series([row["active"] for row in rows], [row["user_id"] for row in rows]).groupby(level=0).sum() / 4
    truth = 1 / (1 + np.exp(4.0 - 1.2 * np.log(often)))
    found = pd.Series({name: row["pay_probability"] for name, row in got.items()}).drop("first")
    # people of one kind are given their true chance, within what 1,800 outcomes to learn from leave open
    by_kind = found.groupby(often.reindex(found.index)).mean()
    assert by_kind.to_numpy() == pytest.approx(truth.groupby(often).mean().reindex(by_kind.index).to_numpy(), abs=0.05)


@pytest.mark.hard
def test_the_test_is_a_recount_of_the_last_window(rows, model):
    """Described by the third window, who of the non-payers paid in the fourth."""
    before = LAST - timedelta(days=28)
    known = plain(rows, before)
    verdict = model.verdict.iloc[0]
    assert (verdict["people"], verdict["paid"]) == (len(known), sum(own["paid"] for own in known.values()))
    assert (verdict["tested_from"], verdict["tested_until"]) == (before + timedelta(days=1), LAST)
    learned = [plain(rows, before - timedelta(days=28 * back)) for back in (1, 2)]
    assert verdict["learned_people"] == sum(map(len, learned))
    assert verdict["learned_paid"] == sum(own["paid"] for window in learned for own in window.values())
    everyone = model.tenths.set_index("tenth").loc[0]
    assert model.tenths["people"].sum() == 2 * everyone["people"] == 2 * len(known)


def test_a_model_serves_until_the_next_window_is_over_and_is_the_same_alone_or_among_others(rows):
    table = made.table("user_day", rows + crowd(5, blocks=6))
    days = [LAST + timedelta(days=at) for at in (-28, -1, 0, 27, 28)]
    several = likelihood.pay_models(table, days, rules=RULES)
    weights = [several[day].weights for day in days]
    assert weights[0] == weights[1] != weights[2] == weights[3] != weights[4]
    for day in days:
        alone = likelihood.pay_model(table, last_day=day, rules=RULES)
        assert (alone.weights, alone.intercept) == (several[day].weights, several[day].intercept)
        pd.testing.assert_frame_equal(alone.verdict, several[day].verdict)
        assert alone.verdict["last_day"].iloc[0] == day


def same(first: likelihood.PayModel, second: likelihood.PayModel) -> None:
    assert (first.refused, first.intercept, first.weights) == (second.refused, second.intercept, second.weights)
    pd.testing.assert_frame_equal(first.verdict, second.verdict, check_exact=True)
    pd.testing.assert_frame_equal(first.tenths, second.tenths, check_exact=True)


def test_what_happens_later_changes_no_model(rows, model):
    later = [row | {"day": row["day"] + timedelta(days=112), "pay": 2, "net": Decimal(9)} for row in rows]
    same(modelled(rows + later), model)


@pytest.mark.parametrize("most", [pay_windows.MOST_PEOPLE, 40])
def test_order_and_pseudonyms_change_no_model(rows, most, monkeypatch):
    monkeypatch.setattr(pay_windows, "MOST_PEOPLE", most)
    rng = random.Random(9)
    names = sorted({row["user_id"] for row in rows})
    other = dict(zip(names, rng.sample([f"x{number}" for number in range(9999)], len(names)), strict=True))
    changed = [row | {"user_id": other[row["user_id"]]} for row in rows]
    rng.shuffle(changed)
    same(modelled(changed), modelled(rows))


def test_of_too_many_people_some_stand_for_all(rows, model, monkeypatch):
    monkeypatch.setattr(pay_windows, "MOST_PEOPLE", 200)
    fewer, whole = modelled(rows).verdict.iloc[0], model.verdict.iloc[0]
    counts = ["people", "paid", "learned_people", "learned_paid"]
    assert fewer[counts].tolist() == whole[counts].tolist()
    assert fewer["promised"] == pytest.approx(whole["promised"], abs=0.02)
    assert fewer["auc"] == pytest.approx(whole["auc"], abs=0.05)


REFUSED = {
    "no_payments": lambda: crowd(40, paying=-99),
    "short_history": lambda: [row for row in crowd(60) if row["day"] >= made.day(29)],
    "few_paid": lambda: crowd(200, paying=-7),
    "alike": lambda: [
        {"user_id": f"u{number}", "day": made.day(28 * block + block), "active": 1, "pay": 1}
        for number in range(40)
        for block in range(4)
    ],
    "few_tested": lambda: [row for row in crowd(400) if not (row.get("pay") and row["day"] >= made.day(84))],
    "chance": lambda: crowd(500, slope=0.0, paying=-1.5),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_model_that_cannot_be_believed_is_refused_with_its_reason(why):
    rows = REFUSED[why]()
    found = modelled(rows)
    assert found.refused == found.verdict["refused"].iloc[0] == why
    assert chances(made.table("user_day", rows), {LAST: found}).to_pandas().empty
    assert said.refused(found.verdict) and "{" not in said.why(found.verdict)


@pytest.mark.parametrize("days, refused", [(83, "short_history"), (84, "few_paid")])
def test_a_model_needs_84_days(days, refused):
    rows = [{"user_id": "u", "day": made.day(at), "active": 1, "pay": 1} for at in range(200)]
    assert modelled(rows, made.day(days - 1)).refused == refused


def test_a_log_without_rows_has_no_model():
    assert modelled([]).refused == "no_payments"


def test_whatever_the_model_says_keeps_its_contracts(model):
    for one in (model, modelled([]), modelled(REFUSED["chance"]())):
        for name, frame in (("pay_model", one.verdict), ("pay_tenths", one.tenths)):
            assert len(checks.to_arrow(contracts.find(name), frame)) == len(frame) > 0


CHANCES = st.lists(st.tuples(st.integers(0, 12), st.booleans(), st.integers(1, 3)), min_size=4, max_size=60)


@given(CHANCES)
@settings(deadline=None)
def test_tenths_keep_equal_people_together_and_count_everybody_once(drawn):
    chance, paid, weight = (np.array(part) for part in zip(*drawn, strict=True))
    chance, weight = chance / 13, weight.astype(float)
    found = proof.tenths(chance, paid, weight).set_index("tenth")
    assert found["people"].drop(0).sum() == found.loc[0, "people"] == weight.sum()
    assert found["paid"].drop(0).sum() == found.loc[0, "paid"] == weight[paid].sum()
    for value in set(chance):
        ahead = weight[chance > value].sum() / weight.sum()
        row = found.loc[min(int(ahead * 10 + 1e-9), 9) + 1]
        assert row["people"] >= weight[chance == value].sum()
        low, high = stats.binomtest(int(row["paid"]), int(row["people"])).proportion_ci(method="wilson")
        assert (row["low"], row["high"]) == pytest.approx((low, high), abs=1e-9)


@given(CHANCES)
@settings(deadline=None)
def test_the_area_is_the_share_of_pairs_in_order(drawn):
    chance, paid = np.array([row[0] for row in drawn], dtype=float), np.array([row[1] for row in drawn])
    area, (low, high) = proof.auc(chance, paid)
    if min(paid.sum(), (~paid).sum()) < 2:
        assert math.isnan(area) and math.isnan(low) and math.isnan(high)
        return
    pairs = [(one > other) + (one == other) / 2 for one in chance[paid] for other in chance[~paid]]
    assert area == pytest.approx(np.mean(pairs)) and 0 <= low <= area <= high <= 1


def test_the_interval_of_the_area_covers_the_truth_as_often_as_it_says():
    rng, truth, covered = np.random.default_rng(5), stats.norm.cdf(1 / math.sqrt(2)), 0
    for _ in range(400):
        paid = np.arange(200) < 60
        _, (low, high) = proof.auc(rng.normal(size=200) + paid, paid)
        covered += low <= truth <= high
    assert 0.92 <= covered / 400 <= 0.975


def test_who_stands_out_are_whole_groups_within_the_top_share():
    chance = np.array([0.9] * 5 + [0.5] * 6 + [0.1] * 89)
    paid = np.arange(100) % 2 == 0
    found = proof.tested(chance, paid, np.ones(100), base=0.5, top=0.1)
    assert (found["top_people"], found["top_paid"], found["lift"]) == (5, 3, 0.6 / 0.5)
    assert found["brier_base"] == 0.25 and found["brier"] == pytest.approx(np.mean((chance - paid) ** 2))
    assert proof.tested(chance, paid, np.ones(100), base=0.5, top=0.04)["top_people"] == 0


def test_words_follow_the_intervals_and_name_what_is_needed(model):
    one = model.verdict
    assert "times as often" in said.title(one) and "no clear difference" in said.kept(one)
    vague = one.assign(top_low=one["observed"] / 2, promised=one["high"] * 2)
    assert said.title(vague).startswith("No clear difference") and "too much" in said.kept(vague)
    assert "too little" in said.kept(one.assign(promised=one["low"] / 2))
    assert "no group stands out" in said.title(one.assign(top_people=0))
    assert said.rows(model.tenths)["who"].tolist()[-1] == "all"
    for key, number in (
        ("short_history", likelihood.LEAST_DAYS), ("few_paid", likelihood.FEWEST_PAID), ("few_tested", likelihood.FEWEST_TESTED),
    ):  # fmt: skip
        assert str(number) in words.word(f"said.likelihood.{key}")


def test_models_of_several_days_serve_each_its_own_day(rows, model):
    other = replace(model, intercept=model.intercept + 1)
    table = made.table("user_day", rows)
    both = chances(table, {LAST: model, made.day(90): other}).to_pandas()
    for day, own in ((LAST, model), (made.day(90), other)):
        alone = chances(table, {day: own}).to_pandas().set_index("user_id").sort_index()
        same_day = both[both["until"] == (day - date(1970, 1, 1)).days].set_index("user_id").sort_index()
        pd.testing.assert_frame_equal(alone, same_day, check_exact=True)
