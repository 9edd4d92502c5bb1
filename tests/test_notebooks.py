"""The notebooks themselves: how they are written, that they are committed tidy, that they run by other drivers too."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from helpers import paths
from helpers.runs import notebooks

BOOKS = notebooks.read_all(paths.NOTEBOOKS)
CODE = [(book.name, cell) for book in BOOKS for cell in book.code]
PLAIN = [(name, cell) for name, cell in CODE if not cell.tags & {"parameters", "setup"}]
LONGEST = 12
BANNED_NODES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.With, ast.Try, ast.Global)
CLOCK_OR_NET = re.compile(r"\.(now|today|utcnow|time|sleep)\(|\b(urlopen|requests|socket|urllib|https?|random)\b")
PATH = re.compile(r"^(~|\.{0,2}/)|\.(csv|parquet|json|toml|ipynb|html|gz)$|^\w+/\w+")


def named(cells):
    return pytest.mark.parametrize(("name", "cell"), cells, ids=[f"{name}:{cell.id}" for name, cell in cells])


LONG = ("02_portraits", "03_segments", "04_retention")  # the report of the sample runs them in any case
each = pytest.mark.parametrize("book", BOOKS, ids=[book.name for book in BOOKS])


@named(CODE)
def test_a_cell_is_short_and_has_no_logic_of_its_own(name, cell):
    assert len(cell.source.splitlines()) <= LONGEST
    for node in ast.walk(ast.parse(cell.source)):
        assert not isinstance(node, BANNED_NODES), f"{type(node).__name__} belongs into helpers/"
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert "setup" in cell.tags, "imports stand in the setup cell"


@named(PLAIN)
def test_the_last_line_of_a_cell_displays(name, cell):
    assert isinstance(ast.parse(cell.source).body[-1], ast.Expr)


@named(CODE)
def test_a_cell_names_no_file_no_clock_and_no_address(name, cell):
    assert not CLOCK_OR_NET.search(re.sub(r"#.*", "", cell.source))
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not PATH.search(node.value), f"{node.value!r} looks like a path"


@each
def test_ids_are_words_and_tags_are_of_the_list(book):
    ids = [cell.id for cell in book.cells]
    assert len(set(ids)) == len(ids)
    assert [name for name in ids if not re.fullmatch(r"[a-z]+[a-z0-9]*(-[a-z0-9]+)*", name)] == []
    assert {tag for cell in book.cells for tag in cell.tags} <= notebooks.TAGS


@each
def test_parameters_come_first_then_the_set_up_and_cells_that_explore_stand_last(book):
    tagged = [next(iter(cell.tags & {"parameters", "setup"}), "") for cell in book.code]
    assert tagged[:2] == ["parameters", "setup"]
    assert not any(tagged[2:])
    exploring = ["explore" in cell.tags for cell in book.code]
    assert any(exploring) and exploring == sorted(exploring)


@each
def test_every_notebook_has_a_check_cell_with_a_stored_output(book):
    raw = json.loads(book.path.read_text("utf-8"))
    checked = [cell for cell in raw["cells"] if notebooks.CHECKED in cell["metadata"].get("tags", ())]
    assert checked, "without one, nbval compares nothing and passes"
    assert all(cell["outputs"] and cell["execution_count"] for cell in checked)


@each
def test_a_question_stands_before_each_figure_and_no_number_in_the_prose(book):
    asked = ""
    for cell in book.cells:
        if cell.kind == "markdown":
            asked = cell.source
            assert not re.search(r"\d", cell.source), f"{cell.id}: a number typed into prose goes stale"
        elif "charts." in cell.source and "explore" not in cell.tags:
            assert "?" in asked, f"{cell.id}: what does the figure answer?"


@each
def test_notebooks_are_committed_tidy(book):
    text = book.path.read_text("utf-8")
    assert text == notebooks.tidied(text), "run `make tidy`"


def test_tidying_keeps_check_outputs_and_drops_the_rest(tmp_path):
    cells = [
        {"cell_type": "code", "id": "a", "metadata": {"tags": [], "papermill": {}}, "execution_count": 3, "source": "1\n",
         "outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}]},
        {"cell_type": "code", "id": "b", "metadata": {"tags": [notebooks.CHECKED]}, "execution_count": 9, "source": ["2"],
         "outputs": [{"output_type": "execute_result", "data": {"text/plain": "2", "text/html": "<b>2</b>"}, "metadata": {},
                      "execution_count": 9}]},
    ]  # fmt: skip
    path = tmp_path / "one.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {"widgets": {}}, "nbformat": 4, "nbformat_minor": 5}), "utf-8")
    assert notebooks.tidy(tmp_path) == [path]
    assert notebooks.tidy(tmp_path) == []
    first, second = json.loads(path.read_text("utf-8"))["cells"]
    assert (first["outputs"], first["execution_count"], first["metadata"]) == ([], None, {})
    assert second["outputs"][0]["data"] == {"text/plain": "2"}
    assert second["execution_count"] == second["outputs"][0]["execution_count"] == 2


@pytest.fixture
def own_root(built_once, tmp_path, monkeypatch):
    """A built root that may be written to: hard links, since everything there is replaced and never changed."""
    root = tmp_path / "own-root"
    shutil.copytree(built_once.root, root, symlinks=True, copy_function=os.link)
    monkeypatch.setenv(paths.BUILT_ROOT_VARIABLE, str(root))
    return root


def nbval(path):
    words = ["-m", "pytest", "--nbval-lax", "--nbval-current-env", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(path)]
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=paths.PROJECT)


@pytest.mark.parametrize(
    "book", [pytest.param(book, marks=[pytest.mark.hard] * (book.name in LONG), id=book.name) for book in BOOKS]
)
def test_nbval_runs_every_notebook_and_its_checks_hold(book, own_root):
    said = nbval(book.path)
    assert said.returncode == 0, said.stdout[-3000:]


def test_nbval_goes_red_when_a_stored_check_output_is_changed(own_root, tmp_path):
    path = tmp_path / "05_experiments.ipynb"
    raw = json.loads((paths.NOTEBOOKS / path.name).read_text("utf-8"))
    (checked,) = [cell for cell in raw["cells"] if notebooks.CHECKED in cell["metadata"].get("tags", ())]
    (output,) = checked["outputs"]
    if "text" in output:
        output["text"] = ["something else\n"]
    else:
        output["data"]["text/plain"] = ["something else"]
    path.write_text(json.dumps(raw), "utf-8")
    said = nbval(path)
    assert said.returncode == 1
    assert "Cell outputs differ" in said.stdout


@pytest.mark.hard
def test_the_plain_papermill_command_runs_a_notebook_too(own_root, tmp_path):
    words = ["-m", "papermill", "--log-output", "05_experiments.ipynb", str(tmp_path / "out.ipynb"), "-p", "week", "2026-W10"]
    said = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=paths.NOTEBOOKS)
    assert said.returncode == 0, said.stderr[-3000:]
