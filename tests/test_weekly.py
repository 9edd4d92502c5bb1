"""The numbers of the week: changes, their intervals and usual ranges, and splits that add up; nothing unknown is a 0."""

from __future__ import annotations

import math
from decimal import Decimal
from functools import cache

import made
import numpy as np
import pandas as pd
import pytest

from helpers import contracts, facts, retention, weekly
from helpers.retention.change.band import bands, confidence_of

ALL = ["weekly_actives", "new_members", "week1_retention", "content_per_active", "payers", "net_amount"]


def visit(user: str, at: int, **what) -> dict:
    return {"user_id": user, "day": made.day(at), "active": 1, **what}


def sunday(week: int):
    return made.day(7 * week + 6)


def kpis(rows: list[dict], week: int, *, whole: bool = False, **has: bool) -> pd.DataFrame:
    """The numbers of a week; those that `changes` knows have an interval only where it is asked for, as it takes its time."""
    has = {"paid": True, "creates": True} | has
    given = artefacts(rows, week)
    told = changes_of(len(rows), week) if whole else nobody("changes", "usual_weeks")
    return weekly.kpis(*given, *told, last_day=sunday(week), **has).set_index("metric")


def artefacts(rows: list[dict], week: int) -> tuple[pd.DataFrame, ...]:
    """Weeks, growth and cube of these rows."""
    days = made.table("user_day", rows)
    growth = retention.growth(retention.presence_day(days, last_day=sunday(week)), last_day=sunday(week))
    return totals(rows), growth, retention.cohort_cube(days)


def totals(rows: list[dict]) -> pd.DataFrame:
    days = made.table("user_day", rows)
    return weekly.weeks(retention.user_weeks(days, last_day=sunday(60)))


@cache
def changes_of(number: int, week: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Changes and usual weeks of the crowd of so many rows, as the notebook of retention makes them."""
    rows = next(rows for weeks in range(1, 21) if len(rows := crowd(weeks)) == number)
    days, until = made.table("user_day", rows), {"last_day": sunday(week)}
    first_seen = facts.first_seen(days)
    given = first_seen, retention.user_weeks(days, **until)
    slices, steps = retention.slice_weeks(*given, **until), retention.steps(*given, **until)
    watched = weekly.watched(paid=True, creates=True)
    changes = retention.changes(slices, steps, paid=True, watched=watched)
    return changes, retention.usual_weeks(slices, paid=True, watched=watched)


def nobody(*names: str) -> list[pd.DataFrame]:
    """Artefacts without a row."""
    return [pd.DataFrame({column: [] for column in contracts.find(name).columns}) for name in names]


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
    found = totals(rows)
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
    found = totals([visit("a", 0, pay=1, net=Decimal("0.10")), visit("a", 21)])
    assert found["active"].tolist() == [1, 0, 0, 1] and found["payers"].tolist() == [1, 0, 0, 0]
    assert [type(net) for net in found["net"]] == [Decimal] * 4 and sum(found["net"]) == Decimal("0.10")
    assert totals([]).empty


def test_numbers_of_the_week_and_their_changes():
    found = kpis(crowd(), 8, whole=True)
    assert found.index.tolist() == ALL
    assert found["value"].tolist() == [18 + 17 + 16, 18, 1, 36 / 51, 17, 85]
    assert found["before"].tolist() == [17 + 16 + 15, 17, 1, 34 / 48, 16, 80]
    assert found["change"].equals(found["value"] - found["before"])
    assert found["n"].tolist() == [51, 18, 17, 51, 17, 17]
    assert found["reason"].eq("").all()
    assert found["series"]["payers"] == [0, *range(10, 18)]
    known = found.drop(index="week1_retention")
    assert (known["low"] < known["change"]).all() and (known["change"] < known["high"]).all()


def test_every_number_has_the_usual_band_of_its_own_past():
    given, found = artefacts(crowd(11), 10), kpis(crowd(11), 10, whole=True)
    usual = changes_of(len(crowd(11)), 10)[1]
    own = usual[usual["metric"] == "net_amount"]
    assert np.array_equal(found.loc["net_amount", "lows"], own["band_low"], equal_nan=True)
    ends = bands((given[0]["created"] / given[0]["active"]).to_frame(), confidence=confidence_of(6), every="week")
    assert np.array_equal(found.loc["content_per_active", "highs"], ends.high[0], equal_nan=True)
    last = found.drop(index="week1_retention")  # of which everybody comes back, and two cohorts are too few
    assert (last["band_low"] == [lows[-1] for lows in last["lows"]]).all() and (last["band_low"] < last["band_high"]).all()
    assert kpis(crowd(6), 5)["band_low"].isna().all()


def test_the_more_numbers_are_watched_the_wider_is_the_band_of_each():
    def band_of(metric: str, **has: bool) -> float:
        row = kpis(crowd(11), 10, whole=False, **has).loc[metric]
        return row["band_high"] - row["band_low"]

    assert (weekly.watched(paid=False, creates=False), weekly.watched(paid=True, creates=True)) == (3, 6)
    assert confidence_of(3) ** 3 == pytest.approx(0.95) == confidence_of(6) ** 6
    assert band_of("new_members") > 1.05 * band_of("new_members", paid=False, creates=False)


def test_the_series_has_thirteen_weeks():
    assert kpis(crowd(15), 14).loc["weekly_actives", "series"] == [3 * (10 + week) - 3 for week in range(2, 15)]


def test_what_the_artefact_knows_of_a_change_is_said_on_the_card_too():
    """One interval for the net amount: that which pairs what each person paid in both weeks."""
    changes, found = changes_of(len(crowd()), 8)[0], kpis(crowd(), 8, whole=True)
    changes = changes[changes["part"] == "change"]
    own = changes[changes["base"] == "week_before"].set_index("metric")
    assert set(own.index) == {"weekly_actives", "week1_retention", "net_amount"}
    for name, row in own.iterrows():
        assert found.loc[name, ["change", "low", "high"]].tolist() == pytest.approx([row["value"], row["low"], row["high"]])
    past = changes[changes["base"] == "past_mean"].set_index("metric")
    assert found.loc["net_amount", "past"] == past.loc["net_amount", "before"]


def test_who_pays_now_and_did_not_and_the_other_way_round_make_up_the_change_of_payers():
    found = kpis(crowd(), 8).loc["payers"]
    assert (found["came"], found["left"]) == (17, 16) and found["came"] - found["left"] == found["change"]


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
    found = kpis(crowd(8), 8, whole=True)
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


def frames(rng: np.random.Generator) -> tuple[pd.DataFrame, ...]:
    """Three weeks whose truth is known: 300 and 330 come anew; the payers are regulars."""
    week = pd.to_datetime([made.day(7 * at) for at in range(3)])
    came = rng.poisson([900, 300, 330])
    pays = rng.random((3, 500)) < rng.beta(0.3, 0.7, 500)
    weeks = pd.DataFrame({
        "week": week, "active": 1000, "created": 0, "created_squares": 0, "payers": pays.sum(axis=1),
        "payers_again": [0, *(pays[1:] & pays[:-1]).sum(axis=1)], "net": 0.0, "net_squares": 0.0,
    })  # fmt: skip
    growth = pd.DataFrame({"week": week, "new": came, "first": [True, False, False]})
    cube, *told = nobody("cohort_cube", "changes", "usual_weeks")
    return weeks, growth, cube.astype({"cohort": "M8[us]"}), *told


def test_intervals_of_changes_cover_the_true_change_19_times_in_20():
    """Those of the actives and of the net amount are held by the tests of `changes`."""
    rng, truth = np.random.default_rng(11), {"new_members": 30, "payers": 0}
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
        found = weekly.kpis(weeks, *frames(rng)[1:], last_day=sunday(2), paid=False, creates=True).set_index("metric")
        covered.append(found.loc["content_per_active", "low"] <= 0 <= found.loc["content_per_active", "high"])
    assert np.mean(covered) > 0.95 - 2 * 0.031


def test_a_change_is_clear_when_it_is_no_chance_and_no_usual_week():
    """Nine quiet weeks with the same people; in the tenth twice as many payers, or a tenth more, or nobody new."""
    def payers(many: int) -> pd.Series:
        rows = [visit(f"u{number}", 7 * week + number % 7, pay=int(number % 4 == week % 4 or (week == 11 and number < many)))
                for week in range(12) for number in range(200)]  # fmt: skip
        return kpis(rows, 11).loc["payers"]

    assert payers(200)["clear"] and not payers(0)["clear"]
    assert payers(200)["low"] > 0 and payers(200)["value"] > payers(200)["band_high"]
    assert not kpis(crowd(6), 5)["clear"].any()


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
    (told,) = weekly.headline("a", "b", "amber", "c").to_dict("records")
    assert told == {"sentence": "a", "status": "b", "quality": "amber", "doubts": "c"}
