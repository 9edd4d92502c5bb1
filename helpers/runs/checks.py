"""An artefact against its contract: types are brought into the declared family, everything else is a breach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.contracts import Contract
from helpers.errors import RunFailed, nearest

if TYPE_CHECKING:
    import ibis
    import pandas as pd
    import pyarrow as pa

MULTIPLIED = "Often a join has multiplied rows: aggregate, or take distinct rows, before writing."
EMPTY = "Fill or filter them before writing, or declare the column nullable."
UNDEFINED = "Divide by a nullif(), so that an undefined number is empty and not infinite."
ZONELESS = "Times carry a zone here: localise it first."


def conform(contract: Contract, table: ibis.Table) -> ibis.Table:
    """The table with the contract's columns in order, each of exactly the declared type.

    Raises:
        RunFailed: A column is missing, unknown or of another kind; all of them at once.
    """
    faults = _column_faults(contract, list(table.columns))
    casts = {}
    for name, column in contract.columns.items():
        if name not in table.columns:
            continue
        dtype = table[name].type()
        if not _ibis_fits(dtype, column.dtype):
            faults.append(f"column {name}: {dtype}, but the contract says {column.dtype}. Cast it where it is made.")
        elif column.dtype in ("int64", "float64") and str(dtype).lstrip("!") != column.dtype:
            casts[name] = column.dtype
    _raise(contract, faults)
    extra = [name for name in table.columns if name not in contract.columns]
    return table.select(*contract.columns, *extra).cast(casts)


def _ibis_fits(dtype, declared: str) -> bool:
    whole = dtype.is_integer() or (dtype.is_decimal() and dtype.scale == 0)
    return {
        "string": dtype.is_string(),
        "int64": whole,
        "float64": dtype.is_floating() or dtype.is_integer(),
        "decimal": dtype.is_decimal(),
        "boolean": dtype.is_boolean(),
        "date": dtype.is_date(),
        "timestamp": dtype.is_timestamp() and dtype.timezone is not None,
    }[declared]


def check_rows(contract: Contract, table: ibis.Table, *, keyed: bool = False) -> None:
    """Key unique, nothing empty that must not be, nothing infinite: one pass over a written table.

    Args:
        keyed: The rows were grouped by the key, which is therefore not looked at.

    Raises:
        RunFailed: With the count, the likely cause and the remedy of each breach.
    """
    filled = [name for name in contract.columns if name not in contract.nullable]
    floats = [name for name, column in contract.columns.items() if column.dtype == "float64"]
    counts = {"rows": table.count()}
    counts |= {f"empty {name}": table[name].isnull().sum().fill_null(0) for name in filled}
    counts |= {f"odd {name}": (table[name].isnan() | table[name].isinf()).sum().fill_null(0) for name in floats}
    found = {name: int(value) for name, value in table.aggregate(**counts).to_pandas().iloc[0].items()}
    unkeyed = keyed or not contract.key
    keys = found["rows"] if unkeyed else table.select(*contract.key).distinct().count().to_pandas()
    _raise(contract, _row_faults(contract, found, int(keys)))


def _row_faults(contract: Contract, found: dict[str, int], keys: int) -> list[str]:
    rows, faults = found["rows"], []
    if keys < rows:
        named = ", ".join(contract.key)
        faults.append(f"key ({named}): {rows - keys:,} of {rows:,} rows repeat a key. {MULTIPLIED}")
    for name, count in found.items():
        kind, _, column = name.partition(" ")
        if kind == "empty" and count:
            faults.append(f"column {column}: {count:,} of {rows:,} values are empty. {EMPTY}")
        if kind == "odd" and count:
            faults.append(f"column {column}: {count:,} of {rows:,} values are infinite or NaN. {UNDEFINED}")
    return faults


def to_arrow(contract: Contract, frame: pd.DataFrame) -> pa.Table:
    """A pandas frame as a table of exactly the contract's columns; its order has a meaning and stays.

    Raises:
        RunFailed: Any breach of the contract; all of them at once.
    """
    import numpy as np
    import pyarrow as pa

    frame = frame.reset_index(drop=True)
    faults = _column_faults(contract, [str(name) for name in frame.columns])
    arrays = {}
    for name in frame.columns:
        declared = contract.columns[name].dtype if name in contract.columns else None
        try:
            arrays[name] = _array(frame[name], declared)
        except (pa.ArrowException, TypeError, ValueError) as fault:
            reason = str(fault).splitlines()[0]
            faults.append(f"column {name}: {frame[name].dtype}, but the contract says {declared} ({reason}).")
    _raise(contract, faults)
    found = {"rows": len(frame)}
    for name, column in contract.columns.items():
        if name not in contract.nullable:
            found[f"empty {name}"] = arrays[name].null_count
        if column.dtype == "float64":
            found[f"odd {name}"] = int(np.isinf(arrays[name].to_numpy(zero_copy_only=False)).sum())
    keys = len(frame[list(contract.key)].drop_duplicates()) if contract.key else len(frame)
    _raise(contract, _row_faults(contract, found, keys))
    extra = [name for name in frame.columns if name not in contract.columns]
    return pa.table({name: arrays[name] for name in [*contract.columns, *extra]})


def _array(series: pd.Series, declared: str | None) -> pa.Array:
    import pyarrow as pa

    if declared == "timestamp" and getattr(series.dtype, "tz", None) is None and series.notna().any():
        raise TypeError(ZONELESS)
    if declared == "date" and series.dtype.kind == "M" and (series.dropna() != series.dropna().dt.normalize()).any():
        raise ValueError("some hold a time of day")
    if declared == "string" and series.dtype == "category":
        series = series.astype("str")
    kinds = {
        "string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "boolean": pa.bool_(),
        "date": pa.date32(), "timestamp": pa.timestamp("us", "UTC"),
    }  # fmt: skip
    array = pa.Array.from_pandas(series, type=kinds.get(declared))
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if declared == "decimal" and not (pa.types.is_decimal(array.type) or pa.types.is_null(array.type)):
        raise TypeError("use decimal.Decimal, so that sums are exact")
    return array


def _column_faults(contract: Contract, present: list[str]) -> list[str]:
    faults = [
        f"column {name}: missing.{nearest(name, set(present) - set(contract.columns))}"
        for name in contract.columns
        if name not in present
    ]
    if not contract.open_columns:
        faults += [
            f"column {name}: not in the contract.{nearest(name, set(contract.columns) - set(present))}"
            for name in present
            if name not in contract.columns
        ]
    return faults


def _raise(contract: Contract, faults: list[str]) -> None:
    if faults:
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise RunFailed(f"{contract.name} ({contract.grain}) breaks its contract:\n{listed}")
