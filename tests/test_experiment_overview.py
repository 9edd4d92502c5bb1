"""All experiments at a glance, and effects that are no longer what they were when they were published."""

from datetime import date, timedelta

import cubes
import numpy as np
import pandas as pd
import plans
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.experiments.counted.cube import Cube
from helpers.experiments.deciding.overview import chosen, overview
from helpers.experiments.deciding.overview import restated as moved
from helpers.show import gate, said

GREEN = pd.DataFrame({"experiment": ["tour"], "verdict": ["ok"]})
RED = GREEN.assign(verdict="alarm")
PEOPLE = pd.DataFrame({"variant": ["a", "b"] * 30, "back": [0.0, 1.0] * 30, "day": ["2026-01-10"] * 58 + ["2026-01-09"] * 2})
CUBE = cubes.cube(PEOPLE, {"back": "back"}, cuts={"day": "day"})
NONE = pd.DataFrame({"experiment": pd.Series(dtype="str"), "verdict": pd.Series(dtype="str")})


def effect(**changed):
    return {"experiment": "tour", "metric": "back", "unit": "points", "variant": "b", "control": "a", "reading": "planned",
            "final": True, "smaller": 480, "difference": 0.03, "low": 0.01, "high": 0.05} | changed  # fmt: skip


def effects(*rows):
    return pd.DataFrame([effect(**row) for row in rows or ({},)])


def decisions(**changed):
    return pd.DataFrame([{"experiment": "tour", "variant": "b", "decision": "ship", "metric": "back", "best": True} | changed])


def seen(plan=None, *, last_day=date(2026, 1, 20), rows=({},), gate=GREEN, cube=CUBE, decided=None):
    found = overview(
        decisions() if decided is None else decided, effects(*rows), gate, cube, [plan or plans.plan()], last_day=last_day
    )
    return found.to_dict("records")[0]


def published(*rows):
    start = {"week": "2026-W05", "metric": "tour: back", "slice": "b", "value": 0.02, "low": 0.001, "high": 0.039, "n": 470.0}
    return pd.DataFrame([start | row for row in rows], columns=list(start))


def restated(*rows, week="2026-W07", gate=GREEN, plan=None, now=({},)):
    return moved(effects(*now), published(*rows), [plan or plans.plan()], gate, week=week).to_dict("records")


@pytest.mark.parametrize(
    "last_day, status, days, left",
    [
        (date(2026, 1, 4), "planned", 0, 21),
        (date(2026, 1, 5), "running", 1, 20),
        (date(2026, 1, 18), "running", 14, 7),  # exposure is over, the days of the metric are not
        (date(2026, 1, 24), "running", 14, 1),
        (date(2026, 1, 25), "ended", 14, 0),
        (date(2026, 6, 1), "ended", 14, 0),
    ],
)
def test_an_experiment_has_ended_when_its_last_people_have_had_the_days_of_its_primary_metric(last_day, status, days, left):
    row = seen(last_day=last_day)
    assert (row["status"], row["days"], row["planned_days"], row["days_left"]) == (status, days, 14, left)


@settings(deadline=None, max_examples=30)
@given(st.dates(date(2025, 12, 1), date(2026, 4, 1)), st.integers(0, 60), st.integers(0, 30))
def test_days_so_far_and_days_left_add_up_to_all_days(last_day, length, horizon):
    start = date(2026, 1, 5)
    plan = plans.plan(start=start, end=start + timedelta(days=length), metric=[plans.metric(horizon=horizon)])
    row = seen(plan, last_day=last_day)
    assert 0 <= row["days"] <= row["planned_days"] == length + 1
    if row["status"] == "running" and last_day <= plan["end"]:
        assert row["days"] + row["days_left"] == row["planned_days"] + horizon
    assert (row["status"] == "ended") == (row["days_left"] == 0)


def test_without_days_in_the_plan_the_first_exposure_counts_and_nobody_knows_the_end():
    row = seen(plans.plan(start=None, end=None))
    assert (row["status"], row["days"]) == ("running", 12)
    assert np.isnan([row["planned_days"], row["days_left"]]).all()
    row = seen(plans.plan(start=None))
    assert (row["status"], row["days"], row["planned_days"], row["days_left"]) == ("running", 10, 10, 5)


def test_a_table_of_units_is_undated_and_an_experiment_that_nobody_has_seen_is_planned():
    undated = plans.plan(start=None, end=None)
    assert seen(undated, last_day=None)["status"] == "undated"
    row = seen(undated, cube=cubes.cube(PEOPLE, {"back": "back"}))
    assert row["status"] == "undated" and np.isnan(row["days"])
    assert seen(undated, cube=Cube())["status"] == "planned"


def test_the_plans_own_reading_is_shown_and_no_other():
    row = seen(rows=[{"reading": "bayes", "difference": 9.0}, {}])
    assert (row["difference"], row["low"], row["high"], row["people"], row["smaller"]) == (0.03, 0.01, 0.05, 60, 480)
    assert row["verdict"] == "ship"


def test_of_several_arms_the_best_is_shown_with_its_first_primary_effect_where_a_guardrail_decided():
    decided = pd.concat([decisions(best=False), decisions(variant="c", decision="stop", metric="paid")], ignore_index=True)
    row = seen(rows=[{}, {"variant": "c", "difference": 0.04}, {"variant": "c", "metric": "paid"}], decided=decided)
    assert (row["variant"], row["verdict"], row["metric"], row["difference"]) == ("c", "stop", "back", 0.04)


def test_what_may_not_be_read_yet_is_not_shown():
    row = seen(rows=[{"final": False}], decided=decisions(decision="extend"))
    assert row["verdict"] == "extend" and np.isnan([row["difference"], row["low"], row["high"]]).all()
    frame = overview(decisions(), effects({"final": False}), GREEN, CUBE, [plans.plan()], last_day=date(2026, 1, 8))
    assert said.overview.shown(frame)["effect"].tolist() == ["not to be read yet"]
    assert restated({}, now=[{"final": False}]) == []


def test_under_a_red_gate_no_effect_is_said():
    row = seen(gate=RED)
    assert row["verdict"] == "withheld" and np.isnan([row["difference"], row["low"], row["high"]]).all()


def test_an_experiment_without_people_has_a_row():
    row = seen(rows=[{"experiment": "other"}], decided=decisions(experiment="other"), gate=NONE, cube=Cube())
    assert (row["verdict"], row["people"], row["variant"], row["unit"]) == ("", 0, "", "") and np.isnan(row["difference"])


def test_one_experiment_is_chosen_by_name_and_a_wrong_name_is_answered_with_the_nearest():
    known = [plans.plan(), plans.plan(name="feed_order")]
    assert chosen(known, "all") == known
    assert [plan["name"] for plan in chosen(known, "tour")] == ["tour"]
    with pytest.raises(InputError, match=r'Did you mean "feed_order".*There are: tour, feed_order'):
        chosen(known, "feed_oder")
    with pytest.raises(InputError, match="There are none"):
        chosen([], "tour")


def test_an_effect_published_after_the_end_that_is_another_one_now_is_restated():
    (row,) = restated({}, {"week": "2026-W06", "value": 0.029})
    assert (row["because"], row["week"], row["old"], row["old_low"], row["new"]) == ("data", "2026-W05", 0.02, 0.001, 0.03)
    assert row["step"] == pytest.approx(0.01) and row["smaller"] == 470


def test_an_effect_that_stands_is_not_restated():
    assert restated({"value": 0.03}) == []
    assert restated({"value": 0.03 * (1 + 1e-12)}) == []
    assert restated() == []


def test_the_first_week_after_the_end_is_what_must_stand_not_one_before_it():
    assert restated({"week": "2026-W03", "value": 0.01}, {"week": "2026-W05", "value": 0.03}) == []
    (row,) = restated({"week": "2026-W03", "value": 0.01}, {"week": "2026-W05"})
    assert (row["week"], row["because"]) == ("2026-W05", "data")


def test_an_effect_moves_while_its_experiment_runs():
    (row,) = restated({"week": "2026-W02"}, {"week": "2026-W03", "value": 0.021}, week="2026-W04")
    assert (row["because"], row["week"], row["old"]) == ("people", "2026-W02", 0.02)


def test_what_this_week_has_said_already_changes_nothing():
    """A step is reused with no look at its own week, so that it must say the same with it and without."""
    before = {"week": "2026-W02"}
    same = {"week": "2026-W04", "value": 0.03}
    assert restated(before, same, week="2026-W04") == restated(before, week="2026-W04")
    (row,) = restated(before, same | {"value": 0.025}, week="2026-W04")
    assert (row["because"], row["week"]) == ("data", "2026-W04")


def test_a_table_of_units_that_changed_is_restated():
    (row,) = restated({"week": "undated"}, week="undated", plan=plans.plan(start=None, end=None))
    assert row["because"] == "data"


def test_nothing_is_restated_of_other_arms_other_readings_or_under_a_red_gate():
    assert restated({"slice": "c"}, {"metric": "tour: paid"}) == []
    assert restated({}, gate=RED) == []
    assert restated({}, now=[{"reading": "bayes"}]) == []
    assert restated({}, now=[{"difference": np.nan}]) == []


def test_a_clear_effect_is_told_with_its_interval_and_an_unclear_one_as_no_clear_change():
    frame = overview(decisions(), effects(), GREEN, CUBE, [plans.plan()], last_day=date(2026, 1, 20))
    assert said.overview.shown(frame)["effect"].tolist() == ["+3.0 points (+1.0 to +5.0 points)"]
    assert said.overview.shown(frame)["so_far"].tolist() == ["14 of 14 days, whole in 5 days"]
    assert said.overview.summary(frame) == "Experiments: 1 running; to be shipped: tour"
    unclear = frame.assign(low=-0.01, verdict="stop")
    assert said.overview.shown(unclear)["effect"].tolist() == ["no clear change (-1.0 to +5.0 points)"]
    assert said.overview.summary(unclear) == "Experiments: 1 running; none can be shipped"


def test_effects_of_few_people_are_told_nowhere():
    gate.configure(10)
    frame = moved(effects({"smaller": 9}), published({}), [plans.plan()], GREEN, week="2026-W07")
    shown = said.overview.restated_shown(frame)
    assert shown[["then", "now", "step"]].to_numpy().tolist() == [["<10"] * 3]
    assert said.overview.restated(frame) == ["Other effects that later data changed: 1"]


def test_a_restated_effect_is_told_before_and_after_and_whether_it_says_something_else_now():
    frame = moved(effects(), published({"low": -0.01}), [plans.plan()], GREEN, week="2026-W07")
    (told,) = said.overview.restated(frame)
    assert "+2.0 points as first published for 2026-W05, +3.0 points (+1.0 to +5.0 points) as it is known now" in told
    assert told.endswith("what it says has changed with it")
    assert said.overview.restated(frame.head(0)) == ["No published effect has been changed by later data"]
