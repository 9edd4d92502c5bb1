"""The numbers of the week: changes, their intervals and usual ranges, and splits that add up; nothing unknown is a 0."""

from __future__ import annotations

import math
from decimal import Decimal

import made
import numpy as np
import pandas as pd
import pytest

from helpers import contracts, retention, weekly

ALL = ["weekly_actives", "new_members", "week1_retention", "content_per_active", "payers", "net_amount"]


def visit(user: str, at: int, **what) -> dict:
    return {"user_id": user, "day": made.day(at), "active": 1, **what}


def sunday(week: int):
    return made.day(7 * week + 6)


def kpis(rows: list[dict], week: int, **has: bool) -> pd.DataFrame:
    days = made.table("user_day", rows)
    cube = retention.cohort_cube(days)
    has = {"paid": True, "creates": True} | has
    growth = retention.growth(retention.presence_day(days, last_day=sunday(week)), last_day=sunday(week))
    return weekly.kpis(weekly.weeks(days), growth, cube, last_day=sunday(week), **has).set_index("metric")


def crowd(weeks: int = 9) -> list[dict]:
    """Ten people join each week; each comes for three weeks, posts twice in the first, and pays 5 in the second."""
    acts = ({"create": 2}, {"pay": 1, "net": Decimal(5)}, {})
    return [
        visit(f"u{week}.{number}", 7 * (week + age) + number % 7, **acts[age])
        for week in range(weeks) for number in range(10 + week) for age in range(3) if week + age < weeks
    ]  # fmt: skip


def test_totals_by_week_are_those_of_a_recount():
    regular = [{"user_id": "buyer", "day": made.day(at), "pay": 2, "net": Decimal("7.50")} for at in (0, 7, 13, 28, 41)]
    rows = [*crowd(), *regular]
    found = weekly.weeks(made.table("user_day", rows))
    assert list(found.columns) == list(contracts.find("weeks").columns)
    for number, row in enumerate(found.to_dict("records")):
        own = [one for one in rows if (one["day"] - made.MONDAY).days // 7 == number]
        active = {one["user_id"] for one in own if one.get("active")}
        created = {user: sum(one.get("create", 0) for one in own if one["user_id"] == user) for user in active}
        assert (row["week"].date(), row["active"]) == (made.day(7 * number), len(active))
        assert (row["created"], row["created_squares"]) == (sum(created.values()), sum(n**2 for n in created.values()))
        payers, earlier = ({one["user_id"] for one in rows if one.get("pay") and (one["day"] - made.MONDAY).days // 7 == at}
                           for at in (number, number - 1))  # fmt: skip
        assert (row["payers"], row["payers_again"]) == (len(payers), len(payers & earlier))
        assert row["net"] == sum(one.get("net", 0) for one in own)


def test_a_week_without_anybody_has_zeros_and_exact_amounts():
    found = weekly.weeks(made.table("user_day", [visit("a", 0, pay=1, net=Decimal("0.10")), visit("a", 21)]))
    assert found["active"].tolist() == [1, 0, 0, 1] and found["payers"].tolist() == [1, 0, 0, 0]
    assert [type(net) for net in found["net"]] == [Decimal] * 4 and sum(found["net"]) == Decimal("0.10")
    assert weekly.weeks(made.table("user_day", [])).empty


def test_numbers_of_the_week_and_their_changes():
    found = kpis(crowd(), 8)
    assert found.index.tolist() == ALL
    assert found["value"].tolist() == [18 + 17 + 16, 18, 1, 36 / 51, 17, 85]
    assert found["before"].tolist() == [17 + 16 + 15, 17, 1, 34 / 48, 16, 80]
    assert found["change"].equals(found["value"] - found["before"])
    assert found["n"].tolist() == [51, 18, 17, 51, 17, 17]
    assert found["reason"].eq("").all()
    assert found["series"]["payers"] == [0, *range(10, 18)]
    known = found.drop(index="week1_retention")
    assert (known["low"] < known["change"]).all() and (known["change"] < known["high"]).all()


def test_series_has_13_weeks_and_the_band_those_before_this_one():
    found = kpis(crowd(20), 19)
    active = found.loc["weekly_actives"]
    past = np.array([3 * (10 + week) - 3 for week in range(7, 19)])
    middle = np.median(past)
    spread = 2 * 1.4826 * np.median(np.abs(past - middle))
    assert active["series"] == [*past, 84]
    assert (active["band_low"], active["band_high"]) == pytest.approx((middle - spread, middle + spread))
    assert kpis(crowd(6), 5)["band_low"].isna().all()


def test_what_a_dataset_does_not_have_is_not_shown():
    assert kpis(crowd(), 8, paid=False, creates=False).index.tolist() == ALL[:3]


def assert_nothing_is_invented(found: pd.DataFrame) -> None:
    unknown = found["value"].isna()
    assert (found["reason"] != "").equals(unknown)
    assert found.loc[unknown | found["before"].isna(), ["change", "low", "high"]].isna().all(axis=None)
    assert not np.isinf(found[["value", "before", "low", "high"]].to_numpy(dtype=float)).any()


def test_in_the_first_week_nobody_is_new_and_nothing_has_changed():
    found = kpis(crowd(1), 0)
    assert_nothing_is_invented(found)
    assert found["value"].isna().tolist() == [False, True, True, False, False, False]
    assert found["change"].isna().all() and found.loc["weekly_actives", "value"] == 10


def test_in_the_second_week_the_change_of_new_members_is_unknown():
    found = kpis(crowd(2), 1)
    assert_nothing_is_invented(found)
    assert found.loc["new_members", "value"] == 11 and math.isnan(found.loc["new_members", "low"])
    assert math.isnan(found.loc["week1_retention", "value"])


def test_after_a_week_without_anybody_the_numbers_are_that_weeks():
    """Week 8 is empty: nobody is active, and nobody of week 7 came back."""
    found = kpis(crowd(8), 8)
    assert_nothing_is_invented(found)
    assert (found.loc["weekly_actives", "value"], found.loc["weekly_actives", "before"]) == (0, 48)
    assert found.loc["weekly_actives", "low"] < -48 < found.loc["weekly_actives", "high"] < 0
    assert (found.loc["week1_retention", "value"], found.loc["payers", "value"]) == (0, 0)
    assert math.isnan(found.loc["content_per_active", "value"])
    assert math.isnan(kpis(crowd(8), 9).loc["week1_retention", "value"])


def test_a_cohort_week_without_newcomers_is_not_replaced_by_an_older_one():
    rows = [*crowd(4), *[visit("u3.0", at) for at in (28, 35)]]
    found = kpis(rows, 5)
    assert_nothing_is_invented(found)
    assert math.isnan(found.loc["week1_retention", "value"]) and found.loc["week1_retention", "n"] == 0


@pytest.mark.parametrize("rows", [[], [visit("a", 0)], [{"user_id": "a", "day": made.day(0), "pay": 1}]])
@pytest.mark.parametrize("week", [0, 2])
def test_a_single_user_or_none_gives_numbers_or_reasons(rows, week):
    assert_nothing_is_invented(kpis(rows, week))


def test_without_payments_amounts_are_0_and_their_change_has_no_interval():
    rows = [{key: value for key, value in row.items() if key not in ("pay", "net")} for row in crowd()]
    found = kpis(rows, 8)
    assert found.loc["net_amount", ["value", "change"]].tolist() == [0, 0]
    assert found.loc[["payers", "net_amount"], ["low", "high"]].isna().all(axis=None)


def frames(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Three weeks whose truth is known: 300 and 330 come anew, 200 and 150 amounts of 10 to 30; the payers are regulars."""
    week = pd.to_datetime([made.day(7 * at) for at in range(3)])
    came, left = rng.poisson([900, 300, 330]), rng.poisson([0, 280, 280])
    amounts = [rng.uniform(10, 30, rng.poisson(mean)) for mean in (200, 200, 150)]
    pays = rng.random((3, 500)) < rng.beta(0.3, 0.7, 500)
    active = np.cumsum(came - left)
    weeks = pd.DataFrame({
        "week": week, "active": active, "created": 0, "created_squares": 0, "payers": pays.sum(axis=1),
        "payers_again": [0, *(pays[1:] & pays[:-1]).sum(axis=1)],
        "net": [paid.sum() for paid in amounts], "net_squares": [(paid**2).sum() for paid in amounts],
    })  # fmt: skip
    growth = pd.DataFrame({"week": week, "active": active, "new": came, "retained": 0, "resurrected": 0,
                           "churned": left, "first": [True, False, False]})  # fmt: skip
    nobody = {name: [] for name in contracts.find("cohort_cube").columns}
    return weeks, growth, pd.DataFrame(nobody).astype({"cohort": "M8[us]"})


def test_intervals_of_changes_cover_the_true_change_19_times_in_20():
    rng, truth = (
        np.random.default_rng(11),
        {"weekly_actives": 50, "new_members": 30, "payers": 0, "net_amount": -1000},
    )
    draws = []
    for _ in range(50):
        found = weekly.kpis(*frames(rng), last_day=sunday(2), paid=True, creates=False).set_index("metric")
        draws.append([found.loc[name, "low"] <= change <= found.loc[name, "high"] for name, change in truth.items()])
    coverage = np.mean(draws, axis=0)
    assert (coverage > 0.95 - 4 * 0.031).all() and coverage.mean() < 0.99, coverage


def test_contents_of_regulars_have_an_interval_that_is_wide_enough():
    """The same people come in both weeks, each with a rate of their own: Welch is then too careful, never too sure."""
    rng, covered = np.random.default_rng(12), []
    for _ in range(50):
        rates = rng.gamma(0.5, 2, 300)
        weeks = frames(rng)[0].assign(active=300)
        for at in (1, 2):
            posts = rng.poisson(rates)
            weeks.loc[at, ["created", "created_squares"]] = posts.sum(), (posts**2).sum()
        _, growth, cube = frames(rng)
        found = weekly.kpis(weeks, growth, cube, last_day=sunday(2), paid=False, creates=True).set_index("metric")
        covered.append(found.loc["content_per_active", "low"] <= 0 <= found.loc["content_per_active", "high"])
    assert np.mean(covered) > 0.95 - 2 * 0.031


def test_a_change_is_clear_when_the_interval_and_the_usual_range_leave_it_out():
    rows = [
        (5, 1, 9, 0, 4),
        (5, 1, 9, 0, 6),
        (5, -1, 9, 0, 4),
        (5, 1, 9, np.nan, np.nan),
        (np.nan, np.nan, np.nan, 0, 4),
    ]
    found = weekly.changed(pd.DataFrame(rows, columns=["value", "low", "high", "band_low", "band_high"]))
    assert found["clear"].tolist() == [True, False, False, True, False]


def test_what_is_published_is_what_was_shown_with_one_row_a_number():
    shown = kpis(crowd(), 8).reset_index()
    sizes = pd.DataFrame(
        {"dimension": "activity", "tier": ["high", "none"], "people": [3, 4], "before": 0, "share": 0.5}
    )
    effects = pd.DataFrame([("tour", "return", "b", 9, 3, 0.1, 0.0, 0.2)],
                           columns=["experiment", "metric", "variant", "n", "smaller", "difference", "low", "high"])  # fmt: skip
    found = weekly.published(shown, sizes, effects)
    assert not found.duplicated(["metric", "slice"]).any() and len(found) == len(ALL) + 3
    told = found.set_index(["metric", "slice"])
    assert told["value"]["activity", "high"] == 3 and told["n"]["tour: return", "b"] == 3
    assert weekly.published(None, None, None).empty
    assert list(found.columns) == list(contracts.find("published").columns)
    assert weekly.headline("a", "b", "good").to_dict("records") == [{"sentence": "a", "status": "b", "quality": "good"}]
