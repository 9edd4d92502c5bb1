"""Rules that warn: what in the kept rows looks wrong, with figures and places. Nothing is removed by them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import ROUND_CEILING, Decimal

import ibis
import pandas as pd

from helpers import contracts, facts
from helpers.cleaning import rhythm, spelling, telling
from helpers.cleaning.accounts import kinds as kinds_of
from helpers.cleaning.accounts import names as names_of
from helpers.cleaning.influence import check_suspicion_limits, long_days, suspect_users
from helpers.cleaning.telling import Wrong, finding, nowhere, percent, plural

MOST = 20  # people, or names of several spellings, that are told singly
SHORT_ID = 8  # of such an id four letters would say too much
LEAST_PAYMENTS = 10
FIRST_BIRTH_YEAR, LEAST_AGE = 1900, 3

SUSPICIONS = contracts.declare(
    "suspicions",
    grain="one row per finding of a rule that warns",
    key=["rule", "table", "column", "subject"],
    small=True,
    columns={
        "rule": ("string", "", "name of the rule"),
        "table": ("string", "", "part of dataset.toml whose rows are meant"),
        "column": ("string", "", "column that the rule looks at; empty where it looks at several"),
        "subject": ("string", "", "what it is about: a day, spellings, a masked pseudonym; empty for the whole table"),
        "rows": ("int64", "rows", "kept rows that the finding is about"),
        "people": ("int64", "people", "distinct people of these rows"),
        "file": ("string", "", "file of the first such row; empty where there is none"),
        "line": ("int64", "", "its line; 0 where there is none"),
        "said": ("string", "", "the finding in one sentence"),
    },
)


def suspicions(
    judged: dict[str, ibis.Table], lives: ibis.Table | None = None, same_moment: ibis.Table | None = None,
    suspects: ibis.Table | None = None, counts: ibis.Table | None = None, names: ibis.Table | None = None,
    kinds: ibis.Table | None = None, *,
    roles: dict[str, list[str]], limits: dict[str, float], first_day: date | None = None, as_of_day: date | None = None,
    data_until: date | None = None, experiments: dict | None = None, has_amounts: bool | None = None, exact_dropped: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """What in the kept rows looks wrong (contract `suspicions`), in a fixed order of rules; no rows where nothing does.

    Args:
        judged: Rows of each kind of source as `judge` gives them; a kind may be missing or empty.
        lives, suspects: As `facts.lives` and `suspect_users` give them; counted anew where not both are given.
        same_moment: The facts of that name; counted anew where not given.
        counts, names, kinds: What the functions of these names give of the events; counted anew where not given.
        limits: Section `suspicions` of rules.toml.
        first_day, data_until: First and last local day that the data reach; days of kept events outside them are not
            compared. Where not given, the first and last day with a kept event.
        as_of_day: Last local day of the report's week; without it nothing is said on freshness, nor on births of late.
        experiments: experiments.toml, whose names are spellings, too.
        has_amounts: Whether the dataset maps amounts; where not given, whether any kept event has one.
        exact_dropped: Whether exact repetitions were dropped; if not, events equal in all columns are no near duplicates.

    Raises:
        InputError: A limit is out of its range.
    """
    check_suspicion_limits(limits)
    rows = {kind: table.filter(table["_status"] == "kept") for kind, table in judged.items()}
    if "users" in judged and judged["users"].limit(1).to_pandas().empty:
        del rows["users"]
    found = []
    if "events" in rows:
        events = rows["events"]
        if lives is None or suspects is None:
            lives, suspects = _lives(events, limits)
        names = names_of(events) if names is None else names
    wrong = [*_unknown_users(rows, lives), *_impossible_ages(rows, as_of_day)]
    if "events" in rows:
        wrong += [*_before_sign_up(rows, kinds), *_near_duplicates(events, same_moment, exact_dropped)]
        wrong += _without_amount(events, names, roles, has_amounts)
        found += [*_bots(events, suspects, limits), *_outliers(events, names, roles, limits["outlier_share"])]
        found += _out_of_rhythm(events, counts, limits, (first_day, data_until), as_of_day)
    return _frame([*found, *telling.told([*wrong, *_several_arms(rows)]), *_spellings(rows, names, experiments)])


def _lives(events: ibis.Table, limits: dict[str, float]) -> tuple[ibis.Table, ibis.Table]:
    many = limits["bot_hours"]
    days = events.group_by(["user_id", "day"]).agg(events=events.count())
    lives = facts.lives(days.mutate(active=days.events, pay=ibis.literal(0)))
    return lives, suspect_users(lives, long_days(events, days, many=many), limits)


def _bots(events: ibis.Table, suspects: ibis.Table, limits: dict[str, float]) -> Iterator[dict]:
    suspects = suspects.cache()
    total = suspects.aggregate(people=suspects.count(), rows=suspects.events.sum()).to_pandas().iloc[0]
    if not total["people"]:
        return
    placed = telling.counted(events.semi_join(suspects, "user_id"), "user_id").join(suspects, "user_id")
    first = placed.order_by([ibis.desc("events"), "file", "line", "user_id"]).limit(MOST).to_pandas()
    for own in first.itertuples(index=False):
        masked = own.user_id[: 4 if len(own.user_id) > SHORT_ID else 1] + "***"
        around = f", in {limits['bot_hours']} hours or more on {plural(own.long, 'day')}" if own.long else ""
        said = f"{masked} made {own.events:,} events, {percent(own.share)} of all, up to {own.most:,} on a day{around}"
        yield finding("bot", "events", "user_id", own, f"{said}: {own.why}.", masked)
    if others := int(total["people"]) - len(first):
        rows = int(total["rows"]) - int(first["events"].sum())
        said = f"{plural(others, 'other', 'others')} made {rows:,} events in the way of a machine."
        yield finding("bot", "events", "user_id", nowhere(rows, others), said, "all others")


def _before_sign_up(rows: dict[str, ibis.Table], kinds: ibis.Table | None) -> Iterator[Wrong]:
    """Found by the first event of each person, so that the rows of nobody else are looked at."""
    if "users" in rows:
        events, kinds = rows["events"], kinds_of(rows["events"]) if kinds is None else kinds
        first = kinds.group_by("user_id").agg(first=kinds["first"].min())
        known = rows["users"].select("user_id", "registered_at").join(first, "user_id")
        known = known.filter(known["first"] < known.registered_at).select("user_id", "registered_at")
        met = events.join(known, "user_id")
        early = met.filter(met.ts < met.registered_at)
        yield Wrong("before_sign_up", "events", "ts", early, "{rows} of {people} came before the sign-up.")


def _near_duplicates(events: ibis.Table, same_moment: ibis.Table | None, exact_dropped: bool) -> Iterator[Wrong]:
    """Found by person and instant first, so that only what shares these is compared in full."""
    if same_moment is None:
        counted = events.group_by(["user_id", "moment"]).agg(n=events.count())
        same_moment = counted.filter(counted.n > 1)
    close = events.semi_join(same_moment, ["user_id", "moment"])
    close = close.mutate(like=close.count().over(group_by=["user_id", "moment", "event", "content_id", "amount"]))
    near = close.filter(close.like > 1)
    if not exact_dropped:
        whole = [name for name in events.columns if not name.startswith("_")]
        near = near.mutate(same=near.count().over(group_by=whole))
        near = near.filter(near.like > near.same)
    near = near.select("user_id", "_file", "_line", "content_id").cache()
    said = "{rows} of {people} repeat another in person, time, name, "
    strong, weak = near.filter(near.content_id.notnull()), near.filter(near.content_id.isnull())
    yield Wrong("near_duplicate", "events", "", strong, said + "content and amount, though not exactly.")
    yield Wrong("near_duplicate", "events", "content_id", weak, said + "amount, and have no content_id to tell them apart.")


def _without_amount(
    events: ibis.Table, names: ibis.Table, roles: dict[str, list[str]], has_amounts: bool | None
) -> Iterator[Wrong]:
    if has_amounts is None:
        has_amounts = not names.filter(names.amounts > 0).limit(1).to_pandas().empty
    pays = _of(names, roles, "pay")
    if has_amounts and not pays.filter(pays.rows > pays.amounts).limit(1).to_pandas().empty:
        blank = _of(events, roles, "pay").filter(events.amount.isnull())
        yield Wrong("payment_without_amount", "events", "amount", blank, "{rows} of {people} came without an amount.", "payment")


def _outliers(events: ibis.Table, names: ibis.Table, roles: dict[str, list[str]], share: float) -> Iterator[dict]:
    paid = _of(names, roles, "pay", "refund")
    payments = paid.amounts.sum(where=paid.event.isin(roles.get("pay") or [""]))
    sums = paid.aggregate(total=paid.total.sum(), largest=paid.largest.max(), payments=payments.fill_null(0))
    totals = sums.to_pandas().iloc[0]
    if not totals["total"] or totals["payments"] < LEAST_PAYMENTS:
        return
    limit = (totals["total"] * Decimal(str(share))).quantize(Decimal("0.0001"), ROUND_CEILING)
    if totals["largest"] < limit:
        return
    paid = _of(events, roles, "pay", "refund").filter(events.amount.notnull())
    paid = paid.mutate(size=paid.amount.abs())
    large = paid.filter(paid["size"] >= ibis.literal(limit).cast("decimal(38, 4)"))
    large = large.order_by([ibis.desc("size"), "_file", "_line"]).select("size", "day", file="_file", line="_line")
    for own in large.to_pandas().assign(rows=1, people=1).itertuples(index=False):
        day = pd.Timestamp(own.day).date().isoformat()
        said = f"One amount, of {day}, is {percent(own.size / totals['total'])} of the total of all amounts."
        yield finding("outlier", "events", "amount", own, said, day)


def _out_of_rhythm(
    events: ibis.Table, counts: ibis.Table | None, limits: dict[str, float], reach: tuple[date | None, date | None],
    as_of_day: date | None,
) -> Iterator[dict]:
    counted = events.mutate(rows=1) if counts is None else counts.filter(counts["_status"] == "kept")
    hours = counted.group_by(["day", "hour"]).agg(events=counted.rows.sum().cast("int64")).to_pandas()
    if hours.empty:
        return
    seen = pd.to_datetime(hours["day"])
    oldest, newest = seen.min().date(), seen.max().date()
    first, last = max(oldest, reach[0] or oldest), min(newest, reach[1] or newest)
    days, counts = rhythm.by_hour(hours, first, last)
    unusual = rhythm.unusual_days(days, counts, band=limits["volume_band"])
    yield from _unusual_days(events, unusual)
    gaps = rhythm.missing_hours(days, counts, least=limits["missing_hours"], unusual=set(unusual["day"]))
    for own in gaps.itertuples(index=False):
        between = f"{own.start:02d}:00 to {own.end:02d}:00"
        said = f"No event on {rhythm.named(own.day)} from {between}, where {own.usual:,.0f} are usual."
        yield finding("missing_hours", "events", "ts", nowhere(), said, f"{own.day.isoformat()} {between}")
    age = (as_of_day - newest).days if as_of_day else 0
    if age > limits["fresh_days"]:
        said = f"The newest event is of {newest}, {plural(age, 'day')} before the week's end on {as_of_day}."
        yield from telling.told([Wrong("freshness", "events", "ts", events.filter(events.day == newest), said, about="day")])


def _unusual_days(events: ibis.Table, unusual: pd.DataFrame) -> Iterator[dict]:
    placed = telling.counted(events.filter(events.day.isin(list(unusual["day"]))), "day").to_pandas() if len(unusual) else unusual
    by_day = {pd.Timestamp(own.day).date(): own for own in placed.itertuples(index=False)}
    for own in unusual.itertuples(index=False):
        said = f"{rhythm.named(own.day)} has {plural(own.events, 'event')}; usual are {own.low:,.0f} to {own.high:,.0f}."
        yield finding("volume", "events", "ts", by_day.get(own.day, nowhere()), said, own.day.isoformat())


def _spellings(rows: dict[str, ibis.Table], names: ibis.Table | None, experiments: dict | None) -> Iterator[dict]:
    for table, column, named, groups in spelling.several(rows, names, experiments):
        if isinstance(groups, int):
            said = f"The spelling of {column} was not looked at: it has {groups:,} different values."
            yield finding("spelling", table, column, nowhere(), said)
            continue
        labels = groups.drop_duplicates("group")["label"].tolist()
        told = ibis.memtable(groups.assign(group=groups["group"].clip(upper=MOST))[["of", "value", "group"]])
        counted = telling.counted(named.join(told, ["of", "value"]), "group").order_by("group").to_pandas()
        for own in counted.itertuples(index=False):
            subject = labels[own.group] if own.group < MOST else "all others"
            said = f"Spellings of what may be one {column} count apart: {subject}."
            if own.group == MOST:
                said = f"{plural(len(labels) - MOST, 'more name')} of {column} came in several spellings, which count apart."
            yield finding("spelling", table, column, own, said, subject)


def _unknown_users(rows: dict[str, ibis.Table], people: ibis.Table | None) -> Iterator[Wrong]:
    """Of events the people are looked up, and then their rows, which there mostly are none of."""
    for table in ("events", "assignments", "touches", "feedback") if "users" in rows else ():
        if table in rows:
            unknown = (people if table == "events" else rows[table]).anti_join(rows["users"], "user_id")
            unknown = rows[table].semi_join(unknown, "user_id") if table == "events" else unknown
            said = f"{{rows}} of {table} came from {{people}} whom the users table does not have."
            yield Wrong("unknown_user", table, "user_id", unknown, said, "row")


def _several_arms(rows: dict[str, ibis.Table]) -> Iterator[Wrong]:
    if "assignments" in rows:
        assigned, whose = rows["assignments"], ["experiment", "user_id"]
        arms = assigned.group_by(whose).agg(arms=assigned.variant.nunique())
        several = assigned.semi_join(arms.filter(arms.arms > 1), whose)
        said = "{people} came into several arms of {about}; its effects leave them out."
        yield Wrong("several_arms", "assignments", "variant", several, said, about="experiment")


def _impossible_ages(rows: dict[str, ibis.Table], as_of_day: date | None) -> Iterator[Wrong]:
    if "users" in rows and rows["users"].birth_year.type().is_numeric():
        born = rows["users"].birth_year
        wrong, outside = born < FIRST_BIRTH_YEAR, f"before {FIRST_BIRTH_YEAR}"
        if as_of_day:
            latest = as_of_day.year - LEAST_AGE
            wrong, outside = wrong | (born > latest), f"{outside} or after {latest}"
        said = f"{{people}} gave a birth year {outside}."
        yield Wrong("impossible_age", "users", "birth_year", rows["users"].filter(wrong), said)


def _of(events: ibis.Table, roles: dict[str, list[str]], *wanted: str) -> ibis.Table:
    return events.filter(events.event.isin([name for role in wanted for name in roles.get(role, [])] or [""]))


def _frame(found: list[dict]) -> pd.DataFrame:
    """The findings under their contract; a subject that is told twice gets a number."""
    taken: set[tuple] = set()
    for own in found:
        subject, times = own["subject"], 1
        while (key := tuple(own[column] for column in SUSPICIONS.key)) in taken:
            times += 1
            own["subject"] = f"{subject} ({times})"
        taken.add(key)
    made = pd.DataFrame(found, columns=list(SUSPICIONS.columns))
    return made.astype({name: "str" if column.dtype == "string" else "int64" for name, column in SUSPICIONS.columns.items()})
