"""What the sources hold before anything is built: until when the data reach, which files and events, and when to look again."""

from __future__ import annotations

import json
import os
from datetime import date, timedelta

import logs
import pytest

from helpers import paths
from helpers.errors import InputError
from helpers.sources import engine, profile

START = date(2026, 3, 2)


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    return logs.Shops(tmp_path_factory.mktemp("profile"))


def events(counts: dict[str, int], kind: str = "view") -> bytes:
    """So many rows on each day."""
    rows = [[f"u{n}", f"{day} 10:00:00", kind] for day, count in counts.items() for n in range(count)]
    return logs.as_csv(["uid", "time", "type"], rows)


def days(count: int, rows: int) -> dict[str, int]:
    return {str(START + timedelta(days=number)): rows for number in range(count)}


def test_a_few_rows_in_the_future_or_the_far_past_move_nothing(shops):
    shop = shops(
        events_csv=events(days(14, 200) | {"2026-03-16": 1, "2031-01-01": 1, "2025-12-31": 1, "1999-12-31": 500})
    )
    made = profile.profile(shop.found)
    assert (made.first_day, made.data_until) == (START, date(2026, 3, 15))


@pytest.mark.parametrize(("rows", "until"), [(1, date(2026, 3, 15)), (2, date(2026, 3, 16)), (3, date(2026, 3, 16))])
def test_a_day_counts_from_one_in_a_hundred_rows_of_the_median_day_on(shops, rows, until):
    shop = shops(events_csv=events(days(14, 200) | {"2026-03-16": rows}))
    assert profile.profile(shop.found).data_until == until


def test_what_dataset_toml_says_goes_first(shops):
    shop = shops(logs.toml(top="data_until = 2026-03-08"), events_csv=events(days(14, 3)))
    assert profile.profile(shop.found).data_until == date(2026, 3, 8)


def test_rows_that_where_leaves_out_reach_no_further(shops):
    content = events(days(3, 3)) + events({"2026-06-01": 50}, "ping").partition(b"\n")[2]
    shop = shops(logs.toml("where = \"type <> 'ping'\""), events_csv=content)
    made = profile.profile(shop.found)
    assert (made.data_until, made.events_seen) == (date(2026, 3, 4), ("view",))


def test_days_are_cut_in_the_zone_of_the_dataset(shops):
    content = logs.as_csv(["uid", "time", "type"], [["u", "2026-03-01T20:00:00Z", "view"]])
    for zone, day in (("UTC", 1), ("Asia/Shanghai", 2), ("America/New_York", 1)):
        assert profile.profile(shops(logs.toml(zone=zone), events_csv=content).found).data_until == date(2026, 3, day)


def test_events_are_named_most_frequent_first_and_equals_by_name(shops):
    rows = [["u", "2026-03-01", kind] for kind in ("view", "like", "view", "buy", "", "view", "like", "buy")]
    made = profile.profile(shops(events_csv=logs.as_csv(["uid", "time", "type"], rows)).found)
    assert made.events_seen == ("view", "buy", "like")


def test_a_role_that_names_an_event_never_seen_stops_before_anything_is_kept(shops):
    shop = shops(logs.toml().replace('"view"', '"veiw"'), events_csv=events(days(2, 3)))
    with pytest.raises(InputError, match='Did you mean "view"'):
        profile.profile(shop.found)
    assert not (paths.built(shop.found.name) / "profile.json").exists()


def test_events_without_any_readable_time_reach_nowhere(shops):
    content = logs.as_csv(["uid", "time", "type"], [["u", "soon", "view"]])
    made = profile.profile(shops(events_csv=content).found)
    assert (made.first_day, made.data_until, made.rows) == (None, None, {"events.csv": 1})


def test_units_alone_reach_nowhere(shops):
    shop = shops('timezone = "UTC"\n[units.trial]\nfile = "u.csv"\nvariant = "arm"\n', u_csv="arm\na\nb\n")
    made = profile.profile(shop.found)
    assert (made.first_day, made.data_until, made.rows, made.events_seen) == (None, None, {"u.csv": 2}, ())


def test_a_second_look_at_unchanged_files_asks_no_engine(shops, monkeypatch):
    shop = shops(events_csv=events(days(3, 3)))
    made = profile.profile(shop.found)
    monkeypatch.setattr(engine, "connect", lambda *given, **options: pytest.fail("the engine was asked"))
    monkeypatch.setattr(profile, "file_hash", lambda path: pytest.fail(f"{path} was read"))
    assert profile.profile(shop.found) == made


def test_a_file_that_was_touched_is_read_again_and_changes_nothing_when_its_content_is_the_same(shops, monkeypatch):
    shop = shops(events_csv=events(days(3, 3)))
    made = profile.profile(shop.found)
    os.utime(shop.folder / "events.csv", ns=(1, 1))
    monkeypatch.setattr(engine, "connect", lambda *given, **options: pytest.fail("the engine was asked"))
    assert profile.profile(shop.found) == made


def test_a_file_that_changed_or_came_is_found_out(shops):
    shop = shops(logs.toml(file="e"), e__1_csv=events(days(3, 3)))
    before = profile.profile(shop.found)
    shops.add(shop.folder, "e__2_csv", events({"2026-03-20": 3}))
    grown = profile.profile(shop.found)
    assert (grown.data_until, grown.rows) == (date(2026, 3, 20), {"e/1.csv": 9, "e/2.csv": 3})
    assert grown.files["e/1.csv"] == before.files["e/1.csv"]
    shops.add(shop.folder, "e__1_csv", events(days(2, 4)))
    assert profile.profile(shop.found).rows == {"e/1.csv": 8, "e/2.csv": 3}


@pytest.mark.parametrize("broken", ["", "{", '{"key": 1}', "[]", '{"stamps": null}'])
def test_a_damaged_note_of_the_last_look_is_made_anew(shops, broken):
    shop = shops(events_csv=events(days(3, 3)))
    made = profile.profile(shop.found)
    cache = paths.built(shop.found.name) / "profile.json"
    assert json.loads(cache.read_text("utf-8"))["profile"]["rows"] == {"events.csv": 9}
    cache.write_text(broken, "utf-8")
    assert profile.profile(shop.found) == made


def test_the_files_of_a_source_are_hashed_as_they_lie_on_disk(shops, tmp_path):
    import hashlib

    shop = shops(events_csv=events(days(1, 1)))
    raw = (shop.folder / "events.csv").read_bytes()
    assert profile.profile(shop.found).files == {"events.csv": hashlib.sha256(raw).hexdigest()}


def test_of_data_without_times_that_are_ordinary_the_newest_day_still_counts(shops):
    made = profile.profile(shops(events_csv=events({"2026-03-02": 1})).found)
    assert (made.first_day, made.data_until) == (START, START)
