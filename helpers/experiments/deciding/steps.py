"""What an experiment's numbers are computed by, from cube and small frames alone: the one list of it, for records.

The notebook calls the same functions with the same things; a test holds that a record of its numbers can be computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

import pandas as pd

from helpers.contracts import Contract
from helpers.experiments.counted.cube import Cube
from helpers.experiments.deciding.verdict import DECISIONS, decisions
from helpers.experiments.effect.effects import EFFECTS, effects
from helpers.experiments.effect.novelty import AGES, TRENDS, novelty
from helpers.experiments.effect.readings import READINGS, readings
from helpers.experiments.effect.slices import SLICES, slices
from helpers.experiments.peeking.looks import LOOKS, looks
from helpers.experiments.planning.detectable import POWER, detectable
from helpers.experiments.planning.further import ARRIVALS, arrivals
from helpers.experiments.planning.planner import NEEDED, needed_table
from helpers.experiments.trust.health import HEALTH, health


@dataclass(frozen=True)
class Held:
    """What steps are computed from.

    Attributes:
        cube: Of the plans' experiments.
        frames: Counted beside the cube, by name: `arms`, `spread`, `quantiles`, `values`, `other` (the rows of the cube under the
            other rule for people in several arms), `duplicates` (`experiment`, `number`). One that is missing was not there.
        seed: Of what is drawn at random.
        last_day: Last local day of the data; None when undated.
        results: Of the steps before.
    """

    plans: list[dict]
    cube: Cube
    frames: Mapping[str, pd.DataFrame]
    seed: int
    last_day: date | None
    results: dict[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One step: the contract of what it gives, and how that is made."""

    contract: Contract
    make: Callable[[Held], pd.DataFrame]

    @property
    def key(self) -> tuple[str, ...]:
        """What names a row."""
        return self.contract.key


def _health(held: Held) -> pd.DataFrame:
    other, equal = held.frames.get("other"), held.frames.get("duplicates")
    return health(
        held.cube, held.plans, held.frames["arms"], values=held.frames.get("values"),
        other=None if other is None else Cube.of_frame(other),
        duplicates=None if equal is None else dict(zip(equal["experiment"], equal["number"], strict=True)),
    )  # fmt: skip


def _effects(held: Held) -> pd.DataFrame:
    return effects(held.cube, held.plans, last_day=held.last_day, quantiles=held.frames.get("quantiles"))


def _readings(held: Held) -> pd.DataFrame:
    frames = {name: held.frames.get(name) for name in ("spread", "quantiles", "values")}
    return readings(held.cube, held.plans, seed=held.seed, **frames)


def _decisions(held: Held) -> pd.DataFrame:
    own = held.results
    return decisions(own["effects"], own["health"], held.plans, own["looks"], own["arrivals"], last_day=held.last_day)


STEPS = {
    "health": Step(HEALTH, _health),
    "effects": Step(EFFECTS, _effects),
    "readings": Step(READINGS, _readings),
    "looks": Step(LOOKS, lambda held: looks(held.cube, held.plans, last_day=held.last_day)),
    "arrivals": Step(ARRIVALS, lambda held: arrivals(held.cube, held.plans)),
    "decisions": Step(DECISIONS, _decisions),
    "slices": Step(SLICES, lambda held: slices(held.cube, held.plans)),
    "ages": Step(AGES, lambda held: novelty(held.cube, held.plans)[0]),
    "trends": Step(TRENDS, lambda held: novelty(held.cube, held.plans)[1]),
    "power": Step(POWER, lambda held: detectable(held.cube, held.plans, held.frames.get("quantiles"))),
    "needed": Step(NEEDED, lambda held: needed_table(held.cube, held.plans)),
}


def computed(held: Held, names: tuple[str, ...] = tuple(STEPS), steps: Mapping[str, Step] = STEPS) -> dict[str, pd.DataFrame]:
    """The results of these steps by name; each may use those before it."""
    for name, step in steps.items():
        if name in names:
            held.results[name] = step.make(held)
    return held.results
