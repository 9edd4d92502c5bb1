"""A whole walk over a community of tiny groups with hostile names: what leaves tells of nobody, and nothing in it is live."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import disclosed
import nasty
import pytest

from helpers import paths
from helpers.runs import pipeline, planning
from helpers.show import checks, mail
from helpers.show.page import LARGEST

pytestmark = pytest.mark.hard  # all notebooks run
UNFORMED = re.compile(r"\A[=+\-@\t\r]")
PLAIN_NUMBER = re.compile(r"\A[-+]?\d+(\.\d+)?(e[-+]?\d+)?\Z")


@pytest.fixture(scope="module")
def left(tmp_path_factory, warm) -> Path:
    """Everything that a run leaves for readers."""
    folder = nasty.write(tmp_path_factory.mktemp("leaves") / "nasty")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.BUILT_ROOT_VARIABLE, str(folder.parent))
        patch.setattr(pipeline.Kernels, "start", lambda self: warm)
        pipeline.report(planning.Request(dataset=str(folder)))
    return folder.parent / "reports" / "nasty"


@pytest.fixture(scope="module")
def pages(left) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted((left / "latest").glob("*.html"))}


def narrow(pages: dict[str, str]) -> tuple[disclosed.System, list[str]]:
    """The hidden numbers that a reader knows within fewer than ten people."""
    system = disclosed.system(pages)
    bounds = {key: system.bounds(key) for key in sorted(system.small, key=repr)}
    return system, [f"{key}: {low:.1f} to {high:.1f}" for key, (low, high) in bounds.items() if high - low < 10 - 1e-6]


def test_no_hidden_number_of_a_tiny_community_can_be_worked_out_within_ten_people(pages):
    system, found = narrow(pages)
    assert len(system.small) > 60 and system.shown > 300  # it read what there is
    assert not found


def test_no_hidden_number_of_the_sample_can_be_worked_out_within_ten_people(sample):
    system, found = narrow({path.name: path.read_text("utf-8") for path in sample.pages.glob("*.html")})
    assert system.shown > 300
    assert not found


CURVES = ("retention-curve", "retention-by-entry", "retention-by-attribute", "retention-at-all", "retention-by-day")


def steps(page: str) -> list[int]:
    """How many people two neighbouring ages of a curve of retention differ by, on all its figures."""
    found = []
    for name, markup in disclosed.cells(page).items():
        sizes: dict[str, list[int]] = {}
        for row in disclosed.rows(markup) if name in CURVES else []:
            if row[0].isdigit() and disclosed.NUMBER.match(row[-1]):
                sizes.setdefault(row[1] if len(row) == 5 else "", []).append(int(row[-1].replace(",", "")))
        found += [abs(one - other) for line in sizes.values() for one, other in pairwise(line)]
    return found


def test_no_two_ages_of_a_curve_of_retention_differ_by_few_people(pages, sample):
    for page in (pages["04_retention.html"], (sample.pages / "04_retention.html").read_text("utf-8")):
        assert len(steps(page)) > 10 and not [step for step in steps(page) if 0 < step < 10]


class Reader(HTMLParser):
    """What a page has of tags, of attributes that could act, and of text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.said: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.said.append(data)


def test_nothing_in_the_data_is_markup_on_a_page(pages):
    assert len(pages) == 7
    for name, page in pages.items():
        found = Reader(page)
        assert not {"script", "img", "iframe", "b" if name != mail.NAMES[0] else "img"} & found.tags, name
        assert not [one for one, _ in found.attributes if one.startswith("on")], name
        links = [value for one, value in found.attributes if one in ("href", "src")]
        assert not [value for value in links if re.match(r"\s*(javascript|https?|//)", value)], name
        assert nasty.SCRIPT in "".join(found.said) or name == "01_cleaning.html", name
        assert checks.is_broken(page) == [] or name == mail.NAMES[0], name


def test_names_are_shown_as_they_are_written(pages):
    said = {name: "".join(Reader(page).said) for name, page in pages.items()}
    for evil in (nasty.SCRIPT, nasty.IMAGE, nasty.LINK, nasty.PICTURE, nasty.TEMPLATE, nasty.DOLLAR, nasty.TEX, nasty.ESCAPED):
        assert evil in said["02_portraits.html"], evil
    assert nasty.UNICODE in said["02_portraits.html"] and "49" not in nasty.TEMPLATE
    for name in pages:
        assert "\u202e" not in pages[name] and nasty.TITLE in said[name], name
    assert r"a\u202egnp.exe" in said["02_portraits.html"]


def test_an_endless_name_is_cut_and_pages_stay_small(pages):
    for name, page in pages.items():
        assert "x" * 600 not in page and len(page.encode()) < (mail.LARGEST if name == mail.NAMES[0] else LARGEST), name


def test_figures_and_alt_texts_carry_names_as_text(pages):
    drawn = re.findall(r"<svg.*?</svg>", pages["02_portraits.html"], flags=re.DOTALL)
    alts = [html.unescape(alt) for alt in re.findall(r'aria-label="([^"]*)"', pages["02_portraits.html"])]
    assert any(nasty.TEX in html.unescape(svg) for svg in drawn)
    assert not [svg for svg in drawn if "<script" in svg or "onerror=" in re.sub(r">[^<]*<", "><", svg)]
    assert [alt for alt in alts if nasty.ESCAPED in alt]


def test_the_mail_has_the_same_names_as_text(left, pages):
    found = Reader(pages["email.html"])
    assert not {"svg", "a", "script", "img", "style", "link"} & found.tags
    plain = (left / "latest" / "email.txt").read_text("utf-8")
    assert nasty.SCRIPT in plain and nasty.TEMPLATE in plain and "\u202e" not in plain
    assert f"{nasty.SCRIPT}: stop {nasty.IMAGE}" in plain


def test_counts_of_the_mail_are_rounded(left):
    plain = (left / "latest" / "email.txt").read_text("utf-8")
    numbers = re.findall(r"^- [^:]+: ([\d,]+)(?: \(([+-]\d+)\))?$", plain, re.MULTILINE)
    assert numbers and all(int(text.replace(",", "") or 0) % 5 == 0 for pair in numbers for text in pair if text)


def test_no_cell_of_a_csv_is_a_formula_and_taking_the_apostrophe_away_gives_it_back(left):
    text = (left / "published.csv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    live = [cell for row in rows for cell in row.values() if UNFORMED.match(cell) and not PLAIN_NUMBER.match(cell)]
    assert rows and not live
    arms = {row["slice"] for row in rows}
    assert nasty.IMAGE in arms
    record = json.loads((left / "latest" / "run.json").read_text("utf-8"))
    told = {(row["metric"], row["slice"]) for row in record["numbers"]}
    undone = {(disarmed(row["metric"]), disarmed(row["slice"])) for row in rows}
    assert undone == told


def disarmed(cell: str) -> str:
    """As data/README.md says: one apostrophe goes."""
    return cell[1:] if cell.startswith("'") else cell
