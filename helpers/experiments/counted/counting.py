"""The cube from the people of experiments: every moment of every metric, arm and cut by ONE grouping-sets query.

Sums of whole numbers are exact. Others are taken from a point near the middle where they lie far from 0, and up to two million
people they are first rounded to a grid, a power of two so fine that no sum is rounded any more (by adding and taking away a large
number, the splitting of Dekker 1971): so the cube is the same in any order of the rows and on any engine. Beyond that number of
people sums are those of floats, which agree to some 12 digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import ibis
import numpy as np
import pandas as pd

from helpers.experiments.counted.cube import ALL, DAY, PEOPLE, Cell, Cube
from helpers.experiments.counted.moments import EPSILON, EXACT, Moments
from helpers.experiments.counted.valued import Asked, Gathered

NAME = "experiments_valued"
MOST_EXACT = 2_000_000  # people
GUESSED = 20_000  # rows
MOST_CELLS = 2_000  # of cuts that are counted together
FAR = 4.0  # half widths of the range: a middle that lies farther from 0 is taken off


class Scale(NamedTuple):
    """Of a column: what is taken off, whether all are whole numbers, how many are empty; of what is left the sums of the sizes
    and of the squares, about, where it is to be rounded to a grid, else 0.
    """

    shift: float
    is_whole: bool
    empty: int
    sizes: float = 0.0
    squares: float = 0.0


class Term(NamedTuple):
    """Something that is added up: a column (`second` empty), or the product of two, over the rows where all `of` have a value."""

    of: tuple[str, ...]
    first: str = ""
    second: str = ""


EVERYBODY = Term(())


def count(gathered: Gathered) -> Cube:
    """The cube of these people: everybody, by day of exposure and by the slices of each experiment.

    Args:
        gathered: As `valued.gather` gives it.
    """
    columns = sorted({column for own in gathered.asked for column in own.columns.values()})
    scales = scaled(gathered.table, columns)
    dated = [DAY] if gathered.table[DAY].type().is_date() else []
    cuts = dated + sorted({cut for own in gathered.cuts.values() for cut in own})
    counted = summed(gathered, cuts, scales)
    return Cube(_cells(counted, gathered, cuts, scales))


def scaled(table: ibis.Table, columns: Sequence[str]) -> dict[str, Scale]:
    """How each column is to be added."""
    numbers = [column for column in columns if not table[column].type().is_boolean()]
    asked = {"n": table.count(), **{f"there_{column}": table[column].count() for column in columns}}
    asked |= {f"low_{column}": table[column].min() for column in numbers}
    asked |= {f"high_{column}": table[column].max() for column in numbers}
    ends = table.aggregate(**asked).to_pandas().iloc[0]
    n = int(ends["n"])
    found = {column: Scale(0.0, True, n - int(ends[f"there_{column}"])) for column in columns}
    for column in numbers:
        low, high = (0.0 if pd.isna(ends[f"{end}_{column}"]) else float(ends[f"{end}_{column}"]) for end in ("low", "high"))
        middle, half = low / 2 + high / 2, high / 2 - low / 2
        shift = middle if abs(middle) > FAR * half else 0.0
        largest = max(abs(low), abs(high), 1.0)
        is_whole = table[column].type().is_integer() and not shift and n * largest**2 < EXACT
        found[column] = found[column]._replace(shift=shift, is_whole=is_whole)
    return _with_sizes(table, found) if n <= MOST_EXACT else found


def _with_sizes(table: ibis.Table, scales: dict[str, Scale]) -> dict[str, Scale]:
    if all(scale.is_whole for scale in scales.values()):
        return scales
    asked = {}
    for column in scales:
        value = _from(table, column, scales, is_whole=False)
        asked |= {f"sizes_{column}": value.abs().sum(), f"squares_{column}": (value * value).sum()}
    sums = table.aggregate(**asked).to_pandas().fillna(0.0).iloc[0]
    told = {column: {name: float(sums.get(f"{name}_{column}", 0.0)) for name in ("sizes", "squares")} for column in scales}
    return {column: scale._replace(**told[column]) for column, scale in scales.items()}


def _terms(asked: Sequence[Asked]) -> list[Term]:
    """Each once, however many experiments ask for it: numbers of rows, sums, and products of any two columns of a metric."""
    found: dict[Term, None] = {}
    for columns in dict.fromkeys(tuple(own.columns.values()) for own in asked):
        found[Term(columns)] = None
        for at, first in enumerate(columns):
            found[Term(columns, first)] = None
            found |= dict.fromkeys(Term(columns, *sorted((first, second))) for second in columns[: at + 1])
    return list(found)


def summed(gathered: Gathered, cuts: Sequence[str], scales: dict[str, Scale]) -> pd.DataFrame:
    """All terms by experiment and arm, and by one or more cuts together: of a row, the cuts that it is not of are empty."""
    table, alone = gathered.table, list(gathered.cuts) if len(gathered.cuts) == 1 else []
    terms = _terms(gathered.asked)
    plain = {term: _plain(term, scales, table) for term in terms}
    distinct = [term for term in dict.fromkeys(plain.values()) if term != EVERYBODY]
    made = {f"t{at}": _term(table, term, scales) if term.first else _there(table, term.of) for at, term in enumerate(distinct)}
    sets = packed(table, cuts)
    cut = {cut: table[cut].fill_null("") if cut != DAY else table[cut] for cut in cuts}
    keys = ["variant"] if alone else ["experiment", "variant"]  # a key of one value costs a tenth of the time
    made = table.select(*keys, **cut, **made)
    if len(sets) == 1:
        added = {f"t{at}": made[f"t{at}"].sum().cast("float64") for at in range(len(distinct))}
        found = made.group_by([*keys, *cuts]).agg(people=made.count(), **added).to_pandas()
    else:
        sums = "".join(f", CAST(SUM(t{at}) AS DOUBLE) AS t{at}" for at in range(len(distinct)))
        by = ", ".join("(" + ", ".join([*keys, *map(_quoted, own)]) + ")" for own in sets)
        named = ", ".join([*keys, *map(_quoted, cuts)])
        query = f"SELECT {named}, COUNT(*) AS people{sums} FROM {NAME} GROUP BY GROUPING SETS ({by})"
        found = made.alias(NAME).sql(query, dialect="duckdb").to_pandas()
    found = found.assign(experiment=alone[0]) if alone else found
    told = {term: found["people" if own == EVERYBODY else f"t{distinct.index(own)}"] for term, own in plain.items()}
    return pd.concat([found[["experiment", "variant", *cuts, "people"]], pd.DataFrame(told)], axis=1)


def packed(table: ibis.Table, cuts: Sequence[str]) -> list[list[str]]:
    """The grouping sets: cuts with few levels go together, as sums of their cells are those of each; one set costs a pass.

    How many levels there are is only guessed, from a few rows: another guess changes no sum.
    """
    if not cuts:
        return [[]]
    few = table.limit(GUESSED).aggregate(**{cut: table[cut].nunique() for cut in cuts}).to_pandas().iloc[0]
    sets: list[tuple[int, list[str]]] = []
    for cut in sorted(cuts, key=lambda cut: (-few[cut], cut)):
        levels = int(few[cut]) + 1
        at = next((at for at, (size, _) in enumerate(sets) if size * levels <= MOST_CELLS), None)
        if at is None:
            sets.append((levels, [cut]))
        else:
            sets[at] = (sets[at][0] * levels, [*sets[at][1], cut])
    return [own for _, own in sets]


def _plain(term: Term, scales: dict[str, Scale], table: ibis.Table) -> Term:
    """The same sum in the fewest words, so that it is made once: without columns in its mask that are never empty."""
    of = tuple(sorted({column for column in term.of if scales[column].empty}))
    is_square_of_yes = term.first == term.second and bool(term.first) and table[term.first].type().is_boolean()
    return Term(of, term.first, "" if is_square_of_yes else term.second)


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _there(table: ibis.Table, columns: Sequence[str]) -> ibis.Value:
    found = ibis.literal(True)
    for column in columns:
        found = found & table[column].notnull()
    return found.cast("int64")


def _term(table: ibis.Table, term: Term, scales: dict[str, Scale]) -> ibis.Value:
    """What is added of each row; empty where it does not count."""
    chosen = [column for column in (term.first, term.second) if column]
    is_whole = all(scales[column].is_whole for column in chosen)
    value = _from(table, chosen[0], scales, is_whole)
    total = scales[term.first].sizes
    if term.second:
        value = value * _from(table, term.second, scales, is_whole)
        total = math.sqrt(scales[term.first].squares * scales[term.second].squares)  # no sum of their products is larger
    others = [column for column in term.of if column not in chosen]
    if others:
        value = ibis.ifelse(_there(table, others) == 1, value, ibis.null(value.type()))
    return value if is_whole else on_grid(value, total)


def _from(table: ibis.Table, column: str, scales: dict[str, Scale], is_whole: bool) -> ibis.Value:
    """The column from its shift."""
    value = table[column].cast("int64") if is_whole or table[column].type().is_boolean() else table[column]
    value = value if is_whole else value.cast("float64")
    return value - scales[column].shift if scales[column].shift else value


def on_grid(value: ibis.Value, total: float) -> ibis.Value:
    """The value rounded so that adding is exact, however many there are.

    Args:
        total: Of the sizes, about; 0 where nothing is to be rounded.
    """
    splitter = 1.5 * 2.0 ** (math.frexp(total)[1] + 1)  # twice as much, as the total is only about that
    return (value + splitter) - splitter if total else value


def _cells(counted: pd.DataFrame, gathered: Gathered, cuts: Sequence[str], scales: dict[str, Scale]) -> dict:
    """Each cut by itself, from the sets in which it is; everybody from the first set."""
    cells, numbers = {}, [name for name in counted.columns if name not in ("experiment", "variant", *cuts)]
    given = counted[cuts].notna()
    for cut in [ALL, *cuts]:
        own = counted[given[cut]] if cut != ALL else counted[_first_set(given)]
        by = ["experiment", "variant", *([cut] if cut != ALL else [])]
        own = own.groupby(by, sort=True)[numbers].sum().reset_index()
        level = own.pop(cut) if cut != ALL else ALL
        own["level"] = level.dt.strftime("%Y-%m-%d") if cut == DAY else level
        wanted = {experiment for experiment, asked in gathered.cuts.items() if cut in (ALL, DAY) or cut in asked}
        own = own[own["experiment"].isin(wanted)]
        named = zip(own["experiment"], own["level"], own["variant"], own["people"], strict=True)
        cells |= {(name, PEOPLE, cut, level, arm): Cell(_people(int(people))) for name, level, arm, people in named}
        for asked in gathered.asked:
            cells |= _of_metric(own[own["experiment"] == asked.experiment], asked, cut, scales)
    return cells


def _first_set(given: pd.DataFrame) -> pd.Series:
    """The rows of one grouping set, whichever comes first: each has everybody once."""
    masks = given.to_numpy() @ (2 ** np.arange(given.shape[1]))
    return pd.Series(masks == masks.max(initial=0), index=given.index)


def _people(n: int) -> Moments:
    return Moments((), n, np.zeros(0), np.zeros((0, 0)))


def _of_metric(own: pd.DataFrame, asked: Asked, cut: str, scales: dict[str, Scale]) -> dict:
    """The cells of one metric, with its moments from the sums."""
    names, columns = tuple(asked.columns), tuple(asked.columns.values())
    n = own[Term(columns)].to_numpy(dtype=float)
    sums = np.array([own[Term(columns, column)].fillna(0) for column in columns], dtype=np.longdouble).reshape(len(names), -1)
    shifts = np.array([scales[column].shift for column in columns])
    safe = np.maximum(n, 1.0)
    mean = (shifts[:, None] + sums / safe).astype(float)
    cross = np.zeros((len(names), len(names), len(own)))
    for a, first in enumerate(columns):
        for b, second in enumerate(columns[: a + 1]):
            product = own[Term(columns, *sorted((first, second)))].fillna(0).to_numpy(dtype=np.longdouble)
            left = product - sums[a] * sums[b] / safe
            if a == b:
                left = np.where(left <= n * EPSILON * product, 0.0, left)
            cross[a, b] = cross[b, a] = left.astype(float)
    flat = np.einsum("aai->ai", cross) == 0
    cross[np.broadcast_to(flat[:, None, :], cross.shape) | np.broadcast_to(flat[None, :, :], cross.shape)] = 0.0
    people = own["people"].to_numpy()
    found = {}
    for at, (level, variant) in enumerate(zip(own["level"], own["variant"], strict=True)):
        counted = int(n[at])
        moments = Moments(names, counted, mean[:, at], cross[:, :, at]) if counted else Moments.empty(names)
        found[(asked.experiment, asked.metric, cut, str(level), variant)] = Cell(moments, int(people[at]) - counted)
    return found
