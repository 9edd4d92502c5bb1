"""From matplotlib's drawing to a small inline SVG whose colours are names and whose text is text.

matplotlib (and seaborn on it) draws the marks; words are set here, in the SVG's own coordinates. So labels from the
data are never read as mathematics, never hidden for beginning with "_", never measured with this machine's fonts,
and the page's style sheet decides colour and size: dark mode and phones need no second figure.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from helpers.show import gate, palette

# Narrow enough that words can be read on a phone, where the sheet is as wide as the screen.
WIDTH = 480.0
MANY_MARKS = 2000
RC = {"svg.fonttype": "none", "svg.hashsalt": "growth-rings", "svg.image_inline": True, "text.parse_math": False,
      "path.simplify": False, "path.snap": False, "lines.antialiased": True}  # fmt: skip

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_KEPT = {"stroke-width", "stroke-dasharray", "opacity", "fill-opacity", "stroke-opacity", "stroke-linecap"}
_PATH = re.compile(r"([MLCQz])|(-?[\d.]+(?:e-?\d+)?)")


@dataclass(frozen=True)
class Sheet:
    """A plot area inside the SVG. `left`, `right`, `top`, `bottom` are the margins in SVG units."""

    height: float
    left: float
    right: float
    top: float
    bottom: float
    xlim: tuple[float, float]
    ylim: tuple[float, float]
    width: float
    figure: Figure
    axes: Axes
    marks: list[str] = field(default_factory=list)  # beside those of matplotlib
    words: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)  # look and height: places across and texts

    def x(self, value: float) -> float:
        """Where a value lies across, in SVG units."""
        low, high = self.xlim
        return self.left + (value - low) / (high - low) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """Where a value lies down the sheet, in SVG units."""
        low, high = self.ylim
        return self.height - self.bottom - (value - low) / (high - low) * (self.height - self.top - self.bottom)


def sheet(
    height: float,
    *,
    margins: tuple[float, float, float, float],
    xlim: tuple[float, float],
    ylim: tuple[float, float],
    width: float = WIDTH,
) -> Sheet:
    """An empty sheet; `margins` are left, right, top, bottom in SVG units, the limits are in data units."""
    left, right, top, bottom = margins
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    FigureCanvasSVG(figure)
    figure.patch.set_visible(False)
    area = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    axes = figure.add_axes(area)
    axes.set_axis_off()
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_autoscale_on(False)
    axes.set_xlim(*xlim)
    axes.set_ylim(*ylim)
    return Sheet(height, left, right, top, bottom, xlim, ylim, width, figure, axes)


def blocks(on: Sheet, tone: str, boxes: Sequence[tuple[float, float, float, float]], *, above: float = 3) -> None:
    """Filled rectangles of one colour, given as left, bottom, right, top in data units: one shape, however many."""
    if not boxes:
        return
    corners = [[(x0, y0), (x1, y0), (x1, y1), (x0, y1)] for x0, y0, x1, y1 in boxes]
    shape = PathPatch(Path.make_compound_path(*[Path([*four, four[0]], closed=True) for four in corners]))
    shape.set(facecolor=palette.TOKENS[tone][0], linewidth=0, zorder=above, clip_on=False)
    shape.set_rasterized(len(boxes) > MANY_MARKS)
    on.axes.add_artist(shape)


def put(on: Sheet, x: float, y: float, words: object, look: str = "") -> None:
    """Set words with their baseline at x, y (SVG units). `look` holds class names: `m` middle, `e` end, `b` bold,
    `i` ink instead of grey, `c` the small size of heat map cells, `t-<colour>` in a readable tone of a colour."""
    on.words.setdefault((look, _short(y)), []).append((_short(x), gate.escape(words)))


def upright(on: Sheet, x: float, y: float, words: object) -> None:
    """Set words that run up from x, y (SVG units), turned by a right angle."""
    place = f"{_short(x)} {_short(y)}"
    on.marks.append(f'<text transform="translate({place}) rotate(-90)">{gate.escape(words)}</text>')


def leader(on: Sheet, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A dotted line from a mark to its words (SVG units), where they do not touch."""
    path = f"M{_short(start[0])} {_short(start[1])}L{_short(end[0])} {_short(end[1])}"
    on.marks.append(f'<path class="s-base" stroke-dasharray="1 3" d="{path}"/>')


def markup(on: Sheet) -> str:
    """The sheet as one `<svg>` element, without ids, fonts, addresses or colours of its own."""
    with rc_context(RC):
        text = io.StringIO()
        on.figure.savefig(text, format="svg", metadata={"Date": None}, dpi=144)
    marks = _merged(_marks(ET.fromstring(text.getvalue())))
    box = f"0 0 {_short(on.width)} {_short(on.height)}"
    words = [_line(*place, texts) for place, texts in on.words.items()]
    return f'<svg viewBox="{box}" aria-hidden="true" focusable="false">{"".join([*marks, *on.marks, *words])}</svg>'


def _line(look: str, y: str, texts: list[tuple[str, str]]) -> str:
    """Words of one look on one line, which is said once for all of them."""
    kind = f' class="{look}"' if look else ""
    if len(texts) == 1:
        return f'<text x="{texts[0][0]}" y="{y}"{kind}>{texts[0][1]}</text>'
    spans = "".join(f'<tspan x="{x}">{text}</tspan>' for x, text in texts)
    return f'<text y="{y}"{kind}>{spans}</text>'


def _short(number: float) -> str:
    text = f"{number:.1f}"
    return text[:-2].replace("-0", "0") if text in ("-0.0", "0.0") else text.removesuffix(".0")


def _style(text: str) -> tuple[str, str]:
    """matplotlib's inline style as class names for the colours and attributes for the rest."""
    kinds, rest = [], []
    for item in filter(None, (part.strip() for part in text.split(";"))):
        name, setting = (half.strip() for half in item.split(":", 1))
        if name in ("fill", "stroke") and setting != "none":
            kinds.append(f"{name[0]}-{palette.names()[setting]}")
        elif name == "fill":
            rest.append('fill="none"')
        elif name in _KEPT and (name, setting) not in (("stroke-width", "1"), ("stroke-linecap", "butt")):
            rest.append(f'{name}="{setting.replace(", ", " ").replace(",", " ")}"')
    return " ".join(sorted(kinds)), " ".join(sorted(rest))


def _marks(root: ET.Element) -> list[tuple[str, str]]:
    """All marks in drawing order, as (attributes, path data) or (finished element, "")."""
    shapes = {path.get("id"): path for path in root.iter(f"{_SVG}path") if path.get("id")}
    found: list[tuple[str, str]] = []
    for element in root.iter():
        if element.tag == f"{_SVG}path" and not element.get("id"):
            found.append((_attributes(element.get("style", "")), _compact(element.get("d", ""))))
        elif element.tag == f"{_SVG}use":
            found.append(_used(element, shapes[element.get(_HREF, "")[1:]]))
        elif element.tag == f"{_SVG}image":
            place = " ".join(f'{name}="{element.get(name)}"' for name in ("transform", "x", "y", "width", "height"))
            found.append((f'<image href="{"".join(element.get(_HREF, "").split())}" {place}/>', ""))
    return found


def _attributes(style: str) -> str:
    kinds, rest = _style(style)
    return " ".join(filter(None, [f'class="{kinds}"' if kinds else "", rest]))


def _used(use: ET.Element, shape: ET.Element) -> tuple[str, str]:
    """A repeated shape in its place: a round marker as a circle, anything else as a path."""
    style = f"{shape.get('style', '')};{use.get('style', '')}"
    data, x, y = shape.get("d", ""), float(use.get("x", 0)), float(use.get("y", 0))
    attributes = _attributes(";".join({part.split(":")[0].strip(): part for part in style.split(";")}.values()))
    if "C" not in data:
        return attributes, _compact(data, x, y)
    radius = max(float(number) for number in re.findall(r"-?[\d.]+", data))
    return f'<circle cx="{_short(x)}" cy="{_short(y)}" r="{_short(radius)}" {attributes}/>', ""


def _compact(data: str, dx: float = 0.0, dy: float = 0.0) -> str:
    """Path data moved by dx, dy with one decimal; rectangles become three strokes."""
    parts: list[tuple[str, list[float]]] = []
    for command, number in _PATH.findall(data):
        if command:
            parts.append((command, []))
        else:
            parts[-1][1].append(float(number) + (dx if len(parts[-1][1]) % 2 == 0 else dy))
    starts = [at for at, (command, _) in enumerate(parts) if command == "M"]
    pieces = [parts[a:b] for a, b in zip(starts, [*starts[1:], len(parts)], strict=True)]
    return "".join(_box(piece) or _stroke(piece) for piece in pieces)


def _stroke(piece: list[tuple[str, list[float]]]) -> str:
    if any(command not in "MLz" for command, _ in piece):
        return "".join(command + " ".join(map(_short, numbers)) for command, numbers in piece)
    # Each point by its way from the one before, both as rounded, so that nothing adds up: half as long.
    points = [[round(10 * number) for number in numbers] for _, numbers in piece if numbers]
    steps = [_tenths(to - here) for before, after in pairwise(points) for here, to in zip(before, after, strict=True)]
    line = "".join(step if step[0] == "-" or not at else f" {step}" for at, step in enumerate(steps))
    closed = "z" if piece[-1][0] == "z" else ""
    return f"M{' '.join(map(_tenths, points[0]))}{'l' if line else ''}{line}{closed}"


def _tenths(number: int) -> str:
    """A number of tenths, without what goes without saying."""
    whole, tenth = divmod(abs(number), 10)
    sign = "-" if number < 0 else ""
    return f"{sign}{whole or ''}.{tenth}" if tenth else f"{sign}{whole}"


def _box(piece: list[tuple[str, list[float]]]) -> str:
    """A closed rectangle with sides along the axes, or nothing."""
    corners = [tuple(numbers) for _, numbers in piece if numbers]
    closed = piece[-1][0] == "z" or (len(corners) == 5 and corners[0] == corners[4])
    if not closed or len(corners) not in (4, 5) or any(len(corner) != 2 for corner in corners):
        return ""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners[:4]
    if not (y0 == y1 and x1 == x2 and y2 == y3 and x3 == x0):
        return ""
    return f"M{_short(x0)} {_short(y0)}h{_short(x1 - x0)}v{_short(y2 - y0)}h{_short(x0 - x1)}z"


def _merged(marks: list[tuple[str, str]]) -> list[str]:
    """Neighbours of the same look as one path."""
    out: list[str] = []
    waiting: tuple[str, list[str]] | None = None
    for attributes, data in [*marks, ("", "")]:
        if waiting and (not data or attributes != waiting[0] or "opacity" in attributes):
            out.append(f'<path {waiting[0]} d="{"".join(waiting[1])}"/>')
            waiting = None
        if data:
            waiting = (attributes, [*(waiting[1] if waiting else []), data])
        elif attributes:
            out.append(attributes)
    return out
