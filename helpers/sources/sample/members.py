"""Who joins, when, how, what they are like, how long they stay and on which days they come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.sources.sample.plan import CHANNELS, KINDS, TOPICS, Plan, survival_curve

WEEKDAY = np.array([0.95, 0.92, 0.93, 0.95, 1.00, 1.15, 1.10])  # Monday first: more people come at the weekend


@dataclass(frozen=True)
class Members:
    """One entry a member, in order of joining (the member's number is its place).

    `joined` local day; `kind`, `channel`, `favourite`, `second` codes into the plan's lists; `lifetime` weeks alive
    (1 = the week of joining only); `energy` chance of coming on a day; `tour` arm of welcome_tour (0, 1, or -1 for not in
    it); `worse` whether it joined through the worse channel from its week on.
    """

    joined: np.ndarray
    kind: np.ndarray
    channel: np.ndarray
    favourite: np.ndarray
    second: np.ndarray
    lifetime: np.ndarray
    energy: np.ndarray
    tour: np.ndarray
    worse: np.ndarray


@dataclass(frozen=True)
class Visits:
    """One entry a member and local day of activity, in order of member-week and day.

    `spell_week` numbers the member-weeks of these visits from 0, in order.
    """

    member: np.ndarray
    day: np.ndarray
    spell_week: np.ndarray

    def join(self, other: Visits) -> Visits:
        """These visits, then the others, member-weeks numbered on."""
        after = self.spell_week[-1] + 1
        return Visits(
            np.concatenate([self.member, other.member]),
            np.concatenate([self.day, other.day]),
            np.concatenate([self.spell_week, other.spell_week + after]),
        )


def draw_members(plan: Plan) -> Members:
    """All members; number 0 is the founder, a creator who opens one thread a topic on the first day."""
    draw = plan.draws("members")
    n = plan.members
    joined = _joining_days(plan, draw)
    joined[0] = 0
    kind = draw.choice(len(KINDS), n, p=plan.kind_shares)
    kind[0] = KINDS.index("creator")
    channel = draw.choice(len(CHANNELS), n, p=plan.channel_shares)
    # Nobody can have been invited before there was anybody to invite.
    channel[(channel == CHANNELS.index("referral")) & (joined < 7)] = CHANNELS.index("organic")
    favourite, second = _tastes(draw, n)
    worse = (channel == CHANNELS.index(plan.worse_channel)) & (joined // 7 >= plan.worse_week)
    chance = draw.random(n)
    usual, poor = (survival_curve(p, plan.weeks) for p in (plan.survival, plan.worse_survival))
    lifetime = np.where(worse, np.searchsorted(-poor, -chance), np.searchsorted(-usual, -chance))
    first, last = plan.tour_weeks
    in_tour = (joined // 7 >= first) & (joined // 7 <= last)
    tour = np.where(in_tour, draw.integers(0, 2, n), -1)
    energy = np.clip(draw.beta(1.3, 2.3, n), 0.02, 0.85)
    return Members(joined, kind, channel, favourite, second, lifetime, energy, tour, worse)


def _joining_days(plan: Plan, draw: np.random.Generator) -> np.ndarray:
    """Local days of joining in rising order: a crowd in the first week, then slowly fewer."""
    weight = np.linspace(1.3, 0.7, plan.weeks)
    weight[0] = 5.0
    weeks = draw.choice(plan.weeks, plan.members, p=weight / weight.sum())
    return np.sort(7 * weeks + draw.choice(7, plan.members, p=WEEKDAY / WEEKDAY.sum()))


def _tastes(draw: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A favourite and a different second topic for each; the last topic is nobody's favourite at first."""
    old = len(TOPICS) - 1
    popular = np.linspace(1.6, 0.6, old)
    favourite = draw.choice(old, n, p=popular / popular.sum())
    return favourite, (favourite + draw.integers(1, old, n)) % old


def joining_visits(plan: Plan, members: Members) -> Visits:
    """The visits between joining and leaving."""
    everyone = np.arange(plan.members)
    day7 = np.where(members.tour == 1, plan.day7_treatment, plan.day7_control)
    # The chance is set so that, the share still alive in the next week included, day-7 return is exactly as planned.
    week1 = np.where(members.worse, survival_curve(plan.worse_survival, 1)[1], survival_curve(plan.survival, 1)[1])
    chance = np.where(members.tour >= 0, day7 / week1, -1.0)
    return spell_visits(plan, plan.draws("visits"), members, everyone, members.joined, members.lifetime, chance)


def spell_visits(
    plan: Plan,
    draw: np.random.Generator,
    members: Members,
    who: np.ndarray,
    start: np.ndarray,
    lifetime: np.ndarray,
    day7: np.ndarray,
) -> Visits:
    """Days of activity in spells: at least one in each ISO week of the spell, and the first day always.

    Args:
        plan: The community's parameters.
        draw: The stream of random numbers.
        members: Of whom `energy` sets how often they come.
        who: The member of each spell.
        start: The spell's first local day.
        lifetime: ISO weeks that the spell touches; those after the data are cut off.
        day7: The chance of coming 7 days after the start, given that the spell touches that week; -1 = as on other days.
    """
    weeks = np.minimum(lifetime, plan.weeks - start // 7)
    spell = np.repeat(np.arange(len(who)), weeks)
    age = np.arange(len(spell)) - np.repeat(np.cumsum(weeks) - weeks, weeks)
    week = start[spell] // 7 + age
    weekday = start[spell] % 7
    chance = members.energy[who[spell], None] * WEEKDAY / WEEKDAY.max()
    luck = draw.random((len(spell), 7))
    keen = luck / chance  # below 1: comes; the smallest is the day on which one comes if one would not have come at all
    first = age == 0
    keen[first[:, None] & (np.arange(7) < weekday[:, None])] = np.inf
    keen[np.flatnonzero(first), weekday[first]] = 0.0
    watched = np.flatnonzero((age == 1) & (day7[spell] >= 0))
    returns = draw.random(len(spell))[watched] < day7[spell[watched]]
    keen[watched, weekday[watched]] = np.where(returns, 0.0, np.inf)
    keen[np.arange(len(spell)), keen.argmin(axis=1)] = 0.0
    row, day = np.nonzero(keen < 1.0)
    return Visits(who[spell[row]], 7 * week[row] + day, row)
