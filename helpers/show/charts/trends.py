"""Figures over time or age: lines with their intervals, and flows above and below zero."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.collections import LineCollection

from helpers.show import format, gate, palette, words
from helpers.show.charts import axes, figure, svg

if TYPE_CHECKING:
    import pandas as pd

HEIGHT = 310.0
MANY_LINES = 8


def lines(
    frame: pd.DataFrame,
    *,
    x: str,
    y: str,
    finding: str,
    measure: str,
    unit: str = "number",
    by: str | None = None,
    low: str | None = None,
    high: str | None = None,
    n: str | None = None,
    partial: str | None = None,
    focus: object = None,
    shaded: str = "interval",
    digits: int | None = None,
    alt: str | None = None,
) -> gate.Shown:
    """Lines, each labelled at its end.

    Args:
        frame: One row a point: `x` (date, number, ISO week or key) and `y`.
        by: The column that names the line; without it there is one.
        low, high: The interval of `y`, drawn as a band.
        n: People behind a point; small groups leave a gap, few people are a grey dot.
        partial: A column of booleans: points whose period is not complete (dashed).
        focus: The line to accent; the others turn grey.
        shaded: What the band is: the "interval" of `y`, or where it is "usual"; a point outside of that has a dot.
    """
    said = figure.said(finding, measure, unit, digits, alt)
    n = n or (y if unit == "people" else None)
    safe = gate.withhold(frame, n, [c for c in (y, low, high) if c])
    said = figure.settled(said, safe[y])
    scale = axes.scale(list(safe[x]))
    names = [str(v) for v in safe[by]] if by else [""] * len(safe)
    points = _points(safe, scale.at, [figure.key_text(v) for v in safe[x]], names, (y, low, high, partial))
    drawing = ""
    if figure.any_number(safe[y]):
        drawing = _drawn(points, scale, said, _tones(list(points), focus, by), words.label(x), shaded == "usual")
    dashed = bool(partial) and any(bool(v) for v in safe[partial])
    notes = figure.notes(safe, band=f"{shaded}_band" if low and drawing else "", partial=dashed)
    told = None if n == y else n
    if by and not low and (told is None or (safe.groupby(x)[told].nunique() == 1).all()):
        head, rows = figure.side_by_side(safe, said, key=x, by=by, value=y, n=told)
    else:
        head, rows = figure.data(safe, said, keys=[c for c in (x, by) if c], values=[y], low=low, high=high, n=n, interval=shaded)
    reading = _reading(points, said)
    return figure.figure("lines", drawing, said, head=head, rows=rows, reading=reading, notes=notes)


def _points(safe, at, texts, names, columns) -> dict[str, list[tuple]]:
    """Per line, in order of x: (position, value, low, high, partial, words of x, few people)."""
    y, low, high, partial = columns
    lows, highs = (figure.floats(safe[c]) if c else [math.nan] * len(safe) for c in (low, high))
    opened = [bool(v) for v in safe[partial]] if partial else [False] * len(safe)
    found: dict[str, list[tuple]] = {name: [] for name in dict.fromkeys(names)}
    few = list(safe["few"])
    for name, *point in zip(names, at, figure.floats(safe[y]), lows, highs, opened, texts, few, strict=True):
        found[name].append(tuple(point))
    return {name: sorted(rows, key=lambda row: row[0]) for name, rows in found.items()}


def _tones(names: list[str], focus: object, by: str | None) -> dict[str, str]:
    """The colour of each line: its key's own; grey beside a focus, or when there are too many to tell apart."""
    if not by:
        return dict.fromkeys(names, "accent")
    if focus is not None:
        return {name: "accent" if name == str(focus) else "quiet" for name in names}
    if len(names) > MANY_LINES:
        return {name: "accent" if name == names[-1] else "quiet" for name in names}
    return palette.tokens(names)


def _drawn(points, scale, said, tones, name: str, usual: bool = False) -> str:
    sheet = _line_sheet(points, scale, said, tones)
    if scale.counted:
        svg.put(sheet, sheet.width - sheet.right + 12, sheet.height - 7, axes.wrap(name, max(sheet.right - 12, 40), 1)[0])
    _draw_lines(sheet, points, tones)
    for rows in points.values() if usual else ():
        _draw_outside(sheet, rows)
    _end_labels(sheet, points, said, tones)
    return svg.markup(sheet)


def _line_sheet(points, scale, said, tones) -> svg.Sheet:
    numbers = [v for rows in points.values() for row in rows for v in row[1:4]]
    ticks = axes.nice(*axes.span(numbers, signed=said.unit == "points"))
    step = ticks[1] - ticks[0]
    labels = [axes.tick_text(tick, said.unit, step) for tick in ticks]
    left = max(axes.width(label) for label in labels) + 10
    named = [name for name in points if _is_named(name, tones)]
    right = max([_label_width(name, rows, said) for name, rows in points.items() if name in named] or [20]) + 16
    pad = (scale.limits[1] - scale.limits[0]) * 0.01
    xlim = (scale.limits[0] - pad, scale.limits[1] + pad)
    sheet = svg.sheet(HEIGHT, margins=(left, right, 14, 30), xlim=xlim, ylim=(ticks[0], ticks[-1]))
    ground(sheet, list(zip(ticks, labels, strict=True)), scale.ticks)
    return sheet


def ground(sheet: svg.Sheet, across: list[tuple[float, str]], along: list[tuple[float, str]]) -> None:
    """Grid lines with their values, the base line, and the ticks of the x axis."""
    low, high = sheet.xlim
    for value, text in across:
        base = value == 0 or (value == sheet.ylim[0] and sheet.ylim[0] > 0)
        tone = palette.TOKENS["base" if base else "rule"][0]
        sheet.axes.plot([low, high], [value, value], color=tone, linewidth=1.2 if base else 1, zorder=1 + base)
        svg.put(sheet, sheet.left - 8, sheet.y(value) + 4.5, text, "e")
    kept = axes.spaced([(sheet.x(value), text) for value, text in along])
    for value, text in along:
        if (sheet.x(value), text) not in kept:
            continue
        half = axes.width(text) / 2
        middle = min(max(sheet.x(value), half), sheet.width - half)
        sheet.axes.plot([value, value], [sheet.ylim[0], sheet.ylim[0] - 5 / _per_unit(sheet)], clip_on=False,
                        color=palette.TOKENS["base"][0], linewidth=1)  # fmt: skip
        svg.put(sheet, middle, sheet.height - 7, text, "m")


def _per_unit(sheet: svg.Sheet) -> float:
    return abs(sheet.y(0) - sheet.y(1))


def _is_named(name: str, tones: dict[str, str]) -> bool:
    return len(tones) <= MANY_LINES or tones[name] != "quiet"


def _last(rows: list[tuple]) -> tuple | None:
    return next((row for row in reversed(rows) if not math.isnan(row[1])), None)


def _label(name: str, rows: list[tuple], said) -> list[str]:
    """The words at a line's end: its name (three lines at most), then its last value."""
    last = _last(rows)
    value = said.value(last[1]) if last else ""
    return [*(axes.wrap(words.tier(name), axes.BESIDE, 3) if name else []), value]


def _label_width(name: str, rows: list[tuple], said) -> float:
    return max(axes.width(line) * (1.06 if i else 1.0) for i, line in enumerate(_label(name, rows, said)))


def _runs(rows: list[tuple]) -> list[tuple[list[tuple], bool]]:
    """Unbroken stretches of a line, each with whether it is dashed; a dashed one begins at the last whole point."""
    found: list[tuple[list[tuple], bool]] = []
    before = None
    for row in rows:
        if math.isnan(row[1]):
            before = None
            continue
        if before is None or bool(row[4]) != found[-1][1]:
            found.append(([*([before] if before else []), row], bool(row[4])))
        else:
            found[-1][0].append(row)
        before = row
    return found


def _draw_lines(sheet: svg.Sheet, points: dict, tones: dict[str, str]) -> None:
    """Bands first, grey lines next, coloured ones on top; a dot at each end and on every point that stands alone."""
    order = sorted(points, key=lambda name: tones[name] != "quiet")
    strokes: list[tuple] = []
    for name in order:
        tone = palette.TOKENS[tones[name]][0]
        for at, (run, dashed) in enumerate(_runs(points[name])):
            banded = [row for row in run if not (math.isnan(row[2]) or math.isnan(row[3]))]
            if len(banded) > 1:
                place, _, lows, highs = ([row[i] for row in banded] for i in range(4))
                sheet.axes.fill_between(place, lows, highs, color=tone, alpha=0.16, linewidth=0, zorder=2)
            if len(run) == 1:
                sheet.axes.plot([run[0][0]], [run[0][1]], "o", color=tone, markersize=5, markeredgewidth=0, zorder=6)
            strokes += [(row[0], row[1], name, f"{at}-{name}", dashed) for row in run if len(run) > 1]
        _draw_few(sheet, points[name])
        last = _last(points[name])
        if last and _is_named(name, tones):
            face = palette.TOKENS["paper"][0] if last[4] else tone
            sheet.axes.plot([last[0]], [last[1]], "o", color=face, markeredgecolor=tone, markersize=7,
                            markeredgewidth=1.6, zorder=7, clip_on=False)  # fmt: skip
    crowd = [stroke for stroke in strokes if not _is_named(stroke[2], tones)]
    _draw_crowd(sheet, crowd)
    _draw_named(sheet, [stroke for stroke in strokes if _is_named(stroke[2], tones)], order, tones)


def _draw_few(sheet: svg.Sheet, rows: list[tuple]) -> None:
    """A grey dot on each point about few people."""
    few = [row for row in rows if row[6] and not math.isnan(row[1])]
    if few:
        grey, paper = palette.TOKENS["quiet"][0], palette.TOKENS["paper"][0]
        sheet.axes.plot([row[0] for row in few], [row[1] for row in few], "o", color=grey, markeredgecolor=paper,
                        markersize=5, markeredgewidth=1, zorder=6)  # fmt: skip


def _draw_outside(sheet: svg.Sheet, rows: list[tuple]) -> None:
    """A dot on each point that lies outside of its usual band."""
    outside = [row for row in rows if (row[1] < row[2] or row[1] > row[3]) and not row[6]]
    if outside:
        tone, paper = palette.TOKENS["alarm"][0], palette.TOKENS["paper"][0]
        sheet.axes.plot([row[0] for row in outside], [row[1] for row in outside], "o", color=tone, markeredgecolor=paper,
                        markersize=8, markeredgewidth=1, zorder=8)  # fmt: skip


def _draw_crowd(sheet: svg.Sheet, strokes: list[tuple]) -> None:
    """The many lines that nobody reads one by one, as one thin grey shape."""
    runs: dict[str, list[tuple]] = {}
    for at, value, _, run, _ in strokes:
        runs.setdefault(run, []).append((at, value))
    if runs:
        grey = palette.TOKENS["faint"][0]
        many = len(strokes) > svg.MANY_MARKS
        sheet.axes.add_collection(LineCollection([*runs.values()], colors=grey, linewidths=1.2, zorder=3, rasterized=many))


def _draw_named(sheet: svg.Sheet, strokes: list[tuple], order: list[str], tones: dict[str, str]) -> None:
    import pandas as pd
    import seaborn as sns

    if not strokes:
        return
    drawn = pd.DataFrame(strokes, columns=["at", "value", "line", "run", "dashed"])
    looks = {"style": "dashed", "dashes": {True: (2, 1.6), False: ""}} if drawn["dashed"].any() else {}
    sns.lineplot(
        drawn, x="at", y="value", hue="line", hue_order=[name for name in order if name in set(drawn["line"])],
        palette={name: palette.TOKENS[tones[name]][0] for name in order}, units="run", estimator=None, sort=False,
        linewidth=2.2, legend=False, ax=sheet.axes, zorder=4, rasterized=len(drawn) > svg.MANY_MARKS, **looks,
    )  # fmt: skip


def _end_labels(sheet: svg.Sheet, points: dict, said, tones: dict[str, str]) -> None:
    named = [(name, _last(rows), _label(name, rows, said)) for name, rows in points.items()]
    named = [item for item in named if item[1] and _is_named(item[0], tones)]
    heights = [len(text) * axes.LINE + 3 for _, _, text in named]
    centres = axes.apart([sheet.y(last[1]) for _, last, _ in named], heights, 2, sheet.height - sheet.bottom + 4)
    left = sheet.width - sheet.right + 12
    for (name, last, text), centre, tall in zip(named, centres, heights, strict=True):
        x, y = sheet.x(last[0]), sheet.y(last[1])
        if abs(centre - y) > 12 or left - x > 30:
            svg.leader(sheet, (x + 6, y), (left - 3, centre))
        tone = f"t-{tones[name]}" if tones[name] != "quiet" else ""
        for i, line in enumerate(text):
            look = f"{tone} b" if i == len(text) - 1 else tone
            svg.put(sheet, left, centre - tall / 2 + 13.5 + i * axes.LINE, line, look.strip())


def _reading(points: dict, said) -> str:
    """What each of the first lines does, from its first to its last value."""
    texts = []
    for name, rows in list(points.items())[:4]:
        known = [row for row in rows if not math.isnan(row[1])]
        if known:
            first, last = known[0], known[-1]
            ends = {"first": said.value(first[1]), "first_x": first[5], "last": said.value(last[1]), "last_x": last[5]}
            texts.append(words.word("chart.line", name=words.tier(name), **ends).strip())
    if len(points) > 4:
        texts.append(words.word("chart.more", n=len(points) - 4))
    return format.joined(texts, "clauses") or words.word("chart.nothing")
