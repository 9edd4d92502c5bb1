"""When the clocks of a zone change: local times that never were, and local times that were twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

FIRST, LAST = datetime(2000, 1, 1), datetime(2040, 1, 1)
STEP = timedelta(days=5)  # no zone has changed its clocks twice within so few
MINUTE = timedelta(minutes=1)


@cache
def changes(zone: str) -> tuple[tuple[datetime, datetime], ...]:
    """Local times from (inclusive) and to (exclusive), oldest first, which a clock of the zone leaves out or strikes twice."""
    place, found, at = ZoneInfo(zone), [], FIRST
    while at < LAST:
        then = at + STEP
        if _offset(at, place) != _offset(then, place):
            last = _last_before_the_change(at, then, place)
            by = _offset(then, place) - _offset(last, place)
            turn = last + MINUTE
            found.append((turn - abs(by), turn))
        at = then
    return tuple(found)


def _offset(local: datetime, zone: ZoneInfo) -> timedelta:
    return local.replace(tzinfo=zone).utcoffset()


def _last_before_the_change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The last local minute with the old offset."""
    old = _offset(low, zone)
    while high - low > MINUTE:
        middle = low + (high - low) // (2 * MINUTE) * MINUTE
        low, high = (middle, high) if _offset(middle, zone) == old else (low, middle)
    return low
