"""What each rule of cleaning does to the main numbers of the week: the numbers as reported, and as they were without it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import reduce
from operator import or_

import ibis
import pandas as pd

from helpers import contracts
from helpers.cleaning.judging import judge
from helpers.errors import InputError

NOTHING = ibis.literal(Decimal(0)).cast("decimal(28, 4)")
LEAST_PEOPLE = 20  # below it somebody always has a large share
NO_AMOUNT = "no amount"
RULES = ("exact_duplicate", "set_aside", "where", "quarantined")
OUTSIDE_OF_TIME = ("ancient_time", "future_time")  # the time that stands there is taken for a mistake
RANGES = {
    "bot_events_a_day": (1, None), "bot_share": (0.001, 1), "bot_hours": (1, 24), "bot_days": (1, None),
    "outlier_share": (0.01, 1), "volume_band": (0.1, None), "missing_hours": (1, 24), "fresh_days": (0, None),
}  # fmt: skip
MEASURES = {
    "active": ("int64", "people", "people active in the week"),
    "new": ("int64", "people", "people active in the week for the first time ever"),
    "net": ("decimal", "currency", "net amount of the week"),
}
SIDES = {"as_reported": "as reported", "without_the_rule": "without the rule", "difference": "without the rule less as reported"}
NUMBERS = {
    f"{name}_{side}": (dtype, unit, f"{meaning}, {told}")
    for name, (dtype, unit, meaning) in MEASURES.items()
    for side, told in SIDES.items()
}

INFLUENCE = contracts.declare(
    "influence",
    grain="one row per rule of cleaning that concerns an event",
    key=["rule", "subject"],
    needs="events",
    small=True,
    nullable=tuple(name for name in NUMBERS if not name.endswith("as_reported")),
    columns={
        "rule": ("string", "", "exact_duplicate, set_aside, where, quarantined, unknown_user or bot"),
        "subject": ("string", "", "the reason for which users are set aside, or rows quarantined; else empty"),
        "rows": ("int64", "rows", "rows that the rule leaves out; of unknown_user and bot, kept rows that it would leave out"),
        "people": ("int64", "people", "people of whom one of the numbers would be another"),
        **NUMBERS,
        "reason": ("string", "", "why a number is empty; empty where none is"),
    },
)


def influence(
    judged_events: ibis.Table,
    judged_users: ibis.Table | None,
    user_day: ibis.Table,
    lives: ibis.Table,
    *,
    roles: dict[str, list[str]],
    suspects: ibis.Table | None,
    week: tuple[date, date],
    future_from: datetime | None = None,
) -> pd.DataFrame:
    """The week's main numbers as reported, and as they would be without each rule (contract `influence`).

    Without a rule that leaves rows out, those rows count that no other rule would leave out. Rules that leave nobody out
    are turned the other way round: without people whom the users table does not have, and without the suspects.

    Args:
        judged_events, judged_users: As `judge` gives them; no users table is no rule on unknown people.
        user_day: The facts of that name, of the kept events.
        lives: What they come to, as `facts.lives` gives them, up to the end of the week.
        suspects: As `suspect_users` gives them; None is no rule on them.
        week: Monday and Sunday of the report's week.
        future_from: As for `judge`.
    """
    out = _left_out(judged_events, future_from)
    concerned = _concerned(out)
    left_out = {"unknown_user": _unknown(lives, judged_users), "bot": suspects}
    left_out = {rule: users for rule, users in left_out.items() if users is not None}
    totals = _totals(_people(user_day, lives, out, concerned, roles, week), len(concerned), left_out)
    reported = [totals[f"{name}_0"] for name in MEASURES]
    rows = []
    for number, (rule, subject, count, reason) in enumerate(concerned, start=1):
        unknown = {NO_AMOUNT: {"net"}, "": set()}.get(reason, set(MEASURES))
        other = [None if name in unknown else totals[f"{name}_{number}"] for name in MEASURES]
        rows.append([rule, subject, count, totals[f"people_{number}"], *_sides(reported, other), reason])
    for rule in left_out:
        other = [totals[f"{name}_{rule}"] for name in MEASURES]
        rows.append([rule, "", totals[f"rows_{rule}"], totals[f"people_{rule}"], *_sides(reported, other), ""])
    return _frame(rows)


def _left_out(judged: ibis.Table, future_from: datetime | None) -> ibis.Table:
    """Events that are not kept, with `rule` and `subject` of what left them out; `counts`: whether they would count without it.

    A row is judged once more, with every mark taken away that the rules go by.
    """
    out = judged.filter(~judged["_status"].isin(["kept", "after_as_of"]))
    was = out.mutate(
        _was=out["_status"], _why=out["_reason"], _chosen=out["_selected"], _named=out["_excluded"], _again=out["_duplicate"]
    )
    own = "," + was["_why"].replace("bad_", "") + ","
    rest = ibis.ifelse(was["_was"] == "quarantined", ("," + was["_bad"] + ",").replace(own, ","), was["_bad"])
    bare = was.mutate(_selected=ibis.literal(True), _excluded=ibis.null("string"), _duplicate=ibis.literal(False), _bad=rest)
    sound = judge(bare, "events", as_of=None, future_from=future_from)
    is_sound, of_nobody = sound["_status"] == "kept", sound["_named"].isnull()
    aside, quarantined = sound["_was"] == "not_selected", sound["_was"] == "quarantined"
    rule = ibis.cases(
        (sound["_was"] == "duplicates", "exact_duplicate"),
        (aside & ~of_nobody, "set_aside"),
        (aside, "where"),
        else_="quarantined",
    )
    counts = ibis.cases(
        (sound["_was"] == "duplicates", is_sound & sound["_chosen"] & of_nobody),
        (aside & ~of_nobody, is_sound & sound["_chosen"]),
        (aside, is_sound),
        else_=is_sound & sound["_chosen"] & of_nobody & ~sound["_again"],
    )
    subject = ibis.ifelse(quarantined | (aside & ~of_nobody), sound["_why"], "")
    return sound.mutate(rule=rule, subject=subject, counts=counts)


def _concerned(out: ibis.Table) -> list[tuple[str, str, int, str]]:
    """The rules that left events out: rule, subject, rows, and why they cannot be counted ("" where they can)."""
    counted = out.group_by(["rule", "subject"]).agg(
        rows=out.count(),
        user=(out.user_id != "").sum(),
        time=(out.day.notnull() & ~out.subject.isin(OUTSIDE_OF_TIME)).sum(),
        event=(ibis.coalesce(out.event, "") != "").sum(),
    )
    found = []
    for own in counted.to_pandas().itertuples(index=False):
        lacking = ", ".join(name for name in ("user", "time", "event") if not getattr(own, name))
        reason = f"no {lacking}" if own.rule == "quarantined" and lacking else ""
        reason = NO_AMOUNT if own.rule == "quarantined" and own.subject == "bad_amount" else reason
        found.append((own.rule, own.subject, int(own.rows), reason))
    return sorted(found, key=lambda own: (RULES.index(own[0]), own[1]))


def _people(
    user_day: ibis.Table, lives: ibis.Table, out: ibis.Table, concerned: list[tuple], roles: dict[str, list[str]],
    week: tuple[date, date],
) -> ibis.Table:
    """For each person first active day, activity of the week and its net amount: of the kept rows (0), and without each rule.

    Of the kept rows before the week only each person's first active day matters, and how many events there were.
    """
    monday, sunday = week
    out = out.filter(out.counts)
    numbers = [((out.rule == rule) & (out.subject == subject), at) for at, (rule, subject, *_) in enumerate(concerned, 1)]
    none = ibis.literal(0, "int64")
    own = user_day.filter(user_day.day.between(monday, sunday))
    own = own.select("user_id", "day", active=own.active > 0, net=own.net, events=none, number=none)
    first, net = lives.first_active_day, NOTHING.cast(user_day.net.type())
    day = ibis.coalesce(first, lives.first_day)
    own = own.union(lives.select("user_id", day=day, active=first.notnull(), net=net, events=lives.events, number=none))
    if numbers:
        active = out.event.isin(roles.get("active") or [""])
        number = ibis.cases(*((holds, ibis.literal(at, "int64")) for holds, at in numbers))
        net = _net(out, roles).cast(user_day.net.type())
        own = own.union(out.select("user_id", "day", active=active, net=net, events=none, number=number))
    seen = own.filter(own.day <= sunday)
    in_week = seen.day >= monday
    made = {"rows": seen.events.sum()}
    for number in range(len(concerned) + 1):
        counts = seen.number.isin([0, number])
        made[f"first_{number}"] = seen.day.min(where=seen.active & counts)
        made[f"active_{number}"] = (seen.active & in_week & counts).any()
        made[f"net_{number}"] = ibis.ifelse(in_week & counts, seen.net, NOTHING).sum()
    people = seen.group_by("user_id").agg(**made)
    return people.mutate(**{f"new_{number}": people[f"first_{number}"] >= monday for number in range(len(concerned) + 1)})


def _net(events: ibis.Table, roles: dict[str, list[str]]) -> ibis.Value:
    """The net amount of each event, as in the fact `user_day`: gross less refunded."""
    pays, refunds = (events.event.isin(roles.get(role) or [""]) for role in ("pay", "refund"))
    amount = ibis.coalesce(events.amount, NOTHING)
    both = ibis.ifelse(amount < 0, amount, NOTHING)
    return ibis.cases((pays & refunds, both), (pays, amount), (refunds, -amount.abs()), else_=NOTHING)


def _unknown(lives: ibis.Table, judged_users: ibis.Table | None) -> ibis.Table | None:
    """People of the kept events whom the users table does not have; None where there is no users table."""
    if judged_users is None or judged_users.limit(1).to_pandas().empty:
        return None
    return lives.select("user_id").anti_join(judged_users.filter(judged_users["_status"] == "kept"), "user_id")


def _totals(people: ibis.Table, rules: int, left_out: dict[str, ibis.Table]) -> dict:
    """Sums over people: each measure without each rule by its number, and without the people of each table in `left_out`."""
    for rule, users in left_out.items():
        named = users.select(**{f"user_{rule}": users.user_id}).distinct()
        people = people.left_join(named, people.user_id == named[f"user_{rule}"])
    made = {f"{name}_{number}": people[f"{name}_{number}"].sum() for number in range(rules + 1) for name in MEASURES}
    for number in range(1, rules + 1):
        other = [people[f"{name}_{number}"] != people[f"{name}_0"] for name in MEASURES]
        made[f"people_{number}"] = reduce(or_, (ibis.coalesce(differs, False) for differs in other)).sum()
    for rule in left_out:
        out = people[f"user_{rule}"].notnull()
        counts = ibis.coalesce(people.active_0, False) | (people.net_0 != NOTHING)
        made[f"people_{rule}"] = (out & counts).sum()
        made[f"rows_{rule}"] = people.rows.sum(where=out)
        made |= {f"{name}_{rule}": people[f"{name}_0"].sum(where=~out) for name in MEASURES}
    found = people.aggregate(**made).to_pandas().iloc[0]
    return {name: _number(value, Decimal if name.startswith("net_") else int) for name, value in found.items()}


def _number(value, kind: type) -> int | Decimal:
    return kind(0) if pd.isna(value) else kind(value)


def _sides(reported: list, other: list) -> list:
    """For each measure the number as reported, without the rule, and the difference."""
    pairs = zip(reported, other, strict=True)
    return [number for now, then in pairs for number in (now, then, None if then is None else then - now)]


def _frame(rows: list[list]) -> pd.DataFrame:
    made = pd.DataFrame(rows, columns=list(INFLUENCE.columns))
    kinds = {"string": "str", "int64": "int64", "decimal": "object"}
    made = made.astype({name: kinds[spec.dtype] for name, spec in INFLUENCE.columns.items() if name not in INFLUENCE.nullable})
    return made.astype({name: "float64" for name in INFLUENCE.nullable if NUMBERS[name][0] == "int64"})


def long_days(events: ibis.Table, user_day: ibis.Table, *, many: float) -> ibis.Table:
    """People with events in so `many` different local hours of a day, or more: `user_id`, and `long`, the number of such days.

    Hours are counted where there can be so many alone: in so many hours one has made as many events at least.
    """
    busy = user_day.filter(user_day.events >= many).select("user_id", "day")
    own = events.semi_join(busy, ["user_id", "day"])
    days = own.group_by(["user_id", "day"]).agg(hours=own.hour.nunique())
    days = days.filter(days.hours >= many)
    return days.group_by("user_id").agg(long=days.count())


def suspect_users(lives: ibis.Table, long: ibis.Table, limits: dict[str, float]) -> ibis.Table:
    """People whose events look like a machine's.

    Args:
        lives: Of the kept events, as `facts.lives` gives them.
        long: The days of `bot_hours` hours, as `long_days` gives them.
        limits: Section `suspicions` of rules.toml: `bot_events_a_day` events on a local day; `bot_share` of all events,
            where there are 20 people or more; events in `bot_hours` different local hours on each of `bot_days` days.

    Returns:
        `user_id`, `events`, `most` on a day, `share` of all, `long` (days of so many hours), `why` (the first reason that holds).
    """
    people = lives.select("user_id", "events", "most")
    everyone = ibis.window()
    total = people.events.sum().over(everyone).cast("float64")
    people = people.mutate(share=people.events / total, people=people.count().over(everyone))
    many = people.most >= limits["bot_events_a_day"]
    large = (people.share >= limits["bot_share"]) & (people.people >= LEAST_PEOPLE)
    why = ibis.cases(
        (many, "too many events on a day"), (large, "too large a share of all events"), else_=ibis.null("string")
    )
    people = people.mutate(why=why)
    met = people.drop("people").left_join(long.select("user_id", "long"), "user_id").drop("user_id_right")
    met = met.mutate(long=met.long.fill_null(0))
    night = ibis.ifelse(met.long >= limits["bot_days"], "active through day and night", ibis.null("string"))
    found = met.mutate(why=ibis.coalesce(met.why, night))
    return found.filter(found.why.notnull()).select("user_id", "events", "most", "share", "long", "why")


def check_suspicion_limits(limits: dict[str, float]) -> None:
    """Refuse limits that would name everybody.

    Raises:
        InputError: A limit is out of its range.
    """
    for name, (low, high) in RANGES.items():
        if limits[name] < low or (high is not None and limits[name] > high):
            allowed = f"from {low} to {high}" if high is not None else f"{low} or more"
            raise InputError(f"rules.toml: [suspicions] {name} = {limits[name]}\n  It must be {allowed}.")
