"""The cube of an experiment's moments: small, additive, and all that statistics are computed on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers import contracts
from helpers.experiments.counted.moments import Moments
from helpers.experiments.plan import EXPERIMENT, VARIANT

ALL = "all"  # the cut that is everybody, and its only level
DAY = "day"  # the cut by local day of the first exposure, as 2026-03-08
AGE = "age"  # the cut by local day since the exposure: what came on that day, of people who have all the days
UNTIL = "until"  # the same, but what came up to that day
VALUE, PER, UNCAPPED, SLOPE = "value", "per", "uncapped", "slope"  # what a metric is made of
PEOPLE = ""  # the name under which people are counted, whatever their values

MOMENTS = contracts.declare(
    "experiment_moments",
    grain="one row per experiment, metric, arm, cut, level, and pair of quantities",
    key=["experiment", "metric", "variant", "cut", "level", "first", "second"],
    small=True,
    nullable=("number",),
    columns={
        "experiment": EXPERIMENT,
        "metric": ("string", "", "name of the metric; empty: people, whatever their values"),
        "variant": VARIANT,
        "cut": ("string", "", '"all", "day" (of exposure), a slice, "age" and "until" (days since exposure)'),
        "level": ("string", "", "the day, the slice's value, the number of days"),
        "first": ("string", "", 'quantity; empty: the number of people; "missing": of people without a value'),
        "second": ("string", "", "the other quantity; empty: the mean of the first"),
        "number": ("float64", "", "people, a mean (empty: of nobody), or the sum of the products of two deviations from means"),
    },
)
MISSING = "missing"


@dataclass(frozen=True)
class Cell:
    """One arm in one level of one cut: the moments of people with a value, and how many have none."""

    moments: Moments
    missing: int = 0

    def __add__(self, other: Cell) -> Cell:
        return Cell(self.moments + other.moments, self.missing + other.missing)


Key = tuple[str, str, str, str, str]  # experiment, metric, cut, level, variant


@dataclass(frozen=True)
class Cube:
    """Cells by experiment, metric, cut, level and arm. An arm without people has a cell of nobody."""

    cells: Mapping[Key, Cell] = field(default_factory=dict)

    def arms(self, experiment: str, metric: str = PEOPLE, cut: str = ALL, level: str = ALL) -> dict[str, Cell]:
        """The cells of the arms by name; none where the cube has no such metric, cut or level."""
        return dict(sorted(self._index.get((experiment, metric, cut, level), {}).items()))

    def levels(self, experiment: str, metric: str = PEOPLE, cut: str = ALL) -> list[str]:
        """In ascending order; ages as numbers."""
        found = self._levels.get((experiment, metric, cut), set())
        return sorted(found, key=(lambda level: (len(level), level)) if cut in (AGE, UNTIL) else None)

    def cuts(self, experiment: str, metric: str = PEOPLE) -> list[str]:
        """All cuts that the cube has of a metric."""
        return sorted({cut for own, name, cut in self._levels if (own, name) == (experiment, metric)})

    def until(self, experiment: str, metric: str, day: str) -> dict[str, Cell]:
        """The arms of those exposed up to a day, that day included, added up."""
        return self.summed(experiment, metric, DAY, [own for own in self.levels(experiment, metric, DAY) if own <= day])

    def summed(self, experiment: str, metric: str, cut: str, levels: Iterable[str]) -> dict[str, Cell]:
        """The arms of these levels together."""
        found: dict[str, Cell] = {}
        for level in levels:
            for variant, cell in self.arms(experiment, metric, cut, level).items():
                found[variant] = found[variant] + cell if variant in found else cell
        return found

    def people(self, experiment: str, cut: str = ALL, level: str = ALL) -> dict[str, int]:
        """People of each arm, whatever their values."""
        return {variant: cell.moments.n for variant, cell in self.arms(experiment, PEOPLE, cut, level).items()}

    def of(self, experiment: str) -> Cube:
        """The cells of one experiment."""
        return Cube({key: cell for key, cell in self.cells.items() if key[0] == experiment})

    def frame(self) -> pd.DataFrame:
        """As a table (contract `experiment_moments`)."""
        rows = [row for key, cell in sorted(self.cells.items()) for row in _rows(key, cell)]
        made = pd.DataFrame(rows, columns=list(MOMENTS.columns))
        return made.astype({name: "str" for name in made.columns if name != "number"} | {"number": "float64"})

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> Cube:
        """From a table (contract `experiment_moments`)."""
        keys = ["experiment", "metric", "cut", "level", "variant"]
        groups = frame.groupby(keys, sort=False) if len(frame) else ()
        return cls({key: _cell(own) for key, own in groups})

    @property
    def _index(self) -> dict[tuple[str, str, str, str], dict[str, Cell]]:
        return self._cached()[0]

    @property
    def _levels(self) -> dict[tuple[str, str, str], set[str]]:
        return self._cached()[1]

    def _cached(self):
        if "_both" not in self.__dict__:
            index: dict = {}
            levels: dict = {}
            for (experiment, metric, cut, level, variant), cell in self.cells.items():
                index.setdefault((experiment, metric, cut, level), {})[variant] = cell
                levels.setdefault((experiment, metric, cut), set()).add(level)
            object.__setattr__(self, "_both", (index, levels))
        return self.__dict__["_both"]


def _rows(key: Key, cell: Cell) -> Iterator[tuple]:
    experiment, metric, cut, level, variant = key
    at, moments = (experiment, metric, variant, cut, level), cell.moments
    yield (*at, "", "", float(moments.n))
    yield (*at, MISSING, "", float(cell.missing))
    if not moments.n:
        yield from ((*at, name, "", np.nan) for name in moments.names)
        return
    for a, name in enumerate(moments.names):
        yield (*at, name, "", float(moments.mean[a]))
        for b in range(a + 1):
            yield (*at, name, moments.names[b], float(moments.cross[a, b]))


def _cell(own: pd.DataFrame) -> Cell:
    n, missing, means, products = 0, 0, {}, []
    for first, second, number in zip(own["first"], own["second"], own["number"], strict=True):
        if not first:
            n = int(number)
        elif first == MISSING and not second:
            missing = int(number)
        elif not second:
            means[first] = number
        else:
            products.append((first, second, number))
    names = tuple(means)
    if not n:
        return Cell(Moments.empty(names), missing)
    at = {name: place for place, name in enumerate(names)}
    cross = np.zeros((len(names), len(names)))
    for first, second, number in products:
        cross[at[first], at[second]] = cross[at[second], at[first]] = number
    return Cell(Moments(names, n, np.array([means[name] for name in names]), cross), missing)
