"""From finished steps to a published run: pages built aside, checked, then shown by renaming a link.

    reports/<name>/.runs/<run id>/   index.html, one page a notebook, run.json (written last: the proof of success)
    reports/<name>/<week>, latest    relative links to a run, moved by rename
    reports/<name>/published.csv     every number that was published, appended
    reports/<name>/made_of.jsonl     what each run was made from, appended (origins.py)
    reports/<name>/index.html        the history, and what else stands around the weeks (history.py)
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.errors import EnvironmentFault, RunFailed, without_passwords
from helpers.runs.keys import file_hash
from helpers.runs.notebooks import FRONT
from helpers.spreadsheets import disarmed

RUNS = ".runs"
KEPT = 3
COLUMNS = ("week", "metric", "slice", "value", "low", "high", "n", "run")


@dataclass(frozen=True)
class Published:
    """A run that stands under reports/: its folder, and what run.json says of it."""

    folder: Path
    record: dict[str, Any]

    @property
    def front(self) -> Path:
        """The page to open, by the week's own link."""
        return self.folder.parent.parent / self.record["week"] / "index.html"


def page_name(notebook: str) -> str:
    return "index.html" if notebook == FRONT else f"{notebook}.html"


def current(dataset: str, week: str) -> Published | None:
    """The published run of a week, if its pages are all there as they were written."""
    return _load(paths.reports(dataset) / week)


def _load(link: Path) -> Published | None:
    try:
        folder = link.resolve(strict=True)
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        whole = _leads_to_a_run(link) and all(file_hash(folder / name) == digest for name, digest in record["pages"].items())
    except (OSError, ValueError, KeyError):
        return None
    return Published(folder, record) if whole else None


def publish(dataset: str, title: str, pages: dict[str, str], record: dict[str, Any], numbers: list[dict[str, Any]]) -> Published:
    """Write a run aside, then move the links to it.

    Args:
        pages: Name -> HTML.
        record: What run.json is to say; `run`, `pages` and `numbers` are added.
        numbers: Rows for published.csv without week and run.

    Raises:
        RunFailed: There is no front page.
        EnvironmentFault: The folder of runs is a link to another place.
    """
    if "index.html" not in pages:
        raise RunFailed(f"No notebook is called {FRONT}, so the report has no front page.")
    runs = paths.reports(dataset) / RUNS
    if runs.is_symlink():
        raise EnvironmentFault(f"{runs}: is a link to {runs.readlink()}. Remove it: runs are written and cleared away there.")
    runs.mkdir(parents=True, exist_ok=True)
    name = _free_name(runs, record)
    published = paths.reports(dataset) / "published.csv"
    try:
        made = _written(runs / name, pages, {"run": name, **record, "numbers": numbers})
        append(published, made.record)
    except BaseException:
        if name not in text(published):  # nobody will ever see it
            paths.remove(runs / name)
        raise
    show(dataset, title, made)
    return made


def _written(folder: Path, pages: dict[str, str], record: dict[str, Any]) -> Published:
    with paths.whole_folder(folder, mode=0o777) as aside:
        for page, html in pages.items():
            (aside / page).write_text(html, encoding="utf-8")
        record["pages"] = {page: file_hash(aside / page) for page in sorted(pages)}
        said = without_passwords(json.dumps(record, ensure_ascii=False, indent=1, default=str)) + "\n"
        (aside / "run.json").write_text(said, encoding="utf-8")
    return Published(folder, record)


def _free_name(runs: Path, record: dict[str, Any]) -> str:
    """Week, time and key: a name that no run has had, since a run is never changed and published.csv cites it."""
    stamp = "".join(character for character in str(record["built_at"])[:19] if character.isdigit())
    wanted = f"{record['week']}-{stamp}-{record['key'][:8]}"
    name, count = wanted, 1
    while (runs / name).exists():
        count += 1
        name = f"{wanted}-{count}"
    return name


def finish(dataset: str) -> None:
    """Show the runs whose numbers stand in published.csv already, since a kill may have come between: they are published."""
    top = paths.reports(dataset)
    last = {row["week"]: row["run"] for row in csv.DictReader(io.StringIO(text(top / "published.csv"), newline=""))}
    there = {path.parent.name for path in (top / RUNS).glob("*/run.json") if not path.parent.is_symlink()}
    for week, run in last.items():
        if run in there and run.startswith(f"{week}-"):
            link(top / week, f"{RUNS}/{run}")


def show(dataset: str, title: str, made: Published) -> None:
    """Everything that follows from a finished run; done again at no cost, since a kill may have come between."""
    from helpers.runs import history, origins

    top = paths.reports(dataset)
    append(top / "published.csv", made.record)
    if "made_of" in made.record and made.record["run"] not in origins.read(top):
        origins.append(top, origins.of(made.record, dataset))
    link(top / made.record["week"], f"{RUNS}/{made.folder.name}")
    newest = max(week for week in weeks_of(top))
    link(top / "latest", newest)
    _prune(top)
    history.write(top, dataset, title)
    paths.flush(top)


def weeks_of(top: Path) -> list[str]:
    """The weeks that are published, oldest first."""
    return sorted(path.name for path in top.iterdir() if path.name != "latest" and _leads_to_a_run(path))


def _leads_to_a_run(link: Path) -> bool:
    """Whether it is a link to a run beside it, and to nobody else's folder."""
    return link.is_symlink() and link.exists() and link.resolve().parent == link.parent.resolve() / RUNS


def link(path: Path, target: str) -> None:
    """Point a relative symbolic link somewhere else, in one step."""
    if path.is_symlink() and str(path.readlink()) == target:
        return
    with paths.whole(path) as fresh:
        fresh.symlink_to(target)


def append(path: Path, record: dict[str, Any]) -> None:
    """Add a run's numbers to published.csv, once; what stands there is never touched."""
    before = text(path) or ",".join(COLUMNS) + "\n"
    if not record["numbers"] or f",{record['run']}\n" in before:
        return
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in record["numbers"]:
        cells = {"week": record["week"], **row, "run": record["run"]}
        writer.writerow([_cell(cells.get(column)) for column in COLUMNS])
    write_whole(path, before + buffer.getvalue())


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula is disarmed; so is one that begins with an apostrophe, so that taking one
    away gives every text back.
    """
    if value is None or value != value:
        return ""
    return disarmed(value) if isinstance(value, str) else value


def _prune(top: Path) -> None:
    """Keep the newest three runs of each week, and those that a link points to."""
    linked = {path.resolve() for path in top.iterdir() if path.is_symlink()}
    by_week: dict[str, list[tuple[str, Path]]] = {}
    for folder in [path for path in (top / RUNS).iterdir() if not path.is_symlink()]:
        if folder.name.startswith("."):
            shutil.rmtree(folder, ignore_errors=True)
            continue
        try:
            record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            by_week.setdefault(record["week"], []).append((record["built_at"], folder))
        except (OSError, ValueError, KeyError):
            shutil.rmtree(folder, ignore_errors=True)
    for found in by_week.values():
        for _, folder in sorted(found, reverse=True)[KEPT:]:
            if folder.resolve() not in linked:
                shutil.rmtree(folder, ignore_errors=True)


def text(path: Path) -> str:
    """What a file says; nothing where there is none, or a link in its place."""
    return path.read_text(encoding="utf-8") if path.exists() and not path.is_symlink() else ""


def write_whole(path: Path, text: str) -> None:
    """A text file, whole or not at all."""
    with paths.whole(path, relied_on=True) as fresh:
        fresh.write_text(text, encoding="utf-8")
