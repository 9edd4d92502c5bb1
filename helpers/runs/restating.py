"""Numbers that are no longer what they were when they were first sent out."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import paths

MOST = 5
EQUAL = 1e-9


@dataclass(frozen=True)
class Restatement:
    """A number of a week, what it was when it was first published (by which run), and what it is now."""

    week: str
    metric: str
    slice: str
    old: float
    new: float
    run: str


def restated(dataset: str, week: str, numbers: list[dict[str, Any]], past: list[dict[str, Any]]) -> list[Restatement]:
    """What has moved since it was first published: the main numbers of the weeks before, and all of this week.

    Args:
        numbers: This week's rows for published.csv, small groups withheld.
        past: Rows of the artefact `past_numbers`; those of small groups are passed over.
    """
    from helpers.show import gate

    known = {(week, row["metric"], row["slice"]): row["value"] for row in numbers}
    known |= {(row["week"], row["metric"], "all"): row["value"] for row in past if not gate.is_small(row["n"])}
    first = _first_published(paths.reports(dataset) / "published.csv")
    found = [
        Restatement(*key, first[key][0], float(new), first[key][1])
        for key, new in known.items()
        if key in first and new is not None and not math.isclose(new, first[key][0], rel_tol=EQUAL, abs_tol=EQUAL)
    ]
    return sorted(found, key=lambda own: own.week, reverse=True)


def _first_published(path: Path) -> dict[tuple[str, str, str], tuple[float, str]]:
    """(week, metric, slice) -> the first value that was not withheld, and its run."""
    found: dict[tuple[str, str, str], tuple[float, str]] = {}
    if path.exists() and not path.is_symlink():
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                if row["value"]:
                    found.setdefault((row["week"], row["metric"], row["slice"]), (float(row["value"]), row["run"]))
    return found


def lines(found: list[Restatement]) -> list[str]:
    """What the front page says: a line for each main number, at most five, the newest week first; how many others there are."""
    from helpers.show import format, words

    main = [own for own in found if own.metric in words.metrics()][:MOST]
    told = []
    for own in main:
        metric = words.metric(own.metric)
        old, new = format.apart(own.old, own.new, metric.unit, digits=metric.digits)
        told.append(words.word("page.restated", label=metric.label, week=own.week, old=old, new=new))
    if len(found) > len(main):
        told.append(words.word("page.restated_more", n=format.value(len(found) - len(main), "count")))
    return told
