"""How concentrated something is among people: Gini's index and what the first 1 % hold, on the engine, with intervals."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd
from scipy.stats import t

from helpers.portraits.topics import exact, exact_sum
from helpers.stats import Interval

TOP = 100  # one in so many
DIGITS = 9  # of a share: beyond them lies the rounding of sums


def concentration(people: ibis.Table, *, by: list[str], values: list[str]) -> pd.DataFrame:
    """Gini's index and the share of the first 1 % of what people have, by group.

    Equal values are counted together, so that no order among them matters. What lies below 0 counts as 0.

    - `gini`: 0 where all have the same, up to 1 - 1/n where one has everything. Its variance: Davidson (2009).
    - `top`: share of the total that the first 1 % of the people hold, rounded up to whole people. Its variance: Beach and
      Davidson (1983).

    Both intervals are on the logit scale, and too narrow where a handful of people holds nearly everything.

    Args:
        people: One row a person: `by` and `values`. A missing value is no value: the group has no row for it.

    Returns:
        `by`, `what` (a name of `values`), `people`, `gini`, `gini_low`, `gini_high`, `top_people`, `top`, `top_low`,
        `top_high`; NaN where nobody has anything.
    """
    long = [people.select(*by, what=ibis.literal(name), value=_positive(people[name])) for name in values]
    stacked = ibis.union(*long, distinct=False) if len(long) > 1 else long[0]
    counted = stacked.filter(stacked.value.notnull()).group_by([*by, "what", "value"]).agg(count=ibis._.count())
    sums = _summed(_placed(counted, [*by, "what"]), [*by, "what"]).to_pandas()
    return _estimates(sums.sort_values([*by, "what"], ignore_index=True), [*by, "what"])


def _positive(value: ibis.Value) -> ibis.Value:
    number = value.cast("float64")
    return ibis.cases((number > 0, number), (number.notnull(), 0.0), else_=ibis.null("float64"))


def _placed(counted: ibis.Table, keys: list[str]) -> ibis.Table:
    """Each value relative to the group's mean, with how many and how much lie below it."""
    group = ibis.window(group_by=keys)
    below = ibis.window(group_by=keys, order_by="value", preceding=(None, 1))
    amount = exact(counted["count"] * counted.value)
    placed = counted.mutate(
        n=counted["count"].sum().over(group).cast("int64"),
        total=amount.sum().over(group).cast("float64"),
        fewer=counted["count"].sum().over(below).fill_null(0).cast("int64"),
        less=amount.sum().over(below).cast("float64").fill_null(0.0),
    )
    mean = (placed.total / placed.n).nullif(0)
    placed = placed.mutate(v=placed.value / mean, less=placed.less / mean, k=((placed.n + TOP - 1) / TOP).floor().cast("int64"))
    above = placed.n - placed.fewer - placed["count"]
    taken = ibis.greatest(0, ibis.least(placed.k - above, placed["count"]))
    placed = placed.mutate(taken=taken, h=((2 * placed.fewer - 1) * placed.v - 2 * placed.less) / placed.n)
    return placed.mutate(least=placed.v.min(where=placed.taken > 0).over(group))


def _summed(placed: ibis.Table, keys: list[str]) -> ibis.Table:
    count, v, h = placed["count"], placed.v, placed.h
    over = ibis.greatest(v - placed.least, 0.0)
    return placed.group_by(keys).agg(
        people=placed.n.max(),
        top_people=placed.k.max(),
        least=placed.least.max(),
        ranked=exact_sum(count * (2 * placed.fewer + count - placed.n) / placed.n * v / placed.n),
        taken=exact_sum(placed.taken * v / placed.n),
        **{name: exact_sum(count * value / placed.n) for name, value in {
            "vv": v * v, "vh": v * h, "hh": h * h, "h": h, "d": over, "dd": over * over, "dv": over * v}.items()},
    )  # fmt: skip


def _estimates(sums: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The influence of a person on the index is -(gini + 1) v + h, on the top's share (v - q)+ + q p - top v."""
    n, gini, top = sums["people"].astype(float), sums["ranked"].round(DIGITS), sums["taken"].round(DIGITS)
    variance = (gini + 1) ** 2 * sums["vv"] - 2 * (gini + 1) * sums["vh"] + sums["hh"] - (sums["h"] - gini - 1) ** 2
    low, high = share_interval(gini, np.sqrt(variance.clip(lower=0) / n))
    part = sums["least"] * sums["top_people"] / n
    varied = sums["dd"] + 2 * part * sums["d"] + part**2 + top**2 * sums["vv"] - 2 * top * sums["dv"] - 2 * top * part
    top_low, top_high = share_interval(top, np.sqrt(varied.clip(lower=0) / n))
    found = sums[keys].assign(people=sums["people"], gini=gini, gini_low=low, gini_high=high)
    return found.assign(top_people=sums["top_people"], top=top, top_low=top_low, top_high=top_high)


def share_interval(share, error, *, degrees: float = np.inf, confidence: float = 0.95) -> Interval:
    """The normal interval of a share's logit, given the share's standard error; it stays between 0 and 1.

    NaN where the share is 0 or 1 or beyond, or does not vary.

    Args:
        degrees: Of freedom, where the error rests on few parts: then the interval is Student's.
    """
    share, error = np.asarray(share, dtype=float), np.asarray(error, dtype=float)
    inside = (share > 0) & (share < 1) & (error > 10.0**-DIGITS)
    safe = np.where(inside, share, 0.5)
    centre = np.log(safe / (1 - safe))
    half = t.ppf(0.5 + confidence / 2, degrees) * error / (safe * (1 - safe))
    low, high = (1 / (1 + np.exp(-(centre + sign * half))) for sign in (-1, 1))
    return Interval(np.where(inside, low, np.nan), np.where(inside, high, np.nan))
