"""The set-up: one set of versions, told in three files; the code under test is this tree's."""

import re
import shutil
import subprocess
import sys
from importlib import metadata

import pytest

import helpers
from helpers import paths
from helpers.errors import EnvironmentFault
from helpers.runs import doctor

# Names that conda-forge spells otherwise; None where conda has no need of it.
CONDA = {
    "duckdb": "python-duckdb",
    "ibis-framework": "ibis-framework-core",
    "jupyter-client": "jupyter_client",
    "matplotlib": "matplotlib-base",
    "nbconvert": "nbconvert-core",
    "seaborn": "seaborn-base",
    "tzdata": "python-tzdata",
    "flit_core": "flit-core",
    "uv": None,
}
NOT_PYPROJECT = {"python", "pip"}
HERE = paths.PROJECT


def conda() -> dict[str, str]:
    """Name -> bounds, of environment.yml."""
    text = (paths.PROJECT / "environment.yml").read_text("utf-8")
    listed = re.findall(r"^  - ([A-Za-z0-9_-]+)([<>=!0-9.,]*)$", text, re.M)
    return {name: bounds for name, bounds in listed if name not in NOT_PYPROJECT | {"conda-forge"}}


def wanted() -> dict[str, list[tuple[str, str]]]:
    return {name: bounds for group in (None, "test", "build") for name, bounds in doctor.bounds(group)}


def test_environment_yml_names_what_pyproject_names_with_the_same_bounds():
    ours = {
        CONDA.get(name, name): ",".join(f"{operator}{bound}" for operator, bound in bounds)
        for name, bounds in wanted().items()
        if CONDA.get(name, name) is not None
    }
    assert conda() == ours


def test_spark_is_tested_with_the_bounds_that_its_users_get():
    [spark] = doctor.bounds("spark")
    assert spark in doctor.bounds("hard")


def test_helpers_is_imported_from_this_tree():
    assert helpers.__file__ == str(paths.PROJECT / "helpers" / "__init__.py")
    code = "import helpers; print(helpers.__file__)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=paths.PROJECT)
    assert said.stdout.strip() == helpers.__file__


def test_the_distribution_is_called_growth_rings():
    assert metadata.version("growth-rings") == "0.1.0"


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-hard.lock"])
def test_a_lock_has_a_hash_for_everything_and_no_address(name):
    text = (paths.PROJECT / name).read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=)", text, re.M), "a line that is an option"
    pinned = re.split(r"^(?=\S)", text, flags=re.M)
    entries = [entry for entry in pinned if re.match(r"[A-Za-z0-9]", entry)]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry or "==" not in entry] == []


def test_everything_that_pyproject_names_is_locked_build_backend_and_uv_included():
    text = (paths.PROJECT / "requirements.lock").read_text("utf-8")
    locked = {name.lower().replace("_", "-") for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.M)}
    assert {name.lower().replace("_", "-") for name in wanted()} - locked == set()


def test_no_file_of_the_set_up_names_an_address():
    for name in ("Makefile", "pyproject.toml", "environment.yml", ".ci/run"):
        assert "://" not in (paths.PROJECT / name).read_text("utf-8"), name


def test_the_doctor_finds_nothing_here():
    assert doctor.faults() == []


def test_the_doctor_names_the_library_the_bound_and_the_remedy(monkeypatch):
    have = {"duckdb": "2.0.0", "sqlglot": "30.30.1"}
    monkeypatch.setattr(doctor, "_let_it_be_made_again", lambda: None)
    monkeypatch.setattr(doctor.metadata, "version", lambda name: have.get(name) or metadata.distribution(name).version)
    with pytest.raises(EnvironmentFault) as refused:
        doctor.check_versions()
    first, second = str(refused.value).splitlines()
    assert first.startswith("duckdb 2.0.0 does not work here: >=1.5,<2 is needed.")
    assert second.startswith("sqlglot 30.30.1 does not work here: >=30.4,<30.18 is needed.")
    assert refused.value.exit_code == 4
    assert "make setup" in first


def test_a_missing_library_is_named_and_the_environment_is_mended_by_the_next_call(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    shutil.copy(HERE / "pyproject.toml", tmp_path)
    mark = tmp_path / ".venv" / "made-for"
    mark.parent.mkdir()
    mark.touch()

    def version(name):
        if name == "pandas":
            raise metadata.PackageNotFoundError(name)
        return metadata.distribution(name).version

    monkeypatch.setattr(doctor.metadata, "version", version)
    with pytest.raises(EnvironmentFault, match=r"pandas is not installed\. Run `make setup`"):
        doctor.check_versions()
    assert not mark.exists()


@pytest.mark.parametrize(
    ("have", "operator", "bound", "holds"),
    [
        ("30.4.3", ">=", "30.4", True), ("30.18", "<", "30.18", False), ("30.9", "<", "30.18", True), ("2", ">=", "2.0.0", True),
        ("2.0.0rc1", "<", "2", False), ("1.5.6.post1", "<", "2", True),
    ],
)  # fmt: skip
def test_versions_are_compared_by_number(have, operator, bound, holds):
    assert doctor._holds(have, operator, bound) is holds


def test_make_alone_lists_every_command():
    said = subprocess.run(["make"], cwd=paths.PROJECT, capture_output=True, text=True).stdout
    for command in ("report", "test", "test-hard", "lab", "bench", "tidy", "clean"):
        assert f"make {command} " in said
