"""What stands around the weeks and is made anew with every report, since a run itself is never changed afterwards.

    reports/<name>/index.html              the history: every published week
    reports/<name>/near/<week>-next.html   where "next week" of a week's pages leads, whichever week that is by now
    reports/index.html                     all datasets
"""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from helpers.runs import publish, restating
from helpers.runs.keys import digest
from helpers.runs.weeks import UNDATED

NEAR = "near"
SIDES = ("previous", "next")
OVERVIEW = "index.html"
TOLD = ("week", "headline", "quality", "built_at", "seconds")
Numbers = dict[tuple[str, str], list[float | None]]


def around(week: str) -> list[str]:
    """The links of a week's pages to its neighbours and to the history; they hold whatever else is published.

    Returns:
        Addresses in the order previous, next, history; of a dataset without weeks the history alone.
    """
    near = [f"../{NEAR}/{week}-{side}.html" for side in SIDES] if week != UNDATED.label else []
    return [*near, f"../index.html#{week}"]


def write(top: Path, dataset: str, title: str) -> None:
    """The history and the ways between its weeks; a page that already shows this is left alone."""
    weeks, told = publish.weeks_of(top), _versions(top / "published.csv")
    rows = [_row(top, week, told.get(week, 1)) for week in weeks]
    _write(top / "index.html", [title, rows], lambda: _pages().history(dataset, rows, title=title))
    dated = [week for week in weeks if week != UNDATED.label]
    if (top / NEAR).is_symlink():  # it leads to somebody's folder
        (top / NEAR).unlink()
    (top / NEAR).mkdir(exist_ok=True)
    for before, week, after in zip([None, *dated], dated, [*dated[1:], None], strict=False):
        for side, other in zip(SIDES, (before, after), strict=True):
            path = top / NEAR / f"{week}-{side}.html"
            _write(path, [title, week, side, other], lambda s=side, w=week, o=other: _pages().neighbour(title, w, s, o))


    for name in ("index.html", NEAR, *weeks):  # who opens a page by its run's own folder finds the same beside it
        publish.link(top / publish.RUNS / name, f"../{name}")


def write_overview(folder: Path) -> Path:
    """The page of all datasets that have published a week, below `reports/`."""
    from helpers.show import gate, words

    rows, languages = [], set()
    for top in sorted(path for path in folder.iterdir() if path.is_dir()):
        weeks = publish.weeks_of(top)
        if weeks:
            found = _read(top, weeks[-1])
            told = {name: found[name] for name in TOLD}
            languages.add(found.get("language", words.FALLBACK))
            rows.append({"name": top.name, "title": found.get("title", top.name), "weeks": len(weeks), **told})
    gate.configure(language=languages.pop() if len(languages) == 1 else words.FALLBACK)
    path = folder / OVERVIEW
    _write(path, rows, lambda: _pages().overview(rows))
    return path


def _pages():
    from helpers.show import histories

    return histories


def _write(path: Path, shown: Any, make) -> None:
    """A page with a mark of what it shows, so that it is made only when that has changed."""
    from helpers.show import gate

    mark = f"<!-- {digest([shown, asdict(gate.settings())])} -->"
    if not publish.text(path).rstrip().endswith(mark):
        publish.write_whole(path, make() + mark + "\n")


def _read(top: Path, week: str) -> dict[str, Any]:
    return json.loads((top / week / "run.json").read_text(encoding="utf-8"))


def _row(top: Path, week: str, version: int) -> dict[str, Any]:
    """What the history shows of a week: its first lines, and those numbers that are of everybody."""
    found = _read(top, week)
    told = {name: found[name] for name in TOLD}
    main = {row["metric"]: [row["value"], row["n"]] for row in found.get("numbers", []) if row["slice"] == "all"}
    return {**told, "version": version, "numbers": main, "href": f"{week}/index.html"}


def _versions(path: Path) -> dict[str, int]:
    """Week -> which version stands: how often its numbers came out otherwise than the time before, and one."""
    runs: dict[str, dict[str, Numbers]] = {}
    for row in csv.DictReader(io.StringIO(publish.text(path), newline="")):
        numbers = runs.setdefault(row["week"], {}).setdefault(row["run"], {})
        numbers[row["metric"], row["slice"]] = [float(row[name]) if row[name] else None for name in restating.NUMBERS]
    return {week: 1 + sum(not _same(*two) for two in pairwise(own.values())) for week, own in runs.items()}


def _same(one: Numbers, other: Numbers) -> bool:
    return one.keys() == other.keys() and all(
        _equal(a, b) for key in one for a, b in zip(one[key], other[key], strict=True)
    )


def _equal(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=restating.EQUAL, abs_tol=restating.EQUAL)
