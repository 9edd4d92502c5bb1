"""One step: a notebook run in a kernel of its own, and the proof that it made what it says."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import paths
from helpers.errors import RunFailed
from helpers.runs import kernels, keys
from helpers.runs.graph import Step
from helpers.runs.store import MEMORY_VARIABLE, SOURCES_VARIABLE
from helpers.sources import choice

if TYPE_CHECKING:
    from helpers.sources.choice import Engine

HEADLESS_VARIABLE = "GROWTH_RINGS_HEADLESS"
# More than there are processors on a small machine, so that none idles.
AT_ONCE = 4
ALONE = 1
MANY_EVENTS = 20_000_000  # each step keeps all processors busy then, and does so faster with all of the memory


@dataclass(frozen=True)
class Place:
    """Where steps run: the week's folder and the notebooks' folder; and beside how many others at most."""

    inputs: keys.Inputs
    notebooks: Path
    beside: int = AT_ONCE - 1

    @property
    def folder(self) -> Path:
        return self.inputs.run.folder / "steps"


def run(step: Step, place: Place, warm: kernels.Warm, done: dict[str, keys.Record | None]) -> keys.Record:
    """Execute one notebook and record what it made.

    The old record goes first and the new one comes last, so that a run that is killed leaves no record that lies.

    Raises:
        RunFailed: It ran to its end but has not made what it says.
        papermill.exceptions.PapermillExecutionError, nbclient.exceptions.DeadKernelError: As `kernels.execute`.
    """
    held, folder = place.inputs.run, place.folder
    keys.record_path(folder, step.name).unlink(missing_ok=True)
    current = keys.parts(step, place.inputs, keys.hashes(done))
    output, saved = folder / unfinished(step.name), failed(folder, step.name)
    saved.unlink(missing_ok=True)
    try:
        _execute(step, place, warm, output)
        missing = [name for name in keys.expected(step, held) if not (held.folder / f"{name}.parquet").exists()]
        if missing:
            raise RunFailed(f"{step.name}: it ran to its end but has not written {', '.join(missing)}.")
        cells = _seconds(output)
        paths.flush(output)
    except OSError:
        output.unlink(missing_ok=True)  # it may be a piece of one
        raise
    except Exception:
        if output.exists():
            output.replace(saved)
        raise
    finally:
        place.inputs.check_unchanged(step)
    output.replace(keys.executed(folder, step.name))
    made = keys.made([name for name in step.names.writes if (held.folder / f"{name}.parquet").exists()], held.folder)
    notebook = keys.as_it_is(keys.executed(folder, step.name))
    record = keys.Record(parts=current, artefacts=made, notebook=notebook, seconds=round(sum(cells.values()), 3), cells=cells)
    keys.write_record(folder, step.name, record)
    return keys.read_record(folder, step.name)


def unfinished(name: str) -> str:
    """What the executed notebook of a step is called while it is being written."""
    return f".{name}.ipynb"


def failed(folder: Path, name: str) -> Path:
    """The executed notebook of a step that failed."""
    return folder / f"{name}.failed.ipynb"


def _execute(step: Step, place: Place, warm: kernels.Warm, output: Path) -> None:
    run = place.inputs.run
    default = run.dataset.folder == paths.PROJECT / "data" / run.dataset.name
    kernels.load_driver()
    values = {"dataset": run.dataset.name if default else str(run.dataset.folder), "week": run.week, **step.values}
    known = {name for cell in step.notebook.code if "parameters" in cell.tags for name in _assigned(cell.source)}
    env = {
        MEMORY_VARIABLE: memory(run.dataset.engine, place.beside),
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


def at_once(engine: Engine, events: int) -> int:
    """How many steps may run at a time: Spark itself works on many things at once, and so does DuckDB on many events."""
    return ALONE if engine.spark or events > MANY_EVENTS else AT_ONCE


def memory(engine: Engine, beside: int) -> str:
    """What one step may take beside so many others; half of the machine is left to Python, Spark's too, and to the system."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    every = choice.size(engine.memory) if engine.memory else machine
    return f"{every // min(AT_ONCE, beside + 1) // 2**20}MB"


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
