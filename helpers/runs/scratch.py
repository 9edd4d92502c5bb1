"""Prepared copies of the notebooks, to play with: the chosen parameters in them, the committed notebooks untouched."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.runs import notebooks, opening, parameters, planning, weeks
from helpers.runs.notebooks import FRONT, Notebook

MARK = "growth_rings"
FOLDER = "scratch"
MOST_COPIES = 99


@dataclass(frozen=True)
class Prepared:
    """Copies of one dataset and week: their folder, the one to open first, and what to know about them."""

    folder: Path
    first: Path
    lines: tuple[str, ...]


def prepare(request: planning.Request) -> Prepared:
    """Copies of all notebooks with the parameters of a request in their parameters cell.

    A copy in which somebody has changed a cell is left as it is: where the fresh one differs from what it was made from,
    the fresh one takes a new name beside it.

    Raises:
        InputError: A parameter, the week or the dataset is wrong; nothing has been written.
    """
    from helpers.sources import profile

    checked = planning.check(request)
    opening.prepare(checked.dataset)
    held = profile.profile(checked.dataset)
    week = weeks.resolve(checked.request.week, held.first_day, held.data_until)
    folder = request.notebooks / FOLDER / f"{checked.dataset.name}-{week.label}"
    folder.mkdir(parents=True, exist_ok=True)
    own = checked.dataset.folder
    named = checked.dataset.name if own.parent == paths.PROJECT / "data" else str(own)
    values = {"dataset": named, "week": week.label, **checked.values}
    made = {book.name: _placed(folder, book.name, prepared(book, values)) for book in checked.notebooks}
    front = made.get(FRONT) or next(iter(made.values()))
    lines = [line for _, line in made.values() if line]
    return Prepared(folder, front[0], tuple(lines))


def lab(notebooks: Path, first: Path, port: int) -> list[str]:
    """The arguments of a JupyterLab that opens a copy: it asks no other server for news, newer versions or extensions."""
    return [
        "-m", "jupyterlab", f"--port={port}", f"--notebook-dir={notebooks}",
        f"--LabApp.default_url=/lab/tree/{first.relative_to(notebooks).as_posix()}", "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--LabApp.app_settings_dir={paths.DEFAULTS / 'lab'}",
    ]  # fmt: skip


def prepared(book: Notebook, values: dict[str, Any]) -> str:
    """A notebook's text with other values in its parameters cell, without outputs."""
    raw = json.loads(notebooks.tidied(book.path.read_text(encoding="utf-8")))
    known = parameters.of_notebook(book)
    for cell in raw["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        if "parameters" in cell["metadata"].get("tags", ()):
            cell["source"] = _with_values(known, values).splitlines(keepends=True)
    raw["metadata"][MARK] = {"prepared": _sources(raw)}
    return json.dumps(raw, indent=1, ensure_ascii=False) + "\n"


def _with_values(known: dict[str, parameters.Parameter], values: dict[str, Any]) -> str:
    """The parameters cell, a line a parameter."""
    rows = [(own, values.get(name, own.default)) for name, own in known.items()]
    lines = [f"{own.name}: {own.kind} = {_literal(value)}" + (f"  # {own.help}" if own.help else "") for own, value in rows]
    return "\n".join(lines)


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _sources(raw: dict[str, Any]) -> str:
    """A hash of what a person writes: the cells' kinds and sources, in order."""
    told = [[cell["cell_type"], "".join(cell["source"])] for cell in raw["cells"]]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _placed(folder: Path, name: str, text: str) -> tuple[Path, str]:
    """Where the copy lies, and what to say of it: written, left as it was, or under a new name beside one with edits."""
    wanted = json.loads(text)["metadata"][MARK]["prepared"]
    for number in range(1, MOST_COPIES):
        path = folder / f"{name}{f'-{number}' if number > 1 else ''}.ipynb"
        edited, base = _state(path)
        if base == wanted:
            return path, f"{path.name}: your edits are kept." if edited else ""
        if not edited:
            with paths.whole(path) as fresh:
                fresh.write_text(text, encoding="utf-8")
            return path, f"{path.name} is new: what you edited is kept beside it." if number > 1 else ""
    return path, f"{path.name}: too many copies; remove some of them from {folder.name}."


def _state(path: Path) -> tuple[bool, str]:
    """Whether somebody has changed a copy, and the hash of what it was made from; what cannot be read counts as edited."""
    if not path.exists():
        return False, ""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        base = raw["metadata"][MARK]["prepared"]
        return _sources(raw) != base, base
    except (OSError, ValueError, KeyError, TypeError):
        return True, ""
