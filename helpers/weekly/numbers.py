"""The main numbers of a week, their changes with intervals, and their usual range."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import ibis
import numpy as np
import pandas as pd

from helpers import retention, stats
from helpers.retention.change.band import bands, confidence_of
from helpers.retention.change.user_weeks import UserWeeks
from helpers.segments import days
from helpers.weekly.tables import WEEKS

HISTORY = 13
LARGEST_USUAL = 10**13  # amounts beyond it are mistakes, whose squares no decimal holds
UNKNOWN_PAST = "the first week of the data: who was there before is not known"
NO_COHORT = "nobody of known past joined in the week before"


def weeks(user_weeks: UserWeeks) -> pd.DataFrame:
    """Totals by ISO week (contract `weeks`), weeks without anybody in between included.

    Args:
        user_weeks: As `retention.user_weeks` gives them.
    """
    lively = days.weeks(user_weeks.blocks)
    active = lively.group_by(week=lively.begins + lively["at"]).agg(active=lively.count()).to_pandas()
    frame = active.merge(_deeds(user_weeks.deeds).to_pandas(), on="week", how="outer")
    frame["week"] = pd.to_datetime(frame["week"], unit="D").astype("datetime64[us]")
    if frame.empty:
        return frame[list(WEEKS.columns)]
    every = pd.date_range(frame["week"].min(), frame["week"].max(), freq="7D", name="week")
    frame = frame.set_index("week").reindex(every).reset_index()[list(WEEKS.columns)]
    whole = ("active", "created", "created_squares", "payers", "payers_again")
    nothing = dict.fromkeys((*whole, "net_squares"), 0) | {"net": Decimal(0)}
    return frame.fillna(nothing).astype(dict.fromkeys(whole, "int64") | {"net_squares": "float64"})


def _deeds(deeds: ibis.Table) -> ibis.Table:
    """By week, all but how many were active."""
    square = deeds.net.cast("float64") * deeds.net.cast("float64")
    usual = deeds.net.abs() < LARGEST_USUAL
    amount = ibis.ifelse(usual, deeds.net, None).cast("decimal(19, 4)")  # its sum of squares is the same in any order
    found = deeds.group_by("week").agg(
        created=deeds.created.sum(where=deeds.active),
        created_squares=(deeds.created * deeds.created).sum(where=deeds.active),
        payers=(deeds.pays > 0).sum(),
        net=deeds.net.sum(),
        net_squares=(amount * amount).sum().cast("float64").fill_null(0.0) + square.sum(where=~usual).fill_null(0.0),
    )
    return found.left_join(_payers_again(deeds), "week").drop("week_right")


def _payers_again(by_user: ibis.Table) -> ibis.Table:
    """By week, how many paid in it and in the week before."""
    paid = by_user.filter(by_user.pays > 0).select("user_id", "week")
    before = paid.week.lag().over(ibis.window(group_by="user_id", order_by="week"))
    paid = paid.mutate(again=(paid.week - before == 7).fill_null(False))
    return paid.group_by("week").agg(payers_again=paid.again.sum())


def watched(*, paid: bool, creates: bool) -> int:
    """How many main numbers there are, which a week is watched by together."""
    return 3 + creates + 2 * paid


def kpis(
    weeks: pd.DataFrame, growth: pd.DataFrame, cube: pd.DataFrame, changes: pd.DataFrame, usual: pd.DataFrame,
    *, last_day: date, paid: bool, creates: bool,
) -> pd.DataFrame:
    """The main numbers of the week that ends on `last_day`, against the week before.

    Weekly actives, week-1 retention and the net amount have their intervals and usual bands from `changes` and `usual`, which
    pair what each person did in both weeks. Of the others new members are Poisson, payers change by those who pay in one of
    the weeks alone, and contents an active are compared by Welch, whose interval is wider than it need be, since many people
    are in both weeks; their bands are made in the same way from their own past. All bands are so wide that none of the numbers
    leaves its own in 19 of 20 usual weeks (`changes` and `usual` made for as many as are `watched`).

    Args:
        weeks, growth, cube, changes, usual: Contracts `weeks`, `growth`, `cohort_cube`, `changes`, `usual_weeks`.
        last_day: A Sunday.
        paid, creates: Whether the dataset has payments and created content at all.

    Returns:
        One row per number: `metric` (key of metrics.toml), `value`, `before` (the week before), `change`, its 95 % interval
        `low`, `high`, `n` (people whom the value describes), `series` and `series_n` (values and people of up to 13 weeks,
        oldest first), `lows` and `highs` (the usual band of each), `band_low`, `band_high` (of this week; NaN while the past
        is too short), `clear` (there is a change, and it is not a usual one), `past` (the mean of the `past_weeks` weeks
        before), `past_low`, `past_high` (interval of the change against it), `came` and `left` (people who pay now and did
        not the week before, and the other way round) and `reason`: why the value is unknown. What is unknown is NaN, and so
        is a change from or to it.
    """
    monday = pd.Timestamp(last_day) - pd.Timedelta(days=6)
    begun = weeks["week"].min() if len(weeks) else monday
    every = pd.date_range(min(begun, monday), monday, freq="7D")
    week = weeks.set_index("week").reindex(every, fill_value=0)
    flows = growth.set_index("week")[["new", "first"]].astype("int64").reindex(every, fill_value=0)
    new = flows["new"].astype(float).where(~flows["first"].astype(bool))
    first, confidence = first_weeks(cube, last_day), confidence_of(watched(paid=paid, creates=creates))
    rows = [
        _told("weekly_actives", week["active"], week["active"], changes, usual),
        _judged("new_members", new, _count_change(new), flows["new"], confidence, reason=UNKNOWN_PAST, noise=_poisson(new)),
        _told("week1_retention", first["rate"], first["size"], changes, usual, reason=NO_COHORT),
    ]
    if creates:
        mean = week["created"] / week["active"].where(week["active"] > 0)
        change = _mean_change(week)
        rows.append(_judged("content_per_active", mean, change, week["active"], confidence, reason="nobody was active"))
    if paid:
        only = _only(week)
        payers = week["payers"]
        rows.append(_judged("payers", payers, stats.compare_counts(*only), payers, confidence, noise=_poisson(payers)))
        rows[-1] |= {"left": only[0], "came": only[1]}
        rows.append(_told("net_amount", week["net"], payers, changes, usual))
    return pd.DataFrame(rows)


def _row(metric: str, series: pd.Series, people: pd.Series, reason: str) -> dict:
    """One number without what is said of its change; `people` it describes, by week."""
    known = series.astype(float)
    n = people.where(known.notna()).fillna(0).astype("int64")
    value, before = known.iloc[-1], known.iloc[-2] if len(known) > 1 else np.nan
    unknown = dict.fromkeys(("past", "past_low", "past_high", "past_weeks", "came", "left"), np.nan)
    return {
        "metric": metric, "value": value, "before": before, "change": value - before, "n": int(n.iloc[-1]), **unknown,
        "series": known.iloc[-HISTORY:].tolist(), "series_n": n.iloc[-HISTORY:].tolist(),
        "reason": reason if np.isnan(value) else "",
    }  # fmt: skip


def _told(
    metric: str, series: pd.Series, people: pd.Series, changes: pd.DataFrame, usual: pd.DataFrame, *, reason: str = ""
) -> dict:
    """One number whose change and usual band the artefacts hold."""
    row = _row(metric, series, people, reason)
    own = changes[(changes["metric"] == metric) & (changes["part"] == "change")].set_index("base")
    none = dict.fromkeys(("low", "high", "before", "weeks"), np.nan)
    week, past = (own.loc[base].to_dict() if base in own.index else none for base in ("week_before", "past_mean"))
    band = usual[usual["metric"] == metric][["band_low", "band_high"]].tail(len(row["series"]))
    return {
        **row, "low": week["low"], "high": week["high"], "clear": bool(own["clear"].any()),
        "past": past["before"], "past_low": past["low"], "past_high": past["high"], "past_weeks": past["weeks"],
        **_banded(row, band["band_low"].tolist(), band["band_high"].tolist()),
    }  # fmt: skip


def _judged(
    metric: str, series: pd.Series, change: stats.Difference, people: pd.Series, confidence: float, *, reason: str = "",
    noise: pd.Series | None = None,
) -> dict:
    """One number whose change is known here; its band from its own past, as of the others."""
    row = _row(metric, series, people, reason)
    noises = None if noise is None else noise.to_frame(0)
    found = bands(series.astype(float).to_frame(0), confidence=confidence, noise=noises, every="week")
    lows, highs = (ends[0].clip(lower=0).tail(HISTORY).tolist() for ends in (found.low, found.high))
    p = np.maximum(change.p, found.p[0].iloc[-1])  # NaN, where either is unknown, is never small
    return {**row, "low": change.low, "high": change.high, "clear": bool(p <= 1 - confidence), **_banded(row, lows, highs)}


def _banded(row: dict, lows: list[float], highs: list[float]) -> dict:
    """The bands of all weeks that are shown, and that of this week."""
    missing = [np.nan] * (len(row["series"]) - len(lows))
    lows, highs = missing + lows, missing + highs
    return {"lows": lows, "highs": highs, "band_low": lows[-1], "band_high": highs[-1]}


def _poisson(counts: pd.Series) -> pd.Series:
    """The standard error of a count by chance alone, from the counts before it."""
    return np.sqrt(counts.rolling(HISTORY, min_periods=1).mean().shift(1).fillna(1).clip(lower=1))


def _count_change(counts: pd.Series) -> stats.Difference:
    return stats.compare_counts(counts.iloc[-2], counts.iloc[-1]) if len(counts) > 1 else stats.NO_DIFFERENCE_KNOWN


def _only(week: pd.DataFrame) -> tuple[float, float]:
    """Who pays in the week before alone, and in this one alone: only they vary (McNemar 1947)."""
    if len(week) < 2:
        return np.nan, np.nan
    before, now, both = (int(count) for count in (*week["payers"].iloc[-2:], week["payers_again"].iloc[-1]))
    return before - both, now - both


def _mean_change(week: pd.DataFrame) -> stats.Difference:
    arms = []
    for row in (week.iloc[-2:]).to_dict("records"):
        n, mean = int(row["active"]), row["created"] / row["active"] if row["active"] else np.nan
        arms.append((n, mean, (row["created_squares"] - n * mean**2) / (n - 1) if n > 1 else np.nan))
    return stats.compare_means(*arms) if len(arms) > 1 else stats.NO_DIFFERENCE_KNOWN


def first_weeks(cube: pd.DataFrame, last_day: date) -> pd.DataFrame:
    """Size and actives in week 1 of every weekly cohort whose week 1 is over: NaN for nobody and for the data's first."""
    table = retention.cohorts(cube, last_day=last_day, ages=2)
    closed = table[(table["age"] == 1) & table["closes"].isna()].set_index("cohort")
    newest = pd.Timestamp(last_day) - pd.Timedelta(days=13)
    begun = closed.index.min() if len(closed) else newest
    known = closed[["size", "active", "rate"]].astype(float).where(~closed["first"].astype(bool))
    return known.reindex(pd.date_range(begun, newest, freq="7D"))
