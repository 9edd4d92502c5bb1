"""What can be chosen from, its first value, and the widget of each kind of choice."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from helpers.errors import nearest
from helpers.show import format, words
from helpers.show.controls.conditions import Conditions


class Stretch(NamedTuple):
    """A choice of neighbours among values in their order: the function is given the first and the last of them."""

    values: Sequence[Any]


class Linked(NamedTuple):
    """A choice that cells share: where one of them changes it, the others follow if they have that value, too."""

    group: str
    choice: Any


def linked(group: str, choice: list | dict | Callable) -> Linked:
    """A menu that follows, and is followed by, every menu of the same group in this kernel."""
    return Linked(group, choice)


def plain(choice: Any) -> Any:
    """The choice itself, whether or not it is linked."""
    return choice.choice if isinstance(choice, Linked) else choice


def settled(choice: Any, values: Mapping[str, Any]) -> Any:
    """The choice, worked out where it is a function of the values of choices before it."""
    choice = plain(choice)
    return choice(**{name: values[name] for name in inspect.signature(choice).parameters}) if callable(choice) else choice


def is_empty(choice: Any) -> bool:
    """Whether there is nothing to choose from."""
    return isinstance(choice, list | dict | Stretch) and not options(choice)


def options(choice: Any) -> list[tuple[str, Any]]:
    """The labels and values of a menu or a stretch, in order."""
    values = choice.values if isinstance(choice, Stretch) else choice
    pairs = values.items() if isinstance(values, dict) else ((_label(value), value) for value in values)
    return [(str(label), value) for label, value in pairs]


def _label(value: Any) -> str:
    return format.value(value, "date") if hasattr(value, "year") else words.tier(value)


def first(name: str, choice: Any, wanted: Any) -> Any:
    """The value to begin with, checked against the choice.

    Raises:
        ValueError: It is not among the values.
    """
    if isinstance(choice, bool | str):
        return choice if wanted is None else wanted
    if isinstance(choice, Conditions):
        return wanted or choice.first()
    if _is_slider(choice):
        value = choice[0] if wanted is None else wanted
        if not choice[0] <= value <= choice[1]:
            raise ValueError(f"{name} = {value}: the slider goes from {choice[0]} to {choice[1]}.")
        return value
    if isinstance(choice, Stretch):
        return wanted or (choice.values[0], choice.values[-1])
    values = [value for _, value in options(choice)]
    if wanted is not None and wanted not in values:
        known = [label for label, _ in options(choice)]
        raise ValueError(f'{name} = "{wanted}" is not among {", ".join(known)}.{nearest(wanted, known)}')
    return values[0] if wanted is None else wanted


def _is_slider(choice: Any) -> bool:
    numbers = isinstance(choice, tuple) and not hasattr(choice, "_fields") and len(choice) in (2, 3)
    return numbers and all(isinstance(v, int | float) and not isinstance(v, bool) for v in choice)


def widget(name: str, choice: Any, value: Any) -> Any:
    """The widget of a choice; `value` stands in it."""
    import ipywidgets

    if isinstance(choice, Conditions):
        from helpers.show.controls.form import Form

        return Form(choice, value)
    named: dict[str, Any] = {"value": value, "description": words.label(name), "style": {"description_width": "initial"}}
    if isinstance(choice, bool):
        return ipywidgets.Checkbox(**named, indent=False)
    if isinstance(choice, str):
        return ipywidgets.Text(**named, continuous_update=False)
    if _is_slider(choice):
        whole = all(isinstance(v, int) for v in choice)
        step = choice[2] if len(choice) == 3 else 1 if whole else (choice[1] - choice[0]) / 100
        kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        return kind(min=choice[0], max=choice[1], step=step, continuous_update=False, **named)
    if isinstance(choice, Stretch):
        return ipywidgets.SelectionRangeSlider(options=options(choice), continuous_update=False, **named)
    return ipywidgets.Dropdown(options=options(choice), **named)
