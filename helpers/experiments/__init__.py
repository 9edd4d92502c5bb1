"""Experiments: from the plan and the people of each arm to a decision that holds.

First exposure decides; people seen in several arms are left out and counted; only whole local days after exposure count; a
metric that looks n days ahead counts only people who have had them.

    plan        who was assigned to what
    counted     who is in which arm, what each came to, and the cube of moments that all statistics are computed on
    methods     estimates from moments, with intervals that agree with their p
    trust       may an experiment be read, and does the machinery tell the truth on these people
    peeking     what holds although one looks before the end
    effect      effects by the plan's one method, for whom and since when, and other readings beside
    planning    what could have been found, and what a coming test needs
    deciding    the decision, all experiments at a glance, and the analysis as a record that can be computed again
"""

from __future__ import annotations

from helpers.experiments.counted.cube import MOMENTS, Cube
from helpers.experiments.counted.gathering import cube, other_rule
from helpers.experiments.counted.members import ARMS, arms, duplicates
from helpers.experiments.counted.moments import Moments
from helpers.experiments.counted.ordered import quantiles, rows, spread, values
from helpers.experiments.counted.valued import gather
from helpers.experiments.deciding.overview import chosen, overview, restated
from helpers.experiments.deciding.record import records
from helpers.experiments.deciding.verdict import decisions
from helpers.experiments.effect.as_planned import planned_and_analysed
from helpers.experiments.effect.effects import EFFECTS, effects, readable
from helpers.experiments.effect.novelty import novelty
from helpers.experiments.effect.readings import readings
from helpers.experiments.effect.slices import slices
from helpers.experiments.peeking.looks import ledger, looked, looked_before, looks
from helpers.experiments.plan import exposures
from helpers.experiments.planning.detectable import detectable
from helpers.experiments.planning.further import arrivals
from helpers.experiments.planning.planner import choices, needed, needed_table, power_curve
from helpers.experiments.trust.calibration import calibration, marked
from helpers.experiments.trust.health import gate, health

__all__ = [
    "ARMS", "EFFECTS", "MOMENTS", "Cube", "Moments", "arms", "arrivals", "calibration", "choices", "chosen", "cube",
    "decisions", "detectable", "duplicates", "effects", "exposures", "gate", "gather", "health", "ledger", "looked",
    "looked_before", "looks", "marked", "needed", "needed_table", "novelty", "other_rule", "overview",
    "planned_and_analysed", "power_curve", "quantiles", "readable", "readings", "records", "restated", "rows", "slices",
    "spread", "values",
]  # fmt: skip
