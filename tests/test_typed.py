"""Types for expressions over text: that they compute what a reader expects, and lose nothing in silence."""

from __future__ import annotations

from decimal import Decimal

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.sources import expressions


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
        (
            "CAST(a AS TIMESTAMP) + INTERVAL 8 HOUR > TIMESTAMP '2025-01-01 07:00:00'",
            {"a": "2025-01-01 00:00:00"},
            True,
        ),
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


@settings(max_examples=60, deadline=None)
@given(st.one_of(sqls, texts), rows)
def test_what_an_expression_becomes_can_be_read_again_and_means_the_same(sql, row):
    once = expressions.parse(sql)
    again = expressions.parse(once.sql())
    assert again.columns == once.columns
    assert value(once.sql(), row) == value(sql, row)


@settings(max_examples=60, deadline=None)
@given(sqls, rows)
@example('("a" * "b") * ("a" * "select")', dict.fromkeys(NAMES, "999999999999"))
@example('("a" - "b") - ("a" * "b")', dict.fromkeys(NAMES, "-999999999999"))
def test_no_row_of_text_makes_an_expression_fail(sql, row):
    value(sql, row)
    assert is_bad(sql, row) in (True, False)


money = st.decimals(-(10**9), 10**9, places=2)


@settings(max_examples=25, deadline=None)
@given(money, money, st.decimals(-999, 999, places=2))
@example(Decimal("558947587.79"), Decimal(0), Decimal("499.43"))
def test_sums_products_and_quotients_of_text_are_those_of_decimals(a, b, c):
    row = {"a": str(a), "b": f" {b} ", "c": str(c)}
    assert value("a + b", row) == a + b
    assert value("a - c - b", row) == a - c - b
    assert value("c * 1.19", row) == c * Decimal("1.19")
    assert value("a * c", row) == value("c * a", row) == a * c
    assert value("c / 100", row) == c / 100
    assert is_bad("a + b * c / 100", row) is False


def test_a_result_that_is_too_large_is_counted_as_bad_and_not_lost():
    row = {"a": "999999999999", "b": "999999999999"}
    assert value("a * b", row) is None
    assert is_bad("a * b", row) is True
    assert is_bad("COALESCE(a, 0) * b", row) is True
