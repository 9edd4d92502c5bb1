"""Survival from counts of lives: Kaplan-Meier with its bands, the hazard, the restricted mean and the median.

A table of lives has, in order of time, `week` (when), `at_risk` (people), `ended` (of them, whose life ended then). Whoever is
censored at a time was at risk in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import stats
from helpers.retention.lives.spells import COHORT, KEYS, LEFT_OUT

FEW = 30  # people at risk; further weeks do not decide how far a mean reaches
HALF = 0.5
NEWEST = 13  # cohorts shown side by side
TINY = 1e-12  # of a product of shares: its rounding
LASTING = ("people", "weeks", "mean", "low", "high", "median", "median_low", "median_high", "stayed", "stayed_low", "stayed_high")


class Mean(NamedTuple):
    """A restricted mean (weeks) with its interval and its variance."""

    estimate: float
    low: float
    high: float
    variance: float


def life_table(times: Sequence[float], ended: Sequence[bool]) -> pd.DataFrame:
    """The table of lives of single ones, each given by its time and whether it ended then or was only watched so long."""
    lives = pd.DataFrame({"week": times, "ended": np.asarray(ended, dtype="int64")})
    table = lives.groupby("week", as_index=False).agg(gone=("ended", "size"), ended=("ended", "sum"))
    table["at_risk"] = table["gone"][::-1].cumsum()
    table["censored"] = table["gone"] - table["ended"]
    return table[["week", "at_risk", "ended", "censored"]]


def survival(spells: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Kaplan-Meier's survival (1958) and the hazard of each slice of `spells`, or of one table of lives.

    Returns:
        The rows with `survival` (share whose life goes on after the week), `low`, `high` (its log-log interval by
        Greenwood's variance; Wilson's over those at risk where nobody or everybody has ended), `hazard` (share of those at
        risk who end in the week), `hazard_low`, `hazard_high` (Wilson's interval). Nothing of "left out".
    """
    keys = [name for name in KEYS if name in spells.columns]
    table = spells[spells["dimension"] != LEFT_OUT].reset_index(drop=True) if keys else spells.reset_index(drop=True)
    lives = [table[name] for name in keys] or np.zeros(len(table))
    at_risk, ended = table["at_risk"].astype(float), table["ended"].astype(float)
    hazard = ended / at_risk.where(at_risk > 0)
    share = (1 - hazard).groupby(lives).cumprod()
    going_on = at_risk - ended
    greenwood = (ended / (at_risk * going_on).where(going_on > 0)).fillna(0).groupby(lives).cumsum()
    low, high = log_log(share, greenwood, at_risk, confidence=confidence)
    begun = (table["week"] == 0) & (share == 1)  # before anybody can have left there is nothing to estimate
    low = np.where(begun, 1.0, low)
    hazard_low, hazard_high = stats.wilson(ended, at_risk, confidence=confidence)
    return table.assign(survival=share, low=low, high=high, hazard=hazard, hazard_low=hazard_low, hazard_high=hazard_high)


def log_log(share, greenwood, at_risk, *, confidence: float = 0.95) -> stats.Interval:
    """The interval of a survival that is normal on the log-log scale (Kalbfleisch and Prentice 1980); arrays.

    Args:
        greenwood: The sum of ended / (at risk x going on) up to the time.
    """
    share, greenwood, at_risk = (np.asarray(values, dtype=float) for values in (share, greenwood, at_risk))
    inside = (share > 0) & (share < 1)
    logarithm = np.log(np.where(inside, share, HALF))
    half = distributions.norm.ppf(0.5 + confidence / 2) * np.sqrt(greenwood) / np.abs(logarithm)
    ends = np.exp(logarithm * np.exp(half)), np.exp(logarithm * np.exp(-half))
    alike = stats.wilson(at_risk * (share == 1), at_risk, confidence=confidence)
    return stats.Interval(*(np.where(inside, end, other) for end, other in zip(ends, alike, strict=True)))


def median(table: pd.DataFrame, share: str = "survival") -> float:
    """The first week after which at most half go on; NaN where more do to the end.

    Args:
        table: One curve, as `survival` gives it.
        share: The column that is looked at: with `low` or `high` an end of the median's interval (Brookmeyer and Crowley
            1982).
    """
    reached = table.loc[(table[share] <= HALF + TINY) & (table["week"] > 0), "week"]
    return float(reached.iloc[0]) if len(reached) else float("nan")


def restricted_mean(table: pd.DataFrame, *, until: float, confidence: float = 0.95) -> Mean:
    """The mean time to the end of life, what lies beyond `until` counting as `until`: the area under the survival.

    Normal interval with Greenwood's variance of the area (Klein and Moeschberger 2003, 4.5), kept within 0 and `until`.

    Args:
        table: One curve, as `survival` gives it.
        until: In weeks; a week of life that is begun counts whole.
    """
    own = table[(table["week"] <= until) & (table["week"] > 0)]
    times = np.concatenate([[0.0], own["week"].to_numpy(dtype=float), [float(until)]])
    heights = np.concatenate([[1.0], own["survival"].to_numpy(dtype=float)])
    areas = heights * np.diff(times)
    ahead = areas[::-1].cumsum()[::-1][1:]  # the area after each time
    at_risk, ended = own["at_risk"].to_numpy(dtype=float), own["ended"].to_numpy(dtype=float)
    going_on = np.where(at_risk > ended, at_risk - ended, np.inf)
    variance = float((ahead**2 * ended / (at_risk * going_on)).sum())
    half = distributions.norm.ppf(0.5 + confidence / 2) * np.sqrt(variance)
    mean = float(areas.sum())
    return Mean(mean, max(mean - half, 0.0), min(mean + half, float(until)), variance)


def reach(spells: pd.DataFrame, *, most: int = 13) -> int:
    """The last week of life, `most` at the latest, in which at least 30 people of every slice are at risk; 0 if none.

    Slices that never had 30 do not count.
    """
    enough = spells[(spells["at_risk"] >= FEW) & (spells["dimension"] != LEFT_OUT)]
    last = enough.groupby(KEYS)["week"].max()
    return int(min(most, last.min())) if len(last) else 0


def lasting(spells: pd.DataFrame, *, rule: str, dimension: str = "all", weeks: int = 13) -> pd.DataFrame:
    """How long people of each slice stay: one row per slice of a dimension, people in the order of the slices.

    Args:
        spells: Contract `spells`.
        rule: "own" or "fixed".
        weeks: Up to which the mean goes; fewer where a slice with 30 people or more is not watched so long.

    Returns:
        `slice`, `people` (whose first week is watched), `weeks` (up to which), `mean` (weeks of life begun, of the first
        `weeks`) with `low`, `high`, `median` (weeks) with `median_low`, `median_high` (NaN where it is not reached),
        `stayed` (share whose life goes on after `weeks`) with `stayed_low`, `stayed_high`. Means are NaN for slices that
        are not watched so long.
    """
    own = survival(spells[(spells["rule"] == rule) & (spells["dimension"] == dimension)])
    until = reach(own, most=weeks)
    rows = [{"slice": name, **_lasting(curve, until)} for name, curve in own.groupby("slice") if curve["week"].max() > 0]
    return pd.DataFrame(rows, columns=["slice", *LASTING])


def survival_by(spells: pd.DataFrame, *, dimension: str, rule: str | None = None, most: int = 26) -> pd.DataFrame:
    """The curves of a dimension's slices up to `most` weeks of life, as `survival` gives them.

    Of cohorts the newest 13; of slices those with somebody whose first week is watched.

    Args:
        spells: Contract `spells`.
        rule: "own" or "fixed"; None: both.
    """
    chosen = (spells["dimension"] == dimension) & (spells["week"] <= most)
    own = survival(spells[chosen if rule is None else chosen & (spells["rule"] == rule)])
    own = own[own.groupby(KEYS)["week"].transform("max") > 0]
    if dimension == COHORT:
        own = own[own["slice"].isin(sorted(own["slice"].unique())[-NEWEST:])]
    return own.reset_index(drop=True)


def _lasting(curve: pd.DataFrame, until: int) -> dict:
    people = curve.loc[curve["week"] == 1, "at_risk"].sum()
    last = curve[curve["week"] == until]
    found = {"people": int(people), "weeks": until, "median": median(curve), "median_low": median(curve, "low"),
             "median_high": median(curve, "high")}  # fmt: skip
    if until and len(last):
        mean = restricted_mean(curve, until=until)
        found |= {"mean": mean.estimate, "low": mean.low, "high": mean.high}
        found |= dict(zip(("stayed", "stayed_low", "stayed_high"), last.iloc[0][["survival", "low", "high"]], strict=True))
    return found
