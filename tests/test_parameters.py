"""Parameters: read from the notebooks' own cells, checked before any kernel starts."""

import json

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from helpers import paths
from helpers.errors import InputError, RunFailed
from helpers.runs import notebooks, parameters

CELL = """dataset: str = "sample"  # a name under data/
half_life_days: int = 14  # days after which an interest weighs half
share: float = 0.5
strict: bool = False  # stop at warnings
topics: list[str] = []  # topics to show
limit: int | None = None  # rows at most, or none"""


@pytest.fixture
def book(tmp_path):
    tiny.write_notebook(tmp_path / "one.ipynb", [("parameters", CELL)])
    return notebooks.read(tmp_path / "one.ipynb")


@pytest.fixture
def known(book):
    return parameters.collect([book])


def cell(tmp_path, source):
    tiny.write_notebook(tmp_path / "bad.ipynb", [("parameters", source)])
    return notebooks.read(tmp_path / "bad.ipynb")


def test_name_kind_default_and_help_come_from_the_cell(known):
    assert known["half_life_days"] == parameters.Parameter(
        "half_life_days", "int", 14, "days after which an interest weighs half", ("one",)
    )
    assert list(known) == ["dataset", "half_life_days", "share", "strict", "topics", "limit"]


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("half_life_days=7", 7), ("half_life_days=-7", -7), ("share=1e-3", 0.001), ("share=2", 2.0), ("strict=true", True),
        ("strict=False", False), ("topics=a,b", ["a", "b"]), ("topics=", []), ("limit=none", None), ("limit=3", 3),
        ("dataset=a=b", "a=b"), ('dataset="; import os', '"; import os'),
    ],
)  # fmt: skip
def test_values_are_typed(known, pair, value):
    (given,) = parameters.parse([pair], known).values()
    assert given == value
    assert type(given) is type(value)


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("half_life_days=abc", 'a whole number (days after which an interest weighs half); "abc" is not. Its default is 14.'),
        ("half_life_days=7.5", "a whole number"),
        ("half_life_days=", "a whole number"),
        ("half_life_days=1_000", "a whole number"),
        ("half_life_days=٣x", "a whole number"),
        ("share=nan", "a number"),
        ("share=inf", "a number"),
        ("share=1e999", "a number"),
        ("strict=yes", "true or false"),
        ("strict=1", "true or false"),
        ("limit=x", "a whole number, or none"),
        ("dataset=a\nb", "a text"),
        ("half_life=7", 'no notebook has a parameter "half_life". Did you mean "half_life_days"?'),
        ("half_life_days", "write -p name=value"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_is_allowed(known, pair, said):
    with pytest.raises(InputError) as refused:
        parameters.parse([pair], known)
    assert said in str(refused.value)


def test_all_faults_are_told_at_once(known):
    with pytest.raises(InputError) as refused:
        parameters.parse(["wek=1", "share=x", "strict=maybe"], known)
    assert len(str(refused.value).splitlines()) == 3


def test_a_parameter_given_twice_is_refused(known):
    with pytest.raises(InputError, match="given twice"):
        parameters.parse(["share=1", "share=2"], known)


@given(st.one_of(st.integers(-(10**17), 10**17), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.none()))
def test_what_is_shown_of_a_value_can_be_typed_again(value):
    kind = {bool: "bool", int: "int", float: "float", type(None): "int | None"}[type(value)]
    known = {"x": parameters.Parameter("x", kind, value, "", ())}
    assert parameters.parse([f"x={parameters.shown(value)}"], known) == {"x": value}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1", "not a parameter"),
        ("import os", "not a parameter"),
        ("x: int = y", "not a literal"),
        ("x: int = 1 + 1", "not a literal"),
        ("x: tuple = (1, 2)", "the kind tuple is not one of"),
        ('x: int = "a"', "is not a whole number"),
        ("x: int = True", "is not a whole number"),
        ("x: int =", "line 1"),
    ],
)
def test_a_parameters_cell_holds_nothing_else(tmp_path, source, said):
    with pytest.raises(RunFailed, match='bad, cell "parameters"') as refused:
        parameters.of_notebook(cell(tmp_path, source))
    assert said in str(refused.value)


def test_the_same_name_means_the_same_everywhere(tmp_path, book):
    other = cell(tmp_path, "half_life_days: int = 15  # days after which an interest weighs half")
    with pytest.raises(RunFailed, match="half_life_days differs between one and bad"):
        parameters.collect([book, other])


def test_a_name_in_two_notebooks_lists_both(tmp_path, book):
    other = cell(tmp_path, "half_life_days: int = 14  # days after which an interest weighs half")
    assert parameters.collect([book, other])["half_life_days"].notebooks == ("one", "bad")


def test_every_parameter_of_the_project_has_a_help_text():
    found = parameters.collect(notebooks.read_all(paths.NOTEBOOKS))
    assert {"dataset", "week"} <= set(found)
    assert [name for name, parameter in found.items() if not parameter.help] == []


def test_a_notebook_that_is_not_json_is_an_input_error(tmp_path):
    (tmp_path / "broken.ipynb").write_text(json.dumps({"cells": 1}), "utf-8")
    with pytest.raises(InputError, match="cannot be read as a notebook"):
        notebooks.read_all(tmp_path)
