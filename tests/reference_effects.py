"""The toolkit's answers to the vectors of tests/reference/experiments.json on effects; `reference.answer` asks them.

An arm is given as values (null: missing), as n with successes, or as n with sums or mean and variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import made
import numpy as np
from refused import NotCovered

from helpers import experiments, stats
from helpers.experiments.counted.moments import Moments
from helpers.experiments.methods import adjusted, bayes, estimates, families, shares, spread
from helpers.experiments.methods.estimates import ENDLESS

VALUE = ["value"]


def sample_ratio(given: Mapping) -> dict:
    found = stats.sample_ratio_test(given["users"], given.get("weights") or [1] * len(given["users"]))
    return {"chi2": found.statistic, "df": found.degrees, "p": found.p}


def proportions(given: Mapping) -> dict:
    """Two arms; or counts and trials of two groups, of which the first is the one looked at."""
    if "count" in given:
        first, second = zip(given["count"], given["nobs"], strict=True)
        found = shares.compare(second, first)
        return {"z": found.value / found.se, "p": found.p}
    control, arm, confidence = _counts(given["control"]), _counts(given["treatment"]), _confidence(given)
    by = {
        name: shares.compare(control, arm, confidence=confidence, method=name)
        for name in ("score", "wald", "newcombe", "agresti-caffo", "miettinen-nurminen")
    }
    log = estimates.relative(shares.share(*control), shares.share(*arm), form="log", confidence=confidence)
    return {
        "diff": by["score"].value, "lift": shares.relative(control, arm, confidence=confidence).value,
        "z_pooled": by["score"].value / by["score"].se, "p_pooled": by["score"].p, "ci_mee": _ends(by["score"]),
        "ci_wald": _ends(by["wald"]), "ci_newcombe": _ends(by["newcombe"]), "ci_agresti_caffo": _ends(by["agresti-caffo"]),
        "ci_miettinen_nurminen": _ends(by["miettinen-nurminen"]), "ci_ratio_log": [log.low + 1, log.high + 1],
    }  # fmt: skip


def non_inferiority(given: Mapping) -> dict:
    """A margin given as a share of control is taken of what control came to; "larger" is better where nothing is said."""
    control, arm = (_level(given[name]) for name in ("control", "treatment"))
    margin = abs(given.get("margin_absolute", given.get("margin_relative", 0.0) * control.value))
    is_more = given.get("alternative", "larger") == "larger"
    confidence = _confidence(given)
    found = estimates.not_worse(control, arm, margin, higher_is_better=is_more, confidence=confidence)
    name = f"{'lower' if is_more else 'upper'}_bound_one_sided_{100 * confidence:g}"
    verdict = "non-inferior" if found.p < 1 - confidence else "not shown non-inferior"
    return {"p_wald_unpooled": found.p, name: found.low if is_more else found.high, "verdict": verdict}


def means(given: Mapping) -> dict:
    control, arm = (_moments(given[name]) for name in ("control", "treatment"))
    found = _difference(control, arm, _confidence(given))
    told = {"t": found.value / found.se, "df": found.df, "p": found.p, "ci": _ends(found), "se": found.se}
    return told | {"diff": found.value, "estimate": found.value}


def lifts(given: Mapping) -> dict:
    control, arm = (_level(given[name]) for name in ("control", "treatment"))
    confidence = _confidence(given)
    delta, log, fieller = (
        estimates.relative(control, arm, form=form, confidence=confidence, df=ENDLESS if form == "fieller" else None)
        for form in ("delta", "log", "fieller")
    )
    return {
        "lift": delta.value, "lift_over_abs_baseline": delta.value, "lift_sign": int(np.sign(delta.value)),
        "diff": arm.value - control.value, "ci_delta_t": _ends(delta), "p_delta": delta.p, "p": delta.p,
        "ci_log_ratio_t": _ends(log), "ci_fieller_z": _ends(fieller),
    }  # fmt: skip


def numerics(given: Mapping) -> dict:
    """Of the values there are, and with those that are missing as 0."""
    arms = [given["control"], given["treatment"]]
    confidence = _confidence(given)
    kept, filled = (_difference(*one, confidence) for one in (map(_moments, arms), (_moments(arm, missing=0.0) for arm in arms)))
    told = {f"var_{name}": _moments(given[name]).variance("value") for name in ("control", "treatment")}
    ways = {name: {"diff": found.value, "p": found.p} for name, found in (("drop", kept), ("fill_zero", filled))}
    return told | ways | {"estimate": kept.value, "se": kept.se, "p": kept.p}


def ratios(given: Mapping) -> dict:
    names = ("num", "den")
    made_of = [
        Moments.of_sums(
            names, arm["n"], [arm["sum_num"], arm["sum_den"]],
            [[arm["sumsq_num"], arm["sum_num_den"]], [arm["sum_num_den"], arm["sumsq_den"]]],
        )
        for arm in (given["control"], given["treatment"])
    ]  # fmt: skip
    levels = [estimates.ratio(moments, *names) for moments in made_of]
    found = estimates.difference(*levels, confidence=_confidence(given))
    lift = estimates.relative(*levels, form="delta", confidence=_confidence(given))
    told = {"diff": found.value, "ci": _ends(found), "p": found.p}
    return told | {"lift": lift.value, "lift_ci_delta_t": _ends(lift), "lift_p": lift.p}


def cuped(given: Mapping) -> dict:
    """Without what moments cannot tell: Lin's error by HC2 needs every unit's own residual."""
    control, arm = (
        Moments.of_sums("xy", one["n"], [one["sx"], one["sy"]], [[one["qx"], one["xy"]], [one["xy"], one["qy"]]])
        for one in (given["control"], given["treatment"])
    )
    by = {theta: adjusted.cuped(control, arm, "y", ["x"], theta=theta) for theta in adjusted.THETAS}
    found, whole = by["total"].difference(confidence=_confidence(given)), control + arm
    return {
        "estimate_pooled_theta": found.value, "ci": _ends(found), "p": found.p,
        "theta_pooled_total": float(by["total"].theta[0]), "theta_within_arms": float(by["within"].theta[0]),
        "estimate_ancova": by["within"].difference().value, "estimate_lin": by["arm"].difference().value,
        "unadjusted_estimate": arm.mean_of("y") - control.mean_of("y"),
        "pooled_variance_ratio_1_minus_rho2": 1 - whole.covariance("x", "y") ** 2 / whole.variance("x") / whole.variance("y"),
    }  # fmt: skip


def post_stratification(given: Mapping) -> dict:
    strata = [tuple(_moments(one[name]) for name in ("control", "treatment")) for one in given["strata"]]
    found = adjusted.post_stratified(strata, "value")
    plain = _difference(*(Moments.total(pair[side] for pair in strata) for side in (0, 1)), 0.95)
    lift = found.relative(form="delta")
    return {
        "diff": found.difference().value, "diff_se": found.difference().se, "lift": lift.value, "lift_se": lift.se,
        "unstratified_diff": plain.value, "unstratified_se": plain.se,
    }  # fmt: skip


def quantile(given: Mapping) -> dict:
    control, arm = (
        spread.of_bounds(one["q"], one["lower"], one["upper"], one["n"]) for one in (given["control"], given["treatment"])
    )
    found = estimates.difference(control, arm, confidence=_confidence(given))
    return {"diff": found.value, "ci_normal": _ends(found), "se": found.se}


def ranks(given: Mapping) -> dict:
    """U is that of x."""
    x, y = (spread.counted(given[name]) for name in "xy")
    told = {"U": spread.u_statistic(y, x), "p_asymptotic_cc": spread.mann_whitney(y, x, method="normal").p}
    return told | {"p_exact": spread.mann_whitney(y, x, method="exact").p}


def multiplicity(given: Mapping) -> dict:
    made_of = {method: families.corrected(given["p"], method) for method in families.CORRECTIONS}
    alpha = given.get("alpha", 0.05)
    return {name: {"adjusted": p.tolist(), "rejected": int((p <= alpha).sum())} for name, p in made_of.items()}


def bayesian(given: Mapping) -> dict:
    """On the lift by the delta method, or on the difference; what is risked by keeping control, then by shipping the arm."""
    prior = given.get("prior") or "flat on lift"
    if isinstance(prior, Mapping):
        spread_of = prior.get("sd", prior.get("std", prior.get("stddev", math.sqrt(prior.get("variance", math.inf)))))
        prior, flat = (prior.get("mean", 0.0), spread_of), "flat on " + prior.get("on", "lift")
    else:
        prior, flat = None, prior
    levels = [_level(given[name]) for name in ("control", "treatment")]
    if flat not in ("flat on lift", "flat on difference", "flat"):
        raise NotCovered(f"a prior of the kind {flat}")
    on_difference = flat == "flat on difference"
    found = estimates.difference(*levels) if on_difference else estimates.relative(*levels, form="delta")
    read = bayes.read(found, prior=prior, confidence=_confidence(given))
    name = "diff" if on_difference else "lift"
    return {name: read.value, "ci": [read.low, read.high], "chance_to_win": read.chance, "risk": [read.loss_control, read.loss]}


def traps(given: Mapping) -> dict:
    return _both_arms(given) if "exposures" in given else _changed_allocation(given)


def _changed_allocation(given: Mapping) -> dict:
    """The arm that is named first is control."""
    when, which, size, successes = (given["columns"].index(name) for name in ("day", "arm", "n", "conversions"))
    control, arm, *others = dict.fromkeys(row[which] for row in given["rows"])
    if others:
        raise NotCovered("more than two arms")
    days = {row[when]: {} for row in given["rows"]}
    for row in given["rows"]:
        days[row[when]][row[which]] = _share_moments(row[successes], row[size])
    strata = [(cells[control], cells[arm]) for cells in days.values()]
    found = adjusted.post_stratified(strata, "value", binary=True).difference()
    plain = [Moments.total(pair[side] for pair in strata) for side in (0, 1)]
    by_day = {day: one[1].mean_of("value") - one[0].mean_of("value") for day, one in zip(days, strata, strict=True)}
    naive = plain[1].mean_of("value") - plain[0].mean_of("value")
    return {"naive_diff": naive, "stratified_diff": found.value, "stratified_se": found.se, "by_day": by_day}


def _both_arms(given: Mapping) -> dict:
    """People of several arms left out, or with the arm they saw first; times are numbers or written out."""
    user, arm, time = (given.get("columns", ["user", "arm", "time"]).index(name) for name in ("user", "arm", "time"))
    rows = [
        {"user_id": str(row[user]), "experiment": "x", "variant": str(row[arm]),
         "assigned_at": _moment(row[time]), "assigned_day": _moment(row[time]).date()}
        for row in given["exposures"]
    ]  # fmt: skip
    seen = experiments.exposures(made.table("assignments", rows))
    every = sorted({row["variant"] for row in rows})
    declared = {"name": "x", "units": None, "variants": dict.fromkeys(every, 1.0), "start": None, "end": None, "exposure": None}
    sizes = {
        rule: experiments.arms([{**declared, "several_arms": rule}], seen, None).set_index("variant")
        for rule in ("left_out", "first_seen")
    }
    both = int(sizes["left_out"]["several"].iloc[0])
    users = both + int(sizes["left_out"]["people"].sum())
    return {
        "users": users, "in_both": both, "share_in_both": both / users,
        "n_exclude": {one: int(sizes["left_out"]["people"][one]) for one in every},
        "n_first_arm": {one: int(sizes["first_seen"]["people"][one]) for one in every},
    }  # fmt: skip


def _moment(time: float | str) -> datetime:
    """A number counts hours."""
    if isinstance(time, str):
        written = datetime.fromisoformat(time)
        return written if written.tzinfo else written.replace(tzinfo=UTC)
    return datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=time)


def _confidence(given: Mapping) -> float:
    return 1 - given.get("alpha", 0.05)


def _ends(found: estimates.Estimate) -> list[float]:
    return [found.low, found.high]


def _counts(arm: Mapping) -> tuple[int, int]:
    return arm["successes"], arm["n"]


def _difference(control: Moments, arm: Moments, confidence: float) -> estimates.Estimate:
    return estimates.difference(*(estimates.mean(one, "value") for one in (control, arm)), confidence=confidence)


def _level(arm) -> estimates.Level:
    """A share by its binomial variance, a mean by that of its units."""
    if isinstance(arm, Mapping) and "successes" in arm:
        return shares.share(*_counts(arm))
    return estimates.mean(_moments(arm), "value")


def _moments(arm, missing: float | None = None) -> Moments:
    """Of values, of n, sum and sum of squares, or of n, mean and what tells the variance."""
    if not isinstance(arm, Mapping):
        return Moments.of_rows([missing if one is None else one for one in arm], VALUE)
    if "successes" in arm:
        return _share_moments(*_counts(arm))
    n = arm["n"]
    if "sum" in arm:
        return Moments.of_sums(VALUE, n, [arm["sum"]], [[arm["sum_squares"]]])
    if "mean_square" in arm:
        return Moments.of_sums(VALUE, n, [n * arm["mean"]], [[n * arm["mean_square"]]])
    variance = arm["variance"] if "variance" in arm else arm["sd"] ** 2
    return Moments(("value",), n, np.array([float(arm["mean"])]), np.array([[variance * (n - 1.0)]]))


def _share_moments(successes: int, n: int) -> Moments:
    return Moments.of_sums(VALUE, n, [successes], [[successes]])


TOPICS: dict[str, Callable[[Mapping], dict]] = {
    "bayes": bayesian,
    "cuped": cuped,
    "lift": lifts,
    "mean": means,
    "multiplicity": multiplicity,
    "non-inferiority": non_inferiority,
    "numerics": numerics,
    "post-stratification": post_stratification,
    "proportion": proportions,
    "quantile": quantile,
    "rank": ranks,
    "ratio": ratios,
    "srm": sample_ratio,
    "traps": traps,
}
