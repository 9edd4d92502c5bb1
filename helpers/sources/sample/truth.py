"""What was planted and what came of it, for truth.json; the meaning of each key stands in the package's docstring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.sources.sample.dirt import FAULTS
from helpers.sources.sample.network import WINBACK_CAMPAIGN, tree_depth
from helpers.sources.sample.plan import CHANNELS, EVENTS, INVITE, KINDS, LAST_DAY, PAY, REFUND, TOPICS, survival_curve
from helpers.sources.sample.trials import VARIANTS, came_on
from helpers.sources.sample.writing import BOT

if TYPE_CHECKING:
    from helpers.sources.sample.community import Community


def tell(community: Community, files: dict[str, dict[str, int]]) -> dict:
    """The truth as plain numbers and text."""
    plan = community.plan
    return {
        "seed": plan.seed,
        "null": plan.null,
        "first_day": plan.first_day.isoformat(),
        "last_day": LAST_DAY.isoformat(),
        "timezone": "Asia/Shanghai",
        "users": _users(community),
        "files": files,
        "rows": _rows(community, files),
        "weekly_actives": _weekly_actives(community),
        "survival": _survival(community),
        "channel_retention": _channel(community),
        "topic_drift": _drift(community),
        "contribution": _contribution(community),
        "payments": _payments(community),
        "referral": _referral(community),
        "experiments": _experiments(community),
        "winback": _winback(community),
        "feedback": _feedback(community),
        "spend": {
            name: round(float(cost), 2) for name, cost in community.spend.groupby("channel")["cost"].sum().items()
        },
    }


def _users(community: Community) -> dict:
    n = community.plan.members
    return {
        "members": n,
        "prospects": len(community.people) - n,
        "in_users_csv": len(community.people),
        "in_events": n + 1,
        "bot": {"uid": BOT, "events": int((community.events["member"] == n).sum())},
    }


def _rows(community: Community, files: dict[str, dict[str, int]]) -> dict:
    parts = [counts for name, counts in files.items() if name.startswith("events/")]
    total = {key: sum(part[key] for part in parts) for key in parts[0]}
    events = community.events
    types = np.bincount(events["type"], minlength=len(EVENTS))
    return {
        "rows_in": total["rows_in"],
        "kept": len(events),
        "duplicates": total["duplicate"],
        "quarantined": {reason: total[reason] for reason in FAULTS[2:]},
        "kept_by_event": {event: int(count) for event, count in zip(EVENTS, types, strict=True)},
        "active_member_days": len(community.visits.member),
    }


def _weekly_actives(community: Community) -> dict[str, int]:
    plan, visits = community.plan, community.visits
    pairs = np.unique(visits.day // 7 * plan.members + visits.member)
    counts = np.bincount(pairs // plan.members, minlength=plan.weeks)
    return {plan.label(week): int(count) for week, count in enumerate(counts)}


def _survival(community: Community) -> dict:
    plan = community.plan
    alpha, beta = plan.survival
    joined = np.bincount(community.members.joined // 7, minlength=plan.weeks)
    return {
        "alpha": alpha,
        "beta": beta,
        "curve": [round(float(s), 6) for s in survival_curve(plan.survival, plan.weeks - 1)],
        "joined_by_week": {plan.label(week): int(count) for week, count in enumerate(joined)},
    }


def _channel(community: Community) -> dict:
    plan = community.plan
    alpha, beta = plan.worse_survival
    return {
        "channel": plan.worse_channel,
        "from_week": plan.label(plan.worse_week),
        "alpha": alpha,
        "beta": beta,
        "curve": [round(float(s), 6) for s in survival_curve(plan.worse_survival, plan.weeks - 1)],
        "joined_before": int(_of_channel(community).sum() - community.members.worse.sum()),
        "joined_since": int(community.members.worse.sum()),
    }


def _of_channel(community: Community) -> np.ndarray:
    return community.members.channel == CHANNELS.index(community.plan.worse_channel)


def _drift(community: Community) -> dict:
    plan = community.plan
    anywhere = (1 - plan.favourite_share - plan.second_share) / len(TOPICS)
    before = {plan.fading_topic: plan.favourite_share + anywhere, plan.rising_topic: anywhere}
    after = {plan.fading_topic: anywhere, plan.rising_topic: plan.favourite_share + anywhere} if plan.drifts else before
    return {
        "from": plan.fading_topic,
        "to": plan.rising_topic if plan.drifts else None,
        "from_week": plan.label(plan.drift_week),
        "fans": int((community.members.favourite == TOPICS.index(plan.fading_topic)).sum()),
        "fans_share_before": {topic: round(share, 4) for topic, share in before.items()},
        "fans_share_after": {topic: round(share, 4) for topic, share in after.items()},
    }


def _contribution(community: Community) -> dict:
    counts = np.bincount(community.members.kind, minlength=len(KINDS))
    return {
        "planned_shares": dict(zip(KINDS, community.plan.kind_shares, strict=True)),
        "members": {kind: int(count) for kind, count in zip(KINDS, counts, strict=True)},
    }


def _payments(community: Community) -> dict:
    plan, events = community.plan, community.events
    paid, refunded = (events[events["type"] == code] for code in (PAY, REFUND))
    return {
        "conversion": plan.conversion,
        "payers": int(paid["member"].nunique()),
        "payments": len(paid),
        "list_price_floor_fen": plan.price_floor,
        "list_price_alpha": plan.price_alpha,
        "paid_fen": int(paid["fee"].sum()),
        "discount_fen": int(paid["discount"].sum()),
        "discounted": int((paid["discount"] > 0).sum()),
        "in_campaigns": int((paid["campaign"] >= 0).sum()),
        "refund_chance": plan.refund_chance,
        "refunds": len(refunded),
        "refunded_fen": int(refunded["fee"].sum()),
    }


def _referral(community: Community) -> dict:
    inviter = community.inviter
    return {
        "invitations": int((community.events["type"] == INVITE).sum()),
        "invited_members": int((inviter >= 0).sum()),
        "inviters": len(np.unique(inviter[inviter >= 0])),
        "depth": tree_depth(inviter),
    }


def _experiments(community: Community) -> dict:
    plan = community.plan
    effects = {
        "welcome_tour": {
            "day7_control": plan.day7_control,
            "day7_treatment": plan.day7_treatment,
            "day7_effect": round(plan.day7_treatment - plan.day7_control, 6),
            "planned_control_share": 0.5,
            "split_broken": False,
        },
        "feed_order": {"day7_effect": 0.0, "planned_control_share": 0.5, "split_broken": False},
        "share_button": {
            "day7_effect": 0.0,
            "planned_control_share": 0.5,
            "split_broken": not plan.null,
            "given_control_share": plan.broken_control_share,
        },
    }
    for name, effect in effects.items():
        rows = community.assignments[community.assignments["experiment"] == name]
        arms = rows.groupby("member")["arm"].nunique()
        effect["members_in_several_arms"] = int((arms > 1).sum())
        effect["variants"] = _arms(community, rows[rows["member"].map(arms) == 1])
    return effects


def _arms(community: Community, rows: pd.DataFrame) -> dict:
    """Members of each variant, those in one arm only, and how many came on day 7."""
    day = rows["t"].to_numpy() // 86_400
    back = came_on(community.visits, rows["member"].to_numpy(), day + 7, community.plan.days)
    arm = rows["arm"].to_numpy()
    return {
        variant: {"members": int((arm == code).sum()), "returned_day7": int(back[arm == code].sum())}
        for code, variant in enumerate(VARIANTS)
    }


def _winback(community: Community) -> dict:
    plan, winback = community.plan, community.winback
    arms = {"touched": winback.touched, "holdout": ~winback.touched}
    return {
        "campaign": WINBACK_CAMPAIGN,
        "week": plan.label(plan.winback_week),
        "return_touched": plan.return_touched,
        "return_holdout": plan.return_holdout,
        "effect": round(plan.return_touched - plan.return_holdout, 6),
        "window_days": 14,
        "arms": {
            arm: {"members": int(inside.sum()), "returned": int(winback.returns[inside].sum())}
            for arm, inside in arms.items()
        },
    }


def _feedback(community: Community) -> dict:
    plan, rows = community.plan, community.feedback
    answers = rows[rows["question"] == "satisfaction"]
    scores = np.arange(1, 6)
    return {
        "low_city": plan.low_city,
        "low_channel": {"channel": plan.worse_channel, "from_week": plan.label(plan.worse_week)},
        "mean_satisfaction": round(float(scores @ plan.satisfaction), 4),
        "mean_satisfaction_low": round(float(scores @ plan.low_satisfaction), 4),
        "answers": len(answers),
        "answers_low": int(answers["low"].sum()),
    }
