"""Tables and cards: semantic, folded, withheld."""

import html
import re
from decimal import Decimal
from html.parser import HTMLParser

import pandas as pd
import pytest

from helpers.show import gate, tables


@pytest.fixture(autouse=True)
def ten_people():
    gate.configure(10, "en", "CNY", "members")
    yield
    gate.configure()


class Cells(HTMLParser):
    """The texts of a page's cells, row by row."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        self.inside = tag in ("td", "th")
        if self.inside:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


def weeks(count: int) -> pd.DataFrame:
    labels = [f"2026-W{i:02d}" for i in range(1, count + 1)]
    return pd.DataFrame(
        {"week": labels, "rate": [0.2] * count, "lo": [0.1] * count, "hi": [0.3] * count, "n": [100] * count}
    )


COLUMNS = {"week": "week", "rate": ("Retention", "share"), "lo..hi": "share", "n": "people"}


def test_heads_and_rows_name_their_scope_and_the_caption_holds_the_title():
    html = tables.table(weeks(3), title="Return", subtitle="Members", columns=COLUMNS).html
    assert html.count("<th scope=col") == 4 and html.count("<th scope=row>") == 3
    assert "<caption><strong>Return</strong><span>Members</span></caption>" in html
    assert Cells(html).rows[1] == ["2026-W01", "20.0 %", "10.0 to 30.0 %", "100"]


def test_the_last_26_periods_stay_and_the_others_are_folded():
    html = tables.table(weeks(40), title="t", columns=COLUMNS).html
    shown, folded = html.split("<details>")
    assert [row[0] for row in Cells(shown).rows[1:]] == [f"2026-W{i:02d}" for i in range(15, 41)]
    assert "Earlier rows (14)" in folded and len(Cells(folded).rows) == 15


def test_of_years_of_rows_the_newest_are_folded_and_the_others_counted():
    frame = weeks(400).assign(week=[f"week {number}" for number in range(400)])
    html = tables.table(frame, title="t", columns=COLUMNS).html
    assert "Earlier rows (104 of 374, the others are in the data)" in html
    assert ">week 399<" in html and ">week 270<" in html and ">week 269<" not in html
    html = tables.table(frame, title="t", columns=COLUMNS, keep="first", fold=12).html
    assert ">week 115<" in html and ">week 116<" not in html


def test_a_ranking_keeps_its_first_rows():
    html = tables.table(weeks(40), title="t", columns=COLUMNS, keep="first", fold=5).html
    assert Cells(html.split("<details>")[0]).rows[-1][0] == "2026-W05"


def test_a_handful_of_rows_over_the_limit_is_not_folded():
    assert "<details>" not in tables.table(weeks(28), title="t", columns=COLUMNS).html


def test_small_groups_lose_every_number_and_the_note_says_why():
    frame = weeks(3).assign(n=[9, 10, 30], rate=[0.777, 0.2, 0.3])
    shown = tables.table(frame, title="t", columns=COLUMNS, n="n")
    assert Cells(shown.html).rows[1] == ["2026-W01", "<10", "<10", "<10"]
    assert "77" not in shown.html + shown.text
    assert "fewer than 10 people" in shown.html
    assert shown.html.count("<td class=few>") == 3


def test_a_size_that_is_not_shown_withholds_all_the_same():
    columns = {"week": "week", "rate": "share"}
    assert Cells(tables.table(weeks(1).assign(n=3), title="t", columns=columns, n="n").html).rows[1] == ["2026-W01", "<10"]


def test_only_a_number_of_people_that_is_small_itself_is_called_small_where_the_size_is_not_shown():
    frame = weeks(2).assign(active=[400, 500], back=[3, 40], least=[3, 40])
    columns = {"week": "week", "active": "people", "back": "people", "rate": "share"}
    rows = Cells(tables.table(frame, title="t", columns=columns, n="least").html).rows
    assert rows[1:] == [["2026-W01", "withheld", "<10", "withheld"], ["2026-W02", "500", "40", "20.0 %"]]


def test_parts_of_a_known_whole_leave_no_single_gap():
    frame = pd.DataFrame({"tier": ["a", "b", "c"], "users": [4, 20, 90]})
    shown = tables.table(frame, title="t", columns={"tier": "text", "users": "people"}, n="users", parts=True)
    assert [row[1] for row in Cells(shown.html).rows[1:]] == ["<10", "withheld", "90"]


def test_a_table_that_is_too_wide_for_a_phone_names_each_column_for_it_to_be_stacked():
    names = [f"Measure {i}: \"a\" < 'b'" for i in range(6)]
    frame = pd.DataFrame({"k": ["one", "two"], **{str(i): [1234567, 2] for i in range(6)}})
    columns = {"k": "text", **{str(i): (name, "count") for i, name in enumerate(names)}}
    wide = tables.table(frame, title="T", columns=columns).html
    assert 'class="dense stack"' in wide and wide.count("--c") == 6 and wide.count("<td") == 12
    told = html.unescape(re.search(r'style="([^"]*)"', wide)[1])
    unescaped = re.sub(r"\\([0-9a-f]+) ", lambda found: chr(int(found[1], 16)), told)
    assert [part.split(":", 1)[1][1:-1] for part in unescaped.split(";")] == names
    narrow = tables.table(frame, title="T", columns=dict(list(columns.items())[:3])).html
    assert "stack" not in narrow


def test_people_are_withheld_even_where_no_size_is_named():
    frame = pd.DataFrame({"tier": ["a"], "users": [4]})
    shown = tables.table(frame, title="t", columns={"tier": "text", "users": "people"})
    assert Cells(shown.html).rows[1] == ["a", "<10"] and "fewer than 10" in shown.html


def test_undefined_numbers_are_a_dash():
    frame = pd.DataFrame({"k": ["a", "b", "c"], "v": [float("nan"), float("inf"), None]})
    assert [r[1] for r in Cells(tables.table(frame, title="t", columns={"k": "text", "v": "share"}).html).rows[1:]] == ["-"] * 3


def test_hostile_text_in_titles_heads_and_cells_is_text():
    evil = "<script>alert(1)</script>"
    frame = pd.DataFrame({evil: [evil], "v": [1]})
    html = tables.table(frame, title=evil, subtitle=evil, note=evil, columns={evil: (evil, "text"), "v": "count"}).html
    assert "<script" not in html and html.count("&lt;script&gt;") >= 5


def test_an_empty_table_says_that_there_is_nothing():
    assert "No rows." in tables.table(weeks(0), title="t", columns=COLUMNS).html


def test_a_missing_column_is_named():
    with pytest.raises(KeyError, match="wek"):
        tables.table(weeks(1), title="t", columns={"wek": "week"})


def test_wide_tables_scroll_by_keyboard_too():
    assert 'role="group" tabindex="0" aria-label="Return"' in tables.table(weeks(1), title="Return", columns=COLUMNS).html


def card(**values) -> str:
    return tables.cards(pd.DataFrame([values])).html


def test_a_card_shows_value_change_and_interval_in_the_metrics_own_form():
    html = card(metric="weekly_actives", value=1384, before=1264, low=80, high=160, n=1384)
    assert ">1,384<" in html and ">+9.5 %<" in html and ">+80 to +160<" in html
    assert 'class="change good"' in html


def test_an_unclear_change_has_no_colour():
    html = card(metric="week1_retention", value=0.4, before=0.5, low=-0.2, high=0.01, n=100)
    assert "no clear change" in html and 'class="change "' in html.replace('class="change"', 'class="change "')


def test_a_fall_of_what_should_fall_is_good():
    assert 'class="change good"' in card(metric="churned", value=50, before=90, low=-60, high=-20)


def test_a_card_about_few_people_tells_nothing_of_them():
    html = card(metric="net_amount", value=Decimal("777.77"), before=Decimal("555.5"), n=4, series=[777.0] * 13)
    assert "777" not in html and "778" not in html and "&lt;10" in html and "<svg" not in html


def test_an_undefined_value_is_a_dash_with_its_reason():
    html = card(metric="payers", value=None, reason="this dataset has no payments")
    assert ">-<" in html and "this dataset has no payments" in html


def test_a_sparkline_has_words_and_a_gap_for_few_people():
    html = card(metric="payers", value=40, before=41, series=[40, 4, 41, 40], band_low=30, band_high=50)
    assert 'role="img" aria-label="The last 4 weeks: between 40 and 41. Shaded: the usual range."' in html
    assert html.count("M") >= 3


def test_facts_and_skipped_parts():
    shown = tables.facts({"Rows <in>": 1234, "Net": (Decimal("10.5"), "money"), "Zone": "Asia/Shanghai"})
    assert shown.text == "Rows <in>: 1,234\nNet: CNY 10.50\nZone: Asia/Shanghai"
    assert "&lt;in&gt;" in shown.html
    assert tables.skipped("interests", "this dataset has no topics").text == (
        "Interests: skipped, this dataset has no topics."
    )


def test_a_small_part_takes_another_of_its_own_whole_with_it():
    gate.configure(min_group=10)
    sizes = pd.DataFrame(
        {"dimension": ["a"] * 3 + ["b"] * 3, "tier": list("xyzuvw"), "people": [3, 45, 900, 33, 400, 515]}
    )
    columns = {"dimension": "text", "tier": "text", "people": "people"}
    shown = tables.table(sizes, title="t", columns=columns, n="people", parts=True, within="dimension")
    assert "<10" in shown.text and "45" not in shown.text
    assert "33" in shown.text and "515" in shown.text


def test_a_share_of_nobody_or_of_all_of_a_group_is_warned_of():
    frame = pd.DataFrame({"city": ["A", "B"], "paying": [0.4, 1.0], "n": [50, 40]})
    columns = {"city": "text", "paying": "share", "n": "people"}
    warned = "tells of each person in its group"
    assert warned in tables.table(frame, title="Paying", columns=columns, n="n").text
    assert warned not in tables.table(frame.head(1), title="Paying", columns=columns, n="n").text
    assert warned not in tables.table(frame.assign(n=9), title="Paying", columns=columns, n="n").text
    assert warned not in tables.table(frame, title="Parts", columns=columns).text
