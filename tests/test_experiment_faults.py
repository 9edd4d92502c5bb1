"""Experiments that go wrong: each says so in a sentence, and no number on the way is endless or undefined without a reason."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import made
import numpy as np
import pandas as pd
import pytest
from plans import metric, plan

from helpers import experiments
from helpers.experiments.deciding import steps
from helpers.show import said

LAST = made.day(60)
METRICS = [
    metric(name="back", kind="retention", horizon=3, covariates=["active_days"], **{"from": 3, "to": 3}),
    metric(name="net", kind="revenue", of="net", days=3, horizon=3, cap_quantile=0.9, role="secondary", covariates=["net"]),
    metric(name="pace", kind="ratio", of="events", per="active_days", days=3, horizon=3, role="secondary", covariates=[]),
    metric(name="most", kind="quantile", of="events", days=3, horizon=3, quantile=0.9, role="secondary", covariates=[]),
]
PLAN = plan(primary=["back"], secondary=["net", "pace", "most"], slices=["channel", "seniority"], strata=["channel"],
            start=made.day(0), end=made.day(20), metric=METRICS)  # fmt: skip
UNDEFINED = re.compile(r"\b([nN]a[nN]|inf|infinity|None|NaT)\b")


def rows(arms: list[str], days: int = 20) -> list[tuple[str, str, int]]:
    return [(f"u{at}", arm, at % days) for at, arm in enumerate(arms)]


FAULTS = {
    "one arm only": (PLAN, rows(["a"] * 40), {}),
    "nobody": (PLAN, [], {}),
    "one person": (PLAN, rows(["b"]), {}),
    "one person in each arm": (PLAN, rows(["a", "b"]), {}),
    "eight spellings of two arms": (PLAN, rows(["a", "A", " a", "a ", "b", "B", " b", "b "] * 10), {}),
    "all assigned after the end": (PLAN, [(user, arm, 30) for user, arm, _ in rows(["a", "b"] * 20)], {}),
    "all assigned too late to be read": (PLAN | {"end": None}, [(user, arm, 59) for user, arm, _ in rows(["a", "b"] * 20)], {}),
    "a metric that is constant": (PLAN, rows(["a", "b"] * 30), {"active": 1, "net": 5}),
    "nobody did anything": (PLAN, rows(["a", "b"] * 30), None),
    "everybody in both arms": (PLAN, [*rows(["a", "b"] * 20), *rows(["b", "a"] * 20)], {}),
    "a slice with one user": (PLAN, rows(["a", "b"] * 30), {"channels": {"u0": "alone"}}),
    "no dates": (PLAN | {"start": None, "end": None}, rows(["a", "b"] * 30), {}),
    "planned looks of few": (PLAN | {"looks": "group-sequential", "look_times": [0.5, 1.0]}, rows(["a", "b"] * 30), {}),
    "read at any time, of few": (PLAN | {"looks": "always-valid"}, rows(["a", "b"] * 30), {}),
    "no effect that matters is named": (PLAN | {"matters": None}, rows(["a", "b"] * 30), {}),
}  # fmt: skip


def given(assigned: list[tuple[str, str, int]], world: dict | None):
    """The tables of a community in which people come on some of the days."""
    seen = experiments.exposures(made.table("assignments", [
        {"user_id": user, "experiment": "tour", "variant": arm, "assigned_day": made.day(at),
         "assigned_at": datetime(2026, 1, 5, 12, tzinfo=UTC) + timedelta(days=at)}
        for user, arm, at in assigned
    ]))  # fmt: skip
    draw, world = np.random.default_rng(1), {"none": 1} if world is None else world
    people = sorted({user for user, _, _ in assigned})
    came = [] if "none" in world else [
        {"user_id": user, "day": made.day(day), "active": 1, "events": world.get("active", int(draw.integers(1, 5))),
         "net": world.get("net", int(draw.integers(0, 9)))}
        for user in people for day in range(40) if "net" in world or draw.random() < 0.4
    ]  # fmt: skip
    channels = world.get("channels", {})
    users = made.table("users", [{"user_id": user, "channel": channels.get(user, "web")} for user in people])
    return seen, made.table("user_day", came), users, made.table("first_seen", made.first_seen_rows(came) if came else [])


@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_said_in_sentences_and_no_number_is_endless(fault):
    own, assigned, world = FAULTS[fault]
    seen, user_day, *beside = given(assigned, world)
    plans = [own]
    arms = experiments.arms(plans, seen, None, user_day)
    gathered = experiments.gather(plans, seen, None, user_day, *beside, last_day=LAST)
    cube = experiments.cube(gathered, plans, user_day, last_day=LAST)
    frames = {"arms": arms, "spread": experiments.spread(gathered, plans), "values": experiments.values(gathered),
              "quantiles": experiments.quantiles(gathered, plans)}  # fmt: skip
    found = steps.computed(steps.Held(plans, cube, frames, 7, LAST))
    calibration = experiments.calibration(experiments.rows(gathered), plans, seed=7, splits=20)
    gates = experiments.gate(found["health"])
    told = experiments.readable(experiments.marked(found["effects"], calibration), gates)
    overview = experiments.overview(found["decisions"], found["effects"], gates, cube, plans, last_day=LAST)
    spoken = [
        *said.decisions.lines(found["decisions"], found["health"]), *said.decisions.gates(gates, found["health"]),
        said.decisions.headline(found["decisions"], found["health"]), *said.experiments.calibration(calibration),
        *(said.effects.lines(told) if len(told) else []), said.overview.summary(overview),
        *said.overview.shown(overview)["told"], *said.decisions.checks(found["health"])["found"],
        *said.decisions.shown(found["decisions"])["effect_told"],
    ]  # fmt: skip
    assert all(text and not UNDEFINED.search(text) for text in spoken), spoken
    assert set(found["decisions"]["decision"]) != {"ship"}
    for name, frame in found.items():
        numbers = frame.select_dtypes("number")
        assert not np.isinf(numbers.drop(columns=["df"], errors="ignore").to_numpy(dtype=float)).any(), name
    assert (told["reason"].ne("") | told["low"].notna()).all() if len(told) else True
    assert isinstance(overview, pd.DataFrame) and len(overview) == 1
