"""Widgets: live where somebody is, one silent call where nobody is."""

from datetime import date

import pytest

from helpers.show import controls, tables


def seen(calls):
    def function(**values):
        calls.append(values)
        return "shown"

    return function


def test_headless_the_function_runs_once_with_the_starting_values_and_nothing_is_left(monkeypatch):
    monkeypatch.setenv(controls.HEADLESS, "1")
    calls = []
    left = controls.explore(seen(calls), by=["channel", "city"], weeks=(4, 26), exact=False, start={"weeks": 13})
    assert left is None
    assert calls == [{"by": "channel", "weeks": 13, "exact": False}]


def test_headless_a_broken_cell_fails(monkeypatch):
    monkeypatch.setenv(controls.HEADLESS, "1")
    with pytest.raises(ZeroDivisionError):
        controls.explore(lambda k: 1 / k, k=[0, 1])


def test_live_a_change_calls_the_function_again(monkeypatch):
    monkeypatch.delenv(controls.HEADLESS, raising=False)
    ipywidgets = pytest.importorskip("ipywidgets")
    calls = []
    box = controls.explore(seen(calls), by=["channel", "city"], weeks=(4, 26, 2), share=(0.0, 1.0), exact=True, name="a")
    inputs = box.children[0].children
    kinds = ["Dropdown", "IntSlider", "FloatSlider", "Checkbox", "Text"]
    assert [type(widget).__name__ for widget in inputs] == kinds
    assert isinstance(box, ipywidgets.Widget) and calls[0]["by"] == "channel"
    inputs[0].value = "city"
    assert calls[-1]["by"] == "city" and len(calls) == 2


def test_live_what_the_function_returns_is_shown_and_so_is_the_error_of_a_later_choice(monkeypatch):
    monkeypatch.delenv(controls.HEADLESS, raising=False)
    box = controls.explore(lambda k: tables.facts({"twelve over k": 12 // k}), k=[4, 3, 0])
    menu, shown = box.children[0].children[0], box.children[1]
    assert ">3<" in shown.value
    menu.value = 3
    assert ">4<" in shown.value
    menu.value = 0
    assert shown.value.startswith("<pre>ZeroDivisionError: ")
    assert not any(type(widget).__name__ == "Output" for widget in box.children)


def test_labels_of_a_dict_stand_for_its_values(monkeypatch):
    monkeypatch.delenv(controls.HEADLESS, raising=False)
    calls = []
    box = controls.explore(seen(calls), unit={"ISO week": "week", "30 days": 30}, start={"unit": 30})
    assert box.children[0].children[0].options == (("ISO week", "week"), ("30 days", 30))
    assert calls[0] == {"unit": 30}


@pytest.mark.parametrize("nothing", [[], {}, controls.Stretch([])])
@pytest.mark.parametrize("headless", ["", "1"])
def test_where_there_is_nothing_to_choose_from_it_is_said_and_nothing_called(monkeypatch, nothing, headless):
    monkeypatch.setenv(controls.HEADLESS, headless)
    calls = []
    said = controls.explore(seen(calls), unit=["week"], metric=nothing)
    assert "there is nothing to choose from yet" in said.text and calls == []


def test_a_stretch_gives_its_two_ends(monkeypatch):
    monkeypatch.delenv(controls.HEADLESS, raising=False)
    calls = []
    box = controls.explore(seen(calls), cohorts=controls.Stretch([date(2026, 1, 5), date(2026, 1, 12), date(2026, 1, 19)]))
    slider = box.children[0].children[0]
    assert type(slider).__name__ == "SelectionRangeSlider" and slider.options[0] == ("5 Jan 2026", date(2026, 1, 5))
    slider.index = (1, 2)
    assert calls == [{"cohorts": (date(2026, 1, 5), date(2026, 1, 19))}, {"cohorts": (date(2026, 1, 12), date(2026, 1, 19))}]


@pytest.mark.parametrize(
    ("choices", "start", "says"),
    [
        ({"by": ["channel"]}, {"by": "chanel"}, 'Did you mean "channel"'),
        ({"weeks": (4, 26)}, {"weeks": 99}, "from 4 to 26"),
        ({"by": ["channel"]}, {"bye": "x"}, 'Did you mean "by"'),
    ],
)
def test_a_wrong_start_is_named(choices, start, says):
    with pytest.raises(ValueError, match=says):
        controls.explore(lambda **_: None, start=start, **choices)
