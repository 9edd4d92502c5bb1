"""Portraits in small tables: how many people have each value of an attribute, and what they do on average."""

from __future__ import annotations

import math
from decimal import Decimal

import ibis
import pandas as pd

from helpers import stats

STRONGEST = 5  # interests of one person that are told


def summary(portraits: ibis.Table) -> dict[str, int]:
    """How many people there are, and how many were ever active, active lately, or paying."""
    found = portraits.aggregate(
        people=portraits.count(),
        ever_active=portraits.first_active_day.notnull().sum().fill_null(0),
        active_in_28_days=(portraits.active_days_28 > 0).sum().fill_null(0),
        ever_paid=portraits.first_pay_day.notnull().sum().fill_null(0),
    )
    return {name.replace("_", " "): int(value) for name, value in found.to_pandas().iloc[0].items()}


def composition(portraits: ibis.Table, by: str, *, top: int = 10) -> pd.DataFrame:
    """How many people have each value of an attribute, the rarest folded into "other".

    Args:
        by: A text column of the portraits; people without a value are "unknown".
        top: Values shown by name.

    Returns:
        `value`, `people`, `of` (everyone), `share` with its Wilson interval `low`, `high`.
    """
    named = portraits.mutate(value=ibis.coalesce(portraits[by], "unknown"))
    counted = named.group_by("value").agg(people=ibis._.count()).to_pandas()
    counted = counted.sort_values(["people", "value"], ascending=[False, True], ignore_index=True)
    shown, rest = counted.iloc[:top], counted["people"].iloc[top:].sum()
    if rest:
        shown = pd.concat([shown, pd.DataFrame({"value": ["other"], "people": [rest]})], ignore_index=True)
        shown = shown.groupby("value", as_index=False, sort=False)["people"].sum()  # the data may have an "other", too
    return _shares(shown, "people", int(counted["people"].sum()))


def topic_fans(interests: ibis.Table | None, *, top: int = 12) -> pd.DataFrame | None:
    """For each topic the people whose strongest it is, the topics with most of them first and the rest as "other".

    Without topics it is None.

    Returns:
        `topic`, `fans` (people), `of` (people with an interest), `share` with its Wilson interval `low`, `high`.
    """
    if interests is None:
        return None
    first = interests.filter(interests["rank"] == 1)
    counted = first.group_by("topic").agg(fans=ibis._.count()).to_pandas()
    counted = counted.sort_values(["fans", "topic"], ascending=[False, True], ignore_index=True)
    shown, rest = counted.head(top), counted["fans"].iloc[top:].sum()
    if rest:
        shown = pd.concat([shown, pd.DataFrame({"topic": ["other"], "fans": [rest]})], ignore_index=True)
        shown = shown.groupby("topic", as_index=False, sort=False)["fans"].sum()  # the data may have an "other", too
    return _shares(shown, "fans", int(counted["fans"].sum()))


def habits(portraits: ibis.Table) -> pd.DataFrame:
    """Means over the people active in the last 28 days, each with Student's 95 % interval.

    Returns:
        `habit`, `mean`, `low`, `high` (days, events, sessions, minutes or replies a person in 28 days; NaN where unknown),
        `people` (the active).
    """
    names = ("active_days_28", "events_28", "sessions_28", "dwell_minutes_28", "create_28", "comment_28",
             "replies_given_28", "replies_received_28")  # fmt: skip
    active = portraits.filter(portraits.active_days_28 > 0)
    measures = {f"{name}__mean": active[name].mean() for name in names}
    measures |= {f"{name}__variance": active[name].cast("float64").var(how="sample") for name in names}
    found = active.aggregate(people=active.count(), **measures).to_pandas().iloc[0]
    people = int(found["people"])
    frame = pd.DataFrame({"habit": [name.replace("_", " ").replace(" 28", ", 28 days") for name in names]})
    frame["mean"] = [found[f"{name}__mean"] for name in names]
    ends = [stats.mean_interval(found[f"{name}__mean"], found[f"{name}__variance"], people) for name in names]
    return frame.assign(low=[end.low for end in ends], high=[end.high for end in ends], people=people)


def one_user(
    portraits: ibis.Table, interests: ibis.Table | None, tags: ibis.Table, segments: ibis.Table, pseudonym: str
) -> pd.DataFrame:
    """One person: what is known of who they are and what they did, their tiers, strongest interests and tags.

    For a cell that explores; it is about one person and belongs on no page.

    Args:
        pseudonym: As the tables have it, 24 letters and digits; blanks around it do not matter.

    Returns:
        `what` (a column, "interest 1" or "tag owl") and `value`, both as text; of a pseudonym that nobody has, that row alone.
    """
    own = [None if table is None else table.filter(table.user_id == pseudonym.strip()) for table in (portraits, segments)]
    known = [row for table in own for row in table.to_pyarrow().to_pylist()]
    if not known:
        return pd.DataFrame({"what": ["pseudonym"], "value": [pseudonym.strip()]})
    told = {"pseudonym": pseudonym.strip()}
    for row in known:
        told |= {name: _told(value) for name, value in row.items() if value is not None and name != "user_id"}
    if interests is not None:
        strongest = interests.filter(interests.user_id == pseudonym.strip(), interests["rank"] <= STRONGEST)
        rows = strongest.order_by("rank").to_pyarrow().to_pylist()
        told |= {f"interest {row['rank']}": f"{row['topic']} ({row['share']:.0%})" for row in rows}
    for row in tags.filter(tags.user_id == pseudonym.strip()).order_by("tag").to_pyarrow().to_pylist():
        told[f"tag {row['tag']}"] = str(row.get("reason") or row["group"])
    return pd.DataFrame(list(told.items()), columns=["what", "value"], dtype="str")


def _told(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.2f}".removesuffix(".00") if isinstance(value, float | Decimal) else str(value)


def _shares(frame: pd.DataFrame, people: str, everyone: int) -> pd.DataFrame:
    low, high = stats.wilson(frame[people], everyone)
    return frame.assign(of=everyone, share=frame[people] / (everyone or math.nan), low=low, high=high)
