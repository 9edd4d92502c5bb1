"""A person who wants to be forgotten is gone from everything built, and nobody else is."""

import os
import shutil
import stat
import sys
import types
from pathlib import Path

import people
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_identities import run

from helpers import contracts, paths
from helpers.errors import EnvironmentFault
from helpers.runs import forgetting, identities, keys, locking, scrubbing
from helpers.sources import dataset, privacy

WHO = people.PERSON


def forget(shop: Path, *words: str, who: str = WHO):
    return run("forget", "--dataset", shop, "--yes", *words, "--", who)


def kept_rows(week: Path) -> dict[str, list[dict]]:
    """What should be left of each table: no row of the person, no invitation by the person."""
    name = people.pseudonym(week.parents[4] / "shop", WHO)
    found = {}
    for path in week.glob("*.parquet"):
        rows = pq.read_table(path).to_pylist()
        rows = [row for row in rows if name not in (row.get(column) for column in scrubbing.PEOPLE)]
        found[path.name] = [row | ({"referrer_id": None} if row.get("referrer_id") == name else {}) for row in rows]
    return found


def test_nothing_built_names_the_person_and_everybody_else_is_as_before(shop, week):
    wanted, modes = kept_rows(week), {path.name for path in week.glob("*.parquet")}
    before = sum(pq.read_table(path).num_rows for path in week.glob("*.parquet"))
    name = people.pseudonym(shop, WHO)
    assert len(people.holders(people.built(), WHO, name)) >= len(modes)
    done = forget(shop)
    assert done.code == 0
    assert people.holders(people.built(), WHO, name) == ["forgotten.csv"]
    assert {path.name: pq.read_table(path).to_pylist() for path in week.glob("*.parquet")} == wanted
    assert before > sum(map(len, wanted.values())) > 40
    assert {stat.S_IMODE(path.stat().st_mode) for path in week.glob("*.parquet")} == {0o600}
    assert {path.name for path in week.iterdir()} == modes | {"steps"}, "no unfinished file is left"


def test_tables_keep_their_form(shop, week):
    forms = {path.name: pq.read_schema(path) for path in week.glob("*.parquet")}
    forget(shop)
    for path in week.glob("*.parquet"):
        assert pq.read_schema(path).equals(forms[path.name], check_metadata=True)
        key = list(contracts.find(path.stem).key)
        rows = pq.read_table(path).select(key)
        assert rows.sort_by([(column, "ascending") for column in key]).equals(rows), "still sorted by its key"


def test_what_is_left_to_do_is_said_and_no_id_is(shop):
    (shop / "events" / f"of {WHO}.csv").write_text(f"{people.HEADER}\n{WHO},2026-03-08 10:00:00,view,,\n", "utf-8")
    said = forget(shop).said
    lines = said.splitlines()
    for line in ("events/2026-02.csv: 1 row", "users.csv: 2 rows", "events/of +86***0007.csv: 1 row"):
        assert f"  {line}" in lines
    assert lines[0].startswith("+86***0007 was removed from what was built for shop: ")
    assert f"  make report DATASET={shop} WEEK=2026-W10" in lines
    assert WHO not in said and people.pseudonym(shop, WHO) not in said


def test_the_command_names_the_place_of_sources_that_lie_elsewhere(shop, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(shop, elsewhere)
    assert f"make report DATASET={shop} WEEK=2026-W10 ROOT={elsewhere}" in forget(shop, "--root", elsewhere).said


def test_pages_that_were_published_are_named_and_not_touched(shop):
    page = paths.reports("shop") / ".runs" / "r1" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("as published", "utf-8")
    (paths.reports("shop") / "2026-W10").symlink_to(".runs/r1")
    assert "The published pages (2026-W10) are as they were: they name no person." in forget(shop).said
    assert page.read_text("utf-8") == "as published"


def test_the_list_of_the_forgotten_holds_pseudonyms_alone_each_once(shop):
    forget(shop)
    forget(shop, who=people.OTHERS[7])
    forget(shop)
    path = people.built() / privacy.FORGOTTEN
    key = privacy.key(dataset.load(shop))
    names = [people.pseudonym(shop, user) for user in (WHO, people.OTHERS[7])]
    assert path.read_text("utf-8") == "pseudonym,key\n" + "".join(f"{name},{privacy.key_id(key)}\n" for name in names)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert privacy.forgotten(people.built()) == privacy.forgotten(people.built(), key) == set(names)
    log = (people.built() / identities.LOG).read_text("utf-8")
    assert log.count(" forget asked=1 found=1 ") == 2 and not [name for name in (WHO, *names) if name in log]


def test_who_is_nowhere_changes_nothing(shop):
    before = people.snapshot(people.built())
    done = forget(shop, who="nobody-at-all")
    assert done.code == 0 and "nob***-all is nowhere" in done.said
    assert people.snapshot(people.built()) == before


def test_who_is_nowhere_leaves_no_folder_where_there_was_none(shop):
    shutil.rmtree(people.built().parent)
    assert "is nowhere" in forget(shop, who="nobody-at-all").said
    assert not people.built().parent.exists()


def test_who_is_in_the_sources_alone_is_kept_out_of_the_first_run(shop):
    shutil.rmtree(people.built())
    done = forget(shop)
    assert "will be left out of what is built from now on" in done.said and "users.csv: 2 rows" in done.said
    assert privacy.forgotten(people.built()) == {people.pseudonym(shop, WHO)}
    assert people.holders(people.built(), WHO) == [], "no copy of a source is left by looking"


def test_a_pseudonym_does_as_well_as_the_id(shop):
    name = people.pseudonym(shop, WHO)
    assert "If that is a pseudonym, add --pseudonym" in forget(shop, who=name).said
    assert "users.csv: 2 rows" in forget(shop, "--pseudonym", who=name).said
    assert people.holders(people.built(), WHO, name) == ["forgotten.csv"]
    assert "24 digits" in forget(shop, "--pseudonym", who=WHO).said


def test_without_a_terminal_nothing_is_done_unasked(shop):
    before = people.snapshot(people.built())
    done = run("forget", "--dataset", shop, "--", WHO)
    assert done.code == 2 and "no terminal" in done.said and "--yes" in done.said
    assert people.snapshot(people.built()) == before


@pytest.mark.parametrize("answer", [False, True])
def test_at_a_terminal_one_is_asked_and_told_what_was_found(shop, monkeypatch, answer):
    asked = []
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))
    before = people.snapshot(people.built())
    lines = forgetting.forget(WHO, dataset=str(shop), confirm=lambda text: asked.append(text) or answer)
    assert asked[0].startswith("+86***0007 in shop: ") and "6 copies of sources" in asked[0]
    assert (people.snapshot(people.built()) == before) is not answer
    assert (lines == ["Nothing was changed."]) is not answer


def test_another_run_is_waited_for(shop, monkeypatch):
    monkeypatch.setattr(locking, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(locking.held.__wrapped__, "__defaults__", (0.0,))
    with locking.held(people.built(), lambda line: None), pytest.raises(EnvironmentFault, match="still at work"):
        forgetting.forget(WHO, dataset=str(shop))


def test_records_of_what_changed_count_no_more_and_others_do(shop, week):
    run_ = types.SimpleNamespace(folder=week, dataset=dataset.load(shop))
    pq.write_table(pa.table({"n": [1]}), week / "sizes.parquet")
    made = {
        "holds": people.record(run_, "holds", ["user_day"]), "reads": people.record(run_, "reads", [], sources="read"),
        "shows": people.record(run_, "shows", ["sizes"]), "counts": people.record(run_, "counts", ["sizes"]),
    }  # fmt: skip
    people.notebook(keys.executed(week / "steps", "shows"), people.pseudonym(shop, WHO))
    forget(shop)
    assert [name for name, path in made.items() if path.exists()] == ["counts"]


def test_when_the_sources_are_mended_a_second_call_clears_the_old_copies_away(shop):
    forget(shop)
    people.build(shop)
    for path in shop.rglob("*.csv"):
        lines = path.read_text("utf-8").splitlines(keepends=True)
        path.write_text("".join(line.replace(f",{WHO}", ",") for line in lines if not line.startswith(WHO)), "utf-8")
    done = forget(shop)
    assert "must be mended" not in done.said
    assert people.holders(people.built(), WHO) == []
    assert len((people.built() / privacy.FORGOTTEN).read_text("utf-8").splitlines()) == 2, "nobody is listed twice"
    assert "nothing is left" in forget(shop).said


def test_a_run_that_is_killed_between_is_finished_by_the_next(shop, week, monkeypatch):
    def killed(path, wanted):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(scrubbing, "rewrite", killed)
        forgetting.forget(WHO, dataset=str(shop))
    assert not list((week / "steps").glob("*.json")), "nothing half done counts as up to date"
    assert people.built().exists() and forget(shop).code == 0
    assert people.holders(people.built(), WHO, people.pseudonym(shop, WHO)) == ["forgotten.csv"]


def test_leftovers_of_killed_runs_go_with_the_person(shop, week):
    (week / f".users.parquet.abc{paths.UNFINISHED}").write_bytes(b"half a table")
    (week / f".days.abc{paths.UNFINISHED}").mkdir()
    (week / f".days.abc{paths.UNFINISHED}" / "part-0.parquet").write_bytes(b"half a table")
    for process in ("999999999", str(os.getpid())):
        (people.built() / "spill" / process).mkdir(parents=True, exist_ok=True)
    forget(shop)
    assert not list(people.built().rglob(f".*{paths.UNFINISHED}"))
    assert not (people.built() / "spill" / "999999999").exists()


def test_who_is_named_in_dataset_toml_is_said(shop):
    with (shop / "dataset.toml").open("a", encoding="utf-8") as stream:
        stream.write(f'[cleaning]\nexclude_users = {{ "{WHO}" = "asked to" }}\n')
    assert "exclude_users names this person. Take the line out." in forget(shop).said


def test_a_report_runs_again_what_held_the_person(reported):
    done = run("forget", "u5", "--dataset", reported.data, "--yes")
    assert done.code == 0 and "u*** was removed" in done.said
    assert "u5" not in str(pq.read_table(reported.built / "days.parquet").to_pylist())
    assert "01_first" in reported.ran()


def test_a_later_run_does_not_bring_the_person_back_from_the_sources(shop, week):
    name = people.pseudonym(shop, WHO)
    forget(shop)
    left = kept_rows(week)
    people.build(shop)
    assert name not in str([pq.read_table(path).to_pylist() for path in week.glob("*.parquet")])
    assert left == {path.name: pq.read_table(path).to_pylist() for path in week.glob("*.parquet")}
    assert "users.csv: 2 rows" in forget(shop).said, "the sources are still seen to hold the person"
