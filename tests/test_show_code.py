"""Copy as code: what is copied makes what is shown."""

from __future__ import annotations

import linecache
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.show.controls import code

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12)
VALUES = PLAIN | st.dates() | st.tuples(PLAIN, st.dates()) | st.lists(PLAIN, max_size=3)


def cell(source: str, **names):
    """The function that a cell defines as `shown`, its source known as Jupyter makes it known."""
    place = f"<cell {abs(hash(source))}>"
    linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
    exec(compile(source, place, "exec"), names)
    return names


def run(written: str, names: dict):
    """What the copied code gives."""
    *imports, call = written.split("\n\n")
    for line in imports:
        exec(line, names)
    return eval(compile(call, "copied", "eval"), names)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_the_copied_code_gives_what_the_function_gives(one, two):
    made = "def made(*args, **named): return args, named\n"
    names = cell(made + "shown = lambda one, two: made(one, *[two], again=one, text=[one, two])")
    written = code.of(names["shown"], {"one": one, "two": two})
    assert run(written, names) == names["shown"](one, two)


def test_the_lines_stay_as_they_were_written_and_what_is_plain_is_worked_out():
    names = cell(
        'shown = dict(function=\n    lambda pair, bands, name: dict(\n        row=pair[0], low="low" if bands else None,\n'
        '        title=f"By {name}", both=[*pair],\n    ),\n)["function"]\n'
    )
    written = code.of(names["shown"], {"pair": ("a", "b"), "bands": False, "name": "x"})
    assert written == 'dict(\n    row="a", low=None,\n    title="By x", both=["a", "b"],\n)'
    assert run(written, names) == names["shown"](("a", "b"), False, "x")


def test_names_that_mean_something_else_inside_are_left_alone():
    names = cell("shown = lambda k, n: [[k for k in range(n)], (lambda k: k + n)(5), {'k': k}, k]")
    written = code.of(names["shown"], {"k": 7, "n": 2})
    assert run(written, names) == names["shown"](7, 2) == [[0, 1], 7, {"k": 7}, 7]


def test_of_two_alike_on_a_line_the_right_one_is_taken():
    names = cell("first, shown = lambda k: k + 1, lambda k: k * 3")
    assert (code.of(names["first"], {"k": 2}), code.of(names["shown"], {"k": 2})) == ("2 + 1", "2 * 3")


def test_a_value_that_cannot_be_written_is_taken_from_its_choices():
    source = "chosen = []\ndef explore(function, **choices): chosen.append(function)\ntables = {'x': object()}\n"
    names = cell(source + "explore(lambda table: [table], table={'an x': tables['x']})")
    function = names["chosen"][0]
    written = code.of(function, {"table": names["tables"]["x"]}, {"table": "an x"})
    assert run(written, names)[0] is names["tables"]["x"]
    with pytest.raises(code.Unwritable, match="table"):
        code.of(function, {"table": object()})


def test_a_function_with_a_name_is_called_by_it():
    assert code.of(date.fromisoformat, {"day": "x"}) == 'date.fromisoformat(day="x")'


def test_without_its_source_nothing_is_invented():
    with pytest.raises(code.Unwritable, match="source"):
        code.of(eval("lambda k: k"), {"k": 1})
