"""Early warning: the members who are about to be lost, with the reasons in words; how many, where, and what they are worth.

A member is warned of whose risk is at least a half, so that being lost is likelier than staying, or who is tired: active on
fewer days than in the own past, by more than chance. The list is for those who run the community, and never on a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import ibis
import pandas as pd

from helpers import contracts, stats
from helpers.portraits.reasons import filled
from helpers.retention.leaving import risk
from helpers.retention.leaving.fatigue import judged
from helpers.retention.leaving.past import by_span
from helpers.segments.tables import DIMENSIONS, SEGMENTS, TIERS

LIKELY = 0.5
SAID = 0.1  # of log odds that a reason adds at least
# What a reason says, and the features whose parts of the log odds it adds up; all but the first need less than the mean.
REASONS = {
    "activity": (
        "active on {active_days} of the last 28 days, on {active_days_before} of the 28 before, last {away} days ago",
        ("active_days", "active_days_before", "last_week", "missed", "sessions", "dwell_minutes", "away"),
    ),
    "young": ("first here {tenure_days} days ago", ("tenure",)),
    "acting": ("contents, comments, shares and reactions in 28 days: {acts}", ("create", "comment", "share", "react")),
}
WEARY = "{usual:.1f} active days in 28 were usual"
SILENT = 7  # days; who is away for so long is called silent, and else whose active days are halved is called falling
LEADING = ("tired", "silent", "falling", "seldom", "young", "acting")
_SHARE, _PEOPLE = ("float64", "share"), ("int64", "people")

AT_RISK = contracts.declare(
    "at_risk",
    grain="one row per member who is about to be lost",
    key=["user_id"],
    needs="events",
    nullable=("chance", "usual", "q"),
    columns={
        "user_id": ("string", "", "pseudonym of the user"),
        "chance": (*_SHARE, "probability of not being active in the next 28 days; empty where there is no model"),
        "tired": ("boolean", "", "active on fewer days than in the own past, by more than chance"),
        "reasons": ("string", "", "in words, with the values"),
        "leading": ("string", "", "the kind of the strongest reason: " + ", ".join(LEADING)),
        "active_days": ("int64", "days", "active days of the last 28"),
        "active_days_before": ("int64", "days", "the same in the 28 days before"),
        "away": ("int64", "days", "since the last active day"),
        "usual": ("float64", "days", "active days in 28 of the own past; empty where it is too short"),
        "q": (*_SHARE, "of the test against the own past, see `fatigue`"),
        "acts": ("int64", "events", "contents, comments, shares and reactions in 28 days"),
        "tenure_days": ("int64", "days", "since the first active day"),
        "pay_days": ("int64", "days", "days with a payment in 56"),
        "net_90": ("decimal", "currency", "net amount of the last 90 days"),
        **{name: ("string", "", SEGMENTS.columns[name].meaning) for name in DIMENSIONS},
    },
)
AT_RISK_TIERS = contracts.declare(
    "at_risk_tiers",
    grain="one row per dimension and tier of the members active in the last 28 days, and one for all of them",
    key=["dimension", "tier"],
    needs="events",
    small=True,
    nullable=("share", "low", "high", "expected", "net_share"),
    columns={
        "dimension": ("string", "", 'a dimension of the tiers, or "all"'),
        "tier": ("string", "", "tier of the dimension"),
        "people": (*_PEOPLE, "members active in the last 28 days"),
        "warned": (*_PEOPLE, "of them those who are about to be lost"),
        "smallest": (*_PEOPLE, "of the warned and the others the fewer, if there are any"),
        "share": (*_SHARE, "warned over people"),
        "low": (*_SHARE, "Wilson interval of `share`"),
        "high": (*_SHARE, "Wilson interval of `share`"),
        "expected": ("float64", "people", "members who will be lost by the sum of their probabilities; empty without a model"),
        "net": ("decimal", "currency", "net amount of the warned in the last 90 days"),
        "net_all": ("decimal", "currency", "net amount of all of them"),
        "net_share": (*_SHARE, "net over net_all"),
    },
)
AT_RISK_KEPT = contracts.declare(
    "at_risk_kept",
    grain="one row per group of the members who were active four weeks ago",
    key=["group"],
    needs="events",
    small=True,
    nullable=("share", "low", "high"),
    columns={
        "group": ("string", "", "likely: by the risk; tired: by the own past; warned: by either; others; all"),
        "people": (*_PEOPLE, "active in the 28 days that ended four weeks ago"),
        "lost": (*_PEOPLE, "of them those who were not active since"),
        "share": (*_SHARE, "lost over people"),
        "low": (*_SHARE, "Wilson interval of `share`"),
        "high": (*_SHARE, "Wilson interval of `share`"),
    },
)
AT_RISK_REASONS = contracts.declare(
    "at_risk_reasons",
    grain="one row per kind of leading reason",
    key=["leading"],
    needs="events",
    small=True,
    nullable=("share",),
    columns={
        "leading": ("string", "", "the kind of the strongest reason"),
        "people": (*_PEOPLE, "of the warned"),
        "share": (*_SHARE, "of the warned"),
        "net": ("decimal", "currency", "their net amount of the last 90 days"),
    },
)


@dataclass(frozen=True)
class Warnings:
    """Who is warned of, and how far that can be believed.

    Attributes:
        people: The list (contract `at_risk`).
        fatigue: The test of every member against the own past (contract `fatigue`).
        model: The risk, with its `verdict` and `tenths`.
        tiers: How many by tier, and what they are worth (contract `at_risk_tiers`).
        kept: What became of those of whom the same model warns four weeks ago, knowing nothing later (contract
            `at_risk_kept`).
        reasons: How many by leading reason (contract `at_risk_reasons`).
    """

    people: ibis.Table
    fatigue: ibis.Table
    model: risk.RiskModel
    tiers: pd.DataFrame
    kept: pd.DataFrame
    reasons: pd.DataFrame


def warnings(first_seen: ibis.Table, user_day: ibis.Table, segments: ibis.Table, *, last_day: date) -> Warnings:
    """Who is about to be lost as of the end of `last_day`; later rows change nothing.

    Args:
        segments: Contract `segments`, as of the same day.
    """
    past = user_day.filter(user_day.day <= last_day)
    first_day = past.filter(past.active > 0).day.min().to_pyarrow().as_py()
    befores = risk.windows(first_day, last_day)
    spans = by_span(past, last_day=last_day).cache()
    panel = risk.described(first_seen, spans, [last_day, *befores]).cache()
    model = risk.risk_model(panel.filter(panel.nth > 0).mutate(nth=panel.nth - 1), first_day=first_day, last_day=last_day)
    tired = judged(first_seen, spans, last_day=last_day).cache()
    members = _explained(_marked(panel.filter(panel.nth == 0), model, tired), model)
    members = members.join(segments.select("user_id", "net_90", *DIMENSIONS), "user_id").cache()
    listed = members.filter(members.warned)
    kept = pd.DataFrame(columns=list(AT_RISK_KEPT.columns))
    if befores:
        then = judged(first_seen, spans, last_day=befores[0], ago=1)
        kept = _kept(_marked(panel.filter(panel.nth == 1), model, then))
    return Warnings(listed.select(*AT_RISK.columns), tired, model, _tiers(members), kept, _reasons(listed))


def _marked(people: ibis.Table, model: risk.RiskModel, tired: ibis.Table) -> ibis.Table:
    """Members with their risk and fatigue, and whether they are warned of."""
    told = tired.select("user_id", "usual", "q", "tired")
    people = people.left_join(told, "user_id").drop("user_id_right")
    people = people.mutate(tired=people.tired.fill_null(False), chance=risk.chance(people, model))
    people = people.mutate(likely=(people.chance >= LIKELY).fill_null(False))
    return people.mutate(warned=people.likely | people.tired)


def _explained(people: ibis.Table, model: risk.RiskModel) -> ibis.Table:
    """The reasons in words, and the kind of the strongest: of who is tired that, else what adds most to the risk."""
    columns = {name: spec.dtype for name, spec in AT_RISK.columns.items()}
    adds, apart = risk.contributions(people, model), risk.deviations(people, model)
    parts = {}
    for name, (_, features) in REASONS.items():
        part = sum((adds[feature] for feature in features), ibis.literal(0.0)).round(9)
        less = sum((apart[feature] for feature in features), ibis.literal(0.0)) < 0
        parts[name] = part if name == "activity" else ibis.ifelse(less, part, 0.0)
    people = people.mutate(**{f"part_{name}": part for name, part in parts.items()})
    said = filled(REASONS["activity"][0], people, columns)
    said = said + ibis.ifelse(people.tired, ibis.literal("; ") + filled(WEARY, people, columns), "")
    for name in list(REASONS)[1:]:
        told = ibis.literal("; ") + filled(REASONS[name][0], people, columns)
        said = said + ibis.ifelse(people[f"part_{name}"] >= SAID, told, "")
    most = ibis.greatest(*(people[f"part_{name}"] for name in REASONS))
    kind = ibis.cases(
        (people.tired, "tired"),
        (people.part_activity < most, ibis.ifelse(people.part_young == most, "young", "acting")),
        (people.away >= SILENT, "silent"),
        (people.active_days * 2 <= people.active_days_before, "falling"),
        else_="seldom",
    )
    return people.mutate(reasons=said.replace(" 1 days", " 1 day"), leading=kind)


def _tiers(members: ibis.Table) -> pd.DataFrame:
    tiers = {"all": ibis.literal("all")} | {name: members[name] for name in DIMENSIONS}
    stacked = ibis.union(
        *[members.select("warned", "chance", "net_90", dimension=ibis.literal(name), tier=tier) for name, tier in tiers.items()]
    )
    none = ibis.literal(0).cast("decimal(38, 4)")
    found = stacked.group_by(["dimension", "tier"]).agg(
        people=stacked.count(), warned=stacked.warned.sum(), expected=stacked.chance.cast("decimal(38, 9)").sum(),
        net=ibis.coalesce(stacked.net_90.sum(where=stacked.warned), none), net_all=stacked.net_90.sum(),
    ).to_pandas()  # fmt: skip
    order = [("all", "all"), *((name, tier) for name in DIMENSIONS for tier in TIERS[name])]
    found = found.set_index(["dimension", "tier"])
    found = found.loc[[pair for pair in order if pair in found.index]].reset_index()
    people, net_all = found["people"].where(found["people"] > 0), found["net_all"].astype("float64")
    low, high = stats.wilson(found["warned"], found["people"])
    others = found["people"] - found["warned"]
    smallest = found["warned"].where((others == 0) | (found["warned"].between(1, others)), others)
    return found.assign(
        smallest=smallest, share=found["warned"] / people, low=low, high=high, expected=found["expected"].astype("float64"),
        net_share=found["net"].astype("float64") / net_all.where(net_all > 0),
    )[list(AT_RISK_TIERS.columns)]  # fmt: skip


def _kept(then: ibis.Table) -> pd.DataFrame:
    everybody = ibis.literal(True)
    groups = {"likely": then.likely, "tired": then.tired, "warned": then.warned, "others": ~then.warned, "all": everybody}
    counted = then.aggregate(
        **{f"{name}_people": group.sum() for name, group in groups.items() if name != "all"}, all_people=then.count(),
        **{f"{name}_lost": (then.lost & group).sum() for name, group in groups.items()},
    )  # fmt: skip
    counts = counted.to_pandas().fillna(0).iloc[0].astype("int64")
    found = pd.DataFrame([{"group": name, "people": counts[f"{name}_people"], "lost": counts[f"{name}_lost"]} for name in groups])
    low, high = stats.wilson(found["lost"], found["people"])
    return found.assign(share=found["lost"] / found["people"].where(found["people"] > 0), low=low, high=high)


def _reasons(listed: ibis.Table) -> pd.DataFrame:
    found = listed.group_by("leading").agg(people=listed.count(), net=listed.net_90.sum()).to_pandas()
    found = found.set_index("leading").reindex([name for name in LEADING if name in set(found["leading"])]).reset_index()
    return found.assign(share=found["people"] / found["people"].sum())[list(AT_RISK_REASONS.columns)]
