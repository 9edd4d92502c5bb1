"""Reshuffling: how far a person's interests would seem to move if the pages of the diary stood in any other order.

Had nothing changed, what a person did on one day could as well have been done on any other of the person's days. So whole
pages are put in random orders, the days staying where they are and what is older staying as it is, and the interests at
both instants are computed anew. A whole page moves at once, since the topics of one day hang together.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from helpers.portraits.diaries import OLDER, SPAN, Diaries, scrambled

FIRST = 199  # orders that everybody's diary is put in; what the whole community does is judged by these
LAST = 1_999  # orders after which a case that is still open is settled
ENOUGH = 10  # orders at least as far settle a case (Besag and Clifford 1991)
CELLS = 2_000_000  # numbers held at once
SAME = 1e-9  # distances that differ by less are equal
NOTHING = 1e-300  # whose logarithm, times 0, is 0
SLOTS = 64  # more than a diary has pages


class Batch(NamedTuple):
    """People with as many pages each: what is on the pages, and how much each day counts at both instants.

    Attributes:
        people: Their numbers.
        pages: People x pages x topics: the weights.
        counts: People x 2 x pages: what a weight on each day counts now and four weeks before.
        older: People x 2 x topics: what comes from before the diary.
    """

    people: np.ndarray
    pages: np.ndarray
    counts: np.ndarray
    older: np.ndarray


class Crowd(NamedTuple):
    """What a batch adds to what is known of the whole community.

    Attributes:
        community, drawn_community: As in `Reshuffled`.
        moves: Numbers of pairs of topics, each with how many changed so in all of the first orders.
    """

    community: np.ndarray
    drawn_community: np.ndarray
    moves: list[tuple[int, int]]


class Reshuffled(NamedTuple):
    """What was and what reshuffling gives: `at_least_as_far` is the p of each person (NaN for who was not tested).

    Attributes:
        shares: People x 2 x own topics: the interests now and four weeks before, adding up to 1.
        usual: The same on average over the first orders.
        distance: Jensen-Shannon distance between the two, 0 to 1.
        expected: Its mean over the first orders.
        p: How likely at least such a distance is without any drift.
        community: 2 x topics: the sum of all people's interests.
        drawn_community: Orders x 2 x topics: the same in each of the first orders.
        moves: Number of a pair of topics (first x topics + second) -> how many changed their strongest topic from the
            first to the second, on average over the first orders.
    """

    shares: np.ndarray
    usual: np.ndarray
    distance: np.ndarray
    expected: np.ndarray
    p: np.ndarray
    community: np.ndarray
    drawn_community: np.ndarray
    moves: dict[int, float]


def reshuffled(diaries: Diaries, *, half_life_days: float, tested: np.ndarray) -> Reshuffled:
    """What the diaries say and what they say in random orders.

    Args:
        tested: For each person whether to find a p, which may take many orders.
    """
    people, width, topics = len(diaries.users), diaries.names.shape[1], len(diaries.all_topics)
    found = Reshuffled(
        shares=np.zeros((people, 2, width)), usual=np.zeros((people, 2, width)), distance=np.zeros(people),
        expected=np.zeros(people), p=np.full(people, np.nan),
        community=np.zeros((2, topics)), drawn_community=np.zeros((FIRST, 2, topics)), moves={},
    )  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        crowds = pool.map(lambda batch: _of_batch(diaries, batch, found, tested), _batches(diaries, half_life_days))
        for community, drawn_community, moves in crowds:  # in their order, so that sums are the same to the last digit
            found.community[:] += community
            found.drawn_community[:] += drawn_community
            for pair, count in moves:
                found.moves[pair] = found.moves.get(pair, 0.0) + count / FIRST
    return found


def _of_batch(diaries: Diaries, batch: Batch, found: Reshuffled, tested: np.ndarray) -> Crowd:
    """Fill in what is found for the people of a batch; returns what they add to the community."""
    crowd = Crowd(np.zeros_like(found.community), np.zeros_like(found.drawn_community), [])
    shares = _interests(batch, np.arange(batch.pages.shape[1])[None, None, :])
    found.shares[batch.people, :, : batch.pages.shape[2]] = shares[:, 0]
    found.distance[batch.people] = distances(shares[:, 0])
    _add_up(crowd.community[None], shares, diaries.names[batch.people])
    drawn, wanted = _first_orders(diaries, batch, found, crowd), tested[batch.people]
    _settle(diaries.keys, _of(batch, wanted), drawn[wanted], found)
    return crowd


def _batches(diaries: Diaries, half_life_days: float) -> Iterator[Batch]:
    """People with as many pages, so many at a time as can be held at once."""
    starts = np.searchsorted(diaries.person, np.arange(len(diaries.users) + 1))
    first = 0
    while first < len(diaries.users):
        width = int(diaries.pages[first])
        last = int(np.searchsorted(diaries.pages, width, side="right"))
        topics = int(diaries.topics[first:last].max())
        last = min(last, first + max(1, CELLS // (max(2 * topics, 4 * width) * FIRST)))
        people = np.arange(first, last)
        topics = int(diaries.topics[people].max())
        rows = slice(starts[first], starts[last])
        written = np.zeros((len(people), width + 1, topics))
        written[diaries.person[rows] - first, diaries.page[rows], diaries.topic[rows]] = diaries.weight[rows]
        yield _weighed(people, written, diaries.ages[people, :width], half_life_days)
        first = last


def _weighed(people: np.ndarray, written: np.ndarray, ages: np.ndarray, half_life_days: float) -> Batch:
    """The batch; decay is counted from the newest page before each instant, so that it never vanishes."""
    newest = ages[:, -1:]
    newest_before = np.where(ages >= SPAN, ages, OLDER).min(axis=1, keepdims=True)
    now = 2.0 ** ((newest - ages) / half_life_days)
    before = np.where(ages >= SPAN, 2.0 ** (np.minimum(newest_before - ages, 0) / half_life_days), 0.0)
    sums = written[:, -1, :]  # page -1: what is older
    older = [2.0 ** ((first - OLDER) / half_life_days) * sums for first in (newest, newest_before)]
    return Batch(people, written[:, :-1, :], np.stack([now, before], axis=1), np.stack(older, axis=1))


def _of(batch: Batch, chosen: np.ndarray) -> Batch:
    return Batch(*(part[chosen] for part in batch))


def _interests(batch: Batch, order: np.ndarray) -> np.ndarray:
    """People x orders x 2 x topics: the interests with the days' counts put on the pages in the given orders."""
    people, width, topics = batch.pages.shape
    counts = np.take_along_axis(batch.counts[:, None], np.broadcast_to(order, (people, *order.shape[1:]))[:, :, None], axis=3)
    rows = counts.reshape(people, -1, width) @ batch.pages
    weights = rows.reshape(people, -1, 2, topics) + batch.older[:, None]
    return weights / weights.sum(axis=3, keepdims=True)


def distances(shares: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distance (the root of the divergence in bits, 0 to 1) of pairs of shares: ... x 2 x topics.

    Endres and Schindelin (2003) show that it is a distance.
    """
    within = _bits(shares).sum(axis=-1).mean(axis=-1)
    apart = within - _bits(shares.mean(axis=-2)).sum(axis=-1)
    return np.sqrt(np.where(apart > SAME**2, apart, 0.0))


def _bits(shares: np.ndarray) -> np.ndarray:
    return shares * np.log2(np.maximum(shares, NOTHING))


def _orders(keys: np.ndarray, width: int, first: int, last: int) -> np.ndarray:
    """People x orders x pages: the orders number `first` to `last` of each person, drawn from the person's key."""
    places = np.arange(width, dtype="uint64")
    draws = np.arange(first, last, dtype="uint64")[:, None] * np.uint64(SLOTS) + places
    luck = scrambled(keys[:, None, None] + scrambled(draws))
    return np.sort(luck & ~np.uint64(SLOTS - 1) | places, axis=2).astype("int64") & (SLOTS - 1)


def _first_orders(diaries: Diaries, batch: Batch, found: Reshuffled, crowd: Crowd) -> np.ndarray:
    """The distances of people in the first orders; what they add to the whole community is filled in."""
    shares = _interests(batch, _orders(diaries.keys[batch.people], batch.pages.shape[1], 0, FIRST))
    drawn = distances(shares)
    found.expected[batch.people] = drawn.mean(axis=1)
    found.usual[batch.people, :, : shares.shape[3]] = shares.mean(axis=1)
    names = diaries.names[batch.people]
    _add_up(crowd.drawn_community, shares, names)
    now, before = strongest(shares, names[:, None])
    pairs, counts = np.unique((before * len(diaries.all_topics) + now)[now != before], return_counts=True)
    crowd.moves.extend(zip(pairs.tolist(), counts.tolist(), strict=True))
    return drawn


def _add_up(sums: np.ndarray, shares: np.ndarray, names: np.ndarray) -> None:
    """Add people's shares (people x orders x 2 x own topics) to sums by topic (orders x 2 x topics)."""
    names = names[:, : shares.shape[3]].ravel()
    columns = np.argsort(names, kind="stable")[np.count_nonzero(names < 0) :]
    if len(columns):
        topics, starts = np.unique(names[columns], return_index=True)
        rows = shares.transpose(1, 2, 0, 3).reshape(*sums.shape[:2], -1)[:, :, columns]
        sums[:, :, topics] += np.add.reduceat(rows, starts, axis=2)


def strongest(shares: np.ndarray, names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The strongest topic now and before (the first by name among equals), of shares ... x 2 x topics."""
    best = np.rint(shares / SAME).argmax(axis=-1)
    return tuple(np.take_along_axis(names, best[..., at, None], axis=-1)[..., 0] for at in (0, 1))


def _settle(keys: np.ndarray, batch: Batch, drawn: np.ndarray, found: Reshuffled) -> None:
    """Draw orders until each case is settled: after ENOUGH at least as far, p is ENOUGH over the number drawn.

    Args:
        drawn: People x orders: the distances in the first orders.
    """
    far, done, width = np.zeros(len(batch.people), dtype="int64"), 0, batch.pages.shape[1]
    while len(batch.people):
        total = far[:, None] + (drawn >= found.distance[batch.people, None] - SAME).cumsum(axis=1)
        settled = total[:, -1] >= ENOUGH
        when = done + 1 + (total >= ENOUGH).argmax(axis=1)
        found.p[batch.people[settled]] = ENOUGH / when[settled]
        far, done, batch = total[~settled, -1], done + drawn.shape[1], _of(batch, ~settled)
        if done >= LAST or not len(batch.people):
            found.p[batch.people] = (far + 1) / (done + 1)
            return
        step = min(LAST - done, max(1, CELLS // (4 * width * max(1, len(batch.people)))))
        drawn = distances(_interests(batch, _orders(keys[batch.people], width, done, done + step)))
