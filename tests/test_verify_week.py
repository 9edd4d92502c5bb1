"""`python -m helpers verify reports/<name>/<week>`: the week once more, number by number, and what has changed since."""

import json
import shutil
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import __main__ as command
from helpers import paths
from helpers.errors import InputError
from helpers.runs import page_numbers, progress, verifying


def verify(reported, path=None, **options):
    """What it found, and all its lines."""
    lines = []
    taken = progress.Plain()
    taken.say = lines.append
    found = verifying.verify(
        path or reported.reports / "2026-W10", dataset=str(reported.data), books=reported.books, progress=taken, **options
    )
    return found, "\n".join([*lines, *found.lines])


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_week_is_named_by_its_link_by_latest_by_its_run_or_by_run_json(reported):
    run = (reported.reports / "latest").resolve()
    for path in (reported.reports / "2026-W10", reported.reports / "latest", run, run / "run.json"):
        assert verifying.is_of_week(path) and verifying.read(path).folder == run


@pytest.mark.hard
def test_a_week_as_it_was_published_holds_and_nothing_published_is_touched(reported):
    before = files(reported.reports)
    found, told = verify(reported)
    assert found.holds
    assert "Nothing has changed since" in told and "published numbers: 2 of 2 equal" in told
    equal, of = found.lines[-1].removesuffix(" equal").split(" of ")
    assert equal == of and int(of) > 10
    assert files(reported.reports) == before
    assert not [*(paths.built("tiny") / verifying.ASIDE).iterdir()]


@pytest.mark.hard
def test_late_rows_are_named_by_file_and_the_numbers_that_they_moved_by_metric(reported):
    with (reported.data / "events.csv").open("a", encoding="utf-8") as stream:
        stream.write("u1,2026-03-08 23:00:00,share\n")
    found, told = verify(reported)
    assert not found.holds
    assert "Changed since: events.csv." in told
    assert "  published numbers, events, all, value: 2.0, now 3.0" in found.lines
    assert "  published numbers, events, all, n: 152, now 153" in found.lines
    assert found.lines[0] == "published numbers: 0 of 2 equal"


@pytest.mark.hard
def test_changed_code_and_rules_and_dataset_toml_are_said_though_no_number_moves(reported):
    reported.change("03_third", "days.event.nunique()", "1 * days.event.nunique()")
    (reported.data / "rules.toml").write_text("[activity]\nhigh = 13\n", "utf-8")
    (reported.data / "dataset.toml").write_text((reported.data / "dataset.toml").read_text("utf-8") + "# more\n", "utf-8")
    found, told = verify(reported)
    assert found.holds
    assert "Changed since: dataset.toml; rules.toml [activity]; notebook 03_third." in told


@pytest.mark.hard
def test_a_page_and_a_number_that_were_changed_afterwards_are_found(reported):
    page = reported.reports / "latest" / "01_first.html"
    page.write_text(page.read_text("utf-8").replace(">152<", ">153<"), "utf-8")
    path = reported.reports / "latest" / "run.json"
    record = json.loads(path.read_text("utf-8"))
    record["numbers"][0]["value"] += 1e-13
    path.write_text(json.dumps(record), "utf-8")
    found, told = verify(reported)
    assert not found.holds
    assert "Not as it was published: 01_first.html." in found.lines
    assert "  published numbers, events, all, value: 2.0000000000001, now 2.0" in told


def test_under_other_versions_the_last_digits_may_differ_and_no_others():
    row = {"metric": "payers", "slice": "all", "value": 2.0, "low": None, "high": None, "n": 40}
    near, far = row | {"value": 2.0 + 1e-13}, row | {"value": 2.01, "low": 1.0}
    apart = [("payers, all, value", "2.0", "2.0000000000001")]
    assert verifying.published_apart([row], [near], exactly=True) == (1, 2, apart)
    assert verifying.published_apart([row], [near], exactly=False) == (2, 2, [])
    assert verifying.published_apart([row], [far], exactly=False)[2] == [
        ("payers, all, value", "2.0", "2.01"), ("payers, all, low", "", "1.0"),
    ]  # fmt: skip
    assert verifying.published_apart([row], [], exactly=False)[:2] == (0, 2)


@pytest.mark.hard
def test_parameters_and_what_was_published_before_are_those_of_the_run(reported):
    """published.csv is cut before the run, since effects and restatements of later runs were not known to it."""
    reported.change("weekly", '"value": [float(len(sizes))]', '"value": [float(len(sizes)) + len(run.published())]')
    reported.report(given=("half_life_days=7",))
    (reported.reports / "published.csv").open("a").write("2026-W10,tour: back,b,0.5,,,40,later\n")
    found, told = verify(reported)
    assert found.holds and "Nothing has changed since" in told, told


def test_sources_that_are_gone_are_one_clear_message(reported, monkeypatch, capsys):
    (reported.data / "events.csv").unlink()
    monkeypatch.setattr(sys, "argv", ["helpers", "verify", str(reported.reports / "latest"), "--dataset", str(reported.data)])
    monkeypatch.setattr(paths, "NOTEBOOKS", reported.books)
    with pytest.raises(SystemExit) as ended:
        command.main()
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert "cannot be built again." in told and "events.csv" in told and verifying.ASIDE not in told
    shutil.rmtree(reported.data)
    with pytest.raises(InputError):
        verify(reported)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("2026-W11", "there is no such folder. Published are: 2026-W10."),
        (".", "no run.json lies there, so it is no published week. Published are: 2026-W10."),
        ("../../nowhere/at/all", "there is no such folder. Weeks lie in reports/<name>/<week>."),
    ],
)
def test_what_is_no_published_week_is_one_clear_message(reported, given, said):
    with pytest.raises(InputError) as refused:
        verify(reported, reported.reports / given)
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"run": "x"}'])
def test_a_damaged_run_json_is_one_clear_message(reported, text):
    (reported.reports / "latest" / "run.json").write_text(text, "utf-8")
    with pytest.raises(InputError, match=r"its run\.json (cannot be read|says nothing of)"):
        verify(reported)


PAGE = """<html lang=en><head><title>9</title><style>p{margin:8px}</style></head><body><header><p>Week 10</p></header>
<div class="cell" id="sizes"><figure role="img" aria-label="up 1.5 to 2,000"><svg><path d="M0 7"/></svg></figure>
<table><tr><td>3人<td>-4.5 %<td>123456789012<td>37ab</tr></table>
<details class="code"><summary>Code</summary><pre><code>5</code></pre></details></div>
<details class="detail" id="more"><summary>More</summary>6e-7 of x2</details><footer>11<dl><dd>12</dd></dl></footer></body>"""


def test_the_numbers_of_a_page_are_what_readers_see():
    assert page_numbers.of_page(PAGE) == {
        "top of the page": ["10"], "sizes": ["1.5", "2,000", "3", "-4.5"], "more": ["6e-7"],
    }  # fmt: skip


def test_numbers_that_differ_are_told_by_their_cell():
    old = {"a": ["1", "2", "3"], "b": ["4"]}
    assert page_numbers.compared(old, {"a": ["1", "5", "3"], "c": ["6", "7"]}) == (
        2, 6, [("a", "2", "5"), ("b", "4", ""), ("c", "", "6"), ("c", "", "7")],
    )  # fmt: skip


@given(st.lists(st.sampled_from("123"), max_size=8), st.lists(st.sampled_from("123"), max_size=8))
def test_every_number_counts_once_as_equal_or_as_different(old, new):
    equal, total, apart = page_numbers.compared({"a": old}, {"a": new})
    assert equal + len(apart) == total >= max(len(old), len(new))
    assert (not apart) == (old == new)
