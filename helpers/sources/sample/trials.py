"""Experiments and survey answers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.sources.sample.members import Members, Visits
from helpers.sources.sample.plan import Plan

VARIANTS = ("control", "treatment")
SEVERAL_ARMS = 400  # one member of feed_order in so many is seen in both arms
REMARKS = (
    "内容很好,继续加油",
    "广告有点多",
    "希望有更多活动",
    "社区氛围不错",
    '"每日精选"很喜欢',
    "加载太慢, 经常卡住",
    "还可以",
    "= 没什么想说的",
    "",
    "",
    "",
)


def draw_assignments(
    plan: Plan, members: Members, registered: np.ndarray, visits: Visits, opening: np.ndarray
) -> pd.DataFrame:
    """First exposures: `member`, `experiment`, `arm` (0 control, 1 treatment), `t`, in order of time.

    welcome_tour is met on joining, feed_order and share_button at the first visit within their weeks of enrolment; each
    exposure comes before the first event of its visit. A few members of feed_order are in both arms.
    """
    draw = plan.draws("experiments")
    newcomers = np.flatnonzero(members.tour >= 0)
    tour = _exposures("welcome_tour", newcomers, members.tour[newcomers], registered[newcomers] + 5)
    who, t = _first_visits(visits, opening, plan.feed_weeks)
    feed = _exposures("feed_order", who, draw.integers(0, 2, len(who)), t - 3)
    twice = feed.iloc[np.sort(draw.choice(len(feed), len(feed) // SEVERAL_ARMS, replace=False))]
    twice = twice.assign(arm=1 - twice["arm"], t=twice["t"] + 7200)
    who, t = _first_visits(visits, opening, plan.button_weeks)
    button = _exposures("share_button", who, _button_arms(plan, draw, len(who)), t - 2)
    return pd.concat([tour, feed, twice, button]).sort_values(["t", "member", "experiment"], ignore_index=True)


def _exposures(experiment: str, member: np.ndarray, arm: np.ndarray, t: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"member": member, "experiment": experiment, "arm": arm, "t": t})


def _button_arms(plan: Plan, draw: np.random.Generator, n: int) -> np.ndarray:
    """Arms of share_button: the broken split is exact, whatever the seed, so that the alarm is certain."""
    if plan.null:
        return draw.integers(0, 2, n)
    return draw.permutation(np.arange(n) >= round(n * plan.broken_control_share)).astype(int)


def _first_visits(visits: Visits, opening: np.ndarray, weeks: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Each member with a visit in the weeks (first to last), and the second at which the first of them begins."""
    inside = np.flatnonzero((visits.day >= 7 * weeks[0]) & (visits.day < 7 * weeks[1] + 7))
    inside = inside[np.argsort(opening[inside], kind="stable")]
    who, first = np.unique(visits.member[inside], return_index=True)
    return who, opening[inside[first]]


def came_on(visits: Visits, member: np.ndarray, day: np.ndarray, days: int) -> np.ndarray:
    """Whether each member was active on that local day."""
    return np.isin(member * days + day, visits.member * days + visits.day)


def draw_feedback(plan: Plan, members: Members, city: np.ndarray, visits: Visits, closing: np.ndarray) -> pd.DataFrame:
    """Survey answers of about a third of the members: `member`, `t`, `question`, `score`, `comment`, `low`.

    satisfaction is 1 to 5; recommend, asked of every other one of them, is twice that, give or take 1, between 0 and 10.
    `low` marks the groups with low scores: one city, and those who joined through the worse channel from its week on.
    """
    draw = plan.draws("feedback")
    answers = draw.random(plan.members) < 0.35
    order = draw.permutation(len(visits.member))
    who, first = np.unique(visits.member[order], return_index=True)
    at = order[first[answers[who]]]
    who = who[answers[who]]
    low = (city[who] == plan.low_city) | members.worse[who]
    luck = draw.random(len(who))
    usual, poor = (np.searchsorted(np.cumsum(p), luck) + 1 for p in (plan.satisfaction, plan.low_satisfaction))
    score = np.clip(np.where(low, poor, usual), 1, 5)
    remark = np.asarray(REMARKS, dtype=object)[draw.integers(0, len(REMARKS), len(who))]
    first_question = pd.DataFrame(
        {
            "member": who,
            "t": closing[at] + 120,
            "question": "satisfaction",
            "score": score,
            "comment": remark,
            "low": low,
        }
    )
    second = first_question.iloc[::2]
    recommend = np.clip(2 * second["score"] + draw.integers(-1, 2, len(second)), 0, 10)
    second = second.assign(question="recommend", score=recommend, comment="", t=second["t"] + 15)
    return pd.concat([first_question, second]).sort_values(["t", "member", "question"], ignore_index=True)
