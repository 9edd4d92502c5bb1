"""The files of a week's artefacts: written whole or not at all, checked against their contracts, read again.

Each is `<name>.parquet` in the week's folder: a file; a folder of links to the files of the facts; or on Spark, with more than
a million rows, a folder of parts.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import paths
from helpers.runs import checks
from helpers.sources import engine

if TYPE_CHECKING:
    import ibis
    import pandas as pd

    from helpers.contracts import Contract
    from helpers.runs.appending import Stored
    from helpers.runs.store import Run


def load(run: Run, contract: Contract) -> ibis.Table | pd.DataFrame:
    """An artefact that is there: an ibis table, or a pandas frame where its contract says small."""
    path = place(run, contract.name)
    return read_small(path) if contract.small else engine.read(run.engine, path)


def place(run: Run, name: str) -> Path:
    return run.folder / f"{name}.parquet"


def read_small(path: Path) -> pd.DataFrame:
    """A small artefact as a pandas frame; days are datetime64, as everywhere in pandas."""
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path).to_pandas(date_as_object=False)


def write(run: Run, contract: Contract, table: ibis.Table | pd.DataFrame | Stored) -> None:
    """Check a table against its contract and write it.

    Raises:
        RunFailed: A breach of the contract: column, count, likely cause, remedy.
        EnvironmentFault: The disk is full or not writable.
    """
    paths.make_private(run.folder)
    path = place(run, contract.name)
    if hasattr(table, "before_last_day"):
        _link(run.engine, contract, table, path)
        return
    with paths.whole(path) as fresh:
        if hasattr(table, "iloc"):
            _write_frame(checks.to_arrow(contract, table), fresh)
        else:
            engine.write(run.engine, checks.conform(contract, table), fresh, sort=list(contract.key))
            checks.check_rows(contract, engine.read(run.engine, fresh))


def _link(backend, contract: Contract, stored: Stored, path: Path) -> None:
    """A folder of links to the files of the facts, which are checked as they are made."""
    with paths.whole_folder(path) as fresh:
        for first, last, piece in stored.pieces:
            if last < stored.last_day:
                link_piece(piece, fresh / f"{first}.parquet")
            else:
                own = fresh / f".{first}{paths.UNFINISHED}"
                engine.write(backend, stored.before_last_day(piece), own, sort=list(contract.key))
                link_piece(own, fresh / f"{first}.parquet")
                paths.remove(own)
        link_piece(stored.tail, fresh / f"{stored.last_day}.parquet")


def link_piece(piece: Path, target: Path) -> None:
    """The file of a piece under another name, or its files side by side under names that begin alike."""
    for file in engine.files(piece):
        link(file, target.with_suffix(f".{file.name}") if piece.is_dir() else target)


def link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the place knows no links."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def _write_frame(table, path: Path) -> None:
    import pyarrow.parquet

    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as stream:
        pyarrow.parquet.write_table(table, stream, compression="zstd")
