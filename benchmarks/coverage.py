"""Do experiments tell the truth where it is known? Intervals against planted effects, false alarms without any, looks every day.

    python -m benchmarks.coverage [REPETITIONS]
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator

import numpy as np

from helpers.experiments.counted.cube import PER, VALUE
from helpers.experiments.counted.moments import Moments
from helpers.experiments.effect import compared
from helpers.experiments.effect.compared import Compared
from helpers.experiments.peeking import group_sequential, sequential

REPETITIONS, FEW = 2_000, 200
SIZES = (200, 2_000)  # people an arm
DAYS, A_DAY = 28, 60  # of looking every day, people an arm
ALPHA = 0.05
COVERED = (0.94, 0.97)  # on average over the grid
ERRORS = 4.0  # Monte Carlo standard errors of the largest of some forty shares
LIFT = 0.1
MANY = 4_000_000  # people by whom the truth of what is drawn is known

Draw = Callable[[np.random.Generator, int], np.ndarray]


def _share(p: float) -> Draw:
    return lambda random, n: (random.random(n) < p).astype(float)[:, None]


def _ratio(random: np.random.Generator, n: int) -> np.ndarray:
    views = 1 + random.poisson(4 * random.gamma(2, 0.5, n))
    return np.column_stack([random.binomial(views, random.beta(2, 8, n)), views]).astype(float)


def _before(random: np.random.Generator, n: int) -> np.ndarray:
    before = random.gamma(2, 5, n)
    return np.column_stack([0.8 * before + random.normal(10, 4, n), before])


def _capped(random: np.random.Generator, n: int) -> np.ndarray:
    """Mostly nothing, sometimes very much, cut at a fixed high value."""
    paid = np.where(random.random(n) < 0.3, random.lognormal(2, 1.5, n), 0.0)
    return np.minimum(paid, 150.0)[:, None]


# By name: kind, names of the quantities, how they are drawn.
GRID: dict[str, tuple[str, tuple[str, ...], Draw]] = {
    "share of 5 %": ("proportion", (VALUE,), _share(0.05)),
    "share of 30 %": ("proportion", (VALUE,), _share(0.3)),
    "mean, normal": ("mean", (VALUE,), lambda random, n: random.normal(10, 3, n)[:, None]),
    "mean, skew": ("mean", (VALUE,), lambda random, n: random.lognormal(0, 1, n)[:, None]),
    "ratio": ("ratio", (VALUE, PER), _ratio),
    "mean by CUPED": ("mean", (VALUE, "before"), _before),
    "capped revenue": ("revenue", (VALUE,), _capped),
}


def compare(kind: str, names: tuple[str, ...], control: np.ndarray, arm: np.ndarray) -> Compared:
    """By the method that the toolkit plans for it."""
    metric = {"kind": kind}
    moments = [Moments.of_rows(rows, names) for rows in (control, arm)]
    covariates = [name for name in names if name not in (VALUE, PER)]
    return compared.cuped(metric, *moments, covariates) if covariates else compared.plain(metric, *moments)


def moved(kind: str, rows: np.ndarray, truth: float, random: np.random.Generator) -> np.ndarray:
    """A tenth more of everything; of shares, as many of those who had not as makes a tenth more."""
    made = rows.copy()
    if kind == "proportion":
        made[:, 0] = np.where(random.random(len(rows)) < LIFT * truth / (1 - truth), 1.0, rows[:, 0])
    else:
        made[:, 0] *= 1 + LIFT
    return made


def intervals(repetitions: int) -> Iterator[tuple[str, float, float, float]]:
    """Of each cell: its name, how often the interval of the difference and of the relative effect held, and false alarms."""
    for name, (kind, names, draw) in GRID.items():
        truth = _truth(kind, draw)
        for n in SIZES:
            random = np.random.default_rng([len(name), n])
            held, relative, alarms = 0, 0, 0
            for _ in range(repetitions):
                control, arm = draw(random, n), draw(random, n)
                found = compare(kind, names, control, arm)
                alarms += found.difference(1 - ALPHA).p < ALPHA
                shifted = compare(kind, names, control, moved(kind, arm, truth, random))
                held += shifted.difference(1 - ALPHA).covers(LIFT * truth)
                relative += shifted.relative(1 - ALPHA).covers(LIFT)
            yield f"{name}, {n:,} an arm", held / repetitions, relative / repetitions, alarms / repetitions


def _truth(kind: str, draw: Draw) -> float:
    rows = draw(np.random.default_rng(0), MANY)
    return float(rows[:, 0].sum() / rows[:, 1].sum()) if kind == "ratio" else float(rows[:, 0].mean())


def peeking(repetitions: int) -> dict[str, float]:
    """How often each rule, read every day for four weeks, alarms although there is nothing."""
    random = np.random.default_rng(28)
    people = A_DAY * np.arange(1, DAYS + 1)
    sums = random.normal(size=(repetitions, 2, DAYS, A_DAY)).sum(axis=3).cumsum(axis=2) / people
    z = (sums[:, 1] - sums[:, 0]) / np.sqrt(2 / people)
    wide = sequential.multiplier(2 * people, tuned_for=2 * people[-1], alpha=ALPHA)
    times = people / people[-1]
    rules = {
        "ordinary test": np.full(DAYS, 1.959964),
        "confidence sequence": wide,
        "O'Brien-Fleming spending": group_sequential.boundaries(times, alpha=ALPHA).z,
        "Pocock spending": group_sequential.boundaries(times, alpha=ALPHA, shape="pocock").z,
    }
    found = {name: float((np.abs(z) > limit).any(axis=1).mean()) for name, limit in rules.items()}
    arms = random.binomial(2 * A_DAY, 0.5, (repetitions, DAYS))
    ends = [sequential.sample_ratio(np.column_stack([own, 2 * A_DAY - own]), [0.5, 0.5])[-1] for own in arms]
    return found | {"sample ratio by day": float((np.array(ends) < ALPHA).mean())}


def main(repetitions: int = REPETITIONS) -> int:
    """Print every cell; 1 where the average cover or a share of false alarms is not what is promised."""
    print(f"Effects whose truth is known, {repetitions:,} times each: intervals that hold it, false alarms at {ALPHA:.0%}")
    cells = list(intervals(repetitions))
    for name, held, relative, alarms in cells:
        print(f"  {name:<32}{held:8.1%} {relative:8.1%} relative {alarms:8.1%} alarms")
    covers = [cover for _, *both, _ in cells for cover in both]
    average, error = float(np.mean(covers)), math.sqrt(ALPHA * (1 - ALPHA) / repetitions)
    most = max(alarms for *_, alarms in cells)
    print(f"  on average {average:.1%} hold, at least {min(covers):.1%}; at most {most:.1%} false alarms")
    missed = not COVERED[0] <= average <= COVERED[1] or most > ALPHA + ERRORS * error
    print(f"Read every day for {DAYS} days, without any effect:")
    for name, alarms in peeking(repetitions).items():
        print(f"  {name:<32}{alarms:8.1%}")
        missed = missed or (name != "ordinary test" and alarms > ALPHA + ERRORS * error)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
