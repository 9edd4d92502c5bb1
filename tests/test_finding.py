"""Files of a source: patterns, folders of parts, odd names, and what is said when there are none."""

from __future__ import annotations

import pytest
import shops

from helpers.errors import InputError
from helpers.sources import finding


@pytest.fixture
def shop(tmp_path):
    return shops.maker(tmp_path)


def test_files_of_a_pattern_or_folder_come_in_natural_order_without_hidden_ones(shop, tmp_path):
    root = tmp_path / "raw files [2025] 100%;年"
    for name in (
        "part-10.csv",
        "part-2.csv",
        "_SUCCESS",
        ".hidden.csv",
        ".tmp/part-1.csv",
        "sub/part-3.csv.gz",
        "notes.md",
    ):
        (root / "events" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "events" / name).write_text("x")

    def listed(pattern: str) -> list[str]:
        made = shop(shops.GOOD.replace("events/*.csv", pattern), root)
        return [path.relative_to(root / "events").as_posix() for path in made.files(made.events[0])]

    assert listed("events/*.csv") == ["part-2.csv", "part-10.csv"]
    assert listed("events") == ["part-2.csv", "part-10.csv", "sub/part-3.csv.gz"]
    assert listed("events/**/*.csv*") == ["part-2.csv", "part-10.csv", "sub/part-3.csv.gz"]
    assert listed("events/_SUCCESS") == ["_SUCCESS"]


def test_a_file_name_with_brackets_means_itself(tmp_path):
    for name in ("log [2025].csv", "log 2.csv", "大 文件;100%.csv", "a [1] b.csv"):
        (tmp_path / name).write_text("x")
    assert [path.name for path in finding.files(tmp_path, "log [2025].csv", "place")] == ["log [2025].csv"]
    assert [path.name for path in finding.files(tmp_path, "* [1] *.csv", "place")] == ["a [1] b.csv"]
    assert [path.name for path in finding.files(tmp_path, "log [123].csv", "place")] == ["log 2.csv"]
    assert [path.name for path in finding.files(tmp_path, "大*", "place")] == ["大 文件;100%.csv"]


def test_a_missing_file_is_told_with_the_pattern_the_folder_and_what_lies_there(shop, tmp_path):
    (tmp_path / "raw" / "events").mkdir(parents=True)
    (tmp_path / "raw" / "events" / "2025.csv.gz").write_text("x")
    made = shop(shops.GOOD.replace("*.csv", "2025.csv"), tmp_path / "raw")
    with pytest.raises(InputError) as caught:
        made.files(made.events[0])
    said = str(caught.value)
    assert '[[events]] block 1: file = "events/2025.csv"' in said
    assert str(tmp_path / "raw") in said
    assert 'Did you mean "events/2025.csv.gz"?' in said
    made = shop(root=tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"does not exist\. Say where the files lie: --root DIR"):
        made.files(made.events[0])
