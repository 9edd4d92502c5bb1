"""Growth accounting and the like: what came above zero, what went below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from helpers.show import gate, palette, words
from helpers.show.charts import axes, figure, svg
from helpers.show.charts.trends import HEIGHT, ground

if TYPE_CHECKING:
    import pandas as pd


def flows(
    frame: pd.DataFrame,
    *,
    x: str,
    up: Sequence[str],
    down: Sequence[str],
    finding: str,
    measure: str,
    unit: str = "people",
    net: str | None = None,
    digits: int | None = None,
    alt: str | None = None,
) -> gate.Shown:
    """Stacked columns above and below zero, one a period, each part labelled beside the last column.

    Args:
        frame: One row a period: `x` (ISO week, date or number) and the parts, all zero or more.
        up, down: The columns stacked above and below, from zero outwards.
        net: A column drawn as a line over them.
    """
    said = figure.said(finding, measure, unit, digits, alt)
    parts = [*up, *down]
    safe, marks = _withheld(frame, parts, net, unit)
    scale = axes.scale(list(safe[x]))
    numbers = {name: [0.0 if math.isnan(v) else v for v in figure.floats(safe[name])] for name in parts}
    tones = palette.tokens(parts)
    nets = figure.floats(safe[net]) if net else []
    head, rows = _data(safe, marks, said, x, [*parts, *([net] if net else [])])
    total = [sum(numbers[p][i] for p in up) - sum(numbers[p][i] for p in down) for i in range(len(safe))]
    reading = figure.extremes([figure.key_text(v) for v in safe[x]], nets if net else total, said)
    reading = words.word("join.pair", first=_called(net or "net"), then=reading)
    notes = [figure.gate_note(any(any(row.values()) for row in marks))]
    drawing = _drawn(scale, said, numbers, (up, down), (net, nets), tones) if len(safe) else ""
    return figure.figure("flows", drawing, said, head=head, rows=rows, reading=reading, notes=notes)


def _called(name: str) -> str:
    """What a part is called; the net of flows is not the net of an amount."""
    return words.word("chart.net") if name == "net" else words.label(name)


def _withheld(frame, parts, net, unit) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """In each period, parts of too few people go, and with a single one the next smallest: their sum is known."""
    import pandas as pd

    names = [*parts, *([net] if net else [])]
    safe, marks = frame.copy(), [dict.fromkeys(names, "") for _ in range(len(frame))]
    if unit != "people":
        return safe, marks
    columns: dict[str, list] = {name: list(frame[name]) for name in parts}
    for at in range(len(frame)):
        if not any(gate.is_small(columns[name][at]) for name in parts):
            continue
        row = pd.DataFrame({"part": parts, "n": [columns[name][at] for name in parts]})
        for name, value, mark in gate.withhold(row, "n", parts=True)[["part", "n", "withheld"]].itertuples(index=False):
            columns[name][at], marks[at][name] = value, mark
    for name, values in columns.items():
        safe[name] = values
    return safe, marks


def _drawn(scale, said, numbers, parts, line, tones) -> str:
    (up, down), (net, nets) = parts, line
    tops = [sum(numbers[name][i] for name in up) for i in range(len(scale.at))]
    depths = [-sum(numbers[name][i] for name in down) for i in range(len(scale.at))]
    sheet = _sheet(scale, said, [*tops, *depths, *nets], [*up, *down, *([net] if net else [])])
    ends = _columns(sheet, scale, numbers, up, down, tones)
    if net:
        _net_line(sheet, scale.at, nets)
        ends[net] = nets[-1]
    _labels(sheet, ends, tones, net)
    return svg.markup(sheet)


def _sheet(scale, said, numbers, names) -> svg.Sheet:
    ticks = axes.nice(*axes.span(numbers, signed=True), count=6)
    step = ticks[1] - ticks[0]
    labels = [axes.tick_text(tick, said.unit, step) for tick in ticks]
    left = max(axes.width(label) for label in labels) + 10
    right = max(axes.width(line) for name in names for line in axes.wrap(_called(name), axes.BESIDE)) + 22
    apart = min((b - a for a, b in zip(sorted(set(scale.at)), sorted(set(scale.at))[1:], strict=False)), default=1.0)
    xlim = (scale.limits[0] - apart * 0.6, scale.limits[1] + apart * 0.6)
    sheet = svg.sheet(HEIGHT, margins=(left, right, 14, 30), xlim=xlim, ylim=(ticks[0], ticks[-1]))
    ground(sheet, list(zip(ticks, labels, strict=True)), scale.ticks)
    return sheet


def _columns(sheet, scale, numbers, up, down, tones) -> dict[str, float]:
    """Draw the columns; returns the middle of each part of the last one, in data units."""
    apart = min((b - a for a, b in zip(sorted(set(scale.at)), sorted(set(scale.at))[1:], strict=False)), default=1.0)
    last = max(range(len(scale.at)), key=lambda i: scale.at[i], default=0)
    ends: dict[str, float] = {}
    for names, sign in ((up, 1), (down, -1)):
        base = [0.0] * len(scale.at)
        for name in names:
            tall = [sign * v for v in numbers[name]]
            sides = [(at - apart * 0.39, at + apart * 0.39) for at in scale.at]
            svg.blocks(sheet, tones[name], [(left, low, right, low + high) for (left, right), low, high
                                            in zip(sides, base, tall, strict=True) if high])  # fmt: skip
            if scale.at:
                ends[name] = base[last] + tall[last] / 2
            base = [a + b for a, b in zip(base, tall, strict=True)]
    sheet.axes.plot(sheet.xlim, [0, 0], color=palette.TOKENS["base"][0], linewidth=1.2, zorder=4)
    return ends


def _net_line(sheet: svg.Sheet, at: list[float], nets: list[float]) -> None:
    ink, paper = palette.TOKENS["ink"][0], palette.TOKENS["paper"][0]
    # A rim in the colour of the page keeps the line readable over any column.
    sheet.axes.plot(at, nets, color=paper, linewidth=4.5, zorder=5)
    sheet.axes.plot(at, nets, color=ink, linewidth=2, zorder=6)


def _labels(sheet: svg.Sheet, ends: dict[str, float], tones: dict[str, str], net: str | None) -> None:
    known = [(name, value) for name, value in ends.items() if not math.isnan(value)]
    texts = [axes.wrap(_called(name), axes.BESIDE) for name, _ in known]
    heights = [len(text) * axes.LINE + 2 for text in texts]
    centres = axes.apart([sheet.y(v) for _, v in known], heights, 2, sheet.height - sheet.bottom + 4)
    left = sheet.width - sheet.right + 8
    for (name, _), text, centre, tall in zip(known, texts, centres, heights, strict=True):
        look = "i b" if name == net else f"t-{tones[name]} b"
        for i, line in enumerate(text):
            svg.put(sheet, left, centre - tall / 2 + 13.5 + i * axes.LINE, line, look)


def _data(safe, marks, said, x, names):
    head = [(words.label(x), False), *[(_called(name), True) for name in names]]
    rows = [
        [(figure.key_text(record[x]), ""), *[figure.number_cell(mark[name] or said.value(record[name])) for name in names]]
        for record, mark in zip(safe.to_dict("records"), marks, strict=True)
    ]
    return head, rows
