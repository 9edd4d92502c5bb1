"""Tables that a screen reader can follow, KPI cards, small lists of facts, and what was skipped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from helpers.show import format, gate, sentences, words
from helpers.show.gate import Shown, escape

if TYPE_CHECKING:
    import pandas as pd

ONE_LINE = 20
MOST_FOLDED = 104
# Pixels: what a table has on a phone, of it the first column at most, a column of numbers at least, and between two.
PHONE, LONG_KEY, NUMBERS, BETWEEN = 358.0, 144.0, 68.0, 14.0

Column = str | tuple[str, str] | tuple[str, str, int]


def table(
    frame: pd.DataFrame,
    *,
    title: str,
    columns: Mapping[str, Column],
    n: str | None = None,
    fold: int = 26,
    keep: str = "last",
    parts: bool = False,
    within: str | None = None,
    note: str | None = None,
    subtitle: str | None = None,
) -> Shown:
    """A table of some columns of a frame, in the frame's order.

    Args:
        frame: One row a line.
        title: The finding, or what the table holds.
        columns: Which columns, in which order: a unit, (label, unit) or (label, unit, digits). The name `low..high`
            makes one cell of two columns, the ends of an interval. The first column names the row.
        n: The column with the size of the group that a row describes; small groups lose all their numbers.
        fold: Rows shown; the others are folded, at most 104 of them.
        keep: "last" for periods (the newest stay), "first" for rankings.
        parts: The rows are parts of a whole that readers may know; `within` names the column that delimits several
            wholes. See `gate.withhold`.
        note: A line under the table.
        subtitle: Measure, population, period.
    """
    title = sentences.opened(gate.plain(words.text(title)))
    subtitle, note = (own and words.text(own) for own in (subtitle, note))
    specs = {name: _column(name, spec) for name, spec in columns.items()}
    needed = [part for name in specs for part in name.split("..")]
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise KeyError(f"table: the frame has no column {missing}; it has {list(frame.columns)}.")
    rows, withheld = _cells(frame, specs, n, needed, (parts, within))
    head = [(_headed(name, label), unit in format.NUMERIC) for name, (label, unit, _) in specs.items()]
    under = [*([note] if note else []), *([words.word("gate.note", k=gate.settings().min_group)] if withheld else [])]
    under += [words.word("chart.few", k=gate.FEW)] if any("few" in kind for row in rows for _, kind in row) else []
    under += [words.word("gate.everyone")] if n and _tells_of_everyone(rows) else []
    under += [words.word("tables.empty")] if not rows else []
    body = _folded(head, rows, (title, subtitle), fold, keep)
    body += f'<p class="note">{sentences.unbroken(format.joined(under))}</p>' if under else ""
    text = "\n".join(filter(None, [title, subtitle, plain_grid([str(label) for label, _ in head], rows), *under]))
    return Shown(f'<div class="gr gr-table">{body}</div>', text)


def _tells_of_everyone(rows: list[list[tuple[str, str]]]) -> bool:
    """Whether a share of nobody or of all is shown, by which each of a group is known."""
    extremes = {format.value(share, "share") for share in (0, 1)}
    return any(text in extremes for row in rows for text, _ in row[1:])


def _folded(head, rows, titles: tuple[str, str | None], fold: int, keep: str) -> str:
    """The table with its caption, and the rows beyond the fold under it; a few rows too many are not worth a fold."""
    cut = len(rows) - fold if len(rows) > fold + 3 else 0
    shown, folded = (rows[cut:], rows[:cut]) if keep == "last" else (rows[: len(rows) - cut], rows[len(rows) - cut :])
    title, subtitle = titles
    caption = f"<strong>{sentences.unbroken(title)}</strong>"
    caption += f"<span>{sentences.unbroken(subtitle)}</span>" if subtitle else ""
    body = scrolled(grid(head, shown, caption, stacks=True), title)
    if folded:
        n = format.value(len(folded), "count")
        if len(folded) > MOST_FOLDED:
            n = words.word("tables.some", n=MOST_FOLDED, of=n)
            folded = folded[-MOST_FOLDED:] if keep == "last" else folded[:MOST_FOLDED]
        summary = words.word("tables.earlier" if keep == "last" else "tables.further", n=n)
        rest = scrolled(grid(head, folded, escape(summary), quiet=True, stacks=True), summary)
        body += f"<details><summary>{escape(summary)}</summary>{rest}</details>"
    return body


def _headed(name: str, label: str) -> str | Shown:
    """The head of a column; that of a metric, with its definition."""
    from helpers.show import cards

    is_metric = name in words.metrics() and label == words.metric(name).label
    return Shown(cards.term(words.metric(name)), label) if is_metric else label


def _column(name: str, spec: Column) -> tuple[str, str, int | None]:
    if isinstance(spec, str):
        spec = (words.label(name) if ".." not in name else words.word("tables.interval"), spec)
    format.check(spec[1])
    return words.text(spec[0]), spec[1], spec[2] if len(spec) > 2 else None


def _cells(frame, specs, n, needed, whole: tuple[bool, str | None]) -> tuple[list[list[tuple[str, str]]], bool]:
    """Rows of (text, class), and whether something is withheld."""
    keys = next(iter(specs)).split("..")
    values = [name for name in needed if specs.get(name, ("", "text"))[1] in format.NUMERIC or name not in specs]
    values = [name for name in dict.fromkeys(values) if name not in keys]
    safe = gate.withhold(frame, n, values, parts=whole[0], within=whole[1])
    # Where a row's size is not shown, "fewer than 10" of a number of people would be read as that number.
    people = [name for name in values if name in specs and specs[name][1] == "people"] if n not in needed else []
    small = {name: list(gate.are_small(frame[name])) for name in people}
    rows, withheld = [], False
    for place, record in enumerate(safe.to_dict("records")):
        row = []
        for at, (name, (_, unit, digits)) in enumerate(specs.items()):
            hidden = bool(record["withheld"]) and (set(name.split("..")) <= {*values, n}) and at > 0
            mark = record["withheld"]
            if people and not (name in small and small[name][place]):
                mark = words.word("gate.withheld")
            text = mark if hidden else _cell(record, name, unit, digits)
            withheld = withheld or hidden or text == gate.small_mark() or isinstance(record.get(name), gate.Mark)
            kinds = ["few"] if record["few"] and unit in format.NUMERIC else []
            row.append((text, " ".join([*kinds, *(["num"] if unit in format.NUMERIC else [])])))
        rows.append(row)
    return rows, withheld


def _cell(record: dict, name: str, unit: str, digits: int | None) -> str:
    if ".." in name:
        low, high = name.split("..")
        return format.interval(record[low], record[high], unit, digits=digits)
    text = format.value(record[name], unit, digits=digits, bare=unit not in ("share", "points"))
    return words.tier(text) if unit in ("text", "words") else text


def grid(
    head: list[tuple[str | Shown, bool]],
    rows: list[list[tuple[str, str]]],
    caption: str = "",
    *,
    quiet: bool = False,
    stacks: bool = False,
) -> str:
    """An HTML table: `head` as (label, is it a number), `rows` as (text, class); `caption` is markup already.

    Numbers are what cells hold unless their class says `key`, which saves a third of the bytes. With `stacks`, a phone sets
    the cells of a table that is too wide for it one under the other, each after the name of its column.
    """
    rows = [[(text, _long(text, kind)) for text, kind in row] for row in rows]
    rows = [[row[0], *((text, _dense(kind)) for text, kind in row[1:])] for row in rows]
    texts = [(label.html if isinstance(label, Shown) else escape(label), number) for label, number in head]
    top = "".join(f'<th scope=col{" class=num" if number else ""}>{text}</th>' for text, number in texts)
    stacks = stacks and _is_too_wide(head, rows)
    lines = []
    for row in rows:
        first = f'<th scope=row{_kind(row[0][1])}>{escape(row[0][0])}</th>' if row else ""
        cells = "".join(f"<td{_kind(kind)}>{_prose(text, kind)}</td>" for text, kind in row[1:])
        lines.append(f"<tr>{first}{cells}</tr>")
    hidden = " class=quiet" if quiet else ""
    title = f"<caption{hidden}>{caption}</caption>" if caption else ""
    kind = f'"dense stack" style="{_named([str(label) for label, _ in head])}"' if stacks else "dense"
    return f"<table class={kind}>{title}<thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _long(text: str, kind: str) -> str:
    """Short keys and dates stay on one line; what is longer may wrap. Numbers never do."""
    numbers = {"num", "open"} & set(kind.split())
    return kind if numbers or len(text) <= ONE_LINE else f"{kind} long".strip()


def _prose(text: str, kind: str) -> str:
    return sentences.unbroken(text) if "long" in kind.split() else escape(text)


def _is_too_wide(head: list[tuple[str | Shown, bool]], rows: list[list[tuple[str, str]]]) -> bool:
    """Whether a phone would have to scroll the table sideways: it has sentences in its cells, or many columns."""
    from helpers.show.charts import axes

    if any("long" in kind.split() for row in rows for _, kind in row[1:]):
        return True
    widths = [
        max(NUMBERS if number else 0.0, BETWEEN + max([axes.longest(label), *(axes.width(row[at][0]) for row in rows)]))
        for at, (label, number) in enumerate(head)
    ]
    return sum([min(widths[0], LONG_KEY), *widths[1:]]) > PHONE if widths else False


def _named(head: list[str]) -> str:
    """The names of the columns for the style sheet, which sets each before its cells."""
    texts = [re.sub(r"[^\w ]", lambda sign: f"\\{ord(sign[0]):x} ", label) for label in head]
    return escape(";".join(f"--c{at}:'{text}'" for at, text in enumerate(texts[1:], 2)))


def _dense(kind: str) -> str:
    kinds = kind.split()
    if "num" in kinds or "open" in kinds:
        return " ".join(k for k in kinds if k != "num")
    return f"key {kind}".strip()


def _kind(kind: str) -> str:
    return f' class="{kind}"' if " " in kind else f" class={kind}" if kind else ""


def scrolled(markup: str, name: str) -> str:
    """A wide thing in a region of its own that scrolls, by keyboard too."""
    return f'<div class="scroll" role="group" tabindex="0" aria-label="{escape(name)}">{markup}</div>'


def plain_grid(head: list[str], rows: list[list[tuple[str, str]]], limit: int = 40) -> str:
    """The table as text, columns parted by two blanks; beyond `limit` lines only the last ones."""
    lines = [head, *[[text for text, _ in row] for row in rows[-limit:]]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True)))
        .rstrip() for line in lines
    )  # fmt: skip


def facts(items: Mapping[str, object], *, unit: str | None = None) -> Shown:
    """A small list of facts: label -> text, or (value, unit), or (value, unit, digits); `unit` is that of bare values."""
    texts = {gate.plain(words.text(label)): _fact((item, unit) if unit else item) for label, item in items.items()}
    rows = "".join(f"<div><dt>{escape(label)}</dt><dd>{escape(text)}</dd></div>" for label, text in texts.items())
    said = "\n".join(words.word("join.pair", first=label, then=text) for label, text in texts.items())
    return Shown(f'<dl class="gr gr-facts">{rows}</dl>', said)


def _fact(item: object) -> str:
    if isinstance(item, tuple):
        return format.value(item[0], item[1], digits=item[2] if len(item) > 2 else None)
    unit = "date" if hasattr(item, "year") else "count" if isinstance(item, int) else "number"
    return format.value(item, "words" if isinstance(item, str) else unit)


def skipped(part: str, why: str) -> Shown:
    """One line that says what is not on the page and why."""
    text = words.word("tables.skipped", part=gate.plain(words.label(words.text(part))), why=gate.plain(words.text(why)))
    return Shown(f'<p class="gr gr-skipped">{sentences.unbroken(text)}</p>', text)


def cards(frame: pd.DataFrame) -> Shown:
    """KPI cards, one a row.

    Args:
        frame: `metric` (a key of metrics.toml) and `value`; optional: `before` (the week before), `low` and `high`
            (interval of the change, in the metric's own unit), `n` (people it describes), `series` (a list, oldest
            first, the last being this week), `band_low` and `band_high` (the usual range, in the metric's unit, a
            number or a list like `series`), `reason` (why the value is undefined).
    """
    from helpers.show import cards as drawn

    made = [drawn.card(record) for record in frame.to_dict("records")]
    body = "".join(markup for markup, _ in made)
    return Shown(f'<ul class="gr gr-cards">{body}</ul>', "\n".join(text for _, text in made))


def bullet(lines: Iterable[str]) -> str:
    """Markup of a plain list."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
