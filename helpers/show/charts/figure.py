"""A drawing with its finding, its measure, its alt text and its data: what a page accepts as a figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from helpers.show import format, gate, sentences, tables, words
from helpers.show.gate import Shown, escape

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 208  # of a figure's data
PEOPLE = object()  # the column of those behind all lines of a figure's data


@dataclass(frozen=True)
class Said:
    """The words of a figure: its finding (title), its measure (subtitle), the unit and decimals of its values, and an
    alt text where the one made from the data does not do."""

    finding: str
    measure: str
    unit: str
    digits: int | None
    alt: str | None

    def value(self, x: object, *, sign: bool = False) -> str:
        """A value of the figure in words."""
        return format.value(x, self.unit, digits=self.digits, sign=sign)


def said(finding: str, measure: str, unit: str, digits: int | None, alt: str | None) -> Said:
    """The words of a figure, checked: a figure without a finding or a measure is not a figure."""
    for name, text in (("finding", finding), ("measure", measure)):
        if not str(text).strip():
            raise ValueError(f"{name} is empty: a figure needs its finding (title) and its measure (subtitle).")
    format.check(unit)
    title = sentences.opened(gate.plain(words.text(finding)))
    return Said(title, gate.plain(words.text(measure)), unit, digits, alt and words.text(alt))


def settled(words_of: Said, values: Iterable[object]) -> Said:
    """The words with decimals that suit all values of the figure, so that no number is finer than its neighbours."""
    sizes = [abs(number) for number in floats(values) if number == number]
    if words_of.digits is not None or words_of.unit not in ("share", "points", "number", "days") or not sizes:
        return words_of
    if words_of.unit in ("number", "days") and all(size.is_integer() for size in sizes):
        return replace(words_of, digits=0)
    return replace(words_of, digits=format.decimals(max(sizes), words_of.unit))


def figure(
    kind: str,
    drawing: str,
    words_of: Said,
    *,
    head: Sequence[tuple[str, bool]],
    rows: list[list[tuple[str, str]]],
    reading: str,
    notes: Iterable[str] = (),
    look: str = "",
) -> Shown:
    """The figure as markup and as text.

    Args:
        kind: A key of `[kind]` in words.toml.
        drawing: The `<svg>`; "" where no value can be shown.
        words_of: Finding, measure, alt.
        head: Labels of the data's columns, and whether each holds numbers.
        rows: The data as (text, class), what is withheld being withheld here too.
        reading: One sentence that says what the drawing shows, for those who do not see it.
        notes: Lines under the drawing.
        look: Further class names.
    """
    parts = {"kind": words.word(f"kind.{kind}"), "finding": words_of.finding.rstrip(".。"), "reading": reading}
    alt = words_of.alt or words.word("chart.alt", measure=words_of.measure.rstrip(".。"), **parts)
    lines = [note for note in dict.fromkeys(notes) if note]
    under = f'<p class="note">{sentences.unbroken(format.joined(lines))}</p>' if lines else ""
    title = f"<strong>{sentences.unbroken(words_of.finding)}</strong><span>{sentences.unbroken(words_of.measure)}</span>"
    nothing = f'<p class="note">{escape(words.word("chart.empty"))}</p>'
    plot = f'<div class="plot" aria-hidden="true">{drawing or nothing}</div>'
    name = words.word("chart.data")
    if len(rows) > MOST_ROWS:
        name = words.word("chart.data_some", n=MOST_ROWS, of=format.value(len(rows), "count"))
    data = tables.scrolled(tables.grid(list(head), rows[-MOST_ROWS:]), name)
    markup = (
        f'<div class="gr gr-figure {look}"><figure role="img" aria-label="{escape(alt)}">'
        f"<figcaption>{title}</figcaption>{plot}</figure>{under}"
        f'<details class="data"><summary>{escape(name)}</summary>{data}</details></div>'
    ).replace(' "><figure', '"><figure')
    text = [words_of.finding, words_of.measure, tables.plain_grid([label for label, _ in head], rows), *lines]
    return Shown(markup, "\n".join(text))


def data(
    safe: pd.DataFrame,
    said_as: Said,
    *,
    keys: Sequence[str],
    values: Sequence[str],
    low: str | None = None,
    high: str | None = None,
    n: str | None = None,
    interval: str = "interval",
) -> tuple[list[tuple[str, bool]], list[list[tuple[str, str]]]]:
    """Head and rows of the folded data of a frame that passed `gate.withhold`; `interval` is what `low` and `high` are."""
    ends = bool(low and high)
    n = n if n in safe.columns and n not in values else None
    counted = {key: at > 0 and is_numeric(safe[key]) for at, key in enumerate(keys)}
    head = [(words.label(key), counted[key]) for key in keys]
    head += [(words.label(name), True) for name in values]
    head += [(words.word(f"tables.{interval}"), True)] * ends + [(words.label("n"), True)] * bool(n)
    rows = []
    for record in safe.to_dict("records"):
        gone, few = record["withheld"], bool(record["few"])
        texts = [said_as.value(record[name]) for name in values]
        if ends:
            texts.append(format.interval(record[low], record[high], said_as.unit, digits=said_as.digits))
        if n:
            texts.append(format.value(record[n], "people"))
        cells = [(key_text(record[key]), "num" if counted[key] else "") for key in keys]
        rows.append([*cells, *[number_cell(gone or text, few) for text in texts]])
    return head, rows


def side_by_side(
    safe: pd.DataFrame, said_as: Said, *, key: str, by: str, value: str, n: str | None = None
) -> tuple[list[tuple[str, bool]], list[list[tuple[str, str]]]]:
    """Head and rows of the folded data with one column a line, where a point is one number only; `n` is that of all lines."""
    names = list(dict.fromkeys(safe[by]))
    cells: dict[str, dict[object, tuple[str, str]]] = {}
    for record in safe.to_dict("records"):
        found = cells.setdefault(key_text(record[key]), {})
        found[record[by]] = number_cell(record["withheld"] or said_as.value(record[value]), bool(record["few"]))
        if n:
            found[PEOPLE] = number_cell(record["withheld"] or format.value(record[n], "people"), bool(record["few"]))
    head = [(words.label(key), False), *[(words.tier(name), True) for name in names], *[(words.label("n"), True)] * bool(n)]
    nothing = number_cell(format.UNDEFINED)
    order = [*names, *[PEOPLE] * bool(n)]
    return head, [[(at, ""), *[found.get(name, nothing) for name in order]] for at, found in cells.items()]


def is_numeric(values: Iterable[object]) -> bool:
    """Whether a column of keys holds numbers, such as ages."""
    return all(isinstance(v, int | float) or hasattr(v, "dtype") for v in values)


def key_text(value: object) -> str:
    """A key in words: a date in full, a tier by its label, a number plainly, anything else as it stands."""
    if hasattr(value, "year"):
        return format.day(value)
    if isinstance(value, str):
        return words.tier(value)
    return format.value(value, "number", digits=0 if not missing(value) and float(value).is_integer() else None)


def number_cell(text: str, few: bool = False) -> tuple[str, str]:
    """A cell of the data that holds a number; grey where it describes few people."""
    return text, "few num" if few else "num"


def notes(safe: pd.DataFrame, *, partial: bool = False, band: str = "") -> list[str]:
    """The standing notes that apply to a frame that passed the gate; `band` is the key of the words for intervals."""
    return [
        words.word(f"chart.{band}") if band else "",
        words.word("chart.partial") if partial else "",
        words.word("chart.few", k=gate.FEW) if any(safe["few"]) else "",
        gate_note(any(safe["withheld"])),
    ]


def gate_note(withheld: bool) -> str:
    """The note that something is withheld, if it is."""
    return words.word("gate.note", k=gate.settings().min_group) if withheld else ""


def extremes(names: Sequence[str], values: Sequence[float | None], said_as: Said) -> str:
    """`highest 23.4 % (search), lowest 12.0 % (referral)` for an alt text."""
    known = [(float(v), name) for v, name in zip(values, names, strict=True) if not missing(v)]  # type: ignore[arg-type]
    if not known:
        return words.word("chart.nothing")
    (least, least_name), (most, most_name) = min(known), max(known)
    parts = {"most": said_as.value(most), "least": said_as.value(least)}
    return words.word("chart.most_least", most_name=most_name, least_name=least_name, **parts)


def missing(value: object) -> bool:
    """Whether there is no number here."""
    return format.value(value, "number") == format.UNDEFINED


def any_number(values: Iterable[object]) -> bool:
    """Whether there is anything to draw."""
    return not all(missing(v) for v in values)


def floats(values: Iterable[object]) -> list[float]:
    """The values as floats, what is missing as NaN."""
    return [float("nan") if missing(v) else float(v) for v in values]  # type: ignore[arg-type]
