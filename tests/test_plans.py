"""experiments.toml: plans that are complete, mistakes that are told, and the shipped defaults beneath."""

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

from helpers import paths
from helpers.cleaning import spelling
from helpers.errors import InputError
from helpers.sources import dataset, plan_checks, plan_metrics, plans

UNITS = """
timezone = "UTC"
[units.trial]
file = "t.csv"
unit_id = "id"
variant = "arm"
visit = "v"
spend = "s"
items = "i"
before = "b"
place = "p"
age = "a"
value = "w"
e_mail = "m"
"""
EVENTS = (
    shops.GOOD
    + '[users]\nfile = "u.csv"\nuser_id = "u"\nchannel = "c"\nlevel = "l"\nregistered_at = "r"\n'
    + '[assignments]\nfile = "a.csv"\nuser_id = "u"\nexperiment = "e"\nvariant = "v"\nassigned_at = "t"\n'
)
ON_UNITS = """
[[experiment]]
name = "trial"
units = "trial"
control = "a"
variants = { a = 0.5, b = 0.5 }
primary = "visit"
covariates = ["before"]
slices = ["place"]
[[experiment.metric]]
name = "visit"
kind = "proportion"
[[experiment.metric]]
name = "basket"
kind = "ratio"
column = "spend"
per = "items"
"""
ON_EVENTS = """
[[metric]]
name = "back"
kind = "proportion"
days = 7
[[metric]]
name = "paid"
kind = "revenue"
days = 28
cap_quantile = 0.99
[[metric]]
name = "pace"
kind = "ratio"
of = "events"
per = "active_days"
days = 14
[[experiment]]
name = "tour"
hypothesis = "A tour of the circle brings more people back."
control = "a"
variants = { a = 0.5, b = 0.5 }
start = 2026-01-05
end = 2026-01-18
primary = "back"
matters = 0.02
"""


@pytest.fixture
def shop(tmp_path):
    return shops.maker(tmp_path)


def read(shop, text: str, of: str = EVENTS) -> list[dict]:
    return dataset.experiments(shop(of, experiments=text))["experiment"]


def told(shop, text: str, of: str = EVENTS) -> str:
    with pytest.raises(InputError) as caught:
        read(shop, text, of)
    return str(caught.value)


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


LOOKED = 'looks = "group-sequential"\nlook_times = [0.5, 1]'


def test_planned_looks_are_read(shop):
    [plan] = read(shop, ON_EVENTS + LOOKED)
    assert (plan["looks"], plan["look_times"], plan["spending"]) == ("group-sequential", [0.5, 1.0], "obrien-fleming")
    assert read(shop, ON_EVENTS)[0]["look_times"] == [1.0]


def told_once(shop, text: str, said: str, of: str = EVENTS) -> None:
    found = told(shop, text, of)
    assert said in found and "experiments.toml: [[" in found
    assert found.count("experiments.toml: ") == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("b = 0.5", "b = 0.4"), "tour: variants = { a = 0.5, b = 0.4 }\n  The planned shares must add up to 1; these"),
        (("b = 0.5", "b = 0.51"), "these add up to 1.01."),
        (("a = 0.5, b = 0.5", "a = 1.0"), "two arms or more"),
        (("a = 0.5, b = 0.5", "a = 1, b = 0"), 'The planned share of "b" must be above 0'),
        (("a = 0.5, b = 0.5", "a = 1.2, b = -0.2"), 'The planned share of "b" must be above 0'),
        (("b = 0.5", 'b = "half"'), 'tour: variants b = "half"\n  It must be a number, without quotes.'),
        (("b = 0.5", "b = true"), "tour: variants b = true\n  It must be a number"),
        (("b = 0.5", "b = nan"), "It must be a finite number."),
        (('control = "a"', 'control = "A"'), 'control = "A"\n  It must be one of the variants: a, b.'),
        (('control = "a"\n', ""), "tour: control\n  It must be given."),
        (("2026-01-18", "2026-01-04"), "end = 2026-01-04\n  It must not be before the start, 2026-01-05."),
        (("2026-01-18", '"2026-01-18"'), "It must be a date without quotes"),
        (("2026-01-18", "2026-01-18T10:00:00"), "tour: end = "),
        (("2026-01-18", "2026-01-18T00:00:00"), "tour: end = "),
        (('"back"\nm', '"bakc"\nm'), 'primary = "bakc"\n  It must be one of the metrics: back, paid, pace. Did you mean'),
        (('primary = "back"\n', ""), "tour: primary\n  It must be given."),
        (('"back"\nm', "[]\nm"), "It must name at least one metric"),
        (("matters = 0.02", "matters = 0"), "matters = 0\n  It must be above 0."),
        (("matters = 0.02", "matters = inf"), "It must be a finite number."),
        (('name = "tour"\n', ""), "[[experiment]] block 1: name\n  It must be given."),
        (('name = "tour"\n', "name = 5\n"), "[[experiment]] block 1: name = 5\n  It must be a text"),
        (("2026-01-18\n", "2026-01-18\n" + LOOKED.replace("0.5, 1", "0.5, 0.9") + "\n"), "The last look is at the planned end"),
        (("start = 2026-01-05\n", LOOKED + "\n"), "users\n  Group-sequential looks need the planned size"),
    ],
)
def test_a_mistake_in_an_experiment_is_told_once_with_its_place(shop, change, said):
    assert change[0] in ON_EVENTS
    told_once(shop, ON_EVENTS.replace(*change), said)


def guarded(text: str) -> str:
    return f'guardrails = [{{ metric = "paid"{text} }}]'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('secondary = ["paid", "pac"]', 'secondary 2 = "pac"\n  It must be one of the metrics: back, paid, pace.'),
        ('secondary = ["paid", "paid"]', 'secondary 2 = "paid"\n  It stands there twice.'),
        ('secondary = ["paid", 3]', "secondary 2 = 3\n  It must be a text in quotes."),
        ('exploratory = "paid"', 'exploratory = "paid"\n  It must be a list in square brackets.'),
        ('exploratory = ["back"]', "It stands under primary, too; a metric has one role."),
        (guarded(", margin = 0.1").replace("paid", "back"), 'guardrails 1 = "back"\n  It stands under primary, too'),
        (guarded(", margin = 0"), "guardrails 1: margin = 0\n  It must be above 0."),
        (guarded(", margin_relative = -0.1"), "guardrails 1: margin_relative = -0.1\n  It must be above 0."),
        (guarded(""), "guardrails 1: margin\n  A guardrail has one of both"),
        (guarded(", margin = 1, margin_relative = 1"), "A guardrail has one of both"),
        (guarded(", margn = 1"), 'guardrails 1: margn = 1\n  There is no such key. Did you mean "margin"?'),
        ("guardrails = [{ margin = 1 }]", "guardrails 1: metric\n  It must be given."),
        ('guardrails = ["paid"]', 'guardrails 1 = "paid"\n  It must be a section'),
        ("alpha = 0", "alpha = 0\n  It must be above 0"),
        ("alpha = 0.5", "alpha = 0.5\n  It must be below 0.5"),
        ("power = 1", "power = 1\n  It must be below 1"),
        ("power = -0.1", "power = -0.1\n  It must be above 0"),
        ("users = 1", "users = 1\n  It must be at least 2."),
        ("users = 2.5", "It must be a whole number"),
        ("matters_relative = 0.1", "One of both is said: matters"),
        ('looks = "group sequential"', "Allowed: fixed-horizon, group-sequential, always-valid. Did you mean"),
        ("look_times = [0.5, 1.0]", 'Only looks = "group-sequential" has them; here looks = "fixed-horizon".'),
        ('looks = "group-sequential"', "look_times\n  Group-sequential looks need them"),
        (LOOKED.replace("0.5,", "0.5, 0.5,"), "rise from one to the next"),
        (LOOKED.replace("0.5,", "0,"), "above 0 and rise"),
        (LOOKED.replace("0.5, 1", ""), "It must name 1 to"),
        ('spending = "pocok"', 'Allowed: obrien-fleming, pocock. Did you mean "pocock"?'),
        ('correction = "hochberg"', "Allowed: holm, bonferroni, none."),
        ('several_arms = "first"', "Allowed: left_out, first_seen."),
        ("covariate_days = 0", "covariate_days = 0\n  It must be at least 1."),
        ('covariates = ["active_day"]', 'covariates 1 = "active_day"\n  Allowed: active_days, events'),
        ('covariates = ["net", "net"]', 'covariates 2 = "net"\n  It stands there twice.'),
        ('slices = ["chanel"]', 'slices 1 = "chanel"\n  Allowed: seniority, channel, level; others'),
        ('slices = ["registered_at"]', "slices 1 = "),
        ('strata = ["channel", "channel"]', 'strata 2 = "channel"\n  It stands there twice.'),
        ("guard = 1", 'guard = 1\n  There is no such key. Did you mean "guardrails"? Allowed: alpha'),
        ('units = "trial"', "dataset.toml has no section [units.trial]. It has: none."),
    ],
)
def test_a_wrong_line_of_an_experiment_is_told_once_with_its_place(shop, line, said):
    told_once(shop, ON_EVENTS + line, said)


def test_an_experiment_has_at_most_twenty_slices(shop):
    columns = [f"group{number}x" for number in range(21)]
    more = "[users]\n" + "\n".join(f'{name} = "c"' for name in columns) + "\n"
    of = EVENTS.replace("[users]\n", more)
    assert read(shop, f"{ON_EVENTS}slices = {json.dumps(columns[:20])}\n", of)[0]["slices"] == columns[:20]
    told_once(shop, f"{ON_EVENTS}slices = {json.dumps(columns)}\n", "slices = ", of)


MEAN = 'kind = "proportion"\ndays = 7'


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('kind = "propotion"\ndays = 7', "kind = \"propotion\"\n  Allowed: mean, proportion, retention, ratio, quantile, rev"),
        ("days = 7", "[[metric]] back: kind\n  It must be given."),
        ('kind = "proportion"', "back: days\n  A proportion needs it: so many local days"),
        ('kind = "proportion"\ndays = 0', "days = 0\n  It must be from 1 to 730 days."),
        ('kind = "proportion"\ndays = 7.5', "It must be a whole number of days"),
        ('kind = "proportion"\ndays = true', "It must be a whole number of days"),
        ('kind = "proportion"\ndays = [1, 7]', "A proportion counts from the first day on"),
        ('kind = "proportion"\ndays = 7\ncolumn = "x"', 'column = "x"\n  A proportion has no such key. Allowed: name, kind'),
        ('kind = "proportion"\ndays = 7\nday = 7', "A proportion has no such key"),
        ('kind = "proportion"\ndayss = 7\ndays = 7', 'dayss = 7\n  There is no such key. Did you mean "days"?'),
        ('kind = "mean"\ndays = 7', "back: of\n  A mean needs it: what is added up: active_days, events"),
        ('kind = "mean"\ndays = 7\nof = "revenue"', 'of = "revenue"\n  Allowed: active_days, events, net, create, pay_days.'),
        ('kind = "retention"', "A retention needs one of both"),
        ('kind = "retention"\nday = 7\ndays = [1, 2]', "A retention needs one of both"),
        ('kind = "retention"\ndays = 7', "For one day write day = 7"),
        ('kind = "retention"\nday = 0', "day = 0\n  It must be at least 1."),
        ('kind = "retention"\ndays = [7, 1]', "days = [7, 1]\n  It must be a first and a last day"),
        ('kind = "retention"\ndays = [0, 7]', "It must be a first and a last day"),
        ('kind = "ratio"\ndays = 7\nof = "net"', "back: per\n  A ratio needs it"),
        ('kind = "ratio"\ndays = 7\nof = "net"\nper = "visits"', 'per = "visits"\n  Allowed: active_days'),
        ('kind = "ratio"\ndays = 7\nof = "net"\nper = "net"', "It must be another measure"),
        ('kind = "quantile"\ndays = 7\nof = "net"\nquantile = 1', "quantile = 1\n  It must be below 1."),
        ('kind = "quantile"\ndays = 7\nof = "net"\nquantile = 0', "quantile = 0\n  It must be above 0."),
        ('kind = "quantile"\ndays = 7\nof = "net"', "back: quantile\n  A quantile needs it"),
        ('kind = "revenue"\ndays = 7', "back: cap_quantile\n  A revenue needs it"),
        ('kind = "revenue"\ndays = 7\ncap_quantile = 1.5', "cap_quantile = 1.5\n  It must be below 1."),
        (f'{MEAN}\nbetter = "lower"', 'better = "lower"\n  Allowed: more, less.'),
        (f'{MEAN}\ncovariates = ["nett"]', 'back: covariates 1 = "nett"\n  Allowed: active_days, events, net, create'),
    ],
)  # fmt: skip
def test_a_mistake_in_a_metric_on_events_is_told_once_with_its_place(shop, written, said):
    told_once(shop, ON_EVENTS.replace(MEAN, written, 1), said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('units = "trial"', 'units = "trail"'), 'Did you mean "trial"?'),
        (('units = "trial"\n', ""), "dataset.toml has no [assignments]; it has [units.trial]"),
        (('name = "visit"', 'name = "visitt"'), 'or its file lacks it. Did you mean "visit"? It maps: visit, spend'),
        (('column = "spend"', 'column = "unit_id"'), "maps no such column"),
        (('column = "spend"', 'column = "items"'), "It must be another column than the one that is divided"),
        (('per = "items"', 'per = "itens"'), "metric basket: per = "),
        (('kind = "proportion"', 'kind = "retention"\nday = 7'), "A unit table has no days, so no retention. Allowed: mean"),
        (('kind = "proportion"', 'kind = "mean"\nof = "net"'), "A mean on a unit table has no such key. Allowed: name, kind"),
        (('kind = "proportion"', 'kind = "mean"\ncolum = "v"'), 'Did you mean "column"?'),
        (('covariates = ["before"]', 'covariates = ["befor"]'), 'covariates 1 = "befor"\n  [units.trial] of dataset.toml maps'),
        (('covariates = ["before"]', 'covariates = ["spend"]'), "It is measured as a metric, so after the exposure"),
        (('covariates = ["before"]', 'covariates = ["value"]'), "Experiments use this word themselves"),
        (('slices = ["place"]', 'slices = ["visit"]'), "It is measured as a metric, so after the exposure"),
        (('slices = ["place"]', 'slices = ["variant"]'), "slices 1 = "),
        (('slices = ["place"]', 'slices = ["seniority"]'), "maps no such column"),
        (('slices = ["place"]', 'slices = ["age"]'), "Experiments use this word themselves"),
        (('slices = ["place"]', 'slices = ["e_mail"]'), "It looks like contact data"),
    ],
)  # fmt: skip
def test_a_mistake_in_an_experiment_on_units_is_told_with_its_place(shop, change, said):
    assert change[0] in ON_UNITS
    found = told(shop, ON_UNITS.replace(*change, 1), UNITS)
    assert said in found and "experiments.toml: [[experiment]] trial: " in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ON_EVENTS.replace('"paid"', '"back"'), "[[metric]] back: name = \"back\"\n  There are two metrics of this name"),
        (ON_EVENTS + '[[experiment.metric]]\nname = "paid"\nkind = "mean"\nof = "net"\ndays = 1\n',
         "[[experiment]] tour: metric paid: name = \"paid\"\n  There are two metrics of this name"),
        (ON_EVENTS + "[[experiment]]" + ON_EVENTS.partition("[[experiment]]")[2], "There are two experiments of this name"),
        (ON_EVENTS.replace("[[experiment]]", "[experiment]"), "[experiment]\n  It stands under [[experiment]]"),
        ("metrics = 1\n" + ON_EVENTS, 'metrics = 1\n  There is no such key. Did you mean "metric"? Allowed: defaults'),
        ("[defaults]\nalhpa = 0.1\n" + ON_EVENTS, '[defaults]: alhpa = 0.1\n  There is no such key. Did you mean "alpha"?'),
        ("[defaults]\nalpha = 2.0\n" + ON_EVENTS, "[defaults]: alpha = 2.0\n  It must be below 0.5."),
        ("defaults = 3\n" + ON_EVENTS, "It is one section, [defaults]"),
        ("[[experiment]]" + ON_EVENTS.partition("[[experiment]]")[2], "tour: metric\n  It needs at least one: [[metric]]"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_as_a_whole_is_told(shop, text, said):
    found = told(shop, text)
    assert said in found
    assert found.count("experiments.toml: ") == 1


def test_all_mistakes_of_a_file_are_told_at_once_and_those_of_a_shared_metric_once(shop):
    bad = ON_EVENTS.replace("days = 7", "days = 0").replace("b = 0.5", "b = 0.6").replace("end = 2026-01-18", "end = 2025-01-18")
    second = bad.partition("[[experiment]]")[2].replace('"tour"', '"late"')
    found = told(shop, bad + "users = 0\n[[experiment]]" + second)
    assert found.count("experiments.toml: ") == 1 + 3 + 2
    assert found.count("[[metric]] back: days = 0") == 1


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
