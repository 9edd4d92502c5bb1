"""The toolkit's answers to the vectors of tests/reference/experiments.json on looks and plans; `reference.answer` asks them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from refused import NotCovered

from helpers.experiments.peeking import group_sequential, sequential
from helpers.experiments.planning import power


def sequential_rules(given: Mapping) -> dict:
    """The mixture test where its mixing variance is given, else the sequence of a difference or of a relative effect."""
    alpha = given.get("alpha", 0.05)
    if "mixing_variance" in given:
        found = sequential.mixture(given["difference"], given["variance_of_difference"], given["mixing_variance"], alpha=alpha)
        return {"lambda": float(found.ratio), "p_always_valid": float(found.p), "ci_halfwidth": float(found.half)}
    if "tuning" not in given:
        raise NotCovered("a sequential rule without its tuning or its mixing variance")
    arms = [_arm_moments(given[name]) for name in ("control", "treatment")]
    name = given.get("effect", "difference")
    if name in ("lift", "relative"):
        value, error = sequential.relative(*arms)
    else:
        value, error = arms[1][1] - arms[0][1], math.sqrt(sum(variance / n for n, _, variance in arms))
    found = sequential.confidence_sequence(value, error, sum(n for n, _, _ in arms), tuned_for=given["tuning"], alpha=alpha)
    return {name: float(found.value), "ci": [float(found.low), float(found.high)], "p": float(found.p)}


def _arm_moments(arm: Mapping) -> tuple[int, float, float]:
    """Of sums; where the squares are not given, each value is 0 or 1."""
    n, total = arm["n"], arm["sum"]
    return n, total / n, (arm.get("sum_squares", total) - total**2 / n) / (n - 1)


def planned_looks(given: Mapping) -> dict:
    """Boundaries of each spending function that is named, or what an ordinary test does that is read often."""
    if "nominal_z" in given:
        z, sides = given["nominal_z"], given.get("sides", 2)
        named = [f"looks_{looks}" + (f"_at_{z:.2f}" if at == 0 else "") for at, looks in enumerate(given["looks"])]
        found = [group_sequential.false_alarms(looks, z=z, sides=sides) for looks in given["looks"]]
        return dict(zip(named, found, strict=True))
    named = {"obf_type": "obrien-fleming", "pocock_type": "pocock", "hsd_type": "hwang-shih-decani"}
    words = {"obf_type": "brien", "pocock_type": "pocock", "hsd_type": "hwang"}
    told = str(given.get("spending", "O'Brien-Fleming; Pocock")).lower()
    how = {"alpha": given.get("alpha", 0.05), "sides": given.get("sides", 2), "gamma": given.get("gamma", -4.0)}
    asked = [name for name, word in words.items() if word in told]
    if not asked:
        raise NotCovered(f"a spending function called {told}")
    return {name: group_sequential.boundaries(given["t"], shape=named[name], **how).z.tolist() for name in asked}


def users_needed(given: Mapping) -> dict:
    """Shares by cases of base and effect, absolute or relative; a mean by its effect in standard deviations."""
    how = {name: given[name] for name in ("alpha", "sides") if name in given}
    if "cases" in given:
        asked = [(one["base"], one["abs"] if "abs" in one else power.absolute(one["rel"], one["base"])) for one in given["cases"]]
        return {"n_per_arm": [power.users_for_shares(*one, power=given.get("power", 0.8), **how) for one in asked]}
    if "effect_size" not in given:
        raise NotCovered("a rule in words, which test_power holds")
    effect = given["effect_size"]
    n = power.users_for_means(effect, (1, 1), power=given.get("power", 0.8), **how)
    whole = math.ceil(n)
    return {"n_per_arm": n, f"power_n{whole}": power.power_of_means(effect, (1, 1), (whole, whole), **how)}


TOPICS: dict[str, Callable[[Mapping], dict]] = {
    "group-sequential": planned_looks,
    "power": users_needed,
    "sequential": sequential_rules,
}
