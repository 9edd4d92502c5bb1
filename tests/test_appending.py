"""A new week costs a week: what is appended is what a build from nothing gives, and only days that are others are made again."""

from __future__ import annotations

import hashlib
import os
import random
from datetime import date, timedelta
from pathlib import Path

import growing
import ibis
import pytest

from helpers import cleaning, contracts, facts, open_run, paths
from helpers.runs import appending, pieces, store
from helpers.runs.appending import Appended
from helpers.runs.store import Run
from helpers.sources import events


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Few rows are many, so that there are several files of each kind."""
    monkeypatch.setattr(appending, "ENOUGH_ROWS", 400)
    monkeypatch.setattr(events, "ENOUGH_ROWS", 200)


def run_of(folder: Path, root: Path, monkeypatch, week: str = "latest") -> Run:
    monkeypatch.setenv(paths.BUILT_ROOT_VARIABLE, str(root))
    return open_run(str(folder), week, root=folder)


def made_by(run: Run) -> Appended:
    """What 01_cleaning does."""
    judged = cleaning.judge(run.source("events"), "events", as_of=run.as_of, future_from=run.future_from)
    layers = facts.Layers(run.dataset.roles, run.rules["roles"], list(filter(run.dataset.has, facts.OPTIONAL)))
    made = run.append(facts.timed(cleaning.kept(judged)), layers)
    for name in appending.ARTEFACTS:
        run.write(name, made.stored(name))
    run.write("first_seen", facts.first_seen(made.table("user_day")))
    return made


def content(run: Run) -> dict[str, str]:
    """A hash of each table's rows, sorted."""
    found = {name: run.read(name).to_pyarrow().to_pylist() for name in growing.TABLES}
    assert all(found.values())
    return {name: hashed(rows) for name, rows in found.items()}


def hashed(rows: list[dict]) -> str:
    return hashlib.sha256("\n".join(sorted(str(sorted(row.items())) for row in rows)).encode()).hexdigest()


def whole(run: Run, made: Appended) -> dict[str, str]:
    """The same, with what 01_cleaning reads and no other notebook."""
    return content(run) | {"same_moment": hashed(made.table("same_moment").to_pyarrow().to_pylist())}


def built(folder: Path, root: Path, monkeypatch, week: str = "latest") -> dict[str, str]:
    run = run_of(folder, root, monkeypatch, week)
    return whole(run, made_by(run))


def at_once(folder: Path, root: Path, monkeypatch) -> tuple[Run, Appended]:
    """A first build of all days in one piece, which costs less than one in several."""
    with monkeypatch.context() as patch:
        patch.setattr(appending, "ENOUGH_ROWS", 10**6)
        patch.setattr(events, "ENOUGH_ROWS", 10**6)
        run = run_of(folder, root, monkeypatch)
        return run, made_by(run)


def anew(folder: Path, root: Path, monkeypatch) -> dict[str, str]:
    """What a build from nothing gives."""
    return whole(*at_once(folder, root, monkeypatch))


@pytest.mark.hard
@pytest.mark.parametrize("seed", range(1, 7))
def test_whatever_arrives_in_whatever_order_the_facts_are_those_of_one_build(tmp_path, monkeypatch, seed):
    chance = random.Random(seed)
    folder, lines = tmp_path / "club", growing.rows(chance)
    lines += [line.replace(",food,", ",cars,") for line in lines[:90]]  # at the same moment
    arrivals = growing.arrivals(chance, lines)
    for number, state in enumerate(arrivals):
        growing.write(folder, state)
        appended = built(folder, tmp_path / "appended", monkeypatch)
        assert appended == anew(folder, tmp_path / f"anew{number}", monkeypatch), number


def test_the_facts_of_a_week_are_blind_to_what_comes_after_it(tmp_path, monkeypatch):
    lines = growing.rows(random.Random(9))
    last = growing.MONDAY.date() + timedelta(days=20)
    whole, cut = tmp_path / "whole" / "club", tmp_path / "cut" / "club"
    growing.write(whole, {"all.csv": lines})
    growing.write(cut, {"all.csv": [line for line in lines if growing.day_of(line) <= str(last)]})
    built(whole, tmp_path / "one", monkeypatch)
    week = last.strftime("%G-W%V")
    assert built(whole, tmp_path / "one", monkeypatch, week) == built(cut, tmp_path / "two", monkeypatch, week)
    assert run_of(cut, tmp_path / "two", monkeypatch, week).read("user_day").day.max().to_pandas().date() == last


def test_a_week_that_is_appended_leaves_the_other_days_and_the_older_weeks_as_they_are(tmp_path, monkeypatch):
    folder, lines = tmp_path / "club", sorted(growing.rows(random.Random(3)), key=growing.day_of)
    third = str((growing.MONDAY + timedelta(weeks=3)).date())
    old, new = ([line for line in lines if (growing.day_of(line) < third) is before] for before in (True, False))
    growing.write(folder, {"w0.csv": old})
    before = run_of(folder, tmp_path / "root", monkeypatch, "2026-W09")
    made_by(before)
    hashes, stored = content(before), set((tmp_path / "root").glob("data/club/built/facts/*"))
    growing.write(folder, {"w0.csv": old, "w1.csv": new})
    made = made_by(run_of(folder, tmp_path / "root", monkeypatch))
    assert made.days[0] == before.last_day and len(made.days) == 8 and not made.late
    assert content(before) == hashes
    kept = stored & set((tmp_path / "root").glob("data/club/built/facts/*"))
    assert len(kept) >= 2 * len(growing.TABLES), "files of the days before stay"


def test_late_rows_are_listed_by_day_and_cost_these_days_and_their_neighbours(tmp_path, monkeypatch):
    folder, lines = tmp_path / "club", growing.rows(random.Random(4))
    growing.write(folder, {"all.csv": lines})
    at_once(folder, tmp_path / "root", monkeypatch)
    growing.write(folder, {"all.csv": lines, "late.csv": ["u1,2026-02-12 12:00:00,view,food,,,,,,,"]})
    made = made_by(run_of(folder, tmp_path / "root", monkeypatch))
    late = date(2026, 2, 12)
    assert made.late == [late]
    assert made.days[:3] == [late - timedelta(days=1), late, late + timedelta(days=1)]
    assert len(made.days) <= 4


@pytest.mark.hard
def test_a_late_row_within_a_session_of_days_changes_all_that_follow_in_it(tmp_path, monkeypatch):
    """The robot never rests for three days: an event before its first one moves every cut after 24 hours."""
    folder, lines = tmp_path / "club", growing.rows(random.Random(5))
    growing.write(folder, {"all.csv": lines})
    made_by(run_of(folder, tmp_path / "root", monkeypatch))
    start = growing.MONDAY + timedelta(days=9, hours=21, minutes=45)
    growing.write(folder, {"all.csv": lines, "late.csv": [f"robot,{start},view,,,,,,,,"]})
    run = run_of(folder, tmp_path / "root", monkeypatch)
    made = made_by(run)
    assert made.late == [start.date()] and start.date() + timedelta(days=2) in made.days
    assert whole(run, made) == anew(folder, tmp_path / "anew", monkeypatch)


def test_stored_facts_have_the_types_of_their_contracts(tmp_path, monkeypatch):
    """Sums of whole numbers are wider than their contract says: stored as they are they would become fractions."""
    growing.write(tmp_path / "club", {"all.csv": growing.rows(random.Random(8), 100)})
    run = run_of(tmp_path / "club", tmp_path / "root", monkeypatch)
    made_by(run)
    for name in growing.TABLES:
        types = {column: str(dtype).partition("(")[0] for column, dtype in run.read(name).schema().items()}
        assert types == {column: spec.dtype for column, spec in contracts.find(name).columns.items()}, name


def test_what_a_dataset_does_not_map_is_neither_stored_nor_read(tmp_path, monkeypatch):
    growing.write(tmp_path / "club", {"all.csv": growing.rows(random.Random(8), 100)})
    toml = tmp_path / "club" / "dataset.toml"
    toml.write_text("".join(line for line in growing.TOML.splitlines(True) if not line.startswith(("content_kind", "campaign"))))
    run = run_of(tmp_path / "club", tmp_path / "root", monkeypatch)
    made = made_by(run)
    for name in ("user_kind_day", "user_campaign_day"):
        assert made.stored(name) is run.find(name) is None
        assert not list((tmp_path / "root").glob(f"data/club/built/facts/{name}-*"))
    assert run.read("user_topic_day").count().to_pyarrow().as_py()


def test_rows_that_only_repeat_others_change_no_day(tmp_path, monkeypatch):
    folder, lines = tmp_path / "club", growing.rows(random.Random(6))
    growing.write(folder, {"all.csv": lines})
    at_once(folder, tmp_path / "root", monkeypatch)
    growing.write(folder, {"all.csv": lines, "b.csv": [line for line in lines if "2026-02-1" in line]})
    run = run_of(folder, tmp_path / "root", monkeypatch)
    assert made_by(run).days == []
    growing.write(folder, {"0.csv": lines})
    assert made_by(run_of(folder, tmp_path / "root", monkeypatch)).days == []


def test_other_roles_and_a_damaged_store_make_all_days_again(tmp_path, monkeypatch):
    monkeypatch.setattr(appending, "ENOUGH_ROWS", 10**6)
    folder, lines = tmp_path / "club", growing.rows(random.Random(7))
    growing.write(folder, {"all.csv": lines})
    run = run_of(folder, tmp_path / "root", monkeypatch)
    all_days = made_by(run).days
    assert len(all_days) == 28 and made_by(run).days == []
    store = tmp_path / "root" / "data" / "club" / "built" / "facts"
    next(store.glob("user_hour-*.parquet")).unlink()
    assert made_by(run_of(folder, tmp_path / "root", monkeypatch)).days == all_days
    (store / "index.json").write_text("{")
    for path in store.glob("*.parquet"):
        os.utime(path, (0, 0))  # nothing names them, and nobody works on them any more
    assert made_by(run_of(folder, tmp_path / "root", monkeypatch)).days == all_days
    toml = folder / "dataset.toml"
    toml.write_text(toml.read_text().replace('comment = ["comment"]', 'comment = ["post"]'))
    run = run_of(folder, tmp_path / "root", monkeypatch)
    assert made_by(run).days == all_days
    files = {path.name for path in store.iterdir()}
    assert files == {"index.json", *pieces.files(pieces.load(store))}, "nothing is left behind"


def test_many_events_of_which_what_is_said_of_few_is_held_are_as_they_were_judged(tmp_path, monkeypatch):
    growing.write(tmp_path / "club", {"all.csv": [*growing.rows(random.Random(9)), "u1,2026-02-20 10:00:00,view,,,,x,,,,"]})
    run = run_of(tmp_path / "club", tmp_path / "root", monkeypatch)
    judged = cleaning.judge(run.source("events"), "events", as_of=run.as_of, future_from=run.future_from)
    counted = judged["_status"].value_counts().to_pandas().set_index("_status")["_status_count"]
    assert set(counted.index) >= {"kept", "duplicates", "quarantined"} and counted.sum() - counted["kept"] > 5

    def rows(table: ibis.Table) -> list[str]:
        return sorted(str(sorted(row.items())) for row in table.to_pyarrow().to_pylist())

    expected = rows(judged)
    for most in (counted.sum() - 1, 5):
        monkeypatch.setattr(store, "MOST_HELD", most)
        held = run.keep(judged, "events")
        assert rows(held) == expected
    assert held is judged, "what is said of them is too much as well"
