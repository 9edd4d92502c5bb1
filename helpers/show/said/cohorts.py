"""What is said of cohort tables: their whole rule, what they show, and what stands where they show nothing."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from helpers.show import format, gate, words
from helpers.show.words import subject, tier, word

if TYPE_CHECKING:
    from helpers.retention import Rule, Spread

CLEAR = 0.05
PAIRED = " × "


def rule(given: Rule, *, last_day: date, what: str = "") -> str:
    """The whole rule of a cohort table; with `what` before it ("pooled" or "by_cohort").

    Args:
        given: The rule by which the table was made.
        last_day: The day with which the data end.
    """
    at = word(f"said.cohorts.at.{given.unit}")
    parts = {"unit": _unit(given), "at": at, "last_day": format.day(last_day), "zone": given.zone}
    start = word("said.cohorts.first_time" if given.first_time else "said.cohorts.recurring", **parts,
                 start=word(f"said.cohorts.roles.{given.start}"))  # fmt: skip
    times = word("said.cohorts.times", n=given.times) if given.times > 1 else ""
    returns = word(f"said.cohorts.roles.{given.returns}") + times
    bounded = "_within" if given.criterion == "on_or_after" and given.horizon is not None else ""
    came = word(f"said.cohorts.{given.criterion}{bounded}", **parts, returns=returns, horizon=given.horizon)
    week = word(f"said.cohorts.{given.week_start}") if given.unit == "week" else ""
    opened = [word(f"said.cohorts.{what}", unit=parts["unit"])] if what else []
    return format.joined([*opened, start, came, word("said.cohorts.calendar", **parts, week=week)])


def on(average: pd.DataFrame, rule: Rule, *, ages: tuple[int, ...] = (1,)) -> str:
    """The pooled share that came back at some ages.

    Args:
        average: As `retention.average` gives it.
    """
    told = []
    for age in ages:
        row = _row(average, age)
        if row is not None:
            told.append(word("said.cohorts.at_age", age=_age(age, rule), **_rate(row)))
    return word("said.cohorts.back", parts=format.joined(told, "clauses"), people=subject()) if told else nobody_yet(rule)


def within(average: pd.DataFrame, rule: Rule) -> str:
    """The pooled share that came back at all after the first period, within the horizon."""
    row = _row(average, 1)
    if row is None:
        return nobody_yet(rule)
    cohorts = format.value(row["cohorts"], "count")
    return word("said.cohorts.within", unit=_unit(rule), horizon=rule.horizon, people=subject(), n=cohorts, **_rate(row))


def spans(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table by bracket with `span`, the bracket in words."""
    named = [word("said.cohorts.span", first=first, last=last) for first, last in zip(table["age"], table["until"], strict=True)]
    return table.assign(span=named)


def brackets(table: pd.DataFrame, average: pd.DataFrame, rule: Rule) -> str:
    """The pooled shares of the first and the last bracket that somebody has had.

    Args:
        table: The cohort table by bracket, whose averages these are.
    """
    ends = table.groupby("age")["until"].first()
    shown = [row for row in average.to_dict("records") if not gate.is_small(row["size"])]
    if not shown:
        return nobody_yet(rule)
    unit = word(f"said.cohorts.many.{rule.unit}")
    told = [
        word("said.cohorts.in_span", unit=unit, first=row["age"], last=ends[row["age"]], **_rate(row))
        for row in ([shown[0]] if len(shown) == 1 else [shown[0], shown[-1]])
    ]
    return word("said.cohorts.back", parts=format.joined(told, "clauses"), people=subject())


def apart(spread: Spread | None, dimension: str, rule: Rule) -> str:
    """Which slices keep most and least a period later; where chance could have parted them so, that is what is said.

    Args:
        spread: As `retention.spread` gives it, with the smallest group that may be shown.
    """
    if spread is None:
        return word("said.cohorts.one_slice", dimension=named(dimension))
    parts = {"dimension": named(dimension), "age": _age(int(spread.most["age"]), rule), "p": format.value(spread.p, "p")}
    if spread.p > CLEAR:
        return word("said.cohorts.alike", **parts)
    for name in ("most", "least"):
        row = getattr(spread, name)
        parts |= {f"{name}_name": gate.name(tier(row["slice"])), **{f"{name}_{key}": text for key, text in _rate(row).items()}}
    return word("said.cohorts.apart", **parts)


def money(kept: pd.DataFrame, rule: Rule, *, age: int = 1) -> str:
    """The money that cohorts bring a period later, beside the people who come back to pay.

    Args:
        kept: As `retention.money` gives it.
    """
    rows = {name: _row(kept[kept["measure"] == name], age, "n") for name in ("net", "people")}
    if rows["net"] is None or rows["people"] is None or format.value(rows["net"]["rate"], "share") == format.UNDEFINED:
        return word("said.cohorts.no_money", age=_age(age, rule))
    net, people = (_rate(rows[name]) for name in ("net", "people"))
    said = {"returns": word(f"said.cohorts.acts.{rule.returns}"), "unit": _unit(rule), "age": _age(age, rule)}
    return word("said.cohorts.money", **said, net=net["rate"], net_interval=net["interval"], rate=people["rate"],
                interval=people["interval"])  # fmt: skip


def measures(kept: pd.DataFrame) -> pd.DataFrame:
    """The rows of `retention.money` with what is measured in words."""
    return kept.assign(measure=[word(f"said.cohorts.of_{name}") for name in kept["measure"]])


def why(cube: pd.DataFrame, *, last_day: date, dimension: str = "all", slice: str | None = None) -> str:
    """Why there is nothing to show of a slice; empty where there is something.

    Args:
        cube: As `retention.cohort_cube` gives it.
    """
    own = cube[cube["dimension"] == dimension]
    if cube.empty:
        return word("said.cohorts.nobody")
    if own.empty:
        known = format.joined((named(name) for name in cube["dimension"].unique()), "names")
        return word("said.cohorts.no_dimension", dimension=named(dimension), known=known)
    if slice is not None:
        own = own[own["slice"] == slice]
        if own.empty:
            return word("said.cohorts.no_slice", dimension=named(dimension), slice=gate.name(slice))
    begun = own[own["cohort"] <= pd.Timestamp(last_day)]
    if begun.empty:
        return word("said.cohorts.future", first=format.day(own["cohort"].min()), last_day=format.day(last_day))
    people = begun.loc[begun["age"] == 0, "size"].sum()
    return word("said.cohorts.few", k=gate.settings().min_group) if gate.is_small(people) else ""


def by(dimension: str) -> str:
    """What a figure of retention by a dimension is called."""
    return word("said.cohorts.retention_by", dimension=named(dimension)) if dimension != "all" else word("said.cohorts.retention")


def named(dimension: str) -> str:
    """What a dimension is called, and a pair of them."""
    return PAIRED.join(words.dimension(part) for part in dimension.split(PAIRED))


def enough() -> int:
    """The smallest group that may be shown (people)."""
    return gate.settings().min_group


def nobody_yet(rule: Rule) -> str:
    """That no cohort is large enough, of known past and old enough."""
    return word("said.cohorts.none_yet", unit=_unit(rule))


def _row(frame: pd.DataFrame, age: int, n: str = "size") -> dict | None:
    """The row of an age; none where there is none, or it tells of too few people."""
    own = frame[frame["age"] == age].to_dict("records")
    return own[0] if own and own[0][n] and not gate.is_small(own[0][n]) else None


def _rate(row: dict) -> dict[str, str]:
    interval = format.interval(row["low"], row["high"], "share")
    return {"rate": format.value(row["rate"], "share"), "interval": interval}


def _unit(rule: Rule) -> str:
    return word(f"said.cohorts.units.{rule.unit}")


def _age(age: int, rule: Rule) -> str:
    return word(f"said.cohorts.ages.{rule.unit}", n=age)
