"""From finished steps to a published run: whole or not at all."""

import csv
import json
from pathlib import Path

import pytest

from helpers import paths
from helpers.errors import RunFailed
from helpers.runs import pages, publish


def record(week="2026-W10", key="a" * 64, built_at="2026-03-09T08:00:00+00:00"):
    return {"key": key, "week": week, "headline": f"Week {week}", "quality": "good", "status": "", "built_at": built_at,
            "seconds": 3.0}  # fmt: skip


def row(**changed):
    return {"metric": "payers", "slice": "all", "value": 12.5, "low": None, "high": None, "n": 40} | changed


def made(week="2026-W10", number=1, rows=(), html="<p>front</p>"):
    told = record(week, f"{number:064x}", f"2026-03-{number + 1:02d}T08:00:00+00:00")
    return publish.publish("shop", "The shop", {"index.html": html, "04_retention.html": "<p>page</p>"}, told, list(rows))


def table():
    with (paths.reports("shop") / "published.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_week_and_latest_are_relative_links_to_a_run():
    made()
    top = paths.reports("shop")
    assert str((top / "2026-W10").readlink()).startswith(".runs/2026-W10-")
    assert str((top / "latest").readlink()) == "2026-W10"
    assert (top / "latest" / "index.html").read_text("utf-8") == "<p>front</p>"
    assert json.loads((top / "latest" / "run.json").read_text("utf-8"))["week"] == "2026-W10"


def test_an_older_week_moves_its_own_link_and_not_latest():
    made("2026-W10", 1)
    made("2026-W09", 2)
    assert str((paths.reports("shop") / "latest").readlink()) == "2026-W10"
    assert publish.weeks_of(paths.reports("shop")) == ["2026-W09", "2026-W10"]


def test_a_run_is_never_changed_afterwards():
    first = made(number=1)
    second = made(number=1, html="<p>other</p>")
    assert first.folder != second.folder
    assert (first.folder / "index.html").read_text("utf-8") == "<p>front</p>"


def test_only_the_newest_three_runs_of_a_week_stay():
    for number in range(1, 7):
        made(number=number)
    made("2026-W09", 7)
    kept = sorted(path.name[:17] for path in (paths.reports("shop") / ".runs").iterdir() if not path.is_symlink())
    assert kept == ["2026-W09-20260308", "2026-W10-20260305", "2026-W10-20260306", "2026-W10-20260307"]


def test_published_numbers_are_appended_once_and_never_touched():
    first = made(number=1, rows=[row(), row(slice="city", value=3)])
    before = (paths.reports("shop") / "published.csv").read_text("utf-8")
    publish.show("shop", "The shop", first)
    assert (paths.reports("shop") / "published.csv").read_text("utf-8") == before
    made(number=2, rows=[row(value=13.0)])
    assert (paths.reports("shop") / "published.csv").read_text("utf-8").startswith(before)
    assert [(line["week"], line["metric"], line["value"]) for line in table()] == [
        ("2026-W10", "payers", "12.5"), ("2026-W10", "payers", "3"), ("2026-W10", "payers", "13.0"),
    ]  # fmt: skip
    assert table()[0]["run"] == first.folder.name


def test_no_text_in_published_csv_is_a_formula():
    made(rows=[row(slice="=cmd|' /C calc'!A0"), row(slice="@x"), row(slice='a,"b"\nc'), row(value=-1.5)])
    assert [line["slice"] for line in table()] == ["'=cmd|' /C calc'!A0", "'@x", 'a,"b"\nc', "all"]
    assert table()[3]["value"] == "-1.5"


def test_a_crash_before_the_links_leaves_the_old_report(monkeypatch):
    made(number=1)
    top = paths.reports("shop")
    before = (top / "latest").resolve()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            made(number=2)
    assert (top / "latest").resolve() == before
    made(number=3)
    assert not [path for path in (top / ".runs").iterdir() if path.name.startswith(".")]


def test_a_published_page_that_was_changed_is_not_taken_for_good():
    run = made()
    assert publish.current("shop", "2026-W10") is not None
    (run.folder / "04_retention.html").write_text("tampered", "utf-8")
    assert publish.current("shop", "2026-W10") is None


def test_a_report_without_a_front_page_is_refused():
    with pytest.raises(RunFailed, match="no front page"):
        publish.publish("shop", "The shop", {"04_retention.html": ""}, record(), [])


def test_the_history_shows_every_week_newest_first():
    made("2026-W09", 1)
    made("2026-W10", 2)
    html = (paths.reports("shop") / "index.html").read_text("utf-8")
    assert html.index("Week 2026-W10") < html.index("Week 2026-W09")
    assert 'href="2026-W10/index.html"' in html


def test_numbers_of_small_groups_do_not_reach_published_csv(reported):
    """Two of four parts are small: their numbers go, and none of the others lets them be worked out."""
    import pandas as pd

    import helpers
    from helpers import contracts

    columns = {"metric": ("string", "", ""), "slice": ("string", "", ""), "value": ("float64", "", ""),
               "low": ("float64", "", ""), "high": ("float64", "", ""), "n": ("int64", "", "")}  # fmt: skip
    contracts.declare("published", grain="", key=["slice"], columns=columns, small=True, nullable=("low", "high"))
    run = helpers.open_run(str(reported.data))
    sizes = {"a": 100, "b": 50, "c": 3, "d": 40}
    values = [float(n) for n in sizes.values()]
    frame = pd.DataFrame({"metric": "tier", "slice": list(sizes), "value": values, "n": list(sizes.values())})
    frame[["low", "high"]] = float("nan")
    run.write("published", frame)
    shown = {line["slice"]: line["value"] for line in pages.numbers(run)}
    assert shown["c"] is None
    assert len([value for value in shown.values() if value is None]) >= 2
    assert shown["a"] == 100
