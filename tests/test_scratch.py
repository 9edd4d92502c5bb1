"""`make lab` opens prepared copies: the parameters in them, edits never lost, the committed notebooks untouched."""

from __future__ import annotations

import json

import pytest

from helpers import paths
from helpers.errors import InputError
from helpers.runs import graph, live, notebooks, parameters, planning, scratch, store
from helpers.show.controls import headless


@pytest.fixture
def asked(reported):
    def ask(*given, week="latest"):
        return planning.Request(dataset=str(reported.data), week=week, given=given, notebooks=reported.books)

    return ask


def book(made, name):
    return notebooks.read(made.folder / f"{name}.ipynb")


def test_copies_hold_the_chosen_parameters_and_the_originals_stay(asked, reported):
    before = {path.name: path.read_bytes() for path in reported.books.glob("*.ipynb")}
    made = scratch.prepare(asked())
    assert {path.name for path in made.folder.iterdir()} == set(before)
    assert {path.name: path.read_bytes() for path in reported.books.glob("*.ipynb")} == before
    for path in made.folder.iterdir():
        own = parameters.of_notebook(notebooks.read(path))
        assert own["dataset"].default == str(reported.data) and own["week"].default == made.folder.name[-8:]
        assert own["week"].help == parameters.of_notebook(notebooks.read(reported.books / path.name))["week"].help
    assert made.first.parent == made.folder and made.lines == ()


def test_a_copy_that_was_only_run_is_left_and_one_that_was_edited_is_never_written_over(asked):
    made = scratch.prepare(asked())
    first, second = sorted(made.folder.glob("*.ipynb"))[:2]
    ran = json.loads(first.read_text())
    ran["cells"][-1].setdefault("outputs", []).append({"output_type": "stream", "name": "stdout", "text": "1"})
    first.write_text(json.dumps(ran))
    edited = json.loads(second.read_text())
    edited["cells"][-1]["source"] = "my_own = 1"
    second.write_text(json.dumps(edited))
    held = first.read_bytes(), second.read_bytes()
    again = scratch.prepare(asked())
    assert (first.read_bytes(), second.read_bytes()) == held
    assert again.lines == (f"{second.name}: your edits are kept.",)
    assert not list(made.folder.glob("*-2.ipynb"))


def test_other_parameters_come_under_a_new_name_beside_edits(asked, reported):
    made = scratch.prepare(asked())
    path = next(iter(sorted(made.folder.glob("*.ipynb"))))
    edited = json.loads(path.read_text())
    edited["cells"][-1]["source"] = "my_own = 1"
    path.write_text(json.dumps(edited))
    original = reported.books / path.name
    raw = json.loads(original.read_text())
    raw["cells"].append({"cell_type": "markdown", "id": "new", "metadata": {}, "source": "New."})
    original.write_text(json.dumps(raw))
    again = scratch.prepare(asked())
    assert json.loads(path.read_text())["cells"][-1]["source"] == "my_own = 1"
    fresh = made.folder / f"{path.stem}-2.ipynb"
    assert fresh.exists() and fresh.name in " ".join(again.lines)
    assert scratch.prepare(asked()).lines == () and not (made.folder / f"{path.stem}-3.ipynb").exists()


@pytest.mark.parametrize("given", ["nothing=1", "half_life_days=x"])
def test_a_wrong_parameter_or_week_prepares_nothing(asked, reported, given):
    with pytest.raises(InputError):
        scratch.prepare(asked(given))
    with pytest.raises(InputError):
        scratch.prepare(asked(week="2026-W99"))
    assert not (reported.books / "scratch").exists()


def test_copies_are_ignored_by_git():
    lines = (paths.PROJECT / ".gitignore").read_text().splitlines()
    assert f"notebooks/{scratch.FOLDER}/*" in lines


def test_what_a_notebook_lacks_is_known_before_its_first_cell_and_asked_only_where_somebody_sits(reported, monkeypatch):
    import helpers

    path = next(path for path in sorted(reported.books.glob("*.ipynb")) if graph.names(notebooks.read(path)).reads)
    run = helpers.open_run(str(reported.data))
    assert live.missing(run, path) == []
    wanted = graph.names(notebooks.read(path)).reads[0]
    (run.folder / f"{wanted}.parquet").unlink()
    assert live.missing(run, path) == [wanted]
    live.check(run)  # nobody has a notebook open
    monkeypatch.setenv(live.NOTEBOOK, str(path))
    monkeypatch.delenv("GROWTH_RINGS_HEADLESS", raising=False)
    import IPython  # noqa: F401

    with pytest.raises(live.NotBuilt, match="make report"):
        helpers.open_run(str(reported.data))
    monkeypatch.setenv(live.HEADLESS, "1")
    assert headless() and helpers.open_run(str(reported.data)).week == run.week


def test_the_button_names_the_command_runs_it_and_says_how_it_went(reported, monkeypatch):
    import helpers

    run = helpers.open_run(str(reported.data))
    begun = []
    monkeypatch.setattr(live, "Thread", lambda target, daemon: type("Now", (), {"start": lambda self: begun.append(target())})())
    for code, says in ((1, "could not be built"), (0, "Now run this cell again")):
        monkeypatch.setattr(live, "build", lambda run, show, code=code: show(["step <one>"]) or code)
        asked, tools, log, _ = live.offer(run).children
        assert store.command(run.dataset, run.week) in asked.value
        tools.children[0].click()
        assert says in asked.value and "step &lt;one&gt;" in log.value and tools.children[0].disabled == (code == 0)
    assert len(begun) == 2


def test_the_button_is_offered_once_however_often_the_message_is_asked_for(reported, monkeypatch):
    import IPython.display

    import helpers

    shown = []
    fault = live.NotBuilt("run `make report`", helpers.open_run(str(reported.data)))
    monkeypatch.setattr(IPython.display, "display", shown.append)
    monkeypatch.setattr(live, "is_live", lambda: True)
    assert [fault._render_traceback_(), fault._render_traceback_()] == [["run `make report`"]] * 2
    assert len(shown) == 1
