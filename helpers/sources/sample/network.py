"""Who invited whom, and who came back after the win-back campaign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.sources.sample.members import Members, Visits, spell_visits
from helpers.sources.sample.plan import CHANNELS, DAY, KINDS, Plan

WINBACK_CAMPAIGN = "winback_spring"


@dataclass(frozen=True)
class Winback:
    """One entry a member written to or held out: `touched_at` seconds since the first midnight, `returns` in 1 to 14 days."""

    member: np.ndarray
    touched: np.ndarray
    touched_at: np.ndarray
    returns: np.ndarray


def draw_invitations(plan: Plan, members: Members, visits: Visits) -> tuple[np.ndarray, np.ndarray]:
    """The inviter of each member (-1: none), and the visits at which an invitation was sent (one entry an invitation).

    Only creators, commenters and sharers invite, since an invitation counts as sharing; one is sent at most 14 days
    before it is taken up.
    """
    draw = plan.draws("invitations")
    able = np.flatnonzero(members.kind[visits.member] <= KINDS.index("sharer"))
    able = able[np.argsort(visits.day[able], kind="stable")]
    days = visits.day[able]
    invited = np.flatnonzero(members.channel == CHANNELS.index("referral"))
    joined = members.joined[invited]
    low, high = np.searchsorted(days, joined - 14), np.searchsorted(days, joined)
    low = np.where(low < high, low, 0)
    taken = able[low + (draw.random(len(invited)) * (high - low)).astype(int)]
    inviter = np.full(plan.members, -1)
    inviter[invited] = visits.member[taken]
    ignored = able[draw.random(len(able)) < 0.03]
    return inviter, np.sort(np.concatenate([taken, ignored]))


def tree_depth(inviter: np.ndarray) -> int:
    """The longest chain of invitations."""
    depth = np.zeros(len(inviter), dtype=int)
    for member in np.flatnonzero(inviter >= 0):  # inviters joined earlier, so their depth is known by now
        depth[member] = depth[inviter[member]] + 1
    return int(depth.max())


def draw_winback(plan: Plan, members: Members, visits: Visits) -> tuple[Winback, Visits]:
    """The campaign's contacts and the visits of those who return.

    Written to or held out are all whose last day of activity lies more than 42 days before the Monday of the campaign's week.
    """
    draw = plan.draws("winback")
    monday = 7 * plan.winback_week
    last = np.zeros(plan.members, dtype=int)
    np.maximum.at(last, visits.member, visits.day)
    gone = np.flatnonzero(last < monday - 42)
    touched = draw.random(len(gone)) >= plan.holdout_share
    touch_day = monday + draw.integers(0, 5, len(gone))
    touched_at = touch_day * DAY + draw.integers(10 * 3600, 20 * 3600, len(gone))
    returns = draw.random(len(gone)) < np.where(touched, plan.return_touched, plan.return_holdout)
    start = touch_day + draw.integers(1, 15, len(gone))
    lifetime = draw.geometric(0.5, len(gone))
    back = spell_visits(
        plan, draw, members, gone[returns], start[returns], lifetime[returns], np.full(int(returns.sum()), -1.0)
    )
    return Winback(gone, touched, touched_at, returns), back
