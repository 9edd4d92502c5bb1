"""Cubes of experiments made from rows in plain numpy, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.experiments.counted.cube import ALL, PEOPLE, VALUE, Cell, Cube
from helpers.experiments.counted.moments import Moments


def cube(
    rows: pd.DataFrame, metrics: Mapping[str, Sequence[str] | str], *, experiment: str = "tour", variant: str = "variant",
    cuts: Mapping[str, str] | None = None, arms: Sequence[str] | None = None,
) -> Cube:  # fmt: skip
    """A cube of one row a person.

    Args:
        rows: With the column `variant`, those of the cuts, and the quantities.
        metrics: By name: the column of the value, or a mapping of quantity ("value", "per", a covariate) to column.
        cuts: By name of the cut: its column ("day" as text); everybody is always there.
        arms: Arms that there shall be even if nobody is in them.
    """
    cells = {}
    everyone = rows.assign(**{"": ALL})
    for cut, column in {ALL: "", **(cuts or {})}.items():
        levels = sorted(everyone[column].astype(str).unique()) or [ALL]
        for level in levels:
            inside = everyone[everyone[column].astype(str) == level]
            for arm in arms or sorted(rows[variant].unique()):
                own = inside[inside[variant] == arm]
                cells[(experiment, PEOPLE, cut, level, arm)] = Cell(Moments((), len(own), np.zeros(0), np.zeros((0, 0))))
                for name, given in metrics.items():
                    columns = {VALUE: given} if isinstance(given, str) else dict(given)
                    values = own[list(columns.values())].to_numpy(dtype=float)
                    found = Moments.of_rows(values, tuple(columns))
                    cells[(experiment, name, cut, level, arm)] = Cell(found, len(own) - found.n)
    return Cube(cells)
