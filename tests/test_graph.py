"""The order of the notebooks, read from their own cells."""

import re

import pytest
import tiny

from helpers import contracts, paths
from helpers.errors import InputError, RunFailed
from helpers.runs import graph, notebooks


def books(folder, **cells):
    for name, source in cells.items():
        tiny.write_notebook(folder / f"{name}.ipynb", [("work", source)])
    return notebooks.read_all(folder)


def build(made, lacks=(), needs=None, **options):
    return graph.build(
        made,
        given={},
        has=lambda part: part not in lacks,
        needs=needs or {},
        cannot_have=lambda part: f"no {part}",
        **options,
    )


def test_reads_finds_writes_sources_and_rules_are_seen_anywhere_in_a_cell(tmp_path):
    (book,) = books(
        tmp_path,
        one='x = f(run.read("a"), {"k": [run.find("b")]})\nrun.write("c", g(run.source("events"), run.rules["activity"]["high"]))'
        '\nrun.experiments\nrun.as_of; run.data_until\ny = lambda v: run.read("d")',
    )
    found = graph.names(book)
    assert (found.reads, found.finds, found.writes, found.sources) == (["a", "d"], ["b"], ["c"], ["events"])
    assert (found.rules, found.experiments, found.facts) == (["activity"], ["*"], ["as_of", "data_until"])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("run.read(name)", r"run.read\(...\) needs a literal name"),
        ('run.read("a" + "b")', "needs a literal name"),
        ("run.write()", "needs a literal name"),
        ("run.rules[section]", "needs a literal name"),
        ("reader = run.read", "call run.read in place"),
        ("facts.build(run)", "`run` is passed on as a whole"),
        ("%matplotlib inline", "line 1"),
    ],
)
def test_what_would_hide_a_dependency_is_an_error_that_names_the_cell(tmp_path, source, said):
    (book,) = books(tmp_path, one=source)
    with pytest.raises(RunFailed, match='one, cell "work"') as refused:
        graph.names(book)
    assert re.search(said, str(refused.value))


def test_steps_come_after_what_they_read_or_find_whatever_their_names(tmp_path):
    made = books(tmp_path, a='run.read("z")', b='run.write("z", 1)', c='run.find("y")', d='run.read("z")\nrun.write("y", 1)')
    steps = build(made)
    order = [step.name for step in steps]
    assert order.index("b") < order.index("a")
    assert order.index("d") < order.index("c")
    assert {step.name: set(step.after) for step in steps} == {"a": {"b"}, "b": set(), "c": {"d"}, "d": {"b"}}


def test_beside_a_step_run_those_that_neither_lead_to_it_nor_follow_from_it(tmp_path):
    cells = {"one": 'run.write("a", x)', "two": 'run.write("b", run.read("a"))', "three": 'run.write("c", run.read("b"))',
             "four": 'run.read("a")', "five": 'run.read("c")'}  # fmt: skip
    steps = build(books(tmp_path, **cells))
    assert {step.name: graph.beside(step, steps) for step in steps} == {"one": 0, "two": 1, "three": 1, "four": 3, "five": 1}


def test_the_front_page_comes_last_among_equals(tmp_path):
    made = books(tmp_path, weekly="1", a="1", b="1")
    assert [step.name for step in build(made)] == ["a", "b", "weekly"]


def test_a_notebook_that_reads_what_it_wrote_does_not_wait_for_itself(tmp_path):
    (step,) = build(books(tmp_path, a='run.write("x", 1)\nrun.read("x")'))
    assert step.after == frozenset()


def test_two_makers_of_one_artefact_are_refused(tmp_path):
    with pytest.raises(RunFailed, match='Both a and b write "x"'):
        build(books(tmp_path, a='run.write("x", 1)', b='run.write("x", 1)'))


def test_reading_what_nobody_writes_is_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(RunFailed, match=r'b reads "segmets", which no notebook writes\. Did you mean "segments"'):
        build(books(tmp_path, a='run.write("segments", 1)', b='run.read("segmets")'))


def test_a_circle_is_refused_and_named(tmp_path):
    with pytest.raises(RunFailed, match=r"wait for each other: (a -> b -> a|b -> a -> b)"):
        build(books(tmp_path, a='run.read("y")\nrun.write("x", 1)', b='run.read("x")\nrun.write("y", 1)'))


def test_what_reads_an_artefact_that_the_dataset_cannot_have_is_skipped_and_so_is_what_follows(tmp_path):
    made = books(
        tmp_path,
        a='run.write("facts", 1)\nrun.write("ledger", 1)',
        b='run.read("facts")\nrun.write("tiers", 1)',
        c='run.read("tiers")',
        d='run.find("tiers")\nrun.read("ledger")',
    )
    steps = build(made, lacks={"events"}, needs={"facts": "events"})
    assert {step.name: step.skip for step in steps} == {"a": "", "b": "no events", "c": "no events", "d": ""}


def test_only_keeps_one_notebook_and_what_it_needs(tmp_path):
    made = books(tmp_path, a='run.write("x", 1)', b='run.read("x")\nrun.write("y", 1)', c='run.read("x")', d='run.read("y")')
    assert [step.name for step in build(made, only="d")] == ["a", "b", "d"]
    with pytest.raises(InputError, match="no notebook has that name"):
        build(made, only="e")


def test_what_contracts_need_is_read_from_the_sources_as_the_registry_has_it():
    declared = contracts.all_contracts()
    ours = {name: contract.needs for name, contract in declared.items() if name in graph.needs()}
    assert graph.needs() == ours


def test_every_artefact_of_the_project_has_a_contract_and_a_maker():
    made = {name for book in notebooks.read_all(paths.NOTEBOOKS) for name in graph.names(book).writes}
    assert made == set(graph.needs())


def test_the_projects_notebooks_have_an_order():
    steps = build(notebooks.read_all(paths.NOTEBOOKS))
    assert steps[0].name == "01_cleaning"
    assert steps[-1].name == "weekly"
