"""The tables of the front page: what each row is, and what its columns mean."""

from __future__ import annotations

from helpers import contracts

WEEKS = contracts.declare(
    "weeks",
    grain="one row per ISO week",
    key=["week"],
    needs="events",
    small=True,
    columns={
        "week": ("date", "", "Monday"),
        "active": ("int64", "people", "active in the week"),
        "created": ("int64", "events", "contents created by them"),
        "created_squares": ("int64", "events squared", "sum over people of the squared number of contents"),
        "payers": ("int64", "people", "people with a payment"),
        "payers_again": ("int64", "people", "of them, with a payment in the week before, too"),
        "net": ("decimal", "currency", "net amount"),
        "net_squares": ("float64", "currency squared", "sum over people of the squared net amount"),
    },
)
PUBLISHED = contracts.declare(
    "published",
    grain="one row per number that is sent out",
    key=["metric", "slice"],
    small=True,
    nullable=("value", "low", "high"),
    columns={
        "metric": ("string", "", "key of metrics.toml, or experiment and metric"),
        "slice": ("string", "", '"all", a tier, or an arm'),
        "value": ("float64", "", "the number"),
        "low": ("float64", "", "end of its interval; empty where there is none"),
        "high": ("float64", "", "end of its interval; empty where there is none"),
        "n": ("int64", "people", "people whom it describes"),
    },
)
PAST_NUMBERS = contracts.declare(
    "past_numbers",
    grain="one row per main number and week before",
    key=["week", "metric"],
    small=True,
    columns={
        "week": ("string", "", "ISO week"),
        "metric": ("string", "", "key of metrics.toml"),
        "value": ("float64", "", "the number as it is known now"),
        "n": ("int64", "people", "people whom it describes"),
    },
)
HEADLINE = contracts.declare(
    "headline",
    grain="one row",
    key=["sentence"],
    small=True,
    columns={
        "sentence": ("string", "", "the week's finding"),
        "status": ("string", "", "week, completeness, data until"),
        "quality": ("string", "", "good, amber or red"),
        "doubts": ("string", "", "what the other pages say of it before their numbers, a line each; empty where it is good"),
    },
)
