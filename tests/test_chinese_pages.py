"""All pages of a community with Chinese names throughout, in Chinese."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from pathlib import Path

import chinese
import pytest
from test_browser import CUT_OFF, IN_DRAWINGS, SIDEWAYS

from helpers import paths
from helpers.runs import pipeline

pytestmark = pytest.mark.hard
HAN = re.compile(r"[\u4e00-\u9fff]")


class Reader(HTMLParser):
    """What a reader sees or hears of a page: texts, labels and titles; without code."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.inside: list[str] = []
        self.language = ""
        self.texts: list[str] = []
        self.labels: list[str] = []  # in drawings

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.language = given.get("lang") or self.language if tag == "html" else self.language
        self.inside.append(tag)
        self.texts += [given[name] for name in ("aria-label", "title", "alt") if given.get(name)]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        while tag in self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"style", "code"} & set(self.inside) and data.strip():
            self.texts.append(data)
            self.labels += [data] if "svg" in self.inside else []


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text("utf-8"))
    return reader


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Every page of the report, the mail and the history, by file name."""
    folder = chinese.community(tmp_path_factory.mktemp("chinese") / "community")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.BUILT_ROOT_VARIABLE, str(folder.parent / "built"))
        pipeline.report(pipeline.Request(dataset=str(folder), root=str(folder / "raw")))
        reports = paths.reports("community")
    found = [*sorted((reports / "latest").glob("*.html")), *sorted((reports / "near").glob("*.html"))]
    return {path.name: path for path in found} | {"history": reports / "index.html"}


@pytest.fixture(scope="module")
def pages(files) -> dict[str, Reader]:
    return {name: read(path) for name, path in files.items()}


def test_no_page_has_a_latin_word_beyond_a_short_list(pages):
    assert len(pages) >= 7 and os.environ.get("GROWTH_RINGS_BUILT")
    odd = {(name, word): text for name, page in pages.items() for text in page.texts for word in chinese.left_over(text)}
    assert odd == {}


def test_no_page_shows_what_is_no_number(pages):
    assert [text for page in pages.values() for text in page.texts if re.search(r"\b(?:nan|none|nat|inf)\b", text, re.I)] == []


def test_all_pages_say_that_they_are_chinese(pages):
    assert {page.language for page in pages.values()} == {"zh-CN"}


def test_no_page_is_wider_than_a_phone_and_no_words_of_a_figure_lie_on_others(browser, files):
    found = {}
    for width in (390, 1280):
        page = browser.new_page(viewport={"width": width, "height": 900})
        for name in files.keys() - {"email.html"}:
            page.goto(files[name].as_uri())
            (faults, _), wide = page.evaluate(IN_DRAWINGS), page.evaluate("document.documentElement.scrollWidth")
            sideways = page.evaluate(SIDEWAYS) if width == 390 else []
            found[name, width] = [*faults, *sideways, *page.evaluate(CUT_OFF), *[wide] * (wide > width)]
        page.close()
    assert {key: faults for key, faults in found.items() if faults} == {}


def test_figures_carry_the_names_of_the_data_and_chinese_words(pages):
    labels = {name: set(page.labels) for name, page in pages.items()}
    assert {"社交广告", "读书"} <= labels["02_portraits.html"] and {"活跃", "高", "合计"} <= labels["03_segments.html"]
    assert any("新版" in label for label in labels["05_experiments.html"]) and "流失" in labels["04_retention.html"]
    assert not any(re.search("[A-Za-z]", label) and chinese.left_over(label) for found in labels.values() for label in found)


def test_sentences_have_full_width_marks_between_chinese_words(pages):
    half = re.compile(r"[\u4e00-\u9fff][,;:!?]|[,;:!?(][\u4e00-\u9fff]|[\u4e00-\u9fff）]\.(?:\s|$)|[，。；：、] +[\u4e00-\u9fff]")
    odd = [(name, text) for name, page in pages.items() for text in page.texts if HAN.search(text) and half.search(text)]
    assert odd == []
