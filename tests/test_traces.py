"""Where a person is found: in rows set aside, in copies of sources, in notebooks and lists, in columns that nobody mapped."""

import csv
import shutil
import types

import people
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_forgetting import forget

from helpers.runs import keys
from helpers.sources import dataset, privacy, profile

WHO = people.PERSON


def test_rows_set_aside_go_when_a_cell_is_the_id_or_the_sources_say_whose_they_are(shop, week):
    [part] = [part for part in profile.parts(dataset.load(shop)) if part.label == "users.csv"]
    lines = [f"{WHO},x", f'"{WHO}",x', f"a;{WHO} ;b", f"a\t{WHO}", WHO]
    others = [f"{WHO}1,x", f"1{WHO},x", "", "another,x"]
    made = [{"raw_line": line} for line in lines + others]
    placed = [{"raw_line": "spelt otherwise", "line": 2, "source_sha256": part.sha256}]
    people.quarantine(types.SimpleNamespace(folder=week), made + placed)
    forget(shop)
    assert [row["raw_line"] for row in pq.read_table(week / "quarantine.parquet").to_pylist()] == others


def test_notebooks_and_pages_that_name_the_person_go_however_they_spell_the_name(shop, week):
    odd = '=<a & "b">'
    with (shop / "users.csv").open("a", encoding="utf-8") as stream:
        csv.writer(stream).writerow([odd, ""])
    steps, name = week / "steps", people.pseudonym(shop, odd)
    gone = [people.notebook(steps / f"{number}.ipynb", text) for number, text in enumerate([
        f"who: {name}", f"who: {odd}\n", "<td>=&lt;a &amp; &quot;b&quot;&gt;</td>", f"\x1b[31m{name}\x1b[0m", f"a\n{name}",
    ])]  # fmt: skip
    (week / "preview").mkdir()
    (week / "preview" / "01_cleaning.html").write_text(f"<p>{name}</p>", "utf-8")
    gone.append(week / "preview" / "01_cleaning.html")
    stay = [people.notebook(steps / "stay.failed.ipynb", f"{name}0 and 0{name}"), keys.executed(steps, "01_cleaning")]
    forget(shop, who=odd)
    assert [path.name for path in gone if path.exists()] == []
    assert all(path.exists() for path in stay)


@pytest.mark.parametrize("who", [WHO, "4711"])
def test_lists_that_name_the_person_go_however_short_the_id_is(shop, week, who):
    with (shop / "users.csv").open("a", encoding="utf-8") as stream:
        stream.write("4711,\n")
    held, other = week / "fix.csv", week / "other.csv"
    held.write_text(f'file,row\nusers.csv,"\'{who},"\n', "utf-8")
    other.write_text("file,row\nusers.csv,14711\n", "utf-8")
    people.notebook(week / "steps" / "counts.ipynb", "4711 rows")
    forget(shop, who=who)
    assert not held.exists() and other.exists() and (week / "steps" / "counts.ipynb").exists()


def test_copies_of_files_that_are_no_more_go_and_copies_without_the_person_stay(shop):
    staged = people.built() / "staged"
    (shop / "events" / "2026-04.csv").write_text(f"{people.HEADER}\n{people.OTHERS[1]},2026-03-08 10:00:00,view,,\n", "utf-8")
    people.build(shop)
    stale = staged / f"{'0' * 32}-2.parquet"
    for _ in range(2):
        pq.write_table(pa.table({"told": ["the person, in words of the source"]}), stale)
        assert forget(shop).code == 0
        assert not stale.exists() and len(list(staged.glob("*"))) == 1


def test_a_column_that_nobody_mapped_counts_too(shop):
    (shop / "touches.csv").write_text(f"uid,campaign,at,by\n{people.OTHERS[2]},spring,2026-03-02,friend-4711\n", "utf-8")
    assert "touches.csv: 1 row" in forget(shop, who="friend-4711").said


def test_tables_made_under_another_key_are_not_passed_over(shop, monkeypatch):
    former = privacy.key_id(privacy.key(dataset.load(shop)))
    monkeypatch.setenv(privacy.KEY_VARIABLE, "another key of twenty letters")
    before = people.snapshot(people.built())
    done = forget(shop)
    assert done.code == 2 and former in done.said and "delete the folder" in done.said
    assert people.snapshot(people.built()) == before


def test_without_the_sources_what_was_built_is_cleared_and_that_is_said(shop, week):
    shutil.rmtree(shop / "events")
    name = people.pseudonym(shop, WHO)
    done = forget(shop)
    assert "The sources could not be looked at" in done.said
    assert people.holders(people.built(), WHO, name) == ["forgotten.csv"]
    stranger = forget(shop, who="nobody-at-all")
    assert stranger.code == 2 and "the sources cannot be looked at" in stranger.said


def test_a_table_that_cannot_be_read_stops_it_before_anything_is_changed(shop, week):
    (week / "zz.parquet").write_bytes(b"PAR1 and no more")
    before = people.snapshot(people.built())
    done = forget(shop)
    assert done.code == 2 and "zz.parquet: cannot be read" in done.said
    assert people.snapshot(people.built()) == before
