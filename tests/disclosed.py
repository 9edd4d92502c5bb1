"""What a reader can work out from the pages of a run: every number as a variable, every sum that a page implies as an equation.

The tables are read as they are rendered. A hidden cell is a variable whose least and greatest value, given all that is shown, a
linear programme finds.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

SMALL = "<10"
NUMBER = re.compile(r"[\d,]+\Z")
SHARE = re.compile(r"([\d.]+) %\Z")
HALF = 0.0005  # of a share in percent with one decimal
TIERS = {
    "Activity": ("high", "medium", "low", "none"), "Payment": ("high payer", "payer", "potential payer", "non-payer"),
    "Contribution": ("creator", "commenter", "sharer", "reactor", "reader", "none"),
    "Value": ("high", "mid", "low"), "Lifecycle": ("prospect", "lost", "silent", "first purchase", "new", "active"),
}  # fmt: skip
SIZES = {"sizes-by-activity": "Activity", "sizes-by-payment": "Payment", "sizes-by-contribution": "Contribution",
         "sizes-by-lifecycle": "Lifecycle", "tiers-by-lifecycle": "Lifecycle"}  # fmt: skip
CROSSES = {"activity-by-payment": ("Activity", "Payment"), "lifecycle-by-value": ("Lifecycle", "Value")}
Key = tuple


@dataclass
class System:
    """Variables (none below zero), equations, and which variables are hidden as too small somewhere."""

    terms: list[tuple[dict[Key, float], float, float]] = field(default_factory=list)
    small: set[Key] = field(default_factory=set)
    shown: int = 0
    known: dict = field(default_factory=dict)

    def add(self, terms: dict[Key, float], low: float = 0.0, high: float | None = None) -> None:
        """The sum of variables, each times its factor, lies between two numbers, or is one."""
        self.terms.append((terms, low, low if high is None else high))

    def cell(self, key: Key, text: str) -> None:
        """What a table says of a number of people."""
        if text == SMALL:
            self.small.add(key)
        elif NUMBER.match(text):
            self.shown += 1
            self.add({key: 1.0}, float(text.replace(",", "")))

    def share(self, key: Key, whole: Key, text: str) -> None:
        """What a table says of a part of a whole in percent."""
        found = SHARE.match(text)
        if found:
            step = HALF if "." in found[1] and len(found[1].split(".")[1]) == 1 else HALF / 10
            at = float(found[1]) / 100
            self.add({key: 1.0, whole: -(at - step)}, 0.0, np.inf)
            self.add({key: 1.0, whole: -(at + step)}, -np.inf, 0.0)

    def bounds(self, key: Key) -> tuple[float, float]:
        """The least and the greatest value of a variable. Only what hangs together with it is solved."""
        at, given = self._program(key)
        aim = np.zeros(len(at))
        aim[at[key]] = 1.0
        ends = [linprog(sign * aim, **given, method="highs") for sign in (1, -1)]
        assert ends[0].status in (0, 3), (key, ends[0].message)
        return ends[0].fun, (-ends[1].fun if ends[1].status == 0 else np.inf)

    def _program(self, key: Key) -> tuple[dict[Key, int], dict]:
        """The variables that hang together with one, and what is known of them, as a linear programme."""
        if key not in self.known:
            rows = self._together(key)
            names = {name for terms, _, _ in rows for name in terms} | {key}
            at = {name: place for place, name in enumerate(sorted(names, key=repr))}
            equal = [(terms, low) for terms, low, high in rows if low == high]
            apart = [row for row in rows if row[1] != row[2]]
            upper = [(terms, high) for terms, _, high in apart if np.isfinite(high)]
            upper += [({name: -v for name, v in terms.items()}, -low) for terms, low, _ in apart if np.isfinite(low)]
            given = {**_lines("eq", equal, at), **_lines("ub", upper, at)}
            self.known |= dict.fromkeys(at, (at, given))
        return self.known[key]

    def _together(self, key: Key) -> list[tuple]:
        found, names, before = [], {key}, -1
        while before != len(names):
            before = len(names)
            found = [row for row in self.terms if names & row[0].keys()]
            names |= {name for terms, _, _ in found for name in terms}
        return found


def _lines(kind: str, rows: list[tuple[dict[Key, float], float]], at: dict[Key, int]) -> dict:
    if not rows:
        return {}
    places = [(row, at[name], factor) for row, (terms, _) in enumerate(rows) for name, factor in terms.items()]
    lines, columns, factors = zip(*places, strict=True)
    matrix = csr_array((factors, (lines, columns)), shape=(len(rows), len(at)))
    return {f"A_{kind}": matrix, f"b_{kind}": np.array([limit for _, limit in rows])}


def cells(page: str) -> dict[str, str]:
    """The markup of each cell of a page by its id."""
    parts = re.split(r'<(?:div class="cell"|details class="detail") id="([^"]+)"[^>]*>', page)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def read(markup: str) -> str:
    bare = re.sub(r'<style.*?</style>|<details class="code">.*?</details>|<svg.*?</svg>', "", markup, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", bare))).strip()


def rows(markup: str) -> list[list[str]]:
    """All rows of the tables of a cell, heads among them."""
    found = re.findall(r"<tr>(.*?)(?=<tr>|</t(?:head|body|able)>)", markup, flags=re.DOTALL)
    made = [re.findall(r"<t[hd]\b.*?>(.*?)(?=<t[hd]\b|$)", row, flags=re.DOTALL) for row in found]
    return [[read(cell) for cell in row] for row in made]


def facts(markup: str) -> dict[str, str]:
    """A list of facts as label -> text."""
    return {read(label): read(text) for label, text in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", markup, flags=re.DOTALL)}


def system(pages: dict[str, str]) -> System:
    """Everything that the pages of a run say of groups of people, as one system."""
    found = System()
    every = {name: cells(page) for name, page in pages.items()}
    _portraits(found, every.get("02_portraits.html", {}))
    _segments(found, {**every.get("03_segments.html", {}), **_only(every.get("index.html", {}), "tiers-by-lifecycle")})
    _retention(found, every.get("04_retention.html", {}))
    _days(found, every.get("01_cleaning.html", {}), every.get("04_retention.html", {}))
    return found


def _only(cells_: dict[str, str], *names: str) -> dict[str, str]:
    return {name: cells_[name] for name in names if name in cells_}


def _part(found: System, key: Key, whole: Key, people: str, share: str = "") -> None:
    found.cell(key, people)
    found.share(key, whole, share)


def _portraits(found: System, page: dict[str, str]) -> None:
    told = facts(page.get("portraits", ""))
    found.cell(("people",), told.get("people", ""))
    found.cell(("active 28",), told.get("active in 28 days", ""))
    wholes = {"by-channel": ("people",), "by-age-band": ("people",), "by-content-kind": ("active 28",)}
    for name, whole in wholes.items():
        own = [row for row in rows(page.get(name, "")) if len(row) == 4 and row[3] != "People"]
        for row in own:
            _part(found, (name, row[0]), whole, row[3], row[1])
        if own:
            found.add({**{(name, row[0]): 1.0 for row in own}, whole: -1.0})


def _segments(found: System, page: dict[str, str]) -> None:
    told = facts(page.get("tiers", ""))
    for when, label in (("now", "people"), ("before", "a week ago")):
        found.cell(("people", when), told.get(label, ""))
        for dimension, tiers in TIERS.items():
            found.add({**{(when, dimension, tier): 1.0 for tier in tiers}, ("people", when): -1.0})
    found.add({("people", "now"): 1.0, ("people", "before"): -1.0, ("joined",): -1.0})
    for name, dimension in SIZES.items():
        for row in rows(page.get(name, "")):
            if len(row) == 3 and row[0] in TIERS[dimension]:
                _part(found, ("now", dimension, row[0]), ("people", "now"), row[2], row[1])
        _title(found, dimension, read(page.get(name, "")))
    _tier_tables(found, page)
    for name, (down, across) in CROSSES.items():
        _cross(found, name, rows(page.get(name, "")), down, across)
    for name in ("rfm-scores",):
        for row in rows(page.get(name, "")):
            if len(row) == 5 and row[1].isdigit():
                _part(found, (name, row[0], row[1]), (name, row[0]), row[2], row[3])
                found.add({**{(name, row[0], str(score)): 1.0 for score in range(1, 6)}, (name, row[0]): -1.0})
                found.add({(name, row[0]): 1.0, (name, "whole"): -1.0})


def _title(found: System, dimension: str, text: str) -> None:
    """`New, first purchase and active: 39 people (62.9 %), 3 more than a week ago` is a sum of tiers, now and a week ago."""
    said = re.match(r"([^:]+): ([\d,]+) .*?\( ?[\d.]+ % ?\), (?:(as many)|([\d,]+) (more|fewer)) (?:as|than) a week ago", text)
    if not said:
        return
    names = [name.strip().lower() for name in re.split(r",| and ", said[1])]
    if not set(names) <= set(TIERS[dimension]):
        return
    count = float(said[2].replace(",", ""))
    step = 0.0 if said[3] else float(said[4].replace(",", "")) * (1 if said[5] == "more" else -1)
    found.add({("now", dimension, name): 1.0 for name in names}, count)
    found.add({("before", dimension, name): 1.0 for name in names}, count - step)


def _tier_tables(found: System, page: dict[str, str]) -> None:
    for row in rows(page.get("moves-of-the-week", "")):
        if len(row) == 7 and row[0] in TIERS:
            place = row[:2]
            for kind, text in zip(("now", "before", "came", "left"), row[2:6], strict=True):
                found.cell((kind, *place), text)
            found.share(("now", *place), ("people", "now"), row[6])
            found.add({("now", *place): 1.0, ("before", *place): -1.0, ("came", *place): -1.0, ("left", *place): 1.0})
    for row in rows(page.get("worth-beside-last-week", "")):
        if len(row) == 11 and row[0] in TIERS:
            found.cell(("now", *row[:2]), row[2])
            found.share(("now", *row[:2]), ("people", "now"), row[3])
            found.share(("before", *row[:2]), ("people", "before"), row[4])
    for name in ("concentration-of-tiers", "first-hundredth-of-tiers"):
        for row in rows(page.get(name, "")):
            if len(row) == 7 and row[0] in TIERS:
                found.cell(("now", *row[:2]), row[-1])
    _worth(found, page)


def _worth(found: System, page: dict[str, str]) -> None:
    for name, dimension in (("worth-by-value", "Value"), ("worth-by-activity", "Activity")):
        for row in rows(page.get(name, "")):
            if len(row) == 5 and row[0] in TIERS[dimension]:
                found.cell(("now", dimension, row[0]), row[4])
        said = re.match(rf"{dimension} ([^:]+): ([\d.]+ %) of the people", read(page.get(name, "")).replace(" %", " %"))
        if said and said[1] in TIERS[dimension]:
            found.share(("now", dimension, said[1]), ("people", "now"), said[2])


def _cross(found: System, name: str, table: list[list[str]], down: str, across: str) -> None:
    if not table:
        return
    head, *body = table
    inner = head[1:-1]
    for row in body:
        total = row[0] not in TIERS[down]
        for column, text in zip(inner, row[1:-1], strict=True):
            found.cell(("now", across, column) if total else (name, row[0], column), text)
        if not total:
            found.cell(("now", down, row[0]), row[-1])
            found.add({**{(name, row[0], column): 1.0 for column in inner}, ("now", down, row[0]): -1.0})
    for column in inner:
        found.add({**{(name, row[0], column): 1.0 for row in body if row[0] in TIERS[down]}, ("now", across, column): -1.0})


def _retention(found: System, page: dict[str, str]) -> None:
    kinds = ("active", "new", "retained", "resurrected", "churned")
    weeks = [row for row in rows(page.get("growth-table", "")) if len(row) == 9 and row[0][:1].isdigit()]
    weeks.sort(key=lambda row: datetime.strptime(row[0], "%d %b %Y"))  # the earlier ones are folded below
    for row in weeks:
        for kind, text in zip(kinds, row[1:6], strict=True):
            found.cell((kind, row[0]), text)
        found.cell(("ever", row[0]), row[8])
        found.add({("active", row[0]): 1.0, ("new", row[0]): -1.0, ("retained", row[0]): -1.0, ("resurrected", row[0]): -1.0})
    for before, row in pairwise(weeks):
        found.add({("active", row[0]): 1.0, ("active", before[0]): -1.0, ("new", row[0]): -1.0, ("resurrected", row[0]): -1.0,
                   ("churned", row[0]): 1.0})  # fmt: skip
        found.add({("ever", row[0]): 1.0, ("ever", before[0]): -1.0, ("new", row[0]): -1.0})
    _flows(found, page)
    if weeks:  # who has joined in the last week, of those who were ever active
        found.add({("new", weeks[-1][0]): 1.0, ("joined",): -1.0}, -np.inf, 0.0)
    _channels(found, page, weeks[-1][0] if weeks else "")


def _flows(found: System, page: dict[str, str]) -> None:
    for row in rows(page.get("growth-by-week", "")):
        if len(row) == 4 and row[0][:1].isdigit():
            for kind, text in zip(("new", "resurrected", "churned"), row[1:], strict=True):
                found.cell((kind, row[0]), text)
    for row in rows(page.get("actives-in-its-band", "")):
        if len(row) >= 3 and row[0][:1].isdigit():
            found.cell(("active", row[0]), row[1])
    for name in ("retention-by-cohort", "every-cohort"):
        for row in rows(page.get(name, "")):
            if len(row) > 3 and row[0][:1].isdigit():
                found.cell(("new", row[0]), row[1])  # a cohort is who was new in its week


def _channels(found: System, page: dict[str, str], week: str) -> None:
    own = [row for row in rows(page.get("growth-by-channel", "")) if len(row) == 7 and row[0] != "Channel"]
    for row in own:
        for kind, text in zip(("active", "new", "resurrected", "churned"), row[1:5], strict=True):
            found.cell((f"{kind} by channel", row[0]), text)
    for kind in ("active", "new", "resurrected", "churned") if own else ():
        found.add({**{(f"{kind} by channel", row[0]): 1.0 for row in own}, (kind, week): -1.0})
    parts = [row for row in rows(page.get("stickiness-by-channel", "")) if len(row) == 4 and row[0] != "Channel"]
    days = [row for row in rows(page.get("actives-by-day", "")) if len(row) == 4 and row[0][:1].isdigit()]
    for row in parts:
        found.cell(("mau by channel", row[0]), row[1])
    if parts and days:
        found.add({**{("mau by channel", row[0]): 1.0 for row in parts}, ("mau", days[-1][0]): -1.0})


def _days(found: System, cleaning: dict[str, str], page: dict[str, str]) -> None:
    """Daily actives, trailing actives, and what a mean of 30 days tells of each of them."""
    days = []
    for row in rows(page.get("actives-by-day", "")):
        if len(row) == 4 and row[0][:1].isdigit():
            days.append(row[0])
            for kind, text in zip(("dau", "mau", "wau"), row[1:], strict=True):
                found.cell((kind, row[0]), text)
    for row in rows(page.get("events-by-day", "")) + rows(cleaning.get("events-by-day", "")):
        if len(row) == 3 and row[0] in days:  # people with any event, which need not be an active one
            found.cell(("came", row[0]), row[2])
            found.add({("came", row[0]): 1.0, ("dau", row[0]): -1.0}, 0.0, np.inf)
    for row in rows(page.get("days-in-their-band", "")):
        if len(row) == 3 and row[0] in days:
            found.cell(("dau", row[0]), row[1])
    for row in rows(page.get("stickiness-by-day", "")):
        if len(row) == 4 and row[0] in days[29:]:
            last = days.index(row[0])
            mean = ("mean dau", row[0])
            found.add({**{("dau", day): 1.0 for day in days[last - 29 : last + 1]}, mean: -30.0})
            found.share(mean, ("mau", row[0]), row[2])
