"""The users table: the members, and those who signed up and never came."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.sources.sample.members import Members
from helpers.sources.sample.plan import CHANNELS, CITIES, DAY, Plan
from helpers.sources.sample.writing import texts, uids

PROSPECT_SHARE = 0.04
FIRST_WORDS = ("小", "大", "阿", "老", "云", "青", "白", "快乐的", "安静的", "山里的")
SECOND_WORDS = ("猫", "鱼", "树", "星", "月", "风", "米", "茶", "鹿", "舟", "年轮", "石头")
CITY_WEIGHTS = np.array([0.17, 0.16, 0.12, 0.12, 0.10, 0.09, 0.08, 0.06, 0.05, 0.05])


def draw_people(plan: Plan, members: Members, inviter: np.ndarray, registered: np.ndarray) -> pd.DataFrame:
    """One row an account, as exported: `uid,nickname,registered_at,channel,inviter,city,gender,birth_year`.

    Members come first, then the prospects, who never did anything. A known few leave city, gender or birth year empty.

    Args:
        plan: The community's parameters.
        members: The members.
        inviter: The inviter of each member, -1 for none.
        registered: The second of each member's registration since the first midnight.
    """
    draw = plan.draws("people")
    prospects = round(plan.members * PROSPECT_SHARE)
    n = plan.members + prospects
    uid = uids(n)
    late = np.sort(draw.integers(0, plan.days * DAY, prospects))
    channel = np.concatenate([members.channel, draw.choice([0, 2, 3, 4], prospects)])
    nickname = [
        f"{FIRST_WORDS[a]}{SECOND_WORDS[b]}{c}"
        for a, b, c in zip(
            draw.integers(0, len(FIRST_WORDS), n),
            draw.integers(0, len(SECOND_WORDS), n),
            draw.integers(1, 1000, n),
            strict=True,
        )
    ]
    born = draw.integers(1966, 2008, n).astype(str).astype(object)
    return pd.DataFrame(
        {
            "uid": uid,
            "nickname": nickname,
            "registered_at": texts(plan, np.concatenate([registered, late])).to_pylist(),
            "channel": np.array(CHANNELS, dtype=object)[channel],
            "inviter": np.concatenate([np.where(inviter >= 0, uid[inviter], ""), np.full(prospects, "", dtype=object)]),
            "city": np.where(
                draw.random(n) < 0.05, "", np.array(CITIES, dtype=object)[draw.choice(10, n, p=CITY_WEIGHTS)]
            ),
            "gender": draw.choice(np.array(["f", "m", ""], dtype=object), n, p=(0.50, 0.42, 0.08)),
            "birth_year": np.where(draw.random(n) < 0.10, "", born),
        }
    )
