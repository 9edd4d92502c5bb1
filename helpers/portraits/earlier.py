"""The portraits of several week ends at once, so that what follows from a portrait can be followed over time."""

from __future__ import annotations

from datetime import date, timedelta

import ibis

from helpers.portraits.attributes import portraits
from helpers.portraits.topics import exact_sum, interests

PEOPLE = ("user_id", "from_user", "to_user", "referrer_id")
MARK = 3  # characters in front of a user that tell the week


def earlier(
    *,
    first_seen: ibis.Table,
    user_day: ibis.Table,
    user_hour: ibis.Table,
    users: ibis.Table | None,
    reply_day: ibis.Table | None,
    user_topic_day: ibis.Table | None,
    last_day: date,
    weeks: int,
    half_life_days: float,
    **further: ibis.Table | None,
) -> ibis.Table:
    """The portraits as of `last_day` and of the same weekday in the weeks before it: `weeks_ago` and the portrait.

    A portrait knows ages, not dates. So the facts of every week are moved forward until its end lies on `last_day`, each
    week has people of its own, and all of them are portrayed in one pass.

    Args:
        weeks: How many week ends, that of `last_day` among them; at most 99.
        half_life_days: Of interests, as in `interests`.
        further: Other facts that `portraits` takes.
    """
    # Spark 4.0 takes no cast of rows that are being made, so the numbers have their type before
    ends = ibis.literal(list(range(weeks)), "array<int64>").unnest().name("weeks_ago").as_table()
    ends = ends.mutate(mark=ends.weeks_ago.cast("string").lpad(MARK - 1, "0") + "@")
    given = {"first_seen": first_seen, "user_day": user_day, "user_hour": user_hour, "reply_day": reply_day, **further}
    facts = {name: None if table is None else _moved(table, ends, last_day) for name, table in given.items()}
    tastes = None
    if user_topic_day is not None:
        oldest = last_day - timedelta(weeks=weeks - 1)
        topics = _moved(_topics(user_topic_day, oldest, half_life_days), ends, last_day)
        tastes = interests(topics, last_day=last_day, half_life_days=half_life_days, within="weeks_ago")
    if users is not None:
        users = _moved(users, ends, last_day)
        years = last_day.year - _forward(ibis.literal(last_day), -users.weeks_ago).year()
        users = users.mutate(birth_year=users.birth_year + years)
    return _apart(portraits(**facts, users=users, interests=tastes, last_day=last_day))


def _topics(user_topic_day: ibis.Table, oldest: date, half_life_days: float) -> ibis.Table:
    """What lies before the first week's end is the same for every week: a row a topic, decayed to that end."""
    old = user_topic_day.filter(user_topic_day.day <= oldest)
    age = ibis.literal(oldest).epoch_days() - old.day.epoch_days()
    decayed = old.weight.cast("float64") * (ibis.literal(2.0) ** (-age.cast("float64") / float(half_life_days)))
    old = old.mutate(decayed=decayed).group_by(["user_id", "topic"])
    old = old.agg(day=ibis.literal(oldest), weight=exact_sum(ibis._.decayed))
    recent = user_topic_day.filter(user_topic_day.day > oldest)
    return recent.select("user_id", "topic", "day", weight=recent.weight.cast("float64")).union(old)


def _moved(table: ibis.Table, ends: ibis.Table, last_day: date) -> ibis.Table:
    """The rows of every week up to its end, their days and people made those of the week."""
    rows = table.cross_join(ends)
    if "day" in table.columns:
        rows = rows.filter(rows.day.epoch_days() + 7 * rows.weeks_ago <= ibis.literal(last_day).epoch_days())
    days = {name: _forward(rows[name], rows.weeks_ago) for name, dtype in table.schema().items() if dtype.is_date()}
    people = {name: rows.mark + rows[name] for name in PEOPLE if name in table.columns}
    return rows.mutate(**days, **people)


def _forward(day: ibis.Value, weeks: ibis.Value) -> ibis.Value:
    """So many weeks later; through a time, since that is what an engine makes of a date and an interval."""
    return (day.cast("timestamp") + (7 * weeks).as_interval("D")).cast("date")


def _apart(people: ibis.Table) -> ibis.Table:
    """Week and user told apart again, and days given back."""
    week = people.user_id.substr(0, MARK - 1).cast("int64")
    days = {name: _forward(people[name], -week) for name, dtype in people.schema().items() if dtype.is_date()}
    return people.mutate(**days, weeks_ago=week, user_id=people.user_id.substr(MARK)).relocate("weeks_ago", before="user_id")
