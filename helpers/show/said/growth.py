"""What is said of how many are active, how often and when, and of who came and left."""

from __future__ import annotations

import pandas as pd

from helpers.show import format, gate, sentences
from helpers.show.words import subject, text, tier, word

FLOWS = ["new", "retained", "resurrected", "churned"]


def quick(growth: pd.DataFrame) -> str:
    """The quick ratio of the last period; whether more came or left is told from its interval.

    Args:
        growth: As `retention.growth` gives it, of everybody or of one slice.
    """
    if len(growth) < 2:
        return word("finding.growth_short")
    last = shown(growth).iloc[-1]
    if gate.is_small(last["least"]):
        return word("finding.too_few")
    if pd.isna(last["quick_ratio"]):
        return word("said.growth.undefined", reason=text(last["reason"]))
    return word(f"said.growth.{sentences.verdict(last['quick_low'] - 1, last['quick_high'] - 1)}", **_ratio(last))


def _ratio(row: pd.Series) -> dict[str, str]:
    return {
        "ratio": format.value(row["quick_ratio"], "number", digits=2),
        "interval": format.interval(row["quick_low"], row["quick_high"], "number", digits=2),
    }


def shown(growth: pd.DataFrame) -> pd.DataFrame:
    """The accounts with `least`: the smallest group of people that a row tells of.

    Since the parts of a row add up, a row with one part of too few people is withheld whole.
    """
    parts = growth[FLOWS].where(growth[FLOWS] > 0)
    return growth.assign(least=parts.min(axis=1).fillna(0).astype("int64"))


def why(growth: pd.DataFrame) -> str | None:
    """Why some periods have no quick ratio; None where all have one."""
    reasons = [text(reason) for reason in growth["reason"].unique() if reason]
    return word("said.growth.why", reasons=sentences.listed(reasons)) if reasons else None


def latest(growth: pd.DataFrame, unit: str = "week") -> pd.DataFrame:
    """The slices in the last period, the largest first.

    Args:
        growth: As `retention.growth` gives it with the slices of a dimension.
    """
    own = shown(growth[growth[unit] == growth[unit].max()])
    return own.sort_values(["active", "slice"], ascending=[False, True], ignore_index=True)


def apart(growth: pd.DataFrame, unit: str = "week") -> str:
    """Which slices are clearly apart in the last period: those whose intervals of the quick ratio do not meet."""
    own = latest(growth, unit)
    own = own[~gate.are_small(own["least"]) & own["quick_ratio"].notna()]
    if len(own) < 2:
        return word("finding.too_few")
    low, high = own.loc[own["quick_high"].idxmin()], own.loc[own["quick_low"].idxmax()]
    if low["quick_high"] >= high["quick_low"]:
        return word("said.growth.alike", n=len(own))
    ends = {"low": tier(low["slice"]), "high": tier(high["slice"]), "low_ratio": _ratio(low)["ratio"]}
    return word("said.growth.apart", high_ratio=_ratio(high)["ratio"], **ends)


def ever(growth: pd.DataFrame) -> str:
    """How many of all people ever active were active in the last period."""
    if growth.empty or gate.is_small(growth["active"].iloc[-1]) or not growth["ever"].iloc[-1]:
        return word("finding.too_few")
    last = growth.iloc[-1]
    return word(
        "said.growth.ever",
        active=format.value(last["active"], "count"),
        ever=format.value(last["ever"], "count"),
        share=format.value(last["active"] / last["ever"], "share"),
        people=subject(),
    )


def safe(sticky: pd.DataFrame, days: pd.DataFrame) -> pd.DataFrame:
    """The same, described by the fewest daily actives of its 30 days where these are a handful: with the other days and the
    mean that day would be known.

    Args:
        sticky: As `retention.stickiness` gives it, of one slice.
        days: Contract `actives_day`, of the same.
    """
    handful = days.set_index("day")["dau"].astype(float)
    fewest = handful.where(handful.map(gate.is_small)).rolling(30, min_periods=1).min()
    return sticky.assign(mau=sticky["day"].map(fewest).fillna(sticky["mau"]).astype("int64"))


def ratios(sticky: pd.DataFrame) -> pd.DataFrame:
    """Both shares of `retention.stickiness` one under the other, each under its formula (`ratio`), as `share`."""
    named = {name: word(f"said.growth.of_{name}") for name in ("stickiness", "weekly")}
    parts = [sticky[["day", "mau"]].assign(ratio=ratio, share=sticky[name]) for name, ratio in named.items()]
    return pd.concat(parts).sort_values(["day", "ratio"], kind="stable", ignore_index=True)


def often(days: pd.DataFrame, *, least: int = 12) -> str:
    """How many of the active people came on so many days or more, and on how many on average.

    Args:
        days: Contract `active_days`, of everybody or of one slice.
    """
    own = days[days["days"] == least]
    if own.empty or gate.is_small(own["of"].iloc[0]):
        return word("finding.too_few")
    row = own.iloc[0]
    if row["partial"]:
        return word("said.growth.often_short", days=int(days["days"].max()))
    if gate.is_small(row["at_least"]):
        return word("finding.too_few")
    return word(
        "said.growth.often",
        n=format.value(row["of"], "count"),
        share=format.value(row["reached"], "share"),
        days=least,
        interval=format.interval(row["low"], row["high"], "share"),
        mean=format.value((days["days"] * days["share"]).sum(), "number", digits=1),
        people=subject(),
    )


def banded(days: pd.DataFrame) -> pd.DataFrame:
    """Neighbouring numbers of days together, so that each band has enough people and none can be worked out from two others.

    Args:
        days: Contract `active_days`, of everybody or of one slice.

    Returns:
        One row a band, from few to many days: `active_days` ("7" or "20 to 28"), `days` (the first of them), `people` (in the
        band), `at_least` (in it or above), `share` and `so_many_or_more` (of those active at all), `low`, `high` (interval of
        the latter), `partial` (the days reach before the data).
    """
    least, rows, people, last = gate.settings().min_group, [], 0, None
    for row in days[::-1].to_dict("records"):
        people, last = people + row["exactly"], row["days"] if last is None else last
        if people >= least:
            rows.append({**row, "last": last, "people": people})
            people, last = 0, None
    if people and rows:  # too few are left for a band of their own
        rows[-1] = {**row, "last": rows[-1]["last"], "people": rows[-1]["people"] + people}
    rows = rows or [{**row, "last": last, "people": people} for row in days.iloc[:1].to_dict("records")]
    made = pd.DataFrame(rows[::-1], columns=[*days.columns, "last", "people"])
    names = [
        str(first) if first == until else word("said.growth.band", first=first, last=until)
        for first, until in zip(made["days"], made["last"], strict=True)
    ]
    shares = {"share": made["people"] / made["of"], "so_many_or_more": made["reached"]}
    columns = ["active_days", "days", "people", "at_least", "share", "so_many_or_more", "low", "high", "partial"]
    return made.assign(active_days=names, **shares)[columns]


def hours(found: pd.DataFrame) -> str:
    """The busiest hour of the week.

    Args:
        found: Contract `active_hours`.
    """
    known = found[found["mean"].notna() & (found["people"] >= gate.settings().min_group)]
    if known.empty:
        return word("finding.too_few")
    top = known.loc[known["mean"].idxmax()]
    return word(
        "said.growth.busiest",
        day=_weekdays()[int(top["weekday"])],
        hour=int(top["hour"]),
        end=int(top["hour"]) + 1,
        n=format.value(top["mean"], "number", digits=0),
        people=subject(),
    )


def by_weekday(found: pd.DataFrame) -> pd.DataFrame:
    """The hours with the names of the days.

    Args:
        found: Contract `active_hours`.
    """
    return found.assign(weekday=[_weekdays()[day] for day in found["weekday"]])


def _weekdays() -> list[str]:
    return word("said.distinct.weekdays").split()
