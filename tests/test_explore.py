"""Every choice of every widget of a notebook answers, at once, and as code too: not only the one that it begins with."""

from __future__ import annotations

import itertools
import linecache
import shutil
import time

import pytest

from helpers import paths
from helpers.runs import notebooks
from helpers.show import controls, gate
from helpers.show.controls import choices as kinds
from helpers.show.controls import code

pytestmark = pytest.mark.hard
BOOKS = [book for book in notebooks.read_all(paths.NOTEBOOKS) if any("explore" in cell.tags for cell in book.code)]
AT_ONCE = 0.2  # seconds
TRIES = 4  # where other programs are busy, one call may take long
MOST = 40


def values(choice) -> list:
    """What a widget can be set to; of a slider its ends; of a form some conditions."""
    if isinstance(choice, bool):
        return [True, False]
    if isinstance(choice, str):
        return [choice]
    if isinstance(choice, controls.Conditions):
        return [choice.first(), "active_days >= 4 AND (net_90 > 0 OR resurrected)", "net_90 > 1000000"]
    if isinstance(choice, controls.Stretch):
        return [(choice.values[0], choice.values[-1]), (choice.values[0], choice.values[0])]
    if isinstance(choice, tuple) and not hasattr(choice, "_fields"):
        return list(choice[:2])
    return [value for _, value in kinds.options(choice)]


def cases(choices, start):
    """The choices as they begin, and each choice changed alone, those that depend on it following."""

    def case(**wanted):
        made = {}
        for name, choice in choices.items():
            there = values(kinds.settled(choice, made))
            first = start.get(name, there[0])
            made[name] = wanted.get(name, first if first in there or not callable(choice) else there[0])
        return made

    first = case()
    yield first
    for name, choice in choices.items():
        for value in itertools.islice(values(kinds.settled(choice, first)), MOST):
            yield case(**{name: value})


def asked(answers: list, codes: list):
    """In the place of `controls.explore`: calls the function with each choice and keeps how long it took, and as what code."""

    def explore(function, *, start=None, **choices):
        if any(kinds.is_empty(kinds.plain(choice)) for choice in choices.values()):
            return
        for case in cases(choices, start or {}):
            seconds, answer = timed(function, case)
            for _ in range(TRIES):
                seconds = seconds if seconds < AT_ONCE else min(seconds, timed(function, case)[0])
            answers.append((seconds, case, answer))
        keys = {name: keyed(kinds.settled(choice, case), case[name]) for name, choice in choices.items()}
        codes.append((code.of(function, case, keys), answer))

    return explore


def timed(function, case):
    """Seconds and answer; where other programs are busy, the time that this one had."""
    began, own = time.perf_counter(), time.process_time()
    answer = function(**case)
    return min(time.perf_counter() - began, time.process_time() - own), answer


def keyed(choice, value):
    """Where a value stands in a menu."""
    if isinstance(choice, dict):
        return next(label for label, own in choice.items() if own is value or own == value)
    return choice.index(value) if isinstance(choice, list) else None


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_every_choice_answers_at_once_and_as_code(book, sample, tmp_path, monkeypatch, capsys):
    shutil.copytree(sample.root, tmp_path / "own-root")
    monkeypatch.setenv(paths.BUILT_ROOT_VARIABLE, str(tmp_path / "own-root"))
    monkeypatch.setenv(controls.HEADLESS, "1")
    names: dict = {}
    slowest = []
    for cell in book.code:
        answers, codes = [], []
        if "explore" in cell.tags:
            monkeypatch.setattr(controls, "explore", asked(answers, codes))
            monkeypatch.delenv(controls.HEADLESS, raising=False)  # somebody is there, who may choose anything
        place = f"{book.name}:{cell.id}"
        linecache.cache[place] = (len(cell.source), None, cell.source.splitlines(keepends=True), place)
        exec(compile(cell.source, place, "exec"), names)
        assert all(isinstance(answer, gate.Shown) and answer.text for _, _, answer in answers), place
        for written, answer in codes:
            assert eval(compile(written.split("\n\n", 1)[-1], "copied", "eval"), {**dated(written), **names}).html == answer.html
        if answers:
            seconds, case, _ = max(answers, key=lambda answer: answer[0])
            slowest.append((seconds, cell.id, case, len(answers)))
    with capsys.disabled():
        told = [f"{cell} {seconds:.3f} s of {n}, {case!s:.90}" for seconds, cell, case, n in slowest]
        print(f"\n{book.name}: {'; '.join(told)}")  # noqa: T201
    assert sum(n for *_, n in slowest) > 1
    assert [(cell, case, seconds) for seconds, cell, case, _ in slowest if seconds > AT_ONCE] == []


def dated(written: str) -> dict:
    """The names that the code's first line imports."""
    made: dict = {}
    if "\n\n" in written:
        exec(written.split("\n\n", 1)[0], made)
    return made
