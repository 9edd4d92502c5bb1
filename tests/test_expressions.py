"""Right-hand sides of dataset.toml: what may be written, which columns it means, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.sources import expressions

PLACE = "data/shop/dataset.toml: [[events]] block 1: amount"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def complaint(sql: str, *, condition: bool = False) -> str:
    with pytest.raises(InputError) as caught:
        expressions.parse(sql, PLACE, condition=condition)
    return str(caught.value)


def test_a_bare_column_stays_text_and_is_quoted():
    made = expressions.parse("uid")
    assert (made.sql(), made.columns, made.numeric_columns) == ('"uid"', ("uid",), ())


ODD_NAMES = ["用户 ID", "user id", "user-id", "a.b", "Id (new)", "select", "null", "fee / 100", '名"字', "“x”"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_text_that_is_whole_a_column_means_that_column(name):
    try:
        made = expressions.parse(name)
    except InputError:  # what looks like SQL needs double quotes
        made = expressions.parse(identifier(name))
    bound = made.bind(["other", name])
    assert bound.columns == (name,)
    assert bound.sql() == identifier(name)


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


def test_comments_are_dropped():
    assert expressions.parse("fee -- in cents; really\n").sql() == '"fee"'
    assert "/*" not in expressions.parse("lower(a /* x */)").sql()


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_in_our_words(text):
    try:
        made = expressions.parse(text, PLACE)
    except InputError as fault:
        assert str(fault).startswith(PLACE)
    else:
        assert made.sql()
