"""From executed notebooks to pages: today's prose and tags around the outputs that the kernels left."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from helpers.errors import RunFailed
from helpers.runs import keys, parameters, publish
from helpers.runs.graph import Step
from helpers.runs.notebooks import FRONT
from helpers.runs.store import Run, command, read_small

TOO_MANY = 5


def render(steps: list[Step], inputs: keys.Inputs, folder: Path, key: str) -> dict[str, str]:
    """All pages of a run by file name; identical input gives identical bytes.

    Raises:
        RunFailed: A page is not fit to be published: an external address, a figure without text, an error, too large.
    """
    from helpers.runs.store import configure_gate

    configure_gate(inputs.run.dataset)
    shown = [step for step in steps if not step.skip]
    pages = {publish.page_name(step.name): render_one(step, steps, inputs, folder, key) for step in shown}
    faults = [f"{name}: {fault}" for name, html in pages.items() for fault in _faults(html)]
    if faults:
        more = f"\n  and {len(faults) - TOO_MANY} more" if len(faults) > TOO_MANY else ""
        raise RunFailed("The pages are not fit to be published:\n  " + "\n  ".join(faults[:TOO_MANY]) + more)
    return pages


def _faults(html: str) -> list[str]:
    from helpers.show import page

    return page.is_broken(html)


def render_one(step: Step, steps: list[Step], inputs: keys.Inputs, folder: Path, key: str) -> str:
    """One page."""
    from helpers.show import page

    run, summary = inputs.run, headline(inputs.run)
    links = [
        (publish.page_name(other.name), other.notebook.title, other.name == step.name)
        for other in sorted(steps, key=lambda other: (other.name != FRONT, other.name))
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
        footer=_footer(step, inputs, key),
        skipped=[f"{other.notebook.title}: {other.skip}." for other in steps if other.skip],
    )
    return page.render(merged(step, folder), info)


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
    return nbformat.from_dict(node)


def _footer(step: Step, inputs: keys.Inputs, key: str) -> dict[str, str]:
    """Enough to trace every number and to repeat the run; no time, no place of this machine."""
    run = inputs.run
    values = ", ".join(f"{name}={parameters.shown(value)}" for name, value in sorted(step.values.items()))
    zone = run.dataset.timezone
    lines = {
        "Dataset": f"{run.dataset.name}, {len(inputs.profile.files)} files, sha256 {inputs.sources[:12]}",
        "As of": f"{run.as_of.isoformat()} ({zone})" if run.as_of else f"undated ({zone})",
        "Data up to": str(run.data_until) if run.data_until else "undated",
        "Parameters": values or "none",
        "Run": key[:12],
        "Made by": f"growth-rings {version('growth-rings')}, helpers {inputs.code[:12]}, lock {inputs.lock_hash[:12]}",
        "Repeat with": command(run.dataset, run.week, shown=True),
    }
    if run.dataset.privacy.purpose:
        lines["Purpose"] = run.dataset.privacy.purpose
    return lines


def headline(run: Run) -> dict[str, str]:
    """The front page's sentence, status line and quality mark, as the notebook `weekly` wrote them."""
    path = run.folder / "headline.parquet"
    plain = {"sentence": "", "status": "complete" if run.complete else "still open", "quality": ""}
    if not path.exists():
        return plain
    row = read_small(path).iloc[0].to_dict()
    return plain | {name: str(value) for name, value in row.items() if name in plain and value == value}


def numbers(run: Run) -> list[dict[str, Any]]:
    """The rows for published.csv, small groups withheld."""
    path = run.folder / "published.parquet"
    if not path.exists():
        return []
    from helpers.show import gate

    frame = gate.withhold(read_small(path), n="n", values=["value", "low", "high"])
    wanted = [column for column in publish.COLUMNS if column in frame.columns]
    return [{name: _plain(value) for name, value in row.items()} for row in frame[wanted].to_dict("records")]


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if value is None or value != value:
        return None
    return value if isinstance(value, str | int | float | bool) else str(value)
