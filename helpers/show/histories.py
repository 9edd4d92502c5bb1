"""The pages around the weeks: a dataset's history, the way from a week to its neighbours, and all datasets side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from helpers.show import cards, format, gate, page, sentences, tables, words
from helpers.show.gate import escape

SHOWN = 26  # weeks; older ones are folded


def history(name: str, rows: Sequence[dict[str, Any]], *, title: str | None = None) -> str:
    """The page of all weeks of a dataset, newest first, with the course of its main numbers.

    Args:
        name: The dataset's name.
        rows: One a week: `week`, `headline`, `quality`, `version` (which it is, counted by its numbers), `built_at`, `seconds`
            (a number), `href`, and `numbers`: metric -> (value, people whom it describes), None where withheld.
        title: What readers call the dataset; None: its name.
    """
    shown = title or name
    info = page.PageInfo(shown, words.word("page.history_title", name=shown), language=gate.settings().language)
    ordered = sorted(rows, key=lambda row: str(row["week"]))
    made = [_row(row) for row in reversed(ordered)]
    return page.fill("history.html.j2", info, rows=made[:SHOWN], older=made[SHOWN:], numbers=_course(ordered))


def _row(row: dict[str, Any]) -> dict[str, str]:
    """The texts of a row; `about` is the line under the headline."""
    told = dict.fromkeys(("headline", "quality", "href"), "") | row
    seconds = format.value(row.get("seconds"), "number", digits=1)
    about = [words.word("weeks.built", when=format.moment(row.get("built_at")), seconds=seconds)]
    if row.get("version", 1) > 1:
        about.append(words.word("weeks.version", n=row["version"]))
    mark = told["quality"] if told["quality"] in page.QUALITIES else ""
    return told | {"about": format.joined(about, "clauses"), "mark": mark, "quality": _quality(told["quality"])}


def _quality(mark: str) -> str:
    return words.word(f"quality.{mark}") if mark in page.QUALITIES[1:] else gate.plain(mark)


def _course(rows: list[dict[str, Any]]) -> str:
    """Markup: a card a main number with its line over the published weeks, and all of them as a folded table."""
    numbers = [row.get("numbers") or {} for row in rows]
    metrics = [words.metric(key) for key in words.metrics() if any(key in own for own in numbers)]
    if not metrics:
        return ""
    drawn = "".join(_card(metric, [own.get(metric.key) for own in numbers], str(rows[-1]["week"])) for metric in metrics)
    head = [(words.word("columns.week"), False), *((metric.label, True) for metric in metrics)]
    lines = [
        [(gate.plain(row["week"]), "key"), *((_text(metric, own.get(metric.key)), "num") for metric in metrics)]
        for row, own in zip(reversed(rows), reversed(numbers), strict=True)
    ]
    said = words.word("weeks.numbers")
    folded = tables.scrolled(tables.grid(head, lines), said)
    data = f'<details class="gr data"><summary>{escape(said)}</summary>{folded}</details>'
    return f'<ul class="gr gr-cards">{drawn}</ul>{data}'


Number = tuple[float | None, int | None] | None


def _card(metric: words.Metric, series: list[Number], newest: str) -> str:
    values = [None if own is None or gate.is_small(own[1]) else own[0] for own in series]
    known = [value for value in values if value is not None]
    line = cards.sparkline({"series": values}, metric)
    under = words.word("weeks.newest", week=newest)
    if len(known) > 1:
        low, high = (format.value(end, metric.unit, digits=metric.digits) for end in (min(known), max(known)))
        under = words.word("weeks.course", week=newest, n=len(known), low=low, high=high)
    name = f'<span class="name" title="{escape(metric.definition)}">{escape(metric.label)}</span>'
    value = f'<span class="value">{escape(_text(metric, series[-1]))}</span>'
    return f'<li>{name}{value}{line}<span class="change">{sentences.unbroken(under)}</span></li>'


def _text(metric: words.Metric, own: Number) -> str:
    """A number as it was published: of a group that is too small there is neither value nor size."""
    if own is None:
        return format.UNDEFINED
    if gate.is_small(own[1]) or own == (None, None):
        return gate.small_mark()
    return format.value(own[0], metric.unit, digits=metric.digits)


def neighbour(title: str, week: str, side: str, other: str | None) -> str:
    """The page that leads from a week to the one published before or after it; where there is none it says so.

    Args:
        title: What readers call the dataset.
        side: "previous" or "next".
        other: The neighbouring week; None where there is none.
    """
    info = page.PageInfo(title, words.word(f"weeks.{side}"), language=gate.settings().language)
    said = words.word("weeks.to", week=other) if other else words.word(f"weeks.no_{side}", week=week)
    links = [(f"../{own}/index.html", words.word("page.week", week=own)) for own in (other, week) if own]
    links.append((f"../index.html#{week}", words.word("weeks.all")))
    return page.fill("near.html.j2", info, said=said, ways=links, refresh=f"../{other}/index.html" if other else "")


def overview(rows: Sequence[dict[str, Any]]) -> str:
    """All datasets side by side, by name.

    Args:
        rows: One a dataset: `name`, `title`, `week` (its newest), `headline`, `quality`, `built_at`, `seconds`, `weeks` (how
            many are published).
    """
    info = page.PageInfo(words.word("weeks.datasets"), words.word("weeks.datasets"), language=gate.settings().language)
    made = [
        _row(row) | {"weeks": words.word("weeks.count", n=row["weeks"])} for row in sorted(rows, key=lambda row: str(row["name"]))
    ]
    return page.fill("overview.html.j2", info, rows=made)
