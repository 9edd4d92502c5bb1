"""The tables of segments: what each row is, and what its columns mean."""

from __future__ import annotations

from helpers import contracts

DIMENSIONS = ("activity", "contribution", "payment", "value", "lifecycle")
TIERS = {
    "activity": ("high", "medium", "low", "none"),
    "contribution": ("creator", "commenter", "sharer", "reactor", "reader", "none"),
    "payment": ("high payer", "payer", "potential payer", "non-payer"),
    "value": ("high", "mid", "low"),
    "lifecycle": ("prospect", "lost", "silent", "first purchase", "new", "active"),
}

SEGMENTS = contracts.declare(
    "segments",
    grain="one row per user, whether ever active or only signed up",
    key=["user_id"],
    needs="events",
    nullable=("pay_probability",),
    columns={
        "user_id": ("string", "", "pseudonym of the user"),
        "activity": ("string", "", "tier by active days of the last 28"),
        "contribution": ("string", "", "tier by what was done in the last 28 days"),
        "payment": ("string", "", "tier by net amount of the last 90 days"),
        "value": ("string", "", "level by the sum of the RFM scores"),
        "lifecycle": ("string", "", "stage of life"),
        "resurrected": ("boolean", "", "active in the last 7 days after a gap of over 42"),
        "recency_score": ("int64", "", "1 to 5"),
        "frequency_score": ("int64", "", "1 to 5"),
        "monetary_score": ("int64", "", "1 to 5"),
        "active_days": ("int64", "days", "active days of the last 28"),
        "net_90": ("decimal", "currency", "net amount of the last 90 days"),
        "pay_probability": ("float64", "share", "of paying in 28 days, by the past of people alike; non-payers only"),
    },
)
TIER_SIZES = contracts.declare(
    "tier_sizes",
    grain="one row per dimension and tier",
    key=["dimension", "tier"],
    needs="events",
    small=True,
    nullable=("share",),
    columns={
        "dimension": ("string", "", "activity, contribution, payment, value or lifecycle"),
        "tier": ("string", "", "tier of the dimension"),
        "people": ("int64", "people", "size at the end of the week"),
        "before": ("int64", "people", "size at the end of the week before"),
        "came": ("int64", "people", "in the tier now and not a week ago, newcomers among them"),
        "left": ("int64", "people", "in the tier a week ago and not now"),
        "share": ("float64", "share", "of all users"),
    },
)
