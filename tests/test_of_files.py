"""What is kept of judged events, file by file, is what judging them all gives, whatever arrived since and in whatever week."""

from __future__ import annotations

import random

import growing
import pytest
from pandas.testing import assert_frame_equal
from test_appending import run_of

from helpers import cleaning
from helpers.cleaning import judging
from helpers.runs import of_files, store
from helpers.sources import events


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(events, "ENOUGH_ROWS", 200)
    monkeypatch.setattr(store, "MOST_HELD", 5)


def rows(table) -> list[str]:
    return sorted(str(sorted(row.items())) for row in table.to_pyarrow().to_pylist())


def judged(run):
    return cleaning.judge(run.source("events"), "events", as_of=run.as_of, future_from=run.future_from)


def told(run, *, kept: bool) -> list:
    """What is odd, the counts, the names and who has which kinds of events, with the frames that are made of these."""
    every = judged(run)
    if not kept:
        counts, who = cleaning.counts(every), cleaning.kinds(cleaning.kept(every))
        frames = [cleaning.reasons(every), cleaning.coverage([every])]
        return [rows(judging.odd(every)), rows(counts), rows(cleaning.names(every)), rows(who), *frames]
    odd, counts = run.of_files("odd", every, judging.odd), run.of_files("counts", every, cleaning.counts)
    by = {"of": "events", "by": ["user_id", "kind"], "last_day": run.last_day}
    who = run.totals("kinds", cleaning.kept(every), cleaning.kinds, how=cleaning.KINDS, **by)
    names = run.of_files("names", every, cleaning.names)
    frames = [cleaning.reasons(counts), cleaning.coverage([every], counts, who)]
    return [rows(odd), rows(counts), rows(names), rows(who), *frames]


def assert_alike(run) -> None:
    for ours, anew in zip(told(run, kept=True), told(run, kept=False), strict=True):
        assert ours == anew if isinstance(ours, list) else assert_frame_equal(ours, anew) is None


def files(root, name: str) -> set:
    return {*root.rglob(f"files-{name}/*.parquet")}


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_arrives_in_whatever_order_it_is_what_judging_all_events_gives(tmp_path, monkeypatch, seed):
    chance = random.Random(seed)
    for state in growing.arrivals(chance, growing.rows(chance)):
        growing.write(tmp_path / "club", state)
        for week in ("latest", "2026-W08", "2026-W09"):
            assert_alike(run_of(tmp_path / "club", tmp_path / "root", monkeypatch, week))


def test_a_file_is_looked_at_once_when_all_its_days_are_over(tmp_path, monkeypatch):
    chance = random.Random(3)
    first, _, whole, *_ = growing.arrivals(chance, growing.rows(chance))
    asked = []

    def noted(run):
        run.of_files("odd", judged(run), lambda table: asked.append(table) or judging.odd(table))
        return len(asked)

    growing.write(tmp_path / "club", first)
    assert noted(run_of(tmp_path / "club", tmp_path / "root", monkeypatch)) == 1
    assert noted(run_of(tmp_path / "club", tmp_path / "root", monkeypatch)) == 1
    before = files(tmp_path, "odd")
    growing.write(tmp_path / "club", {**first, "w3.csv": whole["w3.csv"]})
    assert noted(run_of(tmp_path / "club", tmp_path / "root", monkeypatch)) == 2
    assert before < files(tmp_path, "odd")


def test_the_same_row_in_a_file_before_makes_the_other_the_repetition(tmp_path, monkeypatch):
    lines = growing.rows(random.Random(4), 300)
    growing.write(tmp_path / "club", {"b.csv": lines})
    assert_alike(run_of(tmp_path / "club", tmp_path / "root", monkeypatch))
    growing.write(tmp_path / "club", {"a.csv": lines[:80], "b.csv": lines})
    assert_alike(run_of(tmp_path / "club", tmp_path / "root", monkeypatch))


def test_too_much_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(of_files, "MOST_ROWS", 1)
    growing.write(tmp_path / "club", {"all.csv": growing.rows(random.Random(5), 100)})
    assert_alike(run_of(tmp_path / "club", tmp_path / "root", monkeypatch))
    assert not files(tmp_path, "odd")
