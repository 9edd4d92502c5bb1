"""Win-back: how many came back because they were asked to, beside how many came back.

Some come back unasked. How many is seen in the holdout: people who were chosen for a campaign and not asked. What the campaign
brought is the difference, as far as chance alone decided who was held out.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import ibis
import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import contracts, stats
from helpers.errors import InputError
from helpers.stats import UNKNOWN

TOUCHED, HOLDOUT, BOTH = "touched", "holdout", "both"
HELD_OUT = ("holdout", "hold-out", "held out", "control")  # arms that a source may call so; everybody else was touched
_SHARE, _PEOPLE, _MONEY = ("float64", "share"), ("int64", "people"), ("float64", "currency")

TOUCHES = contracts.declare(
    "touches",
    grain="one row per user and campaign",
    key=["user_id", "campaign"],
    needs="touches",
    nullable=("cost",),
    columns={
        "user_id": ("string", "", "pseudonym of the user"),
        "campaign": ("string", "", "as the source calls it"),
        "arm": ("string", "", f'"{TOUCHED}"; "{HOLDOUT}": chosen, but not contacted; "{BOTH}": the source says both'),
        "day": ("date", "", "local day of the first contact, or of what would have been it"),
        "cost": ("decimal", "currency", "of all contacts; empty where the source says none"),
    },
)
WINBACK = contracts.declare(
    "winback",
    grain="one row per campaign",
    key=["campaign"],
    needs="touches",
    small=True,
    nullable=(
        "share", "share_low", "share_high", "base", "base_low", "base_high", "lift", "low", "high", "p", "z", "incremental",
        "incremental_low", "incremental_high", "cost", "cost_naive", "cost_incremental", "cost_low", "cost_high",
        "away", "away_holdout", "away_p",
    ),
    columns={
        "campaign": ("string", "", "as the source calls it"),
        "refused": ("string", "", 'why nothing is said: "open", "no_holdout" or "no_touched"; empty where something is'),
        "first_day": ("date", "", "first day of contact"),
        "last_day": ("date", "", "last day of contact"),
        "days": ("int64", "days", "after the day of contact in which an active day is a return"),
        "both": (*_PEOPLE, "left out, being in both arms"),
        "open": (*_PEOPLE, "left out, since their days are not over"),
        "touched": (*_PEOPLE, "contacted"),
        "returned": (*_PEOPLE, "of them those who came back"),
        "holdout": (*_PEOPLE, "held out"),
        "returned_holdout": (*_PEOPLE, "of them those who came back"),
        "smallest": (*_PEOPLE, "of the two arms the smaller"),
        "share": (*_SHARE, "of the contacted who came back: the naive figure"),
        "share_low": (*_SHARE, "Wilson interval of `share`"),
        "share_high": (*_SHARE, "Wilson interval of `share`"),
        "base": (*_SHARE, "of the held out who came back"),
        "base_low": (*_SHARE, "Wilson interval of `base`"),
        "base_high": (*_SHARE, "Wilson interval of `base`"),
        "lift": (*_SHARE, "share less base"),
        "low": (*_SHARE, "score interval of `lift`"),
        "high": (*_SHARE, "score interval of `lift`"),
        "p": ("float64", "", "of no difference, by the score test"),
        "z": ("float64", "standard errors", "of the score test"),
        "incremental": ("float64", "people", "contacted people who came back and would not have: lift x touched"),
        "incremental_low": ("float64", "people", "lower end of its 95 % interval"),
        "incremental_high": ("float64", "people", "upper end of its 95 % interval"),
        "cost": ("decimal", "currency", "of contacting them"),
        "cost_naive": (*_MONEY, "cost by everybody who came back"),
        "cost_incremental": (*_MONEY, "cost by incremental returns; empty where there is none"),
        "cost_low": (*_MONEY, "lower end of its 95 % interval"),
        "cost_high": (*_MONEY, "upper end of it; empty where the lift may be nothing, so that there is none"),
        "away": ("float64", "days", "mean silence before the contact, of the contacted who had been active"),
        "away_holdout": ("float64", "days", "the same of the held out"),
        "away_p": ("float64", "probability", "of equal silence, by Welch's test: small where the arms were not alike before"),
    },
)  # fmt: skip


class Incremental(NamedTuple):
    """What a campaign brought beyond what would have come unasked.

    `share` and `base` are the shares that came back of the contacted and of the held out, `lift` their difference with `low` and
    `high` (95 %), `p` and `z` of the score test; `incremental` people (with interval); `cost_naive` for everybody who came back,
    `cost_incremental` for each who would not have (with interval). What is undefined is NaN.
    """

    share: float
    base: float
    lift: float
    low: float
    high: float
    p: float
    z: float
    incremental: float
    incremental_low: float
    incremental_high: float
    cost_naive: float
    cost_incremental: float
    cost_low: float
    cost_high: float


def incremental(
    touched: int, returned: int, holdout: int, returned_holdout: int, *, cost: float | Decimal | None = None
) -> Incremental:
    """Incremental returns from the counts of both arms, with the interval of the score test.

    The cost of an incremental return has an upper end only where the interval of the lift leaves out nothing; where the lift
    itself is nothing or less, there is no such cost.

    Args:
        touched, holdout: People contacted and held out.
        returned, returned_holdout: Of them those who came back.
        cost: Of the whole campaign; None: unknown.
    """
    share = returned / touched if touched else UNKNOWN
    base = returned_holdout / holdout if holdout else UNKNOWN
    found = stats.compare_shares(returned_holdout, holdout, returned, touched)
    z = np.copysign(distributions.norm.isf(found.p / 2), found.estimate)
    won = (returned * holdout - returned_holdout * touched) / holdout if holdout and touched else UNKNOWN
    paid = UNKNOWN if cost is None else float(cost)
    ends = (found.low * touched, found.high * touched)
    return Incremental(
        share, base, found.estimate, found.low, found.high, found.p, float(z), won, *ends,
        cost_naive=paid / returned if returned else UNKNOWN,
        cost_incremental=paid / won if won > 0 else UNKNOWN,
        cost_low=paid / ends[1] if ends[1] > 0 and won > 0 else UNKNOWN,
        cost_high=paid / ends[0] if ends[0] > 0 else UNKNOWN,
    )  # fmt: skip


def touches(rows: ibis.Table) -> ibis.Table:
    """Campaign contacts, one per person and campaign (contract `touches`); who was contacted twice was contacted first then.

    Args:
        rows: Kept rows of the source `touches`: `user_id`, `campaign`, `touched_day`, `arm`, `cost`. An arm is a holdout if it is
            called so (HELD_OUT, whatever the case); a row without an arm is a contact.
    """
    held = rows.arm.strip().lower().isin(HELD_OUT).fill_null(False)
    asked = ibis.ifelse(held, ibis.null(rows.cost.type()), rows.cost)
    found = rows.mutate(held=held, asked=asked).group_by(["user_id", "campaign"])
    found = found.agg(day=ibis._.touched_day.min(), held=ibis._.held.any(), free=ibis._.held.all(), cost=ibis._.asked.sum())
    arm = ibis.cases((found.free, HOLDOUT), (found.held, BOTH), else_=TOUCHED)
    return found.select("user_id", "campaign", arm=arm, day=found.day, cost=found.cost.cast("decimal(38, 4)"))


def winback(touches: ibis.Table, user_day: ibis.Table, *, last_day: date, days: int = 14) -> pd.DataFrame:
    """What every campaign brought, beside the naive figure (contract `winback`), by name.

    A return is an active day among the `days` that follow the day of contact. Who was contacted so late that these days are not
    over by the end of `last_day` is left out and counted, and so is who is in both arms.

    Args:
        touches: Contract `touches`; contacts after `last_day` do not count.

    Raises:
        InputError: `days` is below 1.
    """
    if days < 1:
        raise InputError(f"days is {days}, but a return needs at least 1 day to happen in.")
    made = touches.filter(touches.day <= last_day)
    counts = _counted(made, user_day, last_day, days).to_pandas()
    rows = [_row(str(name), own.set_index("arm"), days) for name, own in counts.groupby("campaign", sort=True)]
    return pd.DataFrame(rows, columns=list(WINBACK.columns))


def _counted(made: ibis.Table, user_day: ibis.Table, last_day: date, days: int) -> ibis.Table:
    """By campaign and arm: people, those whose days are over, those of them who came back, and how long all had been away."""
    active = user_day.filter(user_day.active > 0, user_day.day <= last_day).select("user_id", seen=user_day.day)
    met = made.left_join(active, "user_id")
    since = (met.seen.epoch_days() - met.day.epoch_days()).cast("int64")
    met = met.mutate(since=since, closed=met.day <= ibis.literal(last_day - timedelta(days=days)))
    people = met.group_by(["user_id", "campaign", "arm", "day", "cost", "closed"]).agg(
        back=((met.since > 0) & (met.since <= days)).fill_null(False).any(), away=-met.since.max(where=met.since < 0)
    )
    closed = people.closed
    return people.group_by(["campaign", "arm"]).agg(
        first_day=people.day.min(), last_day=people.day.max(), people=closed.sum(), open=(~closed).sum(),
        back=(people.back & closed).sum(), cost=people.cost.sum(where=closed),
        known=people.away.count(where=closed), away=people.away.sum(where=closed),
        squares=(people.away * people.away).sum(where=closed),
    )  # fmt: skip


def _row(name: str, arms: pd.DataFrame, days: int) -> dict:
    counts = arms[["people", "open", "back", "known", "away", "squares"]].astype("float64").fillna(0)
    counts = counts.reindex([TOUCHED, HOLDOUT, BOTH], fill_value=0).astype("int64")
    asked, held, both = counts.to_numpy().tolist()
    (touched, opened, back, *silence), (holdout, opened_holdout, back_holdout, *silence_holdout) = asked, held
    cost = arms["cost"].get(TOUCHED)
    cost = None if cost is None or pd.isna(cost) else cost
    said = incremental(touched, back, holdout, back_holdout, cost=cost)
    alike = stats.compare_means(_moments(*silence), _moments(*silence_holdout))
    (low, high), (base_low, base_high) = stats.wilson(back, touched), stats.wilson(back_holdout, holdout)
    refused = "open" if not touched + holdout else "no_holdout" if not holdout else "no_touched" if not touched else ""
    return {
        "campaign": name, "refused": refused, "first_day": arms["first_day"].min(), "last_day": arms["last_day"].max(),
        "days": days, "both": both[0] + both[1], "open": opened + opened_holdout, "touched": touched, "returned": back,
        "holdout": holdout, "returned_holdout": back_holdout, "smallest": min(touched, holdout), **said._asdict(),
        "share_low": low, "share_high": high, "base_low": base_low, "base_high": base_high, "cost": cost,
        "away": _moments(*silence)[1], "away_holdout": _moments(*silence_holdout)[1], "away_p": alike.p,
    }  # fmt: skip


def _moments(n: int, total: int, squares: int) -> tuple[int, float, float]:
    """People, mean and variance (n - 1) from whole sums."""
    mean = total / n if n else UNKNOWN
    return n, mean, (squares * n - total * total) / (n * (n - 1)) if n > 1 else UNKNOWN
