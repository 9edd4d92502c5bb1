"""The numbers that readers of a page see, in the order of reading, by the cell that shows them."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from html.parser import HTMLParser

TOP = "top of the page"
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.])[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?![A-Za-z0-9_])")
_HASH = re.compile(r"\b(?:[0-9a-f]{12}|[0-9a-f]{64})\b")  # of code and files, which may be all digits
_SPOKEN = ("aria-label", "alt", "title")
_EMPTY = frozenset({"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})


def of_page(markup: str) -> dict[str, list[str]]:
    """Cell -> its numbers as they stand: in texts, alt texts and folded tables, not in code, styles and the footer."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return {cell: numbers for cell, numbers in reader.found.items() if numbers}


def of_text(text: str) -> dict[str, list[str]]:
    """The same of a page that is plain text."""
    return {TOP: _in(text)}


def _in(text: str) -> list[str]:
    return _NUMBER.findall(_HASH.sub("", text))


def compared(old: dict[str, list[str]], new: dict[str, list[str]]) -> tuple[int, int, list[tuple[str, str, str]]]:
    """How many of the numbers are equal, how many there are, and those that differ as (cell, old, new); "" is none."""
    equal, total, apart = 0, 0, []
    for cell in {**old, **new}:
        before, now = old.get(cell, []), new.get(cell, [])
        if before == now:
            equal, total = equal + len(before), total + len(before)
            continue
        for kind, a, b, c, d in SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
            total += max(b - a, d - c)
            equal += b - a if kind == "equal" else 0
            if kind != "equal":
                apart += [(cell, _at(before, a, b, i), _at(now, c, d, i)) for i in range(max(b - a, d - c))]
    return equal, total, apart


def _at(numbers: list[str], first: int, end: int, offset: int) -> str:
    return numbers[first + offset] if first + offset < end else ""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: dict[str, list[str]] = {TOP: []}
        self._cell = TOP
        self._passed: tuple[str, int] | None = None  # an element that is passed over, and how deep in its like

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if self._passed:
            self._passed = (tag, self._passed[1] + 1) if tag == self._passed[0] else self._passed
            return
        kinds = given.get("class", "").split()
        if tag in ("style", "footer", "head") or (tag == "details" and "code" in kinds):
            self._passed = (tag, 1)
            return
        if {"cell", "detail"} & set(kinds) and given.get("id"):
            self._cell = given["id"]
        for name in _SPOKEN:
            self._read(given.get(name, ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _EMPTY:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._passed and tag == self._passed[0]:
            self._passed = (tag, self._passed[1] - 1) if self._passed[1] > 1 else None

    def handle_data(self, data: str) -> None:
        if not self._passed:
            self._read(data)

    def _read(self, text: str) -> None:
        self.found.setdefault(self._cell, []).extend(_in(text))
