"""Experiments: who is counted, against plain Python; what is estimated, against pandas, scipy and published results."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import made
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from helpers import contracts, experiments
from helpers.errors import InputError

LAST = made.day(40)
RETURN = {"name": "return", "kind": "retention", "day": 7}
DAYS_14 = {"name": "days", "kind": "mean", "of": "active_days", "days": 14}
NET = {"name": "net", "kind": "mean", "of": "net", "days": 14}
EVER = {"name": "ever", "kind": "proportion", "days": 3}
PLAN = {"name": "tour", "control": "a", "variants": {"a": 0.5, "b": 0.5}, "primary": "return",
        "metric": [RETURN, DAYS_14, NET, EVER]}  # fmt: skip
ASSIGNED = st.lists(
    st.tuples(st.sampled_from("uvwxyz"), st.sampled_from(["a", "a", "b", "b", "c"]), st.integers(0, 40)), max_size=14
)
VISITS = st.dictionaries(
    st.tuples(st.sampled_from("uvwxyz"), st.integers(0, 40)), st.tuples(st.integers(0, 2), st.sampled_from([0, 5, 30]))
)


def assignments(rows: list[tuple[str, str, int]], experiment: str = "tour"):
    given = [
        {"user_id": user, "experiment": experiment, "variant": variant, "assigned_day": made.day(at),
         "assigned_at": datetime(2026, 1, 5, 12, tzinfo=UTC) + timedelta(days=at)}
        for user, variant, at in rows
    ]  # fmt: skip
    return experiments.exposures(made.table("assignments", given))


def user_day(visits: dict[tuple[str, int], tuple[int, int]]):
    return made.table(
        "user_day",
        [
            {"user_id": user, "day": made.day(at), "active": active, "net": net}
            for (user, at), (active, net) in visits.items()
        ],
    )


def units(variants: list[str], **metrics: list[str | None]):
    rows = [
        {
            "units": "game",
            "unit_id": str(at),
            "variant": variant,
            **{name: given[at] for name, given in metrics.items()},
        }
        for at, variant in enumerate(variants)
    ]
    return made.table("units", rows, dict.fromkeys(metrics, "string"))


def game(**kinds: str) -> dict:
    metrics = [{"name": name, "kind": kind} for name, kind in kinds.items()]
    return {**PLAN, "name": "game", "units": "game", "metric": metrics, "primary": metrics[0]["name"]}


def recount(rows: list[tuple[str, str, int]], visits: dict, metric: dict) -> dict[str, list[float | None]]:
    """The value of each person of one arm only, by arm, in plain Python."""
    found: dict[str, list[float | None]] = {"a": [], "b": []}
    for user in {user for user, _, _ in rows}:
        seen = {variant for name, variant, _ in rows if name == user}
        if len(seen) > 1 or not seen <= {"a", "b"}:
            continue
        start = min(at for name, _, at in rows if name == user)
        ahead = metric.get("day") or metric["days"]
        span = [start + ahead] if metric["kind"] == "retention" else range(start + 1, start + ahead + 1)
        own = [visits.get((user, at), (0, 0)) for at in span]
        days = sum(active > 0 for active, _ in own)
        value = sum(net for _, net in own) if metric.get("of") == "net" else days
        value = value if metric["kind"] == "mean" else float(days > 0)
        found[seen.pop()].append(value if made.day(start + ahead) <= LAST else None)
    return found


@given(ASSIGNED, VISITS)
@settings(made.AS_FOUND, max_examples=5)
def test_moments_and_effects_are_those_of_a_recount(rows, visits):
    moments = experiments.moments([PLAN], assignments(rows), None, user_day(visits), last_day=LAST)
    effects = experiments.effects(moments, [PLAN]).set_index("metric")
    cells = moments.set_index(["metric", "variant"])
    for metric in PLAN["metric"]:
        values = recount(rows, visits, metric)
        there = {variant: [value for value in own if value is not None] for variant, own in values.items()}
        for variant, own in there.items():
            cell = cells.loc[(metric["name"], variant)]
            assert (cell["n"], cell["missing"]) == (len(own), len(values[variant]) - len(own))
            assert cell["total"] == pytest.approx(sum(own))
            assert cell["squares"] == pytest.approx(np.var(own) * len(own) if own else 0, abs=1e-9)
        row = effects.loc[metric["name"]]
        mean = {variant: np.mean(own) if own else math.nan for variant, own in there.items()}
        assert row["difference"] == pytest.approx(mean["b"] - mean["a"], nan_ok=True)
        if (
            metric["kind"] == "mean"
            and min(map(len, there.values())) > 1
            and any(len(set(own)) > 1 for own in there.values())
        ):
            assert row["p"] == pytest.approx(scipy_stats.ttest_ind(there["b"], there["a"], equal_var=False).pvalue)


@given(ASSIGNED)
@settings(made.AS_FOUND, max_examples=6)
def test_people_in_several_arms_or_in_none_that_was_planned_are_left_out_and_counted(rows):
    found = experiments.arms([PLAN], assignments(rows), None).set_index("variant")
    seen = {user: {variant for name, variant, _ in rows if name == user} for user, _, _ in rows}
    for variant in ("a", "b"):
        assert found.loc[variant, "people"] == sum(own == {variant} for own in seen.values())
        assert found.loc[variant, "several"] == sum(len(own) > 1 for own in seen.values())
        assert found.loc[variant, "unplanned"] == sum(own == {"c"} for own in seen.values())


def test_the_first_exposure_decides_and_its_own_day_does_not_count():
    rows = [("u", "a", 9), ("u", "a", 2), ("v", "b", 2)]
    visits = {("u", 2): (1, 0), ("u", 9): (1, 0), ("v", 2): (1, 0), ("v", 10): (1, 0)}
    found = experiments.moments([PLAN], assignments(rows), None, user_day(visits), last_day=LAST)
    totals = found.set_index(["metric", "variant"])["total"]
    assert (totals["return", "a"], totals["return", "b"], totals["days", "a"], totals["days", "b"]) == (1, 0, 1, 1)


def test_return_counts_only_people_whose_day_has_gone_by():
    """Assigned 7 days before the last day: counted. 6 days before: not yet."""
    rows = [("u", "a", 33), ("v", "a", 34)]
    visits = {("u", 40): (1, 0), ("v", 40): (1, 0)}
    found = experiments.moments([PLAN], assignments(rows), None, user_day(visits), last_day=LAST)
    cell = found.set_index(["metric", "variant"]).loc[("return", "a")]
    assert (cell["n"], cell["total"], cell["missing"]) == (1, 1, 1)


def test_people_without_events_are_zeros_and_not_missing():
    found = experiments.moments([PLAN], assignments([("u", "a", 0), ("v", "b", 0)]), None, user_day({}), last_day=LAST)
    assert found["n"].eq(1).all() and found["total"].eq(0).all() and found["missing"].eq(0).all()


def test_later_rows_change_no_moment():
    rows = [("u", "a", 20), ("v", "b", 30), ("w", "b", 22)]
    visits = {("u", 27): (1, 5), ("u", 41): (1, 90), ("v", 37): (1, 0), ("v", 44): (1, 9)}
    early = {key: value for key, value in visits.items() if key[1] <= 40}
    now, then = (
        experiments.moments([PLAN], assignments(rows), None, user_day(given), last_day=LAST)
        for given in (visits, early)
    )
    pd.testing.assert_frame_equal(now, then)


def test_cookie_cats_is_as_published():
    """44,700 and 45,489 players; day 7: 19.02 % and 18.20 %, p = 0.0016; day 1: 44.82 % and 44.23 %, p = 0.074."""
    counts = {"a": (44_700, 20_034, 8_502), "b": (45_489, 20_119, 8_279)}
    variants = [variant for variant, (n, _, _) in counts.items() for _ in range(n)]
    metrics = {
        name: [text for n, *hits in counts.values() for text in ["TRUE"] * hits[at] + ["FALSE"] * (n - hits[at])]
        for at, name in enumerate(("day_1", "day_7"))
    }
    table, plan = units(variants, **metrics), game(day_7="proportion", day_1="proportion")
    effects = experiments.effects(experiments.moments([plan], None, table, None, last_day=None), [plan]).set_index(
        "metric"
    )
    shares = (effects[["control_value", "value"]] * 100).round(2)
    assert shares.loc["day_7"].tolist() == [19.02, 18.20] and shares.loc["day_1"].tolist() == [44.82, 44.23]
    assert (round(effects.loc["day_7", "p"], 4), round(effects.loc["day_1", "p"], 3)) == (0.0016, 0.074)
    assert effects.loc["day_7", ["low", "high"]].tolist() == pytest.approx([-0.0133, -0.0031], abs=5e-5)
    arms = experiments.arms([plan], None, table)
    health = experiments.health(arms)
    assert arms["people"].tolist() == [44_700, 45_489]
    assert health["verdict"].tolist() == ["watch"] and health["p"].iloc[0] == pytest.approx(0.0086, abs=5e-5)


def test_values_that_are_blank_or_no_numbers_are_left_out_and_counted_by_arm():
    given = [None, "", "x", "nan", "-inf", "1e300", " 4 ", "6", "1e1", "2"]
    found = experiments.moments(
        [game(rounds="mean")], None, units(list("aaaaaaaabb"), rounds=given), None, last_day=None
    ).set_index("variant")
    assert (found.loc["a", "n"], found.loc["a", "missing"], found.loc["a", "total"]) == (2, 6, 10)
    assert (found.loc["b", "n"], found.loc["b", "missing"], found.loc["b", "total"]) == (2, 0, 12)


def test_yes_and_no_are_read_in_their_usual_spellings():
    table = units(list("aaaaaaaa"), came=["TRUE", "true ", "Yes", "t", "1", "False", "no", "0"])
    found = experiments.moments([game(came="proportion")], None, table, None, last_day=None).set_index("variant")
    assert (found.loc["a", "n"], found.loc["a", "total"]) == (8, 5)


def test_variance_survives_a_large_offset():
    """The vector `large_offset_variance` of tests/reference/experiments.json: 30, where sums of squares give -170.67."""
    values = [str(1e9 + step) for step in (4, 7, 13, 16, 5, 8, 14, 17)]
    plan = game(size="mean")
    moments = experiments.moments([plan], None, units(list("aaaabbbb"), size=values), None, last_day=None)
    assert (moments["squares"] / 3).tolist() == pytest.approx([30, 30])
    assert experiments.effects(moments, [plan])["p"].iloc[0] == pytest.approx(0.8048817977199217, rel=1e-6)


def test_moments_are_the_same_to_the_last_bit_in_any_order_of_rows():
    rng, plan = np.random.default_rng(5), game(spent="mean")
    variants, spent = rng.choice(["a", "b"], 3000), rng.lognormal(3, 2, 3000).round(2)
    found = []
    for order in (np.arange(3000), rng.permutation(3000), np.argsort(spent)):
        table = units(variants[order].tolist(), spent=[str(value) for value in spent[order]])
        found.append(experiments.moments([plan], None, table, None, last_day=None))
    assert found[0].equals(found[1]) and found[0].equals(found[2])
    for row in found[0].to_dict("records"):
        own = spent[variants == row["variant"]]
        assert (row["total"], row["squares"]) == pytest.approx((own.sum(), own.var() * len(own)), rel=1e-9)


def test_an_arm_that_nobody_is_in_is_shown_as_unknown():
    given = ([PLAN], assignments([("u", "a", 1), ("v", "a", 2)]), None)
    arms, moments = experiments.arms(*given), experiments.moments(*given, user_day({}), last_day=LAST)
    assert arms["people"].tolist() == [2, 0] and moments.loc[moments["variant"] == "b", "n"].eq(0).all()
    effects = experiments.effects(moments, [PLAN])
    assert effects["n"].eq(0).all() and effects[["value", "difference", "low", "high", "p"]].isna().all(axis=None)
    assert experiments.health(arms)["verdict"].tolist() == ["unknown"]


def test_a_metric_that_does_not_vary_has_a_difference_and_no_p():
    plan = game(rounds="mean", came="proportion")
    table = units(list("aaabbb"), rounds=["0.1"] * 6, came=["1"] * 6)
    effects = experiments.effects(experiments.moments([plan], None, table, None, last_day=None), [plan]).set_index(
        "metric"
    )
    assert effects.loc["rounds", "difference"] == pytest.approx(0) and math.isnan(effects.loc["rounds", "p"])
    assert (effects.loc["came", "p"], effects.loc["came", "difference"]) == (1, 0)


def test_effects_under_the_alarm_are_not_for_reading():
    health = pd.DataFrame({"experiment": ["one", "two"], "p": [1e-9, 0.4], "verdict": ["alarm", "ok"]})
    rows = [
        (name, "return", kind, True, "b", "a", 9, 5, *[0.1] * 7)
        for name, kind in (("one", "retention"), ("two", "mean"))
    ]
    effects = pd.DataFrame(rows, columns=list(contracts.find("effects").columns))
    found = experiments.labelled(effects, health)
    assert found[["label", "smaller"]].to_numpy().tolist() == [["two, return, b", 5]]
    assert experiments.labelled(effects, health, kinds=("retention",)).empty


@pytest.mark.parametrize(
    "sizes, verdict",
    [
        ((500, 500), "ok"), ((500, 570), "watch"), ((500, 680), "alarm"), ((0, 0), "unknown"), ((4, 5), "unknown"),
        ((9, 1), "watch"),
    ],
)
def test_a_split_is_judged_by_its_p(sizes, verdict):
    arms = pd.DataFrame({"experiment": "x", "variant": ["a", "b"], "people": sizes, "planned": 0.5})
    assert experiments.health(arms)["verdict"].tolist() == [verdict]


def test_without_plans_or_without_what_they_need_there_is_nothing():
    for plans in ([], [PLAN], [game(rounds="mean")]):
        arms, moments = experiments.arms(plans, None, None), experiments.moments(plans, None, None, None, last_day=None)
        assert arms.empty and moments.empty and experiments.health(arms).empty
        assert experiments.effects(moments, plans).empty
    assert experiments.moments([PLAN], assignments([("u", "a", 1)]), None, None, last_day=LAST).empty


@pytest.mark.parametrize(
    "metric, said",
    [
        ({"name": "x", "kind": "median", "of": "net", "days": 7}, '"median" is not one of proportion, mean, retention'),
        ({"name": "x", "kind": "mean", "of": "nett", "days": 7}, 'Did you mean "net"?'),
    ],
)
def test_a_metric_that_does_not_exist_is_named_with_the_nearest(metric, said):
    with pytest.raises(InputError, match="experiment tour: ") as caught:
        experiments.moments([{**PLAN, "metric": [metric]}], assignments([]), None, user_day({}), last_day=LAST)
    assert said in str(caught.value)


def test_a_column_that_does_not_exist_and_a_proportion_that_is_none_are_named():
    table = units(list("ab"), rounds=["3", "1"])
    with pytest.raises(InputError, match=r'no column "round".*Did you mean "rounds"'):
        experiments.moments([game(round="mean")], None, table, None, last_day=None)
    with pytest.raises(InputError, match="rounds is a proportion, but 1 values are not 0 or 1"):
        experiments.moments([game(rounds="proportion")], None, table, None, last_day=None)
