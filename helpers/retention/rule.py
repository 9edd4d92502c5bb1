"""The whole rule of a cohort table: without it, a retention number says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from helpers import contracts
from helpers.errors import InputError, nearest
from helpers.retention.periods import UNITS, WEEK_STARTS

ROLES = ("active", "create", "comment", "share", "react", "pay")
CRITERIA = ("on", "on_or_after", "bracket")
RETENTION_RULE = contracts.declare(
    "retention_rule",
    grain="one row per cohort table",
    key=["table"],
    needs="events",
    small=True,
    columns={
        "table": ("string", "", "which table"),
        "start": ("string", "", "role of the events that make a member of a cohort"),
        "returns": ("string", "", "role of the events that are a return"),
        "times": ("int64", "events", "of them in a period, from which on it is a return"),
        "cohort": ("string", "", '"first_time": by the first start ever; "recurring": in every period with a start'),
        "criterion": ("string", "", '"on" an age, "on_or_after" it, or anywhere in a "bracket" of ages'),
        "horizon": ("int64", "periods", "age up to which on_or_after counts, for all cohorts; -1: there is none"),
        "brackets": ("string", "", 'brackets of ages, such as "1-3 4-8"'),
        "unit": ("string", "", "day, week or month: calendar periods in the zone"),
        "zone": ("string", "", "time zone of the periods"),
        "week_start": ("string", "", "first day of a week"),
        "last_day": ("date", "", "local day with the end of which the data end"),
    },
)


@dataclass(frozen=True)
class Rule:
    """What a cohort table counts.

    Attributes:
        unit: day, week or month; ages are whole calendar periods since the one of the start.
        start, returns: Roles of events, as columns of `user_day`: who starts and who returns.
        times: Return events that a period needs to count as a return.
        first_time: A member belongs to the period of the first start ever; else to every period with a start.
        criterion: "on": a return in the period of the age. "on_or_after": in it or in a later one, up to the age `horizon`;
            without a horizon up to the end of the data, which is further away for older cohorts. "bracket": in any period
            of a bracket of ages.
        brackets: First and last age of each.
        week_start: monday or sunday.
        zone: Name of the time zone in which the local days of the facts were cut.
    """

    unit: str = "week"
    start: str = "active"
    returns: str = "active"
    times: int = 1
    first_time: bool = True
    criterion: str = "on"
    horizon: int | None = None
    brackets: Sequence[Sequence[int]] = ()
    week_start: str = "monday"
    zone: str = ""

    def __post_init__(self) -> None:
        """Refuse what no table could be made of.

        Raises:
            InputError: An unknown word, a bracket that ends before it begins, or a criterion without what it needs.
        """
        words = {"unit": UNITS, "start": ROLES, "returns": ROLES, "criterion": CRITERIA, "week_start": tuple(WEEK_STARTS)}
        for name, allowed in words.items():
            value = getattr(self, name)
            if value not in allowed:
                raise InputError(f'{name} is "{value}"; it can be {", ".join(allowed)}.{nearest(value, allowed)}')
        if self.times < 1 or (self.horizon is not None and self.horizon < 0):
            told = f"times is {self.times} and horizon {self.horizon}"
            raise InputError(f"{told}, but a return needs 1 event at least, and an age is never below 0.")
        wrong = next((pair for pair in self.brackets if len(pair) != 2 or not 0 <= pair[0] <= pair[1]), None)
        if wrong is not None:
            raise InputError(f"A bracket is {wrong}, but it needs a first and a last age, the last not being before the first.")
        if self.criterion == "bracket" and not self.brackets:
            raise InputError('criterion is "bracket", but there are no brackets; give some, such as brackets=((1, 3), (4, 8)).')

    @property
    def to_the_end(self) -> bool:
        """Whether a cell counts up to the end of the data."""
        return self.criterion == "on_or_after" and self.horizon is None

    @property
    def by_span(self) -> bool:
        """Whether a cell counts people over several ages, who are counted by span and not by age."""
        return self.criterion == "bracket" or (self.criterion == "on_or_after" and self.horizon is not None)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The spans of ages that need a count of their own: the brackets, and each age up to the horizon."""
        within = [] if self.horizon is None else [(age, self.horizon) for age in range(self.horizon + 1)]
        return sorted({*(tuple(pair) for pair in self.brackets), *within})


def rule_table(rules: Mapping[str, Rule], *, last_day: date) -> pd.DataFrame:
    """The rules of some tables by name, as a table (contract `retention_rule`)."""
    rows = [
        {
            "table": name, "start": rule.start, "returns": rule.returns, "times": rule.times,
            "cohort": "first_time" if rule.first_time else "recurring", "criterion": rule.criterion,
            "horizon": rule.horizon if rule.criterion == "on_or_after" and rule.horizon is not None else -1,
            "brackets": " ".join(f"{first}-{last}" for first, last in rule.brackets if rule.criterion == "bracket"),
            "unit": rule.unit, "zone": rule.zone, "week_start": rule.week_start, "last_day": pd.Timestamp(last_day),
        }
        for name, rule in rules.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(RETENTION_RULE.columns))
