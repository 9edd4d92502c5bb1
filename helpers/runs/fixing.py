"""`fix-list`: what was set aside in the last report, for the person who can mend the source."""

from __future__ import annotations

from pathlib import Path

from helpers import paths
from helpers.errors import InputError
from helpers.runs import weeks


def write(name: str, week: str = weeks.LATEST, out: str | None = None) -> tuple[Path, int]:
    """Write the quarantine of a built week as a CSV; gives its path and the number of rows.

    Raises:
        InputError: That week was not built; names those that were.
    """
    import pyarrow.parquet

    from helpers.sources import dataset as datasets
    from helpers.sources import quarantine

    dataset = datasets.folder_of(name).name
    built = {path.parent.name: path for path in sorted(paths.built(dataset).glob("*/quarantine.parquet"))}
    chosen = max(built, default="") if week == weeks.LATEST else week
    if chosen not in built:
        there = f" Built are: {', '.join(built)}." if built else ""
        raise InputError(f"{dataset}, {week}: no report of that week was built.{there} Run: make report DATASET={dataset}")
    path = paths.at_home(out) if out else built[chosen].with_name("fix-list.csv")
    return path, quarantine.fix_list(pyarrow.parquet.read_table(built[chosen]), path)
