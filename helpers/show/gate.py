"""The gate: what leaves is escaped, says nothing about a handful of people, and is marked as ours.

Importing this module is cheap on purpose (no pandas): the runner configures it at start-up.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.errors import without_passwords

if TYPE_CHECKING:
    import pandas as pd

MARK = "growth_rings"
FEW = 30
LONGEST = 500  # letters of a name
TEMPLATE = Path(__file__).parent / "template"

_STYLE = re.compile(r"<style data-growth-rings>.*?</style>", re.DOTALL)
# Control characters and direction overrides would be replayed by a terminal or turn a line of the page around.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Settings:
    """What the dataset decides about its pages: smallest group shown (people), language, currency code, who they are."""

    min_group: int = 10
    language: str = "en"
    currency: str | None = None
    subject: str | None = None


_current = Settings()


def configure(
    min_group: int = 10, language: str = "en", currency: str | None = None, subject: str | None = None
) -> Settings:
    """Set what all pages of this process obey; `subject` is what the people are called ("members", "customers").

    Raises:
        ValueError: `min_group` is below 1.
    """
    global _current
    if min_group < 1:
        raise ValueError(f"min_group = {min_group}: a group has at least one person, so the limit must be 1 or more.")
    _current = Settings(int(min_group), language, currency, subject)
    return _current


def settings() -> Settings:
    """The settings in force."""
    return _current


def plain(value: object) -> str:
    """The value as text without passwords, and in which nothing acts on a terminal or turns a line: `\\x1b` for an escape."""
    text = without_passwords(str(value))
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def name(value: object) -> str:
    """What something in the data is called, as text; an endless name is cut."""
    text = str(value)
    return plain(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")


def escape(value: object) -> str:
    """The value as text for HTML, fit for element content and for quoted attributes."""
    return html.escape(plain(value), quote=True)


@dataclass(frozen=True, repr=False)
class Shown:
    """Markup that passed the gate, and the same as plain text.

    Notebook outputs made from it carry a mark in their metadata; a page renders no other markup.
    """

    html: str
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        return {"text/html": lab_style() + self.html, "text/plain": self.text}, {"text/html": {MARK: True}}


def together(*parts: Shown) -> Shown:
    """Several shown things as one, in this order."""
    return Shown("\n".join(part.html for part in parts), "\n\n".join(part.text for part in parts))


def bare(markup: str) -> str:
    """The markup of an output without the style sheet that it carries for JupyterLab."""
    return _STYLE.sub("", markup)


@lru_cache(maxsize=1)
def lab_style() -> str:
    """The house style for outputs in JupyterLab, which follow its theme; a page brings its own copy."""
    from helpers.show import palette

    parts = (TEMPLATE / "parts.css").read_text(encoding="utf-8")
    paper = "--paper:var(--jp-layout-color0,#fff)"  # the cells' own ground, whatever the theme
    dark = f'[data-jp-theme-light="false"] .gr{{{palette.variables("dark")}{paper}}}'
    # JupyterLab floats the terms of a list of facts, which stand above their values here.
    facts = ".gr-facts.gr dt,.gr-facts.gr dd{float:none;width:auto;margin:0}"
    css = f".gr{{{palette.variables('light')}{paper}}}{dark}{palette.classes()}{squeeze(parts)}{facts}"
    return f"<style data-growth-rings>{css}</style>"


def squeeze(css: str) -> str:
    """A style sheet without comments and needless blanks."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    return re.sub(r"\s*([{};,>])\s*", r"\1", re.sub(r"\s+", " ", css)).replace(";}", "}").strip()


def is_small(n: object) -> bool:
    """Whether a group of `n` people is too small to be shown; nobody at all is not a group."""
    return _is_number(n) and 0 < float(n) < _current.min_group


def are_small(sizes: pd.Series) -> pd.Series:
    """The same of each of some sizes; of none, too."""
    return sizes.map(is_small).astype(bool)


class Mark(str):
    """What stands in the place of a number that is kept back; shown as it is, whatever its column's unit."""

    __slots__ = ()


def kept_back() -> Mark:
    """The mark of a number that would give another away."""
    from helpers.show import words

    return Mark(words.word("gate.withheld"))


def without(numbers: pd.Series, hidden: Iterable[bool]) -> pd.Series:
    """The numbers, and the mark in the place of those that are kept back."""
    import pandas as pd

    kept = [kept_back() if gone else number for number, gone in zip(numbers, hidden, strict=True)]
    return pd.Series(kept, index=numbers.index, dtype=object)


def enough_for(n: object, quantile: float) -> bool:
    """Whether a quantile of `n` people tells of nobody: as many as the smallest group lie beyond it."""
    return _is_number(n) and float(n) * min(1 - quantile, quantile) >= _current.min_group - 1e-9  # type: ignore[arg-type]


def is_few(n: object) -> bool:
    """Whether a number describes so few people that it is drawn grey."""
    return _is_number(n) and 0 < float(n) < FEW


def small_mark() -> str:
    """What stands in the place of a number about a group that is too small."""
    return f"<{_current.min_group}"


def _is_number(n: object) -> bool:
    try:
        return float(n) == float(n)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def withhold(
    frame: pd.DataFrame,
    n: str | None = "n",
    values: Iterable[str] = (),
    *,
    parts: bool = False,
    within: str | None = None,
) -> pd.DataFrame:
    """The frame without the numbers of groups that are too small to be shown.

    Args:
        frame: Any frame; it is not changed.
        n: The column that holds the size of the group that a row describes (people); None, or a column that the
            frame lacks, withholds nothing.
        values: The columns that describe the group: emptied together with `n` (estimate, interval, everything).
        parts: The rows are the parts of a whole that readers may know, so that a single gap could be worked out:
            then the smallest other rows go too, until the hidden rows hold at least two groups and `min_group` people.
        within: With `parts`, the column whose values delimit the wholes.

    Returns:
        The frame with two more columns: `withheld` ("" or what to print instead, `<10` or the word for a
        complementary gap) and `few` (fewer than 30 people: draw it grey).
    """
    from helpers.show import suppress, words

    shown = frame.copy()
    sizes = list(shown[n]) if n and n in shown.columns else [None] * len(shown)
    small = [is_small(size) for size in sizes]
    others = [False] * len(small)
    if parts and any(small):
        wholes = list(shown[within]) if within else [None] * len(shown)
        others = suppress.one_way(sizes, small, wholes, _current.min_group)
    gone = [a or b for a, b in zip(small, others, strict=True)]
    for column in dict.fromkeys([*([n] if n in shown.columns else []), *values]):
        shown[column] = [None if hidden else value for hidden, value in zip(gone, shown[column], strict=True)]
    marks = [small_mark() if a else (words.word("gate.withheld") if b else "") for a, b in zip(small, others, strict=True)]
    shown["withheld"] = marks
    shown["few"] = [is_few(size) and not hidden for size, hidden in zip(sizes, gone, strict=True)]
    return shown
