"""What people have done by each of some instants: one row per person and instant, from which all tiers follow.

An instant is the end of a local day. One pass over the days of all people serves all instants, so that this week and the
weeks before it come from the same query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import ibis

from helpers.portraits.families import _age_band
from helpers.segments.pay_windows import SUMS, WINDOW, number

WEEK = 7
KEY = ("user_id", "until")
ATTRIBUTES = ("channel", "city", "gender", "age_band")
KNOWN = {"registered_day": "date", "birth_year": "float64", "channel": "string", "city": "string", "gender": "string"}
ACTS = {"creator": "create", "commenter": "comment", "sharer": "share", "reactor": "react", "reader": "active"}
MADE = {"create": 10, "comment": 5}  # what a contribution counts where nothing is paid
COUNTED = (
    "active_days", "act", "frequency", "net_90", "monetary", "described_days", "dwell_minutes", "pay_days", *SUMS,
)  # fmt: skip


def everybody(first_seen: ibis.Table, users: ibis.Table | None) -> ibis.Table:
    """Everybody who was ever seen or has signed up: `user_id`, `first_day`, `first_active`, `first_pay`, `signed` (whether the
    users table has them), and from there `registered_day`, `birth_year`, `channel`, `city`, `gender`.
    """
    people = first_seen.select("user_id", "first_day", first_active="first_active_day", first_pay="first_pay_day")
    if users is None:
        nothing = {name: ibis.null(dtype) for name, dtype in KNOWN.items()}
        return people.mutate(signed=ibis.literal(False), **nothing)
    people = users.select("user_id", *KNOWN, signed=True).outer_join(people, "user_id")
    return people.mutate(
        user_id=ibis.coalesce(people.user_id, people.user_id_right), signed=people.signed.fill_null(False)
    ).drop("user_id_right")


def measures(people: ibis.Table, user_day: ibis.Table, *, last_days: Sequence[date], rules: Mapping) -> ibis.Table:
    """The panel: everybody known by each instant, with what they had done by then.

    Args:
        people: As `everybody` gives them.
        last_days: The instants, each the end of its day; rows after one do not count for it.
        rules: The lengths of the windows, by section.

    Returns:
        `user_id`, `nth` (place of the instant in `last_days`), `last_day`, `until` (the same as a number of days since 1970),
        ATTRIBUTES; days, empty where there is none: `first_day`, `first_active`, `first_pay`, `last_active`, `recency_day`
        (last payment, or last active day where nobody has paid); as numbers `back` and `gone` (first active day of the last
        week, last one before it); `refunded` (whether money went back in the last 7 days); counts: `active_days`, `act` (0
        to 5, the foremost of ACTS last), `frequency`, and what `described` reads; amounts: `net_90`, `monetary`.
    """
    begun = people.aggregate(begun=people.first_pay.min()).to_pyarrow()["begun"][0].as_py()
    people = _known(people, last_days)
    lately, last = _lately(user_day, last_days, rules), _last(user_day, last_days, rules)
    for part in (lately, last, _bought(user_day, last_days, rules, begun)):
        people = joined(people, part)
    return people.mutate(**{name: people[name].fill_null(0) for name in COUNTED}, refunded=people.refunded.fill_null(False))


def described(people: ibis.Table) -> ibis.Table:
    """The panel's people as the model of paying describes them, whom an event is known of."""
    since = people.until - people.first_day.epoch_days()
    return people.mutate(
        active_days=people.described_days,
        away=ibis.coalesce(people.until - people.last_active.epoch_days(), since),
        tenure=ibis.least(since, WINDOW.days),
    )


def joined(people: ibis.Table, part: ibis.Table) -> ibis.Table:
    """The panel with the columns of a part of it, empty where that has no row."""
    return people.left_join(part, KEY).drop(*(f"{name}_right" for name in KEY))


def dated(user_day: ibis.Table, last_days: Sequence[date], *, days: int | None = None) -> ibis.Table:
    """Each row once for every instant at or after its day: `at` and `until` are both as days since 1970.

    Args:
        days: So many up to the instant; None: all.
    """
    ends = [number(day) for day in last_days]
    rows = user_day.filter(user_day.day <= max(last_days))
    rows = rows if days is None else rows.filter(rows.day > min(last_days) - timedelta(days=days))
    rows = rows.mutate(at=rows.day.epoch_days(), until=ibis.array(ends).unnest() if len(ends) > 1 else ibis.literal(ends[0]))
    if len(ends) > 1:
        rows = rows.filter(rows.at <= rows.until, *(() if days is None else (rows.at > rows.until - days,)))
    return rows


def _known(people: ibis.Table, last_days: Sequence[date]) -> ibis.Table:
    """Everybody seen or signed up by each instant."""
    people = people.mutate(nth=ibis.array(list(range(len(last_days)))).unnest())
    people = people.mutate(last_day=ibis.array([ibis.literal(day) for day in last_days])[people.nth])
    seen = (people.first_day <= people.last_day).fill_null(False)
    signed = people.signed & (people.registered_day <= people.last_day).fill_null(True)
    people = people.mutate(seen=seen, signed=signed, age_band=_age_band(people.last_day.year() - people.birth_year))
    people = people.filter(people.seen | people.signed)
    by_then = {name: _where(people[name] <= people.last_day, people[name]) for name in ("first_day", "first_active", "first_pay")}
    said = {name: _where(people.signed, people[name]) for name in ATTRIBUTES}
    return people.select("user_id", "nth", "last_day", until=people.last_day.epoch_days(), **said, **by_then)


def _where(condition: ibis.Value, value: ibis.Value) -> ibis.Value:
    return ibis.ifelse(condition, value, ibis.null(value.type()))


def _lately(user_day: ibis.Table, last_days: Sequence[date], rules: Mapping) -> ibis.Table:
    """What is counted over short windows, for which few rows count at each instant."""
    spans = {"activity": rules["activity"]["days"], "contribution": rules["contribution"]["days"], "refund": WEEK,
             "likelihood": WINDOW.days}  # fmt: skip
    longest = max(spans.values())
    foremost = ibis.cases(*[(user_day[role] > 0, len(ACTS) - at) for at, role in enumerate(ACTS.values())], else_=0)
    awake, back = (user_day.active > 0).cast("int64"), (user_day.refunded > 0).cast("int64")
    rows = user_day.select("user_id", "day", *SUMS, "dwell_s", act=foremost, awake=awake, back=back)
    rows = dated(rows, last_days, days=longest)

    def within(name: str, value: ibis.Value) -> ibis.Value:
        return value if spans[name] == longest else ibis.ifelse(rows.at > rows.until - spans[name], value, 0)

    return rows.group_by(KEY).agg(
        active_days=within("activity", rows.awake).sum().cast("int64"),
        act=within("contribution", rows.act).max(),
        refunded=within("refund", rows.back).max() > 0,
        described_days=within("likelihood", rows.awake).sum(),
        dwell_minutes=within("likelihood", rows.dwell_s).sum() / 60,
        **{name: within("likelihood", rows[name]).sum() for name in SUMS},
    )


def _last(user_day: ibis.Table, last_days: Sequence[date], rules: Mapping) -> ibis.Table:
    """Last active days, among all up to the instant; of those before every week that is looked at one a person is enough."""
    rows, window = user_day.filter(user_day.active > 0).select("user_id", "day"), rules["lifecycle"]["resurrected"]
    old = rows.day <= min(last_days) - timedelta(days=window)
    ended = rows.filter(old).group_by("user_id").agg(day=ibis._.day.max())
    rows = dated(rows.filter(~old).union(ended), last_days)
    week = rows.at > rows.until - window
    # an aggregate over a condition's value takes a third less time than one with a filter
    return rows.group_by(KEY).agg(
        last_active=rows.day.max(), back=_where(week, rows.at).min(), gone=_where(~week, rows.at).max()
    )


def _bought(user_day: ibis.Table, last_days: Sequence[date], rules: Mapping, begun: date | None) -> ibis.Table:
    """What was bought up to the instant, or made where nobody has paid by then."""
    rows = user_day.select("user_id", "day", "net", *MADE, awake=user_day.active > 0, paid=user_day.pay > 0)
    if begun is not None and begun <= min(last_days):
        rows = rows.filter(rows.paid | (rows.net != 0))  # few of all days
    rows = _worth(dated(rows, last_days), last_days, begun)
    scored = rows.at > rows.until - rules["value"]["days"]
    return rows.group_by(KEY).agg(
        recency_day=_where(rows.counts, rows.day).max(),
        pay_days=rows.paid.sum(),
        frequency=(rows.counts & scored).sum().cast("int64"),
        monetary=_where(scored, rows.worth).sum(),
        net_90=_where(rows.at > rows.until - rules["payment"]["days"], rows.net).sum(),
    )


def _worth(rows: ibis.Table, last_days: Sequence[date], begun: date | None) -> ibis.Table:
    """Rows with whether they count as a purchase, and what they brought: contributions stand in until somebody has paid."""
    if begun is not None and begun <= min(last_days):
        return rows.mutate(counts=rows.paid, worth=rows.net)
    made = sum((rows[role] * worth for role, worth in MADE.items()), ibis.literal(0)).cast("decimal(38, 4)")
    if begun is None or begun > max(last_days):
        return rows.mutate(counts=rows.awake, worth=made)
    sold = rows.until >= number(begun)
    return rows.mutate(counts=ibis.ifelse(sold, rows.paid, rows.awake), worth=ibis.ifelse(sold, rows.net, made))
