"""The pages in a real browser: at two widths, light and dark, without scripts, on paper, without a network."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.hard
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDTHS = (1280, 390)
CUT_OFF = """() => [...document.querySelectorAll('h1,h2,h3,p,li,figcaption,dd,dt,caption,.gr-card *')]
    .filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline'
                 && !e.closest('.scroll') && !e.closest('svg'))
    .map(e => e.tagName + ': ' + e.textContent.trim().slice(0, 60))"""
CONTRAST = """() => {
    const [fore, back] = ['color', 'backgroundColor'].map(k => getComputedStyle(document.body)[k].match(/[0-9.]+/g));
    const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const [a, b] = [light(fore), light(back)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
}"""


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        said = "no browser: install Debian's chromium"
        pytest.fail(said) if os.environ.get("GROWTH_RINGS_FORBID_SKIPS") else pytest.skip(said)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(params=["light", "dark"])
def visit(request, browser):
    """`visit(path, width)` opens a page without scripts and keeps what it asked for and complained of."""
    contexts = []

    def go(path: Path, width: int):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=request.param, java_script_enabled=True
        )
        contexts.append(context)
        page = context.new_page()
        page.asked, page.complaints = [], []
        page.on("request", lambda asked: page.asked.append(asked.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.goto(path.as_uri())
        return page

    yield go
    for context in contexts:
        context.close()


def pages(sample) -> list[Path]:
    return [*sorted(sample.pages.glob("*.html")), sample.reports / "index.html"]


def test_pages_load_nothing_and_complain_of_nothing(sample, visit):
    for path in pages(sample):
        page = visit(path, 1280)
        assert page.asked == [path.as_uri()], path.name
        assert page.complaints == [], path.name


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit_their_width_and_cut_no_text_off(sample, visit, width):
    for path in pages(sample):
        page = visit(path, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name
        assert page.evaluate(CUT_OFF) == [], path.name


def test_text_stands_out_from_its_ground_in_light_and_dark(sample, visit):
    for path in pages(sample):
        assert visit(path, 1280).evaluate(CONTRAST) >= 7, path.name


def test_folded_data_open_without_scripts(sample, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((sample.pages / "04_retention.html").as_uri())
    first = page.locator(".gr-figure > details").first
    first.locator("summary").click()
    assert first.locator("table").is_visible()
    context.close()


def test_pages_print_as_pdf(sample, browser, tmp_path):
    page = browser.new_page()
    page.goto((sample.pages / "index.html").as_uri())
    page.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF-")
    page.close()


def test_links_between_pages_and_weeks_lead_somewhere(sample, browser):
    page = browser.new_page()
    for path in pages(sample):
        page.goto(path.as_uri())
        for link in page.eval_on_selector_all("a[href]", "found => found.map(a => a.href)"):
            target, _, anchor = link.removeprefix("file://").partition("#")
            assert Path(target).exists(), (path.name, link)
            assert not anchor or f'id="{anchor}"' in Path(target).read_text(encoding="utf-8"), (path.name, link)
    page.close()
