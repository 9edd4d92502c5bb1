"""The pages in a real browser: at two widths, light and dark, without scripts, by keyboard, on paper, without a network."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = pytest.mark.hard
SCREENS = [(1280, "light"), (390, "dark")]
SERIOUS = {"serious", "critical"}
SMALLEST = 8.5  # pixels: what is set smaller cannot be read on a phone
MOST_SHEETS = {"index.html": 6, "04_retention.html": 40}  # of A4; any other page: 24

CUT_OFF = """() => [...document.querySelectorAll('h1,h2,h3,p,li,figcaption,dd,dt,caption,pre,summary,.gr-cards *')]
    .filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline'
                 && !e.closest('.scroll') && !e.closest('svg'))
    .map(e => e.tagName + ': ' + e.textContent.trim().slice(0, 60))"""
# Tables, folded ones too, that must be scrolled sideways; the data of a figure may have to be.
SIDEWAYS = """() => {
    document.querySelectorAll('details:not(.data)').forEach(details => details.open = true);
    return [...document.querySelectorAll('.scroll')]
        .filter(e => !e.closest('.data') && e.offsetParent && e.scrollWidth > e.clientWidth + 1)
        .map(e => `${e.closest('[id]').id}: ${e.scrollWidth}`);
}"""
CONTRAST = """() => {
    const [fore, back] = ['color', 'backgroundColor'].map(k => getComputedStyle(document.body)[k].match(/[0-9.]+/g));
    const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const [a, b] = [light(fore), light(back)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
}"""
# The words of each drawing: those that leave it, those that lie on others, and how small the smallest are.
IN_DRAWINGS = """() => {
    const faults = [];
    let smallest = 99;
    for (const svg of document.querySelectorAll('.plot svg')) {
        const frame = svg.getBoundingClientRect(), where = svg.closest('[id]').id;
        const scale = frame.width / svg.viewBox.baseVal.width;
        const parts = [...svg.querySelectorAll('text')].flatMap(t => t.children.length ? [...t.children] : [t]);
        const boxes = parts.map(part => [part.getBoundingClientRect(), part.textContent]);
        for (const part of parts) smallest = Math.min(smallest, parseFloat(getComputedStyle(part).fontSize) * scale);
        boxes.forEach(([a, said], i) => {
            if (a.left < frame.left - 2 || a.right > frame.right + 2 || a.top < frame.top - 2 || a.bottom > frame.bottom + 2)
                faults.push(`${where}: "${said}" leaves its drawing`);
            for (const [b, other] of boxes.slice(0, i)) {
                const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                if (across > 1 && down > 0.35 * Math.min(a.height, b.height))
                    faults.push(`${where}: "${said}" lies on "${other}"`);
            }
        });
    }
    return [faults, smallest];
}"""
ON_PAPER = """() => [...document.querySelectorAll('details table')].filter(table => !table.closest('.code, .data'))
    .filter(table => !table.checkVisibility({contentVisibilityAuto: true, visibilityProperty: true}) || !table.offsetHeight)
    .map(table => table.textContent.trim().slice(0, 60))"""
# Of the hundreds of folded data and cells of code, which are all made alike, the first.
UNFOLD = """() => [...document.querySelectorAll('details:not(.data):not(.code)'), document.querySelector('details.data'),
    document.querySelector('details.code')].forEach(details => { if (details) details.open = true; })"""
IN_ORDER = """() => [...document.querySelectorAll('a[href],summary,[tabindex]')].filter(e => e.tabIndex > 0).length"""


@dataclass(frozen=True)
class Look:
    """What a page did and was at a width, in light or in dark."""

    name: str
    width: int
    scheme: str
    address: str
    asked: list[str]
    complaints: list[str]
    wide: int
    cut_off: list[str]
    contrast: float
    in_drawings: list[str]
    smallest: float
    sideways: list[str]

    def __str__(self) -> str:
        return f"{self.name}, {self.width}, {self.scheme}"


@pytest.fixture(scope="module")
def pages(built_once) -> list[Path]:
    pages = [path for path in sorted(built_once.pages.glob("*.html")) if path.name != "email.html"]  # for mail programs
    return [*pages, built_once.reports / "index.html"]


@pytest.fixture(scope="module")
def looks(browser, pages) -> list[Look]:
    """Every page on every screen, looked at once for all tests."""
    found = []
    for width, scheme in SCREENS:
        with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
            found += [looked_at(context, path, width, scheme) for path in pages]
    return found


def looked_at(context, path: Path, width: int, scheme: str) -> Look:
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    in_drawings, smallest = page.evaluate(IN_DRAWINGS)
    wide = page.evaluate("document.documentElement.scrollWidth")
    look = Look(path.name, width, scheme, path.as_uri(), asked, complaints, wide, page.evaluate(CUT_OFF),
                page.evaluate(CONTRAST), in_drawings, smallest, page.evaluate(SIDEWAYS))  # fmt: skip
    page.close()
    return look


def faulty(looks: list[Look], name: str) -> dict[str, list[str]]:
    """The looks in which something of this kind was found."""
    return {str(look): getattr(look, name) for look in looks if getattr(look, name)}


def test_pages_load_nothing_and_complain_of_nothing(looks):
    assert {str(look): look.asked for look in looks if look.asked != [look.address]} == {}
    assert faulty(looks, "complaints") == {}


def test_pages_fit_their_width_and_cut_no_text_off(looks):
    assert {str(look): look.wide for look in looks if look.wide > look.width} == {}
    assert faulty(looks, "cut_off") == {}


def test_no_table_scrolls_sideways_on_a_phone(looks):
    assert {str(look): look.sideways for look in looks if look.width == 390 and look.sideways} == {}


def test_words_in_figures_stay_inside_and_lie_on_no_others(looks):
    assert faulty(looks, "in_drawings") == {}


def test_words_in_figures_can_be_read_on_a_phone(looks):
    assert {str(look): look.smallest for look in looks if look.smallest < SMALLEST} == {}


def test_text_stands_out_from_its_ground_in_light_and_dark(looks):
    assert {str(look): look.contrast for look in looks if look.contrast < 7} == {}
    assert len({look.contrast for look in looks}) == 2


@pytest.mark.parametrize(("scheme", "rules"), [("light", {}), ("dark", {"runOnly": ["color-contrast"]})], ids=["light", "dark"])
def test_no_page_has_a_serious_fault_for_those_who_do_not_see_or_use_no_mouse(browser, pages, scheme, rules):
    from axe_playwright_python.sync_playwright import Axe

    found = {}
    # The pages forbid every script, that of the test too: so it comes past the policy.
    with browser.new_context(viewport={"width": 390, "height": 900}, color_scheme=scheme, bypass_csp=True) as context:
        for path in pages:
            page = context.new_page()
            page.goto(path.as_uri())
            page.evaluate(UNFOLD)
            for fault in Axe().run(page, options={"resultTypes": ["violations"]} | rules).response["violations"]:
                if fault["impact"] in SERIOUS:
                    found[f"{path.name}: {fault['id']}"] = fault["nodes"][0]["html"][:120]
            page.close()
    assert found == {}


def test_folded_data_open_without_scripts(browser, built_once):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto((built_once.pages / "04_retention.html").as_uri())
        first = page.locator(".gr-figure > details").first
        first.locator("summary").click()
        assert first.locator("table").is_visible()


def test_the_first_tab_offers_to_skip_to_the_numbers(browser, pages):
    for path in pages:
        page = browser.new_page()
        page.goto(path.as_uri())
        page.keyboard.press("Tab")
        skip = page.locator(".skip")
        assert skip.evaluate("e => e === document.activeElement && e.getBoundingClientRect().left >= 0"), path.name
        page.keyboard.press("Enter")
        page.wait_for_url("**#main")
        assert page.evaluate(IN_ORDER) == 0, f"{path.name}: an order of its own"
        page.close()


def test_folded_data_open_and_scroll_by_keyboard(browser, built_once):
    from playwright.sync_api import expect

    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto((built_once.pages / "04_retention.html").as_uri())
    folded = page.locator(".gr-figure.wide > details.data").first
    folded.locator("summary").focus()
    page.keyboard.press("Enter")
    assert folded.locator("table").is_visible()
    page.keyboard.press("Tab")
    data = folded.locator(".scroll")
    assert data.evaluate("e => e === document.activeElement && e.scrollWidth > e.clientWidth")
    page.keyboard.press("ArrowRight")
    expect(data).not_to_have_js_property("scrollLeft", 0)
    page.close()


def test_tables_with_sentences_are_set_one_cell_under_the_other_on_a_phone(browser, built_once):
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto((built_once.pages / "05_experiments.html").as_uri())
    table = page.locator("table.stack").first
    assert table.evaluate("e => e.closest('.scroll').scrollWidth <= e.closest('.scroll').clientWidth")
    heads = table.locator("thead th").all_text_contents()
    names = "all => all.map(e => JSON.parse(getComputedStyle(e, '::before').content))"
    assert table.locator("tbody tr").first.locator("td").evaluate_all(names) == heads[1:]
    page.close()


def test_on_paper_folded_tables_are_open_and_pages_take_few_sheets(browser, pages):
    from playwright.sync_api import TimeoutError as TookTooLong

    page = browser.new_page()
    for path in pages:
        page.goto(path.as_uri())
        printed = page.pdf(format="A4")
        sheets = len(re.findall(rb"/Type\s*/Page\b", printed))
        assert 1 <= sheets <= MOST_SHEETS.get(path.name, 24), (path.name, sheets)
        page.emulate_media(media="print")
        with suppress(TookTooLong):  # the other style sheet holds at once, what it unfolds is there a frame later
            page.wait_for_function(f"() => ({ON_PAPER})().length === 0", timeout=5000)
        assert page.evaluate(ON_PAPER) == [], path.name
        assert not page.locator("details.code > pre").first.is_visible(), path.name
        page.emulate_media(media="screen")
    page.close()


def test_links_between_pages_and_weeks_lead_somewhere(browser, pages):
    page = browser.new_page()
    for path in pages:
        page.goto(path.as_uri())
        for link in page.eval_on_selector_all("a[href]", "found => found.map(a => a.href)"):
            parts = urlsplit(link)
            target = Path(unquote(parts.path))
            assert target.exists(), (path.name, link)
            assert not parts.fragment or f'id="{parts.fragment}"' in target.read_text("utf-8"), (path.name, link)
    page.close()
