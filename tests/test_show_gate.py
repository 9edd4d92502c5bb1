"""The gate: what it escapes, withholds and marks."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from helpers.show import format, gate, suppress, words


@pytest.fixture(autouse=True)
def ten_people():
    gate.configure(10, "en", "CNY", "members")
    yield
    gate.configure()


def test_importing_the_gate_and_the_words_costs_no_heavy_library():
    code = (
        "import sys; from helpers.show import gate, words, format, sentences, tables, page; gate.configure(5);"
        "print([m for m in ('pandas', 'numpy', 'matplotlib', 'seaborn', 'nbconvert', 'scipy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_markup_and_terminal_escapes_become_text():
    assert gate.escape("<b onclick='x'>&\"") == "&lt;b onclick=&#x27;x&#x27;&gt;&amp;&quot;"
    assert gate.escape("\x1b[31m\x07\u202egnp") == "\\x1b[31m\\x07\\u202egnp"
    assert gate.escape("already &lt; escaped, \\u003c too") == "already &amp;lt; escaped, \\u003c too"


@pytest.mark.parametrize(("n", "small"), [(0, False), (1, True), (9, True), (10, False), (11, False), (None, False)])
def test_the_boundary_is_fewer_than_k_and_nobody_is_no_group(n, small):
    assert gate.is_small(n) is small


def test_a_small_group_loses_its_size_estimate_and_interval_together():
    frame = pd.DataFrame({"k": list("abc"), "n": [9, 10, 40], "v": [0.1, 0.2, 0.3], "lo": [0, 0.1, 0.2], "text": list("xyz")})
    safe = gate.withhold(frame, "n", ["v", "lo"])
    assert safe[["n", "v", "lo"]].isna().all(axis=1).tolist() == [True, False, False]
    assert safe["withheld"].tolist() == ["<10", "", ""]
    assert safe["few"].tolist() == [False, True, False]
    assert frame["v"].tolist() == [0.1, 0.2, 0.3]
    assert safe["text"].tolist() == ["x", "y", "z"]


def test_a_single_gap_in_a_whole_takes_the_smallest_other_part_with_it():
    frame = pd.DataFrame({"whole": ["a"] * 3 + ["b"] * 3, "n": [4, 50, 20, 30, 40, 50]})
    safe = gate.withhold(frame, "n", parts=True, within="whole")
    assert safe["withheld"].tolist() == ["<10", "", words.word("gate.withheld"), "", "", ""]


def test_hidden_parts_together_hold_at_least_k_people():
    extra = suppress.one_way([2, 3, 4, 12, 90], [True, True, True, False, False], [None] * 5, 10)
    assert extra == [False, False, False, True, False]


def test_two_gaps_that_hold_k_people_need_no_third():
    assert not any(suppress.one_way([8, 9, 50], [True, True, False], [None] * 3, 10))


def reader_bounds(table: np.ndarray, hidden: np.ndarray, entry: tuple[int, int]) -> tuple[float, float]:
    """What a reader can work out: every entry is a variable, the shown ones are fixed, rows and columns add up."""
    rows, columns = table.shape
    equations = []
    for i in range(rows):
        line = np.zeros((rows, columns))
        line[i, :-1], line[i, -1] = 1, -1
        equations.append(line.ravel())
    for j in range(columns):
        line = np.zeros((rows, columns))
        line[:-1, j], line[-1, j] = 1, -1
        equations.append(line.ravel())
    limits = [(0, None) if h else (v, v) for h, v in zip(hidden.ravel(), table.ravel(), strict=True)]
    aim = np.zeros(table.size)
    aim[entry[0] * columns + entry[1]] = 1
    ends = [linprog(s * aim, A_eq=equations, b_eq=np.zeros(len(equations)), bounds=limits).fun for s in (1, -1)]
    return ends[0], -ends[1]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    st.integers(2, 5).flatmap(
        lambda columns: st.lists(
            st.lists(st.one_of(st.integers(0, 12), st.integers(0, 200)), min_size=columns, max_size=columns),
            min_size=2, max_size=5,
        )
    )
)  # fmt: skip
def test_no_withheld_cell_of_a_two_way_table_can_be_recovered_within_k(rows):
    counts = np.array(rows, dtype=float)
    if counts.sum() < 40:
        counts[0, 0] += 40
    table, hidden = suppress.with_margins(counts), suppress.two_way(counts, 10)
    for i, j in zip(*np.nonzero(hidden == 1), strict=True):
        low, high = reader_bounds(table, hidden > 0, (i, j))
        assert high - low >= 10 - 1e-6, (counts, hidden, (i, j))
    assert ((hidden == 1) == ((table > 0) & (table < 10))).all() or hidden.all()


def test_a_table_without_small_cells_is_shown_whole():
    assert not suppress.two_way(np.array([[10, 0], [300, 40]]), 10).any()


def test_what_is_shown_carries_the_mark_and_its_own_style_for_jupyterlab():
    data, metadata = gate.Shown("<p>x</p>", "x")._repr_mimebundle_()
    assert metadata == {"text/html": {gate.MARK: True}}
    assert data["text/plain"] == "x"
    assert data["text/html"].startswith("<style data-growth-rings>") and gate.bare(data["text/html"]) == "<p>x</p>"


def test_a_limit_below_one_person_is_refused():
    with pytest.raises(ValueError, match="min_group = 0"):
        gate.configure(0)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1234, "count", "1,234"), (1234.4, "people", "1,234"), (3, "people", "<10"), (0, "people", "0"),
        (0.1234, "share", "12.3 %"), (0.0035, "share", "0.35 %"), (0, "share", "0.0 %"), (0.012, "points", "+1.2 points"),
        (-0.00001, "points", "0.00 points"), (1234.5, "money", "CNY 1,234.50"), (-3, "money", "-CNY 3.00"),
        (1, "days", "1 day"), (12.34, "days", "12.3 days"), (0.0016, "p", "0.0016"), (0.074, "p", "0.074"),
        (1e-9, "p", "<0.001"), ("2026-03-08", "date", "8 Mar 2026"), (pd.Timestamp("2026-03-08"), "date", "8 Mar 2026"),
        (None, "share", "-"), (float("nan"), "money", "-"), (float("inf"), "number", "-"), (pd.NA, "count", "-"),
        (pd.NaT, "date", "-"), (None, "text", "-"),
    ],
)  # fmt: skip
def test_values_and_units_as_text(value, unit, text):
    assert format.value(value, unit) == text


def test_intervals_say_their_unit_once():
    assert format.interval(0.179, 0.202, "share") == "17.9 to 20.2 %"
    assert format.interval(0.004, 0.02, "points") == "+0.4 to +2.0 points"
    assert format.interval(10, 20.5, "money") == "CNY 10.00 to 20.50"
    assert format.interval(None, 1, "share") == "-"


def test_an_unknown_unit_names_the_nearest():
    with pytest.raises(ValueError, match='Did you mean "share"'):
        format.value(1, "shares")


def test_unknown_words_and_metrics_name_the_nearest():
    with pytest.raises(KeyError, match=r"page\.skip"):
        words.word("page.skp")
    with pytest.raises(KeyError, match="weekly_actives"):
        words.metric("weekly_active")


def test_every_metric_has_a_known_unit_a_direction_and_words():
    for key in words.metrics():
        metric = words.metric(key)
        assert format.check(metric.unit) and metric.good in ("up", "down", "")
        assert metric.label and metric.definition.endswith(".") and "{" not in metric.definition + metric.denominator
