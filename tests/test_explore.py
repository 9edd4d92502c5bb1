"""Every choice of every widget of a notebook answers, not only the one that it begins with."""

from __future__ import annotations

import itertools
import shutil

import pytest

from helpers import paths
from helpers.runs import notebooks
from helpers.show import controls, gate

pytestmark = pytest.mark.hard
BOOKS = [book for book in notebooks.read_all(paths.NOTEBOOKS) if any("explore" in cell.tags for cell in book.code)]


def values(choice) -> list:
    """What a widget can be set to; of a slider its ends."""
    if isinstance(choice, bool):
        return [True, False]
    if isinstance(choice, str):
        return [choice]
    if isinstance(choice, controls.Stretch):
        return [(choice.values[0], choice.values[-1]), (choice.values[0], choice.values[0])]
    if isinstance(choice, tuple):
        return list(choice[:2])
    return list(choice.values() if isinstance(choice, dict) else choice)


def asked(answers: list):
    """In the place of `controls.explore`: calls the function with each choice, others standing as they begin."""

    def explore(function, *, start=None, **choices):
        first = {name: (start or {}).get(name, values(choice)[0]) for name, choice in choices.items()}
        cases = [first | {name: value} for name, choice in choices.items() for value in itertools.islice(values(choice), 40)]
        answers.extend(function(**case) for case in [first, *cases])

    return explore


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_every_choice_answers(book, sample, tmp_path, monkeypatch):
    shutil.copytree(sample.root, tmp_path / "own-root")
    monkeypatch.setenv(paths.BUILT_ROOT_VARIABLE, str(tmp_path / "own-root"))
    monkeypatch.setenv(controls.HEADLESS, "1")
    names: dict = {}
    answers: list = []
    for cell in book.code:
        if "explore" in cell.tags:
            monkeypatch.setattr(controls, "explore", asked(answers))
        exec(compile(cell.source, f"{book.name}:{cell.id}", "exec"), names)
    assert len(answers) > 1 and all(isinstance(answer, gate.Shown) and answer.text for answer in answers)
