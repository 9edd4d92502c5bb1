"""Findings as sentences. The words come from the estimate and its interval: where the interval covers no change, the
words are "no clear change", whatever the estimate says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from helpers.show import format, gate, words
from helpers.show.gate import Shown, escape
from helpers.show.words import Metric, word

if TYPE_CHECKING:
    import pandas as pd

TONES = ("", "good", "warn", "alarm")
HEADLINE_WORDS = 25
_NUMBER = r"[-+]?\d+(?:[,.:]\d+)*"
_LETTER = r"\b[npq] (?:[=≥≤] ?|&lt; ?|&gt; ?)?"
# What must not part at the end of a line: a number and its unit, the two ends of an interval, a letter, its sign and its value.
_TOGETHER = re.compile(
    rf"(?:\b[A-Z]{{3}} |{_LETTER})?{_NUMBER}(?: (?:%|points?|days?)(?!\w)| to {_NUMBER}(?: (?:%|points?|days?)(?!\w))?)"
    rf"|{_NUMBER}%?(?: 至 {_NUMBER}%?(?: (?:个百分点|天|元))?| (?:个百分点|天|元|人|周))"
    rf"|(?:\b[A-Z]{{3}} |{_LETTER}){_NUMBER}"
)


def say(*sentences: str | Shown, tone: str = "") -> Shown:
    """One sentence as a paragraph, several as a list; `tone` is "", "good", "warn" or "alarm".

    A sentence may have a link (`linked`) to where it comes from.
    """
    if tone not in TONES:
        raise ValueError(f'tone "{tone}" is unknown. Tones: {", ".join(filter(None, TONES))}.')
    spoken = [sentence if isinstance(sentence, Shown) else _spoken(sentence) for sentence in sentences if sentence]
    kind = f"gr gr-say {tone}".strip()
    if len(spoken) == 1:
        body = f'<p class="{kind}">{spoken[0].html}</p>'
    else:
        body = f'<ul class="{kind}">' + "".join(f"<li>{line.html}</li>" for line in spoken) + "</ul>"
    return Shown(body, "\n".join(line.text for line in spoken))


def linked(sentence: str, page: str, cell: str) -> Shown:
    """A sentence with a link to the cell of another page that it comes from.

    Args:
        page: The notebook's name, such as 04_retention.
        cell: The id of its cell.
    """
    spoken, name = _spoken(sentence), word(f"front.pages.{page}")
    link = f'<a class="from" href="{escape(page)}.html#{escape(cell)}">{escape(name)}</a>'
    return Shown(f"{spoken.html} {link}", spoken.text)


def _spoken(sentence: str) -> Shown:
    text = opened(ended(gate.plain(words.text(sentence))))
    return Shown(unbroken(text), text)


def opened(sentence: str) -> str:
    """The sentence with a capital at its beginning, unless it begins with a name such as `feed_order` or `iOS`.

    Chinese has no capitals: what stands first there in letters is a name.
    """
    if gate.settings().language == "zh":
        return sentence
    first = sentence.split(" ", 1)[0].rstrip(",:;")
    return sentence[:1].upper() + sentence[1:] if first.isalpha() and first.islower() else sentence


def ended(sentence: str) -> str:
    return sentence if sentence.rstrip()[-1:] in tuple(".!?:;。！？") else sentence.rstrip() + word("format.end")


def unbroken(text: str) -> str:
    """The escaped text, in which a number stays with its unit at the end of a line."""
    return _TOGETHER.sub(lambda found: f'<span class="nb">{found[0]}</span>', escape(text))


def verdict(low: object, high: object) -> str:
    """What an interval of a difference says: "up", "down", "unclear" (it covers no change) or "" (there is none)."""
    if format.interval(low, high) == format.UNDEFINED:
        return ""
    least, most = sorted((float(low), float(high)))  # type: ignore[arg-type]
    return "up" if least > 0 else "down" if most < 0 else "unclear"


def direction(record: Mapping, good: str) -> str:
    """"good" or "bad" for a clear change of a metric that has a good direction, else "".

    What moved no further than usual (`clear` is false) is neither.
    """
    found = verdict(record.get("low"), record.get("high"))
    if found not in ("up", "down") or not good or not record.get("clear", True):
        return ""
    return "good" if found == good else "bad"


def moved(metric: Metric | str, now: object, before: object, low: object = None, high: object = None) -> str:
    """How a number moved, in a few words, without naming it: `+120 (+9.5 %), 95 % interval +80 to +160`."""
    return format.joined(moved_in_parts(metric, now, before, low, high), "commas")


def moved_in_parts(
    metric: Metric | str, now: object, before: object, low: object = None, high: object = None
) -> tuple[str, str]:
    """The same in two parts, what an interval says and the interval; without one, what was before and nothing."""
    metric = words.metric(metric) if isinstance(metric, str) else metric
    found = verdict(low, high)
    if not found:
        return word("change.plain", before=_value(metric, before)), ""
    said = word(f"change.short_{found}", size=_step(metric, now, before))
    return said, word("change.short_interval", interval=_around(metric, low, high))


def change(
    metric: str,
    now: object,
    before: object,
    low: object = None,
    high: object = None,
    *,
    than: str | None = None,
    n: object = None,
) -> str:
    """A sentence about a metric now and before.

    Args:
        metric: A key of metrics.toml.
        now: Its value.
        before: Its value in the period compared with.
        low: Lower end of the interval of the change (now - before), in the metric's own unit; None: no interval is
            known, and the sentence gives both numbers without judging.
        high: Its upper end.
        than: What it is compared with; None: the week before.
        n: People described; below the smallest group shown, the sentence says only that.
    """
    spec, than = words.metric(metric), than or word("change.week_before")
    if gate.is_small(n) or (spec.unit == "people" and (gate.is_small(now) or gate.is_small(before))):
        return word("change.withheld", metric=spec.label, k=gate.settings().min_group)
    if _value(spec, now) == format.UNDEFINED:
        return word("change.undefined", metric=spec.label)
    if _value(spec, before) == format.UNDEFINED:
        return word("change.first", metric=spec.label, now=_value(spec, now))
    parts = {"metric": spec.label, "now": _value(spec, now), "before": _value(spec, before), "than": than,
             "size": _step(spec, now, before, sign=False), "interval": _around(spec, low, high)}  # fmt: skip
    return word(f"change.{verdict(low, high) or 'bare'}", **parts)


def difference(
    label: str,
    estimate: object,
    low: object,
    high: object,
    *,
    unit: str = "points",
    p: object = None,
    n: object = None,
    digits: int | None = None,
) -> str:
    """A sentence about the difference between two groups, such as the arms of an experiment."""
    if gate.is_small(n):
        return word("change.withheld", metric=label, k=gate.settings().min_group)
    if format.value(estimate, unit) == format.UNDEFINED:
        return word("change.undefined", metric=label)
    found = verdict(low, high) or "bare"
    sure = word("change.p", p=_p(p)) if p is not None else ""
    size = format.value(estimate, unit, sign=True, digits=digits)
    around = format.interval(low, high, unit, digits=digits)
    return word(f"difference.{found}", label=label, size=size, interval=around, p=sure)


def share(metric: str, k: object, n: object, low: object = None, high: object = None, *, digits: int | None = None) -> str:
    """`Week-1 retention: 19.0 % (845 of 4,450; 95 % interval 17.9 to 20.2 %)`; `metric` is a key or plain words."""
    label = words.metric(metric).label if metric in words.metrics() else gate.plain(metric)
    if gate.is_small(n):
        return word("change.withheld", metric=label, k=gate.settings().min_group)
    total = float(n) if format.value(n, "number") != format.UNDEFINED else 0.0  # type: ignore[arg-type]
    if not total:
        return word("change.nobody", metric=label)
    rate = format.value(float(k) / total, "share", digits=digits)  # type: ignore[arg-type]
    counts = {"k": format.value(k, "count"), "n": format.value(n, "count")}
    around = format.interval(low, high, "share", digits=digits)
    key = "share.plain" if around == format.UNDEFINED else "share.interval"
    return word(key, label=label, rate=rate, interval=around, **counts)


def headline(frame: pd.DataFrame, *, than: str | None = None) -> str:
    """The first sentence of a report: the clearest change of the cards' frame, or that there is none.

    What changed clearly against the mean of the weeks before, and not against the last of them, is told against that mean.
    Where nothing has a usual range yet, the intervals alone decide.

    Args:
        frame: As for `tables.cards`; rows without an interval cannot be called a change, nor those whose `clear` is
            false (they moved within their usual range). Optional: `past`, `past_low`, `past_high` and `past_weeks`.
        than: What it is compared with; None: the week before.

    Returns:
        At most 25 words, with size, comparison and certainty.
    """
    rows = [record for record in frame.to_dict("records") if _speakable(record)]
    if not rows:
        return word("headline.nothing")
    told = [base for record in rows if (base := _base(record, than or word("change.week_before")))]
    usual_known = "band_low" not in frame or any(_is_known(record["band_low"]) for record in rows)
    clear = [base for record, base in told if record.get("clear", True) or not usual_known]
    if clear:
        return _short("change", max(clear, key=_clarity))
    record = rows[0]
    found = verdict(record.get("low"), record.get("high"))
    if not found:
        return change(record["metric"], record["value"], record["before"], than=than)
    base = _against(record, "before", "low", "high", than or word("change.week_before"))
    if not _is_known(record.get("band_low", 0)):
        return _short("change", base)
    return _short("headline", base, {"up": "usual_up", "down": "usual_down", "unclear": "quiet"}[found])


def _base(record: Mapping, than: str) -> tuple[Mapping, dict] | None:
    """The record with that change of it which its interval tells from none: against the week before, else the mean before it."""
    if verdict(record.get("low"), record.get("high")) in ("up", "down"):
        return record, _against(record, "before", "low", "high", than)
    if verdict(record.get("past_low"), record.get("past_high")) in ("up", "down") and record.get("clear"):
        weeks = format.value(record["past_weeks"], "count")
        return record, _against(record, "past", "past_low", "past_high", word("headline.past", weeks=weeks))
    return None


def _against(record: Mapping, before: str, low: str, high: str, than: str) -> dict:
    return {"metric": record["metric"], "now": record["value"], "before": record[before], "low": record[low],
            "high": record[high], "than": than}  # fmt: skip


def _short(section: str, base: Mapping, key: str | None = None) -> str:
    """The sentence, without the relative change where it would have too many words."""
    spec = words.metric(base["metric"])
    key = key or verdict(base["low"], base["high"])
    steps = [_step(spec, base["now"], base["before"], sign=False, relative=relative) for relative in (True, False)]
    parts = {"metric": spec.label, "now": _value(spec, base["now"]), "before": _value(spec, base["before"]),
             "than": base["than"], "interval": _around(spec, base["low"], base["high"])}  # fmt: skip
    said = [word(f"{section}.{key}", **parts, size=size) for size in steps]
    return said[0] if len(said[0].split()) <= HEADLINE_WORDS else said[1]


def listed(items: Iterable[object], most: int = 3) -> str:
    """`a, b and c`, or `a, b, c and 4 more`."""
    texts = [gate.name(item) for item in items]
    if len(texts) > most:
        return word("list.more", first=format.joined(texts[:most], "names"), n=len(texts) - most)
    return word("list.and", first=format.joined(texts[:-1], "names"), last=texts[-1]) if len(texts) > 1 else "".join(texts)


def _speakable(record: Mapping) -> bool:
    spec = words.metric(record["metric"])
    numbers = [record.get("value"), record.get("before")]
    if gate.is_small(record.get("n")) or any(format.value(v, "number") == format.UNDEFINED for v in numbers):
        return False
    return not (spec.unit == "people" and any(gate.is_small(v) for v in numbers))


def _is_known(number: object) -> bool:
    return format.value(number, "number") != format.UNDEFINED


def _clarity(record: Mapping) -> float:
    """How far no change lies outside the interval, in half-widths."""
    low, high = sorted((float(record["low"]), float(record["high"])))
    return abs(low + high) / ((high - low) or 1e-12)


def _value(metric: Metric, x: object) -> str:
    return format.value(x, metric.unit, digits=metric.digits)


def _step(metric: Metric, now: object, before: object, *, sign: bool = True, relative: bool = True) -> str:
    """The size of a change: shares in points, else in the unit, with the relative change where it makes sense."""
    gap = float(now) - float(before)  # type: ignore[arg-type]
    size = gap if sign else abs(gap)
    if metric.unit in ("share", "points"):
        text = format.value(size, "points", digits=metric.digits)
        return text if sign else text.lstrip("+")
    unit = "count" if metric.unit == "people" else metric.unit
    size = format.value(size, unit, digits=metric.digits, sign=sign)
    if not relative or metric.unit not in ("people", "count", "money") or float(before) <= 0:  # type: ignore[arg-type]
        return size
    part = format.value(gap / float(before), "share", sign=True)  # type: ignore[arg-type]
    return word("join.aside", first=size, then=part)


def _around(metric: Metric, low: object, high: object) -> str:
    """Both ends; where they leave out no change, with the decimals that show it."""
    unit = {"share": "points", "people": "count"}.get(metric.unit, metric.unit)
    if format.interval(low, high) == format.UNDEFINED:
        return ""
    digits = metric.digits
    if digits is None:
        digits = format.decimals(max(abs(float(end)) for end in (low, high)), unit)  # type: ignore[arg-type]
    ends = _ends(low, high, unit, digits)
    while digits < format.MOST_DIGITS and verdict(low, high) != "unclear" and not all(re.search("[1-9]", end) for end in ends):
        digits += 1
        ends = _ends(low, high, unit, digits)
    text = f"{ends[0]} {word('format.to')} {ends[1]}"
    return word("format.points", n=text) if unit == "points" else text


def _ends(low: object, high: object, unit: str, digits: int) -> list[str]:
    return [format.value(end, unit, digits=digits, sign=True, bare=True) for end in (low, high)]


def _p(p: object) -> str:
    text = format.value(p, "p")
    return text if text.startswith("<") else f"= {text}"
