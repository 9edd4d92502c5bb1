"""A town of 240 people and 13 weeks, or larger, with everything in it, as facts: for what must be the same on every engine."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache

import made
import plain_facts
import pyarrow as pa

from helpers import facts

PEOPLE, DAYS = 240, 91
LAST_DAY = made.day(DAYS - 1)
BEGINS = datetime.combine(made.MONDAY, datetime.min.time(), plain_facts.SHANGHAI)
ROLES = {
    "active": ["view", "post", "comment", "like", "share", "pay"], "create": ["post"], "comment": ["comment"],
    "share": ["share"], "react": ["like"], "pay": ["pay"], "refund": ["refund"],
}  # fmt: skip
WEIGHTS = {"create": 3.0, "comment": 2.0, "share": 2.0, "pay": 2.0, "react": 1.0, "active": 0.5}
TOPICS = ("art", "cats", "tech", "音乐", "tea")


@cache
def town(people: int = PEOPLE, days: int = DAYS, settled: int = 3, weary: int = 0) -> dict[str, pa.Table]:
    """The facts of the log by name, and `users` and `feedback`.

    Args:
        settled: So many people are there from the first day on for each who comes some day.
        weary: Every so manyth person hardly comes in the last four weeks; 0: nobody.
    """
    log = made.backend().create_table("town", plain_facts.log(events(people, days, settled, weary)), overwrite=True)
    events_ = facts.timed(log)
    user_day = facts.user_day(events_, ROLES)
    found = {
        "user_day": user_day, "first_seen": facts.first_seen(user_day), "user_hour": facts.user_hour(events_, ROLES),
        "user_topic_day": facts.user_topic_day(events_, ROLES, WEIGHTS), "reply_day": facts.reply_day(events_, ROLES),
        "user_kind_day": facts.user_kind_day(events_, ROLES), "user_campaign_day": facts.user_campaign_day(events_),
    }  # fmt: skip
    return {name: table.to_pyarrow() for name, table in found.items()} | {
        "users": users(people, days), "feedback": feedback(people, days),
    }  # fmt: skip


def events(people: int, days: int, settled: int, weary: int) -> list[dict]:
    """The log: lives of all lengths, some of whom pay after they have come often, some change what they care for."""
    chance, rows = random.Random(11), []
    for number in range(people - 10):
        first, keen = chance.choice([*[0] * settled, chance.randrange(days)]), chance.choice([0.05, 0.2, 0.5])
        last = chance.choice([days + 3, days + 3, chance.randrange(first, days)])
        payday = chance.randrange(21, days - 7) if chance.random() < 2.5 * keen else days + 9
        tastes = chance.sample(TOPICS, 3)
        for day in range(first, last + 1):
            if weary and not number % weary and day == days - 28:
                keen /= 10
            if day == first or chance.random() < keen:
                favourite = tastes[0] if number % 3 or day < days - 28 else tastes[1]
                rows += visit(chance, f"u{number:03d}", day, [favourite, favourite, *tastes, None])
            if day >= payday and (day == payday or chance.random() < 0.08):
                rows += purchase(chance, f"u{number:03d}", day)
    return rows


def visit(chance: random.Random, user: str, day: int, topics: list) -> list[dict]:
    """Some events of one day, one or two visits of them."""
    now = BEGINS + timedelta(days=day, hours=chance.choice([7, 12, 12, 19, 22, 23]), minutes=chance.randrange(60))
    rows = []
    for _ in range(chance.choice([1, 2, 2, 4, 7])):
        event = chance.choice(["view", "view", "view", "post", "comment", "like", "share"])
        content = f"c{chance.randrange(400)}" if event != "post" else f"c{len(rows)}{user[1:]}"
        rows.append({
            "user_id": user, "ts": now.astimezone(UTC), "event": event, "topic": chance.choice(topics), "content_id": content,
            "content_kind": chance.choice([None, "post", "video", "图文"]), "duration_s": chance.choice([None, None, 7.25, 31.0]),
            "parent_id": f"c{chance.randrange(7)}{chance.randrange(PEOPLE):03d}" if event == "comment" else None,
            "campaign": chance.choice([None] * 9 + ["spring", "春"]),
        })  # fmt: skip
        now += timedelta(seconds=chance.choice([0, 20, 95, 400, 2_000]))
    return rows


def purchase(chance: random.Random, user: str, day: int) -> list[dict]:
    """A payment, and now and then the money back three days later."""
    now = BEGINS + timedelta(days=day, hours=20, minutes=chance.randrange(60))
    amount = Decimal(chance.choice(["9.9", "20", "49.95", "120.0001", "300"]))
    paid = {"user_id": user, "ts": now.astimezone(UTC), "event": "pay", "amount": amount, "topic": "tea",
            "discount": chance.choice([None, Decimal("5.5")])}  # fmt: skip
    back = paid | {"ts": paid["ts"] + timedelta(days=3), "event": "refund", "amount": -amount, "discount": None, "topic": None}
    return [paid, back] if chance.random() < 0.15 else [paid]


def users(people: int, days: int) -> pa.Table:
    """Who signed up: not everybody, some who never came, some after the last day."""
    chance, rows = random.Random(12), []
    for number in range(people):
        if chance.random() < 0.9:
            rows.append({
                "user_id": f"u{number:03d}", "channel": chance.choice([None, "ads", "friends", "search"]),
                "registered_day": chance.choice([None, *(made.day(at) for at in (-200, -3, 0, 30, days - 1, days))]),
                "city": chance.choice([None, "上海", "Oslo"]), "gender": chance.choice([None, "f", "m"]),
                "birth_year": chance.choice([None, 1850.0, 1961.0, 1991.0, 2001.0, 2010.0]),
                "referrer_id": chance.choice([None, None, "", f"u{chance.randrange(30):03d}"]),
            })  # fmt: skip
    return made.arrow("users", rows)


def feedback(people: int, days: int) -> pa.Table:
    """Answers to two questions, those of some people low."""
    chance, rows = random.Random(13), []
    for number in range(people):
        for question, highest in (("content", 5), ("recommend", 10)):
            for at in sorted({chance.randrange(days) for _ in range(chance.choice([0, 1, 3]))}):
                score = chance.randrange(1 + 2 * (number % 2), highest + 1) / chance.choice([1, 1, 3])
                rows.append({"user_id": f"u{number:03d}", "day": made.day(at), "question": question, "score": score})
    return made.arrow("feedback", rows)
