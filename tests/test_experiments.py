"""Experiments from rows to effects: who is counted, published results, and what cannot be told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import made
import numpy as np
import pandas as pd
import pytest
from plans import metric, plan
from scipy import stats as scipy_stats

from helpers import experiments
from helpers.errors import InputError

LAST = made.day(40)
RETURN = metric(name="return", kind="retention", horizon=7, covariates=[], **{"from": 7, "to": 7})
DAYS = metric(name="days", kind="mean", of="active_days", days=14, horizon=14, role="secondary", covariates=[])
PLAN = plan(primary=["return"], secondary=["days"], end=made.day(39), covariates=[], metric=[RETURN, DAYS])


def assignments(rows: list[tuple[str, str, int]]):
    given = [
        {"user_id": user, "experiment": "tour", "variant": variant, "assigned_day": made.day(at),
         "assigned_at": datetime(2026, 1, 5, 12, tzinfo=UTC) + timedelta(days=at)}
        for user, variant, at in rows
    ]  # fmt: skip
    return experiments.exposures(made.table("assignments", given))


def user_day(visits: dict[tuple[str, int], tuple[int, int]]):
    rows = [{"user_id": user, "day": made.day(at), "active": active, "net": net} for (user, at), (active, net) in visits.items()]
    return made.table("user_day", rows)


def units(variants: list[str], **metrics: list[str | None]):
    rows = [
        {"units": "game", "unit_id": str(at), "variant": variant, **{name: given[at] for name, given in metrics.items()}}
        for at, variant in enumerate(variants)
    ]
    return made.table("units", rows, dict.fromkeys(metrics, "string"))


def game(**kinds: str) -> dict:
    roles = ["primary", *["secondary"] * len(kinds)]
    metrics = [metric(name=name, kind=kind, column=name, horizon=0, role=role, covariates=[])
               for (name, kind), role in zip(kinds.items(), roles, strict=False)]  # fmt: skip
    return plan(units="game", metric=metrics, primary=[metrics[0]["name"]], covariates=[], start=None, end=None)


def cube_of(own: dict, rows=None, table=None, days=None, last=LAST):
    gathered = experiments.gather([own], rows, table, days, last_day=last)
    return experiments.cube(gathered, [own], days, last_day=last)


def effects_of(own: dict, table) -> pd.DataFrame:
    cube = cube_of(own, table=table, last=None)
    return experiments.effects(cube, [own], last_day=None).set_index("metric")


def totals(cube, name: str) -> dict[str, tuple[int, float, int]]:
    """Of each arm: people with a value, the sum of their values, people without one."""
    return {
        variant: (cell.moments.n, float(np.nansum(cell.moments.mean)) * cell.moments.n, cell.missing)
        for variant, cell in cube.arms("tour", name).items()
    }


def test_the_first_exposure_decides_and_its_own_day_does_not_count():
    rows = [("u", "a", 9), ("u", "a", 2), ("v", "b", 2)]
    visits = {("u", 2): (1, 0), ("u", 9): (1, 0), ("v", 2): (1, 0), ("v", 10): (1, 0)}
    cube = cube_of(PLAN, assignments(rows), days=user_day(visits))
    assert totals(cube, "return") == {"a": (1, 1, 0), "b": (1, 0, 0)}
    assert totals(cube, "days") == {"a": (1, 1, 0), "b": (1, 1, 0)}


def test_return_counts_only_people_whose_day_has_gone_by():
    """Assigned 7 days before the last day: counted. 6 days before: not yet."""
    cube = cube_of(PLAN, assignments([("u", "a", 33), ("v", "a", 34)]), days=user_day({("u", 40): (1, 0), ("v", 40): (1, 0)}))
    assert totals(cube, "return")["a"] == (1, 1, 1)


def test_people_without_events_are_zeros_and_not_missing():
    cube = cube_of(PLAN, assignments([("u", "a", 0), ("v", "b", 0)]), days=user_day({}))
    assert totals(cube, "days") == {"a": (1, 0, 0), "b": (1, 0, 0)}


def test_later_rows_change_no_moment():
    rows = [("u", "a", 20), ("v", "b", 30), ("w", "b", 22)]
    visits = {("u", 27): (1, 5), ("u", 41): (1, 90), ("v", 37): (1, 0), ("v", 44): (1, 9)}
    early = {key: value for key, value in visits.items() if key[1] <= 40}
    now, then = (cube_of(PLAN, assignments(rows), days=user_day(given)).frame() for given in (visits, early))
    pd.testing.assert_frame_equal(now, then)


def test_cookie_cats_is_as_published():
    """44,700 and 45,489 players; day 7: 19.02 % and 18.20 %, p = 0.0016; day 1: 44.82 % and 44.23 %, p = 0.074."""
    counts = {"a": (44_700, 20_034, 8_502), "b": (45_489, 20_119, 8_279)}
    variants = [variant for variant, (n, _, _) in counts.items() for _ in range(n)]
    metrics = {
        name: [text for n, *hits in counts.values() for text in ["TRUE"] * hits[at] + ["FALSE"] * (n - hits[at])]
        for at, name in enumerate(("day_1", "day_7"))
    }
    table, own = units(variants, **metrics), game(day_7="proportion", day_1="proportion")
    effects = effects_of(own, table)
    shares = (effects[["control_value", "value"]] * 100).round(2)
    assert shares.loc["day_7"].tolist() == [19.02, 18.20] and shares.loc["day_1"].tolist() == [44.82, 44.23]
    assert (round(effects.loc["day_7", "p"], 4), round(effects.loc["day_1", "p"], 3)) == (0.0016, 0.074)
    assert effects.loc["day_7", ["low", "high"]].tolist() == pytest.approx([-0.0133, -0.0031], abs=5e-5)
    arms = experiments.arms([own], None, table)
    health = experiments.health(cube_of(own, table=table, last=None), [own], arms).set_index("check")
    assert arms["people"].tolist() == [44_700, 45_489]
    assert health.loc["sample_ratio", "verdict"] == "watch"
    assert health.loc["sample_ratio", "p"] == pytest.approx(0.0086, abs=5e-5)
    assert experiments.gate(health.reset_index())["verdict"].tolist() == ["watch"]


def test_values_that_are_blank_or_no_numbers_are_left_out_and_counted_by_arm():
    given = [None, "", "x", "nan", "-inf", "1e300", " 4 ", "6", "1e1", "2"]
    cube = cube_of(game(rounds="mean"), table=units(list("aaaaaaaabb"), rounds=given), last=None)
    assert totals(cube, "rounds") == {"a": (2, 10, 6), "b": (2, 12, 0)}


def test_yes_and_no_are_read_in_their_usual_spellings():
    table = units(list("aaaaaaaab"), came=["TRUE", "true ", "Yes", "t", "1", "False", "no", "0", "1"])
    assert totals(cube_of(game(came="proportion"), table=table, last=None), "came")["a"] == (8, 5, 0)


def test_variance_survives_a_large_offset():
    """The vector `large_offset_variance` of tests/reference/experiments.json: 30, where sums of squares give -170.67."""
    values = [str(1e9 + step) for step in (4, 7, 13, 16, 5, 8, 14, 17)]
    own, table = game(size="mean"), units(list("aaaabbbb"), size=values)
    cells = cube_of(own, table=table, last=None).arms("tour", "size").values()
    assert [cell.moments.variance("value") for cell in cells] == pytest.approx([30, 30])
    assert effects_of(own, table)["p"].iloc[0] == pytest.approx(0.8048817977199217, rel=1e-6)


def test_means_are_compared_by_welch():
    rng = np.random.default_rng(5)
    variants, spent = rng.choice(["a", "b"], 3000), rng.lognormal(3, 2, 3000).round(2)
    found = effects_of(game(spent="mean"), units(variants.tolist(), spent=[str(value) for value in spent]))
    expected = scipy_stats.ttest_ind(spent[variants == "b"], spent[variants == "a"], equal_var=False)
    assert found["p"].iloc[0] == pytest.approx(expected.pvalue, rel=1e-9)
    assert found[["low", "high"]].iloc[0].tolist() == pytest.approx(list(expected.confidence_interval()), rel=1e-9)


def test_an_arm_that_nobody_is_in_is_shown_as_unknown():
    rows = assignments([("u", "a", 1), ("v", "a", 2)])
    arms, cube = experiments.arms([PLAN], rows, None), cube_of(PLAN, rows, days=user_day({}))
    assert arms["people"].tolist() == [2, 0] and cube.people("tour") == {"a": 2, "b": 0}
    effects = experiments.effects(cube, [PLAN], last_day=LAST)
    assert effects["n"].eq(0).all() and effects[["value", "difference", "low", "high", "p"]].isna().all(axis=None)
    assert effects["reason"].ne("").all()
    assert experiments.gate(experiments.health(cube, [PLAN], arms))["verdict"].tolist() == ["unknown"]


def test_a_metric_that_does_not_vary_has_a_difference_and_no_p():
    table = units(list("aaabbb"), rounds=["0.1"] * 6, came=["1"] * 6)
    effects = effects_of(game(rounds="mean", came="proportion"), table)
    assert effects["difference"].tolist() == pytest.approx([0, 0])
    assert np.isnan(effects.loc["rounds", "p"]) and effects.loc["rounds", "reason"]


def test_without_plans_or_without_what_they_need_there_is_nothing():
    for plans in ([], [PLAN], [game(rounds="mean")]):
        gathered = experiments.gather(plans, None, None, None, last_day=LAST)
        assert gathered == [] and experiments.arms(plans, None, None).empty
        cube = experiments.cube(gathered, plans, last_day=LAST)
        assert not cube.cells and cube.frame().empty
    assert experiments.gather([PLAN], assignments([("u", "a", 1)]), None, None, last_day=LAST) == []


def test_a_column_that_does_not_exist_and_a_proportion_that_is_none_are_named():
    table = units(list("ab"), rounds=["3", "1"])
    with pytest.raises(InputError, match=r'no column "round".*Did you mean "rounds"'):
        cube_of(game(round="mean"), table=table, last=None)
    with pytest.raises(InputError, match="rounds is a proportion, but 1 values are not 0 or 1"):
        cube_of(game(rounds="proportion"), table=table, last=None)
