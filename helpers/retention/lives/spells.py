"""How long people stay, as counts: at risk, ended and censored by week of life and slice, from which all survival follows.

A week of life is an ISO week, the first being that of the first activity. A life ends with the last activity before the first
silence that is longer than the limit, whether or not the person comes back one day: so every week of everybody is judged alike,
and no end is ever taken back. It is known only when the silence has been long enough; until then the week is not watched, for
nobody, whatever became of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple

import ibis
import numpy as np
import pandas as pd

from helpers import contracts
from helpers.retention.lives.rhythm import FIXED, NINETEEN, OWN, RULES, TWENTIETHS

WEEK = 7
COHORT, LEFT_OUT = "cohort", "left out"
FIRST_WEEK, SIGNED_BEFORE = "first week of the data", "signed up before the data"
KEYS = ["rule", "dimension", "slice"]
EPOCH = date(1970, 1, 1)

SPELLS = contracts.declare(
    "spells",
    grain="one row per rule of loss, slice and week of life; week 0 holds everybody",
    key=[*KEYS, "week"],
    needs="events",
    small=True,
    columns={
        "rule": ("string", "", 'what a loss is: "own" rhythm, or "fixed" days of silence'),
        "dimension": ("string", "", '"all", "cohort", the attribute that slices, or "left out": people of unknown past'),
        "slice": ("string", "", "value of the attribute, Monday of the cohort, or why they are left out"),
        "week": ("int64", "weeks", "week of life, 1 being the week of the first activity"),
        "at_risk": ("int64", "people", "not ended before, for whom all of the week is watched"),
        "ended": ("int64", "people", "of them, whose last activity before the first loss lies in the week"),
        "censored": ("int64", "people", "of them, not ended and not watched any further"),
    },
)


class Watch(NamedTuple):
    """What a loss is known after: `known_after` silent days by rule; and `begins`, the Monday of the data's first week."""

    known_after: dict[str, int]
    begins: date

    def weeks(self, rule: str) -> int:
        """Whole weeks that must pass after the end of a week before its losses are known."""
        return -(-(self.known_after[rule] + 1) // WEEK)


def watch(rhythms: ibis.Table, *, limits: Mapping) -> Watch | None:
    """After how many silent days a loss is known; None where nobody has ever been active.

    By the fixed rule it is the limit itself. By the own rhythm it is the shortest length that at least 95 % of all people's
    limits do not exceed, the same for all of them: were the lively watched longer than those of whom few gaps are known,
    whoever stays would be watched, and whoever left at once would not.

    Args:
        rhythms: Contract `rhythms`.
        limits: The section `lifecycle` of the rules, for its `lost`.
    """
    counted = rhythms.group_by("limit_days").agg(people=rhythms.count(), first=rhythms.first_active_day.min()).to_pandas()
    if counted.empty:
        return None
    counted = counted.sort_values("limit_days")
    enough = counted["people"].cumsum() * TWENTIETHS >= counted["people"].sum() * NINETEEN
    begins = pd.Timestamp(counted["first"].min()).date()
    known_after = {OWN: int(counted.loc[enough, "limit_days"].iloc[0]), FIXED: int(limits["lost"])}
    return Watch(known_after, begins - timedelta(days=begins.weekday()))


def spells(
    rhythms: ibis.Table,
    *,
    last_day: date,
    limits: Mapping,
    slices: Mapping[str, ibis.Table] | None = None,
    users: ibis.Table | None = None,
) -> pd.DataFrame:
    """Lives as counts by week of life, by both rules of loss and by slice (contract `spells`).

    People of the data's first week, and those who signed up before it, are left out, their past being unknown: they stand
    in the dimension "left out". Whose own limit is longer than that of 95 % is watched for so much less.

    Args:
        rhythms: Contract `rhythms`, at `last_day`.
        limits: The section `lifecycle` of the rules, for its `lost`.
        slices: For each attribute a table of `user_id` and the attribute's `value`; users it lacks are "unknown".
        users: Contract `users`, for the day of the sign-up.
    """
    known = watch(rhythms, limits=limits)
    if known is None:
        return pd.DataFrame({name: pd.Series(dtype="str" if name in KEYS else "int64") for name in SPELLS.columns})
    people = _people(rhythms, users, known.begins)
    for name, values in (slices or {}).items():
        own = values.select("user_id", **{f"slice_{name}": values.value})
        people = people.left_join(own, "user_id").drop("user_id_right")
    alike = _alike(_lives(people, known, last_day), list(slices or {}))
    return _tabled(_sliced(alike, list(slices or {})).to_pandas())


def _people(rhythms: ibis.Table, users: ibis.Table | None, begins: date) -> ibis.Table:
    """Everybody's limit, first Monday (`begun`) and ends as days since 1970, and why left out."""
    people = rhythms.select("user_id", "limit_days", "own_end", "fixed_end", first="first_active_day")
    signed = ibis.literal(False)
    if users is not None:
        people = people.left_join(users.select("user_id", "registered_day"), "user_id").drop("user_id_right")
        signed = (people.registered_day < begins).fill_null(False)
    nothing = ibis.null("string")
    why = ibis.cases((people.first < begins + timedelta(days=WEEK), FIRST_WEEK), (signed, SIGNED_BEFORE), else_=nothing)
    begun = people.first.truncate("W").epoch_days()
    ends = {f"{rule}_end": people[f"{rule}_end"].epoch_days() for rule in RULES}
    people = people.mutate(begun=begun, left_out=why, **ends)
    return people.drop("first")


def _lives(people: ibis.Table, known: Watch, last_day: date) -> ibis.Table:
    """Of each person, once for each rule: the last week of life that is known whole, and whether life ended in it."""
    people = people.mutate(own=ibis.array([True, False]).unnest())
    own = ibis.greatest(people.limit_days, known.known_after[OWN])
    silence = ibis.ifelse(people.own, own, known.known_after[FIXED])
    watched_days = ibis.greatest((last_day - EPOCH).days - silence - people.begun, 0)
    watched = (watched_days // WEEK).cast("int64")
    end = ibis.ifelse(people.own, people.own_end, people.fixed_end)
    died = ((end - people.begun) // WEEK + 1).cast("int64")
    is_left_out = people.left_out.notnull()
    ended = (died <= watched).fill_null(False) & ~is_left_out
    return people.mutate(week=ibis.ifelse(is_left_out, 0, ibis.ifelse(ended, died, watched)), ended=ended)


def _alike(lives: ibis.Table, names: list[str]) -> ibis.Table:
    """How many lives are the same in all that is counted, which are few beside people."""
    key = ["own", "left_out", "begun", "week", "ended", *(f"slice_{name}" for name in names)]
    return lives.group_by(key).agg(people=lives.count()).cache()


def _sliced(alike: ibis.Table, names: list[str]) -> ibis.Table:
    """People by rule, dimension, slice, last week and whether life ended in it."""
    told = ["all", COHORT, *names]
    alike = alike.mutate(nth=ibis.array(list(range(len(told)))).unnest())
    values = (ibis.coalesce(alike[f"slice_{name}"], "unknown") for name in names)
    of_slice = [ibis.literal("all"), alike.begun.cast("string"), *values]
    dimension = ibis.cases(*[(alike.nth == at, name) for at, name in enumerate(told)])
    slice_ = ibis.cases(*[(alike.nth == at, value) for at, value in enumerate(of_slice)])
    alike = alike.filter((alike.nth == 0) | alike.left_out.isnull())
    rows = alike.select(
        "week", "ended", "people",
        rule=ibis.ifelse(alike.own, OWN, FIXED),
        dimension=ibis.ifelse(alike.left_out.isnull(), dimension, LEFT_OUT),
        slice=ibis.coalesce(alike.left_out, slice_),
    )  # fmt: skip
    return rows.group_by([*KEYS, "week", "ended"]).agg(people=rows.people.sum().cast("int64"))


def _tabled(counted: pd.DataFrame) -> pd.DataFrame:
    """Counts of people by their last week as a life table, all weeks of each slice."""
    wide = counted.pivot_table(index=[*KEYS, "week"], columns="ended", values="people", aggfunc="sum", fill_value=0)
    wide = wide.reindex(columns=[True, False], fill_value=0).set_axis(["ended", "censored"], axis=1)
    last = wide.reset_index().groupby(KEYS, as_index=False)["week"].max()
    every = last.loc[last.index.repeat(last["week"] + 1), KEYS]
    every["week"] = every.groupby(KEYS).cumcount()
    full = every.merge(wide.reset_index(), on=[*KEYS, "week"], how="left").fillna({"ended": 0, "censored": 0})
    full = full.astype({"week": "int64", "ended": "int64", "censored": "int64"})
    is_cohort = full["dimension"] == COHORT
    mondays = pd.to_datetime(full.loc[is_cohort, "slice"].astype("int64"), unit="D")
    full.loc[is_cohort, "slice"] = mondays.dt.strftime("%Y-%m-%d")
    gone = full["ended"] + full["censored"]
    after = gone.groupby([full[name] for name in KEYS]).cumsum()
    full["at_risk"] = gone.groupby([full[name] for name in KEYS]).transform("sum") - after + gone
    order = np.lexsort([full["week"], full["slice"], full["dimension"], full["rule"].map(RULES.index)])
    return full.iloc[order].reset_index(drop=True)[list(SPELLS.columns)]
