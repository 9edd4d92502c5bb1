"""Effects by the plan's method: against statsmodels and scipy on the rows, and in laws that hold for any rows."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from cubes import cube
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import metric, plan
from scipy import stats as scipy_stats
from statsmodels.stats.proportion import proportions_ztest

from helpers.experiments.counted.cube import Cube
from helpers.experiments.effect import as_planned, compared, effects, readings
from helpers.experiments.methods import spread
from helpers.experiments.peeking import looks

START, LAST = date(2026, 1, 5), date(2026, 1, 25)
BACK = metric(covariates=[])
SPEND = metric(name="spend", kind="mean", of="net", covariates=[])
RATIO = metric(name="ratio", kind="ratio", of="net", per="active_days", covariates=[])
QUANTITIES = {"back": {"value": "back"}, "spend": {"value": "spend"}, "ratio": {"value": "spend", "per": "visits"}}


def people(n: int, seed: int, *, offset: float = 0.0, gain: float = 0.0, arms=("a", "b"), weights=None) -> pd.DataFrame:
    """Rows with ties, missing values and unequal arms."""
    random = np.random.default_rng(seed)
    before = random.gamma(2.0, 2.0, n)
    arm = random.choice(arms, n, p=weights)
    spend = offset + np.round(before + random.normal(0, 1, n), 1) + gain * (arm == "b")
    return pd.DataFrame({
        "variant": arm, "before": before, "spend": np.where(random.random(n) < 0.02, np.nan, spend),
        "visits": random.poisson(3, n) + 1.0, "back": (random.random(n) < 0.3 + 0.05 * (arm == "b")) * 1.0,
        "city": random.choice(["north", "south", ""], n), "capped": np.minimum(spend, offset + 8.0),
        "day": [(START + timedelta(days=int(step))).isoformat() for step in random.integers(0, 14, n)],
    })  # fmt: skip


def found(rows: pd.DataFrame, *metrics: dict, quantities: dict | None = None, last_day=LAST, **changes) -> pd.DataFrame:
    primary = [one["name"] for one in metrics if one["role"] == "primary"]
    made = plan(metric=list(metrics), **{"covariates": [], "primary": primary, **changes})
    own = {one["name"]: (quantities or QUANTITIES)[one["name"]] for one in metrics}
    cuts = {"day": "day", "city": "city"} if len(rows) else {}
    counted = cube(rows, own, cuts=cuts, arms=list(made["variants"]))
    return effects.effects(counted, [made], last_day=last_day)


def sides(rows: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    return tuple(rows.loc[rows["variant"] == arm, column].dropna().to_numpy() for arm in ("a", "b"))


@pytest.mark.parametrize("seed", range(5))
def test_means_are_those_of_welch_with_missing_values_ties_and_unequal_arms(seed):
    rows = people(900, seed, weights=[0.8, 0.2])
    row = found(rows, SPEND).iloc[0]
    control, arm = sides(rows, "spend")
    expected = scipy_stats.ttest_ind(arm, control, equal_var=False)
    assert (row["p"], row["df"]) == pytest.approx((expected.pvalue, expected.df))
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert (row["n"], row["control_n"], row["smaller"]) == (len(arm), len(control), min(len(arm), len(control)))
    assert row["relative"] == pytest.approx(arm.mean() / control.mean() - 1)


def test_a_large_offset_takes_nothing_from_a_mean():
    near, far = (found(people(500, 3, offset=offset, gain=0.5), SPEND).iloc[0] for offset in (0.0, 1e9))
    assert (far["p"], far["low"]) == pytest.approx((near["p"], near["low"]), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_shares_are_those_of_the_score_test_and_the_relative_effect_has_the_same_p(seed):
    rows = people(700, seed)
    row = found(rows, BACK).iloc[0]
    control, arm = sides(rows, "back")
    _, p = proportions_ztest([arm.sum(), control.sum()], [len(arm), len(control)])
    assert row["p"] == pytest.approx(p) and row["method"] == "score" and row["unit"] == "points"
    assert (row["relative_low"] > 0 or row["relative_high"] < 0) == (p < 0.05) == (row["low"] > 0 or row["high"] < 0)


def test_a_covariate_gives_the_coefficient_of_least_squares_and_says_what_it_saves():
    rows = people(1200, 8, gain=0.3)
    quantities = {"spend": {"value": "spend", "net": "before"}}
    row = found(rows, {**SPEND, "covariates": ["net"]}, quantities=quantities).iloc[0]
    there = rows.dropna()
    design = sm.add_constant(np.c_[there["variant"] == "b", there["before"]].astype(float))
    fitted = sm.OLS(there["spend"].to_numpy(), design).fit()
    assert row["difference"] == pytest.approx(fitted.params[1]) and row["se"] == pytest.approx(fitted.bse[1], rel=0.02)
    left = 1 - np.corrcoef(there["before"], there["spend"])[0, 1] ** 2
    assert row["method"] == "CUPED" and row["variance_left"] == pytest.approx(left, rel=0.05)
    per_day = len(rows) / 14
    assert row["days_saved"] == pytest.approx(len(rows) * (1 / row["variance_left"] - 1) / per_day, rel=0.15)


def test_shares_keep_the_score_test_unless_the_plan_names_covariates():
    rows, quantities = people(600, 2), {"back": {"value": "back", "active_days": "before"}}
    usual = {**BACK, "covariates": ["active_days"]}
    assert found(rows, usual, quantities=quantities)["method"].tolist() == ["score"]
    named = found(rows, usual, quantities=quantities, covariates=["active_days"])
    assert named["method"].tolist() == ["CUPED"]


def test_strata_are_weighed_by_all_people_and_a_covariate_goes_first():
    rows = people(1000, 4)
    row = found(rows, BACK, strata=["city"]).iloc[0]
    means = rows.groupby(["city", "variant"])["back"].mean().unstack()
    weights = rows["city"].value_counts(normalize=True)
    assert row["difference"] == pytest.approx(float(((means["b"] - means["a"]) * weights).sum()))
    assert row["method"] == "post-stratified by city"
    quantities = {"spend": {"value": "spend", "net": "before"}}
    both = found(rows, {**SPEND, "covariates": ["net"]}, quantities=quantities, strata=["city"])
    assert both["method"].tolist() == ["CUPED"]


def test_ratios_go_by_the_delta_method():
    rows = people(800, 6)
    row = found(rows, RATIO).iloc[0]
    values = []
    for arm in ("a", "b"):
        own = rows[rows["variant"] == arm].dropna(subset=["spend"])
        ratio = own["spend"].sum() / own["visits"].sum()
        values.append((ratio, np.var(own["spend"] - ratio * own["visits"], ddof=1) / len(own) / own["visits"].mean() ** 2))
    assert row["difference"] == pytest.approx(values[1][0] - values[0][0])
    assert row["se"] == pytest.approx(math.sqrt(values[0][1] + values[1][1]))


def test_a_revenue_is_capped_and_stands_beside_itself_uncapped_outside_of_any_family():
    rows = people(600, 5, gain=1.0)
    own = metric(name="money", kind="revenue", of="net", cap_quantile=0.95, covariates=[])
    made = found(rows, own, quantities={"money": {"value": "capped", "uncapped": "spend"}})
    assert made["reading"].tolist() == ["planned", "uncapped"] and made["capped"].tolist() == [True, False]
    assert made["family"].tolist() == ["primary", ""] and made["unit"].unique().tolist() == ["money"]
    whole = rows.dropna()
    control, arm = sides(whole, "spend")
    assert made["difference"].iloc[1] == pytest.approx(arm.mean() - control.mean())


def test_a_quantile_comes_from_its_frame_or_says_that_nobody_counted_it():
    random = np.random.default_rng(3)
    arms = {"a": random.gamma(2, 3, 900), "b": random.gamma(2, 3.5, 700)}
    frame = pd.DataFrame([_quantile_row(arm, values, 0.9) for arm, values in arms.items()])
    slow = metric(name="slow", kind="quantile", quantile=0.9, better="less", covariates=[])
    made = plan(metric=[slow], primary=["slow"], covariates=[])
    counted = cube(pd.DataFrame({"variant": ["a", "b"], "x": [1.0, 2.0]}), {"slow": "x"})
    row = effects.effects(counted, [made], last_day=LAST, quantiles=frame).iloc[0]
    expected = spread.quantiles(*(spread.counted(values) for values in arms.values()), 0.9)
    assert (row["difference"], row["p"], row["n"]) == pytest.approx((expected.value, expected.p, 700))
    assert effects.effects(counted, [made], last_day=LAST)["reason"].tolist() == ["not_counted"]


def _quantile_row(arm: str, values: np.ndarray, share: float) -> dict:
    n, own = len(values), np.sort(values)
    reach = scipy_stats.norm.ppf(0.975) * math.sqrt(n * share * (1 - share))
    value, low, high = (np.interp((n - 1) * share + step, np.arange(n), own) for step in (0, -reach, reach))
    told = {"share": share, "value": value, "low": low, "high": high, "n": n}
    return {"experiment": "tour", "metric": "slow", "variant": arm, **told}


SOME = st.lists(st.tuples(st.sampled_from("ab"), st.integers(-3, 4), st.integers(0, 1), st.integers(1, 3)), max_size=60)
RULES = {
    "fixed-horizon": {}, "always-valid": {"users": 40}, "group-sequential": {"look_times": [0.5, 1.0], "spending": "pocock"},
}  # fmt: skip


@given(SOME, st.sampled_from(sorted(RULES)), st.sampled_from([0.0, -50.0, 1e9]), st.sampled_from([0.01, 0.05, 0.2]))
@settings(deadline=None, max_examples=25)
def test_p_and_intervals_never_disagree_and_what_is_untold_has_a_reason(people, rule, offset, alpha):
    rows = pd.DataFrame(people, columns=["variant", "spend", "back", "visits"])
    rows["spend"] = rows["spend"] + offset
    rows["day"] = [(START + timedelta(days=at % 7)).isoformat() for at in range(len(rows))]
    rows["city"] = ""
    made = found(rows, SPEND, BACK, {**RATIO, "role": "guardrail"}, alpha=alpha, looks=rule,
                 guardrails=[{"metric": "ratio", "margin": 0.5, "relative": False}], **RULES[rule])  # fmt: skip
    assert len(made) == 3
    for row in made.to_dict("records"):
        told = math.isfinite(row["p"])
        assert told == (math.isfinite(row["low"]) and math.isfinite(row["high"])) == (row["reason"] == "")
        if not told:
            continue
        leaves_out = row["low"] > 0 or row["high"] < 0
        near = min(abs(row["low"]), abs(row["high"])) < 1e-9 * (1 + abs(row["difference"]))
        assert near or leaves_out == (row["p"] < alpha)
        if math.isfinite(row["relative_low"]) and math.isfinite(row["relative_high"]):
            assert near or leaves_out == (row["relative_low"] > 0 or row["relative_high"] < 0)
        if math.isfinite(row["noninferior_p"]) and abs(row["bound"] + 0.5) > 1e-9:
            assert row["is_safe"] == (row["bound"] > -0.5) == (row["noninferior_p"] < alpha / 2)


@pytest.mark.parametrize("scale", [-1.0, -1000.0])
def test_a_rise_of_a_negative_baseline_is_a_rise(scale):
    rows = people(500, 9).assign(spend=lambda own: scale * (20 - own["spend"] - 3 * (own["variant"] == "b")))
    row = found(rows, SPEND).iloc[0]
    assert row["control_value"] < 0 and row["difference"] > 0 and row["relative"] > 0 and row["relative_low"] > 0


def test_only_effects_of_the_same_family_are_corrected_together():
    rows = people(900, 12, arms=("a", "b", "c"), gain=0.4)
    variants = {"a": 0.4, "b": 0.3, "c": 0.3}
    metrics = (SPEND, BACK, {**RATIO, "role": "exploratory"})
    made = found(rows, *metrics, variants=variants)
    primary, other = made[made["role"] == "primary"], made[made["role"] == "exploratory"]
    assert len(primary) == 4 and set(primary["correction"]) == {"holm"} and set(other["correction"]) == {"benjamini-hochberg"}
    order = np.sort(primary["p"])
    assert primary["p_corrected"].min() == pytest.approx(min(1.0, 4 * order[0]))
    alone = found(rows, SPEND, BACK, variants=variants)
    assert alone["p_corrected"].tolist() == primary["p_corrected"].tolist()
    plainly = found(rows, *metrics, variants=variants, correction="none")
    assert plainly["p_corrected"][:4].tolist() == plainly["p"][:4].tolist()
    assert other["p_corrected"].tolist() == pytest.approx(scipy_stats.false_discovery_control(other["p"]).tolist())
    for row in primary[primary["metric"] == "spend"].to_dict("records"):
        own = found(rows, SPEND, variants=variants, alpha=0.05 / 4)
        own = own[own["variant"] == row["variant"]].iloc[0]
        assert (row["simultaneous_low"], row["simultaneous_high"]) == pytest.approx((own["low"], own["high"]))


def test_one_comparison_is_its_own_family():
    row = found(people(400, 1), SPEND).iloc[0]
    assert (row["simultaneous_low"], row["simultaneous_high"], row["p_corrected"]) == (row["low"], row["high"], row["p"])


@pytest.mark.parametrize(("better", "relative"), [("more", False), ("less", False), ("more", True), ("less", True)])
def test_guardrails_are_safe_where_the_end_of_the_interval_on_the_worse_side_is_within_the_margin(better, relative):
    rows = people(3000, 21)
    adjusted = metric(name="known", kind="mean", of="net", covariates=["net"])
    quantities = {**QUANTITIES, "known": {"value": "spend", "net": "before"}}
    for own in ({**one, "better": better} for one in (SPEND, BACK, RATIO, adjusted)):
        edge = found(rows, own, quantities=quantities).iloc[0]
        ends = ("relative_low", "relative_high") if relative else ("low", "high")
        lost = -edge[ends[0]] if better == "more" else edge[ends[1]]
        for margin, safe in ((abs(lost) * 1.001, lost <= abs(lost)), (abs(lost) * 0.97, lost < 0)):
            guard = [{"metric": own["name"], "margin": margin, "relative": relative}]
            row = found(rows, {**own, "role": "guardrail"}, quantities=quantities, primary=[], guardrails=guard).iloc[0]
            assert row["is_safe"] == safe == (row["noninferior_p"] < 0.025)


def test_a_share_of_nobody_in_both_arms_can_be_shown_to_be_safe():
    rows = people(4000, 2).assign(back=0.0)
    guard = [{"metric": "back", "margin": 0.01, "relative": False}]
    row = found(rows, {**BACK, "role": "guardrail", "better": "less"}, primary=[], guardrails=guard).iloc[0]
    assert row["is_safe"] and row["noninferior_p"] < 0.001 and row["p"] == 1


@pytest.mark.parametrize("rule", sorted(RULES))
def test_degenerate_arms_say_why_nothing_can_be_told(rule):
    changes = {"looks": rule, "primary": ["spend"], **RULES[rule]}
    nobody = pd.DataFrame(columns=["variant", "spend", "day", "city"])
    assert found(nobody, SPEND, **changes)["reason"].tolist() == ["nobody"]
    one = pd.DataFrame({"variant": ["a", "b"], "spend": [1.0, 2.0], "day": "2026-01-18", "city": ""})
    assert found(one, SPEND, **changes)["reason"].tolist() == ["too_few"]
    same = pd.DataFrame({"variant": list("aabb"), "spend": 7.0, "day": "2026-01-18", "city": ""})
    assert found(same, SPEND, **changes)["reason"].tolist() == ["constant"]
    nothing = pd.DataFrame({"variant": list("aabb"), "spend": [1.0, 2, 3, 4], "visits": 0.0, "day": "2026-01-18", "city": ""})
    assert found(nothing, RATIO, **{**changes, "primary": ["ratio"]})["reason"].tolist() == ["no_denominator"]


def test_an_experiment_that_the_cube_does_not_have_is_a_row_with_a_reason():
    made = effects.effects(Cube(), [plan()], last_day=LAST)
    assert made["reason"].tolist() == ["nobody"] and made["n"].tolist() == [0]


@pytest.mark.parametrize("kind", [BACK, SPEND])
@pytest.mark.parametrize("rule", ["always-valid", "group-sequential"])
def test_effects_of_plans_with_looks_are_those_of_the_last_look(rule, kind):
    rows, changes = people(1500, 31, gain=0.2), {"looks": rule, "users": 1600, "look_times": [0.3, 0.6, 1.0]}
    for last_day in (date(2026, 1, 14), date(2026, 1, 19), date(2026, 1, 25)):
        come = rows[rows["day"] <= (last_day - timedelta(days=7)).isoformat()]
        row = found(come, kind, last_day=last_day, **changes).iloc[0]
        made = plan(metric=[kind], primary=[kind["name"]], covariates=[], **changes)
        counted = cube(come, {kind["name"]: QUANTITIES[kind["name"]]}, cuts={"day": "day"})
        by_day = looks.looks(counted, [made], last_day=last_day)
        own = by_day[by_day["p"].notna()]
        if own.empty:
            assert row["reason"] == "no_look" and math.isnan(row["p"])
            continue
        last = own.iloc[-1]
        names = ["difference", "low", "high", "p"]
        assert row[names].tolist() == last[names].tolist()
        assert row["looked"] == last["day"].date().isoformat()


def test_a_plan_is_final_when_its_end_is_reached_and_never_before():
    rows = people(300, 2)
    assert [found(rows, SPEND, last_day=day)["final"].iloc[0] for day in (date(2026, 1, 24), date(2026, 1, 25), None)] == [
        False, True, True,
    ]  # fmt: skip
    assert found(rows, SPEND, end=None)["final"].iloc[0] and not found(rows, SPEND, end=None, users=301)["final"].iloc[0]


def test_readings_beside_the_planned_one_are_those_of_the_rows():
    rows = people(800, 14, gain=0.3).dropna()
    made = plan(metric=[{**SPEND, "covariates": ["net"]}], primary=["spend"], covariates=["net"], matters=0.5)
    counted = cube(rows, {"spend": {"value": "spend", "net": "before"}}, cuts={"day": "day", "city": "city"})
    control, arm = sides(rows, "spend")
    two = spread.counted(control), spread.counted(arm)
    ties = np.unique(np.r_[control, arm], return_counts=True)[1].astype(float)
    frames = {
        "spread": pd.DataFrame([{
            "experiment": "tour", "metric": "spend", "variant": "b", "n": len(arm), "control_n": len(control),
            "more": spread.u_statistic(*two), "ties": float((ties**3 - ties).sum()),
        }]),
        "values": pd.concat([
            pd.DataFrame({"experiment": "tour", "metric": "spend", "variant": name, "value": own[0], "people": own[1]})
            for name, own in zip("ab", two, strict=True)
        ]),
    }  # fmt: skip
    read = readings.readings(counted, [made], seed=5, **frames).set_index("reading")
    assert read.loc["plain", "p"] == pytest.approx(scipy_stats.ttest_ind(arm, control, equal_var=False).pvalue)
    ranked = scipy_stats.mannwhitneyu(arm, control, method="asymptotic")
    assert read.loc["ranks", "p"] == pytest.approx(ranked.pvalue)
    assert read.loc["ranks", "chance"] == pytest.approx(ranked.statistic / len(arm) / len(control))
    assert read.loc["bootstrap", "difference"] == pytest.approx(arm.mean() - control.mean())
    assert read.loc["bootstrap", "se"] == pytest.approx(read.loc["plain", "se"], rel=0.1)
    own = effects.effects(counted, [made], last_day=LAST).iloc[0]
    assert read.loc["bayes", "chance"] == pytest.approx(scipy_stats.norm.cdf(own["difference"] / own["se"]))
    assert read.loc["delta", "relative"] == pytest.approx(own["relative"])
    assert {"sequence", "mixture"} <= set(read.index) and "planned" not in read.index
    again = readings.readings(counted, [made], seed=5, **frames)
    pd.testing.assert_frame_equal(again.set_index("reading"), read)
    other = readings.readings(counted, [made], seed=6, **frames).set_index("reading")
    assert other.loc["bootstrap", "se"] != read.loc["bootstrap", "se"]


def test_intervals_of_readings_agree_with_their_p():
    for seed in range(12):
        rows = people(120, seed, gain=0.7)
        made = plan(metric=[SPEND, BACK], primary=["spend", "back"], covariates=[], strata=["city"])
        counted = cube(rows, {name: QUANTITIES[name] for name in ("spend", "back")}, cuts={"city": "city"})
        read = readings.readings(counted, [made], seed=1)
        told = read[read["p"].notna() & read["low"].notna()]
        assert len(told) >= 6 and ((told["low"] > 0) | (told["high"] < 0)).eq(told["p"] < 0.05).all()


def test_what_was_planned_and_what_was_analysed_are_compared():
    rows = people(600, 3)
    extra = {**SPEND, "name": "extra", "role": "exploratory"}
    made = plan(metric=[BACK, extra], covariates=[], users=1000, end=date(2026, 1, 17))
    counted = cube(rows, {"back": "back", "extra": "spend"}, cuts={"day": "day"})
    own = effects.effects(counted, [made], last_day=LAST)
    told = as_planned.planned_and_analysed([made], own, counted, last_day=LAST).set_index(["what", "of"])["verdict"]
    assert told["metric", "back"] == "as planned" and told["metric", "extra"] == "exploratory"
    assert (told["start", ""], told["end", ""], told["users", ""]) == ("as planned", "differs", "differs")
    early = as_planned.planned_and_analysed([made], own, counted, last_day=date(2026, 1, 10)).set_index(["what", "of"])["verdict"]
    assert (early["end", ""], early["users", ""]) == ("open", "open")


def test_experiments_under_a_red_gate_show_no_effects():
    own = found(people(300, 1), SPEND)
    for verdict, rows in (("alarm", 0), ("watch", 1), ("ok", 1)):
        gate = pd.DataFrame({"experiment": ["tour"], "verdict": [verdict]})
        assert len(effects.readable(own, gate)) == rows


def test_the_relative_interval_within_limits_is_that_of_fieller():
    rows = people(400, 4)
    made = plan(metric=[SPEND], covariates=[])
    counted = cube(rows, {"spend": "spend"})
    pair = compared.plain(SPEND, *compared.of_all(counted, made, SPEND, "b"))
    limit = scipy_stats.norm.ppf(0.975)
    expected = pair._replace(df=math.inf).relative(0.95)
    assert pair.relative_within(limit, limit) == pytest.approx((expected.low, expected.high))
