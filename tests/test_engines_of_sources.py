"""Rows of sources as DuckDB reads them and as Spark does: the same, whatever the columns hold."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import logs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from engines import Engines, _equal

from helpers.errors import InputError
from helpers.problems import FaultyData
from helpers.sources import engine as engine_of
from helpers.sources import privacy
from helpers.sources.spark import dialect

pytestmark = pytest.mark.hard
pytest_plugins = [
    "engines",
]  # fmt: skip
NUMBERS = itertools.count()


@dataclass
class Both:
    """One dataset on both engines."""

    ours: logs.Shop
    theirs: logs.Shop

    def agree(self, kind: str = "events", **options) -> list[dict]:
        """The rows of a kind, which are the same on both."""
        here, there = (shop.records(kind, **options) for shop in (self.ours, self.theirs))
        assert len(here) == len(there)
        apart = [
            {column: (ours[column], theirs.get(column)) for column in ours if not _equal(ours[column], theirs.get(column))}
            for ours, theirs in zip(here, there, strict=True)
        ]
        assert not any(apart), next(filter(None, apart))
        assert [list(row) for row in here] == [list(row) for row in there]
        return here


@pytest.fixture
def both(engines: Engines):
    """Makes a dataset of Parquet files on both engines."""

    def make(text: str, **tables: pa.Table) -> Both:
        folder = engines.folder / f"shop{next(NUMBERS)}"
        for name, table in tables.items():
            path = folder / (name.replace("__", "/") + ".parquet")
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path)
        return Both(logs.Shop(folder, engines.duckdb, text), logs.Shop(folder, engines.spark, text))

    return make


def events(column: str, values: list, of: pa.DataType | None = None, **others) -> pa.Table:
    """Rows that differ in one column, and in the others that are named."""
    made = {"uid": [f"u{n}" for n in range(len(values))], "time": ["2026-03-02"] * len(values), "type": ["view"] * len(values)}
    made |= {column: pa.array(values, of)}
    return pa.table(made | others)


TIMES = [
    "2026-03-02", "2026-03-02 10:00:00", "2026-03-02T10:00:00", "2026-03-02 10:00:00.5", "2026-03-02 10:00:00.123456789",
    "2026-03-02T10:00:00Z", "2026-03-02 10:00:00+08", "2026-03-02 10:00:00+0830", "2026-03-02T10:00:00.25-08:30", " 2026-03-02 ",
    "2026-02-30", "2026-03-02 24:00:00", "2026-03-02 10:00", "2026-3-2", "02.03.2026", "now", "", None, "1899-12-31 23:59:59",
    "1712-01-03", "2199-12-31 23:59:59", "2026-03-02 10:00:00+19", "2026-03-02\t10:00:00", "２０２６-03-02",
]  # fmt: skip


def test_texts_are_the_same_instants(both):
    both(logs.toml(file="e.parquet"), e=events("time", TIMES)).agree(whole=False)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
def test_hours_left_out_and_struck_twice_are_the_same(both, zone):
    turns = [datetime(2026, *day) for day in ((3, 8), (3, 29), (4, 5), (10, 4), (10, 25), (11, 1))]
    local = [turn + timedelta(minutes=15 * n) for turn in turns for n in range(20)]
    texts = [f"{time}" for time in local]
    rows = both(logs.toml(file="e.parquet", zone=zone), e=events("time", texts)).agree(whole=False)
    assert any(row["_odd"] for row in rows) is (zone not in ("UTC", "Asia/Kolkata"))
    both(logs.toml(file="e.parquet", zone=zone), e=events("time", local, pa.timestamp("us"))).agree(whole=False)
    aware = [time.replace(tzinfo=UTC) for time in local]
    both(logs.toml(file="e.parquet", zone=zone), e=events("time", aware, pa.timestamp("us", "UTC"))).agree(whole=False)


EPOCHS = [
    "0", "1700000000", "1700000000.123456", "1700000000123", "1700000000123456", "1700000000123456999", "-1", " 5 ", "1e9",
    "9000000000000000", "9" * 30, "1.7e9", "abc", "１", "0.0000019", None,
]  # fmt: skip


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_counts_since_1970_are_the_same_instants(both, unit):
    text = logs.toml(f'ts_unit = "{unit}"', file="e.parquet")
    both(text, e=events("time", EPOCHS)).agree(whole=False)
    both(text, e=events("time", [0, 1_700_000_000, 1_700_000_000_123, -1, 2**62], pa.int64())).agree(whole=False)
    both(text, e=events("time", [0.5, 1_700_000_000.123456, 1e9, float("nan"), -1.0], pa.float64())).agree(whole=False)


FORMS = {
    "%Y-%m-%d": ["2026-03-02", "2026-3-2", " 2026-03-02 ", "2026-03-02x", "2026-02-30", "2026-003-02", "", None],
    "%d/%m/%y %H:%M": ["02/03/26 10:05", "2/3/69 1:5", "02/03/68  23:59", "02/03/2626 10:05", "02/03/26T10:05", "32/03/26 10:05"],
    "%Y%m%d%H%M%S": ["20260302100500", "2026030210050", "202603021005", "20260302 100500"],
    "%d %b %Y %I:%M %p": [
        "2 Mar 2026 12:30 AM", "2 mar 2026 12:30 pm", "2 March 2026 1:30 PM", "2 Mar 2026 13:30 PM", "2 Mar 2026 0:30 AM",
    ],
    "%A, %B %d, %Y %I:%M:%S.%f %p": ["Monday, March 2, 2026 01:02:03.5 PM", "Mon, March 2, 2026 01:02:03.5 PM"],
    "%Y-%m-%dT%H:%M:%S.%f%z": [
        "2026-03-02T10:00:00.5+08", "2026-03-02T10:00:00.123456-0530", "2026-03-02T10:00:00.5Z", "2026-03-02T10:00:60.5+08",
    ],
    "%Y年%-m月%-d日": ["2026年3月2日", "2026年03月02日", "2026-03-02"],
    "%Y-%j": ["2026-060", "2026-366", "2026-1"],
    "%c": ["2026-03-02 10:00:00"],
    "%m.%d.%Y %H:%M:%S.%g": ["03.02.2026 10:00:00.25", "03.02.2026 10:00:00.2512"],
}  # fmt: skip


def test_forms_of_times_are_read_the_same(both):
    """Each form has a column of its own, of units, which take as many attributes as one likes."""
    longest = max(map(len, FORMS.values()))
    cells = {f"a{n}": [*texts, *[None] * (longest - len(texts))] for n, texts in enumerate(FORMS.values())}
    mapped = "".join(f"b{n} = \"try_strptime(a{n}, '{form}')\"\n" for n, form in enumerate(FORMS))
    text = logs.HEADER.format(zone="UTC", top="") + f'[units.forms]\nfile = "t.parquet"\nvariant = "a0"\n{mapped}'
    rows = both(text, t=pa.table(cells)).agree("units")
    assert all(any(row[f"b{n}"] for row in rows) for n in range(len(FORMS)))


def test_the_form_of_a_source_is_read_in_its_zone(both):
    text = logs.toml("ts_format = '%d/%m/%y %H:%M'", file="e.parquet", zone="Europe/Berlin")
    rows = both(text, e=events("time", [*FORMS["%d/%m/%y %H:%M"], "25/10/26 02:30"])).agree(whole=False)
    assert [row["hour"] for row in rows][-1] == 2


AMOUNTS = [
    "0", "1", "-1.5", "+3", "0.00005", "0.00015", "-0.00005", "1e3", "1.5E-3", ".5", "5.", "1e999", "1e-400",
    "99999999999999.99995", "999999999999999999999999.9999", "1e25", "1,000", "12€", "NaN", "Infinity", "1d", "0x10", "１", " 7 ",
    "\u00a07\u3000", "\t7", "", None, "true", "1e", "--1", "1.2.3", "00012.50",
]  # fmt: skip


def test_amounts_and_numbers_are_the_same(both):
    text = logs.toml('amount = "fee"\nduration_s = "fee"\ndiscount = "fee * 3"', file="e.parquet")
    both(text, e=events("fee", AMOUNTS)).agree(whole=False)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.float64(), [0.1, 2.67505, 1e10, 1e16, 1.5e-7, 123456789.123456, -0.00005, float("nan"), float("inf"), None, 1e300]),
        (pa.float32(), [0.1, 2.67505, 1e10, 16777216.0, 1.5e-7, None]),
        (pa.decimal128(38, 10), [Decimal("1.00005"), Decimal("-2.00015"), Decimal("1e25"), Decimal("0.0000000001"), None]),
        (pa.int64(), [2**62, -(2**62), 0, 12, None]), (pa.uint64(), [2**63, 5, None]), (pa.int8(), [1, -1, None]),
        (pa.bool_(), [True, False, None]), (pa.date32(), [date(2026, 3, 2), None]),
        (pa.timestamp("us"), [datetime(2026, 3, 2, 10, 0, 0, 500), None]),
        (pa.timestamp("ns", "UTC"), [datetime(2026, 3, 2, 10, 0, 0, 500), None]),
        (pa.dictionary(pa.int32(), pa.string()), ["a", "b", None]), (pa.large_string(), ["a", None]),
    ],
)  # fmt: skip
def test_columns_of_every_type_become_the_same_amounts_texts_and_ids(both, kind, values):
    more = 'amount = "fee"\nduration_s = "fee"\ntopic = "fee"\nsession_id = "fee || \'-\'"\ndiscount = "fee / 3"'
    text = logs.toml(more, file="e.parquet").replace('user_id = "uid"', 'user_id = "fee"')
    both(text, e=events("fee", values, kind)).agree()


IDS = [
    "u1", " u1", "u1 ", "U1", "", " ", "\t", "\x0b", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u2028", "é", "e\u0301", "用户",
    "😀", "NA", "null", "007", "1e5", "a'b", 'a"b', "a\\b", "a\nb", "a\x00b", None, "${spark.master}", "x" * 300,
]  # fmt: skip


def test_ids_become_the_same_pseudonyms(both):
    rows = both(logs.toml(file="e.parquet"), e=events("uid", IDS)).agree()
    assert len({row["user_id"] for row in rows if row["user_id"]}) == 20


def test_ids_that_are_kept_as_they_are_are_the_same(both):
    after = "[privacy]\npseudonymise = false\n[cleaning.exclude_users]\nu1 = 'a test'\nNA = 'nobody'"
    both(logs.toml(file="e.parquet", after=after), e=events("uid", IDS)).agree()


EXPRESSIONS = [
    "fee / 100.0", "fee * 2.5 + 1", "fee - fee % 7", "-fee", "abs(fee)", "round(fee, 2)", "floor(fee)", "ceil(fee)",
    "trunc(fee)", "sign(fee)", "fee * fee", "fee / 7", "fee / fee", "greatest(fee, 2)", "least(fee, 10)", "coalesce(fee, 0)",
    "nullif(fee, 1)", "CASE WHEN fee > 1 THEN fee ELSE 0 END", "CASE kind WHEN 'a' THEN 1 WHEN 'A' THEN 2.5 END",
    "if(fee >= 2, 1, 0)", "CAST(fee AS INTEGER)", "CAST(fee AS DOUBLE)", "length(kind)", "strpos(kind, 'b')", "year(at)",
    "hour(at)", "second(at)", "extract(dow from at)", "extract(isodow from at)", "extract(week from at)",
    "extract(epoch from at)", "epoch(at)", "date_diff('hour', at, '2026-03-02 00:30:00')",
    "date_diff('month', at, '2026-05-01')", "date_diff('week', at, '2026-05-01')",
    "epoch(CAST(at AS TIMESTAMP) - CAST('2026-03-01' AS TIMESTAMP))", "TRY_CAST(kind AS DECIMAL(10, 2)) + fee",
]  # fmt: skip
TEXTS = [
    "lower(kind)", "upper(kind)", "trim(kind)", "substring(kind, 2, 2)", "substring(kind, 0, 2)", "left(kind, 2)",
    "left(kind, -1)", "right(kind, -1)", "replace(kind, 'a', '$1')", "translate(kind, 'ab', 'x')", "concat(kind, '-', fee)",
    "concat_ws('/', kind, fee, 1)", "kind || fee", "split_part(kind, '-', 2)", "split_part(kind, '-', -1)", "lpad(kind, 4, '0')",
    "md5(kind)", "sha256(kind)", "regexp_extract(kind, '([a-z])(-)?', 2)", "regexp_replace(kind, '[a-z]', '<\\\\0>')",
    "regexp_replace(kind, '[a-z]', '$', 'g')", "json_extract_string(CASE WHEN kind LIKE '{%' THEN kind END, '$.a')",
    "strftime(CAST(at AS TIMESTAMP), '%Y/%-m %H%% %b %G-%V')", "date_trunc('week', at)", "CAST(at AS DATE)",
    "CAST(at AS TIMESTAMP) + INTERVAL 1 DAY", "CAST(at AS TIMESTAMP) AT TIME ZONE 'Europe/Berlin'", "to_timestamp(fee)",
    "round(fee, 1)", "fee > 1", "at",
]  # fmt: skip
CONDITIONS = [
    "fee > 1", "kind = 'a'", "kind LIKE 'a%'", "kind LIKE 'x\\\\y'", "kind ILIKE 'A%'", "regexp_matches(kind, '^a.b$')",
    "regexp_full_match(kind, '[[:alpha:]-]+')", "kind SIMILAR TO 'a.*'", "kind IN ('a', 'b-c')", "fee BETWEEN 1 AND 2",
    "kind IS NULL OR NOT fee > 2", "at > '2026-03-02 10:00:00'", "contains(kind, 'b') AND starts_with(kind, 'a')",
    "kind IS DISTINCT FROM 'a'", "kind <> 'a'", "CAST(at AS TIMESTAMP) < '2026-03-02 12:00:00'", "CAST(fee AS BOOLEAN)",
]  # fmt: skip
CELLS = {
    "fee": [
        "0", "1", "1.5", "-2.5", "2.5", "33.3333335", "100", "0.0000005", "1e2", " 7 ", "abc", "", None, "99999999", "1",
        "true", "12",
    ],
    "kind": [
        "a", "A", "b-c", "a-b-c", "x\\y", "a\nb", "aäb", "", None, " a ", "{\"a\": \"1\"}", "日本語", "$1", "3.14159", "abcdef",
        "ab", "a.b",
    ],
    "at": [
        "2026-03-02", "2026-03-02 10:00:00", "2026-03-02 23:59:59.5", "2026-3-2", "2026/03/02", "2026-03", "x", "", None,
        "2025-12-31", "2026-02-28 12:30:15", "2026-03-29 02:30:00", "2026-10-25 02:30:00", "2026-03-02T10:00:00Z", "2024-02-29",
        "1999-01-01", "2026-03-01",
    ],
}  # fmt: skip


def test_expressions_of_every_kind_give_the_same(both):
    """All in one block of units, which takes as many attributes as one likes."""
    draw = random.Random(5)
    rows = {name: [*cells, *(draw.choice(cells) for _ in range(60))] for name, cells in CELLS.items()}
    judged = [f"CASE WHEN {own} THEN 'yes' END" for own in CONDITIONS]
    written = {f"x{n}": sql for n, sql in enumerate([*EXPRESSIONS, *TEXTS, *judged])}
    block = "".join(f'{name} = """{sql}"""\n' for name, sql in written.items())
    block = f'[units.tries]\nfile = "t.parquet"\nvariant = "kind"\nwhere = "fee IS NOT NULL"\n{block}'
    text = logs.HEADER.format(zone="UTC", top="") + block
    found = both(text, t=pa.table(rows)).agree("units")
    assert all(any(row[name] is not None for row in found) for name in written)


def test_amounts_by_expression_are_the_same(both):
    for sql in ("fee / 100.0", "fee * 1.19", "fee / 7", "CAST(fee AS DOUBLE) * 1.1", "if(kind = 'a', fee, -fee)"):
        fees = [f"{random.Random(n).randint(-(10**7), 10**7) / 1000}" for n in range(200)]
        table = events("fee", [*fees, "x", "", None], kind=pa.array(["a", "b", None] * 67 + ["a", "a"]))
        both(logs.toml(f'amount = "{sql}"', file="e.parquet"), e=table).agree(whole=False)


def test_rows_that_stand_twice_are_the_same_over_parts_with_other_columns(both):
    first = pa.table({"uid": ["a", "a", "b", None, None], "time": ["2026-03-02"] * 5, "type": ["view", "view", "view", "x", "x"]})
    more = pa.table({"type": ["view", "view"], "UID": ["a", "b"], "time": ["2026-03-02"] * 2, "fee": [1.5, None]})
    number = pa.table({"uid": [7, 7], "time": ["2026-03-02"] * 2, "type": ["view"] * 2, "fee": ["1.50", "x"]})
    text = logs.toml('amount = "fee"', file="e")
    tables = {"e__part-1": first, "e__part-10": more, "e__part-2": number, "e__k=v": first, "e__a b+%20ü": first}
    rows = both(text, **tables).agree()
    assert sum(row["_duplicate"] for row in rows) == 5 + 3 + 5
    assert len({row["_file"] for row in rows}) == 5


def test_folders_that_name_a_day_are_a_column(both):
    rows = pa.table({"uid": ["a", "b"], "type": ["view", "view"]})
    text = logs.toml('topic = "n || zip || kind"', file="e").replace('ts = "time"', 'ts = "day"')
    found = both(text, **{f"e__day=2026-03-0{n}__n={n}__zip=0{n}__kind=a%20b__p": rows for n in (1, 2)}).agree()
    assert [(row["day"].day, row["topic"]) for row in found] == [(1, "101a b"), (1, "101a b"), (2, "202a b"), (2, "202a b")]


def test_who_wants_to_be_forgotten_is_the_same(both):
    mails = ["x@y.org", "y@z.org", "q@z.org"]
    users = pa.table({"uid": ["a", "b", "c"], "inviter": ["b", None, "a"], "mail": mails, "city": ["x", " ", None]})
    mapped = {"file": "u.parquet", "user_id": "uid", "referrer_id": "inviter", "city": "city", "contact": "mail"}
    text = logs.toml(file="e.parquet") + "[users]\n" + "".join(f'{name} = "{column}"\n' for name, column in mapped.items())
    shop = both(text, e=events("uid", ["a", "b", "a "]), u=users)
    key = privacy.key(shop.ours.found)
    shop.ours.built.mkdir()
    (shop.ours.built / privacy.FORGOTTEN).write_text(f"pseudonym,key\n{shop.ours.pseudonym('a')},{privacy.key_id(key)}\n")
    assert [row["_excluded"] for row in shop.agree("users")] == ["forgotten", None, None]
    shop.agree("events")


def test_lists_and_times_that_differ_are_refused_alike(both):
    nested = both(logs.toml('topic = "tags"', file="e.parquet"), e=events("tags", [["a"], None]))
    apart = {"e__1": events("time", [datetime(2026, 3, 2)], pa.timestamp("us")), "e__2": events("time",
    [datetime(2026, 3, 2, tzinfo=UTC)], pa.timestamp("us", "UTC"))}
    differ = both(logs.toml(file="e"), **apart)
    for shop in (nested, differ):
        with pytest.raises(FaultyData) as here:
            shop.ours.rows()
        with pytest.raises(FaultyData) as there:
            shop.theirs.rows()
        assert there.value.problems == here.value.problems


def test_columns_that_nobody_maps_may_be_of_any_type(both):
    table = events("tags", [["a"], None, ["a"]], m=pa.array([[("k", 1)], None, [("k", 1)]], pa.map_(pa.string(), pa.int64())))
    both(logs.toml(file="e.parquet"), e=table).agree()


def test_a_file_with_times_of_a_day_is_refused_on_spark_with_the_remedy(both):
    shop = both(logs.toml(file="e.parquet"), e=events("time", TIMES[:2], at=pa.array([1, 2], pa.time64("us"))))
    assert len(shop.ours.records()) == 2
    with pytest.raises(InputError, match=r"e\.parquet: Spark cannot read a file with times of a day \(at\)\. Write .* as text"):
        shop.theirs.records()


def test_a_csv_on_spark_is_refused_with_the_remedy(tmp_path):
    shop = logs.Shop(tmp_path, None, logs.toml(top='engine = { spark = "local[2]" }'))
    (tmp_path / "events.csv").write_text("uid,time,type\n")
    with pytest.raises(InputError, match=r'(?s)block 1: file = "events.csv".*neither.*COPY.*engine = "duckdb"'):
        _ = shop.parts


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("topic = \"regexp_extract(a, b)\"", "regular expression must be written out"),
        ("topic = \"CAST(a AS TIME)\"", "no type for the time of a day"),
        ("ts_format = '%Y %U'", '"%U" in "%Y %U" cannot be read'),
        ("where = \"regexp_matches(a, '[[:^alpha:]]')\"", "write the letters"),
    ],
)
def test_what_spark_has_no_words_for_is_told_with_its_key(tmp_path, more, said):
    with pytest.raises(InputError, match=r"block 1: (topic|ts_format|where)") as caught:
        logs.Shop(tmp_path, None, logs.toml(more, top='engine = { spark = "local[2]" }', file="e.parquet"))
    assert said in str(caught.value)


PATTERNS = [
    r"\bb", r"a.b", r"a$", r"(?i)Ä", r"(?s)a.b", r"(?m)^b$", r"[[:alpha:]&&]", r"[]a]", r"[^]a]+$", r"\p{Greek}|\pZ", r"\Qa.b\E",
    r"\x{200B}", r"(?P<one_two>a)b", r"[\s]", r"\S\s\S", r"a|\d{2,}?", r"\.",
]  # fmt: skip
SUBJECTS = [
    "a b", "a.b", "a\nb", "ä", "Ä", "ab\n", "a\n", "[", "&", "]", "Ω", "\u3000", "\u200b", "a\x0bb", "a\u2028b", "x12", "b", "",
    "AB", "a\r",
]  # fmt: skip


def test_regular_expressions_mean_the_same_in_both(engines):
    asked = ", ".join(f"regexp_matches(x, {engine_of.quote(pattern)}) AS c{n}" for n, pattern in enumerate(PATTERNS))
    rows = ", ".join(f"({n}, {engine_of.quote(text)})" for n, text in enumerate(SUBJECTS))
    sql = f"SELECT {asked} FROM (VALUES {rows}) AS t(n, x) ORDER BY n"
    assert engines.spark.con.execute(sql).fetchall() == engines.duckdb.con.execute(sql).fetchall()


def test_a_condition_of_rules_toml_divides_and_casts_as_duckdb_does():
    assert dialect.in_words_of_spark("SELECT 1 / x", dialect="duckdb") == "SELECT CAST(1 AS DOUBLE) / CAST(x AS DOUBLE)"
    assert dialect.in_words_of_spark("SELECT `x`") == "SELECT `x`"


def test_a_table_of_the_catalogue_gives_the_rows_of_the_same_file(engines, both):
    """But for their places: a table has no lines, and of rows that are equal any is the first."""
    extra = pa.array([[("k", 1)], None, None, []], pa.map_(pa.string(), pa.int64()))
    table = events("fee", ["1", "2", "2", "x"], uid=["a", "b", "b", ""], extra=extra)
    text = logs.toml('amount = "fee"', file="e.parquet")
    shop = both(text, e=table)
    number = next(NUMBERS)
    session = engines.spark._session
    session.sql(f"CREATE DATABASE shop{number}")
    session.read.parquet(str(shop.theirs.folder / "e.parquet")).write.saveAsTable(f"shop{number}.events")
    asked = text.replace('file = "e.parquet"', f'table = "shop{number}.events"')
    asked = asked.replace("timezone", 'engine = { spark = "local[2]" }\ntimezone')
    (shop.theirs.folder / "table").mkdir()
    of_table = logs.Shop(shop.theirs.folder / "table", engines.spark, asked)
    places = ("_line", "_byte", "_file", "_source")

    def facts(rows: list[dict]) -> list[str]:
        return sorted(str({name: cell for name, cell in row.items() if name not in places}) for row in rows)

    assert facts(of_table.records()) == facts(shop.agree())
    (part,) = of_table.parts
    assert (part.label, part.is_table, part.is_parquet) == (f"shop{number}.events", True, False)


def test_units_of_a_table_are_as_many_as_it_has_rows(engines, tmp_path):
    session, number = engines.spark._session, next(NUMBERS)
    session.sql(f"CREATE TABLE units{number} USING parquet AS SELECT * FROM VALUES ('a', 1), ('a', 1), ('b', 2) AS t(arm, paid)")
    top = 'timezone = "UTC"\nengine = { spark = "local[2]" }\n'
    asked = f'{top}[units.tries]\ntable = "units{number}"\nvariant = "arm"\npaid = "paid"\n'
    rows = logs.Shop(tmp_path, engines.spark, asked).records("units")
    assert len({row["unit_id"] for row in rows}) == 3
    assert sorted((row["variant"], row["paid"], row["_duplicate"]) for row in rows) == [
        ("a", "1", False), ("a", "1", False), ("b", "2", False),
    ]  # fmt: skip


def test_a_table_that_is_not_there_is_told_with_the_nearest(engines, tmp_path):
    number = next(NUMBERS)
    engines.spark._session.sql(f"CREATE TABLE eventful{number} USING parquet AS SELECT 'a' AS uid")
    asked = logs.toml().replace('file = "events.csv"', f'table = "default.eventfull{number}"')
    shop = logs.Shop(tmp_path, engines.spark, asked.replace("timezone", 'engine = { spark = "local[2]" }\ntimezone'))
    with pytest.raises(InputError, match=rf'no table "default.eventfull{number}". Did you mean "default.eventful{number}"'):
        _ = shop.parts
