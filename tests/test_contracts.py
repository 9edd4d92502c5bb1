"""Contracts: declared once, found by name, kept by the functions that name them, told with units."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from helpers import contracts, paths
from helpers.errors import RunFailed

ANALYSIS = [
    path
    for name in contracts.ANALYSIS
    for path in sorted([paths.PROJECT / "helpers" / f"{name}.py", *(paths.PROJECT / "helpers" / name).glob("*.py")])
    if path.exists()
]
WITHOUT_UNIT = {
    "number",
    "squares",
    "total",
    "value",
    "control_value",
    "difference",
    "low",
    "high",
    "p",
    "before",
    "change",
    "band_low",
    "band_high",
}  # in the unit of the metric that their row names
COLUMNS = {"user_id": ("string", "", "pseudonym"), "day": ("date", "", "local day")}


@pytest.fixture
def registry(monkeypatch):
    """A registry of its own, so that no test leaves a contract behind."""
    monkeypatch.setattr(contracts, "_REGISTRY", dict(contracts.all_contracts()))


def test_a_contract_is_found_by_its_name(registry):
    made = contracts.declare("visits", grain="one row", key=["user_id", "day"], columns=COLUMNS, nullable=("day",))
    assert contracts.find("visits") is made and made.key == ("user_id", "day")
    assert made.columns["day"] == contracts.Column("date", "", "local day") and not made.small


@pytest.mark.parametrize(
    "wrong", [{"key": ["user"]}, {"nullable": ("user",)}, {"columns": COLUMNS | {"n": ("integer", "people", "count")}}]
)
def test_a_contract_that_does_not_fit_its_columns_is_refused(registry, wrong):
    with pytest.raises(ValueError, match="contract visits"):
        contracts.declare("visits", **{"grain": "one row", "key": ["user_id"], "columns": COLUMNS} | wrong)
    assert "visits" not in contracts.all_contracts()


def test_an_unknown_artefact_is_named_with_the_nearest():
    with pytest.raises(RunFailed, match=r'No artefact is called "segmets". Did you mean "segments"\?'):
        contracts.find("segmets")


def test_every_contract_says_what_its_columns_mean_and_every_measure_has_a_unit():
    for name, contract in contracts.all_contracts().items():
        assert contract.grain.startswith("one row"), name
        for column, spec in contract.columns.items():
            assert spec.meaning, f"{name}.{column} has no meaning"
            by_row = {"experiment", "metric"} <= set(contract.columns)  # each row in the unit of its metric
            measured = spec.dtype in ("float64", "decimal") and column not in WITHOUT_UNIT and not by_row
            assert spec.unit or not measured, f"{name}.{column} has no unit"
        assert not set(contract.key) & contract.nullable, f"{name}: a key cannot be empty"


def public_functions() -> list[tuple[str, ast.FunctionDef]]:
    found = []
    for path in [*ANALYSIS, paths.PROJECT / "helpers" / "stats.py"]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = path.relative_to(paths.PROJECT).as_posix()
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        found += [(f"{name}: {node.name}", node) for node in functions if not node.name.startswith("_")]
    return found


def test_every_public_function_of_the_analyses_says_what_it_gives():
    lacking = [name for name, node in public_functions() if not ast.get_docstring(node)]
    assert not lacking and len(public_functions()) > 50


def test_contracts_that_docstrings_name_exist():
    known = set(contracts.all_contracts())
    for name, node in public_functions():
        for sentence in re.findall(r"[Cc]ontracts? ((?:`\w+`(?:, )?)+)", ast.get_docstring(node)):
            assert set(re.findall(r"`(\w+)`", sentence)) <= known, name


def test_errors_that_functions_raise_are_told():
    """Whoever raises an error of ours in the open says so; what its private helpers raise is told with it or with a contract."""
    for name, node in public_functions():
        raised = {
            call.exc.func.id
            for call in ast.walk(node)
            if isinstance(call, ast.Raise) and isinstance(call.exc, ast.Call) and isinstance(call.exc.func, ast.Name)
        }
        for error in raised & {"InputError", "RunFailed", "EnvironmentFault"}:
            assert f"Raises:\n    {error}" in ast.get_docstring(node), f"{name} does not tell of {error}"


def test_analyses_use_no_source_run_or_page():
    """DESIGN: numpy, pandas, ibis, scipy, statsmodels, scikit-learn, and of ours stats, contracts, errors and one another."""
    allowed = {"numpy", "pandas", "ibis", "scipy", "statsmodels", "sklearn", "helpers"}
    ours = {"stats", "contracts", "errors", *contracts.ANALYSIS}
    for path in ANALYSIS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = (
                    [f"{node.module}.{alias.name}" for alias in node.names]
                    if node.module == "helpers"
                    else [node.module]
                )
            for name in names:
                top, _, rest = name.partition(".")
                assert top in allowed | sys.stdlib_module_names, f"{path.name} imports {name}"
                assert top != "helpers" or rest.split(".")[0] in ours, f"{path.name} imports {name}"


def test_files_stay_small():
    """About 300 lines a file, about 40 a function."""
    for path in [*ANALYSIS, paths.PROJECT / "helpers" / "stats.py", Path(contracts.__file__)]:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 300, path.name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 50, f"{path.name}: {node.name}"
