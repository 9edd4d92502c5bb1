"""The cube of experiments against a recount in plain Python: who is counted, every moment, every cut, on ugly data."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

import cubes
import made
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import metric, plan

from helpers import experiments
from helpers.errors import InputError
from helpers.experiments.counted import ages, counting, members, ordered, valued
from helpers.experiments.counted.cube import AGE, ALL, DAY, PEOPLE, PER, SLOPE, UNCAPPED, UNTIL, VALUE, Cube
from helpers.experiments.counted.valued import Asked, Gathered
from helpers.experiments.methods import spread

LAST = made.day(30)
ASSIGNED = st.lists(
    st.tuples(st.sampled_from("uvwxyz"), st.sampled_from(["a", "a", "b", "b", "c"]), st.integers(0, 30)), min_size=1, max_size=14
)
VISITS = st.dictionaries(
    st.tuples(st.sampled_from("uvwxyz"), st.integers(0, 30)), st.tuples(st.integers(0, 2), st.sampled_from([0, 5, 30])),
    max_size=60,
)  # fmt: skip
CHANNELS = {"u": "ads", "v": "ads", "w": "friends", "x": "friends", "y": None}
PLAN = plan(
    covariate_days=5, slices=["channel", "seniority"], end=made.day(25),
    metric=[
        metric(),
        metric(name="day_3", kind="retention", horizon=3, covariates=[], **{"from": 3, "to": 3}),
        metric(name="visits", kind="mean", of="events", covariates=["net"]),
        metric(name="net", kind="mean", of="net", days=4, horizon=4, covariates=[]),
        metric(name="depth", kind="ratio", of="net", per="events", days=4, horizon=4, covariates=[]),
        metric(name="money", kind="revenue", of="net", days=4, horizon=4, cap_quantile=0.5, covariates=[]),
    ],
)  # fmt: skip


def assigned(rows):
    given_rows = [
        {"user_id": user, "experiment": "tour", "variant": variant, "assigned_day": made.day(at),
         "assigned_at": datetime(2026, 1, 5, 12, tzinfo=UTC) + timedelta(days=at)}
        for user, variant, at in rows
    ]  # fmt: skip
    return experiments.exposures(made.table("assignments", given_rows))


def facts(visits):
    rows = [{"user_id": user, "day": made.day(at), "active": active, "events": active, "net": net}
            for (user, at), (active, net) in visits.items()]  # fmt: skip
    users = made.table("users", [{"user_id": user, "channel": channel} for user, channel in CHANNELS.items()])
    first = made.table("first_seen", made.first_seen_rows(rows)) if rows else made.table("first_seen", [])
    return made.table("user_day", rows), users, first


def gathered(rows, visits, own=PLAN):
    user_day, users, first = facts(visits)
    return valued.gather([own], assigned(rows), None, user_day, users, first, last_day=LAST), user_day


def recounted(rows, visits) -> pd.DataFrame:
    """One row a person who counts, with all quantities, in plain Python."""
    found = []
    for user in sorted({user for user, _, _ in rows}):
        seen = {variant for name, variant, _ in rows if name == user}
        start = min(at for name, _, at in rows if name == user)
        if len(seen) > 1 or not seen <= {"a", "b"} or start > 25:
            continue

        def total(what: int, first: int, last: int, user=user, start=start) -> float:
            own = [visits.get((user, start + age), (0, 0))[what] for age in range(first, last + 1)]
            return float(sum(own))

        def had(days: int, value: float, start=start) -> float:
            return value if start + days <= 30 else np.nan

        days_before = [visits.get((user, start - age), (0, 0))[0] > 0 for age in range(1, 6)]
        active = [visits.get((user, start + age), (0, 0))[0] > 0 for age in range(1, 8)]
        first_day = min((at for name, at in visits if name == user), default=99)
        found.append({
            "user": user, "variant": seen.pop(), "day": made.day(start).isoformat(), "start": start,
            "channel": CHANNELS.get(user) or "", "seniority": "known" if first_day < start else "new",
            "back": had(7, float(any(active))), "active_before": float(sum(days_before)),
            "day_3": had(3, float(active[2])), "visits": had(7, total(0, 1, 7)), "net_before": total(1, -5, -1),
            "net": had(4, total(1, 1, 4)), "events": had(4, total(0, 1, 4)),
        })  # fmt: skip
    return pd.DataFrame(found)


def assert_cells_are(cube: Cube, expected: Cube, cuts: list[str]) -> None:
    for (experiment, name, cut, level, variant), cell in expected.cells.items():
        own = cube.arms(experiment, name, cut, level).get(variant)
        if own is None:
            assert cell.moments.n + cell.missing == 0
            continue
        assert (own.moments.n, own.missing) == (cell.moments.n, cell.missing), (name, cut, level, variant)
        np.testing.assert_allclose(own.moments.mean, cell.moments.mean, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(own.moments.cross, cell.moments.cross, rtol=1e-9, atol=1e-9)
    for name in {key[1] for key in expected.cells}:
        for cut in cuts:
            assert set(cube.levels("tour", name, cut)) <= set(expected.levels("tour", name, cut))


@given(ASSIGNED, VISITS)
@settings(made.AS_FOUND, max_examples=5)
def test_every_cell_is_that_of_a_recount(rows, visits):
    people = recounted(rows, visits)
    if people.empty:
        return
    data, _ = gathered(rows, visits)
    cube = counting.count(data[0])
    cap = people["net"].dropna().quantile(0.5)
    people["capped"] = people["net"].clip(upper=cap)
    expected = cubes.cube(
        people,
        {"back": {VALUE: "back", "active_days": "active_before"}, "day_3": "day_3",
         "visits": {VALUE: "visits", "net": "net_before"}, "net": "net", "depth": {VALUE: "net", PER: "events"},
         "money": {VALUE: "capped", UNCAPPED: "net"}},
        cuts={DAY: "day", "channel": "channel", "seniority": "seniority"},
    )  # fmt: skip
    assert_cells_are(cube, expected, [ALL, DAY, "channel", "seniority"])


@given(ASSIGNED, VISITS)
@settings(made.AS_FOUND, max_examples=3)
def test_days_since_the_exposure_are_those_of_a_recount_on_people_of_equal_age(rows, visits):
    people = recounted(rows, visits)
    if people.empty:
        return
    data, user_day = gathered(rows, visits)
    cube = ages.ages(data[0], [PLAN], user_day, last_day=LAST)
    for name, span, per_day in (
        ("visits", 7, lambda own, age: visits.get(own, (0, 0))[0]),
        ("net", 4, lambda own, age: visits.get(own, (0, 0))[1]),
        ("back", 7, lambda own, age: float(visits.get(own, (0, 0))[0] > 0)),
    ):
        whole = people[people["start"] + span <= 30]
        for variant in ("a", "b"):
            own = whole[whole["variant"] == variant]
            days = np.array([[per_day((user, start + age), age) for age in range(1, span + 1)]
                             for user, start in zip(own["user"], own["start"], strict=True)]).reshape(len(own), span)  # fmt: skip
            totals = days.cumsum(axis=1)
            totals = (totals > 0).astype(float) if name == "back" else totals
            slopes = np.array([np.polyfit(range(1, span + 1), row, 1)[0] for row in days])
            if not len(own):
                assert variant not in cube.arms("tour", name, AGE, "1")
                continue
            for age in range(1, span + 1):
                for cut, values in ((AGE, days[:, age - 1]), (UNTIL, totals[:, age - 1])):
                    cell = cube.arms("tour", name, cut, str(age))[variant].moments
                    assert cell.n == len(own)
                    assert cell.mean[0] == pytest.approx(values.mean())
                    assert cell.cross[0, 0] == pytest.approx(np.var(values) * len(own), abs=1e-9)
            cell = cube.arms("tour", name, AGE, SLOPE)[variant].moments
            assert cell.mean[0] == pytest.approx(slopes.mean(), abs=1e-12)
            assert cell.cross[0, 0] == pytest.approx(np.var(slopes) * len(own), abs=1e-9)


@given(ASSIGNED, VISITS)
@settings(made.AS_FOUND, max_examples=3)
def test_daily_moments_of_a_ratio_add_up_to_those_of_its_whole_time(rows, visits):
    data, user_day = gathered(rows, visits)
    whole, cube = counting.count(data[0]), ages.ages(data[0], [PLAN], user_day, last_day=LAST)
    for variant, cell in whole.arms("tour", "depth").items():
        own = cube.arms("tour", "depth", UNTIL, "4").get(variant)
        if cell.moments.n:
            np.testing.assert_allclose(own.moments.mean, cell.moments.mean, atol=1e-12)
            np.testing.assert_allclose(own.moments.cross, cell.moments.cross, atol=1e-9)


@given(ASSIGNED)
@settings(made.AS_FOUND, max_examples=4)
def test_people_left_out_are_counted_by_their_reason(rows):
    found = members.arms([PLAN], assigned(rows), None).set_index("variant")
    seen = {user: ({v for n, v, _ in rows if n == user}, min(at for n, _, at in rows if n == user)) for user, _, _ in rows}
    for variant in ("a", "b"):
        assert found.loc[variant, "people"] == sum(own == {variant} and at <= 25 for own, at in seen.values())
    assert (found["several"] == sum(len(own) > 1 for own, _ in seen.values())).all()
    assert (found["unplanned"] == sum(own == {"c"} and at <= 25 for own, at in seen.values())).all()
    assert (found["outside"] == sum(len(own) == 1 and at > 25 for own, at in seen.values())).all()


def test_the_first_arm_counts_where_the_plan_says_so():
    rows = [("u", "a", 3), ("u", "b", 5), ("v", "b", 1)]
    found = members.arms([{**PLAN, "several_arms": "first_seen"}], assigned(rows), None).set_index("variant")
    assert found["people"].to_dict() == {"a": 1, "b": 1}


def test_where_a_role_is_the_exposure_only_those_count_who_did_it_and_from_that_day_on():
    rows = [("u", "a", 3), ("v", "b", 3), ("w", "b", 3)]
    visits = {("u", 2): (1, 0), ("u", 5): (1, 0), ("u", 8): (1, 0), ("v", 3): (1, 0), ("w", 2): (1, 0)}
    own = {**PLAN, "exposure": "active"}
    user_day, *_ = facts(visits)
    found = members.arms([own], assigned(rows), None, user_day).set_index("variant")
    assert found["people"].to_dict() == {"a": 1, "b": 1}
    assert found["unexposed"].tolist() == [1, 1]
    cube = counting.count(gathered(rows, visits, own)[0][0])
    assert cube.levels("tour", PEOPLE, DAY) == [made.day(3).isoformat(), made.day(5).isoformat()]
    assert cube.arms("tour", "day_3")["a"].moments.mean.tolist() == [1.0]


def table(frame: pd.DataFrame):
    """A frame as an ibis table with what a Gathered needs."""
    data = pa.Table.from_pandas(frame.assign(experiment="tour"), preserve_index=False)
    return made.backend().create_table(f"t_{secrets.token_hex(6)}", data)


def ugly(seed: int, n: int = 400) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    found = pd.DataFrame({
        "variant": draw.choice(["a", "b", "c"], n), "day": pd.to_datetime(draw.choice(["2026-01-05", "2026-01-06"], n)).date,
        "city": draw.choice(["x", "y", ""], n), "far": 1e9 + draw.normal(size=n), "heavy": np.exp(4 * draw.normal(size=n)),
        "flat": 0.1, "before": draw.normal(size=n), "count": draw.integers(0, 9, n),
    })  # fmt: skip
    found.loc[draw.random(n) < 0.1, "heavy"] = np.nan
    return found


ASKED = [
    Asked("tour", "far", "mean", {VALUE: "far"}), Asked("tour", "heavy", "mean", {VALUE: "heavy", "before": "before"}),
    Asked("tour", "flat", "mean", {VALUE: "flat"}), Asked("tour", "depth", "ratio", {VALUE: "before", PER: "count"}),
]  # fmt: skip


def test_far_offsets_heavy_tails_missing_values_and_constants_keep_their_moments():
    rows = ugly(1)
    cube = counting.count(Gathered(table(rows), ASKED, {"tour": ["city"]}))
    named = {own.metric: own.columns for own in ASKED}
    expected = cubes.cube(rows.assign(day=rows["day"].astype(str)), named, cuts={DAY: "day", "city": "city"})
    for key, cell in expected.cells.items():
        own = cube.cells[key]
        assert (own.moments.n, own.missing) == (cell.moments.n, cell.missing)
        np.testing.assert_allclose(own.moments.mean, cell.moments.mean, rtol=1e-11)
        np.testing.assert_allclose(own.moments.cross, cell.moments.cross, rtol=1e-8, atol=1e-12)
    assert all(cell.moments.cross[0, 0] == 0 for key, cell in cube.cells.items() if key[1] == "flat")


@pytest.mark.parametrize("seed", [2, 3])
def test_rows_in_any_order_and_chunks_of_any_size_give_the_same_bits(seed):
    rows = ugly(seed, 3_000)
    frames = [counting.count(Gathered(table(own), ASKED, {"tour": ["city"]})).frame() for own in
              (rows, rows.sample(frac=1, random_state=seed), pd.concat([rows[1::2], rows[::2]]))]  # fmt: skip
    for other in frames[1:]:
        pd.testing.assert_frame_equal(frames[0], other, check_exact=True)


def test_cuts_that_are_counted_together_and_apart_give_the_same_bits(monkeypatch):
    data = Gathered(table(ugly(4, 2_000)), ASKED, {"tour": ["city"]})
    together = counting.count(data).frame()
    monkeypatch.setattr(counting, "MOST_CELLS", 1)
    pd.testing.assert_frame_equal(counting.count(data).frame(), together, check_exact=True)


def test_the_table_of_the_cube_is_the_cube():
    cube = counting.count(Gathered(table(ugly(5)), ASKED, {"tour": ["city"]}))
    again = Cube.of_frame(cube.frame())
    pd.testing.assert_frame_equal(cube.frame(), again.frame(), check_exact=True)
    assert again.people("tour") == cube.people("tour")


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0, 1, 1, 2.5, 7, None])), min_size=2, max_size=30))
@settings(made.AS_FOUND, max_examples=8)
def test_pairs_ties_quantiles_and_distinct_values_are_those_of_the_rows(rows):
    frame = pd.DataFrame(rows, columns=["variant", "x"]).astype({"x": "float64"}).assign(day="2026-01-05")
    if frame["x"].notna().sum() == 0:
        return
    data = [Gathered(table(frame), [Asked("tour", "x", "mean", {VALUE: "x"})], {"tour": []})]
    arms = {arm: spread.counted(frame.loc[frame["variant"] == arm, "x"].to_numpy()) for arm in "ab"}
    values = ordered.values(data)
    for arm, (distinct, people) in arms.items():
        own = values[values["variant"] == arm]
        assert own["value"].tolist() == distinct.tolist()
        assert own["people"].tolist() == people.tolist()
    rows_found = ordered.spread(data, [plan()])
    assert len(rows_found) == bool(len(arms["b"][0]))
    for found in rows_found.to_dict("records"):
        assert (found["n"], found["control_n"]) == (arms["b"][1].sum(), arms["a"][1].sum())
        assert found["more"] == spread.u_statistic(arms["a"], arms["b"])
        tied = frame["x"].value_counts().to_numpy()
        assert found["ties"] == (tied**3 - tied).sum()
    for row in ordered.quantiles(data, [plan()]).to_dict("records"):
        own = arms[row["variant"]]
        level = spread.quantile(own, row["share"])
        assert row["value"] == pytest.approx(level.value)
        told = spread.of_bounds(row["value"], row["low"], row["high"], row["n"])
        assert told.variance == pytest.approx(level.variance, nan_ok=True)


def test_of_very_many_values_neighbours_stand_together_and_the_mean_stays(monkeypatch):
    monkeypatch.setattr(ordered, "MOST_VALUES", 50)
    frame = ugly(6, 3_000)[["variant", "heavy"]].assign(day="2026-01-05")
    data = [Gathered(table(frame), [Asked("tour", "heavy", "mean", {VALUE: "heavy"})], {"tour": []})]
    for arm, own in ordered.values(data).groupby("variant"):
        rows = frame.loc[frame["variant"] == arm, "heavy"].dropna()
        assert len(own) <= 50
        assert own["people"].sum() == len(rows)
        assert (own["value"] * own["people"]).sum() == pytest.approx(rows.sum())


def test_a_sample_of_the_people_depends_on_their_numbers_alone(monkeypatch):
    monkeypatch.setattr(ordered, "MOST_ROWS", 100)
    rows = ugly(7, 1_050)
    first, second = (ordered.rows([Gathered(table(own), ASKED, {"tour": []})])["tour"] for own in
                     (rows, rows.sample(frac=1, random_state=1)))  # fmt: skip
    assert 90 <= len(first) <= 100
    pd.testing.assert_frame_equal(first, second)


def units(**columns):
    size = len(next(iter(columns.values())))
    rows = [{"units": "game", "unit_id": str(at), **{name: own[at] for name, own in columns.items()}} for at in range(size)]
    return made.table("units", rows, {name: "string" for name in columns if name != "variant"})


def test_a_unit_table_enters_the_same_cube_and_its_texts_are_read():
    own = plan(units="game", slices=["kind"], metric=[metric(column="won", horizon=0, covariates=["age"])])
    given_units = units(variant=["a", "a", "b", "b", "b"], won=["TRUE", "no", "1", "", "nonsense"],
                        age=["1", "2", "3", "4", "inf"], kind=["x", None, "x", "y", "y"])  # fmt: skip
    cube = counting.count(valued.gather([own], None, given_units, None, last_day=None)[0])
    arms = cube.arms("tour", "back")
    assert {variant: (cell.moments.n, cell.missing) for variant, cell in arms.items()} == {"a": (2, 0), "b": (1, 2)}
    assert arms["a"].moments.mean.tolist() == [0.5, 1.5]
    assert cube.levels("tour", PEOPLE, "kind") == ["", "x", "y"]
    assert cube.cuts("tour") == [ALL, "kind"]


def test_a_proportion_that_is_none_is_refused():
    own = plan(units="game", metric=[metric(column="won", horizon=0, covariates=[])])
    with pytest.raises(InputError, match=r'metric back is a proportion, but 1 values are not 0 or 1. Call it kind = "mean"'):
        valued.gather([own], None, units(variant=["a", "b"], won=["1", "7"]), None, last_day=None)
