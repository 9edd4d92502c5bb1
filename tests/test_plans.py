"""experiments.toml: plans that are complete, and the shipped defaults beneath."""

from __future__ import annotations

import json
import math
import re
import tomllib
from datetime import date, datetime

import plans as made_by_hand
import pytest
import shops
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_files import EVENTS, LOOKED, ON_EVENTS, ON_UNITS, UNITS, read, told

from helpers import paths
from helpers.cleaning import spelling
from helpers.errors import InputError
from helpers.sources import dataset, plan_checks, plan_metrics, plans


@pytest.fixture
def shop(tmp_path):
    return shops.maker(tmp_path)


def metric_of(plan: dict, name: str) -> dict:
    return next(metric for metric in plan["metric"] if metric["name"] == name)


def test_a_file_gives_the_very_plan_that_tests_build_by_hand(shop):
    assert read(shop, ON_EVENTS) == [made_by_hand.plan()]
    assert list(made_by_hand.plan()) == list(plans.KEYS)


def test_without_a_file_there_are_no_plans_and_the_shipped_defaults(shop):
    shipped = tomllib.loads((paths.DEFAULTS / plans.FILE).read_text("utf-8"))["defaults"]
    assert set(shipped) == set(plan_checks.Defaults.model_fields)
    assert dataset.experiments(shop(EVENTS)) == {"experiment": [], "defaults": shipped}


def test_defaults_hold_for_every_experiment_but_those_that_say_otherwise(shop):
    second = ON_EVENTS.partition("[[experiment]]")[2].replace('"tour"', '"late"').replace("matters = 0.02", "alpha = 0.1")
    text = '[defaults]\nalpha = 0.01\nspending = "pocock"\n' + ON_EVENTS + "[[experiment]]" + second
    tour, late = read(shop, text)
    assert (tour["alpha"], late["alpha"], tour["spending"], late["spending"]) == (0.01, 0.1, "pocock", "pocock")
    assert dataset.experiments(shop(EVENTS, experiments=text))["defaults"]["alpha"] == 0.01


def test_a_metric_is_declared_once_and_has_in_each_experiment_the_role_that_it_gives(shop):
    text = ON_EVENTS + 'secondary = ["paid"]\nguardrails = [{ metric = "pace", margin_relative = 0.05 }]\n'
    own = '[[experiment.metric]]\nname = "posts"\nkind = "mean"\nof = "create"\ndays = 7\n'
    other = ON_EVENTS.partition("[[experiment]]")[2].replace('"tour"', '"late"').replace('"back"', '["paid", "back"]')
    tour, late = read(shop, text + own + "[[experiment]]" + other + 'exploratory = ["pace"]\n')
    roles = {plan["name"]: {metric["name"]: metric["role"] for metric in plan["metric"]} for plan in (tour, late)}
    assert roles == {
        "tour": {"back": "primary", "paid": "secondary", "pace": "guardrail", "posts": "exploratory"},
        "late": {"paid": "primary", "back": "primary", "pace": "exploratory"},
    }
    assert tour["guardrails"] == [{"metric": "pace", "margin": 0.05, "relative": True}]
    assert late["primary"] == ["paid", "back"]


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ('kind = "mean"\nof = "net"\ndays = 14', {"of": "net", "days": 14, "horizon": 14, "covariates": ["net"]}),
        ('kind = "proportion"\nof = "pay_days"\ndays = 3',
         {"of": "pay_days", "days": 3, "horizon": 3, "covariates": ["active_days"]}),
        ('kind = "retention"\nday = 7', {"from": 7, "to": 7, "horizon": 7, "covariates": ["active_days"]}),
        ('kind = "retention"\ndays = [8, 14]', {"from": 8, "to": 14, "horizon": 14, "covariates": ["active_days"]}),
        ('kind = "ratio"\nof = "net"\nper = "pay_days"\ndays = 7',
         {"of": "net", "per": "pay_days", "days": 7, "horizon": 7, "unit": "net per pay days",
          "covariates": ["net", "pay_days"]}),
        ('kind = "quantile"\nof = "events"\ndays = 7\nquantile = 0.9',
         {"of": "events", "days": 7, "horizon": 7, "quantile": 0.9, "covariates": ["events"]}),
        ('kind = "revenue"\ndays = 7\ncap_quantile = 0.5\nbetter = "less"',
         {"of": "net", "days": 7, "horizon": 7, "cap_quantile": 0.5, "better": "less", "covariates": ["net"]}),
        ('kind = "mean"\nof = "net"\ndays = 14\ncovariates = []', {"of": "net", "days": 14, "horizon": 14, "covariates": []}),
    ],
)  # fmt: skip
def test_a_metric_on_events_is_adjusted_by_the_same_of_before_and_waits_for_its_last_day(shop, written, made):
    text = ON_EVENTS.replace('kind = "proportion"\ndays = 7', written, 1)
    kind = written.split('"')[1]
    assert read(shop, text)[0]["metric"] == [{"name": "back", "kind": kind, "better": "more", "role": "primary"} | made]


def test_covariates_of_the_plan_hold_for_metrics_that_name_none(shop):
    [plan] = read(shop, ON_EVENTS.replace("[[metric]]", "[[metric]]\ncovariates = []", 1) + 'secondary = ["paid"]\n')
    assert (metric_of(plan, "back")["covariates"], metric_of(plan, "paid")["covariates"]) == ([], ["net"])
    [plan] = read(shop, ON_EVENTS + 'secondary = ["paid"]\ncovariates = ["events", "create"]\n')
    assert all(metric["covariates"] == plan["covariates"] == ["events", "create"] for metric in plan["metric"])
    [plan] = read(shop, ON_EVENTS + "covariates = []\n")
    assert plan["covariates"] == plan["metric"][0]["covariates"] == []


def test_on_a_unit_table_metrics_are_columns_and_nothing_is_adjusted_unasked(shop):
    [plan] = read(shop, ON_UNITS, UNITS)
    common = {"better": "more", "horizon": 0, "covariates": ["before"]}
    assert plan["metric"] == [
        {"name": "visit", "kind": "proportion", "role": "primary", "column": "visit"} | common,
        {"name": "basket", "kind": "ratio", "role": "exploratory", "column": "spend", "per": "items", "unit": "spend per items"}
        | common,
    ]
    [plan] = read(shop, ON_UNITS.replace('covariates = ["before"]\n', ""), UNITS)
    assert plan["covariates"] == [] and all(metric["covariates"] == [] for metric in plan["metric"])


def test_slices_on_events_are_attributes_of_people_and_whether_they_are_new(shop):
    [plan] = read(shop, ON_EVENTS + 'slices = ["channel", "seniority", "level"]\nstrata = ["seniority"]\n')
    assert (plan["slices"], plan["strata"]) == (["channel", "seniority", "level"], ["seniority"])
    without = EVENTS.replace("[users]", "[feedback]", 1).partition("[feedback]")
    no_users = without[0] + EVENTS[EVENTS.index("[assignments]") :]
    assert read(shop, ON_EVENTS + 'slices = ["seniority"]\n', no_users)
    assert "Allowed: seniority; others are mapped under [users]" in told(shop, ON_EVENTS + 'slices = ["channel"]\n', no_users)


def test_what_no_file_has_is_left_out_of_the_plan_and_named(shop):
    made = shop(EVENTS, experiments=ON_EVENTS + 'slices = ["channel", "level"]\nstrata = ["level"]\n')
    [plan] = dataset.experiments(made.without(["users.level"]))["experiment"]
    assert (plan["slices"], plan["strata"], plan["absent"]) == (["channel"], [], ["level"])
    made = shop(UNITS, experiments=ON_UNITS)
    [plan] = dataset.experiments(made.without(["units.trial.before"]))["experiment"]
    assert (plan["covariates"], plan["slices"], plan["absent"]) == ([], ["place"], ["before"])
    with pytest.raises(InputError, match="maps no such column, or its file lacks it"):
        dataset.experiments(made.without(["units.trial.visit"]))


def test_planned_looks_are_read(shop):
    [plan] = read(shop, ON_EVENTS + LOOKED)
    assert (plan["looks"], plan["look_times"], plan["spending"]) == ("group-sequential", [0.5, 1.0], "obrien-fleming")
    assert read(shop, ON_EVENTS)[0]["look_times"] == [1.0]


@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=9), st.integers(3, 12))
def test_planned_shares_that_were_rounded_become_whole_and_others_stay(parts, digits):
    exact = {str(number): part / sum(parts) for number, part in enumerate(parts)}
    rounded = {arm: round(share, digits) for arm, share in exact.items()}
    made = plan_checks.whole(rounded)
    assert math.fsum(made.values()) == pytest.approx(1, abs=1.1e-9)
    assert all(made[arm] == pytest.approx(rounded[arm], rel=0.01) for arm in made if abs(sum(rounded.values()) - 1) < 0.005)
    if math.fsum(rounded.values()) == 1:
        assert made == rounded


KINDS = st.one_of(
    st.booleans(), st.integers(-3, 800), st.floats(), st.sampled_from(["", "back", "paid", "a", "b", "net", "channel", "mean"]),
    st.dates(date(2025, 1, 1), date(2027, 1, 1)), st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)),
)  # fmt: skip
NAMES = st.sampled_from(["a", "b", "metric", "margin", "name", "kind"])
VALUES = st.recursive(KINDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner))


def toml(value) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(own)}" for key, own in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(own) for own in value) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value.isoformat() if isinstance(value, date) else json.dumps(value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    of_plan=st.dictionaries(st.sampled_from(sorted(plan_checks.Plan.model_fields)), VALUES, max_size=3),
    of_metric=st.dictionaries(st.sampled_from(sorted(plan_metrics.Metric.model_fields)), VALUES, max_size=2),
)
def test_whatever_a_key_holds_there_is_a_complete_plan_or_a_mistake_that_is_told(shop, of_plan, of_metric):
    shared, _, own = ON_EVENTS.partition("[[experiment]]\n")
    base, first = tomllib.loads(own), tomllib.loads(shared)["metric"]
    first[0] |= of_metric
    blocks = [("metric", metric) for metric in first] + [("experiment", base | of_plan)]
    text = "".join(f"\n[[{name}]]\n" + "".join(f"{key} = {toml(own)}\n" for key, own in block.items()) for name, block in blocks)
    try:
        [plan] = read(shop, text)
    except InputError as fault:
        assert re.search(r"experiments\.toml: \[\[(metric|experiment)\]\] ", str(fault))
    else:
        assert list(plan) == list(plans.KEYS)
        assert math.fsum(plan["variants"].values()) == pytest.approx(1) and plan["control"] in plan["variants"]
        assert {"name", "kind", "better", "role", "covariates", "horizon"} <= set(plan["metric"][0])


def test_arms_are_looked_up_in_the_unit_table_or_in_the_experiment_that_the_plan_names(shop):
    both = EVENTS + UNITS.partition('timezone = "UTC"')[2]
    made = dataset.experiments(shop(both, experiments=ON_EVENTS + ON_UNITS.replace('name = "trial"', 'name = "basket trial"', 1)))
    assert spelling.planned(made, "assignments", "experiment") == [("", "tour")]
    assert spelling.planned(made, "assignments", "variant") == [("tour", "a"), ("tour", "b")]
    assert spelling.planned(made, "units", "variant") == [("trial", "a"), ("trial", "b")]


@pytest.mark.parametrize("name", ["sample", "cookie_cats", "hillstrom"])
def test_the_shipped_examples_have_plans_with_a_hypothesis_and_an_effect_that_matters(name):
    found = dataset.experiments(dataset.load(name))["experiment"]
    assert found
    for plan in found:
        assert plan["hypothesis"] and plan["matters"] and not plan["absent"]
        assert [metric["name"] for metric in plan["metric"]][: len(plan["primary"])] == plan["primary"]


def test_the_sample_is_planned_for_the_weeks_in_which_its_members_are_enrolled():
    from helpers.sources.sample import plan as sample

    made = sample.make_plan(2026, null=False, members=6000, weeks=26)
    weeks = {"welcome_tour": made.tour_weeks, "feed_order": made.feed_weeks, "share_button": made.button_weeks}
    for plan in dataset.experiments(dataset.load("sample"))["experiment"]:
        first, last = weeks[plan["name"]]
        assert (plan["start"], plan["end"]) == (made.day(7 * first), made.day(7 * last + 6))


def test_the_guide_names_every_key_kind_and_measure():
    guide = (paths.PROJECT / "data" / "README.md").read_text(encoding="utf-8")
    guide = guide[guide.index("### Experiments") :].partition("\n## ")[0]
    models = (plan_checks.Plan, plan_checks.Guardrail, plan_metrics.Metric)
    named = {key for model in models for key in model.model_fields} | set(plan_metrics.NEEDS) | set(plan_metrics.MEASURES)
    named |= {*plan_checks.LOOKS, plan_checks.SENIORITY}
    assert [key for key in sorted(named) if f"`{key}`" not in guide] == []
