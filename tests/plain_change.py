"""What changes are made of, counted person by person in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

Person = dict[date, dict]


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def people(rows: Iterable[Mapping], last_day: date) -> dict[str, Person]:
    """What each person did in each week up to the last day: active, present, net."""
    found: dict[str, Person] = defaultdict(dict)
    for row in rows:
        if row["day"] <= last_day:
            week = found[row["user_id"]].setdefault(monday(row["day"]), {"active": 0, "present": 0, "net": Decimal(0)})
            done = any(row.get(name) for name in ("active", "pay", "refund", "net"))
            week["active"] |= int(bool(row.get("active")))
            week["present"] |= int(done)
            week["net"] += row.get("net", Decimal(0))
    return dict(found)


def joined(person: Person) -> date | None:
    return min((week for week, did in person.items() if did["active"]), default=None)


def tenure(person: Person, week: date, begun: date) -> str:
    first = joined(person)
    if first is None or first > week:
        return "never active yet"
    age = (week - first).days // 7
    names = [(12, "after week 12"), (4, "weeks 5 to 12"), (1, "weeks 2 to 4"), (0, "first week")]
    return "from the beginning" if first == begun else next(name for least, name in names if age >= least)


def slice_week(everyone: Mapping[str, Person], week: date, slice_of) -> dict[str, dict]:
    """The counts of one week by slice; `slice_of(user, person, week)` names it."""
    found: dict[str, dict] = defaultdict(
        lambda: dict.fromkeys(("known", "joined", "returned", "active", "present"), 0) | {"net": Decimal(0)}
    )
    for user, person in everyone.items():
        row, first, did = found[slice_of(user, person, week)], joined(person), person.get(week, {})
        row["known"] += first is not None and first <= week
        row["joined"] += first == week
        row["returned"] += bool(did.get("active")) and first == week - timedelta(days=7)
        row["active"] += did.get("active", 0)
        row["present"] += did.get("present", 0)
        row["net"] += did.get("net", Decimal(0))
    return found


def four(person: Person, metric: str, base: int, last: date) -> tuple[Fraction, ...]:
    """People and amount of the weeks before, summed, and people and amount now, of one person."""
    first, weeks = joined(person), [last - timedelta(days=7 * back) for back in range(1, base + 1)]

    def size(week: date) -> int:
        if metric == "weekly_actives":
            return int(first is not None and first <= week)
        return person.get(week, {}).get("present", 0)

    def amount(week: date) -> Fraction:
        return Fraction(person.get(week, {}).get("active" if metric == "weekly_actives" else "net", 0))

    return (Fraction(sum(map(size, weeks))), sum(map(amount, weeks), Fraction(0)), Fraction(size(last)), amount(last))


def kitagawa(slices: list[tuple[Fraction, ...]], *, total: bool) -> list[tuple[Fraction, Fraction, Fraction]]:
    """Size, mix and rate of each slice by midpoints, in fractions; a slice that only one has keeps its rate."""
    whole = [sum(row[at] for row in slices) for at in (0, 2)]

    def rates(row: tuple[Fraction, ...]) -> tuple[Fraction, Fraction]:
        before, now = (row[at + 1] / row[at] if row[at] else None for at in (0, 2))
        before, now = (now if before is None else before), (before if now is None else now)
        return before or Fraction(0), now or Fraction(0)

    average = sum(row[0] / whole[0] * rates(row)[0] + row[2] / whole[1] * rates(row)[1] for row in slices) / 2
    scale = Fraction(sum(whole), 2) if total else Fraction(1)
    found = []
    for row in slices:
        (before, now), weight = rates(row), (row[0] / whole[0], row[2] / whole[1])
        size = average * (row[2] - row[0]) if total else Fraction(0)
        found.append(
            (
                size,
                scale * (weight[1] - weight[0]) * ((before + now) / 2 - average),
                scale * sum(weight) / 2 * (now - before),
            )
        )
    return found
