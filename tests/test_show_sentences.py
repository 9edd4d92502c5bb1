"""Findings: words and numbers never disagree."""

import nbformat
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.show import gate, page, sentences, tables


@pytest.fixture(autouse=True)
def ten_people():
    gate.configure(10, "en", "CNY", "members")
    yield
    gate.configure()


numbers = st.floats(0, 1, allow_nan=False)
wide = st.floats(-1, 1, allow_nan=False)


@given(now=numbers, before=numbers, low=wide, high=wide)
def test_the_words_come_from_the_interval_and_never_from_the_estimate(now, before, low, high):
    gate.configure(10, "en", "CNY", "members")
    text = sentences.change("stickiness", now, before, min(low, high), max(low, high))
    covers = min(low, high) <= 0 <= max(low, high)
    assert ("no clear change" in text) == covers
    assert ("rose" in text) == (min(low, high) > 0)
    assert ("fell" in text) == (max(low, high) < 0)


@given(estimate=wide, low=wide, high=wide)
def test_a_difference_whose_interval_covers_none_is_called_unclear(estimate, low, high):
    text = sentences.difference("Welcome", estimate, min(low, high), max(low, high), p=0.04)
    assert ("no clear difference" in text) == (min(low, high) <= 0 <= max(low, high))


def test_a_change_names_size_both_values_comparison_and_certainty():
    assert sentences.change("weekly_actives", 1384, 1264, 80, 160) == (
        "Weekly actives rose by 120 (+9.5 %) to 1,384, against 1,264 the week before (95 % interval +80 to +160)"
    )
    assert sentences.change("week1_retention", 0.412, 0.468, -0.1, -0.012, than="in 2026-W08") == (
        "Week-1 retention fell by 5.6 points to 41.2 %, against 46.8 % in 2026-W08"
        " (95 % interval -10.0 to -1.2 points)"
    )


def test_without_an_interval_both_numbers_are_given_and_nothing_is_judged():
    assert sentences.change("net_amount", 48310.5, 51020) == "Net amount: CNY 48,310, against CNY 51,020 the week before"


def test_a_first_week_and_an_undefined_number_say_so():
    assert sentences.change("dau", 40, None) == "DAU: 40, with nothing to compare it with yet"
    assert sentences.change("quick_ratio", float("inf"), 2) == "Quick ratio: no value"
    assert sentences.share("day7_return", 0, 0) == "Day-7 return: nobody to count"


@pytest.mark.parametrize(("now", "before", "n"), [(9, 30, None), (30, 9, None), (30, 40, 9)])
def test_few_people_are_not_told_of(now, before, n):
    text = sentences.change("payers", now, before, 1, 2, n=n)
    assert text == "Payers: not shown, fewer than 10 people"


def test_a_share_gives_its_counts_and_its_interval():
    text = sentences.share("Day 7, gate 30", 8502, 44700, 0.1866, 0.1939, digits=2)
    assert text == "Day 7, gate 30: 19.02 % (8,502 of 44,700; 95 % interval 18.66 to 19.39 %)"
    assert sentences.share("day7_return", 1, 9) == "Day-7 return: not shown, fewer than 10 people"


def test_a_difference_gives_its_interval_and_its_p():
    text = sentences.difference("gate 40", -0.0082, -0.0133, -0.0031, p=0.0016, digits=2)
    assert text == "gate 40: -0.82 points (95 % interval -1.33 to -0.31 points, p = 0.0016)"


def frame(*rows):
    return pd.DataFrame(rows, columns=["metric", "value", "before", "low", "high", "n"])


def test_the_headline_is_the_clearest_change():
    text = sentences.headline(
        frame(
            ("weekly_actives", 1384, 1264, 80, 160, 1384),
            ("week1_retention", 0.41, 0.47, -0.12, 0.01, 200),
            ("net_amount", 48310, 30000, 18000, 18600, 200),
        )
    )
    assert text.startswith("Net amount rose by CNY 18,310 (+61.0 %)")
    assert len(text.split()) <= sentences.HEADLINE_WORDS


def test_a_quiet_week_is_called_quiet():
    text = sentences.headline(frame(("weekly_actives", 1384, 1380, -30, 38, 1384), ("payers", 24, 31, -18, 4, 24)))
    assert text == (
        "A quiet week: Weekly actives at 1,384, no clear change against 1,380 the week before (95 % interval -30 to +38)"
    )
    assert len(text.split()) <= sentences.HEADLINE_WORDS


def test_a_headline_without_intervals_judges_nothing():
    text = sentences.headline(frame(("weekly_actives", 1384, 1264, None, None, 1384)))
    assert text == "Weekly actives: 1,384, against 1,264 the week before"


def test_a_headline_without_data_or_about_too_few_people_finds_nothing():
    assert "too little data" in sentences.headline(frame())
    assert "too little data" in sentences.headline(frame(("payers", 4, 3, 1, 2, 4)))


def test_sentences_are_escaped_end_in_a_point_and_keep_numbers_with_their_units():
    shown = sentences.say("<b>19.02 %</b> of n = 44,700, CNY 12.50, +80 to +160 points", tone="warn")
    assert "<b>" not in shown.html and "&lt;b&gt;" in shown.html
    for kept in ("19.02 %", "n = 44,700", "CNY 12.50", "+80 to +160 points"):
        assert f'<span class="nb">{kept}</span>' in shown.html
    assert shown.text.endswith("points.")
    assert 'class="gr gr-say warn"' in shown.html


@pytest.mark.parametrize("said", ["p <0.001", "p = 0.02", "p 0.031", "q <0.001", "n = 300"])
def test_a_letter_its_sign_and_its_number_stay_on_one_line(said):
    marked = f'<span class="nb">{gate.escape(said)}</span>'
    assert f"({marked})" in sentences.say(f"It rose ({said})").html
    frame = pd.DataFrame({"what": ["it"], "told": [f"no longer clear when corrected ({said})"]})
    table = tables.table(frame, title=f"Clear ({said})", note=f"By the test ({said})", columns={"what": "text", "told": "text"})
    assert table.html.count(marked) == 3
    assert marked in tables.skipped("effects", f"nothing is clear ({said})").html
    cell = nbformat.v4.new_markdown_cell(f"What is called clear ({said})?")
    assert marked in page.render(nbformat.v4.new_notebook(cells=[cell]), page.PageInfo("sample", "Week"))


def test_several_sentences_are_a_list():
    shown = sentences.say("One", "Two!")
    assert shown.html.count("<li>") == 2
    assert shown.text == "One.\nTwo!"


def test_an_unknown_tone_is_refused():
    with pytest.raises(ValueError, match="warn"):
        sentences.say("x", tone="loud")


def test_lists_in_words():
    assert sentences.listed(["a"]) == "a"
    assert sentences.listed(["a", "b", "c"]) == "a, b and c"
    assert sentences.listed("abcdefg") == "a, b, c and 4 more"
