"""experiments.toml: mistakes are told in words, each once and with its place."""

from __future__ import annotations

import json

import pytest
import shops
from plan_files import EVENTS, LOOKED, ON_EVENTS, ON_UNITS, UNITS, read, told


@pytest.fixture
def shop(tmp_path):
    return shops.maker(tmp_path)


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
