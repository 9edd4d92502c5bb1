"""What a notebook holds in its hand: opening a week, reading and writing artefacts under contract."""

import secrets
from datetime import date
from decimal import Decimal

import ibis
import pandas as pd
import pytest
import tiny

import helpers
from helpers import contracts, paths
from helpers.errors import InputError, RunFailed
from helpers.runs import opening


@pytest.fixture(autouse=True)
def declared(monkeypatch):
    """Artefacts of the tests' own, gone again afterwards."""
    contracts.all_contracts()
    monkeypatch.setattr(contracts, "_REGISTRY", dict(contracts._REGISTRY))
    contracts.declare(
        "sizes", grain="one row per tier", key=["tier"], small=True, nullable=("share",),
        columns={"tier": ("string", "", ""), "n": ("int64", "people", ""), "share": ("float64", "share", ""),
                 "day": ("date", "", "")},
    )  # fmt: skip
    contracts.declare(
        "moves", grain="one row per user", key=["user_id"], needs="events",
        columns={"user_id": ("string", "", ""), "amount": ("decimal", "currency", ""), "n": ("int64", "", "")},
    )  # fmt: skip
    contracts.declare("prices", grain="", key=[], needs="spend", columns={"n": ("int64", "", "")})


@pytest.fixture
def run(tmp_path):
    data, _ = tiny.write_project(tmp_path / "project")
    return helpers.open_run(str(data))


def sizes(**changed):
    columns = {"tier": ["low", "high"], "n": [3, 4], "share": [0.4, None], "day": pd.to_datetime(["2026-03-08"] * 2)}
    return pd.DataFrame(columns | changed)


def moves(run, **changed):
    columns = {"user_id": ["b", "a"], "amount": [Decimal("1.50"), Decimal("0.10")], "n": [1, 2]}
    return run.engine.create_table(f"moves{secrets.token_hex(4)}", pd.DataFrame(columns | changed), temp=True)


def test_latest_opens_the_last_complete_week_with_its_instants(run):
    assert (run.week, run.first_day, run.last_day) == ("2026-W10", date(2026, 3, 2), date(2026, 3, 8))
    assert run.as_of.isoformat() == "2026-03-09T00:00:00+01:00"
    assert run.complete
    assert run.rules
    assert run.dataset.name == "tiny"


def test_opening_reads_no_clock_and_no_working_directory(run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    again = helpers.open_run(str(run.dataset.folder), "2026-W10")
    assert again.as_of == run.as_of


def test_a_small_artefact_comes_back_as_a_frame_in_the_order_given(run):
    back = run.write("sizes", sizes())
    assert list(back["tier"]) == ["low", "high"]
    assert {name: str(dtype) for name, dtype in back.dtypes.items()} == {
        "tier": "str", "n": "int64", "share": "float64", "day": "datetime64[ms]",
    }  # fmt: skip
    pd.testing.assert_frame_equal(run.read("sizes"), back)


def test_a_large_artefact_comes_back_as_a_table_with_exact_amounts(run):
    back = run.write("moves", moves(run))
    assert isinstance(back, ibis.Table)
    assert back.order_by("user_id").amount.to_pandas().tolist() == [Decimal("0.10"), Decimal("1.50")]


def test_written_files_are_the_owners_alone_and_leave_no_others(run):
    run.write("moves", moves(run))
    run.write("sizes", sizes())
    assert sorted(path.name for path in run.folder.iterdir()) == ["moves.parquet", "sizes.parquet"]
    assert {path.stat().st_mode & 0o777 for path in run.folder.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tier": ["low", "low"]}, "key (tier): 1 of 2 rows repeat a key. Often a join has multiplied rows"),
        ({"tier": ["low", None]}, "column tier: 1 of 2 values are empty"),
        ({"n": [1.5, 2.0]}, "column n: float64, but the contract says int64"),
        ({"n": ["1", "x"]}, "column n"),
        ({"share": [float("inf"), 1.0]}, "column share: 1 of 2 values are infinite or NaN. Divide by a nullif()"),
        ({"extra": [1, 2]}, "column extra: not in the contract"),
        ({"day": pd.to_datetime(["2026-03-08 10:00"] * 2)}, "column day"),
    ],
)
def test_a_frame_that_breaks_its_contract_is_refused_with_count_and_remedy(run, changed, said):
    with pytest.raises(RunFailed, match=r"sizes \(one row per tier\) breaks its contract") as refused:
        run.write("sizes", sizes(**changed))
    assert said in str(refused.value)
    assert not (run.folder / "sizes.parquet").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"user_id": ["a", "a"]}, "key (user_id): 1 of 2 rows repeat a key"),
        ({"user_id": ["a", None]}, "column user_id: 1 of 2 values are empty"),
        ({"amount": [1.5, 2.5]}, "column amount: float64, but the contract says decimal"),
        ({"n": ["x", "y"]}, "column n: string, but the contract says int64"),
    ],
)
def test_a_table_that_breaks_its_contract_is_refused_and_the_old_one_stays(run, changed, said):
    run.write("moves", moves(run))
    with pytest.raises(RunFailed) as refused:
        run.write("moves", moves(run, **changed))
    assert said in str(refused.value)
    assert run.read("moves").count().to_pandas() == 2


def test_a_column_of_another_name_is_met_with_the_nearest(run):
    with pytest.raises(RunFailed, match=r'column n: missing\. Did you mean "nn"'):
        run.write("sizes", sizes().rename(columns={"n": "nn"}))


def test_narrow_integers_and_sums_of_integers_are_widened(run):
    table = moves(run).mutate(n=ibis._.n.cast("int16"))
    assert str(run.write("moves", table).n.type()).lstrip("!") == "int64"


def test_what_is_not_built_says_which_notebook_makes_it_and_the_command(run, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path / "project" / "notebooks")
    with pytest.raises(InputError) as refused:
        run.read("sizes")
    assert str(refused.value) == (
        'run.read("sizes"): not built yet for tiny, 2026-W10. 02_second makes it: run '
        f"`make report DATASET={run.dataset.folder} WEEK=2026-W10` first."
    )


def test_find_is_none_only_where_the_dataset_cannot_have_it(run):
    assert run.find("prices") is None
    with pytest.raises(InputError, match=r"not for this dataset, which has no \[spend\]"):
        run.read("prices")
    with pytest.raises(InputError, match="not built yet"):
        run.find("moves")
    assert run.write("prices", None) is None
    with pytest.raises(RunFailed, match="so give a table"):
        run.write("moves", None)


def test_a_live_notebook_finds_the_files_where_the_last_report_found_them(tmp_path):
    data, _ = tiny.write_project(tmp_path / "project")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (data / "events.csv").rename(elsewhere / "events.csv")
    with pytest.raises(InputError, match=r"events\.csv"):
        helpers.open_run(str(data))
    opened = helpers.open_run(str(data), root=elsewhere)
    opening.remember_root(opened.dataset)
    assert helpers.open_run(str(data)).dataset.root == elsewhere


def test_an_artefact_without_a_contract_is_refused(run):
    with pytest.raises(RunFailed, match=r'No artefact is called "sizs"\. Did you mean "sizes"'):
        run.read("sizs")
