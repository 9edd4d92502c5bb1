"""Portraits: one row per user, as of the end of a local day, and the tags that follow from it by rule.

Ages count whole local days: what happened on the last day is 0 days old.
"""

from __future__ import annotations

import math
from datetime import date, timedelta

import ibis
import pandas as pd

from helpers import contracts, stats

WINDOW = 28
NIGHT_HOURS = (22, 23, 0, 1, 2, 3, 4)
AGE_BANDS = ((0, "under 18"), (18, "18-24"), (25, "25-34"), (35, "35-44"), (45, "45-54"), (55, "55 and over"))
USER = ("string", "", "pseudonym of the user")

USERS = contracts.declare(
    "users",
    grain="one row per user of the users table",
    key=["user_id"],
    needs="users",
    open_columns=True,
    nullable=("registered_at", "registered_day", "channel", "referrer_id", "city", "gender", "birth_year"),
    columns={
        "user_id": USER,
        "registered_at": ("timestamp", "", "sign-up"),
        "registered_day": ("date", "", "local day of sign-up"),
        "channel": ("string", "", "channel of acquisition"),
        "referrer_id": ("string", "", "pseudonym of who invited the user"),
        "city": ("string", "", "city or region"),
        "gender": ("string", "", "as the source says"),
        "birth_year": ("float64", "year", "as the source says"),
    },
)
INTERESTS = contracts.declare(
    "interests",
    grain="one row per user and topic",
    key=["user_id", "topic"],
    needs="topics",
    columns={
        "user_id": USER,
        "topic": ("string", "", "topic as the source spells it"),
        "weight": ("float64", "weight", "decayed role weights, times the topic's rarity"),
        "share": ("float64", "share", "of the user's whole interest"),
        "rank": ("int64", "", "1 = strongest"),
    },
)
_COUNTS = {
    "active_days_28": ("active days", "local days with an active event in the last 28"),
    "events_28": ("events", "active events in the last 28 days"),
    "sessions_28": ("sessions", "sessions in the last 28 days"),
    "create_28": ("events", "contents created in the last 28 days"),
    "comment_28": ("events", "comments in the last 28 days"),
    "share_28": ("events", "shares in the last 28 days"),
    "react_28": ("events", "reactions in the last 28 days"),
    "pay_days": ("days", "days with a payment, whole history"),
    "replies_given_28": ("replies", "replies given in the last 28 days"),
    "replies_received_28": ("replies", "replies received in the last 28 days"),
    "referrals": ("people", "people whom the user invited"),
    "topics": ("topics", "topics with a decayed weight of at least 0.01"),
}
_SHARES = {
    "bounce_share": "sessions of one event, of the sessions in the last 28 days",
    "night_share": "active events between 22:00 and 05:00, whole history",
    "weekend_share": "active events on Saturday and Sunday, whole history",
    "discount_share": "discount, of gross payments before it, whole history",
    "top_share": "the strongest topic's share of the interest",
    "breadth": "evenness of the interest over its topics (entropy over its maximum)",
}
PORTRAITS = contracts.declare(
    "portraits",
    grain="one row per user, whether ever active or only signed up",
    key=["user_id"],
    needs="events",
    nullable=(
        "registered_day", "first_day", "first_active_day", "last_active_day", "first_pay_day", "last_pay_day", "tenure_days",
        "channel", "city", "gender", "age_band", "preferred_hour", "preferred_weekday", "top_topic", *_SHARES,
    ),
    columns={
        "user_id": USER,
        "registered_day": ("date", "", "local day of sign-up"),
        "first_day": ("date", "", "local day of the first event"),
        "first_active_day": ("date", "", "local day of the first active event"),
        "last_active_day": ("date", "", "local day of the last active event"),
        "first_pay_day": ("date", "", "local day of the first payment"),
        "last_pay_day": ("date", "", "local day of the last payment"),
        "tenure_days": ("int64", "days", "since sign-up or the first event, whichever came first"),
        "channel": ("string", "", "channel of acquisition"),
        "city": ("string", "", "city or region"),
        "gender": ("string", "", "as the source says"),
        "age_band": ("string", "", "by year of birth; impossible years are left out"),
        **{name: ("int64", unit, meaning) for name, (unit, meaning) in _COUNTS.items()},
        "dwell_minutes_28": ("float64", "minutes", "dwell in the last 28 days"),
        "gross": ("decimal", "currency", "payments, whole history"),
        "net": ("decimal", "currency", "payments less refunds, whole history"),
        "interest_weight": ("float64", "weight", "the whole decayed interest"),
        "preferred_hour": ("int64", "", "local hour with most active events"),
        "preferred_weekday": ("int64", "", "local weekday with most active events, 0 = Monday"),
        "top_topic": ("string", "", "strongest topic"),
        **{name: ("float64", "share", meaning) for name, meaning in _SHARES.items()},
    },
)  # fmt: skip
TAGS = contracts.declare(
    "tags",
    grain="one row per user and tag",
    key=["user_id", "tag"],
    needs="events",
    columns={
        "user_id": USER,
        "tag": ("string", "", "name of the rule"),
        "group": ("string", "", "group of the rule"),
        "version": ("int64", "", "version of the rule"),
    },
)
TAG_SIZES = contracts.declare(
    "tag_sizes",
    grain="one row per tag",
    key=["tag"],
    needs="events",
    small=True,
    columns={
        "tag": ("string", "", "name of the rule"),
        "group": ("string", "", "group of the rule"),
        "when": ("string", "", "the rule's condition"),
        "people": ("int64", "people", "people for whom it holds"),
        "of": ("int64", "people", "all people"),
        "share": ("float64", "share", "people of all people"),
    },
)


def interests(user_topic_day: ibis.Table, *, last_day: date, half_life_days: float, rarity: bool = True) -> ibis.Table:
    """Decayed interest of each user in each topic (contract `interests`).

    weight = sum over days of (role weight) x 2^(-age / half-life), age in whole local days, times the topic's rarity,
    1 + ln(people with an interest / people with this one), from the same days.
    """
    past = user_topic_day.filter(user_topic_day.day <= last_day)
    age = ibis.literal(last_day).epoch_days() - past.day.epoch_days()
    decayed = past.weight.cast("float64") * (ibis.literal(2.0) ** (-age / float(half_life_days)))
    weights = past.mutate(decayed=decayed).group_by(["user_id", "topic"]).agg(weight=ibis._.decayed.sum())
    if rarity:
        people = past.select("user_id").distinct().aggregate(everyone=ibis._.count()).as_scalar()
        fans = weights.group_by("topic").agg(fans=ibis._.count())
        joined = weights.join(fans, "topic")
        weights = joined.mutate(weight=joined.weight * (1 + (people / joined.fans).ln())).drop("fans")
    weights = weights.mutate(weight=weights.weight.round(9))
    total = weights.weight.sum().over(ibis.window(group_by="user_id"))
    order = ibis.window(group_by="user_id", order_by=[ibis.desc("weight"), "topic"])
    return weights.mutate(
        share=weights.weight / total.nullif(0), rank=(ibis.row_number().over(order) + 1).cast("int64")
    ).mutate(share=ibis._.share.fill_null(0.0))


def portraits(
    *,
    first_seen: ibis.Table,
    user_day: ibis.Table,
    user_hour: ibis.Table,
    users: ibis.Table | None,
    reply_day: ibis.Table | None,
    interests: ibis.Table | None,
    last_day: date,
) -> ibis.Table:
    """All portraits as of the end of `last_day` (contract `portraits`).

    What a dataset lacks stays empty: no users table, no attributes; no replies, none given or received.
    """
    people = _everyone(first_seen, users, last_day=last_day)
    parts = [_behaviour(user_day, last_day), _spending(user_day, last_day), _rhythm(user_hour)]
    parts += [] if reply_day is None else _replies(reply_day, last_day)
    parts += [] if users is None else [_referrals(users)]
    parts += [] if interests is None else [_tastes(interests)]
    for part in parts:
        people = people.left_join(part, "user_id").drop("user_id_right")
    return _complete(people)


def _everyone(first_seen: ibis.Table, users: ibis.Table | None, *, last_day: date) -> ibis.Table:
    seen = first_seen.select("user_id", "first_day", "first_active_day", "last_active_day", "first_pay_day")
    if users is None:
        nothing = {name: ibis.null("string") for name in ("channel", "city", "gender", "age_band")}
        people = seen.mutate(registered_day=ibis.null("date"), **nothing)
    else:
        known = users.select(
            "user_id", "registered_day", "channel", "city", "gender",
            age_band=_age_band(last_day.year - users.birth_year),
        )  # fmt: skip
        joined = known.outer_join(seen, "user_id")
        people = joined.mutate(user_id=ibis.coalesce(joined.user_id, joined.user_id_right)).drop("user_id_right")
    begun = ibis.least(
        ibis.coalesce(people.registered_day, people.first_day), ibis.coalesce(people.first_day, people.registered_day)
    )
    return people.mutate(tenure_days=(ibis.literal(last_day).epoch_days() - begun.epoch_days()).cast("int64"))


def _age_band(age: ibis.Value) -> ibis.Value:
    bounds = [floor for floor, _ in AGE_BANDS[1:]] + [111]
    branches = [((age >= low) & (age < high), label) for (low, label), high in zip(AGE_BANDS, bounds, strict=True)]
    return ibis.cases(*branches, else_=ibis.null("string"))


def _behaviour(user_day: ibis.Table, last_day: date) -> ibis.Table:
    recent = user_day.filter(user_day.day <= last_day, user_day.day > last_day - timedelta(days=WINDOW))
    return recent.group_by("user_id").agg(
        active_days_28=(recent.active > 0).sum(),
        events_28=recent.active.sum(),
        sessions_28=recent.sessions.sum(),
        create_28=recent.create.sum(),
        comment_28=recent.comment.sum(),
        share_28=recent.share.sum(),
        react_28=recent.react.sum(),
        dwell_minutes_28=recent.dwell_s.sum() / 60,
        bounce_share=recent.bounces.sum() / recent.sessions.sum().nullif(0),
    )


def _spending(user_day: ibis.Table, last_day: date) -> ibis.Table:
    past = user_day.filter(user_day.day <= last_day)
    return past.group_by("user_id").agg(
        pay_days=(past.pay > 0).sum(),
        last_pay_day=past.day.max(where=past.pay > 0),
        gross=past.gross.sum(),
        net=past.net.sum(),
        discount_share=past.discount.sum().cast("float64")
        / (past.gross.sum() + past.discount.sum()).cast("float64").nullif(0),
    )


def _rhythm(user_hour: ibis.Table) -> ibis.Table:
    hours = user_hour.mutate(
        night=ibis.ifelse(user_hour.hour.isin(NIGHT_HOURS), user_hour.events, 0),
        weekend=ibis.ifelse(user_hour.weekday >= 5, user_hour.events, 0),
    )
    whole = hours.group_by("user_id").agg(
        night_share=hours.night.sum() / hours.events.sum(), weekend_share=hours.weekend.sum() / hours.events.sum()
    )
    return whole.join(_most(user_hour, "hour"), "user_id").join(_most(user_hour, "weekday"), "user_id")


def _most(user_hour: ibis.Table, what: str) -> ibis.Table:
    """The hour or weekday with most events, the earlier one among equals."""
    counts = user_hour.group_by(["user_id", what]).agg(events=user_hour.events.sum())
    order = ibis.window(group_by="user_id", order_by=[ibis.desc("events"), what])
    first = counts.mutate(nth=ibis.row_number().over(order))
    return first.filter(first.nth == 0).select("user_id", **{f"preferred_{what}": first[what]})


def _replies(reply_day: ibis.Table, last_day: date) -> list[ibis.Table]:
    recent = reply_day.filter(reply_day.day <= last_day, reply_day.day > last_day - timedelta(days=WINDOW))
    given = recent.group_by(user_id=recent.from_user).agg(replies_given_28=recent.replies.sum())
    received = recent.group_by(user_id=recent.to_user).agg(replies_received_28=recent.replies.sum())
    return [given, received]


def _referrals(users: ibis.Table) -> ibis.Table:
    invited = users.filter(users.referrer_id.notnull() & (users.referrer_id != ""))
    return invited.group_by(user_id=invited.referrer_id).agg(referrals=invited.count())


def _tastes(interests: ibis.Table) -> ibis.Table:
    felt = interests.filter(interests.weight >= 0.01)
    entropy = -(felt.share * felt.share.ln()).sum()
    return felt.group_by("user_id").agg(
        topics=felt.count(),
        interest_weight=felt.weight.sum(),
        top_topic=felt.topic.max(where=felt["rank"] == 1),
        top_share=felt.share.max(),
        breadth=ibis.ifelse(felt.count() > 1, entropy / felt.count().cast("float64").ln(), 0.0),
    )


def _complete(people: ibis.Table) -> ibis.Table:
    """Every column of the contract: counts that are missing are 0, shares that are missing stay unknown."""
    made = {}
    for column, spec in PORTRAITS.columns.items():
        dtype = {"decimal": "decimal(38, 4)"}.get(spec.dtype, spec.dtype)
        value = people[column] if column in people.columns else ibis.null(dtype)
        if column not in PORTRAITS.nullable and column != "user_id":
            value = ibis.coalesce(value, ibis.literal(0))
        rounded = value.cast(dtype).round(9) if spec.dtype == "float64" else value.cast(dtype)
        made[column] = rounded
    return people.select(**made)


def tags(portraits: ibis.Table, rules: list[dict]) -> ibis.Table:
    """One row per user and tag whose condition holds (contract `tags`)."""
    found = []
    for rule in rules:
        holds = portraits.alias("portraits").sql(
            f"SELECT user_id FROM portraits WHERE {rule['when']}", dialect="duckdb"
        )
        found.append(
            holds.mutate(
                tag=ibis.literal(rule["name"]),
                group=ibis.literal(rule["group"]),
                version=ibis.literal(rule["version"], "int64"),
            )
        )
    return ibis.union(*found) if len(found) > 1 else found[0]


def tag_sizes(tags: ibis.Table, rules: list[dict], portraits: ibis.Table) -> pd.DataFrame:
    """Every rule with the people it holds for, the empty ones too (contract `tag_sizes`)."""
    counted = tags.group_by("tag").agg(people=ibis._.count()).to_pandas().set_index("tag")["people"]
    everyone = int(portraits.count().to_pandas())
    frame = pd.DataFrame([{"tag": rule["name"], "group": rule["group"], "when": rule["when"]} for rule in rules])
    frame["people"] = frame["tag"].map(counted).fillna(0).astype("int64")
    frame["of"] = everyone
    frame["share"] = frame["people"] / max(everyone, 1)
    return frame


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
    return _shares(shown, "people", int(counted["people"].sum()))


def topic_fans(interests: ibis.Table | None, *, top: int = 12) -> pd.DataFrame | None:
    """For each topic the people whose strongest it is: `topic`, `fans`, `of`, `share`, `low`, `high`; None without topics."""
    if interests is None:
        return None
    first = interests.filter(interests["rank"] == 1)
    counted = first.group_by("topic").agg(fans=ibis._.count()).to_pandas()
    counted = counted.sort_values(["fans", "topic"], ascending=[False, True], ignore_index=True)
    return _shares(counted.head(top), "fans", int(counted["fans"].sum()))


def habits(portraits: ibis.Table) -> pd.DataFrame:
    """Means over the people active in the last 28 days: `habit`, `mean` with its interval `low`, `high`, `people`."""
    names = ("active_days_28", "events_28", "sessions_28", "dwell_minutes_28", "create_28", "comment_28",
             "replies_given_28", "replies_received_28")  # fmt: skip
    active = portraits.filter(portraits.active_days_28 > 0)
    measures = {f"{name}__mean": active[name].mean() for name in names}
    measures |= {f"{name}__sd": active[name].cast("float64").std() for name in names}
    found = active.aggregate(people=active.count(), **measures).to_pandas().iloc[0]
    people = int(found["people"])
    frame = pd.DataFrame({"habit": [name.replace("_", " ").replace(" 28", ", 28 days") for name in names]})
    frame["mean"] = [found[f"{name}__mean"] for name in names]
    half = [1.959964 * found[f"{name}__sd"] / math.sqrt(people) if people else math.nan for name in names]
    return frame.assign(low=frame["mean"] - half, high=frame["mean"] + half, people=people)


def _shares(frame: pd.DataFrame, people: str, everyone: int) -> pd.DataFrame:
    low, high = stats.wilson(frame[people], everyone)
    return frame.assign(of=everyone, share=frame[people] / max(everyone, 1), low=low, high=high)
