"""Tags: conditions on a portrait, each a rule with a name, a group and a version."""

from __future__ import annotations

import math

import ibis
import pandas as pd

from helpers import contracts
from helpers.errors import InputError

TAGS = contracts.declare(
    "tags",
    grain="one row per user and tag",
    key=["user_id", "tag"],
    needs="events",
    columns={
        "user_id": ("string", "", "pseudonym of the user"),
        "tag": ("string", "", "name of the rule"),
        "group": ("string", "", "group of the rule"),
        "version": ("int64", "", "version of the rule"),
    },
)
TAG_SIZES = contracts.declare(
    "tag_sizes",
    grain="one row per tag",
    key=["tag"],
    needs="events",
    small=True,
    nullable=("share",),
    columns={
        "tag": ("string", "", "name of the rule"),
        "group": ("string", "", "group of the rule"),
        "when": ("string", "", "the rule's condition"),
        "people": ("int64", "people", "people for whom it holds"),
        "of": ("int64", "people", "all people"),
        "share": ("float64", "share", "people of all people"),
    },
)


def tags(portraits: ibis.Table, rules: list[dict]) -> ibis.Table:
    """One row per user and tag whose condition holds (contract `tags`); a condition on an unknown value does not hold.

    Args:
        rules: Each with `name`, `group`, `version` and `when`, an SQL condition on the columns of `portraits`.

    Raises:
        InputError: A condition cannot be read, or names a column that portraits do not have.
    """
    nobody = {"tag": ibis.literal(""), "group": ibis.literal(""), "version": ibis.literal(0, "int64")}
    found = [portraits.filter(ibis.literal(False)).select("user_id", **nobody)]
    for rule in rules:
        marks = {"tag": ibis.literal(rule["name"]), "group": ibis.literal(rule["group"])}
        found.append(_holders(portraits, rule).mutate(**marks, version=ibis.literal(rule["version"], "int64")))
    return ibis.union(*found) if rules else found[0]


def _holders(portraits: ibis.Table, rule: dict) -> ibis.Table:
    try:
        return portraits.alias("portraits").sql(f"SELECT user_id FROM portraits WHERE {rule['when']}")
    except ibis.IbisError:
        raise
    except Exception as fault:  # what the condition's author has done wrong: each engine has its own error for it
        said = str(fault).splitlines()[0]
        raise InputError(f'rules.toml: [[tag]] {rule["name"]}: when = "{rule["when"]}"\n  {said}') from None


def tag_sizes(tags: ibis.Table, rules: list[dict], portraits: ibis.Table) -> pd.DataFrame:
    """Every rule with the people it holds for, the empty ones too (contract `tag_sizes`).

    Args:
        tags: As `tags` gives them for these rules and portraits.
    """
    counted = tags.group_by("tag").agg(people=ibis._.count()).to_pandas().set_index("tag")["people"]
    everyone = int(portraits.count().to_pandas())
    named = [(rule["name"], rule["group"], rule["when"]) for rule in rules]
    frame = pd.DataFrame(named, columns=["tag", "group", "when"], dtype="str")
    frame["people"] = frame["tag"].map(counted).fillna(0).astype("int64")
    frame["of"] = everyone
    frame["share"] = frame["people"] / (everyone or math.nan)
    return frame
