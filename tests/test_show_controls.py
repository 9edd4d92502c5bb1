"""Widgets: live where somebody is, one silent call where nobody is."""

from datetime import date

import pytest

from helpers.errors import InputError
from helpers.runs.own_rules import Kept
from helpers.show import controls, tables
from helpers.show.controls import linking


@pytest.fixture(autouse=True)
def live(monkeypatch):
    """Somebody is there, in a fresh kernel."""
    monkeypatch.delenv(controls.HEADLESS, raising=False)
    linking.forget()


def parts(box):
    """The inputs by place, what is shown, the buttons, the code."""
    menus, shown, tools, code, _ = box.children
    undo, reset, *_ = tools.children
    return menus.children, shown, undo, reset, code


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
    assert "Nothing can be shown for these choices." in shown.value and "ZeroDivisionError" in shown.value
    assert "gr-busy" not in box._dom_classes
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


def test_undo_goes_back_choice_by_choice_and_reset_to_the_beginning():
    calls = []
    (by, n), _, undo, reset, _ = parts(controls.explore(seen(calls), by=["a", "b", "c"], n=(1, 9), start={"n": 3}))
    assert undo.disabled and reset.disabled
    by.value, n.value, by.value = "b", 5, "c"
    undo.click()
    assert calls[-1] == {"by": "b", "n": 5}
    undo.click()
    assert calls[-1] == {"by": "b", "n": 3} and not undo.disabled
    reset.click()
    assert calls[-1] == {"by": "a", "n": 3} and reset.disabled and len(calls) == 7
    undo.click()
    assert calls[-1] == {"by": "b", "n": 3}


def test_while_the_function_works_the_old_figure_stays_and_the_box_is_busy():
    held = []

    def function(k):
        held.append([("gr-busy" in box._dom_classes, parts(box)[1].value) for box in boxes])
        return str(k)

    boxes = []
    boxes.append(controls.explore(function, k=[1, 2]))
    parts(boxes[0])[0][0].value = 2
    assert held[-1] == [(True, "<pre>1</pre>")]
    assert "gr-busy" not in boxes[0]._dom_classes and parts(boxes[0])[1].value == "<pre>2</pre>"


def test_a_choice_that_depends_on_another_follows_it_and_keeps_its_value_where_it_can():
    calls = []
    under = {"x": ["one", "two"], "y": ["two", "three"], "z": []}
    (kind, item), *_ = parts(controls.explore(seen(calls), kind=["x", "y"], item=lambda kind: under[kind]))
    item.value = "two"
    kind.value = "y"
    assert calls[-1] == {"kind": "y", "item": "two"}
    item.value = "three"
    kind.value = "x"
    assert calls[-1] == {"kind": "x", "item": "one"} and len(calls) == 5


def test_linked_choices_follow_each_other_and_only_to_values_that_they_have():
    first, second, third = [], [], []
    tiers, fewer, same = (controls.linked(*own) for own in [("t", ["a", "b", "c"]), ("t", ["b", "a"]), ("u", ["a", "b"])])
    (one,), *_ = parts(controls.explore(lambda tier: first.append(tier), tier=tiers))
    (two, _), _, undo, *_ = parts(controls.explore(lambda tier, k: second.append((tier, k)), tier=fewer, k=[1, 2]))
    (other,), *_ = parts(controls.explore(lambda tier: third.append(tier), tier=same))
    two.value = "a"
    assert one.value == "a" and len(first) == 1, "it stood there already"
    one.value = "b"
    assert two.value == "b" and second[-1] == ("b", 1) and len(first) == 2
    one.value = "c"
    assert two.value == "b" and other.value == "a" and len(third) == 1
    undo.click()
    assert two.value == "a" and one.value == "a"


def test_a_cell_that_is_run_again_takes_the_place_of_its_former_self_and_begins_with_the_shared_choice():
    calls = []

    def cell():
        return controls.explore(lambda tier: calls.append(tier) or "x", tier=controls.linked("tier", ["a", "b"]))

    cell()
    other = controls.explore(lambda tier: "y", tier=controls.linked("tier", ["a", "b"]))
    parts(other)[0][0].value = "b"
    again = cell()
    assert parts(again)[0][0].value == "b"
    calls.clear()
    parts(other)[0][0].value = "a"
    assert calls == ["a"], "only the newest of the cell answers"


def test_a_form_of_conditions_adds_and_takes_away_lines_and_can_be_undone():
    calls = []
    columns = {"value": ("string", ("high", "low")), "days": ("int64", ())}
    (form,), _, undo, *_ = parts(controls.explore(seen(calls), condition=controls.Conditions(columns)))
    assert calls[-1] == {"condition": "value = 'high'"}
    form.add.click()
    line = form._lines[1]
    line.column.value = "days"
    assert calls[-1] == {"condition": "value = 'high' AND days >= 0"}
    line.value.value = "12"
    line.join.value = "OR"
    assert calls[-1] == {"condition": "value = 'high' OR days >= 12"}
    line.value.value = "many"
    assert "Condition 2: many is not a number." in form.fault.value and calls[-1]["condition"].endswith("12")
    undo.click()
    assert form.value == "value = 'high' AND days >= 12" and form._lines[1].value.value == "12"
    form._lines[0].away.click()
    assert form.value == "days >= 12" and len(form._lines) == 1


def test_what_a_form_says_is_saved_under_a_name_and_taken_back():
    kept = {}

    def save(name, condition):
        if not name:
            raise InputError("Give it a name.")
        kept[name] = condition
        return Kept("rules.toml", 7, f"{name} = {condition}")

    def drop(name):
        return Kept("rules.toml", 7, f"{name} = {kept.pop(name)}")

    columns = {"days": ("int64", ())}
    (form,), *_ = parts(controls.explore(lambda condition: "x", condition=controls.Conditions(columns, save, drop)))
    form.keep.click()
    assert "Give it a name." in form.said.value and not kept and form.back.disabled
    form.name.value = "often"
    form.keep.click()
    assert kept == {"often": "days >= 0"} and "line 7" in form.said.value
    form.back.click()
    assert not kept and form.back.disabled
