"""Where records begin: the scanner against Python's csv module, on texts good and bad, however they fall into blocks."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.sources import kinds, scan

CELL = st.text(st.sampled_from('ab ,";\n中\t\0'), max_size=6) | st.sampled_from(["\r\n", '"', '""', "\n\n", ""])
ROW = st.lists(CELL, min_size=1, max_size=4)
LINE_ENDS = st.sampled_from(["\n", "\r\n"])
BLOCKS = st.sampled_from([1, 2, 3, 7, 64, scan.BLOCK])


@dataclass(frozen=True)
class Record:
    line: int
    offset: int
    cells: tuple[str, ...]


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("scan") / "file.csv"


def by_csv(text: str, start: int = 0, line: int = 1) -> list[Record]:
    """Records as Python's csv module cuts them, blank ones left out; lines and bytes counted as it takes in lines."""
    taken, offset = [], start

    def lines():
        nonlocal offset
        for physical in io.StringIO(text, newline="\n"):
            taken.append(offset)
            offset += len(physical.encode())
            yield physical

    found, reader = [], csv.reader(lines())
    while True:
        begins = len(taken)
        cells = next(reader, None)
        if cells is None:
            return found
        if cells:
            found.append(Record(line + begins, taken[begins], tuple(cells)))


def scanned(path: Path, block: int) -> tuple[scan.Shape, list[tuple[int, int, int, bool, bytes]]]:
    """The header, and of each record its line, byte, number of cells, damage, and its own bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "BLOCK", block)
        shape = scan.shape(path, "file.csv", ",")
        made = []
        for found in scan.records(shape, "file.csv"):
            own = [found.data[start:end] for start, end in zip(found.starts, found.ends, strict=True)]
            places = zip(found.lines, found.offset + found.starts, found.cells, found.damaged, own, strict=True)
            made += [(int(line), int(byte), int(cells), bool(hurt), text) for line, byte, cells, hurt, text in places]
        return shape, made


@st.composite
def sound_texts(draw) -> str:
    """CSV as writers make it: cells quoted where they must be or at will, blank lines between, a last line end or none."""
    end, text = draw(LINE_ENDS), "a,b,c\n"
    for row in draw(st.lists(ROW, max_size=8)):
        cells = [
            '"' + cell.replace('"', '""') + '"' if draw(st.booleans()) or set(cell) & set(',"\r\n') else cell
            for cell in row
        ]
        text += ",".join(cells) + end + end * draw(st.integers(0, 1))
    return text.removesuffix(end) if draw(st.booleans()) else text


@settings(deadline=None, max_examples=250)
@given(sound_texts(), BLOCKS, st.booleans())
@example('a,b\n"x\n', 1, False)
@example('a,b\r\n"",""\r\n\r\n"y\r\nz",1', 1, True)
def test_cells_lines_and_bytes_are_those_of_the_csv_module(path, text, block, marked):
    mark = codecs.BOM_UTF8 if marked else b""
    raw = mark + text.encode()
    path.write_bytes(raw)
    expected = by_csv(text, start=len(mark))[1:]
    if text.count('"') % 2:
        with pytest.raises(InputError, match="line 2: a quote"):
            scanned(path, block)
        return
    _, found = scanned(path, block)
    assert [(line, byte, cells) for line, byte, cells, _, _ in found] == [
        (record.line, record.offset, len(record.cells)) for record in expected
    ]
    for (_, byte, _, hurt, own), record in zip(found, expected, strict=True):
        assert raw[byte : byte + len(own)] == own
        assert next(csv.reader(io.StringIO(own.decode(), newline="\n"))) == list(record.cells)
        assert hurt == (b"\0" in own)


@settings(deadline=None, max_examples=300)
@given(st.text(st.sampled_from('a,"\n'), max_size=40), BLOCKS)
@example('5" screen,1\n7,2\n9" tablet,3\n', scan.BLOCK)
@example('x,"a"b\ny,"c"d"\n', 3)
def test_a_text_with_stray_quotes_is_cut_as_the_csv_module_cuts_it_or_is_refused(path, text, block):
    path.write_text("h,i\n" + text, encoding="utf-8")
    try:
        _, found = scanned(path, block)
    except InputError as fault:
        assert "a quote" in str(fault)
        assert '"' in text
        return
    expected = by_csv(text, start=4, line=2)
    assert [(line, byte, cells) for line, byte, cells, _, _ in found] == [
        (record.line, record.offset, len(record.cells)) for record in expected
    ]


def test_a_quote_in_the_middle_of_a_cell_swallows_no_rows(path):
    path.write_text('id,name,n\n1,5" screen,2\n2,plain,3\n3,x,7" tablet\n', encoding="utf-8")
    assert [cells for _, _, cells, _, _ in scanned(path, scan.BLOCK)[1]] == [3, 3, 3]
    path.write_text('id,5" name\n1,2\n2,7" b\n', encoding="utf-8")
    shape, found = scanned(path, scan.BLOCK)
    assert (shape.columns, len(found)) == (("id", '5" name'), 2)


def test_a_cell_that_opens_in_one_row_and_closes_within_another_is_refused_with_both_lines(path):
    path.write_text('id,name\n1,"screen\n2,plain\n3,7" tablet\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"line 2: a quote .* closes within another one, at file.csv line 4"):
        scanned(path, scan.BLOCK)


def test_a_quote_that_is_never_closed_is_told_with_the_line_on_which_it_opens(path):
    path.write_text('id,name\n1,fine\n\n2,"open\n3,more\n', encoding="utf-8")
    for block in (1, 5, scan.BLOCK):
        with pytest.raises(InputError, match=r"file.csv line 4: a quote"):
            scanned(path, block)


def test_a_record_longer_than_any_record_should_be_is_refused_before_it_fills_the_memory(path, monkeypatch):
    monkeypatch.setattr(scan, "LONGEST_RECORD", 1000)
    path.write_text('id,name\n1,fine\n2,"' + "x\n" * 5000, encoding="utf-8")
    read = []
    inner = kinds.Unpacked.read
    monkeypatch.setattr(kinds.Unpacked, "read", lambda *given: read.append(inner(*given)) or read[-1])
    with pytest.raises(InputError, match="line 3: the row that begins here is longer than 1,000 bytes"):
        scanned(path, 64)
    assert sum(len(part) for part in read[2:]) < 1200


@pytest.mark.parametrize(
    ("head", "said"),
    {
        "": "the file is empty",
        "\ufeff\r\n \n": "the file is empty",
        "a,,b\n1,2,3\n": "line 1: column 2 has no name",
        "a,b,a\n": "two columns are called 'a'",
        "\n\nuid,UID\n": "line 3: two columns are called 'uid' and 'UID'",
        "a,_line\n": "no column may be called '_line'",
        "a,b\0\n": "no column may be called",
        "a,b\r1,2\r3,4\r": "the header cannot be read",
        '"a,b\n1,2\n': "the header cannot be read",
    }.items(),
)
def test_a_header_that_names_no_columns_is_refused_with_its_line(path, head, said):
    path.write_text(head, encoding="utf-8", newline="")
    with pytest.raises(InputError) as caught:
        scan.shape(path, "file.csv")
    assert said in str(caught.value)
    assert [problem.file for problem in caught.value.problems] == ["file.csv"]


def test_a_header_whose_quote_is_never_closed_is_refused_however_large_the_file_is(path, monkeypatch):
    monkeypatch.setattr(scan, "LONGEST_HEADER", 100)
    path.write_text('id,"name\n' + "1,2\n" * 100, encoding="utf-8")
    with pytest.raises(InputError, match="no end of the header in sight"):
        scan.shape(path, "file.csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_separator_is_the_one_that_the_header_uses_most(path, delimiter):
    path.write_text(delimiter.join(['"a, b"', "c", "d e", "f"]) + "\n1\n", encoding="utf-8")
    shape = scan.shape(path, "file.csv")
    assert (shape.delimiter, shape.columns) == (delimiter, ("a, b", "c", "d e", "f"))


def test_a_packed_file_that_was_cut_off_is_told_and_one_of_several_members_is_read_whole(tmp_path):
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 50_000)
    (tmp_path / "cut.csv.gz").write_bytes(whole[:-50])
    (tmp_path / "two.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n"))
    (tmp_path / "plain.csv.gz").write_bytes(b"a,b\n1,2\n")
    for name in ("cut", "plain"):
        with pytest.raises(InputError, match=f"{name}: cannot be unpacked"):
            found = scan.shape(tmp_path / f"{name}.csv.gz", name)
            list(scan.records(found, name))
    found = scan.shape(tmp_path / "two.csv.gz", "two")
    assert sum(len(block.lines) for block in scan.records(found, "two")) == 2
