"""Files that are whole or not there, and the clearing away of what processes that are gone have left."""

from __future__ import annotations

import os
import subprocess

import pytest

from helpers import paths
from helpers.errors import EnvironmentFault, of_disk


def test_what_cannot_be_written_is_told_by_the_name_that_it_was_to_have_and_leaves_nothing(tmp_path):
    path = tmp_path / "index.json"
    path.write_text("as it was")
    with pytest.raises(EnvironmentFault) as told, paths.whole(path) as outer, paths.whole(outer) as inner:
        inner.write_text("half of")
        raise of_disk(inner, OSError("IO Error: No space left on device"))
    assert str(told.value).startswith(f"{path}: cannot be written (No space left on device). Free some space")
    assert [left.name for left in tmp_path.iterdir()] == [path.name] and path.read_text() == "as it was"


def test_a_folder_takes_the_place_of_another_whole(tmp_path):
    for content in ("one", "two"):
        with paths.whole_folder(tmp_path / "run") as fresh:
            (fresh / content).write_text(content)
            assert content == "one" or [left.name for left in (tmp_path / "run").iterdir()] == ["one"]
    assert [left.name for left in tmp_path.iterdir()] == ["run"]
    assert [left.name for left in (tmp_path / "run").iterdir()] == ["two"]


def test_files_without_a_name_in_the_index_go_when_their_maker_is_gone(tmp_path):
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    left, own = f"{gone.pid}-0123456789ab", f"days-{paths.token()}.parquet"
    for name in (f"days-{left}.parquet", f".days.{left}{paths.UNFINISHED}", own, "days.parquet"):
        (tmp_path / name).touch()
    paths.sweep(tmp_path)
    paths.sweep_unnamed(tmp_path, {"days.parquet"})
    assert {path.name for path in tmp_path.iterdir()} == {"days.parquet", own}
    paths.sweep_unnamed(tmp_path, set(), before={"days.parquet"})
    assert not (tmp_path / "days.parquet").exists()
    os.utime(tmp_path / own, (0, 0))  # its number is another process's by now
    paths.sweep_unnamed(tmp_path, set())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_removed_while_the_one_above_it_is_looked_through_is_passed_over(tmp_path):
    for name in ("block", "shuffle"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "file").touch()
    seen = []
    for path in paths.below(tmp_path):
        seen.append(path.relative_to(tmp_path).as_posix())
        paths.remove(tmp_path / "shuffle")
    assert sorted(seen) == ["block", "block/inner", "block/inner/file", "shuffle"]
