"""Rules that warn: what in the kept rows looks wrong, with figures and places. Nothing is removed by them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal

import ibis
import pandas as pd

from helpers import contracts
from helpers.cleaning import rhythm, spelling
from helpers.cleaning.influence import busy, check_suspicion_limits

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
    judged: dict[str, ibis.Table],
    *,
    roles: dict[str, list[str]],
    limits: dict[str, float],
    first_day: date | None = None,
    as_of_day: date | None = None,
    data_until: date | None = None,
    experiments: dict | None = None,
    has_amounts: bool | None = None,
    exact_dropped: bool = True,
) -> pd.DataFrame:
    """What in the kept rows looks wrong (contract `suspicions`), in a fixed order of rules; no rows where nothing does.

    Args:
        judged: Rows of each kind of source as `judge` gives them; a kind may be missing or empty.
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
    found, wrong = [], [*_unknown_users(rows), *_impossible_ages(rows, as_of_day)]
    if "events" in rows:
        events = rows["events"]
        wrong += [*_before_sign_up(rows), *_near_duplicates(events, exact_dropped), *_without_amount(events, roles, has_amounts)]
        found += [*_bots(events, limits), *_outliers(events, roles, limits["outlier_share"])]
        found += _out_of_rhythm(events, limits, (first_day, data_until), as_of_day)
    return _frame([*found, *_told([*wrong, *_several_arms(rows)]), *_spellings(rows, experiments)])


@dataclass(frozen=True)
class _Wrong:
    """Rows of a finding, or of one for each value of the column `about`; `said` tells of `{rows}`, `{people}`, `{about}`."""

    rule: str
    table: str
    column: str
    rows: ibis.Table
    said: str
    row: str = "event"
    about: str = ""


def _bots(events: ibis.Table, limits: dict[str, float]) -> Iterator[dict]:
    people = busy(events, limits)
    suspects = people.filter(people.why.notnull()).drop("people")
    total = suspects.aggregate(people=suspects.count(), rows=suspects.events.sum()).to_pandas().iloc[0]
    if not total["people"]:
        return
    placed = _counted(events.semi_join(suspects, "user_id"), "user_id").join(suspects, "user_id")
    first = placed.order_by([ibis.desc("events"), "file", "line", "user_id"]).limit(MOST).to_pandas()
    for own in first.itertuples(index=False):
        masked = own.user_id[: 4 if len(own.user_id) > SHORT_ID else 1] + "***"
        around = f", in {limits['bot_hours']} hours or more on {_plural(own.long, 'day')}" if own.long else ""
        said = f"{masked} made {own.events:,} events, {_percent(own.share)} of all, up to {own.most:,} on a day{around}"
        yield _finding("bot", "events", "user_id", own, f"{said}: {own.why}.", masked)
    if others := int(total["people"]) - len(first):
        rows = int(total["rows"]) - int(first["events"].sum())
        said = f"{_plural(others, 'other', 'others')} made {rows:,} events in the way of a machine."
        yield _finding("bot", "events", "user_id", _nowhere(rows, others), said, "all others")


def _before_sign_up(rows: dict[str, ibis.Table]) -> Iterator[_Wrong]:
    if "users" in rows:
        met = rows["events"].join(rows["users"].select("user_id", "registered_at"), "user_id")
        early = met.filter(met.ts < met.registered_at)
        yield _Wrong("before_sign_up", "events", "ts", early, "{rows} of {people} came before the sign-up.")


def _near_duplicates(events: ibis.Table, exact_dropped: bool) -> Iterator[_Wrong]:
    """Found by person and instant first, so that only what shares these is compared in full."""
    same = events.group_by(["user_id", "moment"]).agg(n=events.count())
    close = events.semi_join(same.filter(same.n > 1), ["user_id", "moment"])
    close = close.mutate(like=close.count().over(group_by=["user_id", "moment", "event", "content_id", "amount"]))
    near = close.filter(close.like > 1)
    if not exact_dropped:
        whole = [name for name in events.columns if not name.startswith("_")]
        near = near.mutate(same=near.count().over(group_by=whole))
        near = near.filter(near.like > near.same)
    said = "{rows} of {people} repeat another in person, time, name, "
    strong, weak = near.filter(near.content_id.notnull()), near.filter(near.content_id.isnull())
    yield _Wrong("near_duplicate", "events", "", strong, said + "content and amount, though not exactly.")
    yield _Wrong("near_duplicate", "events", "content_id", weak, said + "amount, and have no content_id to tell them apart.")


def _without_amount(events: ibis.Table, roles: dict[str, list[str]], has_amounts: bool | None) -> Iterator[_Wrong]:
    if has_amounts is None:
        has_amounts = not events.filter(events.amount.notnull()).limit(1).to_pandas().empty
    if has_amounts:
        blank = _of(events, roles, "pay").filter(events.amount.isnull())
        yield _Wrong("payment_without_amount", "events", "amount", blank, "{rows} of {people} came without an amount.", "payment")


def _outliers(events: ibis.Table, roles: dict[str, list[str]], share: float) -> Iterator[dict]:
    paid = _of(events, roles, "pay", "refund").filter(events.amount.notnull())
    paid = paid.mutate(size=paid.amount.abs())
    pays = paid.event.isin(roles.get("pay") or [""])
    totals = paid.aggregate(total=paid["size"].sum(), payments=pays.sum()).to_pandas().iloc[0]
    if not totals["total"] or totals["payments"] < LEAST_PAYMENTS:
        return
    limit = (totals["total"] * Decimal(str(share))).quantize(Decimal("0.0001"), ROUND_CEILING)
    large = paid.filter(paid["size"] >= ibis.literal(limit).cast("decimal(38, 4)"))
    large = large.order_by([ibis.desc("size"), "_file", "_line"]).select("size", "day", file="_file", line="_line")
    for own in large.to_pandas().assign(rows=1, people=1).itertuples(index=False):
        day = pd.Timestamp(own.day).date().isoformat()
        said = f"One amount, of {day}, is {_percent(own.size / totals['total'])} of the total of all amounts."
        yield _finding("outlier", "events", "amount", own, said, day)


def _out_of_rhythm(
    events: ibis.Table, limits: dict[str, float], reach: tuple[date | None, date | None], as_of_day: date | None
) -> Iterator[dict]:
    hours = events.group_by(["day", "hour"]).agg(events=events.count()).to_pandas()
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
        yield _finding("missing_hours", "events", "ts", _nowhere(), said, f"{own.day.isoformat()} {between}")
    age = (as_of_day - newest).days if as_of_day else 0
    if age > limits["fresh_days"]:
        said = f"The newest event is of {newest}, {_plural(age, 'day')} before the week's end on {as_of_day}."
        yield from _told([_Wrong("freshness", "events", "ts", events.filter(events.day == newest), said, about="day")])


def _unusual_days(events: ibis.Table, unusual: pd.DataFrame) -> Iterator[dict]:
    placed = _counted(events.filter(events.day.isin(list(unusual["day"]))), "day").to_pandas() if len(unusual) else unusual
    by_day = {pd.Timestamp(own.day).date(): own for own in placed.itertuples(index=False)}
    for own in unusual.itertuples(index=False):
        said = f"{rhythm.named(own.day)} has {_plural(own.events, 'event')}; usual are {own.low:,.0f} to {own.high:,.0f}."
        yield _finding("volume", "events", "ts", by_day.get(own.day, _nowhere()), said, own.day.isoformat())


def _spellings(rows: dict[str, ibis.Table], experiments: dict | None) -> Iterator[dict]:
    for table, column, named, groups in spelling.several(rows, experiments):
        if isinstance(groups, int):
            said = f"The spelling of {column} was not looked at: it has {groups:,} different values."
            yield _finding("spelling", table, column, _nowhere(), said)
            continue
        labels = groups.drop_duplicates("group")["label"].tolist()
        told = ibis.memtable(groups.assign(group=groups["group"].clip(upper=MOST))[["of", "value", "group"]])
        counted = _counted(named.join(told, ["of", "value"]), "group").order_by("group").to_pandas()
        for own in counted.itertuples(index=False):
            subject = labels[own.group] if own.group < MOST else "all others"
            said = f"Spellings of what may be one {column} count apart: {subject}."
            if own.group == MOST:
                said = f"{_plural(len(labels) - MOST, 'more name')} of {column} came in several spellings, which count apart."
            yield _finding("spelling", table, column, own, said, subject)


def _unknown_users(rows: dict[str, ibis.Table]) -> Iterator[_Wrong]:
    for table in ("events", "assignments", "touches", "feedback") if "users" in rows else ():
        if table in rows:
            unknown = rows[table].anti_join(rows["users"], "user_id")
            said = f"{{rows}} of {table} came from {{people}} whom the users table does not have."
            yield _Wrong("unknown_user", table, "user_id", unknown, said, "row")


def _several_arms(rows: dict[str, ibis.Table]) -> Iterator[_Wrong]:
    if "assignments" in rows:
        assigned, whose = rows["assignments"], ["experiment", "user_id"]
        arms = assigned.group_by(whose).agg(arms=assigned.variant.nunique())
        several = assigned.semi_join(arms.filter(arms.arms > 1), whose)
        said = "{people} came into several arms of {about}; its effects leave them out."
        yield _Wrong("several_arms", "assignments", "variant", several, said, about="experiment")


def _impossible_ages(rows: dict[str, ibis.Table], as_of_day: date | None) -> Iterator[_Wrong]:
    if "users" in rows and rows["users"].birth_year.type().is_numeric():
        born = rows["users"].birth_year
        wrong, outside = born < FIRST_BIRTH_YEAR, f"before {FIRST_BIRTH_YEAR}"
        if as_of_day:
            latest = as_of_day.year - LEAST_AGE
            wrong, outside = wrong | (born > latest), f"{outside} or after {latest}"
        said = f"{{people}} gave a birth year {outside}."
        yield _Wrong("impossible_age", "users", "birth_year", rows["users"].filter(wrong), said)


def _told(wrong: list[_Wrong]) -> Iterator[dict]:
    """The findings of all these rules, counted in one query; none where there are no rows."""
    if not wrong:
        return
    parts = []
    for number, one in enumerate(wrong):
        about = one.rows[one.about].cast("string") if one.about else ibis.literal("")
        parts.append(one.rows.select("user_id", "_file", "_line", number=ibis.literal(number), about=about))
    counted = _counted(ibis.union(*parts), "number", "about").order_by(["number", "about"])
    for own in counted.to_pandas().itertuples(index=False):
        one, about = wrong[own.number], spelling.shown(own.about)
        told = {"rows": _plural(own.rows, one.row), "people": _plural(own.people, "person", "people"), "about": about}
        yield _finding(one.rule, one.table, one.column, own, one.said.format(**told), about)


def _counted(rows: ibis.Table, *by: str) -> ibis.Table:
    """`rows`, distinct `people`, and `file` and `line` of the first row, for each value of some columns."""
    own = rows.group_by(list(dict.fromkeys([*by, "user_id", "_file"]))).agg(rows=rows.count(), line=rows["_line"].min())
    own = own.mutate(file=own["_file"].min().over(group_by=by))
    return own.group_by([*by, "file"]).agg(
        rows=own.rows.sum().cast("int64"), people=own.user_id.nunique(), line=own.line.min(where=own["_file"] == own.file)
    )


def _of(events: ibis.Table, roles: dict[str, list[str]], *wanted: str) -> ibis.Table:
    return events.filter(events.event.isin([name for role in wanted for name in roles.get(role, [])] or [""]))


def _nowhere(rows: int = 0, people: int = 0):
    return pd.Series({"rows": rows, "people": people, "file": "", "line": 0})


def _finding(rule: str, table: str, column: str, own, said: str, subject: str = "") -> dict:
    """A row of the contract; `own` has its counts and its place."""
    place = {"rows": own.rows, "people": own.people, "file": own.file, "line": own.line}
    return {"rule": rule, "table": table, "column": column, "subject": subject, **place, "said": said}


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


def _plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
