"""The toolkit's answers to the vectors of tests/reference/analytics.json.

`answer(case)` sees a case's topic and input, and gives what the public helpers say, under the names of `expected`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import made
import pandas as pd

from helpers import facts, portraits, retention, segments, stats, weekly

ROLES = {"active": ["$pageview"]}


class NotCovered(Exception):
    """The present helpers do not answer cases of this topic, or not this one; says why."""


def answer(case: Mapping) -> dict:
    """What the toolkit says to one case.

    Args:
        case: At least `topic` and `input`.

    Returns:
        Numbers by the names of the case's `expected`, those that the toolkit stands for.

    Raises:
        NotCovered: No helper answers it yet.
    """
    if case["topic"] not in TOPICS:
        raise NotCovered(f"no helper for {case['topic']} yet")
    return TOPICS[case["topic"]](case["input"])


def small_numbers(given: Mapping) -> dict:
    return stats.wilson(given["k"], given["n"], confidence=given["confidence"])._asdict()


def tags(given: Mapping) -> dict:
    """The vector's weights are of one person and without rarity."""
    rows = [
        {"user_id": "u", "topic": topic, "day": date.fromisoformat(day), "weight": Decimal(weight)}
        for topic, day, weight in given["events"]
    ]
    found = portraits.interests(
        made.table("user_topic_day", rows), last_day=date.fromisoformat(given["as_of"]),
        half_life_days=given["half_life_days"], rarity=False,
    ).order_by("rank").to_pandas()  # fmt: skip
    return {"weights": dict(zip(found["topic"], found["weight"], strict=True)), "top": found["topic"].iloc[0]}


def composition(given: Mapping) -> dict:
    before, now = (
        pd.DataFrame(
            {"size": [n for n, _ in given[week]], "active": [n * rate for n, rate in given[week]]}, given["segments"]
        )
        for week in ("last_week", "this_week")
    )
    parts = weekly.decompose(before, now)
    overall = [float(table["active"].sum() / table["size"].sum()) for table in (before, now)]
    return {"overall": overall, "rate_effect": float(parts["rate"].sum()), "mix_effect": float(parts["mix"].sum())}


def sessions(given: Mapping) -> dict:
    """The rule is told by what two events do that lie just one timeout apart, and a second more."""
    if not given["timeout"].endswith("m"):
        raise NotCovered(f"a timeout of {given['timeout']}")
    timeout = 60 * int(given["timeout"].removesuffix("m"))

    def count(moments: list[datetime]) -> int:
        events = made.events([{"user_id": "u", "ts": moment, "event": "$pageview"} for moment in moments])
        return int(facts.sessions(facts.timed(events), timeout_s=timeout).starts.sum().to_pandas())

    moments = [datetime.fromisoformat(f"2026-01-05T{at}Z") for at in given["times"]]
    equal, longer = (count([moments[0], moments[0] + timedelta(seconds=gap)]) for gap in (timeout, timeout + 1))
    rule = {(1, 2): "new session iff gap > timeout (equal gap stays)"}.get(
        (equal, longer), f"{equal}, {longer} sessions"
    )
    return {"sessions": count(moments), "rule": rule}


def active_users(given: Mapping) -> dict:
    days = [date.fromisoformat(day) for day in given["days"]]
    people = [_event(given["alias"].get(user, user), moment, event) for user, event, moment in given["events"]]
    events = facts.timed(made.events(people, ZoneInfo(given["timezone"])))
    found = retention.actives_day(facts.user_day(events, ROLES), last_day=days[-1])
    shown = found.set_index(found["day"].dt.date).reindex(days)
    named = {"dau": "dau", "wau_trailing7": "wau", "mau_trailing30": "mau"}
    return {name: [int(people) for people in shown[column]] for name, column in named.items()}


def retention_average(given: Mapping) -> dict:
    """Each cohort as a row of a cohort table at one age; the incomplete one is open."""
    if "cohorts" not in given:
        raise NotCovered("a rule in words, which test_retention holds")
    rows = [
        {"cohort": pd.Timestamp(made.day(7 * at)), "age": 1, "size": one["size"], "first": False,
         "active": one["retained"] if one["complete"] else float("nan"),
         "closes": pd.NaT if one["complete"] else pd.Timestamp(made.day(7 * at + 14))}
        for at, one in enumerate(given["cohorts"], start=1)
    ]  # fmt: skip
    return {"pooled_size_weighted": float(retention.average(pd.DataFrame(rows))["rate"].iloc[0])}


def purchases(given: Mapping) -> dict:
    """Payments of a day are one purchase; customers come in the order of their names, as they are written."""
    if "transactions" not in given or given.get("unit", "day") != "day":
        raise NotCovered("a rule in words, which test_segments holds, or another unit than days")
    sums: dict[tuple, Decimal] = {}
    for customer, day, amount in given["transactions"]:
        key = (customer, date.fromisoformat(day))
        sums[key] = sums.get(key, Decimal(0)) + Decimal(str(amount))
    rows = [{"user_id": str(customer), "day": day, "pay": 1, "gross": gross} for (customer, day), gross in sums.items()]
    last_day = date.fromisoformat(given["observation_end"])
    found = made.records(segments.purchase_summary(made.table("user_day", rows), last_day=last_day))
    columns = ["frequency", "recency", "T", "monetary"]
    customers = sorted({customer for customer, day in sums if day <= last_day})
    table = [[customer, *(found[str(customer)][name] for name in columns)] for customer in customers]
    return {"columns": ["customer", *columns], "rows": table}


def _event(user: str, moment: str, event: str) -> dict:
    return {"user_id": user, "ts": datetime.fromisoformat(moment), "event": event}


TOPICS: dict[str, Callable[[Mapping], dict]] = {
    "DAU/WAU/MAU": active_users,
    "RFM": purchases,
    "composition": composition,
    "retention average": retention_average,
    "sessions": sessions,
    "small numbers": small_numbers,
    "tags": tags,
}
