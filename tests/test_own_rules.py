"""A segment saved from the form stands in rules.toml as if written by hand, and nothing else there has changed."""

from __future__ import annotations

import tomllib
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.runs import own_rules, ruling
from helpers.show.controls import conditions
from helpers.show.controls.conditions import Conditions, Row

WHEN = "activity = 'high'"
FILES = {
    "none": None,
    "empty": "",
    "other sections": "# ours\n[pain.low_scores]\nrecommend = 6   # of 10\n",
    "own segments": "[segments]  # named\ncore = \"value = 'high'\"\n\n# about tags\n[tags]\nweeks = 4\n",
    "windows": "[activity]\r\nhigh = 10\r\n",
    "no last line end": '[segments]\nmine = "resurrected"',
    "empty section": "[segments]\n[activity]\nhigh = 9\n",
}


@pytest.fixture(params=FILES.values(), ids=FILES)
def dataset(request, tmp_path):
    if request.param is not None:
        (tmp_path / "rules.toml").write_bytes(request.param.encode())
    return SimpleNamespace(folder=tmp_path)


def test_a_saved_segment_changes_nothing_else_and_taken_back_the_file_is_as_it_was(dataset):
    path = dataset.folder / "rules.toml"
    before = path.read_bytes() if path.exists() else None
    kept = own_rules.save(dataset, {}, "the 上海 crowd", WHEN)
    lines = path.read_text("utf-8").splitlines()
    assert lines[kept.line - 1] == kept.text == f'"the 上海 crowd" = "{WHEN}"'
    expected = tomllib.loads((before or b"").decode())
    expected.setdefault("segments", {})["the 上海 crowd"] = WHEN
    assert tomllib.loads(path.read_bytes().decode()) == expected
    assert [line for line in (before or b"").decode().splitlines() if line not in lines] == []
    own_rules.drop(dataset, "the 上海 crowd")
    assert (path.read_bytes() if path.exists() else None) == before


def test_after_another_change_only_the_line_goes(dataset):
    path = dataset.folder / "rules.toml"
    own_rules.save(dataset, {}, "mine too", WHEN)
    path.write_bytes(path.read_bytes() + b"# later\n")
    changed = path.read_bytes().decode()
    own_rules.drop(dataset, "mine too")
    assert path.read_bytes().decode() == "".join(
        line for line in changed.splitlines(keepends=True) if not line.startswith('"mine too"')
    )


@pytest.mark.parametrize(
    ("name", "condition", "says"),
    [
        ("", WHEN, "Give it a name"),
        ("x\ny", WHEN, "Give it a name"),
        ("core", WHEN, "of this name already"),
        ("x", "", "empty"),
        ("x", "activty = 'high'", 'Did you mean "activity"'),
        ("x", "activity = 'hihg'", 'never "hihg"'),
        ("x", "activity >= 3", "compares"),
        ("x", "1; DROP TABLE segments", "segments"),
        ("x", "user_id IN (SELECT user_id FROM segments)", "segments"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(tmp_path, name, condition, says):
    with pytest.raises(InputError, match=says):
        own_rules.save(SimpleNamespace(folder=tmp_path), {"core": WHEN}, name, condition)
    assert not list(tmp_path.iterdir())


def test_a_file_written_in_another_way_is_left_to_its_owner(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text("segments.core = \"value = 'high'\"\n")
    with pytest.raises(InputError, match="by hand"):
        own_rules.save(SimpleNamespace(folder=tmp_path), {}, "x", WHEN)
    assert path.read_text() == "segments.core = \"value = 'high'\"\n"


COLUMNS = {
    "activity": ("string", ("high", "none")), "city": ("string", ()), "active_days": ("int64", ()), "net_90": ("decimal", ()),
    "resurrected": ("boolean", ()),
}  # fmt: skip
ROWS = st.lists(
    st.one_of(
        st.builds(Row, st.just("activity"), st.sampled_from(["is", "is_not", "known"]), st.sampled_from(["high", "none"])),
        st.builds(Row, st.just("city"), st.sampled_from(["is", "is_not", "unknown"]),
                  st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8).filter(str.strip)),
        st.builds(Row, st.just("active_days"), st.sampled_from(["at_least", "less", "known"]), st.integers(0, 28).map(str)),
        st.builds(Row, st.just("net_90"), st.sampled_from(["more", "equals"]), st.decimals(-9, 9, places=2).map(str)),
        st.builds(Row, st.just("resurrected"), st.sampled_from(["true", "false"])),
    ).flatmap(lambda row: st.sampled_from(["AND", "OR"]).map(lambda join: row._replace(join=join))),
    min_size=1, max_size=5,
)  # fmt: skip


@settings(deadline=None, max_examples=30)
@given(ROWS)
def test_every_form_gives_a_condition_that_rules_accept_and_toml_keeps(rows):
    made = conditions.sql(rows, Conditions(COLUMNS))
    assert ruling.of_segment("x", made) == []
    text, _ = own_rules._added("", f"{own_rules._quoted('x')} = {own_rules._quoted(made)}")
    assert tomllib.loads(text) == {"segments": {"x": made}}


def test_and_binds_before_or_and_the_brackets_show_it():
    rows = [Row("resurrected", "true"), Row("active_days", "at_least", "4"), Row("activity", "is", "high", "OR"),
            Row("resurrected", "false", join="AND")]  # fmt: skip
    said = conditions.sql(rows, Conditions(COLUMNS))
    assert said == "(resurrected AND active_days >= 4) OR (activity = 'high' AND NOT resurrected)"


@pytest.mark.parametrize("value", ["x' OR '1'='1", "'; DROP TABLE t; --", "上海", "\\"])
def test_a_text_stays_a_text(value):
    import duckdb

    made = conditions.sql([Row("city", "is", value)], Conditions(COLUMNS))
    assert duckdb.execute(f"SELECT count(*) FROM (SELECT unnest(?) AS city) WHERE {made}", [[value, "other"]]).fetchone() == (1,)
