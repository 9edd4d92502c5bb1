"""From executed notebooks to pages: today's prose and tags around the outputs that the kernels left."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from helpers.errors import RunFailed
from helpers.runs import history, keys, origins, parameters, publish, restating
from helpers.runs.graph import Step
from helpers.runs.notebooks import FRONT, Notebook
from helpers.runs.opening import configure_gate
from helpers.runs.planning import Plan
from helpers.runs.store import Run, command

TOO_MANY = 5
MARKS = {"amber": "warn", "red": "alarm"}


def render(plan: Plan) -> dict[str, str]:
    """All pages of a run by file name; identical input gives identical bytes.

    Raises:
        RunFailed: A page is not fit to be published: an external address, a figure without text, an error, too large.
    """
    from helpers.show import page

    pages = {publish.page_name(step.name): render_one(step, plan, around=True) for step in plan.steps if not step.skip}
    faults = [f"{name}: {fault}" for name, html in pages.items() for fault in page.is_broken(html)]
    if faults:
        more = f"\n  and {len(faults) - TOO_MANY} more" if len(faults) > TOO_MANY else ""
        raise RunFailed("The pages are not fit to be published:\n  " + "\n  ".join(faults[:TOO_MANY]) + more)
    return pages | mailed(plan)


def mailed(plan: Plan) -> dict[str, str]:
    """The mail as a page and as text: made beside the pages, sent by nobody."""
    from helpers.show import mail

    run = plan.run
    configure_gate(run.dataset)
    summary = headline(run)
    front = next((step for step in plan.steps if step.name == FRONT), None)
    letter = mail.Letter(
        dataset=run.dataset.title,
        week=run.week,
        days=(run.first_day, run.last_day) if run.first_day else None,
        status=summary["status"],
        quality=summary["quality"],
        rows=_rows(run.folder / "mailed.parquet"),
        decisions=_rows(run.folder / "experiment_decisions.parquet"),
        report=f"reports/{run.dataset.name}/{run.week}/index.html",
        footer=_footer(front, plan) if front else {},
    )
    made = mail.render(letter)
    return dict(zip(mail.NAMES, made, strict=True))


def render_one(step: Step, plan: Plan, *, around: bool = False) -> str:
    """One page; `around`: with the ways to other weeks, which a preview has not beside it."""
    from helpers.show import format, page

    run = plan.run
    configure_gate(run.dataset)
    summary = headline(run)
    links = [
        (publish.page_name(other.name), title(other.notebook), other.name == step.name)
        for other in sorted(plan.steps, key=lambda other: (other.name != FRONT, other.name))
        if not other.skip
    ]
    info = page.PageInfo(
        dataset=run.dataset.title,
        title=title(step.notebook),
        week=run.week,
        week_dates=format.days(run.first_day, run.last_day) if run.first_day else "",
        status=summary["status"],
        language=run.dataset.language,
        links=links,
        footer=_footer(step, plan),
        skipped=[_lacking(other) for other in plan.steps if other.skip],
        quality=summary["quality"],
        restated=restating.lines(restated(plan)) if step.name == FRONT else [],
        headline=summary["sentence"] if step.name == FRONT else "",
        doubts=summary["doubts"].splitlines() if step.name != FRONT else [],
        code=step.name != FRONT,
        around=_around(run.week) if around else [],
    )
    return page.render(merged(step, plan.folder), info)


def title(notebook: Notebook) -> str:
    """What a notebook is called on the pages, in their language."""
    from helpers.show import words

    told = [replace(cell, source=words.prose(notebook.name, cell.id, cell.source)) for cell in notebook.cells]
    return replace(notebook, cells=tuple(told)).title


def _lacking(step: Step) -> str:
    """That a notebook has no page, and which part the dataset would need for it."""
    from helpers.show import words

    part = words.word("page.lacks", part=words.word_or("parts", step.lacks, "other").format(part=step.lacks))
    return words.word("tables.skipped", part=title(step.notebook), why=part)


def _around(week: str) -> list[tuple[str, str]]:
    from helpers.show import words

    ways = history.around(week)
    return list(zip(ways, [words.word(f"weeks.{name}") for name in (*history.SIDES, "all")][-len(ways) :], strict=True))


def merged(step: Step, folder: Path):
    """The notebook as it is now with the outputs of its last execution, as nbformat's node, in the language of the pages.

    A step is reused while its code stays the same; its prose and tags may have changed meanwhile.
    """
    import nbformat

    from helpers.show import words

    outputs = {
        cell["id"]: cell["outputs"]
        for cell in json.loads(keys.executed(folder, step.name).read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    }
    node = json.loads(step.notebook.path.read_text(encoding="utf-8"))
    for cell in node["cells"]:
        cell["metadata"]["called"] = words.called(step.name, cell["id"])
        if cell["cell_type"] == "code":
            cell["outputs"] = outputs.get(cell["id"], [])
            cell["execution_count"] = None
        else:
            cell["source"] = words.prose(step.name, cell["id"], "".join(cell["source"]))
    return nbformat.reads(json.dumps(node), as_version=4)


def _footer(step: Step, plan: Plan) -> dict[str, str]:
    """Enough to trace every number and to repeat the run; no time, no place of this machine."""
    from helpers.show.words import word

    run, inputs = plan.run, plan.inputs
    values = ", ".join(f"{name}={parameters.shown(value)}" for name, value in sorted(step.values.items()))
    zone = run.dataset.timezone
    undated, release = word("footer.undated"), version("growth-rings")
    found = {
        "dataset": word("footer.files", name=run.dataset.name, n=len(inputs.profile.files), sha256=inputs.sources[:12]),
        "as_of": f"{run.as_of.isoformat() if run.as_of else undated} ({zone})",
        "data_until": str(run.data_until) if run.data_until else undated,
        "parameters": values or word("footer.none"),
        "run": plan.key()[:12],
        "made_by": word("footer.release", release=release, code=inputs.code[:12], lock=inputs.lock_hash[:12]),
        "repeat": command(run.dataset, run.week, shown=True),
        "purpose": run.dataset.privacy.purpose,
    }
    return {word(f"footer.{name}"): text for name, text in found.items() if text}


def headline(run: Run) -> dict[str, str]:
    """The front page's sentence, the status line, quality mark and doubts of all, as the notebook `weekly` wrote them."""
    from helpers.show import words

    status = words.word("page.complete" if run.complete else "page.open")
    plain = {"sentence": "", "status": status, "quality": "", "doubts": ""}
    row = next(iter(_rows(run.folder / "headline.parquet")), {})
    found = plain | {name: str(value) for name, value in row.items() if name in plain and value is not None}
    return found | {"quality": MARKS.get(found["quality"], found["quality"])}


def numbers(run: Run) -> list[dict[str, Any]]:
    """The rows for published.csv, small groups withheld."""
    from helpers.show import gate

    configure_gate(run.dataset)
    rows = _rows(run.folder / "published.parquet")
    if any(gate.is_small(row["n"]) for row in rows):
        import pandas as pd

        frame = gate.withhold(pd.DataFrame(rows), n="n", values=["value", "low", "high"], parts=True, within="metric")
        rows = frame.to_dict("records")
    return [{name: _plain(row[name]) for name in publish.COLUMNS if name in row} for row in rows]


def restated(plan: Plan) -> list[restating.Restatement]:
    """The numbers that are no longer what they were when they were first published, and what has changed since."""
    from helpers.runs import pipeline

    counting = {kind: origins.counting(plan.steps, kind) for kind in origins.KINDS}
    run, now = plan.run, (origins.flat(pipeline.made_of(plan)), counting)
    return restating.restated(run.dataset.name, run.week, numbers(run), _rows(run.folder / "past_numbers.parquet"), now)


def row_ledger(run: Run) -> list[dict[str, Any]]:
    """Per file, where its rows went: what the page of cleaning shows, for those who read run.json."""
    return [{name: _plain(value) for name, value in row.items()} for row in _rows(run.folder / "ledger.parquet")]


def _rows(path: Path) -> list[dict[str, Any]]:
    """A small artefact's rows, without the import of pandas; none where it does not exist."""
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(path).read().to_pylist() if path.exists() else []


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if value is None or value != value:
        return None
    return value if isinstance(value, str | int | float | bool) else str(value)
