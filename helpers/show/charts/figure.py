"""A drawing with its finding, its measure, its alt text and its data: what a page accepts as a figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.show import format, gate, tables, words
from helpers.show.gate import Shown, escape

if TYPE_CHECKING:
    import pandas as pd


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
    return Said(gate.plain(finding), gate.plain(measure), unit, digits, alt)


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
        drawing: The `<svg>`.
        words_of: Finding, measure, alt.
        head: Labels of the data's columns, and whether each holds numbers.
        rows: The data as (text, class), what is withheld being withheld here too.
        reading: One sentence that says what the drawing shows, for those who do not see it.
        notes: Lines under the drawing.
        look: Further class names.
    """
    parts = {"kind": words.word(f"kind.{kind}"), "finding": words_of.finding.rstrip("."), "reading": reading}
    alt = words_of.alt or words.word("chart.alt", measure=words_of.measure.rstrip("."), **parts)
    lines = [note for note in dict.fromkeys(notes) if note]
    under = "".join(f'<p class="note">{escape(note)}</p>' for note in lines)
    title = f"<strong>{escape(words_of.finding)}</strong><span>{escape(words_of.measure)}</span>"
    plot = f'<div class="plot" aria-hidden="true">{drawing}</div>'
    data = tables.scrolled(tables.grid(list(head), rows), words.word("chart.data"))
    markup = (
        f'<div class="gr gr-figure {look}"><figure role="img" aria-label="{escape(alt)}">'
        f"<figcaption>{title}</figcaption>{plot}</figure>{under}"
        f'<details class="data"><summary>{escape(words.word("chart.data"))}</summary>{data}</details></div>'
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
) -> tuple[list[tuple[str, bool]], list[list[tuple[str, str]]]]:
    """Head and rows of the folded data of a frame that passed `gate.withhold`."""
    interval = bool(low and high)
    n = n if n in safe.columns and n not in values else None
    head = [(words.label(key), at > 0 and is_numeric(safe[key])) for at, key in enumerate(keys)]
    head += [(words.label(name), True) for name in values]
    head += [(words.word("tables.interval"), True)] * interval + [(words.label("n"), True)] * bool(n)
    rows = []
    for record in safe.to_dict("records"):
        gone, few = record["withheld"], bool(record["few"])
        texts = [said_as.value(record[name]) for name in values]
        if interval:
            texts.append(format.interval(record[low], record[high], said_as.unit, digits=said_as.digits))
        if n:
            texts.append(format.value(record[n], "people"))
        cells = [(key_text(record[key]), "num" if at and is_numeric(safe[key]) else "") for at, key in enumerate(keys)]
        rows.append([*cells, *[number_cell(gone or text, few) for text in texts]])
    return head, rows


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


def notes(*, withheld: bool, few: bool, partial: bool = False, band: str = "") -> list[str]:
    """The standing notes that apply; `band` is a key of `[chart]` that explains the intervals."""
    return [
        words.word(f"chart.{band}") if band else "",
        words.word("chart.partial") if partial else "",
        words.word("chart.few", k=gate.FEW) if few else "",
        words.word("gate.note", k=gate.settings().min_group) if withheld else "",
    ]


def extremes(names: Sequence[str], values: Sequence[float | None], said_as: Said) -> str:
    """`highest 23.4 % (search), lowest 12.0 % (referral)` for an alt text."""
    known = [(float(v), name) for v, name in zip(values, names, strict=True) if v is not None and float(v) == float(v)]
    if not known:
        return words.word("chart.nothing")
    (least, least_name), (most, most_name) = min(known), max(known)
    parts = {"most": said_as.value(most), "least": said_as.value(least)}
    return words.word("chart.most_least", most_name=most_name, least_name=least_name, **parts)


def missing(value: object) -> bool:
    """Whether there is no number here."""
    return format.value(value, "number") == format.UNDEFINED


def floats(values: Iterable[object]) -> list[float]:
    """The values as floats, what is missing as NaN."""
    return [float("nan") if missing(v) else float(v) for v in values]  # type: ignore[arg-type]
