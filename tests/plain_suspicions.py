"""The rules that warn once more, by their definitions in plain Python; and judged rows made of a few words."""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from statistics import median

import ibis
import made
import pyarrow as pa

TEXT, INSTANT, MONEY = pa.string(), pa.timestamp("us", "UTC"), pa.decimal128(28, 4)
JUDGED = {"_source": TEXT, "_file": TEXT, "_line": pa.int64(), "_status": TEXT, "_reason": TEXT, "user_id": TEXT}
COLUMNS = {
    "events": {**made.EVENTS},
    "users": {
        "registered_at": INSTANT, "registered_day": pa.date32(), "channel": TEXT, "city": TEXT, "gender": TEXT,
        "birth_year": pa.float64(),
    },
    "assignments": {"experiment": TEXT, "variant": TEXT},
    "units": {"units": TEXT, "unit_id": TEXT, "variant": TEXT},
    "touches": {"campaign": TEXT},
    "feedback": {"question": TEXT},
    "spend": {"channel": TEXT},
}  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIMITS = {
    "bot_events_a_day": 5, "bot_share": 0.2, "bot_hours": 3, "bot_days": 2, "outlier_share": 0.2, "volume_band": 5.0,
    "missing_hours": 3, "fresh_days": 2,
}  # fmt: skip
CALM = LIMITS | {"bot_events_a_day": 10_000, "bot_share": 1, "bot_days": 1000}
SPELLED = {
    "events": ("topic", "event"), "users": ("channel", "city", "gender"), "assignments": ("experiment", "variant"),
    "units": ("variant",), "spend": ("channel",),
}  # fmt: skip


def whole(kind: str, rows: list[dict]) -> list[dict]:
    """The rows with all their columns: what a row leaves out is empty, its status kept, its place its number."""
    columns, made_rows = [*JUDGED, *COLUMNS[kind]], []
    for number, row in enumerate(rows):
        place = {"_source": kind, "_file": f"{kind}.csv", "_line": number + 2, "_status": "kept", "_reason": ""}
        own = dict.fromkeys(columns) | place
        if row.get("ts"):
            own |= {"day": row["ts"].date(), "hour": row["ts"].hour, "moment": (row["ts"] - EPOCH) // timedelta(microseconds=1)}
        if row.get("registered_at"):
            own["registered_day"] = row["registered_at"].date()
        made_rows.append(own | row)
    return made_rows


def judged(kind: str, rows: list[dict]) -> ibis.Table:
    """Judged rows as an ibis table."""
    dtypes = JUDGED | COLUMNS[kind]
    if kind in ("units", "spend"):
        dtypes = {name: dtype for name, dtype in dtypes.items() if name != "user_id"}
    columns = {name: pa.array([row[name] for row in whole(kind, rows)], dtype) for name, dtype in dtypes.items()}
    return made.backend().create_table(f"j_{secrets.token_hex(4)}", pa.table(columns))


def counted(rows: list[dict]) -> tuple[int, int, str, int]:
    """Rows, people, and file and line of the first."""
    people = {row["user_id"] if row["user_id"] is not None else row.get("unit_id") for row in rows} - {None}
    return len(rows), len(people), *min((row["_file"], row["_line"]) for row in rows)


def kept(kind: str, rows: list[dict]) -> list[dict]:
    return [row for row in whole(kind, rows) if row["_status"] == "kept"]


def on_rows(log: dict[str, list[dict]], pay: list[str], year: int, exact_dropped: bool) -> dict[tuple, tuple]:
    """The findings on all rows of a rule together: (rule, table, column, subject) and what `counted` says."""
    rows = {kind: kept(kind, own) for kind, own in log.items()}
    events, users = rows["events"], {row["user_id"]: row for row in rows["users"]}
    found = {}
    if any(row["amount"] is not None for row in events):
        blank = [row for row in events if row["event"] in pay and row["amount"] is None]
        found["payment_without_amount", "events", "amount", ""] = blank
    near = [row for row in events if is_near(row, events, exact_dropped)]
    found["near_duplicate", "events", "", ""] = [row for row in near if row["content_id"] is not None]
    found["near_duplicate", "events", "content_id", ""] = [row for row in near if row["content_id"] is None]
    if log["users"]:
        for kind in ("events", "assignments", "touches", "feedback"):
            found["unknown_user", kind, "user_id", ""] = [row for row in rows[kind] if row["user_id"] not in users]
        since = {user: row["registered_at"] for user, row in users.items() if row["registered_at"]}
        early = [row for row in events if row["user_id"] in since and row["ts"] < since[row["user_id"]]]
        found["before_sign_up", "events", "ts", ""] = early
        born = [row for row in rows["users"] if row["birth_year"] is not None]
        odd = [row for row in born if not 1900 <= row["birth_year"] <= year - 3]
        found["impossible_age", "users", "birth_year", ""] = odd
    for experiment in {row["experiment"] for row in rows["assignments"]}:
        own = [row for row in rows["assignments"] if row["experiment"] == experiment]
        arms = defaultdict(set)
        for row in own:
            arms[row["user_id"]].add(row["variant"])
        found["several_arms", "assignments", "variant", experiment] = [row for row in own if len(arms[row["user_id"]]) > 1]
    return {key: counted(own) for key, own in found.items() if own}


def is_near(row: dict, events: list[dict], exact_dropped: bool) -> bool:
    """Whether another event is equal in what matters, yet not in everything."""
    alike = ("user_id", "ts", "event", "content_id", "amount")
    others = [other for other in events if other is not row and all(other[name] == row[name] for name in alike)]
    mapped = [name for name in row if not name.startswith("_")]
    return any(exact_dropped or any(other[name] != row[name] for name in mapped) for other in others)


def spelled(log: dict[str, list[dict]], fold) -> dict[tuple, tuple]:
    """Names of several spellings: (table, column, experiment, the spellings with their rows), and what `counted` says."""
    found = {}
    for kind, columns in SPELLED.items():
        for column in columns:
            groups = defaultdict(list)
            for row in kept(kind, log[kind]):
                if row[column] is not None:
                    of = row["experiment" if kind == "assignments" else "units"] if column == "variant" else ""
                    groups[of, fold(row[column])].append(row)
            for (of, _), own in groups.items():
                spellings = Counter(row[column] for row in own)
                if len(spellings) > 1:
                    found[kind, column, of, frozenset(spellings.items())] = counted(own)
    return found


def bots(rows: list[dict], limits: dict) -> dict[str, str]:
    """People who may be machines, and why."""
    days = defaultdict(list)
    for row in rows:
        days[row["user_id"], row["day"]].append(row["hour"])
    people, found = Counter(row["user_id"] for row in rows), {}
    for user, events in people.items():
        own = [hours for (one, _), hours in days.items() if one == user]
        if max(map(len, own)) >= limits["bot_events_a_day"]:
            found[user] = "too many events on a day"
        elif len(people) >= 20 and events / len(rows) >= limits["bot_share"]:
            found[user] = "too large a share of all events"
        elif sum(len(set(hours)) >= limits["bot_hours"] for hours in own) >= limits["bot_days"]:
            found[user] = "active through day and night"
    return found


def outliers(rows: list[dict], pay: list[str], refund: list[str], share: str) -> list[dict]:
    """Events whose amount is a large part of the total, the largest first."""
    paid = [row for row in rows if row["event"] in [*pay, *refund] and row["amount"] is not None]
    total = sum((abs(row["amount"]) for row in paid), Decimal(0))
    if sum(row["event"] in pay for row in paid) < 10 or not total:
        return []
    large = [row for row in paid if abs(row["amount"]) >= Decimal(share) * total]
    return sorted(large, key=lambda row: (-abs(row["amount"]), row["_file"], row["_line"]))


def unusual(totals: dict[date, int], band: float) -> dict[date, int]:
    """Days outside the band of their weekday, by day, with their events."""
    found = {}
    for day, events in totals.items():
        middle, width = band_of([totals[at] for at in same_weekday(day, totals)], band)
        if middle is not None and abs(events - middle) > width and abs(events - middle) >= 20:
            found[day] = events
    return found


def same_weekday(day: date, days) -> list[date]:
    return [at for at in (day - timedelta(weeks=number) for number in range(1, 14)) if at in days]


def band_of(earlier: list[int], band: float) -> tuple[float | None, float]:
    if len(earlier) < 6:
        return None, 0.0
    middle = median(earlier)
    spread = median(abs(count - middle) for count in earlier)
    return middle, band * 1.4826 * max(spread, 0.05 * middle)


def gaps(hours: dict[date, list[int]], least: int, band: float) -> set[tuple[date, int, int]]:
    """Runs of hours without events where some are usual: day, first hour, hour after the last."""
    odd, found = unusual({day: sum(own) for day, own in hours.items()}, band), set()
    for day, own in hours.items():
        earlier = same_weekday(day, hours)
        run: list[int] = []
        for hour in range(25 if day not in odd and len(earlier) >= 6 else 0):
            if hour < 24 and own[hour] == 0 and median(hours[at][hour] for at in earlier) >= 20:
                run.append(hour)
                continue
            if len(run) >= least:
                found.add((day, run[0], run[-1] + 1))
            run = []
    return found
