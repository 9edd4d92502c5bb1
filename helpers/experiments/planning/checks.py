"""What plans of tests may ask for: checks of plain numbers, each said in plain words."""

from __future__ import annotations

import numpy as np

from helpers.errors import InputError


def number(value: float, name: str, *, above: float | None = None, below: float | None = None) -> float:
    """The value as a finite number, strictly between the limits."""
    told = numbers(value, name)
    if told.ndim:
        raise InputError(f"{name} must be one number, not {told.size}.")
    if above is not None and not told > above:
        raise InputError(f"{name} is {told:g}, must be more than {above:g}.")
    if below is not None and not told < below:
        raise InputError(f"{name} is {told:g}, must be less than {below:g}.")
    return float(told)


def numbers(values, name: str) -> np.ndarray:
    """The values as finite numbers."""
    try:
        told = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be numbers, not {values!r}.") from None
    if not np.isfinite(told).all():
        raise InputError(f"{name} must be finite numbers; some are empty or without an end.")
    return told


def rising(values, name: str) -> np.ndarray:
    """The values as a list of numbers above 0, each larger than the one before it."""
    told = np.atleast_1d(numbers(values, name))
    if told.ndim != 1 or not told.size:
        raise InputError(f"{name} must be a list of at least one number.")
    if told[0] <= 0:
        raise InputError(f"{name} must be above 0; the first is {told[0]:g}.")
    falls = np.flatnonzero(np.diff(told) <= 0)
    if falls.size:
        before, after = told[falls[0]], told[falls[0] + 1]
        raise InputError(f"{name} must increase; {after:g} follows {before:g}. Leave out looks that add nothing.")
    return told


def level(alpha: float, sides: int, comparisons: int = 1) -> float:
    """The false alarms that one side of one comparison may spend (Bonferroni)."""
    if sides not in (1, 2):
        raise InputError(f"sides is {sides!r}, must be 1 or 2.")
    alpha = number(alpha, "alpha", above=0, below=0.5 * sides)
    return alpha / sides / whole(comparisons, "comparisons")


def whole(value: float, name: str, least: int = 1) -> int:
    """The value as a whole number, not below the least."""
    told = number(value, name)
    if told < least or told != int(told):
        raise InputError(f"{name} is {told:g}, must be a whole number from {least} on.")
    return int(told)
