"""Sessions and events of the visits, and the posts and comments that they refer to."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.sources.sample.members import Members, Visits
from helpers.sources.sample.plan import (
    CHECKIN,
    COMMENT,
    CONTENT_KINDS,
    DAY,
    LIKE,
    POST,
    SHARE,
    TOPICS,
    VIEW,
    Plan,
)

# Chance of view, like, comment, post, share, check-in in an event of a creator, commenter, sharer, reactor, reader.
MIX = np.array(
    [
        [0.61, 0.15, 0.12, 0.07, 0.03, 0.02],
        [0.68, 0.16, 0.11, 0.00, 0.03, 0.02],
        [0.77, 0.14, 0.00, 0.00, 0.07, 0.02],
        [0.83, 0.15, 0.00, 0.00, 0.00, 0.02],
        [0.97, 0.00, 0.00, 0.00, 0.00, 0.03],
    ]
)
DUTY = np.array([POST, COMMENT, SHARE, LIKE])  # what a creator, commenter, sharer, reactor does at least once a week
HOURS = np.array([8, 3, 1, 1, 1, 2, 8, 18, 26, 24, 22, 24, 38, 30, 22, 21, 22, 26, 34, 46, 58, 62, 40], dtype=float)
DEFAULTS = {
    "topic": (-1, np.int8),
    "content": (-1, np.int32),
    "kind": (-1, np.int8),
    "parent": (-1, np.int32),
    "duration": (-1, np.int32),
    "fee": (-1, np.int64),
    "discount": (-1, np.int64),
    "campaign": (-1, np.int8),
}


def event_rows(member: np.ndarray, t: np.ndarray, type_: np.ndarray | int, **more: np.ndarray) -> pd.DataFrame:
    """Events as a frame of numbers: `t` seconds since the first midnight, -1 = an empty cell, the rest codes."""
    n = len(member)
    columns = {"member": member.astype(np.int32), "t": t.astype(np.int64)}
    columns["type"] = np.broadcast_to(np.asarray(type_, dtype=np.int8), (n,))
    for name, (empty, dtype) in DEFAULTS.items():
        columns[name] = more[name].astype(dtype) if name in more else np.full(n, empty, dtype=dtype)
    return pd.DataFrame(columns)


def draw_activity(plan: Plan, members: Members, visits: Visits) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Events of all visits (not yet linked to content), and the first and last second of each visit's first session."""
    draw = plan.draws("activity")
    visit, start = _sessions(draw, visits)
    size = np.minimum(draw.geometric(0.17, len(visit)), 16)
    session = np.repeat(np.arange(len(visit)), size)
    n = len(session)
    opening = np.cumsum(size) - size
    gap = np.minimum(4 + draw.exponential(65.0, n).astype(np.int64), 240)
    gap[opening] = 0
    run = np.cumsum(gap)
    t = start[session] + run - run[opening][session]
    visit_of = visit[session]
    member, week = visits.member[visit_of], visits.day[visit_of] // 7
    type_ = _types(draw, members.kind[member], visits.spell_week[visit_of])
    ahead = np.append(gap[1:], 0)
    ahead[opening + size - 1] = 1 + draw.exponential(45.0, len(visit)).astype(np.int64)
    duration = np.maximum((ahead * (0.5 + 0.45 * draw.random(n))).astype(np.int64), 1)
    events = event_rows(
        member,
        t,
        type_,
        topic=np.where(type_ == CHECKIN, -1, _topics(plan, draw, members, member, week)),
        duration=np.where(type_ == VIEW, duration, -1),
    )
    first = np.flatnonzero(np.diff(visit, prepend=-1))  # a visit's sessions stand together, its first one first
    return events, t[opening[first]], t[opening[first] + size[first] - 1]


def _sessions(draw: np.random.Generator, visits: Visits) -> tuple[np.ndarray, np.ndarray]:
    """The visit and first second of each session.

    Three visits in four are of one session, the others of one by day and one in the evening. None begins before 00:20
    or after 22:55, so that none goes over midnight.
    """
    n = len(visits.member)
    twice = draw.random(n) < 0.25
    hour = draw.choice(len(HOURS), n, p=HOURS / HOURS.sum())
    single = np.clip(hour * 3600 + draw.integers(0, 3600, n), 1200, 82_500)
    by_day = draw.integers(7 * 3600, 16 * 3600 + 1800, n)
    evening = draw.integers(18 * 3600 + 1800, 82_500, n)
    visit = np.repeat(np.arange(n), 1 + twice)
    second = np.diff(visit, prepend=-1) == 0
    start = np.where(second, evening[visit], np.where(twice, by_day, single)[visit])
    return visit, visits.day[visit] * DAY + start


def _types(draw: np.random.Generator, kind: np.ndarray, spell_week: np.ndarray) -> np.ndarray:
    """Event types by the member's kind, with at least one event of the kind's duty in each member-week."""
    luck = draw.random(len(kind))
    edges = np.cumsum(MIX, axis=1)[:, :-1].T
    type_ = np.zeros(len(kind), dtype=np.int8)
    for edge in edges:
        type_ += luck >= edge[kind]
    size = np.bincount(spell_week)
    chosen = np.cumsum(size) - size + (draw.random(len(size)) * size).astype(int)
    bound = chosen[kind[chosen] < len(DUTY)]
    type_[bound] = DUTY[kind[bound]]
    return type_


def _topics(
    plan: Plan, draw: np.random.Generator, members: Members, member: np.ndarray, week: np.ndarray
) -> np.ndarray:
    """A topic for each event: the favourite, the second, or any; fans of the fading topic turn to the rising one."""
    fading, rising = TOPICS.index(plan.fading_topic), TOPICS.index(plan.rising_topic)
    favourite = members.favourite[member]
    if plan.drifts:
        favourite = np.where((favourite == fading) & (week >= plan.drift_week), rising, favourite)
    luck = draw.random(len(member))
    other = draw.integers(0, len(TOPICS), len(member))
    topic = np.where(luck < plan.favourite_share + plan.second_share, members.second[member], other)
    return np.where(luck < plan.favourite_share, favourite, topic)


def founding_posts() -> pd.DataFrame:
    """One post a topic by the founder, five minutes after the first midnight: there is always something to look at."""
    topic = np.arange(len(TOPICS))
    return event_rows(np.zeros(len(TOPICS), dtype=int), 300 + 7 * topic, POST, topic=topic)


def bot_views(plan: Plan, draw: np.random.Generator) -> pd.DataFrame:
    """A script that looks at something every 30 seconds, day and night hours alike, for 8 days before the last two."""
    day, view = np.divmod(np.arange(8 * 1000), 1000)
    t = (plan.days - 10 + day) * DAY + 3600 + 30 * view
    topic = draw.integers(0, len(TOPICS), len(t))
    return event_rows(np.full(len(t), plan.members), t, VIEW, topic=topic, duration=np.full(len(t), 1))


def link_content(draw: np.random.Generator, events: pd.DataFrame) -> pd.DataFrame:
    """Events in order of time, with the content that they make or refer to, and the parents of comments.

    A view, like or share refers to an earlier post of its topic (a like now and then to a comment), a comment answers
    an earlier post or comment of its topic; the newer, the likelier.
    """
    events = events.iloc[np.argsort(events["t"].to_numpy(), kind="stable")].reset_index(drop=True)
    type_, topic, t = (events[name].to_numpy() for name in ("type", "topic", "t"))
    made = (type_ == POST) | (type_ == COMMENT)
    own = np.cumsum(made) - 1
    place = np.flatnonzero(made)  # content number -> row
    content = np.where(made, own, -1)
    kind = np.full(len(events), -1)
    kind[type_ == POST] = draw.integers(0, CONTENT_KINDS.index("comment"), int((type_ == POST).sum()))
    kind[type_ == COMMENT] = CONTENT_KINDS.index("comment")
    answers = (draw.random(len(events)) < 0.3) & ((type_ == COMMENT) | (type_ == LIKE))
    points = ((type_ <= COMMENT) | (type_ == SHARE)).nonzero()[0]
    target = np.full(len(events), -1)
    target[points] = _earlier(draw, t, topic, points, np.flatnonzero(type_ == POST))
    to_comment = points[answers[points]]
    found = _earlier(draw, t, topic, to_comment, np.flatnonzero(type_ == COMMENT))
    target[to_comment] = np.where(found >= 0, found, target[to_comment])
    refers = points[type_[points] != COMMENT]
    content[refers] = own[target[refers]]
    kind[refers] = kind[place[content[refers]]]
    parent = np.where(type_ == COMMENT, own[target], -1)
    given = events["kind"].to_numpy()
    return events.assign(
        content=content.astype(np.int32),
        kind=np.where(given >= 0, given, kind).astype(np.int8),
        parent=parent.astype(np.int32),
    )


def _earlier(
    draw: np.random.Generator, t: np.ndarray, topic: np.ndarray, rows: np.ndarray, pool: np.ndarray
) -> np.ndarray:
    """For each row a row of the pool with the same topic and an earlier second (-1 where there is none)."""
    span = int(t.max()) + 1
    keys = topic[pool].astype(np.int64) * span + t[pool]
    order = np.argsort(keys, kind="stable")
    keys, pool = keys[order], pool[order]
    wanted = topic[rows].astype(np.int64) * span
    low, high = np.searchsorted(keys, wanted), np.searchsorted(keys, wanted + t[rows])
    back = 1 + draw.exponential(12.0, len(rows)).astype(np.int64)
    pick = high - np.minimum(back, high - low)
    return np.where(high > low, pool[np.minimum(pick, len(pool) - 1)], -1)
