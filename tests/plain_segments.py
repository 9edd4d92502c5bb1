"""Tiers worked out user by user in plain Python from DESIGN's table, sharing nothing with the project's own way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

ROLES = {"create": "creator", "comment": "commenter", "share": "sharer", "react": "reactor", "active": "reader"}
BEST_FIRST = {
    "activity": ["high", "medium", "low", "none"],
    "contribution": [*ROLES.values(), "none"],
    "payment": ["high payer", "payer", "potential payer", "non-payer"],
    "value": ["high", "mid", "low"],
}
CLASSES = {
    "hhh": "important, keep close", "hlh": "important, to develop", "lhh": "important, to keep", "llh": "important, to win back",
    "hhl": "general, keep close", "hll": "general, to develop", "lhl": "general, to keep", "lll": "general, to win back",
}  # fmt: skip


def tiers(
    rows: Sequence[Mapping],
    signed_up: Mapping[str, date | None],
    today: date,
    rules: Mapping,
    chances: Mapping[str, float] | None = None,
) -> dict[str, dict]:
    """The tiers of everybody who was seen or signed up by `today`, each held as the rules say.

    Args:
        rows: Of `user_day`, also later ones.
        signed_up: Day of sign-up by user; None where it is not known.
        chances: Of paying, by user, of those who have one.
    """
    found = measured(rows, signed_up, today, rules, chances)
    for dimension, names in BEST_FIRST.items():
        for back in range(1, rules[dimension]["hold_weeks"]):
            earlier = measured(rows, signed_up, today - timedelta(days=7 * back), rules, chances)
            for name in found.keys() & earlier.keys():
                both = [found[name][dimension], earlier[name][dimension]]
                found[name][dimension] = min(both, key=names.index)
    return found


def measured(rows, signed_up, today, rules, chances=None) -> dict[str, dict]:
    past = [row for row in rows if row["day"] <= today]
    names = {row["user_id"] for row in past}
    names |= {user for user, registered in signed_up.items() if registered is None or registered <= today}
    own = {name: [row for row in past if row["user_id"] == name] for name in names}
    anything_paid = any(row.get("pay", 0) for row in past)
    found = {name: one(days, today, rules, anything_paid) for name, days in own.items()}
    if rules["activity"]["quantiles"]:
        by_quantiles_of_the_active(found, rules["activity"])
    if rules["value"]["quantiles"]:
        by_quantiles_of_buyers(found, rules["value"])
    for name, tier in payment(found, chances or {}, rules["payment"]).items():
        found[name]["payment"] = tier
    for person in found.values():
        total, limits = sum(person["scores"]), rules["value"]
        person["value"] = "high" if total >= limits["high"] else "mid" if total >= limits["mid"] else "low"
        letters = "".join("h" if score >= limits["class_high"] else "l" for score in person["scores"])
        person["rfm_class"] = "no purchase" if person["recency_days"] is None else CLASSES[letters]
    return found


def above(value, values: list, shares: Sequence[float]) -> int:
    """How many quantiles of the values a value is above."""
    return sum(Fraction(value) > quantile([Fraction(one) for one in values], share) for share in shares)


def by_quantiles_of_the_active(found: dict[str, dict], limits: Mapping) -> None:
    days = [person["active_days"] for person in found.values() if person["active_days"] > 0]
    for person in found.values():
        if person["active_days"] > 0:
            steps = above(person["active_days"], days, limits["quantiles"])
            fallback = "low" if person["active_days"] >= limits["low"] else "none"
            person["activity"] = {2: "high", 1: "medium"}.get(steps, fallback)


def by_quantiles_of_buyers(found: dict[str, dict], limits: Mapping) -> None:
    buyers = [person for person in found.values() if person["recency_days"] is not None]
    for person in buyers:
        person["scores"] = tuple(
            1 + above(sign * person[name], [sign * other[name] for other in buyers], limits["quantiles"])
            for name, sign in (("recency_days", -1), ("frequency", 1), ("monetary", 1))
        )
    for person in found.values():
        person["scores"] = person["scores"] if person["recency_days"] is not None else (1, 1, 1)


def within(days: Sequence[Mapping], today: date, window: int) -> list[Mapping]:
    return [row for row in days if 0 <= (today - row["day"]).days < window]


def one(days: Sequence[Mapping], today: date, rules: Mapping, anything_paid: bool) -> dict:
    actives = sorted(row["day"] for row in days if row.get("active", 0))
    recently = [row for row in within(days, today, rules["activity"]["days"]) if row.get("active", 0)]
    limits = rules["activity"]
    activity = next((tier for tier in ("high", "medium", "low") if len(recently) >= limits[tier]), "none")
    acts = within(days, today, rules["contribution"]["days"])
    did = [tier for role, tier in ROLES.items() if any(row.get(role, 0) for row in acts)]
    away, frequency, worth = rfm(days, today, rules["value"], anything_paid)
    net = sum((row.get("net", 0) for row in within(days, today, rules["payment"]["days"])), start=0)
    return {
        "activity": activity,
        "contribution": did[0] if did else "none",
        "lifecycle": lifecycle(days, actives, today, rules["lifecycle"]),
        "resurrected": resurrected(actives, today, rules["lifecycle"]),
        "scores": scores(away, frequency, worth, rules["value"]),
        "recency_days": away,
        "frequency": frequency,
        "monetary": worth,
        "active_days": len(recently),
        "away_days": (today - actives[-1]).days if actives else None,
        "first_pay_days": max(((today - row["day"]).days for row in days if row.get("pay", 0)), default=None),
        "refunded": any(row.get("refunded", 0) > 0 for row in within(days, today, 7)),
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


def rfm(days: Sequence[Mapping], today: date, limits: Mapping, anything_paid: bool) -> tuple:
    """Days since the last purchase (or visit), how many days with one, and what they brought."""
    counting = "pay" if anything_paid else "active"
    when = [row["day"] for row in days if row.get(counting, 0)]
    recent = within(days, today, limits["days"])
    frequency = sum(1 for row in recent if row.get(counting, 0))
    if anything_paid:
        worth = sum((row.get("net", 0) for row in recent), start=0)
    else:
        worth = sum(10 * row.get("create", 0) + 5 * row.get("comment", 0) for row in recent)
    return (today - max(when)).days if when else None, frequency, worth


def scores(away: int | None, frequency: int, worth, limits: Mapping) -> tuple[int, int, int]:
    return (
        1 + (0 if away is None else sum(away <= limit for limit in limits["recency"])),
        1 + sum(frequency >= limit for limit in limits["frequency"]),
        1 + sum(worth >= limit for limit in limits["monetary"]),
    )


def quantile(values: list, share: float):
    """Between the two values around the position share x (n - 1), in exact arithmetic."""
    ordered, position = sorted(values), Fraction(str(share)) * (len(values) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return Fraction(ordered[low]) + (Fraction(ordered[high]) - Fraction(ordered[low])) * (position - low)


def payment(found: dict[str, dict], chances: Mapping[str, float], limits: Mapping) -> dict[str, str]:
    """Payers by the quantile of the payers; of the others those whom few are as likely to pay as."""
    payers = [one["net_90"] for one in found.values() if one["net_90"] > 0]
    bound = quantile(payers, limits["high_quantile"]) if payers else None
    known = {name: chances[name] for name, one in found.items() if one["net_90"] <= 0 and name in chances}
    made = {}
    for name, one in found.items():
        if one["net_90"] > 0:
            made[name] = "high payer" if Fraction(one["net_90"]) >= bound else "payer"
        else:
            ahead = Fraction(sum(other >= known[name] for other in known.values()), len(known)) if name in known else 1
            made[name] = "potential payer" if ahead <= Fraction(str(limits["potential_share"])) else "non-payer"
    return made
