"""Who is likely to pay, in words: what the model promised, what came of it, or why there is no model."""

from __future__ import annotations

import pandas as pd

from helpers.show import format, gate
from helpers.show.words import subject, word


def refused(verdict: pd.DataFrame) -> bool:
    """Whether there is no model."""
    return bool(verdict["refused"].iloc[0])


def why(verdict: pd.DataFrame) -> str:
    """Why there is none, with the numbers that it lacks."""
    one = verdict.iloc[0]
    return word(
        f"said.likelihood.{one['refused']}",
        days=format.value(one["history_days"], "count"),
        learned=_some(one["learned_paid"]),
        paid=_some(one["paid"]),
        auc=format.value(one["auc"], "share"),
        interval=format.interval(one["auc_low"], one["auc_high"], "share"),
        people=subject(),
    )


def title(verdict: pd.DataFrame) -> str:
    """How much oftener those who stood out in the test paid than all non-payers did."""
    one = verdict.iloc[0]
    if gate.is_small(one["top_people"]) or not one["top_people"]:
        return word("said.likelihood.nobody")
    clear = one["top_low"] > one["observed"] or one["top_high"] < one["observed"]
    return word(
        f"said.likelihood.{'found' if clear else 'unclear'}",
        lift=format.value(one["lift"], "number", digits=1),
        share=format.value(one["top_share"], "share"),
        interval=format.interval(one["top_low"], one["top_high"], "share"),
        all=format.value(one["observed"], "share"),
    )


def tested(verdict: pd.DataFrame) -> str:
    """The measure, the people and the window of the test."""
    one = verdict.iloc[0]
    days = {name: format.value(one[name], "date") for name in ("tested_from", "tested_until")}
    return word("said.likelihood.tested", **days, n=format.value(one["people"], "count"))


def kept(verdict: pd.DataFrame) -> str:
    """Whether the probabilities were kept on the whole, and how well they tell payers from others."""
    one = verdict.iloc[0]
    promised = one["promised"]
    says = "less" if promised > one["high"] else "more" if promised < one["low"] else "alike"
    return word(
        f"said.likelihood.kept_{says}",
        promised=format.value(promised, "share"),
        observed=format.value(one["observed"], "share"),
        interval=format.interval(one["low"], one["high"], "share"),
        auc=format.value(one["auc"], "share"),
        auc_interval=format.interval(one["auc_low"], one["auc_high"], "share"),
        error=format.value(one["brier"], "number", digits=4),
        base=format.value(one["brier_base"], "number", digits=4),
    )


def rows(tenths: pd.DataFrame) -> pd.DataFrame:
    """The tenths from the most likely to the least, and all of them at the end, with `who` in words."""
    ordered = pd.concat([tenths[tenths["tenth"] > 0], tenths[tenths["tenth"] == 0]])
    names = [word("said.likelihood.tenth", n=n) if n else word("said.likelihood.all") for n in ordered["tenth"].astype(int)]
    return ordered.assign(who=names)


def _some(number: object) -> str:
    return gate.small_mark() if gate.is_small(number) else format.value(number, "count")
