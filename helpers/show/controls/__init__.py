"""Widgets for people in JupyterLab; where nobody is, the same function runs once and nothing is left on the page.

    choices      what can be chosen from, and the widget of each kind of choice
    explorer     the widgets, what they show, and what goes with it: busy, undo, reset, code
    linking      choices that several cells share
    code         the call that makes the figure, with the present choices in it
    conditions   a form of conditions, which gives SQL
    form         its widgets, and saving what it says
    portrait     cards of a person, a group, a condition
    quality      rows that were set aside
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from helpers.errors import nearest
from helpers.show import tables, words
from helpers.show.controls import choices as kinds
from helpers.show.controls import portrait, quality
from helpers.show.controls.choices import Linked, Stretch, linked
from helpers.show.controls.conditions import Conditions

__all__ = [
    "HEADLESS", "Conditions", "Linked", "Stretch", "called", "explore", "headless", "linked", "offered", "portrait", "quality",
]  # fmt: skip

HEADLESS = "GROWTH_RINGS_HEADLESS"


def explore(function: Callable[..., Any], *, start: dict[str, Any] | None = None, **choices: Any) -> Any:
    """Call a function again whenever a choice changes, and show what it returns.

    Args:
        function: Takes the choices by name; what it returns is displayed, and so is its error.
        start: Values to begin with, by name; without one, a choice begins with its first value.
        choices: By name: a list (menu), a dict (menu of labels), `(low, high)` or `(low, high, step)` of numbers
            (slider), a Stretch of values (slider with two ends), True or False (box), text (field), Conditions (a form),
            `linked(name, choice)` (shared with other cells), or a function of choices before it that gives a list or dict.

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
    first: dict[str, Any] = {}
    for name, choice in choices.items():
        choice = kinds.settled(choice, first)
        if kinds.is_empty(choice):
            return tables.skipped(words.label(name), words.word("explore.nothing"))
        first[name] = kinds.first(name, choice, start.get(name))
    if headless():
        function(**first)
        return None
    from helpers.show.controls.explorer import Explorer

    return Explorer(function, choices, first).box


def called(key: str) -> str:
    """What a metric, a dimension or a tier is called, for a title."""
    return words.label(key)


def offered(values: list) -> list:
    """What there is to choose from, to prepare it; where nobody chooses, the first alone."""
    return values[:1] if headless() else values


def headless() -> bool:
    """Whether nobody is there to move a widget (the runner and the tests set the variable)."""
    return os.environ.get(HEADLESS, "") not in ("", "0")
