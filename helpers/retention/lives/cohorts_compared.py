"""Cohorts and slices compared: whether lives of different length can be chance, and by how many weeks they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import contracts, stats
from helpers.retention.lives.spells import COHORT
from helpers.retention.lives.survival import FEW, restricted_mean, survival

BEFORE = 13  # cohorts that the newest is compared with
MATURE = 4  # weeks of life that the newest must have been watched
MOST = 26  # weeks of life that are compared
ALPHA = 0.05
REST, EARLIER = "the rest", "earlier cohorts"
SURVIVAL, RETENTION = "survival", "retention"
COUNTS = ["at_risk", "ended", "censored"]

COHORTS_COMPARED = contracts.declare(
    "cohorts_compared",
    grain="one row per measure and pair compared",
    key=["measure", "dimension", "slice"],
    needs="events",
    small=True,
    nullable=("value", "other", "difference", "low", "high", "statistic", "p", "p_holm"),
    columns={
        "measure": ("string", "", '"survival": weeks of life of the first `weeks`; "retention": share active at age `weeks`'),
        "dimension": ("string", "", '"cohort", or the attribute that slices'),
        "slice": ("string", "", "the slice, or the Monday of the cohort"),
        "against": ("string", "", '"the rest" of the slices, or the "earlier cohorts", 13 at most'),
        "people": ("int64", "people", "people of the slice"),
        "others": ("int64", "people", "people whom it is compared with"),
        "smaller": ("int64", "people", "people of the smaller side"),
        "weeks": ("int64", "weeks", "weeks of life compared, or the age"),
        "value": ("float64", "weeks or share", "of the slice"),
        "other": ("float64", "weeks or share", "of the others"),
        "difference": ("float64", "weeks or share", "value less other"),
        "low": ("float64", "weeks or share", "lower end of its 95 % interval"),
        "high": ("float64", "weeks or share", "upper end of its 95 % interval"),
        "statistic": ("float64", "1", "chi-square of the log-rank test, empty for retention"),
        "p": ("float64", "", "of the log-rank test; of retention, of the score test"),
        "p_holm": ("float64", "1", "p corrected by Holm for all rows"),
        "verdict": ("string", "", "more, less, unclear, or few: under 30 people on a side"),
    },
)


class LogRank(NamedTuple):
    """Chi-square with one degree of freedom, and p; NaN where nobody can differ."""

    statistic: float
    p: float


def log_rank(first: pd.DataFrame, second: pd.DataFrame) -> LogRank:
    """Mantel's log-rank test (1966) of two tables of lives with the same weeks, ties counted by the hypergeometric variance."""
    both = first.merge(second, on="week", suffixes=("", "_second"))
    n, n_second = (both[name].to_numpy(dtype=float) for name in ("at_risk", "at_risk_second"))
    d, d_second = (both[name].to_numpy(dtype=float) for name in ("ended", "ended_second"))
    people, ended = n + n_second, d + d_second
    share = np.divide(n_second, people, out=np.zeros_like(people), where=people > 0)
    spread = np.divide(people - ended, people - 1, out=np.zeros_like(people), where=people > 1)
    surplus, variance = (d_second - ended * share).sum(), (ended * share * (1 - share) * spread).sum()
    if not variance > 0:
        return LogRank(float("nan"), float("nan"))
    statistic = float(surplus**2 / variance)
    return LogRank(statistic, float(distributions.chi2.sf(statistic, 1)))


def cohorts_compared(
    spells: pd.DataFrame, cohorts: pd.DataFrame, *, rule: str, dimensions: Sequence[str] = (), age: int = 1
) -> pd.DataFrame:
    """The newest cohort against the 13 before it, and each slice against the rest (contract `cohorts_compared`).

    Lives are compared up to the last week of life in which both sides have 30 people at risk, 26 at most: the log-rank test
    for p, the difference of the restricted means for the size. The newest cohort is the last that has been watched for 4
    weeks of life, and is compared as far as it has been watched whole. Retention at an age needs no such wait: there the
    newest cohort is the last whose week has closed. A difference is called one only if its interval leaves out 0 and p is
    below 5 % when corrected by Holm (1979) for all rows.

    Args:
        spells: Contract `spells`.
        cohorts: The cohort table of all, as `cohorts` gives it.
        rule: What a loss is, "own" or "fixed".
        dimensions: Attributes whose slices are compared with the rest.
        age: Whole weeks after the first, of the retention compared.
    """
    own = spells[spells["rule"] == rule]
    rows = [_newest_retention(cohorts, age), _newest_survival(own)]
    for dimension in dimensions:
        slices = own[own["dimension"] == dimension]
        rows += [_against_rest(slices, name) for name in sorted(slices["slice"].unique())]
    found = pd.DataFrame([row for row in rows if row], columns=list(COHORTS_COMPARED.columns))
    numbers = [name for name, spec in COHORTS_COMPARED.columns.items() if spec.dtype == "float64"]
    found = found.astype(dict.fromkeys(numbers, "float64"))
    found["p_holm"] = stats.holm(found["p"])
    return found.assign(verdict=_verdicts(found))


def _verdicts(found: pd.DataFrame) -> np.ndarray:
    is_sure = found["p_holm"] < ALPHA
    more, less = is_sure & (found["low"] > 0), is_sure & (found["high"] < 0)
    return np.select([found["smaller"] < FEW, more, less], ["few", "more", "less"], "unclear").astype(object)


def _newest_retention(cohorts: pd.DataFrame, age: int) -> dict | None:
    """The newest cohort whose week of that age has closed, against those before it; the data's first is none of them."""
    closed = cohorts[(cohorts["age"] == age) & cohorts["closes"].isna() & ~cohorts["first"]].sort_values("cohort")
    if len(closed) < 2:
        return None
    newest, before = closed.iloc[-1], closed.iloc[-1 - BEFORE : -1]
    people, others = int(newest["size"]), int(before["size"].sum())
    row = _row(RETENTION, COHORT, str(pd.Timestamp(newest["cohort"]).date()), EARLIER, (people, others), age)
    if row["smaller"] < FEW:
        return row
    k, k_before = int(newest["active"]), int(before["active"].sum())
    found = stats.compare_shares(k_before, others, k, people)
    return row | {"value": k / people, "other": k_before / others, "difference": found.estimate, "low": found.low,
                  "high": found.high, "p": found.p}  # fmt: skip


def _newest_survival(spells: pd.DataFrame) -> dict | None:
    """The newest cohort that has been watched for long enough, against those before it."""
    cohorts = spells[spells["dimension"] == COHORT]
    watched = _whole_weeks(cohorts)
    mature = sorted(watched.index[watched >= MATURE])
    if len(mature) < 2:
        return None
    before = cohorts[cohorts["slice"].isin(mature[-1 - BEFORE : -1])]
    newest = cohorts[cohorts["slice"] == mature[-1]]
    return _lives(COHORT, mature[-1], EARLIER, newest, _pooled(before), min(int(watched[mature[-1]]), MOST))


def _against_rest(slices: pd.DataFrame, name: str) -> dict | None:
    """A slice against all others of its dimension; nothing where there is no other, or nobody of it is watched."""
    one, rest = slices[slices["slice"] == name], _pooled(slices[slices["slice"] != name])
    if rest.empty or one["week"].max() == 0:
        return None
    reach = [table.loc[table["at_risk"] >= FEW, "week"].max() for table in (one, rest)]
    return _lives(slices["dimension"].iloc[0], name, REST, one, rest, int(min(*np.nan_to_num(reach), MOST)))


def _pooled(tables: pd.DataFrame) -> pd.DataFrame:
    return tables.groupby("week", as_index=False)[COUNTS].sum()


def _whole_weeks(cohorts: pd.DataFrame) -> pd.Series:
    """By cohort the last week of life up to which nearly all (19 in 20) in it at first are watched or have ended."""
    watched = cohorts[cohorts["week"] > 0].sort_values("week")
    of_cohort = watched.groupby("slice")
    gone = of_cohort["censored"].cumsum() - watched["censored"]
    return watched.loc[gone * 20 <= of_cohort["at_risk"].transform("first"), ["slice", "week"]].groupby("slice")["week"].max()


def _lives(dimension: str, name: str, against: str, one: pd.DataFrame, others: pd.DataFrame, until: int) -> dict:
    """The row of one table of lives against another, up to a week of life."""
    sizes = [int(table.loc[table["week"] == 1, "at_risk"].sum()) for table in (one, others)]
    row = _row(SURVIVAL, dimension, name, against, sizes, until)
    if row["smaller"] < FEW:
        return row
    curves = [survival(table.loc[table["week"].between(1, until), ["week", *COUNTS]]) for table in (others, one)]
    other, own = (restricted_mean(curve, until=until) for curve in curves)
    half = distributions.norm.ppf(1 - ALPHA / 2) * np.sqrt(own.variance + other.variance)
    difference, test = own.estimate - other.estimate, log_rank(*curves)
    return row | {"value": own.estimate, "other": other.estimate, "difference": difference, "low": difference - half,
                  "high": difference + half, "statistic": test.statistic, "p": test.p}  # fmt: skip


def _row(measure: str, dimension: str, name: str, against: str, sizes: Sequence[int], weeks: int) -> dict:
    return {"measure": measure, "dimension": dimension, "slice": name, "against": against, "people": sizes[0],
            "others": sizes[1], "smaller": min(sizes), "weeks": weeks}  # fmt: skip
