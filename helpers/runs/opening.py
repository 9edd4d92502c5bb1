"""Opening a dataset as of the end of a week; what a notebook does first, and the runner too."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import paths
from helpers.runs import weeks
from helpers.runs.store import SOURCES_VARIABLE, Run

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset


def open_run(dataset: str = "sample", week: str = weeks.LATEST, *, root: str | Path | None = None) -> Run:
    """Open a dataset as of the end of a week; the setup cell of every notebook.

    Args:
        dataset: A name under data/, or the path of a folder that holds a dataset.toml.
        week: An ISO week such as "2026-W10", or "latest": the last week that the data complete.
        root: Where the source files lie; by default where the last report found them.

    Raises:
        InputError: Something in dataset.toml, rules.toml, the files or the week is wrong; nothing has been written.
    """
    from helpers.runs import live, ruling
    from helpers.sources import dataset as datasets
    from helpers.sources import profile

    if root is None and not os.environ.get(SOURCES_VARIABLE):
        root = remembered_root(Path(dataset).name)
    loaded = datasets.load(dataset, root)
    ruling.check(loaded)
    prepare(loaded)
    held = profile.profile(loaded)
    loaded = loaded.without(held.absent)
    configure_gate(loaded)
    run = make_run(loaded, weeks.resolve(week, held.first_day, held.data_until), held.data_until)
    live.check(run)
    return run


def make_run(dataset: Dataset, week: weeks.Week, data_until: date | None) -> Run:
    """The run of a resolved week."""
    from helpers.sources import dataset as datasets

    return Run(
        dataset=dataset,
        week=week.label,
        as_of=week.as_of(dataset.zone),
        first_day=week.monday,
        last_day=week.sunday,
        data_until=data_until,
        complete=week.is_complete(data_until),
        rules=datasets.rules(dataset),
        experiments=datasets.experiments(dataset),
    )


def configure_gate(dataset: Dataset) -> None:
    """Tell the gate of `show` what this dataset allows to be seen."""
    from helpers.show import gate

    gate.configure(dataset.privacy.min_group, dataset.language, dataset.currency, dataset.people)


def prepare(dataset: Dataset) -> None:
    """Make the files of the built-in community when they are not there yet."""
    if dataset.simulate is not None:
        from helpers.sources import sample

        sample.ensure(dataset.root, seed=dataset.simulate.seed, null=dataset.simulate.null)


def remember_root(dataset: Dataset) -> None:
    """Keep where the dataset and its sources were found, so that JupyterLab and later runs find them again."""
    path = paths.built(dataset.name) / "root.json"
    text = json.dumps({"root": str(dataset.root), "folder": str(dataset.folder)}) + "\n"
    if dataset.simulate is None and (not path.exists() or path.read_text(encoding="utf-8") != text):
        with paths.whole(path) as fresh:
            fresh.write_text(text, encoding="utf-8")


def remembered_root(name: str) -> str | None:
    """Where the sources were found last, if they are still there."""
    return _remembered(name, "root")


def remembered_folder(name: str) -> str | None:
    """Where dataset.toml was found last, if that folder is still there."""
    return _remembered(name, "folder")


def _remembered(name: str, what: str) -> str | None:
    try:
        place = json.loads((paths.built(name) / "root.json").read_text(encoding="utf-8"))[what]
    except (OSError, ValueError, KeyError):
        return None
    return place if Path(place).is_dir() else None
