"""How cohorts will go on, and what such a projection was worth when the last periods were held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers import contracts
from helpers.retention.lives import beta_geometric
from helpers.retention.lives.spells import KEYS
from helpers.retention.lives.survival import FEW, survival

HELD_OUT, FITTED = 4, 4  # periods: held out, and at least fitted
PEOPLE, ENDED = 100, 30  # at least, at the beginning and ended in the fitted periods
FURTHER = 13

PROJECTION_CHECKS = contracts.declare(
    "projection_checks",
    grain="one row per slice",
    key=[*KEYS],
    needs="events",
    small=True,
    nullable=("alpha", "beta", "log_likelihood", "error", "naive_error", "gain", "gain_low", "gain_high", "inside"),
    columns={
        "rule": ("string", "", 'what a loss is: "own" rhythm, or "fixed" days of silence'),
        "dimension": ("string", "", '"all", or the attribute that slices'),
        "slice": ("string", "", "value of the attribute"),
        "refused": ("string", "", "why there is no projection: short, few_people, few_ended; empty where there is one"),
        "people": ("int64", "people", "whose first week of life is watched"),
        "periods": ("int64", "weeks", "weeks of life with 30 people at risk or more"),
        "ended": ("int64", "people", "whose life ended in the fitted weeks, those held out left aside"),
        "alpha": ("float64", "1", "of the beta distribution of the weekly chance to leave"),
        "beta": ("float64", "1", "the same"),
        "log_likelihood": ("float64", "1", "of the lives of all weeks"),
        "error": ("float64", "share", "mean distance of projected and observed survival in the weeks held out"),
        "naive_error": ("float64", "share", "the same, had the last retention rate gone on"),
        "gain": ("float64", "share", "naive_error less error"),
        "gain_low": ("float64", "share", "lower end of its 95 % bootstrap interval"),
        "gain_high": ("float64", "share", "upper end of its 95 % bootstrap interval"),
        "inside": ("int64", "weeks", "weeks held out whose observed survival lies within the band"),
    },
)
PROJECTIONS = contracts.declare(
    "projections",
    grain="one row per slice with a projection and week of life",
    key=[*KEYS, "week"],
    needs="events",
    small=True,
    nullable=(
        "at_risk", "survival", "survival_low", "survival_high", "tested", "tested_low", "tested_high", "naive", "rate",
    ),
    columns={
        "rule": ("string", "", 'what a loss is: "own" rhythm, or "fixed" days of silence'),
        "dimension": ("string", "", '"all", or the attribute that slices'),
        "slice": ("string", "", "value of the attribute"),
        "week": ("int64", "weeks", "week of life"),
        "people": ("int64", "people", "whom the projection rests on"),
        "held_out": ("boolean", "", "a week that the test was not fitted on"),
        "at_risk": ("float64", "people", "people at risk; empty for weeks to come"),
        "survival": ("float64", "share", "observed share whose life goes on after the week"),
        "survival_low": ("float64", "share", "lower end of its 95 % interval"),
        "survival_high": ("float64", "share", "upper end of its 95 % interval"),
        "tested": ("float64", "share", "projected by the model fitted without the weeks held out"),
        "tested_low": ("float64", "share", "lower end of its 95 % bootstrap band"),
        "tested_high": ("float64", "share", "upper end of its 95 % bootstrap band"),
        "naive": ("float64", "share", "the same, had the last fitted retention rate gone on"),
        "projected": ("float64", "share", "projected by the model fitted on all weeks"),
        "low": ("float64", "share", "lower end of its 95 % bootstrap band"),
        "high": ("float64", "share", "upper end of its 95 % bootstrap band"),
        "rate": ("float64", "share", "share of those alive after the week before who go on, by the model"),
    },
)  # fmt: skip


def projections(
    spells: pd.DataFrame, *, rule: str, dimensions: Sequence[str] = ("all",), further: int = FURTHER
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The survival of each slice with all its cohorts together, projected, with its test.

    First the tests (contract `projection_checks`), then the curves (contract `projections`).

    The model is fitted twice by maximum likelihood on right-censored counts: on all weeks of life with 30 people at risk,
    for the weeks to come; and on all but the last 4 of them, against which its error and that of the last retention rate
    going on are measured. Bands and the interval of the gain are those of 500 draws of people with replacement: they know
    of chance, not of a world that changes.

    Args:
        spells: Contract `spells`.
        rule: "own" or "fixed".
        dimensions: Whose slices are projected.
        further: Weeks beyond the watched ones.
    """
    chosen = spells[(spells["rule"] == rule) & spells["dimension"].isin(list(dimensions)) & (spells["week"] > 0)]
    checks, curves = [], []
    for names, own in survival(chosen).groupby(KEYS):
        said = dict(zip(KEYS, names, strict=True))
        check, curve = _projected(own[own["at_risk"] >= FEW].reset_index(drop=True), further)
        checks.append(said | {"people": int(own["at_risk"].max())} | check)
        curves += [] if curve is None else [curve.assign(**said, people=int(own["at_risk"].max()))]
    found = pd.DataFrame(checks, columns=list(PROJECTION_CHECKS.columns))
    nothing = pd.DataFrame(columns=list(PROJECTIONS.columns))
    return found, pd.concat(curves, ignore_index=True)[list(nothing)] if curves else nothing


def _projected(watched: pd.DataFrame, further: int) -> tuple[dict, pd.DataFrame | None]:
    """The test of one slice, and its curve if there is one; of the weeks of life with enough people at risk."""
    periods = len(watched)
    fitted = max(periods - HELD_OUT, 0)
    ended = int(watched["ended"].iloc[:fitted].sum())
    told = {"periods": periods, "ended": ended}
    refused = (
        "short" if fitted < FITTED
        else "few_people" if watched["at_risk"].iloc[0] < PEOPLE
        else "few_ended" if ended < ENDED
        else ""
    )  # fmt: skip
    if refused:
        return told | {"refused": refused}, None
    drawn = tuple(np.concatenate([own[None], draws]) for own, draws in
                  zip((watched["at_risk"].to_numpy(float), watched["ended"].to_numpy(float)), beta_geometric.resampled(watched),
                      strict=True))  # fmt: skip
    whole = beta_geometric.fits(*drawn)
    tested, naive, observed = _tested(drawn, fitted)
    curve = _curve(watched, beta_geometric.survivors(whole.alpha, whole.beta, periods + further)[:, 1:], fitted)
    held = slice(fitted, periods)
    curve.loc[curve.index[held], ["tested", "naive"]] = np.stack([tested[0], naive[0]], axis=1)
    curve.loc[curve.index[held], ["tested_low", "tested_high"]] = beta_geometric.band(tested[1:]).T
    curve["rate"] = beta_geometric.retention_rates(whole.alpha[0], whole.beta[0], len(curve))
    errors = [np.abs(projected - observed).mean(axis=1) for projected in (tested, naive)]
    gain = errors[1] - errors[0]
    gain_low, gain_high = beta_geometric.band(gain[1:])
    inside = curve.iloc[held]["survival"].between(curve.iloc[held]["tested_low"], curve.iloc[held]["tested_high"]).sum()
    return told | {
        "refused": "", "alpha": whole.alpha[0], "beta": whole.beta[0], "log_likelihood": whole.log_likelihood[0],
        "error": errors[0][0], "naive_error": errors[1][0], "gain": gain[0], "gain_low": gain_low, "gain_high": gain_high,
        "inside": int(inside),
    }, curve  # fmt: skip


def _tested(drawn: tuple[np.ndarray, np.ndarray], fitted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each draw the survival in the weeks held out: by the model of the others, by the last rate, and observed."""
    at_risk, ended = drawn
    known = beta_geometric.fits(at_risk[:, :fitted], ended[:, :fitted])
    tested = beta_geometric.survivors(known.alpha, known.beta, at_risk.shape[1])[:, fitted + 1 :]
    rates = 1 - ended / np.maximum(at_risk, 1)
    observed = np.cumprod(rates, axis=1)
    ahead = np.arange(1, at_risk.shape[1] - fitted + 1)
    naive = observed[:, fitted - 1 : fitted] * rates[:, fitted - 1 : fitted] ** ahead
    return tested, naive, observed[:, fitted:]


def _curve(watched: pd.DataFrame, projected: np.ndarray, fitted: int) -> pd.DataFrame:
    """One row per week of life: observed as far as it is watched, projected, and its band."""
    curve = pd.DataFrame({"week": np.arange(1, projected.shape[1] + 1)})
    curve["held_out"] = (curve["week"] > fitted) & (curve["week"] <= len(watched))
    seen = watched.set_index("week")[["at_risk", "survival", "low", "high"]].astype(float).reindex(curve["week"])
    curve[["at_risk", "survival", "survival_low", "survival_high"]] = seen.to_numpy()
    curve[["tested", "tested_low", "tested_high", "naive"]] = np.nan
    curve["projected"] = projected[0]
    curve[["low", "high"]] = beta_geometric.band(projected[1:]).T
    return curve
