"""A dataset of a few rows and notebooks of a few cells, for tests of the machinery that runs notebooks."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from helpers import paths
from helpers.runs import pipeline, planning, progress

TOML = """
timezone = "Europe/Berlin"
[[events]]
file = "events.csv"
user_id = "uid"
ts = "time"
event = "type"
[roles]
active = ["view"]
[privacy]
pseudonymise = false
"""

SETUP = """import helpers
from helpers import contracts
for name, small, needs in [("days", False, "events"), ("sizes", True, ""), ("published", True, ""),
                           ("headline", True, "")]:
    columns = {
        "days": {"user_id": ("string", "", ""), "event": ("string", "", "")},
        "sizes": {"event": ("string", "", ""), "n": ("int64", "people", "")},
        "published": {"metric": ("string", "", ""), "slice": ("string", "", ""), "value": ("float64", "", ""),
                      "low": ("float64", "", ""), "high": ("float64", "", ""), "n": ("int64", "", "")},
        "headline": {"sentence": ("string", "", ""), "status": ("string", "", ""), "quality": ("string", "", "")},
    }[name]
    contracts.declare(name, grain="", key=[next(iter(columns))] if small else [], columns=columns, needs=needs,
                      small=small, nullable=tuple(columns) if small and name == "published" else ())
run = helpers.open_run(dataset, week)"""

PARAMETERS = """dataset: str = "tiny"  # a name under data/, or a folder with a dataset.toml
week: str = "latest"  # ISO week such as 2026-W10, or latest"""

HEADLINE = """import pandas as pd
front = pd.DataFrame({"sentence": [f"{len(sizes)} kinds of events."], "status": ["complete"], "quality": ["good"]})
numbers = pd.DataFrame({"metric": ["events"], "slice": ["all"], "value": [float(len(sizes))],
                        "low": [None], "high": [None], "n": [int(sizes["n"].sum())]})
run.write("published", numbers.astype({"low": float, "high": float}))
run.write("headline", front)"""

NOTEBOOKS = {
    "01_first": [
        ("parameters", PARAMETERS),
        ("setup", SETUP),
        ("days", 'events = run.source("events")\n'
         'days = run.write("days", events.select("user_id", "event"))\ndays.count().to_pandas()'),
    ],
    "02_second": [
        ("parameters", PARAMETERS + "\nhalf_life_days: int = 14  # days after which an interest weighs half"),
        ("setup", SETUP),
        ("sizes", 'limits = run.rules["activity"]\ndays = run.read("days")\n'
         'sizes = days.group_by("event").agg(n=days.count()).to_pandas()\nrun.write("sizes", sizes)'),
    ],
    "03_third": [
        ("parameters", PARAMETERS),
        ("setup", SETUP),
        ("kinds", 'days = run.read("days")\ndays.event.nunique().to_pandas()'),
    ],
    "weekly": [
        ("parameters", PARAMETERS),
        ("setup", SETUP),
        ("headline", 'sizes = run.read("sizes")\n' + HEADLINE),
    ],
}  # fmt: skip


def write_notebook(path: Path, cells: list[tuple[str, str]], title: str = "") -> None:
    """A notebook with a heading and code cells given as (id, source); ids that are tags become tags."""
    made = [{"cell_type": "markdown", "id": "title", "metadata": {}, "source": f"# {title or path.stem}"}]
    for name, source in cells:
        made.append({"cell_type": "markdown", "id": f"about-{name}", "metadata": {}, "source": f"## About {name}"})
        tags = {"tags": [name]} if name in ("parameters", "setup") else {}
        made.append({
            "cell_type": "code", "id": name, "metadata": tags, "execution_count": None, "outputs": [], "source": source,
        })  # fmt: skip
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    path.write_text(json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}), "utf-8")


def write_project(folder: Path) -> tuple[Path, Path]:
    """The folder of a tiny dataset, and the folder of its notebooks."""
    data, books = folder / "tiny", folder / "notebooks"
    data.mkdir(parents=True)
    books.mkdir()
    (data / "dataset.toml").write_text(TOML, "utf-8")
    rows = [f"u{user},2026-03-{day:02d} 10:00:00,view" for user in range(20) for day in range(2, 9)]
    rows += [f"u{user},2026-03-03 11:00:00,like" for user in range(12)]
    (data / "events.csv").write_text("uid,time,type\n" + "\n".join(rows) + "\n", "utf-8")
    for name, cells in NOTEBOOKS.items():
        write_notebook(books / f"{name}.ipynb", cells)
    return data, books


@dataclass
class Project:
    """The folders of a tiny project, and what one does with it."""

    data: Path
    books: Path
    lines: list[str] = field(default_factory=list)

    def request(self, **options) -> planning.Request:
        return planning.Request(dataset=str(self.data), notebooks=self.books, **options)

    def report(self, **options) -> pipeline.Outcome:
        self.lines.clear()
        said = progress.Plain()
        said.say = self.lines.append
        return pipeline.report(self.request(**options), said)

    def ran(self, **options) -> list[str]:
        """The steps that a report had to run."""
        outcome = self.report(**options)
        return sorted(name for name, decision in outcome.decisions.items() if decision.action == "run")

    def change(self, name: str, before: str, after: str) -> None:
        """Change a notebook's text."""
        path = self.books / f"{name}.ipynb"
        text = path.read_text("utf-8")
        assert json.dumps(before)[1:-1] in text
        path.write_text(text.replace(json.dumps(before)[1:-1], json.dumps(after)[1:-1]), "utf-8")

    @property
    def built(self) -> Path:
        return paths.built("tiny") / "2026-W10"

    @property
    def reports(self) -> Path:
        return paths.reports("tiny")

    def pages(self, week: str = "2026-W10") -> dict[str, bytes]:
        """The published pages by name."""
        return {path.name: path.read_bytes() for path in (self.reports / week).iterdir() if path.suffix == ".html"}
