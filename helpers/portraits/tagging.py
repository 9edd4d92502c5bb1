"""Tags: conditions on a portrait, each a rule with a name, a group and a version; who carries them, and how many."""

from __future__ import annotations

import math

import ibis
import pandas as pd

from helpers import contracts
from helpers.portraits.attributes import PORTRAITS
from helpers.portraits.reasons import filled
from helpers.portraits.tag_states import columns_of
from helpers.portraits.topics import rounded

TAGS = contracts.declare(
    "tags",
    grain="one row per user and tag",
    key=["user_id", "tag"],
    needs="events",
    nullable=("strength",),
    columns={
        "user_id": ("string", "", "pseudonym of the user"),
        "tag": ("string", "", "name of the rule"),
        "group": ("string", "", "group of the rule"),
        "version": ("int64", "", "version of the rule"),
        "since": ("date", "", "first day of the first week of the present spell"),
        "at_least": ("boolean", "", "the spell may have begun earlier than the weeks that are looked at show"),
        "kept": ("boolean", "", "carried although the condition holds no more"),
        "strength": ("float64", "limits", "how strongly the rule holds: 1 is the limit itself"),
        "reason": ("string", "", "the rule in words, with the values of the portrait"),
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
        "version": ("int64", "", "version of the rule"),
        "when": ("string", "", "the rule's condition"),
        "people": ("int64", "people", "people who carry it"),
        "before": ("int64", "people", "people who carried it a week ago"),
        "came": ("int64", "people", "people who carry it now and did not then"),
        "left": ("int64", "people", "people who carried it then and do not now"),
        "of": ("int64", "people", "all people"),
        "share": ("float64", "share", "people of all people"),
    },
)


def tags(portraits: ibis.Table, rules: list[dict], states: ibis.Table) -> ibis.Table:
    """One row per user and tag that is carried now (contract `tags`), with the reason in words.

    Args:
        rules: Each with `name`, `group`, `version`, `when` and `reason`, some with `strength`, an SQL number.
        states: As `tag_states` gives them for these rules and the same day.
    """
    carried = states.filter(states.now)
    if not rules:
        nothing = {name: ibis.null(spec.dtype) for name, spec in TAGS.columns.items() if name not in carried.columns}
        return carried.select("user_id", "tag", "since", "at_least", "kept", **nothing)
    texts = [text for rule in rules for text in (rule["reason"], rule.get("strength") or "")]
    own = portraits.select("user_id", *columns_of(texts, portraits.columns))
    known = carried.join(own, "user_id")
    known = known.alias("carried").sql(f"SELECT *, {_strength(rules)} AS strength FROM carried", dialect="duckdb")
    columns = {name: spec.dtype for name, spec in PORTRAITS.columns.items()}
    return known.select(
        "user_id",
        "tag",
        "since",
        "at_least",
        "kept",
        group=_by_tag(known, {rule["name"]: rule["group"] for rule in rules}),
        version=_by_tag(known, {rule["name"]: rule["version"] for rule in rules}).cast("int64"),
        strength=rounded(known.strength, 4),
        reason=_by_tag(known, {rule["name"]: filled(rule["reason"], known, columns) for rule in rules}),
    )


def _strength(rules: list[dict]) -> str:
    """The SQL of a tag's strength; of rules without one it is unknown."""
    cases = [
        f"WHEN tag = '{rule['name'].replace(chr(39), chr(39) * 2)}' THEN CAST(({rule['strength']}) AS DOUBLE)"
        for rule in rules if rule.get("strength")
    ]  # fmt: skip
    return f"CASE {' '.join(cases)} END" if cases else "CAST(NULL AS DOUBLE)"


def _by_tag(table: ibis.Table, values: dict) -> ibis.Value:
    return ibis.cases(*((table.tag == name, value) for name, value in values.items()))


def tag_sizes(states: ibis.Table, rules: list[dict], portraits: ibis.Table) -> pd.DataFrame:
    """Every rule with the people who carry it, those who came and those who left (contract `tag_sizes`).

    Args:
        states: As `tag_states` gives them for these rules and portraits.
    """
    counted = states.group_by("tag").agg(
        people=states.now.sum(),
        before=states.before.sum(),
        came=(states.now & ~states.before).sum(),
        left=(states.before & ~states.now).sum(),
    )
    counts = counted.to_pandas().set_index("tag").reindex([rule["name"] for rule in rules])
    frame = pd.DataFrame(
        [(rule["name"], rule["group"], rule["version"], rule["when"]) for rule in rules],
        columns=["tag", "group", "version", "when"],
    ).astype({"tag": "str", "group": "str", "version": "int64", "when": "str"})
    for name in ("people", "before", "came", "left"):
        frame[name] = counts[name].fillna(0).astype("int64").to_numpy()
    everyone = int(portraits.count().to_pandas())
    frame["of"] = everyone
    frame["share"] = frame["people"] / (everyone or math.nan)
    return frame
