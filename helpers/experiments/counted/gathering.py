"""From the people of experiments to all that statistics are made of; what the notebook calls first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import ibis

from helpers.experiments.counted import ages, counting
from helpers.experiments.counted.cube import ALL, PEOPLE, Cell, Cube
from helpers.experiments.counted.moments import Moments
from helpers.experiments.counted.valued import Gathered

OTHER_RULE = {"left_out": "first_seen", "first_seen": "left_out"}


def cube(
    gathered: Sequence[Gathered], plans: Sequence[dict], user_day: ibis.Table | None = None, *, last_day: date | None
) -> Cube:
    """The cube of all experiments; arms that a plan names and nobody is in are in it with nobody.

    Args:
        gathered: As `valued.gather` gives it.
        user_day: For the cells by day since the exposure; without it there are none.
    """
    cells = {}
    for own in gathered:
        cells |= counting.count(own).cells
        if user_day is not None and "user_id" in own.table.columns:
            cells |= ages.ages(own, plans, user_day, last_day=last_day).cells
    for own in (asked for one in gathered for asked in one.asked):
        plan = next(plan for plan in plans if plan["name"] == own.experiment)
        for variant in plan["variants"]:
            for metric, names in ((PEOPLE, ()), (own.metric, tuple(own.columns))):
                cells.setdefault((own.experiment, metric, ALL, ALL, variant), Cell(Moments.empty(names)))
    return Cube(cells)


def other_rule(plans: Sequence[dict], arms) -> list[dict]:
    """The plans of experiments that have people in several arms, with the other rule for these, without cuts.

    Args:
        arms: Contract `arms`.
    """
    several = set(arms.loc[arms["several"] > 0, "experiment"])
    return [
        {**plan, "several_arms": OTHER_RULE[plan["several_arms"]], "slices": [], "strata": []}
        for plan in plans if plan["name"] in several
    ]  # fmt: skip
