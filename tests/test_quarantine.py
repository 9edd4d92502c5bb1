"""Rows that were set aside: each with its place and its raw text, whatever file it stood in."""

from __future__ import annotations

import csv
import gzip
import stat

import logs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers import cleaning
from helpers.errors import InputError
from helpers.runs import fixing
from helpers.sources import engine, quarantine

HEADER = ["uid", "time", "type", "note"]
ROWS = [
    ["u1", "2026-03-01 10:00:00", "view", "fine"],
    ["", "2026-03-01 10:00:00", "view", 'a "quoted", cell\nof two lines'],
    ["u2", "soon", "view", "中文"],
    ["u3", "2026-03-01 10:00:00", "", "=1+1"],
]


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    return logs.Shops(tmp_path_factory.mktemp("quarantine"))


def quarantined(shop) -> list[dict]:
    aside = cleaning.quarantined(shop.judged()).to_pyarrow()
    return quarantine.table(shop.parts, aside, "run", cleaning.column_of).to_pylist()


@pytest.mark.parametrize("packed", ["plain", "gzip", "utf-16"])
def test_a_row_is_found_again_byte_by_byte_in_any_file(shops, packed):
    plain = logs.as_csv(HEADER, [*ROWS, ["u4", "x"], *[ROWS[0]] * 3000])
    content = {"plain": plain, "gzip": gzip.compress(plain), "utf-16": plain.decode().encode("utf-16")}[packed]
    name = "events.csv.gz" if packed == "gzip" else "events.csv"
    shop = shops(logs.toml("drop_exact_duplicates = false", file=name), **{name.replace(".", "_"): content})
    rows = quarantined(shop)
    assert [(row["line"], row["column"], row["code"], row["reason"]) for row in rows] == [
        (3, "user_id", "E1201", "blank_user_id"), (5, "ts", "E1203", "bad_time"), (6, "event", "E1202", "blank_event"),
        (7, "", "E1108", "ragged"),
    ]  # fmt: skip
    for row in rows:
        raw = row["raw_line"].encode()
        assert plain[row["byte_offset"] :][: len(raw)] == raw
        assert plain[row["byte_offset"] + len(raw) :][:1] == b"\n"
    assert [next(csv.reader(row["raw_line"].splitlines(keepends=True)))[:4] for row in rows[:3]] == ROWS[1:]
    assert {row["source_sha256"] for row in rows} == {shop.parts[0].sha256}


def test_a_row_of_parquet_is_given_by_its_number_and_as_json(shops, tmp_path):
    table = pa.table({name: [row[at] for row in ROWS] for at, name in enumerate(HEADER)})
    pq.write_table(table, tmp_path / "e.parquet")
    shop = shops(logs.toml(file="e.parquet"), e_parquet=(tmp_path / "e.parquet").read_bytes())
    rows = quarantined(shop)
    assert [(row["line"], row["byte_offset"]) for row in rows] == [(2, None), (3, None), (4, None)]
    assert '"note": "中文"' in rows[1]["raw_line"]


def test_a_file_that_two_sources_read_is_quarantined_once(shops):
    again = '[[events]]\nfile = "events.csv"\nuser_id = "uid"\nts = "time"\nevent = "type"\n'
    shop = shops(logs.toml(after="").replace("[roles]", again + "[roles]"), events_csv=logs.as_csv(HEADER, ROWS))
    assert len(quarantined(shop)) == 3


def test_nothing_set_aside_is_an_empty_quarantine(shops):
    shop = shops(events_csv=logs.as_csv(HEADER, ROWS[:1]))
    made = quarantine.table(shop.parts, cleaning.quarantined(shop.judged()).to_pyarrow(), "run", cleaning.column_of)
    assert (made.num_rows, made.column_names) == (0, list(quarantine.COLUMNS))
    assert engine.take(shop.backend, made).count().to_pandas() == 0


def test_the_fix_list_is_its_owners_alone_and_no_cell_of_it_is_a_formula(shops, tmp_path):
    rows = [[user, "soon", "view", ""] for user in ("=HYPERLINK(1)", "+1", "@x", "ok")]
    shop = shops(events_csv=logs.as_csv(HEADER, rows))
    made = quarantine.table(shop.parts, cleaning.quarantined(shop.judged()).to_pyarrow(), "run", cleaning.column_of)
    path = tmp_path / "list.csv"
    assert quarantine.fix_list(made, path) == 4
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert [row["the row as it stands"][:2] for row in found] == ["'=", "'+", "'@", "ok"]
    assert {row["code"] for row in found} == {"E1203"}


def test_a_week_that_was_not_built_has_no_fix_list(built_root):
    with pytest.raises(InputError, match=r"no report of that week was built.*make report DATASET=sample"):
        fixing.write("sample", "2026-W10")


def test_the_quarantine_of_the_sample_is_its_owners_alone_and_holds_what_was_planted(sample):
    path = sample.root / "data" / "sample" / "built" / "2026-W10" / "quarantine.parquet"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert pq.read_metadata(path).num_rows == 900 + 240 + 36 + 120
