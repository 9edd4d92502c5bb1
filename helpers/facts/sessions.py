"""Sessions: made of active events, ended by a gap of over 30 minutes (an equal gap does not end it) or after 24 hours.

A session is counted on the day on which it starts, and the dwell of a gap on the day on which the gap begins, so that midnight
neither breaks a session nor loses a second. A bounce is a session of one event.
"""

from __future__ import annotations

import ibis

TIMEOUT_S = 30 * 60
LONGEST_SESSION_S = 24 * 60 * 60
SECOND = 1_000_000
LAST_HOUR = 23  # of the day: what still goes on at its end has an event in it


def sessions(events: ibis.Table, *, timeout_s: int = TIMEOUT_S) -> ibis.Table:
    """Events with `starts` (this event opens a session), `single` (and is alone in it), `dwell` (microseconds that follow it)
    and `first` (the instant at which its session began).

    Sessions that the source names (`session_id`) are told apart, and the same rules hold within each.
    """
    named = events.mutate(named=ibis.coalesce(events.session_id, ""), lasts=ibis.coalesce(events.duration_s, 0.0))
    return cut(named, ["user_id", "named"], timeout_s=timeout_s)


def cut(events: ibis.Table, apart: list[str], *, timeout_s: int = TIMEOUT_S) -> ibis.Table:
    """The same, for events with `lasts` (seconds) whose sessions some columns tell apart.

    Where there is a column `since` and it is not null, the event ended a session that began at that instant, and stands for all
    of it: so does what went on at the end of the day before (`going_on`).
    """
    order = {"group_by": apart, "order_by": ["moment", "lasts"]}
    window = ibis.window(**order)
    near = events.mutate(before=events.moment.lag().over(window), after=events.moment.lead().over(window))
    marked = near.mutate(
        opens=near.before.isnull() | (near.moment - near.before > timeout_s * SECOND),
        closes=near.after.isnull() | (near.after - near.moment > timeout_s * SECOND),
    )
    began = ibis.coalesce(marked.since, marked.moment) if "since" in marked.columns else marked.moment
    first = ibis.ifelse(marked.opens, began, ibis.null("int64")).max().over(ibis.window(**order, rows=(None, 0)))
    return _cut_after_a_day(marked.mutate(first=first))


def _cut_after_a_day(cut: ibis.Table) -> ibis.Table:
    """End what has run for 24 hours since its first event, and again after each further 24 hours."""
    long = LONGEST_SESSION_S * SECOND
    part = (cut.moment - cut["first"]) // long
    starts = cut.opens | (part != (cut.before - cut["first"]) // long)
    ends = cut.closes | (part != (cut.after - cut["first"]) // long)
    last = (cut.lasts.clip(lower=0, upper=LONGEST_SESSION_S) * SECOND).floor().cast("int64")
    return cut.mutate(starts=starts, single=starts & ends, dwell=ibis.ifelse(ends, last, cut.after - cut.moment))


def going_on(found: ibis.Table) -> ibis.Table:
    """Sessions that may go on after midnight: by user, name and day their last event and when they began.

    Args:
        found: As `sessions` gives it, with `hour`.
    """
    late = found.filter(found.hour == LAST_HOUR)
    return late.group_by(["user_id", "named", "day"]).agg(moment=late.moment.max(), since=late["first"].max())
