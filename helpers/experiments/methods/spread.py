"""Where the mean says little: quantiles, ranks, and a bootstrap; from distinct values with their counts.

An arm is (values, counts): its distinct values, with how many units have each; missing values (NaN) are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import stats as distributions

from helpers.experiments.methods.estimates import ENDLESS, NOBODY, UNKNOWN, Estimate, Level, difference

Arm = tuple[np.ndarray, np.ndarray]

FEW = 8  # units of the smaller arm up to which ranks are counted out
MOST_STATES = 100_000  # pairs of units up to which they are
BLOCK = 2_000_000  # weights drawn at a time


def counted(values, counts=None) -> Arm:
    """Distinct values in ascending order with their counts, of rows or of values that come more than once."""
    values = np.asarray(values, dtype=float)
    counts = np.ones(len(values), dtype="int64") if counts is None else np.asarray(counts)
    there = ~np.isnan(values) & (counts > 0)
    distinct, at = np.unique(values[there], return_inverse=True)
    return distinct, np.bincount(at, weights=counts[there], minlength=len(distinct)).astype("int64")


def quantile(arm: Arm, share: float) -> Level:
    """A quantile, with the variance that the order statistics tell: those at n share, and so many standard deviations of a
    binomial count beside it, enclose it as often as a normal interval (Woodruff 1952; as interval of a quantile, David 1981).

    Between two units it is interpolated. The variance is NaN where the sample ends before, and 0 where all about are tied.
    """
    values, counts = counted(*arm)
    n = int(counts.sum())
    if not n:
        return NOBODY
    last, reach = n - 1, distributions.norm.ppf(0.975) * math.sqrt(n * share * (1 - share))
    value, low, high = (_at_rank(values, counts, last * share + step) for step in (0, -reach, reach))
    return of_bounds(value, low, high, n)


def of_bounds(value: float, low: float, high: float, n: int, *, confidence: float = 0.95) -> Level:
    """A quantile of n units of which the order statistics at the ends of a normal interval are known."""
    width = 2 * distributions.norm.ppf(0.5 + confidence / 2)
    return Level(float(value), float((high - low) / width) ** 2 * (n - 1) / n, ENDLESS)


def _at_rank(values: np.ndarray, counts: np.ndarray, rank: float) -> float:
    """The order statistic at a rank from 0 on, between two of them the straight line; NaN beyond the sample."""
    ends = np.cumsum(counts)
    if not 0 <= rank <= ends[-1] - 1:
        return UNKNOWN
    below = values[np.searchsorted(ends, math.floor(rank), side="right")]
    above = values[np.searchsorted(ends, math.ceil(rank), side="right")]
    return float(below + (above - below) * (rank - math.floor(rank)))


def quantiles(control: Arm, arm: Arm, share: float, *, confidence: float = 0.95) -> Estimate:
    """The difference of two quantiles, normal."""
    return difference(quantile(control, share), quantile(arm, share), confidence=confidence, method=f"quantile {share:g}")


def mann_whitney(control: Arm, arm: Arm, *, method: str = "auto") -> Estimate:
    """How often a unit of the arm has more than one of control, ties counting half, less one half; p by Mann and Whitney (1947).

    The p is that of equal distributions, so the share has no interval that it would agree with: the ends are NaN.

    Args:
        method: "exact", without ties; "normal", with the corrections for ties and for continuity; "auto", as in scipy: the
            first for tiny samples without ties.
    """
    (values_control, counts_control), (values_arm, counts_arm) = counted(*control), counted(*arm)
    n_control, n_arm = int(counts_control.sum()), int(counts_arm.sum())
    if not n_control or not n_arm:
        return Estimate(UNKNOWN, method="Mann-Whitney")
    more = _more(control, arm)
    tied = counted(np.r_[values_control, values_arm], np.r_[counts_control, counts_arm])[1].astype(float)
    is_tiny = min(n_control, n_arm) <= FEW and n_control * n_arm <= MOST_STATES
    if method == "exact" or (method == "auto" and is_tiny and tied.max() == 1):
        value = more / (n_control * n_arm) - 0.5
        rows = [np.repeat(one, times) for one, times in ((values_arm, counts_arm), (values_control, counts_control))]
        return Estimate(value, p=float(distributions.mannwhitneyu(*rows, method="exact").pvalue), method="Mann-Whitney, exact")
    return ranks(n_control, n_arm, more, float((tied * (tied**2 - 1)).sum()))


def ranks(n_control: int, n_arm: int, more: float, ties: float) -> Estimate:
    """As `mann_whitney` with its normal p, from numbers alone.

    Args:
        more: Pairs in which the arm's unit has more, ties counting half.
        ties: The sum of t^3 - t over the values that t > 1 units of both arms together have.
    """
    if not n_control or not n_arm:
        return Estimate(UNKNOWN, method="Mann-Whitney")
    pairs, n = n_control * n_arm, n_control + n_arm
    value = more / pairs - 0.5
    variance = pairs / 12 * ((n + 1) - ties / (n * (n - 1)))
    if not variance > n * 1e-12:
        return Estimate(value, p=1.0, method="Mann-Whitney")
    z = max(abs(value) * pairs - 0.5, 0.0) / math.sqrt(variance)
    p = min(float(2 * distributions.norm.sf(z)), 1.0)
    return Estimate(value, p=p, se=math.sqrt(variance) / pairs, df=ENDLESS, method="Mann-Whitney")


def u_statistic(control: Arm, arm: Arm) -> float:
    """Pairs in which the arm's unit has more, ties counting half."""
    return float(_more(control, arm))


def _more(control: Arm, arm: Arm) -> float:
    (values, counts), (values_arm, counts_arm) = counted(*control), counted(*arm)
    ends = np.r_[0, np.cumsum(counts)]
    below, up_to = (ends[np.searchsorted(values, values_arm, side=side)] for side in ("left", "right"))
    return int(counts_arm @ (below + up_to)) / 2


def poisson_bootstrap(
    control: Arm, arm: Arm, *, seed: int, draws: int = 2_000, confidence: float = 0.95, cap: float | None = None,
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> Estimate:  # fmt: skip
    """The difference of two means, each unit drawn a Poisson number of times (Chamandy, Muralidharan, Najmi and Naidu 2012).

    The interval is made of percentiles, and p counts the draws beyond 0: they agree to the draw. A value that k units have is
    drawn as often as a Poisson number of mean k says, which is the same as drawing each unit.

    Args:
        cap: Values above it count as it.
        statistic: Instead of the mean: from weights (draws by values) and values to one number a draw.
    """
    arms = [counted(values if cap is None else np.minimum(values, cap), counts) for values, counts in (control, arm)]
    if min(int(counts.sum()) for _, counts in arms) < 2 or all(len(values) < 2 for values, _ in arms):
        means = [_mean(counts[None, :], values)[0] if len(values) else UNKNOWN for values, counts in arms]
        return Estimate(float(means[1] - means[0]), method="Poisson bootstrap")
    asked = statistic or _mean
    value = [float(asked(counts[None, :].astype(float), values)[0]) for values, counts in arms]
    randoms = np.random.default_rng(seed).spawn(2)
    drawn = [_drawn(asked, one, random, draws) for one, random in zip(arms, randoms, strict=True)]
    steps = np.sort((drawn[1] - drawn[0])[~np.isnan(drawn[1] - drawn[0])])
    count = len(steps)
    beyond = min(int((steps <= 0).sum()), int((steps >= 0).sum()))
    p = min(2 * (beyond + 1) / (count + 1), 1.0)
    first = math.ceil((1 - confidence) * (count + 1) / 2 - 1e-9) - 1
    if first < 1:
        return Estimate(value[1] - value[0], method="Poisson bootstrap, too few draws")
    low, high = float(steps[first - 1]), float(steps[count - first])
    return Estimate(value[1] - value[0], low, high, p, float(steps.std()), ENDLESS, "Poisson bootstrap")


def _mean(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """NaN where nobody was drawn."""
    people = weights.sum(axis=1)
    return np.divide(weights @ (values - values[0]), people, out=np.full(len(people), UNKNOWN), where=people > 0) + values[0]


def _drawn(asked: Callable, arm: Arm, random: np.random.Generator, draws: int) -> np.ndarray:
    values, counts = arm
    size = max(1, BLOCK // len(values))
    blocks = [min(size, draws - start) for start in range(0, draws, size)]
    return np.concatenate([asked(random.poisson(counts, (block, len(counts))).astype(float), values) for block in blocks])
