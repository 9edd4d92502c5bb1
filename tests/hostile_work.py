"""What is done while the disk fails: a week published, facts appended. Everything is imported beforehand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from helpers import cleaning, facts, open_run, paths
from helpers.runs import appending, failures, origins, pipeline, publish
from helpers.show import histories
from helpers.sources import engine, events, survey  # noqa: F401

PAGES = {"index.html": "<p>front</p>", "04_retention.html": "<p>page</p>" * 5000}
MADE_OF = dict.fromkeys(origins.WHOLE, "x") | {"versions": {"helpers": "1"}, "rules.toml": {}, "notebooks": {}, "parameters": {}}

histories.history("", [])  # its templates, too


@contextmanager
def as_a_run(root: str, folder: Path) -> Iterator[None]:
    """What `pipeline.report` does around its work."""
    os.environ[paths.BUILT_ROOT_VARIABLE] = root
    dataset = SimpleNamespace(name=folder.name, engine=SimpleNamespace(spill=None))
    pipeline._sweep(dataset)
    try:
        yield
    except OSError as fault:
        raise failures.of_system(fault) from fault
    finally:
        pipeline._sweep(dataset)


def publish_week(root: str, week: str, number: str) -> None:
    """The pages of a finished run; nothing new where they stand already."""
    key = f"{week[-2:]}{number}{'0' * 61}"
    record = {"key": key, "week": week, "headline": f"Version {number}", "quality": "good", "status": "", "seconds": 3.0,
              "built_at": f"2026-03-0{number}T08:00:00+00:00", "made_of": MADE_OF}  # fmt: skip
    rows = [{"metric": name, "slice": "all", "value": float(number), "low": None, "high": None, "n": 40} for name in "ab"]
    pages = {name: f"{html}<p>{week} {number}</p>" for name, html in PAGES.items()}
    with as_a_run(root, Path("shop")):
        publish.finish("shop")
        shown = publish.current("shop", week)
        if shown and shown.record["key"] == key:
            publish.show("shop", "The shop", shown)
        else:
            publish.publish("shop", "The shop", pages, record, rows)


def append_facts(root: str, folder: str, week: str) -> None:
    """As 01_cleaning does, with one thread, whose calls can be counted."""
    appending.ENOUGH_ROWS = events.ENOUGH_ROWS = 400
    name = Path(folder).name
    with as_a_run(root, Path(folder)):
        run = open_run(folder, week, root=folder)
        built = paths.built(name)
        run.__dict__["engine"] = engine.connect([built, Path(folder)], spill=built / "spill", threads=1)
        judged = cleaning.judge(run.source("events"), "events", as_of=run.as_of, future_from=run.future_from)
        layers = facts.Layers(run.dataset.roles, run.rules["roles"], list(filter(run.dataset.has, facts.OPTIONAL)))
        made = run.append(facts.timed(cleaning.kept(judged)), layers)
        for artefact in appending.ARTEFACTS:
            run.write(artefact, made.stored(artefact))
