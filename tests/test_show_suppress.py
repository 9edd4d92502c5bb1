"""No number that is withheld can be worked out within ten people from what is shown: linear programmes over rendered tables."""

from __future__ import annotations

import disclosed
import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from helpers.show import charts, findings, gate, said, suppress, tables

ACTIVITY = disclosed.TIERS["Activity"]
COUNTS = st.one_of(st.integers(0, 12), st.integers(0, 60))
TIERS = st.lists(st.tuples(COUNTS, COUNTS, COUNTS), min_size=4, max_size=4)


@pytest.fixture(autouse=True)
def ten_people():
    gate.configure(10, "en", "CNY", "members")
    yield
    gate.configure()


def cell(name: str, markup: str) -> str:
    return f'<div class="cell" id="{name}">{markup}</div>'


def sizes(rows: list[tuple[int, int, int]]) -> pd.DataFrame:
    """Tiers by who stayed, who came and who left; at least 40 people stay in all."""
    rows = [(rows[0][0] + 40, *rows[0][1:]), *rows[1:]]
    if sum(came for _, came, _ in rows) < sum(left for *_, left in rows):  # nobody is ever forgotten
        rows = [(stay, left, came) for stay, came, left in rows]
    made = [(tier, stay + came, stay + left, came, left) for tier, (stay, came, left) in zip(ACTIVITY, rows, strict=True)]
    frame = pd.DataFrame(made, columns=["tier", "people", "before", "came", "left"])
    return frame.assign(dimension="activity", share=frame["people"] / frame["people"].sum())


def page(found: pd.DataFrame) -> dict[str, str]:
    """A page of segments that says the same sizes in a title, a figure and a table."""
    counts = {"people": int(found["people"].sum()), "a week ago": int(found["before"].sum())}
    title = findings.tiers(found, "activity", ["high", "medium"])
    bars = charts.bars(found, category="tier", value="share", n="people", unit="share", finding=title, measure="x")
    table = tables.table(
        said.moves.sizes(found), title=title, n="people", parts=True, within="dimension", keep="first",
        columns={"dimension": "text", "tier": "text", "people": "people", "before": "people", "came": "count", "left": "count",
                 "share": "share"},
    )  # fmt: skip
    told = tables.facts(said.moves.people(counts), unit="people")
    parts = {"tiers": told, "sizes-by-activity": bars, "moves-of-the-week": table}
    return {"03_segments.html": "".join(cell(name, own.html) for name, own in parts.items())}


def narrow(system: disclosed.System, kinds: tuple[str, ...] = ("now", "before", "came", "left")) -> list[tuple]:
    """The hidden cells that a reader knows within fewer than ten people."""
    found = []
    for key in sorted(system.small, key=repr):
        low, high = system.bounds(key)
        if key[0] in kinds and high - low < 10 - 1e-6:
            found.append((key, low, high))
    return found


@settings(max_examples=12, deadline=None, derandomize=True, phases=[Phase.generate])
@given(TIERS)
def test_tiers_in_a_title_a_figure_and_a_table_give_no_hidden_tier_away(rows):
    gate.configure(10, "en", "CNY", "members")
    assert not narrow(disclosed.system(page(sizes(rows))))


ONE_SMALL = [(5, 0, 0), (4, 0, 0), (30, 20, 20), (60, 20, 20)]


def test_the_reader_is_red_when_no_second_part_goes_with_a_small_one(monkeypatch):
    assert not narrow(disclosed.system(page(sizes(ONE_SMALL))))
    monkeypatch.setattr(suppress, "one_way", lambda sizes, *_: [False] * len(sizes))
    found = narrow(disclosed.system(page(sizes(ONE_SMALL))))
    assert [(key, low, high) for key, low, high in found if key == ("now", "Activity", "medium")]
    assert all(high - low < 1 for _, low, high in found)


BESIDE_SHOWN = [(60, 20, 20), (4, 0, 0), (12, 20, 20), (80, 20, 20)]


def test_the_reader_is_red_when_a_title_adds_a_hidden_tier_to_a_shown_one(monkeypatch):
    assert not narrow(disclosed.system(page(sizes(BESIDE_SHOWN))))
    monkeypatch.setattr(findings, "_are_safe", lambda *_: True)
    found = {key: (low, high) for key, low, high in narrow(disclosed.system(page(sizes(BESIDE_SHOWN))))}
    assert found["now", "Activity", "medium"] == pytest.approx((4, 4))


@settings(max_examples=30, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.lists(COUNTS, min_size=2, max_size=9), st.integers(20, 90))
def test_one_way_leaves_every_small_part_ten_people_wide(counts, large):
    counts = [*counts, large]
    small = [0 < count < 10 for count in counts]
    extra = suppress.one_way(counts, small, [None] * len(counts), 10)
    system = disclosed.System()
    for at, count in enumerate(counts):
        system.cell(("part", at), "<10" if small[at] else "withheld" if extra[at] else str(count))
    system.add({("part", at): 1.0 for at in range(len(counts))}, float(sum(counts)))
    assert not narrow(system, ("part",))
    assert not any(extra) or any(small)


@settings(max_examples=6, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.lists(st.lists(COUNTS, min_size=4, max_size=4), min_size=4, max_size=4))
def test_a_rendered_two_way_table_gives_no_small_cell_away(counts):
    gate.configure(10, "en", "CNY", "members")
    drawn = cross(np.array(counts) + np.diag([40, 0, 0, 0]))
    assert not narrow(disclosed.system(drawn), ("now", "activity-by-payment"))


def cross(counts: np.ndarray) -> dict[str, str]:
    payment = disclosed.TIERS["Payment"]
    frame = pd.DataFrame([(a, b, counts[i, j]) for i, a in enumerate(ACTIVITY) for j, b in enumerate(payment)],
                         columns=["activity", "payment", "people"])  # fmt: skip
    drawn = charts.cross(frame, row="activity", column="payment", value="people", finding="x", measure="x")
    return {"03_segments.html": cell("activity-by-payment", drawn.html)}


def test_the_reader_is_red_when_a_two_way_table_hides_small_cells_alone(monkeypatch):
    counts = np.array([[30, 4, 50, 20], [40, 30, 20, 60], [50, 20, 30, 40], [60, 70, 80, 90]])
    assert not narrow(disclosed.system(cross(counts)), ("activity-by-payment",))
    monkeypatch.setattr(suppress, "two_way", lambda found, least: (
        (suppress.with_margins(found) > 0) & (suppress.with_margins(found) < least)).astype(int))  # fmt: skip
    found = narrow(disclosed.system(cross(counts)), ("activity-by-payment",))
    assert found == [(("activity-by-payment", "high", "payer"), 4.0, 4.0)]


@pytest.mark.parametrize(
    ("n", "quantile", "enough"),
    [(20, 0.5, True), (19, 0.5, False), (50, 0.8, True), (49, 0.8, False), (1000, 0.99, True), (999, 0.99, False)],
)
def test_a_quantile_is_told_of_so_many_that_ten_people_lie_beyond_it(n, quantile, enough):
    assert gate.enough_for(n, quantile) is enough


def test_a_number_that_is_kept_back_is_a_word_and_has_its_note():
    frame = pd.DataFrame({"k": ["a", "b"], "n": [50, 60], "v": pd.Series([gate.kept_back(), 7], dtype=object)})
    shown = tables.table(frame, title="x", columns={"k": "text", "n": "people", "v": "count"}, n="n")
    assert "withheld" in shown.text and "Groups of fewer than 10 people" in shown.text
