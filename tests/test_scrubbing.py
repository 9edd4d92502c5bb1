"""Files of ours without one person: the rows of that person go, those of nobody else, and the form stays."""

import csv
import io

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import contracts
from helpers.runs import scrubbing

IDS = st.sampled_from(["a", "b", "c", "", None])


def test_every_id_that_a_contract_promises_is_looked_at():
    promised = {
        column
        for contract in contracts.all_contracts().values()
        for column, spec in contract.columns.items()
        if spec.meaning.startswith("pseudonym") or column.endswith(("user", "user_id"))
    }
    assert {"user_id", "from_user", "to_user", "referrer_id"} <= promised <= {*scrubbing.PEOPLE, scrubbing.REFERRER}


@settings(deadline=None)
@given(st.lists(st.tuples(IDS, IDS, IDS)), st.sampled_from("ab"))
def test_a_table_loses_the_rows_of_one_person_and_no_other(tmp_path_factory, rows, who):
    path = tmp_path_factory.mktemp("law") / "t.parquet"
    columns = ("from_user", "to_user", "referrer_id")
    made = [dict(zip(columns, row, strict=True), n=number) for number, row in enumerate(rows)]
    schema = pa.schema([*((column, pa.string()) for column in columns), ("n", pa.int64())], {"said": "by us"})
    pq.write_table(pa.Table.from_pylist(made, schema), path)
    wanted = scrubbing.Wanted((who, "other name"), who, ",")
    assert scrubbing.rows_in(path, wanted) == sum(who in row for row in rows)
    scrubbing.rewrite(path, wanted)
    left = [row for row in made if who not in (row["from_user"], row["to_user"])]
    left = [row | {"referrer_id": None if row["referrer_id"] == who else row["referrer_id"]} for row in left]
    assert pq.read_table(path).to_pylist() == left and pq.read_schema(path) == schema


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a,b", 'a"b', "ab", "x", " a,b ", "xa,b", "a|b"]), min_size=1, max_size=4), max_size=6),
       st.sampled_from(["a,b", 'a"b', "ab", "a|b"]))  # fmt: skip
def test_a_row_whose_cell_is_the_id_goes_and_one_without_its_letters_stays(tmp_path_factory, rows, who):
    path = tmp_path_factory.mktemp("raw") / "t.parquet"
    lines = []
    for row in rows:
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(row)
        lines.append(text.getvalue())
    pq.write_table(pa.table({"raw_line": pa.array(lines, pa.string())}), path)
    scrubbing.rewrite(path, scrubbing.Wanted((who,), who, ","))
    left = pq.read_table(path)["raw_line"].to_pylist()
    must_go = [line for line, row in zip(lines, rows, strict=True) if who in [cell.strip() for cell in row]]
    must_stay = [line for line, row in zip(lines, rows, strict=True) if not any(who in cell for cell in row)]
    assert not set(must_go) & set(left) and [line for line in left if line in must_stay] == must_stay


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", " a ", "ab", "b", "", None]), min_size=1, max_size=9))
def test_rows_of_a_copy_are_counted_where_a_cell_is_the_id(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("copy") / "t.parquet"
    texts = [pa.array(column, pa.string()) for column in (cells, cells[::-1])]
    columns = {"uid": texts[0], "other": texts[1], "_line": pa.array(range(len(cells)))}
    pq.write_table(pa.table(columns), path)
    pairs = zip(cells, cells[::-1], strict=True)
    assert scrubbing.holds_cell(path, scrubbing.Wanted(("a",), "a", ",")) == sum(
        any((cell or "").strip() == "a" for cell in pair) for pair in pairs
    )
    assert scrubbing.holds_cell(path, scrubbing.Wanted(("a",), "", ",")) == 0


def test_an_unknown_kind_of_table_without_people_is_left_alone(tmp_path):
    pq.write_table(pa.table({"tier": ["a"], "line": [1]}), tmp_path / "t.parquet")
    assert scrubbing.rows_in(tmp_path / "t.parquet", scrubbing.Wanted(("a",), "a", ",")) == 0


def test_ids_that_are_numbers_in_somebody_elses_table_are_met_too(tmp_path):
    pq.write_table(pa.table({"user_id": pa.array([7, 8, None], pa.int64())}), tmp_path / "t.parquet")
    wanted = scrubbing.Wanted(("7",), "7", ",")
    assert scrubbing.rows_in(tmp_path / "t.parquet", wanted) == 1
    scrubbing.rewrite(tmp_path / "t.parquet", wanted)
    assert pq.read_table(tmp_path / "t.parquet")["user_id"].to_pylist() == [8, None]
