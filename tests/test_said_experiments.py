"""The words of slices, trends, power and calibration: they never say more than their intervals, and nothing of a handful."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from helpers.experiments.counted.cube import Cube
from helpers.experiments.effect import novelty, slices
from helpers.experiments.planning import detectable, planner
from helpers.experiments.trust import calibration
from helpers.show import said, tables
from tests import cubes
from tests.plans import metric, plan

MEAN = metric(name="mean", kind="mean", covariates=["before"])
OWN = plan(primary=["mean"], metric=[MEAN], slices=["city", "device"], matters=0.3)


def cube(n: int = 3_000, lift: float = 1.0) -> Cube:
    random = np.random.default_rng(1)
    made = pd.DataFrame({
        "variant": random.choice(["a", "b"], n), "city": random.choice(["north", "south", ""], n),
        "device": random.choice(["phone", "desk"], n), "before": random.normal(0, 1, n),
    })  # fmt: skip
    made["x"] = random.normal(5, 1, n) + made["before"] + lift * ((made["variant"] == "b") & (made["city"] == "north"))
    return cubes.cube(made, {"mean": {"value": "x", "before": "before"}}, cuts={"city": "city", "device": "device"})


def labelled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(label=frame["experiment"] + ", " + frame["metric"] + ", " + frame["variant"])


def test_only_the_slice_that_differs_is_named_and_a_group_without_clear_change_reads_so():
    rows = labelled(slices.slices(cube(), [OWN]))
    (line,) = said.experiments.slices(rows)
    assert line.startswith("tour, mean, b: the effect differs by city (p <0.001, corrected), from no clear change (")
    assert line.endswith("where it is north") and "device" not in line
    assert "drawn together" in said.experiments.slice_figures(rows).text


def test_where_groups_do_not_differ_none_is_named():
    rows = labelled(slices.slices(cube(lift=0.0), [OWN]))
    assert said.experiments.slices(rows) == ["tour, mean, b: the effect does not clearly differ by city and device"]
    assert "does not clearly differ" in said.experiments.slice_figures(rows).text
    few = labelled(slices.slices(cube(90), [OWN]))
    assert said.experiments.slices(few) == ["tour, mean, b: too few people to tell the effect apart by city and device"]
    assert said.experiments.slices(rows.iloc[:0]) == ["No plan names slices of people, or nobody is in them"]


def test_groups_under_ten_people_lose_their_numbers_in_words_too():
    rows = labelled(slices.slices(cube(40), [OWN]))
    assert (rows["smaller"] < 10).any()
    shown = said.experiments.slice_rows(rows)
    small = shown["smaller"] < 10
    for column in ("control_told", "effect_told", "interval_told", "shrunk_told", "shrunk_interval"):
        assert (shown.loc[small, column] == "<10").all() and not (shown.loc[~small, column] == "<10").any()
    assert tables.table(shown, title="All", n="smaller", columns=said.experiments.SLICES).text.count("north") == 1


@pytest.mark.parametrize("key", [novelty.FADES, novelty.GROWS, novelty.TURNS, novelty.UNCLEAR, novelty.UNTOLD])
def test_every_trend_has_words_and_small_groups_have_none(key):
    row = {"label": "tour, mean, b", "trend": key, "first": 0.04, "last": -0.01, "unit": "points", "days": 14,
           "p_corrected": 0.012, "n": 500}  # fmt: skip
    line = said.experiments.trend(row)
    assert line.startswith("tour, mean, b: ") and ("+4.0 points" in line) == (key in ("fades", "grows", "turns"))
    assert "4.0" not in said.experiments.trend({**row, "n": 9})
    unclear = said.experiments.trend({**row, "trend": "unclear"})
    assert unclear == "tour, mean, b: no clear trend of the effect over 14 days (p = 0.012)"


def test_the_figure_of_the_days_has_the_trend_as_its_title_and_leaves_out_handfuls():
    ages = pd.DataFrame({"label": "tour, mean, b", "age": [1, 2, 3], "difference": [0.3, 0.2, 0.1], "low": [0.1, 0.0, -0.1],
                         "high": [0.5, 0.4, 0.3], "unit": "number", "n": [400, 400, 9]})  # fmt: skip
    row = {"label": "tour, mean, b", "trend": "fades", "first": 0.3, "last": 0.1, "unit": "number", "days": 3,
           "p_corrected": 0.01, "n": 400}  # fmt: skip
    text = said.experiments.age_figures(ages, pd.DataFrame([row])).text
    assert text.startswith("Tour, mean, b: the effect fades, on a straight line from +0.30") and "<10" in text
    untold = said.experiments.age_figures(ages, pd.DataFrame([row]).iloc[:0]).text
    assert "cannot be told" in untold


def test_power_is_said_against_what_matters_with_and_without_the_past():
    found = detectable.detectable(cube(), [OWN])
    rows = labelled(found)
    assert said.experiments.power(rows) == "1 of 1 primary effects had people enough to find what matters"
    row = said.experiments.power_rows(rows).iloc[0]
    assert row["verdict_told"] == "enough people" and row["matters_told"] == "0.30"
    plain, adjusted = (float(row[name].split()[0]) for name in ("plain_told", "adjusted_told"))
    assert plain > adjusted > 0
    aimless = labelled(detectable.detectable(cube(), [{**OWN, "matters": None}]))
    assert said.experiments.power(aimless).startswith("No plan says")
    small = said.experiments.power_rows(labelled(detectable.detectable(cube(12), [OWN])))
    assert set(small[["base_told", "plain_told", "adjusted_told", "verdict_told"]].iloc[0]) == {"<10"}


def test_a_coming_test_is_said_in_users_and_days():
    def told(needs, by_day=True):
        return said.experiments.needed(needs, "tour: mean", relative=0.05, power=0.8, by_day=by_day)

    needs = planner.Needed(500.0, 500.0, 1000.0, 12.0, 0.5)
    start = "tour: mean: to find 5.0 % with a power of 80 % takes 1,000 users, 500 of them in control"
    start += " and 500 in the smallest other arm"
    assert told(needs) == start + "; 12 days as people came"
    assert told(needs._replace(days=math.nan)) == start + "; so many never come" and told(needs, by_day=False) == start
    assert "cannot be planned for" in told(planner.NOTHING)
    given = {"relative": 0.05}
    curve = planner.power_curve(cube(), OWN, "mean", **given)
    shown = said.experiments.curve(curve, planner.needed(cube(), OWN, "mean", 0.05), "tour: mean", **given, power=0.8)
    assert "by users of all arms" in shown.text
    nothing = said.experiments.curve(curve.iloc[:0], planner.NOTHING, "tour: mean", **given, power=0.8)
    assert "cannot be planned for" in nothing.text
    table = said.experiments.needed_rows(planner.needed_table(cube(), [OWN]))
    assert set(table["adjusted_told"]) == {"yes", "no"}


def test_tests_that_are_off_are_named_with_their_direction_and_marked():
    rows = pd.DataFrame({"mean:value": np.r_[1e9, np.random.default_rng(0).random(2_000)], "fine:value": np.arange(2_001.0)})
    own = plan(metric=[{**MEAN, "covariates": []}, metric(name="fine", kind="mean", covariates=[])])
    found = calibration.calibration({"tour": rows}, [own], seed=1)
    lines = said.experiments.calibration(found)
    assert "1 of 2 tests alarm as often as they should" in lines[0]
    assert lines[1].startswith("tour, mean, Welch: read with care, 0.0 % of the random splits alarm") and "missed" in lines[1]
    assert list(said.experiments.calibration_rows(found)["verdict_told"]) == ["too few", "as it should"]
    effects = pd.DataFrame({"experiment": "tour", "metric": ["mean", "fine"], "method": "Welch", "label": ["one", "two"]})
    assert list(said.experiments.marked(calibration.marked(effects, found))["label"]) == ["one (test off on these people)", "two"]
    assert said.experiments.marked(effects) is effects
    assert said.experiments.calibration(found.iloc[:0]) == ["No test could be tried on random splits"]
