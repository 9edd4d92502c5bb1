"""One KPI card: the number, how it changed and how sure that is, and its last weeks against the usual range."""

from __future__ import annotations

import math

from helpers.show import format, gate, sentences, words
from helpers.show.gate import escape

WIDE, HIGH = 120.0, 34.0


def card(record: dict) -> tuple[str, str]:
    """The markup and the text of one row of `tables.cards`."""
    metric = words.metric(str(record["metric"]))
    n = record.get("n")
    hidden = gate.is_small(n) or (metric.unit == "people" and gate.is_small(record.get("value")))
    shown = gate.small_mark() if hidden else format.value(record.get("value"), metric.unit, digits=metric.digits)
    if hidden:
        under = words.word("gate.note", k=gate.settings().min_group)
    elif shown == format.UNDEFINED:
        under = gate.plain(record.get("reason") or words.word("cards.undefined"))
    else:
        under = _change(metric, record)
    kind = "few" if gate.is_few(n) else sentences.direction(record, metric.good) if not hidden else ""
    line = "" if hidden else _sparkline(record, metric)
    value = f'<span class="value{" few" if kind == "few" else ""}">{escape(shown)}</span>'
    change = f'<span class="change {kind}">{sentences.unbroken(under)}</span>'
    title = escape(f"{metric.definition} {metric.denominator}".strip())
    name = f'<span class="name" title="{title}">{escape(metric.label)}</span>'
    return f"<li>{name}{value}{line}{change}</li>", f"{metric.label}: {shown} ({under})"


def _change(metric: words.Metric, record: dict) -> str:
    before = record.get("before")
    if format.value(before, "number") == format.UNDEFINED:
        return words.word("cards.no_before")
    if metric.unit == "people" and gate.is_small(before):
        return words.word("cards.small_before")
    return sentences.moved(metric, record["value"], before, record.get("low"), record.get("high"))


def _sparkline(record: dict, metric: words.Metric) -> str:
    """The last weeks as a line over the band of the usual; a point about too few people leaves a gap."""
    raw = record.get("series")
    series = [_finite(v, metric) for v in raw] if isinstance(raw, list | tuple) or hasattr(raw, "__len__") else []
    known = [v for v in series if v is not None]
    if len(known) < 2:
        return ""
    lows, highs = (_band(record.get(name), len(series)) for name in ("band_low", "band_high"))
    everything = [v for v in [*known, *lows, *highs] if v is not None]
    bottom, top = min(everything), max(everything)
    tall = (top - bottom) or 1.0

    def at(i: int, v: float) -> str:
        return f"{4 + i * (WIDE - 8) / (len(series) - 1):.1f} {HIGH - 5 - (v - bottom) / tall * (HIGH - 10):.1f}"

    band = ""
    if all(v is not None for v in [*lows, *highs]) and lows:
        edge = [at(i, v) for i, v in enumerate(highs)] + [at(i, v) for i, v in reversed(list(enumerate(lows)))]
        band = f'<path class="f-rule" d="M{" L".join(edge)}z"/>'
    runs, pen = "", "M"
    for i, v in enumerate(series):
        runs, pen = (runs, "M") if v is None else (f"{runs}{pen}{at(i, v)}", "L")
    last = max(i for i, v in enumerate(series) if v is not None)
    x, y = at(last, series[last]).split()
    dot = f'<circle class="f-accent" cx="{x}" cy="{y}" r="3.2"/>'
    said = words.word("cards.weeks", n=len(series), low=format.value(min(known), metric.unit, digits=metric.digits),
                      high=format.value(max(known), metric.unit, digits=metric.digits))  # fmt: skip
    line = f'<path class="s-accent" fill="none" stroke-width="1.6" d="{runs}"/>'
    return f'<svg viewBox="0 0 {WIDE:.0f} {HIGH:.0f}" role="img" aria-label="{escape(said)}">{band}{line}{dot}</svg>'


def _finite(value: object, metric: words.Metric) -> float | None:
    if format.value(value, "number") == format.UNDEFINED or (metric.unit == "people" and gate.is_small(value)):
        return None
    return float(value) if math.isfinite(float(value)) else None


def _band(value: object, length: int) -> list[float | None]:
    if isinstance(value, list | tuple):
        return [None if format.value(v, "number") == format.UNDEFINED else float(v) for v in value]
    known = format.value(value, "number") != format.UNDEFINED
    return [float(value)] * length if known else []
