"""How often something is called an unusual change where there is none: `python -m benchmarks.null_bands [communities]`.

Communities of the built-in kind with every effect switched off, each asked week by week what changed. What is called unusual is
a false alarm, of any of the front page's numbers or of any part of any slice, against the week before or the mean of 13.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from math import sqrt
from typing import NamedTuple

import ibis
import pandas as pd

from helpers import retention, weekly
from helpers.sources.sample.community import Community, draw_community
from helpers.sources.sample.plan import CHANNELS, DAY, KINDS, PAY, POST, REFUND, make_plan

COMMUNITIES, MEMBERS, WEEKS = 20, 2500, 26
FIRST = 9  # the first week, from 0, in which anything has a usual band
MOST = 0.05
SLICES = {"channel": CHANNELS, "kind": KINDS}
HAS = {"paid": True, "creates": True}


class Alarms(NamedTuple):
    """Community-weeks that were judged; in how many of them anything was called unusual, a number of the front page was, or a
    part was; and how many of all these were since the win-back, when some who were lost do come again, touched or not.
    """

    weeks: int
    anything: int
    numbers: int
    parts: int
    since_winback: int

    @property
    def most(self) -> float:
        """The largest share of weeks that chance leaves to a rate of 5 %: two standard errors above it."""
        return MOST + 2 * sqrt(MOST * (1 - MOST) / self.weeks)


def facts(community: Community) -> tuple[ibis.Table, ibis.Table, dict[str, ibis.Table]]:
    """`first_seen`, `user_day` and the slices of a drawn community, as far as changes need them."""
    plan, events = community.plan, community.events[community.events["member"] >= 0]
    day, paid = events["t"] // DAY, events["type"].isin([PAY, REFUND])
    sign = events["type"].map({PAY: 1, REFUND: -1}).fillna(0).astype(int)
    own = pd.DataFrame({
        "user_id": events["member"], "at": day, "active": (events["type"] != REFUND).astype(int), "pay": (events["type"] == PAY),
        "create": (events["type"] == POST).astype(int), "refund": events["type"] == REFUND,
        "fen": events["fee"].where(paid, 0) * sign,
    })  # fmt: skip
    days = own[own["at"] < plan.days].groupby(["user_id", "at"], as_index=False).sum()
    days["day"] = [plan.day(at) for at in days.pop("at")]
    days["net"] = [Decimal(int(fen)) / 100 for fen in days.pop("fen")]
    days = days.astype({"pay": int, "refund": int})
    first = days[days["active"] > 0].groupby("user_id", as_index=False)["day"].min()
    tables = {"first_seen": first.rename(columns={"day": "first_active_day"}), "user_day": days}
    for name, names in SLICES.items():
        values = [names[at] for at in getattr(community.members, name)]
        tables[name] = pd.DataFrame({"user_id": range(plan.members), "value": values})
    backend = ibis.duckdb.connect()
    made = {name: backend.create_table(name, ibis.memtable(table)) for name, table in tables.items()}
    return made.pop("first_seen"), made.pop("user_day"), made


def alarms_of(community: Community) -> Alarms:
    """What is called unusual in each week of one community."""
    first_seen, user_day, slices = facts(community)
    plan, found = community.plan, Alarms(0, 0, 0, 0, 0)
    end = {"last_day": plan.day(plan.days - 1)}
    user_weeks = retention.user_weeks(first_seen, user_day).cache()
    weeks, totals = retention.slice_weeks(first_seen, user_weeks, slices, **end), weekly.weeks(user_weeks)
    growth = retention.growth(retention.presence_day(user_day, **end), **end)
    for week in range(FIRST, plan.weeks):
        last_day = plan.day(7 * week + 6)
        past, *known = (table[table["week"] <= pd.Timestamp(last_day)] for table in (weeks, totals, growth))
        steps = retention.steps(first_seen, user_weeks, slices, last_day=last_day)
        changes = retention.changes(past, steps, paid=True, watched=weekly.watched(**HAS))
        usual = retention.usual_weeks(past, paid=True, watched=weekly.watched(**HAS))
        cube = retention.cohort_cube(user_day.filter(user_day.day <= last_day), last_day=last_day)
        numbers = bool(weekly.kpis(*known, cube, changes, usual, last_day=last_day, **HAS)["clear"].any())
        parts = bool((changes["clear"] & (changes["part"] != "change")).any())
        now = (1, numbers or parts, numbers, parts, (numbers or parts) and week >= plan.winback_week)
        found = Alarms(*(total + one for total, one in zip(found, now, strict=True)))
    return found


def main(communities: int = COMMUNITIES) -> int:
    """Print the rates of false alarms; 1 when they are above 5 % of weeks by more than two standard errors."""
    found = Alarms(0, 0, 0, 0, 0)
    for seed in range(1, communities + 1):
        own = alarms_of(draw_community(make_plan(seed, True, MEMBERS, WEEKS)))
        found = Alarms(*(total + one for total, one in zip(found, own, strict=True)))
    print(f"{communities} communities of {MEMBERS:,} without any effect, {found.weeks} weeks: what is called an unusual change")
    told = {"a number of the front page": found.numbers, "a slice's part": found.parts, "since the win-back": found.since_winback}
    for name, count in told.items():
        print(f"  {name:<28}{count / found.weeks:8.3f} of weeks")
    rate = found.anything / found.weeks
    print(f"  {rate:.3f} of weeks in all, at most {found.most:.3f}{': MISSED' if rate > found.most else ''}", flush=True)
    return int(rate > found.most)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
