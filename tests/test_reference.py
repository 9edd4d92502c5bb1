"""The vectors of tests/reference/analytics.json that the toolkit answers, and which it does not answer yet."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
import reference

CASES = json.loads((Path(__file__).parent / "reference" / "analytics.json").read_text(encoding="utf-8"))["vectors"]
COVERED = {
    "active-users": ["dau", "wau_trailing7", "mau_trailing30"],
    "avg-row-mixpanel": ["pooled_size_weighted"],
    "ltv-nday-mature": ["per_cohort", "overall"],
    "km-6mp": ["S", "median"],
    "lifecycle-day": ["new", "returning", "resurrecting", "dormant"],
    "pulse": ["pulse"],
    "ret-day-recurring": ["counts"],
    "ret-day-rule-three-answers": ["calendar_day"],
    "ret-first-time": ["counts"],
    "ret-month": ["counts"],
    "ret-unbounded": ["counts"],
    "ret-week-monday": ["counts"],
    "rfm-btyd-summary": ["columns", "rows"],
    "sbg-high-end": ["alpha", "beta", "LL", "S_model_pct", "retention_rate"],
    "sessions-timeout": ["sessions", "rule"],
    "simpson-mix": ["overall", "rate_effect", "mix_effect"],
    "stickiness-day": ["exactly", "at_least"],
    "tag-decay": ["weights", "top"],
    "wilson-small": ["low", "high"],
    "winback-holdout": [
        "raw_return_rate", "incremental_returns", "lift_pp", "cost_per_return_naive", "cost_per_incremental_return", "z",
    ],
}
NOT_YET = {"CLV", "funnel", "paths"}


def seen(case: dict) -> dict:
    """A case without its id: an answer must follow from topic and input."""
    return {"topic": case["topic"], "input": case["input"]}


def tolerance(case: dict, key: str) -> float:
    """The first number of its words, or the one "on" this key; that of a share S goes for per cents times 100."""
    number, told = r"(\d[\d.e-]*)", case["tolerance"]
    own = re.search(rf"{number} on {key.split('_')[0]}\b", told)
    found = own or re.search(number, told)
    return float(found.group(1)) * (100 if own and key.endswith("_pct") else 1) if found else 0.0


def assert_like(found, expected, within: float) -> None:
    if isinstance(expected, dict):
        assert set(found) == set(expected)
        for key, value in expected.items():
            assert_like(found[key], value, within)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_like(one, other, within)
    elif isinstance(expected, float):
        assert math.isclose(found, expected, rel_tol=0, abs_tol=within)
    else:
        assert found == expected


@pytest.mark.parametrize("case", [case for case in CASES if case["id"] in COVERED], ids=lambda case: case["id"])
def test_the_toolkit_answers_as_expected(case):
    answered = reference.answer(seen(case))
    assert sorted(answered) == sorted(case.get("required", case["expected"])) == sorted(COVERED[case["id"]])
    for key, found in answered.items():
        assert_like(found, case["expected"][key], tolerance(case, key))


def test_what_is_covered_is_what_is_listed_and_nothing_is_lost_silently():
    answered, refused = set(), set()
    for case in CASES:
        if not case["adapter"]:
            continue
        try:
            reference.answer(seen(case))
            answered.add(case["id"])
        except reference.NotCovered:
            refused.add(case["topic"])
    assert answered == set(COVERED)
    assert refused == NOT_YET


def test_a_case_that_is_only_words_has_no_answer():
    zero_cohort = next(case for case in CASES if case["id"] == "avg-zero-cohort")
    with pytest.raises(reference.NotCovered, match="rule in words"):
        reference.answer(seen(zero_cohort))
