"""Figures that compare: bars with their intervals, effects with theirs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from helpers.show import format, gate, palette, sentences, words
from helpers.show.charts import axes, figure, svg

if TYPE_CHECKING:
    import pandas as pd

BAR, GAP, HEADING, EFFECT = 20.0, 12.0, 28.0, 46.0
GUTTER = 150.0


def bars(
    frame: pd.DataFrame,
    *,
    category: str,
    value: str,
    finding: str,
    measure: str,
    unit: str = "number",
    low: str | None = None,
    high: str | None = None,
    n: str | None = None,
    group: str | None = None,
    focus: object = None,
    clear: str | None = None,
    parts: bool = True,
    digits: int | None = None,
    alt: str | None = None,
) -> gate.Shown:
    """Horizontal bars in the frame's order, each with its name before it and its value after it.

    Args:
        frame: One row a bar.
        low, high: The interval of the value, drawn over the bar.
        n: People behind a bar; small groups are withheld.
        group: A column whose values head blocks of bars (the dimensions of several tiers).
        focus: The bar to accent; the others turn grey.
        clear: A column: whether the finding calls the bar a change; the others turn grey.
        parts: The bars are parts of a whole that readers may know (tiers of all members, channels of all who came),
            so that a single withheld one takes another with it; False for periods or unrelated things.
    """
    said = figure.said(finding, measure, unit, digits, alt)
    n = n or (value if unit == "people" else None)
    safe = gate.withhold(frame, n, [c for c in (value, low, high) if c], parts=parts, within=group)
    said = figure.settled(said, safe[value])
    records = safe.to_dict("records")
    drawing = _bars(records, said, (category, group), (value, low, high), (focus, clear)) if records else ""
    keys = [c for c in (category, group) if c]
    head, rows = figure.data(safe, said, keys=keys, values=[value], low=low, high=high, n=n)
    notes = figure.notes(safe, band="interval_bar" if low and drawing else "")
    notes += [words.word("chart.grey_bar") if clear and drawing and not all(safe[clear]) else ""]
    reading = figure.extremes([words.tier(record[category]) for record in records], list(safe[value]), said)
    return figure.figure("bars", drawing, said, head=head, rows=rows, reading=reading, notes=notes)


def _bars(records: list[dict], said, keys, columns, accented) -> str:
    (category, group), value = keys, columns[0]
    places, height = _places(records, category, group)
    labels = [axes.wrap(words.tier(record[category]), GUTTER) for record in records]
    signed = said.unit != "share" and any(number < 0 for number in figure.floats(record[value] for record in records))
    texts = [record["withheld"] or said.value(record[value], sign=signed) for record in records]
    sheet = _bar_sheet(records, said, labels, texts, height, columns)
    _draw_bars(sheet, records, places, category, columns, accented)
    _bar_words(sheet, records, places, labels, texts, columns)
    return svg.markup(sheet)


def _places(records: list[dict], category: str, group: str | None) -> tuple[list[tuple[float, str]], float]:
    """For each bar its middle (SVG units from the top) and the heading before it, and the height of it all."""
    found, top, before = [], 2.0, None
    for record in records:
        heading = words.label(record[group]) if group and record[group] != before else ""
        before = record[group] if group else None
        top += HEADING if heading else 0.0
        two = len(axes.wrap(words.tier(record[category]), GUTTER)) > 1
        tall = BAR + GAP + (6 if two else 0)
        found.append((top + tall / 2, heading))
        top += tall
    return found, max(top + 2, 40.0)


def _bar_sheet(records, said, labels, texts, height, columns) -> svg.Sheet:
    """The plot area is what the names before and the values after the bars leave."""
    numbers = [v for c in columns if c for v in figure.floats(record[c] for record in records)]
    low, high = axes.span(numbers, zero=True)
    left = max((axes.width(line) for lines in labels for line in lines), default=0) + 10
    after = max((axes.width(text) * 1.06 for text in texts), default=0) + 10
    before = after if low < 0 else 0.0
    return svg.sheet(height, margins=(left + before, after, 0, 0), xlim=(low, high), ylim=(0, height))


def _draw_bars(sheet: svg.Sheet, records, places, category, columns, accented) -> None:
    value, low, high = columns
    ink, base = palette.TOKENS["ink"][0], palette.TOKENS["base"][0]
    for record, (middle, _) in zip(records, places, strict=True):
        tone, at = _bar_tone(record, category, *accented), sheet.height - middle
        number = figure.floats([record[value]])[0]
        if not math.isnan(number):
            svg.blocks(sheet, tone, [(min(number, 0.0), at - BAR / 2, max(number, 0.0), at + BAR / 2)])
        ends = figure.floats([record[low], record[high]]) if low and high else [math.nan]
        if not any(map(math.isnan, ends)):
            sheet.axes.plot(ends, [at, at], color=palette.TOKENS["paper"][0], linewidth=4.2, zorder=4, clip_on=False)
            sheet.axes.plot(ends, [at, at], color=ink, linewidth=1.6, zorder=5, clip_on=False)
    for top, end in _blocks(places):
        sheet.axes.plot([0, 0], [sheet.height - end, sheet.height - top], color=base, linewidth=1.2, zorder=6, clip_on=False)


def _blocks(places: list[tuple[float, str]]) -> list[tuple[float, float]]:
    """Top and end of each stretch of bars; between two stands a heading, which no line may cross."""
    found: list[tuple[float, float]] = []
    for middle, heading in places:
        top, end = middle - (BAR + GAP) / 2, middle + (BAR + GAP) / 2
        if found and not heading:
            top, _ = found.pop()
        found.append((top, end))
    return found


def _bar_tone(record: dict, category: str, focus: object, clear: str | None) -> str:
    if record["few"]:
        return "faint"
    if clear:
        return "accent" if record[clear] else "quiet"
    if focus is not None:
        return "accent" if str(record[category]) == str(focus) else "quiet"
    return palette.KNOWN.get(str(record[category]).replace("_", " "), "accent")


def _bar_words(sheet: svg.Sheet, records, places, labels, texts, columns) -> None:
    value = columns[0]
    for record, (middle, heading), lines, text in zip(records, places, labels, texts, strict=True):
        if heading:
            svg.put(sheet, 0, middle - (BAR + GAP) / 2 - 8, heading, "i b")
        first = middle + 4.5 - (len(lines) - 1) * 8
        for i, line in enumerate(lines):
            svg.put(sheet, sheet.left - 8 if not _negative(sheet) else _gutter(labels), first + i * 16, line, "e i")
        number = figure.floats([record[value]])[0]
        ends = [v for v in figure.floats(record[c] for c in columns if c) if not math.isnan(v)]
        place, look = sheet.x(max(ends, default=0.0)) + 7, "i b"
        if not math.isnan(number) and number < 0:
            place, look = sheet.x(min(ends)) - 7, "e i b"
        svg.put(sheet, place, middle + 4.5, text, look if not (record["few"] or record["withheld"]) else look[:-4].strip())


def _negative(sheet: svg.Sheet) -> bool:
    return sheet.xlim[0] < 0


def _gutter(labels: list[list[str]]) -> float:
    return max((axes.width(line) for lines in labels for line in lines), default=0) + 2


def forest(
    frame: pd.DataFrame,
    *,
    label: str,
    value: str,
    low: str,
    high: str,
    finding: str,
    measure: str,
    unit: str = "points",
    n: str | None = None,
    clear: str | None = None,
    null: float = 0.0,
    digits: int | None = None,
    alt: str | None = None,
) -> gate.Shown:
    """Estimates with their intervals against the line of no effect; an interval that covers it is grey.

    Args:
        frame: One row an estimate: `label`, `value`, `low`, `high`, all in the unit (points: shares, 0 to 1).
        n: People behind an estimate (of the smaller arm); small groups are withheld.
        clear: A column: whether the estimate differs from no effect, its number of neighbours allowed for, as the finding
            says; else it is grey, whatever its own interval. None: the intervals hold all at once, or there is one.
        null: The value of no effect: 0 for differences, 1 for ratios.
    """
    said = figure.said(finding, measure, unit, digits, alt)
    safe = gate.withhold(frame, n, [value, low, high])
    said = figure.settled(said, safe[value])
    records = safe.to_dict("records")
    texts = [_effect_text(record, said, value, low, high) for record in records]
    estimates = [figure.floats([record[c] for c in (value, low, high)]) for record in records]
    names = [axes.wrap(words.tier(record[label]), GUTTER, 3) for record in records]
    apart = [_is_apart(numbers, null) and not record["few"] for numbers, record in zip(estimates, records, strict=True)]
    sure = [own and bool(record[clear] if clear else True) for own, record in zip(apart, records, strict=True)]
    drawing = _forest(said, names, texts, estimates, sure, null) if figure.any_number(safe[value]) else ""
    head, rows = figure.data(safe, said, keys=[label], values=[value], low=low, high=high, n=n)
    notes = figure.notes(safe, band="interval_bar" if drawing else "")
    notes += [words.word("chart.grey_effect") if sure != apart else ""]
    told = (f"{words.tier(r[label])} {' '.join(t)}" for r, t in zip(records[:6], texts, strict=False))
    reading = format.joined(told, "clauses")
    return figure.figure("forest", drawing, said, head=head, rows=rows, reading=reading, notes=notes)


def _is_apart(numbers: list[float], null: float) -> bool:
    _, low, high = numbers
    return sentences.verdict(low - null, high - null) in ("up", "down")


def _forest(said, names, texts, estimates, sure, null: float) -> str:
    ticks = axes.nice(*axes.span([null, *(v for numbers in estimates for v in numbers)]), count=4)
    left = max(axes.width(line) for lines in names for line in lines) + 16
    right = max(axes.width(line) for lines in texts for line in lines) + 14
    tall = max(EFFECT, max(map(len, names)) * axes.LINE + 12)
    sheet = svg.sheet(tall * len(names) + 36, margins=(left, right, 6, 30), xlim=(ticks[0], ticks[-1]),
                      ylim=(len(names) - 0.5, -0.5))  # fmt: skip
    _forest_ground(sheet, ticks, null, said.unit)
    for at, (name, text) in enumerate(zip(names, texts, strict=True)):
        _effect(sheet, at, estimates[at], sure[at])
        _effect_words(sheet, at, name, text)
    return svg.markup(sheet)


def _effect_text(record: dict, said, value: str, low: str, high: str) -> list[str]:
    """The estimate, and its interval under it."""
    if record["withheld"]:
        return [record["withheld"]]
    around = format.interval(record[low], record[high], said.unit, digits=said.digits)
    ratio = said.unit == "number"
    return [said.value(record[value], sign=not ratio), around] if around != format.UNDEFINED else [format.UNDEFINED]


def _forest_ground(sheet: svg.Sheet, ticks: list[float], null: float, unit: str) -> None:
    step = ticks[1] - ticks[0]
    for tick in ticks:
        sheet.axes.plot([tick, tick], sheet.ylim, color=palette.TOKENS["rule"][0], linewidth=1, zorder=1)
    for place, text in axes.spaced([(sheet.x(tick), axes.tick_text(tick, unit, step)) for tick in ticks]):
        svg.put(sheet, place, sheet.height - 9, text, "m")
    sheet.axes.plot([null, null], sheet.ylim, color=palette.TOKENS["base"][0], linewidth=1.6, zorder=2)


def _effect(sheet: svg.Sheet, at: int, numbers: list[float], sure: bool) -> None:
    if any(map(math.isnan, numbers)):
        return
    value, low, high = numbers
    tone = palette.TOKENS["accent" if sure else "quiet"][0]
    sheet.axes.plot([low, high], [at, at], color=tone, linewidth=2.4, zorder=3)
    sheet.axes.plot([value], [at], "o", color=tone, markersize=10, markeredgewidth=0, zorder=4)


def _effect_words(sheet: svg.Sheet, at: int, name: list[str], text: list[str]) -> None:
    middle = sheet.y(at)
    for lines, place, looks in ((name, 0.0, ("i", "i")), (text, sheet.width - sheet.right + 12, ("i b", ""))):
        first = middle + 4.5 - (len(lines) - 1) * axes.LINE / 2
        for i, line in enumerate(lines):
            svg.put(sheet, place, first + i * axes.LINE, line, looks[min(i, 1)])
