"""Why lost: what those who were lost had oftener or less often than comparable members who stayed. An association, not a cause.

The lost are portrayed as of their last active day, so that the silence itself is no part of the portrait. Those who stayed are
portrayed as of their last active day in one of their weeks. Both are matched by week, tenure, activity and standing as a payer,
so many stayers for each of the lost; otherwise new and quiet people would be compared with old and busy ones, and one season
with another (coarsened exact matching, Iacus, King and Porro 2012).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd

from helpers import contracts
from helpers.portraits.attributes import PORTRAITS, portraits
from helpers.portraits.distinct import DISTINCTIVE, MADE_OF, distinctive
from helpers.portraits.topics import interests
from helpers.portraits.uptake import DIGESTS, is_taken

SPAN, WEEK = 28, 7
BANDS = (7, 14, 28, 56, 91, 182, 364)  # days of tenure at which the next band begins
MOST = 5  # stayers for each of the lost, at most
KEPT = 0.9  # of the lost who could be matched with one stayer who must be matched with so many
MOST_PEOPLE = 100_000  # who are portrayed; of more people so many
FEWEST = 10  # matched lost, below which nothing is said
LOST, STAYED = "lost", "stayed"
PEOPLE = ("from_user", "to_user")
# What they are matched on tells nothing; weekdays follow from which day was the last; whom they invited is not moved along.
WITHOUT = (*MADE_OF["activity"], "tenure_days", "preferred_weekday", "weekend_share", "referrals", "referrals_active")

WHY_LOST = contracts.declare(
    "why_lost",
    grain="one row per attribute and value that the lost have oftener or less often than matched stayers, best evidence first",
    key=["attribute", "level"],
    needs="events",
    small=True,
    nullable=tuple(DISTINCTIVE.nullable),
    columns={name: (spec.dtype, spec.unit, spec.meaning) for name, spec in DISTINCTIVE.columns.items()},
)
LOST_MATCHED = contracts.declare(
    "lost_matched",
    grain="one row for the lost and one for those who stayed",
    key=["side"],
    needs="events",
    small=True,
    nullable=("tenure", "tenure_matched", "active_days", "active_days_matched", "paid", "paid_matched"),
    columns={
        "side": ("string", "", f'"{LOST}" or "{STAYED}"'),
        "people": ("int64", "people", "active in the 28 days before the outcome was watched"),
        "matched": ("int64", "people", "of them those who are compared"),
        "tenure": ("float64", "days", f"mean tenure of all of them, or of the some {MOST_PEOPLE:,} who are looked at"),
        "tenure_matched": ("float64", "days", "the same of those who are compared"),
        "active_days": ("float64", "days", "mean active days in 28"),
        "active_days_matched": ("float64", "days", "the same of those who are compared"),
        "paid": ("float64", "share", "who had ever paid"),
        "paid_matched": ("float64", "share", "the same of those who are compared"),
    },
)


@dataclass(frozen=True)
class WhyLost:
    """What distinguishes the lost.

    Attributes:
        refused: Empty, or why nothing is said: "short_history" or "few".
        apart: Contract `why_lost`; no rows where refused.
        matched: Contract `lost_matched`; no rows without a history.
        watched: The last day on which somebody may have been active before the outcome was watched.
    """

    refused: str
    apart: pd.DataFrame
    matched: pd.DataFrame
    watched: date


def why_lost(
    *,
    first_seen: ibis.Table,
    user_day: ibis.Table,
    user_hour: ibis.Table,
    users: ibis.Table | None = None,
    reply_day: ibis.Table | None = None,
    user_topic_day: ibis.Table | None = None,
    user_kind_day: ibis.Table | None = None,
    user_campaign_day: ibis.Table | None = None,
    last_day: date,
    rules: Mapping,
) -> WhyLost:
    """What distinguishes those lost from comparable stayers, as of the end of `last_day`; later rows change nothing.

    Members are those who were active in four weeks that ended just so long ago that it is known of everybody whether they were
    lost: not active for longer than the rule says after the last of those days on which they were. Of more than 100,000 of them
    some 100,000 are looked at; who, follows from their days.

    Args:
        rules: `lifecycle` says after how many days of silence somebody is lost, `activity` and `payment` the tiers that are
            matched on, `interests` the half-life.
    """
    watched = last_day - timedelta(weeks=rules["lifecycle"]["lost"] // WEEK + 1)
    begins = user_day.filter(user_day.active > 0).day.min().to_pyarrow().as_py()
    if begins is None or (watched - begins).days + 1 < 2 * SPAN:
        return WhyLost("short_history", _nothing(WHY_LOST), _nothing(LOST_MATCHED), watched)
    everybody = _members(user_day.filter(user_day.day <= last_day), watched, rules["lifecycle"]["lost"]).cache()
    members = _some(everybody, first_seen).cache()
    facts = {"user_day": user_day, "user_hour": user_hour, "user_kind_day": user_kind_day, "user_campaign_day": user_campaign_day}
    moved = {name: None if table is None else _moved(table, members) for name, table in facts.items()}
    tastes = None
    if user_topic_day is not None:
        tastes = interests(_moved(user_topic_day, members), last_day=watched, half_life_days=rules["interests"]["half_life_days"])
    people = portraits(
        first_seen=_moved(first_seen, members), users=None if users is None else _moved(users, members), interests=tastes,
        reply_day=None if reply_day is None else _moved_replies(reply_day, members), last_day=watched, **moved,
    )  # fmt: skip
    people = people.join(members.select("user_id", "lost", "week"), "user_id")
    people = people.mutate(stratum=_stratum(people, rules)).cache()
    chosen = _chosen(people).cache()
    matched = _balance(everybody, people, chosen)
    if matched["matched"].min() < FEWEST:
        return WhyLost("few", _nothing(WHY_LOST), matched, watched)
    found = distinctive(chosen, chosen.filter(chosen.lost), segment=LOST, without=WITHOUT)
    return WhyLost("", found, matched, watched)


def _nothing(contract: contracts.Contract) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=object) for name in contract.columns})


def _members(user_day: ibis.Table, watched: date, longest: int) -> ibis.Table:
    """Who was active in the four weeks up to `watched`, once: `user_id`, `lost`, `week`, `ahead` (days from the last active day
    of that week to `watched`) and `digest`, a number that follows from those weeks.

    The week of the lost is their last. Which of the own weeks it is of others follows from how much they did, as good as by lot.
    """
    rows = user_day.filter(user_day.active > 0, user_day.day > watched - timedelta(days=SPAN))
    age = (ibis.literal(watched).epoch_days() - rows.day.epoch_days()).cast("int64")
    rows = rows.mutate(age=age, week=(ibis.greatest(age, 0) / WEEK).floor().cast("int64"))
    mixed = rows.age * 7919 + rows.active.cast("int64") * 104_729 + rows.dwell_s.cast("int64") * 15_485_863
    weeks = rows.mutate(mixed=mixed).filter(rows.age >= 0).group_by(["user_id", "week"]).agg(
        ahead=ibis._.age.min(), events=ibis._.active.sum(), mixed=ibis._.mixed.sum()
    )  # fmt: skip
    own = ibis.window(group_by="user_id")
    weeks = weeks.mutate(
        nth=ibis.row_number().over(ibis.window(group_by="user_id", order_by="week")), of=weeks.count().over(own),
        latest=weeks.ahead.min().over(own), events=weeks.events.sum().over(own), digest=weeks.mixed.sum().over(own) % DIGESTS,
    )  # fmt: skip
    back = rows.filter(rows.age < 0).group_by("user_id").agg(back=ibis._.age.max())
    met = weeks.left_join(back, "user_id").drop("user_id_right")
    met = met.mutate(lost=(met.latest - met.back > longest).fill_null(True))
    chosen = ibis.ifelse(met.lost, 0, (met.events % met["of"]).cast("int64"))
    return met.filter(met.nth == chosen).select("user_id", "ahead", "week", "lost", "digest")


def _some(members: ibis.Table, first_seen: ibis.Table) -> ibis.Table:
    """All of them, or some where there are too many, by the first day and by what they did."""
    there = int(members.count().to_pyarrow().as_py())
    if there <= MOST_PEOPLE:
        return members
    known = members.left_join(first_seen.select("user_id", "first_day"), "user_id").drop("user_id_right")
    begun = known.first_day.epoch_days().cast("int64").fill_null(0) * 1_299_709
    return known.filter(is_taken((known.digest + begun) % DIGESTS, there, MOST_PEOPLE)).drop("first_day")


def _moved(table: ibis.Table, members: ibis.Table) -> ibis.Table:
    """The members' rows, so many days later that the own last active day is the same for everybody."""
    rows = table.join(members.select("user_id", "ahead"), "user_id")
    days = {name: _later(rows[name], rows.ahead) for name, dtype in table.schema().items() if dtype.is_date()}
    return rows.mutate(**days).drop("ahead")


def _moved_replies(reply_day: ibis.Table, members: ibis.Table) -> ibis.Table:
    """Each reply once for who gave it and once for who received it, the other being nobody who is portrayed."""
    nobody = ibis.literal("-")
    parts = []
    for own, other in (PEOPLE, PEOPLE[::-1]):
        mine = _moved(reply_day.rename(user_id=own), members).rename(**{own: "user_id"})
        parts.append(mine.mutate(**{other: nobody + mine[other]}).select(reply_day.columns))
    return ibis.union(*parts, distinct=False)


def _later(day: ibis.Value, days: ibis.Value) -> ibis.Value:
    """Through a time, since that is what an engine makes of a date and an interval."""
    return (day.cast("timestamp") + days.as_interval("D")).cast("date")


def _stratum(people: ibis.Table, rules: Mapping) -> ibis.Value:
    """One number for the week, the band of tenure, the activity tier and whether somebody pays, has paid or never did."""
    tenure = sum(((people.tenure_days >= bound).fill_null(False).cast("int64") for bound in BANDS), ibis.literal(0, "int64"))
    limits = [rules["activity"][tier] for tier in ("medium", "high")]
    active = sum(((people.active_days_28 >= limit).cast("int64") for limit in limits), ibis.literal(0, "int64"))
    paying = (people.days_since_pay < rules["payment"]["days"]).fill_null(False).cast("int64")
    paid = (people.pay_days > 0).cast("int64")
    return ((people.week * (len(BANDS) + 1) + tenure) * 3 + active) * 3 + paying + paid


def _chosen(people: ibis.Table) -> ibis.Table:
    """The lost and so many stayers for each of the same stratum; of too many those spread evenly over what they are like.

    They are ordered by all that is compared, so that nothing depends on names: who is equal in all of it may stand for another.
    """
    sizes = people.group_by(["stratum", "lost"]).agg(people=ibis._.count()).to_pandas()
    taken = ibis.memtable(_taken(sizes))
    first, kind = ["active_days_28", "tenure_days", "events_28"], ["stratum", "lost"]
    like = [name for name in PORTRAITS.columns if name not in (*PORTRAITS.key, *first)]
    order = ibis.window(group_by=kind, order_by=[*first, *like])
    met = people.mutate(place=ibis.row_number().over(order)).join(taken, kind)
    before, after = ((met.place + step) * met.taken // met.people for step in (0, 1))
    return met.filter(after > before).drop("place", "people", "taken")


def _taken(sizes: pd.DataFrame) -> pd.DataFrame:
    """How many are `taken` of each stratum and side: as many stayers for each of the lost as nearly all of them can have."""
    wide = sizes.pivot_table(index="stratum", columns="lost", values="people", aggfunc="sum", fill_value=0)
    wide = wide.reindex(columns=[True, False], fill_value=0)
    lost, stayed = wide[True].to_numpy(), wide[False].to_numpy()
    able = {each: np.minimum(lost, stayed // each) for each in range(1, MOST + 1)}
    each = max((each for each, some in able.items() if some.sum() >= KEPT * able[1].sum()), default=1)
    parts = [
        pd.DataFrame({"stratum": wide.index, "lost": side, "people": people, "taken": able[each] * number})
        for side, people, number in ((True, lost, 1), (False, stayed, each))
    ]
    return pd.concat(parts, ignore_index=True).astype({"people": "int64", "taken": "int64", "lost": bool})


def _balance(everybody: ibis.Table, people: ibis.Table, chosen: ibis.Table) -> pd.DataFrame:
    """What they are matched on, before and after (contract `lost_matched`)."""
    counted = everybody.group_by("lost").agg(people=everybody.count()).to_pandas().set_index("lost")
    parts = []
    for table in (people, chosen):
        found = table.group_by("lost").agg(
            people=table.count(), tenure=table.tenure_days.mean(), active_days=table.active_days_28.mean(),
            paid=(table.pay_days > 0).cast("float64").mean(),
        )  # fmt: skip
        parts.append(found.to_pandas().set_index("lost").reindex([True, False]))
    measures = ["tenure", "active_days", "paid"]
    found = parts[0].join(parts[1][measures].add_suffix("_matched")).assign(matched=parts[1]["people"], side=[LOST, STAYED])
    found = found.assign(people=counted["people"]).fillna({"people": 0, "matched": 0})
    found = found.astype({"people": "int64", "matched": "int64"})
    return found.round(9)[list(LOST_MATCHED.columns)].reset_index(drop=True)
