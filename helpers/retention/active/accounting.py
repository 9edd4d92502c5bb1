"""Growth accounting: who is new, who stayed, who came back and who left, by closed day, week or month."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from helpers import contracts, stats
from helpers.errors import InputError, RunFailed, nearest
from helpers.retention import periods
from helpers.retention.active.presence import ALL, FAR, NEVER

NOBODY_LEFT = "nobody left"
UNKNOWN_PAST = "the first period of the data: who was there before is not known"
GROWTH = contracts.declare(
    "growth",
    grain="one row per closed ISO week",
    key=["week"],
    needs="events",
    small=True,
    nullable=("quick_ratio", "quick_low", "quick_high"),
    columns={
        "week": ("date", "", "Monday"),
        "active": ("int64", "people", "active in the week"),
        "new": ("int64", "people", "active for the first time ever"),
        "retained": ("int64", "people", "active in the week before, too"),
        "resurrected": ("int64", "people", "active before, but not in the week before"),
        "churned": ("int64", "people", "active in the week before and not in this one"),
        "ever": ("int64", "people", "active in this week or in any before"),
        "quick_ratio": ("float64", "people a leaver", "new and resurrected over churned"),
        "quick_low": ("float64", "people a leaver", "lower end of its 95 % interval"),
        "quick_high": ("float64", "people a leaver", "upper end of its 95 % interval"),
        "reason": ("string", "", "why there is no quick ratio"),
        "first": ("boolean", "", "first week of the data: users of unknown past are not new"),
    },
)


def growth(
    presence: pd.DataFrame,
    *,
    last_day: date,
    unit: str = "week",
    week_start: str = "monday",
    dimension: str = ALL,
    slice: str | None = None,
) -> pd.DataFrame:
    """Growth accounting by closed period (contract `growth` for weeks of everybody); the identity is asserted.

    active[t] = active[t-1] + new + resurrected - churned, where who came and who left are counted apart: by the gap before the
    first active day of a period, and by the gap after the last one of the period before.

    Args:
        presence: Contract `presence_day`, up to `last_day` at least.
        last_day: Periods that end by it are accounted for, also the last ones without anybody; no open one is.
        unit: day, week or month; it names the column with the first day of the period.
        week_start: monday or sunday.
        dimension, slice: Everybody, or one slice of an attribute, or all of its slices, named in a further column `slice`;
            each from the data's first period on.

    Raises:
        InputError: Unknown `unit` or `week_start`.
        RunFailed: The accounts do not add up.
    """
    check(unit, week_start)
    own = presence[(presence["dimension"] == dimension) & (presence["day"] <= pd.Timestamp(last_day))]
    own = own if slice is None else own[own["slice"] == slice]
    ends = periods.number(last_day + timedelta(days=1), unit, week_start)
    begun = periods.number(presence["day"].min(), unit, week_start) if len(own) else ends
    counted = _flows(own, np.arange(begun, max(begun, ends)), unit, week_start)
    counted["active"] = counted[["new", "retained", "resurrected"]].sum(axis=1)
    counted[unit] = periods.begins(counted["period"], unit, week_start)
    _assert_identity(counted, unit)
    counted["ever"] = counted.groupby("slice", sort=False)["new"].cumsum()
    counted["first"] = counted["period"] == begun
    found = counted.join(quick_ratio(counted["new"], counted["resurrected"], counted["churned"].where(~counted["first"])))
    reasons = np.select([found["first"], found["churned"] == 0], [UNKNOWN_PAST, NOBODY_LEFT], "")
    found["reason"] = pd.Series(reasons, found.index, dtype="str")
    columns = [unit, *list(GROWTH.columns)[1:]]
    return found[columns if dimension == ALL or slice is not None else ["slice", *columns]]


def quick_ratio(new: pd.Series, resurrected: pd.Series, churned: pd.Series) -> pd.DataFrame:
    """Those who came over those who left: above 1 the community grows.

    The interval takes both counts for Poisson: then of all who moved those who came are binomial, and Wilson's interval of their
    share, as odds, is that of the ratio (Przyborowski and Wilenski 1940).

    Returns:
        `quick_ratio`, `quick_low`, `quick_high`, indexed as the counts; NaN where nobody left or that is not known.
    """
    came = (new + resurrected).astype(float)
    left = churned.astype(float).where(churned > 0)
    low, high = (np.asarray(end, dtype=float) for end in stats.wilson(came, came + left))
    return pd.DataFrame({"quick_ratio": came / left, "quick_low": low / (1 - low), "quick_high": high / (1 - high)})


def check(unit: str, week_start: str) -> None:
    """Refuse a unit or a first day of the week that there is not.

    Raises:
        InputError: One of them is unknown; names the nearest.
    """
    for name, value, allowed in (("unit", unit, periods.UNITS), ("week_start", week_start, periods.WEEK_STARTS)):
        if value not in allowed:
            raise InputError(f'{name} is "{value}"; it can be {", ".join(allowed)}.{nearest(value, allowed)}')


def _flows(own: pd.DataFrame, every: np.ndarray, unit: str, week_start: str) -> pd.DataFrame:
    """One row per slice and period with who was new, retained, resurrected and churned, each counted by itself."""
    gap, steps = own["gap"], pd.to_timedelta(own["gap"], unit="D")
    period, before, after = (
        periods.numbers(day, unit, week_start) for day in (own["day"], own["day"] - steps, own["day"] + steps)
    )
    known = ((gap != NEVER) & (gap != FAR)).to_numpy()
    back, ahead = np.where(known, period - before, FAR), np.where(known, after - period, FAR)
    kinds = {
        "new": (period, (gap == NEVER).to_numpy(), "came"),
        "retained": (period, known & (back == 1), "came"),
        "resurrected": (period, (gap != NEVER).to_numpy() & (back > 1), "came"),
        "churned": (period + 1, ahead > 1, "went"),
    }
    index = pd.MultiIndex.from_product([sorted(own["slice"].unique()), every], names=["slice", "period"])
    found = pd.DataFrame(index=index)
    for name, (at, wanted, people) in kinds.items():
        chosen = own.assign(period=at)[wanted]
        found[name] = chosen.groupby(["slice", "period"])[people].sum().reindex(index, fill_value=0).astype("int64")
    return found.reset_index()


def _assert_identity(counted: pd.DataFrame, unit: str) -> None:
    before = counted.groupby("slice", sort=False)["active"].shift(fill_value=0)
    wrong = counted[counted["active"] != before + counted["new"] + counted["resurrected"] - counted["churned"]]
    if len(wrong):
        begun = wrong[unit].iloc[0].date()
        raise RunFailed(f"Growth accounting does not add up in the {unit} of {begun}. This is a fault of the toolkit.")
