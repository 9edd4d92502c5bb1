"""Who is behind a pseudonym: what Python's own HMAC says, told to a private file, logged without an id."""

import csv
import hmac
import io
import os
import re
import shutil
import stat
import subprocess
import sys
import types
from pathlib import Path

import people
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from helpers import paths
from helpers.__main__ import app
from helpers.errors import GrowthRingsError, InputError
from helpers.runs import identities
from helpers.sources import dataset, privacy

CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).map(lambda text: f"={text}=")


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(privacy.KEY_VARIABLE, people.KEY)
    return people.write(tmp_path / "shop")


@pytest.fixture
def listed(tmp_path, shop) -> Path:
    """A list of four: two whom the sources know, one of them twice, and a stranger."""
    names = [people.pseudonym(shop, user) for user in (people.OTHERS[5], people.PERSON, people.OTHERS[5])]
    path = tmp_path / "list.csv"
    path.write_text("\n".join([*names[:2], "0" * 24, names[2]]) + "\n", "utf-8")
    return path


def run(*words) -> types.SimpleNamespace:
    """The command line: its exit code and all that a terminal shows, an error of ours as `main` would say it."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    fault = result.exception
    if fault is not None and not isinstance(fault, GrowthRingsError | SystemExit):
        raise fault
    code = fault.exit_code if isinstance(fault, GrowthRingsError) else result.exit_code
    return types.SimpleNamespace(code=code, said=result.output + (str(fault) if fault else ""))


def rows_of(path: Path) -> list[dict]:
    """A file of identities, the apostrophes taken away again."""
    with path.open(encoding="utf-8", newline="") as stream:
        return [{name: cell.removeprefix("'") for name, cell in row.items()} for row in csv.DictReader(stream)]


def test_pseudonyms_are_joined_back_in_the_order_of_the_list_and_strangers_stay_empty(shop, listed):
    done = run("ids", listed, "--dataset", shop)
    assert done.code == 0 and "4 asked for, 3 found, 1 unknown" in done.said
    found = rows_of(listed.with_name("list.ids.csv"))
    assert [row["source_id"] for row in found] == [people.OTHERS[5], people.PERSON, "", people.OTHERS[5]]
    assert [row["user_id"] for row in found] == listed.read_text("utf-8").split()


def test_ids_of_all_sources_are_known_those_of_inviters_and_units_too(shop, tmp_path):
    alone = {"users.csv": "inviter-1", "touches.csv": "touched-1", "trial.csv": "player-1", "assignments.csv": "assigned-1"}
    rows = {"users.csv": "u-1,inviter-1", "touches.csv": "touched-1,spring,", "trial.csv": "player-1,a",
            "assignments.csv": "assigned-1,x,a,2026-03-02"}  # fmt: skip
    for name, row in rows.items():
        with (shop / name).open("a", encoding="utf-8") as stream:
            stream.write(row + "\n")
    (tmp_path / "list.txt").write_text("\n".join(people.pseudonym(shop, user) for user in alone.values()), "utf-8")
    assert run("ids", tmp_path / "list.txt", "--dataset", shop).code == 0
    assert [row["source_id"] for row in rows_of(tmp_path / "list.ids.csv")] == list(alone.values())


@settings(deadline=None, max_examples=4)
@given(st.lists(IDS, min_size=1, max_size=20, unique_by=str.strip))
def test_whatever_the_ids_are_the_file_gives_back_what_python_hashes(tmp_path_factory, ids):
    folder = people.write(tmp_path_factory.mktemp("odd") / "shop")
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([["uid", "inviter"], *([user, ""] for user in ids)])
    (folder / "users.csv").write_bytes(text.getvalue().encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(privacy.KEY_VARIABLE, people.KEY)
        patch.setenv(paths.BUILT_ROOT_VARIABLE, str(folder.parent / "root"))
        key = privacy.key(dataset.load(folder))
        asked = [hmac.new(key, user.encode(), "sha256").hexdigest()[:24] for user in ids]
        (folder.parent / "list").write_text("\n".join(asked), "utf-8")
        identities.join_back(str(folder.parent / "list"), dataset=str(folder))
    assert [row["source_id"] for row in rows_of(folder.parent / "list.ids.csv")] == ids


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5))
def test_no_cell_is_a_formula_and_taking_an_apostrophe_away_gives_the_cells_back(rows):
    written = list(csv.reader(io.StringIO(identities.as_csv(("user_id", "source_id"), rows), newline="")))
    assert [[cell.removeprefix("'") for cell in row] for row in written[1:]] == [list(row) for row in rows]
    assert not [cell for row in written for cell in row if re.match("[=+\\-@\t\r\n＝＋－＠]", cell)]


@pytest.mark.parametrize("first", list("=+-@\t\r"))
def test_what_a_spreadsheet_would_run_is_disarmed_and_nothing_else(first):
    assert identities.disarmed(f"{first}1") == f"'{first}1"
    assert identities.disarmed(f"1{first}") == f"1{first}"
    assert identities.disarmed("") == ""


@pytest.mark.parametrize(
    "text",
    [
        "{0}\n{1}\n", "\ufeffuser_id\r\n{0}\r\n\r\n{1}\r\n", "n,user_id,why\n1,{0},a\n2,{1},\n", "user_id;n\n{0};1\n{1};2\n",
        '"{0}"\n {1}',
    ],
)  # fmt: skip
def test_a_list_is_read_as_lines_or_by_its_column(tmp_path, text):
    asked = ["a" * 24, "b" * 24]
    (tmp_path / "list").write_bytes(text.format(*asked).encode())
    assert identities.pseudonyms_of(str(tmp_path / "list")) == asked


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"secret-one,secret-two\n1,2\n", "2 columns, and none is called user_id"), (b"", "no pseudonym in it"),
        (b"user_id\n\n", "no pseudonym in it"), (b"\xff\xfe\x00", "not UTF-8 text"), (None, "cannot be read"),
    ],
)  # fmt: skip
def test_a_list_that_will_not_do_is_refused_without_repeating_a_cell(shop, tmp_path, content, said):
    path = tmp_path / "list"
    if content is not None:
        path.write_bytes(content)
    done = run("ids", path, "--dataset", shop)
    assert done.code == 2 and said in done.said and "secret" not in done.said
    assert not people.built().exists()


def test_standard_input_is_a_list_and_needs_a_place_named(shop, listed, tmp_path, monkeypatch):
    words = ["ids", "-", "--dataset", str(shop)]
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(listed.read_bytes())))
    with pytest.raises(InputError, match="--out: a list from standard input has no place of its own"):
        identities.join_back("-", dataset=str(shop))
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out.csv")], input=listed.read_bytes())
    assert done.exit_code == 0, done.exception
    assert len(rows_of(tmp_path / "out.csv")) == 4


def test_the_file_is_its_owners_alone_and_is_not_written_over_unasked(shop, listed):
    made = listed.with_name("list.ids.csv")
    made.write_text("mine", "utf-8")
    made.chmod(0o644)
    refused = run("ids", listed, "--dataset", shop)
    assert refused.code == 2 and "the file is there already" in refused.said and made.read_text("utf-8") == "mine"
    assert not (people.built() / identities.LOG).exists()
    assert run("ids", listed, "--dataset", shop, "--force").code == 0
    assert stat.S_IMODE(made.stat().st_mode) == 0o600 and len(rows_of(made)) == 4
    assert sorted(path.name for path in made.parent.glob(".*")) == []


def test_no_file_with_ids_is_written_where_it_could_be_committed_or_passed_around(shop, listed, tmp_path):
    (tmp_path / "link").symlink_to(paths.PROJECT / "data")
    reports = paths.reports("shop")
    reports.mkdir(parents=True)
    for place in (paths.PROJECT / "data" / "who.csv", tmp_path / "link" / "who.csv", reports / "who.csv"):
        refused = run("ids", listed, "--dataset", shop, "--out", place)
        assert refused.code == 2 and "does not belong into the project" in refused.said
        assert not os.path.lexists(place)
    missing = run("ids", listed, "--dataset", shop, "--out", tmp_path / "none" / "who.csv")
    assert missing.code == 2 and "there is no such folder" in missing.said


def test_below_built_is_a_place_for_it_even_inside_the_project(shop, monkeypatch):
    found = dataset.load(shop)
    monkeypatch.setattr(paths, "PROJECT", paths.built_root())
    paths.built("shop").mkdir(parents=True)
    place = paths.built("shop") / "who.csv"
    assert identities.checked_place(place, found, force=False) == place
    with pytest.raises(InputError, match="does not belong"):
        identities.checked_place(paths.built_root() / "who.csv", found, force=False)


def test_every_use_is_logged_and_no_id_is(shop, listed):
    for _ in range(2):
        done = run("ids", listed, "--dataset", shop, "--force")
    path = people.built() / identities.LOG
    lines = path.read_text("utf-8").splitlines()
    key = privacy.key_id(privacy.key(dataset.load(shop)))
    form = rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 ids asked=4 found=3 key={key}"
    assert len(lines) == 2 and all(re.fullmatch(form, line) for line in lines)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for name in (people.PERSON, people.OTHERS[5], *listed.read_text("utf-8").split()):
        assert name not in done.said + path.read_text("utf-8")


def test_a_use_that_cannot_be_logged_tells_nothing(shop, listed, tmp_path):
    people.built().mkdir(parents=True)
    (people.built() / identities.LOG).symlink_to(tmp_path / "elsewhere")
    assert run("ids", listed, "--dataset", shop).code == 4
    assert not listed.with_name("list.ids.csv").exists() and not (tmp_path / "elsewhere").exists()


def test_under_another_key_nothing_is_known_and_the_key_is_named(shop, listed, monkeypatch):
    monkeypatch.setenv(privacy.KEY_VARIABLE, "another key of twenty letters")
    done = run("ids", listed, "--dataset", shop)
    assert "0 found, 4 unknown" in done.said
    assert privacy.key_id(privacy.key(dataset.load(shop))) in done.said


def test_who_was_forgotten_is_not_joined_back(shop, listed):
    key = privacy.key_id(privacy.key(dataset.load(shop)))
    people.built().mkdir(parents=True)
    (people.built() / privacy.FORGOTTEN).write_text(f"pseudonym,key\n{people.pseudonym(shop, people.PERSON)},{key}\n", "utf-8")
    assert "4 asked for, 2 found" in run("ids", listed, "--dataset", shop).said
    assert people.PERSON not in listed.with_name("list.ids.csv").read_text("utf-8")


def test_a_list_under_another_key_or_damaged_stops_the_door(tmp_path):
    assert privacy.forgotten(tmp_path, b"k" * 32) == set()
    (tmp_path / privacy.FORGOTTEN).write_text(f"pseudonym,key\n{'a' * 24},{privacy.key_id(b'k' * 32)}\n", "utf-8")
    assert privacy.forgotten(tmp_path, b"k" * 32) == {"a" * 24}
    with pytest.raises(InputError, match="would come back under the key"):
        privacy.forgotten(tmp_path, b"other" * 8)
    (tmp_path / privacy.FORGOTTEN).write_text(f"pseudonym,key\n{people.PERSON}\n", "utf-8")
    with pytest.raises(InputError, match="line 2: not a pseudonym") as refused:
        privacy.forgotten(tmp_path)
    assert people.PERSON not in str(refused.value)


def test_where_ids_are_no_secret_that_is_said_and_nothing_is_written(shop, listed):
    (shop / "dataset.toml").write_text(people.TOML.replace("pseudonymise = true", "pseudonymise = false"), "utf-8")
    done = run("ids", listed, "--dataset", shop)
    assert done.code == 0 and "the ids of shop are source ids already" in done.said
    assert not listed.with_name("list.ids.csv").exists()


def test_the_sources_may_lie_elsewhere(shop, listed, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in [path for path in shop.iterdir() if path.name != "dataset.toml"]:
        shutil.move(path, elsewhere)
    missing = run("ids", listed, "--dataset", shop)
    assert missing.code == 2 and not listed.with_name("list.ids.csv").exists()
    assert "4 asked for, 3 found" in run("ids", listed, "--dataset", shop, "--root", elsewhere).said


def test_the_commands_say_what_they_are_for():
    for command, word in (("ids", "pseudonym"), ("forget", "source")):
        words = [sys.executable, "-m", "helpers", command, "--help"]
        said = subprocess.run(words, capture_output=True, text=True, cwd=paths.PROJECT).stdout
        assert word in said and "--dataset" in said
