"""Payments with campaigns, discounts and refunds; what the channels cost."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from helpers.sources.sample.activity import event_rows
from helpers.sources.sample.members import Members, Visits
from helpers.sources.sample.plan import CHANNELS, CONTENT_KINDS, DAY, PAY, REFUND, Plan

CAMPAIGN_DAYS = (
    (date(2025, 11, 1), date(2025, 11, 11)),
    (date(2025, 12, 25), date(2026, 1, 3)),
    (date(2026, 2, 10), date(2026, 2, 20)),
)
COST_PER_JOINER = {"social_ads": 38.0, "search": 22.0, "partner": 15.0}  # CNY


def draw_payments(plan: Plan, visits: Visits, closing: np.ndarray) -> pd.DataFrame:
    """Payments, each 20 to 90 seconds after the first session of a visit, and their refunds.

    Members convert with the planned chance, whoever they are: the first payment falls on one of their visits, rather an early
    one; each visit after it brings another payment with `repeat_chance`. The list price is Pareto; `fee` is what was paid,
    `discount` what was taken off the list price. A refund returns the whole fee whole days later.
    """
    draw = plan.draws("payments")
    order = np.lexsort((visits.day, visits.member))
    member = visits.member[order]
    size = np.bincount(member, minlength=plan.members)
    rank = np.arange(len(order)) - (np.cumsum(size) - size)[member]
    converts = draw.random(plan.members) < plan.conversion
    first = (size * draw.random(plan.members) ** 2).astype(int)
    again = draw.random(len(order)) < plan.repeat_chance
    pays = converts[member] & ((rank == first[member]) | ((rank > first[member]) & again))
    paid_at = order[pays]
    n = len(paid_at)
    price = np.floor(plan.price_floor * (1 - draw.random(n)) ** (-1 / plan.price_alpha)).astype(np.int64)
    campaign, off = _campaigns(plan, draw, visits.day[paid_at])
    discount = (price * off).astype(np.int64)
    product = CONTENT_KINDS.index("membership") + draw.choice(3, n, p=(0.5, 0.3, 0.2))
    payments = event_rows(
        visits.member[paid_at],
        closing[paid_at] + draw.integers(20, 90, n),
        PAY,
        kind=product,
        fee=price - discount,
        discount=discount,
        campaign=campaign,
    )
    return pd.concat([payments, _refunds(plan, draw, payments)], ignore_index=True)


def _campaigns(plan: Plan, draw: np.random.Generator, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The campaign of each payment (-1: none) and the share taken off: 20 % in a campaign, else 10 % now and then."""
    luck = draw.random(len(day))
    campaign = np.full(len(day), -1)
    for code, (first, last) in enumerate(CAMPAIGN_DAYS):
        inside = (day >= (first - plan.first_day).days) & (day <= (last - plan.first_day).days)
        campaign[inside & (luck < 0.6)] = code
    return campaign, np.where(campaign >= 0, 0.20, np.where(luck > 0.92, 0.10, 0.0))


def _refunds(plan: Plan, draw: np.random.Generator, payments: pd.DataFrame) -> pd.DataFrame:
    """Full refunds one to seven days later; those after the last day are not in the data."""
    back = payments[draw.random(len(payments)) < plan.refund_chance]
    t = back["t"].to_numpy() + draw.integers(1, 8, len(back)) * DAY
    refunds = event_rows(back["member"].to_numpy(), t, REFUND, kind=back["kind"].to_numpy(), fee=back["fee"].to_numpy())
    # Two refunds of one member in the same second might come out as an exact duplicate, which only the dirt may be.
    return refunds[refunds["t"] < plan.days * DAY].drop_duplicates(["member", "t"])


def draw_spend(plan: Plan, members: Members) -> pd.DataFrame:
    """Cost of each paid channel on each day in CNY: the day's joiners times the channel's cost of one, give or take a fifth."""
    draw = plan.draws("spend")
    frames = []
    for channel, each in COST_PER_JOINER.items():
        joined = members.joined[members.channel == CHANNELS.index(channel)]
        count = np.bincount(joined, minlength=plan.days)
        cost = (count + 0.5) * each * draw.uniform(0.8, 1.2, plan.days)
        days = [plan.day(offset).isoformat() for offset in range(plan.days)]
        frames.append(pd.DataFrame({"day": days, "channel": channel, "cost": np.round(cost, 2)}))
    return pd.concat(frames).sort_values(["day", "channel"], ignore_index=True)
