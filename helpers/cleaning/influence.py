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
        suspects: As `suspect_users` gives them; None is no rule on them.
        week: Monday and Sunday of the report's week.
        future_from: As for `judge`.
    """
    marked = _marked(judged_events, future_from)
    concerned = _concerned(marked)
    left_out = {"unknown_user": _unknown(judged_events, judged_users), "bot": suspects}
    left_out = {rule: users for rule, users in left_out.items() if users is not None}
    totals = _totals(_people(marked, concerned, roles, week), len(concerned), left_out)
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


def _marked(judged: ibis.Table, future_from: datetime | None) -> ibis.Table:
    """Events with `rule` and `subject` of what left them out (null where kept); `counts`: whether they would count without it.

    A row that its rule alone leaves out is judged once more, with every mark taken away that the rules go by.
    """
    was = judged.mutate(
        _was=judged["_status"], _why=judged["_reason"], _chosen=judged["_selected"], _named=judged["_excluded"],
        _again=judged["_duplicate"],
    )  # fmt: skip
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
        (quarantined, "quarantined"),
        else_=ibis.null("string"),
    )
    counts = ibis.cases(
        (sound["_was"] == "duplicates", is_sound & sound["_chosen"] & of_nobody),
        (aside & ~of_nobody, is_sound & sound["_chosen"]),
        (aside, is_sound),
        (quarantined, is_sound & sound["_chosen"] & of_nobody & ~sound["_again"]),
        else_=sound["_was"] == "kept",
    )
    subject = ibis.ifelse(quarantined | (aside & ~of_nobody), sound["_why"], "")
    return sound.mutate(rule=rule, subject=subject, counts=counts)


def _concerned(marked: ibis.Table) -> list[tuple[str, str, int, str]]:
    """The rules that left events out: rule, subject, rows, and why they cannot be counted ("" where they can)."""
    out = marked.filter(marked.rule.notnull())
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


def _people(marked: ibis.Table, concerned: list[tuple], roles: dict[str, list[str]], week: tuple[date, date]) -> ibis.Table:
    """For each person first active day, activity of the week and its net amount: of the kept rows (0), and without each rule."""
    monday, sunday = week
    seen = marked.filter(marked.counts & (marked.day <= sunday))
    is_kept, in_week = seen.rule.isnull(), seen.day >= monday
    active, net = seen.event.isin(roles.get("active") or [""]), _net(seen, roles)
    made = {"rows": ibis.coalesce(is_kept.sum(), 0)}
    without = [is_kept, *(is_kept | ((seen.rule == rule) & (seen.subject == subject)) for rule, subject, *_ in concerned)]
    for number, counts in enumerate(without):
        made[f"first_{number}"] = seen.day.min(where=active & counts)
        made[f"active_{number}"] = (active & in_week & counts).any()
        made[f"net_{number}"] = ibis.ifelse(in_week & counts, net, NOTHING).sum()
    people = seen.group_by("user_id").agg(**made)
    return people.mutate(**{f"new_{number}": people[f"first_{number}"] >= monday for number in range(len(without))})


def _net(events: ibis.Table, roles: dict[str, list[str]]) -> ibis.Value:
    """The net amount of each event, as in the fact `user_day`: gross less refunded."""
    pays, refunds = (events.event.isin(roles.get(role) or [""]) for role in ("pay", "refund"))
    amount = ibis.coalesce(events.amount, NOTHING)
    both = ibis.ifelse(amount < 0, amount, NOTHING)
    return ibis.cases((pays & refunds, both), (pays, amount), (refunds, -amount.abs()), else_=NOTHING)


def _unknown(judged_events: ibis.Table, judged_users: ibis.Table | None) -> ibis.Table | None:
    """People of the kept events whom the users table does not have; None where there is no users table."""
    if judged_users is None or judged_users.limit(1).to_pandas().empty:
        return None
    events = judged_events.filter(judged_events["_status"] == "kept").select("user_id").distinct()
    return events.anti_join(judged_users.filter(judged_users["_status"] == "kept"), "user_id")


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


def suspect_users(events: ibis.Table, limits: dict[str, float]) -> ibis.Table:
    """People whose events look like a machine's: `user_id` and `why`, the first reason that holds.

    Args:
        events: Kept events.
        limits: Section `suspicions` of rules.toml: `bot_events_a_day` events on a local day; `bot_share` of all events,
            where there are 20 people or more; events in `bot_hours` different local hours on each of `bot_days` days.
    """
    people = busy(events, limits)
    return people.filter(people.why.notnull()).select("user_id", "why")


def busy(events: ibis.Table, limits: dict[str, float]) -> ibis.Table:
    """What tells a machine from a person, for each: `events`, `most` on a day, `long` days, `share` of all; `why`, or null."""
    days = events.group_by(["user_id", "day"]).agg(events=events.count(), hours=events.hour.nunique())
    people = days.group_by("user_id").agg(
        events=days.events.sum().cast("int64"), most=days.events.max(), long=(days.hours >= limits["bot_hours"]).sum()
    )
    everyone = ibis.window()
    total = people.events.sum().over(everyone).cast("float64")
    people = people.mutate(share=people.events / total, people=people.count().over(everyone))
    return people.mutate(
        why=ibis.cases(
            (people.most >= limits["bot_events_a_day"], "too many events on a day"),
            ((people.share >= limits["bot_share"]) & (people.people >= LEAST_PEOPLE), "too large a share of all events"),
            (people.long >= limits["bot_days"], "active through day and night"),
            else_=ibis.null("string"),
        )
    )


def check_suspicion_limits(limits: dict[str, float]) -> None:
    """Refuse limits that would name everybody.

    Raises:
        InputError: A limit is out of its range.
    """
    for name, (low, high) in RANGES.items():
        if limits[name] < low or (high is not None and limits[name] > high):
            allowed = f"from {low} to {high}" if high is not None else f"{low} or more"
            raise InputError(f"rules.toml: [suspicions] {name} = {limits[name]}\n  It must be {allowed}.")
