"""Where marks and words go: scales, round ticks, widths of text, labels that do not overlap."""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from matplotlib.ticker import MaxNLocator

from helpers.show import format, words

# Layout reserves the size that phones show (the style sheet enlarges text there), so that nothing collides on either.
SIZE = 15.0
LINE = 17.0
BESIDE = 120.0  # the most that a line of words beside the marks takes

_NARROW = frozenset("ijlftrI.,:;'|!()[]{}-/ ·")
_BROAD = frozenset("mwMW%@—")


@dataclass(frozen=True)
class Scale:
    """Positions of the x values, the ticks as (position, words), the range, and whether the values are numbers."""

    at: list[float]
    ticks: list[tuple[float, str]]
    limits: tuple[float, float]
    counted: bool = False


def width(text: object, size: float = SIZE) -> float:
    """How wide the words are, in SVG units: an estimate on the generous side that needs no font."""
    total = 0.0
    for sign in str(text):
        if unicodedata.east_asian_width(sign) in "WF":
            total += 1.02
        elif unicodedata.combining(sign):
            continue
        else:
            total += 0.34 if sign in _NARROW else 0.92 if sign in _BROAD else 0.7 if sign.isupper() else 0.6
    return total * size


# Where lines may end: at a blank, after the marks of a script without blanks, between two of its characters.
_BETWEEN = re.compile(r"\s|(?<=[，、；：。）])|(?<=[^\x00-\x7f])(?=[^\x00-\x7f，、；：。）])")
_WITHIN = re.compile(r"(?<=[_\-./])")


def wrap(text: object, limit: float, lines: int = 2, size: float = SIZE) -> list[str]:
    """The words in at most so many lines of at most that width; what does not fit ends in an ellipsis."""
    rest, out = format.gate.name(text).strip() or '""', []
    while rest and len(out) < lines:
        if width(rest, size) <= limit:
            return [*out, rest]
        cut = max((i for i in range(1, len(rest) + 1) if width(rest[:i], size) <= limit), default=1)
        cut = _break(rest, cut) if cut < len(rest) else cut
        out.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    if rest:
        last = out[-1]
        while last and width(last + "…", size) > limit:
            last = last[:-1]
        out[-1] = last.rstrip() + "…"
    return out


def _break(text: str, most: int) -> int:
    """Where a line may end at the latest: between words, else within a name such as `feed_order`, else anywhere."""
    for places in (_BETWEEN, _WITHIN):
        found = [place.start() for place in places.finditer(text, 0, most + 1) if 0 < place.start() <= most]
        if found:
            return found[-1]
    return most


def longest(text: object, size: float = SIZE) -> float:
    """How wide the widest part of the words is that no line may break."""
    parts = (part for word in _BETWEEN.split(format.gate.name(text)) for part in _WITHIN.split(word))
    return max((width(part, size) for part in parts), default=0.0)


def nice(low: float, high: float, count: int = 5) -> list[float]:
    """Round tick values that cover low to high."""
    if not high > low:
        high = low + (abs(low) or 1.0)
    ticks = MaxNLocator(nbins=count, steps=[1, 2, 2.5, 5, 10], min_n_ticks=2).tick_values(low, high)
    return [0.0 if abs(tick) < 1e-12 else float(tick) for tick in ticks]


def span(values: Sequence[float], *, zero: bool = False, signed: bool = False) -> tuple[float, float]:
    """The least and greatest to draw: from zero unless the values lie far from it."""
    finite = [float(v) for v in values if v is not None and math.isfinite(float(v))]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    if zero or signed or low < 0.55 * high:
        low, high = min(low, 0.0), max(high, 0.0)
    return (low, high) if high > low else (min(low, 0.0), max(high, 0.0) or 1.0)


def tick_text(value: float, unit: str, step: float) -> str:
    """The words of a tick: no more decimals than its step needs; the unit's name is left to the subtitle."""
    if unit in ("people", "count", "money", "number", "days"):
        short, unit = format.large(value, step), "count" if unit == "people" else unit
        if short:
            return short
    digits = format.step_digits(step * 100 if unit in ("share", "points") else step)
    return format.value(value, unit, digits=digits, bare=unit != "share", sign=unit == "points")


def scale(values: Sequence[object]) -> Scale:
    """Positions for dates, numbers, ISO weeks (in order of time) or any keys (in order of appearance)."""
    kept = list(values)
    if not kept:
        return Scale([], [], (0.0, 1.0))
    if all(hasattr(v, "year") for v in kept):
        days = [v.toordinal() + getattr(v, "hour", 0) / 24 for v in kept]
        return _spread_out(days, _date_ticks(min(days), max(days)))
    if all(isinstance(v, int | float) or hasattr(v, "dtype") for v in kept) and not any(map(_is_text, kept)):
        at = [float(v) for v in kept]
        ticks = nice(min(at), max(at), 6)
        whole = all(a.is_integer() for a in at)
        inside = [t for t in ticks if min(at) <= t <= max(at) and (t.is_integer() or not whole)]
        step = inside[1] - inside[0] if len(inside) > 1 else ticks[1] - ticks[0]
        texts = [(t, tick_text(t, "count" if whole else "number", step)) for t in inside]
        return replace(_spread_out(at, texts), counted=True)
    keys = list(dict.fromkeys(str(v) for v in kept))
    if all(format.week_start(key) for key in keys):
        first = format.week_start(min(keys))
        place = {key: float((format.week_start(key) - first).days // 7) for key in keys}
        return _spread_out([place[str(v)] for v in kept], _week_ticks({p: k for k, p in place.items()}))
    place = {key: float(i) for i, key in enumerate(keys)}
    step = math.ceil(len(keys) / 7)
    return _spread_out([place[str(v)] for v in kept], [(place[k], words.tier(k)) for k in keys[::step]])


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _spread_out(at: list[float], ticks: list[tuple[float, str]]) -> Scale:
    low, high = min(at), max(at)
    return Scale(at, ticks, (low, high) if high > low else (low - 0.5, high + 0.5))


def _date_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """At most six ticks: on days while the span is short, else on firsts of months, the year said when it changes."""
    first, last = dt.date.fromordinal(int(low)), dt.date.fromordinal(int(high))
    days = (last - first).days
    step = next((s for s in (1, 2, 7, 14) if days // s < 6), None)
    if step:
        back = (last - dt.timedelta(days=k) for k in range(0, days + 1, step))
        return [(float(d.toordinal()), format.day(d, year=False)) for d in sorted(back)]
    months = [(y, m) for y in range(first.year, last.year + 1) for m in range(1, 13)]
    every = next((s for s in (1, 2, 3, 6, 12, 24, 60) if days / 30.4 / s < 5), 120)
    firsts = [dt.date(y, m, 1) for y, m in months if (y * 12 + m - 1) % every == 0]
    ticks, year = [], None
    for date in (d for d in firsts if first <= d <= last):
        month = words.word("format.months").split()[date.month - 1]
        text = month if date.year == year else words.word("format.month_year", month=month, year=date.year)
        ticks.append((float(date.toordinal()), text))
        year = date.year
    return ticks


def _week_ticks(labels: dict[float, str]) -> list[tuple[float, str]]:
    """At most six weeks, the last one always among them; the year said when it changes."""
    every = math.ceil((max(labels) + 1) / 6)
    chosen = [p for p in sorted(labels) if (max(labels) - p) % every == 0]
    ticks, year = [], None
    for place in chosen:
        text = labels[place] if labels[place][:4] != year else labels[place][5:]
        year = labels[place][:4]
        ticks.append((place, text))
    return ticks


def spaced(ticks: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Every tick, or every second, third ... of these (SVG units, words), so that no two of their words touch; the last
    one stays."""
    for every in range(1, len(ticks)):
        kept = ticks[::-every][::-1]
        if all(b - a > (width(one) + width(other)) / 2 + 6 for (a, one), (b, other) in pairwise(kept)):
            return kept
    return ticks[-1:]


def apart(wanted: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Centres as near as may be to the wanted ones, so that blocks of these heights lie between low and high without
    overlap (as far as there is room), in their order."""
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    place = list(wanted)
    floor = low
    for i in order:
        place[i] = max(place[i], floor + heights[i] / 2)
        floor = place[i] + heights[i] / 2
    ceiling = high
    for i in reversed(order):
        place[i] = min(place[i], ceiling - heights[i] / 2)
        ceiling = place[i] - heights[i] / 2
    return place
