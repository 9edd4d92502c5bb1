"""Who carries a tag since when, worked out week by week in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Week = dict[str, Any] | None  # a portrait, or None before there is one


def carried(weeks: Sequence[Week], rule: dict, holds: Callable, drops: Callable, *, unknown_past: bool = False) -> list[bool]:
    """Whether a tag is carried at each week's end; with `unknown_past` as if it had been earned just before the first."""
    on, last, found = unknown_past, -1, []
    for week, portrait in enumerate(weeks):
        if portrait is None:
            on = False
        elif holds(portrait):
            on, last = True, week
        elif on:
            age = week - last
            is_due = drops(portrait) and age >= rule.get("min_weeks", 1)
            on = not (is_due or age >= len(weeks) - 1)
        found.append(on)
    return found


def states(weeks: Sequence[Week], rules: Sequence[dict], tests: Sequence[tuple[Callable, Callable]]) -> dict[str, dict]:
    """By tag: now, before, kept, the week in which the spell began, and whether it may have begun earlier."""
    raw = [carried(weeks, rule, *test) for rule, test in zip(rules, tests, strict=True)]
    found = {}
    for at, rule in enumerate(rules):
        first = [
            any(
                raw[other][week]
                for other, one in enumerate(rules)
                if "exclusive" in rule and one["group"] == rule["group"] and one.get("exclusive", 99) < rule["exclusive"]
            )
            for week in range(len(weeks))
        ]
        seen = [on and not taken for on, taken in zip(raw[at], first, strict=True)]
        began = len(seen) - next((ago for ago, on in enumerate(reversed(seen)) if not on), len(seen))
        long_ago = carried(weeks, rule, *tests[at], unknown_past=True)
        found[rule["name"]] = {
            "now": seen[-1],
            "before": seen[-2],
            "kept": seen[-1] and not tests[at][0](weeks[-1]),
            "began": began if seen[-1] else None,
            "at_least": seen[-1] and all(long_ago) and not any(first) and weeks[0] is not None,
        }
    return {tag: state for tag, state in found.items() if state["now"] or state["before"]}
