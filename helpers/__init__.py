"""Growth Rings: from the event log of a community or a shop to a weekly report.

A map of the house, from the ground up; each floor knows only those below it:

    sources/     what a dataset is (dataset.toml), reading it, the engine, the built-in community
    contracts    what each artefact promises: grain, key, columns
    cleaning, facts, portraits, segments, retention, experiments, weekly
                 the analyses: one noun a notebook; pure functions from tables to tables
    stats        intervals, tests, corrections
    runs/        weeks, parameters, the store of artefacts, the graph of notebooks, kernels, publishing
    show/        charts, tables, sentences, widgets, the page: everything a person sees passes its gate

A notebook begins with `run = helpers.open_run(dataset, week)`; the command line is `python -m helpers`.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.runs.opening import open_run as open_run

__all__ = ["open_run"]

ROOM_FOR_BYTECODE = 200_000_000  # bytes, of all libraries


def _write_bytecode_where_it_fits() -> None:
    """Python before 3.12.8 keeps bytecode that a full disk cut short, and no program starts from it again."""
    with suppress(ImportError, OSError, AttributeError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        found = os.statvfs(__file__)
        free = found.f_bavail * found.f_frsize
        if free < ROOM_FOR_BYTECODE or (limit != resource.RLIM_INFINITY and limit < ROOM_FOR_BYTECODE):
            sys.dont_write_bytecode = True
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # of the kernels too


_write_bytecode_where_it_fits()


def __getattr__(name: str):
    """Public names are fetched on first use, so that `import helpers` costs nothing."""
    if name in __all__:
        from helpers.runs import opening

        return getattr(opening, name)
    raise AttributeError(f"module 'helpers' has no attribute '{name}'")
