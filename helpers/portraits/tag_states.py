"""Who carries which tag, and since when: rules held against the portraits of several weeks, so that tags do not flicker."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta
from functools import reduce
from operator import or_
from typing import NamedTuple

import ibis

from helpers import contracts
from helpers.errors import InputError

BITS = 62  # of a whole number, that weeks can stand in
TAG_STATES = contracts.declare(
    "tag_states",
    grain="one row per user and tag that is carried now or was a week ago",
    key=["user_id", "tag"],
    needs="events",
    nullable=("since",),
    columns={
        "user_id": ("string", "", "pseudonym of the user"),
        "tag": ("string", "", "name of the rule"),
        "now": ("boolean", "", "carried at the end of the week"),
        "before": ("boolean", "", "carried a week before"),
        "kept": ("boolean", "", "carried although the condition holds no more"),
        "since": ("date", "", "first day of the first week of the present spell"),
        "at_least": ("boolean", "", "the spell may have begun earlier than the weeks that are looked at show"),
    },
)


def tag_conditions(earlier: ibis.Table, rules: list[dict]) -> ibis.Table:
    """By user and `weeks_ago`, for each rule: whether it holds (`hold_0`) and whether it is given up (`drop_0`).

    Args:
        earlier: Portraits by `weeks_ago`, as `portraits.earlier` gives them; without that column those of this week.
        rules: The rules in their order.

    Raises:
        InputError: A condition cannot be read, or names a column that portraits do not have.
    """
    if "weeks_ago" not in earlier.columns:
        earlier = earlier.mutate(weeks_ago=ibis.literal(0, "int64"))
    narrow = earlier.select("user_id", "weeks_ago", *columns_of(texts_of(rules), earlier.columns)).cache()
    asked = []
    for at, rule in enumerate(rules):
        asked.append(f"COALESCE(({rule['when']}), FALSE) AS hold_{at}")
        asked.append(f"COALESCE(({rule.get('keep_until') or 'TRUE'}), TRUE) AS drop_{at}")
    text = f"SELECT {', '.join(['user_id', 'weeks_ago', *asked])} FROM portraits"
    try:
        return narrow.alias("portraits").sql(text, dialect="duckdb")
    except ibis.IbisError:
        raise
    except Exception as fault:  # each engine has its own error for a condition that it cannot read
        blamed = _blamed(narrow, rules)
        if not blamed:
            raise
        raise InputError(f"rules.toml: {blamed}\n  {str(fault).splitlines()[0]}") from None


def tag_states(conditions: ibis.Table, rules: list[dict], *, last_day: date, weeks: int) -> ibis.Table:
    """Who carries a tag now or did a week ago (contract `tag_states`).

    A tag is carried from the week in which its condition holds. It is given up in the first week, at least `min_weeks`
    weeks after the last in which the condition held, in which `keep_until` holds or is unknown; a rule without it in the
    first in which the condition does not hold. What has not been earned for `weeks` - 1 weeks is given up in any case, so
    that the state of this week and of the last follows from the weeks that are looked at. Of the tags of a group with a
    place in the order (`exclusive`), a person carries only the first.

    Args:
        conditions: As `tag_conditions` gives them of these weeks and rules.
        rules: The rules in their order.
    """
    if not rules:
        return _nobody(conditions)
    people = _of_people(conditions, rules, weeks).cache()
    calendar = Calendar(weeks)
    return ibis.union(*(_rows(people, at, rules, calendar, last_day) for at in range(len(rules))))


def texts_of(rules: list[dict]) -> list[str]:
    """The conditions of the rules, SQL."""
    return [rule.get(key) or "" for rule in rules for key in ("when", "keep_until")]


def columns_of(texts: list[str], columns: Iterable[str]) -> list[str]:
    """The columns that may stand in one of the SQL texts."""
    words = {word for text in texts for word in re.findall(r"\w+", text)}
    return [name for name in columns if name in words]


def _nobody(conditions: ibis.Table) -> ibis.Table:
    types = {name: spec.dtype for name, spec in TAG_STATES.columns.items() if name != "user_id"}
    empty = {name: ibis.null(dtype) for name, dtype in types.items()}
    return conditions.filter(ibis.literal(False)).select("user_id", **empty)


def _blamed(narrow: ibis.Table, rules: list[dict]) -> str:
    """The first condition that cannot be read by itself; none where the engine cannot read at all."""
    given = [(rule["name"], key, rule[key]) for rule in rules for key in ("when", "keep_until") if rule.get(key)]
    for name, key, condition in given if _is_read(narrow, "TRUE") else ():
        if not _is_read(narrow, condition):
            return f'[[tag]] {name}: {key} = "{condition}"'
    return ""


def _is_read(narrow: ibis.Table, condition: str) -> bool:
    try:
        narrow.alias("portraits").sql(f"SELECT ({condition}) AS x FROM portraits", dialect="duckdb")
    except Exception:  # of whatever engine
        return False
    return True


class Calendar(NamedTuple):
    """Weeks as the bits of a number, of the first week the lowest: a rule's whole past is one number a person."""

    weeks: int

    @property
    def all(self) -> int:
        return 2**self.weeks - 1

    @property
    def last(self) -> int:
        return 2 ** (self.weeks - 1)

    def later(self, own: ibis.Value, by: int) -> ibis.Value:
        """The weeks so many weeks after each of these."""
        return (own & (self.all >> by)) * 2**by

    def within(self, own: ibis.Value, weeks: int) -> ibis.Value:
        """These weeks and those less than so many after one of them."""
        return reduce(or_, (self.later(own, by) for by in range(weeks)))

    def went_on(self, begun: ibis.Value, through: ibis.Value) -> ibis.Value:
        """From each week begun (all of them among `through`) as long as `through` goes on without a gap.

        Added to a row of ones, a one carries to the row's end.
        """
        return (((through + begun) ^ through) | begun) & through


def _of_people(conditions: ibis.Table, rules: list[dict], weeks: int) -> ibis.Table:
    """One row per user, weeks as in `Calendar`: those of a portrait (`there`), and of each rule `hold_0` and `drop_0`."""
    week = (weeks - 1 - conditions.weeks_ago).cast("int32")  # Spark 4.0 counts what is in an array by no larger number
    bit = ibis.literal([2**at for at in range(weeks)], "array<int64>")[week]
    names = [name for at, rule in enumerate(rules) for name in (f"hold_{at}", f"drop_{at}")[: 2 if _is_slow(rule) else 1]]
    together = max(1, BITS // weeks)  # whose weeks stand side by side in one number, since each number takes its time
    numbers = {f"number_{first}": names[first : first + together] for first in range(0, len(names), together)}
    those = {
        number: sum((conditions[name].cast("int64") * 2 ** (weeks * at) for at, name in enumerate(own)), ibis.literal(0))
        for number, own in numbers.items()
    }
    those = {number: _any(bit * own) for number, own in those.items()}
    found = conditions.group_by("user_id").agg(there=_any(bit), **those)
    apart = {
        name: (found[number] >> (weeks * at)) & (2**weeks - 1) for number, own in numbers.items() for at, name in enumerate(own)
    }
    return found.select("user_id", "there", **apart)


@ibis.udf.agg.builtin(name="bit_or")
def _any(bits: int) -> int:
    """The bits that any row has; of its own method for this, ibis knows on one of the engines alone."""


def _is_slow(rule: dict) -> bool:
    """Whether a tag can be carried although its condition does not hold."""
    return bool(rule.get("keep_until")) or rule.get("min_weeks", 1) > 1


def _carried(people: ibis.Table, at: int, rules: list[dict], calendar: Calendar) -> ibis.Value:
    """The weeks in which a rule by itself, whatever its group, is carried."""
    held = people[f"hold_{at}"]
    if not _is_slow(rules[at]) or calendar.weeks == 1:
        return held
    least, kept = min(rules[at].get("min_weeks", 1), calendar.weeks), calendar.all ^ people[f"drop_{at}"]

    def carried(earned: ibis.Value) -> ibis.Value:
        return calendar.within(earned, least) | calendar.went_on(calendar.later(earned, least) & kept, kept)

    # what was earned in the first week only is too long ago in the last
    return (carried(held) & (calendar.all - calendar.last)) | (carried(held & (calendar.all - 1)) & calendar.last)


def _was_out(people: ibis.Table, at: int, rules: list[dict], calendar: Calendar) -> ibis.Value:
    """Whether a rule by itself was surely not carried in one of all weeks, whatever was before them."""
    held = people[f"hold_{at}"]
    if not _is_slow(rules[at]) or calendar.weeks == 1:
        return held < calendar.all
    least = min(rules[at].get("min_weeks", 1), calendar.weeks)
    young = calendar.within(held, least) | (2 ** (least - 1) - 1)
    is_due = (people[f"drop_{at}"] & (calendar.all ^ young)) > 0
    return is_due | ((held & (calendar.all - 1)) == 0) | ((held & (calendar.all - calendar.last)) == 0)


def _before(at: int, rules: list[dict]) -> list[int]:
    """The rules of the same group that come first in its order."""
    own = rules[at]
    return [
        other for other, one in enumerate(rules)
        if own.get("exclusive") and one.get("exclusive") and one["group"] == own["group"]
        and (one["exclusive"], other) < (own["exclusive"], at)
    ]  # fmt: skip


def _rows(people: ibis.Table, at: int, rules: list[dict], calendar: Calendar, last_day: date) -> ibis.Table:
    """The people who carry or carried one tag; a spell begins in the week after the last one without it."""
    first = (_carried(people, other, rules, calendar) for other in _before(at, rules))
    taken = reduce(or_, first, ibis.literal(0, "int64"))
    found = people.select(
        "user_id", "there", hold=people[f"hold_{at}"], taken=taken, was_out=_was_out(people, at, rules, calendar),
        on=_carried(people, at, rules, calendar) & people.there & (calendar.all ^ taken),
    )  # fmt: skip
    now, before = (found.on & calendar.last) > 0, (found.on & (calendar.last >> 1)) > 0
    without = calendar.all ^ found.on
    mondays = [last_day - timedelta(days=7 * (calendar.weeks - week) - 1) for week in range(calendar.weeks + 1)]
    ends = [(without >= 2**week, mondays[week + 1]) for week in reversed(range(calendar.weeks))]
    return found.filter(now | before).select(
        "user_id", tag=ibis.literal(rules[at]["name"]), now=now, before=before, kept=now & ((found.hold & calendar.last) == 0),
        since=ibis.ifelse(now, ibis.cases(*ends, else_=mondays[0]), ibis.null("date")),
        at_least=now & ((found.there & 1) > 0) & ~(found.was_out | (found.taken > 0)),
    )  # fmt: skip
