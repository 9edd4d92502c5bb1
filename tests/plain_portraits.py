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


def portraits(facts: Mapping[str, Sequence[Mapping]], today: date, tastes: Mapping[tuple[str, str], Mapping]) -> dict[str, dict]:
    """The portraits of everybody seen or signed up by `today`.

    Args:
        tastes: As `interests` gives them.
    """
    known = {what: [row for row in rows if row.get("day", today) <= today] for what, rows in facts.items()}
    users = {
        row["user_id"]: row
        for row in facts["users"]
        if row.get("registered_day") is None or row["registered_day"] <= today
    }
    active = {row["user_id"] for row in known["user_day"] if row.get("active")}
    found = {}
    for name in {row["user_id"] for row in known["user_day"]} | set(users):
        own = {what: [row for row in rows if row.get("user_id") == name] for what, rows in known.items()}
        days = own["user_day"]
        found[name] = (
            {"user_id": name}
            | who(users.get(name, {}), days, today)
            | lately([row for row in days if (today - row["day"]).days < 28])
            | before([row for row in days if 28 <= (today - row["day"]).days < 56])
            | spending(days, today)
            | rhythm(own["user_hour"])
            | variety(own, today)
            | company(name, known["reply_day"], today)
            | invited([guest for guest, row in users.items() if row.get("referrer_id") == name != guest], active)
            | taste({topic: row for (user, topic), row in tastes.items() if user == name})
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
        "city": user.get("city"),
        "gender": user.get("gender"),
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
        "visits_a_week": sessions / 4,
        "bounce_share": bounces / sessions if sessions else None,
    }


def before(own: Sequence[Mapping]) -> dict:
    return {
        "active_days_before": sum(1 for row in own if row.get("active")),
        "events_before": sum(row.get("active", 0) for row in own),
        "dwell_minutes_before": sum(row.get("dwell_s", 0) for row in own) / 60,
    }


def spending(own: Sequence[Mapping], today: date) -> dict:
    paid = [row for row in own if row.get("pay")]
    days = [row["day"] for row in paid]
    gross, cut = (sum(row.get(what, 0) for row in own) for what in ("gross", "discount"))
    orders = sum(row["pay"] for row in paid)
    return {
        "orders": orders,
        "average_order": float(gross) / orders if orders else None,
        "repurchased": len(days) > 1,
        "days_since_pay": (today - max(days)).days if days else None,
        "pay_days": len(days),
        "first_pay_day": min(days, default=None),
        "last_pay_day": max(days, default=None),
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


def variety(own: Mapping[str, Sequence[Mapping]], today: date) -> dict:
    kinds: Counter = Counter()
    for row in own["user_kind_day"]:
        if (today - row["day"]).days < 28:
            kinds[row["content_kind"]] += row["events"]
    return {
        "content_kinds_28": len(kinds),
        "top_kind": min(kinds, key=lambda kind: (-kinds[kind], kind), default=None),
        "campaigns": len({row["campaign"] for row in own["user_campaign_day"]}),
    }


def company(name: str, replies: Sequence[Mapping], today: date) -> dict:
    near = [row for row in replies if name in (row["from_user"], row["to_user"])]
    now = [row for row in near if (today - row["day"]).days < 28]
    once = [row for row in near if 28 <= (today - row["day"]).days < 56]
    return {
        "replies_given_28": sum(row["replies"] for row in now if row["from_user"] == name),
        "replies_received_28": sum(row["replies"] for row in now if row["to_user"] == name),
        "replies_received_before": sum(row["replies"] for row in once if row["to_user"] == name),
        "contacts_28": len({row[side] for row in now for side in ("from_user", "to_user")} - {name}),
    }


def invited(guests: Sequence[str], active: set[str]) -> dict:
    return {"referrals": len(guests), "referrals_active": len(active.intersection(guests))}


def taste(own: Mapping[str, Mapping]) -> dict:
    felt = {topic: row for topic, row in own.items() if row["weight"] >= 0.01}
    ranked = sorted(felt, key=lambda topic: felt[topic]["rank"])
    total = sum(row["weight"] for row in felt.values())
    parts = [row["weight"] / total for row in felt.values()]
    even = -sum(part * math.log(part) for part in parts) / math.log(len(parts)) if len(parts) > 1 else 0.0
    first, second, third, *_ = [*ranked, None, None, None]
    return {
        "topics": len(felt),
        "interest_weight": float(total),
        "top_topic": first,
        "second_topic": second,
        "third_topic": third,
        "top_share": max((row["share"] for row in felt.values()), default=None),
        "breadth": even if felt else None,
    }
