"""The check before a page is published: what it finds stops the run."""

from __future__ import annotations

import re
from html.parser import HTMLParser

LARGEST = 300 * 1024

_ADDRESSES = frozenset({"src", "href", "action", "formaction", "data", "poster", "srcset", "background", "cite", "ping",
                        "xlink:href", "manifest", "longdesc"})  # fmt: skip
_FORBIDDEN = frozenset({"script", "iframe", "object", "embed", "base", "form", "applet", "frame", "portal", "foreignobject"})
_OUTSIDE = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)
_DATA = re.compile(r"^data:(?:,|image/png;base64,)", re.IGNORECASE)
_IN_STYLE = re.compile(r"@import|expression\s*\(|url\s*\(\s*['\"]?(?!data:)", re.IGNORECASE)
_UNDEFINED = re.compile(r"^\s*[-+]?(?:nan|nat|inf|infinity|none|<na>)\s*%?\s*$", re.IGNORECASE)


def is_broken(html: str) -> list[str]:
    """What is wrong with a page, one sentence each; an empty list is a good page.

    Looked for: addresses of other servers, anything that could run, figures without alt text or data, cells that
    show an undefined number, an error's output, missing essentials (language, title, policy), the size.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    found = list(reader.faults)
    found += [f"A figure has no folded data: {name!r}." for name in reader.bare_figures]
    for name, present in (("<html lang>", reader.language), ("<title>", reader.title.strip()),
                          ("a Content-Security-Policy", reader.policy), ("<h1>", reader.headings == 1)):  # fmt: skip
        if not present:
            found.append(f"The page lacks {name}, or has it more than once.")
    size = len(html.encode("utf-8", "surrogatepass"))
    if size > LARGEST:
        found.append(f"The page has {size / 1024:.0f} KiB; at most {LARGEST // 1024} are allowed.")
    return list(dict.fromkeys(found))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.bare_figures: list[str] = []
        self.language = self.policy = False
        self.title, self.headings = "", 0
        self._inside: list[str] = []
        self._waiting: str | None = None
        self._number = self._dense = False
        self._ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._inside.append(tag)
        if tag in _FORBIDDEN:
            self.faults.append(f"There is a <{tag}> element.")
        for name, value in given.items():
            self._attribute(tag, name, value)
        self.language = self.language or (tag == "html" and bool(given.get("lang")))
        self.policy = self.policy or given.get("http-equiv", "").lower() == "content-security-policy"
        self.headings += tag == "h1"
        if tag == "figure":
            self._figure(given)
        if tag == "details" and "data" in given.get("class", "").split():
            self._waiting = None
        if tag == "pre" and "error" in given.get("class", "").split():
            self.faults.append("A cell's error is shown.")
        kinds = given.get("class", "").split()
        self._dense = "dense" in kinds if tag == "table" else self._dense
        self._number = tag == "td" and ("num" in kinds or (self._dense and "key" not in kinds))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass
        self._number = False

    def handle_data(self, data: str) -> None:
        inside = self._inside[-1] if self._inside else ""
        if inside == "style" and _IN_STYLE.search(data):
            self.faults.append("A style sheet loads something.")
        if inside == "title":
            self.title += data
        if inside == "pre" and "Traceback (most recent call last)" in data:
            self.faults.append("A traceback is shown.")
        if self._number and _UNDEFINED.match(data):
            self.faults.append(f'A number is shown as "{data.strip()}".')

    def close(self) -> None:
        super().close()
        if self._waiting is not None:
            self.bare_figures.append(self._waiting)

    def _figure(self, given: dict[str, str]) -> None:
        if self._waiting is not None:
            self.bare_figures.append(self._waiting)
        alt = given.get("aria-label", "").strip()
        if given.get("role") != "img" or not alt:
            self.faults.append("A figure has no alt text (role and aria-label).")
        self._waiting = alt[:60]

    def _attribute(self, tag: str, name: str, value: str) -> None:
        if name.startswith("on"):
            self.faults.append(f"<{tag}> has the handler {name}.")
        if name in _ADDRESSES and _OUTSIDE.match(value) and not _DATA.match(value):
            self.faults.append(f"<{tag}> has an address outside the page: {value[:80]!r}.")
        if name == "style" and _IN_STYLE.search(value):
            self.faults.append(f"The style of <{tag}> loads something.")
        if name == "http-equiv" and value.lower() == "refresh":
            self.faults.append("The page sends its reader elsewhere.")
        if name == "id":
            if value in self._ids:
                self.faults.append(f'Two elements have the id "{value}".')
            self._ids.add(value)
