"""Drift: whether interests moved within four weeks, for each person and for the community, and from where to where.

Only people with a topic in both of the last two spans of 28 days are compared, each with oneself. So new people with other
tastes, or people who leave, are no drift.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import ibis
import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import contracts
from helpers.errors import InputError
from helpers.portraits.diaries import SPAN, Diaries, diaries
from helpers.portraits.evidence import discoveries
from helpers.portraits.reshuffling import FIRST, SAME, Reshuffled, distances, reshuffled, strongest

LEAST_DAYS = 4  # days with a topic, in each span, of a person who is tested
FEWEST = 10  # people with any interest in a topic that is tested
FALSE_ALARMS = 0.05

DRIFT = contracts.declare(
    "drift",
    grain=f"one row per user with a topic on {LEAST_DAYS} days or more in each of the last two spans of {SPAN} days",
    key=["user_id"],
    needs="topics",
    nullable=("from_topic", "to_topic"),
    columns={
        "user_id": ("string", "", "pseudonym of the user"),
        "days": ("int64", "days", f"days with a topic in the last {2 * SPAN}"),
        "distance": ("float64", "distance", f"Jensen-Shannon distance of the interest from that of {SPAN} days before, 0 to 1"),
        "expected": ("float64", "distance", "the same on average when the user's own days are put in random orders"),
        "p": ("float64", "share", "random orders with at least such a distance"),
        "q": ("float64", "share", "p by Benjamini and Hochberg over all rows"),
        "drifted": ("boolean", "", f"whether q is at most {FALSE_ALARMS}"),
        "from_topic": ("string", "", "topic that lost most of the interest; empty when nothing moved"),
        "to_topic": ("string", "", "topic that gained most of it"),
        "lost": ("float64", "share", "of the whole interest, by the first"),
        "gained": ("float64", "share", "of the whole interest, by the second"),
    },
)
COMMUNITY_DRIFT = contracts.declare(
    "community_drift",
    grain="one row: the community at the end of the week",
    key=["last_day"],
    needs="topics",
    small=True,
    nullable=("distance", "expected", "usual_most", "p"),
    columns={
        "last_day": ("date", "", "last local day that counts"),
        "people": ("int64", "people", f"with a topic in each of the last two spans of {SPAN} days"),
        "distance": ("float64", "distance", "Jensen-Shannon distance of their mean interest from the mean of the span before"),
        "expected": ("float64", "distance", "the same on average when everybody's own days are put in random orders"),
        "usual_most": ("float64", "distance", "what 95 % of the random orders do not exceed"),
        "p": ("float64", "share", "random orders with at least such a distance"),
        "tested": ("int64", "people", "with enough days for a test of their own"),
        "drifted": ("int64", "people", "whose interest drifted"),
    },
)
TOPIC_DRIFT = contracts.declare(
    "topic_drift",
    grain="one row per topic that anybody of the compared cares for",
    key=["topic"],
    needs="topics",
    small=True,
    nullable=("low", "high", "p", "q"),
    columns={
        "topic": ("string", "", "topic as the source spells it"),
        "people": ("int64", "people", "who care for it at either instant"),
        "of": ("int64", "people", "who are compared"),
        "share": ("float64", "share", "mean share of their interest, now"),
        "before": ("float64", "share", f"the same {SPAN} days before"),
        "change": ("float64", "share", "the first less the second"),
        "expected": ("float64", "share", "the same on average when everybody's own days are put in random orders"),
        "beyond": ("float64", "share", "the change less the expected"),
        "low": ("float64", "share", "lower end of the 95 % interval of what is beyond"),
        "high": ("float64", "share", "its upper end"),
        "p": ("float64", "share", "how likely so much beyond is when people move in neither direction"),
        "q": ("float64", "share", "p by Benjamini and Hochberg over all topics"),
        "fans": ("int64", "people", "whose strongest topic it is, now"),
        "fans_before": ("int64", "people", f"the same {SPAN} days before"),
        "won": ("int64", "people", "whose strongest topic it has become"),
        "gone": ("int64", "people", "whose strongest topic it no longer is"),
    },
)
TOPIC_MOVES = contracts.declare(
    "topic_moves",
    grain="one row per pair of topics between which anybody's strongest topic changed",
    key=["from_topic", "to_topic"],
    needs="topics",
    small=True,
    columns={
        "from_topic": ("string", "", f"strongest topic {SPAN} days before"),
        "to_topic": ("string", "", "strongest topic now"),
        "people": ("int64", "people", "who moved so"),
        "expected": ("float64", "people", "who would seem to when everybody's own days are put in random orders"),
        "p": ("float64", "share", "how likely at least so many are by chance"),
        "q": ("float64", "share", "p by Benjamini and Hochberg over all pairs of topics"),
    },
)


class Drift(NamedTuple):
    """The drift of interests: `people` (contract `drift`), `community` (`community_drift`), `topics` (`topic_drift`), `moves`
    (`topic_moves`); all None without topics.
    """

    people: pd.DataFrame | None
    community: pd.DataFrame | None
    topics: pd.DataFrame | None
    moves: pd.DataFrame | None


def drifts(user_topic_day: ibis.Table | None, *, last_day: date, half_life_days: float) -> Drift:
    """Drift of interests between the end of `last_day` and 28 days before.

    Interests are those of `interests` without the rarity of topics: nobody drifts because others do. What one person's
    interests moved is judged by random orders of the person's own days, and people are called drifted so that of all who
    are, 5 % are false alarms on average (Benjamini and Hochberg 1995). A topic's change, less what random orders give, is
    judged by Student's test over the people; a flow between two topics by the flow in random orders, whose upper tail is at
    most that of a Poisson number (Hoeffding 1956). What had changed before the last 56 days and only fades in the decayed
    weights is in the random orders, too, and so is no drift any more.

    Of more than 50,000 people some 50,000 are taken; who, follows from their days.

    Args:
        user_topic_day: Contract `user_topic_day`; rows after `last_day` do not count.
        half_life_days: Days after which an event weighs half.

    Raises:
        InputError: The half-life is not above 0.
    """
    if user_topic_day is None:
        return Drift(None, None, None, None)
    if half_life_days <= 0:
        raise InputError(f"half_life_days is {half_life_days}, but an interest needs more than 0 days to weigh half.")
    kept = diaries(user_topic_day, last_day=last_day, half_life_days=half_life_days)
    tested = np.minimum(kept.pages_now, kept.pages - kept.pages_now) >= LEAST_DAYS
    found = reshuffled(kept, half_life_days=half_life_days, tested=tested)
    people = _people(kept, found, tested)
    return Drift(people, _community(found, last_day, len(kept.users), people), _topics(kept, found), _moves(kept, found))


def _people(kept: Diaries, found: Reshuffled, tested: np.ndarray) -> pd.DataFrame:
    change = (found.shares[:, 0] - found.shares[:, 1]).round(9)[tested]
    names, everyone = kept.names[tested], np.arange(len(change))
    frame = pd.DataFrame({"user_id": kept.users[tested], "days": kept.pages[tested]})
    for column in ("distance", "expected", "p"):
        frame[column] = getattr(found, column)[tested].round(9)
    frame["q"] = discoveries(found.p[tested]).round(9)
    frame["drifted"] = frame["q"] <= FALSE_ALARMS
    for topic, size, at in (("from_topic", "lost", change.argmin(axis=1)), ("to_topic", "gained", change.argmax(axis=1))):
        moved = np.abs(change[everyone, at])
        frame[topic] = np.where(moved > 0, kept.all_topics[names[everyone, at]], None)
        frame[size] = moved
    return frame[list(DRIFT.columns)].sort_values("user_id", ignore_index=True)


def _community(found: Reshuffled, last_day: date, of: int, tested: pd.DataFrame) -> pd.DataFrame:
    row = {"last_day": last_day, "people": of, **dict.fromkeys(("distance", "expected", "usual_most", "p"), np.nan)}
    row |= {"tested": len(tested), "drifted": int(tested["drifted"].sum())}
    if of:
        moved, drawn = float(distances(found.community / of)), distances(found.drawn_community / of)
        far = int((drawn >= moved - SAME).sum())
        row |= {"distance": round(moved, 9), "expected": round(float(drawn.mean()), 9), "p": (far + 1) / (len(drawn) + 1)}
        row["usual_most"] = round(float(np.quantile(drawn, 0.95, method="higher")), 9)
    return pd.DataFrame([row])


def _topics(kept: Diaries, found: Reshuffled) -> pd.DataFrame:
    """One row a topic, the largest change first."""
    of, change = len(kept.users), found.shares[:, 0] - found.shares[:, 1]
    beyond = change - (found.usual[:, 0] - found.usual[:, 1])
    caring = _by_topic(kept, found.shares.max(axis=1) > 0).astype("int64")
    frame = pd.DataFrame({"topic": kept.all_topics, "people": caring, "of": of})
    frame["share"], frame["before"] = (found.community / max(of, 1)).round(9)
    frame["change"], mean = ((_by_topic(kept, moved) / max(of, 1)).round(9) for moved in (change, beyond))
    variance = np.maximum(_by_topic(kept, beyond**2) - of * mean**2, 0) / max(of - 1, 1)
    frame["expected"], frame["beyond"] = (frame["change"] - mean).round(9), mean
    frame[["low", "high", "p"]] = _judged(mean, variance, of, caring)
    frame["q"] = discoveries(frame["p"]).round(9)
    top, top_before = strongest(found.shares, kept.names)
    moved = top != top_before
    for column, of_whom in (("fans", top), ("fans_before", top_before), ("won", top[moved]), ("gone", top_before[moved])):
        frame[column] = np.bincount(of_whom, minlength=len(frame))
    frame = frame[frame["people"] > 0][list(TOPIC_DRIFT.columns)]
    order = np.lexsort((frame["topic"], -frame["beyond"].abs()))
    return frame.iloc[order].reset_index(drop=True)


def _by_topic(kept: Diaries, values: np.ndarray) -> np.ndarray:
    """Sums by topic over all people of values, people x own topics."""
    own = kept.names >= 0
    return np.bincount(kept.names[own], weights=values[own], minlength=len(kept.all_topics))


def _judged(mean: np.ndarray, variance: np.ndarray, of: int, people: np.ndarray) -> np.ndarray:
    """Student's interval and p of the mean changes; NaN where fewer than FEWEST people care or nothing moves.

    Where most people do not care at all, the test errs on the side of no change (Efron 1969).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(np.where(variance > 0, variance, np.nan) / of)
        half = distributions.t.ppf(0.975, max(of - 1, 1)) * error
        p = 2 * distributions.t.sf(np.abs(mean) / error, max(of - 1, 1))
    judged = np.stack([mean - half, mean + half, p], axis=1).round(9)
    judged[(people < FEWEST) | (of < 2)] = np.nan
    return judged


def _moves(kept: Diaries, found: Reshuffled) -> pd.DataFrame:
    """One row a pair of topics with anybody, the surest first; all pairs count as tested."""
    topics = len(kept.all_topics)
    top, before = strongest(found.shares, kept.names)
    pairs, people = np.unique((before * topics + top)[top != before], return_counts=True)
    expected = np.array([found.moves.get(pair, 0.0) for pair in pairs.tolist()], dtype=float)
    p = distributions.poisson.sf(people - 1, np.maximum(expected, 1 / FIRST))
    tests = np.concatenate([p, np.ones(max(topics * (topics - 1) - len(p), 0))])
    frame = pd.DataFrame(
        {"from_topic": kept.all_topics[pairs // max(topics, 1)], "to_topic": kept.all_topics[pairs % max(topics, 1)],
         "people": people, "expected": expected.round(9), "p": p, "q": discoveries(tests)[: len(p)]}
    )  # fmt: skip
    return frame.sort_values(["q", "p", "from_topic", "to_topic"], ignore_index=True)
