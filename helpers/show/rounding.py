"""The mail form of a number: rounded so far that two mails side by side tell of nobody, or kept back.

Counts are rounded to 5, rates are taken from rounded counts, amounts keep two digits. A number is kept back where it describes a
handful, where it differs from last week's by a handful, or where one person may make most of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from helpers.show import format, gate, words

STEP = 5
DIGITS = 2  # of an amount


@dataclass(frozen=True)
class Told:
    """A number of the mail as text: what it is, how it changed, and its sign: -1, 0, 1, or None where no change is told."""

    value: str
    change: str = ""
    sign: int | None = None
    kept_back: bool = False


def told(row: Mapping, unit: str, digits: int | None = None) -> Told:
    """The mail form of one row of the contract `mailed`."""
    hidden = kept_back(row, unit)
    if hidden or format.value(row["value"], "number") == format.UNDEFINED:
        steady = words.word("mail.steady") if hidden and gate.is_small(row["differ"]) and not gate.is_small(row["n"]) else ""
        return Told(hidden or format.UNDEFINED, steady, kept_back=bool(hidden))
    step = step_of(row, unit)
    now, before = (_rounded(row[name], row[over], step) for name, over in (("value", "over"), ("before", "over_before")))
    shown = format.value(now, unit, digits=digits)
    if before is None or gate.is_small(row["n_before"]):
        return Told(shown)
    gap = now - before
    kind = "points" if unit == "share" else "count" if unit == "people" else unit
    text = format.value(gap, kind, digits=digits, sign=True)
    sign = 0 if not any(letter in text for letter in "123456789") else 1 if gap > 0 else -1
    return Told(shown, text if sign else words.word("mail.same"), sign)


def kept_back(row: Mapping, unit: str) -> str:
    """What is said in the place of a number that may not be told; "" where it may."""
    if gate.is_small(row["n"]) and unit == "people":
        return gate.small_mark()
    hidden = gate.is_small(row["n"]) or row.get("withheld") or row["dominated"] or gate.is_small(row["differ"])
    return words.word("gate.withheld") if hidden else ""


def step_of(row: Mapping, unit: str) -> float:
    """To what a number is rounded: further where nobody knows by how many people it differs from last week's."""
    if unit == "money":
        size = max(abs(float(v)) for v in (row["value"], row["before"]) if v == v and v is not None)
        return 10.0 ** (math.floor(math.log10(size)) - DIGITS + 1) if size else 1.0
    unknown = row["differ"] is None or row["differ"] != row["differ"]
    return 2.0 * gate.settings().min_group if unknown and row["part"] == "warning" else float(STEP)


def nearest(number: float, step: float) -> float:
    """The multiple of a step that is nearest; a half goes up."""
    return step * math.floor(float(number) / step + 0.5)


def _rounded(value: object, over: object, step: float) -> float | None:
    if format.value(value, "number") == format.UNDEFINED:
        return None
    if format.value(over, "number") == format.UNDEFINED:
        return nearest(float(value), step)  # type: ignore[arg-type]
    below = nearest(float(over), step)  # type: ignore[arg-type]
    return nearest(float(value), step) / below if below else None  # type: ignore[arg-type]
