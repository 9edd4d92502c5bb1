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
    "rfm-btyd-summary": ["columns", "rows"],
    "sessions-timeout": ["sessions", "rule"],
    "simpson-mix": ["overall", "rate_effect", "mix_effect"],
    "tag-decay": ["weights", "top"],
    "wilson-small": ["low", "high"],
}
NOT_YET = {
    "CLV", "LTV", "churn survival", "funnel", "growth accounting", "paths", "retention", "retention projection",
    "stickiness", "win-back",
}  # fmt: skip


def seen(case: dict) -> dict:
    """A case without its id: an answer must follow from topic and input."""
    return {"topic": case["topic"], "input": case["input"]}


def tolerance(case: dict) -> float:
    found = re.search(r"\d[\d.e-]*", case["tolerance"])
    return float(found.group()) if found else 0.0


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
    assert_like(answered, {key: case["expected"][key] for key in answered}, tolerance(case))


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
