"""The tables of segments: what each row is, and what its columns mean."""

from __future__ import annotations

from helpers import contracts
from helpers.segments.value import CLASSES, NO_CLASS

DIMENSIONS = ("activity", "contribution", "payment", "value", "lifecycle")
ORDERED = ("activity", "contribution", "payment", "value")  # their tiers stand from the best to the least
TIERS = {
    "activity": ("high", "medium", "low", "none"),
    "contribution": ("creator", "commenter", "sharer", "reactor", "reader", "none"),
    "payment": ("high payer", "payer", "potential payer", "non-payer"),
    "value": ("high", "mid", "low"),
    "lifecycle": ("prospect", "lost", "silent", "first purchase", "new", "active"),
    "rfm_class": (*CLASSES.values(), NO_CLASS),
}
OUTSIDE = "outside"

SEGMENTS = contracts.declare(
    "segments",
    grain="one row per user, whether ever active or only signed up",
    key=["user_id"],
    needs="events",
    nullable=("channel", "city", "gender", "age_band", "away_days", "first_pay_days", "recency_days", "pay_probability"),
    columns={
        "user_id": ("string", "", "pseudonym of the user"),
        "activity": ("string", "", "tier by active days of the last 28"),
        "contribution": ("string", "", "tier by what was done in the last 28 days"),
        "payment": ("string", "", "tier by net amount of the last 90 days"),
        "value": ("string", "", "level by the sum of the RFM scores"),
        "lifecycle": ("string", "", "stage of life"),
        "resurrected": ("boolean", "", "active in the last 7 days after a gap of over 42"),
        "rfm_class": ("string", "", "one of eight classes by which of the RFM scores are high"),
        "recency_score": ("int64", "", "1 to 5"),
        "frequency_score": ("int64", "", "1 to 5"),
        "monetary_score": ("int64", "", "1 to 5"),
        "active_days": ("int64", "days", "active days of the last 28"),
        "away_days": ("int64", "days", "since the last active day"),
        "first_pay_days": ("int64", "days", "since the first payment"),
        "recency_days": ("int64", "days", "since the last payment, or the last active day where nobody has paid"),
        "frequency": ("int64", "days", "days of the last 180 with a payment, or active where nobody has paid"),
        "monetary": ("decimal", "currency", "net amount of the last 180 days, or content made where nobody has paid"),
        "net_90": ("decimal", "currency", "net amount of the last 90 days"),
        "refunded": ("boolean", "", "money went back in the last 7 days"),
        "pay_probability": ("float64", "share", "of paying in the 28 days to come, by the model; non-payers only"),
        "channel": ("string", "", "channel of acquisition"),
        "city": ("string", "", "city or region"),
        "gender": ("string", "", "as the source says"),
        "age_band": ("string", "", "by year of birth; impossible years are left out"),
    },
)
_DIMENSION = ("string", "", "activity, contribution, payment, value or lifecycle")
TIER_SIZES = contracts.declare(
    "tier_sizes",
    grain="one row per dimension and tier",
    key=["dimension", "tier"],
    needs="events",
    small=True,
    nullable=("share",),
    columns={
        "dimension": _DIMENSION,
        "tier": ("string", "", "tier of the dimension"),
        "people": ("int64", "people", "size at the end of the week"),
        "before": ("int64", "people", "size at the end of the week before"),
        "came": ("int64", "people", "in the tier now and not a week ago, newcomers among them"),
        "left": ("int64", "people", "in the tier a week ago and not now"),
        "share": ("float64", "share", "of all users"),
    },
)
TIER_WEEKS = contracts.declare(
    "tier_weeks",
    grain="one row per dimension, tier and week end",
    key=["dimension", "tier", "week"],
    needs="events",
    small=True,
    nullable=("share",),
    columns={
        "dimension": _DIMENSION,
        "tier": ("string", "", "tier of the dimension"),
        "week": ("date", "", "Monday of the week at whose end it is"),
        "people": ("int64", "people", "size at the end of the week"),
        "share": ("float64", "share", "of all users known by then"),
        "net": ("decimal", "currency", "their net amount of the last 90 days"),
    },
)
MOVES = contracts.declare(
    "moves",
    grain="one row per dimension, week and pair of tiers with people in it",
    key=["dimension", "week", "from", "to"],
    needs="events",
    small=True,
    nullable=("reason", "measure_before", "measure_now"),
    columns={
        "dimension": _DIMENSION,
        "week": ("date", "", "Monday of the week"),
        "from": ("string", "", "tier at the end of the week before; outside: not known then"),
        "to": ("string", "", "tier at the end of the week; outside: not known any more"),
        "kind": ("string", "", "stayed, upgraded, fell, changed (tiers without an order), entered or left"),
        "people": ("int64", "people", "who went this way"),
        "net": ("decimal", "currency", "net amount of the last 90 days that they carry, at the end of the week"),
        "reason": ("string", "", "the most common reason; empty for who stayed"),
        "reason_people": ("int64", "people", "of them those for whom it is"),
        "measure_before": ("float64", "of the measure", "mean of the dimension's measure a week before, of those known then"),
        "measure_now": ("float64", "of the measure", "the same at the end of the week"),
    },
)
