"""The portraits of several week ends at once, so that what follows from a portrait can be followed over time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import ibis

from helpers.portraits import families
from helpers.portraits.attributes import PORTRAITS, portrayed
from helpers.portraits.tag_states import columns_of, texts_of
from helpers.portraits.topics import exact_sum, interests
from helpers.portraits.totals import Totals, of_rows

PEOPLE = ("user_id", "from_user", "to_user", "referrer_id")
MARK = 3  # characters in front of a user that tell the week
NEAR = 2 * families.WEEKS  # weeks of which a portrait tells one from the other; what is older is taken together
PREFERRED = {"preferred_hour", "preferred_weekday"}
ADDED = {*families.SUMS, "active_days", "pay_days", "last_active_day", "last_pay_day", "events", "replies"}
NIGHT, NOON = families.NIGHT_HOURS[0], 12


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
    user_kind_day: ibis.Table | None = None,
    user_campaign_day: ibis.Table | None = None,
    rules: list[dict] | None = None,
    totals: Totals = of_rows,
) -> ibis.Table:
    """The portraits as of `last_day` and of the same weekday in the weeks before it: `weeks_ago` and the portrait.

    A portrait knows ages, not dates. So the facts of every week are moved forward until its end lies on `last_day`, each
    week has people of its own, and all of them are portrayed in one pass. All windows are of whole weeks, so that days of
    one week may be taken together before. A single end is portrayed as it stands, which takes half as long.

    Args:
        weeks: How many week ends, that of `last_day` among them; at most 99.
        half_life_days: Of interests, as in `interests`.
        rules: Of the portrait only the columns that stand in the conditions of these; without them all.
        totals: How the days of a whole history are added up for a single end.
    """
    asked = None if rules is None else set(columns_of(texts_of(rules), PORTRAITS.columns))
    facts = {
        "first_seen": first_seen, "days": families.counted(user_day), "reply_day": reply_day, "user_kind_day": user_kind_day,
        "user_hour": user_hour, "user_campaign_day": user_campaign_day,
    }  # fmt: skip
    given = {"users": users, "user_topic_day": user_topic_day, "last_day": last_day, "half_life_days": half_life_days}
    if weeks == 1:
        found = _of_one(facts, **given, totals=totals)
    else:
        if asked is not None and not asked & PREFERRED:
            facts["user_hour"] = _night_and_weekend(user_hour)
        found = _of_several(facts, **given, weeks=weeks)
    return found if asked is None else found.select("weeks_ago", "user_id", *(name for name in found.columns if name in asked))


def _of_one(
    facts: Mapping[str, ibis.Table | None], users: ibis.Table | None, user_topic_day: ibis.Table | None,
    *, last_day: date, half_life_days: float, totals: Totals,
) -> ibis.Table:  # fmt: skip
    tastes = None
    if user_topic_day is not None:
        tastes = interests(user_topic_day, last_day=last_day, half_life_days=half_life_days, totals=totals)
    found = portrayed(**facts, users=users, interests=tastes, last_day=last_day, totals=totals)
    return found.mutate(weeks_ago=ibis.literal(0, "int64")).relocate("weeks_ago", before="user_id")


def _of_several(
    facts: Mapping[str, ibis.Table | None], users: ibis.Table | None, user_topic_day: ibis.Table | None,
    *, last_day: date, weeks: int, half_life_days: float,
) -> ibis.Table:  # fmt: skip
    # Spark 4.0 takes no cast of rows that are being made, so the numbers have their type before
    ends = ibis.literal(list(range(weeks)), "array<int64>").unnest().name("weeks_ago").as_table()
    ends = ends.mutate(mark=ends.weeks_ago.cast("string").lpad(MARK - 1, "0") + "@")
    whole = {"user_hour", "user_campaign_day"}  # of which a portrait knows no last days
    own = {}
    for name, table in facts.items():
        if table is not None and name != "first_seen":
            table = _by_week(table, last_day=last_day, most=weeks - 1 + (0 if name in whole else NEAR))
        own[name] = None if table is None else _moved(table, ends, last_day)
    tastes = None
    if user_topic_day is not None:
        oldest = last_day - timedelta(weeks=weeks - 1)
        topics = _moved(_topics(user_topic_day, oldest, half_life_days), ends, last_day)
        tastes = interests(topics, last_day=last_day, half_life_days=half_life_days, within="weeks_ago")
    users = None if users is None else _aged(_moved(users, ends, last_day), last_day)
    return _apart(portrayed(**own, users=users, interests=tastes, last_day=last_day))


def _by_week(table: ibis.Table, *, last_day: date, most: int) -> ibis.Table:
    """The days of a week taken together on its last day, and all that lie more than `most` weeks back on one."""
    past = table.filter(table.day <= last_day)
    ago = (ibis.literal(last_day).epoch_days() - past.day.epoch_days()).cast("int64") // 7
    past = past.mutate(ago=ibis.least(ago, ibis.literal(most, "int64")))
    types = {name: dtype for name, dtype in table.schema().items() if name != "day"}
    added = {name: dtype for name, dtype in types.items() if name in ADDED}
    made = {name: past[name].max() if dtype.is_date() else past[name].sum().cast(dtype) for name, dtype in added.items()}
    found = past.group_by([name for name in (*types, "ago") if name not in added]).agg(**made)
    return found.mutate(day=_forward(ibis.literal(last_day), -found.ago)).drop("ago")


def _night_and_weekend(user_hour: ibis.Table) -> ibis.Table:
    """One hour for the night and one for the rest, likewise one weekday: enough to know how much falls into either."""
    night, weekend = user_hour.hour.isin(families.NIGHT_HOURS), user_hour.weekday >= families.SATURDAY
    hour, weekday = night.ifelse(NIGHT, NOON).cast("int64"), weekend.ifelse(families.SATURDAY, 0).cast("int64")
    return user_hour.mutate(hour=hour, weekday=weekday)


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


def _aged(users: ibis.Table, last_day: date) -> ibis.Table:
    """Years of birth such that on `last_day` people are as old as they were in their week."""
    years = last_day.year - _forward(ibis.literal(last_day), -users.weeks_ago).year()
    return users.mutate(birth_year=users.birth_year + years)


def _forward(day: ibis.Value, weeks: ibis.Value) -> ibis.Value:
    """So many weeks later; through a time, since that is what an engine makes of a date and an interval."""
    return (day.cast("timestamp") + (7 * weeks).as_interval("D")).cast("date")


def _apart(people: ibis.Table) -> ibis.Table:
    """Week and user told apart again, and days given back."""
    week = people.user_id.substr(0, MARK - 1).cast("int64")
    days = {name: _forward(people[name], -week) for name, dtype in people.schema().items() if dtype.is_date()}
    return people.mutate(**days, weeks_ago=week, user_id=people.user_id.substr(MARK)).relocate("weeks_ago", before="user_id")
