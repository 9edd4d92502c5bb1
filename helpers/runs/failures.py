"""What a person reads when a run fails: at most ten lines, with the place, the reason and the next step."""

from __future__ import annotations

import os
import re
from pathlib import Path

from helpers import paths
from helpers.errors import EnvironmentFault, GrowthRingsError, InputError, RunFailed, cure, number_in
from helpers.runs.notebooks import Notebook

LINES = 10
OURS = {
    "InputError": InputError, "FaultyData": InputError, "NotBuilt": InputError, "EnvironmentFault": EnvironmentFault,
    "RunFailed": RunFailed,
}  # fmt: skip
LESS_MEMORY = (
    "Close other programs, or give the machine more memory (`ulimit -v` may hold it back), then run the same command again: "
    "finished steps are kept. GROWTH_RINGS_MEMORY=1GB lets the engine of each notebook hold less, and more lie on disk."
)
HINTS = {
    "MemoryError|bad.alloc|Cannot allocate|Resource temporarily unavailable|start new thread": LESS_MEMORY,
    "^OutOfMemory": "GROWTH_RINGS_MEMORY=4GB lets the engine of each notebook hold more; else it has a part of all memory.",
    "ModuleNotFoundError": "Run `make clean`, then the same command again: it makes the environment anew.",
}
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def explained(fault: Exception, notebook: Notebook, saved: Path, kept: str, unbuilt: list[str]) -> Exception:
    """A step's failure in words, or the fault itself when it is none that a person can mend.

    Args:
        fault: What running the step raised.
        saved: Where the executed notebook lies, if there is one.
        kept: Which good report was kept.
        unbuilt: The steps that were not built because of it.
    """
    if isinstance(fault, OSError):
        return of_system(fault)
    known = type(fault).__name__
    if known == "PapermillExecutionError":
        kind, lines = _of_cell(notebook, fault)
    elif known == "DeadKernelError":
        kind, lines = RunFailed, _of_kernel(notebook, fault)
    elif isinstance(fault, GrowthRingsError):
        kind, lines = fault.worded, str(fault).splitlines()
    else:
        return fault
    tail = [f"  The executed notebook: {short(saved)}"] if saved.exists() else []
    tail += [f"  Not built: {', '.join(unbuilt)}."] if unbuilt else []
    tail.append(f"  {kept}")
    return kind("\n".join(line[:400] for line in lines[: LINES - len(tail)] + tail))


def _of_cell(notebook: Notebook, fault: Exception) -> tuple[type[GrowthRingsError], list[str]]:
    first = f"{notebook.name} failed in {_place(notebook, fault.source)}."
    said = _ANSI.sub("", fault.evalue).strip().splitlines() or [""]
    if fault.ename in OURS:
        return OURS[fault.ename], [first, *(f"  {line}" for line in said)]
    if fault.ename in ("OSError", "PermissionError", "IOException") and number_in(said[0]):
        return EnvironmentFault, [first, f"  {said[0]}", f"  {cure(number_in(said[0]))}"]
    hints = (hint for kind, hint in HINTS.items() if re.search(kind, f"{fault.ename}: {said[0]}"))
    hint = next(hints, "The executed notebook shows the whole of it.")
    return RunFailed, [first, f"  {fault.ename}: {said[0]}", *_where(fault), f"  {hint}"]


def _place(notebook: Notebook, source: str) -> str:
    """ 'cell "sizes", under "About sizes"' """
    cell = next((cell for cell in notebook.code if cell.source == source), None)
    heading = notebook.heading_of(cell.id) if cell else ""
    return (f'cell "{cell.id}"' if cell else "a cell") + (f', under "{heading}"' if heading else "")


def _where(fault: Exception) -> list[str]:
    """The innermost line of our own code in the traceback."""
    text = _ANSI.sub("", "\n".join(fault.traceback))
    found = re.findall(rf"File {re.escape(str(paths.PROJECT))}/(\S+?\.py):(\d+)", text)
    return [f"  It was raised at {found[-1][0]}, line {found[-1][1]}."] if found else []


def _of_kernel(notebook: Notebook, fault: Exception) -> list[str]:
    source = getattr(fault, "source", None)
    return [
        f"{notebook.name}: its kernel died {f'in {_place(notebook, source)}' if source else 'before its first cell'}.",
        "  Most often the machine ran out of memory, and the system killed it.",
        f"  {LESS_MEMORY}",
    ]


def of_system(fault: OSError) -> EnvironmentFault:
    """A full disk, a folder without permission and the like."""
    place = Path(fault.filename) if fault.filename else paths.built_root()
    return EnvironmentFault(f"{short(place)}: {fault.strerror or fault}. {cure(fault.errno)}")


def short(path: Path) -> str:
    """A path as one would type it here."""
    try:
        return os.path.relpath(path)
    except ValueError:
        return str(path)
