"""The pages around the weeks: the history, the way to the neighbours, all datasets; no link leads nowhere."""

import os
import re
from pathlib import Path

import pytest

from helpers import paths
from helpers.runs import history, publish
from helpers.show import gate, histories, page


def row(metric="payers", value=40.0, n=40, **changed):
    return {"metric": metric, "slice": "all", "value": value, "low": None, "high": None, "n": n} | changed


def made(week, number=1, rows=(), dataset="shop", **changed):
    """A published run of a week."""
    record = {
        "key": f"{number:064x}", "week": week, "headline": f"News of {week}", "quality": "good", "status": "", "seconds": 3.0,
        "built_at": f"2026-03-{number + 1:02d}T08:00:00+00:00", "title": "The shop", "language": "en", **changed,
    }  # fmt: skip
    ways = "".join(f'<a href="{href}">way</a>' for href in history.around(week))
    return publish.publish(dataset, "The shop", {"index.html": f"<p>front</p>{ways}"}, record, list(rows))


def shown(name="index.html"):
    return (paths.reports("shop") / name).read_text("utf-8")


def links(path):
    return re.findall(r'href="([^"]+)"', path.read_text("utf-8"))


def test_no_link_of_the_history_of_a_week_or_of_a_neighbour_page_leads_nowhere():
    for number, week in enumerate(["2026-W08", "2026-W10", "2026-W09"], 1):
        made(week, number, [row()])
    top = paths.reports("shop")
    weeks = publish.weeks_of(top)
    pages = [top / "index.html", *(top / week / "index.html" for week in weeks), *(top / "near").iterdir()]
    pages += [(top / week).resolve() / "index.html" for week in weeks]  # opened by the run's own folder
    pages += [*(top / ".runs" / "near").iterdir(), top / ".runs" / "index.html", history.write_overview(top.parent)]
    assert len(pages) == 21
    for path in pages:
        for link in links(path):
            address, _, anchor = link.partition("#")
            target = Path(os.path.normpath(path.parent / address)) if address else path  # as a browser reads addresses
            assert link == "data:," or target.exists(), (path.name, link)
            assert not anchor or f'id="{anchor}"' in target.read_text("utf-8"), (path.name, link)


def test_next_week_leads_to_a_week_published_later_though_the_page_is_not_changed():
    first = made("2026-W08")
    before = (first.folder / "index.html").read_bytes()
    assert "No week after 2026-W08 is published yet." in shown("near/2026-W08-next.html")
    assert "refresh" not in shown("near/2026-W08-next.html")
    made("2026-W10", 2)
    assert 'content="0; url=../2026-W10/index.html"' in shown("near/2026-W08-next.html")
    made("2026-W09", 3)
    assert 'content="0; url=../2026-W09/index.html"' in shown("near/2026-W08-next.html")
    assert 'content="0; url=../2026-W09/index.html"' in shown("near/2026-W10-previous.html")
    assert "No week before 2026-W08 is published." in shown("near/2026-W08-previous.html")
    assert (first.folder / "index.html").read_bytes() == before


def test_the_links_of_a_weeks_pages_do_not_depend_on_what_else_is_published():
    assert history.around("2026-W10") == [
        "../near/2026-W10-previous.html", "../near/2026-W10-next.html", "../index.html#2026-W10"
    ]  # fmt: skip
    assert history.around("undated") == ["../index.html#undated"]


def test_a_version_is_counted_when_the_numbers_came_out_otherwise():
    for number, value in enumerate([40.0, 40.0, 41.0, 41.0 + 1e-12, 40.0], 1):
        made("2026-W10", number, [row(value=value)])
    made("2026-W09", 6, [row(slice='a,"b"\nc', value=None)])
    assert re.findall(r'<tr id="(.+?)">.*?class="about">Built.*?s(?:; version (\d+), since)?', shown()) == [
        ("2026-W10", "3"), ("2026-W09", "")
    ]  # fmt: skip


def test_the_course_of_a_number_shows_the_published_weeks_and_withholds_small_groups():
    gate.configure(language="en", currency="EUR")
    made("2026-W08", 1, [row(value=33.0), row("net_amount", 1234.5, 40)])
    made("2026-W09", 2, [row(value=None, n=None), row("net_amount", None, None)])
    made("2026-W10", 3, [row(value=7.0, n=7), row("net_amount", 987.25, 7)])
    html = shown()
    cards = html[html.index("gr-cards") : html.index("</ul>")]
    assert cards.count("&lt;10") == 2 and ">7<" not in html and "987" not in html
    assert "33" in html and "1,234" in html


def test_lines_are_drawn_over_the_published_weeks():
    for number, week in enumerate(["2026-W08", "2026-W09", "2026-W10"], 1):
        made(week, number, [row(value=40.0 + number, n=40 + number)])
    assert "In 2026-W10; from 41 to 43 in 3 published weeks" in re.sub("<[^>]+>", "", shown())
    assert shown().count('class="s-accent" fill="none" stroke-width="1.6"') == 1


def test_weeks_beyond_half_a_year_are_folded_but_there():
    rows = [{"week": f"2025-W{number:02d}", "headline": "News", "quality": "warn", "built_at": "", "seconds": 1, "href": "x/"}
            for number in range(1, 40)]  # fmt: skip
    html = histories.history("shop", rows)
    assert html.count("<tr id=") == 39 and html.index("Older weeks") < html.index('id="2025-W13"') > html.index('id="2025-W14"')
    assert page.is_broken(html) == []


def test_the_history_is_written_again_only_when_it_would_show_something_else():
    run = made("2026-W10", rows=[row()])
    path = paths.reports("shop") / "index.html"
    path.write_text(shown().replace("News", "Olds"), "utf-8")
    publish.show("shop", "The shop", run)
    assert "Olds" in shown()
    gate.configure(language="zh")
    publish.show("shop", "The shop", run)
    assert "Olds" not in shown() and "所有周" in shown("near/2026-W10-next.html")


def test_pages_of_two_languages_in_one_process_keep_to_their_own():
    for language, skip in (("en", "Skip to the content"), ("zh", "跳"), ("en", "Skip to the content")):
        gate.configure(language=language)
        assert f'<a class="skip" href="#main">{skip}' in histories.history("shop", [])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_datasets_stand_on_one_page_with_their_newest_week(language):
    made("2026-W09", 1, language=language)
    made("2026-W10", 2, language=language)
    made("2026-W07", 1, dataset="games", title="<b>Games</b>", quality="alarm", language=language)
    (paths.built_root() / "reports" / "empty").mkdir()
    html = history.write_overview(paths.built_root() / "reports").read_text("utf-8")
    assert html.index('href="games/latest/index.html"') < html.index('href="shop/latest/index.html"')
    assert "News of 2026-W10" in html and "News of 2026-W09" not in html
    assert "&lt;b&gt;Games" in html and "empty" not in html
    assert f'<html lang="{language}' in html
    assert page.is_broken(html) == []
