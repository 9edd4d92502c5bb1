"""How far probabilities can be believed: what was promised, and what came of it in a window that the model had not seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import contracts
from helpers.stats import UNKNOWN, Interval, wilson

PARTS = 10
_SHARE, _PEOPLE = ("float64", "share"), ("int64", "people")

UNTESTED = ("tested_from", "tested_until", "promised", "observed", "low", "high", "auc", "auc_low", "auc_high", "brier",
            "brier_base", "top_share", "top_low", "top_high", "lift")  # fmt: skip  # what a model that is refused lacks


def of_model(*, whom: str, outcome: str, did: str, one: str) -> dict[str, tuple[str, str, str]]:
    """The columns of a model with its test.

    Args:
        whom: The people of the model. `outcome`: what came of them, as in `learned_<outcome>`.
        did: What those did of whom the outcome is true. `one`: one of them.
    """
    return {
        "last_day": ("date", "", "it reads nothing after this day"),
        "refused": ("string", "", "why there is no model; empty where there is one"),
        "history_days": ("int64", "days", "days of data up to then"),
        "learned_people": (*_PEOPLE, f"{whom} learned from, once for each window"),
        f"learned_{outcome}": (*_PEOPLE, f"of them those who {did} in the window"),
        "tested_from": ("date", "", "first day of the window of the test"),
        "tested_until": ("date", "", "its last day"),
        "people": (*_PEOPLE, f"{whom} of the test"),
        outcome: (*_PEOPLE, f"of them those who {did} in its window"),
        "promised": (*_SHARE, "mean probability in the test"),
        "observed": (*_SHARE, f"of the people of the test who {did}"),
        "low": (*_SHARE, "Wilson interval of `observed`"),
        "high": (*_SHARE, "Wilson interval of `observed`"),
        "auc": (*_SHARE, f"pairs of {one} and another in which the former had the higher probability (half where equal)"),
        "auc_low": (*_SHARE, "its interval by DeLong"),
        "auc_high": (*_SHARE, "its interval by DeLong"),
        "brier": ("float64", "squared share", "mean squared error of the probabilities in the test"),
        "brier_base": ("float64", "squared share", "the same, had everybody been given the share learned from"),
        "top_people": (*_PEOPLE, "who stood out in the test: those with the highest probabilities"),
        f"top_{outcome}": (*_PEOPLE, f"of them those who {did}"),
        "top_share": (*_SHARE, f"of those who stood out who {did}"),
        "top_low": (*_SHARE, "Wilson interval of `top_share`"),
        "top_high": (*_SHARE, "Wilson interval of `top_share`"),
        "lift": ("float64", "times", "top_share over observed"),
    }


def of_tenths(*, outcome: str, did: str) -> dict[str, tuple[str, str, str]]:
    """The columns of the same test by tenths of its people; arguments as in `of_model`."""
    return {
        "tenth": ("int64", "", "1 = the highest probabilities, 0 = all; people with one probability stay together"),
        "people": (*_PEOPLE, "realised size"),
        outcome: (*_PEOPLE, f"of them those who {did} in the window"),
        "promised": (*_SHARE, "mean probability"),
        "observed": (*_SHARE, f"of them who {did}"),
        "low": (*_SHARE, "Wilson interval of `observed`"),
        "high": (*_SHARE, "Wilson interval of `observed`"),
        "lift": ("float64", "times", "observed over that of all"),
    }


PAY_MODEL = contracts.declare(
    "pay_model",
    grain="one row: the model of who will pay, and its test",
    key=["last_day"],
    needs="events",
    small=True,
    nullable=UNTESTED,
    columns=of_model(whom="non-payers", outcome="paid", did="paid", one="a payer"),
)
PAY_TENTHS = contracts.declare(
    "pay_tenths",
    grain="one row per tenth of the non-payers of the test, and one for all of them",
    key=["tenth"],
    needs="events",
    small=True,
    nullable=("promised", "observed", "low", "high", "lift"),
    columns=of_tenths(outcome="paid", did="paid"),
)


def tested(chance: np.ndarray, paid: np.ndarray, weight: np.ndarray, *, base: float, top: float) -> dict[str, float]:
    """The columns of contract `pay_model` that a test fills.

    Args:
        chance: Probability by person.
        paid: Whether the person paid.
        weight: People that a row stands for.
        base: The share of payers among those learned from.
        top: Share of the people who may stand out; whoever has one probability stays together.
    """
    everyone = _counted(chance, paid, weight)
    behind = _not_behind(chance, weight)
    first = _counted(*(part[behind <= top] for part in (chance, paid, weight)))
    area, around = auc(chance, paid)
    return {
        **{name: everyone[name] for name in ("people", "paid", "promised", "observed", "low", "high")},
        "auc": area, "auc_low": around.low, "auc_high": around.high,
        "brier": float(np.average((chance - paid) ** 2, weights=weight)),
        "brier_base": float(np.average((base - paid) ** 2, weights=weight)),
        "top_people": first["people"], "top_paid": first["paid"],
        "top_share": first["observed"], "top_low": first["low"], "top_high": first["high"],
        "lift": first["observed"] / everyone["observed"] if everyone["paid"] else UNKNOWN,
    }  # fmt: skip


def tenths(chance: np.ndarray, paid: np.ndarray, weight: np.ndarray) -> pd.DataFrame:
    """Promised and observed by tenth (contract `pay_tenths`); those without anybody, since equal people stay together, are
    left out.
    """
    ahead = 1 - _not_behind(-chance, weight)  # share of those who are likelier
    part = np.floor(np.round(ahead * PARTS, 9)).astype(int) + 1
    whole = _counted(chance, paid, weight)
    rows = [{"tenth": 0, **whole}]
    rows += [{"tenth": at, **_counted(*(values[part == at] for values in (chance, paid, weight)))} for at in np.unique(part)]
    found = pd.DataFrame(rows)
    return found.assign(lift=found["observed"] / whole["observed"] if whole["paid"] else UNKNOWN)


def auc(chance: np.ndarray, paid: np.ndarray, *, confidence: float = 0.95) -> tuple[float, Interval]:
    """Area under the receiver's curve, and its interval by DeLong, DeLong and Clarke-Pearson (1988); NaN without either kind."""
    did, did_not = chance[paid], chance[~paid]
    if min(len(did), len(did_not)) < 2:
        return UNKNOWN, Interval(UNKNOWN, UNKNOWN)
    rank = distributions.rankdata
    together = rank(np.concatenate([did, did_not]))
    beaten = (together[: len(did)] - rank(did)) / len(did_not)
    beaten_by = 1 - (together[len(did) :] - rank(did_not)) / len(did)
    area = float(beaten.mean())
    error = np.sqrt(beaten.var(ddof=1) / len(did) + beaten_by.var(ddof=1) / len(did_not))
    half = float(distributions.norm.ppf(0.5 + confidence / 2) * error)
    return area, Interval(max(area - half, 0.0), min(area + half, 1.0))


def _not_behind(chance: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """For each, the share of all people who are at least as likely."""
    values, where = np.unique(-chance, return_inverse=True)
    return (np.cumsum(np.bincount(where, weight, len(values))) / weight.sum())[where]


def _counted(chance: np.ndarray, paid: np.ndarray, weight: np.ndarray) -> dict[str, float]:
    people, payers = round(float(weight.sum())), round(float(weight[paid].sum()))
    low, high = wilson(payers, people)
    return {
        "people": people,
        "paid": payers,
        "promised": float(np.average(chance, weights=weight)) if people else UNKNOWN,
        "observed": payers / people if people else UNKNOWN,
        "low": float(low),
        "high": float(high),
    }
