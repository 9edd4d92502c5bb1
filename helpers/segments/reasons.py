"""Why somebody moved between tiers: which of the measures behind them has crossed its limit."""

from __future__ import annotations

import ibis

from helpers.segments.tables import TIERS
from helpers.segments.value import SCORES

# What reasons are read from, at both instants; the earlier one's names end in `_then`.
MEASURES = ("active_days", "net_90", "away_days", "first_pay_days", "refunded", "pay_probability", *SCORES)
NEW, LIMIT = "newly known", "limit moved"
AWAY = ("silent", "lost")


def measure(pairs: ibis.Table, dimension: str) -> tuple[ibis.Value, ibis.Value]:
    """What the dimension is measured by, a week before and now, as exact numbers; empty where it has none."""
    made = []
    for end in ("_then", ""):
        values = {
            "activity": pairs[f"active_days{end}"],
            "contribution": pairs.active_days.nullif(pairs.active_days),  # acts have an order and no size
            "payment": pairs[f"net_90{end}"],
            "value": sum((pairs[f"{name}{end}"] for name in SCORES[1:]), pairs[f"{SCORES[0]}{end}"]),
            "lifecycle": pairs[f"away_days{end}"],
        }
        made.append(values[dimension])
    return made[0], made[1]


def reason(pairs: ibis.Table, dimension: str) -> ibis.Value:
    """The key of the reason, empty for who stayed."""
    was, now = pairs[f"{dimension}_then"], pairs[dimension]
    found = {"activity": _activity, "contribution": _contribution, "payment": _payment, "value": _value, "lifecycle": _lifecycle}
    return ibis.cases((was.isnull(), NEW), (was == now, ibis.null("string")), else_=found[dimension](pairs))


def is_up(dimension: str, was: ibis.Value, now: ibis.Value) -> ibis.Value:
    """Whether the later tier stands before the earlier one."""
    return _rank(dimension, now) < _rank(dimension, was)


def _rank(dimension: str, tier: ibis.Value) -> ibis.Value:
    return ibis.cases(*[(tier == name, at) for at, name in enumerate(TIERS[dimension])], else_=len(TIERS[dimension]))


def _activity(pairs: ibis.Table) -> ibis.Value:
    up = is_up("activity", pairs.activity_then, pairs.activity)
    days, then = pairs.active_days, pairs.active_days_then
    return ibis.cases((up & (days > then), "more active days"), (~up & (days < then), "fewer active days"), else_=LIMIT)


def _contribution(pairs: ibis.Table) -> ibis.Value:
    """The foremost act came, or has aged out of the window."""
    up = is_up("contribution", pairs.contribution_then, pairs.contribution)
    return ibis.ifelse(up, pairs.contribution + ibis.literal(" came"), pairs.contribution_then + ibis.literal(" gone"))


def _payment(pairs: ibis.Table) -> ibis.Value:
    up = is_up("payment", pairs.payment_then, pairs.payment)
    net, then = pairs.net_90, pairs.net_90_then
    chance, chance_then = pairs.pay_probability.fill_null(0.0), pairs.pay_probability_then.fill_null(0.0)
    return ibis.cases(
        (up & (net > 0) & (then <= 0) & (pairs.first_pay_days < 7), "first payment"),
        (up & (net > 0) & (then <= 0), "paid again"),
        (up & (net > then), "paid more"),
        (up & (net <= 0) & (chance > chance_then), "likelier to pay"),
        (~up & (net < then) & pairs.refunded, "refund"),
        (~up & (net < then), "payments too old"),
        (~up & (net <= 0) & (chance < chance_then), "less likely to pay"),
        else_=LIMIT,
    )


def _value(pairs: ibis.Table) -> ibis.Value:
    """The score that moved most in the direction of the sum; of equal ones the first."""
    up = is_up("value", pairs.value_then, pairs.value)
    sign = ibis.ifelse(up, 1, -1)
    steps = [(pairs[name] - pairs[f"{name}_then"]) * sign for name in SCORES]
    most = ibis.greatest(*steps)
    names = [name.removesuffix("_score") for name in SCORES]
    score = ibis.cases((most <= 0, ""), *[(step == most, name) for step, name in zip(steps, names, strict=True)], else_="")
    return ibis.ifelse(score == "", LIMIT, score + ibis.ifelse(up, " up", " down"))


def _lifecycle(pairs: ibis.Table) -> ibis.Value:
    was, now = pairs.lifecycle_then, pairs.lifecycle
    return ibis.cases(
        (now.isin(AWAY), "no visit"),
        (was == "prospect", "first visit"),
        (now == "first purchase", "first payment"),
        (was.isin(AWAY), "came back"),
        (was == "first purchase", "first payment over"),
        (was == "new", "no longer new"),
        else_=LIMIT,
    )
