"""What must not get in or out: links that lead elsewhere, stored programs, tracebacks, passwords, parameters that are paths."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import errors, paths
from helpers.errors import EnvironmentFault, InputError, RunFailed
from helpers.runs import checking, publish

SECRET = "s3cret"
ADDRESS = f"postgres://reader:{SECRET}@host:5432/db"
MASKED = "postgres://reader:***@host:5432/db"


# Links that lead elsewhere


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Somebody's folder: it looks like a run, and has folders that do not."""
    folder = tmp_path / "elsewhere"
    (folder / "letters").mkdir(parents=True)
    (folder / "letters" / "one.txt").write_text("dear", "utf-8")
    (folder / "index.html").write_text("theirs", "utf-8")
    record = {"key": "a" * 64, "week": "2026-W10", "headline": "theirs", "quality": "good", "built_at": "2026-01-01"}
    pages = {"index.html": publish.file_hash(folder / "index.html")}
    (folder / "run.json").write_text(json.dumps({**record, "run": "x", "seconds": 1, "numbers": [], "pages": pages}), "utf-8")
    return folder


@pytest.fixture
def top() -> Path:
    folder = paths.reports("shop")
    folder.mkdir(parents=True)
    return folder


def made(week: str = "2026-W10", **changed) -> publish.Published:
    record = {"key": "b" * 64, "week": week, "headline": "ours", "quality": "good", "status": "", "seconds": 1.0,
              "built_at": "2026-03-09T08:00:00+00:00", **changed}  # fmt: skip
    rows = [{"metric": "payers", "slice": "all", "value": 12.5, "low": None, "high": None, "n": 40}]
    return publish.publish("shop", "The shop", {"index.html": "ours"}, record, rows)


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["2026-W10", "latest", "2026-W53", "zzz", ".runs/2026-W10-1", "index.html", "published.csv"])
def test_a_link_planted_in_the_output_is_replaced_or_passed_over_and_never_written_through(top, elsewhere, name):
    before = content(elsewhere)
    (top / ".runs").mkdir()
    (top / name).symlink_to(elsewhere / ("index.html" if "." in name[1:] else ""))
    run = made()
    assert content(elsewhere) == before
    assert (top / "latest").resolve() == (top / "2026-W10").resolve() == run.folder
    assert "theirs" not in (top / "index.html").read_text("utf-8") + (top / "published.csv").read_text("utf-8")
    assert publish.weeks_of(top) == ["2026-W10"]


def test_a_week_that_leads_elsewhere_is_not_the_published_one(top, elsewhere):
    (top / "2026-W10").symlink_to(elsewhere)
    assert publish.current("shop", "2026-W10") is None
    made()
    assert publish.current("shop", "2026-W10").record["headline"] == "ours"


def test_a_folder_of_runs_that_leads_elsewhere_is_refused(top, elsewhere):
    """Runs are cleared away there, so that whatever lies there would go."""
    before = content(elsewhere)
    (top / ".runs").symlink_to(elsewhere)
    with pytest.raises(EnvironmentFault, match=r"is a link to .*elsewhere\. Remove it"):
        made()
    assert content(elsewhere) == before
    assert sorted(path.name for path in top.iterdir()) == [".runs"]


# Stored programs


def test_nothing_reads_or_writes_a_stored_program():
    """A pickle runs what its maker wants; artefacts are Parquet and JSON."""
    modules = {"pickle", "cPickle", "joblib", "marshal", "shelve", "dill", "cloudpickle"}
    calls = {"read_pickle", "to_pickle", "allow_pickle"}
    sources = {str(path): path.read_text("utf-8") for path in (paths.PROJECT / "helpers").rglob("*.py")}
    for path in paths.NOTEBOOKS.glob("*.ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        sources[path.name] = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert len(sources) > 60
    for name, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                assert not modules & {part.name.split(".")[0] for part in node.names}, name
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in modules, name
            if isinstance(node, ast.Attribute | ast.keyword):
                assert (node.attr if isinstance(node, ast.Attribute) else node.arg) not in calls, name


# Tracebacks


RULES = 'limits = run.rules["activity"]'
PRINTED = f"import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    print(traceback.format_exc())\n{RULES}"


@pytest.mark.parametrize("cell", [PRINTED, f"raise ValueError('no answer from {ADDRESS}')"])
def test_a_traceback_reaches_no_published_page(reported, cell):
    before = reported.pages()
    reported.change("02_second", RULES, cell)
    with pytest.raises(RunFailed) as failed:
        reported.report()
    said = str(failed.value)
    assert "Traceback" not in said and SECRET not in said
    assert "A traceback is shown." in said or f"ValueError: no answer from {MASKED}" in said
    assert reported.pages() == before


# Passwords


def test_a_password_is_masked_in_the_log_the_pages_and_run_json(reported):
    reported.change("02_second", "half_life_days: int", f'database: str = "{ADDRESS}"  # where it lies\nhalf_life_days: int')
    reported.change("02_second", RULES, f"{RULES}\nfrom helpers.show import tables\ntables.facts({{'database': database}})")
    reported.change("02_second", "## About sizes", f"## About {ADDRESS}")
    reported.report()
    for path in (reported.reports / "2026-W10").iterdir():
        assert SECRET not in path.read_text("utf-8"), path.name
    assert SECRET not in "\n".join(reported.lines)
    record = json.loads((reported.reports / "2026-W10" / "run.json").read_text("utf-8"))
    assert record["parameters"]["02_second"]["database"] == MASKED
    assert reported.pages()["02_second.html"].decode().count(MASKED) >= 2


@pytest.mark.parametrize("line", [f'table = "{ADDRESS}"', f'file = "{ADDRESS}"'])
def test_a_password_in_dataset_toml_is_masked_in_what_is_said_of_it(tmp_path, project, line):
    toml = project.data / "dataset.toml"
    toml.write_text(toml.read_text("utf-8").replace('file = "events.csv"', line), "utf-8")
    with pytest.raises(InputError) as refused:
        project.report()
    verdict = checking.check(str(project.data))
    for said in (str(refused.value), "\n".join(verdict.lines()), json.dumps(verdict.as_json())):
        assert SECRET not in said
        assert "postgres://reader:***@host" in said


@given(st.text("abc.@:/%-é", min_size=1), st.text("ab c\n\"'<>,", max_size=5))
def test_a_password_of_any_letters_goes_and_what_stands_around_stays(password, around):
    said = errors.without_passwords(f"{around} https://me:{password}@host/x {around}")
    assert said == f"{around} https://me:***@host/x {around}"


@pytest.mark.parametrize("text", ["http://host:80/a", "spark://host:7077", "a:b@c", "mail me@host", "at 10:00: x@y", "s3://b/k@v"])
def test_an_address_without_a_password_stays(text):
    assert errors.without_passwords(text) == text


# Parameters that are paths or programs


@pytest.mark.parametrize(
    "options",
    [
        {"week": "../../etc"}, {"week": "/etc"}, {"only": "../01_first"}, {"only": "/etc/passwd"},
        {"given": ("week=../../../etc/passwd",)}, {"given": ("../half_life_days=7",)}, {"given": ("half_life_days=NO",)},
        {"given": ("half_life_days=__import__('os').getpid()",)}, {"given": ("half_life_days=!!python/object:os.system",)},
        {"given": ("half_life_days=nan",)}, {"given": ("__import__('os')=1",)}, {"given": ("half_life_days=*alias",)},
    ],
)  # fmt: skip
def test_a_parameter_that_is_a_path_or_a_program_stops_before_anything_is_written(project, options):
    before = set(project.data.parent.iterdir())
    with pytest.raises(InputError):
        project.report(**options)
    assert not paths.built("tiny").exists() and not project.reports.exists()
    assert set(project.data.parent.iterdir()) == before
