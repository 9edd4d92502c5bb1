"""The words of the languages hold together: the same keys and places to fill, the same certainty, and none that nobody says."""

from __future__ import annotations

import ast
import json
import re
import string
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import paths
from helpers.show import format, gate, seams, words

SHOW = paths.PROJECT / "helpers" / "show"
HAN = "\u4e00-\u9fff"
# What is written in Latin letters in Chinese too: measures and names of methods, and what is typed or read letter by letter.
LATIN = frozenset(
    ["p", "q", "z", "A", "Sidak", "DAU", "WAU", "MAU", "RFM", "ISO", "CUPED", "SPRT", "SHA", "UTC", "CSV", "HTML", "SQL", "Holm",
     "Bonferroni", "Benjamini", "Hochberg", "Newcombe", "Mann", "Whitney", "Poisson", "Bayes", "delta", "Wilson", "Fieller",
     "Welch", "Koopman", "Kaplan", "Meier", "JupyterLab", "Growth", "Rings"]
)  # fmt: skip
TYPED = re.compile(r"python -m helpers \w+|make \w+( \w+=)?|[\w.-]+\.(?:toml|csv|html|json)|https?://\S+|growth-rings|\bsha256\b")
# An English word of certainty, and the Chinese one that says as much.
CERTAINTY = {
    r"no clear change": "没有明显变化", r"no clear difference": "没有明显差异", r"no clear trend": "没有明显趋势",
    r"\bclear(?:ly)?\b": "明显", r"95 %": "95%", r"\binterval": "区间", r"\bat least\b": "至少|或更|以上|不少于",
    r"\bat most\b": "最多|至多|不超过", r"\bmay\b": "可能|恐怕", r"fewer than \{k\}": "不足 {k}",
    r"\babout (?:\{|one in)": "约|左右", r"\busual": "通常",
}  # fmt: skip
OPEN = ("tiers.", "columns.", "money.", "parts.")  # sections that are looked up by names of the data model
LISTS = ("format.large", "format.months", "said.distinct.weekdays")
NAMED = ("parts.", "footer.release", "quality.note", "tiers.control", "tiers.treatment")  # of what stands in files, and of arms


def _flat(table: dict, prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, inner in table.items():
        found |= _flat(inner, f"{prefix}{name}.") if isinstance(inner, dict) else {prefix + name: inner}
    return found


def _words(language: str) -> dict[str, str]:
    name = "words.toml" if language == "en" else f"words.{language}.toml"
    return _flat(tomllib.loads((SHOW / name).read_text(encoding="utf-8"))[language])


ENGLISH, CHINESE = _words("en"), _words("zh")


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def _spoken(text: str) -> str:
    """A text without what is filled in and what is typed."""
    return TYPED.sub(" ", " ".join(said for said, *_ in string.Formatter().parse(text)))


def test_both_languages_have_words_for_the_same_keys():
    assert sorted(ENGLISH) == sorted(CHINESE)


def test_what_is_filled_in_has_its_place_in_both_languages():
    assert {key: _places(text) for key, text in ENGLISH.items()} == {key: _places(CHINESE[key]) for key in ENGLISH}


def test_chinese_words_have_no_latin_word_beyond_measures_and_names():
    found = {key: set(re.findall(r"[A-Za-z]+", _spoken(text))) - LATIN for key, text in CHINESE.items()}
    assert {key: odd for key, odd in found.items() if odd and not key.startswith(NAMED)} == {}


def test_chinese_sentences_have_full_width_marks():
    half = re.compile(rf"[{HAN}）”][,.:;!?()]|[,.:;!?()][{HAN}（“]|[{HAN}）”] +[{HAN}（“]")
    sentences = {key: text for key, text in CHINESE.items() if key not in LISTS}
    assert {key: text for key, text in sentences.items() if half.search(TYPED.sub(" x ", text))} == {}


@pytest.mark.parametrize("english", CERTAINTY)
def test_no_translation_is_surer_or_less_sure_than_the_english(english):
    bare = {key: re.sub(r"\{(?!k\})\w+\}", "{}", text) for key, text in ENGLISH.items() if not key.startswith(OPEN)}
    found = {key for key, text in bare.items() if re.search(english, text)}
    said = re.compile(CERTAINTY[english].replace("{", r"\{").replace("}", r"\}"))
    assert found
    assert {key: CHINESE[key] for key in found if not said.search(CHINESE[key])} == {}


def test_no_clear_change_is_said_in_chinese_only_where_english_says_so():
    found = {key for key, text in CHINESE.items() if re.search("没有明显(?:变化|差异|趋势)", text)}
    said = re.compile(r"(?:no|not|nothing|no longer) (?:\w+ )*?clear|not (?:\w+ )*clearly", re.IGNORECASE)
    assert {key: ENGLISH[key] for key in found if not said.search(ENGLISH[key])} == {}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("key", [*words.metrics(), *words.dimensions()])
def test_every_metric_has_its_words_and_a_unit(key, language):
    entry = tomllib.loads((SHOW / "metrics.toml").read_text(encoding="utf-8"))[key]
    assert entry["unit"] in format.UNITS and entry["good"] in ("up", "down", "")
    own = entry[language]
    assert own["label"] and own["definition"].endswith("." if language == "en" else "。")
    needs = entry["unit"] in ("share", "number") or bool(entry.get("tiers"))
    assert bool(own.get("denominator")) == bool(entry["en"].get("denominator")) and (not needs or own["denominator"])
    assert set().union(*map(_places, own.values())) <= {"people"}
    if language == "zh":
        assert not set(re.findall("[A-Za-z]+", _spoken(" ".join(own.values())))) - LATIN


def test_metrics_are_told_in_the_language_of_the_page():
    gate.configure(language="zh", subject="玩家")
    try:
        assert words.metric("new_members").label == "新玩家" and words.dimension("value") == "价值" != words.label("value")
    finally:
        gate.configure()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("成员 aZ9+-（）。, ", max_size=6), min_size=2, max_size=2))
def test_what_is_filled_in_stays_as_it_is_between_chinese_words(values):
    first, last = values
    made = seams.filled("较 {first}为 {last} 的", {"first": first, "last": last})
    assert re.fullmatch(f"较 ?{re.escape(first)} ?为 ?{re.escape(last)} ?的", made)


@pytest.mark.parametrize(
    ("filled_in", "made"),
    [("读书", "读书最多"), ("organic", "organic 最多"), ("5.0%", "5.0% 最多"), ("（空）", "（空）最多"), ("", "最多")],
)
def test_a_blank_stands_between_chinese_and_letters_alone(filled_in, made):
    assert seams.filled("{name}最多", {"name": filled_in}) == seams.filled("{name} 最多", {"name": filled_in}).strip() == made


def _python() -> list[ast.Module]:
    files = [path.read_text(encoding="utf-8") for path in sorted((paths.PROJECT / "helpers").rglob("*.py"))]
    for path in sorted(paths.NOTEBOOKS.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        files += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return [ast.parse(text) for text in files]


def _pattern(node: ast.JoinedStr) -> str:
    return "".join(re.escape(part.value) if isinstance(part, ast.Constant) else "(.*)" for part in node.values)


def test_there_is_no_word_that_nobody_says():
    nodes = [node for tree in _python() for node in ast.walk(tree)]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    templates = (paths.PROJECT / "helpers").rglob("*.j2")
    texts |= {said for path in templates for said in re.findall(r"(?<=['\"])[a-z_.]+(?=['\"])", path.read_text(encoding="utf-8"))}
    named = [node for node in nodes if isinstance(node, ast.Attribute | ast.keyword)]
    names = {node.attr if isinstance(node, ast.Attribute) else node.arg for node in named}
    parts = {part for text in texts | names if text and len(text) < 80 for part in re.split(r"[^A-Za-z0-9]+", text)}
    made = {_pattern(node) for node in nodes if isinstance(node, ast.JoinedStr)}
    made = [re.compile(pattern) for pattern in made if re.match(r"(?:[a-z_]+\\\.|\(\.\*\)\\\.)", pattern)]

    def is_known(match: re.Match) -> bool:
        """Whether somebody writes what stands in the gaps: the section itself, of other parts at least their words."""
        exact = match.re.pattern.startswith("(")
        return set(match.groups()) <= texts if exact else set(re.split(r"[._]", "_".join(match.groups()))) <= parts | {""}

    def is_said(key: str) -> bool:
        if key.startswith(OPEN):
            return set(re.split(r"[^A-Za-z0-9]+", key.split(".", 1)[1])) <= parts
        return key in texts or any(is_known(match) for pattern in made if (match := pattern.fullmatch(key)))

    assert [key for key in ENGLISH if not is_said(key)] == []
