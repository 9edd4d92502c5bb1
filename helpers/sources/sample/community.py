"""The whole community, drawn part by part and written to a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.sources.sample import activity, dirt, members, money, network, people, trials, truth, writing
from helpers.sources.sample.plan import INVITE, Plan, make_plan


@dataclass(frozen=True)
class Community:
    """Everything drawn, as codes and numbers; times are seconds since the first midnight."""

    plan: Plan
    members: members.Members
    visits: members.Visits
    registered: np.ndarray
    people: pd.DataFrame
    inviter: np.ndarray
    winback: network.Winback
    events: pd.DataFrame
    assignments: pd.DataFrame
    feedback: pd.DataFrame
    spend: pd.DataFrame


def draw_community(plan: Plan) -> Community:
    """All parts, each from its own stream of random numbers."""
    everyone = members.draw_members(plan)
    joining = members.joining_visits(plan, everyone)
    inviter, sent = network.draw_invitations(plan, everyone, joining)
    winback, back = network.draw_winback(plan, everyone, joining)
    visits = joining.join(back)
    acts, opening, closing = activity.draw_activity(plan, everyone, visits)
    registered = _registrations(plan, joining, opening)
    accounts = people.draw_people(plan, everyone, inviter, registered)
    extra = [
        activity.founding_posts(),
        _invitations(joining, sent, closing),
        money.draw_payments(plan, visits, closing),
    ]
    links = plan.draws("links")
    extra.append(activity.bot_views(plan, links))
    events = activity.link_content(links, pd.concat([acts, *extra], ignore_index=True))
    city = accounts["city"].to_numpy()[: plan.members]
    return Community(
        plan=plan,
        members=everyone,
        visits=visits,
        registered=registered,
        people=accounts,
        inviter=inviter,
        winback=winback,
        events=events,
        assignments=trials.draw_assignments(plan, everyone, registered, visits, opening),
        feedback=trials.draw_feedback(plan, everyone, city, visits, closing),
        spend=money.draw_spend(plan, everyone),
    )


def _registrations(plan: Plan, joining: members.Visits, opening: np.ndarray) -> np.ndarray:
    """The second of each registration: up to five minutes before the first event, on the same day."""
    first = np.unique(joining.member, return_index=True)[1]
    registered = opening[first] - plan.draws("registration").integers(20, 300, plan.members)
    registered[0] = 30  # the founder, whose first posts come at 00:05
    return registered


def _invitations(joining: members.Visits, sent: np.ndarray, closing: np.ndarray) -> pd.DataFrame:
    """Invitations just after the first session of their visits; two of one visit are two seconds apart."""
    rank = np.arange(len(sent)) - np.searchsorted(sent, sent)
    return activity.event_rows(joining.member[sent], closing[sent] + 3 + 2 * rank, INVITE)


def write_community(folder: Path, *, seed: int, null: bool, count: int, weeks: int) -> dict:
    """Draw the community, write its files and `truth.json` into an empty folder, give the truth."""
    community = draw_community(make_plan(seed, null, count, weeks))
    plan = community.plan
    rows, fault = dirt.plant_dirt(plan, community.events)
    files = writing.write_events(folder / "events", plan, rows, fault)
    for name, frame in _small_tables(community).items():
        files[name] = {"rows_in": writing.write_frame(folder / name, frame)}
    told = truth.tell(community, files)
    text = json.dumps(told, ensure_ascii=False, indent=2) + "\n"
    (folder / "truth.json").write_text(text, encoding="utf-8")
    return json.loads(text)


def _small_tables(community: Community) -> dict[str, pd.DataFrame]:
    """The tables beside the events, as exported."""
    plan, winback = community.plan, community.winback
    uid = writing.uids(plan.members)
    assignments, feedback = community.assignments, community.feedback
    return {
        "users.csv": community.people,
        "assignments.csv": pd.DataFrame(
            {
                "uid": uid[assignments["member"]],
                "experiment": assignments["experiment"],
                "variant": np.array(trials.VARIANTS, dtype=object)[assignments["arm"]],
                "assigned_at": writing.texts(plan, assignments["t"].to_numpy()).to_pylist(),
            }
        ),
        "touches.csv": pd.DataFrame(
            {
                "uid": uid[winback.member],
                "campaign": network.WINBACK_CAMPAIGN,
                "touched_at": writing.texts(plan, winback.touched_at).to_pylist(),
                "arm": np.where(winback.touched, "touched", "holdout"),
                "cost": np.where(winback.touched, "0.80", "0.00"),
            }
        ),
        "spend.csv": community.spend,
        "feedback.csv": pd.DataFrame(
            {
                "uid": uid[feedback["member"]],
                "answered_at": writing.texts(plan, feedback["t"].to_numpy()).to_pylist(),
                "question": feedback["question"],
                "score": feedback["score"],
                "comment": feedback["comment"],
            }
        ),
    }
