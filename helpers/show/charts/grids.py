"""Figures of two dimensions: cohort heat maps, and two-way tables of people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING

import numpy as np

from helpers.show import format, gate, palette, suppress, words
from helpers.show.charts import axes, figure, svg

if TYPE_CHECKING:
    import pandas as pd

CELL = 11.0
ROW = 25.0
NARROWEST = 28
BROAD = 560.0  # what does not fit into the usual width may have so much, and scrolls on phones
LONGEST = 150  # a name beside or above the cells
GAP = 1


@dataclass(frozen=True)
class Grid:
    """What is drawn: the words of rows and columns, numbers (NaN: no colour), and the words of each cell."""

    rows: list[str]
    columns: list[str]
    numbers: np.ndarray
    texts: list[list[str]]
    after: list[str]
    corner: str = ""
    limits: tuple[float, float] | None = None
    bold: int | None = None


def heat(
    frame: pd.DataFrame,
    *,
    row: str,
    column: str,
    value: str,
    finding: str,
    measure: str,
    unit: str = "share",
    n: str | None = None,
    size: str | None = None,
    closes: str | None = None,
    focus: object = None,
    digits: int | None = None,
    alt: str | None = None,
) -> gate.Shown:
    """A heat map, such as cohorts by age: colour always, the number where it can be read.

    Args:
        frame: One row a cell: `row` and `column` (drawn in order of appearance), `value`; a missing value is blank.
        n: People behind the cell (the cohort's size); small groups are withheld.
        size: A column that is one number a row (the cohort's size), printed after the row's name.
        closes: The day on which a blank cell closes; the folded data say it.
        focus: A row to set in bold (the average).
    """
    said = figure.said(finding, measure, unit, digits, alt)
    safe = gate.withhold(frame, n or size, [value])
    keys = list(dict.fromkeys(safe[row])), _ordered(safe[column])
    cells = {(r[row], r[column]): r for r in safe.to_dict("records")}
    sizes = _sizes(safe, row, size, keys[0]) if size else [""] * len(keys[0])
    grid = _grid(cells, keys, (value, unit, digits), sizes, words.label(column), focus)
    head, rows = _heat_data(grid, cells, keys, said, (row, value, closes), bool(size))
    blank = closes and any(_is_blank(cells.get((a, b)), value) for a in keys[0] for b in keys[1])
    notes = [words.word("chart.blank") if blank else "", *figure.notes(safe)]
    names_of = [format.joined([a, f"{words.label(column)} {b}"], "commas") for a in grid.rows for b in grid.columns]
    reading = figure.extremes(names_of, list(grid.numbers.ravel()), said)
    drawing, look = _draw(grid, said.value)
    return figure.figure("heat", drawing, said, head=head, rows=rows, reading=reading, notes=notes, look=look)


def _grid(cells: dict, keys, measured, sizes: list[str], corner: str, focus: object) -> Grid:
    (row_keys, column_keys), (value, unit, digits) = keys, measured
    # What describes few people is words in grey without a colour: it neither draws the eye nor stretches the scale.
    numbers = np.array([[_number(cells.get((a, b)), value) for b in column_keys] for a in row_keys], dtype=float)
    numbers = numbers.reshape(len(row_keys), len(column_keys))
    short = _short_digits(numbers, unit, digits)
    texts = [[_cell_text(cells.get((a, b)), value, unit, short) for b in column_keys] for a in row_keys]
    bold = next((i for i, key in enumerate(row_keys) if focus is not None and str(key) == str(focus)), None)
    limits = _limits(numbers, unit)
    return Grid(_names(row_keys), _names(column_keys), numbers, texts, sizes, corner, limits, bold)


def cross(
    frame: pd.DataFrame,
    *,
    row: str,
    column: str,
    value: str,
    finding: str,
    measure: str,
    alt: str | None = None,
) -> gate.Shown:
    """People by two keys, shaded by their share of the row; cells that would tell of too few people, and those that
    would give them away, are withheld.

    Args:
        frame: One row a cell: `row`, `column`, `value` (people); what is missing is zero.
    """
    said = figure.said(finding, measure, "count", None, alt)
    row_keys, column_keys = list(dict.fromkeys(frame[row])), list(dict.fromkeys(frame[column]))
    counts = np.zeros((len(row_keys), len(column_keys)))
    for r, c, v in zip(frame[row], frame[column], frame[value], strict=True):
        counts[row_keys.index(r), column_keys.index(c)] += 0.0 if figure.missing(v) else float(v)
    table, hidden = suppress.with_margins(counts), suppress.two_way(counts, gate.settings().min_group)
    texts = [[_hidden_text(h) or said.value(v) for h, v in zip(hs, vs, strict=True)]
             for hs, vs in zip(hidden, table, strict=True)]  # fmt: skip
    totals = table[:-1, -1:]
    shares = np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
    shares[(hidden[:-1, :-1] > 0) | (hidden[:-1, -1:] > 0)] = np.nan
    total = words.word("chart.total")
    grid = Grid([*map(words.tier, row_keys), total], [*map(words.tier, column_keys), total],
                np.pad(shares, ((0, 1), (0, 1)), constant_values=np.nan), texts, [""] * (len(row_keys) + 1),
                limits=(0.0, 1.0), bold=len(row_keys))  # fmt: skip
    head = [(words.label(row), False), *[(name, True) for name in grid.columns]]
    rows = [[(name, ""), *[figure.number_cell(text) for text in line]] for name, line in zip(grid.rows, texts, strict=True)]
    open_counts = [None if h else v for h, v in zip(hidden[:-1, :-1].ravel(), counts.ravel(), strict=True)]
    names_of = [format.joined([a, b], "commas") for a in grid.rows[:-1] for b in grid.columns[:-1]]
    reading = figure.extremes(names_of, open_counts, said)
    drawing, look = _draw(grid, None)
    notes = [figure.gate_note(bool(hidden.any()))]
    return figure.figure("cross", drawing, said, head=head, rows=rows, reading=reading, notes=notes, look=look)


def _ordered(keys) -> list:
    found = list(dict.fromkeys(keys))
    return sorted(found) if figure.is_numeric(found) else found


def _number(record: dict | None, value: str) -> float:
    return figure.floats([record[value] if record and not record["few"] else None])[0]


def _is_blank(record: dict | None, value: str) -> bool:
    return record is None or (not record["withheld"] and figure.missing(record[value]))


def _names(keys: Sequence) -> list[str]:
    """The keys in words; of days the year is said when it changes."""
    if not all(hasattr(key, "year") for key in keys):
        return [figure.key_text(key) for key in keys]
    years = [None, *[key.year for key in keys]]
    return [format.day(key, year=key.year != before) for key, before in zip(keys, years, strict=False)]


def _limits(numbers: np.ndarray, unit: str) -> tuple[float, float]:
    """The range of the colours; the certain 100 % of a cohort's own first period would use up most of it."""
    known = numbers[~np.isnan(numbers)]
    known = known[known < 1] if unit == "share" and (known < 1).any() else known
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    low = min(low, 0.0) if low < 0.5 * high else low
    return (low, high) if high > low else (min(low, 0.0), high if high > 0 else 1.0)


def _short_digits(numbers: np.ndarray, unit: str, digits: int | None) -> int | None:
    if unit != "share":
        return digits
    known = numbers[~np.isnan(numbers) & (numbers < 1)]
    return 1 if known.size and known.max() < 0.1 else 0


def _cell_text(record: dict | None, value: str, unit: str, digits: int | None) -> str:
    if _is_blank(record, value):
        return ""
    if record["withheld"]:
        return record["withheld"]
    return format.value(record[value], "count" if unit == "people" else unit, digits=digits, bare=True)


def _hidden_text(hidden: int) -> str:
    return gate.small_mark() if hidden == 1 else words.word("gate.hidden") if hidden else ""


def _sizes(safe, row: str, size: str, keys: Sequence) -> list[str]:
    """The size of each row as shown: what is withheld stays withheld."""
    found = {}
    for key, number, mark in zip(safe[row], safe[size], safe["withheld"], strict=True):
        found.setdefault(key, mark or format.value(number, "people"))
    return [found[key] for key in keys]


def _heat_data(grid: Grid, cells, keys, said, names, sized):
    (row_keys, column_keys), (row, value, closes) = keys, names
    head = [(words.label(row), False), *[(words.label("size"), True)] * sized, *[(name, True) for name in grid.columns]]
    rows = []
    for a, name, size in zip(row_keys, [figure.key_text(k) for k in row_keys], grid.after, strict=True):
        line = [(name, ""), *[figure.number_cell(size)] * sized]
        for b in column_keys:
            record = cells.get((a, b))
            if record is not None and _is_blank(record, value):
                day = record.get(closes) if closes else None
                open_ = format.day(day) != format.UNDEFINED
                line.append((format.day(day) if open_ else format.UNDEFINED, "open"))
            else:
                text = format.UNDEFINED if record is None else record["withheld"] or said.value(record[value])
                line.append(figure.number_cell(text, bool(record and record["few"])))
        rows.append(line)
    return head, rows


def _draw(grid: Grid, legend) -> tuple[str, str]:
    """The grid as SVG, and the class of figures that scroll on narrow screens."""
    if not any(text for line in grid.texts for text in line):
        return "", ""
    low, high = grid.limits or (0.0, 1.0)
    names = [axes.wrap(name, LONGEST, lines=1)[0] for name in grid.rows]
    sized = max((axes.width(text) for text in grid.after), default=0.0)
    # Whole numbers make sharp edges and short paths.
    left = ceil(max((axes.width(name) for name in names), default=0.0) + sized + (24 if sized else 12))
    many = max(len(grid.columns), 1)
    wide, look = _room(left + many * NARROWEST + 4)
    cell = floor(min((wide - left - 4) / many, 96.0))
    heads, turned, upper = _heads(grid.columns, cell)
    top = 8 + upper + axes.LINE * bool(grid.corner)
    tall = ROW if many > 8 else ROW + 6
    top = ceil(top)
    bottom = 30.0 if legend else 4.0
    sheet = svg.sheet(top + tall * len(grid.rows) + bottom, width=wide, xlim=(0, many), ylim=(len(grid.rows), 0),
                      margins=(left, wide - left - cell * many, top, bottom))  # fmt: skip
    steps = _steps(grid.numbers, low, high)
    gap_x, gap_y = GAP / cell, GAP / tall
    for at, name in enumerate(palette.RAMP):
        found = zip(*np.nonzero(steps == at), strict=True)
        svg.blocks(sheet, name, [(j, i + 1 - gap_y, j + 1 - gap_x, i) for i, j in found])
    _head_words(sheet, grid.corner, heads, turned)
    _grid_words(sheet, grid, names, cell, steps)
    if legend:
        _legend(sheet, legend(low), legend(high))
    return svg.markup(sheet), look


def _heads(columns: list[str], cell: float) -> tuple[list[list[str]], bool, float]:
    """The lines of each head, whether they run upwards, as all do where a word of one is too wide, and how high they stand."""
    if all(axes.longest(name) <= cell - 4 for name in columns):
        heads = [axes.wrap(name, cell - 4) for name in columns]
        return heads, False, axes.LINE * max((len(head) for head in heads), default=1)
    heads = [axes.wrap(name, LONGEST, lines=1) for name in columns]
    return heads, True, max(axes.width(head) for head, in heads)


def _room(needed: float) -> tuple[float, str]:
    """The width of a grid, and the class of the figure that gives it that much."""
    if needed <= svg.WIDTH:
        return svg.WIDTH, ""
    return max(needed, BROAD), "wide" if needed <= BROAD else "wide wider"


def _steps(numbers: np.ndarray, low: float, high: float) -> np.ndarray:
    """The step of the ramp of each number; -1 where there is none."""
    places = np.floor((numbers - low) / (high - low) * len(palette.RAMP))
    return np.where(np.isnan(numbers), -1, np.clip(np.nan_to_num(places), 0, len(palette.RAMP) - 1)).astype(int)


def _head_words(sheet: svg.Sheet, corner: str, heads: list[list[str]], turned: bool) -> None:
    if corner:
        svg.put(sheet, sheet.left, 13, corner)
    for j, head in enumerate(heads):
        if turned:
            svg.upright(sheet, sheet.x(j + 0.5) + 4.5, sheet.top - 7, head[0])
            continue
        for i, line in enumerate(head):
            up = (len(head) - 1 - i) * axes.LINE
            svg.put(sheet, sheet.x(j + 0.5), sheet.top - 7 - up, line, "m")


def _grid_words(sheet: svg.Sheet, grid: Grid, names, cell: float, steps: np.ndarray) -> None:
    readable = all(axes.width(text, CELL) <= cell - 2 for line in grid.texts for text in line)
    for i, (name, after) in enumerate(zip(names, grid.after, strict=True)):
        middle = sheet.y(i + 0.5) + 4.5
        svg.put(sheet, 0, middle, name, "i b" if i == grid.bold else "i")
        if after:
            svg.put(sheet, sheet.left - 10, middle, after, "e")
        for j, text in enumerate(grid.texts[i]):
            if text and (readable or (text == gate.small_mark() and axes.width(text, CELL) <= cell)):
                svg.put(sheet, sheet.x(j + 0.5), middle - 0.5, text, _cell_look(int(steps[i, j]), cell, text))


def _cell_look(step: int, cell: float, text: str) -> str:
    """Cell words take the colour that stands out, and the full size where there is room for it."""
    size = "" if axes.width(text, axes.SIZE) <= cell - 8 else " c"
    if step < 0:
        return "m" + size
    return ("m f-paper" if step >= palette.INVERT_FROM else "m i") + size


def _legend(sheet: svg.Sheet, low: str, high: str) -> None:
    """The steps of colour as a strip, with the values of its ends."""
    y, each = sheet.height - 18, 16.0
    x = sheet.left + axes.width(low) + 8
    strip = "".join(
        f'<path class="f-{name}" d="M{x + i * each:.1f} {y:.1f}h{each:g}v12h-{each:g}z"/>'
        for i, name in enumerate(palette.RAMP)
    )
    sheet.marks.append(strip)
    svg.put(sheet, sheet.left, y + 10.5, low)
    svg.put(sheet, x + each * len(palette.RAMP) + 8, y + 10.5, high)
