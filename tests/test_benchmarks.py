"""What `make bench` rests on: a made log whose every fault is known, two sides that make the same tables, told bounds."""

from __future__ import annotations

import ast
import csv
import hashlib
import inspect
from collections import Counter
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from benchmarks import __main__ as bench
from benchmarks import agreement, by_hand, measure, ours, people, portraits_by_hand, tiers, tiers_by_hand
from benchmarks.community import ROLES, Community
from helpers import paths
from helpers.errors import RunFailed
from helpers.runs import graph, notebooks
from helpers.sources import privacy

ROWS = 26_000
SMALL = Community(ROWS)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[tuple[str, str], int]]:
    """A small log, and what was planted in it."""
    folder = tmp_path_factory.mktemp("made") / "made"
    return folder, SMALL.write_csv(folder)


def faults(path: Path) -> Counter:
    """What is wrong with the rows of a file, by Python's own reader; rows that repeat one of any file apart."""
    with path.open(newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    return Counter(_fault(row, len(header)) for row in rows)


def _fault(row: list[str], cells: int) -> str:
    if len(row) != cells:
        return "ragged"
    if "\0" in "".join(row):
        return "nul"
    if not row[0].strip():
        return "blank_user_id"
    try:
        late = datetime.fromisoformat(row[1]) >= datetime(2026, 3, 9)
    except ValueError:
        return "bad_time"
    return "future_time" if late else "bad_amount" if "," in row[7] else ""


def test_the_files_hold_every_fault_as_often_as_it_was_planted(log):
    folder, planted = log
    assert {what for _, what in planted} - {"", "exact_duplicate"} == {
        "blank_user_id", "bad_time", "future_time", "ragged", "nul", "bad_amount",
    }  # fmt: skip
    assert sum(planted.values()) == ROWS
    for path in sorted(folder.glob("events/*.csv")):
        own = Counter({what: count for (file, what), count in planted.items() if file == f"events/{path.name}"})
        own[""] += own.pop("exact_duplicate")
        assert faults(path) == own, path.name


def test_rows_repeat_where_that_is_planted_and_nowhere_else(log):
    folder, planted = log
    sound = []
    for path in folder.glob("events/*.csv"):
        with path.open(newline="", encoding="utf-8") as stream:
            header, *rows = csv.reader(stream)
        sound += [tuple(row) for row in rows if _fault(row, len(header)) == ""]
    repeated = sum(count for (_, what), count in planted.items() if what == "exact_duplicate")
    assert len(sound) - len(set(sound)) == repeated > 0
    assert any("\n" in row[9] for row in sound)
    assert any("," in row[3] for row in sound)
    assert {row[2] for row in sound} == {event for events in ROLES.values() for event in events}


def test_a_size_and_a_seed_give_the_same_bytes_with_any_version(log, tmp_path):
    folder, _ = log
    assert digest(folder) == "996e851c4a863828"
    Community(ROWS, seed=7).write_csv(tmp_path / "other")
    assert digest(tmp_path / "other") != digest(folder)


def digest(folder: Path) -> str:
    content = b"".join(path.read_bytes() for path in sorted(folder.glob("events/*.csv")))
    return hashlib.sha256(content).hexdigest()[:16]


def test_few_members_do_most(tmp_path):
    SMALL.write_parquet(tmp_path / "events.parquet")
    counts = duckdb.sql(f"SELECT count(*) AS n FROM '{tmp_path}/events.parquet' GROUP BY user_id ORDER BY n DESC").fetchall()
    counts = [row[0] for row in counts]
    assert sum(counts[: len(counts) // 10]) > 0.4 * sum(counts)


def test_our_side_writes_what_the_cleaning_notebook_writes_but_for_the_rules_that_warn():
    (notebook,) = [found for found in notebooks.read_all(paths.NOTEBOOKS) if found.name == "01_cleaning"]
    sources = inspect.getsource(ours.clean) + inspect.getsource(ours._facts)
    calls = [node for node in ast.walk(ast.parse(sources)) if isinstance(node, ast.Call)]
    written = [call.args[0].value for call in calls if ast.unparse(call.func) == "run.write"]
    assert sorted(written) == sorted(set(graph.names(notebook).writes) - {"suspicions", "influence"})


@pytest.fixture
def sides(log, built_root, tmp_path, monkeypatch) -> tuple[Path, Path]:
    """The tables of both sides, made from the small log."""
    monkeypatch.setenv(privacy.KEY_VARIABLE, measure.KEY)
    folder, _ = log
    ours.clean(str(folder))
    by_hand.clean(folder, tmp_path / "by_hand")
    return next(built_root.glob("data/made/built/*-W*")), tmp_path / "by_hand"


def test_both_sides_make_the_same_tables_and_the_ledger_holds_what_was_planted(sides, log):
    made, other = sides
    _, planted = log
    agreement.check_tables(made, other)
    agreement.check_ledger(made, planted)
    file, what = next(iter(planted))
    with pytest.raises(RunFailed, match=rf"{file}: \d+ rows are {what or 'kept'}, \d+ were planted"):
        agreement.check_ledger(made, planted | {(file, what): 1})
    one_off = f"SELECT * REPLACE (net + CAST(row_number() OVER () = 1 AS INTEGER) AS net) FROM '{other}/user_day.parquet'"
    duckdb.execute(f"COPY ({one_off}) TO '{other}/changed.parquet' (FORMAT parquet)")
    with pytest.raises(RunFailed, match=r"user_day\.parquet: 1 rows of"):
        agreement.check_equal(made / "user_day.parquet", other / "changed.parquet")


def test_both_sides_make_the_same_user_day_of_events_in_parquet(tmp_path):
    events, made, other = (tmp_path / f"{name}.parquet" for name in ("events", "made", "other"))
    assert SMALL.write_parquet(events) > 0.9 * ROWS
    ours.user_day(events, made)
    by_hand.user_day(events, other)
    agreement.check_equal(made, other)


def test_both_sides_make_the_same_interests_and_portraits_of_facts(tmp_path):
    given, made, other = (tmp_path / name for name in ("facts", "made", "other"))
    assert people.write(given, 2_000) > 80_000
    ours.portraits_of(given, made)
    portraits_by_hand.portraits(given, other)
    for name in ("interests", "portraits"):
        agreement.check_equal(made / f"{name}.parquet", other / f"{name}.parquet")


def test_both_sides_make_the_same_tiers_and_moves_of_facts(tmp_path):
    given, made, other = (tmp_path / name for name in ("facts", "made", "other"))
    people.write(given, 2_000)
    tiers.ours(given, made)
    models = tiers.given_models(given, made)
    assert sum(not model.refused for model in models.values()) > 7
    tiers_by_hand.tiers(given, other, models)
    for name in ("moves", "tier_weeks"):
        agreement.check_equal(made / f"{name}.parquet", other / f"{name}.parquet")


def test_sides_run_in_turn_and_of_each_the_least_time_and_the_largest_memory_count():
    order = []

    def side(name: str, costs: list[measure.Cost]):
        return lambda: order.append(name) or costs.pop(0)

    one = [measure.Cost(3, 1), measure.Cost(2, 5), measure.Cost(4, 2)]
    other = [measure.Cost(1, 1), measure.Cost(2, 2), measure.Cost(3, 3)]
    assert measure.in_turn([side("one", one), side("other", other)], 3) == [measure.Cost(2, 5), measure.Cost(1, 3)]
    assert order == ["one", "other"] * 3


@pytest.mark.parametrize(("missed", "walked", "code"), [(False, 0, 0), (True, 0, 1), (False, 1, 1)])
def test_a_missed_bound_of_the_full_size_is_told_by_the_exit_code(monkeypatch, capsys, missed, walked, code):
    monkeypatch.setattr(bench, "WORKS", (lambda *_: missed, lambda *_: False))
    monkeypatch.setattr(bench.walk, "main", lambda: walked)
    assert bench.main("full") == code
    assert bench.main("small") == 0
    assert bench.main("huge") == 2
    assert "SIZE=huge" in capsys.readouterr().err


def test_a_value_at_its_bound_holds_and_one_above_it_does_not(capsys):
    assert bench.is_missed("times", 2.0, 2.0) is False
    assert bench.is_missed("times", 2.01, 2.0) is True
    assert capsys.readouterr().out.splitlines()[1].endswith("MISSED")
