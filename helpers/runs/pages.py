"""From executed notebooks to pages: today's prose and tags around the outputs that the kernels left."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from helpers.errors import RunFailed
from helpers.runs import keys, parameters, publish, restating
from helpers.runs.graph import Step
from helpers.runs.notebooks import FRONT
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

    pages = {publish.page_name(step.name): render_one(step, plan) for step in plan.steps if not step.skip}
    faults = [f"{name}: {fault}" for name, html in pages.items() for fault in page.is_broken(html)]
    if faults:
        more = f"\n  and {len(faults) - TOO_MANY} more" if len(faults) > TOO_MANY else ""
        raise RunFailed("The pages are not fit to be published:\n  " + "\n  ".join(faults[:TOO_MANY]) + more)
    return pages


def render_one(step: Step, plan: Plan) -> str:
    """One page."""
    from helpers.show import page

    run, summary = plan.run, headline(plan.run)
    configure_gate(run.dataset)
    links = [
        (publish.page_name(other.name), other.notebook.title, other.name == step.name)
        for other in sorted(plan.steps, key=lambda other: (other.name != FRONT, other.name))
        if not other.skip
    ]
    info = page.PageInfo(
        dataset=run.dataset.title,
        title=step.notebook.title,
        week=run.week,
        week_dates=f"{run.first_day} to {run.last_day}" if run.first_day else "",
        status=summary["status"],
        language=run.dataset.language,
        links=links,
        footer=_footer(step, plan),
        skipped=[f"{other.notebook.title}: {other.skip}." for other in plan.steps if other.skip],
        quality=summary["quality"],
        restated=restating.lines(restated(run)) if step.name == FRONT else [],
    )
    return page.render(merged(step, plan.folder), info)


def merged(step: Step, folder: Path):
    """The notebook as it is now with the outputs of its last execution, as nbformat's node.

    A step is reused while its code stays the same; its prose and tags may have changed meanwhile.
    """
    import nbformat

    outputs = {
        cell["id"]: cell["outputs"]
        for cell in json.loads(keys.executed(folder, step.name).read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    }
    node = json.loads(step.notebook.path.read_text(encoding="utf-8"))
    for cell in node["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = outputs.get(cell["id"], [])
            cell["execution_count"] = None
    return nbformat.reads(json.dumps(node), as_version=4)


def _footer(step: Step, plan: Plan) -> dict[str, str]:
    """Enough to trace every number and to repeat the run; no time, no place of this machine."""
    run, inputs = plan.run, plan.inputs
    values = ", ".join(f"{name}={parameters.shown(value)}" for name, value in sorted(step.values.items()))
    zone = run.dataset.timezone
    lines = {
        "Dataset": f"{run.dataset.name}, {len(inputs.profile.files)} files, sha256 {inputs.sources[:12]}",
        "As of": f"{run.as_of.isoformat()} ({zone})" if run.as_of else f"undated ({zone})",
        "Data up to": str(run.data_until) if run.data_until else "undated",
        "Parameters": values or "none",
        "Run": plan.key()[:12],
        "Made by": f"growth-rings {version('growth-rings')}, helpers {inputs.code[:12]}, lock {inputs.lock_hash[:12]}",
        "Repeat with": command(run.dataset, run.week, shown=True),
    }
    if run.dataset.privacy.purpose:
        lines["Purpose"] = run.dataset.privacy.purpose
    return lines


def headline(run: Run) -> dict[str, str]:
    """The front page's sentence, status line and quality mark, as the notebook `weekly` wrote them."""
    plain = {"sentence": "", "status": "complete" if run.complete else "still open", "quality": ""}
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


def restated(run: Run) -> list[restating.Restatement]:
    """The numbers that are no longer what they were when they were first published."""
    return restating.restated(run.dataset.name, run.week, numbers(run), _rows(run.folder / "past_numbers.parquet"))


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
