"""Portraits and interests worked out user by user in plain Python, sharing nothing with the project's own way."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

COUNTED = {"events_28": "active", "sessions_28": "sessions", "create_28": "create", "comment_28": "comment",
           "share_28": "share", "react_28": "react"}  # fmt: skip
BANDS = {17: "under 18", 24: "18-24", 34: "25-34", 44: "35-44", 54: "45-54", 110: "55 and over"}


def interests(rows: Sequence[Mapping], today: date, half_life: float, rarity: bool) -> dict[tuple[str, str], dict]:
    """Weight, share and rank by user and topic."""
    past = [row for row in rows if row["day"] <= today]
    fans, everyone = defaultdict(set), {row["user_id"] for row in past}
    weights: Counter = Counter()
    for row in past:
        fans[row["topic"]].add(row["user_id"])
        weights[row["user_id"], row["topic"]] += float(row["weight"]) * 0.5 ** ((today - row["day"]).days / half_life)
    if rarity:
        for user, topic in weights:
            weights[user, topic] *= 1 + math.log(len(everyone) / len(fans[topic]))
    found = {}
    for user in everyone:
        own = sorted(((-round(weight, 9), topic) for (name, topic), weight in weights.items() if name == user))
        total = -sum(weight for weight, _ in own)
        for rank, (weight, topic) in enumerate(own, start=1):
            found[user, topic] = {"weight": -weight, "share": -weight / total if total else 0.0, "rank": rank}
    return found


def portraits(facts: Mapping[str, Sequence[Mapping]], today: date) -> dict[str, dict]:
    """The portraits of everybody seen or signed up by `today`, as far as they are compared."""
    days = [row for row in facts["user_day"] if row["day"] <= today]
    users = {
        row["user_id"]: row
        for row in facts["users"]
        if row.get("registered_day") is None or row["registered_day"] <= today
    }
    replies = [row for row in facts["reply_day"] if 0 <= (today - row["day"]).days < 28]
    found = {}
    for name in {row["user_id"] for row in days} | set(users):
        own = [row for row in days if row["user_id"] == name]
        found[name] = (
            who(users.get(name, {}), own, today)
            | lately([row for row in own if (today - row["day"]).days < 28])
            | spending(own)
            | rhythm([row for row in facts["user_hour"] if row["user_id"] == name])
            | {
                "referrals": sum(row.get("referrer_id") == name != row["user_id"] for row in users.values()),
                "replies_given_28": sum(row["replies"] for row in replies if row["from_user"] == name),
                "replies_received_28": sum(row["replies"] for row in replies if row["to_user"] == name),
            }
        )
    return found


def who(user: Mapping, own: Sequence[Mapping], today: date) -> dict:
    actives = [row["day"] for row in own if row.get("active")]
    begun = [day for day in (user.get("registered_day"), *(row["day"] for row in own)) if day]
    years = None if user.get("birth_year") is None else today.year - user["birth_year"]
    band = None if years is None or years < 0 else next((band for top, band in BANDS.items() if years <= top), None)
    return {
        "registered_day": user.get("registered_day"),
        "channel": user.get("channel"),
        "age_band": band,
        "first_day": min((row["day"] for row in own), default=None),
        "first_active_day": min(actives, default=None),
        "last_active_day": max(actives, default=None),
        "tenure_days": (today - min(begun)).days if begun else None,
    }


def lately(own: Sequence[Mapping]) -> dict:
    sessions = sum(row.get("sessions", 0) for row in own)
    bounces = sum(row.get("bounces", 0) for row in own)
    return {
        **{column: sum(row.get(of, 0) for row in own) for column, of in COUNTED.items()},
        "active_days_28": sum(1 for row in own if row.get("active")),
        "dwell_minutes_28": sum(row.get("dwell_s", 0) for row in own) / 60,
        "bounce_share": bounces / sessions if sessions else None,
    }


def spending(own: Sequence[Mapping]) -> dict:
    paid = [row["day"] for row in own if row.get("pay")]
    gross, cut = (sum(row.get(what, 0) for row in own) for what in ("gross", "discount"))
    return {
        "pay_days": len(paid),
        "first_pay_day": min(paid, default=None),
        "last_pay_day": max(paid, default=None),
        "gross": gross,
        "net": sum(row.get("net", 0) for row in own),
        "discount_share": float(cut) / float(gross + cut) if gross + cut else None,
    }


def rhythm(own: Sequence[Mapping]) -> dict:
    total = sum(row["events"] for row in own)
    hours, weekdays = Counter(), Counter()
    for row in own:
        hours[row["hour"]] += row["events"]
        weekdays[row["weekday"]] += row["events"]
    night = sum(events for hour, events in hours.items() if hour >= 22 or hour < 5)
    return {
        "night_share": night / total if total else None,
        "weekend_share": (weekdays[5] + weekdays[6]) / total if total else None,
        "preferred_hour": min(hours, key=lambda hour: (-hours[hour], hour), default=None),
        "preferred_weekday": min(weekdays, key=lambda at: (-weekdays[at], at), default=None),
    }
