"""Imports what the engine would import on first use; for a process that is to have it ready (the warm process of runs/)."""

import duckdb  # noqa: F401
import ibis.backends.duckdb  # noqa: F401
import pyarrow.parquet  # noqa: F401
