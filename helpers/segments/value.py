"""RFM: recency, frequency and monetary scores, each 1 to 5; their eight classes; and the summary that value models read.

Equal values always score alike: a score counts the limits that a value reaches, whether the limits are fixed or quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import ibis

SCORES = ("recency_score", "frequency_score", "monetary_score")
# By whether recency, frequency and monetary value are high; in this order from the best to the least.
CLASSES = {
    (True, True, True): "important, keep close",
    (True, False, True): "important, to develop",
    (False, True, True): "important, to keep",
    (False, False, True): "important, to win back",
    (True, True, False): "general, keep close",
    (True, False, False): "general, to develop",
    (False, True, False): "general, to keep",
    (False, False, False): "general, to win back",
}  # fmt: skip
NO_CLASS = "no purchase"


def scored(people: ibis.Table, limits: Mapping) -> ibis.Table:
    """People with SCORES.

    Args:
        people: The panel, with `away` (days since the last purchase, empty without one), `frequency` and `monetary`.
        limits: The section `value` of the rules.
    """
    worth = people.monetary.cast("float64")
    if limits["quantiles"]:
        values = dict(zip(SCORES, (-people.away, people.frequency, worth), strict=True))
        return by_quantiles(people, values, limits["quantiles"], among=people.away.notnull())
    return people.mutate(
        recency_score=_reached(people.away <= limit for limit in limits["recency"]),
        frequency_score=_reached(people.frequency >= limit for limit in limits["frequency"]),
        monetary_score=_reached(worth >= limit for limit in limits["monetary"]),
    )


def levelled(people: ibis.Table, limits: Mapping) -> dict[str, ibis.Value]:
    """`value` and `rfm_class` of people with SCORES; a score is high in a class from `class_high` on."""
    scores = [people[name] for name in SCORES]
    total = scores[0] + scores[1] + scores[2]
    level = ibis.cases((total >= limits["high"], "high"), (total >= limits["mid"], "mid"), else_="low")
    places = [(score >= limits["class_high"]).cast("int64") * worth for score, worth in zip(scores, (4, 2, 1), strict=True)]
    # Spark 4.0 counts the places of an array in 32 bits
    named = ibis.array([CLASSES[high] for high in sorted(CLASSES)])[(places[0] + places[1] + places[2]).cast("int32")]
    return {"value": level, "rfm_class": ibis.ifelse(people.recency_days.isnull(), NO_CLASS, named)}


def by_quantiles(
    people: ibis.Table, values: Mapping[str, ibis.Value], quantiles: Sequence[float], *, among: ibis.Value
) -> ibis.Table:
    """People with a column for each value: 1 plus the number of quantiles that it is above, instant by instant.

    Who is just at a quantile is not above it, so that equal values are never split and a value that most people share
    does not count as high; parts may therefore be of any size. Who is not among them has 1.

    Args:
        people: With `nth`, the instant.
        values: By the name of the column to make; numbers.
        quantiles: Shares of the people who are `among` them, such as 0.2, 0.4, 0.6, 0.8.
    """
    named = people.mutate(among=among, **{f"of_{name}": value.cast("float64") for name, value in values.items()})
    bounds = named.filter(named.among).group_by("nth").agg(
        **{f"{name}_{at}": named[f"of_{name}"].quantile(share) for name in values for at, share in enumerate(quantiles)}
    )  # fmt: skip
    met = named.left_join(bounds, "nth").drop("nth_right")
    counted = {
        name: _reached(met.among & (met[f"of_{name}"] > met[f"{name}_{at}"]) for at in range(len(quantiles)))
        for name in values
    }
    return met.mutate(**counted).select(*people.columns, *values)


def purchase_summary(user_day: ibis.Table, *, last_day: date) -> ibis.Table:
    """What models of value read of each person who has paid: purchases as of the end of `last_day`.

    All payments of a local day are one purchase.

    Returns:
        One row a person: `user_id`; `frequency` (purchases after the first); `recency` (days from the first to the last
        purchase, which is not the days since the last); `T` (days from the first purchase to `last_day`); `monetary`
        (mean gross amount of the purchases after the first, 0 without any).
    """
    bought = user_day.filter(user_day.day <= last_day, user_day.pay > 0)
    first = ibis.window(group_by="user_id")
    bought = bought.mutate(first_day=bought.day.min().over(first))
    found = bought.group_by("user_id").agg(
        frequency=bought.count() - 1,
        recency=(bought.day.max().epoch_days() - bought.day.min().epoch_days()).cast("int64"),
        T=(ibis.literal(last_day).epoch_days() - bought.day.min().epoch_days()).cast("int64"),
        again=bought.gross.sum(where=bought.day > bought.first_day).cast("float64"),
    )
    mean = found.again / found.frequency.nullif(0)
    return found.select("user_id", "frequency", "recency", "T", monetary=mean.fill_null(0.0))


def _reached(conditions) -> ibis.Value:
    """1 plus the number of conditions that hold."""
    return sum((condition.fill_null(False).cast("int64") for condition in conditions), ibis.literal(1, "int64"))

