"""What a person reads when a run fails: at most ten lines, with the place, the reason and the next step."""

from __future__ import annotations

import os
import re
from pathlib import Path

from helpers import paths
from helpers.errors import EnvironmentFault, GrowthRingsError, InputError, RunFailed
from helpers.runs.notebooks import Notebook

LINES = 10
OURS = {"InputError": InputError, "EnvironmentFault": EnvironmentFault}
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_HINTS = {
    "MemoryError": "Free some memory, or take a shorter span of data.",
    "ModuleNotFoundError": "Run `make clean` and then the same command: it sets the environment up again.",
    "KeyboardInterrupt": "It was interrupted. Run the same command again: finished steps are kept.",
}


def of_cell(notebook: Notebook, fault: Exception, saved: Path, kept: str, unbuilt: list[str]) -> GrowthRingsError:
    """The error for a cell that raised (a papermill.PapermillExecutionError).

    Args:
        saved: Where the executed notebook lies.
        kept: Which good report was kept.
        unbuilt: The steps that were not built because of it.
    """
    cell = next((cell for cell in notebook.code if cell.source == fault.source), None)
    place = f'cell "{cell.id}"' if cell else "a cell"
    heading = notebook.heading_of(cell.id) if cell else ""
    said = _ANSI.sub("", fault.evalue).strip().splitlines() or [""]
    ours = fault.ename in OURS or fault.ename == "RunFailed"
    lines = [f"{notebook.name} failed in {place}" + (f', under "{heading}".' if heading else ".")]
    lines += [f"  {line}" for line in said[:4]] if ours else [f"  {fault.ename}: {said[0]}"]
    lines += [] if ours else _where(fault)
    hint = _HINTS.get(fault.ename, "" if ours else "Open the executed notebook to see the whole of it.")
    lines += [f"  {hint}"] if hint else []
    return _error(OURS.get(fault.ename, RunFailed), lines, saved, kept, unbuilt)


def _where(fault: Exception) -> list[str]:
    """The innermost line of our own code in the traceback."""
    text = _ANSI.sub("", "\n".join(fault.traceback))
    found = re.findall(rf"File {re.escape(str(paths.PROJECT))}/(\S+?\.py):(\d+)", text)
    return [f"  It was raised at {found[-1][0]}, line {found[-1][1]}."] if found else []


def of_kernel(notebook: Notebook, saved: Path, kept: str, unbuilt: list[str]) -> GrowthRingsError:
    """The error for a kernel that ended in the middle of a notebook."""
    lines = [f"{notebook.name}: its kernel ended in the middle of the notebook."]
    lines.append("  Most often the machine ran out of memory and the system killed it.")
    lines.append("  Close other programs or give the machine more memory, then run the same command again.")
    return _error(EnvironmentFault, lines, saved, kept, unbuilt)


def _error(kind: type[GrowthRingsError], lines: list[str], saved: Path, kept: str, unbuilt: list[str]) -> GrowthRingsError:
    if saved.exists():
        lines.append(f"  The executed notebook: {short(saved)}")
    if unbuilt:
        lines.append(f"  Not built: {', '.join(unbuilt)}.")
    lines.append(f"  {kept}")
    return kind("\n".join(line[:400] for line in lines[:LINES]))


def of_system(fault: OSError) -> EnvironmentFault:
    """The error for a full disk, a folder without permission and the like."""
    what = short(Path(fault.filename)) if fault.filename else "The disk"
    return EnvironmentFault(
        f"{what}: {fault.strerror or fault}. Free some space or make the place writable, then run the same command again; "
        "finished steps are kept."
    )


def short(path: Path) -> str:
    """A path as one would type it here."""
    try:
        return os.path.relpath(path)
    except ValueError:
        return str(path)
