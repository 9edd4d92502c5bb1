"""What was planned and what was analysed, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import pandas as pd

from helpers import contracts
from helpers.experiments.counted.cube import DAY, PEOPLE, Cube
from helpers.experiments.effect.effects import PLANNED
from helpers.experiments.peeking.rules import FIXED
from helpers.experiments.plan import EXPERIMENT, frame

AS_PLANNED, DIFFERS, EXPLORATORY, UNPLANNED, OPEN = "as planned", "differs", "exploratory", "not planned", "open"

COMPARED = contracts.declare(
    "planned_and_analysed",
    grain="one row per experiment and thing that a plan says",
    key=["experiment", "what", "of"],
    small=True,
    columns={
        "experiment": EXPERIMENT,
        "what": ("string", "", '"metric", "share", "start", "end", "users", "looks", "alpha" or "tests"'),
        "of": ("string", "", "the metric or arm that it is about; empty: the experiment"),
        "planned": ("string", "", "a role, a share, a day, a number; empty: the plan says nothing"),
        "analysed": ("string", "", "the same as it was; empty: it was not"),
        "verdict": ("string", "", '"as planned", "differs", "exploratory" (not in the plan), "not planned", or "open"'),
        "people": ("int64", "people", "of the experiment; of shares, of its smallest arm"),
    },
)


def planned_and_analysed(
    plans: Sequence[dict], effects: pd.DataFrame, cube: Cube, *, looked: pd.DataFrame | None = None, last_day: date | None = None
) -> pd.DataFrame:
    """Metrics, shares, dates, users, looks and alpha of each plan beside what was analysed (contract `planned_and_analysed`).

    Whether arms are of the planned shares is for the sample ratio to say; here they only stand side by side.

    Args:
        effects: Contract `effects`.
        looked: Contract `experiment_looked`: how often was looked.
        last_day: Last local day of the data; until the planned end, what is not reached is open.
    """
    rows = []
    for plan in plans:
        own = effects[(effects["experiment"] == plan["name"]) & (effects["reading"] == PLANNED)]
        people = cube.people(plan["name"])
        parts = (_metrics(plan, own), _shares(plan, people), _days(plan, cube, last_day), _users(plan, people, last_day),
                 _tests(plan, own, looked))  # fmt: skip
        smallest = min((n for n in people.values() if n), default=0)
        sizes = {"share": smallest}  # a share tells of all arms together
        rows += [(plan["name"], *row, sizes.get(row[0], sum(people.values()))) for part in parts for row in part]
    return frame(rows, COMPARED)


def _metrics(plan: dict, own: pd.DataFrame) -> Iterator[tuple]:
    named = {**dict.fromkeys(plan["primary"], "primary"), **dict.fromkeys(plan["secondary"], "secondary")}
    named |= {guard["metric"]: "guardrail" for guard in plan["guardrails"] if guard["metric"] not in named}
    told = own[own["reason"] == ""].groupby("metric")["role"].first().to_dict()
    for metric in dict.fromkeys([*named, *told]):
        role, found = named.get(metric, ""), told.get(metric, "")
        verdict = EXPLORATORY if not role else AS_PLANNED if role == found else OPEN if not found else DIFFERS
        yield "metric", metric, role, found, verdict


def _shares(plan: dict, people: dict[str, int]) -> Iterator[tuple]:
    total = sum(people.values())
    for variant in dict.fromkeys([*plan["variants"], *people]):
        share, found = plan["variants"].get(variant), people.get(variant, 0) / total if total else None
        verdict = UNPLANNED if share is None else OPEN if found is None else DIFFERS if share and not found else AS_PLANNED
        yield "share", variant, _text(share), _text(found), verdict


def _days(plan: dict, cube: Cube, last_day: date | None) -> Iterator[tuple]:
    levels = cube.levels(plan["name"], PEOPLE, DAY)
    for what, found in (("start", levels[0] if levels else ""), ("end", levels[-1] if levels else "")):
        day = plan[what]
        said = day.isoformat() if day else ""
        is_open = what == "end" and bool(day) and last_day is not None and last_day < day
        verdict = UNPLANNED if not said else OPEN if is_open or not found else AS_PLANNED if said == found else DIFFERS
        yield what, "", said, found, verdict


def _users(plan: dict, people: dict[str, int], last_day: date | None) -> Iterator[tuple]:
    found, planned = sum(people.values()), plan["users"]
    is_over = plan["end"] is not None and last_day is not None and last_day >= plan["end"]
    verdict = AS_PLANNED if planned and found >= planned else UNPLANNED if not planned else DIFFERS if is_over else OPEN
    yield "users", "", _text(planned), str(found), verdict


def _tests(plan: dict, own: pd.DataFrame, looked: pd.DataFrame | None) -> Iterator[tuple]:
    planned = {FIXED: "1", "group-sequential": str(len(plan["look_times"] or []))}.get(plan["looks"], "")
    mine = None if looked is None else looked[looked["experiment"] == plan["name"]]
    taken = 0 if mine is None or mine.empty else int(mine["taken"].max())
    more = bool(planned) and taken > int(planned)
    yield "looks", plan["looks"], planned, _text(taken or None), OPEN if not taken else DIFFERS if more else AS_PLANNED
    yield "alpha", plan["correction"], _text(plan["alpha"]), _text(plan["alpha"]), AS_PLANNED
    arms = len(plan["variants"]) - 1
    for role, wanted in (("primary", len(plan["primary"])), ("secondary", len(plan["secondary"])), ("exploratory", 0)):
        found = int(((own["role"] == role) & own["p"].notna()).sum())
        if wanted or found:
            verdict = EXPLORATORY if not wanted else AS_PLANNED if found == wanted * arms else OPEN
            yield "tests", role, str(wanted * arms), str(found), verdict


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
