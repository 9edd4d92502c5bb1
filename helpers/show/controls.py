"""Widgets for people in JupyterLab; where nobody is, the same function runs once and nothing is left on the page."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from helpers.errors import nearest
from helpers.show import format, gate, tables, words

HEADLESS = "GROWTH_RINGS_HEADLESS"


class Stretch(NamedTuple):
    """A choice of neighbours among values in their order: the function is given the first and the last of them."""

    values: Sequence[Any]


def explore(function: Callable[..., Any], *, start: dict[str, Any] | None = None, **choices: Any) -> Any:
    """Call a function again whenever a choice changes, and show what it returns.

    Args:
        function: Takes the choices by name; what it returns is displayed, and so is its error.
        start: Values to begin with, by name; without one, a choice begins with its first value.
        choices: By name: a list (menu), a dict (menu of labels), `(low, high)` or `(low, high, step)` of numbers
            (slider), a Stretch of values (slider with two ends), True or False (box), text (field).

    Returns:
        A widget; or None when headless, the function having been called once with the starting values, so that a
        broken cell fails the run. Where a choice has no values, a line that says so.

    Raises:
        ValueError: A starting value is not among its choices.
    """
    start = start or {}
    unknown = set(start) - set(choices)
    if unknown:
        name = sorted(unknown)[0]
        raise ValueError(f'start: there is no choice "{name}". Choices: {", ".join(choices)}.{nearest(name, choices)}')
    for name, choice in choices.items():
        if isinstance(choice, list | dict | Stretch) and not _options(choice):
            return tables.skipped(words.label(name), words.word("explore.nothing"))
    first = {name: _first(name, choice, start.get(name)) for name, choice in choices.items()}
    if headless():
        function(**first)
        return None
    import ipywidgets

    inputs = {name: _widget(name, choice, first[name]) for name, choice in choices.items()}
    # Not an Output: a kernel that is driven by plain papermill or nbconvert may wait for its front end for ever.
    shown = ipywidgets.HTML(_markup(function(**first)))

    def again(_) -> None:
        shown.value = _answer(function, {name: widget.value for name, widget in inputs.items()})

    for widget in inputs.values():
        widget.observe(again, names="value")
    return ipywidgets.VBox([ipywidgets.HBox(list(inputs.values()), layout={"flex_flow": "row wrap"}), shown])


def headless() -> bool:
    """Whether nobody is there to move a widget (the runner and the tests set the variable)."""
    return os.environ.get(HEADLESS, "") not in ("", "0")


def _answer(function: Callable[..., Any], values: dict[str, Any]) -> str:
    """What the function returns for a choice; its error, where it cannot."""
    try:
        return _markup(function(**values))
    except Exception as fault:
        return f"<pre>{gate.escape(f'{type(fault).__name__}: {fault}')}</pre>"


def _markup(result: Any) -> str:
    if isinstance(result, gate.Shown):
        return gate.lab_style() + result.html
    if result is None:
        return ""
    return getattr(result, "_repr_html_", lambda: None)() or f"<pre>{gate.escape(result)}</pre>"


def _options(choice: Any) -> list[tuple[str, Any]]:
    values = choice.values if isinstance(choice, Stretch) else choice
    pairs = values.items() if isinstance(values, dict) else ((str(value), value) for value in values)
    return [(str(label), value) for label, value in pairs]


def _is_slider(choice: Any) -> bool:
    numbers = isinstance(choice, tuple) and not isinstance(choice, Stretch) and len(choice) in (2, 3)
    return numbers and all(isinstance(v, int | float) and not isinstance(v, bool) for v in choice)


def _first(name: str, choice: Any, wanted: Any) -> Any:
    """The value to begin with, checked against the choice."""
    if isinstance(choice, bool | str):
        return choice if wanted is None else wanted
    if _is_slider(choice):
        value = choice[0] if wanted is None else wanted
        if not choice[0] <= value <= choice[1]:
            raise ValueError(f"{name} = {value}: the slider goes from {choice[0]} to {choice[1]}.")
        return value
    options = _options(choice)
    if isinstance(choice, Stretch):
        return wanted or (choice.values[0], choice.values[-1])
    values = [value for _, value in options]
    if wanted is not None and wanted not in values:
        known = [label for label, _ in options]
        raise ValueError(f'{name} = "{wanted}" is not among {", ".join(known)}.{nearest(wanted, known)}')
    return values[0] if wanted is None else wanted


def _widget(name: str, choice: Any, value: Any) -> Any:
    import ipywidgets

    named: dict[str, Any] = {"value": value, "description": words.label(name), "style": {"description_width": "initial"}}
    if isinstance(choice, bool):
        return ipywidgets.Checkbox(**named)
    if isinstance(choice, str):
        return ipywidgets.Text(**named, continuous_update=False)
    if _is_slider(choice):
        whole = all(isinstance(v, int) for v in choice)
        step = choice[2] if len(choice) == 3 else 1 if whole else (choice[1] - choice[0]) / 100
        kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        return kind(min=choice[0], max=choice[1], step=step, continuous_update=False, **named)
    if isinstance(choice, Stretch):
        options = [(format.value(each, "date") if hasattr(each, "year") else str(each), each) for each in choice.values]
        return ipywidgets.SelectionRangeSlider(options=options, continuous_update=False, **named)
    return ipywidgets.Dropdown(options=_options(choice), **named)
