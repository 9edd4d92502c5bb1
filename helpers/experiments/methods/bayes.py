"""The Bayesian reading of an effect: a normal likelihood, a flat or a normal prior."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special
from scipy import stats as distributions

from helpers.experiments.methods.estimates import UNKNOWN, Estimate


@dataclass(frozen=True)
class Reading:
    """What is believed of an effect after the data: `value` and `sd` of the normal posterior and its central interval.

    `chance`: that the arm beats control. `loss`: what is lost on average if the arm is shipped, in the effect's unit: how much
    it may be worse, times how likely that is. `loss_control`: the same if control is kept.
    """

    value: float
    low: float
    high: float
    sd: float
    chance: float
    loss: float
    loss_control: float


NOTHING_KNOWN = Reading(*[UNKNOWN] * 7)


def read(
    effect: Estimate | tuple[float, float], *, prior: tuple[float, float] | None = None, confidence: float = 0.95,
    higher_is_better: bool = True,
) -> Reading:  # fmt: skip
    """The posterior of an effect (normal, conjugate prior: Gelman et al., Bayesian Data Analysis, 2.5).

    Args:
        effect: An estimate with its standard error, or the two numbers.
        prior: Mean and standard deviation of a normal prior; flat without one.
        higher_is_better: False where less is better; `chance` and the losses are then of less.

    Returns:
        NaN throughout where the effect has no standard error.
    """
    value, se = (effect.value, effect.se) if isinstance(effect, Estimate) else effect
    if not (se > 0 and math.isfinite(value) and math.isfinite(se)):
        return NOTHING_KNOWN
    sd = se
    if prior is not None and math.isfinite(prior[1]):
        before, spread = prior
        if not spread > 0:
            raise ValueError(f"the standard deviation of a prior is above 0, not {spread:g}")
        weight = spread**2 / (spread**2 + se**2)
        value, sd = weight * value + (1 - weight) * before, se * math.sqrt(weight)
    half = float(distributions.norm.ppf(0.5 + confidence / 2)) * sd
    better = value / sd if higher_is_better else -value / sd
    return Reading(
        value, value - half, value + half, sd, float(special.ndtr(better)), sd * _below(better), sd * _below(-better)
    )


def _below(z: float) -> float:
    """Mean of max(-x, 0) of a normal x with mean z and standard deviation 1, right in the far tail, too."""
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    if z <= 0:
        return density - z * float(special.ndtr(-z))
    return density * (1 - z * math.sqrt(math.pi / 2) * float(special.erfcx(z / math.sqrt(2))))
