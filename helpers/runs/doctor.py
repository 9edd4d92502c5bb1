"""What is missing or unsuitable on this machine, each with its remedy in one line."""

from __future__ import annotations

import re
import resource
import shutil
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import paths
from helpers.errors import EnvironmentFault
from helpers.sources import spark

if TYPE_CHECKING:
    from helpers.sources.choice import Engine

FREE_BYTES = 2 * 2**30
ADDRESSES = 5 * 2**29  # with less, libraries that nobody asked for an error end the process
REMEDY = "Run `make setup`: it installs what requirements.lock says."


def faults() -> list[str]:
    """Everything that is wrong, most fundamental first; empty when nothing is."""
    return [*_versions(), *_package(), *_memory(), *_disk()]


def check_versions() -> None:
    """The quick part, at every start.

    Raises:
        EnvironmentFault: Memory is held back, or a library is missing or outside the bounds of pyproject.toml; names all.
    """
    if held := _memory():
        raise EnvironmentFault(held[0])
    found = _versions()
    if found:
        _let_it_be_made_again()
        raise EnvironmentFault("\n".join(found))


def of_import(fault: ImportError) -> EnvironmentFault:
    """What is said when an import failed: the libraries that are missing or of the wrong version, else what failed."""
    if held := _memory():
        return EnvironmentFault(held[0])
    _let_it_be_made_again()
    return EnvironmentFault("\n".join(_versions()) or f"{fault}. {REMEDY}")


def check_engine(asked: Engine) -> None:
    """What the engine that a dataset asks for needs of this machine; before any kernel starts.

    Raises:
        EnvironmentFault: Spark or its Java is missing or of an unsuitable version.
    """
    if asked.spark:
        spark.check(asked.spark)
        found = _versions("spark", spark.REMEDY)
        if found:
            raise EnvironmentFault("\n".join(found))


def _let_it_be_made_again() -> None:
    """An environment that lost a library still looks finished to `make`; without its mark it will be mended."""
    environment = paths.PROJECT / ".venv"
    if Path(sys.prefix) == environment:
        (environment / "made-for").unlink(missing_ok=True)


def _versions(group: str | None = None, remedy: str = REMEDY) -> list[str]:
    found = []
    for name, wanted in bounds(group):
        try:
            have = metadata.version(name)
        except metadata.PackageNotFoundError:
            found.append(f"{name} is not installed. {remedy}")
            continue
        if not all(_holds(have, operator, bound) for operator, bound in wanted):
            asked = ",".join(f"{operator}{bound}" for operator, bound in wanted)
            found.append(f"{name} {have} does not work here: {asked} is needed. {remedy}")
    return found


def bounds(group: str | None = None) -> list[tuple[str, list[tuple[str, str]]]]:
    """The dependencies of pyproject.toml with their bounds, `[("pandas", [(">=", "3.1"), ("<", "3.2")]), ...]`."""
    project = tomllib.loads((paths.PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = project["optional-dependencies"][group] if group else project["dependencies"]
    found = []
    for requirement in listed:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)[0]
        found.append((name, re.findall(r"(>=|<=|==|!=|<|>)\s*([0-9][0-9A-Za-z.]*)", requirement)))
    return found


def _holds(have: str, operator: str, bound: str) -> bool:
    a, b = _numbers(have), _numbers(bound)
    width = max(len(a), len(b))
    a, b = a + (0,) * (width - len(a)), b + (0,) * (width - len(b))
    return {">=": a >= b, "<=": a <= b, "==": a == b, "!=": a != b, "<": a < b, ">": a > b}[operator]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.match(r"\d+(\.\d+)*", version)[0].split("."))


def _package() -> list[str]:
    import helpers

    place = Path(helpers.__file__).resolve().parent
    return [] if place == paths.PROJECT / "helpers" else [f"`helpers` is imported from {place}. {REMEDY}"]


def _memory() -> list[str]:
    held = resource.getrlimit(resource.RLIMIT_AS)[0]
    if held == resource.RLIM_INFINITY or held >= ADDRESSES:
        return []
    return [f"Memory is held to {held / 1e9:.1f} GB here (`ulimit -v`); a run wants 5 GB. Allow it more: `ulimit -v unlimited`."]


def _disk() -> list[str]:
    place = paths.built_root()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    return [] if free > FREE_BYTES else [f"{place}: {free / 2**30:.1f} GB free; a run wants 2 GB. Free some space."]
