"""Events past the door: read once, file by file, and the rows are those that reading all files at once gives."""

from __future__ import annotations

import random
from pathlib import Path

import growing
import ibis
import logs
import pytest

from helpers.sources import engine, events, reading


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    return logs.Shops(tmp_path_factory.mktemp("events"))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(events, "ENOUGH_ROWS", 200)


def admitted(shop: logs.Shop) -> events.Events:
    return events.admit(shop.backend.con, shop.found, shop.parts, shop.built)


def rows_of(shop: logs.Shop) -> list[tuple]:
    """All rows as they are kept, sorted."""
    return by_value(engine.view(shop.backend, admitted(shop).query()))


def by_value(table: ibis.Table) -> list[tuple]:
    table = table.mutate(_duplicate=table["_duplicate"] & table.ts.notnull())  # a row without a time is set aside, not dropped
    columns = sorted(table.columns)
    return sorted((tuple(row[name] for name in columns) for row in table.to_pyarrow().to_pylist()), key=repr)


def whole(shop: logs.Shop) -> list[tuple]:
    return by_value(reading.rows(shop.backend, shop.found, shop.parts, "events", shop.built))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_rows_kept_are_those_that_reading_all_files_at_once_gives(shops, seed):
    chance = random.Random(seed)
    shop = shops(growing.TOML)
    for files in growing.arrivals(chance, growing.rows(chance, 200)):
        growing.write(shop.folder, files)
        assert rows_of(shop) == whole(shop)


def test_files_whose_columns_differ_are_kept_as_one(shops):
    shop = shops(logs.toml("amount = 'fee'", file="e/*.csv"), e__1_csv="uid,time,type\nu1,2026-03-01 10:00:00,view\n")
    assert rows_of(shop) == whole(shop)
    shops.add(shop.folder, "e__2_csv", "time,type,uid,fee\n2026-03-02 10:00:00,view,u1,2.50\n2026-03-01 10:00:00,view,u1,\n")
    assert rows_of(shop) == whole(shop)


def test_only_files_that_are_new_or_changed_are_read(shops, monkeypatch):
    first = "uid,time,type\n" + "".join(f"u{n},2026-03-01 10:00:00,view\n" for n in range(300))
    shop = shops(logs.toml(file="e/*.csv"), e__1_csv=first)
    before = admitted(shop)
    read = []
    monkeypatch.setattr(events, "_kept", lambda *args, own=events._kept: (read.append([p.label for p in args[3]]), own(*args))[1])
    assert admitted(shop) == before and read == []
    shops.add(shop.folder, "e__2_csv", "uid,time,type\nu1,2026-03-02 10:00:00,view\n")
    after = admitted(shop)
    assert read == [["e/2.csv"]]
    assert [day for day in after.marks if after.marks[day] != before.marks.get(day)] == [max(after.marks)]


def test_another_way_of_reading_reads_all_files_again_and_leaves_nothing_behind(shops):
    shop = shops(logs.toml(file="e/*.csv"), e__1_csv="uid,time,type\nu1,2026-03-01 10:00:00,view\n")
    before = admitted(shop)
    there = {path.name for path in before.folder.iterdir()}
    other = logs.Shop(shop.folder, shop.backend, logs.toml(file="e/*.csv", zone="Europe/Berlin"))
    after = admitted(other)
    assert rows_of(other) == whole(other)
    assert len({path.name for path in Path(after.folder).iterdir()}) == len(there)
    assert before.index.keys != after.index.keys


def test_a_row_says_the_same_wherever_it_stands(shops):
    lines = [f"u{n % 7},2026-03-0{1 + n % 5} 10:00:{n:02d},view" for n in range(40)]
    one = admitted(shops(events_csv="\n".join(["uid,time,type", *lines, ""])))
    two = admitted(shops(events_csv="\n".join(["uid,time,type", *reversed(lines), *lines[:9], ""])))
    assert one.marks == two.marks
    assert one.rows_of_days != two.rows_of_days
