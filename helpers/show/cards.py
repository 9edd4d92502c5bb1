"""One KPI card: the number, how it changed and how sure that is, and its last weeks against the usual range; and the glossary."""

from __future__ import annotations

import math
from collections.abc import Iterable

from helpers.show import format, gate, sentences, words
from helpers.show.gate import Shown, escape

WIDE, HIGH = 120.0, 34.0


def card(record: dict) -> tuple[str, str]:
    """The markup and the text of one row of `tables.cards`."""
    metric = words.metric(str(record["metric"]))
    n = record.get("n")
    hidden = gate.is_small(n) or (metric.unit == "people" and gate.is_small(record.get("value")))
    shown = gate.small_mark() if hidden else format.value(record.get("value"), metric.unit, digits=metric.digits)
    around = ""
    if hidden:
        under = words.word("gate.note", k=gate.settings().min_group)
    elif shown == format.UNDEFINED:
        under = gate.plain(words.text(record.get("reason") or words.word("cards.undefined")))
    else:
        under, around = _change(metric, record)
    kind = "few" if gate.is_few(n) else sentences.direction(record, metric.good) if not hidden else ""
    line = "" if hidden else sparkline(record, metric)
    value = f'<span class="value{" few" if kind == "few" else ""}">{escape(shown)}</span>'
    change = f'<span class="change {kind}">{sentences.unbroken(under)}</span>'
    usual = "" if hidden or shown == format.UNDEFINED else _usual(metric, record)
    notes = "".join(f'<span class="usual">{sentences.unbroken(text)}</span>' for text in (around, usual) if text)
    said = format.joined([format.joined([under, around], "commas"), usual], "clauses")
    text = words.word("join.aside", first=words.word("join.pair", first=metric.label, then=shown), then=said)
    return f'<li><span class="name">{term(metric)}</span>{value}{line}{change}{notes}</li>', text


def term(metric: words.Metric) -> str:
    """The label of a metric with its definition, which shows on hover, on focus and on touch; a reader's voice says it after."""
    tip = f'<span class="tip" role="note">{sentences.unbroken(meaning(metric))}</span>'
    return f'<span class="term" tabindex="0">{escape(metric.label)}{tip}</span>'


def meaning(metric: words.Metric) -> str:
    """Definition, denominator and unit of a metric in sentences."""
    of = words.word("cards.of", denominator=metric.denominator) if metric.denominator else ""
    return format.joined([metric.definition, of, sentences.ended(words.word("cards.units", unit=_unit(metric)))])


def _unit(metric: words.Metric) -> str:
    currency = gate.settings().currency
    return words.word(f"front.units.{metric.unit}", currency=currency) if currency or metric.unit != "money" else metric.label


def glossary(keys: Iterable[str]) -> Shown:
    """What metrics mean, and when a change of one is called one: folded on the screen, open on paper.

    Args:
        keys: The metrics that a week is watched by together.
    """
    found = [words.metric(key) for key in dict.fromkeys(keys)]
    lines = [(own.label, meaning(own)) for own in found]
    lines.append((words.word("cards.usual_range"), words.word("cards.usual_meaning", n=format.value(len(found), "count"))))
    title = words.word("cards.glossary")
    rows = "".join(f"<div><dt>{escape(label)}</dt><dd>{sentences.unbroken(text)}</dd></div>" for label, text in lines)
    body = f'<details class="gr gr-glossary"><summary>{escape(title)}</summary><dl>{rows}</dl></details>'
    return Shown(body, "\n".join([title, *(f"{label}: {text}" for label, text in lines)]))


def _usual(metric: words.Metric, record: dict) -> str:
    """The usual band in words, and on which side of it the number lies."""
    low, high = (format.value(record.get(name), "number") for name in ("band_low", "band_high"))
    if format.UNDEFINED in (low, high):
        return ""
    value, low, high = (float(record[name]) for name in ("value", "band_low", "band_high"))
    side = "_above" if value > high else "_below" if value < low else ""
    return words.word(f"cards.usual{side}", usual=format.interval(low, high, metric.unit, digits=metric.digits))


def _change(metric: words.Metric, record: dict) -> tuple[str, str]:
    before = record.get("before")
    if format.value(before, "number") == format.UNDEFINED:
        return words.word("cards.no_before"), ""
    if metric.unit == "people" and gate.is_small(before):
        return words.word("cards.small_before"), ""
    return sentences.moved_in_parts(metric, record["value"], before, record.get("low"), record.get("high"))


def sparkline(record: dict, metric: words.Metric) -> str:
    """The last weeks as a line over the band of the usual; a point about too few people leaves a gap."""
    raw = record.get("series")
    series = [_finite(v, metric) for v in raw] if isinstance(raw, list | tuple) or hasattr(raw, "__len__") else []
    known = [v for v in series if v is not None]
    if len(known) < 2:
        return ""
    ends = (("lows", "band_low"), ("highs", "band_high"))
    lows, highs = (_band(record.get(many, record.get(one)), len(series)) for many, one in ends)
    everything = [*known, *(v for v in (*lows[-1:], *highs[-1:]) if v is not None)]
    bottom, top = min(everything), max(everything)  # where the band was wider once, it is cut off
    tall = (top - bottom) or 1.0

    def at(i: int, v: float) -> str:
        return f"{4 + i * (WIDE - 8) / (len(series) - 1):.1f} {HIGH - 5 - (v - bottom) / tall * (HIGH - 10):.1f}"

    band, known_band = "", [i for i, ends in enumerate(zip(lows, highs, strict=True)) if None not in ends]
    if len(known_band) > 1:
        there, back = ([min(max(v, bottom), top) if v is not None else v for v in ends] for ends in (highs, lows))
        edge = [at(i, there[i]) for i in known_band] + [at(i, back[i]) for i in reversed(known_band)]
        band = f'<path class="f-rule" d="M{" L".join(edge)}z"/>'
    runs, pen = "", "M"
    for i, v in enumerate(series):
        runs, pen = (runs, "M") if v is None else (f"{runs}{pen}{at(i, v)}", "L")
    last = max(i for i, v in enumerate(series) if v is not None)
    x, y = at(last, series[last]).split()
    dot = f'<circle class="f-accent" cx="{x}" cy="{y}" r="3.2"/>'
    said = words.word("cards.weeks", n=len(series), low=format.value(min(known), metric.unit, digits=metric.digits),
                      high=format.value(max(known), metric.unit, digits=metric.digits))  # fmt: skip
    said = format.joined([said, words.word("cards.band") if band else ""])
    line = f'<path class="s-accent" fill="none" stroke-width="1.6" d="{runs}"/>'
    return f'<svg viewBox="0 0 {WIDE:.0f} {HIGH:.0f}" role="img" aria-label="{escape(said)}">{band}{line}{dot}</svg>'


def _finite(value: object, metric: words.Metric) -> float | None:
    if format.value(value, "number") == format.UNDEFINED or (metric.unit == "people" and gate.is_small(value)):
        return None
    return float(value) if math.isfinite(float(value)) else None


def _band(value: object, length: int) -> list[float | None]:
    if isinstance(value, list | tuple) or hasattr(value, "__len__"):
        return [None if format.value(v, "number") == format.UNDEFINED else float(v) for v in value]
    known = format.value(value, "number") != format.UNDEFINED
    return [float(value)] * length if known else []
