"""Who belongs to which cohort and came back when, counted on the engine: what the cube and the spans are rolled up from.

Where a user has one cohort and the data hold few periods, the periods of the returns are bits of one number a user: then no row
by user and period is ever made, which takes half the time and a fifth of the memory. Else users meet their periods in a join.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple

import ibis
from ibis.expr import operations

from helpers.retention import periods
from helpers.retention.cohort import at_hand
from helpers.retention.rule import Rule
from helpers.segments import days
from helpers.segments.spans import ACTS

UNKNOWN = "unknown"
ENTRY = ("entry_activity", "entry_contribution")
BITS = 60  # periods that one whole number holds
SUMS = {"size": "int64", "active": "int64", "last": "int64", "payers": "int64", "net": "decimal(38, 4)"}


class Asked(NamedTuple):
    """What is to be counted.

    Attributes:
        rows: `user_day` up to the last day, with `period`.
        rule: The rule.
        slices: For each attribute a table of `user_id` and `value`.
        entry: Limits of activity at entry, or None.
        base: The number of the data's first period, where its periods fit into bits; else None.
        many: So many periods.
        hand: What is at hand of it.
    """

    rows: ibis.Table
    rule: Rule
    slices: Mapping[str, ibis.Table]
    entry: Mapping | None
    base: int | None
    many: int
    hand: at_hand.AtHand

    @property
    def names(self) -> list[str]:
        """The dimensions by which members are told apart."""
        return [*self.slices, *(() if self.entry is None else ENTRY)]


def asked(
    user_day: ibis.Table, slices: Mapping | None, *, rule: Rule, last_day: date | None, entry: Mapping | None,
    hand: at_hand.AtHand | None = None,
) -> Asked:
    """What is to be counted, and how."""
    known = user_day if last_day is None else user_day.filter(user_day.day <= last_day)
    ends = known.aggregate(first=known.day.min(), last=known.day.max()).to_pyarrow().to_pylist()[0]
    many = 0
    if ends["first"] is not None:
        first, last = (periods.number(ends[end], rule.unit, rule.week_start) for end in ("first", "last"))
        many = last - first + 1
    by_bits = rule.first_time and rule.times == 1 and 0 < many <= BITS
    fits = by_bits and user_day.get_backend().has_operation(operations.BitOr)  # Spark has it, ibis for Spark has not
    period = periods.on_engine(known.day, rule.unit, rule.week_start)
    limits = entry if rule.unit == "week" else None
    return Asked(known.mutate(period=period), rule, slices or {}, limits, first if fits else None, many, hand or at_hand.AtHand())


def members_at_hand(
    user_day: ibis.Table, slices: Mapping | None, *, rule: Rule, last_day: date | None, entry: Mapping | None,
    hand: at_hand.AtHand,
) -> at_hand.AtHand:
    """The same with the members of a rule, for its cube and its spans; arguments as for `cohort_cube`."""
    return _with_people(asked(user_day, slices, rule=rule, last_day=last_day, entry=entry, hand=hand)).hand


def _with_people(given: Asked) -> Asked:
    """With the members at hand, where their periods fit into bits."""
    if given.base is None or given.hand.people is not None:
        return given
    return given._replace(hand=given.hand._replace(people=_people(given).cache()))


def bought(user_day: ibis.Table, *, last_day: date) -> ibis.Table:
    """The days with a payment or an amount: `user_id`, `day`, `pay` and `net`."""
    rows = user_day.filter(user_day.day <= last_day, (user_day.pay > 0) | (user_day.net != 0))
    return rows.select("user_id", "day", "pay", "net")


def entries(first_seen: ibis.Table, user_day: ibis.Table, *, last_day: date, weeks: int) -> ibis.Table:
    """What people did in the week of their first activity, where it is one of the last weeks up to a Sunday.

    Returns:
        `user_id`, `weeks_ago` (0: the week that ends with `last_day`), `days` (active ones) and `act` (the foremost).
    """
    rows = user_day.filter((user_day.active > 0) | (user_day.pay > 0) | (user_day.net != 0))
    rows = rows.filter(rows.day <= last_day, rows.day > last_day - timedelta(weeks=weeks))
    ago = {"weeks_ago": _ago(rows.day, last_day)}
    begun = first_seen.filter(first_seen.first_active_day.notnull())
    begun = begun.select("user_id", begun_ago=_ago(begun.first_active_day, last_day))
    met = rows.mutate(**ago).join(begun, "user_id").filter(ibis._.weeks_ago == ibis._.begun_ago)
    return met.group_by(["user_id", "weeks_ago"]).agg(**_entered(met))


def weeks_known(first_seen: ibis.Table, *, last_day: date) -> int:
    """How many weeks up to a Sunday have somebody's first activity in them or in one before."""
    first = first_seen.first_active_day.min().to_pyarrow().as_py()
    return 1 if first is None else max((last_day - first).days // 7 + 1, 1)


def _ago(day: ibis.Value, last_day: date) -> ibis.Value:
    return ((ibis.literal(last_day).epoch_days() - day.epoch_days()) / 7).floor().cast("int64")


def by_age(given: Asked) -> ibis.Table:
    """People, returns and money by `cohort`, `age` and all dimensions at once; `last` are those whose last return it is."""
    if given.base is None and given.rule.unit == "day" and at_hand.tells(given.hand, given.rule):
        return _by_day(given)
    if given.base is None:
        met = _met(_periods(given), _members(given))
        return _summed(
            met, given.names, size=met.age == 0, active=met.came, last=(met.period == met["last"]).fill_null(False),
            payers=met.paid, net=met.net,
        )  # fmt: skip
    people = _with_people(given).hand.people  # held, since returns and payments both ask for it
    alike = people.group_by(["cohort", "last", "bits", *map(at, given.names)]).agg(people=people.count())
    aged = alike.mutate(age=ibis.range(0, given.many).unnest().cast("int64"))
    aged = aged.mutate(on=(_shifted(given, aged, aged.age) & 1) == 1).filter(ibis._.on | (ibis._.age == 0))
    last = (aged.cohort + aged.age == aged["last"]).fill_null(False)
    came = _summed(
        aged, given.names, size=_of(aged.age == 0, aged.people), active=_of(aged.on, aged.people), last=_of(last, aged.people)
    )
    paid = _bought(given)
    paid = paid.group_by(["user_id", "period"]).agg(paid=paid.pay.max() > 0, net=paid.net.sum())
    met = _met(paid, people)
    return ibis.union(came, _summed(met, given.names, payers=met.paid, net=met.net))


def _by_day(given: Asked) -> ibis.Table:
    """Ages in days of active people: who came on the same days of a week is counted together before these fall into days."""
    blocks = given.hand.blocks
    people = blocks.group_by("user_id").agg(cohort=blocks["first"].min(), last=blocks["last"].max())
    people = _told(given, people, ["user_id", "cohort", "last"]).cache()
    names = [at(name) for name in given.names]
    whole = people.group_by(["cohort", "last", *names]).agg(people=people.count())
    weeks = days.weeks(blocks.select("user_id", "begins", "bits").join(people.drop("last"), "user_id"))
    weeks = weeks.select("cohort", "came", *names, begins=weeks.begins + weeks["at"])
    came = days.each(weeks.group_by(["cohort", "came", "begins", *names]).agg(people=weeks.count()))
    met = _met(_bought(given), people)
    return ibis.union(
        _summed(whole.mutate(age=ibis.literal(0, "int64")), given.names, size=whole.people),
        _summed(whole.mutate(age=whole["last"] - whole.cohort), given.names, last=whole.people),
        _summed(came.mutate(age=came.begins + came.nth - came.cohort), given.names, active=came.people),
        _summed(met, given.names, payers=met.pay > 0, net=met.net),
    )


def by_span(given: Asked) -> ibis.Table:
    """People by `cohort` and all dimensions at once, and of them those who came back within each span of the rule."""
    if given.base is None:
        people = _latest(given)
        hits = {span(*ages): (people[f"last_{ages[1]}"] >= ages[0]).fill_null(False) for ages in given.rule.spans}
    else:
        people = _with_people(given).hand.people
        hits = {span(age, until): (_shifted(given, people, age) & (2 ** min(until - age + 1, BITS) - 1)) != 0
                for age, until in given.rule.spans}  # fmt: skip
    sums = {name: hit.cast("int64").sum().cast("int64") for name, hit in hits.items()}
    return people.group_by(["cohort", *map(at, given.names)]).agg(size=people.count(), **sums)


def at(name: str) -> str:
    """The column of a dimension."""
    return f"slice_{name}"


def span(age: int, until: int) -> str:
    """The column of those who came back within a span of ages."""
    return f"span_{age}_{until}"


def _bought(given: Asked) -> ibis.Table:
    """Rows with a payment or an amount."""
    rows = given.rows if given.hand.bought is None else given.hand.bought
    rows = rows.filter((rows.pay > 0) | (rows.net != 0))
    return rows.mutate(period=periods.on_engine(rows.day, given.rule.unit, given.rule.week_start))


def _people(given: Asked) -> ibis.Table:
    """One row per member of a cohort, with the periods of the returns as `bits`, the first one being that of the data."""
    told = at_hand.tells(given.hand, given.rule)
    people = at_hand.bits(given.hand.blocks, given.rule, given.base) if told else _from_days(given)
    if given.entry is not None and told and given.hand.entries is not None:
        people = people.join(given.hand.entries.select("user_id", "days", "act"), "user_id")
    elif given.entry is not None:
        met = _telling(given).join(people.select("user_id", "cohort"), "user_id").filter(ibis._.period == ibis._.cohort)
        people = people.join(met.group_by("user_id").agg(**_entered(met)), "user_id")
    return _told(given, people, ["user_id", "cohort", "last", "bits"])


def _from_days(given: Asked) -> ibis.Table:
    rows = given.rows.filter((given.rows[given.rule.start] > 0) | (given.rows[given.rule.returns] > 0))
    started, came = rows[given.rule.start] > 0, rows[given.rule.returns] > 0
    bit = ibis.literal(1, "int64") << (rows.period - given.base)
    people = rows.group_by("user_id").agg(
        cohort=rows.period.min(where=started), last=rows.period.max(where=came), bits=bit.bit_or(where=came).fill_null(0)
    )
    return people.filter(people.cohort.notnull())


def _shifted(given: Asked, people: ibis.Table, age: ibis.Value | int) -> ibis.Value:
    """The bits from an age on; beyond the last period there are none."""
    return people.bits >> ibis.least(people.cohort - given.base + age, BITS + 2)


def _periods(given: Asked) -> ibis.Table:
    """What each user did in each period: whether there was a start, a return, a payment."""
    rows, rule = _telling(given), given.rule
    tiers = _entered(rows) if given.entry is not None else {}
    if rule.unit == "day" and not tiers:  # a user has one row a day
        started, came, paid = rows[rule.start] > 0, rows[rule.returns] >= rule.times, rows.pay > 0
        return rows.select("user_id", "period", "net", started=started, came=came, paid=paid)
    return rows.group_by(["user_id", "period"]).agg(
        started=rows[rule.start].max() > 0, came=rows[rule.returns].sum() >= rule.times, paid=rows.pay.max() > 0,
        net=rows.net.sum(), **tiers,
    )  # fmt: skip


def _telling(given: Asked) -> ibis.Table:
    """Only what can start, return or pay."""
    rows = given.rows
    return rows.filter((rows[given.rule.start] > 0) | (rows[given.rule.returns] > 0) | (rows.pay > 0) | (rows.net != 0))


def _entered(rows: ibis.Table) -> dict[str, ibis.Value]:
    """What tiers at entry follow from: active days, and the foremost act."""
    acts = [(rows[role] > 0, len(ACTS) - place) for place, role in enumerate(ACTS.values())]
    return {"days": (rows.active > 0).sum(), "act": ibis.cases(*acts, else_=0).max()}


def _members(given: Asked) -> ibis.Table:
    """One row per cohort and member, with the period of the last return."""
    rows = _periods(given)
    held = [] if given.entry is None else ["days", "act"]
    first = {name: rows[name].argmin(rows.period, where=rows.started) for name in held}
    people = rows.group_by("user_id").agg(
        cohort=rows.period.min(where=rows.started), last=rows.period.max(where=rows.came), **first
    )
    if given.rule.first_time:
        people = people.filter(people.cohort.notnull())
    else:
        starts = rows.filter(rows.started).select("user_id", *held, cohort="period")
        people = starts.join(people.select("user_id", "last"), "user_id")
    return _told(given, people, ["user_id", "cohort", "last"])


def _latest(given: Asked) -> ibis.Table:
    """One row per cohort and member, with the last age at which the member came back up to the end of each span."""
    rows, members = _periods(given), _members(given)
    met = _met(rows.filter(rows.came), members.select("user_id", "cohort"))
    ends = sorted({until for _, until in given.rule.spans})
    last = met.group_by(["user_id", "cohort"]).agg(**{f"last_{end}": met.age.max(where=met.age <= end) for end in ends})
    return members.left_join(last, ["user_id", "cohort"])


def _told(given: Asked, people: ibis.Table, columns: list[str]) -> ibis.Table:
    """Some columns of people, and one for each dimension."""
    made = {}
    if given.entry is not None:
        limits = [(people.days >= given.entry[tier], tier) for tier in ("high", "medium")]
        acts = [(people.act == len(ACTS) - place, tier) for place, tier in enumerate(ACTS)]
        made = dict(zip(ENTRY, (ibis.cases(*limits, else_="low"), ibis.cases(*acts, else_="none")), strict=True))
    people = people.select(*columns, **{at(name): tier for name, tier in made.items()})
    for name, values in given.slices.items():
        own = values.select("user_id", **{at(name): values.value.cast("string")})
        people = people.left_join(own, "user_id").drop("user_id_right")
        people = people.mutate(**{at(name): people[at(name)].fill_null(UNKNOWN)})
    return people


def _met(rows: ibis.Table, members: ibis.Table) -> ibis.Table:
    """Each period of each member from the start on, with its age."""
    met = rows.join(members, "user_id")
    return met.mutate(age=met.period - met.cohort).filter(ibis._.age >= 0)


def _of(condition: ibis.Value, people: ibis.Value) -> ibis.Value:
    return ibis.ifelse(condition, people, 0)


def _summed(table: ibis.Table, names: list[str], **values: ibis.Value) -> ibis.Table:
    """Sums by cohort, age and all dimensions; what is not given is 0."""
    made = {name: value.cast(SUMS[name]).sum().cast(SUMS[name]) for name, value in values.items()}
    key = ["cohort", "age", *map(at, names)]
    found = table.group_by(key).agg(**made)
    return found.select(*key, **{name: found[name] if name in made else ibis.literal(0).cast(SUMS[name]) for name in SUMS})
