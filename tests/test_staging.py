"""From bytes to text: every record that came in is a row of the staged file, with its place, its texts or its fault."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.errors import EnvironmentFault, InputError
from helpers.sources import profile, scan, staging

WILD = st.lists(st.sampled_from([*'ab, "\n\r中\0', "\r\n", '"",', "NA", "x,y\n", '"x,y"\n']), max_size=25).map("".join)
ROWS = "uid,name,n\nu01,NA,007\nu02,,null\nu03,None,1e5\n, padded ,NaN\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("staging")


def staged(path: Path, **options) -> list[dict]:
    made = staging.stage(path, path.name, path.parent / "staged", sha256=profile.file_hash(path), **options)
    return sorted(pq.read_table(made).to_pylist(), key=lambda row: row["_line"])


def written(folder: Path, content: str | bytes, name: str = "file.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def by_csv(text: str) -> list[tuple[str, ...] | None]:
    """The rows as the csv module reads them, None where cells are too few, too many or hold a NUL."""
    rows = [tuple(row) for row in csv.reader(io.StringIO(text, newline="\n")) if row]
    return [row if len(row) == 2 and "\0" not in "".join(row) else None for row in rows]


@settings(deadline=None, max_examples=100)
@given(WILD, st.sampled_from([1, 5, 1000]))
@example('x,"a"b\n,\n', 1)
@example('"x,y",\n\n"","x""y"', 5)
def test_any_text_gives_the_rows_of_the_csv_module_or_is_refused_whole(folder, text, block):
    path = written(folder, "h,i\n" + text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "BLOCK", block)
        try:
            rows = staged(path)
        except InputError as fault:
            assert any(said in str(fault) for said in ("a quote", "a carriage return", "NUL bytes"))
            assert set(text) & set('\r"') or text.endswith("\0" * 16)
            return
        finally:
            for left in (folder / "staged").glob("*"):
                left.unlink()
    try:
        expected = by_csv(text)
    except csv.Error:
        assert "\r\r" in text, "a carriage return that ends no line is refused"
        return
    assert [None if row["_fault"] else (row["h"], row["i"]) for row in rows] == expected
    assert all(row["h"] is None and row["i"] is None for row in rows if row["_fault"])


def test_texts_stay_what_they_are(tmp_path):
    rows = staged(written(tmp_path, ROWS))
    assert [(row["uid"], row["name"], row["n"]) for row in rows] == [
        ("u01", "NA", "007"), ("u02", "", "null"), ("u03", "None", "1e5"), ("", " padded ", "NaN"),
    ]  # fmt: skip


def test_a_packed_file_gives_the_rows_of_the_plain_one(tmp_path):
    plain = staged(written(tmp_path, ROWS))
    assert staged(written(tmp_path, gzip.compress(ROWS.encode()), "file.csv.gz")) == plain
    packed = pa.compress(ROWS.encode(), codec="zstd", asbytes=True)
    assert staged(written(tmp_path, packed, "file.CSV.ZST")) == plain


def test_another_encoding_that_is_named_gives_the_rows_of_the_same_text(tmp_path):
    text = "用户,城市\n张三,北京\n李四,\n"
    plain = staged(written(tmp_path, text))
    for encoding in ("gb18030", "utf-16", "utf-8-sig"):
        path = written(tmp_path, text.encode(encoding), f"{encoding}.csv")
        assert staged(path, encoding=encoding) == plain
    with pytest.raises(InputError, match=r'no encoding is called "gb1803"'):
        staged(path, encoding="gb1803")


def test_a_byte_that_is_no_text_is_told_with_its_line_and_place(tmp_path):
    raw = b"uid,name\nu1,ok\n\nu2," + b"\xff\xfe" + b"\nu3,\xe9\n"
    with pytest.raises(InputError, match=rf"file.csv line 4: byte {raw.index(0xFF)}: not UTF-8 text"):
        staged(written(tmp_path, raw))
    with pytest.raises(InputError, match=r"byte 0xff is none of the encoding gb18030"):
        staged(written(tmp_path, raw), encoding="gb18030")


def test_faulty_records_are_rows_with_their_place_and_what_is_wrong(tmp_path):
    text = "a,b\n1,2\n\n3\n4,5,6\n7,\0\n\0\n8,9"
    rows = staged(written(tmp_path, text))
    assert [(row["_line"], row["_fault"], row["a"]) for row in rows] == [
        (2, None, "1"), (4, "ragged", None), (5, "ragged", None), (6, "nul", None), (7, "nul", None), (8, None, "8"),
    ]  # fmt: skip
    assert [text.encode()[row["_byte"] :][:1] for row in rows] == [b"1", b"3", b"4", b"7", b"\0", b"8"]


@pytest.mark.parametrize("delimiter", ["||", "", '"', "，", "\n"])
def test_a_separator_that_cannot_part_cells_is_refused(tmp_path, delimiter):
    with pytest.raises(InputError, match="cannot part cells"):
        staged(written(tmp_path, ROWS), delimiter=delimiter)


def test_one_file_read_with_two_separators_is_staged_twice(tmp_path):
    path = written(tmp_path, "a;b,c\n1;2,3\n")
    assert [{k: v for k, v in row.items() if k[0] != "_"} for row in staged(path, delimiter=";")] == [
        {"a": "1", "b,c": "2,3"}
    ]
    assert [{k: v for k, v in row.items() if k[0] != "_"} for row in staged(path, delimiter=",")] == [
        {"a;b": "1;2", "c": "3"}
    ]


def test_a_header_without_rows_gives_none(tmp_path):
    for text in ("a,b", "a,b\n", "a,b\n\n\r\n"):
        assert staged(written(tmp_path, text)) == []


def test_a_few_rows_that_are_no_text_are_faulty_and_the_others_stay(tmp_path):
    raw = b"uid,name\n" + b"u1,ok\n" * 20 + b"u2,\xff\xfe\n" + b"u3,ok\n" * 20 + b"u4,\xe9t\xe9\n"
    rows = staged(written(tmp_path, raw))
    assert [(row["_line"], raw[row["_byte"] :][: row["_size"]]) for row in rows if row["_fault"] == "bad_bytes"] == [
        (22, b"u2,\xff\xfe"), (43, b"u4,\xe9t\xe9"),
    ]  # fmt: skip
    assert sum(row["uid"] in ("u1", "u3") for row in rows) == 40


def test_a_header_among_the_rows_and_a_row_that_breaks_off_are_told_apart_from_ragged_ones(tmp_path):
    rows = staged(written(tmp_path, "uid,name\nu1,a\nuid,name\nuid,nome\nu2\nu3,b\nu4"))
    assert [row["_fault"] for row in rows] == [None, "header_repeated", None, "ragged", None, "cut_off"]


def test_utf_16_is_read_as_such_and_said(tmp_path):
    text = "用户,城市\n张三,北京\n李四,\n"
    plain = staged(written(tmp_path, text))
    for encoding, mark in (("utf-16", b""), ("utf-16-be", codecs.BOM_UTF16_BE), ("utf-32", b"")):
        path = written(tmp_path, mark + text.encode(encoding), f"{encoding}.csv")
        assert staged(path) == plain
        made = staging.stage(path, "x.csv", tmp_path / "staged", sha256=profile.file_hash(path))
        assert [name for name, _ in staging.notes(made)] == ["recoded"]


def test_of_a_wide_file_only_the_needed_columns_are_kept_and_rows_are_told_apart_by_all(tmp_path):
    header = ",".join(f"c{number}" for number in range(3000))
    rows = [",".join(str(number + shift) for number in range(3000)) for shift in (0, 1, 0)]
    path = written(tmp_path, "\n".join([header, *rows]) + "\n")
    found = staged(path, needed=["c7", " C2999"])
    assert [(row["c7"], row["c2999"]) for row in found] == [("7", "2999"), ("8", "3000"), ("7", "2999")]
    assert set(found[0]) == {"c7", "c2999", "_row", "_line", "_byte", "_size", "_fault"}
    assert found[0]["_row"] == found[2]["_row"] != found[1]["_row"]


def test_a_staged_file_is_its_owners_alone_and_is_made_once(tmp_path):
    path = written(tmp_path, ROWS)
    made = staging.stage(path, "file.csv", tmp_path / "staged", sha256="0" * 64)
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
    path.unlink()
    assert staging.stage(path, "file.csv", tmp_path / "staged", sha256="0" * 64) == made


def test_a_disk_that_takes_no_more_is_told_and_leaves_no_half_file(tmp_path, monkeypatch):
    path = written(tmp_path, ROWS)

    def full(*given, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(EnvironmentFault, match="No space left on device"):
        staging.stage(path, "file.csv", tmp_path / "staged", sha256="0" * 64)
    assert list((tmp_path / "staged").iterdir()) == []
