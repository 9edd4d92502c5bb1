"""The week against its past: the numbers of the front page, from the artefacts of the other notebooks."""

from __future__ import annotations

from datetime import date

import ibis
import numpy as np
import pandas as pd

from helpers import contracts, retention, stats

HISTORY = 13
LEAST_HISTORY = 6
BAND = 2 * 1.4826

WEEKS = contracts.declare(
    "weeks",
    grain="one row per ISO week",
    key=["week"],
    needs="events",
    small=True,
    columns={
        "week": ("date", "", "Monday"),
        "active": ("int64", "people", "active in the week"),
        "created": ("int64", "events", "contents created by them"),
        "created_squares": ("int64", "", "sum over people of the squared number of contents"),
        "payers": ("int64", "people", "people with a payment"),
        "net": ("decimal", "currency", "net amount"),
        "net_squares": ("float64", "", "sum over people of the squared net amount"),
    },
)
KPIS = contracts.declare(
    "kpis",
    grain="one row per main number of the week",
    key=["metric"],
    small=True,
    nullable=("value", "before", "change", "low", "high", "band_low", "band_high"),
    columns={
        "metric": ("string", "", "key of metrics.toml"),
        "value": ("float64", "", "this week"),
        "before": ("float64", "", "the week before"),
        "change": ("float64", "", "value less before"),
        "low": ("float64", "", "95 % interval of the change"),
        "high": ("float64", "", "95 % interval of the change"),
        "n": ("int64", "people", "people whom the value describes"),
        "band_low": ("float64", "", "usual range of the value, from the weeks before"),
        "band_high": ("float64", "", "usual range of the value, from the weeks before"),
        "reason": ("string", "", "why a value is unknown"),
    },
)
PUBLISHED = contracts.declare(
    "published",
    grain="one row per number that is sent out",
    key=["metric", "slice"],
    small=True,
    nullable=("value", "low", "high"),
    columns={
        "metric": ("string", "", "key of metrics.toml, or experiment and metric"),
        "slice": ("string", "", '"all", a tier, or an arm'),
        "value": ("float64", "", "the number"),
        "low": ("float64", "", "end of its interval; empty where there is none"),
        "high": ("float64", "", "end of its interval; empty where there is none"),
        "n": ("int64", "people", "people whom it describes"),
    },
)
HEADLINE = contracts.declare(
    "headline",
    grain="one row",
    key=["sentence"],
    small=True,
    columns={
        "sentence": ("string", "", "the week's finding"),
        "status": ("string", "", "week, completeness, data until"),
        "quality": ("string", "", "good, amber or red"),
    },
)


def weeks(user_day: ibis.Table) -> pd.DataFrame:
    """Totals by ISO week (contract `weeks`), weeks without anybody included."""
    by_user = user_day.group_by(["user_id", user_day.day.truncate("W").name("week")]).agg(
        active=(user_day.active > 0).any(),
        created=user_day.create.sum(),
        pays=user_day.pay.sum(),
        net=user_day.net.sum(),
    )
    amount = by_user.net.cast("float64")
    found = by_user.group_by("week").agg(
        active=by_user.active.sum(),
        created=by_user.created.sum(where=by_user.active),
        created_squares=(by_user.created * by_user.created).sum(where=by_user.active),
        payers=(by_user.pays > 0).sum(),
        net=by_user.net.sum(),
        net_squares=(amount * amount).sum().round(4),
    )
    frame = found.order_by("week").to_pandas()
    frame["week"] = pd.to_datetime(frame["week"])
    if frame.empty:
        return frame
    every = pd.date_range(frame["week"].min(), frame["week"].max(), freq="7D", name="week")
    frame = frame.set_index("week").reindex(every, fill_value=0).reset_index()
    whole = ("active", "created", "created_squares", "payers")
    return frame.fillna(0).astype(dict.fromkeys(whole, "int64") | {"net_squares": "float64"})


def kpis(
    weeks: pd.DataFrame, growth: pd.DataFrame, cube: pd.DataFrame, *, last_day: date, paid: bool, creates: bool
) -> pd.DataFrame:
    """The main numbers of the week that ends on `last_day` (contract `kpis`, and `series`: 13 weeks, oldest first).

    Changes are against the week before. Counts of people vary as people come and leave; amounts as payments do.

    Args:
        paid, creates: Whether the dataset has payments and created content at all.
    """
    monday = pd.Timestamp(last_day) - pd.Timedelta(days=6)
    week = weeks.set_index("week").reindex(pd.date_range(weeks["week"].min(), monday, freq="7D"), fill_value=0)
    flows = growth.set_index("week").reindex(week.index, fill_value=0)
    rows = [
        _row("weekly_actives", week["active"], _flow_change(flows), int(week["active"].iloc[-1])),
        _row(
            "new_members",
            flows["new"].where(~flows["first"].astype(bool)),
            _count_change(flows["new"]),
            int(flows["new"].iloc[-1]),
        ),
        _first_week(cube, last_day),
    ]
    if creates:
        mean = week["created"] / week["active"].where(week["active"] > 0)
        rows.append(_row("content_per_active", mean, _mean_change(week), int(week["active"].iloc[-1])))
    if paid:
        payers = int(week["payers"].iloc[-1])
        rows.append(_row("payers", week["payers"], _count_change(week["payers"]), payers))
        rows.append(_row("net_amount", week["net"].astype(float), _amount_change(week), payers))
    return pd.DataFrame(rows)


def _row(metric: str, series: pd.Series, interval: stats.Interval, n: int, reason: str = "") -> dict:
    known = series.astype(float)
    past = known.iloc[-HISTORY:-1].dropna()
    middle = past.median() if len(past) >= LEAST_HISTORY else np.nan
    spread = BAND * (past - middle).abs().median() if len(past) >= LEAST_HISTORY else np.nan
    value, before = known.iloc[-1], known.iloc[-2] if len(known) > 1 else np.nan
    return {
        "metric": metric, "value": value, "before": before, "change": value - before, "low": interval.low,
        "high": interval.high, "n": n, "band_low": middle - spread, "band_high": middle + spread, "reason": reason,
        "series": known.iloc[-HISTORY:].tolist(),
    }  # fmt: skip


def _flow_change(flows: pd.DataFrame) -> stats.Interval:
    """Actives change by those who came and those who left; only these vary."""
    last = flows.iloc[-1]
    change = stats.compare_counts(last["churned"], last["new"] + last["resurrected"])
    return stats.Interval(change.low, change.high)


def _count_change(counts: pd.Series) -> stats.Interval:
    if len(counts) < 2:
        return stats.Interval(np.nan, np.nan)
    change = stats.compare_counts(counts.iloc[-2], counts.iloc[-1])
    return stats.Interval(change.low, change.high)


def _mean_change(week: pd.DataFrame) -> stats.Interval:
    if len(week) < 2:
        return stats.Interval(np.nan, np.nan)
    arms = []
    for row in (week.iloc[-2], week.iloc[-1]):
        n, mean = int(row["active"]), row["created"] / row["active"] if row["active"] else np.nan
        arms.append((n, mean, (row["created_squares"] - n * mean**2) / (n - 1) if n > 1 else np.nan))
    change = stats.compare_means(*arms)
    return stats.Interval(change.low, change.high)


def _amount_change(week: pd.DataFrame) -> stats.Interval:
    """A total of independent payments varies with the sum of their squares (compound Poisson)."""
    if len(week) < 2:
        return stats.Interval(np.nan, np.nan)
    change = float(week["net"].iloc[-1]) - float(week["net"].iloc[-2])
    half = 1.959964 * np.sqrt(week["net_squares"].iloc[-1] + week["net_squares"].iloc[-2])
    return stats.Interval(change - half, change + half)


def _first_week(cube: pd.DataFrame, last_day: date) -> dict:
    """Week-1 retention of the newest cohort that has had its week, against the cohort before."""
    table = retention.cohorts(cube, last_day=last_day, ages=2)
    first = table[(table["age"] == 1) & table["closes"].isna() & ~table["first"]].set_index("cohort")
    if len(first) < 1:
        nothing = pd.Series([np.nan])
        return _row(
            "week1_retention", nothing, stats.Interval(np.nan, np.nan), 0, "no cohort has had its first week yet"
        )
    interval = stats.Interval(np.nan, np.nan)
    if len(first) > 1:
        before, now = first.iloc[-2], first.iloc[-1]
        change = stats.compare_shares(int(before["active"]), int(before["size"]), int(now["active"]), int(now["size"]))
        interval = stats.Interval(change.low, change.high)
    return _row("week1_retention", first["rate"], interval, int(first["size"].iloc[-1]))


def changed(kpis: pd.DataFrame) -> pd.DataFrame:
    """The main numbers with `clear`: the interval leaves out no change, and the value lies outside its usual range."""
    beyond = (kpis["value"] < kpis["band_low"]) | (kpis["value"] > kpis["band_high"])
    sure = (kpis["low"] > 0) | (kpis["high"] < 0)
    return kpis.assign(clear=sure & (beyond | kpis["band_low"].isna()))


def decompose(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Split the change of a share into rate and mix, by slice; the parts sum exactly (Kitagawa 1955, midpoint).

    Args:
        before, now: Indexed by slice: `size` and `active` (people).

    Returns:
        One row per slice: `slice`, `rate`, `mix` (share; their total is the change of the pooled share).
    """
    both = before.join(now, how="outer", lsuffix="_before", rsuffix="_now").fillna(0)
    weight = [both[f"size_{when}"] / max(both[f"size_{when}"].sum(), 1) for when in ("before", "now")]
    known = [
        both[f"active_{when}"] / both[f"size_{when}"].where(both[f"size_{when}"] > 0) for when in ("before", "now")
    ]
    rates = [known[0].fillna(known[1]).fillna(0), known[1].fillna(known[0]).fillna(0)]
    overall = sum((weight[i] * rates[i]).sum() for i in (0, 1)) / 2
    rate = (weight[0] + weight[1]) / 2 * (rates[1] - rates[0])
    mix = (weight[1] - weight[0]) * ((rates[0] + rates[1]) / 2 - overall)
    return pd.DataFrame({"slice": both.index, "rate": rate.to_numpy(), "mix": mix.to_numpy()})


def retention_change(cube: pd.DataFrame, *, last_day: date, dimension: str) -> pd.DataFrame:
    """The change of week-1 retention between the two newest closed cohorts, by slice (`slice`, `rate`, `mix`)."""
    monday = pd.Timestamp(last_day) - pd.Timedelta(days=6)
    chosen = cube[(cube["dimension"] == dimension) & (cube["age"] == 1)].set_index("slice")
    now = chosen.loc[chosen["cohort"] == monday - pd.Timedelta(days=7), ["size", "active"]]
    before = chosen.loc[chosen["cohort"] == monday - pd.Timedelta(days=14), ["size", "active"]]
    return decompose(before, now)


def published(kpis: pd.DataFrame | None, tier_sizes: pd.DataFrame | None, effects: pd.DataFrame | None) -> pd.DataFrame:
    """All numbers of the week that are sent out (contract `published`)."""
    parts = []
    if kpis is not None:
        parts.append(kpis.assign(slice="all", low=np.nan, high=np.nan)[list(PUBLISHED.columns)])
    if tier_sizes is not None:
        sizes = tier_sizes.rename(columns={"dimension": "metric", "tier": "slice", "people": "value"})
        parts.append(sizes.assign(low=np.nan, high=np.nan, n=tier_sizes["people"])[list(PUBLISHED.columns)])
    if effects is not None and len(effects):
        named = effects.assign(
            metric=effects["experiment"] + ": " + effects["metric"],
            slice=effects["variant"],
            value=effects["difference"],
        )
        parts.append(named[list(PUBLISHED.columns)])
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(PUBLISHED.columns))
    return found.astype({"value": "float64", "low": "float64", "high": "float64", "n": "int64"})


def headline(sentence: str, status: str, quality: str) -> pd.DataFrame:
    """The front page's first lines (contract `headline`)."""
    return pd.DataFrame([{"sentence": sentence, "status": status, "quality": quality}])
