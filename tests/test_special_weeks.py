"""Whole reports of weeks that are unlike others: the first of all, one in which nothing happened while an experiment is
under alarm, one still open. Nothing breaks, and what is said can be read."""

from __future__ import annotations

import html
import re
import shutil
from datetime import date
from pathlib import Path

import pytest
from walking import KEY, SAMPLE

from helpers import paths
from helpers.runs import pipeline, planning
from helpers.show import page
from helpers.sources import privacy, sample

pytestmark = pytest.mark.hard  # every week runs all notebooks
MEMBERS, WEEKS, UNTIL = 200, 22, date(2026, 3, 4)  # a Wednesday
SPECIAL = {"first": "2025-W41", "empty": "2026-W08", "open": "2026-W10"}
EMPTY_DAYS = {f"2026-02-{day}" for day in range(16, 23)}
PAGES = {"index.html", "01_cleaning.html", "02_portraits.html", "03_segments.html", "04_retention.html", "05_experiments.html"}
UNDEFINED = re.compile(r"(?<![\w-])(?:NaN|nan|NaT|None(?! of )|inf|Infinity|undefined|<NA>)(?![\w-])")
# What is left of a sentence when a word of it is missing.
HOLES = re.compile(r"\(\s*\)|[,;:]\s*[.,;)]|\(\s*[,;]|\s[.,;](?:\s|$)|\.\.(?!\.)|\{[a-z_]+\}|\bof of\b|\bthe the\b|\b0 of 0\b")


def community(folder: Path) -> Path:
    """A small circle that ends on a Wednesday, was silent for a week, and lost two in three of an arm."""
    raw = folder / "raw"
    sample.build(raw, seed=7, members=MEMBERS, weeks=WEEKS)
    (raw / sample.STAMP).unlink()
    text = (SAMPLE / "dataset.toml").read_text("utf-8")
    kept = [line for line in text.splitlines() if not line.startswith(("simulate", "title"))]
    (folder / "dataset.toml").write_text(f"data_until = {UNTIL}\n" + "\n".join(kept) + "\n", "utf-8")
    shutil.copy(SAMPLE / "experiments.toml", folder)
    for path in (raw / "events").glob("*.csv"):
        head, *rows = path.read_text("utf-8").splitlines()
        days = [row.split(",")[1][:10] for row in rows]
        kept = [row for day, row in zip(days, rows, strict=True) if day <= str(UNTIL) and day not in EMPTY_DAYS]
        path.write_text("\n".join([head, *kept]) + "\n", "utf-8")
    lines = (raw / "assignments.csv").read_text("utf-8").splitlines()
    kept = [line for at, line in enumerate(lines) if at % 3 == 0 or ",share_button,control" not in line]
    (raw / "assignments.csv").write_text("\n".join(kept) + "\n", "utf-8")
    return folder


@pytest.fixture(scope="module")
def weeks(tmp_path_factory, warm) -> dict[str, dict[str, str]]:
    """The pages of each special week."""
    folder = community(tmp_path_factory.mktemp("special") / "circle")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.BUILT_ROOT_VARIABLE, str(folder.parent / "built"))
        patch.setenv(privacy.KEY_VARIABLE, KEY)
        patch.setattr(pipeline.Kernels, "start", lambda self: warm)
        for name, week in SPECIAL.items():
            front = pipeline.report(planning.Request(dataset=str(folder), week=week)).front
            found[name] = {path.name: path.read_text("utf-8") for path in front.parent.glob("*.html")}
    return found


def texts(markup: str) -> list[str]:
    """What a person reads, element by element; words that a line breaks apart are together."""
    bare = re.sub(r'<style.*?</style>|<details class="code">.*?</details>|<svg.*?</svg>', "", markup, flags=re.DOTALL)
    bare = re.sub(r"</?(?:span|strong|em|code|a)\b[^>]*>", "", bare)
    found = (re.sub(r"\s+", " ", html.unescape(part)).strip() for part in re.split(r"<[^>]+>", bare))
    return [text for text in found if text]


def sentence(pages: dict[str, str]) -> str:
    """The headline."""
    return texts(re.search(r'id="headline">.*?</h1>', pages["index.html"], re.DOTALL)[0].partition(">")[2])[0]


@pytest.mark.parametrize("name", SPECIAL)
def test_a_special_week_has_all_pages_and_none_is_broken(weeks, name):
    assert set(weeks[name]) >= PAGES
    found = {path: page.is_broken(weeks[name][path]) for path in PAGES}
    assert {path: faults for path, faults in found.items() if faults} == {}


@pytest.mark.parametrize("name", SPECIAL)
def test_no_text_of_a_special_week_shows_an_undefined_number_or_a_hole(weeks, name):
    said = {(path, text) for path, markup in weeks[name].items() for text in texts(markup)}
    said |= {(path, html.unescape(text)) for path, markup in weeks[name].items()
             for text in re.findall(r'aria-label="([^"]*)"|<t(?:ext|span)[^>]*>([^<]*)', markup) for text in text}  # fmt: skip
    assert {(path, text) for path, text in said if UNDEFINED.search(text) or HOLES.search(text)} == set()


@pytest.mark.parametrize("name", SPECIAL)
def test_the_headline_of_a_special_week_is_a_sentence_of_at_most_25_words(weeks, name):
    said = sentence(weeks[name])
    assert 3 <= len(said.split()) <= 25 and not said.endswith((",", ":", ";"))


def test_the_first_week_of_all_is_compared_with_nothing(weeks):
    front = " ".join(texts(weeks["first"]["index.html"]))
    assert "against the week before" not in sentence(weeks["first"])
    assert not re.search(r"[-+]\d[\d,.]* %", front)


def test_a_week_in_which_nothing_happened_is_said_to_be_empty(weeks):
    assert re.search(r"\b(0|no|nobody|nothing)\b", sentence(weeks["empty"]), re.IGNORECASE)
    assert "quiet week" not in sentence(weeks["empty"]).lower()


def test_a_week_that_is_still_open_says_so_in_red_and_its_headline_has_no_number(weeks):
    front = weeks["open"]["index.html"]
    assert 'class="status alarm"' in front
    assert not re.search(r"\d", re.sub(r"\d{4}-W\d\d|\d{1,2} \w{3} \d{4}", "", sentence(weeks["open"])))


def test_every_other_page_of_a_week_in_doubt_says_so_before_its_numbers_and_no_page_of_a_good_one_does(weeks):
    marks = {name: re.search('class="status ([a-z]*)"', pages["index.html"])[1] for name, pages in weeks.items()}
    assert marks["open"] == "alarm"
    for name, path in [(name, path) for name in weeks for path in PAGES - {"index.html"}]:
        first = weeks[name][path].partition('<main id="main">')[2].lstrip()
        assert first.startswith(f'<ul class="gr-say doubts {marks[name]}"') == (marks[name] != "good"), (name, path)
        assert ("Do not rely on the numbers below" in first) == (marks[name] == "alarm"), (name, path)
    assert "gr-say doubts" not in weeks["open"]["index.html"]


def test_an_experiment_whose_arms_are_not_as_planned_alarms_and_shows_no_effect(weeks):
    shown = weeks["empty"]["05_experiments.html"]
    said = [text for text in texts(shown) if text.startswith("share_button:")]
    assert any("cannot be read" in text for text in said) and any("no verdict" in text for text in said)
    assert not re.search(r"share_button, [a-z0-9_]+, treatment", " ".join(re.findall(r'aria-label="([^"]*)"', shown)))
    assert any("share_button" in text and "cannot be read" in text for text in texts(weeks["empty"]["index.html"]))
