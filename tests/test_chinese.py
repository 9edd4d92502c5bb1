"""The pages in Chinese: forms of numbers and dates, and a translation for all that stands in notebooks."""

from __future__ import annotations

import ast
import json
import re
import tomllib

import pandas as pd
import pytest
from chinese import LATIN, left_over
from hypothesis import given
from hypothesis import strategies as st

from helpers import paths
from helpers.errors import InputError
from helpers.show import charts, controls, format, gate, page, said, sentences, tables, words
from helpers.sources import dataset as datasets

SHOW = paths.PROJECT / "helpers" / "show"
TEXTS, PROSE = (tomllib.loads((SHOW / f"{kind}.zh.toml").read_text("utf-8")) for kind in ("texts", "prose"))
NOTEBOOKS = {path.stem: json.loads(path.read_text("utf-8"))["cells"] for path in sorted(paths.NOTEBOOKS.glob("*.ipynb"))}
SHOWN = {"title", "measure", "finding", "subtitle", "note", "alt"}
CALLS = {"tables.skipped", "sentences.say"}


@pytest.fixture(autouse=True)
def chinese():
    gate.configure(language="zh", currency="CNY", subject="成员")


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (1234, "count", "1,234"), (0.1234, "share", "12.3%"), (0.012, "points", "+1.2 个百分点"),
        (-1234.5, "money", "-1,234.50 元"), (12.3, "days", "12.3 天"), (1, "days", "1 天"),
        (0.0004, "p", "<0.001"), ("2026-03-08", "date", "2026年3月8日"),
        (None, "share", "-"), (float("nan"), "money", "-"), (3, "people", "<10"),
    ],
)  # fmt: skip
def test_numbers_and_dates_have_their_chinese_forms(value, unit, said):
    assert format.value(value, unit) == said


@pytest.mark.parametrize(
    ("low", "high", "unit", "said"),
    [
        (0.179, 0.202, "share", "17.9% 至 20.2%"), (-0.01, 0.02, "points", "-1.0 至 +2.0 个百分点"),
        (1, 3, "days", "1.00 至 3.00 天"), (-5, 10, "money", "-5.00 至 10.00 元"), (None, 1, "share", "-"),
    ],
)  # fmt: skip
def test_both_ends_of_an_interval_are_said_in_chinese(low, high, unit, said):
    assert format.interval(low, high, unit) == said


def test_an_unknown_currency_keeps_its_code():
    gate.configure(language="zh", currency="SEK")
    assert (format.value(-5, "money", digits=0), format.interval(1, 2, "money", digits=0)) == ("-SEK 5", "SEK 1 至 2")


def test_large_numbers_are_said_in_ten_thousands_and_hundred_millions():
    assert [format.large(n, step) for n, step in [(9999, 1), (12_000, 4000), (250_000, 50_000), (3e8, 1e8)]] == [
        None, "1.2万", "25万", "3亿",
    ]  # fmt: skip
    gate.configure()
    assert [format.large(n, 500_000) for n in (999_999, 2_500_000)] == [None, "2.5 m"]


def test_a_week_is_named_in_sentences_and_stays_a_label_elsewhere():
    assert (format.week("2026-W05"), format.value("2026-W05", "week"), format.week("undated")) == (
        "2026年第5周", "2026-W05", "undated",
    )  # fmt: skip


def test_sentences_meet_without_a_blank_and_end_with_a_chinese_stop():
    assert format.joined(["甲。", "", "乙。"]) == "甲。乙。" and sentences.say("没有变化").text == "没有变化。"
    assert sentences.listed(["读书", "美食", "跑步"]) == "读书、美食、跑步"
    assert sentences.listed("甲乙丙丁") == "甲、乙、丙，另有 1 项"


@given(st.dates(), st.integers(-10**9, 10**9))
def test_no_form_of_a_number_or_a_day_has_a_latin_letter(day, number):
    units = ("count", "share", "points", "money", "days", "number")
    told = [format.day(day), format.days(day, day), *(format.value(number / 100, unit) for unit in units)]
    assert not re.search("[A-Za-z]", " ".join(told))


def test_what_comes_from_the_data_is_never_translated():
    frame = pd.DataFrame({"topic": ["Before", "Channel", "Food"], "share": [0.5, 0.3, 0.2]})
    shown = tables.table(frame, title="Share", columns={"topic": ("Channel", "text"), "share": ("Before", "share")}).text
    assert shown.splitlines()[0] == "占比" and shown.splitlines()[1].split() == ["渠道", "此前"]
    assert [line.split()[0] for line in shown.splitlines()[2:5]] == ["Before", "Channel", "Food"]
    drawn = charts.bars(frame, category="topic", value="share", finding="Share", measure="Share of all people by stage of life")
    assert all(f">{name}<" in drawn.html for name in frame["topic"]) and "各生命周期阶段占全体的比例" in drawn.html


def test_a_word_without_a_translation_is_said_in_english(monkeypatch):
    monkeypatch.setattr(words, "_said", words._said.__wrapped__)
    monkeypatch.setattr(words, "_optional", lambda kind, language: {"zh": {"page": {"code": "代码"}}} if kind == "words" else {})
    assert (words.word("page.code"), words.word("page.detail")) == ("代码", "Details")
    assert words.text("Before") == "Before" and words.prose("weekly", "title", "# The week") == "# The week"


def test_only_languages_that_there_are_may_be_asked_for(tmp_path):
    said = 'timezone = "UTC"\nlanguage = "{}"\n[units.trial]\nfile = "trial.csv"\nunit_id = "unit"\nvariant = "arm"\n'
    (tmp_path / "dataset.toml").write_text(said.format("zh"), "utf-8")
    assert datasets.load(tmp_path).language == "zh"
    (tmp_path / "dataset.toml").write_text(said.format("fr"), "utf-8")
    with pytest.raises(InputError, match="language"):
        datasets.load(tmp_path)


def _markdown() -> dict[tuple[str, str], str]:
    return {
        (name, cell["id"]): "".join(cell["source"])
        for name, cells in NOTEBOOKS.items() for cell in cells if cell["cell_type"] == "markdown"
    }  # fmt: skip


def test_all_prose_of_the_notebooks_is_there_in_chinese():
    told = {(name, cell) for name, cells in PROSE.items() for cell in cells if cell != "called"}
    assert told == set(_markdown())


def test_headings_of_the_prose_have_the_same_levels_in_chinese():
    def levels(text: str) -> list[int]:
        return [len(mark) for mark in re.findall(r"^(#+) ", text, re.MULTILINE)]

    odd = {key for key, text in _markdown().items() if levels(text) != levels(words.prose(*key, text))}
    assert odd == set()


def test_the_prose_has_no_latin_word_beyond_names_of_methods_and_measures():
    found = {key: left_over(words.prose(*key, text)) for key, text in _markdown().items()}
    assert {key: odd for key, odd in found.items() if odd} == {}


def test_no_blank_parts_two_lines_of_chinese_prose():
    parted = re.compile("[\u3001-\u9fff\uff01-\uff5e]\n[\u3001-\u9fff]")
    odd = [key for key, text in _markdown().items() if parted.search(words.prose(*key, text))]
    assert odd == []


def test_all_folded_cells_are_called_something_in_chinese():
    def is_folded(cell: dict) -> bool:
        tags = set(cell["metadata"].get("tags", []))
        return "detail" in tags and not tags & page.HIDDEN and not re.search(r"^#", "".join(cell["source"]), re.MULTILINE)

    folded = {(name, cell["id"]) for name, cells in NOTEBOOKS.items() for cell in cells if is_folded(cell)}
    assert folded == {(name, cell) for name, cells in PROSE.items() for cell in cells.get("called", {})}


def _literals(tree: ast.AST) -> set[str]:
    """The texts that a cell hands to functions that show them."""
    found: set[str] = set()
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = ast.unparse(node.func)
        handed = [keyword.value for keyword in node.keywords if keyword.arg in SHOWN]
        handed += node.args if name in CALLS else []
        for keyword in (keyword for keyword in node.keywords if keyword.arg == "columns" and isinstance(keyword.value, ast.Dict)):
            handed += [value.elts[0] for value in keyword.value.values if isinstance(value, ast.Tuple)]
        if name == "tables.facts" and isinstance(node.args[0], ast.Dict):
            handed += [key for key in node.args[0].keys if key is not None]
        for given_ in handed:
            given_ = [given_.body, given_.orelse] if isinstance(given_, ast.IfExp) else [given_]
            found |= {each.value for each in given_ if isinstance(each, ast.Constant) and isinstance(each.value, str)}
            found |= {ast.unparse(each) for each in given_ if isinstance(each, ast.JoinedStr)}
    return found


def test_all_texts_that_cells_show_are_there_in_chinese():
    shown = set()
    for cells in NOTEBOOKS.values():
        for cell in cells:
            if cell["cell_type"] == "code" and not {"parameters", "setup", "explore"} & set(cell["metadata"].get("tags", [])):
                shown |= _literals(ast.parse("".join(cell["source"])))
    assert len(shown) > 200
    assert {text for text in shown if text not in TEXTS and re.search("[A-Za-z]{2}", text)} == set()


def test_all_heads_of_columns_in_helpers_are_there_in_chinese():
    trees = [ast.parse(path.read_text("utf-8")) for path in (SHOW / "said").glob("*.py")]
    values = [value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Dict) for value in node.values]
    pairs = [value.elts for value in values if isinstance(value, ast.Tuple) and len(value.elts) in (2, 3)]
    told = [pair for pair in pairs if all(isinstance(part, ast.Constant) for part in pair)]
    heads = {pair[0].value for pair in told if pair[1].value in format.UNITS}
    assert "Effect" in heads and heads <= set(TEXTS)


def test_the_tags_and_segments_of_the_default_rules_have_chinese_names():
    rules = tomllib.loads((paths.DEFAULTS / "rules.toml").read_text("utf-8"))
    names = {*rules["segments"], *(tag["name"] for tag in rules["tag"]), *(tag["group"] for tag in rules["tag"])}
    assert names <= set(TEXTS)


RULES = tomllib.loads((paths.DEFAULTS / "rules.toml").read_text("utf-8"))


@pytest.mark.parametrize("sql", [*RULES["segments"].values(), *(tag["when"] for tag in RULES["tag"])])
def test_the_conditions_of_the_default_rules_are_told_in_chinese(sql):
    told = said.rules.condition(sql)
    assert told != sql and not left_over(told) and set(re.findall(r"\d+", told)) >= set(re.findall(r"(?<![\w'])\d+", sql))
    gate.configure()
    assert said.rules.condition(sql) == sql


@pytest.mark.parametrize(("sql", "told"), [
    ("value IN ('high', 'mid') AND lifecycle = 'silent'", "价值 是 高、中等 且 生命周期 是 沉默"),
    ("first_active_day IS NULL AND tenure_days >= 7", "首个活跃日 未知 且 加入天数 至少为 7"),
    ("city = 'O''Hare AND x' OR city IS NOT NULL", "城市 是 O'Hare AND x 或 城市 已知"),
    ("(orders > 2 OR events_28 * 2 <= events_before)", "( 订单数 大于 2 或 28 天内事件 × 2 至多为 再往前 28 天事件 )"),
])  # fmt: skip
def test_a_condition_keeps_its_meaning_and_the_values_of_the_data(sql, told):
    assert said.rules.condition(sql) == told


@pytest.mark.parametrize("sql", ["lower(city) = 'x'", "own_column > 2", "city LIKE 'a%'", "orders > 2 -- ; x", "city = 'a"])
def test_a_condition_that_there_are_no_words_for_stays_as_it_is(sql):
    assert said.rules.condition(sql) == sql


@pytest.mark.parametrize("tag", RULES["tag"], ids=lambda tag: tag["name"])
def test_the_reasons_of_the_default_tags_are_told_in_chinese_with_their_values(tag):
    values = {name: "读书, limit 2" if name == "top_topic" else "under 18" if name == "age_band" else 17
              for name in re.findall(r"\{(\w+)", tag["reason"])}  # fmt: skip
    told = said.rules.reason(tag["reason"].format(**values))
    bare = told.replace("读书, limit 2", "")
    assert not left_over(bare) and ("读书, limit 2" in told) == ("top_topic" in values)
    assert ("18 岁以下" in told) == ("age_band" in values)
    assert said.rules.reason("a reason of one's own, limit 3") == "a reason of one's own, limit 3"


def test_the_card_of_one_person_is_chinese_but_for_the_data():
    told = {"pseudonym": "525398898943765474657", "city": "Chengdu", "age_band": "under 18", "tenure_days": "12",
            "first_day": "2025-10-07", "repurchased": "no", "activity": "high", "rfm_class": "no purchase",
            "tag newcomer": "here for 12 days, limit 28", "tag own": "own reason", "interest 1": "读书 (60%)"}  # fmt: skip
    shown = controls.portrait.person(pd.DataFrame(list(told.items()), columns=["what", "value"]))
    text = re.sub(r"<[^>]+>", "\n", shown.html)
    assert left_over(text) == {"Chengdu", "own", "reason"}
    assert "新人：加入 12 天，界限 28" in text and "2025年10月7日" in text


def test_levels_of_a_slice_of_ours_are_translated_and_those_of_the_data_are_not():
    levels = [said.experiments.level(*own) for own in [("seniority", "new"), ("city", "new"), ("city", ""), ("city", "?")]]
    assert levels == ["新增", "new", "未知", "未知"]
    assert said.effects.method("post-stratified by seniority") == "按资历事后分层"


def test_no_translation_is_empty_or_keeps_a_latin_word():
    assert all(text.strip() for text in TEXTS.values())
    assert {text for text in TEXTS.values() if left_over(re.sub(r"\{\w+\}", "", text))} == set() and LATIN
