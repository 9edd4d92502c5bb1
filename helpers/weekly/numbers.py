"""The main numbers of a week, their changes with intervals, and their usual range."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import ibis
import numpy as np
import pandas as pd

from helpers import retention, stats

HISTORY = 13
LEAST_HISTORY = 6
LARGEST_USUAL = 10**13  # amounts beyond it are mistakes, whose squares no decimal holds
BAND = 2 * 1.4826  # median absolute deviations: two standard deviations, were the weeks normal
UNKNOWN_PAST = "the first week of the data: who was there before is not known"
NO_COHORT = "nobody of known past joined in the week before"


def weeks(user_day: ibis.Table) -> pd.DataFrame:
    """Totals by ISO week (contract `weeks`), weeks without anybody in between included."""
    by_user = user_day.group_by(["user_id", user_day.day.truncate("W").name("week")]).agg(
        active=(user_day.active > 0).any(),
        created=user_day.create.sum(),
        pays=user_day.pay.sum(),
        net=user_day.net.sum(),
    )
    order = ibis.window(group_by="user_id", order_by="week")
    by_user = by_user.mutate(before=by_user.week.lag().over(order), paid_before=by_user.pays.lag().over(order) > 0)
    follows = by_user.week.epoch_days() - by_user.before.epoch_days() == 7
    again = follows & by_user.paid_before & (by_user.pays > 0)
    square = by_user.net.cast("float64") * by_user.net.cast("float64")
    usual = by_user.net.abs() < LARGEST_USUAL
    amount = ibis.ifelse(usual, by_user.net, None).cast("decimal(19, 4)")  # its sum of squares is the same in any order
    found = by_user.group_by("week").agg(
        active=by_user.active.sum(),
        created=by_user.created.sum(where=by_user.active),
        created_squares=(by_user.created * by_user.created).sum(where=by_user.active),
        payers=(by_user.pays > 0).sum(),
        payers_again=again.fill_null(False).sum(),
        net=by_user.net.sum(),
        net_squares=(amount * amount).sum().cast("float64").fill_null(0.0) + square.sum(where=~usual).fill_null(0.0),
    )
    frame = found.order_by("week").to_pandas()
    frame["week"] = pd.to_datetime(frame["week"])
    if frame.empty:
        return frame
    every = pd.date_range(frame["week"].min(), frame["week"].max(), freq="7D", name="week")
    frame = frame.set_index("week").reindex(every).reset_index()
    whole = ("active", "created", "created_squares", "payers", "payers_again")
    nothing = dict.fromkeys((*whole, "net_squares"), 0) | {"net": Decimal(0)}
    return frame.fillna(nothing).astype(dict.fromkeys(whole, "int64") | {"net_squares": "float64"})


def kpis(
    weeks: pd.DataFrame, growth: pd.DataFrame, cube: pd.DataFrame, *, last_day: date, paid: bool, creates: bool
) -> pd.DataFrame:
    """The main numbers of the week that ends on `last_day`, against the week before.

    The intervals of changes: actives and payers change by those who come and those who leave, both Poisson; so are new
    members; contents an active are compared by Welch and first-week returns by the score test; amounts are compound
    Poisson. People who are in both weeks make the true intervals of contents and amounts narrower than these.

    Args:
        weeks, growth, cube: Contracts `weeks`, `growth`, `cohort_cube`.
        last_day: A Sunday.
        paid, creates: Whether the dataset has payments and created content at all.

    Returns:
        One row per number: `metric` (key of metrics.toml), `value`, `before` (the week before), `change`, its 95 % interval
        `low`, `high`, `n` (people whom the value describes), `band_low`, `band_high` (the value's usual range, from the
        weeks before), `series` and `series_n` (values and people of up to 13 weeks, oldest first) and `reason`: why the
        value is unknown. What is unknown is NaN, and so is a change from or to it.
    """
    monday = pd.Timestamp(last_day) - pd.Timedelta(days=6)
    begun = weeks["week"].min() if len(weeks) else monday
    every = pd.date_range(min(begun, monday), monday, freq="7D")
    week = weeks.set_index("week").reindex(every, fill_value=0)
    flows = growth.set_index("week")[["new", "resurrected", "first"]].astype("int64").reindex(every, fill_value=0)
    new = flows["new"].astype(float).where(~flows["first"].astype(bool))
    rows = [
        _row("weekly_actives", week["active"], _flow_change(week["active"], flows), week["active"]),
        _row("new_members", new, _count_change(new), flows["new"], UNKNOWN_PAST),
        _first_week(cube, last_day),
    ]
    if creates:
        mean = week["created"] / week["active"].where(week["active"] > 0)
        rows.append(_row("content_per_active", mean, _mean_change(week), week["active"], "nobody was active"))
    if paid:
        rows.append(_row("payers", week["payers"], _payers_change(week), week["payers"]))
        rows.append(_row("net_amount", week["net"], _amount_change(week), week["payers"]))
    return pd.DataFrame(rows)


def _row(metric: str, series: pd.Series, change: stats.Difference, people: pd.Series, reason: str = "") -> dict:
    """One number; `people` it describes, by week; `reason` says why it is unknown, if it is."""
    known = series.astype(float)
    n = people.where(known.notna()).fillna(0).astype("int64")
    past = known.iloc[-HISTORY:-1].dropna()
    middle = past.median() if len(past) >= LEAST_HISTORY else np.nan
    spread = BAND * (past - middle).abs().median() if len(past) >= LEAST_HISTORY else np.nan
    value, before = known.iloc[-1], known.iloc[-2] if len(known) > 1 else np.nan
    return {
        "metric": metric, "value": value, "before": before, "change": value - before,
        "low": change.low, "high": change.high, "n": int(n.iloc[-1]),
        "band_low": middle - spread, "band_high": middle + spread, "reason": reason if np.isnan(value) else "",
        "series": known.iloc[-HISTORY:].tolist(), "series_n": n.iloc[-HISTORY:].tolist(),
    }  # fmt: skip


def _flow_change(active: pd.Series, flows: pd.DataFrame) -> stats.Difference:
    """Actives change by those who came and those who left; only these vary."""
    if len(active) < 2:
        return stats.NO_DIFFERENCE_KNOWN
    came = int(flows["new"].iloc[-1] + flows["resurrected"].iloc[-1])
    return stats.compare_counts(int(active.iloc[-2]) + came - int(active.iloc[-1]), came)


def _count_change(counts: pd.Series) -> stats.Difference:
    return stats.compare_counts(counts.iloc[-2], counts.iloc[-1]) if len(counts) > 1 else stats.NO_DIFFERENCE_KNOWN


def _payers_change(week: pd.DataFrame) -> stats.Difference:
    """Only who pays in one of the two weeks varies (McNemar 1947): regulars would widen the interval for nothing."""
    if len(week) < 2:
        return stats.NO_DIFFERENCE_KNOWN
    before, now, both = (int(count) for count in (*week["payers"].iloc[-2:], week["payers_again"].iloc[-1]))
    return stats.compare_counts(before - both, now - both)


def _mean_change(week: pd.DataFrame) -> stats.Difference:
    arms = []
    for row in (week.iloc[-2:]).to_dict("records"):
        n, mean = int(row["active"]), row["created"] / row["active"] if row["active"] else np.nan
        arms.append((n, mean, (row["created_squares"] - n * mean**2) / (n - 1) if n > 1 else np.nan))
    return stats.compare_means(*arms) if len(arms) > 1 else stats.NO_DIFFERENCE_KNOWN


def _amount_change(week: pd.DataFrame) -> stats.Difference:
    totals = [(float(net), float(squares)) for net, squares in zip(week["net"], week["net_squares"], strict=True)]
    return stats.compare_totals(*totals[-2:]) if len(totals) > 1 else stats.NO_DIFFERENCE_KNOWN


def first_weeks(cube: pd.DataFrame, last_day: date) -> pd.DataFrame:
    """Size and actives in week 1 of every weekly cohort whose week 1 is over: NaN for nobody and for the data's first."""
    table = retention.cohorts(cube, last_day=last_day, ages=2)
    closed = table[(table["age"] == 1) & table["closes"].isna()].set_index("cohort")
    newest = pd.Timestamp(last_day) - pd.Timedelta(days=13)
    begun = closed.index.min() if len(closed) else newest
    known = closed[["size", "active", "rate"]].astype(float).where(~closed["first"].astype(bool))
    return known.reindex(pd.date_range(begun, newest, freq="7D"))


def _first_week(cube: pd.DataFrame, last_day: date) -> dict:
    """Week-1 retention of the cohort that has just had its week 1, against the cohort before."""
    first = first_weeks(cube, last_day)
    change = stats.NO_DIFFERENCE_KNOWN
    if first["size"].iloc[-2:].notna().sum() == 2:
        counts = first[["active", "size"]].iloc[-2:].astype("int64").to_numpy().ravel()
        change = stats.compare_shares(*(int(count) for count in counts))
    return _row("week1_retention", first["rate"], change, first["size"], NO_COHORT)


def changed(kpis: pd.DataFrame) -> pd.DataFrame:
    """The main numbers with `clear`: the interval leaves out no change, and the value lies outside its usual range.

    Without a usual range (under 6 earlier weeks) the interval alone decides.
    """
    beyond = (kpis["value"] < kpis["band_low"]) | (kpis["value"] > kpis["band_high"])
    sure = (kpis["low"] > 0) | (kpis["high"] < 0)
    return kpis.assign(clear=sure & (beyond | kpis["band_low"].isna()))
