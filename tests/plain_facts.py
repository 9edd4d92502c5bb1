"""The facts once more, by their definitions in plain Python: what the engine's facts are checked against."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

import made
import pyarrow as pa

SHANGHAI = ZoneInfo("Asia/Shanghai")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMEOUT, LONGEST = timedelta(minutes=30), timedelta(hours=24)
SCHEMA = pa.schema(made.EVENTS.items())


def log(rows: list[dict]) -> pa.Table:
    """Kept events as they leave the cleaning; a row names its `user_id`, `ts` (with a zone), `event` and what else it has."""
    full = []
    for row in rows:
        local = row["ts"].astimezone(SHANGHAI)
        own = {"day": local.date(), "hour": local.hour, "moment": (row["ts"] - EPOCH) // timedelta(microseconds=1)}
        full.append(dict.fromkeys(SCHEMA.names) | row | own)
    return pa.Table.from_pylist(full, SCHEMA)


def day_of(row: dict):
    return row["ts"].astimezone(SHANGHAI).date()


def has(row: dict, roles: dict[str, list[str]], role: str) -> bool:
    return row["event"] in roles.get(role, [])


def visits(rows: list[dict], roles: dict[str, list[str]]) -> Iterator[list[dict]]:
    """The sessions, each the list of its events."""

    def whose(row: dict) -> tuple[str, str]:
        return row["user_id"], row.get("session_id") or ""

    active = [row for row in rows if has(row, roles, "active")]
    active.sort(key=lambda row: (*whose(row), row["ts"], row.get("duration_s") or 0.0))
    for _, own in groupby(active, whose):
        visit: list[dict] = []
        for row in own:
            rests = bool(visit) and row["ts"] - visit[-1]["ts"] > TIMEOUT
            if not visit or rests:
                begun = row["ts"]
            elif (row["ts"] - begun) // LONGEST == (visit[-1]["ts"] - begun) // LONGEST:
                visit.append(row)
                continue
            if visit:
                yield visit
            visit = [row]
        yield visit


def microseconds_of_last(row: dict) -> int:
    return int(min(max(row.get("duration_s") or 0.0, 0.0), LONGEST.total_seconds()) * 1_000_000)


def user_day(rows: list[dict], roles: dict[str, list[str]]) -> dict[tuple, dict]:
    days: dict[tuple, Counter] = defaultdict(Counter)
    for row in rows:
        own = days[row["user_id"], day_of(row)]
        own["events"] += 1
        for role in ("active", "create", "comment", "share", "react", "pay", "refund"):
            own[role] += has(row, roles, role)
        amount, pays, refunds = row.get("amount") or Decimal(0), has(row, roles, "pay"), has(row, roles, "refund")
        own["gross"] += max(amount, Decimal(0)) if pays else 0
        own["refunded"] += abs(amount) if refunds or (pays and amount < 0) else 0
        own["discount"] += (row.get("discount") or 0) if pays else 0
    for visit in visits(rows, roles):
        first = days[visit[0]["user_id"], day_of(visit[0])]
        first["sessions"] += 1
        first["bounces"] += len(visit) == 1
        for row, follower in pairwise(visit):
            days[row["user_id"], day_of(row)]["dwell"] += (follower["ts"] - row["ts"]) // timedelta(microseconds=1)
        days[visit[-1]["user_id"], day_of(visit[-1])]["dwell"] += microseconds_of_last(visit[-1])
    names = (
        "events",
        "active",
        "create",
        "comment",
        "share",
        "react",
        "pay",
        "refund",
        "gross",
        "refunded",
        "discount",
    )
    return {
        key: {name: own[name] for name in (*names, "sessions", "bounces")}
        | {"net": own["gross"] - own["refunded"], "dwell_s": own["dwell"] // 1_000_000}
        for key, own in days.items()
    }


def first_seen(rows: list[dict], roles: dict[str, list[str]]) -> dict[tuple, dict]:
    found: dict[tuple, dict] = {}
    for user in {row["user_id"] for row in rows}:
        own = [row for row in rows if row["user_id"] == user]
        active = [day_of(row) for row in own if has(row, roles, "active")]
        pays = [day_of(row) for row in own if has(row, roles, "pay")]
        found[user,] = {
            "first_day": min(map(day_of, own)), "first_active_day": min(active, default=None),
            "last_active_day": max(active, default=None), "first_pay_day": min(pays, default=None),
        }  # fmt: skip
    return found


def user_topic_day(rows: list[dict], roles: dict[str, list[str]], weights: dict[str, float]) -> dict[tuple, dict]:
    found: dict[tuple, dict] = {}
    for row in rows:
        weight = max((Decimal(str(weights[role])) for role in weights if has(row, roles, role)), default=Decimal(0))
        if row.get("topic") is not None and weight > 0:
            own = found.setdefault((row["user_id"], row["topic"], day_of(row)), {"events": 0, "weight": Decimal(0)})
            own["events"] += 1
            own["weight"] += weight
    return found


def user_kind_day(rows: list[dict], roles: dict[str, list[str]]) -> dict[tuple, dict]:
    found: Counter = Counter()
    for row in rows:
        if has(row, roles, "active") and row.get("content_kind") is not None:
            found[row["user_id"], row["content_kind"], day_of(row)] += 1
    return {key: {"events": count} for key, count in found.items()}


def user_campaign_day(rows: list[dict]) -> dict[tuple, dict]:
    named = [row for row in rows if row.get("campaign") is not None]
    found = Counter((row["user_id"], row["campaign"], day_of(row)) for row in named)
    return {key: {"events": count} for key, count in found.items()}


def user_hour(rows: list[dict], roles: dict[str, list[str]]) -> dict[tuple, dict]:
    local = [(row["user_id"], row["ts"].astimezone(SHANGHAI)) for row in rows if has(row, roles, "active")]
    counted = Counter((user, time.date(), time.hour) for user, time in local)
    return {key: {"weekday": key[1].weekday(), "events": count} for key, count in counted.items()}


def made(row: dict, roles: dict[str, list[str]]) -> bool:
    return row.get("content_id") is not None and (has(row, roles, "create") or has(row, roles, "comment"))


def reply_day(rows: list[dict], roles: dict[str, list[str]]) -> dict[tuple, dict]:
    makers: dict[str, list[tuple]] = defaultdict(list)
    for row in rows:
        if made(row, roles):
            makers[row["content_id"]].append((row["ts"], row["user_id"]))
    first = {content: {user for ts, user in own if ts == min(own)[0]} for content, own in makers.items()}
    since = {row["content_id"]: day_of(row) for row in sorted(rows, key=lambda row: row["ts"], reverse=True) if made(row, roles)}
    counted: Counter = Counter()
    for row in rows:
        authors = first.get(row.get("parent_id"), set())
        known = authors and since[row["parent_id"]] <= day_of(row)
        if known and len(authors) == 1 and authors != {row["user_id"]}:
            counted[row["user_id"], *authors, day_of(row)] += 1
    return {key: {"replies": count} for key, count in counted.items()}
