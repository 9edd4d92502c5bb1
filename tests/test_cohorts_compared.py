"""Cohorts and slices compared, against statsmodels and against truths that are simulated."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.survfunc import survdiff
from statsmodels.stats.multitest import multipletests

from helpers import contracts, stats
from helpers.retention.lives import beta_geometric
from helpers.retention.lives.cohorts_compared import cohorts_compared, log_rank
from helpers.retention.lives.survival import life_table, restricted_mean, survival

LIVES = st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=2, max_size=40)
NOBODY = pd.DataFrame({name: [] for name in ("cohort", "age", "size", "active", "closes", "first")})
USUAL, POOR = (0.6, 1.4), (1.6, 0.9)


def weeks(table: pd.DataFrame, most: int = 9) -> pd.DataFrame:
    """The same table with a row for each week."""
    every = pd.DataFrame({"week": range(1, most + 1)}).merge(table, how="left")
    every["at_risk"] = every["at_risk"].bfill().fillna(0)
    return every.fillna(0)


@given(LIVES, LIVES)
@settings(max_examples=12, deadline=None)
def test_the_log_rank_test_is_that_of_statsmodels(first, second):
    tables = [life_table(*zip(*lives, strict=True)) for lives in (first, second)]
    found = log_rank(*(weeks(table) for table in tables))
    times, ended = (np.array([life[at] for life in first + second], dtype=float) for at in (0, 1))
    group = np.repeat([0, 1], [len(first), len(second)])
    if np.isnan(found.p):
        return  # nobody ended while both were at risk: nothing is tested, and theirs divides by 0
    assert tuple(found) == pytest.approx(survdiff(times, ended, group), abs=1e-9)


def drawn(
    spread: tuple[float, float], people: int, periods: int, rng: np.random.Generator, watched: int | None = None
) -> list[dict]:
    """Rows of a table of lives of the model, week 0 with all; watched for so many weeks."""
    rows = [{"week": 0, "at_risk": people, "ended": 0, "censored": 0}]
    for week, hazard in enumerate(1 - beta_geometric.retention_rates(*spread, periods), start=1):
        ended = int(rng.binomial(people, hazard))
        rows.append(
            {"week": week, "at_risk": people, "ended": ended, "censored": (people - ended) if week == (watched or periods) else 0}
        )
        people -= ended
        if week == watched:
            break
    return rows


def community(seed: int, *, newest: tuple = USUAL, ads: tuple = USUAL, people: int = 150, cohorts: int = 16) -> pd.DataFrame:
    """Spells of weekly cohorts, the newest of which may be of another kind, and of two channels, one of which may be."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(cohorts):
        monday = str((pd.Timestamp("2026-01-05") + pd.Timedelta(weeks=number)).date())
        spread = newest if number == cohorts - 4 else USUAL
        rows += [{"dimension": "cohort", "slice": monday, **row} for row in drawn(spread, people, 16, rng, cohorts - number)]
    for name, spread in {"ads": ads, "friend": USUAL, "search": USUAL}.items():
        rows += [{"dimension": "channel", "slice": name, **row} for row in drawn(spread, 4 * people, 16, rng)]
    return pd.DataFrame(rows).assign(rule="own")


def table_of(spells: pd.DataFrame, dimension: str, names: list[str]) -> pd.DataFrame:
    own = spells[(spells["dimension"] == dimension) & spells["slice"].isin(names) & (spells["week"] > 0)]
    return own.groupby("week", as_index=False)[["at_risk", "ended", "censored"]].sum()


def test_the_newest_cohort_watched_for_four_weeks_is_compared_with_the_13_before():
    spells = community(1)
    found = cohorts_compared(spells, NOBODY, rule="own").iloc[0]
    names = sorted(spells.loc[spells["dimension"] == "cohort", "slice"].unique())
    newest, before = names[-4], names[-4 - 13 : -4] if len(names) > 17 else names[:-4]
    assert (found["slice"], found["weeks"], found["people"], found["others"]) == (newest, 4, 150, 150 * len(before[-13:]))
    curves = [survival(table_of(spells, "cohort", own).query("week <= 4")) for own in ([newest], before[-13:])]
    means = [restricted_mean(curve, until=4) for curve in curves]
    assert found["difference"] == pytest.approx(means[0].estimate - means[1].estimate)
    error = np.sqrt(means[0].variance + means[1].variance)
    assert (found["low"], found["high"]) == pytest.approx(
        (found["difference"] - 1.959964 * error, found["difference"] + 1.959964 * error)
    )
    assert found["p"] == pytest.approx(log_rank(curves[1], curves[0]).p)


@pytest.mark.parametrize("kind, verdict", [(USUAL, "unclear"), (POOR, "less"), ((0.1, 1.4), "more")])
def test_a_newest_cohort_of_another_kind_is_told_and_one_of_the_usual_is_not(kind, verdict):
    assert cohorts_compared(community(2, newest=kind), NOBODY, rule="own")["verdict"].tolist() == [verdict]


def test_a_bad_channel_is_told_and_the_others_stay_unclear_or_better():
    found = cohorts_compared(community(3, ads=POOR), NOBODY, rule="own", dimensions=["channel"]).set_index("slice")
    assert found.loc["ads", "verdict"] == "less" and "less" not in set(found.loc[["friend", "search"], "verdict"])
    ads, rest = (table_of(community(3, ads=POOR), "channel", names) for names in (["ads"], ["friend", "search"]))
    until = ads.loc[ads["at_risk"] >= 30, "week"].max()
    assert found.loc["ads", "weeks"] == until < found.loc["friend", "weeks"] == 16
    assert found.loc["ads", "other"] == pytest.approx(
        restricted_mean(survival(rest.query("week <= @until")), until=until).estimate
    )


def test_p_is_corrected_by_holm_for_all_rows_and_the_verdict_needs_both_p_and_interval():
    found = cohorts_compared(community(4, ads=(0.75, 1.3)), NOBODY, rule="own", dimensions=["channel"])
    assert found["p_holm"].to_numpy() == pytest.approx(multipletests(found["p"], method="holm")[1])
    for row in found.to_dict("records"):
        clear = row["p_holm"] < 0.05 and not row["low"] <= 0 <= row["high"]
        assert row["verdict"] == ("unclear" if not clear else "more" if row["difference"] > 0 else "less")


def test_of_few_people_nothing_is_judged():
    found = cohorts_compared(community(5, people=25), NOBODY, rule="own").iloc[0]
    assert found["verdict"] == "few" and np.isnan([found["difference"], found["p"], found["p_holm"]]).all()


def cohort_table(active: list[int], size: int = 200) -> pd.DataFrame:
    """Ages 0 and 1 of weekly cohorts; the newest is open at age 1, the first is that of the data."""
    mondays = pd.date_range("2026-01-05", periods=len(active) + 1, freq="7D")
    rows = [{"cohort": monday, "age": 1, "size": size, "active": count, "closes": pd.NaT, "first": at == 0}
            for at, (monday, count) in enumerate(zip(mondays, active, strict=False))]  # fmt: skip
    rows.append({"cohort": mondays[-1], "age": 1, "size": size, "active": np.nan, "closes": mondays[-1], "first": False})
    return pd.DataFrame(rows)


def test_retention_of_the_newest_closed_cohort_is_compared_with_13_before_and_not_with_the_first_of_the_data():
    active = [200, *range(80, 100), 40]
    found = cohorts_compared(community(6).iloc[:0], cohort_table(active), rule="own").iloc[0]
    expected = stats.compare_shares(sum(active[-14:-1]), 13 * 200, 40, 200)
    assert (found["difference"], found["low"], found["high"], found["p"]) == pytest.approx(tuple(expected)[:4])
    assert (found["measure"], found["others"], found["verdict"]) == ("retention", 2600, "less")
    few = cohorts_compared(community(6).iloc[:0], cohort_table([200, 90, 91]), rule="own").iloc[0]
    assert few["others"] == 200 and few["slice"] == "2026-01-19"


def test_a_single_cohort_or_slice_has_nothing_to_be_compared_with():
    spells = community(7, cohorts=4)
    found = cohorts_compared(
        spells[spells["slice"] != "search"].query("slice != 'friend'"), NOBODY, rule="own", dimensions=["channel"]
    )
    assert found.empty and list(found.columns) == list(contracts.find("cohorts_compared").columns)
    assert cohorts_compared(spells, cohort_table([200]), rule="own").empty


@pytest.mark.hard
def test_among_alike_cohorts_hardly_any_is_called_different():
    """40 communities without any difference: at most 5 % have a false call among all their rows, and 2 standard errors."""
    wrong = [
        cohorts_compared(community(seed), NOBODY, rule="own", dimensions=["channel"])["verdict"].isin(["more", "less"]).any()
        for seed in range(100, 140)
    ]
    assert np.mean(wrong) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 40)
