"""The last week beside its base, slice by slice: what people were and did in both, and what these numbers can be off by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.retention.change.slices_by_week import CORNERS, TENURE, TOTALS

SHARE = "week1_retention"
METRICS = {"weekly_actives": TOTALS["weekly_actives"], SHARE: ("joined", "returned"), "net_amount": TOTALS["net_amount"]}


class Compared(NamedTuple):
    """Two spans of one dimension: `slices`; `four` numbers of each (people and amount of the base, people and amount now); what
    these can be off by (`moments`, their covariances, 4 x 4); `weeks` of the base.
    """

    slices: list[str]
    four: np.ndarray
    moments: np.ndarray
    weeks: int


def told(weeks: pd.DataFrame, *, paid: bool) -> list[str]:
    """The numbers that can be told: no amount where there are no payments, and nothing where there was nobody."""
    return [] if weeks.empty else [name for name in METRICS if paid or name != "net_amount"]


def panels(weeks: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """People and amounts of each week (rows) and slice (columns of dimension and slice).

    Of retention a week has the cohort of the week before, which has just closed; the data's first cohort is unknown (NaN).
    """
    given = weeks[weeks["dimension"] != TENURE] if metric == SHARE else weeks
    size, amount = METRICS[metric]
    panels = [
        given.assign(**{name: given[name].astype(float)}).pivot(index="week", columns=["dimension", "slice"], values=name)
        for name in (size, amount)
    ]
    if metric == SHARE:
        panels = [panels[0].shift(1), panels[1]]
        for panel in panels:
            panel.iloc[:2] = np.nan
    begun = panels[0].fillna(0).cummax() > 0
    return panels[0].where(begun), panels[1].where(begun)


def compared(
    people: pd.DataFrame, amounts: pd.DataFrame, weeks: pd.DataFrame, steps: pd.DataFrame, what: tuple[str, str, int]
) -> Iterator[tuple[str, Compared]]:
    """Each dimension with its two spans; nothing where one of them is unknown.

    Args:
        people, amounts: As `panels` gives them.
        weeks, steps: As for `changes`.
        what: The metric, the base, and how many weeks before that is a mean of at most.
    """
    metric, base, most = what
    known = people.iloc[-1 - most : -1].dropna(how="all").index
    if not len(known) or people.iloc[-1].isna().all():
        return
    now = [panel.iloc[-1].fillna(0) for panel in (people, amounts)]
    past = [panel.loc[known].fillna(0).mean() for panel in (people, amounts)]
    four_of = pd.concat([past[0], past[1], now[0], now[1]], axis=1)
    for dimension in people.columns.unique("dimension"):
        four, slices = four_of.loc[dimension].to_numpy(), list(four_of.loc[dimension].index)
        if metric == SHARE:
            moments = _binomial(four, len(known))
        elif dimension == TENURE:
            moments = _independent(weeks, slices, known, metric)
        else:
            moments = _paired(steps, dimension, slices, (metric, base, len(known)))
        yield dimension, Compared(slices, four, moments, len(known))


def _binomial(four: np.ndarray, weeks: int) -> np.ndarray:
    """Of cohorts, whose shares vary as if there were two more people of either kind (Agresti and Coull 1998): none is sure."""
    people, amount = four[:, [0, 2]] * (weeks, 1), four[:, [1, 3]] * (weeks, 1)
    share, likely = amount / np.maximum(people, 1), (amount + 2) / (people + 4)
    return _blocks(people, amount, people * (share**2 + likely * (1 - likely)), weeks)


def _independent(weeks: pd.DataFrame, slices: list[str], known: pd.Index, metric: str) -> np.ndarray:
    """Of people who move between slices: each week by itself."""
    own = weeks[weeks["dimension"] == TENURE].set_index("week")
    names = [*METRICS[metric], "net_squares" if metric == "net_amount" else "active"]
    table = own[["slice", *names]].astype(dict.fromkeys(names, float))
    spans = (known, [own.index.max()])
    past, now = (table.loc[span].groupby("slice")[names].sum().reindex(slices, fill_value=0.0) for span in spans)
    return _blocks(*(np.column_stack([past[name], now[name]]) for name in names), len(known))


def _blocks(people: np.ndarray, both: np.ndarray, amount: np.ndarray, weeks: int) -> np.ndarray:
    """Covariances of spans that know nothing of each other, from sums of squares and products; the base is a mean of weeks."""
    found = np.zeros((len(people), 4, 4))
    for span, scale in ((0, weeks**2), (1, 1)):
        at = 2 * span
        found[:, at, at], found[:, at + 1, at + 1] = people[:, span] / scale, amount[:, span] / scale
        found[:, at, at + 1] = found[:, at + 1, at] = both[:, span] / scale
    return found


def _paired(steps: pd.DataFrame, dimension: str, slices: list[str], what: tuple[str, str, int]) -> np.ndarray:
    """Of people who keep their slice: each person's base and now together."""
    metric, base, weeks = what
    own = steps[steps["dimension"] == dimension].set_index("slice").reindex(slices).fillna(0.0)
    scale, found = np.array([weeks, weeks, 1, 1]), np.zeros((len(slices), 4, 4))
    for one, other in CORNERS:
        product = own[f"{metric} {base} {one} {other}"].to_numpy(float) / (scale[one] * scale[other])
        found[:, one, other] = found[:, other, one] = product
    return found
