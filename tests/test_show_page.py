"""Pages: one file that loads nothing, shows only what the gate made, and is the same each time."""

import time

import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.errors import RunFailed
from helpers.show import charts, gate, histories, page, sentences, tables

INFO = page.PageInfo(
    dataset="Circle",
    title="Retention",
    week="2026-W10",
    week_dates="2026-03-02 to 2026-03-08",
    status="complete; data up to 8 Mar 2026",
    links=[("index.html", "The week", False), ("04_retention.html", "Retention", True)],
    footer={"Run": "abc123", "Repeat": "make report WEEK=2026-W10"},
    skipped=["Interests: skipped, this dataset has no topics."],
    quality="good",
)
EVIL = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def ten_people():
    gate.configure(10, "en", "CNY", "members")
    yield
    gate.configure()


def code(name: str, *outputs, source: str = "show()", tags=()):
    made = []
    for output in outputs:
        if isinstance(output, gate.Shown):
            data, metadata = output._repr_mimebundle_()
            output = new_output("execute_result", data=data, metadata=metadata, execution_count=1)
        made.append(output)
    return new_code_cell(source, id=name, outputs=made, metadata={"tags": list(tags)})


def figure() -> gate.Shown:
    frame = pd.DataFrame({"week": ["2026-W09", "2026-W10"], "rate": [0.4, 0.5]})
    return charts.lines(frame, x="week", y="rate", unit="share", finding="It rises", measure="Share, by week")


def rendered(*cells, info=INFO) -> str:
    return page.render(new_notebook(cells=list(cells)), info)


def test_a_page_has_skip_link_heading_week_status_pages_and_footer():
    html = rendered(code("rate", figure()))
    for part in ('<a class="skip" href="#main">', "<h1>Retention</h1>", "Week 2026-W10, 2 Mar 2026 to 8 Mar 2026",
                 '<p class="status good">complete; data up to 8 Mar 2026</p>', 'href="04_retention.html" aria-current="page"',
                 '<main id="main">', "<dt>Run</dt><dd>abc123</dd>", "Interests: skipped", '<html lang="en">'):  # fmt: skip
        assert part in html
    assert page.is_broken(html) == []


def test_nothing_is_loaded_and_nothing_can_run():
    html = rendered(code("rate", figure()))
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in html
    assert "<script" not in html and "http://" not in html and "https://" not in html and "<link rel=\"style" not in html


def test_both_forms_and_paper_are_in_the_one_style_sheet():
    html = rendered(code("rate", figure()))
    assert html.count("<style") == 1
    assert "@media screen and (prefers-color-scheme:dark)" in html and "@media print" in html


def test_the_same_input_gives_the_same_bytes():
    cells = [new_markdown_cell("## Who?", id="who"), code("rate", figure())]
    assert rendered(*cells) == rendered(*cells)


@pytest.mark.parametrize("tag", ["parameters", "injected-parameters", "setup", "explore"])
def test_cells_of_the_machinery_never_appear(tag):
    html = rendered(code("secret-cell", sentences.say("secret words"), source="secret_code()", tags=[tag]))
    assert "secret" not in html


def test_a_detail_is_folded_under_its_heading_and_a_check_is_not_shown():
    html = rendered(
        new_markdown_cell("### How it is counted\n\nLike this.", id="how", metadata={"tags": ["detail"]}),
        code("rows-add-up", new_output("stream", text="0\n"), tags=["detail", "nbval-check-output"]),
    )
    assert '<details class="detail" id="how"><summary>How it is counted</summary>' in html
    assert "rows-add-up" not in html and "Rows add up" not in html


def test_code_is_folded_under_its_output_and_cells_are_anchors():
    html = rendered(code("retention-by-channel", figure(), source="charts.lines(a < b)"))
    assert '<div class="cell" id="retention-by-channel">' in html
    assert html.index("</figure>") < html.index('<details class="code">') < html.index("charts.lines(a &lt; b)")


def test_a_cell_without_output_is_not_shown():
    assert "only_code" not in rendered(code("quiet", source="only_code()"))


def test_only_markup_with_the_mark_of_the_gate_is_rendered():
    forged = new_output("execute_result", data={"text/html": EVIL, "text/plain": "<b>plain</b>"}, execution_count=1)
    html = rendered(code("forged", forged))
    assert "<script" not in html and "alert" not in html and "<pre>&lt;b&gt;plain&lt;/b&gt;</pre>" in html


@pytest.mark.parametrize("kind", ["application/javascript", "image/svg+xml", "text/markdown", "text/latex"])
def test_other_live_outputs_fall_back_to_their_plain_text(kind):
    output = new_output("display_data", data={kind: EVIL, "text/plain": "plain words"})
    html = rendered(code("live", output))
    assert "<script" not in html and "<pre>plain words</pre>" in html


def test_printed_text_is_escaped_and_warnings_stay_in_the_log():
    html = rendered(
        code("noise", new_output("stream", text=EVIL), new_output("stream", name="stderr", text="a path of the machine"))
    )
    assert "&lt;script&gt;" in html and "a path of the machine" not in html


def test_markdown_has_no_live_markup_no_pictures_and_no_addresses():
    html = rendered(
        new_markdown_cell(
            f"# Title\n\n## Which channels?\n\n{EVIL}\n\n**bold** `x < 1` [away](https://example.org) [near](#rate) "
            "[page](04_retention.html) ![alt](https://example.org/x.png) <img src=x onerror=y>\n\n"
            "| a | b |\n|---|---|\n| 1 | 2 |",
            id="text",
        )
    )
    assert html.count("<h1") == 1 and "<h2>Which channels?</h2>" in html
    assert "example.org" not in html and "<img" not in html and "<script" not in html
    assert "<strong>bold</strong>" in html and '<a href="#rate">near</a>' in html and '<a href="04_retention.html">' in html
    assert "<td>1</td>" in html and page.is_broken(html) == []


def test_hostile_surroundings_are_text():
    info = page.PageInfo(EVIL, EVIL, week=EVIL, status=EVIL, links=[("#x", EVIL, True)], footer={EVIL: EVIL}, skipped=[EVIL])
    html = rendered(code("rate", figure()), info=info)
    assert "<script" not in html and html.count("&lt;script&gt;") >= 8


def test_the_style_for_jupyterlab_does_not_travel_with_every_figure():
    html = rendered(code("a", figure()), code("b", figure()))
    assert "data-growth-rings" not in html and "data-jp-theme" not in html


def test_an_error_output_is_found_by_the_check():
    error = new_output("error", ename="KeyError", evalue="'x'", traceback=[])
    assert page.is_broken(rendered(code("broken", error))) == ["A cell's error is shown."]


def test_a_page_over_the_limit_names_its_heaviest_cells():
    heavy = gate.Shown("<p>" + "x" * page.LARGEST + "</p>", "x")
    with pytest.raises(RunFailed, match=r"heavy-cell \(300 KiB\)"):
        rendered(code("light-cell", figure()), code("heavy-cell", heavy))


def test_a_page_that_its_code_makes_too_large_is_made_without_and_says_so():
    large = gate.Shown("<p>" + "x" * (page.LARGEST - 30_000) + "</p>", "x")
    cells = [code("large-cell", large), code("light-cell", figure())]
    assert "<summary>Code</summary>" in rendered(*cells)
    cells[1].source = "a = 1\n" * 9000
    html = rendered(*cells)
    assert "<summary>Code</summary>" not in html and "The notebook has it." in html and 'id="light-cell"' in html


def test_doubts_stand_before_everything_else_in_the_tone_of_the_quality():
    doubts = ["Do not rely <on> it.", "Why (p <0.001)."]
    html = rendered(code("c", figure()), info=page.PageInfo("d", "t", quality="alarm", doubts=doubts))
    main = html.partition('<main id="main">')[2].lstrip()
    assert main.startswith('<ul class="gr-say doubts alarm"><li>Do not rely &lt;on&gt; it.</li>')
    assert '<span class="nb">p &lt;0.001</span>' in main and "doubts alarm" not in rendered(code("c", figure()))


def test_an_unknown_quality_is_refused():
    with pytest.raises(ValueError, match="good, warn, alarm"):
        rendered(info=page.PageInfo("d", "t", quality="green"))


def test_six_pages_take_little_time():
    cells = [code(f"c{i}", figure(), tables.facts({"a": 1})) for i in range(8)]
    rendered(*cells)
    start = time.process_time()
    for _ in range(6):
        rendered(*cells)
    assert time.process_time() - start < 1.5


def test_the_history_is_newest_first_and_links_each_week():
    row = {"headline": "Old", "quality": "good", "built_at": "2026-03-02 06:00", "seconds": 8.25}
    rows = [
        {**row, "week": "2026-W09", "href": "2026-W09/"},
        {**row, "week": "2026-W10", "href": "2026-W10/", "headline": EVIL, "seconds": None},
    ]
    html = histories.history("sample", rows, title="Circle")
    assert html.index("2026-W10") < html.index("2026-W09") and '<a href="2026-W10/">' in html
    assert "&lt;script&gt;" in html and "in 8.2 s" in html and "in - s" in html
    assert page.is_broken(html) == []


def test_an_empty_history_says_so():
    assert "No report has been built yet." in histories.history("sample", [])


GOOD = (
    "<html lang='en'><head><meta http-equiv='Content-Security-Policy' content='x'><title>t</title></head>"
    "<body><h1>t</h1>{}</body></html>"
)


@pytest.mark.parametrize(
    ("markup", "says"),
    [
        ("<script>1</script>", "<script>"),
        ("<img src='//cdn.example/x.png'>", "address outside"),
        ("<a href='https://example.org'>x</a>", "address outside"),
        ("<a href='javascript:alert(1)'>x</a>", "address outside"),
        ("<a href=' https://example.org'>x</a>", "address outside"),
        ("<img src='data:text/html,x'>", "address outside"),
        ("<p onclick='x()'>x</p>", "handler onclick"),
        ("<style>@import 'x'</style>", "loads something"),
        ("<style>p{background:url(https://x)}</style>", "loads something"),
        ("<p style='background:url(//x)'>x</p>", "loads something"),
        ("<iframe></iframe>", "<iframe>"),
        ("<meta http-equiv='refresh' content='0;url=x'>", "elsewhere"),
        ("<figure><svg></svg></figure><details class='data'></details>", "no alt text"),
        ("<figure role='img' aria-label='a'></figure>", "no folded data"),
        ("<figure role='img' aria-label='a'></figure><figure role='img' aria-label='b'></figure><details class='data'></details>",
         "no folded data"),
        ("<td class='num'>nan</td>", "shown as"),
        ("<table class=dense><td>inf %</td></table>", "shown as"),
        ("<i id=a></i><i id=a></i>", 'id "a"'),
        ("<h1>again</h1>", "<h1>"),
        ("x" * (300 * 1024), "KiB"),
    ],
)  # fmt: skip
def test_the_check_finds_what_is_wrong(markup, says):
    found = page.is_broken(GOOD.replace("{}", markup))
    assert len(found) == 1 and says in found[0]


@pytest.mark.parametrize(
    "markup",
    [
        "<a href='04_retention.html#rate'>x</a>",
        "<img src='data:image/png;base64,AAAA'>",
        "<p>https://example.org is only text</p>",
        "<td class=key>nan</td>",
        "<figure role='img' aria-label='a'></figure><p></p><details class='data'></details>",
    ],
)
def test_the_check_lets_good_things_pass(markup):
    assert page.is_broken(GOOD.replace("{}", markup)) == []


def test_a_page_without_essentials_is_broken():
    assert len(page.is_broken("<p>x</p>")) == 4
