"""No artefact looks into the future, and none depends on the order of rows: whatever has a contract is compared.

An artefact that is new is covered by its contract; what tells of all rows that came in is named here, with the reason.
"""

from __future__ import annotations

import random
import shutil

import pandas as pd
import pytest
import walking

from helpers import contracts

pytestmark = pytest.mark.hard  # every walk runs all notebooks

OF_ALL_ROWS = {"ledger", "reasons", "quarantine", "coverage", "influence"}  # they say where each row went, the later ones too
IDS = {"user_id", "from_user", "to_user", "referrer_id", "unit_id", "run_id"}
OF_PLACES = {"suspicions"}  # they name file and line; nothing need look wrong
REFUSED = {"projections"}  # of so few people


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The community's folder, and its artefacts."""
    folder = walking.community(tmp_path_factory.mktemp("whole") / "community")
    with pytest.MonkeyPatch.context() as patch:
        return folder, walking.walk(folder, folder.parent / "built", patch)


def again(whole, tmp_path, monkeypatch, change, key: str = walking.KEY) -> dict[str, pd.DataFrame]:
    """The artefacts of a copy of the community that was changed, under a pseudonym key."""
    folder = tmp_path / "community"
    shutil.copytree(whole[0], folder)
    change(folder)
    return walking.walk(folder, tmp_path / "built", monkeypatch, key)


def check_equal(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame], but: set[str]) -> None:
    assert set(found) == set(expected)
    for name in sorted(set(found) - but):
        pd.testing.assert_frame_equal(found[name], expected[name], check_exact=True, obj=name)


def test_the_community_has_every_artefact_and_none_is_empty(whole):
    assert set(whole[1]) == set(contracts.all_contracts())
    assert {name for name, frame in whole[1].items() if frame.empty} <= OF_PLACES | REFUSED | {"effects_restated"}


def test_what_comes_after_the_week_can_be_deleted(whole, tmp_path, monkeypatch):
    found = again(whole, tmp_path, monkeypatch, lambda folder: walking.rewrite(folder, walking.deleted))
    check_equal(found, whole[1], OF_ALL_ROWS)


@pytest.mark.parametrize("seed", range(1, 4))
def test_what_comes_after_the_week_can_be_anything(whole, tmp_path, monkeypatch, seed):
    chance = random.Random(seed)
    change = [walking.scrambled(chance), walking.added(chance)]
    found = again(whole, tmp_path, monkeypatch, lambda folder: [walking.rewrite(folder, one) for one in change])
    check_equal(found, whole[1], OF_ALL_ROWS)


@pytest.mark.parametrize("seed", range(1, 3))
def test_rows_can_stand_in_any_order_and_in_any_file(whole, tmp_path, monkeypatch, seed):
    found = again(whole, tmp_path, monkeypatch, lambda folder: walking.dealt_again(folder, random.Random(seed)))
    check_equal(found, whole[1], OF_ALL_ROWS | OF_PLACES)


def test_no_number_depends_on_a_pseudonym_or_on_the_order_of_rows(whole, tmp_path, monkeypatch):
    change = lambda folder: walking.dealt_again(folder, random.Random(1))  # noqa: E731
    found = again(whole, tmp_path, monkeypatch, change, key="another key of the same length")
    both = ({name: without_ids(name, frame) for name, frame in own.items()} for own in (found, whole[1]))
    check_equal(*both, OF_ALL_ROWS | OF_PLACES)


def without_ids(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows without pseudonyms and run, in an order that follows from the rest."""
    held = [column for column in frame.columns if column not in IDS]
    order = sorted(range(len(frame)), key=[repr(row) for row in frame[held].itertuples(index=False)].__getitem__)
    return frame[held].iloc[order].reset_index(drop=True)
