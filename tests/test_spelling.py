"""Names in several spellings are known again however they are distorted, listed, and never taken for others."""

from __future__ import annotations

import unicodedata

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from helpers.cleaning import spelling

DISTORTIONS = [
    str.upper, str.lower, str.title, lambda text: f"  {text}\t", lambda text: text.replace(" ", "\xa0 "),
    lambda text: f"\u200b{text}\ufeff",
    lambda text: "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in text),
    lambda text: unicodedata.normalize("NFD", text),
]  # fmt: skip


@given(st.sampled_from(["road trip", "café au lait", "运动 tea", "a-1"]), st.lists(st.sampled_from(DISTORTIONS), max_size=4))
def test_a_name_is_known_again_however_it_is_distorted(name, distortions):
    text = name
    for distort in distortions:
        text = distort(text)
    assert spelling.fold(text) == spelling.fold(name)


@given(st.text())
def test_folding_once_is_folding_for_good(text):
    assert spelling.fold(spelling.fold(text)) == spelling.fold(text)


def test_names_that_differ_in_more_than_their_spelling_stay_apart():
    names = ["tea", "teas", "te a", "tee", "té", "茶", "t-ea", "1ea"]
    assert len({spelling.fold(name) for name in names}) == len(names)
    assert spelling.variants(pd.DataFrame({"of": "", "value": names, "rows": 1})).empty


def test_spellings_are_listed_by_their_rows_and_what_the_eye_would_miss_is_written_out():
    values = {"Food": 3, "food": 1200, "fo\u200bod": 1, "food  ": 2, "cafe\u0301": 1, "café": 1, "x" * 99: 1, "X" * 99: 2}
    found = spelling.variants(pd.DataFrame({"of": "", "value": list(values), "rows": list(values.values())}))
    assert found["label"].drop_duplicates().tolist() == [
        r"food (1,200), Food (3), food \x20 (2), fo\u200bod (1)",
        "X" * 59 + "… (2), " + "x" * 59 + "… (1)",
        r"cafe\u0301 (1), café (1)",
    ]  # fmt: skip
    many = spelling.variants(pd.DataFrame({"of": "e", "value": [" " * n + "x" for n in range(14)], "rows": 1}))
    assert many["label"][0].startswith("e: ") and many["label"][0].endswith("(1), and 4 more")
