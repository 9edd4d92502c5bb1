"""Right-hand sides of dataset.toml: what may be written, what it becomes, and that it computes the right thing on text."""

from __future__ import annotations

from decimal import Decimal

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.sources import expressions

PLACE = "data/shop/dataset.toml: [[events]] block 1: amount"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def value(sql: str, row: dict[str, str | None], *, what: str = "sql", condition: bool = False):
    """What an expression gives on one row of text columns, in DuckDB."""
    bound = expressions.parse(sql, condition=condition).bind(list(row))
    columns = ", ".join(f"CAST(? AS VARCHAR) AS {identifier(name)}" for name in row)
    text = bound.sql() if what == "sql" else bound.bad_cast_sql()
    return duckdb.execute(f"SELECT {text} FROM (SELECT {columns})", list(row.values())).fetchone()[0]


def is_bad(sql: str, row: dict[str, str | None]) -> bool:
    return value(sql, row, what="bad")


def complaint(sql: str, *, condition: bool = False) -> str:
    with pytest.raises(InputError) as caught:
        expressions.parse(sql, PLACE, condition=condition)
    return str(caught.value)


def test_a_bare_column_stays_text_and_is_quoted():
    made = expressions.parse("uid")
    assert (made.sql(), made.columns, made.numeric_columns) == ('"uid"', ("uid",), ())
    assert value("uid", {"uid": "00123"}) == "00123"


ODD_NAMES = ["用户 ID", "user id", "user-id", "a.b", "Id (new)", "select", "null", "fee / 100", '名"字', "“x”"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_text_that_is_whole_a_column_means_that_column(name):
    try:
        made = expressions.parse(name)
    except InputError:  # what looks like SQL needs double quotes
        made = expressions.parse(identifier(name))
    bound = made.bind(["other", name])
    assert bound.columns == (name,)
    assert duckdb.execute(f"SELECT {bound.sql()} FROM (SELECT 'here' AS {identifier(name)})").fetchone()[0] == "here"


def test_columns_are_found_whatever_their_case_and_outer_blanks_when_one_only_fits():
    assert expressions.parse("UID").bind([" uid ", "other"]).sql() == '" uid "'
    assert expressions.parse("ID").bind(["id", "ID"]).sql() == '"ID"'
    with pytest.raises(InputError, match=r'Several columns answer to "Id": id, ID'):
        expressions.parse("Id").bind(["id", "ID"])


def test_a_missing_column_is_told_with_those_found_and_the_nearest():
    with pytest.raises(InputError) as caught:
        expressions.parse("user_idd", PLACE).bind(["user_id", "time", "type"])
    told = str(caught.value)
    assert told.startswith(f'{PLACE} = "user_idd"')
    assert 'no column "user_idd"' in told
    assert "user_id, time, type" in told
    assert 'Did you mean "user_id"?' in told


def test_a_constant_without_its_quotes_is_explained():
    with pytest.raises(InputError, match="put it in single quotes"):
        expressions.parse("purchase").bind(["uid", "time"])


def test_arithmetic_and_comparison_with_numbers_cast_and_nothing_else_does():
    made = expressions.parse("CASE WHEN kind = 'a' AND place > 3 THEN price * pieces END")
    assert made.columns == ("kind", "place", "price", "pieces")
    assert made.numeric_columns == ("place", "price", "pieces")


@pytest.mark.parametrize(
    ("sql", "row", "expected"),
    [
        ("fee / 100.0", {"fee": "1999"}, Decimal("19.99")),
        ("fee / 100", {"fee": " 1999 "}, Decimal("19.99")),
        ("Quantity * UnitPrice", {"Quantity": "-3", "UnitPrice": "2.55"}, Decimal("-7.65")),
        ("a * b * c", {"a": "1.5", "b": "2", "c": "0.1"}, Decimal("0.3")),
        ("a / b", {"a": "1", "b": "0"}, None),
        ("a % b", {"a": "7", "b": "4"}, Decimal(3)),
        ("-a", {"a": "2.5"}, Decimal("-2.5")),
        ("COALESCE(fee, 0) + 1", {"fee": None}, Decimal(1)),
        ("NULLIF(fee, '') / 100", {"fee": ""}, None),
        ("REPLACE(fee, ',', '') / 100", {"fee": "1,999"}, Decimal("19.99")),
        ("CASE WHEN kind = 'refund' THEN -fee ELSE fee END", {"kind": "pay", "fee": "5"}, Decimal(5)),
        ("if(kind = 'pay', fee, 0)", {"kind": "view", "fee": "x"}, Decimal(0)),
        ("CASE kind WHEN 1 THEN 'ask' WHEN 2 THEN 'answer' END", {"kind": "2"}, "answer"),
        ("CASE WHEN no LIKE 'C%' THEN 'refund' ELSE 'purchase' END", {"no": "C1"}, "refund"),
        ("kind IN (1, 2)", {"kind": "2"}, True),
        ("kind NOT IN (1, 2)", {"kind": "2"}, False),
        ("a BETWEEN 9 AND 11", {"a": "10"}, True),
        ("a > 9", {"a": "10"}, True),
        ("ROUND(a, 1)", {"a": "1.26"}, Decimal("1.3")),
        ("lower(a) || '-' || b", {"a": "X", "b": "Y"}, "x-Y"),
        ("split_part(a, '/', 2)", {"a": "x/y"}, "y"),
        ("regexp_extract(a, '([0-9]+)', 1)", {"a": "id 17"}, "17"),
        ("json_extract_string(a, '$.city')", {"a": '{"city": "上海"}'}, "上海"),
        ("'comment'", {"a": "x"}, "comment"),
        ("to_timestamp(ms / 1000) = TIMESTAMPTZ '2023-11-14 22:13:20.5+00'", {"ms": "1700000000500"}, True),
        ("strftime(strptime(a, '%d.%m.%Y'), '%Y-%m-%d')", {"a": "31.12.2025"}, "2025-12-31"),
        ("year(a)", {"a": "2025-12-31 10:00:00"}, 2025),
        ("a >= DATE '2025-01-01'", {"a": "2024-12-31 23:59:59"}, False),
        ("CAST(a AS TIMESTAMP) + INTERVAL 8 HOUR > TIMESTAMP '2025-01-01 07:00:00'", {"a": "2025-01-01 00:00:00"}, True),
        ("flag AND a > 1", {"flag": "TRUE", "a": "2"}, True),
        ("flag = FALSE", {"flag": "true"}, False),
    ],
)
def test_an_expression_gives_on_text_what_a_reader_expects(sql, row, expected):
    assert value(sql, row) == expected


def test_what_does_not_cast_gives_nothing_and_is_told_from_what_is_blank():
    assert value("fee / 100", {"fee": "￥5"}) is None
    assert is_bad("fee / 100", {"fee": "￥5"}) is True
    assert is_bad("fee / 100", {"fee": "  "}) is False
    assert is_bad("fee / 100", {"fee": None}) is False
    assert is_bad("fee", {"fee": "￥5"}) is False
    for text in ("NaN", "inf", "1e400", "１２", "(5.00)", "1,000"):
        assert is_bad("fee * 1", {"fee": text}) is True


def test_a_branch_that_is_not_taken_is_not_judged():
    sql = "CASE WHEN kind = 'pay' THEN fee / 100 ELSE 0 END"
    assert is_bad(sql, {"kind": "view", "fee": "n/a"}) is False
    assert is_bad(sql, {"kind": "pay", "fee": "n/a"}) is True


def test_a_cast_or_a_time_that_fails_is_counted_and_stops_nothing():
    for sql, good in (("CAST(a AS INT)", "7"), ("a::DATE", "2025-01-01"), ("strptime(a, '%Y')", "2025")):
        assert value(sql, {"a": "word"}) is None
        assert is_bad(sql, {"a": "word"}) is True
        assert is_bad(sql, {"a": good}) is False
    assert is_bad("TRY_CAST(a AS INT)", {"a": "word"}) is False


REFUSED = {
    "read_text('/etc/passwd')": "read_text is not among",
    "getenv('HOME')": "getenv is not among",
    "current_setting('threads')": "current_setting is not among",
    "nextval('s')": "nextval is not among",
    "glob('*')": "glob is not among",
    "now()": "now is not among",
    "random()": "random is not among",
    "lower(uuid())": "uuid is not among",
    "lowr(a)": 'Did you mean "lower"?',
    "(SELECT 1)": "sub-query",
    "a IN (SELECT 1)": "sub-query",
    "EXISTS (SELECT 1)": "sub-query",
    "a + (SELECT max(x) FROM y)": "sub-query",
    "count(*)": "many rows",
    "sum(fee)": "many rows",
    "row_number() OVER ()": "many rows",
    "a; b": "without a semicolon",
    "a;": "without a semicolon",
    "*": "star",
    "a, b": "not SQL",
    "": "empty",
    "   ": "empty",
    "fee /": "not SQL",
    "lower(a": "not SQL",
    "$1": "parameter",
    "?": "parameter",
    "[1, 2]": "not a scalar",
    "a[1]": "not a scalar",
    "{'a': 1}": "not a scalar",
    "CAST(a AS STRUCT(b INT))": "casts to",
    "CAST(a AS nonsense)": "casts to",
    "EXTRACT(soul FROM a)": "no unit of time",
    "a >= DATE '2025-02-30'": "no date or time",
    "lower（a）＋1": "（",
    "1 + " * 3000 + "1": "at most",
    "DROP TABLE x": "not",
    "COPY x TO 'y'": "not",
    "ATTACH 'x'": "not",
    "SET threads = 1": "not",
    "PRAGMA version": "not",
    "INSTALL httpfs": "name",
}


@pytest.mark.parametrize(("sql", "told"), REFUSED.items(), ids=[str(number) for number in range(len(REFUSED))])
def test_whatever_is_not_a_scalar_expression_of_one_row_is_refused_with_the_place(sql, told):
    try:
        said = complaint(sql)
    except pytest.fail.Exception:  # two plain words may be a column's name, which only the file can tell
        with pytest.raises(InputError) as caught:
            expressions.parse(sql, PLACE).bind(["uid"])
        assert "no column" in str(caught.value)
        return
    assert said.startswith(PLACE)
    assert told in said


def test_deeply_nested_text_is_refused_without_a_crash():
    for text in ("(" * 1900 + "a" + ")" * 1900, "NOT " * 900 + "a"):
        try:
            expressions.parse(text, PLACE)
        except InputError as fault:
            assert str(fault).startswith(PLACE)


@pytest.mark.parametrize("sql", ["a + 1", "'x'", "1 + 1", "date_trunc('day', a)"])
def test_where_must_be_true_or_false(sql):
    assert "true or false" in complaint(sql, condition=True)


def test_where_may_be_a_column_of_flags():
    for bound in (expressions.parse("active", condition=True), expressions.parse("is active", condition=True)):
        made = bound.bind(["active", "is active"])
        assert "AS BOOLEAN" in made.sql()
        assert made.numeric_columns == made.columns


def test_columns_of_other_types_are_read_as_text_too():
    columns = "7::BIGINT AS n, TIMESTAMP '2025-01-05 10:00:00' AS t, TRUE AS flag, 2.5::DOUBLE AS x"
    expected = {
        "n || '!'": "7!", "n LIKE '7%'": True, "n = '7'": True, "n * x": Decimal("17.5"), "lower(flag)": "true",
        "t >= DATE '2025-01-05'": True, "hour(t)": 10, "CASE WHEN flag THEN 'y' END": "y", "CAST(n AS INT)": 7,
    }  # fmt: skip
    for sql, result in expected.items():
        bound = expressions.parse(sql).bind(["n", "t", "flag", "x"])
        row = duckdb.execute(f"SELECT {bound.sql()}, {bound.bad_cast_sql()} FROM (SELECT {columns})").fetchone()
        assert row == (result, False), sql


def test_comments_are_dropped():
    assert expressions.parse("fee -- in cents; really\n").sql() == '"fee"'
    assert "/*" not in expressions.parse("lower(a /* x */)").sql()


NAMES = ["a", "b", "用户 ID", 'od"d', "select"]
rows = st.lists(
    st.sampled_from(["", " 7 ", "-2.5", "x", "0", "1e9", "NaN", "999999999999", "-99999999999999"]),
    min_size=len(NAMES), max_size=len(NAMES),
).map(lambda texts: dict(zip(NAMES, texts, strict=True)))  # fmt: skip
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8).map(quoted)
columns = st.sampled_from(NAMES).map(identifier)
numbers = st.decimals(0, 999, places=2).map(str)


def grown(inner):
    pair = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(inner, st.sampled_from("+-*/%"), inner).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
        st.tuples(inner, st.sampled_from(["=", "<>", "<", ">="]), inner).map(
            lambda parts: f"CASE WHEN {parts[0]} {parts[1]} {parts[2]} THEN {parts[0]} ELSE {parts[2]} END"
        ),
        pair.map(lambda parts: f"COALESCE({parts[0]}, {parts[1]})"),
        pair.map(lambda parts: f"NULLIF({parts[0]}, {parts[1]})"),
        inner.map(lambda part: f"(- {part})"),
    )


sqls = st.recursive(st.one_of(columns, numbers), grown, max_leaves=8)


@settings(max_examples=150, deadline=None)
@given(st.one_of(sqls, texts), rows)
def test_what_an_expression_becomes_can_be_read_again_and_means_the_same(sql, row):
    once = expressions.parse(sql)
    again = expressions.parse(once.sql())
    assert again.columns == once.columns
    assert value(once.sql(), row) == value(sql, row)


@settings(max_examples=150, deadline=None)
@given(sqls, rows)
@example('("a" * "b") * ("a" * "select")', dict.fromkeys(NAMES, "999999999999"))
@example('("a" - "b") - ("a" * "b")', dict.fromkeys(NAMES, "-999999999999"))
def test_no_row_of_text_makes_an_expression_fail(sql, row):
    value(sql, row)
    assert is_bad(sql, row) in (True, False)


money = st.decimals(-(10**9), 10**9, places=2)


@settings(max_examples=150, deadline=None)
@given(money, money, st.decimals(-999, 999, places=2))
def test_sums_products_and_quotients_of_text_are_those_of_decimals(a, b, c):
    row = {"a": str(a), "b": f" {b} ", "c": str(c)}
    assert value("a + b", row) == a + b
    assert value("a - c - b", row) == a - c - b
    assert value("c * 1.19", row) == c * Decimal("1.19")
    assert round(value("a * c", row), 4) == a * c
    assert value("c / 100", row) == c / 100
    assert is_bad("a + b * c / 100", row) is False


def test_a_result_that_is_too_large_is_counted_as_bad_and_not_lost():
    row = {"a": "999999999999", "b": "999999999999"}
    assert value("a * b", row) is None
    assert is_bad("a * b", row) is True
    assert is_bad("COALESCE(a, 0) * b", row) is True


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_in_our_words(text):
    try:
        made = expressions.parse(text, PLACE)
    except InputError as fault:
        assert str(fault).startswith(PLACE)
    else:
        assert made.sql()
