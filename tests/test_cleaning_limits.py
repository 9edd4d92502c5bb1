"""The ledger is held to its law and its limits, and that of the built-in community to what was planted there."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import logs
import pytest

from helpers import cleaning, open_run
from helpers.errors import InputError, RunFailed

HEADER = ["uid", "time", "type"]


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    return logs.Shops(tmp_path_factory.mktemp("limits"))


def test_rows_that_are_not_accounted_for_are_a_fault_of_the_toolkit(shops):
    found = cleaning.reasons(shops(events_csv=logs.as_csv(HEADER, dirty(0, 2))).judged())
    with pytest.raises(RunFailed, match=r"events.csv: 3 rows came in, 2 are accounted for"):
        cleaning.ledger(found, {("events", "events.csv"): 3})


def limits(
    shops, rows: list[list[str]], *, quarantined: float = 0.05, mandatory: float = 0.20, after: str = "", **files
):
    shop = shops(logs.toml(after=after), events_csv=logs.as_csv(HEADER, rows), **files)
    kinds = ["events", *(part.source.kind for part in shop.parts if part.source.kind != "events")]
    tables = [shop.judged(kind) for kind in kinds]
    return cleaning.check_limits(
        cleaning.reasons(*tables), shop.ledger(*tables), quarantined=quarantined, mandatory=mandatory
    )


def dirty(count: int, of: int = 100) -> list[list[str]]:
    start = datetime(2026, 3, 1)
    return [["" if n < count else "u", str(start + timedelta(minutes=n)), "view"] for n in range(of)]


def test_a_share_at_its_limit_passes_and_one_over_it_stops_with_the_reasons(shops):
    assert limits(shops, dirty(5))["share"].tolist() == [0.05]
    with pytest.raises(InputError) as caught:
        limits(shops, dirty(6))
    assert "events.csv: 6.0% of its 100 rows cannot be used (blank_user_id 6; first at line 2)" in str(caught.value)
    assert "max_quarantined_share" in str(caught.value)
    limits(shops, dirty(20), quarantined=0.5)
    with pytest.raises(InputError, match=r"21.0% of its rows are set aside for blank_user_id, over the limit of 20.0%"):
        limits(shops, dirty(21), quarantined=0.5)


def test_limits_hold_for_each_table_though_two_read_the_same_file(shops):
    after = '[users]\nfile = "events.csv"\nuser_id = "uid"\n'
    with pytest.raises(InputError, match=r"events.csv: 99.0% of its 100 rows cannot be used \(repeated_user 98, blank"):
        limits(shops, dirty(1), after=after)


def test_the_ledger_of_the_built_in_community_is_the_planted_truth(sample):
    run = open_run("sample")
    truth = json.loads((sample.root / "data" / "sample" / "raw" / "truth.json").read_text("utf-8"))
    names = {"blank_user_id": "blank_user", "bad_time": "bad_time", "future_time": "future_time", "ragged": "ragged"}
    aside = run.read("reasons").query("status == 'quarantined'")
    assert aside.groupby(aside["reason"].map(names))["rows"].sum().to_dict() == truth["rows"]["quarantined"]
    for file, own in truth["files"].items():
        row = run.read("ledger").set_index("file").loc[file]
        faults = aside[aside["file"] == file].set_index("reason")["rows"].rename(names).to_dict()
        assert row["rows_in"] == own["rows_in"]
        assert row["duplicates"] == own.get("duplicate", 0)
        assert faults == {name: count for name, count in own.items() if name in names.values() and count}
    events = run.read("ledger").query("table == 'events'")
    assert events[["rows_in", "kept", "duplicates"]].sum().to_dict() == {
        key: truth["rows"][key] for key in ("rows_in", "kept", "duplicates")
    }
    coverage = run.read("coverage").query("table == 'events'").set_index("kind")
    assert coverage["kept"].to_dict() == truth["rows"]["kept_by_event"]
