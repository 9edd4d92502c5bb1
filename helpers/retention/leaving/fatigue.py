"""Fatigue: members who are active on fewer days than in their own past, by more than chance.

The active days of the last 28 are compared with those of the 56 or 84 days before. Days alone would not do: people come in
bursts, and then Fisher's test takes every lull for a fall. So it is asked twice, and the weaker answer counts: by Fisher's exact
test, and by a t-test whose spread is that of the member's own earlier weeks and spans of four weeks, as far as few weeks can
tell, and for the rest that of everybody (over what independent days would give, drawn together as variances in Smyth 2004).
"""

from __future__ import annotations

from datetime import date

import ibis
import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import contracts
from helpers.portraits import evidence
from helpers.retention.leaving.past import SPAN, WEEK, by_span

FEWEST, MOST = 2, 3  # spans of four weeks before the last one
WEEKS_LIKE, SPANS_LIKE = 12, 4  # degrees of freedom that everybody's spread counts for beside the member's own
CLEAR = 0.05
COUNTS = ("spans", "days", "before", "week_squares", "span_squares")

FATIGUE = contracts.declare(
    "fatigue",
    grain="one row per member active in the last 28 days",
    key=["user_id"],
    needs="events",
    nullable=("usual", "p", "q"),
    columns={
        "user_id": ("string", "", "pseudonym of the user"),
        "days": ("int64", "days", "active days of the last 28"),
        "spans": ("int64", "", f"whole spans of 28 days before them and after the first active day, at most {MOST}"),
        "usual": ("float64", "days", "active days in 28 of these spans; empty where there is none"),
        "p": ("float64", "", "of no fall; empty where the past is too short or too quiet for a fall to show"),
        "q": ("float64", "share", "p by Benjamini and Hochberg over all members who have one"),
        "tired": ("boolean", "", f"q is at most {CLEAR}"),
    },
)


def fatigue(first_seen: ibis.Table, user_day: ibis.Table, *, last_day: date) -> ibis.Table:
    """Every member who was active in the last 28 days, with the test of a fall (contract `fatigue`).

    Who has fewer than two whole spans of 28 days before the last one, after the first active day, is not judged; nor is who
    has so few active days in all that not even none in the last span could be told from chance. Of those called tired at most
    one in twenty is called wrongly on average.

    Args:
        last_day: The end of the last span; later days change nothing.
    """
    return judged(first_seen, by_span(user_day, last_day=last_day), last_day=last_day)


def judged(first_seen: ibis.Table, spans: ibis.Table, *, last_day: date, ago: int = 0) -> ibis.Table:
    """The same of members by spans of 28 days, as of the end of `last_day`.

    Args:
        spans: As `by_span` gives them for a day that lies so many spans (`ago`) after `last_day`.
    """
    people = _counted(first_seen, spans, last_day, ago).cache()
    kinds = people.filter(people.spans >= FEWEST).group_by(COUNTS).agg(people=ibis._.count())
    tests = ibis.memtable(_tested(kinds.to_pandas()))
    met = people.left_join(tests, COUNTS)
    usual = ibis.ifelse(met.spans > 0, met.before / met.spans.nullif(0).cast("float64"), ibis.null("float64"))
    return met.select(
        "user_id", "days", "spans", usual=usual.round(9), p=met.p, q=met.q, tired=(met.q <= CLEAR).fill_null(False)
    )


def _counted(first_seen: ibis.Table, spans: ibis.Table, last_day: date, ago: int) -> ibis.Table:
    """Members with COUNTS: the active days `before` the last 28 and sums of squares over their weeks and spans of 28 days."""
    since = ibis.literal(last_day).epoch_days() - first_seen.first_active_day.epoch_days()
    known = first_seen.select("user_id", spans=ibis.least((since / SPAN).floor().cast("int64") - 1, MOST))
    spans = spans.select("user_id", "squares", span=spans.span - ago, days=spans.active_days).filter(ibis._.days > 0)
    spans = spans.filter(spans.span >= 0, spans.span <= MOST).join(known, "user_id")
    spans = spans.filter((spans.span == 0) | (spans.span <= spans.spans))
    past = spans.span > 0
    found = spans.group_by(["user_id", "spans"]).agg(
        days=spans.days.sum(where=~past), before=spans.days.sum(where=past), week_squares=spans.squares.sum(where=past),
        span_squares=(spans.days * spans.days).sum(where=past),
    )  # fmt: skip
    counts = {name: found[name].fill_null(0).cast("int64") for name in COUNTS[1:]}
    return found.filter(found.days > 0).select("user_id", spans=ibis.greatest(found.spans, 0).cast("int64"), **counts)


def _tested(kinds: pd.DataFrame) -> pd.DataFrame:
    """The kinds of members who can be called at all, with `p` and `q`.

    The others are left out of the correction (Tarone 1990): whether a fall could show follows from the number of active days in
    all, which Fisher's test takes as given.
    """
    kinds = kinds.sort_values(list(COUNTS), ignore_index=True).astype("int64")
    p, least = falls(*(kinds[name].to_numpy() for name in COUNTS), people=kinds["people"].to_numpy())
    judged = kinds.assign(p=np.round(p, 12))[least <= CLEAR].reset_index(drop=True)
    each = np.repeat(np.arange(len(judged)), judged["people"])
    q = np.zeros(len(judged))
    q[each] = evidence.discoveries(judged["p"].to_numpy()[each])
    return judged.assign(q=np.round(q, 12)).drop(columns="people")


def falls(spans, days, before, week_squares, span_squares, *, people) -> tuple[np.ndarray, np.ndarray]:
    """p of a fall of each kind of members, and the least p that Fisher's test could give with as many active days in all.

    Args:
        spans, days, before, week_squares, span_squares: COUNTS.
        people: How many members are of the kind.
    """
    total, length = days + before, SPAN * (spans + 1)
    exact, least = (distributions.hypergeom.cdf(at, length, total, SPAN) for at in (days, 0))
    by_week = _spread(before, week_squares, WEEK, spans * (SPAN // WEEK), people, WEEKS_LIKE)
    by_span = _spread(before, span_squares, SPAN, spans, people, SPANS_LIKE)
    part = SPAN / length
    variance = total * part * (1 - part) * (length - total) / np.maximum(length - 1, 1) * np.maximum(by_week, by_span)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(variance > 0, (days - total * part) / np.sqrt(variance), 0.0)
    own = distributions.t.cdf(t, spans * (SPAN // WEEK) - 1 + WEEKS_LIKE)
    return np.maximum(exact, own), least


def _spread(total, squares, length: int, units, people, like: int) -> np.ndarray:
    """Variance of the active days of spans of so many days, over what independent days would give; at least 1.

    Own and everybody's are averaged by their degrees of freedom, everybody's counting for `like`.
    """
    mean = total / np.maximum(units, 1)
    expected = mean * (1 - mean / length)
    known = expected > 0
    chi = np.where(known, (squares - total * mean) / np.where(known, expected, 1.0), 0.0)
    degrees = np.where(known, units - 1, 0)
    everybody = max(float((chi * people).sum() / max((degrees * people).sum(), 1)), 1.0)
    return np.maximum((chi + like * everybody) / (degrees + like), 1.0)
