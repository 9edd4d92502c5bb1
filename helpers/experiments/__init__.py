"""Experiments: moments by arm, the health of the split, and the difference with its interval.

First exposure decides; people seen in several arms are left out and counted; only whole local days after exposure count; a
metric that looks n days ahead counts only people who have had them.

    plan         who is in which experiment
    split        sizes of the arms, and the sample ratio
    cube         moments by arm, which everything is computed on
    difference   effects with intervals
"""

from __future__ import annotations

from helpers.experiments.cube import KINDS, moments
from helpers.experiments.difference import effects, labelled
from helpers.experiments.plan import exposures
from helpers.experiments.split import arms, health

__all__ = ["KINDS", "arms", "effects", "exposures", "health", "labelled", "moments"]
