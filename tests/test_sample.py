"""The built-in community's files: the same bytes for a seed, dirt that can be recounted, rows that hang together."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import raw_sample

from helpers.errors import InputError
from helpers.paths import PROJECT
from helpers.sources import sample

SMALL = {"members": 400, "weeks": 26}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sample") / "raw"
    sample.build(made)
    return made


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict:
    return json.loads((folder / "truth.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def raw(folder: Path, truth: dict) -> raw_sample.Raw:
    return raw_sample.read(folder, truth)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        sample.build(tmp_path / name, seed=seed, **SMALL)
    once, again, other = (contents(tmp_path / name) for name in "abc")
    assert once == again
    assert not [name for name in once if once[name] == other.get(name)]


def test_ensure_builds_only_what_is_missing_damaged_or_another(tmp_path):
    raw = tmp_path / "data" / "raw"
    assert sample.ensure(raw, seed=1, **SMALL)
    assert not sample.ensure(raw, seed=1, **SMALL)
    before = contents(raw)
    assert sample.ensure(raw, seed=1, null=True, **SMALL)
    assert sample.ensure(raw, seed=1, **SMALL)
    (raw / "users.csv").unlink()
    assert sample.ensure(raw, seed=1, **SMALL)
    with (raw / "events" / "2025-11.csv").open("a") as part:
        part.write("cut off")
    assert sample.ensure(raw, seed=1, **SMALL)
    assert contents(raw) == before


def test_what_a_killed_build_left_is_removed_and_what_was_there_is_replaced_whole(tmp_path):
    (tmp_path / ".raw.new" / "events").mkdir(parents=True)
    sample.build(tmp_path / "raw", seed=2, **SMALL)
    (tmp_path / "raw" / "stray.csv").write_text("uid\n")
    sample.build(tmp_path / "raw", seed=1, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
    assert not (tmp_path / "raw" / "stray.csv").exists()


@pytest.mark.parametrize("make", [sample.build, sample.ensure])
def test_a_folder_with_other_files_is_never_replaced(tmp_path, make):
    own = tmp_path / "work"
    own.mkdir()
    (own / "thesis.txt").write_text("years")
    with pytest.raises(InputError, match="holds other files"):
        make(own, **SMALL)
    assert contents(tmp_path) == {"work/thesis.txt": b"years"}


def test_a_failed_build_leaves_the_old_files(tmp_path):
    sample.build(tmp_path / "raw", seed=1, **SMALL)
    before = contents(tmp_path / "raw")
    with pytest.raises(ValueError, match="200 members and 13 weeks"):
        sample.build(tmp_path / "raw", seed=1, members=20)
    assert contents(tmp_path / "raw") == before
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_asking_whether_the_files_are_there_imports_no_heavy_library(tmp_path):
    sample.ensure(tmp_path / "raw", seed=1, **SMALL)
    ask = (
        "import sys; from pathlib import Path; from helpers.sources import sample\n"
        f"assert not sample.ensure(Path({str(tmp_path / 'raw')!r}), seed=1, members=400)\n"
        "assert not {'numpy', 'pandas', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", ask], check=True, cwd=PROJECT)


def test_the_community_has_the_size_that_it_promises(folder, truth):
    assert truth["users"]["members"] == 6000
    assert list(truth["weekly_actives"])[::25] == ["2025-W37", "2026-W10"]
    assert 570_000 < truth["rows"]["rows_in"] < 630_000
    assert sum(len(content) for content in contents(folder).values()) < 60e6


def test_the_planted_dirt_is_what_a_recount_finds_in_each_file(folder, truth):
    for name, counts in raw_sample.recount(folder).items():
        told = truth["files"][name]
        assert {key: counts[key] for key in told} == told
    rows = truth["rows"]
    assert rows["rows_in"] == rows["kept"] + rows["duplicates"] + sum(rows["quarantined"].values())
    assert rows["duplicates"] == 1800
    assert rows["quarantined"] == {"blank_user": 900, "bad_time": 240, "future_time": 36, "ragged": 120}


def test_ragged_rows_have_one_cell_too_many_or_too_few(folder):
    cells = [row.count(",") + 1 for rows in raw_sample.lines(folder).values() for row in rows]
    assert pd.Series(cells).value_counts()[[10, 12]].tolist() == [60, 60]
    assert set(cells) == {10, 11, 12}


def test_no_day_in_the_future_has_as_many_rows_as_a_day_of_data(folder):
    future = [row.split(",")[1][:10] for rows in raw_sample.lines(folder).values() for row in rows]
    days = pd.Series(future)[lambda day: day > "2026-03-08"].value_counts()
    real = days[days.index.str.match(r"^20(2[6-9]|3\d)-(0[1-9]|1[0-2])-\d\d$")]
    assert real.max() == 1


def test_kept_rows_by_event_and_member_days_are_as_told(raw, truth):
    rows = truth["rows"]
    counts = raw.events["type"].value_counts().to_dict()
    counts["view"] += truth["users"]["bot"]["events"]
    assert counts == rows["kept_by_event"]
    assert len(raw.visits) == rows["active_member_days"]
    active = raw.events[raw.events["type"].isin(raw_sample.ACTIVE)].groupby("week")["uid"].nunique()
    assert active.tolist() == list(truth["weekly_actives"].values())


def test_the_bot_is_regular_and_in_no_table(folder, raw, truth):
    rows = [row.split(",") for part in raw_sample.lines(folder).values() for row in part]
    bot = pd.to_datetime(pd.Series([row[1] for row in rows if row[0] == truth["users"]["bot"]["uid"]]))
    assert len(bot) == truth["users"]["bot"]["events"] == 8000
    assert bot.diff().dt.total_seconds().eq(30).mean() > 0.99
    assert raw_sample.BOT not in set(raw.tables["users"]["uid"])


def test_members_register_before_they_act_and_prospects_never_act(raw, truth):
    users = raw.tables["users"]
    assert len(users) == truth["users"]["in_users_csv"] == 6240
    assert len(raw.members) == raw.events["uid"].nunique() == 6000
    first = raw.events.groupby("uid")["time"].min()
    registered = pd.to_datetime(raw.members["registered_at"])
    assert (registered < first).all()
    assert (registered.dt.date == first.dt.date).all()
    assert users["nickname"].str.contains(r"[\u4e00-\u9fff]").all()
    assert users["city"].str.fullmatch(r"[\u4e00-\u9fff]{2}|").all()
    assert raw.members["week"].value_counts().sort_index().tolist() == list(
        truth["survival"]["joined_by_week"].values()
    )


def test_content_is_referred_to_only_after_it_was_made_and_in_its_own_topic(raw):
    events = raw.events
    made = events[events["type"].isin(["post", "comment"])].set_index("content_id")
    assert made.index.is_unique
    for refers, column in ((["view", "like", "share"], "content_id"), (["comment"], "parent_id")):
        rows = events[events["type"].isin(refers)]
        target = made.loc[rows[column]]
        assert (target["time"].to_numpy() < rows["time"].to_numpy()).all()
        assert (target["channel_name"].to_numpy() == rows["channel_name"].to_numpy()).all()
        if column == "content_id":
            assert (target["content_kind"].to_numpy() == rows["content_kind"].to_numpy()).all()


def test_views_end_before_the_next_event_of_the_session(raw):
    events = raw.events[raw.events["type"] != "refund"].sort_values(["uid", "time"])
    ahead = events.groupby("uid")["time"].diff(-1).dt.total_seconds().abs()
    inside = (events["type"] == "view") & (ahead <= 1800)
    assert (events.loc[inside, "duration_s"].astype(int) <= ahead[inside]).mean() > 0.95
    assert ahead[ahead <= 1800].median() < 90
    assert events["duration_s"].ne("").eq(events["type"] == "view").all()


def test_people_come_in_the_evening_and_at_the_weekend(raw):
    hours = raw.events["time"].dt.hour.value_counts(normalize=True)
    assert hours[[19, 20, 21, 22]].sum() > 0.25
    assert hours[[2, 3, 4, 5]].sum() < 0.03
    days = pd.Series([day for _, day in raw.visits])
    assert days[days % 7 >= 5].size / 2 > 1.05 * days[days % 7 < 5].size / 5


def test_the_dataset_file_maps_columns_and_events_that_are_there(folder, truth):
    told = tomllib.loads((PROJECT / "data" / "sample" / "dataset.toml").read_text(encoding="utf-8"))
    blocks = [*told["events"], *(told[name] for name in ("users", "assignments", "spend", "touches", "feedback"))]
    for block in blocks:
        path = next(iter(sorted(folder.glob(block["file"]))))
        header = path.read_text(encoding="utf-8").split("\n", 1)[0].split(",")
        assert {value.split(" / ")[0] for key, value in block.items() if key != "file"} <= set(header)
    named = {event for events in told["roles"].values() for event in events}
    assert named == set(truth["rows"]["kept_by_event"])
