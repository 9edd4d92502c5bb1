"""A notebook opened in JupyterLab before its week was built: which command is wanted, and a button that runs it."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from helpers import paths
from helpers.errors import GrowthRingsError, InputError

if TYPE_CHECKING:
    from helpers.runs.store import Run

NOTEBOOK = "JPY_SESSION_NAME"  # where Jupyter's server tells a kernel which notebook it is of
HEADLESS = "GROWTH_RINGS_HEADLESS"
LINES = 12


class NotBuilt(InputError):
    """What a notebook reads has not been built; where somebody sits before it, a button comes with the message."""

    def __init__(self, text: str, run: Run) -> None:
        super().__init__(text)
        self.run = run
        self._is_offered = False

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of a traceback; it asks twice, the second time for its history."""
        if is_live() and not self._is_offered:
            from IPython.display import display

            self._is_offered = True
            display(offer(self.run))
        return [str(self)]


def is_live() -> bool:
    """Whether this is the kernel of a notebook that somebody has open in JupyterLab."""
    return bool(os.environ.get(NOTEBOOK)) and os.environ.get(HEADLESS, "") in ("", "0") and "IPython" in sys.modules


def check(run: Run) -> None:
    """See to it that what the open notebook reads has been built; where nobody has one open, nothing is asked.

    Raises:
        NotBuilt: Something is missing; says which command builds it.
    """
    if not is_live():
        return
    gone = missing(run, Path(os.environ[NOTEBOOK]))
    if gone:
        raise NotBuilt(run.not_built(gone[0]), run)


def missing(run: Run, path: Path) -> list[str]:
    """The artefacts that a notebook reads, does not make itself, and that are not there; of one that cannot be read none."""
    from helpers.runs import graph, notebooks, store

    try:
        names = graph.names(notebooks.read(path if path.is_absolute() else paths.NOTEBOOKS / path))
    except (GrowthRingsError, OSError):
        return []
    needs = graph.needs()
    wanted = [name for name in (*names.reads, *names.finds) if name not in names.writes]
    wanted = [name for name in wanted if not store.lacking(run.dataset, needs.get(name, ""))]
    return [name for name in wanted if not (run.folder / f"{name}.parquet").exists()]


def offer(run: Run) -> Any:
    """A button that builds the report of a run's week, and what it says while it works."""
    import ipywidgets

    from helpers.runs import store
    from helpers.show.controls.explorer import BUSY, look, waiting
    from helpers.show.words import word

    command = store.command(run.dataset, run.week)
    asked = ipywidgets.HTML(_said("warn", word("live.missing", command=command)))
    button = ipywidgets.Button(description=word("live.build"), tooltip=command).add_class("gr-build")
    log = ipywidgets.HTML()
    tools = ipywidgets.HBox([button, waiting()]).add_class("gr-tools")
    box = ipywidgets.VBox([asked, tools, log, look()]).add_class("gr-explore")

    def work() -> None:
        code = build(run, lambda lines: setattr(log, "value", _log(lines)))
        box.remove_class(BUSY)
        button.disabled = code == 0
        asked.value = _said("good", word("live.built")) if code == 0 else _said("alarm", word("live.failed"))

    def start(_: Any) -> None:
        button.disabled = True
        box.add_class(BUSY)
        Thread(target=work, daemon=True).start()

    button.on_click(start)
    return box


def _said(tone: str, text: str) -> str:
    from helpers.show import gate

    return f'<div class="gr"><p class="gr-say {tone}">{gate.escape(text)}</p></div>'


def _log(lines: list[str]) -> str:
    from helpers.show import gate

    return f'<pre class="gr-log">{gate.escape(chr(10).join(lines[-LINES:]))}</pre>'


def build(run: Run, show: Any) -> int:
    """Run the report in a process of its own, which ends with this one; gives its exit code.

    Args:
        show: Takes the lines that it has printed so far.
    """
    words = [sys.executable, "-P", "-m", "helpers", "report", str(_asked(run)), "--week", run.week]
    words += [] if run.dataset.simulate is not None else ["--root", str(run.dataset.root)]
    unwanted = ("MPLBACKEND", NOTEBOOK)
    env = {name: value for name, value in os.environ.items() if name not in unwanted}
    lines: list[str] = []
    with subprocess.Popen(
        words, cwd=paths.PROJECT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        atexit.register(_end, process)
        for line in process.stdout:
            lines.append(line.rstrip())
            show(lines)
    atexit.unregister(_end)
    return process.returncode


def _end(process: subprocess.Popen) -> None:
    with suppress(OSError):
        process.terminate()


def _asked(run: Run) -> str | Path:
    """The dataset as a command line names it."""
    return run.dataset.name if run.dataset.folder.parent == paths.PROJECT / "data" else run.dataset.folder
