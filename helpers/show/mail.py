"""The week as a mail: a page of tables with its styles inside, and a short text. It is written beside the pages, never sent.

Mail programs know no style sheet, no SVG and no script: widths are attributes, colours stand at each cell, nothing is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from helpers.errors import RunFailed
from helpers.show import format, gate, palette, rounding, sentences, words

NAMES = ("email.html", "email.txt")
LARGEST = 90 * 1024
MOST_LINES = 20
RED = "alarm"


@dataclass(frozen=True)
class Letter:
    """What a mail is made of.

    `dataset` is the name that readers know, `week` an ISO week or "undated", `days` its first and last day, `status` the
    status line, `quality` its mark ("good", "warn", "alarm" or ""), `rows` those of the contract `mailed`, `decisions` those
    of `experiment_decisions`, `report` where the full report lies, `footer` what traces the numbers.
    """

    dataset: str
    week: str
    days: tuple[Any, Any] | None = None
    status: str = ""
    quality: str = ""
    rows: Sequence[Mapping[str, Any]] = ()
    decisions: Sequence[Mapping[str, Any]] = ()
    report: str = ""
    footer: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """A part of the mail: a heading, and lines, or a table whose first column names its rows."""

    title: str
    lines: Sequence[str] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def render(letter: Letter) -> tuple[str, str]:
    """The mail as a page and as text.

    Raises:
        RunFailed: It is over 90 KiB, beyond which mail programs cut.
    """
    first, blocks = headline(letter), _blocks(letter)
    template = _environment().get_template("mail.html.j2")
    colours = {name: light for name, (light, _) in palette.TOKENS.items()}
    page = template.render(
        letter=letter, titled=format.joined([gate.name(letter.dataset), _when(letter)], "commas"), headline=first, blocks=blocks,
        colour=colours, language=gate.settings().language, full=_full(letter), form=_form(),
    )  # fmt: skip
    if len(page.encode()) > LARGEST:
        raise RunFailed(f"email.html has {len(page.encode()) / 1024:.0f} KiB; at most {LARGEST // 1024} are allowed.")
    return page, _text(letter, first, blocks)


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, pass_context

    made = Environment(loader=FileSystemLoader(gate.TEMPLATE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    # With a context, or the words of the template would be filled in once for all, in the language of the first mail.
    made.filters |= {"plain": gate.name, "word": pass_context(lambda _, key, **told: words.word(key, **told))}
    return made


def headline(letter: Letter) -> str:
    """The first sentence, from rounded numbers: the clearest change, or that there is none; at most 25 words."""
    if letter.quality == RED:
        return words.word("mail.red")
    kept = [row for row in _of(letter, "number") if not _told(row).kept_back]
    clear = [row for row in kept if row["clear"] and _direction(row) in ("up", "down")]
    if clear:
        return _changed(max(clear, key=_clarity))
    if kept:
        return words.word("mail.quiet", metric=_metric(kept[0]).label, now=_told(kept[0]).value)
    decided = _decisions(letter)
    return decided[0] if decided else words.word("headline.nothing")


def _blocks(letter: Letter) -> list[Block]:
    """The parts of the mail, those that have nothing to say left out; under a red mark there are no numbers."""
    if letter.quality == RED:
        return []
    numbers = _of(letter, "number")
    tier_rows = _tiers(_of(letter, "tier"))
    found = [
        Block(words.word("mail.numbers"), head=_head("mail.number"), rows=[_line(row) for row in numbers]),
        Block(words.word("mail.changed"), [_changed(row) for row in numbers if row["clear"]] or _nothing(numbers)),
        Block(words.word("mail.unchanged"), _unchanged(numbers)),
        Block(words.word("mail.tiers"), head=_head("mail.tier"), rows=tier_rows),
        Block(words.word("mail.decisions"), _decisions(letter)),
        Block(words.word("mail.warnings"), [_warned(row) for row in _of(letter, "warning")]),
    ]
    return [block for block in found if block.lines or block.rows]


def _of(letter: Letter, part: str) -> list[Mapping]:
    return [row for row in letter.rows if row["part"] == part]


def _head(first: str) -> list[str]:
    return [words.word(first), words.word("mail.now"), words.word("mail.change")]


def _metric(row: Mapping) -> words.Metric:
    return words.metric(row["metric"])


def _told(row: Mapping) -> rounding.Told:
    metric = _metric(row)
    return rounding.told(row, metric.unit, metric.digits)


def _line(row: Mapping) -> list[str]:
    made = _told(row)
    sure = words.word("mail.clear") if row["clear"] and made.sign else ""
    return [_metric(row).label, made.value, " ".join(filter(None, [made.change, sure])) or format.UNDEFINED]


def _direction(row: Mapping) -> str:
    return sentences.verdict(row["low"], row["high"])


def _clarity(row: Mapping) -> float:
    """How far no change lies outside the interval, in half-widths."""
    low, high = sorted((float(row["low"]), float(row["high"])))
    return abs(low + high) / ((high - low) or 1e-12)


def _changed(row: Mapping) -> str:
    """A clear change in words; rounded numbers that do not show it are not told beside it."""
    made, way = _told(row), _direction(row)
    label = _metric(row).label
    if made.kept_back or way not in ("up", "down"):
        return words.word("mail.kept_back", metric=label)
    if made.sign != (1 if way == "up" else -1):
        return words.word(f"mail.{way}_little", metric=label)
    return words.word(f"mail.{way}", metric=label, now=made.value, size=made.change.lstrip("+-"))


def _nothing(numbers: Sequence[Mapping]) -> list[str]:
    return [words.word("mail.nothing_changed")] if numbers else []


def _unchanged(numbers: Sequence[Mapping]) -> list[str]:
    quiet = [_metric(row).label for row in numbers if not row["clear"] and not _told(row).kept_back]
    return [sentences.listed(quiet, most=8)] if quiet else []


def _tiers(rows: Sequence[Mapping]) -> list[list[str]]:
    """Tiers are parts of a whole: where one is too small, a second goes with it."""
    if not rows:
        return []
    import pandas as pd

    safe = gate.withhold(pd.DataFrame([{"n": row["n"]} for row in rows]), "n", parts=True)
    made = [rounding.told({**row, "withheld": mark}, "people") for row, mark in zip(rows, safe["withheld"], strict=True)]
    return [[words.tier(row["slice"]), own.value, own.change or format.UNDEFINED] for row, own in zip(rows, made, strict=True)]


def _decisions(letter: Letter) -> list[str]:
    """One line an experiment, without a number of it."""
    best = [row for row in letter.decisions if row["best"]]
    lines = [_decision(row) for row in best[:MOST_LINES]]
    return lines + ([words.word("mail.more", n=len(best) - MOST_LINES)] if len(best) > MOST_LINES else [])


def _decision(row: Mapping) -> str:
    if gate.is_small(row["people"]):
        return words.word("change.withheld", metric=gate.name(row["experiment"]), k=gate.settings().min_group)
    act = "blocked" if row["reason"] == "gate" else row["reason"] if row["reason"] in ("running", "waiting") else row["decision"]
    return words.word(f"mail.act_{act}", experiment=gate.name(row["experiment"]), arm=gate.name(row["variant"]))


def _warned(row: Mapping) -> str:
    made = rounding.told(row, "people")
    key = "warned_few" if made.kept_back else "warned"
    return words.word(f"mail.{key}", n=made.value, people=words.subject())


def _text(letter: Letter, first: str, blocks: Iterable[Block]) -> str:
    """The mail for programs that show text alone."""
    parts = [[gate.name(letter.dataset), _when(letter)], [gate.name(first)], [_status(letter)]]
    for block in blocks:
        rows = [f"- {_row(*row)}" for row in block.rows]
        parts.append([block.title.upper(), *(f"- {gate.name(line)}" for line in block.lines), *map(gate.name, rows)])
    parts.append([_full(letter), _form()])
    parts.append([words.word("join.pair", first=label, then=gate.name(text)) for label, text in letter.footer.items()])
    lines = ["\n".join(filter(None, part)) for part in parts]
    return "\n\n".join(filter(None, lines)) + "\n"


def _row(label: str, now: str, change: str) -> str:
    told = now if change == format.UNDEFINED else words.word("join.aside", first=now, then=change)
    return words.word("join.pair", first=label, then=told)


def _when(letter: Letter) -> str:
    week = words.word("page.week", week=format.week(letter.week)) if format.week_start(letter.week) else gate.name(letter.week)
    return format.joined([week, format.days(*letter.days) if letter.days else ""], "commas")


def _full(letter: Letter) -> str:
    return words.word("mail.full", report=gate.name(letter.report)) if letter.report else ""


def _form() -> str:
    return words.word("mail.form", k=gate.settings().min_group, step=rounding.STEP)


def _status(letter: Letter) -> str:
    mark = words.word(f"quality.{letter.quality}") if letter.quality else ""
    said = [gate.name(letter.status), format.joined([words.word("mail.quality_mark"), mark]) if mark else ""]
    return f"{words.word('format.end')}{words.word('join.sentences')}".join(filter(None, said))
