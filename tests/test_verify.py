"""`python -m helpers verify RECORD`: the numbers of an experiment once more, from its record alone; and how records are left."""

import csv
import json
import stat
import sys

import pytest
from test_experiment_record import made

import helpers
from helpers import __main__ as command
from helpers import paths
from helpers.errors import EnvironmentFault
from helpers.experiments.deciding.record import numbers
from helpers.runs import publish, records


@pytest.fixture
def run(project):
    return helpers.open_run(str(project.data))


@pytest.fixture
def left(run):
    """The record of one experiment, left as a notebook leaves it."""
    found = run.record({"tour": json.loads(made())})
    return paths.built_root() / found["file"].iloc[0]


def edited(path, change):
    found = json.loads(path.read_text("utf-8"))
    change(found)
    path.write_text(json.dumps(found), "utf-8")
    return path


def says(monkeypatch, capsys, *words) -> tuple[int, str]:
    """What the command line prints, and its exit code."""
    monkeypatch.setattr(sys, "argv", ["helpers", "verify", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        command.main()
    told = capsys.readouterr()
    return ended.value.code or 0, told.out + told.err


def test_a_record_as_it_was_left_holds(left, monkeypatch, capsys):
    code, told = says(monkeypatch, capsys, left)
    lines = told.splitlines()
    assert code == 0
    assert lines[0] == "tour of tiny, 2026-W10"
    steps = [line.split(": ")[1].split(" ") for line in lines if line.endswith("numbers equal")]
    assert len(steps) > 8 and all(equal == of for equal, _, of, *_ in steps)
    assert "calibration: 3 numbers, which need the people's rows and are not computed again" in lines
    n = sum(int(of.replace(",", "")) for _, _, of, *_ in steps)
    assert lines[-1] == f"{n:,} of {n:,} equal"
    assert n + 3 == sum(numbers(json.loads(made())).values())


def test_a_changed_number_is_named_with_what_was_changed(left, monkeypatch, capsys):
    def change(found):
        found["parts"]["result effects"]["difference"]["values"][0] = 0.125

    code, told = says(monkeypatch, capsys, edited(left, change))
    assert code == 1
    assert "effects, back, b, planned, difference: recorded 0.125, computed again " in told
    assert "Changed in the file since it was made: result effects." in told


def test_at_most_ten_differences_are_named(left, monkeypatch, capsys):
    def change(found):
        values = found["parts"]["result looks"]["low"]["values"]
        values[:] = [0.5 for _ in values]

    code, told = says(monkeypatch, capsys, edited(left, change))
    assert code == 1 and told.count("computed again ") == 10
    assert f"  and {14 - 10} more" in told


def test_a_changed_plan_is_said(left, monkeypatch, capsys):
    code, told = says(monkeypatch, capsys, edited(left, lambda found: found["parts"]["plan"].update(alpha=0.01)))
    assert code == 1 and "Changed in the file since it was made: plan." in told


def test_a_changed_word_of_the_plan_is_said_though_no_number_moves(left, monkeypatch, capsys):
    code, told = says(monkeypatch, capsys, edited(left, lambda found: found["parts"]["plan"].update(hypothesis="Another.")))
    assert code == 1 and "computed again" not in told.replace("not computed again", "")
    assert told.splitlines()[-1] == "Changed in the file since it was made: plan."


def test_names_in_an_edited_record_do_nothing_to_a_terminal(left, monkeypatch, capsys):
    code, told = says(monkeypatch, capsys, edited(left, lambda found: found["parts"]["about"].update(experiment="tour\x1b[2J")))
    assert code == 1 and "Changed in the file since it was made: about." in told
    assert "\x1b" not in told and told.startswith("tour\\x1b[2J of tiny")


def test_other_versions_are_said_and_the_last_digits_may_differ(left, monkeypatch, capsys):
    def change(found):
        found["versions"]["scipy"] = "1.0.0"

    code, told = says(monkeypatch, capsys, edited(left, change))
    assert code == 0
    assert f"scipy {records.versions()['scipy']}, was 1.0.0" in told and "equal to twelve digits" in told


def test_what_is_no_record_is_one_clear_message(left, tmp_path, monkeypatch, capsys):
    cases = {
        "none.json": (None, "there is no such file"),
        "broken.json": ('{"format": ', "is not JSON"),
        "bytes.json": (b"\xff\xfe\x00", "is not JSON"),
        "other.json": ("[1, 2]", "is no record of an experiment"),
        "foreign.json": ('{"format": "other"}', "is no record of an experiment"),
        "newer.json": (left.read_text("utf-8").replace('"version": 1', '"version": 99'), "is of format 99"),
        "empty.json": ('{"format": "growth-rings experiment record", "version": 1}', "is a damaged record"),
    }
    for name, (text, expected) in cases.items():
        if text is not None:
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        code, told = says(monkeypatch, capsys, tmp_path / name)
        assert (code, len(told.strip().splitlines())) == (2, 1), name
        assert expected in told and name in told


def test_of_a_folder_the_records_are_named(left, monkeypatch, capsys):
    code, told = says(monkeypatch, capsys, left.parent)
    assert code == 2 and "It holds experiment_tour.json" in told


def test_a_record_so_damaged_that_nothing_can_be_computed_says_so(left, monkeypatch, capsys):
    code, told = says(monkeypatch, capsys, edited(left, lambda found: found["parts"].pop("input cube")))
    assert code == 2 and "cannot be computed again" in told and "input cube" in told and "Traceback" not in told


def test_records_lie_beside_the_artefacts_for_their_owner_alone(run, left):
    assert left == run.folder / "records" / "experiment_tour.json"
    assert stat.S_IMODE(left.stat().st_mode) == 0o600 and stat.S_IMODE(left.parent.stat().st_mode) == 0o700
    assert [path.name for path in left.parent.iterdir()] == ["experiment_tour.json"]
    found = json.loads(left.read_text("utf-8"))
    assert (found["dataset"], found["week"]) == ("tiny", "2026-W10")
    assert found["as_of"] == run.as_of.isoformat()
    assert {"python", "helpers", "processor", *records.LIBRARIES} == set(found["versions"])


def test_a_record_written_again_has_the_same_bytes_and_others_stay(run, left):
    before = left.read_bytes()
    found = run.record({"tour": json.loads(made()), "feed": json.loads(made())})
    assert left.read_bytes() == before
    run.record({"feed": json.loads(made())})
    assert left.exists() and len(found) == 2 and found["sha256"].nunique() == 1
    assert (found["numbers"] > 500).all()


@pytest.mark.parametrize("name", ["a/../../b", "Tour", "tour!", "", "新", "x" * 300, "con.json"])
def test_names_that_no_file_should_have_are_made_safe_and_kept_apart(name):
    found = records.file_name(name)
    assert found.isascii() and "/" not in found and len(found) < 100 and found.startswith("experiment_")
    assert found not in {records.file_name(other) for other in ("tour", "a_b", "x" * 60, "x" * 299)}


def test_a_full_disk_leaves_the_old_record(run, left, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = left.read_bytes()
    monkeypatch.setattr(records, "_private", full)
    with pytest.raises(EnvironmentFault, match="Free some space"):
        run.record({"tour": json.loads(made(2))})
    assert left.read_bytes() == before and len(list(left.parent.iterdir())) == 1


def published(project, *rows):
    path = paths.reports("tiny") / "published.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([publish.COLUMNS] if fresh else [])
        writer.writerows(rows)


def test_effects_are_read_as_first_published_up_to_this_week(run, project):
    published(
        project,
        ["2026-W08", "tour: back", "b", 0.5, 0.25, 0.75, 40, "r1"],
        ["2026-W08", "tour: back", "b", 0.6, 0.25, 0.75, 40, "r2"],
        ["2026-W09", "'-10: back", "'=b", "", "", "", "", "r3"],
        ["2026-W09", "'-10: back", "'=b", 0.1, "", "", 40, "r4"],
        ["2026-W09", "payers", "all", 3, "", "", 40, "r4"],
        ["2026-W10", "tour: back", "b", 0.7, 0.25, 0.75, 40, "r5"],
        ["2026-W11", "tour: back", "b", 0.8, 0.25, 0.75, 40, "r6"],
    )
    found = run.published()
    told = list(found[["week", "metric", "slice", "value"]].itertuples(index=False, name=None))
    assert told == [
        ("2026-W08", "tour: back", "b", 0.5), ("2026-W09", "-10: back", "=b", 0.1), ("2026-W10", "tour: back", "b", 0.7),
    ]  # fmt: skip
    assert found["low"].isna().tolist() == [False, True, False]


def test_without_anything_published_there_are_no_rows(run):
    assert run.published().empty


def test_a_step_that_reads_what_was_published_is_reused_until_an_earlier_week_is_published(project):
    project.change("03_third", "days.event.nunique()", "run.published(); days.event.nunique()")
    project.report()
    assert project.ran() == []
    published(project, ["2026-W10", "tour: back", "b", 0.7, "", "", 40, "r5"], ["2026-W09", "payers", "all", 7, "", "", 40, "r4"])
    assert project.ran() == []
    published(project, ["2026-W09", "tour: back", "b", 0.6, "", "", 40, "r4"])
    outcome = project.report()
    assert outcome.decisions["03_third"].why == "weeks before this one were published"
    assert [name for name, decision in outcome.decisions.items() if decision.action == "run"] == ["03_third"]
    assert project.ran() == []


def test_a_step_whose_records_are_gone_runs_again(project):
    project.change("03_third", "days.event.nunique()", "run.record({}); days.event.nunique()")
    project.report()
    assert project.ran() == []
    (project.built / "records").rmdir()
    assert project.ran() == ["03_third"]


def test_one_page_of_one_experiment_is_made_by_only_and_a_parameter(project):
    before = 'week: str = "latest"  # ISO week such as 2026-W10, or latest'
    project.change("03_third", before, before + '\nexperiment: str = "all"  # one experiment, or all')
    project.change("03_third", "days.event.nunique().to_pandas()", 'print("about", experiment)')
    outcome = project.report(only="03_third", given=("experiment=tour",))
    assert outcome.published is None and "about tour" in outcome.front.read_text("utf-8")
    assert sorted(outcome.records) == ["01_first", "03_third"]
    assert "about all" in project.report(only="03_third").front.read_text("utf-8")
