"""Tiers worked out user by user in plain Python from DESIGN's table, sharing nothing with the project's own way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise

STEPS = (16, 12, 8, 4, 2, 1, 0)
ROLES = {"create": "creator", "comment": "commenter", "share": "sharer", "react": "reactor", "active": "reader"}


def tiers(
    rows: Sequence[Mapping], signed_up: Mapping[str, date | None], today: date, rules: Mapping
) -> dict[str, dict]:
    """The tiers of everybody who was seen or signed up by `today`.

    Args:
        rows: Of `user_day`, also later ones.
        signed_up: Day of sign-up by user; None where it is not known.
    """
    past = [row for row in rows if row["day"] <= today]
    names = {row["user_id"] for row in past}
    names |= {user for user, registered in signed_up.items() if registered is None or registered <= today}
    own = {name: [row for row in past if row["user_id"] == name] for name in names}
    anything_paid = any(row.get("pay", 0) for row in past)
    found = {name: one(days, today, rules, anything_paid) for name, days in own.items()}
    for name, tier in payment(found, own, today, rules).items():
        found[name]["payment"] = tier
    return found


def within(days: Sequence[Mapping], today: date, window: int) -> list[Mapping]:
    return [row for row in days if 0 <= (today - row["day"]).days < window]


def one(days: Sequence[Mapping], today: date, rules: Mapping, anything_paid: bool) -> dict:
    actives = sorted(row["day"] for row in days if row.get("active", 0))
    recently = [row for row in within(days, today, rules["activity"]["days"]) if row.get("active", 0)]
    limits = rules["activity"]
    activity = next((tier for tier in ("high", "medium", "low") if len(recently) >= limits[tier]), "none")
    acts = within(days, today, rules["contribution"]["days"])
    did = [tier for role, tier in ROLES.items() if any(row.get(role, 0) for row in acts)]
    score = rfm(days, today, rules["value"], anything_paid)
    net = sum((row.get("net", 0) for row in within(days, today, rules["payment"]["days"])), start=0)
    return {
        "activity": activity,
        "contribution": did[0] if did else "none",
        "lifecycle": lifecycle(days, actives, today, rules["lifecycle"]),
        "resurrected": resurrected(actives, today, rules["lifecycle"]),
        "scores": score,
        "value": "high"
        if sum(score) >= rules["value"]["high"]
        else "mid"
        if sum(score) >= rules["value"]["mid"]
        else "low",
        "active_days": len(recently),
        "net_90": net,
        "ever_paid": any(row.get("pay", 0) for row in days),
    }


def lifecycle(days: Sequence[Mapping], actives: list[date], today: date, limits: Mapping) -> str:
    payments = [row["day"] for row in days if row.get("pay", 0)]
    if not actives:
        return "prospect"
    away = (today - actives[-1]).days
    if away > limits["lost"]:
        return "lost"
    if away > limits["silent"]:
        return "silent"
    if payments and (today - min(payments)).days < limits["first_purchase"]:
        return "first purchase"
    return "new" if (today - actives[0]).days < limits["new"] else "active"


def resurrected(actives: list[date], today: date, limits: Mapping) -> bool:
    """Some active day of the last 7 follows the active day before it after more than 42 days."""
    return any(
        (later - earlier).days > limits["lost"] and (today - later).days < limits["resurrected"]
        for earlier, later in pairwise(actives)
    )


def rfm(days: Sequence[Mapping], today: date, limits: Mapping, anything_paid: bool) -> tuple[int, int, int]:
    counting = "pay" if anything_paid else "active"
    when = [row["day"] for row in days if row.get(counting, 0)]
    recent = within(days, today, limits["days"])
    frequency = sum(1 for row in recent if row.get(counting, 0))
    if anything_paid:
        worth = sum((row.get("net", 0) for row in recent), start=0)
    else:
        worth = sum(10 * row.get("create", 0) + 5 * row.get("comment", 0) for row in recent)
    recency = 1 + (sum((today - max(when)).days <= limit for limit in limits["recency"]) if when else 0)
    return (
        recency,
        1 + sum(frequency >= limit for limit in limits["frequency"]),
        1 + (sum(worth >= limit for limit in limits["monetary"]) if recent else 0),
    )


def quantile(values: list, share: float):
    """Between the two values around the position share x (n - 1), in exact arithmetic."""
    ordered, position = sorted(values), Fraction(str(share)) * (len(values) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return Fraction(ordered[low]) + (Fraction(ordered[high]) - Fraction(ordered[low])) * (position - low)


def payment(found: dict[str, dict], own: dict[str, list], today: date, rules: Mapping) -> dict[str, str]:
    """Payers by the quantile of the payers; the others by how often people alike paid in the 28 days that are over."""
    limits = rules["payment"]
    payers = [one["net_90"] for one in found.values() if one["net_90"] > 0]
    bound = quantile(payers, limits["high_quantile"]) if payers else None
    chances = {}
    rates = paid_of_those_alike(own, today, rules)
    for name, one in found.items():
        alike = (step(one["active_days"]), one["ever_paid"])
        chances[name] = rates.get(alike) if one["net_90"] <= 0 else None
    known = [chance for chance in chances.values() if chance is not None]
    tiers = {}
    for name, one in found.items():
        one["chance"] = chance = chances[name]
        if one["net_90"] > 0:
            tiers[name] = "high payer" if Fraction(one["net_90"]) >= bound else "payer"
        else:
            ahead = 1 if chance is None else Fraction(sum(other >= chance for other in known), len(known))
            tiers[name] = "potential payer" if ahead <= Fraction(str(limits["potential_share"])) else "non-payer"
    return tiers


def paid_of_those_alike(own: dict[str, list], today: date, rules: Mapping) -> dict[tuple, Fraction]:
    then = date.fromordinal(today.toordinal() - 28)
    outcomes: dict[tuple, list[bool]] = {}
    for days in own.values():
        earlier = [row for row in days if row["day"] <= then]
        net = sum((row.get("net", 0) for row in within(earlier, then, rules["payment"]["days"])), start=0)
        if not earlier or net > 0:
            continue
        active = sum(1 for row in within(earlier, then, rules["activity"]["days"]) if row.get("active", 0))
        alike = (step(active), any(row.get("pay", 0) for row in earlier))
        outcomes.setdefault(alike, []).append(any(row.get("pay", 0) for row in days if row["day"] > then))
    return {alike: Fraction(sum(paid), len(paid)) for alike, paid in outcomes.items()}


def step(active_days: int) -> int:
    return next(step for step in STEPS if active_days >= step)
