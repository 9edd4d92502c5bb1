"""What was planted can be found again in the files, within sampling error; in the null community there is nothing to find."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import raw_sample
from raw_sample import week
from scipy import stats

from helpers.sources import sample

ERRORS = 4.0  # standard errors that an estimate may lie from the truth; the seeds are fixed


@pytest.fixture(scope="module", params=[False, True], ids=["planted", "null"])
def raw(request, tmp_path_factory) -> raw_sample.Raw:
    folder = tmp_path_factory.mktemp("sample") / "raw"
    return raw_sample.read(folder, sample.build(folder, null=request.param))


def assert_share(k: int, n: int, truth: float) -> None:
    assert n > 0
    assert abs(k / n - truth) <= ERRORS * np.sqrt(truth * (1 - truth) / n), f"{k} of {n}, but the truth is {truth}"


def assert_difference(k1: int, n1: int, k0: int, n0: int, truth: float) -> None:
    p1, p0 = k1 / n1, k0 / n0
    error = np.sqrt(p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0)
    assert abs(p1 - p0 - truth) <= ERRORS * error, f"{p1 - p0} give or take {error}, but the truth is {truth}"


def retained(raw: raw_sample.Raw, members: pd.DataFrame, age: int) -> tuple[int, int]:
    """Members active in the week so many after joining, and members who could be, before the win-back brought some again."""
    last = week(raw.truth, raw.truth["winback"]["week"]) - 1
    could = members.loc[members["week"] + age <= last, "week"]
    weeks = {(uid, day // 7) for uid, day in raw.visits}
    return sum((uid, joined + age) in weeks for uid, joined in could.items()), len(could)


def worse(raw: raw_sample.Raw) -> pd.Series:
    told = raw.truth["channel_retention"]
    return (raw.members["channel"] == told["channel"]) & (raw.members["week"] >= week(raw.truth, told["from_week"]))


def test_retention_is_the_planted_beta_geometric(raw):
    curve = raw.truth["survival"]["curve"]
    usual = raw.members[~worse(raw)]
    for age in (1, 2, 3, 4, 8, 12, 16, 20):
        assert_share(*retained(raw, usual, age), curve[age])


def test_no_member_skips_a_week_before_the_winback(raw):
    last = week(raw.truth, raw.truth["winback"]["week"])
    weeks = pd.DataFrame({(uid, day // 7) for uid, day in raw.visits}, columns=["uid", "week"])
    spans = weeks[weeks["week"] < last].groupby("uid")["week"].agg(["min", "max", "count"])
    assert (spans["max"] - spans["min"] + 1 == spans["count"]).all()


def test_one_channel_gets_worse_from_its_week(raw):
    told = raw.truth["channel_retention"]
    since = raw.members[worse(raw)]
    before = raw.members[(raw.members["channel"] == told["channel"]) & ~worse(raw)]
    assert (len(before), len(since)) == (told["joined_before"], told["joined_since"])
    assert_share(*retained(raw, before, 1), raw.truth["survival"]["curve"][1])
    for age in (1, 2, 4):
        assert_share(*retained(raw, since, age), told["curve"][age])
    assert (told["curve"][1] == raw.truth["survival"]["curve"][1]) == raw.truth["null"]


def test_fans_of_one_topic_move_to_another(raw):
    told = raw.truth["topic_drift"]
    start = week(raw.truth, told["from_week"])
    seen = raw.events[raw.events["channel_name"] != ""]
    early = seen[seen["week"] < start]
    shares = pd.crosstab(early["uid"], early["channel_name"], normalize="index")
    many = early["uid"].value_counts()[lambda n: n >= 40].index
    fans = shares.loc[many][shares.loc[many].idxmax(axis=1) == told["from"]].index
    for rows, truth in ((early, told["fans_share_before"]), (seen[seen["week"] >= start], told["fans_share_after"])):
        found = rows[rows["uid"].isin(fans)]["channel_name"].value_counts(normalize=True)
        for topic, share in truth.items():
            assert found.get(topic, 0.0) == pytest.approx(share, abs=0.015)
    assert (told["to"] is None) == raw.truth["null"]


def test_contributions_are_of_the_planted_shares_in_any_four_weeks(raw):
    told = raw.truth["contribution"]
    latest = raw.events[raw.events["week"] >= 22]
    for rows in (raw.events, latest):
        active = set(rows[rows["type"].isin(raw_sample.ACTIVE)]["uid"])
        left, size = active, len(active)
        for kind, types in (
            ("creator", ["post"]),
            ("commenter", ["comment"]),
            ("sharer", ["share", "invite"]),
            ("reactor", ["like"]),
            ("reader", list(raw_sample.ACTIVE)),
        ):
            found = left & set(rows[rows["type"].isin(types)]["uid"])
            left = left - found
            assert_share(len(found), size, told["planned_shares"][kind])
            if rows is raw.events:
                assert len(found) == told["members"][kind]


def test_payments_convert_as_planned_and_have_a_pareto_tail(raw):
    told = raw.truth["payments"]
    paid = raw.events[raw.events["type"] == "pay"]
    assert (paid["uid"].nunique(), len(paid)) == (told["payers"], told["payments"])
    assert_share(told["payers"], len(raw.members), told["conversion"])
    fee, discount = paid["fee"].astype(int), paid["discount"].astype(int)
    assert (fee.sum(), discount.sum()) == (told["paid_fen"], told["discount_fen"])
    assert ((discount > 0).sum(), (paid["campaign"] != "").sum()) == (told["discounted"], told["in_campaigns"])
    price = fee + discount
    assert price.min() >= told["list_price_floor_fen"]
    alpha = len(price) / np.log(price / told["list_price_floor_fen"]).sum()
    assert abs(alpha / told["list_price_alpha"] - 1) <= ERRORS / np.sqrt(len(price))


def test_every_refund_returns_a_payment_of_the_week_before(raw):
    told = raw.truth["payments"]
    paid, back = (raw.events[raw.events["type"] == name] for name in ("pay", "refund"))
    pairs = back.merge(paid, on=["uid", "fee"], suffixes=("", "_paid"))
    pairs = pairs[(pairs["day"] - pairs["day_paid"]).between(1, 7)]
    assert pairs.drop_duplicates(["uid", "time"]).shape[0] == len(back) == told["refunds"]
    assert back["fee"].astype(int).sum() == told["refunded_fen"]
    assert_share(len(back), len(paid), told["refund_chance"])


def test_the_referral_tree_grows_from_invitations(raw):
    told = raw.truth["referral"]
    invited = raw.members[raw.members["inviter"] != ""]
    assert (invited["channel"] == "referral").all()
    assert (len(invited), invited["inviter"].nunique()) == (told["invited_members"], told["inviters"])
    sent = raw.events[raw.events["type"] == "invite"]
    assert len(sent) == told["invitations"]
    joined = (
        pd.to_datetime(invited["registered_at"])
        .rename("joined")
        .reset_index()
        .assign(inviter=invited["inviter"].to_numpy())
    )
    pairs = joined.merge(sent[["uid", "time"]], left_on="inviter", right_on="uid", suffixes=("", "_inviter"))
    wait = pairs["joined"] - pairs["time"]
    assert set(pairs[(wait > pd.Timedelta(0)) & (wait < pd.Timedelta(days=15))]["uid"]) == set(invited.index)
    depth = dict.fromkeys(raw.members.index, 0)
    for uid, inviter in invited.sort_values("registered_at")["inviter"].items():
        depth[uid] = depth[inviter] + 1
    assert max(depth.values()) == told["depth"]


def test_experiments_have_the_planted_effects_and_splits(raw):
    rows = raw.tables["assignments"]
    for name, told in raw.truth["experiments"].items():
        mine = rows[rows["experiment"] == name]
        arms = mine.groupby("uid")["variant"].nunique()
        assert (arms > 1).sum() == told["members_in_several_arms"]
        mine = mine[mine["uid"].isin(arms[arms == 1].index)]
        day = (pd.to_datetime(mine["assigned_at"]) - raw_sample.FIRST_MONDAY).dt.days
        back = [key in raw.visits for key in zip(mine["uid"], day + 7, strict=True)]
        found = mine.assign(back=back).groupby("variant")["back"].agg(["size", "sum"])
        counts = {arm: {"members": int(n), "returned_day7": int(k)} for arm, n, k in found.itertuples()}
        assert counts == told["variants"]
        (n0, k0), (n1, k1) = found.loc["control"], found.loc["treatment"]
        assert_difference(k1, n1, k0, n0, told["day7_effect"])
        p = stats.chisquare([n0, n1], [told["planned_control_share"] * (n0 + n1)] * 2).pvalue
        assert (p < 1e-6) if told["split_broken"] else (p > 0.001)
        if name == "welcome_tour":
            assert_share(k0, n0, told["day7_control"])
            assert_share(k1, n1, told["day7_treatment"])


def test_exposure_comes_before_the_first_event_of_its_day(raw):
    rows = raw.tables["assignments"].drop_duplicates(["uid", "experiment"])
    at = pd.to_datetime(rows["assigned_at"])
    first = raw.events[raw.events["type"] != "refund"].groupby(["uid", "day"])["time"].min()
    keys = pd.MultiIndex.from_arrays([rows["uid"], (at - raw_sample.FIRST_MONDAY).dt.days])
    assert (at.to_numpy() < first.loc[keys].to_numpy()).all()


def test_the_winback_brings_members_back(raw):
    told, touches = raw.truth["winback"], raw.tables["touches"]
    day = (pd.to_datetime(touches["touched_at"]) - raw_sample.FIRST_MONDAY).dt.days
    back = [any((uid, d + k) in raw.visits for k in range(1, 15)) for uid, d in zip(touches["uid"], day, strict=True)]
    found = touches.assign(back=back).groupby("arm")["back"].agg(["size", "sum"])
    assert {arm: {"members": int(n), "returned": int(k)} for arm, n, k in found.itertuples()} == told["arms"]
    (n1, k1), (n0, k0) = found.loc["touched"], found.loc["holdout"]
    assert_difference(k1, n1, k0, n0, told["effect"])
    assert_share(k0, n0, told["return_holdout"])
    assert (told["effect"] == 0) == raw.truth["null"]


def test_some_groups_are_less_satisfied(raw):
    told = raw.truth["feedback"]
    answers = raw.tables["feedback"].query("question == 'satisfaction'").set_index("uid")
    low = (raw.members["city"] == told["low_city"]) | worse(raw)
    score = answers["score"].astype(int)
    assert score.between(1, 5).all()
    for group, truth in (
        (score[low[score.index]], "mean_satisfaction_low"),
        (score[~low[score.index]], "mean_satisfaction"),
    ):
        assert abs(group.mean() - told[truth]) <= ERRORS * group.std() / np.sqrt(len(group))
    assert int(low[score.index].sum()) == told["answers_low"]


def test_spend_is_given_for_each_paid_channel_and_day(raw):
    spend = raw.tables["spend"]
    assert spend.groupby("channel").size().to_dict() == {"partner": 182, "search": 182, "social_ads": 182}
    assert spend.astype({"cost": float}).groupby("channel")["cost"].sum().to_dict() == pytest.approx(raw.truth["spend"])
