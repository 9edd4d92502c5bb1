"""The vectors of tests/reference/experiments.json, and further cases of their form."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest
import reference
from scipy import stats as scipy_stats

CASES = json.loads((Path(__file__).parent / "reference" / "experiments.json").read_text(encoding="utf-8"))["cases"]
COVERED = {
    "srm_kohavi_book", "srm_cookie_cats", "srm_three_arms", "srm_deep_tail", "cookie_cats_d1", "cookie_cats_d7",
    "newcombe_56_70_48_80", "statsmodels_doc_ztest", "noninferiority_z", "welch_sleep", "lift_delta_mean", "posthog_mean",
    "negative_baseline", "large_offset_variance", "null_handling", "ratio_delta", "cuped_mean", "post_strat_mean", "quantile_p90",
    "mwu_scipy_doc", "bh1995_15_pvalues", "bayes_binomial_flat", "simpson_ramp_up", "dedupe_both_arms",
    "asymp_cs_mean", "msprt_normal", "gs_lan_demets", "peeking_inflation", "n_evan_miller", "n_ttest_d05",
}  # fmt: skip
# HC2 weighs each unit's squared residual by its leverage: sums of products, which the case gives, do not tell it.
UNTOLD = {"cuped_mean": {"se_lin_hc2"}}


def seen(case: dict) -> dict:
    """A case without its id: an answer must follow from topic and input."""
    return {"topic": case["topic"], "input": case["input"]}


def assert_like(found, expected, tolerance: dict) -> None:
    """As many numbers as are expected; what is answered beside them is the toolkit's own affair."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            assert_like(found[key], value, tolerance)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_like(one, other, tolerance)
    elif isinstance(expected, int | float) and not isinstance(expected, bool):
        assert math.isclose(found, expected, rel_tol=tolerance.get("rel", 0), abs_tol=tolerance.get("abs", 0))
    else:
        assert found == expected


def case_named(name: str) -> dict:
    return copy.deepcopy(next(case for case in CASES if case["id"] == name))


@pytest.mark.parametrize("case", [case for case in CASES if case["id"] in COVERED], ids=lambda case: case["id"])
def test_the_toolkit_answers_as_expected(case):
    expected = {key: case["expected"][key] for key in case.get("required", case["expected"])}
    for key in UNTOLD.get(case["id"], ()):
        del expected[key]
    assert_like(reference.answer(seen(case)), expected, case["tolerance"])


def test_what_is_covered_is_what_is_listed_and_nothing_is_lost_silently():
    answered = set()
    for case in CASES:
        if not case["adapter"]:
            continue
        reference.answer(seen(case))
        answered.add(case["id"])
    assert answered == COVERED


def test_every_key_of_the_covered_cases_is_answered_but_those_that_their_input_does_not_tell():
    for case in CASES:
        if case["id"] in COVERED:
            missing = set(case["expected"]) - set(reference.answer(seen(case)))
            assert missing == UNTOLD.get(case["id"], set())


def test_other_alphas_and_missing_optional_keys_are_answered():
    case = case_named("cookie_cats_d7")
    usual = reference.answer(seen(case))
    del case["input"]["alpha"]
    assert reference.answer(seen(case)) == usual
    case["input"]["alpha"] = 0.01
    wider = reference.answer(seen(case))
    assert wider["ci_wald"][0] < usual["ci_wald"][0] and wider["p_pooled"] == usual["p_pooled"]
    split = case_named("srm_three_arms")
    del split["input"]["weights"]
    assert_like(reference.answer(seen(split)), split["expected"], split["tolerance"])


def test_an_arm_of_weight_zero_is_no_arm_of_the_split():
    case = case_named("srm_cookie_cats")
    case["input"] |= {"users": [44700, 0, 45489], "weights": [0.5, 0.0, 0.5]}
    assert_like(reference.answer(seen(case)), case["expected"], case["tolerance"])


def test_non_inferiority_of_a_metric_of_which_less_is_better_and_with_a_relative_margin_alone():
    case = case_named("noninferiority_z")
    expected = reference.answer(seen(case))
    del case["input"]["margin_absolute"], case["input"]["alpha"]
    assert reference.answer(seen(case)) == expected
    mirrored = {"n": 10000, "successes": 5010}, {"n": 10000, "successes": 5000}
    given = {"control": mirrored[1], "treatment": mirrored[0], "margin_absolute": 0.01, "alternative": "smaller", "alpha": 0.1}
    found = reference.answer({"topic": "non-inferiority", "input": given})
    assert found["p_wald_unpooled"] == pytest.approx(expected["p_wald_unpooled"])
    assert found["verdict"] == "not shown non-inferior" and found["upper_bound_one_sided_90"] > 0.01
    given["margin_absolute"] = 0.02
    assert reference.answer({"topic": "non-inferiority", "input": given})["verdict"] == "non-inferior"


def test_means_are_answered_from_sums_and_from_values_alike():
    case = case_named("welch_sleep")
    values = reference.answer(seen(case))
    for name, arm in case["input"].items():
        case["input"][name] = {"n": len(arm), "sum": sum(arm), "sum_squares": sum(one**2 for one in arm)}
    assert_like(reference.answer(seen(case)), values, {"rel": 1e-9})
    case["input"] = {name: {"n": 10, "mean": arm["sum"] / 10, "sd": 1.0} for name, arm in case["input"].items()}
    assert reference.answer(seen(case))["df"] == pytest.approx(18)


def test_days_and_arms_of_other_names_and_people_in_other_columns_are_answered():
    case = case_named("simpson_ramp_up")
    named = {"fri": "2026-01-01", "sat": "2026-01-02", "C": "old", "T": "new"}
    case["input"]["rows"] = [[named.get(one, one) for one in reversed(row)] for row in case["input"]["rows"]]
    case["input"]["columns"] = case["input"]["columns"][::-1]
    found = reference.answer(seen(case))
    assert found["stratified_diff"] == pytest.approx(case["expected"]["stratified_diff"])
    assert found["by_day"] == pytest.approx({"2026-01-01": 0.002797979797979796, "2026-01-02": 0.002})
    both = {"topic": "traps", "input": {"exposures": [[3, "v", "x"], [1, "v", "y"], [1, "w", "y"], [2, "u", "z"]],
                                        "columns": ["time", "user", "arm"]}}  # fmt: skip
    assert reference.answer(both) == {
        "users": 3, "in_both": 1, "share_in_both": 1 / 3, "n_exclude": {"x": 0, "y": 1, "z": 1},
        "n_first_arm": {"x": 0, "y": 2, "z": 1},
    }  # fmt: skip


def test_a_prior_pulls_the_lift_and_means_are_read_as_shares_are():
    case = case_named("bayes_binomial_flat")
    flat = reference.answer(seen(case))
    del case["input"]["prior"]
    assert reference.answer(seen(case)) == flat
    case["input"]["prior"] = {"mean": 0.0, "sd": 0.1}
    drawn = reference.answer(seen(case))
    assert 0 < drawn["lift"] < flat["lift"] and 0.5 < drawn["chance_to_win"] < flat["chance_to_win"]
    lift = case_named("lift_delta_mean")
    read = reference.answer({"topic": "bayes", "input": lift["input"]})
    assert read["lift"] == pytest.approx(lift["expected"]["lift"])


def test_ranks_with_ties_are_those_of_scipy():
    x, y = [1, 2, 2, 5, 7, 7, 9], [2, 2, 3, 3, 8, 7]
    found = reference.answer({"topic": "rank", "input": {"x": x, "y": y}})
    expected = scipy_stats.mannwhitneyu(x, y, method="asymptotic")
    assert (found["U"], found["p_asymptotic_cc"]) == pytest.approx((expected.statistic, expected.pvalue))


def test_a_quantile_at_another_alpha_keeps_its_middle():
    case = case_named("quantile_p90")
    case["input"]["alpha"] = 0.2
    low, high = reference.answer(seen(case))["ci_normal"]
    assert np.mean([low, high]) == pytest.approx(case["expected"]["diff"])
    assert (high - low) / 2 == pytest.approx(scipy_stats.norm.ppf(0.9) * case["expected"]["se"], rel=1e-5)
