"""ISO weeks, cut in the dataset's zone; the only place that turns a week's name into instants."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from helpers.errors import InputError

LATEST = "latest"
_FORM = re.compile(r"(\d{4})-W(\d{2})")


@dataclass(frozen=True)
class Week:
    """An ISO week, Monday to Sunday; `monday` is None for a dataset without dates, whose only week is `undated`."""

    label: str
    monday: date | None

    @property
    def sunday(self) -> date | None:
        return self.monday + timedelta(days=6) if self.monday else None

    def earlier(self, ago: int) -> Week:
        """The week so many weeks before."""
        return of_day(self.monday - timedelta(days=7 * ago))

    def as_of(self, zone: ZoneInfo) -> datetime | None:
        """The exclusive end of the week: the Monday after it, at midnight in the zone."""
        if self.monday is None:
            return None
        return datetime.combine(self.monday + timedelta(days=7), time(), zone)

    def is_complete(self, data_until: date | None) -> bool:
        """Whether the data reach to the week's Sunday; always so for `undated`."""
        return self.monday is None or (data_until is not None and self.sunday <= data_until)


UNDATED = Week("undated", None)


def of_day(day: date) -> Week:
    """The week that holds a local day."""
    year, number, weekday = day.isocalendar()
    return Week(f"{year}-W{number:02d}", day - timedelta(days=weekday - 1))


def parse(text: str) -> Week:
    """The week of a label such as `2026-W10`.

    Raises:
        InputError: Not an ISO week; says which one was probably meant.
    """
    if text == UNDATED.label:
        return UNDATED
    found = _FORM.fullmatch(text)
    if found:
        try:
            return Week(text, date.fromisocalendar(int(found[1]), int(found[2]), 1))
        except ValueError:
            raise InputError(f"--week {text}: the year {found[1]} has no week {int(found[2])}.") from None
    raise InputError(f"--week {text}: write an ISO week such as 2026-W10, or latest.{_meant(text)}")


def _meant(text: str) -> str:
    loose = re.fullmatch(r"(\d{4})[-_ ]?[wW]?[-_ ]?(\d{1,2})", text)
    if loose and 1 <= int(loose[2]) <= 53:
        return f' Did you mean "{loose[1]}-W{int(loose[2]):02d}"?'
    try:
        return f' Did you mean "{of_day(date.fromisoformat(text)).label}"?'
    except ValueError:
        return ' Did you mean "latest"?' if text.lower() in {"last", "newest", "now", "current"} else ""


def latest(data_until: date) -> Week:
    """The last week whose Sunday the data have reached."""
    return of_day(data_until - timedelta(days=data_until.isoweekday() % 7))


def resolve(asked: str, first_day: date | None, data_until: date | None) -> Week:
    """The week that a run is about.

    Args:
        asked: An ISO week, `latest` or `undated`.
        first_day: Local day of the first event; None when the dataset has no events.
        data_until: Last local day that the data reach (inclusive); None when the dataset has no events.

    Raises:
        InputError: Not a week, a week without any data, or `latest` where no week is complete.
    """
    if data_until is None or first_day is None:
        if asked in (LATEST, UNDATED.label):
            return UNDATED
        parse(asked)
        raise InputError(f"--week {asked}: this dataset has no dated events. Leave --week away.")
    span = f"The data run from {first_day} to {data_until}"
    newest = latest(data_until)
    has_complete_week = newest.sunday >= first_day
    if asked == LATEST:
        if not has_complete_week:
            raise InputError(f"{span}, which completes no week. Name the open one: --week {of_day(data_until).label}.")
        return newest
    week = parse(asked)
    if week.monday is None:
        raise InputError(f"--week {asked}: this dataset has dated events. Write an ISO week, or latest.")
    if week.sunday < first_day or week.monday > data_until:
        hint = f"; its latest complete week is {newest.label}" if has_complete_week else ""
        raise InputError(f"--week {asked}: no data in that week. {span}{hint}.")
    return week


def day(text: str) -> date:
    """A day written as 2026-03-08.

    Raises:
        InputError: It is not; says what was written.
    """
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise InputError(f'--as-of {text}: not a day. Write it as in "2026-03-08".') from None
