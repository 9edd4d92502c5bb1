"""Notebooks as files: reading them without Jupyter's libraries, and stripping what must not be committed."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from helpers import paths
from helpers.errors import InputError

TAGS = frozenset({"parameters", "setup", "detail", "explore", "nbval-check-output"})
CHECKED = "nbval-check-output"
FRONT = "weekly"
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Cell:
    """One cell: its id (also its anchor in the page), kind ("code", "markdown"), tags and source."""

    id: str
    kind: str
    tags: frozenset[str]
    source: str


@dataclass(frozen=True)
class Notebook:
    """One notebook of the project; `name` is the file's name without its ending."""

    path: Path
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        return self.path.stem

    @cached_property
    def title(self) -> str:
        """Its first top heading, else its name."""
        for cell in self.cells:
            found = re.search(r"^# +(.+)$", cell.source, re.M) if cell.kind == "markdown" else None
            if found:
                return found[1].strip()
        return self.name

    @property
    def code(self) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells if cell.kind == "code")

    def heading_of(self, cell_id: str) -> str:
        """The last markdown heading at or before a cell, "" when there is none."""
        last = ""
        for cell in self.cells:
            if cell.kind == "markdown":
                headings = re.findall(r"^#+ +(.+)$", cell.source, re.M)
                last = headings[-1].strip() if headings else last
            if cell.id == cell_id:
                break
        return last


def read(path: Path) -> Notebook:
    """A notebook's cells.

    Raises:
        InputError: Not a notebook of format 4; says what to do.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        cells = tuple(
            Cell(
                id=cell.get("id", f"cell-{number}"),
                kind=cell["cell_type"],
                tags=frozenset(cell.get("metadata", {}).get("tags", ())),
                source="".join(cell["source"]),
            )
            for number, cell in enumerate(raw["cells"], start=1)
        )
    except (ValueError, KeyError, TypeError) as fault:
        raise InputError(
            f"{path.name}: cannot be read as a notebook ({fault}). Open it in JupyterLab (`make lab`) and save it."
        ) from None
    return Notebook(path, cells)


def read_all(folder: Path) -> list[Notebook]:
    """The project's notebooks: the numbered ones in order, the front page last."""
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder of notebooks.")
    found = [path for path in folder.glob("*.ipynb") if not path.name.startswith(".")]
    return [read(path) for path in sorted(found, key=lambda path: (path.stem == FRONT, path.stem))]


def tidied(text: str) -> str:
    """A notebook's text as it is committed: no outputs but those of check cells, no counters, no machine's traces."""
    raw = json.loads(text)
    cells, count = [], 0
    for cell in raw["cells"]:
        tags = sorted(cell.get("metadata", {}).get("tags", ()))
        kept = {"cell_type": cell["cell_type"], "id": cell.get("id") or secrets.token_hex(4)}
        kept["metadata"] = {"tags": tags} if tags else {}
        if cell["cell_type"] == "code":
            count += 1
            checked = CHECKED in tags
            kept["execution_count"] = count if checked else None
            kept["outputs"] = [_plain(output, count) for output in cell["outputs"]] if checked else []
        kept["source"] = "".join(cell["source"]).rstrip().splitlines(keepends=True)
        cells.append(kept)
    metadata = {"kernelspec": _KERNEL, "language_info": {"name": "python"}}
    tidy = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(tidy, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _plain(output: dict, count: int) -> dict:
    """A check cell's output reduced to its text, which is what nbval compares."""
    kept = {"output_type": output["output_type"]}
    if "data" in output:
        kept |= {"data": {"text/plain": output["data"].get("text/plain", "")}, "metadata": {}}
    if output["output_type"] == "execute_result":
        kept["execution_count"] = count
    if output["output_type"] == "stream":
        kept |= {"name": output["name"], "text": output["text"]}
    return kept


def tidy(folder: Path) -> list[Path]:
    """Tidy every notebook of a folder in place; returns those that it changed."""
    changed = []
    for path in sorted(folder.glob("*.ipynb")):
        before = path.read_text(encoding="utf-8")
        after = tidied(before)
        if after != before:
            with paths.whole(path) as fresh:
                fresh.write_text(after, encoding="utf-8")
            changed.append(path)
    return changed
