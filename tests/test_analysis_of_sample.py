"""What was planted in the built-in community is found by the analyses, and in the null community nothing is."""

from __future__ import annotations

import json
import math
import shutil
from datetime import date, timedelta

import pandas as pd
import pytest

import helpers
from helpers import cleaning, experiments, facts, paths, retention
from helpers.runs import pipeline
from helpers.sources import sample as community

ERRORS = 4  # standard errors that an estimate may lie from the truth; the seed is fixed


@pytest.fixture
def found(sample):
    """The run of the sample's report."""
    return helpers.open_run()


@pytest.fixture
def truth(sample) -> dict:
    return json.loads((sample.root / "data" / "sample" / "raw" / "truth.json").read_text(encoding="utf-8"))


def bot(run) -> str:
    """The one account that acts more than anybody: the sample's bot is known to the truth by a name that we do not see."""
    days = run.read("user_day")
    return days.group_by("user_id").agg(events=days.events.sum()).order_by("events").to_pandas()["user_id"].iloc[-1]


def test_weekly_actives_are_the_planted_ones(found, truth):
    days = found.read("user_day")
    people = retention.presence_day(days.filter(days.user_id != bot(found)), last_day=found.last_day)
    weeks = retention.growth(people, last_day=found.last_day)
    labels = [f"{day.isocalendar().year}-W{day.isocalendar().week:02d}" for day in weeks["week"]]
    assert dict(zip(labels, weeks["active"], strict=True)) == truth["weekly_actives"]
    assert (found.read("weeks")["active"] - weeks["active"]).isin([0, 1]).all()


def test_retention_is_the_planted_beta_geometric(found, truth):
    """Without the channel that gets worse, and up to the week before the win-back brings some again."""
    year, week = truth["winback"]["week"].split("-W")
    before = date.fromisocalendar(int(year), int(week), 1) - timedelta(days=1)
    cube = found.read("cohort_cube")
    usual = ~cube["slice"].isin([truth["channel_retention"]["channel"], "unknown"])
    table = retention.cohorts(cube[usual], last_day=before, dimension="channel", ages=20)
    for row in retention.average(table).iloc[1:].to_dict("records"):
        share = truth["survival"]["curve"][row["age"]]
        assert abs(row["rate"] - share) <= ERRORS * math.sqrt(share * (1 - share) / row["size"]), row["age"]


def test_contribution_tiers_are_the_planted_kinds(found, truth):
    tiers = found.read("segments")
    active = tiers.filter(tiers.active_days > 0)
    counted = active.group_by("contribution").agg(people=active.count()).to_pandas().set_index("contribution")["people"]
    shares, planned = counted / counted.sum(), truth["contribution"]["planned_shares"]
    assert set(counted.index) == set(planned)
    for kind, share in planned.items():
        assert abs(shares[kind] - share) <= ERRORS * math.sqrt(share * (1 - share) / counted.sum()), kind
    assert all(abs(shares[kind] - planned[kind]) < 0.02 for kind in ("creator", "commenter", "sharer"))


def test_nobody_changes_kind_between_the_whole_history_and_the_last_four_weeks(found):
    """A recount in pandas from the facts: a member's kind is what the strongest deed of the whole history says."""
    roles = {"create": "creator", "comment": "commenter", "share": "sharer", "react": "reactor", "active": "reader"}
    done = found.read("user_day").select("user_id", *roles).to_pandas().groupby("user_id")[list(roles)].sum().gt(0)
    kind = done.idxmax(axis=1).map(roles)
    tiers = found.read("segments").select("user_id", "active_days", "contribution").to_pandas().set_index("user_id")
    active = tiers[tiers["active_days"] > 0]["contribution"]
    assert active.equals(kind.reindex(active.index).rename("contribution"))


def test_experiments_have_the_planted_arms(found, truth):
    arms = found.read("arms").set_index(["experiment", "variant"])
    for name, told in truth["experiments"].items():
        assert arms.loc[name, "several"].eq(told["members_in_several_arms"]).all()
        for variant, planted in told["variants"].items():
            assert arms.loc[(name, variant), "people"] == planted["members"]


def test_the_planted_effect_is_found_the_null_is_not_and_the_broken_split_alarms(found, truth):
    effects = found.read("effects").set_index(["experiment", "metric"])
    gates = found.read("experiment_gate").set_index("experiment")["verdict"]
    decisions = found.read("experiment_decisions").set_index("experiment")["decision"]
    tour, feed = (effects.loc[(name, "day7_return")] for name in ("welcome_tour", "feed_order"))
    assert tour["low"] <= truth["experiments"]["welcome_tour"]["day7_effect"] <= tour["high"] and tour["low"] > 0
    assert feed["low"] <= 0 <= feed["high"] and feed["p"] > 0.05
    assert gates["share_button"] == "alarm" and gates[["welcome_tour", "feed_order"]].ne("alarm").all()
    assert decisions["welcome_tour"] == "ship" and decisions["feed_order"] != "ship"
    assert decisions["share_button"] == "unreadable"
    cube = experiments.Cube.of_frame(found.read("experiment_moments"))
    for name in ("welcome_tour", "feed_order"):
        for variant, told in truth["experiments"][name]["variants"].items():
            cell = cube.arms(name, "day7_return")[variant]
            assert cell.moments.n + cell.missing == told["members"]
            assert round(cell.moments.mean_of("value") * cell.moments.n) == told["returned_day7"] or cell.missing


def test_portraits_have_the_planted_members_and_referrals(found, truth):
    columns = ("first_active_day", "first_pay_day", "referrals", "net")
    people = found.read("portraits").select(*columns).to_pandas()
    assert len(people) == truth["users"]["members"] + truth["users"]["prospects"] + 1
    assert people["first_active_day"].notna().sum() == truth["users"]["in_events"]
    assert people["referrals"].sum() == truth["referral"]["invited_members"]
    assert (people["referrals"] > 0).sum() == truth["referral"]["inviters"]
    assert people["first_pay_day"].notna().sum() == truth["payments"]["payers"]
    paid = truth["payments"]["paid_fen"] - truth["payments"]["refunded_fen"]
    assert sum(people["net"]) * 100 == paid


@pytest.fixture(scope="module")
def null(tmp_path_factory):
    """The facts of a small community with every effect switched off, as the first notebook makes them."""
    folder = tmp_path_factory.mktemp("null") / "quiet"
    (folder / "raw").mkdir(parents=True)
    community.build(folder / "raw", null=True, members=2500)
    shutil.copy(paths.PROJECT / "data" / "sample" / "experiments.toml", folder)
    toml = (paths.PROJECT / "data" / "sample" / "dataset.toml").read_text(encoding="utf-8")
    (folder / "dataset.toml").write_text(toml.replace("simulate =", "# simulate ="), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.BUILT_ROOT_VARIABLE, str(folder.parent / "built"))
        patch.setenv("XDG_CONFIG_HOME", str(folder.parent / "config"))
        run = helpers.open_run(str(folder))
        when = {"as_of": run.as_of, "future_from": run.future_from}
        kinds = ("events", "users", "assignments")
        rows = {kind: cleaning.kept(cleaning.judge(run.source(kind), kind, **when)) for kind in kinds}
        days = run.keep(facts.user_day(facts.timed(rows["events"]), run.dataset.roles))
        yield run, days, rows


def test_in_the_null_community_no_experiment_has_an_effect_or_an_alarm(null):
    run, days, rows = null
    plans, seen = run.experiments["experiment"], experiments.exposures(rows["assignments"])
    plans = [{**plan, "slices": [], "strata": []} for plan in plans]
    cube = experiments.cube(experiments.gather(plans, seen, None, days, last_day=run.last_day), plans, last_day=run.last_day)
    effects = experiments.effects(cube, plans, last_day=run.last_day)
    assert len(effects) > 9 and effects["p"].dropna().gt(0.01).all()
    assert experiments.gate(experiments.health(cube, plans, experiments.arms(plans, seen, None)))["verdict"].ne("alarm").all()


def test_in_the_null_community_no_channel_keeps_its_members_worse(null):
    _, days, rows = null
    cube = retention.cohort_cube(days, {"channel": retention.slice_of(rows["users"], "channel")})
    since = cube["cohort"] >= pd.Timestamp("2025-12-22")  # the week from which the sample's social_ads is worse
    age_1 = (
        cube[since & (cube["age"] == 1) & (cube["dimension"] == "channel")].groupby("slice")[["active", "size"]].sum()
    )
    worse, others = age_1.loc["social_ads"], age_1.drop(index=["social_ads", "unknown"], errors="ignore").sum()
    share = others["active"] / others["size"]
    error = math.sqrt(share * (1 - share) * (1 / worse["size"] + 1 / others["size"]))
    assert abs(worse["active"] / worse["size"] - share) < ERRORS * error


@pytest.mark.hard
def test_the_first_week_of_the_data_makes_a_whole_report_that_has_nothing_to_compare_with(built_root):
    pipeline.report(pipeline.Request(week="2025-W37"))
    pages = built_root / "reports" / "sample" / "2025-W37"
    assert len(list(pages.glob("0*.html"))) == 5
    assert "There is too little data yet for a finding" in (pages / "index.html").read_text("utf-8")
    assert "There is nothing to compare this week with yet" in (pages / "04_retention.html").read_text("utf-8")
