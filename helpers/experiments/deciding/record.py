"""The record of an analysis: all that an experiment's numbers were computed from, and the numbers, to be computed again."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from helpers.experiments.counted.cube import Cube
from helpers.experiments.deciding.steps import STEPS, Held, Step, computed

FORMAT = "growth-rings experiment record"
VERSION = 1
CUBE = "cube"
DAYS = ("start", "end")  # the plan's entries that are days
ACROSS_VERSIONS = 1e-12  # relative: what other versions of the libraries may do to the last digits
COMPARED = ["step", "at", "metric", "variant", "column", "is_number", "recorded", "recomputed", "equal"]


def records(
    plans: list[dict], cube: Cube, counted: Mapping[str, Any], results: Mapping[str, pd.DataFrame], **told: Any
) -> dict[str, dict]:
    """The records of several experiments, by name; arguments as for `record`."""
    return {plan["name"]: record(plan, cube, counted, results, **told) for plan in plans}


def record(
    plan: dict, cube: Cube, counted: Mapping[str, Any], results: Mapping[str, pd.DataFrame], *,
    seed: int, last_day: date | None,
) -> dict[str, Any]:  # fmt: skip
    """All that the numbers of one experiment follow from, and these numbers, as plain values that JSON keeps exactly.

    Args:
        plan: A complete plan.
        cube: Of this experiment and maybe of others, whose cells are left out; rows of frames likewise.
        counted: What was counted beside the cube, by the names of `steps.Held.frames`: frames, another cube, or numbers by
            experiment; None is left out.
        results: What was computed, by the names of `steps.STEPS`; others are kept, too, but cannot be computed again.
        seed: Of what was drawn at random.
        last_day: Last local day of the data; None when undated.
    """
    name = plan["name"]
    about = {"experiment": name, "seed": seed, "last_day": _plain(last_day)}
    parts: dict[str, Any] = {"about": about, "plan": _plain(plan)}
    inputs = {key: _as_frame(given) for key, given in {CUBE: cube.of(name), **counted}.items() if given is not None}
    parts |= {f"input {key}": frozen(_own(frame, name)) for key, frame in inputs.items()}
    parts |= {f"result {key}": frozen(_own(frame, name)) for key, frame in results.items()}
    return {
        "format": FORMAT,
        "version": VERSION,
        "sha256": {key: digest(part) for key, part in parts.items()},
        "parts": parts,
    }


def digest(value: Any) -> str:
    """SHA-256 of a plain value as JSON with sorted names."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def altered(record: Mapping[str, Any]) -> list[str]:
    """The parts of a record that are not what they were when it was made: "plan", "input cube", "result effects"."""
    parts, noted = record["parts"], record["sha256"]
    return [key for key in {**noted, **parts} if key not in parts or key not in noted or digest(parts[key]) != noted[key]]


def recompute(record: Mapping[str, Any], steps: Mapping[str, Step] = STEPS) -> dict[str, pd.DataFrame]:
    """The results of a record computed again from its cube and frames alone, by the name of the step, in order.

    A step that the record has no numbers of is passed over.
    """
    plan = dict(record["parts"]["plan"])
    plan |= {key: date.fromisoformat(plan[key]) for key in DAYS if plan.get(key)}
    inputs = {name: thawed(part) for name, part in _parts(record, "input").items()}
    about = record["parts"]["about"]
    last_day = date.fromisoformat(about["last_day"]) if about["last_day"] else None
    cube = Cube.of_frame(inputs.pop(CUBE))
    return computed(Held([plan], cube, inputs, about["seed"], last_day), tuple(_parts(record, "result")), steps)


def compare(
    record: Mapping[str, Any], recomputed: Mapping[str, pd.DataFrame], *, within: float = 0.0,
    steps: Mapping[str, Step] = STEPS,
) -> pd.DataFrame:  # fmt: skip
    """Each recorded value beside the one computed again; rows are matched by the keys of their tables, not by their order.

    Args:
        within: Relative difference up to which two numbers count as equal; 0: they are the same to the last digit.

    Returns:
        One row a value: `step`, `at` (which row, in words), `metric`, `variant`, `column`, `is_number`, `recorded` and
        `recomputed` (None: undefined, or there is no such row), `equal`.
    """
    rows: list[tuple] = []
    for name, again in recomputed.items():
        key = steps[name].key
        before, after = _by_key(record["parts"][f"result {name}"], key), _by_key(frozen(again), key)
        for at in dict.fromkeys([*before, *after]):
            place = dict(zip(key, at, strict=False))
            said = ", ".join(str(one) for own, one in place.items() if one != "" and own != "experiment")
            old, new = before.get(at, {}), after.get(at, {})
            rows += [
                (name, said, place.get("metric", ""), place.get("variant", ""), *pair)
                for pair in _pairs(old, new, key, within)
            ]
    return pd.DataFrame(rows, columns=COMPARED).astype({"recorded": object, "recomputed": object})


def _pairs(old: dict[str, Any], new: dict[str, Any], key: tuple[str, ...], within: float) -> Iterator[tuple]:
    """The values of one row before and after: column, is it a number, both, are they equal."""
    for column in dict.fromkeys([*old, *new]):
        if column not in key:
            told = (old.get(column), new.get(column))
            is_number = told == (None, None) or any(isinstance(one, int | float) and not isinstance(one, bool) for one in told)
            yield column, is_number, *told, (column in old) == (column in new) and _is_equal(*told, within)


def numbers(record: Mapping[str, Any], steps: Mapping[str, Step] = STEPS) -> dict[str, int]:
    """How many numbers a record holds of each result, beside those that name a row."""
    return {
        name: sum(
            len(column["values"])
            for key, column in part.items()
            if column["type"] in ("float", "int") and not (name in steps and key in steps[name].key)
        )
        for name, part in _parts(record, "result").items()
    }


def not_recomputed(record: Mapping[str, Any], steps: Mapping[str, Step] = STEPS) -> dict[str, int]:
    """Results that need more than the cube, with how many numbers the record keeps of them."""
    return {name: n for name, n in numbers(record, steps).items() if name not in steps}


def frozen(frame: pd.DataFrame) -> dict[str, dict]:
    """A small frame as plain values, column by column; floats exactly, undefined ones as None."""
    return {str(name): _column(frame[name]) for name in frame.columns}


def thawed(columns: Mapping[str, dict]) -> pd.DataFrame:
    """The frame again."""
    return pd.DataFrame({name: _series(column["type"], column["values"]) for name, column in columns.items()})


def _own(frame: pd.DataFrame, experiment: str) -> pd.DataFrame:
    return frame[frame["experiment"] == experiment].reset_index(drop=True) if "experiment" in frame.columns else frame


def _as_frame(given: pd.DataFrame | Cube | Mapping[str, int]) -> pd.DataFrame:
    if isinstance(given, Cube):
        return given.frame()
    if isinstance(given, Mapping):
        return pd.DataFrame({"experiment": list(given), "number": [int(number) for number in given.values()]})
    return given


def _parts(record: Mapping[str, Any], kind: str) -> dict[str, dict]:
    """The frames of one kind ("input", "result") by name."""
    return {key.removeprefix(f"{kind} "): part for key, part in record["parts"].items() if key.startswith(f"{kind} ")}


def _column(values: pd.Series) -> dict[str, Any]:
    of = pd.api.types
    missing = values.isna().to_numpy()
    if of.is_bool_dtype(values) and not missing.any():
        return {"type": "bool", "values": [bool(value) for value in values]}
    if of.is_integer_dtype(values) and not missing.any():
        return {"type": "int", "values": [int(value) for value in values]}
    if of.is_numeric_dtype(values):
        return {"type": "float", "values": [_float(value) for value in values.to_numpy(dtype=float, na_value=np.nan)]}
    if of.is_datetime64_any_dtype(values):
        times = values.astype("datetime64[us]")
        return {"type": "time", "values": [None if gone else one.isoformat() for gone, one in zip(missing, times, strict=True)]}
    return {"type": "text", "values": [None if gone else _plain(one) for gone, one in zip(missing, values, strict=True)]}


def _series(kind: str, values: list) -> pd.Series:
    if kind == "float":
        return pd.Series([np.nan if value is None else float(value) for value in values], dtype="float64")
    if kind == "time":
        return pd.Series(pd.to_datetime(values), dtype="datetime64[us]")
    return pd.Series(values, dtype={"bool": "bool", "int": "int64", "text": "str"}[kind])


def _float(value: float) -> float | str | None:
    """JSON knows neither what is undefined nor what is infinite."""
    return None if math.isnan(value) else float(value) if math.isfinite(value) else str(float(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, date | datetime):
        return value.isoformat()
    value = value.item() if isinstance(value, np.generic) else value
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def _by_key(columns: Mapping[str, dict], key: tuple[str, ...]) -> dict[tuple, dict[str, Any]]:
    """Rows by their key and, behind it, by a number: were two to have one key, both would be compared."""
    found: dict[tuple, dict[str, Any]] = {}
    for values in zip(*(column["values"] for column in columns.values()), strict=True):
        row = dict(zip(columns, values, strict=True))
        at, number = tuple(row.get(name, "") for name in key), 0
        while (*at, number) in found:
            number += 1
        found[*at, number] = row
    return found


def _is_equal(old: Any, new: Any, within: float) -> bool:
    if isinstance(old, bool) or isinstance(new, bool) or not all(isinstance(one, int | float) for one in (old, new)):
        return old == new and isinstance(old, bool) == isinstance(new, bool)
    return old == new or math.isclose(old, new, rel_tol=within, abs_tol=0.0)
