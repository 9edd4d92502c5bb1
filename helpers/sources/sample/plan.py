"""What the simulated community is like: every parameter, every planted effect, in one frozen place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from zlib import crc32

import numpy as np

LAST_DAY = date(2026, 3, 8)  # the Sunday of 2026-W10
DAY = 86_400  # seconds

KINDS = ("creator", "commenter", "sharer", "reactor", "reader")
CHANNELS = ("organic", "referral", "search", "social_ads", "partner")
TOPICS = ("摄影", "读书", "跑步", "美食", "旅行", "数码", "亲子", "理财", "电影", "短视频")
CITIES = ("上海", "北京", "广州", "深圳", "杭州", "成都", "武汉", "西安", "南京", "苏州")
EVENTS = ("view", "like", "comment", "post", "share", "checkin", "invite", "pay", "refund")
CONTENT_KINDS = ("article", "photo", "video", "question", "comment", "membership", "course", "gift")
CAMPAIGNS = ("double11", "new_year", "spring")
VIEW, LIKE, COMMENT, POST, SHARE, CHECKIN, INVITE, PAY, REFUND = range(len(EVENTS))


@dataclass(frozen=True)
class Plan:
    """The community's parameters; week numbers count from 0, the first week of the data.

    `survival` is (alpha, beta) of the beta-geometric; `worse_survival` holds for those who join through `worse_channel` in
    `worse_week` or later. Money is in fen, chances are shares between 0 and 1.
    """

    seed: int
    null: bool
    members: int
    weeks: int
    kind_shares: tuple[float, ...] = (0.08, 0.17, 0.07, 0.23, 0.45)
    channel_shares: tuple[float, ...] = (0.36, 0.20, 0.16, 0.22, 0.06)
    survival: tuple[float, float] = (0.6, 1.4)
    worse_survival: tuple[float, float] = (1.1, 0.9)
    worse_channel: str = "social_ads"
    fading_topic: str = "摄影"
    rising_topic: str = "短视频"
    drifts: bool = True
    favourite_share: float = 0.60
    second_share: float = 0.25
    conversion: float = 0.20
    repeat_chance: float = 0.15
    price_floor: int = 1900
    price_alpha: float = 1.8
    refund_chance: float = 0.05
    day7_control: float = 0.28
    day7_treatment: float = 0.38
    broken_control_share: float = 0.46
    return_holdout: float = 0.04
    return_touched: float = 0.12
    holdout_share: float = 0.30
    low_city: str = "成都"
    satisfaction: tuple[float, ...] = (0.03, 0.07, 0.20, 0.40, 0.30)
    low_satisfaction: tuple[float, ...] = (0.20, 0.25, 0.25, 0.20, 0.10)
    dirt_shares: dict[str, float] = field(  # rows for each member
        default_factory=lambda: {
            "duplicate": 0.30,
            "blank_user": 0.15,
            "bad_time": 0.04,
            "future_time": 0.006,
            "ragged": 0.02,
        }
    )

    @property
    def days(self) -> int:
        """Days of data."""
        return 7 * self.weeks

    @property
    def first_day(self) -> date:
        """The Monday on which the data begin."""
        return LAST_DAY - timedelta(days=self.days - 1)

    @property
    def worse_week(self) -> int:
        """The week from which joiners of the worse channel stay less."""
        return self.at(15)

    @property
    def drift_week(self) -> int:
        """The week from which fans of the fading topic turn to the rising one."""
        return self.at(17)

    @property
    def winback_week(self) -> int:
        """The week of the win-back touches; its 14 days of waiting end within the data."""
        return self.weeks - 3

    @property
    def tour_weeks(self) -> tuple[int, int]:
        """The first and last week whose joiners are in the experiment welcome_tour."""
        return self.at(11), self.at(22)

    @property
    def feed_weeks(self) -> tuple[int, int]:
        """The first and last week of enrolment in feed_order."""
        return self.at(18), self.at(23)

    @property
    def button_weeks(self) -> tuple[int, int]:
        """The first and last week of enrolment in share_button."""
        return self.at(10), self.at(24)

    def at(self, week: int) -> int:
        """A week of the 26-week plan, moved in proportion when there are more or fewer weeks."""
        return week * self.weeks // 26

    def day(self, offset: int) -> date:
        """The local day so many days after the first."""
        return self.first_day + timedelta(days=int(offset))

    def label(self, week: int) -> str:
        """The ISO week as text, such as 2026-W10."""
        year, number, _ = self.day(7 * week).isocalendar()
        return f"{year}-W{number:02d}"

    def draws(self, part: str) -> np.random.Generator:
        """One stream of random numbers a part, so that an effect switched off moves nothing in the other parts."""
        return np.random.default_rng([self.seed, crc32(part.encode())])


def make_plan(seed: int, null: bool, members: int, weeks: int) -> Plan:
    """The plan, with every effect switched off under `null`.

    Raises:
        ValueError: Too few members or weeks for the effects to be planted.
    """
    if members < 200 or weeks < 13:
        raise ValueError(f"the community needs at least 200 members and 13 weeks, not {members} and {weeks}")
    plan = Plan(seed=seed, null=null, members=members, weeks=weeks)
    if not null:
        return plan
    return replace(
        plan,
        worse_survival=plan.survival,
        drifts=False,
        day7_treatment=plan.day7_control,
        broken_control_share=0.5,
        return_touched=plan.return_holdout,
        low_satisfaction=plan.satisfaction,
    )


def survival_curve(parameters: tuple[float, float], weeks: int) -> np.ndarray:
    """Share alive k weeks after joining, k = 0 ... `weeks`: B(alpha, beta + k) / B(alpha, beta), 1 at k = 0."""
    alpha, beta = parameters
    steps = beta + np.arange(weeks)
    return np.concatenate([[1.0], np.cumprod(steps / (steps + alpha))])
