"""Tiers: what each user is on each dimension, as of the end of a local day.

The same function serves this week and any week before it, so that a move between tiers is a fact.

    tiers        every user's tiers, at one instant or at several
    spans        what people have done by each instant, which tiers follow from
    value        the RFM scores and classes, and the summary of purchases
    likelihood   who is likely to pay
    pay_windows  what that is learned from: what non-payers did, and who paid in the four weeks after
    proof        how far probabilities can be believed
    clusters     groups that people fall into by themselves, if there are any
    moves        who went from which tier to which, week by week
    reasons      why
    named        combined standards: any cross of tiers and attributes by name
    asking       a condition that somebody puts together, and who meets it
    sizes        sizes of tiers, and two dimensions crossed
    worth        what each tier is worth and thinks; concentration and beside are its parts
    review       the limits against what people do here
    days         active days as bits: a row a person and eight weeks
    gaps         how long people stay in a tier, and away, and how many come back
"""

from __future__ import annotations

from helpers.segments.asking import askable, built
from helpers.segments.beside import opinions, tier_shares, worth_beside
from helpers.segments.clusters import clusters
from helpers.segments.days import blocks
from helpers.segments.gaps import gaps, stays
from helpers.segments.likelihood import pay_model
from helpers.segments.moves import WEEKS, flows_between, moves, moves_of, week_flows, week_models
from helpers.segments.named import named, named_sizes
from helpers.segments.pay_windows import WINDOW_DAYS
from helpers.segments.review import limit_review, limits_beside
from helpers.segments.sizes import between, cross, rfm_sizes, summary, tier_sizes
from helpers.segments.tables import DIMENSIONS, TIERS
from helpers.segments.tiers import history, tiers
from helpers.segments.value import by_quantiles, purchase_summary
from helpers.segments.worth import worth

__all__ = [
    "DIMENSIONS", "TIERS", "WEEKS", "WINDOW_DAYS", "askable", "between", "blocks", "built", "by_quantiles", "clusters", "cross",
    "flows_between", "gaps", "history", "limit_review", "limits_beside", "moves", "moves_of", "named", "named_sizes",
    "opinions", "pay_model", "purchase_summary", "rfm_sizes", "stays", "summary", "tier_shares", "tier_sizes", "tiers",
    "week_flows", "week_models", "worth", "worth_beside",
]  # fmt: skip
