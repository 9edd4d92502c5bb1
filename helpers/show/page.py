"""An executed notebook as one self-contained page: no script, no address of another server, the same bytes each time."""

from __future__ import annotations

import re
import sys
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.errors import RunFailed
from helpers.show import format, gate, palette, sentences, words
from helpers.show.checks import LARGEST, is_broken

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["LARGEST", "PageInfo", "fill", "is_broken", "render"]

# A check's output is bare numbers that have not passed the gate: it is for nbval, not for readers.
HEADLINE = "headline"  # the cell that a page with a headline has as its title
HIDDEN = frozenset({"parameters", "injected-parameters", "setup", "explore", "nbval-check-output"})
FOLDED = frozenset({"detail"})
QUALITIES = ("", "good", "warn", "alarm")
_DAY = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


@dataclass(frozen=True)
class PageInfo:
    """What surrounds a notebook on its page.

    `dataset` is the name that readers know, `week` an ISO week or "undated", `week_dates` its days in words,
    `status` one line ("complete; data up to 8 Mar 2026"), `quality` its mark ("good", "warn", "alarm" or ""),
    `links` the pages of the run as (href, label, is it this one), `footer` what traces the numbers, `skipped` a line
    for each part that the dataset does not allow, `restated` one for each number that has moved since it was published,
    `around` the ways to other weeks as (href, label), `code` whether the code of the cells is on it, `headline` the sentence
    that stands over it in the place of the title, `doubts` why its numbers are not to be relied on.
    """

    dataset: str
    title: str
    week: str = ""
    week_dates: str = ""
    status: str = ""
    language: str = "en"
    links: list[tuple[str, str, bool]] = field(default_factory=list)
    footer: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    quality: str = ""
    restated: list[str] = field(default_factory=list)
    around: list[tuple[str, str]] = field(default_factory=list)
    code: bool = True
    headline: str = ""
    doubts: list[str] = field(default_factory=list)


def render(nb: NotebookNode, page: PageInfo) -> str:
    """The page of an executed notebook; one that would be over 300 KiB with its code is made without, and says so.

    Raises:
        ValueError: `page.quality` is none of QUALITIES.
        RunFailed: The page is over 300 KiB; names the cells that weigh most.
    """
    if page.quality not in QUALITIES:
        raise ValueError(f'quality "{page.quality}" is unknown. Marks: {", ".join(QUALITIES[1:])}, or none.')
    body = _made(nb, page)
    if len(body.encode()) > LARGEST:
        body = _made(nb, replace(page, code=False, skipped=[*page.skipped, words.word("page.no_code")]))
    size = len(body.encode())
    if size > LARGEST:
        raise RunFailed(
            f'The page "{page.title}" has {size / 1024:.0f} KiB; at most {LARGEST // 1024} are allowed.\n'
            f"  Heaviest cells: {', '.join(_heaviest(nb))}.\n"
            "  Draw fewer marks, fold or shorten long tables, or move a figure to another notebook."
        )
    return body


def _made(nb: NotebookNode, page: PageInfo) -> str:
    told = copy(nb)
    told.cells = _answered([cell for cell in nb.cells if not page.headline or cell.get("id") != HEADLINE])
    body, _ = _exporter().from_notebook_node(told, resources={"page": page, "css": stylesheet()})
    return _tidy(body)


def _answered(cells: list[Any]) -> list[Any]:
    """The cells without questions whose answer shows nothing, as where numbers are withheld.

    What is folded is no answer, unless there is nothing else.
    """
    kept = []
    for at, cell in enumerate(cells):
        answers = list(takewhile(lambda other: other.cell_type == "code", cells[at + 1 :]))
        answers = [answer for answer in answers if not _tags(answer) & {*FOLDED, *HIDDEN}] or answers
        is_question = cell.cell_type == "markdown" and _HEADING.fullmatch(cell.source.strip()) and answers
        if not is_question or any(_is_shown(answer) for answer in answers):
            kept.append(cell)
    return kept


def fill(template: str, page: PageInfo, **resources: Any) -> str:
    """A page that is no notebook, by the name of its template."""
    made = _exporter().environment.get_template(template)
    return _tidy(made.render(resources={"page": page, "css": stylesheet(), **resources}))


@lru_cache(maxsize=1)
def stylesheet() -> str:
    """The whole style of a page: colours in both forms, the page, the parts."""
    page, parts = ((gate.TEMPLATE / name).read_text(encoding="utf-8") for name in ("page.css", "parts.css"))
    light, dark = palette.variables("light"), palette.variables("dark")
    forms = f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    # The body is a .gr too, whose width must not be that of a figure.
    return f"{forms}{palette.classes()}{gate.squeeze(parts)}body.gr{{max-width:none}}{gate.squeeze(page)}"


@cache
def _exporter() -> Any:
    # Two thirds of nbconvert's import are an optional check of addresses that jsonschema pulls in and we never use.
    absent = "rfc3987_syntax" not in sys.modules
    if absent:
        sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    try:
        from nbconvert.exporters import TemplateExporter
    finally:
        if absent:
            del sys.modules["rfc3987_syntax"]

    from jinja2 import pass_context

    installed = Path(sys.prefix) / "share" / "jupyter" / "nbconvert" / "templates"
    exporter = TemplateExporter(
        template_file="index.html.j2",
        extra_template_basedirs=[str(gate.TEMPLATE)],
        template_paths=[str(gate.TEMPLATE), str(installed)],
        filters={
            "escape": gate.escape, "unbroken": sentences.unbroken,
            "code": _code, "shown": _shown, "is_shown": _is_shown, "summary": _summary,
            "is_folded": lambda cell: bool(FOLDED & _tags(cell)), "prose": _prose, "when": _when, "heading": _heading,
        },
    )  # fmt: skip
    exporter.environment.trim_blocks = True
    # With a context, or the words of a template would be filled in once for all, in the language of the first page.
    exporter.environment.filters["word"] = pass_context(lambda _, key: words.word(key))
    return exporter


def _shown(output: Any) -> str:
    """Markup that the gate made, as it is; of anything else its plain text."""
    if output.get("metadata", {}).get("text/html", {}).get(gate.MARK):
        return gate.bare(_joined(output["data"]["text/html"]))
    text = _joined(output["data"].get("text/plain", ""))
    return f"<pre>{gate.escape(text)}</pre>" if text else ""


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def _is_shown(cell: Any) -> bool:
    """Whether a cell has something for readers: not a tag of the machinery, and text or an output."""
    if HIDDEN & _tags(cell):
        return False
    if cell.cell_type == "markdown":
        return bool(_prose(cell.source).strip())
    return cell.cell_type == "code" and bool(cell.outputs)


def _tags(cell: Any) -> set[str]:
    return set(cell.metadata.get("tags", []))


def _summary(cell: Any) -> str:
    """What a folded cell is called: its own name in the language of the page, its first heading, or its id in words."""
    found = _HEADING.search(cell.source) if cell.cell_type == "markdown" else None
    text = cell.metadata.get("called") or (found[1] if found else str(cell.get("id", "")).replace("-", " "))
    return text[:1].upper() + text[1:] or words.word("page.detail")


@cache
def _markdown() -> Any:
    import mistune

    class Prose(mistune.HTMLRenderer):
        """Markdown without live markup, pictures or addresses; the title is the page's own."""

        def heading(self, text: str, level: int, **attrs: Any) -> str:
            return "" if level == 1 else f"<h{level}>{text}</h{level}>\n"

        def text(self, text: str) -> str:
            return sentences.unbroken(text)

        def link(self, text: str, url: str, title: str | None = None) -> str:
            inside = re.match(r"(#|[\w./-]+(#|$))", url) and "//" not in url
            return f'<a href="{gate.escape(url)}">{text}</a>' if inside else text

        def image(self, text: str, url: str, title: str | None = None) -> str:
            return gate.escape(text)

    return mistune.create_markdown(renderer=Prose(escape=True), plugins=["table", "strikethrough"])


def _prose(source: str) -> str:
    return str(_markdown()(gate.plain(source)))


def _when(page: PageInfo) -> str:
    week = words.word("page.week", week=format.week(page.week)) if format.week_start(page.week) else _undated(page.week)
    dates = _DAY.sub(lambda found: format.day(found[0]), page.week_dates)
    return format.joined([week, dates], "commas")


def _undated(week: str) -> str:
    return words.word("footer.undated") if week == "undated" else week


def _heading(page: PageInfo) -> str:
    return " · ".join(filter(None, [page.title, page.dataset, _undated(page.week)]))


def _code(source: str) -> str:
    """Code as the text of an element, in which quotes need no mark."""
    return gate.escape(source).replace("&quot;", '"').replace("&#x27;", "'")


def _tidy(body: str) -> str:
    """Without empty lines, and without the ends of cells and rows, which browsers know by what follows: a fifth of a page."""
    body = re.sub(r"</t[dh]>(?=<t[dh][ >]|</tr>)", "", body)
    body = re.sub(r"</tr>(?=<tr>|</t(?:body|head)>)", "", body)
    return re.sub(r"\n\s*\n+", "\n", body).strip() + "\n"


def _heaviest(nb: NotebookNode, most: int = 3) -> list[str]:
    def weight(cell: Any) -> int:
        return sum(len(_shown(output)) for output in cell.get("outputs", []) if "data" in output)

    cells = sorted((cell for cell in nb.cells if _is_shown(cell)), key=weight, reverse=True)
    return [f"{cell.get('id', '?')} ({weight(cell) / 1024:.0f} KiB)" for cell in cells[:most]]
