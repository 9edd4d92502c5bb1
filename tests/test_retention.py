"""Cohorts, active users and growth accounting against sets counted in plain Python."""

from __future__ import annotations

import random
from datetime import date, timedelta

import made
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import contracts, retention
from helpers.errors import InputError, RunFailed

SUNDAY = made.day(10 * 7 - 1)
VISITS = st.sets(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 69)), max_size=40)
Visits = set[tuple[str, int]]


def rows(visits: Visits, **what) -> list[dict]:
    return [{"user_id": user, "day": made.day(at), "active": 1, **what} for user, at in sorted(visits)]


def user_day(visits: Visits):
    """Active days, and a day without activity of somebody else, which must count for nothing."""
    return made.table("user_day", [*rows(visits), {"user_id": "only pays", "day": made.day(3), "pay": 1}])


def cube_of(visits: Visits, slices: dict[str, dict[str, str]] | None = None) -> pd.DataFrame:
    told = {
        name: made.table("users", [{"user_id": user, "channel": value} for user, value in values.items()])
        for name, values in (slices or {}).items()
    }
    sliced = {name: retention.slice_of(table, "channel") for name, table in told.items()}
    return retention.cohort_cube(made.first_seen(rows(visits)), user_day(visits), sliced)


def crowd(people: int = 60) -> Visits:
    rng = random.Random(3)
    starts = {f"u{number}": rng.randrange(70) for number in range(people)}
    return {(user, rng.randrange(start, 70)) for user, start in starts.items() for _ in range(rng.choice([1, 3, 9]))}


def weeks_of(visits: Visits) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for user, at in visits:
        found.setdefault(user, set()).add(at // 7)
    return found


def by_cohort(visits: Visits) -> dict[tuple[date, int], tuple[int, int]]:
    """Size and actives by cohort and age, over all ages up to the last week with anybody active."""
    weeks = weeks_of(visits)
    newest = max((max(own) for own in weeks.values()), default=-1)
    found = {}
    for cohort in {min(own) for own in weeks.values()}:
        members = [own for own in weeks.values() if min(own) == cohort]
        for age in range(newest - cohort + 1):
            found[made.day(7 * cohort), age] = (len(members), sum(cohort + age in own for own in members))
    return found


@given(VISITS)
@settings(made.AS_FOUND, max_examples=12)
def test_the_cube_counts_what_sets_count(visits):
    cube = cube_of(visits)
    assert list(cube.columns) == list(contracts.find("cohort_cube").columns)
    found = {(row.cohort.date(), row.age): (row.size, row.active) for row in cube.itertuples(index=False, name="Row")}
    assert found == by_cohort(visits) and cube["dimension"].eq("all").all()
    whole = cube[cube["age"] == 0]
    assert whole["active"].equals(whole["size"])


def test_slices_add_up_to_the_whole_and_who_is_in_none_is_unknown():
    visits = crowd()
    channel = {f"u{number}": "ads" if number % 3 else "friend" for number in range(50)}
    cube = cube_of(visits, {"channel": channel})
    for slice_ in ("ads", "friend", "unknown"):
        own = {(user, at) for user, at in visits if channel.get(user, "unknown") == slice_}
        chosen = cube[(cube["dimension"] == "channel") & (cube["slice"] == slice_)]
        expected = by_cohort(own)
        found = {(row.cohort.date(), row.age): (row.size, row.active) for row in chosen.itertuples(name="Row")}
        assert {key: found[key] for key in expected} == expected
        assert all(active == 0 for key, (_, active) in found.items() if key not in expected)
    added = cube[cube["dimension"] == "channel"].groupby(["cohort", "age"])[["size", "active"]].sum()
    assert added.equals(cube[cube["dimension"] == "all"].set_index(["cohort", "age"])[["size", "active"]])


@pytest.mark.parametrize("last", [SUNDAY, made.day(6 * 7 - 1), made.day(6 * 7 + 2)])
def test_open_cells_are_blank_with_their_closing_date_and_empty_ones_are_zero(last):
    visits = {(user, at) for user, at in crowd() if made.day(at) <= last}
    table = retention.cohorts(cube_of(visits), last_day=last, ages=12)
    expected = by_cohort(visits)
    assert len(table) == 12 * table["cohort"].nunique()
    for row in table.to_dict("records"):
        closes = row["cohort"].date() + timedelta(days=7 * (row["age"] + 1))
        if closes <= last + timedelta(days=1):
            size, active = expected.get((row["cohort"].date(), row["age"]), (row["size"], 0))
            assert (row["size"], row["active"], row["rate"]) == (size, active, active / size)
            assert pd.isna(row["closes"]) and row["low"] <= row["rate"] <= row["high"]
        else:
            assert row["closes"].date() == closes
            assert pd.isna([row["active"], row["rate"], row["low"], row["high"]]).all()
    assert (table["active"] == 0).any() and table["active"].isna().any()


def test_a_week_in_which_nobody_came_back_is_zero_also_at_the_end():
    table = retention.cohorts(cube_of({("a", 0), ("b", 1), ("a", 15)}), last_day=SUNDAY, ages=10)
    assert table["active"].tolist() == [2, 0, 1, 0, 0, 0, 0, 0, 0, 0]


def test_a_table_as_of_an_earlier_week_is_the_table_of_that_week():
    visits, earlier = crowd(), made.day(6 * 7 - 1)
    then = cube_of({(user, at) for user, at in visits if at <= 6 * 7 - 1})
    now = retention.cohorts(cube_of(visits), last_day=earlier, ages=8)
    pd.testing.assert_frame_equal(now, retention.cohorts(then, last_day=earlier, ages=8))


def test_the_average_pools_mature_cohorts_and_leaves_out_the_datas_first_week():
    table = retention.cohorts(cube_of(crowd()), last_day=SUNDAY, ages=10)
    assert table.loc[table["first"], "cohort"].unique().tolist() == [table["cohort"].min()]
    pooled = retention.average(table).set_index("age")
    for age in range(9):
        mature = table[(table["age"] == age) & table["rate"].notna() & (table["cohort"] > table["cohort"].min())]
        assert pooled.loc[age, "rate"] == mature["active"].sum() / mature["size"].sum()
        assert (pooled.loc[age, "cohorts"], pooled.loc[age, "size"]) == (len(mature), mature["size"].sum())
    assert 9 not in pooled.index


def test_the_first_week_is_that_of_the_data_also_for_a_slice_that_begins_later():
    visits = {("a", 0), ("b", 20), ("b", 28), ("c", 30)}
    cube = cube_of(visits, {"channel": {"a": "ads", "b": "friend", "c": "friend"}})
    by_slice = retention.average_by(cube, "channel", last_day=SUNDAY).set_index(["slice", "age"])
    assert by_slice.loc[("friend", 0), "cohorts"] == 2 and "ads" not in by_slice.index.get_level_values("slice")
    assert retention.average_by(cube, "city", last_day=SUNDAY).empty


def test_a_slice_without_a_name_is_a_slice():
    cube = cube_of({("a", 0), ("b", 0)}, {"channel": {"a": "", "b": "ads"}})
    assert retention.cohorts(cube, last_day=SUNDAY, dimension="channel", slice="")["size"].eq(1).all()


def test_a_table_of_no_weeks_is_refused_and_one_of_nobody_is_empty():
    with pytest.raises(InputError, match="ages is 0"):
        retention.cohorts(cube_of({("a", 0)}), last_day=SUNDAY, ages=0)
    nobody = retention.cohorts(cube_of(set()), last_day=SUNDAY)
    assert nobody.empty and retention.average(nobody).empty and retention.recent(nobody).empty


def test_only_the_newest_cohorts_are_recent():
    table = retention.cohorts(cube_of(crowd()), last_day=SUNDAY)
    kept = retention.recent(table, most=3)
    assert sorted(kept["cohort"].unique()) == sorted(table["cohort"].unique())[-3:]


@given(VISITS)
@settings(made.AS_FOUND, max_examples=25)
def test_dau_wau_and_mau_are_the_sizes_of_unions_of_sets(visits):
    found = retention.actives_day(user_day(visits), last_day=made.day(60))
    by_day = {at: {user for user, day in visits if day == at} for at in range(61)}
    begun = min((at for user, at in visits if at <= 60), default=61)
    assert [day.date() for day in found["day"]] == [made.day(at) for at in range(begun, 61)]
    for at, row in zip(range(begun, 61), found.to_dict("records"), strict=True):
        for name, window in {"dau": 1, "wau": 7, "mau": 30}.items():
            assert row[name] == len(set().union(*(by_day[day] for day in range(max(0, at - window + 1), at + 1))))
        assert (row["partial"], row["partial_week"]) == (at - begun < 29, at - begun < 6)


@given(VISITS)
@settings(made.AS_FOUND, max_examples=10)
def test_stickiness_is_mean_dau_over_mau_of_whole_windows(visits):
    actives = retention.actives_day(user_day(visits), last_day=SUNDAY)
    found = retention.stickiness(actives)
    assert len(found) == max(0, len(actives) - 29)
    for at, value in enumerate(found["stickiness"]):
        window = actives.iloc[at : at + 30]
        assert found["day"].iloc[at] == window["day"].iloc[-1]
        if window["mau"].iloc[-1]:
            assert value == pytest.approx(window["dau"].mean() / window["mau"].iloc[-1]) and 0 < value <= 1
        else:
            assert pd.isna(value)


def test_windows_in_long_form_keep_their_marks():
    actives = retention.actives_day(user_day(crowd()), last_day=SUNDAY)
    long = retention.long_actives(actives)
    assert len(long) == 3 * len(actives) and long["day"].is_monotonic_increasing
    partial = long.groupby("window")["partial"].sum()
    assert partial.to_dict() == {"dau": 0, "wau": 6, "mau": 29}
    assert retention.long_actives(retention.actives_day(user_day(set()), last_day=SUNDAY)).empty


def recount(visits: Visits, last: int) -> list[dict]:
    """Growth accounting with sets, from the first week with anybody to the week `last`."""
    weeks = [{user for user, at in visits if at // 7 == week} for week in range(last + 1)]
    begun = next((week for week, people in enumerate(weeks) if people), last + 1)
    found = []
    for week in range(begun, last + 1):
        now, before = weeks[week], weeks[week - 1] if week else set()
        ever = set().union(*weeks[:week])
        flows = {
            "new": now - ever,
            "retained": now & before,
            "resurrected": (now & ever) - before,
            "churned": before - now,
        }
        counts = {name: len(people) for name, people in {"active": now, **flows}.items()}
        found.append({"week": made.day(7 * week), **counts, "first": week == begun})
    return found


@given(VISITS)
@settings(made.AS_FOUND, max_examples=15)
def test_growth_accounting_is_that_of_sets_and_adds_up(visits):
    found = retention.growth(user_day(visits), last_day=SUNDAY)
    assert [{**row, "week": row["week"].date()} for row in found.to_dict("records")] == recount(visits, 9)
    step = found["active"] - found["active"].shift(fill_value=0)
    assert step.equals(found["new"] + found["resurrected"] - found["churned"])


def test_weeks_without_anybody_are_accounted_for():
    """In the middle, and at the end where the last day is given; a week that is not over is left out."""
    visits = {("a", 0), ("b", 2), ("a", 28)}
    assert retention.growth(user_day(visits))["active"].tolist() == [2, 0, 0, 0, 1]
    found = retention.growth(user_day(visits), last_day=made.day(44))
    assert found["active"].tolist() == [2, 0, 0, 0, 1, 0] and found["churned"].tolist() == [0, 2, 0, 0, 0, 1]
    assert retention.growth(user_day(visits), last_day=made.day(30))["active"].tolist() == [2, 0, 0, 0]
    assert len(retention.growth(user_day(set()), last_day=SUNDAY)) == 0


def test_accounts_that_do_not_add_up_stop_the_run(monkeypatch):
    monkeypatch.setattr(retention, "_user_weeks", lambda table: table.select("user_id", week=table.day.truncate("W")))
    twice = user_day({("a", 0), ("a", 1), ("b", 8)})
    with pytest.raises(RunFailed, match="does not add up in the week of"):
        retention.growth(twice)
