"""Numbers that are no longer what they were when they were first sent out, and why."""

from __future__ import annotations

import csv
import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import paths
from helpers.runs import origins
from helpers.runs.weeks import UNDATED
from helpers.spreadsheets import armed

if TYPE_CHECKING:
    import pandas as pd

MOST = 5
EQUAL = 1e-9
TEXTS, NUMBERS = ("week", "metric", "slice"), ("value", "low", "high", "n")
OF_EXPERIMENT = ": "  # stands between the experiment and its metric


@dataclass(frozen=True)
class Restatement:
    """A number of a week, what it was when it was first published (by which run), and what it is now.

    `why` are the words for what has changed since, as keys of the section `since` with their values; empty where nobody asked.
    """

    week: str
    metric: str
    slice: str
    old: float
    new: float
    run: str
    why: tuple[tuple[str, dict[str, Any]], ...] = ()

    @property
    def kind(self) -> str:
        """A key of `origins.KINDS`."""
        from helpers.show import words

        return "main" if self.metric in words.metrics() else "effects" if OF_EXPERIMENT in self.metric else "tiers"


def restated(
    dataset: str, week: str, numbers: list[dict[str, Any]], past: list[dict[str, Any]],
    now: tuple[dict[str, str], dict[str, set[str]]] | None = None,
) -> list[Restatement]:
    """What has moved since it was first published: the main numbers of the weeks before, and all of this week.

    Args:
        numbers: This week's rows for published.csv, small groups withheld.
        past: Rows of the artefact `past_numbers`; those of small groups are passed over.
        now: What the numbers are made of now, and what of that counts for each kind, as `origins.flat` and `origins.counting`
            give it.
    """
    from helpers.show import gate

    known = {(week, row["metric"], row["slice"]): row["value"] for row in numbers}
    known |= {(row["week"], row["metric"], "all"): row["value"] for row in past if not gate.is_small(row["n"])}
    first = _first_published(paths.reports(dataset) / "published.csv")
    found = [
        Restatement(*key, float(first[key]["value"]), float(new), first[key]["run"])
        for key, new in known.items()
        if key in first and new is not None and not math.isclose(new, float(first[key]["value"]), rel_tol=EQUAL, abs_tol=EQUAL)
    ]
    found = sorted(found, key=lambda own: own.week, reverse=True)
    return found if now is None or not found else _explained(dataset, found, *now)


def _explained(
    dataset: str, found: list[Restatement], hashes: dict[str, str], names: dict[str, set[str]]
) -> list[Restatement]:
    """With what has changed since each was published."""
    lines = origins.read(paths.reports(dataset))
    why = {(run, kind): tuple(origins.why(lines.get(run), hashes, dataset, names[kind]))
           for run, kind in {(own.run, own.kind) for own in found}}  # fmt: skip
    return [replace(own, why=why[own.run, own.kind]) for own in found]


def of_experiments(dataset: str, week: str, *, own: bool = True) -> list[dict[str, Any]]:
    """The effects of experiments as they were first published, in a week and in those before it, oldest first.

    A step may be reused without a look at its own week (`own` false): before it runs for the first time nothing of that week
    is published, and what is published first is what it says then.

    Returns:
        Rows with `week`, `metric` ("experiment: metric"), `slice` (the arm), `value`, `low`, `high`, `n`.
    """
    first = _first_published(paths.reports(dataset) / "published.csv")
    rows = [row for (_, metric, _), row in sorted(first.items()) if OF_EXPERIMENT in metric]
    rows = [row for row in rows if (own and row["week"] == week) or row["week"] < week != UNDATED.label]
    return [{name: row[name] for name in TEXTS} | {name: _number(row[name]) for name in NUMBERS} for row in rows]


def effects(dataset: str, week: str) -> pd.DataFrame:
    """The same as a frame."""
    import pandas as pd

    found = pd.DataFrame(of_experiments(dataset, week), columns=[*TEXTS, *NUMBERS])
    return found.astype(dict.fromkeys(TEXTS, "str") | dict.fromkeys(NUMBERS, "float64"))


def _first_published(path: Path) -> dict[tuple[str, str, str], dict[str, str]]:
    """(week, metric, slice) -> the first row whose value was not withheld."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    if path.exists() and not path.is_symlink():
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                if row["value"]:
                    key = (row["week"], armed(row["metric"]), armed(row["slice"]))
                    found.setdefault(key, row | {"metric": key[1], "slice": key[2]})
    return found


def _number(text: str) -> float | None:
    return float(text) if text else None


def lines(found: list[Restatement]) -> list[str]:
    """What the front page says: a line for each main number, at most five, the newest week first, and why those of a week have
    moved; how many others there are, by kind and week, and why.
    """
    from helpers.show import format, words

    main = [own for own in found if own.kind == "main"][:MOST]
    told = []
    for at, own in enumerate(main):
        metric = words.metric(own.metric)
        old, new = format.apart(own.old, own.new, metric.unit, digits=metric.digits)
        week = format.week(own.week)
        told.append(words.word("page.restated", label=metric.label, week=week, old=old, new=new))
        if own.why and (at + 1 == len(main) or (main[at + 1].week, main[at + 1].why) != (own.week, own.why)):
            told.append(words.word("since.line", week=week, why=_reasons(own)))
    others = Counter((own.kind, own.week, _reasons(own)) for own in found if own not in main)
    for (kind, label, why), count in others.items():
        told.append(words.word(f"page.restated_{kind}", week=format.week(label), n=format.value(count, "count")))
        told += [words.word("since.line", week=format.week(label), why=why)] if why else []
    return told


def _reasons(own: Restatement) -> str:
    from helpers.show import format, gate, words

    told = [(key, {name: format.value(value, "count") if name == "n" else gate.plain(value) for name, value in about.items()})
            for key, about in own.why]  # fmt: skip
    return format.joined([words.word(f"since.{key}", **about) for key, about in told], "clauses")
