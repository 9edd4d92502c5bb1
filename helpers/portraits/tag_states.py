"""Who carries which tag, and since when: rules held against the portraits of several weeks, so that tags do not flicker."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta

import ibis

from helpers import contracts
from helpers.errors import InputError

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
    asked = conditions.mutate(week=weeks - 1 - conditions.weeks_ago)
    held = _carried(asked, rules, weeks)
    people = _of_people(held, rules, weeks).cache()
    found = ibis.union(*(_rows(people, at, rule["name"]) for at, rule in enumerate(rules)))
    first = [last_day - timedelta(days=7 * (weeks - week) - 1) for week in range(weeks)]
    since = ibis.cases(*((found.began == week, ibis.literal(day)) for week, day in enumerate(first)), else_=ibis.null("date"))
    return found.select("user_id", "tag", "now", "before", "kept", since=found.now.ifelse(since, ibis.null("date")),
                        at_least=found.now & found.unsure)  # fmt: skip


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


def _carried(asked: ibis.Table, rules: list[dict], weeks: int) -> ibis.Table:
    """By user and week, for each rule: carried (`on_0`), surely not carried (`out_0`), and carried though it does not hold."""
    so_far = ibis.window(group_by="user_id", order_by="week", preceding=None, following=0)
    slow = [at for at, rule in enumerate(rules) if rule.get("keep_until") or rule.get("min_weeks", 1) > 1]
    earned = {f"earned_{at}": ibis.coalesce(_last(asked, f"hold_{at}").over(so_far), -1) for at in slow}
    seen = asked.mutate(**earned)
    given_up = {}
    for at in slow:
        age = seen.week - seen[f"earned_{at}"]
        is_due = (seen[f"drop_{at}"] & (age >= rules[at].get("min_weeks", 1))) | (age >= weeks - 1)
        given_up[f"off_{at}"] = ~seen[f"hold_{at}"] & is_due
    ended = seen.mutate(**given_up)
    ended = ended.mutate(**{f"ended_{at}": ibis.coalesce(_last(ended, f"off_{at}").over(so_far), -1) for at in slow})
    states = {}
    for at in range(len(rules)):
        on = ended[f"earned_{at}"] > ended[f"ended_{at}"] if at in slow else ended[f"hold_{at}"]
        sure = ended[f"ended_{at}"] >= 0 if at in slow else ibis.literal(True)
        states |= {f"on_{at}": on, f"out_{at}": ~on & sure, f"kept_{at}": on & ~ended[f"hold_{at}"]}
    return _one_of_a_group(ended.select("user_id", "week", **states), rules)


def _last(table: ibis.Table, name: str) -> ibis.Value:
    """The last week in which a condition is true."""
    return ibis.ifelse(table[name], table.week, ibis.null("int64")).max()


def _one_of_a_group(states: ibis.Table, rules: list[dict]) -> ibis.Table:
    """Of the tags of a group with a place in its order, only the first that is carried."""
    changed = {}
    for at, rule in enumerate(rules):
        before = [
            other for other, one in enumerate(rules)
            if rule.get("exclusive") and one.get("exclusive") and one["group"] == rule["group"]
            and (one["exclusive"], other) < (rule["exclusive"], at)
        ]  # fmt: skip
        if before:
            taken = ibis.or_(*(states[f"on_{other}"] for other in before))
            changed |= {f"on_{at}": states[f"on_{at}"] & ~taken, f"out_{at}": states[f"out_{at}"] | taken}
    return states.mutate(**changed)


def _of_people(held: ibis.Table, rules: list[dict], weeks: int) -> ibis.Table:
    """One row per user: for each rule now, before, kept, the week in which the spell began, and whether that is unsure."""
    made = {"first": held.week.min()}
    now, before = held.week == weeks - 1, held.week == weeks - 2
    for at in range(len(rules)):
        on = held[f"on_{at}"]
        made |= {
            f"now_{at}": (on & now).any(),
            f"before_{at}": (on & before).any(),
            f"kept_{at}": (held[f"kept_{at}"] & now).any(),
            f"gap_{at}": ibis.ifelse(on, ibis.null("int64"), held.week).max(),
            f"out_{at}": held[f"out_{at}"].any(),
        }
    return held.group_by("user_id").agg(**made)


def _rows(people: ibis.Table, at: int, name: str) -> ibis.Table:
    """The people who carry or carried one tag; a spell begins in the week after the last one without it."""
    found = people.filter(people[f"now_{at}"] | people[f"before_{at}"])
    return found.select(
        "user_id",
        tag=ibis.literal(name),
        now=found[f"now_{at}"],
        before=found[f"before_{at}"],
        kept=found[f"now_{at}"] & found[f"kept_{at}"],
        began=ibis.coalesce(found[f"gap_{at}"] + 1, found["first"]),
        unsure=~found[f"out_{at}"] & (found["first"] == 0),
    )
