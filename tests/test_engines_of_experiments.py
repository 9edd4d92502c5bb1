"""The cube of experiments, ranks, quantiles and distinct values are the same on both engines, to the last digit where they are
sums, since no sum of them is rounded."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import made
import pyarrow as pa
import pytest
import town
from plans import metric, plan

from helpers import experiments
from helpers.experiments.counted import counting

pytestmark = pytest.mark.hard
pytest_plugins = ["engines"]
PEOPLE, DAYS = 400, 60
LAST_DAY = made.day(DAYS - 1)
METRICS = [
    metric(),
    metric(name="day_3", kind="retention", horizon=3, covariates=[], **{"from": 3, "to": 3}),
    metric(name="visits", kind="mean", of="events", covariates=["net"]),
    metric(name="depth", kind="ratio", of="net", per="events", covariates=["net", "events"]),
    metric(name="money", kind="revenue", of="net", cap_quantile=0.9, covariates=[]),
    metric(name="busiest", kind="quantile", of="events", quantile=0.8, role="secondary", covariates=[]),
]
PLANS = [
    plan(slices=["channel", "seniority"], strata=["city"], end=made.day(45), metric=METRICS),
    plan(name="first", several_arms="first_seen", exposure="create", start=None, end=None, metric=METRICS[:2]),
]


def assignments() -> pa.Table:
    chance = random.Random(3)
    rows = []
    for number in range(PEOPLE):
        for name in ("tour", "first"):
            for _ in range(1 if chance.random() < 0.95 else 2):
                day = chance.randrange(50)
                at = datetime(2026, 1, 5, 12, tzinfo=UTC) + timedelta(days=day)
                rows.append({"user_id": f"u{number:03d}", "experiment": name, "variant": chance.choice(["a", "b", "b", "B"]),
                             "assigned_at": at, "assigned_day": made.day(day)})  # fmt: skip
    return made.arrow("assignments", rows)


class Trial(SimpleNamespace):
    """What the functions are given, on one engine."""

    def gathered(self):
        seen = experiments.exposures(self.assignments)
        beside = (self.users, self.first_seen)
        return experiments.gather(PLANS, seen, None, self.user_day, *beside, last_day=LAST_DAY)


QUESTIONS = {
    "arms": lambda t: experiments.arms(PLANS, experiments.exposures(t.assignments), None, t.user_day),
    "cube": lambda t: experiments.cube(t.gathered(), PLANS, t.user_day, last_day=LAST_DAY).frame(),
    "spread": lambda t: experiments.spread(t.gathered(), PLANS),
    "quantiles": lambda t: experiments.quantiles(t.gathered(), PLANS),
    "values": lambda t: experiments.values(t.gathered()),
    "rows": lambda t: experiments.rows(t.gathered())["tour"],
}


@pytest.fixture(scope="module")
def trials(engines) -> tuple[Trial, Trial]:
    facts = town.town(PEOPLE, DAYS, settled=0, weary=5)
    wanted = {name: facts[name] for name in ("user_day", "users", "first_seen")} | {"assignments": assignments()}
    pairs = {name: engines.given(rows) for name, rows in wanted.items()}
    return tuple(Trial(**{name: pair[at] for name, pair in pairs.items()}) for at in (0, 1))


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_is_counted_is_the_same_on_both(engines, trials, name):
    assert len(engines.agree_in_order(QUESTIONS[name], trials)) > 1


def test_grouping_sets_of_several_cuts_are_the_same_on_both(engines, trials, monkeypatch):
    monkeypatch.setattr(counting, "MOST_CELLS", 1)
    assert len(engines.agree_in_order(QUESTIONS["cube"], trials)) > 100
