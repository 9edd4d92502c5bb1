"""Figures: finding, measure, data, alt; nothing of small groups; text as text; the same bytes everywhere."""

import datetime as dt
import hashlib
import itertools
import os
import re
import subprocess
import sys
import time
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from helpers.paths import PROJECT
from helpers.show import charts, gate
from helpers.show.charts import axes, svg

SAID = {"finding": "Search brings those who stay", "measure": "Share active, by week, n = 400"}


@pytest.fixture(autouse=True)
def ten_people():
    gate.configure(10, "en", "CNY", "members")
    yield
    gate.configure()


def points(**columns) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "week": [f"2026-W{w:02d}" for w in (8, 9, 10)] * 2,
            "channel": ["search"] * 3 + ["store"] * 3,
            "rate": [0.5, 0.4, 0.3, 0.45, 0.35, 0.25],
            "n": [400, 300, 200, 100, 90, 80],
        }
    )
    frame["low"], frame["high"] = frame["rate"] - 0.02, frame["rate"] + 0.02
    return frame.assign(**columns)


def cohorts(size=200) -> pd.DataFrame:
    rows = [
        {
            "cohort": dt.date(2026, 1, 5) + dt.timedelta(weeks=c),
            "age": a,
            "rate": None if a + c > 5 else 0.0 if a == 3 else 1 / (1 + a),
            "size": size if c != 2 else 7,
            "closes": dt.date(2026, 1, 12) + dt.timedelta(weeks=c + a),
        }
        for c, a in itertools.product(range(6), range(6))
    ]
    return pd.DataFrame(rows)


def all_figures(frame: pd.DataFrame) -> dict:
    first = frame.drop_duplicates("channel")
    flows = pd.DataFrame({"week": ["2026-W09", "2026-W10"], "new": [200, 210], "resurrected": [40, 50], "churned": [90, 95]})
    cells = frame.assign(people=frame["n"])
    return {
        "lines": charts.lines(frame, x="week", y="rate", by="channel", low="low", high="high", n="n", unit="share", **SAID),
        "bars": charts.bars(first, category="channel", value="rate", low="low", high="high", n="n", unit="share", **SAID),
        "flows": charts.flows(flows, x="week", up=["new", "resurrected"], down=["churned"], **SAID),
        "heat": charts.heat(cohorts(), row="cohort", column="age", value="rate", size="size", closes="closes", **SAID),
        "forest": charts.forest(first, label="channel", value="rate", low="low", high="high", n="n", **SAID),
        "cross": charts.cross(cells, row="channel", column="week", value="people", **SAID),
    }


def drawing(shown: gate.Shown) -> str:
    return re.search(r"<svg.*</svg>", shown.html, re.DOTALL)[0]


def texts(shown: gate.Shown) -> list[str]:
    return re.findall(r"<t(?:ext|span)[^>]*>([^<]+)</t(?:ext|span)>", drawing(shown))


def test_of_a_long_series_the_data_tell_the_last_rows_and_how_many_there_are():
    days = pd.date_range("2024-01-01", periods=400)
    frame = pd.DataFrame({"day": days, "people": range(100, 500)})
    html = charts.lines(frame, x="day", y="people", unit="people", finding="f", measure="m").html
    assert "Data of this figure: the last 208 of 400 rows" in html and html.count("<th scope=row>") == 208
    assert ">499<" in html and ">291<" not in html.split("<table")[1]


@pytest.mark.parametrize("kind", ["lines", "bars", "flows", "heat", "forest", "cross"])
def test_every_figure_has_finding_measure_alt_and_folded_data(kind):
    html = all_figures(points())[kind].html
    assert "<figcaption><strong>Search brings those who stay</strong>" in html
    assert 'figure role="img" aria-label="' in html
    assert "Search brings those who stay. Share active, by week, n = 400." in html
    assert html.index("</figure>") < html.index('<details class="data">') and "<table class=dense>" in html


@pytest.mark.parametrize("kind", ["lines", "bars", "flows", "heat", "forest", "cross"])
def test_no_figure_has_ids_addresses_fonts_or_colours_of_its_own(kind):
    found = drawing(all_figures(points())[kind])
    assert not re.search(r"\bid=|http|xmlns|font|#[0-9a-f]{3}|style=|<defs|<use|clip-path", found)
    assert 'class="' in found and "<text" in found


def test_a_figure_without_finding_or_measure_is_refused():
    with pytest.raises(ValueError, match="finding is empty"):
        charts.lines(points(), x="week", y="rate", finding=" ", measure="m")
    with pytest.raises(ValueError, match="measure is empty"):
        charts.lines(points(), x="week", y="rate", finding="f", measure="")
    with pytest.raises(ValueError, match='Did you mean "share"'):
        charts.lines(points(), x="week", y="rate", unit="shares", **SAID)


def test_the_bytes_are_the_same_in_any_process_zone_locale_and_hash_seed():
    code = (
        "import hashlib, sys; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/tests'];"
        "from test_show_charts import all_figures, points; from helpers.show import gate; gate.configure(10, 'en', 'CNY');"
        "print(hashlib.sha256(''.join(f.html for f in all_figures(points()).values()).encode()).hexdigest())"
    )
    root = str(PROJECT)
    gate.configure(10, "en", "CNY")
    here = hashlib.sha256("".join(f.html for f in all_figures(points()).values()).encode()).hexdigest()
    other = os.environ | {"PYTHONHASHSEED": "7", "TZ": "America/New_York", "LC_ALL": "C", "MPLBACKEND": "svg"}
    there = subprocess.run([sys.executable, "-c", code, root], env=other, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


def test_the_order_of_rows_within_a_line_changes_no_drawing():
    one = charts.lines(points()[:3], x="week", y="rate", unit="share", **SAID)
    two = charts.lines(points()[:3].iloc[::-1], x="week", y="rate", unit="share", **SAID)
    assert drawing(one) == drawing(two)


@pytest.mark.parametrize("kind", ["lines", "bars", "forest"])
def test_a_small_group_is_nowhere_in_drawing_alt_data_or_text(kind):
    frame = points(n=[9, 300, 200, 9, 90, 80], rate=[0.777, 0.4, 0.3, 0.778, 0.35, 0.25])
    frame["low"], frame["high"] = frame["rate"] - 0.111, frame["rate"] + 0.111
    shown = all_figures(frame)[kind]
    for number in ("77.7", "77.8", "66.6", "88.8"):
        assert number not in shown.html + shown.text
    assert "&lt;10" in shown.html and "fewer than 10 people" in shown.html


def test_a_small_cohort_loses_its_whole_row_and_its_size():
    shown = charts.heat(cohorts(), row="cohort", column="age", value="rate", size="size", **SAID)
    row = next(line for line in shown.text.splitlines() if line.startswith("19 Jan 2026"))
    assert set(row.split()[3:]) == {"<10", "-"} or set(row.split()[3:]) == {"<10"}


def test_a_single_small_bar_takes_the_smallest_other_with_it():
    frame = pd.DataFrame({"tier": ["a", "b", "c"], "users": [4, 90, 20]})
    shown = charts.bars(frame, category="tier", value="users", unit="people", **SAID)
    assert [t for t in texts(shown) if t in ("&lt;10", "withheld", "20", "90")] == ["&lt;10", "90", "withheld"]
    alone = charts.bars(frame, category="tier", value="users", unit="people", parts=False, **SAID)
    assert "withheld" not in texts(alone)


def test_flows_hide_a_second_part_beside_a_small_one():
    frame = pd.DataFrame({"week": ["2026-W10"], "new": [200], "resurrected": [4], "churned": [90]})
    shown = charts.flows(frame, x="week", up=["new", "resurrected"], down=["churned"], **SAID)
    assert shown.text.splitlines()[-2].split() == ["2026-W10", "200", "<10", "withheld"]


def test_numbers_of_few_people_are_grey():
    frame = pd.DataFrame({"k": ["a", "b", "c"], "v": [0.1, 0.2, 0.3], "n": [29, 30, 31]})
    shown = charts.bars(frame, category="k", value="v", n="n", unit="share", **SAID)
    assert drawing(shown).count('class="f-faint"') == 1 and "Grey: fewer than 30 people." in shown.html
    assert shown.html.count("<td class=few>") == 2


def test_intervals_are_drawn_and_a_partial_period_is_dashed():
    whole = charts.lines(points(), x="week", y="rate", by="channel", unit="share", **SAID)
    banded = charts.lines(points(), x="week", y="rate", by="channel", low="low", high="high", unit="share", **SAID)
    assert drawing(banded).count('fill-opacity="0.16"') == 2 and "fill-opacity" not in drawing(whole)
    dashed = charts.lines(points(open=[False, False, True] * 2), x="week", y="rate", by="channel", partial="open", **SAID)
    assert "stroke-dasharray" in drawing(dashed) and "Dashed:" in dashed.html


def test_a_gap_stays_a_gap():
    frame = points()[:3].assign(rate=[0.5, None, 0.3])
    assert drawing(charts.lines(frame, x="week", y="rate", unit="share", **SAID)).count("<circle") == 3


def test_lines_are_labelled_at_their_ends_with_name_and_value():
    found = texts(charts.lines(points(), x="week", y="rate", by="channel", unit="share", **SAID))
    assert {"search", "30.0 %", "store", "25.0 %", "2026-W08", "W10"} <= set(found)


def test_many_lines_turn_grey_but_for_the_focus():
    frame = pd.concat([points().assign(channel=f"c{i}") for i in range(12)])
    shown = charts.lines(frame, x="week", y="rate", by="channel", unit="share", focus="c5", **SAID)
    assert [t for t in texts(shown) if t.startswith("c")] == ["c5"]
    assert "s-accent" in drawing(shown) and "s-faint" in drawing(shown)


def test_zero_is_shown_and_open_cells_are_blank_with_the_day_they_close():
    shown = charts.heat(cohorts(), row="cohort", column="age", value="rate", size="size", closes="closes", **SAID)
    assert texts(shown).count("0") == 1 + 2  # the age, and two full cohorts; the small one is withheld
    assert "<td class=open>23 Feb 2026</td>" in shown.html and "nan" not in shown.html.lower()


def test_words_in_cells_are_left_out_where_they_cannot_be_read():
    frame = pd.DataFrame([{"d": d, "h": h, "v": 123456 + h} for d in range(3) for h in range(24)])
    shown = charts.heat(frame, row="d", column="h", value="v", unit="count", **SAID)
    assert "123,456" not in texts(shown)[:-2] and "123,456" in shown.html
    assert "wide" in shown.html


HOSTILE = ["<script>alert(1)</script>", "$\\frac$", "_hidden", "${7*7}", "{{7*7}}", "用户频道", "a\x1b[0m"]


@pytest.mark.parametrize("evil", HOSTILE)
def test_labels_from_the_data_are_text_and_survive(evil):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = points(channel=[evil] * 3 + ["store"] * 3)
        figures = all_figures(frame)
        figures["named"] = charts.lines(frame, x="week", y="rate", by="channel", finding=evil, measure=evil)
    for kind in ("lines", "bars", "forest", "cross", "named"):
        html = figures[kind].html
        assert "<script" not in html and "\x1b" not in html
        assert gate.escape(evil)[:12] in html


def test_beyond_two_thousand_marks_a_line_is_a_picture():
    x = np.arange(3000)
    shown = charts.lines(pd.DataFrame({"x": x, "y": np.sin(x / 50)}), x="x", y="y", **SAID)
    assert 'href="data:image/png;base64,' in drawing(shown)
    few = charts.lines(pd.DataFrame({"x": x[:1500], "y": np.sin(x[:1500] / 50)}), x="x", y="y", **SAID)
    assert "<image" not in drawing(few)


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_and_a_single_row_are_drawn_without_a_warning(count):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for shown in all_figures(points()[:count]).values():
            assert "figcaption" in shown.html
    assert "No value can be shown." in charts.lines(points()[:0], x="week", y="rate", **SAID).html


def test_missing_infinite_and_decimal_values_are_understood():
    frame = pd.DataFrame(
        {"k": ["a", "b", "c", "d"], "v": [Decimal("1.50"), None, float("inf"), Decimal("-2")], "n": pd.array([50] * 4, "Int64")}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = charts.bars(frame, category="k", value="v", n="n", unit="money", **SAID)
    assert {"+CNY 1.50", "-", "-CNY 2.00"} <= set(texts(shown))


def test_effects_whose_interval_covers_none_are_grey():
    frame = pd.DataFrame({"k": ["clear", "unclear"], "v": [0.03, 0.01], "lo": [0.01, -0.01], "hi": [0.05, 0.03]})
    found = drawing(charts.forest(frame, label="k", value="v", low="lo", high="hi", **SAID))
    assert found.count("<circle") == 2 and found.count('class="f-accent') == 1 and found.count('class="f-quiet') == 1


def test_an_effect_that_the_finding_does_not_call_one_is_grey_whatever_its_own_interval():
    frame = pd.DataFrame({"k": ["one", "two"], "v": [0.03, 0.02], "lo": [0.01, 0.001], "hi": [0.05, 0.04], "sure": [True, False]})
    shown = charts.forest(frame, label="k", value="v", low="lo", high="hi", clear="sure", **SAID)
    found = drawing(shown)
    assert found.count('class="f-accent') == 1 and found.count('class="f-quiet') == 1
    assert "not clear when corrected" in shown.html
    agreed = charts.forest(frame.assign(sure=True), label="k", value="v", low="lo", high="hi", clear="sure", **SAID)
    assert drawing(agreed).count('class="f-accent') == 2 and "not clear when corrected" not in agreed.html


def test_bars_that_the_finding_does_not_call_a_change_are_grey():
    frame = pd.DataFrame({"k": ["one", "two"], "v": [3, 2], "clear": [False, True]})
    shown = charts.bars(frame, category="k", value="v", unit="count", clear="clear", **SAID)
    assert drawing(shown).count("f-accent") == 1 and drawing(shown).count("f-quiet") == 1 and "no clear change" in shown.html
    all_clear = charts.bars(frame.assign(clear=True), category="k", value="v", unit="count", clear="clear", **SAID)
    assert "no clear change" not in all_clear.html


@pytest.mark.parametrize("kind", ["cross", "heat"])
def test_heads_of_narrow_columns_are_turned_and_never_break_a_word(kind):
    names = ["creator", "commenter", "sharer", "reactor", "reader", "none", "first purchase"]
    frame = pd.DataFrame([{"r": r, "c": c, "v": 100} for r in ("lost", "active") for c in names])
    shown = getattr(charts, kind)(frame, row="r", column="c", value="v", **SAID)
    assert set(names) <= set(texts(shown)) and drawing(shown).count("rotate(-90)") == len(names) + (kind == "cross")
    broad = getattr(charts, kind)(frame[frame["c"].isin(["sharer", "first purchase"])], row="r", column="c", value="v", **SAID)
    assert "rotate" not in drawing(broad) and "sharer" in texts(broad)


def test_labels_do_not_overlap_and_stay_inside():
    places = axes.apart([100, 101, 102, 5], [20, 20, 20, 20], 0, 200)
    ordered = sorted(places)
    assert all(b - a >= 20 - 1e-9 for a, b in itertools.pairwise(ordered)) and ordered[0] >= 10 and ordered[-1] <= 190


def test_long_words_wrap_and_end_in_an_ellipsis():
    lines = axes.wrap("a name that is much too long to be set in two lines of this width", 120)
    assert len(lines) == 2 and lines[1].endswith("…") and all(axes.width(line) <= 120 for line in lines)
    assert axes.wrap("short", 120) == ["short"]
    assert len(axes.wrap("没有空格的很长很长很长很长的中文名字", 100)) == 2
    assert axes.wrap("welcome_tour，day7_return，treatment", 130, 3) == ["welcome_tour，", "day7_return，", "treatment"]
    assert axes.wrap("a_name_without_a_blank", 90, 3)[0].endswith("_")


def test_ticks_are_round_and_say_the_year_when_it_changes():
    days = [dt.date(2025, 11, 3) + dt.timedelta(days=i) for i in range(120)]
    assert [text for _, text in axes.scale(days).ticks] == ["Dec 2025", "Jan 2026", "Feb", "Mar"]
    weeks = [f"2025-W{w}" for w in range(48, 53)] + ["2026-W01", "2026-W02"]
    assert [text for _, text in axes.scale(weeks).ticks] == ["2025-W48", "W50", "W52", "2026-W02"]
    assert axes.nice(0, 97) == [0, 20, 40, 60, 80, 100]


def test_a_year_of_53_weeks_has_even_steps():
    at = axes.scale(["2020-W52", "2020-W53", "2021-W01"]).at
    assert at == [0, 1, 2]


def test_an_svg_coordinate_has_no_needless_digits():
    assert [svg._short(v) for v in (12.04, 0.0, -0.01, 3.5)] == ["12", "0", "0", "3.5"]


def test_figures_are_quick():
    all_figures(points())
    start = time.process_time()
    all_figures(points())
    assert time.process_time() - start < 6 * 0.25


def test_a_point_outside_of_its_usual_band_has_a_dot_and_the_data_say_what_is_usual():
    frame = points().head(3).assign(low=[0.45, 0.45, 0.2], high=[0.6, 0.6, 0.35])
    usual, plain = (charts.lines(frame, x="week", y="rate", low="low", high="high", n="n", shaded=kind, unit="share", **SAID)
                    for kind in ("usual", "interval"))  # fmt: skip
    assert drawing(usual).count("alarm") == 1 and "alarm" not in drawing(plain)
    assert "where it usually lies" in usual.html and "95 % interval" not in usual.html
    assert ">Usual<" in usual.html and ">45.0 to 60.0 %<" in usual.html


def test_the_number_of_a_bar_below_zero_stands_before_its_interval():
    numbers = {"value": [-50.0, 20.0, -200.0], "low": [-90.0, 10.0, -200.0], "high": [-10.0, 30.0, -200.0]}
    frame = pd.DataFrame({"part": ["ads", "friend", "search"], **numbers})
    places = []
    for low in (frame["low"], frame["value"]):
        found = charts.bars(frame.assign(low=low), category="part", value="value", low="low", high="high", unit="count", **SAID)
        places.append(float(re.search(r'<text[^>]*x="([\d.]+)"[^>]*>-50<', drawing(found))[1]))
    assert places[0] < places[1]
