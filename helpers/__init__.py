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

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.runs.opening import open_run as open_run

__all__ = ["open_run"]


def __getattr__(name: str):
    """Public names are fetched on first use, so that `import helpers` costs nothing."""
    if name in __all__:
        from helpers.runs import opening

        return getattr(opening, name)
    raise AttributeError(f"module 'helpers' has no attribute '{name}'")
