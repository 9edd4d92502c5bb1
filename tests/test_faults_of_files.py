"""Files that are not what they should be: what `check` says, with which outcome, and that nothing is lost."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faulty import HEADER, checked, rows, table

from helpers import cleaning
from helpers.sources import kinds, scan

GOOD = rows()
N = len(GOOD)


@pytest.fixture(autouse=True)
def of_files(request, monkeypatch):
    """The rows are the same right ones in all these files: one test looks whether anything of them is suspicious."""
    if request.node.name != "test_a_clean_file_is_ok":
        look = cleaning.suspicions
        monkeypatch.setattr(cleaning, "suspicions", lambda judged, **how: look({}, **how))


def test_a_clean_file_is_ok(tmp_path):
    found = checked(tmp_path, GOOD)
    assert (found.status, found.verdict.messages) == ("ok", [])
    assert found.file()["kept"] == found.file()["rows_in"] == N


@pytest.mark.parametrize(("content", "code"), [("", "E1101"), ("\ufeff", "E1101"), (HEADER + "\n", "E1102"), (HEADER, "E1102")])
def test_a_file_without_rows_is_an_error(tmp_path, content, code):
    found = checked(tmp_path, content)
    assert (found.status, found.codes("error")) == ("error", {code})


def test_a_first_line_of_data_is_named_as_such(tmp_path):
    found = checked(tmp_path, "\n".join(GOOD))
    assert found.codes("error") == {"E1103"}
    assert "first line looks like data" in found.text("E1103")


def test_all_missing_columns_are_told_at_once_with_the_columns_and_the_nearest(tmp_path):
    found = checked(tmp_path, table(GOOD, "user_id,tss,evnt,topic,amount"))
    assert [message.column for message in found.verdict.messages if message.code == "E1104"] == ["ts", "event"]
    assert 'Did you mean "tss"?' in found.text("E1104")
    assert "user_id, tss, evnt, topic, amount" in found.text("E1104")


def test_an_optional_column_that_is_missing_is_a_warning(tmp_path):
    lines = [line.rsplit(",", 1)[0] for line in GOOD]
    found = checked(tmp_path, table(lines, "user_id,ts,event,topic"))
    assert (found.status, found.codes()) == ("warn", {"W1105"})
    assert found.file()["kept"] == N


@pytest.mark.parametrize("header", ["user_id,ts,event,topic,ts", "user_id,ts,event,,amount"])
def test_columns_of_one_name_or_none_are_an_error(tmp_path, header):
    assert checked(tmp_path, table(GOOD, header)).codes("error") == {"E1106"}


def test_the_header_among_the_rows_is_set_aside(tmp_path):
    found = checked(tmp_path, [*GOOD[:50], HEADER, *GOOD[50:], HEADER])
    assert found.file()["quarantined"] == {"header_repeated": 2}
    assert found.file()["kept"] == N
    assert (found.status, found.line("E1107")) == ("warn", 52)


def test_rows_with_other_numbers_of_cells_are_set_aside_with_both_numbers(tmp_path):
    found = checked(tmp_path, [*GOOD[:10], GOOD[10] + ",more", *GOOD[11:20], "u01,2026-03-02", *GOOD[20:]])
    assert found.file()["quarantined"] == {"ragged": 2}
    assert found.line("E1108") == 12
    assert "expected 5 cells, found 6" in found.text("E1108")


@pytest.mark.parametrize("end", [",", ",more"])
def test_a_cell_too_many_in_every_row_stops(tmp_path, end):
    found = checked(tmp_path, [line + end for line in GOOD])
    assert found.status == "error"
    assert found.file()["quarantined"] == {"ragged": N}


def test_a_quote_that_is_never_closed_is_told_with_its_line(tmp_path):
    found = checked(tmp_path, [*GOOD[:30], 'u01,2026-03-02 10:00:00,view,"food,', *GOOD[30:]])
    assert (found.codes("error"), found.line("E1110")) == ({"E1110"}, 32)


def test_line_ends_in_quotes_are_legal_and_lines_stay_right(tmp_path):
    found = checked(tmp_path, ['u01,2026-03-01 10:00:00,view,"a\nb\n\nc",', "", "", *GOOD, "u02,nonsense,view,,"])
    assert found.file()["kept"] == N + 1
    assert found.line("E1203") == N + 8


def test_another_separator_is_read_and_said(tmp_path):
    found = checked(tmp_path, table(GOOD).replace(",", ";"))
    assert (found.status, found.codes("note")) == ("ok", {"N1113"})
    assert found.file()["kept"] == N


def test_windows_line_ends_are_ok_and_old_ones_are_an_error(tmp_path):
    assert checked(tmp_path, table(GOOD).replace("\n", "\r\n")).status == "ok"
    assert checked(tmp_path, table(GOOD).replace("\n", "\r")).codes("error") == {"E1114"}


def test_a_last_row_that_breaks_off_is_set_aside_and_the_file_may_be_incomplete(tmp_path):
    found = checked(tmp_path, table(GOOD) + "u01,2026-03-2")
    assert found.file()["quarantined"] == {"cut_off": 1}
    assert "may be incomplete" in found.text("E1115")


def test_nul_bytes_are_set_aside_and_a_tail_of_them_is_damage(tmp_path):
    found = checked(tmp_path, [*GOOD, "u01,2026-03-02 10:00:00,vi\0ew,,"])
    assert found.file()["quarantined"] == {"nul": 1}
    assert checked(tmp_path, table(GOOD) + "\0" * 4096).codes("error") == {"E1117"}


def workbook() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return held.getvalue()


KINDS = {
    "HTML": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "JSON": b'{"user_id": "u1", "ts": "2026-03-01"}\n{"user_id": "u2"}\n',
    "Excel": workbook(),
    "pickle": pickle.dumps({"a": 1}),
    "PDF": b"%PDF-1.7\n",
    "gzip": gzip.compress(table(GOOD).encode()),
    "SQLite": b"SQLite format 3\0" + b"\0" * 100,
    "DuckDB": b"\0" * 8 + b"DUCK" + b"\0" * 100,
    "Parquet": b"PAR1" + b"\0" * 100,
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_table_is_named_by_its_kind(tmp_path, kind):
    found = checked(tmp_path, KINDS[kind])
    assert found.codes("error") == {"E1118"}
    assert kind in found.text("E1118")


def test_a_byte_order_mark_is_no_letter(tmp_path):
    assert checked(tmp_path, "\ufeff" + table(GOOD)).status == "ok"


def test_utf_16_is_converted_and_said_and_gb18030_is_named_with_the_option(tmp_path):
    text = table([line.replace("food", "美食") for line in GOOD])
    found = checked(tmp_path, text.encode("utf-16"))
    assert (found.status, found.codes("note"), found.file()["kept"]) == ("ok", {"N1120"}, N)
    found = checked(tmp_path, text.encode("gb18030"))
    assert found.codes("error") == {"E1119"}
    assert 'encoding = "gb18030"' in found.text("E1119")
    found = checked(tmp_path, text.encode("gb18030"), more='encoding = "gb18030"')
    assert (found.status, found.file()["kept"]) == ("ok", N)


def test_a_few_bad_bytes_are_set_aside_with_their_line(tmp_path):
    raw = table(GOOD).encode().splitlines(keepends=True)
    raw[41] = raw[41].replace(b"food", b"f\xff\xfed")
    found = checked(tmp_path, b"".join(raw))
    assert found.file()["quarantined"] == {"bad_bytes": 1}
    assert found.line("E1121") == 42


@pytest.mark.parametrize("letters", [150_000, 10_000_000])
def test_a_cell_of_any_length_is_kept(tmp_path, letters):
    found = checked(tmp_path, [*GOOD, f"u01,2026-03-03 10:00:00,view,{'x' * letters},"])
    assert found.file()["kept"] == N + 1
    assert max(len(str(message)) for message in [*found.verdict.messages, ""]) < 1000


@pytest.mark.parametrize("columns", [3_000, 50_000])
def test_of_many_columns_only_the_needed_are_read(tmp_path, columns):
    more = ",".join(f"c{number}" for number in range(columns))
    found = checked(tmp_path, table([f"{line},{more}" for line in GOOD[:40]], f"{HEADER},{more}"))
    assert (found.status, found.file()["kept"]) == ("ok", 40)


def test_what_acts_on_a_terminal_is_shown_and_never_sent_to_it(tmp_path):
    lines = [*GOOD, "u01,\x1b[31m2026\a,view,\u202efood,", "u\x1b]0;x,2026-03-02 10:00:00,view,,1\x1b[2J"]
    found = checked(tmp_path, lines)
    said = "\n".join(found.verdict.lines())
    assert not set(said) & {"\x1b", "\a", "\u202e"}
    assert "\\x1b" in said


def test_parts_are_united_by_name_and_the_odd_one_is_named(tmp_path):
    swapped = ["food,u01,2026-03-02 11:00:00,view"]
    files = {
        "events/part-1.csv": table(GOOD),
        "events/part-2.csv": table(swapped, "topic,user_id,ts,event"),
        "events/part-3.csv": HEADER + "\n",
        "events/_SUCCESS": "",
        "events/.hidden.csv": "nonsense",
    }
    found = checked(tmp_path, None, file="events", files=files)
    assert (found.status, found.codes()) == ("warn", {"W1125", "W1126"})
    assert "part-2" in found.text("W1125") and "part-3" in found.text("W1126")
    assert found.file("events/part-2.csv")["kept"] == 1


def test_a_part_without_a_column_that_must_be_is_an_error_of_that_part(tmp_path):
    files = {"events/a.csv": table(GOOD), "events/b.csv": table(["u01,view,,"], "user_id,event,topic,amount")}
    found = checked(tmp_path, None, file="events", files=files)
    assert "events/b.csv" in found.text("E1104")


def parquet(columns: dict) -> bytes:
    held = io.BytesIO()
    pq.write_table(pa.table(columns), held)
    return held.getvalue()


def columns(**other) -> dict:
    return {
        "user_id": ["u1"] * 3, "ts": ["2026-03-01 10:00:00"] * 3, "event": ["view", "pay", "view"], "topic": ["a", "b", "c"],
        "amount": ["1", "2", "3"],
    } | other  # fmt: skip


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (parquet(columns())[:-20], "E1124"),
        (parquet({name: pa.array([], pa.string()) for name in columns()}), "E1102"),
        (parquet(columns(topic=[["a"], ["b"], []])), "E1127"),
        (parquet(columns(ts=pa.array([1772330400] * 3, pa.int64()))), "E1215"),
    ],
)
def test_parquet_that_cannot_be_used_is_told_plainly(tmp_path, content, code):
    found = checked(tmp_path, content, file="events.parquet")
    assert (found.status, found.codes("error")) == ("error", {code})
    assert "events.parquet" in found.text(code)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_whole_numbers_are_times_when_their_unit_is_said(tmp_path, unit):
    factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    stamps = [1772330400 * factor, 1772330401 * factor, 1772330402 * factor]
    for content, file in (
        (parquet(columns(ts=pa.array(stamps, pa.int64()))), "e.parquet"),
        (table([f"u1,{stamp},{what},a,1" for stamp, what in zip(stamps, columns()["event"], strict=True)]), "e.csv"),
    ):
        found = checked(tmp_path, content, file=file, more=f'ts_unit = "{unit}"')
        assert (found.status, found.file(file)["kept"], found.verdict.data_until) == ("ok", 3, "2026-03-01")


@pytest.mark.parametrize("name", ["my file.csv", "a[2025].csv", "100%.csv", "a;b.csv", "数据.csv", "🎉.csv", "it's.csv"])
def test_any_name_of_a_file_works(tmp_path, name):
    found = checked(tmp_path, GOOD, file=name)
    assert (found.status, found.file(name)["kept"]) == ("ok", N)


def test_a_bomb_is_refused_with_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(kinds, "BOMB_FREE", 2**20)
    monkeypatch.setattr(scan, "BLOCK", 2**20)
    packed = gzip.compress(HEADER.encode() + b"\n") + gzip.compress(b"u01,x,y,z,\n" * 2_000_000)
    found = checked(tmp_path, packed, file="b.csv.gz")
    assert found.codes("error") == {"E1123"}
    assert "the limit" in found.text("E1123")


def test_the_verdict_is_json(tmp_path):
    found = checked(tmp_path, [*GOOD, "u01,soon,view,,"])
    made = json.loads(json.dumps(found.verdict.as_json()))
    assert made["status"] == "warn"
    assert set(made["messages"][0]) == {"code", "severity", "file", "line", "column", "text"}
    assert made["files"][0]["quarantined"] == {"bad_time": 1}
    parts = {"rows_in", "kept", "not_selected", "after_as_of", "duplicates", "quarantined"}
    assert {"file", "table"} | parts <= set(made["files"][0])
