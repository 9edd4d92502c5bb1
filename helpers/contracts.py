"""The leaf that declares artefacts: grain, key, and columns with type, unit and meaning.

A contract stands beside the function that makes the artefact:

    USER_DAY = contracts.declare(
        "user_day", grain="one row per user and local day", key=["user_id", "day"], needs="events",
        columns={"user_id": ("string", "", "pseudonym"), "day": ("date", "", "local day"), ...},
    )

It is checked when the artefact is written, and printed as the data dictionary.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field

from helpers.errors import RunFailed, nearest

TYPES = ("string", "int64", "float64", "decimal", "boolean", "date", "timestamp")
ANALYSIS = ("cleaning", "facts", "portraits", "segments", "retention", "experiments", "weekly")


@dataclass(frozen=True)
class Column:
    """One column: its type (one of TYPES), its unit ("people", "s", "currency", "share", "") and its meaning."""

    dtype: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Contract:
    """What an artefact promises.

    `small` artefacts do not grow with users: they are read as pandas frames, all others as ibis tables.
    `needs` names the part of dataset.toml without which the artefact does not exist ("events", "users", "" = always).
    `open_columns` allows further columns (user attributes that a dataset names itself).
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: dict[str, Column]
    needs: str = ""
    small: bool = False
    open_columns: bool = False
    nullable: frozenset[str] = field(default_factory=frozenset)


_REGISTRY: dict[str, Contract] = {}


def declare(
    name: str,
    *,
    grain: str,
    key: list[str],
    columns: dict[str, tuple[str, str, str]],
    needs: str = "",
    small: bool = False,
    open_columns: bool = False,
    nullable: tuple[str, ...] = (),
) -> Contract:
    """Register a contract; the key must be among the columns."""
    made = {column: Column(*spec) for column, spec in columns.items()}
    unknown = [column.dtype for column in made.values() if column.dtype not in TYPES]
    if unknown or not set(key) <= set(made) or not set(nullable) <= set(made):
        raise ValueError(f"contract {name}: types {unknown}, key {key} or nullable {nullable} do not fit the columns")
    contract = Contract(name, grain, tuple(key), made, needs, small, open_columns, frozenset(nullable))
    _REGISTRY[name] = contract
    return contract


def all_contracts() -> dict[str, Contract]:
    """Every contract of the project by name, the analysis modules being imported for it."""
    for module in ANALYSIS:
        importlib.import_module(f"helpers.{module}")
    return dict(_REGISTRY)


def find(name: str) -> Contract:
    """The contract of one artefact.

    Raises:
        RunFailed: There is none of that name; says which is nearest.
    """
    if name not in _REGISTRY:
        all_contracts()
    if name not in _REGISTRY:
        raise RunFailed(f'No artefact is called "{name}".{nearest(name, _REGISTRY)} Declare it with contracts.declare.')
    return _REGISTRY[name]
