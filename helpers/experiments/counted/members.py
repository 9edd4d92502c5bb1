"""Who is in which experiment and arm: first exposure decides; who is left out, and why, is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date

import ibis
import pandas as pd

from helpers import contracts
from helpers.experiments.plan import EXPERIMENT, VARIANT, frame

ALLOWED_NAMES = 8  # of unplanned arms that are told

ARMS = contracts.declare(
    "arms",
    grain="one row per experiment and arm",
    key=["experiment", "variant"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "variant": VARIANT,
        "people": ("int64", "people", "people of the arm, without those left out"),
        "planned": ("float64", "share", "planned share"),
        "several": ("int64", "people", "people of the experiment seen in several arms"),
        "unplanned": ("int64", "people", "people of the experiment in arms that the plan does not name, left out"),
        "names": ("string", "", "names of these arms, the largest first"),
        "outside": ("int64", "people", "people of the experiment exposed before its start or after its planned end, left out"),
        "unexposed": ("int64", "people", "people of the experiment who never met what the plan calls the exposure, left out"),
    },
)


def assigned(plans: Sequence[dict], assignments: ibis.Table, user_day: ibis.Table | None = None) -> ibis.Table:
    """Everybody who was assigned in these experiments, one row a person and experiment.

    Args:
        plans: Those without a unit table.
        assignments: Contract `assignments`.
        user_day: Contract `user_day`; for plans whose exposure is a role.

    Returns:
        `experiment`, `user_id`, `variant` (the first seen; of several at the same instant the first by name), `day` (local
        day of the first exposure), `several` (seen in more than one arm), `unexposed` (never did what the plan calls the
        exposure), `outside` (not within the planned days), `kept`.
    """
    own = assignments.filter(assignments.experiment.isin([plan["name"] for plan in plans]))
    first = own.assigned_at.min().over(ibis.window(group_by=["experiment", "user_id"]))
    marked = own.mutate(is_first=own.assigned_at == first)
    people = marked.group_by(["experiment", "user_id"]).agg(
        variant=marked.variant.min(where=marked.is_first),
        several=marked.variant.nunique() > 1,
        day=marked.assigned_day.min(),
    )
    people = _exposed(people, plans, user_day)
    told = ibis.memtable(
        [
            {"experiment": plan["name"], "first_day": plan["start"] or date.min, "last_day": plan["end"] or date.max,
             "by_first": plan["several_arms"] == "first_seen"}
            for plan in plans
        ]
    )  # fmt: skip
    people = people.join(told, "experiment")
    people = people.mutate(outside=~people.day.between(people.first_day, people.last_day))
    named = [{"experiment": plan["name"], "variant": arm, "planned": True} for plan in plans for arm in plan["variants"]]
    arms = ibis.memtable(named)
    people = people.left_join(arms, ["experiment", "variant"]).drop("experiment_right", "variant_right")
    kept = people.planned.fill_null(False) & (people.by_first | ~people.several)
    return people.mutate(kept=kept & ~people.outside & ~people.unexposed).drop("first_day", "last_day", "by_first", "planned")


def _exposed(people: ibis.Table, plans: Sequence[dict], user_day: ibis.Table | None) -> ibis.Table:
    """With `unexposed`; where the exposure is a role, its first day on or after that of the assignment is the day."""
    met = []
    for role in sorted({plan["exposure"] for plan in plans if plan["exposure"]}):
        names = [plan["name"] for plan in plans if plan["exposure"] == role]
        if user_day is not None:
            did = user_day.filter(user_day[role] > 0).select("user_id", on="day")
            both = people.filter(people.experiment.isin(names)).join(did, "user_id")
            both = both.filter(both.on >= both.day)
            met.append(both.group_by(["experiment", "user_id"]).agg(on=both.on.min()))
    if not met:
        return people.mutate(unexposed=people.experiment.isin([plan["name"] for plan in plans if plan["exposure"]]))
    first = ibis.union(*met) if len(met) > 1 else met[0]
    told = people.left_join(first, ["experiment", "user_id"]).drop("experiment_right", "user_id_right")
    asked = told.experiment.isin([plan["name"] for plan in plans if plan["exposure"]])
    day = ibis.ifelse(asked & told.on.notnull(), told.on, told.day)
    return told.mutate(day=day, unexposed=asked & told.on.isnull()).drop("on")


def listed(plan: dict, units: ibis.Table) -> ibis.Table:
    """The units of one experiment, with the columns of `assigned` before their own; `day` only where they have `assigned_at`."""
    own = units.filter(units.units == plan["units"]) if "units" in units.columns else units
    day = own.assigned_at.cast("string").substr(0, 10).try_cast("date") if "assigned_at" in own.columns else ibis.null("date")
    made = own.mutate(experiment=ibis.literal(plan["name"]), several=False, unexposed=False, outside=False, day=day)
    return made.mutate(kept=made.variant.isin(list(plan["variants"])))


def arms(
    plans: Sequence[dict], assignments: ibis.Table | None, units: ibis.Table | None, user_day: ibis.Table | None = None
) -> pd.DataFrame:
    """Sizes of all arms against the plan (contract `arms`); an arm that the plan names and nobody is in has 0."""
    rows = []
    for plan, counted in _counted(plans, assignments, units, user_day):
        own = counted[counted["experiment"] == plan["name"]]
        unplanned = own[~own["variant"].isin(list(plan["variants"])) & ~own["several"] & ~own["outside"] & ~own["unexposed"]]
        sizes = unplanned.groupby("variant")["n"].sum().reset_index().sort_values(["n", "variant"], ascending=[False, True])
        left_out = (
            int(own.loc[own["several"], "n"].sum()), int(sizes["n"].sum()), ", ".join(sizes["variant"][:ALLOWED_NAMES]),
            int(own.loc[own["outside"] & ~own["several"] & ~own["unexposed"], "n"].sum()),
            int(own.loc[own["unexposed"] & ~own["several"], "n"].sum()),
        )  # fmt: skip
        people = own[own["kept"]].groupby("variant")["n"].sum()
        rows += [
            (plan["name"], variant, int(people.get(variant, 0)), float(share), *left_out)
            for variant, share in plan["variants"].items()
        ]
    return frame(rows, ARMS)


def _counted(
    plans: Sequence[dict], assignments: ibis.Table | None, units: ibis.Table | None, user_day: ibis.Table | None
) -> Iterator[tuple[dict, pd.DataFrame]]:
    """Each plan that the dataset holds, with the numbers of people by arm and by why they are left out."""
    by = ["experiment", "variant", "several", "outside", "unexposed", "kept"]
    events = [plan for plan in plans if not plan["units"]]
    if events and assignments is not None:
        people = assigned(events, assignments, user_day)
        counted = people.group_by(by).agg(n=people.count()).to_pandas()
        yield from ((plan, counted) for plan in events)
    for plan in plans:
        if plan["units"] and units is not None:
            people = listed(plan, units)
            yield plan, people.group_by(by).agg(n=people.count()).to_pandas()


def duplicates(plans: Sequence[dict], ledger: pd.DataFrame) -> dict[str, int]:
    """Rows that repeat an earlier one in the files of each experiment, where these files are of it alone.

    Args:
        ledger: Contract `ledger`.
    """
    found = ledger.groupby("table")["duplicates"].sum()
    tables = {plan["name"]: "units" if plan["units"] else "assignments" for plan in plans}
    alone = Counter(tables.values())
    return {name: int(found[table]) for name, table in tables.items() if table in found and alone[table] == 1}
