"""What is said of actives and growth: words that agree with the intervals, and nothing of groups that are too small."""

from __future__ import annotations

import made
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_actives import presence, regulars

from helpers import retention, stats
from helpers.show import gate, tables, words
from helpers.show.said import growth as said

TOO_FEW = words.word("finding.too_few")


def growth(*flows: tuple[int, int, int, int], name: str = "all") -> pd.DataFrame:
    """Weeks of (new, retained, resurrected, churned)."""
    own = pd.DataFrame(flows, columns=said.FLOWS)
    own = own.assign(active=own[said.FLOWS[:3]].sum(axis=1), ever=5000, reason="nobody left", slice=name)
    own["week"] = pd.to_datetime([made.day(7 * at) for at in range(len(own))])
    return own.join(retention.quick_ratio(own["new"], own["resurrected"], own["churned"]))


@pytest.mark.parametrize(
    "last, told",
    [((200, 900, 100, 150), "more than one came"), ((50, 900, 60, 200), "fewer than one came"),
     ((100, 900, 55, 150), "no clear difference"), ((9, 900, 50, 70), TOO_FEW), ((50, 900, 50, 0), "nobody left")],
)  # fmt: skip
def test_the_quick_ratio_is_told_from_its_interval(last, told):
    assert told in said.quick(growth((500, 0, 0, 0), last))


def test_of_a_single_week_no_quick_ratio_is_told():
    assert said.quick(growth((500, 0, 0, 0))) == words.word("finding.growth_short")


def test_why_there_is_no_quick_ratio_is_told_once():
    found = growth((500, 0, 0, 0), (100, 400, 10, 0), (100, 400, 10, 50))
    assert said.why(found.assign(reason=["first", "nobody left", ""])) == "Where there is no quick ratio: first and nobody left."
    assert said.why(found.assign(reason="")) is None and said.why(found[:0]) is None


def test_a_row_with_one_part_of_few_people_is_withheld_whole():
    """Active less new less retained is resurrected: one gap alone could be filled."""
    found = said.shown(growth((120, 500, 9, 40), (120, 500, 0, 40)))
    assert found["least"].tolist() == [9, 40]
    columns = dict.fromkeys(["active", *said.FLOWS], "people")
    text = tables.table(found, title="t", columns={"week": "date", **columns}, n="least").text
    first, second = text.splitlines()[2:4]
    assert first.split()[3:] == ["withheld"] * 3 + ["<10", "withheld"] and second.split()[3:] == ["620", "120", "500", "0", "40"]


@pytest.mark.parametrize(
    "other, told", [((200, 900, 100, 150), "a has a clearly higher"), ((60, 900, 60, 140), "No clear difference")]
)
def test_slices_are_apart_when_their_intervals_do_not_meet(other, told):
    both = pd.concat([growth((50, 800, 60, 150), name="b"), growth(other, name="a")])
    assert told in said.apart(both)
    assert said.apart(growth((50, 800, 60, 150), name="b")) == TOO_FEW


def test_the_latest_slices_come_by_size():
    both = pd.concat([growth((9, 9, 9, 9), (10, 80, 11, 12), name="b"), growth((9, 9, 9, 9), (10, 90, 0, 12), name="a")])
    assert said.latest(both)[["slice", "least"]].to_numpy().tolist() == [["b", 10], ["a", 10]]


def test_those_ever_active_are_told_with_those_still_active():
    assert said.ever(growth((500, 500, 0, 0))) == "Of 5,000 people ever active, 1,000 were active at the end (20.0 %)"
    assert said.ever(growth((0, 9, 0, 9))) == TOO_FEW == said.ever(growth())


def distribution(exactly: list[int]) -> pd.DataFrame:
    own = pd.DataFrame({"days": range(1, len(exactly) + 1), "exactly": exactly})
    own["at_least"], own["of"] = own["exactly"][::-1].cumsum(), sum(exactly)
    own["share"], own["reached"] = own["exactly"] / own["of"], own["at_least"] / own["of"]
    low, high = stats.wilson(own["at_least"], own["of"])
    return own.assign(low=low, high=high, partial=False)


@given(st.lists(st.integers(0, 25), min_size=28, max_size=28).filter(any))
@settings(deadline=None, max_examples=20)
def test_bands_of_active_days_are_of_enough_people_each_and_hold_everybody(exactly):
    days = distribution(exactly)
    found, total = said.banded(days), sum(exactly)
    assert found["people"].sum() == total and found["share"].sum() == pytest.approx(1)
    assert (found["people"] >= gate.settings().min_group).all() or len(found) == 1
    for row, above in zip(found.to_dict("records"), [*found["at_least"][1:], 0], strict=True):
        assert row["people"] == row["at_least"] - above
        assert row["at_least"] == days.loc[days["days"] == row["days"], "at_least"].iloc[0]
        assert row["low"] <= row["so_many_or_more"] == row["at_least"] / total <= row["high"]
    assert found["active_days"].iloc[-1].endswith("28") and found["at_least"].iloc[0] == total


def test_how_often_is_told_of_enough_people_only():
    told = said.often(distribution([100] * 14))
    assert told.startswith("Of 1,400 active people, 21.4 % came on 12 days or more (95 % interval 19.4 to 23.7 %)")
    assert told.endswith("all of them on 7.5 days on average")
    assert "do not reach back 14 days" in said.often(distribution([100] * 14).assign(partial=True))
    assert said.often(distribution([100, *[0] * 10, 9])) == TOO_FEW == said.often(distribution([])[:0])


def test_the_busiest_hour_is_told_of_enough_people_only():
    hours = pd.DataFrame({"weekday": [5, 6, 0], "hour": [20, 9, 1], "people": [80, 90, 9], "mean": [41.4, 30.0, 50.0]})
    assert said.hours(hours) == "Saturday, 20:00 to 21:00, is the busiest hour of the week, with 41 people on average"
    assert said.hours(hours[2:]) == TOO_FEW
    assert said.by_weekday(hours)["weekday"].tolist() == ["Saturday", "Sunday", "Monday"]


def test_both_ratios_stand_under_their_formula():
    actives = retention.actives_day(presence(regulars(1, 4), sliced=False), last_day=made.day(149))
    found = said.ratios(retention.stickiness(actives))
    last = found.tail(2).set_index("ratio")["share"].to_dict()
    assert last == {"WAU over MAU": 1.0, "mean DAU over MAU": pytest.approx((30 + 7) / 60, abs=0.02)}
