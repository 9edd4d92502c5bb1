"""What changed and why: parts that add up, counts as a recount has them, intervals that cover, and the planted channel named."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import made
import numpy as np
import pandas as pd
import plain_change
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import helpers
from helpers import contracts, retention
from helpers.errors import RunFailed
from helpers.retention.change import change, kitagawa, two_spans
from helpers.retention.change.slices_by_week import CORNERS, TENURE

SLICE = st.integers(0, 500).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size)))
COUNTS = st.dictionaries(st.sampled_from("abcd"), SLICE, min_size=1)
FOUR = st.tuples(*[st.integers(1, 900), st.integers(-90, 900)] * 2)
CHANNELS = {"a": "ads", "b": "friend", "c": None}


@given(COUNTS, COUNTS)
@settings(deadline=None, max_examples=60)
def test_rate_and_mix_add_up_to_the_change(before, now):
    tables = [pd.DataFrame(given, index=["size", "active"]).T for given in (before, now)]
    found = retention.decompose(*tables)
    total = [table["active"].sum() / table["size"].sum() if table["size"].sum() else math.nan for table in tables]
    assert sorted(found["slice"]) == sorted(set(before) | set(now))
    parts = found[["rate", "mix"]].sum(skipna=False).sum(skipna=False)
    assert parts == pytest.approx(total[1] - total[0], abs=1e-12, nan_ok=True)


@given(st.lists(SLICE.filter(lambda pair: pair[0] > 0), min_size=2, max_size=4), st.integers(2, 5))
@settings(deadline=None, max_examples=40)
def test_with_the_same_shares_of_the_whole_all_is_rate_and_with_the_same_rates_all_is_mix(slices, factor):
    before = pd.DataFrame(slices, columns=["size", "active"])
    grown = retention.decompose(before, before.assign(active=0, size=before["size"] * factor))
    assert grown["mix"].abs().max() == pytest.approx(0, abs=1e-12)
    shifted = before.copy()
    shifted.iloc[0] *= factor
    assert retention.decompose(before, shifted)["rate"].abs().max() == pytest.approx(0, abs=1e-12)


def test_a_slice_that_grows_below_the_average_pulls_the_whole_down():
    """The vector `simpson-mix`: both slices are up 2 points, the whole is down 7."""
    before = pd.DataFrame({"size": [800, 200], "active": [320, 20]}, ["organic", "paid"])
    now = pd.DataFrame({"size": [500, 500], "active": [210, 60]}, ["organic", "paid"])
    found = retention.decompose(before, now).set_index("slice")
    assert found["rate"].tolist() == pytest.approx([0.65 * 0.02, 0.35 * 0.02])
    assert found["mix"].tolist() == pytest.approx([-0.3 * (0.41 - 0.305), 0.3 * (0.11 - 0.305)])


def test_the_parts_of_a_total_are_its_change_by_size_mix_and_rate():
    """100 people who each bring 2 become 120 who each bring 3, and nothing else is there."""
    size, mix, rate = kitagawa.parts(np.array([[100.0, 200, 120, 360]]), total=True)[0]
    assert (size, mix, rate) == pytest.approx((20 * 2.5, 0, 110 * 1))


@given(st.lists(FOUR, min_size=1, max_size=5), st.booleans())
@settings(deadline=None, max_examples=60)
def test_parts_are_those_of_exact_fractions_and_sum_to_the_change(slices, total):
    exact = [tuple(map(Fraction, row)) for row in slices]
    plain = plain_change.kitagawa(exact, total=total)
    whole = [sum(row[at] for row in exact) for at in range(4)]
    moved = whole[3] - whole[1] if total else whole[3] / whole[2] - whole[1] / whole[0]
    assert sum(map(sum, plain)) == moved
    found = kitagawa.parts(np.array(slices, dtype=float), total=total)
    np.testing.assert_allclose(found, np.array(plain, dtype=float), rtol=1e-9, atol=1e-9)


def test_errors_are_the_slopes_of_the_parts_times_what_the_numbers_can_be_off_by():
    rng = np.random.default_rng(1)
    four = rng.uniform(50, 100, (3, 4))
    root = rng.normal(0, 1, (3, 4, 4))
    moments = root @ root.transpose(0, 2, 1)
    variance = np.zeros((3, 3))
    for row in range(3):
        slopes = np.zeros((4, 3, 3))
        for at in range(4):
            step = np.zeros((3, 4))
            step[row, at] = 1e-4
            slopes[at] = (kitagawa.parts(four + step, total=True) - kitagawa.parts(four - step, total=True)) / 2e-4
        variance += np.einsum("isp,ij,jsp->sp", slopes, moments[row], slopes)
    np.testing.assert_allclose(kitagawa.errors(four, moments, total=True), np.sqrt(variance), rtol=1e-6)


def test_the_intervals_of_parts_cover_the_truth_19_times_in_20():
    """Two slices of people with habits of their own: who they are shifts, and one slice comes less often."""
    rng, draws, covered = np.random.default_rng(7), 400, []
    expected = np.array([[300, 180, 360, 216], [200, 80, 150, 45.0]])
    truth = kitagawa.parts(expected, total=True)
    for _ in range(draws):
        four, moments = np.zeros((2, 4)), np.zeros((2, 4, 4))
        for row, (before, active, now, again) in enumerate(expected):
            both = rng.poisson(min(before, now))
            gone, come = (rng.poisson(abs(now - before)) if sign * (now - before) > 0 else 0 for sign in (-1, 1))
            luck = rng.random(both + gone + come)
            known = np.repeat([[1, 1], [1, 0], [0, 1]], [both, gone, come], axis=0)
            people = np.column_stack(
                [known[:, 0], known[:, 0] * (luck < active / before), known[:, 1], known[:, 1] * (luck < again / now)]
            )
            four[row], moments[row] = people.sum(axis=0), people.T @ people
        half = 1.96 * kitagawa.errors(four, moments, total=True)
        covered.append(np.abs(kitagawa.parts(four, total=True) - truth) <= half)
    share = np.mean(covered, axis=0)
    assert (share > 0.92).all() and 0.935 < share.mean() < 0.97, share


def log(seed: int, people: int = 40, weeks: int = 17) -> list[dict]:
    """People of three channels who come at random, some of whom pay or are paid back, on days when they do nothing else too."""
    rng, rows = np.random.default_rng(seed), []
    for who in range(people):
        begins = int(rng.integers(0, 7 * weeks)) * (who > 5)
        for at in sorted(set(rng.integers(begins, 7 * weeks + 20, rng.integers(1, 25)).tolist())):
            act = rng.choice(["active", "active", "pay", "refund", "quiet"])
            row = {"user_id": f"{'abc'[who % 3]}{who}", "day": made.day(at), "active": int(act == "active" or who % 2 == 0)}
            if act in ("pay", "refund"):
                row |= {act: 1, "net": Decimal(int(rng.integers(1, 9000))) / 100 if act == "pay" else Decimal(-3)}
            rows.append(row)
    return rows


LAST = made.day(7 * 16 + 6)


def given_of(rows: list[dict]) -> tuple:
    users = [
        {"user_id": name, "channel": CHANNELS[name[0]]}
        for name in sorted({row["user_id"] for row in rows})
        if name[0] != "c"
    ]
    slices = {"channel": retention.slice_of(made.table("users", users), "channel")}
    first_seen = made.first_seen(rows)
    return first_seen, retention.user_weeks(made.table("user_day", rows), last_day=made.day(7 * 30 + 6)), slices


def channel(user: str) -> str:
    return CHANNELS[user[0]] or "unknown"


@pytest.mark.parametrize("seed", [1, 2])
def test_every_slice_of_every_week_is_as_counted_person_by_person(seed):
    rows = log(seed)
    found = retention.slice_weeks(*given_of(rows), last_day=LAST)
    assert list(found.columns) == list(contracts.find("slice_weeks").columns)
    everyone = plain_change.people(rows, LAST)
    begun = min(week for person in everyone.values() for week in person)
    names = {
        "all": lambda user, person, week: "all",
        "channel": lambda user, person, week: channel(user),
        TENURE: lambda user, person, week: plain_change.tenure(person, week, begun),
    }
    told = found.set_index(["dimension", "slice", "week"])
    weeks = pd.date_range(begun, plain_change.monday(LAST), freq="7D")
    assert set(found["week"]) == set(weeks)
    for dimension, slice_of in names.items():
        own = told.loc[dimension]
        for week in weeks:
            plain = plain_change.slice_week(everyone, week.date(), slice_of)
            shown = own.xs(week, level="week")
            assert set(plain) <= {*shown.index, "never active yet"}
            for name, row in shown.iterrows():
                expected = plain.get(
                    name, dict.fromkeys(("known", "joined", "returned", "active", "present", "net"), 0)
                )
                compared = {key: value for key, value in expected.items() if (key, dimension) != ("returned", TENURE)}
                assert {key: row[key] for key in compared} == compared, (dimension, name, week)


@pytest.mark.parametrize("seed", [3, 4])
def test_steps_are_sums_over_people_of_what_they_did_before_and_now(seed):
    rows = log(seed)
    found = retention.steps(*given_of(rows), last_day=LAST).set_index(["dimension", "slice"])
    everyone = plain_change.people(rows, LAST)
    last = plain_change.monday(LAST)
    for metric in ("weekly_actives", "net_amount"):
        for base, weeks in (("week_before", 1), ("past_mean", 13)):
            for name in ("ads", "friend", "unknown"):
                own = [
                    plain_change.four(person, metric, weeks, last)
                    for user, person in everyone.items()
                    if channel(user) == name
                ]
                for one, other in CORNERS:
                    total = float(sum(row[one] * row[other] for row in own))
                    assert found.loc[("channel", name), f"{metric} {base} {one} {other}"] == pytest.approx(total)
    channels = found.drop(index=[("all", "all")])
    np.testing.assert_allclose(channels.sum(), found.loc[("all", "all")])


@pytest.fixture(scope="module")
def changes() -> pd.DataFrame:
    return changes_of(log(5, people=90))


def changes_of(rows: list[dict], last_day: date = LAST, *, paid: bool = True) -> pd.DataFrame:
    tables = given_of(rows)
    return retention.changes(
        retention.slice_weeks(*tables, last_day=last_day), retention.steps(*tables, last_day=last_day), paid=paid
    )


def test_parts_of_every_dimension_add_up_to_the_change_of_the_whole(changes):
    assert list(changes.columns) == list(contracts.find("changes").columns)
    whole = changes[changes["part"] == "change"].set_index(["metric", "base"])
    assert len(whole) == 6
    for (metric, base, dimension), own in changes[changes["part"] != "change"].groupby(["metric", "base", "dimension"]):
        assert own["value"].sum() == pytest.approx(whole.loc[(metric, base), "value"], abs=1e-9), (
            metric,
            base,
            dimension,
        )
    assert set(changes["dimension"]) == {"all", "channel", TENURE}
    assert set(changes.loc[changes["metric"] == "week1_retention", "part"]) == {"change", "mix", "rate"}
    assert (whole["now"] - whole["before"]).to_numpy() == pytest.approx(whole["value"].to_numpy())


def test_the_change_is_from_the_week_before_and_from_the_mean_of_thirteen(changes):
    everyone, last = plain_change.people(log(5, people=90), LAST), plain_change.monday(LAST)
    counts = [
        sum(person.get(last - timedelta(days=7 * back), {}).get("active", 0) for person in everyone.values())
        for back in range(14)
    ]
    told = changes[(changes["metric"] == "weekly_actives") & (changes["part"] == "change")].set_index("base")
    assert told.loc["week_before", ["before", "now"]].tolist() == [counts[1], counts[0]]
    assert told.loc["past_mean", "before"] == pytest.approx(sum(counts[1:]) / 13)
    assert told["weeks"].to_dict() == {"week_before": 1, "past_mean": 13}
    came_and_left = sum(
        person.get(last, {}).get("active", 0) != person.get(last - timedelta(days=7), {}).get("active", 0)
        for person in everyone.values()
    )
    low, high = told.loc["week_before", ["low", "high"]]
    assert (high - low) / 2 == pytest.approx(1.959964 * math.sqrt(came_and_left))


def test_what_is_clear_leaves_its_usual_band_and_has_an_interval_without_no_change(changes):
    fallen = [row for row in log(5, people=90) if row["user_id"][0] != "a" or row["day"] < made.day(7 * 16)]
    found = changes_of(fallen)
    for table in (changes, found):
        clear = table[table["clear"]]
        assert ((clear["low"] > 0) | (clear["high"] < 0)).all()
        assert ((clear["now"] < clear["band_low"]) | (clear["now"] > clear["band_high"])).all()
        assert (table.loc[table["band_low"].isna(), "clear"] == False).all()  # noqa: E712


def test_later_rows_change_nothing_and_a_short_past_says_how_many_weeks_are_missing():
    rows, early = log(6), made.day(7 * 5 + 6)
    found = changes_of(rows, early)
    pd.testing.assert_frame_equal(found, changes_of([row for row in rows if row["day"] <= early], early))
    whole = found[found["part"] == "change"].set_index(["metric", "base"])
    everyone = plain_change.people(rows, early)
    first = min(week for person in everyone.values() for week, did in person.items() if did["active"])
    weeks = (plain_change.monday(early) - first).days // 7
    assert whole.loc["weekly_actives", "missing"].eq(8 - 1 - weeks).all()
    assert whole["band_low"].isna().all() and not found["clear"].any()
    assert whole.loc[("weekly_actives", "past_mean"), "weeks"] == weeks


@pytest.mark.parametrize(
    "rows",
    [[], [{"user_id": "a1", "day": made.day(0), "active": 1}], [{"user_id": "a1", "day": made.day(110), "pay": 1}]],
)
def test_nobody_or_one_person_is_no_fault(rows):
    found = changes_of(rows)
    assert not found["clear"].any() and not np.isinf(found[["value", "before", "now"]].to_numpy()).any()
    assert retention.usual_weeks(retention.slice_weeks(*given_of(rows), last_day=LAST), paid=True)["outside"].sum() == 0


def test_without_payments_the_net_amount_is_not_told():
    assert set(changes_of(log(2), paid=False)["metric"]) == {"weekly_actives", "week1_retention"}


def test_parts_that_do_not_add_up_stop_the_run():
    spans = two_spans.Compared(["a"], np.array([[10.0, 5, 10, np.nan]]), np.zeros((1, 4, 4)), 1)
    good = two_spans.Compared(["a", "b"], np.array([[10.0, 5, 10, 4], [3, 1, 2, 2]]), np.zeros((2, 4, 4)), 1)
    change._assert_sum(good, "weekly_actives", "channel")
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(RunFailed, match="The parts of weekly_actives by channel"),
    ):
        patch.setattr(change, "parts", lambda four, total: np.ones((2, 3)))
        change._assert_sum(good, "weekly_actives", "channel")
    assert np.isnan(spans.four).any()


def cohorts(returned: Mapping[str, list[int]], size: int = 60) -> pd.DataFrame:
    """Weeks of slices of which so many of each week's joiners come back: as `slice_weeks` gives them, for retention alone."""
    weeks, rows = len(next(iter(returned.values()))), []
    for at in range(weeks):
        for dimension, own in (
            ("channel", returned),
            ("all", {"all": [sum(column) for column in zip(*returned.values(), strict=True)]}),
        ):
            for name, series in own.items():
                people = size * (len(returned) if dimension == "all" else 1)
                row = {"dimension": dimension, "slice": name, "week": pd.Timestamp(made.day(7 * at))}
                counts = dict.fromkeys(("known", "joined", "active", "present"), people) | {"returned": series[at]}
                rows.append(row | counts | {"net": Decimal(0), "net_squares": 0.0})
    return pd.DataFrame(rows)


def test_a_channel_that_gets_worse_is_named_while_the_whole_is_not_yet_outside():
    rng = np.random.default_rng(3)
    returned = {name: rng.binomial(60, 0.6, 20).tolist() for name in ("ads", "friend", "organic", "search")}
    returned["ads"][-1] = 18
    weeks = cohorts(returned)
    weeks = weeks[weeks["week"] > weeks["week"].min()]
    none = pd.DataFrame(columns=["dimension", "slice"])
    found = [row for base in ("week_before", "past_mean") for row in judged(weeks, none, base)]
    assert {(row["slice"], row["part"]) for row in found if row["clear"]} <= {("ads", "rate"), ("all", "change")}
    assert ("ads", "rate") in {(row["slice"], row["part"]) for row in found if row["clear"]}


def judged(weeks: pd.DataFrame, steps: pd.DataFrame, base: str) -> list[dict]:
    people, amounts = two_spans.panels(weeks, two_spans.SHARE)
    usual, rows = change.usual_now(people, amounts, two_spans.SHARE, confidence=0.98), []
    most = {"week_before": 1, "past_mean": 13}[base]
    for dimension, spans in two_spans.compared(people, amounts, weeks, steps, (two_spans.SHARE, base, most)):
        rows += change._rows(spans, usual, (two_spans.SHARE, base, dimension))
    return change._judged(rows, 0.02)


def test_the_planted_channel_is_named_in_its_week_and_by_rate(sample):
    """Those who joined through it in its first week are known to have gone a week later; nothing else is called unusual."""
    truth = json.loads((sample.root / "data" / "sample" / "raw" / "truth.json").read_text(encoding="utf-8"))[
        "channel_retention"
    ]
    year, week = truth["from_week"].split("-W")
    closes = date.fromisocalendar(int(year), int(week), 7) + timedelta(days=7)
    run = helpers.open_run()
    first_seen, channels = run.read("first_seen"), {"channel": retention.slice_of(run.read("users"), "channel")}
    tables = first_seen, retention.user_weeks(run.read("user_day"), last_day=run.last_day), channels
    weeks, steps = (make(*tables, last_day=closes) for make in (retention.slice_weeks, retention.steps))
    found = retention.changes(weeks, steps, paid=True)
    clear = found[found["clear"]]
    assert set(clear["metric"]) == {"week1_retention"} and set(clear["base"]) == {"week_before", "past_mean"}
    assert set(clear["slice"]) == {truth["channel"]} and set(clear["part"]) == {"rate"} and (clear["high"] < 0).all()
    before = retention.changes(
        weeks[weeks["week"] < weeks["week"].max()],
        retention.steps(*tables, last_day=closes - timedelta(days=7)),
        paid=True,
    )
    assert not before["clear"].any()
