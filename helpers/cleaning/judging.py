"""Which rows count: each row is kept, or set aside for one stated reason.

The order of judgement: a record of the wrong shape is quarantined; a sound row that repeats an earlier one exactly is a
duplicate, whatever `where` says; what `where` or a set-aside user leaves out is not selected; what cannot be read or lies
outside the range of times is quarantined, and so are its repetitions; what lies at or after as_of waits; the rest is kept.
"""

from __future__ import annotations

from datetime import datetime

import ibis

FIRST_DAY = "2000-01-01"
TIME = {
    "events": "ts", "users": "registered_at", "assignments": "assigned_at", "touches": "touched_at",
    "feedback": "answered_at",
}  # fmt: skip
OLDEST_BIRTH = 1900
CELLS = ("registered_at", "birth_year", "duration_s", "score")
MONEY = ("amount", "discount", "cost")
REQUIRED = {
    "events": ("user_id", "event"),
    "users": ("user_id",),
    "assignments": ("user_id", "experiment", "variant"),
    "touches": ("user_id", "campaign"),
    "feedback": ("user_id", "question"),
    "units": ("unit_id", "variant"),
    "spend": ("channel",),
}
ONCE = {"users": (["user_id"], "repeated_user"), "units": (["units", "unit_id"], "repeated_unit")}
PLACE = ["_source", "_file", "_line"]
STATUSES = ("kept", "not_selected", "after_as_of", "duplicates", "quarantined")


def judge(rows: ibis.Table, kind: str, *, as_of: datetime | None, future_from: datetime | None) -> ibis.Table:
    """Give every row its status and the reason for it.

    Args:
        rows: As `run.source(kind)` gives them.
        as_of: Exclusive instant; rows at or after it wait. None for a dataset without times.
        future_from: Instant from which on a time is taken for a mistake.

    Returns:
        The rows with `_table` (the kind), `_status` (one of STATUSES), `_reason` ("" where kept) and `_emptied`: the column
        whose cell cannot be and was emptied, the row being none the worse for it; null where none was.
    """
    rows = _emptied(rows, kind, as_of, future_from)
    wrong = _wrong(rows, kind, future_from)
    judged = rows.mutate(_table=ibis.literal(kind), _wrong=wrong, _late=_late(rows, kind, as_of))
    left_out = ~judged["_selected"] | judged["_excluded"].notnull()
    status = ibis.cases(
        (judged["_fault"].notnull(), "quarantined"),
        (judged["_duplicate"] & judged["_wrong"].isnull(), "duplicates"),
        (left_out, "not_selected"),
        (judged["_wrong"].notnull(), "quarantined"),
        (judged["_late"], "after_as_of"),
        else_="kept",
    )
    judged = judged.mutate(_status=status)
    reason = ibis.cases(
        (judged["_fault"].notnull(), judged["_fault"]),
        (judged["_status"] == "duplicates", "exact_duplicate"),
        (judged["_status"] == "not_selected", ibis.coalesce(judged["_excluded"], ibis.literal("where"))),
        (judged["_status"] == "quarantined", judged["_wrong"]),
        (judged["_status"] == "after_as_of", "after_as_of"),
        else_="",
    )
    judged = judged.mutate(_reason=reason).drop("_wrong", "_late")
    return _first_of_each(judged, *ONCE[kind]) if kind in ONCE else judged


def odd(judged: ibis.Table) -> ibis.Table:
    """The rows that do not simply count: for `met`."""
    return judged.filter((judged["_status"] != "kept") | judged["_emptied"].notnull())


def met(rows: ibis.Table, odd: ibis.Table) -> ibis.Table:
    """Events as `judge` gives them, of those that are odd: all others are kept as they are, and need not be looked at again.

    Whoever asks for rows that are not kept reads the odd ones alone, since the engine sees that no other can be meant.
    """
    plain = rows.anti_join(odd, PLACE).mutate(
        _table=ibis.literal("events"), _duplicate=ibis.literal(False), _status=ibis.literal("kept"), _reason=ibis.literal(""),
        _emptied=ibis.null("string"),
    )  # fmt: skip
    return plain.select(odd.columns).union(odd)


def _wrong(rows: ibis.Table, kind: str, future_from: datetime | None) -> ibis.Value:
    """The name of what is wrong with a row, null when nothing is."""
    found = [(ibis.coalesce(rows[column], "") == "", f"blank_{column}") for column in REQUIRED[kind]]
    time = TIME.get(kind)
    if time and kind != "users":
        found.append((rows[time].isnull(), "bad_time"))
        found.append((_ancient(rows[time]), "ancient_time"))
        if future_from is not None:
            found.append((rows[time] >= ibis.literal(future_from), "future_time"))
    if kind == "spend":
        found.append((rows.day.isnull(), "bad_time"))
    found += [(_unread(rows, column), f"bad_{column}") for column in MONEY if column in rows.columns]
    return ibis.cases(*found, else_=ibis.null("string"))


def _emptied(rows: ibis.Table, kind: str, as_of: datetime | None, future_from: datetime | None) -> ibis.Table:
    """Empty the cells of a person that cannot be: a sign-up before 2000 or in the future, a birth before 1900 or to come."""
    if kind == "users":
        rows = rows.mutate(_early=_not_so(rows, future_from), _unborn=_unborn(rows, as_of))
        never = [(rows["_early"], "registered_at"), (rows["_unborn"], "birth_year")]
        rows = rows.mutate(
            registered_at=ibis.ifelse(rows["_early"], ibis.null(rows.registered_at.type()), rows.registered_at),
            registered_day=ibis.ifelse(rows["_early"], ibis.null("date"), rows.registered_day),
            birth_year=ibis.ifelse(rows["_unborn"], ibis.null("float64"), rows.birth_year),
            _never=ibis.cases(*never, else_=ibis.null("string")),
        ).drop("_early", "_unborn")
    marks = [(_unread(rows, column), column) for column in CELLS if column in rows.columns]
    unread = ibis.cases(*marks, else_=ibis.null("string")) if marks else ibis.null("string")
    rows = rows.mutate(_emptied=ibis.coalesce(rows["_never"], unread) if kind == "users" else unread)
    return rows.drop("_never") if kind == "users" else rows


def _not_so(rows: ibis.Table, future_from: datetime | None) -> ibis.BooleanValue:
    odd = _ancient(rows.registered_at)
    return odd if future_from is None else odd | (rows.registered_at >= ibis.literal(future_from))


def _unborn(rows: ibis.Table, as_of: datetime | None) -> ibis.BooleanValue:
    latest = 9999 if as_of is None else as_of.year
    return (rows.birth_year < OLDEST_BIRTH) | (rows.birth_year > latest)


def _ancient(moment: ibis.Value) -> ibis.BooleanValue:
    return moment < ibis.literal(FIRST_DAY).cast("timestamp('UTC')")


def _unread(rows: ibis.Table, column: str) -> ibis.BooleanValue:
    """Whether a text stood in the column that could not be read."""
    return ibis.coalesce(("," + rows["_bad"] + ",").contains(f",{column},"), False)


def _late(rows: ibis.Table, kind: str, as_of: datetime | None) -> ibis.Value:
    if as_of is None or kind == "units":
        return ibis.literal(False)
    if kind == "spend":
        return ibis.coalesce(rows.day >= ibis.literal(as_of.date()), False)
    return ibis.coalesce(rows[TIME[kind]] >= ibis.literal(as_of), False)


def _first_of_each(judged: ibis.Table, key: list[str], reason: str) -> ibis.Table:
    """A second row for the same user is quarantined, so that no join multiplies events; likewise a second one for a unit."""
    is_kept = judged["_status"] == "kept"
    places = [judged[column] for column in ("_source", "_file", "_line", "_byte")]
    order = ibis.row_number().over(group_by=[*(judged[column] for column in key), is_kept], order_by=places)
    numbered = judged.mutate(_again=is_kept & (order > 0))
    return numbered.mutate(
        _status=ibis.ifelse(numbered["_again"], "quarantined", numbered["_status"]),
        _reason=ibis.ifelse(numbered["_again"], reason, numbered["_reason"]),
    ).drop("_again")


def column_of(kind: str, reason: str) -> str:
    """The column that a reason is about; "" when it is about the whole row."""
    if reason in ("bad_time", "ancient_time", "future_time"):
        return TIME.get(kind, "day")
    prefix, _, column = reason.partition("_")
    return column if prefix in ("blank", "bad") and reason != "bad_bytes" else ""


def kept(judged: ibis.Table) -> ibis.Table:
    """The rows that the numbers rest on, without the columns of judgement."""
    wanted = [column for column in judged.columns if not column.startswith("_")]
    return judged.filter(judged["_status"] == "kept").select(wanted)
