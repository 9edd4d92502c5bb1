"""One step: a notebook run in a kernel of its own, and the proof that it made what it says."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from helpers import paths
from helpers.errors import RunFailed
from helpers.runs import failures, kernels, keys
from helpers.runs.graph import Step
from helpers.runs.store import SOURCES_VARIABLE

HEADLESS_VARIABLE = "GROWTH_RINGS_HEADLESS"


@dataclass(frozen=True)
class Place:
    """Where steps run: the week's folder, the notebooks' folder, and what a failure says was kept."""

    inputs: keys.Inputs
    notebooks: Path
    kept: str

    @property
    def folder(self) -> Path:
        return self.inputs.run.folder / "steps"


def run(step: Step, place: Place, warm: kernels.Warm, done: dict[str, keys.Record | None], unbuilt: list[str]) -> keys.Record:
    """Execute one notebook and record what it made.

    The old record goes first and the new one comes last, so that a run that is killed leaves no record that lies.

    Raises:
        GrowthRingsError: The failure in at most ten lines.
    """
    held, folder = place.inputs.run, place.folder
    keys.record_path(folder, step.name).unlink(missing_ok=True)
    current = keys.parts(step, place.inputs, keys.hashes(done))
    output = folder / f".{step.name}.{os.getpid()}.ipynb"
    saved = folder / f"{step.name}.failed.ipynb"
    try:
        _execute(step, place, warm, output)
    except Exception as fault:
        if output.exists():
            output.replace(saved)
        raise _explained(fault, step, place, saved, unbuilt) from fault
    missing = [name for name in keys.expected(step, held) if not (held.folder / f"{name}.parquet").exists()]
    if missing:
        output.replace(saved)
        raise RunFailed(
            f"{step.name}: it ran to its end but has not written {', '.join(missing)}.\n"
            f"  The executed notebook: {failures.short(saved)}\n  {place.kept}"
        )
    cells = _seconds(output)
    output.replace(keys.executed(folder, step.name))
    saved.unlink(missing_ok=True)
    made = keys.made([name for name in step.names.writes if (held.folder / f"{name}.parquet").exists()], held.folder)
    record = keys.Record(parts=current, artefacts=made, seconds=round(sum(cells.values()), 3), cells=cells)
    keys.write_record(folder, step.name, record)
    return keys.read_record(folder, step.name)


def _execute(step: Step, place: Place, warm: kernels.Warm, output: Path) -> None:
    run = place.inputs.run
    default = run.dataset.folder == paths.PROJECT / "data" / run.dataset.name
    kernels.load_driver()
    values = {"dataset": run.dataset.name if default else str(run.dataset.folder), "week": run.week, **step.values}
    known = {name for cell in step.notebook.code if "parameters" in cell.tags for name in _assigned(cell.source)}
    env = {
        **os.environ,
        paths.BUILT_ROOT_VARIABLE: str(paths.built_root()),
        SOURCES_VARIABLE: str(run.dataset.root),
        HEADLESS_VARIABLE: "1",
    }
    kernels.execute(
        step.notebook.path,
        output,
        {name: value for name, value in values.items() if name in known},
        warm=warm,
        cwd=place.notebooks,
        env=env,
    )


def _assigned(source: str) -> list[str]:
    import ast

    return [node.target.id for node in ast.parse(source).body if isinstance(node, ast.AnnAssign)]


def _seconds(output: Path) -> dict[str, float]:
    """Seconds of each code cell of an executed notebook.

    Raises:
        RunFailed: A cell has not run, whatever the notebook says of itself.
    """
    found = {}
    for cell in json.loads(output.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        if cell["execution_count"] is None and "".join(cell["source"]).strip():
            raise RunFailed(f'{output.name}: the cell "{cell["id"]}" has not run.')
        found[cell["id"]] = round(cell["metadata"].get("papermill", {}).get("duration") or 0.0, 4)
    return found


def _explained(fault: Exception, step: Step, place: Place, saved: Path, unbuilt: list[str]) -> Exception:
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(fault, PapermillExecutionError):
        return failures.of_cell(step.notebook, fault, saved, place.kept, unbuilt)
    if isinstance(fault, DeadKernelError):
        return failures.of_kernel(step.notebook, saved, place.kept, unbuilt)
    if isinstance(fault, OSError):
        return failures.of_system(fault)
    return fault
